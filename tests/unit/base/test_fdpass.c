#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fdpass.h"

static void make_pair(int pair[2])
{
	REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
}

static void what_is_handed_over_is_the_same_and_close_on_exec(void)
{
	struct error err = ERR_INIT;
	int pair[2], pipe_ends[2], got = -1;
	char letter = 0, said = 0;
	make_pair(pair);
	REQUIRE(pipe2(pipe_ends, O_CLOEXEC) == 0);
	CHECK_OK(fdpass_send(pair[0], 'V', pipe_ends[1], &err) == 0, &err);
	CHECK_INT(fdpass_receive(pair[1], &letter, &got), 1);
	CHECK_INT(letter, 'V');
	REQUIRE(got >= 0);
	CHECK((fcntl(got, F_GETFD) & FD_CLOEXEC) != 0);
	CHECK(write(got, "x", 1) == 1 && read(pipe_ends[0], &said, 1) == 1 && said == 'x');
	(void)close(got);
	(void)close(pipe_ends[0]);
	(void)close(pipe_ends[1]);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

static void a_letter_may_come_alone(void)
{
	int pair[2], got = 7;
	char letter = 0;
	make_pair(pair);
	REQUIRE(send(pair[0], "R", 1, 0) == 1);
	CHECK_INT(fdpass_receive(pair[1], &letter, &got), 1);
	CHECK(letter == 'R' && got == -1);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

static void a_peer_that_has_gone_is_told(void)
{
	struct error err = ERR_INIT;
	int pair[2], got = 7;
	char letter = 0;
	make_pair(pair);
	(void)close(pair[0]);
	CHECK_INT(fdpass_receive(pair[1], &letter, &got), 0);
	CHECK_INT(got, -1);
	CHECK_FAILS(fdpass_send(pair[1], 'C', 0, &err) == -1, &err, ERR_UNREACHABLE);
	(void)close(pair[1]);
}

SUITE(fdpass)
{
	TEST(what_is_handed_over_is_the_same_and_close_on_exec);
	TEST(a_letter_may_come_alone);
	TEST(a_peer_that_has_gone_is_told);
}
