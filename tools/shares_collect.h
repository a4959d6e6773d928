/*
 * tools/shares_collect.h - a PIN typed at a terminal by those who hold its shares, one after the other.
 *
 * Nothing that is typed is shown, and the screen is cleared between two of them. A share that has a mistake, is of another
 * split, or was given already, is named and asked for again, before any PIN is tried. Thread-safety: one thread, for the
 * terminal is one.
 */
#ifndef CHANCERY_TOOLS_SHARES_COLLECT_H
#define CHANCERY_TOOLS_SHARES_COLLECT_H

#include "tools/shares_sheet.h"

#define CLEAR_SCREEN "\033[2J\033[3J\033[H" /* what can be scrolled back to as well */

/* Asks on this terminal (a descriptor) until as many shares as the sheet's threshold are there, and gives the PIN. A share
 * may be typed in one line or in several. what, e.g. "PIN of token root", is for the screen. ERR_CONFLICT: too few
 * shares (someone typed Enter alone, or the terminal is gone). ERR_IO: no terminal, interrupted. */
struct secret *shares_collect(int terminal, const struct shares_sheet *sheet, const char *what, struct error *err);

/* The same on /dev/tty; what is for messages. From here on the process leaves no core dumps. */
struct secret *shares_ask(const struct shares_sheet *sheet, const char *what, struct error *err);

/* The same with the sheet in this file: what a reference shares:PATH names. Errors of shares_sheet_load, too. */
struct secret *shares_get(const char *path, const char *what, struct error *err);

#endif
