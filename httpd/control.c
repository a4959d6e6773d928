#include "httpd/control.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/log.h"

struct control {
	int fd;
	struct link *link;
	pthread_t reader;
};

/* The descriptor that a message carries, or -1. */
static int carried_fd(struct msghdr *message)
{
	int fd = -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
			memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

/* One message; false when the other end has closed. */
static bool receive(struct control *control)
{
	char kind = 0;
	union {
		struct cmsghdr aligned;
		char space[CMSG_SPACE(sizeof(int))];
	} room;
	struct iovec part = { &kind, 1 };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = room.space, .msg_controllen = sizeof(room.space)
	};
	ssize_t got = recvmsg(control->fd, &message, MSG_CMSG_CLOEXEC);
	if (got <= 0)
		return got < 0 && errno == EINTR;
	int fd = carried_fd(&message);
	if (kind == 'C' && fd >= 0) {
		log_info("fresh channel to the signer");
		link_offer(control->link, fd);
	} else {
		fd_cleanup(&fd);
	}
	return true;
}

static void *read_control(void *arg)
{
	struct control *control = arg;
	while (receive(control))
		continue;
	return NULL;
}

struct control *control_new(int fd, struct link *link, struct error *err)
{
	struct control *control = calloc(1, sizeof(*control));
	if (control) {
		*control = (struct control){ .fd = fd, .link = link };
		if (pthread_create(&control->reader, NULL, read_control, control) == 0)
			return control;
	}
	free(control);
	fd_cleanup(&fd);
	(void)err_set(err, ERR_INTERNAL, "cannot listen to the supervisor");
	return NULL;
}

void control_tell_ready(struct control *control)
{
	if (control)
		(void)!send(control->fd, "R", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void control_free(struct control *control)
{
	if (!control)
		return;
	(void)shutdown(control->fd, SHUT_RDWR);
	(void)pthread_join(control->reader, NULL);
	(void)close(control->fd);
	free(control);
}
