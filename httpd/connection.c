#include "httpd/connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

void connections_init(struct connections *all)
{
	*all = (struct connections){ .first = NULL };
	(void)pthread_mutex_init(&all->lock, NULL);
}

/* ---- who is at the other end ---- */

static void describe_ipv4(struct connection *c, const uint8_t address[4], in_port_t port)
{
	char text[INET_ADDRSTRLEN] = "?";
	(void)inet_ntop(AF_INET, address, text, sizeof(text));
	(void)snprintf(c->peer, sizeof(c->peer), "%s:%u", text, ntohs(port));
	c->loopback = address[0] == 127;
}

/* A dual-stack listener shows IPv4 clients as ::ffff:a.b.c.d: they are IPv4 clients. */
static void describe_ipv6(struct connection *c, const struct sockaddr_in6 *from)
{
	if (IN6_IS_ADDR_V4MAPPED(&from->sin6_addr)) {
		describe_ipv4(c, from->sin6_addr.s6_addr + 12, from->sin6_port);
		return;
	}
	char text[INET6_ADDRSTRLEN] = "?";
	(void)inet_ntop(AF_INET6, &from->sin6_addr, text, sizeof(text));
	(void)snprintf(c->peer, sizeof(c->peer), "[%s]:%u", text, ntohs(from->sin6_port));
	c->loopback = IN6_IS_ADDR_LOOPBACK(&from->sin6_addr);
}

static void describe_peer(struct connection *c, struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	(void)snprintf(c->peer, sizeof(c->peer), "unknown");
	if (!info || !info->client_addr)
		return;
	if (info->client_addr->sa_family == AF_INET) {
		struct sockaddr_in from;
		memcpy(&from, info->client_addr, sizeof(from));
		describe_ipv4(c, (const uint8_t *)&from.sin_addr, from.sin_port);
	} else if (info->client_addr->sa_family == AF_INET6) {
		struct sockaddr_in6 from;
		memcpy(&from, info->client_addr, sizeof(from));
		describe_ipv6(c, &from);
	}
}

/* ---- the list ---- */

struct connection *connection_open(struct connections *all, const struct listener *listener, struct MHD_Connection *mhd,
				   int64_t until_ms)
{
	struct connection *c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	const union MHD_ConnectionInfo *fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	const union MHD_ConnectionInfo *tls = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	c->all = all;
	c->listener = listener;
	c->fd = fd ? fd->connect_fd : -1;
	c->tls = tls ? tls->tls_session : NULL;
	atomic_init(&c->until_ms, until_ms);
	describe_peer(c, mhd);

	(void)pthread_mutex_lock(&all->lock);
	c->next = all->first;
	if (c->next)
		c->next->previous = c;
	all->first = c;
	all->count++;
	(void)pthread_mutex_unlock(&all->lock);
	return c;
}

void connection_close(struct connection *c)
{
	(void)pthread_mutex_lock(&c->all->lock);
	if (c->next)
		c->next->previous = c->previous;
	if (c->previous)
		c->previous->next = c->next;
	else
		c->all->first = c->next;
	c->all->count--;
	(void)pthread_mutex_unlock(&c->all->lock);
	buf_free(&c->held);
	free(c);
}

size_t connections_expire(struct connections *all, int64_t now_ms)
{
	size_t count = 0;
	(void)pthread_mutex_lock(&all->lock);
	for (struct connection *c = all->first; c; c = c->next) {
		if (atomic_load_explicit(&c->until_ms, memory_order_relaxed) > now_ms)
			continue;
		/* libmicrohttpd sees the end of the stream and closes the socket itself. */
		(void)shutdown(c->fd, SHUT_RDWR);
		atomic_store_explicit(&c->until_ms, INT64_MAX, memory_order_relaxed);
		count++;
	}
	(void)pthread_mutex_unlock(&all->lock);
	return count;
}

size_t connections_count(struct connections *all)
{
	(void)pthread_mutex_lock(&all->lock);
	size_t count = all->count;
	(void)pthread_mutex_unlock(&all->lock);
	return count;
}

/* ---- sessions ---- */

struct session connection_session(struct connection *c, enum session_proof proof)
{
	(void)pthread_mutex_lock(&c->all->lock);
	struct session kept = c->kept[proof];
	(void)pthread_mutex_unlock(&c->all->lock);
	return kept;
}

void connection_keep(struct connection *c, enum session_proof proof, const struct session *session)
{
	(void)pthread_mutex_lock(&c->all->lock);
	c->kept[proof] = *session;
	(void)pthread_mutex_unlock(&c->all->lock);
}

void connection_forget(struct connection *c, enum session_proof proof)
{
	(void)pthread_mutex_lock(&c->all->lock);
	c->kept[proof].number = 0;
	(void)pthread_mutex_unlock(&c->all->lock);
}

void connections_forget(struct connections *all, const struct bytes *identity)
{
	(void)pthread_mutex_lock(&all->lock);
	for (struct connection *c = all->first; c; c = c->next)
		for (int proof = 0; proof < SESSION_PROOFS; proof++)
			if (!identity || bytes_are(*identity, c->kept[proof].identity))
				c->kept[proof].number = 0;
	(void)pthread_mutex_unlock(&all->lock);
}
