#include "ca-core/ceremony_check.h"

#include <stdio.h>

#include "base/clock.h"
#include "ca-core/lint.h"
#include "tests/unit/ca-core/ceremony_fixture.h"

static const struct ceremony_old as_ours = { 0 };

/* ---- what is right ---- */

static void a_plan_with_everything_is_right(void)
{
	struct error err = ERR_INIT;
	const struct ceremony_check_options options = { .now_s = CEREMONY_FROM_S };
	ceremony_make_files(&as_ours);
	auto_ceremony_plan *plan = ceremony_good();
	struct ceremony_checked checked;
	int rc = ceremony_check(plan, unit_folder(), &options, &checked, &err);
	CHECK_OK(rc == 0, &err);
	CHECK_INT(checked.count, plan->step_count);
	for (size_t i = 0; i < checked.count; i++)
		CHECK(!checked.drafts[i].tbs.len == !ceremony_kind_signs(plan->steps[i].kind));
	CHECK_INT(checked.inputs.count, 4);
	ceremony_checked_clear(&checked);
}

static void drafts_say_what_the_plan_says(void)
{
	struct error err = ERR_INIT;
	const struct ceremony_check_options options = { 0 };
	struct ca_certificate_facts facts;
	ceremony_make_files(&as_ours);
	auto_ceremony_plan *plan = ceremony_good();
	struct ceremony_checked checked;
	CHECK_OK(ceremony_check(plan, unit_folder(), &options, &checked, &err) == 0, &err);
	const struct ceremony_draft *root = &checked.drafts[ceremony_plan_step(plan, "root-1")];
	CHECK_OK(ca_tbs_read(buf_bytes(&root->tbs), &facts, &err) == 0, &err);
	CHECK_INT(facts.not_before_s, CEREMONY_FROM_S - 300);
	CHECK_INT(facts.not_after_s, CEREMONY_FROM_S - 300 + (int64_t)7300 * 86400 - 1);
	CHECK_TEXT(root->signer, "pkcs11:token=root;object=root-1");
	CHECK_INT(root->digest_bits, 384);
	/* A cross-certificate without days ends with the earlier of the two. */
	const struct ceremony_draft *cross = &checked.drafts[ceremony_plan_step(plan, "root-1-by-root-0")];
	CHECK_OK(ca_tbs_read(buf_bytes(&cross->tbs), &facts, &err) == 0, &err);
	CHECK_INT(facts.not_after_s, 2208988800);
	CHECK_TEXT(cross->signer, "pkcs11:token=old;object=root-0");
	/* Numbered by time, as the CA's own lists are. */
	CHECK_INT(checked.fixed[ceremony_plan_step(plan, "root-0-crl")].number, CEREMONY_FROM_S * 1000);
	CHECK_INT(checked.fixed[ceremony_plan_step(plan, "root-1-crl")].number, CEREMONY_FROM_S * 1000);
	ceremony_checked_clear(&checked);
}

/* ---- what is not ---- */

/* The change is refused at the line on which `at` (or NULL: `from`) stands, with this reason. */
static void refused_at(const char *from, const char *to, const char *at, const char *reason)
{
	struct error err = ERR_INIT;
	auto_buf text = BUF_INIT;
	int line = 0;
	char start[32];
	ceremony_text(at ? at : from, at ? at : to, &text, &line);
	(void)snprintf(start, sizeof(start), "plan:%d: ", line);
	CHECK_FAILS(ceremony_check_changed(from, to, &err) != 0, &err, ERR_CONFIG);
	CHECK(strncmp(err.message, start, strlen(start)) == 0);
	CHECK(strstr(err.message, reason) != NULL);
	if (strncmp(err.message, start, strlen(start)) != 0 || !strstr(err.message, reason))
		(void)fprintf(stderr, "expected %s...%s, got: %s\n", start, reason, err.message);
}

static void refused(const char *from, const char *to, const char *reason)
{
	refused_at(from, to, NULL, reason);
}

static void a_window_is_sane(void)
{
	ceremony_make_files(&as_ours);
	refused("window-to = \"2026-12-01T18", "window-to = \"2027-12-01T18", "longer than 31 days");
	refused("window-to = \"2026-12-01T18", "window-to = \"2026-12-01T08", "ends before it begins");
	/* At its end notBefore would be too old. */
	refused_at("window-to = \"2026-12-01T18", "window-to = \"2026-12-05T18", "step \"root-1\"", "48 hours");
	struct error err = ERR_INIT;
	const struct ceremony_check_options late = { .now_s = CEREMONY_FROM_S + 86400 };
	auto_ceremony_plan *plan = ceremony_good();
	struct ceremony_checked checked;
	CHECK_FAILS(ceremony_check(plan, unit_folder(), &late, &checked, &err) != 0, &err, ERR_CONFIG);
	CHECK(strstr(err.message, "plan:6: window-to: the window was over") != NULL);
	ceremony_checked_clear(&checked);
}

