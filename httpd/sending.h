/*
 * httpd/sending.h - an answer's head and content leave together.
 *
 * Over TLS libmicrohttpd sends the head as one record and one segment, the content as another. Here
 * the head's record is held until the content's comes: one system call, one segment, one waking of
 * the client. Order and bytes are the same.
 *
 * Thread-safety: as httpd/connection.h: one connection, one thread.
 */
#ifndef CHANCERY_HTTPD_SENDING_H
#define CHANCERY_HTTPD_SENDING_H

#include "httpd/connection.h"

/* From now on records of this TLS connection go through here. Before its handshake. */
void sending_prepare(struct connection *c);

/* The next record is held, because another follows for sure. */
static inline void sending_hold(struct connection *c)
{
	c->hold_next = true;
}

#endif
