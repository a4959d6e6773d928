/*
 * tools/cmd_ceremony.h - the subcommands of `chancery ceremony`, one file tools/cmd_ceremony_*.c each.
 */
#ifndef CHANCERY_TOOLS_CMD_CEREMONY_H
#define CHANCERY_TOOLS_CMD_CEREMONY_H

#include "tools/cmd.h"

int ceremony_run_check(struct invocation *in); /* cmd_ceremony_check.c */

#endif