static void people_can_do_what_they_must(void)
{
	ceremony_make_files(&as_ours);
	refused_at("roles = { \"operator\" }", "roles = { \"custodian\" }", "# A", "nobody is the operator");
	refused("  witnesses = 1\n", "  witnesses = 2\n", "2 must attest, and 1 can");
	refused("  witnesses = 1\n", "  operators = 1\n", "1 must attest, and 0 can");
	/* She has both roles, and counts once. */
	refused_at("  witnesses = 1\n", "  witnesses = 1 auditors = 1\n", "  witnesses = 1",
		   "each counts for one role");
	refused_at("attended = true", "attended = false", NULL, "only `chancery init`");
	refused_at("pin = \"prompt\"", "pin = \"shares:grace.pem\"", NULL, "nobody is a custodian");
	refused_at("roles = { \"operator\" }", "roles = { \"operator\" } certificate = \"grace.pem\"",
		   "  certificate = \"grace.pem\"", "a key of their own");
	refused_at("certificate = \"grace.pem\"", "certificate = \"issuing-1.csr\"", NULL, "no certificate");
}

static void a_step_uses_what_stands_before_it(void)
{
	ceremony_make_files(&as_ours);
	refused("  issuer = \"root-1\"\n  next", "  issuer = \"root-1-crl\"\n  next", "makes no CA");
	refused("  issuer = \"root-1\"\n  csr = \"issuing", "  issuer = \"issuing-1\"\n  csr = \"issuing",
		"which key \"issuing-1\" signs with");
}

static void two_steps_that_need_each_other_are_named(void)
{
	static const char two[] = "step \"a\" {\n kind = \"certificate\"\n key = \"pkcs11:token=root;object=a\"\n"
				  " issuer = \"b\"\n profile = \"intermediate\"\n common-name = \"A\"\n}\n"
				  "step \"b\" {\n kind = \"certificate\"\n key = \"pkcs11:token=root;object=b\"\n"
				  " issuer = \"a\"\n profile = \"intermediate\"\n common-name = \"B\"\n}\n"
				  "step \"root-1-key\"";
	static const char later[] =
		"step \"early\" {\n kind = \"crl\"\n issuer = \"root-1\"\n next-update-days = 3\n}\n"
		"step \"root-1-key\"";
	struct error err = ERR_INIT;
	ceremony_make_files(&as_ours);
	CHECK_FAILS(ceremony_check_changed("step \"root-1-key\"", two, &err) != 0, &err, ERR_CONFIG);
	CHECK(strstr(err.message, "steps \"a\" and \"b\" need each other") != NULL);
	CHECK_FAILS(ceremony_check_changed("step \"root-1-key\"", later, &err) != 0, &err, ERR_CONFIG);
	CHECK(strstr(err.message, "step \"root-1\", which it needs, stands behind it") != NULL);
}

static void a_key_is_made_once_and_used_once(void)
{
	ceremony_make_files(&as_ours);
	refused_at("object=root-1\"\n  type", "object=other\"\n  type", "  key = \"pkcs11:object=root-1",
		   "no step makes");
	refused_at("token=backup;object=root-1", "token=root;object=other", NULL, "in another token");
	refused("key = \"pkcs11:token=root;object=root-1\"\n  type", "key = \"pkcs11:token=old;object=root-0\"\n  type",
		"which is there already");
	struct error err = ERR_INIT;
	CHECK_FAILS(
		ceremony_check_changed("step \"root-0-crl\" {\n",
				       "step \"gone\" { kind = \"destroy\" key = \"pkcs11:token=old;object=root-0\" "
				       "}\nstep \"root-0-crl\" {\n",
				       &err) != 0,
		&err, ERR_CONFIG);
	CHECK(strstr(err.message, "step \"gone\" has destroyed the key") != NULL);
}

static void a_request_is_the_one_that_the_plan_states(void)
{
	ceremony_make_files(&as_ours);
	refused("csr = \"issuing-1.csr\"", "csr = \"missing.csr\"", "missing.csr");
	refused_at("csr = \"issuing-1.csr\"", "csr = \"responder.csr\"", "  csr-sha256", "has changed since the plan");
	refused("sha256 = \"", "sha256 = \"00", "longer than 64");
	refused("sha256 = \"", "sha256 = \"0\" #", "64 hexadecimal digits");
	struct error err = ERR_INIT;
	struct ceremony_checked checked;
	const struct ceremony_check_options options = { 0 };
	auto_ceremony_plan *plan = ceremony_good();
	ceremony_make_csr("issuing-1.csr", 0, false);
	CHECK_FAILS(ceremony_check(plan, unit_folder(), &options, &checked, &err) != 0, &err, ERR_CONFIG);
	CHECK(strstr(err.message, "issuing-1.csr has changed since the plan was written") != NULL);
	ceremony_checked_clear(&checked);
}

static void an_issuer_is_the_one_that_the_plan_states(void)
{
	ceremony_make_files(&as_ours);
	refused("certificate = \"root-0.pem\"", "certificate = \"issuing-1.csr\"", "no certificate");
	refused_at("certificate = \"root-0.pem\"", "certificate = \"grace.pem\"", "  sha256 =", "has the SHA-256");
}

