#include <stdlib.h>

#include "tests/unit/store/fixture.h"

static void put_meta(struct store *s, const char *key, const char *value)
{
	struct error err = ERR_INIT;
	struct store_batch *b = store_batch_new(s);
	store_put(b, STORE_META, bytes_of(key), bytes_of(value));
	CHECK_OK(store_submit_wait(s, b, NULL, &err) == 0, &err);
}

static void a_snapshot_does_not_see_what_came_later(void)
{
	struct error err = ERR_INIT;
	struct store *s = fixture_open("s");
	put_meta(s, "a", "old");
	auto_store_snapshot *before = store_snapshot_new(s, &err);
	put_meta(s, "a", "new");
	auto_store_snapshot *after = store_snapshot_new(s, &err);
	struct bytes value;
	uint64_t version = 0;
	CHECK_INT(store_get(before, STORE_META, bytes_of("a"), &value, &version, &err), 1);
	CHECK_BYTES(value, bytes_of("old"));
	CHECK_INT(version, 1);
	CHECK_INT(store_get(after, STORE_META, bytes_of("a"), &value, &version, &err), 1);
	CHECK_BYTES(value, bytes_of("new"));
	CHECK_INT(version, 2);
	store_snapshot_free(TAKE(before));
	before = store_snapshot_new(s, &err); /* used again, and fresh */
	CHECK_INT(store_get(before, STORE_META, bytes_of("a"), &value, NULL, &err), 1);
	CHECK_BYTES(value, bytes_of("new"));
	CHECK_INT(store_get(before, STORE_META, bytes_of("b"), &value, NULL, &err), 0);
	CHECK_INT(store_get(before, STORE_META, BYTES_NONE, &value, NULL, &err), 0);
	store_snapshot_free(TAKE(before));
	store_snapshot_free(TAKE(after));
	store_close(s);
}

struct seen {
	char keys[64]; /* the last octet of each record's key */
	size_t count, most;
};

static int see(void *arg, const struct store_row *row, struct error *err)
{
	(void)err;
	struct seen *seen = arg;
	seen->keys[seen->count++] = (char)row->key.data[row->key.len - 1];
	seen->keys[seen->count] = '\0';
	return seen->count == seen->most;
}

static void check_table(struct store *s, const struct store_range *range, size_t most, const char *expected)
{
	struct error err = ERR_INIT;
	auto_store_snapshot *snap = store_snapshot_new(s, &err);
	struct seen seen = { .most = most };
	CHECK_OK(store_scan(snap, STORE_META, range, see, &seen, &err) == 0, &err);
	CHECK_TEXT(seen.keys, expected);
}

static void a_scan_keeps_to_its_range_in_both_directions(void)
{
	struct store *s = fixture_open("s");
	static const char *const keys[] = { "a", "b1", "b2", "b3", "c" };
	for (size_t i = 0; i < 5; i++)
		put_meta(s, keys[i], "v");
	check_table(s, &(struct store_range){ .reverse = false }, 0, "a123c");
	check_table(s, &(struct store_range){ .reverse = true }, 0, "c321a");
	check_table(s, &(struct store_range){ .prefix = bytes_of("b") }, 0, "123");
	check_table(s, &(struct store_range){ .prefix = bytes_of("b"), .reverse = true }, 0, "321");
	check_table(s, &(struct store_range){ .prefix = bytes_of("b"), .from = bytes_of("b2") }, 0, "23");
	check_table(s, &(struct store_range){ .prefix = bytes_of("b"), .from = bytes_of("b2"), .reverse = true }, 0,
		    "21");
	check_table(s, &(struct store_range){ .prefix = bytes_of("b"), .from = bytes_of("a") }, 0, "123");
	check_table(s, &(struct store_range){ .prefix = bytes_of("b"), .from = bytes_of("z"), .reverse = true }, 0,
		    "321");
	check_table(s, &(struct store_range){ .from = bytes_of("b2x"), .reverse = true }, 0, "21a");
	check_table(s, &(struct store_range){ .prefix = bytes_of("c"), .reverse = true }, 0, "c");
	check_table(s, &(struct store_range){ .prefix = bytes_of("x") }, 0, "");
	check_table(s, &(struct store_range){ .prefix = bytes_of("x"), .reverse = true }, 0, "");
	check_table(s, &(struct store_range){ .reverse = false }, 2, "a1");
	check_table(s, &(struct store_range){ .after_key = bytes_of("b1") }, 2, "23");
	check_table(s, &(struct store_range){ .after_key = bytes_of("b2"), .reverse = true }, 2, "1a");
	store_close(s);
}

