/* Who waits for a token, who does not, and what a call that does not return keeps from whom. */
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "tests/unit/ca-core/bent.h"
#include "tests/unit/ca-core/peer.h"

#define ANSWER_MS 20000
#define AT_ONCE_MS 5000 /* a busy disk included; less than any wait, or limit of a call, where it is asked for */

/* One worker for each token, so that one call that does not return is all it takes. */
#define PROCESS(options)                                                                       \
	{                                                                                      \
		"log-level = \"info\"\n", "log-level = \"info\"\n\tworkers = 1\n" options "\n" \
	}
#define CALL_OF_A_SECOND                                                                                   \
	{                                                                                                  \
		"uri = \"pkcs11:token=issuing\"\n", "uri = \"pkcs11:token=issuing\"\n\tcall-seconds = 1\n" \
	}
#define CHANGES_END        \
	{                  \
		NULL, NULL \
	}

/* A second token, and an issuer in it. */
#define SECOND_TOKEN(options)                              \
	"token \"second\" {\n"                             \
	"\tmodule = \"/usr/lib/softhsm/libsofthsm2.so\"\n" \
	"\turi = \"pkcs11:token=second\"\n"                \
	"\tpin = \"file:token/second.pin\"\n" options "}\n"
#define SECOND_ISSUER                           \
	"issuer \"issuing-2\" {\n"              \
	"\ttoken = \"second\"\n"                \
	"\tkey = \"pkcs11:object=issuing-2\"\n" \
	"\tparent = \"root-1\"\n"               \
	"}\n"                                   \
	"profile \"second-dv\" {\n"             \
	"\tkind = \"server\"\n"                 \
	"\tissuer = \"issuing-2\"\n"            \
	"\twaivers = { \"internal-names\" }\n"  \
	"}\n"                                   \
	"grant \"second\" {\n"                  \
	"\tidentities = { \"alice\" }\n"        \
	"\tprofiles = { \"second-dv\" }\n"      \
	"\tsuffixes = { \".alice.test\" }\n"    \
	"}\n"

struct case_ {
	struct peer p;
	struct buf alice, admin, spki;
	uint64_t session;
};

/* A signer whose module can be bent; alice is connected. */
static void begin_unready(struct case_ *c, const struct fixture_change *changes, const char *more,
			  const char *shared_key)
{
	c->alice = c->admin = c->spki = BUF_INIT;
	c->p = (struct peer){ .alice = &c->alice, .admin = &c->admin, .quiet = true, .in_signer = bent_install };
	c->p.f.changes = changes;
	c->p.f.more = more;
	c->p.f.shared_key = shared_key;
	bent_make();
	fixture_spki(&c->spki);
	peer_start(&c->p);
	c->session = peer_session(&c->p, &c->alice);
}

static void begin(struct case_ *c, const struct fixture_change *changes, const char *more, const char *shared_key)
{
	begin_unready(c, changes, more, shared_key);
	peer_await_ready(&c->p);
}

static void finish(struct case_ *c)
{
	peer_stop(&c->p);
	buf_free(&c->alice);
	buf_free(&c->admin);
	buf_free(&c->spki);
}

static uint64_t send_issue(struct case_ *c, const char *name)
{
	return peer_send_issue(&c->p, c->session, "server-dv", name, buf_bytes(&c->spki));
}

static int issue(struct case_ *c, const char *name)
{
	return peer_issue(&c->p, c->session, name, buf_bytes(&c->spki));
}

/* A refusal that comes sooner than a wait would end. */
static void refused_at_once(struct case_ *c, uint64_t id, enum err_code code)
{
	CHECK_INT(peer_wait(&c->p, id, AT_ONCE_MS), MSG_ERROR);
	CHECK_INT(c->p.refusal.code, code);
}

static void move(struct case_ *c, const char *from, const char *to)
{
	char old[300], new[300];
	(void)snprintf(old, sizeof(old), "%s/%s", c->p.f.state, from);
	(void)snprintf(new, sizeof(new), "%s/%s", c->p.f.state, to);
	REQUIRE(rename(old, new) == 0);
}

static uint64_t send_front_certificate(struct case_ *c)
{
	auto_buf payload = BUF_INIT;
	const struct message_front_certificate m = { buf_bytes(&c->spki) };
	message_front_certificate_write(&m, &payload);
	return peer_send(&c->p, MSG_FRONT_CERTIFICATE, &payload);
}

