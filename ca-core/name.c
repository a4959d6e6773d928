#include "ca-core/name.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <libpsl.h>
#include <netinet/in.h>
#include <stdio.h>

#define DNS_MAX 253 /* RFC 1035 section 2.3.4: 255 octets on the wire */
#define LABEL_MAX 63
#define LOCAL_PART_MAX 64 /* RFC 5321 section 4.5.3.1.1 */
#define EMAIL_MAX 254

static bool is_letter(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static char lower(uint8_t c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static bool has_octet(struct bytes text, uint8_t octet)
{
	return text.len && memchr(text.data, octet, text.len);
}

/* ERR_BAD_NAME that shows the name; a NUL, which would end it, is shown as \0. */
static int refuse(struct bytes text, const char *why, struct error *err)
{
	char shown[100], printable[sizeof(err->value)];
	size_t used = 0;
	for (size_t i = 0; i < text.len && used + 5 < sizeof(shown); i++) {
		if (text.data[i] == '\0')
			shown[used++] = '\\';
		shown[used++] = text.data[i] ? (char)text.data[i] : '0';
	}
	(void)snprintf(shown + used, sizeof(shown) - used, "%s", used < text.len ? "..." : "");
	(void)err_about(err, "name", shown, NULL);
	(void)snprintf(printable, sizeof(printable), "%s", err->value);
	(void)err_set(err, ERR_BAD_NAME, "the name \"%s\" is not acceptable: %s", printable, why);
	return err_about(err, "name", shown, NULL);
}

/* ---- DNS names ---- */

/* Copies in lower case; every octet must be one that a host name may have, or "*" or "_". */
static int copy_dns(struct bytes text, char out[CA_NAME_TEXT_MAX + 1], struct error *err)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];
		if (c == '\0')
			return refuse(text, "it contains a NUL", err);
		if (c >= 0x80)
			return refuse(text, "it is not ASCII; write internationalized names as A-labels (xn--...)",
				      err);
		if (c == '/' || c == ':' || c == '@')
			return refuse(text, "it is a URL, a host with a port or a mail address; write the host alone",
				      err);
		if (!is_letter(c) && !is_digit(c) && !strchr("-._*", c))
			return refuse(text, "only letters, digits, hyphens and dots make a DNS name", err);
	}
	if (text.len == 0)
		return refuse(text, "it is empty", err);
	if (text.len > DNS_MAX)
		return refuse(text, "it is longer than 253 characters", err);
	for (size_t i = 0; i < text.len; i++)
		out[i] = lower(text.data[i]);
	out[text.len] = '\0';
	return 0;
}

/* A label that begins with xn-- must be what IDNA2008 makes of some U-label. */
static bool is_a_label(const char *label, size_t len)
{
	char copy[LABEL_MAX + 1];
	memcpy(copy, label, len);
	copy[len] = '\0';
	uint8_t *inserted = NULL;
	int rc = idn2_register_u8(NULL, (const uint8_t *)copy, &inserted, 0);
	idn2_free(inserted);
	return rc == IDN2_OK;
}

/* NULL, or what is wrong with the label. */
static const char *label_fault(const char *label, size_t len)
{
	if (len == 0)
		return "it has an empty label (two dots in a row, or one at its start)";
	if (len > LABEL_MAX)
		return "it has a label of more than 63 characters";
	if (memchr(label, '*', len))
		return "a wildcard is \"*\" as the whole left-most label, and nothing else";
	if (label[0] == '-' || label[len - 1] == '-')
		return "it has a label that starts or ends with a hyphen";
	if (len >= 4 && label[2] == '-' && label[3] == '-') {
		if (memcmp(label, "xn", 2) != 0)
			return "it has a label with hyphens in third and fourth place that is no A-label (RFC 5890)";
		if (!is_a_label(label, len))
			return "it has an A-label (xn--...) that is not valid under IDNA2008";
	}
	return NULL;
}

/* What resolvers and browsers would read as an IPv4 address: the last label a number. */
static bool looks_like_address(const char *name)
{
	const char *last = strrchr(name, '.');
	last = last ? last + 1 : name;
	if (last[0] == '0' && last[1] == 'x')
		return strspn(last + 2, "0123456789abcdef") == strlen(last + 2);
	return *last && strspn(last, "0123456789") == strlen(last);
}

