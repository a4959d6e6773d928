#include "ca-core/statement.h"

#include <stdio.h>

#include "ca-core/key.h"
#include "tests/unit/unit.h"

#define TEXT(literal) BYTES(literal, sizeof(literal) - 1)
#define CA "ca: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"
#define SHA "sha256: fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210\n"
#define FIRST "chancery-statement-v1\n"
#define TIME "time: 2026-11-21T12:00:00Z\n"
static const char order_text[] = FIRST CA "subject: order o-7f3a\n" SHA
					  "decision: approve\nby: olivia\nreason: Gepr\303\274ft, Antrag 17\n" TIME;
static const char organization_text[] =
	FIRST CA "subject: organization example_1.de\n" SHA "decision: suspend\nby: otto@example\nreason: x\n" TIME;

static struct ca_statement an_order(void)
{
	struct ca_statement s = { .id = TEXT("o-7f3a"),
				  .decision = DECISION_APPROVE,
				  .by = TEXT("olivia"),
				  .reason = TEXT("Gepr\303\274ft, Antrag 17"),
				  .time_s = 1795262400 };
	for (size_t i = 0; i < 32; i++) {
		s.ca[i] = (uint8_t)((i % 8) * 0x22 + 1);
		s.sha256[i] = (uint8_t)~s.ca[i];
	}
	return s;
}

/* ---- the one form ---- */

static void writes_the_eight_lines_and_nothing_else(void)
{
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	struct ca_statement s = an_order();
	CHECK_OK(ca_statement_write(&s, &out, &err) == 0, &err);
	CHECK_TEXT(buf_text(&out), order_text);
	CHECK_BYTES(unit_data("statement/order.txt"), TEXT(order_text));

	buf_clear(&out);
	s.organization = true;
	s.id = TEXT("example_1.de");
	s.decision = DECISION_SUSPEND;
	s.by = TEXT("otto@example");
	s.reason = TEXT("x");
	CHECK_OK(ca_statement_write(&s, &out, &err) == 0, &err);
	CHECK_TEXT(buf_text(&out), organization_text);
}

