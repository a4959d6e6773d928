#include "httpd/json_read.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"

#define PLACE_SIZE 64 /* of err->member */

/* ---- refusing ---- */

static int refuse(struct error *err, const char *place, const char *value, const char *why, const char *allowed)
{
	(void)err_set(err, ERR_BAD_REQUEST, "the member %s %s", place, why);
	return err_about(err, place, value, allowed);
}

static void fail(struct json_reader *in, const char *name, const char *value, const char *why, const char *allowed)
{
	char place[PLACE_SIZE];
	if (in->failed)
		return;
	in->failed = true;
	(void)snprintf(place, sizeof(place), "%s%s", in->place, name);
	(void)refuse(in->err, place, value, why, allowed);
}

struct json_reader json_reader_of(json_t *object, const char *place, struct error *err)
{
	struct json_reader in = { .object = object, .place = place, .err = err };
	if (json_is_object(object))
		return in;
	in.failed = true;
	char name[PLACE_SIZE];
	(void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(place, "."), place);
	(void)refuse(err, name, NULL, "must be an object", NULL);
	return in;
}

static bool is_known(const struct json_reader *in, const char *name)
{
	for (size_t i = 0; i < in->known_count; i++)
		if (strcmp(in->known[i], name) == 0)
			return true;
	return false;
}

/* The member's value, which is known from now on; NULL where it is left out, or something has failed. */
static json_t *look_up(struct json_reader *in, const char *name)
{
	if (in->failed)
		return NULL;
	if (!is_known(in, name) && in->known_count < JSON_MEMBERS_MAX)
		in->known[in->known_count++] = name;
	return json_object_get(in->object, name);
}

/* ---- texts ---- */

static struct bytes text_of(const json_t *value)
{
	return BYTES(json_string_value(value), json_string_length(value));
}

/* What a text may not be; NULL: it is good. */
static const char *fault_of(const json_t *value, size_t min, size_t max, bool lines)
{
	if (!json_is_string(value))
		return "must be a text";
	if (json_string_length(value) < min)
		return "must not be empty";
	if (json_string_length(value) > max)
		return "is too long";
	return !lines && text_has_control(text_of(value)) ? "has control characters" : NULL;
}

static struct bytes read_text(struct json_reader *in, const char *name, size_t min, size_t max, bool lines)
{
	json_t *value = look_up(in, name);
	if (in->failed || (!value && min == 0))
		return BYTES_NONE;
	if (!value) {
		fail(in, name, NULL, "is missing", NULL);
		return BYTES_NONE;
	}
	const char *fault = fault_of(value, min, max, lines);
	if (!fault)
		return text_of(value);
	char allowed[48];
	(void)snprintf(allowed, sizeof(allowed), "%zu to %zu octets", min, max);
	fail(in, name, lines ? NULL : json_string_value(value), fault, allowed);
	return BYTES_NONE;
}

struct bytes json_read_text(struct json_reader *in, const char *name, size_t min, size_t max)
{
	return read_text(in, name, min, max, false);
}

struct bytes json_read_lines(struct json_reader *in, const char *name, size_t min, size_t max)
{
	return read_text(in, name, min, max, true);
}

int json_item_text(json_t *item, const char *place, size_t max, struct bytes *out, struct error *err)
{
	const char *fault = fault_of(item, 1, max, false);
	if (!fault) {
		*out = text_of(item);
		return 0;
	}
	char allowed[48];
	(void)snprintf(allowed, sizeof(allowed), "1 to %zu octets", max);
	return refuse(err, place, json_string_value(item), fault, allowed);
}

/* ---- other types ---- */

uint64_t json_read_number(struct json_reader *in, const char *name, uint64_t max)
{
	json_t *value = look_up(in, name);
	if (!value)
		return 0;
	json_int_t number = json_integer_value(value);
	if (json_is_integer(value) && number >= 1 && (uint64_t)number <= max)
		return (uint64_t)number;
	char allowed[48];
	(void)snprintf(allowed, sizeof(allowed), "1 to %" PRIu64, max);
	fail(in, name, json_string_value(value), "must be a whole number", allowed);
	return 0;
}

bool json_read_bool(struct json_reader *in, const char *name)
{
	json_t *value = look_up(in, name);
	if (value && !json_is_boolean(value))
		fail(in, name, json_string_value(value), "must be true or false", "true, false");
	return json_is_true(value);
}

bool json_read_null(struct json_reader *in, const char *name)
{
	return json_is_null(look_up(in, name));
}

bool json_read_has(struct json_reader *in, const char *name)
{
	return look_up(in, name) != NULL;
}

size_t json_read_list(struct json_reader *in, const char *name, size_t max, json_take_item *take, void *arg)
{
	json_t *list = look_up(in, name);
	size_t count = json_array_size(list);
	if (!list)
		return 0;
	if (!json_is_array(list) || count > max) {
		char allowed[48];
		(void)snprintf(allowed, sizeof(allowed), "a list of at most %zu", max);
		fail(in, name, NULL, json_is_array(list) ? "has too many items" : "must be a list", allowed);
		return 0;
	}
	for (size_t i = 0; !in->failed && i < count; i++) {
		char place[PLACE_SIZE];
		(void)snprintf(place, sizeof(place), "%s%s[%zu]", in->place, name, i);
		in->failed = take(json_array_get(list, i), place, i, arg, in->err) != 0;
	}
	return in->failed ? 0 : count;
}

void json_read_refuse(struct json_reader *in, const char *name, const char *why, const char *allowed)
{
	fail(in, name, json_string_value(look_up(in, name)), why, allowed);
}

/* ---- the end ---- */

int json_read_done(struct json_reader *in)
{
	const char *name;
	json_t *value;
	json_object_foreach(in->object, name, value)
	{
		if (in->failed)
			break;
		if (is_known(in, name))
			continue;
		auto_buf allowed = BUF_INIT;
		for (size_t i = 0; i < in->known_count; i++)
			buf_printf(&allowed, "%s%s", i ? ", " : "", in->known[i]);
		in->failed = true;
		char place[PLACE_SIZE];
		(void)snprintf(place, sizeof(place), "%s%s", in->place, name);
		(void)err_set(in->err, ERR_BAD_REQUEST, "there is no member of this name here");
		(void)err_about(in->err, place, NULL, buf_text(&allowed));
	}
	return in->failed ? -1 : 0;
}
