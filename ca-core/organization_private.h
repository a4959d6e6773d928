/* ca-core/organization_private.h - what organization*.c share, and what of orders follows from a change. */
#ifndef CHANCERY_CA_ORGANIZATION_PRIVATE_H
#define CHANCERY_CA_ORGANIZATION_PRIVATE_H

#include "ca-core/organization.h"

/* MSG_ORGANIZATION's payload, appended. */
int organization_show(const struct record_organization *r, int64_t now_s, struct buf *out, struct error *err);
/* ERR_NOT_FOUND, in the same words whether it is not there or not to be seen. */
int organization_not_found(struct error *err);
const char *organization_status(const struct record_organization *r, int64_t now_s);

/* Orders for it are looked at again: what people decided about them is void, or what they waited for is there. */
void ca_orders_organization_changed(struct ca *ca, struct bytes id);

CLEANUP_POINTER(ca_organization, struct ca_organization, ca_organization_free)
#define auto_ca_organization CLEANUP(ca_organization_cleanup) struct ca_organization

#endif
