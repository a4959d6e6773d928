/* Orders whole under domain validation: asked for, changed, shown, signed; who may what; of two at once one. */
#include "tests/unit/ca-core/order_fixture.h"

#include <pthread.h>
#include <stdio.h>

#include "ca-core/challenge.h"
#include "ca-core/inventory.h"
#include "ca-core/lint.h"

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

/* ---- stories ---- */

static void a_name_that_is_shown_is_certified(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	order_open(&o);
	size_t before = order_certificates(&o);
	order_create(&o, order_request(&o, "dv", "www.zone.test", NULL));
	check_status(&o, "pending-validation");
	CHECK_INT(o.order.authorization_count, 1);
	CHECK_INT(o.order.authorizations[0].method_count, 3);
	CHECK(says(o.order.waits_for, "dns:www.zone.test"));
	order_run(&o);
	REQUIRE(order_asked(&o, MSG_VALIDATE) != NULL);
	order_answer_all(&o, METHOD_DNS_TXT, "nxdomain", 1);
	order_run(&o);
	order_look(&o);
	check_status(&o, "issued");
	CHECK_INT(o.order.waits_for.len, 0);
	CHECK_INT(order_certificates(&o), before + 1);

	auto_store_snapshot *snap = store_snapshot_new(o.f.store, &err);
	auto_free struct record_certificate *record = malloc(sizeof(*record));
	REQUIRE(snap != NULL && record != NULL);
	CHECK_INT(ca_inventory_find(snap, o.f.config, o.order.certificate, record, NULL, NULL, &err), 1);
	CHECK_BYTES(record->order, o.order.id);
	CHECK_BYTES(record->requester, bytes_of("alice"));
	CHECK_INT(record->name_count, 1);
	CHECK_BYTES(record->names[0], bytes_of("dns:www.zone.test"));
}

static void the_validator_is_told_the_value_that_the_order_shows(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	struct message_validate asked;
	char value[CA_CHALLENGE_VALUE_SIZE];
	order_open(&o);
	order_create(&o, order_request(&o, "dv", "*.zone.test", NULL));
	order_run(&o);
	struct order_question *q = order_asked(&o, MSG_VALIDATE);
	REQUIRE(q != NULL);
	CHECK_OK(message_validate_read(buf_bytes(&q->payload), &asked, &err) == 0, &err);
	ca_challenge_value(o.order.nonce, o.order.spki_hash, bytes_of("dns:*.zone.test"), bytes_of("alice"), value);
	CHECK_BYTES(asked.value, bytes_of(value));
	CHECK_BYTES(o.order.authorizations[0].methods[0].what, bytes_of(value));
	CHECK_BYTES(o.order.authorizations[0].methods[0].where, bytes_of("_chancery-challenge.zone.test"));
	CHECK_INT(asked.methods, METHOD_DNS_TXT | METHOD_DNS_CNAME); /* a wildcard is never shown by http */
	CHECK(!asked.caa && !asked.parents);
}

static void a_wildcard_and_several_names_are_certified_when_each_is_shown(void)
{
	auto_order o;
	order_open(&o);
	order_create(&o, order_request(&o, "dv", "zone.test", "*.zone.test", "www.granted.test", "ip:10.1.2.3", NULL));
	check_status(&o, "pending-validation");
	CHECK_BYTES(o.order.authorizations[2].status, bytes_of("valid")); /* by the grant, at once */
	order_run(&o);
	size_t open = 0;
	for (struct order_question *q; (q = order_asked(&o, MSG_VALIDATE)); open++) {
		order_look(&o);
		check_status(&o, "pending-validation");
		bool address = memmem(q->payload.data, q->payload.len, "ip:10.1.2.3", 11);
		order_answer(&o, q, address ? METHOD_HTTP : METHOD_DNS_TXT, "nxdomain", 1, 0x1f);
		order_run(&o);
	}
	CHECK_INT(open, 3);
	order_look(&o);
	check_status(&o, "issued");
	CHECK_INT(fixture_audit_count(&o.f, "order.validated"), 4);
}

