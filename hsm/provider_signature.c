/*
 * SIGNATURE for RSA and ECDSA: hash in the inner context, sign in the token, verify with the
 * public half, hand out. The hash that was signed is the hash that is verified.
 */
#include <openssl/err.h>
#include <openssl/proverr.h>
#include <openssl/rsa.h>

#include "base/ossl.h"
#include "hsm/provider_private.h"

/* ---- what Ed25519 shares ---- */

void *hsm_signature_new(void *provctx, const char *propq)
{
	(void)propq;
	struct signature *s = calloc(1, sizeof(*s));
	if (s) {
		s->provider = provctx;
		s->salt = RSA_PSS_SALTLEN_DIGEST;
	}
	return s;
}

void hsm_signature_free(void *ctx)
{
	struct signature *s = ctx;
	if (!s)
		return;
	EVP_MD_CTX_free(s->hash);
	EVP_PKEY_CTX_free(s->verifier);
	free(s);
}

int hsm_signature_fail(struct signature *s)
{
	ERR_raise_data(ERR_LIB_PROV, PROV_R_FAILED_TO_SIGN, "%s", s->error.message);
	return 0;
}

int hsm_signature_give(struct signature *s, const struct buf *made, unsigned char *out, size_t *out_len,
		       size_t out_size)
{
	if (made->len > out_size) {
		(void)err_set(&s->error, ERR_INTERNAL, "a signature of %zu octets does not fit in %zu", made->len,
			      out_size);
		return hsm_signature_fail(s);
	}
	memcpy(out, made->data, made->len);
	*out_len = made->len;
	return 1;
}

size_t hsm_signature_max(const struct signature *s)
{
	int size = s->key ? EVP_PKEY_get_size(s->key->public_half) : 0;
	return size > 0 ? (size_t)size : 0;
}

int hsm_signature_get_error(struct signature *s, OSSL_PARAM params[])
{
	OSSL_PARAM *p = OSSL_PARAM_locate(params, HSM_PARAM_ERROR);
	return !p || OSSL_PARAM_set_octet_ptr(p, &s->error, sizeof(s->error)) == 1;
}

/* ---- scheme ---- */

static bool is_rsa(const struct signature *s)
{
	return s->key->family == FAMILY_RSA;
}

static const EVP_MD *md_of(const struct signature *s, const struct hsm_digest *d)
{
	return s->provider->md[d - hsm_digests];
}

/* The digest of this name, or NULL: it is not one that we sign. */
static const struct hsm_digest *digest_named(const struct provider *p, const char *name)
{
	for (size_t i = 0; i < HSM_DIGESTS; i++) {
		if (EVP_MD_is_a(p->md[i], name))
			return &hsm_digests[i];
	}
	ERR_raise_data(ERR_LIB_PROV, PROV_R_DIGEST_NOT_ALLOWED, "%s; SHA256, SHA384 and SHA512 are", name);
	return NULL;
}

static void scheme_changed(struct signature *s)
{
	EVP_PKEY_CTX_free(s->verifier);
	s->verifier = NULL;
}

static int set_digest(struct signature *s, const char *name)
{
	const struct hsm_digest *d = digest_named(s->provider, name);
	if (!d)
		return 0;
	if (s->digest != d)
		scheme_changed(s);
	s->digest = d;
	return 1;
}

/* What salt the signature gets. OpenSSL's AUTO means the longest when it signs; the digest's
 * length is what RFC 4055 and every profile ask for. */
static size_t salt_to_sign(const struct signature *s)
{
	if (s->salt >= 0)
		return (size_t)s->salt;
	if (s->salt == RSA_PSS_SALTLEN_MAX)
		return hsm_signature_max(s) - s->digest->size - 2;
	return s->digest->size;
}

static int scheme_to_sign(struct signature *s, struct hsm_scheme *scheme)
{
	if (!s->key || !s->key->key || !s->digest || (s->mgf1 && s->mgf1 != s->digest)) {
		(void)err_set(&s->error, ERR_INTERNAL,
			      "no private key, no digest, or a mask function with another digest");
		return 0;
	}
	*scheme = (struct hsm_scheme){ .digest = s->digest, .pss = s->pss, .salt_len = s->pss ? salt_to_sign(s) : 0 };
	return 1;
}

/* ---- verifying, with the public half ---- */

