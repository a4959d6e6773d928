/*
 * ca-core/import.h - what a ceremony made comes into the CA: certificates of issuers, cross-certificates, new roots,
 * lists of the roots.
 *
 * All of it goes one way: sorted (which of it is whose) -> checked (read anew, signature, lint, the token's key) ->
 * one batch with its audit entries -> taken into use: published, the first list of a new issuer made, and then the
 * issuer signs for those that it follows. One part that is wrong, and nothing of it comes in. What is there
 * already is passed over, so that an import can be made again.
 *
 * Thread-safety: any thread; one import at a time.
 */
#ifndef CHANCERY_CA_IMPORT_H
#define CHANCERY_CA_IMPORT_H

#include "ca-core/ca_private.h"

/* out gets a row for each item; its texts borrow from the configuration, or are constant. The issuers that certificates
 * and lists are of are those of the configuration: by the item's name, else by the key. ERR_INTEGRITY: a part
 * is not what it should be; ERR_CONFLICT: the CA has another in its place, or a serial number was used before; ERR_CONFIG:
 * the configuration says otherwise; ERR_TOKEN_UNAVAILABLE: the token with an issuer's key is away; ERR_NOT_FOUND:
 * nothing in it is of this CA. */
int ca_import(struct ca *ca, const struct ca_actor *actor, const struct message_import *in,
	      struct message_imported *out, struct error *err);

/* ---- cross-certificates: STORE_META, + name of the issuer whose key they certify: their DER, one behind the other ---- */
#define CA_META_CROSS "cross/"
/* Appends them as PEM: those of the issuer and of the issuers above it. */
int ca_cross_add_pem(struct ca *ca, const struct ca_issuer *issuer, struct buf *pem, struct error *err);

#endif
