/*
 * tools/chanceryd_supervise.h - the supervisor: starts the roles, starts a dead one again,
 * stops them in order. One thread; parses nothing that a peer sent.
 */
#ifndef CHANCERY_TOOLS_CHANCERYD_SUPERVISE_H
#define CHANCERY_TOOLS_CHANCERYD_SUPERVISE_H

#include "tools/chanceryd_listen.h"

/* Runs until SIGTERM or SIGINT. The working directory is the state directory; config_file is
 * relative to it. Returns the exit status: 0 after an orderly stop, 3 where a role had to be killed. */
int supervise(const struct ca_config *config, const char *config_file, struct listeners *listeners);

#endif
