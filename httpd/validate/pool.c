#include "httpd/validate/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/wait.h"

#define IDLE_MS 10000
#define STACK_SIZE ((size_t)1 << 20)

struct pool {
	unsigned threads_max;
	size_t waiting_max;

	pthread_mutex_t lock; /* for what follows */
	pthread_cond_t changed;
	struct pool_job *first, **end;
	size_t waiting;
	unsigned threads, idle;
	bool closed;
};

/* With the lock. NULL where this thread has nothing to do any more. */
static struct pool_job *await_job(struct pool *pool)
{
	struct timespec until = wait_until(clock_monotonic_ms() + IDLE_MS);
	int timed_out = 0;
	pool->idle++;
	while (!pool->first && !pool->closed && !timed_out)
		timed_out = pthread_cond_timedwait(&pool->changed, &pool->lock, &until);
	pool->idle--;
	struct pool_job *job = pool->first;
	if (job) {
		pool->first = job->next;
		pool->waiting--;
		if (!pool->first)
			pool->end = &pool->first;
	}
	return job;
}

static void *work(void *arg)
{
	struct pool *pool = arg;
	struct pool_job *job;
	(void)pthread_mutex_lock(&pool->lock);
	while ((job = await_job(pool)) != NULL) {
		(void)pthread_mutex_unlock(&pool->lock);
		job->run(job);
		free(job);
		(void)pthread_mutex_lock(&pool->lock);
	}
	pool->threads--;
	(void)pthread_cond_broadcast(&pool->changed);
	(void)pthread_mutex_unlock(&pool->lock);
	return NULL;
}

/* With the lock. */
static bool start_thread(struct pool *pool)
{
	pthread_attr_t attributes;
	pthread_t thread;
	sigset_t all, before;
	if (pthread_attr_init(&attributes))
		return false;
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&attributes, STACK_SIZE);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	bool started = pthread_create(&thread, &attributes, work, pool) == 0;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attributes);
	if (started)
		pool->threads++;
	return started;
}

bool pool_submit(struct pool *pool, struct pool_job *job)
{
	(void)pthread_mutex_lock(&pool->lock);
	bool room = !pool->closed && pool->waiting < pool->waiting_max;
	if (room && pool->idle <= pool->waiting && pool->threads < pool->threads_max)
		room = start_thread(pool) || pool->threads > 0;
	if (room) {
		job->next = NULL;
		*pool->end = job;
		pool->end = &job->next;
		pool->waiting++;
		(void)pthread_cond_signal(&pool->changed);
	}
	(void)pthread_mutex_unlock(&pool->lock);
	return room;
}

struct pool *pool_new(unsigned threads_max, size_t waiting_max, struct error *err)
{
	struct pool *pool = calloc(1, sizeof(*pool));
	if (!pool) {
		(void)err_set(err, ERR_INTERNAL, "no memory for jobs");
		return NULL;
	}
	pool->threads_max = threads_max;
	pool->waiting_max = waiting_max;
	pool->end = &pool->first;
	(void)pthread_mutex_init(&pool->lock, NULL);
	wait_cond_init(&pool->changed);
	return pool;
}

void pool_free(struct pool *pool)
{
	if (!pool)
		return;
	(void)pthread_mutex_lock(&pool->lock);
	pool->closed = true;
	while (pool->first) {
		struct pool_job *job = pool->first;
		pool->first = job->next;
		free(job);
	}
	(void)pthread_cond_broadcast(&pool->changed);
	while (pool->threads > 0)
		(void)pthread_cond_wait(&pool->changed, &pool->lock);
	(void)pthread_mutex_unlock(&pool->lock);
	(void)pthread_cond_destroy(&pool->changed);
	(void)pthread_mutex_destroy(&pool->lock);
	free(pool);
}
