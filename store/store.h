/*
 * store/store.h - what must survive: records, indexes, audit chains, serials.
 *
 * The interface is one that an embedded store (LMDB, store/lmdb*.c) and a database
 * shared by several nodes can both stand behind. So nobody outside store/ holds a write
 * transaction. A change is a BATCH: expectations about what the decision has read, and
 * changes. It is submitted, and its callback says later that it is durable, or which
 * expectation did not hold. A batch is all or nothing. Many batches share one commit
 * (group commit by one writer thread): one that fails does so alone.
 *
 * Reads are SNAPSHOTS: consistent, never blocked by the writer, short-lived.
 *
 * A record is bytes with a version number that grows by one with each put. What the bytes
 * mean stands in store/record.h; the store derives every index from them by one function
 * (store/index.c), in the same transaction, so that an index can be checked and rebuilt.
 *
 * An audit CHAIN is append-only: the writer gives the sequence number (from 1) and the
 * hash, SHA-256(hash of the previous entry, 32 zero octets for the first || entry).
 *
 * Only the signer, and tools that run as its user, open a store.
 * Thread-safety: every function may be called from any thread, except that one batch and
 * one snapshot belong to one thread at a time.
 */
#ifndef CHANCERY_STORE_STORE_H
#define CHANCERY_STORE_STORE_H

#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"

struct store;
struct store_batch;
struct store_snapshot;

enum store_table {
	STORE_CERTIFICATES, /* issuer name, 0x00, serial -> struct record_certificate */
	STORE_IDENTITIES,   /* name -> struct record_identity */
	STORE_APITOKENS,    /* SHA-256 of the token -> struct record_apitoken */
	STORE_REQUESTS,     /* requester, 0x00, idempotency key -> struct record_request */
	STORE_CRLS,         /* issuer name -> struct record_crl: the present one */
	STORE_BLOCKED,      /* SHA-256 of an spki -> struct record_blocked */
	STORE_UNFINISHED,   /* serial -> struct record_unfinished: handed out, no certificate */
	STORE_HEADS,        /* sequence number, 8 octets -> struct record_head: signed heads */
	STORE_META,         /* name -> bytes: small facts of the deciding code */
	/* of people's decisions: store/record_order.h */
	STORE_ORDERS,                /* id -> struct record_order */
	STORE_AUTHORIZATIONS,        /* owner, 0x00, name -> struct record_authorization: the latest */
	STORE_ORGANIZATIONS,         /* id -> struct record_organization: the present version */
	STORE_ORGANIZATION_VERSIONS, /* id, 0x00, version -> struct record_organization: as each version was last */
	STORE_STATEMENTS,            /* SHA-256 of the text -> struct record_statement */
	STORE_DELIVERIES,            /* created, 8 octets, random, 8 octets -> struct record_delivery */
	STORE_TABLE_COUNT
};
const char *store_table_name(enum store_table table);

/* Each entry leads to one record: the index key, as store/record.h builds it. */
enum store_index {
	STORE_BY_NAME,        /* certificates: a name, its labels reversed ("test.example.www") */
	STORE_BY_SPKI,        /* certificates: SHA-256 of the spki */
	STORE_BY_NOT_AFTER,   /* certificates: notAfter, 8 octets */
	STORE_BY_ISSUED,      /* certificates: when issued, 8 octets (milliseconds) */
	STORE_BY_REVOCATION,  /* revoked or held certificates: issuer name, 0x00, when, 8 octets (ms) */
	STORE_BY_REQUESTER,   /* certificates: requester's name, 0x00, when issued, 8 octets */
	STORE_BY_FINGERPRINT, /* identities: SHA-256 of each certificate that is enrolled */
	STORE_BY_EXPIRY,      /* requests: when they end, 8 octets (seconds) */
	STORE_BY_ORDERED,     /* orders: requester's name, 0x00, when created, 8 octets (ms) */
	STORE_BY_STATUS,      /* orders: status, 1 octet, when created, 8 octets (ms) */
	STORE_BY_DUE,         /* orders that are due some time: when, 8 octets (ms) */
	STORE_BY_SERIAL,      /* orders that hold a serial: that serial */
	STORE_BY_DELIVERY,    /* deliveries that are due some time: when, 8 octets (ms) */
	STORE_BY_LAPSE,       /* authorizations: when they end, 8 octets (seconds) */
	STORE_INDEX_COUNT
};
const char *store_index_name(enum store_index index);

#define STORE_KEY_MAX 511
#define STORE_VALUE_MAX ((size_t)256 << 20)

