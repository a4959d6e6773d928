/*
 * base/queue.h - a bounded first-in first-out queue of pointers between threads.
 * The queue never owns what the pointers point to.
 *
 * Thread-safety: every function except queue_new and queue_free may be called from
 * any thread at once.
 */
#ifndef CHANCERY_BASE_QUEUE_H
#define CHANCERY_BASE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue;

struct queue *queue_new(size_t capacity); /* NULL only without memory */
void queue_free(struct queue *q);
/* False where the queue is full or closed; never waits. */
bool queue_push(struct queue *q, void *item);
/* Waits at most timeout_ms (-1: for ever). NULL on time-out, or when closed and empty. */
void *queue_pop(struct queue *q, int64_t timeout_ms);
/* Takes up to max at once without waiting further than for the first. Returns how many. */
size_t queue_pop_many(struct queue *q, void **items, size_t max, int64_t timeout_ms);
/* As queue_pop_many, but waits for `least` items before the time is over. Pushes that leave fewer in it do
 * not wake it: for the queue's one consumer, which gathers. */
size_t queue_pop_gathered(struct queue *q, void **items, size_t max, size_t least, int64_t timeout_ms);
/* As queue_push, and ends any gathering. */
bool queue_push_urgent(struct queue *q, void *item);
/* No more pushes; waiting poppers get what is left, then NULL. */
void queue_close(struct queue *q);
bool queue_closed(struct queue *q);
size_t queue_length(struct queue *q);

#endif
