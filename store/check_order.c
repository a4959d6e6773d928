#include <errno.h>
#include <stdio.h>

#include "store/check_private.h"

/* The record that is looked at. */
struct place {
	enum store_table table;
	struct bytes key;
};

static void find(struct check *c, const struct place *at, const char *what)
{
	check_find(c, store_table_name(at->table), at->key, what);
}

/* As check_get, but what is damaged is left to the check of its own table: MDB_NOTFOUND is a finding. */
static int refer(struct check *c, const struct place *at, enum store_table table, const struct buf *key,
		 struct bytes *record, const char *missing)
{
	if (key->failed)
		return ENOMEM;
	int rc = check_get(c, table, buf_bytes(key), record);
	if (rc == MDB_NOTFOUND)
		find(c, at, missing);
	return rc;
}

/* For what refer and decoding say: nothing more to look at is no failure of the check. */
static int go_on(int rc)
{
	return rc == MDB_NOTFOUND || rc == EBADMSG ? 0 : rc;
}

/* ---- statements ---- */

/* A decision of an officer stands in a statement of his about just this. */
static int check_statement(struct check *c, const struct place *at, const uint8_t hash[32], struct bytes officer,
			   const char *kind, struct bytes id)
{
	struct bytes stored;
	struct record_statement s;
	struct error err = ERR_INIT;
	buf_clear(&c->key);
	buf_add(&c->key, hash, 32);
	int rc = refer(c, at, STORE_STATEMENTS, &c->key, &stored, "the statement of a decision about it is missing");
	if (rc || record_statement_decode(stored, &s, &err))
		return go_on(rc);
	size_t kind_len = strlen(kind);
	if (!bytes_equal(s.by, officer) || s.subject.len != kind_len + id.len ||
	    memcmp(s.subject.data, kind, kind_len) != 0 || memcmp(s.subject.data + kind_len, id.data, id.len) != 0)
		find(c, at, "the statement of a decision about it is another officer's, or about something else");
	return 0;
}

/* ---- orders ---- */

static int check_issued(struct check *c, const struct place *at)
{
	const struct record_order *o = &c->order;
	struct bytes stored;
	struct error err = ERR_INIT;
	if (o->status != ORDER_ISSUED)
		return 0;
	buf_clear(&c->key);
	record_key_certificate(&c->key, o->issuer, o->certificate);
	int rc = refer(c, at, STORE_CERTIFICATES, &c->key, &stored, "the certificate that it ended with is missing");
	if (rc || record_certificate_decode(stored, &c->certificate, &err))
		return go_on(rc);
	if (!bytes_equal(c->certificate.order, o->id))
		find(c, at, "the certificate that it ended with does not name it");
	return 0;
}

static int count_holders(struct check *c, struct bytes serial, size_t *count)
{
	MDB_val key = lmdb_val(serial), value;
	*count = 0;
	int rc = mdb_cursor_get(c->index[STORE_BY_SERIAL], &key, &value, MDB_SET);
	return rc ? rc : mdb_cursor_count(c->index[STORE_BY_SERIAL], count);
}

/* What an order holds is its alone: an order that goes on may yet sign under it. */
static int check_serial(struct check *c, const struct place *at)
{
	const struct record_order *o = &c->order;
	if (o->serial.len == 0)
		return 0;
	size_t holders = 0;
	int rc = count_holders(c, o->serial, &holders);
	if (rc && rc != MDB_NOTFOUND)
		return rc;
	if (holders > 1)
		find(c, at, "another order holds its serial, too");
	struct bytes stored;
	rc = record_order_is_over(o->status) ? MDB_NOTFOUND : check_get(c, STORE_UNFINISHED, o->serial, &stored);
	if (rc == 0)
		find(c, at, "its serial is recorded as unfinished or void");
	else if (rc != MDB_NOTFOUND)
		return go_on(rc);
	rc = o->status == ORDER_ISSUED ? MDB_NOTFOUND
				       : ledger_find_certificate(c->txn, c->tables, &c->issuers, o->serial);
	if (rc == 0)
		find(c, at, "a certificate has its serial, and it was not issued");
	return go_on(rc);
}

static int check_order(struct check *c, const struct place *at, struct bytes record)
{
	const struct record_order *o = &c->order;
	struct bytes stored;
	struct error err = ERR_INIT;
	if (record_order_decode(record, &c->order, &err))
		return 0;
	int rc = check_issued(c, at);
	if (rc == 0)
		rc = check_serial(c, at);
	for (size_t i = 0; rc == 0 && i < o->approval_count; i++)
		rc = check_statement(c, at, o->approvals[i].statement, o->approvals[i].officer, "order ", o->id);
	if (rc || o->organization.len == 0)
		return rc;
	buf_clear(&c->key);
	record_key_organization_version(&c->key, o->organization, o->organization_version);
	return go_on(refer(c, at, STORE_ORGANIZATION_VERSIONS, &c->key, &stored,
			   "the version of the organization that it pins is missing"));
}

