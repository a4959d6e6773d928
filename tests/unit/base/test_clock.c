#include "base/clock.h"

#include <time.h>

#include "tests/unit/unit.h"

static void civil_dates_agree_with_libc_on_every_day(void)
{
	unsigned wrong = 0;
	for (int64_t day = -719162; day < 2932897; day++) {
		time_t s = day * 86400 + (day & 0xffff);
		struct tm tm;
		(void)gmtime_r(&s, &tm);
		struct clock_civil c = clock_to_civil(s);
		wrong += c.year != tm.tm_year + 1900 || c.month != tm.tm_mon + 1 || c.day != tm.tm_mday ||
			 c.hour != tm.tm_hour || c.minute != tm.tm_min || c.second != tm.tm_sec ||
			 clock_from_civil(c) != s || !clock_civil_valid(c);
	}
	CHECK_INT(wrong, 0);
}

static void times_outside_the_years_are_the_nearest_inside(void)
{
	char text[CLOCK_TEXT_SIZE];
	CHECK_TEXT(clock_rfc3339(INT64_MAX, text), "9999-12-31T23:59:59Z");
	CHECK_TEXT(clock_rfc3339(INT64_MIN, text), "0001-01-01T00:00:00Z");
}

static void rfc3339_is_written_and_read_back(void)
{
	char text[CLOCK_TEXT_SIZE];
	struct error err = ERR_INIT;
	int64_t s = 0;
	CHECK_OK(clock_parse_rfc3339(bytes_of("2026-11-21T12:00:00Z"), &s, &err) == 0, &err);
	CHECK_INT(s, 1795262400);
	CHECK_TEXT(clock_rfc3339(s, text), "2026-11-21T12:00:00Z");
	CHECK_TEXT(clock_rfc3339(-1, text), "1969-12-31T23:59:59Z");
}

static void refuses_rfc3339_of_another_form(void)
{
	static const char *const bad[] = {
		"",
		"2026-11-21",
		"2026-11-21T12:00:00",
		"2026-11-21T12:00:00z",
		"2026-11-21 12:00:00Z",
		"2026-11-21T12:00:00+00:00",
		"2026-11-21T12:00:00.0Z",
		"2026-02-29T12:00:00Z",
		"2026-13-01T12:00:00Z",
		"2026-00-01T12:00:00Z",
		"2026-11-00T12:00:00Z",
		"2026-11-21T24:00:00Z",
		"2026-11-21T12:60:00Z",
		"2026-11-21T12:00:60Z",
		"0000-11-21T12:00:00Z",
		"20x6-11-21T12:00:00Z",
		" 2026-11-21T12:00:0Z",
		"-026-11-21T12:00:00Z",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct error err = ERR_INIT;
		int64_t s = 42;
		CHECK_FAILS(clock_parse_rfc3339(bytes_of(bad[i]), &s, &err), &err, ERR_BAD_REQUEST);
		CHECK_INT(s, 42);
	}
}

/* RFC 9110 section 5.6.7 */
static void imf_fixdate_is_written_and_read_back(void)
{
	char text[CLOCK_TEXT_SIZE];
	int64_t s = 0;
	CHECK_INT(clock_parse_imf_fixdate("Sun, 06 Nov 1994 08:49:37 GMT", &s), 0);
	CHECK_INT(s, 784111777);
	CHECK_TEXT(clock_imf_fixdate(s, text), "Sun, 06 Nov 1994 08:49:37 GMT");
	CHECK_TEXT(clock_imf_fixdate(0, text), "Thu, 01 Jan 1970 00:00:00 GMT");
}

static void refuses_imf_fixdate_of_another_form_or_weekday(void)
{
	static const char *const bad[] = {
		"",
		"Mon, 06 Nov 1994 08:49:37 GMT",
		"Sunday, 06-Nov-94 08:49:37 GMT",
		"Sun Nov  6 08:49:37 1994",
		"Sun, 06 Nov 1994 08:49:37 UTC",
		"Sun, 06 nov 1994 08:49:37 GMT",
		"Sun, 31 Nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 08:49:37 GMT ",
		"Sun, 6 Nov 1994 08:49:37 GMT",
		"Sun, 06 Xxx 1994 08:49:37 GMT",
	};
	int64_t s;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_INT(clock_parse_imf_fixdate(bad[i], &s), -1);
}

static void system_clock_shows_the_time(void)
{
	struct clock clock = clock_system();
	int64_t before = (int64_t)time(NULL);
	int64_t now_ms = clock_now_ms(&clock);
	CHECK(now_ms >= before * 1000 && now_ms < before * 1000 + 5000);
}

static void only_a_test_build_lets_its_clock_be_shifted(void)
{
	REQUIRE(setenv("CHANCERY_CLOCK_OFFSET", "86400", 1) == 0);
	struct clock clock = clock_system();
	int64_t ahead_s = clock_now_ms(&clock) / 1000 - (int64_t)time(NULL);
	(void)unsetenv("CHANCERY_CLOCK_OFFSET");
#ifdef CHANCERY_TEST_CLOCK
	CHECK(ahead_s >= 86399 && ahead_s <= 86401);
#else
	CHECK(ahead_s >= -1 && ahead_s <= 1);
#endif
}

static void monotonic_clock_does_not_go_back(void)
{
	int64_t before = clock_monotonic_ms();
	CHECK(clock_monotonic_ms() >= before);
}

SUITE(clock)
{
	TEST(civil_dates_agree_with_libc_on_every_day);
	TEST(times_outside_the_years_are_the_nearest_inside);
	TEST(rfc3339_is_written_and_read_back);
	TEST(refuses_rfc3339_of_another_form);
	TEST(imf_fixdate_is_written_and_read_back);
	TEST(refuses_imf_fixdate_of_another_form_or_weekday);
	TEST(system_clock_shows_the_time);
	TEST(only_a_test_build_lets_its_clock_be_shifted);
	TEST(monotonic_clock_does_not_go_back);
}
