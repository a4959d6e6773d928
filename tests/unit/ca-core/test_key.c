#include "ca-core/key.h"

#include <stdio.h>

#include "base/der.h"
#include "base/ossl.h"
#include "tests/unit/ca-core/pure.h"

static int parse(struct bytes spki, struct error *err)
{
	struct ca_key key;
	return ca_key_parse(spki, &key, err);
}

static struct bytes key_data(const char *name)
{
	char path[64];
	(void)snprintf(path, sizeof(path), "keys/%s.spki.der", name);
	return unit_data(path);
}

/* ---- what is accepted ---- */

static void accepts_each_type_in_its_fixed_form(void)
{
	static const struct {
		const char *name, *described;
		enum ca_key_type type;
		unsigned bits;
	} keys[] = {
		{ "p256", "P-256", CA_KEY_P256, 256 },       { "p384", "P-384", CA_KEY_P384, 384 },
		{ "p521", "P-521", CA_KEY_P521, 521 },       { "ed25519", "Ed25519", CA_KEY_ED25519, 256 },
		{ "rsa2048", "RSA 2048", CA_KEY_RSA, 2048 },
	};
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct ca_key key = pure_key(keys[i].name);
		char text[32];
		uint8_t hash[32];
		CHECK_INT(key.type, keys[i].type);
		CHECK_INT(key.bits, keys[i].bits);
		CHECK_TEXT(ca_key_describe(&key, text), keys[i].described);
		sha256(key.spki.data, key.spki.len, hash);
		CHECK_BYTES(BYTES(key.spki_hash, 32), BYTES(hash, 32));
	}
}

/* What ca_key_evp makes is the key that OpenSSL's own decoder reads from the same bytes. */
static void makes_the_same_key_as_openssls_decoder(void)
{
	static const char *const names[] = { "p256", "p384", "p521", "ed25519", "rsa2048" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct ca_key key = pure_key(names[i]);
		struct error err = ERR_INIT;
		const uint8_t *at = key.spki.data;
		auto_evp_pkey *ours = ca_key_evp(NULL, &key, &err);
		auto_evp_pkey *theirs = d2i_PUBKEY(NULL, &at, (long)key.spki.len);
		CHECK_OK(ours != NULL, &err);
		REQUIRE(theirs != NULL);
		CHECK_INT(EVP_PKEY_eq(ours, theirs), 1);
		uint8_t *again = NULL;
		int len = i2d_PUBKEY(ours, &again);
		CHECK_BYTES(BYTES(again, len), key.spki);
		OPENSSL_free(again);
	}
}

/* ---- form ---- */

static void refuses_each_key_cut_short_or_with_bytes_behind(void)
{
	static const char *const names[] = { "p256", "p384", "p521", "ed25519", "rsa2048" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct bytes whole = key_data(names[i]);
		auto_buf longer = BUF_INIT;
		for (size_t len = 0; len < whole.len; len++) {
			struct error err = ERR_INIT;
			CHECK_FAILS(parse(BYTES(whole.data, len), &err) != 0, &err, ERR_BAD_CSR);
		}
		struct error err = ERR_INIT;
		buf_add_bytes(&longer, whole);
		buf_u8(&longer, 0);
		CHECK_FAILS(parse(buf_bytes(&longer), &err) != 0, &err, ERR_BAD_CSR);
	}
}

/* The signer's wall: one bit elsewhere is another key or none, and never a crash. */
static void never_takes_a_flipped_bit_for_the_same_key(void)
{
	static const char *const names[] = { "p256", "p384", "p521", "ed25519", "rsa2048" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct ca_key whole = pure_key(names[i]);
		auto_buf damaged = BUF_INIT;
		buf_add_bytes(&damaged, whole.spki);
		for (size_t bit = 0; bit < 8 * damaged.len; bit++) {
			struct ca_key key;
			struct error err = ERR_INIT;
			damaged.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
			if (ca_key_parse(buf_bytes(&damaged), &key, &err) == 0)
				CHECK(memcmp(key.spki_hash, whole.spki_hash, 32) != 0);
			else
				CHECK(err.code == ERR_BAD_CSR || err.code == ERR_WEAK_KEY);
			damaged.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
		}
	}
}

/* A point with one bit flipped is off the curve, but for the half of chance: y alone has two values. */
static void refuses_points_off_their_curve(void)
{
	static const char *const names[] = { "p256", "p384", "p521" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct error err = ERR_INIT;
		auto_buf damaged = BUF_INIT;
		buf_add_bytes(&damaged, key_data(names[i]));
		damaged.data[damaged.len - 1] ^= 1;
		CHECK_FAILS(parse(buf_bytes(&damaged), &err) != 0, &err, ERR_WEAK_KEY);
	}
}