static int check_certificate(struct check *c, const struct place *at, struct bytes record)
{
	const struct record_certificate *r = &c->certificate;
	struct bytes stored;
	struct error err = ERR_INIT;
	if (record_certificate_decode(record, &c->certificate, &err) || r->order.len == 0)
		return 0;
	buf_clear(&c->key);
	buf_add_bytes(&c->key, r->order);
	int rc = refer(c, at, STORE_ORDERS, &c->key, &stored, "the order that it was issued for is missing");
	if (rc || record_order_decode(stored, &c->order, &err))
		return go_on(rc);
	if (!bytes_equal(c->order.certificate, r->serial) || !bytes_equal(c->order.issuer, r->issuer))
		find(c, at, "the order that it was issued for does not name it");
	return 0;
}

/* ---- organizations ---- */

static int check_decisions(struct check *c, const struct place *at)
{
	const struct record_organization *o = &c->organization;
	int rc = 0;
	if (o->vetted_by.len)
		rc = check_statement(c, at, o->vet_statement, o->vetted_by, "organization ", o->id);
	if (rc == 0 && o->suspended)
		rc = check_statement(c, at, o->suspend_statement, o->suspended_by, "organization ", o->id);
	return rc;
}

/* All versions from the first to the present one are there, and nothing above it. */
static int check_history(struct check *c, const struct place *at)
{
	const struct record_organization *o = &c->organization;
	auto_mdb_cursor *cursor = NULL;
	buf_clear(&c->key);
	record_key_organization_version(&c->key, o->id, 1);
	if (c->key.failed)
		return ENOMEM;
	uint64_t count = 0;
	MDB_val key = lmdb_val(buf_bytes(&c->key)), value;
	int rc = lmdb_cursor(c->txn, c->tables->table[STORE_ORGANIZATION_VERSIONS], &cursor);
	if (rc == 0)
		rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	while (rc == 0 && key.mv_size == c->key.len && memcmp(key.mv_data, c->key.data, o->id.len + 1) == 0) {
		count++;
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	/* Their keys are distinct and none is above: a lacking one shows in their number. */
	if (go_on(rc) == 0 && count != o->version)
		find(c, at, "its history has not just the versions from 1 to the present one");
	return go_on(rc);
}

static int check_organization(struct check *c, const struct place *at, struct bytes record)
{
	struct bytes stored;
	struct error err = ERR_INIT;
	if (record_organization_decode(record, &c->organization, &err))
		return 0;
	int rc = check_decisions(c, at);
	if (rc == 0)
		rc = check_history(c, at);
	if (rc)
		return rc;
	buf_clear(&c->key);
	record_key_organization_version(&c->key, c->organization.id, c->organization.version);
	rc = refer(c, at, STORE_ORGANIZATION_VERSIONS, &c->key, &stored, "its present version is not in its history");
	if (rc == 0 && !bytes_equal(stored, record))
		find(c, at, "its history has its present version otherwise");
	return go_on(rc);
}

static int check_version(struct check *c, const struct place *at, struct bytes record)
{
	struct bytes stored;
	struct error err = ERR_INIT;
	if (record_organization_decode(record, &c->organization, &err))
		return 0;
	uint64_t version = c->organization.version;
	int rc = check_decisions(c, at);
	if (rc)
		return rc;
	buf_clear(&c->key);
	buf_add_bytes(&c->key, c->organization.id);
	rc = refer(c, at, STORE_ORGANIZATIONS, &c->key, &stored, "the organization that it is a version of is missing");
	if (rc == 0 && record_organization_decode(stored, &c->organization, &err) == 0 &&
	    c->organization.version < version)
		find(c, at, "is a version above the organization's present one");
	return go_on(rc);
}

int check_references(struct check *c, enum store_table table, struct bytes key, struct bytes record)
{
	const struct place at = { table, key };
	switch (table) {
	case STORE_CERTIFICATES:
		return check_certificate(c, &at, record);
	case STORE_ORDERS:
		return check_order(c, &at, record);
	case STORE_ORGANIZATIONS:
		return check_organization(c, &at, record);
	case STORE_ORGANIZATION_VERSIONS:
		return check_version(c, &at, record);
	default:
		return 0;
	}
}
