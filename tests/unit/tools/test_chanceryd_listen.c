#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "tools/chanceryd_listen.h"

/* Each test works in a folder of its own, as the supervisor does in the state directory. */
static void enter(void)
{
	log_open("test", LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	REQUIRE(chdir(unit_folder()) == 0);
}

static void leave(struct listeners *l)
{
	for (size_t i = 0; i < l->https_count; i++)
		(void)close(l->https[i]);
	for (size_t i = 0; i < l->http_count; i++)
		(void)close(l->http[i]);
	for (size_t i = 0; i < CA_CONFIG_TOKENS_MAX; i++)
		if (l->pins[i] >= 0)
			(void)close(l->pins[i]);
	if (l->admin >= 0)
		(void)close(l->admin);
	fd_cleanup(&l->webhook_secret);
	fd_cleanup(&l->mail_password);
	REQUIRE(chdir("/") == 0);
}

static struct ca_config *config_with(const char *address)
{
	struct ca_config *config = calloc(1, sizeof(*config));
	config->listen.https.items = calloc(1, sizeof(char *));
	config->listen.https.items[0] = strdup(address);
	config->listen.https.count = 1;
	return config;
}

static void free_config(struct ca_config **config)
{
	free((*config)->listen.https.items[0]);
	free((void *)(*config)->listen.https.items);
	free(*config);
}
#define auto_config CLEANUP(free_config) struct ca_config

static void opens_a_free_port_and_refuses_a_taken_one(void)
{
	struct error err = ERR_INIT;
	CLEANUP(leave) struct listeners first, second;
	auto_config *config = config_with("127.0.0.1:0");
	enter();
	CHECK_OK(listeners_open(config, &first, &err) == 0, &err);
	CHECK_INT(first.https_count, 1);
	struct sockaddr_in bound = { .sin_port = 0 };
	socklen_t length = sizeof(bound);
	REQUIRE(getsockname(first.https[0], (struct sockaddr *)&bound, &length) == 0);
	char taken[32];
	(void)snprintf(taken, sizeof(taken), "127.0.0.1:%u", ntohs(bound.sin_port));
	auto_config *other = config_with(taken);
	CHECK_FAILS(listeners_open(other, &second, &err) == -1, &err, ERR_IO);
	CHECK(strstr(err.message, taken) != NULL);
}

static void refuses_malformed_addresses(void)
{
	static const char *const wrong[] = { "127.0.0.1",        ":8443",          "127.0.0.1:",
					     "127.0.0.1:100000", "127.0.0.1:http", "[]:1" };
	enter();
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct error err = ERR_INIT;
		CLEANUP(leave) struct listeners l;
		auto_config *config = config_with(wrong[i]);
		CHECK_FAILS(listeners_open(config, &l, &err) == -1, &err, ERR_CONFIG);
	}
}

static void admin_socket_is_for_its_owner_alone(void)
{
	struct error err = ERR_INIT;
	struct stat status;
	CLEANUP(leave) struct listeners l;
	auto_config *config = config_with("127.0.0.1:0");
	enter();
	CHECK_OK(listeners_open(config, &l, &err) == 0, &err);
	REQUIRE(stat("admin.sock", &status) == 0);
	CHECK_INT(status.st_mode & 0777, 0600);
}

static void replaces_a_stale_admin_socket_but_not_one_that_answers(void)
{
	struct error err = ERR_INIT;
	CLEANUP(leave) struct listeners first, second, third;
	auto_config *config = config_with("127.0.0.1:0");
	enter();
	CHECK_OK(listeners_open(config, &first, &err) == 0, &err);
	CHECK_FAILS(listeners_open(config, &second, &err) == -1, &err, ERR_CONFLICT);
	(void)close(first.admin);
	first.admin = -1;
	err = ERR_INIT;
	CHECK_OK(listeners_open(config, &third, &err) == 0, &err);
}

static void refuses_what_is_no_socket_in_its_place(void)
{
	struct error err = ERR_INIT;
	CLEANUP(leave) struct listeners l;
	auto_config *config = config_with("127.0.0.1:0");
	enter();
	CHECK_OK(file_create("admin.sock", bytes_of("precious"), 0600, &err) == 0, &err);
	CHECK_FAILS(listeners_open(config, &l, &err) == -1, &err, ERR_IO);
	CHECK(file_exists("admin.sock"));
}

static void second_server_on_the_same_state_is_refused(void)
{
	struct error err = ERR_INIT;
	char pid[16];
	enter();
	auto_fd first = listen_lock(&err);
	CHECK_OK(first >= 0, &err);
	auto_fd second = listen_lock(&err);
	CHECK_FAILS(second == -1, &err, ERR_CONFLICT);
	(void)snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	CHECK(strstr(err.message, pid) != NULL);
	REQUIRE(chdir("/") == 0);
}

