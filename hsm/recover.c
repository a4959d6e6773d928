/*
 * One round of caring for a token, from gentle to hard: it is looked at; its sessions and its
 * login are renewed where they are gone; its keys are found again; and at last its module is
 * initialized anew.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "hsm/private.h"

/* ---- login ---- */

/* Locked, or one try from it: whoever holds the PIN has to look at the token first. Gives the flags as the
 * token has them now, since others may have tried PINs meanwhile. */
static int check_counter(struct hsm_token *t, struct error *err)
{
	CK_TOKEN_INFO info;
	if (p11_call(t->fn, C_GetTokenInfo, t->slot, &info) != CKR_OK)
		return 0; /* the login itself will say more */
	if (info.flags & CKF_USER_PIN_LOCKED)
		return err_set(err, ERR_PIN_REFUSED, "the PIN of token %s is locked", t->name.token);
	if (info.flags & CKF_USER_PIN_FINAL_TRY)
		return err_set(err, ERR_PIN_REFUSED,
			       "token %s allows one more try of its PIN before it locks; log in once by hand to show "
			       "that the PIN is right",
			       t->name.token);
	return 0;
}

static int refused(struct hsm_token *t, const struct error *err)
{
	t->pin_refused = true;
	atomic_fetch_add(&t->refusals, 1);
	if (t->care.pin_refused)
		t->care.pin_refused(t->care.arg);
	hsm_token_set_state(t, HSM_TOKEN_PIN_REFUSED, err->message);
	return -1;
}

int hsm_token_login(struct hsm_token *t, struct error *err)
{
	if (t->pin_refused) {
		(void)err_set(
			err, ERR_PIN_REFUSED,
			"token %s refused this PIN before; it is not tried again, so that its counter is not used up",
			t->name.token);
		hsm_token_set_state(t, HSM_TOKEN_PIN_REFUSED, err->message);
		return -1;
	}
	if (check_counter(t, err))
		return refused(t, err);
	struct bytes pin = secret_bytes(t->pin);
	CK_RV rv = p11_call(t->fn, C_Login, t->anchor, CKU_USER, (CK_UTF8CHAR_PTR)(uintptr_t)pin.data, pin.len);
	if (hsm_ckr_class(rv) == HSM_CKR_OK)
		return 0;
	(void)hsm_ckr_error(err, "C_Login", rv);
	if (hsm_ckr_class(rv) != HSM_CKR_PIN)
		return err_wrap(err, ERR_TOKEN_UNAVAILABLE, "cannot log in to token %s: %s", t->name.token,
				hsm_ckr_name(rv));
	(void)err_wrap(err, ERR_PIN_REFUSED, "token %s refused the PIN (%s); it is not tried again", t->name.token,
		       hsm_ckr_name(rv));
	return refused(t, err);
}

/* Under the lock. CKR_USER_NOT_LOGGED_IN where the session is well and nobody is logged in. */
static CK_RV ask_session(struct hsm_token *t)
{
	CK_SESSION_INFO session;
	if (t->anchor == CK_INVALID_HANDLE)
		return CKR_SESSION_HANDLE_INVALID;
	CK_RV rv = p11_call(t->fn, C_GetSessionInfo, t->anchor, &session);
	if (rv != CKR_OK)
		return rv;
	bool logged_in = session.state == CKS_RO_USER_FUNCTIONS || session.state == CKS_RW_USER_FUNCTIONS;
	return t->pin && !logged_in ? CKR_USER_NOT_LOGGED_IN : CKR_OK;
}

int hsm_token_login_again(struct hsm_token *t, struct error *err)
{
	hsm_token_lock(t);
	CK_RV rv = ask_session(t);
	int result = rv == CKR_USER_NOT_LOGGED_IN ? hsm_token_login(t, err)
		     : rv == CKR_OK               ? 0
						  : hsm_ckr_error(err, "C_GetSessionInfo", rv);
	hsm_token_unlock(t);
	return result;
}

