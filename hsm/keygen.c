/*
 * Generating a key pair in the token, and proof that the token made what was asked for.
 */
#include <openssl/rand.h>
#include <stdio.h>

#include "base/log.h"
#include "base/ossl.h"
#include "hsm/private.h"
#include "hsm/scheme.h"
#include "hsm/spki.h"

#define ID_LEN 20

/* What the private key must be: asked for in the template where `ask`, read back always.
 * A use that the token does not know may stay unsaid (`silence`). */
static const struct rule {
	CK_ATTRIBUTE_TYPE type;
	const char *name;
	CK_BBOOL value;
	bool ask, silence;
} rules[] = {
	{ CKA_TOKEN, "CKA_TOKEN", CK_TRUE, true, false },
	{ CKA_PRIVATE, "CKA_PRIVATE", CK_TRUE, true, false },
	{ CKA_SENSITIVE, "CKA_SENSITIVE", CK_TRUE, true, false },
	{ CKA_SIGN, "CKA_SIGN", CK_TRUE, true, false },
	{ CKA_EXTRACTABLE, "CKA_EXTRACTABLE", CK_FALSE, true, false },
	{ CKA_MODIFIABLE, "CKA_MODIFIABLE", CK_FALSE, true, false },
	{ CKA_DECRYPT, "CKA_DECRYPT", CK_FALSE, true, false },
	{ CKA_UNWRAP, "CKA_UNWRAP", CK_FALSE, true, false },
	{ CKA_DERIVE, "CKA_DERIVE", CK_FALSE, true, false },
	{ CKA_SIGN_RECOVER, "CKA_SIGN_RECOVER", CK_FALSE, true, true },
	{ CKA_ALWAYS_SENSITIVE, "CKA_ALWAYS_SENSITIVE", CK_TRUE, false, false },
	{ CKA_NEVER_EXTRACTABLE, "CKA_NEVER_EXTRACTABLE", CK_TRUE, false, false },
	{ CKA_LOCAL, "CKA_LOCAL", CK_TRUE, false, true },
};
#define RULES (sizeof(rules) / sizeof(rules[0]))

struct generation {
	struct hsm_token *token;
	enum hsm_key_type type;
	const char *label;
	uint8_t id[ID_LEN];
	CK_OBJECT_HANDLE public_object, private_object;
};

static CK_RV generate_pair(struct generation *g, struct bytes ec_params)
{
	CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	CK_ULONG bits = g->type == HSM_RSA_2048 ? 2048 : g->type == HSM_RSA_3072 ? 3072 : 4096;
	const uint8_t exponent[] = { 1, 0, 1 };
	CK_ATTRIBUTE public_half[10] = {
		HSM_ATTRIBUTE(CKA_TOKEN, &yes, sizeof(yes)),
		HSM_ATTRIBUTE(CKA_PRIVATE, &no, sizeof(no)),
		HSM_ATTRIBUTE(CKA_VERIFY, &yes, sizeof(yes)),
		HSM_ATTRIBUTE(CKA_ENCRYPT, &no, sizeof(no)),
		HSM_ATTRIBUTE(CKA_WRAP, &no, sizeof(no)),
		HSM_ATTRIBUTE(CKA_MODIFIABLE, &no, sizeof(no)),
		HSM_ATTRIBUTE(CKA_LABEL, g->label, strlen(g->label)),
		HSM_ATTRIBUTE(CKA_ID, g->id, sizeof(g->id)),
	};
	CK_ULONG public_count = 8;
	bool rsa = hsm_key_type_is_rsa(g->type);
	if (rsa) {
		public_half[public_count++] = HSM_ATTRIBUTE(CKA_MODULUS_BITS, &bits, sizeof(bits));
		public_half[public_count++] = HSM_ATTRIBUTE(CKA_PUBLIC_EXPONENT, exponent, sizeof(exponent));
	} else {
		public_half[public_count++] = HSM_ATTRIBUTE(CKA_EC_PARAMS, ec_params.data, ec_params.len);
	}
	CK_ATTRIBUTE private_half[RULES + 2];
	CK_ULONG private_count = 0;
	for (size_t i = 0; i < RULES; i++) {
		if (rules[i].ask)
			private_half[private_count++] = HSM_ATTRIBUTE(rules[i].type, &rules[i].value, sizeof(CK_BBOOL));
	}
	private_half[private_count++] = HSM_ATTRIBUTE(CKA_LABEL, g->label, strlen(g->label));
	private_half[private_count++] = HSM_ATTRIBUTE(CKA_ID, g->id, sizeof(g->id));

	CK_MECHANISM mechanism = { rsa                      ? CKM_RSA_PKCS_KEY_PAIR_GEN
				   : g->type == HSM_ED25519 ? CKM_EC_EDWARDS_KEY_PAIR_GEN
							    : CKM_EC_KEY_PAIR_GEN,
				   NULL, 0 };
	struct hsm_token *t = g->token;
	hsm_token_lock(t);
	CK_RV rv = p11_call(t->fn, C_GenerateKeyPair, t->anchor, &mechanism, public_half, public_count, private_half,
			    private_count, &g->public_object, &g->private_object);
	hsm_token_unlock(t);
	return rv;
}

