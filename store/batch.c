#include <stdio.h>

#include "store/private.h"

#define POOL_MAX 512                      /* batches kept for the next use */
#define POOL_BYTES_MAX ((size_t)64 << 10) /* one that grew past this is not kept */
#define OPS_MAX 4096

/* ---- stored form ---- */

void envelope_add(struct buf *out, uint64_t version, const char *node, struct bytes record)
{
	size_t len = strlen(node);
	buf_u64(out, version);
	buf_u8(out, (uint8_t)len);
	buf_add(out, node, len);
	buf_add_bytes(out, record);
}

void envelope_set_version(uint8_t *stored, uint64_t version)
{
	for (size_t i = 8; i > 0; i--) {
		stored[i - 1] = (uint8_t)version;
		version >>= 8;
	}
}

int envelope_parse(struct bytes stored, struct bytes *record, uint64_t *version, struct bytes *node, struct error *err)
{
	struct reader r = reader_of(stored);
	uint64_t number = reader_u64(&r);
	uint8_t node_len = reader_u8(&r);
	struct bytes writer = reader_take(&r, node_len);
	if (r.failed || number == 0 || node_len == 0 || node_len > STORE_NODE_MAX)
		return err_set(err, ERR_INTEGRITY, "a stored record has no version or node in front of it");
	*record = BYTES(r.at, r.left);
	*version = number;
	if (node)
		*node = writer;
	return 0;
}

/* ---- the pool ---- */

void batch_pool_init(struct batch_pool *pool)
{
	*pool = (struct batch_pool){ .first = NULL };
	(void)pthread_mutex_init(&pool->lock, NULL);
}

static void destroy(struct store_batch *b)
{
	buf_free(&b->bytes);
	free(b->ops);
	free(b);
}

void batch_pool_free(struct batch_pool *pool)
{
	while (pool->first) {
		struct store_batch *b = pool->first;
		pool->first = b->next;
		destroy(b);
	}
	(void)pthread_mutex_destroy(&pool->lock);
}

static struct store_batch *take_from_pool(struct batch_pool *pool)
{
	(void)pthread_mutex_lock(&pool->lock);
	struct store_batch *b = pool->first;
	if (b) {
		pool->first = b->next;
		pool->count--;
	}
	(void)pthread_mutex_unlock(&pool->lock);
	return b;
}

struct store_batch *store_batch_new(struct store *s)
{
	struct store_batch *b = take_from_pool(&s->batches);
	if (!b)
		b = calloc(1, sizeof(*b));
	if (!b)
		return NULL;
	buf_clear(&b->bytes);
	*b = (struct store_batch){ .store = s, .ops = b->ops, .capacity = b->capacity, .bytes = b->bytes };
	return b;
}

void store_batch_free(struct store_batch *b)
{
	if (!b)
		return;
	struct batch_pool *pool = &b->store->batches;
	bool keep = b->bytes.capacity <= POOL_BYTES_MAX;
	if (keep) {
		(void)pthread_mutex_lock(&pool->lock);
		keep = pool->count < POOL_MAX;
		if (keep) {
			b->next = pool->first;
			pool->first = b;
			pool->count++;
		}
		(void)pthread_mutex_unlock(&pool->lock);
	}
	if (!keep)
		destroy(b);
}

/* ---- filling a batch ---- */

static void refuse(struct store_batch *b, enum err_code code, const char *why)
{
	if (b->failed != ERR_NONE)
		return; /* the first reason is the one to know */
	b->failed = code;
	(void)snprintf(b->why, sizeof(b->why), "%s", why);
}

static struct span add_span(struct store_batch *b, struct bytes bytes)
{
	struct span span = { b->bytes.len, bytes.len };
	buf_add_bytes(&b->bytes, bytes);
	return span;
}

static struct op *add_op(struct store_batch *b, enum op_kind kind, enum store_table table, struct bytes key)
{
	if (b->failed != ERR_NONE)
		return NULL;
	if (key.len == 0 || key.len > STORE_KEY_MAX || (unsigned)table >= STORE_TABLE_COUNT) {
		refuse(b, ERR_INTERNAL, "a key of a batch is empty, longer than 511 octets, or for no table");
		return NULL;
	}
	if (b->count == OPS_MAX) {
		refuse(b, ERR_INTERNAL, "a batch has more than 4096 expectations and changes");
		return NULL;
	}
	if (b->count == b->capacity) {
		size_t capacity = b->capacity ? 2 * b->capacity : 8;
		struct op *ops = realloc(b->ops, capacity * sizeof(*ops));
		if (!ops) {
			refuse(b, ERR_INTERNAL, "no memory for a batch");
			return NULL;
		}
		b->ops = ops;
		b->capacity = capacity;
	}
	struct op *op = &b->ops[b->count++];
	*op = (struct op){ .kind = kind, .table = table };
	op->key = add_span(b, key);
	return op;
}

void store_expect_absent(struct store_batch *b, enum store_table table, struct bytes key)
{
	(void)add_op(b, OP_EXPECT_ABSENT, table, key);
}

