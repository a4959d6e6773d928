/*
 * How a token is: what its calls showed, and since when. Asking here never waits for it.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "hsm/private.h"

const char *hsm_token_state_name(enum hsm_token_state s)
{
	static const char *const names[HSM_TOKEN_STATES] = {
		[HSM_TOKEN_UP] = "up",
		[HSM_TOKEN_DEGRADED] = "degraded",
		[HSM_TOKEN_DOWN] = "down",
		[HSM_TOKEN_RECOVERING] = "recovering",
		[HSM_TOKEN_PIN_REFUSED] = "pin-refused",
	};
	return (unsigned)s < HSM_TOKEN_STATES ? names[s] : "unknown";
}

enum hsm_token_state hsm_token_state(struct hsm_token *t)
{
	return (enum hsm_token_state)atomic_load_explicit(&t->state, memory_order_relaxed);
}

const char *hsm_token_label(const struct hsm_token *t)
{
	return t->name.token;
}

uint64_t hsm_token_signatures(struct hsm_token *t)
{
	return atomic_load_explicit(&t->signatures, memory_order_relaxed);
}

size_t hsm_token_busy(struct hsm_token *t)
{
	return hsm_pool_lent(&t->pool);
}

void hsm_token_facts(struct hsm_token *t, struct hsm_token_facts *out)
{
	*out = (struct hsm_token_facts){ .busy = hsm_pool_lent(&t->pool),
					 .signatures = atomic_load(&t->signatures),
					 .retries = atomic_load(&t->retries),
					 .refusals = atomic_load(&t->refusals),
					 .restarts = atomic_load(&t->module->restarts) };
	for (size_t i = 0; i < HSM_TOKEN_STATES; i++)
		out->entered[i] = atomic_load(&t->entered[i]);
	pthread_mutex_lock(&t->state_lock);
	out->state = hsm_token_state(t);
	out->since_ms = t->since_ms;
	(void)snprintf(out->why, sizeof(out->why), "%s", t->why);
	pthread_mutex_unlock(&t->state_lock);
}

/* ---- changes ---- */

static void tell(const struct hsm_token *t)
{
	if (t->care.changed)
		t->care.changed(t->care.arg);
}

void hsm_token_set_state(struct hsm_token *t, enum hsm_token_state to, const char *why)
{
	pthread_mutex_lock(&t->state_lock);
	enum hsm_token_state from = hsm_token_state(t);
	/* Nothing but another PIN leads out of a refused one. */
	if (from == HSM_TOKEN_PIN_REFUSED && atomic_load(&t->pin_refused))
		to = from;
	bool changed = from != to;
	if (changed) {
		if (from == HSM_TOKEN_UP)
			t->up_ms = clock_monotonic_ms();
		atomic_store(&t->state, (int)to);
		atomic_fetch_add(&t->entered[to], 1);
		t->since_ms = clock_monotonic_ms();
	}
	(void)snprintf(t->why, sizeof(t->why), "%s", to == HSM_TOKEN_UP ? "" : why);
	pthread_mutex_unlock(&t->state_lock);
	if (!changed)
		return;
	log_at(to == HSM_TOKEN_UP || to == HSM_TOKEN_RECOVERING ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, "token state",
	       KV("token", t->name.token), KV("from", hsm_token_state_name(from)), KV("to", hsm_token_state_name(to)),
	       KV("why", why));
	tell(t);
}

/* ---- where nobody cares for it ---- */

/* One of those who come looks at it, if it is time. */
static bool looks(struct hsm_token *t, int *result, struct error *err)
{
	int64_t now_ms = clock_monotonic_ms(), probed_ms = atomic_load(&t->probed_ms);
	if (t->care.changed || (probed_ms && now_ms - probed_ms < HSM_LOOK_MS) ||
	    !atomic_compare_exchange_strong(&t->probed_ms, &probed_ms, INT64_MAX))
		return false;
	*result = hsm_token_probe(t, err);
	return true;
}

/* ---- what calls showed ---- */

static void saw_signature(struct hsm_token *t)
{
	if (atomic_load_explicit(&t->failures, memory_order_relaxed))
		atomic_store(&t->failures, 0);
	bool first = atomic_load_explicit(&t->cures, memory_order_relaxed) && atomic_exchange(&t->cures, 0);
	/* A call that did not return may do so at last. Who recovers it, ends that himself. */
	enum hsm_token_state state = hsm_token_state(t);
	if (state == HSM_TOKEN_DEGRADED || state == HSM_TOKEN_DOWN)
		hsm_token_set_state(t, HSM_TOKEN_UP, "it signs");
	else if (first)
		tell(t); /* those who waited for it need not any more */
}

