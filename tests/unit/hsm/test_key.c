#include "hsm/key.h"

#include <stdio.h>

#include "tests/unit/hsm/fixture.h"

static const uint8_t digest[32] = { 1, 2, 3 };

static int sign(struct hsm_key *k, struct error *err)
{
	auto_buf signature = BUF_INIT;
	int done = hsm_key_sign_raw(k, CKM_ECDSA, NULL, 0, BYTES(digest, sizeof(digest)), &signature, err);
	if (done == 0)
		CHECK_INT(signature.len, 64);
	return done;
}

static void generates_every_type_and_finds_it_by_its_uri(void)
{
	struct error err = ERR_INIT;
	struct fixture f = fixture_open();
	for (int type = HSM_RSA_2048; type <= HSM_ED25519; type++) {
		if (type == HSM_RSA_3072 || type == HSM_RSA_4096)
			continue; /* the same as 2048, only slower */
		struct hsm_key *made = fixture_key(&f, (enum hsm_key_type)type);
		CHECK_INT(hsm_key_type(made), type);
		CHECK_INT(hsm_key_id(made).len, 20);
		struct hsm_key *found = hsm_key_find(f.token, hsm_key_uri(made), &err);
		CHECK_OK(found != NULL, &err);
		if (found) {
			CHECK_BYTES(hsm_key_spki(found), hsm_key_spki(made));
			CHECK_TEXT(hsm_key_uri(found), hsm_key_uri(made));
		}
		hsm_key_free(found);
		hsm_key_free(made);
	}
	fixture_close(&f);
}

static void generated_key_only_signs_and_never_leaves(void)
{
	struct fixture f = fixture_open();
	struct hsm_key *k = fixture_key(&f, HSM_EC_P256);
	CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	CK_BBOOL yes = CK_TRUE;
	const CK_ATTRIBUTE match[] = { HSM_ATTRIBUTE(CKA_CLASS, &class, sizeof(class)),
				       HSM_ATTRIBUTE(CKA_TOKEN, &yes, sizeof(yes)) };
	CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
	struct error err = ERR_INIT;
	CHECK_INT(hsm_objects_find(f.token, match, 2, &object, 1, &err), 1);
	static const CK_ATTRIBUTE_TYPE set[] = { CKA_TOKEN, CKA_PRIVATE,          CKA_SENSITIVE,
						 CKA_SIGN,  CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE };
	static const CK_ATTRIBUTE_TYPE clear[] = { CKA_EXTRACTABLE, CKA_MODIFIABLE, CKA_DECRYPT, CKA_UNWRAP,
						   CKA_DERIVE };
	for (size_t i = 0; i < sizeof(set) / sizeof(set[0]); i++)
		CHECK_INT(hsm_object_flag(f.token, object, set[i]), 1);
	for (size_t i = 0; i < sizeof(clear) / sizeof(clear[0]); i++)
		CHECK_INT(hsm_object_flag(f.token, object, clear[i]), 0);
	hsm_key_free(k);
	fixture_close(&f);
}

static void refuses_a_label_that_is_taken(void)
{
	struct error err = ERR_INIT;
	struct fixture f = fixture_open();
	struct hsm_key *k = fixture_key(&f, HSM_EC_P256);
	CHECK_FAILS(!hsm_key_generate(f.token, HSM_EC_P256, "p256", &err), &err, ERR_CONFLICT);
	CHECK_FAILS(!hsm_key_generate(f.token, HSM_EC_P256, "", &err), &err, ERR_CONFIG);
	hsm_key_free(k);
	fixture_close(&f);
}

static CK_RV lie_about_extractable(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_PTR attributes,
				   CK_ULONG count)
{
	CK_RV rv = bent.real->C_GetAttributeValue(session, object, attributes, count);
	if (rv == CKR_OK && attributes[0].type == CKA_EXTRACTABLE)
		*(CK_BBOOL *)attributes[0].pValue = CK_TRUE;
	return rv;
}

