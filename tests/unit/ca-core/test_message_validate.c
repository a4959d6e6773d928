#include "ca-core/message_order.h"
#include "tests/unit/ca-core/codec.h"

CODEC(validate)
CODEC(validated)
CODEC(deliver)
CODEC(delivered)

#define VALUE TEXT("ose4ko342s6akomxi37l7jfhv7bxfweq3tp7jvzngxamtp2l5jaq")
#define TRIED (MESSAGE_DNS_TXT | MESSAGE_DNS_CNAME | MESSAGE_HTTP)

static void validation_reads_back_and_refuses_every_truncation(void)
{
	ROUND_TRIP(validate, .name = TEXT("dns:*.a.test"), .methods = TRIED, .parents = true, .value = VALUE,
		   .caa = true, .caa_identity = TEXT("pki.example"), .account = TEXT("https://pki.example/a/alice"));
	ROUND_TRIP(validate, .name = TEXT("dns:a.test"), .caa = true);
	ROUND_TRIP(validated, .shown = MESSAGE_HTTP, .attempt_count = 2,
		   .attempts = { { MESSAGE_DNS_TXT, TEXT("nxdomain"), TEXT("no _x.a.test") },
				 { MESSAGE_HTTP, TEXT("ok"), TEXT("http://a.test/ said so") } },
		   .caa = 2, .caa_text = TEXT("0 issue \";\" at a.test"), .caa_methods = 31);
	ROUND_TRIP(validated, .shown = 0);
}

static void delivery_reads_back_and_refuses_every_truncation(void)
{
	ROUND_TRIP(deliver, .kind = 2, .to = TEXT("https://hooks.example/x"), .subject = TEXT("order.issued"),
		   .body = TEXT("{}"), .signature = TEXT("t=1,v1=00"), .id = TEXT("d-1"));
	ROUND_TRIP(delivered, .good = true, .text = TEXT("250 taken"));
	ROUND_TRIP(delivered, .final = true, .text = TEXT("550 no such user"));
}

/* Written or read: neither is there for what means nothing. */
static void check_refused_validate(const struct message_validate *m)
{
	auto_buf out = BUF_INIT;
	message_validate_write(m, &out);
	CHECK(out.failed);
}

static void a_method_and_its_value_belong_together(void)
{
	check_refused_validate(&(struct message_validate){ .name = TEXT("dns:a.test") });
	check_refused_validate(&(struct message_validate){ .name = TEXT("dns:a.test"), .methods = MESSAGE_HTTP });
	check_refused_validate(&(struct message_validate){
		.name = TEXT("dns:a.test"), .methods = MESSAGE_HTTP, .value = TEXT("short") });
	check_refused_validate(&(struct message_validate){ .name = TEXT("dns:a.test"), .caa = true, .value = VALUE });
	check_refused_validate(&(struct message_validate){ .name = TEXT("dns:a.test"), .methods = 1, .value = VALUE });
	check_refused_validate(&(struct message_validate){ .name = TEXT("dns:a.test"), .methods = 16, .value = VALUE });

	/* read: the same, from bytes that a writer would not have written */
	struct error err = ERR_INIT;
	struct message_validate m = { .name = TEXT("a"), .methods = MESSAGE_HTTP, .value = VALUE }, back;
	auto_buf out = BUF_INIT;
	message_validate_write(&m, &out);
	for (unsigned methods = 0; methods < 256; methods++) {
		out.data[5] = (uint8_t)methods;
		int rc = message_validate_read(buf_bytes(&out), &back, &err);
		CHECK((rc == 0) == (methods != 0 && (methods & ~(unsigned)TRIED) == 0));
	}
}

/* The signer stands on what is said to have shown a name: it has to be one method, and one that was tried. */
static void what_showed_a_name_was_tried(void)
{
	struct error err = ERR_INIT;
	struct message_validated m = { .shown = MESSAGE_HTTP,
				       .attempt_count = 1,
				       .attempts = { { MESSAGE_HTTP, TEXT("ok"), TEXT("x") } } },
				 back;
	auto_buf out = BUF_INIT;
	message_validated_write(&m, &out);
	REQUIRE(!out.failed);
	for (unsigned shown = 0; shown < 256; shown++) {
		out.data[0] = (uint8_t)shown;
		int rc = message_validated_read(buf_bytes(&out), &back, &err);
		CHECK((rc == 0) == (shown == 0 || shown == MESSAGE_HTTP));
	}
	out.data[0] = MESSAGE_HTTP;
	for (unsigned method = 0; method < 256; method++) {
		out.data[5] = (uint8_t)method;
		int rc = message_validated_read(buf_bytes(&out), &back, &err);
		CHECK((rc == 0) == (method == MESSAGE_HTTP));
	}
	static const uint8_t untried[] = { MESSAGE_DNS_TXT, MESSAGE_HTTP | MESSAGE_DNS_TXT, 1, 16 };
	for (size_t i = 0; i < sizeof(untried); i++) {
		auto_buf refused = BUF_INIT;
		m.shown = untried[i];
		message_validated_write(&m, &refused);
		CHECK(refused.failed);
	}
}

static void answers_that_mean_nothing_are_refused(void)
{
	struct message_validated m = { .shown = 0 };
	check_octet_range(&m, write_validated, read_validated, 5, 0, 3);
	check_octet_range(&m, write_validated, read_validated, 10, 0, 31);
	auto_buf out = BUF_INIT;
	m.attempt_count = MESSAGE_ATTEMPTS_MAX + 1;
	message_validated_write(&m, &out);
	CHECK(out.failed);
	struct message_deliver deliver = { .kind = 1 };
	check_octet_range(&deliver, write_deliver, read_deliver, 0, 1, 2);
}

SUITE(message_validate)
{
	TEST(validation_reads_back_and_refuses_every_truncation);
	TEST(delivery_reads_back_and_refuses_every_truncation);
	TEST(a_method_and_its_value_belong_together);
	TEST(what_showed_a_name_was_tried);
	TEST(answers_that_mean_nothing_are_refused);
}
