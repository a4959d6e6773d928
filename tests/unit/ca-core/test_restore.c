#include "ca-core/restore.h"

#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "ca-core/audit.h"
#include "ca-core/crl.h"
#include "ca-core/inventory.h"
#include "ca-core/revoke.h"
#include "tests/unit/ca-core/order_fixture.h"

/* ---- a store that is lost after a backup ---- */

static void backup(struct fixture *f)
{
	struct error err = ERR_INIT;
	char folder[300];
	(void)snprintf(folder, sizeof(folder), "%s/backup", f->state);
	CHECK_OK(store_backup(f->store, folder, &err) == 0, &err);
}

static void move(const struct fixture *f, const char *from, const char *to)
{
	char source[400], target[400];
	(void)snprintf(source, sizeof(source), "%s/%s", f->state, from);
	(void)snprintf(target, sizeof(target), "%s/%s", f->state, to);
	REQUIRE(rename(source, target) == 0);
}

/* What `chancery store restore` and the start after it do. */
static void restore(struct fixture *f)
{
	struct error err = ERR_INIT;
	char path[300];
	const struct ca_actor root = fixture_actor("root", 15);
	store_close(f->store);
	f->store = NULL;
	ca_close(f->ca);
	f->ca = NULL;
	move(f, "store", "lost");
	move(f, "backup", "store");
	(void)snprintf(path, sizeof(path), "%s/store", f->state);
	const struct store_options options = { .path = path,
					       .node = "ca1",
					       .clock = clock_system(),
					       .map_bytes = (size_t)1 << 30,
					       .reserve_bytes = (size_t)1 << 20 };
	struct store *store = store_open(&options, &err);
	CHECK_OK(store != NULL, &err);
	const struct ca_options unattended = { .config = f->config, .store = store, .clock = clock_system() };
	struct ca *ca = ca_open(&unattended, &err);
	CHECK_OK(ca != NULL, &err);
	CHECK_OK(ca_restore_mark(ca, &root, bytes_of("/backup"), &err) == 0, &err);
	store_close(store);
	ca_close(ca);
	fixture_reopen(f);
}

static void remove_published(const struct fixture *f, const char *name)
{
	char path[400];
	(void)snprintf(path, sizeof(path), "%s/published/%s", f->state, name);
	REQUIRE(unlink(path) == 0);
}

static struct ca_issuer *issuing(struct fixture *f)
{
	return ca_issuer_find(f->ca, bytes_of("issuing-1"));
}

static void make_list(struct fixture *f)
{
	struct error err = ERR_INIT;
	const struct ca_actor self = ca_actor_self();
	CHECK_OK(ca_crl_make(f->ca, issuing(f), &self, NULL, &err) == 0, &err);
	CHECK_OK(ca_audit_sign_head(f->ca, false, &err) == 0, &err);
}

static void change(struct fixture *f, const struct store_serial *serial, uint8_t action, uint8_t reason,
		   int64_t invalidity_s)
{
	struct error err = ERR_INIT;
	auto_buf answer = BUF_INIT;
	const struct ca_actor officer = fixture_actor("olga", ROLE_OFFICER);
	const struct message_status_change m = { .serial = BYTES(serial->octets, serial->len),
						 .action = action,
						 .reason = reason,
						 .invalidity_s = invalidity_s };
	CHECK_OK(ca_revoke(f->ca, &officer, &m, &answer, &err) == 0, &err);
}

/* The certificate's record as the store has it now. */
static struct record_certificate *record_of(struct fixture *f, const struct store_serial *serial)
{
	struct error err = ERR_INIT;
	struct record_certificate *r = malloc(sizeof(*r));
	auto_store_snapshot *snap = store_snapshot_new(f->store, &err);
	REQUIRE(r != NULL && snap != NULL);
	CHECK_INT(ca_inventory_find(snap, f->config, BYTES(serial->octets, serial->len), r, NULL, NULL, &err), 1);
	return r;
}

/* Whether the published list has it. */
static bool on_list(struct fixture *f, const struct store_serial *serial, struct ca_crl_entry *entry)
{
	struct error err = ERR_INIT;
	struct ca_crl crl;
	auto_buf der = BUF_INIT;
	fixture_read(f, "published/crl/issuing-1.crl", &der);
	CHECK_OK(ca_crl_read(buf_bytes(&der), BYTES_NONE, &crl, &err) == 0, &err);
	while (ca_crl_next(&crl.entries, entry, &err) == 1)
		if (bytes_equal(entry->serial, BYTES(serial->octets, serial->len)))
			return true;
	return false;
}

