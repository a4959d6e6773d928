#include "ca-core/ceremony_plan.h"

#include <stdio.h>

#include "base/file.h"
#include "tests/unit/ca-core/ceremony_fixture.h"

static const struct ceremony_old as_ours = { 0 };

/* ---- what is read ---- */

static void a_plan_says_who_does_what(void)
{
	ceremony_make_files(&as_ours);
	auto_ceremony_plan *p = ceremony_good();
	CHECK_TEXT(p->title, "The second root of Example");
	CHECK(p->attended);
	CHECK_INT(p->window_from_s, CEREMONY_FROM_S);
	CHECK_INT(p->window_to_s, CEREMONY_FROM_S + (int64_t)9 * 3600);
	CHECK_INT(p->person_count, 2);
	CHECK_INT(p->people[1].roles, 1 << CEREMONY_WITNESS | 1 << CEREMONY_AUDITOR);
	CHECK_INT(p->attest[CEREMONY_WITNESS], 1);
	CHECK_INT(p->token_count, 3);
	CHECK_INT(p->tokens[1].pin, CEREMONY_PIN_FD);
	CHECK_INT(p->tokens[1].pin_fd, 7);
	CHECK_INT(p->issuers[0].crl_number, 41);
	CHECK_INT(p->step_count, 11);
	CHECK_INT(p->steps[0].type, CA_KEY_P384);
	CHECK_INT(p->steps[8].revoked_count, 1);
	CHECK_INT(p->steps[8].revoked[0].reason, 4);
}

static void a_key_has_one_name_however_it_is_written(void)
{
	ceremony_make_files(&as_ours);
	auto_ceremony_plan *p = ceremony_good();
	CHECK_TEXT(p->steps[1].key, p->steps[0].key);
	CHECK_INT(ceremony_plan_key_step(p, p->steps[1].key), 0);
	CHECK_TEXT(ceremony_plan_token(p, p->steps[1].key)->label, "root");
	CHECK(ceremony_plan_token(p, "pkcs11:token=none;object=x") == NULL);
	CHECK(ceremony_plan_token(p, "nonsense") == NULL);
}

static void a_roll_over_is_two_cross_certificates(void)
{
	ceremony_make_files(&as_ours);
	auto_ceremony_plan *p = ceremony_good();
	const struct ceremony_step *by_old = &p->steps[ceremony_plan_step(p, "root-1-by-root-0")];
	const struct ceremony_step *by_new = &p->steps[ceremony_plan_step(p, "root-0-by-root-1")];
	CHECK_TEXT(by_old->issuer, "root-0");
	CHECK_TEXT(by_old->of, "root-1");
	CHECK_TEXT(by_new->issuer, "root-1");
	CHECK_TEXT(by_new->of, "root-0");
	CHECK_TEXT(ceremony_step_signer(p, by_old), "pkcs11:token=old;object=root-0");
	CHECK_TEXT(ceremony_step_signer(p, by_new), "pkcs11:token=root;object=root-1");
	CHECK(ceremony_step_signer(p, &p->steps[0]) == NULL);
}

static void each_step_leaves_one_file_or_none(void)
{
	char out[70];
	ceremony_make_files(&as_ours);
	auto_ceremony_plan *p = ceremony_good();
	CHECK_TEXT(ceremony_step_output(&p->steps[0], out), "");
	CHECK_TEXT(ceremony_step_output(&p->steps[1], out), "root-1.pem");
	CHECK_TEXT(ceremony_step_output(&p->steps[7], out), "root-1-crl.crl");
	CHECK_TEXT(ceremony_step_output(&p->steps[9], out), "");
}

static void an_intermediate_has_the_policies_of_its_leaves(void)
{
	ceremony_make_files(&as_ours);
	auto_ceremony_plan *p = ceremony_good();
	CHECK_INT(ceremony_plan_profile(p, "intermediate")->policy_count, 5);
	CHECK_INT(ceremony_plan_profile(p, "cross")->policy_count, 1);
	CHECK_INT(ceremony_plan_profile(p, "responder")->policy_count, 0);
	CHECK(ceremony_plan_profile(p, "none") == NULL);
	/* That of the step whose CA is certified once more. */
	CHECK(ceremony_step_profile(p, &p->steps[4]) == ceremony_plan_profile(p, "intermediate"));
}

static void now_is_within_the_window(void)
{
	ceremony_make_files(&as_ours);
	auto_ceremony_plan *p = ceremony_good();
	CHECK_INT(ceremony_plan_now(p, 0), p->window_from_s);
	CHECK_INT(ceremony_plan_now(p, p->window_from_s + 5), p->window_from_s + 5);
	CHECK_INT(ceremony_plan_now(p, INT64_MAX), p->window_to_s);
}

