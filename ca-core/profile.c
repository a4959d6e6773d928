#include "ca-core/profile.h"

#include <stdio.h>

#include "base/der.h"
#include "ca-core/name.h"
#include "ca-core/oid.h"
#include "store/record_order.h"

#define DAY_S ((int64_t)86400)
#define DAYS_MAX 36500
#define SHORT_LIVED_DAYS 7 /* BR 1.6.1: a short-lived certificate; RFC 9608 section 4 */
#define BACKDATE_MAX_S 172800
#define APPROVE_HOURS 48 /* BR 7.1.2.7 */
#define APPROVE_HOURS_MAX 8760
#define ORDER_DAYS 30
#define ORDER_DAYS_MAX 365
#define REUSE_DAYS_MAX 398 /* the most that the table of BR 4.2.1 ever gave */

/* RFC 5280 4.2.1.3, named bits. */
enum { DIGITAL_SIGNATURE = 1 << 0, KEY_ENCIPHERMENT = 1 << 2, KEY_CERT_SIGN = 1 << 5, CRL_SIGN = 1 << 6 };

_Static_assert(CA_PROFILE_APPROVALS_MAX == RECORD_APPROVALS_MAX, "an order's record holds what a profile asks for");

/* ---- names of what there is ---- */

const char *ca_kind_name(enum ca_kind kind)
{
	static const char *const names[CA_KIND_COUNT] = { "root", "intermediate",   "server", "client",
							  "peer", "ocsp-responder", "audit",  "cross" };
	return (unsigned)kind < CA_KIND_COUNT ? names[kind] : "?";
}

const char *ca_validation_name(enum ca_validation validation)
{
	static const char *const names[CA_VALIDATION_COUNT] = { "none", "domain", "organization", "extended" };
	return (unsigned)validation < CA_VALIDATION_COUNT ? names[validation] : "?";
}

const char *ca_waiver_name(unsigned n)
{
	static const char *const names[CA_WAIVER_COUNT] = {
		"validity", "internal-names", "underscore", "extended-names", "extended-grants", "late-issuing",
	};
	return n < CA_WAIVER_COUNT ? names[n] : NULL;
}

const char *ca_caa_name(enum ca_caa caa)
{
	static const char *const names[] = { "off", "report", "enforce" };
	return (unsigned)caa <= CA_CAA_ENFORCE ? names[caa] : "?";
}

/* ---- defaults: PKI.md section 1's table ---- */

/* What the CA has certified for itself. */
static bool is_own(enum ca_kind kind)
{
	return ca_kind_is_ca(kind) || kind == CA_KIND_OCSP || kind == CA_KIND_AUDIT;
}

void ca_profile_default(enum ca_kind kind, struct ca_profile *profile)
{
	static const struct {
		unsigned days, days_max;
	} lives[CA_KIND_COUNT] = {
		[CA_KIND_ROOT] = { 7300, 9125 }, [CA_KIND_INTERMEDIATE] = { 1825, 3650 },
		[CA_KIND_SERVER] = { 90, 200 },  [CA_KIND_CLIENT] = { 90, 398 },
		[CA_KIND_PEER] = { 90, 200 },    [CA_KIND_OCSP] = { 14, 30 },
		[CA_KIND_AUDIT] = { 730, 1825 }, [CA_KIND_CROSS] = { 1825, 9125 },
	};
	*profile = (struct ca_profile){ .kind = kind, .names_max = 100, .backdate_s = 300 };
	profile->days = lives[kind].days;
	profile->days_max = lives[kind].days_max;
	profile->key_encipherment = ca_kind_is_server(kind);
	profile->common_name = ca_kind_is_server(kind);
	profile->allow_wildcard = ca_kind_is_server(kind);
	profile->allow_ip = ca_kind_is_server(kind);
	profile->allow_email = kind == CA_KIND_CLIENT;
	profile->validation = ca_kind_is_server(kind) ? CA_VALIDATION_DOMAIN : CA_VALIDATION_NONE;
	profile->internal = is_own(kind);
	profile->methods = METHOD_GRANT;
	if (ca_kind_is_server(kind))
		profile->methods |= METHOD_DNS_TXT | METHOD_DNS_CNAME | METHOD_HTTP | METHOD_MAIL;
	profile->caa = ca_kind_is_server(kind) ? CA_CAA_ENFORCE : CA_CAA_OFF;
	profile->reuse_days = REUSE_DAYS_MAX;
	profile->approve_hours = APPROVE_HOURS;
	profile->order_days = ORDER_DAYS;
}

