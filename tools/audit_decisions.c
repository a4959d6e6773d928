#include "tools/audit_decisions.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/ossl.h"
#include "base/text.h"
#include "ca-core/statement.h"
#include "tools/audit_private.h"
#include "tools/output.h"

#define DECODED_MAX ((size_t)1 << 20)

static void clear_order(void *value)
{
	free(((struct audit_order *)value)->approvals);
}

struct audit_decisions *audit_decisions_new(struct error *err)
{
	struct audit_decisions *d = calloc(1, sizeof(*d));
	if (!d)
		(void)err_set(err, ERR_INTERNAL, "no memory for the log");
	return d;
}

void audit_decisions_free(struct audit_decisions *d)
{
	if (!d)
		return;
	audit_people_free(&d->people);
	lookup_free(&d->orders, clear_order);
	lookup_free(&d->organizations, NULL);
	lookup_free(&d->statements, NULL);
	lookup_free(&d->wanted, NULL);
	free(d);
}

/* ---- one entry ---- */

__attribute__((format(printf, 3, 0))) static void print(char *out, size_t size, const char *fmt, va_list arguments)
{
	(void)vsnprintf(out, size, fmt, arguments);
}

/* The name stands in parentheses because the analyzer is given a macro for it. */
int(audit_wrong)(const struct audit_entry *e, struct error *err, const char *fmt, ...)
{
	char text[sizeof(err->message)];
	va_list arguments;
	va_start(arguments, fmt);
	print(text, sizeof(text), fmt, arguments);
	va_end(arguments);
	(void)err_set(err, ERR_INTEGRITY, "entry %" PRIu64 " (%.64s): %s", e->sequence, e->event, text);
	output_clean(err->message);
	return -1;
}

const char *audit_detail(const struct audit_entry *e, const char *member)
{
	return member_text(e->detail, member);
}

int audit_detail_base64(const struct audit_entry *e, const char *member, struct buf *out, struct error *err)
{
	struct error none = ERR_INIT;
	const char *text = audit_detail(e, member);
	if (!text[0] || strlen(text) > DECODED_MAX || text_parse_base64(bytes_of(text), false, out, &none))
		return audit_wrong(e, err, "its %s is not there, or no base64", member);
	return 0;
}

int audit_subject_id(const struct audit_entry *e, const char *kind, const char **id, struct error *err)
{
	size_t length = strlen(kind);
	*id = e->subject + length;
	if (strncmp(e->subject, kind, length) == 0 && **id && strlen(*id) < AUDIT_NAME_SIZE)
		return 0;
	return audit_wrong(e, err, "it is about no %s", kind);
}

static int read_entry(uint64_t sequence, const json_t *value, struct audit_entry *e, struct error *err)
{
	struct error none = ERR_INIT;
	auto_buf hash = BUF_INIT;
	*e = (struct audit_entry){ .sequence = sequence,
				   .event = member_text(value, "event"),
				   .actor = member_text(value, "actor"),
				   .subject = member_text(value, "subject"),
				   .detail = json_object_get(value, "detail") };
	if (text_parse_hex(bytes_of(member_text(value, "sha256")), AUDIT_HASH_LEN, &hash, &none) == 0 &&
	    hash.len == AUDIT_HASH_LEN) {
		memcpy(e->sha256, hash.data, AUDIT_HASH_LEN);
		e->has_sha256 = true;
	}
	return clock_parse_rfc3339(bytes_of(member_text(value, "time")), &e->time_s, &none)
		       ? audit_wrong(e, err, "it has no time")
		       : 0;
}

static int no_memory(struct error *err)
{
	return err_set(err, ERR_INTERNAL, "no memory for the log");
}

/* ---- statements ---- */

static int keep_ca(struct audit_decisions *d, const struct audit_entry *e, const uint8_t ca[AUDIT_HASH_LEN],
		   struct error *err)
{
	for (size_t i = 0; i < d->ca_count; i++)
		if (memcmp(d->cas[i].hash, ca, AUDIT_HASH_LEN) == 0)
			return 0;
	if (d->ca_count == AUDIT_CAS_MAX)
		return audit_wrong(e, err, "statements name more than %d certificate authorities", AUDIT_CAS_MAX);
	memcpy(d->cas[d->ca_count].hash, ca, AUDIT_HASH_LEN);
	d->cas[d->ca_count++].sequence = e->sequence;
	return 0;
}

