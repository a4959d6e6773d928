/* What orders do by the clock: they end, and very many of them cost little. */
#include <malloc.h>
#include <stdio.h>
#include <time.h>

#include "ca-core/orders.h"
#include "tests/unit/ca-core/order_fixture.h"

static void check_status(const struct order_fixture *o, const char *status)
{
	char text[64];
	(void)snprintf(text, sizeof(text), "%.*s", (int)o->order.status.len, (const char *)o->order.status.data);
	CHECK_TEXT(text, status);
}

static void drafts_and_pending_orders_end(void)
{
	auto_order o;
	char draft[65];
	order_open(&o);
	struct message_order_create *m = order_request(&o, "dv", "a.zone.test", NULL);
	m->draft = true;
	order_create(&o, m);
	(void)snprintf(draft, sizeof(draft), "%.*s", (int)o.order.id.len, (const char *)o.order.id.data);
	order_create(&o, order_request(&o, "dv", "b.zone.test", NULL));
	order_run(&o);
	order_answer_all(&o, 0, "nxdomain", 1);
	order_later(&o, (int64_t)30 * 86400 - 10);
	order_run(&o);
	order_answer_all(&o, 0, "nxdomain", 1);
	order_look(&o);
	check_status(&o, "pending-validation");
	order_later(&o, 20);
	order_run(&o);
	order_look(&o);
	check_status(&o, "expired");
	CHECK_INT(fixture_audit_count(&o.f, "order.expired"), 2);
	o.order.id = bytes_of(draft);
	order_look(&o);
	check_status(&o, "expired");
	CHECK_INT(order_act(&o, ORDER_ACT_SUBMIT, NULL, NULL), ERR_ORDER_STATE);
}

static void an_order_that_waits_for_officers_ends_too(void)
{
	auto_order o;
	order_open(&o);
	order_create(&o, order_request(&o, "asked", "www.granted.test", NULL));
	check_status(&o, "pending-approval");
	for (int day = 0; day < 31; day++) {
		order_later(&o, 86400);
		order_run(&o);
	}
	order_look(&o);
	check_status(&o, "expired");
	order_reopen(&o);
	struct store_status s;
	store_status(o.f.store, &s);
	CHECK_INT(s.unfinished, 0);
	struct error err = ERR_INIT;
	CHECK_OK(store_check(o.f.store, NULL, NULL, NULL, &err) == 0, &err);
}

static void with_the_clock_set_back_nothing_is_done(void)
{
	auto_order o;
	order_open(&o);
	order_create(&o, order_request(&o, "dv", "www.granted.test", NULL));
	check_status(&o, "ready");
	order_later(&o, -3600);
	CHECK_INT(order_refused(&o, order_request(&o, "dv", "www.granted.test", NULL)), ERR_BUSY);
	order_run(&o);
	order_look(&o);
	check_status(&o, "ready");
	order_later(&o, 3700);
	order_run(&o);
	order_look(&o);
	check_status(&o, "issued");
}

static void what_is_due_later_is_told_when(void)
{
	auto_order o;
	order_open(&o);
	int64_t now_ms = clock_monotonic_ms();
	CHECK(ca_orders_due(o.f.ca, 16) > now_ms + 30000); /* nothing is */
	order_create(&o, order_request(&o, "dv", "www.zone.test", NULL));
	order_run(&o);
	order_answer_all(&o, 0, "nxdomain", 1);
	order_later(&o, 50);
	now_ms = clock_monotonic_ms();
	int64_t next_ms = ca_orders_due(o.f.ca, 16);
	CHECK(next_ms > now_ms + 5000 && next_ms < now_ms + 20000);
}

/* ---- very many ---- */

#define MANY 400

struct woken {
	struct ca *ca;
	unsigned times;
	uint64_t deliveries; /* that could be found when it was told */
};

