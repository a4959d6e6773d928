#include "base/channel.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "base/wait.h"

#define LENGTH_SIZE ((size_t)4)
#define TYPE_AND_ID_SIZE ((size_t)10)
#define HEADER_SIZE (LENGTH_SIZE + TYPE_AND_ID_SIZE)
#define READ_SIZE ((size_t)128 << 10) /* of one read, where no larger frame is awaited */

struct channel {
	int fd;
	pthread_t sender;

	pthread_mutex_t lock; /* for what follows, up to the reader's part */
	pthread_cond_t changed;
	struct buf queued; /* whole frames, but for the first, which may lack its start */
	size_t in_flight;  /* bytes that the sender has taken off the queue and not yet written */
	bool gone;         /* nothing can be sent any more */

	/* the reader's alone */
	struct buf in; /* len is what was read */
	size_t at;     /* where the next frame starts in it */
	const char *malformed;
};

/* ---- sending ---- */

/* Writes what the kernel takes at once. Returns how many bytes, 0 where it takes none
 * now, -1 when the peer has gone. */
static ssize_t write_some(int fd, struct iovec *parts, size_t count)
{
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = count };
	for (;;) {
		ssize_t written = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (written >= 0)
			return written;
		if (errno == EAGAIN || errno == ENOBUFS)
			return 0;
		if (errno != EINTR)
			return -1;
	}
}

/* Writes all, waiting for the peer. Called without the lock. */
static bool write_all(int fd, struct bytes bytes)
{
	while (bytes.len > 0) {
		struct iovec part = { .iov_base = (void *)bytes.data, .iov_len = bytes.len };
		ssize_t written = write_some(fd, &part, 1);
		if (written < 0)
			return false;
		if (written == 0) {
			struct pollfd ready = { .fd = fd, .events = POLLOUT };
			if (poll(&ready, 1, -1) < 0 && errno != EINTR)
				return false;
			if (ready.revents & (POLLERR | POLLNVAL))
				return false;
		}
		bytes = BYTES(bytes.data + written, bytes.len - (size_t)written);
	}
	return true;
}

/* The thread that writes what the callers of channel_send could not write themselves. */
static void *send_queued(void *arg)
{
	struct channel *c = arg;
	auto_buf taken = BUF_INIT;
	(void)pthread_mutex_lock(&c->lock);
	while (!c->gone) {
		if (c->queued.len == 0) {
			(void)pthread_cond_wait(&c->changed, &c->lock);
			continue;
		}
		struct buf emptied = taken;
		taken = c->queued;
		c->queued = emptied;
		c->in_flight = taken.len;
		(void)pthread_mutex_unlock(&c->lock);

		bool written = write_all(c->fd, buf_bytes(&taken));
		buf_clear(&taken);

		(void)pthread_mutex_lock(&c->lock);
		c->in_flight = 0;
		if (!written)
			c->gone = true;
		(void)pthread_cond_broadcast(&c->changed);
	}
	(void)pthread_mutex_unlock(&c->lock);
	return NULL;
}

static void make_header(uint8_t header[HEADER_SIZE], uint16_t type, uint64_t id, size_t payload_len)
{
	uint32_t len = (uint32_t)(TYPE_AND_ID_SIZE + payload_len);
	for (size_t i = 0; i < 4; i++)
		header[i] = (uint8_t)(len >> (24 - 8 * i));
	for (size_t i = 0; i < 2; i++)
		header[4 + i] = (uint8_t)(type >> (8 - 8 * i));
	for (size_t i = 0; i < 8; i++)
		header[6 + i] = (uint8_t)(id >> (56 - 8 * i));
}

/* With the lock held. Appends the frame without its first `written` bytes. */
static int enqueue(struct channel *c, const uint8_t *header, struct bytes payload, size_t written, struct error *err)
{
	size_t left = HEADER_SIZE + payload.len - written;
	if (c->queued.len + c->in_flight + left > CHANNEL_QUEUE_MAX)
		return err_set(err, ERR_BUSY, "the peer does not read: %zu bytes are waiting for it",
			       c->queued.len + c->in_flight);
	uint8_t *room = buf_extend(&c->queued, left);
	if (!room) {
		c->queued.failed = false; /* nothing of this frame is in it: later ones may fit */
		return err_set(err, ERR_BUSY, "no memory to queue a frame of %zu bytes", left);
	}
	if (written < HEADER_SIZE) {
		memcpy(room, header + written, HEADER_SIZE - written);
		room += HEADER_SIZE - written;
		written = HEADER_SIZE;
	}
	size_t payload_written = written - HEADER_SIZE;
	if (payload.len > payload_written)
		memcpy(room, payload.data + payload_written, payload.len - payload_written);
	(void)pthread_cond_broadcast(&c->changed);
	return 0;
}

