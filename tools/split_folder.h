/*
 * tools/split_folder.h - the folder of a split PIN: a file for each share, and the public sheet.
 *
 *     share-1.txt ...   0600: what is put on paper, one for each custodian; destroyed afterwards
 *     sheet.new         the sheet while nobody knows yet that the token has the PIN
 *     sheet.txt         0644: the sheet; there only when a login with the PIN of these shares has worked
 *
 * All of it is on the disk before the token is told. So after a power cut sheet.txt says that the shares are good, and
 * sheet.new that one login with them has to find out; without either the token was never told.
 */
#ifndef CHANCERY_TOOLS_SPLIT_FOLDER_H
#define CHANCERY_TOOLS_SPLIT_FOLDER_H

#include "tools/shares_sheet.h"

struct split_folder {
	char *path; /* absolute */
	char *sheet, *new_sheet;
};
/* Names the paths of a folder; it need not be there. ERR_INTERNAL. */
int split_folder_name(const char *path, struct split_folder *out, struct error *err);
void split_folder_free(struct split_folder *f);
#define auto_split_folder CLEANUP(split_folder_free) struct split_folder

/* Makes it, 0700. ERR_CONFLICT: it is there and not empty. ERR_IO. */
int split_folder_make(const struct split_folder *f, struct error *err);

/* Writes all shares, then sheet.new, fsynced. ERR_IO: some of it may be there. */
int split_folder_write(const struct split_folder *f, const struct shares_sheet *sheet, const struct share *shares,
		       struct error *err);

/* The PIN of the files: each is read and held against the sheet, and the first ones must give the same PIN as the last.
 * ERR_NOT_FOUND where a share's file is gone, ERR_INTEGRITY. */
struct secret *split_folder_combine(const struct split_folder *f, const struct shares_sheet *sheet, struct error *err);

/* Appends what stands in a share's file: for people, and below an empty line the share. */
void split_folder_paper(const struct shares_sheet *sheet, const struct share *share, struct buf *out);

/* sheet.new becomes sheet.txt. */
int split_folder_confirm(const struct split_folder *f, struct error *err);

/* Removes sheet.new and the shares, and the folder where nothing else is in it. ERR_IO where a file stays. */
int split_folder_remove(const struct split_folder *f, unsigned count, struct error *err);

#endif