/* A P-256 key with this in place of its point. */
static int parse_point(struct bytes point, struct error *err)
{
	static const uint8_t algorithm[] = { 0x30, 0x13, 6,    7,    0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1,
					     6,    8,    0x2a, 0x86, 0x48, 0xce, 0x3d, 3,    1,    7 };
	auto_buf spki = BUF_INIT;
	buf_add(&spki, algorithm, sizeof(algorithm));
	der_add_bit_string(&spki, point);
	der_wrap(&spki, 0, DER_SEQUENCE);
	return parse(buf_bytes(&spki), err);
}

static void refuses_other_forms_of_a_point(void)
{
	struct ca_key key = pure_key("p256");
	struct error err = ERR_INIT;
	CHECK_OK(parse_point(key.point, &err) == 0, &err);
	auto_buf point = BUF_INIT;
	buf_add_bytes(&point, key.point);
	for (unsigned form = 0; form < 256; form++) {
		struct error why = ERR_INIT;
		point.data[0] = (uint8_t)form;
		CHECK_INT(parse_point(buf_bytes(&point), &why) == 0, form == 4);
	}
	CHECK_FAILS(parse_point(BYTES("\0", 1), &err) != 0, &err, ERR_WEAK_KEY); /* infinity */
	CHECK(strstr(err.message, "infinity") != NULL);
	CHECK_FAILS(parse_point(BYTES_NONE, &err) != 0, &err, ERR_BAD_CSR);
	uint8_t beyond[65];
	memset(beyond, 0xff, sizeof(beyond));
	beyond[0] = 4;
	CHECK_FAILS(parse_point(BYTES(beyond, sizeof(beyond)), &err) != 0, &err, ERR_WEAK_KEY);
}

/* ---- RSA ---- */

static int parse_rsa(struct bytes modulus, struct bytes exponent, struct error *err)
{
	static const uint8_t algorithm[] = { 0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0 };
	auto_buf key = BUF_INIT, spki = BUF_INIT;
	der_add_unsigned(&key, modulus);
	der_add_unsigned(&key, exponent);
	der_wrap(&key, 0, DER_SEQUENCE);
	buf_add(&spki, algorithm, sizeof(algorithm));
	der_add_bit_string(&spki, buf_bytes(&key));
	der_wrap(&spki, 0, DER_SEQUENCE);
	return parse(buf_bytes(&spki), err);
}

static void accepts_three_sizes_of_rsa_alone(void)
{
	static const struct {
		size_t octets;
		uint8_t first;
		bool good;
	} sizes[] = { { 128, 0x80, false }, { 255, 0x80, false },  { 256, 0x7f, false }, { 256, 0x80, true },
		      { 257, 0x01, false }, { 320, 0x80, false },  { 384, 0xff, true },  { 512, 0x80, true },
		      { 513, 0x80, false }, { 1024, 0x80, false }, { 2048, 0x80, false } };
	static uint8_t modulus[2048];
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct error err = ERR_INIT;
		memset(modulus, 0x55, sizeof(modulus));
		modulus[0] = sizes[i].first;
		int rc = parse_rsa(BYTES(modulus, sizes[i].octets), BYTES("\1\0\1", 3), &err);
		CHECK_INT(rc == 0, sizes[i].good);
		if (!sizes[i].good)
			CHECK_INT(err.code, ERR_WEAK_KEY);
	}
}

static void accepts_one_exponent_alone(void)
{
	struct ca_key key = pure_key("rsa2048");
	static const struct bytes exponents[] = { { (const uint8_t *)"\3", 1 },
						  { (const uint8_t *)"\1", 1 },
						  { (const uint8_t *)"\1\0\0", 3 },
						  { (const uint8_t *)"\1\0\1\0\1", 5 },
						  { (const uint8_t *)"", 0 } };
	for (size_t i = 0; i < sizeof(exponents) / sizeof(exponents[0]); i++) {
		struct error err = ERR_INIT;
		CHECK_FAILS(parse_rsa(key.modulus, exponents[i], &err) != 0, &err, ERR_WEAK_KEY);
	}
	struct error err = ERR_INIT;
	CHECK_OK(parse_rsa(key.modulus, BYTES("\1\0\1", 3), &err) == 0, &err);
}

static void refuses_an_even_modulus(void)
{
	struct error err = ERR_INIT;
	CHECK_FAILS(parse(unit_data("keys/weak/even.der"), &err) != 0, &err, ERR_WEAK_KEY);
	CHECK(strstr(err.message, "even") != NULL);
}

SUITE(key)
{
	TEST(accepts_each_type_in_its_fixed_form);
	TEST(makes_the_same_key_as_openssls_decoder);
	TEST(refuses_each_key_cut_short_or_with_bytes_behind);
	TEST(never_takes_a_flipped_bit_for_the_same_key);
	TEST(refuses_points_off_their_curve);
	TEST(refuses_other_forms_of_a_point);
	TEST(accepts_three_sizes_of_rsa_alone);
	TEST(accepts_one_exponent_alone);
	TEST(refuses_an_even_modulus);
}
