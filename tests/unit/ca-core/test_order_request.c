/* A request for a certificate that no grant covers becomes an order. */
#include "ca-core/order_request.h"

#include <stdio.h>

#include "ca-core/issuance.h"
#include "tests/unit/ca-core/order_fixture.h"

static struct message_issue request(struct order_fixture *o, const char *profile, const char *name)
{
	struct message_issue m;
	memset(&m, 0, sizeof(m));
	(void)snprintf(o->names[0], sizeof(o->names[0]), "dns:%s", name);
	m.profile = bytes_of(profile);
	m.names[m.name_count++] = bytes_of(o->names[0]);
	m.spki = buf_bytes(&o->spki);
	return m;
}

struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t answered_cond;
	bool answered, issued;
	struct error *err;
};

static void answered(void *arg, const struct message_issued *issued, const struct error *err)
{
	struct waiter *w = arg;
	(void)pthread_mutex_lock(&w->lock);
	w->answered = true;
	w->issued = issued != NULL;
	if (err)
		*w->err = *err;
	(void)pthread_cond_signal(&w->answered_cond);
	(void)pthread_mutex_unlock(&w->lock);
}

/* As the signer does it: first a certificate, then an order. The answer's type, or -1 with err. */
static int ask(struct order_fixture *o, const struct message_issue *m, struct buf *out, struct error *err)
{
	const struct ca_actor alice = order_actor("alice");
	const struct ca_token *token = ca_token_find(o->f.ca, bytes_of("issuing"));
	struct waiter w = { .lock = PTHREAD_MUTEX_INITIALIZER, .answered_cond = PTHREAD_COND_INITIALIZER, .err = err };
	*err = ERR_INIT;
	buf_clear(out);
	if (ca_issue_at(o->f.ca, token, &alice, m, answered, &w, err) == 0) {
		(void)pthread_mutex_lock(&w.lock);
		while (!w.answered)
			(void)pthread_cond_wait(&w.answered_cond, &w.lock);
		(void)pthread_mutex_unlock(&w.lock);
		return err->code ? -1 : w.issued ? MSG_ISSUED : MSG_DONE;
	}
	return ca_order_may_follow(err->code) ? ca_order_instead(o->f.ca, NULL, &alice, m, out, err) : -1;
}

static void read_order(struct order_fixture *o, const struct buf *out)
{
	struct error err = ERR_INIT;
	buf_clear(&o->shown);
	buf_add_bytes(&o->shown, buf_bytes(out));
	CHECK_OK(message_order_read(buf_bytes(&o->shown), &o->order, &err) == 0, &err);
}

static void what_no_grant_covers_becomes_an_order(void)
{
	auto_order o;
	struct error err;
	auto_buf out = BUF_INIT;
	order_open(&o);
	struct message_issue m = request(&o, "dv", "www.granted.test");
	CHECK_INT(ask(&o, &m, &out, &err), MSG_ISSUED);
	m = request(&o, "dv", "www.zone.test");
	m.asked_subject = bytes_of("CN=www.zone.test,O=Asked For");
	m.not_copied_count = 1;
	m.not_copied[0] = bytes_of("O=Asked For");
	CHECK_INT(ask(&o, &m, &out, &err), MSG_ORDER);
	read_order(&o, &out);
	CHECK_BYTES(o.order.status, bytes_of("pending-validation"));
	CHECK_BYTES(o.order.asked_subject, m.asked_subject);
	CHECK_BYTES(o.order.not_copied[0], m.not_copied[0]);
	CHECK_INT(fixture_audit_count(&o.f, "order.created"), 1);
	m = request(&o, "asked", "www.granted.test"); /* granted, but people are asked */
	CHECK_INT(ask(&o, &m, &out, &err), MSG_ORDER);
	read_order(&o, &out);
	CHECK_BYTES(o.order.status, bytes_of("pending-approval"));
	CHECK_INT(atomic_load(&o.f.ca->counters.refused[ERR_NAME_NOT_ALLOWED]), 0);
}

static void what_no_order_could_show_stays_refused(void)
{
	auto_order o;
	struct error err;
	auto_buf out = BUF_INIT;
	order_open(&o);
	struct message_issue m = request(&o, "dv", "www.elsewhere.test");
	CHECK_INT(ask(&o, &m, &out, &err), -1);
	CHECK_INT(err.code, ERR_NAME_NOT_ALLOWED);
	m = request(&o, "client", "www.zone.test");
	m.common_name = bytes_of("www");
	CHECK_INT(ask(&o, &m, &out, &err), -1);
	CHECK_INT(err.code, ERR_NAME_NOT_ALLOWED);
	m = request(&o, "ov", "www.zone.test");
	CHECK_INT(ask(&o, &m, &out, &err), -1);
	CHECK_INT(err.code, ERR_ORGANIZATION_NOT_VALID);
	CHECK_INT(fixture_audit_count(&o.f, "order.created"), 0);
	CHECK_INT(atomic_load(&o.f.ca->counters.refused[ERR_NAME_NOT_ALLOWED]), 2);
	CHECK_INT(atomic_load(&o.f.ca->counters.refused[ERR_ORGANIZATION_NOT_VALID]), 1);
}

