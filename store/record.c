#include "store/record_private.h"

/* Longest of each field; what is longer is neither written nor read. */
#define PROFILES_MAX ((size_t)8192)
#define NOTE_MAX ((size_t)4096)
#define CRL_MAX (((size_t)256 << 20) - 4096)
#define HEAD_TEXT_MAX ((size_t)64 << 10)

/* ---- the rules that hold for what is written and for what is read ---- */

static bool is_reason(enum record_reason reason)
{
	return record_reason_name(reason) != NULL;
}

/* Reason and times say the same as the status. */
static bool is_coherent_status(const struct record_certificate *r)
{
	switch (r->status) {
	case RECORD_VALID:
		return r->reason == REASON_UNSPECIFIED && r->revoked_ms == 0 && r->invalidity_s == 0;
	case RECORD_HELD:
		return r->reason == REASON_CERTIFICATE_HOLD && r->revoked_ms > 0;
	case RECORD_REVOKED:
		return r->reason != REASON_CERTIFICATE_HOLD && is_reason(r->reason) && r->revoked_ms > 0;
	}
	return false;
}

static bool is_certificate(const struct record_certificate *r)
{
	if (!record_is_name(r->issuer) || !record_is_serial(r->serial) || !record_is_name(r->profile) ||
	    !record_is_requester(r->requester) || !record_is_name_or_none(r->order))
		return false;
	if (r->der.len == 0 || r->der.len > CERTIFICATE_MAX || r->subject.len > SUBJECT_MAX ||
	    r->name_count > RECORD_NAMES_MAX)
		return false;
	for (size_t i = 0; i < r->name_count; i++)
		if (r->names[i].len == 0 || r->names[i].len > NAME_TEXT_MAX)
			return false;
	return r->issued_ms >= 0 && r->not_before_s >= 0 && r->not_after_s >= 0 && r->invalidity_s >= 0 &&
	       is_coherent_status(r);
}

static bool is_identity(const struct record_identity *r)
{
	return record_is_name(r->name) && r->roles <= (ROLE_REQUESTER | ROLE_OFFICER | ROLE_AUDITOR | ROLE_ADMIN) &&
	       r->created_ms >= 0 && r->changed_ms >= 0 && r->fingerprint_count <= RECORD_FINGERPRINTS_MAX;
}

static bool is_apitoken(const struct record_apitoken *r)
{
	return record_is_name(r->id) && record_is_name(r->identity) && r->profiles.len <= PROFILES_MAX &&
	       r->created_ms >= 0 && r->expires_s >= 0;
}

static bool is_request(const struct record_request *r)
{
	bool certificate = record_is_name(r->issuer) && record_is_serial(r->serial) && r->order.len == 0;
	bool order = r->issuer.len == 0 && r->serial.len == 0 && record_is_id(r->order);
	return (certificate || order) && r->expires_s >= 0;
}

static bool is_crl(const struct record_crl *r)
{
	return record_is_name(r->issuer) && r->der.len > 0 && r->der.len <= CRL_MAX && r->this_update_s >= 0 &&
	       r->next_update_s >= 0;
}

static bool is_blocked(const struct record_blocked *r)
{
	return is_reason(r->reason) && r->since_ms >= 0 && r->note.len <= NOTE_MAX;
}

static bool is_unfinished(const struct record_unfinished *r)
{
	return record_is_name_or_none(r->issuer) && r->found_ms >= 0 && r->revoked_ms >= 0 &&
	       !(r->void_ && r->revoked_ms);
}

static bool is_head(const struct record_head *r)
{
	return r->sequence > 0 && r->time_ms >= 0 && r->text.len > 0 && r->text.len <= HEAD_TEXT_MAX &&
	       r->signature.len > 0 && r->signature.len <= SIGNATURE_MAX;
}

/* ---- small parts ---- */

static enum record_reason read_reason(struct reader *r)
{
	uint8_t v = reader_u8(r);
	if (!is_reason((enum record_reason)v))
		r->failed = true;
	return (enum record_reason)v;
}

/* ---- reasons ---- */

static const char *const reasons[] = {
	[REASON_UNSPECIFIED] = "unspecified",
	[REASON_KEY_COMPROMISE] = "keyCompromise",
	[REASON_CA_COMPROMISE] = "cACompromise",
	[REASON_AFFILIATION_CHANGED] = "affiliationChanged",
	[REASON_SUPERSEDED] = "superseded",
	[REASON_CESSATION_OF_OPERATION] = "cessationOfOperation",
	[REASON_CERTIFICATE_HOLD] = "certificateHold",
	[REASON_PRIVILEGE_WITHDRAWN] = "privilegeWithdrawn",
	[REASON_AA_COMPROMISE] = "aACompromise",
};
#define REASON_COUNT (sizeof(reasons) / sizeof(reasons[0]))

const char *record_reason_name(enum record_reason reason)
{
	return (size_t)reason < REASON_COUNT ? reasons[reason] : NULL;
}