static void destroys_a_key_that_is_not_as_asked_for(void)
{
	struct error err = ERR_INIT;
	struct fixture f = fixture_open();
	fixture_bend(f.module, f.token);
	bent.list.C_GetAttributeValue = lie_about_extractable;
	CHECK_FAILS(!hsm_key_generate(f.token, HSM_EC_P256, "p256", &err), &err, ERR_TOKEN_UNAVAILABLE);
	CHECK(strstr(err.message, "CKA_EXTRACTABLE") != NULL);
	bent.list.C_GetAttributeValue = bent.real->C_GetAttributeValue;
	CHECK_FAILS(!hsm_key_find(f.token, "pkcs11:object=p256", &err), &err, ERR_NOT_FOUND);
	fixture_close(&f);
}

static void a_key_that_was_found_is_checked_as_a_new_one_is_and_stays(void)
{
	struct error err = ERR_INIT;
	struct fixture f = fixture_open();
	struct hsm_key *k = fixture_key(&f, HSM_EC_P256);
	CHECK_OK(hsm_key_check(k, HSM_EC_P256, &err) == 0, &err);
	CHECK_FAILS(hsm_key_check(k, HSM_EC_P384, &err) != 0, &err, ERR_CONFLICT);
	fixture_bend(f.module, f.token);
	bent.list.C_GetAttributeValue = lie_about_extractable;
	CHECK_FAILS(hsm_key_check(k, HSM_EC_P256, &err) != 0, &err, ERR_TOKEN_UNAVAILABLE);
	CHECK(strstr(err.message, "CKA_EXTRACTABLE true instead of false") != NULL);
	CHECK(strstr(err.message, "destroyed") == NULL);
	bent.list.C_GetAttributeValue = bent.real->C_GetAttributeValue;
	CHECK_INT(sign(k, &err), 0);
	hsm_key_free(k);
	fixture_close(&f);
}

static void destroys_both_objects_and_leaves_other_keys(void)
{
	struct error err = ERR_INIT;
	struct fixture f = fixture_open();
	struct hsm_key *first = fixture_key(&f, HSM_EC_P256), *second = fixture_key(&f, HSM_EC_P384);
	CHECK_OK(hsm_key_destroy(first, &err) == 0, &err);
	CHECK_FAILS(!hsm_key_find(f.token, hsm_key_uri(first), &err), &err, ERR_NOT_FOUND);
	CHECK_FAILS(sign(first, &err) == -1, &err, ERR_TOKEN_UNAVAILABLE);
	struct hsm_key *again = hsm_key_find(f.token, hsm_key_uri(second), &err);
	CHECK_OK(again != NULL, &err);
	hsm_key_free(again);
	hsm_key_free(first);
	hsm_key_free(second);
	fixture_close(&f);
}

static void refuses_uris_that_name_no_single_private_key_of_this_token(void)
{
	struct error err = ERR_INIT;
	struct fixture f = fixture_open();
	CHECK_FAILS(!hsm_key_find(f.token, "pkcs11:object=none", &err), &err, ERR_NOT_FOUND);
	CHECK_FAILS(!hsm_key_find(f.token, "pkcs11:token=unit", &err), &err, ERR_CONFIG);
	CHECK_FAILS(!hsm_key_find(f.token, "pkcs11:token=other;object=x", &err), &err, ERR_CONFIG);
	CHECK_FAILS(!hsm_key_find(f.token, "pkcs11:object=x;type=cert", &err), &err, ERR_CONFIG);
	CHECK_FAILS(!hsm_key_find(f.token, "not a URI", &err), &err, ERR_CONFIG);
	fixture_close(&f);
}

/* ---- what fails under a running signer ---- */

static CK_RV answer;
static int times;

static CK_RV sign_init_fails(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
	return times-- > 0 ? answer : bent.real->C_SignInit(session, mechanism, key);
}

static CK_RV sign_fails(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG len, CK_BYTE_PTR signature,
			CK_ULONG_PTR signature_len)
{
	return times-- > 0 ? answer : bent.real->C_Sign(session, data, len, signature, signature_len);
}

