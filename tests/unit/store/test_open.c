#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "store/private.h"
#include "tests/unit/store/fixture.h"

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

static void put_request(struct store *s, const char *key_text, int64_t expires_s)
{
	struct error err = ERR_INIT;
	auto_buf key = BUF_INIT, record = BUF_INIT;
	const struct record_request r = { .issuer = bytes_of("issuing-1"),
					  .serial = bytes_of("\1\2\3"),
					  .expires_s = expires_s };
	record_key_request(&key, bytes_of("alice"), bytes_of(key_text));
	record_request_encode(&r, &record);
	struct store_batch *batch = store_batch_new(s);
	REQUIRE(batch && !key.failed && !record.failed);
	store_put(batch, STORE_REQUESTS, buf_bytes(&key), buf_bytes(&record));
	CHECK_OK(store_submit_wait(s, batch, NULL, &err) == 0, &err);
}

static void requests_whose_time_is_over_are_forgotten_and_no_others(void)
{
	static const struct bytes all = { 0 };
	const struct clock clock = clock_system();
	int64_t now_s = clock_now_ms(&clock) / 1000;
	struct store *s = fixture_open("s");
	put_request(s, "over", now_s - 2);
	put_request(s, "long-over", 1);
	put_request(s, "lasts", now_s + 3600);
	CHECK_INT(fixture_count(s, STORE_BY_EXPIRY, all), 3);
	store_expire(s);
	int64_t end = clock_monotonic_ms() + 5000;
	while (fixture_count(s, STORE_BY_EXPIRY, all) > 1 && clock_monotonic_ms() < end)
		(void)usleep(1000);
	CHECK_INT(fixture_count(s, STORE_BY_EXPIRY, all), 1);
	CHECK_INT(fixture_check(s, NULL), 0);
	store_close(s);
}

SUITE(open)
{
	TEST(a_second_opener_is_told_who_holds_the_store);
	TEST(a_store_is_made_only_where_that_is_asked_for);
	TEST(refuses_a_newer_format_and_says_which_it_knows);
	TEST(refuses_a_file_that_is_no_store);
	TEST(a_reader_of_another_process_works_beside_the_writer);
	TEST(the_status_counts_what_was_done);
	TEST(the_store_survives_a_restart);
	TEST(requests_whose_time_is_over_are_forgotten_and_no_others);
}
