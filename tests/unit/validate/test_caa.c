#include "tests/unit/unit.h"

#include "httpd/validate/caa.h"

#define RECORDS_MAX 8

/* "issue pki.test", "!tbs x" (critical), one after the other; NULL ends them. */
struct set {
	struct buf rdata[RECORDS_MAX];
	struct bytes records[RECORDS_MAX];
	size_t count;
};

static void add(struct set *set, const char *text)
{
	struct buf *out = &set->rdata[set->count];
	const char *tag = text + (text[0] == '!'), *space = strchr(tag, ' ');
	REQUIRE(space != NULL);
	*out = BUF_INIT;
	buf_u8(out, text[0] == '!' ? 0x80 : 0);
	buf_u8(out, (uint8_t)(space - tag));
	buf_add(out, tag, (size_t)(space - tag));
	buf_add_text(out, space + 1);
	set->records[set->count] = buf_bytes(out);
	set->count++;
}

static void clear(struct set *set)
{
	for (size_t i = 0; i < set->count; i++)
		buf_free(&set->rdata[i]);
	set->count = 0;
}

static const struct caa_question usual = { false,
					   { (const uint8_t *)"pki.test", 8 },
					   { (const uint8_t *)"acct:7", 6 } };

/* The verdict about a set of at most three; methods and reason as they come. */
static enum caa_verdict decide(const struct caa_question *question, const char *a, const char *b, const char *c,
			       uint8_t *methods, struct buf *reason)
{
	struct set set = { .count = 0 };
	const char *const all[] = { a, b, c };
	for (size_t i = 0; i < 3 && all[i]; i++)
		add(&set, all[i]);
	buf_clear(reason);
	enum caa_verdict verdict = caa_decide(set.records, set.count, question, methods, reason);
	clear(&set);
	return verdict;
}

static enum caa_verdict verdict(const char *a, const char *b, const char *c)
{
	uint8_t methods;
	auto_buf reason = BUF_INIT;
	return decide(&usual, a, b, c, &methods, &reason);
}

static enum caa_verdict wild(const char *a, const char *b, const char *c)
{
	uint8_t methods;
	auto_buf reason = BUF_INIT;
	struct caa_question question = usual;
	question.wildcard = true;
	return decide(&question, a, b, c, &methods, &reason);
}

static void issue_allows_whom_it_names(void)
{
	CHECK_INT(verdict("issue pki.test", NULL, NULL), CAA_ALLOWS);
	CHECK_INT(verdict("issue other.test", "issue pki.test", NULL), CAA_ALLOWS);
	CHECK_INT(verdict("ISSUE  PKI.Test \t", NULL, NULL), CAA_ALLOWS);
	CHECK_INT(verdict("issue pki.test; policy=ev; x=", NULL, NULL), CAA_ALLOWS);
	CHECK_INT(verdict("issue other.test", NULL, NULL), CAA_FORBIDS);
	CHECK_INT(verdict("issue pki.test.", NULL, NULL), CAA_FORBIDS);
	CHECK_INT(verdict("issue xpki.test", "issue pki.tes", NULL), CAA_FORBIDS);
	CHECK_INT(verdict("issue ;", NULL, NULL), CAA_FORBIDS);
	CHECK_INT(verdict("issue  ", NULL, NULL), CAA_FORBIDS);
	CHECK_INT(verdict("issue ;", "issue pki.test", NULL), CAA_ALLOWS);
}

