#include "store/record_order.h"

#include "tests/unit/store/fixture_order.h"

static const struct bytes no_serial = { NULL, 0 };

static struct bytes serial(void)
{
	return bytes_of("\1\2\3");
}

static int recode_order(struct bytes in, struct buf *out, struct error *err)
{
	static struct record_order r;
	if (record_order_decode(in, &r, err))
		return -1;
	record_order_encode(&r, out);
	return 0;
}

/* ---- what is written reads back ---- */

static void check_name(const struct record_order_name *read, const struct record_order_name *wrote)
{
	CHECK_BYTES(read->name, wrote->name);
	CHECK_INT(read->status, wrote->status);
	CHECK_INT(read->methods, wrote->methods);
	CHECK(read->reused == wrote->reused);
	CHECK_INT(read->checked_ms, wrote->checked_ms);
	CHECK_INT(read->next_check_ms, wrote->next_check_ms);
	CHECK_INT(read->tries, wrote->tries);
	CHECK_INT(read->expires_s, wrote->expires_s);
	CHECK_BYTES(read->error_code, wrote->error_code);
	CHECK_BYTES(read->error, wrote->error);
	CHECK_BYTES(read->evidence, wrote->evidence);
	CHECK_BYTES(BYTES(read->mail_code_hash, 32), BYTES(wrote->mail_code_hash, 32));
	CHECK_INT(read->mail_tries, wrote->mail_tries);
	CHECK_INT(read->mail_until_s, wrote->mail_until_s);
	CHECK_INT(read->caa_checked_s, wrote->caa_checked_s);
}

static void check_asked(const struct record_order *read, const struct record_order *wrote)
{
	CHECK_BYTES(read->spki, wrote->spki);
	CHECK_BYTES(read->common_name, wrote->common_name);
	CHECK_BYTES(BYTES(read->csr_hash, 32), BYTES(wrote->csr_hash, 32));
	CHECK_BYTES(read->asked_subject, wrote->asked_subject);
	CHECK_INT(read->not_copied_count, 2);
	CHECK_BYTES(read->not_copied[1], wrote->not_copied[1]);
	CHECK_INT(read->contact_count, 1);
	CHECK_BYTES(read->contacts[0].role, wrote->contacts[0].role);
	CHECK_BYTES(read->contacts[0].mail, wrote->contacts[0].mail);
}

static void check_decided(const struct record_order *read, const struct record_order *wrote)
{
	CHECK_BYTES(read->tbs, wrote->tbs);
	CHECK_BYTES(read->serial, wrote->serial);
	CHECK_INT(read->approve_before_s, wrote->approve_before_s);
	CHECK_INT(read->approval_count, 1);
	CHECK_BYTES(read->approvals[0].officer, wrote->approvals[0].officer);
	CHECK(read->approvals[0].approve);
	CHECK_BYTES(read->approvals[0].reason, wrote->approvals[0].reason);
	CHECK_INT(read->approvals[0].time_s, wrote->approvals[0].time_s);
	CHECK_BYTES(BYTES(read->approvals[0].statement, 32), BYTES(wrote->approvals[0].statement, 32));
	CHECK_BYTES(read->issuer, wrote->issuer);
	CHECK_BYTES(read->certificate, wrote->certificate);
	CHECK_BYTES(read->failure_code, wrote->failure_code);
	CHECK_BYTES(read->failure, wrote->failure);
}

static void check_round_trip(const struct record_order *wrote)
{
	static struct record_order read;
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	record_order_encode(wrote, &out);
	REQUIRE(!out.failed);
	CHECK_OK(record_order_decode(buf_bytes(&out), &read, &err) == 0, &err);
	CHECK_BYTES(read.id, wrote->id);
	CHECK_INT(read.status, wrote->status);
	CHECK_BYTES(read.profile, wrote->profile);
	CHECK_BYTES(read.requester, wrote->requester);
	CHECK_INT(read.days, wrote->days);
	CHECK_BYTES(BYTES(read.nonce, 32), BYTES(wrote->nonce, 32));
	CHECK_INT(read.created_ms, wrote->created_ms);
	CHECK_INT(read.changed_ms, wrote->changed_ms);
	CHECK_INT(read.expires_s, wrote->expires_s);
	check_asked(&read, wrote);
	CHECK_BYTES(read.organization, wrote->organization);
	CHECK_INT(read.organization_version, wrote->organization_version);
	check_decided(&read, wrote);
	CHECK_BYTES(read.copied_from, wrote->copied_from);
	CHECK_INT(read.due_ms, wrote->due_ms);
	CHECK_INT(read.name_count, 2);
	check_name(&read.names[0], &wrote->names[0]);
	check_name(&read.names[1], &wrote->names[1]);
	fixture_check_strict(&out, recode_order);
}

