#include "tools/ceremony_script.h"

#include <stdio.h>

#include "base/file.h"
#include "base/text.h"
#include "tests/unit/unit.h"
#include "tools/shares_sheet.h"

static const char plan_text[] =
	"title = \"Root & <friends> of Exämple, with a title that goes on and on until it does not fit into one "
	"line\"\n"
	"url = \"http://pki.example\"\n"
	"window-from = \"2026-12-01T09:00:00Z\"\n"
	"window-to = \"2026-12-01T18:00:00Z\"\n"
	"person \"Ada Example\" { roles = { \"operator\" } }\n"
	"person \"Carl Example\" { roles = { \"custodian\", \"witness\" } }\n"
	"token \"pkcs11:token=root\" { module = \"/usr/lib/softhsm/libsofthsm2.so\" pin = \"shares:sheet.txt\" }\n"
	"token \"pkcs11:token=backup\" { module = \"/usr/lib/softhsm/libsofthsm2.so\" }\n"
	"profile \"root\" { kind = \"root\" }\n"
	"step \"k\" { kind = \"key\" key = "
	"\"pkcs11:token=root;object=an-object-with-a-name-that-is-longer-than-any-line-"
	"of-a-terminal-has-room-for-even-when-it-is-wide-and-then-some-more-of-it\" type = \"p384\" }\n"
	"step \"root-1\" { kind = \"root\" key = "
	"\"pkcs11:token=root;object=an-object-with-a-name-that-is-longer-than-any-"
	"line-of-a-terminal-has-room-for-even-when-it-is-wide-and-then-some-more-of-it\" profile = \"root\" "
	"common-name = "
	"\"Example Root 1\" not-before = \"2026-12-01T09:00:00Z\" }\n"
	"step \"list\" { kind = \"crl\" issuer = \"root-1\" next-update-days = 365\n"
	"  revoked = { \"0102030405060708090a 2026-11-01T00:00:00Z\" } }\n"
	"step \"same\" { kind = \"compare\" key = \"pkcs11:token=root;object=x\" backup = "
	"\"pkcs11:token=backup;object=x\" }\n"
	"step \"gone\" { kind = \"destroy\" key = \"pkcs11:token=backup;object=x\" }\n";

static void put_sheet(void)
{
	struct share shares[3] = { { .pin_len = 0 } };
	struct shares_sheet sheet;
	struct error err = ERR_INIT;
	auto_buf text = BUF_INIT;
	auto_secret *pin = shares_draw_pin(PIN_ANY_LENGTH, false, &err);
	REQUIRE(pin != NULL);
	CHECK_OK(shares_split(pin, SHARES_PIN_USER, 3, 2, shares, &err) == 0, &err);
	shares_sheet_make("root", "1234", 1764547200, shares, 3, &sheet);
	shares_sheet_write(&sheet, &text);
	CHECK_OK(file_replace(unit_path("sheet.txt"), buf_bytes(&text), 0644, &err) == 0, &err);
}

static json_t *script_of_plan(char hex[65])
{
	const struct ceremony_check_options options = { 0 };
	struct error err = ERR_INIT;
	struct ceremony_checked checked;
	put_sheet();
	auto_ceremony_plan *plan = ceremony_plan_parse(bytes_of(plan_text), "plan", &err);
	CHECK_OK(plan != NULL, &err);
	CHECK_OK(ceremony_check(plan, unit_folder(), &options, &checked, &err) == 0, &err);
	json_t *script = ceremony_script(plan, &checked, &err);
	CHECK_OK(script != NULL, &err);
	(void)text_hex(BYTES(plan->sha256, 32), hex);
	ceremony_checked_clear(&checked);
	return script;
}

static void check_holds(struct buf *text, const char *part)
{
	if (!strstr(buf_text(text), part))
		(void)fprintf(stderr, "missing: %s\n", part);
	CHECK(strstr(buf_text(text), part) != NULL);
}

