#include <openssl/rand.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/store/fixture.h"

#define KILLS 30
#define IN_FLIGHT 32

/* ---- the child: issues as fast as it can, and says what it took and what was acknowledged ---- */

struct issuer {
	struct store *store;
	int pipe;
	sem_t places;
};

struct issued {
	struct issuer *issuer;
	struct store_serial serial;
};

static void say(const struct issuer *i, char what, const struct store_serial *serial)
{
	char message[1 + sizeof(*serial)] = { what };
	memcpy(message + 1, serial, sizeof(*serial));
	if (write(i->pipe, message, sizeof(message)) != (ssize_t)sizeof(message))
		_exit(1);
}

static void acknowledge(void *arg, const struct store_outcome *outcome)
{
	struct issued *issued = arg;
	if (outcome->result != STORE_COMMITTED)
		_exit(2);
	say(issued->issuer, 'A', &issued->serial);
	(void)sem_post(&issued->issuer->places);
	free(issued);
}

static void issue_one(struct issuer *i, unsigned number)
{
	struct error err = ERR_INIT;
	struct issued *issued = calloc(1, sizeof(*issued));
	issued->issuer = i;
	if (store_serial_take(i->store, &issued->serial, &err))
		_exit(3);
	say(i, 'T', &issued->serial);
	if (number % 50 == 7) {
		store_serial_void(i->store, &issued->serial);
		free(issued);
		return;
	}
	char name[64];
	(void)snprintf(name, sizeof(name), "dns:host-%u.example.test", number);
	struct store_batch *b =
		fixture_put(i->store,
			    fixture_certificate("issuing-1", BYTES(issued->serial.octets, issued->serial.len), name));
	store_append(b, "audit-node-1", bytes_of(name));
	(void)sem_wait(&i->places);
	if (store_submit(i->store, b, acknowledge, issued, &err))
		_exit(4);
}

static void issue_for_ever(const struct store_options *options, int pipe)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	struct error err = ERR_INIT;
	struct issuer i = { .pipe = pipe };
	(void)sem_init(&i.places, 0, IN_FLIGHT);
	i.store = store_open(options, &err);
	if (!i.store)
		_exit(5);
	for (unsigned number = 0;; number++)
		issue_one(&i, number);
}

/* ---- the parent: listens, and kills at a random moment ---- */

struct heard {
	struct store_serial *taken, *acknowledged;
	size_t taken_count, acknowledged_count, capacity;
};

static void hear(struct heard *h, const char *message)
{
	if (h->taken_count == h->capacity) {
		h->capacity = h->capacity ? 2 * h->capacity : 4096;
		h->taken = realloc(h->taken, h->capacity * sizeof(*h->taken));
		h->acknowledged = realloc(h->acknowledged, h->capacity * sizeof(*h->acknowledged));
		if (!h->taken || !h->acknowledged)
			abort();
	}
	struct store_serial *to =
		message[0] == 'T' ? &h->taken[h->taken_count++] : &h->acknowledged[h->acknowledged_count++];
	memcpy(to, message + 1, sizeof(*to));
}

static void listen_and_kill(int pipe, pid_t child, int64_t life_ms, struct heard *h)
{
	char message[1 + sizeof(struct store_serial)];
	int64_t end = clock_monotonic_ms() + life_ms;
	bool killed = false;
	for (;;) {
		struct pollfd readable = { .fd = pipe, .events = POLLIN };
		(void)poll(&readable, 1, 5);
		if (!killed && clock_monotonic_ms() >= end) {
			(void)kill(child, SIGKILL);
			killed = true;
		}
		if (!readable.revents)
			continue;
		ssize_t got = read(pipe, message, sizeof(message));
		if (got != (ssize_t)sizeof(message))
			break; /* the child has ended */
		hear(h, message);
	}
	int status = 0;
	CHECK_INT(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void run_once(const struct store_options *options, struct heard *h)
{
	int ends[2];
	uint8_t random = 0;
	REQUIRE(pipe(ends) == 0 && RAND_bytes(&random, 1) == 1);
	pid_t child = fork();
	REQUIRE(child >= 0);
	if (child == 0) {
		(void)close(ends[0]);
		(void)close(STDERR_FILENO); /* its warnings about the kill before are expected */
		issue_for_ever(options, ends[1]);
	}
	(void)close(ends[1]);
	listen_and_kill(ends[0], child, 20 + random / 2, h);
	(void)close(ends[0]);
}

static int compare_serials(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct store_serial));
}

