#include "ca-core/lint.h"

#include <stdio.h>

#include "base/der.h"
#include "ca-core/oid.h"
#include "tests/unit/ca-core/pure.h"

/* A good certificate taken apart, to be changed in one place and put together again. */
#define EXTENSIONS_MAX 16
struct parts {
	struct bytes version, serial, algorithm, issuer, validity, subject, spki;
	struct bytes extensions[EXTENSIONS_MAX]; /* whole elements */
	size_t extension_count;
	struct bytes behind; /* after the extensions */
};

struct sample {
	struct ca_config *config;
	struct ca_profile *profile; /* of config; tests change it */
	struct ca_issuer_info root, issuing;
	const struct ca_issuer_info *issuer;
	struct buf subject, tbs;
	struct ca_names names;
	struct parts parts;
};

static void take_apart(struct sample *s)
{
	struct der outer = der_of(buf_bytes(&s->tbs)), tbs, tagged, list;
	struct parts *p = &s->parts;
	der_enter(&outer, DER_SEQUENCE, &tbs);
	p->version = der_take_whole(&tbs, DER_CONTEXT_CONSTRUCTED(0));
	p->serial = der_take_whole(&tbs, DER_INTEGER);
	p->algorithm = der_take_whole(&tbs, DER_SEQUENCE);
	p->issuer = der_take_whole(&tbs, DER_SEQUENCE);
	p->validity = der_take_whole(&tbs, DER_SEQUENCE);
	p->subject = der_take_whole(&tbs, DER_SEQUENCE);
	p->spki = der_take_whole(&tbs, DER_SEQUENCE);
	der_enter(&tbs, DER_CONTEXT_CONSTRUCTED(3), &tagged);
	der_enter(&tagged, DER_SEQUENCE, &list);
	while (list.left.len && p->extension_count < EXTENSIONS_MAX)
		p->extensions[p->extension_count++] = der_take_whole(&list, DER_SEQUENCE);
	REQUIRE(der_done(&tbs) && der_done(&outer) && der_done(&list));
}

static void put_together(const struct parts *p, struct buf *out)
{
	buf_add_bytes(out, p->version);
	buf_add_bytes(out, p->serial);
	buf_add_bytes(out, p->algorithm);
	buf_add_bytes(out, p->issuer);
	buf_add_bytes(out, p->validity);
	buf_add_bytes(out, p->subject);
	buf_add_bytes(out, p->spki);
	size_t tagged = der_mark(out);
	for (size_t i = 0; i < p->extension_count; i++)
		buf_add_bytes(out, p->extensions[i]);
	der_wrap(out, tagged, DER_SEQUENCE);
	der_wrap(out, tagged, DER_CONTEXT_CONSTRUCTED(3));
	buf_add_bytes(out, p->behind);
	der_wrap(out, 0, DER_SEQUENCE);
}

/* profile: of the default configuration. */
static struct sample sample_of(const char *profile, const char *key, const char *common_name, const char *names)
{
	static const uint8_t ecdsa_sha384[] = { 0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3 };
	struct sample s = { .config = pure_config() };
	struct error err = ERR_INIT;
	pure_root(s.config, &s.root);
	pure_issuing(s.config, &s.issuing);
	s.names = pure_names(names);
	for (size_t i = 0; i < s.config->profile_count; i++)
		if (strcmp(s.config->profiles[i].name, profile) == 0)
			s.profile = &s.config->profiles[i];
	REQUIRE(s.profile != NULL);
	/* The copy of s that is returned has its issuers elsewhere: fresh() points at them. */
	const struct ca_issuer_info *issuer = s.profile->kind == CA_KIND_ROOT           ? NULL
					      : s.profile->kind == CA_KIND_INTERMEDIATE ? &s.root
											: &s.issuing;
	struct ca_tbs in = pure_tbs(s.profile, issuer, key, common_name, &s.names, &s.subject);
	in.signature_algorithm = BYTES(ecdsa_sha384, sizeof(ecdsa_sha384));
	CHECK_OK(ca_tbs_build(&in, &s.tbs, &err) == 0, &err);
	take_apart(&s);
	return s;
}

