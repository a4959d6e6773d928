/*
 * ca-core/explain.h - why a certificate is as it is, or an order not yet issued: one JSON text that
 * proves itself by what it holds. Thread-safety: any thread. Source: PKI.md section 7.
 */
#ifndef CHANCERY_CA_EXPLAIN_H
#define CHANCERY_CA_EXPLAIN_H

#include "ca-core/ca_private.h"

/* what: an order's id, or a serial in hex. Appends the JSON. For who may see the order or certificate.
 * ERR_NOT_FOUND. */
int ca_explain(struct ca *ca, const struct ca_actor *actor, struct bytes what, struct buf *out, struct error *err);

#endif
