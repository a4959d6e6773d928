#include <pthread.h>
#include <stdlib.h>

#include "tests/unit/store/fixture.h"

static struct bytes octets(const struct store_serial *serial)
{
	return BYTES(serial->octets, serial->len);
}

static int count_kind(void *arg, const struct store_row *row, struct error *err)
{
	size_t *kinds = arg;
	struct record_unfinished r;
	if (record_unfinished_decode(row->value, &r, err))
		return -1;
	kinds[r.void_]++;
	return 0;
}

/* Serials without certificate: unfinished in [0], void in [1]. */
static void count_unfinished(struct store *s, size_t kinds[2])
{
	struct error err = ERR_INIT;
	auto_store_snapshot *snap = store_snapshot_new(s, &err);
	const struct store_range all = { .reverse = false };
	kinds[0] = kinds[1] = 0;
	CHECK_OK(store_scan(snap, STORE_UNFINISHED, &all, count_kind, kinds, &err) == 0, &err);
}

/* Source: RFC 5280 section 4.1.2.2 */
static void serials_are_positive_minimal_and_grow(void)
{
	struct error err = ERR_INIT;
	struct store *s = fixture_open("s");
	struct store_serial last = { .len = 0 }, serial;
	for (int i = 0; i < 1000; i++) { /* over several blocks, and over the end of a run */
		CHECK_OK(store_serial_take(s, &serial, &err) == 0, &err);
		REQUIRE(serial.len == 19);
		REQUIRE(serial.octets[0] > 0 && serial.octets[0] < 0x80);
		REQUIRE(bytes_compare(octets(&last), octets(&serial)) < 0);
		last = serial;
		if (i % 300 == 299) {
			store_close(s);
			s = fixture_open("s");
		}
	}
	CHECK_INT(fixture_check(s, NULL), 0);
	store_close(s);
}

#define TAKERS ((size_t)4)
#define TAKES ((size_t)500)
static struct store_serial taken[TAKERS * TAKES];

struct taker {
	struct store *store;
	struct store_serial *serials;
	size_t failed;
};

static void *take_many(void *arg)
{
	struct taker *t = arg;
	struct error err = ERR_INIT;
	for (size_t i = 0; i < TAKES; i++)
		t->failed += store_serial_take(t->store, &t->serials[i], &err) != 0;
	return NULL;
}

static int compare_serials(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct store_serial));
}

static void no_serial_is_handed_out_twice(void)
{
	struct store *s = fixture_open("s");
	pthread_t threads[TAKERS];
	struct taker takers[TAKERS];
	memset(taken, 0, sizeof(taken));
	for (size_t i = 0; i < TAKERS; i++) {
		takers[i] = (struct taker){ s, taken + i * TAKES, 0 };
		(void)pthread_create(&threads[i], NULL, take_many, &takers[i]);
	}
	for (size_t i = 0; i < TAKERS; i++) {
		(void)pthread_join(threads[i], NULL);
		CHECK_INT(takers[i].failed, 0);
	}
	qsort(taken, TAKERS * TAKES, sizeof(taken[0]), compare_serials);
	size_t twice = 0;
	for (size_t i = 1; i < TAKERS * TAKES; i++)
		twice += compare_serials(&taken[i - 1], &taken[i]) == 0;
	CHECK_INT(twice, 0);
	store_close(s);
}

static void an_orderly_end_leaves_nothing_open(void)
{
	struct error err = ERR_INIT;
	struct store *s = fixture_open("s");
	for (int i = 0; i < 20; i++)
		CHECK_OK(fixture_issue(s, "dns:a.test", NULL, &err) == 0, &err);
	store_close(s);
	s = fixture_open("s");
	size_t kinds[2];
	count_unfinished(s, kinds);
	CHECK_INT(kinds[0], 0);
	CHECK_INT(kinds[1], 0);
	store_close(s);
}