static void what_grants_cover_needs_no_check(void)
{
	auto_order o;
	order_open(&o);
	order_create(&o, order_request(&o, "dv", "www.granted.test", NULL));
	check_status(&o, "ready");
	order_run(&o);
	order_look(&o);
	check_status(&o, "issued");
	CHECK(order_asked(&o, MSG_VALIDATE) == NULL);
}

static void under_domain_validation_people_are_asked_where_the_profile_says_so(void)
{
	auto_order o;
	order_open(&o);
	order_create(&o, order_request(&o, "asked", "www.granted.test", NULL));
	check_status(&o, "pending-approval");
	CHECK_INT(o.order.approvals_needed, 1);
	CHECK(o.order.has_tbs && o.order.approve_before_s > o.f.now_ms / 1000);
	CHECK_INT(order_decide(&o, &o.olga, "approve", "known"), ERR_NONE);
	order_run(&o);
	order_look(&o);
	check_status(&o, "issued");
}

/* ---- drafts ---- */

static void a_draft_waits_for_its_requester_and_can_be_changed(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	const struct ca_actor alice = order_actor("alice"), bob = order_actor("bob");
	order_open(&o);
	struct message_order_create *m = order_request(&o, "dv", "www.zone.test", NULL);
	m->draft = true;
	order_create(&o, m);
	check_status(&o, "draft");
	order_run(&o);
	CHECK(order_asked(&o, MSG_VALIDATE) == NULL);

	char id[65];
	(void)snprintf(id, sizeof(id), "%.*s", (int)o.order.id.len, (const char *)o.order.id.data);
	m = order_request(&o, "dv", "mail.zone.test", "zone.test", NULL);
	m->draft = m->change_csr = true;
	m->id = bytes_of(id);
	m->contact_count = 1;
	m->contacts[0] = (struct message_contact){ bytes_of("technical"), bytes_of("ops@zone.test") };
	auto_buf out = BUF_INIT;
	CHECK_FAILS(ca_order_change(o.f.ca, &bob, m, &out, &err) == -1, &err, ERR_NOT_FOUND);
	err = ERR_INIT;
	CHECK_OK(ca_order_change(o.f.ca, &alice, m, &out, &err) == 0, &err);
	order_look(&o);
	CHECK_INT(o.order.name_count, 2);
	CHECK_INT(o.order.contact_count, 1);

	/* Without the request's fields names and key stay; the profile's ways are those of the new one. */
	m = order_request(&o, "dv-caa", NULL);
	m->draft = true;
	m->id = bytes_of(id);
	CHECK_OK(ca_order_change(o.f.ca, &alice, m, &out, &err) == 0, &err);
	order_look(&o);
	CHECK_INT(o.order.name_count, 2);
	CHECK_INT(o.order.authorizations[0].method_count, 2);

	CHECK_INT(order_act(&o, ORDER_ACT_SUBMIT, NULL, NULL), ERR_NONE);
	check_status(&o, "pending-validation");
	CHECK_INT(order_act(&o, ORDER_ACT_SUBMIT, NULL, NULL), ERR_ORDER_STATE);
	m->draft = true;
	CHECK_FAILS(ca_order_change(o.f.ca, &alice, m, &out, &err) == -1, &err, ERR_ORDER_STATE);
	CHECK_INT(fixture_audit_count(&o.f, "order.changed"), 2);
}

static void a_copy_is_a_new_draft_with_a_nonce_of_its_own(void)
{
	auto_order o;
	uint8_t nonce[32];
	order_open(&o);
	order_create(&o, order_request(&o, "dv", "www.zone.test", NULL));
	order_run(&o);
	order_answer_all(&o, METHOD_DNS_TXT, "nxdomain", 1);
	order_run(&o);
	order_look(&o);
	check_status(&o, "issued");
	memcpy(nonce, o.order.nonce, sizeof(nonce));
	CHECK_INT(order_act(&o, ORDER_ACT_COPY, NULL, NULL), ERR_NONE);
	check_status(&o, "draft");
	CHECK(memcmp(nonce, o.order.nonce, sizeof(nonce)) != 0);
	CHECK(!o.order.has_tbs && o.order.certificate.len == 0);
	CHECK_INT(order_act(&o, ORDER_ACT_SUBMIT, NULL, NULL), ERR_NONE);
	check_status(&o, "ready"); /* what was shown counts again */
	order_run(&o);
	order_look(&o);
	check_status(&o, "issued");
}

