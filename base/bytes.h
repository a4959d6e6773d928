/*
 * base/bytes.h - borrowed bytes, a growing buffer, and a cursor that cannot run
 * past its end. All binary reading and writing of the project stands on these.
 *
 * Thread-safety: every function works only on its arguments.
 */
#ifndef CHANCERY_BASE_BYTES_H
#define CHANCERY_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"

/* Borrowed: whoever made it says how long data lives. data may be NULL if len is 0. */
struct bytes {
	const uint8_t *data;
	size_t len;
};

#define BYTES(pointer, length) ((struct bytes){ (const uint8_t *)(pointer), (length) })
#define BYTES_NONE ((struct bytes){ NULL, 0 })

/* The bytes of a string without its NUL. NULL gives no bytes. */
static inline struct bytes bytes_of(const char *text)
{
	return BYTES(text, text ? strlen(text) : 0);
}
bool bytes_equal(struct bytes a, struct bytes b);
/* Same length, compared in constant time: for secrets. */
bool bytes_equal_secret(struct bytes a, struct bytes b);
bool bytes_are(struct bytes a, const char *text);
/* Lexicographic, the shorter first where one is the other's prefix. <0, 0, >0. */
int bytes_compare(struct bytes a, struct bytes b);

/* ---- a growing buffer ----
 * Appending cannot half-fail: when memory ends or `limit` would be passed, the
 * buffer becomes `failed`, keeps what it had, and ignores all that follows. The
 * writer asks once, at the end. */
struct buf {
	uint8_t *data;
	size_t len;
	size_t capacity;
	bool failed;
};

#define BUF_INIT ((struct buf){ NULL, 0, 0, false })
#define BUF_MAX ((size_t)1 << 31) /* no buffer grows past this */

void buf_free(struct buf *b);  /* frees the memory; b is BUF_INIT afterwards */
void buf_wipe(struct buf *b);  /* the same, overwriting the content first */
void buf_clear(struct buf *b); /* empties it, keeps the memory */
void buf_add(struct buf *b, const void *data, size_t len);
void buf_add_bytes(struct buf *b, struct bytes bytes);
void buf_add_text(struct buf *b, const char *text); /* without its NUL */
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_u8(struct buf *b, uint8_t v);
void buf_u16(struct buf *b, uint16_t v); /* network order, as all of these */
void buf_u32(struct buf *b, uint32_t v);
void buf_u64(struct buf *b, uint64_t v);
/* A u32 length, then the bytes: read back with reader_field. */
void buf_field(struct buf *b, struct bytes bytes);
void buf_field_text(struct buf *b, const char *text); /* NULL is written as "" */
/* Room for len bytes at the end, counted in, content undefined; NULL when failed. */
uint8_t *buf_extend(struct buf *b, size_t len);
static inline struct bytes buf_bytes(const struct buf *b)
{
	return BYTES(b->data, b->len);
}
/* The content as a NUL-terminated string (the NUL is not counted); "" when failed or empty. */
const char *buf_text(struct buf *b);

#define auto_buf CLEANUP(buf_free) struct buf /* auto_buf b = BUF_INIT; */
#define auto_secret_buf CLEANUP(buf_wipe) struct buf

/* ---- a cursor over borrowed bytes ----
 * Reading cannot run past the end: then the cursor becomes `failed`, and this and
 * every later read gives zeros or no bytes. The reader asks once, at the end,
 * with reader_done: all read, nothing left over, nothing failed. */
struct reader {
	const uint8_t *at;
	size_t left;
	bool failed;
};

static inline struct reader reader_of(struct bytes bytes)
{
	return (struct reader){ bytes.data, bytes.len, false };
}
uint8_t reader_u8(struct reader *r);
uint16_t reader_u16(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);
struct bytes reader_take(struct reader *r, size_t len); /* borrowed from the input */
/* A u32 length of at most max, then that many bytes; more than max fails. */
struct bytes reader_field(struct reader *r, size_t max);
/* The same as a string in out (size bytes with its NUL); a NUL inside, or no room, fails. */
void reader_field_text(struct reader *r, char *out, size_t size);
/* Exactly len bytes into out (zeros on failure). */
void reader_copy(struct reader *r, void *out, size_t len);
static inline bool reader_done(const struct reader *r)
{
	return !r->failed && r->left == 0;
}

#endif