static void point_at_issuer(struct sample *s)
{
	s->issuer = s->profile->kind == CA_KIND_ROOT           ? NULL
		    : s->profile->kind == CA_KIND_INTERMEDIATE ? &s->root
							       : &s->issuing;
}

static void sample_free(struct sample *s)
{
	ca_issuer_info_clear(&s->root);
	ca_issuer_info_clear(&s->issuing);
	ca_names_free(&s->names);
	buf_free(&s->subject);
	buf_free(&s->tbs);
	ca_config_free(s->config);
}
#define auto_sample CLEANUP(sample_free) struct sample
#define SAMPLE(name, ...)                          \
	auto_sample name = sample_of(__VA_ARGS__); \
	point_at_issuer(&(name))

static int lint_bytes(const struct sample *s, struct bytes tbs, struct error *err)
{
	return ca_lint_tbs(tbs, s->profile, s->issuer, PURE_NOW_S, err);
}

static int lint(const struct sample *s, struct error *err)
{
	auto_buf tbs = BUF_INIT;
	put_together(&s->parts, &tbs);
	return lint_bytes(s, buf_bytes(&tbs), err);
}

/* What stands in the parts breaks the rule whose text starts so. */
static void breaks(const struct sample *s, const char *rule)
{
	struct error err = ERR_INIT;
	CHECK_FAILS(lint(s, &err) != 0, &err, ERR_INTEGRITY);
	if (!strstr(err.message, rule))
		CHECK_TEXT(err.message, rule);
}

static struct bytes *extension(struct sample *s, const struct ca_oid *oid)
{
	for (size_t i = 0; i < s->parts.extension_count; i++) {
		struct der outer = der_of(s->parts.extensions[i]), content;
		der_enter(&outer, DER_SEQUENCE, &content);
		if (bytes_equal(der_oid(&content), oid->content))
			return &s->parts.extensions[i];
	}
	REQUIRE(!"the extension stands in the sample");
	return NULL;
}

static void drop(struct sample *s, const struct ca_oid *oid)
{
	struct bytes *at = extension(s, oid);
	*at = s->parts.extensions[--s->parts.extension_count];
}

/* An Extension element from its value's hex digits; lives until the test ends. */
static struct bytes make_extension(const struct ca_oid *oid, bool critical, const char *value)
{
	auto_buf out = BUF_INIT;
	char hex[1024] = "";
	der_add_oid(&out, oid->content);
	if (critical)
		der_add_boolean_true(&out);
	der_add(&out, DER_OCTET_STRING, unit_hex(value));
	der_wrap(&out, 0, DER_SEQUENCE);
	REQUIRE(out.len < sizeof(hex) / 2);
	for (size_t i = 0; i < out.len; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", out.data[i]);
	return unit_hex(hex);
}

/* The rule that is broken where this extension has this value instead of its own. */
static void extension_breaks(const char *profile, const struct ca_oid *oid, bool critical, const char *value,
			     const char *rule)
{
	bool root = strcmp(profile, "root") == 0, ca = root || strcmp(profile, "intermediate") == 0;
	const char *common_name = strcmp(profile, "client") == 0 ? "alice" : "a.test";
	SAMPLE(s, profile, root ? "p384" : "p256", common_name, ca ? "" : "dns:a.test");
	*extension(&s, oid) = make_extension(oid, critical, value);
	breaks(&s, rule);
}

/* ---- the good ones pass ---- */

static void passes_what_is_built(void)
{
	static const char *const samples[][4] = {
		{ "root", "p384", "Example Root", "" },     { "intermediate", "p256", "Example Issuing", "" },
		{ "audit", "p256", "Example Audit", "" },   { "server-dv", "rsa2048", "a.test", "dns:a.test" },
		{ "server-dv", "p256", "", "ip:10.0.0.1" }, { "client", "ed25519", "alice", "" },
		{ "peer", "p521", "a.test", "dns:a.test" }, { "short-lived", "p256", "a.test", "dns:a.test" },
	};
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		struct error err = ERR_INIT;
		SAMPLE(s, samples[i][0], samples[i][1], samples[i][2], samples[i][3]);
		CHECK_OK(lint(&s, &err) == 0, &err);
	}
}

