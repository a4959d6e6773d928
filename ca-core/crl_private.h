/*
 * ca-core/crl_private.h - shared by crl*.c alone: what lists that are made here and lists from elsewhere have in
 * common.
 */
#ifndef CHANCERY_CA_CRL_PRIVATE_H
#define CHANCERY_CA_CRL_PRIVATE_H

#include "ca-core/crl.h"

/* Gives each entry of a list in one order, to whoever writes or checks it. */
typedef int crl_take(void *arg, const struct ca_crl_entry *entry, struct error *err);
/* Those that stand on plan's list: of plan->info->name, and that did not end before plan->previous_update_s. */
int crl_scan(struct store_snapshot *snap, const struct ca_crl_plan *plan, crl_take *take, void *arg, struct error *err);

/* The present list: 1 (record borrows from snap), 0 none, -1. */
int crl_present(struct store_snapshot *snap, const char *issuer, struct record_crl *record, uint64_t *version,
		struct error *err);
/* It is the issuer's present list. */
void crl_remember(struct ca_issuer *issuer, const struct record_crl *record);
/* The list and its audit entry into a batch. version: of the list before, 0 for none. */
int crl_put(struct ca *ca, const struct ca_actor *actor, const char *event, const struct record_crl *record,
	    uint64_t version, struct store_batch *batch, struct error *err);
/* The same as a batch of its own, waited for. */
int crl_commit(struct ca *ca, struct ca_issuer *issuer, const struct ca_actor *actor, const char *event,
	       const struct record_crl *record, uint64_t version, struct error *err);
/* published/crl/NAME.crl and .pem. */
int crl_publish(struct ca *ca, const char *name, struct bytes der, struct error *err);

#endif
