/* A PIN that a token refused is not tried again, by nobody, until a person asks for it. */
#include <stdio.h>

#include "tests/unit/ca-core/bent.h"
#include "tests/unit/ca-core/fixture.h"

#define MARK_SIZE (1 + 16 + 2 + 8) /* version, salt, two octets of the hash, time */

/* A CA with a module that counts logins. */
static void open_counted(struct fixture *f)
{
	bent_make();
	fixture_open(f);
	bent_install();
}

static struct ca_token *issuing(struct fixture *f)
{
	return ca_token_find(f->ca, bytes_of("issuing"));
}

static struct secret *pin_of(const char *text)
{
	struct error err = ERR_INIT;
	struct secret *pin = secret_new(bytes_of(text), &err);
	CHECK_OK(pin != NULL, &err);
	return pin;
}

/* Opens store and CA again with this PIN for the online token; returns how many logins that took. */
static int logins_of_start_with(struct fixture *f, const struct secret *pin)
{
	int before = bent->issuing.logins;
	for (size_t i = 0; i < CA_CONFIG_TOKENS_MAX; i++)
		if (f->online[i])
			f->online[i] = (struct secret *)(uintptr_t)pin;
	fixture_reopen(f);
	return bent->issuing.logins - before;
}

static struct secret *right_pin(struct fixture *f)
{
	for (size_t i = 0; i < f->config->token_count; i++)
		if (strcmp(f->config->tokens[i].name, "issuing") == 0)
			return f->pins[i];
	return NULL;
}

static void a_refusal_is_remembered_by_every_later_start(void)
{
	auto_fixture f = { .now_ms = 0 };
	open_counted(&f);
	auto_secret *wrong = pin_of("wrong-pin"), *other = pin_of("another-wrong-pin");
	CHECK_INT(logins_of_start_with(&f, wrong), 1);
	CHECK_TEXT(ca_token_state(issuing(&f)), "pin-refused");
	CHECK_INT(fixture_audit_count(&f, "token.pin-refused"), 1);
	for (int i = 0; i < 3; i++)
		CHECK(!ca_attach(f.ca));
	CHECK_INT(logins_of_start_with(&f, wrong), 0);
	CHECK_TEXT(ca_token_state(issuing(&f)), "pin-refused");
	CHECK_INT(fixture_audit_count(&f, "token.pin-refused"), 1);

	CHECK_INT(logins_of_start_with(&f, other), 1);
	CHECK_INT(fixture_audit_count(&f, "token.pin-refused"), 2);
	CHECK_INT(logins_of_start_with(&f, other), 0);
	CHECK_INT(logins_of_start_with(&f, right_pin(&f)), 1);
	CHECK_TEXT(ca_token_state(issuing(&f)), "up");
	bent_remove();
}

static void a_person_who_asks_gets_one_more_try_of_the_same_pin(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	open_counted(&f);
	auto_secret *wrong = pin_of("wrong-pin");
	CHECK_INT(logins_of_start_with(&f, wrong), 1);
	int before = bent->issuing.logins;
	CHECK_OK(ca_token_set_pin(issuing(&f), wrong, &err) == 0, &err);
	CHECK_INT(bent->issuing.logins, before);
	CHECK(!ca_attach(f.ca));
	CHECK_INT(bent->issuing.logins, before + 1);
	CHECK(!ca_attach(f.ca));
	CHECK_INT(bent->issuing.logins, before + 1);
	CHECK_INT(fixture_audit_count(&f, "token.pin-refused"), 2);
	CHECK_OK(ca_token_set_pin(issuing(&f), right_pin(&f), &err) == 0, &err);
	CHECK(ca_attach(f.ca));
	CHECK_TEXT(ca_token_state(issuing(&f)), "up");
	struct ca_token *root = ca_token_find(f.ca, bytes_of("root"));
	CHECK_FAILS(ca_token_set_pin(root, wrong, &err) == -1, &err, ERR_CONFLICT);
	bent_remove();
}

static void what_a_person_asked_for_is_kept_until_the_token_is_there(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	open_counted(&f);
	CHECK_OK(ca_pin_record_refusal(f.ca, "issuing", right_pin(&f), &err) == 0, &err);
	CHECK_INT(logins_of_start_with(&f, right_pin(&f)), 0);
	bent->issuing.away = true;
	CHECK_OK(ca_token_set_pin(issuing(&f), right_pin(&f), &err) == 0, &err);
	CHECK(!ca_attach(f.ca));
	CHECK_TEXT(ca_token_state(issuing(&f)), "down");
	bent->issuing.away = false;
	CHECK(ca_attach(f.ca));
	CHECK_TEXT(ca_token_state(issuing(&f)), "up");
	bent_remove();
}