int record_reason_parse(struct bytes name, enum record_reason *reason, struct error *err)
{
	for (size_t i = 0; i < REASON_COUNT; i++) {
		if (!reasons[i] || !bytes_are(name, reasons[i]))
			continue;
		*reason = (enum record_reason)i;
		return 0;
	}
	char shown[64];
	size_t len = name.len < sizeof(shown) - 1 ? name.len : sizeof(shown) - 1;
	if (len)
		memcpy(shown, name.data, len);
	shown[len] = '\0';
	(void)err_set(err, ERR_BAD_REQUEST, "there is no such reason for a revocation");
	return err_about(err, "reason", shown,
			 "unspecified, keyCompromise, cACompromise, affiliationChanged, superseded, "
			 "cessationOfOperation, certificateHold, privilegeWithdrawn, aACompromise");
}

/* ---- each record, writer and reader side by side ---- */

void record_certificate_encode(const struct record_certificate *r, struct buf *out)
{
	record_begin(out, is_certificate(r));
	if (out->failed)
		return;
	buf_field(out, r->issuer);
	buf_field(out, r->serial);
	buf_field(out, r->der);
	buf_field(out, r->profile);
	buf_field(out, r->requester);
	buf_field(out, r->subject);
	buf_field(out, r->order);
	buf_add(out, r->spki_hash, sizeof(r->spki_hash));
	record_add_time(out, r->issued_ms);
	record_add_time(out, r->not_before_s);
	record_add_time(out, r->not_after_s);
	buf_u8(out, r->no_revocation);
	buf_u8(out, (uint8_t)r->status);
	buf_u8(out, (uint8_t)r->reason);
	record_add_time(out, r->revoked_ms);
	record_add_time(out, r->invalidity_s);
	buf_u16(out, (uint16_t)r->name_count);
	for (size_t i = 0; i < r->name_count; i++)
		buf_field(out, r->names[i]);
}

int record_certificate_decode(struct bytes in, struct record_certificate *r, struct error *err)
{
	struct reader reader = record_begin_reading(in);
	r->issuer = reader_field(&reader, RECORD_NAME_MAX);
	r->serial = reader_field(&reader, SERIAL_MAX);
	r->der = reader_field(&reader, CERTIFICATE_MAX);
	r->profile = reader_field(&reader, RECORD_NAME_MAX);
	r->requester = reader_field(&reader, REQUESTER_MAX);
	r->subject = reader_field(&reader, SUBJECT_MAX);
	r->order = reader_field(&reader, RECORD_NAME_MAX);
	reader_copy(&reader, r->spki_hash, sizeof(r->spki_hash));
	r->issued_ms = record_read_time(&reader);
	r->not_before_s = record_read_time(&reader);
	r->not_after_s = record_read_time(&reader);
	r->no_revocation = record_read_bool(&reader);
	r->status = (enum record_status)reader_u8(&reader);
	r->reason = read_reason(&reader);
	r->revoked_ms = record_read_time(&reader);
	r->invalidity_s = record_read_time(&reader);
	r->name_count = record_read_count(&reader, RECORD_NAMES_MAX);
	for (size_t i = 0; i < r->name_count; i++)
		r->names[i] = reader_field(&reader, NAME_TEXT_MAX);
	return record_finish(&reader, is_certificate(r), "certificate", err);
}

void record_identity_encode(const struct record_identity *r, struct buf *out)
{
	record_begin(out, is_identity(r));
	if (out->failed)
		return;
	buf_field(out, r->name);
	buf_u8(out, r->roles);
	buf_u8(out, r->removed);
	record_add_time(out, r->created_ms);
	record_add_time(out, r->changed_ms);
	buf_u8(out, (uint8_t)r->fingerprint_count);
	for (size_t i = 0; i < r->fingerprint_count; i++)
		buf_add(out, r->fingerprints[i], sizeof(r->fingerprints[i]));
}

int record_identity_decode(struct bytes in, struct record_identity *r, struct error *err)
{
	struct reader reader = record_begin_reading(in);
	r->name = reader_field(&reader, RECORD_NAME_MAX);
	r->roles = reader_u8(&reader);
	r->removed = record_read_bool(&reader);
	r->created_ms = record_read_time(&reader);
	r->changed_ms = record_read_time(&reader);
	r->fingerprint_count = reader_u8(&reader);
	if (r->fingerprint_count > RECORD_FINGERPRINTS_MAX) {
		reader.failed = true;
		r->fingerprint_count = 0;
	}
	for (size_t i = 0; i < r->fingerprint_count; i++)
		reader_copy(&reader, r->fingerprints[i], sizeof(r->fingerprints[i]));
	return record_finish(&reader, is_identity(r), "identity", err);
}

void record_apitoken_encode(const struct record_apitoken *r, struct buf *out)
{
	record_begin(out, is_apitoken(r));
	if (out->failed)
		return;
	buf_field(out, r->id);
	buf_field(out, r->identity);
	buf_u8(out, r->may_request);
	buf_u8(out, r->may_read);
	buf_u8(out, r->removed);
	buf_field(out, r->profiles);
	record_add_time(out, r->created_ms);
	record_add_time(out, r->expires_s);
}

