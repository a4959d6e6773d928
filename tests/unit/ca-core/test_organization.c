/* Organizations as records that can be checked: versions, what is vetted, and what a change does to orders. */
#include <stdio.h>

#include "base/ossl.h"
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

static struct message_organization *get(struct order_fixture *o, const char *who, struct buf *out)
{
	struct error err = ERR_INIT;
	const struct ca_actor actor = order_actor(who);
	struct message_organization *m = malloc(sizeof(*m));
	REQUIRE(m != NULL);
	buf_clear(out);
	CHECK_OK(ca_organization_get(o->f.ca, &actor, bytes_of("acme"), out, &err) == 0, &err);
	CHECK_OK(message_organization_read(buf_bytes(out), m, &err) == 0, &err);
	return m;
}

static void check_organization(struct order_fixture *o, const char *status, uint64_t version)
{
	auto_buf out = BUF_INIT;
	auto_free struct message_organization *m = get(o, "olga", &out);
	CHECK_BYTES(m->status, bytes_of(status));
	CHECK_INT(m->version, version);
}

/* An order of acme's that waits for officers. */
static void pending(struct order_fixture *o, const char *profile)
{
	struct message_order_create *m = order_request(o, profile, "www.zone.test", NULL);
	m->organization = bytes_of("acme");
	order_create(o, m);
	order_run(o);
	order_answer_all(o, METHOD_DNS_TXT, "no-record", 1);
	order_look(o);
	check_status(o, "pending-approval");
}

static enum err_code ask(struct order_fixture *o, const char *profile)
{
	struct message_order_create *m = order_request(o, profile, "www.zone.test", NULL);
	m->organization = bytes_of("acme");
	return order_refused(o, m);
}

/* ---- the record ---- */

static void a_record_is_vetted_by_an_officers_statement_over_its_bytes(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT, record = BUF_INIT;
	struct message_name bytes;
	uint8_t hash[32];
	order_open(&o);
	order_organization(&o, NULL);
	check_organization(&o, "unvetted", 1);
	CHECK_INT(ask(&o, "ov"), ERR_ORGANIZATION_NOT_VALID);
	CHECK_INT(order_vet(&o, &o.olga, "vet"), ERR_NONE);
	check_organization(&o, "vetted", 1);
	CHECK_INT(ask(&o, "ov"), ERR_NONE);

	auto_free struct message_organization *m = get(&o, "alice", &out); /* its agent */
	const struct ca_actor aud = order_actor("aud");
	CHECK_OK(ca_organization_record(o.f.ca, &aud, bytes_of("acme"), &record, &err) == 0, &err);
	CHECK_OK(message_name_read(buf_bytes(&record), &bytes, &err) == 0, &err);
	sha256(bytes.name.data, bytes.name.len, hash);
	CHECK_BYTES(BYTES(m->record_hash, 32), BYTES(hash, 32));
	CHECK(says(bytes.name, "\nlegal-name: Acme Ltd\n"));
	CHECK(!says(bytes.name, "vetted"));
	CHECK_INT(m->valid_until_s, o.f.now_ms / 1000 + (int64_t)398 * 86400);
	CHECK_INT(fixture_audit_count(&o.f, "organization.added"), 1);
	CHECK_INT(fixture_audit_count(&o.f, "organization.vetted"), 1);
}

static void each_change_is_a_version_that_has_to_be_vetted_anew(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	order_open(&o);
	order_organization(&o, &o.olga);
	order_change_organization(&o, NULL);
	check_organization(&o, "unvetted", 2);
	CHECK_INT(ask(&o, "ov"), ERR_ORGANIZATION_NOT_VALID);
	/* The first one is kept as it was last. */
	auto_buf key = BUF_INIT;
	auto_free struct record_organization *r = malloc(sizeof(*r));
	auto_store_snapshot *snap = store_snapshot_new(o.f.store, &err);
	struct bytes value;
	REQUIRE(r != NULL && snap != NULL);
	record_key_organization_version(&key, bytes_of("acme"), 1);
	CHECK_INT(store_get(snap, STORE_ORGANIZATION_VERSIONS, buf_bytes(&key), &value, NULL, &err), 1);
	CHECK_OK(record_organization_decode(value, r, &err) == 0, &err);
	CHECK_BYTES(r->vetted_by, bytes_of("olga"));
	CHECK_OK(store_check(o.f.store, NULL, NULL, NULL, &err) == 0, &err);
}

