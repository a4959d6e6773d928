#include "tests/unit/unit.h"

#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "tools/options.h"

/* What the command under test read. */
static struct {
	bool called, flag, json;
	const char *text, *state, *operand;
	unsigned number;
	struct option_list list;
	char name[8];
} seen;

static int run_leaf(struct invocation *in)
{
	const struct option_spec specs[] = {
		{ "flag", OPTION_FLAG, &seen.flag, NULL, "a flag" },
		{ "text", OPTION_TEXT, &seen.text, "T", "a text" },
		{ "number", OPTION_NUMBER, &seen.number, "N", "a number" },
		{ "item", OPTION_LIST, &seen.list, "I", "an item" },
		OPTIONS_END,
	};
	if (options_read(in, specs, 0, 1))
		return in->status;
	seen.called = true;
	seen.json = in->common.json;
	seen.state = in->common.state;
	seen.operand = in->operand_count ? in->operands[0] : NULL;
	(void)snprintf(seen.name, sizeof(seen.name), "%s", in->path[in->depth - 1]->name);
	return 0;
}

static int run_refusing(struct invocation *in)
{
	(void)err_set(&in->error, (enum err_code)strtoul(in->argv[1], NULL, 10), "refused");
	return refuse(in);
}

/* As a server might word it that means no good. */
static int run_refusing_in_colours(struct invocation *in)
{
	const struct option_spec specs[] = { OPTIONS_END };
	if (options_read(in, specs, 0, 0))
		return in->status;
	(void)err_set(&in->error, ERR_BAD_NAME, "\033[2Jno\nsuch \xe2\x80\xaename\xe2\x80\xac");
	(void)snprintf(in->error.causes, sizeof(in->error.causes), "a\rb");
	(void)err_about(&in->error, "na\033me", "\033]0;x\007", "\xc2\x9b others");
	return refuse(in);
}

static const struct command leaves[] = {
	{ "leaf", "[X]", "A leaf", NULL, NULL, run_leaf },
	{ "refuses", "CODE", "Refuses", NULL, NULL, run_refusing },
	{ "colours", "", "Refuses", NULL, NULL, run_refusing_in_colours },
	{ NULL, NULL, NULL, NULL, NULL, NULL },
};
static const struct command groups[] = {
	{ "group", "", "A group", NULL, leaves, NULL },
	{ NULL, NULL, NULL, NULL, NULL, NULL },
};
static const struct command root = { "program", "", "A program", NULL, groups, NULL };

/* What is printed lies in the files "out" and "err". */
static int run(int count, ...)
{
	char *arguments[16] = { (char *)"program" };
	va_list list;
	va_start(list, count);
	for (int i = 0; i < count; i++)
		arguments[i + 1] = va_arg(list, char *);
	va_end(list);
	memset(&seen, 0, sizeof(seen));
	(void)fflush(NULL);
	int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO);
	const FILE *to_out = freopen(unit_path("out"), "w", stdout);
	const FILE *to_err = freopen(unit_path("err"), "w", stderr);
	int status = to_out && to_err ? options_run(&root, count + 1, arguments) : -1;
	(void)fflush(NULL);
	(void)dup2(out, STDOUT_FILENO);
	(void)dup2(err, STDERR_FILENO);
	(void)close(out);
	(void)close(err);
	return status;
}

static void finds_a_command_below_its_group(void)
{
	CHECK_INT(run(2, "group", "leaf"), 0);
	CHECK(seen.called);
	CHECK_TEXT(seen.name, "leaf");
}

static void takes_options_before_and_behind_the_words(void)
{
	CHECK_INT(run(8, "--state", "/somewhere", "group", "--json", "leaf", "--text", "t", "operand"), 0);
	CHECK(seen.json);
	CHECK_TEXT(seen.state, "/somewhere");
	CHECK_TEXT(seen.text, "t");
	CHECK_TEXT(seen.operand, "operand");
}

static void collects_what_is_given_several_times(void)
{
	CHECK_INT(run(6, "group", "leaf", "--item", "a", "--item", "b"), 0);
	CHECK_INT(seen.list.count, 2);
	CHECK_TEXT(seen.list.items[1], "b");
}

