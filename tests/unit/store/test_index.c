#include "store/private.h"
#include "tests/unit/store/fixture_order.h"

static bool has(const struct buf *entries, enum store_index index, struct bytes key)
{
	return index_contains(buf_bytes(entries), index, key);
}

static size_t count(const struct buf *entries)
{
	struct bytes left = buf_bytes(entries), key;
	enum store_index index;
	size_t n = 0;
	while (index_next(&left, &index, &key))
		n++;
	CHECK_INT(left.len, 0);
	return n;
}

static int derive(const struct record_certificate *r, struct buf *entries, struct error *err)
{
	auto_buf record = BUF_INIT;
	auto_buf key = BUF_INIT;
	record_certificate_encode(r, &record);
	record_key_certificate(&key, r->issuer, r->serial);
	return index_derive(STORE_CERTIFICATES, buf_bytes(&key), buf_bytes(&record), entries, err);
}

static void a_certificate_is_found_by_all_that_is_asked_for(void)
{
	struct error err = ERR_INIT;
	auto_buf entries = BUF_INIT;
	struct record_certificate *r = fixture_certificate("issuing-1", bytes_of("\1\2"), "dns:www.example.test");
	r->issued_ms = 0x0102;
	r->not_after_s = 0x0304;
	CHECK_OK(derive(r, &entries, &err) == 0, &err);
	CHECK_INT(count(&entries), 5);
	CHECK(has(&entries, STORE_BY_NAME, bytes_of("dns:test.example.www")));
	CHECK(has(&entries, STORE_BY_SPKI, BYTES(r->spki_hash, 32)));
	CHECK(has(&entries, STORE_BY_NOT_AFTER, unit_hex("0000000000000304")));
	CHECK(has(&entries, STORE_BY_ISSUED, unit_hex("0000000000000102")));
	CHECK(has(&entries, STORE_BY_REQUESTER, unit_hex("61646d696e 00 0000000000000102")));
}

static void only_revoked_and_held_ones_stand_in_the_index_of_revocation(void)
{
	struct error err = ERR_INIT;
	auto_buf entries = BUF_INIT;
	struct record_certificate *r = fixture_certificate("ca", bytes_of("\1\2"), "dns:www.example.test");
	r->status = RECORD_HELD;
	r->reason = REASON_CERTIFICATE_HOLD;
	r->revoked_ms = 0x0506;
	CHECK_OK(derive(r, &entries, &err) == 0, &err);
	CHECK_INT(count(&entries), 6);
	CHECK(has(&entries, STORE_BY_REVOCATION, unit_hex("6361 00 0000000000000506")));
}

static void a_name_given_twice_is_one_entry(void)
{
	struct error err = ERR_INIT;
	auto_buf entries = BUF_INIT;
	buf_u8(&entries, 0xee); /* what stood in the buffer before is left alone */
	struct record_certificate *r = fixture_certificate("ca", bytes_of("\1\2"), "dns:www.example.test");
	r->name_count = 3;
	r->names[1] = r->names[2] = r->names[0];
	CHECK_OK(derive(r, &entries, &err) == 0, &err);
	CHECK_INT(entries.data[0], 0xee);
	struct buf rest = { entries.data + 1, entries.len - 1, entries.len - 1, false };
	CHECK_INT(count(&rest), 5);
}

static void identities_are_found_by_each_enrolled_certificate(void)
{
	struct error err = ERR_INIT;
	auto_buf entries = BUF_INIT;
	auto_buf record = BUF_INIT;
	const struct record_identity r = { .name = bytes_of("ann"),
					   .fingerprint_count = 2,
					   .fingerprints = { { 1 }, { 2 } } };
	record_identity_encode(&r, &record);
	CHECK_OK(index_derive(STORE_IDENTITIES, bytes_of("ann"), buf_bytes(&record), &entries, &err) == 0, &err);
	CHECK_INT(count(&entries), 2);
	CHECK(has(&entries, STORE_BY_FINGERPRINT, BYTES(r.fingerprints[1], 32)));
	CHECK_FAILS(index_derive(STORE_IDENTITIES, bytes_of("eve"), buf_bytes(&record), &entries, &err) == -1, &err,
		    ERR_INTEGRITY);
}

static void requests_are_found_by_their_end(void)
{
	struct error err = ERR_INIT;
	auto_buf entries = BUF_INIT;
	auto_buf record = BUF_INIT;
	const struct record_request r = { .issuer = bytes_of("ca"), .serial = bytes_of("\1"), .expires_s = 0x0708 };
	record_request_encode(&r, &record);
	CHECK_OK(index_derive(STORE_REQUESTS, bytes_of("any"), buf_bytes(&record), &entries, &err) == 0, &err);
	CHECK_INT(count(&entries), 1);
	CHECK(has(&entries, STORE_BY_EXPIRY, unit_hex("0000000000000708")));
}

