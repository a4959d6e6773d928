#include "hsm/uri.h"

#include "tests/unit/unit.h"

static void reads_every_attribute(void)
{
	struct hsm_uri uri;
	struct error err = ERR_INIT;
	CHECK_OK(hsm_uri_parse("pkcs11:token=My%20token;manufacturer=a&b;serial=0123;model=v2;slot-id=7;"
			       "object=is%3Bsuing;id=%00%ffA;type=private",
			       &uri, &err) == 0,
		 &err);
	CHECK_TEXT(uri.token, "My token");
	CHECK_TEXT(uri.manufacturer, "a&b");
	CHECK_TEXT(uri.serial, "0123");
	CHECK_TEXT(uri.model, "v2");
	CHECK_INT(uri.slot, 7);
	CHECK_TEXT(uri.object, "is;suing");
	CHECK_BYTES(BYTES(uri.id, uri.id_len), unit_hex("00ff41"));
	CHECK_TEXT(uri.type, "private");
	CHECK_INT(uri.parts, 0xff);
}

static void reads_the_uri_that_names_everything(void)
{
	struct hsm_uri uri;
	struct error err = ERR_INIT;
	CHECK_OK(hsm_uri_parse("PKCS11:", &uri, &err) == 0, &err);
	CHECK_INT(uri.parts, 0);
}

static void writes_what_it_reads(void)
{
	static const char text[] = "pkcs11:token=a%20b;serial=1;slot-id=0;object=%C3%A4%25;id=%01%FE;type=cert";
	struct hsm_uri uri;
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	CHECK_OK(hsm_uri_parse(text, &uri, &err) == 0, &err);
	hsm_uri_format(&uri, &out);
	CHECK_TEXT(buf_text(&out), text);
}

static void refuses(const char *text, const char *reason)
{
	struct hsm_uri uri;
	struct error err = ERR_INIT;
	CHECK_FAILS(hsm_uri_parse(text, &uri, &err) == -1, &err, ERR_CONFIG);
	if (!strstr(err.message, reason))
		CHECK_TEXT(err.message, reason);
}

static void refuses_what_is_no_pkcs11_uri(void)
{
	refuses("", "does not begin");
	refuses("pkcs11", "does not begin");
	refuses("http://token", "does not begin");
	refuses(" pkcs11:token=a", "does not begin");
}

static void refuses_an_attribute_given_twice(void)
{
	refuses("pkcs11:token=a;token=a", "twice");
	refuses("pkcs11:id=%01;id=%01", "twice");
	refuses("pkcs11:slot-id=1;slot-id=1", "twice");
}

static void refuses_attributes_that_are_not_known(void)
{
	refuses("pkcs11:tokn=a", "not known");
	refuses("pkcs11:Token=a", "not known");
	refuses("pkcs11:x-vendor=1", "not known");
	refuses("pkcs11:type=secret", "no type");
	refuses("pkcs11:type=", "no type");
}

static void refuses_pins_and_modules_in_the_query(void)
{
	refuses("pkcs11:token=a?pin-value=1234", "no query part");
	refuses("pkcs11:?module-path=/tmp/evil.so", "no query part");
}

static void refuses_malformed_lists(void)
{
	refuses("pkcs11:;", "missing");
	refuses("pkcs11:token=a;", "missing");
	refuses("pkcs11:token=a;;object=b", "without");
	refuses("pkcs11:token", "without");
	refuses("pkcs11:=a", "without");
}

static void refuses_bad_percent_encoding(void)
{
	refuses("pkcs11:token=%", "percent");
	refuses("pkcs11:token=%4", "percent");
	refuses("pkcs11:token=%4g", "percent");
	refuses("pkcs11:id=%-1", "percent");
}

static void refuses_characters_that_must_be_encoded(void)
{
	refuses("pkcs11:token=a b", "must be percent-encoded");
	refuses("pkcs11:token=a\"b", "must be percent-encoded");
	refuses("pkcs11:token=\xc3\xa4", "must be percent-encoded");
	refuses("pkcs11:token=a\nb", "must be percent-encoded");
	refuses("pkcs11:token=a/b", "must be percent-encoded");
}

static void refuses_nul_and_broken_utf8_in_texts(void)
{
	refuses("pkcs11:token=a%00b", "UTF-8");
	refuses("pkcs11:object=%FF", "UTF-8");
	refuses("pkcs11:object=%C0%80", "UTF-8");
}

static void refuses_texts_longer_than_their_field(void)
{
	refuses("pkcs11:token=123456789012345678901234567890123", "longer than 32");
	refuses("pkcs11:serial=12345678901234567", "longer than 16");
	char text[HSM_URI_MAX + 100] = "pkcs11:object=";
	memset(text + strlen(text), 'a', 256);
	refuses(text, "longer than 255");
	memset(text + 7, 'a', sizeof(text) - 8);
	refuses(text, "longer than 2048");
}

static void refuses_slots_that_are_no_numbers(void)
{
	refuses("pkcs11:slot-id=", "slot-id");
	refuses("pkcs11:slot-id=-1", "slot-id");
	refuses("pkcs11:slot-id=1a", "slot-id");
	refuses("pkcs11:slot-id=18446744073709551616", "slot-id");
}

/* ---- the query, where it is accepted ---- */

