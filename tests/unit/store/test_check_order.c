#include "store/private.h"
#include "tests/unit/store/fixture_order.h"

static struct store_serial serials[2];

static struct store *open_story(void)
{
	struct store *s = fixture_open("s");
	fixture_put_story(s, serials);
	CHECK_INT(fixture_check(s, NULL), 0);
	return s;
}

static struct bytes serial_of(size_t order)
{
	return BYTES(serials[order].octets, serials[order].len);
}

static void submit(struct store *s, struct store_batch *b)
{
	struct error err = ERR_INIT;
	CHECK_OK(store_submit_wait(s, b, NULL, &err) == 0, &err);
}

/* So many findings, and the first says this. */
static void check_finds(struct store *s, size_t findings, const char *what)
{
	char line[256] = "";
	CHECK_INT(fixture_check(s, line), findings);
	CHECK_TEXT(line, what);
	store_close(s);
}

static void remove_record(struct store *s, enum store_table table, struct bytes key)
{
	struct store_batch *b = store_batch_new(s);
	store_delete(b, table, key);
	submit(s, b);
}

/* ---- orders ---- */

static void finds_an_order_whose_certificate_is_missing(void)
{
	struct store *s = open_story();
	auto_buf key = BUF_INIT;
	record_key_certificate(&key, bytes_of("issuing-1"), serial_of(0));
	remove_record(s, STORE_CERTIFICATES, buf_bytes(&key));
	check_finds(s, 1, "orders o1: the certificate that it ended with is missing");
}

static void finds_an_order_whose_certificate_does_not_name_it(void)
{
	struct store *s = open_story();
	submit(s, fixture_put(s, fixture_certificate("issuing-1", serial_of(0), "dns:a.test")));
	check_finds(s, 1, "orders o1: the certificate that it ended with does not name it");
}

static void finds_a_certificate_whose_order_is_missing_or_names_another(void)
{
	struct error err = ERR_INIT;
	struct store *s = open_story();
	char line[256] = "";
	struct store_serial serial;
	CHECK_OK(store_serial_take(s, &serial, &err) == 0, &err);
	struct record_certificate *r = fixture_certificate("issuing-1", BYTES(serial.octets, serial.len), "dns:a.test");
	r->order = bytes_of("o1"); /* issued twice */
	submit(s, fixture_put(s, r));
	CHECK_INT(fixture_check(s, line), 1);
	CHECK(strstr(line, "certificates issuing-1 ") && strstr(line, "does not name it"));
	r->order = bytes_of("o9");
	submit(s, fixture_put(s, r));
	CHECK_INT(fixture_check(s, line), 1);
	CHECK(strstr(line, "the order that it was issued for is missing"));
	store_close(s);
}

static void finds_an_approval_without_its_statement(void)
{
	struct store *s = open_story();
	uint8_t key[32];
	(void)fixture_statement("olga", "order o2", key);
	remove_record(s, STORE_STATEMENTS, BYTES(key, sizeof(key)));
	check_finds(s, 1, "orders o2: the statement of a decision about it is missing");
}

static void finds_an_approval_by_a_statement_about_something_else(void)
{
	struct store *s = open_story();
	uint8_t key[32];
	struct record_order *r = fixture_order("o2", ORDER_PENDING_APPROVAL, serial_of(1));
	(void)fixture_statement("olga", "order o1", key);
	memcpy(r->approvals[0].statement, key, sizeof(key));
	fixture_put_order(s, r);
	check_finds(s, 1,
		    "orders o2: the statement of a decision about it is another officer's, or about something else");
}

static void finds_an_approval_by_a_statement_of_another_officer(void)
{
	struct store *s = open_story();
	struct record_order *r = fixture_order("o2", ORDER_PENDING_APPROVAL, serial_of(1));
	r->approvals[0].officer = bytes_of("oscar");
	fixture_put_order(s, r);
	check_finds(s, 1,
		    "orders o2: the statement of a decision about it is another officer's, or about something else");
}

