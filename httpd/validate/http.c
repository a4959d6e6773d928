/* http: a page below /.well-known/pki-validation/ of the exact name has the value as its body.
 *
 * Redirects are followed here, hop by hop, each resolved, guarded and pinned anew, under the rules of the name that is
 * validated: wherever one leads, the zone of the first name says what may be connected to.
 * Source: PKI.md section 3; BR 3.2.2.4.18 (redirects by 301, 302, 307 or 308, to http or https, at authorized ports). */
#include <arpa/inet.h>
#include <stdio.h>

#include "ca-core/challenge.h"
#include "httpd/validate/guard.h"
#include "httpd/validate/outward.h"
#include "httpd/validate/resolver.h"

#define HOPS_MAX 10 /* redirects that are followed */
#define HOP_MS 10000
#define BODY_MAX ((size_t)4096)        /* of an answer that may show the name */
#define DROPPED_MAX ((size_t)64 << 10) /* of any other: then it is read no further */
#define URL_MAX 2048
#define URL_SHOWN_MAX 160
#define WAY_SHOWN_MAX 240 /* of a text: then redirects are only counted */

/* One request. */
struct hop {
	struct job *job;
	struct attempt *attempt;
	bool first; /* else a redirect led here */
	char url[URL_MAX + 1];
	char host[CA_NAME_TEXT_MAX + 1]; /* of an IPv6 address without brackets */
	bool is_address;
	uint16_t port;
	size_t address_count; /* those that may be connected to: libcurl connects to no other */
	struct resolver_address addresses[RESOLVER_ADDRESSES_MAX];
	CURL *curl; /* borrowed, while it is requested */
	struct buf body;
	size_t dropped;
	bool too_large;
	long status;
	char peer[64];
	char next[URL_MAX + 1]; /* where a redirect leads; "" where there is none */
};

static bool fail(struct hop *hop, const char *code)
{
	hop->attempt->code = code;
	return false;
}

/* ---- the URL ---- */

static bool refuse_url(struct hop *hop, const char *why)
{
	buf_printf(&hop->attempt->text, ": %s", why);
	return fail(hop, hop->first ? "broken" : "forbidden-redirect");
}

static bool take_host(struct hop *hop, const char *host)
{
	struct ca_name name;
	struct error not_address = ERR_INIT, why = ERR_INIT;
	size_t len = strlen(host);
	bool is_ipv6 = len > 2 && host[0] == '[' && host[len - 1] == ']';
	struct bytes bare = is_ipv6 ? BYTES(host + 1, len - 2) : BYTES(host, len);
	hop->is_address = ca_name_ip_text(bare, &name, &not_address) == 0;
	if (hop->is_address) {
		struct resolver_address *address = &hop->addresses[0];
		address->len = name.address_len;
		memcpy(address->octets, name.address, sizeof(address->octets));
		hop->address_count = 1;
	} else if (ca_name_dns(bare, &name, &why) || name.wildcard) {
		return refuse_url(hop, "its host is no name and no address");
	}
	(void)snprintf(hop->host, sizeof(hop->host), "%s", name.text);
	return true;
}

/* Takes apart what is to be requested. Only http and https, without a user. */
static bool take_url(struct hop *hop)
{
	auto_curl_url *url = curl_url();
	auto_curl_text *scheme = NULL;
	auto_curl_text *host = NULL;
	auto_curl_text *port = NULL;
	auto_curl_text *zone = NULL;
	if (!url || curl_url_set(url, CURLUPART_URL, hop->url, CURLU_DISALLOW_USER) ||
	    curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) || curl_url_get(url, CURLUPART_HOST, &host, 0) ||
	    curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT))
		return refuse_url(hop, "this is no URL that may be requested");
	if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
		return refuse_url(hop, "only http and https may be requested");
	if (curl_url_get(url, CURLUPART_ZONEID, &zone, 0) == CURLUE_OK)
		return refuse_url(hop, "an address with a zone means another host on each machine");
	hop->port = (uint16_t)strtoul(port, NULL, 10);
	return take_host(hop, host);
}

