/*
 * hsm/key.h - a private key in a token: found, generated, used, destroyed.
 */
#ifndef CHANCERY_HSM_KEY_H
#define CHANCERY_HSM_KEY_H

#include "base/bytes.h"
#include "hsm/token.h"

struct hsm_key;

enum hsm_key_type {
	HSM_RSA_2048,
	HSM_RSA_3072,
	HSM_RSA_4096,
	HSM_EC_P256,
	HSM_EC_P384,
	HSM_EC_P521,
	HSM_ED25519,
};
/* "rsa2048", "rsa3072", "rsa4096", "p256", "p384", "p521", "ed25519". */
const char *hsm_key_type_name(enum hsm_key_type type);
int hsm_key_type_parse(const char *name, enum hsm_key_type *type, struct error *err); /* ERR_CONFIG */

/* Finds the private key that an RFC 7512 URI names in t (object, id), and its public half
 * (CKO_PUBLIC_KEY of the same CKA_ID, or the private object's own public attributes).
 * ERR_NOT_FOUND, ERR_CONFIG (several match), ERR_TOKEN_UNAVAILABLE, ERR_WEAK_KEY (a type that we do not serve). */
struct hsm_key *hsm_key_find(struct hsm_token *t, const char *uri, struct error *err);

/* Generates a key pair (PKCS#11 v2.40 C_GenerateKeyPair) labelled `label` with a random
 * CKA_ID of 20 octets: CKA_TOKEN, CKA_PRIVATE, CKA_SENSITIVE, CKA_SIGN true; CKA_EXTRACTABLE,
 * CKA_MODIFIABLE, CKA_DECRYPT, CKA_UNWRAP, CKA_DERIVE and every other use false. All of them
 * are read back, with CKA_ALWAYS_SENSITIVE and CKA_NEVER_EXTRACTABLE; a token that keeps
 * another value gets the pair destroyed and ERR_TOKEN_UNAVAILABLE says which.
 * ERR_CONFLICT where a key with this label exists. Signs and verifies once before it returns. */
struct hsm_key *hsm_key_generate(struct hsm_token *t, enum hsm_key_type type, const char *label, struct error *err);

/* Whether a key that was found is what hsm_key_generate gives out: of this type, with all those attributes, and it signs
 * and verifies once. For who was interrupted behind its generation. ERR_CONFLICT for another type,
 * ERR_TOKEN_UNAVAILABLE for other attributes, ERR_INTEGRITY. Nothing is destroyed. */
int hsm_key_check(struct hsm_key *k, enum hsm_key_type type, struct error *err);

/* Destroys both objects in the token; the struct still has to be freed. */
int hsm_key_destroy(struct hsm_key *k, struct error *err);

void hsm_key_free(struct hsm_key *k);

enum hsm_key_type hsm_key_type(const struct hsm_key *k);
struct bytes hsm_key_spki(const struct hsm_key *k); /* DER SubjectPublicKeyInfo, borrowed */
struct bytes hsm_key_id(const struct hsm_key *k);   /* CKA_ID, borrowed */
/* pkcs11:token=...;object=...;id=%..;type=private; borrowed. */
const char *hsm_key_uri(const struct hsm_key *k);
struct hsm_token *hsm_key_token(const struct hsm_key *k);

/* False from when the token came back without it, or with another key in its place. Any thread. */
bool hsm_key_is_there(const struct hsm_key *k);

/* One raw signature by the token (C_SignInit, C_Sign) on a session of the pool: mechanism and
 * its parameter as PKCS#11 wants them, input as the mechanism wants it, output as the token
 * gives it (ECDSA: r||s). Tried once more where another session, the key's new handle or a new
 * login may help, and the token certainly did not sign. For the provider and the benchmark;
 * everyone else signs through EVP. ERR_TOKEN_UNAVAILABLE: C_Sign was never called, nothing is
 * signed. ERR_SIGNATURE_UNCERTAIN: it was called and failed; the token may have signed. Both have
 * the CK_RV's name in the message. Any thread. */
int hsm_key_sign_raw(struct hsm_key *k, unsigned long mechanism, const void *parameter, size_t parameter_len,
		     struct bytes input, struct buf *signature, struct error *err);

CLEANUP_POINTER(hsm_key, struct hsm_key, hsm_key_free)
#define auto_hsm_key CLEANUP(hsm_key_cleanup) struct hsm_key

#endif
