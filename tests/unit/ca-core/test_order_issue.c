/* The last look before the token signs; crashes between any two steps; tokens that are away. */
#include "ca-core/order_issue.h"

#include <stdio.h>

#include "ca-core/identity.h"
#include "ca-core/inventory.h"
#include "ca-core/issuance.h"
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

static const char *id_of(const struct order_fixture *o, char id[65])
{
	(void)snprintf(id, 65, "%.*s", (int)o->order.id.len, (const char *)o->order.id.data);
	return id;
}

static size_t unfinished(struct order_fixture *o)
{
	struct store_status s;
	store_status(o->f.store, &s);
	return (size_t)s.unfinished;
}

static void show_all(struct order_fixture *o)
{
	for (int i = 0; i < 3 && order_asked(o, MSG_VALIDATE); i++)
		order_answer_all(o, METHOD_DNS_TXT, "nxdomain", 1);
}

/* Nothing dangles, whatever happened. */
static void check_store(struct order_fixture *o)
{
	struct error err = ERR_INIT;
	CHECK_OK(store_check(o->f.store, NULL, NULL, NULL, &err) == 0, &err);
}

/* An order that is ready, and due. */
static void ready(struct order_fixture *o, const char *profile)
{
	order_create(o, order_request(o, profile, "www.zone.test", NULL));
	order_run(o);
	show_all(o);
	order_look(o);
	check_status(o, "ready");
}

/* ---- crashes ---- */

static void a_crash_after_each_step_loses_nothing(void)
{
	auto_order o;
	order_open(&o);
	size_t before = order_certificates(&o);
	order_organization(&o, &o.olga);
	order_reopen(&o);
	struct message_order_create *m = order_request(&o, "ev", "www.zone.test", NULL);
	m->organization = bytes_of("acme");
	m->draft = true;
	order_create(&o, m);
	order_reopen(&o);
	CHECK_INT(order_act(&o, ORDER_ACT_SUBMIT, NULL, NULL), ERR_NONE);
	order_reopen(&o);
	order_run(&o);
	REQUIRE(order_asked(&o, MSG_VALIDATE) != NULL);
	order_reopen(&o); /* what was asked is asked again */
	order_run(&o);
	REQUIRE(order_asked(&o, MSG_VALIDATE) != NULL);
	order_answer_all(&o, METHOD_HTTP, "nxdomain", 1);
	order_reopen(&o);
	order_look(&o);
	check_status(&o, "pending-approval");
	uint8_t hash[32];
	memcpy(hash, o.order.tbs_hash, sizeof(hash));
	CHECK_INT(order_decide(&o, &o.olga, "approve", "first"), ERR_NONE);
	order_reopen(&o);
	CHECK_INT(order_decide(&o, &o.oskar, "approve", "second"), ERR_NONE);
	order_reopen(&o);
	order_look(&o);
	check_status(&o, "ready");
	CHECK(memcmp(hash, o.order.tbs_hash, sizeof(hash)) == 0);
	order_run(&o);
	order_reopen(&o);
	order_look(&o);
	check_status(&o, "issued");
	CHECK_INT(order_certificates(&o), before + 1);
	CHECK_INT(unfinished(&o), 0);
	check_store(&o);
}

/* What a crash leaves that came after the bytes were fixed, and perhaps signed, and before the certificate was
 * committed: the order's record in issuing. */
static void leave_in_issuing(struct order_fixture *o)
{
	struct error err = ERR_INIT;
	char id[65];
	auto_buf value = BUF_INIT;
	struct store_snapshot *snap = store_snapshot_new(o->f.store, &err);
	auto_free struct record_order *order = malloc(sizeof(*order));
	uint64_t version = 0;
	struct bytes stored;
	REQUIRE(snap != NULL && order != NULL);
	REQUIRE(store_get(snap, STORE_ORDERS, bytes_of(id_of(o, id)), &stored, &version, &err) == 1);
	CHECK_OK(record_order_decode(stored, order, &err) == 0, &err);
	REQUIRE(order->tbs.len > 0);
	order->status = ORDER_ISSUING;
	record_order_encode(order, &value);
	store_snapshot_free(snap); /* before the store is closed */
	struct store_batch *batch = store_batch_new(o->f.store);
	REQUIRE(batch != NULL && !value.failed);
	store_expect_version(batch, STORE_ORDERS, bytes_of(id), version);
	store_put(batch, STORE_ORDERS, bytes_of(id), buf_bytes(&value));
	CHECK_OK(store_submit_wait(o->f.store, batch, NULL, &err) == 0, &err);
	order_reopen(o);
	order_look(o);
	check_status(o, "issuing");
}

/* An approved order that was left so. */
static void issuing(struct order_fixture *o)
{
	order_create(o, order_request(o, "asked", "www.granted.test", NULL));
	CHECK_INT(order_decide(o, &o->olga, "approve", "fine"), ERR_NONE);
	check_status(o, "ready");
	leave_in_issuing(o);
}