static int generate(struct generation *g, struct error *err)
{
	CK_RV rv = generate_pair(g, hsm_ec_params(g->type));
	if (g->type == HSM_ED25519 && hsm_ckr_class(rv) == HSM_CKR_ARGUMENT && rv != CKR_MECHANISM_INVALID)
		rv = generate_pair(g, hsm_ec_params_edwards_name());
	if (rv == CKR_OK)
		return 0;
	hsm_token_saw(g->token, "C_GenerateKeyPair", rv);
	(void)hsm_ckr_error(err, "C_GenerateKeyPair", rv);
	return err_wrap(err, ERR_TOKEN_UNAVAILABLE, "token %s does not generate a key of type %s: %s",
			hsm_token_label(g->token), hsm_key_type_name(g->type), hsm_ckr_name(rv));
}

static const char *flag_text(int value)
{
	return value < 0 ? "unsaid" : value ? "true" : "false";
}

/* All that is otherwise, so that who chooses a token sees the whole of it. */
static int check_attributes(struct hsm_token *t, CK_OBJECT_HANDLE object, const char *end, struct error *err)
{
	auto_buf others = BUF_INIT;
	for (size_t i = 0; i < RULES; i++) {
		int value = hsm_object_flag(t, object, rules[i].type);
		if (value == rules[i].value || (value < 0 && rules[i].silence))
			continue;
		buf_printf(&others, "%s%s %s instead of %s", others.len ? ", " : "", rules[i].name, flag_text(value),
			   flag_text(rules[i].value));
	}
	if (others.len == 0 && !others.failed)
		return 0;
	return err_set(err, ERR_TOKEN_UNAVAILABLE, "token %s made a key with %s%s", hsm_token_label(t),
		       buf_text(&others), end);
}

/* One signature, verified with the public half as the token told it. */
static int prove(struct hsm_key *k, struct error *err)
{
	static const char message[] = "chancery: this key can sign";
	struct hsm_scheme scheme = { .digest = hsm_digest_for(hsm_key_type(k)) };
	uint8_t digest[EVP_MAX_MD_SIZE];
	struct bytes input = BYTES(message, sizeof(message));
	const EVP_MD *md = scheme.digest ? EVP_get_digestbyname(scheme.digest->name) : NULL;
	if (scheme.digest) {
		if (!md || EVP_Digest(message, sizeof(message), digest, NULL, md, NULL) != 1)
			return err_openssl(err, ERR_INTERNAL, "cannot hash");
		input = BYTES(digest, scheme.digest->size);
	}
	auto_buf signature = BUF_INIT;
	if (hsm_scheme_sign(k, &scheme, input, &signature, err))
		return -1;

	struct bytes spki = hsm_key_spki(k);
	const unsigned char *at = spki.data;
	auto_evp_pkey *public_key = d2i_PUBKEY(NULL, &at, (long)spki.len);
	auto_evp_md_ctx *verifying = EVP_MD_CTX_new();
	if (!public_key || !verifying || EVP_DigestVerifyInit(verifying, NULL, md, NULL, public_key) != 1 ||
	    EVP_DigestVerify(verifying, signature.data, signature.len, (const uint8_t *)message, sizeof(message)) != 1)
		return err_openssl(err, ERR_INTEGRITY, "the signature of key %s does not verify", hsm_key_uri(k));
	return 0;
}

