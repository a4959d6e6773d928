/* What the door refuses, as bytes on the wire. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "httpd/door.h"
#include "httpd/openapi.h"
#include "tests/unit/httpd/rig.h"

/* Sends raw bytes over plain HTTP; the status of the answer (0: none came). */
static int raw_status(struct rig *rig, const char *request, const char *detail)
{
	struct reply reply;
	struct client c = client_http(rig);
	(void)client_send(&c, bytes_of(request));
	client_read(&c, false, &reply);
	if (detail && !strstr(reply_text(&reply), detail))
		CHECK_TEXT(reply_text(&reply), detail);
	int status = reply.status;
	reply_free(&reply);
	client_close(&c);
	return status;
}

#define GET_ROOTS "GET /ca/roots.pem HTTP/1.1\r\nHost: localhost\r\n"

static void refuses_ambiguous_framing(void)
{
	struct rig *rig = rig_start(NULL);
	CHECK_INT(raw_status(rig, GET_ROOTS "\r\n", NULL), 200);
	CHECK_INT(raw_status(rig, GET_ROOTS "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
			     "exclude each other"),
		  400);
	CHECK_INT(raw_status(rig, GET_ROOTS "Content-Length: 0\r\nContent-Length: 0\r\n\r\n", "once only"), 400);
	CHECK_INT(raw_status(rig, GET_ROOTS "Transfer-Encoding: gzip\r\n\r\n", "not known"), 400);
	CHECK_INT(raw_status(rig, GET_ROOTS "Transfer-Encoding: chunked, identity\r\n\r\n", "not known"), 400);
	CHECK_INT(raw_status(rig, GET_ROOTS "Content-Length: +5\r\n\r\nhello", NULL), 400);
	CHECK_INT(raw_status(rig, GET_ROOTS "Content-Length: 5, 5\r\n\r\nhello", NULL), 400);
	CHECK_INT(raw_status(rig, GET_ROOTS "Content-Length : 5\r\n\r\nhello", NULL), 400);
	rig_stop(rig);
}

static void refuses_a_missing_or_doubled_host(void)
{
	struct rig *rig = rig_start(NULL);
	CHECK_INT(raw_status(rig, "GET /ca/roots.pem HTTP/1.1\r\n\r\n", NULL), 400);
	CHECK_INT(raw_status(rig, GET_ROOTS "Host: other\r\n\r\n", "once only"), 400);
	CHECK_INT(raw_status(rig, "GET /ca/roots.pem HTTP/1.1\r\nHost: a/b\r\n\r\n", "no host"), 400);
	CHECK_INT(raw_status(rig, "GET /ca/roots.pem HTTP/1.0\r\n\r\n", NULL), 200);
	rig_stop(rig);
}

static void ends_the_connection_after_refused_framing(void)
{
	struct rig *rig = rig_start(NULL);
	struct client c = client_http(rig);
	struct reply reply;
	CHECK(client_send(&c, bytes_of(GET_ROOTS "Content-Length: 0\r\nContent-Length: 40\r\n\r\n" GET_ROOTS "\r\n")));
	client_read(&c, false, &reply);
	CHECK_INT(reply.status, 400);
	CHECK_TEXT(reply_header(&reply, "Connection"), "close");
	reply_free(&reply);
	client_read(&c, false, &reply);
	CHECK_INT(reply.status, 0);
	client_close(&c);
	rig_stop(rig);
}

static void refuses_paths_that_are_not_plain(void)
{
	static const struct {
		const char *path, *detail;
	} cases[] = {
		{ "/ca%2froots.pem", "encoded slash" },
		{ "/ca/roots.pem%00", "control characters" },
		{ "/ca/../ca/roots.pem", "dot segment" },
		{ "/ca/%2e%2e/roots.pem", "dot segment" },
		{ "/ca/./roots.pem", "dot segment" },
		{ "/ca//roots.pem", "empty segment" },
		{ "/ca/%zz", "two hex digits" },
		{ "/ca/%4", "two hex digits" },
		{ "/ca/%0d%0a", "control characters" },
		{ "/a/b/c/d/e/f/g/h/i", "segments" },
		{ "http://localhost/ca/roots.pem", "begin with a slash" },
	};
	struct rig *rig = rig_start(NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct reply reply = ask_http(rig, "GET", cases[i].path, "");
		CHECK_INT(reply.status, 400);
		if (!strstr(reply_text(&reply), cases[i].detail))
			CHECK_TEXT(reply_text(&reply), cases[i].path);
		reply_free(&reply);
	}
	struct reply reply = ask_http(rig, "GET", "/c%61/roots%2Epem", "");
	CHECK_INT(reply.status, 200);
	reply_free(&reply);
	rig_stop(rig);
}

