/*
 * httpd/plain.h - the plain HTTP listener: published files alone; all else is sent to HTTPS.
 */
#ifndef CHANCERY_HTTPD_PLAIN_H
#define CHANCERY_HTTPD_PLAIN_H

#include "httpd/request.h"

/* True where the request (r->route may be NULL, then r->err says why) is not for plain HTTP and
 * has been answered: a redirect for GET and HEAD, else a refusal with the hint. */
bool plain_answers(struct request *r);

#endif
