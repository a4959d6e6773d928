/* Who asks for a revocation list is answered, whatever becomes of the list. */
#include <sys/socket.h>

#include "tests/unit/ca-core/bent.h"
#include "tests/unit/ca-core/peer.h"

#define ANSWER_MS 20000
#define AT_ONCE_MS 5000 /* a busy disk included; less than anybody would wait */

/* A signer whose module can be bent; an officer is connected. */
static uint64_t begin(struct peer *p, const struct fixture_change *changes, struct buf *admin)
{
	*p = (struct peer){ .admin = admin, .quiet = true, .in_signer = bent_install };
	p->f.changes = changes;
	bent_make();
	peer_start(p);
	peer_await_ready(p);
	return peer_session(p, admin);
}

static uint64_t send_crl_now(struct peer *p, uint64_t session, const char *issuer)
{
	auto_buf payload = BUF_INIT;
	const struct message_crl_now m = { session, bytes_of(issuer) };
	message_crl_now_write(&m, &payload);
	return peer_send(p, MSG_CRL_NOW, &payload);
}

/* How often the signer's log says that. */
static size_t logged(struct peer *p, const char *what)
{
	auto_buf log = BUF_INIT;
	size_t count = 0;
	fixture_read(&p->f, "signer.log", &log);
	for (const char *at = strstr(buf_text(&log), what); at; at = strstr(at + 1, what))
		count++;
	return count;
}

static void await_hanging(void)
{
	const struct timespec pause = { 0, 2000000 };
	int64_t until_ms = clock_monotonic_ms() + ANSWER_MS;
	while (!bent->issuing.hanging && clock_monotonic_ms() < until_ms)
		(void)nanosleep(&pause, NULL);
	CHECK_INT(bent->issuing.hanging, 1);
}

/* The table of those who wait has few places, and nobody would ever make that list. */
static void who_asks_for_a_list_that_is_made_elsewhere_is_refused_at_once(void)
{
	struct peer p;
	auto_buf admin = BUF_INIT;
	uint64_t session = begin(&p, NULL, &admin);
	for (int i = 0; i < 70; i++) {
		CHECK_INT(peer_wait(&p, send_crl_now(&p, session, "root-1"), AT_ONCE_MS), MSG_ERROR);
		CHECK_INT(p.refusal.code, ERR_TOKEN_UNAVAILABLE);
		CHECK_TEXT(p.refusal.message, "the key of issuer root-1 is not available: its token root is offline");
	}
	CHECK_INT(peer_wait(&p, send_crl_now(&p, session, "issuing-1"), ANSWER_MS), MSG_CRL_MADE);
	peer_stop(&p);
}

static void lose_list(struct fixture *f)
{
	struct error err = ERR_INIT;
	struct store_batch *batch = store_batch_new(f->store);
	REQUIRE(batch != NULL);
	store_delete(batch, STORE_CRLS, bytes_of("issuing-1"));
	CHECK_OK(store_submit_wait(f->store, batch, NULL, &err) == 0, &err);
	bent->issuing.away = true;
}

static void a_list_that_is_due_waits_for_its_token_quietly(void)
{
	static const struct fixture_change changes[] = {
		{ "log-level = \"info\"\n", "log-level = \"info\"\n\tsigning-wait-seconds = 1\n" }, { NULL, NULL }
	};
	auto_buf admin = BUF_INIT, spki = BUF_INIT;
	struct peer p = { .admin = &admin, .quiet = true, .founded = lose_list, .in_signer = bent_install };
	p.f.changes = changes;
	bent_make();
	peer_start(&p);
	uint64_t session = peer_session(&p, &admin);
	fixture_spki(&spki);
	CHECK_INT(peer_issue(&p, session, "www.admin.test", buf_bytes(&spki)), MSG_ERROR);
	CHECK_INT(p.refusal.code, ERR_TOKEN_UNAVAILABLE);
	CHECK_INT(logged(&p, "revocation list not made"), 1); /* in that second */
	/* Who asks hears at once how it is, though the next try is far. */
	CHECK_INT(peer_wait(&p, send_crl_now(&p, session, "issuing-1"), AT_ONCE_MS), MSG_ERROR);
	CHECK_INT(p.refusal.code, ERR_TOKEN_UNAVAILABLE);
	bent->issuing.away = false;
	peer_await(&p, "chancery_crls_total", 1);
	peer_stop(&p);
}

