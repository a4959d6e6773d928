/* Lines of a transcript: written, and read back only in the one form that is written. */
#include "ca-core/ceremony_transcript.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/ossl.h"
#include "base/text.h"
#include "ca-core/audit.h"

#define HASH_LEN 32
#define NUMBER_MAX 1000000 /* lines; so that a number has a length */

static const struct {
	const char *name;
	const char *members[CA_TRANSCRIPT_MEMBERS_MAX + 1];
} events[TRANSCRIPT_EVENTS] = {
	[TRANSCRIPT_BEGUN] = { "begun",
			       { "mode", "title", "plan", "rehearsal", "attended", "program", "program-sha256",
				 NULL } },
	[TRANSCRIPT_RESUMED] = { "resumed", { "program", "program-sha256", "torn", NULL } },
	[TRANSCRIPT_MODULE] = { "module", { "path", "sha256", NULL } },
	[TRANSCRIPT_TOKEN] = { "token", { "uri", "label", "manufacturer", "model", "serial", NULL } },
	[TRANSCRIPT_INPUT] = { "input", { "file", "sha256", NULL } },
	[TRANSCRIPT_PIN] = { "pin", { "token", "source", NULL } },
	[TRANSCRIPT_INTENT] = { "intent", { "step", "place", "kind", "what", "key", "sha256", NULL } },
	[TRANSCRIPT_CONFIRMED] = { "confirmed", { "step", "by", "typed", NULL } },
	[TRANSCRIPT_RESULT] = { "result", { "step", "file", "sha256", "spki", "note", NULL } },
	[TRANSCRIPT_FINISHED] = { "finished", { "steps", NULL } },
	[TRANSCRIPT_ATTESTED] = { "attested", { "by", "roles", "statement", "signature", "certificate", NULL } },
	[TRANSCRIPT_SIGNED] = { "signed", { "key", "spki", "signature", NULL } },
	[TRANSCRIPT_UNSIGNED] = { "unsigned", { "why", NULL } },
	[TRANSCRIPT_CLOSED] = { "closed", { NULL } },
};

const char *ca_transcript_event_name(enum ca_transcript_event event)
{
	return event < TRANSCRIPT_EVENTS ? events[event].name : "?";
}

const char *const *ca_transcript_members(enum ca_transcript_event event)
{
	return events[event].members;
}

/* ---- the lines in memory ---- */

static void line_free(struct ca_transcript_line *line)
{
	for (size_t i = 0; i < CA_TRANSCRIPT_MEMBERS_MAX; i++)
		free(line->values[i]);
}

void ca_transcript_free(struct ca_transcript *t)
{
	for (size_t i = 0; i < t->count; i++)
		line_free(&t->lines[i]);
	free(t->lines);
	*t = CA_TRANSCRIPT_INIT;
}

const char *ca_transcript_value(const struct ca_transcript_line *line, const char *member)
{
	const char *const *members = ca_transcript_members(line->event);
	for (size_t i = 0; members[i]; i++)
		if (strcmp(members[i], member) == 0)
			return line->values[i];
	return NULL;
}

const struct ca_transcript_line *ca_transcript_last(const struct ca_transcript *t)
{
	return t->lines && t->count ? &t->lines[t->count - 1] : NULL;
}

const struct ca_transcript_line *ca_transcript_find(const struct ca_transcript *t, enum ca_transcript_event event,
						    const char *member, const char *value)
{
	for (size_t i = t->lines ? t->count : 0; i-- > 0;) {
		const struct ca_transcript_line *line = &t->lines[i];
		const char *has = member && line->event == event ? ca_transcript_value(line, member) : NULL;
		if (line->event == event && (!member || (has && strcmp(has, value) == 0)))
			return line;
	}
	return NULL;
}

