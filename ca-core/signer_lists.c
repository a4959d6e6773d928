/*
 * Revocation lists: which are wanted, by whom, and since when. Made by the thread of a token that
 * holds the issuer's key, so that one token's fall does not keep the lists of others.
 */
#include "ca-core/audit.h"
#include "ca-core/crl.h"
#include "ca-core/signer.h"

#define RETRY_MS 10000     /* after a list that could not be made */
#define GATHER_MS 100      /* so that revocations in a burst share a list */
#define LIST_PAUSE_MS 1000 /* from the beginning of one list to the next, at least; and as long as one takes */

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

void signer_list_due(struct signer *s, struct ca_issuer *issuer)
{
	(void)pthread_mutex_lock(&s->lock);
	want(s, issuer, GATHER_MS);
	(void)pthread_mutex_unlock(&s->lock);
}

int signer_list_now(struct signer *s, struct ca_issuer *issuer, const struct ca_actor *actor, uint64_t id,
		    struct error *err)
{
	struct list_due *due = &s->lists[place_of(s, issuer)];
	int64_t now_ms = clock_monotonic_ms();
	/* Nobody would ever make it. */
	if (!ca_issuer_is_ours(issuer))
		return ca_issuer_signer_in(issuer, NULL, err) ? 0 : -1;
	(void)pthread_mutex_lock(&s->lock);
	bool room = s->waiter_count < SIGNER_WAITERS_MAX && !s->stopping;
	if (room) {
		s->waiters[s->waiter_count++] =
			(struct list_waiter){ .issuer = issuer,
					      .id = id,
					      .actor = *actor,
					      .until_ms = now_ms +
							  (int64_t)s->role->config->listen.request_seconds * 1000 };
		want(s, issuer, 0);
		due->not_before_ms = now_ms;
		due->failed_ms = 0; /* who asks is told how it is now */
		(void)pthread_cond_broadcast(&s->changed);
	}
	(void)pthread_mutex_unlock(&s->lock);
	return room ? 0 : err_set(err, ERR_BUSY, "too many wait for a revocation list; try again soon");
}

/* ---- lists ---- */

typedef bool fits(const struct list_waiter *w, const void *arg);

/* Moves those who fit to taken; returns how many. */
static size_t take_waiters(struct signer *s, fits *fit, const void *arg, struct list_waiter taken[SIGNER_WAITERS_MAX])
{
	size_t count = 0, left = 0;
	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->waiter_count; i++) {
		if (fit(&s->waiters[i], arg))
			taken[count++] = s->waiters[i];
		else
			s->waiters[left++] = s->waiters[i];
	}
	s->waiter_count = left;
	(void)pthread_mutex_unlock(&s->lock);
	return count;
}

static bool is_served(const struct list_waiter *w, const void *issuer)
{
	return w->served && w->issuer == issuer;
}

static bool is_over(const struct list_waiter *w, const void *until_ms)
{
	return w->until_ms <= *(const int64_t *)until_ms;
}

void signer_lists_give_up(struct signer *s, bool all)
{
	struct error err = ERR_INIT;
	struct list_waiter waiters[SIGNER_WAITERS_MAX];
	const int64_t until_ms = all ? INT64_MAX : clock_monotonic_ms();
	size_t count = take_waiters(s, is_over, &until_ms, waiters);
	if (count)
		(void)err_set(&err, ERR_TOKEN_UNAVAILABLE, "no revocation list was made: %s",
			      all ? "the server stops" : "a call into the token does not return");
	for (size_t i = 0; i < count; i++)
		signer_answer_error(s, waiters[i].id, &err);
}

/* From here on those who wait for this issuer's list wait for the one that begins. The first is its author. */
static struct ca_actor begin_list(struct signer *s, const struct ca_issuer *issuer)
{
	struct ca_actor author = ca_actor_self();
	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = s->waiter_count; i-- > 0;) {
		if (s->waiters[i].issuer != issuer)
			continue;
		s->waiters[i].served = true;
		author = s->waiters[i].actor;
	}
	(void)pthread_mutex_unlock(&s->lock);
	return author;
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

static void set_failed(struct signer *s, size_t place, bool failed)
{
	(void)pthread_mutex_lock(&s->lock);
	s->lists[place].failed_ms = failed ? clock_monotonic_ms() : 0;
	s->head_wanted = s->head_wanted || !failed;
	(void)pthread_mutex_unlock(&s->lock);
}

static void make_list(struct signer *s, size_t place, const struct ca_token *token)
{
	struct ca_issuer *issuer = &s->ca->issuers[place];
	struct list_waiter waiters[SIGNER_WAITERS_MAX];
	struct message_crl_made made;
	struct error err = ERR_INIT;
	const struct ca_actor author = begin_list(s, issuer);
	int result = ca_crl_make_in(s->ca, issuer, token, &author, &made, &err);
	size_t count = take_waiters(s, is_served, issuer, waiters);
	set_failed(s, place, result != 0);
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
	if (result)
		signer_list_due(s, issuer); /* the wish stays; RETRY_MS holds it back */
}

/* One of the issuer's tokens makes its lists: the first that can sign, else the first that is ours. */
static bool makes_lists(const struct ca_issuer *issuer, const struct ca_token *token)
{
	bool signs = ca_issuer_can_sign(issuer);
	for (size_t i = 0; i < issuer->seat_count; i++) {
		const struct ca_seat *seat = &issuer->seats[i];
		if (signs ? ca_seat_rank(seat) > 0 : seat->token->ours)
			return seat->token == token;
	}
	return false;
}

/* A list that failed before its token came back is not held back any longer; while it is away, it fails again. */
static bool is_held_back(struct signer *s, size_t place, int64_t up_since_ms)
{
	(void)pthread_mutex_lock(&s->lock);
	int64_t failed_ms = s->lists[place].failed_ms;
	(void)pthread_mutex_unlock(&s->lock);
	bool came_back = up_since_ms != INT64_MAX && up_since_ms >= failed_ms;
	return failed_ms && !came_back && clock_monotonic_ms() - failed_ms < RETRY_MS;
}

void signer_lists_keep(struct signer *s, const struct ca_token *token, int64_t up_since_ms)
{
	for (size_t i = 0; i < s->ca->issuer_count; i++) {
		struct ca_issuer *issuer = &s->ca->issuers[i];
		/* Only where the key is ours to use; the others' lists come by import. */
		if (!ca_issuer_is_ours(issuer) || !makes_lists(issuer, token) || is_held_back(s, i, up_since_ms))
			continue;
		if (take_wish(s, i) || ca_crl_is_due(s->ca, issuer))
			make_list(s, i, token);
	}
}

int64_t signer_lists_next_ms(struct signer *s, const struct ca_token *token)
{
	int64_t next_ms = INT64_MAX;
	for (size_t i = 0; i < s->ca->issuer_count; i++) {
		const struct list_due *due = &s->lists[i];
		if (due->wanted && !due->failed_ms && due->not_before_ms < next_ms &&
		    ca_issuer_is_ours(&s->ca->issuers[i]) && makes_lists(&s->ca->issuers[i], token))
			next_ms = due->not_before_ms;
	}
	return next_ms;
}