void store_expect_version(struct store_batch *b, enum store_table table, struct bytes key, uint64_t version)
{
	struct op *op = add_op(b, OP_EXPECT_VERSION, table, key);
	if (op)
		op->version = version;
}

/* The index entries are derived here, on the submitting thread: the one writer has less to do. */
void store_put(struct store_batch *b, enum store_table table, struct bytes key, struct bytes record)
{
	struct op *op = add_op(b, OP_PUT, table, key);
	if (!op)
		return;
	if (record.len == 0 || record.len > STORE_VALUE_MAX) {
		refuse(b, ERR_INTERNAL, "a record of a batch is empty or larger than 256 MiB");
		return;
	}
	op->value.at = b->bytes.len;
	envelope_add(&b->bytes, 1, b->store->node, record);
	op->value.len = b->bytes.len - op->value.at;
	op->entries.at = b->bytes.len;
	struct error err = ERR_INIT;
	if (index_derive(table, key, record, &b->bytes, &err))
		refuse(b, err.code, err.message);
	op->entries.len = b->bytes.len - op->entries.at;
}

void store_delete(struct store_batch *b, enum store_table table, struct bytes key)
{
	(void)add_op(b, OP_DELETE, table, key);
}

void store_append(struct store_batch *b, const char *chain, struct bytes entry)
{
	struct bytes name = bytes_of(chain);
	if (name.len == 0 || name.len > STORE_CHAIN_MAX || entry.len == 0 || entry.len > STORE_VALUE_MAX) {
		refuse(b, ERR_INTERNAL, "a chain's name has 1 to 32 characters, an entry 1 octet to 256 MiB");
		return;
	}
	struct op *op = add_op(b, OP_APPEND, STORE_META, name);
	if (!op)
		return;
	static const uint8_t hash[32] = { 0 };
	op->value.at = b->bytes.len;
	buf_add(&b->bytes, hash, sizeof(hash));
	buf_add_bytes(&b->bytes, entry);
	op->value.len = b->bytes.len - op->value.at;
}

void store_use_reserve(struct store_batch *b)
{
	b->use_reserve = true;
}

/* ---- submitting ---- */

static int check_submittable(struct store *s, struct store_batch *b, struct error *err)
{
	if (b->bytes.failed)
		refuse(b, ERR_INTERNAL, "no memory for a batch");
	if (b->failed != ERR_NONE)
		return err_set(err, ERR_INTERNAL, "the change was not submitted: %s", b->why);
	if (s->read_only)
		return err_set(err, ERR_INTERNAL, "the store in %s was opened for reading only", s->path);
	if (atomic_load(&s->broken))
		return err_set(err, ERR_INTERNAL, "the store in %s is broken; the log has the reason", s->path);
	if (!b->use_reserve && space_is_low(&s->space, false))
		return err_set(err, ERR_STORE_FULL, "the disk or the map of the store in %s is nearly full", s->path);
	return 0;
}

int store_submit(struct store *s, struct store_batch *b, store_done *done, void *arg, struct error *err)
{
	b->done = done;
	b->arg = arg;
	int rc = check_submittable(s, b, err);
	if (rc == 0 && !queue_push(s->queue, b))
		rc = err_set(err, ERR_BUSY, "%d changes wait for the disk already", STORE_QUEUE_MAX);
	if (rc)
		store_batch_free(b);
	return rc;
}

struct waiter {
	pthread_mutex_t lock; /* for all that follows */
	pthread_cond_t answered;
	bool done;
	struct store_outcome outcome;
};

static void wake(void *arg, const struct store_outcome *outcome)
{
	struct waiter *w = arg;
	(void)pthread_mutex_lock(&w->lock);
	w->outcome = *outcome;
	w->done = true;
	(void)pthread_cond_signal(&w->answered);
	(void)pthread_mutex_unlock(&w->lock);
}

static int explain(const struct store_outcome *outcome, struct error *err)
{
	switch (outcome->result) {
	case STORE_COMMITTED:
		return 0;
	case STORE_EXPECTATION:
		return err_set(err, ERR_CONFLICT, "what the change was decided on changed meanwhile (expectation %zu)",
			       outcome->failed);
	case STORE_FULL:
		return err_set(err, ERR_STORE_FULL, "the store has no room for the change");
	case STORE_FAILED:
	case STORE_UNKNOWN:
		break;
	}
	return err_set(err, ERR_INTERNAL, "the store could not make the change; the log has the reason");
}

int store_submit_wait(struct store *s, struct store_batch *b, struct store_outcome *outcome, struct error *err)
{
	struct waiter w = { .lock = PTHREAD_MUTEX_INITIALIZER, .answered = PTHREAD_COND_INITIALIZER };
	if (store_submit(s, b, wake, &w, err))
		return -1;
	(void)pthread_mutex_lock(&w.lock);
	while (!w.done)
		(void)pthread_cond_wait(&w.answered, &w.lock);
	(void)pthread_mutex_unlock(&w.lock);
	if (outcome)
		*outcome = w.outcome;
	return explain(&w.outcome, err);
}
