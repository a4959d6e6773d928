#include "tools/users.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"

#define DEPTH_MAX 16

int user_become(const struct user *user, struct error *err)
{
	if (!user->set)
		return 0;
	if (setgroups(1, &user->gid) || setresgid(user->gid, user->gid, user->gid) ||
	    setresuid(user->uid, user->uid, user->uid))
		return err_errno(err, ERR_IO, "cannot become the user %s", user->name);
	if (setresuid((uid_t)-1, 0, (uid_t)-1) == 0)
		return err_set(err, ERR_INTERNAL, "the user %s could become root again", user->name);
	return 0;
}

/* Only by being that user can it be found out: groups, access lists and mounts all have a say. */
static bool reaches(const struct user *user, const char *path)
{
	char absolute[PATH_MAX];
	if (!realpath(path, absolute))
		return false;
	pid_t child = fork();
	if (child == 0) {
		struct error err = ERR_INIT;
		_exit(user_become(user, &err) || access(absolute, X_OK) ? 1 : 0);
	}
	int status = 1;
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void user_for_role(const char *name, const char *state, struct user *user, char why[128])
{
	*user = (struct user){ .set = false };
	why[0] = '\0';
	if (name[0] == '\0') {
		(void)snprintf(why, 128, "the configuration names no user");
		return;
	}
	if (geteuid() != 0) {
		(void)snprintf(why, 128, "not started as root");
		return;
	}
	const struct passwd *entry = getpwnam(name);
	if (!entry || entry->pw_uid == 0) {
		(void)snprintf(why, 128, "there is no user %s", name);
		return;
	}
	user->uid = entry->pw_uid;
	user->gid = entry->pw_gid;
	(void)snprintf(user->name, sizeof(user->name), "%s", name);
	user->set = true;
	if (!reaches(user, state)) {
		(void)snprintf(why, 128, "the user %s cannot reach the state directory", name);
		user->set = false;
	}
}

static bool ends_in(const char *name, const char *end)
{
	size_t length = strlen(name), wanted = strlen(end);
	return length >= wanted && strcmp(name + length - wanted, end) == 0;
}

static bool is_pin(const char *name)
{
	return ends_in(name, "pin") || ends_in(name, "pin.new");
}

static int give_fd(const struct user *user, int fd, const char *name, unsigned depth, struct error *err);

static int give_entry(const struct user *user, int folder, const char *name, unsigned depth, struct error *err)
{
	auto_fd fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return errno == ELOOP || errno == ENXIO || errno == ENOENT
			       ? 0
			       : err_errno(err, ERR_IO, "cannot open %s to give it to %s", name, user->name);
	return give_fd(user, fd, name, depth, err);
}

static int give_folder(const struct user *user, int fd, const char *name, unsigned depth, struct error *err)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = copy >= 0 ? fdopendir(copy) : NULL;
	if (!folder) {
		if (copy >= 0)
			(void)close(copy);
		return err_errno(err, ERR_IO, "cannot list %s", name);
	}
	int result = 0;
	const struct dirent *entry;
	while (result == 0 && (entry = readdir(folder)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && !is_pin(entry->d_name))
			result = give_entry(user, fd, entry->d_name, depth, err);
	(void)closedir(folder);
	return result;
}

static int give_fd(const struct user *user, int fd, const char *name, unsigned depth, struct error *err)
{
	struct stat status;
	if (fstat(fd, &status))
		return err_errno(err, ERR_IO, "cannot look at %s", name);
	bool folder = S_ISDIR(status.st_mode);
	if (!folder && (!S_ISREG(status.st_mode) || status.st_nlink != 1))
		return 0;
	if (depth == 0)
		return err_set(err, ERR_IO, "%s is nested deeper than %d folders", name, DEPTH_MAX);
	/* What is inside first: whoever owns a folder may change what stands in it. */
	if (folder && give_folder(user, fd, name, depth - 1, err))
		return -1;
	if ((status.st_uid != user->uid || status.st_gid != user->gid) && fchown(fd, user->uid, user->gid))
		return err_errno(err, ERR_IO, "cannot give %s to %s", name, user->name);
	return 0;
}

int user_give(const struct user *user, const char *path, struct error *err)
{
	if (!user->set)
		return 0;
	auto_fd fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, ERR_IO, "cannot open %s to give it to %s", path, user->name);
	return give_fd(user, fd, path, DEPTH_MAX, err);
}
