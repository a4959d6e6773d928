#include "hsm/spki.h"

#include "tests/unit/unit.h"

#define P256_PARAMS "06082a8648ce3d030107"
#define P256_POINT                                                           \
	"046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296" \
	"4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
#define P256_SPKI "3059301306072a8648ce3d020106082a8648ce3d030107034200" P256_POINT
#define ED_POINT "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
#define ED_SPKI "302a300506032b6570032100" ED_POINT

static void expect(CK_KEY_TYPE type, struct bytes params, struct bytes point, enum hsm_key_type expected,
		   const char *spki)
{
	struct hsm_public_attributes a = { .type = type, .ec_params = params, .ec_point = point };
	enum hsm_key_type got = HSM_RSA_2048;
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	CHECK_OK(hsm_spki_from_attributes(&a, &got, &out, &err) == 0, &err);
	CHECK_INT(got, expected);
	CHECK_BYTES(buf_bytes(&out), unit_hex(spki));
}

static void refuses(const struct hsm_public_attributes *a)
{
	enum hsm_key_type got = HSM_RSA_2048;
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	CHECK_FAILS(hsm_spki_from_attributes(a, &got, &out, &err) == -1, &err, ERR_WEAK_KEY);
}

static void takes_a_point_wrapped_or_bare(void)
{
	expect(CKK_EC, unit_hex(P256_PARAMS), unit_hex("0441" P256_POINT), HSM_EC_P256, P256_SPKI);
	expect(CKK_EC, unit_hex(P256_PARAMS), unit_hex(P256_POINT), HSM_EC_P256, P256_SPKI);
}

static void takes_each_spelling_of_ed25519(void)
{
	expect(CKK_EC_EDWARDS, unit_hex("06032b6570"), unit_hex("0420" ED_POINT), HSM_ED25519, ED_SPKI);
	expect(CKK_EC_EDWARDS, unit_hex("06032b6570"), unit_hex(ED_POINT), HSM_ED25519, ED_SPKI);
	expect(CKK_EC_EDWARDS, unit_hex("130c656477617264733235353139"), unit_hex(ED_POINT), HSM_ED25519, ED_SPKI);
	expect(CKK_EC_EDWARDS, unit_hex("06092b06010401da470f01"), unit_hex(ED_POINT), HSM_ED25519, ED_SPKI);
}

static void refuses_other_curves_and_types(void)
{
	struct hsm_public_attributes secp256k1 = { .type = CKK_EC,
						   .ec_params = unit_hex("06052b8104000a"),
						   .ec_point = unit_hex(P256_POINT) };
	refuses(&secp256k1);
	struct hsm_public_attributes ed448 = { .type = CKK_EC_EDWARDS,
					       .ec_params = unit_hex("06032b6571"),
					       .ec_point = unit_hex(ED_POINT) };
	refuses(&ed448);
	struct hsm_public_attributes dsa = { .type = CKK_DSA };
	refuses(&dsa);
}

static void refuses_points_of_another_form(void)
{
	static const char *const points[] = {
		"",
		"00",
		"03" ED_POINT,
		"0441" P256_POINT "00",
		"0440" P256_POINT,
		"06" ED_POINT ED_POINT,
		"0442" P256_POINT,
	};
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		struct hsm_public_attributes a = { .type = CKK_EC,
						   .ec_params = unit_hex(P256_PARAMS),
						   .ec_point = unit_hex(points[i]) };
		refuses(&a);
	}
}

static void expect_rsa(size_t octets, uint8_t top, uint8_t bottom, const char *exponent, bool good)
{
	uint8_t modulus[520];
	memset(modulus, 0x5a, sizeof(modulus));
	modulus[0] = top;
	modulus[octets - 1] = bottom;
	struct hsm_public_attributes a = { .type = CKK_RSA,
					   .modulus = BYTES(modulus, octets),
					   .exponent = unit_hex(exponent) };
	enum hsm_key_type got = HSM_EC_P256;
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	if (!good) {
		refuses(&a);
		return;
	}
	CHECK_OK(hsm_spki_from_attributes(&a, &got, &out, &err) == 0, &err);
	CHECK_INT(got, octets == 256 ? HSM_RSA_2048 : octets == 384 ? HSM_RSA_3072 : HSM_RSA_4096);
}

static void serves_rsa_of_2048_3072_and_4096_bits_alone(void)
{
	expect_rsa(256, 0x80, 1, "010001", true);
	expect_rsa(384, 0xff, 1, "00010001", true);
	expect_rsa(512, 0x80, 1, "0100000001", true);
	expect_rsa(128, 0x80, 1, "010001", false);
	expect_rsa(256, 0x7f, 1, "010001", false);
	expect_rsa(257, 0x80, 1, "010001", false);
	expect_rsa(520, 0x80, 1, "010001", false);
}

static void refuses_even_moduli_and_bad_exponents(void)
{
	expect_rsa(256, 0x80, 2, "010001", false);
	expect_rsa(256, 0x80, 1, "03", false);
	expect_rsa(256, 0x80, 1, "00ffff", false);
	expect_rsa(256, 0x80, 1, "010002", false);
	expect_rsa(256, 0x80, 1, "", false);
	expect_rsa(256, 0x80, 1, "01" ED_POINT "01", false);
}

SUITE(spki)
{
	TEST(takes_a_point_wrapped_or_bare);
	TEST(takes_each_spelling_of_ed25519);
	TEST(refuses_other_curves_and_types);
	TEST(refuses_points_of_another_form);
	TEST(serves_rsa_of_2048_3072_and_4096_bits_alone);
	TEST(refuses_even_moduli_and_bad_exponents);
}
