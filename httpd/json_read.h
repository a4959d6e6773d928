/*
 * httpd/json_read.h - the members of one JSON object, each asked for by name and read as what it must be.
 *
 * Reading cannot half-fail: with the first member that is wrong the reader has failed, its error names the member,
 * and all that is read later gives nothing. The caller asks once, at the end, with json_read_done, which refuses
 * members that nobody has asked for, too.
 *
 *     struct json_reader in = json_reader_of(object, "", err);
 *     question.code = json_read_text(&in, "code", 1, 64);
 *     return json_read_done(&in);
 *
 * What is read borrows from the object. The one code is ERR_BAD_REQUEST.
 *
 * Thread-safety: every function works only on its arguments.
 */
#ifndef CHANCERY_HTTPD_JSON_READ_H
#define CHANCERY_HTTPD_JSON_READ_H

#include "base/bytes.h"
#include "httpd/json.h"

#define JSON_MEMBERS_MAX 24 /* that one object may be asked for */

struct json_reader {
	json_t *object;
	const char *place; /* stands before each member's name in a problem: "", or "documents[2]." */
	struct error *err;
	bool failed;
	size_t known_count;
	const char *known[JSON_MEMBERS_MAX];
};

/* object that is none (of another type): the reader has failed, and names its place. */
struct json_reader json_reader_of(json_t *object, const char *place, struct error *err);

/* One line of text of min to max octets without control characters. min 0: may be left out. */
struct bytes json_read_text(struct json_reader *in, const char *name, size_t min, size_t max);
/* The same with line breaks, and never repeated in a problem: PEM, statements. */
struct bytes json_read_lines(struct json_reader *in, const char *name, size_t min, size_t max);
/* A whole number from 1 to max; 0 where it is left out. */
uint64_t json_read_number(struct json_reader *in, const char *name, uint64_t max);
/* False where it is left out. */
bool json_read_bool(struct json_reader *in, const char *name);
/* True where it is there as null. Any other value is left for who asks for it by its type. */
bool json_read_null(struct json_reader *in, const char *name);
/* Whether it is there, as whatever. */
bool json_read_has(struct json_reader *in, const char *name);

/* A list of at most max: each item is given to take, with its place ("documents[2]"); take says 0, or -1 with an
 * error. How many; 0 where it is left out. */
typedef int json_take_item(json_t *item, const char *place, size_t number, void *arg, struct error *err);
size_t json_read_list(struct json_reader *in, const char *name, size_t max, json_take_item *take, void *arg);
/* For take: a text as json_read_text has it, min at least 1. */
int json_item_text(json_t *item, const char *place, size_t max, struct bytes *out, struct error *err);

/* The member's value is of the right type and yet wrong: why, and what is allowed (or NULL). */
void json_read_refuse(struct json_reader *in, const char *name, const char *why, const char *allowed);

/* 0 where nothing failed and each member was asked for. */
int json_read_done(struct json_reader *in);

#endif
