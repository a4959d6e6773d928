/*
 * ca-core/signer.h - the signer's parts to each other. Private to signer*.c.
 *
 *   signer.c         start, the reader of the front's channel, orderly stop
 *   signer_front.c   the front's questions: the workers that answer them
 *   signer_admin.c   STATE/admin.sock: who may speak on it, and what it may ask
 *   signer_keeper.c  what has to be done by the clock: lists, heads, tokens, clean-up
 */
#ifndef CHANCERY_CA_SIGNER_H
#define CHANCERY_CA_SIGNER_H

#include "base/channel.h"
#include "base/queue.h"
#include "ca-core/role.h"
#include "ca-core/session.h"

#define SIGNER_QUEUE_MAX 1024     /* questions that wait for a worker */
#define SIGNER_IN_FLIGHT_MAX 4096 /* signed, waiting for their commit */
#define SIGNER_WORKERS_MAX 64
#define SIGNER_ADMINS_MAX 8
#define SIGNER_WAITERS_MAX 64

struct signer;

/* One question of the front, with its payload behind it. */
struct question {
	uint16_t type;
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

/* A list that an issuer's certificate holders wait for. */
struct list_due {
	bool wanted;
	int64_t not_before_ms, begun_ms; /* CLOCK_MONOTONIC */
};
struct list_waiter {
	struct ca_issuer *issuer;
	uint64_t id; /* of the front's question */
	struct ca_actor actor;
};

struct signer {
	const struct role *role;
	struct store *store;
	struct ca *ca;
	struct ca_sessions *sessions;
	struct channel *front;

	struct queue *questions;
	pthread_t workers[SIGNER_WORKERS_MAX];
	unsigned worker_count;
	_Atomic unsigned in_flight;

	pthread_mutex_t lock;   /* for all that follows */
	pthread_cond_t changed; /* by CLOCK_MONOTONIC */
	bool stopping;
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

/* ---- signer_front.c ---- */
int signer_workers_start(struct signer *s, struct error *err);
void signer_workers_stop(struct signer *s); /* after the last question; answers what is queued */
/* One frame of the front: queued for a worker, or refused at once. */
void signer_take(struct signer *s, const struct frame *frame);
void signer_answer(struct signer *s, uint64_t id, uint16_t type, const struct buf *payload);
void signer_answer_error(struct signer *s, uint64_t id, const struct error *err);

/* ---- signer_admin.c ---- */
int signer_admin_start(struct signer *s, struct error *err);
void signer_admin_stop(struct signer *s);

/* ---- signer_keeper.c ---- */
int signer_keeper_start(struct signer *s, struct error *err);
void signer_keeper_stop(struct signer *s);
/* The list is made soon; many calls in a burst make few lists. */
void signer_keeper_list_due(struct signer *s, struct ca_issuer *issuer);
/* The same now, answered to the front's question when it is out. ERR_BUSY. */
int signer_keeper_list_now(struct signer *s, struct ca_issuer *issuer, const struct ca_actor *actor, uint64_t id,
			   struct error *err);

/* pthread_create with all signals blocked: they are for nobody here. 0, or ERR_INTERNAL. */
int signer_thread(pthread_t *thread, void *(*main)(void *), void *arg, struct error *err);

#endif
