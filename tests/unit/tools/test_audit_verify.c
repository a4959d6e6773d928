#include "tests/unit/unit.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/file.h"
#include "base/text.h"
#include "tools/audit_verify.h"

#define ENTRIES 5

/* A certificate authority of two certificates, and a log of five entries with its signed head. */
struct world {
	EVP_PKEY *root_key, *audit_key;
	X509 *root, *audit;
	uint8_t hashes[ENTRIES][32];
	struct buf lines[ENTRIES], head, roots;
};

static X509 *certificate(EVP_PKEY *key, const char *name, X509 *issuer, EVP_PKEY *issuer_key, const char *purpose)
{
	X509 *x = X509_new();
	X509V3_CTX context;
	(void)X509_set_version(x, X509_VERSION_3);
	(void)ASN1_INTEGER_set(X509_get_serialNumber(x), issuer ? 2 : 1);
	(void)X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	(void)X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	(void)X509_set_pubkey(x, key);
	(void)X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)name, -1,
					 -1, 0);
	(void)X509_set_issuer_name(x, X509_get_subject_name(issuer ? issuer : x));
	X509V3_set_ctx(&context, issuer ? issuer : x, x, NULL, NULL, 0);
	static const char *const root_extensions[] = { "critical,CA:TRUE", "critical,keyCertSign,cRLSign" };
	static const int kinds[] = { NID_basic_constraints, NID_key_usage, NID_ext_key_usage };
	const char *values[] = { issuer ? NULL : root_extensions[0],
				 issuer ? "critical,digitalSignature" : root_extensions[1], purpose };
	for (size_t i = 0; i < 3; i++) {
		X509_EXTENSION *extension = values[i] ? X509V3_EXT_conf_nid(NULL, &context, kinds[i], values[i]) : NULL;
		if (extension)
			(void)X509_add_ext(x, extension, -1);
		X509_EXTENSION_free(extension);
	}
	(void)X509_sign(x, issuer_key ? issuer_key : key, EVP_sha256());
	return x;
}

static void add_pem(struct buf *out, X509 *x)
{
	unsigned char *der = NULL;
	int length = i2d_X509(x, &der);
	text_add_pem(out, "CERTIFICATE", BYTES(der, (size_t)length));
	OPENSSL_free(der);
}

static void escape(struct buf *out, struct bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		buf_printf(out, text.data[i] == '\n' ? "\\n" : "%c", text.data[i]);
}

/* The JSON of /audit/head over the first `sequence` entries. */
static void sign_head(struct world *w, uint64_t sequence, struct buf *out)
{
	auto_buf text = BUF_INIT, pem = BUF_INIT, signature = BUF_INIT;
	unsigned char *der = NULL, hash[32];
	char hex[65];
	int length = i2d_X509(w->root, &der);
	sha256(der, (size_t)length, hash);
	OPENSSL_free(der);
	buf_printf(&text, "chancery-audit-head-v1\nca: %s\nnode: ca1\n", text_hex(BYTES(hash, 32), hex));
	time_t now = time(NULL);
	struct tm parts;
	char when[32];
	(void)gmtime_r(&now, &parts);
	(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &parts);
	buf_printf(&text, "sequence: %d\nhash: %s\ntime: %s\n", (int)sequence,
		   text_hex(BYTES(w->hashes[sequence - 1], 32), hex), when);
	auto_evp_md_ctx *context = EVP_MD_CTX_new();
	size_t room = 256;
	uint8_t *at = buf_extend(&signature, room);
	REQUIRE(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, w->audit_key) == 1);
	REQUIRE(EVP_DigestSign(context, at, &room, text.data, text.len) == 1);
	add_pem(&pem, w->audit);
	buf_add_text(out, "{\"text\":\"");
	escape(out, buf_bytes(&text));
	buf_add_text(out, "\",\"signature\":\"");
	text_add_base64(out, BYTES(signature.data, room));
	buf_add_text(out, "\",\"certificate\":\"");
	escape(out, buf_bytes(&pem));
	buf_add_text(out, "\"}");
}

