#include "base/text.h"

#include "tests/unit/unit.h"

static void hex_is_written_lower_case_and_read_in_both(void)
{
	char text[9];
	CHECK_TEXT(text_hex(unit_hex("00ff1aB2"), text), "00ff1ab2");
	auto_buf out = BUF_INIT;
	struct error err = ERR_INIT;
	text_add_hex(&out, unit_hex("0aff"));
	CHECK_TEXT(buf_text(&out), "0aff");
	buf_clear(&out);
	CHECK_OK(text_parse_hex(bytes_of("00ff1aB2"), 4, &out, &err) == 0, &err);
	CHECK_BYTES(buf_bytes(&out), unit_hex("00ff1ab2"));
}

static void refuses_hex_that_is_odd_long_or_no_hex(void)
{
	static const char *const bad[] = { "0", "001", "0g", "g0", " 00", "0x00", "00000000ff", "00 0" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		auto_buf out = BUF_INIT;
		struct error err = ERR_INIT;
		CHECK_FAILS(text_parse_hex(bytes_of(bad[i]), 4, &out, &err), &err, ERR_BAD_REQUEST);
		CHECK_INT(out.len, 0);
	}
}

/* RFC 4648 section 10 */
static void base64_and_base32_give_the_vectors_of_the_standard(void)
{
	static const char *const vectors[][3] = {
		{ "", "", "" },
		{ "f", "Zg==", "my" },
		{ "fo", "Zm8=", "mzxq" },
		{ "foo", "Zm9v", "mzxw6" },
		{ "foob", "Zm9vYg==", "mzxw6yq" },
		{ "fooba", "Zm9vYmE=", "mzxw6ytb" },
		{ "foobar", "Zm9vYmFy", "mzxw6ytboi" },
	};
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		auto_buf base64 = BUF_INIT, base32 = BUF_INIT, back = BUF_INIT;
		struct error err = ERR_INIT;
		text_add_base64(&base64, bytes_of(vectors[i][0]));
		CHECK_TEXT(buf_text(&base64), vectors[i][1]);
		text_add_base32(&base32, bytes_of(vectors[i][0]));
		CHECK_TEXT(buf_text(&base32), vectors[i][2]);
		CHECK_OK(text_parse_base64(buf_bytes(&base64), false, &back, &err) == 0, &err);
		CHECK_BYTES(buf_bytes(&back), bytes_of(vectors[i][0]));
	}
}

static void base64_reads_back_every_octet(void)
{
	uint8_t all[256];
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (uint8_t)i;
	for (size_t len = 250; len <= 256; len++) {
		auto_buf text = BUF_INIT, back = BUF_INIT;
		struct error err = ERR_INIT;
		text_add_base64(&text, BYTES(all, len));
		CHECK_OK(text_parse_base64(buf_bytes(&text), false, &back, &err) == 0, &err);
		CHECK_BYTES(buf_bytes(&back), BYTES(all, len));
	}
}

static void refuses_base64_that_is_not_exactly_the_form(void)
{
	static const char *const bad[] = {
		"Zg",                                              /* padding missing */
		"Zg=",                                             /* too short */
		"Zg===",  "====",  "=",    "Z===",     "Zg==Zg==", /* padding inside */
		"Zh==",                                            /* bits behind the last octet */
		"Zm9=",                                            /* the same, two octets */
		"Zm9v\n", " Zm9v", "Zm 9", "Zm9v====", "Zm-_",     "Zm9\xff", "=m9v", "Zm=v",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		auto_buf out = BUF_INIT;
		struct error err = ERR_INIT;
		buf_add_text(&out, "kept");
		CHECK_FAILS(text_parse_base64(bytes_of(bad[i]), false, &out, &err), &err, ERR_BAD_REQUEST);
		CHECK_INT(out.len, 4);
	}
}

