#include "base/ossl.h"
#include "ca-core/identity.h"
#include "ca-core/inventory.h"
#include "ca-core/issuance.h"
#include "ca-core/lint.h"
#include "tests/unit/ca-core/fixture.h"

static enum err_code refused(struct fixture *f, const struct ca_actor *actor, const struct message_issue *m)
{
	struct error err = ERR_INIT;
	auto_buf certificate = BUF_INIT;
	if (ca_issue_wait(f->ca, actor, m, &certificate, NULL, &err) == 0)
		return ERR_NONE;
	CHECK(err.message[0] != '\0');
	return err.code;
}

static size_t unfinished(struct fixture *f)
{
	struct store_status s;
	store_status(f->store, &s);
	return (size_t)s.unfinished;
}

static void issues_what_a_grant_covers(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	auto_buf certificate = BUF_INIT;
	struct ca_certificate_facts facts;
	fixture_open(&f);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER);
	struct store_serial serial = fixture_issue(&f, &alice, "www.alice.test", &certificate);
	CHECK_OK(ca_certificate_read(buf_bytes(&certificate), &facts, &err) == 0, &err);
	CHECK_BYTES(facts.serial, BYTES(serial.octets, serial.len));
	CHECK(facts.server_auth && !facts.ca);

	const uint8_t *at = certificate.data;
	auto_x509 *leaf = d2i_X509(NULL, &at, (long)certificate.len);
	at = f.ca->issuers[0].info.certificate.data;
	struct ca_issuer *issuing = ca_issuer_find(f.ca, bytes_of("issuing-1"));
	REQUIRE(issuing != NULL);
	at = issuing->info.certificate.data;
	auto_x509 *issuer = d2i_X509(NULL, &at, (long)issuing->info.certificate.len);
	REQUIRE(leaf != NULL && issuer != NULL);
	CHECK_INT(X509_verify(leaf, X509_get0_pubkey(issuer)), 1);

	auto_store_snapshot *snap = store_snapshot_new(f.store, &err);
	auto_free struct record_certificate *record = malloc(sizeof(*record));
	REQUIRE(snap != NULL && record != NULL);
	CHECK_INT(ca_inventory_find(snap, f.config, facts.serial, record, NULL, NULL, &err), 1);
	CHECK_BYTES(record->der, buf_bytes(&certificate));
	CHECK_BYTES(record->requester, bytes_of("alice"));
	CHECK_INT(record->name_count, 1);
	CHECK_BYTES(record->names[0], bytes_of("dns:www.alice.test"));
	CHECK_INT(fixture_audit_count(&f, "certificate.issued"), 4);
	CHECK_INT(atomic_load(&f.ca->counters.again), 0);
}

static void refuses_names_outside_the_grant(void)
{
	auto_fixture f = { .now_ms = 0 };
	auto_buf spki = BUF_INIT;
	fixture_open(&f);
	fixture_spki(&spki);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER);
	static const char *const names[] = { "example.test", "alice.test.example", "xalice.test", "test" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct message_issue m = fixture_request(names[i], &spki);
		CHECK_INT(refused(&f, &alice, &m), ERR_NAME_NOT_ALLOWED);
	}
	const struct ca_actor stranger = fixture_actor("mallory", ROLE_REQUESTER);
	const struct message_issue m = fixture_request("www.alice.test", &spki);
	CHECK_INT(refused(&f, &stranger, &m), ERR_NAME_NOT_ALLOWED);
	CHECK_INT(fixture_audit_count(&f, "certificate.issued"), 3);
	CHECK_INT(atomic_load(&f.ca->counters.refused[ERR_NAME_NOT_ALLOWED]), 5);
}

