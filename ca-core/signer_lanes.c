/*
 * Lanes: who works on the front's questions, and who waits for a token.
 *
 * What needs no token has a lane of its own, and so has each token, whose workers sign in that one
 * alone: a call that does not return keeps the workers of that token's lane, and nobody else. While
 * the token is away, what can be said without a signature is said in the first lane; a question
 * that needs one is set aside, not held by a worker. The watch takes it up again when one of its
 * issuer's tokens is there, or answers it when it has waited long enough.
 */
#include <errno.h>

#include "base/log.h"
#include "base/wait.h"
#include "ca-core/signer.h"

#define WATCH_MS 1000   /* while nobody waits */
#define TROUBLED_MS 200 /* while a token is not up, or a call does not return */
#define TRY_FIRST_MS 20 /* from one try of a question that waits to its next, doubled each time */
#define TRY_MOST_MS 500
#define LEAVE_CALLS 3  /* how many times call-seconds nothing of a token returns, until a new process is tried */
#define LEAVE_MS 10000 /* at least; and where other tokens sign: */
#define LEAVE_OTHERS_MS 60000
#define LEAVE_LOST_MS 1000 /* where others fail at once meanwhile, and no token signs */

/* ---- which lane ---- */

struct ca_issuer *signer_issuer_of(struct signer *s, struct bytes profile)
{
	const struct ca_config *config = s->ca->config;
	for (size_t i = 0; i < config->profile_count; i++)
		if (bytes_are(profile, config->profiles[i].name))
			return ca_issuer_for(s->ca, &config->profiles[i]);
	return NULL;
}

static struct lane *lane_of_token(struct signer *s, const struct ca_token *token)
{
	return &s->lanes[1 + (size_t)(token - s->ca->tokens)];
}

/* How well the issuer's key can be used by this lane's workers: ca_seat_rank. */
static int rank_in(struct signer *s, const struct lane *lane, const struct ca_issuer *issuer)
{
	for (size_t i = 0; lane->questions && i < issuer->seat_count; i++)
		if (lane_of_token(s, issuer->seats[i].token) == lane)
			return ca_seat_rank(&issuer->seats[i]);
	return 0;
}

/* Of several tokens with the issuer's key the best one, and among equals that with the shortest line. */
static struct lane *choose_lane(struct signer *s, const struct ca_issuer *issuer)
{
	struct lane *best = &s->lanes[0];
	int best_rank = 0;
	for (size_t i = 0; issuer && i < issuer->seat_count; i++) {
		struct lane *lane = lane_of_token(s, issuer->seats[i].token);
		int rank = rank_in(s, lane, issuer);
		if (rank > best_rank ||
		    (rank && rank == best_rank && atomic_load(&lane->load) < atomic_load(&best->load))) {
			best = lane;
			best_rank = rank;
		}
	}
	return best;
}

static bool push(struct signer *s, struct lane *lane, struct question *q)
{
	if (!lane->questions)
		return false; /* it has stopped */
	/* The writer of the store waits a moment for what is known to be coming. */
	int coming = q->type == MSG_ISSUE ? 1 : 0;
	store_coming(s->store, coming);
	atomic_fetch_add(&lane->load, 1);
	if (queue_push(lane->questions, q))
		return true;
	atomic_fetch_sub(&lane->load, 1);
	store_coming(s->store, -coming);
	return false;
}

bool signer_lane_push(struct signer *s, struct question *q)
{
	return push(s, choose_lane(s, q->issuer), q);
}

/* A question that was taken out of this lane goes to another: not done, but gone from here. */
static bool pass_on(struct signer *s, struct lane *from, struct lane *to, struct question *q)
{
	int coming = q->type == MSG_ISSUE ? 1 : 0;
	if (!push(s, to, q))
		return false;
	/* From here on it may be done, and freed. */
	atomic_fetch_sub(&from->load, 1);
	store_coming(s->store, -coming);
	return true;
}

