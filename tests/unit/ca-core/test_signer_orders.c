/* Orders through the real signer in a process of its own: the test is its front, and its validator. */
#include <stdio.h>

#include "ca-core/message_order.h"
#include "store/record_order.h"
#include "tests/unit/ca-core/peer.h"

#define ANSWER_MS 20000

static const char sections[] =
	"zone \"private\" {\n  suffixes = { \"zone.test\", \".zone.test\" }\n  public = false\n}\n"
	"profile \"dv\" {\n  kind = \"server\"\n  issuer = \"issuing-1\"\n  waivers = { \"internal-names\" }\n"
	"  methods = { \"dns-txt\", \"http\" }\n  caa = \"off\"\n}\n";

struct orders {
	struct peer p;
	uint64_t session;
	struct buf alice, spki, kept; /* kept: the payload that order borrows from */
	char id[65];
	struct message_order order;
};

static void start(struct orders *o)
{
	memset(o, 0, sizeof(*o));
	o->p.f.more = sections;
	o->p.alice = &o->alice;
	o->p.validates = true;
	fixture_spki(&o->spki);
	peer_start(&o->p);
	o->session = peer_session(&o->p, &o->alice);
}

static void stop(struct orders *o)
{
	peer_stop(&o->p);
	buf_free(&o->alice);
	buf_free(&o->spki);
	buf_free(&o->kept);
}

static void take_order(struct orders *o)
{
	struct error err = ERR_INIT;
	buf_clear(&o->kept);
	buf_add_bytes(&o->kept, o->p.frame.payload);
	CHECK_OK(message_order_read(buf_bytes(&o->kept), &o->order, &err) == 0, &err);
	(void)snprintf(o->id, sizeof(o->id), "%.*s", (int)o->order.id.len, (const char *)o->order.id.data);
}

static void create(struct orders *o)
{
	auto_free struct message_order_create *m = calloc(1, sizeof(*m));
	auto_buf payload = BUF_INIT;
	REQUIRE(m != NULL);
	m->session = o->session;
	m->profile = bytes_of("dv");
	m->names[m->name_count++] = bytes_of("dns:www.zone.test");
	m->spki = buf_bytes(&o->spki);
	message_order_create_write(m, &payload);
	CHECK_INT(peer_ask(&o->p, MSG_ORDER_CREATE, &payload), MSG_ORDER);
	take_order(o);
}

static void get(struct orders *o)
{
	auto_buf payload = BUF_INIT;
	char id[65];
	memcpy(id, o->id, sizeof(id));
	const struct message_order_get m = { .session = o->session, .id = bytes_of(id) };
	message_order_get_write(&m, &payload);
	CHECK_INT(peer_ask(&o->p, MSG_ORDER_GET, &payload), MSG_ORDER);
	take_order(o);
}

static void await(struct orders *o, const char *status)
{
	int64_t until_ms = clock_monotonic_ms() + ANSWER_MS;
	do
		get(o);
	while (!bytes_are(o->order.status, status) && clock_monotonic_ms() < until_ms);
	CHECK_BYTES(o->order.status, bytes_of(status));
}

/* What the signer asks the validator next: its id. */
static uint64_t await_check(struct orders *o)
{
	struct error err = ERR_INIT;
	struct frame frame;
	struct message_validate m;
	int got = channel_receive(o->p.validator, &frame, ANSWER_MS, &err);
	CHECK_OK(got == 1, &err);
	CHECK_INT(frame.type, MSG_VALIDATE);
	CHECK_OK(message_validate_read(frame.payload, &m, &err) == 0, &err);
	CHECK_BYTES(m.name, bytes_of("dns:www.zone.test"));
	return frame.id;
}

static void write_shown(struct buf *out)
{
	const struct message_validated m = { .shown = METHOD_DNS_TXT,
					     .attempt_count = 1,
					     .attempts = { { METHOD_DNS_TXT, bytes_of("ok"), bytes_of("seen") } } };
	message_validated_write(&m, out);
}

static void answer_shown(struct orders *o, uint64_t id)
{
	struct error err = ERR_INIT;
	auto_buf shown = BUF_INIT;
	write_shown(&shown);
	CHECK_OK(channel_send(o->p.validator, MSG_VALIDATED, id, buf_bytes(&shown), &err) == 0, &err);
}

static void an_order_goes_from_the_front_by_the_validator_to_the_token(void)
{
	struct orders o;
	start(&o);
	create(&o);
	CHECK_BYTES(o.order.status, bytes_of("pending-validation"));
	answer_shown(&o, await_check(&o));
	await(&o, "issued");
	CHECK(o.order.certificate.len > 0);
	stop(&o);
}

static void the_front_says_nothing_in_the_validators_name(void)
{
	struct orders o;
	auto_buf shown = BUF_INIT, none = BUF_INIT;
	start(&o);
	create(&o);
	uint64_t check = await_check(&o);
	write_shown(&shown);
	o.p.next_id = check - 1; /* under the very id that the signer waits for */
	CHECK_INT(peer_ask(&o.p, MSG_VALIDATED, &shown), MSG_ERROR);
	CHECK_INT(o.p.refusal.code, ERR_BAD_REQUEST);
	CHECK_INT(peer_ask(&o.p, MSG_DELIVERED, &none), MSG_ERROR);
	CHECK_INT(peer_ask(&o.p, MSG_VALIDATE, &none), MSG_ERROR);
	CHECK_INT(peer_ask(&o.p, 0xfffe, &none), MSG_ERROR); /* the signer's own question */
	get(&o);
	CHECK_BYTES(o.order.status, bytes_of("pending-validation"));
	CHECK_BYTES(o.order.authorizations[0].status, bytes_of("pending"));
	stop(&o);
}

/* The validator's other side is closed: the order waits, and the signer answers as before. */
static void without_its_validator_the_signer_goes_on(void)
{
	struct orders o;
	auto_buf spki = BUF_INIT;
	start(&o);
	create(&o);
	(void)await_check(&o);
	channel_free(TAKE(o.p.validator));
	fixture_spki(&spki);
	CHECK_INT(peer_issue(&o.p, o.session, "www.alice.test", buf_bytes(&spki)), MSG_ISSUED);
	get(&o);
	CHECK_BYTES(o.order.status, bytes_of("pending-validation"));
	stop(&o);
}

SUITE(signer_orders)
{
	TEST(an_order_goes_from_the_front_by_the_validator_to_the_token);
	TEST(the_front_says_nothing_in_the_validators_name);
	TEST(without_its_validator_the_signer_goes_on);
}
