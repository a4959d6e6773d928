#include "base/der.h"

#include "base/clock.h"
#include "tests/unit/unit.h"

/* Reads hex as one element of this tag; the reason of refusal, or NULL. */
static const char *refusal(const char *hex, int tag)
{
	struct der d = der_of(unit_hex(hex));
	(void)der_take(&d, tag);
	return d.failed;
}

/* The reason that a reader of values gives for hex, or NULL where it accepts it whole. */
#define VALUE_REFUSAL(read, hex)                                                      \
	({                                                                            \
		struct der cursor = der_of(unit_hex(hex));                            \
		(void)read(&cursor);                                                  \
		cursor.failed ? cursor.failed : cursor.left.len ? "left over" : NULL; \
	})

static void reads_short_and_long_lengths(void)
{
	struct der d = der_of(unit_hex("0403616263"));
	CHECK_BYTES(der_take(&d, DER_OCTET_STRING), bytes_of("abc"));
	CHECK(der_done(&d));

	auto_buf content = BUF_INIT, whole = BUF_INIT;
	static const size_t lengths[] = { 0, 1, 127, 128, 255, 256, 65535, 65536, 16777215, 16777216 };
	static const size_t headers[] = { 2, 2, 2, 3, 3, 4, 4, 5, 5, 6 };
	REQUIRE(buf_extend(&content, 16777216) != NULL);
	memset(content.data, 'x', content.len);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		buf_clear(&whole);
		der_add(&whole, DER_OCTET_STRING, BYTES(content.data, lengths[i]));
		CHECK_INT(whole.len, lengths[i] + headers[i]);
		d = der_of(buf_bytes(&whole));
		CHECK_INT(der_take(&d, DER_OCTET_STRING).len, lengths[i]);
		CHECK(der_done(&d));
	}
}

static void refuses_length_that_is_not_minimal(void)
{
	CHECK_TEXT(refusal("048103616263", DER_OCTET_STRING), "length not minimal");
	CHECK_TEXT(refusal("04820003616263", DER_OCTET_STRING), "length not minimal");
	CHECK_TEXT(refusal("048400000003616263", DER_OCTET_STRING), "length not minimal");
	CHECK_TEXT(refusal("04820000", DER_OCTET_STRING), "length not minimal");
}

static void refuses_indefinite_and_oversize_lengths(void)
{
	CHECK_TEXT(refusal("30800000", DER_SEQUENCE), "indefinite length");
	CHECK_TEXT(refusal("3085000000000100", DER_SEQUENCE), "length of more than four octets");
	CHECK_TEXT(refusal("30ff00", DER_SEQUENCE), "length of more than four octets");
	CHECK_TEXT(refusal("3084ffffffff00", DER_SEQUENCE), "truncated");
}

static void refuses_every_truncation(void)
{
	auto_buf whole = BUF_INIT;
	uint8_t content[200] = { 0 };
	der_add(&whole, DER_OCTET_STRING, BYTES(content, sizeof(content)));
	for (size_t len = 0; len < whole.len; len++) {
		/* a copy of exactly that size, so that reading on is noticed */
		uint8_t *copy = malloc(len ? len : 1);
		REQUIRE(copy != NULL);
		memcpy(copy, whole.data, len);
		struct der d = der_of(BYTES(copy, len));
		struct bytes taken = der_take(&d, DER_OCTET_STRING);
		CHECK(d.failed != NULL);
		CHECK_INT(taken.len, 0);
		free(copy);
	}
}

static void trailing_octets_are_not_done(void)
{
	struct der d = der_of(unit_hex("0500 00"));
	(void)der_take(&d, DER_NULL);
	CHECK(!d.failed);
	CHECK(!der_done(&d));
}

static void refuses_high_tag_numbers_and_end_of_contents(void)
{
	struct bytes content;
	struct der d = der_of(unit_hex("1f8101 00"));
	CHECK_INT(der_peek(&d), -1);
	CHECK_INT(der_any(&d, &content, NULL), -1);
	CHECK_TEXT(d.failed, "tag number over 30");
	CHECK_TEXT(refusal("0000", 0), "end-of-contents octets");
}

