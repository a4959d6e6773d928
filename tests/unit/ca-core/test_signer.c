/* A hostile front, and one that behaves. */
#include <openssl/x509v3.h>

#include <sys/socket.h>

#include "base/ossl.h"
#include "tests/unit/ca-core/peer.h"

#define ANSWER_MS 20000

static void start(struct peer *p, bool raw, struct buf *alice, struct buf *admin)
{
	*p = (struct peer){ .raw = raw, .alice = alice, .admin = admin };
	peer_start(p);
}

static void issues_under_a_session_and_leaves_when_the_channel_closes(void)
{
	struct peer p;
	auto_buf alice = BUF_INIT, spki = BUF_INIT;
	start(&p, false, &alice, NULL);
	fixture_spki(&spki);
	uint64_t session = peer_session(&p, &alice);
	CHECK_INT(peer_issue(&p, session, "www.alice.test", buf_bytes(&spki)), MSG_ISSUED);
	peer_stop(&p);
}

static void a_requester_that_is_not_connected_gets_nothing(void)
{
	struct peer p;
	auto_buf alice = BUF_INIT, spki = BUF_INIT;
	start(&p, false, &alice, NULL);
	fixture_spki(&spki);
	static const uint64_t guesses[] = { 0, 1, 0xffff, UINT64_MAX };
	for (size_t i = 0; i < sizeof(guesses) / sizeof(guesses[0]); i++) {
		CHECK_INT(peer_issue(&p, guesses[i], "www.alice.test", buf_bytes(&spki)), MSG_ERROR);
		CHECK_INT(p.refusal.code, ERR_CONFLICT);
	}
	uint64_t session = peer_session(&p, &alice);
	auto_buf close = BUF_INIT;
	const struct message_session_close m = { session };
	struct error err = ERR_INIT;
	message_session_close_write(&m, &close);
	CHECK_OK(channel_send(p.channel, MSG_SESSION_CLOSE, 0, buf_bytes(&close), &err) == 0, &err);
	CHECK_INT(peer_issue(&p, session, "www.alice.test", buf_bytes(&spki)), MSG_ERROR);
	CHECK_INT(p.refusal.code, ERR_CONFLICT);
	peer_stop(&p);
}

static void names_outside_the_grant_and_bytes_behind_the_spki_are_refused(void)
{
	struct peer p;
	auto_buf alice = BUF_INIT, spki = BUF_INIT, longer = BUF_INIT;
	start(&p, false, &alice, NULL);
	fixture_spki(&spki);
	buf_add_bytes(&longer, buf_bytes(&spki));
	buf_add_text(&longer, "more");
	uint64_t session = peer_session(&p, &alice);
	CHECK_INT(peer_issue(&p, session, "www.example.test", buf_bytes(&spki)), MSG_ERROR);
	CHECK_INT(p.refusal.code, ERR_NAME_NOT_ALLOWED);
	CHECK_INT(peer_issue(&p, session, "www.alice.test", buf_bytes(&longer)), MSG_ERROR);
	CHECK_INT(p.refusal.code, ERR_BAD_CSR);
	CHECK_INT(peer_issue(&p, session, "www.alice.test", BYTES(spki.data, 5)), MSG_ERROR);
	CHECK_INT(p.refusal.code, ERR_BAD_CSR);
	CHECK_INT(peer_issue(&p, session, "www.alice.test", buf_bytes(&spki)), MSG_ISSUED);
	peer_stop(&p);
}

static void what_grants_power_is_not_answered_on_the_fronts_channel(void)
{
	struct peer p;
	auto_buf payload = BUF_INIT, spki = BUF_INIT;
	start(&p, false, NULL, NULL);
	fixture_spki(&spki);
	const struct message_identity_add add = { .name = bytes_of("mallory"), .roles = 15, .spki = buf_bytes(&spki) };
	message_identity_add_write(&add, &payload);
	for (int type = MSG_IDENTITY_ADD; type <= MSG_KEY_BLOCK; type++) {
		CHECK_INT(peer_ask(&p, (uint16_t)type, &payload), MSG_ERROR);
		CHECK_INT(p.refusal.code, ERR_BAD_REQUEST);
	}
	static const uint16_t nonsense[] = { 0, MSG_ERROR, MSG_DONE, MSG_SESSION, MSG_ISSUED, 999, 65535 };
	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++)
		CHECK_INT(peer_ask(&p, nonsense[i], &payload), MSG_ERROR);
	peer_stop(&p);
}

