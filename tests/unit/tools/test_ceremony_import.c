/* What a ceremony's directory holds for an import, and what is trusted afterwards. */
#include "tools/ceremony_import.h"

#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/file.h"
#include "base/text.h"
#include "tests/unit/tools/people.h"
#include "tests/unit/unit.h"

static void put(const char *name, struct bytes content)
{
	struct error err = ERR_INIT;
	CHECK_OK(file_replace(unit_path(name), content, 0644, &err) == 0, &err);
}

/* A self-signed certificate; its DER is appended. */
static void put_certificate(const char *name, const char *file, struct buf *der)
{
	struct error err = ERR_INIT;
	auto_evp_pkey *key = key_generate("p256", &err);
	auto_buf pem = BUF_INIT;
	char label[64];
	people_write_certificate(name, key, unit_path(file));
	CHECK_OK(file_read(unit_path(file), 65536, &pem, &err) == 0, &err);
	struct bytes text = buf_bytes(&pem);
	CHECK_INT(text_next_pem(&text, label, der, &err), 1);
}

/* One that is its own issuer. */
static void put_root(const char *name, const char *file, struct buf *der)
{
	struct error err = ERR_INIT;
	auto_evp_pkey *key = key_generate("p256", &err);
	auto_x509 *x = X509_new();
	auto_buf pem = BUF_INIT;
	uint8_t *octets = NULL;
	REQUIRE(key && x && X509_set_version(x, X509_VERSION_3) && X509_set_pubkey(x, key));
	X509_NAME *subject = X509_get_subject_name(x);
	REQUIRE(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const uint8_t *)name, -1, -1, 0));
	REQUIRE(X509_set_issuer_name(x, subject) && ASN1_INTEGER_set(X509_get_serialNumber(x), 7));
	REQUIRE(X509_gmtime_adj(X509_getm_notBefore(x), 0) && X509_gmtime_adj(X509_getm_notAfter(x), 3600));
	X509_EXTENSION *ca = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
	REQUIRE(ca && X509_add_ext(x, ca, -1) && X509_sign(x, key, EVP_sha256()) > 0);
	X509_EXTENSION_free(ca);
	int len = i2d_X509(x, &octets);
	REQUIRE(len > 0);
	buf_add(der, octets, (size_t)len);
	OPENSSL_free(octets);
	text_add_pem(&pem, "CERTIFICATE", buf_bytes(der));
	put(file, buf_bytes(&pem));
}

static void make_directory(void)
{
	struct error err = ERR_INIT;
	CHECK_OK(file_make_dir(unit_path("out"), 0755, &err) == 0, &err);
	CHECK_OK(file_make_dir(unit_path("inputs"), 0755, &err) == 0, &err);
}

static void reads_what_was_made_in_the_order_of_names(void)
{
	struct error err = ERR_INIT;
	auto_buf first = BUF_INIT, second = BUF_INIT;
	make_directory();
	put_certificate("second", "out/b.pem", &second);
	put_certificate("first", "out/a.pem", &first);
	put("out/c.crl", BYTES("\x30\x00", 2));
	put("out/notes.txt", bytes_of("nothing of ours"));
	put("inputs/request.csr", bytes_of("nothing of ours"));
	put("inputs/request.pem",
	    bytes_of("-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n"));
	auto_ceremony_output *output = ceremony_output_read(unit_folder(), &err);
	CHECK_OK(output != NULL, &err);
	CHECK_INT(output->count, 3);
	CHECK_TEXT(output->items[0].name, "a");
	CHECK_TEXT(output->items[0].file, "out/a.pem");
	CHECK_BYTES(buf_bytes(&output->items[0].der), buf_bytes(&first));
	CHECK_BYTES(buf_bytes(&output->items[1].der), buf_bytes(&second));
	CHECK_INT(output->items[2].kind, MESSAGE_IMPORT_LIST);
	struct message_import m;
	ceremony_output_message(output, &m);
	CHECK_INT(m.count, 3);
	CHECK_INT(m.closing.len, 0);
	CHECK_BYTES(m.items[1].name, bytes_of("b"));
}

static void what_is_not_as_named_is_refused(void)
{
	struct error none = ERR_INIT, err = ERR_INIT, err2 = ERR_INIT, err3 = ERR_INIT;
	auto_buf der = BUF_INIT, pem = BUF_INIT;
	auto_ceremony_output *nowhere = ceremony_output_read(unit_path("nowhere"), &none);
	CHECK_FAILS(nowhere == NULL, &none, ERR_NOT_FOUND);
	make_directory();
	put_certificate("one", "out/one.pem", &der);
	text_add_pem(&pem, "CERTIFICATE", buf_bytes(&der));
	text_add_pem(&pem, "CERTIFICATE", buf_bytes(&der));
	put("out/two.pem", buf_bytes(&pem));
	auto_ceremony_output *two = ceremony_output_read(unit_folder(), &err);
	CHECK_FAILS(two == NULL, &err, ERR_BAD_REQUEST);
	CHECK(strstr(err.message, "more than one object") != NULL);
	put("out/two.pem", bytes_of("hello\n"));
	auto_ceremony_output *text = ceremony_output_read(unit_folder(), &err2);
	CHECK_FAILS(text == NULL, &err2, ERR_BAD_REQUEST);
	put("out/two.pem", buf_bytes(&der));
	put("plan.conf", bytes_of("title = \n"));
	auto_ceremony_output *plan = ceremony_output_read(unit_folder(), &err3);
	CHECK_FAILS(plan == NULL, &err3, ERR_CONFIG);
}

static void roots_are_trusted_once_behind_those_that_are_there(void)
{
	struct error err = ERR_INIT;
	auto_buf before = BUF_INIT, made = BUF_INIT, left = BUF_INIT, expected = BUF_INIT, trusted = BUF_INIT;
	make_directory();
	put_root("old", "root.pem", &before);
	put_root("made", "out/made.pem", &made);
	put_root("left", "out/left.pem", &left);
	text_add_pem(&expected, "CERTIFICATE", buf_bytes(&before));
	text_add_pem(&expected, "CERTIFICATE", buf_bytes(&made));
	auto_ceremony_output *output = ceremony_output_read(unit_folder(), &err);
	CHECK_OK(output != NULL, &err);
	const struct message_imported imported = {
		.count = 2, .rows = { { .result = MESSAGE_IMPORTED_LEFT }, { .result = MESSAGE_IMPORTED_ISSUER } }
	};
	for (int times = 0; times < 2; times++)
		CHECK_OK(ceremony_import_trust(unit_path("root.pem"), output, &imported, &err) == 0, &err);
	CHECK_OK(file_read(unit_path("root.pem"), 65536, &trusted, &err) == 0, &err);
	CHECK_BYTES(buf_bytes(&trusted), buf_bytes(&expected));
}

SUITE(ceremony_import)
{
	TEST(reads_what_was_made_in_the_order_of_names);
	TEST(what_is_not_as_named_is_refused);
	TEST(roots_are_trusted_once_behind_those_that_are_there);
}