/* ---- checks ---- */

__attribute__((format(printf, 3, 4))) static int wrong(const struct ca_profile *p, struct error *err, const char *fmt,
						       ...)
{
	char why[256];
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	return err_set(err, ERR_CONFIG, "profile %s: %s", p->name, why);
}

static int check_life(const struct ca_profile *p, struct error *err)
{
	if (p->days < 1 || p->days_max < 1 || p->days_max > DAYS_MAX)
		return wrong(p, err, "days and days-max are 1 to %d", DAYS_MAX);
	if (p->days > p->days_max)
		return wrong(p, err, "days (%u) is more than days-max (%u)", p->days, p->days_max);
	if (p->backdate_s > BACKDATE_MAX_S)
		return wrong(p, err, "backdate-seconds is at most %d (BR 7.1.2.7: 48 hours)", BACKDATE_MAX_S);
	if (p->revocation_none && p->days_max > SHORT_LIVED_DAYS)
		return wrong(p, err, "revocation none is for certificates of at most %d days (days-max is %u)",
			     SHORT_LIVED_DAYS, p->days_max);
	if (p->revocation_none && p->allow_hold)
		return wrong(p, err, "what cannot be revoked cannot be held; allow-hold is false with revocation none");
	return 0;
}

static int check_kind(const struct ca_profile *p, struct error *err)
{
	bool own = is_own(p->kind);
	if (p->kind == CA_KIND_ROOT ? p->issuer[0] : !p->issuer[0])
		return wrong(p, err,
			     p->kind == CA_KIND_ROOT ? "a root signs itself and has no issuer" : "it names no issuer");
	if (own && p->validation != CA_VALIDATION_NONE)
		return wrong(p, err, "nothing is validated for kind %s; validation is none", ca_kind_name(p->kind));
	if (own && !p->internal)
		return wrong(p, err, "kind %s is the CA's own and not for requesters; internal is true",
			     ca_kind_name(p->kind));
	if (ca_kind_is_server(p->kind) && p->validation == CA_VALIDATION_NONE)
		return wrong(p, err, "the names of kind %s are validated; validation is not none",
			     ca_kind_name(p->kind));
	if (ca_kind_is_ca(p->kind) && p->revocation_none)
		return wrong(p, err, "a CA's certificate can be revoked; revocation is crl");
	return 0;
}

static int check_names(const struct ca_profile *p, struct error *err)
{
	if (p->names_max < 1 || p->names_max > CA_NAMES_MAX)
		return wrong(p, err, "names-max is 1 to %d", CA_NAMES_MAX);
	if (ca_kind_is_server(p->kind) && (p->allow_email || p->allow_uri))
		return wrong(p, err, "a server's names are DNS names and addresses alone (BR 7.1.2.7.12)");
	if (ca_kind_is_server(p->kind) && p->allow_underscore && !(p->waivers & CA_WAIVER_UNDERSCORE))
		return wrong(p, err, "underscores in a server's name need the waiver \"underscore\"");
	if (p->validation == CA_VALIDATION_EXTENDED && (p->allow_wildcard || p->allow_ip) &&
	    !(p->waivers & CA_WAIVER_EV_NAMES))
		return wrong(
			p, err,
			"extended validation has no wildcards and no addresses (EVG 7.1.2.7.12) without the waiver "
			"\"extended-names\"");
	return 0;
}

/* What people decide, and by when. */
static int check_approvals(const struct ca_profile *p, struct error *err)
{
	unsigned least = p->validation == CA_VALIDATION_EXTENDED ? 2 : p->validation == CA_VALIDATION_ORGANIZATION;
	if (p->approvals < least)
		return wrong(p, err, "%s validation needs the approval of %u officer%s at least; approvals is %u",
			     ca_validation_name(p->validation), least, least > 1 ? "s" : "", p->approvals);
	if (p->approvals > CA_PROFILE_APPROVALS_MAX)
		return wrong(p, err, "approvals is at most %d", CA_PROFILE_APPROVALS_MAX);
	if (p->approvals && p->internal)
		return wrong(p, err, "nobody is asked about the CA's own certificates; approvals is 0");
	if (p->approve_hours < 1 || p->approve_hours > APPROVE_HOURS_MAX)
		return wrong(p, err, "approve-hours is 1 to %d", APPROVE_HOURS_MAX);
	if (p->approve_hours > APPROVE_HOURS && !(p->waivers & CA_WAIVER_LATE))
		return wrong(p, err,
			     "approve-hours is at most %d (BR 7.1.2.7) without the waiver \"late-issuing\"; it is %u",
			     APPROVE_HOURS, p->approve_hours);
	if (p->approvals && (int64_t)p->approve_hours * 3600 <= p->backdate_s)
		return wrong(p, err, "approve-hours (%u) are over before anybody can approve: backdate-seconds is %u",
			     p->approve_hours, p->backdate_s);
	return 0;
}

