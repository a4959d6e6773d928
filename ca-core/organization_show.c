/* Organizations as people see them, and as they vet them. */
#include "ca-core/organization_private.h"

#include <stdio.h>

#include "base/ossl.h"
#include "base/text.h"

/* ---- the bytes that are vetted ---- */

static void line(struct buf *out, const char *member, struct bytes value)
{
	buf_add_text(out, member);
	buf_add_text(out, ": ");
	buf_add_bytes(out, value); /* without control characters: ca_organization_add */
	buf_u8(out, '\n');
}

static void line_time(struct buf *out, const char *member, int64_t s)
{
	char time[CLOCK_TEXT_SIZE];
	line(out, member, bytes_of(clock_rfc3339(s, time)));
}

static const char *standing_name(enum record_standing standing)
{
	static const char *const names[] = { "?", "good", "not-good", "unknown" };
	return standing >= STANDING_GOOD && standing <= STANDING_UNKNOWN ? names[standing] : "?";
}

static void add_lists(const struct record_organization *r, struct buf *out)
{
	for (size_t i = 0; i < r->document_count; i++) {
		const struct record_document *d = &r->documents[i];
		char hash[65];
		line(out, "document", bytes_of(text_hex(BYTES(d->sha256, sizeof(d->sha256)), hash)));
		line(out, "document-note", d->note);
		line(out, "document-source", d->source);
		line_time(out, "document-date", d->date_s);
	}
	for (size_t i = 0; i < r->domain_count; i++)
		line(out, "domain", r->domains[i]);
	for (size_t i = 0; i < r->agent_count; i++)
		line(out, "agent", r->agents[i]);
}

void ca_organization_bytes(const struct record_organization *r, struct buf *out)
{
	buf_add_text(out, "chancery-organization-v1\n");
	line(out, "id", r->id);
	buf_printf(out, "version: %llu\n", (unsigned long long)r->version);
	line(out, "legal-name", r->legal_name);
	line(out, "registration-number", r->registration_number);
	line(out, "jurisdiction-country", r->jurisdiction_country);
	line(out, "jurisdiction-state", r->jurisdiction_state);
	line(out, "jurisdiction-locality", r->jurisdiction_locality);
	line(out, "street", r->street);
	line(out, "locality", r->locality);
	line(out, "state", r->state);
	line(out, "postal-code", r->postal_code);
	line(out, "country", r->country);
	line(out, "business-category", r->business_category);
	line(out, "standing", bytes_of(standing_name(r->standing)));
	add_lists(r, out);
	line(out, "changed-by", r->changed_by);
	line_time(out, "changed", r->changed_ms / 1000);
}

/* ---- as messages ---- */

const char *organization_status(const struct record_organization *r, int64_t now_s)
{
	if (r->suspended)
		return "suspended";
	if (!r->vetted_by.len)
		return "unvetted";
	return now_s >= r->valid_until_s ? "expired" : "vetted";
}

static void show_lists(const struct record_organization *r, struct message_organization *m)
{
	m->document_count = (uint32_t)r->document_count;
	for (size_t i = 0; i < r->document_count; i++) {
		memcpy(m->documents[i].sha256, r->documents[i].sha256, sizeof(m->documents[i].sha256));
		m->documents[i].note = r->documents[i].note;
		m->documents[i].source = r->documents[i].source;
		m->documents[i].date_s = r->documents[i].date_s;
	}
	m->domain_count = (uint32_t)r->domain_count;
	memcpy(m->domains, r->domains, r->domain_count * sizeof(r->domains[0]));
	m->agent_count = (uint32_t)r->agent_count;
	memcpy(m->agents, r->agents, r->agent_count * sizeof(r->agents[0]));
}

