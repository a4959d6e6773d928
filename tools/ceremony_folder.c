#include "tools/ceremony_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

static const char *const folders[] = { "inputs", "out", "attestations" };

CLEANUP_POINTER(dir, DIR, closedir)
#define auto_dir CLEANUP(dir_cleanup) DIR

/* What the operating system refused, with what a full or read-only disk asks for. */
static int no_room(struct error *err, int reason, const char *path)
{
	errno = reason;
	if (reason == ENOSPC || reason == EDQUOT || reason == EFBIG)
		return err_errno(err, ERR_STORE_FULL, "there is no room for %s: make some, and go on with --resume",
				 path);
	return err_errno(err, ERR_IO, "cannot write %s", path);
}

void ceremony_folder_close(struct ceremony_folder *folder)
{
	if (folder->transcript_fd >= 0)
		(void)close(folder->transcript_fd);
	if (folder->lock_fd >= 0)
		(void)close(folder->lock_fd);
	ca_transcript_free(&folder->transcript);
	free(folder->path);
	*folder = CEREMONY_FOLDER_INIT;
}

/* ---- opening ---- */

static int is_empty(const char *path, struct error *err)
{
	auto_dir *dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? 1 : err_errno(err, ERR_IO, "cannot look into %s", path);
	for (const struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			return 0;
	return 1;
}

/* Two runs in one folder would each take the other's lines for its own. */
static int lock(struct ceremony_folder *folder, struct error *err)
{
	folder->lock_fd = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder->lock_fd < 0)
		return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot open the folder %s",
				 folder->path);
	if (flock(folder->lock_fd, LOCK_EX | LOCK_NB))
		return err_errno(err, ERR_CONFLICT, "another ceremony is at work in %s", folder->path);
	return 0;
}

static char *inside(const struct ceremony_folder *folder, const char *name, struct error *err)
{
	char *path = file_join(folder->path, name);
	if (!path)
		(void)err_set(err, ERR_INTERNAL, "no memory for a path");
	return path;
}

static int make_folders(const struct ceremony_folder *folder, struct error *err)
{
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		auto_free char *path = inside(folder, folders[i], err);
		if (!path || file_make_dir(path, 0755, err))
			return -1;
	}
	return 0;
}

static int open_transcript(struct ceremony_folder *folder, struct error *err)
{
	auto_free char *path = inside(folder, CEREMONY_TRANSCRIPT, err);
	if (!path)
		return -1;
	folder->transcript_fd =
		open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0644);
	/* The name of the transcript must be there as long as its lines are. */
	if (folder->transcript_fd < 0 || fsync(folder->lock_fd))
		return no_room(err, errno, path);
	return 0;
}

static int take(struct ceremony_folder *folder, const char *path, struct clock clock, struct error *err)
{
	*folder = CEREMONY_FOLDER_INIT;
	folder->clock = clock;
	folder->path = strdup(path);
	return folder->path ? 0 : err_set(err, ERR_INTERNAL, "no memory for a path");
}

int ceremony_folder_is_free(const char *path, struct error *err)
{
	int empty = is_empty(path, err);
	if (empty == 0)
		return err_set(err, ERR_CONFLICT,
			       "%s is not empty: name a new folder, or go on with what is there by --resume", path);
	return empty < 0 ? -1 : 0;
}

int ceremony_folder_begin(struct ceremony_folder *folder, const char *path, struct clock clock, struct error *err)
{
	if (ceremony_folder_is_free(path, err) || take(folder, path, clock, err) || file_make_dir(path, 0755, err) ||
	    lock(folder, err))
		return -1;
	return make_folders(folder, err) || open_transcript(folder, err) ? -1 : 0;
}

/* "root-1.pem.0123456789abcdef.tmp": base/file.h writes under such names. */
static bool is_temporary(const char *name)
{
	size_t len = strlen(name);
	return len > 21 && strcmp(name + len - 4, ".tmp") == 0 && name[len - 21] == '.' &&
	       strspn(name + len - 20, "0123456789abcdef") == 16;
}

