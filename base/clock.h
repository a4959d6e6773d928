/*
 * base/clock.h - the one clock, passed in, so that tests and ceremonies can set
 * it; and the texts of times.
 *
 * A time is an int64_t: milliseconds since 1970-01-01T00:00:00Z (`_ms`), or
 * seconds since then (`_s`), named in the variable.
 */
#ifndef CHANCERY_BASE_CLOCK_H
#define CHANCERY_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

struct clock {
	int64_t (*now_ms)(void *arg);
	void *arg;
};

/* CLOCK_REALTIME. With CHANCERY_CLOCK_OFFSET=SECONDS in the environment of a test
 * build (-DCHANCERY_TEST_CLOCK) the clock is shifted; other builds ignore it. */
struct clock clock_system(void);

static inline int64_t clock_now_ms(const struct clock *c)
{
	return c->now_ms(c->arg);
}

/* CLOCK_MONOTONIC, for deadlines and durations; not settable. */
int64_t clock_monotonic_ms(void);

#define CLOCK_TEXT_SIZE 32
/* RFC 3339 UTC with seconds: 2026-11-21T12:00:00Z; out has CLOCK_TEXT_SIZE bytes. Returns out. */
char *clock_rfc3339(int64_t s, char *out);
/* The reverse, exactly that form. ERR_BAD_REQUEST. */
int clock_parse_rfc3339(struct bytes text, int64_t *s, struct error *err);
/* RFC 9110 section 5.6.7 IMF-fixdate: Sun, 06 Nov 1994 08:49:37 GMT. Returns out. */
char *clock_imf_fixdate(int64_t s, char *out);
/* The reverse, of that form alone. -1 on anything else. */
int clock_parse_imf_fixdate(const char *text, int64_t *s);
/* Civil date to seconds and back, proleptic Gregorian, years 1 to 9999. */
struct clock_civil {
	int year, month, day, hour, minute, second; /* month and day from 1 */
};
int64_t clock_from_civil(struct clock_civil c);
struct clock_civil clock_to_civil(int64_t s); /* a time outside those years gives the nearest inside */
/* True where every part is in its range (no leap seconds) and the day exists. */
bool clock_civil_valid(struct clock_civil c);

#endif
