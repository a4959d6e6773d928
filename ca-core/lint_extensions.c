/* The extensions of a finished tbs: which, how often, how critical, saying what. */
#include "ca-core/lint_private.h"

#include "base/ossl.h"
#include "ca-core/oid.h"

/* RFC 5280 4.2.1.3, named bits. */
enum { DIGITAL_SIGNATURE = 1 << 0, KEY_ENCIPHERMENT = 1 << 2, KEY_CERT_SIGN = 1 << 5, CRL_SIGN = 1 << 6 };

/* ---- each extension's content ---- */

static int check_basic_constraints(const struct lint *l, bool critical, struct bytes value, struct error *err)
{
	struct der outer = der_of(value), content;
	der_enter(&outer, DER_SEQUENCE, &content);
	bool ca = der_peek(&content) == DER_BOOLEAN && der_boolean(&content);
	bool has_path_len = content.left.len > 0;
	uint64_t path_len = has_path_len ? der_small_integer(&content, 255) : 0;
	if (!der_done(&content) || !der_done(&outer) || !ca || !critical)
		return lint_broken(err, "RFC 5280 4.2.1.9: a CA's basicConstraints are critical with cA TRUE");
	if (l->profile->kind == CA_KIND_INTERMEDIATE ? !has_path_len || path_len != 0 : has_path_len)
		return lint_broken(err, "PKI.md 1: a root has no pathLenConstraint, an intermediate has 0");
	return 0;
}

static uint16_t expected_key_usage(const struct lint *l)
{
	if (lint_is_ca(l))
		return KEY_CERT_SIGN | CRL_SIGN;
	if (lint_is_server(l) && l->key.type == CA_KEY_RSA && l->profile->key_encipherment)
		return DIGITAL_SIGNATURE | KEY_ENCIPHERMENT;
	return DIGITAL_SIGNATURE;
}

static int check_key_usage(const struct lint *l, bool critical, struct bytes value, struct error *err)
{
	struct der d = der_of(value);
	uint16_t bits = der_named_bits(&d);
	if (!der_done(&d) || !critical)
		return lint_broken(err, "RFC 5280 4.2.1.3: keyUsage must be critical, in DER");
	if (bits != expected_key_usage(l))
		return lint_broken(err, "BR 7.1.2.7.11: keyUsage must be what the kind of certificate needs, no more");
	return 0;
}

/* What the purposes of a certificate come to. */
struct purposes {
	bool server, client, ocsp, other;
	size_t count;
};

static int read_purposes(struct bytes value, struct purposes *p, struct error *err)
{
	struct der outer = der_of(value), list;
	der_enter(&outer, DER_SEQUENCE, &list);
	while (list.left.len && !list.failed) {
		struct bytes oid = der_oid(&list);
		bool *flag = &p->other;
		if (bytes_equal(oid, ca_oid_server_auth.content))
			flag = &p->server;
		else if (bytes_equal(oid, ca_oid_client_auth.content))
			flag = &p->client;
		else if (bytes_equal(oid, ca_oid_ocsp_signing.content))
			flag = &p->ocsp;
		if (*flag && flag != &p->other)
			return lint_broken(err, "RFC 5280 4.2.1.12: a purpose stands twice");
		*flag = true;
		p->count++;
	}
	if (p->count == 0 || !der_done(&list) || !der_done(&outer))
		return lint_broken(err, "RFC 5280 4.2.1.12: extKeyUsage holds at least one purpose, in DER");
	return 0;
}

static bool purposes_fit(const struct lint *l, const struct purposes *p)
{
	switch (l->profile->kind) {
	case CA_KIND_SERVER:
		return p->count == 1 && p->server;
	case CA_KIND_CLIENT:
		return p->count == 1 && p->client;
	case CA_KIND_PEER:
		return p->count == 2 && p->server && p->client;
	case CA_KIND_OCSP:
		return p->count == 1 && p->ocsp;
	case CA_KIND_AUDIT:
		return p->count == 1 && p->other;
	case CA_KIND_INTERMEDIATE:
		return !p->ocsp;
	case CA_KIND_ROOT:
	case CA_KIND_CROSS:
		break;
	}
	return false;
}

static int check_ext_key_usage(const struct lint *l, bool critical, struct bytes value, struct error *err)
{
	static const uint8_t any[] = { 0x55, 0x1d, 0x25, 0 };
	struct purposes p = { 0 };
	struct der outer = der_of(value), list;
	if (critical)
		return lint_broken(err, "BR 7.1.2.7.10: extKeyUsage is not critical");
	if (read_purposes(value, &p, err))
		return -1;
	if (!purposes_fit(l, &p))
		return lint_broken(err, "BR 7.1.2.7.10: extKeyUsage must hold the purposes of its kind, and no other");
	for (der_enter(&outer, DER_SEQUENCE, &list); list.left.len && !list.failed;)
		if (bytes_equal(der_oid(&list), BYTES(any, sizeof(any))))
			return lint_broken(err, "BR 7.1.2.7.10: anyExtendedKeyUsage must not be there");
	return 0;
}

