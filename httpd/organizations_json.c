/* Organizations as JSON, in and out: each member of the record under its own name. */
#include "base/clock.h"
#include "base/text.h"
#include "ca-core/statement.h"
#include "httpd/json_read.h"
#include "httpd/organizations.h"

#define DOMAIN_MAX 253
#define AGENT_MAX 64
#define DATE_LEN 10 /* 2026-11-21 */

/* enum record_standing, from 1 on */
static const char *const standings[] = { "good", "not-good", "unknown" };
#define STANDING_COUNT (sizeof(standings) / sizeof(standings[0]))
#define STANDINGS "good, not-good, unknown"

/* The texts of a record, in the order of the struct. */
static const struct {
	const char *name;
	size_t offset, min, max;
} members[] = {
	{ "legalName", offsetof(struct message_organization, legal_name), 1, MESSAGE_TEXT_MAX },
	{ "registrationNumber", offsetof(struct message_organization, registration_number), 0, MESSAGE_TEXT_MAX },
	{ "jurisdictionCountry", offsetof(struct message_organization, jurisdiction_country), 0, 2 },
	{ "jurisdictionState", offsetof(struct message_organization, jurisdiction_state), 0, MESSAGE_TEXT_MAX },
	{ "jurisdictionLocality", offsetof(struct message_organization, jurisdiction_locality), 0, MESSAGE_TEXT_MAX },
	{ "street", offsetof(struct message_organization, street), 0, MESSAGE_TEXT_MAX },
	{ "locality", offsetof(struct message_organization, locality), 0, MESSAGE_TEXT_MAX },
	{ "state", offsetof(struct message_organization, state), 0, MESSAGE_TEXT_MAX },
	{ "postalCode", offsetof(struct message_organization, postal_code), 0, MESSAGE_TEXT_MAX },
	{ "country", offsetof(struct message_organization, country), 0, 2 },
	{ "businessCategory", offsetof(struct message_organization, business_category), 0, MESSAGE_TEXT_MAX },
};
#define MEMBER_COUNT (sizeof(members) / sizeof(members[0]))

/* ---- in ---- */

static int take_domain(json_t *item, const char *place, size_t number, void *arg, struct error *err)
{
	return json_item_text(item, place, DOMAIN_MAX, (struct bytes *)arg + number, err);
}

static int take_agent(json_t *item, const char *place, size_t number, void *arg, struct error *err)
{
	return json_item_text(item, place, AGENT_MAX, (struct bytes *)arg + number, err);
}

/* A time, or a day, which is its first second. */
static int read_date(struct bytes text, int64_t *date_s)
{
	struct error why = ERR_INIT;
	auto_buf whole = BUF_INIT;
	buf_add_bytes(&whole, text);
	if (text.len == DATE_LEN)
		buf_add_text(&whole, "T00:00:00Z");
	return clock_parse_rfc3339(buf_bytes(&whole), date_s, &why);
}

static int take_document(json_t *item, const char *place, size_t number, void *arg, struct error *err)
{
	struct message_document *document = (struct message_document *)arg + number;
	struct error why = ERR_INIT;
	auto_buf within = BUF_INIT, hash = BUF_INIT;
	buf_printf(&within, "%s.", place);
	struct json_reader in = json_reader_of(item, buf_text(&within), err);
	struct bytes sha256 = json_read_text(&in, "sha256", 1, MESSAGE_TEXT_MAX);
	document->note = json_read_text(&in, "note", 0, MESSAGE_TEXT_MAX);
	document->source = json_read_text(&in, "source", 0, MESSAGE_TEXT_MAX);
	struct bytes date = json_read_text(&in, "date", 1, CLOCK_TEXT_SIZE);
	bool is_hash = text_parse_hex(sha256, sizeof(document->sha256), &hash, &why) == 0 &&
		       hash.len == sizeof(document->sha256);
	if (is_hash)
		memcpy(document->sha256, hash.data, sizeof(document->sha256));
	else
		json_read_refuse(&in, "sha256", "is no SHA-256 in hex", "64 hex digits");
	if (!in.failed && read_date(date, &document->date_s) != 0)
		json_read_refuse(&in, "date", "is no day and no time", "2026-11-21, 2026-11-21T12:00:00Z");
	return json_read_done(&in);
}

