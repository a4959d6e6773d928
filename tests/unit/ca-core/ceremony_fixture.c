#include "tests/unit/ca-core/ceremony_fixture.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/file.h"
#include "base/ossl.h"
#include "base/text.h"

static const char plan_text[] =
	"# A ceremony with everything.\n"
	"title = \"The second root of Example\"\n"
	"url = \"http://pki.example\"\n"
	"arc = \"2.999.1\"\n"
	"window-from = \"2026-12-01T09:00:00Z\"\n"
	"window-to = \"2026-12-01T18:00:00Z\"\n"
	"attended = true\n"
	"person \"Ada Example\" { roles = { \"operator\" } }\n"
	"person \"Grace Example\" {\n"
	"  roles = { \"witness\", \"auditor\" }\n"
	"  certificate = \"grace.pem\"\n"
	"}\n"
	"attest {\n"
	"  witnesses = 1\n"
	"}\n"
	"token \"pkcs11:token=root\" {\n"
	"  module = \"/usr/lib/softhsm/libsofthsm2.so\"\n"
	"  pin = \"prompt\"\n"
	"}\n"
	"token \"pkcs11:token=old\" { module = \"/usr/lib/softhsm/libsofthsm2.so\" pin = \"fd:7\" }\n"
	"token \"pkcs11:token=backup\" { module = \"/usr/lib/softhsm/libsofthsm2.so\" }\n"
	"profile \"root\" { kind = \"root\" days = 7300 }\n"
	"profile \"intermediate\" {\n"
	"  kind = \"intermediate\"\n"
	"  purposes = { \"server\", \"client\", \"audit\" }\n"
	"}\n"
	"profile \"responder\" { kind = \"ocsp-responder\" days = 30 }\n"
	"profile \"cross\" { kind = \"cross\" }\n"
	"issuer \"root-0\" {\n"
	"  certificate = \"root-0.pem\"\n"
	"  sha256 = \"@root-0.pem@\"\n"
	"  key = \"pkcs11:token=old;object=root-0\"\n"
	"  crl-number = 41\n"
	"  used-serials = { \"0102030405060708090a\" }\n"
	"}\n"
	"step \"root-1-key\" {\n"
	"  kind = \"key\"\n"
	"  key = \"pkcs11:token=root;object=root-1\"\n"
	"  type = \"p384\"\n"
	"}\n"
	"step \"root-1\" {\n"
	"  kind = \"root\"\n"
	"  key = \"pkcs11:object=root-1;token=root;type=private\"\n"
	"  profile = \"root\"\n"
	"  common-name = \"Example Root 1\"\n"
	"  organization = \"Example Ltd\"\n"
	"  country = \"DE\"\n"
	"  not-before = \"now\"\n"
	"  days = 7300\n"
	"}\n"
	"step \"issuing-1\" {\n"
	"  kind = \"certificate\"\n"
	"  issuer = \"root-1\"\n"
	"  csr = \"issuing-1.csr\"\n"
	"  csr-sha256 = \"@issuing-1.csr@\"\n"
	"  profile = \"intermediate\"\n"
	"  common-name = \"Example Issuing 1\"\n"
	"  organization = \"Example Ltd\"\n"
	"}\n"
	"step \"responder-1\" {\n"
	"  kind = \"certificate\"\n"
	"  issuer = \"root-1\"\n"
	"  csr = \"responder.csr\"\n"
	"  csr-sha256 = \"@responder.csr@\"\n"
	"  profile = \"responder\"\n"
	"  common-name = \"Example Root 1 OCSP\"\n"
	"}\n"
	"step \"issuing-1-by-root-0\" {\n"
	"  kind = \"cross\"\n"
	"  issuer = \"root-0\"\n"
	"  of = \"issuing-1\"\n"
	"}\n"
	"step \"root-1-by-root-0\" {\n"
	"  kind = \"new-with-old\"\n"
	"  old = \"root-0\"\n"
	"  new = \"root-1\"\n"
	"  profile = \"cross\"\n"
	"}\n"
	"step \"root-0-by-root-1\" {\n"
	"  kind = \"old-with-new\"\n"
	"  old = \"root-0\"\n"
	"  new = \"root-1\"\n"
	"  profile = \"cross\"\n"
	"}\n"
	"step \"root-1-crl\" {\n"
	"  kind = \"crl\"\n"
	"  issuer = \"root-1\"\n"
	"  next-update-days = 365\n"
	"}\n"
	"step \"root-0-crl\" {\n"
	"  kind = \"crl\"\n"
	"  issuer = \"root-0\"\n"
	"  next-update-days = 30\n"
	"  revoked = { \"0a0b0c0d0e0f10111213 2026-11-01T00:00:00Z superseded\" }\n"
	"}\n"
	"step \"backup\" {\n"
	"  kind = \"compare\"\n"
	"  key = \"pkcs11:token=root;object=root-1\"\n"
	"  backup = \"pkcs11:token=backup;object=root-1\"\n"
	"}\n"
	"step \"old-key-gone\" { kind = \"destroy\" key = \"pkcs11:token=old;object=root-0\" }\n";

