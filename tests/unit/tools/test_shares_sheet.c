#include "tools/shares_sheet.h"

#include "base/file.h"
#include "tests/unit/unit.h"

static void split(unsigned count, unsigned threshold, struct share *out)
{
	struct error err = ERR_INIT;
	auto_secret *pin = secret_new(bytes_of("00ff1234567890abcdef00ff123456ab"), &err);
	CHECK_OK(pin && shares_split(pin, SHARES_PIN_USER, count, threshold, out, &err) == 0, &err);
}

static void make(unsigned count, struct share *shares, struct shares_sheet *sheet, struct buf *text)
{
	split(count, 2, shares);
	shares_sheet_make("root", "0123456789abcdef", 1796000000, shares, count, sheet);
	shares_sheet_write(sheet, text);
	CHECK(!text->failed);
}

static void what_is_written_is_read(void)
{
	struct error err = ERR_INIT;
	struct share shares[SHARES_MAX];
	struct shares_sheet sheet, read;
	auto_buf text = BUF_INIT, again = BUF_INIT;
	make(SHARES_MAX, shares, &sheet, &text);
	CHECK_OK(shares_sheet_read(buf_bytes(&text), &read, &err) == 0, &err);
	CHECK_TEXT(read.token, "root");
	CHECK_TEXT(read.split, shares[0].split);
	CHECK_INT(read.count, SHARES_MAX);
	CHECK_INT(read.threshold, 2);
	shares_sheet_write(&read, &again);
	CHECK_BYTES(buf_bytes(&again), buf_bytes(&text));
}

static void every_share_is_known_by_its_sheet(void)
{
	struct share shares[5];
	struct shares_sheet sheet;
	auto_buf text = BUF_INIT;
	make(5, shares, &sheet, &text);
	for (size_t i = 0; i < 5; i++) {
		struct error err = ERR_INIT;
		CHECK_OK(shares_sheet_check(&sheet, &shares[i], &err) == 0, &err);
		for (size_t j = 0; j < shares[i].value_len; j++) {
			auto_share wrong = shares[i];
			wrong.value[j] ^= 1;
			CHECK_FAILS(shares_sheet_check(&sheet, &wrong, &err) == -1, &err, ERR_INTEGRITY);
		}
		auto_share moved = shares[i];
		moved.index = shares[i].index % 5 + 1;
		CHECK_FAILS(shares_sheet_check(&sheet, &moved, &err) == -1, &err, ERR_INTEGRITY);
		moved.index = 6;
		CHECK_FAILS(shares_sheet_check(&sheet, &moved, &err) == -1, &err, ERR_INTEGRITY);
	}
}

static void a_right_share_of_another_split_is_named(void)
{
	struct error err = ERR_INIT;
	struct share shares[3], others[3];
	struct shares_sheet sheet;
	char id[SHARES_ID_LEN + 2];
	auto_buf text = BUF_INIT;
	make(3, shares, &sheet, &text);
	split(3, 2, others);
	CHECK_FAILS(shares_sheet_check(&sheet, &others[1], &err) == -1, &err, ERR_CONFLICT);
	CHECK(strstr(err.message, "share 2 of another split") != NULL);
	CHECK(strstr(err.message, shares_id_text(others[1].split, id)) != NULL);
	CHECK(strstr(err.message, shares_id_text(sheet.split, id)) != NULL);
}

/* Any octet that changes makes it another sheet, or none. */
static void every_change_of_the_text_is_seen(void)
{
	struct share shares[3];
	struct shares_sheet sheet, read;
	auto_buf text = BUF_INIT;
	make(3, shares, &sheet, &text);
	for (size_t i = 0; i < text.len; i++) {
		uint8_t was = text.data[i];
		for (unsigned c = 0; c < 256; c++) {
			struct error err = ERR_INIT;
			auto_buf again = BUF_INIT;
			text.data[i] = (uint8_t)c;
			if (shares_sheet_read(buf_bytes(&text), &read, &err)) {
				CHECK_INT(err.code, ERR_CONFIG);
				continue;
			}
			shares_sheet_write(&read, &again);
			CHECK_BYTES(buf_bytes(&again), buf_bytes(&text));
		}
		text.data[i] = was;
	}
}

static void what_is_no_sheet_is_refused(void)
{
	static const char *const others[] = {
		"",
		"chancery-shares-v1\n",
		"chancery-shares-v1\ntoken: x\nserial: 1\npin: user\nsplit: 7K3Q9XW2MA\nmade: 2026-11-26T09:00:00Z\n"
		"shares: 33\nthreshold: 2\n",
		"chancery-shares-v1\ntoken: x\nserial: 1\npin: user\nsplit: 7K3Q9XW2MA\nmade: 2026-11-26T09:00:00Z\n"
		"shares: 3\nthreshold: 1\n",
		"chancery-shares-v1\ntoken: x\nserial: 1\npin: user\nsplit: 7K3Q9XW2MU\nmade: 2026-11-26T09:00:00Z\n"
		"shares: 3\nthreshold: 2\n",
	};
	struct shares_sheet read;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct error err = ERR_INIT;
		CHECK_FAILS(shares_sheet_read(bytes_of(others[i]), &read, &err) == -1, &err, ERR_CONFIG);
	}
}

static void a_sheet_that_lacks_its_end_is_refused(void)
{
	struct share shares[3];
	struct shares_sheet sheet, read;
	struct error err = ERR_INIT;
	auto_buf text = BUF_INIT;
	make(3, shares, &sheet, &text);
	for (size_t len = 0; len < text.len; len++)
		CHECK_FAILS(shares_sheet_read(BYTES(text.data, len), &read, &err) == -1, &err, ERR_CONFIG);
	buf_add_text(&text, "more\n");
	CHECK_FAILS(shares_sheet_read(buf_bytes(&text), &read, &err) == -1, &err, ERR_CONFIG);
	CHECK(strstr(err.message, "line 12") != NULL);
}

static void a_file_is_named_where_it_is_none(void)
{
	struct shares_sheet read;
	struct error err = ERR_INIT;
	CHECK_FAILS(shares_sheet_load(unit_path("none"), &read, &err) == -1, &err, ERR_NOT_FOUND);
	CHECK_OK(file_create(unit_path("other"), bytes_of("something\n"), 0600, &err) == 0, &err);
	CHECK_FAILS(shares_sheet_load(unit_path("other"), &read, &err) == -1, &err, ERR_CONFIG);
	CHECK(strstr(err.message, "other: this is no sheet") != NULL);
}

static void a_label_of_other_characters_keeps_its_line(void)
{
	struct error err = ERR_INIT;
	struct share shares[2];
	struct shares_sheet sheet, read;
	auto_buf text = BUF_INIT;
	split(2, 2, shares);
	shares_sheet_make("r\n\xc3\xb6\x1b[2Jt", "", 1796000000, shares, 2, &sheet);
	shares_sheet_write(&sheet, &text);
	CHECK_OK(shares_sheet_read(buf_bytes(&text), &read, &err) == 0, &err);
	CHECK_TEXT(read.token, "r????[2Jt");
	CHECK_TEXT(read.serial, "");
}

SUITE(shares_sheet)
{
	TEST(what_is_written_is_read);
	TEST(every_share_is_known_by_its_sheet);
	TEST(a_right_share_of_another_split_is_named);
	TEST(every_change_of_the_text_is_seen);
	TEST(what_is_no_sheet_is_refused);
	TEST(a_sheet_that_lacks_its_end_is_refused);
	TEST(a_file_is_named_where_it_is_none);
	TEST(a_label_of_other_characters_keeps_its_line);
}
