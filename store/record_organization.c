#include "store/record_order.h"
#include "store/record_private.h"

/* Longest of each field; what is longer is neither written nor read. */
#define TEXT_MAX ((size_t)1024)
#define DOMAIN_MAX ((size_t)253)
#define STATEMENT_MAX ((size_t)1024)
#define STATEMENT_CERTIFICATE_MAX ((size_t)64 << 10)
#define STATEMENT_SUBJECT_MAX (RECORD_ID_MAX + 13)
#define TO_MAX ((size_t)2048)
#define BODY_MAX ((size_t)256 << 10)

static bool begins_with(struct bytes text, const char *start, struct bytes *rest)
{
	struct bytes head = bytes_of(start);
	if (text.len < head.len || memcmp(text.data, head.data, head.len) != 0)
		return false;
	*rest = BYTES(text.data + head.len, text.len - head.len);
	return true;
}

/* ---- a name that was shown ---- */

static bool is_owner(struct bytes owner)
{
	struct bytes id;
	return begins_with(owner, "org:", &id) ? record_is_id(id) : record_is_name(owner);
}

static bool is_authorization(const struct record_authorization *r)
{
	return is_owner(r->owner) && record_is_text(r->name, NAME_TEXT_MAX) && record_method_name(r->method) &&
	       record_is_id(r->order) && r->shown_s >= 0 && r->expires_s >= 0 && r->evidence.len <= RECORD_EVIDENCE_MAX;
}

void record_authorization_encode(const struct record_authorization *r, struct buf *out)
{
	record_begin(out, is_authorization(r));
	if (out->failed)
		return;
	buf_field(out, r->owner);
	buf_field(out, r->name);
	buf_u8(out, (uint8_t)r->method);
	buf_field(out, r->order);
	record_add_time(out, r->shown_s);
	record_add_time(out, r->expires_s);
	buf_field(out, r->evidence);
}

int record_authorization_decode(struct bytes in, struct record_authorization *r, struct error *err)
{
	struct reader reader = record_begin_reading(in);
	r->owner = reader_field(&reader, OWNER_MAX);
	r->name = reader_field(&reader, NAME_TEXT_MAX);
	r->method = (enum record_method)reader_u8(&reader);
	r->order = reader_field(&reader, RECORD_ID_MAX);
	r->shown_s = record_read_time(&reader);
	r->expires_s = record_read_time(&reader);
	r->evidence = reader_field(&reader, RECORD_EVIDENCE_MAX);
	return record_finish(&reader, is_authorization(r), "shown name", err);
}

/* ---- organizations ---- */

/* ISO 3166-1: two letters. */
static bool is_country_or_none(struct bytes country)
{
	if (country.len == 0)
		return true;
	return country.len == 2 && country.data[0] >= 'A' && country.data[0] <= 'Z' && country.data[1] >= 'A' &&
	       country.data[1] <= 'Z';
}

static bool are_lists(const struct record_organization *r)
{
	if (r->document_count > RECORD_DOCUMENTS_MAX || r->domain_count > RECORD_DOMAINS_MAX ||
	    r->agent_count > RECORD_AGENTS_MAX)
		return false;
	bool good = true;
	for (size_t i = 0; good && i < r->document_count; i++)
		good = r->documents[i].note.len <= TEXT_MAX && r->documents[i].source.len <= TEXT_MAX &&
		       r->documents[i].date_s >= 0;
	for (size_t i = 0; good && i < r->domain_count; i++)
		good = record_is_text(r->domains[i], DOMAIN_MAX);
	for (size_t i = 0; good && i < r->agent_count; i++)
		good = record_is_name(r->agents[i]);
	return good;
}

/* Who vetted, when and by which statement stand there together, or none of it. */
static bool is_vetting(const struct record_organization *r)
{
	if (r->suspended != (r->suspended_by.len > 0) || r->suspended == record_is_zeros(r->suspend_statement) ||
	    !record_is_name_or_none(r->suspended_by) || !record_is_name_or_none(r->vetted_by))
		return false;
	if (r->vetted_by.len == 0)
		return r->vetted_s == 0 && r->valid_until_s == 0 && record_is_zeros(r->vet_statement);
	return r->vetted_s > 0 && r->valid_until_s >= r->vetted_s && !record_is_zeros(r->vet_statement);
}

