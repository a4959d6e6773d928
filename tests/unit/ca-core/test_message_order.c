#include "ca-core/message_order.h"

#include "tests/unit/ca-core/codec.h"

CODEC(order_create)
CODEC(order_act)
CODEC(decide)
CODEC(order_get)
CODEC(order)
CODEC(order_list)
CODEC(orders)

static void asking_reads_back_and_refuses_every_truncation(void)
{
	ROUND_TRIP(order_create, .session = 9, .id = TEXT("o-1"), .draft = true, .change_csr = true,
		   .profile = TEXT("server-ov"), .organization = TEXT("example"), .days = 30,
		   .common_name = TEXT("a.test"), .name_count = 2,
		   .names = { TEXT("dns:a.test"), TEXT("ip:192.0.2.1") }, .spki = TEXT("spki"), .csr_hash = { 1, 2, 3 },
		   .asked_subject = TEXT("O=Else,CN=a.test"), .not_copied_count = 1,
		   .not_copied = { TEXT("subject O=Else") }, .contact_count = 2,
		   .contacts = { { TEXT("technical"), TEXT("t@a.test") },
				 { TEXT("administrative"), TEXT("a@a.test") } });
	ROUND_TRIP(order_create, .session = 9, .profile = TEXT("client"));
	ROUND_TRIP(order_get, .session = 1, .id = TEXT("o-1"));
	ROUND_TRIP(order_list, .session = 1, .status = TEXT("draft"), .mine = true, .cursor = TEXT("00ff"),
		   .limit = MESSAGE_ROWS_MAX);
}

static void acting_and_deciding_read_back_and_refuse_every_truncation(void)
{
	for (int action = ORDER_ACT_SUBMIT; action <= ORDER_ACT_CONFIRM; action++)
		ROUND_TRIP(order_act, .session = 1, .id = TEXT("o-1"), .action = (uint8_t)action,
			   .name = TEXT("dns:a.test"), .code = TEXT("abcdefghijklmnopqrstuvwxyz"));
	ROUND_TRIP(decide, .session = 1, .id = TEXT("o-1"), .statement = TEXT("chancery-statement-v1\n"),
		   .certificate = TEXT("der"), .signature = TEXT("sig"));
}

static void an_order_reads_back_and_refuses_every_truncation(void)
{
	ROUND_TRIP(order, .id = TEXT("o-1"), .status = TEXT("pending-approval"), .profile = TEXT("server-ev"),
		   .requester = TEXT("alice"), .organization = TEXT("example"), .days = 90, .nonce = { 7 },
		   .created_s = 1, .expires_s = 2, .waits_for = TEXT("one more officer"),
		   .asked_subject = TEXT("CN=a.test"), .subject = TEXT("O=Example,C=DE"), .spki_hash = { 8 },
		   .name_count = 1, .names = { TEXT("dns:a.test") }, .not_copied_count = 1,
		   .not_copied = { TEXT("subject OU") }, .contact_count = 1,
		   .contacts = { { TEXT("technical"), TEXT("t@a.test") } }, .authorization_count = 2,
		   .authorizations = { { .name = TEXT("dns:a.test"),
					 .status = TEXT("pending"),
					 .expires_s = 3,
					 .method_count = 2,
					 .methods = { { TEXT("dns-txt"), TEXT("_x.a.test"), TEXT("value") },
						      { TEXT("mail"), TEXT("admin@a.test,b@a.test"), TEXT("") } },
					 .checked_s = 4,
					 .error_code = TEXT("nxdomain"),
					 .error = TEXT("no such name") },
				       { .name = TEXT("dns:b.test"), .status = TEXT("valid"), .method_count = 0 } },
		   .approvals_needed = 2, .approval_count = 1,
		   .approvals = { { TEXT("olivia"), TEXT("approve"), TEXT("seen"), 5 } }, .has_tbs = true,
		   .tbs_hash = { 9 }, .approve_before_s = 6, .issuer = TEXT("issuing-1"),
		   .certificate = TEXT("\x01\x02"), .failure_code = TEXT("caa-forbids"), .failure = TEXT("why"));
	ROUND_TRIP(orders, .count = 2,
		   .rows = { { .id = TEXT("o-2"),
			       .status = TEXT("ready"),
			       .profile = TEXT("p"),
			       .requester = TEXT("alice"),
			       .first_name = TEXT("dns:a.test"),
			       .name_count = 3,
			       .created_s = 1,
			       .expires_s = 2,
			       .waits_for = TEXT("nothing") },
			     { .id = TEXT("o-1") } },
		   .next = TEXT("00"));
}

