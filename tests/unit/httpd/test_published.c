/* The files below published/, as clients and caches see them. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/der.h"
#include "base/file.h"
#include "base/ossl.h"
#include "base/text.h"
#include "httpd/published.h"
#include "tests/unit/httpd/rig.h"

static void publish(const char *name, struct bytes content)
{
	struct error err = ERR_INIT;
	char path[128];
	(void)snprintf(path, sizeof(path), "published/%s", name);
	CHECK(file_replace(unit_path(path), content, 0644, &err) == 0);
}

/* As much of a CRL as is looked at: version, algorithm, issuer, thisUpdate, nextUpdate. */
static void publish_crl(int64_t this_s, int64_t next_s)
{
	auto_buf der = BUF_INIT;
	der_add_number(&der, 1);
	der_add(&der, DER_SEQUENCE, BYTES_NONE);
	der_add(&der, DER_SEQUENCE, BYTES_NONE);
	der_add_time(&der, this_s);
	der_add_time(&der, next_s);
	der_wrap(&der, 0, DER_SEQUENCE);
	der_wrap(&der, 0, DER_SEQUENCE);
	publish("crl/issuing-1.crl", buf_bytes(&der));
}

static int max_age(const struct reply *reply)
{
	const char *control = reply_header(reply, "Cache-Control"), *start = "public, max-age=";
	return strncmp(control, start, strlen(start)) == 0 ? (int)strtol(control + strlen(start), NULL, 10) : -1;
}

static void serves_each_kind_under_its_type_with_etag_and_date(void)
{
	static const struct {
		const char *file, *path, *type;
	} kinds[] = {
		{ "ca/issuing-1.crt", "/ca/issuing-1.crt", "application/pkix-cert" },
		{ "ca/issuing-1.pem", "/ca/issuing-1.pem", "application/x-pem-file" },
		{ "ca/issuing-1/chain.pem", "/ca/issuing-1/chain.pem", "application/x-pem-file" },
		{ "crl/issuing-1.crl", "/crl/issuing-1.crl", "application/pkix-crl" },
		{ "crl/issuing-1.pem", "/crl/issuing-1.pem", "application/x-pem-file" },
		{ "audit/head", "/audit/head", "application/json" },
	};
	struct rig *rig = rig_start(NULL);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		unsigned char hash[32];
		char etag[67] = "\"", date[64];
		publish(kinds[i].file, bytes_of(kinds[i].file));
		sha256(kinds[i].file, strlen(kinds[i].file), hash);
		(void)text_hex(BYTES(hash, 32), etag + 1);
		(void)snprintf(etag + 65, 2, "\"");
		struct reply reply = ask_http(rig, "GET", kinds[i].path, "");
		CHECK_INT(reply.status, 200);
		CHECK_TEXT(reply_text(&reply), kinds[i].file);
		CHECK_TEXT(reply_header(&reply, "Content-Type"), kinds[i].type);
		CHECK_TEXT(reply_header(&reply, "ETag"), etag);
		CHECK(reply_header(&reply, "Last-Modified")[0] != '\0');
		CHECK(max_age(&reply) > 0);
		(void)snprintf(date, sizeof(date), "If-Modified-Since: %s\r\n", reply_header(&reply, "Last-Modified"));
		reply_free(&reply);
		reply = ask_http(rig, "GET", kinds[i].path, date);
		CHECK_INT(reply.status, 304);
		reply_free(&reply);
	}
	rig_stop(rig);
}

static void answers_304_to_the_present_etag_alone(void)
{
	struct rig *rig = rig_start(NULL);
	char condition[128];
	struct reply reply = ask_http(rig, "GET", "/ca/roots.pem", "");
	(void)snprintf(condition, sizeof(condition), "If-None-Match: \"x\", W/%s\r\n", reply_header(&reply, "ETag"));
	reply_free(&reply);
	reply = ask_http(rig, "GET", "/ca/roots.pem", condition);
	CHECK_INT(reply.status, 304);
	reply_free(&reply);
	/* Another content under the same name, renamed into place: at once. */
	publish("ca/roots.pem", bytes_of("another root"));
	reply = ask_http(rig, "GET", "/ca/roots.pem", condition);
	CHECK_INT(reply.status, 200);
	CHECK_TEXT(reply_text(&reply), "another root");
	reply_free(&reply);
	rig_stop(rig);
}