/* ---- the frame ---- */

static void refuses_every_truncation_and_bytes_behind(void)
{
	SAMPLE(s, "server-dv", "p256", "a.test", "dns:a.test");
	auto_buf longer = BUF_INIT;
	for (size_t len = 0; len < s.tbs.len; len++) {
		struct error err = ERR_INIT;
		CHECK(lint_bytes(&s, BYTES(s.tbs.data, len), &err) != 0);
	}
	struct error err = ERR_INIT;
	buf_add_bytes(&longer, buf_bytes(&s.tbs));
	buf_u8(&longer, 0);
	CHECK_FAILS(lint_bytes(&s, buf_bytes(&longer), &err) != 0, &err, ERR_INTEGRITY);
}

static void refuses_other_fields_than_those_of_version_3(void)
{
	SAMPLE(s, "server-dv", "p256", "a.test", "dns:a.test");
	struct parts good = s.parts;
	s.parts.version = unit_hex("a003020101");
	breaks(&s, "RFC 5280 4.1.2.1");
	s.parts.version = BYTES_NONE;
	breaks(&s, "RFC 5280 4.1");
	s.parts = good;
	s.parts.spki = unit_hex("3000");
	CHECK(lint(&s, &(struct error){ 0 }) != 0);
	s.parts = good;
	s.parts.behind = unit_hex("0500");
	breaks(&s, "RFC 5280 4.1");
}

static void refuses_serials_that_are_not_positive_long_and_random(void)
{
	SAMPLE(s, "server-dv", "p256", "a.test", "dns:a.test");
	s.parts.serial = unit_hex("020100");
	breaks(&s, "RFC 5280 4.1.2.2");
	s.parts.serial = unit_hex("0209 80ffffffffffffffff");
	breaks(&s, "RFC 5280 4.1.2.2");
	s.parts.serial = unit_hex("0215 01ffffffffffffffffffffffffffffffffffffffff");
	breaks(&s, "RFC 5280 4.1.2.2");
	s.parts.serial = unit_hex("0208 01ffffffffffffff");
	breaks(&s, "BR 7.1");
}

static void refuses_a_signature_algorithm_that_the_issuer_has_not(void)
{
	SAMPLE(s, "server-dv", "p256", "a.test", "dns:a.test");
	s.parts.algorithm = unit_hex("300a06082a8648ce3d040303");
	breaks(&s, "RFC 5280 4.1.2.3");
	s.parts.algorithm = unit_hex("300c06082a8648ce3d0403020500");
	breaks(&s, "RFC 5280 4.1.2.3");
}

static void refuses_an_issuer_name_that_differs_by_one_octet(void)
{
	SAMPLE(s, "server-dv", "p256", "a.test", "dns:a.test");
	s.parts.issuer = buf_bytes(&s.root.subject);
	breaks(&s, "RFC 5280 6.1.3");
	s.parts.issuer = unit_hex("3000");
	breaks(&s, "RFC 5280 4.1.2.4");
}

static void refuses_the_issuers_own_key_for_a_leaf(void)
{
	SAMPLE(s, "server-dv", "p256-issuing", "a.test", "dns:a.test");
	breaks(&s, "BR 6.1.1.3");
}

/* ---- validity ---- */

/* From and to in seconds from now; notAfter is inclusive. */
static void set_validity(struct sample *s, struct buf *out, int64_t from, int64_t to)
{
	buf_clear(out);
	der_add_time(out, PURE_NOW_S + from);
	der_add_time(out, PURE_NOW_S + to);
	der_wrap(out, 0, DER_SEQUENCE);
	s->parts.validity = buf_bytes(out);
}

#define DAY ((int64_t)86400)

