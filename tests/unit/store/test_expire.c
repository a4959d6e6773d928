#include <stdio.h>
#include <unistd.h>

#include "tests/unit/store/fixture_order.h"

#define DAY_MS ((int64_t)86400000)

static int64_t now_ms(void)
{
	return clock_system().now_ms(NULL);
}

static uint64_t count(struct store *s, enum store_table table)
{
	struct error err = ERR_INIT;
	auto_store_snapshot *snap = store_snapshot_new(s, &err);
	uint64_t n = 0;
	CHECK_OK(store_count(snap, table, &n, &err) == 0, &err);
	return n;
}

/* Until so many are left; in the background it takes as many commits as it needs. */
static void expire_until(struct store *s, enum store_table table, uint64_t left)
{
	store_expire(s);
	int64_t end = clock_monotonic_ms() + 10000;
	while (count(s, table) > left && clock_monotonic_ms() < end)
		(void)usleep(1000);
	CHECK_INT(count(s, table), left);
}

static void submit(struct store *s, struct store_batch *b)
{
	struct error err = ERR_INIT;
	CHECK_OK(store_submit_wait(s, b, NULL, &err) == 0, &err);
}

static void put_request(struct store *s, unsigned number, int64_t expires_s)
{
	char name[16];
	(void)snprintf(name, sizeof(name), "%u", number);
	auto_buf key = BUF_INIT, record = BUF_INIT;
	const struct record_request r = { .issuer = bytes_of("ca"), .serial = bytes_of("\1"), .expires_s = expires_s };
	record_key_request(&key, bytes_of("ann"), bytes_of(name));
	record_request_encode(&r, &record);
	struct store_batch *b = store_batch_new(s);
	store_put(b, STORE_REQUESTS, buf_bytes(&key), buf_bytes(&record));
	submit(s, b);
}

static void requests_that_have_ended_are_forgotten_and_no_others(void)
{
	struct store *s = fixture_open("s");
	int64_t now_s = now_ms() / 1000;
	for (unsigned i = 0; i < 20; i++)
		put_request(s, i, i < 15 ? now_s - 10 : now_s + 3600);
	CHECK_INT(count(s, STORE_REQUESTS), 20);
	expire_until(s, STORE_REQUESTS, 5);
	CHECK_INT(fixture_count(s, STORE_BY_EXPIRY, BYTES_NONE), 5);
	CHECK_INT(fixture_check(s, NULL), 0);
	store_close(s);
}

static void authorizations_that_have_lapsed_are_forgotten_and_no_others(void)
{
	struct store *s = fixture_open("s");
	int64_t now_s = now_ms() / 1000;
	struct store_batch *b = store_batch_new(s);
	for (unsigned i = 0; i < 20; i++) {
		char name[32];
		(void)snprintf(name, sizeof(name), "dns:%u.test", i);
		fixture_add_authorization(b, i % 2 ? "ann" : "org:a", name, i < 15 ? now_s - 10 : now_s + 3600);
	}
	submit(s, b);
	expire_until(s, STORE_AUTHORIZATIONS, 5);
	CHECK_INT(fixture_count(s, STORE_BY_LAPSE, BYTES_NONE), 5);
	CHECK_INT(fixture_check(s, NULL), 0);
	store_close(s);
}

static void deliveries_are_forgotten_when_they_are_dead_and_thirty_days_old(void)
{
	struct store *s = fixture_open("s");
	int64_t now = now_ms();
	struct store_batch *b = store_batch_new(s);
	for (uint64_t i = 0; i < 4; i++) {
		fixture_add_delivery(b, i, now - 31 * DAY_MS - (int64_t)i, 0);
		fixture_add_delivery(b, i, now - 29 * DAY_MS, 0);             /* an operator may still look */
		fixture_add_delivery(b, i, now - 40 * DAY_MS, now + 1000000); /* is tried still */
	}
	submit(s, b);
	CHECK_INT(count(s, STORE_DELIVERIES), 12);
	expire_until(s, STORE_DELIVERIES, 8);
	CHECK_INT(fixture_count(s, STORE_BY_DELIVERY, BYTES_NONE), 4);
	CHECK_INT(fixture_check(s, NULL), 0);
	store_close(s);
}

static void more_than_one_commit_forgets_are_forgotten_by_several(void)
{
	struct store *s = fixture_open("s");
	struct store_batch *b = store_batch_new(s);
	for (uint64_t i = 0; i < 1300; i++) {
		char name[32];
		(void)snprintf(name, sizeof(name), "dns:%llu.test", (unsigned long long)i);
		fixture_add_authorization(b, "ann", name, 1);
		fixture_add_delivery(b, i, 1, 0);
	}
	submit(s, b);
	struct store_status before, after;
	store_status(s, &before);
	expire_until(s, STORE_DELIVERIES, 0);
	store_status(s, &after);
	CHECK_INT(count(s, STORE_AUTHORIZATIONS), 0);
	CHECK(after.commits - before.commits >= 2600 / 500);
	CHECK_INT(fixture_check(s, NULL), 0);
	store_close(s);
}

/* What is put again while it is being forgotten stays: the choice is older than the batch. */
static void what_is_renewed_meanwhile_stays(void)
{
	struct store *s = fixture_open("s");
	int64_t now_s = now_ms() / 1000;
	for (unsigned round = 0; round < 50; round++) {
		struct store_batch *b = store_batch_new(s);
		fixture_add_authorization(b, "ann", "dns:a.test", now_s - 10);
		submit(s, b);
		store_expire(s);
		b = store_batch_new(s);
		fixture_add_authorization(b, "ann", "dns:a.test", now_s + 3600);
		submit(s, b);
		CHECK_INT(count(s, STORE_AUTHORIZATIONS), 1);
	}
	store_close(s);
}

SUITE(expire)
{
	TEST(requests_that_have_ended_are_forgotten_and_no_others);
	TEST(authorizations_that_have_lapsed_are_forgotten_and_no_others);
	TEST(deliveries_are_forgotten_when_they_are_dead_and_thirty_days_old);
	TEST(more_than_one_commit_forgets_are_forgotten_by_several);
	TEST(what_is_renewed_meanwhile_stays);
}