static void make_world(struct world *w, const char *purpose)
{
	uint8_t before[32] = { 0 };
	char hex[65];
	*w = (struct world){ .head = BUF_INIT };
	w->root_key = EVP_EC_gen("P-256");
	w->audit_key = EVP_EC_gen("P-256");
	w->root = certificate(w->root_key, "Root", NULL, NULL, NULL);
	w->audit = certificate(w->audit_key, "Audit", w->root, w->root_key, purpose);
	for (size_t i = 0; i < ENTRIES; i++) {
		auto_buf hashed = BUF_INIT;
		char entry[64];
		(void)snprintf(entry, sizeof(entry), "{'time':'2026-11-21T12:00:0%zuZ'}", i);
		buf_add(&hashed, before, 32);
		for (char *c = entry; *c; c++)
			*c = *c == '\'' ? '"' : *c;
		buf_add_text(&hashed, entry);
		sha256(hashed.data, hashed.len, w->hashes[i]);
		memcpy(before, w->hashes[i], 32);
		buf_printf(&w->lines[i],
			   "{\"sequence\":%zu,\"hash\":\"%s\",\"entry\":\"{\\\"time\\\":\\\"2026-11-21T12:00:0%zuZ\\\"}"
			   "\"}\n",
			   i + 1, text_hex(BYTES(before, 32), hex), i);
	}
	add_pem(&w->roots, w->root);
	sign_head(w, 4, &w->head);
}

static void free_world(struct world *w)
{
	EVP_PKEY_free(w->root_key);
	EVP_PKEY_free(w->audit_key);
	X509_free(w->root);
	X509_free(w->audit);
	for (size_t i = 0; i < ENTRIES; i++)
		buf_free(&w->lines[i]);
	buf_free(&w->head);
	buf_free(&w->roots);
}

/* The lines of an export, in the given order (0 ends it), read back. */
static int read_export(struct world *w, const size_t *order, struct audit_log *log, struct error *err)
{
	auto_buf text = BUF_INIT;
	auto_free char *path = file_join(unit_folder(), "export.jsonl");
	for (; *order; order++)
		buf_add_bytes(&text, buf_bytes(&w->lines[*order - 1]));
	REQUIRE(file_replace(path, buf_bytes(&text), 0600, err) == 0);
	return audit_log_read(path, log, err);
}

static const size_t whole[] = { 1, 2, 3, 4, 5, 0 };

static void proves_a_whole_log_and_its_head(void)
{
	struct error err = ERR_INIT;
	CLEANUP(free_world) struct world w;
	CLEANUP(audit_log_free) struct audit_log log = { .count = 0 };
	struct audit_attested seen;
	make_world(&w, "2.999.1.2");
	CHECK_OK(read_export(&w, whole, &log, &err) == 0, &err);
	CHECK_INT(log.count, ENTRIES);
	CHECK_TEXT(log.first_time, "2026-11-21T12:00:00Z");
	CHECK_TEXT(log.last_time, "2026-11-21T12:00:04Z");
	CHECK_OK(audit_log_trust(&log, buf_bytes(&w.roots), &err) == 0, &err);
	CHECK_OK(audit_log_check_head(&log, buf_bytes(&w.head), &seen, &err) == 0, &err);
	CHECK_INT(seen.sequence, 4);
}

static void finds_deletion_reordering_and_repetition(void)
{
	static const size_t orders[][7] = {
		{ 2, 3, 4, 5, 0 }, { 1, 3, 4, 5, 0 }, { 1, 3, 2, 4, 5, 0 }, { 1, 2, 2, 3, 4, 5, 0 }
	};
	CLEANUP(free_world) struct world w;
	make_world(&w, "2.999.1.2");
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		struct error err = ERR_INIT;
		CLEANUP(audit_log_free) struct audit_log log = { .count = 0 };
		CHECK_FAILS(read_export(&w, orders[i], &log, &err) == -1, &err, ERR_INTEGRITY);
	}
}

