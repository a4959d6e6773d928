#include "tests/unit/ca-core/peer.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "ca-core/role.h"

#define ANSWER_MS 20000

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

static void child(struct peer *p, int channel, int validator, int admin)
{
	struct error err = ERR_INIT;
	struct fixture *f = &p->f;
	struct role role = { .config = f->config,
			     .channel = channel,
			     .admin = admin,
			     .control = -1,
			     .validator = validator,
			     .webhook_secret = -1,
			     .mail_password = -1,
			     .admin_uid = getuid(),
			     .clock = clock_system() };
	for (size_t i = 0; i < CA_CONFIG_TOKENS_MAX; i++)
		role.pins[i] = f->online[i] ? secret_to_memfd(f->online[i], &err) : -1;
	log_open("signer", LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	char path[300];
	(void)snprintf(path, sizeof(path), "%s/signer.log", f->state);
	if (p->quiet && !freopen(path, "we", stderr))
		_exit(98);
	if (p->in_signer)
		p->in_signer();
	_exit(chdir(f->state) ? 99 : ca_signer_main(&role));
}

void peer_start(struct peer *p)
{
	struct error err = ERR_INIT;
	int ends[2], validator[2] = { -1, -1 };
	p->fd = -1;
	fixture_open(&p->f);
	if (p->alice)
		fixture_enrol(&p->f, "alice", ROLE_REQUESTER, p->alice);
	if (p->admin)
		fixture_enrol(&p->f, "admin", 15, p->admin);
	if (p->founded)
		p->founded(&p->f);
	store_close(p->f.store);
	p->f.store = NULL;
	ca_close(p->f.ca);
	p->f.ca = NULL;
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	REQUIRE(!p->validates || socketpair(AF_UNIX, SOCK_STREAM, 0, validator) == 0);
	int listener = admin_listener(p->f.state);
	p->pid = fork();
	if (p->pid == 0) {
		(void)close(ends[0]);
		fd_cleanup(&validator[0]);
		child(p, ends[1], validator[1], listener);
	}
	REQUIRE(p->pid > 0);
	(void)close(ends[1]);
	fd_cleanup(&validator[1]);
	if (p->validates)
		p->validator = channel_new(validator[0], &err);
	CHECK_OK(!p->validates || p->validator, &err);
	(void)close(listener);
	p->fd = p->raw ? ends[0] : dup(ends[0]);
	if (!p->raw)
		p->channel = channel_new(ends[0], &err);
	CHECK_OK(p->raw || p->channel, &err);
}

void peer_stop(struct peer *p)
{
	int status = -1;
	if (p->fd >= 0)
		(void)close(p->fd);
	if (p->channel)
		channel_free(p->channel);
	p->channel = NULL;
	p->fd = -1;
	CHECK(waitpid(p->pid, &status, 0) == p->pid);
	CHECK_INT(status, 0);
	if (p->validator)
		channel_free(p->validator);
	p->validator = NULL;
	for (size_t i = 0; i < p->answer_count; i++)
		buf_free(&p->answers[i].payload);
	buf_free(&p->last.payload);
	fixture_close(&p->f);
}

/* ---- asking ---- */

uint64_t peer_send(struct peer *p, uint16_t type, const struct buf *payload)
{
	struct error err = ERR_INIT;
	uint64_t id = ++p->next_id;
	CHECK_OK(channel_send(p->channel, type, id, buf_bytes(payload), &err) == 0, &err);
	return id;
}

/* Takes one frame off the channel. False where none comes in time. */
static bool take(struct peer *p, int64_t timeout_ms)
{
	struct error err = ERR_INIT;
	if (channel_receive(p->channel, &p->frame, timeout_ms, &err) != 1)
		return false;
	REQUIRE(p->answer_count < PEER_ANSWERS_MAX);
	struct peer_answer *a = &p->answers[p->answer_count++];
	*a = (struct peer_answer){ .id = p->frame.id, .type = p->frame.type };
	buf_add_bytes(&a->payload, p->frame.payload);
	if (a->type == MSG_ERROR)
		CHECK_OK(message_error_read(p->frame.payload, &a->refusal, &err) == 0, &err);
	return true;
}

/* Moves the answer with this id to `last`. */
static bool find(struct peer *p, uint64_t id)
{
	for (size_t i = 0; i < p->answer_count; i++) {
		if (p->answers[i].id != id)
			continue;
		buf_free(&p->last.payload);
		p->last = p->answers[i];
		p->answers[i] = p->answers[--p->answer_count];
		return true;
	}
	return false;
}

int peer_wait(struct peer *p, uint64_t id, int64_t timeout_ms)
{
	int64_t until_ms = clock_monotonic_ms() + timeout_ms, left_ms = timeout_ms;
	while (!find(p, id)) {
		if (left_ms < 0 || !take(p, left_ms))
			return -1;
		left_ms = until_ms - clock_monotonic_ms();
	}
	p->frame = (struct frame){ p->last.type, p->last.id, buf_bytes(&p->last.payload) };
	if (p->last.type == MSG_ERROR)
		p->refusal = p->last.refusal;
	return p->last.type;
}

int peer_ask(struct peer *p, uint16_t type, const struct buf *payload)
{
	int answered = peer_wait(p, peer_send(p, type, payload), ANSWER_MS);
	REQUIRE(answered >= 0);
	return answered;
}

uint64_t peer_session(struct peer *p, const struct buf *certificate)
{
	struct error err = ERR_INIT;
	auto_buf payload = BUF_INIT;
	struct message_session session;
	const struct message_session_open m = { MESSAGE_PROOF_CERTIFICATE, buf_bytes(certificate),
						bytes_of("192.0.2.1:5") };
	message_session_open_write(&m, &payload);
	CHECK_INT(peer_ask(p, MSG_SESSION_OPEN, &payload), MSG_SESSION);
	CHECK_OK(message_session_read(p->frame.payload, &session, &err) == 0, &err);
	return session.session;
}

uint64_t peer_send_issue(struct peer *p, uint64_t session, const char *profile, const char *name, struct bytes spki)
{
	auto_buf payload = BUF_INIT;
	struct message_issue m = fixture_request(name, &payload);
	m.session = session;
	m.profile = bytes_of(profile);
	m.spki = spki;
	message_issue_write(&m, &payload);
	return peer_send(p, MSG_ISSUE, &payload);
}

int peer_issue(struct peer *p, uint64_t session, const char *name, struct bytes spki)
{
	int answered = peer_wait(p, peer_send_issue(p, session, "server-dv", name, spki), ANSWER_MS);
	REQUIRE(answered >= 0);
	return answered;
}

/* ---- looking ---- */

static struct message_health *health_of(struct peer *p)
{
	struct error err = ERR_INIT;
	auto_buf nothing = BUF_INIT;
	struct message_health *health = calloc(1, sizeof(*health));
	REQUIRE(health != NULL);
	CHECK_INT(peer_ask(p, MSG_HEALTH_GET, &nothing), MSG_HEALTH);
	CHECK_OK(message_health_read(p->frame.payload, health, &err) == 0, &err);
	return health;
}

int64_t peer_counter(struct peer *p, const char *name)
{
	auto_free struct message_health *health = health_of(p);
	for (uint32_t i = 0; i < health->counter_count; i++)
		if (bytes_are(health->counters[i].name, name))
			return (int64_t)health->counters[i].value;
	return -1;
}

/* Between one look and the next. */
static void pause_between(void)
{
	const struct timespec pause = { 0, 5000000 };
	(void)nanosleep(&pause, NULL);
}

void peer_await(struct peer *p, const char *counter, int64_t value)
{
	int64_t until_ms = clock_monotonic_ms() + ANSWER_MS, now = peer_counter(p, counter);
	while (now != value && clock_monotonic_ms() < until_ms) {
		pause_between();
		now = peer_counter(p, counter);
	}
	CHECK_INT(now, value);
}

void peer_await_ready(struct peer *p)
{
	int64_t until_ms = clock_monotonic_ms() + ANSWER_MS;
	for (;;) {
		auto_free struct message_health *health = health_of(p);
		if (health->ready || clock_monotonic_ms() > until_ms) {
			CHECK(health->ready);
			return;
		}
		pause_between();
	}
}

static bool has_state(const struct message_health *health, const char *token, const char *state)
{
	for (uint32_t i = 0; i < health->token_count; i++)
		if (bytes_are(health->tokens[i].name, token))
			return bytes_are(health->tokens[i].state, state);
	return false;
}

void peer_await_token(struct peer *p, const char *token, const char *state)
{
	int64_t until_ms = clock_monotonic_ms() + ANSWER_MS;
	for (;;) {
		auto_free struct message_health *health = health_of(p);
		bool has = has_state(health, token, state);
		if (has || clock_monotonic_ms() > until_ms) {
			CHECK_TEXT(has ? state : "another", state);
			return;
		}
		pause_between();
	}
}

struct channel *peer_connect_admin(struct peer *p)
{
	struct error err = ERR_INIT;
	struct sockaddr_un address = admin_address(p->f.state);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	REQUIRE(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return channel_new(fd, &err);
}
