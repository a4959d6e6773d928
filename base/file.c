#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/text.h"

int file_read(const char *path, size_t max, struct buf *out, struct error *err)
{
	/* O_NONBLOCK: a FIFO in the file's place must not hold us up before it is refused. */
	auto_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot open %s", path);
	struct stat status;
	if (fstat(fd, &status))
		return err_errno(err, ERR_IO, "cannot look at %s", path);
	if (!S_ISREG(status.st_mode))
		return err_set(err, ERR_IO, "%s is not a regular file", path);

	size_t before = out->len;
	for (;;) {
		/* One octet more than allowed shows that the file is too large. */
		size_t room = max - (out->len - before) + 1;
		size_t chunk = room < 65536 ? room : 65536;
		uint8_t *to = buf_extend(out, chunk);
		if (!to)
			return err_set(err, ERR_IO, "no memory to read %s", path);
		ssize_t got = read(fd, to, chunk);
		out->len -= chunk - (got > 0 ? (size_t)got : 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(err, ERR_IO, "cannot read %s", path);
		if (got == 0)
			return 0;
		if (out->len - before > max) {
			out->len = before;
			return err_set(err, ERR_TOO_LARGE, "%s has more than %zu bytes", path, max);
		}
	}
}

static int write_all(int fd, struct bytes content)
{
	while (content.len > 0) {
		ssize_t written = write(fd, content.data, content.len);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -1;
		content = BYTES(content.data + written, content.len - (size_t)written);
	}
	return 0;
}

static int sync_folder_of(const char *path, struct error *err)
{
	auto_free char *copy = strdup(path);
	if (!copy)
		return err_set(err, ERR_IO, "no memory");
	const char *folder = dirname(copy);
	auto_fd fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd))
		return err_errno(err, ERR_IO, "cannot sync the folder %s", folder);
	return 0;
}

/* Whether what refused a mode is a file system that has none (FAT), and it leaves a secret to nobody else. */
static int without_modes(const char *path, int reason, mode_t actual, mode_t mode, struct error *err)
{
	errno = reason;
	if (reason != EPERM && reason != EOPNOTSUPP && reason != EINVAL && reason != ENOSYS)
		return err_errno(err, ERR_IO, "cannot set the mode of %s", path);
	if (!(mode & 077) && (actual & 077))
		return err_errno(err, ERR_IO,
				 "%s is to be read by its owner alone, and its file system keeps no modes: mount it "
				 "with umask=077",
				 path);
	return 0;
}

/* The mode is meant as it is given, whatever the umask. */
static int set_mode(int fd, const char *path, mode_t mode, struct error *err)
{
	struct stat status;
	if (fchmod(fd, mode) == 0)
		return 0;
	int reason = errno;
	if (fstat(fd, &status))
		return err_errno(err, ERR_IO, "cannot look at %s", path);
	return without_modes(path, reason, status.st_mode, mode, err);
}

/* A complete, synced file beside path, under a name that nobody else has. */
static int write_beside(const char *path, struct bytes content, mode_t mode, char **name, struct error *err)
{
	uint8_t random[8];
	char suffix[2 * sizeof(random) + 1];
	if (RAND_bytes(random, sizeof(random)) != 1)
		return err_set(err, ERR_IO, "no random numbers for a temporary name");
	if (asprintf(name, "%s.%s.tmp", path, text_hex(BYTES(random, sizeof(random)), suffix)) < 0) {
		*name = NULL;
		return err_set(err, ERR_IO, "no memory");
	}
	auto_fd fd = open(*name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return err_errno(err, ERR_IO, "cannot create %s", *name);
	if (set_mode(fd, *name, mode, err)) {
		(void)unlink(*name);
		return -1;
	}
	if (write_all(fd, content) || fsync(fd)) {
		(void)err_errno(err, ERR_IO, "cannot write %s", *name);
		(void)unlink(*name);
		return -1;
	}
	return 0;
}

int file_replace(const char *path, struct bytes content, mode_t mode, struct error *err)
{
	auto_free char *temporary = NULL;
	if (write_beside(path, content, mode, &temporary, err))
		return -1;
	if (rename(temporary, path)) {
		(void)err_errno(err, ERR_IO, "cannot rename %s to %s", temporary, path);
		(void)unlink(temporary);
		return -1;
	}
	return sync_folder_of(path, err);
}

/* Where the file system has no links. One that cannot even refuse to replace leaves a moment in which another's file of
 * this name would be lost; its folder is ours then, or nobody could rely on it anyway. */
static int rename_to_new(const char *temporary, const char *path)
{
	if (renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	if (file_exists(path)) {
		errno = EEXIST;
		return -1;
	}
	return rename(temporary, path);
}

int file_create(const char *path, struct bytes content, mode_t mode, struct error *err)
{
	auto_free char *temporary = NULL;
	if (write_beside(path, content, mode, &temporary, err))
		return -1;
	/* link, unlike rename, fails where the name is taken. FAT has none (EPERM). */
	int made = link(temporary, path);
	if (made && (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS))
		made = rename_to_new(temporary, path);
	if (made)
		(void)err_errno(err, errno == EEXIST ? ERR_CONFLICT : ERR_IO, "cannot create %s", path);
	(void)unlink(temporary);
	return made ? -1 : sync_folder_of(path, err);
}

int file_rename(const char *from, const char *to, struct error *err)
{
	if (rename(from, to))
		return err_errno(err, ERR_IO, "cannot rename %s to %s", from, to);
	return sync_folder_of(to, err);
}

static int make_one_dir(const char *path, mode_t mode, struct error *err)
{
	struct stat status;
	if (mkdir(path, mode) == 0) {
		if (chmod(path, mode) == 0)
			return 0;
		int refused = errno;
		if (stat(path, &status))
			return err_errno(err, ERR_IO, "cannot look at %s", path);
		return without_modes(path, refused, status.st_mode, mode, err);
	}
	int reason = errno;
	if (reason == EEXIST && stat(path, &status) == 0 && S_ISDIR(status.st_mode))
		return 0;
	errno = reason;
	return err_errno(err, ERR_IO, "cannot make the folder %s", path);
}

int file_make_dir(const char *path, mode_t mode, struct error *err)
{
	auto_free char *part = strdup(path);
	if (!part)
		return err_set(err, ERR_IO, "no memory");
	for (char *at = part; *at; at++) {
		if (*at != '/' || at == part || at[-1] == '/')
			continue;
		*at = '\0';
		if (make_one_dir(part, mode, err))
			return -1;
		*at = '/';
	}
	return make_one_dir(part, mode, err);
}

#define TREE_DESCRIPTORS 16

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
	(void)status;
	(void)kind;
	(void)where;
	return remove(path);
}

int file_remove_tree(const char *path, struct error *err)
{
	if (file_exists(path) && nftw(path, remove_one, TREE_DESCRIPTORS, FTW_DEPTH | FTW_PHYS))
		return err_errno(err, ERR_IO, "cannot remove the folder %s", path);
	return 0;
}

bool file_exists(const char *path)
{
	struct stat status;
	return lstat(path, &status) == 0;
}

char *file_join(const char *first, const char *second)
{
	char *path = NULL;
	return asprintf(&path, "%s/%s", first, second) < 0 ? NULL : path;
}