/* With the lock held. Where nothing waits before it, the frame is written from here: a
 * call that does not block costs less than waking the sender. */
static int send_or_enqueue(struct channel *c, const uint8_t *header, struct bytes payload, struct error *err)
{
	size_t written = 0;
	if (c->gone)
		return err_set(err, ERR_UNREACHABLE, "the peer has closed the channel");
	if (c->queued.len == 0 && c->in_flight == 0) {
		struct iovec parts[] = { { (void *)header, HEADER_SIZE }, { (void *)payload.data, payload.len } };
		ssize_t result = write_some(c->fd, parts, 2);
		if (result < 0) {
			c->gone = true;
			(void)pthread_cond_broadcast(&c->changed);
			return err_set(err, ERR_UNREACHABLE, "the peer has closed the channel");
		}
		written = (size_t)result;
		if (written == HEADER_SIZE + payload.len)
			return 0;
	}
	if (enqueue(c, header, payload, written, err) == 0)
		return 0;
	if (written > 0) {
		/* Half a frame is out and its rest is lost: nothing behind it could be understood. */
		c->gone = true;
		(void)shutdown(c->fd, SHUT_RDWR);
	}
	return -1;
}

int channel_send(struct channel *c, uint16_t type, uint64_t id, struct bytes payload, struct error *err)
{
	if (payload.len > CHANNEL_FRAME_MAX)
		return err_set(err, ERR_TOO_LARGE, "a message of %zu bytes is too large for the channel", payload.len);
	uint8_t header[HEADER_SIZE];
	make_header(header, type, id, payload.len);
	(void)pthread_mutex_lock(&c->lock);
	int result = send_or_enqueue(c, header, payload, err);
	(void)pthread_mutex_unlock(&c->lock);
	return result;
}

void channel_flush(struct channel *c, int64_t timeout_ms)
{
	struct timespec until = wait_until(clock_monotonic_ms() + timeout_ms);
	(void)pthread_mutex_lock(&c->lock);
	while (!c->gone && c->queued.len + c->in_flight > 0)
		if (pthread_cond_timedwait(&c->changed, &c->lock, &until) != 0)
			break;
	(void)pthread_mutex_unlock(&c->lock);
}

/* ---- receiving ---- */

/* Where a whole frame stands at c->at: gives it and moves behind it. wanted gets the
 * frame's whole size as far as it is known. */
static bool next_frame(struct channel *c, struct frame *frame, size_t *wanted)
{
	*wanted = HEADER_SIZE;
	if (c->in.len - c->at < LENGTH_SIZE)
		return false;
	struct reader r = reader_of(BYTES(c->in.data + c->at, c->in.len - c->at));
	size_t len = reader_u32(&r);
	if (len < TYPE_AND_ID_SIZE)
		c->malformed = "is shorter than its header";
	else if (len - TYPE_AND_ID_SIZE > CHANNEL_FRAME_MAX)
		c->malformed = "is longer than any may be";
	if (c->malformed)
		return false;
	*wanted = LENGTH_SIZE + len;
	if (r.left < len)
		return false;
	frame->type = reader_u16(&r);
	frame->id = reader_u64(&r);
	frame->payload = reader_take(&r, len - TYPE_AND_ID_SIZE);
	c->at += LENGTH_SIZE + len;
	return true;
}

/* Room behind what was read for the rest of a frame of `wanted` bytes, and for more. */
static bool make_room(struct channel *c, size_t wanted)
{
	size_t kept = c->in.len - c->at;
	if (c->at > 0) {
		memmove(c->in.data, c->in.data + c->at, kept);
		c->in.len = kept;
		c->at = 0;
	}
	size_t capacity = wanted > READ_SIZE ? wanted : READ_SIZE;
	if (c->in.capacity >= capacity)
		return true;
	if (!buf_extend(&c->in, capacity - kept)) {
		c->in.failed = false;
		return false;
	}
	c->in.len = kept;
	return true;
}

