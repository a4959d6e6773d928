#include "store/private.h"
#include "tests/unit/store/fixture.h"

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
	TEST(every_table_and_index_has_a_name_of_its_own);
}
