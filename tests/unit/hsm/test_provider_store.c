/*
 * The loadable module's store, in the test's own process and in a library context of its own.
 */
#include <openssl/store.h>
#include <openssl/x509.h>

#include "base/file.h"
#include "base/ossl.h"
#include "hsm/provider_private.h"
#include "tests/unit/hsm/fixture.h"

CLEANUP_POINTER(store_ctx, OSSL_STORE_CTX, OSSL_STORE_close)
#define auto_store CLEANUP(store_ctx_cleanup) OSSL_STORE_CTX

struct outside {
	OSSL_LIB_CTX *context;
	OSSL_PROVIDER *standard, *ours;
};

static struct outside outside_open(void)
{
	struct outside o = { .context = OSSL_LIB_CTX_new() };
	REQUIRE(o.context != NULL);
	o.standard = OSSL_PROVIDER_load(o.context, "default");
	CHECK(OSSL_PROVIDER_add_builtin(o.context, HSM_PROVIDER_NAME, OSSL_provider_init) == 1);
	o.ours = OSSL_PROVIDER_load(o.context, HSM_PROVIDER_NAME);
	REQUIRE(o.standard && o.ours);
	ERR_clear_error();
	return o;
}

static void outside_close(struct outside *o)
{
	CHECK(OSSL_PROVIDER_unload(o->ours) == 1);
	CHECK(OSSL_PROVIDER_unload(o->standard) == 1);
	OSSL_LIB_CTX_free(o->context);
	ERR_clear_error();
}

/* A token with a key of each of these types, and nobody in it. */
static void prepare_keys(const enum hsm_key_type *types, size_t count)
{
	struct fixture f = fixture_open();
	for (size_t i = 0; i < count; i++)
		hsm_key_free(fixture_key(&f, types[i]));
	fixture_close(&f);
}

static void write_pin(const char *pin)
{
	struct error err = ERR_INIT;
	CHECK_OK(file_replace(unit_path("pin"), bytes_of(pin), 0600, &err) == 0, &err);
}

static void uri_of(struct buf *out, const char *path)
{
	buf_printf(out, "%s?module-path=%s&pin-source=", path, hsm_admin_find_softhsm());
	hsm_uri_add_query_value(out, unit_path("pin"));
}

static EVP_PKEY *load(struct outside *o, const char *path, int expect)
{
	auto_buf uri = BUF_INIT;
	uri_of(&uri, path);
	auto_store *store = OSSL_STORE_open_ex(buf_text(&uri), o->context, NULL, NULL, NULL, NULL, NULL, NULL);
	if (!store)
		return NULL;
	CHECK(OSSL_STORE_expect(store, expect) == 1);
	OSSL_STORE_INFO *info = OSSL_STORE_load(store);
	EVP_PKEY *key = info && expect == OSSL_STORE_INFO_PUBKEY ? OSSL_STORE_INFO_get1_PUBKEY(info)
			: info                                   ? OSSL_STORE_INFO_get1_PKEY(info)
								 : NULL;
	OSSL_STORE_INFO_free(info);
	CHECK(OSSL_STORE_eof(store) == 1);
	return key;
}

/* The reason is among the errors that are queued; empties the queue. */
static void check_reason(const char *reason)
{
	const char *data = NULL;
	bool found = false;
	while (ERR_get_error_all(NULL, NULL, NULL, &data, NULL) != 0)
		found = found || (data && strstr(data, reason));
	if (!found)
		CHECK_TEXT("no such error is queued", reason);
}

/* Nobody has the module open: whoever comes second to it is refused. */
static void check_module_is_closed(void)
{
	struct error err = ERR_INIT;
	struct hsm_module *m = hsm_module_open(hsm_admin_find_softhsm(), &err);
	CHECK_OK(m != NULL, &err);
	hsm_module_close(m);
}

static void gives_keys_that_sign(void)
{
	static const enum hsm_key_type types[] = { HSM_RSA_2048, HSM_EC_P256, HSM_ED25519 };
	prepare_keys(types, 3);
	write_pin(FIXTURE_PIN "\n");
	struct outside o = outside_open();
	for (size_t i = 0; i < 3; i++) {
		auto_buf path = BUF_INIT;
		uint8_t signature[512];
		size_t len = sizeof(signature);
		buf_printf(&path, "pkcs11:token=unit;object=%s", hsm_key_type_name(types[i]));
		auto_evp_pkey *key = load(&o, buf_text(&path), OSSL_STORE_INFO_PKEY);
		auto_evp_pkey *public_half = load(&o, buf_text(&path), OSSL_STORE_INFO_PUBKEY);
		auto_evp_md_ctx *signing = EVP_MD_CTX_new(), *verifying = EVP_MD_CTX_new();
		const char *digest = types[i] == HSM_ED25519 ? NULL : "SHA256";
		REQUIRE(key && public_half && signing && verifying);
		CHECK(OSSL_PROVIDER_get0_provider_ctx(EVP_PKEY_get0_provider(key)) != NULL);
		CHECK_TEXT(OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(key)), HSM_PROVIDER_NAME);
		CHECK_TEXT(OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(public_half)), "default");
		CHECK(EVP_DigestSignInit_ex(signing, NULL, digest, o.context, NULL, key, NULL) == 1);
		CHECK(EVP_DigestSign(signing, signature, &len, (const uint8_t *)"hello", 5) == 1);
		CHECK(EVP_DigestVerifyInit_ex(verifying, NULL, digest, o.context, NULL, public_half, NULL) == 1);
		CHECK(EVP_DigestVerify(verifying, signature, len, (const uint8_t *)"hello", 5) == 1);
		CHECK(EVP_PKEY_eq(key, public_half) == 1);
	}
	outside_close(&o);
}

