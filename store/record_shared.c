#include "store/record_private.h"

#define RECORD_VERSION 1

static bool is_name_character(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
	       c == '@' || c == '-';
}

bool record_is_name(struct bytes name)
{
	if (name.len == 0 || name.len > RECORD_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!is_name_character(name.data[i]))
			return false;
	return true;
}

bool record_is_name_or_none(struct bytes name)
{
	return name.len == 0 || record_is_name(name);
}

bool record_is_id(struct bytes id)
{
	return record_is_name(id) && !memchr(id.data, '@', id.len);
}

bool record_is_requester(struct bytes requester)
{
	const uint8_t *colon = requester.len ? memchr(requester.data, ':', requester.len) : NULL;
	if (!colon)
		return record_is_name(requester);
	size_t kind = (size_t)(colon - requester.data);
	return record_is_name(BYTES(requester.data, kind)) &&
	       record_is_name(BYTES(colon + 1, requester.len - kind - 1));
}

bool record_is_zeros(const uint8_t hash[32])
{
	static const uint8_t zeros[32] = { 0 };
	return memcmp(hash, zeros, sizeof(zeros)) == 0;
}

void record_begin(struct buf *out, bool valid)
{
	if (!valid)
		out->failed = true;
	buf_u8(out, RECORD_VERSION);
}

struct reader record_begin_reading(struct bytes in)
{
	struct reader r = reader_of(in);
	if (reader_u8(&r) != RECORD_VERSION)
		r.failed = true;
	return r;
}

int record_finish(const struct reader *r, bool valid, const char *what, struct error *err)
{
	if (reader_done(r) && valid)
		return 0;
	return err_set(err, ERR_INTEGRITY, "a stored record of a %s cannot be read: its bytes are not what was written",
		       what);
}

bool record_read_bool(struct reader *r)
{
	uint8_t v = reader_u8(r);
	if (v > 1)
		r->failed = true;
	return v == 1;
}

size_t record_read_count(struct reader *r, size_t max)
{
	size_t count = reader_u16(r);
	if (count <= max)
		return count;
	r->failed = true;
	return 0;
}
