/*
 * ca-core/inventory.h - "what did we issue?": look-ups and pages of the inventory.
 *
 * Deciding part: it reads the store and knows who may see what (PKI.md section 5): officers
 * and auditors see all, everyone else what they requested themselves.
 * Thread-safety: every function works on its arguments and a snapshot of its own.
 */
#ifndef CHANCERY_CA_INVENTORY_H
#define CHANCERY_CA_INVENTORY_H

#include "ca-core/ca.h"
#include "store/record.h"

/* Finds a certificate of any configured issuer by its serial (content octets). key (may be
 * NULL) gets the record's key, appended; version may be NULL. record borrows from the
 * snapshot. 1 found, 0 not, -1 error. */
int ca_inventory_find(struct store_snapshot *snap, const struct ca_config *config, struct bytes serial,
		      struct record_certificate *record, struct buf *key, uint64_t *version, struct error *err);

/* Whether actor may see this record. */
bool ca_inventory_may_see(const struct ca_actor *actor, const struct record_certificate *record);

/* A record as a message row; certificate only where with_certificate. Borrows from record. */
void ca_inventory_row(const struct record_certificate *record, bool with_certificate, struct message_certificate *row);

/* MSG_CERTIFICATE_GET: appends the payload of MSG_CERTIFICATE. ERR_NOT_FOUND also where the
 * actor may not see it, so that nobody learns of others' serials. */
int ca_inventory_get(struct store *store, const struct ca_config *config, const struct ca_actor *actor,
		     struct bytes serial, struct buf *out, struct error *err);

/* MSG_CERTIFICATE_LIST: appends the payload of MSG_CERTIFICATES. Newest first; with
 * expiring_before_s the one that expires next first. One call looks at a bounded number of
 * records: a page may hold fewer than limit, even none, and still have a next. ERR_BAD_REQUEST for a
 * cursor that is not ours. */
int ca_inventory_list(struct store *store, const struct ca_actor *actor, const struct message_certificate_list *request,
		      const struct clock *clock, struct buf *out, struct error *err);

#endif