struct last_entry {
	const char *event;
	char text[CA_AUDIT_ENTRY_MAX + 1];
};

static int keep_entry(void *arg, uint64_t sequence, const uint8_t hash[32], struct bytes entry, struct error *err)
{
	struct last_entry *last = arg;
	(void)sequence;
	(void)hash;
	(void)err;
	if (memmem(entry.data, entry.len, last->event, strlen(last->event)))
		(void)snprintf(last->text, sizeof(last->text), "%.*s", (int)entry.len, (const char *)entry.data);
	return 0;
}

/* Whether the newest entry with this event says so. */
static bool entry_says(struct fixture *f, const char *event, const char *what)
{
	struct error err = ERR_INIT;
	struct last_entry last = { .event = event };
	auto_store_snapshot *snap = store_snapshot_new(f->store, &err);
	CHECK_OK(snap != NULL, &err);
	CHECK_OK(store_chain_scan(snap, CA_AUDIT_CHAIN, 1, UINT64_MAX, keep_entry, &last, &err) >= 0, &err);
	return strstr(last.text, what) != NULL;
}

/* ---- rules ---- */

static void takes_what_published_lists_know_better(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct ca_crl_entry entry;
	fixture_open(&f);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER);
	struct store_serial known = fixture_issue(&f, &alice, "known.alice.test", NULL);
	backup(&f);
	struct store_serial lost = fixture_issue(&f, &alice, "lost.alice.test", NULL);
	change(&f, &known, MESSAGE_REVOKE, REASON_KEY_COMPROMISE, 1700000000);
	change(&f, &lost, MESSAGE_REVOKE, REASON_SUPERSEDED, 0);
	make_list(&f);
	uint64_t number = issuing(&f)->crl_number;
	restore(&f);
	auto_free struct record_certificate *r = record_of(&f, &known);
	CHECK_INT(r->status, RECORD_REVOKED);
	CHECK_INT(r->reason, REASON_KEY_COMPROMISE);
	CHECK_INT(r->invalidity_s, 1700000000);
	CHECK_INT(fixture_audit_count(&f, "revocation.recovered"), 2);
	CHECK_INT(issuing(&f)->crl_number, number);
	make_list(&f);
	CHECK(issuing(&f)->crl_number > number);
	CHECK(on_list(&f, &known, &entry));
	CHECK_INT(entry.reason, REASON_KEY_COMPROMISE);
	CHECK_INT(entry.revoked_s, r->revoked_ms / 1000);
	CHECK(on_list(&f, &lost, &entry));
	/* Once is enough. */
	fixture_reopen(&f);
	CHECK_INT(fixture_audit_count(&f, "revocation.recovered"), 2);
	CHECK_INT(fixture_audit_count(&f, "audit.segment"), 1);
}

static void a_recovered_key_compromise_blocks_the_key(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	auto_buf spki = BUF_INIT;
	struct store_serial serial;
	fixture_open(&f);
	fixture_spki(&spki);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER), root = fixture_actor("root", 15);
	const struct message_issue m = fixture_request("www.alice.test", &spki);
	CHECK_OK(ca_issue_wait(f.ca, &alice, &m, NULL, &serial, &err) == 0, &err);
	backup(&f);
	change(&f, &serial, MESSAGE_REVOKE, REASON_KEY_COMPROMISE, 0);
	make_list(&f);
	restore(&f);
	CHECK_OK(ca_restore_confirm(f.ca, &root, &err) == 0, &err);
	CHECK_FAILS(ca_issue_wait(f.ca, &alice, &m, NULL, NULL, &err) == -1, &err, ERR_BLOCKED_KEY);
}

static void a_hold_comes_back_as_a_hold(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	auto_buf spki = BUF_INIT;
	struct store_serial serial;
	fixture_open(&f);
	fixture_spki(&spki);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER);
	struct message_issue m = fixture_request("held.alice.test", &spki);
	m.profile = bytes_of("holdable");
	CHECK_OK(ca_issue_wait(f.ca, &alice, &m, NULL, &serial, &err) == 0, &err);
	backup(&f);
	change(&f, &serial, MESSAGE_HOLD, 0, 0);
	make_list(&f);
	restore(&f);
	auto_free struct record_certificate *r = record_of(&f, &serial);
	CHECK_INT(r->status, RECORD_HELD);
}

