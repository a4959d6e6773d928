/* Organizations: entered, vetted, suspended; each version kept as it was. */
#include "ca-core/organization_private.h"

#include <stdio.h>

#include "base/log.h"
#include "base/ossl.h"
#include "base/text.h"
#include "ca-core/challenge.h"
#include "ca-core/policy.h"
#include "ca-core/restore.h"

#define ATTEMPTS 4
#define TEXT_MAX 1024
#define DAY_S ((int64_t)24 * 3600)

/* ---- loading ---- */

struct ca_organization *ca_organization_load(struct ca *ca, struct bytes id, struct error *err)
{
	auto_store_snapshot *snap = store_snapshot_new(ca->store, err);
	struct bytes value;
	struct ca_organization *o = calloc(1, sizeof(*o));
	if (!snap || !o) {
		free(o);
		if (snap)
			(void)err_set(err, ERR_INTERNAL, "no memory for an organization");
		return NULL;
	}
	int found = id.len && id.len <= RECORD_NAME_MAX
			    ? store_get(snap, STORE_ORGANIZATIONS, id, &value, &o->stored, err)
			    : 0;
	if (found == 0)
		(void)organization_not_found(err);
	if (found == 1)
		buf_add_bytes(&o->encoded, value);
	if (o->encoded.failed)
		(void)err_set(err, ERR_INTERNAL, "no memory for an organization");
	else if (found == 1 && record_organization_decode(buf_bytes(&o->encoded), &o->record, err) == 0)
		return o;
	ca_organization_free(o);
	return NULL;
}

int organization_not_found(struct error *err)
{
	return err_set(err, ERR_NOT_FOUND, "there is no such organization that you may see");
}

void ca_organization_free(struct ca_organization *o)
{
	if (!o)
		return;
	buf_free(&o->encoded);
	free(o);
}

bool ca_organization_has_agent(const struct record_organization *r, const char *identity)
{
	for (size_t i = 0; i < r->agent_count; i++)
		if (bytes_are(r->agents[i], identity))
			return true;
	return false;
}

/* ---- whether it may be used ---- */

static int not_valid(const struct record_organization *r, const char *why, struct error *err)
{
	char id[RECORD_NAME_MAX + 1];
	(void)snprintf(id, sizeof(id), "%.*s", (int)r->id.len, (const char *)r->id.data);
	(void)err_set(err, ERR_ORGANIZATION_NOT_VALID, "organization %s, version %llu, %s", id,
		      (unsigned long long)r->version, why);
	return err_about(err, "organization", id, NULL);
}

/* BR 3.2.2.1, 4.2.1; EVG 3.2.2.14.3. */
int ca_organization_valid(const struct record_organization *r, int64_t now_s, struct error *err)
{
	if (r->suspended)
		return not_valid(r, "is suspended", err);
	if (!r->vetted_by.len)
		return not_valid(r, "was not vetted by an officer yet", err);
	if (now_s >= r->valid_until_s)
		return not_valid(r, "was vetted too long ago: it has to be vetted anew", err);
	return r->standing == STANDING_GOOD ? 0 : not_valid(r, "is not in good standing", err);
}

/* "example.test" covers itself and all below. */
static bool domain_covers(struct bytes domain, struct bytes host)
{
	if (host.len < domain.len || memcmp(host.data + (host.len - domain.len), domain.data, domain.len) != 0)
		return false;
	return host.len == domain.len || host.data[host.len - domain.len - 1] == '.';
}

int ca_organization_covers(const struct record_organization *r, struct bytes name, struct error *err)
{
	struct bytes host = ca_challenge_host(name);
	/* What is no DNS name stands in the list as it is: "ip:192.0.2.1". */
	for (size_t i = 0; i < r->domain_count; i++)
		if (host.len ? domain_covers(r->domains[i], host) : bytes_equal(r->domains[i], name))
			return 0;
	char text[256];
	(void)snprintf(text, sizeof(text), "%.*s", (int)name.len, (const char *)name.data);
	(void)err_set(err, ERR_NAME_NOT_ALLOWED, "the organization's record does not list a domain that covers %s",
		      text);
	return err_about(err, "name", text, "names below the organization's domains");
}

/* ---- what is entered ---- */

static int bad(struct error *err, const char *member, const char *what)
{
	(void)err_set(err, ERR_BAD_REQUEST, "%s %s", member, what);
	return err_about(err, member, NULL, NULL);
}

static int check_line(struct bytes text, const char *member, struct error *err)
{
	if (text.len > TEXT_MAX || !text_is_utf8(text) || text_has_control(text))
		return bad(err, member, "is at most 1024 octets of UTF-8 without control characters");
	return text.len && (text.data[0] == ' ' || text.data[text.len - 1] == ' ')
		       ? bad(err, member, "begins or ends with a blank")
		       : 0;
}

