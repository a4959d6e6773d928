#include "tools/subject.h"

#include "tests/unit/unit.h"

/* What the typed name comes to, as RFC 4514 text (the last part first). */
static void check_is(const char *typed, const char *text)
{
	struct error err = ERR_INIT;
	struct subject subject;
	auto_buf der = BUF_INIT, shown = BUF_INIT;
	CHECK_OK(subject_parse(typed, &subject, &err) == 0, &err);
	CHECK_OK(ca_subject_encode(&subject.names, &der, &err) == 0, &err);
	CHECK_OK(ca_subject_text(buf_bytes(&der), &shown, &err) == 0, &err);
	CHECK_TEXT(buf_text(&shown), text);
}

static void check_refused(const char *typed, const char *why)
{
	struct error err = ERR_INIT;
	struct subject subject;
	CHECK_FAILS(subject_parse(typed, &subject, &err) == -1, &err, ERR_USAGE);
	if (!strstr(err.message, why))
		CHECK_TEXT(err.message, why);
}

static void reads_every_type_and_encodes_in_the_order_of_the_rules(void)
{
	check_is("/C=CH/O=Example/CN=Issuing 2", "CN=Issuing 2,O=Example,C=CH");
	check_is("/CN=Issuing 2/O=Example/C=CH", "CN=Issuing 2,O=Example,C=CH");
	check_is("/CN=x/L=Bern/ST=BE/C=CH/serialNumber=7/businessCategory=Private Organization/jurisdictionC=CH"
		 "/jurisdictionST=BE/jurisdictionL=Bern/O=\xc3\x9c",
		 "CN=x,O=\xc3\x9c,L=Bern,ST=BE,C=CH,serialNumber=7,jurisdictionLocalityName=Bern,"
		 "jurisdictionStateOrProvinceName=BE,jurisdictionCountryName=CH,businessCategory=Private Organization");
}

static void takes_what_stands_behind_a_backslash_as_it_is(void)
{
	check_is("/O=A\\/B/CN=x", "CN=x,O=A/B");
	check_is("/CN=a\\\\b", "CN=a\\\\b");
	check_is("/CN=a+b=c", "CN=a\\+b=c"); /* no sign but slash and backslash means anything */
}

static void says_which_part_is_wrong_and_how(void)
{
	check_refused("", "begins with a slash");
	check_refused("CN=x", "begins with a slash");
	check_refused("/", "the part \"\" of the subject has no \"=\"");
	check_refused("/CN=x/", "the part \"\" of the subject has no \"=\"");
	check_refused("/O=A/B/CN=x", "the part \"B\" of the subject has no \"=\"");
	check_refused("/O=A=/=B", "\"\" is no type");
	check_refused("/CN=", "CN of the subject has no value");
	check_refused("/CN=x/CN=y", "the subject has CN twice");
	check_refused("/CN=x\\", "backslash with nothing behind it");
	check_refused("/cn=x", "\"cn\" is no type");
	check_refused("/OU=x", "\"OU\" is no type");
}

static void says_which_types_there_are_and_shows_the_text(void)
{
	struct error err = ERR_INIT;
	struct subject subject;
	CHECK_FAILS(subject_parse("/OU=x/CN=y", &subject, &err) == -1, &err, ERR_USAGE);
	CHECK(strstr(err.allowed, "serialNumber, C, ST, L, O, CN") != NULL);
	CHECK_TEXT(err.value, "/OU=x/CN=y");
}

static void refuses_a_text_that_is_too_long(void)
{
	static char text[SUBJECT_TEXT_MAX + 2];
	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, "/CN=", 4);
	check_refused(text, "more than 2048 octets");
}

SUITE(subject)
{
	TEST(reads_every_type_and_encodes_in_the_order_of_the_rules);
	TEST(takes_what_stands_behind_a_backslash_as_it_is);
	TEST(says_which_part_is_wrong_and_how);
	TEST(says_which_types_there_are_and_shows_the_text);
	TEST(refuses_a_text_that_is_too_long);
}
