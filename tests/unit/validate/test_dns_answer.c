#include "tests/unit/unit.h"

#include "httpd/validate/dns_answer.h"

/* An answer of one A record, whose owner points to the question (RFC 1035 section 4.1.4). */
#define HEADER "1234 8180 0001 0001 0000 0000 "
#define QUESTION_A "01 61 04 74657374 00 0001 0001 "
#define RECORD_A "c00c 0001 0001 0000003c 0004 7f000002 "

static enum dns_outcome read_hex(const char *hex, const char *name, enum dns_type type, struct dns_answer *answer)
{
	dns_answer_read(unit_hex(hex), name, type, answer);
	return answer->outcome;
}

static void a_record_is_read_where_it_answers_the_question(void)
{
	auto_dns_answer answer = DNS_ANSWER_INIT;
	CHECK_INT(read_hex(HEADER QUESTION_A RECORD_A, "a.test", DNS_A, &answer), DNS_ANSWERED);
	CHECK_INT(answer.count, 1);
	CHECK_BYTES(answer.records[0], unit_hex("7f000002"));
	CHECK_INT(answer.ttl, 60);
	CHECK_TEXT(answer.alias, "");
	/* The name in whatever case. */
	CHECK_INT(read_hex(HEADER "01 41 04 54657374 00 0001 0001 " RECORD_A, "a.test", DNS_A, &answer), DNS_ANSWERED);
	CHECK_INT(answer.count, 1);
}

static void what_was_not_asked_is_no_answer(void)
{
	static const char *const other[] = {
		HEADER "01 62 04 74657374 00 0001 0001 " RECORD_A,    /* another name */
		HEADER "01 61 04 74657374 00 001c 0001 " RECORD_A,    /* another type */
		HEADER "01 61 04 74657374 00 0001 0003 " RECORD_A,    /* another class */
		"1234 0180 0001 0001 0000 0000 " QUESTION_A RECORD_A, /* a question */
		"1234 8980 0001 0001 0000 0000 " QUESTION_A RECORD_A, /* another operation */
		"1234 8380 0001 0001 0000 0000 " QUESTION_A RECORD_A, /* cut short by the resolver */
		"1234 8180 0000 0001 0000 0000 " RECORD_A,            /* no question */
		"1234 8180 0002 0001 0000 0000 " QUESTION_A QUESTION_A RECORD_A,
		"1234 8180 0001 0101 0000 0000 " QUESTION_A RECORD_A, /* more records than are read */
		"",
		"1234",
	};
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		auto_dns_answer answer = DNS_ANSWER_INIT;
		CHECK_INT(read_hex(other[i], "a.test", DNS_A, &answer), DNS_SERVFAIL);
		CHECK_TEXT(answer.why, "an answer that cannot be read");
		CHECK_INT(answer.count, 0);
	}
}

static void every_truncation_is_no_answer(void)
{
	struct bytes whole = unit_hex(HEADER QUESTION_A RECORD_A);
	for (size_t len = 0; len < whole.len; len++) {
		auto_dns_answer answer = DNS_ANSWER_INIT;
		auto_free uint8_t *copy = malloc(len ? len : 1);
		REQUIRE(copy != NULL);
		memcpy(copy, whole.data, len);
		dns_answer_read(BYTES(copy, len), "a.test", DNS_A, &answer);
		CHECK_INT(answer.outcome, DNS_SERVFAIL);
	}
}

static void records_of_other_names_types_classes_and_lengths_do_not_count(void)
{
	static const char *const other[] = {
		"01 62 c00e 0001 0001 0000003c 0004 7f000002",
		"c00c 001c 0001 0000003c 0010 00000000000000000000000000000001",
		"c00c 0001 0003 0000003c 0004 7f000002",
		"c00c 0001 0001 0000003c 0003 7f0000",
		"c00c 0001 0001 0000003c 0000",
	};
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		auto_dns_answer answer = DNS_ANSWER_INIT;
		auto_buf hex = BUF_INIT;
		buf_printf(&hex, "%s%s%s", HEADER, QUESTION_A, other[i]);
		CHECK_INT(read_hex(buf_text(&hex), "a.test", DNS_A, &answer), DNS_ANSWERED);
		CHECK_INT(answer.count, 0);
	}
}