static void finds_a_changed_entry(void)
{
	struct error err = ERR_INIT;
	CLEANUP(free_world) struct world w;
	CLEANUP(audit_log_free) struct audit_log log = { .count = 0 };
	make_world(&w, "2.999.1.2");
	char *at = strstr((char *)(uintptr_t)buf_text(&w.lines[2]), "12:00:02");
	REQUIRE(at != NULL);
	at[0] = '2';
	CHECK_FAILS(read_export(&w, whole, &log, &err) == -1, &err, ERR_INTEGRITY);
	CHECK(strstr(err.message, "entry 3") != NULL);
}

static void a_head_from_elsewhere_shows_a_cut_off_end(void)
{
	static const size_t cut[] = { 1, 2, 3, 0 };
	struct error err = ERR_INIT;
	CLEANUP(free_world) struct world w;
	CLEANUP(audit_log_free) struct audit_log log = { .count = 0 };
	struct audit_attested seen;
	make_world(&w, "2.999.1.2");
	CHECK_OK(read_export(&w, cut, &log, &err) == 0, &err);
	CHECK_OK(audit_log_trust(&log, buf_bytes(&w.roots), &err) == 0, &err);
	CHECK_FAILS(audit_log_check_head(&log, buf_bytes(&w.head), &seen, &err) == -1, &err, ERR_INTEGRITY);
}

static void a_head_signed_by_a_certificate_for_other_uses_proves_nothing(void)
{
	struct error err = ERR_INIT;
	CLEANUP(free_world) struct world w;
	CLEANUP(audit_log_free) struct audit_log log = { .count = 0 };
	struct audit_attested seen;
	make_world(&w, "clientAuth");
	CHECK_OK(read_export(&w, whole, &log, &err) == 0, &err);
	CHECK_OK(audit_log_trust(&log, buf_bytes(&w.roots), &err) == 0, &err);
	CHECK_FAILS(audit_log_check_head(&log, buf_bytes(&w.head), &seen, &err) == -1, &err, ERR_INTEGRITY);
	CHECK(strstr(err.message, "not for audit logs") != NULL);
}

static void a_head_of_another_authority_proves_nothing(void)
{
	struct error err = ERR_INIT;
	CLEANUP(free_world) struct world w, other;
	CLEANUP(audit_log_free) struct audit_log log = { .count = 0 };
	struct audit_attested seen;
	make_world(&w, "2.999.1.2");
	make_world(&other, "2.999.1.2");
	CHECK_OK(read_export(&w, whole, &log, &err) == 0, &err);
	CHECK_OK(audit_log_trust(&log, buf_bytes(&w.roots), &err) == 0, &err);
	CHECK_FAILS(audit_log_check_head(&log, buf_bytes(&other.head), &seen, &err) == -1, &err, ERR_INTEGRITY);
}

/* A list of the root that carries the hash after entry `sequence` (0: none). */
static void make_crl(struct world *w, uint64_t sequence, struct buf *out)
{
	auto_x509_crl *crl = X509_CRL_new();
	ASN1_TIME *now = X509_gmtime_adj(NULL, 0);
	(void)X509_CRL_set_version(crl, 1);
	(void)X509_CRL_set_issuer_name(crl, X509_get_subject_name(w->root));
	(void)X509_CRL_set1_lastUpdate(crl, now);
	(void)X509_CRL_set1_nextUpdate(crl, now);
	if (sequence) {
		uint8_t value[34] = { 0x04, 32 };
		memcpy(value + 2, w->hashes[sequence - 1], 32);
		ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
		(void)ASN1_OCTET_STRING_set(octets, value, sizeof(value));
		ASN1_OBJECT *oid = OBJ_txt2obj("2.999.1.1", 1);
		X509_EXTENSION *extension = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, octets);
		(void)X509_CRL_add_ext(crl, extension, -1);
		X509_EXTENSION_free(extension);
		ASN1_OBJECT_free(oid);
		ASN1_OCTET_STRING_free(octets);
	}
	(void)X509_CRL_sign(crl, w->root_key, EVP_sha256());
	ASN1_TIME_free(now);
	unsigned char *der = NULL;
	int length = i2d_X509_CRL(crl, &der);
	buf_add(out, der, (size_t)length);
	OPENSSL_free(der);
}

