/*
 * httpd/json.h - JSON in and out, by jansson, with caps.
 *
 * Thread-safety: every function works only on its arguments.
 */
#ifndef CHANCERY_HTTPD_JSON_H
#define CHANCERY_HTTPD_JSON_H

#include <jansson.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

#define JSON_BODY_MAX ((size_t)256 << 10)
#define JSON_DEPTH_MAX 16

struct buf;
struct bytes;

/* From now on what jansson frees is overwritten first: a body may hold what its sender should not have sent. Before
 * anything else here is called, and before threads. */
void json_wipe_freed(void);

/* One JSON object, whole: no member twice, at most JSON_DEPTH_MAX deep, nothing behind it.
 * ERR_BAD_REQUEST with line and column. The caller owns it. */
json_t *json_parse(struct bytes text, struct error *err);

/* A string of any bytes: what is not UTF-8 is shown as \xNN. Never NULL but without memory. */
json_t *json_text(struct bytes text);
/* Lower-case hex; RFC 3339. */
json_t *json_hex(struct bytes octets);
json_t *json_time(int64_t s);
/* A list of strings. */
json_t *json_texts(const struct bytes *texts, uint32_t count);
/* The member, left out where the time is 0. */
void json_set_time(json_t *object, const char *member, int64_t s);

/* Serialises value (taken over, may be NULL without memory) onto out, compact, with a newline. */
void json_write(json_t *value, struct buf *out);

/* RFC 9457: type, code, title, status, detail, and member, value, allowed where there are such. */
void json_problem(const struct error *err, struct buf *out);

CLEANUP_POINTER(json, json_t, json_decref)
#define auto_json CLEANUP(json_cleanup) json_t /* auto_json *value = NULL; */

#endif
