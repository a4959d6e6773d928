#include "httpd/control.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/fdpass.h"
#include "base/log.h"

struct control {
	int fd;
	struct link *link;
	pthread_t reader;
};

static void *read_control(void *arg)
{
	struct control *control = arg;
	char kind = 0;
	int fd = -1;
	while (fdpass_receive(control->fd, &kind, &fd)) {
		if (kind == 'C' && fd >= 0) {
			log_info("fresh channel to the signer");
			link_offer(control->link, fd);
		} else {
			fd_cleanup(&fd);
		}
	}
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