static void refuses_a_change_of_what_is_not_there_any_more(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT, shown = BUF_INIT;
	order_open(&o);
	order_organization(&o, NULL);
	auto_free struct message_organization *m = get(&o, "olga", &shown);
	const struct ca_actor olga = order_actor("olga");
	m->status = m->vetted_by = BYTES_NONE;
	m->version = 0;
	CHECK_FAILS(ca_organization_add(o.f.ca, &olga, m, &out, &err) == -1, &err, ERR_CONFLICT);
	m->version = 7;
	CHECK_FAILS(ca_organization_add(o.f.ca, &olga, m, &out, &err) == -1, &err, ERR_CONFLICT);
	m->version = 1;
	err = ERR_INIT;
	CHECK_OK(ca_organization_add(o.f.ca, &olga, m, &out, &err) == 0, &err);
}

static void refuses_members_that_are_no_facts(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT, shown = BUF_INIT;
	order_open(&o);
	order_organization(&o, NULL);
	const struct ca_actor olga = order_actor("olga");
	for (int i = 0; i < 9; i++) {
		auto_free struct message_organization *m = get(&o, "olga", &shown);
		m->status = m->vetted_by = BYTES_NONE;
		switch (i) {
		case 0:
			m->legal_name = BYTES_NONE;
			break;
		case 1:
			m->legal_name = bytes_of("Acme\nstanding: good");
			break;
		case 2:
			m->country = bytes_of("de");
			break;
		case 3:
			m->jurisdiction_country = bytes_of("Germany");
			break;
		case 4:
			m->domains[0] = bytes_of("*.zone.test");
			break;
		case 5:
			m->domains[0] = bytes_of("Zone.Test");
			break;
		case 6:
			m->agents[0] = bytes_of("no body");
			break;
		case 7:
			m->id = bytes_of("../acme");
			m->version = 0;
			break;
		default:
			m->documents[0].date_s = o.f.now_ms / 1000 + (int64_t)30 * 86400;
			break;
		}
		err = ERR_INIT;
		CHECK_FAILS(ca_organization_add(o.f.ca, &olga, m, &out, &err) == -1, &err, ERR_BAD_REQUEST);
		CHECK(err.member[0] != '\0');
	}
	check_organization(&o, "unvetted", 1);
}

static void what_is_hidden_reads_as_what_is_not_there(void)
{
	auto_order o;
	struct error hidden = ERR_INIT, missing = ERR_INIT;
	auto_buf out = BUF_INIT;
	order_open(&o);
	order_organization(&o, NULL);
	const struct ca_actor bob = order_actor("bob");
	CHECK_FAILS(ca_organization_get(o.f.ca, &bob, bytes_of("acme"), &out, &hidden) == -1, &hidden, ERR_NOT_FOUND);
	CHECK_FAILS(ca_organization_get(o.f.ca, &bob, bytes_of("none"), &out, &missing) == -1, &missing, ERR_NOT_FOUND);
	CHECK_TEXT(hidden.message, missing.message);
	CHECK_TEXT(hidden.member, missing.member);
}

static void who_may_enter_vet_and_see(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT, shown = BUF_INIT;
	order_open(&o);
	order_organization(&o, NULL);
	static const struct {
		const char *name;
		bool enters, sees;
	} rows[] = {
		{ "alice", false, true }, { "bob", false, false }, { "aud", false, true }, { "adm", true, false }
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		auto_free struct message_organization *m = get(&o, "olga", &shown);
		const struct ca_actor actor = order_actor(rows[i].name);
		m->status = m->vetted_by = BYTES_NONE;
		err = ERR_INIT;
		(void)ca_organization_get(o.f.ca, &actor, bytes_of("acme"), &out, &err);
		CHECK_INT(err.code, rows[i].sees ? ERR_NONE : ERR_NOT_FOUND);
		err = ERR_INIT;
		(void)ca_organization_add(o.f.ca, &actor, m, &out, &err);
		CHECK_INT(err.code, rows[i].enters ? ERR_NONE : ERR_ROLE_REQUIRED);
		const struct message_decide decide = { .id = bytes_of("acme"), .statement = bytes_of("x") };
		err = ERR_INIT;
		CHECK_FAILS(ca_organization_decide(o.f.ca, &actor, &decide, &out, &err) == -1, &err,
			    ERR_APPROVAL_NOT_ALLOWED);
		auto_free struct message_organizations *list = malloc(sizeof(*list));
		REQUIRE(list != NULL);
		buf_clear(&out);
		err = ERR_INIT;
		CHECK_OK(ca_organization_list(o.f.ca, &actor, &out, &err) == 0, &err);
		CHECK_OK(message_organizations_read(buf_bytes(&out), list, &err) == 0, &err);
		CHECK_INT(list->count, rows[i].sees ? 1 : 0);
	}
}

