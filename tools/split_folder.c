#include "tools/split_folder.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/file.h"

int split_folder_name(const char *path, struct split_folder *out, struct error *err)
{
	*out = (struct split_folder){ .path = strdup(path),
				      .sheet = file_join(path, "sheet.txt"),
				      .new_sheet = file_join(path, "sheet.new") };
	return out->path && out->sheet && out->new_sheet ? 0 : err_set(err, ERR_INTERNAL, "no memory for a path");
}

void split_folder_free(struct split_folder *f)
{
	free(f->path);
	free(f->sheet);
	free(f->new_sheet);
}

static int share_path(const struct split_folder *f, unsigned index, char out[PATH_MAX], struct error *err)
{
	int len = snprintf(out, PATH_MAX, "%s/share-%u.txt", f->path, index);
	return len < PATH_MAX ? 0 : err_set(err, ERR_IO, "the path of folder %.200s is too long", f->path);
}

static int check_empty(const struct split_folder *f, struct error *err)
{
	const struct dirent *entry;
	bool empty = true;
	DIR *folder = opendir(f->path);
	if (!folder)
		return err_errno(err, ERR_IO, "cannot look into %s", f->path);
	while (empty && (entry = readdir(folder)))
		empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	(void)closedir(folder);
	if (empty)
		return 0;
	return err_set(err, ERR_CONFLICT, "%s is not empty: nothing in it is overwritten", f->path);
}

void split_folder_paper(const struct shares_sheet *sheet, const struct share *share, struct buf *out)
{
	char time[CLOCK_TEXT_SIZE], id[SHARES_ID_LEN + 2];
	buf_printf(out,
		   "Share %u of %u of the %s of token %s (serial %s)\n"
		   "Any %u of the %u shares give it. Split %s, made %s.\n"
		   "Keep it secret, and apart from the other shares.\n\n",
		   share->index, sheet->count, shares_pin_name(sheet->pin), sheet->token, sheet->serial,
		   sheet->threshold, sheet->count, shares_id_text(sheet->split, id),
		   clock_rfc3339(sheet->made_s, time));
	share_write(share, out);
}

int split_folder_make(const struct split_folder *f, struct error *err)
{
	return file_make_dir(f->path, 0700, err) || check_empty(f, err) ? -1 : 0;
}

int split_folder_write(const struct split_folder *f, const struct shares_sheet *sheet, const struct share *shares,
		       struct error *err)
{
	char path[PATH_MAX];
	auto_buf text = BUF_INIT;
	for (unsigned i = 0; i < sheet->count; i++) {
		auto_secret_buf paper = BUF_INIT;
		shares_reserve(&paper);
		split_folder_paper(sheet, &shares[i], &paper);
		if (paper.failed)
			return err_set(err, ERR_INTERNAL, "no memory for a share");
		if (share_path(f, i + 1, path, err) || file_create(path, buf_bytes(&paper), 0600, err))
			return -1;
	}
	shares_sheet_write(sheet, &text);
	return text.failed ? err_set(err, ERR_INTERNAL, "no memory for a sheet")
			   : file_create(f->new_sheet, buf_bytes(&text), 0644, err);
}

static int read_share(const struct split_folder *f, const struct shares_sheet *sheet, unsigned index, struct share *out,
		      struct error *err)
{
	char path[PATH_MAX];
	auto_secret_buf text = BUF_INIT;
	if (share_path(f, index, path, err) || file_read(path, SHARES_TEXT_MAX, &text, err))
		return -1;
	const char *paper = buf_text(&text), *end = strstr(paper, "\n\n");
	struct error cause = ERR_INIT;
	if (share_read(bytes_of(end ? end : paper), out, &cause) || shares_sheet_check(sheet, out, &cause) ||
	    (out->index != index && err_set(&cause, ERR_INTEGRITY, "it is share %u", out->index)))
		return err_set(err, ERR_INTEGRITY, "%s does not hold what was split: %s", path, cause.message);
	return 0;
}

static struct secret *combine(const struct shares_sheet *sheet, const struct share *all, struct error *err)
{
	auto_secret *first = shares_combine(all, sheet->threshold, err);
	auto_secret *last = first ? shares_combine(all + sheet->count - sheet->threshold, sheet->threshold, err) : NULL;
	if (last && !bytes_equal_secret(secret_bytes(first), secret_bytes(last)))
		(void)err_set(err, ERR_INTEGRITY, "the shares do not all give the same PIN");
	else if (last)
		return TAKE(first);
	return NULL;
}

struct secret *split_folder_combine(const struct split_folder *f, const struct shares_sheet *sheet, struct error *err)
{
	struct share all[SHARES_MAX];
	unsigned count = 0;
	while (count < sheet->count && read_share(f, sheet, count + 1, &all[count], err) == 0)
		count++;
	struct secret *pin = count == sheet->count ? combine(sheet, all, err) : NULL;
	shares_wipe(all, SHARES_MAX);
	return pin;
}

int split_folder_confirm(const struct split_folder *f, struct error *err)
{
	return file_rename(f->new_sheet, f->sheet, err);
}

int split_folder_remove(const struct split_folder *f, unsigned count, struct error *err)
{
	char path[PATH_MAX];
	/* First: shares without any sheet are nobody's. */
	if (unlink(f->new_sheet) && errno != ENOENT)
		return err_errno(err, ERR_IO, "cannot remove %s", f->new_sheet);
	for (unsigned i = 0; i < count; i++) {
		if (share_path(f, i + 1, path, err))
			return -1;
		if (unlink(path) && errno != ENOENT)
			return err_errno(err, ERR_IO, "cannot remove %s", path);
	}
	(void)rmdir(f->path); /* where something else is in it, it stays */
	return 0;
}
