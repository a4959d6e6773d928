#include "tools/output.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

const char *member_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));
	return text ? text : "";
}

void output_json(json_t *value)
{
	(void)json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	(void)putchar('\n');
	json_decref(value);
}

/* U+200E, U+200F, U+2028 to U+202E, U+2066 to U+2069: what breaks lines, or turns the direction of what follows. */
static bool has_direction(const char *utf8)
{
	const unsigned char *at = (const unsigned char *)utf8;
	for (; at[0] && at[1] && at[2]; at++) {
		if (at[0] != 0xe2)
			continue;
		if (at[1] == 0x80 && (at[2] == 0x8e || at[2] == 0x8f || (at[2] >= 0xa8 && at[2] <= 0xae)))
			return true;
		if (at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9)
			return true;
	}
	return false;
}

void output_clean(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++)
		if (*c < 0x20 || *c >= 0x7f)
			*c = '?';
}

/* Names come from other people: no escape sequence of theirs may reach a terminal. */
void output_make_safe(char *text)
{
	if (!text_is_utf8(bytes_of(text)) || text_has_control(bytes_of(text)) || has_direction(text))
		output_clean(text);
}

static char *shown(const char *text)
{
	char *copy = strdup(text ? text : "");
	if (copy)
		output_make_safe(copy);
	return copy;
}

void table_add(struct table *t, const char *const *cells)
{
	char **grown = reallocarray(t->cells, (t->rows + 1) * t->columns, sizeof(char *));
	if (!grown) {
		t->failed = true;
		return;
	}
	t->cells = grown;
	for (size_t i = 0; i < t->columns; i++)
		t->cells[t->rows * t->columns + i] = shown(cells[i]);
	t->rows++;
}

static const char *cell(const struct table *t, size_t row, size_t column)
{
	const char *text = t->cells[row * t->columns + column];
	return text ? text : "";
}

void table_print(const struct table *t)
{
	size_t widths[TABLE_COLUMNS_MAX] = { 0 };
	for (size_t row = 0; row < t->rows; row++)
		for (size_t i = 0; i < t->columns; i++)
			if (strlen(cell(t, row, i)) > widths[i])
				widths[i] = strlen(cell(t, row, i));
	for (size_t row = 0; row < t->rows; row++)
		for (size_t i = 0; i < t->columns; i++) {
			bool last = i + 1 == t->columns;
			(void)printf("%-*s%s", last ? 0 : (int)widths[i], cell(t, row, i), last ? "\n" : "  ");
		}
	if (t->failed)
		(void)fputs("chancery: some rows are missing: no memory\n", stderr);
}

void table_free(struct table *t)
{
	for (size_t i = 0; i < t->rows * t->columns; i++)
		free(t->cells[i]);
	free(t->cells);
	*t = TABLE_INIT(t->columns);
}

void output_add_safe(struct buf *out, const char *text, bool lines)
{
	while (*text) {
		size_t length = lines ? strcspn(text, "\n") : strlen(text);
		auto_free char *line = strndup(text, length);
		auto_free char *safe = line ? shown(line) : NULL;
		buf_add_text(out, safe ? safe : "");
		text += length;
		if (*text) {
			buf_u8(out, '\n');
			text++;
		}
	}
}

void output_add_fact(struct buf *out, const char *name, const char *value)
{
	if (!value)
		return;
	buf_printf(out, "%s:%*s ", name, (int)(strlen(name) < 14 ? 14 - strlen(name) : 0), "");
	output_add_safe(out, value, false);
	buf_u8(out, '\n');
}

void output_add_facts(struct buf *out, const char *name, const json_t *texts)
{
	size_t i;
	const json_t *text;
	json_array_foreach(texts, i, text)
	{
		output_add_fact(out, name, json_string_value(text));
	}
}

void output_fact(const char *name, const char *value)
{
	auto_buf line = BUF_INIT;
	output_add_fact(&line, name, value);
	output_text(&line, false);
}

void output_text(struct buf *text, bool machines)
{
	(void)fputs(buf_text(text), machines ? stderr : stdout);
	if (text->failed)
		(void)fputs("chancery: some of it is missing: no memory\n", stderr);
}

void output_say(const char *fmt, ...)
{
	char *text = NULL;
	auto_buf safe = BUF_INIT;
	va_list arguments;
	va_start(arguments, fmt);
	safe.failed = vasprintf(&text, fmt, arguments) < 0;
	va_end(arguments);
	if (!safe.failed) {
		output_add_safe(&safe, text, true);
		free(text);
	}
	output_text(&safe, false);
}

struct progress progress_begin(const char *what)
{
	return (struct progress){ .what = what,
				  .started_ms = clock_monotonic_ms(),
				  .terminal = isatty(STDERR_FILENO) == 1 };
}

/* Whether the line is due now: after the first second, then at most ten times a second. */
static bool progress_due(struct progress *p, int64_t now)
{
	if (!p->terminal || now - p->started_ms < 1000 || now - p->shown_ms < 100)
		return false;
	p->shown_ms = now;
	p->shown = true;
	return true;
}

void progress_step(struct progress *p, uint64_t done, uint64_t all)
{
	if (!progress_due(p, clock_monotonic_ms()))
		return;
	if (all > 0)
		(void)fprintf(stderr, "\r%s: %llu of %llu (%llu%%) ", p->what, (unsigned long long)done,
			      (unsigned long long)all, (unsigned long long)(done * 100 / all));
	else
		(void)fprintf(stderr, "\r%s: %llu ", p->what, (unsigned long long)done);
}

void progress_wait(struct progress *p)
{
	int64_t now = clock_monotonic_ms();
	if (progress_due(p, now))
		(void)fprintf(stderr, "\r%s: %lld s ", p->what, (long long)(now - p->started_ms) / 1000);
}

void progress_end(struct progress *p)
{
	if (p->shown)
		(void)fputs("\r\033[K", stderr);
}