static void garbage_in_a_frame_is_refused_and_the_next_is_answered(void)
{
	struct peer p;
	auto_buf alice = BUF_INIT, garbage = BUF_INIT, nothing = BUF_INIT;
	start(&p, false, &alice, NULL);
	uint32_t random = 12345;
	for (size_t round = 0; round < 40; round++) {
		buf_clear(&garbage);
		for (size_t i = 0; i < round * 7; i++) {
			random = random * 1664525 + 1013904223;
			buf_u8(&garbage, (uint8_t)(random >> 24));
		}
		for (int type = MSG_SESSION_OPEN; type <= MSG_FRONT_CERTIFICATE; type++) {
			bool silent = type == MSG_SESSION_CLOSE || (type == MSG_HEALTH_GET && garbage.len == 0);
			if (!silent)
				CHECK_INT(peer_ask(&p, (uint16_t)type, &garbage), MSG_ERROR);
		}
	}
	CHECK_INT(peer_ask(&p, MSG_HEALTH_GET, &nothing), MSG_HEALTH);
	peer_stop(&p);
}

static void a_frame_longer_than_any_may_be_ends_the_channel(void)
{
	struct peer p;
	start(&p, true, NULL, NULL);
	static const uint8_t header[] = { 0xff, 0xff, 0xff, 0xff, 0, 18, 0, 0, 0, 0, 0, 0, 0, 1 };
	CHECK_INT(send(p.fd, header, sizeof(header), MSG_NOSIGNAL), sizeof(header));
	peer_stop(&p);
}

static void a_replayed_id_gets_an_answer_each_time(void)
{
	struct peer p;
	struct error err = ERR_INIT;
	auto_buf alice = BUF_INIT, payload = BUF_INIT, spki = BUF_INIT;
	start(&p, false, &alice, NULL);
	fixture_spki(&spki);
	struct message_issue m = fixture_request("www.alice.test", &spki);
	m.session = peer_session(&p, &alice);
	m.idempotency_key = bytes_of("replay");
	message_issue_write(&m, &payload);
	auto_buf first = BUF_INIT;
	for (int i = 0; i < 3; i++)
		CHECK_OK(channel_send(p.channel, MSG_ISSUE, 77, buf_bytes(&payload), &err) == 0, &err);
	for (int i = 0; i < 3; i++) {
		struct message_issued issued;
		CHECK_OK(channel_receive(p.channel, &p.frame, ANSWER_MS, &err) == 1, &err);
		CHECK_INT(p.frame.id, 77);
		CHECK_INT(p.frame.type, MSG_ISSUED);
		CHECK_OK(message_issued_read(p.frame.payload, &issued, &err) == 0, &err);
		if (first.len == 0)
			buf_add_bytes(&first, issued.certificate);
		CHECK_BYTES(issued.certificate, buf_bytes(&first));
	}
	peer_stop(&p);
}

static void the_fronts_own_certificate_has_the_configured_names_and_a_bound(void)
{
	struct peer p;
	struct error err = ERR_INIT;
	auto_buf payload = BUF_INIT, spki = BUF_INIT;
	start(&p, false, NULL, NULL);
	fixture_spki(&spki);
	const struct message_front_certificate m = { buf_bytes(&spki) };
	struct message_issued issued;
	message_front_certificate_write(&m, &payload);
	REQUIRE(peer_ask(&p, MSG_FRONT_CERTIFICATE, &payload) == MSG_ISSUED);
	CHECK_OK(message_issued_read(p.frame.payload, &issued, &err) == 0, &err);
	const uint8_t *at = issued.certificate.data;
	auto_x509 *x509 = d2i_X509(NULL, &at, (long)issued.certificate.len);
	REQUIRE(x509 != NULL);
	CHECK_INT(X509_check_host(x509, "localhost", 0, 0, NULL), 1);
	CHECK_INT(X509_check_ip_asc(x509, "127.0.0.1", 0), 1);
	int type = MSG_ISSUED;
	for (int i = 0; i < 50 && type == MSG_ISSUED; i++)
		type = peer_ask(&p, MSG_FRONT_CERTIFICATE, &payload);
	CHECK_INT(type, MSG_ERROR);
	CHECK_INT(p.refusal.code, ERR_BUSY);
	peer_stop(&p);
}

