#include <errno.h>

#include "store/private.h"

int ledger_put_unfinished(MDB_txn *txn, const struct tables *tables, const char *node, struct bytes serial,
			  int64_t now_ms, bool is_void)
{
	struct record_unfinished record = { .found_ms = now_ms, .void_ = is_void };
	auto_buf encoded = BUF_INIT;
	record_unfinished_encode(&record, &encoded);
	auto_buf value = BUF_INIT;
	envelope_add(&value, 1, node, buf_bytes(&encoded));
	if (encoded.failed || value.failed)
		return ENOMEM;
	MDB_val k = lmdb_val(serial), v = lmdb_val(buf_bytes(&value));
	int rc = mdb_put(txn, tables->table[STORE_UNFINISHED], &k, &v, MDB_NOOVERWRITE);
	return rc == MDB_KEYEXIST ? 0 : rc;
}

int ledger_list_issuers(MDB_txn *txn, const struct tables *tables, struct buf *issuers)
{
	auto_mdb_cursor *cursor = NULL;
	int rc = mdb_cursor_open(txn, tables->table[STORE_CERTIFICATES], &cursor);
	MDB_val key, value;
	if (rc == 0)
		rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
	while (rc == 0) {
		struct bytes issuer, serial;
		struct error err = ERR_INIT;
		if (record_key_certificate_parse(lmdb_bytes(key), &issuer, &serial, &err))
			return EBADMSG;
		buf_add_bytes(issuers, issuer);
		buf_u8(issuers, 0);
		/* Over all of its certificates to the next issuer. */
		auto_buf next = BUF_INIT;
		buf_add_bytes(&next, issuer);
		buf_u8(&next, 1);
		if (next.failed || issuers->failed)
			return ENOMEM;
		key = lmdb_val(buf_bytes(&next));
		rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	}
	return rc == MDB_NOTFOUND ? 0 : rc;
}

int ledger_find_certificate(MDB_txn *txn, const struct tables *tables, const struct buf *issuers, struct bytes serial)
{
	int rc = MDB_NOTFOUND;
	struct bytes left = buf_bytes(issuers);
	auto_buf key = BUF_INIT;
	while (rc == MDB_NOTFOUND && left.len > 0) {
		const uint8_t *end = memchr(left.data, 0, left.len);
		if (!end)
			return EBADMSG;
		struct bytes issuer = BYTES(left.data, (size_t)(end - left.data));
		left = BYTES(end + 1, left.len - issuer.len - 1);
		buf_clear(&key);
		record_key_certificate(&key, issuer, serial);
		MDB_val k = lmdb_val(buf_bytes(&key)), v;
		rc = mdb_get(txn, tables->table[STORE_CERTIFICATES], &k, &v);
	}
	return rc;
}

int ledger_find(MDB_txn *txn, const struct tables *tables, const struct buf *issuers, struct bytes serial)
{
	const MDB_dbi places[] = { tables->table[STORE_UNFINISHED], tables->index[STORE_BY_SERIAL] };
	int rc = MDB_NOTFOUND;
	for (size_t i = 0; rc == MDB_NOTFOUND && i < sizeof(places) / sizeof(places[0]); i++) {
		MDB_val key = lmdb_val(serial), value;
		rc = lmdb_get(txn, places[i], &key, &value);
	}
	return rc == MDB_NOTFOUND ? ledger_find_certificate(txn, tables, issuers, serial) : rc;
}

struct settling {
	MDB_txn *txn;
	const struct tables *tables;
	const char *node;
	uint64_t mark;
	int64_t now_ms;
	struct buf issuers;
	uint64_t found;
};

static int settle_serial(struct settling *s, const uint8_t *serial)
{
	struct bytes bytes = BYTES(serial, LEDGER_SERIAL);
	int rc = ledger_find(s->txn, s->tables, &s->issuers, bytes);
	if (rc != MDB_NOTFOUND)
		return rc;
	s->found++;
	return ledger_put_unfinished(s->txn, s->tables, s->node, bytes, s->now_ms, false);
}

