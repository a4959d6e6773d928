/* A hostile front, and one that behaves, over a socket pair against the real
 * signer in a process of its own. */
#include <openssl/x509v3.h>

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/channel.h"
#include "base/ossl.h"
#include "ca-core/role.h"
#include "tests/unit/ca-core/fixture.h"

#define ANSWER_MS 20000

struct peer {
	struct fixture f;
	pid_t pid;
	struct channel *channel;
	int fd; /* the raw end, where there is no channel */
	uint64_t next_id;
	struct frame frame;   /* the last answer */
	struct error refusal; /* where it was MSG_ERROR */
};

static struct sockaddr_un admin_address(const char *state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int len = snprintf(address.sun_path, sizeof(address.sun_path), "%s/admin.sock", state);
	REQUIRE(len > 0 && len < (int)sizeof(address.sun_path));
	return address;
}

static int admin_listener(const char *state)
{
	struct sockaddr_un address = admin_address(state);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	REQUIRE(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 8) == 0);
	return fd;
}

static void child(struct fixture *f, int channel, int admin)
{
	struct error err = ERR_INIT;
	struct role role = { .config = f->config,
			     .channel = channel,
			     .admin = admin,
			     .control = -1,
			     .validator = -1,
			     .webhook_secret = -1,
			     .mail_password = -1,
			     .admin_uid = getuid(),
			     .clock = clock_system() };
	for (size_t i = 0; i < CA_CONFIG_TOKENS_MAX; i++)
		role.pins[i] = f->online[i] ? secret_to_memfd(f->online[i], &err) : -1;
	log_open("signer", LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	_exit(chdir(f->state) ? 99 : ca_signer_main(&role));
}

/* Founds a CA, enrols alice and admin, and starts the signer. */
static void start(struct peer *p, bool raw, struct buf *alice, struct buf *admin)
{
	struct error err = ERR_INIT;
	int ends[2];
	*p = (struct peer){ .fd = -1 };
	fixture_open(&p->f);
	if (alice)
		fixture_enrol(&p->f, "alice", ROLE_REQUESTER, alice);
	if (admin)
		fixture_enrol(&p->f, "admin", 15, admin);
	store_close(p->f.store);
	p->f.store = NULL;
	ca_close(p->f.ca);
	p->f.ca = NULL;
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	int listener = admin_listener(p->f.state);
	p->pid = fork();
	if (p->pid == 0) {
		(void)close(ends[0]);
		child(&p->f, ends[1], listener);
	}
	REQUIRE(p->pid > 0);
	(void)close(ends[1]);
	(void)close(listener);
	if (raw)
		p->fd = ends[0];
	else
		p->channel = channel_new(ends[0], &err);
	CHECK_OK(raw || p->channel, &err);
}

/* Closes the channel: the signer must leave by itself, in order. */
static void stop(struct peer *p)
{
	int status = -1;
	if (p->channel)
		channel_free(p->channel);
	if (p->fd >= 0)
		(void)close(p->fd);
	p->channel = NULL;
	p->fd = -1;
	CHECK(waitpid(p->pid, &status, 0) == p->pid);
	CHECK_INT(status, 0);
	fixture_close(&p->f);
}

/* Asks and waits for the answer with the same id; its type. */
static int ask(struct peer *p, uint16_t type, const struct buf *payload)
{
	struct error err = ERR_INIT;
	uint64_t id = ++p->next_id;
	CHECK_OK(channel_send(p->channel, type, id, buf_bytes(payload), &err) == 0, &err);
	do {
		int got = channel_receive(p->channel, &p->frame, ANSWER_MS, &err);
		CHECK_OK(got == 1, &err);
	} while (p->frame.id != id);
	if (p->frame.type == MSG_ERROR)
		CHECK_OK(message_error_read(p->frame.payload, &p->refusal, &err) == 0, &err);
	return p->frame.type;
}

static uint64_t open_session(struct peer *p, const struct buf *certificate)
{
	struct error err = ERR_INIT;
	auto_buf payload = BUF_INIT;
	struct message_session session;
	const struct message_session_open m = { MESSAGE_PROOF_CERTIFICATE, buf_bytes(certificate),
						bytes_of("192.0.2.1:5") };
	message_session_open_write(&m, &payload);
	CHECK_INT(ask(p, MSG_SESSION_OPEN, &payload), MSG_SESSION);
	CHECK_OK(message_session_read(p->frame.payload, &session, &err) == 0, &err);
	return session.session;
}

static int ask_issue(struct peer *p, uint64_t session, const char *name, struct bytes spki)
{
	auto_buf payload = BUF_INIT;
	struct message_issue m = fixture_request(name, &payload);
	m.session = session;
	m.spki = spki;
	message_issue_write(&m, &payload);
	return ask(p, MSG_ISSUE, &payload);
}

static void issues_under_a_session_and_leaves_when_the_channel_closes(void)
{
	struct peer p;
	auto_buf alice = BUF_INIT, spki = BUF_INIT;
	start(&p, false, &alice, NULL);
	fixture_spki(&spki);
	uint64_t session = open_session(&p, &alice);
	CHECK_INT(ask_issue(&p, session, "www.alice.test", buf_bytes(&spki)), MSG_ISSUED);
	stop(&p);
}

static void a_requester_that_is_not_connected_gets_nothing(void)
{
	struct peer p;
	auto_buf alice = BUF_INIT, spki = BUF_INIT;
	start(&p, false, &alice, NULL);
	fixture_spki(&spki);
	static const uint64_t guesses[] = { 0, 1, 0xffff, UINT64_MAX };
	for (size_t i = 0; i < sizeof(guesses) / sizeof(guesses[0]); i++) {
		CHECK_INT(ask_issue(&p, guesses[i], "www.alice.test", buf_bytes(&spki)), MSG_ERROR);
		CHECK_INT(p.refusal.code, ERR_CONFLICT);
	}
	uint64_t session = open_session(&p, &alice);
	auto_buf close = BUF_INIT;
	const struct message_session_close m = { session };
	struct error err = ERR_INIT;
	message_session_close_write(&m, &close);
	CHECK_OK(channel_send(p.channel, MSG_SESSION_CLOSE, 0, buf_bytes(&close), &err) == 0, &err);
	CHECK_INT(ask_issue(&p, session, "www.alice.test", buf_bytes(&spki)), MSG_ERROR);
	CHECK_INT(p.refusal.code, ERR_CONFLICT);
	stop(&p);
}

static void names_outside_the_grant_and_bytes_behind_the_spki_are_refused(void)
{
	struct peer p;
	auto_buf alice = BUF_INIT, spki = BUF_INIT, longer = BUF_INIT;
	start(&p, false, &alice, NULL);
	fixture_spki(&spki);
	buf_add_bytes(&longer, buf_bytes(&spki));
	buf_add_text(&longer, "more");
	uint64_t session = open_session(&p, &alice);
	CHECK_INT(ask_issue(&p, session, "www.example.test", buf_bytes(&spki)), MSG_ERROR);
	CHECK_INT(p.refusal.code, ERR_NAME_NOT_ALLOWED);
	CHECK_INT(ask_issue(&p, session, "www.alice.test", buf_bytes(&longer)), MSG_ERROR);
	CHECK_INT(p.refusal.code, ERR_BAD_CSR);
	CHECK_INT(ask_issue(&p, session, "www.alice.test", BYTES(spki.data, 5)), MSG_ERROR);
	CHECK_INT(p.refusal.code, ERR_BAD_CSR);
	CHECK_INT(ask_issue(&p, session, "www.alice.test", buf_bytes(&spki)), MSG_ISSUED);
	stop(&p);
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
		CHECK_INT(ask(&p, (uint16_t)type, &payload), MSG_ERROR);
		CHECK_INT(p.refusal.code, ERR_BAD_REQUEST);
	}
	static const uint16_t nonsense[] = { 0, MSG_ERROR, MSG_DONE, MSG_SESSION, MSG_ISSUED, 999, 65535 };
	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++)
		CHECK_INT(ask(&p, nonsense[i], &payload), MSG_ERROR);
	stop(&p);
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
				CHECK_INT(ask(&p, (uint16_t)type, &garbage), MSG_ERROR);
		}
	}
	CHECK_INT(ask(&p, MSG_HEALTH_GET, &nothing), MSG_HEALTH);
	stop(&p);
}

