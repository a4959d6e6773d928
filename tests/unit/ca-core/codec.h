/*
 * tests/unit/ca-core/codec.h - what holds of every message between processes.
 */
#ifndef CHANCERY_TESTS_CA_CODEC_H
#define CHANCERY_TESTS_CA_CODEC_H

#include <stdlib.h>

#include "ca-core/message_order.h"
#include "tests/unit/unit.h"

#define CODEC_STRUCT_MAX sizeof(struct message_order) /* no message's struct is larger */

typedef void codec_writer(const void *m, struct buf *out);
typedef int codec_reader(struct bytes in, void *m, struct error *err);

/* What is written reads back (and is written again as the same bytes), each shorter part of it is refused, and so is
 * anything behind it. */
void round_trip(const void *m, size_t size, codec_writer *write_it, codec_reader *read_it);

/* The octet at this place of the written message is read from min to max alone. */
void check_octet_range(const void *m, codec_writer *write_it, codec_reader *read_it, size_t at, unsigned min,
		       unsigned max);

#define CODEC(name)                                                         \
	static void write_##name(const void *m, struct buf *out)            \
	{                                                                   \
		message_##name##_write(m, out);                             \
	}                                                                   \
	static int read_##name(struct bytes in, void *m, struct error *err) \
	{                                                                   \
		return message_##name##_read(in, m, err);                   \
	}
#define ROUND_TRIP(name, ...)                                                                                  \
	round_trip(&(const struct message_##name){ __VA_ARGS__ }, sizeof(struct message_##name), write_##name, \
		   read_##name)

#define TEXT(literal) BYTES(literal, sizeof(literal) - 1)

#endif
