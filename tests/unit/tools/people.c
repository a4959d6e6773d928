#include "tests/unit/tools/people.h"

#include <openssl/x509v3.h>

#include "base/file.h"
#include "base/text.h"
#include "tests/unit/unit.h"
#include "tools/keys.h"

static void add_extension(X509 *x, X509V3_CTX *context, int nid, const char *value)
{
	X509_EXTENSION *extension = value ? X509V3_EXT_conf_nid(NULL, context, nid, value) : NULL;
	REQUIRE(!value || extension);
	if (extension)
		(void)X509_add_ext(x, extension, -1);
	X509_EXTENSION_free(extension);
}

X509 *people_issue(EVP_PKEY *key, const struct people_wants *w)
{
	X509 *x = X509_new();
	X509V3_CTX context;
	REQUIRE(x && X509_set_version(x, X509_VERSION_3) == 1);
	(void)ASN1_INTEGER_set(X509_get_serialNumber(x), w->serial ? w->serial : 1);
	(void)X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	(void)X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	(void)X509_set_pubkey(x, key);
	for (size_t i = 0; w->subject[i][0]; i++)
		REQUIRE(X509_NAME_add_entry_by_txt(X509_get_subject_name(x), w->subject[i][0], MBSTRING_UTF8,
						   (const unsigned char *)w->subject[i][1], -1, -1, 0) == 1);
	(void)X509_set_issuer_name(x, X509_get_subject_name(w->issuer ? w->issuer : x));
	X509V3_set_ctx(&context, w->issuer ? w->issuer : x, x, NULL, NULL, 0);
	add_extension(x, &context, NID_basic_constraints, w->ca ? "critical,CA:TRUE" : NULL);
	add_extension(x, &context, NID_key_usage, w->ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
	add_extension(x, &context, NID_ext_key_usage, w->purpose);
	add_extension(x, &context, NID_subject_alt_name, w->names);
	REQUIRE(X509_sign(x, w->issuer ? w->issuer_key : key, EVP_sha256()) > 0);
	return x;
}

void people_der(X509 *x, struct buf *out)
{
	unsigned char *der = NULL;
	int length = i2d_X509(x, &der);
	REQUIRE(length > 0);
	buf_add(out, der, (size_t)length);
	OPENSSL_free(der);
}

void people_tbs(X509 *x, struct buf *out)
{
	unsigned char *der = NULL;
	int length = i2d_re_X509_tbs(x, &der);
	REQUIRE(length > 0);
	buf_add(out, der, (size_t)length);
	OPENSSL_free(der);
}

X509 *people_certificate(const char *name, EVP_PKEY *key)
{
	struct error err = ERR_INIT;
	auto_evp_pkey *issuer_key = key_generate("p256", &err);
	const struct people_wants root = { .subject = { { "CN", "Issuing" } }, .ca = true };
	auto_x509 *issuer = people_issue(issuer_key, &root);
	const struct people_wants wants = {
		.subject = { { "CN", name } }, .serial = 7, .issuer = issuer, .issuer_key = issuer_key
	};
	return people_issue(key, &wants);
}

void people_write_certificate(const char *name, EVP_PKEY *key, const char *path)
{
	struct error err = ERR_INIT;
	auto_x509 *x = people_certificate(name, key);
	auto_buf pem = BUF_INIT;
	auto_buf der = BUF_INIT;
	people_der(x, &der);
	text_add_pem(&pem, "CERTIFICATE", buf_bytes(&der));
	CHECK_OK(file_replace(path, buf_bytes(&pem), 0644, &err) == 0, &err);
}

void people_write_key(EVP_PKEY *key, const char *path)
{
	struct error err = ERR_INIT;
	auto_secret_buf pem = BUF_INIT;
	CHECK_OK(key_pem(key, &pem, &err) == 0, &err);
	CHECK_OK(file_replace(path, buf_bytes(&pem), 0600, &err) == 0, &err);
}

struct credential *people_credential(const char *name, EVP_PKEY *key, struct error *err)
{
	auto_free char *certificate = file_join(unit_folder(), "person.pem");
	auto_free char *key_path = file_join(unit_folder(), "person.key");
	people_write_certificate(name, key, certificate);
	people_write_key(key, key_path);
	return credential_open(certificate, key_path, err);
}
