#include "tools/keys.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/secret.h"
#include "base/text.h"
#include "tools/output.h"

#define KEY_FILE_MAX 65536

CLEANUP_POINTER(x509_req, X509_REQ, X509_REQ_free)
CLEANUP_POINTER(general_names, GENERAL_NAMES, GENERAL_NAMES_free)
#define auto_x509_req CLEANUP(x509_req_cleanup) X509_REQ
#define auto_general_names CLEANUP(general_names_cleanup) GENERAL_NAMES

/* ---- keys ---- */

struct key_type {
	const char *name, *algorithm, *curve;
	int bits;
};

static int on_generating(EVP_PKEY_CTX *context)
{
	progress_wait(EVP_PKEY_CTX_get_app_data(context));
	return 1;
}

static EVP_PKEY *generate(const struct key_type *type)
{
	struct progress progress = progress_begin("making the key");
	EVP_PKEY *key = NULL;
	auto_evp_pkey_ctx *context = EVP_PKEY_CTX_new_from_name(NULL, type->algorithm, NULL);
	if (!context || EVP_PKEY_keygen_init(context) <= 0 ||
	    (type->curve && EVP_PKEY_CTX_set_group_name(context, type->curve) <= 0) ||
	    (type->bits && EVP_PKEY_CTX_set_rsa_keygen_bits(context, type->bits) <= 0))
		return NULL;
	EVP_PKEY_CTX_set_app_data(context, &progress);
	EVP_PKEY_CTX_set_cb(context, on_generating);
	if (EVP_PKEY_generate(context, &key) <= 0)
		key = NULL;
	progress_end(&progress);
	return key;
}

EVP_PKEY *key_generate(const char *type, struct error *err)
{
	static const struct key_type types[] = {
		{ "p256", "EC", "P-256", 0 },      { "p384", "EC", "P-384", 0 },     { "p521", "EC", "P-521", 0 },
		{ "rsa2048", "RSA", NULL, 2048 },  { "rsa3072", "RSA", NULL, 3072 }, { "rsa4096", "RSA", NULL, 4096 },
		{ "ed25519", "ED25519", NULL, 0 },
	};
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(type, types[i].name) != 0)
			continue;
		EVP_PKEY *key = generate(&types[i]);
		if (!key)
			(void)err_openssl(err, ERR_INTERNAL, "cannot make a key");
		return key;
	}
	(void)err_set(err, ERR_USAGE, "there is no key type \"%s\"", type);
	(void)err_about(err, "key-type", type, "p256, p384, p521, rsa2048, rsa3072, rsa4096, ed25519");
	return NULL;
}

struct asked {
	const char *path;
	struct error *err;
};

/* OpenSSL's question for the passphrase of an encrypted key. */
static int ask_passphrase(char *out, int size, int writing, void *argument)
{
	const struct asked *asked = argument;
	auto_buf what = BUF_INIT;
	(void)writing;
	buf_printf(&what, "passphrase of %s", asked->path);
	auto_secret *passphrase = secret_get("prompt", buf_text(&what), asked->err);
	struct bytes bytes = passphrase ? secret_bytes(passphrase) : BYTES_NONE;
	if (!passphrase || bytes.len > (size_t)size)
		return -1;
	memcpy(out, bytes.data, bytes.len);
	return (int)bytes.len;
}

EVP_PKEY *key_read(const char *path, struct error *err)
{
	auto_secret_buf text = BUF_INIT;
	if (file_read(path, KEY_FILE_MAX, &text, err))
		return NULL;
	auto_bio *bio = BIO_new_mem_buf(text.data, (int)text.len);
	struct error unasked = ERR_INIT;
	struct asked asked = { path, &unasked };
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, ask_passphrase, &asked) : NULL;
	if (!key && unasked.code != ERR_NONE) {
		ERR_clear_error();
		*err = unasked;
	} else if (!key)
		(void)err_openssl(err, ERR_BAD_REQUEST, "%s holds no private key that can be read", path);
	return key;
}

static int add_bio(BIO *bio, struct buf *out, struct error *err)
{
	char *data = NULL;
	long length = BIO_get_mem_data(bio, &data);
	buf_add(out, data, length > 0 ? (size_t)length : 0);
	return out->failed ? err_set(err, ERR_INTERNAL, "no memory") : 0;
}

