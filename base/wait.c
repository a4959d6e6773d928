#include "base/wait.h"

void wait_cond_init(pthread_cond_t *condition)
{
	pthread_condattr_t attributes;
	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_cond_init(condition, &attributes);
	(void)pthread_condattr_destroy(&attributes);
}

struct timespec wait_until(int64_t monotonic_ms)
{
	return (struct timespec){ .tv_sec = monotonic_ms / 1000, .tv_nsec = monotonic_ms % 1000 * 1000000 };
}
