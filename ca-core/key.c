#include "ca-core/key.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <pthread.h>
#include <stdio.h>

#include "base/der.h"
#include "base/ossl.h"

/* ---- the fixed forms ----
 * An spki is accepted only if it is, octet for octet, one of these headers followed by a
 * key of the right length. RFC 3279 section 2.3.1, RFC 5480 section 2.1.1, RFC 8410 section 4. */

struct fixed_form {
	enum ca_key_type type;
	unsigned bits;
	size_t header_len, point_len;
	uint8_t header[32];
};

static const struct fixed_form forms[] = {
	{ CA_KEY_P256, 256, 26, 65, { 0x30, 0x59, 0x30, 0x13, 6,    7,    0x2a, 0x86, 0x48, 0xce, 0x3d, 2,    1,
				      6,    8,    0x2a, 0x86, 0x48, 0xce, 0x3d, 3,    1,    7,    3,    0x42, 0 } },
	{ CA_KEY_P384, 384, 23, 97, { 0x30, 0x76, 0x30, 0x10, 6,    7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2,
				      1,    6,    5,    0x2b, 0x81, 4, 0,    0x22, 3,    0x62, 0 } },
	{ CA_KEY_P521, 521, 25, 133, { 0x30, 0x81, 0x9b, 0x30, 0x10, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2,
				       1,    6,    5,    0x2b, 0x81, 4, 0, 0x23, 3,    0x81, 0x86, 0 } },
	{ CA_KEY_ED25519, 256, 12, 32, { 0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0 } },
};

static bool fits_form(const struct fixed_form *form, struct bytes spki)
{
	return spki.len == form->header_len + form->point_len && memcmp(spki.data, form->header, form->header_len) == 0;
}

/* ---- curves ---- */

/* Made once, read-only afterwards: a group costs more to make than a signature to verify. */
static struct {
	EC_GROUP *groups[3];
	pthread_once_t once;
} curves = { .once = PTHREAD_ONCE_INIT };

static void make_curves(void)
{
	static const int names[] = { NID_X9_62_prime256v1, NID_secp384r1, NID_secp521r1 };
	for (size_t i = 0; i < 3; i++)
		curves.groups[i] = EC_GROUP_new_by_curve_name(names[i]);
}

static const EC_GROUP *curve_of(enum ca_key_type type)
{
	(void)pthread_once(&curves.once, make_curves);
	switch (type) {
	case CA_KEY_P256:
		return curves.groups[0];
	case CA_KEY_P384:
		return curves.groups[1];
	case CA_KEY_P521:
		return curves.groups[2];
	case CA_KEY_RSA:
	case CA_KEY_ED25519:
		break;
	}
	return NULL;
}

CLEANUP_POINTER(ec_point, EC_POINT, EC_POINT_free)
#define auto_ec_point CLEANUP(ec_point_cleanup) EC_POINT

static int weak(struct error *err, const char *why, const char *allowed)
{
	(void)err_set(err, ERR_WEAK_KEY, "the public key is not accepted: %s", why);
	return err_about(err, "publicKey", NULL, allowed);
}

#define ALLOWED "RSA 2048, 3072 or 4096 with exponent 65537, P-256, P-384, P-521, Ed25519"

/* oct2point checks that the coordinates are in the field and on the curve. These curves have
 * cofactor 1: a point on the curve that is not at infinity is of full order. */
static int check_point(const struct ca_key *key, struct error *err)
{
	const EC_GROUP *group = curve_of(key->type);
	auto_ec_point *point = group ? EC_POINT_new(group) : NULL;
	if (!point)
		return err_openssl(err, ERR_INTERNAL, "no memory for a point");
	if (key->point.data[0] != 4)
		return weak(err, "its point is not in uncompressed form", ALLOWED);
	if (EC_POINT_oct2point(group, point, key->point.data, key->point.len, NULL) != 1 ||
	    EC_POINT_is_at_infinity(group, point)) {
		ERR_clear_error();
		return weak(err, "its point is not on the curve", ALLOWED);
	}
	return 0;
}

/* ---- RSA ---- */

static unsigned bit_length(struct bytes number)
{
	unsigned bits = (unsigned)number.len * 8;
	for (uint8_t top = number.data[0]; !(top & 0x80); top = (uint8_t)(top << 1))
		bits--;
	return bits;
}

/* SEQUENCE { SEQUENCE { rsaEncryption, NULL }, BIT STRING { SEQUENCE { modulus, exponent } } } */
static int parse_rsa(struct der *spki, struct ca_key *key, struct error *err)
{
	struct bytes bits = der_bit_string(spki);
	struct der outer = der_of(bits), numbers;
	der_enter(&outer, DER_SEQUENCE, &numbers);
	struct bytes modulus = der_integer(&numbers), exponent = der_integer(&numbers);
	if (!der_done(&numbers) || !der_done(&outer) || !der_done(spki))
		return err_set(err, ERR_BAD_CSR, "the RSA public key is not two integers in DER");
	if ((modulus.data[0] & 0x80) || (exponent.data[0] & 0x80))
		return weak(err, "its RSA modulus or exponent is negative", ALLOWED);
	if (modulus.len > 1 && modulus.data[0] == 0)
		modulus = BYTES(modulus.data + 1, modulus.len - 1);
	key->bits = modulus.data[0] ? bit_length(modulus) : 0;
	key->modulus = modulus;
	if (key->bits != 2048 && key->bits != 3072 && key->bits != 4096) {
		char why[64];
		(void)snprintf(why, sizeof(why), "its RSA modulus has %u bits", key->bits);
		return weak(err, why, ALLOWED);
	}
	if (exponent.len != 3 || memcmp(exponent.data, "\x01\x00\x01", 3) != 0)
		return weak(err, "its RSA exponent is not 65537", ALLOWED);
	if (!(modulus.data[modulus.len - 1] & 1))
		return weak(err, "its RSA modulus is even", ALLOWED);
	key->exponent = 65537;
	return 0;
}

