/* What officers decide: exactly these bytes, in time, each once; and fronts that lie about it. */
#include "tests/unit/ca-core/order_fixture.h"

#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>

#include "ca-core/identity.h"
#include "ca-core/inventory.h"
#include "ca-core/lint.h"
#include "ca-core/revoke.h"
#include "ca-core/statement.h"

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

static const char *id_of(const struct order_fixture *o, char id[65])
{
	(void)snprintf(id, 65, "%.*s", (int)o->order.id.len, (const char *)o->order.id.data);
	return id;
}

/* An order of acme's, shown and waiting for officers. */
static void pending(struct order_fixture *o, const char *profile)
{
	struct message_order_create *m = order_request(o, profile, "www.zone.test", NULL);
	m->organization = bytes_of("acme");
	m->common_name = bytes_of("www.zone.test");
	order_create(o, m);
	order_run(o);
	order_answer_all(o, METHOD_DNS_TXT, "nxdomain", 1);
	order_run(o);
	order_look(o);
	check_status(o, "pending-approval");
}

static void load_certificate(struct order_fixture *o, struct buf *der)
{
	struct error err = ERR_INIT;
	auto_store_snapshot *snap = store_snapshot_new(o->f.store, &err);
	auto_free struct record_certificate *record = malloc(sizeof(*record));
	REQUIRE(snap != NULL && record != NULL);
	CHECK_INT(ca_inventory_find(snap, o->f.config, o->order.certificate, record, NULL, NULL, &err), 1);
	buf_add_bytes(der, record->der);
}

static size_t unfinished(struct order_fixture *o)
{
	struct store_status s;
	store_status(o->f.store, &s);
	return (size_t)s.unfinished;
}

/* ---- stories ---- */

static void under_organization_validation_one_officer_approves_the_very_bytes(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	auto_buf der = BUF_INIT, subject = BUF_INIT, tbs = BUF_INIT, approved = BUF_INIT;
	struct message_name bytes;
	struct ca_certificate_facts facts;
	char id[65];
	order_open(&o);
	order_organization(&o, &o.olga);
	pending(&o, "ov");
	CHECK_INT(o.order.approvals_needed, 1);
	CHECK(says(o.order.waits_for, "approval by 1 more officer before"));
	CHECK(says(o.order.subject, "O=Acme Ltd"));
	CHECK(!says(o.order.subject, "Asked For"));
	const struct ca_actor olga = order_actor("olga");
	CHECK_OK(ca_order_tbs(o.f.ca, &olga, bytes_of(id_of(&o, id)), &tbs, &err) == 0, &err);
	CHECK_OK(message_name_read(buf_bytes(&tbs), &bytes, &err) == 0, &err);
	buf_add_bytes(&approved, bytes.name);

	CHECK_INT(order_decide(&o, &o.olga, "approve", "looked at it"), ERR_NONE); /* who vetted may approve here */
	order_run(&o);
	order_look(&o);
	check_status(&o, "issued");
	load_certificate(&o, &der);
	CHECK_OK(ca_certificate_read(buf_bytes(&der), &facts, &err) == 0, &err);
	CHECK_BYTES(facts.tbs, buf_bytes(&approved));
	CHECK_OK(ca_subject_text(facts.subject, &subject, &err) == 0, &err);
	CHECK_TEXT(buf_text(&subject), "CN=www.zone.test,O=Acme Ltd,L=Berlin,C=DE");
	CHECK_INT(unfinished(&o), 0);
}

static void under_extended_validation_two_officers_approve(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	auto_buf der = BUF_INIT, subject = BUF_INIT;
	struct ca_certificate_facts facts;
	order_open(&o);
	order_organization(&o, &o.olga);
	pending(&o, "ev");
	CHECK_INT(o.order.approvals_needed, 2);
	CHECK_INT(order_decide(&o, &o.olga, "approve", "first"), ERR_NONE);
	check_status(&o, "pending-approval");
	CHECK_INT(o.order.approval_count, 1);
	CHECK_INT(order_decide(&o, &o.oskar, "approve", "second"), ERR_NONE);
	order_run(&o);
	order_look(&o);
	check_status(&o, "issued");
	CHECK_INT(o.order.approval_count, 2);
	load_certificate(&o, &der);
	CHECK_OK(ca_certificate_read(buf_bytes(&der), &facts, &err) == 0, &err);
	CHECK_OK(ca_subject_text(facts.subject, &subject, &err) == 0, &err);
	CHECK(says(buf_bytes(&subject), "serialNumber=HRB 4711"));
	CHECK(says(buf_bytes(&subject), "businessCategory=Private Organization"));
}