static void holds_validity_against_every_limit(void)
{
	auto_buf v = BUF_INIT;
	struct error err = ERR_INIT;
	SAMPLE(s, "server-dv", "p256", "a.test", "dns:a.test");
	set_validity(&s, &v, 0, 200 * DAY - 1);
	CHECK_OK(lint(&s, &err) == 0, &err);
	set_validity(&s, &v, 0, 200 * DAY);
	breaks(&s, "the profile's longest validity");
	s.profile->days_max = 398;
	breaks(&s, "BR 6.3.2");
	s.profile->waivers |= CA_WAIVER_VALIDITY;
	CHECK_OK(lint(&s, &err) == 0, &err);
	set_validity(&s, &v, 0, -1);
	breaks(&s, "RFC 5280 4.1.2.5");
	set_validity(&s, &v, -3 * DAY, DAY);
	breaks(&s, "BR 7.1.2.7");
	set_validity(&s, &v, 3 * DAY, 5 * DAY);
	breaks(&s, "BR 7.1.2.7");
	s.profile->days_max = 36500;
	set_validity(&s, &v, 0, 2196 * DAY);
	breaks(&s, "past the issuer's own");
}

static void refuses_other_forms_of_time(void)
{
	SAMPLE(s, "server-dv", "p256", "a.test", "dns:a.test");
	/* GeneralizedTime before 2050; without seconds; with a zone; three times */
	s.parts.validity = unit_hex("3022 180f32303236313132313132303030305a 180f32303236313232313132303030305a");
	breaks(&s, "RFC 5280 4.1.2.5");
	s.parts.validity = unit_hex("301a 170b323631313231313230305a 170b323631323231313230305a");
	breaks(&s, "RFC 5280 4.1.2.5");
	s.parts.validity = unit_hex("3000");
	breaks(&s, "RFC 5280 4.1.2.5");
}

static void limits_certificates_without_revocation_to_a_week(void)
{
	auto_buf v = BUF_INIT;
	SAMPLE(s, "short-lived", "p256", "a.test", "dns:a.test");
	s.profile->days_max = 30;
	set_validity(&s, &v, 0, 7 * DAY);
	breaks(&s, "RFC 9608");
}

/* ---- names ---- */

static void holds_the_subject_against_order_types_and_bounds(void)
{
	SAMPLE(s, "server-dv", "p256", "a.test", "dns:a.test");
	s.parts.subject = unit_hex("3011310f300d06035504031306612e74657374"); /* PrintableString */
	breaks(&s, "wrong string type");
	s.parts.subject = unit_hex("300d310b300906035504030c026101");
	breaks(&s, "alphabet");
	s.parts.subject = unit_hex("300b3109300706035504030c00");
	breaks(&s, "empty or too long");
	s.parts.subject = unit_hex("300d310b3009060355040a0c026162"); /* O under domain validation */
	breaks(&s, "nothing was validated");
	s.parts.subject = unit_hex("300d310b3009060355040b0c026162"); /* OU, never */
	breaks(&s, "unknown, repeated or out of order");
	s.parts.subject = unit_hex("3022 310f300d06035504030c06612e74657374 310f300d06035504030c06612e74657374");
	breaks(&s, "unknown, repeated or out of order");
	s.parts.subject = unit_hex("301f 311d 300d06035504030c06612e74657374 300c06035504030c05612e746573");
	breaks(&s, "exactly one attribute");
	s.parts.subject = unit_hex("300d310b300906035504030c026262");
	breaks(&s, "BR 7.1.4.3"); /* a common name that is no subjectAltName */
}

static void wants_subject_alt_name_critical_where_the_subject_is_empty(void)
{
	SAMPLE(named, "server-dv", "p256", "a.test", "dns:a.test");
	*extension(&named, &ca_oid_subject_alt_name) =
		make_extension(&ca_oid_subject_alt_name, true, "30088206612e74657374");
	breaks(&named, "RFC 5280 4.2.1.6");
	SAMPLE(unnamed, "server-dv", "p256", "", "dns:a.test");
	*extension(&unnamed, &ca_oid_subject_alt_name) =
		make_extension(&ca_oid_subject_alt_name, false, "30088206612e74657374");
	breaks(&unnamed, "RFC 5280 4.2.1.6");
}

