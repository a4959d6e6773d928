#include "base/ossl.h"
#include "store/private.h"
#include "store/record_order.h"

/* Starts an entry; its key is what is appended until end_entry. */
static size_t begin_entry(struct buf *out, enum store_index index)
{
	size_t start = out->len;
	buf_u8(out, (uint8_t)index);
	buf_u16(out, 0);
	return start;
}

/* Fills in the length; an entry that stands there already is taken back. */
static void end_entry(struct buf *out, size_t first, size_t start)
{
	if (out->failed)
		return;
	uint8_t *entry = out->data + start;
	struct bytes key = BYTES(entry + 3, out->len - start - 3);
	if (key.len == 0 || key.len > STORE_KEY_MAX) {
		out->failed = true;
		return;
	}
	if (index_contains(BYTES(out->data + first, start - first), (enum store_index)entry[0], key)) {
		out->len = start;
		return;
	}
	entry[1] = (uint8_t)(key.len >> 8);
	entry[2] = (uint8_t)key.len;
}

static void add_bytes_entry(struct buf *out, size_t first, enum store_index index, struct bytes key)
{
	size_t start = begin_entry(out, index);
	buf_add_bytes(out, key);
	end_entry(out, first, start);
}

static void add_number_entry(struct buf *out, size_t first, enum store_index index, int64_t number)
{
	size_t start = begin_entry(out, index);
	buf_u64(out, (uint64_t)number);
	end_entry(out, first, start);
}

/* name, 0x00, time */
static void add_timed_entry(struct buf *out, size_t first, enum store_index index, struct bytes name, int64_t time)
{
	size_t start = begin_entry(out, index);
	buf_add_bytes(out, name);
	buf_u8(out, 0);
	buf_u64(out, (uint64_t)time);
	end_entry(out, first, start);
}

static int derive_certificate(struct bytes key, struct bytes record, struct buf *out, struct error *err)
{
	struct record_certificate r;
	struct bytes issuer, serial;
	if (record_certificate_decode(record, &r, err) || record_key_certificate_parse(key, &issuer, &serial, err))
		return -1;
	if (!bytes_equal(issuer, r.issuer) || !bytes_equal(serial, r.serial))
		return err_set(err, ERR_INTEGRITY,
			       "a certificate's record names another issuer or serial than its key");
	size_t first = out->len;
	for (size_t i = 0; i < r.name_count; i++) {
		size_t start = begin_entry(out, STORE_BY_NAME);
		record_key_name(out, r.names[i]);
		end_entry(out, first, start);
	}
	add_bytes_entry(out, first, STORE_BY_SPKI, BYTES(r.spki_hash, sizeof(r.spki_hash)));
	add_number_entry(out, first, STORE_BY_NOT_AFTER, r.not_after_s);
	add_number_entry(out, first, STORE_BY_ISSUED, r.issued_ms);
	if (r.status != RECORD_VALID)
		add_timed_entry(out, first, STORE_BY_REVOCATION, r.issuer, r.revoked_ms);
	add_timed_entry(out, first, STORE_BY_REQUESTER, r.requester, r.issued_ms);
	return 0;
}

static int derive_identity(struct bytes key, struct bytes record, struct buf *out, struct error *err)
{
	struct record_identity r;
	if (record_identity_decode(record, &r, err))
		return -1;
	if (!bytes_equal(key, r.name))
		return err_set(err, ERR_INTEGRITY, "an identity's record has another name than its key");
	size_t first = out->len;
	for (size_t i = 0; i < r.fingerprint_count; i++)
		add_bytes_entry(out, first, STORE_BY_FINGERPRINT, BYTES(r.fingerprints[i], sizeof(r.fingerprints[i])));
	return 0;
}

static int derive_request(struct bytes record, struct buf *out, struct error *err)
{
	struct record_request r;
	if (record_request_decode(record, &r, err))
		return -1;
	add_number_entry(out, out->len, STORE_BY_EXPIRY, r.expires_s);
	return 0;
}

static int check_crl(struct bytes key, struct bytes record, struct error *err)
{
	struct record_crl r;
	if (record_crl_decode(record, &r, err))
		return -1;
	if (!bytes_equal(key, r.issuer))
		return err_set(err, ERR_INTEGRITY, "a CRL's record names another issuer than its key");
	return 0;
}

static int check_head(struct bytes key, struct bytes record, struct error *err)
{
	struct record_head r;
	if (record_head_decode(record, &r, err))
		return -1;
	struct reader number = reader_of(key);
	uint64_t sequence = reader_u64(&number);
	if (!reader_done(&number) || sequence != r.sequence)
		return err_set(err, ERR_INTEGRITY, "a signed head's record has another number than its key");
	return 0;
}

