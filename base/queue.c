#include "base/queue.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/wait.h"

struct queue {
	pthread_mutex_t lock; /* for all that follows */
	pthread_cond_t changed;
	size_t capacity, first, count;
	size_t least; /* so many items wake a consumer: 1 but while one gathers */
	bool urgent;  /* an item stands in it that is not to wait for others */
	bool closed;
	void *items[]; /* a ring of capacity places */
};

struct queue *queue_new(size_t capacity)
{
	if (capacity > SIZE_MAX / sizeof(void *) / 2)
		return NULL;
	struct queue *q = calloc(1, sizeof(*q) + capacity * sizeof(q->items[0]));
	if (!q)
		return NULL;
	q->capacity = capacity;
	q->least = 1;
	(void)pthread_mutex_init(&q->lock, NULL);
	wait_cond_init(&q->changed);
	return q;
}

void queue_free(struct queue *q)
{
	if (!q)
		return;
	(void)pthread_cond_destroy(&q->changed);
	(void)pthread_mutex_destroy(&q->lock);
	free(q);
}

static bool push(struct queue *q, void *item, bool urgent)
{
	(void)pthread_mutex_lock(&q->lock);
	bool accepted = !q->closed && q->count < q->capacity;
	if (accepted) {
		q->items[(q->first + q->count) % q->capacity] = item;
		q->count++;
		q->urgent = q->urgent || urgent;
		if (q->count >= q->least || urgent)
			(void)pthread_cond_signal(&q->changed);
	}
	(void)pthread_mutex_unlock(&q->lock);
	return accepted;
}

bool queue_push(struct queue *q, void *item)
{
	return push(q, item, false);
}

bool queue_push_urgent(struct queue *q, void *item)
{
	return push(q, item, true);
}

static bool is_enough(const struct queue *q)
{
	return q->count >= q->least || q->urgent || q->closed;
}

/* With the lock held. */
static void wait_for_items(struct queue *q, int64_t timeout_ms)
{
	if (timeout_ms < 0) {
		while (!is_enough(q))
			(void)pthread_cond_wait(&q->changed, &q->lock);
		return;
	}
	struct timespec until = wait_until(clock_monotonic_ms() + timeout_ms);
	while (!is_enough(q))
		if (pthread_cond_timedwait(&q->changed, &q->lock, &until) != 0)
			return;
}

size_t queue_pop_gathered(struct queue *q, void **items, size_t max, size_t least, int64_t timeout_ms)
{
	(void)pthread_mutex_lock(&q->lock);
	q->least = least > 0 ? least : 1;
	wait_for_items(q, timeout_ms);
	q->least = 1;
	q->urgent = false;
	size_t taken = 0;
	while (taken < max && q->count > 0) {
		items[taken++] = q->items[q->first];
		q->first = (q->first + 1) % q->capacity;
		q->count--;
	}
	(void)pthread_mutex_unlock(&q->lock);
	return taken;
}

size_t queue_pop_many(struct queue *q, void **items, size_t max, int64_t timeout_ms)
{
	return queue_pop_gathered(q, items, max, 1, timeout_ms);
}

void *queue_pop(struct queue *q, int64_t timeout_ms)
{
	void *item = NULL;
	(void)queue_pop_many(q, &item, 1, timeout_ms);
	return item;
}

void queue_close(struct queue *q)
{
	(void)pthread_mutex_lock(&q->lock);
	q->closed = true;
	(void)pthread_cond_broadcast(&q->changed);
	(void)pthread_mutex_unlock(&q->lock);
}

bool queue_closed(struct queue *q)
{
	(void)pthread_mutex_lock(&q->lock);
	bool closed = q->closed;
	(void)pthread_mutex_unlock(&q->lock);
	return closed;
}

size_t queue_length(struct queue *q)
{
	(void)pthread_mutex_lock(&q->lock);
	size_t count = q->count;
	(void)pthread_mutex_unlock(&q->lock);
	return count;
}