static bool is_organization(const struct record_organization *r)
{
	const struct bytes texts[] = { r->registration_number,
				       r->jurisdiction_state,
				       r->jurisdiction_locality,
				       r->street,
				       r->locality,
				       r->state,
				       r->postal_code,
				       r->business_category };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].len > TEXT_MAX)
			return false;
	return record_is_id(r->id) && r->version > 0 && record_is_text(r->legal_name, TEXT_MAX) &&
	       is_country_or_none(r->country) && is_country_or_none(r->jurisdiction_country) &&
	       r->standing >= STANDING_GOOD && r->standing <= STANDING_UNKNOWN && r->created_ms >= 0 &&
	       r->changed_ms >= 0 && record_is_name(r->changed_by) && are_lists(r) && is_vetting(r);
}

static void add_lists(struct buf *out, const struct record_organization *r)
{
	buf_u16(out, (uint16_t)r->document_count);
	for (size_t i = 0; i < r->document_count; i++) {
		buf_add(out, r->documents[i].sha256, sizeof(r->documents[i].sha256));
		buf_field(out, r->documents[i].note);
		buf_field(out, r->documents[i].source);
		record_add_time(out, r->documents[i].date_s);
	}
	buf_u16(out, (uint16_t)r->domain_count);
	for (size_t i = 0; i < r->domain_count; i++)
		buf_field(out, r->domains[i]);
	buf_u16(out, (uint16_t)r->agent_count);
	for (size_t i = 0; i < r->agent_count; i++)
		buf_field(out, r->agents[i]);
}

static void read_lists(struct reader *reader, struct record_organization *r)
{
	r->document_count = record_read_count(reader, RECORD_DOCUMENTS_MAX);
	for (size_t i = 0; i < r->document_count; i++) {
		reader_copy(reader, r->documents[i].sha256, sizeof(r->documents[i].sha256));
		r->documents[i].note = reader_field(reader, TEXT_MAX);
		r->documents[i].source = reader_field(reader, TEXT_MAX);
		r->documents[i].date_s = record_read_time(reader);
	}
	r->domain_count = record_read_count(reader, RECORD_DOMAINS_MAX);
	for (size_t i = 0; i < r->domain_count; i++)
		r->domains[i] = reader_field(reader, DOMAIN_MAX);
	r->agent_count = record_read_count(reader, RECORD_AGENTS_MAX);
	for (size_t i = 0; i < r->agent_count; i++)
		r->agents[i] = reader_field(reader, RECORD_NAME_MAX);
}

void record_organization_encode(const struct record_organization *r, struct buf *out)
{
	record_begin(out, is_organization(r));
	if (out->failed)
		return;
	buf_field(out, r->id);
	buf_u64(out, r->version);
	buf_field(out, r->legal_name);
	buf_field(out, r->registration_number);
	buf_field(out, r->jurisdiction_country);
	buf_field(out, r->jurisdiction_state);
	buf_field(out, r->jurisdiction_locality);
	buf_field(out, r->street);
	buf_field(out, r->locality);
	buf_field(out, r->state);
	buf_field(out, r->postal_code);
	buf_field(out, r->country);
	buf_field(out, r->business_category);
	buf_u8(out, (uint8_t)r->standing);
	add_lists(out, r);
	record_add_time(out, r->created_ms);
	record_add_time(out, r->changed_ms);
	buf_field(out, r->changed_by);
	buf_field(out, r->vetted_by);
	record_add_time(out, r->vetted_s);
	record_add_time(out, r->valid_until_s);
	buf_add(out, r->vet_statement, sizeof(r->vet_statement));
	buf_u8(out, r->suspended);
	buf_field(out, r->suspended_by);
	buf_add(out, r->suspend_statement, sizeof(r->suspend_statement));
}