static int remove_temporary(const char *path, struct error *err)
{
	auto_dir *dir = opendir(path);
	if (!dir)
		return err_errno(err, ERR_IO, "cannot look into %s", path);
	for (const struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
		if (is_temporary(entry->d_name) && unlinkat(dirfd(dir), entry->d_name, 0))
			return err_errno(err, ERR_IO, "cannot remove %s/%s", path, entry->d_name);
	return 0;
}

static int clean(const struct ceremony_folder *folder, struct error *err)
{
	if (remove_temporary(folder->path, err))
		return -1;
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		auto_free char *path = inside(folder, folders[i], err);
		if (!path || remove_temporary(path, err))
			return -1;
	}
	return 0;
}

static int read_lines(struct ceremony_folder *folder, struct error *err)
{
	auto_free char *path = inside(folder, CEREMONY_TRANSCRIPT, err);
	auto_buf text = BUF_INIT;
	if (!path || file_read(path, CA_TRANSCRIPT_MAX, &text, err) ||
	    ca_transcript_read(buf_bytes(&text), &folder->transcript, &folder->octets, err))
		return -1;
	folder->torn = text.len - folder->octets;
	if (folder->torn && (ftruncate(folder->transcript_fd, (off_t)folder->octets) || fsync(folder->transcript_fd)))
		return err_errno(err, ERR_IO, "cannot take the torn line away from %s", path);
	return 0;
}

int ceremony_folder_resume(struct ceremony_folder *folder, const char *path, struct clock clock, struct error *err)
{
	if (take(folder, path, clock, err) || lock(folder, err) || make_folders(folder, err) || clean(folder, err) ||
	    open_transcript(folder, err))
		return -1;
	return read_lines(folder, err);
}

/* ---- lines ---- */

static int append(struct ceremony_folder *folder, struct bytes text, struct error *err)
{
	size_t done = 0;
	while (done < text.len) {
		ssize_t written = write(folder->transcript_fd, text.data + done, text.len - done);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			break;
		done += (size_t)written;
	}
	if (done == text.len && fsync(folder->transcript_fd) == 0) {
		folder->octets += text.len;
		return 0;
	}
	(void)no_room(err, errno, "the next line of " CEREMONY_TRANSCRIPT);
	/* Where this fails as well, --resume takes the torn line away. */
	if (ftruncate(folder->transcript_fd, (off_t)folder->octets))
		log_warn("the transcript ends with a torn line", KV("folder", folder->path));
	return -1;
}

int ceremony_folder_line(struct ceremony_folder *folder, enum ca_transcript_event event, const char *const *values,
			 struct error *err)
{
	const struct ca_transcript_line *last = ca_transcript_last(&folder->transcript);
	int64_t now_s = clock_now_ms(&folder->clock) / 1000;
	char now[CLOCK_TEXT_SIZE], then[CLOCK_TEXT_SIZE];
	auto_buf text = BUF_INIT;
	if (last && now_s < last->time_s)
		return err_set(
			err, ERR_CONFLICT,
			"the clock says %s, but the transcript's last line is of %s: set the clock, and go on with "
			"--resume",
			clock_rfc3339(now_s, now), clock_rfc3339(last->time_s, then));
	if (ca_transcript_add(&folder->transcript, event, now_s, values, &text, err))
		return -1;
	return append(folder, buf_bytes(&text), err);
}

/* ---- files ---- */

static int same_is_there(const char *path, struct bytes content, struct error *err)
{
	auto_buf there = BUF_INIT;
	if (file_read(path, CEREMONY_FILE_MAX, &there, err))
		return -1;
	if (!bytes_equal(buf_bytes(&there), content))
		return err_set(err, ERR_CONFLICT, "%s is there already, with another content", path);
	return 0;
}

int ceremony_folder_write(struct ceremony_folder *folder, const char *name, struct bytes content, struct error *err)
{
	auto_free char *path = inside(folder, name, err);
	if (!path)
		return -1;
	if (file_exists(path))
		return same_is_there(path, content, err);
	errno = 0;
	if (file_create(path, content, 0644, err) == 0)
		return 0;
	return err->code == ERR_IO && errno ? no_room(err, errno, path) : -1;
}

int ceremony_folder_read(const struct ceremony_folder *folder, const char *name, struct buf *out, struct error *err)
{
	auto_free char *path = inside(folder, name, err);
	return path ? file_read(path, CEREMONY_FILE_MAX, out, err) : -1;
}
