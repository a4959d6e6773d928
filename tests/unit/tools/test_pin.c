#include "tools/pin.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/unit/unit.h"

static size_t drawn(unsigned long least, unsigned long most)
{
	struct error err = ERR_INIT;
	auto_secret *pin = pin_draw((struct pin_limits){ least, most }, &err);
	CHECK_OK(pin != NULL, &err);
	struct bytes b = secret_bytes(pin);
	for (size_t i = 0; i < b.len; i++)
		CHECK(strchr("0123456789abcdef", b.data[i]) != NULL);
	return b.len;
}

static void draws_pins_of_a_length_that_the_token_takes(void)
{
	CHECK_INT(drawn(0, 0), 32);
	CHECK_INT(drawn(4, 255), 32);
	CHECK_INT(drawn(4, 15), 15);
	CHECK_INT(drawn(6, 8), 8);
	CHECK_INT(drawn(40, 64), 40);
	CHECK_INT(drawn(4, ~0UL), 32); /* CK_UNAVAILABLE_INFORMATION */
	CHECK_INT(drawn(~0UL, ~0UL), 32);
}

static const char *reference_to(const char *name)
{
	static char reference[512];
	(void)snprintf(reference, sizeof(reference), "file:%s", unit_path(name));
	return reference;
}

static void makes_a_missing_file_with_the_pin_that_it_gives(void)
{
	struct error err = ERR_INIT;
	struct stat status = { .st_mode = 0 };
	bool made = false;
	auto_secret *pin = pin_to_set(reference_to("new.pin"), "PIN", (struct pin_limits){ 4, 16 }, &made, &err);
	CHECK_OK(pin != NULL && made, &err);
	CHECK_INT(secret_bytes(pin).len, 16);
	CHECK(stat(unit_path("new.pin"), &status) == 0 && (status.st_mode & 07777) == 0600);
	auto_secret *again = pin_to_set(reference_to("new.pin"), "PIN", PIN_ANY_LENGTH, &made, &err);
	CHECK_OK(again != NULL && !made, &err);
	CHECK_BYTES(secret_bytes(again), secret_bytes(pin));
	CHECK_FAILS(pin_write(unit_path("new.pin"), pin, &err) == -1, &err, ERR_CONFLICT);
}

static void refuses_a_pin_of_another_length_without_showing_it(void)
{
	struct error err = ERR_INIT;
	bool made = true;
	CHECK_OK(file_create(unit_path("short.pin"), bytes_of("12345\n"), 0600, &err) == 0, &err);
	CHECK_FAILS(!pin_to_set(reference_to("short.pin"), "PIN", (struct pin_limits){ 6, 8 }, &made, &err), &err,
		    ERR_CONFIG);
	CHECK(!made && !strstr(err.message, "12345"));
	CHECK_FAILS(!pin_to_set(reference_to("short.pin"), "PIN", (struct pin_limits){ 1, 4 }, &made, &err), &err,
		    ERR_CONFIG);
}

static void refuses_a_pin_where_a_reference_is_wanted(void)
{
	struct error err = ERR_INIT;
	bool made;
	CHECK_FAILS(!pin_to_set("271828", "PIN", PIN_ANY_LENGTH, &made, &err), &err, ERR_CONFIG);
	CHECK(!strstr(err.message, "271828"));
}

static void makes_paths_of_references_absolute(void)
{
	struct error err = ERR_INIT;
	char here[512], expected[600];
	auto_buf relative = BUF_INIT, absolute = BUF_INIT, prompt = BUF_INIT;
	REQUIRE(getcwd(here, sizeof(here)) != NULL);
	(void)snprintf(expected, sizeof(expected), "file:%s/x.pin", here);
	CHECK_OK(pin_reference_absolute("file:x.pin", &relative, &err) == 0, &err);
	CHECK_TEXT(buf_text(&relative), expected);
	CHECK_OK(pin_reference_absolute("file:/x.pin", &absolute, &err) == 0, &err);
	CHECK_TEXT(buf_text(&absolute), "file:/x.pin");
	CHECK_OK(pin_reference_absolute("prompt", &prompt, &err) == 0, &err);
	CHECK_TEXT(buf_text(&prompt), "prompt");
	(void)snprintf(expected, sizeof(expected), "shares:%s/sheet.txt", here);
	auto_buf sheet = BUF_INIT;
	CHECK_OK(pin_reference_absolute("shares:sheet.txt", &sheet, &err) == 0, &err);
	CHECK_TEXT(buf_text(&sheet), expected);
	CHECK_TEXT(pin_file("file:/x"), "/x");
	CHECK(!pin_file("fd:3"));
}

static void takes_shares_of_a_pin_that_is_set_alone(void)
{
	struct error err = ERR_INIT;
	char reference[512];
	bool made = true;
	(void)snprintf(reference, sizeof(reference), "shares:%s", unit_path("none"));
	CHECK_FAILS(!pin_get(reference, "PIN", &err), &err, ERR_NOT_FOUND);
	CHECK_FAILS(!pin_to_set(reference, "PIN", PIN_ANY_LENGTH, &made, &err), &err, ERR_CONFIG);
	CHECK(!made);
	CHECK_OK(file_create(unit_path("a.pin"), bytes_of("123456\n"), 0600, &err) == 0, &err);
	(void)snprintf(reference, sizeof(reference), "file:%s", unit_path("a.pin"));
	auto_secret *pin = pin_get(reference, "PIN", &err);
	CHECK_OK(pin != NULL, &err);
	CHECK_BYTES(secret_bytes(pin), bytes_of("123456"));
}

static void check_so_reference(const char *given, const char *pin, const char *expected)
{
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	int done = pin_so_reference(given, pin, &out, &err);
	if (expected)
		CHECK_TEXT(buf_text(&out), expected);
	else
		CHECK_INT(err.code, ERR_USAGE);
	CHECK((done == 0) == (expected != NULL));
}

static void an_so_pin_lies_beside_the_pin(void)
{
	check_so_reference(NULL, "file:token/a.pin", "file:token/a.so-pin");
	check_so_reference(NULL, "file:token/a", "file:token/a.so-pin");
	check_so_reference(NULL, "prompt", "prompt");
	check_so_reference("fd:3", "file:token/a.pin", "fd:3");
	check_so_reference("file:token/a.pin", "file:token/a.pin", NULL);
	check_so_reference(NULL, "shares:sheet.txt", NULL);
	check_so_reference(NULL, "credential:a", NULL);
}

SUITE(pin)
{
	TEST(draws_pins_of_a_length_that_the_token_takes);
	TEST(makes_a_missing_file_with_the_pin_that_it_gives);
	TEST(refuses_a_pin_of_another_length_without_showing_it);
	TEST(refuses_a_pin_where_a_reference_is_wanted);
	TEST(makes_paths_of_references_absolute);
	TEST(takes_shares_of_a_pin_that_is_set_alone);
	TEST(an_so_pin_lies_beside_the_pin);
}