/* ---- opening ---- */
struct store_options {
	const char *path; /* folder, exists, 0700 */
	const char *node; /* 1 to 32 characters [a-z0-9-]: written into records and serials' ledger */
	struct clock clock;
	size_t map_bytes;     /* 0: 64 GiB, sparse */
	size_t reserve_bytes; /* 0: 64 MiB kept of disk and map for revocation, audit, CRLs */
	bool create;          /* make a new store where there is none; else ERR_NOT_FOUND */
	bool read_only;       /* for check and backup; batches are refused */
};
/* Locks the store for this process (a second writer gets ERR_CONFLICT with the first one's
 * pid), starts the writer thread, settles the serials of a crash into STORE_UNFINISHED.
 * ERR_NOT_FOUND; ERR_INTEGRITY: a newer format, or damage; ERR_STORE_FULL, ERR_IO. A process
 * opens one store once at a time (LMDB's own locks do not tell two openings apart). */
struct store *store_open(const struct store_options *options, struct error *err);
/* Waits for submitted batches, returns unused serials, closes. */
void store_close(struct store *s);

/* ---- batches ---- */
enum store_result {
	STORE_COMMITTED,   /* durable */
	STORE_EXPECTATION, /* nothing was changed; `failed` tells which expectation, from 0 */
	STORE_FULL,        /* nothing was changed; no room */
	STORE_FAILED,      /* nothing was changed; the log has the reason */
	STORE_UNKNOWN,     /* the connection went during the commit: look for the batch's records */
};
struct store_outcome {
	enum store_result result;
	size_t failed;
	uint64_t sequence; /* of the last append of this batch, else 0 */
	uint8_t hash[32];  /* chain hash after it */
};
/* Called once, on the writer's thread, after the commit that carries the batch. Must not
 * block, nor take serials; may submit further batches (never wait for them). */
typedef void store_done(void *arg, const struct store_outcome *outcome);

/* Expectations are looked at before the first change of the batch, against what the batches
 * queued before it leave behind. Changes apply in the order given.
 * Batches and their memory are used again: make, fill and submit cost no allocation as a rule. */
struct store_batch *store_batch_new(struct store *s); /* NULL only without memory */
void store_batch_free(struct store_batch *b);         /* one that was not submitted */
/* All of these copy what they are given; without memory, or past the limits above, the
 * batch fails as a whole when it is submitted. */
void store_expect_absent(struct store_batch *b, enum store_table table, struct bytes key);
void store_expect_version(struct store_batch *b, enum store_table table, struct bytes key, uint64_t version);
void store_put(struct store_batch *b, enum store_table table, struct bytes key, struct bytes record);
void store_delete(struct store_batch *b, enum store_table table, struct bytes key);
void store_append(struct store_batch *b, const char *chain, struct bytes entry); /* chain: 1 to 32 characters */
/* May use the reserve (revocation, audit, CRLs, identities): not for certificates. */
void store_use_reserve(struct store_batch *b);

/* Takes the batch over in every case. -1: not queued and done will not be called
 * (ERR_STORE_FULL below the reserve, ERR_BUSY when the queue is full, ERR_INTERNAL). */
int store_submit(struct store *s, struct store_batch *b, store_done *done, void *arg, struct error *err);
/* Tells how many more (or, negative, fewer) ordinary batches are on the way: +1 when a request
 * is accepted that will submit one, -1 when it has submitted it or failed. Until three times more
 * have come than are on the way, a commit waits for them, 2 ms at most: with many clients one
 * commit carries three quarters of them, with one client nothing waits. A hint only; never blocks. */
void store_coming(struct store *s, int change);
/* Submits and waits. For start-up, tools and rare decisions, never on a request's fast path.
 * ERR_CONFLICT for an expectation; outcome (may be NULL) gets the rest. */
int store_submit_wait(struct store *s, struct store_batch *b, struct store_outcome *outcome, struct error *err);

/* ---- serials ---- */
/* A serial that stands in an order's record (record_order.serial) has left the ledger for it: it is
 * accounted for there, also after a crash. Who takes it out of the record again puts a certificate or
 * a STORE_UNFINISHED record (void_ where nothing was signed) in the same batch; where neither is there,
 * the store records it as unfinished. An order that is over may keep it beside these. */
#define STORE_SERIAL_MAX 20
struct store_serial {
	uint8_t octets[STORE_SERIAL_MAX];
	uint8_t len;
};
/* Takes the next serial of the ledger: ordered in time (48 bits of milliseconds, 8 bits of
 * its place in a block), then 96 bits from the CSPRNG; positive, DER-minimal, 19 octets;
 * unique for ever. Normally costs no I/O: blocks of 256 ride in commits that are due anyway;
 * after a rest the first few dozen callers may wait for one commit. It is accounted for by a
 * STORE_CERTIFICATES record, or after a crash as unfinished. ERR_BUSY (none within a second),
 * ERR_STORE_FULL. Not from a store_done callback: the writer cannot wait for itself.
 * Source: RFC 5280 section 4.1.2.2, BR section 7.1. */