static uint64_t send_crl_now(struct case_ *c)
{
	auto_buf payload = BUF_INIT;
	const struct message_crl_now m = { peer_session(&c->p, &c->admin), bytes_of("issuing-1") };
	message_crl_now_write(&m, &payload);
	return peer_send(&c->p, MSG_CRL_NOW, &payload);
}

/* ---- waiting ---- */

static void a_question_waits_for_its_token_and_is_answered_when_it_comes_back(void)
{
	static const struct fixture_change changes[] = { PROCESS("\tsigning-wait-seconds = 15"), CHANGES_END };
	struct case_ c;
	begin(&c, changes, NULL, NULL);
	CHECK_INT(issue(&c, "www.alice.test"), MSG_ISSUED);
	move(&c, "token", "token.away");
	uint64_t first = send_issue(&c, "first.alice.test"), second = send_issue(&c, "second.alice.test");
	uint64_t front = send_front_certificate(&c);
	peer_await(&c.p, "chancery_signer_waiting", 3);
	move(&c, "token.away", "token");
	CHECK_INT(peer_wait(&c.p, first, ANSWER_MS), MSG_ISSUED);
	CHECK_INT(peer_wait(&c.p, second, ANSWER_MS), MSG_ISSUED);
	CHECK_INT(peer_wait(&c.p, front, ANSWER_MS), MSG_ISSUED);
	CHECK_INT(peer_counter(&c.p, "chancery_signer_waiting"), 0);
	CHECK_INT(peer_counter(&c.p, "chancery_signer_waits_total"), 3); /* however often they were tried */
	CHECK_INT(peer_counter(&c.p, "chancery_signer_wait_timeouts_total"), 0);
	CHECK_INT(peer_counter(&c.p, "chancery_requests_refused_total{code=\"token-unavailable\"}"), -1);
	finish(&c);
}

/* An issue request of which the test decides every field. */
static uint64_t send_request(struct case_ *c, const char *name, const char *idempotency_key, bool dry_run)
{
	auto_buf payload = BUF_INIT;
	struct message_issue m = fixture_request(name, &c->spki);
	m.session = c->session;
	m.idempotency_key = bytes_of(idempotency_key);
	m.dry_run = dry_run;
	message_issue_write(&m, &payload);
	return peer_send(&c->p, MSG_ISSUE, &payload);
}

/* What was issued under the key "again". */
static void issued_under_key(struct case_ *c, struct buf *certificate)
{
	struct error err = ERR_INIT;
	struct message_issued issued;
	CHECK_INT(peer_wait(&c->p, send_request(c, "www.alice.test", "again", false), ANSWER_MS), MSG_ISSUED);
	CHECK_OK(message_issued_read(c->p.frame.payload, &issued, &err) == 0, &err);
	buf_add_bytes(certificate, issued.certificate);
}

/* All that is decided without a signature. */
static void what_needs_no_signature_is_answered(struct case_ *c, const struct buf *certificate)
{
	auto_buf again = BUF_INIT;
	CHECK_INT(peer_counter(&c->p, "chancery_certificates_issued_total{profile=\"server-dv\"}"), 1);
	CHECK(peer_session(&c->p, &c->alice) != 0);
	refused_at_once(c, send_issue(c, "www.example.test"), ERR_NAME_NOT_ALLOWED);
	refused_at_once(c, send_issue(c, "www..alice.test"), ERR_BAD_NAME);
	refused_at_once(c, peer_send_issue(&c->p, c->session, "nothing", "a.alice.test", buf_bytes(&c->spki)),
			ERR_PROFILE_UNKNOWN);
	refused_at_once(c, peer_send_issue(&c->p, 99, "server-dv", "a.alice.test", buf_bytes(&c->spki)), ERR_CONFLICT);
	CHECK_INT(peer_wait(&c->p, send_request(c, "dry.alice.test", "", true), AT_ONCE_MS), MSG_DONE);
	refused_at_once(c, send_request(c, "dry.example.test", "", true), ERR_NAME_NOT_ALLOWED);
	issued_under_key(c, &again);
	CHECK_BYTES(buf_bytes(&again), buf_bytes(certificate));
}

