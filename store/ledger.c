/*
 * A serial: 48 bits of milliseconds (of its block, each block's above the one before), 8 bits
 * of its place in the block, 96 bits from the CSPRNG. So serials grow in the order in which
 * they are handed out, and none tells anything of another's random part.
 *
 * In the table "ledger": node, 0x00 -> the mark; node, 0x00, block's number -> its serials.
 * A serial's position is its block's number * 256 + its place. Serials below the mark may be
 * handed out; each commit moves the mark ahead of what was taken, so a crash leaves only a
 * few to wonder about. A block leaves the ledger when each of its serials is a certificate, stands
 * in an order's record, is void or unfinished.
 */
#include <errno.h>
#include <openssl/rand.h>

#include "base/log.h"
#include "base/wait.h"
#include "store/private.h"

#define RANDOM (LEDGER_SERIAL - LEDGER_PREFIX - 1)
#define AHEAD_MIN 32 /* handed out at most, before a commit moves the mark */
/* Below this the first octet of the prefix would be zero, and the serial not minimal. */
#define PREFIX_MIN ((uint64_t)1 << 40)

enum place_state {
	PLACE_UNUSED,
	PLACE_TAKEN,
	PLACE_VOID,        /* given back, to be recorded */
	PLACE_VOID_STAGED, /* recorded in the present transaction */
	PLACE_SEEN,        /* a record that accounts for it is in the present transaction */
	PLACE_SETTLED,
};

struct block {
	struct block *next;
	uint64_t number;
	uint8_t serials[LEDGER_BLOCK][LEDGER_SERIAL];
	uint8_t state[LEDGER_BLOCK];
	size_t open; /* places not settled */
	bool staged; /* new in the present transaction */
	bool drop_staged;
};

struct ledger {
	pthread_mutex_t lock; /* for all that follows */
	pthread_cond_t moved; /* the mark */
	char node[STORE_NODE_MAX + 1];
	struct clock clock;
	struct block *first, *last; /* durable, or staged */
	uint64_t taken;             /* position of the next to hand out */
	uint64_t mark, made;        /* durable */
	uint64_t staged_mark, staged_made, staged_prefix;
	uint64_t prefix; /* of the newest durable block */
	uint64_t taken_at_commit;
	size_t waiting, voids;
	bool something_staged;
};

/* ---- keys and values ---- */

void ledger_add_key(struct buf *out, const char *node)
{
	buf_add_text(out, node);
	buf_u8(out, 0);
}

static int put(MDB_txn *txn, MDB_dbi dbi, const struct buf *key, const struct buf *value)
{
	if (key->failed || value->failed)
		return ENOMEM;
	MDB_val k = lmdb_val(buf_bytes(key)), v = lmdb_val(buf_bytes(value));
	return mdb_put(txn, dbi, &k, &v, 0);
}

static int put_mark(const struct ledger *l, MDB_txn *txn, const struct tables *tables, uint64_t made, uint64_t mark,
		    uint64_t prefix)
{
	auto_buf key = BUF_INIT;
	auto_buf value = BUF_INIT;
	ledger_add_key(&key, l->node);
	buf_u64(&value, made);
	buf_u64(&value, mark);
	buf_u64(&value, prefix);
	return put(txn, tables->ledger, &key, &value);
}

static int put_block(const struct ledger *l, MDB_txn *txn, const struct tables *tables, const struct block *block)
{
	auto_buf key = BUF_INIT;
	auto_buf value = BUF_INIT;
	ledger_add_key(&key, l->node);
	buf_u64(&key, block->number);
	buf_add(&value, block->serials, sizeof(block->serials));
	return put(txn, tables->ledger, &key, &value);
}

