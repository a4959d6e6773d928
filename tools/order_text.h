/*
 * tools/order_text.h - an order in the words of people: how it stands, what it waits for, what to put where.
 *
 * Thread-safety: every function works only on its arguments.
 */
#ifndef CHANCERY_TOOLS_ORDER_TEXT_H
#define CHANCERY_TOOLS_ORDER_TEXT_H

#include "tools/output.h"

/* Where the values to be put somewhere come from. */
enum order_values {
	ORDER_VALUES_UNCHECKED, /* the server alone says so */
	ORDER_VALUES_OWN,       /* computed here, from one's own request */
};

/* The whole order, of the server's JSON (CONTRACT.md "HTTP"). */
void order_text(const json_t *order, enum order_values values, struct buf *out);

/* ready, issuing: nothing is missing but the token's signature. */
bool order_is_under_way(const json_t *order);

#endif
