#include "ca-core/profile.h"

#include "base/der.h"
#include "ca-core/oid.h"
#include "tests/unit/unit.h"

#define DAY_S ((int64_t)86400)

static const int64_t far_s = 4102444800; /* 2100-01-01 */
static const uint8_t audit_oid[] = { 0x88, 0x37, 1, 2 };

/* A profile of this kind with its built-in defaults and an issuer's name. */
static struct ca_profile profile_of(enum ca_kind kind)
{
	struct ca_profile profile;
	ca_profile_default(kind, &profile);
	memcpy(profile.name, "p", sizeof("p"));
	if (kind != CA_KIND_ROOT)
		memcpy(profile.issuer, "issuing-1", sizeof("issuing-1"));
	return profile;
}

static int prepare(struct ca_profile *profile, struct error *err)
{
	return ca_profile_prepare(profile, CA_EKU_SERVER | CA_EKU_CLIENT, BYTES(audit_oid, sizeof(audit_oid)), err);
}

static void refused(struct ca_profile *profile, const char *says)
{
	struct error err = ERR_INIT;
	CHECK_FAILS(prepare(profile, &err), &err, ERR_CONFIG);
	CHECK(strstr(err.message, "p: ") != NULL);
	CHECK(strstr(err.message, says) != NULL);
	ca_profile_clear(profile);
}

static void add_policy(struct ca_profile *profile, const char *oid)
{
	REQUIRE(der_oid_parse(oid, &profile->policies[profile->policy_count++]) == 0);
}

/* ---- defaults and what is encoded ---- */

static void every_kind_is_right_by_default(void)
{
	for (int kind = 0; kind < CA_KIND_COUNT; kind++) {
		struct ca_profile profile = profile_of((enum ca_kind)kind);
		struct error err = ERR_INIT;
		CHECK_OK(prepare(&profile, &err) == 0, &err);
		CHECK(strlen(ca_kind_name((enum ca_kind)kind)) > 1);
		ca_profile_clear(&profile);
	}
	CHECK_TEXT(ca_kind_name(CA_KIND_INTERMEDIATE), "intermediate");
	CHECK_TEXT(ca_validation_name(CA_VALIDATION_DOMAIN), "domain");
	CHECK_TEXT(ca_caa_name(CA_CAA_REPORT), "report");
	for (unsigned n = 0; n < CA_WAIVER_COUNT; n++)
		CHECK(ca_waiver_name(n) != NULL);
	CHECK(ca_waiver_name(CA_WAIVER_COUNT) == NULL);
}

static void prepared(enum ca_kind kind, struct ca_profile *profile)
{
	struct error err = ERR_INIT;
	*profile = profile_of(kind);
	CHECK_OK(prepare(profile, &err) == 0, &err);
}

static void a_ca_signs_certificates_and_lists_alone(void)
{
	struct ca_profile p;
	prepared(CA_KIND_ROOT, &p);
	CHECK_BYTES(buf_bytes(&p.key_usage), unit_hex("300e0603551d0f0101ff040403020106"));
	CHECK_BYTES(buf_bytes(&p.basic_constraints), unit_hex("300f0603551d130101ff040530030101ff"));
	CHECK_INT(p.ext_key_usage.len, 0);
	CHECK_INT(p.certificate_policies.len, 0);
	ca_profile_clear(&p);
}

static void an_intermediate_has_path_length_0_and_the_purposes_of_its_leaves(void)
{
	struct ca_profile p;
	prepared(CA_KIND_INTERMEDIATE, &p);
	CHECK_BYTES(buf_bytes(&p.basic_constraints), unit_hex("30120603551d130101ff040830060101ff020100"));
	CHECK_BYTES(buf_bytes(&p.ext_key_usage),
		    unit_hex("301d0603551d250416301406082b0601050507030106082b06010505070302"));
	ca_profile_clear(&p);
	p = profile_of(CA_KIND_INTERMEDIATE);
	struct error err = ERR_INIT;
	CHECK_FAILS(ca_profile_prepare(&p, 0, BYTES_NONE, &err), &err, ERR_CONFIG);
	ca_profile_clear(&p);
}

