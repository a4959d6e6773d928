#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "store/private.h"

#define SERIAL_WAIT_MS 1000

/* ---- one writer ---- */

static void read_owner(int fd, char *pid, size_t size)
{
	ssize_t len = pread(fd, pid, size - 1, 0);
	pid[len > 0 ? len : 0] = '\0';
	pid[strspn(pid, "0123456789")] = '\0';
}

/* flock: it holds within one process too, and ends with it however it ends. */
static int lock_store(struct store *s, struct error *err)
{
	auto_free char *path = file_join(s->path, "writer.lock");
	if (!path)
		return err_set(err, ERR_INTERNAL, "no memory");
	s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock_fd < 0)
		return err_errno(err, ERR_IO, "cannot open %s", path);
	char pid[24];
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK)
			return err_errno(err, ERR_IO, "cannot lock %s", path);
		read_owner(s->lock_fd, pid, sizeof(pid));
		return err_set(err, ERR_CONFLICT, "the store in %s is in use by process %s", s->path,
			       pid[0] ? pid : "?");
	}
	int len = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	if (ftruncate(s->lock_fd, 0) || pwrite(s->lock_fd, pid, (size_t)len, 0) != len)
		log_warn("cannot write who holds the store", KV("path", path));
	return 0;
}

/* ---- opening ---- */