static void a_malformed_value_names_nobody(void)
{
	static const char *const bad[] = { "issue %%%%%",           "issue pki.test x=1", "issue pki.test; =1",
					   "issue pki.test; a b=1", "issue pki.test; x",  "issue pki.test; x=a b",
					   "issue .pki.test",       "issue pki..test",    "issue -pki.test",
					   "issue pki-.test",       "issue pki.test-",    "issue pki.test; x=\x7f",
					   "issue pki.test\xff" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_TEXT(verdict(bad[i], NULL, NULL) == CAA_FORBIDS ? "" : bad[i], "");
}

static void sets_that_do_not_say_who_may_issue_allow(void)
{
	CHECK_INT(verdict("iodef mailto:a@example.test", NULL, NULL), CAA_ALLOWS);
	CHECK_INT(verdict("!iodef mailto:a@example.test", "!contactemail a@example.test", NULL), CAA_ALLOWS);
	CHECK_INT(verdict("future x", NULL, NULL), CAA_ALLOWS);
	CHECK_INT(verdict("issuewild ;", NULL, NULL), CAA_ALLOWS);
	CHECK_INT(verdict("issuewild other.test", NULL, NULL), CAA_ALLOWS);
}

static void wildcards_go_by_issuewild_where_there_is_one(void)
{
	CHECK_INT(wild("issue pki.test", NULL, NULL), CAA_ALLOWS);
	CHECK_INT(wild("issue pki.test", "issuewild ;", NULL), CAA_FORBIDS);
	CHECK_INT(wild("issue pki.test", "issuewild other.test", NULL), CAA_FORBIDS);
	CHECK_INT(wild("issue ;", "issuewild pki.test", NULL), CAA_ALLOWS);
	CHECK_INT(wild("issuewild pki.test", NULL, NULL), CAA_ALLOWS);
	CHECK_INT(wild("issue other.test", NULL, NULL), CAA_FORBIDS);
	CHECK_INT(verdict("issue other.test", "issuewild pki.test", NULL), CAA_FORBIDS);
}

static void an_unknown_critical_property_forbids(void)
{
	uint8_t methods;
	auto_buf reason = BUF_INIT;
	CHECK_INT(verdict("issue pki.test", "!tbs unknown", NULL), CAA_FORBIDS);
	CHECK_INT(verdict("issue pki.test", "tbs unknown", NULL), CAA_ALLOWS);
	CHECK_INT(verdict("!issue pki.test", NULL, NULL), CAA_ALLOWS);
	CHECK_INT(decide(&usual, "!tbs unknown", NULL, NULL, &methods, &reason), CAA_FORBIDS);
	CHECK_TEXT(buf_text(&reason), "the critical property tbs is unknown here");
}

static void a_record_that_cannot_be_read_leaves_it_open(void)
{
	static const char *const bad[] = {
		"", "00", "0000", "000a 6973737565", "00ff69", "0005 6973737", "0001 2d 61"
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint8_t methods;
		auto_buf reason = BUF_INIT;
		char even[64];
		(void)snprintf(even, sizeof(even), "%s%s", bad[i], strlen(bad[i]) == 12 ? "0" : "");
		struct bytes record = unit_hex(even);
		CHECK_INT(caa_decide(&record, 1, &usual, &methods, &reason), CAA_UNKNOWN);
	}
}

static void accounturi_is_the_requesters_or_forbids(void)
{
	struct caa_question nobody = usual;
	uint8_t methods;
	auto_buf reason = BUF_INIT;
	nobody.account = BYTES_NONE;
	CHECK_INT(verdict("issue pki.test; accounturi=acct:7", NULL, NULL), CAA_ALLOWS);
	CHECK_INT(verdict("issue pki.test;accounturi=acct:8", NULL, NULL), CAA_FORBIDS);
	CHECK_INT(verdict("issue pki.test;AccountURI = acct:7 ;", NULL, NULL), CAA_ALLOWS);
	CHECK_INT(verdict("issue pki.test;accounturi=ACCT:7", NULL, NULL), CAA_FORBIDS);
	CHECK_INT(verdict("issue pki.test;accounturi=", NULL, NULL), CAA_FORBIDS);
	CHECK_INT(verdict("issue pki.test;accounturi=acct:8", "issue pki.test;accounturi=acct:7", NULL), CAA_ALLOWS);
	CHECK_INT(verdict("issue pki.test;accounturi=acct:7;accounturi=acct:7", NULL, NULL), CAA_FORBIDS);
	CHECK_INT(decide(&nobody, "issue pki.test;accounturi=", NULL, NULL, &methods, &reason), CAA_FORBIDS);
	CHECK_TEXT(buf_text(&reason), "issue names this CA, but its accounturi is another one than the requester's");
}

static void validationmethods_leaves_what_it_names(void)
{
	static const struct {
		const char *list;
		uint8_t methods; /* 0: forbidden */
	} cases[] = {
		{ "ca-dns-txt", 2 },     { "ca-grant", 1 }, { "ca-dns-cname", 4 },
		{ "ca-http", 8 },        { "ca-mail", 16 }, { "ca-dns-txt,ca-http", 10 },
		{ "dns-01,ca-http", 8 }, { "CA-HTTP", 8 },  { "dns-01", 0 },
		{ "dns-txt", 0 },        { "", 0 },         { ",", 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t methods = 0xff;
		auto_buf reason = BUF_INIT;
		char record[96];
		(void)snprintf(record, sizeof(record), "issue pki.test; validationmethods=%s", cases[i].list);
		CHECK_INT(decide(&usual, record, NULL, NULL, &methods, &reason),
			  cases[i].methods ? CAA_ALLOWS : CAA_FORBIDS);
		CHECK_INT(methods, cases[i].methods);
	}
}

static void methods_of_several_properties_add_up(void)
{
	uint8_t methods = 0;
	auto_buf reason = BUF_INIT;
	CHECK_INT(decide(&usual, "issue pki.test;validationmethods=ca-http", "issue pki.test;validationmethods=ca-mail",
			 "issue pki.test;accounturi=acct:9", &methods, &reason),
		  CAA_ALLOWS);
	CHECK_INT(methods, 24);
	CHECK_INT(decide(&usual, "issue pki.test;validationmethods=ca-http", "issue pki.test", NULL, &methods, &reason),
		  CAA_ALLOWS);
	CHECK_INT(methods, CAA_METHODS_ALL);
}

static void without_an_identity_records_can_only_forbid(void)
{
	struct caa_question nameless = usual;
	uint8_t methods;
	auto_buf reason = BUF_INIT;
	nameless.identity = BYTES_NONE;
	CHECK_INT(decide(&nameless, "issue pki.test", NULL, NULL, &methods, &reason), CAA_FORBIDS);
	CHECK(strstr(buf_text(&reason), "caa-identity") != NULL);
	CHECK_INT(decide(&nameless, "issue ;", NULL, NULL, &methods, &reason), CAA_FORBIDS);
	CHECK_INT(decide(&nameless, "iodef mailto:x@example.test", NULL, NULL, &methods, &reason), CAA_ALLOWS);
}

static void more_parameters_than_can_be_kept_name_nobody(void)
{
	auto_buf text = BUF_INIT;
	buf_add_text(&text, "issue pki.test");
	for (unsigned i = 0; i < CAA_PARAMETERS_MAX; i++)
		buf_printf(&text, ";p%u=x", i);
	CHECK_INT(verdict(buf_text(&text), NULL, NULL), CAA_ALLOWS);
	buf_add_text(&text, ";accounturi=acct:8");
	CHECK_INT(verdict(buf_text(&text), NULL, NULL), CAA_FORBIDS);
}

SUITE(caa)
{
	TEST(issue_allows_whom_it_names);
	TEST(a_malformed_value_names_nobody);
	TEST(sets_that_do_not_say_who_may_issue_allow);
	TEST(wildcards_go_by_issuewild_where_there_is_one);
	TEST(an_unknown_critical_property_forbids);
	TEST(a_record_that_cannot_be_read_leaves_it_open);
	TEST(accounturi_is_the_requesters_or_forbids);
	TEST(validationmethods_leaves_what_it_names);
	TEST(methods_of_several_properties_add_up);
	TEST(without_an_identity_records_can_only_forbid);
	TEST(more_parameters_than_can_be_kept_name_nobody);
}