static int check_country(struct bytes text, const char *member, struct error *err)
{
	bool letters = text.len == 2 && text.data[0] >= 'A' && text.data[0] <= 'Z' && text.data[1] >= 'A' &&
		       text.data[1] <= 'Z';
	return letters || !text.len ? 0 : bad(err, member, "is two capital letters (ISO 3166-1)");
}

static int check_lines(const struct message_organization *m, struct error *err)
{
	const struct {
		struct bytes text;
		const char *member;
	} lines[] = { { m->legal_name, "legalName" },
		      { m->registration_number, "registrationNumber" },
		      { m->jurisdiction_state, "jurisdictionState" },
		      { m->jurisdiction_locality, "jurisdictionLocality" },
		      { m->street, "street" },
		      { m->locality, "locality" },
		      { m->state, "state" },
		      { m->postal_code, "postalCode" },
		      { m->business_category, "businessCategory" } };
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (check_line(lines[i].text, lines[i].member, err))
			return -1;
	if (!m->legal_name.len)
		return bad(err, "legalName", "is missing");
	return check_country(m->country, "country", err) ||
			       check_country(m->jurisdiction_country, "jurisdictionCountry", err)
		       ? -1
		       : 0;
}

static int check_domain(struct bytes domain, struct error *err)
{
	struct ca_name name;
	struct error why = ERR_INIT;
	bool printed = domain.len > 3 && memcmp(domain.data, "ip:", 3) == 0;
	int wrong = printed ? ca_name_parse(domain, &name, &why) : ca_name_dns(domain, &name, &why);
	if (wrong)
		return bad(err, "domains", "holds what is no domain");
	if (name.wildcard || (!printed && !bytes_are(domain, name.text)))
		return bad(err, "domains",
			   "holds what is not a domain in lower case, which stands for all below it, too");
	return 0;
}

static int check_lists(const struct message_organization *m, int64_t now_s, struct error *err)
{
	for (uint32_t i = 0; i < m->document_count; i++)
		if (check_line(m->documents[i].note, "documents.note", err) ||
		    check_line(m->documents[i].source, "documents.source", err))
			return -1;
	for (uint32_t i = 0; i < m->document_count; i++)
		if (m->documents[i].date_s < 0 || m->documents[i].date_s > now_s + DAY_S)
			return bad(err, "documents.date", "lies in the future");
	for (uint32_t i = 0; i < m->domain_count; i++)
		if (check_domain(m->domains[i], err))
			return -1;
	for (uint32_t i = 0; i < m->agent_count; i++)
		if (ca_policy_identity_name(m->agents[i], err))
			return bad(err, "agents", "holds what is no identity's name");
	return 0;
}