static void refuses_a_record_that_disagrees_with_its_key(void)
{
	struct error err = ERR_INIT;
	auto_buf entries = BUF_INIT;
	auto_buf crl = BUF_INIT;
	auto_buf head = BUF_INIT;
	record_crl_encode(&(struct record_crl){ .issuer = bytes_of("ca"), .der = bytes_of("x") }, &crl);
	record_head_encode(&(struct record_head){ .sequence = 3, .text = bytes_of("x"), .signature = bytes_of("y") },
			   &head);
	CHECK_FAILS(index_derive(STORE_CRLS, bytes_of("root"), buf_bytes(&crl), &entries, &err) == -1, &err,
		    ERR_INTEGRITY);
	CHECK_FAILS(index_derive(STORE_HEADS, unit_hex("0000000000000004"), buf_bytes(&head), &entries, &err) == -1,
		    &err, ERR_INTEGRITY);
	CHECK_OK(index_derive(STORE_HEADS, unit_hex("0000000000000003"), buf_bytes(&head), &entries, &err) == 0, &err);
	CHECK_INT(entries.len, 0);
}

static int derive_order(const struct record_order *r, struct buf *entries, struct error *err)
{
	auto_buf record = BUF_INIT;
	record_order_encode(r, &record);
	return index_derive(STORE_ORDERS, bytes_of("o1"), buf_bytes(&record), entries, err);
}

static void an_order_is_found_by_requester_status_due_time_and_serial(void)
{
	struct error err = ERR_INIT;
	auto_buf entries = BUF_INIT, fewer = BUF_INIT;
	struct record_order *r = fixture_order("o1", ORDER_READY, bytes_of("\1\2\3"));
	r->created_ms = 0x0102;
	r->due_ms = 0x0304;
	CHECK_OK(derive_order(r, &entries, &err) == 0, &err);
	CHECK_INT(count(&entries), 4);
	CHECK(has(&entries, STORE_BY_ORDERED, unit_hex("616e6e 00 0000000000000102")));
	CHECK(has(&entries, STORE_BY_STATUS, unit_hex("04 0000000000000102")));
	CHECK(has(&entries, STORE_BY_DUE, unit_hex("0000000000000304")));
	CHECK(has(&entries, STORE_BY_SERIAL, unit_hex("010203")));
	r = fixture_order("o1", ORDER_CANCELLED, BYTES_NONE); /* over: never due, holds nothing */
	CHECK_OK(derive_order(r, &fewer, &err) == 0, &err);
	CHECK_INT(count(&fewer), 2);
	fixture_order("o2", ORDER_READY, BYTES_NONE);
	CHECK_FAILS(derive_order(r, &entries, &err) == -1, &err, ERR_INTEGRITY);
}

