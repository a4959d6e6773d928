#include "base/bytes.h"

#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>

bool bytes_equal(struct bytes a, struct bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool bytes_equal_secret(struct bytes a, struct bytes b)
{
	return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.data, b.data, a.len) == 0);
}

bool bytes_are(struct bytes a, const char *text)
{
	return bytes_equal(a, bytes_of(text));
}

int bytes_compare(struct bytes a, struct bytes b)
{
	size_t common = a.len < b.len ? a.len : b.len;
	int order = common ? memcmp(a.data, b.data, common) : 0;
	if (order != 0)
		return order;
	return (a.len > b.len) - (a.len < b.len);
}

void buf_free(struct buf *b)
{
	free(b->data);
	*b = BUF_INIT;
}

void buf_wipe(struct buf *b)
{
	OPENSSL_cleanse(b->data, b->capacity);
	buf_free(b);
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->failed = false;
}

/* Room for `more` bytes past len. */
static bool reserve(struct buf *b, size_t more)
{
	if (b->failed || more > BUF_MAX - b->len) {
		b->failed = true;
		return false;
	}
	if (b->len + more <= b->capacity)
		return true;
	size_t capacity = b->capacity ? b->capacity : 256;
	while (capacity < b->len + more)
		capacity *= 2;
	uint8_t *data = realloc(b->data, capacity);
	if (!data) {
		b->failed = true;
		return false;
	}
	b->data = data;
	b->capacity = capacity;
	return true;
}

uint8_t *buf_extend(struct buf *b, size_t len)
{
	if (!reserve(b, len ? len : 1)) /* never NULL, which means failure */
		return NULL;
	uint8_t *room = b->data + b->len;
	b->len += len;
	return room;
}

void buf_add(struct buf *b, const void *data, size_t len)
{
	if (len == 0)
		return;
	uint8_t *room = buf_extend(b, len);
	if (room)
		memcpy(room, data, len);
}

void buf_add_bytes(struct buf *b, struct bytes bytes)
{
	buf_add(b, bytes.data, bytes.len);
}

void buf_add_text(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	int len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (len < 0 || !reserve(b, (size_t)len + 1)) {
		b->failed = true;
		return;
	}
	va_start(args, fmt);
	(void)vsnprintf((char *)b->data + b->len, (size_t)len + 1, fmt, args);
	va_end(args);
	b->len += (size_t)len;
}

static void add_number(struct buf *b, uint64_t v, size_t octets)
{
	uint8_t *room = buf_extend(b, octets);
	if (!room)
		return;
	for (size_t i = octets; i > 0; i--) {
		room[i - 1] = (uint8_t)v;
		v >>= 8;
	}
}

void buf_u8(struct buf *b, uint8_t v)
{
	add_number(b, v, 1);
}

void buf_u16(struct buf *b, uint16_t v)
{
	add_number(b, v, 2);
}

void buf_u32(struct buf *b, uint32_t v)
{
	add_number(b, v, 4);
}

void buf_u64(struct buf *b, uint64_t v)
{
	add_number(b, v, 8);
}

void buf_field(struct buf *b, struct bytes bytes)
{
	if (bytes.len > UINT32_MAX) {
		b->failed = true;
		return;
	}
	buf_u32(b, (uint32_t)bytes.len);
	buf_add_bytes(b, bytes);
}

void buf_field_text(struct buf *b, const char *text)
{
	buf_field(b, bytes_of(text));
}

const char *buf_text(struct buf *b)
{
	if (!reserve(b, 1))
		return "";
	b->data[b->len] = '\0';
	return (const char *)b->data;
}

struct bytes reader_take(struct reader *r, size_t len)
{
	if (r->failed || len > r->left) {
		r->failed = true;
		return BYTES_NONE;
	}
	struct bytes taken = BYTES(r->at, len);
	if (len)
		r->at += len;
	r->left -= len;
	return taken;
}

static uint64_t read_number(struct reader *r, size_t octets)
{
	struct bytes taken = reader_take(r, octets);
	uint64_t v = 0;
	for (size_t i = 0; i < taken.len; i++)
		v = v << 8 | taken.data[i];
	return v;
}

uint8_t reader_u8(struct reader *r)
{
	return (uint8_t)read_number(r, 1);
}

uint16_t reader_u16(struct reader *r)
{
	return (uint16_t)read_number(r, 2);
}

uint32_t reader_u32(struct reader *r)
{
	return (uint32_t)read_number(r, 4);
}

uint64_t reader_u64(struct reader *r)
{
	return read_number(r, 8);
}

struct bytes reader_field(struct reader *r, size_t max)
{
	uint32_t len = reader_u32(r);
	if (len > max)
		r->failed = true;
	return reader_take(r, len);
}

void reader_field_text(struct reader *r, char *out, size_t size)
{
	struct bytes text = reader_field(r, size - 1);
	if (text.len && memchr(text.data, '\0', text.len)) {
		r->failed = true;
		text.len = 0;
	}
	if (text.len)
		memcpy(out, text.data, text.len);
	out[text.len] = '\0';
}

void reader_copy(struct reader *r, void *out, size_t len)
{
	struct bytes taken = reader_take(r, len);
	if (taken.len)
		memcpy(out, taken.data, len);
	else
		memset(out, 0, len);
}
