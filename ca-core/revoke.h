/*
 * ca-core/revoke.h - revoke, hold, take back a hold.
 *
 * Thread-safety: any thread.
 * Source: RFC 5280 sections 3.3 and 5.3, BR 4.9.1 and 7.2.2, PKI.md section 6.
 */
#ifndef CHANCERY_CA_REVOKE_H
#define CHANCERY_CA_REVOKE_H

#include "ca-core/ca_private.h"

/* MSG_STATUS_CHANGE: decides, commits with the audit entry, appends the payload of
 * MSG_STATUS_CHANGED to out. The list that carries it is made soon after, by who listens on
 * on_crl_due. Asking again for what is so already changes nothing and succeeds.
 *
 * A revoked certificate's reason may later change only to keyCompromise, which also blocks
 * the key and names (with same_key_too: revokes, as far as the actor may) every other
 * certificate of that key. A serial that a crash left unfinished may be revoked by an
 * officer: it then stands on every issuer's list, for nobody knows whose it would have been.
 * ERR_NOT_FOUND, ERR_ROLE_REQUIRED, ERR_ORDER_STATE, ERR_BAD_REQUEST (reason, date), and what the store gives. */
int ca_revoke(struct ca *ca, const struct ca_actor *actor, const struct message_status_change *request, struct buf *out,
	      struct error *err);

/* Adds the revocation of one certificate to a batch that does more (an identity that is removed): expectation,
 * record, audit entry, block of the key where the reason asks for it. Nothing where it is revoked already. */
int ca_revoke_in_batch(struct ca *ca, const struct ca_actor *actor, struct store_snapshot *snap,
		       struct store_batch *batch, struct bytes serial, enum record_reason reason, struct error *err);

/* Tells those who keep sessions and lists, after such a batch was committed. serial: content octets. */
void ca_revoke_announce(struct ca *ca, struct bytes serial);

#endif
