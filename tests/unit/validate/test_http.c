/* The method http, against a played resolver and a played web server on 127.0.0.2, which the zone opens. */
#include "tests/unit/validate/rig.h"

#include <stdio.h>

#define HERE "127.0.0.2"
#define PATH "/.well-known/pki-validation/abcdefghijklmnop.txt"

static struct rig_dns *dns;
static struct rig_http *http;
static struct ca_config *config;

static void open_rig(void)
{
	dns = rig_dns_start();
	http = rig_http_start(HERE, 0);
	config = rig_config(dns, HERE, http->port);
	rig_dns_a(dns, "www.example.test", HERE, 0);
}

static void close_rig(void)
{
	rig_config_free(config);
	rig_http_stop(http);
	rig_dns_stop(dns);
}

static void tried(const char *name, const char *code, const char *says)
{
	struct attempt attempt = rig_try(config, http_try, name, false, 10000);
	CHECK_TEXT(attempt.code, code);
	CHECK_TEXT(strstr(buf_text(&attempt.text), says) ? says : buf_text(&attempt.text), says);
	buf_free(&attempt.text);
}

static const char *url(const char *host, const char *path)
{
	static char text[512];
	(void)snprintf(text, sizeof(text), "http://%s:%u%s", host, http->port, path);
	return text;
}

static void redirect_with(const char *from, const char *status, const char *to, struct bytes body)
{
	char header[4096];
	(void)snprintf(header, sizeof(header), "Location: %s\r\n", to);
	rig_http_page(http, from, status, header, body);
}

static void redirect(const char *from, const char *status, const char *to)
{
	redirect_with(from, status, to, bytes_of("elsewhere"));
}

static void fill(struct buf *body, size_t len)
{
	while (body->len < len && !body->failed)
		buf_u8(body, 'x');
	REQUIRE(!body->failed);
}

static void the_body_is_the_value_alone(void)
{
	static const struct {
		const char *body, *code, *says;
	} cases[] = {
		{ RIG_VALUE, "ok", "the body is \"" RIG_VALUE "\" (from 127.0.0.2:" },
		{ RIG_VALUE "\n", "ok", "the body is" },
		{ RIG_VALUE "\n\n", "wrong-value", "found" },
		{ RIG_VALUE "\r\n", "wrong-value", "found" },
		{ " " RIG_VALUE, "wrong-value", "found" },
		{ "", "wrong-value", "found \"\" (from 127.0.0.2:" },
		{ "something else", "wrong-value", "expected \"" RIG_VALUE "\", found \"something else\"" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		open_rig();
		rig_http_page(http, PATH, "200 OK", "", bytes_of(cases[i].body));
		tried("dns:www.example.test", cases[i].code, cases[i].says);
		tried("dns:www.example.test", cases[i].code, url("www.example.test", PATH));
		close_rig();
	}
}

static void a_body_of_4_kib_is_read_and_no_longer_one(void)
{
	auto_buf body = BUF_INIT;
	fill(&body, 4096);
	open_rig();
	rig_http_page(http, PATH, "200 OK", "", buf_bytes(&body));
	tried("dns:www.example.test", "wrong-value", "found");
	close_rig();
	buf_u8(&body, 'x');
	open_rig();
	rig_http_page(http, PATH, "200 OK", "", buf_bytes(&body));
	tried("dns:www.example.test", "too-large", "longer than 4096 octets");
	close_rig();
}

static void only_status_200_shows(void)
{
	static const char *const statuses[] = { "201 Created",     "206 Partial Content", "300 Multiple Choices",
						"403 Forbidden",   "404 Not Found",       "500 Internal Server Error",
						"304 Not Modified" };
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		open_rig();
		rig_http_page(http, PATH, statuses[i], "", bytes_of(i == 6 ? "" : RIG_VALUE));
		tried("dns:www.example.test", "http-status", "not 200 (from 127.0.0.2:");
		close_rig();
	}
}

/* Longer than what may show a name; longer than what is read of anything. */
static const size_t long_bodies[] = { 5000, (size_t)1 << 20 };
#define LONG_BODY_COUNT (sizeof(long_bodies) / sizeof(long_bodies[0]))

