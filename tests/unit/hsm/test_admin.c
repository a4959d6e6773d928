#include "hsm/admin.h"

#include <sys/stat.h>

#include "base/file.h"
#include "tests/unit/hsm/fixture.h"

static mode_t mode_of(const char *path)
{
	struct stat status;
	return stat(path, &status) == 0 ? status.st_mode & 07777 : 0;
}

static void makes_a_directory_for_its_owner_alone(void)
{
	struct error err = ERR_INIT;
	CHECK_OK(hsm_admin_make_softhsm(unit_path("softhsm"), &err) == 0, &err);
	CHECK_INT(mode_of(unit_path("softhsm")), 0700);
	CHECK_INT(mode_of(unit_path("softhsm/tokens")), 0700);
	CHECK_INT(mode_of(unit_path("softhsm/softhsm2.conf")), 0600);
}

static void leaves_an_existing_configuration_alone(void)
{
	struct error err = ERR_INIT;
	CHECK_OK(file_make_dir(unit_path("softhsm"), 0700, &err) == 0, &err);
	CHECK_OK(file_create(unit_path("softhsm/softhsm2.conf"), bytes_of("# mine\n"), 0600, &err) == 0, &err);
	CHECK_OK(hsm_admin_make_softhsm(unit_path("softhsm"), &err) == 0, &err);
	auto_buf content = BUF_INIT;
	CHECK_OK(file_read(unit_path("softhsm/softhsm2.conf"), 1000, &content, &err) == 0, &err);
	CHECK_TEXT(buf_text(&content), "# mine\n");
}

static void refuses_a_directory_that_would_forge_a_line(void)
{
	struct error err = ERR_INIT;
	CHECK_FAILS(hsm_admin_make_softhsm("/nowhere\nobjectstore.backend = db", &err) == -1, &err, ERR_IO);
}

static void refuses_a_second_token_of_the_same_label(void)
{
	struct error err = ERR_INIT;
	fixture_prepare();
	auto_secret *pin = fixture_pin("1234");
	CHECK_FAILS(hsm_admin_init_token(hsm_admin_find_softhsm(), "unit", pin, pin, &err) == -1, &err, ERR_CONFLICT);
}

static void lists_tokens_with_their_facts(void)
{
	struct error err = ERR_INIT;
	struct hsm_token_info infos[8];
	fixture_prepare();
	auto_secret *pin = fixture_pin("other PIN");
	CHECK_OK(hsm_admin_init_token(hsm_admin_find_softhsm(), "second", pin, pin, &err) == 0, &err);
	auto_hsm_module *m = hsm_module_open(hsm_admin_find_softhsm(), &err);
	CHECK_OK(m != NULL, &err);
	REQUIRE(m != NULL);
	int count = hsm_module_tokens(m, infos, 8, &err);
	CHECK_INT(count, 3); /* and the uninitialized one that SoftHSM2 always offers */
	int unit = 0, second = 0, fresh = 0;
	for (int i = 0; i < count; i++) {
		unit += infos[i].initialized && strcmp(infos[i].label, "unit") == 0;
		second += infos[i].initialized && strcmp(infos[i].label, "second") == 0;
		fresh += !infos[i].initialized;
	}
	CHECK(unit == 1 && second == 1 && fresh == 1);
	CHECK_INT(hsm_module_tokens(m, infos, 1, &err), 3);
}

static void refuses_pins_and_labels_that_cannot_be_set(void)
{
	struct error err = ERR_INIT;
	auto_secret *good = fixture_pin("1234"), *none = fixture_pin("");
	auto_secret *nul = secret_new(BYTES("12\0004", 4), &err);
	const char *module = hsm_admin_find_softhsm();
	CHECK_FAILS(hsm_admin_init_token(module, "x", good, none, &err) == -1, &err, ERR_CONFIG);
	CHECK_FAILS(hsm_admin_init_token(module, "x", nul, good, &err) == -1, &err, ERR_CONFIG);
	CHECK_FAILS(hsm_admin_init_token(module, "", good, good, &err) == -1, &err, ERR_CONFIG);
	CHECK_FAILS(hsm_admin_init_token(module, "123456789012345678901234567890123", good, good, &err) == -1, &err,
		    ERR_CONFIG);
}

static void says_which_module_cannot_be_loaded(void)
{
	struct error err = ERR_INIT;
	auto_secret *pin = fixture_pin("1234");
	CHECK_FAILS(hsm_admin_init_token("/nowhere/module.so", "x", pin, pin, &err) == -1, &err, ERR_TOKEN_UNAVAILABLE);
	CHECK(strstr(err.message, "/nowhere/module.so") != NULL);
}

SUITE(admin)
{
	TEST(makes_a_directory_for_its_owner_alone);
	TEST(leaves_an_existing_configuration_alone);
	TEST(refuses_a_directory_that_would_forge_a_line);
	TEST(refuses_a_second_token_of_the_same_label);
	TEST(lists_tokens_with_their_facts);
	TEST(refuses_pins_and_labels_that_cannot_be_set);
	TEST(says_which_module_cannot_be_loaded);
}
