#include "tools/ceremony_rehearsal.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/text.h"
#include "tools/output.h"

#define VERSION 1
#define TBS_MAX ((size_t)2 << 20)

int ceremony_rehearsal_new(const struct ceremony_plan *plan, struct ceremony_rehearsal *rehearsal, struct error *err)
{
	memcpy(rehearsal->plan, plan->sha256, sizeof(rehearsal->plan));
	rehearsal->count = plan->step_count;
	rehearsal->steps = calloc(plan->step_count + 1, sizeof(*rehearsal->steps));
	return rehearsal->steps ? 0 : err_set(err, ERR_INTERNAL, "no memory for a rehearsal");
}

void ceremony_rehearsal_free(struct ceremony_rehearsal *rehearsal)
{
	for (size_t i = 0; rehearsal->steps && i < rehearsal->count; i++) {
		buf_free(&rehearsal->steps[i].tbs);
		buf_free(&rehearsal->steps[i].spki);
	}
	free(rehearsal->steps);
	*rehearsal = CEREMONY_REHEARSAL_INIT;
}

/* ---- writing ---- */

static json_t *hex_json(struct bytes octets)
{
	auto_buf text = BUF_INIT;
	text_add_hex(&text, octets);
	return json_string(buf_text(&text));
}

static json_t *time_json(int64_t s)
{
	char text[CLOCK_TEXT_SIZE];
	return json_string(s ? clock_rfc3339(s, text) : "");
}

static json_t *step_json(const char *name, const struct ceremony_rehearsed *r)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:o}", "step", name, "serial",
			 hex_json(BYTES(r->fixed.serial, r->fixed.serial_len)), "notBefore",
			 time_json(r->fixed.not_before_s), "notAfter", time_json(r->fixed.not_after_s), "thisUpdate",
			 time_json(r->fixed.this_update_s), "nextUpdate", time_json(r->fixed.next_update_s), "number",
			 (json_int_t)r->fixed.number, "tbs", hex_json(buf_bytes(&r->tbs)), "spki",
			 hex_json(buf_bytes(&r->spki)));
}

static json_t *inputs_json(const struct ceremony_inputs *inputs)
{
	json_t *list = json_array();
	for (size_t i = 0; i < inputs->count; i++)
		(void)json_array_append_new(list, json_pack("{s:s, s:o}", "file", inputs->items[i].name, "sha256",
							    hex_json(BYTES(inputs->items[i].sha256, 32))));
	return list;
}

int ceremony_rehearsal_write(const struct ceremony_plan *plan, const struct ceremony_rehearsal *rehearsal,
			     const struct ceremony_inputs *inputs, struct buf *out, struct error *err)
{
	json_t *steps = json_array();
	for (size_t i = 0; i < plan->step_count; i++)
		(void)json_array_append_new(steps, step_json(plan->steps[i].name, &rehearsal->steps[i]));
	auto_json *whole = json_pack("{s:i, s:o, s:o, s:o}", "version", VERSION, "plan",
				     hex_json(BYTES(plan->sha256, 32)), "inputs", inputs_json(inputs), "steps", steps);
	auto_free char *text = whole ? json_dumps(whole, JSON_INDENT(1)) : NULL;
	if (!text || json_array_size(steps) != plan->step_count)
		return err_set(err, ERR_INTERNAL, "no memory for a rehearsal");
	buf_add_text(out, text);
	buf_u8(out, '\n');
	return out->failed ? err_set(err, ERR_INTERNAL, "no memory for a rehearsal") : 0;
}

/* ---- reading ---- */

static int wrong(struct error *err, const char *what)
{
	return err_set(err, ERR_INTEGRITY, "rehearsal.json is not what a rehearsal writes: %s", what);
}

static int take_hex(const json_t *object, const char *member, size_t max, struct buf *out, struct error *err)
{
	struct error ignored = ERR_INIT;
	const char *text = json_string_value(json_object_get(object, member));
	return text && text_parse_hex(bytes_of(text), max, out, &ignored) == 0 ? 0 : wrong(err, member);
}

