/* The outbox: what is told of, to whom, how often it is tried, and what is given up. */
#include <openssl/hmac.h>
#include <stdio.h>

#include "base/secret.h"
#include "base/text.h"
#include "ca-core/orders.h"
#include "tests/unit/ca-core/order_fixture.h"

struct outbox {
	size_t mails, webhooks, dead, issued;
	char last_event[64], last_to[128];
};

static int visit(void *arg, const struct store_row *row, struct error *err)
{
	struct outbox *box = arg;
	struct record_delivery d;
	if (record_delivery_decode(row->value, &d, err))
		return -1;
	box->mails += d.kind == DELIVERY_MAIL;
	box->webhooks += d.kind == DELIVERY_WEBHOOK;
	box->dead += d.due_ms == 0;
	box->issued += bytes_are(d.subject, "order.issued");
	if (d.kind == DELIVERY_WEBHOOK)
		(void)snprintf(box->last_event, sizeof(box->last_event), "%.*s", (int)d.subject.len,
			       (const char *)d.subject.data);
	else
		(void)snprintf(box->last_to, sizeof(box->last_to), "%.*s", (int)d.to.len, (const char *)d.to.data);
	return 0;
}

static struct outbox look_at_outbox(struct order_fixture *o)
{
	struct error err = ERR_INIT;
	struct outbox box = { .mails = 0 };
	auto_store_snapshot *snap = store_snapshot_new(o->f.store, &err);
	const struct store_range all = { 0 };
	REQUIRE(snap != NULL);
	CHECK_OK(store_scan(snap, STORE_DELIVERIES, &all, visit, &box, &err) >= 0, &err);
	return box;
}

static void answer_deliveries(struct order_fixture *o, bool good, bool final)
{
	for (struct order_question *q; (q = order_asked(o, MSG_DELIVER));) {
		const struct message_delivered result = { good, final, bytes_of(good ? "250 OK" : "450 later") };
		q->answered = true;
		ca_delivered(o->f.ca, q->id, &result);
	}
}

static void send_all(struct order_fixture *o)
{
	for (int i = 0; i < 100 && ca_deliveries_due(o->f.ca, 16) <= clock_monotonic_ms(); i++)
		;
}

static void each_state_is_told_to_contacts_and_to_the_webhook(void)
{
	auto_order o;
	order_open(&o);
	struct message_order_create *m = order_request(&o, "dv", "www.zone.test", NULL);
	m->contact_count = 1;
	m->contacts[0] = (struct message_contact){ bytes_of("technical"), bytes_of("ops@zone.test") };
	order_create(&o, m);
	struct outbox box = look_at_outbox(&o);
	CHECK_INT(box.mails, 1);
	CHECK_INT(box.webhooks, 1);
	CHECK_TEXT(box.last_event, "order.pending-validation");
	CHECK_TEXT(box.last_to, "ops@zone.test");
	order_run(&o);
	order_answer_all(&o, METHOD_DNS_TXT, "no-record", 1);
	order_run(&o);
	box = look_at_outbox(&o);
	CHECK_INT(box.webhooks, 2); /* ready and issuing pass by themselves */
	CHECK_INT(box.issued, 1);
	send_all(&o);
	answer_deliveries(&o, true, false);
	box = look_at_outbox(&o);
	CHECK_INT(box.mails + box.webhooks, 0);
}

static void a_webhook_is_signed_over_its_time_and_body(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	struct message_deliver m;
	uint8_t mac[32];
	unsigned mac_len = sizeof(mac);
	char expected[128], hex[65];
	order_open(&o);
	struct secret *secret = secret_new(bytes_of("s3cret"), &err);
	REQUIRE(secret != NULL);
	ca_webhook_secret_set(o.f.ca, secret);
	order_create(&o, order_request(&o, "dv", "www.zone.test", NULL));
	send_all(&o);
	struct order_question *q = order_asked(&o, MSG_DELIVER);
	REQUIRE(q != NULL);
	CHECK_OK(message_deliver_read(buf_bytes(&q->payload), &m, &err) == 0, &err);
	CHECK_BYTES(m.to, bytes_of("https://hooks.test/pki"));
	auto_buf text = BUF_INIT;
	buf_printf(&text, "%lld.", (long long)(o.f.now_ms / 1000));
	buf_add_bytes(&text, m.body);
	REQUIRE(HMAC(EVP_sha256(), "s3cret", 6, text.data, text.len, mac, &mac_len) != NULL);
	(void)snprintf(expected, sizeof(expected), "t=%lld,v1=%s", (long long)(o.f.now_ms / 1000),
		       text_hex(BYTES(mac, mac_len), hex));
	CHECK_BYTES(m.signature, bytes_of(expected));
	CHECK_INT(m.id.len, 32);
	CHECK(memmem(m.body.data, m.body.len, "\"event\":\"order.pending-validation\"", 34) != NULL);
}