static void a_long_page_of_another_status_is_told_by_its_status(void)
{
	for (size_t i = 0; i < LONG_BODY_COUNT; i++) {
		auto_buf body = BUF_INIT;
		fill(&body, long_bodies[i]);
		open_rig();
		rig_http_page(http, PATH, "404 Not Found", "", buf_bytes(&body));
		tried("dns:www.example.test", "http-status", "status 404, not 200 (from 127.0.0.2:");
		close_rig();
	}
}

static void a_redirect_with_a_long_page_leads_on(void)
{
	for (size_t i = 0; i < LONG_BODY_COUNT; i++) {
		auto_buf body = BUF_INIT;
		fill(&body, long_bodies[i]);
		open_rig();
		redirect_with(PATH, "302 Found", "../elsewhere?a=b c", buf_bytes(&body));
		redirect_with("/.well-known/elsewhere?a=b+c", "301 Moved Permanently", "/end", buf_bytes(&body));
		rig_http_page(http, "/end", "200 OK", "", bytes_of(RIG_VALUE));
		tried("dns:www.example.test", "ok", "/end: the body is");
		close_rig();
	}
}

static void what_does_not_answer_is_told_apart(void)
{
	open_rig();
	rig_http_page(http, PATH, NULL, "", BYTES_NONE);
	struct attempt attempt = rig_try(config, http_try, "dns:www.example.test", false, 700);
	CHECK_TEXT(attempt.code, "timeout");
	buf_free(&attempt.text);
	close_rig();

	open_rig();
	rig_http_page(http, PATH, "rubbish", "x\r\n", BYTES_NONE);
	http->pages[0].status[0] = '\0';
	tried("dns:www.example.test", "bad-answer", "127.0.0.2");
	close_rig();

	open_rig();
	uint16_t port = http->port;
	rig_http_stop(http);
	tried("dns:www.example.test", "refused", "Connection refused (127.0.0.2, port ");
	http = rig_http_start(HERE, port);
	close_rig();
}

static void names_without_an_address_say_so(void)
{
	open_rig();
	rig_dns_txt(dns, "empty.example.test", "x");
	rig_dns_fails(dns, "broken.example.test", RIG_SERVFAIL);
	tried("dns:none.example.test", "nxdomain", "the address of none.example.test: NXDOMAIN from");
	tried("dns:empty.example.test", "no-record", "empty.example.test has no address (from");
	tried("dns:broken.example.test", "servfail", "SERVFAIL");
	close_rig();
}

static void the_inside_is_not_connected_to(void)
{
	static const char *const inside[] = { "127.0.0.1", "169.254.169.254", "10.0.0.1", "0.0.0.0", "192.0.2.1" };
	open_rig();
	struct rig_http *other = rig_http_start("127.0.0.1", http->port);
	for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
		char name[64];
		(void)snprintf(name, sizeof(name), "inside%zu.example.test", i);
		rig_dns_a(dns, name, inside[i], 0);
		(void)snprintf(name, sizeof(name), "dns:inside%zu.example.test", i);
		tried(name, "forbidden-address", inside[i]);
	}
	tried("ip:127.0.0.1", "forbidden-address", "is loopback (RFC 1122); validation does not connect there");
	CHECK_INT(other->requests, 0);
	rig_http_stop(other);
	close_rig();
}

static void of_several_addresses_only_those_allowed_are_used(void)
{
	open_rig();
	struct rig_http *other = rig_http_start("127.0.0.1", http->port);
	rig_dns_a(dns, "mixed.example.test", "127.0.0.1", 0);
	rig_dns_a(dns, "mixed.example.test", HERE, 0);
	rig_dns_a(dns, "mixed.example.test", "10.0.0.1", 0);
	rig_http_page(http, PATH, "200 OK", "", bytes_of(RIG_VALUE));
	tried("dns:mixed.example.test", "ok", "from 127.0.0.2:");
	CHECK_INT(other->requests, 0);
	rig_http_stop(other);
	close_rig();
}