static void an_action_that_there_is_not_is_refused(void)
{
	struct message_order_act m = { .session = 1, .id = TEXT("o-1"), .action = ORDER_ACT_SUBMIT };
	size_t at = 8 + 4 + m.id.len;
	check_octet_range(&m, write_order_act, read_order_act, at, ORDER_ACT_SUBMIT, ORDER_ACT_CONFIRM);
	auto_buf out = BUF_INIT;
	m.action = 0;
	message_order_act_write(&m, &out);
	CHECK(out.failed);
}

static void a_list_of_no_rows_or_too_many_is_refused(void)
{
	static const uint32_t limits[] = { 0, MESSAGE_ROWS_MAX + 1, UINT32_MAX };
	struct error err = ERR_INIT;
	for (size_t i = 0; i < 3; i++) {
		auto_buf out = BUF_INIT;
		struct message_order_list m = { .session = 1, .limit = limits[i] };
		message_order_list_write(&m, &out);
		CHECK_FAILS(message_order_list_read(buf_bytes(&out), &m, &err) == -1, &err, ERR_BAD_REQUEST);
	}
}

/* What a reader would refuse is not written. */
static void lists_past_their_limits_are_not_written(void)
{
	auto_free struct message_order *order = calloc(1, sizeof(*order));
	auto_free struct message_order_create *create = calloc(1, sizeof(*create));
	REQUIRE(order && create);
	uint32_t *const counts[] = { &order->name_count,     &order->not_copied_count,
				     &order->contact_count,  &order->authorization_count,
				     &order->approval_count, &order->authorizations[0].method_count };
	static const uint32_t limits[] = { MESSAGE_NAMES_MAX, MESSAGE_NOT_COPIED_MAX, MESSAGE_CONTACTS_MAX,
					   MESSAGE_NAMES_MAX, MESSAGE_APPROVALS_MAX,  MESSAGE_METHODS_MAX };
	for (size_t i = 0; i < 6; i++) {
		memset(order, 0, sizeof(*order));
		order->authorization_count = 1;
		for (uint32_t past = 0; past < 2; past++) {
			auto_buf out = BUF_INIT;
			*counts[i] = limits[i] + past;
			message_order_write(order, &out);
			CHECK_INT(out.failed, past);
		}
	}
	for (uint32_t past = 0; past < 2; past++) {
		auto_buf out = BUF_INIT;
		create->name_count = MESSAGE_NAMES_MAX + past;
		message_order_create_write(create, &out);
		CHECK_INT(out.failed, past);
	}
}

static void texts_past_their_limits_are_not_written(void)
{
	static const char long_text[MESSAGE_DECIDER_MAX + 1];
	struct message_decide m = { .session = 1 };
	struct bytes *const fields[] = { &m.id, &m.statement, &m.certificate, &m.signature };
	static const size_t limits[] = { 256, MESSAGE_STATEMENT_MAX, MESSAGE_DECIDER_MAX, MESSAGE_SIGNATURE_MAX };
	for (size_t i = 0; i < 4; i++) {
		for (size_t past = 0; past < 2; past++) {
			auto_buf out = BUF_INIT;
			*fields[i] = BYTES(long_text, limits[i] + past);
			message_decide_write(&m, &out);
			CHECK_INT(out.failed, past);
			struct message_decide back;
			struct error err = ERR_INIT;
			if (!past)
				CHECK_OK(message_decide_read(buf_bytes(&out), &back, &err) == 0, &err);
		}
		*fields[i] = BYTES_NONE;
	}
}

SUITE(message_order)
{
	TEST(asking_reads_back_and_refuses_every_truncation);
	TEST(acting_and_deciding_read_back_and_refuse_every_truncation);
	TEST(an_order_reads_back_and_refuses_every_truncation);
	TEST(an_action_that_there_is_not_is_refused);
	TEST(a_list_of_no_rows_or_too_many_is_refused);
	TEST(lists_past_their_limits_are_not_written);
	TEST(texts_past_their_limits_are_not_written);
}
