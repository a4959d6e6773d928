/* What people are shown of an order: what they can act on, and no more than a message holds. */
#include <stdio.h>

#include "base/channel.h"
#include "ca-core/explain.h"
#include "tests/unit/ca-core/order_fixture.h"

#define MANY 1000

static bool says(struct bytes text, const char *what)
{
	return text.len && memmem(text.data, text.len, what, strlen(what));
}

static void the_longest_order_fits_a_message(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	static char names[MANY][260];
	auto_buf json = BUF_INIT;
	order_open(&o);
	struct message_order_create *m = order_request(&o, "many", NULL);
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "dns:h%d.%0*d.%0*d.%0*d.zone.test", i, 60, 1, 60, 2, 60, 3);
		m->names[m->name_count++] = bytes_of(names[i]);
	}
	order_create(&o, m);
	CHECK(o.shown.len < CHANNEL_FRAME_MAX);
	CHECK_INT(o.order.authorization_count, MANY);
	CHECK_INT(o.order.authorizations[0].method_count, 4);
	CHECK_INT(o.order.authorizations[MANY - 1].method_count, 0);
	for (int i = 0; i < 8; i++) {
		order_later(&o, 1);
		order_run(&o);
		order_answer_all(&o, 0, "wrong-value", 1);
	}
	CHECK_INT(fixture_audit_count(&o.f, "order.code-mailed"), MANY); /* in parts, by and by */
	order_look(&o);
	CHECK(o.shown.len < CHANNEL_FRAME_MAX);
	const struct ca_actor alice = order_actor("alice");
	CHECK_OK(ca_explain(o.f.ca, &alice, o.order.id, &json, &err) == 0, &err);
	CHECK(json.len < (size_t)512 << 10);
}

static void each_state_says_what_it_waits_for(void)
{
	auto_order o;
	order_open(&o);
	struct message_order_create *m = order_request(&o, "asked-caa", "www.zone.test", NULL);
	m->draft = true;
	order_create(&o, m);
	CHECK(says(o.order.waits_for, "submit"));
	CHECK_INT(order_act(&o, ORDER_ACT_SUBMIT, NULL, NULL), ERR_NONE);
	CHECK(says(o.order.waits_for, "not checked yet"));
	order_run(&o);
	order_answer_all(&o, METHOD_DNS_TXT, "ok", 1);
	order_look(&o);
	CHECK(says(o.order.waits_for, "approval by 1 more officer before 20"));
	order_later(&o, (int64_t)9 * 3600);
	CHECK_INT(order_decide(&o, &o.olga, "approve", "fine"), ERR_NONE);
	CHECK(says(o.order.waits_for, "CAA records to be looked up once more"));
	order_run(&o);
	order_answer_all(&o, 0, "ok", 1);
	struct ca_seat *seat = &ca_issuer_find(o.f.ca, bytes_of("issuing-1"))->seats[0];
	struct hsm_signer *signer = atomic_exchange(&seat->signer, NULL);
	order_run(&o);
	order_look(&o);
	CHECK(says(o.order.waits_for, "the token to be there"));
	atomic_store(&seat->signer, signer);
	order_later(&o, 60);
	order_run(&o);
	order_look(&o);
	CHECK_BYTES(o.order.status, bytes_of("issued"));
	CHECK_INT(o.order.waits_for.len, 0);
}

static void the_subject_is_shown_as_it_was_asked_and_as_it_will_be(void)
{
	auto_order o;
	order_open(&o);
	order_organization(&o, &o.olga);
	struct message_order_create *m = order_request(&o, "ov", "www.zone.test", NULL);
	m->organization = bytes_of("acme");
	order_create(&o, m);
	CHECK_BYTES(o.order.asked_subject, bytes_of("CN=www.zone.test,O=Asked For"));
	CHECK_BYTES(o.order.subject, bytes_of("O=Acme Ltd,L=Berlin,C=DE"));
}

SUITE(order_show)
{
	TEST(the_longest_order_fits_a_message);
	TEST(each_state_says_what_it_waits_for);
	TEST(the_subject_is_shown_as_it_was_asked_and_as_it_will_be);
}
