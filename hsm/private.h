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
	pthread_mutex_t lock; /* guards the list */
	struct hsm_token *tokens[HSM_TOKENS_MAX];
	size_t token_count;
};

/* C_Finalize and C_Initialize, then hsm_token_reopen for each token: the one cure where a
 * module does not see that its token came back. It ends every session and login of the module,
 * so only where all of its tokens are down; otherwise, or when someone stays inside for more
 * than HSM_RESTART_WAIT_MS, ERR_TOKEN_UNAVAILABLE and nothing was done. */
int hsm_module_restart(struct hsm_module *m, struct error *err);
#define HSM_RESTART_WAIT_MS 1000
/* C_Finalize, then `between` with calls that a finalized module has to refuse, then C_Initialize.
 * No token of m may be open, and no other thread inside. ERR_TOKEN_UNAVAILABLE: one of the two
 * was refused; m is then good for nothing but hsm_module_close. */
int hsm_module_reinitialize(struct hsm_module *m, void (*between)(CK_FUNCTION_LIST_PTR fn, void *argument),
			    void *argument, struct error *err);
/* ERR_CONFIG past HSM_TOKENS_MAX. */
int hsm_module_add(struct hsm_module *m, struct hsm_token *t, struct error *err);
void hsm_module_remove(struct hsm_module *m, const struct hsm_token *t);

/* ---- session.c: sessions for signing ---- */
struct hsm_pool {
	CK_FUNCTION_LIST_PTR fn;
	CK_SLOT_ID slot;
	pthread_mutex_t lock; /* guards everything below */
	pthread_cond_t freed;
	CK_SESSION_HANDLE *idle, *broken; /* room for max each */
	size_t idle_count, broken_count;
	size_t open; /* idle, broken, and lent */
	size_t lent;
	size_t max;
};

#define HSM_POOL_WAIT_MS 2000

int hsm_pool_init(struct hsm_pool *pool, CK_FUNCTION_LIST_PTR fn, CK_SLOT_ID slot, size_t max, struct error *err);
void hsm_pool_close(struct hsm_pool *pool); /* nothing may be lent */
/* The module has ended all sessions, none of them lent: the pool begins anew. */
void hsm_pool_forget(struct hsm_pool *pool, CK_SLOT_ID slot);
/* Lends a session to the calling thread; waits at most HSM_POOL_WAIT_MS. ERR_TOKEN_UNAVAILABLE. */
int hsm_pool_take(struct hsm_pool *pool, CK_SESSION_HANDLE *session, struct error *err);
/* Gives it back. A broken one (it saw an error that may have left an operation open in it, or
 * is dead) is closed once no other session is in use, and replaced. */
void hsm_pool_give(struct hsm_pool *pool, CK_SESSION_HANDLE session, bool broken);

/* ---- token.c ---- */
struct hsm_token {
	struct hsm_module *module;
	CK_FUNCTION_LIST_PTR fn; /* the module's */
	CK_SLOT_ID slot;         /* guarded, as is anchor, by lock and the module's gate */
	struct hsm_uri name;     /* token, manufacturer, serial, model: the head of its keys' URIs */
	struct secret *pin;      /* or NULL */
	pthread_mutex_t lock;    /* guards what is done with the anchor session, and pin_refused */
	CK_SESSION_HANDLE anchor;
	bool pin_refused;
	struct hsm_pool pool;
	atomic_int state; /* enum hsm_token_state */
	_Atomic int64_t probed_ms;
	atomic_uint generation; /* of handles: one more with each reopening */
	_Atomic uint64_t signatures;
};

/* After a call that used the token: success makes it up. A failure that is the token's asks
 * the token how it is: degraded where it answers, down where not. */
void hsm_token_saw(struct hsm_token *t, CK_RV rv);
/* Before signing: a token that is down is not asked by each who comes, but looked at every
 * HSM_LOOK_MS by one of them. ERR_TOKEN_UNAVAILABLE where it is down. */
int hsm_token_ready(struct hsm_token *t, struct error *err);
#define HSM_LOOK_MS 500
/* The anchor session and its lock, for what is not signing. */
void hsm_token_lock(struct hsm_token *t);
void hsm_token_unlock(struct hsm_token *t);
/* For hsm_module_restart, inside the gate: looks for the token's slot, opens the anchor
 * session, logs in. Keys are found again when they are next used. */
void hsm_token_reopen(struct hsm_token *t);

/* ---- admin.c ---- */
/* hsm_admin_change_pin and hsm_admin_try_pin, of a token that is open and not logged in. */
int hsm_token_set_pin(struct hsm_token *t, const struct secret *pin, const struct secret *new_pin,
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

#endif
