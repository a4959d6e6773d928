/*
 * tests/bench/support/crew.h - threads that do one thing over and over for a slice of time.
 *
 * They stay from slice to slice: a new thread would pay, in its first slice, for what libraries
 * keep for each thread (random generators, error queues, memory).
 */
#ifndef CHANCERY_TESTS_BENCH_SUPPORT_CREW_H
#define CHANCERY_TESTS_BENCH_SUPPORT_CREW_H

#include "base/cleanup.h"
#include "base/err.h"

#define CREW_MAX 8

struct crew;

/* NULL: ERR_INTERNAL. Both from one thread. */
struct crew *crew_new(struct error *err);
void crew_free(struct crew *c);

/* One operation, by the thread of this number (0 to CREW_MAX - 1). 0, or -1 with err. */
typedef int crew_operation(void *argument, size_t number, struct error *err);

struct crew_slice {
	double rate;   /* operations a second, of all threads together */
	double cpu_us; /* of the threads, each operation */
};

/* Lets so many threads repeat operation for so many seconds, and to the end of the last one.
 * The first failure of any of them is the slice's. */
int crew_run(struct crew *c, size_t threads, double seconds, crew_operation *operation, void *argument,
	     struct crew_slice *out, struct error *err);

CLEANUP_POINTER(crew, struct crew, crew_free)
#define auto_crew CLEANUP(crew_cleanup) struct crew

#endif