static void holds_subject_alt_names_against_the_profile(void)
{
	const struct ca_oid *san = &ca_oid_subject_alt_name;
	extension_breaks("server-dv", san, false, "3000", "RFC 5280 4.2.1.6");
	extension_breaks("server-dv", san, false, "30108206612e746573748206612e74657374", "stands twice");
	extension_breaks("server-dv", san, false, "30088206412e74657374", "one form");
	extension_breaks("server-dv", san, false, "300a 8108 6140622e74657374", "does not allow");
	extension_breaks("server-dv", san, false, "3004a4023000", "not served");
	extension_breaks("server-dv", san, false, "300d820b5f612e612e612e74657374", "does not allow");
	extension_breaks("server-dv", san, false, "30088206612e74657374 0500", "RFC 5280 4.2.1.6");
	SAMPLE(s, "server-dv", "p256", "a.test", "dns:a.test dns:*.a.test ip:10.0.0.1");
	s.profile->allow_wildcard = false;
	breaks(&s, "does not allow");
	s.profile->allow_wildcard = true;
	s.profile->allow_ip = false;
	breaks(&s, "does not allow");
}

static void refuses_malformed_names(void)
{
	SAMPLE(s, "server-dv", "p256", "", "dns:a.test");
	static const char *const bad[] = { "300382012e", "30078205612e2e6161", "30058703010203", "300682046 12a2e61" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct error err = ERR_INIT;
		*extension(&s, &ca_oid_subject_alt_name) = make_extension(&ca_oid_subject_alt_name, true, bad[i]);
		CHECK(lint(&s, &err) != 0);
	}
}

static void refuses_internal_names_without_their_waiver(void)
{
	SAMPLE(s, "server-dv", "p256", "a.test", "dns:a.test");
	s.profile->waivers = 0;
	breaks(&s, "BR 4.2.2");
	SAMPLE(address, "server-dv", "p256", "", "ip:10.0.0.1");
	address.profile->waivers = 0;
	breaks(&address, "BR 4.2.2");
	SAMPLE(public, "server-dv", "p256", "www.example.com", "dns:www.example.com");
	struct error err = ERR_INIT;
	public.profile->waivers = 0;
	CHECK_OK(lint(&public, &err) == 0, &err);
}

/* ---- extensions ---- */

static void misses_each_extension_that_must_be_there(void)
{
	static const struct {
		const char *profile;
		const struct ca_oid *oid;
		const char *rule;
	} needed[] = {
		{ "intermediate", &ca_oid_basic_constraints, "RFC 5280 4.2.1.9" },
		{ "intermediate", &ca_oid_subject_key_id, "RFC 5280 4.2.1.2" },
		{ "intermediate", &ca_oid_ext_key_usage, "BR 7.1.2.7.6" },
		{ "intermediate", &ca_oid_certificate_policies, "BR 7.1.2.7.9" },
		{ "server-dv", &ca_oid_key_usage, "keyUsage" },
		{ "server-dv", &ca_oid_ext_key_usage, "BR 7.1.2.7.6" },
		{ "server-dv", &ca_oid_authority_key_id, "RFC 5280 4.2.1.1" },
		{ "server-dv", &ca_oid_certificate_policies, "BR 7.1.2.7.9" },
		{ "server-dv", &ca_oid_crl_distribution, "BR 7.1.2.11.2" },
		{ "server-dv", &ca_oid_authority_info, "BR 7.1.2.7.7" },
		{ "server-dv", &ca_oid_subject_alt_name, "BR 7.1.2.7.12" },
		{ "short-lived", &ca_oid_no_rev_avail, "RFC 9608 2" },
	};
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		bool ca = strcmp(needed[i].profile, "intermediate") == 0;
		SAMPLE(s, needed[i].profile, "p256", "a.test", ca ? "" : "dns:a.test");
		drop(&s, needed[i].oid);
		breaks(&s, needed[i].rule);
	}
}

