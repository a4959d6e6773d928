/* What is known of names already: grants, what was shown before, by whom, and how long it counts. */
#include <stdio.h>

#include "ca-core/policy_validation.h"
#include "tests/unit/ca-core/order_fixture.h"

static void check_status(const struct order_fixture *o, const char *status)
{
	char text[64];
	(void)snprintf(text, sizeof(text), "%.*s", (int)o->order.status.len, (const char *)o->order.status.data);
	CHECK_TEXT(text, status);
}

/* An order of alice's for these names, shown by the method. */
static void show(struct order_fixture *o, const struct message_order_create *m, uint8_t method)
{
	order_create(o, m);
	order_run(o);
	order_answer_all(o, method, "no-record", 1);
	order_look(o);
}

static void what_was_shown_counts_for_orders_to_come(void)
{
	auto_order o;
	order_open(&o);
	show(&o, order_request(&o, "dv", "www.zone.test", NULL), METHOD_DNS_TXT);
	check_status(&o, "ready");
	size_t asked = o.question_count;
	order_create(&o, order_request(&o, "dv", "www.zone.test", NULL));
	check_status(&o, "ready");
	CHECK_BYTES(o.order.authorizations[0].methods[0].type, bytes_of("dns-txt"));
	order_run(&o);
	order_look(&o);
	check_status(&o, "issued");
	CHECK_INT(o.question_count, asked);
	CHECK_INT(fixture_audit_finds(&o.f, "\"reused\":\"yes\""), 1);
	/* Past the dated table it has to be shown anew. */
	order_later(&o, (int64_t)399 * 86400);
	order_create(&o, order_request(&o, "dv", "www.zone.test", NULL));
	check_status(&o, "pending-validation");
}

static void what_one_has_shown_is_not_anothers(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	order_open(&o);
	show(&o, order_request(&o, "dv", "www.zone.test", NULL), METHOD_DNS_TXT);
	const struct ca_actor bob = order_actor("bob");
	CHECK_OK(ca_order_create(o.f.ca, &bob, order_request(&o, "dv", "www.zone.test", NULL), &out, &err) == 0, &err);
	CHECK_OK(message_order_read(buf_bytes(&out), &o.order, &err) == 0, &err);
	check_status(&o, "pending-validation");
}

static void what_an_organization_has_shown_is_its_own(void)
{
	auto_order o;
	order_open(&o);
	order_organization(&o, &o.olga);
	struct message_order_create *m = order_request(&o, "dv", "www.zone.test", NULL);
	m->organization = bytes_of("acme");
	show(&o, m, METHOD_DNS_TXT);
	check_status(&o, "ready");
	order_create(&o, order_request(&o, "dv", "www.zone.test", NULL));
	check_status(&o, "pending-validation"); /* alice herself has shown nothing */
	m = order_request(&o, "dv", "www.zone.test", NULL);
	m->organization = bytes_of("acme");
	order_create(&o, m);
	check_status(&o, "ready");
}

static void dns_at_a_name_shows_its_wildcard_too_and_http_does_not(void)
{
	auto_order o;
	order_open(&o);
	show(&o, order_request(&o, "dv", "zone.test", NULL), METHOD_DNS_CNAME);
	order_create(&o, order_request(&o, "dv", "*.zone.test", NULL));
	check_status(&o, "ready");
	show(&o, order_request(&o, "dv", "b.zone.test", NULL), METHOD_HTTP);
	order_create(&o, order_request(&o, "dv", "*.b.zone.test", NULL));
	check_status(&o, "pending-validation");
	order_create(&o, order_request(&o, "dv", "b.zone.test", NULL));
	check_status(&o, "ready");
}

static void a_parent_shows_what_is_below_where_the_profile_says_so(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	struct message_validate asked;
	order_open(&o);
	show(&o, order_request(&o, "dv-parent", "zone.test", NULL), METHOD_DNS_TXT);
	order_create(&o, order_request(&o, "dv-parent", "a.b.zone.test", "*.c.zone.test", NULL));
	check_status(&o, "ready");
	order_create(&o, order_request(&o, "dv", "d.zone.test", NULL));
	check_status(&o, "pending-validation");
	show(&o, order_request(&o, "dv-parent", "e.zone.test", NULL), METHOD_HTTP);
	order_create(&o, order_request(&o, "dv-parent", "f.e.zone.test", NULL));
	check_status(&o, "ready"); /* by zone.test, not by what http has shown */
	o.f.now_ms += (int64_t)399 * 86400 * 1000;
	order_create(&o, order_request(&o, "dv-parent", "x.zone.test", NULL));
	order_run(&o);
	struct order_question *q = order_asked(&o, MSG_VALIDATE);
	REQUIRE(q != NULL);
	CHECK_OK(message_validate_read(buf_bytes(&q->payload), &asked, &err) == 0, &err);
	CHECK(asked.parents);
}