static void one_officer_who_denies_ends_it(void)
{
	auto_order o;
	order_open(&o);
	order_organization(&o, &o.olga);
	pending(&o, "ev");
	CHECK_INT(order_decide(&o, &o.olga, "approve", "fine"), ERR_NONE);
	CHECK_INT(order_decide(&o, &o.oskar, "deny", "not by them"), ERR_NONE);
	check_status(&o, "denied");
	CHECK_INT(order_decide(&o, &o.oskar, "approve", "after all"), ERR_ORDER_STATE);
	order_run(&o);
	order_look(&o);
	check_status(&o, "denied");
	order_reopen(&o);
	CHECK_INT(unfinished(&o), 0);
}

/* ---- two at once ---- */

struct approver {
	pthread_t thread;
	struct order_fixture *o;
	const struct officer *who;
	char id[65];
	struct buf text;
	enum err_code code;
};

static void *approve(void *arg)
{
	struct approver *a = arg;
	a->code = order_send_statement(a->o, a->who, false, a->id, buf_bytes(&a->text));
	return NULL;
}

static void two_officers_at_once_both_count(void)
{
	auto_order o;
	order_open(&o);
	order_organization(&o, &o.olga);
	pending(&o, "ev");
	struct approver both[2] = { { .o = &o, .who = &o.olga }, { .o = &o, .who = &o.oskar } };
	for (size_t i = 0; i < 2; i++) {
		(void)id_of(&o, both[i].id);
		order_statement(&o, both[i].who, both[i].id, o.order.tbs_hash, "approve", "at once", o.f.now_ms / 1000,
				&both[i].text);
	}
	for (size_t i = 0; i < 2; i++)
		REQUIRE(pthread_create(&both[i].thread, NULL, approve, &both[i]) == 0);
	for (size_t i = 0; i < 2; i++) {
		(void)pthread_join(both[i].thread, NULL);
		CHECK_INT(both[i].code, ERR_NONE);
		buf_free(&both[i].text);
	}
	order_run(&o);
	order_look(&o);
	check_status(&o, "issued");
	CHECK_INT(o.order.approval_count, 2);
}

/* ---- who may not ---- */

static void no_officer_decides_twice(void)
{
	auto_order o;
	order_open(&o);
	order_organization(&o, &o.olga);
	pending(&o, "ev");
	CHECK_INT(order_decide(&o, &o.olga, "approve", "first"), ERR_NONE);
	CHECK_INT(order_decide(&o, &o.olga, "approve", "and again"), ERR_APPROVAL_NOT_ALLOWED);
	CHECK_INT(order_decide(&o, &o.olga, "deny", "changed my mind"), ERR_APPROVAL_NOT_ALLOWED);
	check_status(&o, "pending-approval");
	CHECK_INT(o.order.approval_count, 1);
}

static void who_asks_does_not_approve(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	struct officer alice = { .name = "alice" };
	auto_buf spki = BUF_INIT;
	char id[65];
	order_open(&o);
	order_organization(&o, &o.olga);
	pending(&o, "ov");
	/* Alice becomes an officer as well, with a certificate of her own key. */
	const struct ca_actor root = fixture_actor("root", 15);
	alice.key = EVP_EC_gen("P-256");
	uint8_t *der = NULL;
	int len = i2d_PUBKEY(alice.key, &der);
	REQUIRE(len > 0);
	buf_add(&spki, der, (size_t)len);
	OPENSSL_free(der);
	const struct message_identity_add add = { .name = bytes_of("alice"),
						  .roles = ROLE_REQUESTER | ROLE_OFFICER,
						  .spki = buf_bytes(&spki) };
	CHECK_OK(ca_identity_add(o.f.ca, &root, &add, true, false, &alice.certificate, NULL, &err) == 0, &err);
	auto_buf text = BUF_INIT;
	(void)id_of(&o, id);
	order_statement(&o, &alice, id, o.order.tbs_hash, "approve", "mine", o.f.now_ms / 1000, &text);
	CHECK_INT(order_send_statement(&o, &alice, false, id, buf_bytes(&text)), ERR_APPROVAL_NOT_ALLOWED);
	order_look(&o);
	check_status(&o, "pending-approval");
	o.alice_officer = alice;
}