static EVP_PKEY_CTX *new_verifier(struct signature *s)
{
	EVP_PKEY_CTX *v = EVP_PKEY_CTX_new_from_pkey(s->provider->inner, s->key->public_half, NULL);
	bool good = v && EVP_PKEY_verify_init(v) == 1;
	if (good && is_rsa(s))
		good = EVP_PKEY_CTX_set_rsa_padding(v, s->pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING) == 1 &&
		       EVP_PKEY_CTX_set_signature_md(v, md_of(s, s->digest)) == 1;
	if (good && is_rsa(s) && s->pss)
		good = EVP_PKEY_CTX_set_rsa_pss_saltlen(v, s->salt) == 1 &&
		       EVP_PKEY_CTX_set_rsa_mgf1_md(v, md_of(s, s->mgf1 ? s->mgf1 : s->digest)) == 1;
	if (good)
		return v;
	EVP_PKEY_CTX_free(v);
	return NULL;
}

static int verify_digest(struct signature *s, struct bytes digest, struct bytes signature)
{
	if (!s->key || !s->digest || digest.len != s->digest->size)
		return 0;
	if (!s->verifier)
		s->verifier = new_verifier(s);
	return s->verifier && EVP_PKEY_verify(s->verifier, signature.data, signature.len, digest.data, digest.len) == 1;
}

/* ---- signing ---- */

static int sign_digest(struct signature *s, struct bytes digest, unsigned char *out, size_t *out_len, size_t out_size)
{
	struct hsm_scheme scheme;
	s->error = ERR_INIT;
	if (!scheme_to_sign(s, &scheme))
		return hsm_signature_fail(s);
	auto_buf made = BUF_INIT;
	if (hsm_scheme_sign(s->key->key, &scheme, digest, &made, &s->error))
		return hsm_signature_fail(s);
	if (atomic_load_explicit(&s->provider->verify, memory_order_relaxed) &&
	    !verify_digest(s, digest, buf_bytes(&made))) {
		(void)err_set(&s->error, ERR_INTEGRITY, "the signature that the token made with %s does not verify",
			      hsm_key_uri(s->key->key));
		return hsm_signature_fail(s);
	}
	return hsm_signature_give(s, &made, out, out_len, out_size);
}

static int set_ctx_params(void *ctx, const OSSL_PARAM params[]);

/* For all four: a key that is given replaces the one before; none keeps it. */
static int begin(struct signature *s, void *key, const OSSL_PARAM params[])
{
	if (key && key != s->key) {
		scheme_changed(s);
		s->key = key;
	}
	s->error = ERR_INIT;
	return s->key && s->key->public_half && set_ctx_params(s, params);
}

static int sign_init(void *ctx, void *key, const OSSL_PARAM params[])
{
	return begin(ctx, key, params);
}

/* ECDSA over a digest is often used without naming it: then its length does. */
static void digest_by_length(struct signature *s, size_t len)
{
	for (size_t i = 0; !s->digest && s->key && !is_rsa(s) && i < HSM_DIGESTS; i++) {
		if (hsm_digests[i].size == len)
			s->digest = &hsm_digests[i];
	}
}

static int sign(void *ctx, unsigned char *out, size_t *out_len, size_t out_size, const unsigned char *digest,
		size_t len)
{
	struct signature *s = ctx;
	if (!out) {
		*out_len = hsm_signature_max(s);
		return *out_len > 0;
	}
	digest_by_length(s, len);
	return sign_digest(s, BYTES(digest, len), out, out_len, out_size);
}

static int verify(void *ctx, const unsigned char *signature, size_t signature_len, const unsigned char *digest,
		  size_t len)
{
	struct signature *s = ctx;
	digest_by_length(s, len);
	return verify_digest(s, BYTES(digest, len), BYTES(signature, signature_len));
}

/* ---- hashing and signing ---- */

static int digest_init(void *ctx, const char *name, void *key, const OSSL_PARAM params[])
{
	struct signature *s = ctx;
	if (!begin(s, key, params) || (name && *name && !set_digest(s, name)))
		return 0;
	if (!s->digest && s->key->key)
		s->digest = hsm_digest_for(hsm_key_type(s->key->key));
	if (!s->hash)
		s->hash = EVP_MD_CTX_new();
	return s->digest && s->hash && EVP_DigestInit_ex2(s->hash, md_of(s, s->digest), NULL) == 1;
}

static int digest_update(void *ctx, const unsigned char *data, size_t len)
{
	struct signature *s = ctx;
	return s->hash && EVP_DigestUpdate(s->hash, data, len) == 1;
}

