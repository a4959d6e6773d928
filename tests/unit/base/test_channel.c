#include "base/channel.h"

#include <pthread.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "tests/unit/unit.h"

CLEANUP_POINTER(channel, struct channel, channel_free)
#define auto_channel CLEANUP(channel_cleanup) struct channel

/* Two channels joined, or one and a bare socket for a peer that does as it likes. */
static void join(struct channel **near, struct channel **far)
{
	int pair[2];
	struct error err = ERR_INIT;
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	CHECK_OK((*near = channel_new(pair[0], &err)), &err);
	CHECK_OK((*far = channel_new(pair[1], &err)), &err);
}

static struct channel *join_bare(int *peer)
{
	int pair[2];
	struct error err = ERR_INIT;
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	struct channel *c = channel_new(pair[0], &err);
	CHECK_OK(c, &err);
	*peer = pair[1];
	return c;
}

static void write_hex(int fd, const char *hex)
{
	struct bytes bytes = unit_hex(hex);
	REQUIRE(write(fd, bytes.data, bytes.len) == (ssize_t)bytes.len);
}

static void gives_what_was_sent_in_order(void)
{
	auto_channel *near = NULL, *far = NULL;
	struct error err = ERR_INIT;
	struct frame frame;
	join(&near, &far);
	CHECK_OK(channel_send(near, 7, 0x1122334455667788, bytes_of("first"), &err) == 0, &err);
	CHECK_OK(channel_send(near, 8, 2, BYTES_NONE, &err) == 0, &err);
	CHECK_INT(channel_receive(far, &frame, 1000, &err), 1);
	CHECK_INT(frame.type, 7);
	CHECK(frame.id == 0x1122334455667788);
	CHECK_BYTES(frame.payload, bytes_of("first"));
	CHECK_INT(channel_receive(far, &frame, -1, &err), 1);
	CHECK_INT(frame.type, 8);
	CHECK_INT(frame.payload.len, 0);
	CHECK_INT(channel_receive(far, &frame, 0, &err), 0);
}

static void wire_format_is_length_type_id_payload(void)
{
	auto_fd peer = -1;
	auto_channel *c = join_bare(&peer);
	struct error err = ERR_INIT;
	uint8_t wire[32];
	CHECK_OK(channel_send(c, 0x0102, 3, bytes_of("xy"), &err) == 0, &err);
	CHECK_INT(read(peer, wire, sizeof(wire)), 16);
	CHECK_BYTES(BYTES(wire, 16), unit_hex("0000000c 0102 0000000000000003 7879"));
}

static void frame_in_single_bytes_is_put_together(void)
{
	auto_fd peer = -1;
	auto_channel *c = join_bare(&peer);
	struct error err = ERR_INIT;
	struct frame frame;
	struct bytes wire = unit_hex("0000000c 0102 0000000000000003 7879");
	for (size_t i = 0; i < wire.len; i++) {
		CHECK_INT(channel_receive(c, &frame, 0, &err), 0);
		REQUIRE(write(peer, wire.data + i, 1) == 1);
	}
	CHECK_INT(channel_receive(c, &frame, 1000, &err), 1);
	CHECK_BYTES(frame.payload, bytes_of("xy"));
}

static void refuses_frame_shorter_than_its_header(void)
{
	static const char *const wires[] = { "00000000", "00000009 0102 00000000000000" };
	for (size_t i = 0; i < 2; i++) {
		auto_fd peer = -1;
		auto_channel *c = join_bare(&peer);
		struct error err = ERR_INIT;
		struct frame frame;
		write_hex(peer, wires[i]);
		CHECK_FAILS(channel_receive(c, &frame, 1000, &err) == -1, &err, ERR_BAD_REQUEST);
		/* and it stays refused, whatever follows */
		write_hex(peer, "0000000c 0102 0000000000000003 7879");
		CHECK_FAILS(channel_receive(c, &frame, 1000, &err) == -1, &err, ERR_BAD_REQUEST);
	}
}

static void refuses_length_past_the_limit_before_reading_it(void)
{
	static const char *const wires[] = { "ffffffff", "0010000b", "80000000" };
	for (size_t i = 0; i < 3; i++) {
		auto_fd peer = -1;
		auto_channel *c = join_bare(&peer);
		struct error err = ERR_INIT;
		struct frame frame;
		write_hex(peer, wires[i]);
		CHECK_FAILS(channel_receive(c, &frame, 1000, &err) == -1, &err, ERR_BAD_REQUEST);
	}
}

static void peer_gone_is_told_after_what_it_sent(void)
{
	auto_fd peer = -1;
	auto_channel *c = join_bare(&peer);
	struct error err = ERR_INIT;
	struct frame frame;
	write_hex(peer, "0000000c 0102 0000000000000003 7879 0000");
	(void)close(peer);
	peer = -1;
	CHECK_INT(channel_receive(c, &frame, 1000, &err), 1);
	CHECK_FAILS(channel_receive(c, &frame, 1000, &err) == -1, &err, ERR_UNREACHABLE);
	CHECK_FAILS(channel_send(c, 1, 1, bytes_of("x"), &err) == -1, &err, ERR_UNREACHABLE);
	CHECK_FAILS(channel_send(c, 1, 1, bytes_of("x"), &err) == -1, &err, ERR_UNREACHABLE);
}

