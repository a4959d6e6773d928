#include "base/fdpass.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* Room for one descriptor, aligned as the system wants it. */
union room {
	struct cmsghdr aligned;
	char space[CMSG_SPACE(sizeof(int))];
};

int fdpass_send(int socket, char letter, int fd, struct error *err)
{
	union room room;
	memset(&room, 0, sizeof(room));
	struct iovec part = { &letter, 1 };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = room.space, .msg_controllen = sizeof(room.space)
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(int));
	if (sendmsg(socket, &message, MSG_NOSIGNAL) < 0)
		return err_errno(err, ERR_UNREACHABLE, "cannot hand over a descriptor (%c)", letter);
	return 0;
}

static int carried_fd(struct msghdr *message)
{
	int fd = -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
			memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

int fdpass_receive(int socket, char *letter, int *fd)
{
	for (;;) {
		union room room;
		struct iovec part = { letter, 1 };
		struct msghdr message = { .msg_iov = &part,
					  .msg_iovlen = 1,
					  .msg_control = room.space,
					  .msg_controllen = sizeof(room.space) };
		ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
		if (got < 0 && errno == EINTR)
			continue;
		*fd = got > 0 ? carried_fd(&message) : -1;
		return got > 0;
	}
}