/* It stands above intermediates, as the root that it certifies does. */
static void a_cross_certificate_is_for_everything_and_all_depths(void)
{
	struct ca_profile cross, root;
	prepared(CA_KIND_CROSS, &cross);
	prepared(CA_KIND_ROOT, &root);
	CHECK_BYTES(buf_bytes(&cross.basic_constraints), buf_bytes(&root.basic_constraints));
	CHECK_BYTES(buf_bytes(&cross.key_usage), buf_bytes(&root.key_usage));
	CHECK_INT(cross.ext_key_usage.len, 0);
	CHECK(cross.internal);
	ca_profile_clear(&cross);
	ca_profile_clear(&root);
}

static void a_servers_purpose_is_to_be_a_server(void)
{
	struct ca_profile p;
	prepared(CA_KIND_SERVER, &p);
	CHECK_BYTES(buf_bytes(&p.ext_key_usage), unit_hex("30130603551d25040c300a06082b06010505070301"));
	CHECK_BYTES(buf_bytes(&p.key_usage), unit_hex("300e0603551d0f0101ff040403020780"));
	CHECK_BYTES(buf_bytes(&p.key_usage_rsa), unit_hex("300e0603551d0f0101ff0404030205a0"));
	CHECK_INT(p.basic_constraints.len, 0);
	CHECK_INT(p.no_rev_avail.len, 0);
	ca_profile_clear(&p);
}

static void key_encipherment_is_the_profiles_to_leave_out(void)
{
	struct error err = ERR_INIT;
	struct ca_profile p = profile_of(CA_KIND_SERVER);
	p.key_encipherment = false;
	CHECK_OK(prepare(&p, &err) == 0, &err);
	CHECK_BYTES(buf_bytes(&p.key_usage_rsa), buf_bytes(&p.key_usage));
	ca_profile_clear(&p);
}

static void the_audit_keys_purpose_is_the_arcs(void)
{
	struct ca_profile p;
	prepared(CA_KIND_AUDIT, &p);
	CHECK_BYTES(buf_bytes(&p.ext_key_usage), unit_hex("300f0603551d25040830060604883701 02"));
	ca_profile_clear(&p);
	struct error err = ERR_INIT;
	p = profile_of(CA_KIND_AUDIT);
	CHECK_FAILS(ca_profile_prepare(&p, 0, BYTES_NONE, &err), &err, ERR_CONFIG);
	ca_profile_clear(&p);
}

static void policies_stand_in_their_order(void)
{
	struct error err = ERR_INIT;
	struct ca_profile p = profile_of(CA_KIND_SERVER);
	add_policy(&p, "2.999.1.3.1");
	add_policy(&p, "1.2.3");
	CHECK_OK(prepare(&p, &err) == 0, &err);
	CHECK_BYTES(buf_bytes(&p.certificate_policies),
		    unit_hex("30180603551d200411300f300706058837010301300406022a03"));
	ca_profile_clear(&p);
}

static void preparing_twice_gives_the_same(void)
{
	struct ca_profile p;
	struct error err = ERR_INIT;
	prepared(CA_KIND_PEER, &p);
	auto_buf first = BUF_INIT;
	buf_add_bytes(&first, buf_bytes(&p.ext_key_usage));
	CHECK_OK(prepare(&p, &err) == 0, &err);
	CHECK_BYTES(buf_bytes(&p.ext_key_usage), buf_bytes(&first));
	ca_profile_clear(&p);
}

