#include "hsm/uri.h"

#include <stdio.h>
#include <strings.h>

#include "base/text.h"

#define SCHEME "pkcs11:"

/* The text attributes: where they go, and how much fits (octets and NUL). */
static const struct text_attribute {
	const char *name;
	enum hsm_uri_part part;
	size_t offset, size;
} text_attributes[] = {
#define TEXT(name, part, field)                                                                   \
	{                                                                                         \
		name, part, offsetof(struct hsm_uri, field), sizeof(((struct hsm_uri *)0)->field) \
	}
	TEXT("token", HSM_URI_TOKEN, token),    TEXT("manufacturer", HSM_URI_MANUFACTURER, manufacturer),
	TEXT("serial", HSM_URI_SERIAL, serial), TEXT("model", HSM_URI_MODEL, model),
	TEXT("object", HSM_URI_OBJECT, object), TEXT("type", HSM_URI_TYPE, type),
#undef TEXT
};
#define TEXT_ATTRIBUTES (sizeof(text_attributes) / sizeof(text_attributes[0]))

static bool is_unreserved(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c && strchr("-._~", c));
}

/* pk11-pchar of RFC 7512 section 2.3, without the percent sign. */
static bool is_plain(uint8_t c)
{
	return is_unreserved(c) || (c && strchr(":[]@!$'()*+,=&", c));
}

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* pk11-qchar of RFC 7512 section 2.3, without the percent sign. The ampersand separates. */
static bool is_plain_in_query(uint8_t c)
{
	return c != '&' && (is_plain(c) || (c && strchr("/?|", c)));
}

/* Undoes the percent-encoding into out. Returns the length, or -1. */
static int decode(const char *name, struct bytes text, bool (*plain)(uint8_t), uint8_t *out, size_t max,
		  struct error *err)
{
	size_t len = 0;
	for (size_t i = 0; i < text.len; i++, len++) {
		uint8_t c = text.data[i];
		if (len == max)
			return err_set(err, ERR_CONFIG, "PKCS#11 URI: %s is longer than %zu octets", name, max);
		if (c == '%') {
			int high = i + 2 < text.len ? hex_digit(text.data[i + 1]) : -1;
			int low = high >= 0 ? hex_digit(text.data[i + 2]) : -1;
			if (low < 0)
				return err_set(err, ERR_CONFIG, "PKCS#11 URI: bad percent-encoding in %s", name);
			c = (uint8_t)(high << 4 | low);
			i += 2;
		} else if (!plain(c)) {
			return err_set(err, ERR_CONFIG,
				       "PKCS#11 URI: character 0x%02x in %s must be percent-encoded (%%%02X)", c, name,
				       c);
		}
		out[len] = c;
	}
	return (int)len;
}

static int parse_text(const struct text_attribute *a, struct bytes value, struct hsm_uri *uri, struct error *err)
{
	char *field = (char *)uri + a->offset;
	int len = decode(a->name, value, is_plain, (uint8_t *)field, a->size - 1, err);
	if (len < 0)
		return -1;
	field[len] = '\0';
	if (memchr(field, '\0', (size_t)len) || !text_is_utf8(BYTES(field, len)))
		return err_set(err, ERR_CONFIG, "PKCS#11 URI: %s is not a text in UTF-8 without NUL", a->name);
	return 0;
}

static int parse_slot(struct bytes value, struct hsm_uri *uri, struct error *err)
{
	uri->slot = 0;
	for (size_t i = 0; i < value.len; i++) {
		unsigned long next;
		if (value.data[i] < '0' || value.data[i] > '9' || __builtin_mul_overflow(uri->slot, 10UL, &next) ||
		    __builtin_add_overflow(next, (unsigned long)(value.data[i] - '0'), &next))
			return err_set(err, ERR_CONFIG, "PKCS#11 URI: slot-id is not a decimal number of a slot");
		uri->slot = next;
	}
	return value.len > 0 ? 0 : err_set(err, ERR_CONFIG, "PKCS#11 URI: slot-id is empty");
}

static int check_type(const char *type, struct error *err)
{
	static const char *const types[] = { "private", "public", "cert", "secret-key", "data" };
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(type, types[i]) == 0)
			return 0;
	}
	(void)err_set(err, ERR_CONFIG, "PKCS#11 URI: there is no type %s", type);
	return err_about(err, "type", type, "private, public, cert, secret-key, data");
}