static void what_needs_no_signature_is_answered_while_the_token_is_down(void)
{
	static const struct fixture_change changes[] = { PROCESS("\tsigning-wait-seconds = 15"), CHANGES_END };
	struct case_ c;
	auto_buf certificate = BUF_INIT;
	begin(&c, changes, NULL, NULL);
	issued_under_key(&c, &certificate);
	bent->issuing.away = true;
	uint64_t waits = send_issue(&c, "waits.alice.test");
	peer_await(&c.p, "chancery_signer_waiting", 1);
	what_needs_no_signature_is_answered(&c, &certificate);
	CHECK_INT(peer_wait(&c.p, waits, 0), -1);
	bent->issuing.away = false;
	CHECK_INT(peer_wait(&c.p, waits, ANSWER_MS), MSG_ISSUED);
	finish(&c);
}

static void who_waited_long_enough_hears_why_and_how_long(void)
{
	static const struct fixture_change changes[] = { PROCESS("\tsigning-wait-seconds = 1"), CHANGES_END };
	struct case_ c;
	begin(&c, changes, NULL, NULL);
	bent->issuing.away = true;
	int64_t begun_ms = clock_monotonic_ms();
	uint64_t id = send_issue(&c, "www.alice.test");
	CHECK_INT(peer_wait(&c.p, id, ANSWER_MS), MSG_ERROR);
	int64_t took_ms = clock_monotonic_ms() - begun_ms;
	CHECK_INT(c.p.refusal.code, ERR_TOKEN_UNAVAILABLE);
	CHECK_TEXT(c.p.refusal.message,
		   "the key of issuer issuing-1 is not available: its token issuing is down; it was waited for 1 s");
	CHECK(took_ms >= 1000 && took_ms < 8000);
	CHECK_INT(peer_counter(&c.p, "chancery_signer_waiting"), 0);
	CHECK_INT(peer_counter(&c.p, "chancery_signer_wait_timeouts_total"), 1);
	CHECK_INT(peer_counter(&c.p, "chancery_requests_refused_total{code=\"token-unavailable\"}"), 1);
	bent->issuing.away = false;
	peer_await(&c.p, "chancery_token_transitions_total{token=\"issuing\",to=\"up\"}", 1);
	CHECK_INT(issue(&c, "www.alice.test"), MSG_ISSUED);
	finish(&c);
}

static void more_than_may_wait_are_refused_at_once_and_a_stop_answers_those_that_wait(void)
{
	static const struct fixture_change changes[] = { PROCESS("\tsigning-wait-seconds = 29\n\tsigning-queue = 3"),
							 CHANGES_END };
	struct case_ c;
	uint64_t ids[5];
	begin(&c, changes, NULL, NULL);
	bent->issuing.away = true;
	for (size_t i = 0; i < 3; i++)
		ids[i] = send_issue(&c, "www.alice.test");
	peer_await(&c.p, "chancery_signer_waiting", 3);
	for (size_t i = 3; i < 5; i++) {
		ids[i] = send_issue(&c, "www.alice.test");
		refused_at_once(&c, ids[i], ERR_TOKEN_UNAVAILABLE);
		CHECK(strstr(c.p.refusal.message, "waited") == NULL);
	}
	/* The front sends nothing more, and still listens. */
	int64_t begun_ms = clock_monotonic_ms();
	REQUIRE(shutdown(c.p.fd, SHUT_WR) == 0);
	for (size_t i = 0; i < 3; i++) {
		CHECK_INT(peer_wait(&c.p, ids[i], ANSWER_MS), MSG_ERROR);
		CHECK_INT(c.p.refusal.code, ERR_TOKEN_UNAVAILABLE);
		CHECK(strstr(c.p.refusal.message, "29 s") == NULL);
	}
	CHECK(clock_monotonic_ms() - begun_ms < 15000);
	finish(&c);
}

