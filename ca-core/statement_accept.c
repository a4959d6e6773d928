/* What an officer signed, taken as a decision: by him, about these bytes, now, and never before. */
#include "ca-core/organization.h"

#include <stdio.h>

#include "base/ossl.h"
#include "base/text.h"
#include "ca-core/inventory.h"
#include "ca-core/lint.h"

/* ---- who signed ---- */

static int not_allowed(struct error *err, struct bytes identity, const char *why)
{
	char name[RECORD_NAME_MAX + 1];
	(void)snprintf(name, sizeof(name), "%.*s", (int)identity.len, identity.len ? (const char *)identity.data : "");
	(void)err_set(err, ERR_APPROVAL_NOT_ALLOWED, "%s may not decide: %s", name, why);
	return err_about(err, "by", name, "an officer, with the certificate that is enrolled for him");
}

static bool lists(const struct record_identity *record, struct bytes certificate)
{
	uint8_t hash[32];
	sha256(certificate.data, certificate.len, hash);
	for (size_t i = 0; i < record->fingerprint_count; i++)
		if (memcmp(record->fingerprints[i], hash, sizeof(hash)) == 0)
			return true;
	return false;
}

static int check_identity(struct store_snapshot *snap, struct store_batch *batch, struct bytes identity,
			  struct bytes certificate, int64_t *since_s, struct error *err)
{
	struct record_identity record;
	struct bytes value;
	uint64_t version;
	int found = identity.len && identity.len <= RECORD_NAME_MAX
			    ? store_get(snap, STORE_IDENTITIES, identity, &value, &version, err)
			    : 0;
	if (found < 0 || (found && record_identity_decode(value, &record, err)))
		return -1;
	if (!found || record.removed)
		return not_allowed(err, identity, "there is no such identity any more");
	if (!(record.roles & ROLE_OFFICER))
		return not_allowed(err, identity, "the role officer is missing");
	if (!lists(&record, certificate))
		return not_allowed(err, identity, "the certificate sent is not one that is enrolled for this identity");
	store_expect_version(batch, STORE_IDENTITIES, identity, version);
	*since_s = record.created_ms / 1000;
	return 0;
}

static int check_certificate(struct ca *ca, struct store_snapshot *snap, struct store_batch *batch,
			     struct bytes identity, struct bytes certificate, int64_t *since_s, struct error *err)
{
	auto_free struct record_certificate *record = malloc(sizeof(*record));
	struct ca_certificate_facts facts;
	auto_buf key = BUF_INIT;
	uint64_t version;
	int64_t now_s = ca_now_ms(ca) / 1000;
	if (!record)
		return err_set(err, ERR_INTERNAL, "no memory for a certificate");
	if (ca_certificate_read(certificate, &facts, err))
		return -1;
	int found = ca_inventory_find(snap, ca->config, facts.serial, record, &key, &version, err);
	if (found < 0)
		return -1;
	if (!found || !bytes_equal(record->der, certificate))
		return not_allowed(err, identity, "the certificate sent was not issued here");
	if (record->status != RECORD_VALID)
		return not_allowed(err, identity, "the certificate was revoked, or is on hold");
	if (now_s < record->not_before_s || now_s > record->not_after_s)
		return not_allowed(err, identity, "the certificate has ended, or has not begun");
	store_expect_version(batch, STORE_CERTIFICATES, buf_bytes(&key), version);
	*since_s = record->issued_ms / 1000;
	return 0;
}

int ca_statement_signer(struct ca *ca, struct store_snapshot *snap, struct store_batch *batch, struct bytes identity,
			struct bytes certificate, int64_t *enrolled_s, int64_t *identity_s, struct error *err)
{
	int64_t since_s = 0, known_s = 0;
	if (check_identity(snap, batch, identity, certificate, &known_s, err) ||
	    check_certificate(ca, snap, batch, identity, certificate, &since_s, err))
		return -1;
	if (enrolled_s)
		*enrolled_s = since_s;
	if (identity_s)
		*identity_s = known_s;
	return 0;
}

/* ---- what it says ---- */

static int mismatch(struct error *err, const char *member, const char *what)
{
	(void)err_set(err, ERR_APPROVAL_MISMATCH, "the statement %s", what);
	return err_about(err, member, NULL, NULL);
}

