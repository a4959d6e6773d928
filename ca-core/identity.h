/*
 * ca-core/identity.h - who may ask: identities with their certificates and roles, and API tokens.
 *
 * All of this grants power and comes through STATE/admin.sock alone. Each change is one batch
 * with its audit entry: an identity never points to a certificate that is not there. Removed ones
 * stay on record, and their names are taken back only by force.
 * ca_identity_add is in ca-core/ca.h.
 *
 * Thread-safety: any thread. Source: PKI.md section 5, DESIGN section 1.
 */
#ifndef CHANCERY_CA_IDENTITY_H
#define CHANCERY_CA_IDENTITY_H

#include "ca-core/ca_private.h"

/* STORE_META, + SHA-256 of an enrolled certificate -> its STORE_CERTIFICATES key. */
#define CA_META_ENROLLED "enrolled/"

/* Marks it as removed and revokes all of its certificates (privilegeWithdrawn). ERR_NOT_FOUND, ERR_ORDER_STATE
 * where it is removed already. */
int ca_identity_remove(struct ca *ca, const struct ca_actor *actor, struct bytes name, struct error *err);

/* The one of that name, or all (name empty): the payload of MSG_IDENTITIES, appended. ERR_NOT_FOUND. */
int ca_identity_list(struct ca *ca, struct bytes name, struct buf *out, struct error *err);

/* request->hash is SHA-256 of the token's text, which the signer never sees. The identity must be there.
 * ERR_BAD_REQUEST, ERR_NOT_FOUND, ERR_PROFILE_UNKNOWN, ERR_CONFLICT where id or token is there already. */
int ca_apitoken_add(struct ca *ca, const struct ca_actor *actor, const struct message_apitoken *request,
		    struct error *err);
int ca_apitoken_remove(struct ca *ca, const struct ca_actor *actor, struct bytes id, struct error *err);
/* The payload of MSG_APITOKENS, appended; hashes are zeros. */
int ca_apitoken_list(struct ca *ca, struct buf *out, struct error *err);

/* The operator's key block list. One that is there already is left alone. */
int ca_key_block(struct ca *ca, const struct ca_actor *actor, const struct message_block *request, struct error *err);

#endif
