/* Messages about certificates: issuing, the inventory, a change of status. */
#include "ca-core/message_codec.h"

#define IDEMPOTENCY_KEY_MAX 128

/* ---- issuing ---- */

void message_issue_write(const struct message_issue *m, struct buf *out)
{
	buf_u64(out, m->session);
	codec_field(out, m->profile, CODEC_NAME_MAX);
	buf_u32(out, m->days);
	codec_field(out, m->common_name, CODEC_COMMON_NAME_MAX);
	codec_list(out, m->names, m->name_count, MESSAGE_NAMES_MAX, MESSAGE_TEXT_MAX);
	codec_field(out, m->spki, CODEC_SPKI_MAX);
	buf_add(out, m->csr_hash, sizeof(m->csr_hash));
	codec_field(out, m->asked_subject, CODEC_SUBJECT_MAX);
	codec_list(out, m->not_copied, m->not_copied_count, MESSAGE_NOT_COPIED_MAX, MESSAGE_TEXT_MAX);
	codec_field(out, m->idempotency_key, IDEMPOTENCY_KEY_MAX);
	codec_time(out, m->deadline_ms);
	codec_bool(out, m->dry_run);
}

int message_issue_read(struct bytes in, struct message_issue *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->session = reader_u64(&r);
	m->profile = reader_field(&r, CODEC_NAME_MAX);
	m->days = reader_u32(&r);
	m->common_name = reader_field(&r, CODEC_COMMON_NAME_MAX);
	m->name_count = codec_read_list(&r, m->names, MESSAGE_NAMES_MAX, MESSAGE_TEXT_MAX);
	m->spki = reader_field(&r, CODEC_SPKI_MAX);
	reader_copy(&r, m->csr_hash, sizeof(m->csr_hash));
	m->asked_subject = reader_field(&r, CODEC_SUBJECT_MAX);
	m->not_copied_count = codec_read_list(&r, m->not_copied, MESSAGE_NOT_COPIED_MAX, MESSAGE_TEXT_MAX);
	m->idempotency_key = reader_field(&r, IDEMPOTENCY_KEY_MAX);
	m->deadline_ms = codec_read_time(&r);
	m->dry_run = codec_read_bool(&r);
	return codec_done(&r, "issue", err);
}

struct bytes message_issue_profile(struct bytes in)
{
	struct reader r = reader_of(in);
	(void)reader_u64(&r);
	struct bytes profile = reader_field(&r, CODEC_NAME_MAX);
	return r.failed ? BYTES_NONE : profile;
}

void message_issued_write(const struct message_issued *m, struct buf *out)
{
	codec_field(out, m->issuer, CODEC_NAME_MAX);
	codec_field(out, m->serial, CODEC_SERIAL_MAX);
	codec_field(out, m->certificate, CODEC_CERTIFICATE_MAX);
	codec_bool(out, m->again);
}

int message_issued_read(struct bytes in, struct message_issued *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->issuer = reader_field(&r, CODEC_NAME_MAX);
	m->serial = reader_field(&r, CODEC_SERIAL_MAX);
	m->certificate = reader_field(&r, CODEC_CERTIFICATE_MAX);
	m->again = codec_read_bool(&r);
	return codec_done(&r, "issued", err);
}

void message_front_certificate_write(const struct message_front_certificate *m, struct buf *out)
{
	codec_field(out, m->spki, CODEC_SPKI_MAX);
}

int message_front_certificate_read(struct bytes in, struct message_front_certificate *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->spki = reader_field(&r, CODEC_SPKI_MAX);
	return codec_done(&r, "front-certificate", err);
}

/* ---- the inventory ---- */

void message_certificate_get_write(const struct message_certificate_get *m, struct buf *out)
{
	buf_u64(out, m->session);
	codec_field(out, m->serial, CODEC_SERIAL_MAX);
}

int message_certificate_get_read(struct bytes in, struct message_certificate_get *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->session = reader_u64(&r);
	m->serial = reader_field(&r, CODEC_SERIAL_MAX);
	return codec_done(&r, "certificate-get", err);
}

void message_certificate_write(const struct message_certificate *m, struct buf *out)
{
	codec_field(out, m->issuer, CODEC_NAME_MAX);
	codec_field(out, m->serial, CODEC_SERIAL_MAX);
	codec_field(out, m->profile, CODEC_NAME_MAX);
	codec_field(out, m->requester, CODEC_NAME_MAX);
	codec_field(out, m->subject, CODEC_SUBJECT_MAX);
	codec_field(out, m->order, CODEC_NAME_MAX);
	codec_time(out, m->not_before_s);
	codec_time(out, m->not_after_s);
	codec_time(out, m->issued_ms);
	codec_time(out, m->revoked_ms);
	codec_time(out, m->invalidity_s);
	buf_u8(out, m->status);
	buf_u8(out, m->reason);
	codec_bool(out, m->no_revocation);
	codec_list(out, m->names, m->name_count, MESSAGE_NAMES_MAX, MESSAGE_TEXT_MAX);
	codec_field(out, m->certificate, CODEC_CERTIFICATE_MAX);
}