static void woken(void *arg)
{
	struct woken *w = arg;
	struct error err = ERR_INIT;
	uint64_t dead;
	w->times++;
	CHECK_OK(ca_deliveries_count(w->ca, &w->deliveries, &dead, &err) == 0, &err);
}

/* Who is woken before the commit finds nothing, and rests again. */
static void what_is_due_sooner_is_told_when_it_can_be_found(void)
{
	auto_order o;
	order_open(&o);
	struct woken w = { .ca = o.f.ca };
	o.f.ca->on_order_due = woken;
	o.f.ca->on_order_due_arg = &w;
	order_create(&o, order_request(&o, "dv-mail", "www.zone.test", NULL));
	CHECK(w.deliveries > 0);
	order_create(&o, order_request(&o, "dv", "other.zone.test", NULL));
	order_run(&o);
	order_answer_all(&o, 0, "nxdomain", 1);
	w.times = 0;
	CHECK_INT(order_act(&o, ORDER_ACT_CHECK, NULL, NULL), ERR_NONE); /* in five seconds, not in a minute */
	CHECK(w.times > 0);
}

static void not_vetted(struct message_organization *m)
{
	m->street = bytes_of("Another Street 2");
}

/* What waits for people, and not for the clock, is looked at now and then: not without a pause. */
static void orders_that_wait_for_a_record_rest(void)
{
	auto_order o;
	char name[64];
	order_open(&o);
	order_organization(&o, &o.olga);
	for (int i = 0; i < 64; i++) {
		(void)snprintf(name, sizeof(name), "h%d.zone.test", i);
		struct message_order_create *m = order_request(&o, "ov", name, NULL);
		m->organization = bytes_of("acme");
		order_create(&o, m);
	}
	order_run(&o);
	order_answer_all(&o, 2, "", 1);
	order_change_organization(&o, not_vetted);
	order_run(&o);
	for (int hours = 0; hours < 3; hours++) {
		order_later(&o, 7200);
		for (int i = 0; i < 4; i++)
			(void)ca_orders_due(o.f.ca, 64);
		order_answer_all(&o, 2, "", 1);
		order_run(&o);
		CHECK(ca_orders_due(o.f.ca, 64) > clock_monotonic_ms());
	}
	order_look(&o);
	check_status(&o, "pending-validation");
}

static double cpu_seconds(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Between checks nothing is kept of an order, and nothing is looked at: neither memory nor time grow with them. */
static void between_checks_open_orders_cost_nothing(void)
{
	auto_order o;
	char name[64];
	order_open(&o);
	double first = cpu_seconds();
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(name, sizeof(name), "h%d.zone.test", i);
		order_create(&o, order_request(&o, "dv", name, NULL));
	}
	for (int i = 0; i < 20; i++) {
		order_run(&o);
		order_answer_all(&o, 0, "nxdomain", 1);
	}
	CHECK_INT(o.question_count, MANY); /* each once, never more at a time than there is room for */
	struct mallinfo2 before = mallinfo2();
	double begun = cpu_seconds();
	for (int i = 0; i < 100; i++)
		CHECK(ca_orders_due(o.f.ca, 64) > clock_monotonic_ms());
	CHECK((cpu_seconds() - begun) * 10 < begun - first); /* a hundred times nothing, against once each of them */
	struct mallinfo2 after = mallinfo2();
	CHECK(after.uordblks < before.uordblks + (size_t)64 * 1024);
	struct ca_orders_numbers n;
	ca_orders_numbers(o.f.ca, &n);
	CHECK_INT(n.open[ORDER_PENDING_VALIDATION], MANY);
}

SUITE(order_due)
{
	TEST(drafts_and_pending_orders_end);
	TEST(an_order_that_waits_for_officers_ends_too);
	TEST(with_the_clock_set_back_nothing_is_done);
	TEST(what_is_due_later_is_told_when);
	TEST(what_is_due_sooner_is_told_when_it_can_be_found);
	TEST(orders_that_wait_for_a_record_rest);
	TEST(between_checks_open_orders_cost_nothing);
}
