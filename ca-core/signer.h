/*
 * ca-core/signer.h - the signer's parts to each other. Private to signer*.c.
 *
 *   signer.c         start, the reader of the front's channel, orderly stop
 *   signer_lanes.c   the workers, a lane for each token; questions that wait for a token
 *   signer_front.c   the front's questions and their answers
 *   signer_admin.c   STATE/admin.sock: who may speak on it, and what it may ask
 *   signer_tokens.c  a thread for each token: cares for it, and makes what its keys sign by the clock
 *   signer_lists.c   which revocation lists are wanted, and by whom
 *   signer_keeper.c  what has to be done by the clock without a token
 *   signer_orders.c  orders: the front's questions, what is due by the clock, the signing of those that are ready
 *   signer_validator.c  the channel to the validator, which is started again now and then
 */
#ifndef CHANCERY_CA_SIGNER_H
#define CHANCERY_CA_SIGNER_H

#include "base/channel.h"
#include "base/queue.h"
#include "ca-core/health.h"
#include "ca-core/message_order.h"
#include "ca-core/role.h"
#include "ca-core/session.h"

#define SIGNER_QUEUE_MAX 1024     /* questions that wait for a worker */
#define SIGNER_IN_FLIGHT_MAX 4096 /* signed, waiting for their commit */
#define SIGNER_WORKERS_MAX 64
#define SIGNER_LANES_MAX (1 + CA_CONFIG_TOKENS_MAX)
#define SIGNER_ADMINS_MAX 8
#define SIGNER_WAITERS_MAX 64

struct signer;

/* One question of the front, with its payload behind it. */
struct question {
	struct question *next; /* of those that wait */
	uint16_t type;
	unsigned tries;
	struct ca_issuer *issuer;        /* whose key is to sign; NULL: none is needed */
	const struct ca_token *token;    /* in whose lane it is */
	int64_t until_ms, not_before_ms; /* CLOCK_MONOTONIC: it may wait until, and is not tried before */
	uint64_t id;
	size_t len;
	uint8_t payload[];
};

struct admin_connection {
	struct signer *signer;
	pthread_t thread;
	struct channel *channel; /* NULL once it has ended */
	bool used;               /* the place is taken until the thread was joined */
	struct ca_actor actor;
};

/* The workers of one token, or (token NULL) of what needs none. */
struct lane {
	struct signer *signer;
	const struct ca_token *token;
	struct queue *questions;  /* NULL: the lane is not used */
	_Atomic size_t load;      /* questions in it, those at work included */
	_Atomic int64_t taken_ms; /* when a worker took one the last time, CLOCK_MONOTONIC */
	pthread_t workers[SIGNER_WORKERS_MAX];
	unsigned worker_count, wanted; /* the watch adds some for those that do not return */
};

/* Questions whose token is away. */
struct waiting {
	pthread_mutex_t lock; /* guards the rest; nothing else is locked, and no call made, under it */
	pthread_cond_t changed;
	struct question *first;
	size_t count;
	uint64_t waits, timeouts; /* questions, however often each was tried */
	bool token_changed, closed;
};

/* The thread that cares for one token. */
struct tender {
	struct signer *signer;
	struct ca_token *token;
	pthread_t thread;
	bool runs;
};

/* A list that an issuer's certificate holders wait for. */
struct list_due {
	bool wanted;
	int64_t not_before_ms, begun_ms; /* CLOCK_MONOTONIC */
	int64_t failed_ms;               /* when it could not be made; 0: it could */
};
struct list_waiter {
	struct ca_issuer *issuer;
	uint64_t id; /* of the front's question */
	struct ca_actor actor;
	int64_t until_ms; /* CLOCK_MONOTONIC: then nobody listens any more */
	bool served;      /* by the list that is being made */
};

/* The thread that does what orders and deliveries have to do by the clock. */
struct signer_orders {
	bool made;            /* lock and condition are there */
	pthread_mutex_t lock; /* guards due and stopping */
	pthread_cond_t changed;
	bool due, stopping;
	pthread_t thread;
	bool runs;
};

struct signer {
	const struct role *role;
	struct store *store;
	struct ca *ca;
	struct ca_sessions *sessions;
	struct channel *front;
	struct validator_link *validator;
	struct signer_orders orders;

	struct lane lanes[SIGNER_LANES_MAX]; /* the first needs no token; then by the place of theirs */
	struct waiting waiting;
	pthread_t watch;
	bool watch_runs;
	_Atomic unsigned in_flight;

	pthread_mutex_t lock;   /* for all that follows */
	pthread_cond_t changed; /* by CLOCK_MONOTONIC */
	bool stopping;
	_Atomic bool leaving; /* for a new process: a token's module cannot be helped otherwise */
	struct tender tenders[CA_CONFIG_TOKENS_MAX];
	bool head_wanted; /* every list has its head */
	pthread_t keeper, admin;
	bool keeper_runs, admin_runs;
	int admin_wake; /* eventfd that ends the accepting */
	struct list_due lists[CA_CONFIG_ISSUERS_MAX];
	struct list_waiter waiters[SIGNER_WAITERS_MAX];
	size_t waiter_count;
	struct admin_connection admins[SIGNER_ADMINS_MAX];
	unsigned front_certificates; /* that may still be issued now */
	int64_t front_certificates_ms;
};

/* ---- signer_lanes.c ---- */
int signer_lanes_start(struct signer *s, struct error *err);
/* After the last question; answers what is queued, and what waits. False where a worker has not ended until then
 * (CLOCK_MONOTONIC), because it is inside a token's call that does not return: nothing that it may use can be freed. */
