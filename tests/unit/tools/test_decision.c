#include "tools/decision.h"

#include <stdio.h>

#include "base/file.h"
#include "tests/unit/tools/people.h"
#include "tests/unit/unit.h"
#include "tools/keys.h"

static const uint8_t ca[32] = { 0xca };

static struct decision approval(void)
{
	return (struct decision){ .decision = DECISION_APPROVE,
				  .id = "order-1",
				  .about = bytes_of("the tbs"),
				  .reason = "names and record agree",
				  .time_s = 1795262400 };
}

static void what_is_signed_is_the_statement_about_these_very_bytes(void)
{
	struct error err = ERR_INIT;
	auto_evp_pkey *key = key_generate("p384", &err);
	auto_credential *olga = people_credential("olga", key, &err);
	auto_buf text = BUF_INIT, signature = BUF_INIT;
	struct ca_statement s;
	uint8_t hash[32];
	struct decision d = approval();
	CHECK_OK(decision_sign(olga, ca, &d, &text, &signature, &err) == 0, &err);
	CHECK_OK(ca_statement_read(buf_bytes(&text), &s, &err) == 0, &err);
	CHECK_OK(ca_statement_verify(buf_bytes(&text), credential_certificate(olga), buf_bytes(&signature), &err) == 0,
		 &err);
	sha256("the tbs", 7, hash);
	CHECK_BYTES(BYTES(s.sha256, 32), BYTES(hash, 32));
	CHECK_BYTES(BYTES(s.ca, 32), BYTES(ca, 32));
	CHECK(!s.organization && s.decision == DECISION_APPROVE && bytes_are(s.id, "order-1"));
	CHECK(bytes_are(s.by, "olga") && bytes_are(s.reason, "names and record agree"));
	CHECK_INT(s.time_s, 1795262400);
}

static void vettings_and_suspensions_are_about_organizations(void)
{
	static const enum ca_decision decisions[] = { DECISION_VET, DECISION_SUSPEND };
	struct error err = ERR_INIT;
	auto_evp_pkey *key = key_generate("ed25519", &err);
	auto_credential *olga = people_credential("olga", key, &err);
	for (size_t i = 0; i < 2; i++) {
		auto_buf text = BUF_INIT, signature = BUF_INIT;
		struct ca_statement s;
		struct decision d = approval();
		d.decision = decisions[i];
		CHECK_OK(decision_sign(olga, ca, &d, &text, &signature, &err) == 0, &err);
		CHECK_OK(ca_statement_read(buf_bytes(&text), &s, &err) == 0, &err);
		CHECK(s.organization && s.decision == decisions[i]);
	}
}

static void what_no_statement_can_say_is_not_signed(void)
{
	static const char *const reasons[] = { "", "two\nlines", "a\tb", "\xe2\x80\xa8" };
	struct error err = ERR_INIT;
	auto_evp_pkey *key = key_generate("p256", &err);
	auto_credential *olga = people_credential("olga", key, &err);
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		auto_buf text = BUF_INIT, signature = BUF_INIT;
		struct decision d = approval();
		d.reason = reasons[i];
		CHECK_FAILS(decision_sign(olga, ca, &d, &text, &signature, &err) == -1, &err, ERR_BAD_REQUEST);
		CHECK_TEXT(err.member, "reason");
		CHECK_INT(signature.len, 0);
	}
	auto_buf text = BUF_INIT, signature = BUF_INIT;
	struct decision d = approval();
	d.id = "order 1";
	CHECK_FAILS(decision_sign(olga, ca, &d, &text, &signature, &err) == -1, &err, ERR_BAD_REQUEST);
}

static void the_ca_is_the_first_root_of_the_trust_file(void)
{
	struct error err = ERR_INIT;
	auto_evp_pkey *key = key_generate("p256", &err);
	auto_buf pem = BUF_INIT, der = BUF_INIT;
	uint8_t found[32], hash[32];
	people_write_certificate("root", key, unit_path("root.pem"));
	CHECK_OK(file_read(unit_path("root.pem"), 65536, &pem, &err) == 0, &err);
	auto_x509 *x = certificate_read(buf_bytes(&pem), &err);
	people_der(x, &der);
	sha256(der.data, der.len, hash);
	CHECK_OK(decision_ca(unit_path("root.pem"), found, &err) == 0, &err);
	CHECK_BYTES(BYTES(found, 32), BYTES(hash, 32));
	auto_evp_pkey *later = key_generate("p256", &err);
	people_write_certificate("later", later, unit_path("later.pem"));
	CHECK_OK(file_read(unit_path("later.pem"), 65536, &pem, &err) == 0, &err);
	CHECK_OK(file_create(unit_path("two.pem"), buf_bytes(&pem), 0644, &err) == 0, &err);
	CHECK_OK(decision_ca(unit_path("two.pem"), found, &err) == 0, &err);
	CHECK_BYTES(BYTES(found, 32), BYTES(hash, 32));
	CHECK_OK(file_create(unit_path("none.pem"), bytes_of("nothing\n"), 0644, &err) == 0, &err);
	CHECK_FAILS(decision_ca(unit_path("none.pem"), found, &err) == -1, &err, ERR_USAGE);
	CHECK_FAILS(decision_ca(unit_path("missing.pem"), found, &err) == -1, &err, ERR_NOT_FOUND);
}

SUITE(decision)
{
	TEST(what_is_signed_is_the_statement_about_these_very_bytes);
	TEST(vettings_and_suspensions_are_about_organizations);
	TEST(what_no_statement_can_say_is_not_signed);
	TEST(the_ca_is_the_first_root_of_the_trust_file);
}