void hsm_token_saw(struct hsm_token *t, const char *call, CK_RV rv)
{
	enum hsm_ckr_class class = hsm_ckr_class(rv);
	if (class == HSM_CKR_OK) {
		saw_signature(t);
		return;
	}
	if (class == HSM_CKR_ARGUMENT)
		return;
	char why[96];
	(void)snprintf(why, sizeof(why), "%s to %s", hsm_ckr_name(rv), call);
	unsigned failures = atomic_fetch_add(&t->failures, 1) + 1;
	bool sure = class == HSM_CKR_MODULE || class == HSM_CKR_AWAY;
	enum hsm_token_state state = hsm_token_state(t);
	atomic_store(&t->failed_ms, clock_monotonic_ms());
	atomic_store(&t->error_ms, clock_monotonic_ms());
	if (state == HSM_TOKEN_UP || state == HSM_TOKEN_DEGRADED)
		hsm_token_set_state(t, sure || failures >= HSM_FAILURES_MAX ? HSM_TOKEN_DOWN : HSM_TOKEN_DEGRADED, why);
	tell(t);
	int result;
	struct error ignored = ERR_INIT; /* the caller reports its own failure */
	(void)looks(t, &result, &ignored);
}

/* ---- before a call ---- */

int hsm_token_ready(struct hsm_token *t, struct error *err)
{
	enum hsm_token_state state = hsm_token_state(t);
	if (state == HSM_TOKEN_UP || state == HSM_TOKEN_DEGRADED)
		return 0;
	int result;
	if (state != HSM_TOKEN_PIN_REFUSED && looks(t, &result, err))
		return result;
	return err_set(err, ERR_TOKEN_UNAVAILABLE, "token %s is %s", t->name.token, hsm_token_state_name(state));
}

/* ---- calls that do not return ---- */

/* That time, or an earlier one at which the thread that cares for the token, or the module, began to wait. */
static int64_t or_of_care(struct hsm_token *t, int64_t since_ms)
{
	const int64_t others[] = { atomic_load(&t->anchor_since_ms), atomic_load(&t->module->since_ms) };
	for (size_t i = 0; i < 2; i++)
		if (others[i] && others[i] < since_ms)
			since_ms = others[i];
	return since_ms;
}

size_t hsm_token_lost(struct hsm_token *t)
{
	return hsm_pool_lost(&t->pool);
}

/* Only the thread that cares for it waits: whether the token signs for others is to be seen. */
static bool only_care_waits(struct hsm_token *t, int64_t now_ms)
{
	int64_t oldest_ms = hsm_pool_oldest_ms(&t->pool);
	return oldest_ms == INT64_MAX || now_ms - oldest_ms < t->care.call_ms;
}

bool hsm_token_watch(struct hsm_token *t)
{
	int64_t oldest_ms = or_of_care(t, hsm_pool_oldest_ms(&t->pool)), now_ms = clock_monotonic_ms();
	if (oldest_ms == INT64_MAX || now_ms - oldest_ms < t->care.call_ms)
		return false;
	char why[96];
	(void)snprintf(why, sizeof(why), "a call has not returned for %lld s", (long long)(now_ms - oldest_ms) / 1000);
	enum hsm_token_state state = hsm_token_state(t);
	if (state == HSM_TOKEN_PIN_REFUSED)
		return true;
	if (t->marked_ms != oldest_ms) {
		t->marked_ms = oldest_ms;
		t->watched_ms = now_ms;
		hsm_token_set_state(t, HSM_TOKEN_DOWN, why);
	} else if (state != HSM_TOKEN_UP && now_ms - t->watched_ms >= t->care.call_ms && only_care_waits(t, now_ms)) {
		t->watched_ms = now_ms;
		atomic_store(&t->trial, false);
		(void)atomic_fetch_add(&t->cures, 1); /* it signs alone at first */
		hsm_token_set_state(t, HSM_TOKEN_DEGRADED, why);
	}
	return true;
}

/* When the longest call began, written off or not; INT64_MAX: there is none. */
static int64_t first_call_ms(struct hsm_token *t)
{
	return or_of_care(t, hsm_pool_first_ms(&t->pool));
}

int64_t hsm_token_stuck_ms(struct hsm_token *t)
{
	int64_t now_ms = clock_monotonic_ms(), since_ms = first_call_ms(t);
	pthread_mutex_lock(&t->state_lock);
	bool up = hsm_token_state(t) == HSM_TOKEN_UP;
	int64_t down_ms = t->up_ms > since_ms ? t->up_ms : since_ms;
	pthread_mutex_unlock(&t->state_lock);
	return up || since_ms == INT64_MAX ? 0 : now_ms - down_ms;
}

int64_t hsm_token_lost_ms(struct hsm_token *t)
{
	return atomic_load(&t->error_ms) > first_call_ms(t) ? hsm_token_stuck_ms(t) : 0;
}
