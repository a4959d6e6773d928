/*
 * Lanes: who works on the front's questions, and who waits for a token.
 *
 * What needs no token has a lane of its own, and so has each token: a call that does not return
 * keeps the workers of that token's lane, and nobody else. A question whose token is away is set
 * aside, not held by a worker; the watch takes it up again when one of its issuer's tokens is
 * there, or answers it when it has waited long enough.
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
			return ca_issuer_find(s->ca, bytes_of(config->profiles[i].issuer));
	return NULL;
}

static struct lane *lane_of_token(struct signer *s, const struct ca_token *token)
{
	return &s->lanes[1 + (size_t)(token - s->ca->tokens)];
}

/* Of several tokens with the issuer's key the best one, and among equals that with the shortest line. */
static struct lane *choose_lane(struct signer *s, const struct ca_issuer *issuer)
{
	struct lane *best = NULL;
	int best_rank = -1;
	for (size_t i = 0; issuer && i < issuer->seat_count; i++) {
		const struct ca_seat *seat = &issuer->seats[i];
		struct lane *lane = lane_of_token(s, seat->token);
		if (!lane->questions)
			continue;
		if (issuer->seat_count == 1)
			return lane;
		int rank = ca_seat_rank(seat);
		if (rank > best_rank || (rank == best_rank && atomic_load(&lane->load) < atomic_load(&best->load))) {
			best = lane;
			best_rank = rank;
		}
	}
	return best ? best : &s->lanes[0];
}

bool signer_lane_push(struct signer *s, struct question *q)
{
	struct lane *lane = choose_lane(s, q->issuer);
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
		w->waits++;
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

static bool can_be_signed(const struct ca_issuer *issuer)
{
	for (size_t i = 0; i < issuer->seat_count; i++)
		if (ca_seat_rank(&issuer->seats[i]) > 0)
			return true;
	return false;
}

void signer_wait_for_token(struct signer *s, const struct ca_issuer *issuer)
{
	int64_t seconds = s->role->config->process.signing_wait_seconds;
	struct timespec until = wait_until(clock_monotonic_ms() + seconds * 1000);
	(void)pthread_mutex_lock(&s->lock);
	while (!s->stopping && issuer && ca_issuer_is_ours(issuer) && !can_be_signed(issuer))
		if (pthread_cond_timedwait(&s->changed, &s->lock, &until) == ETIMEDOUT)
			break;
	(void)pthread_mutex_unlock(&s->lock);
}

static void time_is_over(struct signer *s, struct question *q)
{
	struct error err = ERR_INIT, why = ERR_INIT;
	unsigned seconds = s->role->config->process.signing_wait_seconds;
	if (q->type == SIGNER_ISSUE_ORDER) {
		signer_orders_drop(s, q);
		return;
	}
	if (!ca_issuer_signer(q->issuer, &why))
		(void)err_set(&err, ERR_TOKEN_UNAVAILABLE, "%s; it was waited for %u s", why.message, seconds);
	else
		(void)err_set(&err, ERR_TOKEN_UNAVAILABLE, "the token of issuer %s did not sign within %u s",
			      q->issuer->config->name, seconds);
	if (q->type == MSG_ISSUE)
		atomic_fetch_add(&s->ca->counters.refused[ERR_TOKEN_UNAVAILABLE], 1);
	signer_answer_error(s, q->id, &err);
	free(q);
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
		bool ready = (changed || q->not_before_ms <= now_ms) && can_be_signed(q->issuer);
		if (now_ms < q->until_ms && !ready && !w->closed) {
			/* Without a token only its change, which wakes us, makes it due. */
			int64_t due_ms = can_be_signed(q->issuer) ? q->not_before_ms : q->until_ms;
			next_ms = due_ms < next_ms ? due_ms : next_ms;
			at = &q->next;
			continue;
		}
		struct question **to = ready && !w->closed ? again : over;
		*at = q->next;
		w->count--;
		w->timeouts += to == over;
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
		time_is_over(s, q);
	}
	while (again) {
		struct question *q = again;
		again = q->next;
		/* Its lane is full: it waits on, and is looked at again. */
		if (!signer_lane_push(s, q) && !signer_park(s, q))
			time_is_over(s, q);
	}
}

/* ---- the workers ---- */

static void *work(void *arg)
{
	struct lane *lane = arg;
	auto_buf out = BUF_INIT;
	struct question *q;
	while ((q = queue_pop(lane->questions, -1))) {
		q->token = lane->token;
		signer_work(lane->signer, q, &out);
		atomic_fetch_sub(&lane->load, 1);
		if (out.failed || out.capacity > (size_t)64 << 10)
			buf_free(&out);
	}
	return NULL;
}

/* ---- calls that do not return ---- */

/* The workers of such a token's lane may all be inside it: what they cannot take waits with the others. */
static void empty_lane(struct signer *s, struct lane *lane)
{
	struct question *q;
	while ((q = queue_pop(lane->questions, 0))) {
		atomic_fetch_sub(&lane->load, 1);
		if (q->type == MSG_ISSUE)
			store_coming(s->store, -1);
		if (!signer_park(s, q))
			time_is_over(s, q);
	}
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
		struct hsm_token *open = atomic_load(&t->token);
		if (!open)
			continue;
		if (s->lanes[1 + i].questions)
			replace_lost(&s->lanes[1 + i], hsm_token_lost(open));
		enum hsm_token_state state = hsm_token_state(open);
		troubled = troubled || (state != HSM_TOKEN_UP && state != HSM_TOKEN_PIN_REFUSED);
		if (!hsm_token_watch(open))
			continue;
		troubled = true;
		if (s->lanes[1 + i].questions)
			empty_lane(s, &s->lanes[1 + i]);
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

/* The least of the tokens' limits decides how closely their calls are watched. */
static int64_t watch_pause_ms(const struct signer *s)
{
	int64_t pause_ms = WATCH_MS;
	for (size_t i = 0; i < s->ca->token_count; i++)
		if ((int64_t)s->ca->tokens[i].config->call_seconds * 250 < pause_ms)
			pause_ms = (int64_t)s->ca->tokens[i].config->call_seconds * 250;
	return pause_ms;
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

bool signer_join(const struct signer *s, pthread_t thread)
{
	struct timespec until = wait_until(s->join_until_ms);
	return pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) == 0;
}

/* Threads that are inside a call which does not return stay where they are. */
static bool stop_lane(struct lane *lane)
{
	bool ended = true;
	for (unsigned i = 0; i < lane->worker_count; i++)
		ended = signer_join(lane->signer, lane->workers[i]) && ended;
	if (!ended)
		return false;
	lane->worker_count = 0;
	queue_free(lane->questions);
	lane->questions = NULL;
	return true;
}

bool signer_lanes_stop(struct signer *s)
{
	bool ended = true;
	/* Who waits is answered; nobody may wait any more. */
	(void)pthread_mutex_lock(&s->waiting.lock);
	s->waiting.closed = true;
	(void)pthread_cond_signal(&s->waiting.changed);
	(void)pthread_mutex_unlock(&s->waiting.lock);
	if (s->watch_runs)
		(void)pthread_join(s->watch, NULL);
	s->watch_runs = false;
	for (size_t i = 0; i < SIGNER_LANES_MAX; i++)
		if (s->lanes[i].questions)
			queue_close(s->lanes[i].questions);
	for (size_t i = 0; i < SIGNER_LANES_MAX; i++)
		if (s->lanes[i].questions)
			ended = stop_lane(&s->lanes[i]) && ended;
	return ended;
}
