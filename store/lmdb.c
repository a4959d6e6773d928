#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "store/private.h"

#define MAP_BYTES ((size_t)64 << 30)
#define DATABASES 64
#define FORMAT_KEY "format"

static enum err_code code_of(int rc)
{
	switch (rc) {
	case ENOSPC:
	case EDQUOT:
	case MDB_MAP_FULL:
		return ERR_STORE_FULL;
	case EBADMSG: /* ours: a record that does not decode */
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_PANIC:
	case MDB_INVALID:
	case MDB_VERSION_MISMATCH:
	case MDB_INCOMPATIBLE:
		return ERR_INTEGRITY;
	case MDB_READERS_FULL:
		return ERR_BUSY;
	default:
		return ERR_IO;
	}
}

int lmdb_error(struct error *err, int rc, const char *what)
{
	return err_set(err, code_of(rc), "%s: %s", what, mdb_strerror(rc));
}

void chain_key(struct buf *out, struct bytes chain, uint64_t sequence)
{
	buf_add_bytes(out, chain);
	buf_u8(out, 0);
	buf_u64(out, sequence);
}

int chain_last(MDB_txn *txn, const struct tables *tables, struct bytes chain, struct store_head *head)
{
	*head = (struct store_head){ .sequence = 0 };
	auto_buf past = BUF_INIT;
	chain_key(&past, chain, UINT64_MAX);
	if (past.failed)
		return ENOMEM;
	auto_mdb_cursor *cursor = NULL;
	int rc = mdb_cursor_open(txn, tables->chain, &cursor);
	if (rc)
		return rc;
	MDB_val key = lmdb_val(buf_bytes(&past)), value;
	rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	rc = mdb_cursor_get(cursor, &key, &value, rc == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
	if (rc)
		return rc == MDB_NOTFOUND ? 0 : rc;
	if (key.mv_size != past.len || memcmp(key.mv_data, past.data, chain.len + 1) != 0)
		return 0; /* the end of another chain */
	if (value.mv_size < sizeof(head->hash))
		return EBADMSG;
	struct reader number = reader_of(BYTES((const uint8_t *)key.mv_data + chain.len + 1, 8));
	head->sequence = reader_u64(&number);
	memcpy(head->hash, value.mv_data, sizeof(head->hash));
	return 0;
}

/* ---- opening ---- */

/* The format that brought a table, or an index. */
static uint32_t table_since(enum store_table table)
{
	return table < STORE_ORDERS ? 1 : 2;
}

static uint32_t index_since(enum store_index index)
{
	return index < STORE_BY_ORDERED ? 1 : 2;
}

/* In a store of an older format: made where it is written to, left alone where it is only read. */
static int open_one(MDB_txn *txn, const char *name, unsigned int flags, bool newer, bool read_only, MDB_dbi *dbi)
{
	int rc = mdb_dbi_open(txn, name, flags | (newer && !read_only ? MDB_CREATE : 0), dbi);
	if (rc == MDB_NOTFOUND && newer && read_only) {
		*dbi = 0;
		return 0;
	}
	return rc;
}

/* format: what the store has; 0 for a new one. */
static int open_tables(MDB_txn *txn, uint32_t format, bool read_only, struct tables *tables)
{
	int rc = 0;
	for (enum store_table i = 0; rc == 0 && i < STORE_TABLE_COUNT; i++)
		rc = open_one(txn, store_table_name(i), 0, format < table_since(i), read_only, &tables->table[i]);
	for (enum store_index i = 0; rc == 0 && i < STORE_INDEX_COUNT; i++)
		rc = open_one(txn, store_index_name(i), MDB_DUPSORT, format < index_since(i), read_only,
			      &tables->index[i]);
	if (rc == 0)
		rc = open_one(txn, "chain", 0, format < 1, read_only, &tables->chain);
	if (rc == 0)
		rc = open_one(txn, "ledger", 0, format < 1, read_only, &tables->ledger);
	return rc;
}

static int read_format(MDB_txn *txn, const struct tables *tables, uint32_t *format, struct error *err)
{
	MDB_val key = lmdb_val(bytes_of(FORMAT_KEY)), value;
	int rc = mdb_get(txn, tables->system, &key, &value);
	if (rc)
		return lmdb_error(err, rc == MDB_NOTFOUND ? MDB_INVALID : rc, "the store does not say its format");
	struct reader r = reader_of(lmdb_bytes(value));
	*format = reader_u32(&r);
	if (!reader_done(&r) || *format == 0)
		return err_set(err, ERR_INTEGRITY, "the store's format number is damaged");
	if (*format > STORE_FORMAT)
		return err_set(err, ERR_INTEGRITY,
			       "the store has format %u, this program knows formats up to %d: use a newer program",
			       *format, STORE_FORMAT);
	return 0;
}

static int write_format(MDB_txn *txn, const struct tables *tables)
{
	auto_buf format = BUF_INIT;
	buf_u32(&format, STORE_FORMAT);
	MDB_val key = lmdb_val(bytes_of(FORMAT_KEY)), value = lmdb_val(buf_bytes(&format));
	return format.failed ? ENOMEM : mdb_put(txn, tables->system, &key, &value, 0);
}

static int create_tables(MDB_txn *txn, struct tables *tables, struct error *err)
{
	int rc = mdb_dbi_open(txn, "system", MDB_CREATE, &tables->system);
	if (rc == 0)
		rc = open_tables(txn, 0, false, tables);
	if (rc == 0)
		rc = write_format(txn, tables);
	return rc ? lmdb_error(err, rc, "cannot make the store's tables") : 0;
}

static int open_existing(MDB_txn *txn, bool read_only, struct tables *tables, struct error *err)
{
	uint32_t format = 0;
	if (read_format(txn, tables, &format, err))
		return -1;
	int rc = open_tables(txn, format, read_only, tables);
	if (rc == MDB_NOTFOUND)
		return lmdb_error(err, MDB_INVALID, "a table of the store is missing");
	if (rc)
		return lmdb_error(err, rc, "cannot open the store's tables");
	if (format == STORE_FORMAT || read_only)
		return 0;
	rc = write_format(txn, tables);
	if (rc)
		return lmdb_error(err, rc, "cannot bring the store up to the present format");
	log_info("the store is brought up to the present format", KV_INT("from", format), KV_INT("to", STORE_FORMAT));
	return 0;
}

static int open_or_create(const struct store_options *o, MDB_env *env, struct tables *tables, struct error *err)
{
	auto_mdb_txn *txn = NULL;
	int rc = mdb_txn_begin(env, NULL, o->read_only ? MDB_RDONLY : 0, &txn);
	if (rc)
		return lmdb_error(err, rc, "cannot read the store");
	rc = mdb_dbi_open(txn, "system", 0, &tables->system);
	if (rc == MDB_NOTFOUND) {
		MDB_envinfo info;
		(void)mdb_env_info(env, &info);
		if (info.me_last_txnid > 0)
			return err_set(err, ERR_INTEGRITY, "%s/data.mdb is not a store of this program", o->path);
		if (!o->create || o->read_only)
			return err_set(err, ERR_NOT_FOUND, "there is no store in %s", o->path);
		if (create_tables(txn, tables, err))
			return -1;
	} else if (rc) {
		return lmdb_error(err, rc, "cannot read the store's format");
	} else {
		if (open_existing(txn, o->read_only, tables, err))
			return -1;
	}
	rc = mdb_txn_commit(TAKE(txn));
	return rc ? lmdb_error(err, rc, "cannot open the store's tables") : 0;
}

static int set_up(const struct store_options *o, MDB_env *env, struct error *err)
{
	int rc = mdb_env_set_maxdbs(env, DATABASES);
	if (rc == 0)
		rc = mdb_env_set_maxreaders(env, STORE_READERS_MAX);
	/* A reader takes the size that the writer chose. */
	if (rc == 0 && !o->read_only)
		rc = mdb_env_set_mapsize(env, o->map_bytes ? o->map_bytes : MAP_BYTES);
	/* NOTLS: a read transaction belongs to its snapshot, not to a thread. */
	if (rc == 0)
		rc = mdb_env_open(env, o->path, MDB_NOTLS | (o->read_only ? MDB_RDONLY : 0), 0600);
	if (rc) {
		(void)lmdb_error(err, rc, "cannot open the store's file");
		return err_wrap(err, err->code, "cannot open the store in %s: %s", o->path, mdb_strerror(rc));
	}
	int dead = 0;
	(void)mdb_reader_check(env, &dead);
	return 0;
}

int lmdb_open(const struct store_options *options, MDB_env **env, struct tables *tables, struct error *err)
{
	auto_free char *data = file_join(options->path, "data.mdb");
	if (!data)
		return err_set(err, ERR_INTERNAL, "no memory");
	if (!file_exists(data) && (options->read_only || !options->create))
		return err_set(err, ERR_NOT_FOUND, "there is no store in %s", options->path);
	int rc = mdb_env_create(env);
	if (rc)
		return lmdb_error(err, rc, "no memory for the store");
	if (set_up(options, *env, err) == 0 && open_or_create(options, *env, tables, err) == 0)
		return 0;
	mdb_env_close(TAKE(*env));
	return -1;
}
