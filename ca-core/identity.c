#include "ca-core/identity.h"

#include <stdio.h>

#include "base/ossl.h"
#include "ca-core/audit.h"
#include "ca-core/inventory.h"
#include "ca-core/issuance.h"
#include "ca-core/policy.h"
#include "ca-core/restore.h"
#include "ca-core/revoke.h"

#define ROLES_ALL (ROLE_REQUESTER | ROLE_OFFICER | ROLE_AUDITOR | ROLE_ADMIN)

/* ---- enrolled certificates ---- */

static void enrolled_key(struct buf *out, const uint8_t hash[32])
{
	buf_add_text(out, CA_META_ENROLLED);
	buf_add(out, hash, 32);
}

/* The serial behind an enrolled certificate's SHA-256: 1 found, 0 not, -1. */
static int enrolled_serial(struct store_snapshot *snap, const uint8_t hash[32], struct bytes *serial, struct error *err)
{
	auto_buf key = BUF_INIT;
	struct bytes value, issuer;
	enrolled_key(&key, hash);
	int found = store_get(snap, STORE_META, buf_bytes(&key), &value, NULL, err);
	if (found <= 0)
		return found;
	return record_key_certificate_parse(value, &issuer, serial, err) ? -1 : 1;
}

static int get(struct store_snapshot *snap, struct bytes name, struct record_identity *record, uint64_t *version,
	       struct error *err)
{
	struct bytes value;
	*version = 0;
	*record = (struct record_identity){ 0 };
	int found = store_get(snap, STORE_IDENTITIES, name, &value, version, err);
	if (found == 1 && record_identity_decode(value, record, err))
		return -1;
	return found;
}

static int put(struct store_batch *batch, const struct record_identity *record, uint64_t version, struct error *err)
{
	auto_buf value = BUF_INIT;
	record_identity_encode(record, &value);
	if (value.failed)
		return err_set(err, ERR_INTERNAL, "no memory for an identity's record");
	if (version)
		store_expect_version(batch, STORE_IDENTITIES, record->name, version);
	else
		store_expect_absent(batch, STORE_IDENTITIES, record->name);
	store_put(batch, STORE_IDENTITIES, record->name, buf_bytes(&value));
	store_use_reserve(batch);
	return 0;
}

/* Revokes the record's certificates in the batch; serials are kept as fields for the announcement. */
static int revoke_all(struct ca *ca, const struct ca_actor *actor, struct store_snapshot *snap,
		      struct store_batch *batch, const struct record_identity *record, enum record_reason reason,
		      struct buf *serials, struct error *err)
{
	for (size_t i = 0; i < record->fingerprint_count; i++) {
		struct bytes serial;
		int found = enrolled_serial(snap, record->fingerprints[i], &serial, err);
		if (found < 0 || (found && ca_revoke_in_batch(ca, actor, snap, batch, serial, reason, err)))
			return -1;
		if (found)
			buf_field(serials, serial);
	}
	return serials->failed ? err_set(err, ERR_INTERNAL, "no memory to revoke certificates") : 0;
}

/* name is no string with its NUL. */
static void announce(struct ca *ca, struct bytes name, const struct buf *serials)
{
	char text[RECORD_NAME_MAX + 1];
	struct reader r = reader_of(buf_bytes(serials));
	while (r.left && !r.failed)
		ca_revoke_announce(ca, reader_field(&r, STORE_SERIAL_MAX));
	(void)snprintf(text, sizeof(text), "%.*s", (int)name.len, (const char *)name.data);
	if (ca->on_sessions_end)
		ca->on_sessions_end(ca->on_sessions_end_arg, text);
}

/* ---- adding: the certificate and the identity in one batch ---- */

struct enrolment {
	struct ca *ca;
	const struct ca_actor *actor;
	const struct message_identity_add *request;
	bool known, revoke_earlier;
	struct store_snapshot *snap;
	struct record_identity record; /* as it was; name given, all else zeros for a new one */
	uint64_t version;
	struct buf revoked; /* serials, each a field */
};

/* A recovered identity keeps the certificates that were revoked with it: who shows one is told that it was revoked,
 * not that it is unknown. */
static void enrol(struct record_identity *record, const uint8_t hash[32], bool only)
{
	size_t kept = only ? 0 : record->fingerprint_count;
	if (kept == RECORD_FINGERPRINTS_MAX)
		kept--;
	memmove(record->fingerprints[1], record->fingerprints[0], kept * sizeof(record->fingerprints[0]));
	memcpy(record->fingerprints[0], hash, 32);
	record->fingerprint_count = kept + 1;
}

