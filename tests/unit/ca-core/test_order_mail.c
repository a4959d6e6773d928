/* Codes by mail: where they go, what a wrong one costs, and that nobody learns one who does not read the mail. */
#include <stdio.h>

#include "tests/unit/ca-core/order_fixture.h"

static void check_status(const struct order_fixture *o, const char *status)
{
	char text[64];
	(void)snprintf(text, sizeof(text), "%.*s", (int)o->order.status.len, (const char *)o->order.status.data);
	CHECK_TEXT(text, status);
}

struct mails {
	size_t count;
	char to[8][128];
	char code[64];
	char body[4096];
	char needle[80]; /* the order's id */
};

static int visit(void *arg, const struct store_row *row, struct error *err)
{
	struct mails *m = arg;
	struct record_delivery d;
	if (record_delivery_decode(row->value, &d, err))
		return -1;
	if (d.kind != DELIVERY_MAIL || !memmem(d.body.data, d.body.len, "code", 4) || m->count == 8)
		return 0;
	(void)snprintf(m->to[m->count++], sizeof(m->to[0]), "%.*s", (int)d.to.len, (const char *)d.to.data);
	(void)snprintf(m->body, sizeof(m->body), "%.*s", (int)d.body.len, (const char *)d.body.data);
	const char *at = strstr(m->body, "for order ");
	at = at ? strstr(at, ":\n\n    ") : NULL;
	if (at)
		(void)snprintf(m->code, sizeof(m->code), "%.26s", at + 7);
	return 0;
}

/* The newest code: deliveries stand in the order of time. */
static void read_mails(struct order_fixture *o, struct mails *m)
{
	struct error err = ERR_INIT;
	auto_store_snapshot *snap = store_snapshot_new(o->f.store, &err);
	const struct store_range all = { 0 };
	memset(m, 0, sizeof(*m));
	REQUIRE(snap != NULL);
	CHECK_OK(store_scan(snap, STORE_DELIVERIES, &all, visit, m, &err) >= 0, &err);
}

/* Delivered: they are gone from the outbox. */
static void deliver_all(struct order_fixture *o)
{
	(void)ca_deliveries_due(o->f.ca, 100);
	for (struct order_question *q; (q = order_asked(o, MSG_DELIVER));) {
		const struct message_delivered good = { .good = true, .text = bytes_of("250 OK") };
		q->answered = true;
		ca_delivered(o->f.ca, q->id, &good);
	}
}

static void the_code_that_was_mailed_shows_the_name(void)
{
	auto_order o;
	struct mails m;
	order_open(&o);
	order_create(&o, order_request(&o, "dv-mail", "*.zone.test", NULL));
	check_status(&o, "pending-validation");
	CHECK_BYTES(o.order.authorizations[0].methods[0].type, bytes_of("mail"));
	CHECK_BYTES(o.order.authorizations[0].methods[0].where,
		    bytes_of("admin@zone.test,administrator@zone.test,webmaster@zone.test,hostmaster@zone.test,"
			     "postmaster@zone.test"));
	read_mails(&o, &m);
	CHECK_INT(m.count, 5);
	for (size_t i = 0; i < m.count; i++)
		CHECK(strstr(m.to[i], "@zone.test") != NULL);
	CHECK_INT(strlen(m.code), 26); /* 128 bits */
	CHECK(strstr(m.body, "alice has asked") != NULL);
	CHECK(strstr(m.body, "dns:*.zone.test") != NULL);
	CHECK_INT(order_act(&o, ORDER_ACT_CONFIRM, "dns:*.zone.test", m.code), ERR_NONE);
	check_status(&o, "ready");
	CHECK_BYTES(o.order.authorizations[0].methods[0].type, bytes_of("mail"));
	/* Used up. */
	CHECK_INT(order_act(&o, ORDER_ACT_CONFIRM, "dns:*.zone.test", m.code), ERR_ORDER_STATE);
	order_run(&o);
	order_look(&o);
	check_status(&o, "issued");
}

static void nobody_learns_the_code_from_the_order(void)
{
	auto_order o;
	struct mails m;
	order_open(&o);
	order_create(&o, order_request(&o, "dv-mail", "www.zone.test", NULL));
	read_mails(&o, &m);
	REQUIRE(m.code[0] != '\0');
	CHECK(!memmem(o.shown.data, o.shown.len, m.code, strlen(m.code)));
	CHECK_INT(fixture_audit_finds(&o.f, m.code), 0);
}

