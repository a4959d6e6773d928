/* What people decided, as an explanation holds it: statements, and the record of the organization. */
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "tools/explain_private.h"

/* ---- one statement ---- */

struct wanted {
	const char *officer, *id;
	bool organization;
	const uint8_t *sha256;
	enum ca_decision decision;
};

static int read_statement(struct explanation *x, const json_t *object, struct buf *certificate, struct ca_statement *s)
{
	struct bytes text = bytes_of(member_text(object, "statement"));
	auto_buf signature = BUF_INIT;
	struct error why = ERR_INIT;
	if (explain_octets(x, object, "certificate", certificate) || explain_octets(x, object, "signature", &signature))
		return -1;
	if (ca_statement_read(text, s, &why) ||
	    ca_statement_verify(text, buf_bytes(certificate), buf_bytes(&signature), &why))
		return explain_wrong(x, "a statement of %s: %s", member_text(object, "officer"), why.message);
	return 0;
}

static int check_statement(struct explanation *x, const struct ca_statement *s, const struct wanted *w)
{
	if (memcmp(s->ca, x->ca, sizeof(s->ca)) != 0)
		return explain_wrong(x, "the statement of %s is for another certificate authority", w->officer);
	if (!bytes_are(s->by, w->officer))
		return explain_wrong(x, "the statement that the file gives for %s is by somebody else", w->officer);
	if (s->organization != w->organization || !bytes_are(s->id, w->id) || s->decision != w->decision)
		return explain_wrong(x, "the statement of %s is about something else, or another decision", w->officer);
	if (memcmp(s->sha256, w->sha256, sizeof(s->sha256)) != 0)
		return explain_wrong(x, "the statement of %s is about other bytes", w->officer);
	return 0;
}

static bool has_common_name(X509 *certificate, const char *wanted)
{
	char name[256];
	int length = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof(name));
	return length > 0 && (size_t)length == strlen(wanted) && strcmp(name, wanted) == 0;
}

/* Whose key signed: 1 for a certificate of this CA with the officer's name; 0 where the file does not hold who issued
 * it, so that nothing can be said; -1. That it was enrolled, with the role, the log alone can show. */
static int check_signer(struct explanation *x, struct bytes der, const struct ca_statement *s, const char *officer)
{
	const unsigned char *at = der.data;
	auto_x509 *certificate = d2i_X509(NULL, &at, (long)der.len);
	if (!certificate || !has_common_name(certificate, officer)) {
		ERR_clear_error();
		return explain_wrong(x, "the certificate of who signed as %s has another name", officer);
	}
	if (!explain_has_issuer(x, certificate))
		return 0;
	auto_x509 *root =
		trust_root_of(x->trusted, certificate, x->chain, s->time_s, "an officer's certificate", x->err);
	return root ? 1 : -1;
}

/* The object's statement is what is wanted; s borrows from the object. Returns as check_signer. */
static int take_statement(struct explanation *x, const json_t *object, const struct wanted *w, struct ca_statement *s)
{
	auto_buf certificate = BUF_INIT;
	if (read_statement(x, object, &certificate, s) || check_statement(x, s, w))
		return -1;
	return check_signer(x, buf_bytes(&certificate), s, w->officer);
}

/* ---- approvals ---- */

/* Distinct people, and not the requester. */
static int check_independence(struct explanation *x, const json_t *approvals, size_t at, const char *officer)
{
	if (strcmp(member_text(json_object_get(x->file, "order"), "requester"), officer) == 0)
		return explain_wrong(x, "%s decided about an order of his own", officer);
	for (size_t i = 0; i < at; i++)
		if (strcmp(member_text(json_array_get(approvals, i), "officer"), officer) == 0)
			return explain_wrong(x, "%s decided twice", officer);
	return 0;
}

struct tally {
	unsigned proved, said; /* approvals */
};

static void tell_decision(struct explanation *x, const struct ca_statement *s, bool proved)
{
	char time[CLOCK_TEXT_SIZE];
	auto_buf by = BUF_INIT, reason = BUF_INIT;
	buf_add_bytes(&by, s->by);
	buf_add_bytes(&reason, s->reason);
	const char *decision = ca_decision_name(s->decision);
	(void)clock_rfc3339(s->time_s, time);
	if (proved)
		explain_proved(x, "%s signed to %s exactly these bytes, at %s: %s", buf_text(&by), decision, time,
			       buf_text(&reason));
	else
		explain_claimed(
			x,
			"Somebody signed to %s exactly these bytes; that it was %s cannot be seen: the file does "
			"not hold who issued the certificate.",
			decision, buf_text(&by));
}

static int check_decision(struct explanation *x, const json_t *approvals, size_t at, struct tally *tally)
{
	const json_t *a = json_array_get(approvals, at);
	bool approve = strcmp(member_text(a, "decision"), "approve") == 0;
	const struct wanted wanted = { .officer = member_text(a, "officer"),
				       .id = x->order,
				       .sha256 = x->tbs,
				       .decision = approve ? DECISION_APPROVE : DECISION_DENY };
	struct ca_statement s;
	if (!x->has_tbs && approve)
		return explain_wrong(x, "there are approvals, and no bytes that they are about");
	if (!x->has_tbs) { /* a denied order keeps none */
		explain_claimed(x, "%s denied the order: %s", wanted.officer, member_text(a, "reason"));
		return 0;
	}
	int proved = take_statement(x, a, &wanted, &s);
	if (proved < 0 || check_independence(x, approvals, at, wanted.officer))
		return -1;
	tally->said += approve;
	tally->proved += approve && proved;
	tell_decision(x, &s, proved);
	return 0;
}

