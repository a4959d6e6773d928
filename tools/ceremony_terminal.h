/*
 * tools/ceremony_terminal.h - the people before the screen: what is shown to them, and what they type.
 *
 * Everything goes to the terminal (/dev/tty), whatever stdin and stdout are. One thread at a time.
 */
#ifndef CHANCERY_TOOLS_CEREMONY_TERMINAL_H
#define CHANCERY_TOOLS_CEREMONY_TERMINAL_H

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/err.h"

struct ceremony_terminal {
	int fd;
};
#define CEREMONY_TERMINAL_INIT ((struct ceremony_terminal){ -1 })
/* ERR_USAGE where there is none. */
int ceremony_terminal_open(struct ceremony_terminal *terminal, struct error *err);
void ceremony_terminal_close(struct ceremony_terminal *terminal);
#define auto_ceremony_terminal CLEANUP(ceremony_terminal_close) struct ceremony_terminal

/* Shows the text, with what a terminal could take for a command as "?". Nothing where the terminal is not open. */
void ceremony_terminal_say(const struct ceremony_terminal *terminal, const char *text);

#define CEREMONY_ANSWER_MAX 1024
/* Asks, and gives the line that was typed, without its end and blanks around it; answer has CEREMONY_ANSWER_MAX octets.
 * ERR_CONFLICT where the terminal has ended. */
int ceremony_terminal_ask(const struct ceremony_terminal *terminal, const char *question, char *answer,
			  struct error *err);

/* Has the word typed: three tries. ERR_CONFLICT where it was another each time: nothing is done, and what to do. */
int ceremony_terminal_confirm(const struct ceremony_terminal *terminal, const char *question, const char *word,
			      struct error *err);

#endif
