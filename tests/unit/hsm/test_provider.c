#include "hsm/provider.h"

#include <openssl/rsa.h>

#include "base/ossl.h"
#include "tests/unit/hsm/fixture.h"

/* The public key as anybody else has it: from DER, in the default context. */
static EVP_PKEY *public_of(const struct hsm_key *k)
{
	struct bytes spki = hsm_key_spki(k);
	const unsigned char *at = spki.data;
	EVP_PKEY *public_half = d2i_PUBKEY(NULL, &at, (long)spki.len);
	REQUIRE(public_half != NULL);
	return public_half;
}

static const EVP_MD *md_for(enum hsm_key_type type)
{
	return type == HSM_ED25519   ? NULL
	       : type == HSM_EC_P384 ? EVP_sha384()
	       : type == HSM_EC_P521 ? EVP_sha512()
				     : EVP_sha256();
}

static void name_it(X509_NAME *name)
{
	CHECK(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"unit", -1, -1, 0) == 1);
}

static void check_certificate(EVP_PKEY *token_key, EVP_PKEY *public_half, enum hsm_key_type type)
{
	auto_x509 *cert = X509_new();
	REQUIRE(cert != NULL);
	name_it(X509_get_subject_name(cert));
	name_it(X509_get_issuer_name(cert));
	CHECK(X509_set_version(cert, X509_VERSION_3) == 1);
	CHECK(ASN1_INTEGER_set(X509_get_serialNumber(cert), 7) == 1);
	CHECK(X509_gmtime_adj(X509_getm_notBefore(cert), 0) != NULL);
	CHECK(X509_gmtime_adj(X509_getm_notAfter(cert), 3600) != NULL);
	CHECK(X509_set_pubkey(cert, token_key) == 1);
	CHECK(X509_sign(cert, token_key, md_for(type)) > 0);
	CHECK(X509_check_private_key(cert, token_key) == 1);

	unsigned char *der = NULL;
	int len = i2d_X509(cert, &der);
	const unsigned char *at = der;
	auto_x509 *parsed = d2i_X509(NULL, &at, len);
	REQUIRE(parsed != NULL);
	CHECK(X509_verify(parsed, public_half) == 1);
	CHECK(X509_check_private_key(parsed, token_key) == 1);
	const X509_ALGOR *algorithm = NULL;
	X509_get0_signature(NULL, &algorithm, parsed);
	unsigned char *algorithm_der = NULL;
	int algorithm_len = i2d_X509_ALGOR((X509_ALGOR *)(uintptr_t)algorithm, &algorithm_der);
	CHECK_BYTES(BYTES(algorithm_der, algorithm_len), hsm_signature_algorithm(type));
	OPENSSL_free(algorithm_der);
	OPENSSL_free(der);
}

static void check_request_and_crl(EVP_PKEY *token_key, EVP_PKEY *public_half, enum hsm_key_type type)
{
	X509_REQ *request = X509_REQ_new();
	name_it(X509_REQ_get_subject_name(request));
	CHECK(X509_REQ_set_pubkey(request, token_key) == 1);
	CHECK(X509_REQ_sign(request, token_key, md_for(type)) > 0);
	CHECK(X509_REQ_verify(request, public_half) == 1);
	X509_REQ_free(request);

	auto_x509_crl *crl = X509_CRL_new();
	ASN1_TIME *now = X509_gmtime_adj(NULL, 0);
	CHECK(X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1);
	CHECK(X509_CRL_set1_lastUpdate(crl, now) == 1);
	CHECK(X509_CRL_sign(crl, token_key, md_for(type)) > 0);
	CHECK(X509_CRL_verify(crl, public_half) == 1);
	ASN1_TIME_free(now);
}

