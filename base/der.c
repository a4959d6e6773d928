#include "base/der.h"

#include <stdio.h>

#include "base/clock.h"

#define CLASS_AND_FORM 0xe0
#define CONSTRUCTED 0x20
#define NUMBER 0x1f

static struct bytes fail(struct der *d, const char *why)
{
	if (!d->failed)
		d->failed = why;
	return BYTES_NONE;
}

/* ---- reading an element ---- */

/* Universal types have one form in DER: sequences and sets constructed, all that we
 * know besides primitive (X.690 section 10.2). */
static bool has_wrong_form(uint8_t tag)
{
	if ((tag & 0xc0) != 0)
		return false;
	bool constructed = (tag & CONSTRUCTED) != 0;
	switch (tag & NUMBER) {
	case 8:  /* EXTERNAL */
	case 11: /* EMBEDDED PDV */
	case DER_SEQUENCE &NUMBER:
	case DER_SET &NUMBER:
		return !constructed;
	default:
		return constructed;
	}
}

struct element {
	int tag;
	struct bytes content, whole;
};

/* Reads the header in front of left. Returns NULL, or why it is not DER. */
static const char *read_element(struct bytes left, struct element *e)
{
	if (left.len < 2)
		return left.len == 0 ? "an element is missing" : "truncated";
	uint8_t tag = left.data[0];
	if ((tag & NUMBER) == NUMBER)
		return "tag number over 30";
	if (tag == 0)
		return "end-of-contents octets";
	if (has_wrong_form(tag))
		return "constructed and primitive form confused";

	size_t header = 2;
	size_t len = left.data[1];
	if (len == 0x80)
		return "indefinite length";
	if (len > 0x80) {
		size_t octets = len & 0x7f;
		if (octets > 4)
			return "length of more than four octets";
		if (octets > left.len - header)
			return "truncated";
		len = 0;
		for (size_t i = 0; i < octets; i++)
			len = len << 8 | left.data[header + i];
		if (left.data[header] == 0 || len < 0x80)
			return "length not minimal";
		header += octets;
	}
	if (len > left.len - header)
		return "truncated";
	e->tag = tag;
	e->content = BYTES(left.data + header, len);
	e->whole = BYTES(left.data, header + len);
	return NULL;
}

static void advance(struct der *d, const struct element *e)
{
	d->left = BYTES(d->left.data + e->whole.len, d->left.len - e->whole.len);
}

int der_peek(const struct der *d)
{
	if (d->failed || d->left.len == 0 || (d->left.data[0] & NUMBER) == NUMBER)
		return -1;
	return d->left.data[0];
}

int der_any(struct der *d, struct bytes *content, struct bytes *whole)
{
	struct element e = { -1, BYTES_NONE, BYTES_NONE };
	const char *why = d->failed ? d->failed : read_element(d->left, &e);
	if (why)
		(void)fail(d, why);
	else
		advance(d, &e);
	*content = e.content;
	if (whole)
		*whole = e.whole;
	return e.tag;
}

static struct element take(struct der *d, int tag)
{
	struct element e = { -1, BYTES_NONE, BYTES_NONE };
	const char *why = d->failed ? d->failed : read_element(d->left, &e);
	if (!why && e.tag != tag)
		why = "an element of another type is expected";
	if (why) {
		(void)fail(d, why);
		return (struct element){ -1, BYTES_NONE, BYTES_NONE };
	}
	advance(d, &e);
	return e;
}

struct bytes der_take(struct der *d, int tag)
{
	return take(d, tag).content;
}

struct bytes der_take_whole(struct der *d, int tag)
{
	return take(d, tag).whole;
}

bool der_take_if(struct der *d, int tag, struct bytes *content)
{
	*content = BYTES_NONE;
	if (der_peek(d) != tag)
		return false;
	*content = der_take(d, tag);
	return !d->failed;
}

void der_enter(struct der *d, int tag, struct der *content)
{
	struct bytes inside = der_take(d, tag);
	*content = (struct der){ inside, d->failed };
}

/* ---- reading values ---- */

