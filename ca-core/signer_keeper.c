/* What has to be done by the clock, by one thread: lists, heads, tokens that come back, clean-up. */
#include <errno.h>

#include "base/wait.h"
#include "ca-core/audit.h"
#include "ca-core/crl.h"
#include "ca-core/publish.h"
#include "ca-core/restore.h"
#include "ca-core/signer.h"

#define TICK_MS 1000
#define TICK_RECOVERING_MS 500 /* while a token is away: DESIGN section 5 */
#define EXPIRE_MS 60000
#define PROBE_MS 10000
#define RETRY_MS 10000     /* after a list that could not be made */
#define GATHER_MS 100      /* so that revocations in a burst share a list */
#define LIST_PAUSE_MS 1000 /* from the beginning of one list to the next, at least; and as long as one takes */

struct keeper {
	struct signer *signer;
	int64_t expired_ms, probed_ms;
	bool attached;
	int64_t failed_ms[CA_CONFIG_ISSUERS_MAX]; /* when a list could not be made; 0: it could */
};

/* ---- asked for by others ---- */

static size_t place_of(struct signer *s, const struct ca_issuer *issuer)
{
	return (size_t)(issuer - s->ca->issuers);
}

/* With the lock held. */
static void want(struct signer *s, struct ca_issuer *issuer, int64_t gather_ms)
{
	struct list_due *due = &s->lists[place_of(s, issuer)];
	int64_t now_ms = clock_monotonic_ms(), took_ms = atomic_load(&issuer->crl_took_ms);
	int64_t pause_ms = took_ms > LIST_PAUSE_MS ? took_ms : LIST_PAUSE_MS;
	if (due->wanted)
		return;
	due->wanted = true;
	due->not_before_ms = now_ms + gather_ms;
	if (gather_ms && due->begun_ms && due->not_before_ms < due->begun_ms + pause_ms)
		due->not_before_ms = due->begun_ms + pause_ms;
	(void)pthread_cond_broadcast(&s->changed);
}

void signer_keeper_list_due(struct signer *s, struct ca_issuer *issuer)
{
	(void)pthread_mutex_lock(&s->lock);
	want(s, issuer, GATHER_MS);
	(void)pthread_mutex_unlock(&s->lock);
}

int signer_keeper_list_now(struct signer *s, struct ca_issuer *issuer, const struct ca_actor *actor, uint64_t id,
			   struct error *err)
{
	(void)pthread_mutex_lock(&s->lock);
	bool room = s->waiter_count < SIGNER_WAITERS_MAX && !s->stopping;
	if (room) {
		s->waiters[s->waiter_count++] = (struct list_waiter){ issuer, id, *actor };
		want(s, issuer, 0);
		s->lists[place_of(s, issuer)].not_before_ms = clock_monotonic_ms();
	}
	(void)pthread_mutex_unlock(&s->lock);
	return room ? 0 : err_set(err, ERR_BUSY, "too many wait for a revocation list; try again soon");
}

/* ---- lists ---- */

/* Moves those who wait for this issuer's list to taken; returns how many. */
static size_t take_waiters(struct signer *s, const struct ca_issuer *issuer, struct list_waiter *taken)
{
	size_t count = 0, left = 0;
	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->waiter_count; i++) {
		if (s->waiters[i].issuer == issuer)
			taken[count++] = s->waiters[i];
		else
			s->waiters[left++] = s->waiters[i];
	}
	s->waiter_count = left;
	(void)pthread_mutex_unlock(&s->lock);
	return count;
}

static bool take_wish(struct signer *s, size_t place)
{
	struct list_due *due = &s->lists[place];
	int64_t now_ms = clock_monotonic_ms();
	(void)pthread_mutex_lock(&s->lock);
	bool wish = due->wanted && due->not_before_ms <= now_ms;
	if (wish) {
		due->wanted = false;
		due->begun_ms = now_ms;
	}
	(void)pthread_mutex_unlock(&s->lock);
	return wish;
}

static void make_list(struct keeper *k, size_t place)
{
	struct signer *s = k->signer;
	struct ca_issuer *issuer = &s->ca->issuers[place];
	struct list_waiter waiters[SIGNER_WAITERS_MAX];
	struct message_crl_made made;
	struct error err = ERR_INIT;
	size_t count = take_waiters(s, issuer, waiters);
	const struct ca_actor self = ca_actor_self();
	int result = ca_crl_make(s->ca, issuer, count ? &waiters[0].actor : &self, &made, &err);
	k->failed_ms[place] = result ? clock_monotonic_ms() : 0;
	if (result)
		log_err(LOG_LEVEL_ERROR, "revocation list not made", &err);
	for (size_t i = 0; i < count; i++) {
		auto_buf payload = BUF_INIT;
		if (result) {
			signer_answer_error(s, waiters[i].id, &err);
			continue;
		}
		message_crl_made_write(&made, &payload);
		signer_answer(s, waiters[i].id, MSG_CRL_MADE, &payload);
	}
	/* Every list has its head: what a list says, the log can show. */
	if (!result && ca_audit_sign_head(s->ca, false, &err))
		log_err(LOG_LEVEL_WARN, "audit head not signed", &err);
	if (result && issuer->token && issuer->token->pin)
		signer_keeper_list_due(s, issuer); /* the wish stays; RETRY_MS holds it back */
}

