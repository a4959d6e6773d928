#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/store/fixture_order.h"

static struct bytes octets(const struct store_serial *serial)
{
	return BYTES(serial->octets, serial->len);
}

/* 0 where no record says that the serial has no certificate; 1 unfinished, 2 void. */
static int look_up_unfinished(struct store *s, const struct store_serial *serial)
{
	struct error err = ERR_INIT;
	struct bytes value;
	struct record_unfinished r;
	auto_store_snapshot *snap = store_snapshot_new(s, &err);
	int found = store_get(snap, STORE_UNFINISHED, octets(serial), &value, NULL, &err);
	if (found != 1)
		return found;
	CHECK_OK(record_unfinished_decode(value, &r, &err) == 0, &err);
	return r.void_ ? 2 : 1;
}

static uint64_t count_unfinished(struct store *s)
{
	struct store_status status;
	store_status(s, &status);
	return status.unfinished;
}

static void submit(struct store *s, struct store_batch *b)
{
	struct error err = ERR_INIT;
	if (store_submit_wait(s, b, NULL, &err))
		_exit(7);
}

static struct store_batch *order_batch(struct store *s, const char *id, enum record_order_status status,
				       struct bytes serial)
{
	struct store_batch *b = store_batch_new(s);
	struct record_order *r = fixture_order(id, status, serial);
	r->approval_count = 0;
	r->organization = BYTES_NONE;
	r->organization_version = 0;
	fixture_add_order(b, r);
	return b;
}

static void put_order(struct store *s, const char *id, enum record_order_status status, struct bytes serial)
{
	submit(s, order_batch(s, id, status, serial));
}

static void add_unfinished(struct store_batch *b, struct bytes serial, bool is_void)
{
	auto_buf record = BUF_INIT;
	record_unfinished_encode(&(struct record_unfinished){ .found_ms = 1, .void_ = is_void }, &record);
	store_put(b, STORE_UNFINISHED, serial, buf_bytes(&record));
}

/* The order ends with its certificate, in one batch. */
static void issue_order(struct store *s, const char *id, struct bytes serial, bool keeps)
{
	struct record_certificate *certificate = fixture_certificate("issuing-1", serial, "dns:a.test");
	certificate->order = bytes_of(id);
	struct store_batch *b = fixture_put(s, certificate);
	struct record_order *r = fixture_order(id, ORDER_ISSUED, serial);
	r->approval_count = 0;
	r->organization = BYTES_NONE;
	r->organization_version = 0;
	if (!keeps)
		r->serial = r->tbs = BYTES_NONE;
	fixture_add_order(b, r);
	submit(s, b);
}

/* ---- one crash, with a serial in every place ---- */

enum place { HELD, SIGNING, ISSUED, ISSUED_KEPT, VOIDED, LOST, DENIED_KEPT, REPLACED, LEFT, PLACES };

static void put_everywhere(struct store *s, const struct store_serial serials[PLACES])
{
	put_order(s, "held", ORDER_PENDING_APPROVAL, octets(&serials[REPLACED]));
	put_order(s, "held", ORDER_PENDING_APPROVAL, octets(&serials[HELD])); /* its deadline has passed: another tbs */
	put_order(s, "signing", ORDER_ISSUING, octets(&serials[SIGNING]));
	put_order(s, "issued", ORDER_ISSUING, octets(&serials[ISSUED]));
	issue_order(s, "issued", octets(&serials[ISSUED]), false);
	put_order(s, "kept", ORDER_ISSUING, octets(&serials[ISSUED_KEPT]));
	issue_order(s, "kept", octets(&serials[ISSUED_KEPT]), true);
	put_order(s, "voided", ORDER_PENDING_APPROVAL, octets(&serials[VOIDED]));
	struct store_batch *b = order_batch(s, "voided", ORDER_PENDING_VALIDATION, BYTES_NONE);
	add_unfinished(b, octets(&serials[VOIDED]), true);
	submit(s, b);
	put_order(s, "lost", ORDER_ISSUING, octets(&serials[LOST]));
	put_order(s, "lost", ORDER_FAILED, BYTES_NONE);
	put_order(s, "denied", ORDER_PENDING_APPROVAL, octets(&serials[DENIED_KEPT]));
	put_order(s, "denied", ORDER_DENIED, octets(&serials[DENIED_KEPT]));
}

