#include "ca-core/cursor.h"

#include "base/text.h"

void ca_cursor_free(struct ca_cursor *c)
{
	buf_free(&c->prefix);
	buf_free(&c->from);
	buf_free(&c->after_key);
	buf_free(&c->last_index_key);
	buf_free(&c->last_key);
}

static bool is_of_list(const struct ca_cursor *c, uint8_t index, struct bytes index_key, struct bytes key)
{
	bool indexed = c->index != STORE_INDEX_COUNT;
	return index == (uint8_t)c->index && indexed == (index_key.len > 0) && key.len &&
	       index_key.len >= c->prefix.len &&
	       bytes_equal(BYTES(index_key.data, c->prefix.len), buf_bytes(&c->prefix));
}

int ca_cursor_read(struct ca_cursor *c, struct bytes text, struct error *err)
{
	auto_buf plain = BUF_INIT;
	struct error ignored = ERR_INIT;
	if (!text.len)
		return 0;
	if (text_parse_hex(text, (size_t)2 * STORE_KEY_MAX + 16, &plain, &ignored) == 0) {
		struct reader r = reader_of(buf_bytes(&plain));
		uint8_t index = reader_u8(&r);
		struct bytes index_key = reader_field(&r, STORE_KEY_MAX);
		struct bytes key = reader_field(&r, STORE_KEY_MAX);
		if (reader_done(&r) && is_of_list(c, index, index_key, key)) {
			buf_clear(&c->from);
			buf_add_bytes(&c->from, index_key);
			buf_add_bytes(&c->after_key, key);
			return 0;
		}
	}
	(void)err_set(err, ERR_BAD_REQUEST, "the cursor does not belong to this query: use `next` of the page before");
	return err_about(err, "cursor", NULL, NULL);
}

void ca_cursor_pass(struct ca_cursor *c, const struct store_row *row)
{
	buf_clear(&c->last_index_key);
	buf_add_bytes(&c->last_index_key, row->index_key);
	buf_clear(&c->last_key);
	buf_add_bytes(&c->last_key, row->key);
}

void ca_cursor_write(const struct ca_cursor *c, struct buf *out)
{
	auto_buf plain = BUF_INIT;
	buf_u8(&plain, (uint8_t)c->index);
	buf_field(&plain, buf_bytes(&c->last_index_key));
	buf_field(&plain, buf_bytes(&c->last_key));
	text_add_hex(out, buf_bytes(&plain));
}

struct store_range ca_cursor_range(const struct ca_cursor *c, bool reverse)
{
	return (struct store_range){ .prefix = buf_bytes(&c->prefix),
				     .from = buf_bytes(&c->from),
				     .after_key = buf_bytes(&c->after_key),
				     .reverse = reverse };
}
