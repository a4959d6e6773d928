#include "tools/child.h"

#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* What goes over the pipe before the answer. */
struct head {
	int result;
	struct error err;
};

static bool write_all(int fd, const void *data, size_t len)
{
	const uint8_t *at = data;
	while (len > 0) {
		ssize_t written = write(fd, at, len);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return false;
		at += written;
		len -= (size_t)written;
	}
	return true;
}

static _Noreturn void be_child(int fd, child_work *work, void *argument)
{
	struct head head = { .err = ERR_INIT };
	struct buf answer = BUF_INIT;
	head.result = work(argument, &answer, &head.err);
	if (head.result == 0 && (answer.failed || answer.len > CHILD_ANSWER_MAX))
		head.result = err_set(&head.err, ERR_INTERNAL, "the answer is too large");
	size_t len = answer.failed || answer.len > CHILD_ANSWER_MAX ? 0 : answer.len;
	bool told = write_all(fd, &head, sizeof(head)) && write_all(fd, answer.data, len);
	/* No exit handlers: those of the module and of OpenSSL meet in no order that anyone promises. */
	_exit(told ? 0 : 1);
}

static void read_all(int fd, struct buf *out)
{
	for (;;) {
		size_t before = out->len;
		uint8_t *room = buf_extend(out, 65536);
		ssize_t got = room ? read(fd, room, 65536) : -1;
		out->len = before + (got > 0 ? (size_t)got : 0);
		if (got == 0 || (got < 0 && (!room || errno != EINTR)) ||
		    out->len > sizeof(struct head) + CHILD_ANSWER_MAX)
			return;
	}
}

static int wait_for(pid_t child)
{
	int status = 0;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

int child_run(child_work *work, void *argument, struct buf *answer, struct error *err)
{
	int ends[2];
	if (pipe(ends))
		return err_errno(err, ERR_IO, "no pipe");
	(void)fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		(void)close(ends[0]);
		be_child(ends[1], work, argument);
	}
	(void)close(ends[1]);
	auto_buf told = BUF_INIT;
	if (child > 0)
		read_all(ends[0], &told);
	(void)close(ends[0]);
	if (child < 0)
		return err_errno(err, ERR_IO, "no process to call the module in");
	int status = wait_for(child);
	struct head head;
	if (told.len < sizeof(head))
		return err_set(err, ERR_TOKEN_UNAVAILABLE,
			       "the PKCS#11 module ended the process that called it (%s %d)",
			       WIFSIGNALED(status) ? "signal" : "status",
			       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	memcpy(&head, told.data, sizeof(head));
	if (answer)
		buf_add(answer, told.data + sizeof(head), told.len - sizeof(head));
	if (head.result)
		*err = head.err;
	return head.result;
}