static void keeps_a_token_open_until_its_last_key_is_freed(void)
{
	static const enum hsm_key_type type = HSM_EC_P256;
	prepare_keys(&type, 1);
	write_pin(FIXTURE_PIN);
	struct outside o = outside_open();
	auto_evp_pkey *first = load(&o, "pkcs11:token=unit;object=p256", OSSL_STORE_INFO_PKEY);
	auto_evp_pkey *second = load(&o, "pkcs11:token=unit;object=p256", OSSL_STORE_INFO_PKEY);
	REQUIRE(first && second);
	struct error err = ERR_INIT;
	CHECK_FAILS(hsm_module_open(hsm_admin_find_softhsm(), &err) == NULL, &err, ERR_TOKEN_UNAVAILABLE);
	EVP_PKEY_free(first);
	first = NULL;
	CHECK(EVP_PKEY_get_size(second) > 0);
	EVP_PKEY_free(second);
	second = NULL;
	check_module_is_closed();
	outside_close(&o);
}

static void does_not_try_a_refused_pin_again(void)
{
	static const enum hsm_key_type type = HSM_EC_P256;
	prepare_keys(&type, 1);
	write_pin("not the PIN");
	struct outside o = outside_open();
	CHECK(load(&o, "pkcs11:token=unit;object=p256", OSSL_STORE_INFO_PKEY) == NULL);
	check_reason("CKR_PIN_INCORRECT");
	CHECK(load(&o, "pkcs11:token=unit;object=p256", OSSL_STORE_INFO_PKEY) == NULL);
	check_reason("refused its PIN before");
	check_module_is_closed();
	outside_close(&o);
}

static void leaves_nothing_open_where_it_fails(void)
{
	static const enum hsm_key_type type = HSM_EC_P256;
	prepare_keys(&type, 1);
	write_pin(FIXTURE_PIN);
	struct outside o = outside_open();
	static const struct {
		const char *path, *reason;
	} failures[] = {
		{ "pkcs11:token=unit;object=other", "has no private key" },
		{ "pkcs11:token=other;object=p256", "no such token" },
		{ "pkcs11:token=unit", "names no key" },
		{ "pkcs11:token=unit;object=p256;type=cert", "no objects of type cert" },
		{ "pkcs11:token=unit;object", "without" },
	};
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		auto_evp_pkey *none = load(&o, failures[i].path, OSSL_STORE_INFO_PKEY);
		CHECK(none == NULL);
		check_reason(failures[i].reason);
		check_module_is_closed();
	}
	outside_close(&o);
}

static void lists_the_uris_of_a_tokens_keys(void)
{
	static const enum hsm_key_type types[] = { HSM_EC_P256, HSM_ED25519 };
	prepare_keys(types, 2);
	write_pin(FIXTURE_PIN);
	struct outside o = outside_open();
	auto_buf uri = BUF_INIT;
	uri_of(&uri, "pkcs11:token=unit");
	auto_store *store = OSSL_STORE_open_ex(buf_text(&uri), o.context, NULL, NULL, NULL, NULL, NULL, NULL);
	REQUIRE(store != NULL);
	for (int i = 0; i < 2; i++) {
		OSSL_STORE_INFO *info = OSSL_STORE_load(store);
		REQUIRE(info != NULL);
		CHECK_INT(OSSL_STORE_INFO_get_type(info), OSSL_STORE_INFO_NAME);
		CHECK(strstr(OSSL_STORE_INFO_get0_NAME(info), "?module-path=") != NULL);
		CHECK(strstr(OSSL_STORE_INFO_get0_NAME(info), ";type=private") != NULL);
		OSSL_STORE_INFO_free(info);
	}
	CHECK(OSSL_STORE_eof(store) == 1);
	OSSL_STORE_close(store);
	store = NULL;
	check_module_is_closed();
	outside_close(&o);
}

SUITE(provider_store)
{
	TEST(gives_keys_that_sign);
	TEST(keeps_a_token_open_until_its_last_key_is_freed);
	TEST(does_not_try_a_refused_pin_again);
	TEST(leaves_nothing_open_where_it_fails);
	TEST(lists_the_uris_of_a_tokens_keys);
}