static int check_labels(struct bytes text, const char *name, size_t *labels, struct error *err)
{
	*labels = 0;
	for (const char *at = name;; at++) {
		size_t len = strcspn(at, ".");
		const char *fault = label_fault(at, len);
		if (fault)
			return refuse(text, fault, err);
		(*labels)++;
		at += len;
		if (!*at)
			return 0;
	}
}

int ca_name_dns(struct bytes text, struct ca_name *out, struct error *err)
{
	size_t labels;
	out->type = CA_NAME_DNS;
	out->address_len = 0;
	if (copy_dns(text, out->text, err))
		return -1;
	out->wildcard = out->text[0] == '*' && out->text[1] == '.';
	out->underscore = strchr(out->text, '_') != NULL;
	const char *base = out->text + (out->wildcard ? 2 : 0);
	if (strcmp(out->text, "*") == 0)
		return refuse(text, "a wildcard needs a domain of at least two labels behind it", err);
	if (text.data[text.len - 1] == '.')
		return refuse(text, "it ends with a dot", err);
	if (looks_like_address(base))
		return refuse(text, "it is an address; ask for it as an iPAddress", err);
	if (check_labels(text, base, &labels, err))
		return -1;
	if (out->wildcard && labels < 2)
		return refuse(text, "a wildcard needs at least two labels behind it", err);
	return 0;
}

bool ca_name_wildcard_base_allowed(const char *base)
{
	const char *dot = strchr(base, '.');
	return dot && dot != base && dot[1] && !psl_is_public_suffix2(psl_builtin(), base, PSL_TYPE_ANY);
}

/* ---- addresses ---- */

static int print_address(struct ca_name *out, struct error *err)
{
	int family = out->address_len == 4 ? AF_INET : AF_INET6;
	if (!inet_ntop(family, out->address, out->text, sizeof(out->text)))
		return err_set(err, ERR_INTERNAL, "an address cannot be printed");
	return 0;
}

int ca_name_ip(struct bytes octets, struct ca_name *out, struct error *err)
{
	out->type = CA_NAME_IP;
	out->wildcard = out->underscore = false;
	if (octets.len != 4 && octets.len != 16) {
		(void)err_set(err, ERR_BAD_NAME, "an iPAddress has %zu octets; IPv4 has 4, IPv6 has 16", octets.len);
		return err_about(err, "name", NULL, "4 or 16 octets");
	}
	out->address_len = (uint8_t)octets.len;
	memset(out->address, 0, sizeof(out->address));
	memcpy(out->address, octets.data, octets.len);
	if (print_address(out, err))
		return -1;
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	if (octets.len == 16 && memcmp(octets.data, mapped, sizeof(mapped)) == 0)
		return refuse(bytes_of(out->text), "it is an IPv4 address mapped into IPv6; ask for the IPv4 address",
			      err);
	return 0;
}

int ca_name_ip_text(struct bytes text, struct ca_name *out, struct error *err)
{
	char copy[INET6_ADDRSTRLEN];
	uint8_t address[16];
	if (text.len == 0 || text.len >= sizeof(copy) || has_octet(text, '\0'))
		return refuse(text, "it is no IPv4 or IPv6 address", err);
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	if (inet_pton(AF_INET, copy, address) == 1)
		return ca_name_ip(BYTES(address, 4), out, err);
	if (inet_pton(AF_INET6, copy, address) == 1)
		return ca_name_ip(BYTES(address, 16), out, err);
	return refuse(text, "it is no IPv4 or IPv6 address", err);
}

/* ---- mail addresses ---- */

/* RFC 5321 section 4.1.2: Dot-string. Quoted strings are not served. */
static bool is_local_part(struct bytes text)
{
	bool after_dot = true;
	if (text.len == 0 || text.len > LOCAL_PART_MAX)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];
		bool dot = c == '.';
		if (dot && after_dot)
			return false;
		if (!dot && !is_letter(c) && !is_digit(c) && !(c && strchr("!#$%&'*+-/=?^_`{|}~", c)))
			return false;
		after_dot = dot;
	}
	return !after_dot;
}