static int push(struct ca_transcript *t, struct ca_transcript_line *line, struct error *err)
{
	if (!t->lines || t->count == t->capacity) {
		size_t capacity = t->capacity ? 2 * t->capacity : 16;
		struct ca_transcript_line *lines = realloc(t->lines, capacity * sizeof(*lines));
		if (!lines)
			return err_set(err, ERR_INTERNAL, "no memory for a transcript");
		t->lines = lines;
		t->capacity = capacity;
	}
	t->lines[t->count++] = *line;
	*line = (struct ca_transcript_line){ 0 };
	return 0;
}

/* ---- which line may come where ---- */

/* The parts of a transcript, one after the other: a line is of one of them. */
enum part { PART_BEGIN, PART_WORK, PART_FINISHED, PART_ATTESTED, PART_SIGNED, PART_CLOSED };

static enum part part_of(enum ca_transcript_event event)
{
	switch (event) {
	case TRANSCRIPT_BEGUN:
		return PART_BEGIN;
	case TRANSCRIPT_FINISHED:
		return PART_FINISHED;
	case TRANSCRIPT_ATTESTED:
		return PART_ATTESTED;
	case TRANSCRIPT_SIGNED:
	case TRANSCRIPT_UNSIGNED:
		return PART_SIGNED;
	case TRANSCRIPT_CLOSED:
		return PART_CLOSED;
	default:
		return PART_WORK;
	}
}

/* An interrupted run may be resumed in any part, and then asks for tokens and PINs once more. */
static bool is_for_resuming(enum ca_transcript_event event)
{
	return event == TRANSCRIPT_RESUMED || event == TRANSCRIPT_MODULE || event == TRANSCRIPT_TOKEN ||
	       event == TRANSCRIPT_PIN;
}

static enum part reached(const struct ca_transcript *t)
{
	for (size_t i = t->lines ? t->count : 0; i-- > 0;)
		if (!is_for_resuming(t->lines[i].event))
			return part_of(t->lines[i].event);
	return PART_BEGIN;
}

static bool may_follow(const struct ca_transcript *t, enum ca_transcript_event event)
{
	enum part before = reached(t), next = part_of(event);
	if (t->count == 0 || next == PART_BEGIN)
		return t->count == 0 && next == PART_BEGIN;
	if (before == PART_CLOSED)
		return false;
	if (is_for_resuming(event))
		return true;
	if (next == PART_WORK || next == PART_FINISHED)
		return before < PART_FINISHED;
	if (next == PART_CLOSED)
		return before == PART_SIGNED;
	return before == PART_FINISHED || before == PART_ATTESTED;
}

static int check_place(const struct ca_transcript *t, enum ca_transcript_event event, int64_t time_s, struct error *err)
{
	const struct ca_transcript_line *last = ca_transcript_last(t);
	char then[CLOCK_TEXT_SIZE], now[CLOCK_TEXT_SIZE];
	if (!may_follow(t, event))
		return err_set(err, ERR_INTEGRITY, "line %zu of the transcript: \"%s\" cannot stand here", t->count + 1,
			       ca_transcript_event_name(event));
	if (last && time_s < last->time_s)
		return err_set(err, ERR_INTEGRITY,
			       "line %zu of the transcript: its time, %s, is before that of the line before, %s",
			       t->count + 1, clock_rfc3339(time_s, now), clock_rfc3339(last->time_s, then));
	return 0;
}

/* ---- writing ---- */

static void format(const struct ca_transcript_line *line, struct buf *out)
{
	char time[CLOCK_TEXT_SIZE];
	const char *const *members = ca_transcript_members(line->event);
	buf_printf(out, "{\"line\":%llu,\"previous\":\"", (unsigned long long)line->number);
	text_add_hex(out, BYTES(line->previous, HASH_LEN));
	buf_printf(out, "\",\"time\":\"%s\",\"event\":\"%s\"", clock_rfc3339(line->time_s, time),
		   ca_transcript_event_name(line->event));
	for (size_t i = 0; members[i]; i++) {
		buf_printf(out, ",\"%s\":", members[i]);
		ca_audit_json_text(out, bytes_of(line->values[i]));
	}
	buf_u8(out, '}');
}

