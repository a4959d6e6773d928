#include <errno.h>

#include "base/log.h"
#include "store/private.h"

#define TICK_MS 1000
#define READER_CHECK_MS 60000
#define GATHER_TIMES 3 /* so many times more have come than are on the way: enough */
#define GATHER_MS 2    /* a commit waits so long for batches that are on the way */

static bool is_full(int rc)
{
	return rc == ENOSPC || rc == EDQUOT || rc == MDB_MAP_FULL;
}

/* After these nothing that the environment says can be relied on. */
static bool is_fatal(int rc)
{
	return rc == MDB_PANIC || rc == MDB_CORRUPTED || rc == MDB_PAGE_NOTFOUND;
}

/* ---- one transaction ---- */

static void forget(struct apply *a)
{
	a->txn = NULL;
	a->chain_count = 0;
	a->unfinished = 0;
}

static int apply_all(struct store *s, struct store_batch **batches, size_t count, bool may_grow)
{
	struct apply *a = &s->apply;
	int rc = mdb_txn_begin(s->env, NULL, 0, &a->txn);
	if (rc)
		return rc;
	a->unfinished = 0;
	for (size_t i = 0; rc == 0 && i < count; i++)
		if (!batches[i]->settled)
			rc = apply_batch(a, batches[i]);
	if (rc == 0)
		rc = ledger_stage(s->ledger, a->txn, &s->tables, may_grow);
	if (rc)
		mdb_txn_abort(a->txn);
	else
		rc = mdb_txn_commit(a->txn);
	return rc;
}

/* All batches that are not settled yet, in one commit. An LMDB result; only at 0 they are settled. */
static int attempt(struct store *s, struct store_batch **batches, size_t count, bool may_grow)
{
	int rc = apply_all(s, batches, count, may_grow);
	if (rc) {
		ledger_aborted(s->ledger);
		forget(&s->apply);
		/* LMDB reports a write that the disk took only in part as EIO. */
		return rc == EIO && space_is_low(&s->space, true) ? ENOSPC : rc;
	}
	ledger_committed(s->ledger);
	(void)atomic_fetch_add(&s->unfinished, (uint64_t)s->apply.unfinished);
	(void)atomic_fetch_add(&s->commits, 1);
	s->apply.unfinished = 0;
	for (size_t i = 0; i < count; i++)
		batches[i]->settled = true;
	return 0;
}

static void settle(struct store_batch *b, enum store_result result)
{
	b->outcome = (struct store_outcome){ .result = result };
	b->settled = true;
}

/* ---- when a commit fails ---- */

/* No room: ordinary batches end here; the others get the reserve, part by part. */
static int attempt_with_reserve(struct store *s, struct store_batch **batches, size_t count)
{
	(void)space_is_low(&s->space, true);
	for (size_t i = 0; i < count; i++)
		if (!batches[i]->settled && !batches[i]->use_reserve)
			settle(batches[i], STORE_FULL);
	int rc = attempt(s, batches, count, false);
	while (is_full(rc) && space_release(&s->space))
		rc = attempt(s, batches, count, false);
	return rc;
}

static void log_failure(struct store *s, int rc)
{
	struct error err = ERR_INIT;
	(void)lmdb_error(&err, rc, "a commit failed");
	log_err(LOG_LEVEL_ERROR, "store commit failed", &err);
	if (is_fatal(rc) && !atomic_exchange(&s->broken, true))
		log_error("the store is broken: restart, and run `chancery store check`", KV("folder", s->path));
}

static int attempt_somehow(struct store *s, struct store_batch **batches, size_t count)
{
	int rc = attempt(s, batches, count, !space_is_low(&s->space, false));
	return is_full(rc) ? attempt_with_reserve(s, batches, count) : rc;
}

static void settle_all(struct store *s, struct store_batch **batches, size_t count)
{
	int rc = attempt_somehow(s, batches, count);
	if (rc == 0)
		return;
	log_failure(s, rc);
	/* One batch may be the reason: the others must not suffer for it. */
	for (size_t i = 0; i < count; i++) {
		if (batches[i]->settled)
			continue;
		rc = count > 1 && !is_full(rc) && !atomic_load(&s->broken) ? attempt_somehow(s, &batches[i], 1) : rc;
		if (!batches[i]->settled)
			settle(batches[i], is_full(rc) ? STORE_FULL : STORE_FAILED);
	}
}

static void answer_all(struct store *s, struct store_batch **batches, size_t count)
{
	(void)atomic_fetch_add(&s->batch_count, count);
	for (size_t i = 0; i < count; i++) {
		struct store_batch *b = batches[i];
		if (b->done)
			b->done(b->arg, &b->outcome);
		store_batch_free(b);
	}
}

/* ---- the thread ---- */

/* Adds what has queued to the group, without the kicks; false where there was nothing, or a kick:
 * somebody waits for a commit. */
