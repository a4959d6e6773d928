/* Names of subjects: written from text, and shown as text. */
#include "base/der.h"
#include "base/text.h"
#include "ca-core/oid.h"
#include "ca-core/tbs.h"

#define TEXT_VALUE_MAX 1024
#define RDNS_MAX 64 /* more are no name of anybody */

struct attribute {
	const struct ca_oid *oid;
	size_t max; /* characters: RFC 5280 appendix A.1, X.520 */
	bool printable;
	bool country;
};
static const struct attribute attributes[CA_ATTR_COUNT] = {
	[CA_ATTR_BUSINESS_CATEGORY] = { &ca_oid_business_category, 128, false, false },
	[CA_ATTR_JURISDICTION_COUNTRY] = { &ca_oid_jurisdiction_country, 2, true, true },
	[CA_ATTR_JURISDICTION_STATE] = { &ca_oid_jurisdiction_state, 128, false, false },
	[CA_ATTR_JURISDICTION_LOCALITY] = { &ca_oid_jurisdiction_locality, 128, false, false },
	[CA_ATTR_SERIAL_NUMBER] = { &ca_oid_serial_number, 64, true, false },
	[CA_ATTR_COUNTRY] = { &ca_oid_country, 2, true, true },
	[CA_ATTR_STATE] = { &ca_oid_state, 128, false, false },
	[CA_ATTR_LOCALITY] = { &ca_oid_locality, 128, false, false },
	[CA_ATTR_ORGANIZATION] = { &ca_oid_organization, 64, false, false },
	[CA_ATTR_COMMON_NAME] = { &ca_oid_common_name, 64, false, false },
};

static int refuse(const struct attribute *a, const char *value, const char *why, struct error *err)
{
	(void)err_set(err, ERR_BAD_NAME, "the subject's %s is not acceptable: %s", a->oid->name, why);
	return err_about(err, a->oid->name, value, NULL);
}

static size_t count_characters(struct bytes utf8)
{
	size_t count = 0;
	for (size_t i = 0; i < utf8.len; i++)
		count += (utf8.data[i] & 0xc0) != 0x80;
	return count;
}

static bool is_printable(struct bytes value)
{
	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = value.data[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		if (!plain && (!c || !strchr(" '()+,-./:=?", c)))
			return false;
	}
	return true;
}

static int check_value(const struct attribute *a, const char *text, struct error *err)
{
	struct bytes value = bytes_of(text);
	if (value.len == 0)
		return refuse(a, text, "it is empty", err);
	if (!text_is_utf8(value))
		return refuse(a, text, "it is not UTF-8", err);
	if (text_has_control(value))
		return refuse(a, text, "it has control characters", err);
	if (count_characters(value) > a->max || (a->oid == &ca_oid_common_name && value.len > a->max))
		return refuse(a, text, "it is longer than RFC 5280 allows", err);
	if (a->printable && !is_printable(value))
		return refuse(a, text, "it has characters outside PrintableString", err);
	if (a->country && (value.len != 2 || text[0] < 'A' || text[0] > 'Z' || text[1] < 'A' || text[1] > 'Z'))
		return refuse(a, text, "it is not two capital letters (ISO 3166-1)", err);
	return 0;
}

int ca_subject_encode(const struct ca_subject *subject, struct buf *out, struct error *err)
{
	size_t name = der_mark(out);
	for (size_t i = 0; i < CA_ATTR_COUNT; i++) {
		const struct attribute *a = &attributes[i];
		if (!subject->values[i])
			continue;
		if (check_value(a, subject->values[i], err)) {
			out->len = name;
			return -1;
		}
		size_t rdn = der_mark(out);
		der_add_oid(out, a->oid->content);
		der_add(out, a->printable ? DER_PRINTABLE_STRING : DER_UTF8_STRING, bytes_of(subject->values[i]));
		der_wrap(out, rdn, DER_SEQUENCE);
		der_wrap(out, rdn, DER_SET);
	}
	der_wrap(out, name, DER_SEQUENCE);
	return out->failed ? err_set(err, ERR_INTERNAL, "no memory for a subject") : 0;
}

/* ---- as text ---- */