static void each_step_has_a_number_and_a_place_to_tick(void)
{
	static const char *const parts[] = { "[ ] Ada Example (operator)",
					     "[ ]  1. The plan is the one that was agreed",
					     "[ ]  5. k: a new key (P-384)",
					     "[ ]  6. root-1: a root certificate, signed by its own key",
					     "It is for: CN=Example Root 1",
					     "It is valid from 2026-12-01T09:00:00Z to 2046-",
					     "Carl Example brings a share of its PIN, sealed.",
					     "2 of the 3 shares of split ",
					     "type their shares",
					     "[ ]  7. list: the revocation list of \"root-1\"",
					     "Its number is the one that the rehearsal has fixed.",
					     "0102030405060708090a",
					     "out/list.crl",
					     "Anything else",
					     "Nothing brings it back",
					     "The closing hash",
					     "____ ____ ____ ____ ____ ____ ____ ____\n" };
	char hex[65];
	auto_json *script = script_of_plan(hex);
	auto_buf text = BUF_INIT;
	ceremony_script_text(script, &text);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		check_holds(&text, parts[i]);
}

static void no_line_has_more_than_80_columns(void)
{
	char hex[65];
	auto_json *script = script_of_plan(hex);
	auto_buf text = BUF_INIT;
	size_t width = 0, widest = 0;
	ceremony_script_text(script, &text);
	for (const char *c = buf_text(&text); *c; c++) {
		width = *c == '\n' ? 0 : width + (((uint8_t)*c & 0xc0) != 0x80);
		widest = width > widest ? width : widest;
	}
	CHECK_INT(widest, 80);
}

static void the_last_line_is_the_hash_of_the_plan(void)
{
	char hex[65], end[80];
	auto_json *script = script_of_plan(hex);
	auto_buf text = BUF_INIT;
	ceremony_script_text(script, &text);
	int len = snprintf(end, sizeof(end), "\n%s\n", hex);
	REQUIRE(text.len > (size_t)len);
	CHECK_TEXT(buf_text(&text) + text.len - len, end);
}

static void the_page_needs_nothing_else_and_escapes_what_it_shows(void)
{
	char hex[65];
	auto_json *script = script_of_plan(hex);
	auto_buf page = BUF_INIT;
	ceremony_script_html(script, &page);
	check_holds(&page, "<title>Root &#38; &#60;friends&#62; of Exämple");
	check_holds(&page, "<h2>5. k: a new key (P-384)</h2>");
	check_holds(&page, "</html>\n");
	CHECK(!strstr(buf_text(&page), "<friends>"));
	CHECK(!strstr(buf_text(&page), "http://") && !strstr(buf_text(&page), "src="));
}

static void lines_are_broken_at_blanks(void)
{
	auto_buf out = BUF_INIT;
	ceremony_add_wrapped(&out, "one two", 74, 4);
	CHECK_TEXT(buf_text(&out), "one\n    two");
	buf_clear(&out);
	ceremony_add_wrapped(&out, "one two", 73, 4);
	CHECK_TEXT(buf_text(&out), "one two");
	buf_clear(&out);
	ceremony_add_wrapped(&out, "", 3, 4);
	CHECK_TEXT(buf_text(&out), "");
}

static void hashes_can_be_read_aloud(void)
{
	auto_buf out = BUF_INIT;
	ceremony_add_groups(&out, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", 2);
	CHECK_TEXT(buf_text(&out), "  0001 0203 0405 0607 0809 0a0b 0c0d 0e0f\n"
				   "  1011 1213 1415 1617 1819 1a1b 1c1d 1e1f");
}

SUITE(ceremony_script)
{
	TEST(each_step_has_a_number_and_a_place_to_tick);
	TEST(no_line_has_more_than_80_columns);
	TEST(the_last_line_is_the_hash_of_the_plan);
	TEST(the_page_needs_nothing_else_and_escapes_what_it_shows);
	TEST(lines_are_broken_at_blanks);
	TEST(hashes_can_be_read_aloud);
}