/* ---- files ---- */

static void write_pem(const char *file, const char *label, struct bytes der)
{
	auto_buf pem = BUF_INIT;
	struct error err = ERR_INIT;
	text_add_pem(&pem, label, der);
	CHECK_OK(file_replace(unit_path(file), buf_bytes(&pem), 0600, &err) == 0, &err);
}

static void add_extension(X509 *x, int nid, const char *value)
{
	static const char others[] = "[others]\nO = Other Ltd\n";
	X509V3_CTX ctx;
	auto_bio *in = BIO_new_mem_buf(others, -1);
	CONF *conf = NCONF_new(NULL);
	long line = 0;
	REQUIRE(in && conf && NCONF_load_bio(conf, in, &line) == 1);
	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	X509V3_set_nconf(&ctx, conf);
	X509_EXTENSION *extension = X509V3_EXT_nconf_nid(conf, &ctx, nid, value);
	NCONF_free(conf);
	REQUIRE(extension && X509_add_ext(x, extension, -1) == 1);
	X509_EXTENSION_free(extension);
}

static void add_name(X509_NAME *name, const char *common_name)
{
	REQUIRE(X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)"Example Ltd", -1, -1, 0) &&
		X509_NAME_add_entry_by_txt(name, "OU", MBSTRING_UTF8, (const unsigned char *)"Old House", -1, -1, 0) &&
		X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0));
}

/* A certificate signed by its own key; a CA's where constraints are given. */
static void make_certificate(const char *file, const char *common_name, const char *constraints, const char *names,
			     int64_t not_after_s)
{
	auto_evp_pkey *key = EVP_EC_gen("P-384");
	auto_x509 *x = X509_new();
	REQUIRE(key && x && X509_set_version(x, X509_VERSION_3) && ASN1_INTEGER_set(X509_get_serialNumber(x), 4711) &&
		ASN1_TIME_set(X509_getm_notBefore(x), (time_t)(CEREMONY_FROM_S - 100000000)) &&
		ASN1_TIME_set(X509_getm_notAfter(x), (time_t)not_after_s) && X509_set_pubkey(x, key));
	add_name(X509_get_subject_name(x), common_name);
	REQUIRE(X509_set_issuer_name(x, X509_get_subject_name(x)));
	add_extension(x, NID_basic_constraints, constraints ? constraints : "critical,CA:FALSE");
	if (constraints)
		add_extension(x, NID_key_usage, "critical,keyCertSign,cRLSign");
	add_extension(x, NID_subject_key_identifier, "hash"); /* by SHA-1: not how ours are made */
	if (names)
		add_extension(x, NID_name_constraints, names);
	uint8_t *der = NULL;
	int len = X509_sign(x, key, EVP_sha384()) ? i2d_X509(x, &der) : -1;
	REQUIRE(len > 0);
	write_pem(file, "CERTIFICATE", BYTES(der, (size_t)len));
	OPENSSL_free(der);
}

void ceremony_make_csr(const char *file, unsigned bits, bool ca)
{
	auto_evp_pkey *key = bits ? EVP_RSA_gen(bits) : EVP_EC_gen("P-256");
	X509_REQ *request = X509_REQ_new();
	REQUIRE(key && request && X509_REQ_set_version(request, 0) && X509_REQ_set_pubkey(request, key));
	add_name(X509_REQ_get_subject_name(request), "Whatever");
	if (ca) {
		STACK_OF(X509_EXTENSION) *extensions = sk_X509_EXTENSION_new_null();
		X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
		REQUIRE(extensions && e && sk_X509_EXTENSION_push(extensions, e) &&
			X509_REQ_add_extensions(request, extensions));
		sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
	}
	uint8_t *der = NULL;
	int len = X509_REQ_sign(request, key, EVP_sha256()) ? i2d_X509_REQ(request, &der) : -1;
	REQUIRE(len > 0);
	write_pem(file, "CERTIFICATE REQUEST", BYTES(der, (size_t)len));
	OPENSSL_free(der);
	X509_REQ_free(request);
}

