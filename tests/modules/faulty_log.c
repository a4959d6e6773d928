#include <fcntl.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/modules/faulty.h"

#define LINE_MAX_ 512

int64_t faulty_now_us(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Opened once; whoever comes second closes what it opened too much. */
static int log_fd(void)
{
	static atomic_int kept = -1;
	int fd = atomic_load(&kept);
	const char *path = getenv("FAULTY_LOG");
	if (fd >= 0 || !path)
		return fd;
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	int none = -1;
	if (fd < 0 || atomic_compare_exchange_strong(&kept, &none, fd))
		return fd;
	(void)close(fd);
	return none;
}

void faulty_log(const char *fmt, ...)
{
	char line[LINE_MAX_];
	int fd = log_fd();
	if (fd < 0)
		return;
	int64_t now = faulty_now_us();
	int len = snprintf(line, sizeof(line), "%lld.%06lld %d ", (long long)(now / 1000000),
			   (long long)(now % 1000000), (int)getpid());
	va_list arguments;
	va_start(arguments, fmt);
	len += vsnprintf(line + len, sizeof(line) - (size_t)len, fmt, arguments);
	va_end(arguments);
	if (len > LINE_MAX_ - 2)
		len = LINE_MAX_ - 2;
	line[len++] = '\n';
	/* One write a line: threads and processes append side by side. */
	if (write(fd, line, (size_t)len) != len)
		abort(); /* a count that is wrong would judge wrongly */
}

void faulty_sha256(const void *data, size_t len, uint8_t out[32])
{
	size_t made = 32;
	if (EVP_Q_digest(NULL, "SHA256", NULL, data, len, out, &made) != 1)
		abort();
}