/* RFC 7093 method 1: the left 160 bits of SHA-256 of the subjectPublicKey's octets. What the CA that is certified
 * once more signed has the identifier of its first certificate, however that was made: RFC 5280 4.2.1.2. */
static int check_subject_key_id(const struct lint *l, bool critical, struct bytes value, struct error *err)
{
	struct der d = der_of(value), spki_outer = der_of(l->spki), spki;
	struct bytes id = der_take(&d, DER_OCTET_STRING);
	der_enter(&spki_outer, DER_SEQUENCE, &spki);
	(void)der_take(&spki, DER_SEQUENCE);
	struct bytes key = der_bit_string(&spki);
	uint8_t hash[32];
	sha256(key.data, key.len, hash);
	bool own = l->profile->kind == CA_KIND_CROSS ? id.len >= 1 && id.len <= 64 : bytes_equal(id, BYTES(hash, 20));
	if (critical || !der_done(&d) || !der_done(&spki) || !own)
		return lint_broken(err, "RFC 7093 2: subjectKeyIdentifier is the hash of the key, not critical");
	return 0;
}

static int check_authority_key_id(const struct lint *l, bool critical, struct bytes value, struct error *err)
{
	struct der outer = der_of(value), content;
	der_enter(&outer, DER_SEQUENCE, &content);
	struct bytes id = der_take(&content, DER_CONTEXT(0));
	if (critical || !der_done(&content) || !der_done(&outer) || !l->issuer ||
	    !bytes_equal(id, buf_bytes(&l->issuer->ski)))
		return lint_broken(err,
				   "RFC 5280 4.2.1.1: authorityKeyIdentifier is the issuer's key identifier alone");
	return 0;
}

static int check_policies(const struct lint *l, bool critical, struct bytes value, struct error *err)
{
	struct der outer = der_of(value), list;
	uint16_t count = 0;
	der_enter(&outer, DER_SEQUENCE, &list);
	while (list.left.len && !list.failed) {
		struct der policy;
		der_enter(&list, DER_SEQUENCE, &policy);
		struct bytes oid = der_oid(&policy);
		if (!der_done(&policy))
			return lint_broken(err, "RFC 5280 4.2.1.4: policies have no qualifiers here");
		if (count == l->profile->policy_count || !bytes_equal(oid, buf_bytes(&l->profile->policies[count])))
			return lint_broken(err, "the profile: certificatePolicies must be its own, in its order");
		count++;
	}
	if (critical || !der_done(&list) || !der_done(&outer) || count != l->profile->policy_count)
		return lint_broken(err, "RFC 5280 4.2.1.4: certificatePolicies, not critical, all of the profile's");
	return 0;
}

static int check_crl_distribution(const struct lint *l, bool critical, struct bytes value, struct error *err)
{
	struct der outer = der_of(value), points, point, name, full;
	der_enter(&outer, DER_SEQUENCE, &points);
	der_enter(&points, DER_SEQUENCE, &point);
	der_enter(&point, DER_CONTEXT_CONSTRUCTED(0), &name);
	der_enter(&name, DER_CONTEXT_CONSTRUCTED(0), &full);
	struct bytes url = der_take(&full, DER_CONTEXT(6));
	if (critical || !der_done(&full) || !der_done(&name) || !der_done(&point) || !der_done(&points) ||
	    !der_done(&outer) || !bytes_are(url, l->issuer->crl_url))
		return lint_broken(err, "BR 7.1.2.11.2: one distribution point with the issuer's list as one URI");
	return 0;
}

static int check_authority_info(const struct lint *l, bool critical, struct bytes value, struct error *err)
{
	struct der outer = der_of(value), list, access;
	der_enter(&outer, DER_SEQUENCE, &list);
	der_enter(&list, DER_SEQUENCE, &access);
	struct bytes method = der_oid(&access), url = der_take(&access, DER_CONTEXT(6));
	if (critical || !der_done(&access) || !der_done(&list) || !der_done(&outer) ||
	    !bytes_equal(method, ca_oid_ca_issuers.content) || !bytes_are(url, l->issuer->issuers_url))
		return lint_broken(err, "BR 7.1.2.7.7: authorityInfoAccess holds the issuer's certificate as one URI");
	return 0;
}

/* noRevAvail and ocsp-nocheck: NULL, not critical. */
static int check_null(const struct lint *l, bool critical, struct bytes value, struct error *err)
{
	struct der d = der_of(value);
	(void)l;
	if (critical || der_take(&d, DER_NULL).len != 0 || !der_done(&d))
		return lint_broken(err, "RFC 9608 2, RFC 6960 4.2.2.2.1: the extension is NULL and not critical");
	return 0;
}

/* ---- which extensions a certificate must have; all others it must not ---- */

