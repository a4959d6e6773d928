#include <errno.h>
#include <stdio.h>

#include "base/ossl.h"
#include "base/text.h"
#include "store/check_private.h"

#define PROGRESS_EVERY 4096
#define REPORTED_MAX 1000 /* findings shown one by one; the rest is counted */

/* ---- findings ---- */

/* The key as a person can use it: text up to the first NUL or odd octet, then hex. */
static const char *key_text(struct bytes key, char out[2 * STORE_KEY_MAX + 2])
{
	size_t text = 0;
	while (text < key.len && text < STORE_KEY_MAX && key.data[text] > 0x20 && key.data[text] < 0x7f)
		text++;
	if (text > 0 && text < key.len && key.data[text] != 0)
		text = 0;
	if (text)
		memcpy(out, key.data, text);
	size_t rest = text;
	if (text > 0 && text < key.len) {
		out[text] = ' ';
		rest = text + 1; /* over the NUL */
	}
	(void)text_hex(BYTES(key.data + rest, key.len - rest), out + rest);
	return out;
}

void check_find(struct check *c, const char *where, struct bytes key, const char *what)
{
	c->findings++;
	if (!c->report || c->findings > REPORTED_MAX)
		return;
	char shown[2 * STORE_KEY_MAX + 2];
	char line[3 * STORE_KEY_MAX];
	(void)snprintf(line, sizeof(line), "%s %s: %s", where, key_text(key, shown), what);
	c->report(c->arg, line);
}

static void step(struct check *c)
{
	c->done++;
	if (c->progress && c->done % PROGRESS_EVERY == 0)
		c->progress(c->arg, c->done, c->all);
}

int check_get(struct check *c, enum store_table table, struct bytes key, struct bytes *record)
{
	if (key.len == 0 || key.len > STORE_KEY_MAX)
		return MDB_NOTFOUND;
	MDB_val k = lmdb_val(key), stored;
	int rc = lmdb_get(c->txn, c->tables->table[table], &k, &stored);
	struct error err = ERR_INIT;
	uint64_t version = 0;
	if (rc == 0 && envelope_parse(lmdb_bytes(stored), record, &version, NULL, &err))
		rc = EBADMSG;
	return rc;
}

/* ---- records, and the entries that they ask for ---- */

static int look_for_entries(struct check *c, const char *table, struct bytes record_key)
{
	struct bytes left = buf_bytes(&c->derived), index_key;
	enum store_index index;
	while (index_next(&left, &index, &index_key)) {
		c->entries[index]++;
		MDB_val key = lmdb_val(index_key), value = lmdb_val(record_key);
		int rc = mdb_cursor_get(c->index[index], &key, &value, MDB_GET_BOTH);
		if (rc == 0)
			continue;
		if (rc != MDB_NOTFOUND)
			return rc;
		char what[96];
		(void)snprintf(what, sizeof(what), "its entry in index %s is missing", store_index_name(index));
		check_find(c, table, record_key, what);
		c->suspect[index] = true;
	}
	return 0;
}

static int check_record(struct check *c, enum store_table table, struct bytes key, struct bytes stored)
{
	struct error err = ERR_INIT;
	struct bytes record, node;
	uint64_t version = 0;
	buf_clear(&c->derived);
	if (envelope_parse(stored, &record, &version, &node, &err) ||
	    index_derive(table, key, record, &c->derived, &err)) {
		check_find(c, store_table_name(table), key, err.message);
		return err.code == ERR_INTEGRITY ? 0 : ENOMEM;
	}
	int rc = look_for_entries(c, store_table_name(table), key);
	return rc ? rc : check_references(c, table, key, record);
}

static int check_table(struct check *c, enum store_table table)
{
	auto_mdb_cursor *cursor = NULL;
	int rc = lmdb_cursor(c->txn, c->tables->table[table], &cursor);
	MDB_val key, value;
	if (rc == 0)
		rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
	while (rc == 0) {
		rc = check_record(c, table, lmdb_bytes(key), lmdb_bytes(value));
		step(c);
		if (rc == 0)
			rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int check_tables(struct check *c)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < STORE_INDEX_COUNT; i++)
		if (c->tables->index[i])
			rc = mdb_cursor_open(c->txn, c->tables->index[i], &c->index[i]);
	for (size_t i = 0; rc == 0 && i < STORE_TABLE_COUNT; i++)
		rc = check_table(c, (enum store_table)i);
	for (size_t i = 0; i < STORE_INDEX_COUNT; i++)
		if (c->index[i])
			mdb_cursor_close(c->index[i]);
	return rc;
}