static void a_failed_start_of_a_signature_is_tried_again_and_an_uncertain_one_is_not(void)
{
	static const struct fixture_change changes[] = { PROCESS("\tsigning-wait-seconds = 15"), CHANGES_END };
	struct case_ c;
	begin(&c, changes, NULL, NULL);
	bent->issuing.init_fails = 4; /* two for each try: hsm/ takes another session once */
	CHECK_INT(issue(&c, "www.alice.test"), MSG_ISSUED);
	CHECK_INT(bent->issuing.init_fails, 0);
	CHECK_INT(peer_counter(&c.p, "chancery_signer_waits_total"), 1);
	CHECK_INT(peer_counter(&c.p, "chancery_serials_unfinished"), -1);

	bent->issuing.sign = BENT_SIGNS_AND_FAILS;
	int before = bent->issuing.signatures;
	refused_at_once(&c, send_issue(&c, "www.alice.test"), ERR_TOKEN_UNAVAILABLE);
	CHECK(strstr(c.p.refusal.message, "CKR_DEVICE_ERROR") != NULL);
	CHECK_INT(bent->issuing.signatures, before + 1);
	CHECK_INT(peer_counter(&c.p, "chancery_signer_waits_total"), 1);
	peer_await(&c.p, "chancery_serials_unfinished", 1);
	bent->issuing.sign = BENT_SIGNS;
	CHECK_INT(issue(&c, "www.alice.test"), MSG_ISSUED);
	finish(&c);
}

/* A token that is never logged in to does not come back. */
static void nobody_waits_for_a_key_that_is_not_ours_to_use(void)
{
	static const struct fixture_change changes[] = { PROCESS("\tsigning-wait-seconds = 15"), CHANGES_END };
	struct case_ c;
	begin_unready(&c, changes, SECOND_TOKEN("\tonline = false\n") SECOND_ISSUER, NULL);
	refused_at_once(&c, peer_send_issue(&c.p, c.session, "second-dv", "b.alice.test", buf_bytes(&c.spki)),
			ERR_TOKEN_UNAVAILABLE);
	CHECK_TEXT(c.p.refusal.message, "the key of issuer issuing-2 is not available: its token second is offline");
	CHECK_INT(peer_counter(&c.p, "chancery_signer_waits_total"), 0);
	CHECK_INT(issue(&c, "www.alice.test"), MSG_ISSUED);
	finish(&c);
}

/* ---- calls that do not return ---- */

static void await_hanging(int count)
{
	const struct timespec pause = { 0, 2000000 };
	int64_t until_ms = clock_monotonic_ms() + ANSWER_MS;
	while (atomic_load(&bent->issuing.hanging) != count && clock_monotonic_ms() < until_ms)
		(void)nanosleep(&pause, NULL);
	CHECK_INT(atomic_load(&bent->issuing.hanging), count);
}

static void a_call_that_does_not_return_keeps_its_own_tokens_lane_only(void)
{
	static const struct fixture_change changes[] = { PROCESS("\tsigning-wait-seconds = 1"), CALL_OF_A_SECOND,
							 CHANGES_END };
	struct case_ c;
	begin(&c, changes, SECOND_TOKEN("") SECOND_ISSUER, NULL);
	bent->issuing.sign = BENT_HANGS;
	int64_t begun_ms = clock_monotonic_ms();
	uint64_t stuck = send_issue(&c, "stuck.alice.test");
	await_hanging(1);
	uint64_t behind[3], bad = send_issue(&c, "www.example.test");
	for (size_t i = 0; i < 3; i++)
		behind[i] = send_issue(&c, "behind.alice.test");
	for (int i = 0; i < 3; i++) {
		uint64_t other = peer_send_issue(&c.p, c.session, "second-dv", "b.alice.test", buf_bytes(&c.spki));
		CHECK_INT(peer_wait(&c.p, other, ANSWER_MS), MSG_ISSUED);
		CHECK(peer_counter(&c.p, "chancery_signer_in_flight") >= 1); /* the stuck one */
		CHECK(peer_session(&c.p, &c.alice) != 0);
	}
	CHECK_INT(peer_wait(&c.p, bad, ANSWER_MS), MSG_ERROR);
	CHECK_INT(c.p.refusal.code, ERR_NAME_NOT_ALLOWED);
	/* One may be taken to see whether the token signs; the others are answered in their time. */
	size_t answered = 0;
	for (size_t i = 0; answered < 2 && clock_monotonic_ms() - begun_ms < ANSWER_MS; i = (i + 1) % 3) {
		if (peer_wait(&c.p, behind[i], 50) != MSG_ERROR)
			continue;
		CHECK_INT(c.p.refusal.code, ERR_TOKEN_UNAVAILABLE);
		answered++;
	}
	CHECK(answered >= 2);
	CHECK_INT(peer_wait(&c.p, stuck, 0), -1);
	bent_release(&bent->issuing);
	CHECK_INT(peer_wait(&c.p, stuck, ANSWER_MS), MSG_ISSUED);
	peer_await_ready(&c.p);
	CHECK_INT(issue(&c, "www.alice.test"), MSG_ISSUED);
	finish(&c);
}

