/*
 * ca-core/restore.h - a store that was put back from a backup: what it has lost, and what it
 * learns again, before anyone is served from it.
 *
 *   1. `chancery store restore` marks the restored store, with the audit entry "store.restored".
 *   2. The next ca_open that publishes looks at published/ first, as the store before has left it,
 *      and writes the audit entry "audit.segment": up to where the restored log reaches, and which
 *      signed head the world has seen of the lost one. What lies between is the gap.
 *   3. Every revocation that a published list has and the store has not is taken into the store
 *      ("revocation.recovered"), then the list itself, so that numbers go on from it ("crl.recovered").
 *      Only then is published/ made anew.
 *   4. Nothing is issued or revoked until the operator has confirmed ("restore.confirmed"). Reading
 *      and lists go on.
 *   5. An order whose bytes and serial number were fixed before that gets new ones, and who approved
 *      looks again: in the gap the old ones may have been signed.
 *
 * A crash on the way is no harm: the mark in STORE_META says how far it came, each step leaves out what
 * is done already.
 *
 * Source: PKI.md section 7, last point.
 */
#ifndef CHANCERY_CA_RESTORE_H
#define CHANCERY_CA_RESTORE_H

#include "ca-core/ca_private.h"

/* Marks ca's store as restored just now from the backup in folder `backup` (for the audit). By the tool that
 * restores, before the store is in its place. What the store gives. */
int ca_restore_mark(struct ca *ca, const struct ca_actor *actor, struct bytes backup, struct error *err);

/* Steps 2 and 3 where the store is marked and ca publishes; at ca_open, before anything is published. A
 * published file that cannot be read stops it (ERR_IO): it would be overwritten. One that proves nothing (damaged, or
 * signed by no key of this store) is named in the audit and passed over. */
int ca_restore_open(struct ca *ca, struct error *err);

/* 0, or ERR_BUSY with what the operator has to do. Any thread. */
int ca_restore_check(struct ca *ca, struct error *err);

/* Step 4. ERR_NOT_FOUND where nothing waits for it. Any thread. */
int ca_restore_confirm(struct ca *ca, const struct ca_actor *actor, struct error *err);

/* ---- what published/ proves: ca-core/restore_published.c ---- */

enum ca_witness_kind {
	CA_WITNESS_ABSENT,   /* no head is published */
	CA_WITNESS_UNUSABLE, /* it proves nothing: `why` */
	CA_WITNESS_GOOD,     /* a head of this CA, signed by its audit key */
};
struct ca_witness {
	enum ca_witness_kind kind;
	uint64_t sequence;
	uint8_t hash[32];
	int64_t time_s;
	char why[256];
};
/* published/audit/head. ERR_IO. */
int ca_restore_read_head(struct ca *ca, struct ca_witness *out, struct error *err);

/* published/crl/NAME.crl, appended to der: 1 a list that the issuer has signed (crl borrows from der), 0 none, or
 * one that proves nothing (said in the log), -1 ERR_IO. */
struct ca_crl;
int ca_restore_read_list(struct ca *ca, struct ca_issuer *issuer, struct buf *der, struct ca_crl *crl,
			 struct error *err);

#endif