uint64_t signer_lanes_length(struct signer *s)
{
	uint64_t length = 0;
	for (size_t i = 0; i < SIGNER_LANES_MAX; i++)
		if (s->lanes[i].questions)
			length += queue_length(s->lanes[i].questions);
	return length;
}

/* ---- waiting for a token ---- */

bool signer_park(struct signer *s, struct question *q)
{
	int64_t now_ms = clock_monotonic_ms();
	struct waiting *w = &s->waiting;
	if (!q->issuer || now_ms >= q->until_ms)
		return false;
	int64_t pause_ms = TRY_FIRST_MS << (q->tries < 5 ? q->tries : 5);
	q->tries++;
	q->not_before_ms = now_ms + (pause_ms < TRY_MOST_MS ? pause_ms : TRY_MOST_MS);
	(void)pthread_mutex_lock(&w->lock);
	bool room = w->count < s->role->config->process.signing_queue && !w->closed;
	if (room) {
		q->next = w->first;
		w->first = q;
		w->count++;
		w->waits += q->tries == 1;
		(void)pthread_cond_signal(&w->changed);
	}
	(void)pthread_mutex_unlock(&w->lock);
	return room;
}

void signer_token_changed(void *arg)
{
	struct signer *s = arg;
	(void)pthread_mutex_lock(&s->waiting.lock);
	s->waiting.token_changed = true;
	(void)pthread_cond_signal(&s->waiting.changed);
	(void)pthread_mutex_unlock(&s->waiting.lock);
	(void)pthread_mutex_lock(&s->lock);
	(void)pthread_cond_broadcast(&s->changed);
	(void)pthread_mutex_unlock(&s->lock);
}

void signer_wait_for_token(struct signer *s, const struct ca_issuer *issuer)
{
	int64_t seconds = s->role->config->process.signing_wait_seconds;
	struct timespec until = wait_until(clock_monotonic_ms() + seconds * 1000);
	(void)pthread_mutex_lock(&s->lock);
	while (!s->stopping && issuer && ca_issuer_is_ours(issuer) && !ca_issuer_can_sign(issuer))
		if (pthread_cond_timedwait(&s->changed, &s->lock, &until) == ETIMEDOUT)
			break;
	(void)pthread_mutex_unlock(&s->lock);
}

void signer_give_up(struct signer *s, struct question *q, const char *why)
{
	struct error err = ERR_INIT;
	struct waiting *w = &s->waiting;
	if (q->type == SIGNER_ISSUE_ORDER) {
		signer_orders_drop(s, q);
		return;
	}
	(void)pthread_mutex_lock(&w->lock);
	bool closed = w->closed, over = !closed && clock_monotonic_ms() >= q->until_ms;
	w->timeouts += over;
	(void)pthread_mutex_unlock(&w->lock);
	if (over)
		(void)err_set(&err, ERR_TOKEN_UNAVAILABLE, "%s; it was waited for %u s", why,
			      s->role->config->process.signing_wait_seconds);
	else
		(void)err_set(&err, ERR_TOKEN_UNAVAILABLE, "%s; %s", why,
			      closed ? "the server stops" : "too many wait for it already");
	if (q->type == MSG_ISSUE)
		atomic_fetch_add(&s->ca->counters.refused[ERR_TOKEN_UNAVAILABLE], 1);
	signer_answer_error(s, q->id, &err);
	free(q);
}

/* One that nobody tries just now. */
static void give_up_waiting(struct signer *s, struct question *q)
{
	struct error why = ERR_INIT;
	if (ca_issuer_signer(q->issuer, &why))
		(void)err_set(&why, ERR_TOKEN_UNAVAILABLE, "the token of issuer %s did not sign",
			      q->issuer->config->name);
	signer_give_up(s, q, why.message);
}

