#include "ca-core/profile.h"

#include <stdio.h>

#include "base/der.h"
#include "ca-core/name.h"
#include "ca-core/oid.h"

#define DAY_S ((int64_t)86400)
#define DAYS_MAX 36500
#define BACKDATE_MAX_S 86400 /* well inside the 48 hours of BR 7.1.2.7 */
#define NO_REVOCATION_DAYS_MAX 7

/* RFC 5280 section 4.2.1.3, named bits. */
enum { DIGITAL_SIGNATURE = 1 << 0, KEY_ENCIPHERMENT = 1 << 2, KEY_CERT_SIGN = 1 << 5, CRL_SIGN = 1 << 6 };

/* ---- the names of things ---- */

const char *ca_kind_name(enum ca_kind kind)
{
	switch (kind) {
	case CA_KIND_ROOT:
		return "root";
	case CA_KIND_INTERMEDIATE:
		return "intermediate";
	case CA_KIND_SERVER:
		return "server";
	case CA_KIND_CLIENT:
		return "client";
	case CA_KIND_PEER:
		return "peer";
	case CA_KIND_OCSP:
		return "ocsp";
	case CA_KIND_AUDIT:
		return "audit";
	}
	return "unknown";
}

const char *ca_validation_name(enum ca_validation validation)
{
	switch (validation) {
	case CA_VALIDATION_NONE:
		return "none";
	case CA_VALIDATION_DOMAIN:
		return "domain";
	case CA_VALIDATION_ORGANIZATION:
		return "organization";
	case CA_VALIDATION_EXTENDED:
		return "extended";
	}
	return "unknown";
}

static bool is_ca(const struct ca_profile *p)
{
	return p->kind == CA_KIND_ROOT || p->kind == CA_KIND_INTERMEDIATE;
}

/* What requesters may get: the other kinds are the CA's own. */
static bool is_leaf(const struct ca_profile *p)
{
	return p->kind == CA_KIND_SERVER || p->kind == CA_KIND_CLIENT || p->kind == CA_KIND_PEER;
}

static bool is_server(const struct ca_profile *p)
{
	return p->kind == CA_KIND_SERVER || p->kind == CA_KIND_PEER;
}

/* ---- defaults ---- */

void ca_profile_default(enum ca_kind kind, struct ca_profile *profile)
{
	static const struct {
		unsigned days, days_max;
	} lives[] = {
		[CA_KIND_ROOT] = { 7305, 9131 },         /* 20 and 25 years */
		[CA_KIND_INTERMEDIATE] = { 1826, 3652 }, /* 5 and 10 years */
		[CA_KIND_SERVER] = { 90, 200 },
		[CA_KIND_CLIENT] = { 90, 398 },
		[CA_KIND_PEER] = { 90, 200 },
		[CA_KIND_OCSP] = { 14, 31 },
		[CA_KIND_AUDIT] = { 730, 1826 },
	};
	*profile = (struct ca_profile){
		.kind = kind,
		.days = lives[kind].days,
		.days_max = lives[kind].days_max,
		.backdate_s = 300,
		.names_max = 100,
	};
	profile->internal = !is_leaf(profile);
	profile->validation = is_leaf(profile) ? CA_VALIDATION_DOMAIN : CA_VALIDATION_NONE;
	profile->allow_hold = is_leaf(profile);
	profile->common_name = profile->allow_wildcard = profile->allow_ip = is_server(profile);
}

void ca_profile_clear(struct ca_profile *profile)
{
	for (size_t i = 0; i < CA_PROFILE_POLICIES_MAX; i++)
		buf_free(&profile->policies[i]);
	profile->policy_count = 0;
	buf_free(&profile->key_usage);
	buf_free(&profile->key_usage_rsa);
	buf_free(&profile->ext_key_usage);
	buf_free(&profile->basic_constraints);
	buf_free(&profile->certificate_policies);
	buf_free(&profile->no_rev_avail);
}

/* ---- what a profile may say ---- */

static int refuse(const struct ca_profile *p, const char *option, const char *why, struct error *err)
{
	(void)err_set(err, ERR_CONFIG, "profile \"%s\": %s", p->name, why);
	return err_about(err, option, NULL, NULL);
}

static int check_life(const struct ca_profile *p, struct error *err)
{
	if (p->days_max < 1 || p->days_max > DAYS_MAX)
		return refuse(p, "days-max", "days-max must be 1 to 36500", err);
	if (p->days < 1 || p->days > p->days_max)
		return refuse(p, "days", "days must be 1 to days-max", err);
	if (p->backdate_s > BACKDATE_MAX_S || (int64_t)p->backdate_s >= (int64_t)p->days * DAY_S)
		return refuse(p, "backdate-seconds", "backdate-seconds must be less than days, and at most 86400", err);
	return 0;
}

