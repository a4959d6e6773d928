/*
 * httpd/server.h - what the front's parts share: one struct front, made by front.c, and its
 * listeners. Private to httpd/.
 */
#ifndef CHANCERY_HTTPD_SERVER_H
#define CHANCERY_HTTPD_SERVER_H

#include <stdatomic.h>

#include "base/clock.h"
#include "ca-core/config.h"
#include "httpd/connection.h"
#include "httpd/link.h"

struct own;
struct published;
struct tls;
struct trust;

/* Counters for /metrics; only ever added to. */
struct front_counters {
	_Atomic uint64_t answers[6]; /* by the status's first digit */
	_Atomic uint64_t expired;    /* connections shut down because they were too slow */
};

struct front {
	const struct ca_config *config; /* borrowed, read-only */
	struct clock clock;
	struct connections connections;
	struct link *link;
	struct published *published;
	struct trust *trust;
	struct tls *tls;
	struct own *own;
	struct front_counters counters;
	_Atomic int64_t active; /* requests begun and not yet done */
	_Atomic bool stopping;  /* answers close their connection */
	char id_prefix[9];      /* of request ids: another for each start */
	_Atomic uint64_t id_count;
	uint16_t https_port; /* of the first HTTPS listener, for redirects; 0: none */
	int wake;            /* eventfd of the main loop */
};

struct listener {
	struct front *front;
	bool tls;
	int fd;                    /* -1 once libmicrohttpd has it */
	struct MHD_Daemon *daemon; /* NULL: not started */
};

/* Starts serving on listener->fd (serve.c). HTTPS needs a loaded certificate. ERR_IO. */
int serve_start(struct listener *listener, struct error *err);
/* Closes what is open. No request may be waiting for the signer. */
void serve_stop(struct listener *listener);

/* How long one phase of a connection may take, in milliseconds. */
static inline int64_t front_request_ms(const struct front *front)
{
	return (int64_t)front->config->listen.request_seconds * 1000;
}

#endif