static int once(struct hsm_uri *uri, enum hsm_uri_part part, const char *name, struct error *err)
{
	if (uri->parts & part)
		return err_set(err, ERR_CONFIG, "PKCS#11 URI: %s is given twice", name);
	uri->parts |= part;
	return 0;
}

static int parse_attribute(struct bytes name, struct bytes value, struct hsm_uri *uri, struct error *err)
{
	for (size_t i = 0; i < TEXT_ATTRIBUTES; i++) {
		const struct text_attribute *a = &text_attributes[i];
		if (!bytes_are(name, a->name))
			continue;
		if (once(uri, a->part, a->name, err) || parse_text(a, value, uri, err))
			return -1;
		return a->part == HSM_URI_TYPE ? check_type(uri->type, err) : 0;
	}
	if (bytes_are(name, "slot-id"))
		return once(uri, HSM_URI_SLOT, "slot-id", err) ? -1 : parse_slot(value, uri, err);
	if (bytes_are(name, "id")) {
		int len = once(uri, HSM_URI_ID, "id", err)
				  ? -1
				  : decode("id", value, is_plain, uri->id, sizeof(uri->id), err);
		uri->id_len = len > 0 ? (size_t)len : 0;
		return len < 0 ? -1 : 0;
	}
	char shown[65];
	(void)snprintf(shown, sizeof(shown), "%.*s", (int)(name.len < 64 ? name.len : 64), (const char *)name.data);
	(void)err_set(err, ERR_CONFIG, "PKCS#11 URI: this attribute is not known here");
	return err_about(err, "attribute", shown, "token, manufacturer, serial, model, slot-id, object, id, type");
}

/* Cuts the text before the next `separator` (or the end) off the front of *rest. */
static struct bytes cut(struct bytes *rest, char separator)
{
	const uint8_t *at = rest->len ? memchr(rest->data, separator, rest->len) : NULL;
	struct bytes head = at ? BYTES(rest->data, at - rest->data) : *rest;
	*rest = at ? BYTES(at + 1, rest->len - head.len - 1) : BYTES_NONE;
	return head;
}

int hsm_uri_parse(const char *text, struct hsm_uri *uri, struct error *err)
{
	*uri = (struct hsm_uri){ 0 };
	size_t len = strnlen(text, HSM_URI_MAX + 1);
	if (len > HSM_URI_MAX)
		return err_set(err, ERR_CONFIG, "PKCS#11 URI: longer than %d characters", HSM_URI_MAX);
	if (strncasecmp(text, SCHEME, strlen(SCHEME)) != 0)
		return err_set(err, ERR_CONFIG, "PKCS#11 URI: it does not begin with " SCHEME);
	if (strchr(text, '?'))
		return err_set(err, ERR_CONFIG,
			       "PKCS#11 URI: no query part is accepted: module and PIN reference are given in the "
			       "configuration's section token, and a PIN itself never");

	struct bytes rest = BYTES(text + strlen(SCHEME), len - strlen(SCHEME));
	if (rest.len > 0 && rest.data[rest.len - 1] == ';')
		return err_set(err, ERR_CONFIG, "PKCS#11 URI: an attribute is missing after the last semicolon");
	while (rest.len > 0) {
		struct bytes value = cut(&rest, ';');
		bool has_value = value.len > 0 && memchr(value.data, '=', value.len) != NULL;
		struct bytes name = cut(&value, '=');
		if (name.len == 0 || !has_value)
			return err_set(err, ERR_CONFIG, "PKCS#11 URI: an attribute without name or without value");
		if (parse_attribute(name, value, uri, err))
			return -1;
	}
	return 0;
}

/* ---- the query ---- */

static int parse_query_value(const char *name, struct bytes value, char *out, size_t size, struct error *err)
{
	if (*out)
		return err_set(err, ERR_CONFIG, "PKCS#11 URI: %s is given twice", name);
	int len = decode(name, value, is_plain_in_query, (uint8_t *)out, size - 1, err);
	if (len < 0)
		return -1;
	out[len] = '\0';
	if (len == 0 || memchr(out, '\0', (size_t)len))
		return err_set(err, ERR_CONFIG, "PKCS#11 URI: %s is empty or has a NUL in it", name);
	return 0;
}

