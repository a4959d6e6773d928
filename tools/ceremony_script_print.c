/* The script of the day as text of 80 columns, and as a page to print. */
#include <stdio.h>

#include "tools/ceremony_script.h"

#define COLUMNS 80
#define LABEL 10 /* "Custodians" */
#define INDENT 8

static void add_blanks(struct buf *out, size_t count)
{
	buf_printf(out, "%*s", (int)count, "");
}

/* Characters, not octets; all of ours are one column wide. */
static size_t width_of(const char *text, size_t octets)
{
	size_t width = 0;
	for (size_t i = 0; i < octets; i++)
		width += ((uint8_t)text[i] & 0xc0) != 0x80;
	return width;
}

/* Octets of at most so many columns. */
static size_t octets_of(const char *text, size_t octets, size_t columns)
{
	size_t at = 0;
	while (at < octets && width_of(text, at + 1) <= columns)
		at++;
	return at;
}

void ceremony_add_wrapped(struct buf *out, const char *text, size_t column, size_t indent)
{
	size_t at = column;
	bool first = true;
	while (*text) {
		size_t len = strcspn(text, " "), width = width_of(text, len);
		if (!first && at + 1 + width > COLUMNS) {
			buf_add_text(out, "\n");
			add_blanks(out, indent);
			at = indent;
			first = true;
		}
		if (!first) {
			buf_add_text(out, " ");
			at++;
		}
		while (at + width > COLUMNS) { /* longer than a line: a URI */
			size_t part = octets_of(text, len, COLUMNS - at);
			buf_add(out, text, part);
			buf_add_text(out, "\n");
			add_blanks(out, indent);
			text += part;
			len -= part;
			width = width_of(text, len);
			at = indent;
		}
		buf_add(out, text, len);
		at += width;
		text += len;
		text += strspn(text, " ");
		first = false;
	}
}

void ceremony_add_groups(struct buf *out, const char *hex, size_t indent)
{
	for (size_t group = 0; group < 16; group++) {
		if (group % 8 == 0) {
			buf_add_text(out, group ? "\n" : "");
			add_blanks(out, indent);
		} else {
			buf_add_text(out, " ");
		}
		buf_printf(out, "%.4s", *hex ? hex + 4 * group : "____");
	}
}

/* "Grace Example (witness, auditor)" */
static void add_person(const json_t *person, struct buf *out)
{
	const json_t *roles = json_object_get(person, "roles");
	buf_printf(out, "%s (", member_text(person, "name"));
	for (size_t i = 0; i < json_array_size(roles); i++)
		buf_printf(out, "%s%s", i ? ", " : "", json_string_value(json_array_get(roles, i)));
	buf_add_text(out, ")");
}

/* ---- text ---- */

static const char title_rule[] = "================================================================================\n";

static void text_head(const json_t *script, struct buf *out)
{
	const json_t *people = json_object_get(script, "people"), *files = json_object_get(script, "files");
	buf_add_text(out, title_rule);
	ceremony_add_wrapped(out, member_text(script, "title"), 0, 0);
	buf_printf(out, "\n%s\n", title_rule);
	buf_printf(out, "Window:   %s to\n          %s\n\nPeople:\n", member_text(script, "windowFrom"),
		   member_text(script, "windowTo"));
	for (size_t i = 0; i < json_array_size(people); i++) {
		buf_add_text(out, "  [ ] ");
		add_person(json_array_get(people, i), out);
		buf_add_text(out, "\n");
	}
	if (!json_array_size(people))
		buf_add_text(out, "  nobody: it is not attended\n");
	buf_add_text(out, json_array_size(files) ? "\nFiles:\n" : "");
	for (size_t i = 0; i < json_array_size(files); i++) {
		const json_t *item = json_array_get(files, i);
		buf_printf(out, "  [ ] %s\n", member_text(item, "name"));
		ceremony_add_groups(out, member_text(item, "sha256"), INDENT);
		buf_add_text(out, "\n");
	}
}

static void text_line(const json_t *line, struct buf *out)
{
	const json_t *hash = json_object_get(line, "sha256");
	buf_printf(out, "      %-*s  ", LABEL, member_text(line, "who"));
	ceremony_add_wrapped(out, member_text(line, "text"), 6 + LABEL + 2, 6 + LABEL + 2);
	buf_add_text(out, "\n");
	if (hash) {
		ceremony_add_groups(out, json_string_value(hash), 6 + LABEL + 2);
		buf_add_text(out, "\n");
	}
}

