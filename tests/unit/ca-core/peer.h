/*
 * tests/unit/ca-core/peer.h - a front, hostile or not, over a socket pair against the real signer
 * in a process of its own.
 */
#ifndef CHANCERY_TESTS_CA_PEER_H
#define CHANCERY_TESTS_CA_PEER_H

#include <sys/types.h>

#include "base/channel.h"
#include "tests/unit/ca-core/fixture.h"

#define PEER_ANSWERS_MAX 256 /* that nobody has asked for yet */

struct peer_answer {
	uint64_t id;
	uint16_t type;
	struct buf payload;
	struct error refusal; /* where it is MSG_ERROR */
};

struct peer {
	/* What a test sets before the start. */
	struct fixture f;                   /* its founding: changes, more, shared_key */
	bool raw;                           /* no channel, but the descriptor */
	bool quiet;                         /* what the signer logs goes to signer.log in the state folder */
	void (*founded)(struct fixture *f); /* called while the CA is open in the test's process; or NULL */
	void (*in_signer)(void);            /* called in the signer's process before its main; or NULL */
	struct buf *alice, *admin;          /* who is to be enrolled: the certificate; or NULL */
	bool validates;                     /* the test is the signer's validator, too */

	pid_t pid;
	struct channel *channel;
	struct channel *validator; /* where it validates: the validator's end */
	int fd;                    /* the raw end, where there is no channel; else a copy of the channel's */
	uint64_t next_id;
	struct frame frame;      /* the answer waited for last; until the next one */
	struct error refusal;    /* where it was MSG_ERROR */
	struct peer_answer last; /* what frame borrows from */
	struct peer_answer answers[PEER_ANSWERS_MAX];
	size_t answer_count;
};

/* Founds a CA, enrols alice and admin, and starts the signer. */
void peer_start(struct peer *p);
/* Closes the channel: the signer must leave by itself, in order. */
void peer_stop(struct peer *p);

/* Sends a question; its id. */
uint64_t peer_send(struct peer *p, uint16_t type, const struct buf *payload);
/* The type of the answer with this id; -1 where there is none within so many milliseconds. Answers to other
 * questions are kept until they are asked for. Into frame and refusal. */
int peer_wait(struct peer *p, uint64_t id, int64_t timeout_ms);
/* Both: the answer must come. */
int peer_ask(struct peer *p, uint16_t type, const struct buf *payload);

/* A session with this certificate. */
uint64_t peer_session(struct peer *p, const struct buf *certificate);
/* A request for one name under this profile. */
uint64_t peer_send_issue(struct peer *p, uint64_t session, const char *profile, const char *name, struct bytes spki);
int peer_issue(struct peer *p, uint64_t session, const char *name, struct bytes spki);

/* What the signer says of itself: a counter of MSG_HEALTH, or -1. */
int64_t peer_counter(struct peer *p, const char *name);
/* Asks until it has this value; fails the test where that takes too long. */
void peer_await(struct peer *p, const char *counter, int64_t value);
/* Asks until requests can be signed; until a token is in this state. */
void peer_await_ready(struct peer *p);
void peer_await_token(struct peer *p, const char *token, const char *state);

/* A connection of its own to admin.sock. */
struct channel *peer_connect_admin(struct peer *p);

#endif
