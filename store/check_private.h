/*
 * store/check_private.h - the check while it runs, for the files that it consists of.
 */
#ifndef CHANCERY_STORE_CHECK_PRIVATE_H
#define CHANCERY_STORE_CHECK_PRIVATE_H

#include "store/private.h"
#include "store/record_order.h"

struct check {
	MDB_txn *txn;
	const struct tables *tables;
	void (*report)(void *arg, const char *line);
	void (*progress)(void *arg, uint64_t done, uint64_t all);
	void *arg;
	uint64_t findings, done, all;
	uint64_t entries[STORE_INDEX_COUNT]; /* that the records ask for */
	bool suspect[STORE_INDEX_COUNT];     /* an entry was missing: others may be too many */
	MDB_cursor *index[STORE_INDEX_COUNT];
	struct buf issuers; /* that have certificates: ledger_list_issuers */
	struct buf derived, scratch, key;
	/* large: the record that is looked at, and one that it refers to */
	struct record_order order;
	struct record_organization organization;
	struct record_certificate certificate;
};

/* One line of the report. */
void check_find(struct check *c, const char *where, struct bytes key, const char *what);
/* The record at a key, without its envelope. 0, MDB_NOTFOUND, EBADMSG, or an LMDB result. */
int check_get(struct check *c, enum store_table table, struct bytes key, struct bytes *record);

/* ---- check_order.c ---- */

/* What a record that decodes and agrees with its key refers to. 0 or an LMDB result. */
int check_references(struct check *c, enum store_table table, struct bytes key, struct bytes record);

#endif
