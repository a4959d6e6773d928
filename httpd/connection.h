/*
 * httpd/connection.h - the open connections of all listeners: who is at the other end, until when
 * what it does must be done, and which sessions of the signer it holds.
 *
 * libmicrohttpd knows inactivity only; a client that sends one byte a second would stay for ever.
 * So each phase of a connection (waiting for a request line, receiving a request, sending the
 * answer) has a deadline here, after which its socket is shut down.
 *
 * Thread-safety: a connection's fields belong to its thread of libmicrohttpd, but for `until_ms`
 * (atomic) and `kept` (through the functions below).
 */
#ifndef CHANCERY_HTTPD_CONNECTION_H
#define CHANCERY_HTTPD_CONNECTION_H

#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/bytes.h"

/* What a connection keeps of one opened session: by client certificate or by API token. */
enum session_proof { SESSION_BY_CERTIFICATE, SESSION_BY_TOKEN, SESSION_PROOFS };
struct session {
	uint64_t number; /* 0: none */
	char identity[257];
	uint8_t roles;
	int64_t expires_s;
	uint8_t token_hash[32]; /* SESSION_BY_TOKEN: of the token's text */
};

struct listener;
struct connections;

struct connection {
	struct connections *all;
	struct connection *previous, *next;
	const struct listener *listener;
	int fd;               /* libmicrohttpd's */
	gnutls_session_t tls; /* libmicrohttpd's; NULL on the plain listener */
	char peer[64];        /* "192.0.2.1:50000", "[2001:db8::1]:50000" */
	bool loopback;
	_Atomic int64_t until_ms; /* CLOCK_MONOTONIC */
	struct session kept[SESSION_PROOFS];
	bool hold_next;  /* httpd/sending.h */
	struct buf held; /* records that wait for the next one */
};

struct connections {
	pthread_mutex_t lock; /* for the list and every `kept` */
	struct connection *first;
	size_t count;
};

void connections_init(struct connections *all);

/* Called when libmicrohttpd has accepted one, and before it closes its socket. NULL only without
 * memory. */
struct connection *connection_open(struct connections *all, const struct listener *listener, struct MHD_Connection *mhd,
				   int64_t until_ms);
void connection_close(struct connection *c);

/* Shuts down what is past its deadline. Returns how many. */
size_t connections_expire(struct connections *all, int64_t now_ms);

size_t connections_count(struct connections *all);

/* What is kept of a session: copied out, put in, forgotten. */
struct session connection_session(struct connection *c, enum session_proof proof);
void connection_keep(struct connection *c, enum session_proof proof, const struct session *session);
void connection_forget(struct connection *c, enum session_proof proof);

/* Forgets, on every connection, the sessions of one identity; NULL: all sessions. */
void connections_forget(struct connections *all, const struct bytes *identity);

#endif