static void append_entry(const struct enrolment *e, struct store_batch *batch, const struct ca_issuance *i,
			 const struct record_identity *record, const uint8_t hash[32])
{
	char roles[CA_ROLES_TEXT_SIZE];
	struct ca_audit_entry entry;
	ca_audit_begin(&entry, e->ca,
		       !e->known           ? "identity.added"
		       : e->revoke_earlier ? "identity.recovered"
					   : "identity.renewed",
		       e->actor);
	ca_audit_subject(&entry, record->name);
	ca_audit_sha256(&entry, hash);
	ca_audit_text(&entry, "roles", bytes_of(ca_policy_roles_text(record->roles, roles)));
	ca_audit_hex(&entry, "serial", BYTES(i->serial.octets, i->serial.len));
	ca_audit_append(&entry, batch);
}

static int add_identity(void *arg, struct store_batch *batch, const struct ca_issuance *i, struct error *err)
{
	struct enrolment *e = arg;
	struct record_identity record = e->record;
	auto_buf fact_key = BUF_INIT, certificate_key = BUF_INIT;
	uint8_t hash[32];
	if (e->revoke_earlier &&
	    revoke_all(e->ca, e->actor, e->snap, batch, &e->record, REASON_SUPERSEDED, &e->revoked, err))
		return -1;
	sha256(i->certificate.data, i->certificate.len, hash);
	enrol(&record, hash, !e->known);
	if (e->request->roles)
		record.roles = e->request->roles;
	record.removed = false;
	record.changed_ms = i->now_ms;
	if (!record.created_ms)
		record.created_ms = i->now_ms;
	enrolled_key(&fact_key, hash);
	record_key_certificate(&certificate_key, bytes_of(i->issuer->config->name),
			       BYTES(i->serial.octets, i->serial.len));
	if (fact_key.failed || certificate_key.failed)
		return err_set(err, ERR_INTERNAL, "no memory for an identity");
	store_put(batch, STORE_META, buf_bytes(&fact_key), buf_bytes(&certificate_key));
	append_entry(e, batch, i, &record, hash);
	return put(batch, &record, e->version, err);
}

static int check_known(struct enrolment *e, struct error *err)
{
	const struct message_identity_add *request = e->request;
	int len = (int)request->name.len;
	const char *name = (const char *)request->name.data;
	int found = get(e->snap, request->name, &e->record, &e->version, err);
	if (found < 0)
		return -1;
	if (e->known && !found)
		return err_set(err, ERR_NOT_FOUND, "there is no identity %.*s", len, name);
	if (e->known && e->record.removed)
		return err_set(err, ERR_ORDER_STATE, "the identity %.*s was removed; add it again with force", len,
			       name);
	if (!e->known && found && !e->record.removed)
		return err_set(err, ERR_ORDER_STATE, "there is an identity %.*s already; renew or recover it", len,
			       name);
	if (!e->known && found && !request->force)
		return err_set(err, ERR_ORDER_STATE,
			       "an identity %.*s was removed; its name is taken back only by force", len, name);
	if (!found)
		e->record = (struct record_identity){ .name = request->name };
	return 0;
}

static int check_request(const struct message_identity_add *request, bool known, struct error *err)
{
	if (ca_policy_identity_name(request->name, err))
		return -1;
	if ((request->roles & ~ROLES_ALL) == 0 && (request->roles || known))
		return 0;
	(void)err_set(err, ERR_BAD_REQUEST, "an identity has at least one role, of those that exist");
	return err_about(err, "role", NULL, "requester, officer, auditor, admin");
}

static const struct ca_profile *client_profile(const struct ca_config *config, struct bytes name, struct error *err)
{
	char text[65];
	(void)snprintf(text, sizeof(text), "%.*s", (int)name.len, name.len ? (const char *)name.data : "");
	const struct ca_profile *profile = ca_config_profile(config, name.len ? text : "client");
	if (profile && profile->kind == CA_KIND_CLIENT)
		return profile;
	(void)err_set(err, ERR_PROFILE_UNKNOWN, "an identity is enrolled under a profile of kind client");
	(void)err_about(err, "profile", name.len ? text : "client", "client");
	return NULL;
}

static int subject_of(struct bytes name, struct buf *out, struct error *err)
{
	char text[RECORD_NAME_MAX + 1];
	(void)snprintf(text, sizeof(text), "%.*s", (int)name.len, (const char *)name.data);
	struct ca_subject subject = { 0 };
	subject.values[CA_ATTR_COMMON_NAME] = text;
	return ca_subject_encode(&subject, out, err);
}

