/* The signer's end of its channel to the validator; the validator and the supervisor are played. */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "base/log.h"
#include "base/wait.h"
#include "ca-core/signer.h"

#define WAIT_MS 5000

/* What the link told. */
struct told {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned validated, delivered, came, lost;
	uint64_t id;
	uint8_t shown;
	char text[64];
};

struct rig {
	struct told told;
	struct validator_link *link;
	struct channel *validator; /* the played one's end */
	int control;               /* the supervisor's end */
};

static void tell(struct told *told, unsigned *count, uint64_t id, uint8_t shown, struct bytes text)
{
	(void)pthread_mutex_lock(&told->lock);
	(*count)++;
	told->id = id;
	told->shown = shown;
	(void)snprintf(told->text, sizeof(told->text), "%.*s", (int)text.len, (const char *)text.data);
	(void)pthread_cond_broadcast(&told->changed);
	(void)pthread_mutex_unlock(&told->lock);
}

static void on_validated(void *arg, uint64_t id, const struct message_validated *seen)
{
	struct told *told = arg;
	tell(told, &told->validated, id, seen->shown, seen->attempts[0].text);
}

static void on_delivered(void *arg, uint64_t id, const struct message_delivered *result)
{
	struct told *told = arg;
	tell(told, &told->delivered, id, result->good, result->text);
}

static void on_came(void *arg)
{
	struct told *told = arg;
	tell(told, &told->came, 0, 0, BYTES_NONE);
}

static void on_lost(void *arg)
{
	struct told *told = arg;
	tell(told, &told->lost, 0, 0, BYTES_NONE);
}

static bool await(struct told *told, const unsigned *count, unsigned wanted)
{
	struct timespec until = wait_until(clock_monotonic_ms() + WAIT_MS);
	int late = 0;
	(void)pthread_mutex_lock(&told->lock);
	while (*count < wanted && !late)
		late = pthread_cond_timedwait(&told->changed, &told->lock, &until);
	(void)pthread_mutex_unlock(&told->lock);
	return !late;
}

static void open_rig(struct rig *rig, bool with_validator)
{
	struct error err = ERR_INIT;
	int ends[2] = { -1, -1 }, control[2];
	*rig = (struct rig){ .control = -1 };
	log_open("test", LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	(void)pthread_mutex_init(&rig->told.lock, NULL);
	wait_cond_init(&rig->told.changed);
	REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) == 0);
	rig->control = control[0];
	if (with_validator) {
		REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
		rig->validator = channel_new(ends[1], &err);
	}
	const struct validator_events events = { on_validated, on_delivered, on_came, on_lost, &rig->told };
	rig->link = signer_validator_new(ends[0], control[1], &events, &err);
	CHECK_OK(rig->link != NULL, &err);
}

static void close_rig(struct rig *rig)
{
	signer_validator_free(rig->link);
	channel_free(rig->validator);
	(void)close(rig->control);
	(void)pthread_cond_destroy(&rig->told.changed);
	(void)pthread_mutex_destroy(&rig->told.lock);
}

/* The supervisor started another validator. */
static void hand_over(struct rig *rig)
{
	struct error err = ERR_INIT;
	int ends[2];
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	CHECK_OK(fdpass_send(rig->control, 'V', ends[0], &err) == 0, &err);
	(void)close(ends[0]);
	channel_free(rig->validator);
	rig->validator = channel_new(ends[1], &err);
	CHECK_OK(rig->validator != NULL, &err);
}

/* Sends until the link has taken what was handed to it. */
static void send_soon(struct rig *rig, uint16_t type, uint64_t id)
{
	struct error err = ERR_INIT;
	int64_t until_ms = clock_monotonic_ms() + WAIT_MS;
	while (signer_validator_send(rig->link, type, id, BYTES("x", 1), &err) && clock_monotonic_ms() < until_ms) {
		CHECK_INT(err.code, ERR_UNREACHABLE);
		(void)usleep(1000);
	}
}

/* Plays one question and its answer, whatever stands in it. */
static void answer(struct rig *rig, uint16_t asked, uint16_t type, const struct buf *payload)
{
	struct error err = ERR_INIT;
	struct frame frame;
	CHECK_OK(channel_receive(rig->validator, &frame, WAIT_MS, &err) == 1, &err);
	CHECK_INT(frame.type, asked);
	CHECK_OK(channel_send(rig->validator, type, frame.id, buf_bytes(payload), &err) == 0, &err);
}

static void write_validated(struct buf *out)
{
	const struct message_validated seen = {
		.shown = MESSAGE_HTTP,
		.attempt_count = 1,
		.attempts = { { MESSAGE_HTTP, bytes_of("ok"), bytes_of("the body is right") } },
	};
	message_validated_write(&seen, out);
}

static void answers_reach_those_who_wait_for_them(void)
{
	struct rig rig;
	auto_buf validated = BUF_INIT, delivered = BUF_INIT;
	const struct message_delivered result = { .good = true, .text = bytes_of("250 kept") };
	write_validated(&validated);
	message_delivered_write(&result, &delivered);
	open_rig(&rig, true);
	send_soon(&rig, MSG_VALIDATE, 7);
	answer(&rig, MSG_VALIDATE, MSG_VALIDATED, &validated);
	CHECK(await(&rig.told, &rig.told.validated, 1));
	CHECK(rig.told.id == 7 && rig.told.shown == MESSAGE_HTTP);
	CHECK_TEXT(rig.told.text, "the body is right");
	send_soon(&rig, MSG_DELIVER, 8);
	answer(&rig, MSG_DELIVER, MSG_DELIVERED, &delivered);
	CHECK(await(&rig.told, &rig.told.delivered, 1));
	CHECK(rig.told.id == 8 && rig.told.shown == 1);
	CHECK_TEXT(rig.told.text, "250 kept");
	CHECK_INT(rig.told.lost, 0);
	close_rig(&rig);
}

