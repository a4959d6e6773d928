/*
 * ca-core/order_issue.h - signing what an order came to. Private to the files of orders and to the signer.
 * Thread-safety: any thread; of two at once for one order one does it.
 */
#ifndef CHANCERY_CA_ORDER_ISSUE_H
#define CHANCERY_CA_ORDER_ISSUE_H

#include "ca-core/order_private.h"

/* Issues a ready order, or goes on with one in issuing, whose bytes are signed again: no other bytes ever are. 0: it is
 * done, or it went back, or waits for a look-up. -1: put off, and why. prefer: as of ca_issue_at. */
int order_issue(struct ca *ca, const struct ca_token *prefer, struct bytes id, struct error *err);
/* The same where the caller has claimed it, and releases it. */
int order_issue_claimed(struct ca *ca, const struct ca_token *prefer, struct bytes id, struct error *err);

#endif
