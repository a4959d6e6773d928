#include "ca-core/crl.h"

#include <openssl/x509.h>

#include "base/ossl.h"
#include "ca-core/oid.h"
#include "ca-core/revoke.h"
#include "tests/unit/ca-core/bent.h"
#include "tests/unit/ca-core/fixture.h"

static struct ca_issuer *issuing(struct fixture *f)
{
	struct ca_issuer *issuer = ca_issuer_find(f->ca, bytes_of("issuing-1"));
	REQUIRE(issuer != NULL);
	return issuer;
}

static struct message_crl_made make(struct fixture *f)
{
	struct error err = ERR_INIT;
	struct message_crl_made made = { 0 };
	const struct ca_actor self = ca_actor_self();
	CHECK_OK(ca_crl_make(f->ca, issuing(f), &self, &made, &err) == 0, &err);
	return made;
}

static void mark_revoked(struct fixture *f, const struct store_serial *serial, uint8_t reason)
{
	struct error err = ERR_INIT;
	auto_buf text = BUF_INIT;
	const struct ca_actor officer = fixture_actor("olga", ROLE_OFFICER);
	const struct message_status_change m = { .serial = BYTES(serial->octets, serial->len),
						 .action = MESSAGE_REVOKE,
						 .reason = reason };
	CHECK_OK(ca_revoke(f->ca, &officer, &m, &text, &err) == 0, &err);
}

static void openssl_agrees_with_every_field(void)
{
	auto_fixture f = { .now_ms = 0 };
	auto_buf der = BUF_INIT;
	fixture_open(&f);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER);
	struct store_serial first = fixture_issue(&f, &alice, "www.alice.test", NULL);
	struct store_serial second = fixture_issue(&f, &alice, "two.alice.test", NULL);
	mark_revoked(&f, &first, REASON_KEY_COMPROMISE);
	mark_revoked(&f, &second, REASON_UNSPECIFIED);
	struct message_crl_made made = make(&f);
	CHECK_INT(made.entries, 2);
	fixture_read(&f, "published/crl/issuing-1.crl", &der);
	const uint8_t *at = der.data;
	auto_x509_crl *crl = d2i_X509_CRL(NULL, &at, (long)der.len);
	REQUIRE(crl != NULL);
	CHECK_INT(at - der.data, der.len);
	at = issuing(&f)->info.certificate.data;
	auto_x509 *issuer = d2i_X509(NULL, &at, (long)issuing(&f)->info.certificate.len);
	REQUIRE(issuer != NULL);
	CHECK_INT(X509_CRL_verify(crl, X509_get0_pubkey(issuer)), 1);
	CHECK_INT(X509_CRL_get_version(crl), 1);
	CHECK_INT(X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(issuer)), 0);
	CHECK_INT(sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl)), 2);
	int critical;
	ASN1_INTEGER *number = X509_CRL_get_ext_d2i(crl, NID_crl_number, &critical, NULL);
	REQUIRE(number != NULL);
	uint64_t value = 0;
	CHECK_INT(ASN1_INTEGER_get_uint64(&value, number), 1);
	CHECK_INT(value, made.number);
	CHECK_INT(critical, 0);
	ASN1_INTEGER_free(number);
}

static void the_number_rises_also_within_a_millisecond_and_past_a_clock_set_back(void)
{
	auto_fixture f = { .now_ms = 0 };
	fixture_open(&f);
	f.now_ms = ca_now_ms(f.ca);
	uint64_t first = make(&f).number, second = make(&f).number;
	CHECK(second > first);
	fixture_reopen(&f);
	CHECK(make(&f).number > second);
}

static void an_entry_stays_through_one_list_after_the_certificates_end(void)
{
	auto_fixture f = { .now_ms = 0 };
	fixture_open(&f);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER);
	struct store_serial serial = fixture_issue(&f, &alice, "www.alice.test", NULL);
	mark_revoked(&f, &serial, REASON_SUPERSEDED);
	CHECK_INT(make(&f).entries, 1);
	f.now_ms = ca_now_ms(f.ca) + (int64_t)200 * 24 * 3600 * 1000;
	CHECK_INT(make(&f).entries, 1); /* the first after its end still has it */
	f.now_ms += 1000;
	CHECK_INT(make(&f).entries, 0);
}

static void it_carries_the_hash_of_the_audit_chain(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	struct ca_crl crl;
	struct store_head before;
	auto_buf der = BUF_INIT, oid = BUF_INIT;
	fixture_open(&f);
	{
		auto_store_snapshot *snap = store_snapshot_new(f.store, &err);
		REQUIRE(snap != NULL);
		CHECK_OK(store_chain_head(snap, CA_AUDIT_CHAIN, &before, &err) == 0, &err);
	}
	(void)make(&f);
	fixture_read(&f, "published/crl/issuing-1.crl", &der);
	ca_oid_below(buf_bytes(&f.config->arc), &oid, 1, (const unsigned[]){ CA_ARC_CRL_AUDIT_HEAD });
	CHECK_OK(ca_crl_read(buf_bytes(&der), buf_bytes(&oid), &crl, &err) == 0, &err);
	CHECK_BYTES(crl.head.audit_head, BYTES(before.hash, 32));
}