int ca_identity_add(struct ca *ca, const struct ca_actor *actor, const struct message_identity_add *request, bool known,
		    bool revoke_earlier, struct buf *certificate, struct store_serial *serial, struct error *err)
{
	if (check_request(request, known, err) || ca_restore_check(ca, err))
		return -1;
	const struct ca_profile *profile = client_profile(ca->config, request->profile, err);
	auto_buf subject = BUF_INIT;
	auto_store_snapshot *snap = store_snapshot_new(ca->store, err);
	if (!profile || !snap || subject_of(request->name, &subject, err))
		return -1;
	char name[RECORD_NAME_MAX + 1];
	(void)snprintf(name, sizeof(name), "%.*s", (int)request->name.len, (const char *)request->name.data);
	struct enrolment e = { .ca = ca,
			       .actor = actor,
			       .request = request,
			       .known = known,
			       .revoke_earlier = revoke_earlier,
			       .snap = snap };
	struct ca_own_issue issue = {
		.actor = actor,
		.requester = name,
		.profile = profile,
		.issuer = ca_issuer_for(ca, profile),
		.spki = request->spki,
		.subject = buf_bytes(&subject),
		.days = request->days,
		.extend = add_identity,
		.extend_arg = &e,
	};
	if (!issue.issuer)
		return err_set(err, ERR_CONFIG, "profile %s names no issuer of this CA", profile->name);
	if (check_known(&e, err))
		return -1;
	int result = ca_issue_own(ca, &issue, certificate, serial, err);
	if (result == 0 && revoke_earlier)
		announce(ca, request->name, &e.revoked);
	buf_free(&e.revoked);
	return result;
}

/* ---- removing ---- */

int ca_identity_remove(struct ca *ca, const struct ca_actor *actor, struct bytes name, struct error *err)
{
	auto_store_snapshot *snap = store_snapshot_new(ca->store, err);
	auto_store_batch *batch = store_batch_new(ca->store);
	auto_buf serials = BUF_INIT;
	struct record_identity record;
	uint64_t version;
	if (!snap)
		return -1;
	if (!batch)
		return err_set(err, ERR_INTERNAL, "no memory to remove an identity");
	int found = name.len ? get(snap, name, &record, &version, err) : 0;
	if (found < 0)
		return -1;
	if (!found)
		return err_set(err, ERR_NOT_FOUND, "there is no such identity");
	if (record.removed)
		return err_set(err, ERR_ORDER_STATE, "this identity was removed before");
	record.removed = true;
	record.changed_ms = ca_now_ms(ca);
	if (revoke_all(ca, actor, snap, batch, &record, REASON_PRIVILEGE_WITHDRAWN, &serials, err) ||
	    put(batch, &record, version, err))
		return -1;
	struct ca_audit_entry entry;
	ca_audit_begin(&entry, ca, "identity.removed", actor);
	ca_audit_subject(&entry, name);
	ca_audit_append(&entry, batch);
	if (store_submit_wait(ca->store, TAKE(batch), NULL, err))
		return -1;
	announce(ca, name, &serials);
	return 0;
}

/* ---- listing ---- */

struct listing {
	struct ca *ca;
	struct store_snapshot *snap;
	struct message_identities answer;
	struct record_certificate certificate;
};

static int add_row(struct listing *l, const struct record_identity *record, struct error *err)
{
	if (l->answer.count == MESSAGE_ROWS_MAX)
		return 1;
	struct message_identity *row = &l->answer.rows[l->answer.count++];
	*row = (struct message_identity){ .name = record->name,
					  .roles = record->roles,
					  .removed = record->removed,
					  .created_ms = record->created_ms,
					  .changed_ms = record->changed_ms };
	for (size_t i = 0; i < record->fingerprint_count; i++) {
		struct bytes serial;
		int found = enrolled_serial(l->snap, record->fingerprints[i], &serial, err);
		if (found < 0)
			return -1;
		if (!found)
			continue;
		row->serials[row->serial_count++] = serial;
		if (row->serial_count > 1)
			continue;
		l->certificate.not_after_s = 0;
		if (ca_inventory_find(l->snap, l->ca->config, serial, &l->certificate, NULL, NULL, err) < 0)
			return -1;
		row->expires_s = l->certificate.not_after_s;
	}
	return 0;
}

static int visit(void *arg, const struct store_row *row, struct error *err)
{
	struct record_identity record;
	if (record_identity_decode(row->value, &record, err))
		return -1;
	return add_row(arg, &record, err);
}

int ca_identity_list(struct ca *ca, struct bytes name, struct buf *out, struct error *err)
{
	auto_free struct listing *l = calloc(1, sizeof(*l));
	auto_store_snapshot *snap = store_snapshot_new(ca->store, err);
	if (!snap)
		return -1;
	if (!l)
		return err_set(err, ERR_INTERNAL, "no memory to list identities");
	l->ca = ca;
	l->snap = snap;
	if (name.len) {
		struct record_identity record;
		uint64_t version;
		int found = get(snap, name, &record, &version, err);
		if (found < 0 || (found && add_row(l, &record, err) < 0))
			return -1;
		if (!found)
			return err_set(err, ERR_NOT_FOUND, "there is no such identity");
	} else {
		const struct store_range all = { 0 };
		if (store_scan(snap, STORE_IDENTITIES, &all, visit, l, err) < 0)
			return -1;
	}
	message_identities_write(&l->answer, out);
	return 0;
}
