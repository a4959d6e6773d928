/*
 * store/record_private.h - what the codecs of the records share: the rules for small parts, and how
 * a record begins and ends.
 *
 * Thread-safety: every function works only on its arguments.
 */
#ifndef CHANCERY_STORE_RECORD_PRIVATE_H
#define CHANCERY_STORE_RECORD_PRIVATE_H

#include "store/record.h"

/* Longest of each field; what is longer is neither written nor read. */
#define SERIAL_MAX 20
#define RECORD_ID_MAX 64
#define OWNER_MAX (RECORD_ID_MAX + 4) /* "org:ID" */
#define REQUESTER_MAX (2 * RECORD_NAME_MAX + 1)
#define CERTIFICATE_MAX ((size_t)1 << 20)
#define SUBJECT_MAX ((size_t)64 << 10)
#define NAME_TEXT_MAX ((size_t)4096)
#define SIGNATURE_MAX ((size_t)4096)

bool record_is_name(struct bytes name); /* [A-Za-z0-9._@-]{1,64} */
bool record_is_name_or_none(struct bytes name);
/* Of an order or organization, as statements have it: [A-Za-z0-9._-]{1,64} */
bool record_is_id(struct bytes id);
/* An identity's name, or a name with a kind before it: "apitoken:ID". */
bool record_is_requester(struct bytes requester);
static inline bool record_is_serial(struct bytes serial)
{
	return serial.len >= 1 && serial.len <= SERIAL_MAX;
}
static inline bool record_is_text(struct bytes text, size_t max) /* there, and not too long */
{
	return text.len >= 1 && text.len <= max;
}
bool record_is_zeros(const uint8_t hash[32]);

/* A record that would not read back must not be written either. */
void record_begin(struct buf *out, bool valid);
struct reader record_begin_reading(struct bytes in);
/* ERR_INTEGRITY unless all was read, and is valid. what: "certificate". */
int record_finish(const struct reader *r, bool valid, const char *what, struct error *err);

static inline void record_add_time(struct buf *out, int64_t time)
{
	buf_u64(out, (uint64_t)time);
}
static inline int64_t record_read_time(struct reader *r)
{
	return (int64_t)reader_u64(r);
}
bool record_read_bool(struct reader *r);
/* A u16 of at most max; else 0, and the reader has failed. */
size_t record_read_count(struct reader *r, size_t max);

#endif
