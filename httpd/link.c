#include "httpd/link.h"

#include <pthread.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/log.h"

#define SLOT_BITS 16 /* of an id: which slot; the rest counts, so that no id comes twice */

struct slot {
	uint64_t id; /* 0: free */
	int64_t deadline_ms;
	link_answer *done;
	void *arg;
	uint32_t next_free;
};

struct link {
	struct link_events events;
	pthread_t reader;

	/* Readers are those who ask: a channel is not taken away below a question. */
	pthread_rwlock_t channel_lock;
	struct channel *channel; /* NULL: down */
	bool refusing;

	pthread_mutex_t lock; /* for what follows */
	pthread_cond_t changed;
	int offered; /* -1: none */
	bool ended;
	struct slot *slots;
	uint32_t slot_count, first_free; /* slot_count: none free */
	uint64_t sequence;
};

/* ---- the table of open questions ---- */

static bool slot_take(struct link *link, int64_t deadline_ms, link_answer *done, void *arg, uint64_t *id)
{
	(void)pthread_mutex_lock(&link->lock);
	uint32_t index = link->first_free;
	bool free = index < link->slot_count;
	if (free) {
		struct slot *slot = &link->slots[index];
		link->first_free = slot->next_free;
		*id = ++link->sequence << SLOT_BITS | index;
		*slot = (struct slot){ *id, deadline_ms, done, arg, 0 };
	}
	(void)pthread_mutex_unlock(&link->lock);
	return free;
}

/* With the lock held. What was asked under the slot, which is free then. */
static struct slot slot_empty(struct link *link, uint32_t index)
{
	struct slot taken = link->slots[index];
	link->slots[index] = (struct slot){ .next_free = link->first_free };
	link->first_free = index;
	return taken;
}

/* False where nobody waits under this id any more. */
static bool slot_release(struct link *link, uint64_t id, struct slot *taken)
{
	uint32_t index = (uint32_t)(id & ((1U << SLOT_BITS) - 1));
	(void)pthread_mutex_lock(&link->lock);
	bool waits = id != 0 && index < link->slot_count && link->slots[index].id == id;
	if (waits)
		*taken = slot_empty(link, index);
	(void)pthread_mutex_unlock(&link->lock);
	return waits;
}

/* Answers with err every question whose deadline is at last_ms or before. */
static void fail_until(struct link *link, int64_t last_ms, const struct error *err)
{
	for (uint32_t i = 0; i < link->slot_count; i++) {
		struct slot taken = { .id = 0 };
		(void)pthread_mutex_lock(&link->lock);
		if (link->slots[i].id != 0 && link->slots[i].deadline_ms <= last_ms)
			taken = slot_empty(link, i);
		(void)pthread_mutex_unlock(&link->lock);
		if (taken.id != 0)
			taken.done(taken.arg, NULL, err);
	}
}

static int err_down(struct error *err)
{
	return err_set(err, ERR_TOKEN_UNAVAILABLE, "the signing process is not there; it is being started again");
}

/* ---- the reader ---- */

/* True where the present channel is to be given up: the link ends, or another is offered. Whoever did
 * so may have looked for a channel too early to shut it down. */
static bool is_superseded(struct link *link)
{
	(void)pthread_mutex_lock(&link->lock);
	bool superseded = link->ended || link->offered >= 0;
	(void)pthread_mutex_unlock(&link->lock);
	return superseded;
}

/* Waits for a channel. False when the link ends. */
static bool await_channel(struct link *link)
{
	(void)pthread_mutex_lock(&link->lock);
	while (link->offered < 0 && !link->ended)
		(void)pthread_cond_wait(&link->changed, &link->lock);
	int fd = link->offered;
	link->offered = -1;
	bool ended = link->ended;
	(void)pthread_mutex_unlock(&link->lock);
	if (ended) {
		fd_cleanup(&fd);
		return false;
	}
	struct error err = ERR_INIT;
	struct channel *channel = channel_new(fd, &err);
	if (!channel) {
		log_err(LOG_LEVEL_ERROR, "channel to the signer", &err);
		return true;
	}
	(void)pthread_rwlock_wrlock(&link->channel_lock);
	link->channel = channel;
	(void)pthread_rwlock_unlock(&link->channel_lock);
	if (is_superseded(link))
		channel_shutdown(channel);
	return true;
}

static void drop_channel(struct link *link)
{
	(void)pthread_rwlock_wrlock(&link->channel_lock);
	struct channel *channel = TAKE(link->channel);
	(void)pthread_rwlock_unlock(&link->channel_lock);

	struct error down = ERR_INIT;
	(void)err_down(&down);
	fail_until(link, INT64_MAX, &down);
	channel_free(channel);
}

static void dispatch(struct link *link, const struct frame *frame)
{
	struct slot asked;
	if (frame->id == 0)
		link->events.told(link->events.arg, frame);
	else if (slot_release(link, frame->id, &asked))
		asked.done(asked.arg, frame, NULL);
}