static void without_a_validator_nothing_is_sent_and_a_later_one_is_taken(void)
{
	struct rig rig;
	struct error err = ERR_INIT;
	auto_buf validated = BUF_INIT;
	write_validated(&validated);
	open_rig(&rig, false);
	CHECK_FAILS(signer_validator_send(rig.link, MSG_VALIDATE, 1, BYTES("x", 1), &err) == -1, &err, ERR_UNREACHABLE);
	CHECK_INT(rig.told.came, 0);
	hand_over(&rig);
	CHECK(await(&rig.told, &rig.told.came, 1));
	CHECK_OK(signer_validator_send(rig.link, MSG_VALIDATE, 2, BYTES("x", 1), &err) == 0, &err);
	answer(&rig, MSG_VALIDATE, MSG_VALIDATED, &validated);
	CHECK(await(&rig.told, &rig.told.validated, 1));
	close_rig(&rig);
}

static void a_validator_that_goes_is_told_and_the_next_one_is_asked(void)
{
	struct rig rig;
	auto_buf validated = BUF_INIT;
	write_validated(&validated);
	open_rig(&rig, true);
	send_soon(&rig, MSG_VALIDATE, 1);
	channel_free(TAKE(rig.validator));
	CHECK(await(&rig.told, &rig.told.lost, 1));
	hand_over(&rig);
	send_soon(&rig, MSG_VALIDATE, 2);
	answer(&rig, MSG_VALIDATE, MSG_VALIDATED, &validated);
	CHECK(await(&rig.told, &rig.told.validated, 1));
	CHECK_INT(rig.told.id, 2);
	close_rig(&rig);
}

static void a_fresh_channel_takes_the_place_of_one_that_still_lives(void)
{
	struct rig rig;
	auto_buf validated = BUF_INIT;
	write_validated(&validated);
	open_rig(&rig, true);
	send_soon(&rig, MSG_VALIDATE, 1);
	struct channel *old = TAKE(rig.validator);
	hand_over(&rig);
	CHECK(await(&rig.told, &rig.told.lost, 1));
	send_soon(&rig, MSG_VALIDATE, 2);
	answer(&rig, MSG_VALIDATE, MSG_VALIDATED, &validated);
	CHECK(await(&rig.told, &rig.told.validated, 1));
	channel_free(old);
	close_rig(&rig);
}

/* A validator that was taken over says something that none of ours would say. */
static void whoever_does_not_keep_to_the_messages_is_cut_off(void)
{
	static const uint16_t types[] = { MSG_VALIDATED, MSG_DELIVERED, MSG_ISSUE, MSG_ERROR };
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct rig rig;
		struct error err = ERR_INIT;
		struct frame frame;
		auto_buf rubbish = BUF_INIT;
		buf_add_text(&rubbish, "rubbish");
		open_rig(&rig, true);
		log_open("test", LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
		send_soon(&rig, MSG_VALIDATE, 1);
		answer(&rig, MSG_VALIDATE, types[i], &rubbish);
		CHECK(await(&rig.told, &rig.told.lost, 1));
		CHECK_FAILS(channel_receive(rig.validator, &frame, WAIT_MS, &err) == -1, &err, ERR_UNREACHABLE);
		CHECK_INT(rig.told.validated + rig.told.delivered, 0);
		close_rig(&rig);
	}
}

static void other_letters_of_the_supervisor_change_nothing(void)
{
	struct rig rig;
	struct error err = ERR_INIT;
	auto_buf validated = BUF_INIT;
	write_validated(&validated);
	open_rig(&rig, true);
	CHECK_OK(fdpass_send(rig.control, 'C', 0, &err) == 0, &err);
	REQUIRE(send(rig.control, "V", 1, 0) == 1);
	send_soon(&rig, MSG_VALIDATE, 1);
	answer(&rig, MSG_VALIDATE, MSG_VALIDATED, &validated);
	CHECK(await(&rig.told, &rig.told.validated, 1));
	CHECK_INT(rig.told.lost, 0);
	close_rig(&rig);
}

static void it_ends_while_an_answer_is_awaited(void)
{
	struct rig rig;
	open_rig(&rig, true);
	send_soon(&rig, MSG_VALIDATE, 1);
	int64_t before_ms = clock_monotonic_ms();
	close_rig(&rig);
	CHECK(clock_monotonic_ms() - before_ms < WAIT_MS);
}

SUITE(signer_validator)
{
	TEST(answers_reach_those_who_wait_for_them);
	TEST(without_a_validator_nothing_is_sent_and_a_later_one_is_taken);
	TEST(a_validator_that_goes_is_told_and_the_next_one_is_asked);
	TEST(a_fresh_channel_takes_the_place_of_one_that_still_lives);
	TEST(whoever_does_not_keep_to_the_messages_is_cut_off);
	TEST(other_letters_of_the_supervisor_change_nothing);
	TEST(it_ends_while_an_answer_is_awaited);
}