static int digest_sign_final(void *ctx, unsigned char *out, size_t *out_len, size_t out_size)
{
	struct signature *s = ctx;
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	if (!out) {
		*out_len = hsm_signature_max(s);
		return *out_len > 0;
	}
	return s->hash && EVP_DigestFinal_ex(s->hash, digest, &len) == 1 &&
	       sign_digest(s, BYTES(digest, len), out, out_len, out_size);
}

/* In one go: EVP_DigestSign would otherwise copy the whole context to finish it. */
static int digest_sign(void *ctx, unsigned char *out, size_t *out_len, size_t out_size, const unsigned char *message,
		       size_t len)
{
	return (!out || digest_update(ctx, message, len)) && digest_sign_final(ctx, out, out_len, out_size);
}

static int digest_verify_final(void *ctx, const unsigned char *signature, size_t signature_len)
{
	struct signature *s = ctx;
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	return s->hash && EVP_DigestFinal_ex(s->hash, digest, &len) == 1 &&
	       verify_digest(s, BYTES(digest, len), BYTES(signature, signature_len));
}

static void *dup_ctx(void *ctx)
{
	const struct signature *from = ctx;
	struct signature *to = malloc(sizeof(*to));
	if (!to)
		return NULL;
	*to = *from;
	to->verifier = NULL; /* made anew when needed */
	to->hash = from->hash ? EVP_MD_CTX_new() : NULL;
	if (from->hash && (!to->hash || EVP_MD_CTX_copy_ex(to->hash, from->hash) != 1)) {
		hsm_signature_free(to);
		return NULL;
	}
	return to;
}

/* ---- parameters ---- */

static int set_padding(struct signature *s, const OSSL_PARAM *p)
{
	int mode = 0;
	if (p->data_type == OSSL_PARAM_UTF8_STRING && p->data) {
		if (strcmp(p->data, OSSL_PKEY_RSA_PAD_MODE_PKCSV15) == 0)
			mode = RSA_PKCS1_PADDING;
		else if (strcmp(p->data, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0)
			mode = RSA_PKCS1_PSS_PADDING;
	} else if (OSSL_PARAM_get_int(p, &mode) != 1) {
		return 0;
	}
	if (mode != RSA_PKCS1_PADDING && mode != RSA_PKCS1_PSS_PADDING) {
		ERR_raise(ERR_LIB_PROV, PROV_R_ILLEGAL_OR_UNSUPPORTED_PADDING_MODE);
		return 0;
	}
	s->pss = mode == RSA_PKCS1_PSS_PADDING;
	scheme_changed(s);
	return 1;
}

static int set_salt(struct signature *s, const OSSL_PARAM *p)
{
	int salt = 0;
	if (p->data_type != OSSL_PARAM_UTF8_STRING) {
		if (OSSL_PARAM_get_int(p, &salt) != 1)
			return 0;
	} else if (strcmp(p->data, OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST) == 0) {
		salt = RSA_PSS_SALTLEN_DIGEST;
	} else if (strcmp(p->data, OSSL_PKEY_RSA_PSS_SALT_LEN_AUTO) == 0) {
		salt = RSA_PSS_SALTLEN_AUTO;
	} else if (strcmp(p->data, OSSL_PKEY_RSA_PSS_SALT_LEN_MAX) == 0) {
		salt = RSA_PSS_SALTLEN_MAX;
	} else {
		char *end = NULL;
		long number = strtol(p->data, &end, 10);
		salt = *(const char *)p->data && !*end && number >= 0 && number <= 512 ? (int)number : -9;
	}
	if (salt < RSA_PSS_SALTLEN_MAX || salt > 512) {
		ERR_raise(ERR_LIB_PROV, PROV_R_INVALID_SALT_LENGTH);
		return 0;
	}
	s->salt = salt;
	scheme_changed(s);
	return 1;
}

static int set_mgf1(struct signature *s, const OSSL_PARAM *p)
{
	s->mgf1 = p->data_type == OSSL_PARAM_UTF8_STRING && p->data ? digest_named(s->provider, p->data) : NULL;
	scheme_changed(s);
	return s->mgf1 != NULL;
}

static int set_ctx_params(void *ctx, const OSSL_PARAM params[])
{
	struct signature *s = ctx;
	if (!params)
		return 1;
	const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_DIGEST);
	if (p && (p->data_type != OSSL_PARAM_UTF8_STRING || !p->data || !set_digest(s, p->data)))
		return 0;
	if (!s->key || !is_rsa(s))
		return 1;
	if ((p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE)) && !set_padding(s, p))
		return 0;
	if ((p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PSS_SALTLEN)) && !set_salt(s, p))
		return 0;
	p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_MGF1_DIGEST);
	return !p || set_mgf1(s, p);
}

