#include <stdio.h>

#include "tests/unit/ca-core/fixture.h"

static void move(struct fixture *f, const char *from, const char *to)
{
	char old[300], new[300];
	(void)snprintf(old, sizeof(old), "%s/%s", f->state, from);
	(void)snprintf(new, sizeof(new), "%s/%s", f->state, to);
	REQUIRE(rename(old, new) == 0);
}

static enum err_code ask(struct fixture *f)
{
	struct error err = ERR_INIT;
	auto_buf spki = BUF_INIT, certificate = BUF_INIT;
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER);
	fixture_spki(&spki);
	const struct message_issue m = fixture_request("www.alice.test", &spki);
	return ca_issue_wait(f->ca, &alice, &m, &certificate, NULL, &err) ? err.code : ERR_NONE;
}

static struct hsm_token *token(struct fixture *f)
{
	return atomic_load(&ca_issuer_find(f->ca, bytes_of("issuing-1"))->seats[0].token->token);
}

static void a_token_that_went_away_and_came_back_signs_again(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	fixture_open(&f);
	CHECK_INT(ask(&f), ERR_NONE);
	move(&f, "token", "token.away");
	CHECK_INT(ask(&f), ERR_TOKEN_UNAVAILABLE);
	CHECK_INT(ask(&f), ERR_TOKEN_UNAVAILABLE);
	(void)hsm_token_probe(token(&f), &err);
	move(&f, "token.away", "token");
	CHECK_OK(hsm_token_probe(token(&f), &err) == 0, &err);
	CHECK_INT(ask(&f), ERR_NONE);
}

static void a_token_that_was_away_at_the_start_is_attached_when_it_comes(void)
{
	auto_fixture f = { .now_ms = 0 };
	fixture_open(&f);
	move(&f, "token", "token.away");
	fixture_reopen(&f);
	CHECK_INT(ask(&f), ERR_TOKEN_UNAVAILABLE);
	CHECK(!ca_attach(f.ca));
	move(&f, "token.away", "token");
	CHECK(ca_attach(f.ca));
	CHECK_INT(ask(&f), ERR_NONE);
}

static void a_refused_pin_is_not_tried_again(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	fixture_open(&f);
	struct secret *wrong = secret_new(bytes_of("wrong-pin"), &err), *right[CA_CONFIG_TOKENS_MAX];
	REQUIRE(wrong != NULL);
	memcpy(right, f.online, sizeof(right));
	for (size_t i = 0; i < CA_CONFIG_TOKENS_MAX; i++)
		if (f.online[i])
			f.online[i] = wrong;
	fixture_reopen(&f);
	CHECK_INT(ask(&f), ERR_TOKEN_UNAVAILABLE);
	for (int i = 0; i < 20; i++)
		CHECK(!ca_attach(f.ca));
	memcpy(f.online, right, sizeof(right));
	fixture_reopen(&f); /* the counter was not used up */
	CHECK_INT(ask(&f), ERR_NONE);
	secret_free(wrong);
}

SUITE(ca)
{
	TEST(a_token_that_went_away_and_came_back_signs_again);
	TEST(a_token_that_was_away_at_the_start_is_attached_when_it_comes);
	TEST(a_refused_pin_is_not_tried_again);
}
