/*
 * SIGNATURE for Ed25519 (RFC 8032): the whole message at once, no digest.
 */
#include "base/ossl.h"
#include "hsm/provider.h"
#include "hsm/provider_private.h"

/* hash, which Ed25519 has no use for, is the EVP_DigestVerify context of key's public half, once
 * one was needed: setting it up costs several lookups, setting it back none. */
static int init(void *ctx, const char *digest, void *key, const OSSL_PARAM params[])
{
	struct signature *s = ctx;
	(void)params;
	if (key && key != s->key) {
		EVP_MD_CTX_free(s->hash);
		s->hash = NULL;
		s->key = key;
	}
	s->error = ERR_INIT;
	return s->key && s->key->public_half && (!digest || !*digest);
}

static bool begin_to_verify(struct signature *s)
{
	if (s->hash)
		return EVP_DigestVerifyInit_ex(s->hash, NULL, NULL, NULL, NULL, NULL, NULL) == 1;
	s->hash = EVP_MD_CTX_new();
	if (s->hash &&
	    EVP_DigestVerifyInit_ex(s->hash, NULL, NULL, s->provider->inner, NULL, s->key->public_half, NULL) == 1)
		return true;
	EVP_MD_CTX_free(s->hash);
	s->hash = NULL;
	return false;
}

static int verify(void *ctx, const unsigned char *signature, size_t signature_len, const unsigned char *message,
		  size_t len)
{
	struct signature *s = ctx;
	return begin_to_verify(s) && EVP_DigestVerify(s->hash, signature, signature_len, message, len) == 1;
}

static int sign(void *ctx, unsigned char *out, size_t *out_len, size_t out_size, const unsigned char *message,
		size_t len)
{
	struct signature *s = ctx;
	if (!out) {
		*out_len = hsm_signature_max(s);
		return *out_len > 0;
	}
	s->error = ERR_INIT;
	if (!s->key->key) {
		(void)err_set(&s->error, ERR_INTERNAL, "no private key");
		return hsm_signature_fail(s);
	}
	const struct hsm_scheme scheme = { .digest = NULL };
	auto_buf made = BUF_INIT;
	if (hsm_scheme_sign(s->key->key, &scheme, BYTES(message, len), &made, &s->error))
		return hsm_signature_fail(s);
	if (atomic_load_explicit(&s->provider->verify, memory_order_relaxed) &&
	    !verify(s, made.data, made.len, message, len)) {
		(void)err_set(&s->error, ERR_INTEGRITY, "the signature that the token made with %s does not verify",
			      hsm_key_uri(s->key->key));
		return hsm_signature_fail(s);
	}
	return hsm_signature_give(s, &made, out, out_len, out_size);
}

static void *dup_ctx(void *ctx)
{
	struct signature *to = malloc(sizeof(*to)); /* the verifier is never made for Ed25519 */
	if (!to)
		return NULL;
	*to = *(const struct signature *)ctx;
	to->hash = NULL; /* made anew when needed */
	return to;
}

static int get_ctx_params(void *ctx, OSSL_PARAM params[])
{
	struct bytes algorithm = hsm_signature_algorithm(HSM_ED25519);
	OSSL_PARAM *p = OSSL_PARAM_locate(params, OSSL_SIGNATURE_PARAM_ALGORITHM_ID);
	return hsm_signature_get_error(ctx, params) &&
	       (!p || OSSL_PARAM_set_octet_string(p, algorithm.data, algorithm.len) == 1);
}

static const OSSL_PARAM *gettable(void *ctx, void *provctx)
{
	static const OSSL_PARAM table[] = { OSSL_PARAM_octet_string(OSSL_SIGNATURE_PARAM_ALGORITHM_ID, NULL, 0),
					    OSSL_PARAM_END };
	(void)ctx;
	(void)provctx;
	return table;
}

#define ENTRY(id, function)                                          \
	{                                                            \
		OSSL_FUNC_SIGNATURE_##id, (void (*)(void))(function) \
	}

const OSSL_DISPATCH hsm_signature_ed25519[] = {
	ENTRY(NEWCTX, hsm_signature_new),
	ENTRY(FREECTX, hsm_signature_free),
	ENTRY(DUPCTX, dup_ctx),
	ENTRY(DIGEST_SIGN_INIT, init),
	ENTRY(DIGEST_SIGN, sign),
	ENTRY(DIGEST_VERIFY_INIT, init),
	ENTRY(DIGEST_VERIFY, verify),
	ENTRY(GET_CTX_PARAMS, get_ctx_params),
	ENTRY(GETTABLE_CTX_PARAMS, gettable),
	{ 0, NULL },
};
