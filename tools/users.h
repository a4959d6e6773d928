/*
 * tools/users.h - the system users that the roles run as: found, become, given folders.
 *
 * Thread-safety: every function works only on its arguments and the process's ids; none is
 * for a process with threads.
 */
#ifndef CHANCERY_TOOLS_USERS_H
#define CHANCERY_TOOLS_USERS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct user {
	bool set; /* false: no other user; the rest is then without meaning */
	uid_t uid;
	gid_t gid;
	char name[33];
};

/* Whom a role should drop to: `name` where we are root, such a user exists (and is not root)
 * and reaches the folder `state` by its absolute path. Otherwise user->set is false and why
 * (at least 128 bytes) says why not, for the log. */
void user_for_role(const char *name, const char *state, struct user *user, char why[128]);

/* Drops to user for good: groups, group, user; checked. Nothing where user is not set. ERR_IO. */
int user_become(const struct user *user, struct error *err);

/* Gives path, and all below it, to the user. Symbolic links are not followed; what another
 * user has put there by a hard link is left alone. Files that end in "pin" or "pin.new" stay whose they
 * are: PINs are for the supervisor. Nothing where user is not set. ERR_IO. */
int user_give(const struct user *user, const char *path, struct error *err);

#endif