static void refuses_the_form_that_der_does_not_have(void)
{
	CHECK_TEXT(refusal("2405 0403616263", 0x24), "constructed and primitive form confused");
	CHECK_TEXT(refusal("1000", 0x10), "constructed and primitive form confused");
	CHECK_TEXT(refusal("2c00", 0x2c), "constructed and primitive form confused");
	CHECK(refusal("a000", DER_CONTEXT_CONSTRUCTED(0)) == NULL);
	CHECK(refusal("8000", DER_CONTEXT(0)) == NULL);
}

static void refuses_another_tag_and_stays_failed(void)
{
	struct der d = der_of(unit_hex("0403616263 0500"));
	CHECK_INT(der_take(&d, DER_INTEGER).len, 0);
	CHECK_TEXT(d.failed, "an element of another type is expected");
	CHECK_INT(der_take(&d, DER_OCTET_STRING).len, 0);
	CHECK_INT(der_peek(&d), -1);
	struct der inner;
	der_enter(&d, DER_SEQUENCE, &inner);
	CHECK(inner.failed != NULL);
	CHECK(!der_done(&inner));
}

static void optional_element_is_left_where_it_is_another(void)
{
	struct bytes content;
	struct der d = der_of(unit_hex("0500 0401aa"));
	CHECK(!der_take_if(&d, DER_OCTET_STRING, &content));
	CHECK(der_take_if(&d, DER_NULL, &content));
	CHECK(der_take_if(&d, DER_OCTET_STRING, &content));
	CHECK_BYTES(content, unit_hex("aa"));
	CHECK(!der_take_if(&d, DER_OCTET_STRING, &content));
	CHECK(der_done(&d));
}

static void optional_element_that_is_malformed_fails(void)
{
	struct bytes content;
	struct der d = der_of(unit_hex("0405aa"));
	CHECK(!der_take_if(&d, DER_OCTET_STRING, &content));
	CHECK_TEXT(d.failed, "truncated");
}

static void whole_element_has_its_header(void)
{
	struct bytes content, whole;
	struct der d = der_of(unit_hex("3003020105 0500"));
	CHECK_INT(der_any(&d, &content, &whole), DER_SEQUENCE);
	CHECK_BYTES(content, unit_hex("020105"));
	CHECK_BYTES(whole, unit_hex("3003020105"));
	CHECK_BYTES(der_take_whole(&d, DER_NULL), unit_hex("0500"));
	CHECK(der_done(&d));
}

static void refuses_integer_that_is_empty_or_padded(void)
{
	CHECK_TEXT(VALUE_REFUSAL(der_integer, "0200"), "integer without content");
	CHECK_TEXT(VALUE_REFUSAL(der_integer, "0202007f"), "integer not minimal");
	CHECK_TEXT(VALUE_REFUSAL(der_integer, "0202ff80"), "integer not minimal");
	CHECK(VALUE_REFUSAL(der_integer, "02020080") == NULL);
	CHECK(VALUE_REFUSAL(der_integer, "0202ff7f") == NULL);
	CHECK(VALUE_REFUSAL(der_integer, "020100") == NULL);
}

static void small_integer_keeps_its_limit_and_sign(void)
{
	struct der d = der_of(unit_hex("020102 020102 0201ff"));
	CHECK_INT(der_small_integer(&d, 2), 2);
	CHECK_INT(der_small_integer(&d, 1), 0);
	CHECK_TEXT(d.failed, "integer too large");
	d = der_of(unit_hex("0201ff"));
	CHECK_INT(der_small_integer(&d, 255), 0);
	CHECK_TEXT(d.failed, "integer negative");
	d = der_of(unit_hex("020900ffffffffffffffff 0209010000000000000000"));
	CHECK(der_small_integer(&d, UINT64_MAX) == UINT64_MAX);
	CHECK_INT(der_small_integer(&d, UINT64_MAX), 0);
	CHECK_TEXT(d.failed, "integer too large");
}