static void refuses_extensions_that_stand_twice_or_do_not_belong(void)
{
	SAMPLE(s, "server-dv", "p256", "a.test", "dns:a.test");
	size_t count = s.parts.extension_count;
	s.parts.extensions[s.parts.extension_count++] = *extension(&s, &ca_oid_key_usage);
	breaks(&s, "RFC 5280 4.2");
	s.parts.extensions[count] = make_extension(&ca_oid_basic_constraints, true, "3000");
	breaks(&s, "does not have");
	s.parts.extensions[count] = make_extension(&ca_oid_subject_key_id, false, "040101");
	breaks(&s, "does not have");
	s.parts.extensions[count] = make_extension(&ca_oid_no_rev_avail, false, "0500");
	breaks(&s, "does not have");
	s.parts.extensions[count] = make_extension(&ca_oid_crl_number, false, "020101");
	breaks(&s, "does not have");
	SAMPLE(short_lived, "short-lived", "p256", "a.test", "dns:a.test");
	short_lived.parts.extensions[short_lived.parts.extension_count++] = *extension(&s, &ca_oid_crl_distribution);
	breaks(&short_lived, "does not have");
}

static void refuses_a_criticality_that_is_written_out_as_false(void)
{
	SAMPLE(s, "server-dv", "p256", "a.test", "dns:a.test");
	*extension(&s, &ca_oid_ext_key_usage) = unit_hex("3016 0603551d25 010100 040c 300a06082b06010505070301");
	breaks(&s, "X.690 11.5");
}

static void holds_key_usage_against_the_kind(void)
{
	const struct ca_oid *usage = &ca_oid_key_usage;
	extension_breaks("server-dv", usage, false, "03020780", "RFC 5280 4.2.1.3");
	extension_breaks("server-dv", usage, true, "030205a0", "BR 7.1.2.7.11");    /* keyEncipherment with EC */
	extension_breaks("server-dv", usage, true, "03020204", "BR 7.1.2.7.11");    /* keyCertSign */
	extension_breaks("server-dv", usage, true, "03020680", "RFC 5280 4.2.1.3"); /* a trailing zero bit */
	extension_breaks("intermediate", usage, true, "03020204", "BR 7.1.2.7.11"); /* no cRLSign */
	extension_breaks("client", usage, true, "030205a0", "BR 7.1.2.7.11");
}

static void holds_purposes_against_the_kind(void)
{
	const struct ca_oid *eku = &ca_oid_ext_key_usage;
	static const char client[] = "300a06082b06010505070302";
	static const char server_twice[] = "301406082b0601050507030106082b06010505070301";
	static const char any[] = "300606 04551d2500";
	static const char ocsp_too[] = "301e06082b0601050507030106082b0601050507030206082b06010505070309";
	extension_breaks("server-dv", eku, false, client, "BR 7.1.2.7.10");
	extension_breaks("server-dv", eku, true, "300a06082b06010505070301", "not critical");
	extension_breaks("server-dv", eku, false, server_twice, "RFC 5280 4.2.1.12");
	extension_breaks("server-dv", eku, false, any, "BR 7.1.2.7.10");
	extension_breaks("server-dv", eku, false, "3000", "RFC 5280 4.2.1.12");
	extension_breaks("intermediate", eku, false, ocsp_too, "BR 7.1.2.7.10");
	extension_breaks("intermediate", eku, false, any, "anyExtendedKeyUsage");
	extension_breaks("peer", eku, false, client, "BR 7.1.2.7.10");
}

static void holds_constraints_of_cas_against_their_place(void)
{
	const struct ca_oid *basic = &ca_oid_basic_constraints;
	extension_breaks("intermediate", basic, false, "30060101ff020100", "RFC 5280 4.2.1.9");
	extension_breaks("intermediate", basic, true, "30030101ff", "pathLenConstraint");
	extension_breaks("intermediate", basic, true, "30060101ff020101", "pathLenConstraint");
	extension_breaks("intermediate", basic, true, "3000", "RFC 5280 4.2.1.9");
	extension_breaks("intermediate", basic, true, "3003010100", "RFC 5280 4.2.1.9");
	extension_breaks("root", basic, true, "30060101ff020100", "pathLenConstraint");
}