void ceremony_script_text(const json_t *script, struct buf *out)
{
	const json_t *items = json_object_get(script, "script");
	text_head(script, out);
	for (size_t n = 0; n < json_array_size(items); n++) {
		const json_t *item = json_array_get(items, n), *lines = json_object_get(item, "lines");
		char start[24];
		int width = snprintf(start, sizeof(start), "[ ] %2d. ", (int)(n + 1));
		buf_printf(out, "\n%s", start);
		ceremony_add_wrapped(out, member_text(item, "title"), (size_t)width, (size_t)width);
		buf_add_text(out, "\n");
		for (size_t l = 0; l < json_array_size(lines); l++)
			text_line(json_array_get(lines, l), out);
	}
	buf_printf(out, "\nSHA-256 of the plan:\n%s\n", member_text(script, "sha256"));
}

/* ---- HTML ---- */

static void add_escaped(struct buf *out, const char *text)
{
	for (; *text; text++) {
		size_t len = strcspn(text, "&<>\"'");
		buf_add(out, text, len);
		text += len;
		if (!*text)
			return;
		buf_printf(out, "&#%d;", *text);
	}
}

static void add_element(struct buf *out, const char *name, const char *text)
{
	buf_printf(out, "<%s>", name);
	add_escaped(out, text);
	buf_printf(out, "</%.*s>\n", (int)strcspn(name, " "), name);
}

static void html_groups(struct buf *out, const char *hex)
{
	auto_buf groups = BUF_INIT;
	ceremony_add_groups(&groups, hex, 0);
	add_element(out, *hex ? "pre" : "pre class=write", buf_text(&groups));
}

static void html_head(const json_t *script, struct buf *out)
{
	static const char style[] =
		"body{font:11pt/1.4 serif;max-width:46em;margin:2em auto;padding:0 1em}\n"
		"h1{font-size:1.5em}ol,ul{list-style:none;padding:0}\n"
		"li{break-inside:avoid;border-top:1px solid #999;padding:.5em 0 .5em 2.2em;position:relative}\n"
		"li::before{content:\"\";position:absolute;left:.2em;top:.8em;width:1em;height:1em;border:1px solid "
		"#000}\n"
		"h2{font-size:1em;margin:0 0 .3em}dl{display:grid;grid-template-columns:7em 1fr;margin:0;gap:.1em "
		".6em}\n"
		"dt{font-style:italic}dd{margin:0;overflow-wrap:anywhere}pre{margin:.2em 0;font-size:.95em}\n"
		"pre.write{line-height:2}@page{margin:18mm}\n";
	const json_t *people = json_object_get(script, "people"), *files = json_object_get(script, "files");
	buf_add_text(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n");
	add_element(out, "title", member_text(script, "title"));
	buf_printf(out, "<style>\n%s</style>\n", style);
	add_element(out, "h1", member_text(script, "title"));
	buf_printf(out, "<p>Window: %s to %s</p>\n<ul>\n", member_text(script, "windowFrom"),
		   member_text(script, "windowTo"));
	for (size_t i = 0; i < json_array_size(people); i++) {
		auto_buf line = BUF_INIT;
		add_person(json_array_get(people, i), &line);
		add_element(out, "li", buf_text(&line));
	}
	for (size_t i = 0; i < json_array_size(files); i++) {
		const json_t *item = json_array_get(files, i);
		buf_add_text(out, "<li>");
		add_escaped(out, member_text(item, "name"));
		html_groups(out, member_text(item, "sha256"));
		buf_add_text(out, "</li>\n");
	}
	buf_add_text(out, "</ul>\n<ol>\n");
}

void ceremony_script_html(const json_t *script, struct buf *out)
{
	const json_t *items = json_object_get(script, "script");
	html_head(script, out);
	for (size_t n = 0; n < json_array_size(items); n++) {
		const json_t *item = json_array_get(items, n), *lines = json_object_get(item, "lines");
		auto_buf title = BUF_INIT;
		buf_printf(&title, "%zu. %s", n + 1, member_text(item, "title"));
		buf_add_text(out, "<li>");
		add_element(out, "h2", buf_text(&title));
		buf_add_text(out, "<dl>\n");
		for (size_t l = 0; l < json_array_size(lines); l++) {
			const json_t *line = json_array_get(lines, l);
			const json_t *hash = json_object_get(line, "sha256");
			add_element(out, "dt", member_text(line, "who"));
			buf_add_text(out, "<dd>");
			add_escaped(out, member_text(line, "text"));
			if (hash)
				html_groups(out, json_string_value(hash));
			buf_add_text(out, "</dd>\n");
		}
		buf_add_text(out, "</dl></li>\n");
	}
	buf_add_text(out, "</ol>\n<p>SHA-256 of the plan:</p>\n");
	html_groups(out, member_text(script, "sha256"));
	buf_add_text(out, "</html>\n");
}