int ca_name_email(struct bytes text, struct ca_name *out, struct error *err)
{
	const uint8_t *at = text.len ? memchr(text.data, '@', text.len) : NULL;
	if (!at)
		return refuse(text, "a mail address has the form local-part@domain", err);
	struct bytes local = BYTES(text.data, at - text.data);
	struct bytes host = BYTES(at + 1, text.len - local.len - 1);
	struct ca_name domain;
	if (text.len > EMAIL_MAX || !is_local_part(local))
		return refuse(text, "the part before the @ is not a plain one of 1 to 64 ASCII characters", err);
	if (ca_name_dns(host, &domain, err))
		return -1;
	if (domain.wildcard || domain.underscore)
		return refuse(text, "the part behind the @ is not a domain for mail", err);
	out->type = CA_NAME_EMAIL;
	out->wildcard = out->underscore = false;
	out->address_len = 0;
	(void)snprintf(out->text, sizeof(out->text), "%.*s@%s", (int)local.len, (const char *)local.data, domain.text);
	return 0;
}

/* ---- URIs ---- */

/* RFC 3986 section 2: reserved, unreserved, and percent-encoded octets. */
static bool has_uri_alphabet(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];
		if (c == '%') {
			static const char hex[] = "0123456789abcdefABCDEF";
			if (text.len - i < 3 || !text.data[i + 1] || !strchr(hex, text.data[i + 1]) ||
			    !text.data[i + 2] || !strchr(hex, text.data[i + 2]))
				return false;
		} else if (!is_letter(c) && !is_digit(c) && !(c && strchr("-._~:/?#[]@!$&'()*+,;=", c))) {
			return false;
		}
	}
	return true;
}

/* The length of the scheme (RFC 3986 section 3.1) in front of the colon, 0 where there is none. */
static size_t scheme_length(struct bytes text)
{
	size_t len = 0;
	while (len < text.len && text.data[len] != ':') {
		uint8_t c = text.data[len];
		if (!is_letter(c) && (len == 0 || (!is_digit(c) && c != '+' && c != '-' && c != '.')))
			return 0;
		len++;
	}
	return len < text.len ? len : 0;
}

/* The host of "//host:port/..." must be a DNS name or an address (RFC 5280 section 4.2.1.6). */
static int check_authority(struct bytes text, struct bytes rest, struct error *err)
{
	struct ca_name host = { .text = "" };
	size_t len = 0;
	while (len < rest.len && !strchr("/?#", rest.data[len]))
		len++;
	struct bytes authority = BYTES(rest.data, len);
	if (has_octet(authority, '@'))
		return refuse(text, "a URI with a user in it is not certified", err);
	if (len > 0 && rest.data[0] == '[') {
		const uint8_t *end = memchr(rest.data, ']', len);
		if (!end)
			return refuse(text, "the URI's host is malformed", err);
		return ca_name_ip_text(BYTES(rest.data + 1, end - rest.data - 1), &host, err);
	}
	const uint8_t *colon = len ? memchr(rest.data, ':', len) : NULL;
	struct bytes name = BYTES(rest.data, colon ? (size_t)(colon - rest.data) : len);
	struct error not_address = ERR_INIT;
	if (ca_name_ip_text(name, &host, &not_address) == 0)
		return 0;
	if (ca_name_dns(name, &host, err))
		return -1;
	return host.wildcard ? refuse(text, "a URI's host is no wildcard", err) : 0;
}

int ca_name_uri(struct bytes text, struct ca_name *out, struct error *err)
{
	size_t scheme = scheme_length(text);
	if (text.len > CA_NAME_TEXT_MAX)
		return refuse(text, "the URI is longer than 255 characters", err);
	if (scheme == 0 || scheme + 1 == text.len)
		return refuse(text, "it is no absolute URI (scheme:...)", err);
	if (!has_uri_alphabet(text))
		return refuse(text, "it has a character that a URI cannot have (RFC 3986)", err);
	struct bytes rest = BYTES(text.data + scheme + 1, text.len - scheme - 1);
	if (rest.len >= 2 && memcmp(rest.data, "//", 2) == 0 &&
	    check_authority(text, BYTES(rest.data + 2, rest.len - 2), err))
		return -1;
	out->type = CA_NAME_URI;
	out->wildcard = out->underscore = false;
	out->address_len = 0;
	for (size_t i = 0; i < text.len; i++)
		out->text[i] = i < scheme ? lower(text.data[i]) : (char)text.data[i];
	out->text[text.len] = '\0';
	return 0;
}

/* ---- what is not in the public DNS ---- */