static bool take_queued(struct store *s, struct store_batch **group, size_t *count, size_t least, int64_t timeout_ms)
{
	void *items[STORE_GROUP_MAX];
	size_t taken = queue_pop_gathered(s->queue, items, STORE_GROUP_MAX - *count, least, timeout_ms);
	bool kicked = false;
	for (size_t i = 0; i < taken; i++) {
		if (items[i] == &s->kick)
			kicked = true;
		else
			group[(*count)++] = items[i];
	}
	if (kicked)
		atomic_store(&s->kicked, false);
	return taken > 0 && !kicked;
}

/* A commit costs about as much as a dozen batches in it. So while not many more have come than are
 * still on the way, it waits a little. */
static size_t take_group(struct store *s, struct store_batch **group)
{
	size_t count = 0;
	bool go_on = take_queued(s, group, &count, 1, TICK_MS);
	int64_t end = clock_monotonic_ms() + GATHER_MS;
	while (go_on && count < STORE_GROUP_MAX) {
		int64_t left = end - clock_monotonic_ms();
		/* One is not counted: who has just come may not have left the way yet. */
		int more = GATHER_TIMES * (atomic_load(&s->coming) - 1) - (int)count;
		if (more <= 0 || left <= 0)
			break;
		/* What comes is no longer on the way: each counts here once, and there so many times less. */
		go_on = take_queued(s, group, &count, ((size_t)more + GATHER_TIMES) / (GATHER_TIMES + 1), left);
	}
	return count;
}

static void look_after_readers(struct store *s, int64_t *checked_ms)
{
	int64_t now = clock_monotonic_ms();
	if (now - *checked_ms < READER_CHECK_MS)
		return;
	*checked_ms = now;
	int dead = 0;
	if (mdb_reader_check(s->env, &dead) == 0 && dead > 0)
		log_warn("readers of the store died and were cleared", KV_INT("count", dead));
}

/* In front: what it forgets is chosen by the last commit, and a batch of this group may renew it. */
static size_t add_expired(struct store *s, struct store_batch **group, size_t count)
{
	struct store_batch *batch = expire_batch(s);
	if (!batch)
		return 0;
	for (size_t i = count; i > 0; i--)
		group[i] = group[i - 1];
	group[0] = batch;
	return 1;
}

static void *write_for_ever(void *arg)
{
	struct store *s = arg;
	struct store_batch *group[STORE_GROUP_MAX + 1];
	int64_t checked_ms = clock_monotonic_ms();
	for (;;) {
		size_t count = take_group(s, group);
		if (count == 0 && queue_closed(s->queue) && queue_length(s->queue) == 0)
			return NULL;
		if (atomic_exchange(&s->expire_wanted, false))
			count += add_expired(s, group, count);
		bool ledger_due = ledger_has_voids(s->ledger) ||
				  (ledger_is_starved(s->ledger) && !space_is_low(&s->space, false));
		if (count > 0 || (ledger_due && !atomic_load(&s->broken)))
			settle_all(s, group, count);
		answer_all(s, group, count);
		look_after_readers(s, &checked_ms);
	}
}

void writer_kick(struct store *s)
{
	if (!atomic_exchange(&s->kicked, true) && !queue_push_urgent(s->queue, &s->kick))
		atomic_store(&s->kicked, false); /* the queue is full: the writer is awake */
}

void store_coming(struct store *s, int change)
{
	(void)atomic_fetch_add(&s->coming, change);
}

int writer_start(struct store *s, struct error *err)
{
	s->apply.tables = &s->tables;
	s->apply.ledger = s->ledger;
	s->queue = queue_new(STORE_QUEUE_MAX);
	if (!s->queue)
		return err_set(err, ERR_INTERNAL, "no memory for the store's queue");
	if (pthread_create(&s->writer, NULL, write_for_ever, s))
		return err_set(err, ERR_INTERNAL, "cannot start the store's writer");
	s->writer_runs = true;
	return 0;
}

/* Nothing that was handed out stays open. */
static int close_ledger(struct store *s)
{
	MDB_txn *txn = NULL;
	int rc = mdb_txn_begin(s->env, NULL, 0, &txn);
	if (rc)
		return rc;
	rc = ledger_stage_close(s->ledger, txn, &s->tables);
	if (rc == 0)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return rc;
}

void writer_stop(struct store *s)
{
	if (!s->writer_runs)
		return;
	queue_close(s->queue);
	(void)pthread_join(s->writer, NULL);
	s->writer_runs = false;
	int rc = atomic_load(&s->broken) ? 0 : close_ledger(s);
	while (is_full(rc) && space_release(&s->space))
		rc = close_ledger(s);
	if (rc) /* the next start settles what is open, as after a crash */
		log_failure(s, rc);
}