static int use_once(struct audit_decisions *d, const struct audit_entry *e, const uint8_t key[AUDIT_HASH_LEN],
		    struct error *err)
{
	uint64_t *used = lookup_find(&d->statements, BYTES(key, AUDIT_HASH_LEN));
	if (used)
		return audit_wrong(e, err, "its statement was used before, in entry %" PRIu64, *used);
	used = lookup_add(&d->statements, BYTES(key, AUDIT_HASH_LEN), sizeof(*used));
	if (!used)
		return no_memory(err);
	*used = e->sequence;
	return 0;
}

struct told {
	uint8_t key[AUDIT_HASH_LEN]; /* SHA-256 of the statement's text */
	uint64_t officer_since;      /* the entry that enrolled who signed */
};

/* It says what the entry says. */
static int check_content(const struct audit_entry *e, const struct ca_statement *s, enum ca_decision decision,
			 const char *id, struct error *err)
{
	int64_t off_s = s->time_s > e->time_s ? s->time_s - e->time_s : e->time_s - s->time_s;
	if (s->decision != decision || !bytes_are(s->id, id))
		return audit_wrong(e, err, "its statement is another decision, or about something else");
	if (!bytes_are(s->by, e->actor))
		return audit_wrong(e, err, "its statement is not by %s", e->actor);
	if (!e->has_sha256 || memcmp(s->sha256, e->sha256, AUDIT_HASH_LEN) != 0)
		return audit_wrong(e, err, "its statement is about other bytes");
	return off_s > CA_STATEMENT_SKEW_S
		       ? audit_wrong(e, err, "its statement was signed at another time than the entry's")
		       : 0;
}

static int take_statement(struct audit_decisions *d, const struct audit_entry *e, enum ca_decision decision,
			  const char *id, struct told *told, struct error *err)
{
	auto_buf text = BUF_INIT, certificate = BUF_INIT, signature = BUF_INIT;
	struct ca_statement s;
	struct error why = ERR_INIT;
	if (audit_detail_base64(e, "statement", &text, err) ||
	    audit_detail_base64(e, "certificate", &certificate, err) ||
	    audit_detail_base64(e, "signature", &signature, err))
		return -1;
	if (ca_statement_read(buf_bytes(&text), &s, &why))
		return audit_wrong(e, err, "its statement is none: %s", why.message);
	if (ca_statement_verify(buf_bytes(&text), buf_bytes(&certificate), buf_bytes(&signature), &why))
		return audit_wrong(e, err, "its statement was not signed so: %s", why.message);
	sha256(text.data, text.len, told->key);
	if (check_content(e, &s, decision, id, err) ||
	    audit_people_officer(&d->people, e, buf_bytes(&certificate), &told->officer_since, err) ||
	    use_once(d, e, told->key, err))
		return -1;
	return keep_ca(d, e, s.ca, err);
}

/* ---- orders ---- */

static int take_order(struct audit_decisions *d, const struct audit_entry *e, struct error *err)
{
	const char *id;
	if (audit_subject_id(e, "order ", &id, err))
		return -1;
	struct audit_order *o = lookup_find(&d->orders, bytes_of(id));
	bool created = strcmp(e->event, "order.created") == 0;
	if (created ? o != NULL : !o)
		return audit_wrong(e, err, "the order was %s before", created ? "made" : "not made");
	if (created) {
		o = lookup_add(&d->orders, bytes_of(id), sizeof(*o));
		if (!o)
			return no_memory(err);
		o->created = e->sequence;
		(void)snprintf(o->requester, sizeof(o->requester), "%s", e->actor);
	}
	(void)snprintf(o->organization, sizeof(o->organization), "%s", audit_detail(e, "organization"));
	return 0;
}

static int find_order(struct audit_decisions *d, const struct audit_entry *e, const char **id, struct audit_order **o,
		      struct error *err)
{
	if (audit_subject_id(e, "order ", id, err))
		return -1;
	*o = lookup_find(&d->orders, bytes_of(*id));
	return *o ? 0 : audit_wrong(e, err, "the log does not have this order");
}

