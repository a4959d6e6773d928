#include "ca-core/message.h"
#include "tests/unit/ca-core/codec.h"

CODEC(session_open)
CODEC(session)
CODEC(session_close)
CODEC(issue)
CODEC(issued)
CODEC(front_certificate)
CODEC(certificate_get)
CODEC(certificate)
CODEC(certificate_list)
CODEC(certificates)
CODEC(status_change)
CODEC(status_changed)
CODEC(audit_list)
CODEC(audit_entries)
CODEC(crl_now)
CODEC(crl_made)
CODEC(health)
CODEC(identity_add)
CODEC(identities)
CODEC(apitoken)
CODEC(apitokens)
CODEC(name)
CODEC(token_pin)
CODEC(block)
CODEC(import)
CODEC(imported)

static void sessions_read_back_and_refuse_every_truncation(void)
{
	ROUND_TRIP(session_open, .proof_type = MESSAGE_PROOF_TOKEN, .proof = TEXT("chy_x"), .peer = TEXT("[::1]:1"));
	ROUND_TRIP(session, .session = 7, .identity = TEXT("admin"), .roles = 15, .expires_s = 1800000000);
	ROUND_TRIP(session_close, .session = UINT64_MAX);
}

static void issuing_reads_back_and_refuses_every_truncation(void)
{
	ROUND_TRIP(issue, .session = 9, .profile = TEXT("server-dv"), .days = 30, .common_name = TEXT("a.test"),
		   .name_count = 2, .names = { TEXT("dns:a.test"), TEXT("ip:192.0.2.1") }, .spki = TEXT("spki"),
		   .csr_hash = { 1, 2, 3 }, .asked_subject = TEXT("O=Example"), .not_copied_count = 1,
		   .not_copied = { TEXT("subject O=Example") }, .idempotency_key = TEXT("once"), .deadline_ms = -5,
		   .dry_run = true);
	ROUND_TRIP(issued, .issuer = TEXT("issuing-1"), .serial = TEXT("\x01\x02"), .certificate = TEXT("der"),
		   .again = true);
	ROUND_TRIP(front_certificate, .spki = TEXT("spki"));
}

static void the_inventory_reads_back_and_refuses_every_truncation(void)
{
	ROUND_TRIP(certificate_get, .session = 1, .serial = TEXT("\x01"));
	ROUND_TRIP(certificate, .issuer = TEXT("i"), .serial = TEXT("s"), .profile = TEXT("p"), .requester = TEXT("r"),
		   .subject = TEXT("CN=x"), .order = TEXT(""), .not_before_s = 1, .not_after_s = 2, .issued_ms = 3,
		   .revoked_ms = 4, .invalidity_s = 5, .status = 2, .reason = 1, .no_revocation = true, .name_count = 1,
		   .names = { TEXT("dns:x") }, .certificate = TEXT("der"));
	ROUND_TRIP(certificate_list, .session = 1, .name = TEXT(".example.test"), .profile = TEXT("p"),
		   .issuer = TEXT("i"), .status = 1, .expiring_before_s = 9, .cursor = TEXT("00"), .limit = 500);
	ROUND_TRIP(certificates, .count = 2, .rows = { TEXT("one"), TEXT("two") }, .next = TEXT("ff"));
	ROUND_TRIP(status_change, .session = 1, .serial = TEXT("s"), .action = MESSAGE_REVOKE, .reason = 1,
		   .invalidity_s = 3, .same_key_too = true);
	ROUND_TRIP(status_changed, .crl_url = TEXT("http://x/crl/i.crl"), .crl_from_s = 3, .crl_number = 4,
		   .same_key_count = 1, .same_key = { TEXT("s") });
}

static void what_admins_ask_reads_back_and_refuses_every_truncation(void)
{
	ROUND_TRIP(audit_list, .session = 1, .after = 2, .limit = 3);
	ROUND_TRIP(audit_entries, .count = 1, .rows = { { 1, { 2 }, TEXT("{}") } }, .more = true);
	ROUND_TRIP(crl_now, .session = 0, .issuer = TEXT("root-1"));
	ROUND_TRIP(crl_made, .number = 1, .entries = 2, .this_update_s = 3, .next_update_s = 4);
	ROUND_TRIP(health, .ready = true, .tokens = { { TEXT("issuing"), TEXT("down"), TEXT("gone"), 9, 5 } },
		   .token_count = 1, .store_state = TEXT("ok"), .certificates = 6, .warnings = { TEXT("w") },
		   .warning_count = 1, .counters = { { TEXT("c"), 7 } }, .counter_count = 1);
	ROUND_TRIP(import, .title = TEXT("The first root"), .count = 2,
		   .items = { { MESSAGE_IMPORT_MADE, TEXT("root-1"), TEXT("der") },
			      { MESSAGE_IMPORT_LIST, TEXT("root-1-crl"), TEXT("list") } });
	ROUND_TRIP(imported, .count = 1, .rows = { { MESSAGE_IMPORTED_LEFT, TEXT(""), TEXT("no issuer's") } });
	ROUND_TRIP(token_pin, .name = TEXT("issuing"), .pin = TEXT("1234"));
	ROUND_TRIP(identity_add, .name = TEXT("alice"), .roles = 1, .profile = TEXT("client"), .days = 9,
		   .spki = TEXT("spki"), .force = true);
	ROUND_TRIP(identities, .count = 1,
		   .rows = { { .name = TEXT("alice"), .roles = 1, .serial_count = 1, .serials = { TEXT("s") } } });
	ROUND_TRIP(apitoken, .id = TEXT("ci"), .identity = TEXT("alice"), .profiles = TEXT("server-dv"), .hash = { 1 },
		   .may_request = true, .created_ms = 1, .expires_s = 2);
	ROUND_TRIP(apitokens, .count = 1, .rows = { { .id = TEXT("ci"), .removed = true } });
	ROUND_TRIP(name, .name = TEXT("alice"));
	ROUND_TRIP(block, .spki_hash = { 1 }, .note = TEXT("Debian weak key"));
}

