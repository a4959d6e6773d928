#include "ca-core/crl_der.h"

#include "base/der.h"
#include "ca-core/oid.h"
#include "tests/unit/unit.h"

/* ecdsa-with-SHA256, an empty Name, any key identifier. */
static const uint8_t algorithm[] = { 0x30, 0x0a, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2 };
static const uint8_t name[] = { 0x30, 0 };
static const uint8_t key_id[20] = { 1, 2, 3 };
static const uint8_t audit_oid[] = { 0x88, 0x37, 1, 1 };
static const uint8_t audit_head[32] = { 9 };
static const uint8_t first_serial[] = { 0x01, 0x02 }, second_serial[] = { 0x7f };

static struct ca_crl_head head_of(uint64_t number)
{
	return (struct ca_crl_head){
		.signature_algorithm = BYTES(algorithm, sizeof(algorithm)),
		.issuer = BYTES(name, sizeof(name)),
		.aki = BYTES(key_id, sizeof(key_id)),
		.number = number,
		.this_update_s = 1700000000,
		.next_update_s = 1700086400,
		.audit_oid = BYTES(audit_oid, sizeof(audit_oid)),
		.audit_head = BYTES(audit_head, sizeof(audit_head)),
	};
}

/* A whole CertificateList around a made-up signature. */
static void make(const struct ca_crl_head *head, const struct ca_crl_entry *entries, size_t count, struct buf *out)
{
	struct error err = ERR_INIT;
	struct ca_crl_writer w;
	size_t mark = der_mark(out);
	ca_crl_begin(&w, head, out);
	for (size_t i = 0; i < count; i++)
		ca_crl_add(&w, &entries[i]);
	CHECK_OK(ca_crl_finish(&w, &err) == 0, &err);
	CHECK_INT(w.entries, count);
	buf_add_bytes(out, head->signature_algorithm);
	der_add_bit_string(out, BYTES("signature", 9));
	der_wrap(out, mark, DER_SEQUENCE);
}

static void reads_back_what_was_written(void)
{
	struct ca_crl_head head = head_of(1700000000123);
	struct ca_crl_entry entries[] = {
		{ BYTES(first_serial, sizeof(first_serial)), 1699999000, 1, 1690000000 },
		{ BYTES(second_serial, sizeof(second_serial)), 1699999001, 0, 0 },
	};
	auto_buf out = BUF_INIT;
	make(&head, entries, 2, &out);

	struct error err = ERR_INIT;
	struct ca_crl crl;
	REQUIRE(ca_crl_read(buf_bytes(&out), head.audit_oid, &crl, &err) == 0);
	CHECK_INT(crl.head.number, 1700000000123);
	CHECK_INT(crl.head.this_update_s, 1700000000);
	CHECK_INT(crl.head.next_update_s, 1700086400);
	CHECK_BYTES(crl.head.aki, head.aki);
	CHECK_BYTES(crl.head.issuer, head.issuer);
	CHECK_BYTES(crl.head.audit_head, head.audit_head);
	CHECK_BYTES(crl.signature, BYTES("signature", 9));

	struct ca_crl_entry entry;
	struct bytes left = crl.entries;
	REQUIRE(ca_crl_next(&left, &entry, &err) == 1);
	CHECK_BYTES(entry.serial, entries[0].serial);
	CHECK_INT(entry.revoked_s, 1699999000);
	CHECK_INT(entry.reason, 1);
	CHECK_INT(entry.invalidity_s, 1690000000);
	REQUIRE(ca_crl_next(&left, &entry, &err) == 1);
	CHECK_BYTES(entry.serial, entries[1].serial);
	CHECK_INT(entry.reason, 0);
	CHECK_INT(entry.invalidity_s, 0);
	CHECK_INT(ca_crl_next(&left, &entry, &err), 0);
}

static void leaves_an_empty_list_and_an_unspecified_reason_out(void)
{
	struct ca_crl_head head = head_of(1);
	auto_buf out = BUF_INIT;
	make(&head, NULL, 0, &out);
	struct error err = ERR_INIT;
	struct ca_crl crl;
	REQUIRE(ca_crl_read(buf_bytes(&out), BYTES_NONE, &crl, &err) == 0);
	CHECK_INT(crl.entries.len, 0);
	CHECK_INT(crl.head.audit_head.len, 0); /* not asked for */

	struct ca_crl_entry plain = { BYTES(second_serial, 1), 1699999001, 0, 0 };
	auto_buf one = BUF_INIT;
	make(&head, &plain, 1, &one);
	REQUIRE(ca_crl_read(buf_bytes(&one), BYTES_NONE, &crl, &err) == 0);
	/* SEQUENCE { INTEGER 1 octet, UTCTime 13 octets }: no extensions */
	CHECK_INT(crl.entries.len, 2 + 3 + 15);
}

static void refuses_every_truncation(void)
{
	struct ca_crl_head head = head_of(7);
	struct ca_crl_entry entry = { BYTES(first_serial, 2), 1699999000, 1, 1690000000 };
	auto_buf out = BUF_INIT;
	make(&head, &entry, 1, &out);
	struct ca_crl crl;
	for (size_t len = 0; len < out.len; len++) {
		struct error err = ERR_INIT;
		CHECK_FAILS(ca_crl_read(BYTES(out.data, len), BYTES_NONE, &crl, &err) == -1, &err, ERR_INTEGRITY);
	}
	buf_u8(&out, 0);
	struct error err = ERR_INIT;
	CHECK_FAILS(ca_crl_read(buf_bytes(&out), BYTES_NONE, &crl, &err) == -1, &err, ERR_INTEGRITY);
}

static void refuses_next_update_that_is_not_later(void)
{
	struct ca_crl_head head = head_of(7);
	head.next_update_s = head.this_update_s;
	auto_buf out = BUF_INIT;
	make(&head, NULL, 0, &out);
	struct error err = ERR_INIT;
	struct ca_crl crl;
	CHECK_FAILS(ca_crl_read(buf_bytes(&out), BYTES_NONE, &crl, &err) == -1, &err, ERR_INTEGRITY);
	CHECK(strstr(err.message, "5.1.2.5") != NULL);
}

static void refuses_an_entry_with_a_reason_that_does_not_exist(void)
{
	struct ca_crl_head head = head_of(7);
	struct ca_crl_entry entry = { BYTES(first_serial, 2), 1699999000, 7, 0 };
	auto_buf out = BUF_INIT;
	make(&head, &entry, 1, &out);
	struct error err = ERR_INIT;
	struct ca_crl crl;
	REQUIRE(ca_crl_read(buf_bytes(&out), BYTES_NONE, &crl, &err) == 0);
	CHECK_FAILS(ca_crl_next(&crl.entries, &entry, &err) == -1, &err, ERR_INTEGRITY);
	CHECK(strstr(err.message, "5.3.1") != NULL);
}

SUITE(crl_der)
{
	TEST(reads_back_what_was_written);
	TEST(leaves_an_empty_list_and_an_unspecified_reason_out);
	TEST(refuses_every_truncation);
	TEST(refuses_next_update_that_is_not_later);
	TEST(refuses_an_entry_with_a_reason_that_does_not_exist);
}
