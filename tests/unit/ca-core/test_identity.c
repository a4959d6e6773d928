#include "ca-core/identity.h"

#include "base/ossl.h"
#include "tests/unit/ca-core/fixture.h"

static int add(struct fixture *f, const char *name, uint8_t roles, bool known, bool revoke_earlier, bool force,
	       struct error *err)
{
	auto_buf spki = BUF_INIT, certificate = BUF_INIT;
	const struct ca_actor root = fixture_actor("root", 15);
	fixture_spki(&spki);
	const struct message_identity_add m = {
		.name = bytes_of(name), .roles = roles, .spki = buf_bytes(&spki), .force = force
	};
	return ca_identity_add(f->ca, &root, &m, known, revoke_earlier, &certificate, NULL, err);
}

/* The list's row of one name; borrows from text. */
static struct message_identity row_of(struct fixture *f, const char *name, struct buf *text)
{
	struct error err = ERR_INIT;
	auto_free struct message_identities *m = calloc(1, sizeof(*m));
	REQUIRE(m != NULL);
	CHECK_OK(ca_identity_list(f->ca, bytes_of(name), text, &err) == 0, &err);
	CHECK_OK(message_identities_read(buf_bytes(text), m, &err) == 0, &err);
	REQUIRE(m->count == 1);
	return m->rows[0];
}

static void enrolling_gives_a_certificate_and_a_record(void)
{
	auto_fixture f = { .now_ms = 0 };
	auto_buf certificate = BUF_INIT, text = BUF_INIT;
	fixture_open(&f);
	fixture_enrol(&f, "alice", ROLE_REQUESTER | ROLE_OFFICER, &certificate);
	struct message_identity row = row_of(&f, "alice", &text);
	CHECK_INT(row.roles, ROLE_REQUESTER | ROLE_OFFICER);
	CHECK(!row.removed);
	CHECK_INT(row.serial_count, 1);
	CHECK(row.expires_s > ca_now_ms(f.ca) / 1000);
	CHECK_INT(fixture_audit_count(&f, "identity.added"), 1);
}

static void refuses_names_and_roles_that_mean_something_else(void)
{
	auto_fixture f = { .now_ms = 0 };
	fixture_open(&f);
	static const char *const names[] = { "", "ca", "root", "front", "apitoken:x", "a b", "-x", "a/b", ".." };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct error err = ERR_INIT;
		CHECK_FAILS(add(&f, names[i], ROLE_REQUESTER, false, false, false, &err) == -1, &err, ERR_BAD_REQUEST);
	}
	struct error err = ERR_INIT;
	CHECK_FAILS(add(&f, "alice", 0, false, false, false, &err) == -1, &err, ERR_BAD_REQUEST);
	CHECK_FAILS(add(&f, "alice", 16, false, false, false, &err) == -1, &err, ERR_BAD_REQUEST);
}

static void a_name_is_given_once_and_taken_back_only_by_force(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	fixture_open(&f);
	const struct ca_actor root = fixture_actor("root", 15);
	CHECK_OK(add(&f, "alice", ROLE_REQUESTER, false, false, false, &err) == 0, &err);
	CHECK_FAILS(add(&f, "alice", ROLE_REQUESTER, false, false, true, &err) == -1, &err, ERR_ORDER_STATE);
	CHECK_FAILS(add(&f, "bob", ROLE_REQUESTER, true, false, false, &err) == -1, &err, ERR_NOT_FOUND);
	CHECK_OK(ca_identity_remove(f.ca, &root, bytes_of("alice"), &err) == 0, &err);
	CHECK_FAILS(ca_identity_remove(f.ca, &root, bytes_of("alice"), &err) == -1, &err, ERR_ORDER_STATE);
	CHECK_FAILS(add(&f, "alice", ROLE_REQUESTER, true, false, false, &err) == -1, &err, ERR_ORDER_STATE);
	CHECK_FAILS(add(&f, "alice", ROLE_REQUESTER, false, false, false, &err) == -1, &err, ERR_ORDER_STATE);
	CHECK_OK(add(&f, "alice", ROLE_OFFICER, false, false, true, &err) == 0, &err);
	auto_buf text = BUF_INIT;
	CHECK_INT(row_of(&f, "alice", &text).roles, ROLE_OFFICER);
}

static void a_renewal_keeps_the_earlier_certificate_and_a_recovery_revokes_it(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	auto_buf once = BUF_INIT, twice = BUF_INIT, thrice = BUF_INIT;
	fixture_open(&f);
	CHECK_OK(add(&f, "alice", ROLE_REQUESTER, false, false, false, &err) == 0, &err);
	CHECK_INT(row_of(&f, "alice", &once).serial_count, 1);
	CHECK_OK(add(&f, "alice", 0, true, false, false, &err) == 0, &err);
	struct message_identity row = row_of(&f, "alice", &twice);
	CHECK_INT(row.serial_count, 2);
	CHECK_INT(row.roles, ROLE_REQUESTER);
	CHECK_INT(fixture_audit_count(&f, "certificate.revoked"), 0);
	CHECK_OK(add(&f, "alice", 0, true, true, false, &err) == 0, &err);
	CHECK_INT(row_of(&f, "alice", &thrice).serial_count, 3);
	CHECK_INT(fixture_audit_count(&f, "certificate.revoked"), 2);
	CHECK_INT(fixture_audit_count(&f, "identity.recovered"), 1);
}

