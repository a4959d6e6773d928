#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "store/private.h"
#include "tests/unit/store/fixture_order.h"

static void a_second_opener_is_told_who_holds_the_store(void)
{
	struct error err = ERR_INIT;
	const struct store_options options = fixture_options("s");
	struct store *s = fixture_open_with(&options);
	CHECK_FAILS(store_open(&options, &err) == NULL, &err, ERR_CONFLICT);
	char pid[32];
	(void)snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
	CHECK(strstr(err.message, pid) != NULL);
	CHECK_OK(fixture_issue(s, "dns:a.test", NULL, &err) == 0, &err); /* and the first is not disturbed */
	store_close(s);
	s = fixture_open_with(&options);
	store_close(s);
}

static void a_store_is_made_only_where_that_is_asked_for(void)
{
	struct error err = ERR_INIT;
	struct store_options options = fixture_options("s");
	options.create = false;
	CHECK_FAILS(store_open(&options, &err) == NULL, &err, ERR_NOT_FOUND);
	options.read_only = options.create = true;
	CHECK_FAILS(store_open(&options, &err) == NULL, &err, ERR_NOT_FOUND);
	CHECK(!file_exists(unit_path("s/data.mdb")));
	options.node = "Not a node";
	CHECK_FAILS(store_open(&options, &err) == NULL, &err, ERR_CONFIG);
}

/* Writes another format number, as a newer program would. */
static void set_format(const char *path, uint32_t format)
{
	MDB_env *env = NULL;
	MDB_txn *txn = NULL;
	MDB_dbi dbi;
	uint8_t octets[4] = { (uint8_t)(format >> 24), (uint8_t)(format >> 16), (uint8_t)(format >> 8),
			      (uint8_t)format };
	MDB_val key = { 6, (char[]){ 'f', 'o', 'r', 'm', 'a', 't' } }, value = { 4, octets };
	REQUIRE(mdb_env_create(&env) == 0 && mdb_env_set_maxdbs(env, 4) == 0 && mdb_env_open(env, path, 0, 0600) == 0);
	REQUIRE(mdb_txn_begin(env, NULL, 0, &txn) == 0 && mdb_dbi_open(txn, "system", 0, &dbi) == 0);
	REQUIRE(mdb_put(txn, dbi, &key, &value, 0) == 0 && mdb_txn_commit(txn) == 0);
	mdb_env_close(env);
}

static void refuses_a_newer_format_and_says_which_it_knows(void)
{
	struct error err = ERR_INIT;
	const struct store_options options = fixture_options("s");
	store_close(fixture_open_with(&options));
	set_format(options.path, 7);
	CHECK_FAILS(store_open(&options, &err) == NULL, &err, ERR_INTEGRITY);
	CHECK(strstr(err.message, "format 7") != NULL);
	CHECK(strstr(err.message, "up to 2") != NULL);
	set_format(options.path, STORE_FORMAT);
	store_close(fixture_open_with(&options));
}

/* Makes the store one of format 1: without what format 2 brought. */
static void make_old(const char *path)
{
	MDB_env *env = NULL;
	MDB_txn *txn = NULL;
	MDB_dbi dbi;
	REQUIRE(mdb_env_create(&env) == 0 && mdb_env_set_maxdbs(env, 64) == 0 && mdb_env_open(env, path, 0, 0600) == 0);
	REQUIRE(mdb_txn_begin(env, NULL, 0, &txn) == 0);
	for (enum store_table i = STORE_ORDERS; i < STORE_TABLE_COUNT; i++)
		REQUIRE(mdb_dbi_open(txn, store_table_name(i), 0, &dbi) == 0 && mdb_drop(txn, dbi, 1) == 0);
	for (enum store_index i = STORE_BY_ORDERED; i < STORE_INDEX_COUNT; i++)
		REQUIRE(mdb_dbi_open(txn, store_index_name(i), 0, &dbi) == 0 && mdb_drop(txn, dbi, 1) == 0);
	REQUIRE(mdb_txn_commit(txn) == 0);
	mdb_env_close(env);
	set_format(path, 1);
}

static struct store_options make_old_store(struct store_serial *serial)
{
	struct error err = ERR_INIT;
	const struct store_options options = fixture_options("s");
	struct store *s = fixture_open_with(&options);
	CHECK_OK(fixture_issue(s, "dns:a.test", serial, &err) == 0, &err);
	store_close(s);
	make_old(options.path);
	return options;
}