static void answers_head_without_a_body(void)
{
	struct rig *rig = rig_start(NULL);
	struct reply reply = ask_http(rig, "HEAD", "/audit/head", "");
	CHECK_INT(reply.status, 200);
	CHECK_TEXT(reply_header(&reply, "Content-Length"), "16");
	CHECK_INT(reply.body.len, 0);
	reply_free(&reply);
	rig_stop(rig);
}

static void lets_a_crl_be_cached_until_shortly_before_its_next(void)
{
	struct rig *rig = rig_start(NULL);
	struct clock clock = clock_system();
	int64_t now_s = clock_now_ms(&clock) / 1000;
	char date[64];
	publish_crl(now_s - 600, now_s + 86400);
	struct reply reply = ask_http(rig, "GET", "/crl/issuing-1.crl", "");
	CHECK_INT(max_age(&reply), 3600);
	CHECK_TEXT(reply_header(&reply, "Last-Modified"), clock_imf_fixdate(now_s - 600, date));
	reply_free(&reply);
	publish_crl(now_s - 600, now_s + 300);
	reply = ask_http(rig, "GET", "/crl/issuing-1.crl", "");
	CHECK(max_age(&reply) > 200 && max_age(&reply) <= 240);
	reply_free(&reply);
	publish_crl(now_s - 600, now_s - 1);
	reply = ask_http(rig, "GET", "/crl/issuing-1.crl", "");
	CHECK_INT(max_age(&reply), 0);
	reply_free(&reply);
	rig_stop(rig);
}

static void serves_nothing_but_plain_files_of_plain_names(void)
{
	static const char *const paths[] = { "/ca/.hidden.pem",   "/ca/none.pem",       "/ca/a%20b.pem",
					     "/ca/link.pem",      "/ca/folder.pem",     "/crl/issuing-1.crt",
					     "/ca/a/b/chain.pem", "/ca/a%5c..%5cb.pem", "/audit/entries" };
	struct rig *rig = rig_start(NULL);
	publish("ca/.hidden.pem", bytes_of("hidden"));
	CHECK(symlink("../../front/key.pem", unit_path("published/ca/link.pem")) == 0);
	CHECK(mkdir(unit_path("published/ca/folder.pem"), 0755) == 0);
	CHECK(rig_await_ready(rig));
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct reply reply = ask_https(rig, NULL, "GET", paths[i], "", BYTES_NONE);
		CHECK_INT(reply.status, 404);
		reply_free(&reply);
	}
	rig_stop(rig);
}

static void sends_a_large_file_whole(void)
{
	struct rig *rig = rig_start(NULL);
	auto_buf large = BUF_INIT;
	uint8_t *content = buf_extend(&large, 3 << 20);
	for (size_t i = 0; i < large.len; i++)
		content[i] = (uint8_t)(i * 7 + (i >> 12));
	publish("crl/issuing-1.crl", buf_bytes(&large));
	CHECK(rig_await_ready(rig));
	struct reply reply = ask_https(rig, NULL, "GET", "/crl/issuing-1.crl", "", BYTES_NONE);
	CHECK(bytes_equal(buf_bytes(&reply.body), buf_bytes(&large)));
	reply_free(&reply);
	reply = ask_http(rig, "GET", "/crl/issuing-1.crl", "");
	CHECK(bytes_equal(buf_bytes(&reply.body), buf_bytes(&large)));
	reply_free(&reply);
	rig_stop(rig);
}

SUITE(published)
{
	TEST(serves_each_kind_under_its_type_with_etag_and_date);
	TEST(answers_304_to_the_present_etag_alone);
	TEST(answers_head_without_a_body);
	TEST(lets_a_crl_be_cached_until_shortly_before_its_next);
	TEST(serves_nothing_but_plain_files_of_plain_names);
	TEST(sends_a_large_file_whole);
}
