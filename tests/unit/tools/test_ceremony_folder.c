#include "tools/ceremony_folder.h"

#include <stdio.h>

#include "base/file.h"
#include "tests/unit/unit.h"

static const char *const begun[] = { "run", "t", "00", "11", "no", "chancery", "22" };
static const char *const finished[] = { "1" };

static int64_t now_ms;
static int64_t tell_ms(void *argument)
{
	(void)argument;
	return now_ms;
}
static const struct clock hand = { tell_ms, NULL };

static void begin(struct ceremony_folder *folder)
{
	struct error err = ERR_INIT;
	now_ms = (int64_t)1796115600000;
	CHECK_OK(ceremony_folder_begin(folder, unit_path("run"), hand, &err) == 0, &err);
	CHECK_OK(ceremony_folder_line(folder, TRANSCRIPT_BEGUN, begun, &err) == 0, &err);
}

static void a_line_is_on_disk_when_it_was_added(void)
{
	struct error err = ERR_INIT;
	auto_ceremony_folder folder = CEREMONY_FOLDER_INIT;
	auto_buf text = BUF_INIT;
	auto_ca_transcript t = CA_TRANSCRIPT_INIT;
	begin(&folder);
	CHECK_OK(ceremony_folder_read(&folder, CEREMONY_TRANSCRIPT, &text, &err) == 0, &err);
	CHECK_OK(ca_transcript_read(buf_bytes(&text), &t, NULL, &err) == 0, &err);
	CHECK_INT(t.count, 1);
}

static void a_clock_that_goes_back_stops_it(void)
{
	struct error err = ERR_INIT;
	auto_ceremony_folder folder = CEREMONY_FOLDER_INIT;
	begin(&folder);
	now_ms -= 1000;
	CHECK_FAILS(ceremony_folder_line(&folder, TRANSCRIPT_FINISHED, finished, &err) != 0, &err, ERR_CONFLICT);
	CHECK_INT(folder.transcript.count, 1);
	now_ms += 1000;
	CHECK_OK(ceremony_folder_line(&folder, TRANSCRIPT_FINISHED, finished, &err) == 0, &err);
}

static void nothing_is_overwritten(void)
{
	struct error err = ERR_INIT;
	auto_ceremony_folder folder = CEREMONY_FOLDER_INIT, other = CEREMONY_FOLDER_INIT;
	begin(&folder);
	CHECK_OK(ceremony_folder_write(&folder, "out/a", bytes_of("a"), &err) == 0, &err);
	CHECK_OK(ceremony_folder_write(&folder, "out/a", bytes_of("a"), &err) == 0, &err); /* the same, once more */
	CHECK_FAILS(ceremony_folder_write(&folder, "out/a", bytes_of("b"), &err) != 0, &err, ERR_CONFLICT);
	CHECK_FAILS(ceremony_folder_begin(&other, unit_path("run"), hand, &err) != 0, &err, ERR_CONFLICT);
}

static void two_runs_never_work_in_one_folder(void)
{
	struct error err = ERR_INIT;
	auto_ceremony_folder folder = CEREMONY_FOLDER_INIT, other = CEREMONY_FOLDER_INIT;
	begin(&folder);
	CHECK_FAILS(ceremony_folder_resume(&other, unit_path("run"), hand, &err) != 0, &err, ERR_CONFLICT);
	ceremony_folder_close(&other);
	ceremony_folder_close(&folder);
	CHECK_OK(ceremony_folder_resume(&other, unit_path("run"), hand, &err) == 0, &err);
	CHECK_INT(other.transcript.count, 1);
}

static void what_was_half_written_is_taken_away_and_counted(void)
{
	struct error err = ERR_INIT;
	auto_ceremony_folder folder = CEREMONY_FOLDER_INIT, again = CEREMONY_FOLDER_INIT;
	begin(&folder);
	ceremony_folder_close(&folder);
	FILE *transcript = fopen(unit_path("run/transcript.jsonl"), "a");
	REQUIRE(transcript && fputs("{\"line\":2", transcript) >= 0 && fclose(transcript) == 0);
	const char *left = unit_path("run/out/a.pem.0123456789abcdef.tmp"), *other = unit_path("run/out/a.tmp");
	CHECK_OK(file_create(left, bytes_of("half"), 0600, &err) == 0, &err);
	CHECK_OK(file_create(other, bytes_of("mine"), 0600, &err) == 0, &err);
	CHECK_OK(ceremony_folder_resume(&again, unit_path("run"), hand, &err) == 0, &err);
	CHECK_INT(again.torn, 9);
	CHECK_INT(again.transcript.count, 1);
	CHECK(!file_exists(left));
	CHECK(file_exists(other));
	CHECK_OK(ceremony_folder_line(&again, TRANSCRIPT_FINISHED, finished, &err) == 0, &err);
}

static void a_transcript_that_was_changed_is_not_gone_on_with(void)
{
	struct error err = ERR_INIT;
	auto_ceremony_folder folder = CEREMONY_FOLDER_INIT, again = CEREMONY_FOLDER_INIT;
	begin(&folder);
	CHECK_OK(ceremony_folder_line(&folder, TRANSCRIPT_FINISHED, finished, &err) == 0, &err);
	ceremony_folder_close(&folder);
	FILE *transcript = fopen(unit_path("run/transcript.jsonl"), "r+");
	REQUIRE(transcript && fseek(transcript, 20, SEEK_SET) == 0 && fputc('f', transcript) == 'f' &&
		fclose(transcript) == 0);
	CHECK_FAILS(ceremony_folder_resume(&again, unit_path("run"), hand, &err) != 0, &err, ERR_INTEGRITY);
}

SUITE(ceremony_folder)
{
	TEST(a_line_is_on_disk_when_it_was_added);
	TEST(a_clock_that_goes_back_stops_it);
	TEST(nothing_is_overwritten);
	TEST(two_runs_never_work_in_one_folder);
	TEST(what_was_half_written_is_taken_away_and_counted);
	TEST(a_transcript_that_was_changed_is_not_gone_on_with);
}