static int add_approval(struct audit_order *o, const struct audit_entry *e, const uint8_t key[AUDIT_HASH_LEN],
			struct error *err)
{
	for (size_t i = 0; i < o->approval_count; i++) {
		const struct audit_approval *a = &o->approvals[i];
		if (!a->is_void && strcmp(a->officer, e->actor) == 0 && memcmp(a->tbs, e->sha256, AUDIT_HASH_LEN) == 0)
			return audit_wrong(e, err, "%s approved these bytes twice", e->actor);
	}
	struct audit_approval *grown = o->approval_count < AUDIT_APPROVALS_MAX
					       ? reallocarray(o->approvals, o->approval_count + 1, sizeof(*grown))
					       : NULL;
	if (!grown)
		return o->approval_count < AUDIT_APPROVALS_MAX
			       ? no_memory(err)
			       : audit_wrong(e, err, "an order has more than %d approvals", AUDIT_APPROVALS_MAX);
	o->approvals = grown;
	struct audit_approval *a = &o->approvals[o->approval_count++];
	*a = (struct audit_approval){ .is_void = false };
	(void)snprintf(a->officer, sizeof(a->officer), "%s", e->actor);
	memcpy(a->tbs, e->sha256, AUDIT_HASH_LEN);
	memcpy(a->statement, key, AUDIT_HASH_LEN);
	return 0;
}

static void note_late_officer(struct audit_decisions *d, const struct audit_entry *e, const struct audit_order *o,
			      const struct told *told)
{
	if (told->officer_since < o->created)
		return;
	if (!d->counts.late_officers++)
		d->counts.first_late = e->sequence;
}

static int take_order_decision(struct audit_decisions *d, const struct audit_entry *e, enum ca_decision decision,
			       struct error *err)
{
	struct audit_order *o;
	struct told told;
	const char *id;
	if (find_order(d, e, &id, &o, err) || take_statement(d, e, decision, id, &told, err))
		return -1;
	if (o->denied || o->issued)
		return audit_wrong(e, err, "the order was %s before", o->denied ? "denied" : "issued");
	if (strcmp(e->actor, o->requester) == 0)
		return audit_wrong(e, err, "%s decided about an order of his own", e->actor);
	if (decision == DECISION_DENY) {
		o->denied = true;
		d->counts.denials++;
		return 0;
	}
	d->counts.approvals++;
	note_late_officer(d, e, o, &told);
	return add_approval(o, e, told.key, err);
}

static int take_void(struct audit_decisions *d, const struct audit_entry *e, struct error *err)
{
	struct audit_order *o;
	const char *id;
	if (find_order(d, e, &id, &o, err))
		return -1;
	for (size_t i = 0; i < o->approval_count; i++)
		if (strcmp(o->approvals[i].officer, audit_detail(e, "officer")) == 0)
			o->approvals[i].is_void = true;
	return 0;
}

/* ---- organizations ---- */

static int take_organization(struct audit_decisions *d, const struct audit_entry *e, struct error *err)
{
	const char *id;
	if (audit_subject_id(e, "organization ", &id, err))
		return -1;
	struct audit_organization *o = lookup_find(&d->organizations, bytes_of(id));
	if (!o)
		o = lookup_add(&d->organizations, bytes_of(id), sizeof(*o));
	if (!o)
		return no_memory(err);
	if (!e->has_sha256)
		return audit_wrong(e, err, "it does not say which record was entered");
	*o = (struct audit_organization){ .suspended = false };
	memcpy(o->record, e->sha256, AUDIT_HASH_LEN);
	return 0;
}

static int take_organization_decision(struct audit_decisions *d, const struct audit_entry *e, enum ca_decision decision,
				      struct error *err)
{
	struct told told;
	const char *id;
	if (audit_subject_id(e, "organization ", &id, err) || take_statement(d, e, decision, id, &told, err))
		return -1;
	struct audit_organization *o = lookup_find(&d->organizations, bytes_of(id));
	if (!o || memcmp(o->record, e->sha256, AUDIT_HASH_LEN) != 0)
		return audit_wrong(e, err, "it is about a record that was not entered, or not the present one");
	if (o->suspended)
		return audit_wrong(e, err, "this version of the record was suspended before");
	if (decision == DECISION_VET && o->vetted_by[0])
		return audit_wrong(e, err, "this version of the record was vetted before");
	if (decision == DECISION_VET) {
		(void)snprintf(o->vetted_by, sizeof(o->vetted_by), "%s", e->actor);
		d->counts.vettings++;
	} else {
		o->suspended = true;
		d->counts.suspensions++;
	}
	return 0;
}