/* Waits until the socket can be read. 1, 0 on time-out, -1 on failure. */
static int wait_readable(int fd, int64_t until_ms)
{
	for (;;) {
		int64_t left_ms = until_ms < 0 ? -1 : until_ms - clock_monotonic_ms();
		if (until_ms >= 0 && left_ms < 0)
			left_ms = 0;
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		int count = poll(&ready, 1, left_ms > INT32_MAX ? INT32_MAX : (int)left_ms);
		if (count > 0)
			return 1;
		if (count == 0 && left_ms <= INT32_MAX)
			return 0;
		if (count < 0 && errno != EINTR)
			return -1;
	}
}

/* Reads as much as there is. 1, 0 on time-out, -1 with err. */
static int read_more(struct channel *c, int64_t until_ms, struct error *err)
{
	for (;;) {
		ssize_t got = recv(c->fd, c->in.data + c->in.len, c->in.capacity - c->in.len,
				   until_ms < 0 ? 0 : MSG_DONTWAIT);
		if (got > 0) {
			c->in.len += (size_t)got;
			return 1;
		}
		if (got == 0)
			return err_set(err, ERR_UNREACHABLE, "the peer has closed the channel");
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return err_errno(err, ERR_UNREACHABLE, "the channel broke");
		int ready = wait_readable(c->fd, until_ms);
		if (ready < 0)
			return err_errno(err, ERR_UNREACHABLE, "the channel cannot be waited for");
		if (ready == 0)
			return 0;
	}
}

int channel_receive(struct channel *c, struct frame *frame, int64_t timeout_ms, struct error *err)
{
	int64_t until_ms = timeout_ms < 0 ? -1 : clock_monotonic_ms() + timeout_ms;
	for (;;) {
		size_t wanted;
		if (!c->malformed && next_frame(c, frame, &wanted))
			return 1;
		if (c->malformed)
			return err_set(err, ERR_BAD_REQUEST, "the peer sent a frame that %s", c->malformed);
		if (!make_room(c, wanted))
			return err_set(err, ERR_UNREACHABLE, "no memory to read a frame of %zu bytes", wanted);
		int more = read_more(c, until_ms, err);
		if (more <= 0)
			return more;
	}
}

/* ---- life ---- */

static int start_sender(struct channel *c)
{
	/* Signals are for the threads that expect them. */
	sigset_t all, before;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	int failed = pthread_create(&c->sender, NULL, send_queued, c);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return failed;
}

struct channel *channel_new(int fd, struct error *err)
{
	struct channel *c = calloc(1, sizeof(*c));
	if (!c) {
		(void)close(fd);
		(void)err_set(err, ERR_INTERNAL, "no memory for a channel");
		return NULL;
	}
	c->fd = fd;
	(void)pthread_mutex_init(&c->lock, NULL);
	wait_cond_init(&c->changed);
	int failed = start_sender(c);
	if (failed) {
		errno = failed;
		(void)err_errno(err, ERR_INTERNAL, "cannot start a thread for the channel");
		(void)pthread_cond_destroy(&c->changed);
		(void)pthread_mutex_destroy(&c->lock);
		(void)close(fd);
		free(c);
		return NULL;
	}
	return c;
}

void channel_shutdown(struct channel *c)
{
	(void)pthread_mutex_lock(&c->lock);
	c->gone = true;
	(void)pthread_cond_broadcast(&c->changed);
	(void)pthread_mutex_unlock(&c->lock);
	(void)shutdown(c->fd, SHUT_RDWR);
}

void channel_free(struct channel *c)
{
	if (!c)
		return;
	channel_shutdown(c);
	(void)pthread_join(c->sender, NULL);
	(void)pthread_cond_destroy(&c->changed);
	(void)pthread_mutex_destroy(&c->lock);
	(void)close(c->fd);
	buf_wipe(&c->queued);
	buf_wipe(&c->in);
	free(c);
}
