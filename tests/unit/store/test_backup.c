#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "base/file.h"
#include "tests/unit/store/fixture_order.h"

struct writing {
	struct store *store;
	atomic_bool stop;
	atomic_size_t issued;
	size_t failed;
};

static void *issue_until_stopped(void *arg)
{
	struct writing *w = arg;
	struct error err = ERR_INIT;
	while (!atomic_load(&w->stop)) {
		w->failed += fixture_issue(w->store, "dns:a.test", NULL, &err) != 0;
		atomic_fetch_add(&w->issued, 1);
	}
	return NULL;
}

static void a_copy_made_while_writing_is_whole(void)
{
	struct error err = ERR_INIT;
	struct store *s = fixture_open("s");
	for (int i = 0; i < 100; i++)
		CHECK_OK(fixture_issue(s, "dns:a.test", NULL, &err) == 0, &err);
	struct writing w = { .store = s };
	pthread_t thread;
	REQUIRE(pthread_create(&thread, NULL, issue_until_stopped, &w) == 0);
	while (atomic_load(&w.issued) < 10)
		(void)sched_yield();
	CHECK_OK(store_backup(s, unit_path("copy"), &err) == 0, &err);
	atomic_store(&w.stop, true);
	(void)pthread_join(thread, NULL);
	CHECK_INT(w.failed, 0);
	store_close(s);

	struct stat status;
	CHECK(stat(unit_path("copy"), &status) == 0 && (status.st_mode & 0777) == 0700);
	CHECK(stat(unit_path("copy/data.mdb"), &status) == 0 && (status.st_mode & 0777) == 0600);
	s = fixture_open("copy");
	CHECK_INT(fixture_check(s, NULL), 0);
	struct store_status counts;
	store_status(s, &counts);
	CHECK(counts.certificates >= 110);
	CHECK_OK(fixture_issue(s, "dns:new.test", NULL, &err) == 0, &err);
	CHECK_INT(fixture_check(s, NULL), 0);
	store_close(s);
}

static void a_copy_has_the_orders_and_accounts_for_their_serials(void)
{
	struct error err = ERR_INIT;
	struct store *s = fixture_open("s");
	struct store_serial serials[2];
	fixture_put_story(s, serials);
	CHECK_OK(store_backup(s, unit_path("copy"), &err) == 0, &err);
	store_close(s);
	s = fixture_open("copy"); /* as after a crash: its ledger is open */
	CHECK_INT(fixture_check(s, NULL), 0);
	CHECK_INT(fixture_count(s, STORE_BY_ORDERED, BYTES_NONE), 2);
	CHECK_INT(fixture_count(s, STORE_BY_LAPSE, BYTES_NONE), 1);
	CHECK_INT(fixture_count(s, STORE_BY_DELIVERY, BYTES_NONE), 1);
	auto_store_snapshot *snap = store_snapshot_new(s, &err);
	struct bytes value;
	for (size_t i = 0; i < 2; i++)
		CHECK_INT(store_get(snap, STORE_UNFINISHED, BYTES(serials[i].octets, serials[i].len), &value, NULL,
				    &err),
			  0);
	store_snapshot_free(TAKE(snap));
	store_close(s);
}

static void refuses_to_copy_over_what_exists(void)
{
	struct error err = ERR_INIT;
	struct store *s = fixture_open("s");
	CHECK_FAILS(store_backup(s, unit_folder(), &err) == -1, &err, ERR_CONFLICT);
	CHECK_FAILS(store_backup(s, unit_path("no/such/folder"), &err) == -1, &err, ERR_IO);
	store_close(s);
}

SUITE(backup)
{
	TEST(a_copy_made_while_writing_is_whole);
	TEST(a_copy_has_the_orders_and_accounts_for_their_serials);
	TEST(refuses_to_copy_over_what_exists);
}
