/*
 * tests/unit/store/fixture_order.h - orders, organizations and statements to put into a store.
 */
#ifndef CHANCERY_TESTS_STORE_FIXTURE_ORDER_H
#define CHANCERY_TESTS_STORE_FIXTURE_ORDER_H

#include "store/record_order.h"
#include "tests/unit/store/fixture.h"

/* An order with something in each field that a status allows: two names, an approval, a contact. In the fixture's own
 * memory, as all of these; borrows id and serial. */
struct record_order *fixture_order(const char *id, enum record_order_status status, struct bytes serial);
/* Version 1 of an organization, vetted. */
struct record_organization *fixture_organization(const char *id);
/* What `by` says about the subject ("order ID"); its key. */
struct record_statement *fixture_statement(const char *by, const char *subject, uint8_t key[32]);

/* Add to a batch under the record's own key; an organization also as that version of it. */
void fixture_add_order(struct store_batch *b, const struct record_order *r);
void fixture_add_organization(struct store_batch *b, const struct record_organization *r);
void fixture_add_statement(struct store_batch *b, const struct record_statement *r);
void fixture_add_authorization(struct store_batch *b, const char *owner, const char *name, int64_t expires_s);
/* number: tells deliveries of the same time apart. */
void fixture_add_delivery(struct store_batch *b, uint64_t number, int64_t created_ms, int64_t due_ms);
/* A batch with the order's new record alone, submitted. */
void fixture_put_order(struct store *s, const struct record_order *r);
/* An organization, two statements about orders "o1" and "o2", and these orders: the first issued, the second waits for
 * its second approval. What the check is to find whole. Gives the two serials. */
void fixture_put_story(struct store *s, struct store_serial serials[2]);

#endif
