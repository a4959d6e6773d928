/* Checks by the validator: when they are made, what becomes of what it saw, and what it may not claim. */
#include "ca-core/orders.h"

#include <stdio.h>

#include "tests/unit/ca-core/order_fixture.h"

static void check_status(const struct order_fixture *o, const char *status)
{
	char text[64];
	(void)snprintf(text, sizeof(text), "%.*s", (int)o->order.status.len, (const char *)o->order.status.data);
	CHECK_TEXT(text, status);
}

static bool says(struct bytes text, const char *what)
{
	return text.len && memmem(text.data, text.len, what, strlen(what));
}

static void pending(struct order_fixture *o, const char *profile)
{
	order_create(o, order_request(o, profile, "www.zone.test", NULL));
	check_status(o, "pending-validation");
	order_run(o);
}

/* ---- when ---- */

static void a_failed_check_is_made_again_ever_more_rarely(void)
{
	auto_order o;
	order_open(&o);
	pending(&o, "dv");
	static const int least_s[] = { 60, 60, 60, 60, 60, 120, 240, 480, 960, 1920, 3600, 3600 };
	for (size_t i = 0; i < sizeof(least_s) / sizeof(least_s[0]); i++) {
		REQUIRE(order_asked(&o, MSG_VALIDATE) != NULL);
		order_answer_all(&o, 0, "nxdomain", 1);
		order_later(&o, least_s[i] - 1);
		order_run(&o);
		CHECK(order_asked(&o, MSG_VALIDATE) == NULL);
		order_later(&o, least_s[i] / 10 + 2);
		order_run(&o);
	}
	order_look(&o);
	check_status(&o, "pending-validation");
}

static void asked_for_a_name_is_checked_at_once_but_not_all_the_time(void)
{
	auto_order o;
	order_open(&o);
	pending(&o, "dv");
	order_answer_all(&o, 0, "nxdomain", 1);
	order_later(&o, 10);
	CHECK_INT(order_act(&o, ORDER_ACT_CHECK, NULL, NULL), ERR_NONE);
	order_run(&o);
	REQUIRE(order_asked(&o, MSG_VALIDATE) != NULL);
	order_answer_all(&o, 0, "nxdomain", 1);
	size_t asked = o.question_count;
	for (int i = 0; i < 20; i++) {
		CHECK_INT(order_act(&o, ORDER_ACT_CHECK, NULL, NULL), ERR_NONE);
		order_run(&o);
	}
	CHECK_INT(o.question_count, asked);
	order_later(&o, 5);
	order_run(&o);
	CHECK_INT(o.question_count, asked + 1);
}

/* Who puts something in place while a check is under way, and asks, does not wait for the clock. */
static void asked_for_while_a_check_is_under_way_another_follows_soon(void)
{
	auto_order o;
	order_open(&o);
	pending(&o, "dv");
	CHECK_INT(order_act(&o, ORDER_ACT_CHECK, NULL, NULL), ERR_NONE);
	order_answer_all(&o, 0, "nxdomain", 1);
	order_run(&o);
	CHECK(order_asked(&o, MSG_VALIDATE) == NULL);
	order_later(&o, 5);
	order_run(&o);
	REQUIRE(order_asked(&o, MSG_VALIDATE) != NULL);
	order_answer_all(&o, 0, "nxdomain", 1);
	order_later(&o, 30); /* once: then the clock goes on */
	order_run(&o);
	CHECK(order_asked(&o, MSG_VALIDATE) == NULL);
}

static void what_is_under_way_is_not_asked_twice(void)
{
	auto_order o;
	order_open(&o);
	pending(&o, "dv");
	CHECK_INT(o.question_count, 1);
	for (int i = 0; i < 5; i++) {
		CHECK_INT(order_act(&o, ORDER_ACT_CHECK, NULL, NULL), ERR_NONE);
		order_run(&o);
	}
	CHECK_INT(o.question_count, 1);
	ca_orders_validator_lost(o.f.ca);
	order_run(&o);
	CHECK_INT(o.question_count, 2);
	/* The answer to the first is of nobody's interest any more. */
	order_answer(&o, &o.questions[0], METHOD_DNS_TXT, "ok", 1, 0x1f);
	order_look(&o);
	check_status(&o, "pending-validation");
	order_answer(&o, &o.questions[1], METHOD_DNS_TXT, "ok", 1, 0x1f);
	order_look(&o);
	check_status(&o, "ready");
}

static void without_a_validator_orders_wait_and_say_so(void)
{
	auto_order o;
	order_open(&o);
	o.validator_away = true;
	pending(&o, "dv");
	CHECK_INT(o.question_count, 0);
	order_look(&o);
	CHECK(says(o.order.waits_for, "the validator is away"));
	/* What needs none goes on. */
	order_create(&o, order_request(&o, "dv", "www.granted.test", NULL));
	order_run(&o);
	order_look(&o);
	check_status(&o, "issued");
}