static int check_apitoken(struct bytes record, struct error *err)
{
	struct record_apitoken r;
	return record_apitoken_decode(record, &r, err);
}

static int check_blocked(struct bytes record, struct error *err)
{
	struct record_blocked r;
	return record_blocked_decode(record, &r, err);
}

static int check_unfinished(struct bytes record, struct error *err)
{
	struct record_unfinished r;
	return record_unfinished_decode(record, &r, err);
}

static void add_order(const struct record_order *r, struct buf *out)
{
	size_t first = out->len;
	add_timed_entry(out, first, STORE_BY_ORDERED, r->requester, r->created_ms);
	size_t start = begin_entry(out, STORE_BY_STATUS);
	buf_u8(out, (uint8_t)r->status);
	buf_u64(out, (uint64_t)r->created_ms);
	end_entry(out, first, start);
	if (r->due_ms)
		add_number_entry(out, first, STORE_BY_DUE, r->due_ms);
	if (r->serial.len)
		add_bytes_entry(out, first, STORE_BY_SERIAL, r->serial);
}

static int derive_order(struct bytes key, struct bytes record, struct buf *out, struct error *err)
{
	auto_free struct record_order *r = malloc(sizeof(*r));
	if (!r)
		return err_set(err, ERR_INTERNAL, "no memory to read an order");
	if (record_order_decode(record, r, err))
		return -1;
	if (!bytes_equal(key, r->id))
		return err_set(err, ERR_INTEGRITY, "an order's record has another id than its key");
	add_order(r, out);
	return 0;
}

static int derive_authorization(struct bytes key, struct bytes record, struct buf *out, struct error *err)
{
	struct record_authorization r;
	if (record_authorization_decode(record, &r, err))
		return -1;
	auto_buf own = BUF_INIT;
	record_key_authorization(&own, r.owner, r.name);
	if (own.failed)
		return err_set(err, ERR_INTERNAL, "no memory for a key");
	if (!bytes_equal(key, buf_bytes(&own)))
		return err_set(err, ERR_INTEGRITY, "a shown name's record has another owner or name than its key");
	add_number_entry(out, out->len, STORE_BY_LAPSE, r.expires_s);
	return 0;
}

/* versioned: of STORE_ORGANIZATION_VERSIONS. */
static int check_organization(struct bytes key, struct bytes record, bool versioned, struct error *err)
{
	auto_free struct record_organization *r = malloc(sizeof(*r));
	if (!r)
		return err_set(err, ERR_INTERNAL, "no memory to read an organization");
	if (record_organization_decode(record, r, err))
		return -1;
	auto_buf own = BUF_INIT;
	if (versioned)
		record_key_organization_version(&own, r->id, r->version);
	else
		buf_add_bytes(&own, r->id);
	if (own.failed)
		return err_set(err, ERR_INTERNAL, "no memory for a key");
	if (!bytes_equal(key, buf_bytes(&own)))
		return err_set(err, ERR_INTEGRITY, "an organization's record has another id or version than its key");
	return 0;
}

static int check_statement(struct bytes key, struct bytes record, struct error *err)
{
	struct record_statement r;
	uint8_t hash[32];
	if (record_statement_decode(record, &r, err))
		return -1;
	sha256(r.text.data, r.text.len, hash);
	if (!bytes_equal(key, BYTES(hash, sizeof(hash))))
		return err_set(err, ERR_INTEGRITY, "a statement's key is not the hash of its text");
	return 0;
}

static int derive_delivery(struct bytes key, struct bytes record, struct buf *out, struct error *err)
{
	struct record_delivery r;
	if (record_delivery_decode(record, &r, err))
		return -1;
	struct reader parts = reader_of(key);
	uint64_t created = reader_u64(&parts);
	(void)reader_u64(&parts);
	if (!reader_done(&parts) || created != (uint64_t)r.created_ms)
		return err_set(err, ERR_INTEGRITY, "a delivery's record was made at another time than its key says");
	if (r.due_ms)
		add_number_entry(out, out->len, STORE_BY_DELIVERY, r.due_ms);
	return 0;
}

