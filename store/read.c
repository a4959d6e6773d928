#include "store/private.h"

#define POOL_MAX 64 /* snapshots kept for the next use; each holds a reader's place */

struct store_snapshot {
	struct store *store;
	MDB_txn *txn;
	struct store_snapshot *next; /* in the pool; store.snapshots_lock */
};

/* ---- life ---- */

static struct store_snapshot *take_from_pool(struct store *s)
{
	(void)pthread_mutex_lock(&s->snapshots_lock);
	struct store_snapshot *snap = s->snapshots;
	if (snap) {
		s->snapshots = snap->next;
		s->snapshot_count--;
	}
	(void)pthread_mutex_unlock(&s->snapshots_lock);
	return snap;
}

static void destroy(struct store_snapshot *snap)
{
	if (snap->txn)
		mdb_txn_abort(snap->txn);
	free(snap);
}

struct store_snapshot *store_snapshot_new(struct store *s, struct error *err)
{
	struct store_snapshot *snap = take_from_pool(s);
	int rc = 0;
	if (snap) {
		rc = mdb_txn_renew(snap->txn);
	} else {
		snap = calloc(1, sizeof(*snap));
		if (!snap) {
			(void)err_set(err, ERR_INTERNAL, "no memory for a snapshot");
			return NULL;
		}
		snap->store = s;
		rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &snap->txn);
	}
	if (rc == 0)
		return snap;
	destroy(snap);
	(void)lmdb_error(err, rc, "cannot read the store");
	return NULL;
}

void store_snapshot_free(struct store_snapshot *snap)
{
	if (!snap)
		return;
	struct store *s = snap->store;
	mdb_txn_reset(snap->txn);
	(void)pthread_mutex_lock(&s->snapshots_lock);
	bool keep = s->snapshot_count < POOL_MAX;
	if (keep) {
		snap->next = s->snapshots;
		s->snapshots = snap;
		s->snapshot_count++;
	}
	(void)pthread_mutex_unlock(&s->snapshots_lock);
	if (!keep)
		destroy(snap);
}

void snapshots_free(struct store *s)
{
	while (s->snapshots) {
		struct store_snapshot *snap = s->snapshots;
		s->snapshots = snap->next;
		destroy(snap);
	}
}

MDB_txn *snapshot_txn(struct store_snapshot *snap)
{
	return snap->txn;
}

/* ---- one record ---- */

int store_get(struct store_snapshot *snap, enum store_table table, struct bytes key, struct bytes *value,
	      uint64_t *version, struct error *err)
{
	if (key.len == 0 || key.len > STORE_KEY_MAX)
		return 0; /* nothing can stand there */
	MDB_val k = lmdb_val(key), stored;
	int rc = lmdb_get(snap->txn, snap->store->tables.table[table], &k, &stored);
	if (rc == MDB_NOTFOUND)
		return 0;
	if (rc)
		return lmdb_error(err, rc, "cannot read a record");
	uint64_t number = 0;
	if (envelope_parse(lmdb_bytes(stored), value, version ? version : &number, NULL, err))
		return -1;
	return 1;
}

/* ---- walking ---- */

static bool begins_with(struct bytes key, struct bytes prefix)
{
	return key.len >= prefix.len && (prefix.len == 0 || memcmp(key.data, prefix.data, prefix.len) == 0);
}