struct bytes der_integer(struct der *d)
{
	struct bytes v = der_take(d, DER_INTEGER);
	if (d->failed)
		return v;
	if (v.len == 0)
		return fail(d, "integer without content");
	if (v.len > 1) {
		bool next_is_negative = (v.data[1] & 0x80) != 0;
		if ((v.data[0] == 0x00 && !next_is_negative) || (v.data[0] == 0xff && next_is_negative))
			return fail(d, "integer not minimal");
	}
	return v;
}

uint64_t der_small_integer(struct der *d, uint64_t max)
{
	struct bytes v = der_integer(d);
	if (d->failed)
		return 0;
	if (v.data[0] & 0x80) {
		(void)fail(d, "integer negative");
		return 0;
	}
	if (v.data[0] == 0)
		v = BYTES(v.data + 1, v.len - 1);
	uint64_t number = 0;
	for (size_t i = 0; i < v.len && v.len <= sizeof(number); i++)
		number = number << 8 | v.data[i];
	if (v.len > sizeof(number) || number > max) {
		(void)fail(d, "integer too large");
		return 0;
	}
	return number;
}

bool der_boolean(struct der *d)
{
	struct bytes v = der_take(d, DER_BOOLEAN);
	if (d->failed)
		return false;
	if (v.len != 1 || (v.data[0] != 0x00 && v.data[0] != 0xff)) {
		(void)fail(d, "boolean neither 00 nor FF");
		return false;
	}
	return v.data[0] == 0xff;
}

struct bytes der_bit_string(struct der *d)
{
	struct bytes v = der_take(d, DER_BIT_STRING);
	if (d->failed)
		return v;
	if (v.len == 0)
		return fail(d, "bit string without content");
	if (v.data[0] != 0)
		return fail(d, "bit string with unused bits");
	return BYTES(v.data + 1, v.len - 1);
}

uint16_t der_named_bits(struct der *d)
{
	struct bytes v = der_take(d, DER_BIT_STRING);
	if (d->failed)
		return 0;
	if (v.len == 0 || v.len > 3 || v.data[0] > 7 || (v.len == 1 && v.data[0] != 0)) {
		(void)fail(d, "named bits malformed");
		return 0;
	}
	if (v.len == 1)
		return 0;
	uint8_t last = v.data[v.len - 1];
	uint8_t unused = v.data[0];
	if (!(last >> unused & 1) || (last & ((1U << unused) - 1))) {
		(void)fail(d, "named bits not minimal");
		return 0;
	}
	uint16_t bits = 0;
	for (unsigned n = 0; n < (v.len - 1) * 8; n++)
		if (v.data[1 + n / 8] & (0x80U >> n % 8))
			bits = (uint16_t)(bits | 1U << n);
	return bits;
}

static bool oid_is_well_formed(struct bytes oid)
{
	if (oid.len == 0 || (oid.data[oid.len - 1] & 0x80))
		return false;
	for (size_t i = 0; i < oid.len; i++)
		if (oid.data[i] == 0x80 && (i == 0 || !(oid.data[i - 1] & 0x80)))
			return false;
	return true;
}

struct bytes der_oid(struct der *d)
{
	struct bytes v = der_take(d, DER_OID);
	if (!d->failed && !oid_is_well_formed(v))
		return fail(d, "object identifier malformed");
	return v;
}

/* YYYYMMDDHHMMSSZ or, with two digits of the year, YYMMDDHHMMSSZ. */
static bool read_time(struct bytes text, size_t year_digits, struct clock_civil *c)
{
	if (text.len != year_digits + 11 || text.data[text.len - 1] != 'Z')
		return false;
	for (size_t i = 0; i + 1 < text.len; i++)
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
	int pairs[7];
	for (size_t i = 0; i < text.len / 2; i++)
		pairs[i] = (text.data[2 * i] - '0') * 10 + (text.data[2 * i + 1] - '0');
	const int *rest = pairs + year_digits / 2;
	*c = (struct clock_civil){
		.month = rest[0], .day = rest[1], .hour = rest[2], .minute = rest[3], .second = rest[4]
	};
	if (year_digits == 4)
		c->year = pairs[0] * 100 + pairs[1];
	else
		c->year = pairs[0] >= 50 ? 1900 + pairs[0] : 2000 + pairs[0];
	return clock_civil_valid(*c);
}