static int delete_block(const struct ledger *l, MDB_txn *txn, const struct tables *tables, uint64_t number)
{
	auto_buf key = BUF_INIT;
	ledger_add_key(&key, l->node);
	buf_u64(&key, number);
	if (key.failed)
		return ENOMEM;
	MDB_val k = lmdb_val(buf_bytes(&key));
	int rc = mdb_del(txn, tables->ledger, &k, NULL);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* ---- blocks ---- */

/* Stages a new block at the end. */
static int stage_block(struct ledger *l, MDB_txn *txn, const struct tables *tables)
{
	struct block *block = calloc(1, sizeof(*block));
	uint8_t random[LEDGER_BLOCK][RANDOM];
	if (!block || RAND_bytes((uint8_t *)random, sizeof(random)) != 1) {
		free(block);
		return ENOMEM;
	}
	uint64_t now = (uint64_t)clock_now_ms(&l->clock);
	uint64_t prefix = now > l->staged_prefix ? now : l->staged_prefix + 1;
	if (prefix < PREFIX_MIN)
		prefix = PREFIX_MIN;
	block->number = l->staged_made / LEDGER_BLOCK;
	block->open = LEDGER_BLOCK;
	block->staged = true;
	for (size_t i = 0; i < LEDGER_BLOCK; i++) {
		for (size_t octet = 0; octet < LEDGER_PREFIX; octet++)
			block->serials[i][octet] = (uint8_t)(prefix >> 8 * (LEDGER_PREFIX - 1 - octet));
		block->serials[i][LEDGER_PLACE] = (uint8_t)i;
		memcpy(&block->serials[i][LEDGER_PLACE + 1], random[i], RANDOM);
	}
	int rc = put_block(l, txn, tables, block);
	if (rc) {
		free(block);
		return rc;
	}
	*(l->last ? &l->last->next : &l->first) = block;
	l->last = block;
	l->staged_made += LEDGER_BLOCK;
	l->staged_prefix = prefix;
	return 0;
}

static struct block *find_block(const struct ledger *l, const uint8_t *serial)
{
	for (struct block *block = l->first; block; block = block->next)
		if (memcmp(block->serials[serial[LEDGER_PLACE]], serial, LEDGER_SERIAL) == 0)
			return block;
	return NULL;
}

static struct block *block_at(const struct ledger *l, uint64_t position)
{
	for (struct block *block = l->first; block; block = block->next)
		if (block->number == position / LEDGER_BLOCK)
			return block;
	return NULL;
}

/* Frees the blocks that go: those whose removal is durable, or those whose making is not. */
static void remove_blocks(struct ledger *l, bool committed)
{
	struct block **at = &l->first;
	l->last = NULL;
	while (*at) {
		struct block *block = *at;
		if (committed ? block->drop_staged : block->staged) {
			*at = block->next;
			free(block);
			continue;
		}
		block->staged = block->drop_staged = false;
		l->last = block;
		at = &block->next;
	}
}

/* What was staged becomes settled, or what it was before. */
static void settle_places(struct ledger *l, bool committed)
{
	if (!l->something_staged)
		return;
	l->something_staged = false;
	for (struct block *block = l->first; block; block = block->next) {
		for (size_t i = 0; i < LEDGER_BLOCK; i++) {
			uint8_t *state = &block->state[i];
			if (*state != PLACE_SEEN && *state != PLACE_VOID_STAGED)
				continue;
			if (committed) {
				block->open--;
				l->voids -= *state == PLACE_VOID_STAGED;
				*state = PLACE_SETTLED;
			} else {
				*state = *state == PLACE_SEEN ? PLACE_TAKEN : PLACE_VOID;
			}
		}
	}
}

static struct bytes serial_at(const struct block *block, size_t place)
{
	return BYTES(block->serials[place], LEDGER_SERIAL);
}

/* ---- taking and giving back ---- */

/* With the lock held. */
static int take(struct ledger *l, struct store_serial *serial)
{
	struct block *block = l->taken < l->mark ? block_at(l, l->taken) : NULL;
	if (!block)
		return 0;
	size_t place = l->taken % LEDGER_BLOCK;
	memcpy(serial->octets, block->serials[place], LEDGER_SERIAL);
	serial->len = LEDGER_SERIAL;
	block->state[place] = PLACE_TAKEN;
	l->taken++;
	return 1;
}

int ledger_take(struct ledger *l, struct store_serial *serial)
{
	(void)pthread_mutex_lock(&l->lock);
	int taken = take(l, serial);
	(void)pthread_mutex_unlock(&l->lock);
	return taken;
}

int ledger_wait(struct ledger *l, struct store_serial *serial, int64_t timeout_ms)
{
	struct timespec until = wait_until(clock_monotonic_ms() + timeout_ms);
	(void)pthread_mutex_lock(&l->lock);
	l->waiting++;
	int taken = 0;
	int rc = 0;
	while ((taken = take(l, serial)) == 0 && rc == 0)
		rc = pthread_cond_timedwait(&l->moved, &l->lock, &until);
	l->waiting--;
	(void)pthread_mutex_unlock(&l->lock);
	return taken;
}

void ledger_void(struct ledger *l, const struct store_serial *serial)
{
	if (serial->len != LEDGER_SERIAL)
		return;
	(void)pthread_mutex_lock(&l->lock);
	struct block *block = find_block(l, serial->octets);
	if (block && block->state[serial->octets[LEDGER_PLACE]] == PLACE_TAKEN) {
		block->state[serial->octets[LEDGER_PLACE]] = PLACE_VOID;
		l->voids++;
	}
	(void)pthread_mutex_unlock(&l->lock);
}

bool ledger_is_starved(struct ledger *l)
{
	(void)pthread_mutex_lock(&l->lock);
	bool starved = l->taken >= l->mark;
	(void)pthread_mutex_unlock(&l->lock);
	return starved;
}

bool ledger_has_voids(struct ledger *l)
{
	(void)pthread_mutex_lock(&l->lock);
	bool voids = l->voids > 0;
	(void)pthread_mutex_unlock(&l->lock);
	return voids;
}

/* ---- in a commit ---- */

void ledger_saw(struct ledger *l, struct bytes serial)
{
	if (serial.len != LEDGER_SERIAL)
		return;
	(void)pthread_mutex_lock(&l->lock);
	struct block *block = find_block(l, serial.data);
	if (block && block->state[serial.data[LEDGER_PLACE]] == PLACE_TAKEN) {
		block->state[serial.data[LEDGER_PLACE]] = PLACE_SEEN;
		l->something_staged = true;
	}
	(void)pthread_mutex_unlock(&l->lock);
}

int ledger_leave_unfinished(const struct ledger *l, MDB_txn *txn, const struct tables *tables, struct bytes serial)
{
	return ledger_put_unfinished(txn, tables, l->node, serial, clock_now_ms(&l->clock), false);
}

static int stage_voids(struct ledger *l, MDB_txn *txn, const struct tables *tables)
{
	if (l->voids == 0)
		return 0;
	l->something_staged = true;
	for (struct block *block = l->first; block; block = block->next) {
		for (size_t i = 0; i < LEDGER_BLOCK; i++) {
			if (block->state[i] != PLACE_VOID)
				continue;
			int rc = ledger_put_unfinished(txn, tables, l->node, serial_at(block, i),
						       clock_now_ms(&l->clock), true);
			if (rc)
				return rc;
			block->state[i] = PLACE_VOID_STAGED;
		}
	}
	return 0;
}

static int stage_drops(struct ledger *l, MDB_txn *txn, const struct tables *tables)
{
	for (struct block *block = l->first; block; block = block->next) {
		if (block->open > 0)
			continue;
		int rc = delete_block(l, txn, tables, block->number);
		if (rc)
			return rc;
		block->drop_staged = true;
	}
	return 0;
}

/* As far ahead as twice of what the last round took: nobody waits when the pace is even. */
static uint64_t next_mark(const struct ledger *l)
{
	uint64_t ahead = 2 * (l->taken - l->taken_at_commit);
	if (ahead < AHEAD_MIN)
		ahead = AHEAD_MIN;
	if (l->waiting > 0)
		ahead = LEDGER_BLOCK;
	uint64_t mark = l->taken + ahead;
	if (mark < l->mark)
		mark = l->mark;
	return mark < l->staged_made ? mark : l->staged_made;
}

static int stage(struct ledger *l, MDB_txn *txn, const struct tables *tables, bool may_grow)
{
	l->staged_made = l->made;
	l->staged_prefix = l->prefix;
	int rc = stage_voids(l, txn, tables);
	if (rc == 0)
		rc = stage_drops(l, txn, tables);
	/* Half of the newest block is used: the next one rides in this commit. */
	if (rc == 0 && may_grow && l->made - l->taken < LEDGER_BLOCK / 2)
		rc = stage_block(l, txn, tables);
	l->staged_mark = next_mark(l);
	if (rc == 0 && (l->staged_mark != l->mark || l->staged_made != l->made))
		rc = put_mark(l, txn, tables, l->staged_made, l->staged_mark, l->staged_prefix);
	return rc;
}

int ledger_stage(struct ledger *l, MDB_txn *txn, const struct tables *tables, bool may_grow)
{
	(void)pthread_mutex_lock(&l->lock);
	int rc = stage(l, txn, tables, may_grow);
	(void)pthread_mutex_unlock(&l->lock);
	return rc;
}

void ledger_committed(struct ledger *l)
{
	(void)pthread_mutex_lock(&l->lock);
	settle_places(l, true);
	remove_blocks(l, true);
	l->taken_at_commit = l->taken;
	l->mark = l->staged_mark;
	l->made = l->staged_made;
	l->prefix = l->staged_prefix;
	if (l->waiting > 0)
		(void)pthread_cond_broadcast(&l->moved);
	(void)pthread_mutex_unlock(&l->lock);
}

void ledger_aborted(struct ledger *l)
{
	(void)pthread_mutex_lock(&l->lock);
	remove_blocks(l, false);
	settle_places(l, false);
	(void)pthread_mutex_unlock(&l->lock);
}

static int settle_block_at_close(const struct ledger *l, const struct block *block, MDB_txn *txn,
				 const struct tables *tables, size_t *unfinished)
{
	for (size_t i = 0; i < LEDGER_BLOCK; i++) {
		uint8_t state = block->state[i];
		if (state != PLACE_TAKEN && state != PLACE_VOID)
			continue;
		int rc = ledger_put_unfinished(txn, tables, l->node, serial_at(block, i), clock_now_ms(&l->clock),
					       state == PLACE_VOID);
		if (rc)
			return rc;
		*unfinished += state == PLACE_TAKEN;
	}
	return delete_block(l, txn, tables, block->number);
}

int ledger_stage_close(struct ledger *l, MDB_txn *txn, const struct tables *tables)
{
	(void)pthread_mutex_lock(&l->lock);
	size_t unfinished = 0;
	int rc = 0;
	for (const struct block *block = l->first; rc == 0 && block; block = block->next)
		rc = settle_block_at_close(l, block, txn, tables, &unfinished);
	/* The next run begins with a new block. */
	if (rc == 0)
		rc = put_mark(l, txn, tables, l->made, l->made, l->prefix);
	(void)pthread_mutex_unlock(&l->lock);
	if (unfinished)
		log_warn("serials left without a certificate", KV_INT("count", unfinished));
	return rc;
}

/* ---- opening and closing ---- */

static int read_mark(struct ledger *l, MDB_txn *txn, const struct tables *tables)
{
	auto_buf key = BUF_INIT;
	ledger_add_key(&key, l->node);
	if (key.failed)
		return ENOMEM;
	MDB_val k = lmdb_val(buf_bytes(&key)), value;
	int rc = mdb_get(txn, tables->ledger, &k, &value);
	if (rc)
		return rc == MDB_NOTFOUND ? 0 : rc;
	struct reader r = reader_of(lmdb_bytes(value));
	l->made = reader_u64(&r);
	l->mark = reader_u64(&r);
	l->prefix = reader_u64(&r);
	return reader_done(&r) && l->mark <= l->made && l->made % LEDGER_BLOCK == 0 ? 0 : EBADMSG;
}

struct ledger *ledger_open(MDB_txn *txn, const struct tables *tables, const char *node, struct clock clock,
			   uint64_t *found, struct error *err)
{
	struct ledger *l = calloc(1, sizeof(*l));
	if (!l) {
		(void)err_set(err, ERR_INTERNAL, "no memory for the ledger");
		return NULL;
	}
	memcpy(l->node, node, strlen(node) + 1);
	l->clock = clock;
	(void)pthread_mutex_init(&l->lock, NULL);
	wait_cond_init(&l->moved);

	*found = 0;
	int rc = read_mark(l, txn, tables);
	if (rc == 0)
		rc = ledger_settle_old(txn, tables, l->node, l->mark, clock_now_ms(&l->clock), found);
	l->taken = l->taken_at_commit = l->mark = l->made;
	if (rc == 0)
		rc = stage(l, txn, tables, true);
	if (rc == 0)
		return l;
	(void)lmdb_error(err, rc, "cannot read the ledger of serials");
	ledger_free(l);
	return NULL;
}

void ledger_free(struct ledger *l)
{
	if (!l)
		return;
	while (l->first) {
		struct block *block = l->first;
		l->first = block->next;
		free(block);
	}
	(void)pthread_cond_destroy(&l->moved);
	(void)pthread_mutex_destroy(&l->lock);
	free(l);
}
