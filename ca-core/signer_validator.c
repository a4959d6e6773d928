/* The signer's end of its channel to the validator: questions go out, what it saw comes in. A validator that has gone
 * is started again by the supervisor, which hands over a fresh channel. */
#include "ca-core/signer.h"

#include <sys/socket.h>

#include "base/fdpass.h"
#include "base/log.h"

struct validator_link {
	struct validator_events events;
	pthread_t reader, watcher;
	bool reader_runs, watcher_runs;
	int control; /* -1: none */

	pthread_mutex_t lock; /* for what follows */
	pthread_cond_t changed;
	struct channel *channel; /* NULL: there is no validator now. Only the reader makes and frees it */
	int offered;             /* a fresh one; -1: none */
	bool ended;
};

/* ---- what the validator says ---- */

/* False where it says what no validator of ours would say. */
static bool take(struct validator_link *link, const struct frame *frame, struct error *err)
{
	if (frame->type == MSG_VALIDATED) {
		struct message_validated seen;
		if (message_validated_read(frame->payload, &seen, err))
			return false;
		if (link->events.validated)
			link->events.validated(link->events.arg, frame->id, &seen);
	} else if (frame->type == MSG_DELIVERED) {
		struct message_delivered result;
		if (message_delivered_read(frame->payload, &result, err))
			return false;
		if (link->events.delivered)
			link->events.delivered(link->events.arg, frame->id, &result);
	} else if (frame->type == MSG_ERROR) {
		struct error told;
		if (message_error_read(frame->payload, &told, err))
			return false;
		log_err(LOG_LEVEL_ERROR, "the validator could not read a question", &told);
	} else {
		(void)err_set(err, ERR_BAD_REQUEST, "a message of type %s", message_type_name(frame->type));
		return false;
	}
	return true;
}

/* Waits for a channel. NULL where none could be made of what was offered, or the link ends. */
static struct channel *await_channel(struct validator_link *link)
{
	(void)pthread_mutex_lock(&link->lock);
	while (link->offered < 0 && !link->ended)
		(void)pthread_cond_wait(&link->changed, &link->lock);
	int fd = link->offered;
	link->offered = -1;
	(void)pthread_mutex_unlock(&link->lock);
	if (fd < 0)
		return NULL;
	struct error err = ERR_INIT;
	struct channel *channel = channel_new(fd, &err);
	if (!channel) {
		log_err(LOG_LEVEL_ERROR, "channel to the validator", &err);
		return NULL;
	}
	(void)pthread_mutex_lock(&link->lock);
	/* Whoever offered another meanwhile found none to shut down. */
	if (link->ended || link->offered >= 0)
		channel_shutdown(channel);
	link->channel = channel;
	(void)pthread_mutex_unlock(&link->lock);
	if (link->events.came)
		link->events.came(link->events.arg);
	return channel;
}

static void drop_channel(struct validator_link *link)
{
	(void)pthread_mutex_lock(&link->lock);
	struct channel *channel = TAKE(link->channel);
	(void)pthread_mutex_unlock(&link->lock);
	channel_free(channel);
	if (link->events.lost)
		link->events.lost(link->events.arg);
}

static bool has_ended(struct validator_link *link)
{
	(void)pthread_mutex_lock(&link->lock);
	bool ended = link->ended;
	(void)pthread_mutex_unlock(&link->lock);
	return ended;
}

static void *read_answers(void *arg)
{
	struct validator_link *link = arg;
	while (!has_ended(link)) {
		struct channel *channel = await_channel(link);
		if (!channel)
			continue;
		struct error err = ERR_INIT;
		struct frame frame;
		while (channel_receive(channel, &frame, -1, &err) == 1 && take(link, &frame, &err))
			continue;
		if (!has_ended(link))
			log_err(LOG_LEVEL_WARN, "validator gone", &err);
		drop_channel(link);
	}
	return NULL;
}

/* ---- fresh channels ---- */

/* fd -1 and ended: there will be no more. */
static void offer(struct validator_link *link, int fd, bool ended)
{
	(void)pthread_mutex_lock(&link->lock);
	fd_cleanup(&link->offered);
	link->offered = fd;
	link->ended = link->ended || ended;
	if (link->channel)
		channel_shutdown(link->channel);
	(void)pthread_cond_signal(&link->changed);
	(void)pthread_mutex_unlock(&link->lock);
}

static void *watch_control(void *arg)
{
	struct validator_link *link = arg;
	char letter = 0;
	int fd = -1;
	while (fdpass_receive(link->control, &letter, &fd)) {
		if (letter == 'V' && fd >= 0) {
			log_info("fresh channel to the validator");
			offer(link, fd, false);
		} else {
			fd_cleanup(&fd);
		}
	}
	return NULL;
}

/* ---- what others call ---- */

int signer_validator_send(void *arg, uint16_t type, uint64_t id, struct bytes payload, struct error *err)
{
	struct validator_link *link = arg;
	(void)pthread_mutex_lock(&link->lock);
	int result = link->channel ? channel_send(link->channel, type, id, payload, err)
				   : err_set(err, ERR_UNREACHABLE,
					     "the validating process is not there; it is being started again");
	(void)pthread_mutex_unlock(&link->lock);
	return result;
}

struct validator_link *signer_validator_new(int channel, int control, const struct validator_events *events,
					    struct error *err)
{
	struct validator_link *link = calloc(1, sizeof(*link));
	if (!link) {
		fd_cleanup(&channel);
		fd_cleanup(&control);
		(void)err_set(err, ERR_INTERNAL, "no memory for the validator's channel");
		return NULL;
	}
	link->events = *events;
	link->offered = channel;
	link->control = control;
	(void)pthread_mutex_init(&link->lock, NULL);
	(void)pthread_cond_init(&link->changed, NULL);
	link->reader_runs = signer_thread(&link->reader, read_answers, link, err) == 0;
	if (link->reader_runs && control >= 0)
		link->watcher_runs = signer_thread(&link->watcher, watch_control, link, err) == 0;
	if (link->reader_runs && (control < 0 || link->watcher_runs))
		return link;
	signer_validator_free(link);
	return NULL;
}

void signer_validator_free(struct validator_link *link)
{
	if (!link)
		return;
	if (link->control >= 0)
		(void)shutdown(link->control, SHUT_RDWR);
	if (link->watcher_runs)
		(void)pthread_join(link->watcher, NULL);
	offer(link, -1, true);
	if (link->reader_runs)
		(void)pthread_join(link->reader, NULL);
	fd_cleanup(&link->control);
	fd_cleanup(&link->offered);
	(void)pthread_cond_destroy(&link->changed);
	(void)pthread_mutex_destroy(&link->lock);
	free(link);
}
