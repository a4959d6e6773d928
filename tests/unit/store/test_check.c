#include "store/private.h"
#include "tests/unit/store/fixture.h"

#define COUNT 20

/* A store with certificates, one of them revoked, and a chain; closed. */
static struct store_options make_store(struct store_serial *last)
{
	struct error err = ERR_INIT;
	const struct store_options options = fixture_options("s");
	struct store *s = fixture_open_with(&options);
	for (int i = 0; i < COUNT; i++)
		CHECK_OK(fixture_issue(s, "dns:a.test", last, &err) == 0, &err);
	struct record_certificate *r = fixture_certificate("issuing-1", BYTES(last->octets, last->len), "dns:a.test");
	r->status = RECORD_REVOKED;
	r->revoked_ms = FIXTURE_NOW_MS;
	CHECK_OK(store_submit_wait(s, fixture_put(s, r), NULL, &err) == 0, &err);
	CHECK_INT(fixture_check(s, NULL), 0);
	store_close(s);
	return options;
}

/* The file behind the store's back, as damage or a hand in it would change it. */
struct raw {
	MDB_env *env;
	MDB_txn *txn;
};

static struct raw raw_open(const struct store_options *options)
{
	struct raw raw = { NULL, NULL };
	REQUIRE(mdb_env_create(&raw.env) == 0 && mdb_env_set_maxdbs(raw.env, 64) == 0);
	REQUIRE(mdb_env_set_mapsize(raw.env, options->map_bytes) == 0);
	REQUIRE(mdb_env_open(raw.env, options->path, 0, 0600) == 0);
	REQUIRE(mdb_txn_begin(raw.env, NULL, 0, &raw.txn) == 0);
	return raw;
}

static MDB_dbi raw_table(const struct raw *raw, const char *name)
{
	MDB_dbi dbi = 0;
	REQUIRE(mdb_dbi_open(raw->txn, name, 0, &dbi) == 0);
	return dbi;
}

static void raw_close(struct raw *raw)
{
	REQUIRE(mdb_txn_commit(raw->txn) == 0);
	mdb_env_close(raw->env);
}

static size_t check_again(const struct store_options *options, char line[256])
{
	struct store *s = fixture_open_with(options);
	size_t findings = fixture_check(s, line);
	store_close(s);
	return findings;
}

static void finds_a_missing_index_entry(void)
{
	struct store_serial last;
	char line[256] = "";
	const struct store_options options = make_store(&last);
	struct raw raw = raw_open(&options);
	MDB_val key = { 10, (char[]){ "dns:test.a" } };
	auto_buf record_key = BUF_INIT;
	record_key_certificate(&record_key, bytes_of("issuing-1"), BYTES(last.octets, last.len));
	MDB_val value = { record_key.len, record_key.data };
	REQUIRE(mdb_del(raw.txn, raw_table(&raw, "by-name"), &key, &value) == 0);
	raw_close(&raw);
	CHECK_INT(check_again(&options, line), 1);
	CHECK(strstr(line, "certificates issuing-1 ") && strstr(line, "index by-name is missing"));
}

static void finds_an_index_entry_that_leads_nowhere(void)
{
	struct store_serial last;
	char line[256] = "";
	const struct store_options options = make_store(&last);
	struct raw raw = raw_open(&options);
	MDB_val key = { 10, (char[]){ "dns:test.b" } }, value = { 12, (char[]){ "issuing-1\0zz" } };
	REQUIRE(mdb_put(raw.txn, raw_table(&raw, "by-name"), &key, &value, 0) == 0);
	raw_close(&raw);
	CHECK_INT(check_again(&options, line), 1);
	CHECK_TEXT(line, "by-name dns:test.b: leads to no record");
}

static void finds_an_index_entry_that_leads_to_the_wrong_record(void)
{
	struct store_serial last;
	char line[256] = "";
	const struct store_options options = make_store(&last);
	auto_buf record_key = BUF_INIT;
	record_key_certificate(&record_key, bytes_of("issuing-1"), BYTES(last.octets, last.len));
	struct raw raw = raw_open(&options);
	MDB_val key = { 10, (char[]){ "dns:test.b" } }, value = { record_key.len, record_key.data };
	MDB_val right = { 10, (char[]){ "dns:test.a" } };
	/* One missing and one too many: the numbers agree. */
	REQUIRE(mdb_put(raw.txn, raw_table(&raw, "by-name"), &key, &value, 0) == 0);
	REQUIRE(mdb_del(raw.txn, raw_table(&raw, "by-name"), &right, &value) == 0);
	raw_close(&raw);
	CHECK_INT(check_again(&options, line), 2);
}

/* The first entry of a table, and a copy of its value to be changed. */
static void raw_first(const struct raw *raw, MDB_dbi dbi, MDB_val *key, struct buf *copy)
{
	MDB_cursor *cursor = NULL;
	MDB_val value;
	REQUIRE(mdb_cursor_open(raw->txn, dbi, &cursor) == 0);
	REQUIRE(mdb_cursor_get(cursor, key, &value, MDB_FIRST) == 0);
	mdb_cursor_close(cursor);
	buf_add(copy, value.mv_data, value.mv_size);
}

