#include "tests/bench/support/crew.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct member {
	struct crew *crew;
	pthread_t thread;
	size_t number;
	/* Of the last slice: its thread's until it is counted as finished. */
	double rate, cpu;
	uint64_t done;
	struct error error;
};

struct crew {
	struct member members[CREW_MAX];
	size_t count;
	atomic_size_t counting; /* threads of the slice that have not done their part */
	pthread_mutex_t lock;   /* guards what follows */
	pthread_cond_t begun, finished;
	unsigned slice; /* one more with each */
	bool over;
	size_t threads, busy;
	double seconds;
	crew_operation *operation;
	void *argument;
};

static double now(clockid_t clock)
{
	struct timespec t;
	(void)clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Who has done its part goes on, not counted, until all have: the last operations of the others
 * must not be faster for having the machine to themselves. */
static void repeat(struct member *m, double seconds, crew_operation *operation, void *argument)
{
	struct crew *c = m->crew;
	double cpu = now(CLOCK_THREAD_CPUTIME_ID), begun = now(CLOCK_MONOTONIC), took = 0;
	m->error = ERR_INIT;
	for (m->done = 0; took < seconds && operation(argument, m->number, &m->error) == 0; m->done++)
		took = now(CLOCK_MONOTONIC) - begun;
	m->rate = took > 0 ? (double)m->done / took : 0;
	m->cpu = now(CLOCK_THREAD_CPUTIME_ID) - cpu;
	atomic_fetch_sub(&c->counting, 1);
	while (m->error.code == ERR_NONE && atomic_load(&c->counting) > 0)
		(void)operation(argument, m->number, &m->error);
}

static void *serve(void *argument)
{
	struct member *m = argument;
	struct crew *c = m->crew;
	pthread_mutex_lock(&c->lock);
	for (unsigned seen = 0; !c->over;) {
		if (c->slice == seen || m->number >= c->threads) {
			seen = c->slice;
			pthread_cond_wait(&c->begun, &c->lock);
			continue;
		}
		seen = c->slice;
		pthread_mutex_unlock(&c->lock);
		repeat(m, c->seconds, c->operation, c->argument);
		pthread_mutex_lock(&c->lock);
		if (--c->busy == 0)
			pthread_cond_signal(&c->finished);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

struct crew *crew_new(struct error *err)
{
	struct crew *c = calloc(1, sizeof(*c));
	if (!c) {
		(void)err_set(err, ERR_INTERNAL, "no memory for threads");
		return NULL;
	}
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->begun, NULL);
	pthread_cond_init(&c->finished, NULL);
	for (; c->count < CREW_MAX; c->count++) {
		struct member *m = &c->members[c->count];
		m->crew = c;
		m->number = c->count;
		if (pthread_create(&m->thread, NULL, serve, m) != 0) {
			(void)err_set(err, ERR_INTERNAL, "cannot start a thread");
			crew_free(c);
			return NULL;
		}
	}
	return c;
}

void crew_free(struct crew *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->over = true;
	pthread_cond_broadcast(&c->begun);
	pthread_mutex_unlock(&c->lock);
	while (c->count > 0)
		(void)pthread_join(c->members[--c->count].thread, NULL);
	pthread_cond_destroy(&c->begun);
	pthread_cond_destroy(&c->finished);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

int crew_run(struct crew *c, size_t threads, double seconds, crew_operation *operation, void *argument,
	     struct crew_slice *out, struct error *err)
{
	pthread_mutex_lock(&c->lock);
	c->threads = c->busy = threads;
	c->seconds = seconds;
	c->operation = operation;
	atomic_store(&c->counting, threads);
	c->argument = argument;
	c->slice++;
	pthread_cond_broadcast(&c->begun);
	while (c->busy > 0)
		pthread_cond_wait(&c->finished, &c->lock);
	pthread_mutex_unlock(&c->lock);
	double cpu = 0;
	uint64_t done = 0;
	*out = (struct crew_slice){ 0 };
	for (size_t i = 0; i < threads; i++) {
		const struct member *m = &c->members[i];
		if (m->error.code != ERR_NONE) {
			*err = m->error;
			return -1;
		}
		out->rate += m->rate;
		cpu += m->cpu;
		done += m->done;
	}
	out->cpu_us = done ? cpu / (double)done * 1e6 : 0;
	return 0;
}
