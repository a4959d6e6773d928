/*
 * httpd/validate/pool.h - jobs on threads: a bounded number at once, a bounded number that wait. Threads come when they
 * are needed, and go when there is nothing to do. Private to httpd/validate.
 *
 * Thread-safety: pool_submit from any thread.
 */
#ifndef CHANCERY_HTTPD_VALIDATE_POOL_H
#define CHANCERY_HTTPD_VALIDATE_POOL_H

#include "base/err.h"

struct pool;

/* Every job begins with this, is made by malloc, and is the pool's once it was submitted: freed after its run. */
struct pool_job {
	struct pool_job *next;
	void (*run)(struct pool_job *job);
};

struct pool *pool_new(unsigned threads_max, size_t waiting_max, struct error *err);
/* False where too many wait already, or no thread can be had: then the job is still the caller's. */
bool pool_submit(struct pool *pool, struct pool_job *job);
/* Takes no more; frees what waits; waits for those that run. */
void pool_free(struct pool *pool);

#endif