/* Found away by the very round that had something to ask: it is asked soon, or at once where it comes. */
static void what_could_not_be_asked_is_asked_when_the_validator_comes(void)
{
	auto_order o;
	order_open(&o);
	o.validator_away = true;
	order_create(&o, order_request(&o, "dv", "www.zone.test", NULL));
	CHECK(ca_orders_due(o.f.ca, 64) <= clock_monotonic_ms() + 5000);
	o.validator_away = false;
	(void)ca_orders_due(o.f.ca, 64);
	CHECK_INT(o.question_count, 0); /* not tried again at each look */
	ca_orders_validator_came(o.f.ca);
	(void)ca_orders_due(o.f.ca, 64);
	CHECK_INT(o.question_count, 1);
}

/* ---- what it saw ---- */

static void each_failure_is_shown_with_its_cause(void)
{
	auto_order o;
	static const char *const codes[] = { "nxdomain", "wrong-value",       "timeout",   "refused",
					     "servfail", "forbidden-address", "too-large", "forbidden-redirect" };
	order_open(&o);
	pending(&o, "dv");
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		REQUIRE(order_asked(&o, MSG_VALIDATE) != NULL);
		order_answer_all(&o, 0, codes[i], 1);
		order_look(&o);
		CHECK_BYTES(o.order.authorizations[0].error_code, bytes_of(codes[i]));
		CHECK(says(o.order.authorizations[0].error, "dns-txt: looked for it"));
		CHECK(says(o.order.authorizations[0].error, "http: looked for it"));
		CHECK(o.order.authorizations[0].checked_s > 0);
		CHECK(says(o.order.waits_for, codes[i]));
		order_later(&o, 3700);
		order_run(&o);
	}
	CHECK_INT(fixture_audit_count(&o.f, "order.check-failed"), sizeof(codes) / sizeof(codes[0]));
	/* The same once more is no news. */
	order_answer_all(&o, 0, "forbidden-redirect", 1);
	CHECK_INT(fixture_audit_count(&o.f, "order.check-failed"), sizeof(codes) / sizeof(codes[0]));
}

static void of_several_attempts_the_one_that_tells_most_is_named(void)
{
	auto_order o;
	order_open(&o);
	pending(&o, "dv");
	const struct message_validated seen = {
		.attempt_count = 3,
		.attempts = { { METHOD_DNS_TXT, bytes_of("no-record"), bytes_of("no TXT") },
			      { METHOD_DNS_CNAME, bytes_of("wrong-value"), bytes_of("points elsewhere") },
			      { METHOD_HTTP, bytes_of("nxdomain"), bytes_of("no address") } },
	};
	struct order_question *q = order_asked(&o, MSG_VALIDATE);
	REQUIRE(q != NULL);
	ca_order_validated(o.f.ca, q->id, &seen);
	order_look(&o);
	CHECK_BYTES(o.order.authorizations[0].error_code, bytes_of("wrong-value"));
	CHECK(says(o.order.authorizations[0].error, "dns-cname: points elsewhere"));
}

static void evidence_is_kept_with_what_was_shown(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	auto_buf key = BUF_INIT;
	struct record_authorization a;
	struct bytes value;
	order_open(&o);
	pending(&o, "dv");
	order_answer_all(&o, METHOD_HTTP, "no-record", 1);
	auto_store_snapshot *snap = store_snapshot_new(o.f.store, &err);
	REQUIRE(snap != NULL);
	record_key_authorization(&key, bytes_of("alice"), bytes_of("dns:www.zone.test"));
	CHECK_INT(store_get(snap, STORE_AUTHORIZATIONS, buf_bytes(&key), &value, NULL, &err), 1);
	CHECK_OK(record_authorization_decode(value, &a, &err) == 0, &err);
	CHECK_INT(a.method, METHOD_HTTP);
	CHECK_BYTES(a.order, o.order.id);
	CHECK(says(a.evidence, "seen by 192.0.2.53"));
	CHECK_INT(a.shown_s, o.f.now_ms / 1000);
	CHECK(a.expires_s > a.shown_s);
}

/* ---- what nobody may claim ---- */

static void a_method_that_was_not_asked_for_shows_nothing(void)
{
	auto_order o;
	order_open(&o);
	order_create(&o, order_request(&o, "dv", "*.zone.test", NULL));
	order_run(&o);
	struct order_question *q = order_asked(&o, MSG_VALIDATE);
	REQUIRE(q != NULL);
	order_answer(&o, q, METHOD_HTTP, "no-record", 1, 0x1f); /* never for a wildcard */
	order_look(&o);
	check_status(&o, "pending-validation");
	CHECK_BYTES(o.order.authorizations[0].status, bytes_of("pending"));
}