/* Takes out of those who wait whose time has come, in either sense; returns when the next one's comes. */
static int64_t take_due(struct waiting *w, int64_t now_ms, struct question **again, struct question **over)
{
	int64_t next_ms = INT64_MAX;
	struct question **at = &w->first;
	/* After a change of a token all are tried; else each in its time. */
	bool changed = w->token_changed;
	w->token_changed = false;
	while (*at) {
		struct question *q = *at;
		q->issuer = ca_issuer_current(q->issuer); /* another may have taken over meanwhile */
		bool ready = (changed || q->not_before_ms <= now_ms) && ca_issuer_can_sign(q->issuer);
		if (now_ms < q->until_ms && !ready && !w->closed) {
			/* Without a token only its change, which wakes us, makes it due. */
			int64_t due_ms = ca_issuer_can_sign(q->issuer) ? q->not_before_ms : q->until_ms;
			next_ms = due_ms < next_ms ? due_ms : next_ms;
			at = &q->next;
			continue;
		}
		struct question **to = ready && !w->closed ? again : over;
		*at = q->next;
		w->count--;
		q->next = *to;
		*to = q;
	}
	return next_ms;
}

static void settle_due(struct signer *s, struct question *again, struct question *over)
{
	while (over) {
		struct question *q = over;
		over = q->next;
		give_up_waiting(s, q);
	}
	while (again) {
		struct question *q = again;
		again = q->next;
		/* Its lane is full: it waits on, and is looked at again. */
		if (!signer_lane_push(s, q) && !signer_park(s, q))
			give_up_waiting(s, q);
	}
}

/* ---- the workers ---- */

/* Its token may have gone while it was queued, and another may have the same key. */
static bool is_passed_on(struct lane *lane, struct question *q)
{
	struct signer *s = lane->signer;
	if (!lane->token || !q->issuer)
		return false;
	struct lane *best = choose_lane(s, q->issuer);
	return rank_in(s, best, q->issuer) > rank_in(s, lane, q->issuer) && pass_on(s, lane, best, q);
}

static void *work(void *arg)
{
	struct lane *lane = arg;
	auto_buf out = BUF_INIT;
	struct question *q;
	while ((q = queue_pop(lane->questions, -1))) {
		atomic_store(&lane->taken_ms, clock_monotonic_ms());
		if (is_passed_on(lane, q))
			continue;
		q->token = lane->token;
		signer_work(lane->signer, q, &out);
		atomic_fetch_sub(&lane->load, 1);
		if (out.failed || out.capacity > (size_t)64 << 10)
			buf_free(&out);
	}
	return NULL;
}

/* ---- calls that do not return ---- */

/* The workers of such a token's lane may all be inside it. What they cannot take is looked at in the first lane:
 * it may need no signature. */
static void empty_lane(struct signer *s, struct lane *lane)
{
	struct question *q;
	while ((q = queue_pop(lane->questions, 0))) {
		if (pass_on(s, lane, &s->lanes[0], q))
			continue;
		atomic_fetch_sub(&lane->load, 1);
		if (q->type == MSG_ISSUE)
			store_coming(s->store, -1);
		if (!signer_park(s, q))
			give_up_waiting(s, q);
	}
}

/* The least of the limits decides how closely calls are watched. */
static int64_t watch_pause_ms(const struct signer *s)
{
	int64_t pause_ms = WATCH_MS, wait_ms = (int64_t)s->role->config->process.signing_wait_seconds * 1000;
	if (wait_ms / 4 < pause_ms)
		pause_ms = wait_ms / 4;
	for (size_t i = 0; i < s->ca->token_count; i++)
		if ((int64_t)s->ca->tokens[i].config->call_seconds * 250 < pause_ms)
			pause_ms = (int64_t)s->ca->tokens[i].config->call_seconds * 250;
	return pause_ms;
}

/* All its workers are at work, more waits, and for a while none took anything: nobody has to wait behind them for
 * longer than he would wait for the token. */