static void url_safe_base64_has_its_own_digits_and_no_padding(void)
{
	auto_buf out = BUF_INIT;
	struct error err = ERR_INIT;
	CHECK_OK(text_parse_base64(bytes_of("-_8"), true, &out, &err) == 0, &err);
	CHECK_BYTES(buf_bytes(&out), unit_hex("fbff"));
	static const char *const bad[] = { "-_8=", "+/8", "Z", "Zh", "Zm9vY" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_FAILS(text_parse_base64(bytes_of(bad[i]), true, &out, &err), &err, ERR_BAD_REQUEST);
}

#define BLOCK                         \
	"-----BEGIN TEST DATA-----\n" \
	"Zm9vYmFy\n"                  \
	"-----END TEST DATA-----\n"

#define LONG_LABEL "0123456789012345678901234567890123456789012345678901234567890123"
#define LONG_LABEL_BLOCK "-----BEGIN " LONG_LABEL "-----\nZm9v\n-----END " LONG_LABEL "-----\n"

/* Reads the first block of text: 1, 0 or -1. */
static int first_block(const char *text, struct buf *der, struct error *err)
{
	char label[64];
	struct bytes rest = bytes_of(text);
	return text_next_pem(&rest, label, der, err);
}

static void pem_reads_back_as_written_in_lines_of_64(void)
{
	uint8_t content[100] = { 1, 2, 3 };
	auto_buf text = BUF_INIT, der = BUF_INIT;
	struct error err = ERR_INIT;
	char label[64];
	text_add_pem(&text, "CERTIFICATE", BYTES(content, sizeof(content)));
	size_t line = 0, longest = 0;
	for (size_t i = 0; i < text.len; i++) {
		line = text.data[i] == '\n' ? 0 : line + 1;
		longest = line > longest ? line : longest;
	}
	CHECK_INT(longest, 64);
	struct bytes rest = buf_bytes(&text);
	CHECK_INT(text_next_pem(&rest, label, &der, &err), 1);
	CHECK_TEXT(label, "CERTIFICATE");
	CHECK_BYTES(buf_bytes(&der), BYTES(content, sizeof(content)));
	CHECK_INT(rest.len, 0);
	CHECK_INT(text_next_pem(&rest, label, &der, &err), 0);
}

static void pem_blocks_follow_one_another(void)
{
	auto_buf der = BUF_INIT;
	struct error err = ERR_INIT;
	char label[64];
	struct bytes rest = bytes_of("subject=x\n" BLOCK "\nissuer=y\n" BLOCK "end\n");
	CHECK_INT(text_next_pem(&rest, label, &der, &err), 1);
	CHECK_TEXT(label, "TEST DATA");
	CHECK_INT(text_next_pem(&rest, label, &der, &err), 1);
	CHECK_BYTES(buf_bytes(&der), bytes_of("foobarfoobar"));
	CHECK_INT(text_next_pem(&rest, label, &der, &err), 0);
}

static void pem_accepts_crlf_blanks_at_line_ends_and_a_missing_last_line_end(void)
{
	static const char *const good[] = {
		"-----BEGIN X-----\r\nZm9v\r\nYmFy\r\n-----END X-----\r\n",
		"-----BEGIN X-----  \nZm9v \t\nYmFy\n-----END X-----",
		"-----BEGIN X-----\n\nZm9vYm\nFy\n\n-----END X----- \n",
	};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		auto_buf der = BUF_INIT;
		struct error err = ERR_INIT;
		CHECK_INT(first_block(good[i], &der, &err), 1);
		CHECK_BYTES(buf_bytes(&der), bytes_of("foobar"));
	}
}

static void text_without_a_block_has_none(void)
{
	static const char *const none[] = { "", "\n", "hello\nworld", " -----BEGIN X-----\nZm9v\n", "MIIB", "----" };
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		auto_buf der = BUF_INIT;
		struct error err = ERR_INIT;
		CHECK_INT(first_block(none[i], &der, &err), 0);
	}
}