int message_certificate_read(struct bytes in, struct message_certificate *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->issuer = reader_field(&r, CODEC_NAME_MAX);
	m->serial = reader_field(&r, CODEC_SERIAL_MAX);
	m->profile = reader_field(&r, CODEC_NAME_MAX);
	m->requester = reader_field(&r, CODEC_NAME_MAX);
	m->subject = reader_field(&r, CODEC_SUBJECT_MAX);
	m->order = reader_field(&r, CODEC_NAME_MAX);
	m->not_before_s = codec_read_time(&r);
	m->not_after_s = codec_read_time(&r);
	m->issued_ms = codec_read_time(&r);
	m->revoked_ms = codec_read_time(&r);
	m->invalidity_s = codec_read_time(&r);
	m->status = reader_u8(&r);
	m->reason = reader_u8(&r);
	m->no_revocation = codec_read_bool(&r);
	m->name_count = codec_read_list(&r, m->names, MESSAGE_NAMES_MAX, MESSAGE_TEXT_MAX);
	m->certificate = reader_field(&r, CODEC_CERTIFICATE_MAX);
	return codec_done(&r, "certificate", err);
}

void message_certificate_list_write(const struct message_certificate_list *m, struct buf *out)
{
	buf_u64(out, m->session);
	codec_field(out, m->name, MESSAGE_TEXT_MAX);
	codec_field(out, m->profile, CODEC_NAME_MAX);
	codec_field(out, m->issuer, CODEC_NAME_MAX);
	buf_u8(out, m->status);
	codec_time(out, m->expiring_before_s);
	codec_field(out, m->cursor, CODEC_CURSOR_MAX);
	buf_u32(out, m->limit);
}

int message_certificate_list_read(struct bytes in, struct message_certificate_list *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->session = reader_u64(&r);
	m->name = reader_field(&r, MESSAGE_TEXT_MAX);
	m->profile = reader_field(&r, CODEC_NAME_MAX);
	m->issuer = reader_field(&r, CODEC_NAME_MAX);
	m->status = reader_u8(&r);
	m->expiring_before_s = codec_read_time(&r);
	m->cursor = reader_field(&r, CODEC_CURSOR_MAX);
	m->limit = reader_u32(&r);
	if (m->limit == 0 || m->limit > MESSAGE_ROWS_MAX)
		r.failed = true;
	return codec_done(&r, "certificate-list", err);
}

void message_certificates_write(const struct message_certificates *m, struct buf *out)
{
	codec_list(out, m->rows, m->count, MESSAGE_ROWS_MAX, CODEC_CERTIFICATE_MAX);
	codec_field(out, m->next, CODEC_CURSOR_MAX);
}

int message_certificates_read(struct bytes in, struct message_certificates *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->count = codec_read_list(&r, m->rows, MESSAGE_ROWS_MAX, CODEC_CERTIFICATE_MAX);
	m->next = reader_field(&r, CODEC_CURSOR_MAX);
	return codec_done(&r, "certificates", err);
}

/* ---- a change of status ---- */

void message_status_change_write(const struct message_status_change *m, struct buf *out)
{
	buf_u64(out, m->session);
	codec_field(out, m->serial, CODEC_SERIAL_MAX);
	buf_u8(out, m->action);
	buf_u8(out, m->reason);
	codec_time(out, m->invalidity_s);
	codec_bool(out, m->same_key_too);
}

int message_status_change_read(struct bytes in, struct message_status_change *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->session = reader_u64(&r);
	m->serial = reader_field(&r, CODEC_SERIAL_MAX);
	m->action = reader_u8(&r);
	m->reason = reader_u8(&r);
	m->invalidity_s = codec_read_time(&r);
	m->same_key_too = codec_read_bool(&r);
	if (m->action < MESSAGE_REVOKE || m->action > MESSAGE_UNHOLD)
		r.failed = true;
	return codec_done(&r, "status-change", err);
}

void message_status_changed_write(const struct message_status_changed *m, struct buf *out)
{
	codec_field(out, m->crl_url, MESSAGE_TEXT_MAX);
	codec_time(out, m->crl_from_s);
	buf_u64(out, m->crl_number);
	codec_bool(out, m->no_revocation);
	codec_list(out, m->same_key, m->same_key_count, MESSAGE_SAME_KEY_MAX, CODEC_SERIAL_MAX);
}

int message_status_changed_read(struct bytes in, struct message_status_changed *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->crl_url = reader_field(&r, MESSAGE_TEXT_MAX);
	m->crl_from_s = codec_read_time(&r);
	m->crl_number = reader_u64(&r);
	m->no_revocation = codec_read_bool(&r);
	m->same_key_count = codec_read_list(&r, m->same_key, MESSAGE_SAME_KEY_MAX, CODEC_SERIAL_MAX);
	return codec_done(&r, "status-changed", err);
}
