#include "tools/credential.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "hsm/provider.h"
#include "hsm/uri.h"
#include "tools/keys.h"

#define CERTIFICATES_MAX ((size_t)256 << 10)
#define SESSIONS 2

struct credential {
	STACK_OF(X509) * certificates; /* the leaf first */
	struct buf leaf;
	char *name; /* common name, or NULL */
	EVP_PKEY *key;
	/* of a key in a token, else NULL */
	struct hsm_module *module;
	struct hsm_token *token;
	struct hsm_key *token_key;
	struct hsm_provider *provider;
	struct hsm_signer *signer;
};

void credential_free(struct credential *c)
{
	if (!c)
		return;
	sk_X509_pop_free(c->certificates, X509_free);
	buf_free(&c->leaf);
	free(c->name);
	EVP_PKEY_free(c->key);
	hsm_signer_free(c->signer);
	hsm_provider_free(c->provider);
	hsm_key_free(c->token_key);
	if (c->token)
		hsm_token_close(c->token);
	if (c->module)
		hsm_module_close(c->module);
	free(c);
}

/* ---- the certificate ---- */

static int keep_leaf(struct credential *c, struct error *err)
{
	X509 *leaf = sk_X509_value(c->certificates, 0);
	auto_ca_names names = CA_NAMES_INIT;
	auto_buf name = BUF_INIT;
	struct error ignored = ERR_INIT;
	int length = i2d_X509(leaf, NULL);
	uint8_t *at = length > 0 ? buf_extend(&c->leaf, (size_t)length) : NULL;
	if (!at || i2d_X509(leaf, &at) != length)
		return err_openssl(err, ERR_INTERNAL, "cannot encode a certificate");
	(void)certificate_names(leaf, &name, &names, &ignored);
	c->name = name.len && !memchr(name.data, '\0', name.len) ? strdup(buf_text(&name)) : NULL;
	return 0;
}