int hsm_token_set_pin(struct hsm_token *t, const struct secret *pin, struct error *err)
{
	struct secret *copy = secret_new(secret_bytes(pin), err);
	if (!copy)
		return -1;
	pthread_mutex_lock(&t->lock);
	secret_free(t->pin);
	t->pin = copy;
	t->pin_refused = false;
	pthread_mutex_unlock(&t->lock);
	if (hsm_token_state(t) == HSM_TOKEN_PIN_REFUSED)
		hsm_token_set_state(t, HSM_TOKEN_DOWN, "there is another PIN, which is not tried yet");
	return 0;
}

/* ---- looking ---- */

/* Under the lock. */
static int new_sessions(struct hsm_token *t, struct error *err)
{
	hsm_token_set_state(t, HSM_TOKEN_RECOVERING, "its sessions had ended");
	hsm_pool_retire(&t->pool);
	atomic_fetch_add(&t->generation, 1);
	return hsm_token_open_anchor(t, err);
}

static int new_login(struct hsm_token *t, struct error *err)
{
	hsm_token_set_state(t, HSM_TOKEN_RECOVERING, "its login had ended");
	atomic_fetch_add(&t->generation, 1);
	return hsm_token_login(t, err);
}

/* Under the lock. What the token says of itself, of our session and our login; the latter two
 * are made again where they are gone. */
static int look_locked(struct hsm_token *t, struct error *err)
{
	CK_TOKEN_INFO info;
	const char *call = "C_GetTokenInfo";
	CK_RV rv = p11_call(t->fn, C_GetTokenInfo, t->slot, &info);
	if (rv == CKR_OK) {
		call = "C_GetSessionInfo";
		rv = ask_session(t);
	}
	if (hsm_ckr_class(rv) == HSM_CKR_SESSION) {
		if (new_sessions(t, err))
			return -1;
		rv = ask_session(t);
	}
	if (rv == CKR_USER_NOT_LOGGED_IN)
		return new_login(t, err);
	if (rv == CKR_OK)
		return 0;
	(void)hsm_ckr_error(err, call, rv);
	return err_wrap(err, ERR_TOKEN_UNAVAILABLE, "token %s does not answer: %s to %s", t->name.token,
			hsm_ckr_name(rv), call);
}

static int look(struct hsm_token *t, struct error *err)
{
	hsm_token_lock(t);
	int result = look_locked(t, err);
	/* One answer may be a slip; two in a row are a state. */
	if (result && err->code != ERR_PIN_REFUSED)
		result = look_locked(t, err);
	hsm_token_unlock(t);
	return result;
}

/* ---- where it answers ---- */

static int keep_alive(struct hsm_token *t, struct error *err)
{
	int64_t now_ms = clock_monotonic_ms();
	if (!t->care.keep_alive_ms || now_ms - t->touched_ms < t->care.keep_alive_ms)
		return 0;
	hsm_token_lock(t);
	t->touched_ms = now_ms;
	CK_RV rv = hsm_session_touch(t->fn, t->anchor);
	hsm_token_unlock(t);
	if (rv == CKR_OK) {
		/* Nobody inside a call may be finalized from under it. */
		pthread_rwlock_rdlock(&t->module->gate);
		(void)hsm_pool_touch(&t->pool); /* a session that was dropped is replaced by another */
		pthread_rwlock_unlock(&t->module->gate);
		return 0;
	}
	(void)hsm_ckr_error(err, "the keep-alive operation", rv);
	hsm_token_set_state(t, HSM_TOKEN_DOWN, err->message);
	return -1;
}

/* It answers, but does not sign: the second cure ends all sessions, and with them the login. */
static void rebuild(struct hsm_token *t)
{
	struct error err = ERR_INIT;
	hsm_token_lock(t);
	if (hsm_pool_end_all(&t->pool)) {
		atomic_fetch_add(&t->generation, 1);
		if (hsm_token_open_anchor(t, &err) || (t->pin && hsm_token_login(t, &err)))
			log_err(LOG_LEVEL_WARN, "token not rebuilt", &err);
	}
	hsm_token_unlock(t);
}