static void an_order_reads_back_and_nothing_else_does(void)
{
	check_round_trip(fixture_order("o1", ORDER_ISSUED, serial()));
	check_round_trip(fixture_order("o1", ORDER_FAILED, serial()));
}

static bool is_refused(const struct record_order *r)
{
	auto_buf out = BUF_INIT;
	record_order_encode(r, &out);
	return out.failed;
}

/* ---- limits ---- */

static char long_text[(1 << 20) + 1];

/* A text may be so long, and not an octet longer. */
static void check_limit(const struct record_order *r, struct bytes *field, size_t most)
{
	struct bytes before = *field;
	*field = BYTES(long_text, most);
	CHECK(!is_refused(r));
	*field = BYTES(long_text, most + 1);
	CHECK(is_refused(r));
	*field = before;
}

static void texts_are_as_long_as_the_header_says_and_no_longer(void)
{
	memset(long_text, 'a', sizeof(long_text));
	struct record_order *r = fixture_order("o1", ORDER_PENDING_APPROVAL, serial());
	check_limit(r, &r->id, 64);
	check_limit(r, &r->profile, 64);
	check_limit(r, &r->requester, 64);
	check_limit(r, &r->spki, 2048);
	check_limit(r, &r->common_name, 256);
	check_limit(r, &r->asked_subject, 65536);
	check_limit(r, &r->not_copied[0], 1024);
	check_limit(r, &r->contacts[0].mail, 320);
	check_limit(r, &r->organization, 64);
	check_limit(r, &r->tbs, (size_t)1 << 20);
	check_limit(r, &r->serial, 20);
	check_limit(r, &r->approvals[0].officer, 64);
	check_limit(r, &r->approvals[0].reason, 500);
	check_limit(r, &r->issuer, 64);
	check_limit(r, &r->failure_code, 64);
	check_limit(r, &r->failure, RECORD_ERROR_MAX);
	check_limit(r, &r->copied_from, 64);
	check_limit(r, &r->names[0].name, 4096);
	check_limit(r, &r->names[0].error_code, 64);
	check_limit(r, &r->names[0].error, RECORD_ERROR_MAX);
	check_limit(r, &r->names[0].evidence, RECORD_EVIDENCE_MAX);
	CHECK(!is_refused(r));
}

static void the_largest_order_reads_back(void)
{
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT, again = BUF_INIT;
	memset(long_text, 'a', sizeof(long_text));
	struct record_order *r = fixture_order("o1", ORDER_PENDING_APPROVAL, serial());
	r->name_count = RECORD_NAMES_MAX;
	for (size_t i = 0; i < r->name_count; i++) {
		r->names[i] = r->names[1];
		r->names[i].name = BYTES(long_text, 4096 - i);
		r->names[i].evidence = BYTES(long_text, RECORD_EVIDENCE_MAX);
	}
	r->approval_count = RECORD_APPROVALS_MAX;
	r->contact_count = RECORD_CONTACTS_MAX;
	r->not_copied_count = RECORD_NOT_COPIED_MAX;
	for (size_t i = 1; i < r->not_copied_count; i++) {
		r->not_copied[i] = r->not_copied[0];
		if (i < r->contact_count)
			r->contacts[i] = r->contacts[0];
		if (i < r->approval_count)
			r->approvals[i] = r->approvals[0];
	}
	record_order_encode(r, &out);
	CHECK(!out.failed && out.len < STORE_VALUE_MAX);
	CHECK_OK(recode_order(buf_bytes(&out), &again, &err) == 0, &err);
	CHECK(bytes_equal(buf_bytes(&out), buf_bytes(&again)));
}

static void refuses_more_of_each_than_a_record_has_room_for(void)
{
	fixture_order("o1", ORDER_DRAFT, no_serial)->name_count = RECORD_NAMES_MAX + 1;
	struct record_order *r = fixture_order("o1", ORDER_DRAFT, no_serial);
	CHECK(!is_refused(r));
	r->name_count = RECORD_NAMES_MAX + 1;
	CHECK(is_refused(r));
	fixture_order("o1", ORDER_DRAFT, no_serial)->not_copied_count = RECORD_NOT_COPIED_MAX + 1;
	CHECK(is_refused(r));
	fixture_order("o1", ORDER_DRAFT, no_serial)->contact_count = RECORD_CONTACTS_MAX + 1;
	CHECK(is_refused(r));
	fixture_order("o1", ORDER_READY, serial())->approval_count = RECORD_APPROVALS_MAX + 1;
	CHECK(is_refused(r));
}