static void check_digest_sign(EVP_PKEY *token_key, EVP_PKEY *public_half, enum hsm_key_type type, bool pss)
{
	static const char message[] = "what is signed";
	unsigned char signature[1024];
	size_t len = sizeof(signature);
	EVP_PKEY_CTX *options = NULL;
	auto_evp_md_ctx *signing = EVP_MD_CTX_new(), *verifying = EVP_MD_CTX_new();
	CHECK(EVP_DigestSignInit(signing, &options, md_for(type), NULL, token_key) == 1);
	if (pss) {
		CHECK(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1);
		CHECK(EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1);
	}
	CHECK(EVP_DigestSign(signing, signature, &len, (const unsigned char *)message, sizeof(message)) == 1);
	CHECK(EVP_DigestVerifyInit(verifying, &options, md_for(type), NULL, public_half) == 1);
	if (pss) {
		CHECK(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1);
		CHECK(EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1);
	}
	CHECK(EVP_DigestVerify(verifying, signature, len, (const unsigned char *)message, sizeof(message)) == 1);

	/* The token key itself verifies too, and refuses what was changed. */
	auto_evp_md_ctx *own = EVP_MD_CTX_new(), *changed = EVP_MD_CTX_new();
	CHECK(EVP_DigestVerifyInit(own, &options, md_for(type), NULL, token_key) == 1);
	if (pss)
		CHECK(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1);
	CHECK(EVP_DigestVerify(own, signature, len, (const unsigned char *)message, sizeof(message)) == 1);
	CHECK(EVP_DigestVerifyInit(changed, &options, md_for(type), NULL, token_key) == 1);
	if (pss)
		CHECK(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1);
	CHECK(EVP_DigestVerify(changed, signature, len, (const unsigned char *)message, sizeof(message) - 1) != 1);
	ERR_clear_error();
}

static void check_public_operations(EVP_PKEY *token_key, EVP_PKEY *public_half, const struct hsm_key *k)
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(token_key, &der);
	CHECK(len > 0);
	CHECK_BYTES(BYTES(der, len > 0 ? len : 0), hsm_key_spki(k));
	OPENSSL_free(der);
	CHECK_INT(EVP_PKEY_eq(token_key, public_half), 1);
	CHECK_INT(EVP_PKEY_eq(public_half, token_key), 1);
	CHECK_INT(EVP_PKEY_get_bits(token_key), EVP_PKEY_get_bits(public_half));
	CHECK_INT(EVP_PKEY_get_size(token_key), EVP_PKEY_get_size(public_half));
}

static void check_type(enum hsm_key_type type)
{
	struct error err = ERR_INIT;
	struct fixture f = fixture_open();
	struct hsm_key *k = fixture_key(&f, type);
	EVP_PKEY *token_key = hsm_provider_pkey(f.provider, k, &err);
	CHECK_OK(token_key != NULL, &err);
	REQUIRE(token_key != NULL);
	EVP_PKEY *public_half = public_of(k);
	check_public_operations(token_key, public_half, k);
	check_certificate(token_key, public_half, type);
	check_request_and_crl(token_key, public_half, type);
	check_digest_sign(token_key, public_half, type, false);
	if (type <= HSM_RSA_4096)
		check_digest_sign(token_key, public_half, type, true);
	EVP_PKEY_free(public_half);
	EVP_PKEY_free(token_key);
	hsm_key_free(k);
	fixture_close(&f);
}

static void signs_as_x509_does_with_rsa(void)
{
	check_type(HSM_RSA_2048);
}

static void signs_as_x509_does_with_p256(void)
{
	check_type(HSM_EC_P256);
}

static void signs_as_x509_does_with_p384(void)
{
	check_type(HSM_EC_P384);
}

static void signs_as_x509_does_with_p521(void)
{
	check_type(HSM_EC_P521);
}

static void signs_as_x509_does_with_ed25519(void)
{
	check_type(HSM_ED25519);
}