static int read_certificates(struct credential *c, const char *path, struct error *err)
{
	auto_buf pem = BUF_INIT;
	if (file_read(path, CERTIFICATES_MAX, &pem, err))
		return -1;
	auto_bio *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	c->certificates = sk_X509_new_null();
	X509 *next;
	while (bio && c->certificates && (next = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
		if (sk_X509_push(c->certificates, next) <= 0)
			X509_free(next);
	ERR_clear_error(); /* the end of the text counts as one */
	if (sk_X509_num(c->certificates) < 1)
		return err_set(err, ERR_BAD_REQUEST, "%s holds no certificate that can be read", path);
	return keep_leaf(c, err);
}

/* ---- a key in a token ---- */

/* The URI's token alone, or its key alone. */
static const char *part_of(const struct hsm_uri *uri, bool key, struct buf *out)
{
	struct hsm_uri part = *uri;
	unsigned of_key = HSM_URI_OBJECT | HSM_URI_ID;
	part.parts &= key ? of_key : ~(of_key | HSM_URI_TYPE);
	hsm_uri_format(&part, out);
	return buf_text(out);
}

static int read_uri(const char *text, struct hsm_uri *uri, struct hsm_uri_query *query, struct error *err)
{
	char path[HSM_URI_MAX + 1];
	if (hsm_uri_split(text, path, query, err) || hsm_uri_parse(path, uri, err))
		return -1;
	if (!(uri->parts & (HSM_URI_OBJECT | HSM_URI_ID)))
		return err_set(err, ERR_CONFIG, "PKCS#11 URI: it names no key: it has neither object nor id");
	if (query->module_path[0] != '/')
		return err_set(err, ERR_CONFIG,
			       "PKCS#11 URI: it names no module: add ?module-path=/PATH, the whole path of a file");
	return 0;
}

static int open_token(struct credential *c, const struct hsm_uri *uri, const struct hsm_uri_query *query,
		      struct error *err)
{
	auto_buf reference = BUF_INIT, token = BUF_INIT;
	char what[64];
	(void)snprintf(what, sizeof(what), "PIN of the token%s%s", uri->token[0] ? " " : "", uri->token);
	if (hsm_uri_pin_reference(query->pin_source[0] ? query->pin_source : "prompt", &reference, err))
		return -1;
	auto_secret *pin = secret_get(buf_text(&reference), what, err);
	c->module = pin ? hsm_module_open(query->module_path, err) : NULL;
	c->token = c->module ? hsm_token_open(c->module, part_of(uri, false, &token), pin, SESSIONS, err) : NULL;
	return c->token ? 0 : -1;
}

static int find_key(struct credential *c, const char *text, struct error *err)
{
	struct hsm_uri uri;
	struct hsm_uri_query query;
	auto_buf key = BUF_INIT;
	if (read_uri(text, &uri, &query, err) || open_token(c, &uri, &query, err))
		return -1;
	c->token_key = hsm_key_find(c->token, part_of(&uri, true, &key), err);
	c->provider = c->token_key ? hsm_provider_new(err) : NULL;
	c->signer = c->provider ? hsm_signer_new(c->provider, c->token_key, err) : NULL;
	c->key = c->signer ? hsm_provider_pkey(c->provider, c->token_key, err) : NULL;
	return c->key ? 0 : -1;
}

/* ---- both ---- */

static int find_both(struct credential *c, const char *certificate, const char *key, struct error *err)
{
	bool in_token = strncmp(key, "pkcs11:", 7) == 0;
	if (read_certificates(c, certificate, err))
		return -1;
	if (in_token ? find_key(c, key, err) : !(c->key = key_read(key, err)))
		return -1;
	if (X509_check_private_key(sk_X509_value(c->certificates, 0), c->key) == 1)
		return 0;
	ERR_clear_error();
	return err_set(err, ERR_USAGE, "%s is not the key of the certificate in %s",
		       in_token ? "what the URI names" : key, certificate);
}

struct credential *credential_open(const char *certificate, const char *key, struct error *err)
{
	struct credential *c = calloc(1, sizeof(*c));
	if (!c)
		(void)err_set(err, ERR_INTERNAL, "no memory for a certificate");
	else if (find_both(c, certificate, key, err) == 0)
		return c;
	credential_free(c);
	return NULL;
}

const char *credential_name(const struct credential *c, struct error *err)
{
	if (!c->name)
		(void)err_set(err, ERR_USAGE,
			      "the certificate has no common name: it is not one of an identity enrolled here");
	return c->name;
}

struct bytes credential_certificate(const struct credential *c)
{
	return buf_bytes(&c->leaf);
}

/* ---- signing ---- */

static const EVP_MD *digest_of(const EVP_PKEY *key)
{
	int bits = EVP_PKEY_get_bits(key);
	if (EVP_PKEY_is_a(key, "ED25519"))
		return NULL;
	if (!EVP_PKEY_is_a(key, "EC") || bits < 384)
		return EVP_sha256();
	return bits == 384 ? EVP_sha384() : EVP_sha512();
}

int credential_sign(struct credential *c, struct bytes message, struct buf *signature, struct error *err)
{
	if (c->signer)
		return hsm_sign(c->signer, message, signature, err);
	size_t before = signature->len, length = (size_t)EVP_PKEY_get_size(c->key);
	uint8_t *at = buf_extend(signature, length);
	auto_evp_md_ctx *context = EVP_MD_CTX_new();
	if (!at || !context || EVP_DigestSignInit(context, NULL, digest_of(c->key), NULL, c->key) != 1 ||
	    EVP_DigestSign(context, at, &length, message.data, message.len) != 1) {
		signature->len = before;
		return err_openssl(err, ERR_BAD_REQUEST, "the key cannot sign");
	}
	signature->len = before + length;
	return 0;
}

bool credential_use(const struct credential *c, SSL_CTX *context)
{
	bool taken = SSL_CTX_use_certificate(context, sk_X509_value(c->certificates, 0)) == 1 &&
		     SSL_CTX_use_PrivateKey(context, c->key) == 1;
	for (int i = 1; taken && i < sk_X509_num(c->certificates); i++)
		taken = SSL_CTX_add1_chain_cert(context, sk_X509_value(c->certificates, i)) == 1;
	return taken;
}
