/*
 * base/channel.h - framed messages over a stream socket between two of our
 * processes.
 *
 * A frame: u32 length of what follows the length, u16 type, u64 id, payload. The
 * id joins an answer to its question; answers may come in any order. What the
 * payload says is ca-core's business (ca-core/message.h); here lengths are checked
 * and bytes moved.
 *
 * Sending never blocks the caller on a slow peer beyond the kernel's buffer: frames
 * are queued and one sender thread of the channel writes as many as are queued with
 * one call. Receiving is one reader's: channel_receive reads as much as there is and
 * gives one frame after the other.
 */
#ifndef CHANCERY_BASE_CHANNEL_H
#define CHANCERY_BASE_CHANNEL_H

#include "base/bytes.h"
#include "base/err.h"

#define CHANNEL_FRAME_MAX ((size_t)1 << 20)  /* payload of one frame */
#define CHANNEL_QUEUE_MAX ((size_t)16 << 20) /* unsent bytes, past which send refuses */

struct channel;

struct frame {
	uint16_t type;
	uint64_t id;
	struct bytes payload; /* borrowed: valid until the next channel_receive on this channel */
};

/* Takes over fd (a connected stream socket). NULL: ERR_INTERNAL. */
struct channel *channel_new(int fd, struct error *err);

/* Queues a frame. From any thread. ERR_TOO_LARGE past CHANNEL_FRAME_MAX, ERR_BUSY past
 * CHANNEL_QUEUE_MAX, ERR_UNREACHABLE once the peer has gone. */
int channel_send(struct channel *c, uint16_t type, uint64_t id, struct bytes payload, struct error *err);

/* Waits at most timeout_ms (-1: for ever) for a frame. From one thread only.
 * Returns 1 with a frame, 0 on time-out, -1: ERR_UNREACHABLE when the peer closed,
 * ERR_BAD_REQUEST when it sent a frame that cannot be one (the channel is of no
 * further use then). */
int channel_receive(struct channel *c, struct frame *frame, int64_t timeout_ms, struct error *err);

/* Waits until all that is queued has been written, at most timeout_ms. */
void channel_flush(struct channel *c, int64_t timeout_ms);

/* Wakes a waiting channel_receive (ERR_UNREACHABLE) and makes sends fail. From any thread. */
void channel_shutdown(struct channel *c);

void channel_free(struct channel *c); /* after channel_shutdown and the reader's return */

#endif