/* From recovering to up: with the keys found again, and one failure from being down again. */
static int finish(struct hsm_token *t, struct error *err)
{
	int missing = hsm_keys_find_again(t, err);
	if (missing < 0)
		hsm_token_set_state(t, HSM_TOKEN_DOWN, err->message);
	if (hsm_token_state(t) != HSM_TOKEN_RECOVERING)
		return missing < 0 ? -1 : err_set(err, ERR_TOKEN_UNAVAILABLE, "token %s went again", t->name.token);
	if (missing)
		log_error("token came back without keys that it had", KV("token", t->name.token),
			  KV_INT("missing", missing));
	if (t->care.call_ms)
		hsm_pool_write_off(&t->pool, clock_monotonic_ms() - t->care.call_ms);
	if (atomic_exchange(&t->was_up, false)) {
		hsm_token_set_state(t, HSM_TOKEN_UP, "it is there again");
		return 0;
	}
	atomic_store(&t->trial, false); /* whoever had it is written off */
	atomic_store(&t->failures, HSM_FAILURES_MAX - 1);
	atomic_store(&t->failed_ms, clock_monotonic_ms());
	/* The first time it is believed. One that did not sign since then is believed when it signs. */
	bool believed = atomic_fetch_add(&t->cures, 1) == 0 && hsm_pool_lost(&t->pool) == 0;
	hsm_token_set_state(t, believed ? HSM_TOKEN_UP : HSM_TOKEN_DEGRADED,
			    believed ? "it is there again" : "it answers; whether it signs is to be seen");
	return 0;
}

/* ---- the hardest cure: the module anew ---- */

/* Those that are taken for well may not have been asked for a while. */
static void look_at_others(struct hsm_module *m, const struct hsm_token *than)
{
	struct hsm_token *all[HSM_TOKENS_MAX];
	size_t count = hsm_module_visit(m, all);
	for (size_t i = 0; i < count; i++) {
		struct error err = ERR_INIT; /* its own state says it */
		if (all[i] != than && hsm_token_state(all[i]) == HSM_TOKEN_UP && look(all[i], &err) &&
		    err.code != ERR_PIN_REFUSED)
			hsm_token_set_state(all[i], HSM_TOKEN_DOWN, err.message);
	}
	hsm_module_leave(m, all, count);
}

void hsm_token_reopen(struct hsm_token *t)
{
	struct hsm_token_info info;
	struct error err = ERR_INIT;
	bool was_up = hsm_token_state(t) == HSM_TOKEN_UP;
	t->anchor = CK_INVALID_HANDLE;
	atomic_fetch_add(&t->generation, 1);
	hsm_pool_forget(&t->pool, t->slot);
	bool there = hsm_token_choose(t->module, &t->name, &info, &err) == 0;
	if (there) {
		t->slot = info.slot;
		hsm_pool_forget(&t->pool, info.slot);
		there = hsm_token_open_anchor(t, &err) == 0 && (!t->pin || hsm_token_login(t, &err) == 0);
	}
	atomic_store(&t->was_up, there && was_up);
	if (there)
		hsm_token_set_state(t, HSM_TOKEN_RECOVERING, "its module was initialized anew");
	else if (hsm_token_state(t) != HSM_TOKEN_PIN_REFUSED)
		hsm_token_set_state(t, HSM_TOKEN_DOWN, err.message);
}

/* After a restart: every token of the module that it brought back. */
static void finish_all(struct hsm_module *m)
{
	struct hsm_token *all[HSM_TOKENS_MAX];
	size_t count = hsm_module_visit(m, all);
	for (size_t i = 0; i < count; i++) {
		struct error err = ERR_INIT; /* its own state says it */
		if (hsm_token_state(all[i]) == HSM_TOKEN_RECOVERING)
			(void)finish(all[i], &err);
	}
	hsm_module_leave(m, all, count);
}

static int restart_module(struct hsm_module *m, const struct hsm_token *of, int64_t down_ms, struct error *err)
{
	look_at_others(m, of);
	if (hsm_module_restart(m, down_ms, err))
		return -1;
	finish_all(m);
	return 0;
}

int hsm_module_refresh(struct hsm_module *m, int64_t down_ms, struct error *err)
{
	return restart_module(m, NULL, down_ms, err);
}

/* 1: done, and the token is there. 0: done. -1: it could not be done. */
static int restart(struct hsm_token *t)
{
	struct error err = ERR_INIT; /* why the token is down says more than why it stays so */
	pthread_mutex_lock(&t->state_lock);
	int64_t down_ms = clock_monotonic_ms() - t->since_ms;
	pthread_mutex_unlock(&t->state_lock);
	if (restart_module(t->module, t, down_ms, &err)) {
		log_debug("module not restarted", KV("token", t->name.token), KV("why", err.message));
		return -1;
	}
	enum hsm_token_state state = hsm_token_state(t);
	return state == HSM_TOKEN_UP || state == HSM_TOKEN_DEGRADED;
}