static void authorizations_are_found_by_their_end_and_deliveries_by_when_they_are_due(void)
{
	struct error err = ERR_INIT;
	auto_buf entries = BUF_INIT, record = BUF_INIT, key = BUF_INIT, dead = BUF_INIT;
	const struct record_authorization r = { .owner = bytes_of("ann"),
						.name = bytes_of("dns:a.test"),
						.method = METHOD_HTTP,
						.order = bytes_of("o1"),
						.expires_s = 0x0506 };
	record_authorization_encode(&r, &record);
	record_key_authorization(&key, r.owner, r.name);
	CHECK_OK(index_derive(STORE_AUTHORIZATIONS, buf_bytes(&key), buf_bytes(&record), &entries, &err) == 0, &err);
	CHECK(has(&entries, STORE_BY_LAPSE, unit_hex("0000000000000506")));
	CHECK_INT(count(&entries), 1);
	key.data[0] = 'b';
	CHECK_FAILS(index_derive(STORE_AUTHORIZATIONS, buf_bytes(&key), buf_bytes(&record), &entries, &err) == -1, &err,
		    ERR_INTEGRITY);

	struct record_delivery d = {
		.kind = DELIVERY_MAIL, .to = bytes_of("a@b.test"), .created_ms = 0x0708, .due_ms = 0x090a
	};
	buf_clear(&record);
	buf_clear(&entries);
	record_delivery_encode(&d, &record);
	CHECK_OK(index_derive(STORE_DELIVERIES, unit_hex("0000000000000708 ffffffffffffffff"), buf_bytes(&record),
			      &entries, &err) == 0,
		 &err);
	CHECK(has(&entries, STORE_BY_DELIVERY, unit_hex("000000000000090a")));
	CHECK_INT(count(&entries), 1);
	static const char *const bad[] = { "0000000000000709 ffffffffffffffff", "0000000000000708 ffffffffffffff",
					   "0000000000000708 ffffffffffffffff 00" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_FAILS(index_derive(STORE_DELIVERIES, unit_hex(bad[i]), buf_bytes(&record), &entries, &err) == -1,
			    &err, ERR_INTEGRITY);
	d.due_ms = 0;
	buf_clear(&record);
	record_delivery_encode(&d, &record);
	CHECK_OK(index_derive(STORE_DELIVERIES, unit_hex("0000000000000708 0000000000000000"), buf_bytes(&record),
			      &dead, &err) == 0,
		 &err);
	CHECK_INT(dead.len, 0);
}

static void organizations_and_statements_stand_under_their_own_keys_alone(void)
{
	struct error err = ERR_INIT;
	auto_buf entries = BUF_INIT, record = BUF_INIT, version = BUF_INIT, statement = BUF_INIT;
	record_organization_encode(fixture_organization("org-1"), &record);
	record_key_organization_version(&version, bytes_of("org-1"), 1);
	CHECK_OK(index_derive(STORE_ORGANIZATIONS, bytes_of("org-1"), buf_bytes(&record), &entries, &err) == 0, &err);
	CHECK_OK(index_derive(STORE_ORGANIZATION_VERSIONS, buf_bytes(&version), buf_bytes(&record), &entries, &err) ==
			 0,
		 &err);
	CHECK_FAILS(index_derive(STORE_ORGANIZATIONS, bytes_of("org-2"), buf_bytes(&record), &entries, &err) == -1,
		    &err, ERR_INTEGRITY);
	version.data[version.len - 1]++;
	CHECK_FAILS(index_derive(STORE_ORGANIZATION_VERSIONS, buf_bytes(&version), buf_bytes(&record), &entries,
				 &err) == -1,
		    &err, ERR_INTEGRITY);
	uint8_t key[32];
	record_statement_encode(fixture_statement("olga", "order o1", key), &statement);
	CHECK_OK(index_derive(STORE_STATEMENTS, BYTES(key, 32), buf_bytes(&statement), &entries, &err) == 0, &err);
	CHECK_INT(entries.len, 0);
	key[0] ^= 1;
	CHECK_FAILS(index_derive(STORE_STATEMENTS, BYTES(key, 32), buf_bytes(&statement), &entries, &err) == -1, &err,
		    ERR_INTEGRITY);
}

static void an_order_that_changes_is_found_as_it_is_now(void)
{
	struct store *s = fixture_open("s");
	const struct bytes serial = bytes_of("\1\2\3"), draft = bytes_of("\1"), approval = bytes_of("\3"),
			   issued = bytes_of("\6");
	struct store_serial story[2];
	fixture_put_story(s, story); /* with an issued one, and one that waits for approval */
	fixture_put_order(s, fixture_order("o3", ORDER_DRAFT, BYTES_NONE));
	CHECK_INT(fixture_count(s, STORE_BY_STATUS, draft), 1);
	CHECK_INT(fixture_count(s, STORE_BY_STATUS, approval), 1);
	struct record_order *r = fixture_order("o3", ORDER_PENDING_APPROVAL, serial);
	r->approval_count = 0;
	fixture_put_order(s, r);
	CHECK_INT(fixture_count(s, STORE_BY_STATUS, draft), 0);
	CHECK_INT(fixture_count(s, STORE_BY_STATUS, approval), 2);
	CHECK_INT(fixture_count(s, STORE_BY_SERIAL, serial), 1);
	CHECK_INT(fixture_count(s, STORE_BY_DUE, BYTES_NONE), 2);
	r->status = ORDER_DENIED;
	r->due_ms = 0;
	r->serial = BYTES_NONE;
	fixture_put_order(s, r);
	CHECK_INT(fixture_count(s, STORE_BY_STATUS, approval), 1);
	CHECK_INT(fixture_count(s, STORE_BY_STATUS, issued), 1);
	CHECK_INT(fixture_count(s, STORE_BY_SERIAL, serial), 0);
	CHECK_INT(fixture_count(s, STORE_BY_DUE, BYTES_NONE), 1);
	CHECK_INT(fixture_count(s, STORE_BY_ORDERED, bytes_of("ann")), 3);
	CHECK_INT(fixture_check(s, NULL), 0);
	store_close(s);
}

static void every_table_and_index_has_a_name_of_its_own(void)
{
	for (int i = 0; i < STORE_TABLE_COUNT; i++)
		for (int j = 0; j < i; j++)
			CHECK(strcmp(store_table_name((enum store_table)i), store_table_name((enum store_table)j)) !=
			      0);
	for (int i = 0; i < STORE_INDEX_COUNT; i++)
		for (int j = 0; j < i; j++)
			CHECK(strcmp(store_index_name((enum store_index)i), store_index_name((enum store_index)j)) !=
			      0);
	CHECK_TEXT(store_table_name(STORE_TABLE_COUNT), "?");
}

SUITE(index)
{
	TEST(a_certificate_is_found_by_all_that_is_asked_for);
	TEST(only_revoked_and_held_ones_stand_in_the_index_of_revocation);
	TEST(a_name_given_twice_is_one_entry);
	TEST(identities_are_found_by_each_enrolled_certificate);
	TEST(requests_are_found_by_their_end);
	TEST(refuses_a_record_that_disagrees_with_its_key);
	TEST(an_order_is_found_by_requester_status_due_time_and_serial);
	TEST(authorizations_are_found_by_their_end_and_deliveries_by_when_they_are_due);
	TEST(organizations_and_statements_stand_under_their_own_keys_alone);
	TEST(an_order_that_changes_is_found_as_it_is_now);
	TEST(every_table_and_index_has_a_name_of_its_own);
}
