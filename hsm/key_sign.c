/*
 * One raw signature: on a session of the pool, and once more where what failed is mended by
 * another session, the key's new handle, or a new login, and the token certainly did not sign.
 */
#include "hsm/private.h"

#define SIGNATURE_MAX 1024

struct request {
	CK_MECHANISM mechanism;
	struct bytes input;
	uint8_t signature[SIGNATURE_MAX];
	CK_ULONG signature_len;
	CK_OBJECT_HANDLE object; /* that was tried */
	const char *call;        /* that gave rv */
	CK_RV rv;
	bool entered; /* C_Sign was called, with whatever outcome */
};

static CK_RV sign_with(struct hsm_token *t, CK_SESSION_HANDLE session, struct request *r)
{
	r->signature_len = sizeof(r->signature);
	r->call = "C_SignInit";
	CK_RV rv = p11_call(t->fn, C_SignInit, session, &r->mechanism, r->object);
	if (rv != CKR_OK)
		return rv;
	r->call = "C_Sign";
	r->entered = true;
	rv = p11_call(t->fn, C_Sign, session, (CK_BYTE_PTR)(uintptr_t)r->input.data, r->input.len, r->signature,
		      &r->signature_len);
	return rv == CKR_OK && r->signature_len > sizeof(r->signature) ? CKR_GENERAL_ERROR : rv;
}

/* A C_SignInit that was refused for its arguments or its key leaves nothing open in the session. */
static bool is_broken(const struct request *r)
{
	enum hsm_ckr_class class = hsm_ckr_class(r->rv);
	if (class == HSM_CKR_OK)
		return false;
	return strcmp(r->call, "C_SignInit") != 0 || (class != HSM_CKR_ARGUMENT && class != HSM_CKR_HANDLE);
}

/* The token has not one session left for the pool: the anchor has to do, for one thread at a time. */
static void sign_on_anchor(struct hsm_key *k, struct request *r)
{
	struct hsm_token *t = k->token;
	hsm_token_lock(t);
	bool able = atomic_load(&k->generation) == atomic_load(&t->generation) && t->anchor != CK_INVALID_HANDLE;
	if (able) {
		r->object = atomic_load(&k->object);
		r->rv = sign_with(t, t->anchor, r);
	}
	if (able && is_broken(r)) {
		/* The next look opens another. */
		(void)p11_call(t->fn, C_CloseSession, t->anchor);
		t->anchor = CK_INVALID_HANDLE;
	}
	hsm_token_unlock(t);
}

/* One try, inside the module's gate: while it is held the token's handles stay what they are.
 * True where the pool has no session at all. */
static bool try_on_pool(struct hsm_key *k, struct request *r, struct error *err)
{
	struct hsm_token *t = k->token;
	CK_SESSION_HANDLE session;
	if (atomic_load(&k->generation) != atomic_load(&t->generation))
		return false;
	r->object = atomic_load(&k->object);
	if (r->object == CK_INVALID_HANDLE)
		return false;
	CK_RV rv = hsm_pool_take(&t->pool, &session, err);
	if (rv != CKR_OK) {
		r->call = "C_OpenSession";
		r->rv = rv;
		return rv == CKR_SESSION_COUNT && hsm_pool_is_empty(&t->pool);
	}
	r->rv = sign_with(t, session, r);
	hsm_pool_give(&t->pool, session, is_broken(r));
	return false;
}

static void try(struct hsm_key *k, struct request *r)
{
	struct error ignored = ERR_INIT; /* r has the answer */
	r->rv = CKR_KEY_HANDLE_INVALID;
	r->call = "C_SignInit";
	r->object = CK_INVALID_HANDLE;
	pthread_rwlock_rdlock(&k->token->module->gate);
	bool empty = try_on_pool(k, r, &ignored);
	pthread_rwlock_unlock(&k->token->module->gate);
	if (empty)
		sign_on_anchor(k, r);
}

/* Mends what may be mended here. 0: try again. -1: with err, or err as it was. */
static int mend(struct hsm_key *k, const struct request *r, struct error *err)
{
	if (strcmp(r->call, "C_Sign") == 0 && hsm_ckr(r->rv)->perhaps_signed)
		return -1;
	switch (hsm_ckr_class(r->rv)) {
	case HSM_CKR_HANDLE:
		/* Handles end with the login, and without it the key cannot even be seen. */
		return hsm_token_login_again(k->token, err) ? -1 : hsm_key_find_again(k, r->object, err);
	case HSM_CKR_LOGIN:
		return hsm_token_login_again(k->token, err);
	case HSM_CKR_RETRY:
	case HSM_CKR_SESSION:
	case HSM_CKR_TOKEN:
		return 0;
	default:
		return -1;
	}
}

/* Once C_Sign was called, the token may have signed whatever it answered; hands have to be washed
 * of that by a record, not by a guess. */
static int fail(struct hsm_key *k, const struct request *r, struct error *err)
{
	if (err->code == ERR_NONE)
		(void)hsm_ckr_error(err, r->call, r->rv);
	return err_wrap(err, r->entered ? ERR_SIGNATURE_UNCERTAIN : ERR_TOKEN_UNAVAILABLE,
			"token %s does not sign: %s (0x%lx) to %s", k->token->name.token, hsm_ckr_name(r->rv), r->rv,
			r->call);
}

/* After a recovery the first signature is made alone: a token that answers but hangs, or fails, takes one request
 * with it, and not all that have waited. Only where somebody cares for it, and requests can wait. True where it may be
 * tried; *alone where it is that one. */
static bool begin(struct hsm_token *t, bool *alone)
{
	bool nobody = false;
	*alone = false;
	if (!t->care.changed || atomic_load_explicit(&t->cures, memory_order_relaxed) == 0)
		return true;
	*alone = atomic_compare_exchange_strong(&t->trial, &nobody, true);
	return *alone;
}

int hsm_key_sign_raw(struct hsm_key *k, unsigned long mechanism, const void *parameter, size_t parameter_len,
		     struct bytes input, struct buf *signature, struct error *err)
{
	struct hsm_token *t = k->token;
	struct error why = ERR_INIT;
	struct request r;
	r.mechanism = (CK_MECHANISM){ mechanism, (void *)(uintptr_t)parameter, parameter_len };
	r.input = input;
	r.entered = false;
	bool alone;
	if (hsm_token_ready(t, err))
		return -1;
	if (!begin(t, &alone))
		return err_set(err, ERR_TOKEN_UNAVAILABLE, "token %s has just come back, and signs its first",
			       t->name.token);
	try(k, &r);
	if (r.rv != CKR_OK && mend(k, &r, &why) == 0) {
		atomic_fetch_add_explicit(&t->retries, 1, memory_order_relaxed);
		try(k, &r);
	}
	hsm_token_saw(t, r.call, r.rv);
	if (alone)
		atomic_store(&t->trial, false);
	if (r.rv != CKR_OK) {
		*err = why;
		return fail(k, &r, err);
	}
	atomic_fetch_add_explicit(&t->signatures, 1, memory_order_relaxed);
	buf_add(signature, r.signature, r.signature_len);
	return signature->failed ? err_set(err, ERR_INTERNAL, "no memory for a signature") : 0;
}