int store_serial_take(struct store *s, struct store_serial *serial, struct error *err);
/* Gives back a serial under which nothing was signed: it is never handed out again, but is
 * recorded as void, not unfinished, with the next commit (a second later at most). Never
 * fails; what a crash overtakes is unfinished. */
void store_serial_void(struct store *s, const struct store_serial *serial);

/* ---- snapshots ---- */
struct store_snapshot *store_snapshot_new(struct store *s, struct error *err);
void store_snapshot_free(struct store_snapshot *snap);

/* 1 found, 0 not, -1 error (ERR_INTEGRITY, ERR_IO). value is borrowed from the snapshot;
 * version may be NULL. */
int store_get(struct store_snapshot *snap, enum store_table table, struct bytes key, struct bytes *value,
	      uint64_t *version, struct error *err);

/* One row of a scan: all borrowed until the callback returns. index_key is empty for a scan
 * of a table. Return 0 to go on, 1 to stop; -1 stops with err set by the callback. */
struct store_row {
	struct bytes index_key;
	struct bytes key; /* of the record */
	struct bytes value;
	uint64_t version;
};
typedef int store_visit(void *arg, const struct store_row *row, struct error *err);

/* What to walk: keys that begin with prefix, from `from` on (inclusive; empty: the start),
 * then after `after_key` among equal index keys (empty: all); backwards from the end where
 * reverse (`from` then is the highest). */
struct store_range {
	struct bytes prefix, from, after_key;
	bool reverse;
};
/* 0 when the range ended or the callback stopped the walk; -1: the callback's error, ERR_INTEGRITY,
 * ERR_IO, ERR_BAD_REQUEST for a range that names more than STORE_KEY_MAX octets. In a table
 * after_key alone is enough to go on behind a record. */
int store_scan(struct store_snapshot *snap, enum store_table table, const struct store_range *range, store_visit *visit,
	       void *arg, struct error *err);
int store_scan_index(struct store_snapshot *snap, enum store_index index, const struct store_range *range,
		     store_visit *visit, void *arg, struct error *err);
/* Number of records. */
int store_count(struct store_snapshot *snap, enum store_table table, uint64_t *count, struct error *err);
/* Number of entries whose index key begins with prefix (empty: of all), without looking at the records. */
int store_count_index(struct store_snapshot *snap, enum store_index index, struct bytes prefix, uint64_t *count,
		      struct error *err);

/* ---- chains ---- */
struct store_head {
	uint64_t sequence; /* 0: nothing appended yet, hash zeros */
	uint8_t hash[32];
};
int store_chain_head(struct store_snapshot *snap, const char *chain, struct store_head *head, struct error *err);
typedef int store_visit_entry(void *arg, uint64_t sequence, const uint8_t hash[32], struct bytes entry,
			      struct error *err);
/* Entries from..to (inclusive), oldest first; results as store_scan's. */
int store_chain_scan(struct store_snapshot *snap, const char *chain, uint64_t from, uint64_t to,
		     store_visit_entry *visit, void *arg, struct error *err);

/* ---- operation ---- */
enum store_state { STORE_OK, STORE_LOW, STORE_BROKEN }; /* LOW: below the reserve, no new certificates */
struct store_status {
	enum store_state state;
	uint64_t certificates, unfinished, used_bytes, free_bytes, commits, batches, readers;
};
const char *store_state_name(enum store_state s); /* "ok", "full", "broken" */
void store_status(struct store *s, struct store_status *out);
/* Forgets idempotency requests and authorizations that ended before now, and deliveries that are dead
 * and were made more than 30 days ago; returns soon, works in the background, a few hundred a commit. */
void store_expire(struct store *s);

/* A consistent compacted copy at directory (made, 0700, must not exist) while writing goes on. */
int store_backup(struct store *s, const char *directory, struct error *err);

/* Every record decodes, every index entry leads to its record and every record has all of its
 * entries, chains hash right without gaps, every serial of the ledger is a certificate, an order's, void,
 * unfinished or still unused, and none of it twice; what orders and organizations refer to is there and
 * agrees: certificates, statements, versions. report is called with one line for each finding; progress (may be
 * NULL) with records done and in all. 0 clean; -1 ERR_INTEGRITY with the number of findings. */
int store_check(struct store *s, void (*report)(void *arg, const char *line),
		void (*progress)(void *arg, uint64_t done, uint64_t all), void *arg, struct error *err);

CLEANUP_POINTER(store_snapshot, struct store_snapshot, store_snapshot_free)
CLEANUP_POINTER(store_batch, struct store_batch, store_batch_free)
#define auto_store_snapshot CLEANUP(store_snapshot_cleanup) struct store_snapshot
#define auto_store_batch CLEANUP(store_batch_cleanup) struct store_batch

#endif
