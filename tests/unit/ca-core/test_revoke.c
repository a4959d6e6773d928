#include "ca-core/revoke.h"

#include "base/ossl.h"
#include "ca-core/crl.h"
#include "ca-core/inventory.h"
#include "ca-core/oid.h"
#include "tests/unit/ca-core/fixture.h"

static int change(struct fixture *f, const struct ca_actor *actor, const struct store_serial *serial, uint8_t action,
		  uint8_t reason, struct message_status_changed *answer, struct buf *text, struct error *err)
{
	const struct message_status_change m = { .serial = BYTES(serial->octets, serial->len),
						 .action = action,
						 .reason = reason };
	buf_clear(text);
	if (ca_revoke(f->ca, actor, &m, text, err))
		return -1;
	CHECK_OK(message_status_changed_read(buf_bytes(text), answer, err) == 0, err);
	return 0;
}

/* Whether the issuer's list, made now, has the serial; reason gets what it
 * says. */
static bool on_list(struct fixture *f, const struct store_serial *serial, unsigned *reason)
{
	struct error err = ERR_INIT;
	const struct ca_actor self = ca_actor_self();
	struct ca_crl crl;
	struct ca_crl_entry entry;
	auto_buf der = BUF_INIT;
	CHECK_OK(ca_crl_make(f->ca, ca_issuer_find(f->ca, bytes_of("issuing-1")), &self, NULL, &err) == 0, &err);
	fixture_read(f, "published/crl/issuing-1.crl", &der);
	CHECK_OK(ca_crl_read(buf_bytes(&der), BYTES_NONE, &crl, &err) == 0, &err);
	while (ca_crl_next(&crl.entries, &entry, &err) == 1) {
		if (bytes_equal(entry.serial, BYTES(serial->octets, serial->len))) {
			*reason = entry.reason;
			return true;
		}
	}
	return false;
}

static void a_revoked_certificate_stands_on_the_next_list(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	struct message_status_changed answer;
	auto_buf text = BUF_INIT;
	unsigned reason = 99;
	fixture_open(&f);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER);
	struct store_serial serial = fixture_issue(&f, &alice, "www.alice.test", NULL);
	CHECK(!on_list(&f, &serial, &reason));
	CHECK_OK(change(&f, &alice, &serial, MESSAGE_REVOKE, REASON_SUPERSEDED, &answer, &text, &err) == 0, &err);
	CHECK_BYTES(answer.crl_url, bytes_of("http://pki.test/crl/issuing-1.crl"));
	CHECK(answer.crl_from_s >= ca_now_ms(f.ca) / 1000);
	CHECK(on_list(&f, &serial, &reason));
	CHECK_INT(reason, REASON_SUPERSEDED);
	CHECK_INT(fixture_audit_count(&f, "certificate.revoked"), 1);
	/* Asked again, it is so already. */
	CHECK_OK(change(&f, &alice, &serial, MESSAGE_REVOKE, REASON_SUPERSEDED, &answer, &text, &err) == 0, &err);
	CHECK_INT(fixture_audit_count(&f, "certificate.revoked"), 1);
}

static void only_officers_and_the_requester_revoke(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	struct message_status_changed answer;
	auto_buf text = BUF_INIT;
	fixture_open(&f);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER),
			      bob = fixture_actor("bob", ROLE_REQUESTER), auditor = fixture_actor("aud", ROLE_AUDITOR),
			      admin = fixture_actor("adm", ROLE_ADMIN), officer = fixture_actor("olga", ROLE_OFFICER);
	struct ca_actor token = fixture_actor("alice", ROLE_REQUESTER);
	memcpy(token.token_id, "ci", 3);
	struct store_serial serial = fixture_issue(&f, &alice, "www.alice.test", NULL);
	const struct ca_actor *refused[] = { &bob, &auditor, &admin, &token };
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		CHECK_FAILS(change(&f, refused[i], &serial, MESSAGE_REVOKE, 0, &answer, &text, &err) == -1, &err,
			    ERR_ROLE_REQUIRED);
	CHECK_OK(change(&f, &officer, &serial, MESSAGE_REVOKE, 0, &answer, &text, &err) == 0, &err);
	struct store_serial unknown = { .octets = { 1, 2, 3 }, .len = 3 };
	CHECK_FAILS(change(&f, &officer, &unknown, MESSAGE_REVOKE, 0, &answer, &text, &err) == -1, &err, ERR_NOT_FOUND);
}