int record_organization_decode(struct bytes in, struct record_organization *r, struct error *err)
{
	struct reader reader = record_begin_reading(in);
	r->id = reader_field(&reader, RECORD_ID_MAX);
	r->version = reader_u64(&reader);
	r->legal_name = reader_field(&reader, TEXT_MAX);
	r->registration_number = reader_field(&reader, TEXT_MAX);
	r->jurisdiction_country = reader_field(&reader, 2);
	r->jurisdiction_state = reader_field(&reader, TEXT_MAX);
	r->jurisdiction_locality = reader_field(&reader, TEXT_MAX);
	r->street = reader_field(&reader, TEXT_MAX);
	r->locality = reader_field(&reader, TEXT_MAX);
	r->state = reader_field(&reader, TEXT_MAX);
	r->postal_code = reader_field(&reader, TEXT_MAX);
	r->country = reader_field(&reader, 2);
	r->business_category = reader_field(&reader, TEXT_MAX);
	r->standing = (enum record_standing)reader_u8(&reader);
	read_lists(&reader, r);
	r->created_ms = record_read_time(&reader);
	r->changed_ms = record_read_time(&reader);
	r->changed_by = reader_field(&reader, RECORD_NAME_MAX);
	r->vetted_by = reader_field(&reader, RECORD_NAME_MAX);
	r->vetted_s = record_read_time(&reader);
	r->valid_until_s = record_read_time(&reader);
	reader_copy(&reader, r->vet_statement, sizeof(r->vet_statement));
	r->suspended = record_read_bool(&reader);
	r->suspended_by = reader_field(&reader, RECORD_NAME_MAX);
	reader_copy(&reader, r->suspend_statement, sizeof(r->suspend_statement));
	return record_finish(&reader, is_organization(r), "organization", err);
}

/* ---- signed statements ---- */

/* "order ID" or "organization ID" */
static bool is_subject(struct bytes subject)
{
	struct bytes id;
	return (begins_with(subject, "order ", &id) || begins_with(subject, "organization ", &id)) && record_is_id(id);
}

static bool is_statement(const struct record_statement *r)
{
	return record_is_text(r->text, STATEMENT_MAX) && record_is_text(r->certificate, STATEMENT_CERTIFICATE_MAX) &&
	       record_is_text(r->signature, SIGNATURE_MAX) && record_is_name(r->by) && is_subject(r->subject) &&
	       r->received_ms >= 0;
}

void record_statement_encode(const struct record_statement *r, struct buf *out)
{
	record_begin(out, is_statement(r));
	if (out->failed)
		return;
	buf_field(out, r->text);
	buf_field(out, r->certificate);
	buf_field(out, r->signature);
	buf_field(out, r->by);
	buf_field(out, r->subject);
	record_add_time(out, r->received_ms);
}

int record_statement_decode(struct bytes in, struct record_statement *r, struct error *err)
{
	struct reader reader = record_begin_reading(in);
	r->text = reader_field(&reader, STATEMENT_MAX);
	r->certificate = reader_field(&reader, STATEMENT_CERTIFICATE_MAX);
	r->signature = reader_field(&reader, SIGNATURE_MAX);
	r->by = reader_field(&reader, RECORD_NAME_MAX);
	r->subject = reader_field(&reader, STATEMENT_SUBJECT_MAX);
	r->received_ms = record_read_time(&reader);
	return record_finish(&reader, is_statement(r), "statement", err);
}

/* ---- deliveries ---- */

static bool is_delivery(const struct record_delivery *r)
{
	return (r->kind == DELIVERY_MAIL || r->kind == DELIVERY_WEBHOOK) && record_is_text(r->to, TO_MAX) &&
	       r->subject.len <= TEXT_MAX && r->body.len <= BODY_MAX && record_is_name_or_none(r->about) &&
	       r->created_ms >= 0 && r->due_ms >= 0 && r->error.len <= RECORD_ERROR_MAX;
}

void record_delivery_encode(const struct record_delivery *r, struct buf *out)
{
	record_begin(out, is_delivery(r));
	if (out->failed)
		return;
	buf_u8(out, (uint8_t)r->kind);
	buf_field(out, r->to);
	buf_field(out, r->subject);
	buf_field(out, r->body);
	buf_field(out, r->about);
	buf_u32(out, r->tries);
	record_add_time(out, r->created_ms);
	record_add_time(out, r->due_ms);
	buf_field(out, r->error);
}

int record_delivery_decode(struct bytes in, struct record_delivery *r, struct error *err)
{
	struct reader reader = record_begin_reading(in);
	r->kind = (enum record_delivery_kind)reader_u8(&reader);
	r->to = reader_field(&reader, TO_MAX);
	r->subject = reader_field(&reader, TEXT_MAX);
	r->body = reader_field(&reader, BODY_MAX);
	r->about = reader_field(&reader, RECORD_NAME_MAX);
	r->tries = reader_u32(&reader);
	r->created_ms = record_read_time(&reader);
	r->due_ms = record_read_time(&reader);
	r->error = reader_field(&reader, RECORD_ERROR_MAX);
	return record_finish(&reader, is_delivery(r), "delivery", err);
}
