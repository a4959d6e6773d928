#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "store/private.h"

static int sync_path(const char *path, int flags, struct error *err)
{
	auto_fd fd = open(path, flags | O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fsync(fd))
		return err_errno(err, ERR_IO, "cannot sync %s", path);
	return 0;
}

static int copy(struct store *s, const char *directory, const char *data, struct error *err)
{
	/* Compacted: pages that are free stay behind, so no old content travels with the copy. */
	int rc = mdb_env_copy2(s->env, directory, MDB_CP_COMPACT);
	if (rc) {
		(void)lmdb_error(err, rc, "the copy failed");
		return err_wrap(err, err->code, "cannot copy the store to %s: %s", directory, mdb_strerror(rc));
	}
	if (chmod(data, 0600))
		return err_errno(err, ERR_IO, "cannot set the mode of %s", data);
	if (sync_path(data, 0, err))
		return -1;
	return sync_path(directory, O_DIRECTORY, err);
}

int store_backup(struct store *s, const char *directory, struct error *err)
{
	auto_free char *data = file_join(directory, "data.mdb");
	if (!data)
		return err_set(err, ERR_INTERNAL, "no memory");
	if (mkdir(directory, 0700))
		return err_errno(err, errno == EEXIST ? ERR_CONFLICT : ERR_IO, "cannot make %s for the backup",
				 directory);
	if (copy(s, directory, data, err) == 0)
		return 0;
	/* Half a copy is worse than none. */
	(void)unlink(data);
	(void)rmdir(directory);
	return -1;
}
