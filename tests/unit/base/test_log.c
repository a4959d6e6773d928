#include "base/log.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "tests/unit/unit.h"

/* What was written to stderr while the statement ran. */
#define LOGGED(out, statement)                          \
	do {                                            \
		int kept_ = begin_capture();            \
		statement;                              \
		end_capture(kept_, (out), sizeof(out)); \
	} while (0)

static int begin_capture(void)
{
	int kept = dup(STDERR_FILENO);
	auto_fd file = open(unit_path("log"), O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	REQUIRE(kept >= 0 && file >= 0 && dup2(file, STDERR_FILENO) >= 0);
	return kept;
}

static void end_capture(int kept, char *out, size_t size)
{
	ssize_t got = pread(STDERR_FILENO, out, size - 1, 0);
	out[got > 0 ? got : 0] = '\0';
	(void)dup2(kept, STDERR_FILENO);
	(void)close(kept);
}

static void event_and_pairs_stand_on_one_line_with_a_priority(void)
{
	char line[512];
	log_open("front", LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
	LOGGED(line, log_info("certificate issued", KV("serial", "0a1b"), KV_INT("ms", 12)));
	CHECK_TEXT(line, "<6>front: certificate issued serial=0a1b ms=12\n");
	LOGGED(line, log_error("stopped"));
	CHECK_TEXT(line, "<3>front: stopped\n");
}

static void no_value_can_forge_a_line_or_a_key(void)
{
	char line[512];
	log_open("front", LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
	LOGGED(line, log_warn("refused", KV("name", "x\n<6>front: fine a=\"b\\"), KV("b", "c=d"), KV("e", ""),
			      KV("esc", "\x1b[31m"), KV("none", NULL)));
	CHECK_TEXT(line, "<4>front: refused name=\"x\\u000a<6>front: fine a=\\\"b\\\\\" b=\"c=d\" e=\"\" "
			 "esc=\"\\u001b[31m\" none=\"\"\n");
}

static void json_lines_are_json(void)
{
	char line[512];
	log_open("signer", LOG_FORMAT_JSON, LOG_LEVEL_INFO);
	LOGGED(line, log_info("a \"b\"", KV("c", "d\n"), KV_INT("n", -5)));
	log_open("test", LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
	CHECK(strncmp(line, "{\"time\":", 8) == 0);
	const char *rest = strchr(line, ',');
	REQUIRE(rest != NULL);
	CHECK_TEXT(rest,
		   ",\"level\":\"info\",\"role\":\"signer\",\"event\":\"a \\\"b\\\"\",\"c\":\"d\\u000a\",\"n\":-5}\n");
}

static void lines_above_the_level_are_dropped(void)
{
	char line[512];
	log_open("front", LOG_FORMAT_TEXT, LOG_LEVEL_WARN);
	LOGGED(line, log_info("dropped"));
	CHECK_TEXT(line, "");
	LOGGED(line, log_debug("dropped too"));
	CHECK_TEXT(line, "");
	LOGGED(line, log_warn("kept"));
	CHECK_TEXT(line, "<4>front: kept\n");
	log_open("test", LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
}

static void error_is_logged_with_code_message_and_causes(void)
{
	char line[512];
	struct error err = ERR_INIT;
	(void)err_set(&err, ERR_IO, "disk gone");
	(void)err_wrap(&err, ERR_STORE_FULL, "cannot write");
	log_open("signer", LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
	LOGGED(line, log_err(LOG_LEVEL_ERROR, "commit failed", &err));
	CHECK_TEXT(line, "<3>signer: commit failed code=store-full message=\"cannot write\" causes=\"disk gone\"\n");
}

SUITE(log)
{
	TEST(event_and_pairs_stand_on_one_line_with_a_priority);
	TEST(no_value_can_forge_a_line_or_a_key);
	TEST(json_lines_are_json);
	TEST(lines_above_the_level_are_dropped);
	TEST(error_is_logged_with_code_message_and_causes);
}