static void a_reason_changes_later_only_to_key_compromise_which_blocks_the_key(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	struct message_status_changed answer;
	auto_buf text = BUF_INIT, spki = BUF_INIT;
	struct store_serial first, second;
	unsigned reason;
	fixture_open(&f);
	fixture_spki(&spki);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER);
	const struct message_issue m = fixture_request("www.alice.test", &spki);
	CHECK_OK(ca_issue_wait(f.ca, &alice, &m, NULL, &first, &err) == 0, &err);
	CHECK_OK(ca_issue_wait(f.ca, &alice, &m, NULL, &second, &err) == 0, &err);
	CHECK_OK(change(&f, &alice, &first, MESSAGE_REVOKE, REASON_SUPERSEDED, &answer, &text, &err) == 0, &err);
	CHECK_FAILS(change(&f, &alice, &first, MESSAGE_REVOKE, REASON_UNSPECIFIED, &answer, &text, &err) == -1, &err,
		    ERR_ORDER_STATE);
	CHECK_OK(change(&f, &alice, &first, MESSAGE_REVOKE, REASON_KEY_COMPROMISE, &answer, &text, &err) == 0, &err);
	CHECK_INT(answer.same_key_count, 1);
	CHECK_BYTES(answer.same_key[0], BYTES(second.octets, second.len));
	CHECK(on_list(&f, &first, &reason));
	CHECK_INT(reason, REASON_KEY_COMPROMISE);
	CHECK(!on_list(&f, &second, &reason));
	CHECK_FAILS(ca_issue_wait(f.ca, &alice, &m, NULL, NULL, &err) == -1, &err, ERR_BLOCKED_KEY);
}

static void asked_to_a_key_compromise_revokes_every_certificate_of_the_key(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	auto_buf text = BUF_INIT, spki = BUF_INIT;
	struct store_serial serials[3];
	unsigned reason;
	fixture_open(&f);
	fixture_spki(&spki);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER);
	const struct message_issue m = fixture_request("www.alice.test", &spki);
	for (size_t i = 0; i < 3; i++)
		CHECK_OK(ca_issue_wait(f.ca, &alice, &m, NULL, &serials[i], &err) == 0, &err);
	const struct message_status_change all = { .serial = BYTES(serials[0].octets, serials[0].len),
						   .action = MESSAGE_REVOKE,
						   .reason = REASON_KEY_COMPROMISE,
						   .same_key_too = true };
	CHECK_OK(ca_revoke(f.ca, &alice, &all, &text, &err) == 0, &err);
	for (size_t i = 0; i < 3; i++)
		CHECK(on_list(&f, &serials[i], &reason));
	CHECK_INT(fixture_audit_count(&f, "certificate.revoked"), 3);
}

static void a_hold_is_for_profiles_that_allow_it_and_can_be_taken_back(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	struct message_status_changed answer;
	auto_buf text = BUF_INIT, spki = BUF_INIT;
	struct store_serial held;
	unsigned reason;
	fixture_open(&f);
	fixture_spki(&spki);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER);
	struct store_serial plain = fixture_issue(&f, &alice, "www.alice.test", NULL);
	struct message_issue m = fixture_request("held.alice.test", &spki);
	m.profile = bytes_of("holdable");
	CHECK_OK(ca_issue_wait(f.ca, &alice, &m, NULL, &held, &err) == 0, &err);
	CHECK_FAILS(change(&f, &alice, &plain, MESSAGE_HOLD, 0, &answer, &text, &err) == -1, &err, ERR_ORDER_STATE);
	CHECK_OK(change(&f, &alice, &held, MESSAGE_HOLD, 0, &answer, &text, &err) == 0, &err);
	CHECK(on_list(&f, &held, &reason));
	CHECK_INT(reason, REASON_CERTIFICATE_HOLD);
	CHECK_OK(change(&f, &alice, &held, MESSAGE_UNHOLD, 0, &answer, &text, &err) == 0, &err);
	CHECK(!on_list(&f, &held, &reason));
	CHECK_OK(change(&f, &alice, &held, MESSAGE_HOLD, 0, &answer, &text, &err) == 0, &err);
	CHECK_OK(change(&f, &alice, &held, MESSAGE_REVOKE, 0, &answer, &text, &err) == 0, &err);
	CHECK_FAILS(change(&f, &alice, &held, MESSAGE_UNHOLD, 0, &answer, &text, &err) == -1, &err, ERR_ORDER_STATE);
}

