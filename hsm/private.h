/*
 * hsm/private.h - what the files of hsm/ share and nobody else sees.
 */
#ifndef CHANCERY_HSM_PRIVATE_H
#define CHANCERY_HSM_PRIVATE_H

#include <openssl/err.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/bytes.h"
#include "hsm/admin.h"
#include "hsm/ckr.h"
#include "hsm/key.h"
#include "hsm/token.h"
#include "hsm/uri.h"

/* Every call into a module. A module that is built on OpenSSL leaves errors on this thread's
 * queue, which later calls of ours would take for their own. */
#define p11_call(fn, call, ...)                          \
	({                                               \
		ERR_set_mark();                          \
		CK_RV p11_rv_ = (fn)->call(__VA_ARGS__); \
		(void)ERR_pop_to_mark();                 \
		p11_rv_;                                 \
	})

/* ---- module.c ---- */
#define HSM_TOKENS_MAX 16

struct hsm_module {
	void *object; /* of dlopen */
	CK_FUNCTION_LIST_PTR fn;
	char *path;
	/* Held for reading by whoever is inside the module, for writing by a restart. Taken after a
	 * token's lock, never twice by one thread. */
	pthread_rwlock_t gate;
	pthread_mutex_t lock; /* guards everything below */
	pthread_cond_t left;  /* a visitor has left a token */
	struct hsm_token *tokens[HSM_TOKENS_MAX];
	size_t token_count;
	int64_t drained_ms; /* the last restart for which tokens that were up had to wait; or one was first wished for */
	int64_t drain_took_ms;
	bool drain_hurts; /* after one, a token that had been up did not come back at once */
	_Atomic uint64_t restarts;
	_Atomic int64_t since_ms; /* a restart is under way since then, or 0 */
};

/* C_Finalize and C_Initialize, then hsm_token_reopen for each token: the hardest cure, for a
 * module that does not see that its token came back. It ends every session and login of the
 * module. So where another token is up, that one is drained first (who signs ends, who comes waits:
 * HSM_RESTART_WAIT_MS at most), and it happens seldom: at most once in a second, in a thirtieth of
 * down_ms (how long the sick one is down), and in a hundred times of what the last drain took; and
 * not again once a token that was up did not come back. ERR_TOKEN_UNAVAILABLE where nothing was
 * done, or the module does not initialize. */
int hsm_module_restart(struct hsm_module *m, int64_t down_ms, struct error *err);
#define HSM_RESTART_WAIT_MS 1000
#define HSM_DRAIN_LEAST_MS 1000
#define HSM_DRAIN_MOST_MS 600000
/* C_Finalize, then `between` with calls that a finalized module has to refuse, then C_Initialize.
 * No token of m may be open, and no other thread inside. ERR_TOKEN_UNAVAILABLE: one of the two
 * was refused; m is then good for nothing but hsm_module_close. */
int hsm_module_reinitialize(struct hsm_module *m, void (*between)(CK_FUNCTION_LIST_PTR fn, void *argument),
			    void *argument, struct error *err);
/* ERR_CONFIG past HSM_TOKENS_MAX. */
int hsm_module_add(struct hsm_module *m, struct hsm_token *t, struct error *err);
/* Inside the gate, so that a restart finds either the token, or no session of it. */
void hsm_module_remove(struct hsm_module *m, const struct hsm_token *t);
/* The module's tokens, for one who did not open them himself: none is closed before hsm_module_leave. How many. */
size_t hsm_module_visit(struct hsm_module *m, struct hsm_token *tokens[HSM_TOKENS_MAX]);
void hsm_module_leave(struct hsm_module *m, struct hsm_token *const *tokens, size_t count);
/* From here on nobody visits the token, and those who did have left. Outside the gate. */
void hsm_module_await_visitors(struct hsm_module *m, struct hsm_token *t);

/* ---- session.c: sessions for signing ---- */
struct hsm_lease {
	CK_SESSION_HANDLE session; /* CK_INVALID_HANDLE while it is being opened */
	int64_t since_ms;          /* CLOCK_MONOTONIC, as every time here */
	bool lost;                 /* written off: its call did not return while the token was well again */
};

struct hsm_pool {
	CK_FUNCTION_LIST_PTR fn;
	CK_SLOT_ID slot;
	pthread_mutex_t lock; /* guards everything below */
	pthread_cond_t freed;
	CK_SESSION_HANDLE *idle, *broken; /* room for twice `wanted` each, as leases */
	size_t idle_count, broken_count;
	struct hsm_lease *leases; /* those in use */
	size_t lent, lost;        /* lost ones are lent, but do not count for max; `wanted` of them at most */
	size_t open;              /* idle, broken, and lent */
	size_t max, wanted;       /* the token may have fewer than are wanted: then max is less for a while */
	int64_t limited_ms;
};

