/*
 * httpd/link.h - the front's side of its channel to the signer: questions and their answers.
 *
 * A question waits in a bounded table until its answer, its deadline or the end of the channel,
 * whichever comes first; then its callback runs, exactly once, on a thread of the link or on the
 * caller of link_expire, link_refuse and link_free. A channel that ends leaves the link down:
 * questions are refused with ERR_TOKEN_UNAVAILABLE until a fresh channel is offered.
 *
 * Thread-safety: every function but link_new and link_free may be called from any thread; a
 * callback must not block, and may ask again.
 */
#ifndef CHANCERY_HTTPD_LINK_H
#define CHANCERY_HTTPD_LINK_H

#include "base/channel.h"

struct link;

/* One of answer and err is NULL. What they point to lives until the callback returns. */
typedef void link_answer(void *arg, const struct frame *answer, const struct error *err);

/* What the link tells its owner, on its own thread. */
struct link_events {
	void (*up)(void *arg);                             /* a channel is there */
	void (*down)(void *arg);                           /* it ended: sessions of the signer are void */
	void (*told)(void *arg, const struct frame *news); /* a message under id 0 */
	void *arg;
};

/* fd: a connected stream socket, taken over; -1: none yet. most: questions open at once, 1 to
 * 65536; one more is refused with ERR_BUSY. events is copied. NULL with ERR_INTERNAL. */
struct link *link_new(int fd, size_t most, const struct link_events *events, struct error *err);

/* Sends a question. deadline_ms: CLOCK_MONOTONIC; past it the answer is ERR_BUSY. 0 when it is
 * under way; -1 where it could not be sent, and done is not called: ERR_BUSY,
 * ERR_TOKEN_UNAVAILABLE, ERR_TOO_LARGE. */
int link_ask(struct link *link, uint16_t type, struct bytes payload, int64_t deadline_ms, link_answer *done, void *arg,
	     struct error *err);

/* Sends what has no answer; lost where the link is down. */
void link_tell(struct link *link, uint16_t type, struct bytes payload);

/* A fresh channel in place of the present one, whose open questions are refused. Takes fd over. */
void link_offer(struct link *link, int fd);

/* Answers every question whose deadline is before now_ms. */
void link_expire(struct link *link, int64_t now_ms);

/* From now on every question is refused with ERR_BUSY, those that wait at once. */
void link_refuse(struct link *link);

bool link_is_up(struct link *link);

void link_free(struct link *link);

#endif