static bool stands_still(const struct signer *s, const struct lane *lane)
{
	return atomic_load(&lane->load) > lane->worker_count &&
	       clock_monotonic_ms() - atomic_load(&lane->taken_ms) >= watch_pause_ms(s);
}

/* The threads of calls that were written off are missing until those return. */
static void replace_lost(struct lane *lane, size_t lost)
{
	struct error err = ERR_INIT;
	while (lane->worker_count < lane->wanted + lost && lane->worker_count < SIGNER_WORKERS_MAX) {
		if (signer_thread(&lane->workers[lane->worker_count], work, lane, &err)) {
			log_err(LOG_LEVEL_ERROR, "no thread in the place of one that does not return", &err);
			return;
		}
		lane->worker_count++;
	}
}

/* True where the calls of some token want to be watched closely. */
static bool watch_calls(struct signer *s)
{
	bool troubled = false;
	for (size_t i = 0; i < s->ca->token_count; i++) {
		struct ca_token *t = &s->ca->tokens[i];
		struct lane *lane = &s->lanes[1 + i];
		struct hsm_token *open = atomic_load(&t->token);
		if (!open)
			continue;
		if (lane->questions)
			replace_lost(lane, hsm_token_lost(open));
		bool over_limit = hsm_token_watch(open);
		enum hsm_token_state state = hsm_token_state(open);
		troubled = troubled || over_limit || (state != HSM_TOKEN_UP && state != HSM_TOKEN_PIN_REFUSED);
		if (lane->questions && (over_limit || stands_still(s, lane)))
			empty_lane(s, lane);
	}
	return troubled;
}

static bool another_signs(struct signer *s, size_t than)
{
	for (size_t i = 0; i < s->ca->token_count; i++) {
		struct hsm_token *open = atomic_load(&s->ca->tokens[i].token);
		if (i != than && open && hsm_token_state(open) == HSM_TOKEN_UP)
			return true;
	}
	return false;
}

/* Whether this token has waited long enough for what does not return. */
static bool is_beyond_help(struct signer *s, size_t place, struct hsm_token *open)
{
	int64_t limit_ms = (int64_t)s->ca->tokens[place].config->call_seconds * 1000 * LEAVE_CALLS;
	if (another_signs(s, place))
		return hsm_token_stuck_ms(open) >= (limit_ms < LEAVE_OTHERS_MS ? LEAVE_OTHERS_MS : limit_ms);
	return hsm_token_lost_ms(open) >= LEAVE_LOST_MS ||
	       hsm_token_stuck_ms(open) >= (limit_ms < LEAVE_MS ? LEAVE_MS : limit_ms);
}

/* A module with a call in it that does not return cannot be finalized, and may be of no use until it is: some lose an
 * answer for ever when their connection breaks. A new process begins without it; the supervisor starts one at once. */
static void leave_if_nothing_else_helps(struct signer *s)
{
	for (size_t i = 0; i < s->ca->token_count; i++) {
		struct hsm_token *open = atomic_load(&s->ca->tokens[i].token);
		if (!open || !s->front || !is_beyond_help(s, i, open) || atomic_exchange(&s->leaving, true))
			continue;
		log_error("a call into a token does not return, and its module cannot be initialized anew: a new "
			  "process takes over",
			  KV("token", s->ca->tokens[i].config->name));
		channel_shutdown(s->front);
	}
}

static void *watch(void *arg)
{
	struct signer *s = arg;
	struct waiting *w = &s->waiting;
	int64_t pause_ms = watch_pause_ms(s);
	bool closed;
	do {
		bool troubled = watch_calls(s);
		leave_if_nothing_else_helps(s);
		struct question *again = NULL, *over = NULL;
		int64_t now_ms = clock_monotonic_ms(), until_ms = now_ms + (troubled ? TROUBLED_MS : pause_ms);
		(void)pthread_mutex_lock(&w->lock);
		int64_t due_ms = take_due(w, now_ms, &again, &over);
		closed = w->closed;
		struct timespec until = wait_until(due_ms < until_ms ? due_ms : until_ms);
		if (!again && !over && !closed && due_ms > now_ms)
			while (!w->token_changed && !w->closed &&
			       pthread_cond_timedwait(&w->changed, &w->lock, &until) != ETIMEDOUT && !w->first)
				;
		(void)pthread_mutex_unlock(&w->lock);
		settle_due(s, again, over);
		signer_lists_give_up(s, false);
	} while (!closed);
	return NULL;
}