static void a_cancelled_order_is_over_and_its_serial_void(void)
{
	auto_order o;
	order_open(&o);
	order_create(&o, order_request(&o, "asked", "www.granted.test", NULL));
	check_status(&o, "pending-approval");
	CHECK_INT(order_act(&o, ORDER_ACT_CANCEL, NULL, NULL), ERR_NONE);
	check_status(&o, "cancelled");
	CHECK_INT(order_act(&o, ORDER_ACT_CANCEL, NULL, NULL), ERR_ORDER_STATE);
	CHECK_INT(order_act(&o, ORDER_ACT_CHECK, NULL, NULL), ERR_ORDER_STATE);
	CHECK_INT(order_decide(&o, &o.olga, "approve", "too late"), ERR_ORDER_STATE);
	order_reopen(&o);
	struct store_status s;
	store_status(o.f.store, &s);
	CHECK_INT(s.unfinished, 0);
}

/* ---- refusals ---- */

static void refuses_what_a_request_may_not_be(void)
{
	auto_order o;
	order_open(&o);
	CHECK_INT(order_refused(&o, order_request(&o, "no-such", "www.zone.test", NULL)), ERR_PROFILE_UNKNOWN);
	CHECK_INT(order_refused(&o, order_request(&o, "root", "www.zone.test", NULL)), ERR_PROFILE_UNKNOWN);
	CHECK_INT(order_refused(&o, order_request(&o, "dv", NULL)), ERR_BAD_NAME);
	CHECK_INT(order_refused(&o, order_request(&o, "dv", "www.elsewhere.test", NULL)), ERR_NAME_NOT_ALLOWED);
	CHECK_INT(order_refused(&o, order_request(&o, "dv", "uri:http://zone.test/", NULL)), ERR_BAD_NAME);
	CHECK_INT(order_refused(&o, order_request(&o, "dv", "a_b.zone.test", NULL)), ERR_BAD_NAME);
	CHECK_INT(order_refused(&o, order_request(&o, "ev", "*.zone.test", NULL)), ERR_BAD_NAME);
	struct message_order_create *m = order_request(&o, "dv", "www.zone.test", NULL);
	m->days = 4000;
	CHECK_INT(order_refused(&o, m), ERR_VALIDITY_TOO_LONG);
	m = order_request(&o, "dv", "www.zone.test", NULL);
	m->common_name = bytes_of("other.zone.test");
	CHECK_INT(order_refused(&o, m), ERR_BAD_NAME);
	m = order_request(&o, "dv", "www.zone.test", NULL);
	m->spki = buf_bytes(&o.f.ca->issuers[0].info.spki);
	CHECK_INT(order_refused(&o, m), ERR_BLOCKED_KEY);
	m = order_request(&o, "dv", "www.zone.test", NULL);
	m->spki = bytes_of("no key");
	CHECK(order_refused(&o, m) != ERR_NONE);
	CHECK_INT(fixture_audit_count(&o.f, "order.created"), 0);
}

static void refuses_texts_that_could_lie_to_people(void)
{
	auto_order o;
	order_open(&o);
	struct message_order_create *m = order_request(&o, "dv", "www.zone.test", NULL);
	m->asked_subject = bytes_of("CN=x\nstatus: approved");
	CHECK_INT(order_refused(&o, m), ERR_BAD_REQUEST);
	m = order_request(&o, "dv", "www.zone.test", NULL);
	m->not_copied_count = 1;
	m->not_copied[0] = BYTES("\xff\xfe", 2);
	CHECK_INT(order_refused(&o, m), ERR_BAD_REQUEST);
	m = order_request(&o, "dv", "www.zone.test", NULL);
	m->contact_count = 1;
	m->contacts[0] = (struct message_contact){ bytes_of("owner"), bytes_of("a@zone.test") };
	CHECK_INT(order_refused(&o, m), ERR_BAD_REQUEST);
	m->contacts[0] = (struct message_contact){ bytes_of("technical"), bytes_of("nobody\r\nBcc: all@zone.test") };
	CHECK_INT(order_refused(&o, m), ERR_BAD_REQUEST);
}

