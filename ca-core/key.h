/*
 * ca-core/key.h - public keys that may be certified.
 *
 * Pure. The signer accepts an spki only as one complete element equal to the fixed form of
 * its type, without a general decoder; the front also checks how the key was made.
 * Thread-safety: every function works only on its arguments.
 * Source: RFC 3279, RFC 5480, RFC 8410; BR 6.1.1.3 and 6.1.6; NIST SP 800-89 section 5.3.3.
 */
#ifndef CHANCERY_CA_KEY_H
#define CHANCERY_CA_KEY_H

#include <openssl/evp.h>

#include "base/bytes.h"
#include "base/err.h"

enum ca_key_type { CA_KEY_RSA, CA_KEY_P256, CA_KEY_P384, CA_KEY_P521, CA_KEY_ED25519 };

struct ca_key {
	enum ca_key_type type;
	unsigned bits;        /* modulus size; 256, 384, 521; 256 for Ed25519 */
	struct bytes spki;    /* whole SubjectPublicKeyInfo, borrowed */
	struct bytes point;   /* EC: 04||x||y; Ed25519: 32 octets; borrowed */
	struct bytes modulus; /* RSA, without the leading zero; borrowed */
	uint32_t exponent;    /* RSA */
	uint8_t spki_hash[32];
};

/* Reads an spki: one element, nothing behind it, exactly the fixed form of its type; RSA
 * 2048, 3072 or 4096 bits (the top bit set), exponent 65537, modulus odd; point uncompressed
 * and on the curve, not at infinity. ERR_BAD_CSR for form, ERR_WEAK_KEY for what is not
 * accepted (each with the reason). key borrows from spki. */
int ca_key_parse(struct bytes spki, struct ca_key *key, struct error *err);

/* How it was made: no prime factor below 2^16, not two close primes (100 rounds of Fermat's
 * method), not of the ROCA family (CVE-2017-15361). Nothing to do for other types. ERR_WEAK_KEY. */
int ca_key_check_made_well(const struct ca_key *key, struct error *err);

/* An EVP_PKEY without a general decoder, fast. libctx may be NULL. Caller frees. ERR_BAD_CSR. */
EVP_PKEY *ca_key_evp(OSSL_LIB_CTX *libctx, const struct ca_key *key, struct error *err);

/* Verifies a signature as X.509 carries it (ECDSA: DER; RSA: PKCS #1 v1.5) over message. digest_bits: 256, 384, 512 for
 * SHA-2 of that size; 0 for Ed25519. 1 good, 0 not, -1 ERR_INTERNAL. */
int ca_key_verify(const struct ca_key *key, unsigned digest_bits, struct bytes message, struct bytes signature,
		  struct error *err);
/* The digest that an issuer's key of this type signs with: the hash follows the curve. Source: RFC 5758, PKI.md 1. */
unsigned ca_key_digest_bits(enum ca_key_type type);

/* "RSA 2048", "P-256", "Ed25519" into out. Returns out. */
char *ca_key_describe(const struct ca_key *key, char out[32]);

#endif
