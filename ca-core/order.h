/*
 * ca-core/order.h - orders: what is asked for, until it is issued or ends otherwise.
 *
 *     draft -> pending-validation -> pending-approval -> ready -> issuing -> issued
 *     or denied, cancelled, expired, failed
 *
 * An order is one record; each change of it is one batch with its audit entry, under the version
 * that the decision read (store_expect_version): of two at once one is asked to look again, and is
 * tried again here. What has to happen by itself (checks, expiry, deadlines, issuing) is found by
 * STORE_BY_DUE; nothing is remembered outside the store but which checks are under way.
 *
 *   order.c           made, changed, submitted, copied, cancelled
 *   order_request.c   a request for a certificate that becomes an order
 *   order_work.c      one change of one order: look, decide, commit, again
 *   order_state.c     what each state leads to, and what takes it back
 *   order_validate.c  names: ways to show them, grants, what was shown before
 *   order_check.c     checks by the validator, CAA; order_mail.c: codes by mail
 *   order_tbs.c       the bytes that people decide about
 *   order_approve.c   statements, officers, deadlines
 *   order_issue.c     ready -> issuing -> issued: everything once more against the same bytes, sign, commit
 *   order_due.c       what is due by the clock; order_organization.c: what a changed record does
 *   order_show.c      as MSG_ORDER; what it waits for, in words; order_list.c: MSG_ORDERS
 *   orders.c          what is under way between two processes, and being issued
 *   policy_dv.c, policy_ov.c, policy_ev.c   what each validation asks for, a page each
 *
 * Thread-safety: every function may be called from any thread. Source: PKI.md sections 3 to 5.
 */
#ifndef CHANCERY_CA_ORDER_H
#define CHANCERY_CA_ORDER_H

#include "ca-core/ca_private.h"
#include "ca-core/message_order.h"
#include "store/record_order.h"

/* ---- what requesters and officers do; each appends the payload of MSG_ORDER to out ---- */

/* ERR_* of every refusal that ca_issue makes of the request itself (profile, names, key, blocked key), and
 * ERR_ORGANIZATION_NOT_VALID where the profile needs one that is not there, not vetted, or not the actor's to act for. */
int ca_order_create(struct ca *ca, const struct ca_actor *actor, const struct message_order_create *request,
		    struct buf *out, struct error *err);
int ca_order_change(struct ca *ca, const struct ca_actor *actor, const struct message_order_create *request,
		    struct buf *out, struct error *err); /* ERR_ORDER_STATE: no draft */
int ca_order_act(struct ca *ca, const struct ca_actor *actor, const struct message_order_act *request, struct buf *out,
		 struct error *err);
/* Approve or deny. ERR_APPROVAL_NOT_ALLOWED: not an officer, the requester himself, the second time, a
 * certificate that is not his enrolled one. ERR_APPROVAL_MISMATCH: another order, hash or CA, a bad
 * signature, a time that is off, a statement that was used before. ERR_ORDER_STATE: nothing to approve (any more). */
int ca_order_decide(struct ca *ca, const struct ca_actor *actor, const struct message_decide *request, struct buf *out,
		    struct error *err);
/* Seen by its requester, officers and auditors; for everybody else it is not found. */
int ca_order_get(struct ca *ca, const struct ca_actor *actor, struct bytes id, struct buf *out, struct error *err);
int ca_order_list(struct ca *ca, const struct ca_actor *actor, const struct message_order_list *request,
		  struct buf *out, struct error *err);
int ca_order_tbs(struct ca *ca, const struct ca_actor *actor, struct bytes id, struct buf *out, struct error *err);

/* True where `identity` could show the names of a request under this profile by an order: what ca_issue refused for
 * want of a grant is then answered with one. */
bool ca_order_could_show(struct ca *ca, const char *identity, const struct ca_profile *profile,
			 const struct ca_names *names);

/* ---- what happens by itself: called by the signer's order thread ---- */

/* The signer's channel to the validator. send returns -1 where the validator is not there; it must not wait, nor
 * answer before it returns. Answers come by ca_order_validated and ca_delivered, in any order, perhaps never. */
struct ca_validator {
	int (*send)(void *arg, uint16_t type, uint64_t id, struct bytes payload, struct error *err);
	void *arg;
};
/* Set once, before ca_orders_due is called; copied. Without one checks wait, and orders say so. */
void ca_validator_set(struct ca *ca, const struct ca_validator *validator);
/* The key of webhooks' signatures, taken over; set once. Without one they are not signed. */
struct secret;
void ca_webhook_secret_set(struct ca *ca, struct secret *secret);
/* Does what is due now, at most `most` orders; sends checks. Returns when it wants to be called again (CLOCK_MONOTONIC
 * ms); at once again where more is due. */
int64_t ca_orders_due(struct ca *ca, size_t most);
void ca_order_validated(struct ca *ca, uint64_t id, const struct message_validated *seen);
/* The validator can be asked from now on: what waited for it is not put off any more. */
void ca_orders_validator_came(struct ca *ca);
/* The validator went: what was under way is due again. */
void ca_orders_validator_lost(struct ca *ca);

/* ---- notify.c: mails and webhooks, from the outbox in the store ---- */

/* Adds the deliveries that an event of an order causes to the batch that makes the event. */
void ca_notify_order(struct ca *ca, const struct record_order *o, const char *event, struct store_batch *batch);
int64_t ca_deliveries_due(struct ca *ca, size_t most); /* as ca_orders_due */
void ca_delivered(struct ca *ca, uint64_t id, const struct message_delivered *result);
/* Once a day at least: certificates that end in 30, 14, 7, 1 days. As ca_orders_due. */
int64_t ca_notify_expiring(struct ca *ca);
/* How many deliveries wait, and how many are dead: kept for the operator, tried no more. */
int ca_deliveries_count(struct ca *ca, uint64_t *waiting, uint64_t *dead, struct error *err);

#endif