static void an_id_is_of_few_characters(void)
{
	static const char *const good[] = { "a", "o-7f3a", "example_1.de", "A.B-C_d9" };
	static const char *const bad[] = { "", "a b", "a@b", "a/b", "a:b", "a\n", "\xc3\xa4" };
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CHECK(ca_statement_is_id(bytes_of(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(!ca_statement_is_id(bytes_of(bad[i])));
	char longest[CA_STATEMENT_ID_MAX + 1];
	memset(longest, 'x', sizeof(longest));
	CHECK(ca_statement_is_id(BYTES(longest, CA_STATEMENT_ID_MAX)));
	CHECK(!ca_statement_is_id(BYTES(longest, CA_STATEMENT_ID_MAX + 1)));
	CHECK(!ca_statement_is_id(BYTES("a\0b", 3)));
}

static const char ceremony_text[] = FIRST CA "subject: ceremony 0123abcd\n" SHA
					     "decision: attest\nby: Gr\303\274n Example\nreason: I was there\n" TIME;

static void who_was_at_a_ceremony_attests_under_a_name_with_blanks(void)
{
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	struct ca_statement s = an_order(), back;
	s.ceremony = true;
	s.id = TEXT("0123abcd");
	s.by = TEXT("Gr\303\274n Example");
	s.reason = TEXT("I was there");
	CHECK_FAILS(ca_statement_write(&s, &out, &err) != 0, &err, ERR_BAD_REQUEST); /* nobody approves one */
	s.decision = DECISION_ATTEST;
	CHECK_OK(ca_statement_write(&s, &out, &err) == 0, &err);
	CHECK_TEXT(buf_text(&out), ceremony_text);
	CHECK_OK(ca_statement_read(TEXT(ceremony_text), &back, &err) == 0, &err);
	CHECK(back.ceremony && !back.organization && back.decision == DECISION_ATTEST);

	s.by = TEXT("Ada\nExample");
	CHECK_FAILS(ca_statement_write(&s, &out, &err) != 0, &err, ERR_BAD_REQUEST);
	s.by = TEXT("Ada");
	s.ceremony = false; /* and an order is not attested */
	CHECK_FAILS(ca_statement_write(&s, &out, &err) != 0, &err, ERR_BAD_REQUEST);
	static const char order[] = FIRST CA "subject: order o-1\n" SHA "decision: attest\nby: a\nreason: x\n" TIME;
	CHECK_FAILS(ca_statement_read(TEXT(order), &back, &err) != 0, &err, ERR_APPROVAL_MISMATCH);
}

static void the_longest_statement_fits(void)
{
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	char long_id[64], long_reason[CA_STATEMENT_REASON_MAX];
	struct ca_statement s = an_order(), back;
	memset(long_id, 'x', sizeof(long_id));
	memset(long_reason, 'x', sizeof(long_reason));
	s.organization = true;
	s.decision = DECISION_SUSPEND;
	s.id = s.by = BYTES(long_id, sizeof(long_id));
	s.reason = BYTES(long_reason, sizeof(long_reason));
	CHECK_OK(ca_statement_write(&s, &out, &err) == 0, &err);
	CHECK(out.len <= CA_STATEMENT_MAX);
	CHECK_OK(ca_statement_read(buf_bytes(&out), &back, &err) == 0, &err);
	CHECK_INT(back.reason.len, CA_STATEMENT_REASON_MAX);
}

static void what_is_written_reads_back(void)
{
	struct error err = ERR_INIT;
	struct ca_statement expected = an_order(), s;
	CHECK_OK(ca_statement_read(TEXT(order_text), &s, &err) == 0, &err);
	CHECK_BYTES(BYTES(s.ca, 32), BYTES(expected.ca, 32));
	CHECK_BYTES(BYTES(s.sha256, 32), BYTES(expected.sha256, 32));
	CHECK(!s.organization);
	CHECK_BYTES(s.id, expected.id);
	CHECK_INT(s.decision, DECISION_APPROVE);
	CHECK_BYTES(s.by, expected.by);
	CHECK_BYTES(s.reason, expected.reason);
	CHECK_INT(s.time_s, 1795262400);

	CHECK_OK(ca_statement_read(TEXT(organization_text), &s, &err) == 0, &err);
	CHECK(s.organization);
	CHECK_BYTES(s.id, TEXT("example_1.de"));
	CHECK_INT(s.decision, DECISION_SUSPEND);
	CHECK_BYTES(s.by, TEXT("otto@example"));
}

static void every_decision_has_a_name(void)
{
	CHECK_TEXT(ca_decision_name(DECISION_APPROVE), "approve");
	CHECK_TEXT(ca_decision_name(DECISION_DENY), "deny");
	CHECK_TEXT(ca_decision_name(DECISION_VET), "vet");
	CHECK_TEXT(ca_decision_name(DECISION_SUSPEND), "suspend");
	CHECK_TEXT(ca_decision_name((enum ca_decision)0), "?");
	CHECK_TEXT(ca_decision_name(DECISION_ATTEST), "attest");
	CHECK_TEXT(ca_decision_name((enum ca_decision)6), "?");
}

/* ---- what no statement can say ---- */

static void check_cannot_say(const struct ca_statement *s, const char *member)
{
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	CHECK_FAILS(ca_statement_write(s, &out, &err) == -1, &err, ERR_BAD_REQUEST);
	CHECK_TEXT(err.member, member);
	CHECK_INT(out.len, 0);
}

static void does_not_write_a_reason_that_is_more_than_one_line(void)
{
	static const struct bytes bad[] = {
		TEXT(""),
		TEXT("yes\nby: admin"),
		TEXT("yes\r"),
		TEXT("a\tb"),
		TEXT("a\0b"),
		TEXT("a\x7f"),
		TEXT("a\302\205b"),     /* U+0085: next line */
		TEXT("a\342\200\250b"), /* U+2028: line separator */
		TEXT("a\342\200\251b"), /* U+2029: paragraph separator */
		TEXT("\303"),           /* no UTF-8 */
		TEXT("\355\240\200"),   /* a surrogate */
	};
	struct ca_statement s = an_order();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		s.reason = bad[i];
		check_cannot_say(&s, "reason");
	}
	char long_reason[CA_STATEMENT_REASON_MAX + 1];
	memset(long_reason, 'x', sizeof(long_reason));
	s.reason = BYTES(long_reason, sizeof(long_reason));
	check_cannot_say(&s, "reason");
	s.reason = TEXT("a dash \342\200\223 is fine");
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	CHECK_OK(ca_statement_write(&s, &out, &err) == 0, &err);
}

static void does_not_write_ids_and_names_that_are_none(void)
{
	static const struct bytes bad[] = {
		TEXT(""),    TEXT("a b"),      TEXT("a/b"),
		TEXT("a\n"), TEXT("\303\274"), TEXT("12345678901234567890123456789012345678901234567890123456789012345")
	};
	struct ca_statement s = an_order();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		s.id = bad[i];
		check_cannot_say(&s, "id");
	}
	s = an_order();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		s.by = bad[i];
		check_cannot_say(&s, "by");
	}
	s = an_order();
	s.id = TEXT("a@b"); /* names of identities alone may have it */
	check_cannot_say(&s, "id");
}

