/* Domain validation's page, check by check. */
#include "ca-core/policy_validation.h"
#include "tests/unit/ca-core/order_fixture.h"

/* A case under a profile with one name. */
struct page {
	struct ca_case c;
	struct record_order *order;
	struct ca_names names;
};

static void page_of(struct order_fixture *o, const char *profile, const char *name, struct page *p)
{
	struct error err = ERR_INIT;
	*p = (struct page){ .order = calloc(1, sizeof(*p->order)), .names = CA_NAMES_INIT };
	REQUIRE(p->order != NULL);
	p->order->requester = bytes_of("alice");
	p->order->name_count = 1;
	p->order->names[0] = (struct record_order_name){ .name = bytes_of(name), .status = AUTHORIZATION_PENDING };
	CHECK_OK(order_names(p->order, &p->names, &err) == 0, &err);
	p->c = (struct ca_case){ .ca = o->f.ca,
				 .profile = ca_config_profile(o->f.config, profile),
				 .order = p->order,
				 .names = &p->names,
				 .now_s = o->f.now_ms / 1000 };
	REQUIRE(p->c.profile != NULL);
}

static void page_free(struct page *p)
{
	ca_names_free(&p->names);
	free(p->order);
}
#define auto_page CLEANUP(page_free) struct page

static enum err_code requested(struct order_fixture *o, const char *profile, const char *name)
{
	struct error err = ERR_INIT;
	auto_page p;
	page_of(o, profile, name, &p);
	return ca_policy_dv_request(&p.c, &err) ? err.code : ERR_NONE;
}

static void names_are_public_or_waived_and_in_a_private_zone(void)
{
	auto_order o;
	order_open(&o);
	CHECK_INT(requested(&o, "dv", "dns:www.zone.test"), ERR_NONE);
	CHECK_INT(requested(&o, "dv", "dns:www.elsewhere.test"),
		  ERR_NAME_NOT_ALLOWED); /* waived, but nowhere to look */
	CHECK_INT(requested(&o, "dv", "dns:www.granted.test"), ERR_NONE);
	CHECK_INT(requested(&o, "dv", "dns:www.example.com"), ERR_NONE);
	CHECK_INT(requested(&o, "dv", "ip:10.1.0.1"), ERR_NONE);
	CHECK_INT(requested(&o, "dv", "ip:10.2.0.1"), ERR_NAME_NOT_ALLOWED);
	CHECK_INT(requested(&o, "dv", "ip:8.8.8.8"), ERR_NONE);
	CHECK_INT(requested(&o, "server-ov", "dns:www.zone.test"), ERR_NAME_NOT_ALLOWED); /* not waived */
}

static void no_wildcard_stands_right_below_a_public_suffix(void)
{
	auto_order o;
	order_open(&o);
	CHECK_INT(requested(&o, "dv", "dns:*.example.com"), ERR_NONE);
	CHECK_INT(requested(&o, "dv", "dns:*.co.uk"), ERR_NAME_NOT_ALLOWED);
	CHECK_INT(requested(&o, "dv", "dns:*.zone.test"), ERR_NONE);
}

static void a_name_needs_a_way_in_which_it_can_be_shown(void)
{
	auto_order o;
	order_open(&o);
	CHECK_INT(requested(&o, "short-memory", "ip:8.8.8.8"), ERR_NAME_NOT_ALLOWED); /* dns-txt alone */
	CHECK_INT(requested(&o, "short-memory", "dns:www.granted.test"), ERR_NAME_NOT_ALLOWED);
	CHECK_INT(requested(&o, "dv", "email:a@zone.test"), ERR_BAD_NAME);
}

static enum err_code shown(struct order_fixture *o, const char *profile, const char *name,
			   const struct record_order_name *as)
{
	struct error err = ERR_INIT;
	auto_page p;
	page_of(o, profile, name, &p);
	struct bytes text = p.order->names[0].name;
	p.order->names[0] = *as;
	p.order->names[0].name = text;
	return ca_policy_dv_shown(&p.c, &err) ? err.code : ERR_NONE;
}

