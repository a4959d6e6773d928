#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define DAY_S ((int64_t)86400)
#define FIRST_S (-62135596800LL) /* 0001-01-01T00:00:00Z */
#define LAST_S 253402300799LL    /* 9999-12-31T23:59:59Z */

static int64_t milliseconds(clockid_t id)
{
	struct timespec now;
	(void)clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* arg: the text of an offset in seconds, or NULL. */
static int64_t system_now_ms(void *arg)
{
	int64_t offset_s = arg ? strtoll(arg, NULL, 10) : 0;
	return milliseconds(CLOCK_REALTIME) + offset_s * 1000;
}

struct clock clock_system(void)
{
#ifdef CHANCERY_TEST_CLOCK
	return (struct clock){ system_now_ms, getenv("CHANCERY_CLOCK_OFFSET") };
#else
	return (struct clock){ system_now_ms, NULL };
#endif
}

int64_t clock_monotonic_ms(void)
{
	return milliseconds(CLOCK_MONOTONIC);
}

/* Years are counted from March here, so that the leap day is the last of its year, and in
 * eras of 400 years, which all have the same number of days. */
int64_t clock_from_civil(struct clock_civil c)
{
	int64_t year = c.month <= 2 ? c.year - 1 : c.year;
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t year_of_era = year - era * 400;
	int64_t day_of_year = (153 * (c.month + (c.month > 2 ? -3 : 9)) + 2) / 5 + c.day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	int64_t days = era * 146097 + day_of_era - 719468;
	return days * DAY_S + (int64_t)c.hour * 3600 + (int64_t)c.minute * 60 + c.second;
}

struct clock_civil clock_to_civil(int64_t s)
{
	s = s < FIRST_S ? FIRST_S : s > LAST_S ? LAST_S : s;
	int64_t days = s / DAY_S - (s % DAY_S < 0);
	int64_t of_day = s - days * DAY_S;
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t day_of_era = days - era * 146097;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t month_from_march = (5 * day_of_year + 2) / 153;
	int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
	return (struct clock_civil){
		.year = (int)(year_of_era + era * 400 + (month <= 2)),
		.month = (int)month,
		.day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1),
		.hour = (int)(of_day / 3600),
		.minute = (int)(of_day / 60 % 60),
		.second = (int)(of_day % 60),
	};
}

bool clock_civil_valid(struct clock_civil c)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	if (c.year < 1 || c.year > 9999 || c.month < 1 || c.month > 12 || c.day < 1)
		return false;
	bool leap = c.year % 4 == 0 && (c.year % 100 != 0 || c.year % 400 == 0);
	if (c.day > days[c.month - 1] + (c.month == 2 && leap))
		return false;
	return c.hour >= 0 && c.hour < 24 && c.minute >= 0 && c.minute < 60 && c.second >= 0 && c.second < 60;
}

char *clock_rfc3339(int64_t s, char *out)
{
	struct clock_civil c = clock_to_civil(s);
	(void)snprintf(out, CLOCK_TEXT_SIZE, "%04d-%02d-%02dT%02d:%02d:%02dZ", c.year, c.month, c.day, c.hour, c.minute,
		       c.second);
	return out;
}

/* The number in `digits` characters of text; *good becomes false where one is not a digit. */
static int number(const uint8_t *text, size_t digits, bool *good)
{
	int value = 0;
	for (size_t i = 0; i < digits; i++) {
		if (text[i] < '0' || text[i] > '9')
			*good = false;
		value = value * 10 + (text[i] - '0');
	}
	return value;
}

/* True where text has the shape: '9' stands for any character, others for themselves. */
static bool has_shape(const uint8_t *text, const char *shape)
{
	for (size_t i = 0; shape[i]; i++)
		if (shape[i] != '9' && shape[i] != (char)text[i])
			return false;
	return true;
}

int clock_parse_rfc3339(struct bytes text, int64_t *s, struct error *err)
{
	static const char shape[] = "9999-99-99T99:99:99Z";
	bool good = text.len == sizeof(shape) - 1 && has_shape(text.data, shape);
	struct clock_civil c = { 0 };
	if (good)
		c = (struct clock_civil){
			.year = number(text.data, 4, &good),
			.month = number(text.data + 5, 2, &good),
			.day = number(text.data + 8, 2, &good),
			.hour = number(text.data + 11, 2, &good),
			.minute = number(text.data + 14, 2, &good),
			.second = number(text.data + 17, 2, &good),
		};
	if (!good || !clock_civil_valid(c))
		return err_set(err, ERR_BAD_REQUEST, "a time is written as 2026-11-21T12:00:00Z");
	*s = clock_from_civil(c);
	return 0;
}

static const char day_names[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
static const char month_names[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
				       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

char *clock_imf_fixdate(int64_t s, char *out)
{
	struct clock_civil c = clock_to_civil(s);
	int64_t days = (clock_from_civil(c) - FIRST_S) / DAY_S; /* 0001-01-01 was a Monday */
	(void)snprintf(out, CLOCK_TEXT_SIZE, "%s, %02d %s %04d %02d:%02d:%02d GMT", day_names[(days + 1) % 7], c.day,
		       month_names[c.month - 1], c.year, c.hour, c.minute, c.second);
	return out;
}

int clock_parse_imf_fixdate(const char *text, int64_t *s)
{
	static const char shape[] = "999, 99 999 9999 99:99:99 GMT";
	const uint8_t *at = (const uint8_t *)text;
	if (strlen(text) != sizeof(shape) - 1 || !has_shape(at, shape))
		return -1;
	bool good = true;
	struct clock_civil c = {
		.year = number(at + 12, 4, &good),
		.day = number(at + 5, 2, &good),
		.hour = number(at + 17, 2, &good),
		.minute = number(at + 20, 2, &good),
		.second = number(at + 23, 2, &good),
	};
	for (int month = 0; month < 12; month++)
		if (memcmp(at + 8, month_names[month], 3) == 0)
			c.month = month + 1;
	if (!good || !clock_civil_valid(c))
		return -1;
	/* Written again it must be the same text: that checks the day of the week too. */
	char again[CLOCK_TEXT_SIZE];
	int64_t seconds = clock_from_civil(c);
	if (strcmp(clock_imf_fixdate(seconds, again), text) != 0)
		return -1;
	*s = seconds;
	return 0;
}
