/*
 * A key that signs again and again. Setting an EVP_PKEY_CTX up costs several lookups, so those
 * that were used are kept: EVP_PKEY_sign may follow EVP_PKEY_sign_init any number of times.
 * EVP_DigestSign wants an initialization before each signature, which looks the digest up; so
 * the digest is made here. Ed25519 has none, and OpenSSL no other call for it.
 */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <pthread.h>

#include "base/ossl.h"
#include "hsm/provider.h"
#include "hsm/provider_private.h"

#define CONTEXTS_KEPT 16
#define SIGNATURE_MAX 1024
#define OURS "?provider=" HSM_PROVIDER_NAME

/* What a signature in the making needs. */
struct contexts {
	EVP_MD_CTX *hash; /* Ed25519: of EVP_DigestSign, which signing belongs to */
	EVP_PKEY_CTX *signing;
};

struct hsm_signer {
	struct hsm_key *key;
	OSSL_LIB_CTX *context;
	EVP_PKEY *pkey;
	EVP_MD *digest;       /* or NULL: Ed25519 */
	pthread_mutex_t lock; /* guards kept */
	struct contexts kept[CONTEXTS_KEPT];
	size_t kept_count;
};

/* ---- contexts ---- */

static void free_contexts(const struct hsm_signer *s, struct contexts *c)
{
	if (s->digest)
		EVP_PKEY_CTX_free(c->signing);
	EVP_MD_CTX_free(c->hash);
	*c = (struct contexts){ NULL, NULL };
}

static bool new_contexts(const struct hsm_signer *s, struct contexts *c)
{
	c->hash = EVP_MD_CTX_new();
	if (!c->hash)
		return false;
	if (!s->digest)
		return EVP_DigestSignInit_ex(c->hash, &c->signing, NULL, s->context, OURS, s->pkey, NULL) == 1;
	const OSSL_PARAM parameters[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST,
						 (char *)(uintptr_t)EVP_MD_get0_name(s->digest), 0),
		OSSL_PARAM_construct_end(),
	};
	c->signing = EVP_PKEY_CTX_new_from_pkey(s->context, s->pkey, OURS);
	return c->signing && EVP_PKEY_sign_init_ex(c->signing, parameters) == 1;
}

/* Before each signature. */
static bool begin(const struct hsm_signer *s, const struct contexts *c)
{
	return s->digest ? EVP_DigestInit_ex2(c->hash, s->digest, NULL) == 1
			 : EVP_DigestSignInit_ex(c->hash, NULL, NULL, NULL, NULL, NULL, NULL) == 1;
}

static int take(struct hsm_signer *s, struct contexts *c, struct error *err)
{
	*c = (struct contexts){ NULL, NULL };
	pthread_mutex_lock(&s->lock);
	if (s->kept_count > 0)
		*c = s->kept[--s->kept_count];
	pthread_mutex_unlock(&s->lock);
	if ((c->hash || new_contexts(s, c)) && begin(s, c))
		return 0;
	free_contexts(s, c);
	return err_openssl(err, ERR_INTERNAL, "cannot begin to sign with %s", hsm_key_uri(s->key));
}

static void keep(struct hsm_signer *s, struct contexts *c)
{
	pthread_mutex_lock(&s->lock);
	if (s->kept_count < CONTEXTS_KEPT) {
		s->kept[s->kept_count++] = *c;
		*c = (struct contexts){ NULL, NULL };
	}
	pthread_mutex_unlock(&s->lock);
	free_contexts(s, c);
}

/* What went wrong inside the provider, in our words. */
static int report(struct contexts *c, struct hsm_signer *s, struct error *err)
{
	void *inside = NULL;
	OSSL_PARAM parameters[] = {
		OSSL_PARAM_construct_octet_ptr(HSM_PARAM_ERROR, &inside, 0),
		OSSL_PARAM_construct_end(),
	};
	if (EVP_PKEY_CTX_get_params(c->signing, parameters) != 1 || !inside ||
	    ((const struct error *)inside)->code == ERR_NONE)
		return err_openssl(err, ERR_INTERNAL, "cannot sign with %s", hsm_key_uri(s->key));
	*err = *(const struct error *)inside;
	ERR_clear_error();
	return -1;
}

/* ---- signers ---- */

struct hsm_signer *hsm_signer_new(struct hsm_provider *p, struct hsm_key *key, struct error *err)
{
	struct hsm_signer *s = calloc(1, sizeof(*s));
	if (!s) {
		(void)err_set(err, ERR_INTERNAL, "no memory for a signer");
		return NULL;
	}
	const struct hsm_digest *digest = hsm_digest_for(hsm_key_type(key));
	pthread_mutex_init(&s->lock, NULL);
	s->key = key;
	s->context = hsm_provider_libctx(p);
	s->digest = digest ? EVP_MD_fetch(s->context, digest->name, NULL) : NULL;
	if (digest && !s->digest)
		(void)err_openssl(err, ERR_INTERNAL, "OpenSSL has no %s", digest->name);
	else
		s->pkey = hsm_provider_pkey(p, key, err);
	if (s->pkey)
		return s;
	hsm_signer_free(s);
	return NULL;
}

void hsm_signer_free(struct hsm_signer *s)
{
	if (!s)
		return;
	while (s->kept_count > 0)
		free_contexts(s, &s->kept[--s->kept_count]);
	EVP_PKEY_free(s->pkey);
	EVP_MD_free(s->digest);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

struct hsm_key *hsm_signer_key(const struct hsm_signer *s)
{
	return s->key;
}

/* ---- signing ---- */

static int give(const uint8_t *made, size_t len, struct buf *signature, struct error *err)
{
	buf_add(signature, made, len);
	return signature->failed ? err_set(err, ERR_INTERNAL, "no memory for a signature") : 0;
}

static int sign_hash(struct contexts *c, struct hsm_signer *s, struct bytes message, struct buf *signature,
		     struct error *err)
{
	uint8_t digest[EVP_MAX_MD_SIZE], made[SIGNATURE_MAX];
	unsigned digest_len = 0;
	size_t len = sizeof(made);
	if (EVP_DigestUpdate(c->hash, message.data, message.len) != 1 ||
	    EVP_DigestFinal_ex(c->hash, digest, &digest_len) != 1)
		return err_openssl(err, ERR_INTERNAL, "cannot hash what %s is to sign", hsm_key_uri(s->key));
	if (EVP_PKEY_sign(c->signing, made, &len, digest, digest_len) != 1)
		return report(c, s, err);
	return give(made, len, signature, err);
}

static int sign_whole(struct contexts *c, struct hsm_signer *s, struct bytes message, struct buf *signature,
		      struct error *err)
{
	uint8_t made[SIGNATURE_MAX];
	size_t len = sizeof(made);
	if (EVP_DigestSign(c->hash, made, &len, message.data, message.len) != 1)
		return report(c, s, err);
	return give(made, len, signature, err);
}

int hsm_sign(struct hsm_signer *s, struct bytes message, struct buf *signature, struct error *err)
{
	struct contexts c;
	if (take(s, &c, err))
		return -1;
	int done = s->digest ? sign_hash(&c, s, message, signature, err) : sign_whole(&c, s, message, signature, err);
	keep(s, &c);
	return done;
}
