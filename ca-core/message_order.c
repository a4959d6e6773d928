/* Messages about orders: asking, acting, deciding, and what is answered. */
#include "ca-core/message_order.h"

#include "ca-core/message_codec.h"
#include "ca-core/statement.h"

_Static_assert(MESSAGE_STATEMENT_MAX == CA_STATEMENT_MAX, "a whole statement fits");

/* ---- asking for one, changing a draft ---- */

static void contacts_write(const struct message_contact *contacts, uint32_t count, struct buf *out)
{
	codec_count(out, count, MESSAGE_CONTACTS_MAX);
	for (uint32_t i = 0; i < count && !out->failed; i++) {
		codec_field(out, contacts[i].role, CODEC_NAME_MAX);
		codec_field(out, contacts[i].mail, CODEC_NAME_MAX);
	}
}

static uint32_t contacts_read(struct reader *r, struct message_contact *contacts)
{
	uint32_t count = codec_read_count(r, MESSAGE_CONTACTS_MAX);
	for (uint32_t i = 0; i < count && !r->failed; i++) {
		contacts[i].role = reader_field(r, CODEC_NAME_MAX);
		contacts[i].mail = reader_field(r, CODEC_NAME_MAX);
	}
	return count;
}

void message_order_create_write(const struct message_order_create *m, struct buf *out)
{
	buf_u64(out, m->session);
	codec_field(out, m->id, CODEC_NAME_MAX);
	codec_bool(out, m->draft);
	codec_bool(out, m->change_csr);
	codec_field(out, m->profile, CODEC_NAME_MAX);
	codec_field(out, m->organization, CODEC_NAME_MAX);
	buf_u32(out, m->days);
	codec_field(out, m->common_name, CODEC_COMMON_NAME_MAX);
	codec_list(out, m->names, m->name_count, MESSAGE_NAMES_MAX, MESSAGE_TEXT_MAX);
	codec_field(out, m->spki, CODEC_SPKI_MAX);
	buf_add(out, m->csr_hash, sizeof(m->csr_hash));
	codec_field(out, m->asked_subject, CODEC_SUBJECT_MAX);
	codec_list(out, m->not_copied, m->not_copied_count, MESSAGE_NOT_COPIED_MAX, MESSAGE_TEXT_MAX);
	contacts_write(m->contacts, m->contact_count, out);
}

int message_order_create_read(struct bytes in, struct message_order_create *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->session = reader_u64(&r);
	m->id = reader_field(&r, CODEC_NAME_MAX);
	m->draft = codec_read_bool(&r);
	m->change_csr = codec_read_bool(&r);
	m->profile = reader_field(&r, CODEC_NAME_MAX);
	m->organization = reader_field(&r, CODEC_NAME_MAX);
	m->days = reader_u32(&r);
	m->common_name = reader_field(&r, CODEC_COMMON_NAME_MAX);
	m->name_count = codec_read_list(&r, m->names, MESSAGE_NAMES_MAX, MESSAGE_TEXT_MAX);
	m->spki = reader_field(&r, CODEC_SPKI_MAX);
	reader_copy(&r, m->csr_hash, sizeof(m->csr_hash));
	m->asked_subject = reader_field(&r, CODEC_SUBJECT_MAX);
	m->not_copied_count = codec_read_list(&r, m->not_copied, MESSAGE_NOT_COPIED_MAX, MESSAGE_TEXT_MAX);
	m->contact_count = contacts_read(&r, m->contacts);
	return codec_done(&r, "order-create", err);
}

/* ---- acting and deciding ---- */

void message_order_act_write(const struct message_order_act *m, struct buf *out)
{
	buf_u64(out, m->session);
	codec_field(out, m->id, CODEC_NAME_MAX);
	codec_choice(out, m->action, ORDER_ACT_SUBMIT, ORDER_ACT_CONFIRM);
	codec_field(out, m->name, MESSAGE_TEXT_MAX);
	codec_field(out, m->code, CODEC_NAME_MAX);
}

