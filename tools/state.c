#include "tools/state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "store/store.h"

char *state_path(const struct common_options *common, const char *name, struct error *err)
{
	char *path = file_join(common->state, name);
	if (!path)
		(void)err_set(err, ERR_INTERNAL, "no memory for a path");
	return path;
}

struct ca_config *state_config(const struct common_options *common, struct error *err)
{
	auto_free char *path = state_path(common, STATE_CONFIG, err);
	if (!path)
		return NULL;
	if (!file_exists(path)) {
		(void)err_set(err, ERR_NOT_FOUND,
			      "there is no state directory at %s: make one with `chancery init --state %s`, or name "
			      "yours with --state or CHANCERY_STATE",
			      common->state, common->state);
		return NULL;
	}
	return ca_config_load(path, err);
}

int state_enter(const struct common_options *common, struct error *err)
{
	return chdir(common->state) ? err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO,
						"cannot enter the state directory %s", common->state)
				    : 0;
}

char *path_absolute(const char *path, struct error *err)
{
	char here[PATH_MAX];
	char *absolute = NULL;
	if (path[0] == '/')
		absolute = strdup(path);
	else if (getcwd(here, sizeof(here)))
		absolute = file_join(here, path);
	if (!absolute)
		(void)err_errno(err, ERR_IO, "cannot make the path %s absolute", path);
	return absolute;
}

bool state_server_runs(void)
{
	auto_fd fd = open("chanceryd.lock", O_RDONLY | O_CLOEXEC);
	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

int state_become_signer(const struct ca_config *config, struct error *err)
{
	struct user user;
	char why[128];
	user_for_role(config->process.signer_user, ".", &user, why);
	return user_become(&user, err);
}

static int give_own(const struct user *user, const char *folder, struct error *err)
{
	struct stat status;
	if (!user->set || lstat(folder, &status) || status.st_uid != geteuid())
		return 0;
	const char *name = user->name;
	log_info("folder handed over", KV("folder", folder), KV("user", name));
	return user_give(user, folder, err);
}

int state_hand_over(const struct ca_config *config, struct error *err)
{
	struct user signer, front;
	char why[128];
	user_for_role(config->process.signer_user, ".", &signer, why);
	user_for_role(config->process.front_user, ".", &front, why);
	return give_own(&signer, "store", err) || give_own(&signer, "token", err) ||
			       give_own(&signer, "published", err) || give_own(&front, "front", err)
		       ? -1
		       : 0;
}

struct store *state_open_store(const struct ca_config *config, bool read_only, struct error *err)
{
	if (state_become_signer(config, err))
		return NULL;
	const struct store_options options = {
		.path = "store",
		.node = config->process.node,
		.clock = clock_system(),
		.read_only = read_only,
	};
	return store_open(&options, err);
}
