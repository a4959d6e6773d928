/*
 * tools/output.h - what commands print: tables for people, JSON for machines, and a line of
 * progress on stderr for what takes longer than a second on a terminal.
 */
#ifndef CHANCERY_TOOLS_OUTPUT_H
#define CHANCERY_TOOLS_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

CLEANUP_POINTER(json, json_t, json_decref)
#define auto_json CLEANUP(json_cleanup) json_t /* auto_json *value = NULL; */

/* Text of the JSON member, or "" where there is none. Borrowed from the object. */
const char *member_text(const json_t *object, const char *name);

/* Prints the value, indented, with a line end; takes the reference. */
void output_json(json_t *value);

/* One row a line, columns aligned; rows are added as texts and copied. Bytes that a terminal
 * could take for a command are shown as "?". */
#define TABLE_COLUMNS_MAX 8
struct table {
	size_t columns, rows;
	char **cells; /* owned, columns * rows */
	bool failed;
};
#define TABLE_INIT(count) ((struct table){ (count), 0, NULL, false })
void table_add(struct table *t, const char *const *cells); /* as many as there are columns */
void table_print(const struct table *t);                   /* the first row is the heading */
void table_free(struct table *t);
#define auto_table CLEANUP(table_free) struct table

/* "serial:   01ab" - one fact a line, aligned. NULL values are left out. */
void output_fact(const char *name, const char *value);

/* The same, onto out: for what goes to the terminal beside an answer for machines. */
void output_add_fact(struct buf *out, const char *name, const char *value);
/* A fact of this name for each text of the list. */
void output_add_facts(struct buf *out, const char *name, const json_t *texts);
/* The text with what a terminal could take for a command shown as "?"; lines: line breaks stay. */
void output_add_safe(struct buf *out, const char *text, bool lines);
/* Prints to stdout as printf does, line by line as output_add_safe shows it: for what others wrote. */
void output_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same within the text itself, line breaks too. */
void output_make_safe(char *text);
/* All but printable ASCII in the text becomes "?": for messages about what a stranger wrote. */
void output_clean(char *text);
/* Prints what was put together: to stdout, or to stderr where stdout is for machines. */
void output_text(struct buf *text, bool machines);

struct progress {
	const char *what;
	int64_t started_ms, shown_ms; /* monotonic */
	bool terminal, shown;
};
struct progress progress_begin(const char *what);
/* Shows the line once a second has gone, then at most ten times a second. all 0: unknown. */
void progress_step(struct progress *p, uint64_t done, uint64_t all);
/* The same with the seconds gone so far, where nothing can be counted. */
void progress_wait(struct progress *p);
void progress_end(struct progress *p); /* takes the line away */

#endif
