/* Messages for who looks after the CA: audit, CRLs, health, identities, API tokens, keys. */
#include "ca-core/message_codec.h"

#include "base/secret.h"

#define ENTRY_MAX 16384 /* of the audit: CA_AUDIT_ENTRY_MAX */
#define COUNTER_MAX 512
#define NOTE_MAX 512

/* ---- audit ---- */

void message_audit_list_write(const struct message_audit_list *m, struct buf *out)
{
	buf_u64(out, m->session);
	buf_u64(out, m->after);
	buf_u32(out, m->limit);
}

int message_audit_list_read(struct bytes in, struct message_audit_list *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->session = reader_u64(&r);
	m->after = reader_u64(&r);
	m->limit = reader_u32(&r);
	if (m->limit == 0 || m->limit > MESSAGE_ROWS_MAX)
		r.failed = true;
	return codec_done(&r, "audit-list", err);
}

void message_audit_entries_write(const struct message_audit_entries *m, struct buf *out)
{
	codec_count(out, m->count, MESSAGE_ROWS_MAX);
	for (uint32_t i = 0; i < m->count && !out->failed; i++) {
		buf_u64(out, m->rows[i].sequence);
		buf_add(out, m->rows[i].hash, sizeof(m->rows[i].hash));
		codec_field(out, m->rows[i].entry, ENTRY_MAX);
	}
	codec_bool(out, m->more);
}

int message_audit_entries_read(struct bytes in, struct message_audit_entries *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->count = codec_read_count(&r, MESSAGE_ROWS_MAX);
	for (uint32_t i = 0; i < m->count && !r.failed; i++) {
		m->rows[i].sequence = reader_u64(&r);
		reader_copy(&r, m->rows[i].hash, sizeof(m->rows[i].hash));
		m->rows[i].entry = reader_field(&r, ENTRY_MAX);
	}
	m->more = codec_read_bool(&r);
	return codec_done(&r, "audit-entries", err);
}

/* ---- CRLs ---- */

void message_crl_now_write(const struct message_crl_now *m, struct buf *out)
{
	buf_u64(out, m->session);
	codec_field(out, m->issuer, CODEC_NAME_MAX);
}

int message_crl_now_read(struct bytes in, struct message_crl_now *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->session = reader_u64(&r);
	m->issuer = reader_field(&r, CODEC_NAME_MAX);
	return codec_done(&r, "crl-now", err);
}

void message_crl_made_write(const struct message_crl_made *m, struct buf *out)
{
	buf_u64(out, m->number);
	buf_u64(out, m->entries);
	codec_time(out, m->this_update_s);
	codec_time(out, m->next_update_s);
}

int message_crl_made_read(struct bytes in, struct message_crl_made *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->number = reader_u64(&r);
	m->entries = reader_u64(&r);
	m->this_update_s = codec_read_time(&r);
	m->next_update_s = codec_read_time(&r);
	return codec_done(&r, "crl-made", err);
}

/* ---- health ---- */

void message_health_write(const struct message_health *m, struct buf *out)
{
	codec_bool(out, m->ready);
	codec_count(out, m->token_count, MESSAGE_TOKENS_MAX);
	for (uint32_t i = 0; i < m->token_count && !out->failed; i++) {
		codec_field(out, m->tokens[i].name, CODEC_NAME_MAX);
		codec_field(out, m->tokens[i].state, CODEC_NAME_MAX);
		codec_field(out, m->tokens[i].why, MESSAGE_TEXT_MAX);
		codec_time(out, m->tokens[i].since_s);
		buf_u64(out, m->tokens[i].signatures);
	}
	codec_field(out, m->store_state, CODEC_NAME_MAX);
	buf_u64(out, m->certificates);
	codec_list(out, m->warnings, m->warning_count, MESSAGE_WARNINGS_MAX, MESSAGE_TEXT_MAX);
	codec_count(out, m->counter_count, MESSAGE_COUNTERS_MAX);
	for (uint32_t i = 0; i < m->counter_count && !out->failed; i++) {
		codec_field(out, m->counters[i].name, COUNTER_MAX);
		buf_u64(out, m->counters[i].value);
	}
}