static void largest_frame_passes_and_a_larger_one_is_refused(void)
{
	auto_channel *near = NULL, *far = NULL;
	struct error err = ERR_INIT;
	struct frame frame;
	join(&near, &far);
	auto_buf large = BUF_INIT;
	uint8_t *room = buf_extend(&large, CHANNEL_FRAME_MAX + 1);
	REQUIRE(room != NULL);
	for (size_t i = 0; i <= CHANNEL_FRAME_MAX; i++)
		room[i] = (uint8_t)(i * 31 + i / 256);
	CHECK_FAILS(channel_send(near, 1, 1, buf_bytes(&large), &err), &err, ERR_TOO_LARGE);
	struct bytes largest = BYTES(large.data, CHANNEL_FRAME_MAX);
	CHECK_OK(channel_send(near, 1, 1, largest, &err) == 0, &err);
	CHECK_INT(channel_receive(far, &frame, 5000, &err), 1);
	CHECK(bytes_equal(frame.payload, largest));
}

static void peer_that_does_not_read_makes_sends_refuse_not_wait(void)
{
	auto_fd peer = -1;
	auto_channel *c = join_bare(&peer);
	struct error err = ERR_INIT;
	auto_buf large = BUF_INIT;
	REQUIRE(buf_extend(&large, CHANNEL_FRAME_MAX) != NULL);
	memset(large.data, 0, large.len);
	int64_t before_ms = clock_monotonic_ms();
	int sent = 0;
	while (sent < 100 && channel_send(c, 1, 1, buf_bytes(&large), &err) == 0)
		sent++;
	CHECK(sent >= 15 && sent <= 17);
	CHECK_INT(err.code, ERR_BUSY);
	CHECK(clock_monotonic_ms() - before_ms < 5000);
	/* and it takes them again once the peer has read */
	auto_buf drained = BUF_INIT;
	REQUIRE(buf_extend(&drained, 1 << 20) != NULL);
	for (size_t left = (size_t)sent * (CHANNEL_FRAME_MAX + 14); left > 0;) {
		ssize_t got = read(peer, drained.data, left < drained.len ? left : drained.len);
		REQUIRE(got > 0);
		left -= (size_t)got;
	}
	channel_flush(c, 5000);
	CHECK_OK(channel_send(c, 1, 1, buf_bytes(&large), &err) == 0, &err);
}

static void *shut_down_soon(void *channel)
{
	(void)usleep(20000);
	channel_shutdown(channel);
	return NULL;
}

static void shutdown_wakes_the_waiting_reader(void)
{
	for (int timeout_ms = -1; timeout_ms < 20000; timeout_ms += 10001) {
		auto_channel *near = NULL, *far = NULL;
		struct error err = ERR_INIT;
		struct frame frame;
		pthread_t thread;
		join(&near, &far);
		REQUIRE(pthread_create(&thread, NULL, shut_down_soon, near) == 0);
		CHECK_FAILS(channel_receive(near, &frame, timeout_ms, &err) == -1, &err, ERR_UNREACHABLE);
		(void)pthread_join(thread, NULL);
		CHECK_FAILS(channel_send(near, 1, 1, BYTES_NONE, &err), &err, ERR_UNREACHABLE);
	}
}

#define FRAMES 50000

struct sender {
	struct channel *channel;
	uint16_t type;
	unsigned refused;
};

/* Frames of many sizes, each with its number as id and all over its payload. */
static void *send_many(void *arg)
{
	struct sender *s = arg;
	uint8_t payload[700];
	for (uint64_t i = 0; i < FRAMES; i++) {
		struct error err = ERR_INIT;
		size_t len = i % sizeof(payload);
		memset(payload, (int)(i & 0xff), sizeof(payload));
		while (channel_send(s->channel, s->type, i, BYTES(payload, len), &err) != 0 && err.code == ERR_BUSY)
			channel_flush(s->channel, 1000);
		s->refused += err.code != ERR_NONE && err.code != ERR_BUSY;
	}
	return NULL;
}

static bool frame_is_sound(const struct frame *frame, uint64_t expected)
{
	if (frame->id != expected || frame->payload.len != expected % 700)
		return false;
	for (size_t i = 0; i < frame->payload.len; i++)
		if (frame->payload.data[i] != (uint8_t)expected)
			return false;
	return true;
}

static void two_senders_lose_and_mix_nothing(void)
{
	auto_channel *near = NULL, *far = NULL;
	join(&near, &far);
	struct sender senders[2] = { { near, 0, 0 }, { near, 1, 0 } };
	pthread_t threads[2];
	for (size_t i = 0; i < 2; i++)
		REQUIRE(pthread_create(&threads[i], NULL, send_many, &senders[i]) == 0);
	uint64_t next[2] = { 0, 0 };
	unsigned wrong = 0;
	for (int i = 0; i < 2 * FRAMES; i++) {
		struct error err = ERR_INIT;
		struct frame frame;
		if (channel_receive(far, &frame, 10000, &err) != 1 || frame.type > 1) {
			wrong++;
			break;
		}
		wrong += !frame_is_sound(&frame, next[frame.type]++);
	}
	for (size_t i = 0; i < 2; i++)
		(void)pthread_join(threads[i], NULL);
	CHECK_INT(wrong, 0);
	CHECK_INT(senders[0].refused + senders[1].refused, 0);
}

SUITE(channel)
{
	TEST(gives_what_was_sent_in_order);
	TEST(wire_format_is_length_type_id_payload);
	TEST(frame_in_single_bytes_is_put_together);
	TEST(refuses_frame_shorter_than_its_header);
	TEST(refuses_length_past_the_limit_before_reading_it);
	TEST(peer_gone_is_told_after_what_it_sent);
	TEST(largest_frame_passes_and_a_larger_one_is_refused);
	TEST(peer_that_does_not_read_makes_sends_refuse_not_wait);
	TEST(shutdown_wakes_the_waiting_reader);
	TEST(two_senders_lose_and_mix_nothing);
}