/* ---- addresses ---- */

static void print_address(const struct resolver_address *address, struct buf *out)
{
	char text[INET6_ADDRSTRLEN] = "";
	(void)inet_ntop(address->len == 4 ? AF_INET : AF_INET6, address->octets, text, sizeof(text));
	buf_add_text(out, text);
}

/* Leaves those that may be connected to; where there is none, says of the last why not. */
static bool guard(struct hop *hop)
{
	size_t kept = 0;
	const char *why = "";
	auto_buf last = BUF_INIT;
	for (size_t i = 0; i < hop->address_count; i++) {
		struct resolver_address address = hop->addresses[i];
		const char *forbidden = guard_forbids(hop->job->zone, BYTES(address.octets, address.len), hop->port);
		if (!forbidden) {
			hop->addresses[kept++] = address;
			continue;
		}
		why = forbidden;
		buf_clear(&last);
		print_address(&address, &last);
	}
	hop->address_count = kept;
	if (kept > 0)
		return true;
	buf_printf(&hop->attempt->text, ": the address %s, port %u, %s; validation does not connect there",
		   buf_text(&last), hop->port, why);
	return fail(hop, hop->first ? "forbidden-address" : "forbidden-redirect");
}

static bool resolve(struct hop *hop)
{
	auto_dns_answer failed = DNS_ANSWER_INIT;
	if (hop->is_address)
		return guard(hop);
	hop->address_count = resolver_addresses(hop->job, hop->host, hop->addresses, &failed);
	if (hop->address_count > 0)
		return guard(hop);
	if (failed.outcome == DNS_ANSWERED)
		buf_printf(&hop->attempt->text, ": %s has no address (%s)", hop->host, failed.source);
	else
		buf_printf(&hop->attempt->text, ": the address of %s: %s", hop->host, failed.why);
	return fail(hop, dns_outcome_code(failed.outcome));
}

/* ---- the request ---- */

static bool is_redirect(long status)
{
	return status == 301 || status == 302 || status == 307 || status == 308;
}

/* What is said along with a redirect or a refusal, however long, changes nothing about it. */
static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
	struct hop *hop = arg;
	size_t len = size * count;
	long status = 0;
	(void)curl_easy_getinfo(hop->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200) {
		hop->dropped += len;
		return hop->dropped > DROPPED_MAX ? 0 : len;
	}
	hop->too_large = hop->body.len + len > BODY_MAX;
	if (hop->too_large)
		return 0;
	buf_add(&hop->body, data, len);
	return len;
}

static bool may_connect(void *arg, struct bytes address, uint16_t port)
{
	const struct hop *hop = arg;
	for (size_t i = 0; port == hop->port && i < hop->address_count; i++)
		if (bytes_equal(address, BYTES(hop->addresses[i].octets, hop->addresses[i].len)))
			return true;
	return false;
}

/* "HOST:PORT:ADDRESS,ADDRESS": libcurl looks nothing up itself. */
static struct curl_slist *pin(const struct hop *hop)
{
	auto_buf text = BUF_INIT;
	if (hop->is_address)
		return NULL;
	buf_printf(&text, "%s:%u:", hop->host, hop->port);
	for (size_t i = 0; i < hop->address_count; i++) {
		bool ipv6 = hop->addresses[i].len == 16;
		buf_add_text(&text, i ? "," : "");
		buf_add_text(&text, ipv6 ? "[" : "");
		print_address(&hop->addresses[i], &text);
		buf_add_text(&text, ipv6 ? "]" : "");
	}
	return curl_slist_append(NULL, buf_text(&text));
}

static const char *failure_code(const struct hop *hop, CURLcode code)
{
	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_ABORTED_BY_CALLBACK:
		return "timeout";
	case CURLE_COULDNT_CONNECT:
		return "refused";
	case CURLE_WRITE_ERROR:
		return hop->too_large ? "too-large" : "bad-answer";
	default:
		return "bad-answer";
	}
}