static void more_certificates_than_are_kept_drop_the_oldest(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	auto_buf text = BUF_INIT;
	fixture_open(&f);
	CHECK_OK(add(&f, "alice", ROLE_REQUESTER, false, false, false, &err) == 0, &err);
	for (size_t i = 0; i < RECORD_FINGERPRINTS_MAX + 1; i++)
		CHECK_OK(add(&f, "alice", 0, true, false, false, &err) == 0, &err);
	CHECK_INT(row_of(&f, "alice", &text).serial_count, RECORD_FINGERPRINTS_MAX);
}

static struct message_apitoken token_for(const char *id, const char *identity)
{
	struct clock now = clock_system();
	struct message_apitoken m = { .id = bytes_of(id),
				      .identity = bytes_of(identity),
				      .may_request = true,
				      .may_read = true,
				      .expires_s = clock_now_ms(&now) / 1000 + 3600 };
	sha256(id, strlen(id), m.hash);
	return m;
}

static void api_tokens_belong_to_an_identity_and_end(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	auto_buf certificate = BUF_INIT, text = BUF_INIT;
	fixture_open(&f);
	const struct ca_actor root = fixture_actor("root", 15);
	struct message_apitoken m = token_for("ci", "alice");
	CHECK_FAILS(ca_apitoken_add(f.ca, &root, &m, &err) == -1, &err, ERR_NOT_FOUND);
	fixture_enrol(&f, "alice", ROLE_REQUESTER, &certificate);
	m.profiles = bytes_of("server-dv,no-such");
	CHECK_FAILS(ca_apitoken_add(f.ca, &root, &m, &err) == -1, &err, ERR_PROFILE_UNKNOWN);
	m.profiles = bytes_of("server-dv");
	m.expires_s = 1;
	CHECK_FAILS(ca_apitoken_add(f.ca, &root, &m, &err) == -1, &err, ERR_BAD_REQUEST);
	m.expires_s = ca_now_ms(f.ca) / 1000 + 60;
	CHECK_OK(ca_apitoken_add(f.ca, &root, &m, &err) == 0, &err);
	CHECK_FAILS(ca_apitoken_add(f.ca, &root, &m, &err) == -1, &err, ERR_ORDER_STATE);

	auto_free struct message_apitokens *list = calloc(1, sizeof(*list));
	REQUIRE(list != NULL);
	CHECK_OK(ca_apitoken_list(f.ca, &text, &err) == 0, &err);
	CHECK_OK(message_apitokens_read(buf_bytes(&text), list, &err) == 0, &err);
	CHECK_INT(list->count, 1);
	static const uint8_t zeros[32];
	CHECK_BYTES(BYTES(list->rows[0].hash, 32), BYTES(zeros, 32));
	CHECK_OK(ca_apitoken_remove(f.ca, &root, bytes_of("ci"), &err) == 0, &err);
	CHECK_FAILS(ca_apitoken_remove(f.ca, &root, bytes_of("ci"), &err) == -1, &err, ERR_ORDER_STATE);
	CHECK_FAILS(ca_apitoken_remove(f.ca, &root, bytes_of("no"), &err) == -1, &err, ERR_NOT_FOUND);
}

static void a_key_on_the_operators_list_is_blocked(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	auto_buf spki = BUF_INIT, certificate = BUF_INIT;
	fixture_open(&f);
	fixture_spki(&spki);
	const struct ca_actor root = fixture_actor("root", 15), alice = fixture_actor("alice", ROLE_REQUESTER);
	struct message_block block = { .note = bytes_of("known weak") };
	sha256(spki.data, spki.len, block.spki_hash);
	CHECK_OK(ca_key_block(f.ca, &root, &block, &err) == 0, &err);
	CHECK_OK(ca_key_block(f.ca, &root, &block, &err) == 0, &err);
	CHECK_INT(fixture_audit_count(&f, "key.blocked"), 1);
	const struct message_issue m = fixture_request("www.alice.test", &spki);
	CHECK_FAILS(ca_issue_wait(f.ca, &alice, &m, &certificate, NULL, &err) == -1, &err, ERR_BLOCKED_KEY);
}

SUITE(identity)
{
	TEST(enrolling_gives_a_certificate_and_a_record);
	TEST(refuses_names_and_roles_that_mean_something_else);
	TEST(a_name_is_given_once_and_taken_back_only_by_force);
	TEST(a_renewal_keeps_the_earlier_certificate_and_a_recovery_revokes_it);
	TEST(more_certificates_than_are_kept_drop_the_oldest);
	TEST(api_tokens_belong_to_an_identity_and_end);
	TEST(a_key_on_the_operators_list_is_blocked);
}