int key_pem(EVP_PKEY *key, struct buf *out, struct error *err)
{
	auto_bio *bio = BIO_new(BIO_s_secmem());
	if (!bio || PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
		return err_openssl(err, ERR_INTERNAL, "cannot write the key as PEM");
	return add_bio(bio, out, err);
}

int key_spki(EVP_PKEY *key, struct buf *out, struct error *err)
{
	int length = i2d_PUBKEY(key, NULL);
	uint8_t *at = length > 0 ? buf_extend(out, (size_t)length) : NULL;
	if (!at || i2d_PUBKEY(key, &at) != length)
		return err_openssl(err, ERR_INTERNAL, "cannot encode the public key");
	return 0;
}

/* ---- names ---- */

int name_of(const char *text, struct ca_name *out, struct error *err)
{
	struct error ignored = ERR_INIT;
	if (ca_name_ip_text(bytes_of(text), out, &ignored) == 0)
		return 0;
	if (strstr(text, "://"))
		return ca_name_uri(bytes_of(text), out, err);
	if (strchr(text, '@'))
		return ca_name_email(bytes_of(text), out, err);
	return ca_name_dns(bytes_of(text), out, err);
}

static GENERAL_NAME *general_name(const struct ca_name *name)
{
	static const int types[] = { GEN_DNS, GEN_IPADD, GEN_EMAIL, GEN_URI };
	GENERAL_NAME *general = GENERAL_NAME_new();
	bool address = name->type == CA_NAME_IP;
	ASN1_STRING *value = address ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
	const void *data = address ? (const void *)name->address : name->text;
	int length = address ? name->address_len : (int)strlen(name->text);
	if (!general || !value || ASN1_STRING_set(value, data, length) != 1) {
		GENERAL_NAME_free(general);
		ASN1_STRING_free(value);
		return NULL;
	}
	GENERAL_NAME_set0_value(general, types[name->type], value);
	return general;
}

static int add_names(X509_REQ *request, const struct ca_names *names, struct error *err)
{
	auto_general_names *list = GENERAL_NAMES_new();
	for (size_t i = 0; list && i < names->count; i++) {
		GENERAL_NAME *name = general_name(&names->items[i]);
		if (!name || sk_GENERAL_NAME_push(list, name) <= 0)
			return err_openssl(err, ERR_INTERNAL, "cannot encode a name");
	}
	X509_EXTENSION *extension = list ? X509V3_EXT_i2d(NID_subject_alt_name, 0, list) : NULL;
	STACK_OF(X509_EXTENSION) *extensions = extension ? sk_X509_EXTENSION_new_null() : NULL;
	bool added = extensions && sk_X509_EXTENSION_push(extensions, extension) > 0 &&
		     X509_REQ_add_extensions(request, extensions) == 1;
	sk_X509_EXTENSION_free(extensions);
	X509_EXTENSION_free(extension);
	return added ? 0 : err_openssl(err, ERR_INTERNAL, "cannot encode the names");
}

int key_request(EVP_PKEY *key, const char *common_name, const struct ca_names *names, struct buf *out,
		struct error *err)
{
	auto_x509_req *request = X509_REQ_new();
	if (!request || X509_REQ_set_version(request, X509_REQ_VERSION_1) != 1 ||
	    X509_REQ_set_pubkey(request, key) != 1)
		return err_openssl(err, ERR_INTERNAL, "cannot make a request");
	if (common_name && common_name[0] &&
	    X509_NAME_add_entry_by_NID(X509_REQ_get_subject_name(request), NID_commonName, MBSTRING_UTF8,
				       (const unsigned char *)common_name, -1, -1, 0) != 1)
		return err_openssl(err, ERR_BAD_NAME, "\"%s\" cannot be a common name", common_name);
	if (names->count > 0 && add_names(request, names, err))
		return -1;
	bool hashes = EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519;
	if (X509_REQ_sign(request, key, hashes ? EVP_sha256() : NULL) <= 0)
		return err_openssl(err, ERR_INTERNAL, "cannot sign the request");
	int length = i2d_X509_REQ(request, NULL);
	uint8_t *at = length > 0 ? buf_extend(out, (size_t)length) : NULL;
	if (!at || i2d_X509_REQ(request, &at) != length)
		return err_openssl(err, ERR_INTERNAL, "cannot encode the request");
	return 0;
}

/* ---- certificates ---- */

X509 *certificate_read(struct bytes pem, struct error *err)
{
	auto_bio *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	if (!certificate)
		(void)err_openssl(err, ERR_BAD_REQUEST, "there is no certificate that can be read");
	return certificate;
}

int certificate_serial(const X509 *certificate, struct buf *out, struct error *err)
{
	unsigned char encoded[64], *at = encoded;
	int length = i2d_ASN1_INTEGER(X509_get0_serialNumber(certificate), NULL);
	if (length < 3 || (size_t)length > sizeof(encoded) ||
	    i2d_ASN1_INTEGER(X509_get0_serialNumber(certificate), &at) != length)
		return err_set(err, ERR_BAD_REQUEST, "the certificate's serial number cannot be read");
	text_add_hex(out, BYTES(encoded + 2, (size_t)length - 2));
	return 0;
}

static int take_general_name(const GENERAL_NAME *general, struct ca_name *name, struct error *err)
{
	int type = 0;
	const ASN1_STRING *value = GENERAL_NAME_get0_value(general, &type);
	struct bytes bytes = type == GEN_DNS || type == GEN_IPADD || type == GEN_EMAIL || type == GEN_URI
				     ? BYTES(ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value))
				     : BYTES_NONE;
	switch (type) {
	case GEN_DNS:
		return ca_name_dns(bytes, name, err);
	case GEN_IPADD:
		return ca_name_ip(bytes, name, err);
	case GEN_EMAIL:
		return ca_name_email(bytes, name, err);
	case GEN_URI:
		return ca_name_uri(bytes, name, err);
	default:
		return err_set(err, ERR_BAD_NAME, "the certificate has a name of a type that is not issued here");
	}
}

int certificate_names(const X509 *certificate, struct buf *common_name, struct ca_names *names, struct error *err)
{
	X509_NAME *subject = X509_get_subject_name(certificate);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	if (at >= 0) {
		unsigned char *utf8 = NULL;
		int length = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
		if (length < 0)
			return err_openssl(err, ERR_BAD_NAME, "the certificate's common name cannot be read");
		buf_add(common_name, utf8, (size_t)length);
		OPENSSL_free(utf8);
	}
	auto_general_names *list = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; list && i < sk_GENERAL_NAME_num(list); i++) {
		struct ca_name name;
		if (take_general_name(sk_GENERAL_NAME_value(list, i), &name, err) ||
		    ca_names_add(names, &name, CA_NAMES_MAX, err))
			return -1;
	}
	return 0;
}