/* The provider keeps what it verifies with: a refusal must not stay in it, nor a copy share it. */
static void verifies_ed25519_again_and_again_with_one_context(void)
{
	struct error err = ERR_INIT;
	struct fixture f = fixture_open();
	struct hsm_key *k = fixture_key(&f, HSM_ED25519);
	EVP_PKEY *token_key = hsm_provider_pkey(f.provider, k, &err);
	static const unsigned char message[] = "what is signed";
	unsigned char signature[64];
	size_t len = sizeof(signature);
	EVP_MD_CTX *c = EVP_MD_CTX_new(), *copy = EVP_MD_CTX_new();
	CHECK(EVP_DigestSignInit(c, NULL, NULL, NULL, token_key) == 1);
	CHECK(EVP_DigestSign(c, signature, &len, message, sizeof(message)) == 1);
	CHECK(EVP_MD_CTX_reset(c) == 1 && EVP_DigestVerifyInit(c, NULL, NULL, NULL, token_key) == 1);
	for (int i = 0; i < 3; i++) {
		CHECK(EVP_DigestVerify(c, signature, len, message, sizeof(message)) == 1);
		CHECK(EVP_DigestVerifyInit(c, NULL, NULL, NULL, NULL) == 1);
		CHECK(EVP_DigestVerify(c, signature, len, message, sizeof(message) - 1) != 1);
		CHECK(EVP_DigestVerifyInit(c, NULL, NULL, NULL, NULL) == 1);
	}
	CHECK(EVP_MD_CTX_copy_ex(copy, c) == 1);
	EVP_MD_CTX_free(c);
	CHECK(EVP_DigestVerify(copy, signature, len, message, sizeof(message)) == 1);
	ERR_clear_error();
	EVP_MD_CTX_free(copy);
	EVP_PKEY_free(token_key);
	hsm_key_free(k);
	fixture_close(&f);
}

static void names_pss_with_full_parameters(void)
{
	struct error err = ERR_INIT;
	struct fixture f = fixture_open();
	struct hsm_key *k = fixture_key(&f, HSM_RSA_2048);
	EVP_PKEY *token_key = hsm_provider_pkey(f.provider, k, &err);
	EVP_PKEY *public_half = public_of(k);
	X509 *cert = X509_new();
	EVP_MD_CTX *signing = EVP_MD_CTX_new();
	EVP_PKEY_CTX *options = NULL;
	CHECK(X509_set_pubkey(cert, public_half) == 1);
	CHECK(EVP_DigestSignInit(signing, &options, EVP_sha256(), NULL, token_key) == 1);
	CHECK(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1);
	CHECK(X509_sign_ctx(cert, signing) > 0);
	CHECK(X509_verify(cert, public_half) == 1);
	CHECK_INT(X509_get_signature_nid(cert), NID_rsassaPss);
	EVP_MD_CTX_free(signing);
	X509_free(cert);
	EVP_PKEY_free(public_half);
	EVP_PKEY_free(token_key);
	hsm_key_free(k);
	fixture_close(&f);
}

static void refuses_weak_digests(void)
{
	struct error err = ERR_INIT;
	struct fixture f = fixture_open();
	struct hsm_key *k = fixture_key(&f, HSM_EC_P256);
	EVP_PKEY *token_key = hsm_provider_pkey(f.provider, k, &err);
	EVP_MD_CTX *signing = EVP_MD_CTX_new();
	CHECK(EVP_DigestSignInit(signing, NULL, EVP_sha1(), NULL, token_key) != 1);
	ERR_clear_error();
	EVP_MD_CTX_free(signing);
	EVP_PKEY_free(token_key);
	hsm_key_free(k);
	fixture_close(&f);
}

SUITE(provider)
{
	TEST(signs_as_x509_does_with_rsa);
	TEST(signs_as_x509_does_with_p256);
	TEST(signs_as_x509_does_with_p384);
	TEST(signs_as_x509_does_with_p521);
	TEST(signs_as_x509_does_with_ed25519);
	TEST(verifies_ed25519_again_and_again_with_one_context);
	TEST(names_pss_with_full_parameters);
	TEST(refuses_weak_digests);
}
