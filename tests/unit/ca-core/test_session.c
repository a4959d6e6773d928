#include "ca-core/session.h"

#include "base/ossl.h"
#include "ca-core/identity.h"
#include "ca-core/lint.h"
#include "ca-core/revoke.h"
#include "tests/unit/ca-core/fixture.h"

static void free_sessions(struct ca_sessions **s)
{
	ca_sessions_free(*s);
}
#define auto_sessions CLEANUP(free_sessions) struct ca_sessions

static int open_session(struct ca_sessions *s, uint8_t type, struct bytes proof, uint64_t *session, struct error *err)
{
	const struct message_session_open m = { type, proof, bytes_of("192.0.2.1:5") };
	struct message_session answer = { 0 };
	char name[RECORD_NAME_MAX + 1];
	int result = ca_session_open(s, &m, &answer, name, err);
	*session = answer.session;
	return result;
}

static void the_signer_finds_the_identity_by_the_certificates_hash(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	auto_buf certificate = BUF_INIT;
	uint64_t session;
	struct ca_actor actor;
	fixture_open(&f);
	auto_sessions *s = ca_sessions_new(f.ca, &err);
	fixture_enrol(&f, "alice", ROLE_REQUESTER | ROLE_AUDITOR, &certificate);
	CHECK_OK(open_session(s, MESSAGE_PROOF_CERTIFICATE, buf_bytes(&certificate), &session, &err) == 0, &err);
	CHECK_OK(ca_session_actor(s, session, &actor, &err) == 0, &err);
	CHECK_TEXT(actor.identity, "alice");
	CHECK_TEXT(actor.peer, "192.0.2.1:5");
	CHECK_INT(actor.roles, ROLE_REQUESTER | ROLE_AUDITOR);
	certificate.data[certificate.len - 1] ^= 1;
	CHECK_FAILS(open_session(s, MESSAGE_PROOF_CERTIFICATE, buf_bytes(&certificate), &session, &err) == -1, &err,
		    ERR_IDENTITY_REQUIRED);
}

static void a_certificate_of_ours_that_is_not_enrolled_opens_nothing(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	auto_buf certificate = BUF_INIT;
	uint64_t session;
	fixture_open(&f);
	auto_sessions *s = ca_sessions_new(f.ca, &err);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER);
	(void)fixture_issue(&f, &alice, "www.alice.test", &certificate);
	CHECK_FAILS(open_session(s, MESSAGE_PROOF_CERTIFICATE, buf_bytes(&certificate), &session, &err) == -1, &err,
		    ERR_IDENTITY_REQUIRED);
	CHECK_FAILS(open_session(s, MESSAGE_PROOF_CERTIFICATE, BYTES_NONE, &session, &err) == -1, &err,
		    ERR_IDENTITY_REQUIRED);
}

static void refuses_a_session_that_is_not_open(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	auto_buf certificate = BUF_INIT;
	uint64_t session;
	struct ca_actor actor;
	fixture_open(&f);
	auto_sessions *s = ca_sessions_new(f.ca, &err);
	fixture_enrol(&f, "alice", ROLE_REQUESTER, &certificate);
	CHECK_OK(open_session(s, MESSAGE_PROOF_CERTIFICATE, buf_bytes(&certificate), &session, &err) == 0, &err);
	CHECK_FAILS(ca_session_actor(s, 0, &actor, &err) == -1, &err, ERR_CONFLICT);
	CHECK_FAILS(ca_session_actor(s, session ^ ((uint64_t)1 << 40), &actor, &err) == -1, &err, ERR_CONFLICT);
	ca_session_close(s, session ^ ((uint64_t)1 << 40));
	CHECK_OK(ca_session_actor(s, session, &actor, &err) == 0, &err);
	ca_session_close(s, session);
	CHECK_FAILS(ca_session_actor(s, session, &actor, &err) == -1, &err, ERR_CONFLICT);
}

static void a_revoked_certificate_ends_an_open_session_at_its_next_request(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	auto_buf certificate = BUF_INIT, answer = BUF_INIT;
	uint64_t session;
	struct ca_actor actor;
	struct ca_certificate_facts facts;
	fixture_open(&f);
	auto_sessions *s = ca_sessions_new(f.ca, &err);
	fixture_enrol(&f, "alice", ROLE_REQUESTER, &certificate);
	CHECK_OK(open_session(s, MESSAGE_PROOF_CERTIFICATE, buf_bytes(&certificate), &session, &err) == 0, &err);
	CHECK_OK(ca_certificate_read(buf_bytes(&certificate), &facts, &err) == 0, &err);
	const struct ca_actor officer = fixture_actor("olga", ROLE_OFFICER);
	const struct message_status_change change = { .serial = facts.serial,
						      .action = MESSAGE_REVOKE,
						      .reason = REASON_SUPERSEDED };
	CHECK_OK(ca_revoke(f.ca, &officer, &change, &answer, &err) == 0, &err);
	CHECK_FAILS(ca_session_actor(s, session, &actor, &err) == -1, &err, ERR_IDENTITY_REVOKED);
	CHECK_FAILS(open_session(s, MESSAGE_PROOF_CERTIFICATE, buf_bytes(&certificate), &session, &err) == -1, &err,
		    ERR_IDENTITY_REVOKED);
}

