#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"

/* Set once by log_open before threads start, only read afterwards. */
static struct {
	const char *role;
	enum log_format format;
	enum log_level most;
} settings = { "chancery", LOG_FORMAT_TEXT, LOG_LEVEL_INFO };

void log_open(const char *role, enum log_format format, enum log_level most)
{
	settings.role = role;
	settings.format = format;
	settings.most = most;
}

static const char *level_name(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return "error";
	case LOG_LEVEL_WARN:
		return "warn";
	case LOG_LEVEL_INFO:
		return "info";
	case LOG_LEVEL_DEBUG:
		break;
	}
	return "debug";
}

/* JSON string syntax (RFC 8259 section 7); bytes past ASCII go through as they
 * are only where the line stays one line, so they are escaped byte by byte. */
static void add_quoted(struct buf *line, const char *text)
{
	buf_u8(line, '"');
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p == '"' || *p == '\\')
			buf_printf(line, "\\%c", *p);
		else if (*p < 0x20 || *p >= 0x7f)
			buf_printf(line, "\\u%04x", *p);
		else
			buf_u8(line, *p);
	}
	buf_u8(line, '"');
}

static bool is_bare(const char *text)
{
	if (*text == '\0')
		return false;
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if (*p <= 0x20 || *p >= 0x7f || *p == '"' || *p == '\\' || *p == '=')
			return false;
	return true;
}

static void add_pair(struct buf *line, const char *key, const char *text, int64_t number)
{
	if (settings.format == LOG_FORMAT_JSON) {
		buf_u8(line, ',');
		add_quoted(line, key);
		buf_u8(line, ':');
	} else {
		buf_printf(line, " %s=", key);
	}
	if (!text)
		buf_printf(line, "%lld", (long long)number);
	else if (settings.format == LOG_FORMAT_JSON || !is_bare(text))
		add_quoted(line, text);
	else
		buf_add_text(line, text);
}

void log_write(enum log_level level, const char *event, const struct log_kv *pairs)
{
	if (level > settings.most)
		return;
	auto_buf line = BUF_INIT;
	if (settings.format == LOG_FORMAT_JSON) {
		struct timespec now;
		(void)clock_gettime(CLOCK_REALTIME, &now);
		buf_printf(&line,
			   "{\"time\":%lld.%03ld,\"level\":\"%s\",\"role\":\"%s\",\"event\":", (long long)now.tv_sec,
			   now.tv_nsec / 1000000, level_name(level), settings.role);
		add_quoted(&line, event);
	} else {
		buf_printf(&line, "<%d>%s: %s", level, settings.role, event);
	}
	for (; pairs->key; pairs++)
		add_pair(&line, pairs->key, pairs->text, pairs->number);
	buf_add_text(&line, settings.format == LOG_FORMAT_JSON ? "}\n" : "\n");
	if (!line.failed && write(STDERR_FILENO, line.data, line.len) < 0)
		return; /* a log that cannot be written has nowhere to say so */
}

void log_err(enum log_level level, const char *event, const struct error *err)
{
	log_write(level, event,
		  (const struct log_kv[]){ KV("code", err_class(err->code)->slug),
					   KV("message", err->message),
					   KV("causes", err->causes),
					   { NULL, NULL, 0 } });
}
