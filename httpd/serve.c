/*
 * The listeners: one libmicrohttpd daemon each, and the way of a request through it: headers,
 * door, route, body, handler, perhaps suspended for the signer's answer, answer, log line.
 */
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "httpd/door.h"
#include "httpd/plain.h"
#include "httpd/sending.h"
#include "httpd/server.h"
#include "httpd/session.h"
#include "httpd/tls.h"

/* TLS 1.3 and 1.2 with forward secrecy and authenticated ciphers alone. */
#define TLS_PRIORITIES                                                                                              \
	"NONE:+VERS-TLS1.3:+VERS-TLS1.2:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:+AEAD:+ECDHE-ECDSA:"           \
	"+ECDHE-RSA:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:+GROUP-SECP521R1:+SIGN-ECDSA-SECP256R1-SHA256:" \
	"+SIGN-ECDSA-SECP384R1-SHA384:+SIGN-ECDSA-SECP521R1-SHA512:+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SHA384:"          \
	"+SIGN-ECDSA-SHA512:+SIGN-EDDSA-ED25519:+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-RSA-PSS-RSAE-SHA384:"               \
	"+SIGN-RSA-PSS-RSAE-SHA512:+SIGN-RSA-SHA256:+SIGN-RSA-SHA384:+SIGN-RSA-SHA512:+COMP-NULL:+CTYPE-X509:"      \
	"%SERVER_PRECEDENCE"

#define HEADER_MEMORY ((size_t)32 << 10) /* of one connection: its request's headers must fit */
#define SENDING_BYTES_PER_S 65536        /* a client that takes an answer more slowly is cut off */

/* ---- connections ---- */

static void extend(struct connection *c, int64_t until_ms)
{
	atomic_store_explicit(&c->until_ms, until_ms, memory_order_relaxed);
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **context,
			  enum MHD_ConnectionNotificationCode what)
{
	const struct listener *listener = cls;
	struct front *front = listener->front;
	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		struct connection *c = connection_open(&front->connections, listener, mhd,
						       clock_monotonic_ms() + front_request_ms(front));
		*context = c;
		if (c && c->tls) {
			tls_prepare(front->tls, c->tls);
			sending_prepare(c);
		}
	} else if (*context) {
		session_close_all(front, *context);
		connection_close(*context);
		*context = NULL;
	}
}

static struct connection *connection_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	return info ? info->socket_context : NULL;
}

/* ---- a request's way ---- */

/* As soon as the request line is there. */
static void *on_request_line(void *cls, const char *target, struct MHD_Connection *mhd)
{
	const struct listener *listener = cls;
	struct connection *c = connection_of(mhd);
	struct request *r = c ? request_new(listener->front, c, mhd, target) : NULL;
	if (!r)
		return NULL;
	/* The signer's own time ends first, so that a late answer becomes a 503 and not a closed connection. */
	extend(c, r->deadline_ms + 1000);
	atomic_fetch_add_explicit(&listener->front->active, 1, memory_order_relaxed);
	return r;
}

static enum MHD_Result send_answer(struct request *r)
{
	if (!r->response)
		return MHD_NO; /* no memory for one */
	r->phase = REQUEST_ANSWERED;
	extend(r->connection, clock_monotonic_ms() + front_request_ms(r->front) +
				      (int64_t)(r->content_len * 1000 / SENDING_BYTES_PER_S));
	if (r->connection->tls && r->content_in_memory && r->content_len > 0 && strcmp(r->method, "HEAD") != 0)
		sending_hold(r->connection);
	enum MHD_Result queued = MHD_queue_response(r->mhd, r->status, r->response);
	MHD_destroy_response(r->response);
	r->response = NULL;
	return queued;
}

static void begin(struct request *r)
{
	if (r->route->flags & ROUTE_IDENTITY)
		session_with(r, r->route->handle);
	else
		r->route->handle(r);
}

/* After a handler or step: it has answered, or the connection is suspended. */
static enum MHD_Result go_on(struct request *r)
{
	return r->phase == REQUEST_WAITING && !r->response ? MHD_YES : send_answer(r);
}

static enum MHD_Result refuse_now(struct request *r)
{
	request_refuse(r, &r->err);
	return send_answer(r);
}

/* All headers are there. What is refused here waits for its body nevertheless: a client that is
 * still sending would see a broken connection instead of the answer. */
static enum MHD_Result on_headers(struct request *r, const char *method, const char *version)
{
	r->phase = REQUEST_BODY;
	if (door_headers(r, method, version, &r->err) != 0) {
		r->closing = true;
		return refuse_now(r);
	}
	r->route = router_find(r, &r->err);
	if (!r->connection->listener->tls && plain_answers(r))
		return send_answer(r);
	r->refused =
		!r->route || router_check_arguments(r, r->route, &r->err) != 0 || door_body(r, r->route, &r->err) != 0;
	if (r->refused && door_refuses_early(r)) {
		r->closing = true;
		return refuse_now(r);
	}
	return MHD_YES;
}

static enum MHD_Result on_body(struct request *r, const char *data, size_t len)
{
	r->body_seen += len;
	if (!r->refused && r->body_seen > door_body_max(r->route)) {
		(void)door_too_large(r->route, &r->err);
		r->refused = true;
		buf_wipe(&r->body);
	}
	if (!r->refused)
		buf_add(&r->body, data, len);
	/* A body may hold what its sender should not have sent: it stays in no pool. */
	OPENSSL_cleanse((void *)data, len);
	if (!r->refused || r->body_seen <= DOOR_DROP_MAX)
		return MHD_YES;
	log_info("endless body", KV("id", r->id), KV("peer", r->connection->peer));
	return MHD_NO;
}