static void a_removed_identity_ends_its_sessions(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	auto_buf certificate = BUF_INIT;
	uint64_t session;
	struct ca_actor actor;
	fixture_open(&f);
	auto_sessions *s = ca_sessions_new(f.ca, &err);
	const struct ca_actor root = fixture_actor("root", 15);
	fixture_enrol(&f, "alice", ROLE_REQUESTER, &certificate);
	CHECK_OK(open_session(s, MESSAGE_PROOF_CERTIFICATE, buf_bytes(&certificate), &session, &err) == 0, &err);
	CHECK_OK(ca_identity_remove(f.ca, &root, bytes_of("alice"), &err) == 0, &err);
	CHECK_FAILS(ca_session_actor(s, session, &actor, &err) == -1, &err, ERR_IDENTITY_REVOKED);
}

static void an_expired_certificate_identifies_nobody(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	auto_buf certificate = BUF_INIT;
	uint64_t session;
	struct ca_actor actor;
	fixture_open(&f);
	auto_sessions *s = ca_sessions_new(f.ca, &err);
	fixture_enrol(&f, "alice", ROLE_REQUESTER, &certificate);
	CHECK_OK(open_session(s, MESSAGE_PROOF_CERTIFICATE, buf_bytes(&certificate), &session, &err) == 0, &err);
	f.now_ms = ca_now_ms(f.ca) + (int64_t)100 * 24 * 3600 * 1000;
	CHECK_FAILS(ca_session_actor(s, session, &actor, &err) == -1, &err, ERR_IDENTITY_REQUIRED);
	CHECK_FAILS(open_session(s, MESSAGE_PROOF_CERTIFICATE, buf_bytes(&certificate), &session, &err) == -1, &err,
		    ERR_IDENTITY_REQUIRED);
}

static void an_api_token_requests_and_reads_and_nothing_else(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	auto_buf certificate = BUF_INIT;
	uint64_t session;
	struct ca_actor actor;
	fixture_open(&f);
	auto_sessions *s = ca_sessions_new(f.ca, &err);
	const struct ca_actor root = fixture_actor("root", 15);
	fixture_enrol(&f, "alice", 15, &certificate);
	struct message_apitoken m = { .id = bytes_of("ci"),
				      .identity = bytes_of("alice"),
				      .profiles = bytes_of("server-dv"),
				      .may_request = true,
				      .expires_s = ca_now_ms(f.ca) / 1000 + 60 };
	struct bytes text = bytes_of("chy_secret");
	sha256(text.data, text.len, m.hash);
	CHECK_OK(ca_apitoken_add(f.ca, &root, &m, &err) == 0, &err);
	CHECK_FAILS(open_session(s, MESSAGE_PROOF_TOKEN, bytes_of("chy_other"), &session, &err) == -1, &err,
		    ERR_IDENTITY_REQUIRED);
	CHECK_OK(open_session(s, MESSAGE_PROOF_TOKEN, text, &session, &err) == 0, &err);
	CHECK_OK(ca_session_actor(s, session, &actor, &err) == 0, &err);
	CHECK_TEXT(actor.identity, "alice");
	CHECK_TEXT(actor.token_id, "ci");
	CHECK_TEXT(actor.profiles, "server-dv");
	CHECK_INT(actor.roles, ROLE_REQUESTER);
	CHECK(actor.may_request && !actor.may_read);
	f.now_ms = ca_now_ms(f.ca) + 61000;
	CHECK_FAILS(ca_session_actor(s, session, &actor, &err) == -1, &err, ERR_IDENTITY_REQUIRED);
	f.now_ms = 0;
	CHECK_OK(ca_apitoken_remove(f.ca, &root, bytes_of("ci"), &err) == 0, &err);
	CHECK_FAILS(ca_session_actor(s, session, &actor, &err) == -1, &err, ERR_IDENTITY_REVOKED);
}

static void past_the_limit_the_oldest_session_ends(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	auto_buf certificate = BUF_INIT;
	uint64_t first, session, repeated = 0;
	struct ca_actor actor;
	fixture_open(&f);
	auto_sessions *s = ca_sessions_new(f.ca, &err);
	fixture_enrol(&f, "alice", ROLE_REQUESTER, &certificate);
	CHECK_OK(open_session(s, MESSAGE_PROOF_CERTIFICATE, buf_bytes(&certificate), &first, &err) == 0, &err);
	for (size_t i = 0; i < CA_SESSIONS_MAX; i++) {
		if (open_session(s, MESSAGE_PROOF_CERTIFICATE, buf_bytes(&certificate), &session, &err))
			break;
		repeated += session == first;
	}
	CHECK_INT(repeated, 0);
	CHECK_FAILS(ca_session_actor(s, first, &actor, &err) == -1, &err, ERR_CONFLICT);
	CHECK_OK(ca_session_actor(s, session, &actor, &err) == 0, &err);
}

SUITE(session)
{
	TEST(the_signer_finds_the_identity_by_the_certificates_hash);
	TEST(a_certificate_of_ours_that_is_not_enrolled_opens_nothing);
	TEST(refuses_a_session_that_is_not_open);
	TEST(a_revoked_certificate_ends_an_open_session_at_its_next_request);
	TEST(a_removed_identity_ends_its_sessions);
	TEST(an_expired_certificate_identifies_nobody);
	TEST(an_api_token_requests_and_reads_and_nothing_else);
	TEST(past_the_limit_the_oldest_session_ends);
}