static int check_id(struct bytes id, struct error *err)
{
	bool good = id.len >= 1 && id.len <= RECORD_NAME_MAX;
	for (size_t i = 0; good && i < id.len; i++) {
		uint8_t c = id.data[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		good = letter || (i > 0 && (c == '.' || c == '_' || c == '-'));
	}
	return good ? 0
		    : bad(err, "id",
			  "is 1 to 64 letters, digits, dots, underscores or hyphens, a letter or digit first");
}

static void fill(const struct message_organization *m, const struct ca_actor *actor, int64_t now_ms,
		 struct record_organization *r)
{
	*r = (struct record_organization){ .id = m->id, .version = m->version + 1 };
	r->legal_name = m->legal_name;
	r->registration_number = m->registration_number;
	r->jurisdiction_country = m->jurisdiction_country;
	r->jurisdiction_state = m->jurisdiction_state;
	r->jurisdiction_locality = m->jurisdiction_locality;
	r->street = m->street;
	r->locality = m->locality;
	r->state = m->state;
	r->postal_code = m->postal_code;
	r->country = m->country;
	r->business_category = m->business_category;
	r->standing = (enum record_standing)m->standing;
	r->document_count = m->document_count;
	for (uint32_t i = 0; i < m->document_count; i++) {
		memcpy(r->documents[i].sha256, m->documents[i].sha256, sizeof(r->documents[i].sha256));
		r->documents[i].note = m->documents[i].note;
		r->documents[i].source = m->documents[i].source;
		r->documents[i].date_s = m->documents[i].date_s;
	}
	r->domain_count = m->domain_count;
	memcpy(r->domains, m->domains, m->domain_count * sizeof(m->domains[0]));
	r->agent_count = m->agent_count;
	memcpy(r->agents, m->agents, m->agent_count * sizeof(m->agents[0]));
	r->created_ms = r->changed_ms = now_ms;
	r->changed_by = bytes_of(actor->identity);
}

/* ---- a change, in one batch ---- */

/* The present one and the version of that number, as it is last. */
static int put(struct store_batch *batch, const struct record_organization *r, uint64_t stored, struct error *err)
{
	auto_buf value = BUF_INIT, key = BUF_INIT;
	record_organization_encode(r, &value);
	record_key_organization_version(&key, r->id, r->version);
	if (value.failed || key.failed)
		return err_set(err, ERR_BAD_REQUEST, "the organization's record cannot be kept as it is");
	if (stored)
		store_expect_version(batch, STORE_ORGANIZATIONS, r->id, stored);
	else
		store_expect_absent(batch, STORE_ORGANIZATIONS, r->id);
	store_put(batch, STORE_ORGANIZATIONS, r->id, buf_bytes(&value));
	store_put(batch, STORE_ORGANIZATION_VERSIONS, buf_bytes(&key), buf_bytes(&value));
	return 0;
}

static void tell(struct ca *ca, const struct ca_actor *actor, const char *event, const struct record_organization *r,
		 struct ca_audit_entry *entry)
{
	auto_buf subject = BUF_INIT, bytes = BUF_INIT;
	uint8_t hash[32];
	buf_add_text(&subject, "organization ");
	buf_add_bytes(&subject, r->id);
	ca_organization_bytes(r, &bytes);
	sha256(bytes.data, bytes.len, hash);
	ca_audit_begin(entry, ca, event, actor);
	ca_audit_subject(entry, buf_bytes(&subject));
	ca_audit_sha256(entry, hash);
	ca_audit_number(entry, "version", (int64_t)r->version);
}

static int conflict(uint64_t present, struct error *err)
{
	char number[32];
	(void)snprintf(number, sizeof(number), "%llu", (unsigned long long)present);
	if (present)
		(void)err_set(err, ERR_CONFLICT, "the record is version %s now: look at it, and change that", number);
	else
		(void)err_set(err, ERR_CONFLICT, "there is no organization of this id yet: enter it as version 0");
	return err_about(err, "version", NULL, number);
}

static int step_add(struct ca *ca, const struct ca_actor *actor, const struct message_organization *m,
		    struct ca_organization *before, struct record_organization *r, struct store_batch *batch,
		    struct error *err)
{
	struct ca_audit_entry entry;
	uint64_t present = before ? before->record.version : 0;
	if (m->version != present)
		return conflict(present, err);
	fill(m, actor, ca_now_ms(ca), r);
	if (before)
		r->created_ms = before->record.created_ms;
	tell(ca, actor, before ? "organization.changed" : "organization.added", r, &entry);
	ca_audit_text(&entry, "legalName", r->legal_name);
	ca_audit_append(&entry, batch);
	return put(batch, r, before ? before->stored : 0, err);
}

static int may_enter(const struct ca_actor *actor, struct error *err)
{
	if ((actor->roles & (ROLE_OFFICER | ROLE_ADMIN)) && !actor->token_id[0])
		return 0;
	(void)err_set(err, ERR_ROLE_REQUIRED, "%s may not enter organizations", actor->identity);
	return err_about(err, NULL, NULL, "officer, admin");
}

static int present(struct ca *ca, struct bytes id, struct ca_organization **out, struct error *err)
{
	struct error why = ERR_INIT;
	*out = ca_organization_load(ca, id, &why);
	if (*out || why.code == ERR_NOT_FOUND)
		return 0;
	*err = why;
	return -1;
}

int ca_organization_add(struct ca *ca, const struct ca_actor *actor, const struct message_organization *request,
			struct buf *out, struct error *err)
{
	auto_free struct record_organization *r = malloc(sizeof(*r));
	auto_store_batch *batch = store_batch_new(ca->store);
	auto_ca_organization *before = NULL;
	if (!r || !batch)
		return err_set(err, ERR_INTERNAL, "no memory for an organization");
	if (may_enter(actor, err) || ca_clock_check(ca, ca_now_ms(ca), err) || ca_restore_check(ca, err) ||
	    check_id(request->id, err) || check_lines(request, err) ||
	    check_lists(request, ca_now_ms(ca) / 1000, err) || present(ca, request->id, &before, err) ||
	    step_add(ca, actor, request, before, r, batch, err) || store_submit_wait(ca->store, TAKE(batch), NULL, err))
		return -1;
	ca_orders_organization_changed(ca, r->id);
	return organization_show(r, ca_now_ms(ca) / 1000, out, err);
}

/* ---- decided ---- */

/* BR 4.2.1, EVG 3.2.2.14.3: data counts for 398 days; no longer than its oldest document. */
static int64_t valid_until(const struct record_organization *r, int64_t now_s)
{
	int64_t oldest_s = now_s;
	for (size_t i = 0; i < r->document_count; i++)
		if (r->documents[i].date_s < oldest_s)
			oldest_s = r->documents[i].date_s;
	return oldest_s + CA_PROFILE_ORGANIZATION_DAYS * DAY_S;
}

static int apply_vet(struct record_organization *r, const struct ca_actor *actor, const struct ca_statement_accepted *a,
		     int64_t now_s, struct error *err)
{
	if (r->suspended)
		return err_set(err, ERR_ORDER_STATE, "this version was suspended: enter a new one to have it vetted");
	if (r->standing != STANDING_GOOD)
		return err_set(err, ERR_ORGANIZATION_NOT_VALID,
			       "an organization that is not in good standing is not vetted: correct the record first");
	int64_t until_s = valid_until(r, now_s);
	if (until_s <= now_s)
		return err_set(err, ERR_ORGANIZATION_NOT_VALID,
			       "a document of the record is older than 398 days: enter a newer one");
	/* Two who vet the same version could then be the two who approve (EVG 5.2.4). */
	if (r->vetted_by.len)
		return err_set(err, ERR_ORDER_STATE,
			       "this version was vetted already: enter a new one to have it vetted anew");
	r->vetted_by = bytes_of(actor->identity);
	r->vetted_s = now_s;
	r->valid_until_s = until_s;
	memcpy(r->vet_statement, a->key, sizeof(r->vet_statement));
	return 0;
}

static int apply_suspend(struct record_organization *r, const struct ca_actor *actor,
			 const struct ca_statement_accepted *a, struct error *err)
{
	if (r->suspended)
		return err_set(err, ERR_ORDER_STATE, "this version was suspended before");
	r->suspended = true;
	r->suspended_by = bytes_of(actor->identity);
	memcpy(r->suspend_statement, a->key, sizeof(r->suspend_statement));
	return 0;
}

static int step_decide(struct ca *ca, const struct ca_actor *actor, const struct message_decide *m,
		       struct ca_organization *o, struct store_snapshot *snap, struct store_batch *batch,
		       struct error *err)
{
	struct record_organization *r = &o->record;
	struct ca_statement_accepted accepted;
	struct ca_audit_entry entry;
	auto_buf bytes = BUF_INIT;
	uint8_t hash[32];
	ca_organization_bytes(r, &bytes);
	if (bytes.failed)
		return err_set(err, ERR_INTERNAL, "no memory for an organization");
	sha256(bytes.data, bytes.len, hash);
	const struct ca_statement_expected expected = { .organization = true, .id = r->id, .sha256 = hash };
	if (ca_statement_accept(ca, actor, m, &expected, snap, batch, &accepted, err))
		return -1;
	bool vet = accepted.decision == DECISION_VET;
	if (vet ? apply_vet(r, actor, &accepted, ca_now_ms(ca) / 1000, err) : apply_suspend(r, actor, &accepted, err))
		return -1;
	tell(ca, actor, vet ? "organization.vetted" : "organization.suspended", r, &entry);
	if (vet)
		ca_audit_time(&entry, "validUntil", r->valid_until_s);
	ca_statement_tell(&entry, m, &accepted);
	ca_audit_text(&entry, "reason", accepted.reason);
	ca_audit_append(&entry, batch);
	return put(batch, r, o->stored, err);
}

static int attempt_decide(struct ca *ca, const struct ca_actor *actor, const struct message_decide *m, struct buf *out,
			  struct error *err)
{
	auto_store_snapshot *snap = store_snapshot_new(ca->store, err);
	auto_store_batch *batch = store_batch_new(ca->store);
	auto_ca_organization *o = snap ? ca_organization_load(ca, m->id, err) : NULL;
	if (!snap || !o)
		return -1;
	if (!batch)
		return err_set(err, ERR_INTERNAL, "no memory for an organization");
	if (step_decide(ca, actor, m, o, snap, batch, err) || store_submit_wait(ca->store, TAKE(batch), NULL, err))
		return -1;
	return organization_show(&o->record, ca_now_ms(ca) / 1000, out, err);
}

int ca_organization_decide(struct ca *ca, const struct ca_actor *actor, const struct message_decide *request,
			   struct buf *out, struct error *err)
{
	if (!(actor->roles & ROLE_OFFICER) || actor->token_id[0]) {
		(void)err_set(err, ERR_APPROVAL_NOT_ALLOWED, "%s may not decide: that takes an officer",
			      actor->identity);
		return err_about(err, "by", actor->identity, "officer");
	}
	if (ca_clock_check(ca, ca_now_ms(ca), err) || ca_restore_check(ca, err))
		return -1;
	int result = -1;
	for (int i = 0; i < ATTEMPTS && result; i++) {
		result = attempt_decide(ca, actor, request, out, err);
		if (result && err->code != ERR_CONFLICT)
			break;
	}
	if (result == 0)
		ca_orders_organization_changed(ca, request->id);
	return result;
}