static enum MHD_Result on_complete(struct request *r)
{
	if (r->refused)
		return refuse_now(r);
	if (r->body.failed) {
		(void)err_set(&r->err, ERR_BUSY, "no memory for the request's body");
		return refuse_now(r);
	}
	begin(r);
	return go_on(r);
}

static enum MHD_Result on_resumed(struct request *r)
{
	r->phase = REQUEST_BODY;
	if (session_was_unknown(r)) {
		if (r->free_context)
			r->free_context(r->context);
		r->free_context = NULL;
		r->context = NULL;
		begin(r);
	} else {
		r->step(r);
	}
	return go_on(r);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
				  const char *version, const char *data, size_t *len, void **context)
{
	(void)cls;
	(void)mhd;
	(void)url;
	struct request *r = *context;
	if (!r)
		return MHD_NO;
	if (r->phase == REQUEST_HEADERS)
		return on_headers(r, method, version);
	if (r->phase == REQUEST_WAITING)
		return on_resumed(r);
	if (*len > 0) {
		size_t taken = *len;
		*len = 0;
		return on_body(r, data, taken);
	}
	return on_complete(r);
}

static void write_log_line(const struct request *r)
{
	char cut[129];
	const char *path = cut;
	(void)snprintf(cut, sizeof(cut), "%.*s", (int)strcspn(r->target, "?"), r->target);
	log_info("request", KV("id", r->id), KV("method", r->method), KV("path", path), KV_INT("status", r->status),
		 KV_INT("ms", clock_monotonic_ms() - r->begun_ms), KV("identity", r->session.identity),
		 KV("peer", r->connection->peer));
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **context, enum MHD_RequestTerminationCode how)
{
	(void)cls;
	(void)mhd;
	(void)how;
	struct request *r = *context;
	if (!r)
		return;
	struct front *front = r->front;
	write_log_line(r);
	if (r->status / 100 < 6)
		atomic_fetch_add_explicit(&front->counters.answers[r->status / 100], 1, memory_order_relaxed);
	extend(r->connection, clock_monotonic_ms() + front_request_ms(front));
	request_free(r);
	*context = NULL;
	atomic_fetch_sub_explicit(&front->active, 1, memory_order_relaxed);
}

/* ---- daemons ---- */

/* Paths are decoded by segments at the door, not before it. */
static size_t leave_escaped(void *cls, struct MHD_Connection *mhd, char *text)
{
	(void)cls;
	(void)mhd;
	return strlen(text);
}

static void log_library(void *cls, const char *fmt, va_list args) __attribute__((format(printf, 2, 0)));
static void log_library(void *cls, const char *fmt, va_list args)
{
	(void)cls;
	char line[256];
	const char *text = line;
	(void)vsnprintf(line, sizeof(line), fmt, args);
	line[strcspn(line, "\n")] = '\0';
	log_debug("http library", KV("says", text));
}

/* Who comes while the front is stopping is sent away at once. Not by MHD_quiesce_daemon: it and a thread of the
 * pool that is awake may both take the socket out of epoll, and the second one to do so aborts the process. */
static enum MHD_Result admit(void *cls, const struct sockaddr *address, socklen_t len)
{
	const struct front *front = cls;
	(void)address;
	(void)len;
	return atomic_load(&front->stopping) ? MHD_NO : MHD_YES;
}

static void close_socket(struct listener *listener)
{
	fd_cleanup(&listener->fd);
	listener->fd = -1;
}

int serve_start(struct listener *listener, struct error *err)
{
	struct front *front = listener->front;
	/* Two threads wait for the same connection: the one that comes late must not block in accept. */
	(void)fcntl(listener->fd, F_SETFL, fcntl(listener->fd, F_GETFL) | O_NONBLOCK);
	unsigned flags = MHD_USE_EPOLL | MHD_USE_INTERNAL_POLLING_THREAD | MHD_ALLOW_SUSPEND_RESUME |
			 MHD_USE_ERROR_LOG | (listener->tls ? MHD_USE_TLS : 0);
	unsigned most = front->config->listen.connections;
	unsigned pool = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 2 : 1;
	struct MHD_OptionItem tls_options[] = {
		{ MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)tls_choose },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)TLS_PRIORITIES },
		{ pool > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, pool, NULL },
		{ MHD_OPTION_END, 0, NULL },
	};
	struct MHD_OptionItem no_options[] = { { MHD_OPTION_END, 0, NULL } };
	listener->daemon =
		MHD_start_daemon(flags, 0, admit, front, on_request, listener, MHD_OPTION_EXTERNAL_LOGGER, log_library,
				 NULL, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL, MHD_OPTION_URI_LOG_CALLBACK,
				 on_request_line, listener, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
				 MHD_OPTION_NOTIFY_CONNECTION, on_connection, listener, MHD_OPTION_LISTEN_SOCKET,
				 listener->fd, MHD_OPTION_CONNECTION_MEMORY_LIMIT, HEADER_MEMORY,
				 MHD_OPTION_CONNECTION_LIMIT, most, MHD_OPTION_PER_IP_CONNECTION_LIMIT, most / 2 + 1,
				 MHD_OPTION_CONNECTION_TIMEOUT, front->config->listen.request_seconds,
				 MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY,
				 listener->tls ? tls_options : no_options, MHD_OPTION_END);
	if (!listener->daemon) {
		close_socket(listener);
		return err_set(err, ERR_IO, "cannot serve on an inherited socket");
	}
	listener->fd = -1;
	return 0;
}

void serve_stop(struct listener *listener)
{
	if (listener->daemon)
		MHD_stop_daemon(listener->daemon);
	listener->daemon = NULL;
	close_socket(listener);
}
