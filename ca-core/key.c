#include "ca-core/key_private.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <pthread.h>
#include <stdio.h>

#include "base/der.h"
#include "base/ossl.h"

#define RSA_EXPONENT 65537

static const uint8_t oid_rsa[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01 };
static const uint8_t oid_ec[] = { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01 };
static const uint8_t oid_ed25519[] = { 0x2b, 0x65, 0x70 };
static const uint8_t oid_p256[] = { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
static const uint8_t oid_p384[] = { 0x2b, 0x81, 0x04, 0x00, 0x22 };
static const uint8_t oid_p521[] = { 0x2b, 0x81, 0x04, 0x00, 0x23 };
#define ALL(array) BYTES((array), sizeof(array))

struct curve {
	enum ca_key_type type;
	unsigned bits;
	size_t coordinate; /* octets */
	struct bytes oid;
	int nid;
	const char *group; /* OpenSSL's name */
};
static const struct curve curves[] = {
	{ CA_KEY_P256, 256, 32, { oid_p256, sizeof(oid_p256) }, NID_X9_62_prime256v1, "prime256v1" },
	{ CA_KEY_P384, 384, 48, { oid_p384, sizeof(oid_p384) }, NID_secp384r1, "secp384r1" },
	{ CA_KEY_P521, 521, 66, { oid_p521, sizeof(oid_p521) }, NID_secp521r1, "secp521r1" },
};
#define CURVE_COUNT (sizeof(curves) / sizeof(curves[0]))

/* Made once, immutable from then on: to make a group costs more than to verify with it. */
static pthread_once_t groups_once = PTHREAD_ONCE_INIT;
static EC_GROUP *groups[CURVE_COUNT];

static void make_groups(void)
{
	for (size_t i = 0; i < CURVE_COUNT; i++)
		groups[i] = EC_GROUP_new_by_curve_name(curves[i].nid);
}

const EC_GROUP *key_group(enum ca_key_type type)
{
	(void)pthread_once(&groups_once, make_groups);
	for (size_t i = 0; i < CURVE_COUNT; i++)
		if (curves[i].type == type)
			return groups[i];
	return NULL;
}

static int malformed(struct error *err, const char *why)
{
	(void)err_set(err, ERR_BAD_CSR, "the public key is malformed: %s", why);
	return err_about(err, "key", NULL, "one SubjectPublicKeyInfo in DER");
}

static int weak(struct error *err, const char *why)
{
	(void)err_set(err, ERR_WEAK_KEY, "the key is not accepted: %s", why);
	return err_about(err, "key", NULL,
			 "RSA of 2048, 3072 or 4096 bits with exponent 65537; P-256, P-384, P-521; Ed25519");
}

/* ---- elliptic curves ---- */

static int check_on_curve(size_t curve, struct bytes point, struct error *err)
{
	(void)pthread_once(&groups_once, make_groups);
	EC_POINT *p = groups[curve] ? EC_POINT_new(groups[curve]) : NULL;
	if (!p)
		return err_set(err, ERR_INTERNAL, "no memory for a point of curve %s", curves[curve].group);
	/* Refuses coordinates outside the field and what does not satisfy the curve's equation. */
	bool on_curve = EC_POINT_oct2point(groups[curve], p, point.data, point.len, NULL) == 1;
	EC_POINT_free(p);
	if (on_curve)
		return 0;
	ERR_clear_error();
	return weak(err, "the point is not on its curve");
}

static int parse_point(size_t curve, struct bytes point, struct error *err)
{
	size_t expected = 1 + 2 * curves[curve].coordinate;
	if (point.len == 1 && point.data[0] == 0)
		return weak(err, "the point is the one at infinity");
	if (point.len && (point.data[0] == 2 || point.data[0] == 3))
		return weak(err, "the point is compressed; write it uncompressed (RFC 5480 section 2.2)");
	if (point.len != expected || point.data[0] != 4)
		return malformed(err, "the point has not the length or form of its curve");
	return check_on_curve(curve, point, err);
}

static int parse_ec(struct der *parameters, struct bytes bits, struct ca_key *key, struct error *err)
{
	if (der_peek(parameters) == DER_SEQUENCE)
		return weak(err, "the curve is given by explicit parameters; name it (RFC 5480 section 2.1.1)");
	struct bytes oid = der_oid(parameters);
	if (!der_done(parameters))
		return malformed(err, "the curve is not named by one object identifier");
	size_t curve = 0;
	while (curve < CURVE_COUNT && !bytes_equal(curves[curve].oid, oid))
		curve++;
	if (curve == CURVE_COUNT) {
		char text[80], why[128];
		(void)snprintf(why, sizeof(why), "its curve (%s) is not served", der_oid_text(oid, text, sizeof(text)));
		return weak(err, why);
	}
	key->type = curves[curve].type;
	key->bits = curves[curve].bits;
	key->point = bits;
	return parse_point(curve, bits, err);
}

/* ---- RSA ---- */

static unsigned bit_length(struct bytes number)
{
	unsigned bits = (unsigned)number.len * 8;
	for (unsigned mask = 0x80; number.len && mask && !(number.data[0] & mask); mask >>= 1)
		bits--;
	return bits;
}

static int check_modulus(const struct ca_key *key, struct error *err)
{
	char why[96];
	if (!(key->modulus.data[key->modulus.len - 1] & 1))
		return weak(err, "the RSA modulus is even");
	if (key->bits == 2048 || key->bits == 3072 || key->bits == 4096)
		return 0;
	(void)snprintf(why, sizeof(why), "the RSA modulus has %u bits; 2048, 3072 and 4096 are served", key->bits);
	return weak(err, why);
}

static int parse_rsa(struct der *parameters, struct bytes bits, struct ca_key *key, struct error *err)
{
	struct der outer = der_of(bits), content;
	if (der_take(parameters, DER_NULL).len != 0 || !der_done(parameters))
		return malformed(err, "the parameters of an RSA key are not NULL (RFC 3279 section 2.3.1)");
	der_enter(&outer, DER_SEQUENCE, &content);
	struct bytes modulus = der_integer(&content), exponent = der_integer(&content);
	if (!der_done(&content) || !der_done(&outer))
		return malformed(err, "an RSA key is two integers in a sequence");
	if ((modulus.data[0] | exponent.data[0]) & 0x80)
		return malformed(err, "an RSA key has a negative number");
	if (modulus.data[0] == 0)
		modulus = BYTES(modulus.data + 1, modulus.len - 1);
	if (modulus.len == 0)
		return weak(err, "the RSA modulus is zero");
	key->type = CA_KEY_RSA;
	key->modulus = modulus;
	key->bits = bit_length(modulus);
	if (check_modulus(key, err))
		return -1;
	if (!bytes_equal(exponent, BYTES("\x01\x00\x01", 3)))
		return weak(err, "the RSA exponent is not 65537");
	key->exponent = RSA_EXPONENT;
	return 0;
}

/* ---- any ---- */

static int parse_ed25519(const struct der *parameters, struct bytes bits, struct ca_key *key, struct error *err)
{
	if (!der_done(parameters) || bits.len != 32)
		return malformed(err, "an Ed25519 key is 32 octets, without parameters (RFC 8410 section 3)");
	key->type = CA_KEY_ED25519;
	key->bits = 256;
	key->point = bits;
	return 0;
}

static int parse_by_type(struct bytes oid, struct der *parameters, struct bytes bits, struct ca_key *key,
			 struct error *err)
{
	if (bytes_equal(oid, ALL(oid_ec)))
		return parse_ec(parameters, bits, key, err);
	if (bytes_equal(oid, ALL(oid_rsa)))
		return parse_rsa(parameters, bits, key, err);
	if (bytes_equal(oid, ALL(oid_ed25519)))
		return parse_ed25519(parameters, bits, key, err);
	char text[80], why[128];
	(void)snprintf(why, sizeof(why), "its algorithm (%s) is not served", der_oid_text(oid, text, sizeof(text)));
	return weak(err, why);
}

int ca_key_parse(struct bytes spki, struct ca_key *key, struct error *err)
{
	struct der outer = der_of(spki), content, algorithm;
	*key = (struct ca_key){ .spki = spki };
	der_enter(&outer, DER_SEQUENCE, &content);
	der_enter(&content, DER_SEQUENCE, &algorithm);
	struct bytes oid = der_oid(&algorithm), bits = der_bit_string(&content);
	if (!der_done(&content) || !der_done(&outer) || algorithm.failed)
		return malformed(err, outer.failed       ? outer.failed
				      : content.failed   ? content.failed
				      : algorithm.failed ? algorithm.failed
							 : "bytes stand behind it");
	if (parse_by_type(oid, &algorithm, bits, key, err))
		return -1;
	sha256(spki.data, spki.len, key->spki_hash);
	return 0;
}

char *ca_key_describe(const struct ca_key *key, char out[32])
{
	switch (key->type) {
	case CA_KEY_RSA:
		(void)snprintf(out, 32, "RSA %u", key->bits);
		break;
	case CA_KEY_P256:
	case CA_KEY_P384:
	case CA_KEY_P521:
		(void)snprintf(out, 32, "P-%u", key->bits);
		break;
	case CA_KEY_ED25519:
		(void)snprintf(out, 32, "Ed25519");
		break;
	}
	return out;
}

/* ---- as OpenSSL's key ---- */

/* OpenSSL takes numbers in the machine's byte order. */
static size_t native_order(struct bytes big_endian, uint8_t out[512])
{
	BIGNUM *n = BN_bin2bn(big_endian.data, (int)big_endian.len, NULL);
	int len = n ? BN_bn2nativepad(n, out, (int)big_endian.len) : -1;
	BN_free(n);
	return len < 0 ? 0 : (size_t)len;
}

static EVP_PKEY *from_data(OSSL_LIB_CTX *libctx, const char *type, OSSL_PARAM *params, struct error *err)
{
	EVP_PKEY *pkey = NULL;
	auto_evp_pkey_ctx *ctx = EVP_PKEY_CTX_new_from_name(libctx, type, "provider=default");
	if (ctx && EVP_PKEY_fromdata_init(ctx) == 1 && EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) == 1)
		return pkey;
	(void)err_openssl(err, ERR_BAD_CSR, "OpenSSL does not take the %s public key", type);
	return NULL;
}

EVP_PKEY *ca_key_evp(OSSL_LIB_CTX *libctx, const struct ca_key *key, struct error *err)
{
	OSSL_PARAM params[3] = { OSSL_PARAM_END, OSSL_PARAM_END, OSSL_PARAM_END };
	if (key->type == CA_KEY_RSA) {
		uint8_t modulus[512];
		unsigned exponent = key->exponent;
		size_t len = key->modulus.len <= sizeof(modulus) ? native_order(key->modulus, modulus) : 0;
		params[0] = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, modulus, len);
		params[1] = OSSL_PARAM_construct_uint(OSSL_PKEY_PARAM_RSA_E, &exponent);
		return from_data(libctx, "RSA", params, err);
	}
	params[0] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t)key->point.data,
						      key->point.len);
	if (key->type == CA_KEY_ED25519)
		return from_data(libctx, "ED25519", params, err);
	size_t curve = 0;
	while (curve < CURVE_COUNT - 1 && curves[curve].type != key->type)
		curve++;
	params[1] =
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)(uintptr_t)curves[curve].group, 0);
	return from_data(libctx, "EC", params, err);
}