static void the_check_finds_a_missing_entry_and_a_wrong_signature(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	auto_buf der = BUF_INIT;
	uint64_t entries;
	fixture_open(&f);
	struct ca_crl_plan plan = { .info = &issuing(&f)->info,
				    .signer = atomic_load(&issuing(&f)->seats[0].signer),
				    .number = 5,
				    .this_update_s = 1700000000,
				    .next_update_s = 1700003600,
				    .arc = buf_bytes(&f.config->arc) };
	{
		auto_store_snapshot *snap = store_snapshot_new(f.store, &err);
		REQUIRE(snap != NULL);
		CHECK_OK(ca_crl_build(snap, &plan, &der, &entries, &err) == 0, &err);
		CHECK_OK(ca_crl_check(snap, &plan, buf_bytes(&der), &err) == 0, &err);
		der.data[der.len - 5] ^= 1;
		CHECK_FAILS(ca_crl_check(snap, &plan, buf_bytes(&der), &err) == -1, &err, ERR_INTEGRITY);
		der.data[der.len - 5] ^= 1;
	}
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER);
	struct store_serial serial = fixture_issue(&f, &alice, "www.alice.test", NULL);
	mark_revoked(&f, &serial, REASON_SUPERSEDED);
	auto_store_snapshot *snap = store_snapshot_new(f.store, &err);
	REQUIRE(snap != NULL);
	CHECK_FAILS(ca_crl_check(snap, &plan, buf_bytes(&der), &err) == -1, &err, ERR_INTEGRITY);
}

static void an_imported_list_must_be_newer_and_ours(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	auto_buf old = BUF_INIT;
	fixture_open(&f);
	const struct ca_actor root = fixture_actor("root", 15);
	fixture_read(&f, "published/crl/root-1.crl", &old);
	CHECK_FAILS(ca_crl_import(f.ca, &root, buf_bytes(&old), &err) == -1, &err, ERR_CONFLICT);
	old.data[old.len - 1] ^= 1;
	CHECK(ca_crl_import(f.ca, &root, buf_bytes(&old), &err) == -1);
	CHECK(ca_crl_import(f.ca, &root, bytes_of("not a list"), &err) == -1);
}

static void a_list_is_due_before_it_ends(void)
{
	auto_fixture f = { .now_ms = 0 };
	fixture_open(&f);
	CHECK(!ca_crl_is_due(f.ca, issuing(&f)));
	f.now_ms = ca_now_ms(f.ca) + ((int64_t)issuing(&f)->config->crl_hours * 3600 - 60) * 1000;
	CHECK(ca_crl_is_due(f.ca, issuing(&f)));
	(void)make(&f);
	CHECK(!ca_crl_is_due(f.ca, issuing(&f)));
}

/* What the token signs badly stays in the log; what it did not sign does not. */
static void a_signature_that_became_no_list_is_in_the_log(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	bent_make();
	fixture_open(&f);
	bent_install();
	struct ca_actor self = ca_actor_self();
	uint64_t before = make(&f).number;
	static const struct {
		int sign, init_fails;
		enum err_code code;
		size_t unfinished; /* in all */
	} rows[] = {
		{ BENT_SIGNS, 2, ERR_TOKEN_UNAVAILABLE, 0 },
		{ BENT_SIGNS_AND_FAILS, 0, ERR_SIGNATURE_UNCERTAIN, 1 },
		{ BENT_GARBAGE, 0, ERR_INTEGRITY, 2 },
		{ BENT_SHORT, 0, ERR_SIGNATURE_UNCERTAIN, 3 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bent->issuing.sign = rows[i].sign;
		bent->issuing.init_fails = rows[i].init_fails;
		CHECK_FAILS(ca_crl_make(f.ca, issuing(&f), &self, NULL, &err) == -1, &err, rows[i].code);
		CHECK_INT(fixture_audit_count(&f, "crl.unfinished"), rows[i].unfinished);
		CHECK_INT(atomic_load(&issuing(&f)->crl_number), before);
	}
	bent->issuing.sign = BENT_SIGNS;
	CHECK(make(&f).number > before);
	CHECK_INT(fixture_audit_count(&f, "crl.unfinished"), 3);
	bent_remove();
}

SUITE(crl)
{
	TEST(openssl_agrees_with_every_field);
	TEST(the_number_rises_also_within_a_millisecond_and_past_a_clock_set_back);
	TEST(an_entry_stays_through_one_list_after_the_certificates_end);
	TEST(it_carries_the_hash_of_the_audit_chain);
	TEST(the_check_finds_a_missing_entry_and_a_wrong_signature);
	TEST(an_imported_list_must_be_newer_and_ours);
	TEST(a_list_is_due_before_it_ends);
	TEST(a_signature_that_became_no_list_is_in_the_log);
}