static void splits_the_query_off(void)
{
	char path[HSM_URI_MAX + 1];
	struct hsm_uri_query query;
	struct error err = ERR_INIT;
	CHECK_OK(hsm_uri_split("pkcs11:token=a&b?pin-source=file:/a%20b%26&module-path=/lib/m?|.so", path, &query,
			       &err) == 0,
		 &err);
	CHECK_TEXT(path, "pkcs11:token=a&b");
	CHECK_TEXT(query.pin_source, "file:/a b&");
	CHECK_TEXT(query.module_path, "/lib/m?|.so");
	CHECK_OK(hsm_uri_split("pkcs11:object=c", path, &query, &err) == 0, &err);
	CHECK_TEXT(path, "pkcs11:object=c");
	CHECK_TEXT(query.pin_source, "");
	CHECK_TEXT(query.module_path, "");
}

static void refuses_query(const char *text, const char *reason)
{
	char path[HSM_URI_MAX + 1];
	struct hsm_uri_query query;
	struct error err = ERR_INIT;
	CHECK_FAILS(hsm_uri_split(text, path, &query, &err) == -1, &err, ERR_CONFIG);
	if (!strstr(err.message, reason))
		CHECK_TEXT(err.message, reason);
	if (strstr(err.message, "4711") || strstr(err.value, "4711"))
		CHECK_TEXT("the PIN is shown", err.message);
}

static void refuses_a_pin_by_value_without_showing_it(void)
{
	refuses_query("pkcs11:token=a?pin-value=4711", "pin-value is refused");
	refuses_query("pkcs11:token=a?module-path=/m.so&pin-value=4711", "pin-value is refused");
	refuses_query("pkcs11:token=a?pin-value=%4711", "pin-value is refused");
}

static void refuses_query_attributes_that_are_not_known(void)
{
	refuses_query("pkcs11:?module-name=softhsm2", "not known");
	refuses_query("pkcs11:?Module-Path=/m.so", "not known");
	refuses_query("pkcs11:?token=a", "not known");
}

static void refuses_query_attributes_given_twice(void)
{
	refuses_query("pkcs11:?module-path=/m.so&module-path=/m.so", "twice");
	refuses_query("pkcs11:?pin-source=/p&module-path=/m.so&pin-source=/q", "twice");
}

static void refuses_malformed_queries(void)
{
	refuses_query("pkcs11:?", "missing");
	refuses_query("pkcs11:?module-path=/m.so&", "missing");
	refuses_query("pkcs11:?&module-path=/m.so", "without");
	refuses_query("pkcs11:?module-path", "without");
	refuses_query("pkcs11:?=/m.so", "without");
	refuses_query("pkcs11:?module-path=", "empty");
	refuses_query("pkcs11:?pin-source=/a%00b", "NUL");
	refuses_query("pkcs11:?pin-source=/a%0", "percent");
	refuses_query("pkcs11:?pin-source=/a b", "must be percent-encoded");
	refuses_query("pkcs11:?pin-source=/a;b", "must be percent-encoded");
}

static void refuses_queries_longer_than_their_field(void)
{
	char text[HSM_URI_MAX + 100] = "pkcs11:?module-path=";
	memset(text + strlen(text), 'a', 1024);
	refuses_query(text, "longer than 1023");
	memset(text + 7, 'a', sizeof(text) - 8);
	refuses_query(text, "longer than 2048");
}

static void writes_query_values_as_it_reads_them(void)
{
	static const char value[] = "file:/a b&c%d;e?|\xc3\xa4";
	char path[HSM_URI_MAX + 1];
	struct hsm_uri_query query;
	struct error err = ERR_INIT;
	auto_buf text = BUF_INIT;
	buf_add_text(&text, "pkcs11:?pin-source=");
	hsm_uri_add_query_value(&text, value);
	CHECK_OK(hsm_uri_split(buf_text(&text), path, &query, &err) == 0, &err);
	CHECK_TEXT(query.pin_source, value);
}

static void a_pin_source_is_a_reference_in_one_of_three_forms(void)
{
	static const char *const pairs[][2] = { { "/p/pin", "file:/p/pin" },
						{ "file:/p/pin", "file:/p/pin" },
						{ "file:///p/pin", "file:/p/pin" },
						{ "fd:7", "fd:7" },
						{ "prompt", "prompt" } };
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct error err = ERR_INIT;
		auto_buf reference = BUF_INIT;
		CHECK_OK(hsm_uri_pin_reference(pairs[i][0], &reference, &err) == 0, &err);
		CHECK_TEXT(buf_text(&reference), pairs[i][1]);
	}
}

static void a_pin_source_runs_no_commands(void)
{
	struct error err = ERR_INIT;
	auto_buf reference = BUF_INIT;
	CHECK_FAILS(hsm_uri_pin_reference("|cat /p/pin", &reference, &err) == -1, &err, ERR_CONFIG);
}

SUITE(uri)
{
	TEST(reads_every_attribute);
	TEST(reads_the_uri_that_names_everything);
	TEST(writes_what_it_reads);
	TEST(refuses_what_is_no_pkcs11_uri);
	TEST(refuses_an_attribute_given_twice);
	TEST(refuses_attributes_that_are_not_known);
	TEST(refuses_pins_and_modules_in_the_query);
	TEST(refuses_malformed_lists);
	TEST(refuses_bad_percent_encoding);
	TEST(refuses_characters_that_must_be_encoded);
	TEST(refuses_nul_and_broken_utf8_in_texts);
	TEST(refuses_texts_longer_than_their_field);
	TEST(refuses_slots_that_are_no_numbers);
	TEST(splits_the_query_off);
	TEST(refuses_a_pin_by_value_without_showing_it);
	TEST(refuses_query_attributes_that_are_not_known);
	TEST(refuses_query_attributes_given_twice);
	TEST(refuses_malformed_queries);
	TEST(refuses_queries_longer_than_their_field);
	TEST(writes_query_values_as_it_reads_them);
	TEST(a_pin_source_is_a_reference_in_one_of_three_forms);
	TEST(a_pin_source_runs_no_commands);
}