static void does_not_write_a_decision_of_the_other_subject(void)
{
	struct ca_statement s = an_order();
	for (int decision = 0; decision <= 5; decision++) {
		s.decision = (enum ca_decision)decision;
		for (int organization = 0; organization < 2; organization++) {
			s.organization = organization;
			bool good = organization ? decision == DECISION_VET || decision == DECISION_SUSPEND
						 : decision == DECISION_APPROVE || decision == DECISION_DENY;
			struct error err = ERR_INIT;
			auto_buf out = BUF_INIT;
			if (good)
				CHECK_OK(ca_statement_write(&s, &out, &err) == 0, &err);
			else
				check_cannot_say(&s, "decision");
		}
	}
}

static void does_not_write_a_time_that_has_no_text(void)
{
	static const int64_t bad[] = { -1, 253402300800, INT64_MAX, INT64_MIN };
	struct ca_statement s = an_order();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		s.time_s = bad[i];
		check_cannot_say(&s, "time");
	}
}

/* ---- reading strictly ---- */

/* The statement with one line in place of another. */
static void read_with(const char *text, const char *line, const char *in_its_place, struct error *err)
{
	struct ca_statement s;
	auto_buf changed = BUF_INIT;
	const char *at = strstr(text, line);
	*err = ERR_INIT;
	REQUIRE(at != NULL);
	buf_add(&changed, text, (size_t)(at - text));
	buf_add_text(&changed, in_its_place);
	buf_add_text(&changed, at + strlen(line));
	CHECK_FAILS(ca_statement_read(buf_bytes(&changed), &s, err) == -1, err, ERR_APPROVAL_MISMATCH);
}

static void every_line_that_is_wrong_is_named(void)
{
#define HEX63 "123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"
	static const struct {
		unsigned number;
		const char *line, *in_its_place;
	} wrong[] = {
		{ 1, FIRST, "chancery-statement-v2\n" },
		{ 1, FIRST, "chancery-statement-v1 \n" },
		{ 1, FIRST, "chancery-statement-v1\r\n" },
		{ 1, FIRST, "\nchancery-statement-v1\n" },
		{ 1, FIRST, "\357\273\277chancery-statement-v1\n" }, /* byte order mark */
		{ 1, FIRST, "" },
		{ 2, CA, "" },
		{ 2, CA, "ca: " HEX63 },
		{ 2, CA, "ca: 00" HEX63 },
		{ 2, CA, "ca: 000" HEX63 },
		{ 2, CA, "ca: g" HEX63 },
		{ 2, CA, "ca:0" HEX63 },
		{ 2, CA, "ca:  0" HEX63 },
		{ 2, CA, " ca: 0" HEX63 },
		{ 2, CA, "CA: 0" HEX63 },
		{ 2, CA, "ca: 0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef\n" },
		{ 2, CA, "ca: \n" },
		{ 3, "subject: order o-7f3a\n", "" },
		{ 3, "subject: order o-7f3a\n", "subject: certificate o-7f3a\n" },
		{ 3, "subject: order o-7f3a\n", "subject: order\n" },
		{ 3, "subject: order o-7f3a\n", "subject: order \n" },
		{ 3, "subject: order o-7f3a\n", "subject: order o 7f3a\n" },
		{ 3, "subject: order o-7f3a\n", "subject: order  o-7f3a\n" },
		{ 3, "subject: order o-7f3a\n", "subject: Order o-7f3a\n" },
		{ 3, "subject: order o-7f3a\n", "subject: order o-7f3a \n" },
		{ 4, SHA, "" },
		{ 4, SHA, CA },
		{ 4, SHA, "sha256: " HEX63 },
		{ 4, SHA, "sha384: 0" HEX63 },
		{ 5, "decision: approve\n", "" },
		{ 5, "decision: approve\n", "decision: approved\n" },
		{ 5, "decision: approve\n", "decision: Approve\n" },
		{ 5, "decision: approve\n", "decision: vet\n" },
		{ 5, "decision: approve\n", "decision: suspend\n" },
		{ 5, "decision: approve\n", "decision: \n" },
		{ 6, "by: olivia\n", "" },
		{ 6, "by: olivia\n", "by: \n" },
		{ 6, "by: olivia\n", "by: olivia otto\n" },
		{ 6, "by: olivia\n", "by: olivia\r\n" },
		{ 7, "reason: Gepr\303\274ft, Antrag 17\n", "" },
		{ 7, "reason: Gepr\303\274ft, Antrag 17\n", "reason: \n" },
		{ 7, "reason: Gepr\303\274ft, Antrag 17\n", "reason:\n" },
		{ 7, "reason: Gepr\303\274ft, Antrag 17\n", "reason: Gepr\374ft\n" },
		{ 7, "reason: Gepr\303\274ft, Antrag 17\n", "reason: a\tb\n" },
		{ 8, "reason: Gepr\303\274ft, Antrag 17\n", "reason: a\nreason: b\n" },
		{ 8, TIME, "" },
		{ 8, TIME, "time: 2026-11-21T12:00:00Z" },
		{ 8, TIME, "time: 2026-11-21T12:00:00+00:00\n" },
		{ 8, TIME, "time: 2026-11-21 12:00:00Z\n" },
		{ 8, TIME, "time: 2026-11-21T12:00:00.0Z\n" },
		{ 8, TIME, "time: 2026-11-31T12:00:00Z\n" },
		{ 8, TIME, "time: 2026-11-21T24:00:00Z\n" },
		{ 8, TIME, "time: 1969-12-31T23:59:59Z\n" },
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct error err = ERR_INIT;
		char expected[32];
		(void)snprintf(expected, sizeof(expected), "line %u of the statement", wrong[i].number);
		read_with(order_text, wrong[i].line, wrong[i].in_its_place, &err);
		CHECK(strncmp(err.message, expected, strlen(expected)) == 0);
		CHECK_TEXT(err.member, "statement");
		CHECK(err.allowed[0] != 0);
	}
}