static void an_answer_that_nobody_asked_for_changes_nothing(void)
{
	auto_order o;
	order_open(&o);
	pending(&o, "dv");
	const struct message_validated seen = { .shown = METHOD_DNS_TXT,
						.attempt_count = 1,
						.attempts = { { METHOD_DNS_TXT, bytes_of("ok"), bytes_of("seen") } } };
	ca_order_validated(o.f.ca, 0, &seen);
	ca_order_validated(o.f.ca, 4711, &seen);
	order_look(&o);
	check_status(&o, "pending-validation");
	/* Twice the same answer is one. */
	uint64_t id = order_asked(&o, MSG_VALIDATE)->id;
	ca_order_validated(o.f.ca, id, &seen);
	ca_order_validated(o.f.ca, id, &seen);
	CHECK_INT(fixture_audit_count(&o.f, "order.validated"), 1);
}

static void an_answer_for_an_order_that_is_over_changes_nothing(void)
{
	auto_order o;
	order_open(&o);
	pending(&o, "dv");
	CHECK_INT(order_act(&o, ORDER_ACT_CANCEL, NULL, NULL), ERR_NONE);
	order_answer_all(&o, METHOD_DNS_TXT, "ok", 1);
	order_look(&o);
	check_status(&o, "cancelled");
	CHECK_INT(fixture_audit_count(&o.f, "order.validated"), 0);
}

/* ---- CAA ---- */

static void caa_that_forbids_holds_a_shown_name_back(void)
{
	auto_order o;
	order_open(&o);
	pending(&o, "dv-caa");
	order_answer_all(&o, METHOD_DNS_TXT, "no-record", 2);
	order_look(&o);
	check_status(&o, "pending-validation");
	CHECK_BYTES(o.order.authorizations[0].status, bytes_of("valid"));
	CHECK_BYTES(o.order.authorizations[0].error_code, bytes_of("caa-forbids"));
	CHECK(says(o.order.authorizations[0].error, "other.test"));
	order_later(&o, 100);
	order_run(&o);
	order_answer_all(&o, 0, "ok", 3);
	order_look(&o);
	CHECK_BYTES(o.order.authorizations[0].error_code, bytes_of("caa-unknown"));
	order_later(&o, 100);
	order_run(&o);
	order_answer_all(&o, 0, "ok", 1);
	order_look(&o);
	check_status(&o, "ready");
}

static void caa_may_leave_other_methods_than_the_one_that_showed_it(void)
{
	auto_order o;
	order_open(&o);
	pending(&o, "dv-caa");
	order_answer(&o, order_asked(&o, MSG_VALIDATE), METHOD_HTTP, "no-record", 1, METHOD_DNS_TXT);
	order_look(&o);
	check_status(&o, "pending-validation");
	CHECK_BYTES(o.order.authorizations[0].error_code, bytes_of("caa-forbids"));
	CHECK(says(o.order.authorizations[0].error, "http"));
}

static void under_report_caa_is_told_of_and_refuses_nothing(void)
{
	auto_order o;
	order_open(&o);
	pending(&o, "dv-report");
	order_answer_all(&o, METHOD_DNS_TXT, "no-record", 2);
	order_look(&o);
	check_status(&o, "ready");
	CHECK(fixture_audit_finds(&o.f, "caa-forbids") > 0);
}

SUITE(order_check)
{
	TEST(a_failed_check_is_made_again_ever_more_rarely);
	TEST(asked_for_a_name_is_checked_at_once_but_not_all_the_time);
	TEST(asked_for_while_a_check_is_under_way_another_follows_soon);
	TEST(what_is_under_way_is_not_asked_twice);
	TEST(without_a_validator_orders_wait_and_say_so);
	TEST(what_could_not_be_asked_is_asked_when_the_validator_comes);
	TEST(each_failure_is_shown_with_its_cause);
	TEST(of_several_attempts_the_one_that_tells_most_is_named);
	TEST(evidence_is_kept_with_what_was_shown);
	TEST(a_method_that_was_not_asked_for_shows_nothing);
	TEST(an_answer_that_nobody_asked_for_changes_nothing);
	TEST(an_answer_for_an_order_that_is_over_changes_nothing);
	TEST(caa_that_forbids_holds_a_shown_name_back);
	TEST(caa_may_leave_other_methods_than_the_one_that_showed_it);
	TEST(under_report_caa_is_told_of_and_refuses_nothing);
}
