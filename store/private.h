/*
 * store/private.h - what the files of store/ share, and nobody else sees.
 *
 *     batch.c    collects what a batch expects and changes, index entries derived
 *     write.c    the writer thread: groups batches into one commit, answers them
 *     apply.c    one batch inside a write transaction
 *     expire.c   what has had its time is forgotten
 *     read.c     snapshots
 *     ledger.c   serials: blocks, high-water mark
 *     ledger_old.c   what a crash left open
 *     space.c    room on disk and in the map, the reserve
 *     lmdb.c     environment, tables, LMDB's errors as ours
 *     open.c     opening, closing, status
 *     check.c    everything against everything
 *     check_order.c   what orders and organizations refer to
 *     backup.c   a copy while writing goes on
 *
 * Databases in the environment: one a table, one an index (DUPSORT: index key -> record
 * key), "chain" (name, 0x00, sequence -> hash, entry), "ledger" (store/ledger.c), "system"
 * ("format" -> u32).
 *
 * A stored record: u64 version, u8 length of the node's name, the name of the node that
 * wrote it, the record.
 */
#ifndef CHANCERY_STORE_PRIVATE_H
#define CHANCERY_STORE_PRIVATE_H

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/queue.h"
#include "store/record.h"
#include "store/store.h"

#define STORE_FORMAT 2 /* 2: orders, and what belongs to them */
#define STORE_NODE_MAX 32
#define STORE_CHAIN_MAX 32
#define STORE_GROUP_MAX 256   /* batches in one commit */
#define STORE_QUEUE_MAX 8192  /* batches waiting */
#define STORE_READERS_MAX 256 /* snapshots at once, of all processes */

/* ---- index.c ---- */

/* The indexes' entries of one record, appended to out, each: u8 index, u16 length, index key;
 * none twice. The record must decode and agree with its key. ERR_INTEGRITY. */
int index_derive(enum store_table table, struct bytes key, struct bytes record, struct buf *out, struct error *err);
/* The next of them; false at the end. */
bool index_next(struct bytes *entries, enum store_index *index, struct bytes *index_key);
/* True where entries (of index_derive) has this one. */
bool index_contains(struct bytes entries, enum store_index index, struct bytes index_key);
/* The table that an index leads to. */
enum store_table index_table(enum store_index index);

/* ---- batch.c ---- */

enum op_kind { OP_EXPECT_ABSENT, OP_EXPECT_VERSION, OP_PUT, OP_DELETE, OP_APPEND };

/* A part of the batch's bytes: they may move while the batch grows. */
struct span {
	size_t at, len;
};

struct op {
	enum op_kind kind;
	enum store_table table;
	struct span key;     /* of the record; the chain's name for OP_APPEND */
	struct span value;   /* as it is stored, version to be filled in; for OP_APPEND 32 octets
				for the hash, then the entry */
	struct span entries; /* of the indexes */
	uint64_t version;    /* expected */
};

struct store_batch {
	struct store *store;
	store_done *done;
	void *arg;
	struct store_outcome outcome;
	enum err_code failed; /* while it was filled: it will be refused */
	char why[128];
	bool use_reserve, settled;
	struct op *ops;
	size_t count, capacity;
	struct buf bytes;
	struct store_batch *next; /* in the pool; batch_pool.lock */
};

/* Batches that wait to be used again, with their memory. */
struct batch_pool {
	pthread_mutex_t lock; /* for all that follows */
	struct store_batch *first;
	size_t count;
};
void batch_pool_init(struct batch_pool *pool);
void batch_pool_free(struct batch_pool *pool);
static inline struct bytes batch_bytes(const struct store_batch *b, struct span span)
{
	return BYTES(b->bytes.data + span.at, span.len);
}

/* Writes version, node and record as they are stored. */
void envelope_add(struct buf *out, uint64_t version, const char *node, struct bytes record);
void envelope_set_version(uint8_t *stored, uint64_t version);
/* ERR_INTEGRITY. node may be NULL. */
int envelope_parse(struct bytes stored, struct bytes *record, uint64_t *version, struct bytes *node, struct error *err);

/* ---- lmdb.c ---- */

/* 0: not there, in a store of an older format that was opened for reading; such a table is empty. */
struct tables {
	MDB_dbi table[STORE_TABLE_COUNT];
	MDB_dbi index[STORE_INDEX_COUNT];
	MDB_dbi chain, ledger, system;
};