static void who_may_not_see_an_order_does_not_learn_of_it(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	order_open(&o);
	order_create(&o, order_request(&o, "dv", "www.zone.test", NULL));
	char id[65];
	(void)snprintf(id, sizeof(id), "%.*s", (int)o.order.id.len, (const char *)o.order.id.data);
	static const struct {
		const char *name;
		enum err_code see, cancel;
	} rows[] = { { "bob", ERR_NOT_FOUND, ERR_NOT_FOUND },
		     { "adm", ERR_NOT_FOUND, ERR_NOT_FOUND },
		     { "aud", ERR_NONE, ERR_ROLE_REQUIRED },
		     { "olga", ERR_NONE, ERR_ROLE_REQUIRED } };
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		auto_buf out = BUF_INIT;
		const struct ca_actor actor = order_actor(rows[i].name);
		const struct message_order_act cancel = { .id = bytes_of(id), .action = ORDER_ACT_CANCEL };
		err = ERR_INIT;
		(void)ca_order_get(o.f.ca, &actor, bytes_of(id), &out, &err);
		CHECK_INT(err.code, rows[i].see);
		err = ERR_INIT;
		CHECK_FAILS(ca_order_act(o.f.ca, &actor, &cancel, &out, &err) == -1, &err, rows[i].cancel);
		err = ERR_INIT;
		CHECK(ca_order_tbs(o.f.ca, &actor, bytes_of(id), &out, &err) == -1);
		CHECK_INT(err.code, rows[i].see == ERR_NONE ? ERR_ORDER_STATE : ERR_NOT_FOUND);
	}
	auto_buf out = BUF_INIT;
	struct ca_actor token = order_actor("alice");
	memcpy(token.token_id, "ci", 3);
	token.may_request = false;
	const struct message_order_act cancel = { .id = bytes_of(id), .action = ORDER_ACT_CANCEL };
	CHECK_FAILS(ca_order_act(o.f.ca, &token, &cancel, &out, &err) == -1, &err, ERR_ROLE_REQUIRED);
	token.may_read = false;
	CHECK_FAILS(ca_order_get(o.f.ca, &token, bytes_of(id), &out, &err) == -1, &err, ERR_NOT_FOUND);
	const struct error hidden = err;
	err = ERR_INIT;
	CHECK_FAILS(ca_order_get(o.f.ca, &token, bytes_of("nothing"), &out, &err) == -1, &err, ERR_NOT_FOUND);
	CHECK_TEXT(err.message, hidden.message); /* not a word tells one from the other */
	CHECK_TEXT(err.member, hidden.member);
	const struct ca_actor aud = order_actor("aud");
	CHECK_FAILS(ca_order_create(o.f.ca, &aud, order_request(&o, "dv", "www.zone.test", NULL), &out, &err) == -1,
		    &err, ERR_ROLE_REQUIRED);
}

static void a_clients_common_name_takes_a_grant(void)
{
	auto_order o;
	order_open(&o);
	struct message_order_create *m = order_request(&o, "badge", NULL);
	m->common_name = bytes_of("admin");
	CHECK_INT(order_refused(&o, m), ERR_NAME_NOT_ALLOWED);
	m = order_request(&o, "client", NULL);
	m->common_name = bytes_of("alice");
	CHECK_INT(order_refused(&o, m), ERR_NAME_NOT_ALLOWED);
	m = order_request(&o, "badge", NULL);
	m->common_name = bytes_of("alice at the door");
	order_create(&o, m);
	check_status(&o, "pending-approval");
	CHECK_INT(order_decide(&o, &o.olga, "approve", "seen in person"), ERR_NONE);
	order_run(&o);
	order_look(&o);
	check_status(&o, "issued");
}

