/*
 * base/log.h - the one logging idiom: an event and key=value pairs, one line
 * each, to stderr, as text with journald's priority prefix or as JSON lines.
 *
 *     log_info("certificate issued", KV("serial", serial), KV_INT("ms", took));
 *
 * A value is quoted where it must be, so that no value can forge a line or a
 * key. Never log a secret, and never a whole request.
 *
 * Thread-safety: a line is written by one write(2). log_open is called once,
 * before threads start; what it sets is the only global state outside main().
 */
#ifndef CHANCERY_BASE_LOG_H
#define CHANCERY_BASE_LOG_H

#include <stdint.h>

#include "base/err.h"

/* syslog's numbers, which systemd reads from "<N>" at the start of a line. */
enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARN = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

struct log_kv {
	const char *key;  /* NULL ends the list */
	const char *text; /* the value, or NULL: then number is */
	int64_t number;
};

static inline struct log_kv log_text(const char *key, const char *text)
{
	return (struct log_kv){ key, text ? text : "", 0 };
}
#define KV(name, value) log_text((name), (value))
#define KV_INT(name, value) ((struct log_kv){ (name), NULL, (int64_t)(value) })

/* role ("front", "signer") stands in each line. Lines above `most` are dropped.
 * role must live for the rest of the process. */
void log_open(const char *role, enum log_format format, enum log_level most);

void log_write(enum log_level level, const char *event, const struct log_kv *pairs);

/* The first element is only there for the comma behind it, which goes when no pairs are given. */
#define log_at(level, event, ...) \
	log_write((level), (event), (const struct log_kv[]){ { NULL, NULL, 0 }, ##__VA_ARGS__, { NULL, NULL, 0 } } + 1)
#define log_error(event, ...) log_at(LOG_LEVEL_ERROR, event, ##__VA_ARGS__)
#define log_warn(event, ...) log_at(LOG_LEVEL_WARN, event, ##__VA_ARGS__)
#define log_info(event, ...) log_at(LOG_LEVEL_INFO, event, ##__VA_ARGS__)
#define log_debug(event, ...) log_at(LOG_LEVEL_DEBUG, event, ##__VA_ARGS__)

/* An error with its code, message and causes. */
void log_err(enum log_level level, const char *event, const struct error *err);

#endif
