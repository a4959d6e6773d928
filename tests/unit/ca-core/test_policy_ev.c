/* Extended validation's page, check by check; organization validation's with it. */
#include "ca-core/policy_validation.h"
#include "tests/unit/ca-core/order_fixture.h"

struct page {
	struct ca_case c;
	struct record_order *order;
	struct record_organization *organization;
	struct ca_names names;
};

static void page_of(struct order_fixture *o, const char *profile, const char *name, struct page *p)
{
	struct error err = ERR_INIT;
	*p = (struct page){ .order = calloc(1, sizeof(*p->order)),
			    .organization = calloc(1, sizeof(*p->organization)),
			    .names = CA_NAMES_INIT };
	REQUIRE(p->order != NULL && p->organization != NULL);
	struct record_organization *r = p->organization;
	*r = (struct record_organization){ .id = bytes_of("acme"),
					   .version = 1,
					   .legal_name = bytes_of("Acme Ltd"),
					   .registration_number = bytes_of("4711"),
					   .jurisdiction_country = bytes_of("DE"),
					   .locality = bytes_of("Berlin"),
					   .country = bytes_of("DE"),
					   .business_category = bytes_of("Business Entity"),
					   .standing = STANDING_GOOD,
					   .document_count = 1,
					   .domain_count = 1,
					   .agent_count = 1,
					   .vetted_by = bytes_of("olga"),
					   .vetted_s = 1,
					   .valid_until_s = o->f.now_ms / 1000 + 100 };
	r->domains[0] = bytes_of("zone.test");
	r->agents[0] = bytes_of("alice");
	p->order->requester = bytes_of("alice");
	p->order->organization = r->id;
	p->order->organization_version = 1;
	p->order->name_count = 1;
	p->order->names[0] = (struct record_order_name){ .name = bytes_of(name), .status = AUTHORIZATION_PENDING };
	CHECK_OK(order_names(p->order, &p->names, &err) == 0, &err);
	p->c = (struct ca_case){ .ca = o->f.ca,
				 .profile = ca_config_profile(o->f.config, profile),
				 .order = p->order,
				 .names = &p->names,
				 .organization = r,
				 .now_s = o->f.now_ms / 1000 };
	REQUIRE(p->c.profile != NULL);
}

static void page_free(struct page *p)
{
	ca_names_free(&p->names);
	free(p->order);
	free(p->organization);
}
#define auto_page CLEANUP(page_free) struct page

static void a_record_fills_what_the_guidelines_ask_for(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	order_open(&o);
	for (int i = 0; i < 8; i++) {
		auto_page p;
		page_of(&o, "ev", "dns:www.zone.test", &p);
		struct record_organization *r = p.organization;
		CHECK_OK(ca_policy_ov_request(&p.c, &err) == 0 && ca_policy_ev_request(&p.c, &err) == 0, &err);
		switch (i) {
		case 0:
			r->business_category = bytes_of("Club");
			break;
		case 1:
			r->jurisdiction_country = BYTES_NONE;
			break;
		case 2:
			r->jurisdiction_locality = bytes_of("Berlin"); /* without its state */
			break;
		case 3:
			r->registration_number = BYTES_NONE;
			break;
		case 4:
			r->locality = BYTES_NONE;
			break;
		case 5:
			r->country = BYTES_NONE;
			break;
		case 6:
			r->document_count = 0;
			break;
		default:
			r->business_category = BYTES_NONE;
			break;
		}
		err = ERR_INIT;
		CHECK_FAILS(ca_policy_ev_request(&p.c, &err) == -1, &err, ERR_ORGANIZATION_NOT_VALID);
		err = ERR_INIT;
	}
}

static void under_organization_validation_the_record_is_named_vetted_and_the_requesters(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	order_open(&o);
	for (int i = 0; i < 8; i++) {
		auto_page p;
		page_of(&o, "ov", "dns:www.zone.test", &p);
		struct record_organization *r = p.organization;
		CHECK_OK(ca_policy_ov_request(&p.c, &err) == 0, &err);
		switch (i) {
		case 0:
			p.order->organization = BYTES_NONE;
			break;
		case 1:
			p.c.organization = NULL;
			break;
		case 2:
			r->vetted_by = BYTES_NONE;
			break;
		case 3:
			r->suspended = true;
			break;
		case 4:
			r->valid_until_s = p.c.now_s;
			break;
		case 5:
			r->standing = STANDING_UNKNOWN;
			break;
		case 6:
			r->agents[0] = bytes_of("bob");
			break;
		default:
			r->locality = BYTES_NONE;
			break;
		}
		err = ERR_INIT;
		CHECK_FAILS(ca_policy_ov_request(&p.c, &err) == -1, &err, ERR_ORGANIZATION_NOT_VALID);
		err = ERR_INIT;
	}
}

