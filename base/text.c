#include "base/text.h"

/* ---- hex ---- */

static const char hex_digits[] = "0123456789abcdef";

char *text_hex(struct bytes bytes, char *out)
{
	for (size_t i = 0; i < bytes.len; i++) {
		out[2 * i] = hex_digits[bytes.data[i] >> 4];
		out[2 * i + 1] = hex_digits[bytes.data[i] & 15];
	}
	out[2 * bytes.len] = '\0';
	return out;
}

void text_add_hex(struct buf *out, struct bytes bytes)
{
	for (size_t i = 0; i < bytes.len; i++) {
		buf_u8(out, (uint8_t)hex_digits[bytes.data[i] >> 4]);
		buf_u8(out, (uint8_t)hex_digits[bytes.data[i] & 15]);
	}
}

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int text_parse_hex(struct bytes hex, size_t max, struct buf *out, struct error *err)
{
	if (hex.len % 2)
		return err_set(err, ERR_BAD_REQUEST, "hex has an odd number of digits (%zu)", hex.len);
	if (hex.len / 2 > max)
		return err_set(err, ERR_BAD_REQUEST, "hex has %zu digits; at most %zu are accepted", hex.len, 2 * max);
	size_t before = out->len;
	for (size_t i = 0; i < hex.len; i += 2) {
		int high = hex_value(hex.data[i]);
		int low = hex_value(hex.data[i + 1]);
		if (high < 0 || low < 0) {
			out->len = before;
			return err_set(err, ERR_BAD_REQUEST, "character %zu or the one behind it is no hex digit",
				       i + 1);
		}
		buf_u8(out, (uint8_t)(high << 4 | low));
	}
	return 0;
}

/* ---- base64, base32 ---- */

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The four digits of one to three octets. */
static void base64_group(const uint8_t *octets, size_t count, uint8_t group[4])
{
	uint32_t bits = (uint32_t)octets[0] << 16;
	if (count > 1)
		bits |= (uint32_t)octets[1] << 8;
	if (count > 2)
		bits |= octets[2];
	for (size_t i = 0; i < 4; i++)
		group[i] = i <= count ? (uint8_t)base64_digits[bits >> (18 - 6 * i) & 63] : '=';
}

void text_add_base64(struct buf *out, struct bytes bytes)
{
	uint8_t *to = buf_extend(out, (bytes.len + 2) / 3 * 4);
	for (size_t i = 0; to && i < bytes.len; i += 3, to += 4)
		base64_group(bytes.data + i, bytes.len - i < 3 ? bytes.len - i : 3, to);
}

static int base64_value(uint8_t c, bool url)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == (url ? '-' : '+'))
		return 62;
	if (c == (url ? '_' : '/'))
		return 63;
	return -1;
}

/* Decodes digits without padding; len % 4 is not 1. Returns false at a character that is
 * none, or where the bits behind the last octet are not zero (RFC 4648 section 3.5). */
static bool base64_decode(const uint8_t *digits, size_t len, bool url, uint8_t *to)
{
	uint32_t bits = 0;
	for (size_t i = 0; i < len; i++) {
		int value = base64_value(digits[i], url);
		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
		if (i % 4 == 0)
			continue;
		*to++ = (uint8_t)(bits >> (6 - 2 * (i % 4)));
		bits &= (1U << (6 - 2 * (i % 4))) - 1;
	}
	return bits == 0;
}

int text_parse_base64(struct bytes text, bool url, struct buf *out, struct error *err)
{
	size_t digits = text.len;
	if (!url) {
		if (text.len % 4)
			return err_set(err, ERR_BAD_REQUEST, "base64 has %zu characters, not a multiple of four",
				       text.len);
		for (size_t padding = 0; padding < 2 && digits > 0 && text.data[digits - 1] == '='; padding++)
			digits--;
	}
	if (digits % 4 == 1)
		return err_set(err, ERR_BAD_REQUEST, "base64 ends within an octet");
	size_t before = out->len;
	size_t octets = digits / 4 * 3 + (digits % 4 ? digits % 4 - 1 : 0);
	uint8_t *to = buf_extend(out, octets);
	if (!to || base64_decode(text.data, digits, url, to))
		return 0;
	out->len = before;
	return err_set(err, ERR_BAD_REQUEST, "base64 has a character that is none, or bits behind the last octet");
}

void text_add_base32(struct buf *out, struct bytes bytes)
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
	uint32_t bits = 0;
	unsigned count = 0;
	for (size_t i = 0; i < bytes.len; i++) {
		bits = bits << 8 | bytes.data[i];
		for (count += 8; count >= 5; count -= 5)
			buf_u8(out, (uint8_t)digits[bits >> (count - 5) & 31]);
	}
	if (count > 0)
		buf_u8(out, (uint8_t)digits[bits << (5 - count) & 31]);
}

/* ---- PEM ---- */

#define PEM_LINE 48 /* octets in a line of 64 characters */

void text_add_pem(struct buf *out, const char *label, struct bytes der)
{
	buf_printf(out, "-----BEGIN %s-----\n", label);
	for (size_t i = 0; i < der.len; i += PEM_LINE) {
		text_add_base64(out, BYTES(der.data + i, der.len - i < PEM_LINE ? der.len - i : PEM_LINE));
		buf_u8(out, '\n');
	}
	buf_printf(out, "-----END %s-----\n", label);
}