static void an_error_crosses_without_its_causes(void)
{
	struct error sent = ERR_INIT, peer, err = ERR_INIT;
	auto_buf out = BUF_INIT;
	(void)err_set(&sent, ERR_IO, "inner");
	(void)err_wrap(&sent, ERR_BAD_NAME, "outer");
	(void)err_about(&sent, "names", "a..b", "LDH");
	message_error_write(&sent, &out);
	CHECK_OK(message_error_read(buf_bytes(&out), &peer, &err) == 0, &err);
	CHECK_INT(peer.code, ERR_BAD_NAME);
	CHECK_TEXT(peer.message, "outer");
	CHECK_TEXT(peer.member, "names");
	CHECK_TEXT(peer.value, "a..b");
	CHECK_TEXT(peer.allowed, "LDH");
	CHECK_TEXT(peer.causes, "");
	for (size_t len = 0; len < out.len; len++)
		CHECK_FAILS(message_error_read(BYTES(out.data, len), &peer, &err) == -1, &err, ERR_BAD_REQUEST);
}

static void refuses_an_error_code_that_is_never_sent(void)
{
	struct error sent = ERR_INIT, peer, err = ERR_INIT;
	auto_buf out = BUF_INIT;
	(void)err_set(&sent, ERR_BUSY, "x");
	message_error_write(&sent, &out);
	out.data[0] = 0xff;
	CHECK_FAILS(message_error_read(buf_bytes(&out), &peer, &err) == -1, &err, ERR_BAD_REQUEST);
	out.data[0] = 0;
	out.data[1] = ERR_SIGNATURE_UNCERTAIN; /* is never sent */
	CHECK_FAILS(message_error_read(buf_bytes(&out), &peer, &err) == -1, &err, ERR_BAD_REQUEST);
	out.data[1] = ERR_NONE; /* is no error */
	CHECK_FAILS(message_error_read(buf_bytes(&out), &peer, &err) == -1, &err, ERR_BAD_REQUEST);
}

static void refuses_what_is_out_of_its_limits(void)
{
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	auto_free struct message_issue *issue = calloc(1, sizeof(*issue));
	static const uint8_t long_serial[21];
	REQUIRE(issue != NULL);
	buf_u64(&out, 1);
	buf_field(&out, TEXT("p"));
	buf_u32(&out, 0);
	buf_field(&out, TEXT(""));
	buf_u32(&out, MESSAGE_NAMES_MAX + 1);
	CHECK_FAILS(message_issue_read(buf_bytes(&out), issue, &err) == -1, &err, ERR_BAD_REQUEST);

	struct message_certificate_get get = { 1, BYTES(long_serial, sizeof(long_serial)) };
	buf_clear(&out);
	message_certificate_get_write(&get, &out);
	CHECK(out.failed);
}

static void refuses_a_boolean_that_is_neither(void)
{
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	struct message_issued m = { TEXT("i"), TEXT("s"), TEXT("c"), true };
	message_issued_write(&m, &out);
	out.data[out.len - 1] = 2;
	CHECK_FAILS(message_issued_read(buf_bytes(&out), &m, &err) == -1, &err, ERR_BAD_REQUEST);
}

static void refuses_kinds_and_sizes_that_mean_nothing(void)
{
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	struct message_session_open open = { 3, TEXT("x"), TEXT("y") };
	message_session_open_write(&open, &out);
	CHECK_FAILS(message_session_open_read(buf_bytes(&out), &open, &err) == -1, &err, ERR_BAD_REQUEST);

	struct message_status_change change = { .session = 1, .serial = TEXT("s"), .action = 4 };
	buf_clear(&out);
	message_status_change_write(&change, &out);
	CHECK_FAILS(message_status_change_read(buf_bytes(&out), &change, &err) == -1, &err, ERR_BAD_REQUEST);

	struct message_audit_list list = { .session = 1, .limit = MESSAGE_ROWS_MAX + 1 };
	buf_clear(&out);
	message_audit_list_write(&list, &out);
	CHECK_FAILS(message_audit_list_read(buf_bytes(&out), &list, &err) == -1, &err, ERR_BAD_REQUEST);
}

static void every_message_has_a_name(void)
{
	for (int type = MSG_SESSION_OPEN; type <= MSG_SESSIONS_DROP; type++)
		CHECK(strcmp(message_type_name((uint16_t)type), "unknown") != 0);
	for (int type = MSG_IDENTITY_ADD; type <= MSG_RESTORE_CONFIRM; type++)
		CHECK(strcmp(message_type_name((uint16_t)type), "unknown") != 0);
	for (int type = MSG_VALIDATE; type <= MSG_DELIVERED; type++)
		CHECK(strcmp(message_type_name((uint16_t)type), "unknown") != 0);
	CHECK_TEXT(message_type_name(9999), "unknown");
}

SUITE(message)
{
	TEST(sessions_read_back_and_refuse_every_truncation);
	TEST(issuing_reads_back_and_refuses_every_truncation);
	TEST(the_inventory_reads_back_and_refuses_every_truncation);
	TEST(what_admins_ask_reads_back_and_refuses_every_truncation);
	TEST(an_error_crosses_without_its_causes);
	TEST(refuses_an_error_code_that_is_never_sent);
	TEST(refuses_what_is_out_of_its_limits);
	TEST(refuses_a_boolean_that_is_neither);
	TEST(refuses_kinds_and_sizes_that_mean_nothing);
	TEST(every_message_has_a_name);
}