static void five_wrong_codes_void_it(void)
{
	auto_order o;
	struct mails m, later;
	order_open(&o);
	order_create(&o, order_request(&o, "dv-mail", "www.zone.test", NULL));
	read_mails(&o, &m);
	for (int i = 0; i < 4; i++)
		CHECK_INT(order_act(&o, ORDER_ACT_CONFIRM, "dns:www.zone.test", "aaaaaaaaaaaaaaaaaaaaaaaaaa"),
			  ERR_VALIDATION_FAILED);
	order_reopen(&o); /* a restart does not forget them */
	CHECK_INT(order_act(&o, ORDER_ACT_CONFIRM, "dns:www.zone.test", ""), ERR_VALIDATION_FAILED);
	CHECK_INT(order_act(&o, ORDER_ACT_CONFIRM, "dns:www.zone.test", m.code), ERR_VALIDATION_FAILED);
	CHECK_INT(fixture_audit_count(&o.f, "order.code-wrong"), 5);
	/* Another one is mailed on request. */
	deliver_all(&o);
	CHECK_INT(order_act(&o, ORDER_ACT_CHECK, NULL, NULL), ERR_NONE);
	read_mails(&o, &later);
	CHECK_INT(later.count, 5);
	CHECK(strcmp(later.code, m.code) != 0);
	CHECK_INT(order_act(&o, ORDER_ACT_CONFIRM, "dns:www.zone.test", m.code), ERR_VALIDATION_FAILED);
	CHECK_INT(order_act(&o, ORDER_ACT_CONFIRM, "dns:www.zone.test", later.code), ERR_NONE);
	check_status(&o, "ready");
}

static void a_code_ends_after_thirty_days(void)
{
	auto_order o;
	struct mails m;
	order_open(&o);
	order_create(&o, order_request(&o, "dv-mail", "www.zone.test", NULL));
	read_mails(&o, &m);
	order_later(&o, (int64_t)30 * 86400 + 1);
	CHECK(order_act(&o, ORDER_ACT_CONFIRM, "dns:www.zone.test", m.code) != ERR_NONE);
}

static void a_code_is_for_its_name_alone(void)
{
	auto_order o;
	struct mails m;
	order_open(&o);
	order_create(&o, order_request(&o, "dv-mail", "a.zone.test", "b.zone.test", NULL));
	read_mails(&o, &m);
	bool of_a = strstr(m.body, "with the name\n\n    dns:a.zone.test") != NULL;
	CHECK_INT(order_act(&o, ORDER_ACT_CONFIRM, of_a ? "dns:b.zone.test" : "dns:a.zone.test", m.code),
		  ERR_VALIDATION_FAILED);
	CHECK_INT(order_act(&o, ORDER_ACT_CONFIRM, "dns:c.zone.test", m.code), ERR_BAD_REQUEST);
}

static void a_good_code_is_not_followed_by_mail_after_mail(void)
{
	auto_order o;
	struct mails m;
	order_open(&o);
	order_create(&o, order_request(&o, "dv-mail", "www.zone.test", NULL));
	deliver_all(&o);
	for (int i = 0; i < 10; i++) {
		order_later(&o, 5);
		CHECK_INT(order_act(&o, ORDER_ACT_CHECK, NULL, NULL), ERR_NONE);
	}
	read_mails(&o, &m);
	CHECK_INT(m.count, 0);
	order_later(&o, 30);
	CHECK_INT(order_act(&o, ORDER_ACT_CHECK, NULL, NULL), ERR_NONE);
	read_mails(&o, &m);
	CHECK_INT(m.count, 5);
}

static void mail_goes_to_the_zones_addresses_too_and_never_to_contacts(void)
{
	auto_order o;
	struct mails m;
	static char *extra[] = { (char *)"pki@zone.test" };
	order_open(&o);
	const struct ca_texts before = o.f.config->zones[0].mail;
	o.f.config->zones[0].mail = (struct ca_texts){ extra, 1 };
	struct message_order_create *request = order_request(&o, "dv-mail", "www.zone.test", NULL);
	request->contact_count = 1;
	request->contacts[0] = (struct message_contact){ bytes_of("administrative"), bytes_of("eve@elsewhere.test") };
	order_create(&o, request);
	read_mails(&o, &m);
	CHECK_INT(m.count, 6);
	size_t zones = 0;
	for (size_t i = 0; i < m.count; i++) {
		CHECK(strcmp(m.to[i], "eve@elsewhere.test") != 0);
		zones += strcmp(m.to[i], "pki@zone.test") == 0;
	}
	CHECK_INT(zones, 1);
	o.f.config->zones[0].mail = before;
}

SUITE(order_mail)
{
	TEST(the_code_that_was_mailed_shows_the_name);
	TEST(nobody_learns_the_code_from_the_order);
	TEST(five_wrong_codes_void_it);
	TEST(a_code_ends_after_thirty_days);
	TEST(a_code_is_for_its_name_alone);
	TEST(a_good_code_is_not_followed_by_mail_after_mail);
	TEST(mail_goes_to_the_zones_addresses_too_and_never_to_contacts);
}