/* Takes the next line off *text, without its end (LF or CRLF) and the blanks before that. */
static struct bytes next_line(struct bytes *text)
{
	const uint8_t *end = memchr(text->data, '\n', text->len);
	size_t len = end ? (size_t)(end - text->data) : text->len;
	size_t taken = end ? len + 1 : len;
	struct bytes line = BYTES(text->data, len);
	*text = BYTES(text->data + taken, text->len - taken);
	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	while (line.len > 0 && (line.data[line.len - 1] == ' ' || line.data[line.len - 1] == '\t'))
		line.len--;
	return line;
}

static bool starts_with(struct bytes line, const char *start)
{
	size_t len = strlen(start);
	return line.len >= len && memcmp(line.data, start, len) == 0;
}

/* The label of "-----BEGIN label-----" or of the END line (RFC 7468 section 3: printable
 * characters, hyphens and blanks only between others). */
static bool read_label(struct bytes line, const char *start, char label[64])
{
	static const char dashes[] = "-----";
	size_t skip = strlen(start), tail = strlen(dashes);
	if (!starts_with(line, start) || line.len < skip + tail ||
	    memcmp(line.data + line.len - tail, dashes, tail) != 0)
		return false;
	struct bytes text = BYTES(line.data + skip, line.len - skip - tail);
	if (text.len == 0 || text.len >= 64)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];
		bool between = i > 0 && i + 1 < text.len && text.data[i - 1] != ' ' && text.data[i - 1] != '-';
		if (c < 0x20 || c > 0x7e || ((c == ' ' || c == '-') && !between))
			return false;
	}
	memcpy(label, text.data, text.len);
	label[text.len] = '\0';
	return true;
}

/* The lines between BEGIN and END, joined onto digits. */
static int read_pem_body(struct bytes *text, const char *label, struct buf *digits, struct error *err)
{
	while (text->len > 0) {
		struct bytes line = next_line(text);
		if (starts_with(line, "-----END ")) {
			char end[64];
			if (!read_label(line, "-----END ", end) || strcmp(end, label) != 0)
				return err_set(err, ERR_BAD_REQUEST, "the PEM block %s ends with another label", label);
			return 0;
		}
		if (starts_with(line, "-----"))
			return err_set(err, ERR_BAD_REQUEST, "the PEM block %s does not end before the next", label);
		if (line.len > 0 && memchr(line.data, ':', line.len))
			return err_set(err, ERR_BAD_REQUEST, "the PEM block %s has headers (it may be encrypted)",
				       label);
		buf_add_bytes(digits, line);
	}
	return err_set(err, ERR_BAD_REQUEST, "the PEM block %s has no END line: it is cut off", label);
}

int text_next_pem(struct bytes *text, char label[64], struct buf *der, struct error *err)
{
	while (text->len > 0) {
		struct bytes line = next_line(text);
		if (!starts_with(line, "-----"))
			continue; /* explanatory text */
		if (!read_label(line, "-----BEGIN ", label))
			return err_set(err, ERR_BAD_REQUEST, "a line starts with dashes and is no PEM BEGIN line");
		auto_secret_buf digits = BUF_INIT; /* it may be a private key */
		if (read_pem_body(text, label, &digits, err))
			return -1;
		if (digits.failed)
			der->failed = true;
		if (digits.len == 0)
			return err_set(err, ERR_BAD_REQUEST, "the PEM block %s is empty", label);
		if (text_parse_base64(buf_bytes(&digits), false, der, err))
			return err_wrap(err, ERR_BAD_REQUEST, "the PEM block %s is not base64", label);
		return 1;
	}
	return 0;
}

/* ---- UTF-8 ---- */

/* The length of the character at the start of bytes (RFC 3629 section 4), 0 where it is none. */
static size_t utf8_length(struct bytes bytes)
{
	uint8_t first = bytes.data[0];
	if (first < 0x80)
		return 1;
	size_t len = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
	if (first < 0xc2 || first > 0xf4 || bytes.len < len)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((bytes.data[i] & 0xc0) != 0x80)
			return 0;
	uint8_t second = bytes.data[1];
	bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
	bool surrogate = first == 0xed && second >= 0xa0;
	bool past_end = first == 0xf4 && second >= 0x90;
	return overlong || surrogate || past_end ? 0 : len;
}

bool text_is_utf8(struct bytes bytes)
{
	while (bytes.len > 0) {
		size_t len = utf8_length(bytes);
		if (len == 0)
			return false;
		bytes = BYTES(bytes.data + len, bytes.len - len);
	}
	return true;
}

bool text_has_control(struct bytes utf8)
{
	for (size_t i = 0; i < utf8.len; i++) {
		uint8_t c = utf8.data[i];
		if (c < 0x20 || c == 0x7f)
			return true;
		if (c == 0xc2 && i + 1 < utf8.len && utf8.data[i + 1] >= 0x80 && utf8.data[i + 1] <= 0x9f)
			return true;
	}
	return false;
}
