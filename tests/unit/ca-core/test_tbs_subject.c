#include "tests/unit/ca-core/pure.h"

#include "base/der.h"

static int encode(enum ca_attribute attribute, const char *value, struct buf *out, struct error *err)
{
	struct ca_subject subject = { 0 };
	subject.values[attribute] = value;
	return ca_subject_encode(&subject, out, err);
}

static void writes_attributes_in_the_order_of_the_requirements(void)
{
	struct ca_subject subject = { 0 };
	auto_buf der = BUF_INIT, text = BUF_INIT;
	struct error err = ERR_INIT;
	subject.values[CA_ATTR_COMMON_NAME] = "a.test";
	subject.values[CA_ATTR_COUNTRY] = "DE";
	subject.values[CA_ATTR_ORGANIZATION] = "Example GmbH";
	subject.values[CA_ATTR_BUSINESS_CATEGORY] = "Private Organization";
	subject.values[CA_ATTR_JURISDICTION_COUNTRY] = "DE";
	subject.values[CA_ATTR_SERIAL_NUMBER] = "HRB 1";
	subject.values[CA_ATTR_STATE] = "Berlin";
	subject.values[CA_ATTR_LOCALITY] = "Berlin";
	CHECK_OK(ca_subject_encode(&subject, &der, &err) == 0, &err);
	CHECK_OK(ca_subject_text(buf_bytes(&der), &text, &err) == 0, &err);
	CHECK_TEXT(buf_text(&text), "CN=a.test,O=Example GmbH,L=Berlin,ST=Berlin,C=DE,serialNumber=HRB 1,"
				    "jurisdictionCountryName=DE,businessCategory=Private Organization");
}

static void chooses_the_string_type_by_attribute(void)
{
	auto_buf country = BUF_INIT, organization = BUF_INIT;
	struct error err = ERR_INIT;
	CHECK_OK(encode(CA_ATTR_COUNTRY, "DE", &country, &err) == 0, &err);
	CHECK_BYTES(buf_bytes(&country), unit_hex("300d310b3009060355040613024445"));
	CHECK_OK(encode(CA_ATTR_ORGANIZATION, "Ex", &organization, &err) == 0, &err);
	CHECK_BYTES(buf_bytes(&organization), unit_hex("300d310b3009060355040a0c024578"));
}

static void writes_the_empty_name(void)
{
	struct ca_subject subject = { 0 };
	auto_buf der = BUF_INIT, text = BUF_INIT;
	struct error err = ERR_INIT;
	CHECK_OK(ca_subject_encode(&subject, &der, &err) == 0, &err);
	CHECK_BYTES(buf_bytes(&der), unit_hex("3000"));
	CHECK_OK(ca_subject_text(buf_bytes(&der), &text, &err) == 0, &err);
	CHECK_TEXT(buf_text(&text), "");
}

static void refuses_values_outside_their_alphabet_and_bounds(void)
{
	static char longest[130];
	static const struct {
		enum ca_attribute attribute;
		const char *value;
	} bad[] = {
		{ CA_ATTR_COMMON_NAME, "" },
		{ CA_ATTR_COMMON_NAME, "a\x01"
				       "b" },
		{ CA_ATTR_COMMON_NAME, "a\xc2\x85" }, /* NEL, a control character of two octets */
		{ CA_ATTR_COMMON_NAME, "\xff" },
		{ CA_ATTR_COMMON_NAME, longest + 64 },
		{ CA_ATTR_ORGANIZATION, longest + 64 },
		{ CA_ATTR_STATE, longest },
		{ CA_ATTR_COUNTRY, "de" },
		{ CA_ATTR_COUNTRY, "DEU" },
		{ CA_ATTR_COUNTRY, "D" },
		{ CA_ATTR_SERIAL_NUMBER, "HRB_1" },
		{ CA_ATTR_SERIAL_NUMBER, "HRB \xc3\xa4" },
		{ CA_ATTR_SERIAL_NUMBER, "a@b" },
	};
	memset(longest, 'a', 129);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		auto_buf out = BUF_INIT;
		struct error err = ERR_INIT;
		CHECK_FAILS(encode(bad[i].attribute, bad[i].value, &out, &err) != 0, &err, ERR_BAD_NAME);
		CHECK_INT(out.len, 0);
	}
}

/* Bounds count characters: 64 of two octets each fit an organization. */
static void counts_characters_not_octets(void)
{
	char name[129] = "";
	auto_buf out = BUF_INIT;
	struct error err = ERR_INIT;
	for (size_t i = 0; i < 64; i++)
		memcpy(name + 2 * i, "\xc3\xa4", 3);
	CHECK_OK(encode(CA_ATTR_ORGANIZATION, name, &out, &err) == 0, &err);
}

/* ---- as text ---- */

static void text_is(const char *hex, const char *expected)
{
	auto_buf text = BUF_INIT;
	struct error err = ERR_INIT;
	CHECK_OK(ca_subject_text(unit_hex(hex), &text, &err) == 0, &err);
	CHECK_TEXT(buf_text(&text), expected);
}

static void escapes_as_rfc_4514_says(void)
{
	text_is("300f310d300b06035504030c0461 2c 2b 62", "CN=a\\,\\+b");
	text_is("300d310b300906035504030c022061", "CN=\\ a");
	text_is("300d310b300906035504030c022361", "CN=\\#a");
	text_is("300d310b300906035504030c02610a", "CN=a\\0a");
	text_is("300d310b300906032a03040c026162", "1.2.3.4=ab");
}

static void reads_every_type_of_string(void)
{
	text_is("300f310d300b06035504031e04 00e4 0062", "CN=\xc3\xa4"
							"b"); /* BMPString */
	text_is("300d310b3009060355040314 02 e462", "CN=\xc3\xa4"
						    "b");                       /* T61String */
	text_is("300f310d300b060355040304 04 01020304", "CN=#040401020304");    /* no string */
	text_is("300f310d300b06035504031c 04 0001f600", "CN=\xf0\x9f\x98\x80"); /* UniversalString */
	text_is("300d310b300906035504031e 02 d800", "CN=#1e02d800");            /* a surrogate */
}

static void refuses_what_is_no_name(void)
{
	static const char *const bad[] = { "", "3001", "300201", "3002 3100", "3004 3102 3000", "0c00", "30003000" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		auto_buf text = BUF_INIT;
		struct error err = ERR_INIT;
		CHECK_FAILS(ca_subject_text(unit_hex(bad[i]), &text, &err) != 0, &err, ERR_BAD_CSR);
	}
}

static void refuses_a_name_of_more_parts_than_anybody_has(void)
{
	auto_buf name = BUF_INIT, text = BUF_INIT;
	struct error err = ERR_INIT;
	for (size_t i = 0; i < 65; i++)
		buf_add_bytes(&name, unit_hex("310a300806035504030c0161"));
	der_wrap(&name, 0, DER_SEQUENCE);
	CHECK_FAILS(ca_subject_text(buf_bytes(&name), &text, &err) != 0, &err, ERR_BAD_CSR);
}

SUITE(tbs_subject)
{
	TEST(writes_attributes_in_the_order_of_the_requirements);
	TEST(chooses_the_string_type_by_attribute);
	TEST(writes_the_empty_name);
	TEST(refuses_values_outside_their_alphabet_and_bounds);
	TEST(counts_characters_not_octets);
	TEST(escapes_as_rfc_4514_says);
	TEST(reads_every_type_of_string);
	TEST(refuses_what_is_no_name);
	TEST(refuses_a_name_of_more_parts_than_anybody_has);
}