static int check_orders(const struct ca_profile *p, struct error *err)
{
	if (!p->methods)
		return wrong(p, err, "no method is left that could show a name");
	if (p->validation == CA_VALIDATION_EXTENDED && (p->methods & METHOD_GRANT) &&
	    !(p->waivers & CA_WAIVER_EV_GRANT))
		return wrong(p, err,
			     "under extended validation control of each name is shown (EVG 3.2.2.7); the method grant "
			     "needs the waiver \"extended-grants\"");
	if (p->reuse_days < 1 || p->reuse_days > REUSE_DAYS_MAX)
		return wrong(p, err, "reuse-days is 1 to %d (BR 4.2.1)", REUSE_DAYS_MAX);
	if (p->order_days < 1 || p->order_days > ORDER_DAYS_MAX)
		return wrong(p, err, "order-days is 1 to %d", ORDER_DAYS_MAX);
	return check_approvals(p, err);
}

/* 2.25 (UUIDs) has numbers past 64 bits, which older verifiers refuse; 2.23.140.1 asserts compliance. */
static int check_policy(const struct ca_profile *p, struct bytes oid, struct error *err)
{
	static const uint8_t uuid_arc[] = { 0x69 };
	static const uint8_t forum[] = { 0x67, 0x81, 0x0c, 0x01 };
	char text[80];
	if (oid.len >= sizeof(uuid_arc) && memcmp(oid.data, uuid_arc, sizeof(uuid_arc)) == 0)
		return wrong(p, err, "policy %s is below 2.25, which older verifiers cannot read",
			     der_oid_text(oid, text, sizeof(text)));
	if (oid.len >= sizeof(forum) && memcmp(oid.data, forum, sizeof(forum)) == 0 && (p->waivers || p->test))
		return wrong(p, err,
			     "policy %s asserts compliance with the Baseline Requirements; this profile has waivers",
			     der_oid_text(oid, text, sizeof(text)));
	return 0;
}

static int check_policies(const struct ca_profile *p, struct error *err)
{
	if (p->policy_count > CA_PROFILE_POLICIES_MAX)
		return wrong(p, err, "it has more than %d policies", CA_PROFILE_POLICIES_MAX);
	if (p->policy_count && (p->kind == CA_KIND_ROOT || p->kind == CA_KIND_OCSP || p->kind == CA_KIND_AUDIT))
		return wrong(p, err, "kind %s carries no policies", ca_kind_name(p->kind));
	for (size_t i = 0; i < p->policy_count; i++) {
		if (check_policy(p, buf_bytes(&p->policies[i]), err))
			return -1;
		for (size_t other = 0; other < i; other++)
			if (bytes_equal(buf_bytes(&p->policies[i]), buf_bytes(&p->policies[other])))
				return wrong(p, err, "a policy stands twice (RFC 5280 section 4.2.1.4)");
	}
	return 0;
}

/* ---- encoding what never changes ---- */

/* value: the DER inside extnValue. */
static void add_extension(struct buf *out, const struct ca_oid *oid, bool critical, struct bytes value)
{
	size_t mark = der_mark(out);
	der_add_oid(out, oid->content);
	if (critical)
		der_add_boolean_true(out);
	der_add(out, DER_OCTET_STRING, value);
	der_wrap(out, mark, DER_SEQUENCE);
}

static void encode_key_usage(struct buf *out, uint16_t bits)
{
	auto_buf value = BUF_INIT;
	der_add_named_bits(&value, bits);
	add_extension(out, &ca_oid_key_usage, true, buf_bytes(&value));
	out->failed = out->failed || value.failed;
}