static void finds_an_altered_audit_entry(void)
{
	struct store_serial last;
	char line[256] = "";
	const struct store_options options = make_store(&last);
	struct raw raw = raw_open(&options);
	MDB_dbi dbi = raw_table(&raw, "chain");
	auto_buf copy = BUF_INIT;
	MDB_val key;
	raw_first(&raw, dbi, &key, &copy);
	copy.data[copy.len - 1] ^= 1;
	MDB_val changed = { copy.len, copy.data };
	REQUIRE(mdb_put(raw.txn, dbi, &key, &changed, 0) == 0);
	raw_close(&raw);
	CHECK_INT(check_again(&options, line), 1);
	CHECK(strstr(line, "chain audit-node-1 0000000000000001: its hash does not follow") != NULL);
}

static void finds_a_removed_audit_entry(void)
{
	struct store_serial last;
	char line[256] = "";
	const struct store_options options = make_store(&last);
	struct raw raw = raw_open(&options);
	MDB_val key = { 21, (char[]){ "audit-node-1\0\0\0\0\0\0\0\0\5" } };
	REQUIRE(mdb_del(raw.txn, raw_table(&raw, "chain"), &key, NULL) == 0);
	raw_close(&raw);
	CHECK(check_again(&options, line) >= 1);
	CHECK(strstr(line, "the entry before it is missing") != NULL);
}

static void finds_a_record_that_does_not_decode(void)
{
	struct store_serial last;
	char line[256] = "";
	const struct store_options options = make_store(&last);
	struct raw raw = raw_open(&options);
	MDB_dbi dbi = raw_table(&raw, "certificates");
	auto_buf copy = BUF_INIT;
	MDB_val key;
	raw_first(&raw, dbi, &key, &copy);
	MDB_val cut = { copy.len - 1, copy.data };
	REQUIRE(mdb_put(raw.txn, dbi, &key, &cut, 0) == 0);
	raw_close(&raw);
	CHECK(check_again(&options, line) >= 1);
	CHECK(strstr(line, "certificates issuing-1 ") && strstr(line, "cannot be read"));
}

static void finds_a_serial_that_is_both_unfinished_and_a_certificate(void)
{
	struct error err = ERR_INIT;
	struct store_serial last;
	char line[256] = "";
	const struct store_options options = make_store(&last);
	struct store *s = fixture_open_with(&options);
	auto_buf record = BUF_INIT;
	record_unfinished_encode(&(struct record_unfinished){ .found_ms = 1 }, &record);
	struct store_batch *b = store_batch_new(s);
	store_put(b, STORE_UNFINISHED, BYTES(last.octets, last.len), buf_bytes(&record));
	CHECK_OK(store_submit_wait(s, b, NULL, &err) == 0, &err);
	CHECK_INT(fixture_check(s, line), 1);
	CHECK(strstr(line, "a certificate has this serial") != NULL);
	store_close(s);
}

static void finds_a_damaged_ledger(void)
{
	struct error err = ERR_INIT;
	char line[256] = "";
	struct store_serial last;
	const struct store_options options = make_store(&last);
	struct raw raw = raw_open(&options);
	MDB_val key = { 6, (char[]){ "node-2" } }, value = { 1, (char[]){ "x" } };
	REQUIRE(mdb_put(raw.txn, raw_table(&raw, "ledger"), &key, &value, 0) == 0);
	raw_close(&raw);
	CHECK_INT(check_again(&options, line), 1);
	CHECK(strstr(line, "ledger") != NULL);

	raw = raw_open(&options);
	MDB_val mark = { 7, (char[]){ "node-1\0" } };
	REQUIRE(mdb_put(raw.txn, raw_table(&raw, "ledger"), &mark, &value, 0) == 0);
	raw_close(&raw);
	CHECK_FAILS(store_open(&options, &err) == NULL, &err, ERR_INTEGRITY);
}

static void count_progress(void *arg, uint64_t done, uint64_t all)
{
	(void)arg;
	CHECK(done <= all && all >= (uint64_t)2 * COUNT);
}

static void progress_ends_with_all(void)
{
	struct error err = ERR_INIT;
	struct store_serial last;
	const struct store_options options = make_store(&last);
	struct store *s = fixture_open_with(&options);
	CHECK_OK(store_check(s, NULL, count_progress, NULL, &err) == 0, &err);
	store_close(s);
}

SUITE(check)
{
	TEST(finds_a_missing_index_entry);
	TEST(finds_an_index_entry_that_leads_nowhere);
	TEST(finds_an_index_entry_that_leads_to_the_wrong_record);
	TEST(finds_an_altered_audit_entry);
	TEST(finds_a_removed_audit_entry);
	TEST(finds_a_record_that_does_not_decode);
	TEST(finds_a_serial_that_is_both_unfinished_and_a_certificate);
	TEST(finds_a_damaged_ledger);
	TEST(progress_ends_with_all);
}
