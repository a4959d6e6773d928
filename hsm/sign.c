/*
 * A key that signs again and again. Setting an EVP_MD_CTX up costs several lookups; those that
 * were used are kept, and set back, which costs none.
 */
#include <openssl/err.h>
#include <pthread.h>

#include "base/ossl.h"
#include "hsm/provider.h"
#include "hsm/provider_private.h"

#define CONTEXTS_KEPT 16
#define SIGNATURE_MAX 1024

struct hsm_signer {
	struct hsm_key *key;
	OSSL_LIB_CTX *context;
	EVP_PKEY *pkey;
	const char *digest;   /* or NULL: Ed25519 */
	pthread_mutex_t lock; /* guards kept */
	EVP_MD_CTX *kept[CONTEXTS_KEPT];
	size_t kept_count;
};

struct hsm_signing {
	struct hsm_signer *signer;
	EVP_MD_CTX *context;
	struct buf message; /* Ed25519, which needs the whole message */
};

/* ---- contexts ---- */

static EVP_MD_CTX *new_context(struct hsm_signer *s)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	if (c &&
	    EVP_DigestSignInit_ex(c, NULL, s->digest, s->context, "?provider=" HSM_PROVIDER_NAME, s->pkey, NULL) == 1)
		return c;
	EVP_MD_CTX_free(c);
	return NULL;
}

static EVP_MD_CTX *take(struct hsm_signer *s, struct error *err)
{
	EVP_MD_CTX *c = NULL;
	pthread_mutex_lock(&s->lock);
	if (s->kept_count > 0)
		c = s->kept[--s->kept_count];
	pthread_mutex_unlock(&s->lock);
	if (c && EVP_DigestSignInit_ex(c, NULL, NULL, NULL, NULL, NULL, NULL) != 1) {
		EVP_MD_CTX_free(c);
		c = NULL;
	}
	if (!c)
		c = new_context(s);
	if (!c) {
		(void)err_openssl(err, ERR_INTERNAL, "cannot begin to sign with %s", hsm_key_uri(s->key));
		return NULL;
	}
	/* The last step may use the context up; else it would be copied first. */
	EVP_MD_CTX_set_flags(c, EVP_MD_CTX_FLAG_FINALISE);
	return c;
}

static void keep(struct hsm_signer *s, EVP_MD_CTX *c)
{
	pthread_mutex_lock(&s->lock);
	if (s->kept_count < CONTEXTS_KEPT) {
		s->kept[s->kept_count++] = c;
		c = NULL;
	}
	pthread_mutex_unlock(&s->lock);
	EVP_MD_CTX_free(c);
}

/* What went wrong inside the provider, in our words. */
static int report(EVP_MD_CTX *c, struct hsm_signer *s, struct error *err)
{
	void *inside = NULL;
	OSSL_PARAM parameters[] = {
		OSSL_PARAM_construct_octet_ptr(HSM_PARAM_ERROR, &inside, 0),
		OSSL_PARAM_construct_end(),
	};
	if (EVP_PKEY_CTX_get_params(EVP_MD_CTX_get_pkey_ctx(c), parameters) != 1 || !inside ||
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
	s->digest = digest ? digest->name : NULL;
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
		EVP_MD_CTX_free(s->kept[--s->kept_count]);
	EVP_PKEY_free(s->pkey);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

struct hsm_key *hsm_signer_key(const struct hsm_signer *s)
{
	return s->key;
}

/* ---- in one go ---- */

static int sign_message(EVP_MD_CTX *c, struct hsm_signer *s, struct bytes message, struct buf *signature,
			struct error *err)
{
	uint8_t made[SIGNATURE_MAX];
	size_t len = sizeof(made);
	if (EVP_DigestSign(c, made, &len, message.data, message.len) != 1)
		return report(c, s, err);
	buf_add(signature, made, len);
	return signature->failed ? err_set(err, ERR_INTERNAL, "no memory for a signature") : 0;
}

int hsm_sign(struct hsm_signer *s, struct bytes message, struct buf *signature, struct error *err)
{
	EVP_MD_CTX *c = take(s, err);
	if (!c)
		return -1;
	int done = sign_message(c, s, message, signature, err);
	keep(s, c);
	return done;
}

/* ---- in parts ---- */

struct hsm_signing *hsm_signing_begin(struct hsm_signer *s, struct error *err)
{
	struct hsm_signing *g = calloc(1, sizeof(*g));
	if (!g) {
		(void)err_set(err, ERR_INTERNAL, "no memory for a signature");
		return NULL;
	}
	g->signer = s;
	g->context = take(s, err);
	if (g->context)
		return g;
	free(g);
	return NULL;
}

int hsm_signing_add(struct hsm_signing *g, struct bytes part, struct error *err)
{
	if (!g->signer->digest) {
		buf_add_bytes(&g->message, part);
		return g->message.failed ? err_set(err, ERR_INTERNAL, "no memory for a message to sign") : 0;
	}
	if (EVP_DigestSignUpdate(g->context, part.data, part.len) != 1)
		return report(g->context, g->signer, err);
	return 0;
}

static int finish(struct hsm_signing *g, struct buf *signature, struct error *err)
{
	if (!g->signer->digest)
		return sign_message(g->context, g->signer, buf_bytes(&g->message), signature, err);
	uint8_t made[SIGNATURE_MAX];
	size_t len = sizeof(made);
	if (EVP_DigestSignFinal(g->context, made, &len) != 1)
		return report(g->context, g->signer, err);
	buf_add(signature, made, len);
	return signature->failed ? err_set(err, ERR_INTERNAL, "no memory for a signature") : 0;
}

int hsm_signing_end(struct hsm_signing *g, struct buf *signature, struct error *err)
{
	int done = finish(g, signature, err);
	hsm_signing_cancel(g);
	return done;
}

void hsm_signing_cancel(struct hsm_signing *g)
{
	if (!g)
		return;
	keep(g->signer, g->context);
	buf_free(&g->message);
	free(g);
}
