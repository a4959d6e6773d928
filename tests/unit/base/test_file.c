#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static void write_file(const char *path, const char *text, mode_t mode)
{
	struct error err = ERR_INIT;
	CHECK_OK(file_replace(path, bytes_of(text), mode, &err) == 0, &err);
}

static mode_t mode_of(const char *path)
{
	struct stat status;
	REQUIRE(stat(path, &status) == 0);
	return status.st_mode & 07777;
}

/* How many entries the folder has, without "." and "..". */
static unsigned entries(const char *path)
{
	DIR *folder = opendir(path);
	unsigned count = 0;
	REQUIRE(folder != NULL);
	for (const struct dirent *entry; (entry = readdir(folder));)
		count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	(void)closedir(folder);
	return count;
}

static void reads_whole_up_to_its_maximum(void)
{
	const char *path = unit_path("file");
	auto_buf out = BUF_INIT;
	struct error err = ERR_INIT;
	write_file(path, "12345", 0600);
	buf_add_text(&out, "0");
	CHECK_OK(file_read(path, 5, &out, &err) == 0, &err);
	CHECK_BYTES(buf_bytes(&out), bytes_of("012345"));
	CHECK_FAILS(file_read(path, 4, &out, &err), &err, ERR_TOO_LARGE);
	CHECK_BYTES(buf_bytes(&out), bytes_of("012345"));
	write_file(path, "", 0600);
	CHECK_OK(file_read(path, 0, &out, &err) == 0, &err);
}

static void reads_files_larger_than_one_read(void)
{
	auto_buf large = BUF_INIT, out = BUF_INIT;
	struct error err = ERR_INIT;
	for (uint32_t i = 0; i < 100000; i++)
		buf_u32(&large, i);
	CHECK_OK(file_replace(unit_path("large"), buf_bytes(&large), 0600, &err) == 0, &err);
	CHECK_OK(file_read(unit_path("large"), large.len, &out, &err) == 0, &err);
	CHECK(bytes_equal(buf_bytes(&out), buf_bytes(&large)));
}

static void missing_file_is_not_found_and_a_folder_or_fifo_is_refused(void)
{
	auto_buf out = BUF_INIT;
	struct error err = ERR_INIT;
	CHECK_FAILS(file_read(unit_path("none"), 9, &out, &err), &err, ERR_NOT_FOUND);
	CHECK_FAILS(file_read(unit_folder(), 9, &out, &err), &err, ERR_IO);
	REQUIRE(mkfifo(unit_path("fifo"), 0600) == 0);
	CHECK_FAILS(file_read(unit_path("fifo"), 9, &out, &err), &err, ERR_IO);
}

static void replacing_sets_content_and_mode_and_leaves_nothing_else(void)
{
	const char *path = unit_path("file");
	auto_buf out = BUF_INIT;
	struct error err = ERR_INIT;
	mode_t before = umask(077);
	write_file(path, "old", 0600);
	write_file(path, "new", 0644);
	(void)umask(before);
	CHECK_INT(mode_of(path), 0644);
	CHECK_OK(file_read(path, 9, &out, &err) == 0, &err);
	CHECK_BYTES(buf_bytes(&out), bytes_of("new"));
	CHECK_INT(entries(unit_folder()), 1);
}

static void replacing_puts_a_file_in_the_place_of_a_link(void)
{
	auto_buf out = BUF_INIT;
	struct error err = ERR_INIT;
	struct stat status;
	write_file(unit_path("target"), "untouched", 0600);
	REQUIRE(symlink("target", unit_path("link")) == 0);
	write_file(unit_path("link"), "new", 0600);
	REQUIRE(lstat(unit_path("link"), &status) == 0);
	CHECK(S_ISREG(status.st_mode));
	CHECK_OK(file_read(unit_path("target"), 9, &out, &err) == 0, &err);
	CHECK_BYTES(buf_bytes(&out), bytes_of("untouched"));
}

static void failed_replacement_leaves_the_old_file_and_nothing_else(void)
{
	struct error err = ERR_INIT;
	CHECK_FAILS(file_replace(unit_path("no/such/folder"), bytes_of("x"), 0600, &err), &err, ERR_IO);
	REQUIRE(mkdir(unit_path("dir"), 0700) == 0);
	write_file(unit_path("dir/in"), "x", 0600);
	CHECK_FAILS(file_replace(unit_path("dir"), bytes_of("x"), 0600, &err), &err, ERR_IO);
	CHECK_INT(entries(unit_folder()), 1);
}

struct replacing {
	const char *path;
	atomic_bool stop;
};

static void *replace_again_and_again(void *arg)
{
	struct replacing *r = arg;
	static uint8_t content[50000];
	for (uint8_t i = 0; !atomic_load(&r->stop); i++) {
		struct error err = ERR_INIT;
		memset(content, i, sizeof(content));
		if (file_replace(r->path, BYTES(content, sizeof(content)), 0600, &err))
			break;
	}
	return NULL;
}