static void an_older_list_brings_back_no_hold_that_was_lifted(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	auto_buf spki = BUF_INIT, old = BUF_INIT;
	struct store_serial serial;
	char path[400];
	fixture_open(&f);
	fixture_spki(&spki);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER);
	struct message_issue m = fixture_request("held.alice.test", &spki);
	m.profile = bytes_of("holdable");
	CHECK_OK(ca_issue_wait(f.ca, &alice, &m, NULL, &serial, &err) == 0, &err);
	change(&f, &serial, MESSAGE_HOLD, 0, 0);
	make_list(&f);
	fixture_read(&f, "published/crl/issuing-1.crl", &old);
	change(&f, &serial, MESSAGE_UNHOLD, 0, 0);
	make_list(&f);
	backup(&f);
	(void)snprintf(path, sizeof(path), "%s/published/crl/issuing-1.crl", f.state);
	CHECK_OK(file_replace(path, buf_bytes(&old), 0644, &err) == 0, &err);
	restore(&f);
	auto_free struct record_certificate *r = record_of(&f, &serial);
	CHECK_INT(r->status, RECORD_VALID);
}

static void the_segment_names_the_lost_head(void)
{
	auto_fixture f = { .now_ms = 0 };
	char said[64];
	fixture_open(&f);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER);
	backup(&f);
	(void)fixture_issue(&f, &alice, "lost.alice.test", NULL);
	make_list(&f);
	(void)snprintf(said, sizeof(said), "\"published\":\"ahead\",\"headSequence\":%llu,",
		       (unsigned long long)f.ca->head_sequence);
	restore(&f);
	CHECK(entry_says(&f, "audit.segment", said));
	CHECK(entry_says(&f, "store.restored", "\"subject\":\"/backup\""));
}

static void nothing_lost_is_a_head_within_the_log(void)
{
	auto_fixture f = { .now_ms = 0 };
	fixture_open(&f);
	make_list(&f);
	backup(&f);
	restore(&f);
	CHECK(entry_says(&f, "audit.segment", "\"published\":\"within\""));
	CHECK_INT(fixture_audit_count(&f, "revocation.recovered"), 0);
}

static void a_published_folder_that_is_lost_too_is_said(void)
{
	auto_fixture f = { .now_ms = 0 };
	fixture_open(&f);
	make_list(&f);
	backup(&f);
	remove_published(&f, "audit/head");
	remove_published(&f, "crl/issuing-1.crl");
	restore(&f);
	CHECK(entry_says(&f, "audit.segment", "\"published\":\"absent\",\"headSequence\":\"unknown\""));
}

static void published_files_that_prove_nothing_are_passed_over(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	auto_buf head = BUF_INIT, list = BUF_INIT;
	char path[400];
	fixture_open(&f);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER);
	struct store_serial serial = fixture_issue(&f, &alice, "www.alice.test", NULL);
	backup(&f);
	change(&f, &serial, MESSAGE_REVOKE, 0, 0);
	make_list(&f);
	fixture_read(&f, "published/audit/head", &head);
	fixture_read(&f, "published/crl/issuing-1.crl", &list);
	uint8_t *digit = memmem(head.data, head.len, "sequence: ", 10);
	REQUIRE(digit != NULL);
	digit[10] = digit[10] == '9' ? '8' : '9';
	list.data[list.len - 1] ^= 1;
	(void)snprintf(path, sizeof(path), "%s/published/audit/head", f.state);
	CHECK_OK(file_replace(path, buf_bytes(&head), 0644, &err) == 0, &err);
	(void)snprintf(path, sizeof(path), "%s/published/crl/issuing-1.crl", f.state);
	CHECK_OK(file_replace(path, buf_bytes(&list), 0644, &err) == 0, &err);
	restore(&f);
	CHECK(entry_says(&f, "audit.segment", "\"published\":\"unusable\""));
	auto_free struct record_certificate *r = record_of(&f, &serial);
	CHECK_INT(r->status, RECORD_VALID);
}

static void a_published_head_of_any_form_does_no_harm(void)
{
	static const char *const texts[] = {
		"",
		"{}",
		"{\"text\":\"",
		"{\"text\":\"\\u000a\",\"signature\":\"\"",
		"{\"text\":\"x\",\"signature\":\"!\"",
		"{\"text\":\"chancery-audit-head-v1\\u000aca: \",\"signature\":\"AAAA\",",
	};
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	struct ca_witness head;
	char path[400];
	fixture_open(&f);
	(void)snprintf(path, sizeof(path), "%s/published/audit/head", f.state);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		CHECK_OK(file_replace(path, bytes_of(texts[i]), 0644, &err) == 0, &err);
		CHECK_OK(ca_restore_read_head(f.ca, &head, &err) == 0, &err);
		CHECK_INT(head.kind, CA_WITNESS_UNUSABLE);
		CHECK(head.why[0] != '\0');
	}
}

