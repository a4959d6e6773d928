#include "tools/ask.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

int ask_yes(const char *question, struct error *err)
{
	char answer[16] = "";
	auto_fd tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (tty < 0)
		return err_set(err, ERR_USAGE, "there is no terminal to ask on: look at what is shown, and add --yes");
	(void)dprintf(tty, "%s (yes or no): ", question);
	ssize_t length = read(tty, answer, sizeof(answer) - 1);
	if (length == 4 && strcmp(answer, "yes\n") == 0)
		return 0;
	return err_set(err, ERR_CONFLICT, "nothing was done: the answer was not \"yes\"");
}