int message_health_read(struct bytes in, struct message_health *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->ready = codec_read_bool(&r);
	m->token_count = codec_read_count(&r, MESSAGE_TOKENS_MAX);
	for (uint32_t i = 0; i < m->token_count && !r.failed; i++) {
		m->tokens[i].name = reader_field(&r, CODEC_NAME_MAX);
		m->tokens[i].state = reader_field(&r, CODEC_NAME_MAX);
		m->tokens[i].why = reader_field(&r, MESSAGE_TEXT_MAX);
		m->tokens[i].since_s = codec_read_time(&r);
		m->tokens[i].signatures = reader_u64(&r);
	}
	m->store_state = reader_field(&r, CODEC_NAME_MAX);
	m->certificates = reader_u64(&r);
	m->warning_count = codec_read_list(&r, m->warnings, MESSAGE_WARNINGS_MAX, MESSAGE_TEXT_MAX);
	m->counter_count = codec_read_count(&r, MESSAGE_COUNTERS_MAX);
	for (uint32_t i = 0; i < m->counter_count && !r.failed; i++) {
		m->counters[i].name = reader_field(&r, COUNTER_MAX);
		m->counters[i].value = reader_u64(&r);
	}
	return codec_done(&r, "health", err);
}

/* ---- what a ceremony made ---- */

#define CLOSING_SIZE 32

void message_import_write(const struct message_import *m, struct buf *out)
{
	codec_field(out, m->title, CODEC_NAME_MAX);
	codec_field(out, m->closing, CLOSING_SIZE);
	codec_bool(out, m->anchored);
	codec_count(out, m->count, MESSAGE_IMPORTS_MAX);
	for (uint32_t i = 0; i < m->count && !out->failed; i++) {
		codec_choice(out, m->items[i].kind, MESSAGE_IMPORT_MADE, MESSAGE_IMPORT_LIST);
		codec_field(out, m->items[i].name, CODEC_NAME_MAX);
		codec_field(out, m->items[i].der, CODEC_CERTIFICATE_MAX);
	}
}

int message_import_read(struct bytes in, struct message_import *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->title = reader_field(&r, CODEC_NAME_MAX);
	m->closing = reader_field(&r, CLOSING_SIZE);
	if (m->closing.len && m->closing.len != CLOSING_SIZE)
		r.failed = true;
	m->anchored = codec_read_bool(&r);
	m->count = codec_read_count(&r, MESSAGE_IMPORTS_MAX);
	for (uint32_t i = 0; i < m->count && !r.failed; i++) {
		m->items[i].kind = codec_read_choice(&r, MESSAGE_IMPORT_MADE, MESSAGE_IMPORT_LIST);
		m->items[i].name = reader_field(&r, CODEC_NAME_MAX);
		m->items[i].der = reader_field(&r, CODEC_CERTIFICATE_MAX);
	}
	return codec_done(&r, "import", err);
}

void message_imported_write(const struct message_imported *m, struct buf *out)
{
	codec_count(out, m->count, MESSAGE_IMPORTS_MAX);
	for (uint32_t i = 0; i < m->count && !out->failed; i++) {
		codec_choice(out, m->rows[i].result, MESSAGE_IMPORTED_ISSUER, MESSAGE_IMPORTED_LEFT);
		codec_field(out, m->rows[i].issuer, CODEC_NAME_MAX);
		codec_field(out, m->rows[i].why, MESSAGE_TEXT_MAX);
	}
}

int message_imported_read(struct bytes in, struct message_imported *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->count = codec_read_count(&r, MESSAGE_IMPORTS_MAX);
	for (uint32_t i = 0; i < m->count && !r.failed; i++) {
		m->rows[i].result = codec_read_choice(&r, MESSAGE_IMPORTED_ISSUER, MESSAGE_IMPORTED_LEFT);
		m->rows[i].issuer = reader_field(&r, CODEC_NAME_MAX);
		m->rows[i].why = reader_field(&r, MESSAGE_TEXT_MAX);
	}
	return codec_done(&r, "imported", err);
}

/* ---- another PIN ---- */

void message_token_pin_write(const struct message_token_pin *m, struct buf *out)
{
	codec_field(out, m->name, CODEC_NAME_MAX);
	codec_field(out, m->pin, SECRET_MAX);
}

int message_token_pin_read(struct bytes in, struct message_token_pin *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->name = reader_field(&r, CODEC_NAME_MAX);
	m->pin = reader_field(&r, SECRET_MAX);
	if (m->name.len == 0 || m->pin.len == 0)
		r.failed = true;
	return codec_done(&r, "token-pin", err);
}

/* ---- identities ---- */

void message_identity_add_write(const struct message_identity_add *m, struct buf *out)
{
	codec_field(out, m->name, CODEC_NAME_MAX);
	buf_u8(out, m->roles);
	codec_field(out, m->profile, CODEC_NAME_MAX);
	buf_u32(out, m->days);
	codec_field(out, m->spki, CODEC_SPKI_MAX);
	codec_bool(out, m->force);
}