static void keys_are_strong(void)
{
	ceremony_make_files(&as_ours);
	ceremony_make_csr("issuing-1.csr", 2048, false);
	refused_at("common-name = \"Example Issuing 1\"", "common-name = \"X\" days = 3000", "step \"issuing-1\"",
		   "SP 800-57");
	refused_at("type = \"p384\"", "type = \"rsa2048\"", "step \"root-1\"", "SP 800-57");
}

static void nothing_outlives_its_issuer(void)
{
	static const struct ceremony_old short_lived = { .not_after_s = CEREMONY_FROM_S + (int64_t)400 * 86400 };
	ceremony_make_files(&short_lived);
	refused("  of = \"issuing-1\"\n", "  of = \"issuing-1\" days = 500\n", "after the certificate of \"root-0\"");
	ceremony_make_files(&as_ours);
	refused("  of = \"issuing-1\"\n", "  of = \"issuing-1\" days = 2000\n",
		"after the certificate of \"issuing-1\"");
	refused_at("  days = 7300\n", "  not-after = \"2028-01-01T00:00:00Z\"\n", "step \"issuing-1\"",
		   "after the certificate of \"root-1\"");
	refused("  days = 7300\n", "  days = 9999\n", "longer than profile \"root\" allows");
}

static void path_lengths_are_kept(void)
{
	static const struct ceremony_old one = { .constraints = "critical,CA:TRUE,pathlen:1" };
	static const struct ceremony_old none = { .constraints = "critical,CA:TRUE,pathlen:0" };
	ceremony_make_files(&one);
	refused_at("", "", "step \"root-1-by-root-0\"", "room for 1 CA below");
	ceremony_make_files(&none);
	refused_at("", "", "step \"issuing-1-by-root-0\"", "room for 0 CAs below");
}

static void name_constraints_are_kept(void)
{
	struct error err = ERR_INIT;
	static const struct ceremony_old others = { .names = "critical,permitted;dirName:others" };
	static const struct ceremony_old dns = { .names = "critical,permitted;DNS:example.test" };
	ceremony_make_files(&others);
	refused_at("", "", "step \"issuing-1-by-root-0\"", "name constraints of \"root-0\"");
	ceremony_make_files(&dns);
	CHECK_OK(ceremony_check_changed(NULL, NULL, &err) == 0, &err); /* there are no such names */
}

static void serials_are_used_once(void)
{
	ceremony_make_files(&as_ours);
	refused("  of = \"issuing-1\"\n", "  of = \"issuing-1\" serial = \"0102030405060708090A\"\n",
		"used this serial");
	refused("  of = \"issuing-1\"\n", "  of = \"issuing-1\" serial = \"0a0b0c0d0e0f10111213\"\n",
		"used this serial");
	refused("  of = \"issuing-1\"\n", "  of = \"issuing-1\" serial = \"1267\"\n", "used this serial"); /* its own */
	refused_at("  of = \"issuing-1\"\n", "  of = \"issuing-1\" serial = \"0102\"\n", "step \"issuing-1-by-root-0\"",
		   "at least 64 bits");
	struct error err = ERR_INIT;
	CHECK_OK(ceremony_check_changed("  of = \"issuing-1\"\n",
					"  of = \"issuing-1\" serial = \"0102030405060708090B\"\n", &err) == 0,
		 &err);
}

static void profiles_fit_their_steps(void)
{
	ceremony_make_files(&as_ours);
	refused("  profile = \"root\"", "  profile = \"cross\"", "makes no certificate of kind cross");
	refused("  of = \"issuing-1\"\n", "  of = \"issuing-1\" profile = \"cross\"\n", "no root");
	refused_at("  new = \"root-1\"\n  profile = \"cross\"", "  new = \"root-1\"\n  profile = \"intermediate\"",
		   "  profile = \"cross\"\n}\nstep \"root-0-by", "a root: the profile's kind is cross");
}

static void a_list_is_newer_than_the_one_before(void)
{
	ceremony_make_files(&as_ours);
	refused("  next-update-days = 30\n", "  next-update-days = 30 number = 41\n", "number 41 already");
	refused_at("2026-11-01T00:00:00Z superseded", "2026-12-02T00:00:00Z superseded", "step \"root-0-crl\"",
		   "revoked later");
}

SUITE(ceremony_check)
{
	TEST(a_plan_with_everything_is_right);
	TEST(drafts_say_what_the_plan_says);
	TEST(a_window_is_sane);
	TEST(people_can_do_what_they_must);
	TEST(a_step_uses_what_stands_before_it);
	TEST(two_steps_that_need_each_other_are_named);
	TEST(a_key_is_made_once_and_used_once);
	TEST(a_request_is_the_one_that_the_plan_states);
	TEST(an_issuer_is_the_one_that_the_plan_states);
	TEST(keys_are_strong);
	TEST(nothing_outlives_its_issuer);
	TEST(path_lengths_are_kept);
	TEST(name_constraints_are_kept);
	TEST(serials_are_used_once);
	TEST(profiles_fit_their_steps);
	TEST(a_list_is_newer_than_the_one_before);
}