static void believes_no_field_of_the_request(void)
{
	auto_fixture f = { .now_ms = 0 };
	auto_buf spki = BUF_INIT, longer = BUF_INIT;
	fixture_open(&f);
	fixture_spki(&spki);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER);
	struct message_issue m = fixture_request("www.alice.test", &spki);

	m.names[0] = bytes_of("www.alice.test"); /* no kind */
	CHECK_INT(refused(&f, &alice, &m), ERR_BAD_NAME);
	m.names[0] = bytes_of("dns:WWW..alice.test");
	CHECK_INT(refused(&f, &alice, &m), ERR_BAD_NAME);
	m.names[0] = BYTES("dns:a\0.alice.test", 17);
	CHECK_INT(refused(&f, &alice, &m), ERR_BAD_NAME);

	m = fixture_request("www.alice.test", &spki);
	m.common_name = bytes_of("other.alice.test"); /* not one of the names */
	CHECK_INT(refused(&f, &alice, &m), ERR_BAD_NAME);
	m.common_name = BYTES("a\nb", 3);
	CHECK_INT(refused(&f, &alice, &m), ERR_BAD_NAME);
	m.common_name = BYTES("\xff", 1);
	CHECK_INT(refused(&f, &alice, &m), ERR_BAD_NAME);

	m = fixture_request("", &spki);
	CHECK_INT(refused(&f, &alice, &m), ERR_BAD_NAME);

	m = fixture_request("www.alice.test", &spki);
	buf_add_bytes(&longer, buf_bytes(&spki));
	buf_u8(&longer, 0);
	m.spki = buf_bytes(&longer); /* a byte behind the spki */
	CHECK_INT(refused(&f, &alice, &m), ERR_BAD_CSR);
	m.spki = BYTES(spki.data, spki.len - 1);
	CHECK_INT(refused(&f, &alice, &m), ERR_BAD_CSR);

	m = fixture_request("www.alice.test", &spki);
	m.days = 36500;
	CHECK_INT(refused(&f, &alice, &m), ERR_VALIDITY_TOO_LONG);
	m = fixture_request("www.alice.test", &spki);
	m.idempotency_key = bytes_of("a b");
	CHECK_INT(refused(&f, &alice, &m), ERR_BAD_REQUEST);
	CHECK_INT(fixture_audit_count(&f, "certificate.issued"), 3);
	CHECK_INT(unfinished(&f), 0);
}

static void refuses_profiles_that_are_not_the_requesters(void)
{
	auto_fixture f = { .now_ms = 0 };
	auto_buf spki = BUF_INIT;
	fixture_open(&f);
	fixture_spki(&spki);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER);
	static const char *const internal[] = { "root", "intermediate", "audit", "front", "no-such", "" };
	for (size_t i = 0; i < sizeof(internal) / sizeof(internal[0]); i++) {
		struct message_issue m = fixture_request("www.alice.test", &spki);
		m.profile = bytes_of(internal[i]);
		CHECK_INT(refused(&f, &alice, &m), ERR_PROFILE_UNKNOWN);
	}
	struct message_issue m = fixture_request("www.alice.test", &spki);
	m.profile = bytes_of("with-organization"); /* no orders yet */
	CHECK_INT(refused(&f, &alice, &m), ERR_NAME_NOT_ALLOWED);
}

static void refuses_who_may_not_request(void)
{
	auto_fixture f = { .now_ms = 0 };
	auto_buf spki = BUF_INIT;
	fixture_open(&f);
	fixture_spki(&spki);
	const struct message_issue m = fixture_request("www.alice.test", &spki);
	const struct ca_actor auditor = fixture_actor("alice", ROLE_AUDITOR);
	CHECK_INT(refused(&f, &auditor, &m), ERR_ROLE_REQUIRED);

	struct ca_actor token = fixture_actor("alice", ROLE_REQUESTER);
	memcpy(token.token_id, "ci", 3);
	token.may_request = false;
	CHECK_INT(refused(&f, &token, &m), ERR_ROLE_REQUIRED);
	token.may_request = true;
	memcpy(token.profiles, "client,short-lived", 19);
	CHECK_INT(refused(&f, &token, &m), ERR_ROLE_REQUIRED);
	memcpy(token.profiles, "client,server-dv", 17);
	CHECK_INT(refused(&f, &token, &m), ERR_NONE);
}

static void refuses_the_cas_own_and_blocked_keys(void)
{
	auto_fixture f = { .now_ms = 0 };
	fixture_open(&f);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER);
	for (size_t i = 0; i < f.ca->issuer_count; i++) {
		const struct message_issue m = fixture_request("www.alice.test", &f.ca->issuers[i].info.spki);
		CHECK_INT(refused(&f, &alice, &m), ERR_BLOCKED_KEY);
	}
	CHECK_INT(fixture_audit_count(&f, "certificate.issued"), 3);
	CHECK_INT(unfinished(&f), 0);
}

static void the_same_idempotency_key_gives_the_same_certificate(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	auto_buf spki = BUF_INIT, other = BUF_INIT, first = BUF_INIT, second = BUF_INIT, third = BUF_INIT;
	fixture_open(&f);
	fixture_spki(&spki);
	fixture_spki(&other);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER),
			      bob = fixture_actor("bob", ROLE_REQUESTER);
	struct message_issue m = fixture_request("www.alice.test", &spki);
	m.idempotency_key = bytes_of("order-17");
	CHECK_OK(ca_issue_wait(f.ca, &alice, &m, &first, NULL, &err) == 0, &err);
	CHECK_OK(ca_issue_wait(f.ca, &alice, &m, &second, NULL, &err) == 0, &err);
	CHECK_BYTES(buf_bytes(&second), buf_bytes(&first));
	CHECK_OK(ca_issue_wait(f.ca, &bob, &m, &third, NULL, &err) == 0, &err); /* keys are per requester */
	CHECK(!bytes_equal(buf_bytes(&third), buf_bytes(&first)));
	m.spki = buf_bytes(&other);
	CHECK_INT(refused(&f, &alice, &m), ERR_BAD_REQUEST);
	CHECK_INT(fixture_audit_count(&f, "certificate.issued"), 5);
}

