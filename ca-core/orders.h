/*
 * ca-core/orders.h - what of orders and deliveries is under way between two of our processes; nothing of it must
 * survive. Private to the files of orders and to health.
 *
 * Thread-safety: every function may be called from any thread.
 */
#ifndef CHANCERY_CA_ORDERS_H
#define CHANCERY_CA_ORDERS_H

#include "ca-core/order.h"

#define ORDERS_UNDER_WAY_MAX 256                      /* questions that the validator has not answered */
#define ORDERS_PATIENCE_MS ((int64_t)(5 * 60) * 1000) /* then the answer is taken for lost */

struct ca_orders *ca_orders_new(struct error *err);
void ca_orders_free(struct ca_orders *orders);

/* Sends a question about a thing (an order, a delivery) and its part (a name, or none), and remembers that. Nothing is
 * sent, and all is well, where it is under way already. ERR_UNREACHABLE: there is no validator; ERR_BUSY: too many are
 * under way. */
int ca_orders_send(struct ca *ca, uint16_t type, struct bytes thing, struct bytes part, const struct buf *payload,
		   struct error *err);
/* Somebody asks for what is under way already: the answer may be of before he did something, so it is asked again. */
void ca_orders_again(struct ca *ca, struct bytes thing);
/* Whether something of this thing is under way, or it is being issued. */
bool ca_orders_under_way(struct ca *ca, struct bytes thing);
/* Whether a question could be sent now: the validator is there, or was not tried for a while, and there is room. */
bool ca_orders_open(struct ca *ca);
/* Whether the last try did not find it. */
bool ca_orders_validator_away(struct ca *ca);
/* Something may be due sooner than was known: called after the commit that says so, for nothing is found before. */
void ca_orders_wake(struct ca *ca);
/* Forgets what was not answered in time: it is due again. */
void ca_orders_forget_lost(struct ca *ca);

/* NULL: there is none. */
const struct secret *ca_orders_webhook_secret(struct ca *ca);

/* An order is issued by one thread at a time: false where another does it, or very many are at it. */
bool ca_orders_claim(struct ca *ca, struct bytes order);
void ca_orders_release(struct ca *ca, struct bytes order);

/* What came of a check; of a delivery: order_check.c, notify_deliver.c. */
void order_seen(struct ca *ca, struct bytes order, struct bytes name, bool again, const struct message_validated *seen);
void notify_delivered(struct ca *ca, struct bytes id, const struct message_delivered *result);

/* Counted since start, for /metrics. */
enum orders_result {
	ORDERS_CHECK_GOOD,
	ORDERS_CHECK_BAD,
	ORDERS_CHECK_LOST,
	ORDERS_DELIVERED,
	ORDERS_UNDELIVERED,
	ORDERS_RESULTS
};
uint64_t ca_orders_counted(struct ca *ca, enum orders_result result);

/* What is there now, a few seconds old at most. */
struct ca_orders_numbers {
	uint64_t open[ORDER_ISSUED]; /* by enum record_order_status: those that are not over */
	uint64_t deliveries_waiting, deliveries_dead;
};
void ca_orders_numbers(struct ca *ca, struct ca_orders_numbers *out);
/* False where none are kept, or they are older. */
bool ca_orders_numbers_kept(struct ca *ca, int64_t most_ms, struct ca_orders_numbers *out);
void ca_orders_numbers_keep(struct ca *ca, const struct ca_orders_numbers *numbers);

#endif
