/* The ceremony that init holds by itself: once, or not at all; and what it made comes into the CA. */
#include "tools/init_ceremony.h"

#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "hsm/admin.h"
#include "tests/unit/unit.h"
#include "tools/ceremony_verify.h"
#include "tools/child.h"
#include "tools/state.h"

struct state {
	struct ca_config *config;
	struct secret *pins[CA_CONFIG_TOKENS_MAX];
	struct store *store;
};

static void state_close(struct state *s)
{
	if (s->store)
		store_close(s->store);
	for (size_t i = 0; i < CA_CONFIG_TOKENS_MAX; i++)
		secret_free(s->pins[i]);
	ca_config_free(s->config);
	REQUIRE(chdir("/") == 0);
}

/* In a process of its own: libp11 must not share one with our own use of the module. */
static int make_tokens(void *argument, struct buf *answer, struct error *err)
{
	const struct state *s = argument;
	(void)answer;
	for (size_t i = 0; i < s->config->token_count; i++)
		if (hsm_admin_init_token(hsm_admin_find_softhsm(), s->config->tokens[i].name, s->pins[i], s->pins[i],
					 err))
			return -1;
	return 0;
}

/* A state directory with configuration and tokens, and in it. */
static void state_open(struct state *s)
{
	static const char *const https[] = { "127.0.0.1:8443", NULL }, *const names[] = { "localhost", NULL };
	struct error err = ERR_INIT;
	auto_buf text = BUF_INIT;
	log_open("test", LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	/* Stays loaded, so that a report of leaks can name it. */
	void *kept = dlopen(hsm_admin_find_softhsm(), RTLD_NOW | RTLD_NODELETE);
	REQUIRE(kept && dlclose(kept) == 0 && chdir(unit_folder()) == 0);
	const struct ca_config_template t = { .node = "ca1",
					      .module = hsm_admin_find_softhsm(),
					      .softhsm_conf = "token/softhsm2.conf",
					      .url = "http://pki.test",
					      .arc = "2.999.1",
					      .signer_user = "",
					      .front_user = "",
					      .https = https,
					      .names = names };
	ca_config_write(&t, &text);
	CHECK_OK(file_create(STATE_CONFIG, buf_bytes(&text), 0600, &err) == 0, &err);
	CHECK_OK(hsm_admin_make_softhsm("token", &err) == 0 && file_make_dir("store", 0700, &err) == 0, &err);
	REQUIRE(setenv("SOFTHSM2_CONF", "token/softhsm2.conf", 1) == 0);
	s->config = ca_config_load(STATE_CONFIG, &err);
	CHECK_OK(s->config != NULL, &err);
	for (size_t i = 0; i < s->config->token_count; i++)
		s->pins[i] = secret_random(8, &err);
	CHECK_OK(child_run(make_tokens, s, NULL, &err) == 0, &err);
}

static int hold(const struct state *s, struct error *err)
{
	const struct init_ceremony in = { s->config, s->pins, "Example Ltd", clock_system() };
	return init_ceremony_hold(&in, err);
}

static int bring_in(struct state *s, struct error *err)
{
	const struct store_options store = {
		.path = "store", .node = s->config->process.node, .clock = clock_system(), .create = true
	};
	if (!s->store)
		s->store = store_open(&store, err);
	const struct ca_options options = { .config = s->config,
					    .store = s->store,
					    .clock = clock_system(),
					    .pins = (const struct secret *const *)s->pins,
					    .published = "published" };
	return s->store ? init_ceremony_bring_in(&options, err) : -1;
}

static uint64_t certificates(struct store *store)
{
	struct store_status status;
	store_status(store, &status);
	return status.certificates;
}

static void it_is_held_once_and_proved_and_brought_in(void)
{
	CLEANUP(state_close) struct state s = { .config = NULL };
	struct error err = ERR_INIT;
	uint8_t closing[32], again[32];
	state_open(&s);
	CHECK(!init_ceremony_closing(closing));
	CHECK_OK(hold(&s, &err) == 1, &err);
	REQUIRE(init_ceremony_closing(closing));
	CHECK(!file_exists("ceremony-plan"));
	CHECK_OK(hold(&s, &err) == 1, &err);
	REQUIRE(init_ceremony_closing(again));
	CHECK_BYTES(BYTES(again, 32), BYTES(closing, 32));

	auto_ceremony_verified verified = CEREMONY_VERIFIED_INIT;
	CHECK_OK(ceremony_verify(INIT_CEREMONY, closing, &verified, &err) == 0, &err);
	CHECK(verified.anchored);
	CHECK_TEXT(ca_transcript_value(&verified.transcript.lines[0], "attended"), "no");

	CHECK_OK(bring_in(&s, &err) == 0, &err);
	CHECK_INT(certificates(s.store), 2);
	CHECK(file_exists("published/ca/issuing-1.pem") && file_exists("published/crl/root-1.crl"));
	CHECK_OK(bring_in(&s, &err) == 0, &err);
	CHECK_INT(certificates(s.store), 2);
}

static void a_directory_that_was_changed_does_not_come_in(void)
{
	CLEANUP(state_close) struct state s = { .config = NULL };
	struct error err = ERR_INIT;
	state_open(&s);
	CHECK_OK(hold(&s, &err) == 1, &err);
	CHECK_OK(file_create(INIT_CEREMONY "/out/root-2.pem", bytes_of("another"), 0644, &err) == 0, &err);
	CHECK_FAILS(bring_in(&s, &err) != 0, &err, ERR_INTEGRITY);
	CHECK_INT(certificates(s.store), 0);
	CHECK(unlink(INIT_CEREMONY "/out/root-2.pem") == 0);
	CHECK_OK(file_replace(INIT_CEREMONY_CLOSING, bytes_of("0123"), 0644, &err) == 0, &err);
	CHECK_FAILS(bring_in(&s, &err) != 0, &err, ERR_INTEGRITY);
}

static void none_is_held_where_the_key_is_there_already(void)
{
	CLEANUP(state_close) struct state s = { .config = NULL };
	struct error err = ERR_INIT;
	state_open(&s);
	CHECK_OK(hold(&s, &err) == 1, &err);
	CHECK_OK(file_remove_tree(INIT_CEREMONY, &err) == 0 && unlink(INIT_CEREMONY_CLOSING) == 0, &err);
	CHECK_OK(hold(&s, &err) == 0, &err);
	CHECK(!file_exists(INIT_CEREMONY) && !file_exists(INIT_CEREMONY_CLOSING));
}

SUITE(init_ceremony)
{
	TEST(it_is_held_once_and_proved_and_brought_in);
	TEST(a_directory_that_was_changed_does_not_come_in);
	TEST(none_is_held_where_the_key_is_there_already);
}
