#include "tests/unit/unit.h"

#include <dlfcn.h>
#include <openssl/pem.h>
#include <stdio.h>

#include "base/file.h"
#include "base/secret.h"
#include "base/text.h"
#include "ca-core/statement.h"
#include "hsm/admin.h"
#include "hsm/key.h"
#include "tests/unit/tools/people.h"
#include "tools/keys.h"

static const char statement[] = "chancery-statement-v1\n";

/* Signed by what the credential has, and verified by what the signer verifies with. */
static void check_signs(struct credential *c)
{
	struct error err = ERR_INIT;
	auto_buf signature = BUF_INIT;
	CHECK_OK(c != NULL, &err);
	CHECK_OK(credential_sign(c, bytes_of(statement), &signature, &err) == 0, &err);
	CHECK_OK(ca_statement_verify(bytes_of(statement), credential_certificate(c), buf_bytes(&signature), &err) == 0,
		 &err);
	CHECK_FAILS(ca_statement_verify(bytes_of("another"), credential_certificate(c), buf_bytes(&signature), &err) ==
			    -1,
		    &err, ERR_APPROVAL_MISMATCH);
}

static void keys_of_every_kind_in_files_sign_what_verifies(void)
{
	static const char *const types[] = { "p256", "p384", "p521", "rsa2048", "ed25519" };
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct error err = ERR_INIT;
		auto_evp_pkey *key = key_generate(types[i], &err);
		CHECK_OK(key != NULL, &err);
		auto_credential *c = people_credential("olga", key, &err);
		CHECK_OK(c != NULL, &err);
		CHECK_TEXT(credential_name(c, &err), "olga");
		check_signs(c);
	}
}

/* A token as its holder has it. */
static void make_token(void)
{
	struct error err = ERR_INIT;
	/* Stays loaded, so that a report of leaks can name it. */
	void *kept = dlopen(hsm_admin_find_softhsm(), RTLD_NOW | RTLD_NODELETE);
	REQUIRE(kept != NULL);
	(void)dlclose(kept);
	auto_secret *pin = secret_new(bytes_of("12345678"), &err);
	CHECK_OK(hsm_admin_make_softhsm(unit_path("softhsm"), &err) == 0, &err);
	(void)setenv("SOFTHSM2_CONF", unit_path("softhsm/softhsm2.conf"), 1);
	CHECK_OK(hsm_admin_init_token(hsm_admin_find_softhsm(), "mine", pin, pin, &err) == 0, &err);
	CHECK_OK(file_create(unit_path("pin"), bytes_of("12345678\n"), 0600, &err) == 0, &err);
}

/* Makes the key, and the certificate's file. */
static void make_key(enum hsm_key_type type, const char *certificate)
{
	struct error err = ERR_INIT;
	auto_secret *pin = secret_new(bytes_of("12345678"), &err);
	auto_hsm_module *module = hsm_module_open(hsm_admin_find_softhsm(), &err);
	CHECK_OK(module != NULL, &err);
	auto_hsm_token *token = hsm_token_open(module, "pkcs11:token=mine", pin, 1, &err);
	CHECK_OK(token != NULL, &err);
	auto_hsm_key *key = hsm_key_generate(token, type, hsm_key_type_name(type), &err);
	CHECK_OK(key != NULL, &err);
	struct bytes spki = hsm_key_spki(key);
	const unsigned char *at = spki.data;
	auto_evp_pkey *public = d2i_PUBKEY(NULL, &at, (long)spki.len);
	REQUIRE(public != NULL);
	people_write_certificate("olga", public, certificate);
}

static const char *key_uri(enum hsm_key_type type, struct buf *out)
{
	buf_printf(out, "pkcs11:token=mine;object=%s;type=private?module-path=%s&pin-source=%s",
		   hsm_key_type_name(type), hsm_admin_find_softhsm(), unit_path("pin"));
	return buf_text(out);
}

static void keys_of_every_kind_in_a_token_sign_what_verifies(void)
{
	static const enum hsm_key_type types[] = { HSM_EC_P256, HSM_EC_P384, HSM_EC_P521, HSM_RSA_2048, HSM_ED25519 };
	make_token();
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct error err = ERR_INIT;
		auto_buf uri = BUF_INIT;
		make_key(types[i], unit_path("olga.pem"));
		auto_credential *c = credential_open(unit_path("olga.pem"), key_uri(types[i], &uri), &err);
		CHECK_OK(c != NULL, &err);
		check_signs(c);
	}
}

static void a_key_that_is_not_the_certificates_is_refused(void)
{
	struct error err = ERR_INIT;
	auto_buf uri = BUF_INIT;
	auto_evp_pkey *one = key_generate("p256", &err), *other = key_generate("p256", &err);
	people_write_certificate("olga", one, unit_path("olga.pem"));
	people_write_key(other, unit_path("other.key"));
	CHECK_FAILS(credential_open(unit_path("olga.pem"), unit_path("other.key"), &err) == NULL, &err, ERR_USAGE);
	make_token();
	make_key(HSM_EC_P256, unit_path("token.pem"));
	CHECK_FAILS(credential_open(unit_path("olga.pem"), key_uri(HSM_EC_P256, &uri), &err) == NULL, &err, ERR_USAGE);
}

static void uris_that_name_no_key_or_no_module_are_refused(void)
{
	static const char *const uris[] = { "pkcs11:token=mine?module-path=/m.so&pin-source=/pin",
					    "pkcs11:token=mine;object=x?pin-source=/pin",
					    "pkcs11:token=mine;object=x?module-path=m.so&pin-source=/pin",
					    "pkcs11:token=mine;object=x?module-path=/m.so&pin-value=12345678",
					    "pkcs11:token=mine;object=x?module-path=/m.so&pin-source=|id" };
	for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
		struct error err = ERR_INIT;
		auto_evp_pkey *key = key_generate("p256", &err);
		people_write_certificate("olga", key, unit_path("olga.pem"));
		CHECK_FAILS(credential_open(unit_path("olga.pem"), uris[i], &err) == NULL, &err, ERR_CONFIG);
		CHECK(strstr(err.message, "12345678") == NULL);
	}
}

static void files_that_hold_neither_are_refused(void)
{
	struct error err = ERR_INIT;
	auto_evp_pkey *key = key_generate("p256", &err);
	people_write_certificate("olga", key, unit_path("olga.pem"));
	CHECK_OK(file_create(unit_path("rubbish"), bytes_of("rubbish\n"), 0600, &err) == 0, &err);
	CHECK_FAILS(credential_open(unit_path("none.pem"), unit_path("rubbish"), &err) == NULL, &err, ERR_NOT_FOUND);
	CHECK_FAILS(credential_open(unit_path("rubbish"), unit_path("rubbish"), &err) == NULL, &err, ERR_BAD_REQUEST);
	CHECK_FAILS(credential_open(unit_path("olga.pem"), unit_path("rubbish"), &err) == NULL, &err, ERR_BAD_REQUEST);
}

SUITE(credential)
{
	TEST(keys_of_every_kind_in_files_sign_what_verifies);
	TEST(keys_of_every_kind_in_a_token_sign_what_verifies);
	TEST(a_key_that_is_not_the_certificates_is_refused);
	TEST(uris_that_name_no_key_or_no_module_are_refused);
	TEST(files_that_hold_neither_are_refused);
}
