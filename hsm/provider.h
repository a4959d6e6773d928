/*
 * hsm/provider.h - our OpenSSL 3 provider, in the same process: token keys as EVP_PKEY.
 *
 * The provider lives in a library context of its own (OSSL_LIB_CTX_new) with OpenSSL's
 * default provider loaded first: SoftHSM2 calls libcrypto's default context in this same
 * process, and must never meet us there. KEYMGMT and SIGNATURE for RSA (PKCS#1 v1.5 and
 * PSS), ECDSA P-256/384/521 and Ed25519. It verifies each signature that it makes before
 * handing it out: that is the one verification of our own signatures.
 */
#ifndef CHANCERY_HSM_PROVIDER_H
#define CHANCERY_HSM_PROVIDER_H

#include <openssl/evp.h>

#include "hsm/key.h"

struct hsm_provider;

/* NULL: ERR_INTERNAL. One per process is enough. Free after every EVP_PKEY made from it. */
struct hsm_provider *hsm_provider_new(struct error *err);
void hsm_provider_free(struct hsm_provider *p);
OSSL_LIB_CTX *hsm_provider_libctx(struct hsm_provider *p); /* borrowed */

/* An EVP_PKEY whose private operations happen in the token. It borrows key, which must
 * outlive it; the caller frees the EVP_PKEY. Public operations (i2d_PUBKEY, EVP_PKEY_eq,
 * verification) work without the token. Any thread may sign with it. */
EVP_PKEY *hsm_provider_pkey(struct hsm_provider *p, struct hsm_key *key, struct error *err);

/* The AlgorithmIdentifier (DER, whole SEQUENCE) of the signature that hsm_sign makes with
 * this key: hash by curve (P-256 SHA-256, P-384 SHA-384, P-521 SHA-512, RSA SHA-256 PKCS#1
 * v1.5 with NULL parameters, Ed25519 none). Static. Source: RFC 5758, RFC 4055, RFC 8410. */
struct bytes hsm_signature_algorithm(enum hsm_key_type type);

/* A prepared signer: an EVP_PKEY with its fetched digest and signature, for use again and
 * again. Any thread; contexts are kept per call, not shared. */
struct hsm_signer;
struct hsm_signer *hsm_signer_new(struct hsm_provider *p, struct hsm_key *key, struct error *err);
void hsm_signer_free(struct hsm_signer *s);
struct hsm_key *hsm_signer_key(const struct hsm_signer *s);
/* Signs message by hsm_signature_algorithm through EVP and the provider, which has verified
 * it; appends the signature as X.509 carries it (ECDSA: DER).
 * ERR_TOKEN_UNAVAILABLE; ERR_SIGNATURE_UNCERTAIN: the token may have signed; ERR_INTEGRITY where the token's signature does not verify. */
int hsm_sign(struct hsm_signer *s, struct bytes message, struct buf *signature, struct error *err);

/* For the benchmark alone: the same provider with its verification off. */
void hsm_provider_set_verify(struct hsm_provider *p, bool verify);

CLEANUP_POINTER(hsm_signer, struct hsm_signer, hsm_signer_free)
#define auto_hsm_signer CLEANUP(hsm_signer_cleanup) struct hsm_signer

#endif