static void reader_sees_the_old_content_or_the_new_never_a_part(void)
{
	struct replacing r = { .path = unit_path("file") };
	pthread_t thread;
	write_file(r.path, "", 0600);
	REQUIRE(pthread_create(&thread, NULL, replace_again_and_again, &r) == 0);
	unsigned wrong = 0;
	for (int i = 0; i < 300; i++) {
		auto_buf out = BUF_INIT;
		struct error err = ERR_INIT;
		wrong += file_read(r.path, 50000, &out, &err) != 0;
		wrong += out.len != 0 && out.len != 50000;
		for (size_t at = 1; at < out.len; at++)
			wrong += out.data[at] != out.data[0];
	}
	atomic_store(&r.stop, true);
	(void)pthread_join(thread, NULL);
	CHECK_INT(wrong, 0);
}

static void creating_refuses_what_exists(void)
{
	const char *path = unit_path("file");
	auto_buf out = BUF_INIT;
	struct error err = ERR_INIT;
	CHECK_OK(file_create(path, bytes_of("first"), 0600, &err) == 0, &err);
	CHECK_INT(mode_of(path), 0600);
	CHECK_FAILS(file_create(path, bytes_of("second"), 0600, &err), &err, ERR_CONFLICT);
	CHECK_OK(file_read(path, 9, &out, &err) == 0, &err);
	CHECK_BYTES(buf_bytes(&out), bytes_of("first"));
	REQUIRE(symlink("nowhere", unit_path("link")) == 0);
	CHECK_FAILS(file_create(unit_path("link"), bytes_of("x"), 0600, &err), &err, ERR_CONFLICT);
	CHECK_INT(entries(unit_folder()), 2);
}

/* ---- a file system as FAT is: nothing is linked, no mode is set ---- */

/* For good, in this process: these calls are refused. */
static void refuse_calls(const int *calls, size_t count, int reason)
{
	struct sock_filter filter[16] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)) };
	unsigned short len = 1;
	for (size_t i = 0; i < count; i++) {
		filter[len++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i], 0, 1);
		filter[len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
							     SECCOMP_RET_ERRNO | ((unsigned)reason & SECCOMP_RET_DATA));
	}
	filter[len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	const struct sock_fprog program = { .len = len, .filter = filter };
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		_exit(99);
}

static const int no_links[] = {
#ifdef SYS_link
	SYS_link,
#endif
	SYS_linkat,
};
static const int no_modes[] = {
#ifdef SYS_chmod
	SYS_chmod,
#endif
	SYS_fchmod,
	SYS_fchmodat,
};
static const int no_careful_rename[] = { SYS_renameat2 };

/* Runs it in a process of its own. It answers with the number of what is not as it should be, or 0. */
static void as_on_fat(int (*work)(struct error *err), bool careful_rename)
{
	(void)unit_folder(); /* made once, and not by the other process */
	pid_t pid = fork();
	REQUIRE(pid >= 0);
	if (pid == 0) {
		struct error err = ERR_INIT;
		refuse_calls(no_links, sizeof(no_links) / sizeof(no_links[0]), EPERM);
		refuse_calls(no_modes, sizeof(no_modes) / sizeof(no_modes[0]), EPERM);
		if (!careful_rename)
			refuse_calls(no_careful_rename, 1, EINVAL);
		(void)umask(022);
		int failed = work(&err);
		if (failed)
			(void)fprintf(stderr, "check %d: %s\n", failed, err.message);
		_exit(failed);
	}
	int status = -1;
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	CHECK_INT(WEXITSTATUS(status), 0);
}

static int create_replace_and_refuse(struct error *err)
{
	struct error taken = ERR_INIT;
	char path[512];
	auto_buf content = BUF_INIT;
	(void)snprintf(path, sizeof(path), "%s", unit_path("stick/out/file"));
	if (file_make_dir(unit_path("stick/out"), 0755, err))
		return 1;
	if (file_create(path, bytes_of("one"), 0644, err))
		return 2;
	if (file_create(path, bytes_of("two"), 0644, &taken) == 0 || taken.code != ERR_CONFLICT)
		return 3;
	if (file_read(path, 64, &content, err) || !bytes_equal(buf_bytes(&content), bytes_of("one")))
		return 4;
	if (file_replace(path, bytes_of("three"), 0644, err))
		return 5;
	content.len = 0;
	if (file_read(path, 64, &content, err) || !bytes_equal(buf_bytes(&content), bytes_of("three")))
		return 6;
	return 0;
}

static void what_has_no_links_takes_new_files_and_keeps_those_that_are_there(void)
{
	const char *folder = unit_path("stick/out");
	for (int careful = 0; careful < 2; careful++) {
		char path[512];
		as_on_fat(create_replace_and_refuse, careful);
		(void)snprintf(path, sizeof(path), "%s", folder);
		CHECK_INT(entries(path), 1);
		CHECK_INT(unlink(unit_path("stick/out/file")), 0);
	}
}

