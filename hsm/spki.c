#include "hsm/spki.h"

#include "base/der.h"

#define OCTETS(...) BYTES(((const uint8_t[]){ __VA_ARGS__ }), sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* OIDs with their headers, as CKA_EC_PARAMS has them. */
#define OID_P256 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07
#define OID_P384 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22
#define OID_P521 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23
#define OID_ED25519 0x06, 0x03, 0x2b, 0x65, 0x70
#define OID_EC_PUBLIC_KEY 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01

static const uint8_t params_p256[] = { OID_P256 };
static const uint8_t params_p384[] = { OID_P384 };
static const uint8_t params_p521[] = { OID_P521 };
static const uint8_t params_ed25519[] = { OID_ED25519 };
static const uint8_t params_ed25519_name[] = { 0x13, 12, 'e', 'd', 'w', 'a', 'r', 'd', 's', '2', '5', '5', '1', '9' };
/* 1.3.6.1.4.1.11591.15.1, the OID that some modules took before RFC 8410. */
static const uint8_t params_ed25519_gnu[] = { 0x06, 0x09, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01 };

/* AlgorithmIdentifiers of public keys. */
static const uint8_t algorithm_p256[] = { 0x30, 0x13, OID_EC_PUBLIC_KEY, OID_P256 };
static const uint8_t algorithm_p384[] = { 0x30, 0x10, OID_EC_PUBLIC_KEY, OID_P384 };
static const uint8_t algorithm_p521[] = { 0x30, 0x10, OID_EC_PUBLIC_KEY, OID_P521 };
static const uint8_t algorithm_ed25519[] = { 0x30, 0x05, OID_ED25519 };
static const uint8_t algorithm_rsa[] = { 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
					 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00 };

#define ALL(array) BYTES((array), sizeof(array))

struct bytes hsm_ec_params(enum hsm_key_type type)
{
	switch (type) {
	case HSM_EC_P256:
		return ALL(params_p256);
	case HSM_EC_P384:
		return ALL(params_p384);
	case HSM_EC_P521:
		return ALL(params_p521);
	case HSM_ED25519:
		return ALL(params_ed25519);
	default:
		return BYTES_NONE;
	}
}

struct bytes hsm_ec_params_edwards_name(void)
{
	return ALL(params_ed25519_name);
}

static struct bytes without_zeros(struct bytes b)
{
	while (b.len > 0 && b.data[0] == 0)
		b = BYTES(b.data + 1, b.len - 1);
	return b;
}

/* The point of `len` octets, whether it comes bare or in an OCTET STRING. */
static struct bytes point_of(struct bytes attribute, size_t len)
{
	if (attribute.len == len)
		return attribute;
	struct der cursor = der_of(attribute);
	struct bytes point = der_take(&cursor, DER_OCTET_STRING);
	return der_done(&cursor) && point.len == len ? point : BYTES_NONE;
}

static void add_spki(struct buf *out, struct bytes algorithm, struct bytes key)
{
	size_t mark = der_mark(out);
	buf_add_bytes(out, algorithm);
	der_add_bit_string(out, key);
	der_wrap(out, mark, DER_SEQUENCE);
}

/* The exponent's range is that of BR 6.1.6: odd, from 2^16 + 1 to 2^256 - 1. */
static int rsa_spki(const struct hsm_public_attributes *a, enum hsm_key_type *type, struct buf *spki, struct error *err)
{
	struct bytes n = without_zeros(a->modulus), e = without_zeros(a->exponent);
	static const struct {
		size_t octets;
		enum hsm_key_type type;
	} sizes[] = { { 256, HSM_RSA_2048 }, { 384, HSM_RSA_3072 }, { 512, HSM_RSA_4096 } };
	size_t i = 0;
	while (i < 3 && sizes[i].octets != n.len)
		i++;
	if (i == 3 || n.data[0] < 0x80 || !(n.data[n.len - 1] & 1))
		return err_set(err, ERR_WEAK_KEY, "the RSA modulus has %zu octets; 2048, 3072 or 4096 bits are served",
			       n.len);
	bool large_enough = e.len > 3 || (e.len == 3 && bytes_compare(e, OCTETS(1, 0, 1)) >= 0);
	if (!large_enough || e.len > 32 || !(e.data[e.len - 1] & 1))
		return err_set(err, ERR_WEAK_KEY, "the RSA exponent is not an odd number from 65537 to 2^256 - 1");

	auto_buf key = BUF_INIT;
	size_t mark = der_mark(&key);
	der_add_unsigned(&key, n);
	der_add_unsigned(&key, e);
	der_wrap(&key, mark, DER_SEQUENCE);
	*type = sizes[i].type;
	add_spki(spki, ALL(algorithm_rsa), buf_bytes(&key));
	return key.failed || spki->failed ? err_set(err, ERR_INTERNAL, "no memory for a public key") : 0;
}

static int ec_spki(const struct hsm_public_attributes *a, enum hsm_key_type *type, struct buf *spki, struct error *err)
{
	const struct {
		struct bytes params, algorithm;
		size_t coordinate;
		enum hsm_key_type type;
	} curves[] = { { ALL(params_p256), ALL(algorithm_p256), 32, HSM_EC_P256 },
		       { ALL(params_p384), ALL(algorithm_p384), 48, HSM_EC_P384 },
		       { ALL(params_p521), ALL(algorithm_p521), 66, HSM_EC_P521 } };
	size_t i = 0;
	while (i < 3 && !bytes_equal(curves[i].params, a->ec_params))
		i++;
	if (i == 3)
		return err_set(err, ERR_WEAK_KEY, "the EC key is on none of the named curves P-256, P-384, P-521");
	struct bytes point = point_of(a->ec_point, 1 + 2 * curves[i].coordinate);
	if (point.len == 0 || point.data[0] != 0x04)
		return err_set(err, ERR_WEAK_KEY, "the EC point is not an uncompressed point of its curve");
	*type = curves[i].type;
	add_spki(spki, curves[i].algorithm, point);
	return spki->failed ? err_set(err, ERR_INTERNAL, "no memory for a public key") : 0;
}

static int edwards_spki(const struct hsm_public_attributes *a, enum hsm_key_type *type, struct buf *spki,
			struct error *err)
{
	if (!bytes_equal(a->ec_params, ALL(params_ed25519)) && !bytes_equal(a->ec_params, ALL(params_ed25519_name)) &&
	    !bytes_equal(a->ec_params, ALL(params_ed25519_gnu)))
		return err_set(err, ERR_WEAK_KEY, "the Edwards key is not an Ed25519 key");
	struct bytes point = point_of(a->ec_point, 32);
	if (point.len == 0)
		return err_set(err, ERR_WEAK_KEY, "the Ed25519 public key has not 32 octets");
	*type = HSM_ED25519;
	add_spki(spki, ALL(algorithm_ed25519), point);
	return spki->failed ? err_set(err, ERR_INTERNAL, "no memory for a public key") : 0;
}

int hsm_spki_from_attributes(const struct hsm_public_attributes *a, enum hsm_key_type *type, struct buf *spki,
			     struct error *err)
{
	switch (a->type) {
	case CKK_RSA:
		return rsa_spki(a, type, spki, err);
	case CKK_EC:
		return ec_spki(a, type, spki, err);
	case CKK_EC_EDWARDS:
		return edwards_spki(a, type, spki, err);
	default:
		return err_set(err, ERR_WEAK_KEY, "the key's type (CKA_KEY_TYPE 0x%lx) is not served", a->type);
	}
}