/* RFC 9608 section 2: the value is NULL, the extension not critical. */
static void no_revocation_says_so_and_only_for_a_week(void)
{
	struct error err = ERR_INIT;
	struct ca_profile p = profile_of(CA_KIND_SERVER);
	p.revocation_none = true;
	p.days = p.days_max = 7;
	CHECK_OK(prepare(&p, &err) == 0, &err);
	CHECK_BYTES(buf_bytes(&p.no_rev_avail), unit_hex("30090603551d3804020500"));
	ca_profile_clear(&p);
	p = profile_of(CA_KIND_SERVER);
	p.revocation_none = true;
	p.days = p.days_max = 8;
	refused(&p, "at most 7 days");
	p = profile_of(CA_KIND_CLIENT);
	p.revocation_none = p.allow_hold = true;
	p.days = p.days_max = 7;
	refused(&p, "cannot be held");
	p = profile_of(CA_KIND_INTERMEDIATE);
	p.revocation_none = true;
	p.days = p.days_max = 7;
	refused(&p, "can be revoked");
}

/* ---- what contradicts itself ---- */

static void refuses_lives_without_end_or_beginning(void)
{
	struct ca_profile p = profile_of(CA_KIND_SERVER);
	p.days = 0;
	refused(&p, "days");
	p = profile_of(CA_KIND_SERVER);
	p.days_max = 36501;
	refused(&p, "36500");
	p = profile_of(CA_KIND_SERVER);
	p.days = p.days_max + 1;
	refused(&p, "more than days-max");
	p = profile_of(CA_KIND_SERVER);
	p.backdate_s = 172801;
	refused(&p, "48 hours");
}

static void the_cas_own_kinds_are_not_for_requesters(void)
{
	static const enum ca_kind own[] = { CA_KIND_ROOT, CA_KIND_INTERMEDIATE, CA_KIND_OCSP, CA_KIND_AUDIT };
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		struct ca_profile p = profile_of(own[i]);
		CHECK(p.internal);
		p.internal = false;
		refused(&p, "internal");
		p = profile_of(own[i]);
		p.validation = CA_VALIDATION_DOMAIN;
		refused(&p, "validat");
	}
}

static void a_root_has_no_issuer_and_all_else_has_one(void)
{
	struct ca_profile p = profile_of(CA_KIND_ROOT);
	memcpy(p.issuer, "x", sizeof("x"));
	refused(&p, "issuer");
	p = profile_of(CA_KIND_CLIENT);
	p.issuer[0] = '\0';
	refused(&p, "issuer");
}

static void refuses_names_that_the_kind_or_validation_does_not_have(void)
{
	struct ca_profile p = profile_of(CA_KIND_SERVER);
	p.validation = CA_VALIDATION_EXTENDED;
	refused(&p, "extended validation");
	p = profile_of(CA_KIND_SERVER);
	p.validation = CA_VALIDATION_NONE;
	refused(&p, "validat");
	p = profile_of(CA_KIND_SERVER);
	p.allow_email = true;
	refused(&p, "DNS names");
	p = profile_of(CA_KIND_SERVER);
	p.allow_underscore = true;
	refused(&p, "waiver");
	p = profile_of(CA_KIND_SERVER);
	p.names_max = 0;
	refused(&p, "names-max");
	p = profile_of(CA_KIND_SERVER);
	p.names_max = 1001;
	refused(&p, "names-max");
}

static void compliance_is_asserted_without_waivers_alone(void)
{
	struct error err = ERR_INIT;
	struct ca_profile p = profile_of(CA_KIND_SERVER);
	add_policy(&p, "2.23.140.1.2.1");
	CHECK_OK(prepare(&p, &err) == 0, &err);
	ca_profile_clear(&p);
	p = profile_of(CA_KIND_SERVER);
	add_policy(&p, "2.23.140.1.2.1");
	p.waivers = CA_WAIVER_INTERNAL_NAME;
	refused(&p, "asserts compliance");
	p = profile_of(CA_KIND_SERVER);
	add_policy(&p, "2.23.140.1.2.1");
	p.test = true;
	refused(&p, "asserts compliance");
}

