#include "base/bytes.h"

#include "tests/unit/unit.h"

static void compares_lexicographically_prefix_first(void)
{
	CHECK(bytes_compare(bytes_of("a"), bytes_of("b")) < 0);
	CHECK(bytes_compare(bytes_of("b"), bytes_of("aa")) > 0);
	CHECK(bytes_compare(bytes_of("a"), bytes_of("ab")) < 0);
	CHECK(bytes_compare(unit_hex("ff"), unit_hex("01")) > 0);
	CHECK_INT(bytes_compare(BYTES_NONE, BYTES_NONE), 0);
	CHECK(bytes_compare(BYTES_NONE, bytes_of("a")) < 0);
}

static void equality_needs_the_same_length(void)
{
	CHECK(bytes_equal(bytes_of("ab"), bytes_of("ab")));
	CHECK(!bytes_equal(bytes_of("ab"), bytes_of("abc")));
	CHECK(bytes_equal(BYTES_NONE, bytes_of("")));
	CHECK(bytes_equal_secret(bytes_of("ab"), bytes_of("ab")));
	CHECK(!bytes_equal_secret(bytes_of("ab"), bytes_of("ac")));
	CHECK(!bytes_equal_secret(bytes_of("ab"), bytes_of("a")));
	CHECK(bytes_are(bytes_of("x"), "x"));
	CHECK(bytes_are(bytes_of(NULL), ""));
}

static void numbers_are_written_in_network_order(void)
{
	auto_buf b = BUF_INIT;
	buf_u8(&b, 0x01);
	buf_u16(&b, 0x0203);
	buf_u32(&b, 0x04050607);
	buf_u64(&b, 0x08090a0b0c0d0e0f);
	CHECK_BYTES(buf_bytes(&b), unit_hex("01 0203 04050607 08090a0b0c0d0e0f"));
	struct reader r = reader_of(buf_bytes(&b));
	CHECK_INT(reader_u8(&r), 0x01);
	CHECK_INT(reader_u16(&r), 0x0203);
	CHECK_INT(reader_u32(&r), 0x04050607);
	CHECK(reader_u64(&r) == 0x08090a0b0c0d0e0f);
	CHECK(reader_done(&r));
}

static void buffer_grows_and_keeps_its_content(void)
{
	auto_buf b = BUF_INIT;
	for (int i = 0; i < 10000; i++)
		buf_printf(&b, "%04d", i);
	CHECK(!b.failed);
	REQUIRE(b.len == 40000);
	CHECK(memcmp(b.data + 4936, "1234", 4) == 0);
	CHECK(memcmp(b.data + 39996, "9999", 4) == 0);
}

static void buffer_past_its_limit_fails_and_keeps_what_it_had(void)
{
	auto_buf b = BUF_INIT;
	buf_add_text(&b, "kept");
	CHECK(buf_extend(&b, BUF_MAX) == NULL);
	CHECK(b.failed);
	buf_add_text(&b, "ignored");
	CHECK_BYTES(buf_bytes(&b), bytes_of("kept"));
	CHECK_TEXT(buf_text(&b), "");
	buf_clear(&b);
	buf_add_text(&b, "again");
	CHECK_TEXT(buf_text(&b), "again");
}

static void text_of_a_buffer_ends_with_nul_that_is_not_counted(void)
{
	auto_buf b = BUF_INIT;
	CHECK_TEXT(buf_text(&b), "");
	buf_add_text(&b, "abc");
	CHECK_TEXT(buf_text(&b), "abc");
	CHECK_INT(b.len, 3);
	buf_printf(&b, "%s", "");
	CHECK_INT(b.len, 3);
}

static void reader_cannot_run_past_its_end(void)
{
	struct reader r = reader_of(unit_hex("0102 03"));
	CHECK_INT(reader_u16(&r), 0x0102);
	CHECK_INT(reader_u16(&r), 0);
	CHECK(r.failed);
	CHECK_INT(reader_u8(&r), 0); /* one octet is left, but the reader has failed */
	CHECK_INT(reader_take(&r, 0).len, 0);
	CHECK(!reader_done(&r));
}

static void reader_with_octets_left_is_not_done(void)
{
	struct reader r = reader_of(unit_hex("0102"));
	(void)reader_u8(&r);
	CHECK(!reader_done(&r));
	CHECK(!r.failed);
}

static void reader_of_nothing_is_done(void)
{
	struct reader r = reader_of(BYTES_NONE);
	CHECK(reader_done(&r));
	CHECK_INT(reader_take(&r, 0).len, 0);
	CHECK(reader_done(&r));
	CHECK_INT(reader_u64(&r), 0);
	CHECK(r.failed);
}

static void field_reads_back_and_refuses_more_than_its_maximum(void)
{
	auto_buf b = BUF_INIT;
	buf_field(&b, bytes_of("hello"));
	buf_field_text(&b, NULL);
	struct reader r = reader_of(buf_bytes(&b));
	CHECK_BYTES(reader_field(&r, 5), bytes_of("hello"));
	CHECK_INT(reader_field(&r, 0).len, 0);
	CHECK(reader_done(&r));
	r = reader_of(buf_bytes(&b));
	CHECK_INT(reader_field(&r, 4).len, 0);
	CHECK(r.failed);
}

static void field_longer_than_the_input_fails(void)
{
	static const char *const inputs[] = { "00000002 61", "ffffffff 61", "000000", "" };
	for (size_t i = 0; i < 4; i++) {
		struct reader r = reader_of(unit_hex(inputs[i]));
		CHECK_INT(reader_field(&r, SIZE_MAX).len, 0);
		CHECK(r.failed);
	}
}

static void text_field_refuses_nul_and_what_has_no_room(void)
{
	char text[6];
	auto_buf b = BUF_INIT;
	buf_field(&b, bytes_of("hello"));
	struct reader r = reader_of(buf_bytes(&b));
	reader_field_text(&r, text, sizeof(text));
	CHECK_TEXT(text, "hello");
	CHECK(reader_done(&r));

	r = reader_of(buf_bytes(&b));
	reader_field_text(&r, text, 5);
	CHECK_TEXT(text, "");
	CHECK(r.failed);

	r = reader_of(unit_hex("00000003 610062"));
	reader_field_text(&r, text, sizeof(text));
	CHECK_TEXT(text, "");
	CHECK(r.failed);
}

static void copy_gives_zeros_on_failure(void)
{
	uint8_t out[4] = { 1, 2, 3, 4 };
	struct reader r = reader_of(unit_hex("aabb"));
	reader_copy(&r, out, sizeof(out));
	CHECK(r.failed);
	CHECK_BYTES(BYTES(out, 4), unit_hex("00000000"));
}

SUITE(bytes)
{
	TEST(compares_lexicographically_prefix_first);
	TEST(equality_needs_the_same_length);
	TEST(numbers_are_written_in_network_order);
	TEST(buffer_grows_and_keeps_its_content);
	TEST(buffer_past_its_limit_fails_and_keeps_what_it_had);
	TEST(text_of_a_buffer_ends_with_nul_that_is_not_counted);
	TEST(reader_cannot_run_past_its_end);
	TEST(reader_with_octets_left_is_not_done);
	TEST(reader_of_nothing_is_done);
	TEST(field_reads_back_and_refuses_more_than_its_maximum);
	TEST(field_longer_than_the_input_fails);
	TEST(text_field_refuses_nul_and_what_has_no_room);
	TEST(copy_gives_zeros_on_failure);
}