static void tell_tally(struct explanation *x, const struct tally *tally)
{
	if (!x->needed)
		return;
	if (tally->proved >= x->needed)
		explain_proved(x, "The %u officer%s that it takes %s distinct, and not the requester.", x->needed,
			       x->needed == 1 ? "" : "s", x->needed == 1 ? "is" : "are");
	explain_claimed(x,
			"That who signed were officers then, with certificates that were enrolled for them: `chancery "
			"audit verify` of the whole log shows it.");
}

int explain_check_approvals(struct explanation *x)
{
	const json_t *approvals = json_object_get(x->file, "approvals");
	struct tally tally = { 0, 0 };
	for (size_t i = 0; i < json_array_size(approvals); i++)
		if (check_decision(x, approvals, i, &tally))
			return -1;
	if (!x->certificate.len)
		return 0;
	if (tally.said < x->needed)
		return explain_wrong(x, "%u officers signed for the certificate's bytes, where it takes %u", tally.said,
				     x->needed);
	tell_tally(x, &tally);
	return 0;
}

/* ---- the organization ---- */

/* The value of the record's one line "member: value". */
static bool record_line(const char *record, const char *member, struct buf *out)
{
	auto_buf start = BUF_INIT;
	buf_printf(&start, "\n%s: ", member);
	const char *at = strstr(record, buf_text(&start));
	if (!at)
		return false;
	at += start.len;
	buf_add(out, at, strcspn(at, "\n"));
	return true;
}

/* What the subject says of the organization stands in the record that was vetted. */
static int check_subject(struct explanation *x, const char *record)
{
	static const struct {
		int nid;
		const char *line;
	} attributes[] = { { NID_organizationName, "legal-name" },
			   { NID_countryName, "country" },
			   { NID_stateOrProvinceName, "state" },
			   { NID_localityName, "locality" },
			   { NID_businessCategory, "business-category" },
			   { NID_jurisdictionCountryName, "jurisdiction-country" },
			   { NID_jurisdictionStateOrProvinceName, "jurisdiction-state" },
			   { NID_jurisdictionLocalityName, "jurisdiction-locality" },
			   { NID_serialNumber, "registration-number" } };
	const unsigned char *at = x->certificate.data;
	auto_x509 *certificate = d2i_X509(NULL, &at, (long)x->certificate.len);
	X509_NAME *subject = certificate ? X509_get_subject_name(certificate) : NULL;
	for (size_t i = 0; subject && i < sizeof(attributes) / sizeof(attributes[0]); i++) {
		int place = X509_NAME_get_index_by_NID(subject, attributes[i].nid, -1);
		auto_buf value = BUF_INIT;
		if (place < 0)
			continue;
		const ASN1_STRING *text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, place));
		if (!record_line(record, attributes[i].line, &value) ||
		    !bytes_equal(buf_bytes(&value),
				 BYTES(ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text))))
			return explain_wrong(x, "the certificate's subject does not have the %s of the record",
					     attributes[i].line);
	}
	return 0;
}

static int check_vetting(struct explanation *x, const json_t *organization, const uint8_t hash[32])
{
	const json_t *vetting = json_object_get(organization, "vetting");
	const struct wanted wanted = { .officer = member_text(vetting, "officer"),
				       .id = member_text(organization, "id"),
				       .organization = true,
				       .sha256 = hash,
				       .decision = DECISION_VET };
	struct ca_statement s;
	if (!vetting)
		return x->needed && x->certificate.len
			       ? explain_wrong(x, "nobody vetted the record that the certificate was made from")
			       : 0;
	int proved = take_statement(x, vetting, &wanted, &s);
	if (proved < 0)
		return -1;
	(proved ? explain_proved : explain_claimed)(
		x, "%s vetted exactly this record of organization %s, version %" JSON_INTEGER_FORMAT ".",
		wanted.officer, wanted.id, json_integer_value(json_object_get(organization, "version")));
	return 0;
}

int explain_check_organization(struct explanation *x)
{
	const json_t *organization = json_object_get(x->file, "organization");
	const char *record = member_text(organization, "record");
	uint8_t hash[32];
	char hex[65];
	auto_buf id = BUF_INIT;
	if (!organization)
		return x->needed && x->certificate.len
			       ? explain_wrong(x, "the certificate names an organization, and the file has no record")
			       : 0;
	sha256(record, strlen(record), hash);
	if (strcmp(member_text(organization, "recordSha256"), text_hex(BYTES(hash, sizeof(hash)), hex)) != 0)
		return explain_wrong(x, "the organization's record is not the one that the file names");
	if (!record_line(record, "id", &id) || strcmp(buf_text(&id), member_text(organization, "id")) != 0)
		return explain_wrong(x, "the organization's record is of another organization");
	if (check_vetting(x, organization, hash) || (x->certificate.len && check_subject(x, record)))
		return -1;
	if (x->certificate.len && x->needed)
		explain_proved(x, "What the subject says of the organization stands in that record.");
	return 0;
}