static bool transfer_failed(struct hop *hop, struct outward *outward, CURLcode code)
{
	struct buf *text = &hop->attempt->text;
	if (hop->too_large) {
		buf_printf(text, ": the body is longer than %zu octets", BODY_MAX);
		return fail(hop, "too-large");
	}
	buf_printf(text, ": %s", outward_failure(outward, code));
	if (code == CURLE_COULDNT_CONNECT) {
		buf_add_text(text, " (");
		for (size_t i = 0; i < hop->address_count; i++) {
			buf_add_text(text, i ? ", " : "");
			print_address(&hop->addresses[i], text);
		}
		buf_printf(text, ", port %u)", hop->port);
	} else if (hop->peer[0]) {
		buf_printf(text, " (%s)", hop->peer);
	}
	return fail(hop, failure_code(hop, code));
}

/* Not by CURLINFO_REDIRECT_URL, which there is only where the whole body was read. */
static bool take_next(struct hop *hop)
{
	struct curl_header *location = NULL;
	auto_curl_url *url = curl_url();
	auto_curl_text *next = NULL;
	hop->next[0] = '\0';
	if (!is_redirect(hop->status) ||
	    curl_easy_header(hop->curl, "Location", 0, CURLH_HEADER, -1, &location) != CURLHE_OK)
		return true;
	const char *text = location->value;
	if (url && !curl_url_set(url, CURLUPART_URL, hop->url, 0) &&
	    !curl_url_set(url, CURLUPART_URL, text, CURLU_URLENCODE | CURLU_NON_SUPPORT_SCHEME) &&
	    !curl_url_get(url, CURLUPART_URL, &next, 0))
		text = next;
	if (strlen(text) > URL_MAX) {
		buf_add_text(&hop->attempt->text, ": it leads to a URL that is too long");
		return fail(hop, "forbidden-redirect");
	}
	(void)snprintf(hop->next, sizeof(hop->next), "%s", text);
	return true;
}

static bool request(struct hop *hop)
{
	struct error err = ERR_INIT;
	auto_curl_list *pinned = pin(hop);
	auto_outward outward = { .curl = NULL };
	int64_t left_ms = job_left_ms(hop->job, HOP_MS);
	if (left_ms == 0) {
		buf_add_text(&hop->attempt->text, ": no time was left for it");
		return fail(hop, "timeout");
	}
	if (outward_begin(&outward, hop->job->stopping, left_ms, &err)) {
		buf_printf(&hop->attempt->text, ": %s", err.message);
		return fail(hop, "broken");
	}
	outward.may_connect = may_connect;
	outward.arg = hop;
	hop->curl = outward.curl;
	hop->dropped = 0;
	buf_clear(&hop->body);
	/* BR 3.2.2.4.18 asks for http; where that leads to https, the certificate may well be what is to be replaced. */
	outward_do_not_verify(&outward);
	if (curl_easy_setopt(outward.curl, CURLOPT_URL, hop->url) ||
	    curl_easy_setopt(outward.curl, CURLOPT_PROTOCOLS_STR, "http,https") ||
	    curl_easy_setopt(outward.curl, CURLOPT_RESOLVE, pinned) ||
	    curl_easy_setopt(outward.curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) ||
	    curl_easy_setopt(outward.curl, CURLOPT_WRITEFUNCTION, on_body) ||
	    curl_easy_setopt(outward.curl, CURLOPT_WRITEDATA, hop)) {
		buf_add_text(&hop->attempt->text, ": libcurl lacks what is needed");
		return fail(hop, "broken");
	}
	CURLcode code = curl_easy_perform(outward.curl);
	outward_peer(&outward, hop->peer);
	if (code != CURLE_OK && hop->dropped <= DROPPED_MAX)
		return transfer_failed(hop, &outward, code);
	(void)curl_easy_getinfo(outward.curl, CURLINFO_RESPONSE_CODE, &hop->status);
	return take_next(hop);
}

/* ---- what came ---- */

/* The value alone, or with one LF behind it. */
static bool is_value(struct bytes body, struct bytes value)
{
	if (body.len == value.len + 1 && body.data[value.len] == '\n')
		body.len--;
	return bytes_equal(body, value);
}