static void *read_answers(void *arg)
{
	struct link *link = arg;
	while (await_channel(link)) {
		if (!link->channel)
			continue;
		link->events.up(link->events.arg);
		struct error err = ERR_INIT;
		struct frame frame;
		while (channel_receive(link->channel, &frame, -1, &err) == 1)
			dispatch(link, &frame);
		if (!is_superseded(link))
			log_err(LOG_LEVEL_WARN, "signer gone", &err);
		drop_channel(link);
		link->events.down(link->events.arg);
	}
	return NULL;
}

/* ---- asking ---- */

static int ask_with_channel(struct link *link, uint16_t type, struct bytes payload, int64_t deadline_ms,
			    link_answer *done, void *arg, struct error *err)
{
	if (link->refusing)
		return err_set(err, ERR_BUSY, "the server is stopping");
	if (!link->channel)
		return err_down(err);
	uint64_t id;
	if (!slot_take(link, deadline_ms, done, arg, &id))
		return err_set(err, ERR_BUSY, "%u requests wait for the signing process already", link->slot_count);
	if (channel_send(link->channel, type, id, payload, err) == 0)
		return 0;
	struct slot unsent;
	if (!slot_release(link, id, &unsent))
		return 0; /* its deadline answered it meanwhile */
	return err->code == ERR_UNREACHABLE ? err_down(err) : -1;
}

int link_ask(struct link *link, uint16_t type, struct bytes payload, int64_t deadline_ms, link_answer *done, void *arg,
	     struct error *err)
{
	(void)pthread_rwlock_rdlock(&link->channel_lock);
	int result = ask_with_channel(link, type, payload, deadline_ms, done, arg, err);
	(void)pthread_rwlock_unlock(&link->channel_lock);
	return result;
}

void link_tell(struct link *link, uint16_t type, struct bytes payload)
{
	struct error lost = ERR_INIT;
	(void)pthread_rwlock_rdlock(&link->channel_lock);
	if (link->channel && channel_send(link->channel, type, 0, payload, &lost))
		log_err(LOG_LEVEL_DEBUG, "message to the signer lost", &lost);
	(void)pthread_rwlock_unlock(&link->channel_lock);
}

void link_expire(struct link *link, int64_t now_ms)
{
	struct error late = ERR_INIT;
	(void)err_set(&late, ERR_BUSY,
		      "the signing process did not answer in time; a certificate that was issued "
		      "nevertheless is found under the request's Idempotency-Key");
	fail_until(link, now_ms - 1, &late);
}

void link_refuse(struct link *link)
{
	(void)pthread_rwlock_wrlock(&link->channel_lock);
	link->refusing = true;
	(void)pthread_rwlock_unlock(&link->channel_lock);
	struct error stopping = ERR_INIT;
	(void)err_set(&stopping, ERR_BUSY, "the server is stopping");
	fail_until(link, INT64_MAX, &stopping);
}

bool link_is_up(struct link *link)
{
	(void)pthread_rwlock_rdlock(&link->channel_lock);
	bool up = link->channel != NULL;
	(void)pthread_rwlock_unlock(&link->channel_lock);
	return up;
}

/* ---- life ---- */

/* The present channel is shut down, and no other: while its lock is held the reader installs none,
 * and one that it is about to install is superseded. */
static void supersede(struct link *link, int fd, bool ended)
{
	(void)pthread_rwlock_rdlock(&link->channel_lock);
	(void)pthread_mutex_lock(&link->lock);
	fd_cleanup(&link->offered);
	link->offered = fd;
	link->ended = link->ended || ended;
	(void)pthread_cond_signal(&link->changed);
	(void)pthread_mutex_unlock(&link->lock);
	if (link->channel)
		channel_shutdown(link->channel);
	(void)pthread_rwlock_unlock(&link->channel_lock);
}

void link_offer(struct link *link, int fd)
{
	supersede(link, fd, false);
}

struct link *link_new(int fd, size_t most, const struct link_events *events, struct error *err)
{
	struct link *link = calloc(1, sizeof(*link));
	struct slot *slots = calloc(most, sizeof(*slots));
	if (!link || !slots || most > 1U << SLOT_BITS) {
		free(link);
		free(slots);
		fd_cleanup(&fd);
		(void)err_set(err, ERR_INTERNAL, "no memory for %zu open questions", most);
		return NULL;
	}
	link->events = *events;
	link->offered = fd;
	link->slots = slots;
	link->slot_count = (uint32_t)most;
	for (uint32_t i = 0; i < link->slot_count; i++)
		slots[i].next_free = i + 1;
	(void)pthread_rwlock_init(&link->channel_lock, NULL);
	(void)pthread_mutex_init(&link->lock, NULL);
	(void)pthread_cond_init(&link->changed, NULL);
	if (pthread_create(&link->reader, NULL, read_answers, link) != 0) {
		(void)err_set(err, ERR_INTERNAL, "cannot start a thread for the signer's answers");
		fd_cleanup(&link->offered);
		free(link->slots);
		free(link);
		return NULL;
	}
	return link;
}

void link_free(struct link *link)
{
	if (!link)
		return;
	supersede(link, -1, true);
	(void)pthread_join(link->reader, NULL);
	(void)pthread_cond_destroy(&link->changed);
	(void)pthread_mutex_destroy(&link->lock);
	(void)pthread_rwlock_destroy(&link->channel_lock);
	free(link->slots);
	free(link);
}