static void secrets_of_webhook_and_mail_server_are_fetched_and_read_again(void)
{
	struct error err = ERR_INIT;
	CLEANUP(leave) struct listeners l;
	auto_config *config = config_with("127.0.0.1:0");
	(void)snprintf(config->notify.webhook_secret, sizeof(config->notify.webhook_secret), "file:hook");
	(void)snprintf(config->mail.password, sizeof(config->mail.password), "file:mail");
	enter();
	CHECK_OK(file_create("hook", bytes_of("one\n"), 0600, &err) == 0, &err);
	CHECK_OK(file_create("mail", bytes_of("two\n"), 0600, &err) == 0, &err);
	CHECK_OK(listeners_open(config, &l, &err) == 0, &err);
	CHECK(l.webhook_secret == -1 && l.mail_password == -1);
	CHECK_OK(listeners_fetch_secrets(config, &l, &err) == 0, &err);
	char text[8] = "";
	CHECK_INT(pread(l.webhook_secret, text, sizeof(text), 0), 3);
	CHECK_TEXT(text, "one");
	CHECK_OK(file_replace("mail", bytes_of("three\n"), 0600, &err) == 0, &err);
	REQUIRE(unlink("hook") == 0);
	listeners_renew_secrets(config, &l);
	CHECK_INT(pread(l.mail_password, text, sizeof(text), 0), 5);
	CHECK_TEXT(text, "three");
	CHECK_INT(pread(l.webhook_secret, text, sizeof(text), 0), 3); /* as it was */
	CHECK_INT(pwrite(l.mail_password, "9", 1, 0), -1);
}

static void only_online_tokens_have_their_pins_fetched(void)
{
	struct error err = ERR_INIT;
	CLEANUP(leave) struct listeners l;
	auto_config *config = config_with("127.0.0.1:0");
	config->token_count = 2;
	config->tokens[0].online = false;
	config->tokens[1].online = true;
	(void)snprintf(config->tokens[0].pin, sizeof(config->tokens[0].pin), "file:missing.pin");
	(void)snprintf(config->tokens[1].pin, sizeof(config->tokens[1].pin), "file:issuing.pin");
	enter();
	CHECK_OK(file_create("issuing.pin", bytes_of("1234\n"), 0600, &err) == 0, &err);
	CHECK_OK(listeners_open(config, &l, &err) == 0, &err);
	CHECK_OK(listeners_fetch_secrets(config, &l, &err) == 0, &err);
	CHECK_INT(l.pins[0], -1);
	char pin[8] = "";
	CHECK_INT(pread(l.pins[1], pin, sizeof(pin), 0), 4);
	CHECK_TEXT(pin, "1234");
	CHECK_INT(pwrite(l.pins[1], "9", 1, 0), -1);
}

/* The content of a memory file from its beginning, whoever has read it before. */
static void pin_is(int fd, const char *expected)
{
	char pin[16] = "";
	CHECK_INT(pread(fd, pin, sizeof(pin) - 1, 0), strlen(expected));
	CHECK_TEXT(pin, expected);
}

static void a_changed_pin_is_read_again_and_one_that_cannot_be_read_stays(void)
{
	struct error err = ERR_INIT;
	CLEANUP(leave) struct listeners l;
	auto_config *config = config_with("127.0.0.1:0");
	static const char *const references[] = { "file:changed.pin", "file:gone.pin", "file:open.pin",
						  "file:off.pin" };
	config->token_count = 4;
	for (size_t i = 0; i < 4; i++) {
		config->tokens[i].online = i < 3;
		(void)snprintf(config->tokens[i].pin, sizeof(config->tokens[i].pin), "%s", references[i]);
	}
	enter();
	for (size_t i = 0; i < 4; i++)
		CHECK_OK(file_create(references[i] + 5, bytes_of("1111\n"), 0600, &err) == 0, &err);
	CHECK_OK(listeners_open(config, &l, &err) == 0, &err);
	CHECK_OK(listeners_fetch_secrets(config, &l, &err) == 0, &err);
	CHECK_OK(file_replace("changed.pin", bytes_of("22222\n"), 0600, &err) == 0, &err);
	REQUIRE(unlink("gone.pin") == 0);
	CHECK_OK(file_replace("open.pin", bytes_of("3333\n"), 0644, &err) == 0, &err); /* others could read it */
	CHECK_OK(file_replace("off.pin", bytes_of("4444\n"), 0600, &err) == 0, &err);
	for (int round = 0; round < 2; round++) {
		listeners_renew_secrets(config, &l);
		pin_is(l.pins[0], "22222");
		pin_is(l.pins[1], "1111");
		pin_is(l.pins[2], "1111");
		CHECK_INT(l.pins[3], -1);
	}
	CHECK_INT(pwrite(l.pins[0], "9", 1, 0), -1);
	/* One that came by descriptor or prompt comes once. */
	(void)snprintf(config->tokens[0].pin, sizeof(config->tokens[0].pin), "fd:0");
	listeners_renew_secrets(config, &l);
	pin_is(l.pins[0], "22222");
}

SUITE(chanceryd_listen)
{
	TEST(opens_a_free_port_and_refuses_a_taken_one);
	TEST(refuses_malformed_addresses);
	TEST(admin_socket_is_for_its_owner_alone);
	TEST(replaces_a_stale_admin_socket_but_not_one_that_answers);
	TEST(refuses_what_is_no_socket_in_its_place);
	TEST(second_server_on_the_same_state_is_refused);
	TEST(secrets_of_webhook_and_mail_server_are_fetched_and_read_again);
	TEST(only_online_tokens_have_their_pins_fetched);
	TEST(a_changed_pin_is_read_again_and_one_that_cannot_be_read_stays);
}