static int take_time(const json_t *object, const char *member, int64_t *s, struct error *err)
{
	struct error ignored = ERR_INIT;
	const char *text = json_string_value(json_object_get(object, member));
	if (!text || (text[0] && clock_parse_rfc3339(bytes_of(text), s, &ignored)))
		return wrong(err, member);
	return 0;
}

static int take_step(const json_t *object, const char *name, struct ceremony_rehearsed *r, struct error *err)
{
	auto_buf serial = BUF_INIT;
	const json_t *number = json_object_get(object, "number");
	if (json_object_size(object) != 9 || strcmp(member_text(object, "step"), name) != 0)
		return wrong(err, name);
	if (!json_is_integer(number) || json_integer_value(number) < 0)
		return wrong(err, "number");
	r->fixed.number = (uint64_t)json_integer_value(number);
	if (take_hex(object, "serial", sizeof(r->fixed.serial), &serial, err) ||
	    take_time(object, "notBefore", &r->fixed.not_before_s, err) ||
	    take_time(object, "notAfter", &r->fixed.not_after_s, err) ||
	    take_time(object, "thisUpdate", &r->fixed.this_update_s, err) ||
	    take_time(object, "nextUpdate", &r->fixed.next_update_s, err) ||
	    take_hex(object, "tbs", TBS_MAX, &r->tbs, err) || take_hex(object, "spki", TBS_MAX, &r->spki, err))
		return -1;
	if (serial.len)
		memcpy(r->fixed.serial, serial.data, serial.len);
	r->fixed.serial_len = serial.len;
	return 0;
}

static int check_inputs(const json_t *list, const struct ceremony_inputs *inputs, struct error *err)
{
	if (!json_is_array(list) || json_array_size(list) != inputs->count)
		return wrong(err, "inputs");
	for (size_t i = 0; i < inputs->count; i++) {
		const json_t *item = json_array_get(list, i);
		const struct ceremony_input *input = &inputs->items[i];
		char hash[65];
		if (strcmp(member_text(item, "file"), input->name) != 0)
			return wrong(err, "file");
		if (strcmp(member_text(item, "sha256"), text_hex(BYTES(input->sha256, 32), hash)) != 0)
			return err_set(err, ERR_CONFLICT, "the file %s was another at the rehearsal: rehearse again",
				       input->name);
	}
	return 0;
}

int ceremony_rehearsal_read(struct bytes text, const struct ceremony_plan *plan, const struct ceremony_inputs *inputs,
			    struct ceremony_rehearsal *rehearsal, struct error *err)
{
	char hash[65];
	auto_json *whole = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
	if (json_object_size(whole) != 4 || json_integer_value(json_object_get(whole, "version")) != VERSION)
		return wrong(err, "version");
	if (strcmp(member_text(whole, "plan"), text_hex(BYTES(plan->sha256, 32), hash)) != 0)
		return err_set(
			err, ERR_CONFLICT,
			"the plan is not the one that was rehearsed: its SHA-256 was %.64s, and is %s; rehearse it",
			member_text(whole, "plan"), hash);
	const json_t *steps = json_object_get(whole, "steps");
	if (check_inputs(json_object_get(whole, "inputs"), inputs, err) || ceremony_rehearsal_new(plan, rehearsal, err))
		return -1;
	if (!json_is_array(steps) || json_array_size(steps) != plan->step_count)
		return wrong(err, "steps");
	for (size_t i = 0; i < plan->step_count; i++)
		if (take_step(json_array_get(steps, i), plan->steps[i].name, &rehearsal->steps[i], err))
			return -1;
	return 0;
}

struct ceremony_known *ceremony_rehearsal_known(const struct ceremony_plan *plan, const struct ceremony_inputs *inputs,
						const struct ceremony_rehearsal *rehearsal, struct error *err)
{
	auto_ceremony_known *known = ceremony_known_new(plan, inputs, err);
	for (size_t i = 0; known && i < plan->step_count; i++)
		if (plan->steps[i].kind == CEREMONY_KEY &&
		    ceremony_known_add_key(known, plan->steps[i].key, buf_bytes(&rehearsal->steps[i].spki), err))
			return NULL;
	return TAKE(known);
}