static void finds_an_order_that_pins_a_version_that_never_was(void)
{
	struct store *s = open_story();
	struct record_order *r = fixture_order("o2", ORDER_PENDING_APPROVAL, serial_of(1));
	r->organization_version = 2;
	fixture_put_order(s, r);
	check_finds(s, 1, "orders o2: the version of the organization that it pins is missing");
}

/* ---- serials ---- */

static void finds_a_serial_that_two_orders_hold(void)
{
	struct store *s = open_story();
	struct record_order *r = fixture_order("o3", ORDER_ISSUING, serial_of(1));
	r->approval_count = 0;
	fixture_put_order(s, r);
	check_finds(s, 2, "orders o2: another order holds its serial, too");
}

static void finds_a_serial_that_is_held_and_given_up_at_once(void)
{
	struct store *s = open_story();
	auto_buf record = BUF_INIT;
	record_unfinished_encode(&(struct record_unfinished){ .found_ms = 1, .void_ = true }, &record);
	struct store_batch *b = store_batch_new(s);
	store_put(b, STORE_UNFINISHED, serial_of(1), buf_bytes(&record));
	submit(s, b);
	char line[256] = "";
	CHECK_INT(fixture_check(s, line), 1);
	CHECK_TEXT(line, "orders o2: its serial is recorded as unfinished or void");
	/* The order ends: it may keep, for the record, what it does not use any more. */
	fixture_put_order(s, fixture_order("o2", ORDER_DENIED, serial_of(1)));
	CHECK_INT(fixture_check(s, NULL), 0);
	store_close(s);
}

static void finds_a_certificate_under_the_serial_of_an_order_that_was_not_issued(void)
{
	struct store *s = open_story();
	submit(s, fixture_put(s, fixture_certificate("issuing-2", serial_of(1), "dns:a.test")));
	char line[256] = "";
	CHECK_INT(fixture_check(s, line), 1);
	CHECK_TEXT(line, "orders o2: a certificate has its serial, and it was not issued");
	fixture_put_order(s, fixture_order("o2", ORDER_DENIED, serial_of(1)));
	CHECK_INT(fixture_check(s, NULL), 1);
	store_close(s);
}

/* The last serial of the ledger's newest block: not handed out yet. */
static void read_unused(struct store *s, uint8_t serial[LEDGER_SERIAL])
{
	struct error err = ERR_INIT;
	auto_store_snapshot *snap = store_snapshot_new(s, &err);
	auto_mdb_cursor *cursor = NULL;
	MDB_val key, value;
	REQUIRE(mdb_cursor_open(snapshot_txn(snap), s->tables.ledger, &cursor) == 0);
	REQUIRE(mdb_cursor_get(cursor, &key, &value, MDB_LAST) == 0);
	REQUIRE(value.mv_size == (size_t)LEDGER_BLOCK * LEDGER_SERIAL);
	memcpy(serial, (const uint8_t *)value.mv_data + value.mv_size - LEDGER_SERIAL, LEDGER_SERIAL);
}

static void finds_a_serial_that_is_held_and_still_to_be_handed_out(void)
{
	struct store *s = open_story();
	uint8_t unused[LEDGER_SERIAL];
	read_unused(s, unused);
	struct record_order *r = fixture_order("o3", ORDER_PENDING_APPROVAL, BYTES(unused, sizeof(unused)));
	r->approval_count = 0;
	fixture_put_order(s, r);
	char line[256] = "";
	CHECK_INT(fixture_check(s, line), 1);
	CHECK(strstr(line, "ledger ") && strstr(line, "is still to be handed out, and a record has it"));
	store_close(s);
}

/* ---- organizations ---- */