/* ---- entries that no record asks for ---- */

static int check_entry(struct check *c, enum store_index index, struct bytes index_key, struct bytes record_key)
{
	MDB_val key = lmdb_val(record_key), stored;
	int rc = lmdb_get(c->txn, c->tables->table[index_table(index)], &key, &stored);
	if (rc == MDB_NOTFOUND) {
		check_find(c, store_index_name(index), index_key, "leads to no record");
		return 0;
	}
	struct error err = ERR_INIT;
	struct bytes record;
	uint64_t version = 0;
	buf_clear(&c->derived);
	if (rc || envelope_parse(lmdb_bytes(stored), &record, &version, NULL, &err) ||
	    index_derive(index_table(index), record_key, record, &c->derived, &err))
		return rc; /* the record itself was found wrong already */
	if (!index_contains(buf_bytes(&c->derived), index, index_key))
		check_find(c, store_index_name(index), index_key, "leads to a record that does not belong there");
	return 0;
}

static int check_index(struct check *c, enum store_index index)
{
	/* Every asked-for entry was found, and there are no more than those: none is too many. */
	uint64_t count = 0;
	int rc = lmdb_count(c->txn, c->tables->index[index], &count);
	if (rc || (!c->suspect[index] && count == c->entries[index]))
		return rc;
	auto_mdb_cursor *cursor = NULL;
	rc = lmdb_cursor(c->txn, c->tables->index[index], &cursor);
	MDB_val key, value;
	if (rc == 0)
		rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
	while (rc == 0) {
		rc = check_entry(c, index, lmdb_bytes(key), lmdb_bytes(value));
		if (rc == 0)
			rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int check_indexes(struct check *c)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < STORE_INDEX_COUNT; i++)
		rc = check_index(c, (enum store_index)i);
	return rc;
}

/* ---- chains ---- */

struct chain_walk {
	char name[STORE_CHAIN_MAX + 1];
	size_t name_len;
	struct store_head head;
};

/* True where the key is a chain's; the walk begins anew with each chain. */
static bool enter_chain(struct chain_walk *walk, struct bytes key, uint64_t *sequence)
{
	const uint8_t *end = key.len ? memchr(key.data, 0, key.len) : NULL;
	size_t len = end ? (size_t)(end - key.data) : 0;
	if (len == 0 || len > STORE_CHAIN_MAX || key.len != len + 1 + sizeof(*sequence))
		return false;
	struct reader number = reader_of(BYTES(end + 1, sizeof(*sequence)));
	*sequence = reader_u64(&number);
	if (len != walk->name_len || memcmp(walk->name, key.data, len) != 0) {
		*walk = (struct chain_walk){ .name_len = len };
		memcpy(walk->name, key.data, len);
	}
	return true;
}

static void check_link(struct check *c, struct chain_walk *walk, struct bytes key, struct bytes value)
{
	uint64_t sequence = 0;
	if (!enter_chain(walk, key, &sequence) || value.len <= sizeof(walk->head.hash)) {
		check_find(c, "chain", key, "is no entry of a chain");
		return;
	}
	if (sequence != walk->head.sequence + 1)
		check_find(c, "chain", key, "the entry before it is missing");
	buf_clear(&c->scratch);
	buf_add(&c->scratch, walk->head.hash, sizeof(walk->head.hash));
	buf_add(&c->scratch, value.data + 32, value.len - 32);
	uint8_t hash[32];
	sha256(c->scratch.data, c->scratch.len, hash);
	if (memcmp(hash, value.data, sizeof(hash)) != 0)
		check_find(c, "chain", key, "its hash does not follow from its content and the entry before it");
	walk->head.sequence = sequence;
	/* On from what is stored: one altered entry is one finding. */
	memcpy(walk->head.hash, value.data, sizeof(walk->head.hash));
}

