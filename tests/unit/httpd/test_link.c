/* Questions and answers over the channel: each is answered exactly once, whatever happens. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "ca-core/message.h"
#include "httpd/link.h"
#include "tests/unit/unit.h"

struct outcome {
	_Atomic int answers, failures;
	enum err_code code;
	uint16_t type;
};

static void note(void *arg, const struct frame *answer, const struct error *err)
{
	struct outcome *outcome = arg;
	if (answer) {
		outcome->type = answer->type;
		outcome->answers++;
	} else {
		outcome->code = err->code;
		outcome->failures++;
	}
}

struct told {
	_Atomic int up, down, news;
};
static void on_up(void *arg)
{
	((struct told *)arg)->up++;
}
static void on_down(void *arg)
{
	((struct told *)arg)->down++;
}
static void on_news(void *arg, const struct frame *news)
{
	(void)news;
	((struct told *)arg)->news++;
}

static bool await(_Atomic int *counter, int value)
{
	for (int i = 0; i < 2000 && *counter < value; i++)
		(void)usleep(5000);
	return *counter == value;
}

struct pair {
	struct told told;
	struct link *link;
	struct channel *peer;
};

static struct channel *make_peer(int *ours)
{
	int fds[2];
	struct error err = ERR_INIT;
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	*ours = fds[0];
	return channel_new(fds[1], &err);
}

static void pair_open(struct pair *pair, size_t most)
{
	struct error err = ERR_INIT;
	int ours;
	*pair = (struct pair){ .link = NULL };
	pair->peer = make_peer(&ours);
	const struct link_events events = { on_up, on_down, on_news, &pair->told };
	pair->link = link_new(ours, most, &events, &err);
	REQUIRE(pair->link != NULL && pair->peer != NULL);
	CHECK(await(&pair->told.up, 1));
}

static void pair_close(struct pair *pair)
{
	link_free(pair->link);
	channel_free(pair->peer);
}

static int ask(struct pair *pair, int64_t deadline_ms, struct outcome *outcome, struct error *err)
{
	*outcome = (struct outcome){ .code = ERR_NONE };
	return link_ask(pair->link, MSG_HEALTH_GET, BYTES_NONE, deadline_ms, note, outcome, err);
}

static void joins_answers_to_questions_in_any_order(void)
{
	struct pair pair;
	struct outcome first, second;
	struct error err = ERR_INIT;
	struct frame frame;
	pair_open(&pair, 8);
	CHECK(ask(&pair, INT64_MAX, &first, &err) == 0);
	CHECK(ask(&pair, INT64_MAX, &second, &err) == 0);
	REQUIRE(channel_receive(pair.peer, &frame, 10000, &err) == 1);
	uint64_t first_id = frame.id;
	REQUIRE(channel_receive(pair.peer, &frame, 10000, &err) == 1);
	CHECK(frame.id != first_id && frame.id != 0);
	CHECK(channel_send(pair.peer, MSG_DONE, frame.id, BYTES_NONE, &err) == 0);
	CHECK(channel_send(pair.peer, MSG_HEALTH, first_id, BYTES_NONE, &err) == 0);
	CHECK(await(&first.answers, 1) && await(&second.answers, 1));
	CHECK_INT(first.type, MSG_HEALTH);
	CHECK_INT(second.type, MSG_DONE);
	pair_close(&pair);
}

static void ignores_answers_that_nobody_waits_for(void)
{
	struct pair pair;
	struct outcome outcome;
	struct error err = ERR_INIT;
	struct frame frame;
	pair_open(&pair, 8);
	CHECK(ask(&pair, INT64_MAX, &outcome, &err) == 0);
	REQUIRE(channel_receive(pair.peer, &frame, 10000, &err) == 1);
	CHECK(channel_send(pair.peer, MSG_DONE, frame.id + 1, BYTES_NONE, &err) == 0);
	CHECK(channel_send(pair.peer, MSG_DONE, UINT64_MAX, BYTES_NONE, &err) == 0);
	CHECK(channel_send(pair.peer, MSG_DONE, frame.id, BYTES_NONE, &err) == 0);
	CHECK(channel_send(pair.peer, MSG_HEALTH, frame.id, BYTES_NONE, &err) == 0);
	CHECK(channel_send(pair.peer, MSG_SESSIONS_DROP, 0, BYTES_NONE, &err) == 0);
	CHECK(await(&pair.told.news, 1));
	CHECK_INT(outcome.answers, 1);
	CHECK_INT(outcome.type, MSG_DONE);
	pair_close(&pair);
}

static void answers_busy_past_the_deadline_and_drops_the_late_answer(void)
{
	struct pair pair;
	struct outcome outcome;
	struct error err = ERR_INIT;
	struct frame frame;
	pair_open(&pair, 8);
	CHECK(ask(&pair, 1000, &outcome, &err) == 0);
	link_expire(pair.link, 1000);
	CHECK_INT(outcome.failures, 0);
	link_expire(pair.link, 1001);
	CHECK_INT(outcome.failures, 1);
	CHECK_INT(outcome.code, ERR_BUSY);
	REQUIRE(channel_receive(pair.peer, &frame, 10000, &err) == 1);
	CHECK(channel_send(pair.peer, MSG_DONE, frame.id, BYTES_NONE, &err) == 0);
	CHECK(channel_send(pair.peer, MSG_SESSIONS_DROP, 0, BYTES_NONE, &err) == 0);
	CHECK(await(&pair.told.news, 1));
	CHECK_INT(outcome.answers, 0);
	pair_close(&pair);
}

static void refuses_more_questions_than_it_may_hold(void)
{
	struct pair pair;
	struct outcome outcomes[3];
	struct error err = ERR_INIT;
	pair_open(&pair, 2);
	CHECK(ask(&pair, INT64_MAX, &outcomes[0], &err) == 0);
	CHECK(ask(&pair, INT64_MAX, &outcomes[1], &err) == 0);
	CHECK_FAILS(ask(&pair, INT64_MAX, &outcomes[2], &err) == -1, &err, ERR_BUSY);
	pair_close(&pair);
	CHECK_INT(outcomes[0].failures, 1);
	CHECK_INT(outcomes[1].failures, 1);
	CHECK_INT(outcomes[2].failures, 0);
}

static void refuses_while_the_channel_is_down_and_goes_on_with_a_fresh_one(void)
{
	struct pair pair;
	struct outcome waiting, later;
	struct error err = ERR_INIT;
	pair_open(&pair, 8);
	CHECK(ask(&pair, INT64_MAX, &waiting, &err) == 0);
	channel_shutdown(pair.peer);
	CHECK(await(&pair.told.down, 1));
	CHECK_INT(waiting.failures, 1);
	CHECK_INT(waiting.code, ERR_TOKEN_UNAVAILABLE);
	CHECK(!link_is_up(pair.link));
	CHECK_FAILS(ask(&pair, INT64_MAX, &later, &err) == -1, &err, ERR_TOKEN_UNAVAILABLE);
	channel_free(pair.peer);

	int ours;
	pair.peer = make_peer(&ours);
	link_offer(pair.link, ours);
	CHECK(await(&pair.told.up, 2));
	CHECK(ask(&pair, INT64_MAX, &later, &err) == 0);
	pair_close(&pair);
	CHECK_INT(later.failures, 1);
}

static void takes_the_last_of_many_channels_offered_at_once(void)
{
	struct pair pair;
	struct outcome outcome;
	struct error err = ERR_INIT;
	struct frame frame;
	pair_open(&pair, 8);
	for (int i = 0; i < 50; i++) {
		int ours;
		channel_free(pair.peer);
		pair.peer = make_peer(&ours);
		link_offer(pair.link, ours);
	}
	for (int i = 0; i < 2000 && ask(&pair, INT64_MAX, &outcome, &err) != 0; i++)
		(void)usleep(5000);
	for (int i = 0; i < 2000 && channel_receive(pair.peer, &frame, 5, &err) != 1; i++)
		if (outcome.failures > 0) /* it went to one before the last */
			(void)ask(&pair, INT64_MAX, &outcome, &err);
	CHECK(channel_send(pair.peer, MSG_DONE, frame.id, BYTES_NONE, &err) == 0);
	CHECK(await(&outcome.answers, 1));
	pair_close(&pair);
}

static void refuses_everything_once_the_server_stops(void)
{
	struct pair pair;
	struct outcome waiting, later;
	struct error err = ERR_INIT;
	pair_open(&pair, 8);
	CHECK(ask(&pair, INT64_MAX, &waiting, &err) == 0);
	link_refuse(pair.link);
	CHECK_INT(waiting.failures, 1);
	CHECK_INT(waiting.code, ERR_BUSY);
	CHECK_FAILS(ask(&pair, INT64_MAX, &later, &err) == -1, &err, ERR_BUSY);
	pair_close(&pair);
}

SUITE(link)
{
	TEST(joins_answers_to_questions_in_any_order);
	TEST(ignores_answers_that_nobody_waits_for);
	TEST(answers_busy_past_the_deadline_and_drops_the_late_answer);
	TEST(refuses_more_questions_than_it_may_hold);
	TEST(refuses_while_the_channel_is_down_and_goes_on_with_a_fresh_one);
	TEST(takes_the_last_of_many_channels_offered_at_once);
	TEST(refuses_everything_once_the_server_stops);
}