int message_identity_add_read(struct bytes in, struct message_identity_add *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->name = reader_field(&r, CODEC_NAME_MAX);
	m->roles = reader_u8(&r);
	m->profile = reader_field(&r, CODEC_NAME_MAX);
	m->days = reader_u32(&r);
	m->spki = reader_field(&r, CODEC_SPKI_MAX);
	m->force = codec_read_bool(&r);
	return codec_done(&r, "identity-add", err);
}

static void write_identity(const struct message_identity *m, struct buf *out)
{
	codec_field(out, m->name, CODEC_NAME_MAX);
	buf_u8(out, m->roles);
	codec_bool(out, m->removed);
	codec_time(out, m->created_ms);
	codec_time(out, m->changed_ms);
	codec_list(out, m->serials, m->serial_count, MESSAGE_IDENTITY_SERIALS_MAX, CODEC_SERIAL_MAX);
	codec_time(out, m->expires_s);
}

static void read_identity(struct reader *r, struct message_identity *m)
{
	m->name = reader_field(r, CODEC_NAME_MAX);
	m->roles = reader_u8(r);
	m->removed = codec_read_bool(r);
	m->created_ms = codec_read_time(r);
	m->changed_ms = codec_read_time(r);
	m->serial_count = codec_read_list(r, m->serials, MESSAGE_IDENTITY_SERIALS_MAX, CODEC_SERIAL_MAX);
	m->expires_s = codec_read_time(r);
}

void message_identities_write(const struct message_identities *m, struct buf *out)
{
	codec_count(out, m->count, MESSAGE_ROWS_MAX);
	for (uint32_t i = 0; i < m->count && !out->failed; i++)
		write_identity(&m->rows[i], out);
}

int message_identities_read(struct bytes in, struct message_identities *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->count = codec_read_count(&r, MESSAGE_ROWS_MAX);
	for (uint32_t i = 0; i < m->count && !r.failed; i++)
		read_identity(&r, &m->rows[i]);
	return codec_done(&r, "identities", err);
}

/* ---- API tokens ---- */

static void write_apitoken(const struct message_apitoken *m, struct buf *out)
{
	codec_field(out, m->id, CODEC_NAME_MAX);
	codec_field(out, m->identity, CODEC_NAME_MAX);
	codec_field(out, m->profiles, MESSAGE_TEXT_MAX);
	buf_add(out, m->hash, sizeof(m->hash));
	codec_bool(out, m->may_request);
	codec_bool(out, m->may_read);
	codec_bool(out, m->removed);
	codec_time(out, m->created_ms);
	codec_time(out, m->expires_s);
}

static void read_apitoken(struct reader *r, struct message_apitoken *m)
{
	m->id = reader_field(r, CODEC_NAME_MAX);
	m->identity = reader_field(r, CODEC_NAME_MAX);
	m->profiles = reader_field(r, MESSAGE_TEXT_MAX);
	reader_copy(r, m->hash, sizeof(m->hash));
	m->may_request = codec_read_bool(r);
	m->may_read = codec_read_bool(r);
	m->removed = codec_read_bool(r);
	m->created_ms = codec_read_time(r);
	m->expires_s = codec_read_time(r);
}

void message_apitoken_write(const struct message_apitoken *m, struct buf *out)
{
	write_apitoken(m, out);
}

int message_apitoken_read(struct bytes in, struct message_apitoken *m, struct error *err)
{
	struct reader r = reader_of(in);
	read_apitoken(&r, m);
	return codec_done(&r, "apitoken", err);
}

void message_apitokens_write(const struct message_apitokens *m, struct buf *out)
{
	codec_count(out, m->count, MESSAGE_ROWS_MAX);
	for (uint32_t i = 0; i < m->count && !out->failed; i++)
		write_apitoken(&m->rows[i], out);
}

int message_apitokens_read(struct bytes in, struct message_apitokens *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->count = codec_read_count(&r, MESSAGE_ROWS_MAX);
	for (uint32_t i = 0; i < m->count && !r.failed; i++)
		read_apitoken(&r, &m->rows[i]);
	return codec_done(&r, "apitokens", err);
}

/* ---- the key block list ---- */

void message_block_write(const struct message_block *m, struct buf *out)
{
	buf_add(out, m->spki_hash, sizeof(m->spki_hash));
	codec_field(out, m->note, NOTE_MAX);
}

int message_block_read(struct bytes in, struct message_block *m, struct error *err)
{
	struct reader r = reader_of(in);
	reader_copy(&r, m->spki_hash, sizeof(m->spki_hash));
	m->note = reader_field(&r, NOTE_MAX);
	return codec_done(&r, "key-block", err);
}
