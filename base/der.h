/*
 * base/der.h - DER (ITU-T X.690 section 10), read strictly and written.
 *
 * The reader accepts DER alone: definite, minimal lengths; tag numbers below 31
 * (nothing in PKIX needs more); nothing past the end. An element that is not so
 * makes the cursor `failed`, as in base/bytes.h, with the reason kept.
 *
 *     struct der cursor = der_of(input), tbs, spki;
 *     der_enter(&cursor, DER_SEQUENCE, &tbs);
 *     struct bytes version = der_integer(&tbs);
 *     if (der_done(&tbs) && der_done(&cursor)) ...
 *
 * The writer builds from the inside out: contents into a buf, then wrapped.
 *
 * Thread-safety: every function works only on its arguments.
 */
#ifndef CHANCERY_BASE_DER_H
#define CHANCERY_BASE_DER_H

#include "base/bytes.h"

enum der_tag {
	DER_BOOLEAN = 0x01,
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_OCTET_STRING = 0x04,
	DER_NULL = 0x05,
	DER_OID = 0x06,
	DER_ENUMERATED = 0x0a,
	DER_UTF8_STRING = 0x0c,
	DER_NUMERIC_STRING = 0x12,
	DER_PRINTABLE_STRING = 0x13,
	DER_T61_STRING = 0x14,
	DER_IA5_STRING = 0x16,
	DER_UTC_TIME = 0x17,
	DER_GENERALIZED_TIME = 0x18,
	DER_UNIVERSAL_STRING = 0x1c,
	DER_BMP_STRING = 0x1e,
	DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
};
#define DER_CONTEXT(n) (0x80 | (n))             /* [n] IMPLICIT, primitive */
#define DER_CONTEXT_CONSTRUCTED(n) (0xa0 | (n)) /* [n], constructed */

/* ---- reading ---- */
struct der {
	struct bytes left;
	const char *failed; /* NULL, or why: "length not minimal", "truncated", ... */
};

static inline struct der der_of(struct bytes bytes)
{
	return (struct der){ bytes, NULL };
}
/* The next element's tag, or -1 at the end, on failure, or for a tag number over 30. */
int der_peek(const struct der *d);
/* The next element whatever it is: its tag (or -1), and content; whole (may be NULL) gets
 * the element with its header. */
int der_any(struct der *d, struct bytes *content, struct bytes *whole);
/* The content of the next element, which must have this tag; otherwise failed. */
struct bytes der_take(struct der *d, int tag);
/* The whole next element (header and content) with this tag. */
struct bytes der_take_whole(struct der *d, int tag);
/* As der_take, but where the next element is another (or none), leaves it and returns false. */
bool der_take_if(struct der *d, int tag, struct bytes *content);
/* A constructed element: content becomes a cursor of its own (failed where d fails). */
void der_enter(struct der *d, int tag, struct der *content);
/* INTEGER: content octets, minimal form checked (X.690 8.3.2), may be negative. */
struct bytes der_integer(struct der *d);
/* INTEGER of 0 to max as a number. */
uint64_t der_small_integer(struct der *d, uint64_t max);
/* BOOLEAN, 00 or FF (X.690 11.1). */
bool der_boolean(struct der *d);
/* BIT STRING with no unused bits: the octets. */
struct bytes der_bit_string(struct der *d);
/* BIT STRING of at most 16 named bits (X.690 11.2.2: no trailing zero bits): bit n of the
 * ASN.1 numbering is 1 << n in the result. */
uint16_t der_named_bits(struct der *d);
/* OBJECT IDENTIFIER: content octets, form checked (X.690 8.19). */
struct bytes der_oid(struct der *d);
/* UTCTime or GeneralizedTime of RFC 5280 section 4.1.2.5 (Z, seconds, no fraction; the
 * right one of the two for its year): seconds since 1970. */
int64_t der_time(struct der *d);
/* GeneralizedTime in the same form, of any year (invalidityDate, OCSP). */
int64_t der_generalized_time(struct der *d);
static inline bool der_done(const struct der *d)
{
	return !d->failed && d->left.len == 0;
}

/* ---- writing: appended to out ---- */
void der_add(struct buf *out, int tag, struct bytes content);
/* Marks a position; der_wrap turns everything written since into the content of an
 * element with this tag (moving it to make room for the header). */
static inline size_t der_mark(const struct buf *out)
{
	return out->len;
}
void der_wrap(struct buf *out, size_t mark, int tag);
void der_add_boolean_true(struct buf *out);
void der_add_unsigned(struct buf *out, struct bytes big_endian); /* INTEGER >= 0, made minimal */
void der_add_number(struct buf *out, uint64_t v);
void der_add_bit_string(struct buf *out, struct bytes octets); /* no unused bits */
void der_add_named_bits(struct buf *out, uint16_t bits);
void der_add_oid(struct buf *out, struct bytes content);
/* UTCTime through 2049, GeneralizedTime from 2050 (RFC 5280 section 4.1.2.5). */
void der_add_time(struct buf *out, int64_t s);
void der_add_generalized_time(struct buf *out, int64_t s);

/* ---- object identifiers as text ---- */
/* "2.5.29.15" to content octets, appended. -1 for a text that is no OID; arcs below 2^63. */
int der_oid_parse(const char *dotted, struct buf *out);
/* Content octets to text; "?" where they are malformed. Returns out. */
char *der_oid_text(struct bytes oid, char *out, size_t size);

#endif
