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
	/* For the store of the loadable module, else NULL. */
	struct provider_tokens *tokens;
	const char *module_path; /* of the PKCS#11 module, for URIs that name none; of the core, or NULL */
};

enum provider_family { FAMILY_RSA, FAMILY_EC, FAMILY_ED25519, FAMILY_COUNT };

/* What OpenSSL calls key data. */
struct provider_key {
	struct provider *provider;
	enum provider_family family;
	struct hsm_key *key;          /* NULL: a public key alone */
	struct provider_token *token; /* of the store: held, and key is owned; NULL: key is borrowed */
	EVP_PKEY *public_half;        /* in the inner context */
};

/* The name of EVP_PKEY_CTX_new_from_name: "RSA", "EC", "ED25519". Static. */
const char *hsm_provider_family_name(enum provider_family family);
enum provider_family hsm_provider_family_of(enum hsm_key_type type);

OSSL_FUNC_provider_query_operation_fn hsm_provider_query;
extern const OSSL_DISPATCH hsm_keymgmt_rsa[], hsm_keymgmt_ec[], hsm_keymgmt_ed25519[];
extern const OSSL_DISPATCH hsm_signature_rsa[], hsm_signature_ecdsa[], hsm_signature_ed25519[];

/* Key data of a token key, with its public half; owns key and the hold on token from here on.
 * NULL, and then nothing is owned: the public half cannot be read. */
struct provider_key *hsm_provider_key_new(struct provider *provider, struct hsm_key *key, struct provider_token *token);
void hsm_provider_key_free(void *keydata);

/* provider.c, for OSSL_PROVIDER_add_builtin. */
OSSL_provider_init_fn hsm_provider_init;
OSSL_FUNC_provider_teardown_fn hsm_provider_teardown;

/* ---- the loadable module alone ---- */

/* provider_tokens.c: modules and tokens while someone holds them. When the last hold goes,
 * token and module are closed: in the midst of the process, not by its exit handlers, which
 * meet those of the module in no order that anyone promises. Any thread. */
struct provider_tokens;
struct provider_tokens *hsm_provider_tokens_new(void); /* NULL: no memory */
void hsm_provider_tokens_free(struct provider_tokens *all);

/* Where a PIN comes from, asked at most once. 0, and *pin the caller's to free, or NULL where
 * the token is to be used without login; -1 with err. */
typedef int hsm_provider_pin_fn(void *argument, struct secret **pin, struct error *err);

/* The token that uri names (without object and query) in the module at path: opened and logged
 * in, or one more hold where it is so already. A PIN that was refused is not asked for again in
 * the life of `all`. Errors as hsm_module_open, hsm_token_open and pin have them. */
struct provider_token *hsm_provider_token_hold(struct provider_tokens *all, const char *path, const char *uri,
					       hsm_provider_pin_fn *pin, void *argument, struct error *err);
void hsm_provider_token_release(struct provider_token *token);
struct hsm_token *hsm_provider_token(const struct provider_token *token);

/* provider_store.c */
extern const OSSL_DISPATCH hsm_store_pkcs11[];

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
