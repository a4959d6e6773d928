#include "ca-core/challenge.h"

#include <stdio.h>

#include "base/ossl.h"
#include "base/text.h"
#include "store/record_order.h"

#define HASH_LEN 32
#define SHORT_LEN 16      /* of a value, where the whole has no room */
#define DNS_NAME_MAX 253u /* RFC 1035 section 2.3.4, as text */
#define TXT_LABEL "_chancery-challenge."

/* What stands behind "dns:" or "ip:"; no bytes where it is of another kind. */
static struct bytes of_kind(struct bytes name, const char *kind)
{
	size_t len = strlen(kind);
	if (name.len <= len || memcmp(name.data, kind, len) != 0)
		return BYTES_NONE;
	return BYTES(name.data + len, name.len - len);
}

bool ca_challenge_is_wildcard(struct bytes name)
{
	struct bytes host = of_kind(name, "dns:");
	return host.len > 2 && memcmp(host.data, "*.", 2) == 0;
}

struct bytes ca_challenge_host(struct bytes name)
{
	struct bytes host = of_kind(name, "dns:");
	return ca_challenge_is_wildcard(name) ? BYTES(host.data + 2, host.len - 2) : host;
}

/* ---- the value ---- */

static void add_counted(struct buf *out, const char *start, struct bytes bytes)
{
	size_t len = strlen(start) + bytes.len;
	if (len > UINT16_MAX)
		out->failed = true;
	buf_u16(out, (uint16_t)len);
	buf_add_text(out, start);
	buf_add_bytes(out, bytes);
}

void ca_challenge_value(const uint8_t nonce[32], const uint8_t spki_hash[32], struct bytes name, struct bytes requester,
			char out[CA_CHALLENGE_VALUE_SIZE])
{
	auto_buf committed = BUF_INIT, text = BUF_INIT;
	uint8_t hash[HASH_LEN];
	struct bytes host = ca_challenge_host(name);
	buf_add(&committed, nonce, HASH_LEN);
	buf_add(&committed, spki_hash, HASH_LEN);
	add_counted(&committed, host.len ? "dns:" : "", host.len ? host : name);
	add_counted(&committed, "", requester);
	sha256(committed.data, committed.len, hash);
	text_add_base32(&text, BYTES(hash, sizeof(hash)));
	bool good = !committed.failed && text.len == CA_CHALLENGE_VALUE_SIZE - 1;
	(void)snprintf(out, CA_CHALLENGE_VALUE_SIZE, "%s", good ? buf_text(&text) : "");
}

/* ---- where it goes ---- */

void ca_challenge_txt_name(struct bytes name, char out[CA_CHALLENGE_NAME_SIZE])
{
	struct bytes host = ca_challenge_host(name);
	(void)snprintf(out, CA_CHALLENGE_NAME_SIZE, TXT_LABEL "%.*s", (int)host.len, (const char *)host.data);
}

void ca_challenge_cname_name(struct bytes name, const char value[CA_CHALLENGE_VALUE_SIZE],
			     char out[CA_CHALLENGE_NAME_SIZE])
{
	struct bytes host = ca_challenge_host(name);
	(void)snprintf(out, CA_CHALLENGE_NAME_SIZE, "_%.*s.%.*s", SHORT_LEN, value, (int)host.len,
		       (const char *)host.data);
}

void ca_challenge_cname_target(const char value[CA_CHALLENGE_VALUE_SIZE], const char *base,
			       char out[CA_CHALLENGE_NAME_SIZE])
{
	(void)snprintf(out, CA_CHALLENGE_NAME_SIZE, "%s.%s", value, base);
}

void ca_challenge_http_url(struct bytes name, const char value[CA_CHALLENGE_VALUE_SIZE], uint16_t port,
			   char out[CA_CHALLENGE_NAME_SIZE + 64])
{
	char colon_port[8] = "";
	struct bytes address = of_kind(name, "ip:"), host = address.len ? address : ca_challenge_host(name);
	bool bracketed = address.len && memchr(address.data, ':', address.len);
	if (port != 80)
		(void)snprintf(colon_port, sizeof(colon_port), ":%u", port);
	(void)snprintf(out, CA_CHALLENGE_NAME_SIZE + 64, "http://%s%.*s%s%s/.well-known/pki-validation/%.*s.txt",
		       bracketed ? "[" : "", (int)host.len, (const char *)host.data, bracketed ? "]" : "", colon_port,
		       SHORT_LEN, value);
}

/* ---- which ways there are ---- */

unsigned ca_challenge_methods(struct bytes name, unsigned methods)
{
	struct bytes host = ca_challenge_host(name);
	unsigned possible = METHOD_GRANT;
	if (of_kind(name, "ip:").len)
		possible |= METHOD_HTTP;
	if (host.len)
		possible |= METHOD_MAIL;
	if (host.len && !ca_challenge_is_wildcard(name))
		possible |= METHOD_HTTP;
	if (host.len && sizeof(TXT_LABEL) - 1 + host.len <= DNS_NAME_MAX)
		possible |= METHOD_DNS_TXT;
	if (host.len && 1 + SHORT_LEN + 1 + host.len <= DNS_NAME_MAX)
		possible |= METHOD_DNS_CNAME;
	return methods & possible;
}
