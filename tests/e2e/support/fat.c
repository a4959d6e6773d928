/* LD_PRELOAD: below FAT=FOLDER everything is as on a FAT stick of a desktop: no links, and each file and folder has mode
 * 0755, whatever is asked for. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int is_on_stick(const char *path)
{
	const char *stick = getenv("FAT");
	return stick && path[0] == '/' && strncmp(path, stick, strlen(stick)) == 0;
}

int link(const char *from, const char *to)
{
	int (*next)(const char *, const char *) = dlsym(RTLD_NEXT, "link");
	if (!is_on_stick(to))
		return next(from, to);
	errno = EPERM;
	return -1;
}

int chmod(const char *path, mode_t mode)
{
	int (*next)(const char *, mode_t) = dlsym(RTLD_NEXT, "chmod");
	if (!is_on_stick(path) || mode == 0755)
		return next(path, mode);
	errno = EPERM;
	return -1;
}

int fchmod(int fd, mode_t mode)
{
	int (*next)(int, mode_t) = dlsym(RTLD_NEXT, "fchmod");
	char name[64], path[PATH_MAX];
	(void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	ssize_t len = readlink(name, path, sizeof(path) - 1);
	path[len > 0 ? len : 0] = '\0';
	if (!is_on_stick(path) || mode == 0755)
		return next(fd, mode);
	errno = EPERM;
	return -1;
}

int mkdir(const char *path, mode_t mode)
{
	int (*next)(const char *, mode_t) = dlsym(RTLD_NEXT, "mkdir");
	return next(path, is_on_stick(path) ? 0755 : mode);
}

static int open_as(const char *name, const char *path, int flags, mode_t mode)
{
	int (*next)(const char *, int, ...) = dlsym(RTLD_NEXT, name);
	return next(path, flags, is_on_stick(path) ? 0755 : mode);
}

int open(const char *path, int flags, ...)
{
	va_list more;
	va_start(more, flags);
	mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
	va_end(more);
	return open_as("open", path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	va_list more;
	va_start(more, flags);
	mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
	va_end(more);
	return open_as("open64", path, flags, mode);
}
