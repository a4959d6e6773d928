#include "tools/split_folder.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/unit/unit.h"

static const char PIN[] = "00ff1234567890abcdef00ff123456ab";

struct fixture {
	struct split_folder folder;
	struct shares_sheet sheet;
	struct share all[5];
};

static void fixture_free(struct fixture *f)
{
	split_folder_free(&f->folder);
}
#define auto_fixture CLEANUP(fixture_free) struct fixture

static void prepare(struct fixture *f)
{
	struct error err = ERR_INIT;
	auto_secret *pin = secret_new(bytes_of(PIN), &err);
	CHECK_OK(pin && shares_split(pin, SHARES_PIN_USER, 5, 3, f->all, &err) == 0, &err);
	shares_sheet_make("root", "1", 1796000000, f->all, 5, &f->sheet);
	CHECK_OK(split_folder_name(unit_path("split"), &f->folder, &err) == 0, &err);
}

static void write_folder(struct fixture *f)
{
	struct error err = ERR_INIT;
	prepare(f);
	CHECK_OK(split_folder_make(&f->folder, &err) == 0, &err);
	CHECK_OK(split_folder_write(&f->folder, &f->sheet, f->all, &err) == 0, &err);
}

static const char *path_of_share(unsigned index)
{
	char name[64];
	(void)snprintf(name, sizeof(name), "split/share-%u.txt", index);
	return unit_path(name);
}

static void the_pin_comes_back_from_the_files(void)
{
	struct error err = ERR_INIT;
	auto_fixture f = { 0 };
	struct stat status = { .st_mode = 0 };
	write_folder(&f);
	auto_secret *pin = split_folder_combine(&f.folder, &f.sheet, &err);
	CHECK_OK(pin != NULL, &err);
	CHECK_BYTES(secret_bytes(pin), bytes_of(PIN));
	CHECK(stat(path_of_share(5), &status) == 0 && (status.st_mode & 07777) == 0600);
	CHECK(stat(f.folder.path, &status) == 0 && (status.st_mode & 07777) == 0700);
}

static void the_sheet_has_its_name_only_once_it_is_confirmed(void)
{
	struct error err = ERR_INIT;
	auto_fixture f = { 0 };
	struct shares_sheet sheet;
	write_folder(&f);
	CHECK(file_exists(f.folder.new_sheet) && !file_exists(f.folder.sheet));
	CHECK_OK(split_folder_confirm(&f.folder, &err) == 0, &err);
	CHECK(!file_exists(f.folder.new_sheet) && file_exists(f.folder.sheet));
	CHECK_OK(shares_sheet_load(f.folder.sheet, &sheet, &err) == 0, &err);
	CHECK_TEXT(sheet.split, f.sheet.split);
}

static void a_share_that_is_gone_or_another_is_told_apart(void)
{
	struct error err = ERR_INIT;
	auto_fixture f = { 0 };
	write_folder(&f);
	CHECK(rename(path_of_share(2), unit_path("kept")) == 0);
	CHECK_FAILS(!split_folder_combine(&f.folder, &f.sheet, &err), &err, ERR_NOT_FOUND);
	CHECK(link(path_of_share(3), path_of_share(2)) == 0);
	CHECK_FAILS(!split_folder_combine(&f.folder, &f.sheet, &err), &err, ERR_INTEGRITY);
	CHECK_OK(file_replace(path_of_share(2), bytes_of("Share 2\n\nnone\n"), 0600, &err) == 0, &err);
	CHECK_FAILS(!split_folder_combine(&f.folder, &f.sheet, &err), &err, ERR_INTEGRITY);
	CHECK(!strstr(err.message, "none\n"));
	CHECK_OK(rename(unit_path("kept"), path_of_share(2)) == 0, &err);
	auto_secret *pin = split_folder_combine(&f.folder, &f.sheet, &err);
	CHECK_OK(pin != NULL, &err);
}

static void nothing_is_overwritten_and_only_its_own_is_removed(void)
{
	struct error err = ERR_INIT;
	auto_fixture f = { 0 };
	write_folder(&f);
	CHECK_FAILS(split_folder_make(&f.folder, &err) == -1, &err, ERR_CONFLICT);
	CHECK_FAILS(split_folder_write(&f.folder, &f.sheet, f.all, &err) == -1, &err, ERR_CONFLICT);
	CHECK_OK(file_create(unit_path("split/mine"), bytes_of("x"), 0600, &err) == 0, &err);
	CHECK_OK(split_folder_remove(&f.folder, 5, &err) == 0, &err);
	CHECK(file_exists(unit_path("split/mine")) && !file_exists(path_of_share(1)) &&
	      !file_exists(f.folder.new_sheet));
	CHECK(unlink(unit_path("split/mine")) == 0);
	CHECK_OK(split_folder_remove(&f.folder, 5, &err) == 0, &err);
	CHECK(!file_exists(f.folder.path));
	CHECK_OK(split_folder_remove(&f.folder, 5, &err) == 0, &err);
}

SUITE(split_folder)
{
	TEST(the_pin_comes_back_from_the_files);
	TEST(the_sheet_has_its_name_only_once_it_is_confirmed);
	TEST(a_share_that_is_gone_or_another_is_told_apart);
	TEST(nothing_is_overwritten_and_only_its_own_is_removed);
}