static void refuses_policies_below_2_25_twice_or_where_none_belong(void)
{
	struct ca_profile p = profile_of(CA_KIND_SERVER);
	add_policy(&p, "2.25.1");
	refused(&p, "2.25");
	p = profile_of(CA_KIND_SERVER);
	add_policy(&p, "1.2.3");
	add_policy(&p, "1.2.3");
	refused(&p, "twice");
	p = profile_of(CA_KIND_AUDIT);
	add_policy(&p, "1.2.3");
	refused(&p, "polic");
}

/* ---- how long ---- */

/* BR 6.3.2, each day on both of its sides. */
static void the_dated_table_changes_on_its_days(void)
{
	static const struct {
		int64_t from_s;
		unsigned before, after;
	} changes[] = {
		{ 1773532800, 398, 200 }, /* 2026-03-15T00:00:00Z */
		{ 1805068800, 200, 100 }, /* 2027-03-15 */
		{ 1868227200, 100, 47 },  /* 2029-03-15 */
	};
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		CHECK_INT(ca_profile_br_days(changes[i].from_s - 1), changes[i].before);
		CHECK_INT(ca_profile_br_days(changes[i].from_s), changes[i].after);
	}
}

/* BR 4.2.1's table; a profile's own limit holds where it is lower, and alone where the profile is no server's. */
static void a_name_that_was_shown_counts_by_the_dated_table(void)
{
	static const struct {
		int64_t from_s;
		unsigned before, after;
	} changes[] = { { 1773532800, 398, 200 }, { 1805068800, 200, 100 }, { 1868227200, 100, 10 } };
	struct ca_profile server = profile_of(CA_KIND_SERVER), client = profile_of(CA_KIND_CLIENT);
	for (size_t i = 0; i < 3; i++) {
		CHECK_INT(ca_profile_br_reuse_days(changes[i].from_s - 1), changes[i].before);
		CHECK_INT(ca_profile_br_reuse_days(changes[i].from_s), changes[i].after);
		CHECK_INT(ca_profile_reuse_days(&server, changes[i].from_s - 1), changes[i].before);
		CHECK_INT(ca_profile_reuse_days(&server, changes[i].from_s), changes[i].after);
		CHECK_INT(ca_profile_reuse_days(&client, changes[i].from_s), 398);
	}
	server.reuse_days = 30;
	CHECK_INT(ca_profile_reuse_days(&server, changes[2].from_s - 1), 30);
	CHECK_INT(ca_profile_reuse_days(&server, changes[2].from_s), 10);
	CHECK_INT(ca_profile_br_reuse_days(INT64_MIN), 398);
}

/* RFC 5280 section 4.1.2.5: notAfter is the last second that counts. */
static void a_life_counts_both_of_its_ends(void)
{
	struct error err = ERR_INIT;
	struct ca_profile p = profile_of(CA_KIND_SERVER);
	int64_t now_s = 1780000000, from_s = 0, to_s = 0;
	CHECK_OK(ca_profile_validity(&p, 1, now_s, far_s, &from_s, &to_s, &err) == 0, &err);
	CHECK_INT(from_s, now_s - 300);
	CHECK_INT(to_s - from_s + 1, DAY_S);
	CHECK_OK(ca_profile_validity(&p, 0, now_s, far_s, &from_s, &to_s, &err) == 0, &err);
	CHECK_INT(to_s - from_s + 1, 90 * DAY_S);
}

static void refuses_a_life_above_the_profiles_limit(void)
{
	struct error err = ERR_INIT;
	struct ca_profile p = profile_of(CA_KIND_CLIENT);
	int64_t from_s = 0, to_s = 0;
	CHECK_OK(ca_profile_validity(&p, p.days_max, 1780000000, far_s, &from_s, &to_s, &err) == 0, &err);
	CHECK_FAILS(ca_profile_validity(&p, p.days_max + 1, 1780000000, far_s, &from_s, &to_s, &err), &err,
		    ERR_VALIDITY_TOO_LONG);
	CHECK_TEXT(err.member, "days");
	CHECK_TEXT(err.value, "399");
	CHECK_TEXT(err.allowed, "1 to 398");
	CHECK_FAILS(ca_profile_validity(&p, UINT32_MAX, 1780000000, far_s, &from_s, &to_s, &err), &err,
		    ERR_VALIDITY_TOO_LONG);
}