static void a_vetting_counts_398_days_and_no_longer_than_its_oldest_document(void)
{
	auto_order o;
	order_open(&o);
	order_organization(&o, &o.olga);
	order_later(&o, (int64_t)398 * 86400);
	check_organization(&o, "expired", 1);
	CHECK_INT(ask(&o, "ov"), ERR_ORGANIZATION_NOT_VALID);
	CHECK_INT(order_vet(&o, &o.olga, "vet"), ERR_APPROVAL_NOT_ALLOWED); /* her certificate has ended as well */
	order_enrol_officer(&o, &o.alice_officer, "otto", ROLE_OFFICER);
	CHECK_INT(order_vet(&o, &o.alice_officer, "vet"), ERR_ORGANIZATION_NOT_VALID); /* its document is as old */
	order_change_organization(&o, NULL);
	CHECK_INT(order_vet(&o, &o.alice_officer, "vet"), ERR_NONE);
	CHECK_INT(ask(&o, "ov"), ERR_NONE);
}

static void a_statement_vets_once_and_only_the_version_that_it_is_about(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	uint8_t hash[32];
	auto_buf bytes = BUF_INIT, text = BUF_INIT;
	order_open(&o);
	order_organization(&o, NULL);
	struct ca_organization *first = ca_organization_load(o.f.ca, bytes_of("acme"), &err);
	CHECK_OK(first != NULL, &err);
	ca_organization_bytes(&first->record, &bytes);
	ca_organization_free(first);
	sha256(bytes.data, bytes.len, hash);
	order_statement(&o, &o.olga, "acme", hash, "vet", "the first", o.f.now_ms / 1000, &text);
	order_change_organization(&o, NULL);
	CHECK_INT(order_send_statement(&o, &o.olga, true, "acme", buf_bytes(&text)), ERR_APPROVAL_MISMATCH);
	CHECK_INT(order_vet(&o, &o.olga, "vet"), ERR_NONE);
	CHECK_INT(order_vet(&o, &o.olga, "vet"), ERR_APPROVAL_MISMATCH); /* the very same text once more */
	check_organization(&o, "vetted", 2);
}

/* Of two who vet and approve alike nobody would have looked at it with fresh eyes. */
static void a_version_is_vetted_by_one_officer(void)
{
	auto_order o;
	order_open(&o);
	order_organization(&o, &o.olga);
	CHECK_INT(order_vet(&o, &o.oskar, "vet"), ERR_ORDER_STATE);
	check_organization(&o, "vetted", 1);
	CHECK_INT(fixture_audit_count(&o.f, "organization.vetted"), 1);
	order_change_organization(&o, NULL);
	CHECK_INT(order_vet(&o, &o.oskar, "vet"), ERR_NONE);
	check_organization(&o, "vetted", 2);
}

static void of_the_first_day(struct message_organization *m)
{
	m->documents[0].date_s = 0;
}

static void a_document_of_1970_is_old(void)
{
	auto_order o;
	order_open(&o);
	order_change_organization(&o, of_the_first_day);
	CHECK_INT(order_vet(&o, &o.olga, "vet"), ERR_ORGANIZATION_NOT_VALID);
}

/* ---- what a change does to orders ---- */

static void change_name(struct message_organization *m)
{
	m->legal_name = bytes_of("Acme Holding Ltd");
}

static void not_good(struct message_organization *m)
{
	m->standing = STANDING_NOT_GOOD;
}

static void without_alice(struct message_organization *m)
{
	m->agents[0] = bytes_of("bob");
}

static void without_domain(struct message_organization *m)
{
	m->domains[0] = bytes_of("elsewhere.test");
}

static void a_changed_record_voids_approvals_and_says_so(void)
{
	auto_order o;
	uint8_t old_hash[32];
	order_open(&o);
	order_organization(&o, &o.olga);
	pending(&o, "ev");
	CHECK_INT(order_decide(&o, &o.oskar, "approve", "the old one"), ERR_NONE);
	memcpy(old_hash, o.order.tbs_hash, sizeof(old_hash));
	order_change_organization(&o, change_name);
	order_look(&o);
	check_status(&o, "pending-validation");
	CHECK_INT(o.order.approval_count, 0);
	CHECK(!o.order.has_tbs);
	CHECK(says(o.order.waits_for, "was not vetted"));
	CHECK_INT(order_vet(&o, &o.olga, "vet"), ERR_NONE);
	order_look(&o);
	check_status(&o, "pending-approval"); /* by itself: nobody has to come back */
	CHECK(memcmp(old_hash, o.order.tbs_hash, sizeof(old_hash)) != 0);
	CHECK(says(o.order.subject, "O=Acme Holding Ltd"));
	CHECK_INT(order_decide(&o, &o.olga, "approve", "the new one"), ERR_NONE);
	CHECK_INT(order_decide(&o, &o.oskar, "approve", "the new one"), ERR_NONE);
	order_run(&o);
	order_look(&o);
	check_status(&o, "issued");
}