static void a_reason_that_is_none_for_a_leaf_is_refused(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	struct message_status_changed answer;
	auto_buf text = BUF_INIT;
	fixture_open(&f);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER);
	struct store_serial serial = fixture_issue(&f, &alice, "www.alice.test", NULL);
	static const uint8_t reasons[] = {
		REASON_CA_COMPROMISE, REASON_CERTIFICATE_HOLD, 7, 8, REASON_AA_COMPROMISE, 11
	};
	for (size_t i = 0; i < sizeof(reasons); i++)
		CHECK_FAILS(change(&f, &alice, &serial, MESSAGE_REVOKE, reasons[i], &answer, &text, &err) == -1, &err,
			    ERR_BAD_REQUEST);
}

static void a_certificate_without_revocation_is_recorded_and_on_no_list(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	struct message_status_changed answer;
	auto_buf text = BUF_INIT, spki = BUF_INIT;
	struct store_serial serial;
	unsigned reason;
	fixture_open(&f);
	fixture_spki(&spki);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER);
	struct message_issue m = fixture_request("www.alice.test", &spki);
	m.profile = bytes_of("short-lived");
	CHECK_OK(ca_issue_wait(f.ca, &alice, &m, NULL, &serial, &err) == 0, &err);
	CHECK_OK(change(&f, &alice, &serial, MESSAGE_REVOKE, REASON_KEY_COMPROMISE, &answer, &text, &err) == 0, &err);
	CHECK(answer.no_revocation);
	CHECK_INT(answer.crl_url.len, 0);
	CHECK(!on_list(&f, &serial, &reason));
	CHECK_FAILS(ca_issue_wait(f.ca, &alice, &m, NULL, NULL, &err) == -1, &err, ERR_BLOCKED_KEY);
}

static void leave_unfinished(struct fixture *f, const struct store_serial *serial, bool is_void)
{
	struct error err = ERR_INIT;
	auto_buf value = BUF_INIT;
	const struct record_unfinished record = { .found_ms = 1, .void_ = is_void };
	record_unfinished_encode(&record, &value);
	struct store_batch *batch = store_batch_new(f->store);
	REQUIRE(batch != NULL);
	store_put(batch, STORE_UNFINISHED, BYTES(serial->octets, serial->len), buf_bytes(&value));
	CHECK_OK(store_submit_wait(f->store, batch, NULL, &err) == 0, &err);
}

static void an_unfinished_serial_can_be_revoked_by_an_officer(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	struct message_status_changed answer;
	auto_buf text = BUF_INIT;
	unsigned reason;
	struct store_serial serial = { .octets = { 9, 9, 9 }, .len = 3 }, unused = { .octets = { 9, 9, 8 }, .len = 3 };
	fixture_open(&f);
	leave_unfinished(&f, &serial, false);
	leave_unfinished(&f, &unused, true);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER),
			      officer = fixture_actor("olga", ROLE_OFFICER);
	CHECK_FAILS(change(&f, &alice, &serial, MESSAGE_REVOKE, 0, &answer, &text, &err) == -1, &err, ERR_NOT_FOUND);
	CHECK_FAILS(change(&f, &officer, &serial, MESSAGE_HOLD, 0, &answer, &text, &err) == -1, &err, ERR_NOT_FOUND);
	CHECK_OK(change(&f, &officer, &serial, MESSAGE_REVOKE, 0, &answer, &text, &err) == 0, &err);
	CHECK(on_list(&f, &serial, &reason));
	CHECK_FAILS(change(&f, &officer, &unused, MESSAGE_REVOKE, 0, &answer, &text, &err) == -1, &err, ERR_NOT_FOUND);
	CHECK(!on_list(&f, &unused, &reason));
}

SUITE(revoke)
{
	TEST(a_revoked_certificate_stands_on_the_next_list);
	TEST(only_officers_and_the_requester_revoke);
	TEST(a_reason_changes_later_only_to_key_compromise_which_blocks_the_key);
	TEST(asked_to_a_key_compromise_revokes_every_certificate_of_the_key);
	TEST(a_hold_is_for_profiles_that_allow_it_and_can_be_taken_back);
	TEST(a_reason_that_is_none_for_a_leaf_is_refused);
	TEST(a_certificate_without_revocation_is_recorded_and_on_no_list);
	TEST(an_unfinished_serial_can_be_revoked_by_an_officer);
}