static void refuses_a_target_that_is_too_long(void)
{
	struct rig *rig = rig_start(NULL);
	char *path = malloc(DOOR_TARGET_MAX + 16);
	memset(path, 'a', DOOR_TARGET_MAX + 8);
	path[0] = '/';
	path[DOOR_TARGET_MAX + 8] = '\0';
	struct reply reply = ask_http(rig, "GET", path, "");
	CHECK_INT(reply.status, 400);
	reply_free(&reply);
	free(path);
	rig_stop(rig);
}

static void refuses_odd_methods_and_versions(void)
{
	struct rig *rig = rig_start(NULL);
	CHECK_INT(raw_status(rig, "GET /ca/roots.pem HTTP/2.0\r\nHost: localhost\r\n\r\n", NULL), 505);
	CHECK_INT(raw_status(rig, "GET /ca/roots.pem HTTP/1.7\r\nHost: localhost\r\n\r\n", NULL), 400);
	CHECK_INT(raw_status(rig, "G@T /ca/roots.pem HTTP/1.1\r\nHost: localhost\r\n\r\n", NULL), 400);
	struct reply reply = ask_https(rig, NULL, "DELETE", "/ca/roots.pem", "", BYTES_NONE);
	CHECK_INT(reply.status, 405);
	CHECK_TEXT(reply_header(&reply, "Allow"), "GET, HEAD");
	reply_free(&reply);
	reply = ask_https(rig, NULL, "PUT", "/api/v1/certificates", CSR_TYPE, bytes_of("x"));
	CHECK_INT(reply.status, 405);
	CHECK_TEXT(reply_header(&reply, "Allow"), "POST, GET, HEAD");
	reply_free(&reply);
	reply = ask_https(rig, NULL, "GET", "/nothing", "", BYTES_NONE);
	CHECK_INT(reply.status, 404);
	reply_free(&reply);
	rig_stop(rig);
}

static void refuses_other_media_types_and_says_which_it_takes(void)
{
	struct rig *rig = rig_start(NULL);
	static const char *const types[] = { "", "Content-Type: text/plain\r\n",
					     "Content-Type: application/pkcs10x\r\n" };
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct reply reply =
			ask_https(rig, NULL, "POST", "/api/v1/certificates?profile=client", types[i], bytes_of("x"));
		CHECK_INT(reply.status, 415);
		CHECK(strstr(reply_text(&reply), "\"allowed\":\"application/pkcs10\"") != NULL);
		reply_free(&reply);
	}
	struct reply reply = ask_https(rig, NULL, "POST", "/api/v1/certificates?profile=client",
				       "Content-Type: Application/PKCS10 ; charset=utf-8\r\n", bytes_of("x"));
	CHECK_INT(reply.status, 401);
	reply_free(&reply);
	rig_stop(rig);
}

static struct bytes zeros(size_t len)
{
	static uint8_t many[5 << 20];
	return BYTES(many, len);
}

static void shows_its_413_for_an_oversize_body(void)
{
	struct rig *rig = rig_start(NULL);
	struct credential admin = rig_credential(&rig->issuing, "admin", "clientAuth", -60, 3600, BYTES_NONE);
	struct client c = client_https(rig, &admin);
	struct reply reply;
	client_ask(&c, "POST", "/api/v1/certificates?profile=client", CSR_TYPE, zeros(DOOR_CSR_MAX + 1), &reply);
	CHECK_INT(reply.status, 413);
	CHECK(strstr(reply_text(&reply), "\"code\":\"too-large\"") != NULL);
	reply_free(&reply);
	client_ask(&c, "POST", "/api/v1/certificates?profile=client", CSR_TYPE, zeros(3 << 20), &reply);
	CHECK_INT(reply.status, 413);
	reply_free(&reply);
	/* The connection is still good. */
	client_ask(&c, "GET", "/healthz", "", BYTES_NONE, &reply);
	CHECK_INT(reply.status, 200);
	reply_free(&reply);
	client_close(&c);
	credential_free(&admin);
	rig_stop(rig);
}

