/*
 * httpd/decisions.h - what officers decide about orders and organizations: a signed statement in, decoded strictly,
 * passed on as bytes. Whether it counts is the signer's to judge.
 *
 * Thread-safety: every function works only on its arguments.
 */
#ifndef CHANCERY_HTTPD_DECISIONS_H
#define CHANCERY_HTTPD_DECISIONS_H

#include "ca-core/message_order.h"
#include "ca-core/statement.h"
#include "httpd/json.h"

struct decisions_body {
	json_t *json; /* owned; statement borrows from it */
	struct bytes statement;
	struct buf certificate, signature; /* owned: DER; octets */
};
/* {"statement", "certificate", "signature"}: text, PEM (exactly one), base64. The statement is one, and says
 * `decision`. ERR_BAD_REQUEST naming the member, ERR_APPROVAL_MISMATCH. Freed by the caller also where it failed. */
int decisions_body_read(struct bytes text, enum ca_decision decision, struct decisions_body *body, struct error *err);
void decisions_body_free(struct decisions_body *body);

#endif