#define HSM_POOL_WAIT_MS 2000
#define HSM_POOL_LIMIT_MS 10000 /* after which it is tried again whether the token has more */

int hsm_pool_init(struct hsm_pool *pool, CK_FUNCTION_LIST_PTR fn, CK_SLOT_ID slot, size_t max, struct error *err);
void hsm_pool_close(struct hsm_pool *pool); /* nothing may be lent */
/* The module has ended all sessions, none of them lent: the pool begins anew. */
void hsm_pool_forget(struct hsm_pool *pool, CK_SLOT_ID slot);
/* The idle sessions are of no further use: closed as broken ones are, and replaced. */
void hsm_pool_retire(struct hsm_pool *pool);
/* C_CloseAllSessions where none is lent: the pool begins anew, and the login is gone. False where one is. */
bool hsm_pool_end_all(struct hsm_pool *pool);
/* Lends a session to the calling thread; waits at most HSM_POOL_WAIT_MS. CKR_OK, or what the token
 * answered, with err: CKR_SESSION_COUNT also where all were in use for that long. */
CK_RV hsm_pool_take(struct hsm_pool *pool, CK_SESSION_HANDLE *session, struct error *err);
/* Gives it back. A broken one (it saw an error that may have left an operation open in it, or
 * is dead) is closed once no other session is in use, and replaced. */
void hsm_pool_give(struct hsm_pool *pool, CK_SESSION_HANDLE session, bool broken);
/* How many are in use; since when the one that is so for longest (INT64_MAX: none is). */
size_t hsm_pool_lent(struct hsm_pool *pool);
int64_t hsm_pool_oldest_ms(struct hsm_pool *pool);
/* Those in use since before then are written off: they are not asked after any more, and others take their place. */
void hsm_pool_write_off(struct hsm_pool *pool, int64_t before_ms);
size_t hsm_pool_lost(struct hsm_pool *pool);
/* Since when the longest call goes on, written off or not; INT64_MAX: none does. */
int64_t hsm_pool_first_ms(struct hsm_pool *pool);
bool hsm_pool_is_empty(struct hsm_pool *pool); /* it has no session, in use or not */
/* An operation in each idle session that makes nothing, so that the token does not drop it. The
 * answer of one that failed, or CKR_OK. */
CK_RV hsm_pool_touch(struct hsm_pool *pool);
CK_RV hsm_session_touch(CK_FUNCTION_LIST_PTR fn, CK_SESSION_HANDLE session);

/* ---- token.c ---- */
struct hsm_token {
	struct hsm_module *module;
	CK_FUNCTION_LIST_PTR fn; /* the module's */
	CK_SLOT_ID slot;         /* guarded, as is anchor, by lock and the module's gate */
	struct hsm_uri name;     /* token, manufacturer, serial, model: the head of its keys' URIs */
	struct secret *pin;      /* or NULL; guarded by lock */
	pthread_mutex_t lock;    /* guards what is done with the anchor session, and pin_refused */
	CK_SESSION_HANDLE anchor;
	_Atomic int64_t anchor_since_ms; /* it is in use since then, or 0 */
	atomic_bool pin_refused;         /* written under lock */
	int64_t touched_ms;              /* the last keep-alive; guarded by lock */
	struct hsm_pool pool;
	struct hsm_token_care care; /* does not change once the module lists the token */
	unsigned visitors;          /* hsm_module_visit; guarded, as is closing, by the module's lock */
	bool closing;

	pthread_mutex_t keys_lock; /* guards the list */
	struct hsm_key *keys;
	atomic_uint generation; /* of handles: one more with each reopening */
	atomic_bool lacks_keys; /* some were not found: they are looked for with each round of care */

	pthread_mutex_t state_lock; /* guards changes of state, why and since_ms */
	atomic_int state;           /* enum hsm_token_state */
	char why[160];              /* it is not up */
	int64_t since_ms;
	int64_t up_ms;                 /* the last time that it was up, where it is not */
	int64_t watched_ms, marked_ms; /* when hsm_token_watch marked it last, for a call that began then */
	_Atomic int64_t failed_ms;     /* the last call that failed, or recovery without a signature */
	_Atomic int64_t error_ms;      /* the last call that failed */
	atomic_uint failures;          /* since the last signature */
	atomic_uint cures;             /* recoveries since the last signature: each goes further than the one before */
	atomic_bool was_up;            /* before a restart of the module, which was for another */
	atomic_bool trial;             /* after a recovery one signs alone: whether the token does is to be seen */
	_Atomic int64_t probed_ms;     /* 0: it was not yet; INT64_MAX: one of those who come is at it */
	_Atomic uint64_t signatures, retries, refusals;
	_Atomic uint64_t entered[HSM_TOKEN_STATES];
};