/* Source: RFC 9608 section 4; PKI.md section 1. */
static int check_revocation(const struct ca_profile *p, struct error *err)
{
	if (!p->revocation_none)
		return 0;
	if (!is_leaf(p))
		return refuse(p, "revocation", "only server, client and peer certificates can be without revocation",
			      err);
	if (p->days_max > NO_REVOCATION_DAYS_MAX)
		return refuse(p, "days-max", "without revocation days-max must be at most 7", err);
	if (p->allow_hold)
		return refuse(p, "allow-hold", "what has no revocation cannot be put on hold", err);
	return 0;
}

static int check_names(const struct ca_profile *p, struct error *err)
{
	bool names = p->allow_wildcard || p->allow_ip || p->allow_underscore || p->allow_email || p->allow_uri;
	if (p->names_max < 1 || p->names_max > CA_NAMES_MAX)
		return refuse(p, "names-max", "names-max must be 1 to 1000", err);
	if (!is_leaf(p) && (names || p->common_name))
		return refuse(p, "kind", "a certificate of this kind carries no requester's names", err);
	if (p->kind == CA_KIND_CLIENT && p->common_name)
		return refuse(p, "common-name", "a client's common name is what the grant allows, not the first name",
			      err);
	return 0;
}

/* Source: BR 7.1.2.7.11 (digitalSignature alone is recommended), BR 6.3.2, EVG 3.2.2. */
static int check_waivers(const struct ca_profile *p, struct error *err)
{
	const unsigned known = CA_WAIVER_VALIDITY | CA_WAIVER_INTERNAL_NAME | CA_WAIVER_KEY_ENCIPHERMENT;
	if (p->waivers & ~known)
		return refuse(p, "waivers", "waivers holds one that is not known", err);
	if (p->waivers && !is_leaf(p))
		return refuse(p, "waivers", "no rule that can be waived applies to this kind", err);
	if (p->key_encipherment && !is_server(p))
		return refuse(p, "key-encipherment", "only server and peer certificates may have keyEncipherment", err);
	if (p->key_encipherment && !(p->waivers & CA_WAIVER_KEY_ENCIPHERMENT))
		return refuse(p, "key-encipherment", "key-encipherment needs the waiver \"key-encipherment\"", err);
	if (p->validation == CA_VALIDATION_EXTENDED &&
	    (p->allow_wildcard || p->allow_ip || (p->waivers & CA_WAIVER_INTERNAL_NAME)))
		return refuse(p, "validation", "extended validation knows no wildcards, addresses or internal names",
			      err);
	return 0;
}

static int check_kind(const struct ca_profile *p, struct error *err)
{
	if (!is_leaf(p) && !p->internal)
		return refuse(p, "internal", "a profile of this kind is the CA's own: it must be internal", err);
	if (!is_leaf(p) && p->validation != CA_VALIDATION_NONE)
		return refuse(p, "validation", "a certificate of this kind has no validation", err);
	if (p->kind == CA_KIND_ROOT && p->issuer[0])
		return refuse(p, "issuer", "a root has no issuer but itself", err);
	if (p->kind != CA_KIND_ROOT && !p->issuer[0])
		return refuse(p, "issuer", "an issuer must be named", err);
	return 0;
}

/* The CA/Browser Forum's OIDs (BR 7.1.6.1) assert what only an unwaived profile keeps. */
static bool asserts_compliance(struct bytes policy, enum ca_validation *validation)
{
	static const struct {
		uint8_t octets[6];
		uint8_t len;
		enum ca_validation validation;
	} forum[] = {
		{ { 0x67, 0x81, 0x0c, 1, 2, 1 }, 6, CA_VALIDATION_DOMAIN },
		{ { 0x67, 0x81, 0x0c, 1, 2, 2 }, 6, CA_VALIDATION_ORGANIZATION },
		{ { 0x67, 0x81, 0x0c, 1, 1 }, 5, CA_VALIDATION_EXTENDED },
	};
	for (size_t i = 0; i < sizeof(forum) / sizeof(forum[0]); i++)
		if (bytes_equal(policy, BYTES(forum[i].octets, forum[i].len))) {
			*validation = forum[i].validation;
			return true;
		}
	return false;
}

