/*
 * ca-core/crl.h - revocation lists: made, checked, stored, published.
 *
 * A list goes one way: scanned from a snapshot -> signed -> read back and held against the
 * same snapshot -> committed with its audit entry -> written to published/. What fails on the
 * way leaves the list before in place.
 *
 * Thread-safety: any thread; one list at a time is made of one issuer.
 * Source: RFC 5280 section 5, PKI.md section 6.
 */
#ifndef CHANCERY_CA_CRL_H
#define CHANCERY_CA_CRL_H

#include "ca-core/ca_private.h"
#include "ca-core/crl_der.h"

/* The present list's number and end into issuer, from the store; at ca_open. */
int ca_crl_load(struct ca *ca, struct ca_issuer *issuer, struct error *err);

/* True where the issuer's list is missing or so old that a new one should be made now. */
bool ca_crl_is_due(struct ca *ca, struct ca_issuer *issuer);

/* Makes the issuer's next list, whole way. made may be NULL. ERR_TOKEN_UNAVAILABLE where its
 * key is not there, ERR_INTEGRITY where the check finds a fault, ERR_SIGNATURE_UNCERTAIN. A signature
 * that the token made, or may have made, and that became no list, is in the audit log. */
int ca_crl_make(struct ca *ca, struct ca_issuer *issuer, const struct ca_actor *actor, struct message_crl_made *made,
		struct error *err);
/* The same, signed in this token alone: for the thread that cares for it. */
int ca_crl_make_in(struct ca *ca, struct ca_issuer *issuer, const struct ca_token *token, const struct ca_actor *actor,
		   struct message_crl_made *made, struct error *err);

/* Takes a list that was signed elsewhere (the root's, whose key is not ours to use): checked
 * like our own, and newer than the present one. */
int ca_crl_import(struct ca *ca, const struct ca_actor *actor, struct bytes der, struct error *err);

/* A list from elsewhere on its way into a batch that does more: read, held against the present one, put, and once the
 * batch is durable, published. Who does it holds issuer's crl_lock from the first to the last. */
struct ca_crl_arrival {
	struct ca_crl crl;
	struct record_crl record;
	uint64_t before; /* number of the present list; 0: there is none */
	int64_t before_s;
	uint64_t version;
	bool there; /* it is the present list */
};
/* 1 newer than the present list, 0 not, -1. info: of its issuer. All borrow from der and info. ERR_INTEGRITY. */
int ca_crl_arrive(struct store_snapshot *snap, const struct ca_issuer_info *info, struct bytes arc, struct bytes der,
		  struct ca_crl_arrival *a, struct error *err);
/* Nobody who is revoked here may be missing from it. ERR_INTEGRITY. */
int ca_crl_arrival_check(struct store_snapshot *snap, const struct ca_issuer_info *info, const struct ca_crl_arrival *a,
			 struct error *err);
/* With its audit entry. */
int ca_crl_arrival_put(struct ca *ca, const struct ca_actor *actor, const struct ca_crl_arrival *a,
		       struct store_batch *batch, struct error *err);
int ca_crl_arrival_publish(struct ca *ca, struct ca_issuer *issuer, const struct ca_crl_arrival *a, struct error *err);

/* The same for a list that this CA itself has published and its store has lost: becomes the present one, so that
 * numbers go on from it. Nothing happens where it is not newer. For ca-core/restore.c, which has taken its entries. */
int ca_crl_recover(struct ca *ca, struct ca_issuer *issuer, struct bytes der, struct error *err);

/* A list's form, issuer and signature; crl borrows from der. ERR_INTEGRITY. */
int ca_crl_check_frame(const struct ca_issuer_info *info, struct bytes arc, struct bytes der, struct ca_crl *crl,
		       struct error *err);

/* published/crl/NAME.crl and .pem from the store; nothing where there is no list yet. */
int ca_crl_publish(struct ca *ca, struct ca_issuer *issuer, struct error *err);

/* What a list says, without the store: for whoever signs one elsewhere. Scans the revoked
 * certificates of info->name in the store, signs, and appends the CertificateList to out. previous_update_s:
 * thisUpdate of the list before (0: none), for the entries that have ended. */
struct ca_crl_plan {
	const struct ca_issuer_info *info;
	struct hsm_signer *signer;
	uint64_t number;
	int64_t this_update_s, next_update_s, previous_update_s;
	struct bytes arc; /* OID content: where the audit head's extension stands */
};
int ca_crl_build(struct store_snapshot *snap, const struct ca_crl_plan *plan, struct buf *out, uint64_t *entries,
		 struct error *err);
/* Reads it back: form, issuer, signature, number, times, and each entry that plan's scan gives. */
int ca_crl_check(struct store_snapshot *snap, const struct ca_crl_plan *plan, struct bytes der, struct error *err);

#endif
