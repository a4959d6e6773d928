/*
 * ca-core/notify.h - the outbox: mails and webhooks that go out with the change that they tell of.
 * Private to the files of orders. Thread-safety: any thread.
 */
#ifndef CHANCERY_CA_NOTIFY_H
#define CHANCERY_CA_NOTIFY_H

#include "ca-core/order.h"

/* A mail to each of the addresses (separated by commas), in the batch. about: an order's id, or a serial in hex. */
int notify_mail(struct ca *ca, struct bytes addresses, const char *subject, struct bytes text, struct bytes about,
		struct store_batch *batch, struct error *err);

#endif
