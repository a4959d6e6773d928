/*
 * hsm/scheme.h - signature schemes between X.509's form and PKCS#11's: what goes into
 * C_Sign, what comes out, and which AlgorithmIdentifier stands beside it.
 *
 * Digests are SHA-256, SHA-384 and SHA-512; nothing weaker is signed.
 * Thread-safety: pure functions, but for the token that signs.
 */
#ifndef CHANCERY_HSM_SCHEME_H
#define CHANCERY_HSM_SCHEME_H

#include <p11-kit/pkcs11.h>

#include "hsm/key.h"

struct hsm_digest {
	const char *name; /* OpenSSL's: "SHA256" */
	size_t size;
	CK_MECHANISM_TYPE mechanism;
	CK_RSA_PKCS_MGF_TYPE mgf;
	uint8_t number; /* last octet of 2.16.840.1.101.3.4.2.n */
	uint8_t rsa;    /* last octet of 1.2.840.113549.1.1.n */
	uint8_t ecdsa;  /* last octet of 1.2.840.10045.4.3.n */
};
#define HSM_DIGESTS 3
extern const struct hsm_digest hsm_digests[HSM_DIGESTS]; /* SHA-256, SHA-384, SHA-512 */

/* The digest of hsm_signature_algorithm; NULL for Ed25519. Static. */
const struct hsm_digest *hsm_digest_for(enum hsm_key_type type);

bool hsm_key_type_is_rsa(enum hsm_key_type type);

struct hsm_scheme {
	const struct hsm_digest *digest; /* NULL: Ed25519 */
	bool pss;                        /* RSA: RSASSA-PSS with MGF1 over the same digest, or else PKCS#1 v1.5 */
	size_t salt_len;                 /* PSS: octets */
};

/* Signs in the token: input is the digest, or for Ed25519 the whole message. Appends the
 * signature as X.509 carries it (ECDSA: DER of RFC 3279 section 2.2.3). The result is not
 * verified. Errors as hsm_key_sign_raw. */
int hsm_scheme_sign(struct hsm_key *k, const struct hsm_scheme *s, struct bytes input, struct buf *signature,
		    struct error *err);

/* Appends the signature's AlgorithmIdentifier, the whole SEQUENCE.
 * Source: RFC 5758 section 3.2, RFC 4055 sections 2.1, 3.1 and 5, RFC 8410 section 3. */
void hsm_scheme_algorithm(enum hsm_key_type type, const struct hsm_scheme *s, struct buf *out);

#endif