/* To the last place whose key is at most `highest`; where past, to the last below it. */
static int seek_back(MDB_cursor *cursor, struct bytes highest, bool past, MDB_val *key, MDB_val *value)
{
	*key = lmdb_val(highest);
	int rc = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
	if (rc == MDB_NOTFOUND)
		return mdb_cursor_get(cursor, key, value, MDB_LAST);
	if (rc)
		return rc;
	if (past || !bytes_equal(lmdb_bytes(*key), highest))
		return mdb_cursor_get(cursor, key, value, MDB_PREV);
	/* At the first of equal keys: the walk begins at the last. */
	rc = mdb_cursor_get(cursor, key, value, MDB_NEXT_NODUP);
	return mdb_cursor_get(cursor, key, value, rc == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
}

/* The smallest key above all that begin with prefix, in next; false where there is none. */
static bool successor(struct bytes prefix, uint8_t next[STORE_KEY_MAX], size_t *len)
{
	while (prefix.len > 0 && prefix.data[prefix.len - 1] == 0xff)
		prefix.len--;
	if (prefix.len == 0)
		return false;
	memcpy(next, prefix.data, prefix.len);
	next[prefix.len - 1]++;
	*len = prefix.len;
	return true;
}

static int seek_first(MDB_cursor *cursor, const struct store_range *range, MDB_val *key, MDB_val *value)
{
	struct bytes from = range->from;
	if (!range->reverse) {
		if (bytes_compare(from, range->prefix) < 0)
			from = range->prefix;
		*key = lmdb_val(from);
		return mdb_cursor_get(cursor, key, value, from.len ? MDB_SET_RANGE : MDB_FIRST);
	}
	uint8_t end[STORE_KEY_MAX];
	size_t end_len = 0;
	bool bounded = successor(range->prefix, end, &end_len);
	if (from.len && (!bounded || bytes_compare(from, BYTES(end, end_len)) < 0))
		return seek_back(cursor, from, false, key, value);
	if (bounded)
		return seek_back(cursor, BYTES(end, end_len), true, key, value);
	return mdb_cursor_get(cursor, key, value, MDB_LAST);
}

static bool range_is_possible(const struct store_range *range, struct error *err)
{
	if (range->prefix.len <= STORE_KEY_MAX && range->from.len <= STORE_KEY_MAX &&
	    range->after_key.len <= STORE_KEY_MAX)
		return true;
	(void)err_set(err, ERR_BAD_REQUEST, "a place in the store is named by at most %d octets", STORE_KEY_MAX);
	return false;
}

/* What the visitor answered, as the scan's own result. */
static int scan_result(int rc, int visited, struct error *err)
{
	if (visited < 0)
		return -1;
	if (rc && rc != MDB_NOTFOUND)
		return lmdb_error(err, rc, "cannot read the store");
	return 0;
}

int store_scan(struct store_snapshot *snap, enum store_table table, const struct store_range *range, store_visit *visit,
	       void *arg, struct error *err)
{
	if (!range_is_possible(range, err))
		return -1;
	auto_mdb_cursor *cursor = NULL;
	int rc = lmdb_cursor(snap->txn, snap->store->tables.table[table], &cursor);
	MDB_val key, value;
	struct store_range start = *range;
	if (range->after_key.len)
		start.from = range->after_key;
	if (rc == 0)
		rc = seek_first(cursor, &start, &key, &value);
	int visited = 0;
	while (rc == 0 && visited == 0 && begins_with(lmdb_bytes(key), range->prefix)) {
		struct store_row row = { .key = lmdb_bytes(key) };
		bool resumed = range->after_key.len && bytes_equal(row.key, range->after_key);
		if (envelope_parse(lmdb_bytes(value), &row.value, &row.version, NULL, err))
			return -1;
		visited = resumed ? 0 : visit(arg, &row, err);
		rc = mdb_cursor_get(cursor, &key, &value, range->reverse ? MDB_PREV : MDB_NEXT);
	}
	return scan_result(rc, visited, err);
}

/* True for an entry that an earlier page has shown: an equal index key, and a record's key up
 * to after_key. */
static bool was_shown(const struct store_range *range, struct bytes index_key, struct bytes record_key)
{
	if (range->after_key.len == 0 || !bytes_equal(index_key, range->from))
		return false;
	int order = bytes_compare(record_key, range->after_key);
	return range->reverse ? order >= 0 : order <= 0;
}

static int seek_entry(MDB_cursor *cursor, const struct store_range *range, MDB_val *key, MDB_val *value)
{
	/* Straight to the place, where thousands of records share an index key. */
	if (range->after_key.len && range->from.len) {
		*key = lmdb_val(range->from);
		*value = lmdb_val(range->after_key);
		if (mdb_cursor_get(cursor, key, value, MDB_GET_BOTH_RANGE) == 0) {
			*key = lmdb_val(range->from);
			return mdb_cursor_get(cursor, key, value, MDB_GET_CURRENT);
		}
	}
	return seek_first(cursor, range, key, value);
}

int store_scan_index(struct store_snapshot *snap, enum store_index index, const struct store_range *range,
		     store_visit *visit, void *arg, struct error *err)
{
	if (!range_is_possible(range, err))
		return -1;
	auto_mdb_cursor *cursor = NULL;
	int rc = lmdb_cursor(snap->txn, snap->store->tables.index[index], &cursor);
	MDB_val key, value;
	if (rc == 0)
		rc = seek_entry(cursor, range, &key, &value);
	int visited = 0;
	while (rc == 0 && visited == 0 && begins_with(lmdb_bytes(key), range->prefix)) {
		struct store_row row = { .index_key = lmdb_bytes(key), .key = lmdb_bytes(value) };
		if (!was_shown(range, row.index_key, row.key)) {
			int found = store_get(snap, index_table(index), row.key, &row.value, &row.version, err);
			if (found < 0)
				return -1;
			if (found == 0)
				return err_set(err, ERR_INTEGRITY, "an entry of index %s leads to no record",
					       store_index_name(index));
			visited = visit(arg, &row, err);
		}
		rc = mdb_cursor_get(cursor, &key, &value, range->reverse ? MDB_PREV : MDB_NEXT);
	}
	return scan_result(rc, visited, err);
}

int store_count(struct store_snapshot *snap, enum store_table table, uint64_t *count, struct error *err)
{
	int rc = lmdb_count(snap->txn, snap->store->tables.table[table], count);
	return rc ? lmdb_error(err, rc, "cannot count records") : 0;
}

int store_count_index(struct store_snapshot *snap, enum store_index index, struct bytes prefix, uint64_t *count,
		      struct error *err)
{
	const struct store_range range = { .prefix = prefix };
	auto_mdb_cursor *cursor = NULL;
	MDB_val key, value;
	size_t of_key = 0;
	*count = 0;
	if (!range_is_possible(&range, err))
		return -1;
	int rc = lmdb_cursor(snap->txn, snap->store->tables.index[index], &cursor);
	if (rc == 0)
		rc = seek_first(cursor, &range, &key, &value);
	while (rc == 0 && begins_with(lmdb_bytes(key), prefix) && (rc = mdb_cursor_count(cursor, &of_key)) == 0) {
		*count += of_key;
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT_NODUP);
	}
	return scan_result(rc, 0, err);
}