static int check_policy(const struct ca_profile *p, size_t place, struct error *err)
{
	static const uint8_t any_policy[] = { 0x55, 0x1d, 0x20, 0x00 };
	const uint8_t forum_prefix[] = { 0x67, 0x81, 0x0c, 1 }, uuid_arc = 2 * 40 + 25;
	struct bytes policy = buf_bytes(&p->policies[place]);
	enum ca_validation validation = CA_VALIDATION_NONE;
	if (policy.len == 0)
		return refuse(p, "policies", "policies holds an empty object identifier", err);
	if (policy.data[0] == uuid_arc)
		return refuse(p, "policies", "policies below 2.25 make older verifiers fail", err);
	if (bytes_equal(policy, BYTES(any_policy, sizeof(any_policy))))
		return refuse(p, "policies", "anyPolicy says nothing about a certificate", err);
	for (size_t i = 0; i < place; i++)
		if (bytes_equal(policy, buf_bytes(&p->policies[i])))
			return refuse(p, "policies", "a policy stands twice", err);
	if (p->kind == CA_KIND_INTERMEDIATE || policy.len < sizeof(forum_prefix) ||
	    memcmp(policy.data, forum_prefix, sizeof(forum_prefix)) != 0)
		return 0;
	if (!asserts_compliance(policy, &validation) || validation != p->validation || p->kind != CA_KIND_SERVER)
		return refuse(p, "policies", "this CA/Browser Forum policy does not fit the kind or the validation",
			      err);
	if (p->waivers || p->test || p->internal)
		return refuse(p, "policies", "a CA/Browser Forum policy asserts compliance: no waivers with it", err);
	return 0;
}

static int check_policies(const struct ca_profile *p, struct error *err)
{
	if (p->policy_count > CA_PROFILE_POLICIES_MAX)
		return refuse(p, "policies", "policies holds more than 8", err);
	if (p->policy_count && !is_leaf(p) && p->kind != CA_KIND_INTERMEDIATE)
		return refuse(p, "policies", "a certificate of this kind carries no policies", err);
	for (size_t i = 0; i < p->policy_count; i++)
		if (check_policy(p, i, err))
			return -1;
	return 0;
}

/* ---- constants, encoded once ---- */

/* Closes an Extension begun at mark, whose value begins at value. */
static void end_extension(struct buf *out, size_t mark, size_t value)
{
	der_wrap(out, value, DER_OCTET_STRING);
	der_wrap(out, mark, DER_SEQUENCE);
}

static size_t begin_extension(struct buf *out, const struct ca_oid *oid, bool critical)
{
	buf_clear(out);
	der_add_oid(out, oid->content);
	if (critical)
		der_add_boolean_true(out);
	return der_mark(out);
}

static void encode_key_usage(struct buf *out, uint16_t bits)
{
	size_t value = begin_extension(out, &ca_oid_key_usage, true);
	der_add_named_bits(out, bits);
	end_extension(out, 0, value);
}

static void encode_basic_constraints(const struct ca_profile *p, struct buf *out)
{
	size_t value = begin_extension(out, &ca_oid_basic_constraints, true);
	der_add_boolean_true(out);
	if (p->kind == CA_KIND_INTERMEDIATE)
		der_add_number(out, 0);
	der_wrap(out, value, DER_SEQUENCE);
	end_extension(out, 0, value);
}

static void encode_purposes(const struct ca_profile *p, unsigned ekus, struct bytes audit_eku, struct buf *out)
{
	size_t value = begin_extension(out, &ca_oid_ext_key_usage, false);
	if (p->kind == CA_KIND_OCSP)
		der_add_oid(out, ca_oid_ocsp_signing.content);
	if (ekus & CA_EKU_SERVER)
		der_add_oid(out, ca_oid_server_auth.content);
	if (ekus & CA_EKU_CLIENT)
		der_add_oid(out, ca_oid_client_auth.content);
	if (ekus & CA_EKU_AUDIT)
		der_add_oid(out, audit_eku);
	der_wrap(out, value, DER_SEQUENCE);
	end_extension(out, 0, value);
}

static void encode_policies(const struct ca_profile *p, struct buf *out)
{
	size_t value = begin_extension(out, &ca_oid_certificate_policies, false);
	for (size_t i = 0; i < p->policy_count; i++) {
		size_t policy = der_mark(out);
		der_add_oid(out, buf_bytes(&p->policies[i]));
		der_wrap(out, policy, DER_SEQUENCE);
	}
	der_wrap(out, value, DER_SEQUENCE);
	end_extension(out, 0, value);
}

/* Source: RFC 9608 section 2: the value is NULL. */
static void encode_no_rev_avail(struct buf *out)
{
	size_t value = begin_extension(out, &ca_oid_no_rev_avail, false);
	der_add(out, DER_NULL, BYTES_NONE);
	end_extension(out, 0, value);
}