static void boolean_is_00_or_ff(void)
{
	struct der d = der_of(unit_hex("010100 0101ff"));
	CHECK(!der_boolean(&d));
	CHECK(der_boolean(&d));
	CHECK(der_done(&d));
	CHECK_TEXT(VALUE_REFUSAL(der_boolean, "010101"), "boolean neither 00 nor FF");
	CHECK_TEXT(VALUE_REFUSAL(der_boolean, "0100"), "boolean neither 00 nor FF");
	CHECK_TEXT(VALUE_REFUSAL(der_boolean, "0102ffff"), "boolean neither 00 nor FF");
}

static void bit_string_has_whole_octets(void)
{
	struct der d = der_of(unit_hex("030300abcd"));
	CHECK_BYTES(der_bit_string(&d), unit_hex("abcd"));
	CHECK(VALUE_REFUSAL(der_bit_string, "030100") == NULL);
	CHECK_TEXT(VALUE_REFUSAL(der_bit_string, "0300"), "bit string without content");
	CHECK_TEXT(VALUE_REFUSAL(der_bit_string, "030204f0"), "bit string with unused bits");
}

static void named_bits_have_no_trailing_zero(void)
{
	struct der d = der_of(unit_hex("030205a0 03020106 0303078080 030100"));
	CHECK_INT(der_named_bits(&d), 1 << 0 | 1 << 2); /* digitalSignature, keyEncipherment */
	CHECK_INT(der_named_bits(&d), 1 << 5 | 1 << 6); /* keyCertSign, cRLSign */
	CHECK_INT(der_named_bits(&d), 1 << 0 | 1 << 8);
	CHECK_INT(der_named_bits(&d), 0);
	CHECK(der_done(&d));
	CHECK_TEXT(VALUE_REFUSAL(der_named_bits, "030204a0"), "named bits not minimal");
	CHECK_TEXT(VALUE_REFUSAL(der_named_bits, "030205a1"), "named bits not minimal");
	CHECK_TEXT(VALUE_REFUSAL(der_named_bits, "03020000"), "named bits not minimal");
	CHECK_TEXT(VALUE_REFUSAL(der_named_bits, "0303008000"), "named bits not minimal");
	CHECK_TEXT(VALUE_REFUSAL(der_named_bits, "03020880"), "named bits malformed");
	CHECK_TEXT(VALUE_REFUSAL(der_named_bits, "030101"), "named bits malformed");
	CHECK_TEXT(VALUE_REFUSAL(der_named_bits, "0300"), "named bits malformed");
	CHECK_TEXT(VALUE_REFUSAL(der_named_bits, "030400808080"), "named bits malformed");
}

static void named_bits_read_back_as_written(void)
{
	unsigned wrong = 0;
	for (unsigned bits = 0; bits <= UINT16_MAX; bits++) {
		auto_buf out = BUF_INIT;
		der_add_named_bits(&out, (uint16_t)bits);
		struct der d = der_of(buf_bytes(&out));
		wrong += der_named_bits(&d) != bits || !der_done(&d);
	}
	CHECK_INT(wrong, 0);
}

static void refuses_object_identifier_that_is_malformed(void)
{
	CHECK(VALUE_REFUSAL(der_oid, "0603551d0f") == NULL);
	CHECK_TEXT(VALUE_REFUSAL(der_oid, "0600"), "object identifier malformed");
	CHECK_TEXT(VALUE_REFUSAL(der_oid, "0603558f8f"), "object identifier malformed");
	CHECK_TEXT(VALUE_REFUSAL(der_oid, "0603558001"), "object identifier malformed");
	CHECK_TEXT(VALUE_REFUSAL(der_oid, "06038055 01"), "object identifier malformed");
	CHECK(VALUE_REFUSAL(der_oid, "0604558180 01") == NULL); /* 80 inside a subidentifier is a digit */
}

static int64_t seconds(int year, int month, int day, int hour, int minute, int second)
{
	return clock_from_civil((struct clock_civil){ year, month, day, hour, minute, second });
}

static struct bytes time_element(int tag, const char *text)
{
	static uint8_t element[64];
	element[0] = (uint8_t)tag;
	element[1] = (uint8_t)strlen(text);
	memcpy(element + 2, text, strlen(text));
	return BYTES(element, 2 + strlen(text));
}