void ceremony_make_files(const struct ceremony_old *old)
{
	int64_t end_s = old->not_after_s ? old->not_after_s : 2208988800; /* 2040 */
	make_certificate("root-0.pem", "Example Root 0", old->constraints ? old->constraints : "critical,CA:TRUE",
			 old->names, end_s);
	make_certificate("grace.pem", "Grace Example", NULL, NULL, end_s);
	ceremony_make_csr("issuing-1.csr", 0, true);
	ceremony_make_csr("responder.csr", 0, false);
}

void ceremony_spki(const char *type, struct buf *out)
{
	auto_evp_pkey *key = strcmp(type, "ED25519") == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, type) : EVP_EC_gen(type);
	uint8_t *der = NULL;
	int len = key ? i2d_PUBKEY(key, &der) : -1;
	REQUIRE(len > 0);
	buf_add(out, der, (size_t)len);
	OPENSSL_free(der);
}

/* ---- the plan ---- */

/* What the plan states: of a certificate its DER's SHA-256, of a CSR the file's. */
static void add_sha256(const char *file, struct buf *out)
{
	auto_buf content = BUF_INIT, der = BUF_INIT;
	struct error err = ERR_INIT;
	char label[64];
	uint8_t hash[32];
	CHECK_OK(file_read(unit_path(file), 65536, &content, &err) == 0, &err);
	struct bytes text = buf_bytes(&content);
	bool certificate = strstr(file, ".pem") != NULL;
	if (certificate)
		REQUIRE(text_next_pem(&text, label, &der, &err) == 1);
	struct bytes of = buf_bytes(certificate ? &der : &content);
	sha256(of.data, of.len, hash);
	text_add_hex(out, BYTES(hash, sizeof(hash)));
}

static void fill_in(struct buf *out)
{
	const char *at = plan_text;
	for (const char *mark = strchr(at, '@'); mark; mark = strchr(at, '@')) {
		const char *end = strchr(mark + 1, '@');
		char file[64];
		(void)snprintf(file, sizeof(file), "%.*s", (int)(end - mark - 1), mark + 1);
		buf_add(out, at, (size_t)(mark - at));
		add_sha256(file, out);
		at = end + 1;
	}
	buf_add_text(out, at);
}

void ceremony_text(const char *from, const char *to, struct buf *out, int *line)
{
	auto_buf whole = BUF_INIT;
	fill_in(&whole);
	const char *begin = buf_text(&whole), *found = from ? strstr(begin, from) : begin;
	REQUIRE(found != NULL);
	if (line) {
		*line = 1;
		for (const char *at = begin; at < found; at++)
			*line += *at == '\n';
	}
	buf_add(out, begin, (size_t)(found - begin));
	buf_add_text(out, from ? to : "");
	buf_add_text(out, found + (from ? strlen(from) : 0));
}

struct ceremony_plan *ceremony_changed(const char *from, const char *to, struct error *err)
{
	auto_buf text = BUF_INIT;
	ceremony_text(from, to, &text, NULL);
	return ceremony_plan_parse(buf_bytes(&text), "plan", err);
}

struct ceremony_plan *ceremony_good(void)
{
	struct error err = ERR_INIT;
	struct ceremony_plan *plan = ceremony_changed(NULL, NULL, &err);
	CHECK_OK(plan != NULL, &err);
	return plan;
}

int ceremony_check_changed(const char *from, const char *to, struct error *err)
{
	const struct ceremony_check_options options = { .now_s = CEREMONY_FROM_S };
	auto_ceremony_plan *plan = ceremony_changed(from, to, err);
	struct ceremony_checked checked = { .count = 0 };
	if (!plan)
		return -1;
	int rc = ceremony_check(plan, unit_folder(), &options, &checked, err);
	ceremony_checked_clear(&checked);
	return rc;
}
