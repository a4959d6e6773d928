#include "tests/unit/unit.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "tools/output.h"

/* Runs print with the given stream in a file, and gives what it wrote. */
static void capture(FILE *stream, int number, void (*print)(void), struct buf *out)
{
	struct error err = ERR_INIT;
	auto_free char *path = file_join(unit_folder(), "printed");
	(void)fflush(NULL);
	int kept = dup(number);
	const FILE *file = freopen(path, "w", stream);
	REQUIRE(file != NULL);
	print();
	(void)fflush(NULL);
	(void)dup2(kept, number);
	(void)close(kept);
	CHECK_OK(file_read(path, 65536, out, &err) == 0, &err);
}

static void print_table(void)
{
	auto_table table = TABLE_INIT(2);
	const char *const rows[][2] = { { "NAME", "B" }, { "longer name", "x" }, { "\033[31mred\n", NULL } };
	for (size_t i = 0; i < 3; i++)
		table_add(&table, rows[i]);
	table_print(&table);
}

static void aligns_columns_and_lets_no_escape_sequence_through(void)
{
	auto_buf out = BUF_INIT;
	capture(stdout, STDOUT_FILENO, print_table, &out);
	CHECK_TEXT(buf_text(&out), "NAME         B\n"
				   "longer name  x\n"
				   "?[31mred?    \n");
}

static void print_progress(void)
{
	struct progress progress = progress_begin("work");
	progress.terminal = true;
	progress_step(&progress, 1, 10); /* not yet a second */
	progress.started_ms -= 2000;
	progress_step(&progress, 5, 10);
	progress_step(&progress, 6, 10); /* too soon after the one before */
	progress_end(&progress);
}

static void progress_shows_after_a_second_and_is_taken_away(void)
{
	auto_buf out = BUF_INIT;
	capture(stderr, STDERR_FILENO, print_progress, &out);
	CHECK_TEXT(buf_text(&out), "\rwork: 5 of 10 (50%) \r\033[K");
}

static void print_progress_to_a_file(void)
{
	struct progress progress = progress_begin("work");
	progress.started_ms -= 2000;
	progress_wait(&progress);
	progress_end(&progress);
}

static void progress_is_for_terminals_alone(void)
{
	auto_buf out = BUF_INIT;
	capture(stderr, STDERR_FILENO, print_progress_to_a_file, &out);
	CHECK_INT(out.len, 0);
}

static void print_said(void)
{
	output_say("%s waits for \xc3\x84rzte\n%s of %d\n", "\033[31mred", "nothing", 3);
}

static void what_is_said_lets_no_escape_sequence_through(void)
{
	auto_buf out = BUF_INIT;
	capture(stdout, STDOUT_FILENO, print_said, &out);
	CHECK_TEXT(buf_text(&out), "?[31mred waits for ??rzte\nnothing of 3\n");
}

static void text_that_would_turn_or_break_the_line_is_shown_as_marks(void)
{
	static const char *const texts[][2] = { { "\xc3\x84rzte GmbH", "\xc3\x84rzte GmbH" },
						{ "a\xe2\x80\xaetset\xe2\x80\xac", "a???tset???" },
						{ "a\xe2\x81\xa7z\xe2\x81\xa9", "a???z???" },
						{ "a\xe2\x80\xa8z", "a???z" },
						{ "a\xc2\x9bz", "a??z" },
						{ "a\nz", "a?z" } };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		auto_buf out = BUF_INIT;
		output_add_safe(&out, texts[i][0], false);
		CHECK_TEXT(buf_text(&out), texts[i][1]);
	}
	auto_buf lines = BUF_INIT;
	output_add_safe(&lines, "a\033[2J\nz\n", true);
	CHECK_TEXT(buf_text(&lines), "a?[2J\nz\n");
}

SUITE(output)
{
	TEST(text_that_would_turn_or_break_the_line_is_shown_as_marks);
	TEST(what_is_said_lets_no_escape_sequence_through);
	TEST(aligns_columns_and_lets_no_escape_sequence_through);
	TEST(progress_shows_after_a_second_and_is_taken_away);
	TEST(progress_is_for_terminals_alone);
}
