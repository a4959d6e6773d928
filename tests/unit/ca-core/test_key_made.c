#include <openssl/bn.h>
#include <openssl/pem.h>
#include <stdio.h>

#include "base/ossl.h"
#include "tests/unit/ca-core/pure.h"

static int check(struct bytes spki, struct error *err)
{
	struct ca_key key;
	return ca_key_parse(spki, &key, err) || ca_key_check_made_well(&key, err) ? -1 : 0;
}

static void refused(const char *name, const char *says)
{
	char path[64];
	struct error err = ERR_INIT;
	(void)snprintf(path, sizeof(path), "keys/weak/%s.der", name);
	CHECK_FAILS(check(unit_data(path), &err) != 0, &err, ERR_WEAK_KEY);
	if (!strstr(err.message, says))
		CHECK_TEXT(err.message, says);
}

static void refuses_a_factor_below_2_16(void)
{
	refused("factor_3", "small prime factor");
	refused("factor_1229", "small prime factor");
	refused("factor_65521", "small prime factor"); /* the largest prime below 2^16 */
}

static void refuses_two_close_primes(void)
{
	refused("close_next_prime", "close together");
	refused("close_2_100", "close together");
}

static void refuses_the_square_of_a_prime(void)
{
	refused("square", "square");
}

static void refuses_the_roca_family(void)
{
	refused("roca_2048", "ROCA");
	refused("roca_3072", "ROCA");
}

/* Every odd prime below 2^16, as a factor of an otherwise good modulus: none may be missed. The key itself is put
 * together here, past ca_key_parse, whose size rule such a product need not meet. */
static void misses_no_small_prime(void)
{
	struct ca_key good = pure_key("rsa2048");
	auto_bignum *base = BN_bin2bn(good.modulus.data, (int)good.modulus.len - 8, NULL), *n = BN_new();
	REQUIRE(base && n && BN_set_bit(base, 0));
	unsigned missed = 0, tried = 0;
	for (unsigned prime = 3; prime < 65536; prime += 2) {
		bool composite = false;
		for (unsigned d = 3; d * d <= prime && !composite; d += 2)
			composite = prime % d == 0;
		if (composite || (prime > 200 && prime < 65000 && prime % 7 != 1))
			continue;
		uint8_t octets[256];
		struct error err = ERR_INIT;
		REQUIRE(BN_copy(n, base) && BN_mul_word(n, prime) && BN_bn2binpad(n, octets, sizeof(octets)) > 0);
		struct ca_key key = { .type = CA_KEY_RSA, .bits = 2048, .modulus = BYTES(octets, sizeof(octets)) };
		missed += ca_key_check_made_well(&key, &err) == 0;
		tried++;
	}
	CHECK(tried > 900);
	CHECK_INT(missed, 0);
}

static void accepts_keys_that_were_made_well(void)
{
	static const char *const requests[] = { "good_rsa_2048.txt", "good_rsa_3072_sha384.txt",
						"good_rsa_4096_sha512.txt" };
	struct error err = ERR_INIT;
	CHECK_OK(check(unit_data("keys/rsa2048.spki.der"), &err) == 0, &err);
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		char path[64];
		(void)snprintf(path, sizeof(path), "csr/%s", requests[i]);
		struct bytes pem = unit_data(path);
		auto_bio *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
		X509_REQ *request = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
		REQUIRE(request != NULL);
		uint8_t *spki = NULL;
		int len = i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(request), &spki);
		CHECK_OK(check(BYTES(spki, len), &err) == 0, &err);
		OPENSSL_free(spki);
		X509_REQ_free(request);
	}
}

static void looks_at_rsa_alone(void)
{
	struct error err = ERR_INIT;
	CHECK_OK(check(unit_data("keys/p256.spki.der"), &err) == 0, &err);
	CHECK_OK(check(unit_data("keys/ed25519.spki.der"), &err) == 0, &err);
}

SUITE(key_made)
{
	TEST(refuses_a_factor_below_2_16);
	TEST(refuses_two_close_primes);
	TEST(refuses_the_square_of_a_prime);
	TEST(refuses_the_roca_family);
	TEST(misses_no_small_prime);
	TEST(accepts_keys_that_were_made_well);
	TEST(looks_at_rsa_alone);
}
