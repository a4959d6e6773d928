/*
 * hsm/provider_private.h - what the files of the provider share.
 *
 * Two library contexts stand behind it. The outer one is the application's, in which this
 * provider is loaded. The inner one is the provider's own, with OpenSSL's default provider
 * alone: all public operations and digests happen there, so they can never come back to us.
 */
#ifndef CHANCERY_HSM_PROVIDER_PRIVATE_H
#define CHANCERY_HSM_PROVIDER_PRIVATE_H

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <stdatomic.h>

#include "hsm/key.h"
#include "hsm/scheme.h"

#define HSM_PROVIDER_NAME "chancery"
/* Parameter of EVP_PKEY_fromdata: the struct hsm_key, by OSSL_PARAM_OCTET_PTR, borrowed. */
#define HSM_PARAM_KEY "chancery-key"
/* Parameter of a signature context, to get: its struct error, by OSSL_PARAM_OCTET_PTR, borrowed. */
#define HSM_PARAM_ERROR "chancery-error"

/* What OpenSSL calls the provider's context. */
struct provider {
	OSSL_LIB_CTX *inner;
	OSSL_PROVIDER *standard;
	EVP_MD *md[HSM_DIGESTS]; /* of hsm_digests, in the same order */
	atomic_bool verify;      /* each signature that is made */
};

enum provider_family { FAMILY_RSA, FAMILY_EC, FAMILY_ED25519, FAMILY_COUNT };

/* What OpenSSL calls key data. */
struct provider_key {
	struct provider *provider;
	enum provider_family family;
	struct hsm_key *key;   /* borrowed; NULL: a public key alone */
	EVP_PKEY *public_half; /* in the inner context */
};

/* The name of EVP_PKEY_CTX_new_from_name: "RSA", "EC", "ED25519". Static. */
const char *hsm_provider_family_name(enum provider_family family);
enum provider_family hsm_provider_family_of(enum hsm_key_type type);

OSSL_FUNC_provider_query_operation_fn hsm_provider_query;
extern const OSSL_DISPATCH hsm_keymgmt_rsa[], hsm_keymgmt_ec[], hsm_keymgmt_ed25519[];
extern const OSSL_DISPATCH hsm_signature_rsa[], hsm_signature_ecdsa[], hsm_signature_ed25519[];

/* provider.c, for OSSL_PROVIDER_add_builtin. */
OSSL_provider_init_fn hsm_provider_init;

/* ---- provider_signature.c: a signature context, shared by the digest-based schemes and Ed25519 ---- */
struct signature {
	struct provider *provider;
	const struct provider_key *key; /* the EVP_PKEY_CTX around us holds the EVP_PKEY */
	const struct hsm_digest *digest;
	const struct hsm_digest *mgf1; /* as set, or NULL: the same as digest */
	bool pss;
	int salt;               /* octets, or RSA_PSS_SALTLEN_DIGEST, _AUTO, _MAX */
	EVP_MD_CTX *hash;       /* or NULL */
	EVP_PKEY_CTX *verifier; /* of the public half, for the scheme as set; or NULL */
	struct error error;     /* of the last operation */
};

void *hsm_signature_new(void *provctx, const char *propq);
void hsm_signature_free(void *ctx);
/* Puts s->error on OpenSSL's queue. Returns 0. */
int hsm_signature_fail(struct signature *s);
/* Copies what the token made to the caller's buffer. */
int hsm_signature_give(struct signature *s, const struct buf *made, unsigned char *out, size_t *out_len,
		       size_t out_size);
/* The size of the longest signature of the key; 0 without a key. */
size_t hsm_signature_max(const struct signature *s);
int hsm_signature_get_error(struct signature *s, OSSL_PARAM params[]);

#endif
