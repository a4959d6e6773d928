#include "httpd/json.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/text.h"

static void wipe_and_free(void *memory)
{
	OPENSSL_cleanse(memory, malloc_usable_size(memory));
	free(memory);
}

void json_wipe_freed(void)
{
	json_set_alloc_funcs(malloc, wipe_and_free);
}

/* ---- in ---- */

/* jansson recurses 2,048 deep: count the brackets before it does. */
static bool is_shallow(struct bytes text)
{
	size_t depth = 0;
	bool in_string = false;
	for (size_t i = 0; i < text.len; i++) {
		char c = (char)text.data[i];
		if (in_string && c == '\\')
			i++;
		else if (c == '"')
			in_string = !in_string;
		else if (!in_string && (c == '{' || c == '['))
			depth++;
		else if (!in_string && (c == '}' || c == ']') && depth > 0)
			depth--;
		if (depth > JSON_DEPTH_MAX)
			return false;
	}
	return true;
}

json_t *json_parse(struct bytes text, struct error *err)
{
	if (!is_shallow(text)) {
		(void)err_set(err, ERR_BAD_REQUEST, "the JSON body is nested deeper than %d", JSON_DEPTH_MAX);
		return NULL;
	}
	json_error_t where;
	json_t *value = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, &where);
	if (!value) {
		(void)err_set(err, ERR_BAD_REQUEST, "the body is not JSON: line %d, column %d: %s", where.line,
			      where.column, where.text);
		return NULL;
	}
	if (!json_is_object(value)) {
		json_decref(value);
		(void)err_set(err, ERR_BAD_REQUEST, "the body must be a JSON object");
		return NULL;
	}
	return value;
}

/* ---- out ---- */

json_t *json_text(struct bytes text)
{
	if (text.len == 0)
		return json_string_nocheck(""); /* jansson takes no NULL, of whatever length */
	if (text_is_utf8(text))
		return json_stringn_nocheck((const char *)text.data, text.len);
	auto_buf shown = BUF_INIT;
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] >= 0x20 && text.data[i] < 0x7f)
			buf_u8(&shown, text.data[i]);
		else
			buf_printf(&shown, "\\x%02x", text.data[i]);
	return json_stringn_nocheck(buf_text(&shown), shown.len);
}

json_t *json_hex(struct bytes octets)
{
	auto_buf hex = BUF_INIT;
	text_add_hex(&hex, octets);
	return json_stringn_nocheck(buf_text(&hex), hex.len);
}

json_t *json_time(int64_t s)
{
	char text[CLOCK_TEXT_SIZE];
	return json_string_nocheck(clock_rfc3339(s, text));
}

json_t *json_texts(const struct bytes *texts, uint32_t count)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < count; i++)
		(void)json_array_append_new(list, json_text(texts[i]));
	return list;
}

void json_set_time(json_t *object, const char *member, int64_t s)
{
	if (s != 0)
		(void)json_object_set_new(object, member, json_time(s));
}

static int append(const char *text, size_t len, void *out)
{
	buf_add(out, text, len);
	return 0;
}

void json_write(json_t *value, struct buf *out)
{
	if (!value || json_dump_callback(value, append, out, JSON_COMPACT | JSON_PRESERVE_ORDER) != 0)
		out->failed = true;
	buf_add_text(out, "\n");
	json_decref(value);
}

void json_problem(const struct error *err, struct buf *out)
{
	const struct err_class *class = err_class(err->code);
	char type[64];
	(void)snprintf(type, sizeof(type), "/problems/%s", class->slug);
	json_t *problem =
		json_pack("{s:s, s:s, s:s, s:i, s:o}", "type", type, "code", class->slug, "title", class->title,
			  "status", class->http_status, "detail", json_text(bytes_of(err->message)));
	if (err->member[0])
		(void)json_object_set_new(problem, "member", json_text(bytes_of(err->member)));
	if (err->value[0])
		(void)json_object_set_new(problem, "value", json_text(bytes_of(err->value)));
	if (err->allowed[0])
		(void)json_object_set_new(problem, "allowed", json_text(bytes_of(err->allowed)));
	json_write(problem, out);
}