static void what_was_shown_is_valid_recent_proper_and_granted_still(void)
{
	auto_order o;
	order_open(&o);
	int64_t now_s = o.f.now_ms / 1000;
	struct record_order_name n = { .status = AUTHORIZATION_VALID,
				       .methods = METHOD_DNS_TXT,
				       .expires_s = now_s + 100 };
	CHECK_INT(shown(&o, "dv", "dns:www.zone.test", &n), ERR_NONE);
	n.status = AUTHORIZATION_PENDING;
	CHECK_INT(shown(&o, "dv", "dns:www.zone.test", &n), ERR_VALIDATION_FAILED);
	n.status = AUTHORIZATION_VALID;
	n.expires_s = now_s;
	CHECK_INT(shown(&o, "dv", "dns:www.zone.test", &n), ERR_VALIDATION_FAILED);
	n.expires_s = now_s + 100;
	n.methods = METHOD_MAIL;
	CHECK_INT(shown(&o, "dv", "dns:www.zone.test", &n), ERR_VALIDATION_FAILED); /* not the profile's */
	n.methods = METHOD_HTTP;
	CHECK_INT(shown(&o, "dv", "dns:*.zone.test", &n), ERR_VALIDATION_FAILED);
	CHECK_INT(shown(&o, "dv", "ip:10.1.0.1", &n), ERR_NONE);
	n.methods = METHOD_GRANT;
	CHECK_INT(shown(&o, "dv", "dns:www.granted.test", &n), ERR_NONE);
	CHECK_INT(shown(&o, "dv", "dns:www.zone.test", &n), ERR_VALIDATION_FAILED);
}

static void caa_counts_eight_hours(void)
{
	auto_order o;
	order_open(&o);
	int64_t now_s = o.f.now_ms / 1000;
	struct record_order_name n = { .status = AUTHORIZATION_VALID,
				       .methods = METHOD_DNS_TXT,
				       .expires_s = now_s + 100 };
	CHECK_INT(shown(&o, "dv-caa", "dns:www.zone.test", &n), ERR_VALIDATION_FAILED);
	n.caa_checked_s = now_s - (int64_t)8 * 3600 + 1;
	CHECK_INT(shown(&o, "dv-caa", "dns:www.zone.test", &n), ERR_NONE);
	n.caa_checked_s = now_s - (int64_t)8 * 3600;
	CHECK_INT(shown(&o, "dv-caa", "dns:www.zone.test", &n), ERR_VALIDATION_FAILED);
	n.caa_checked_s = 0;
	n.error_code = bytes_of("caa-forbids");
	CHECK_INT(shown(&o, "dv-caa", "dns:www.zone.test", &n), ERR_CAA_FORBIDS);
}

static void approvals_count_distinct_people_and_not_who_asks(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	order_open(&o);
	auto_page p;
	page_of(&o, "ev", "dns:www.zone.test", &p);
	static const struct {
		const char *first, *second;
		bool second_denies, agreed;
	} rows[] = { { "olga", "oskar", false, true },
		     { "olga", "olga", false, false },
		     { "olga", "alice", false, false },
		     { "olga", "oskar", true, false } };
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		p.order->approval_count = 2;
		p.order->approvals[0] = (struct record_approval){ .officer = bytes_of(rows[i].first), .approve = true };
		p.order->approvals[1] = (struct record_approval){ .officer = bytes_of(rows[i].second),
								  .approve = !rows[i].second_denies };
		CHECK_INT(ca_policy_dv_agreed(&p.c, &err) == 0, rows[i].agreed);
	}
}

SUITE(policy_dv)
{
	TEST(names_are_public_or_waived_and_in_a_private_zone);
	TEST(no_wildcard_stands_right_below_a_public_suffix);
	TEST(a_name_needs_a_way_in_which_it_can_be_shown);
	TEST(what_was_shown_is_valid_recent_proper_and_granted_still);
	TEST(caa_counts_eight_hours);
	TEST(approvals_count_distinct_people_and_not_who_asks);
}
