/* What a token signed, or may have signed, is accounted for, whatever it answered. */
#include "tests/unit/ca-core/bent.h"
#include "tests/unit/ca-core/fixture.h"

static void open_bent(struct fixture *f)
{
	bent_make();
	fixture_open(f);
	bent_install();
}

static uint64_t unfinished(struct fixture *f)
{
	struct store_status s;
	store_status(f->store, &s);
	return s.unfinished;
}

static void ask(struct fixture *f, struct error *err)
{
	auto_buf spki = BUF_INIT, certificate = BUF_INIT;
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER);
	fixture_spki(&spki);
	const struct message_issue m = fixture_request("www.alice.test", &spki);
	*err = ERR_INIT;
	(void)ca_issue_wait(f->ca, &alice, &m, &certificate, NULL, err);
}

/* What the front is told of it. */
static enum err_code told(const struct error *err)
{
	auto_buf payload = BUF_INIT;
	struct error peer, reading = ERR_INIT;
	message_error_write(err, &payload);
	CHECK_OK(message_error_read(buf_bytes(&payload), &peer, &reading) == 0, &reading);
	return peer.code;
}

/* The record is written behind the answer. */
static void has_unfinished(struct fixture *f, uint64_t count)
{
	const struct timespec pause = { 0, 2000000 };
	int64_t until_ms = clock_monotonic_ms() + 5000;
	while (atomic_load(&f->ca->counters.unfinished) != count && clock_monotonic_ms() < until_ms)
		(void)nanosleep(&pause, NULL);
	CHECK_INT(atomic_load(&f->ca->counters.unfinished), count);
	CHECK_INT(unfinished(f), count);
	CHECK_INT(fixture_audit_count(f, "certificate.unfinished"), count);
}

static void a_serial_that_may_have_been_signed_is_on_record_as_unfinished(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	open_bent(&f);
	bent->issuing.sign = BENT_SIGNS_AND_FAILS;
	int before = bent->issuing.signatures;
	ask(&f, &err);
	CHECK_INT(err.code, ERR_SIGNATURE_UNCERTAIN);
	CHECK(strstr(err.message, "CKR_DEVICE_ERROR") != NULL);
	CHECK_INT(told(&err), ERR_TOKEN_UNAVAILABLE);
	CHECK_INT(bent->issuing.signatures, before + 1); /* and it is not asked twice */
	has_unfinished(&f, 1);
	bent->issuing.sign = BENT_SIGNS;
	ask(&f, &err);
	CHECK_INT(err.code, ERR_NONE);
	fixture_reopen(&f);
	CHECK_INT(unfinished(&f), 1);
	bent_remove();
}

/* As the tools do it, whose store lives longer. */
static void a_ca_that_is_closed_first_waits_for_what_is_written_behind_its_answers(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	open_bent(&f);
	for (uint64_t i = 1; i <= 5; i++) {
		bent->issuing.sign = BENT_SIGNS_AND_FAILS;
		ask(&f, &err);
		CHECK_INT(err.code, ERR_SIGNATURE_UNCERTAIN);
		ca_close(f.ca);
		f.ca = NULL;
		CHECK_INT(unfinished(&f), i);
		bent->issuing.sign = BENT_SIGNS;
		fixture_reopen(&f);
	}
	bent_remove();
}

static void a_signature_that_does_not_verify_was_made_all_the_same(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	open_bent(&f);
	bent->issuing.sign = BENT_GARBAGE;
	ask(&f, &err);
	CHECK_INT(err.code, ERR_INTEGRITY);
	has_unfinished(&f, 1);
	bent->issuing.sign = BENT_SHORT;
	ask(&f, &err);
	CHECK_INT(err.code, ERR_SIGNATURE_UNCERTAIN);
	has_unfinished(&f, 2);
	CHECK_INT(fixture_audit_count(&f, "certificate.issued"), 3); /* of the founding */
	bent_remove();
}

static void a_serial_under_which_nothing_was_signed_is_given_back(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	open_bent(&f);
	bent->issuing.init_fails = 2;
	ask(&f, &err);
	CHECK_INT(err.code, ERR_TOKEN_UNAVAILABLE);
	CHECK_INT(bent->issuing.init_fails, 0);
	ask(&f, &err);
	CHECK_INT(err.code, ERR_NONE);
	CHECK_INT(unfinished(&f), 0);
	fixture_reopen(&f); /* nor is it found missing by the ledger */
	CHECK_INT(unfinished(&f), 0);
	CHECK_INT(fixture_audit_count(&f, "certificate.unfinished"), 0);
	bent_remove();
}

SUITE(issuance)
{
	TEST(a_serial_that_may_have_been_signed_is_on_record_as_unfinished);
	TEST(a_ca_that_is_closed_first_waits_for_what_is_written_behind_its_answers);
	TEST(a_signature_that_does_not_verify_was_made_all_the_same);
	TEST(a_serial_under_which_nothing_was_signed_is_given_back);
}
