/*
 * ca-core/order_request.h - a request for a certificate that becomes an order. Private to the files of orders and to
 * the signer. Thread-safety: any thread.
 */
#ifndef CHANCERY_CA_ORDER_REQUEST_H
#define CHANCERY_CA_ORDER_REQUEST_H

#include "ca-core/ca_private.h"

/* True where ca_issue's refusal may be answered by an order. */
bool ca_order_may_follow(enum err_code refusal);
/* What ca_issue refused (err says why) as an order, made and submitted. Where nothing is left to wait for it is issued at
 * once. A dry run makes the order that would be made, shows it without an id, and forgets it. The same idempotency key
 * gives the same order, or what came of it. Returns the type of the answer, MSG_ORDER or MSG_ISSUED, appended to out; -1:
 * the refusal stands, or another one; it is counted here. */
int ca_order_instead(struct ca *ca, const struct ca_token *prefer, const struct ca_actor *actor,
		     const struct message_issue *m, struct buf *out, struct error *err);

#endif