/* An LMDB result as an error. ERR_STORE_FULL, ERR_INTEGRITY, ERR_BUSY or ERR_IO. Returns -1. */
int lmdb_error(struct error *err, int rc, const char *what);
/* Opens or makes the environment and its tables; brings an older format up to the present one, unless for reading. */
int lmdb_open(const struct store_options *options, MDB_env **env, struct tables *tables, struct error *err);
static inline MDB_val lmdb_val(struct bytes b)
{
	return (MDB_val){ b.len, (void *)(uintptr_t)b.data };
}
static inline struct bytes lmdb_bytes(MDB_val v)
{
	return BYTES(v.mv_data, v.mv_size);
}

/* As LMDB's own; of a table that is not there: MDB_NOTFOUND. */
static inline int lmdb_get(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *value)
{
	return dbi ? mdb_get(txn, dbi, key, value) : MDB_NOTFOUND;
}
static inline int lmdb_cursor(MDB_txn *txn, MDB_dbi dbi, MDB_cursor **cursor)
{
	return dbi ? mdb_cursor_open(txn, dbi, cursor) : MDB_NOTFOUND;
}
/* Number of entries. */
static inline int lmdb_count(MDB_txn *txn, MDB_dbi dbi, uint64_t *count)
{
	MDB_stat stat = { .ms_entries = 0 };
	int rc = dbi ? mdb_stat(txn, dbi, &stat) : 0;
	*count = stat.ms_entries;
	return rc;
}

/* An abandoned transaction or open cursor of a local. */
CLEANUP_POINTER(mdb_txn, MDB_txn, mdb_txn_abort)
CLEANUP_POINTER(mdb_cursor, MDB_cursor, mdb_cursor_close)
#define auto_mdb_txn CLEANUP(mdb_txn_cleanup) MDB_txn
#define auto_mdb_cursor CLEANUP(mdb_cursor_cleanup) MDB_cursor

/* The key of a chain's entry, appended. */
void chain_key(struct buf *out, struct bytes chain, uint64_t sequence);
/* The chain's last entry; sequence 0 where there is none. 0 or an LMDB result. */
int chain_last(MDB_txn *txn, const struct tables *tables, struct bytes chain, struct store_head *head);

/* ---- space.c ---- */

struct space {
	pthread_mutex_t lock; /* for what is not atomic */
	const char *folder;   /* borrowed from the store */
	MDB_env *env;
	size_t reserve;      /* bytes of disk and map that only reserve batches may use */
	int reserve_fd;      /* the file that holds them, or -1 */
	size_t held;         /* its size */
	uint64_t free_bytes; /* of disk (with what is held) or map, whichever is less */
	atomic_bool low;
	_Atomic int64_t checked_ms; /* CLOCK_MONOTONIC */
};

/* Makes the reserve file where there is room. */
int space_open(struct space *space, const char *folder, MDB_env *env, size_t reserve, struct error *err);
void space_close(struct space *space);
/* Looks again if the last look is older than 100 ms (or at once: now); true below the reserve. */
bool space_is_low(struct space *space, bool now);
/* After a commit found no room: gives a part of the held reserve back to the file system;
 * false when nothing is left to give. */
bool space_release(struct space *space);

/* ---- ledger.c ---- */

#define LEDGER_BLOCK 256
#define LEDGER_PREFIX 6            /* octets of milliseconds */
#define LEDGER_PLACE LEDGER_PREFIX /* the octet with the place in its block */
#define LEDGER_SERIAL 19

struct ledger;

/* Reads what an earlier run left open into STORE_UNFINISHED records, and stages a first block,
 * all in txn; ledger_committed or ledger_aborted says what became of it. found counts the
 * serials that were settled. NULL: ERR_INTEGRITY, ERR_IO, ERR_STORE_FULL. */
struct ledger *ledger_open(MDB_txn *txn, const struct tables *tables, const char *node, struct clock clock,
			   uint64_t *found, struct error *err);
void ledger_free(struct ledger *l);
/* 1 taken, 0 none ready now (wait with ledger_wait). From any thread. */
int ledger_take(struct ledger *l, struct store_serial *serial);
/* Waits until a commit made serials ready, at most timeout_ms; as ledger_take. */
int ledger_wait(struct ledger *l, struct store_serial *serial, int64_t timeout_ms);
void ledger_void(struct ledger *l, const struct store_serial *serial);
/* True where a commit should come even if no batch asks for one. */
bool ledger_is_starved(struct ledger *l);
bool ledger_has_voids(struct ledger *l);
/* Writer thread: a record that accounts for this serial is in the present transaction: a certificate's, an order's,
 * an unfinished one's. */
