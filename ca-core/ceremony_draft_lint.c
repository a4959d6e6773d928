/* A finished tbs of a ceremony, parsed anew, against the rules and the plan. */
#include <stdio.h>

#include "base/ossl.h"
#include "ca-core/ceremony_draft_private.h"
#include "ca-core/crl_der.h"
#include "ca-core/lint.h"

#define DAY_S ((int64_t)86400)

static int broken(struct error *err, const char *rule)
{
	return err_set(err, ERR_INTEGRITY, "not signed: %s", rule);
}

/* ---- certificates ---- */

/* A cross-certificate stands above intermediates: below its issuer there is room for two. */
static int check_path(const struct ca_profile *p, const struct known_certificate *issuer, struct error *err)
{
	int needed = p->kind == CA_KIND_CROSS ? 2 : p->kind == CA_KIND_INTERMEDIATE ? 1 : 0;
	if (!issuer || issuer->path == PATH_UNLIMITED || issuer->path >= needed)
		return 0;
	char rule[160];
	(void)snprintf(
		rule, sizeof(rule),
		"RFC 5280 4.2.1.9: \"%s\" has room for %d CA%s below itself (pathLenConstraint), and this needs %d",
		issuer->name, issuer->path, issuer->path == 1 ? "" : "s", needed);
	return broken(err, rule);
}

/* OpenSSL compares whole certificates: the tbs with a signature that nobody looks at. */
static X509 *as_certificate(struct bytes tbs, struct bytes signature_algorithm)
{
	static const uint8_t nothing[8] = { 0 };
	auto_buf der = BUF_INIT;
	ca_certificate_assemble(tbs, signature_algorithm, BYTES(nothing, sizeof(nothing)), &der);
	const uint8_t *at = der.data;
	return der.failed ? NULL : d2i_X509(NULL, &at, (long)der.len);
}

/* Those of every CA above it, as far as the plan knows them. */
static int check_constraints(const struct ceremony_known *known, const char *issuer,
			     const struct ca_certificate_facts *facts, struct error *err)
{
	for (size_t depth = 0; depth < CEREMONY_STEPS_MAX && issuer[0]; depth++) {
		const struct known_certificate *c = known_find(known, issuer);
		size_t step = ceremony_plan_step(known->plan, issuer);
		if (c && c->constraints) {
			auto_x509 *x = as_certificate(facts->tbs, facts->signature_algorithm);
			int found = x ? NAME_CONSTRAINTS_check(x, c->constraints) : X509_V_ERR_UNSPECIFIED;
			char rule[256];
			(void)snprintf(rule, sizeof(rule), "RFC 5280 4.2.1.10: the name constraints of \"%s\": %s",
				       c->name, X509_verify_cert_error_string(found));
			if (found != X509_V_OK)
				return broken(err, rule);
		}
		issuer = step == CEREMONY_NOWHERE ? "" : known->plan->steps[step].issuer;
	}
	return 0;
}

static int check_certified(const struct ceremony_known *known, const char *of, const struct ca_certificate_facts *facts,
			   struct error *err)
{
	struct ca_certificate_facts first;
	struct bytes der = ceremony_known_certificate(known, of);
	if (ca_certificate_read(der, &first, err))
		return -1;
	if (!bytes_equal(first.subject, facts->subject) || !bytes_equal(first.spki, facts->spki))
		return broken(err, "BR 7.1.2.2.1: a cross-certificate has the name and the key of the CA that it "
				   "certifies, byte for byte");
	if (!bytes_equal(first.ski, facts->ski))
		return broken(err, "RFC 5280 4.2.1.2: a cross-certificate has the key identifier of the CA that it "
				   "certifies");
	if (facts->not_after_s > first.not_after_s)
		return broken(err, "RFC 4210 4.4: a cross-certificate ends with what it certifies, or before");
	return 0;
}

static int check_subject(const struct ceremony_step *step, const struct ca_certificate_facts *facts, struct error *err)
{
	struct ca_subject subject = { 0 };
	auto_buf name = BUF_INIT;
	for (size_t i = 0; i < CA_ATTR_COUNT; i++)
		subject.values[i] = step->subject[i];
	if (ca_subject_encode(&subject, &name, err))
		return -1;
	return bytes_equal(buf_bytes(&name), facts->subject) ? 0 : broken(err, "the subject is not that of the plan");
}

/* NIST SP 800-57 part 1, table 4: less than 128 bits of strength are not for what lives past 2030. */
static int check_strength(const struct ca_certificate_facts *facts, struct error *err)
{
	static const int64_t end_of_2030_s = 1924991999;
	struct ca_key key;
	if (ca_key_parse(facts->spki, &key, err))
		return -1;
	if (key.type == CA_KEY_RSA && key.bits < 3072 && facts->not_after_s > end_of_2030_s)
		return broken(err,
			      "NIST SP 800-57: an RSA key of less than 3072 bits is too weak for a certificate that "
			      "lives past 2030");
	return 0;
}