int message_order_act_read(struct bytes in, struct message_order_act *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->session = reader_u64(&r);
	m->id = reader_field(&r, CODEC_NAME_MAX);
	m->action = codec_read_choice(&r, ORDER_ACT_SUBMIT, ORDER_ACT_CONFIRM);
	m->name = reader_field(&r, MESSAGE_TEXT_MAX);
	m->code = reader_field(&r, CODEC_NAME_MAX);
	return codec_done(&r, "order-act", err);
}

void message_decide_write(const struct message_decide *m, struct buf *out)
{
	buf_u64(out, m->session);
	codec_field(out, m->id, CODEC_NAME_MAX);
	codec_field(out, m->statement, MESSAGE_STATEMENT_MAX);
	codec_field(out, m->certificate, MESSAGE_DECIDER_MAX);
	codec_field(out, m->signature, MESSAGE_SIGNATURE_MAX);
}

int message_decide_read(struct bytes in, struct message_decide *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->session = reader_u64(&r);
	m->id = reader_field(&r, CODEC_NAME_MAX);
	m->statement = reader_field(&r, MESSAGE_STATEMENT_MAX);
	m->certificate = reader_field(&r, MESSAGE_DECIDER_MAX);
	m->signature = reader_field(&r, MESSAGE_SIGNATURE_MAX);
	return codec_done(&r, "decide", err);
}

void message_order_get_write(const struct message_order_get *m, struct buf *out)
{
	buf_u64(out, m->session);
	codec_field(out, m->id, CODEC_NAME_MAX);
}

int message_order_get_read(struct bytes in, struct message_order_get *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->session = reader_u64(&r);
	m->id = reader_field(&r, CODEC_NAME_MAX);
	return codec_done(&r, "order-get", err);
}

/* ---- an order, as people see it ---- */

static void authorization_write(const struct message_authorization *a, struct buf *out)
{
	codec_field(out, a->name, MESSAGE_TEXT_MAX);
	codec_field(out, a->status, CODEC_NAME_MAX);
	codec_time(out, a->expires_s);
	codec_count(out, a->method_count, MESSAGE_METHODS_MAX);
	for (uint32_t i = 0; i < a->method_count && !out->failed; i++) {
		codec_field(out, a->methods[i].type, CODEC_NAME_MAX);
		codec_field(out, a->methods[i].where, MESSAGE_ADDRESSES_MAX);
		codec_field(out, a->methods[i].what, MESSAGE_TEXT_MAX);
	}
	codec_time(out, a->checked_s);
	codec_field(out, a->error_code, CODEC_NAME_MAX);
	codec_field(out, a->error, MESSAGE_TEXT_MAX);
}

static void authorization_read(struct reader *r, struct message_authorization *a)
{
	a->name = reader_field(r, MESSAGE_TEXT_MAX);
	a->status = reader_field(r, CODEC_NAME_MAX);
	a->expires_s = codec_read_time(r);
	a->method_count = codec_read_count(r, MESSAGE_METHODS_MAX);
	for (uint32_t i = 0; i < a->method_count && !r->failed; i++) {
		a->methods[i].type = reader_field(r, CODEC_NAME_MAX);
		a->methods[i].where = reader_field(r, MESSAGE_ADDRESSES_MAX);
		a->methods[i].what = reader_field(r, MESSAGE_TEXT_MAX);
	}
	a->checked_s = codec_read_time(r);
	a->error_code = reader_field(r, CODEC_NAME_MAX);
	a->error = reader_field(r, MESSAGE_TEXT_MAX);
}

static void approval_write(const struct message_approval *a, struct buf *out)
{
	codec_field(out, a->officer, CODEC_NAME_MAX);
	codec_field(out, a->decision, CODEC_NAME_MAX);
	codec_field(out, a->reason, MESSAGE_TEXT_MAX);
	codec_time(out, a->time_s);
}

