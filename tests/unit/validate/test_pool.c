#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/wait.h"
#include "base/clock.h"
#include "httpd/validate/pool.h"

/* What the jobs of a test share. */
struct counts {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned running, most, done;
	bool hold;
};

struct counting_job {
	struct pool_job job;
	struct counts *counts;
};

static void run(struct pool_job *job)
{
	struct counts *c = ((struct counting_job *)job)->counts;
	(void)pthread_mutex_lock(&c->lock);
	c->running++;
	c->most = c->running > c->most ? c->running : c->most;
	(void)pthread_cond_broadcast(&c->changed);
	while (c->hold)
		(void)pthread_cond_wait(&c->changed, &c->lock);
	c->running--;
	c->done++;
	(void)pthread_cond_broadcast(&c->changed);
	(void)pthread_mutex_unlock(&c->lock);
}

static void counts_init(struct counts *c, bool hold)
{
	*c = (struct counts){ .hold = hold };
	(void)pthread_mutex_init(&c->lock, NULL);
	wait_cond_init(&c->changed);
}

static bool submit(struct pool *pool, struct counts *counts)
{
	struct counting_job *job = malloc(sizeof(*job));
	REQUIRE(job != NULL);
	*job = (struct counting_job){ .job = { .run = run }, .counts = counts };
	bool taken = pool_submit(pool, &job->job);
	if (!taken)
		free(job);
	return taken;
}

/* Waits until so many run, or have been done. */
static void await(struct counts *c, unsigned running, unsigned done)
{
	struct timespec until = wait_until(clock_monotonic_ms() + 10000);
	int late = 0;
	(void)pthread_mutex_lock(&c->lock);
	while ((c->running < running || c->done < done) && !late)
		late = pthread_cond_timedwait(&c->changed, &c->lock, &until);
	(void)pthread_mutex_unlock(&c->lock);
	CHECK_INT(late, 0);
}

static void release(struct counts *c)
{
	(void)pthread_mutex_lock(&c->lock);
	c->hold = false;
	(void)pthread_cond_broadcast(&c->changed);
	(void)pthread_mutex_unlock(&c->lock);
}

static void as_many_run_at_once_as_may_and_the_rest_waits_its_turn(void)
{
	struct error err = ERR_INIT;
	struct counts counts;
	counts_init(&counts, true);
	struct pool *pool = pool_new(4, 100, &err);
	CHECK_OK(pool != NULL, &err);
	for (unsigned i = 0; i < 50; i++)
		CHECK(submit(pool, &counts));
	await(&counts, 4, 0);
	release(&counts);
	await(&counts, 0, 50);
	CHECK_INT(counts.most, 4);
	pool_free(pool);
}

static void what_waits_is_bounded(void)
{
	struct error err = ERR_INIT;
	struct counts counts;
	counts_init(&counts, true);
	struct pool *pool = pool_new(1, 3, &err);
	CHECK_OK(pool != NULL, &err);
	CHECK(submit(pool, &counts));
	await(&counts, 1, 0);
	for (unsigned i = 0; i < 3; i++)
		CHECK(submit(pool, &counts));
	CHECK(!submit(pool, &counts));
	release(&counts);
	await(&counts, 0, 4);
	CHECK(submit(pool, &counts));
	await(&counts, 0, 5);
	pool_free(pool);
}

static void at_the_end_what_runs_is_waited_for_and_what_waits_is_dropped(void)
{
	struct error err = ERR_INIT;
	struct counts counts;
	counts_init(&counts, true);
	/* Room for so many that only its end makes it take no more. */
	struct pool *pool = pool_new(1, 1u << 20, &err);
	CHECK_OK(pool != NULL, &err);
	CHECK(submit(pool, &counts) && submit(pool, &counts) && submit(pool, &counts));
	await(&counts, 1, 0);
	pthread_t freeing;
	REQUIRE(pthread_create(&freeing, NULL, (void *(*)(void *))(void (*)(void))pool_free, pool) == 0);
	while (submit(pool, &counts))
		continue;
	release(&counts);
	(void)pthread_join(freeing, NULL);
	CHECK_INT(counts.running, 0);
	CHECK_INT(counts.done, 1);
}

SUITE(pool)
{
	TEST(as_many_run_at_once_as_may_and_the_rest_waits_its_turn);
	TEST(what_waits_is_bounded);
	TEST(at_the_end_what_runs_is_waited_for_and_what_waits_is_dropped);
}