static int derive(enum store_table table, struct bytes key, struct bytes record, struct buf *out, struct error *err)
{
	switch (table) {
	case STORE_CERTIFICATES:
		return derive_certificate(key, record, out, err);
	case STORE_IDENTITIES:
		return derive_identity(key, record, out, err);
	case STORE_REQUESTS:
		return derive_request(record, out, err);
	case STORE_APITOKENS:
		return check_apitoken(record, err);
	case STORE_CRLS:
		return check_crl(key, record, err);
	case STORE_BLOCKED:
		return check_blocked(record, err);
	case STORE_UNFINISHED:
		return check_unfinished(record, err);
	case STORE_HEADS:
		return check_head(key, record, err);
	case STORE_ORDERS:
		return derive_order(key, record, out, err);
	case STORE_AUTHORIZATIONS:
		return derive_authorization(key, record, out, err);
	case STORE_ORGANIZATIONS:
	case STORE_ORGANIZATION_VERSIONS:
		return check_organization(key, record, table == STORE_ORGANIZATION_VERSIONS, err);
	case STORE_STATEMENTS:
		return check_statement(key, record, err);
	case STORE_DELIVERIES:
		return derive_delivery(key, record, out, err);
	case STORE_META:
	case STORE_TABLE_COUNT:
		break;
	}
	return 0;
}

int index_derive(enum store_table table, struct bytes key, struct bytes record, struct buf *out, struct error *err)
{
	if (derive(table, key, record, out, err))
		return -1;
	return out->failed ? err_set(err, ERR_INTERNAL, "no memory for the index entries of a record") : 0;
}

bool index_next(struct bytes *entries, enum store_index *index, struct bytes *index_key)
{
	struct reader r = reader_of(*entries);
	*index = (enum store_index)reader_u8(&r);
	*index_key = reader_take(&r, reader_u16(&r));
	if (r.failed)
		return false;
	*entries = BYTES(r.at, r.left);
	return true;
}

bool index_contains(struct bytes entries, enum store_index index, struct bytes index_key)
{
	enum store_index other;
	struct bytes other_key;
	while (index_next(&entries, &other, &other_key))
		if (other == index && bytes_equal(other_key, index_key))
			return true;
	return false;
}

enum store_table index_table(enum store_index index)
{
	switch (index) {
	case STORE_BY_FINGERPRINT:
		return STORE_IDENTITIES;
	case STORE_BY_EXPIRY:
		return STORE_REQUESTS;
	case STORE_BY_ORDERED:
	case STORE_BY_STATUS:
	case STORE_BY_DUE:
	case STORE_BY_SERIAL:
		return STORE_ORDERS;
	case STORE_BY_DELIVERY:
		return STORE_DELIVERIES;
	case STORE_BY_LAPSE:
		return STORE_AUTHORIZATIONS;
	default:
		return STORE_CERTIFICATES;
	}
}

const char *store_index_name(enum store_index index)
{
	static const char *const names[STORE_INDEX_COUNT] = {
		[STORE_BY_NAME] = "by-name",
		[STORE_BY_SPKI] = "by-spki",
		[STORE_BY_NOT_AFTER] = "by-not-after",
		[STORE_BY_ISSUED] = "by-issued",
		[STORE_BY_REVOCATION] = "by-revocation",
		[STORE_BY_REQUESTER] = "by-requester",
		[STORE_BY_FINGERPRINT] = "by-fingerprint",
		[STORE_BY_EXPIRY] = "by-expiry",
		[STORE_BY_ORDERED] = "by-ordered",
		[STORE_BY_STATUS] = "by-status",
		[STORE_BY_DUE] = "by-due",
		[STORE_BY_SERIAL] = "by-serial",
		[STORE_BY_DELIVERY] = "by-delivery",
		[STORE_BY_LAPSE] = "by-lapse",
	};
	return (size_t)index < STORE_INDEX_COUNT ? names[index] : "?";
}

const char *store_table_name(enum store_table table)
{
	static const char *const names[STORE_TABLE_COUNT] = {
		[STORE_CERTIFICATES] = "certificates",
		[STORE_IDENTITIES] = "identities",
		[STORE_APITOKENS] = "apitokens",
		[STORE_REQUESTS] = "requests",
		[STORE_CRLS] = "crls",
		[STORE_BLOCKED] = "blocked",
		[STORE_UNFINISHED] = "unfinished",
		[STORE_HEADS] = "heads",
		[STORE_META] = "meta",
		[STORE_ORDERS] = "orders",
		[STORE_AUTHORIZATIONS] = "authorizations",
		[STORE_ORGANIZATIONS] = "organizations",
		[STORE_ORGANIZATION_VERSIONS] = "organization-versions",
		[STORE_STATEMENTS] = "statements",
		[STORE_DELIVERIES] = "deliveries",
	};
	return (size_t)table < STORE_TABLE_COUNT ? names[table] : "?";
}