/* Whether it is the token, or one of the tokens, that the URI names. */
bool hsm_token_matches(const struct hsm_uri *uri, const struct hsm_token_info *info);
/* The slots of a module whose tokens can be seen. Inside the gate. */
int hsm_token_choose(struct hsm_module *m, const struct hsm_uri *uri, struct hsm_token_info *chosen, struct error *err);
/* The anchor session and its lock, for what is not signing. */
void hsm_token_lock(struct hsm_token *t);
void hsm_token_unlock(struct hsm_token *t);
int hsm_token_open_anchor(struct hsm_token *t, struct error *err);

/* ---- token_state.c ---- */
void hsm_token_set_state(struct hsm_token *t, enum hsm_token_state to, const char *why);
/* After a call that used the token: a signature makes it up. What fails with more than a bad
 * argument makes it degraded, and down after HSM_FAILURES_MAX in a row or where the answer
 * leaves no doubt; who cares for it is told. */
void hsm_token_saw(struct hsm_token *t, const char *call, CK_RV rv);
#define HSM_FAILURES_MAX 3
/* Before signing. ERR_TOKEN_UNAVAILABLE where the token is not up or degraded. Where nobody cares
 * for the token it is looked at by one of those who come, or who failed, every HSM_LOOK_MS at most. */
int hsm_token_ready(struct hsm_token *t, struct error *err);
#define HSM_LOOK_MS 500

/* ---- recover.c ---- */
/* Under the lock. One try with a PIN, once it was refused; none where the token says that its
 * PIN is locked, or allows one more try alone. ERR_PIN_REFUSED, ERR_TOKEN_UNAVAILABLE. */
int hsm_token_login(struct hsm_token *t, struct error *err);
/* The login was found gone while signing. 0 where it is there again. */
int hsm_token_login_again(struct hsm_token *t, struct error *err);
/* For hsm_module_restart, inside the gate: looks for the token's slot, opens the anchor
 * session, logs in; then it is recovering, and its keys are found again by hsm_token_probe. */
void hsm_token_reopen(struct hsm_token *t);
#define HSM_DEGRADED_MS 10000 /* without a failure, and it is up again without a signature */
#define HSM_BACKOFF_MOST_MS 500
#define HSM_LOOK_UP_MS 10000 /* between looks at a token that is up */

/* ---- admin.c ---- */
/* hsm_admin_change_pin and hsm_admin_try_pin, of a token that is open and not logged in. */
int hsm_token_change_pin(struct hsm_token *t, const struct secret *pin, const struct secret *new_pin,
			 enum hsm_pin_outcome *outcome, struct error *err);
int hsm_token_try_pin(struct hsm_token *t, const struct secret *pin, bool *accepted, struct error *err);

/* ---- object.c: looking at objects, all through the anchor session ---- */
/* Handles of at most max objects that match; returns how many match (at most max), or -1. */
int hsm_objects_find(struct hsm_token *t, const CK_ATTRIBUTE *match, size_t count, CK_OBJECT_HANDLE *out, size_t max,
		     struct error *err);
/* Appends the attribute's value (at most max octets) to out. */
int hsm_object_bytes(struct hsm_token *t, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, size_t max, struct buf *out,
		     struct error *err);
/* CK_BBOOL: 0, 1, or -1 where the token does not say. */
int hsm_object_flag(struct hsm_token *t, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);
int hsm_object_number(struct hsm_token *t, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, CK_ULONG *out,
		      struct error *err);
void hsm_object_destroy(struct hsm_token *t, CK_OBJECT_HANDLE object);

#define HSM_ATTRIBUTE(type, pointer, length) ((CK_ATTRIBUTE){ (type), (void *)(uintptr_t)(pointer), (length) })

/* ---- key.c ---- */
struct hsm_key {
	struct hsm_token *token;
	struct hsm_key *next; /* of the token's; guarded by its keys_lock */
	enum hsm_key_type type;
	struct buf id, spki;
	char *uri;
	pthread_mutex_t lock; /* one thread looks for the key anew */
	_Atomic CK_OBJECT_HANDLE object;
	atomic_uint generation; /* the token's, when object was found; written after object */
};

/* The struct of a private key object in the token, with its public half read. */
struct hsm_key *hsm_key_new(struct hsm_token *t, CK_OBJECT_HANDLE object, struct error *err);
/* Destroys the token's private and public objects of this CKA_ID. */
int hsm_key_destroy_objects(struct hsm_token *t, struct bytes id, struct error *err);
/* Handles end with a login, or when the token was away: looks for the key by its CKA_ID, and holds
 * what it finds against the public key that it had. Of several threads with the same stale handle
 * one looks. ERR_TOKEN_UNAVAILABLE. */
int hsm_key_find_again(struct hsm_key *k, CK_OBJECT_HANDLE stale, struct error *err);
/* All keys of the token, after a recovery. How many are there no more, or are others; -1 where the
 * token fails. */
int hsm_keys_find_again(struct hsm_token *t, struct error *err);

#endif
