/*
 * base/wait.h - waiting on a condition until a time of the monotonic clock, which no one sets.
 *
 * Thread-safety: every function works only on its arguments.
 */
#ifndef CHANCERY_BASE_WAIT_H
#define CHANCERY_BASE_WAIT_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

/* A condition whose timed waits go by CLOCK_MONOTONIC. Destroyed by pthread_cond_destroy. */
void wait_cond_init(pthread_cond_t *condition);

/* A time of clock_monotonic_ms, for pthread_cond_timedwait and the like. */
struct timespec wait_until(int64_t monotonic_ms);

#endif
