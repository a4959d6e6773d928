/*
 * tools/state.h - the state directory as `chancery` sees it: paths, configuration, the user
 * that its store belongs to, whether its server runs.
 */
#ifndef CHANCERY_TOOLS_STATE_H
#define CHANCERY_TOOLS_STATE_H

#include "ca-core/config.h"
#include "tools/options.h"
#include "tools/users.h"

#define STATE_CONFIG "chancery.conf"

/* STATE/name, allocated; free(). NULL: ERR_INTERNAL without memory. */
char *state_path(const struct common_options *common, const char *name, struct error *err);

/* Reads STATE/chancery.conf. ERR_NOT_FOUND where STATE is none, with what to do. */
struct ca_config *state_config(const struct common_options *common, struct error *err);

/* Makes STATE the working directory, so that what the configuration names (all relative) is found. Paths from the
 * command line must be made absolute before. */
int state_enter(const struct common_options *common, struct error *err);

/* The path as seen from anywhere; allocated. What does not exist yet is taken as it is. */
char *path_absolute(const char *path, struct error *err);

/* True while a server runs on the state directory that is the working directory. */
bool state_server_runs(void);

/* Becomes the user that the store belongs to, where we are root and there is one. */
int state_become_signer(const struct ca_config *config, struct error *err);

/* Gives each folder of the state directory that is the working directory to the user of the role that works in it, where
 * we are root and the folder is still ours: after init, a restore, or when such users have come later. */
int state_hand_over(const struct ca_config *config, struct error *err);

/* Opens the store of the state directory that is the working directory, as its user. */
struct store;
struct store *state_open_store(const struct ca_config *config, bool read_only, struct error *err);

#endif