/* ---- chains ---- */

int store_chain_head(struct store_snapshot *snap, const char *chain, struct store_head *head, struct error *err)
{
	int rc = chain_last(snap->txn, &snap->store->tables, bytes_of(chain), head);
	return rc ? lmdb_error(err, rc, "cannot read a chain's head") : 0;
}

int store_chain_scan(struct store_snapshot *snap, const char *chain, uint64_t from, uint64_t to,
		     store_visit_entry *visit, void *arg, struct error *err)
{
	struct bytes name = bytes_of(chain);
	auto_buf start = BUF_INIT;
	chain_key(&start, name, from);
	if (start.failed || start.len > STORE_KEY_MAX)
		return err_set(err, ERR_INTERNAL, "a chain's name is too long");
	auto_mdb_cursor *cursor = NULL;
	int rc = mdb_cursor_open(snap->txn, snap->store->tables.chain, &cursor);
	MDB_val key = lmdb_val(buf_bytes(&start)), value;
	if (rc == 0)
		rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	int visited = 0;
	while (rc == 0 && visited == 0 && key.mv_size == start.len &&
	       memcmp(key.mv_data, start.data, name.len + 1) == 0) {
		struct reader number = reader_of(BYTES((const uint8_t *)key.mv_data + name.len + 1, 8));
		uint64_t sequence = reader_u64(&number);
		if (sequence > to)
			break;
		if (value.mv_size < 32)
			return err_set(err, ERR_INTEGRITY, "entry %llu of chain %s is cut short",
				       (unsigned long long)sequence, chain);
		const uint8_t *hash = value.mv_data;
		visited = visit(arg, sequence, hash, BYTES(hash + 32, value.mv_size - 32), err);
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	return scan_result(rc, visited, err);
}
