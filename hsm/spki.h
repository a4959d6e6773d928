/*
 * hsm/spki.h - the public half of a token key as a SubjectPublicKeyInfo.
 *
 * Tokens differ in how they give public attributes: the EC point wrapped in an OCTET
 * STRING (PKCS#11 v2.40 section 2.3.3) or bare, Ed25519 named by OID or by a
 * PrintableString. What comes out has one form for each type.
 *
 * Thread-safety: pure functions.
 */
#ifndef CHANCERY_HSM_SPKI_H
#define CHANCERY_HSM_SPKI_H

#include <p11-kit/pkcs11.h>

#include "base/bytes.h"
#include "base/err.h"
#include "hsm/key.h"

/* What the token says of a public key; borrowed. What a type has no use for is BYTES_NONE. */
struct hsm_public_attributes {
	CK_KEY_TYPE type;
	struct bytes modulus, exponent;   /* CKA_MODULUS, CKA_PUBLIC_EXPONENT: big-endian */
	struct bytes ec_params, ec_point; /* CKA_EC_PARAMS, CKA_EC_POINT */
};

/* Finds out the type, and appends the DER of RFC 8017 A.1.1, RFC 5480 section 2 (named
 * curve, uncompressed point) or RFC 8410 section 4 to spki. Whether the point lies on
 * its curve is left to who decodes it. ERR_WEAK_KEY: a type, size, exponent or form of
 * point that we do not serve. */
int hsm_spki_from_attributes(const struct hsm_public_attributes *a, enum hsm_key_type *type, struct buf *spki,
			     struct error *err);

/* CKA_EC_PARAMS that asks for a key of this type; BYTES_NONE for RSA. Static. */
struct bytes hsm_ec_params(enum hsm_key_type type);
/* The second spelling of Ed25519: PrintableString "edwards25519". Static. */
struct bytes hsm_ec_params_edwards_name(void);

#endif