static void a_store_of_the_older_format_is_brought_up_to_date_with_all_that_it_has(void)
{
	struct store_serial serial, serials[2];
	struct store_options options = make_old_store(&serial);
	options.create = false;
	for (int times = 0; times < 2; times++) { /* the second time it is up to date */
		struct store *s = fixture_open_with(&options);
		CHECK_INT(fixture_find(s, "issuing-1", BYTES(serial.octets, serial.len), NULL, NULL), 1);
		CHECK_INT(fixture_check(s, NULL), 0);
		if (times == 0)
			fixture_put_story(s, serials);
		CHECK_INT(fixture_count(s, STORE_BY_ORDERED, BYTES_NONE), 2);
		CHECK_INT(fixture_check(s, NULL), 0);
		store_close(s);
	}
}

static int never(void *arg, const struct store_row *row, struct error *err)
{
	(void)arg;
	(void)row;
	return err_set(err, ERR_INTERNAL, "nothing can be there");
}

/* What a format-1 store has not got is empty for who reads it. */
static void a_store_of_the_older_format_can_be_read_checked_and_copied_as_it_is(void)
{
	struct error err = ERR_INIT;
	struct store_serial serial;
	struct store_options options = make_old_store(&serial);
	options.read_only = true;
	struct store *s = fixture_open_with(&options);
	CHECK_INT(fixture_check(s, NULL), 0);
	CHECK_INT(fixture_find(s, "issuing-1", BYTES(serial.octets, serial.len), NULL, NULL), 1);
	auto_store_snapshot *snap = store_snapshot_new(s, &err);
	const struct store_range all = { .reverse = false }, back = { .reverse = true };
	for (enum store_table i = STORE_ORDERS; i < STORE_TABLE_COUNT; i++) {
		struct bytes value;
		uint64_t count = 9;
		CHECK_INT(store_get(snap, i, bytes_of("a"), &value, NULL, &err), 0);
		CHECK_OK(store_scan(snap, i, &all, never, NULL, &err) == 0, &err);
		CHECK_OK(store_scan(snap, i, &back, never, NULL, &err) == 0, &err);
		CHECK_OK(store_count(snap, i, &count, &err) == 0, &err);
		CHECK_INT(count, 0);
	}
	for (enum store_index i = STORE_BY_ORDERED; i < STORE_INDEX_COUNT; i++)
		CHECK_OK(store_scan_index(snap, i, &all, never, NULL, &err) == 0, &err);
	store_snapshot_free(TAKE(snap));
	CHECK_OK(store_backup(s, unit_path("copy"), &err) == 0, &err);
	store_close(s);

	options.path = unit_path("copy");
	s = fixture_open_with(&options); /* still of the older format: nothing was written */
	CHECK_INT(fixture_check(s, NULL), 0);
	store_close(s);
	options.read_only = options.create = false;
	s = fixture_open_with(&options); /* and put back, it is brought up to date */
	CHECK_INT(fixture_find(s, "issuing-1", BYTES(serial.octets, serial.len), NULL, NULL), 1);
	CHECK_INT(fixture_check(s, NULL), 0);
	store_close(s);
}

/* An older format excuses what it did not have, and nothing else. */
static void a_missing_table_is_damage_in_either_format(void)
{
	static const struct {
		const char *name;
		uint32_t format;
	} lost[] = { { "certificates", 1 }, { "by-name", 1 }, { "ledger", 1 }, { "orders", 2 }, { "by-due", 2 } };
	for (size_t i = 0; i < sizeof(lost) / sizeof(lost[0]); i++) {
		struct error err = ERR_INIT;
		char folder[8] = { 's', (char)('0' + i) };
		struct store_options options = fixture_options(folder);
		store_close(fixture_open_with(&options));
		MDB_env *env = NULL;
		MDB_txn *txn = NULL;
		MDB_dbi dbi;
		REQUIRE(mdb_env_create(&env) == 0 && mdb_env_set_maxdbs(env, 64) == 0);
		REQUIRE(mdb_env_open(env, options.path, 0, 0600) == 0 && mdb_txn_begin(env, NULL, 0, &txn) == 0);
		REQUIRE(mdb_dbi_open(txn, lost[i].name, 0, &dbi) == 0 && mdb_drop(txn, dbi, 1) == 0);
		REQUIRE(mdb_txn_commit(txn) == 0);
		mdb_env_close(env);
		set_format(options.path, lost[i].format);
		CHECK_FAILS(store_open(&options, &err) == NULL, &err, ERR_INTEGRITY);
		CHECK(strstr(err.message, "a table of the store is missing") != NULL);
		options.read_only = true;
		CHECK_FAILS(store_open(&options, &err) == NULL, &err, ERR_INTEGRITY);
	}
}