/* The configuration is read once; here it is changed under a running CA. */
static void an_order_whose_profile_has_gone_waits_for_it(void)
{
	auto_order o;
	order_open(&o);
	order_create(&o, order_request(&o, "dv", "www.zone.test", NULL));
	order_run(&o);
	order_answer_all(&o, 0, "nxdomain", 1);
	struct ca_profile *profile = (struct ca_profile *)ca_config_profile(o.f.config, "dv");
	profile->name[0] = 'x';
	order_later(&o, 3600);
	order_run(&o);
	order_look(&o);
	check_status(&o, "pending-validation");
	CHECK(says(o.order.waits_for, "profile is not in the configuration"));
	CHECK_INT(order_act(&o, ORDER_ACT_CHECK, NULL, NULL), ERR_PROFILE_UNKNOWN);
	CHECK_INT(order_act(&o, ORDER_ACT_CONFIRM, "dns:www.zone.test", "x"), ERR_PROFILE_UNKNOWN);
	CHECK_INT(order_act(&o, ORDER_ACT_COPY, NULL, NULL), ERR_PROFILE_UNKNOWN);
	CHECK_INT(ca_orders_due(o.f.ca, 1) > clock_monotonic_ms(), 1);
	profile->name[0] = 'd';
	order_later(&o, 3700);
	order_run(&o);
	order_answer_all(&o, METHOD_DNS_TXT, "nxdomain", 1);
	order_look(&o);
	check_status(&o, "ready");
	profile->name[0] = 'x';
	order_run(&o);
	order_look(&o);
	check_status(&o, "pending-validation");
	CHECK_INT(order_act(&o, ORDER_ACT_CANCEL, NULL, NULL), ERR_NONE);
	profile->name[0] = 'd';
}

/* ---- two at once ---- */

#define RACERS 4
struct racer {
	pthread_t thread;
	struct order_fixture *o;
	char id[65];
	enum err_code code;
};

static void *cancel(void *arg)
{
	struct racer *r = arg;
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	const struct ca_actor alice = order_actor("alice");
	const struct message_order_act m = { .id = bytes_of(r->id), .action = ORDER_ACT_CANCEL };
	r->code = ca_order_act(r->o->f.ca, &alice, &m, &out, &err) ? err.code : ERR_NONE;
	return NULL;
}

static void of_two_changes_at_once_each_decides_about_what_the_other_left(void)
{
	auto_order o;
	order_open(&o);
	struct racer racers[RACERS];
	order_create(&o, order_request(&o, "dv", "www.zone.test", NULL));
	for (size_t i = 0; i < RACERS; i++) {
		racers[i] = (struct racer){ .o = &o };
		(void)snprintf(racers[i].id, sizeof(racers[i].id), "%.*s", (int)o.order.id.len,
			       (const char *)o.order.id.data);
		REQUIRE(pthread_create(&racers[i].thread, NULL, cancel, &racers[i]) == 0);
	}
	size_t done = 0, refused = 0;
	for (size_t i = 0; i < RACERS; i++) {
		(void)pthread_join(racers[i].thread, NULL);
		done += racers[i].code == ERR_NONE;
		refused += racers[i].code == ERR_ORDER_STATE;
	}
	CHECK_INT(done, 1);
	CHECK_INT(refused, RACERS - 1);
	CHECK_INT(fixture_audit_count(&o.f, "order.cancelled"), 1);
}

SUITE(order)
{
	TEST(a_name_that_is_shown_is_certified);
	TEST(the_validator_is_told_the_value_that_the_order_shows);
	TEST(a_wildcard_and_several_names_are_certified_when_each_is_shown);
	TEST(what_grants_cover_needs_no_check);
	TEST(under_domain_validation_people_are_asked_where_the_profile_says_so);
	TEST(a_draft_waits_for_its_requester_and_can_be_changed);
	TEST(a_copy_is_a_new_draft_with_a_nonce_of_its_own);
	TEST(a_cancelled_order_is_over_and_its_serial_void);
	TEST(refuses_what_a_request_may_not_be);
	TEST(refuses_texts_that_could_lie_to_people);
	TEST(who_may_not_see_an_order_does_not_learn_of_it);
	TEST(a_clients_common_name_takes_a_grant);
	TEST(an_order_whose_profile_has_gone_waits_for_it);
	TEST(of_two_changes_at_once_each_decides_about_what_the_other_left);
}