static void holds_key_identifiers_against_the_keys(void)
{
	extension_breaks("intermediate", &ca_oid_subject_key_id, false, "0414 000102030405060708090a0b0c0d0e0f10111213",
			 "RFC 7093");
	extension_breaks("server-dv", &ca_oid_authority_key_id, false,
			 "3016 8014 000102030405060708090a0b0c0d0e0f10111213", "RFC 5280 4.2.1.1");
	extension_breaks("server-dv", &ca_oid_authority_key_id, false, "3000", "RFC 5280 4.2.1.1");
}

static void holds_policies_against_the_profile(void)
{
	extension_breaks("server-dv", &ca_oid_certificate_policies, false, "3009 3007 0605 8837010302", "the profile");
	extension_breaks("server-dv", &ca_oid_certificate_policies, false, "3000", "RFC 5280 4.2.1.4");
	extension_breaks("server-dv", &ca_oid_certificate_policies, true, "3009 3007 0605 8837010301",
			 "RFC 5280 4.2.1.4");
	extension_breaks("server-dv", &ca_oid_certificate_policies, false, "300b 3009 0605 8837010301 3000",
			 "RFC 5280 4.2.1.4");
}

static void holds_urls_against_the_issuer(void)
{
	static const char other[] = "3012 3010 a00e a00c 860a 687474703a2f2f612e62";
	static const char other_info[] = "3018 3016 0608 2b06010505073002 860a 687474703a2f2f612e62";
	extension_breaks("server-dv", &ca_oid_crl_distribution, false, other, "BR 7.1.2.11.2");
	extension_breaks("server-dv", &ca_oid_authority_info, false, other_info, "BR 7.1.2.7.7");
	extension_breaks("short-lived", &ca_oid_no_rev_avail, true, "0500", "RFC 9608");
	extension_breaks("short-lived", &ca_oid_no_rev_avail, false, "3000", "RFC 9608");
}

/* Whatever bit of the finished bytes flips before they are signed: no crash, and mostly seen. Serial, key and names
 * may become others of the same form. */
static void survives_each_flipped_bit(void)
{
	SAMPLE(s, "server-dv", "p256", "a.test", "dns:a.test");
	size_t passed = 0;
	for (size_t bit = 0; bit < 8 * s.tbs.len; bit++) {
		struct error err = ERR_INIT;
		s.tbs.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
		passed += lint_bytes(&s, buf_bytes(&s.tbs), &err) == 0;
		s.tbs.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	CHECK(passed < s.tbs.len);
}

SUITE(lint)
{
	TEST(passes_what_is_built);
	TEST(refuses_every_truncation_and_bytes_behind);
	TEST(refuses_other_fields_than_those_of_version_3);
	TEST(refuses_serials_that_are_not_positive_long_and_random);
	TEST(refuses_a_signature_algorithm_that_the_issuer_has_not);
	TEST(refuses_an_issuer_name_that_differs_by_one_octet);
	TEST(refuses_the_issuers_own_key_for_a_leaf);
	TEST(holds_validity_against_every_limit);
	TEST(refuses_other_forms_of_time);
	TEST(limits_certificates_without_revocation_to_a_week);
	TEST(holds_the_subject_against_order_types_and_bounds);
	TEST(wants_subject_alt_name_critical_where_the_subject_is_empty);
	TEST(holds_subject_alt_names_against_the_profile);
	TEST(refuses_malformed_names);
	TEST(refuses_internal_names_without_their_waiver);
	TEST(misses_each_extension_that_must_be_there);
	TEST(refuses_extensions_that_stand_twice_or_do_not_belong);
	TEST(refuses_a_criticality_that_is_written_out_as_false);
	TEST(holds_key_usage_against_the_kind);
	TEST(holds_purposes_against_the_kind);
	TEST(holds_constraints_of_cas_against_their_place);
	TEST(holds_key_identifiers_against_the_keys);
	TEST(holds_policies_against_the_profile);
	TEST(holds_urls_against_the_issuer);
	TEST(survives_each_flipped_bit);
}