static void a_file_that_is_not_there_is_not_found(void)
{
	struct error err = ERR_INIT;
	CHECK_FAILS(ceremony_plan_load(unit_path("none.conf"), &err) == NULL, &err, ERR_NOT_FOUND);
	CHECK_OK(file_replace(unit_path("empty.conf"), BYTES_NONE, 0600, &err) == 0, &err);
	CHECK_FAILS(ceremony_plan_load(unit_path("empty.conf"), &err) == NULL, &err, ERR_CONFIG);
	CHECK(strstr(err.message, "empty.conf:1: ") != NULL);
}

static void each_person_attests_for_one_role(void)
{
	struct error err = ERR_INIT;
	ceremony_make_files(&as_ours);
	auto_ceremony_plan *p = ceremony_good();
	CHECK_OK(ceremony_plan_attested(p, 2, &err) == 0, &err);
	CHECK_FAILS(ceremony_plan_attested(p, 1, &err) != 0, &err, ERR_CONFIG);
	CHECK_FAILS(ceremony_plan_attested(p, 0, &err) != 0, &err, ERR_CONFIG);
	p->attest[CEREMONY_AUDITOR] = 1;
	CHECK_FAILS(ceremony_plan_attested(p, 2, &err) != 0, &err, ERR_CONFIG);
	CHECK(strstr(err.message, "2 people must attest in these roles together, and there are 1") != NULL);
}

/* ---- what is refused, with its line ---- */

static void check_refused(const char *from, const char *to, int below, const char *reason, unsigned line)
{
	struct error err = ERR_INIT;
	auto_buf text = BUF_INIT;
	int at = 0;
	char start[32];
	ceremony_text(from, to, &text, &at);
	(void)snprintf(start, sizeof(start), "plan:%d: ", at + below);
	auto_ceremony_plan *p = ceremony_plan_parse(buf_bytes(&text), "plan", &err);
	bool right = !p && err.code == ERR_CONFIG && strncmp(err.message, start, strlen(start)) == 0 &&
		     strstr(err.message, reason) != NULL;
	unit_check(right, line, err.message, __FILE__, false);
}
#define REFUSED(from, to, below, reason) check_refused(from, to, below, reason, __LINE__)

static void unknown_and_repeated_words_are_refused(void)
{
	ceremony_make_files(&as_ours);
	REFUSED("attended = true", "attendance = true", 0, "attendance");
	REFUSED("attended = true", "attended = true\ntitle = \"again\"", 1, "given twice, first on line 2");
	REFUSED("  type = \"p384\"", "  type = \"p384\"\n  type = \"p256\"", 1, "type is given twice");
	REFUSED("  type = \"p384\"", "  typ = \"p384\"", 0, "typ");
	REFUSED("step \"root-1\" {", "step \"root-1-key\" {", 0, "stands twice");
	REFUSED("attended = true", "attended = maybe", 0, "");
	REFUSED("  kind = \"root\"\n", "  kind = \"king\"\n", 0, "\"king\" is none of key, root");
	REFUSED("  kind = \"root\"\n", "", -1, "no kind");
}

static void a_secret_in_a_plan_is_refused_and_not_repeated(void)
{
	static const char *const pins[] = {
		"pin = \"1234\"",           "pin = \"file:/etc/pin\"",
		"pin = \"fd:x\"",           "pin = \"shares\"",
		"pin = \"shares:\"",        "pin = \"shares:/etc/1234\"",
		"pin = \"shares:../1234\"", "pin = \"very-long-pin-very-long-pin-very-long-pin\""
	};
	ceremony_make_files(&as_ours);
	for (size_t i = 0; i < sizeof(pins) / sizeof(pins[0]); i++) {
		struct error err = ERR_INIT;
		CHECK_FAILS(ceremony_changed("pin = \"prompt\"", pins[i], &err) == NULL, &err, ERR_CONFIG);
		CHECK(strstr(err.message, "plan:18: ") != NULL);
		CHECK(strstr(err.message, "a PIN itself never stands in a plan") != NULL);
		CHECK(!strstr(err.message, "1234") && !strstr(err.message, "long-pin") && !strstr(err.message, "/etc"));
	}
	REFUSED("  key = \"pkcs11:token=root;object=root-1\"\n  type",
		"  key = \"pkcs11:token=root;object=root-1?pin-value=1234\"\n  type", 0, "neither a PIN");
	REFUSED("pin = \"prompt\"", "so-pin = \"1234\"", 0, "so-pin");
}

