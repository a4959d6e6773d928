/* What a ceremony's directory holds for an import, and what is trusted afterwards. */
#include "tools/ceremony_import.h"

#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/text.h"
#include "tests/unit/tools/ceremony_room.h"
#include "tests/unit/unit.h"
#include "tools/keys.h"

static void put(const char *name, struct bytes content)
{
	struct error err = ERR_INIT;
	CHECK_OK(file_replace(unit_path(name), content, 0644, &err) == 0, &err);
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

/* ---- what is taken from a directory ---- */

static void takes_what_the_steps_signed_in_the_order_of_the_plan(void)
{
	struct error err = ERR_INIT;
	uint8_t closing[32];
	room_open();
	room_ceremony(room_plan("plan", room_whole), "rehearsal", "run", closing);
	auto_ceremony_output *output = ceremony_output_read(unit_path("run"), closing, &err);
	CHECK_OK(output != NULL, &err);
	static const struct {
		const char *name, *file;
		uint8_t kind;
	} expected[] = {
		{ "root-1", "out/root-1.pem", MESSAGE_IMPORT_MADE },
		{ "issuing-1", "out/issuing-1.pem", MESSAGE_IMPORT_MADE },
		{ "root-1-crl", "out/root-1-crl.crl", MESSAGE_IMPORT_LIST },
	};
	CHECK_INT(output->count, 3);
	for (size_t i = 0; i < 3; i++) {
		CHECK_TEXT(output->items[i].name, expected[i].name);
		CHECK_TEXT(output->items[i].file, expected[i].file);
		CHECK_INT(output->items[i].kind, expected[i].kind);
		CHECK(output->items[i].der.len > 100);
	}
	struct message_import m;
	ceremony_output_message(output, &m);
	CHECK_INT(m.count, 3);
	CHECK_BYTES(m.title, bytes_of("Test"));
	CHECK_BYTES(m.closing, BYTES(closing, 32));
	CHECK(m.anchored);
	auto_ceremony_output *without = ceremony_output_read(unit_path("run"), NULL, &err);
	CHECK_OK(without != NULL, &err);
	CHECK(!without->anchored);
	CHECK_BYTES(BYTES(without->closing, 32), BYTES(closing, 32));
}

static void refused(const char *folder, const uint8_t *closing, enum err_code code, const char *says)
{
	struct error err = ERR_INIT;
	auto_ceremony_output *output = ceremony_output_read(unit_path(folder), closing, &err);
	CHECK_FAILS(output == NULL, &err, code);
	CHECK_TEXT(strstr(err.message, says) ? says : err.message, says);
}

static void what_does_not_verify_is_not_taken(void)
{
	struct error err = ERR_INIT;
	uint8_t closing[32];
	auto_buf list = BUF_INIT;
	room_open();
	room_ceremony(room_plan("plan", room_whole), "rehearsal", "run", closing);
	refused("nowhere", NULL, ERR_NOT_FOUND, "nowhere");
	refused("rehearsal", NULL, ERR_INTEGRITY, "line 1 of the transcript");
	closing[0] ^= 1;
	refused("run", closing, ERR_INTEGRITY, "the closing hash is");
	CHECK_OK(file_read(unit_path("run/out/root-1-crl.crl"), 65536, &list, &err) == 0, &err);
	list.data[list.len - 1] ^= 1;
	put("run/out/root-1-crl.crl", buf_bytes(&list));
	refused("run", NULL, ERR_INTEGRITY, "line ");
}

static void roots_are_trusted_once_behind_those_that_are_there(void)
{
	struct error err = ERR_INIT;
	auto_buf before = BUF_INIT, made = BUF_INIT, left = BUF_INIT, expected = BUF_INIT, trusted = BUF_INIT;
	CHECK_OK(file_make_dir(unit_path("out"), 0755, &err) == 0, &err);
	put_root("old", "root.pem", &before);
	put_root("made", "out/made.pem", &made);
	put_root("left", "out/left.pem", &left);
	text_add_pem(&expected, "CERTIFICATE", buf_bytes(&before));
	text_add_pem(&expected, "CERTIFICATE", buf_bytes(&made));
	auto_ceremony_output *output = calloc(1, sizeof(*output));
	REQUIRE(output != NULL);
	buf_add_bytes(&output->items[output->count++].der, buf_bytes(&left));
	buf_add_bytes(&output->items[output->count++].der, buf_bytes(&made));
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
	TEST(takes_what_the_steps_signed_in_the_order_of_the_plan);
	TEST(what_does_not_verify_is_not_taken);
	TEST(roots_are_trusted_once_behind_those_that_are_there);
}