static void a_prefix_of_the_highest_octets_has_an_end(void)
{
	struct store *s = fixture_open("s");
	put_meta(s, "a", "v");
	put_meta(s, "\xff\x01", "v");
	put_meta(s, "\xff\xff", "v");
	check_table(s, &(struct store_range){ .prefix = bytes_of("\xff"), .reverse = true }, 0, "\xff\x01");
	check_table(s, &(struct store_range){ .prefix = bytes_of("\xff\xff"), .reverse = true }, 0, "\xff");
	store_close(s);
}

static void check_names(struct store *s, const struct store_range *range, size_t most, const char *expected)
{
	struct error err = ERR_INIT;
	auto_store_snapshot *snap = store_snapshot_new(s, &err);
	struct seen seen = { .most = most };
	CHECK_OK(store_scan_index(snap, STORE_BY_NAME, range, see, &seen, &err) == 0, &err);
	CHECK_TEXT(seen.keys, expected);
}

/* Pages of a list: thousands may share one index key. */
static void an_index_scan_goes_on_where_the_page_before_ended(void)
{
	struct error err = ERR_INIT;
	struct store *s = fixture_open("s");
	static const char *const names[] = { "dns:a.test", "dns:b.test", "dns:b.test", "dns:b.test", "dns:c.test" };
	for (uint8_t i = 0; i < 5; i++) {
		uint8_t serial[2] = { 1, (uint8_t)('1' + i) };
		CHECK_OK(store_submit_wait(s, fixture_put(s, fixture_certificate("ca", BYTES(serial, 2), names[i])),
					   NULL, &err) == 0,
			 &err);
	}
	struct bytes b = bytes_of("dns:test.b"),
		     second = BYTES("ca\0\1"
				    "3",
				    5),
		     last = BYTES("ca\0\1"
				  "4",
				  5);
	check_names(s, &(struct store_range){ .reverse = false }, 0, "12345");
	check_names(s, &(struct store_range){ .reverse = true }, 0, "54321");
	check_names(s, &(struct store_range){ .prefix = b }, 2, "23");
	check_names(s, &(struct store_range){ .from = b, .after_key = second }, 0, "45");
	check_names(s, &(struct store_range){ .from = b, .after_key = last }, 0, "5");
	check_names(s, &(struct store_range){ .prefix = b, .from = b, .after_key = last }, 0, "");
	check_names(s, &(struct store_range){ .from = b, .reverse = true }, 0, "4321");
	check_names(s, &(struct store_range){ .from = b, .after_key = second, .reverse = true }, 0, "21");
	check_names(s,
		    &(struct store_range){ .from = b,
					   .after_key = BYTES("ca\0\1"
							      "9",
							      5),
					   .reverse = true },
		    0, "4321");
	store_close(s);
}

static uint64_t entries(struct store *s, enum store_index index, struct bytes prefix)
{
	struct error err = ERR_INIT;
	uint64_t count = 99;
	auto_store_snapshot *snap = store_snapshot_new(s, &err);
	CHECK_OK(store_count_index(snap, index, prefix, &count, &err) == 0, &err);
	return count;
}