static void what_stands_behind_one_call_that_does_not_return_is_signed_without_it(void)
{
	static const struct fixture_change changes[] = { PROCESS("\tsigning-wait-seconds = 10"), CALL_OF_A_SECOND,
							 CHANGES_END };
	struct case_ c;
	begin(&c, changes, NULL, NULL);
	bent_hang_once(&bent->issuing);
	uint64_t stuck = send_issue(&c, "stuck.alice.test");
	await_hanging(1);
	uint64_t behind = send_issue(&c, "behind.alice.test");
	CHECK_INT(peer_wait(&c.p, behind, ANSWER_MS), MSG_ISSUED);
	CHECK_INT(bent->issuing.hanging, 1);
	CHECK_INT(issue(&c, "www.alice.test"), MSG_ISSUED);
	bent_release(&bent->issuing);
	CHECK_INT(peer_wait(&c.p, stuck, ANSWER_MS), MSG_ISSUED);
	finish(&c);
}

/* The limit on calls may be longer than anybody waits. */
static void what_is_queued_behind_a_stuck_worker_is_answered_in_time(void)
{
	static const struct fixture_change changes[] = { PROCESS("\tsigning-wait-seconds = 1"), CHANGES_END };
	struct case_ c;
	begin(&c, changes, NULL, NULL);
	bent->issuing.sign = BENT_HANGS;
	uint64_t stuck = send_issue(&c, "stuck.alice.test");
	await_hanging(1);
	int64_t begun_ms = clock_monotonic_ms();
	uint64_t behind = send_issue(&c, "behind.alice.test");
	CHECK_INT(peer_wait(&c.p, behind, ANSWER_MS), MSG_ERROR);
	CHECK_INT(c.p.refusal.code, ERR_TOKEN_UNAVAILABLE);
	CHECK(clock_monotonic_ms() - begun_ms < 8000);
	bent_release(&bent->issuing);
	CHECK_INT(peer_wait(&c.p, stuck, ANSWER_MS), MSG_ISSUED);
	finish(&c);
}

static void a_signer_with_a_call_that_does_not_return_leaves_and_answers_the_others(void)
{
	static const struct fixture_change changes[] = { PROCESS("\tsigning-wait-seconds = 29"), CHANGES_END };
	struct case_ c;
	begin(&c, changes, NULL, NULL);
	bent->issuing.sign = BENT_HANGS;
	(void)send_issue(&c, "stuck.alice.test");
	await_hanging(1);
	uint64_t list = send_crl_now(&c);
	await_hanging(2);
	uint64_t behind = send_issue(&c, "behind.alice.test");
	int64_t begun_ms = clock_monotonic_ms();
	REQUIRE(shutdown(c.p.fd, SHUT_WR) == 0);
	CHECK_INT(peer_wait(&c.p, behind, ANSWER_MS), MSG_ERROR);
	CHECK_INT(c.p.refusal.code, ERR_TOKEN_UNAVAILABLE);
	CHECK_INT(peer_wait(&c.p, list, ANSWER_MS), MSG_ERROR);
	CHECK_TEXT(c.p.refusal.message, "no revocation list was made: the server stops");
	finish(&c);
	CHECK(clock_monotonic_ms() - begun_ms < 15000);
}

/* ---- the same key in two tokens ---- */

#define SHARED                                                                               \
	{                                                                                    \
		"key = \"pkcs11:object=issuing-1\"\n", "key = \"pkcs11:object=issuing-1\"\n" \
						       "\talternatives = { \"second\" }\n"   \
	}

/* Both tokens have been attached: the second issuer's key comes after the first one's copy. */
static void begin_shared(struct case_ *c, const struct fixture_change *changes)
{
	begin(c, changes, SECOND_TOKEN("") SECOND_ISSUER, "issuing-1");
	for (int i = 0; i < 100 && bent->issuing.signatures == 0; i++)
		CHECK_INT(issue(c, "first.alice.test"), MSG_ISSUED);
	CHECK(bent->issuing.signatures > 0);
}