static const char *time_refusal(int tag, const char *text)
{
	struct der d = der_of(time_element(tag, text));
	(void)der_time(&d);
	return d.failed;
}

static void times_follow_rfc5280(void)
{
	struct der d = der_of(time_element(DER_UTC_TIME, "491231235959Z"));
	CHECK_INT(der_time(&d), seconds(2049, 12, 31, 23, 59, 59));
	CHECK(der_done(&d));
	d = der_of(time_element(DER_UTC_TIME, "500101000000Z"));
	CHECK_INT(der_time(&d), seconds(1950, 1, 1, 0, 0, 0));
	d = der_of(time_element(DER_GENERALIZED_TIME, "20500101000000Z"));
	CHECK_INT(der_time(&d), seconds(2050, 1, 1, 0, 0, 0));
	d = der_of(time_element(DER_GENERALIZED_TIME, "99991231235959Z"));
	CHECK_INT(der_time(&d), 253402300799);
	d = der_of(time_element(DER_GENERALIZED_TIME, "20491231235959Z"));
	CHECK_INT(der_generalized_time(&d), seconds(2049, 12, 31, 23, 59, 59));
	CHECK_TEXT(time_refusal(DER_GENERALIZED_TIME, "20491231235959Z"), "GeneralizedTime for a year before 2050");
}

static void refuses_times_of_another_form_or_that_do_not_exist(void)
{
	static const char *const utc[] = {
		"2611211200Z",
		"261121120000",
		"261121120000+0000",
		"261121120000z",
		"261321120000Z",
		"261100120000Z",
		"260229120000Z",
		"261121240000Z",
		"261121126000Z",
		"261121120060Z",
		"26112112000.Z",
		"2611211200000Z",
		" 61121120000Z",
		"",
		"Z",
	};
	static const char *const generalized[] = { "20501121120000.5Z",   "20501121120000",  "205011211200Z",
						   "20501121120000+0100", "21000229000000Z", "00000101000000Z" };
	for (size_t i = 0; i < sizeof(utc) / sizeof(utc[0]); i++)
		CHECK(time_refusal(DER_UTC_TIME, utc[i]) != NULL);
	for (size_t i = 0; i < sizeof(generalized) / sizeof(generalized[0]); i++)
		CHECK(time_refusal(DER_GENERALIZED_TIME, generalized[i]) != NULL);
	CHECK(time_refusal(DER_UTC_TIME, "240229120000Z") == NULL);
}

static void times_are_written_in_the_form_of_their_year(void)
{
	auto_buf out = BUF_INIT;
	der_add_time(&out, seconds(2049, 12, 31, 23, 59, 59));
	der_add_time(&out, seconds(2050, 1, 1, 0, 0, 0));
	der_add_generalized_time(&out, seconds(2026, 11, 21, 12, 0, 0));
	struct der d = der_of(buf_bytes(&out));
	CHECK_BYTES(der_take(&d, DER_UTC_TIME), bytes_of("491231235959Z"));
	CHECK_BYTES(der_take(&d, DER_GENERALIZED_TIME), bytes_of("20500101000000Z"));
	CHECK_BYTES(der_take(&d, DER_GENERALIZED_TIME), bytes_of("20261121120000Z"));
	CHECK(der_done(&d));
}

static void numbers_are_written_minimal(void)
{
	auto_buf out = BUF_INIT;
	der_add_number(&out, 0);
	der_add_number(&out, 127);
	der_add_number(&out, 128);
	der_add_number(&out, UINT64_MAX);
	der_add_unsigned(&out, unit_hex("0000 ff"));
	der_add_unsigned(&out, BYTES_NONE);
	CHECK_BYTES(buf_bytes(&out), unit_hex("020100 02017f 02020080 020900ffffffffffffffff 020200ff 020100"));
}

