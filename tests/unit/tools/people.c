#include "tests/unit/tools/people.h"

#include <openssl/x509v3.h>

#include "base/file.h"
#include "base/text.h"
#include "tests/unit/unit.h"
#include "tools/keys.h"

X509 *people_certificate(const char *name, EVP_PKEY *key)
{
	struct error err = ERR_INIT;
	auto_evp_pkey *issuer = key_generate("p256", &err);
	X509 *x = X509_new();
	REQUIRE(issuer && x);
	(void)X509_set_version(x, X509_VERSION_3);
	(void)ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
	(void)X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	(void)X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	(void)X509_set_pubkey(x, key);
	(void)X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8, (const unsigned char *)name, -1,
					 -1, 0);
	(void)X509_NAME_add_entry_by_txt(X509_get_issuer_name(x), "CN", MBSTRING_UTF8, (const unsigned char *)"Issuing",
					 -1, -1, 0);
	X509_EXTENSION *usage = X509V3_EXT_conf_nid(NULL, NULL, NID_key_usage, "critical,digitalSignature");
	REQUIRE(usage != NULL);
	(void)X509_add_ext(x, usage, -1);
	X509_EXTENSION_free(usage);
	REQUIRE(X509_sign(x, issuer, EVP_sha256()) > 0);
	return x;
}

void people_write_certificate(const char *name, EVP_PKEY *key, const char *path)
{
	struct error err = ERR_INIT;
	auto_x509 *x = people_certificate(name, key);
	auto_buf pem = BUF_INIT;
	unsigned char *der = NULL;
	int length = i2d_X509(x, &der);
	text_add_pem(&pem, "CERTIFICATE", BYTES(der, (size_t)length));
	OPENSSL_free(der);
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