static void a_suspended_record_stops_a_ready_order(void)
{
	auto_order o;
	order_open(&o);
	order_organization(&o, &o.olga);
	pending(&o, "ov");
	size_t before = order_certificates(&o);
	CHECK_INT(order_decide(&o, &o.oskar, "approve", "fine"), ERR_NONE);
	check_status(&o, "ready");
	CHECK_INT(order_vet(&o, &o.oskar, "suspend"), ERR_NONE);
	check_organization(&o, "suspended", 1);
	order_run(&o);
	order_look(&o);
	check_status(&o, "pending-validation");
	CHECK(says(o.order.waits_for, "suspended"));
	CHECK_INT(order_certificates(&o), before);
	CHECK_INT(ask(&o, "ov"), ERR_ORGANIZATION_NOT_VALID);
	CHECK_INT(order_vet(&o, &o.oskar, "vet"), ERR_ORDER_STATE); /* a new version has to be entered */
}

static void an_organization_that_is_not_in_good_standing_is_not_vetted(void)
{
	auto_order o;
	order_open(&o);
	order_organization(&o, &o.olga);
	pending(&o, "ov");
	order_change_organization(&o, not_good);
	CHECK_INT(order_vet(&o, &o.olga, "vet"), ERR_ORGANIZATION_NOT_VALID);
	order_look(&o);
	check_status(&o, "pending-validation");
	CHECK_INT(ask(&o, "ov"), ERR_ORGANIZATION_NOT_VALID);
}

static void a_record_that_ends_while_officers_think_stops_the_order(void)
{
	auto_order o;
	order_open(&o);
	order_organization(&o, &o.olga);
	order_later(&o, (int64_t)398 * 86400 - 3600);
	pending(&o, "ov");
	order_later(&o, 3601);
	order_run(&o);
	order_look(&o);
	check_status(&o, "pending-validation");
	CHECK(says(o.order.waits_for, "too long ago"));
}

static void who_is_no_agent_any_more_and_names_outside_the_domains_wait(void)
{
	auto_order o;
	order_open(&o);
	order_organization(&o, &o.olga);
	pending(&o, "ov");
	order_change_organization(&o, without_alice);
	CHECK_INT(order_vet(&o, &o.olga, "vet"), ERR_NONE);
	order_look(&o);
	check_status(&o, "pending-validation");
	CHECK(says(o.order.waits_for, "not named to act"));
	order_change_organization(&o, without_domain);
	CHECK_INT(order_vet(&o, &o.olga, "vet"), ERR_NONE);
	order_look(&o);
	CHECK(says(o.order.waits_for, "does not list a domain"));
	CHECK_INT(ask(&o, "ov"), ERR_NAME_NOT_ALLOWED);
}

static void domains_cover_themselves_and_what_is_below(void)
{
	struct error err = ERR_INIT;
	auto_free struct record_organization *r = calloc(1, sizeof(*r));
	REQUIRE(r != NULL);
	r->domains[r->domain_count++] = bytes_of("zone.test");
	r->domains[r->domain_count++] = bytes_of("ip:192.0.2.1");
	CHECK_INT(ca_organization_covers(r, bytes_of("dns:zone.test"), &err), 0);
	CHECK_INT(ca_organization_covers(r, bytes_of("dns:a.b.zone.test"), &err), 0);
	CHECK_INT(ca_organization_covers(r, bytes_of("dns:*.zone.test"), &err), 0);
	CHECK_INT(ca_organization_covers(r, bytes_of("ip:192.0.2.1"), &err), 0);
	static const char *const others[] = { "dns:evilzone.test", "dns:test", "dns:zone.test.other", "ip:192.0.2.2",
					      "dns:192.0.2.1" };
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		err = ERR_INIT;
		CHECK_FAILS(ca_organization_covers(r, bytes_of(others[i]), &err) == -1, &err, ERR_NAME_NOT_ALLOWED);
	}
}

SUITE(organization)
{
	TEST(a_record_is_vetted_by_an_officers_statement_over_its_bytes);
	TEST(each_change_is_a_version_that_has_to_be_vetted_anew);
	TEST(refuses_a_change_of_what_is_not_there_any_more);
	TEST(refuses_members_that_are_no_facts);
	TEST(what_is_hidden_reads_as_what_is_not_there);
	TEST(who_may_enter_vet_and_see);
	TEST(a_version_is_vetted_by_one_officer);
	TEST(a_document_of_1970_is_old);
	TEST(a_vetting_counts_398_days_and_no_longer_than_its_oldest_document);
	TEST(a_statement_vets_once_and_only_the_version_that_it_is_about);
	TEST(a_changed_record_voids_approvals_and_says_so);
	TEST(a_suspended_record_stops_a_ready_order);
	TEST(an_organization_that_is_not_in_good_standing_is_not_vetted);
	TEST(a_record_that_ends_while_officers_think_stops_the_order);
	TEST(who_is_no_agent_any_more_and_names_outside_the_domains_wait);
	TEST(domains_cover_themselves_and_what_is_below);
}