static void refuses_pem_that_is_malformed(void)
{
	static const char *const bad[] = {
		"-----BEGIN X-----\n",                        /* cut off */
		"-----BEGIN X-----\nZm9v\n",                  /* cut off later */
		"-----BEGIN X-----\nZm9v\n-----END Y-----\n", /* another label */
		"-----BEGIN X-----\nZm9v\n-----END X----\n",  /* a dash short */
		"-----BEGIN X-----\n-----END X-----\n",       /* empty */
		"-----BEGIN X-----\nZm9v\n-----BEGIN X-----\nZm9v\n-----END X-----\n",
		"-----BEGIN X-----\nProc-Type: 4,ENCRYPTED\n\nZm9v\n-----END X-----\n",
		"-----BEGIN X-----\nZm 9v\n-----END X-----\n",      /* blank within a line */
		"-----BEGIN X-----\nZm9\n-----END X-----\n",        /* no multiple of four */
		"-----BEGIN X-----\nZg==\nZg==\n-----END X-----\n", /* padding inside */
		"-----BEGIN X-----\nZm9v-----END X-----\n",
		"-----BEGIN X----\nZm9v\n-----END X-----\n",
		"-----BEGIN -----\nZm9v\n-----END -----\n", /* no label */
		"-----BEGIN  X-----\nZm9v\n-----END  X-----\n",
		"-----BEGIN X -----\nZm9v\n-----END X -----\n",
		"-----BEGIN X\x01Y-----\nZm9v\n-----END X\x01Y-----\n",
		"-----END X-----\n",
		"-----\n",
		LONG_LABEL_BLOCK,
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		auto_buf der = BUF_INIT;
		struct error err = ERR_INIT;
		CHECK_FAILS(first_block(bad[i], &der, &err) == -1, &err, ERR_BAD_REQUEST);
		CHECK_INT(der.len, 0);
	}
}

static void refuses_pem_cut_off_anywhere(void)
{
	static const char block[] = BLOCK;
	for (size_t len = 5; len + 2 < sizeof(block) - 1; len++) {
		auto_buf der = BUF_INIT;
		struct error err = ERR_INIT;
		char label[64];
		struct bytes cut = BYTES(block, len);
		CHECK_INT(text_next_pem(&cut, label, &der, &err), -1);
		CHECK_INT(der.len, 0);
	}
}

static void utf8_without_overlong_forms_and_surrogates(void)
{
	static const char *const good[] = { "",       "61",     "c3a4", "e282ac", "f09f9880", "f48fbfbf",
					    "ed9fbf", "ee8080", "c280", "e0a080", "f0908080", "00" };
	static const char *const bad[] = { "80",       "c0af",     "c1bf",     "e09fbf", "eda080", "edbfbf",
					   "f08fbfbf", "f4908080", "f5808080", "ff",     "c3",     "e282",
					   "f09f98",   "c361",     "e28261",   "61c3" };
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CHECK(text_is_utf8(unit_hex(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(!text_is_utf8(unit_hex(bad[i])));
}

static void finds_control_characters(void)
{
	static const char *const with[] = { "00", "610a", "1b", "7f", "c280", "c29f" };
	static const char *const without[] = { "", "20", "7e", "c2a0", "c3a4", "e28280" };
	for (size_t i = 0; i < sizeof(with) / sizeof(with[0]); i++)
		CHECK(text_has_control(unit_hex(with[i])));
	for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++)
		CHECK(!text_has_control(unit_hex(without[i])));
}

SUITE(text)
{
	TEST(hex_is_written_lower_case_and_read_in_both);
	TEST(refuses_hex_that_is_odd_long_or_no_hex);
	TEST(base64_and_base32_give_the_vectors_of_the_standard);
	TEST(base64_reads_back_every_octet);
	TEST(refuses_base64_that_is_not_exactly_the_form);
	TEST(url_safe_base64_has_its_own_digits_and_no_padding);
	TEST(pem_reads_back_as_written_in_lines_of_64);
	TEST(pem_blocks_follow_one_another);
	TEST(pem_accepts_crlf_blanks_at_line_ends_and_a_missing_last_line_end);
	TEST(text_without_a_block_has_none);
	TEST(refuses_pem_that_is_malformed);
	TEST(refuses_pem_cut_off_anywhere);
	TEST(utf8_without_overlong_forms_and_surrogates);
	TEST(finds_control_characters);
}
