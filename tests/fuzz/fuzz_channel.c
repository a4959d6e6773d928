/* A hostile peer on a channel: whatever it sends is frames within the limits, or the
 * channel is refused. */
#include <stdlib.h>
#include <sys/socket.h>

#include "base/channel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int pair[2];
	struct error err = ERR_INIT;
	if (size > 100000) /* what a socket takes without a reader */
		return 0;
	require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	struct channel *c = channel_new(pair[0], &err);
	require(c != NULL);
	require(write(pair[1], data, size) == (ssize_t)size);
	(void)close(pair[1]);
	size_t taken = 0;
	struct frame frame;
	int result;
	while ((result = channel_receive(c, &frame, 1000, &err)) == 1) {
		require(frame.payload.len <= CHANNEL_FRAME_MAX);
		taken += 14 + frame.payload.len;
	}
	require(result == -1 && taken <= size);
	require(err.code == ERR_UNREACHABLE || err.code == ERR_BAD_REQUEST);
	channel_free(c);
	return 0;
}