static void a_frame_longer_than_any_may_be_ends_the_channel(void)
{
	struct peer p;
	start(&p, true, NULL, NULL);
	static const uint8_t header[] = { 0xff, 0xff, 0xff, 0xff, 0, 18, 0, 0, 0, 0, 0, 0, 0, 1 };
	CHECK_INT(send(p.fd, header, sizeof(header), MSG_NOSIGNAL), sizeof(header));
	stop(&p);
}

static void a_replayed_id_gets_an_answer_each_time(void)
{
	struct peer p;
	struct error err = ERR_INIT;
	auto_buf alice = BUF_INIT, payload = BUF_INIT, spki = BUF_INIT;
	start(&p, false, &alice, NULL);
	fixture_spki(&spki);
	struct message_issue m = fixture_request("www.alice.test", &spki);
	m.session = open_session(&p, &alice);
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
	stop(&p);
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
	REQUIRE(ask(&p, MSG_FRONT_CERTIFICATE, &payload) == MSG_ISSUED);
	CHECK_OK(message_issued_read(p.frame.payload, &issued, &err) == 0, &err);
	const uint8_t *at = issued.certificate.data;
	auto_x509 *x509 = d2i_X509(NULL, &at, (long)issued.certificate.len);
	REQUIRE(x509 != NULL);
	CHECK_INT(X509_check_host(x509, "localhost", 0, 0, NULL), 1);
	CHECK_INT(X509_check_ip_asc(x509, "127.0.0.1", 0), 1);
	int type = MSG_ISSUED;
	for (int i = 0; i < 50 && type == MSG_ISSUED; i++)
		type = ask(&p, MSG_FRONT_CERTIFICATE, &payload);
	CHECK_INT(type, MSG_ERROR);
	CHECK_INT(p.refusal.code, ERR_BUSY);
	stop(&p);
}