static void encode_key_usages(struct ca_profile *p)
{
	uint16_t bits = ca_kind_is_ca(p->kind) ? KEY_CERT_SIGN | CRL_SIGN : DIGITAL_SIGNATURE;
	encode_key_usage(&p->key_usage, bits);
	if (ca_kind_is_server(p->kind) && p->key_encipherment)
		bits |= KEY_ENCIPHERMENT;
	encode_key_usage(&p->key_usage_rsa, bits);
}

static void encode_purposes(struct ca_profile *p, unsigned ekus, struct bytes audit_eku)
{
	auto_buf value = BUF_INIT;
	if (ekus & CA_EKU_SERVER)
		der_add_oid(&value, ca_oid_server_auth.content);
	if (ekus & CA_EKU_CLIENT)
		der_add_oid(&value, ca_oid_client_auth.content);
	if (ekus & CA_EKU_AUDIT)
		der_add_oid(&value, audit_eku);
	if (p->kind == CA_KIND_OCSP)
		der_add_oid(&value, ca_oid_ocsp_signing.content);
	der_wrap(&value, 0, DER_SEQUENCE);
	add_extension(&p->ext_key_usage, &ca_oid_ext_key_usage, false, buf_bytes(&value));
	p->ext_key_usage.failed = p->ext_key_usage.failed || value.failed;
}

/* RFC 5280 4.2.1.9: an intermediate certifies nothing but leaves, so its path length is 0. A cross-certificate stands
 * above intermediates, as the root that it certifies does. */
static void encode_basic_constraints(struct ca_profile *p)
{
	auto_buf value = BUF_INIT;
	der_add_boolean_true(&value);
	if (p->kind == CA_KIND_INTERMEDIATE)
		der_add_number(&value, 0);
	der_wrap(&value, 0, DER_SEQUENCE);
	add_extension(&p->basic_constraints, &ca_oid_basic_constraints, true, buf_bytes(&value));
	p->basic_constraints.failed = p->basic_constraints.failed || value.failed;
}

static void encode_policies(struct ca_profile *p)
{
	auto_buf value = BUF_INIT;
	for (size_t i = 0; i < p->policy_count; i++) {
		size_t mark = der_mark(&value);
		der_add_oid(&value, buf_bytes(&p->policies[i]));
		der_wrap(&value, mark, DER_SEQUENCE);
	}
	der_wrap(&value, 0, DER_SEQUENCE);
	add_extension(&p->certificate_policies, &ca_oid_certificate_policies, false, buf_bytes(&value));
	p->certificate_policies.failed = p->certificate_policies.failed || value.failed;
}

static unsigned purposes_of(const struct ca_profile *p, unsigned intermediate_ekus)
{
	switch (p->kind) {
	case CA_KIND_INTERMEDIATE:
		return intermediate_ekus;
	case CA_KIND_SERVER:
		return CA_EKU_SERVER;
	case CA_KIND_CLIENT:
		return CA_EKU_CLIENT;
	case CA_KIND_PEER:
		return CA_EKU_SERVER | CA_EKU_CLIENT;
	case CA_KIND_AUDIT:
		return CA_EKU_AUDIT;
	default:
		return 0;
	}
}

static void free_encoded(struct ca_profile *p)
{
	buf_free(&p->key_usage);
	buf_free(&p->key_usage_rsa);
	buf_free(&p->ext_key_usage);
	buf_free(&p->basic_constraints);
	buf_free(&p->certificate_policies);
	buf_free(&p->no_rev_avail);
	buf_free(&p->ocsp_no_check);
}

static int encode(struct ca_profile *p, unsigned ekus, struct bytes audit_eku, struct error *err)
{
	static const uint8_t null[] = { DER_NULL, 0 };
	free_encoded(p);
	encode_key_usages(p);
	if (p->kind != CA_KIND_ROOT && p->kind != CA_KIND_CROSS) /* BR 7.1.2.2.4: unrestricted, as the root is */
		encode_purposes(p, ekus, audit_eku);
	if (ca_kind_is_ca(p->kind))
		encode_basic_constraints(p);
	if (p->policy_count)
		encode_policies(p);
	if (p->revocation_none)
		add_extension(&p->no_rev_avail, &ca_oid_no_rev_avail, false, BYTES(null, sizeof(null)));
	if (p->kind == CA_KIND_OCSP)
		add_extension(&p->ocsp_no_check, &ca_oid_ocsp_no_check, false, BYTES(null, sizeof(null)));
	if (p->key_usage.failed || p->key_usage_rsa.failed || p->ext_key_usage.failed || p->basic_constraints.failed ||
	    p->certificate_policies.failed || p->no_rev_avail.failed || p->ocsp_no_check.failed)
		return err_set(err, ERR_INTERNAL, "no memory for profile %s", p->name);
	return 0;
}

