#include "base/queue.h"

#include <pthread.h>

#include "base/clock.h"
#include "tests/unit/unit.h"

CLEANUP_POINTER(queue, struct queue, queue_free)
#define auto_queue CLEANUP(queue_cleanup) struct queue

static void items_come_out_in_the_order_they_went_in(void)
{
	auto_queue *q = queue_new(3);
	int items[4];
	REQUIRE(q != NULL);
	for (int round = 0; round < 5; round++) { /* round the ring */
		for (size_t i = 0; i < 2; i++)
			CHECK(queue_push(q, &items[i]));
		CHECK_INT(queue_length(q), 2);
		CHECK(queue_pop(q, 0) == &items[0]);
		CHECK(queue_pop(q, -1) == &items[1]);
	}
	CHECK(queue_pop(q, 0) == NULL);
}

static void full_queue_refuses_without_waiting(void)
{
	auto_queue *q = queue_new(2);
	int item;
	REQUIRE(q != NULL);
	CHECK(queue_push(q, &item));
	CHECK(queue_push(q, &item));
	CHECK(!queue_push(q, &item));
	(void)queue_pop(q, 0);
	CHECK(queue_push(q, &item));
}

static void pop_ends_at_its_timeout(void)
{
	auto_queue *q = queue_new(1);
	REQUIRE(q != NULL);
	int64_t before = clock_monotonic_ms();
	CHECK(queue_pop(q, 30) == NULL);
	int64_t took = clock_monotonic_ms() - before;
	CHECK(took >= 29 && took < 5000);
}

static void many_are_taken_at_once_up_to_the_maximum(void)
{
	auto_queue *q = queue_new(8);
	int items[5];
	void *taken[8];
	REQUIRE(q != NULL);
	for (size_t i = 0; i < 5; i++)
		CHECK(queue_push(q, &items[i]));
	CHECK_INT(queue_pop_many(q, taken, 3, -1), 3);
	CHECK(taken[0] == &items[0] && taken[2] == &items[2]);
	CHECK_INT(queue_pop_many(q, taken, 8, -1), 2);
	CHECK_INT(queue_pop_many(q, taken, 8, 0), 0);
}

static void closed_queue_gives_what_is_left_then_nothing(void)
{
	auto_queue *q = queue_new(2);
	int item;
	REQUIRE(q != NULL);
	CHECK(queue_push(q, &item));
	CHECK(!queue_closed(q));
	queue_close(q);
	CHECK(queue_closed(q));
	CHECK(!queue_push(q, &item));
	CHECK(queue_pop(q, -1) == &item);
	CHECK(queue_pop(q, -1) == NULL);
}

static void *wait_for_item(void *queue)
{
	return queue_pop(queue, -1);
}

static void closing_wakes_every_waiting_popper(void)
{
	auto_queue *q = queue_new(1);
	pthread_t threads[3];
	REQUIRE(q != NULL);
	for (size_t i = 0; i < 3; i++)
		REQUIRE(pthread_create(&threads[i], NULL, wait_for_item, q) == 0);
	queue_close(q);
	for (size_t i = 0; i < 3; i++) {
		void *item = q;
		(void)pthread_join(threads[i], &item);
		CHECK(item == NULL);
	}
}

#define ITEMS 20000

static void *push_all(void *queue)
{
	static uint8_t places[ITEMS];
	for (size_t i = 0; i < ITEMS; i++)
		while (!queue_push(queue, &places[i]))
			(void)usleep(10);
	return NULL;
}

static void *count_items(void *queue)
{
	uintptr_t count = 0;
	void *items[16];
	for (size_t taken; (taken = queue_pop_many(queue, items, 16, -1)) > 0;)
		count += taken;
	return (void *)count;
}

static void several_threads_lose_and_double_nothing(void)
{
	auto_queue *q = queue_new(64);
	pthread_t pushing[2], popping[2];
	REQUIRE(q != NULL);
	for (size_t i = 0; i < 2; i++) {
		REQUIRE(pthread_create(&popping[i], NULL, count_items, q) == 0);
		REQUIRE(pthread_create(&pushing[i], NULL, push_all, q) == 0);
	}
	for (size_t i = 0; i < 2; i++)
		(void)pthread_join(pushing[i], NULL);
	queue_close(q);
	uintptr_t total = 0;
	for (size_t i = 0; i < 2; i++) {
		void *count;
		(void)pthread_join(popping[i], &count);
		total += (uintptr_t)count;
	}
	CHECK_INT(total, 2 * ITEMS);
}

static void *push_three(void *arg)
{
	static int items[3];
	for (size_t i = 0; i < 3; i++)
		CHECK(queue_push(arg, &items[i]));
	return NULL;
}

static void *push_urgently(void *arg)
{
	static int item;
	CHECK(queue_push_urgent(arg, &item));
	return NULL;
}

static void gathering_ends_with_enough_items_an_urgent_one_or_the_time(void)
{
	struct queue *q = queue_new(8);
	void *items[8];
	pthread_t other;
	REQUIRE(q != NULL);
	REQUIRE(pthread_create(&other, NULL, push_three, q) == 0);
	CHECK_INT(queue_pop_gathered(q, items, 8, 3, 10000), 3);
	(void)pthread_join(other, NULL);

	REQUIRE(pthread_create(&other, NULL, push_urgently, q) == 0);
	int64_t begun_ms = clock_monotonic_ms();
	CHECK_INT(queue_pop_gathered(q, items, 8, 3, 10000), 1);
	CHECK(clock_monotonic_ms() - begun_ms < 9000);
	(void)pthread_join(other, NULL);

	CHECK(queue_push(q, items));
	CHECK_INT(queue_pop_gathered(q, items, 8, 2, 10), 1);
	queue_free(q);
}

SUITE(queue)
{
	TEST(gathering_ends_with_enough_items_an_urgent_one_or_the_time);
	TEST(items_come_out_in_the_order_they_went_in);
	TEST(full_queue_refuses_without_waiting);
	TEST(pop_ends_at_its_timeout);
	TEST(many_are_taken_at_once_up_to_the_maximum);
	TEST(closed_queue_gives_what_is_left_then_nothing);
	TEST(closing_wakes_every_waiting_popper);
	TEST(several_threads_lose_and_double_nothing);
}