static void a_decision_of_an_order_is_none_of_an_organization(void)
{
	struct error err = ERR_INIT;
	read_with(organization_text, "decision: suspend\n", "decision: approve\n", &err);
	CHECK_TEXT(err.value, "decision: approve");
	CHECK_TEXT(err.allowed, "decision: vet\" or \"decision: suspend");
}

static void refuses_what_is_cut_or_has_something_behind_it(void)
{
	struct error err = ERR_INIT;
	struct ca_statement s;
	auto_buf longer = BUF_INIT;
	for (size_t len = 0; len < sizeof(order_text) - 1; len++)
		CHECK_FAILS(ca_statement_read(BYTES(order_text, len), &s, &err) == -1, &err, ERR_APPROVAL_MISMATCH);
	buf_add_text(&longer, order_text);
	buf_u8(&longer, '\n');
	CHECK_FAILS(ca_statement_read(buf_bytes(&longer), &s, &err) == -1, &err, ERR_APPROVAL_MISMATCH);
	longer.data[longer.len - 1] = 0;
	CHECK_FAILS(ca_statement_read(buf_bytes(&longer), &s, &err) == -1, &err, ERR_APPROVAL_MISMATCH);
	buf_add_text(&longer, order_text);
	CHECK_FAILS(ca_statement_read(buf_bytes(&longer), &s, &err) == -1, &err, ERR_APPROVAL_MISMATCH);
	while (longer.len <= CA_STATEMENT_MAX)
		buf_u8(&longer, '\n');
	CHECK_FAILS(ca_statement_read(buf_bytes(&longer), &s, &err) == -1, &err, ERR_APPROVAL_MISMATCH);
}

/* ---- signatures of the openssl command: tests/data/make_statements.py ---- */

static int verify(const char *certificate, const char *signature, struct error *err)
{
	char certificate_name[64], signature_name[64];
	(void)snprintf(certificate_name, sizeof(certificate_name), "statement/%s.der", certificate);
	(void)snprintf(signature_name, sizeof(signature_name), "statement/%s.sig", signature);
	*err = ERR_INIT;
	return ca_statement_verify(unit_data("statement/order.txt"), unit_data(certificate_name),
				   unit_data(signature_name), err);
}

static const char *const served[] = { "p256", "p384", "p521", "rsa", "ed25519" };
#define SERVED (sizeof(served) / sizeof(served[0]))

static void takes_what_openssl_signs_with_each_kind_of_key(void)
{
	struct error err = ERR_INIT;
	for (size_t i = 0; i < SERVED; i++)
		CHECK_OK(verify(served[i], served[i], &err) == 0, &err);
}

