#include "tools/ceremony_terminal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/output.h"

#define TRIES 3

int ceremony_terminal_open(struct ceremony_terminal *terminal, struct error *err)
{
	terminal->fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (terminal->fd < 0)
		return err_set(err, ERR_USAGE,
			       "a ceremony is attended: it needs a terminal, at which its operator sits");
	return 0;
}

void ceremony_terminal_close(struct ceremony_terminal *terminal)
{
	if (terminal->fd >= 0)
		(void)close(terminal->fd);
	terminal->fd = -1;
}

void ceremony_terminal_say(const struct ceremony_terminal *terminal, const char *text)
{
	auto_buf safe = BUF_INIT;
	if (terminal->fd < 0)
		return;
	output_add_safe(&safe, text, true);
	(void)dprintf(terminal->fd, "%s", buf_text(&safe));
}

/* One octet after the other: what is typed ahead stays for the next question. */
static int read_line(int fd, char *answer, struct error *err)
{
	size_t len = 0;
	for (;;) {
		char c = 0;
		ssize_t got = read(fd, &c, 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return err_set(err, ERR_CONFLICT, "the terminal was closed; go on with --resume");
		if (c == '\n')
			break;
		if (len + 1 < CEREMONY_ANSWER_MAX)
			answer[len++] = c;
	}
	while (len && isspace((unsigned char)answer[len - 1]))
		len--;
	answer[len] = '\0';
	size_t blanks = strspn(answer, " \t");
	memmove(answer, answer + blanks, len - blanks + 1);
	return 0;
}

int ceremony_terminal_ask(const struct ceremony_terminal *terminal, const char *question, char *answer,
			  struct error *err)
{
	ceremony_terminal_say(terminal, question);
	return read_line(terminal->fd, answer, err);
}

int ceremony_terminal_confirm(const struct ceremony_terminal *terminal, const char *question, const char *word,
			      struct error *err)
{
	char answer[CEREMONY_ANSWER_MAX];
	for (int i = 0; i < TRIES; i++) {
		if (ceremony_terminal_ask(terminal, question, answer, err))
			return -1;
		if (strcmp(answer, word) == 0)
			return 0;
		ceremony_terminal_say(terminal,
				      "That is not it. Nothing is done before it is typed as it stands there.\n");
	}
	return err_set(
		err, ERR_CONFLICT,
		"the step was not confirmed, and nothing of it was done; go on with --resume when it is clear why");
}