static void the_dated_table_binds_servers_unless_waived(void)
{
	struct error err = ERR_INIT;
	struct ca_profile p = profile_of(CA_KIND_PEER);
	int64_t late_s = 1868227200, from_s = 0, to_s = 0;
	CHECK_FAILS(ca_profile_validity(&p, 48, late_s, far_s, &from_s, &to_s, &err), &err, ERR_VALIDITY_TOO_LONG);
	CHECK_TEXT(err.allowed, "1 to 47");
	CHECK_OK(ca_profile_validity(&p, 47, late_s, far_s, &from_s, &to_s, &err) == 0, &err);
	/* A default from before the table shrank shrinks with it. */
	CHECK_OK(ca_profile_validity(&p, 0, late_s, far_s, &from_s, &to_s, &err) == 0, &err);
	CHECK_INT(to_s - from_s + 1, 47 * DAY_S);
	p.waivers = CA_WAIVER_VALIDITY;
	CHECK_OK(ca_profile_validity(&p, 200, late_s, far_s, &from_s, &to_s, &err) == 0, &err);
	p = profile_of(CA_KIND_CLIENT);
	CHECK_OK(ca_profile_validity(&p, 200, late_s, far_s, &from_s, &to_s, &err) == 0, &err);
}

static void nothing_outlives_its_issuer(void)
{
	struct error err = ERR_INIT;
	struct ca_profile p = profile_of(CA_KIND_SERVER);
	int64_t now_s = 1780000000, from_s = 0, to_s = 0;
	CHECK_OK(ca_profile_validity(&p, 90, now_s, now_s + 5 * DAY_S, &from_s, &to_s, &err) == 0, &err);
	CHECK_INT(to_s, now_s + 5 * DAY_S);
	CHECK(ca_profile_validity(&p, 90, now_s, now_s, &from_s, &to_s, &err) == -1);
	CHECK(ca_profile_validity(&p, 90, now_s, now_s - DAY_S, &from_s, &to_s, &err) == -1);
	p = profile_of(CA_KIND_ROOT);
	CHECK_OK(ca_profile_validity(&p, 0, now_s, INT64_MAX, &from_s, &to_s, &err) == 0, &err);
	CHECK_INT(to_s - from_s + 1, (int64_t)p.days * DAY_S);
}

SUITE(profile)
{
	TEST(every_kind_is_right_by_default);
	TEST(a_ca_signs_certificates_and_lists_alone);
	TEST(an_intermediate_has_path_length_0_and_the_purposes_of_its_leaves);
	TEST(a_cross_certificate_is_for_everything_and_all_depths);
	TEST(a_servers_purpose_is_to_be_a_server);
	TEST(key_encipherment_is_the_profiles_to_leave_out);
	TEST(the_audit_keys_purpose_is_the_arcs);
	TEST(policies_stand_in_their_order);
	TEST(preparing_twice_gives_the_same);
	TEST(no_revocation_says_so_and_only_for_a_week);
	TEST(refuses_lives_without_end_or_beginning);
	TEST(the_cas_own_kinds_are_not_for_requesters);
	TEST(a_root_has_no_issuer_and_all_else_has_one);
	TEST(refuses_names_that_the_kind_or_validation_does_not_have);
	TEST(compliance_is_asserted_without_waivers_alone);
	TEST(refuses_policies_below_2_25_twice_or_where_none_belong);
	TEST(the_dated_table_changes_on_its_days);
	TEST(a_name_that_was_shown_counts_by_the_dated_table);
	TEST(a_life_counts_both_of_its_ends);
	TEST(refuses_a_life_above_the_profiles_limit);
	TEST(the_dated_table_binds_servers_unless_waived);
	TEST(nothing_outlives_its_issuer);
}
