/*
 * tools/cmd_ceremony.h - the subcommands of `chancery ceremony`, one file tools/cmd_ceremony_*.c each.
 */
#ifndef CHANCERY_TOOLS_CMD_CEREMONY_H
#define CHANCERY_TOOLS_CMD_CEREMONY_H

#include "tools/cmd.h"

int ceremony_run_check(struct invocation *in);  /* cmd_ceremony_check.c */
int ceremony_run_import(struct invocation *in); /* ceremony_import.c */

/* cmd_ceremony_run.c, and what --help says of them besides. */
int ceremony_rehearse_command(struct invocation *in);
int ceremony_run_command(struct invocation *in);
int ceremony_verify_command(struct invocation *in);
extern const char ceremony_rehearse_detail[], ceremony_run_detail[], ceremony_verify_detail[];

#endif