static bool needs_basic_constraints(const struct lint *l)
{
	return lint_is_ca(l);
}
static bool needs_key_usage(const struct lint *l)
{
	(void)l;
	return true;
}
static bool needs_ext_key_usage(const struct lint *l)
{
	return l->profile->kind != CA_KIND_ROOT && l->profile->kind != CA_KIND_CROSS;
}
static bool needs_authority_key_id(const struct lint *l)
{
	return l->issuer != NULL;
}
static bool needs_policies(const struct lint *l)
{
	return l->profile->policy_count > 0;
}
static bool needs_crl_distribution(const struct lint *l)
{
	return l->issuer && l->issuer->crl_url[0] && !l->profile->revocation_none && l->profile->kind != CA_KIND_OCSP;
}
static bool needs_authority_info(const struct lint *l)
{
	return l->issuer && l->issuer->issuers_url[0] && l->profile->kind != CA_KIND_OCSP;
}
static bool needs_no_rev_avail(const struct lint *l)
{
	return l->profile->revocation_none;
}
static bool needs_ocsp_no_check(const struct lint *l)
{
	return l->profile->kind == CA_KIND_OCSP;
}
/* A client may be named by its subject alone; a CA always is. */
static bool needs_subject_alt_name(const struct lint *l)
{
	return lint_is_server(l) || l->subject_is_empty;
}

struct rule {
	const struct ca_oid *oid;
	bool (*needed)(const struct lint *l);
	int (*check)(const struct lint *l, bool critical, struct bytes value, struct error *err);
	const char *missing;
};
static const struct rule rules[] = {
	{ &ca_oid_basic_constraints, needs_basic_constraints, check_basic_constraints,
	  "RFC 5280 4.2.1.9: a CA needs basicConstraints" },
	{ &ca_oid_key_usage, needs_key_usage, check_key_usage, "PKI.md 1: every certificate has keyUsage" },
	{ &ca_oid_ext_key_usage, needs_ext_key_usage, check_ext_key_usage, "BR 7.1.2.7.6: extKeyUsage is missing" },
	{ &ca_oid_subject_key_id, needs_basic_constraints, check_subject_key_id,
	  "RFC 5280 4.2.1.2: a CA needs subjectKeyIdentifier" },
	{ &ca_oid_authority_key_id, needs_authority_key_id, check_authority_key_id,
	  "RFC 5280 4.2.1.1: authorityKeyIdentifier is missing" },
	{ &ca_oid_certificate_policies, needs_policies, check_policies,
	  "BR 7.1.2.7.9: certificatePolicies are missing" },
	{ &ca_oid_crl_distribution, needs_crl_distribution, check_crl_distribution,
	  "BR 7.1.2.11.2: cRLDistributionPoints are missing" },
	{ &ca_oid_authority_info, needs_authority_info, check_authority_info,
	  "BR 7.1.2.7.7: authorityInfoAccess is missing" },
	{ &ca_oid_no_rev_avail, needs_no_rev_avail, check_null, "RFC 9608 2: noRevAvail is missing" },
	{ &ca_oid_ocsp_no_check, needs_ocsp_no_check, check_null, "RFC 6960 4.2.2.2.1: ocsp-nocheck is missing" },
	{ &ca_oid_subject_alt_name, needs_subject_alt_name, lint_subject_alt_name,
	  "BR 7.1.2.7.12: subjectAltName is missing" },
};
#define RULE_COUNT (sizeof(rules) / sizeof(rules[0]))
#define SUBJECT_ALT_NAME (RULE_COUNT - 1)

static bool may_have(const struct lint *l, size_t rule)
{
	if (rule == SUBJECT_ALT_NAME)
		return !lint_is_ca(l) && l->profile->kind != CA_KIND_AUDIT && l->profile->kind != CA_KIND_OCSP;
	return rules[rule].needed(l);
}

static int check_extension(const struct lint *l, struct der *list, bool seen[RULE_COUNT], struct error *err)
{
	struct der extension;
	der_enter(list, DER_SEQUENCE, &extension);
	struct bytes oid = der_oid(&extension);
	/* DEFAULT FALSE is never written out: X.690 11.5. */
	bool critical = der_peek(&extension) == DER_BOOLEAN;
	if (critical && !der_boolean(&extension))
		return lint_broken(err, "X.690 11.5: critical FALSE must be left out");
	struct bytes value = der_take(&extension, DER_OCTET_STRING);
	if (!der_done(&extension))
		return lint_broken(err, "RFC 5280 4.1.2.9: an extension is malformed");
	size_t rule = 0;
	while (rule < RULE_COUNT && !bytes_equal(rules[rule].oid->content, oid))
		rule++;
	if (rule == RULE_COUNT || !may_have(l, rule))
		return lint_broken(err, "PKI.md 1: an extension that this kind of certificate does not have");
	if (seen[rule])
		return lint_broken(err, "RFC 5280 4.2: an extension stands twice");
	seen[rule] = true;
	return rules[rule].check(l, critical, value, err);
}

int lint_extensions(struct lint *l, struct error *err)
{
	bool seen[RULE_COUNT] = { false };
	struct der list = der_of(l->extensions);
	while (list.left.len && !list.failed)
		if (check_extension(l, &list, seen, err))
			return -1;
	if (!der_done(&list))
		return lint_broken(err, "RFC 5280 4.1.2.9: the extensions are malformed");
	for (size_t rule = 0; rule < RULE_COUNT; rule++)
		if (rules[rule].needed(l) && !seen[rule])
			return lint_broken(err, rules[rule].missing);
	return 0;
}