static void in_issuing_the_same_bytes_are_signed_again(void)
{
	auto_order o;
	uint8_t hash[32];
	char needle[96] = "\"tbs\":\"";
	order_open(&o);
	size_t before = order_certificates(&o);
	issuing(&o);
	memcpy(hash, o.order.tbs_hash, sizeof(hash));
	CHECK_INT(order_act(&o, ORDER_ACT_CANCEL, NULL, NULL), ERR_ORDER_STATE);
	CHECK_INT(order_decide(&o, &o.oskar, "deny", "too late"), ERR_ORDER_STATE);
	order_run(&o);
	order_look(&o);
	check_status(&o, "issued");
	CHECK_INT(order_certificates(&o), before + 1);
	for (size_t i = 0; i < sizeof(hash); i++)
		(void)snprintf(needle + strlen(needle), 3, "%02x", hash[i]);
	CHECK_INT(fixture_audit_finds(&o.f, needle), 4); /* pending-approval, ready, order.issued, certificate.issued */
	order_run(&o);
	CHECK_INT(order_certificates(&o), before + 1);
	CHECK_INT(unfinished(&o), 0);
	check_store(&o);
}

static void what_was_perhaps_signed_and_may_not_go_out_is_on_record_as_unfinished(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	struct message_block block = { .note = bytes_of("found on a stick") };
	order_open(&o);
	issuing(&o);
	memcpy(block.spki_hash, o.order.spki_hash, sizeof(block.spki_hash));
	const struct ca_actor root = fixture_actor("root", ROLE_ADMIN);
	CHECK_OK(ca_key_block(o.f.ca, &root, &block, &err) == 0, &err);
	order_run(&o);
	order_look(&o);
	check_status(&o, "failed");
	CHECK_BYTES(o.order.failure_code, bytes_of("blocked-key"));
	CHECK_INT(unfinished(&o), 1); /* revocable: the token may have signed */
	check_store(&o);
}

static void two_threads_issue_an_order_once(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	char id[65];
	order_open(&o);
	size_t before = order_certificates(&o);
	ready(&o, "dv");
	(void)id_of(&o, id);
	for (int i = 0; i < 3; i++)
		CHECK_OK(order_issue(o.f.ca, NULL, bytes_of(id), &err) == 0, &err);
	order_run(&o);
	CHECK_INT(order_certificates(&o), before + 1);
	check_store(&o);
}

/* ---- a token that is away ---- */

static void while_the_token_is_away_the_order_waits_and_no_serial_is_taken(void)
{
	auto_order o;
	order_open(&o);
	size_t before = order_certificates(&o);
	ready(&o, "dv");
	struct ca_seat *seat = &ca_issuer_find(o.f.ca, bytes_of("issuing-1"))->seats[0];
	struct hsm_signer *signer = atomic_exchange(&seat->signer, NULL);
	order_run(&o);
	order_look(&o);
	check_status(&o, "ready");
	CHECK(!o.order.has_tbs);
	order_run(&o); /* put off: not at it all the time */
	atomic_store(&seat->signer, signer);
	order_later(&o, 60);
	order_run(&o);
	order_look(&o);
	check_status(&o, "issued");
	CHECK_INT(order_certificates(&o), before + 1);
	CHECK_INT(unfinished(&o), 0);
}

static void an_order_in_issuing_goes_on_when_the_token_is_back(void)
{
	auto_order o;
	uint8_t hash[32];
	order_open(&o);
	issuing(&o);
	memcpy(hash, o.order.tbs_hash, sizeof(hash));
	struct ca_seat *seat = &ca_issuer_find(o.f.ca, bytes_of("issuing-1"))->seats[0];
	struct hsm_signer *signer = atomic_exchange(&seat->signer, NULL);
	order_run(&o);
	order_look(&o);
	check_status(&o, "issuing");
	CHECK(memcmp(hash, o.order.tbs_hash, sizeof(hash)) == 0);
	atomic_store(&seat->signer, signer);
	order_later(&o, 60);
	order_run(&o);
	order_look(&o);
	check_status(&o, "issued");
}

/* ---- the last look ---- */

static void a_key_that_is_blocked_meanwhile_is_not_certified(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	struct message_block block = { .note = bytes_of("leaked") };
	order_open(&o);
	ready(&o, "dv");
	memcpy(block.spki_hash, o.order.spki_hash, sizeof(block.spki_hash));
	const struct ca_actor root = fixture_actor("root", ROLE_ADMIN);
	CHECK_OK(ca_key_block(o.f.ca, &root, &block, &err) == 0, &err);
	size_t before = order_certificates(&o);
	order_run(&o);
	order_look(&o);
	check_status(&o, "failed");
	CHECK(says(o.order.failure, "blocked"));
	CHECK_INT(order_certificates(&o), before);
	CHECK_INT(unfinished(&o), 0);
}

static void who_was_removed_meanwhile_gets_nothing(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	order_open(&o);
	ready(&o, "dv");
	const struct ca_actor root = fixture_actor("root", 15);
	CHECK_OK(ca_identity_remove(o.f.ca, &root, bytes_of("alice"), &err) == 0, &err);
	order_run(&o);
	order_look(&o);
	check_status(&o, "failed");
	CHECK_BYTES(o.order.failure_code, bytes_of("identity-revoked"));
}