static bool is_private_address(const struct ca_name *name)
{
	const uint8_t *a = name->address;
	if (name->address_len == 4)
		return a[0] == 10 || a[0] == 127 || (a[0] == 172 && (a[1] & 0xf0) == 16) ||
		       (a[0] == 192 && a[1] == 168) || (a[0] == 169 && a[1] == 254) ||
		       (a[0] == 100 && (a[1] & 0xc0) == 64);
	static const uint8_t loopback[16] = { [15] = 1 };
	return (a[0] & 0xfe) == 0xfc || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80) ||
	       memcmp(a, loopback, sizeof(loopback)) == 0;
}

bool ca_name_is_internal(const struct ca_name *name)
{
	switch (name->type) {
	case CA_NAME_IP:
		return is_private_address(name);
	case CA_NAME_DNS:
		break;
	default:
		return false;
	}
	const char *last = strrchr(name->text, '.');
	if (!last)
		return true; /* one label: no public domain has a host of its own */
	/* home.arpa stands in the list of public suffixes and is in nobody's public DNS: RFC 8375. */
	size_t len = strlen(name->text);
	if (strcmp(name->text, "home.arpa") == 0 || (len > 10 && strcmp(name->text + len - 10, ".home.arpa") == 0))
		return true;
	return !psl_is_public_suffix2(psl_builtin(), last + 1, PSL_TYPE_ICANN | PSL_TYPE_NO_STAR_RULE);
}

/* ---- lists ---- */

void ca_names_free(struct ca_names *names)
{
	free(names->items);
	*names = CA_NAMES_INIT;
}

static int make_room(struct ca_names *names, struct error *err)
{
	if (names->count < names->capacity)
		return 0;
	size_t capacity = names->capacity ? 2 * names->capacity : 4;
	struct ca_name *items = realloc(names->items, capacity * sizeof(*items));
	if (!items)
		return err_set(err, ERR_INTERNAL, "no memory for %zu names", capacity);
	names->items = items;
	names->capacity = capacity;
	return 0;
}

/* FNV-1a. A list of a thousand names is built with half a million comparisons: of numbers, not of texts. */
static uint32_t mark_of(const struct ca_name *name)
{
	uint32_t mark = 2166136261U ^ (uint32_t)name->type;
	for (const char *c = name->text; *c; c++)
		mark = (mark ^ (uint8_t)*c) * 16777619U;
	return mark;
}

int ca_names_add(struct ca_names *names, const struct ca_name *name, size_t max, struct error *err)
{
	const uint32_t mark = mark_of(name);
	for (size_t i = 0; i < names->count; i++) {
		const struct ca_name *item = &names->items[i];
		if (item->mark == mark && item->type == name->type && strcmp(item->text, name->text) == 0)
			return 0;
	}
	if (names->count >= max || names->count >= CA_NAMES_MAX) {
		char allowed[32];
		(void)snprintf(allowed, sizeof(allowed), "at most %zu", max < CA_NAMES_MAX ? max : CA_NAMES_MAX);
		(void)err_set(err, ERR_TOO_MANY_NAMES, "the request has more names than one certificate may carry (%s)",
			      allowed);
		return err_about(err, "names", NULL, allowed);
	}
	if (make_room(names, err))
		return -1;
	names->items[names->count] = *name;
	names->items[names->count++].mark = mark;
	return 0;
}

/* ---- the printed form ---- */

static const struct {
	const char *prefix;
	int (*parse)(struct bytes text, struct ca_name *out, struct error *err);
} forms[] = {
	[CA_NAME_DNS] = { "dns:", ca_name_dns },
	[CA_NAME_IP] = { "ip:", ca_name_ip_text },
	[CA_NAME_EMAIL] = { "email:", ca_name_email },
	[CA_NAME_URI] = { "uri:", ca_name_uri },
};

void ca_name_print(const struct ca_name *name, struct buf *out)
{
	buf_add_text(out, forms[name->type].prefix);
	buf_add_text(out, name->text);
}

int ca_name_parse(struct bytes printed, struct ca_name *out, struct error *err)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		size_t len = strlen(forms[i].prefix);
		if (printed.len > len && memcmp(printed.data, forms[i].prefix, len) == 0)
			return forms[i].parse(BYTES(printed.data + len, printed.len - len), out, err);
	}
	return refuse(printed, "it does not start with dns:, ip:, email: or uri:", err);
}