bool signer_lanes_stop(struct signer *s, int64_t until_ms);
/* Who signs under this profile; NULL where there is no such profile, or nobody does. */
struct ca_issuer *signer_issuer_of(struct signer *s, struct bytes profile);
/* To the lane of its issuer's best token; where none is there, to that of what needs none, for what can be said
 * without. False where that is full. */
bool signer_lane_push(struct signer *s, struct question *q);
/* A question that nothing was signed for, because the token is away: it waits for it, and is ours no more. False
 * where it has waited long enough, or too many wait. */
bool signer_park(struct signer *s, struct question *q);
/* Answers one that waits no more: why nothing was signed, and how long it was waited for. Owns it. */
void signer_give_up(struct signer *s, struct question *q, const char *why);
/* For struct ca's on_token_changed. */
void signer_token_changed(void *arg);
uint64_t signer_lanes_length(struct signer *s);
/* Waits, as a question would, until a token with the issuer's key can sign. For threads of which each serves one
 * person; when the time is over the caller finds out why. */
void signer_wait_for_token(struct signer *s, const struct ca_issuer *issuer);
/* pthread_join until then, CLOCK_MONOTONIC. False: it has not ended. */
bool signer_join(pthread_t thread, int64_t until_ms);

/* ---- signer_front.c ---- */
/* One frame of the front: queued for a worker, or refused at once. */
void signer_take(struct signer *s, const struct frame *frame);
/* Answers the question, or lets it wait; owns it. out: room to be used again. */
void signer_work(struct signer *s, struct question *q, struct buf *out);
struct ca_health_extra signer_health(struct signer *s);
void signer_answer(struct signer *s, uint64_t id, uint16_t type, const struct buf *payload);
void signer_answer_error(struct signer *s, uint64_t id, const struct error *err);

/* ---- signer_admin.c ---- */
int signer_admin_start(struct signer *s, struct error *err);
bool signer_admin_stop(struct signer *s, int64_t until_ms); /* as signer_lanes_stop */

/* ---- signer_tokens.c ---- */
int signer_tokens_start(struct signer *s, struct error *err);
bool signer_tokens_stop(struct signer *s, int64_t until_ms); /* as signer_lanes_stop */

/* ---- signer_lists.c ---- */
/* The list is made soon; many calls in a burst make few lists. */
void signer_list_due(struct signer *s, struct ca_issuer *issuer);
/* The same now, answered to the front's question when it is out. ERR_TOKEN_UNAVAILABLE where the issuer's key is not
 * ours to use, ERR_BUSY. */
int signer_list_now(struct signer *s, struct ca_issuer *issuer, const struct ca_actor *actor, uint64_t id,
		    struct error *err);
/* Makes the lists that are wanted, or due by time, of the issuers whose lists this token's thread makes.
 * up_since_ms: since when the token is up, CLOCK_MONOTONIC. */
void signer_lists_keep(struct signer *s, const struct ca_token *token, int64_t up_since_ms);
/* When the next wish of one of those is due; INT64_MAX: none is. With the signer's lock. */
int64_t signer_lists_next_ms(struct signer *s, const struct ca_token *token);
/* Answers those who have waited too long for a list, as behind a call that does not return; all: everybody. */
void signer_lists_give_up(struct signer *s, bool all);

/* ---- signer_keeper.c ---- */
int signer_keeper_start(struct signer *s, struct error *err);
void signer_keeper_stop(struct signer *s);

/* ---- signer_orders.c ---- */
#define SIGNER_ISSUE_ORDER 0xfffe /* a question of our own: the payload is the id of a claimed order */
/* What a question gets: the answer's type with the payload in out, 0 where it comes later, or -1 with err. */
typedef int signer_answerer(struct signer *s, const struct question *q, struct buf *out, struct error *err);
signer_answerer *signer_orders_answerer(uint16_t type);         /* NULL: it is not about orders */
void signer_orders_issue(struct signer *s, struct question *q); /* owns it */
void signer_orders_drop(struct signer *s, struct question *q);  /* the order is due again */
int signer_orders_start(struct signer *s, struct error *err);
/* The validator's channel is closed, and nothing is due any more. After it nobody tells of orders but the lanes. */
void signer_orders_stop(struct signer *s);
void signer_orders_free(struct signer *s); /* after the last who may tell */

/* ---- signer_validator.c ---- */
/* What the validator tells, on a thread of its own; what is told borrows until the call returns. Each may be NULL. */
struct validator_events {
	void (*validated)(void *arg, uint64_t id, const struct message_validated *seen);
	void (*delivered)(void *arg, uint64_t id, const struct message_delivered *result);
	void (*came)(void *arg); /* a channel is there: what could not be asked can be */
	void (*lost)(void *arg); /* it went: nothing that was asked is answered any more */
	void *arg;
};
/* channel: to the validator; -1: none yet. control: to the supervisor, which hands over a fresh one by 'V'; -1: none.
 * Takes both over; copies events. NULL with ERR_INTERNAL. */
struct validator_link *signer_validator_new(int channel, int control, const struct validator_events *events,
					    struct error *err);
/* The send of struct ca_validator (ca-core/order.h), arg the link: MSG_VALIDATE or MSG_DELIVER. From any thread.
 * ERR_UNREACHABLE: there is no validator now; ERR_BUSY, ERR_TOO_LARGE of channel_send. */
int signer_validator_send(void *arg, uint16_t type, uint64_t id, struct bytes payload, struct error *err);
/* After it no event comes. */
void signer_validator_free(struct validator_link *link);

/* pthread_create with all signals blocked: they are for nobody here. 0, or ERR_INTERNAL. */
int signer_thread(pthread_t *thread, void *(*main)(void *), void *arg, struct error *err);

#endif