static unsigned purposes_of(const struct ca_profile *p, unsigned intermediate_ekus)
{
	switch (p->kind) {
	case CA_KIND_SERVER:
		return CA_EKU_SERVER;
	case CA_KIND_CLIENT:
		return CA_EKU_CLIENT;
	case CA_KIND_PEER:
		return CA_EKU_SERVER | CA_EKU_CLIENT;
	case CA_KIND_AUDIT:
		return CA_EKU_AUDIT;
	case CA_KIND_INTERMEDIATE:
		return intermediate_ekus;
	case CA_KIND_ROOT:
	case CA_KIND_OCSP:
		break;
	}
	return 0;
}

static int encode(struct ca_profile *p, unsigned ekus, struct bytes audit_eku, struct error *err)
{
	uint16_t usage = is_ca(p) ? KEY_CERT_SIGN | CRL_SIGN : DIGITAL_SIGNATURE;
	encode_key_usage(&p->key_usage, usage);
	encode_key_usage(&p->key_usage_rsa, p->key_encipherment ? usage | KEY_ENCIPHERMENT : usage);
	if (is_ca(p))
		encode_basic_constraints(p, &p->basic_constraints);
	if (p->kind != CA_KIND_ROOT)
		encode_purposes(p, ekus, audit_eku, &p->ext_key_usage);
	if (p->policy_count)
		encode_policies(p, &p->certificate_policies);
	if (p->revocation_none)
		encode_no_rev_avail(&p->no_rev_avail);
	if (p->key_usage.failed || p->key_usage_rsa.failed || p->basic_constraints.failed || p->ext_key_usage.failed ||
	    p->certificate_policies.failed || p->no_rev_avail.failed)
		return err_set(err, ERR_INTERNAL, "no memory for profile %s", p->name);
	return 0;
}

int ca_profile_prepare(struct ca_profile *profile, unsigned intermediate_ekus, struct bytes audit_eku,
		       struct error *err)
{
	unsigned ekus = purposes_of(profile, intermediate_ekus);
	if (check_kind(profile, err) || check_life(profile, err) || check_names(profile, err) ||
	    check_revocation(profile, err) || check_waivers(profile, err) || check_policies(profile, err))
		return -1;
	if (profile->kind == CA_KIND_INTERMEDIATE && ekus == 0)
		return refuse(profile, "issuer", "no profile has certificates made by an intermediate", err);
	if ((ekus & CA_EKU_AUDIT) && audit_eku.len == 0)
		return refuse(profile, "kind", "an audit certificate needs the option arc", err);
	return encode(profile, ekus, audit_eku, err);
}

/* ---- life ---- */

/* Source: BR 6.3.2. The one place with these dates. */
unsigned ca_profile_br_days(int64_t when_s)
{
	static const struct {
		int64_t from_s;
		unsigned days;
	} table[] = {
		{ 1868227200, 47 },  /* 2029-03-15 */
		{ 1805068800, 100 }, /* 2027-03-15 */
		{ 1773532800, 200 }, /* 2026-03-15 */
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (when_s >= table[i].from_s)
			return table[i].days;
	return 398;
}

static int refuse_days(const struct ca_profile *p, unsigned days, unsigned most, const char *whose, struct error *err)
{
	char value[16], allowed[48];
	(void)err_set(err, ERR_VALIDITY_TOO_LONG, "%u days are more than %s: at most %u under profile %s", days, whose,
		      most, p->name);
	(void)snprintf(value, sizeof(value), "%u", days);
	(void)snprintf(allowed, sizeof(allowed), "1 to %u", most);
	return err_about(err, "days", value, allowed);
}

int ca_profile_validity(const struct ca_profile *profile, unsigned days, int64_t now_s, int64_t issuer_not_after_s,
			int64_t *not_before_s, int64_t *not_after_s, struct error *err)
{
	bool dated = is_server(profile) && !(profile->waivers & CA_WAIVER_VALIDITY);
	unsigned table_days = dated ? ca_profile_br_days(now_s) : DAYS_MAX;
	unsigned life = days ? days : profile->days;
	if (days > profile->days_max)
		return refuse_days(profile, days, profile->days_max, "the profile allows", err);
	if (days > table_days)
		return refuse_days(profile, days, table_days, "BR 6.3.2 allows on this date", err);
	/* A default that was fine when it was written shrinks with the table. */
	if (life > table_days)
		life = table_days;
	int64_t begin_s = now_s - (int64_t)profile->backdate_s;
	int64_t end_s = begin_s + (int64_t)life * DAY_S - 1;
	if (end_s > issuer_not_after_s)
		end_s = issuer_not_after_s;
	if (end_s <= now_s)
		return err_set(err, ERR_CONFIG, "the issuer of profile %s has expired; it needs a new certificate",
			       profile->name);
	*not_before_s = begin_s;
	*not_after_s = end_s;
	return 0;
}