int organization_show(const struct record_organization *r, int64_t now_s, struct buf *out, struct error *err)
{
	auto_free struct message_organization *m = calloc(1, sizeof(*m));
	auto_buf bytes = BUF_INIT;
	if (!m)
		return err_set(err, ERR_INTERNAL, "no memory for an organization");
	m->id = r->id;
	m->version = r->version;
	m->legal_name = r->legal_name;
	m->registration_number = r->registration_number;
	m->jurisdiction_country = r->jurisdiction_country;
	m->jurisdiction_state = r->jurisdiction_state;
	m->jurisdiction_locality = r->jurisdiction_locality;
	m->street = r->street;
	m->locality = r->locality;
	m->state = r->state;
	m->postal_code = r->postal_code;
	m->country = r->country;
	m->business_category = r->business_category;
	m->standing = (uint8_t)r->standing;
	show_lists(r, m);
	m->status = bytes_of(organization_status(r, now_s));
	m->vetted_by = r->vetted_by;
	m->created_s = r->created_ms / 1000;
	m->changed_s = r->changed_ms / 1000;
	m->vetted_s = r->vetted_s;
	m->valid_until_s = r->valid_until_s;
	ca_organization_bytes(r, &bytes);
	sha256(bytes.data, bytes.len, m->record_hash);
	message_organization_write(m, out);
	return out->failed || bytes.failed ? err_set(err, ERR_INTERNAL, "no memory for an organization") : 0;
}

/* ---- reading ---- */

static bool may_see(const struct ca_actor *actor, const struct record_organization *r)
{
	if (!actor->may_read)
		return false;
	return (actor->roles & (ROLE_OFFICER | ROLE_AUDITOR)) || ca_organization_has_agent(r, actor->identity);
}

static struct ca_organization *load_seen(struct ca *ca, const struct ca_actor *actor, struct bytes id,
					 struct error *err)
{
	struct ca_organization *o = ca_organization_load(ca, id, err);
	if (!o || may_see(actor, &o->record))
		return o;
	ca_organization_free(o);
	(void)organization_not_found(err);
	return NULL;
}

int ca_organization_get(struct ca *ca, const struct ca_actor *actor, struct bytes id, struct buf *out,
			struct error *err)
{
	auto_ca_organization *o = load_seen(ca, actor, id, err);
	return o ? organization_show(&o->record, ca_now_ms(ca) / 1000, out, err) : -1;
}

int ca_organization_record(struct ca *ca, const struct ca_actor *actor, struct bytes id, struct buf *out,
			   struct error *err)
{
	auto_buf bytes = BUF_INIT;
	auto_ca_organization *o = load_seen(ca, actor, id, err);
	if (!o)
		return -1;
	ca_organization_bytes(&o->record, &bytes);
	const struct message_name m = { buf_bytes(&bytes) };
	message_name_write(&m, out);
	return out->failed || bytes.failed ? err_set(err, ERR_INTERNAL, "no memory for an organization") : 0;
}

struct listing {
	const struct ca_actor *actor;
	int64_t now_s;
	struct record_organization record;
	struct message_organizations answer;
};

/* Rows borrow from the snapshot, which lives until they are written. */
static int visit(void *arg, const struct store_row *row, struct error *err)
{
	struct listing *l = arg;
	struct record_organization *r = &l->record;
	if (record_organization_decode(row->value, r, err))
		return -1;
	if (l->answer.count == MESSAGE_ROWS_MAX)
		return 1;
	if (may_see(l->actor, r))
		l->answer.rows[l->answer.count++] = (struct message_organization_row){
			r->id, r->legal_name, r->country, bytes_of(organization_status(r, l->now_s)), r->valid_until_s
		};
	return 0;
}

int ca_organization_list(struct ca *ca, const struct ca_actor *actor, struct buf *out, struct error *err)
{
	auto_free struct listing *l = calloc(1, sizeof(*l));
	auto_store_snapshot *snap = store_snapshot_new(ca->store, err);
	const struct store_range all = { 0 };
	if (!snap)
		return -1;
	if (!l)
		return err_set(err, ERR_INTERNAL, "no memory to list organizations");
	l->actor = actor;
	l->now_s = ca_now_ms(ca) / 1000;
	if (store_scan(snap, STORE_ORGANIZATIONS, &all, visit, l, err) < 0)
		return -1;
	message_organizations_write(&l->answer, out);
	return out->failed ? err_set(err, ERR_INTERNAL, "no memory to list organizations") : 0;
}