static void wrapping_makes_room_for_the_header(void)
{
	auto_buf out = BUF_INIT;
	uint8_t content[300] = { 1, 2, 3 };
	buf_add_text(&out, "before");
	size_t outer = der_mark(&out);
	size_t inner = der_mark(&out);
	buf_add(&out, content, sizeof(content));
	der_wrap(&out, inner, DER_OCTET_STRING);
	der_add_boolean_true(&out);
	der_wrap(&out, outer, DER_SEQUENCE);
	struct der d = der_of(BYTES(out.data + 6, out.len - 6)), sequence;
	der_enter(&d, DER_SEQUENCE, &sequence);
	CHECK_BYTES(der_take(&sequence, DER_OCTET_STRING), BYTES(content, sizeof(content)));
	CHECK(der_boolean(&sequence));
	CHECK(der_done(&sequence) && der_done(&d));
	CHECK(memcmp(out.data, "before", 6) == 0);
}

static void object_identifiers_as_text_and_back(void)
{
	static const char *const pairs[][2] = {
		{ "2.5.29.15", "551d0f" },
		{ "1.2.840.113549.1.1.11", "2a864886f70d01010b" },
		{ "0.0", "00" },
		{ "1.39", "4f" },
		{ "2.0", "50" },
		{ "2.999.1", "883701" },
		{ "2.5.9223372036854775807", "55ffffffffffffffff7f" },
	};
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		auto_buf out = BUF_INIT;
		char text[64];
		CHECK_INT(der_oid_parse(pairs[i][0], &out), 0);
		CHECK_BYTES(buf_bytes(&out), unit_hex(pairs[i][1]));
		CHECK_TEXT(der_oid_text(buf_bytes(&out), text, sizeof(text)), pairs[i][0]);
	}
}

static void refuses_text_that_is_no_object_identifier(void)
{
	static const char *const bad[] = { "",
					   "1",
					   "1.",
					   "3.1",
					   "1.40",
					   "0.40",
					   "1.2.",
					   "1..2",
					   ".1.2",
					   "1.02",
					   "1.-2",
					   "1.2 ",
					   "a.b.c",
					   "1.2.x",
					   "1.2.9223372036854775808",
					   "2.9223372036854775807" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		auto_buf out = BUF_INIT;
		buf_add_text(&out, "kept");
		CHECK_INT(der_oid_parse(bad[i], &out), -1);
		CHECK_INT(out.len, 4);
	}
}

static void malformed_object_identifier_shows_as_question_mark(void)
{
	static const char *const bad[] = { "", "80", "5580", "2a80", "2affffffffffffffffffff7f" };
	char text[64];
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_TEXT(der_oid_text(unit_hex(bad[i]), text, sizeof(text)), "?");
	char tiny[5];
	CHECK_TEXT(der_oid_text(unit_hex("551d0f"), tiny, sizeof(tiny)), "?");
}

SUITE(der)
{
	TEST(reads_short_and_long_lengths);
	TEST(refuses_length_that_is_not_minimal);
	TEST(refuses_indefinite_and_oversize_lengths);
	TEST(refuses_every_truncation);
	TEST(trailing_octets_are_not_done);
	TEST(refuses_high_tag_numbers_and_end_of_contents);
	TEST(refuses_the_form_that_der_does_not_have);
	TEST(refuses_another_tag_and_stays_failed);
	TEST(optional_element_is_left_where_it_is_another);
	TEST(optional_element_that_is_malformed_fails);
	TEST(whole_element_has_its_header);
	TEST(refuses_integer_that_is_empty_or_padded);
	TEST(small_integer_keeps_its_limit_and_sign);
	TEST(boolean_is_00_or_ff);
	TEST(bit_string_has_whole_octets);
	TEST(named_bits_have_no_trailing_zero);
	TEST(named_bits_read_back_as_written);
	TEST(refuses_object_identifier_that_is_malformed);
	TEST(times_follow_rfc5280);
	TEST(refuses_times_of_another_form_or_that_do_not_exist);
	TEST(times_are_written_in_the_form_of_their_year);
	TEST(numbers_are_written_minimal);
	TEST(wrapping_makes_room_for_the_header);
	TEST(object_identifiers_as_text_and_back);
	TEST(refuses_text_that_is_no_object_identifier);
	TEST(malformed_object_identifier_shows_as_question_mark);
}