static void the_load_goes_to_every_token_with_the_key_and_to_one_where_the_other_is_down(void)
{
	static const struct fixture_change changes[] = { PROCESS("\tsigning-wait-seconds = 15"), SHARED, CHANGES_END };
	struct case_ c;
	uint64_t ids[60];
	begin_shared(&c, changes);
	int first = bent->issuing.signatures, second = bent->second.signatures;
	for (size_t i = 0; i < 60; i++)
		ids[i] = send_issue(&c, "www.alice.test");
	for (size_t i = 0; i < 60; i++)
		CHECK_INT(peer_wait(&c.p, ids[i], ANSWER_MS), MSG_ISSUED);
	CHECK(bent->issuing.signatures - first >= 10);
	CHECK(bent->second.signatures - second >= 10);

	/* It is found to be away by a question, which goes to the other. */
	bent->issuing.away = true;
	first = bent->issuing.signatures;
	second = bent->second.signatures;
	for (size_t i = 0; i < 20; i++)
		ids[i] = send_issue(&c, "www.alice.test");
	for (size_t i = 0; i < 20; i++)
		CHECK_INT(peer_wait(&c.p, ids[i], ANSWER_MS), MSG_ISSUED);
	CHECK_INT(bent->issuing.signatures, first);
	CHECK_INT(bent->second.signatures - second, 20);
	peer_await_token(&c.p, "issuing", "down");
	CHECK_INT(issue(&c, "www.alice.test"), MSG_ISSUED);
	CHECK_INT(peer_counter(&c.p, "chancery_serials_unfinished"), -1);
	finish(&c);
}

static void a_request_whose_signature_could_not_begin_is_signed_by_the_other_token(void)
{
	static const struct fixture_change changes[] = { PROCESS("\tsigning-wait-seconds = 15"), SHARED, CHANGES_END };
	struct case_ c;
	begin_shared(&c, changes);
	int first = bent->issuing.signatures, second = bent->second.signatures;
	bent->issuing.init_fails = 2; /* among equals the first in the configuration */
	CHECK_INT(issue(&c, "www.alice.test"), MSG_ISSUED);
	CHECK_INT(bent->issuing.init_fails, 0);
	CHECK_INT(bent->issuing.signatures, first);
	CHECK_INT(bent->second.signatures, second + 1);
	CHECK_INT(peer_counter(&c.p, "chancery_serials_unfinished"), -1);

	/* A call that does not return keeps nobody from the other token, long before it counts as down. */
	bent->issuing.sign = BENT_HANGS;
	bent->issuing.init_fails = 0;
	peer_await_token(&c.p, "issuing", "degraded");
	bent->second.away = true; /* so that one goes there */
	uint64_t stuck = send_issue(&c, "stuck.alice.test");
	await_hanging(1);
	bent->second.away = false;
	peer_await_token(&c.p, "second", "up");
	for (size_t i = 0; i < 5; i++)
		CHECK_INT(peer_wait(&c.p, send_issue(&c, "www.alice.test"), AT_ONCE_MS), MSG_ISSUED);
	bent_release(&bent->issuing);
	CHECK_INT(peer_wait(&c.p, stuck, ANSWER_MS), MSG_ISSUED);
	finish(&c);
}

SUITE(signer_lanes)
{
	TEST(a_question_waits_for_its_token_and_is_answered_when_it_comes_back);
	TEST(what_needs_no_signature_is_answered_while_the_token_is_down);
	TEST(who_waited_long_enough_hears_why_and_how_long);
	TEST(more_than_may_wait_are_refused_at_once_and_a_stop_answers_those_that_wait);
	TEST(a_failed_start_of_a_signature_is_tried_again_and_an_uncertain_one_is_not);
	TEST(nobody_waits_for_a_key_that_is_not_ours_to_use);
	TEST(a_call_that_does_not_return_keeps_its_own_tokens_lane_only);
	TEST(what_stands_behind_one_call_that_does_not_return_is_signed_without_it);
	TEST(what_is_queued_behind_a_stuck_worker_is_answered_in_time);
	TEST(a_signer_with_a_call_that_does_not_return_leaves_and_answers_the_others);
	TEST(the_load_goes_to_every_token_with_the_key_and_to_one_where_the_other_is_down);
	TEST(a_request_whose_signature_could_not_begin_is_signed_by_the_other_token);
}
