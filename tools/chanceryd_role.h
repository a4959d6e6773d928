/*
 * tools/chanceryd_role.h - the table of roles, and a role's first steps after exec.
 *
 * How descriptors and settings reach a role stands in ca-core/role.h.
 */
#ifndef CHANCERY_TOOLS_CHANCERYD_ROLE_H
#define CHANCERY_TOOLS_CHANCERYD_ROLE_H

#include "ca-core/role.h"

enum role_id { ROLE_SIGNER_PROCESS, ROLE_FRONT_PROCESS, ROLE_VALIDATOR_PROCESS, ROLE_PROCESS_COUNT };

enum role_wants { /* bits: which descriptors a role is given */
		  ROLE_WANTS_LISTENERS = 1,
		  ROLE_WANTS_CONTROL = 2,
		  ROLE_WANTS_ADMIN = 4,
		  ROLE_WANTS_PINS = 8, /* and what else is secret to the signer */
		  ROLE_WANTS_VALIDATOR = 16,
		  ROLE_WANTS_MAIL = 32,
};

struct role_row {
	const char *name;                     /* --role NAME, and in the log */
	int (*main)(const struct role *role); /* the process's exit status */
	unsigned wants;
	bool ends_by_signal; /* SIGTERM stops it; else it leaves when its channel closes */
};
extern const struct role_row role_table[ROLE_PROCESS_COUNT];

/* The user option of the configuration for a role. Borrowed. */
const char *role_user(const struct ca_config *config, enum role_id id);

/* No core dumps, no debugger, no new privileges, from here on: for the supervisor, which holds PINs for a moment, as
 * for each role. ERR_IO. */
int role_close_up(struct error *err);

/* Runs as the role `name` in the working directory, which is the state directory: reads the
 * configuration and the environment, closes every other descriptor, drops to the role's user,
 * gives up what it will never need, and calls its main. Returns the exit status. */
int role_start(const char *name, const char *config_file);

#endif
