/*
 * httpd/about.h - what the rows about orders, organizations and explanations share: the id in the path,
 * a question that is nothing but an id, and an answer that is bytes.
 *
 * Thread-safety: as httpd/request.h.
 */
#ifndef CHANCERY_HTTPD_ABOUT_H
#define CHANCERY_HTTPD_ABOUT_H

#include "httpd/request.h"

/* The id in the path. ERR_NOT_FOUND for what can be none; what: "order". */
int about_id(const struct request *r, const char *what, struct bytes *id, struct error *err);
/* Asks the signer with struct message_order_get about the id in the path, or refuses r. */
void about_ask(struct request *r, enum message_type type, const char *what, request_step *step);
/* In a step: answers with the content of MSG_BYTES, or refuses r. */
void about_reply_bytes(struct request *r, const char *content_type);

#endif