/* Only a key of the token has an AlgorithmIdentifier to ask for: it is asked when signing. */
static int get_algorithm(struct signature *s, OSSL_PARAM *p)
{
	struct hsm_scheme scheme;
	if (!scheme_to_sign(s, &scheme))
		return 0;
	auto_buf der = BUF_INIT;
	hsm_scheme_algorithm(hsm_key_type(s->key->key), &scheme, &der);
	return !der.failed && OSSL_PARAM_set_octet_string(p, der.data, der.len) == 1;
}

static int get_ctx_params(void *ctx, OSSL_PARAM params[])
{
	struct signature *s = ctx;
	OSSL_PARAM *p = OSSL_PARAM_locate(params, OSSL_SIGNATURE_PARAM_ALGORITHM_ID);
	if (!hsm_signature_get_error(s, params) || (p && !get_algorithm(s, p)))
		return 0;
	p = OSSL_PARAM_locate(params, OSSL_SIGNATURE_PARAM_DIGEST);
	if (p && OSSL_PARAM_set_utf8_string(p, s->digest ? s->digest->name : "") != 1)
		return 0;
	p = OSSL_PARAM_locate(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
	if (p && p->data_type == OSSL_PARAM_INTEGER)
		return OSSL_PARAM_set_int(p, s->pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING);
	return !p ||
	       OSSL_PARAM_set_utf8_string(p, s->pss ? OSSL_PKEY_RSA_PAD_MODE_PSS : OSSL_PKEY_RSA_PAD_MODE_PKCSV15);
}

#define DIGEST_PARAMETER OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, NULL, 0)
#define RSA_PARAMETERS                                                             \
	OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),            \
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0), \
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, NULL, 0)

static const OSSL_PARAM *settable_rsa(void *ctx, void *provctx)
{
	static const OSSL_PARAM table[] = { DIGEST_PARAMETER, RSA_PARAMETERS, OSSL_PARAM_END };
	(void)ctx;
	(void)provctx;
	return table;
}

static const OSSL_PARAM *settable_ecdsa(void *ctx, void *provctx)
{
	static const OSSL_PARAM table[] = { DIGEST_PARAMETER, OSSL_PARAM_END };
	(void)ctx;
	(void)provctx;
	return table;
}

static const OSSL_PARAM *gettable(void *ctx, void *provctx)
{
	static const OSSL_PARAM table[] = { OSSL_PARAM_octet_string(OSSL_SIGNATURE_PARAM_ALGORITHM_ID, NULL, 0),
					    DIGEST_PARAMETER, OSSL_PARAM_END };
	(void)ctx;
	(void)provctx;
	return table;
}

/* ---- dispatch ---- */

#define ENTRY(id, function)                                          \
	{                                                            \
		OSSL_FUNC_SIGNATURE_##id, (void (*)(void))(function) \
	}
#define COMMON                                                                                                        \
	ENTRY(NEWCTX, hsm_signature_new), ENTRY(FREECTX, hsm_signature_free), ENTRY(DUPCTX, dup_ctx),                 \
		ENTRY(SIGN_INIT, sign_init), ENTRY(SIGN, sign), ENTRY(VERIFY_INIT, sign_init), ENTRY(VERIFY, verify), \
		ENTRY(DIGEST_SIGN_INIT, digest_init), ENTRY(DIGEST_SIGN_UPDATE, digest_update),                       \
		ENTRY(DIGEST_SIGN_FINAL, digest_sign_final), ENTRY(DIGEST_SIGN, digest_sign),                         \
		ENTRY(DIGEST_VERIFY_INIT, digest_init), ENTRY(DIGEST_VERIFY_UPDATE, digest_update),                   \
		ENTRY(DIGEST_VERIFY_FINAL, digest_verify_final), ENTRY(GET_CTX_PARAMS, get_ctx_params),               \
		ENTRY(GETTABLE_CTX_PARAMS, gettable), ENTRY(SET_CTX_PARAMS, set_ctx_params)

const OSSL_DISPATCH hsm_signature_rsa[] = { COMMON, ENTRY(SETTABLE_CTX_PARAMS, settable_rsa), { 0, NULL } };
const OSSL_DISPATCH hsm_signature_ecdsa[] = { COMMON, ENTRY(SETTABLE_CTX_PARAMS, settable_ecdsa), { 0, NULL } };