static void refuses_a_file_that_is_no_store(void)
{
	struct error err = ERR_INIT;
	const struct store_options options = fixture_options("s");
	char noise[8192];
	memset(noise, 'x', sizeof(noise));
	CHECK_OK(file_replace(unit_path("s/data.mdb"), BYTES(noise, sizeof(noise)), 0600, &err) == 0, &err);
	CHECK_FAILS(store_open(&options, &err) == NULL, &err, ERR_INTEGRITY);
}

/* What a tool does beside the running server: 0 where all is as it should be. */
static int look_from_outside(const struct store_options *options, const char *copy)
{
	struct error err = ERR_INIT;
	struct store *s = store_open(options, &err);
	if (!s)
		return 1;
	int rc = store_check(s, NULL, NULL, NULL, &err) ? 2 : 0;
	struct store_batch *b = store_batch_new(s);
	store_put(b, STORE_META, bytes_of("a"), bytes_of("b"));
	if (store_submit_wait(s, b, NULL, &err) == 0)
		rc = 3;
	struct store_serial serial;
	if (store_serial_take(s, &serial, &err) == 0)
		rc = 4;
	if (store_backup(s, copy, &err))
		rc = 5;
	struct store_status status;
	store_status(s, &status);
	if (status.certificates == 0 || status.state != STORE_OK)
		rc = 6;
	store_close(s);
	return rc;
}

static void a_reader_of_another_process_works_beside_the_writer(void)
{
	struct error err = ERR_INIT;
	struct store_options options = fixture_options("s");
	int go[2];
	REQUIRE(pipe(go) == 0);
	const char *copy = unit_path("copy");
	pid_t child = fork(); /* before there are threads */
	REQUIRE(child >= 0);
	if (child == 0) {
		char octet;
		if (read(go[0], &octet, 1) != 1)
			_exit(9);
		options.read_only = true;
		_exit(look_from_outside(&options, copy));
	}
	struct store *s = fixture_open_with(&options);
	CHECK_OK(fixture_issue(s, "dns:a.test", NULL, &err) == 0, &err);
	CHECK_INT(write(go[1], "g", 1), 1);
	int status = -1;
	pid_t ended = 0;
	while ((ended = waitpid(child, &status, WNOHANG)) == 0)
		CHECK_OK(fixture_issue(s, "dns:b.test", NULL, &err) == 0, &err);
	CHECK_INT(ended, child);
	CHECK_INT(status, 0);
	(void)close(go[0]);
	(void)close(go[1]);
	CHECK_INT(fixture_check(s, NULL), 0);
	store_close(s);
}

static void the_status_counts_what_was_done(void)
{
	struct error err = ERR_INIT;
	struct store *s = fixture_open("s");
	for (int i = 0; i < 3; i++)
		CHECK_OK(fixture_issue(s, "dns:a.test", NULL, &err) == 0, &err);
	struct store_status status;
	store_status(s, &status);
	CHECK_INT(status.state, STORE_OK);
	CHECK_TEXT(store_state_name(status.state), "ok");
	CHECK_INT(status.certificates, 3);
	CHECK_INT(status.batches, 3);
	CHECK_INT(status.unfinished, 0);
	CHECK(status.commits >= 1 && status.used_bytes > 0 && status.free_bytes > 0 && status.readers > 0);
	store_close(s);
}

static void the_store_survives_a_restart(void)
{
	struct error err = ERR_INIT;
	struct store *s = fixture_open("s");
	struct store_serial serial;
	CHECK_OK(fixture_issue(s, "dns:a.test", &serial, &err) == 0, &err);
	store_close(s);
	s = fixture_open("s");
	struct record_certificate *r = NULL;
	uint64_t version = 0;
	CHECK_INT(fixture_find(s, "issuing-1", BYTES(serial.octets, serial.len), &r, &version), 1);
	CHECK_BYTES(r->names[0], bytes_of("dns:a.test"));
	CHECK_INT(version, 1);
	store_close(s);
}

SUITE(open)
{
	TEST(a_second_opener_is_told_who_holds_the_store);
	TEST(a_store_is_made_only_where_that_is_asked_for);
	TEST(refuses_a_newer_format_and_says_which_it_knows);
	TEST(a_store_of_the_older_format_is_brought_up_to_date_with_all_that_it_has);
	TEST(a_store_of_the_older_format_can_be_read_checked_and_copied_as_it_is);
	TEST(a_missing_table_is_damage_in_either_format);
	TEST(refuses_a_file_that_is_no_store);
	TEST(a_reader_of_another_process_works_beside_the_writer);
	TEST(the_status_counts_what_was_done);
	TEST(the_store_survives_a_restart);
}