/* ---- anything else: only to say what it is ---- */

static const uint8_t rsa_oid[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1 };
static const uint8_t ec_oid[] = { 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1 };

static int refuse_ec(struct der *algorithm, struct error *err)
{
	struct bytes content;
	int tag = der_any(algorithm, &content, NULL);
	if (tag == DER_SEQUENCE)
		return weak(err, "its curve is given by explicit parameters", ALLOWED);
	char name[64] = "?";
	if (tag == DER_OID)
		(void)der_oid_text(content, name, sizeof(name));
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (memmem(forms[i].header, forms[i].header_len, content.data, content.len) && tag == DER_OID)
			return weak(err, "its point has not the length of an uncompressed point of its curve", ALLOWED);
	char why[128];
	(void)snprintf(why, sizeof(why), "its curve (%s) is not one of those", name);
	return weak(err, why, ALLOWED);
}

static int parse_other(struct bytes spki, struct ca_key *key, struct error *err)
{
	struct der outer = der_of(spki), content, algorithm;
	der_enter(&outer, DER_SEQUENCE, &content);
	der_enter(&content, DER_SEQUENCE, &algorithm);
	struct bytes oid = der_oid(&algorithm);
	if (outer.failed || content.failed || algorithm.failed || outer.left.len)
		return err_set(err, ERR_BAD_CSR, "the public key is not one SubjectPublicKeyInfo in DER");
	if (bytes_equal(oid, BYTES(rsa_oid, sizeof(rsa_oid)))) {
		struct bytes null = der_take(&algorithm, DER_NULL);
		if (!der_done(&algorithm) || null.len)
			return err_set(err, ERR_BAD_CSR, "the RSA public key's parameters are not NULL");
		key->type = CA_KEY_RSA;
		return parse_rsa(&content, key, err);
	}
	if (bytes_equal(oid, BYTES(ec_oid, sizeof(ec_oid))))
		return refuse_ec(&algorithm, err);
	char name[64], why[128];
	(void)snprintf(why, sizeof(why), "its type (%s) is not served", der_oid_text(oid, name, sizeof(name)));
	return weak(err, why, ALLOWED);
}

int ca_key_parse(struct bytes spki, struct ca_key *key, struct error *err)
{
	*key = (struct ca_key){ .spki = spki };
	sha256(spki.data, spki.len, key->spki_hash);
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (!fits_form(&forms[i], spki))
			continue;
		key->type = forms[i].type;
		key->bits = forms[i].bits;
		key->point = BYTES(spki.data + forms[i].header_len, forms[i].point_len);
		return key->type == CA_KEY_ED25519 ? 0 : check_point(key, err);
	}
	return parse_other(spki, key, err);
}

/* ---- EVP ---- */

/* The key is built from its parts: OpenSSL's decoder would cost more than a verification. */
static EVP_PKEY *evp_from(OSSL_LIB_CTX *libctx, const char *type, OSSL_PARAM *params)
{
	auto_evp_pkey_ctx *ctx = EVP_PKEY_CTX_new_from_name(libctx, type, NULL);
	EVP_PKEY *pkey = NULL;
	if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1 || EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		return NULL;
	return pkey;
}

static EVP_PKEY *evp_rsa(OSSL_LIB_CTX *libctx, const struct ca_key *key)
{
	auto_bignum *n = BN_bin2bn(key->modulus.data, (int)key->modulus.len, NULL);
	auto_bignum *e = BN_new();
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params = NULL;
	if (n && e && builder && BN_set_word(e, key->exponent) == 1 &&
	    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
	    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1)
		params = OSSL_PARAM_BLD_to_param(builder);
	EVP_PKEY *pkey = params ? evp_from(libctx, "RSA", params) : NULL;
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(builder);
	return pkey;
}

static EVP_PKEY *evp_ec(OSSL_LIB_CTX *libctx, const struct ca_key *key)
{
	const char *group = key->type == CA_KEY_P256 ? "P-256" : key->type == CA_KEY_P384 ? "P-384" : "P-521";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)group, 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)key->point.data, key->point.len),
		OSSL_PARAM_construct_end(),
	};
	return evp_from(libctx, "EC", params);
}

EVP_PKEY *ca_key_evp(OSSL_LIB_CTX *libctx, const struct ca_key *key, struct error *err)
{
	EVP_PKEY *pkey = NULL;
	if (key->type == CA_KEY_RSA)
		pkey = evp_rsa(libctx, key);
	else if (key->type == CA_KEY_ED25519)
		pkey = EVP_PKEY_new_raw_public_key_ex(libctx, "ED25519", NULL, key->point.data, key->point.len);
	else
		pkey = evp_ec(libctx, key);
	if (!pkey)
		(void)err_openssl(err, ERR_BAD_CSR, "the public key cannot be used");
	return pkey;
}

char *ca_key_describe(const struct ca_key *key, char out[32])
{
	if (key->type == CA_KEY_RSA)
		(void)snprintf(out, 32, "RSA %u", key->bits);
	else if (key->type == CA_KEY_ED25519)
		(void)snprintf(out, 32, "Ed25519");
	else
		(void)snprintf(out, 32, "P-%u", key->bits);
	return out;
}
