#include "tools/child.h"

#include <signal.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static int answer_pid(void *argument, struct buf *answer, struct error *err)
{
	(void)err;
	*(int *)argument = 1; /* seen by nobody */
	buf_printf(answer, "%ld", (long)getpid());
	return 0;
}

static void works_in_another_process_and_brings_the_answer(void)
{
	struct error err = ERR_INIT;
	int changed = 0;
	auto_buf answer = BUF_INIT, own = BUF_INIT;
	CHECK_OK(child_run(answer_pid, &changed, &answer, &err) == 0, &err);
	buf_printf(&own, "%ld", (long)getpid());
	CHECK(answer.len > 0 && !bytes_equal(buf_bytes(&answer), buf_bytes(&own)));
	CHECK_INT(changed, 0);
	CHECK_OK(child_run(answer_pid, &changed, NULL, &err) == 0, &err);
}

static int fail(void *argument, struct buf *answer, struct error *err)
{
	(void)argument;
	buf_u8(answer, 7);
	return err_set(err, ERR_CONFLICT, "it is there already");
}

static void brings_the_error_and_what_was_answered_before_it(void)
{
	struct error err = ERR_INIT;
	auto_buf answer = BUF_INIT;
	CHECK_FAILS(child_run(fail, NULL, &answer, &err) == -1, &err, ERR_CONFLICT);
	CHECK_TEXT(err.message, "it is there already");
	CHECK(answer.len == 1 && answer.data[0] == 7);
}

static int crash(void *argument, struct buf *answer, struct error *err)
{
	(void)argument;
	(void)err;
	buf_u8(answer, 7);
	(void)kill(getpid(), SIGKILL);
	return 0;
}

static void says_that_the_module_ended_the_process(void)
{
	struct error err = ERR_INIT;
	auto_buf answer = BUF_INIT;
	CHECK_FAILS(child_run(crash, NULL, &answer, &err) == -1, &err, ERR_TOKEN_UNAVAILABLE);
	CHECK(strstr(err.message, "signal 9") != NULL);
	CHECK_INT(answer.len, 0);
}

static int answer_much(void *argument, struct buf *answer, struct error *err)
{
	(void)err;
	uint8_t *room = buf_extend(answer, *(size_t *)argument);
	if (room)
		memset(room, 'x', *(size_t *)argument);
	return 0;
}

static void brings_long_answers_whole_and_refuses_longer_ones(void)
{
	struct error err = ERR_INIT;
	auto_buf whole = BUF_INIT, none = BUF_INIT;
	size_t len = CHILD_ANSWER_MAX;
	CHECK_OK(child_run(answer_much, &len, &whole, &err) == 0, &err);
	CHECK_INT(whole.len, len);
	len++;
	CHECK_FAILS(child_run(answer_much, &len, &none, &err) == -1, &err, ERR_INTERNAL);
	CHECK_INT(none.len, 0);
}

SUITE(child)
{
	TEST(works_in_another_process_and_brings_the_answer);
	TEST(brings_the_error_and_what_was_answered_before_it);
	TEST(says_that_the_module_ended_the_process);
	TEST(brings_long_answers_whole_and_refuses_longer_ones);
}