static void a_method_that_the_profile_has_no_more_shows_nothing(void)
{
	auto_order o;
	order_open(&o);
	show(&o, order_request(&o, "dv", "zone.test", NULL), METHOD_DNS_CNAME);
	order_create(&o, order_request(&o, "dv-caa", "zone.test", NULL)); /* dns-txt and http alone */
	check_status(&o, "pending-validation");
	CHECK_BYTES(o.order.authorizations[0].status, bytes_of("pending"));
}

static void a_reused_name_is_looked_up_for_caa(void)
{
	auto_order o;
	order_open(&o);
	show(&o, order_request(&o, "dv", "zone.test", NULL), METHOD_DNS_TXT);
	order_create(&o, order_request(&o, "dv-caa", "zone.test", NULL));
	check_status(&o, "pending-validation");
	CHECK_BYTES(o.order.authorizations[0].status, bytes_of("valid"));
	order_run(&o);
	order_answer_all(&o, 0, "ok", 1);
	order_look(&o);
	check_status(&o, "ready");
}

/* The grants of the configuration are read once; here the profile is taken out of them. */
static void a_grant_that_has_gone_shows_nothing_any_more(void)
{
	auto_order o;
	order_open(&o);
	order_create(&o, order_request(&o, "asked", "www.granted.test", NULL));
	check_status(&o, "pending-approval");
	for (size_t i = 0; i < o.f.config->grant_count; i++)
		if (strcmp(o.f.config->grants[i].name, "orders") == 0)
			o.f.config->grants[i].identities.items[0][0] = 'x';
	CHECK_INT(order_decide(&o, &o.olga, "approve", "fine"), ERR_ORDER_STATE);
	check_status(&o, "pending-validation");
	CHECK_INT(o.order.approval_count, 0);
}

static void caa_is_not_asked_about_grants_and_addresses(void)
{
	auto_order o;
	order_open(&o);
	const struct ca_profile *p = ca_config_profile(o.f.config, "dv-caa");
	REQUIRE(p != NULL);
	struct record_order_name n = { .name = bytes_of("dns:x.zone.test"), .status = AUTHORIZATION_PENDING };
	CHECK_INT(order_caa(o.f.ca, p, &n), CA_CAA_ENFORCE);
	n.status = AUTHORIZATION_VALID;
	n.methods = METHOD_GRANT;
	CHECK_INT(order_caa(o.f.ca, p, &n), CA_CAA_OFF);
	n.methods = METHOD_HTTP;
	CHECK_INT(order_caa(o.f.ca, p, &n), CA_CAA_ENFORCE);
	n.name = bytes_of("ip:10.1.0.1");
	CHECK_INT(order_caa(o.f.ca, p, &n), CA_CAA_OFF);
	/* A zone may say otherwise than the profile. */
	o.f.config->zones[0].caa_given = true;
	o.f.config->zones[0].caa = CA_CAA_OFF;
	n.name = bytes_of("dns:x.zone.test");
	CHECK_INT(order_caa(o.f.ca, p, &n), CA_CAA_OFF);
}

static void methods_that_are_not_configured_are_not_offered(void)
{
	auto_order o;
	order_open(&o);
	const struct ca_profile *p = ca_config_profile(o.f.config, "server-dv");
	REQUIRE(p != NULL);
	struct bytes name = bytes_of("dns:www.zone.test");
	CHECK_INT(order_methods(o.f.ca, p, name), METHOD_DNS_TXT | METHOD_DNS_CNAME | METHOD_HTTP | METHOD_MAIL);
	o.f.config->dns_cname_base[0] = o.f.config->mail.server[0] = '\0';
	CHECK_INT(order_methods(o.f.ca, p, name), METHOD_DNS_TXT | METHOD_HTTP);
	CHECK_INT(order_methods(o.f.ca, p, bytes_of("ip:10.1.0.1")), METHOD_HTTP);
}

SUITE(order_validate)
{
	TEST(what_was_shown_counts_for_orders_to_come);
	TEST(what_one_has_shown_is_not_anothers);
	TEST(what_an_organization_has_shown_is_its_own);
	TEST(dns_at_a_name_shows_its_wildcard_too_and_http_does_not);
	TEST(a_parent_shows_what_is_below_where_the_profile_says_so);
	TEST(a_method_that_the_profile_has_no_more_shows_nothing);
	TEST(a_reused_name_is_looked_up_for_caa);
	TEST(a_grant_that_has_gone_shows_nothing_any_more);
	TEST(caa_is_not_asked_about_grants_and_addresses);
	TEST(methods_that_are_not_configured_are_not_offered);
}