static void a_revocation_is_soon_on_the_published_list_and_ends_the_sessions(void)
{
	struct peer p;
	struct error err = ERR_INIT;
	auto_buf alice = BUF_INIT, admin = BUF_INIT, payload = BUF_INIT;
	start(&p, false, &alice, &admin);
	uint64_t session = open_session(&p, &alice), boss = open_session(&p, &admin);
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
	CHECK_INT(ask(&p, MSG_STATUS_CHANGE, &payload), MSG_STATUS_CHANGED);
	/* Unasked, the front hears whose sessions ended. */
	struct message_name dropped = { BYTES_NONE };
	for (int i = 0; i < 3 && !dropped.name.len; i++) {
		if (channel_receive(p.channel, &p.frame, 2000, &err) == 1 && p.frame.type == MSG_SESSIONS_DROP)
			CHECK_OK(message_name_read(p.frame.payload, &dropped, &err) == 0, &err);
	}
	auto_buf spki = BUF_INIT;
	fixture_spki(&spki);
	CHECK_INT(ask_issue(&p, session, "www.alice.test", buf_bytes(&spki)), MSG_ERROR);
	CHECK_INT(p.refusal.code, ERR_IDENTITY_REVOKED);

	const struct message_crl_now now = { boss, bytes_of("issuing-1") };
	struct message_crl_made made;
	buf_clear(&payload);
	message_crl_now_write(&now, &payload);
	REQUIRE(ask(&p, MSG_CRL_NOW, &payload) == MSG_CRL_MADE);
	CHECK_OK(message_crl_made_read(p.frame.payload, &made, &err) == 0, &err);
	CHECK_INT(made.entries, 1);
	stop(&p);
}

/* A connection of its own to admin.sock. */
static struct channel *connect_admin(struct peer *p)
{
	struct error err = ERR_INIT;
	struct sockaddr_un address = admin_address(p->f.state);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	REQUIRE(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return channel_new(fd, &err);
}

static void admin_sock_enrols_lists_and_removes(void)
{
	struct peer p;
	struct error err = ERR_INIT;
	auto_buf payload = BUF_INIT, spki = BUF_INIT;
	start(&p, false, NULL, NULL);
	struct channel *front = p.channel;
	p.channel = connect_admin(&p);
	REQUIRE(p.channel != NULL);
	fixture_spki(&spki);
	const struct message_identity_add add = { .name = bytes_of("bob"), .roles = 1, .spki = buf_bytes(&spki) };
	message_identity_add_write(&add, &payload);
	CHECK_INT(ask(&p, MSG_IDENTITY_ADD, &payload), MSG_ISSUED);
	CHECK_INT(ask(&p, MSG_IDENTITY_ADD, &payload), MSG_ERROR);
	CHECK_INT(p.refusal.code, ERR_ORDER_STATE);
	const struct message_name bob = { bytes_of("bob") };
	buf_clear(&payload);
	message_name_write(&bob, &payload);
	CHECK_INT(ask(&p, MSG_IDENTITY_LIST, &payload), MSG_IDENTITIES);
	CHECK_INT(ask(&p, MSG_IDENTITY_REMOVE, &payload), MSG_DONE);
	CHECK_INT(ask(&p, MSG_ISSUE, &payload), MSG_ERROR); /* not here */
	buf_clear(&payload);
	CHECK_INT(ask(&p, MSG_HEALTH_GET, &payload), MSG_HEALTH);
	auto_free struct message_health *health = calloc(1, sizeof(*health));
	REQUIRE(health != NULL);
	CHECK_OK(message_health_read(p.frame.payload, health, &err) == 0, &err);
	CHECK(health->ready);
	CHECK_BYTES(health->store_state, bytes_of("ok"));
	channel_free(p.channel);
	p.channel = front;
	stop(&p);
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
