#include "base/secret.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/file.h"
#include "tests/unit/unit.h"

/* "file:" and the path of a new file below the test's folder. */
static const char *file_reference(const char *content, size_t len, mode_t mode)
{
	static char reference[512];
	struct error err = ERR_INIT;
	CHECK_OK(file_replace(unit_path("pin"), BYTES(content, len), mode, &err) == 0, &err);
	(void)snprintf(reference, sizeof(reference), "file:%s", unit_path("pin"));
	return reference;
}

/* secret_get gives exactly this. */
static void check_gives(const char *reference, const char *expected)
{
	struct error err = ERR_INIT;
	auto_secret *s = secret_get(reference, "PIN", &err);
	CHECK_OK(s != NULL, &err);
	CHECK_BYTES(secret_bytes(s), bytes_of(expected));
	CHECK_INT(secret_bytes(s).data[secret_bytes(s).len], 0);
}

static void check_refuses(const char *reference, enum err_code code)
{
	struct error err = ERR_INIT;
	auto_secret *s = secret_get(reference, "PIN", &err);
	CHECK_FAILS(s == NULL, &err, code);
}

static void file_gives_its_first_line(void)
{
	static const char *const contents[] = { "1234", "1234\n", "1234\r\n", "1234\nsecond line\n" };
	for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++)
		check_gives(file_reference(contents[i], strlen(contents[i]), 0600), "1234");
	check_gives(file_reference("12 34 \n", 7, 0400), "12 34 ");
}

static void refuses_file_that_others_can_read(void)
{
	static const mode_t modes[] = { 0640, 0604, 0620, 0602, 0644, 0666, 0610, 0700, 04600 };
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		check_refuses(file_reference("1234", 4, modes[i]), ERR_CONFIG);
}

static void refuses_file_of_another_user(void)
{
	const char *reference = file_reference("1234", 4, 0600);
	if (geteuid() == 0) {
		REQUIRE(chown(unit_path("pin"), 12345, 0) == 0);
		check_refuses(reference, ERR_CONFIG);
	} else {
		check_gives(reference, "1234"); /* its own it may read */
	}
}

static void refuses_file_that_is_empty_large_missing_or_none(void)
{
	char large[SECRET_MAX + 2];
	memset(large, 'x', sizeof(large));
	check_refuses(file_reference("", 0, 0600), ERR_CONFIG);
	check_refuses(file_reference("\n", 1, 0600), ERR_CONFIG);
	check_refuses(file_reference(large, sizeof(large), 0600), ERR_CONFIG);
	check_refuses(file_reference(large, SECRET_MAX + 1, 0600), ERR_CONFIG);
	check_refuses("file:/no/such/file", ERR_NOT_FOUND);
	check_refuses("file:/dev/null", ERR_CONFIG);
	check_refuses("file:/", ERR_CONFIG);
}

static void credential_is_a_file_below_the_unit_s_folder(void)
{
	(void)file_reference("1234\n", 5, 0440);
	REQUIRE(setenv("CREDENTIALS_DIRECTORY", unit_folder(), 1) == 0);
	check_gives("credential:pin", "1234");
	check_refuses("credential:other", ERR_NOT_FOUND);
	(void)file_reference("1234\n", 5, 0444);
	check_refuses("credential:pin", ERR_CONFIG);
	(void)unsetenv("CREDENTIALS_DIRECTORY");
	check_refuses("credential:pin", ERR_NOT_FOUND);
}

static void descriptor_is_read_to_its_end_and_closed(void)
{
	int ends[2];
	char reference[32];
	REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
	REQUIRE(write(ends[1], "12\n34\r\n", 7) == 7);
	(void)close(ends[1]);
	(void)snprintf(reference, sizeof(reference), "fd:%d", ends[0]);
	check_gives(reference, "12\n34");
	CHECK(fcntl(ends[0], F_GETFD) < 0);
	check_refuses(reference, ERR_IO);
}

static void text_that_is_no_reference_is_refused_and_not_shown(void)
{
	static const char *const bad[] = { "",
					   "1234",
					   "file",
					   "file:",
					   "fd:",
					   "fd:x",
					   "fd:-1",
					   "fd:1x",
					   "credential:",
					   "credential:../x",
					   "credential:a/b",
					   "credential:..",
					   "prompt:now",
					   "PROMPT",
					   "pin:1234",
					   "fd:99999999999" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct error err = ERR_INIT;
		CHECK(!secret_is_reference(bad[i]));
		auto_secret *s = secret_get(bad[i], "PIN", &err);
		CHECK_FAILS(s == NULL, &err, ERR_CONFIG);
		CHECK(strstr(err.message, "1234") == NULL);
		CHECK(strstr(err.causes, "1234") == NULL);
	}
	CHECK(secret_is_reference("file:x") && secret_is_reference("credential:x"));
	CHECK(secret_is_reference("fd:0") && secret_is_reference("prompt"));
}

