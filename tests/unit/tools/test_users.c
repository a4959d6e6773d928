#include "tests/unit/unit.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "tools/users.h"

static void nobody_is_chosen_without_a_name_or_without_root(void)
{
	struct user user = { .set = true };
	char why[128];
	user_for_role("", "/", &user, why);
	CHECK(!user.set);
	CHECK(why[0] != '\0');
	user_for_role("no-such-user-here", "/", &user, why);
	CHECK(!user.set);
	user_for_role("root", "/", &user, why);
	CHECK(!user.set);
}

static void without_a_user_nothing_is_given_away(void)
{
	struct error err = ERR_INIT;
	const struct user none = { .set = false };
	CHECK_OK(user_give(&none, "/nonexistent", &err) == 0, &err);
	CHECK_OK(user_become(&none, &err) == 0, &err);
}

/* What follows needs root, as giving does; any user will do, there need not be one. */
static const struct user somebody = { .set = true, .uid = 54321, .gid = 54321, .name = "somebody" };

static uid_t owner_of(const char *path)
{
	struct stat status = { .st_uid = 0 };
	(void)lstat(path, &status);
	return status.st_uid;
}

static void gives_a_folder_whole_but_no_pin_and_nothing_behind_a_link(void)
{
	struct error err = ERR_INIT;
	auto_free char *outside = file_join(unit_folder(), "outside"), *folder = file_join(unit_folder(), "token");
	auto_free char *inner = file_join(folder, "tokens"), *object = file_join(inner, "a.object");
	auto_free char *pin = file_join(folder, "issuing.pin"), *so_pin = file_join(folder, "issuing.so-pin");
	auto_free char *new_pin = file_join(folder, "issuing.pin.new");
	auto_free char *symbolic = file_join(folder, "symbolic"), *hard = file_join(folder, "hard");
	CHECK_OK(file_create(outside, bytes_of("precious"), 0600, &err) == 0, &err);
	CHECK_OK(file_make_dir(inner, 0700, &err) == 0, &err);
	CHECK_OK(file_create(object, bytes_of("x"), 0600, &err) == 0, &err);
	CHECK_OK(file_create(pin, bytes_of("1234"), 0600, &err) == 0, &err);
	CHECK_OK(file_create(so_pin, bytes_of("1234"), 0600, &err) == 0, &err);
	CHECK_OK(file_create(new_pin, bytes_of("1234"), 0600, &err) == 0, &err);
	REQUIRE(symlink(outside, symbolic) == 0);
	REQUIRE(link(outside, hard) == 0);
	if (geteuid() != 0) {
		CHECK_FAILS(user_give(&somebody, folder, &err) == -1, &err, ERR_IO);
		return;
	}
	CHECK_OK(user_give(&somebody, folder, &err) == 0, &err);
	CHECK_INT(owner_of(folder), somebody.uid);
	CHECK_INT(owner_of(inner), somebody.uid);
	CHECK_INT(owner_of(object), somebody.uid);
	CHECK_INT(owner_of(pin), 0);
	CHECK_INT(owner_of(so_pin), 0);
	CHECK_INT(owner_of(new_pin), 0);
	CHECK_INT(owner_of(outside), 0);
}

static void who_became_a_user_does_not_come_back(void)
{
	(void)fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		struct error err = ERR_INIT;
		bool root = geteuid() == 0;
		bool became = user_become(&somebody, &err) == 0;
		bool gone = !root || (geteuid() == somebody.uid && setuid(0) != 0 && seteuid(0) != 0);
		_exit(became == root && gone ? 0 : 1);
	}
	int status = 1;
	REQUIRE(waitpid(child, &status, 0) == child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

SUITE(users)
{
	TEST(nobody_is_chosen_without_a_name_or_without_root);
	TEST(without_a_user_nothing_is_given_away);
	TEST(gives_a_folder_whole_but_no_pin_and_nothing_behind_a_link);
	TEST(who_became_a_user_does_not_come_back);
}