static void what_was_taken_and_left_is_unfinished_and_what_was_given_back_is_void(void)
{
	struct error err = ERR_INIT;
	struct store *s = fixture_open("s");
	struct store_serial left, back;
	CHECK_OK(store_serial_take(s, &left, &err) == 0, &err);
	CHECK_OK(store_serial_take(s, &back, &err) == 0, &err);
	store_serial_void(s, &back);
	store_serial_void(s, &back);                                     /* twice is once */
	CHECK_OK(fixture_issue(s, "dns:a.test", NULL, &err) == 0, &err); /* the void one rides along */
	size_t kinds[2];
	count_unfinished(s, kinds);
	CHECK_INT(kinds[0], 0);
	CHECK_INT(kinds[1], 1);
	store_close(s);

	s = fixture_open("s");
	count_unfinished(s, kinds);
	CHECK_INT(kinds[0], 1);
	CHECK_INT(kinds[1], 1);
	struct store_status status;
	store_status(s, &status);
	CHECK_INT(status.unfinished, 1);
	struct bytes value;
	auto_store_snapshot *snap = store_snapshot_new(s, &err);
	CHECK_INT(store_get(snap, STORE_UNFINISHED, octets(&left), &value, NULL, &err), 1);
	CHECK_INT(store_get(snap, STORE_UNFINISHED, octets(&back), &value, NULL, &err), 1);
	store_snapshot_free(TAKE(snap));
	CHECK_INT(fixture_check(s, NULL), 0);
	store_close(s);
}

static void a_serial_with_a_certificate_cannot_be_given_back(void)
{
	struct error err = ERR_INIT;
	struct store *s = fixture_open("s");
	struct store_serial serial;
	CHECK_OK(fixture_issue(s, "dns:a.test", &serial, &err) == 0, &err);
	store_serial_void(s, &serial);
	store_serial_void(s, &(struct store_serial){ .octets = { 1 }, .len = 19 }); /* not of this ledger */
	store_serial_void(s, &(struct store_serial){ .octets = { 1 }, .len = 3 });
	store_close(s);
	s = fixture_open("s");
	size_t kinds[2];
	count_unfinished(s, kinds);
	CHECK_INT(kinds[0] + kinds[1], 0);
	CHECK_INT(fixture_check(s, NULL), 0);
	store_close(s);
}

static int64_t settable(void *arg)
{
	return *(int64_t *)arg;
}

static void serials_grow_though_the_clock_goes_back(void)
{
	struct error err = ERR_INIT;
	int64_t now = FIXTURE_NOW_MS;
	struct store_options options = fixture_options("s");
	options.clock = (struct clock){ settable, &now };
	struct store *s = fixture_open_with(&options);
	struct store_serial before, after;
	CHECK_OK(store_serial_take(s, &before, &err) == 0, &err);
	store_close(s);
	now = 1000; /* 1970 */
	s = fixture_open_with(&options);
	CHECK_OK(store_serial_take(s, &after, &err) == 0, &err);
	CHECK(bytes_compare(octets(&before), octets(&after)) < 0);
	store_close(s);
}

static void serials_are_minimal_with_a_clock_that_was_never_set(void)
{
	struct error err = ERR_INIT;
	int64_t now = 0;
	struct store_options options = fixture_options("s");
	options.clock = (struct clock){ settable, &now };
	struct store *s = fixture_open_with(&options);
	struct store_serial serial;
	CHECK_OK(store_serial_take(s, &serial, &err) == 0, &err);
	CHECK(serial.octets[0] > 0);
	store_close(s);
}

SUITE(ledger)
{
	TEST(serials_are_positive_minimal_and_grow);
	TEST(no_serial_is_handed_out_twice);
	TEST(an_orderly_end_leaves_nothing_open);
	TEST(what_was_taken_and_left_is_unfinished_and_what_was_given_back_is_void);
	TEST(a_serial_with_a_certificate_cannot_be_given_back);
	TEST(serials_grow_though_the_clock_goes_back);
	TEST(serials_are_minimal_with_a_clock_that_was_never_set);
}
