/*
 * httpd/orders.h - what the rows about orders share: bodies in, orders out.
 *
 * Thread-safety: every function works only on its arguments.
 */
#ifndef CHANCERY_HTTPD_ORDERS_H
#define CHANCERY_HTTPD_ORDERS_H

#include "ca-core/message_order.h"
#include "httpd/json.h"
#include "httpd/request.h"

#define ORDERS_DAYS_MAX 36500

/* The body of POST /api/v1/orders, or of PATCH /api/v1/orders/{id}. */
struct orders_body {
	json_t *json; /* owned; the texts borrow from it */
	struct bytes csr, profile, organization;
	uint32_t days;
	bool draft;
	uint32_t contact_count;
	struct message_contact contacts[MESSAGE_CONTACTS_MAX];
	/* Of a change: whether the draft gets this one, perhaps as none. csr and profile: where they are not empty. */
	bool sets_organization, sets_days, sets_contacts;
};
/* change: of a PATCH, where everything may be left out, and null takes organization or days away. ERR_BAD_REQUEST
 * naming the member. Freed by the caller also where it failed. */
int orders_body_read(struct bytes text, bool change, struct orders_body *body, struct error *err);
void orders_body_free(struct orders_body *body);

/* The body of .../confirm. json: owned by the caller, the members of act borrow from it. */
int orders_confirm_read(struct bytes text, struct message_order_act *act, json_t **json, struct error *err);

/* An order as CONTRACT.md has it; a page of the list. */
json_t *orders_json(const struct message_order *o);
json_t *orders_list_json(const struct message_orders *page);

/* In a step: answers r with the order of MSG_ORDER, and, where it is new (201, 202), its Location; or refuses r. */
void orders_reply(struct request *r, unsigned status);
/* In a step: the order of MSG_ORDER. NULL with an error; the caller frees it, and it borrows from r->answer. */
struct message_order *orders_answer(const struct request *r, struct error *err);

#endif