static void auditors_admins_requesters_and_tokens_decide_nothing(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	char id[65];
	auto_buf out = BUF_INIT;
	order_open(&o);
	order_organization(&o, &o.olga);
	pending(&o, "ov");
	static const char *const names[] = { "aud", "adm", "alice", "bob" };
	struct message_decide m = { .id = bytes_of(id_of(&o, id)),
				    .statement = bytes_of("x"),
				    .certificate = buf_bytes(&o.olga.certificate),
				    .signature = bytes_of("x") };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct ca_actor actor = order_actor(names[i]);
		err = ERR_INIT;
		CHECK(ca_order_decide(o.f.ca, &actor, &m, &out, &err) == -1);
		CHECK(err.code == ERR_APPROVAL_NOT_ALLOWED || err.code == ERR_NOT_FOUND);
	}
	struct ca_actor token = order_actor("olga");
	memcpy(token.token_id, "ci", 3);
	err = ERR_INIT;
	CHECK_FAILS(ca_order_decide(o.f.ca, &token, &m, &out, &err) == -1, &err, ERR_APPROVAL_NOT_ALLOWED);
}

/* ---- a front that lies ---- */

static void a_front_without_the_officers_key_approves_nothing(void)
{
	auto_order o;
	struct officer forged;
	char id[65];
	auto_buf text = BUF_INIT;
	order_open(&o);
	order_organization(&o, &o.olga);
	pending(&o, "ov");
	(void)id_of(&o, id);
	/* Olga's statement and certificate, signed by another key. */
	forged = o.olga;
	forged.key = o.oskar.key;
	order_statement(&o, &forged, id, o.order.tbs_hash, "approve", "forged", o.f.now_ms / 1000, &text);
	CHECK_INT(order_send_statement(&o, &forged, false, id, buf_bytes(&text)), ERR_APPROVAL_MISMATCH);
	/* Oskar's certificate and key under Olga's name. */
	forged.certificate = o.oskar.certificate;
	CHECK_INT(order_send_statement(&o, &forged, false, id, buf_bytes(&text)), ERR_APPROVAL_NOT_ALLOWED);
	/* A certificate that nobody here issued. */
	forged.certificate = BUF_INIT;
	buf_add_text(&forged.certificate, "certificate");
	CHECK(order_send_statement(&o, &forged, false, id, buf_bytes(&text)) != ERR_NONE);
	buf_free(&forged.certificate);
	/* What Olga signed, sent in Oskar's session. */
	buf_clear(&text);
	order_statement(&o, &o.olga, id, o.order.tbs_hash, "approve", "mine", o.f.now_ms / 1000, &text);
	forged = o.olga;
	forged.name = "oskar";
	CHECK_INT(order_send_statement(&o, &forged, false, id, buf_bytes(&text)), ERR_APPROVAL_MISMATCH);
	order_look(&o);
	check_status(&o, "pending-approval");
	CHECK_INT(o.order.approval_count, 0);
	CHECK_INT(fixture_audit_count(&o.f, "order.approved"), 0);
}

static void a_statement_is_about_one_order_and_its_present_bytes(void)
{
	auto_order o;
	char first[65], second[65];
	uint8_t old_hash[32], other[32] = { 1 };
	auto_buf text = BUF_INIT;
	order_open(&o);
	order_organization(&o, &o.olga);
	pending(&o, "ev");
	(void)id_of(&o, first);
	memcpy(old_hash, o.order.tbs_hash, sizeof(old_hash));
	order_statement(&o, &o.oskar, first, old_hash, "approve", "the first", o.f.now_ms / 1000, &text);
	CHECK_INT(order_send_statement(&o, &o.oskar, false, first, buf_bytes(&text)), ERR_NONE);

	pending(&o, "ev");
	(void)id_of(&o, second);
	CHECK(strcmp(first, second) != 0);
	/* Replayed: for the other order, and for the same one. */
	CHECK_INT(order_send_statement(&o, &o.oskar, false, second, buf_bytes(&text)), ERR_APPROVAL_MISMATCH);
	CHECK_INT(order_send_statement(&o, &o.oskar, false, first, buf_bytes(&text)), ERR_APPROVAL_NOT_ALLOWED);
	/* The right order, the hash of other bytes. */
	buf_clear(&text);
	order_statement(&o, &o.olga, second, old_hash, "approve", "older bytes", o.f.now_ms / 1000, &text);
	CHECK_INT(order_send_statement(&o, &o.olga, false, second, buf_bytes(&text)), ERR_APPROVAL_MISMATCH);
	buf_clear(&text);
	order_statement(&o, &o.olga, second, other, "approve", "no bytes", o.f.now_ms / 1000, &text);
	CHECK_INT(order_send_statement(&o, &o.olga, false, second, buf_bytes(&text)), ERR_APPROVAL_MISMATCH);
	/* A vetting of an organization is no approval. */
	buf_clear(&text);
	order_statement(&o, &o.olga, second, o.order.tbs_hash, "vet", "as vetting", o.f.now_ms / 1000, &text);
	CHECK_INT(order_send_statement(&o, &o.olga, false, second, buf_bytes(&text)), ERR_APPROVAL_MISMATCH);
	order_look(&o);
	CHECK_INT(o.order.approval_count, 0);
}

