#include "httpd/door.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- headers ---- */

enum { HEADER_HOST, HEADER_CONTENT_LENGTH, HEADER_TRANSFER_ENCODING, HEADER_ONCE };

/* Headers that may come once only: each decides something. */
static const char *const once_names[] = {
	"Host", "Content-Length", "Transfer-Encoding", "Content-Type", "Authorization", "Idempotency-Key",
};
#define ONCE_COUNT (sizeof(once_names) / sizeof(once_names[0]))

struct headers {
	struct error *err;
	bool failed;
	unsigned seen[ONCE_COUNT];
	const char *values[ONCE_COUNT];
};

/* RFC 9110 section 5.6.2 */
static bool is_token(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] <= 0x20 || text[i] >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", text[i]))
			return false;
	return len > 0;
}

/* RFC 9110 section 5.5: visible characters, blanks, tabs and obs-text. */
static bool is_field_value(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static enum MHD_Result refuse_header(struct headers *h, const char *name, const char *why)
{
	(void)err_set(h->err, ERR_BAD_REQUEST, "%s", why);
	(void)err_about(h->err, name, NULL, NULL);
	h->failed = true;
	return MHD_NO;
}

static enum MHD_Result look_at_header(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_len,
				      const char *value, size_t value_len)
{
	struct headers *h = cls;
	(void)kind;
	if (!is_token(name, name_len))
		return refuse_header(h, "header", "a header's name is not a token");
	if (!is_field_value(value, value_len))
		return refuse_header(h, name, "a header's value has control characters");
	for (size_t i = 0; i < ONCE_COUNT; i++) {
		if (strcasecmp(name, once_names[i]) != 0)
			continue;
		h->values[i] = value;
		if (++h->seen[i] > 1)
			return refuse_header(h, once_names[i], "this header may come once only");
	}
	return MHD_YES;
}

static bool is_number(const char *text)
{
	size_t len = strlen(text);
	return len > 0 && len <= 15 && strspn(text, "0123456789") == len;
}

/* How long the body is must be said once and in one way: a proxy that reads it otherwise
 * would see another request than we do. Source: RFC 9112 sections 6.1 and 6.3. */
static int check_framing(const struct headers *h, bool version_1_0, struct error *err)
{
	const char *length = h->values[HEADER_CONTENT_LENGTH], *encoding = h->values[HEADER_TRANSFER_ENCODING];
	if (length && encoding) {
		(void)err_set(err, ERR_BAD_REQUEST, "Content-Length and Transfer-Encoding exclude each other");
		return err_about(err, "Transfer-Encoding", encoding, NULL);
	}
	if (encoding && (version_1_0 || strcasecmp(encoding, "chunked") != 0)) {
		(void)err_set(err, ERR_BAD_REQUEST, "this Transfer-Encoding is not known here");
		return err_about(err, "Transfer-Encoding", encoding, version_1_0 ? NULL : "chunked");
	}
	if (length && !is_number(length)) {
		(void)err_set(err, ERR_BAD_REQUEST, "Content-Length must be one decimal number");
		return err_about(err, "Content-Length", length, NULL);
	}
	return 0;
}

static int check_host(const struct headers *h, bool version_1_0, struct error *err)
{
	const char *host = h->values[HEADER_HOST];
	if (!host && !version_1_0) {
		(void)err_set(err, ERR_BAD_REQUEST, "an HTTP/1.1 request must have a Host header");
		return err_about(err, "Host", NULL, NULL);
	}
	size_t len = host ? strlen(host) : 0;
	for (size_t i = 0; i < len; i++)
		if (host[i] <= 0x20 || host[i] >= 0x7f || strchr("/?#@\\,\"<>", host[i])) {
			(void)err_set(err, ERR_BAD_REQUEST, "this is no host");
			return err_about(err, "Host", host, NULL);
		}
	return 0;
}

int door_headers(struct request *r, const char *method, const char *version, struct error *err)
{
	size_t method_len = strlen(method);
	if (method_len >= sizeof(r->method) || !is_token(method, method_len))
		return err_set(err, ERR_BAD_REQUEST, "this is no method");
	memcpy(r->method, method, method_len + 1);
	bool version_1_0 = strcmp(version, "HTTP/1.0") == 0;
	if (!version_1_0 && strcmp(version, "HTTP/1.1") != 0) {
		(void)err_set(err, ERR_BAD_REQUEST, "this version of HTTP is not spoken here");
		return err_about(err, "version", version, "HTTP/1.1, HTTP/1.0");
	}
	struct headers h = { .err = err };
	(void)MHD_get_connection_values_n(r->mhd, MHD_HEADER_KIND, look_at_header, &h);
	if (h.failed || check_framing(&h, version_1_0, err) != 0 || check_host(&h, version_1_0, err) != 0)
		return -1;
	return door_target(r, r->target, err);
}

/* ---- the target: path and query ---- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes text onto *out, which is moved behind it. The caller has room for text.len octets. */
static int decode(struct bytes text, bool plus_is_space, char **out, struct bytes *decoded, struct error *err)
{
	char *start = *out, *at = start;
	for (size_t i = 0; i < text.len; i++) {
		char c = (char)text.data[i];
		if (c == '%') {
			int high = i + 2 < text.len ? hex_digit((char)text.data[i + 1]) : -1;
			int low = i + 2 < text.len ? hex_digit((char)text.data[i + 2]) : -1;
			if (high < 0 || low < 0)
				return err_set(err, ERR_BAD_REQUEST,
					       "a percent sign must be followed by two hex digits");
			c = (char)(high << 4 | low);
			i += 2;
		} else if (c == '+' && plus_is_space) {
			c = ' ';
		}
		if ((unsigned char)c < 0x20 || c == 0x7f)
			return err_set(err, ERR_BAD_REQUEST, "the address has control characters");
		*at++ = c;
	}
	*out = at;
	*decoded = BYTES(start, (size_t)(at - start));
	return 0;
}

static int add_segment(struct request *r, struct bytes text, bool last, char **out, struct error *err)
{
	struct bytes segment;
	if (decode(text, false, out, &segment, err) != 0)
		return -1;
	if (segment.len == 0 && !(last && r->segment_count == 0))
		return err_set(err, ERR_BAD_REQUEST, "the path has an empty segment");
	if (segment.len > 0 && memchr(segment.data, '/', segment.len))
		return err_set(err, ERR_BAD_REQUEST, "the path has an encoded slash");
	if (bytes_are(segment, ".") || bytes_are(segment, ".."))
		return err_set(err, ERR_BAD_REQUEST, "the path has a dot segment");
	if (r->segment_count == REQUEST_SEGMENTS_MAX)
		return err_set(err, ERR_BAD_REQUEST, "the path has more than %d segments", REQUEST_SEGMENTS_MAX);
	r->segments[r->segment_count++] = segment;
	return 0;
}

static int add_argument(struct request *r, struct bytes text, char **out, struct error *err)
{
	if (text.len == 0)
		return 0;
	if (r->argument_count == REQUEST_ARGUMENTS_MAX)
		return err_set(err, ERR_BAD_REQUEST, "the query has more than %d arguments", REQUEST_ARGUMENTS_MAX);
	const uint8_t *equals = memchr(text.data, '=', text.len);
	size_t name_len = equals ? (size_t)(equals - text.data) : text.len;
	struct bytes rest = equals ? BYTES(equals + 1, text.len - name_len - 1) : BYTES_NONE;
	struct bytes name, value;
	if (decode(BYTES(text.data, name_len), true, out, &name, err) != 0 || decode(rest, true, out, &value, err) != 0)
		return -1;
	for (size_t i = 0; i < r->argument_count; i++)
		if (bytes_equal(r->arguments[i].name, name))
			return err_set(err, ERR_BAD_REQUEST, "a query argument comes twice");
	r->arguments[r->argument_count].name = name;
	r->arguments[r->argument_count++].value = value;
	return 0;
}

/* The part of *text before the separator, which *text is moved behind; *last where there is none. */
static struct bytes next_part(struct bytes *text, char separator, bool *last)
{
	const uint8_t *end = text->len ? memchr(text->data, separator, text->len) : NULL;
	*last = end == NULL;
	struct bytes part = BYTES(text->data, end ? (size_t)(end - text->data) : text->len);
	size_t used = part.len + (end ? 1 : 0);
	*text = BYTES(text->data + used, text->len - used);
	return part;
}

static int read_target(struct request *r, struct bytes path, struct bytes query, struct error *err)
{
	char *out = r->decoded;
	bool last = false;
	while (!last) {
		struct bytes part = next_part(&path, '/', &last);
		if (add_segment(r, part, last, &out, err) != 0)
			return -1;
	}
	last = query.len == 0;
	while (!last) {
		struct bytes part = next_part(&query, '&', &last);
		if (add_argument(r, part, &out, err) != 0)
			return -1;
	}
	return 0;
}

int door_target(struct request *r, const char *target, struct error *err)
{
	size_t len = strlen(target);
	if (len > DOOR_TARGET_MAX)
		return err_set(err, ERR_BAD_REQUEST, "the address is longer than %d octets", DOOR_TARGET_MAX);
	if (target[0] != '/')
		return err_set(err, ERR_BAD_REQUEST, "the address must begin with a slash");
	const char *mark = strchrnul(target, '?');
	struct bytes path = BYTES(target + 1, (size_t)(mark - target) - 1);
	if (read_target(r, path, bytes_of(*mark ? mark + 1 : mark), err) == 0)
		return 0;
	return err_about(err, "path", target, NULL);
}

/* ---- bodies ---- */

static const struct {
	size_t max;
	const char *type;
} bodies[] = {
	[BODY_NONE] = { 0, NULL },
	[BODY_CSR] = { DOOR_CSR_MAX, "application/pkcs10" },
	[BODY_JSON] = { DOOR_JSON_MAX, "application/json" },
};

/* Type and subtype alone; parameters are allowed and ignored. */
static bool is_media_type(const char *header, const char *type)
{
	size_t len = strlen(type);
	if (!header || strncasecmp(header, type, len) != 0)
		return false;
	header += len + strspn(header + len, " \t");
	return *header == '\0' || *header == ';';
}

/* What Content-Length announces; 0 where there is none. */
static unsigned long long announced(const struct request *r)
{
	const char *length = request_header(r, MHD_HTTP_HEADER_CONTENT_LENGTH);
	return length && is_number(length) ? strtoull(length, NULL, 10) : 0;
}

size_t door_body_max(const struct route *route)
{
	return bodies[route->body].max;
}

int door_too_large(const struct route *route, struct error *err)
{
	if (route->body == BODY_NONE)
		return err_set(err, ERR_BAD_REQUEST, "this request takes no body");
	char allowed[32];
	(void)snprintf(allowed, sizeof(allowed), "%zu octets", bodies[route->body].max);
	(void)err_set(err, ERR_TOO_LARGE, "the body is larger than %s", allowed);
	return err_about(err, "body", NULL, allowed);
}

int door_body(const struct request *r, const struct route *route, struct error *err)
{
	const char *wanted = bodies[route->body].type;
	if (wanted) {
		const char *type = request_header(r, MHD_HTTP_HEADER_CONTENT_TYPE);
		if (!is_media_type(type, wanted)) {
			(void)err_set(err, ERR_UNSUPPORTED_MEDIA_TYPE, "the body must come with Content-Type: %s",
				      wanted);
			return err_about(err, "Content-Type", type, wanted);
		}
	}
	if (announced(r) > bodies[route->body].max)
		return door_too_large(route, err);
	return 0;
}

bool door_refuses_early(const struct request *r)
{
	const char *expect = request_header(r, MHD_HTTP_HEADER_EXPECT);
	return expect != NULL || announced(r) > DOOR_DROP_MAX;
}