static void who_waits_for_a_list_behind_a_call_that_does_not_return_is_answered(void)
{
	static const struct fixture_change changes[] = { { "log-level = \"info\"\n",
							   "log-level = \"info\"\n\tsigning-wait-seconds = 1\n" },
							 { "listen {\n", "listen {\n\trequest-seconds = 2\n" },
							 { NULL, NULL } };
	struct peer p;
	auto_buf admin = BUF_INIT;
	uint64_t session = begin(&p, changes, &admin);
	bent->issuing.sign = BENT_HANGS;
	int64_t begun_ms = clock_monotonic_ms();
	uint64_t first = send_crl_now(&p, session, "issuing-1");
	await_hanging();
	uint64_t behind = send_crl_now(&p, session, "issuing-1");
	CHECK_INT(peer_wait(&p, first, ANSWER_MS), MSG_ERROR);
	CHECK_INT(p.refusal.code, ERR_TOKEN_UNAVAILABLE);
	CHECK_INT(peer_wait(&p, behind, ANSWER_MS), MSG_ERROR);
	CHECK_INT(p.refusal.code, ERR_TOKEN_UNAVAILABLE);
	CHECK(clock_monotonic_ms() - begun_ms >= 2000 && clock_monotonic_ms() - begun_ms < 15000);
	bent_release(&bent->issuing);
	CHECK_INT(peer_wait(&p, send_crl_now(&p, session, "issuing-1"), ANSWER_MS), MSG_CRL_MADE);
	peer_stop(&p);
}

/* What an administrator asked for may wait as well, but does not keep the signer. */
static void a_stop_does_not_wait_for_who_waits_on_admin_sock(void)
{
	static const struct fixture_change changes[] = {
		{ "log-level = \"info\"\n", "log-level = \"info\"\n\tsigning-wait-seconds = 29\n" }, { NULL, NULL }
	};
	struct peer p;
	auto_buf admin = BUF_INIT, payload = BUF_INIT, spki = BUF_INIT;
	uint64_t session = begin(&p, changes, &admin);
	bent->issuing.away = true;
	fixture_spki(&spki);
	auto_buf issue = BUF_INIT;
	struct message_issue m = fixture_request("www.admin.test", &spki);
	m.session = session;
	message_issue_write(&m, &issue);
	(void)peer_send(&p, MSG_ISSUE, &issue);
	peer_await_token(&p, "issuing", "down");

	struct channel *front = p.channel;
	p.channel = peer_connect_admin(&p);
	REQUIRE(p.channel != NULL);
	const struct message_identity_add add = { .name = bytes_of("bob"), .roles = 1, .spki = buf_bytes(&spki) };
	message_identity_add_write(&add, &payload);
	uint64_t waits = peer_send(&p, MSG_IDENTITY_ADD, &payload);
	CHECK_INT(peer_wait(&p, waits, 100), -1); /* it does wait */
	int64_t begun_ms = clock_monotonic_ms();
	REQUIRE(shutdown(p.fd, SHUT_RDWR) == 0);
	struct channel *administrator = p.channel;
	p.channel = front;
	peer_stop(&p);
	channel_free(administrator);
	CHECK(clock_monotonic_ms() - begun_ms < 6000); /* and not as long as what it does may take */
}

SUITE(signer_lists)
{
	TEST(who_asks_for_a_list_that_is_made_elsewhere_is_refused_at_once);
	TEST(a_list_that_is_due_waits_for_its_token_quietly);
	TEST(who_waits_for_a_list_behind_a_call_that_does_not_return_is_answered);
	TEST(a_stop_does_not_wait_for_who_waits_on_admin_sock);
}
