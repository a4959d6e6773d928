#include "store/record.h"
#include "tests/unit/store/fixture.h"

/* One of each kind, filled in; decode(encode(x)) must give it back. */
static struct record_certificate certificate; /* large */

static struct record_certificate *example_certificate(void)
{
	certificate = (struct record_certificate){
		.issuer = bytes_of("issuing-1"),
		.serial = bytes_of("\x01\x02\x03"),
		.der = bytes_of("0-certificate"),
		.profile = bytes_of("server-dv"),
		.requester = bytes_of("apitoken:t1"),
		.subject = bytes_of("CN=www.example.test"),
		.order = bytes_of("order-7"),
		.spki_hash = { 1, 2, 3 },
		.issued_ms = 1795262400123,
		.not_before_s = 1795262400,
		.not_after_s = 1803038399,
		.no_revocation = true,
		.status = RECORD_REVOKED,
		.reason = REASON_KEY_COMPROMISE,
		.revoked_ms = 1795262500000,
		.invalidity_s = 1795262000,
		.name_count = 2,
	};
	certificate.names[0] = bytes_of("dns:www.example.test");
	certificate.names[1] = bytes_of("ip:192.0.2.1");
	return &certificate;
}

#define RECODER(kind)                                                                 \
	static int recode_##kind(struct bytes in, struct buf *out, struct error *err) \
	{                                                                             \
		static struct record_##kind r;                                        \
		if (record_##kind##_decode(in, &r, err))                              \
			return -1;                                                    \
		record_##kind##_encode(&r, out);                                      \
		return 0;                                                             \
	}
RECODER(certificate)
RECODER(identity)
RECODER(apitoken)
RECODER(request)
RECODER(crl)
RECODER(blocked)
RECODER(unfinished)
RECODER(head)

static void certificate_reads_back_and_nothing_else_does(void)
{
	static struct record_certificate r;
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	record_certificate_encode(example_certificate(), &out);
	CHECK_OK(record_certificate_decode(buf_bytes(&out), &r, &err) == 0, &err);
	CHECK_BYTES(r.issuer, certificate.issuer);
	CHECK_BYTES(r.serial, certificate.serial);
	CHECK_BYTES(r.der, certificate.der);
	CHECK_BYTES(r.profile, certificate.profile);
	CHECK_BYTES(r.requester, certificate.requester);
	CHECK_BYTES(r.subject, certificate.subject);
	CHECK_BYTES(r.order, certificate.order);
	CHECK_BYTES(BYTES(r.spki_hash, 32), BYTES(certificate.spki_hash, 32));
	CHECK_INT(r.issued_ms, certificate.issued_ms);
	CHECK_INT(r.not_before_s, certificate.not_before_s);
	CHECK_INT(r.not_after_s, certificate.not_after_s);
	CHECK(r.no_revocation);
	CHECK_INT(r.status, RECORD_REVOKED);
	CHECK_INT(r.reason, REASON_KEY_COMPROMISE);
	CHECK_INT(r.revoked_ms, certificate.revoked_ms);
	CHECK_INT(r.invalidity_s, certificate.invalidity_s);
	CHECK_INT(r.name_count, 2);
	CHECK_BYTES(r.names[1], certificate.names[1]);
	fixture_check_strict(&out, recode_certificate);
}

static void identity_reads_back_and_nothing_else_does(void)
{
	const struct record_identity r = { .name = bytes_of("ann@example.test"),
					   .roles = ROLE_OFFICER | ROLE_ADMIN,
					   .removed = true,
					   .created_ms = 5,
					   .changed_ms = 6,
					   .fingerprint_count = 2,
					   .fingerprints = { { 1 }, { 2 } } };
	struct record_identity read;
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	record_identity_encode(&r, &out);
	CHECK_OK(record_identity_decode(buf_bytes(&out), &read, &err) == 0, &err);
	CHECK_BYTES(read.name, r.name);
	CHECK_INT(read.roles, r.roles);
	CHECK(read.removed);
	CHECK_INT(read.created_ms, 5);
	CHECK_INT(read.changed_ms, 6);
	CHECK_INT(read.fingerprint_count, 2);
	CHECK_INT(read.fingerprints[1][0], 2);
	fixture_check_strict(&out, recode_identity);
}

static void apitoken_reads_back_and_nothing_else_does(void)
{
	const struct record_apitoken r = { .id = bytes_of("t1"),
					   .identity = bytes_of("ann"),
					   .may_request = true,
					   .profiles = bytes_of("server-dv,client"),
					   .created_ms = 7,
					   .expires_s = 8 };
	struct record_apitoken read;
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	record_apitoken_encode(&r, &out);
	CHECK_OK(record_apitoken_decode(buf_bytes(&out), &read, &err) == 0, &err);
	CHECK_BYTES(read.id, r.id);
	CHECK_BYTES(read.identity, r.identity);
	CHECK(read.may_request && !read.may_read && !read.removed);
	CHECK_BYTES(read.profiles, r.profiles);
	CHECK_INT(read.created_ms, 7);
	CHECK_INT(read.expires_s, 8);
	fixture_check_strict(&out, recode_apitoken);
}

static void request_reads_back_and_nothing_else_does(void)
{
	const struct record_request r = {
		.fingerprint = { 9 }, .issuer = bytes_of("issuing-1"), .serial = bytes_of("\x01"), .expires_s = 10
	};
	struct record_request read;
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	record_request_encode(&r, &out);
	CHECK_OK(record_request_decode(buf_bytes(&out), &read, &err) == 0, &err);
	CHECK_INT(read.fingerprint[0], 9);
	CHECK_BYTES(read.issuer, r.issuer);
	CHECK_BYTES(read.serial, r.serial);
	CHECK_INT(read.expires_s, 10);
	fixture_check_strict(&out, recode_request);
}

static void a_request_led_to_a_certificate_or_to_an_order(void)
{
	struct record_request r = { .order = bytes_of("2al3hffej2kvpptncdetmvodzc"), .expires_s = 10 }, read;
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	record_request_encode(&r, &out);
	CHECK_OK(record_request_decode(buf_bytes(&out), &read, &err) == 0, &err);
	CHECK_BYTES(read.order, r.order);
	CHECK_INT(read.issuer.len + read.serial.len, 0);
	fixture_check_strict(&out, recode_request);
	for (int i = 0; i < 3; i++) {
		auto_buf wrong = BUF_INIT;
		r = (struct record_request){ .expires_s = 10 };
		r.issuer = i == 0 ? bytes_of("issuing-1") : BYTES_NONE;
		r.serial = i < 2 ? bytes_of("\x01") : BYTES_NONE;
		r.order = i == 0 ? bytes_of("both") : BYTES_NONE;
		record_request_encode(&r, &wrong);
		CHECK(wrong.failed);
	}
}

static void crl_reads_back_and_nothing_else_does(void)
{
	const struct record_crl r = { .issuer = bytes_of("root"),
				      .der = bytes_of("0-crl"),
				      .number = UINT64_MAX,
				      .this_update_s = 1,
				      .next_update_s = 2,
				      .entries = 3 };
	struct record_crl read;
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	record_crl_encode(&r, &out);
	CHECK_OK(record_crl_decode(buf_bytes(&out), &read, &err) == 0, &err);
	CHECK_BYTES(read.issuer, r.issuer);
	CHECK_BYTES(read.der, r.der);
	CHECK(read.number == UINT64_MAX);
	CHECK_INT(read.this_update_s, 1);
	CHECK_INT(read.next_update_s, 2);
	CHECK_INT(read.entries, 3);
	fixture_check_strict(&out, recode_crl);
}

static void blocked_reads_back_and_nothing_else_does(void)
{
	const struct record_blocked r = {
		.reason = REASON_KEY_COMPROMISE, .own = true, .since_ms = 11, .note = bytes_of("seen in a repository")
	};
	struct record_blocked read;
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	record_blocked_encode(&r, &out);
	CHECK_OK(record_blocked_decode(buf_bytes(&out), &read, &err) == 0, &err);
	CHECK_INT(read.reason, REASON_KEY_COMPROMISE);
	CHECK(read.own);
	CHECK_INT(read.since_ms, 11);
	CHECK_BYTES(read.note, r.note);
	fixture_check_strict(&out, recode_blocked);
}

static void unfinished_reads_back_and_nothing_else_does(void)
{
	const struct record_unfinished r = { .issuer = bytes_of("issuing-1"), .found_ms = 12, .revoked_ms = 13 };
	struct record_unfinished read;
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	record_unfinished_encode(&r, &out);
	CHECK_OK(record_unfinished_decode(buf_bytes(&out), &read, &err) == 0, &err);
	CHECK_BYTES(read.issuer, r.issuer);
	CHECK_INT(read.found_ms, 12);
	CHECK_INT(read.revoked_ms, 13);
	CHECK(!read.void_);
	fixture_check_strict(&out, recode_unfinished);
}

static void head_reads_back_and_nothing_else_does(void)
{
	const struct record_head r = { .sequence = 14,
				       .hash = { 15 },
				       .time_ms = 16,
				       .text = bytes_of("chancery-head-v1\n"),
				       .signature = bytes_of("signature") };
	struct record_head read;
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	record_head_encode(&r, &out);
	CHECK_OK(record_head_decode(buf_bytes(&out), &read, &err) == 0, &err);
	CHECK_INT(read.sequence, 14);
	CHECK_INT(read.hash[0], 15);
	CHECK_INT(read.time_ms, 16);
	CHECK_BYTES(read.text, r.text);
	CHECK_BYTES(read.signature, r.signature);
	fixture_check_strict(&out, recode_head);
}

static bool is_refused(const struct record_certificate *r)
{
	auto_buf out = BUF_INIT;
	record_certificate_encode(r, &out);
	return out.failed;
}

static void refuses_to_write_a_certificate_that_breaks_a_rule(void)
{
	CHECK(!is_refused(example_certificate()));
	example_certificate()->issuer = bytes_of("two words");
	CHECK(is_refused(&certificate));
	example_certificate()->issuer = BYTES_NONE;
	CHECK(is_refused(&certificate));
	example_certificate()->serial = bytes_of("123456789012345678901");
	CHECK(is_refused(&certificate));
	example_certificate()->requester = bytes_of("a:b:c");
	CHECK(is_refused(&certificate));
	example_certificate()->requester = BYTES("a\0b", 3);
	CHECK(is_refused(&certificate));
	example_certificate()->der = BYTES_NONE;
	CHECK(is_refused(&certificate));
	example_certificate()->not_after_s = -1;
	CHECK(is_refused(&certificate));
	example_certificate()->name_count = RECORD_NAMES_MAX + 1;
	CHECK(is_refused(&certificate));
	example_certificate()->names[0] = BYTES_NONE;
	CHECK(is_refused(&certificate));
}

static void refuses_a_status_that_its_reason_and_time_contradict(void)
{
	example_certificate()->status = RECORD_VALID;
	CHECK(is_refused(&certificate));
	example_certificate()->status = RECORD_HELD;
	CHECK(is_refused(&certificate));
	certificate.reason = REASON_CERTIFICATE_HOLD;
	CHECK(!is_refused(&certificate));
	certificate.status = RECORD_REVOKED;
	CHECK(is_refused(&certificate));
	example_certificate()->revoked_ms = 0;
	CHECK(is_refused(&certificate));
	example_certificate()->reason = (enum record_reason)7;
	CHECK(is_refused(&certificate));
}

static void a_void_serial_cannot_be_revoked(void)
{
	const struct record_unfinished r = { .found_ms = 1, .revoked_ms = 2, .void_ = true };
	auto_buf out = BUF_INIT;
	record_unfinished_encode(&r, &out);
	CHECK(out.failed);
}

static void reasons_have_the_names_of_rfc_5280(void)
{
	struct error err = ERR_INIT;
	enum record_reason reason;
	size_t names = 0;
	for (int i = 0; i < 16; i++) {
		const char *name = record_reason_name((enum record_reason)i);
		if (!name)
			continue;
		names++;
		CHECK_OK(record_reason_parse(bytes_of(name), &reason, &err) == 0, &err);
		CHECK_INT(reason, i);
	}
	CHECK_INT(names, 9);
	CHECK_TEXT(record_reason_name(REASON_KEY_COMPROMISE), "keyCompromise");
	CHECK(!record_reason_name((enum record_reason)7)); /* unused in RFC 5280 */
	CHECK_FAILS(record_reason_parse(bytes_of("keycompromise"), &reason, &err) == -1, &err, ERR_BAD_REQUEST);
	CHECK_TEXT(err.value, "keycompromise");
	CHECK_FAILS(record_reason_parse(BYTES_NONE, &reason, &err) == -1, &err, ERR_BAD_REQUEST);
}

SUITE(record)
{
	TEST(certificate_reads_back_and_nothing_else_does);
	TEST(identity_reads_back_and_nothing_else_does);
	TEST(apitoken_reads_back_and_nothing_else_does);
	TEST(request_reads_back_and_nothing_else_does);
	TEST(a_request_led_to_a_certificate_or_to_an_order);
	TEST(crl_reads_back_and_nothing_else_does);
	TEST(blocked_reads_back_and_nothing_else_does);
	TEST(unfinished_reads_back_and_nothing_else_does);
	TEST(head_reads_back_and_nothing_else_does);
	TEST(refuses_to_write_a_certificate_that_breaks_a_rule);
	TEST(refuses_a_status_that_its_reason_and_time_contradict);
	TEST(a_void_serial_cannot_be_revoked);
	TEST(reasons_have_the_names_of_rfc_5280);
}
