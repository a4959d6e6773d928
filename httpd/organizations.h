/*
 * httpd/organizations.h - what the rows about organizations share: the body in, records out.
 *
 * Thread-safety: every function works only on its arguments.
 */
#ifndef CHANCERY_HTTPD_ORGANIZATIONS_H
#define CHANCERY_HTTPD_ORGANIZATIONS_H

#include "ca-core/message_order.h"
#include "httpd/json.h"
#include "httpd/request.h"

/* The body of POST /api/v1/organizations. *json: owned by the caller also where it failed; the members of m borrow
 * from it. m: zeros before. ERR_BAD_REQUEST naming the member. */
int organizations_body_read(struct bytes text, struct message_organization *m, json_t **json, struct error *err);

json_t *organizations_json(const struct message_organization *m);
json_t *organizations_list_json(const struct message_organizations *all);

/* In a step: answers r with the organization of MSG_ORGANIZATION, or refuses r. */
void organizations_reply(struct request *r);

#endif
