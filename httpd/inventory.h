/*
 * httpd/inventory.h - what the certificate rows of the API share.
 *
 * Thread-safety: every function works only on its arguments.
 */
#ifndef CHANCERY_HTTPD_INVENTORY_H
#define CHANCERY_HTTPD_INVENTORY_H

#include "httpd/request.h"

/* The serial in the path: lower-case hex of 1 to 20 octets. ERR_NOT_FOUND: nothing else can be one. */
int inventory_serial(const struct request *r, struct buf *serial, struct error *err);

/* RFC 5280 section 5.3.1's name of a reason, "unspecified" for one that has none; and back.
 * ERR_BAD_REQUEST with the list as `allowed`. */
const char *inventory_reason_name(uint8_t reason);
int inventory_reason(struct bytes name, uint8_t *reason, struct error *err);

/* "removeFromCRL": the end of a hold. */
#define INVENTORY_REMOVE_FROM_CRL 8
#define INVENTORY_CERTIFICATE_HOLD 6

/* "valid", "revoked", "held"; and back (0 and ERR_BAD_REQUEST for another). */
const char *inventory_status_name(uint8_t status);
int inventory_status(struct bytes name, uint8_t *status, struct error *err);

#endif