static void an_old_list_is_a_witness(void)
{
	struct error err = ERR_INIT;
	CLEANUP(free_world) struct world w, other;
	CLEANUP(audit_log_free) struct audit_log log = { .count = 0 };
	struct audit_attested seen;
	auto_buf crl = BUF_INIT, foreign = BUF_INIT, silent = BUF_INIT;
	make_world(&w, "2.999.1.2");
	make_world(&other, "2.999.1.2");
	make_crl(&w, 3, &crl);
	make_crl(&other, 3, &foreign);
	make_crl(&w, 0, &silent);
	CHECK_OK(read_export(&w, whole, &log, &err) == 0, &err);
	CHECK_OK(audit_log_trust(&log, buf_bytes(&w.roots), &err) == 0, &err);
	CHECK_OK(audit_log_check_crl(&log, buf_bytes(&crl), &seen, &err) == 0, &err);
	CHECK_INT(seen.sequence, 3);
	CHECK_FAILS(audit_log_check_crl(&log, buf_bytes(&foreign), &seen, &err) == -1, &err, ERR_INTEGRITY);
	CHECK_FAILS(audit_log_check_crl(&log, buf_bytes(&silent), &seen, &err) == -1, &err, ERR_INTEGRITY);
}

static void a_list_that_saw_another_log_shows_the_forgery(void)
{
	static const size_t cut[] = { 1, 2, 0 };
	struct error err = ERR_INIT;
	CLEANUP(free_world) struct world w;
	CLEANUP(audit_log_free) struct audit_log log = { .count = 0 };
	struct audit_attested seen;
	auto_buf crl = BUF_INIT;
	make_world(&w, "2.999.1.2");
	make_crl(&w, 3, &crl);
	CHECK_OK(read_export(&w, cut, &log, &err) == 0, &err);
	CHECK_OK(audit_log_trust(&log, buf_bytes(&w.roots), &err) == 0, &err);
	CHECK_FAILS(audit_log_check_crl(&log, buf_bytes(&crl), &seen, &err) == -1, &err, ERR_INTEGRITY);
}

/* Entry `at` becomes this one, and all hashes behind it follow. */
static void rewrite(struct world *w, size_t at, const char *text)
{
	static const char *const plain = "{\"v\":1}";
	char hex[65];
	for (size_t i = at - 1; i < ENTRIES; i++) {
		const char *entry = i == at - 1 ? text : plain;
		auto_buf hashed = BUF_INIT;
		buf_add(&hashed, w->hashes[i - 1], 32);
		buf_add_text(&hashed, entry);
		sha256(hashed.data, hashed.len, w->hashes[i]);
		buf_clear(&w->lines[i]);
		buf_printf(&w->lines[i], "{\"sequence\":%zu,\"hash\":\"%s\",\"entry\":\"", i + 1,
			   text_hex(BYTES(w->hashes[i], 32), hex));
		for (; *entry; entry++)
			buf_printf(&w->lines[i], *entry == '"' ? "\\%c" : "%c", *entry);
		buf_add_text(&w->lines[i], "\"}\n");
	}
}

/* Entry 3 tells of a restore behind entry 2; published: what follows "lastTime", with commas. */
static void restore_behind_two(struct world *w, const uint8_t last_hash[32], const char *published)
{
	auto_buf entry = BUF_INIT;
	char hex[65];
	buf_printf(&entry,
		   "{\"v\":1,\"time\":\"2049-01-01T00:00:00Z\",\"event\":\"audit.segment\",\"detail\":{"
		   "\"lastSequence\":2,\"lastHash\":\"%s\",\"lastTime\":\"2020-01-01T00:00:00Z\",%s}}",
		   text_hex(BYTES(last_hash, 32), hex), published);
	rewrite(w, 3, buf_text(&entry));
}