static void a_statement_is_of_now_and_of_this_ca(void)
{
	auto_order o;
	char id[65], root[65];
	auto_buf text = BUF_INIT;
	order_open(&o);
	order_organization(&o, &o.olga);
	pending(&o, "ov");
	(void)id_of(&o, id);
	static const int64_t off_s[] = { -301, 301, -86400 };
	for (size_t i = 0; i < sizeof(off_s) / sizeof(off_s[0]); i++) {
		buf_clear(&text);
		order_statement(&o, &o.oskar, id, o.order.tbs_hash, "approve", "off", o.f.now_ms / 1000 + off_s[i],
				&text);
		CHECK_INT(order_send_statement(&o, &o.oskar, false, id, buf_bytes(&text)), ERR_APPROVAL_MISMATCH);
	}
	memcpy(root, o.f.ca->root_hash, sizeof(root));
	o.f.ca->root_hash[0] = root[0] == 'a' ? 'b' : 'a';
	buf_clear(&text);
	order_statement(&o, &o.oskar, id, o.order.tbs_hash, "approve", "elsewhere", o.f.now_ms / 1000, &text);
	memcpy(o.f.ca->root_hash, root, sizeof(root));
	CHECK_INT(order_send_statement(&o, &o.oskar, false, id, buf_bytes(&text)), ERR_APPROVAL_MISMATCH);
	/* A line break in the reason would be another line. */
	buf_clear(&text);
	order_statement(&o, &o.oskar, id, o.order.tbs_hash, "approve", "one", o.f.now_ms / 1000, &text);
	uint8_t *reason = memmem(text.data, text.len, "one", 3);
	REQUIRE(reason != NULL);
	reason[1] = '\n';
	CHECK_INT(order_send_statement(&o, &o.oskar, false, id, buf_bytes(&text)), ERR_APPROVAL_MISMATCH);
	order_look(&o);
	CHECK_INT(o.order.approval_count, 0);
}

/* ---- officers who go ---- */

static void an_officer_whose_certificate_was_revoked_decides_nothing(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	struct ca_certificate_facts facts;
	order_open(&o);
	order_organization(&o, &o.olga);
	pending(&o, "ov");
	CHECK_OK(ca_certificate_read(buf_bytes(&o.oskar.certificate), &facts, &err) == 0, &err);
	const struct ca_actor olga = order_actor("olga");
	const struct message_status_change revoke = { .serial = facts.serial,
						      .action = MESSAGE_REVOKE,
						      .reason = REASON_SUPERSEDED };
	CHECK_OK(ca_revoke(o.f.ca, &olga, &revoke, &out, &err) == 0, &err);
	CHECK_INT(order_decide(&o, &o.oskar, "approve", "revoked"), ERR_APPROVAL_NOT_ALLOWED);
	CHECK_INT(o.order.approval_count, 0);
}

static void an_officer_who_is_removed_has_not_agreed(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	order_open(&o);
	order_organization(&o, &o.olga);
	pending(&o, "ev");
	CHECK_INT(order_decide(&o, &o.oskar, "approve", "first"), ERR_NONE);
	const struct ca_actor root = fixture_actor("root", 15);
	CHECK_OK(ca_identity_remove(o.f.ca, &root, bytes_of("oskar"), &err) == 0, &err);
	CHECK_INT(order_decide(&o, &o.olga, "approve", "second"), ERR_NONE);
	check_status(&o, "pending-approval"); /* one is left */
	CHECK_INT(o.order.approval_count, 1);
	CHECK_INT(fixture_audit_count(&o.f, "order.approval-void"), 1);
	size_t before = order_certificates(&o);
	order_run(&o);
	CHECK_INT(order_certificates(&o), before);
}

