#include "base/wait.h"

#include <errno.h>

#include "base/clock.h"
#include "tests/unit/unit.h"

static void a_timed_wait_ends_at_its_monotonic_time(void)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t never;
	wait_cond_init(&never);
	int64_t until_ms = clock_monotonic_ms() + 1030;
	struct timespec until = wait_until(until_ms);
	CHECK_INT(until.tv_sec, until_ms / 1000);
	(void)pthread_mutex_lock(&lock);
	/* By the wall clock, this time would lie decades ago, and the wait end at once. */
	int rc = 0;
	while (rc == 0)
		rc = pthread_cond_timedwait(&never, &lock, &until);
	(void)pthread_mutex_unlock(&lock);
	CHECK_INT(rc, ETIMEDOUT);
	CHECK(clock_monotonic_ms() >= until_ms);
	(void)pthread_cond_destroy(&never);
}

SUITE(wait)
{
	TEST(a_timed_wait_ends_at_its_monotonic_time);
}