static void finds_the_key_again_when_its_handle_is_stale(void)
{
	static const CK_RV stale[] = { CKR_OBJECT_HANDLE_INVALID, CKR_KEY_HANDLE_INVALID };
	struct error err = ERR_INIT;
	struct fixture f = fixture_open();
	struct hsm_key *k = fixture_key(&f, HSM_EC_P256);
	fixture_bend(f.module, f.token);
	bent.list.C_SignInit = sign_init_fails;
	for (size_t i = 0; i < 2; i++) {
		answer = stale[i];
		times = 1;
		CHECK_OK(sign(k, &err) == 0, &err);
		CHECK_INT(hsm_token_state(f.token), HSM_TOKEN_UP);
	}
	times = 2; /* once is enough: the retry fails too, and is not tried for ever */
	CHECK_FAILS(sign(k, &err) == -1, &err, ERR_TOKEN_UNAVAILABLE);
	CHECK_INT(times, 0);
	hsm_key_free(k);
	fixture_close(&f);
}

static void replaces_a_session_that_saw_an_error(void)
{
	struct error err = ERR_INIT;
	struct fixture f = fixture_open();
	struct hsm_key *k = fixture_key(&f, HSM_EC_P256);
	fixture_bend(f.module, f.token);
	bent.list.C_Sign = sign_fails;
	answer = CKR_DEVICE_ERROR;
	times = 1; /* SoftHSM2's session is left with an operation that is open */
	CHECK_FAILS(sign(k, &err) == -1, &err, ERR_SIGNATURE_UNCERTAIN);
	CHECK(strstr(err.message, "CKR_DEVICE_ERROR") != NULL && strstr(err.message, "C_Sign") != NULL);
	CHECK_INT(hsm_token_state(f.token), HSM_TOKEN_DEGRADED);
	CHECK_OK(sign(k, &err) == 0, &err);
	CHECK_INT(hsm_token_state(f.token), HSM_TOKEN_UP);
	CHECK_INT(hsm_token_signatures(f.token), 2); /* one of them when it was generated */
	hsm_key_free(k);
	fixture_close(&f);
}

static void a_bad_argument_does_not_degrade_the_token(void)
{
	struct error err = ERR_INIT;
	struct fixture f = fixture_open();
	struct hsm_key *k = fixture_key(&f, HSM_EC_P256);
	auto_buf signature = BUF_INIT;
	CHECK_FAILS(hsm_key_sign_raw(k, CKM_MD5, NULL, 0, BYTES(digest, 32), &signature, &err) == -1, &err,
		    ERR_TOKEN_UNAVAILABLE);
	CHECK_INT(hsm_token_state(f.token), HSM_TOKEN_UP);
	CHECK_OK(sign(k, &err) == 0, &err);
	hsm_key_free(k);
	fixture_close(&f);
}

static void key_types_have_one_name_each(void)
{
	struct error err = ERR_INIT;
	for (int i = HSM_RSA_2048; i <= HSM_ED25519; i++) {
		enum hsm_key_type type = HSM_RSA_2048;
		CHECK_OK(hsm_key_type_parse(hsm_key_type_name((enum hsm_key_type)i), &type, &err) == 0, &err);
		CHECK_INT(type, i);
	}
	enum hsm_key_type type;
	CHECK_FAILS(hsm_key_type_parse("P256", &type, &err) == -1, &err, ERR_CONFIG);
	CHECK_FAILS(hsm_key_type_parse("rsa1024", &type, &err) == -1, &err, ERR_CONFIG);
}

SUITE(key)
{
	TEST(generates_every_type_and_finds_it_by_its_uri);
	TEST(generated_key_only_signs_and_never_leaves);
	TEST(refuses_a_label_that_is_taken);
	TEST(destroys_a_key_that_is_not_as_asked_for);
	TEST(a_key_that_was_found_is_checked_as_a_new_one_is_and_stays);
	TEST(destroys_both_objects_and_leaves_other_keys);
	TEST(refuses_uris_that_name_no_single_private_key_of_this_token);
	TEST(finds_the_key_again_when_its_handle_is_stale);
	TEST(replaces_a_session_that_saw_an_error);
	TEST(a_bad_argument_does_not_degrade_the_token);
	TEST(key_types_have_one_name_each);
}
