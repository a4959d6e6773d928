/*
 * httpd/door.h - the one filter that every request passes before a handler sees it.
 *
 * libmicrohttpd's parser is lenient; what it lets through and RFC 9110, RFC 9112 or we do not is
 * refused here: ambiguous framing (from which request smuggling is made), odd paths, bodies over
 * their cap or of a wrong type.
 *
 * Thread-safety: every function works only on its request.
 * Source: RFC 9112 sections 2.2, 3.2, 5.1, 6.1, 6.3; RFC 3986 section 2.1 and 3.3.
 */
#ifndef CHANCERY_HTTPD_DOOR_H
#define CHANCERY_HTTPD_DOOR_H

#include "httpd/router.h"

#define DOOR_CSR_MAX ((size_t)64 << 10)
#define DOOR_JSON_MAX ((size_t)256 << 10)
#define DOOR_DROP_MAX ((uint64_t)4 << 20) /* a body over its cap is read and dropped up to here */
#define DOOR_TARGET_MAX 8192              /* path and query as they come */

/* Method, version, framing headers and the target: fills r->method, segments and arguments.
 * ERR_BAD_REQUEST naming the part. */
int door_headers(struct request *r, const char *method, const char *version, struct error *err);

/* Path and query of `target` alone (door_headers calls it). ERR_BAD_REQUEST. */
int door_target(struct request *r, const char *target, struct error *err);

/* What the headers say of the body, against the route: ERR_UNSUPPORTED_MEDIA_TYPE, ERR_TOO_LARGE,
 * ERR_BAD_REQUEST for a body where none belongs. */
int door_body(const struct request *r, const struct route *route, struct error *err);

/* The most octets of a body that the route takes. */
size_t door_body_max(const struct route *route);
/* ERR_TOO_LARGE for a body of more. Returns -1. */
int door_too_large(const struct route *route, struct error *err);

/* True where the client waits for the answer to its headers (Expect: 100-continue), or
 * announced more than will be dropped: a refusal is then sent at once. */
bool door_refuses_early(const struct request *r);

#endif