/* The present record alone, or one version alone. */
static void put_organization(struct store *s, const struct record_organization *r, bool as_version)
{
	auto_buf key = BUF_INIT;
	auto_buf record = BUF_INIT;
	if (as_version)
		record_key_organization_version(&key, r->id, r->version);
	else
		buf_add_bytes(&key, r->id);
	record_organization_encode(r, &record);
	REQUIRE(!key.failed && !record.failed);
	struct store_batch *b = store_batch_new(s);
	store_put(b, as_version ? STORE_ORGANIZATION_VERSIONS : STORE_ORGANIZATIONS, buf_bytes(&key),
		  buf_bytes(&record));
	submit(s, b);
}

static void a_history_of_versions_is_clean(void)
{
	struct store *s = open_story();
	for (uint64_t version = 2; version < 5; version++) {
		struct record_organization *r = fixture_organization("org-1");
		r->version = version;
		struct store_batch *b = store_batch_new(s);
		fixture_add_organization(b, r);
		fixture_add_organization(b, fixture_organization("org-10")); /* a neighbour among the keys */
		uint8_t key[32];
		fixture_add_statement(b, fixture_statement("olga", "organization org-10", key));
		submit(s, b);
		CHECK_INT(fixture_check(s, NULL), 0);
	}
	store_close(s);
}

static void finds_a_present_record_that_differs_from_its_version(void)
{
	struct store *s = open_story();
	struct record_organization *r = fixture_organization("org-1");
	r->legal_name = bytes_of("Example Unlimited");
	put_organization(s, r, false);
	check_finds(s, 1, "organizations org-1: its history has its present version otherwise");
}

static void finds_a_version_that_is_missing(void)
{
	struct store *s = open_story();
	struct record_organization *r = fixture_organization("org-1");
	r->version = 3; /* and no second */
	struct store_batch *b = store_batch_new(s);
	fixture_add_organization(b, r);
	submit(s, b);
	check_finds(s, 1, "organizations org-1: its history has not just the versions from 1 to the present one");
}

static void finds_a_present_record_without_its_version(void)
{
	struct store *s = open_story();
	auto_buf key = BUF_INIT;
	record_key_organization_version(&key, bytes_of("org-1"), 1);
	remove_record(s, STORE_ORGANIZATION_VERSIONS, buf_bytes(&key));
	/* and two orders pin it */
	check_finds(s, 4, "orders o1: the version of the organization that it pins is missing");
}

static void finds_a_version_above_the_present_one(void)
{
	struct store *s = open_story();
	struct record_organization *r = fixture_organization("org-1");
	r->version = 2;
	put_organization(s, r, true); /* the present record was put back */
	char line[256] = "";
	CHECK_INT(fixture_check(s, line), 2);
	remove_record(s, STORE_ORGANIZATIONS, bytes_of("org-1"));
	CHECK_INT(fixture_check(s, line), 2);
	CHECK(strstr(line, "organization-versions org-1 "));
	CHECK(strstr(line, ": the organization that it is a version of is missing"));
	store_close(s);
}

static void finds_a_vetting_or_suspension_without_its_statement(void)
{
	struct store *s = open_story();
	uint8_t key[32];
	struct record_organization *r = fixture_organization("org-1");
	r->suspended = true;
	r->suspended_by = bytes_of("oscar");
	(void)fixture_statement("oscar", "organization org-1", key);
	memcpy(r->suspend_statement, key, sizeof(key));
	struct store_batch *b = store_batch_new(s);
	fixture_add_organization(b, r);
	submit(s, b);
	CHECK_INT(fixture_check(s, NULL), 2); /* the record, and its version */
	(void)fixture_statement("olga", "organization org-1", key);
	remove_record(s, STORE_STATEMENTS, BYTES(key, sizeof(key)));
	CHECK_INT(fixture_check(s, NULL), 4);
	b = store_batch_new(s);
	fixture_add_statement(b, fixture_statement("olga", "organization org-1", key));
	fixture_add_statement(b, fixture_statement("oscar", "organization org-1", key));
	submit(s, b);
	CHECK_INT(fixture_check(s, NULL), 0);
	store_close(s);
}