int record_apitoken_decode(struct bytes in, struct record_apitoken *r, struct error *err)
{
	struct reader reader = record_begin_reading(in);
	r->id = reader_field(&reader, RECORD_NAME_MAX);
	r->identity = reader_field(&reader, RECORD_NAME_MAX);
	r->may_request = record_read_bool(&reader);
	r->may_read = record_read_bool(&reader);
	r->removed = record_read_bool(&reader);
	r->profiles = reader_field(&reader, PROFILES_MAX);
	r->created_ms = record_read_time(&reader);
	r->expires_s = record_read_time(&reader);
	return record_finish(&reader, is_apitoken(r), "API token", err);
}

void record_request_encode(const struct record_request *r, struct buf *out)
{
	record_begin(out, is_request(r));
	if (out->failed)
		return;
	buf_add(out, r->fingerprint, sizeof(r->fingerprint));
	buf_field(out, r->issuer);
	buf_field(out, r->issuer.len ? r->serial : r->order);
	record_add_time(out, r->expires_s);
}

int record_request_decode(struct bytes in, struct record_request *r, struct error *err)
{
	struct reader reader = record_begin_reading(in);
	reader_copy(&reader, r->fingerprint, sizeof(r->fingerprint));
	r->issuer = reader_field(&reader, RECORD_NAME_MAX);
	r->serial = r->order = BYTES_NONE;
	if (r->issuer.len)
		r->serial = reader_field(&reader, SERIAL_MAX);
	else
		r->order = reader_field(&reader, RECORD_ID_MAX);
	r->expires_s = record_read_time(&reader);
	return record_finish(&reader, is_request(r), "request", err);
}

void record_crl_encode(const struct record_crl *r, struct buf *out)
{
	record_begin(out, is_crl(r));
	if (out->failed)
		return;
	buf_field(out, r->issuer);
	buf_field(out, r->der);
	buf_u64(out, r->number);
	record_add_time(out, r->this_update_s);
	record_add_time(out, r->next_update_s);
	buf_u64(out, r->entries);
}

int record_crl_decode(struct bytes in, struct record_crl *r, struct error *err)
{
	struct reader reader = record_begin_reading(in);
	r->issuer = reader_field(&reader, RECORD_NAME_MAX);
	r->der = reader_field(&reader, CRL_MAX);
	r->number = reader_u64(&reader);
	r->this_update_s = record_read_time(&reader);
	r->next_update_s = record_read_time(&reader);
	r->entries = reader_u64(&reader);
	return record_finish(&reader, is_crl(r), "CRL", err);
}

void record_blocked_encode(const struct record_blocked *r, struct buf *out)
{
	record_begin(out, is_blocked(r));
	if (out->failed)
		return;
	buf_u8(out, (uint8_t)r->reason);
	buf_u8(out, r->own);
	record_add_time(out, r->since_ms);
	buf_field(out, r->note);
}

int record_blocked_decode(struct bytes in, struct record_blocked *r, struct error *err)
{
	struct reader reader = record_begin_reading(in);
	r->reason = read_reason(&reader);
	r->own = record_read_bool(&reader);
	r->since_ms = record_read_time(&reader);
	r->note = reader_field(&reader, NOTE_MAX);
	return record_finish(&reader, is_blocked(r), "blocked key", err);
}

void record_unfinished_encode(const struct record_unfinished *r, struct buf *out)
{
	record_begin(out, is_unfinished(r));
	if (out->failed)
		return;
	buf_field(out, r->issuer);
	record_add_time(out, r->found_ms);
	record_add_time(out, r->revoked_ms);
	buf_u8(out, r->void_);
}

int record_unfinished_decode(struct bytes in, struct record_unfinished *r, struct error *err)
{
	struct reader reader = record_begin_reading(in);
	r->issuer = reader_field(&reader, RECORD_NAME_MAX);
	r->found_ms = record_read_time(&reader);
	r->revoked_ms = record_read_time(&reader);
	r->void_ = record_read_bool(&reader);
	return record_finish(&reader, is_unfinished(r), "serial without certificate", err);
}

void record_head_encode(const struct record_head *r, struct buf *out)
{
	record_begin(out, is_head(r));
	if (out->failed)
		return;
	buf_u64(out, r->sequence);
	buf_add(out, r->hash, sizeof(r->hash));
	record_add_time(out, r->time_ms);
	buf_field(out, r->text);
	buf_field(out, r->signature);
}

int record_head_decode(struct bytes in, struct record_head *r, struct error *err)
{
	struct reader reader = record_begin_reading(in);
	r->sequence = reader_u64(&reader);
	reader_copy(&reader, r->hash, sizeof(r->hash));
	r->time_ms = record_read_time(&reader);
	r->text = reader_field(&reader, HEAD_TEXT_MAX);
	r->signature = reader_field(&reader, SIGNATURE_MAX);
	return record_finish(&reader, is_head(r), "signed head", err);
}