static void work_and_die(const struct store_options *options, int pipe)
{
	struct error err = ERR_INIT;
	struct store_serial serials[PLACES];
	struct store *s = store_open(options, &err);
	if (!s)
		_exit(5);
	for (size_t i = 0; i < PLACES; i++)
		if (store_serial_take(s, &serials[i], &err))
			_exit(6);
	put_everywhere(s, serials);
	if (write(pipe, serials, sizeof(serials)) != (ssize_t)sizeof(serials))
		_exit(8);
	(void)raise(SIGKILL);
}

static void a_serial_that_stands_in_an_order_outlives_a_crash(void)
{
	struct store_options options = fixture_options("s");
	struct store_serial serials[PLACES];
	int ends[2];
	REQUIRE(pipe(ends) == 0);
	pid_t child = fork();
	REQUIRE(child >= 0);
	if (child == 0)
		work_and_die(&options, ends[1]);
	(void)close(ends[1]);
	CHECK_INT(read(ends[0], serials, sizeof(serials)), sizeof(serials));
	(void)close(ends[0]);
	int status = 0;
	CHECK_INT(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status));

	options.read_only = true; /* as it was left */
	struct store *s = fixture_open_with(&options);
	CHECK_INT(fixture_check(s, NULL), 0);
	store_close(s);
	options.read_only = false;
	s = fixture_open_with(&options);
	static const int expected[PLACES] = { [VOIDED] = 2, [LOST] = 1, [REPLACED] = 1, [LEFT] = 1 };
	for (size_t i = 0; i < PLACES; i++)
		CHECK_INT(look_up_unfinished(s, &serials[i]), expected[i]);
	CHECK_INT(fixture_check(s, NULL), 0);
	store_close(s);
}

/* ---- without a crash ---- */

static void a_serial_taken_out_of_an_order_without_an_account_becomes_unfinished(void)
{
	struct error err = ERR_INIT;
	struct store *s = fixture_open("s");
	struct store_serial serial[2];
	for (size_t i = 0; i < 2; i++)
		CHECK_OK(store_serial_take(s, &serial[i], &err) == 0, &err);
	put_order(s, "o1", ORDER_PENDING_APPROVAL, octets(&serial[0]));
	put_order(s, "o2", ORDER_PENDING_APPROVAL, octets(&serial[1]));
	CHECK_INT(count_unfinished(s), 0);
	put_order(s, "o1", ORDER_EXPIRED, BYTES_NONE);
	CHECK_INT(look_up_unfinished(s, &serial[0]), 1);
	CHECK_INT(count_unfinished(s), 1);
	struct store_batch *b = store_batch_new(s);
	store_delete(b, STORE_ORDERS, bytes_of("o2"));
	submit(s, b);
	CHECK_INT(look_up_unfinished(s, &serial[1]), 1);
	CHECK_INT(count_unfinished(s), 2);
	CHECK_INT(fixture_check(s, NULL), 0);
	store_close(s);
	s = fixture_open("s");
	CHECK_INT(count_unfinished(s), 2);
	store_close(s);
}

static void an_order_gives_its_serial_to_another_without_a_trace(void)
{
	struct error err = ERR_INIT;
	struct store *s = fixture_open("s");
	struct store_serial serial;
	CHECK_OK(store_serial_take(s, &serial, &err) == 0, &err);
	put_order(s, "o1", ORDER_PENDING_APPROVAL, octets(&serial));
	struct store_batch *b = order_batch(s, "o1", ORDER_CANCELLED, BYTES_NONE);
	struct record_order *r = fixture_order("o2", ORDER_PENDING_APPROVAL, octets(&serial));
	r->approval_count = 0;
	r->organization = BYTES_NONE;
	r->organization_version = 0;
	fixture_add_order(b, r);
	submit(s, b);
	CHECK_INT(look_up_unfinished(s, &serial), 0);
	CHECK_INT(fixture_check(s, NULL), 0);
	store_close(s);
}

static void a_serial_that_an_order_holds_cannot_be_given_back(void)
{
	struct error err = ERR_INIT;
	struct store *s = fixture_open("s");
	struct store_serial serial;
	CHECK_OK(store_serial_take(s, &serial, &err) == 0, &err);
	put_order(s, "o1", ORDER_PENDING_APPROVAL, octets(&serial));
	store_serial_void(s, &serial);
	CHECK_OK(fixture_issue(s, "dns:a.test", NULL, &err) == 0, &err);
	store_close(s);
	s = fixture_open("s");
	CHECK_INT(look_up_unfinished(s, &serial), 0);
	CHECK_INT(fixture_check(s, NULL), 0);
	store_close(s);
}