static void what_fails_is_tried_again_and_given_up_at_last(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	uint64_t waiting = 0, dead = 0;
	order_open(&o);
	order_create(&o, order_request(&o, "dv", "www.zone.test", NULL));
	send_all(&o);
	answer_deliveries(&o, false, false);
	send_all(&o);
	CHECK(order_asked(&o, MSG_DELIVER) == NULL); /* not at once */
	size_t tries = 1;
	for (int i = 0; i < 200 && look_at_outbox(&o).dead == 0; i++) {
		order_later(&o, 1800);
		send_all(&o);
		tries += order_asked(&o, MSG_DELIVER) != NULL;
		answer_deliveries(&o, false, false);
	}
	CHECK_INT(tries, 14);
	CHECK_INT(look_at_outbox(&o).dead, 1);
	CHECK_INT(fixture_audit_count(&o.f, "delivery.dead"), 1);
	CHECK_OK(ca_deliveries_count(o.f.ca, &waiting, &dead, &err) == 0, &err);
	CHECK_INT(waiting, 0);
	CHECK_INT(dead, 1);
	order_later(&o, 86400);
	send_all(&o);
	CHECK(order_asked(&o, MSG_DELIVER) == NULL);
}

static void what_is_refused_for_good_is_not_tried_again(void)
{
	auto_order o;
	order_open(&o);
	order_create(&o, order_request(&o, "dv", "www.zone.test", NULL));
	send_all(&o);
	answer_deliveries(&o, false, true);
	CHECK_INT(look_at_outbox(&o).dead, 1);
}

static void without_a_validator_deliveries_wait(void)
{
	auto_order o;
	order_open(&o);
	o.validator_away = true;
	order_create(&o, order_request(&o, "dv", "www.zone.test", NULL));
	send_all(&o);
	CHECK_INT(o.question_count, 0);
	order_reopen(&o);
	o.validator_away = false;
	send_all(&o);
	CHECK(order_asked(&o, MSG_DELIVER) != NULL);
}

/* ---- certificates that are about to end ---- */

static void the_owner_is_told_thirty_fourteen_seven_and_one_day_before_the_end(void)
{
	auto_order o;
	order_open(&o);
	struct message_order_create *m = order_request(&o, "dv", "www.granted.test", NULL);
	m->contact_count = 1;
	m->contacts[0] = (struct message_contact){ bytes_of("technical"), bytes_of("ops@zone.test") };
	order_create(&o, m);
	order_run(&o);
	order_look(&o);
	CHECK_BYTES(o.order.status, bytes_of("issued"));
	size_t told = 0;
	for (int day = 0; day < 95; day++) {
		(void)ca_notify_expiring(o.f.ca);
		(void)ca_notify_expiring(o.f.ca); /* once a threshold, however often it is looked at */
		send_all(&o);
		for (struct order_question *q; (q = order_asked(&o, MSG_DELIVER));) {
			struct message_deliver d;
			struct error err = ERR_INIT;
			CHECK_OK(message_deliver_read(buf_bytes(&q->payload), &d, &err) == 0, &err);
			told += d.kind == DELIVERY_MAIL && memmem(d.body.data, d.body.len, "ends at", 7) &&
				bytes_are(d.to, "ops@zone.test");
			const struct message_delivered good = { .good = true, .text = bytes_of("250 OK") };
			q->answered = true;
			ca_delivered(o.f.ca, q->id, &good);
		}
		order_later(&o, 86400);
	}
	CHECK_INT(told, 4);
}

static void many_that_end_together_are_told_of_in_parts_and_none_twice(void)
{
	auto_order o;
	order_open(&o);
	const struct ca_actor alice = order_actor("alice");
	for (int i = 0; i < 30; i++) {
		auto_buf certificate = BUF_INIT;
		(void)fixture_issue(&o.f, &alice, "www.alice.test", &certificate);
	}
	(void)ca_notify_expiring(o.f.ca);
	order_later(&o, (int64_t)60 * 86400 + 10);
	for (int i = 0; i < 5; i++)
		(void)ca_notify_expiring(o.f.ca);
	CHECK_INT(look_at_outbox(&o).webhooks, 30 + 6); /* those of the six identities, too */
	CHECK_TEXT(look_at_outbox(&o).last_event, "certificate.expiring");
}

SUITE(notify)
{
	TEST(each_state_is_told_to_contacts_and_to_the_webhook);
	TEST(a_webhook_is_signed_over_its_time_and_body);
	TEST(what_fails_is_tried_again_and_given_up_at_last);
	TEST(what_is_refused_for_good_is_not_tried_again);
	TEST(without_a_validator_deliveries_wait);
	TEST(the_owner_is_told_thirty_fourteen_seven_and_one_day_before_the_end);
	TEST(many_that_end_together_are_told_of_in_parts_and_none_twice);
}
