/*
 * tools/ask.h - a question to the person at the terminal, before something that cannot be taken back.
 */
#ifndef CHANCERY_TOOLS_ASK_H
#define CHANCERY_TOOLS_ASK_H

#include "base/err.h"

/* Asks on the terminal (/dev/tty), whatever stdin is; 0 where the answer is "yes". ERR_CONFLICT for any other;
 * ERR_USAGE where there is no terminal, naming --yes. */
int ask_yes(const char *question, struct error *err);

#endif