static void a_batch_that_fails_leaves_the_serial_to_who_took_it(void)
{
	struct error err = ERR_INIT;
	struct store *s = fixture_open("s");
	struct store_serial serial;
	CHECK_OK(store_serial_take(s, &serial, &err) == 0, &err);
	struct store_batch *b = order_batch(s, "o1", ORDER_PENDING_APPROVAL, octets(&serial));
	store_expect_version(b, STORE_ORDERS, bytes_of("o1"), 5);
	CHECK_FAILS(store_submit_wait(s, b, NULL, &err) == -1, &err, ERR_CONFLICT);
	store_serial_void(s, &serial);
	CHECK_OK(fixture_issue(s, "dns:a.test", NULL, &err) == 0, &err); /* the void one rides along */
	CHECK_INT(look_up_unfinished(s, &serial), 2);
	store_close(s);
}

/* ---- crashes at any moment ---- */

#define KILLS 12

/* Order after order through all of its states; says each serial once its order is durable. */
static void order_for_ever(const struct store_options *options, unsigned run, int pipe)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	struct error err = ERR_INIT;
	struct store *s = store_open(options, &err);
	if (!s)
		_exit(5);
	for (unsigned number = 0;; number++) {
		char id[32];
		struct store_serial serial;
		(void)snprintf(id, sizeof(id), "o-%u-%u", run, number);
		if (store_serial_take(s, &serial, &err))
			_exit(6);
		put_order(s, id, ORDER_PENDING_APPROVAL, octets(&serial));
		if (write(pipe, &serial, sizeof(serial)) != (ssize_t)sizeof(serial))
			_exit(8);
		put_order(s, id, ORDER_ISSUING, octets(&serial));
		issue_order(s, id, octets(&serial), number % 2 == 0);
	}
}

/* Reads serials until the child has ended, which is killed after life_ms. */
static size_t listen_and_kill(int pipe, pid_t child, int64_t life_ms, struct store_serial *heard, size_t most)
{
	int64_t end = clock_monotonic_ms() + life_ms;
	bool killed = false;
	size_t count = 0;
	for (;;) {
		struct pollfd readable = { .fd = pipe, .events = POLLIN };
		(void)poll(&readable, 1, 2);
		if (!killed && (clock_monotonic_ms() >= end || count == most - 1)) {
			(void)kill(child, SIGKILL);
			killed = true;
		}
		if (!readable.revents)
			continue;
		if (count == most || read(pipe, &heard[count], sizeof(*heard)) != (ssize_t)sizeof(*heard))
			break;
		count++;
	}
	(void)kill(child, SIGKILL);
	int status = 0;
	CHECK_INT(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	return count;
}

static void no_crash_makes_an_orders_serial_unfinished_or_lets_it_stand_twice(void)
{
	static struct store_serial heard[100000];
	const struct store_options options = fixture_options("s");
	size_t all = 0;
	for (unsigned run = 0; run < KILLS; run++) {
		int ends[2];
		REQUIRE(pipe(ends) == 0);
		pid_t child = fork();
		REQUIRE(child >= 0);
		if (child == 0)
			order_for_ever(&options, run, ends[1]);
		(void)close(ends[1]);
		size_t count = listen_and_kill(ends[0], child, 20 + 17 * run, heard, sizeof(heard) / sizeof(heard[0]));
		(void)close(ends[0]);
		struct store *s = fixture_open_with(&options);
		size_t unfinished = 0;
		for (size_t i = 0; i < count; i++)
			unfinished += look_up_unfinished(s, &heard[i]) != 0;
		CHECK_INT(unfinished, 0);
		CHECK_INT(fixture_check(s, NULL), 0);
		store_close(s);
		all += count;
	}
	CHECK(all > KILLS);
}

SUITE(ledger_old)
{
	TEST(a_serial_that_stands_in_an_order_outlives_a_crash);
	TEST(a_serial_taken_out_of_an_order_without_an_account_becomes_unfinished);
	TEST(an_order_gives_its_serial_to_another_without_a_trace);
	TEST(a_serial_that_an_order_holds_cannot_be_given_back);
	TEST(a_batch_that_fails_leaves_the_serial_to_who_took_it);
	TEST(no_crash_makes_an_orders_serial_unfinished_or_lets_it_stand_twice);
}