/* The count of names in a written order, which is its last part. */
static void refuses_to_read_more_names_than_a_record_has_room_for(void)
{
	static struct record_order read;
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	struct record_order *r = fixture_order("o1", ORDER_DRAFT, no_serial);
	r->name_count = 0;
	record_order_encode(r, &out);
	REQUIRE(!out.failed && out.len > 2);
	out.len -= 2;
	buf_u16(&out, RECORD_NAMES_MAX + 1);
	CHECK_FAILS(record_order_decode(buf_bytes(&out), &read, &err) == -1, &err, ERR_INTEGRITY);
	CHECK_INT(read.name_count, 0); /* nobody runs past the list by it */
}

/* ---- rules ---- */

static void refuses_ids_and_names_that_statements_and_keys_cannot_have(void)
{
	struct record_order *r = fixture_order("", ORDER_DRAFT, no_serial);
	CHECK(is_refused(r));
	fixture_order("o@1", ORDER_DRAFT, no_serial);
	CHECK(is_refused(r));
	fixture_order("o 1", ORDER_DRAFT, no_serial);
	CHECK(is_refused(r));
	fixture_order("o1", ORDER_DRAFT, no_serial)->requester = bytes_of("a:b:c");
	CHECK(is_refused(r));
	fixture_order("o1", ORDER_DRAFT, no_serial)->profile = BYTES_NONE;
	CHECK(is_refused(r));
	fixture_order("o1", ORDER_DRAFT, no_serial)->spki = BYTES_NONE;
	CHECK(is_refused(r));
	fixture_order("o1", ORDER_DRAFT, no_serial)->contacts[0].role = bytes_of("legal");
	CHECK(is_refused(r));
	fixture_order("o1", ORDER_DRAFT, no_serial)->created_ms = -1;
	CHECK(is_refused(r));
	fixture_order("o1", ORDER_DRAFT, no_serial)->due_ms = -1;
	CHECK(is_refused(r));
	fixture_order("o1", ORDER_DRAFT, no_serial)->organization_version = 0;
	CHECK(is_refused(r));
	fixture_order("o1", ORDER_DRAFT, no_serial)->organization = BYTES_NONE;
	CHECK(is_refused(r));
}

static void a_valid_name_was_shown_in_one_way(void)
{
	struct record_order *r = fixture_order("o1", ORDER_PENDING_VALIDATION, no_serial);
	CHECK(!is_refused(r));
	r->names[1].methods = METHOD_DNS_TXT | METHOD_MAIL;
	CHECK(is_refused(r));
	r->names[1].methods = 0;
	CHECK(is_refused(r));
	r->names[1].methods = METHOD_MAIL;
	CHECK(!is_refused(r));
	r->names[0].methods = 1 << RECORD_METHODS;
	CHECK(is_refused(r));
	fixture_order("o1", ORDER_PENDING_VALIDATION, no_serial)->names[0].status =
		(enum record_authorization_status)(AUTHORIZATION_VALID + 1);
	CHECK(is_refused(r));
	fixture_order("o1", ORDER_PENDING_VALIDATION, no_serial)->names[0].name = BYTES_NONE;
	CHECK(is_refused(r));
}

static void an_approval_has_officer_reason_time_and_statement(void)
{
	struct record_order *r = fixture_order("o1", ORDER_READY, serial());
	CHECK(!is_refused(r));
	r->approvals[0].reason = BYTES_NONE;
	CHECK(is_refused(r));
	fixture_order("o1", ORDER_READY, serial())->approvals[0].officer = BYTES_NONE;
	CHECK(is_refused(r));
	fixture_order("o1", ORDER_READY, serial())->approvals[0].time_s = 0;
	CHECK(is_refused(r));
	memset(fixture_order("o1", ORDER_READY, serial())->approvals[0].statement, 0, 32);
	CHECK(is_refused(r));
}