static void wildcards_addresses_and_internal_names_need_their_waivers(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	static const char *const names[] = { "dns:*.zone.test", "ip:10.1.0.1", "dns:www.zone.test" };
	order_open(&o);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		auto_page p;
		page_of(&o, "ev", names[i], &p);
		struct ca_profile strict = *p.c.profile, waived = *p.c.profile;
		strict.waivers = 0;
		waived.allow_wildcard = waived.allow_ip = true;
		p.c.profile = &strict;
		err = ERR_INIT;
		CHECK_FAILS(ca_policy_ev_request(&p.c, &err) == -1, &err, ERR_NAME_NOT_ALLOWED);
		p.c.profile = &waived;
		err = ERR_INIT;
		CHECK_OK(ca_policy_ev_request(&p.c, &err) == 0, &err);
	}
}

static void who_vetted_is_only_one_of_those_who_approve(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	order_open(&o);
	auto_page p;
	page_of(&o, "ev", "dns:www.zone.test", &p);
	struct ca_profile lenient = *p.c.profile;
	p.order->approval_count = 1;
	p.order->approvals[0] = (struct record_approval){ .officer = bytes_of("oskar"), .approve = true };
	CHECK_OK(ca_policy_may_agree(&p.c, "olga", &err) == 0, &err);
	CHECK_FAILS(ca_policy_may_agree(&p.c, "oskar", &err) == -1, &err, ERR_APPROVAL_NOT_ALLOWED);
	CHECK_FAILS(ca_policy_may_agree(&p.c, "alice", &err) == -1, &err, ERR_APPROVAL_NOT_ALLOWED);
	/* Even where a profile's number could be reached by the vetter alone. */
	p.order->approval_count = 2;
	p.order->approvals[0].officer = p.order->approvals[1].officer = bytes_of("olga");
	p.order->approvals[1].approve = true;
	CHECK(ca_policy_ev_agreed(&p.c, &err) == -1);
	lenient.approvals = 0;
	p.c.profile = &lenient;
	CHECK_INT(ca_policy_approvals(&lenient), 2); /* the validation's own least holds */
}

static void people_agreed_to_one_version_of_the_record(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	order_open(&o);
	auto_page p;
	page_of(&o, "ov", "dns:www.zone.test", &p);
	p.order->approval_count = 1;
	p.order->approvals[0] = (struct record_approval){ .officer = bytes_of("oskar"), .approve = true };
	CHECK_OK(ca_policy_ov_agreed(&p.c, &err) == 0, &err);
	p.organization->version = 2;
	CHECK_FAILS(ca_policy_ov_agreed(&p.c, &err) == -1, &err, ERR_ORGANIZATION_NOT_VALID);
}

static void the_subject_is_the_records_alone(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	order_open(&o);
	auto_page p;
	page_of(&o, "ev", "dns:www.zone.test", &p);
	auto_free struct ca_policy_texts *texts = malloc(sizeof(*texts));
	REQUIRE(texts != NULL);
	p.order->common_name = bytes_of("www.zone.test");
	p.order->asked_subject = bytes_of("O=Somebody Else,OU=Unit,emailAddress=a@b.test");
	auto_buf der = BUF_INIT, text = BUF_INIT;
	struct ca_subject subject = { 0 };
	CHECK_OK(ca_policy_ev_subject(&p.c, texts, &subject, &err) == 0, &err);
	CHECK_OK(ca_subject_encode(&subject, &der, &err) == 0, &err);
	CHECK_OK(ca_subject_text(buf_bytes(&der), &text, &err) == 0, &err);
	CHECK_TEXT(buf_text(&text), "CN=www.zone.test,O=Acme Ltd,L=Berlin,C=DE,serialNumber=4711,"
				    "jurisdictionCountryName=DE,businessCategory=Business Entity");
	struct ca_subject dv = { 0 };
	CHECK_OK(ca_policy_dv_subject(&p.c, texts, &dv, &err) == 0, &err);
	for (size_t a = 0; a < CA_ATTR_COUNT; a++)
		CHECK_INT(dv.values[a] != NULL, a == CA_ATTR_COMMON_NAME);
}

SUITE(policy_ev)
{
	TEST(a_record_fills_what_the_guidelines_ask_for);
	TEST(under_organization_validation_the_record_is_named_vetted_and_the_requesters);
	TEST(wildcards_addresses_and_internal_names_need_their_waivers);
	TEST(who_vetted_is_only_one_of_those_who_approve);
	TEST(people_agreed_to_one_version_of_the_record);
	TEST(the_subject_is_the_records_alone);
}
