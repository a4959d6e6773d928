#include <openssl/x509.h>

#include "base/ossl.h"
#include "tests/unit/hsm/fixture.h"

static bool verifies(const struct hsm_key *k, struct bytes message, struct bytes signature)
{
	struct bytes spki = hsm_key_spki(k);
	const unsigned char *at = spki.data;
	auto_evp_pkey *public_half = d2i_PUBKEY(NULL, &at, (long)spki.len);
	auto_evp_md_ctx *c = EVP_MD_CTX_new();
	static const char *const digests[] = { "SHA256", "SHA256", "SHA256", "SHA256", "SHA384", "SHA512", NULL };
	bool good = EVP_DigestVerifyInit_ex(c, NULL, digests[hsm_key_type(k)], NULL, NULL, public_half, NULL) == 1 &&
		    EVP_DigestVerify(c, signature.data, signature.len, message.data, message.len) == 1;
	ERR_clear_error();
	return good;
}

static void sign_again_and_again(struct fixture *f, enum hsm_key_type type)
{
	struct error err = ERR_INIT;
	struct hsm_key *k = fixture_key(f, type);
	struct hsm_signer *s = hsm_signer_new(f->provider, k, &err);
	REQUIRE(s != NULL);
	struct bytes message = bytes_of("a message that is signed three times");
	for (int i = 0; i < 3; i++) {
		auto_buf signature = BUF_INIT;
		buf_add_text(&signature, "kept");
		CHECK_OK(hsm_sign(s, message, &signature, &err) == 0, &err);
		CHECK(signature.len > 4 && memcmp(signature.data, "kept", 4) == 0);
		CHECK(verifies(k, message, BYTES(signature.data + 4, signature.len - 4)));
		CHECK(!verifies(k, bytes_of("another"), BYTES(signature.data + 4, signature.len - 4)));
	}
	hsm_signer_free(s);
	hsm_key_free(k);
}

static void signs_again_and_again_with_every_type_of_key(void)
{
	static const enum hsm_key_type types[] = { HSM_RSA_2048, HSM_EC_P256, HSM_EC_P384, HSM_EC_P521, HSM_ED25519 };
	struct fixture f = fixture_open();
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		sign_again_and_again(&f, types[i]);
	fixture_close(&f);
}

static CK_RV sign_falsely(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG len, CK_BYTE_PTR signature,
			  CK_ULONG_PTR signature_len)
{
	CK_RV rv = bent.real->C_Sign(session, data, len, signature, signature_len);
	signature[*signature_len / 2] ^= 0x01;
	return rv;
}

static void hands_out_no_signature_that_does_not_verify(void)
{
	static const enum hsm_key_type types[] = { HSM_RSA_2048, HSM_EC_P256, HSM_ED25519 };
	struct error err = ERR_INIT;
	struct fixture f = fixture_open();
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct hsm_key *k = fixture_key(&f, types[i]);
		struct hsm_signer *s = hsm_signer_new(f.provider, k, &err);
		auto_buf signature = BUF_INIT;
		fixture_bend(f.module, f.token);
		bent.list.C_Sign = sign_falsely;
		CHECK_FAILS(hsm_sign(s, bytes_of("message"), &signature, &err) == -1, &err, ERR_INTEGRITY);
		CHECK_INT(signature.len, 0);
		bent.list.C_Sign = bent.real->C_Sign;
		CHECK_OK(hsm_sign(s, bytes_of("message"), &signature, &err) == 0, &err);
		hsm_signer_free(s);
		hsm_key_free(k);
	}
	fixture_close(&f);
}

static CK_RV sign_short(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG len, CK_BYTE_PTR signature,
			CK_ULONG_PTR signature_len)
{
	CK_RV rv = bent.real->C_Sign(session, data, len, signature, signature_len);
	*signature_len = 63;
	return rv;
}

static CK_RV sign_too_long(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG len, CK_BYTE_PTR signature,
			   CK_ULONG_PTR signature_len)
{
	CK_RV rv = bent.real->C_Sign(session, data, len, signature, signature_len);
	*signature_len = 1 << 20;
	return rv;
}

static void refuses_signatures_of_an_impossible_length(void)
{
	struct error err = ERR_INIT;
	struct fixture f = fixture_open();
	struct hsm_key *k = fixture_key(&f, HSM_EC_P256);
	struct hsm_signer *s = hsm_signer_new(f.provider, k, &err);
	auto_buf signature = BUF_INIT;
	fixture_bend(f.module, f.token);
	bent.list.C_Sign = sign_short;
	CHECK_FAILS(hsm_sign(s, bytes_of("message"), &signature, &err) == -1, &err, ERR_SIGNATURE_UNCERTAIN);
	bent.list.C_Sign = sign_too_long;
	CHECK_FAILS(hsm_sign(s, bytes_of("message"), &signature, &err) == -1, &err, ERR_SIGNATURE_UNCERTAIN);
	hsm_signer_free(s);
	hsm_key_free(k);
	fixture_close(&f);
}

struct worker {
	struct hsm_signer *signer;
	pthread_t thread;
	int good;
};

static void *work(void *argument)
{
	struct worker *w = argument;
	for (int i = 0; i < 50; i++) {
		struct error err = ERR_INIT;
		auto_buf signature = BUF_INIT;
		w->good += hsm_sign(w->signer, BYTES(&i, sizeof(i)), &signature, &err) == 0 &&
			   verifies(hsm_signer_key(w->signer), BYTES(&i, sizeof(i)), buf_bytes(&signature));
	}
	return NULL;
}

static void eight_threads_share_four_sessions_and_one_key(void)
{
	struct error err = ERR_INIT;
	struct fixture f = fixture_open();
	struct hsm_key *k = fixture_key(&f, HSM_EC_P256);
	struct worker workers[8] = { 0 };
	workers[0].signer = hsm_signer_new(f.provider, k, &err);
	REQUIRE(workers[0].signer != NULL);
	for (size_t i = 0; i < 8; i++) {
		workers[i].signer = workers[0].signer;
		CHECK_INT(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (size_t i = 0; i < 8; i++) {
		pthread_join(workers[i].thread, NULL);
		CHECK_INT(workers[i].good, 50);
	}
	CHECK_INT(hsm_token_signatures(f.token), 401);
	hsm_signer_free(workers[0].signer);
	hsm_key_free(k);
	fixture_close(&f);
}

SUITE(sign)
{
	TEST(signs_again_and_again_with_every_type_of_key);
	TEST(hands_out_no_signature_that_does_not_verify);
	TEST(refuses_signatures_of_an_impossible_length);
	TEST(eight_threads_share_four_sessions_and_one_key);
}