static int check_content(struct ca *ca, const struct ca_actor *actor, const struct ca_statement *s,
			 const struct ca_statement_expected *expected, struct error *err)
{
	char root[65], now[CLOCK_TEXT_SIZE];
	int64_t now_s = ca_now_ms(ca) / 1000, off_s = s->time_s > now_s ? s->time_s - now_s : now_s - s->time_s;
	if (strcmp(text_hex(BYTES(s->ca, sizeof(s->ca)), root), ca->root_hash) != 0)
		return mismatch(err, "ca", "is for another certificate authority");
	if (s->organization != expected->organization || !bytes_equal(s->id, expected->id))
		return mismatch(err, "subject", "is about another order or organization");
	if (!bytes_are(s->by, actor->identity))
		return mismatch(err, "by", "names somebody else than who sends it");
	if (memcmp(s->sha256, expected->sha256, sizeof(s->sha256)) != 0)
		return mismatch(err, "sha256",
				"is about other bytes than those that are to be decided: fetch them, and look again");
	if (off_s <= CA_STATEMENT_SKEW_S)
		return 0;
	(void)err_set(err, ERR_APPROVAL_MISMATCH, "the statement's time is more than five minutes from ours (%s)",
		      clock_rfc3339(now_s, now));
	return err_about(err, "time", NULL, now);
}

/* ---- used once ---- */

static int put_statement(struct ca *ca, const struct message_decide *request, const struct ca_statement *s,
			 struct store_snapshot *snap, struct store_batch *batch, const uint8_t key[32],
			 struct error *err)
{
	struct bytes value;
	auto_buf subject = BUF_INIT, encoded = BUF_INIT;
	int found = store_get(snap, STORE_STATEMENTS, BYTES(key, 32), &value, NULL, err);
	if (found)
		return found < 0 ? -1 : mismatch(err, "statement", "was used before: sign a new one");
	buf_add_text(&subject, s->organization ? "organization " : "order ");
	buf_add_bytes(&subject, s->id);
	const struct record_statement record = { .text = request->statement,
						 .certificate = request->certificate,
						 .signature = request->signature,
						 .by = s->by,
						 .subject = buf_bytes(&subject),
						 .received_ms = ca_now_ms(ca) };
	record_statement_encode(&record, &encoded);
	if (encoded.failed)
		return err_set(err, ERR_BAD_REQUEST, "the statement, its certificate or signature cannot be kept");
	store_expect_absent(batch, STORE_STATEMENTS, BYTES(key, 32));
	store_put(batch, STORE_STATEMENTS, BYTES(key, 32), buf_bytes(&encoded));
	return 0;
}

int ca_statement_accept(struct ca *ca, const struct ca_actor *actor, const struct message_decide *request,
			const struct ca_statement_expected *expected, struct store_snapshot *snap,
			struct store_batch *batch, struct ca_statement_accepted *out, struct error *err)
{
	struct ca_statement s;
	if (!(actor->roles & ROLE_OFFICER) || actor->token_id[0])
		return not_allowed(err, bytes_of(actor->identity), "that takes an officer's own certificate");
	if (ca_statement_read(request->statement, &s, err) || check_content(ca, actor, &s, expected, err) ||
	    ca_statement_signer(ca, snap, batch, s.by, request->certificate, &out->enrolled_s, &out->identity_s, err) ||
	    ca_statement_verify(request->statement, request->certificate, request->signature, err))
		return -1;
	sha256(request->statement.data, request->statement.len, out->key);
	out->decision = s.decision;
	out->reason = s.reason;
	out->time_s = s.time_s;
	return put_statement(ca, request, &s, snap, batch, out->key, err);
}

static void tell_base64(struct ca_audit_entry *entry, const char *key, struct bytes value)
{
	auto_buf text = BUF_INIT;
	text_add_base64(&text, value);
	ca_audit_plain(entry, key, buf_bytes(&text));
}

void ca_statement_tell(struct ca_audit_entry *entry, const struct message_decide *request,
		       const struct ca_statement_accepted *accepted)
{
	ca_audit_time(entry, "enrolled", accepted->enrolled_s);
	ca_audit_time(entry, "identitySince", accepted->identity_s);
	tell_base64(entry, "statement", request->statement);
	tell_base64(entry, "certificate", request->certificate);
	tell_base64(entry, "signature", request->signature);
}