static void approval_read(struct reader *r, struct message_approval *a)
{
	a->officer = reader_field(r, CODEC_NAME_MAX);
	a->decision = reader_field(r, CODEC_NAME_MAX);
	a->reason = reader_field(r, MESSAGE_TEXT_MAX);
	a->time_s = codec_read_time(r);
}

/* What was asked for, and what it waits for. */
static void request_write(const struct message_order *m, struct buf *out)
{
	codec_field(out, m->id, CODEC_NAME_MAX);
	codec_field(out, m->status, CODEC_NAME_MAX);
	codec_field(out, m->profile, CODEC_NAME_MAX);
	codec_field(out, m->requester, CODEC_NAME_MAX);
	codec_field(out, m->organization, CODEC_NAME_MAX);
	buf_u32(out, m->days);
	buf_add(out, m->nonce, sizeof(m->nonce));
	codec_time(out, m->created_s);
	codec_time(out, m->expires_s);
	codec_field(out, m->waits_for, MESSAGE_WORDS_MAX);
	codec_field(out, m->asked_subject, CODEC_SUBJECT_MAX);
	codec_field(out, m->subject, CODEC_SUBJECT_MAX);
	buf_add(out, m->spki_hash, sizeof(m->spki_hash));
	codec_list(out, m->names, m->name_count, MESSAGE_NAMES_MAX, MESSAGE_TEXT_MAX);
	codec_list(out, m->not_copied, m->not_copied_count, MESSAGE_NOT_COPIED_MAX, MESSAGE_TEXT_MAX);
	contacts_write(m->contacts, m->contact_count, out);
}

static void request_read(struct reader *r, struct message_order *m)
{
	m->id = reader_field(r, CODEC_NAME_MAX);
	m->status = reader_field(r, CODEC_NAME_MAX);
	m->profile = reader_field(r, CODEC_NAME_MAX);
	m->requester = reader_field(r, CODEC_NAME_MAX);
	m->organization = reader_field(r, CODEC_NAME_MAX);
	m->days = reader_u32(r);
	reader_copy(r, m->nonce, sizeof(m->nonce));
	m->created_s = codec_read_time(r);
	m->expires_s = codec_read_time(r);
	m->waits_for = reader_field(r, MESSAGE_WORDS_MAX);
	m->asked_subject = reader_field(r, CODEC_SUBJECT_MAX);
	m->subject = reader_field(r, CODEC_SUBJECT_MAX);
	reader_copy(r, m->spki_hash, sizeof(m->spki_hash));
	m->name_count = codec_read_list(r, m->names, MESSAGE_NAMES_MAX, MESSAGE_TEXT_MAX);
	m->not_copied_count = codec_read_list(r, m->not_copied, MESSAGE_NOT_COPIED_MAX, MESSAGE_TEXT_MAX);
	m->contact_count = contacts_read(r, m->contacts);
}

void message_order_write(const struct message_order *m, struct buf *out)
{
	request_write(m, out);
	codec_count(out, m->authorization_count, MESSAGE_NAMES_MAX);
	for (uint32_t i = 0; i < m->authorization_count && !out->failed; i++)
		authorization_write(&m->authorizations[i], out);
	buf_u32(out, m->approvals_needed);
	codec_count(out, m->approval_count, MESSAGE_APPROVALS_MAX);
	for (uint32_t i = 0; i < m->approval_count && !out->failed; i++)
		approval_write(&m->approvals[i], out);
	codec_bool(out, m->has_tbs);
	buf_add(out, m->tbs_hash, sizeof(m->tbs_hash));
	codec_time(out, m->approve_before_s);
	codec_field(out, m->issuer, CODEC_NAME_MAX);
	codec_field(out, m->certificate, CODEC_SERIAL_MAX);
	codec_field(out, m->failure_code, CODEC_NAME_MAX);
	codec_field(out, m->failure, MESSAGE_WORDS_MAX);
}

