#include <errno.h>

#include "base/ossl.h"
#include "store/private.h"

/* ---- expectations ---- */

static int expectation_holds(const struct apply *a, const struct store_batch *b, const struct op *op, bool *holds)
{
	MDB_val key = lmdb_val(batch_bytes(b, op->key)), value;
	int rc = mdb_get(a->txn, a->tables->table[op->table], &key, &value);
	if (rc == MDB_NOTFOUND) {
		*holds = op->kind == OP_EXPECT_ABSENT;
		return 0;
	}
	if (rc)
		return rc;
	struct bytes record;
	uint64_t version = 0;
	struct error err = ERR_INIT;
	if (envelope_parse(lmdb_bytes(value), &record, &version, NULL, &err))
		return EBADMSG;
	*holds = op->kind == OP_EXPECT_VERSION && version == op->version;
	return 0;
}

static int check_expectations(const struct apply *a, struct store_batch *b, bool *hold)
{
	size_t number = 0;
	*hold = true;
	for (size_t i = 0; i < b->count; i++) {
		const struct op *op = &b->ops[i];
		if (op->kind != OP_EXPECT_ABSENT && op->kind != OP_EXPECT_VERSION)
			continue;
		int rc = expectation_holds(a, b, op, hold);
		if (rc)
			return rc;
		if (!*hold) {
			b->outcome = (struct store_outcome){ .result = STORE_EXPECTATION, .failed = number };
			return 0;
		}
		number++;
	}
	return 0;
}

/* ---- changes ---- */

static int add_entries(const struct apply *a, struct bytes record_key, struct bytes entries, struct bytes except)
{
	enum store_index index;
	struct bytes index_key;
	while (index_next(&entries, &index, &index_key)) {
		if (except.len && index_contains(except, index, index_key))
			continue;
		MDB_val key = lmdb_val(index_key), value = lmdb_val(record_key);
		int rc = mdb_put(a->txn, a->tables->index[index], &key, &value, 0);
		if (rc)
			return rc;
	}
	return 0;
}

static int remove_entries(const struct apply *a, struct bytes record_key, struct bytes entries, struct bytes except)
{
	enum store_index index;
	struct bytes index_key;
	while (index_next(&entries, &index, &index_key)) {
		if (except.len && index_contains(except, index, index_key))
			continue;
		MDB_val key = lmdb_val(index_key), value = lmdb_val(record_key);
		int rc = mdb_del(a->txn, a->tables->index[index], &key, &value);
		if (rc)
			return rc == MDB_NOTFOUND ? EBADMSG : rc;
	}
	return 0;
}

/* 1 for a serial that waits for its explanation, 0 for a void one or another record. */
static int64_t counts_as_unfinished(enum store_table table, struct bytes record)
{
	struct record_unfinished r;
	struct error err = ERR_INIT;
	return table == STORE_UNFINISHED && record_unfinished_decode(record, &r, &err) == 0 && !r.void_;
}

/* The serial that index entries of an order tell that it holds; empty where there is none. */
static struct bytes held_serial(struct bytes entries)
{
	enum store_index index;
	struct bytes index_key;
	while (index_next(&entries, &index, &index_key))
		if (index == STORE_BY_SERIAL)
			return index_key;
	return BYTES_NONE;
}

/* The old record's version and index entries, before its place is written over. */
static int look_at_old(struct apply *a, enum store_table table, struct bytes key, MDB_val old, uint64_t *version)
{
	struct error err = ERR_INIT;
	struct bytes record;
	if (envelope_parse(lmdb_bytes(old), &record, version, NULL, &err))
		return EBADMSG;
	buf_clear(&a->old_entries);
	if (index_derive(table, key, record, &a->old_entries, &err))
		return err.code == ERR_INTEGRITY ? EBADMSG : ENOMEM;
	a->unfinished -= counts_as_unfinished(table, record);
	return 0;
}

/* A serial that the old record held and the new one does not must stand elsewhere when the batch is done. */
static int note_dropped(struct apply *a, struct bytes new_entries)
{
	struct bytes held = held_serial(buf_bytes(&a->old_entries));
	if (held.len && !bytes_equal(held, held_serial(new_entries)))
		buf_field(&a->dropped, held);
	return a->dropped.failed ? ENOMEM : 0;
}

/* What the record that was put accounts for, to the ledger. */
static void tell_ledger(struct apply *a, const struct store_batch *b, const struct op *op)
{
	struct bytes key = batch_bytes(b, op->key), issuer, serial;
	struct error err = ERR_INIT;
	switch (op->table) {
	case STORE_CERTIFICATES:
		if (record_key_certificate_parse(key, &issuer, &serial, &err) == 0)
			ledger_saw(a->ledger, serial);
		break;
	case STORE_UNFINISHED: /* signed, and known to be no certificate; or void */
		ledger_saw(a->ledger, key);
		break;
	case STORE_ORDERS:
		ledger_saw(a->ledger, held_serial(batch_bytes(b, op->entries)));
		break;
	default:
		break;
	}
}