static void judge(struct hop *hop, const struct message_validate *ask)
{
	struct buf *text = &hop->attempt->text;
	if (hop->status != 200) {
		buf_printf(text, ": status %ld, not 200 (from %s)", hop->status, hop->peer);
		hop->attempt->code = "http-status";
	} else if (is_value(buf_bytes(&hop->body), ask->value)) {
		buf_printf(text, ": the body is \"%.*s\" (from %s)", (int)ask->value.len, (const char *)ask->value.data,
			   hop->peer);
		hop->attempt->code = "ok";
	} else {
		buf_printf(text, ": expected \"%.*s\", found ", (int)ask->value.len, (const char *)ask->value.data);
		dns_print_string(buf_bytes(&hop->body), text);
		buf_printf(text, " (from %s)", hop->peer);
		hop->attempt->code = "wrong-value";
	}
}

/* ---- all hops ---- */

static void show_url(const char *url, struct buf *text)
{
	for (size_t i = 0; i < URL_SHOWN_MAX && url[i]; i++)
		buf_u8(text, url[i] > ' ' && url[i] < 0x7f ? (uint8_t)url[i] : '?');
	if (strlen(url) > URL_SHOWN_MAX)
		buf_add_text(text, "...");
}

/* One request; true where it leads on. */
static bool take_hop(struct hop *hop, const struct message_validate *ask)
{
	show_url(hop->url, &hop->attempt->text);
	if (!take_url(hop) || !resolve(hop) || !request(hop))
		return false;
	if (hop->next[0])
		return true;
	judge(hop, ask);
	return false;
}

/* Says that a redirect leads on. Of a long way only its beginning and its end are told. */
static void tell_redirect(const struct hop *hop, unsigned redirects, size_t *beginning)
{
	struct buf *text = &hop->attempt->text;
	if (redirects == 1 || text->len < WAY_SHOWN_MAX) {
		buf_printf(text, ": status %ld from %s, on to ", hop->status, hop->peer);
		*beginning = text->len;
		return;
	}
	text->len = *beginning;
	buf_printf(text, "... and after %u redirects to ", redirects);
}

static void follow(struct job *job, const struct message_validate *ask, const char *url, struct attempt *attempt)
{
	struct hop *hop = calloc(1, sizeof(*hop));
	if (!hop) {
		attempt->code = "broken";
		return;
	}
	hop->job = job;
	hop->attempt = attempt;
	hop->first = true;
	(void)snprintf(hop->url, sizeof(hop->url), "%s", url);
	size_t beginning = 0;
	for (unsigned redirects = 1; take_hop(hop, ask); redirects++) {
		tell_redirect(hop, redirects, &beginning);
		if (redirects > HOPS_MAX) {
			show_url(hop->next, &attempt->text);
			buf_printf(&attempt->text, ": more than %d redirects", HOPS_MAX);
			attempt->code = "forbidden-redirect";
			break;
		}
		hop->first = false;
		memcpy(hop->url, hop->next, sizeof(hop->url));
	}
	buf_free(&hop->body);
	free(hop);
}

/* The URL of the challenge, at the port that the zone gives. */
static bool first_url(const struct job *job, const struct message_validate *ask, struct buf *out)
{
	char value[CA_CHALLENGE_VALUE_SIZE] = "", url[CA_CHALLENGE_NAME_SIZE + 64];
	if (ask->value.len != sizeof(value) - 1)
		return false;
	memcpy(value, ask->value.data, ask->value.len);
	ca_challenge_http_url(ask->name, value, ca_config_http_port(job->zone), url);
	buf_add_text(out, url);
	return true;
}

void http_try(struct job *job, const struct message_validate *ask, struct attempt *attempt)
{
	auto_buf url = BUF_INIT;
	if (first_url(job, ask, &url)) {
		follow(job, ask, buf_text(&url), attempt);
	} else {
		attempt->code = "broken";
		buf_add_text(&attempt->text, "the URL to look at could not be made");
	}
}