static void refuses_what_is_no_number(void)
{
	static const char *const wrong[] = { "0", "-1", "1x", "", "1000001", "99999999999999999999", " 1" };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		CHECK_INT(run(4, "group", "leaf", "--number", wrong[i]), 2);
		CHECK(!seen.called);
	}
	CHECK_INT(run(4, "group", "leaf", "--number", "1000000"), 0);
	CHECK_INT(seen.number, 1000000);
}

static void refuses_unknown_commands_options_and_too_many_operands_with_2(void)
{
	CHECK_INT(run(1, "nothing"), 2);
	CHECK_INT(run(2, "group", "nothing"), 2);
	CHECK_INT(run(1, "group"), 2);
	CHECK_INT(run(3, "group", "leaf", "--nothing"), 2);
	CHECK_INT(run(3, "group", "leaf", "--text"), 2);
	CHECK_INT(run(4, "group", "leaf", "one", "two"), 2);
	CHECK(!seen.called);
}

static void helps_with_0_and_without_running(void)
{
	CHECK_INT(run(1, "--help"), 0);
	CHECK_INT(run(2, "group", "--help"), 0);
	CHECK_INT(run(3, "group", "leaf", "--help"), 0);
	CHECK_INT(run(5, "group", "leaf", "one", "two", "--help"), 0);
	CHECK(!seen.called);
}

static void exit_status_follows_the_kind_of_error(void)
{
	static const struct {
		enum err_code code;
		int status;
	} kinds[] = { { ERR_NAME_NOT_ALLOWED, 1 }, { ERR_NOT_FOUND, 1 },         { ERR_CONFIG, 2 },
		      { ERR_UNREACHABLE, 3 },      { ERR_TOKEN_UNAVAILABLE, 3 }, { ERR_INTEGRITY, 4 } };
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		char code[8];
		(void)snprintf(code, sizeof(code), "%d", (int)kinds[i].code);
		CHECK_INT(run(3, "group", "refuses", code), kinds[i].status);
	}
}

static void check_printed(const char *file, const char *expected)
{
	struct error err = ERR_INIT;
	auto_buf text = BUF_INIT;
	CHECK_OK(file_read(unit_path(file), 65536, &text, &err) == 0, &err);
	CHECK_TEXT(buf_text(&text), expected);
}

static void a_refusal_lets_no_escape_sequence_through(void)
{
	CHECK_INT(run(2, "group", "colours"), 1);
	auto_buf said = BUF_INIT;
	buf_printf(&said,
		   "chancery: ?[2Jno?such ???name???\nbecause: a?b\nna\\x1bme: \\x1b]0;x\\x07\n"
		   "allowed: \\xc2\\x9b others\nhint: %s\n",
		   err_class(ERR_BAD_NAME)->remedy);
	check_printed("err", buf_text(&said));
	check_printed("out", "");
	CHECK_INT(run(3, "group", "colours", "--json"), 1);
	buf_clear(&said);
	buf_printf(&said,
		   "{\n  \"error\": {\n    \"code\": \"bad-name\",\n    \"title\": \"%s\",\n"
		   "    \"detail\": \"?[2Jno?such ???name???\",\n    \"member\": \"na\\\\x1bme\",\n"
		   "    \"value\": \"\\\\x1b]0;x\\\\x07\",\n    \"allowed\": \"\\\\xc2\\\\x9b others\"\n  }\n}\n",
		   err_class(ERR_BAD_NAME)->title);
	check_printed("out", buf_text(&said));
}

SUITE(options)
{
	TEST(a_refusal_lets_no_escape_sequence_through);
	TEST(finds_a_command_below_its_group);
	TEST(takes_options_before_and_behind_the_words);
	TEST(collects_what_is_given_several_times);
	TEST(refuses_what_is_no_number);
	TEST(refuses_unknown_commands_options_and_too_many_operands_with_2);
	TEST(helps_with_0_and_without_running);
	TEST(exit_status_follows_the_kind_of_error);
}
