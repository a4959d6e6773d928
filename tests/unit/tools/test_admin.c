#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/channel.h"
#include "base/file.h"
#include "tools/admin.h"

/* A server of one connection that answers one question as told. */
struct peer {
	int listener;
	uint16_t type;
	uint64_t other_id; /* not 0: first an answer under this id */
	struct buf answer;
	bool close_at_once;
	pthread_t thread;
};

static void *serve(void *arg)
{
	struct peer *p = arg;
	struct error err = ERR_INIT;
	struct frame frame;
	int fd = accept(p->listener, NULL, NULL);
	struct channel *channel = fd >= 0 ? channel_new(fd, &err) : NULL;
	if (!channel)
		return NULL;
	if (channel_receive(channel, &frame, 10000, &err) == 1 && !p->close_at_once) {
		if (p->other_id)
			(void)channel_send(channel, MSG_DONE, p->other_id, BYTES_NONE, &err);
		(void)channel_send(channel, p->type, frame.id, buf_bytes(&p->answer), &err);
		channel_flush(channel, 1000);
		/* Until the client has gone. */
		(void)channel_receive(channel, &frame, 10000, &err);
	}
	channel_shutdown(channel);
	channel_free(channel);
	return NULL;
}

static void start(struct peer *p)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/admin.sock", unit_folder());
	REQUIRE(bind(p->listener, (const struct sockaddr *)&address, sizeof(address)) == 0);
	REQUIRE(listen(p->listener, 1) == 0);
	REQUIRE(pthread_create(&p->thread, NULL, serve, p) == 0);
}

static void end(struct peer *p)
{
	(void)pthread_join(p->thread, NULL);
	(void)close(p->listener);
	buf_free(&p->answer);
}

static int ask(enum message_type expected, struct buf *answer, struct error *err)
{
	const struct common_options common = { .state = unit_folder() };
	auto_admin *admin = admin_open(&common, err);
	return admin ? admin_ask(admin, MSG_HEALTH_GET, BYTES_NONE, expected, answer, err) : -1;
}

static void gives_the_answers_payload(void)
{
	struct error err = ERR_INIT;
	auto_buf answer = BUF_INIT;
	struct peer p = { .type = MSG_HEALTH, .answer = BUF_INIT };
	buf_add_text(&p.answer, "well");
	start(&p);
	CHECK_OK(ask(MSG_HEALTH, &answer, &err) == 0, &err);
	CHECK_BYTES(buf_bytes(&answer), bytes_of("well"));
	end(&p);
}

static void passes_over_answers_to_other_questions(void)
{
	struct error err = ERR_INIT;
	auto_buf answer = BUF_INIT;
	struct peer p = { .type = MSG_HEALTH, .other_id = 4711, .answer = BUF_INIT };
	start(&p);
	CHECK_OK(ask(MSG_HEALTH, &answer, &err) == 0, &err);
	end(&p);
}

static void what_the_server_refuses_is_its_error(void)
{
	struct error err = ERR_INIT, refusal = ERR_INIT;
	struct peer p = { .type = MSG_ERROR, .answer = BUF_INIT };
	(void)err_set(&refusal, ERR_ROLE_REQUIRED, "not you");
	message_error_write(&refusal, &p.answer);
	start(&p);
	CHECK_FAILS(ask(MSG_HEALTH, NULL, &err) == -1, &err, ERR_ROLE_REQUIRED);
	CHECK_TEXT(err.message, "not you");
	end(&p);
}

static void refuses_an_answer_of_another_type(void)
{
	struct error err = ERR_INIT;
	struct peer p = { .type = MSG_DONE, .answer = BUF_INIT };
	start(&p);
	CHECK_FAILS(ask(MSG_HEALTH, NULL, &err) == -1, &err, ERR_INTEGRITY);
	end(&p);
}

static void a_server_that_goes_or_is_not_there_is_unreachable(void)
{
	struct error err = ERR_INIT;
	struct peer p = { .type = MSG_DONE, .close_at_once = true, .answer = BUF_INIT };
	CHECK_FAILS(ask(MSG_DONE, NULL, &err) == -1, &err, ERR_UNREACHABLE);
	start(&p);
	err = ERR_INIT;
	CHECK_FAILS(ask(MSG_DONE, NULL, &err) == -1, &err, ERR_UNREACHABLE);
	end(&p);
}

SUITE(admin)
{
	TEST(gives_the_answers_payload);
	TEST(passes_over_answers_to_other_questions);
	TEST(what_the_server_refuses_is_its_error);
	TEST(refuses_an_answer_of_another_type);
	TEST(a_server_that_goes_or_is_not_there_is_unreachable);
}