/* a.test -> b.test */
#define ALIAS_B "c00c 0005 0001 0000003c 0004 01 62 c00e "

static void aliases_are_followed_to_their_records(void)
{
	auto_dns_answer answer = DNS_ANSWER_INIT;
	CHECK_INT(read_hex("1234 8180 0001 0002 0000 0000 " QUESTION_A ALIAS_B
			   "01 62 c00e 0001 0001 0000003c 0004 7f000002",
			   "a.test", DNS_A, &answer),
		  DNS_ANSWERED);
	CHECK_INT(answer.count, 1);
	CHECK_TEXT(answer.alias, "b.test");
	CHECK(!answer.unfinished);
	/* A name that points to itself. */
	CHECK_INT(read_hex(HEADER "c00c 0001 0001", "a.test", DNS_A, &answer), DNS_SERVFAIL);
}

static void aliases_without_an_end_are_no_answer(void)
{
	static const struct {
		const char *hex, *why;
	} cases[] = {
		/* a.test -> a.test, also where it is said that there is none */
		{ HEADER QUESTION_A "c00c 0005 0001 0000003c 0002 c00c", "aliases in a circle, or too many of them" },
		{ "1234 8183 0001 0001 0000 0000 " QUESTION_A "c00c 0005 0001 0000003c 0002 c00c",
		  "aliases in a circle, or too many of them" },
		/* a.test -> b.test -> a.test */
		{ "1234 8180 0001 0002 0000 0000 " QUESTION_A ALIAS_B "01 62 c00e 0005 0001 0000003c 0002 c00c",
		  "aliases in a circle, or too many of them" },
		/* An alias that has more in it than a name; one of the root. */
		{ HEADER QUESTION_A "c00c 0005 0001 0000003c 0003 c00c00", "an alias of what is no name" },
		{ HEADER QUESTION_A "c00c 0005 0001 0000003c 0001 00", "an alias of what is no name" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		auto_dns_answer answer = DNS_ANSWER_INIT;
		CHECK_INT(read_hex(cases[i].hex, "a.test", DNS_A, &answer), DNS_SERVFAIL);
		CHECK_TEXT(answer.why, cases[i].why);
		CHECK_INT(answer.count, 0);
		CHECK(!answer.unfinished);
	}
}

/* a.test -> "b" -> "c" -> ..., `links` aliases, and the address of the last one. */
static void add_chain(struct buf *hex, unsigned links)
{
	buf_printf(hex, "1234 8180 0001 %04x 0000 0000 %s", links + 1, QUESTION_A);
	for (unsigned i = 0; i < links; i++)
		buf_printf(hex, "01 %02x 04 74657374 00 0005 0001 0000003c 0004 01 %02x c00e ", 0x61 + i, 0x62 + i);
	buf_printf(hex, "01 %02x 04 74657374 00 0001 0001 0000003c 0004 7f000002", 0x61 + links);
}

static void sixteen_aliases_are_followed_and_no_more(void)
{
	for (unsigned links = DNS_ALIASES_MAX; links <= DNS_ALIASES_MAX + 1; links++) {
		auto_dns_answer answer = DNS_ANSWER_INIT;
		auto_buf hex = BUF_INIT;
		bool too_many = links > DNS_ALIASES_MAX;
		add_chain(&hex, links);
		CHECK_INT(read_hex(buf_text(&hex), "a.test", DNS_A, &answer), too_many ? DNS_SERVFAIL : DNS_ANSWERED);
		CHECK_INT(answer.count, too_many ? 0 : 1);
	}
}

/* In the authority section: SOA of test, SOA of other, NS of test. */
#define SOA_TEST "c00e 0006 0001 0000003c 0016 00 00 00000001 00000001 00000001 00000001 00000001 "
#define SOA_OTHER "05 6f74686572 00 0006 0001 0000003c 0016 00 00 00000001 00000001 00000001 00000001 00000001 "
#define NS_TEST "c00e 0002 0001 0000003c 0002 c00c "

static void only_what_is_known_to_be_absent_is(void)
{
	static const struct {
		const char *hex;
		enum dns_outcome outcome;
		bool unfinished;
	} cases[] = {
		/* Nothing at the name: with its zone's SOA, or with nothing at all. */
		{ "1234 8180 0001 0000 0001 0000 " QUESTION_A SOA_TEST, DNS_ANSWERED, false },
		{ "1234 8180 0001 0000 0000 0000 " QUESTION_A, DNS_ANSWERED, false },
		/* A referral; the same records from who has the zone. */
		{ "1234 8180 0001 0000 0001 0000 " QUESTION_A NS_TEST, DNS_SERVFAIL, false },
		{ "1234 8580 0001 0000 0001 0000 " QUESTION_A NS_TEST, DNS_ANSWERED, false },
		{ "1234 8180 0001 0000 0002 0000 " QUESTION_A NS_TEST SOA_TEST, DNS_ANSWERED, false },
		/* An alias: nothing at its end, or nothing said about it. */
		{ "1234 8180 0001 0001 0001 0000 " QUESTION_A ALIAS_B SOA_TEST, DNS_ANSWERED, false },
		{ "1234 8180 0001 0001 0000 0000 " QUESTION_A ALIAS_B, DNS_SERVFAIL, true },
		{ "1234 8580 0001 0001 0001 0000 " QUESTION_A ALIAS_B NS_TEST, DNS_SERVFAIL, true },
		{ "1234 8580 0001 0001 0001 0000 " QUESTION_A ALIAS_B SOA_OTHER, DNS_SERVFAIL, true },
		{ "1234 8183 0001 0001 0000 0000 " QUESTION_A ALIAS_B, DNS_NXDOMAIN, false },
		/* What stands in the authority section answers nothing. */
		{ "1234 8180 0001 0000 0001 0000 " QUESTION_A ALIAS_B, DNS_ANSWERED, false },
		{ "1234 8180 0001 0001 0001 0000 " QUESTION_A ALIAS_B "01 62 c00e 0001 0001 0000003c 0004 7f000002",
		  DNS_SERVFAIL, true },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		auto_dns_answer answer = DNS_ANSWER_INIT;
		CHECK_INT(read_hex(cases[i].hex, "a.test", DNS_A, &answer), cases[i].outcome);
		CHECK_INT(answer.unfinished, cases[i].unfinished);
		CHECK_INT(answer.count, 0);
		CHECK_TEXT(answer.unfinished ? answer.alias : "b.test", "b.test");
		CHECK((answer.why[0] != '\0') == (cases[i].outcome != DNS_ANSWERED));
	}
}

static void a_name_is_within_its_zone_and_those_above(void)
{
	CHECK(dns_is_within("a.test", "a.test") && dns_is_within("b.A.test", "a.TEST") && dns_is_within("a.test", ""));
	CHECK(!dns_is_within("ba.test", "a.test") && !dns_is_within("test", "a.test") && !dns_is_within("", "test"));
}

static void the_aliases_of_a_cname_question_are_its_records(void)
{
	auto_dns_answer answer = DNS_ANSWER_INIT;
	CHECK_INT(read_hex(HEADER "01 61 04 74657374 00 0005 0001 c00c 0005 0001 0000003c 0004 01 42 c00e", "a.test",
			   DNS_CNAME, &answer),
		  DNS_ANSWERED);
	CHECK_INT(answer.count, 1);
	CHECK_BYTES(answer.records[0], bytes_of("B.test"));
}

static void codes_become_outcomes(void)
{
	static const struct {
		const char *flags;
		enum dns_outcome outcome;
		const char *why;
	} cases[] = { { "8183", DNS_NXDOMAIN, "NXDOMAIN" }, { "8182", DNS_SERVFAIL, "SERVFAIL" },
		      { "8185", DNS_REFUSED, "REFUSED" },   { "8181", DNS_SERVFAIL, "FORMERR" },
		      { "8184", DNS_SERVFAIL, "NOTIMP" },   { "818a", DNS_SERVFAIL, "an answer that cannot be read" } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		auto_dns_answer answer = DNS_ANSWER_INIT;
		auto_buf hex = BUF_INIT;
		buf_printf(&hex, "1234 %s 0001 0000 0000 0000 %s", cases[i].flags, QUESTION_A);
		CHECK_INT(read_hex(buf_text(&hex), "a.test", DNS_A, &answer), cases[i].outcome);
		CHECK_TEXT(answer.why, cases[i].why);
	}
	CHECK_TEXT(dns_outcome_code(DNS_NXDOMAIN), "nxdomain");
	CHECK_TEXT(dns_outcome_code(DNS_ANSWERED), "no-record");
}

static void more_records_than_can_be_looked_at_are_none(void)
{
	auto_buf hex = BUF_INIT;
	auto_dns_answer answer = DNS_ANSWER_INIT;
	buf_printf(&hex, "1234 8180 0001 %04x 0000 0000 %s", DNS_RECORDS_MAX + 1, QUESTION_A);
	for (unsigned i = 0; i < DNS_RECORDS_MAX + 1; i++)
		buf_add_text(&hex, RECORD_A);
	CHECK_INT(read_hex(buf_text(&hex), "a.test", DNS_A, &answer), DNS_SERVFAIL);
	CHECK_TEXT(answer.why, "an answer with too many records");
}

static void what_strangers_wrote_is_shown_in_printable_ascii(void)
{
	auto_buf out = BUF_INIT;
	dns_print_string(BYTES("a\"\\\n\x1b\xff", 6), &out);
	CHECK_TEXT(buf_text(&out), "\"a\\\"\\\\\\010\\027\\255\"");
	buf_clear(&out);
	char text[200];
	memset(text, 'x', sizeof(text));
	dns_print_string(BYTES(text, sizeof(text)), &out);
	CHECK(out.len < 130 && strstr(buf_text(&out), "...\"") != NULL);
}

static void strings_of_txt_are_read_to_the_last_octet(void)
{
	auto_buf out = BUF_INIT;
	CHECK_INT(dns_txt_strings(unit_hex("02 6162 00 01 63"), &out), 3);
	CHECK_BYTES(buf_bytes(&out), bytes_of("abc"));
	CHECK_INT(dns_txt_strings(unit_hex("02 6162 05 63"), &out), 0);
	CHECK_INT(dns_txt_strings(BYTES_NONE, &out), 0);
}

SUITE(dns_answer)
{
	TEST(a_record_is_read_where_it_answers_the_question);
	TEST(what_was_not_asked_is_no_answer);
	TEST(every_truncation_is_no_answer);
	TEST(records_of_other_names_types_classes_and_lengths_do_not_count);
	TEST(aliases_are_followed_to_their_records);
	TEST(aliases_without_an_end_are_no_answer);
	TEST(sixteen_aliases_are_followed_and_no_more);
	TEST(only_what_is_known_to_be_absent_is);
	TEST(a_name_is_within_its_zone_and_those_above);
	TEST(the_aliases_of_a_cname_question_are_its_records);
	TEST(codes_become_outcomes);
	TEST(more_records_than_can_be_looked_at_are_none);
	TEST(what_strangers_wrote_is_shown_in_printable_ascii);
	TEST(strings_of_txt_are_read_to_the_last_octet);
}
