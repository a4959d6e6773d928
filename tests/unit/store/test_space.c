#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "tests/unit/store/fixture.h"

#define DISK "size=24m,mode=0700"
#define RESERVE ((size_t)4 << 20)

/* A small disk of its own; false where this user may not mount one. */
static bool mount_disk(struct store_options *options)
{
	*options = fixture_options("disk");
	options->reserve_bytes = RESERVE;
	return mount("none", options->path, "tmpfs", MS_NOSUID | MS_NODEV, DISK) == 0;
}

static void unmount_disk(const struct store_options *options)
{
	CHECK_INT(umount(options->path), 0);
}

/* Another program takes all that is left. */
static int fill_disk(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	static const char block[4096] = { 1 };
	while (write(fd, block, sizeof(block)) > 0)
		continue;
	return fd;
}

static bool is_full(const struct store_options *options)
{
	struct statvfs fs;
	return statvfs(options->path, &fs) == 0 && fs.f_bavail == 0;
}

static int revoke_one(struct store *s, const struct store_serial *serial, int64_t at_ms, struct error *err)
{
	struct record_certificate *r =
		fixture_certificate("issuing-1", BYTES(serial->octets, serial->len), "dns:a.test");
	r->status = RECORD_REVOKED;
	r->reason = REASON_KEY_COMPROMISE;
	r->revoked_ms = at_ms;
	struct store_batch *b = fixture_put(s, r);
	store_append(b, "audit-node-1", bytes_of("revoked"));
	store_use_reserve(b);
	return store_submit_wait(s, b, NULL, err);
}

static int submit_ordinary(struct store *s, struct error *err)
{
	struct store_batch *b = store_batch_new(s);
	static const uint8_t large[65536] = { 1 };
	store_put(b, STORE_META, bytes_of("large"), BYTES(large, sizeof(large)));
	return store_submit_wait(s, b, NULL, err);
}

static enum store_state state_of(struct store *s)
{
	struct store_status status;
	store_status(s, &status);
	return status.state;
}

/* The look at the disk is at most 100 ms old: waits until it has been taken anew. */
static bool comes_to(struct store *s, enum store_state state)
{
	int64_t end = clock_monotonic_ms() + 5000;
	while (state_of(s) != state && clock_monotonic_ms() < end)
		(void)usleep(10000);
	return state_of(s) == state;
}

static void on_a_full_disk_revocation_goes_on_and_issuing_comes_back(void)
{
	struct error err = ERR_INIT;
	struct store_options options;
	struct store_serial serial, other;
	if (!mount_disk(&options)) {
		CHECK_INT(errno, EPERM); /* only the right to mount may be missing */
		return;
	}
	struct store *s = fixture_open_with(&options);
	CHECK_OK(fixture_issue(s, "dns:a.test", &serial, &err) == 0, &err);
	CHECK_OK(fixture_issue(s, "dns:a.test", &other, &err) == 0, &err);
	const char *filler = unit_path("disk/filler");
	int fd = fill_disk(filler);
	CHECK(is_full(&options));
	CHECK(comes_to(s, STORE_LOW));

	CHECK_FAILS(fixture_issue(s, "dns:b.test", NULL, &err) == -1, &err, ERR_STORE_FULL);
	CHECK_FAILS(submit_ordinary(s, &err) == -1, &err, ERR_STORE_FULL);
	for (int i = 0; i < 100; i++) {
		CHECK_OK(revoke_one(s, i % 2 ? &serial : &other, FIXTURE_NOW_MS + i, &err) == 0, &err);
		(void)!write(fd, "x", 1); /* the other program is still there */
	}
	struct record_certificate *r = NULL;
	CHECK_INT(fixture_find(s, "issuing-1", BYTES(serial.octets, serial.len), &r, NULL), 1);
	CHECK_INT(r->status, RECORD_REVOKED);

	store_close(s); /* a restart on the full disk */
	s = fixture_open_with(&options);
	CHECK_INT(fixture_check(s, NULL), 0);
	CHECK_OK(revoke_one(s, &serial, FIXTURE_NOW_MS + 1000, &err) == 0, &err);

	(void)close(fd);
	CHECK_INT(unlink(filler), 0);
	CHECK(comes_to(s, STORE_OK));
	CHECK_OK(fixture_issue(s, "dns:b.test", NULL, &err) == 0, &err);
	CHECK_INT(fixture_check(s, NULL), 0);
	store_close(s);
	unmount_disk(&options);
}

/* Between two looks the disk can fill up: the commit itself finds it. */
static void a_commit_that_finds_no_room_fails_its_ordinary_batches_only(void)
{
	struct error err = ERR_INIT;
	struct store_options options;
	struct store_serial serial;
	if (!mount_disk(&options)) {
		CHECK_INT(errno, EPERM);
		return;
	}
	struct store *s = fixture_open_with(&options);
	CHECK_OK(fixture_issue(s, "dns:a.test", &serial, &err) == 0, &err);
	int fd = fill_disk(unit_path("disk/filler"));
	/* No look at the disk since: the first large batch runs into the wall, or into the refusal. */
	CHECK_FAILS(submit_ordinary(s, &err) == -1, &err, ERR_STORE_FULL);
	CHECK_OK(revoke_one(s, &serial, FIXTURE_NOW_MS, &err) == 0, &err);
	CHECK_INT(fixture_check(s, NULL), 0);
	store_close(s);
	(void)close(fd);
	unmount_disk(&options);
}

static void the_end_of_the_map_is_a_full_store_too(void)
{
	struct error err = ERR_INIT;
	struct store_options options = fixture_options("s");
	options.map_bytes = (size_t)4 << 20;
	options.reserve_bytes = (size_t)2 << 20;
	struct store *s = fixture_open_with(&options);
	struct store_serial serial;
	CHECK_OK(fixture_issue(s, "dns:a.test", &serial, &err) == 0, &err);
	int issued = 0;
	while (issued < 100000 && fixture_issue(s, "dns:a.test", NULL, &err) == 0)
		issued++;
	CHECK(issued > 10);
	CHECK_INT(err.code, ERR_STORE_FULL);
	CHECK_INT(state_of(s), STORE_LOW);
	CHECK_TEXT(store_state_name(STORE_LOW), "full");
	CHECK_OK(revoke_one(s, &serial, FIXTURE_NOW_MS, &err) == 0, &err);
	store_close(s);

	options.map_bytes = (size_t)1 << 30; /* with a larger map it goes on */
	s = fixture_open_with(&options);
	CHECK_OK(fixture_issue(s, "dns:a.test", NULL, &err) == 0, &err);
	CHECK_INT(fixture_check(s, NULL), 0);
	store_close(s);
}

SUITE(space)
{
	TEST(on_a_full_disk_revocation_goes_on_and_issuing_comes_back);
	TEST(a_commit_that_finds_no_room_fails_its_ordinary_batches_only);
	TEST(the_end_of_the_map_is_a_full_store_too);
}