static void shares_are_a_reference_of_pins_alone(void)
{
	CHECK_TEXT(secret_shares_sheet("shares:a/sheet.txt"), "a/sheet.txt");
	CHECK(!secret_shares_sheet("shares:") && !secret_shares_sheet("shares") && !secret_shares_sheet("file:x"));
	CHECK(secret_is_pin_reference("shares:x") && secret_is_pin_reference("prompt"));
	CHECK(!secret_is_pin_reference("shares:") && !secret_is_pin_reference("1234"));
	CHECK(!secret_is_reference("shares:x"));
	check_refuses("shares:x", ERR_CONFIG);
}

static void random_secret_is_hex_and_never_the_same(void)
{
	struct error err = ERR_INIT;
	auto_secret *a = secret_random(16, &err);
	auto_secret *b = secret_random(16, &err);
	CHECK_OK(a && b, &err);
	CHECK_INT(secret_bytes(a).len, 32);
	CHECK_INT(strspn((const char *)secret_bytes(a).data, "0123456789abcdef"), 32);
	CHECK(!bytes_equal(secret_bytes(a), secret_bytes(b)));
	auto_secret *too_long = secret_random(SECRET_MAX, &err);
	CHECK_FAILS(too_long == NULL, &err, ERR_TOO_LARGE);
}

static void copies_and_caps_its_value(void)
{
	char value[SECRET_MAX + 1];
	struct error err = ERR_INIT;
	memset(value, 'x', sizeof(value));
	auto_secret *s = secret_new(BYTES(value, SECRET_MAX), &err);
	CHECK_OK(s != NULL, &err);
	value[0] = 'y';
	CHECK_INT(secret_bytes(s).data[0], 'x');
	auto_secret *longer = secret_new(BYTES(value, SECRET_MAX + 1), &err);
	CHECK_FAILS(longer == NULL, &err, ERR_TOO_LARGE);
	auto_secret *none = secret_new(BYTES_NONE, &err);
	CHECK_OK(none != NULL, &err);
	CHECK_INT(secret_bytes(none).len, 0);
}

/* The VmFlags of the mapping that holds the address, or "". */
static void mapping_flags(const void *address, char out[512])
{
	FILE *maps = fopen("/proc/self/smaps", "re");
	char line[512];
	bool here = false;
	out[0] = '\0';
	while (maps && fgets(line, sizeof(line), maps)) {
		char *dash;
		unsigned long from = strtoul(line, &dash, 16);
		if (*dash == '-')
			here = (uintptr_t)address >= from && (uintptr_t)address < strtoul(dash + 1, NULL, 16);
		else if (here && strncmp(line, "VmFlags:", 8) == 0)
			memcpy(out, line, sizeof(line));
	}
	if (maps)
		(void)fclose(maps);
}

static void memory_is_left_out_of_core_dumps(void)
{
	char flags[512];
	struct error err = ERR_INIT;
	auto_secret *s = secret_new(bytes_of("1234"), &err);
	CHECK_OK(s != NULL, &err);
	mapping_flags(secret_bytes(s).data, flags);
	CHECK(strstr(flags, " dd") != NULL);
}

static void memfd_is_sealed_closed_on_exec_and_readable_again(void)
{
	struct error err = ERR_INIT;
	char reference[32], text[8];
	auto_secret *s = secret_new(bytes_of("1234"), &err);
	CHECK_OK(s != NULL, &err);
	auto_fd fd = secret_to_memfd(s, &err);
	CHECK_OK(fd >= 0, &err);
	CHECK_INT(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	CHECK_INT(fcntl(fd, F_GET_SEALS), F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
	CHECK(write(fd, "x", 1) < 0);
	CHECK(ftruncate(fd, 0) < 0);
	CHECK_INT(read(fd, text, sizeof(text)), 4); /* its offset is at the end now */
	(void)snprintf(reference, sizeof(reference), "fd:%d", dup(fd));
	check_gives(reference, "1234");
}

SUITE(secret)
{
	TEST(file_gives_its_first_line);
	TEST(refuses_file_that_others_can_read);
	TEST(refuses_file_of_another_user);
	TEST(refuses_file_that_is_empty_large_missing_or_none);
	TEST(credential_is_a_file_below_the_unit_s_folder);
	TEST(descriptor_is_read_to_its_end_and_closed);
	TEST(text_that_is_no_reference_is_refused_and_not_shown);
	TEST(shares_are_a_reference_of_pins_alone);
	TEST(random_secret_is_hex_and_never_the_same);
	TEST(copies_and_caps_its_value);
	TEST(memory_is_left_out_of_core_dumps);
	TEST(memfd_is_sealed_closed_on_exec_and_readable_again);
}