static void what_was_shown_too_long_ago_is_shown_anew(void)
{
	auto_order o;
	order_open(&o);
	order_create(&o, order_request(&o, "short-memory", "www.zone.test", NULL));
	order_run(&o);
	show_all(&o);
	order_look(&o);
	check_status(&o, "pending-approval");
	order_later(&o, (int64_t)24 * 3600 + 1);
	CHECK_INT(order_decide(&o, &o.olga, "approve", "in time, but"), ERR_ORDER_STATE);
	check_status(&o, "pending-validation");
	order_run(&o);
	REQUIRE(order_asked(&o, MSG_VALIDATE) != NULL);
	show_all(&o);
	order_look(&o);
	check_status(&o, "pending-approval"); /* the same bytes: their deadline is not over */
	CHECK_INT(order_decide(&o, &o.olga, "approve", "now"), ERR_NONE);
	order_run(&o);
	order_look(&o);
	check_status(&o, "issued");
}

static void bytes_past_their_deadline_are_not_signed(void)
{
	auto_order o;
	order_open(&o);
	issuing(&o);
	uint8_t hash[32];
	memcpy(hash, o.order.tbs_hash, sizeof(hash));
	size_t before = order_certificates(&o);
	order_later(&o, (int64_t)49 * 3600);
	order_run(&o);
	order_look(&o);
	check_status(&o, "pending-approval");
	CHECK(memcmp(hash, o.order.tbs_hash, sizeof(hash)) != 0);
	CHECK_INT(o.order.approval_count, 0);
	CHECK_INT(order_certificates(&o), before);
	CHECK_INT(unfinished(&o), 1); /* they were in issuing */
	check_store(&o);
}

/* ---- CAA within eight hours ---- */

static void caa_is_looked_up_again_where_eight_hours_have_passed(void)
{
	auto_order o;
	order_open(&o);
	order_create(&o, order_request(&o, "asked-caa", "www.zone.test", NULL));
	order_run(&o);
	show_all(&o);
	order_look(&o);
	check_status(&o, "pending-approval");
	order_later(&o, (int64_t)9 * 3600);
	CHECK_INT(order_decide(&o, &o.olga, "approve", "fine"), ERR_NONE);
	check_status(&o, "ready");
	order_run(&o);
	order_look(&o);
	check_status(&o, "ready");
	struct order_question *q = order_asked(&o, MSG_VALIDATE);
	REQUIRE(q != NULL);
	struct message_validate asked;
	struct error err = ERR_INIT;
	CHECK_OK(message_validate_read(buf_bytes(&q->payload), &asked, &err) == 0, &err);
	CHECK_INT(asked.methods, 0); /* control was shown: CAA alone */
	CHECK(asked.caa);
	order_answer(&o, q, 0, "ok", 1, 0x1f);
	order_run(&o);
	order_look(&o);
	check_status(&o, "issued");
}

static void caa_that_forbids_at_last_takes_the_order_back_to_its_names(void)
{
	auto_order o;
	order_open(&o);
	order_create(&o, order_request(&o, "asked-caa", "www.zone.test", NULL));
	order_run(&o);
	show_all(&o);
	order_later(&o, (int64_t)9 * 3600);
	CHECK_INT(order_decide(&o, &o.olga, "approve", "fine"), ERR_NONE);
	order_run(&o);
	size_t before = order_certificates(&o);
	order_answer_all(&o, 0, "ok", 2);
	order_run(&o);
	order_look(&o);
	check_status(&o, "pending-validation");
	CHECK_BYTES(o.order.authorizations[0].error_code, bytes_of("caa-forbids"));
	CHECK_BYTES(o.order.authorizations[0].status, bytes_of("valid"));
	CHECK_INT(order_certificates(&o), before);
	/* The owner changes the record; officers need not look again. */
	order_later(&o, 120);
	order_run(&o);
	order_answer_all(&o, 0, "ok", 1);
	order_run(&o);
	order_look(&o);
	check_status(&o, "issued");
}

SUITE(order_issue)
{
	TEST(a_crash_after_each_step_loses_nothing);
	TEST(in_issuing_the_same_bytes_are_signed_again);
	TEST(what_was_perhaps_signed_and_may_not_go_out_is_on_record_as_unfinished);
	TEST(two_threads_issue_an_order_once);
	TEST(while_the_token_is_away_the_order_waits_and_no_serial_is_taken);
	TEST(an_order_in_issuing_goes_on_when_the_token_is_back);
	TEST(a_key_that_is_blocked_meanwhile_is_not_certified);
	TEST(who_was_removed_meanwhile_gets_nothing);
	TEST(what_was_shown_too_long_ago_is_shown_anew);
	TEST(bytes_past_their_deadline_are_not_signed);
	TEST(caa_is_looked_up_again_where_eight_hours_have_passed);
	TEST(caa_that_forbids_at_last_takes_the_order_back_to_its_names);
}