static size_t count_twice(struct store_serial *serials, size_t count)
{
	qsort(serials, count, sizeof(*serials), compare_serials);
	size_t twice = 0;
	for (size_t i = 1; i < count; i++)
		twice += compare_serials(&serials[i - 1], &serials[i]) == 0;
	return twice;
}

static bool is_recorded(struct store_snapshot *snap, const struct store_serial *serial)
{
	struct error err = ERR_INIT;
	struct bytes value, octets = BYTES(serial->octets, serial->len);
	auto_buf key = BUF_INIT;
	record_key_certificate(&key, bytes_of("issuing-1"), octets);
	return store_get(snap, STORE_CERTIFICATES, buf_bytes(&key), &value, NULL, &err) == 1;
}

static bool is_unfinished(struct store_snapshot *snap, const struct store_serial *serial)
{
	struct error err = ERR_INIT;
	struct bytes value, octets = BYTES(serial->octets, serial->len);
	return store_get(snap, STORE_UNFINISHED, octets, &value, NULL, &err) == 1;
}

static void a_killed_writer_loses_nothing_that_it_acknowledged(void)
{
	struct error err = ERR_INIT;
	const struct store_options options = fixture_options("s");
	struct heard h = { .capacity = 0 };
	for (int i = 0; i < KILLS; i++)
		run_once(&options, &h);

	struct store *s = fixture_open_with(&options); /* settles the last run */
	CHECK_INT(fixture_check(s, NULL), 0);
	auto_store_snapshot *snap = store_snapshot_new(s, &err);
	size_t lost = 0, unaccounted = 0;
	for (size_t i = 0; i < h.acknowledged_count; i++)
		lost += !is_recorded(snap, &h.acknowledged[i]);
	for (size_t i = 0; i < h.taken_count; i++)
		unaccounted += is_recorded(snap, &h.taken[i]) == is_unfinished(snap, &h.taken[i]);
	CHECK(h.acknowledged_count > KILLS);
	CHECK_INT(lost, 0);
	CHECK_INT(unaccounted, 0);
	CHECK_INT(count_twice(h.taken, h.taken_count), 0);
	CHECK_INT(count_twice(h.acknowledged, h.acknowledged_count), 0);
	store_snapshot_free(TAKE(snap));
	store_close(s);
	free(h.taken);
	free(h.acknowledged);
}

/* ---- gathering ---- */

static void count_done(void *arg, const struct store_outcome *outcome)
{
	CHECK_INT(outcome->result, STORE_COMMITTED);
	(void)sem_post(arg);
}

/* Two batches, the second a moment after the first; returns the commits that carried them. */
static uint64_t submit_two(struct store *s, bool announced)
{
	struct error err = ERR_INIT;
	sem_t answered;
	(void)sem_init(&answered, 0, 0);
	struct store_status before, after;
	store_status(s, &before);
	if (announced)
		store_coming(s, 3);
	for (int i = 0; i < 2; i++) {
		struct store_batch *b = store_batch_new(s);
		store_put(b, STORE_META, bytes_of("a"), bytes_of("v"));
		CHECK_OK(store_submit(s, b, count_done, &answered, &err) == 0, &err);
		(void)usleep(200); /* the writer, where it does not wait, is in its commit by now */
	}
	if (announced)
		store_coming(s, -3);
	(void)sem_wait(&answered);
	(void)sem_wait(&answered);
	store_status(s, &after);
	return after.commits - before.commits;
}

static void a_commit_waits_for_batches_that_are_on_the_way(void)
{
	struct store *s = fixture_open("s");
	int together = 0, apart = 0;
	for (int i = 0; i < 50; i++) { /* a busy machine may break up a pair */
		together += submit_two(s, true) == 1;
		apart += submit_two(s, false) == 2;
	}
	CHECK(together > 0);
	CHECK(apart > 0);
	store_close(s);
}

static void what_was_announced_and_does_not_come_holds_nothing_up(void)
{
	struct error err = ERR_INIT;
	struct store *s = fixture_open("s");
	store_coming(s, 100);
	int64_t start = clock_monotonic_ms();
	for (int i = 0; i < 10; i++)
		CHECK_OK(fixture_issue(s, "dns:a.test", NULL, &err) == 0, &err);
	CHECK(clock_monotonic_ms() - start < 2000);
	store_close(s);
}

SUITE(write)
{
	TEST(a_killed_writer_loses_nothing_that_it_acknowledged);
	TEST(a_commit_waits_for_batches_that_are_on_the_way);
	TEST(what_was_announced_and_does_not_come_holds_nothing_up);
}