static void entries_are_counted_by_prefix(void)
{
	struct error err = ERR_INIT;
	struct store *s = fixture_open("s");
	static const char *const names[] = { "dns:a.test", "dns:b.test", "dns:b.test", "dns:b.test", "dns:c.other" };
	CHECK_INT(entries(s, STORE_BY_NAME, BYTES_NONE), 0);
	for (uint8_t i = 0; i < 5; i++) {
		uint8_t serial[2] = { 1, (uint8_t)('1' + i) };
		CHECK_OK(store_submit_wait(s, fixture_put(s, fixture_certificate("ca", BYTES(serial, 2), names[i])),
					   NULL, &err) == 0,
			 &err);
	}
	CHECK_INT(entries(s, STORE_BY_NAME, BYTES_NONE), 5);
	CHECK_INT(entries(s, STORE_BY_NAME, bytes_of("dns:test.")), 4);
	CHECK_INT(entries(s, STORE_BY_NAME, bytes_of("dns:test.b")), 3);
	CHECK_INT(entries(s, STORE_BY_NAME, bytes_of("dns:z")), 0);
	store_close(s);
}

static int fail_visit(void *arg, const struct store_row *row, struct error *err)
{
	(void)arg;
	(void)row;
	return err_set(err, ERR_BUSY, "enough");
}

static void a_visitor_can_end_a_scan_with_its_own_error(void)
{
	struct error err = ERR_INIT;
	struct store *s = fixture_open("s");
	put_meta(s, "a", "v");
	auto_store_snapshot *snap = store_snapshot_new(s, &err);
	const struct store_range all = { .reverse = false };
	CHECK_FAILS(store_scan(snap, STORE_META, &all, fail_visit, NULL, &err) == -1, &err, ERR_BUSY);
	uint8_t large[STORE_KEY_MAX + 1] = { 0 };
	const struct store_range beyond = { .prefix = BYTES(large, sizeof(large)) };
	CHECK_FAILS(store_scan(snap, STORE_META, &beyond, fail_visit, NULL, &err) == -1, &err, ERR_BAD_REQUEST);
	store_snapshot_free(TAKE(snap));
	store_close(s);
}

struct entries {
	uint64_t first, count;
	char last[16];
};

static int see_entry(void *arg, uint64_t sequence, const uint8_t hash[32], struct bytes entry, struct error *err)
{
	(void)hash;
	(void)err;
	struct entries *e = arg;
	if (e->count++ == 0)
		e->first = sequence;
	memcpy(e->last, entry.data, entry.len);
	return 0;
}

static void a_chain_is_read_from_any_entry_to_any(void)
{
	struct error err = ERR_INIT;
	struct store *s = fixture_open("s");
	struct store_batch *b = store_batch_new(s);
	static const char *const entries[] = { "e1", "e2", "e3", "e4" };
	for (size_t i = 0; i < 4; i++) {
		store_append(b, "audit", bytes_of(entries[i]));
		store_append(b, "audit2", bytes_of("other"));
	}
	CHECK_OK(store_submit_wait(s, b, NULL, &err) == 0, &err);
	auto_store_snapshot *snap = store_snapshot_new(s, &err);
	struct entries e = { .count = 0 };
	CHECK_OK(store_chain_scan(snap, "audit", 2, 3, see_entry, &e, &err) == 0, &err);
	CHECK_INT(e.first, 2);
	CHECK_INT(e.count, 2);
	CHECK_TEXT(e.last, "e3");
	e = (struct entries){ .count = 0 };
	CHECK_OK(store_chain_scan(snap, "audit", 0, UINT64_MAX, see_entry, &e, &err) == 0, &err);
	CHECK_INT(e.count, 4);
	e = (struct entries){ .count = 0 };
	CHECK_OK(store_chain_scan(snap, "none", 1, UINT64_MAX, see_entry, &e, &err) == 0, &err);
	CHECK_INT(e.count, 0);
	store_snapshot_free(TAKE(snap));
	store_close(s);
}

SUITE(read)
{
	TEST(a_snapshot_does_not_see_what_came_later);
	TEST(a_scan_keeps_to_its_range_in_both_directions);
	TEST(a_prefix_of_the_highest_octets_has_an_end);
	TEST(entries_are_counted_by_prefix);
	TEST(an_index_scan_goes_on_where_the_page_before_ended);
	TEST(a_visitor_can_end_a_scan_with_its_own_error);
	TEST(a_chain_is_read_from_any_entry_to_any);
}
