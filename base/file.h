/*
 * base/file.h - files read whole with a cap, written whole or not at all.
 *
 * A file system without modes or links (FAT, as sticks have it) will do, but not for what its owner alone may read
 * (a mode without group and others), unless it is mounted so that nobody else can.
 *
 * Thread-safety: every function works only on its arguments and the file system.
 */
#ifndef CHANCERY_BASE_FILE_H
#define CHANCERY_BASE_FILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/err.h"

/* Reads a whole regular file of at most max bytes onto the end of out.
 * ERR_NOT_FOUND where there is none, ERR_TOO_LARGE past max, else ERR_IO. */
int file_read(const char *path, size_t max, struct buf *out, struct error *err);

/* Writes content under a temporary name in the same folder (O_EXCL|O_NOFOLLOW,
 * mode), fsyncs it, renames it to path, fsyncs the folder. Whoever reads path sees
 * the old content or the new, never a part. ERR_IO. */
int file_replace(const char *path, struct bytes content, mode_t mode, struct error *err);

/* The same, but refuses (ERR_CONFLICT) where path exists already. */
int file_create(const char *path, struct bytes content, mode_t mode, struct error *err);

/* Renames within one folder, over what may be there, and fsyncs the folder. ERR_IO. */
int file_rename(const char *from, const char *to, struct error *err);

/* Makes the folder, and those above it, where they are missing; an existing folder
 * gets the mode only if it was made here. ERR_IO. */
int file_make_dir(const char *path, mode_t mode, struct error *err);

/* Removes the folder with everything in it, links as links; one that is not there is no error. ERR_IO. */
int file_remove_tree(const char *path, struct error *err);

bool file_exists(const char *path);

/* path = first "/" second, allocated; free(). NULL only without memory. */
char *file_join(const char *first, const char *second);

#endif