/* The token got that PIN after all, or one in 65,536 was taken for another. */
static void a_pin_that_was_accepted_is_not_refused_by_the_next_start(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	open_counted(&f);
	for (int closed = 0; closed < 2; closed++) {
		CHECK_OK(ca_pin_record_refusal(f.ca, "issuing", right_pin(&f), &err) == 0, &err);
		if (closed) /* else the token is open, as it is for a signer that hears of it */
			CHECK_INT(logins_of_start_with(&f, right_pin(&f)), 0);
		CHECK_OK(ca_token_set_pin(issuing(&f), right_pin(&f), &err) == 0, &err);
		CHECK_INT(fixture_audit_count(&f, "token.pin-accepted"), closed);
		CHECK(ca_attach(f.ca));
		ca_token_settle_pin(issuing(&f));
		CHECK_INT(ca_pin_was_refused(f.ca, "issuing", right_pin(&f), &err), 0);
		CHECK_INT(fixture_audit_count(&f, "token.pin-accepted"), closed + 1);
		ca_token_settle_pin(issuing(&f));
		CHECK_INT(fixture_audit_count(&f, "token.pin-accepted"), closed + 1);
	}
	CHECK_INT(logins_of_start_with(&f, right_pin(&f)), 1);
	bent_remove();
}

static void get_mark(struct fixture *f, struct buf *out)
{
	struct error err = ERR_INIT;
	CHECK_INT(ca_meta_get(f->ca, CA_META_PIN_REFUSED "issuing", out, &err), 1);
}

static void put_mark(struct fixture *f, struct bytes mark)
{
	struct error err = ERR_INIT;
	struct store_batch *batch = store_batch_new(f->store);
	REQUIRE(batch != NULL);
	store_put(batch, STORE_META, bytes_of(CA_META_PIN_REFUSED "issuing"), mark);
	CHECK_OK(store_submit_wait(f->store, batch, NULL, &err) == 0, &err);
}

static void the_record_says_too_little_to_find_a_pin_by(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	auto_buf first = BUF_INIT, second = BUF_INIT;
	fixture_open(&f);
	auto_secret *pin = pin_of("20260727");
	CHECK_INT(ca_pin_was_refused(f.ca, "issuing", pin, &err), 0);
	CHECK_OK(ca_pin_record_refusal(f.ca, "issuing", pin, &err) == 0, &err);
	get_mark(&f, &first);
	CHECK_INT(first.len, MARK_SIZE);
	CHECK(memmem(first.data, first.len, "20260727", 8) == NULL);
	CHECK_INT(ca_pin_was_refused(f.ca, "issuing", pin, &err), 1);
	CHECK_INT(ca_pin_was_refused(f.ca, "root", pin, &err), 0);
	/* The salt is another each time, and so are the octets. */
	CHECK_OK(ca_pin_record_refusal(f.ca, "issuing", pin, &err) == 0, &err);
	get_mark(&f, &second);
	CHECK(memcmp(first.data + 1, second.data + 1, 16) != 0);
}

static void a_malformed_record_is_an_integrity_error_and_nothing_is_tried(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	auto_buf good = BUF_INIT;
	open_counted(&f);
	CHECK_OK(ca_pin_record_refusal(f.ca, "issuing", right_pin(&f), &err) == 0, &err);
	get_mark(&f, &good);
	buf_u8(&good, 0);
	const size_t lengths[] = { 1, MARK_SIZE - 1, MARK_SIZE + 1 };
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		put_mark(&f, BYTES(good.data, lengths[i]));
		CHECK_FAILS(ca_pin_was_refused(f.ca, "issuing", right_pin(&f), &err) == -1, &err, ERR_INTEGRITY);
	}
	good.data[0] = 9;
	put_mark(&f, BYTES(good.data, MARK_SIZE));
	CHECK_FAILS(ca_pin_was_refused(f.ca, "issuing", right_pin(&f), &err) == -1, &err, ERR_INTEGRITY);
	CHECK_INT(logins_of_start_with(&f, right_pin(&f)), 0);
	CHECK_TEXT(ca_token_state(issuing(&f)), "down");
	CHECK_OK(ca_token_set_pin(issuing(&f), right_pin(&f), &err) == 0, &err);
	CHECK(ca_attach(f.ca)); /* which a person can mend */
	bent_remove();
}

SUITE(ca_pin)
{
	TEST(a_refusal_is_remembered_by_every_later_start);
	TEST(a_person_who_asks_gets_one_more_try_of_the_same_pin);
	TEST(what_a_person_asked_for_is_kept_until_the_token_is_there);
	TEST(a_pin_that_was_accepted_is_not_refused_by_the_next_start);
	TEST(the_record_says_too_little_to_find_a_pin_by);
	TEST(a_malformed_record_is_an_integrity_error_and_nothing_is_tried);
}