static void refuses_at_once_what_waits_for_permission_or_is_far_too_large(void)
{
	struct rig *rig = rig_start(NULL);
	struct client c = client_https(rig, NULL);
	struct reply reply;
	(void)client_send(&c, bytes_of("POST /api/v1/certificates HTTP/1.1\r\nHost: localhost\r\n" CSR_TYPE
				       "Content-Length: 100000\r\nExpect: 100-continue\r\n\r\n"));
	client_read(&c, false, &reply);
	CHECK_INT(reply.status, 413);
	reply_free(&reply);
	client_close(&c);
	c = client_https(rig, NULL);
	(void)client_send(&c, bytes_of("POST /api/v1/certificates HTTP/1.1\r\nHost: localhost\r\n" CSR_TYPE
				       "Content-Length: 999999999999\r\n\r\n"));
	client_read(&c, false, &reply);
	CHECK_INT(reply.status, 413);
	reply_free(&reply);
	client_close(&c);
	rig_stop(rig);
}

static void send_chunks(struct client *c, size_t count, bool end)
{
	auto_buf chunk = BUF_INIT;
	buf_printf(&chunk, "%zx\r\n", (size_t)32768);
	buf_add_bytes(&chunk, zeros(32768));
	buf_add_text(&chunk, "\r\n");
	for (size_t i = 0; i < count; i++)
		if (!client_send(c, buf_bytes(&chunk)))
			return;
	if (end)
		(void)client_send(c, bytes_of("0\r\n\r\n"));
}

static void holds_chunked_bodies_to_the_same_cap(void)
{
	static const char head[] = "POST /api/v1/certificates?profile=client HTTP/1.1\r\nHost: localhost\r\n" CSR_TYPE
				   "Transfer-Encoding: chunked\r\n\r\n";
	struct rig *rig = rig_start(NULL);
	struct reply reply;
	struct client c = client_https(rig, NULL);
	(void)client_send(&c, bytes_of(head));
	send_chunks(&c, 3, true);
	client_read(&c, false, &reply);
	CHECK_INT(reply.status, 413);
	reply_free(&reply);
	client_close(&c);

	c = client_https(rig, NULL); /* without an end: cut off */
	(void)client_send(&c, bytes_of(head));
	send_chunks(&c, 200, false);
	client_read(&c, false, &reply);
	CHECK_INT(reply.status, 0);
	client_close(&c);
	rig_stop(rig);
}

static void refuses_a_body_where_none_belongs(void)
{
	struct rig *rig = rig_start(NULL);
	struct reply reply = ask_https(rig, NULL, "GET", "/healthz", "", bytes_of("body"));
	CHECK_INT(reply.status, 400);
	reply_free(&reply);
	rig_stop(rig);
}

static void refuses_query_arguments_that_it_does_not_know(void)
{
	struct rig *rig = rig_start(NULL);
	struct reply reply =
		ask_https(rig, NULL, "POST", "/api/v1/certificates?profile=client&day=3", CSR_TYPE, bytes_of("x"));
	CHECK_INT(reply.status, 400);
	CHECK(strstr(reply_text(&reply), "\"value\":\"day\"") != NULL);
	reply_free(&reply);
	reply = ask_https(rig, NULL, "POST", "/api/v1/certificates?profile=client&profile=peer", CSR_TYPE,
			  bytes_of("x"));
	CHECK_INT(reply.status, 400);
	reply_free(&reply);
	rig_stop(rig);
}

static void short_requests(struct ca_config *config)
{
	config->listen.request_seconds = 1;
}

/* A byte every 100 ms is no inactivity; the total deadline ends it. */
static void trickle(struct client *c, const char *beginning)
{
	bool open = client_send(c, bytes_of(beginning));
	int sent = 0;
	for (; open && sent < 60; sent++) {
		(void)usleep(100000);
		open = client_send(c, bytes_of("a"));
	}
	CHECK(!open && sent >= 9);
	client_close(c);
}

