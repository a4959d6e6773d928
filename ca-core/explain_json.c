#include "base/text.h"
#include "ca-core/explain_private.h"

void explain_key(struct buf *out, const char *key)
{
	uint8_t last = out->len ? out->data[out->len - 1] : '{';
	if (last != '{' && last != '[')
		buf_u8(out, ',');
	if (!key)
		return;
	buf_u8(out, '"');
	buf_add_text(out, key);
	buf_add_text(out, "\":");
}

void explain_open(struct buf *out, const char *key, char bracket)
{
	explain_key(out, key);
	buf_u8(out, (uint8_t)bracket);
}

void explain_text(struct buf *out, const char *key, struct bytes value)
{
	explain_key(out, key);
	ca_audit_json_text(out, value);
}

void explain_text_if(struct buf *out, const char *key, struct bytes value)
{
	if (value.len)
		explain_text(out, key, value);
}

void explain_hex(struct buf *out, const char *key, struct bytes value)
{
	explain_key(out, key);
	buf_u8(out, '"');
	text_add_hex(out, value);
	buf_u8(out, '"');
}

void explain_base64(struct buf *out, const char *key, struct bytes value)
{
	explain_key(out, key);
	buf_u8(out, '"');
	text_add_base64(out, value);
	buf_u8(out, '"');
}

void explain_number(struct buf *out, const char *key, int64_t value)
{
	explain_key(out, key);
	buf_printf(out, "%lld", (long long)value);
}

void explain_time(struct buf *out, const char *key, int64_t s)
{
	char time[CLOCK_TEXT_SIZE];
	if (s)
		explain_text(out, key, bytes_of(clock_rfc3339(s, time)));
}

void explain_flag(struct buf *out, const char *key, bool value)
{
	explain_key(out, key);
	buf_add_text(out, value ? "true" : "false");
}

void explain_error(struct buf *out, const struct error *why)
{
	explain_open(out, NULL, '{');
	explain_text(out, "code", bytes_of(err_class(why->code)->slug));
	explain_text(out, "detail", bytes_of(why->message));
	if (why->member[0])
		explain_text(out, "member", bytes_of(why->member));
	if (why->value[0])
		explain_text(out, "value", bytes_of(why->value));
	if (why->allowed[0])
		explain_text(out, "allowed", bytes_of(why->allowed));
	explain_close(out, '}');
}