static void words_belong_to_kinds_of_steps(void)
{
	ceremony_make_files(&as_ours);
	REFUSED("  type = \"p384\"", "  type = \"p384\"\n  days = 3", 1, "a step of kind key has no such word");
	REFUSED("  type = \"p384\"\n", "", -3, "a step of kind key needs it");
	REFUSED("  of = \"issuing-1\"\n", "", -3, "a step of kind cross needs it");
	REFUSED("  csr = \"issuing-1.csr\"\n", "  csr = \"issuing-1.csr\"\n  key = \"pkcs11:token=root;object=x\"\n", 0,
		"either csr says whose key is certified, or key");
	REFUSED("  days = 7300\n", "  days = 7300\n  not-after = \"2040-01-01T00:00:00Z\"\n", 1, "days says already");
}

static void values_have_their_form(void)
{
	ceremony_make_files(&as_ours);
	REFUSED("2026-12-01T09:00:00Z", "tomorrow", 0, "no time like");
	REFUSED("2026-12-01T09:00:00Z", "now", 0, "no time like");
	REFUSED("http://pki.example", "https://pki.example", 0, "does not start with http://");
	REFUSED("\"2.999.1\"", "\"2.25.1\"", 0, "below 2.25");
	REFUSED("type = \"p384\"", "type = \"p224\"", 0, "none of rsa2048");
	REFUSED("country = \"DE\"", "country = \"Germany\"", 0, "longer than RFC 5280");
	REFUSED("object=root-1\"\n  type", "object=root-1;slot-id=3\"\n  type", 0, "slot numbers change");
	REFUSED("object=root-1\"\n  type", "object=root-1;id=%01\"\n  type", 0, "token and object alone");
	REFUSED("token=root;object=root-1\"\n  type", "token=root\"\n  type", 0, "names no key");
	REFUSED("token=root;object=root-1\"\n  type", "token=none;object=x\"\n  type", 0, "no section token");
	REFUSED("\"0102030405060708090a\"", "\"8000\"", 0, "positive");
	REFUSED("\"0102030405060708090a\"", "\"xyz\"", 0, "hexadecimal");
	REFUSED("superseded", "bored", 0, "none of unspecified");
	REFUSED("roles = { \"operator\" }", "roles = { \"king\" }", 0, "none of operator");
	REFUSED("roles = { \"operator\" }", "roles = { }", 0, "no role");
	REFUSED("purposes = { \"server\", \"client\", \"audit\" }", "", -2, "what its certificates are for");
	REFUSED("module = \"/usr/lib/softhsm/libsofthsm2.so\"\n  pin", "module = \"softhsm2\"\n  pin", 0,
		"absolute path");
	REFUSED("certificate = \"grace.pem\"", "certificate = \"../grace.pem\"", 0, "no name of");
	REFUSED("person \"Ada Example\"", "person \"\"", 0, "1 to 64");
}

static void names_mean_something(void)
{
	ceremony_make_files(&as_ours);
	REFUSED("  of = \"issuing-1\"", "  of = \"issuing-2\"", 0, "neither a step nor an issuer");
	REFUSED("  profile = \"responder\"", "  profile = \"other\"", 0, "there is no profile \"other\"");
	REFUSED("issuer \"root-0\"", "issuer \"root-1\"", 12, "an issuer has this name");
	REFUSED("\"pkcs11:token=backup\"", "\"pkcs11:token=root;serial=1\"", 0, "two sections are of one token");
	REFUSED("  issuer = \"root-0\"\n  of", "  issuer = \"issuing-1\"\n  of", 1, "does not certify itself");
	REFUSED("  key = \"pkcs11:token=old;object=root-0\"\n", "", 37, "which key \"root-0\" signs with");
	REFUSED("profile \"cross\"", "profile \"other\" { kind = \"cross\" }\nprofile \"cross\"", 0, "no step has");
}

SUITE(ceremony_plan)
{
	TEST(a_plan_says_who_does_what);
	TEST(a_key_has_one_name_however_it_is_written);
	TEST(a_roll_over_is_two_cross_certificates);
	TEST(each_step_leaves_one_file_or_none);
	TEST(an_intermediate_has_the_policies_of_its_leaves);
	TEST(now_is_within_the_window);
	TEST(a_file_that_is_not_there_is_not_found);
	TEST(each_person_attests_for_one_role);
	TEST(unknown_and_repeated_words_are_refused);
	TEST(a_secret_in_a_plan_is_refused_and_not_repeated);
	TEST(words_belong_to_kinds_of_steps);
	TEST(values_have_their_form);
	TEST(names_mean_something);
}