static void read_standing(struct json_reader *in, struct message_organization *m)
{
	struct bytes name = json_read_text(in, "standing", 1, 16);
	for (size_t i = 0; i < STANDING_COUNT; i++)
		if (bytes_are(name, standings[i]))
			m->standing = (uint8_t)(i + 1);
	if (m->standing == 0)
		json_read_refuse(in, "standing", "is none that an organization can have", STANDINGS);
}

/* Who enters an organization names it; a new version says which one it replaces. */
static void read_version(struct json_reader *in, struct message_organization *m)
{
	m->id = json_read_text(in, "id", 1, CA_STATEMENT_ID_MAX);
	if (!in->failed && !ca_statement_is_id(m->id))
		json_read_refuse(in, "id", "is no id", "letters, digits, dots, hyphens, underscores");
	m->version = json_read_number(in, "version", INT64_MAX);
}

int organizations_body_read(struct bytes text, struct message_organization *m, json_t **json, struct error *err)
{
	*json = json_parse(text, err);
	if (!*json)
		return -1;
	struct json_reader in = json_reader_of(*json, "", err);
	read_version(&in, m);
	for (size_t i = 0; i < MEMBER_COUNT; i++)
		*(struct bytes *)((char *)m + members[i].offset) =
			json_read_text(&in, members[i].name, members[i].min, members[i].max);
	read_standing(&in, m);
	m->document_count =
		(uint32_t)json_read_list(&in, "documents", MESSAGE_DOCUMENTS_MAX, take_document, m->documents);
	m->domain_count = (uint32_t)json_read_list(&in, "domains", MESSAGE_DOMAINS_MAX, take_domain, m->domains);
	m->agent_count = (uint32_t)json_read_list(&in, "agents", MESSAGE_AGENTS_MAX, take_agent, m->agents);
	return json_read_done(&in);
}

/* ---- out ---- */

static json_t *documents_json(const struct message_organization *m)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < m->document_count; i++) {
		const struct message_document *d = &m->documents[i];
		(void)json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:o}", "sha256",
							    json_hex(BYTES(d->sha256, sizeof(d->sha256))), "note",
							    json_text(d->note), "source", json_text(d->source), "date",
							    json_time(d->date_s)));
	}
	return list;
}

json_t *organizations_json(const struct message_organization *m)
{
	json_t *organization = json_pack("{s:o, s:I, s:o}", "id", json_text(m->id), "version", (json_int_t)m->version,
					 "status", json_text(m->status));
	for (size_t i = 0; i < MEMBER_COUNT; i++)
		(void)json_object_set_new(organization, members[i].name,
					  json_text(*(const struct bytes *)((const char *)m + members[i].offset)));
	const char *standing = m->standing >= 1 && m->standing <= STANDING_COUNT ? standings[m->standing - 1] : "";
	(void)json_object_set_new(organization, "standing", json_string(standing));
	(void)json_object_set_new(organization, "documents", documents_json(m));
	(void)json_object_set_new(organization, "domains", json_texts(m->domains, m->domain_count));
	(void)json_object_set_new(organization, "agents", json_texts(m->agents, m->agent_count));
	json_set_time(organization, "created", m->created_s);
	json_set_time(organization, "changed", m->changed_s);
	if (m->vetted_by.len > 0)
		(void)json_object_set_new(organization, "vettedBy", json_text(m->vetted_by));
	json_set_time(organization, "vetted", m->vetted_s);
	json_set_time(organization, "validUntil", m->valid_until_s);
	(void)json_object_set_new(organization, "recordHash", json_hex(BYTES(m->record_hash, sizeof(m->record_hash))));
	return organization;
}

json_t *organizations_list_json(const struct message_organizations *all)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < all->count; i++) {
		const struct message_organization_row *row = &all->rows[i];
		json_t *organization = json_pack("{s:o, s:o, s:o, s:o}", "id", json_text(row->id), "legalName",
						 json_text(row->legal_name), "country", json_text(row->country),
						 "status", json_text(row->status));
		json_set_time(organization, "validUntil", row->valid_until_s);
		(void)json_array_append_new(list, organization);
	}
	return json_pack("{s:o}", "organizations", list);
}