int ca_profile_prepare(struct ca_profile *profile, unsigned intermediate_ekus, struct bytes audit_eku,
		       struct error *err)
{
	unsigned ekus = purposes_of(profile, intermediate_ekus);
	if (check_kind(profile, err) || check_life(profile, err) || check_names(profile, err) ||
	    check_policies(profile, err) || (!is_own(profile->kind) && check_orders(profile, err)))
		return -1;
	if (profile->kind == CA_KIND_INTERMEDIATE && ekus == 0)
		return wrong(profile, err, "no profile is signed by an issuer of it, so it would serve no purpose");
	if ((ekus & CA_EKU_AUDIT) && audit_eku.len == 0)
		return wrong(profile, err, "the audit key's purpose stands below the arc, and there is no arc");
	profile->purposes = profile->kind == CA_KIND_INTERMEDIATE ? ekus : 0;
	return encode(profile, ekus, audit_eku, err);
}

void ca_profile_clear(struct ca_profile *profile)
{
	free_encoded(profile);
	for (size_t i = 0; i < CA_PROFILE_POLICIES_MAX; i++)
		buf_free(&profile->policies[i]);
	profile->policy_count = 0;
}

/* ---- how long ---- */

/* The dated limits of BR 6.3.2 and 4.2.1, the newest first. */
static const struct dated {
	int64_t from_s;
	unsigned days, reuse_days;
} dated_limits[] = {
	{ 1868227200, 47, 10 },   /* 2029-03-15 */
	{ 1805068800, 100, 100 }, /* 2027-03-15 */
	{ 1773532800, 200, 200 }, /* 2026-03-15 */
	{ INT64_MIN, 398, 398 },
};

static const struct dated *dated_at(int64_t when_s)
{
	const struct dated *d = dated_limits;
	while (when_s < d->from_s)
		d++;
	return d;
}

unsigned ca_profile_br_days(int64_t when_s)
{
	return dated_at(when_s)->days;
}

unsigned ca_profile_br_reuse_days(int64_t when_s)
{
	return dated_at(when_s)->reuse_days;
}

unsigned ca_profile_reuse_days(const struct ca_profile *profile, int64_t when_s)
{
	unsigned dated = ca_profile_br_reuse_days(when_s);
	return ca_kind_is_server(profile->kind) && dated < profile->reuse_days ? dated : profile->reuse_days;
}

static unsigned longest(const struct ca_profile *p, int64_t now_s)
{
	unsigned dated = ca_profile_br_days(now_s);
	bool limited = ca_kind_is_server(p->kind) && !(p->waivers & CA_WAIVER_VALIDITY);
	return limited && dated < p->days_max ? dated : p->days_max;
}

int ca_profile_validity(const struct ca_profile *profile, unsigned days, int64_t now_s, int64_t issuer_not_after_s,
			int64_t *not_before_s, int64_t *not_after_s, struct error *err)
{
	unsigned most = longest(profile, now_s);
	if (days == 0)
		days = profile->days < most ? profile->days : most;
	if (days > most) {
		char value[16], allowed[32];
		(void)snprintf(value, sizeof(value), "%u", days);
		(void)snprintf(allowed, sizeof(allowed), "1 to %u", most);
		(void)err_set(err, ERR_VALIDITY_TOO_LONG, "%u days are more than profile %s allows now (%u)", days,
			      profile->name, most);
		return err_about(err, "days", value, allowed);
	}
	*not_before_s = now_s - (int64_t)profile->backdate_s;
	*not_after_s = *not_before_s + (int64_t)days * DAY_S - 1;
	if (*not_after_s > issuer_not_after_s)
		*not_after_s = issuer_not_after_s;
	if (*not_after_s <= now_s)
		return err_set(err, ERR_VALIDITY_TOO_LONG,
			       "the certificate of issuer %s has ended or is about to; it has to be renewed",
			       profile->issuer);
	return 0;
}