static void where_nothing_is_left_to_wait_for_it_is_issued_at_once(void)
{
	auto_order o;
	struct error err;
	auto_buf out = BUF_INIT;
	struct message_issued issued;
	order_open(&o);
	struct message_issue m = request(&o, "dv", "www.zone.test");
	CHECK_INT(ask(&o, &m, &out, &err), MSG_ORDER);
	order_run(&o);
	order_answer_all(&o, METHOD_DNS_TXT, "no-record", 1);
	order_run(&o);
	size_t before = order_certificates(&o);
	CHECK_INT(ask(&o, &m, &out, &err), MSG_ISSUED);
	CHECK_OK(message_issued_read(buf_bytes(&out), &issued, &err) == 0, &err);
	CHECK(issued.certificate.len > 0 && !issued.again);
	CHECK_INT(order_certificates(&o), before + 1);
}

static void a_dry_run_shows_the_order_and_makes_none(void)
{
	auto_order o;
	struct error err;
	auto_buf out = BUF_INIT;
	order_open(&o);
	struct message_issue m = request(&o, "dv", "www.zone.test");
	m.dry_run = true;
	CHECK_INT(ask(&o, &m, &out, &err), MSG_ORDER);
	read_order(&o, &out);
	CHECK_INT(o.order.id.len, 0);
	CHECK_BYTES(o.order.status, bytes_of("pending-validation"));
	CHECK(o.order.waits_for.len > 0);
	CHECK_INT(fixture_audit_count(&o.f, "order.created"), 0);
	order_run(&o);
	CHECK_INT(o.question_count, 0);
	m = request(&o, "dv", "www.granted.test");
	m.dry_run = true;
	CHECK_INT(ask(&o, &m, &out, &err), MSG_DONE);
}

static void the_same_idempotency_key_gives_the_same_order_and_then_its_certificate(void)
{
	auto_order o;
	struct error err;
	auto_buf out = BUF_INIT;
	struct message_issued issued;
	char first[65];
	order_open(&o);
	struct message_issue m = request(&o, "dv", "www.zone.test");
	m.idempotency_key = bytes_of("deploy-17");
	CHECK_INT(ask(&o, &m, &out, &err), MSG_ORDER);
	read_order(&o, &out);
	(void)snprintf(first, sizeof(first), "%.*s", (int)o.order.id.len, (const char *)o.order.id.data);
	CHECK_INT(ask(&o, &m, &out, &err), MSG_ORDER);
	read_order(&o, &out);
	CHECK_BYTES(o.order.id, bytes_of(first));
	CHECK_INT(fixture_audit_count(&o.f, "order.created"), 1);
	/* Another request under it is refused. */
	struct message_issue other = request(&o, "dv", "mail.zone.test");
	other.idempotency_key = m.idempotency_key;
	CHECK_INT(ask(&o, &other, &out, &err), -1);
	CHECK_INT(err.code, ERR_BAD_REQUEST);

	m = request(&o, "dv", "www.zone.test");
	m.idempotency_key = bytes_of("deploy-17");
	order_run(&o);
	order_answer_all(&o, METHOD_DNS_TXT, "no-record", 1);
	order_run(&o);
	order_reopen(&o);
	size_t before = order_certificates(&o);
	CHECK_INT(ask(&o, &m, &out, &err), MSG_ISSUED);
	CHECK_OK(message_issued_read(buf_bytes(&out), &issued, &err) == 0, &err);
	CHECK(issued.again);
	CHECK_INT(order_certificates(&o), before);
	/* A day later the key is free. */
	order_later(&o, 86400 + 10);
	CHECK_INT(ask(&o, &m, &out, &err), MSG_ISSUED);
	CHECK_OK(message_issued_read(buf_bytes(&out), &issued, &err) == 0, &err);
	CHECK(!issued.again);
}

/* What a grant covered then is looked up by its key, too, when it covers it no more. */
static void a_key_that_gave_a_certificate_gives_it_again(void)
{
	auto_order o;
	struct error err;
	auto_buf out = BUF_INIT;
	struct message_issued issued;
	order_open(&o);
	struct message_issue m = request(&o, "dv", "www.granted.test");
	m.idempotency_key = bytes_of("deploy-18");
	CHECK_INT(ask(&o, &m, &out, &err), MSG_ISSUED);
	for (size_t i = 0; i < o.f.config->grant_count; i++)
		if (strcmp(o.f.config->grants[i].name, "orders") == 0)
			o.f.config->grants[i].suffixes.items[0][0] = o.f.config->grants[i].suffixes.items[1][1] = 'x';
	/* It is no private zone's name either: an order could not show it. */
	CHECK_INT(ask(&o, &m, &out, &err), MSG_ISSUED);
	CHECK_OK(message_issued_read(buf_bytes(&out), &issued, &err) == 0, &err);
	CHECK(issued.again);
}

SUITE(order_request)
{
	TEST(what_no_grant_covers_becomes_an_order);
	TEST(what_no_order_could_show_stays_refused);
	TEST(where_nothing_is_left_to_wait_for_it_is_issued_at_once);
	TEST(a_dry_run_shows_the_order_and_makes_none);
	TEST(the_same_idempotency_key_gives_the_same_order_and_then_its_certificate);
	TEST(a_key_that_gave_a_certificate_gives_it_again);
}