static void ends_slow_requests_at_the_total_deadline(void)
{
	struct rig *rig = rig_start(short_requests);
	CHECK(rig_await_ready(rig));
	struct client line = client_http(rig);
	trickle(&line, "GET /ca/ro");
	struct client headers = client_http(rig);
	trickle(&headers, "GET /ca/roots.pem HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
	struct client body = client_https(rig, NULL);
	trickle(&body, "POST /api/v1/certificates?profile=client HTTP/1.1\r\nHost: localhost\r\n" CSR_TYPE
		       "Content-Length: 5000\r\n\r\n");
	rig_stop(rig);
}

/* More than sockets hold: the answers meet a full buffer in the middle of a record. */
static void answers_pipelined_requests_whole_to_a_client_that_reads_late(void)
{
	enum { COUNT = 600 };
	static const char request[] = "GET /api/v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n";
	struct rig *rig = rig_start(NULL);
	struct client c = client_https(rig, NULL);
	auto_buf all = BUF_INIT, in = BUF_INIT;
	for (int i = 0; i < COUNT; i++)
		buf_add_text(&all, request);
	CHECK(client_send(&c, buf_bytes(&all)));
	(void)usleep(300000);
	size_t answers = 0;
	bool open = true;
	while (open && answers < COUNT) {
		uint8_t *room = buf_extend(&in, 16384);
		int got = SSL_read(c.ssl, room, 16384);
		open = got > 0;
		in.len -= 16384 - (size_t)(open ? got : 0);
		/* Whole answers off the front of what was read. */
		const uint8_t *end = memmem(in.data, in.len, "\r\n\r\n", 4);
		while (end && in.len >= (size_t)(end - in.data) + 4 + strlen(openapi_json)) {
			size_t size = (size_t)(end - in.data) + 4 + strlen(openapi_json);
			answers += memcmp(end + 4, openapi_json, strlen(openapi_json)) == 0;
			memmove(in.data, in.data + size, in.len - size);
			in.len -= size;
			end = memmem(in.data, in.len, "\r\n\r\n", 4);
		}
	}
	CHECK_INT(answers, COUNT);
	client_close(&c);
	rig_stop(rig);
}

static void redirects_plain_http_to_https(void)
{
	struct rig *rig = rig_start(NULL);
	char expected[128];
	struct reply reply = ask_http(rig, "GET", "/api/v1/audit?after=1", "");
	CHECK_INT(reply.status, 308);
	(void)snprintf(expected, sizeof(expected), "https://localhost:%u/api/v1/audit?after=1", rig->https);
	CHECK_TEXT(reply_header(&reply, "Location"), expected);
	reply_free(&reply);
	CHECK_INT(raw_status(rig, "GET /readyz HTTP/1.1\r\nHost: evil.example\r\n\r\n", NULL), 308);
	reply = ask_http(rig, "POST", "/api/v1/certificates", CSR_TYPE);
	CHECK_INT(reply.status, 400);
	CHECK(strstr(reply_text(&reply), "HTTPS") != NULL);
	reply_free(&reply);
	rig_stop(rig);
}

SUITE(door)
{
	TEST(refuses_ambiguous_framing);
	TEST(refuses_a_missing_or_doubled_host);
	TEST(ends_the_connection_after_refused_framing);
	TEST(refuses_paths_that_are_not_plain);
	TEST(refuses_a_target_that_is_too_long);
	TEST(refuses_odd_methods_and_versions);
	TEST(refuses_other_media_types_and_says_which_it_takes);
	TEST(shows_its_413_for_an_oversize_body);
	TEST(refuses_at_once_what_waits_for_permission_or_is_far_too_large);
	TEST(holds_chunked_bodies_to_the_same_cap);
	TEST(refuses_a_body_where_none_belongs);
	TEST(refuses_query_arguments_that_it_does_not_know);
	TEST(ends_slow_requests_at_the_total_deadline);
	TEST(answers_pipelined_requests_whole_to_a_client_that_reads_late);
	TEST(redirects_plain_http_to_https);
}
