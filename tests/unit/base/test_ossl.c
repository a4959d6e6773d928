#include "base/ossl.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include "tests/unit/unit.h"

static void reason_is_the_oldest_error_and_the_queue_is_emptied(void)
{
	struct error err = ERR_INIT;
	ERR_clear_error();
	ERR_raise_data(ERR_LIB_EVP, EVP_R_INVALID_KEY_LENGTH, "length %d", 3);
	ERR_raise(ERR_LIB_EVP, EVP_R_NO_KEY_SET);
	CHECK_INT(err_openssl(&err, ERR_WEAK_KEY, "cannot use the key of %s", "x"), -1);
	CHECK_INT(err.code, ERR_WEAK_KEY);
	CHECK_TEXT(err.message, "cannot use the key of x: invalid key length, length 3");
	CHECK_INT(ERR_peek_error(), 0);
}

static void failure_without_a_reason_says_so(void)
{
	struct error err = ERR_INIT;
	ERR_clear_error();
	(void)err_openssl(&err, ERR_INTERNAL, "cannot hash");
	CHECK_TEXT(err.message, "cannot hash: OpenSSL gave no reason");
}

/* FIPS 180-4 example values */
static void sha256_gives_the_vectors_of_the_standard(void)
{
	uint8_t hash[32];
	sha256("abc", 3, hash);
	CHECK_BYTES(BYTES(hash, 32), unit_hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
	sha256(NULL, 0, hash);
	CHECK_BYTES(BYTES(hash, 32), unit_hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
}

SUITE(ossl)
{
	TEST(reason_is_the_oldest_error_and_the_queue_is_emptied);
	TEST(failure_without_a_reason_says_so);
	TEST(sha256_gives_the_vectors_of_the_standard);
}