static void without_an_idempotency_key_each_request_gets_its_own(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	auto_buf spki = BUF_INIT, first = BUF_INIT, second = BUF_INIT;
	fixture_open(&f);
	fixture_spki(&spki);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER);
	const struct message_issue m = fixture_request("www.alice.test", &spki);
	CHECK_OK(ca_issue_wait(f.ca, &alice, &m, &first, NULL, &err) == 0, &err);
	CHECK_OK(ca_issue_wait(f.ca, &alice, &m, &second, NULL, &err) == 0, &err);
	CHECK(!bytes_equal(buf_bytes(&second), buf_bytes(&first)));
}

#define RACERS 4
struct racer {
	pthread_t thread;
	struct fixture *f;
	struct message_issue *m;
	struct buf certificate;
	int result;
};

static void *race(void *arg)
{
	struct racer *r = arg;
	struct error err = ERR_INIT;
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER);
	r->result = ca_issue_wait(r->f->ca, &alice, r->m, &r->certificate, NULL, &err);
	return NULL;
}

static void racing_under_one_idempotency_key_all_get_the_winners_certificate(void)
{
	auto_fixture f = { .now_ms = 0 };
	auto_buf spki = BUF_INIT;
	fixture_open(&f);
	fixture_spki(&spki);
	struct message_issue m = fixture_request("www.alice.test", &spki);
	m.idempotency_key = bytes_of("race");
	struct racer racers[RACERS];
	for (size_t i = 0; i < RACERS; i++) {
		racers[i] = (struct racer){ .f = &f, .m = &m };
		REQUIRE(pthread_create(&racers[i].thread, NULL, race, &racers[i]) == 0);
	}
	for (size_t i = 0; i < RACERS; i++)
		(void)pthread_join(racers[i].thread, NULL);
	for (size_t i = 0; i < RACERS; i++) {
		CHECK_INT(racers[i].result, 0);
		CHECK_BYTES(buf_bytes(&racers[i].certificate), buf_bytes(&racers[0].certificate));
	}
	for (size_t i = 0; i < RACERS; i++)
		buf_free(&racers[i].certificate);
	CHECK_INT(fixture_audit_count(&f, "certificate.issued"), 4);
	/* What the losers signed is on record. Their batches may still be on their
   * way: closing waits for them. */
	fixture_reopen(&f);
	CHECK_INT(fixture_audit_count(&f, "certificate.unfinished"), unfinished(&f));
}

static void a_dry_run_decides_and_signs_nothing(void)
{
	auto_fixture f = { .now_ms = 0 };
	auto_buf spki = BUF_INIT;
	fixture_open(&f);
	fixture_spki(&spki);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER);
	struct message_issue m = fixture_request("www.alice.test", &spki);
	m.dry_run = true;
	struct hsm_token *token = atomic_load(&ca_issuer_find(f.ca, bytes_of("issuing-1"))->seats[0].token->token);
	uint64_t before = hsm_token_signatures(token);
	CHECK_INT(refused(&f, &alice, &m), ERR_NONE);
	CHECK_INT(hsm_token_signatures(token), before);
	m.names[0] = bytes_of("dns:example.com");
	m.common_name = BYTES_NONE;
	CHECK_INT(refused(&f, &alice, &m), ERR_NAME_NOT_ALLOWED);
	CHECK_INT(fixture_audit_count(&f, "certificate.issued"), 3);
}

static void past_its_deadline_nothing_is_signed(void)
{
	auto_fixture f = { .now_ms = 0 };
	auto_buf spki = BUF_INIT;
	fixture_open(&f);
	fixture_spki(&spki);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER);
	struct message_issue m = fixture_request("www.alice.test", &spki);
	m.deadline_ms = clock_monotonic_ms() - 1;
	struct hsm_token *token = atomic_load(&ca_issuer_find(f.ca, bytes_of("issuing-1"))->seats[0].token->token);
	uint64_t before = hsm_token_signatures(token);
	CHECK_INT(refused(&f, &alice, &m), ERR_BUSY);
	CHECK_INT(hsm_token_signatures(token), before);
}