static void a_revocation_is_soon_on_the_published_list_and_ends_the_sessions(void)
{
	struct peer p;
	struct error err = ERR_INIT;
	auto_buf alice = BUF_INIT, admin = BUF_INIT, payload = BUF_INIT;
	start(&p, false, &alice, &admin);
	uint64_t session = peer_session(&p, &alice), boss = peer_session(&p, &admin);
	const uint8_t *at = alice.data;
	auto_x509 *x509 = d2i_X509(NULL, &at, (long)alice.len);
	REQUIRE(x509 != NULL);
	const ASN1_INTEGER *serial = X509_get0_serialNumber(x509);
	const struct message_status_change m = { .session = boss,
						 .serial = BYTES(ASN1_STRING_get0_data(serial),
								 (size_t)ASN1_STRING_length(serial)),
						 .action = MESSAGE_REVOKE,
						 .reason = REASON_KEY_COMPROMISE };
	message_status_change_write(&m, &payload);
	CHECK_INT(peer_ask(&p, MSG_STATUS_CHANGE, &payload), MSG_STATUS_CHANGED);
	/* Unasked, the front hears whose sessions ended. */
	struct message_name dropped = { BYTES_NONE };
	CHECK_INT(peer_wait(&p, 0, ANSWER_MS), MSG_SESSIONS_DROP);
	CHECK_OK(message_name_read(p.frame.payload, &dropped, &err) == 0, &err);
	CHECK_BYTES(dropped.name, bytes_of("alice"));
	auto_buf spki = BUF_INIT;
	fixture_spki(&spki);
	CHECK_INT(peer_issue(&p, session, "www.alice.test", buf_bytes(&spki)), MSG_ERROR);
	CHECK_INT(p.refusal.code, ERR_IDENTITY_REVOKED);

	const struct message_crl_now now = { boss, bytes_of("issuing-1") };
	struct message_crl_made made;
	buf_clear(&payload);
	message_crl_now_write(&now, &payload);
	REQUIRE(peer_ask(&p, MSG_CRL_NOW, &payload) == MSG_CRL_MADE);
	CHECK_OK(message_crl_made_read(p.frame.payload, &made, &err) == 0, &err);
	CHECK_INT(made.entries, 1);
	peer_stop(&p);
}

static void admin_sock_enrols_lists_and_removes(void)
{
	struct peer p;
	struct error err = ERR_INIT;
	auto_buf payload = BUF_INIT, spki = BUF_INIT;
	start(&p, false, NULL, NULL);
	struct channel *front = p.channel;
	p.channel = peer_connect_admin(&p);
	REQUIRE(p.channel != NULL);
	fixture_spki(&spki);
	const struct message_identity_add add = { .name = bytes_of("bob"), .roles = 1, .spki = buf_bytes(&spki) };
	message_identity_add_write(&add, &payload);
	CHECK_INT(peer_ask(&p, MSG_IDENTITY_ADD, &payload), MSG_ISSUED);
	CHECK_INT(peer_ask(&p, MSG_IDENTITY_ADD, &payload), MSG_ERROR);
	CHECK_INT(p.refusal.code, ERR_ORDER_STATE);
	const struct message_name bob = { bytes_of("bob") };
	buf_clear(&payload);
	message_name_write(&bob, &payload);
	CHECK_INT(peer_ask(&p, MSG_IDENTITY_LIST, &payload), MSG_IDENTITIES);
	CHECK_INT(peer_ask(&p, MSG_IDENTITY_REMOVE, &payload), MSG_DONE);
	CHECK_INT(peer_ask(&p, MSG_ISSUE, &payload), MSG_ERROR); /* not here */
	buf_clear(&payload);
	CHECK_INT(peer_ask(&p, MSG_HEALTH_GET, &payload), MSG_HEALTH);
	auto_free struct message_health *health = calloc(1, sizeof(*health));
	REQUIRE(health != NULL);
	CHECK_OK(message_health_read(p.frame.payload, health, &err) == 0, &err);
	CHECK(health->ready);
	CHECK_BYTES(health->store_state, bytes_of("ok"));
	channel_free(p.channel);
	p.channel = front;
	peer_stop(&p);
}

SUITE(signer)
{
	TEST(issues_under_a_session_and_leaves_when_the_channel_closes);
	TEST(a_requester_that_is_not_connected_gets_nothing);
	TEST(names_outside_the_grant_and_bytes_behind_the_spki_are_refused);
	TEST(what_grants_power_is_not_answered_on_the_fronts_channel);
	TEST(garbage_in_a_frame_is_refused_and_the_next_is_answered);
	TEST(a_frame_longer_than_any_may_be_ends_the_channel);
	TEST(a_replayed_id_gets_an_answer_each_time);
	TEST(the_fronts_own_certificate_has_the_configured_names_and_a_bound);
	TEST(a_revocation_is_soon_on_the_published_list_and_ends_the_sessions);
	TEST(admin_sock_enrols_lists_and_removes);
}
