/* Orders whole: from what is asked to what is issued, under each validation. */
#include "tests/unit/ca-core/order_fixture.h"

static void check_status(const struct order_fixture *o, const char *status)
{
	char text[64];
	(void)snprintf(text, sizeof(text), "%.*s", (int)o->order.status.len, (const char *)o->order.status.data);
	CHECK_TEXT(text, status);
}

static void a_name_that_is_shown_is_certified(void)
{
	auto_order o;
	order_open(&o);
	size_t before = order_certificates(&o);
	order_create(&o, order_request(&o, "dv", "www.zone.test", NULL));
	check_status(&o, "pending-validation");
	CHECK_INT(o.order.authorization_count, 1);
	CHECK_INT(o.order.authorizations[0].method_count, 3);
	CHECK(o.order.waits_for.len > 0);
	order_run(&o);
	REQUIRE(order_asked(&o, MSG_VALIDATE) != NULL);
	order_answer_all(&o, METHOD_DNS_TXT, "nxdomain", 1);
	order_run(&o);
	order_look(&o);
	check_status(&o, "issued");
	CHECK(o.order.certificate.len > 0);
	CHECK_INT(order_certificates(&o), before + 1);
}

SUITE(order)
{
	TEST(a_name_that_is_shown_is_certified);
}