static void a_clock_set_back_stops_issuing(void)
{
	auto_fixture f = { .now_ms = 0 };
	auto_buf spki = BUF_INIT;
	fixture_open(&f);
	fixture_spki(&spki);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER);
	const struct message_issue m = fixture_request("www.alice.test", &spki);
	int64_t right_ms = ca_now_ms(f.ca);
	f.now_ms = right_ms - (int64_t)3600 * 1000;
	CHECK_INT(refused(&f, &alice, &m), ERR_BUSY);
	fixture_reopen(&f); /* a restart does not forget */
	CHECK_INT(refused(&f, &alice, &m), ERR_BUSY);
	f.now_ms = right_ms + 60000;
	CHECK_INT(refused(&f, &alice, &m), ERR_NONE);
}

static void an_ended_idempotency_key_is_free_again(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	auto_buf spki = BUF_INIT, key = BUF_INIT, value = BUF_INIT;
	fixture_open(&f);
	fixture_spki(&spki);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER);
	struct message_issue m = fixture_request("www.alice.test", &spki);
	m.idempotency_key = bytes_of("taken");
	const struct record_request ended = { .issuer = bytes_of("issuing-1"),
					      .serial = BYTES("\x01", 1),
					      .expires_s = 1 };
	record_request_encode(&ended, &value);
	record_key_request(&key, bytes_of("alice"), m.idempotency_key);
	struct store_batch *batch = store_batch_new(f.store);
	REQUIRE(batch != NULL);
	store_put(batch, STORE_REQUESTS, buf_bytes(&key), buf_bytes(&value));
	CHECK_OK(store_submit_wait(f.store, batch, NULL, &err) == 0, &err);
	CHECK_INT(refused(&f, &alice, &m), ERR_NONE);
}

/* Blocks the key after the decision and before the commit: extend is called
 * just there. */
static int block_meanwhile(void *arg, struct store_batch *batch, const struct ca_issuance *i, struct error *err)
{
	struct fixture *f = arg;
	const struct ca_actor root = fixture_actor("root", ROLE_ADMIN);
	struct message_block block = { .note = bytes_of("meanwhile") };
	(void)batch;
	memcpy(block.spki_hash, i->key.spki_hash, sizeof(block.spki_hash));
	return ca_key_block(f->ca, &root, &block, err);
}

static void a_signature_whose_commit_fails_is_on_record_as_unfinished(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	auto_buf spki = BUF_INIT, subject = BUF_INIT, certificate = BUF_INIT;
	fixture_open(&f);
	fixture_spki(&spki);
	const struct ca_actor self = ca_actor_self();
	const char *const common_name = "x";
	struct ca_subject names = { 0 };
	names.values[CA_ATTR_COMMON_NAME] = common_name;
	CHECK_OK(ca_subject_encode(&names, &subject, &err) == 0, &err);
	const struct ca_own_issue issue = {
		.actor = &self,
		.requester = "ca",
		.profile = ca_config_profile(f.config, "client"),
		.issuer = ca_issuer_find(f.ca, bytes_of("issuing-1")),
		.spki = buf_bytes(&spki),
		.subject = buf_bytes(&subject),
		.extend = block_meanwhile,
		.extend_arg = &f,
	};
	CHECK_FAILS(ca_issue_own(f.ca, &issue, &certificate, NULL, &err) == -1, &err, ERR_BLOCKED_KEY);
	CHECK_INT(certificate.len, 0);
	fixture_reopen(&f);
	CHECK_INT(unfinished(&f), 1);
	CHECK_INT(fixture_audit_count(&f, "certificate.unfinished"), 1);
	CHECK_INT(fixture_audit_count(&f, "certificate.issued"), 3);
}

SUITE(issue)
{
	TEST(issues_what_a_grant_covers);
	TEST(refuses_names_outside_the_grant);
	TEST(believes_no_field_of_the_request);
	TEST(refuses_profiles_that_are_not_the_requesters);
	TEST(refuses_who_may_not_request);
	TEST(refuses_the_cas_own_and_blocked_keys);
	TEST(the_same_idempotency_key_gives_the_same_certificate);
	TEST(without_an_idempotency_key_each_request_gets_its_own);
	TEST(racing_under_one_idempotency_key_all_get_the_winners_certificate);
	TEST(a_dry_run_decides_and_signs_nothing);
	TEST(past_its_deadline_nothing_is_signed);
	TEST(a_clock_set_back_stops_issuing);
	TEST(an_ended_idempotency_key_is_free_again);
	TEST(a_signature_whose_commit_fails_is_on_record_as_unfinished);
}