int message_order_read(struct bytes in, struct message_order *m, struct error *err)
{
	struct reader r = reader_of(in);
	request_read(&r, m);
	m->authorization_count = codec_read_count(&r, MESSAGE_NAMES_MAX);
	for (uint32_t i = 0; i < m->authorization_count && !r.failed; i++)
		authorization_read(&r, &m->authorizations[i]);
	m->approvals_needed = reader_u32(&r);
	m->approval_count = codec_read_count(&r, MESSAGE_APPROVALS_MAX);
	for (uint32_t i = 0; i < m->approval_count && !r.failed; i++)
		approval_read(&r, &m->approvals[i]);
	m->has_tbs = codec_read_bool(&r);
	reader_copy(&r, m->tbs_hash, sizeof(m->tbs_hash));
	m->approve_before_s = codec_read_time(&r);
	m->issuer = reader_field(&r, CODEC_NAME_MAX);
	m->certificate = reader_field(&r, CODEC_SERIAL_MAX);
	m->failure_code = reader_field(&r, CODEC_NAME_MAX);
	m->failure = reader_field(&r, MESSAGE_WORDS_MAX);
	return codec_done(&r, "order", err);
}

/* ---- lists ---- */

void message_order_list_write(const struct message_order_list *m, struct buf *out)
{
	buf_u64(out, m->session);
	codec_field(out, m->status, CODEC_NAME_MAX);
	codec_bool(out, m->mine);
	codec_field(out, m->cursor, CODEC_CURSOR_MAX);
	buf_u32(out, m->limit);
}

int message_order_list_read(struct bytes in, struct message_order_list *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->session = reader_u64(&r);
	m->status = reader_field(&r, CODEC_NAME_MAX);
	m->mine = codec_read_bool(&r);
	m->cursor = reader_field(&r, CODEC_CURSOR_MAX);
	m->limit = reader_u32(&r);
	if (m->limit == 0 || m->limit > MESSAGE_ROWS_MAX)
		r.failed = true;
	return codec_done(&r, "order-list", err);
}

static void order_row_write(const struct message_order_row *row, struct buf *out)
{
	codec_field(out, row->id, CODEC_NAME_MAX);
	codec_field(out, row->status, CODEC_NAME_MAX);
	codec_field(out, row->profile, CODEC_NAME_MAX);
	codec_field(out, row->requester, CODEC_NAME_MAX);
	codec_field(out, row->first_name, MESSAGE_TEXT_MAX);
	buf_u32(out, row->name_count);
	codec_time(out, row->created_s);
	codec_time(out, row->expires_s);
	codec_field(out, row->waits_for, MESSAGE_WORDS_MAX);
}

static void order_row_read(struct reader *r, struct message_order_row *row)
{
	row->id = reader_field(r, CODEC_NAME_MAX);
	row->status = reader_field(r, CODEC_NAME_MAX);
	row->profile = reader_field(r, CODEC_NAME_MAX);
	row->requester = reader_field(r, CODEC_NAME_MAX);
	row->first_name = reader_field(r, MESSAGE_TEXT_MAX);
	row->name_count = reader_u32(r);
	row->created_s = codec_read_time(r);
	row->expires_s = codec_read_time(r);
	row->waits_for = reader_field(r, MESSAGE_WORDS_MAX);
}

void message_orders_write(const struct message_orders *m, struct buf *out)
{
	codec_count(out, m->count, MESSAGE_ROWS_MAX);
	for (uint32_t i = 0; i < m->count && !out->failed; i++)
		order_row_write(&m->rows[i], out);
	codec_field(out, m->next, CODEC_CURSOR_MAX);
}

int message_orders_read(struct bytes in, struct message_orders *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->count = codec_read_count(&r, MESSAGE_ROWS_MAX);
	for (uint32_t i = 0; i < m->count && !r.failed; i++)
		order_row_read(&r, &m->rows[i]);
	m->next = reader_field(&r, CODEC_CURSOR_MAX);
	return codec_done(&r, "orders", err);
}