/* ---- records behind the store's back ---- */

static void finds_a_damaged_record_of_each_table_once(void)
{
	static const enum store_table all[] = { STORE_ORDERS, STORE_AUTHORIZATIONS, STORE_ORGANIZATIONS,
						STORE_STATEMENTS, STORE_DELIVERIES };
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		char folder[16] = { 's', (char)('0' + i) }, line[256] = "";
		struct store *s = fixture_open(folder);
		fixture_put_story(s, serials);
		MDB_cursor *cursor = NULL;
		MDB_txn *txn = NULL;
		MDB_val key, value;
		REQUIRE(mdb_txn_begin(s->env, NULL, 0, &txn) == 0);
		REQUIRE(mdb_cursor_open(txn, s->tables.table[all[i]], &cursor) == 0);
		REQUIRE(mdb_cursor_get(cursor, &key, &value, MDB_FIRST) == 0);
		auto_buf copy = BUF_INIT;
		buf_add(&copy, value.mv_data, value.mv_size);
		copy.data[8 + 1 + 6] = 9; /* the record's version, behind the store's: u64, length, "node-1" */
		MDB_val changed = { copy.len, copy.data };
		REQUIRE(mdb_cursor_put(cursor, &key, &changed, MDB_CURRENT) == 0);
		mdb_cursor_close(cursor);
		REQUIRE(mdb_txn_commit(txn) == 0);
		CHECK_INT(fixture_check(s, line), 1);
		CHECK(strstr(line, "cannot be read") && strstr(line, store_table_name(all[i])) == line);
		store_close(s);
	}
}

static void finds_a_missing_entry_of_each_index(void)
{
	static const enum store_index all[] = { STORE_BY_ORDERED, STORE_BY_STATUS,   STORE_BY_DUE,
						STORE_BY_SERIAL,  STORE_BY_DELIVERY, STORE_BY_LAPSE };
	struct store *s = open_story();
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		MDB_cursor *cursor = NULL;
		MDB_txn *txn = NULL;
		MDB_val key, value;
		REQUIRE(mdb_txn_begin(s->env, NULL, 0, &txn) == 0);
		REQUIRE(mdb_cursor_open(txn, s->tables.index[all[i]], &cursor) == 0);
		REQUIRE(mdb_cursor_get(cursor, &key, &value, MDB_FIRST) == 0 && mdb_cursor_del(cursor, 0) == 0);
		mdb_cursor_close(cursor);
		REQUIRE(mdb_txn_commit(txn) == 0);
		CHECK_INT(fixture_check(s, NULL), i + 1);
	}
	store_close(s);
}

SUITE(check_order)
{
	TEST(finds_an_order_whose_certificate_is_missing);
	TEST(finds_an_order_whose_certificate_does_not_name_it);
	TEST(finds_a_certificate_whose_order_is_missing_or_names_another);
	TEST(finds_an_approval_without_its_statement);
	TEST(finds_an_approval_by_a_statement_about_something_else);
	TEST(finds_an_approval_by_a_statement_of_another_officer);
	TEST(finds_an_order_that_pins_a_version_that_never_was);
	TEST(finds_a_serial_that_two_orders_hold);
	TEST(finds_a_serial_that_is_held_and_given_up_at_once);
	TEST(finds_a_certificate_under_the_serial_of_an_order_that_was_not_issued);
	TEST(finds_a_serial_that_is_held_and_still_to_be_handed_out);
	TEST(a_history_of_versions_is_clean);
	TEST(finds_a_present_record_that_differs_from_its_version);
	TEST(finds_a_version_that_is_missing);
	TEST(finds_a_present_record_without_its_version);
	TEST(finds_a_version_above_the_present_one);
	TEST(finds_a_vetting_or_suspension_without_its_statement);
	TEST(finds_a_damaged_record_of_each_table_once);
	TEST(finds_a_missing_entry_of_each_index);
}
