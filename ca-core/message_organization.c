/* Messages about organizations. */
#include "ca-core/message_codec.h"
#include "ca-core/message_order.h"

enum { STANDING_FIRST = 1, STANDING_LAST = 3 }; /* enum record_standing */

static void documents_write(const struct message_organization *m, struct buf *out)
{
	codec_count(out, m->document_count, MESSAGE_DOCUMENTS_MAX);
	for (uint32_t i = 0; i < m->document_count && !out->failed; i++) {
		buf_add(out, m->documents[i].sha256, sizeof(m->documents[i].sha256));
		codec_field(out, m->documents[i].note, MESSAGE_TEXT_MAX);
		codec_field(out, m->documents[i].source, MESSAGE_TEXT_MAX);
		codec_time(out, m->documents[i].date_s);
	}
}

static void documents_read(struct reader *r, struct message_organization *m)
{
	m->document_count = codec_read_count(r, MESSAGE_DOCUMENTS_MAX);
	for (uint32_t i = 0; i < m->document_count && !r->failed; i++) {
		reader_copy(r, m->documents[i].sha256, sizeof(m->documents[i].sha256));
		m->documents[i].note = reader_field(r, MESSAGE_TEXT_MAX);
		m->documents[i].source = reader_field(r, MESSAGE_TEXT_MAX);
		m->documents[i].date_s = codec_read_time(r);
	}
}

void message_organization_write(const struct message_organization *m, struct buf *out)
{
	buf_u64(out, m->session);
	codec_field(out, m->id, CODEC_NAME_MAX);
	buf_u64(out, m->version);
	codec_field(out, m->legal_name, MESSAGE_TEXT_MAX);
	codec_field(out, m->registration_number, MESSAGE_TEXT_MAX);
	codec_field(out, m->jurisdiction_country, MESSAGE_TEXT_MAX);
	codec_field(out, m->jurisdiction_state, MESSAGE_TEXT_MAX);
	codec_field(out, m->jurisdiction_locality, MESSAGE_TEXT_MAX);
	codec_field(out, m->street, MESSAGE_TEXT_MAX);
	codec_field(out, m->locality, MESSAGE_TEXT_MAX);
	codec_field(out, m->state, MESSAGE_TEXT_MAX);
	codec_field(out, m->postal_code, MESSAGE_TEXT_MAX);
	codec_field(out, m->country, MESSAGE_TEXT_MAX);
	codec_field(out, m->business_category, MESSAGE_TEXT_MAX);
	codec_choice(out, m->standing, STANDING_FIRST, STANDING_LAST);
	documents_write(m, out);
	codec_list(out, m->domains, m->domain_count, MESSAGE_DOMAINS_MAX, CODEC_NAME_MAX);
	codec_list(out, m->agents, m->agent_count, MESSAGE_AGENTS_MAX, CODEC_NAME_MAX);
	codec_field(out, m->status, CODEC_NAME_MAX);
	codec_field(out, m->vetted_by, CODEC_NAME_MAX);
	codec_time(out, m->created_s);
	codec_time(out, m->changed_s);
	codec_time(out, m->vetted_s);
	codec_time(out, m->valid_until_s);
	buf_add(out, m->record_hash, sizeof(m->record_hash));
}

int message_organization_read(struct bytes in, struct message_organization *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->session = reader_u64(&r);
	m->id = reader_field(&r, CODEC_NAME_MAX);
	m->version = reader_u64(&r);
	m->legal_name = reader_field(&r, MESSAGE_TEXT_MAX);
	m->registration_number = reader_field(&r, MESSAGE_TEXT_MAX);
	m->jurisdiction_country = reader_field(&r, MESSAGE_TEXT_MAX);
	m->jurisdiction_state = reader_field(&r, MESSAGE_TEXT_MAX);
	m->jurisdiction_locality = reader_field(&r, MESSAGE_TEXT_MAX);
	m->street = reader_field(&r, MESSAGE_TEXT_MAX);
	m->locality = reader_field(&r, MESSAGE_TEXT_MAX);
	m->state = reader_field(&r, MESSAGE_TEXT_MAX);
	m->postal_code = reader_field(&r, MESSAGE_TEXT_MAX);
	m->country = reader_field(&r, MESSAGE_TEXT_MAX);
	m->business_category = reader_field(&r, MESSAGE_TEXT_MAX);
	m->standing = codec_read_choice(&r, STANDING_FIRST, STANDING_LAST);
	documents_read(&r, m);
	m->domain_count = codec_read_list(&r, m->domains, MESSAGE_DOMAINS_MAX, CODEC_NAME_MAX);
	m->agent_count = codec_read_list(&r, m->agents, MESSAGE_AGENTS_MAX, CODEC_NAME_MAX);
	m->status = reader_field(&r, CODEC_NAME_MAX);
	m->vetted_by = reader_field(&r, CODEC_NAME_MAX);
	m->created_s = codec_read_time(&r);
	m->changed_s = codec_read_time(&r);
	m->vetted_s = codec_read_time(&r);
	m->valid_until_s = codec_read_time(&r);
	reader_copy(&r, m->record_hash, sizeof(m->record_hash));
	return codec_done(&r, "organization", err);
}

static void organization_row_write(const struct message_organization_row *row, struct buf *out)
{
	codec_field(out, row->id, CODEC_NAME_MAX);
	codec_field(out, row->legal_name, MESSAGE_TEXT_MAX);
	codec_field(out, row->country, MESSAGE_TEXT_MAX);
	codec_field(out, row->status, CODEC_NAME_MAX);
	codec_time(out, row->valid_until_s);
}

static void organization_row_read(struct reader *r, struct message_organization_row *row)
{
	row->id = reader_field(r, CODEC_NAME_MAX);
	row->legal_name = reader_field(r, MESSAGE_TEXT_MAX);
	row->country = reader_field(r, MESSAGE_TEXT_MAX);
	row->status = reader_field(r, CODEC_NAME_MAX);
	row->valid_until_s = codec_read_time(r);
}

void message_organizations_write(const struct message_organizations *m, struct buf *out)
{
	codec_count(out, m->count, MESSAGE_ROWS_MAX);
	for (uint32_t i = 0; i < m->count && !out->failed; i++)
		organization_row_write(&m->rows[i], out);
}

int message_organizations_read(struct bytes in, struct message_organizations *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->count = codec_read_count(&r, MESSAGE_ROWS_MAX);
	for (uint32_t i = 0; i < m->count && !r.failed; i++)
		organization_row_read(&r, &m->rows[i]);
	return codec_done(&r, "organizations", err);
}
