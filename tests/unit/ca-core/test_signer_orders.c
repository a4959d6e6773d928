/* Orders through the real signer in a process of its own: the test is its front, and its validator. */
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/channel.h"
#include "ca-core/message_order.h"
#include "ca-core/role.h"
#include "store/record_order.h"
#include "tests/unit/ca-core/fixture.h"

#define ANSWER_MS 20000

static const char configuration[] =
	"zone \"private\" {\n  suffixes = { \"zone.test\", \".zone.test\" }\n  public = false\n}\n"
	"profile \"dv\" {\n  kind = \"server\"\n  issuer = \"issuing-1\"\n  waivers = { \"internal-names\" }\n"
	"  methods = { \"dns-txt\", \"http\" }\n  caa = \"off\"\n}\n";

struct peer {
	struct fixture f;
	pid_t pid;
	struct channel *front, *validator;
	uint64_t next_id, session;
	struct frame frame; /* the last answer to the front */
	struct error refusal;
	struct buf kept; /* of it, where it is an order */
	struct message_order order;
};

static void child(struct fixture *f, int front, int validator)
{
	struct error err = ERR_INIT;
	struct role role = { .config = f->config,
			     .channel = front,
			     .validator = validator,
			     .admin = -1,
			     .control = -1,
			     .webhook_secret = -1,
			     .mail_password = -1,
			     .admin_uid = getuid(),
			     .clock = clock_system() };
	for (size_t i = 0; i < CA_CONFIG_TOKENS_MAX; i++)
		role.pins[i] = f->online[i] ? secret_to_memfd(f->online[i], &err) : -1;
	log_open("signer", LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	_exit(chdir(f->state) ? 99 : ca_signer_main(&role));
}

static int ask(struct peer *p, uint16_t type, const struct buf *payload)
{
	struct error err = ERR_INIT;
	uint64_t id = ++p->next_id;
	CHECK_OK(channel_send(p->front, type, id, buf_bytes(payload), &err) == 0, &err);
	do {
		int got = channel_receive(p->front, &p->frame, ANSWER_MS, &err);
		CHECK_OK(got == 1, &err);
	} while (p->frame.id != id);
	if (p->frame.type == MSG_ERROR)
		CHECK_OK(message_error_read(p->frame.payload, &p->refusal, &err) == 0, &err);
	if (p->frame.type == MSG_ORDER) {
		buf_clear(&p->kept);
		buf_add_bytes(&p->kept, p->frame.payload);
		CHECK_OK(message_order_read(buf_bytes(&p->kept), &p->order, &err) == 0, &err);
	}
	return p->frame.type;
}

static void start(struct peer *p)
{
	struct error err = ERR_INIT;
	int front[2], validator[2];
	auto_buf alice = BUF_INIT, payload = BUF_INIT;
	struct message_session session;
	memset(p, 0, sizeof(*p));
	p->f.more = configuration;
	fixture_open(&p->f);
	fixture_enrol(&p->f, "alice", ROLE_REQUESTER, &alice);
	store_close(p->f.store);
	p->f.store = NULL;
	ca_close(p->f.ca);
	p->f.ca = NULL;
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, front) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, validator) == 0);
	p->pid = fork();
	if (p->pid == 0) {
		(void)close(front[0]);
		(void)close(validator[0]);
		child(&p->f, front[1], validator[1]);
	}
	REQUIRE(p->pid > 0);
	(void)close(front[1]);
	(void)close(validator[1]);
	p->front = channel_new(front[0], &err);
	p->validator = channel_new(validator[0], &err);
	CHECK_OK(p->front && p->validator, &err);
	const struct message_session_open m = { MESSAGE_PROOF_CERTIFICATE, buf_bytes(&alice), bytes_of("192.0.2.1:5") };
	message_session_open_write(&m, &payload);
	CHECK_INT(ask(p, MSG_SESSION_OPEN, &payload), MSG_SESSION);
	CHECK_OK(message_session_read(p->frame.payload, &session, &err) == 0, &err);
	p->session = session.session;
}

static void stop(struct peer *p)
{
	int status = -1;
	channel_free(p->front);
	CHECK(waitpid(p->pid, &status, 0) == p->pid);
	CHECK_INT(status, 0);
	channel_free(p->validator);
	buf_free(&p->kept);
	fixture_close(&p->f);
}