static int take_modes_as_they_are(struct error *err)
{
	if (file_make_dir(unit_path("private"), 0700, err))
		return 1;
	if (file_create(unit_path("private/secret"), bytes_of("one"), 0600, err))
		return 2;
	if (file_create(unit_path("private/public"), bytes_of("one"), 0666, err))
		return 3;
	return 0;
}

static void what_has_no_modes_is_as_good_where_nobody_else_can_read(void)
{
	as_on_fat(take_modes_as_they_are, true);
	CHECK_INT(mode_of(unit_path("private/secret")), 0600);
	CHECK_INT(mode_of(unit_path("private/public")), 0644); /* by the umask */
}

static void renaming_goes_over_what_is_there_and_says_what_is_not(void)
{
	struct error err = ERR_INIT;
	auto_buf content = BUF_INIT;
	write_file(unit_path("old"), "old", 0600);
	write_file(unit_path("new"), "new", 0600);
	CHECK_OK(file_rename(unit_path("new"), unit_path("old"), &err) == 0, &err);
	CHECK_OK(file_read(unit_path("old"), 100, &content, &err) == 0, &err);
	CHECK_TEXT(buf_text(&content), "new");
	CHECK(!file_exists(unit_path("new")));
	CHECK_FAILS(file_rename(unit_path("new"), unit_path("old"), &err) == -1, &err, ERR_IO);
}

static void folders_are_made_with_those_above_them(void)
{
	struct error err = ERR_INIT;
	mode_t before = umask(077);
	CHECK_OK(file_make_dir(unit_path("a/b//c/"), 0755, &err) == 0, &err);
	(void)umask(before);
	CHECK_INT(mode_of(unit_path("a")), 0755);
	CHECK_INT(mode_of(unit_path("a/b/c")), 0755);
	CHECK_OK(file_make_dir(unit_path("a/b"), 0700, &err) == 0, &err);
	CHECK_INT(mode_of(unit_path("a/b")), 0755); /* it was there: its mode is not ours to change */
	write_file(unit_path("file"), "", 0600);
	CHECK_FAILS(file_make_dir(unit_path("file"), 0700, &err), &err, ERR_IO);
	CHECK_FAILS(file_make_dir(unit_path("file/below"), 0700, &err), &err, ERR_IO);
}

static void existence_is_that_of_the_name(void)
{
	CHECK(!file_exists(unit_path("link")));
	REQUIRE(symlink("nowhere", unit_path("link")) == 0);
	CHECK(file_exists(unit_path("link")));
	CHECK(file_exists(unit_folder()));
}

static void joining_puts_one_slash_between(void)
{
	auto_free char *path = file_join("a/b", "c");
	CHECK_TEXT(path, "a/b/c");
}

static void a_folder_goes_with_all_that_is_in_it_and_links_go_alone(void)
{
	struct error err = ERR_INIT;
	CHECK_OK(file_make_dir(unit_path("tree/a/b"), 0700, &err) == 0, &err);
	CHECK_OK(file_make_dir(unit_path("other"), 0700, &err) == 0, &err);
	CHECK_OK(file_create(unit_path("tree/a/b/file"), bytes_of("x"), 0400, &err) == 0, &err);
	CHECK_OK(file_create(unit_path("other/file"), bytes_of("x"), 0600, &err) == 0, &err);
	REQUIRE(symlink("../other", unit_path("tree/link")) == 0);
	CHECK_OK(file_remove_tree(unit_path("tree"), &err) == 0, &err);
	CHECK(!file_exists(unit_path("tree")) && file_exists(unit_path("other/file")));
	CHECK_OK(file_remove_tree(unit_path("tree"), &err) == 0, &err);
}

SUITE(file)
{
	TEST(reads_whole_up_to_its_maximum);
	TEST(reads_files_larger_than_one_read);
	TEST(missing_file_is_not_found_and_a_folder_or_fifo_is_refused);
	TEST(replacing_sets_content_and_mode_and_leaves_nothing_else);
	TEST(replacing_puts_a_file_in_the_place_of_a_link);
	TEST(failed_replacement_leaves_the_old_file_and_nothing_else);
	TEST(reader_sees_the_old_content_or_the_new_never_a_part);
	TEST(creating_refuses_what_exists);
	TEST(what_has_no_links_takes_new_files_and_keeps_those_that_are_there);
	TEST(what_has_no_modes_is_as_good_where_nobody_else_can_read);
	TEST(renaming_goes_over_what_is_there_and_says_what_is_not);
	TEST(folders_are_made_with_those_above_them);
	TEST(existence_is_that_of_the_name);
	TEST(a_folder_goes_with_all_that_is_in_it_and_links_go_alone);
	TEST(joining_puts_one_slash_between);
}