static void nothing_is_issued_or_revoked_until_it_is_confirmed(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	auto_buf spki = BUF_INIT, answer = BUF_INIT;
	fixture_open(&f);
	fixture_spki(&spki);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER), root = fixture_actor("root", 15);
	struct store_serial serial = fixture_issue(&f, &alice, "www.alice.test", NULL);
	const struct message_issue m = fixture_request("new.alice.test", &spki);
	const struct message_status_change revoke = { .serial = BYTES(serial.octets, serial.len),
						      .action = MESSAGE_REVOKE };
	const struct message_identity_add add = { .name = bytes_of("eve"), .roles = 1, .spki = buf_bytes(&spki) };
	backup(&f);
	CHECK_FAILS(ca_restore_confirm(f.ca, &root, &err) == -1, &err, ERR_NOT_FOUND);
	restore(&f);
	for (int restarts = 0; restarts < 2; restarts++) {
		CHECK_FAILS(ca_issue_wait(f.ca, &alice, &m, NULL, NULL, &err) == -1, &err, ERR_BUSY);
		CHECK(strstr(err.message, "chancery store restore --confirm") != NULL);
		CHECK_FAILS(ca_revoke(f.ca, &alice, &revoke, &answer, &err) == -1, &err, ERR_BUSY);
		CHECK_FAILS(ca_identity_add(f.ca, &root, &add, false, false, NULL, NULL, &err) == -1, &err, ERR_BUSY);
		fixture_reopen(&f);
	}
	CHECK_OK(ca_restore_confirm(f.ca, &root, &err) == 0, &err);
	CHECK_INT(fixture_audit_count(&f, "restore.confirmed"), 1);
	CHECK_OK(ca_issue_wait(f.ca, &alice, &m, NULL, NULL, &err) == 0, &err);
	fixture_reopen(&f);
	CHECK_OK(ca_revoke(f.ca, &alice, &revoke, &answer, &err) == 0, &err);
}

/* In the time that was lost the very bytes may have been signed. */
static void an_order_of_the_backup_gets_new_bytes_and_a_new_serial(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	const struct ca_actor root = fixture_actor("root", 15);
	uint8_t first[32];
	struct store_status before;
	order_open(&o);
	order_create(&o, order_request(&o, "asked", "www.granted.test", NULL));
	CHECK_BYTES(o.order.status, bytes_of("pending-approval"));
	memcpy(first, o.order.tbs_hash, sizeof(first));
	backup(&o.f);
	CHECK_INT(order_decide(&o, &o.olga, "approve", "fine"), ERR_NONE);
	order_run(&o);
	order_look(&o);
	CHECK_BYTES(o.order.status, bytes_of("issued"));
	restore(&o.f);
	order_reopen(&o);
	CHECK_OK(ca_restore_confirm(o.f.ca, &root, &err) == 0, &err);
	order_reopen(&o);
	order_look(&o);
	CHECK_BYTES(o.order.status, bytes_of("pending-approval"));
	order_later(&o, 1);
	store_status(o.f.store, &before);
	CHECK_INT(order_decide(&o, &o.olga, "approve", "the old bytes"), ERR_ORDER_STATE);
	order_run(&o);
	order_look(&o);
	CHECK_BYTES(o.order.status, bytes_of("pending-approval"));
	CHECK(memcmp(first, o.order.tbs_hash, sizeof(first)) != 0);
	struct store_status after;
	store_status(o.f.store, &after);
	CHECK_INT(after.unfinished,
		  before.unfinished + 1); /* the old serial number: nobody can say that it was not used */
	CHECK_INT(order_decide(&o, &o.olga, "approve", "the new bytes"), ERR_NONE);
	order_run(&o);
	order_look(&o);
	CHECK_BYTES(o.order.status, bytes_of("issued"));
}

SUITE(restore)
{
	TEST(takes_what_published_lists_know_better);
	TEST(a_recovered_key_compromise_blocks_the_key);
	TEST(a_hold_comes_back_as_a_hold);
	TEST(an_older_list_brings_back_no_hold_that_was_lifted);
	TEST(the_segment_names_the_lost_head);
	TEST(nothing_lost_is_a_head_within_the_log);
	TEST(a_published_folder_that_is_lost_too_is_said);
	TEST(published_files_that_prove_nothing_are_passed_over);
	TEST(a_published_head_of_any_form_does_no_harm);
	TEST(nothing_is_issued_or_revoked_until_it_is_confirmed);
	TEST(an_order_of_the_backup_gets_new_bytes_and_a_new_serial);
}