static void add_code_point(struct buf *out, uint32_t c)
{
	if (c < 0x80) {
		buf_u8(out, (uint8_t)c);
	} else if (c < 0x800) {
		buf_u8(out, (uint8_t)(0xc0 | c >> 6));
		buf_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		buf_u8(out, (uint8_t)(0xe0 | c >> 12));
		buf_u8(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
		buf_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
	} else {
		buf_u8(out, (uint8_t)(0xf0 | c >> 18));
		buf_u8(out, (uint8_t)(0x80 | (c >> 12 & 0x3f)));
		buf_u8(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
		buf_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
	}
}

/* Characters of `width` octets, big-endian: T61String (read as Latin-1, as everyone does), BMPString,
 * UniversalString. Surrogates and what is past U+10FFFF are no characters. */
static int widen(struct bytes value, size_t width, struct buf *out)
{
	if (value.len % width)
		return -1;
	for (size_t i = 0; i < value.len; i += width) {
		uint32_t c = 0;
		for (size_t o = 0; o < width; o++)
			c = c << 8 | value.data[i + o];
		if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
			return -1;
		add_code_point(out, c);
	}
	return 0;
}

static int copy_ascii(struct bytes value, struct buf *out)
{
	for (size_t i = 0; i < value.len; i++)
		if (value.data[i] >= 0x80)
			return -1;
	buf_add_bytes(out, value);
	return 0;
}

int ca_subject_value_utf8(int tag, struct bytes value, struct buf *out)
{
	switch (tag) {
	case DER_UTF8_STRING:
		if (!text_is_utf8(value))
			return -1;
		buf_add_bytes(out, value);
		return 0;
	case DER_PRINTABLE_STRING:
	case DER_IA5_STRING:
	case DER_NUMERIC_STRING:
		return copy_ascii(value, out);
	case DER_T61_STRING:
		return widen(value, 1, out);
	case DER_BMP_STRING:
		return widen(value, 2, out);
	case DER_UNIVERSAL_STRING:
		return widen(value, 4, out);
	default:
		return -1;
	}
}

/* RFC 4514 section 2.4; control characters as escaped octets too, so that a text is one line. */
static void add_escaped(struct buf *out, struct bytes text)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];
		bool at_edge = (c == ' ' && (i == 0 || i + 1 == text.len)) || (c == '#' && i == 0);
		if (c < 0x20 || c == 0x7f)
			buf_printf(out, "\\%02x", c);
		else if (at_edge || strchr("\"+,;<>\\", c))
			buf_printf(out, "\\%c", c);
		else
			buf_u8(out, c);
	}
}

static void add_pair(struct buf *out, struct bytes oid, int tag, struct bytes value, struct bytes whole)
{
	char dotted[80];
	const char *known = ca_oid_attribute_name(oid);
	auto_buf utf8 = BUF_INIT;
	buf_add_text(out, known ? known : der_oid_text(oid, dotted, sizeof(dotted)));
	buf_u8(out, '=');
	if (value.len <= TEXT_VALUE_MAX && ca_subject_value_utf8(tag, value, &utf8) == 0) {
		add_escaped(out, buf_bytes(&utf8));
		return;
	}
	buf_u8(out, '#');
	text_add_hex(out, BYTES(whole.data, whole.len < TEXT_VALUE_MAX ? whole.len : TEXT_VALUE_MAX));
}

int ca_subject_text(struct bytes name, struct buf *out, struct error *err)
{
	struct der outer = der_of(name), rdns;
	auto_buf text = BUF_INIT; /* RFC 4514 section 2.1: the last RDN first */
	der_enter(&outer, DER_SEQUENCE, &rdns);
	for (size_t count = 0; rdns.left.len && !rdns.failed; count++) {
		struct der rdn;
		auto_buf part = BUF_INIT;
		der_enter(&rdns, DER_SET, &rdn);
		if (count == RDNS_MAX)
			return err_set(err, ERR_BAD_CSR, "a name has more than %d parts", RDNS_MAX);
		do {
			struct der pair;
			struct bytes value, whole;
			der_enter(&rdn, DER_SEQUENCE, &pair);
			struct bytes oid = der_oid(&pair);
			int tag = der_any(&pair, &value, &whole);
			if (!der_done(&pair))
				return err_set(err, ERR_BAD_CSR, "a name is malformed");
			if (part.len)
				buf_u8(&part, '+');
			add_pair(&part, oid, tag, value, whole);
		} while (rdn.left.len && !rdn.failed);
		if (text.len)
			buf_u8(&part, ',');
		buf_add_bytes(&part, buf_bytes(&text));
		buf_clear(&text);
		buf_add_bytes(&text, buf_bytes(&part));
	}
	if (!der_done(&rdns) || !der_done(&outer))
		return err_set(err, ERR_BAD_CSR, "a name is malformed");
	buf_add_bytes(out, buf_bytes(&text));
	return text.failed || out->failed ? err_set(err, ERR_INTERNAL, "no memory for a name") : 0;
}
