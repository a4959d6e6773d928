/*
 * ca-core/message_codec.h - private to message_*.c: the few forms that every message is
 * made of, each writer beside its reader.
 *
 * A writer that is given more than a reader would take makes the buffer `failed`.
 * Thread-safety: every function works only on its arguments.
 */
#ifndef CHANCERY_CA_MESSAGE_CODEC_H
#define CHANCERY_CA_MESSAGE_CODEC_H

#include "ca-core/message.h"

/* What one field may hold at most, in octets. */
enum {
	CODEC_NAME_MAX = 256,  /* names of issuers, profiles, identities; states; peers */
	CODEC_SERIAL_MAX = 20, /* RFC 5280 section 4.1.2.2 */
	CODEC_SPKI_MAX = 2048, /* RSA 4096 is 550 */
	CODEC_COMMON_NAME_MAX = 64,
	CODEC_SUBJECT_MAX = MESSAGE_SUBJECT_MAX,
	CODEC_CURSOR_MAX = 2048,
	CODEC_CERTIFICATE_MAX = 524288 /* 1,000 names of 255 octets fit */
};

static inline void codec_field(struct buf *out, struct bytes value, size_t max)
{
	if (value.len > max)
		out->failed = true;
	else
		buf_field(out, value);
}

static inline void codec_bool(struct buf *out, bool value)
{
	buf_u8(out, value ? 1 : 0);
}
static inline bool codec_read_bool(struct reader *r)
{
	uint8_t value = reader_u8(r);
	if (value > 1)
		r->failed = true;
	return value == 1;
}

/* A number with a meaning of its own from min to max alone; any other fails. */
static inline void codec_choice(struct buf *out, uint8_t value, uint8_t min, uint8_t max)
{
	if (value < min || value > max)
		out->failed = true;
	else
		buf_u8(out, value);
}
static inline uint8_t codec_read_choice(struct reader *r, uint8_t min, uint8_t max)
{
	uint8_t value = reader_u8(r);
	if (value < min || value > max)
		r->failed = true;
	return value;
}

/* A set of bits, none of them outside `known`. */
static inline void codec_bits(struct buf *out, uint8_t value, uint8_t known)
{
	if (value & ~known)
		out->failed = true;
	else
		buf_u8(out, value);
}
static inline uint8_t codec_read_bits(struct reader *r, uint8_t known)
{
	uint8_t value = reader_u8(r);
	if (value & ~known)
		r->failed = true;
	return value;
}

static inline void codec_time(struct buf *out, int64_t value)
{
	buf_u64(out, (uint64_t)value);
}
static inline int64_t codec_read_time(struct reader *r)
{
	return (int64_t)reader_u64(r);
}

/* A number of things that follow; more than max fails. */
static inline void codec_count(struct buf *out, uint32_t count, uint32_t max)
{
	if (count > max)
		out->failed = true;
	else
		buf_u32(out, count);
}
static inline uint32_t codec_read_count(struct reader *r, uint32_t max)
{
	uint32_t count = reader_u32(r);
	if (count > max) {
		r->failed = true;
		return 0;
	}
	return count;
}

static inline void codec_list(struct buf *out, const struct bytes *items, uint32_t count, uint32_t count_max,
			      size_t max)
{
	codec_count(out, count, count_max);
	for (uint32_t i = 0; i < count && !out->failed; i++)
		codec_field(out, items[i], max);
}
static inline uint32_t codec_read_list(struct reader *r, struct bytes *items, uint32_t count_max, size_t max)
{
	uint32_t count = codec_read_count(r, count_max);
	for (uint32_t i = 0; i < count && !r->failed; i++)
		items[i] = reader_field(r, max);
	return r->failed ? 0 : count;
}

/* All read, nothing left: 0, or ERR_BAD_REQUEST naming the message. */
static inline int codec_done(const struct reader *r, const char *what, struct error *err)
{
	if (reader_done(r))
		return 0;
	return err_set(err, ERR_BAD_REQUEST, "malformed message: %s %s", what,
		       r->failed ? "is cut short or out of its limits" : "has bytes behind its end");
}

#endif