/* The log after that restore, against the head of the lost log's entry 4. */
static int check_lost_head(struct world *w, const char *published, struct audit_attested *seen, struct error *err)
{
	CLEANUP(audit_log_free) struct audit_log log = { .count = 0 };
	restore_behind_two(w, w->hashes[1], published);
	CHECK_OK(read_export(w, whole, &log, err) == 0, err);
	CHECK_INT(log.gap_count, 1);
	CHECK_OK(audit_log_trust(&log, buf_bytes(&w->roots), err) == 0, err);
	int result = audit_log_check_head(&log, buf_bytes(&w->head), seen, err);
	CHECK(result || (seen->gap && seen->gap->last == 2));
	return result;
}

static const char *ahead(uint64_t sequence, const uint8_t hash[32], struct buf *out)
{
	char hex[65];
	buf_printf(out,
		   "\"published\":\"ahead\",\"headSequence\":%d,\"headHash\":\"%s\","
		   "\"headTime\":\"2026-11-21T12:00:03Z\"",
		   (int)sequence, text_hex(BYTES(hash, 32), hex));
	return buf_text(out);
}

static void a_head_in_a_named_gap_is_no_truncation(void)
{
	struct error err = ERR_INIT;
	auto_buf published = BUF_INIT, longer = BUF_INIT;
	CLEANUP(free_world) struct world w, v;
	struct audit_attested seen;
	make_world(&w, "2.999.1.2");
	CHECK_OK(check_lost_head(&w, ahead(4, w.hashes[3], &published), &seen, &err) == 0, &err);
	CHECK_INT(seen.sequence, 4);
	make_world(&v, "2.999.1.2");
	CHECK_OK(check_lost_head(&v, ahead(9, v.hashes[3], &longer), &seen, &err) == 0, &err);
}

static void a_gap_of_unknown_end_holds_what_was_signed_before_it(void)
{
	struct error err = ERR_INIT;
	CLEANUP(free_world) struct world w;
	struct audit_attested seen;
	make_world(&w, "2.999.1.2");
	CHECK_OK(check_lost_head(&w, "\"published\":\"absent\",\"headSequence\":\"unknown\"", &seen, &err) == 0, &err);
}

static void a_head_behind_the_gap_or_beside_it_is_refused(void)
{
	struct error err = ERR_INIT;
	auto_buf shorter = BUF_INIT, other = BUF_INIT;
	CLEANUP(free_world) struct world w, v;
	struct audit_attested seen;
	make_world(&w, "2.999.1.2");
	CHECK_FAILS(check_lost_head(&w, ahead(3, w.hashes[2], &shorter), &seen, &err) == -1, &err, ERR_INTEGRITY);
	make_world(&v, "2.999.1.2");
	CHECK_FAILS(check_lost_head(&v, ahead(4, v.hashes[0], &other), &seen, &err) == -1, &err, ERR_INTEGRITY);
}

static void a_gap_behind_an_entry_of_another_log_is_refused(void)
{
	struct error err = ERR_INIT;
	CLEANUP(free_world) struct world w;
	CLEANUP(audit_log_free) struct audit_log log = { .count = 0 };
	make_world(&w, "2.999.1.2");
	restore_behind_two(&w, w.hashes[0], "\"published\":\"absent\"");
	CHECK_FAILS(read_export(&w, whole, &log, &err) == -1, &err, ERR_INTEGRITY);
	CHECK(strstr(err.message, "entry 3 names a gap") != NULL);
}

SUITE(audit_verify)
{
	TEST(proves_a_whole_log_and_its_head);
	TEST(finds_deletion_reordering_and_repetition);
	TEST(finds_a_changed_entry);
	TEST(a_head_from_elsewhere_shows_a_cut_off_end);
	TEST(a_head_signed_by_a_certificate_for_other_uses_proves_nothing);
	TEST(a_head_of_another_authority_proves_nothing);
	TEST(an_old_list_is_a_witness);
	TEST(a_list_that_saw_another_log_shows_the_forgery);
	TEST(a_head_in_a_named_gap_is_no_truncation);
	TEST(a_gap_of_unknown_end_holds_what_was_signed_before_it);
	TEST(a_head_behind_the_gap_or_beside_it_is_refused);
	TEST(a_gap_behind_an_entry_of_another_log_is_refused);
}