static void who_becomes_an_officer_for_an_order_is_to_be_seen(void)
{
	auto_order o;
	order_open(&o);
	order_organization(&o, &o.olga);
	pending(&o, "ev");
	CHECK_INT(order_decide(&o, &o.olga, "approve", "first"), ERR_NONE);
	order_later(&o, 60);
	order_enrol_officer(&o, &o.alice_officer, "adam", ROLE_OFFICER | ROLE_ADMIN);
	CHECK_INT(order_decide(&o, &o.alice_officer, "approve", "second, by myself"), ERR_NONE);
	order_run(&o);
	order_look(&o);
	check_status(&o, "issued");
	CHECK_INT(fixture_audit_count(&o.f, "order.approved"), 2);
	CHECK_INT(fixture_audit_finds(&o.f, "\"enrolledAfterOrder\":\"yes\""), 1);
}

/* ---- deadlines ---- */

/* What was shown counts still, what was looked up of CAA does not: nobody has to ask for the look. */
static void past_the_deadline_caa_is_looked_up_again_by_itself(void)
{
	auto_order o;
	order_open(&o);
	order_create(&o, order_request(&o, "asked-caa", "www.zone.test", NULL));
	order_run(&o);
	order_answer_all(&o, METHOD_DNS_TXT, "ok", 1);
	order_look(&o);
	check_status(&o, "pending-approval");
	order_later(&o, INT64_C(48) * 3600);
	order_run(&o);
	order_look(&o);
	check_status(&o, "pending-validation");
	order_later(&o, 10);
	order_run(&o);
	CHECK(order_asked(&o, MSG_VALIDATE));
	order_answer_all(&o, 0, "ok", 1);
	order_look(&o);
	check_status(&o, "pending-approval");
}

static void past_the_deadline_there_are_new_bytes_and_no_approvals(void)
{
	auto_order o;
	char id[65];
	uint8_t old_hash[32];
	auto_buf text = BUF_INIT;
	order_open(&o);
	order_organization(&o, &o.olga);
	pending(&o, "ev");
	CHECK_INT(order_decide(&o, &o.olga, "approve", "first"), ERR_NONE);
	memcpy(old_hash, o.order.tbs_hash, sizeof(old_hash));
	int64_t checked_s = o.order.authorizations[0].expires_s;
	order_later(&o, (int64_t)48 * 3600);
	/* Somebody decides before the clock has come by. */
	(void)id_of(&o, id);
	order_statement(&o, &o.oskar, id, old_hash, "approve", "late", o.f.now_ms / 1000, &text);
	CHECK_INT(order_send_statement(&o, &o.oskar, false, id, buf_bytes(&text)), ERR_ORDER_STATE);
	order_run(&o);
	order_look(&o);
	check_status(&o, "pending-approval");
	CHECK(memcmp(old_hash, o.order.tbs_hash, sizeof(old_hash)) != 0);
	CHECK_INT(o.order.approval_count, 0);
	CHECK_INT(o.order.authorizations[0].expires_s, checked_s); /* what was shown stays */
	CHECK(says(o.order.waits_for, "approvals were good until"));
	CHECK_INT(order_send_statement(&o, &o.oskar, false, id, buf_bytes(&text)), ERR_APPROVAL_MISMATCH);
	CHECK_INT(order_decide(&o, &o.olga, "approve", "the new ones"), ERR_NONE);
	CHECK_INT(order_decide(&o, &o.oskar, "approve", "the new ones, too"), ERR_NONE);
	order_run(&o);
	order_look(&o);
	check_status(&o, "issued");
	order_reopen(&o);
	CHECK_INT(unfinished(&o), 0); /* the old serial is known to be unused */
}

SUITE(order_approve)
{
	TEST(under_organization_validation_one_officer_approves_the_very_bytes);
	TEST(under_extended_validation_two_officers_approve);
	TEST(one_officer_who_denies_ends_it);
	TEST(two_officers_at_once_both_count);
	TEST(no_officer_decides_twice);
	TEST(who_asks_does_not_approve);
	TEST(auditors_admins_requesters_and_tokens_decide_nothing);
	TEST(a_front_without_the_officers_key_approves_nothing);
	TEST(a_statement_is_about_one_order_and_its_present_bytes);
	TEST(a_statement_is_of_now_and_of_this_ca);
	TEST(an_officer_whose_certificate_was_revoked_decides_nothing);
	TEST(an_officer_who_is_removed_has_not_agreed);
	TEST(who_becomes_an_officer_for_an_order_is_to_be_seen);
	TEST(past_the_deadline_there_are_new_bytes_and_no_approvals);
	TEST(past_the_deadline_caa_is_looked_up_again_by_itself);
}
