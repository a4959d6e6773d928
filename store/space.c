#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/file.h"
#include "base/log.h"
#include "store/private.h"

#define RESERVE_BYTES ((size_t)64 << 20)
#define LOOK_MS 100
#define RELEASE_PARTS 8 /* the reserve is given back in so many steps */

/* Above the reserve, so that ordinary batches end before the disk does. */
static size_t margin(const struct space *space)
{
	return space->reserve / 16;
}

/* Free on the disk, without what is held. */
static uint64_t disk_free(const struct space *space)
{
	struct statvfs fs;
	if (statvfs(space->folder, &fs))
		return 0;
	return (uint64_t)fs.f_bavail * fs.f_frsize;
}

/* Pages at the end of the map that were never used; those that became free inside come on
 * top, but to count them takes a walk. */
static uint64_t map_free(const struct space *space)
{
	MDB_envinfo info;
	MDB_stat stat;
	if (mdb_env_info(space->env, &info) || mdb_env_stat(space->env, &stat))
		return 0;
	uint64_t used = ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize;
	return used < info.me_mapsize ? info.me_mapsize - used : 0;
}

/* Takes the rest of the reserve where the disk has it to spare. */
static void hold_reserve(struct space *space, uint64_t free_now)
{
	size_t missing = space->reserve - space->held;
	if (space->reserve_fd < 0 || missing == 0 || free_now < missing + margin(space))
		return;
	if (fallocate(space->reserve_fd, 0, 0, (off_t)space->reserve) == 0) {
		space->held = space->reserve;
	} else if (errno == EOPNOTSUPP) {
		/* Then nothing holds the reserve but the rule that ordinary batches stop in time. */
		(void)close(space->reserve_fd);
		space->reserve_fd = -1;
	} else if (ftruncate(space->reserve_fd, (off_t)space->held)) { /* a part may have been taken */
		space->held = 0;
	}
}

static void log_change(const struct space *space, bool low)
{
	int64_t mib = (int64_t)(space->free_bytes >> 20);
	if (low)
		log_error("store nearly full: no new certificates", KV("folder", space->folder),
			  KV_INT("free_mib", mib), KV_INT("reserve_mib", space->reserve >> 20));
	else
		log_info("store has room again", KV("folder", space->folder), KV_INT("free_mib", mib));
}

/* With the lock held. */
static void look(struct space *space)
{
	uint64_t disk = disk_free(space);
	if (disk >= space->reserve - space->held + margin(space) && space->held < space->reserve) {
		hold_reserve(space, disk);
		disk = disk_free(space);
	}
	disk += space->held;
	uint64_t map = map_free(space);
	space->free_bytes = disk < map ? disk : map;

	bool was_low = atomic_load(&space->low);
	/* Leaves the state with more room than it enters it: no flapping at the edge. */
	uint64_t edge = space->reserve + margin(space) * (was_low ? 2 : 1);
	bool low = space->free_bytes < edge;
	if (low != was_low)
		log_change(space, low);
	atomic_store(&space->low, low);
}

bool space_is_low(struct space *space, bool now)
{
	int64_t time = clock_monotonic_ms();
	if (!now && time - atomic_load_explicit(&space->checked_ms, memory_order_relaxed) < LOOK_MS)
		return atomic_load(&space->low);
	(void)pthread_mutex_lock(&space->lock);
	if (now || time - atomic_load(&space->checked_ms) >= LOOK_MS) {
		look(space);
		atomic_store(&space->checked_ms, time);
	}
	(void)pthread_mutex_unlock(&space->lock);
	return atomic_load(&space->low);
}

bool space_release(struct space *space)
{
	(void)pthread_mutex_lock(&space->lock);
	size_t part = space->reserve / RELEASE_PARTS;
	size_t rest = space->held > part ? space->held - part : 0;
	bool released = space->reserve_fd >= 0 && space->held > 0 && ftruncate(space->reserve_fd, (off_t)rest) == 0;
	if (released) {
		space->held = rest;
		log_warn("a part of the store's reserve is used", KV_INT("left_mib", rest >> 20));
	}
	(void)pthread_mutex_unlock(&space->lock);
	return released;
}

int space_open(struct space *space, const char *folder, MDB_env *env, size_t reserve, struct error *err)
{
	*space = (struct space){ .folder = folder, .env = env, .reserve = reserve ? reserve : RESERVE_BYTES };
	(void)pthread_mutex_init(&space->lock, NULL);
	auto_free char *path = file_join(folder, "reserve");
	if (!path)
		return err_set(err, ERR_INTERNAL, "no memory");
	space->reserve_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (space->reserve_fd < 0)
		return err_errno(err, ERR_IO, "cannot open %s", path);
	struct stat status;
	if (fstat(space->reserve_fd, &status))
		return err_errno(err, ERR_IO, "cannot look at %s", path);
	/* A file of another size is from another setting, or was left half used. */
	if ((uint64_t)status.st_size > space->reserve && ftruncate(space->reserve_fd, (off_t)space->reserve))
		return err_errno(err, ERR_IO, "cannot shorten %s", path);
	uint64_t allocated = (uint64_t)status.st_blocks * 512;
	space->held = allocated < space->reserve ? (size_t)allocated : space->reserve;
	(void)space_is_low(space, true);
	return 0;
}

void space_close(struct space *space)
{
	if (!space->folder)
		return;
	if (space->reserve_fd >= 0)
		(void)close(space->reserve_fd);
	(void)pthread_mutex_destroy(&space->lock);
}