/* ---- all entries ---- */

int audit_decisions_entry(struct audit_decisions *d, uint64_t sequence, const json_t *entry, struct error *err)
{
	static const struct {
		const char *event;
		int (*decide)(struct audit_decisions *d, const struct audit_entry *e, enum ca_decision decision,
			      struct error *err);
		enum ca_decision decision;
	} decisions[] = { { "order.approved", take_order_decision, DECISION_APPROVE },
			  { "order.denied", take_order_decision, DECISION_DENY },
			  { "organization.vetted", take_organization_decision, DECISION_VET },
			  { "organization.suspended", take_organization_decision, DECISION_SUSPEND } };
	static const struct {
		const char *event;
		int (*take)(struct audit_decisions *d, const struct audit_entry *e, struct error *err);
	} others[] = { { "order.created", take_order },
		       { "order.changed", take_order },
		       { "order.approval-void", take_void },
		       { "organization.added", take_organization },
		       { "organization.changed", take_organization },
		       { "certificate.issued", audit_issued_entry } };
	struct audit_entry e;
	const char *event = member_text(entry, "event");
	if (strncmp(event, "order.", 6) != 0 && strncmp(event, "organization.", 13) != 0 &&
	    strncmp(event, "identity.", 9) != 0 && strncmp(event, "certificate.", 12) != 0)
		return 0;
	if (read_entry(sequence, entry, &e, err) || audit_people_entry(&d->people, &e, err))
		return -1;
	for (size_t i = 0; i < sizeof(decisions) / sizeof(decisions[0]); i++)
		if (strcmp(event, decisions[i].event) == 0)
			return decisions[i].decide(d, &e, decisions[i].decision, err);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strcmp(event, others[i].event) == 0)
			return others[i].take(d, &e, err);
	return 0;
}

int audit_decisions_check_roots(const struct audit_decisions *d, bool (*is_trusted)(void *arg, const uint8_t ca[32]),
				void *arg, struct error *err)
{
	for (size_t i = 0; i < d->ca_count; i++)
		if (!is_trusted(arg, d->cas[i].hash))
			return err_set(err, ERR_INTEGRITY,
				       "entry %" PRIu64 ": its statement is for another certificate authority",
				       d->cas[i].sequence);
	return 0;
}

void audit_decisions_count(const struct audit_decisions *d, struct audit_decided *out)
{
	*out = d->counts;
}

/* ---- certificates from elsewhere ---- */

int audit_decisions_want(struct audit_decisions *d, const char *name, struct bytes der, struct error *err)
{
	uint8_t hash[AUDIT_HASH_LEN];
	unsigned needed;
	sha256(der.data, der.len, hash);
	if (audit_issued_needed(der, &needed, err))
		return -1;
	if (lookup_find(&d->wanted, BYTES(hash, sizeof(hash))))
		return 0;
	struct audit_wanted *wanted = lookup_add(&d->wanted, BYTES(hash, sizeof(hash)), sizeof(*wanted));
	if (!wanted)
		return no_memory(err);
	wanted->name = name;
	wanted->needed = needed;
	return 0;
}

static int check_wanted(void *arg, void *value, struct error *err)
{
	const struct audit_wanted *wanted = value;
	(void)arg;
	if (!wanted->sequence)
		return err_set(err, ERR_INTEGRITY, "the log does not tell of the certificate in %s", wanted->name);
	if (wanted->needed && !wanted->proved)
		return err_set(err, ERR_INTEGRITY,
			       "entry %" PRIu64 ": the certificate in %s names an organization, and no officer "
			       "approved it",
			       wanted->sequence, wanted->name);
	return 0;
}

int audit_decisions_check_wanted(const struct audit_decisions *d, struct error *err)
{
	return lookup_each(&d->wanted, check_wanted, NULL, err);
}