static int lint_certificate(const struct ceremony_step *step, const struct ceremony_known *known, struct bytes tbs,
			    int64_t when_s, struct error *err)
{
	const struct ca_profile *p = ceremony_step_profile(known->plan, step);
	const struct ca_issuer_info *issuer = NULL;
	const struct known_certificate *by = known_find(known, step->issuer);
	struct ca_certificate_facts facts;
	if (step->kind != CEREMONY_ROOT && !(issuer = ceremony_known_issuer(known, step->issuer)))
		return err_set(err, ERR_INTERNAL, "the issuer \"%s\" is not known", step->issuer);
	if (!p || ca_lint_tbs(tbs, p, issuer, when_s, err) || ca_tbs_read(tbs, &facts, err) ||
	    check_strength(&facts, err))
		return -1;
	if (issuer && (facts.not_before_s < issuer->not_before_s || when_s < issuer->not_before_s))
		return broken(err, "RFC 5280 6.1.3: its life begins before that of its issuer");
	if (when_s > facts.not_after_s)
		return broken(err, "RFC 5280 6.1.3: it would have ended before it is signed");
	if (check_path(p, by, err) || check_constraints(known, step->issuer, &facts, err))
		return -1;
	return step->of[0] ? check_certified(known, step->of, &facts, err) : check_subject(step, &facts, err);
}

/* ---- lists ---- */

static int check_entries(const struct ceremony_step *step, struct bytes entries, struct error *err)
{
	for (size_t i = 0; i < step->revoked_count; i++) {
		const struct ceremony_revoked *r = &step->revoked[i];
		struct ca_crl_entry entry;
		int got = ca_crl_next(&entries, &entry, err);
		if (got < 0)
			return -1;
		if (!got || !bytes_equal(entry.serial, BYTES(r->serial, r->serial_len)) ||
		    entry.revoked_s != r->revoked_s || entry.reason != r->reason)
			return broken(err, "the entries of the revocation list are not those of the plan");
	}
	return entries.len ? broken(err, "the revocation list has more entries than the plan") : 0;
}

static int lint_list(const struct ceremony_step *step, const struct ceremony_known *known, struct bytes tbs,
		     int64_t when_s, struct error *err)
{
	static const uint8_t nothing[8] = { 0 };
	const struct ca_issuer_info *issuer = ceremony_known_issuer(known, step->issuer);
	auto_buf der = BUF_INIT;
	struct ca_crl crl;
	if (!issuer)
		return err_set(err, ERR_INTERNAL, "the issuer \"%s\" is not known", step->issuer);
	ca_certificate_assemble(tbs, buf_bytes(&issuer->signature_algorithm), BYTES(nothing, sizeof(nothing)), &der);
	if (ca_crl_read(buf_bytes(&der), BYTES_NONE, &crl, err))
		return -1;
	if (!bytes_equal(crl.head.issuer, buf_bytes(&issuer->subject)) ||
	    !bytes_equal(crl.head.aki, buf_bytes(&issuer->ski)))
		return broken(err, "RFC 5280 5.1.2.3, 5.2.1: the list names another issuer, or another key");
	if (when_s > issuer->not_after_s)
		return broken(err, "RFC 5280 6.1.3: the certificate of the list's issuer has ended");
	if (crl.head.this_update_s > when_s || crl.head.this_update_s < when_s - 2 * DAY_S)
		return broken(err, "RFC 5280 5.1.2.4: thisUpdate is at most 48 hours before signing, and not after it");
	if (crl.head.next_update_s != crl.head.this_update_s + (int64_t)step->days * DAY_S ||
	    (step->number && crl.head.number != step->number))
		return broken(err, "nextUpdate or the number of the list is not that of the plan");
	for (size_t i = 0; i < step->revoked_count; i++)
		if (step->revoked[i].revoked_s > crl.head.this_update_s)
			return broken(err, "RFC 5280 5.1.2.6: an entry is revoked later than the list was made");
	return check_entries(step, crl.entries, err);
}

int ceremony_draft_lint(const struct ceremony_plan *plan, size_t at, const struct ceremony_known *known,
			struct bytes tbs, int64_t when_s, struct error *err)
{
	const struct ceremony_step *step = &plan->steps[at];
	return step->kind == CEREMONY_CRL ? lint_list(step, known, tbs, when_s, err)
					  : lint_certificate(step, known, tbs, when_s, err);
}