static void create(struct peer *p, const struct buf *spki)
{
	auto_free struct message_order_create *m = calloc(1, sizeof(*m));
	auto_buf payload = BUF_INIT;
	REQUIRE(m != NULL);
	m->session = p->session;
	m->profile = bytes_of("dv");
	m->names[m->name_count++] = bytes_of("dns:www.zone.test");
	m->spki = buf_bytes(spki);
	message_order_create_write(m, &payload);
	CHECK_INT(ask(p, MSG_ORDER_CREATE, &payload), MSG_ORDER);
}

static void get(struct peer *p, const char *id)
{
	auto_buf payload = BUF_INIT;
	const struct message_order_get m = { .session = p->session, .id = bytes_of(id) };
	message_order_get_write(&m, &payload);
	CHECK_INT(ask(p, MSG_ORDER_GET, &payload), MSG_ORDER);
}

/* What the signer asks the validator next: its id. */
static uint64_t await_check(struct peer *p, struct message_validate *m)
{
	struct error err = ERR_INIT;
	struct frame frame;
	int got = channel_receive(p->validator, &frame, ANSWER_MS, &err);
	CHECK_OK(got == 1, &err);
	CHECK_INT(frame.type, MSG_VALIDATE);
	CHECK_OK(message_validate_read(frame.payload, m, &err) == 0, &err);
	return frame.id;
}

static void answer_check(const struct buf *shown, struct channel *channel, uint64_t id)
{
	struct error err = ERR_INIT;
	CHECK_OK(channel_send(channel, MSG_VALIDATED, id, buf_bytes(shown), &err) == 0, &err);
}

static void seen(struct buf *out)
{
	const struct message_validated m = { .shown = METHOD_DNS_TXT,
					     .attempt_count = 1,
					     .attempts = { { METHOD_DNS_TXT, bytes_of("ok"), bytes_of("seen") } } };
	message_validated_write(&m, out);
}

static void an_order_goes_from_the_front_by_the_validator_to_the_token(void)
{
	struct peer p;
	struct message_validate asked;
	char id[65];
	auto_buf spki = BUF_INIT, shown = BUF_INIT;
	fixture_spki(&spki);
	start(&p);
	create(&p, &spki);
	(void)snprintf(id, sizeof(id), "%.*s", (int)p.order.id.len, (const char *)p.order.id.data);
	CHECK_BYTES(p.order.status, bytes_of("pending-validation"));
	uint64_t check = await_check(&p, &asked);
	CHECK_BYTES(asked.name, bytes_of("dns:www.zone.test"));
	seen(&shown);
	answer_check(&shown, p.validator, check);
	int64_t until_ms = clock_monotonic_ms() + ANSWER_MS;
	do
		get(&p, id);
	while (!bytes_are(p.order.status, "issued") && clock_monotonic_ms() < until_ms);
	CHECK_BYTES(p.order.status, bytes_of("issued"));
	stop(&p);
}

static void the_front_says_nothing_in_the_validators_name(void)
{
	struct peer p;
	struct message_validate asked;
	char id[65];
	auto_buf spki = BUF_INIT, shown = BUF_INIT, none = BUF_INIT;
	fixture_spki(&spki);
	start(&p);
	create(&p, &spki);
	(void)snprintf(id, sizeof(id), "%.*s", (int)p.order.id.len, (const char *)p.order.id.data);
	uint64_t check = await_check(&p, &asked);
	seen(&shown);
	/* Under the very id that the signer waits for. */
	p.next_id = check - 1;
	CHECK_INT(ask(&p, MSG_VALIDATED, &shown), MSG_ERROR);
	CHECK_INT(p.refusal.code, ERR_BAD_REQUEST);
	CHECK_INT(ask(&p, MSG_DELIVERED, &none), MSG_ERROR);
	CHECK_INT(ask(&p, MSG_VALIDATE, &none), MSG_ERROR);
	CHECK_INT(ask(&p, 0xfffe, &none), MSG_ERROR); /* the signer's own question */
	p.next_id += 1000;
	get(&p, id);
	CHECK_BYTES(p.order.status, bytes_of("pending-validation"));
	CHECK_BYTES(p.order.authorizations[0].status, bytes_of("pending"));
	stop(&p);
}

SUITE(signer_orders)
{
	TEST(an_order_goes_from_the_front_by_the_validator_to_the_token);
	TEST(the_front_says_nothing_in_the_validators_name);
}