static int apply_put(struct apply *a, struct store_batch *b, const struct op *op)
{
	MDB_dbi dbi = a->tables->table[op->table];
	struct bytes record_key = batch_bytes(b, op->key), entries = batch_bytes(b, op->entries);
	MDB_val key = lmdb_val(record_key), value = lmdb_val(batch_bytes(b, op->value));
	struct bytes old_entries = BYTES_NONE;
	/* A retry of the group must not find the version of the try before. */
	envelope_set_version(b->bytes.data + op->value.at, 1);
	int rc = mdb_put(a->txn, dbi, &key, &value, MDB_NOOVERWRITE);
	if (rc == MDB_KEYEXIST) {
		uint64_t version = 0;
		rc = look_at_old(a, op->table, record_key, value, &version);
		if (rc == 0)
			rc = note_dropped(a, entries);
		if (rc)
			return rc;
		old_entries = buf_bytes(&a->old_entries);
		envelope_set_version(b->bytes.data + op->value.at, version + 1);
		value = lmdb_val(batch_bytes(b, op->value));
		rc = mdb_put(a->txn, dbi, &key, &value, 0);
		if (rc == 0)
			rc = remove_entries(a, record_key, old_entries, entries);
	}
	if (rc == 0)
		rc = add_entries(a, record_key, entries, old_entries);
	if (op->table == STORE_UNFINISHED) {
		struct error err = ERR_INIT;
		struct bytes record = BYTES_NONE;
		uint64_t version = 0;
		(void)envelope_parse(batch_bytes(b, op->value), &record, &version, NULL, &err);
		a->unfinished += counts_as_unfinished(op->table, record);
	}
	tell_ledger(a, b, op);
	return rc;
}

static int apply_delete(struct apply *a, const struct store_batch *b, const struct op *op)
{
	MDB_dbi dbi = a->tables->table[op->table];
	struct bytes record_key = batch_bytes(b, op->key);
	MDB_val key = lmdb_val(record_key), old;
	int rc = mdb_get(a->txn, dbi, &key, &old);
	if (rc)
		return rc == MDB_NOTFOUND ? 0 : rc;
	uint64_t version = 0;
	rc = look_at_old(a, op->table, record_key, old, &version);
	if (rc == 0)
		rc = note_dropped(a, BYTES_NONE);
	if (rc == 0)
		rc = remove_entries(a, record_key, buf_bytes(&a->old_entries), BYTES_NONE);
	return rc ? rc : mdb_del(a->txn, dbi, &key, NULL);
}

/* The chain's head as this transaction has it. */
static int find_chain(struct apply *a, struct bytes name, struct chain_state **found)
{
	for (size_t i = 0; i < a->chain_count; i++) {
		*found = &a->chains[i];
		if (bytes_are(name, a->chains[i].name))
			return 0;
	}
	if (a->chain_count == STORE_CHAINS_MAX)
		a->chain_count = 0; /* only what was looked up is forgotten */
	struct chain_state *chain = &a->chains[a->chain_count];
	memcpy(chain->name, name.data, name.len);
	chain->name[name.len] = '\0';
	int rc = chain_last(a->txn, a->tables, name, &chain->head);
	if (rc == 0)
		a->chain_count++;
	*found = chain;
	return rc;
}

static int apply_append(struct apply *a, struct store_batch *b, const struct op *op, struct store_outcome *outcome)
{
	struct bytes name = batch_bytes(b, op->key);
	struct chain_state *chain = NULL;
	int rc = find_chain(a, name, &chain);
	if (rc)
		return rc;
	/* The 32 octets before the entry hold the previous hash while it is hashed, then the new one. */
	uint8_t *stored = b->bytes.data + op->value.at, hash[32];
	memcpy(stored, chain->head.hash, sizeof(hash));
	sha256(stored, op->value.len, hash);
	memcpy(stored, hash, sizeof(hash));

	buf_clear(&a->old);
	chain_key(&a->old, name, chain->head.sequence + 1);
	if (a->old.failed)
		return ENOMEM;
	MDB_val key = lmdb_val(buf_bytes(&a->old)), value = lmdb_val(batch_bytes(b, op->value));
	rc = mdb_put(a->txn, a->tables->chain, &key, &value, MDB_NOOVERWRITE);
	if (rc)
		return rc == MDB_KEYEXIST ? EBADMSG : rc;
	chain->head.sequence++;
	memcpy(chain->head.hash, hash, sizeof(hash));
	outcome->sequence = chain->head.sequence;
	memcpy(outcome->hash, hash, sizeof(hash));
	return 0;
}

/* ---- serials that orders no longer hold ---- */

/* Each is a certificate or unfinished by now, or it becomes unfinished: none is lost. */
static int account_for_dropped(struct apply *a)
{
	if (a->dropped.len == 0)
		return 0;
	auto_buf issuers = BUF_INIT;
	int rc = ledger_list_issuers(a->txn, a->tables, &issuers);
	struct reader left = reader_of(buf_bytes(&a->dropped));
	while (rc == 0 && left.left > 0) {
		struct bytes serial = reader_field(&left, STORE_SERIAL_MAX);
		if (left.failed)
			return EBADMSG;
		rc = ledger_find(a->txn, a->tables, &issuers, serial);
		if (rc == MDB_NOTFOUND) {
			rc = ledger_leave_unfinished(a->ledger, a->txn, a->tables, serial);
			a->unfinished++;
		}
	}
	return rc;
}

int apply_batch(struct apply *a, struct store_batch *b)
{
	/* All expectations before the first change: what fails here leaves nothing to take back. */
	bool hold = true;
	int rc = check_expectations(a, b, &hold);
	if (rc || !hold)
		return rc;
	b->outcome = (struct store_outcome){ .result = STORE_COMMITTED };
	buf_clear(&a->dropped);
	for (size_t i = 0; rc == 0 && i < b->count; i++) {
		switch (b->ops[i].kind) {
		case OP_PUT:
			rc = apply_put(a, b, &b->ops[i]);
			break;
		case OP_DELETE:
			rc = apply_delete(a, b, &b->ops[i]);
			break;
		case OP_APPEND:
			rc = apply_append(a, b, &b->ops[i], &b->outcome);
			break;
		case OP_EXPECT_ABSENT:
		case OP_EXPECT_VERSION:
			break;
		}
	}
	return rc ? rc : account_for_dropped(a);
}
