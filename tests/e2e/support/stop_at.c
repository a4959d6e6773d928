/* Preloaded into a program under test: ends it by SIGKILL at the STOP_AT-th moment at which what is on disk would
 * change: before a write to a regular file, with half of it done, and before each link, unlink and mkdir. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static long seen;

static bool is_the_moment(void)
{
	const char *at = getenv("STOP_AT");
	return at && ++seen == atol(at);
}

static void moment(void)
{
	if (is_the_moment())
		kill(getpid(), SIGKILL);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t size)
{
	struct stat status;
	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
		return REAL(write)(fd, data, size);
	moment();
	if (is_the_moment() && REAL(write)(fd, data, size / 2) >= 0)
		kill(getpid(), SIGKILL);
	return REAL(write)(fd, data, size);
}

int link(const char *from, const char *to)
{
	moment();
	return REAL(link)(from, to);
}

int unlink(const char *path)
{
	moment();
	return REAL(unlink)(path);
}

int mkdir(const char *path, mode_t mode)
{
	moment();
	return REAL(mkdir)(path, mode);
}