static int take_values(struct ca_transcript_line *line, const char *const *values, struct error *err)
{
	const char *const *members = ca_transcript_members(line->event);
	for (size_t i = 0; members[i]; i++) {
		const char *value = values && values[i] ? values[i] : "";
		if (!text_is_utf8(bytes_of(value)))
			return err_set(err, ERR_BAD_REQUEST, "what the transcript should say of %s is not UTF-8",
				       members[i]);
		line->values[i] = strdup(value);
		if (!line->values[i])
			return err_set(err, ERR_INTERNAL, "no memory for a transcript");
	}
	return 0;
}

int ca_transcript_add(struct ca_transcript *t, enum ca_transcript_event event, int64_t time_s,
		      const char *const *values, struct buf *text, struct error *err)
{
	CLEANUP(line_free)
	struct ca_transcript_line line = { .number = t->count + 1, .time_s = time_s, .event = event };
	auto_buf octets = BUF_INIT;
	if (check_place(t, event, time_s, err) || take_values(&line, values, err))
		return -1;
	const struct ca_transcript_line *last = ca_transcript_last(t);
	if (last)
		memcpy(line.previous, last->hash, HASH_LEN);
	format(&line, &octets);
	if (octets.failed)
		return err_set(err, ERR_INTERNAL, "no memory for a transcript");
	if (octets.len > CA_TRANSCRIPT_LINE_MAX || line.number > NUMBER_MAX)
		return err_set(err, ERR_TOO_LARGE, "a line of the transcript would have %zu octets", octets.len);
	sha256(octets.data, octets.len, line.hash);
	if (push(t, &line, err))
		return -1;
	buf_add_bytes(text, buf_bytes(&octets));
	buf_u8(text, '\n');
	return 0;
}

/* ---- reading ---- */

struct text_reader {
	struct bytes left;
	bool failed;
};

static void expect(struct text_reader *r, const char *literal)
{
	size_t len = strlen(literal);
	if (r->failed || r->left.len < len || memcmp(r->left.data, literal, len) != 0)
		r->failed = true;
	else
		r->left = BYTES(r->left.data + len, r->left.len - len);
}

static uint8_t next(struct text_reader *r)
{
	if (r->failed || r->left.len == 0) {
		r->failed = true;
		return 0;
	}
	uint8_t c = r->left.data[0];
	r->left = BYTES(r->left.data + 1, r->left.len - 1);
	return c;
}

static void read_escape(struct text_reader *r, struct buf *out)
{
	uint8_t c = next(r);
	auto_buf octet = BUF_INIT;
	struct error ignored = ERR_INIT;
	if (c == '"' || c == '\\') {
		buf_u8(out, c);
		return;
	}
	if (c != 'u' || r->left.len < 4 || memcmp(r->left.data, "00", 2) != 0 ||
	    text_parse_hex(BYTES(r->left.data + 2, 2), 1, &octet, &ignored) || octet.data[0] == 0) {
		r->failed = true;
		return;
	}
	buf_u8(out, octet.data[0]);
	r->left = BYTES(r->left.data + 4, r->left.len - 4);
}

/* A JSON string, unescaped; NULL where it is none. The caller frees it. */
static char *read_text(struct text_reader *r)
{
	auto_buf out = BUF_INIT;
	expect(r, "\"");
	for (uint8_t c = next(r); !r->failed && c != '"'; c = next(r)) {
		if (c == '\\')
			read_escape(r, &out);
		else if (c == 0)
			r->failed = true;
		else
			buf_u8(&out, c);
	}
	char *text = r->failed ? NULL : strdup(buf_text(&out));
	if (!text || out.failed)
		r->failed = true;
	return text;
}