void ledger_saw(struct ledger *l, struct bytes serial);
/* Writer thread: records a serial that an order held and that stands nowhere now. 0 or an LMDB result. */
int ledger_leave_unfinished(const struct ledger *l, MDB_txn *txn, const struct tables *tables, struct bytes serial);
/* Writer thread, last before the commit: voids, a next block (where may_grow), the mark. 0 or
 * an LMDB result. */
int ledger_stage(struct ledger *l, MDB_txn *txn, const struct tables *tables, bool may_grow);
/* Writer thread, at an orderly end: nothing stays open. */
int ledger_stage_close(struct ledger *l, MDB_txn *txn, const struct tables *tables);
void ledger_committed(struct ledger *l);
void ledger_aborted(struct ledger *l);
/* The key of a node's mark, and what its blocks' keys begin with; appended. */
void ledger_add_key(struct buf *out, const char *node);

/* ---- ledger_old.c ---- */

/* Settles the blocks that an earlier run of this node left: serials below the mark that stand
 * nowhere become unfinished, counted in found; the blocks go. 0 or an LMDB result. */
int ledger_settle_old(MDB_txn *txn, const struct tables *tables, const char *node, uint64_t mark, int64_t now_ms,
		      uint64_t *found);
/* Records a serial without certificate, unless it is recorded already. 0 or an LMDB result. */
int ledger_put_unfinished(MDB_txn *txn, const struct tables *tables, const char *node, struct bytes serial,
			  int64_t now_ms, bool is_void);
/* The issuers that have certificates: each name followed by 0x00. 0 or an LMDB result. */
int ledger_list_issuers(MDB_txn *txn, const struct tables *tables, struct buf *issuers);
/* 0 where a certificate of one of the issuers has this serial, MDB_NOTFOUND where none has. */
int ledger_find_certificate(MDB_txn *txn, const struct tables *tables, const struct buf *issuers, struct bytes serial);
/* 0 where a certificate, an order or an unfinished record has this serial, MDB_NOTFOUND where none has. */
int ledger_find(MDB_txn *txn, const struct tables *tables, const struct buf *issuers, struct bytes serial);
/* Looks at one entry of the table "ledger": NULL where it is as it should be, or what is wrong. */
const char *ledger_fault(struct bytes key, struct bytes value);
/* Of such an entry: a mark goes into *mark, false; of a block the position of its first serial into *first, true. */
bool ledger_parse(struct bytes key, struct bytes value, uint64_t *first, uint64_t *mark);

/* ---- apply.c: writer thread ---- */

struct chain_state {
	char name[STORE_CHAIN_MAX + 1];
	struct store_head head;
};
#define STORE_CHAINS_MAX 64

/* One write transaction and what has to be known besides. */
struct apply {
	MDB_txn *txn;
	const struct tables *tables;
	struct ledger *ledger;
	struct chain_state chains[STORE_CHAINS_MAX]; /* heads as of txn; forgotten when it is aborted */
	size_t chain_count;
	int64_t unfinished;          /* change of their number in this transaction */
	struct buf dropped;          /* serials that orders held before the present batch, each a field */
	struct buf old, old_entries; /* scratch */
};

/* Looks at the expectations, then applies the changes; sets outcome. 0, or an LMDB result with
 * which the whole transaction has to be abandoned. */
int apply_batch(struct apply *a, struct store_batch *b);

/* ---- the store ---- */

struct store {
	char *path, *node;
	struct clock clock;
	bool read_only;
	MDB_env *env;
	struct tables tables;
	int lock_fd; /* held locked by the one writing process */
	struct space space;
	struct ledger *ledger;

	struct queue *queue;
	struct store_batch kick; /* queued to wake the writer, carries nothing */
	atomic_bool kicked, expire_wanted, broken;
	atomic_int coming; /* batches that are on the way */
	pthread_t writer;
	bool writer_runs;
	struct apply apply; /* the writer's */
	struct batch_pool batches;
	_Atomic uint64_t commits, batch_count, unfinished;

	pthread_mutex_t snapshots_lock;   /* for the two that follow */
	struct store_snapshot *snapshots; /* to be used again */
	size_t snapshot_count;
};

/* ---- write.c ---- */
int writer_start(struct store *s, struct error *err);
/* Lets the writer finish what is queued and settles the ledger. */
void writer_stop(struct store *s);
/* Makes the writer look at the ledger and at expiry soon. */
void writer_kick(struct store *s);

/* ---- expire.c ---- */
/* Writer thread: a batch that forgets what has ended, some at a time, or NULL where nothing has. To be applied to what
 * the last commit left, before any other batch. */
struct store_batch *expire_batch(struct store *s);

/* ---- read.c ---- */
void snapshots_free(struct store *s);
MDB_txn *snapshot_txn(struct store_snapshot *snap);

#endif
