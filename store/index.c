#include "store/private.h"

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
	if (index == STORE_BY_FINGERPRINT)
		return STORE_IDENTITIES;
	return index == STORE_BY_EXPIRY ? STORE_REQUESTS : STORE_CERTIFICATES;
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
	};
	return (size_t)table < STORE_TABLE_COUNT ? names[table] : "?";
}