static int check_chains(struct check *c)
{
	auto_mdb_cursor *cursor = NULL;
	int rc = lmdb_cursor(c->txn, c->tables->chain, &cursor);
	struct chain_walk walk = { .name_len = 0 };
	MDB_val key, value;
	if (rc == 0)
		rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
	while (rc == 0) {
		check_link(c, &walk, lmdb_bytes(key), lmdb_bytes(value));
		if (c->scratch.failed)
			return ENOMEM;
		step(c);
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* ---- serials ---- */

/* What is not handed out yet stands nowhere. A node's mark comes before its blocks. */
static int check_unused(struct check *c, struct bytes key, struct bytes value, uint64_t *mark)
{
	uint64_t first = 0;
	if (!ledger_parse(key, value, &first, mark))
		return 0;
	int rc = 0;
	for (size_t i = first < *mark ? *mark - first : 0; rc == 0 && i < LEDGER_BLOCK; i++) {
		struct bytes serial = BYTES(value.data + i * LEDGER_SERIAL, LEDGER_SERIAL);
		rc = ledger_find(c->txn, c->tables, &c->issuers, serial);
		if (rc == 0)
			check_find(c, "ledger", serial, "is still to be handed out, and a record has it");
		rc = rc == MDB_NOTFOUND ? 0 : rc;
	}
	return rc;
}

static int check_ledger(struct check *c)
{
	auto_mdb_cursor *cursor = NULL;
	int rc = lmdb_cursor(c->txn, c->tables->ledger, &cursor);
	MDB_val key, value;
	if (rc == 0)
		rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
	uint64_t mark = 0;
	while (rc == 0) {
		const char *fault = ledger_fault(lmdb_bytes(key), lmdb_bytes(value));
		if (fault) {
			check_find(c, "ledger", lmdb_bytes(key), fault);
			mark = UINT64_MAX; /* not known */
		} else {
			rc = check_unused(c, lmdb_bytes(key), lmdb_bytes(value), &mark);
		}
		if (rc == 0)
			rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Unfinished or void, and yet a certificate: one of the two is not true. */
static int check_unfinished(struct check *c)
{
	auto_mdb_cursor *cursor = NULL;
	int rc = lmdb_cursor(c->txn, c->tables->table[STORE_UNFINISHED], &cursor);
	MDB_val key, value;
	if (rc == 0)
		rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
	while (rc == 0) {
		rc = ledger_find_certificate(c->txn, c->tables, &c->issuers, lmdb_bytes(key));
		if (rc == 0)
			check_find(c, "unfinished", lmdb_bytes(key), "a certificate has this serial");
		else if (rc != MDB_NOTFOUND)
			return rc;
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* ---- all ---- */

static int count_all(struct check *c)
{
	uint64_t count = 0;
	int rc = lmdb_count(c->txn, c->tables->chain, &c->all);
	for (size_t i = 0; rc == 0 && i < STORE_TABLE_COUNT; i++) {
		rc = lmdb_count(c->txn, c->tables->table[i], &count);
		c->all += count;
	}
	return rc;
}

static int check_all(struct check *c)
{
	int rc = count_all(c);
	if (rc == 0)
		rc = ledger_list_issuers(c->txn, c->tables, &c->issuers);
	if (rc == 0 || rc == EBADMSG) /* a key that is no certificate's is found with its table */
		rc = check_tables(c);
	if (rc == 0)
		rc = check_indexes(c);
	if (rc == 0)
		rc = check_chains(c);
	if (rc == 0)
		rc = check_ledger(c);
	return rc ? rc : check_unfinished(c);
}

int store_check(struct store *s, void (*report)(void *arg, const char *line),
		void (*progress)(void *arg, uint64_t done, uint64_t all), void *arg, struct error *err)
{
	auto_store_snapshot *snap = store_snapshot_new(s, err);
	if (!snap)
		return -1;
	auto_free struct check *c = calloc(1, sizeof(*c));
	if (!c)
		return err_set(err, ERR_INTERNAL, "no memory for the check");
	c->txn = snapshot_txn(snap);
	c->tables = &s->tables;
	c->report = report;
	c->progress = progress;
	c->arg = arg;
	int rc = check_all(c);
	buf_free(&c->issuers);
	buf_free(&c->derived);
	buf_free(&c->scratch);
	buf_free(&c->key);
	if (rc)
		return lmdb_error(err, rc, "the check could not go on");
	if (progress)
		progress(arg, c->all, c->all);
	if (c->findings == 0)
		return 0;
	return err_set(err, ERR_INTEGRITY, "the store in %s has %llu findings", s->path,
		       (unsigned long long)c->findings);
}