/* ---- threads ---- */

static int start_lane(struct signer *s, struct lane *lane, const struct ca_token *token, struct error *err)
{
	unsigned wanted = s->role->config->process.workers;
	if (token && wanted > token->config->sessions)
		wanted = token->config->sessions;
	lane->signer = s;
	lane->token = token;
	lane->questions = queue_new(SIGNER_QUEUE_MAX);
	if (!lane->questions)
		return err_set(err, ERR_INTERNAL, "no memory for the signer's queue");
	lane->wanted = wanted;
	while (lane->worker_count < wanted && lane->worker_count < SIGNER_WORKERS_MAX) {
		if (signer_thread(&lane->workers[lane->worker_count], work, lane, err))
			return -1;
		lane->worker_count++;
	}
	return 0;
}

static bool is_used(const struct ca *ca, const struct ca_token *token)
{
	for (size_t i = 0; i < ca->issuer_count; i++)
		for (size_t n = 0; n < ca->issuers[i].seat_count; n++)
			if (ca->issuers[i].seats[n].token == token)
				return token->ours;
	return false;
}

int signer_lanes_start(struct signer *s, struct error *err)
{
	if (start_lane(s, &s->lanes[0], NULL, err))
		return -1;
	for (size_t i = 0; i < s->ca->token_count; i++)
		if (is_used(s->ca, &s->ca->tokens[i]) && start_lane(s, &s->lanes[1 + i], &s->ca->tokens[i], err))
			return -1;
	if (signer_thread(&s->watch, watch, s, err))
		return -1;
	s->watch_runs = true;
	return 0;
}

bool signer_join(pthread_t thread, int64_t until_ms)
{
	struct timespec until = wait_until(until_ms);
	return pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) == 0;
}

/* Threads that are inside a call which does not return stay where they are; who stands behind them does not. */
static bool end_workers(struct signer *s, struct lane *lane, int64_t until_ms)
{
	bool ended = true;
	for (unsigned i = 0; i < lane->worker_count; i++)
		ended = signer_join(lane->workers[i], until_ms) && ended;
	if (!ended)
		empty_lane(s, lane);
	return ended;
}

static void free_lane(struct lane *lane)
{
	lane->worker_count = 0;
	queue_free(lane->questions);
	lane->questions = NULL;
}

bool signer_lanes_stop(struct signer *s, int64_t until_ms)
{
	bool ended = true;
	/* Who waits is answered; nobody may wait any more. */
	(void)pthread_mutex_lock(&s->waiting.lock);
	s->waiting.closed = true;
	(void)pthread_cond_signal(&s->waiting.changed);
	(void)pthread_mutex_unlock(&s->waiting.lock);
	if (s->watch_runs)
		s->watch_runs = !signer_join(s->watch, until_ms);
	for (size_t i = 0; i < SIGNER_LANES_MAX; i++)
		if (s->lanes[i].questions)
			queue_close(s->lanes[i].questions);
	if (s->watch_runs)
		return false; /* it may use any of them */
	for (size_t i = 0; i < SIGNER_LANES_MAX; i++)
		if (s->lanes[i].questions)
			ended = end_workers(s, &s->lanes[i], until_ms) && ended;
	/* Workers pass questions on to every lane: none goes before the last of them has ended. */
	for (size_t i = 0; ended && i < SIGNER_LANES_MAX; i++)
		if (s->lanes[i].questions)
			free_lane(&s->lanes[i]);
	return ended;
}