static int64_t time_with_tag(struct der *d, int tag, int first_year)
{
	struct bytes text = der_take(d, tag);
	if (d->failed)
		return 0;
	struct clock_civil c;
	if (!read_time(text, tag == DER_UTC_TIME ? 2 : 4, &c)) {
		(void)fail(d, "time not of the form [YY]YYMMDDHHMMSSZ");
		return 0;
	}
	if (c.year < first_year) {
		(void)fail(d, "GeneralizedTime for a year before 2050");
		return 0;
	}
	return clock_from_civil(c);
}

int64_t der_generalized_time(struct der *d)
{
	return time_with_tag(d, DER_GENERALIZED_TIME, 0);
}

int64_t der_time(struct der *d)
{
	if (der_peek(d) == DER_UTC_TIME)
		return time_with_tag(d, DER_UTC_TIME, 0);
	return time_with_tag(d, DER_GENERALIZED_TIME, 2050);
}

/* ---- writing ---- */

#define HEADER_MAX 6

static size_t make_header(int tag, size_t len, uint8_t header[HEADER_MAX])
{
	header[0] = (uint8_t)tag;
	if (len < 0x80) {
		header[1] = (uint8_t)len;
		return 2;
	}
	size_t octets = 1;
	while (octets < 4 && len >> (8 * octets))
		octets++;
	header[1] = (uint8_t)(0x80 | octets);
	for (size_t i = 0; i < octets; i++)
		header[2 + i] = (uint8_t)(len >> (8 * (octets - 1 - i)));
	return 2 + octets;
}

void der_add(struct buf *out, int tag, struct bytes content)
{
	if (content.len > BUF_MAX) {
		out->failed = true;
		return;
	}
	uint8_t header[HEADER_MAX];
	buf_add(out, header, make_header(tag, content.len, header));
	buf_add_bytes(out, content);
}

void der_wrap(struct buf *out, size_t mark, int tag)
{
	if (out->failed || mark > out->len)
		return;
	uint8_t header[HEADER_MAX];
	size_t len = out->len - mark;
	size_t header_len = make_header(tag, len, header);
	if (!buf_extend(out, header_len))
		return;
	memmove(out->data + mark + header_len, out->data + mark, len);
	memcpy(out->data + mark, header, header_len);
}

void der_add_boolean_true(struct buf *out)
{
	der_add(out, DER_BOOLEAN, BYTES("\xff", 1));
}

void der_add_unsigned(struct buf *out, struct bytes big_endian)
{
	while (big_endian.len > 0 && big_endian.data[0] == 0)
		big_endian = BYTES(big_endian.data + 1, big_endian.len - 1);
	size_t mark = der_mark(out);
	if (big_endian.len == 0 || (big_endian.data[0] & 0x80))
		buf_u8(out, 0);
	buf_add_bytes(out, big_endian);
	der_wrap(out, mark, DER_INTEGER);
}

void der_add_number(struct buf *out, uint64_t v)
{
	uint8_t octets[8];
	for (size_t i = 0; i < sizeof(octets); i++)
		octets[i] = (uint8_t)(v >> (8 * (sizeof(octets) - 1 - i)));
	der_add_unsigned(out, BYTES(octets, sizeof(octets)));
}

void der_add_bit_string(struct buf *out, struct bytes octets)
{
	size_t mark = der_mark(out);
	buf_u8(out, 0);
	buf_add_bytes(out, octets);
	der_wrap(out, mark, DER_BIT_STRING);
}

void der_add_named_bits(struct buf *out, uint16_t bits)
{
	uint8_t content[3] = { 0 };
	size_t len = 1;
	for (unsigned n = 0; n < 16; n++) {
		if (!(bits >> n & 1))
			continue;
		content[1 + n / 8] = (uint8_t)(content[1 + n / 8] | 0x80U >> n % 8);
		content[0] = (uint8_t)(7 - n % 8); /* unused bits behind the last one set */
		len = 2 + n / 8;
	}
	der_add(out, DER_BIT_STRING, BYTES(content, len));
}