static void refuses_the_signature_of_another_key(void)
{
	struct error err = ERR_INIT;
	for (size_t i = 0; i < SERVED; i++)
		for (size_t other = 0; other < SERVED; other++)
			if (i != other) {
				CHECK_FAILS(verify(served[i], served[other], &err) == -1, &err, ERR_APPROVAL_MISMATCH);
				CHECK_TEXT(err.member, "signature");
			}
}

static void refuses_a_hash_that_is_not_the_keys(void)
{
	struct error err = ERR_INIT;
	CHECK_FAILS(verify("p384_by_sha256", "p384_by_sha256", &err) == -1, &err, ERR_APPROVAL_MISMATCH);
}

static void refuses_one_changed_bit_of_text_or_signature(void)
{
	struct error err = ERR_INIT;
	for (size_t i = 0; i < SERVED; i++) {
		char name[64];
		auto_buf text = BUF_INIT, signature = BUF_INIT;
		(void)snprintf(name, sizeof(name), "statement/%s.der", served[i]);
		struct bytes certificate = unit_data(name);
		(void)snprintf(name, sizeof(name), "statement/%s.sig", served[i]);
		buf_add_text(&text, order_text);
		buf_add_bytes(&signature, unit_data(name));
		for (size_t at = 0; at < text.len; at += 37) {
			text.data[at] ^= 1;
			CHECK_FAILS(ca_statement_verify(buf_bytes(&text), certificate, buf_bytes(&signature), &err) ==
					    -1,
				    &err, ERR_APPROVAL_MISMATCH);
			text.data[at] ^= 1;
		}
		signature.data[signature.len / 2] ^= 1;
		CHECK_FAILS(ca_statement_verify(buf_bytes(&text), certificate, buf_bytes(&signature), &err) == -1, &err,
			    ERR_APPROVAL_MISMATCH);
		CHECK_FAILS(ca_statement_verify(buf_bytes(&text), certificate, BYTES_NONE, &err) == -1, &err,
			    ERR_APPROVAL_MISMATCH);
	}
}

static void refuses_keys_that_are_not_served(void)
{
	struct error err = ERR_INIT;
	CHECK_FAILS(verify("rsa_1024", "rsa_1024", &err) == -1, &err, ERR_BAD_REQUEST);
	CHECK_TEXT(err.member, "certificate");
	CHECK_FAILS(verify("secp256k1", "secp256k1", &err) == -1, &err, ERR_BAD_REQUEST);
}

static void refuses_what_is_no_certificate(void)
{
	struct error err = ERR_INIT;
	struct bytes certificate = unit_data("statement/p256.der"), signature = unit_data("statement/p256.sig");
	for (size_t len = 0; len < certificate.len; len++)
		CHECK_FAILS(ca_statement_verify(TEXT(order_text), BYTES(certificate.data, len), signature, &err) == -1,
			    &err, ERR_BAD_REQUEST);
	auto_buf longer = BUF_INIT;
	buf_add_bytes(&longer, certificate);
	buf_u8(&longer, 0);
	CHECK_FAILS(ca_statement_verify(TEXT(order_text), buf_bytes(&longer), signature, &err) == -1, &err,
		    ERR_BAD_REQUEST);
}

SUITE(statement)
{
	TEST(writes_the_eight_lines_and_nothing_else);
	TEST(an_id_is_of_few_characters);
	TEST(who_was_at_a_ceremony_attests_under_a_name_with_blanks);
	TEST(the_longest_statement_fits);
	TEST(what_is_written_reads_back);
	TEST(every_decision_has_a_name);
	TEST(does_not_write_a_reason_that_is_more_than_one_line);
	TEST(does_not_write_ids_and_names_that_are_none);
	TEST(does_not_write_a_decision_of_the_other_subject);
	TEST(does_not_write_a_time_that_has_no_text);
	TEST(every_line_that_is_wrong_is_named);
	TEST(a_decision_of_an_order_is_none_of_an_organization);
	TEST(refuses_what_is_cut_or_has_something_behind_it);
	TEST(takes_what_openssl_signs_with_each_kind_of_key);
	TEST(refuses_the_signature_of_another_key);
	TEST(refuses_a_hash_that_is_not_the_keys);
	TEST(refuses_one_changed_bit_of_text_or_signature);
	TEST(refuses_keys_that_are_not_served);
	TEST(refuses_what_is_no_certificate);
}
