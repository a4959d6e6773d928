/*
 * httpd/router.h - the table of what is served: one row a method and path.
 *
 * A pattern's segment is literal, or "{name}" with an optional literal end ("{issuer}.pem").
 * The first row that fits wins; what a pattern's braces matched are the request's parameters.
 *
 * Thread-safety: the table is constant.
 */
#ifndef CHANCERY_HTTPD_ROUTER_H
#define CHANCERY_HTTPD_ROUTER_H

#include "httpd/request.h"

enum route_body { BODY_NONE, BODY_CSR, BODY_JSON };
enum route_flags {
	ROUTE_PLAIN = 1,    /* also on the plain HTTP listener */
	ROUTE_IDENTITY = 2, /* the handler runs with an open session */
};

struct route {
	const char *method; /* GET answers HEAD too */
	const char *pattern;
	unsigned flags;
	enum route_body body;
	const char *arguments; /* names of query arguments, by spaces; others are refused; NULL: any, ignored */
	request_step *handle;
};

extern const struct route router_table[];
extern const size_t router_table_count;

/* The row for r's method and segments; sets r->parameters. NULL: ERR_NOT_FOUND, or
 * ERR_METHOD_NOT_ALLOWED with the methods of this path as `allowed`. */
const struct route *router_find(struct request *r, struct error *err);

/* 0 where every query argument is one that the row names. ERR_BAD_REQUEST. */
int router_check_arguments(const struct request *r, const struct route *route, struct error *err);

#endif