void der_add_oid(struct buf *out, struct bytes content)
{
	der_add(out, DER_OID, content);
}

void der_add_generalized_time(struct buf *out, int64_t s)
{
	struct clock_civil c = clock_to_civil(s);
	size_t mark = der_mark(out);
	buf_printf(out, "%04d%02d%02d%02d%02d%02dZ", c.year, c.month, c.day, c.hour, c.minute, c.second);
	der_wrap(out, mark, DER_GENERALIZED_TIME);
}

void der_add_time(struct buf *out, int64_t s)
{
	struct clock_civil c = clock_to_civil(s);
	if (c.year < 1950 || c.year >= 2050) {
		der_add_generalized_time(out, s);
		return;
	}
	size_t mark = der_mark(out);
	buf_printf(out, "%02d%02d%02d%02d%02d%02dZ", c.year % 100, c.month, c.day, c.hour, c.minute, c.second);
	der_wrap(out, mark, DER_UTC_TIME);
}

/* ---- object identifiers as text ---- */

#define ARC_MAX ((uint64_t)INT64_MAX)

static void add_arc(struct buf *out, uint64_t arc)
{
	uint8_t octets[10];
	size_t at = sizeof(octets);
	octets[--at] = (uint8_t)(arc & 0x7f);
	while (arc >>= 7)
		octets[--at] = (uint8_t)(0x80 | (arc & 0x7f));
	buf_add(out, octets + at, sizeof(octets) - at);
}

/* The decimal number that *text starts with; *text moves behind it. */
static bool read_arc(const char **text, uint64_t *arc)
{
	const char *p = *text;
	if (*p < '0' || *p > '9' || (*p == '0' && p[1] >= '0' && p[1] <= '9'))
		return false;
	*arc = 0;
	for (; *p >= '0' && *p <= '9'; p++) {
		uint64_t digit = (uint64_t)(*p - '0');
		if (*arc > (ARC_MAX - digit) / 10)
			return false;
		*arc = *arc * 10 + digit;
	}
	*text = p;
	return true;
}

int der_oid_parse(const char *dotted, struct buf *out)
{
	uint64_t first, arc;
	auto_buf content = BUF_INIT;
	if (!read_arc(&dotted, &first) || first > 2 || *dotted++ != '.' || !read_arc(&dotted, &arc))
		return -1;
	if ((first < 2 && arc > 39) || arc > ARC_MAX - 80)
		return -1;
	add_arc(&content, first * 40 + arc);
	while (*dotted != '\0') {
		if (*dotted++ != '.' || !read_arc(&dotted, &arc))
			return -1;
		add_arc(&content, arc);
	}
	if (content.failed)
		out->failed = true;
	buf_add_bytes(out, buf_bytes(&content));
	return 0;
}

/* Appends to the text in out, of which *used are taken. */
static bool append_arc(char *out, size_t size, size_t *used, uint64_t arc)
{
	int len = snprintf(out + *used, size - *used, "%s%llu", *used ? "." : "", (unsigned long long)arc);
	if (len < 0 || (size_t)len >= size - *used)
		return false;
	*used += (size_t)len;
	return true;
}

static bool write_oid(struct bytes oid, char *out, size_t size)
{
	size_t used = 0;
	uint64_t arc = 0;
	for (size_t i = 0; i < oid.len; i++) {
		if (arc > ARC_MAX >> 7)
			return false;
		arc = arc << 7 | (oid.data[i] & 0x7f);
		if (oid.data[i] & 0x80)
			continue;
		if (used == 0) {
			uint64_t first = arc < 80 ? arc / 40 : 2;
			if (!append_arc(out, size, &used, first))
				return false;
			arc -= first * 40;
		}
		if (!append_arc(out, size, &used, arc))
			return false;
		arc = 0;
	}
	return true;
}

char *der_oid_text(struct bytes oid, char *out, size_t size)
{
	if (!oid_is_well_formed(oid) || !write_oid(oid, out, size))
		(void)snprintf(out, size, "?");
	return out;
}