static int parse_query_attribute(struct bytes name, struct bytes value, struct hsm_uri_query *query, struct error *err)
{
	if (bytes_are(name, "module-path"))
		return parse_query_value("module-path", value, query->module_path, sizeof(query->module_path), err);
	if (bytes_are(name, "pin-source"))
		return parse_query_value("pin-source", value, query->pin_source, sizeof(query->pin_source), err);
	if (bytes_are(name, "pin-value"))
		return err_set(
			err, ERR_CONFIG,
			"PKCS#11 URI: pin-value is refused, for a URI is seen by others; put the PIN into a file "
			"of mode 0600 and name that by pin-source=file:PATH");
	char shown[65];
	(void)snprintf(shown, sizeof(shown), "%.*s", (int)(name.len < 64 ? name.len : 64), (const char *)name.data);
	(void)err_set(err, ERR_CONFIG, "PKCS#11 URI: this attribute of the query is not known here");
	return err_about(err, "attribute", shown, "module-path, pin-source");
}

int hsm_uri_split(const char *text, char path[HSM_URI_MAX + 1], struct hsm_uri_query *query, struct error *err)
{
	*query = (struct hsm_uri_query){ .module_path = "" };
	path[0] = '\0';
	size_t len = strnlen(text, HSM_URI_MAX + 1);
	if (len > HSM_URI_MAX)
		return err_set(err, ERR_CONFIG, "PKCS#11 URI: longer than %d characters", HSM_URI_MAX);
	struct bytes rest = BYTES(text, len);
	struct bytes head = cut(&rest, '?');
	if (head.len)
		memcpy(path, head.data, head.len);
	path[head.len] = '\0';
	if (head.len < len && rest.len == 0)
		return err_set(err, ERR_CONFIG, "PKCS#11 URI: an attribute is missing after the question mark");
	if (rest.len > 0 && rest.data[rest.len - 1] == '&')
		return err_set(err, ERR_CONFIG, "PKCS#11 URI: an attribute is missing after the last ampersand");
	while (rest.len > 0) {
		struct bytes value = cut(&rest, '&');
		bool has_value = value.len > 0 && memchr(value.data, '=', value.len) != NULL;
		struct bytes name = cut(&value, '=');
		if (name.len == 0 || !has_value)
			return err_set(err, ERR_CONFIG,
				       "PKCS#11 URI: an attribute of the query without name or without value");
		if (parse_query_attribute(name, value, query, err))
			return -1;
	}
	return 0;
}

/* ---- writing ---- */

static void add_name(struct buf *out, bool *first, const char *name)
{
	buf_add_text(out, *first ? "" : ";");
	buf_add_text(out, name);
	buf_add_text(out, "=");
	*first = false;
}

static void add_text(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (is_unreserved((uint8_t)*text))
			buf_u8(out, (uint8_t)*text);
		else
			buf_printf(out, "%%%02X", (uint8_t)*text);
	}
}

void hsm_uri_format(const struct hsm_uri *uri, struct buf *out)
{
	bool first = true;
	buf_add_text(out, SCHEME);
	for (size_t i = 0; i < TEXT_ATTRIBUTES; i++) {
		const struct text_attribute *a = &text_attributes[i];
		if (a->part == HSM_URI_OBJECT && (uri->parts & HSM_URI_SLOT)) {
			add_name(out, &first, "slot-id");
			buf_printf(out, "%lu", uri->slot);
		}
		if (a->part == HSM_URI_TYPE && (uri->parts & HSM_URI_ID)) {
			add_name(out, &first, "id");
			for (size_t n = 0; n < uri->id_len; n++)
				buf_printf(out, "%%%02X", uri->id[n]);
		}
		if (uri->parts & a->part) {
			add_name(out, &first, a->name);
			add_text(out, (const char *)uri + a->offset);
		}
	}
}

int hsm_uri_pin_reference(const char *pin_source, struct buf *out, struct error *err)
{
	if (pin_source[0] == '|')
		return err_set(err, ERR_CONFIG,
			       "PKCS#11 URI: pin-source runs no commands here; name a file by file:PATH");
	const char *path = strncmp(pin_source, "file:///", 8) == 0 ? pin_source + 7 : pin_source;
	buf_printf(out, "%s%s", path[0] == '/' ? "file:" : "", path);
	return out->failed ? err_set(err, ERR_INTERNAL, "no memory for a reference") : 0;
}

void hsm_uri_add_query_value(struct buf *out, const char *value)
{
	for (; *value; value++) {
		if (is_plain_in_query((uint8_t)*value))
			buf_u8(out, (uint8_t)*value);
		else
			buf_printf(out, "%%%02X", (uint8_t)*value);
	}
}