/* Only where the key is ours to use; the others' lists come by import. */
static bool is_ours(struct keeper *k, size_t place)
{
	const struct ca_issuer *issuer = &k->signer->ca->issuers[place];
	return issuer->certified && issuer->token && issuer->token->pin;
}

static bool due_by_time(struct keeper *k, size_t place)
{
	return is_ours(k, place) && ca_crl_is_due(k->signer->ca, &k->signer->ca->issuers[place]);
}

static void keep_lists(struct keeper *k)
{
	for (size_t i = 0; i < k->signer->ca->issuer_count; i++) {
		bool waits = k->failed_ms[i] && clock_monotonic_ms() - k->failed_ms[i] < RETRY_MS;
		if (!waits && (due_by_time(k, i) || take_wish(k->signer, i)))
			make_list(k, i);
	}
}

/* ---- the rest ---- */

static void keep_head(struct keeper *k)
{
	struct ca *ca = k->signer->ca;
	struct error err = ERR_INIT;
	int64_t every_ms = (int64_t)ca->config->audit.head_minutes * 60000;
	if (ca_now_ms(ca) - atomic_load(&ca->head_ms) >= every_ms && ca_audit_sign_head(ca, false, &err))
		log_err(LOG_LEVEL_WARN, "audit head not signed", &err);
}

/* Asks tokens how they are: rarely while they are well, at each tick while one is not. */
static void keep_tokens(struct keeper *k)
{
	struct ca *ca = k->signer->ca;
	int64_t now_ms = clock_monotonic_ms();
	bool look = now_ms - k->probed_ms >= PROBE_MS;
	if (!k->attached)
		k->attached = ca_attach(ca);
	bool all_up = k->attached;
	for (size_t i = 0; i < ca->token_count; i++) {
		struct hsm_token *token = atomic_load(&ca->tokens[i].token);
		struct error err = ERR_INIT;
		if (!token)
			continue;
		if (look || hsm_token_state(token) != HSM_TOKEN_UP)
			(void)hsm_token_probe(token, &err);
		all_up = all_up && hsm_token_state(token) == HSM_TOKEN_UP;
	}
	if (look)
		k->probed_ms = now_ms;
	k->attached = k->attached && all_up;
}

static void keep_store(struct keeper *k)
{
	int64_t now_ms = clock_monotonic_ms();
	if (now_ms - k->expired_ms < EXPIRE_MS)
		return;
	k->expired_ms = now_ms;
	store_expire(k->signer->store);
}

/* Until the next tick, the earliest wish, or a call. True where the signer stops. */
static bool rest(struct keeper *k)
{
	struct signer *s = k->signer;
	int64_t now_ms = clock_monotonic_ms(), until_ms = now_ms + (k->attached ? TICK_MS : TICK_RECOVERING_MS);
	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->ca->issuer_count; i++)
		if (s->lists[i].wanted && !k->failed_ms[i] && s->lists[i].not_before_ms < until_ms)
			until_ms = s->lists[i].not_before_ms;
	struct timespec until = wait_until(until_ms);
	if (until_ms > now_ms && !s->stopping)
		(void)pthread_cond_timedwait(&s->changed, &s->lock, &until);
	bool stopping = s->stopping;
	(void)pthread_mutex_unlock(&s->lock);
	return stopping;
}

static void *keep(void *arg)
{
	struct keeper k = { .signer = arg };
	struct error err = ERR_INIT;
	if (ca_publish_lists(k.signer->ca, &err))
		log_err(LOG_LEVEL_ERROR, "not every list could be published", &err);
	/* What was recovered after a restore, or only by an older list than the world has seen, goes out at once. */
	struct error restored = ERR_INIT;
	for (size_t i = 0; ca_restore_check(k.signer->ca, &restored) && i < k.signer->ca->issuer_count; i++)
		if (is_ours(&k, i))
			signer_keeper_list_due(k.signer, &k.signer->ca->issuers[i]);
	do {
		keep_tokens(&k);
		keep_lists(&k);
		keep_head(&k);
		keep_store(&k);
	} while (!rest(&k));
	return NULL;
}

int signer_keeper_start(struct signer *s, struct error *err)
{
	if (signer_thread(&s->keeper, keep, s, err))
		return -1;
	s->keeper_runs = true;
	return 0;
}

void signer_keeper_stop(struct signer *s)
{
	if (!s->keeper_runs)
		return;
	(void)pthread_mutex_lock(&s->lock);
	s->stopping = true;
	(void)pthread_cond_broadcast(&s->changed);
	(void)pthread_mutex_unlock(&s->lock);
	(void)pthread_join(s->keeper, NULL);
	s->keeper_runs = false;
}