/* ---- the round ---- */

/* It answers, though it was down: each time that it does not sign again goes one step further. */
static int revive(struct hsm_token *t, struct error *err)
{
	unsigned cures = atomic_load(&t->cures);
	int restarted = cures >= 2 ? restart(t) : -1;
	if (restarted >= 0)
		return restarted ? 0 : err_set(err, ERR_TOKEN_UNAVAILABLE, "token %s is not back yet", t->name.token);
	hsm_token_set_state(t, HSM_TOKEN_RECOVERING, "it answers");
	if (cures == 1)
		rebuild(t);
	return finish(t, err);
}

/* What was not found once may have been a wrong answer. */
static void look_for_keys(struct hsm_token *t)
{
	struct error ignored = ERR_INIT; /* the next call says it again */
	if (atomic_load(&t->lacks_keys) && hsm_keys_find_again(t, &ignored) == 0 && t->care.changed)
		t->care.changed(t->care.arg);
}

static int settle(struct hsm_token *t, struct error *err)
{
	switch (hsm_token_state(t)) {
	case HSM_TOKEN_UP:
		look_for_keys(t);
		return keep_alive(t, err);
	case HSM_TOKEN_DEGRADED:
		look_for_keys(t);
		if (clock_monotonic_ms() - atomic_load(&t->failed_ms) >= HSM_DEGRADED_MS)
			hsm_token_set_state(t, HSM_TOKEN_UP, "it answers, and nothing has failed for a while");
		return 0;
	case HSM_TOKEN_DOWN:
		return revive(t, err);
	case HSM_TOKEN_RECOVERING:
		return finish(t, err);
	case HSM_TOKEN_PIN_REFUSED:
		break;
	}
	return err_set(err, ERR_PIN_REFUSED, "token %s has refused its PIN", t->name.token);
}

static int probe(struct hsm_token *t, struct error *err)
{
	enum hsm_token_state before = hsm_token_state(t);
	if (before == HSM_TOKEN_PIN_REFUSED)
		return err_set(err, ERR_PIN_REFUSED, "token %s has refused its PIN; it is not tried again",
			       t->name.token);
	if (look(t, err) == 0)
		return settle(t, err);
	if (err->code == ERR_PIN_REFUSED)
		return -1;
	atomic_store(&t->error_ms, clock_monotonic_ms());
	hsm_token_set_state(t, HSM_TOKEN_DOWN, err->message);
	/* The hardest cure is not for what may pass by itself. */
	return before == HSM_TOKEN_DOWN && restart(t) == 1 ? 0 : -1;
}

int hsm_token_probe(struct hsm_token *t, struct error *err)
{
	int result = probe(t, err);
	atomic_store(&t->probed_ms, clock_monotonic_ms());
	return result;
}

int64_t hsm_token_rest_ms(struct hsm_token *t)
{
	int64_t most_ms = HSM_BACKOFF_MOST_MS, down_ms;
	switch (hsm_token_state(t)) {
	case HSM_TOKEN_UP:
		if (atomic_load(&t->lacks_keys))
			return most_ms;
		return t->care.keep_alive_ms && t->care.keep_alive_ms < HSM_LOOK_UP_MS ? t->care.keep_alive_ms
										       : HSM_LOOK_UP_MS;
	case HSM_TOKEN_PIN_REFUSED:
		return HSM_LOOK_UP_MS;
	default:
		break;
	}
	pthread_mutex_lock(&t->state_lock);
	down_ms = clock_monotonic_ms() - t->since_ms;
	pthread_mutex_unlock(&t->state_lock);
	/* As long again as it has been so already, a part of it by chance: many that lost one device do
	 * not come back to it in step. */
	int64_t rest_ms = 20 + (down_ms < most_ms ? down_ms : most_ms);
	rest_ms -= (int64_t)arc4random_uniform((uint32_t)(rest_ms / 4 + 1));
	return rest_ms < most_ms ? rest_ms : most_ms;
}