static enum ca_transcript_event event_of(const char *name)
{
	size_t i = 0;
	while (i < TRANSCRIPT_EVENTS && (!name || strcmp(name, events[i].name) != 0))
		i++;
	return (enum ca_transcript_event)i;
}

/* Whatever form the numbers and texts have: what was read is written again, and held against the line. */
static void parse(struct text_reader *r, struct ca_transcript_line *line)
{
	struct error ignored = ERR_INIT;
	auto_buf previous = BUF_INIT;
	expect(r, "{\"line\":");
	while (r->left.len && r->left.data[0] >= '0' && r->left.data[0] <= '9' && line->number <= NUMBER_MAX)
		line->number = 10 * line->number + (uint64_t)(next(r) - '0');
	expect(r, ",\"previous\":");
	auto_free char *hex = read_text(r);
	expect(r, ",\"time\":");
	auto_free char *time = read_text(r);
	expect(r, ",\"event\":");
	auto_free char *event = read_text(r);
	line->event = event_of(event);
	if (!hex || !time || line->event == TRANSCRIPT_EVENTS ||
	    text_parse_hex(bytes_of(hex), HASH_LEN, &previous, &ignored) || previous.len != HASH_LEN ||
	    clock_parse_rfc3339(bytes_of(time), &line->time_s, &ignored)) {
		line->event = TRANSCRIPT_CLOSED;
		r->failed = true;
		return;
	}
	memcpy(line->previous, previous.data, HASH_LEN);
	const char *const *members = ca_transcript_members(line->event);
	for (size_t i = 0; members[i] && !r->failed; i++) {
		expect(r, ",\"");
		expect(r, members[i]);
		expect(r, "\":");
		line->values[i] = read_text(r);
	}
	expect(r, "}");
}

static int read_line(struct ca_transcript *t, struct bytes octets, struct error *err)
{
	static const uint8_t none[HASH_LEN];
	CLEANUP(line_free) struct ca_transcript_line line = { 0 };
	struct text_reader r = { octets, octets.len > CA_TRANSCRIPT_LINE_MAX };
	auto_buf again = BUF_INIT;
	parse(&r, &line);
	if (!r.failed)
		format(&line, &again);
	if (r.failed || !text_is_utf8(octets) || !bytes_equal(buf_bytes(&again), octets))
		return err_set(err, ERR_INTEGRITY, "line %zu of the transcript has not the form of one", t->count + 1);
	if (line.number != t->count + 1)
		return err_set(err, ERR_INTEGRITY, "line %zu of the transcript says that it is line %llu", t->count + 1,
			       (unsigned long long)line.number);
	const struct ca_transcript_line *last = ca_transcript_last(t);
	if (memcmp(line.previous, last ? last->hash : none, HASH_LEN) != 0)
		return err_set(err, ERR_INTEGRITY,
			       "line %zu of the transcript does not follow the line before: the hash that it states is "
			       "another",
			       t->count + 1);
	if (check_place(t, line.event, line.time_s, err))
		return -1;
	sha256(octets.data, octets.len, line.hash);
	return push(t, &line, err);
}

int ca_transcript_read(struct bytes text, struct ca_transcript *t, size_t *whole, struct error *err)
{
	struct bytes left = text;
	if (text.len > CA_TRANSCRIPT_MAX)
		return err_set(err, ERR_INTEGRITY, "the transcript has %zu octets; at most %zu may be", text.len,
			       CA_TRANSCRIPT_MAX);
	while (left.len) {
		const uint8_t *end = memchr(left.data, '\n', left.len);
		if (!end && whole)
			break;
		size_t len = end ? (size_t)(end - left.data) : left.len;
		if (read_line(t, BYTES(left.data, len), err))
			return -1;
		if (!end)
			return err_set(err, ERR_INTEGRITY, "line %zu of the transcript is not ended by LF", t->count);
		left = BYTES(end + 1, left.len - len - 1);
	}
	if (whole)
		*whole = text.len - left.len;
	return 0;
}