/* The key of a pair that was just made, or NULL when it is not as asked for. */
static struct hsm_key *accept_pair(const struct generation *g, struct error *err)
{
	if (check_attributes(g->token, g->private_object, "; the key was destroyed", err))
		return NULL;
	struct hsm_key *k = hsm_key_new(g->token, g->private_object, err);
	if (!k)
		return NULL;
	if (k->type != g->type)
		(void)err_set(err, ERR_TOKEN_UNAVAILABLE, "the token made a key of type %s instead of %s",
			      hsm_key_type_name(k->type), hsm_key_type_name(g->type));
	else if (prove(k, err) == 0)
		return k;
	hsm_key_free(k);
	return NULL;
}

#define HALVES_MAX 16

/* Objects of one class with this label; at most HALVES_MAX. How many, or -1. */
static int labelled(struct hsm_token *t, CK_OBJECT_CLASS class, const char *label, CK_OBJECT_HANDLE out[HALVES_MAX],
		    struct error *err)
{
	CK_BBOOL yes = CK_TRUE;
	const CK_ATTRIBUTE match[] = {
		HSM_ATTRIBUTE(CKA_CLASS, &class, sizeof(class)),
		HSM_ATTRIBUTE(CKA_TOKEN, &yes, sizeof(yes)),
		HSM_ATTRIBUTE(CKA_LABEL, label, strlen(label)),
	};
	return hsm_objects_find(t, match, 3, out, HALVES_MAX, err);
}

/* A label names one key. A public half alone is what a generation left that was ended in its middle: it goes. */
static int check_label(struct hsm_token *t, const char *label, struct error *err)
{
	size_t len = strlen(label);
	CK_OBJECT_HANDLE found[HALVES_MAX];
	if (len == 0 || len > HSM_URI_OBJECT_MAX)
		return err_set(err, ERR_CONFIG, "the label of a key has 1 to %d octets", HSM_URI_OBJECT_MAX);
	int count = labelled(t, CKO_PRIVATE_KEY, label, found, err);
	if (count < 0)
		return -1;
	if (count > 0)
		return err_set(err, ERR_CONFLICT, "token %s has a key with the label %s already", hsm_token_label(t),
			       label);
	count = labelled(t, CKO_PUBLIC_KEY, label, found, err);
	for (int i = 0; i < count; i++) {
		log_warn("public key without a private one removed", KV("token", hsm_token_label(t)),
			 KV("label", label));
		hsm_object_destroy(t, found[i]);
	}
	return count < 0 ? -1 : 0;
}

struct hsm_key *hsm_key_generate(struct hsm_token *t, enum hsm_key_type type, const char *label, struct error *err)
{
	struct generation g = { .token = t, .type = type, .label = label };
	if (check_label(t, label, err))
		return NULL;
	if (RAND_bytes(g.id, sizeof(g.id)) != 1) {
		(void)err_openssl(err, ERR_INTERNAL, "no random numbers for a CKA_ID");
		return NULL;
	}
	if (generate(&g, err))
		return NULL;
	struct hsm_key *k = accept_pair(&g, err);
	if (!k) {
		struct error destroying = ERR_INIT;
		if (hsm_key_destroy_objects(t, BYTES(g.id, sizeof(g.id)), &destroying))
			log_err(LOG_LEVEL_ERROR, "a refused key stays in the token", &destroying);
		return NULL;
	}
	log_info("token key generated", KV("key", hsm_key_uri(k)), KV("type", hsm_key_type_name(type)));
	return k;
}

int hsm_key_check(struct hsm_key *k, enum hsm_key_type type, struct error *err)
{
	if (k->type != type)
		return err_set(err, ERR_CONFLICT, "key %s is of type %s, not %s", hsm_key_uri(k),
			       hsm_key_type_name(k->type), hsm_key_type_name(type));
	if (check_attributes(k->token, atomic_load(&k->object), "", err))
		return -1;
	return prove(k, err);
}