/* What was handed out of one block and stands nowhere. */
static int settle_block(struct settling *s, uint64_t number, struct bytes stored)
{
	uint8_t serials[LEDGER_BLOCK][LEDGER_SERIAL];
	if (stored.len != sizeof(serials))
		return EBADMSG;
	/* A copy: LMDB's own is good only until the next change. */
	memcpy(serials, stored.data, sizeof(serials));
	uint64_t first = number * LEDGER_BLOCK;
	uint64_t handed_out = s->mark > first ? s->mark - first : 0;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < LEDGER_BLOCK && i < handed_out; i++)
		rc = settle_serial(s, serials[i]);
	return rc;
}

/* Block after block; each goes when it is settled. prefix: the node's, with room for a number. */
static int settle_blocks(struct settling *s, struct bytes prefix)
{
	auto_mdb_cursor *cursor = NULL;
	int rc = mdb_cursor_open(s->txn, s->tables->ledger, &cursor);
	while (rc == 0) {
		MDB_val key = lmdb_val(prefix), value;
		rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
		size_t name = prefix.len - sizeof(uint64_t);
		if (rc || key.mv_size != prefix.len || memcmp(key.mv_data, prefix.data, name) != 0)
			break;
		struct reader number = reader_of(BYTES((const uint8_t *)key.mv_data + name, sizeof(uint64_t)));
		rc = settle_block(s, reader_u64(&number), lmdb_bytes(value));
		if (rc == 0)
			rc = mdb_cursor_del(cursor, 0);
	}
	return rc == MDB_NOTFOUND ? 0 : rc;
}

int ledger_settle_old(MDB_txn *txn, const struct tables *tables, const char *node, uint64_t mark, int64_t now_ms,
		      uint64_t *found)
{
	struct settling s = { .txn = txn, .tables = tables, .node = node, .mark = mark, .now_ms = now_ms };
	auto_buf prefix = BUF_INIT;
	ledger_add_key(&prefix, node);
	buf_u64(&prefix, 0);
	int rc = prefix.failed ? ENOMEM : ledger_list_issuers(txn, tables, &s.issuers);
	if (rc == 0)
		rc = settle_blocks(&s, buf_bytes(&prefix));
	buf_free(&s.issuers);
	*found = s.found;
	return rc;
}

/* ---- for the check ---- */

static const char *block_fault(struct bytes block)
{
	if (block.len != (size_t)LEDGER_BLOCK * LEDGER_SERIAL)
		return "a block of serials has not 256 of them";
	for (size_t i = 0; i < LEDGER_BLOCK; i++) {
		const uint8_t *serial = block.data + i * LEDGER_SERIAL;
		if (memcmp(serial, block.data, LEDGER_PREFIX) != 0 || serial[LEDGER_PLACE] != i || serial[0] == 0 ||
		    serial[0] > 0x7f)
			return "a block has a serial that is not in its place";
	}
	return NULL;
}

const char *ledger_fault(struct bytes key, struct bytes value)
{
	const uint8_t *end = key.len ? memchr(key.data, 0, key.len) : NULL;
	size_t node = end ? (size_t)(end - key.data) : 0;
	if (node == 0 || node > STORE_NODE_MAX || (key.len != node + 1 && key.len != node + 1 + sizeof(uint64_t)))
		return "a key of the ledger is neither a mark's nor a block's";
	if (key.len > node + 1)
		return block_fault(value);
	struct reader r = reader_of(value);
	uint64_t made = reader_u64(&r), mark = reader_u64(&r);
	(void)reader_u64(&r);
	return reader_done(&r) && mark <= made && made % LEDGER_BLOCK == 0 ? NULL : "the ledger's mark is damaged";
}

bool ledger_parse(struct bytes key, struct bytes value, uint64_t *first, uint64_t *mark)
{
	size_t node = strnlen((const char *)key.data, key.len);
	if (key.len == node + 1) {
		struct reader r = reader_of(value);
		(void)reader_u64(&r); /* made */
		*mark = reader_u64(&r);
		return false;
	}
	struct reader number = reader_of(BYTES(key.data + node + 1, key.len - node - 1));
	*first = reader_u64(&number) * LEDGER_BLOCK;
	return true;
}