static void an_address_is_shown_at_itself(void)
{
	open_rig();
	rig_http_page(http, PATH, "200 OK", "", bytes_of(RIG_VALUE));
	tried("ip:127.0.0.2", "ok", url(HERE, PATH));
	CHECK_INT(dns->asked_count, 0);
	close_rig();
}

static void redirects_of_four_kinds_are_followed(void)
{
	static const char *const followed[] = { "301 Moved Permanently", "302 Found", "307 Temporary Redirect",
						"308 Permanent Redirect" };
	for (size_t i = 0; i < sizeof(followed) / sizeof(followed[0]); i++) {
		open_rig();
		redirect(PATH, followed[i], "/elsewhere?a=b");
		redirect("/elsewhere?a=b", followed[i], url("WWW.example.test", "/end"));
		rig_http_page(http, "/end", "200 OK", "", bytes_of(RIG_VALUE));
		tried("dns:www.example.test", "ok", "/end: the body is");
		close_rig();
	}
	open_rig();
	redirect(PATH, "303 See Other", "/end");
	rig_http_page(http, "/end", "200 OK", "", bytes_of(RIG_VALUE));
	tried("dns:www.example.test", "http-status", "status 303, not 200");
	close_rig();
}

static void a_redirect_to_a_forbidden_place_ends_there(void)
{
	static const struct {
		const char *to, *says;
	} cases[] = {
		{ "http://127.0.0.1:%u/", "is loopback (RFC 1122)" },
		{ "http://localhost:%u/", "is loopback (RFC 1122)" },
		{ "http://2130706433:%u/", "127.0.0.1" },
		{ "http://0x7f.1:%u/", "127.0.0.1" },
		{ "http://169.254.169.254/latest", "is link-local (RFC 3927)" },
		{ "http://[fe80::1]/", "is link-local (RFC 4291)" },
		{ "http://[fe80::1%%25lo]/", "an address with a zone" },
		{ "http://[::1]:%u/", "is loopback (RFC 4291)" },
		{ "http://[::ffff:127.0.0.1]/", "no name and no address" },
		{ "http://[64:ff9b::7f00:1]/", "is loopback (RFC 1122)" },
		{ "http://127.0.0.2:1/", "at a port that the zone does not open" },
		{ "http://127.0.0.2/", "at a port that the zone does not open" },
		{ "http://8.8.8.8:25/", "at a port that validation does not use" },
		{ "http://inside.elsewhere.test/", "is private (RFC 1918)" },
		{ "http://user@127.0.0.2:%u/", "no URL that may be requested" },
		{ "ftp://127.0.0.2:%u/", "only http and https may be requested" },
		{ "file:///etc/passwd", "may be requested" },
		{ "gopher://127.0.0.2:%u/x", "only http and https may be requested" },
		{ "http://*.example.test/", "no URL that may be requested" },
		{ "http://a..b/", "no name and no address" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char to[256];
		open_rig();
		struct rig_http *other = rig_http_start("127.0.0.1", http->port);
		rig_dns_a(dns, "inside.elsewhere.test", "10.1.2.3", 0);
		rig_dns_a(dns, "localhost", "127.0.0.1", 0);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		(void)snprintf(to, sizeof(to), cases[i].to, http->port);
#pragma GCC diagnostic pop
		redirect(PATH, "302 Found", to);
		tried("dns:www.example.test", "forbidden-redirect", cases[i].says);
		CHECK_INT(http->requests, 1);
		CHECK_INT(other->requests, 0);
		rig_http_stop(other);
		close_rig();
	}
}

static void a_redirect_to_a_url_that_is_too_long_is_forbidden(void)
{
	auto_buf path = BUF_INIT;
	buf_u8(&path, '/');
	fill(&path, 2048);
	open_rig();
	redirect(PATH, "302 Found", buf_text(&path));
	tried("dns:www.example.test", "forbidden-redirect", ": it leads to a URL that is too long");
	CHECK_INT(http->requests, 1);
	close_rig();
}

static void ten_redirects_are_followed_and_no_more(void)
{
	for (unsigned last = 10; last <= 11; last++) {
		open_rig();
		redirect(PATH, "302 Found", "/1");
		for (unsigned i = 1; i < last; i++) {
			char from[16], to[16];
			(void)snprintf(from, sizeof(from), "/%u", i);
			(void)snprintf(to, sizeof(to), "/%u", i + 1);
			redirect(from, "302 Found", to);
		}
		char end[16];
		(void)snprintf(end, sizeof(end), "/%u", last);
		rig_http_page(http, end, "200 OK", "", bytes_of(RIG_VALUE));
		tried("dns:www.example.test", last == 10 ? "ok" : "forbidden-redirect",
		      last == 10 ? "/10: the body" : "more than 10 redirects");
		CHECK_INT(http->requests, 11);
		close_rig();
	}
}

static void an_address_that_changes_between_check_and_connection_changes_nothing(void)
{
	open_rig();
	struct rig_http *other = rig_http_start("127.0.0.1", http->port);
	rig_dns_a(dns, "moves.example.test", HERE, 1);
	for (unsigned n = 2; n < 8; n++)
		rig_dns_a(dns, "moves.example.test", "127.0.0.1", n);
	rig_http_page(http, PATH, "200 OK", "", bytes_of(RIG_VALUE));
	tried("dns:moves.example.test", "ok", "from 127.0.0.2:");
	CHECK_INT(rig_dns_asked(dns, "A moves.example.test"), 1);
	CHECK_INT(other->requests, 0);
	rig_http_stop(other);
	close_rig();
}

static void an_address_that_changes_between_two_hops_is_checked_again(void)
{
	open_rig();
	struct rig_http *other = rig_http_start("127.0.0.1", http->port);
	rig_dns_a(dns, "moves.example.test", HERE, 1);
	rig_dns_a(dns, "moves.example.test", "127.0.0.1", 2);
	redirect(PATH, "302 Found", "/again");
	rig_http_page(other, "/again", "200 OK", "", bytes_of(RIG_VALUE));
	tried("dns:moves.example.test", "forbidden-redirect", "the address 127.0.0.1");
	CHECK_INT(rig_dns_asked(dns, "A moves.example.test"), 2);
	CHECK_INT(other->requests, 0);
	rig_http_stop(other);
	close_rig();
}

static void a_request_says_no_more_than_it_must(void)
{
	open_rig();
	(void)setenv("http_proxy", "http://127.0.0.1:1", 1);
	(void)setenv("all_proxy", "http://127.0.0.1:1", 1);
	rig_http_page(http, PATH, "200 OK", "Set-Cookie: a=b\r\n", bytes_of(RIG_VALUE));
	tried("dns:www.example.test", "ok", "the body is");
	char head[512];
	(void)snprintf(head, sizeof(head),
		       "GET " PATH " HTTP/1.1\r\nHost: www.example.test:%u\r\nUser-Agent: chancery/" CHANCERY_VERSION
		       "\r\nAccept: */*\r\n\r\n",
		       http->port);
	CHECK_TEXT(http->head, head);
	(void)unsetenv("http_proxy");
	(void)unsetenv("all_proxy");
	close_rig();
}

SUITE(http)
{
	TEST(the_body_is_the_value_alone);
	TEST(a_body_of_4_kib_is_read_and_no_longer_one);
	TEST(only_status_200_shows);
	TEST(a_long_page_of_another_status_is_told_by_its_status);
	TEST(a_redirect_with_a_long_page_leads_on);
	TEST(what_does_not_answer_is_told_apart);
	TEST(names_without_an_address_say_so);
	TEST(the_inside_is_not_connected_to);
	TEST(of_several_addresses_only_those_allowed_are_used);
	TEST(an_address_is_shown_at_itself);
	TEST(redirects_of_four_kinds_are_followed);
	TEST(a_redirect_to_a_forbidden_place_ends_there);
	TEST(a_redirect_to_a_url_that_is_too_long_is_forbidden);
	TEST(ten_redirects_are_followed_and_no_more);
	TEST(an_address_that_changes_between_check_and_connection_changes_nothing);
	TEST(an_address_that_changes_between_two_hops_is_checked_again);
	TEST(a_request_says_no_more_than_it_must);
}