static bool is_node(const char *node)
{
	size_t len = node ? strlen(node) : 0;
	return len >= 1 && len <= STORE_NODE_MAX && strspn(node, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

/* The serials of an earlier run, and the first block of this one, in one commit. */
static int open_ledger(struct store *s, struct error *err)
{
	auto_mdb_txn *txn = NULL;
	int rc = mdb_txn_begin(s->env, NULL, 0, &txn);
	if (rc)
		return lmdb_error(err, rc, "cannot write to the store");
	uint64_t found = 0;
	struct ledger *ledger = ledger_open(txn, &s->tables, s->node, s->clock, &found, err);
	if (!ledger)
		return -1;
	rc = mdb_txn_commit(TAKE(txn));
	if (rc) {
		ledger_free(ledger);
		return lmdb_error(err, rc, "cannot write the ledger of serials");
	}
	ledger_committed(ledger);
	s->ledger = ledger;
	if (found)
		log_warn("serials of an earlier run have no certificate", KV_INT("count", found));
	return 0;
}

/* On a full disk the store opens none the less: what is open in the ledger is settled from the
 * reserve. */
static int open_ledger_with_reserve(struct store *s, struct error *err)
{
	int rc = open_ledger(s, err);
	while (rc && err->code == ERR_STORE_FULL && space_release(&s->space))
		rc = open_ledger(s, err);
	return rc;
}

static int count_unfinished(void *arg, const struct store_row *row, struct error *err)
{
	struct record_unfinished record;
	if (record_unfinished_decode(row->value, &record, err))
		return -1;
	*(uint64_t *)arg += !record.void_;
	return 0;
}

static int read_counts(struct store *s, struct error *err)
{
	auto_store_snapshot *snap = store_snapshot_new(s, err);
	uint64_t unfinished = 0;
	const struct store_range all = { .reverse = false };
	if (!snap || store_scan(snap, STORE_UNFINISHED, &all, count_unfinished, &unfinished, err))
		return -1;
	atomic_store(&s->unfinished, unfinished);
	return 0;
}

static int open_writing(struct store *s, const struct store_options *o, struct error *err)
{
	if (lock_store(s, err) || lmdb_open(o, &s->env, &s->tables, err) ||
	    space_open(&s->space, s->path, s->env, o->reserve_bytes, err) || open_ledger_with_reserve(s, err) ||
	    read_counts(s, err))
		return -1;
	return writer_start(s, err);
}

static int open_reading(struct store *s, const struct store_options *o, struct error *err)
{
	if (lmdb_open(o, &s->env, &s->tables, err))
		return -1;
	return read_counts(s, err);
}

struct store *store_open(const struct store_options *options, struct error *err)
{
	if (!is_node(options->node)) {
		(void)err_set(err, ERR_CONFIG, "a node's name has 1 to 32 characters a-z, 0-9 and -");
		(void)err_about(err, "node", options->node, "[a-z0-9-]{1,32}");
		return NULL;
	}
	struct store *s = calloc(1, sizeof(*s));
	if (!s) {
		(void)err_set(err, ERR_INTERNAL, "no memory for the store");
		return NULL;
	}
	s->lock_fd = s->space.reserve_fd = -1;
	s->path = strdup(options->path);
	s->node = strdup(options->node);
	s->clock = options->clock;
	s->read_only = options->read_only;
	batch_pool_init(&s->batches);
	(void)pthread_mutex_init(&s->snapshots_lock, NULL);
	int rc = s->path && s->node ? 0 : err_set(err, ERR_INTERNAL, "no memory for the store");
	if (rc == 0)
		rc = s->read_only ? open_reading(s, options, err) : open_writing(s, options, err);
	if (rc == 0)
		return s;
	store_close(s);
	return NULL;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	writer_stop(s);
	snapshots_free(s);
	batch_pool_free(&s->batches);
	queue_free(s->queue);
	ledger_free(s->ledger);
	buf_free(&s->apply.old);
	buf_free(&s->apply.old_entries);
	buf_free(&s->apply.dropped);
	space_close(&s->space);
	if (s->env)
		mdb_env_close(s->env);
	if (s->lock_fd >= 0)
		(void)close(s->lock_fd);
	(void)pthread_mutex_destroy(&s->snapshots_lock);
	free(s->path);
	free(s->node);
	free(s);
}

/* ---- serials ---- */

int store_serial_take(struct store *s, struct store_serial *serial, struct error *err)
{
	if (s->read_only || atomic_load(&s->broken))
		return err_set(err, ERR_INTERNAL, "the store in %s takes no changes", s->path);
	if (space_is_low(&s->space, false))
		return err_set(err, ERR_STORE_FULL, "the disk or the map of the store in %s is nearly full", s->path);
	if (ledger_take(s->ledger, serial))
		return 0;
	writer_kick(s);
	if (ledger_wait(s->ledger, serial, SERIAL_WAIT_MS))
		return 0;
	return err_set(err, ERR_BUSY, "no serial number became ready within %d ms", SERIAL_WAIT_MS);
}

void store_serial_void(struct store *s, const struct store_serial *serial)
{
	if (s->ledger)
		ledger_void(s->ledger, serial);
}

/* ---- status ---- */

const char *store_state_name(enum store_state s)
{
	static const char *const names[] = { "ok", "full", "broken" };
	return s <= STORE_BROKEN ? names[s] : "?";
}

static void read_environment(struct store *s, struct store_status *out)
{
	MDB_envinfo info;
	MDB_stat stat;
	if (mdb_env_info(s->env, &info) == 0 && mdb_env_stat(s->env, &stat) == 0) {
		out->used_bytes = ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize;
		out->readers = info.me_numreaders;
	}
	struct error err = ERR_INIT;
	auto_store_snapshot *snap = store_snapshot_new(s, &err);
	if (snap)
		(void)store_count(snap, STORE_CERTIFICATES, &out->certificates, &err);
}

void store_status(struct store *s, struct store_status *out)
{
	*out = (struct store_status){ .state = STORE_OK };
	read_environment(s, out);
	out->unfinished = atomic_load(&s->unfinished);
	out->commits = atomic_load(&s->commits);
	out->batches = atomic_load(&s->batch_count);
	if (s->read_only)
		return;
	if (space_is_low(&s->space, false))
		out->state = STORE_LOW;
	if (atomic_load(&s->broken))
		out->state = STORE_BROKEN;
	(void)pthread_mutex_lock(&s->space.lock);
	out->free_bytes = s->space.free_bytes;
	(void)pthread_mutex_unlock(&s->space.lock);
}

void store_expire(struct store *s)
{
	if (s->read_only)
		return;
	atomic_store(&s->expire_wanted, true);
	writer_kick(s);
}