static void no_serial_without_its_bytes_and_no_bytes_without_their_serial(void)
{
	static const enum record_order_status all[] = { ORDER_PENDING_VALIDATION,
							ORDER_PENDING_APPROVAL,
							ORDER_READY,
							ORDER_ISSUING,
							ORDER_DENIED,
							ORDER_EXPIRED };
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct record_order *r = fixture_order("o1", all[i], serial());
		CHECK(!is_refused(r));
		r->tbs = BYTES_NONE;
		CHECK(is_refused(r));
		r->tbs = bytes_of("0-tbs");
		r->serial = BYTES_NONE; /* what was to be signed may stay, for the record, when all is over */
		CHECK(is_refused(r) == !record_order_is_over(all[i]));
		r->tbs = BYTES_NONE;
		CHECK(is_refused(r) == !record_order_is_over(all[i])); /* an approval is of bytes */
		r->approval_count = 0;
		CHECK(is_refused(r) == (all[i] == ORDER_ISSUING));
	}
	CHECK(is_refused(fixture_order("o1", ORDER_DRAFT, serial())));
	CHECK(is_refused(fixture_order("o1", (enum record_order_status)0, no_serial)));
	CHECK(is_refused(fixture_order("o1", (enum record_order_status)(ORDER_FAILED + 1), no_serial)));
}

static void an_order_has_a_certificate_when_it_is_issued_and_never_else(void)
{
	struct record_order *r = fixture_order("o1", ORDER_ISSUED, serial());
	CHECK(!is_refused(r));
	r->certificate = bytes_of("\1\2\4");
	CHECK(is_refused(r));
	r->serial = BYTES_NONE;
	CHECK(!is_refused(r));
	r->issuer = BYTES_NONE;
	CHECK(is_refused(r));
	fixture_order("o1", ORDER_ISSUED, serial())->certificate = BYTES_NONE;
	CHECK(is_refused(r));
	for (int status = ORDER_DRAFT; status <= ORDER_FAILED; status++) {
		if (status == ORDER_ISSUED)
			continue;
		fixture_order("o1", (enum record_order_status)status, status == ORDER_DRAFT ? no_serial : serial())
			->certificate = serial();
		CHECK(is_refused(r));
	}
}

/* ---- names of states and methods ---- */

static void states_and_methods_have_the_names_of_the_contract(void)
{
	struct error err = ERR_INIT;
	enum record_order_status status;
	enum record_method method;
	size_t over = 0;
	for (int i = ORDER_DRAFT; i <= ORDER_FAILED; i++) {
		const char *name = record_order_status_name((enum record_order_status)i);
		REQUIRE(name != NULL);
		CHECK_OK(record_order_status_parse(bytes_of(name), &status, &err) == 0, &err);
		CHECK_INT(status, i);
		over += record_order_is_over(status);
	}
	CHECK_INT(over, 5);
	CHECK(!record_order_is_over(ORDER_ISSUING) && record_order_is_over(ORDER_ISSUED));
	CHECK_TEXT(record_order_status_name(ORDER_PENDING_APPROVAL), "pending-approval");
	CHECK(!record_order_status_name((enum record_order_status)0));
	CHECK(!record_order_status_name((enum record_order_status)(ORDER_FAILED + 1)));
	CHECK_FAILS(record_order_status_parse(bytes_of("Issued"), &status, &err) == -1, &err, ERR_BAD_REQUEST);
	CHECK_TEXT(err.member, "status");
	CHECK_TEXT(err.value, "Issued");
	CHECK_FAILS(record_order_status_parse(BYTES_NONE, &status, &err) == -1, &err, ERR_BAD_REQUEST);
	for (unsigned bit = 1; bit < 1U << RECORD_METHODS; bit <<= 1) {
		const char *name = record_method_name((enum record_method)bit);
		REQUIRE(name != NULL);
		CHECK_OK(record_method_parse(bytes_of(name), &method, &err) == 0, &err);
		CHECK_INT(method, bit);
	}
	CHECK_TEXT(record_method_name(METHOD_DNS_CNAME), "dns-cname");
	CHECK(!record_method_name((enum record_method)3) && !record_method_name((enum record_method)32));
	CHECK_FAILS(record_method_parse(BYTES(long_text, sizeof(long_text)), &method, &err) == -1, &err,
		    ERR_BAD_REQUEST);
	CHECK_TEXT(err.member, "method");
}

SUITE(record_order)
{
	TEST(an_order_reads_back_and_nothing_else_does);
	TEST(texts_are_as_long_as_the_header_says_and_no_longer);
	TEST(the_largest_order_reads_back);
	TEST(refuses_more_of_each_than_a_record_has_room_for);
	TEST(refuses_to_read_more_names_than_a_record_has_room_for);
	TEST(refuses_ids_and_names_that_statements_and_keys_cannot_have);
	TEST(a_valid_name_was_shown_in_one_way);
	TEST(an_approval_has_officer_reason_time_and_statement);
	TEST(no_serial_without_its_bytes_and_no_bytes_without_their_serial);
	TEST(an_order_has_a_certificate_when_it_is_issued_and_never_else);
	TEST(states_and_methods_have_the_names_of_the_contract);
}
