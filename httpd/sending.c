#include "httpd/sending.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define PARTS_MAX 16

static ssize_t hold(struct connection *c, const giovec_t *parts, int count)
{
	size_t before = c->held.len;
	for (int i = 0; i < count; i++)
		buf_add(&c->held, parts[i].iov_base, parts[i].iov_len);
	c->hold_next = false;
	return (ssize_t)(c->held.len - before);
}

/* What was held goes first. Returns how much of parts was taken; -1 with errno where none was. */
static ssize_t send_all(struct connection *c, const giovec_t *parts, int count)
{
	struct iovec all[PARTS_MAX + 1] = { { c->held.data, c->held.len } };
	if (count > PARTS_MAX)
		count = PARTS_MAX; /* GnuTLS sends the rest again */
	for (int i = 0; i < count; i++)
		all[i + 1] = (struct iovec){ parts[i].iov_base, parts[i].iov_len };
	struct msghdr message = { .msg_iov = all, .msg_iovlen = (size_t)count + 1 };
	ssize_t sent = sendmsg(c->fd, &message, MSG_NOSIGNAL);
	if (sent < 0)
		return -1;
	size_t of_held = (size_t)sent < c->held.len ? (size_t)sent : c->held.len;
	if (of_held > 0)
		memmove(c->held.data, c->held.data + of_held, c->held.len - of_held);
	c->held.len -= of_held;
	if ((size_t)sent > of_held)
		return sent - (ssize_t)of_held;
	errno = EAGAIN;
	return -1;
}

static ssize_t push(gnutls_transport_ptr_t transport, const giovec_t *parts, int count)
{
	struct connection *c = transport;
	ssize_t taken = c->hold_next && !c->held.failed ? hold(c, parts, count) : -1;
	if (taken > 0)
		return taken;
	taken = send_all(c, parts, count);
	if (taken < 0)
		gnutls_transport_set_errno(c->tls, errno);
	return taken;
}

void sending_prepare(struct connection *c)
{
	gnutls_transport_set_ptr2(c->tls, (gnutls_transport_ptr_t)(intptr_t)c->fd, c);
	gnutls_transport_set_vec_push_function(c->tls, push);
}
