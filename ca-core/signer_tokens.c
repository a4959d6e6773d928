/*
 * A thread for each token: opens it when it is there, heals it when it fails (hsm/token.h), and makes what its keys
 * sign by the clock: revocation lists, heads of the audit log.
 */
#include "base/log.h"
#include "base/wait.h"
#include "ca-core/audit.h"
#include "ca-core/signer.h"

#define TICK_MS 1000   /* what is due by time of day */
#define OPEN_MS 500    /* between tries to open a token that was never there */
#define RETRY_MS 10000 /* after a head that could not be signed */

struct turn {
	struct tender *tender;
	bool attached;
	int64_t probed_ms;      /* the last round of care */
	int64_t head_failed_ms; /* 0: it did not */
};

static struct hsm_token *opened(const struct turn *k)
{
	return atomic_load(&k->tender->token->token);
}

/* ---- care ---- */

static void care(struct turn *k)
{
	struct error err = ERR_INIT;
	struct hsm_token *token = opened(k);
	int64_t now_ms = clock_monotonic_ms();
	if (token && now_ms - k->probed_ms >= hsm_token_rest_ms(token)) {
		(void)hsm_token_probe(token, &err);
		k->probed_ms = clock_monotonic_ms();
		ca_token_settle_pin(k->tender->token);
	}
	if (k->attached && !atomic_exchange(&k->tender->token->looks_again, false))
		return;
	k->attached = ca_attach_token(k->tender->signer->ca, k->tender->token);
	if (opened(k))
		signer_token_changed(k->tender->signer); /* what was found may be waited for */
}

/* Since when it is up; INT64_MAX where it is not. */
static int64_t up_since_ms(const struct turn *k)
{
	struct hsm_token *token = opened(k);
	struct hsm_token_facts facts;
	if (!token)
		return INT64_MAX;
	hsm_token_facts(token, &facts);
	return facts.state == HSM_TOKEN_UP ? facts.since_ms : INT64_MAX;
}

/* ---- heads ---- */

static bool take_head_wish(struct signer *s)
{
	(void)pthread_mutex_lock(&s->lock);
	bool wanted = s->head_wanted;
	s->head_wanted = false;
	(void)pthread_mutex_unlock(&s->lock);
	return wanted;
}

/* It stays wanted. */
static void wish_head(struct signer *s)
{
	(void)pthread_mutex_lock(&s->lock);
	s->head_wanted = true;
	(void)pthread_mutex_unlock(&s->lock);
}

/* Every list has its head: what a list says, the log can show. And there is one every so often. */
static void keep_head(struct turn *k)
{
	struct signer *s = k->tender->signer;
	struct ca *ca = s->ca;
	struct error err = ERR_INIT;
	int64_t every_ms = (int64_t)ca->config->audit.head_minutes * 60000, now_ms = clock_monotonic_ms();
	if (ca->audit.token != k->tender->token || (k->head_failed_ms && now_ms - k->head_failed_ms < RETRY_MS))
		return;
	if (!take_head_wish(s) && ca_now_ms(ca) - atomic_load(&ca->head_ms) < every_ms)
		return;
	int failed = ca_audit_sign_head(ca, false, &err);
	k->head_failed_ms = failed ? now_ms : 0;
	if (!failed)
		return;
	log_err(LOG_LEVEL_WARN, "audit head not signed", &err);
	wish_head(s);
}

/* ---- the thread ---- */

/* Until the next round of care, tick or wish, or until something changes. True where the signer stops. */
static bool rest(struct turn *k)
{
	struct signer *s = k->tender->signer;
	struct hsm_token *token = opened(k);
	int64_t now_ms = clock_monotonic_ms(), until_ms = now_ms + (k->attached ? TICK_MS : OPEN_MS);
	if (token && k->probed_ms + hsm_token_rest_ms(token) < until_ms)
		until_ms = k->probed_ms + hsm_token_rest_ms(token);
	(void)pthread_mutex_lock(&s->lock);
	int64_t wish_ms = signer_lists_next_ms(s, k->tender->token);
	if (wish_ms < until_ms)
		until_ms = wish_ms;
	struct timespec until = wait_until(until_ms);
	if (until_ms > now_ms && !s->stopping)
		(void)pthread_cond_timedwait(&s->changed, &s->lock, &until);
	bool stopping = s->stopping;
	(void)pthread_mutex_unlock(&s->lock);
	return stopping;
}

static void *tend(void *arg)
{
	struct turn k = { .tender = arg };
	do {
		care(&k);
		signer_lists_keep(k.tender->signer, k.tender->token, up_since_ms(&k));
		keep_head(&k);
	} while (!rest(&k));
	return NULL;
}

int signer_tokens_start(struct signer *s, struct error *err)
{
	for (size_t i = 0; i < s->ca->token_count; i++) {
		struct tender *t = &s->tenders[i];
		*t = (struct tender){ .signer = s, .token = &s->ca->tokens[i] };
		if (!t->token->ours)
			continue;
		if (signer_thread(&t->thread, tend, t, err))
			return -1;
		t->runs = true;
	}
	return 0;
}

bool signer_tokens_stop(struct signer *s, int64_t until_ms)
{
	bool ended = true;
	for (size_t i = 0; i < CA_CONFIG_TOKENS_MAX; i++) {
		struct tender *t = &s->tenders[i];
		if (t->runs && signer_join(t->thread, until_ms))
			t->runs = false;
		ended = ended && !t->runs;
	}
	return ended;
}
