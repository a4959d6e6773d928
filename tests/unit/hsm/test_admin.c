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

/* ---- which token is initialized ---- */

static void initializes_only_a_token_that_the_uri_fits(void)
{
	struct error err = ERR_INIT;
	struct hsm_token_info info;
	const char *module = hsm_admin_find_softhsm();
	auto_secret *pin = fixture_pin("1234");
	fixture_prepare();
	struct hsm_uri name = { .parts = HSM_URI_TOKEN, .token = "second" };
	CHECK_OK(hsm_admin_find_uninitialized(module, &name, &info, &err) == 0, &err);
	CHECK(!info.initialized && info.pin_min == 4 && info.pin_max == 255);
	struct hsm_uri elsewhere = { .parts = HSM_URI_TOKEN | HSM_URI_SLOT, .token = "second", .slot = info.slot + 1 };
	CHECK_FAILS(hsm_admin_find_uninitialized(module, &elsewhere, &info, &err) == -1, &err, ERR_NOT_FOUND);
	CHECK_FAILS(hsm_admin_init_named(module, &elsewhere, pin, pin, &err) == -1, &err, ERR_NOT_FOUND);
	struct hsm_uri other_maker = { .parts = HSM_URI_TOKEN | HSM_URI_MANUFACTURER,
				       .token = "second",
				       .manufacturer = "somebody" };
	CHECK_FAILS(hsm_admin_init_named(module, &other_maker, pin, pin, &err) == -1, &err, ERR_NOT_FOUND);
	elsewhere.slot = info.slot;
	CHECK_OK(hsm_admin_init_named(module, &elsewhere, pin, pin, &err) == 0, &err);
	CHECK_FAILS(hsm_admin_find_uninitialized(module, &name, &info, &err) == -1, &err, ERR_CONFLICT);
	struct hsm_uri nameless = { .parts = HSM_URI_SLOT };
	CHECK_FAILS(hsm_admin_find_uninitialized(module, &nameless, &info, &err) == -1, &err, ERR_CONFIG);
}

/* ---- PINs ---- */

static const char uri[] = "pkcs11:token=unit";

static void check_pin_is(const char *text, bool expected)
{
	struct error err = ERR_INIT;
	auto_secret *pin = fixture_pin(text);
	bool accepted = !expected;
	CHECK_OK(hsm_admin_try_pin(hsm_admin_find_softhsm(), uri, pin, &accepted, &err) == 0, &err);
	CHECK(accepted == expected);
}

static int change(const char *from, const char *to, enum hsm_pin_outcome *outcome, struct error *err)
{
	auto_secret *pin = fixture_pin(from), *new_pin = fixture_pin(to);
	return hsm_admin_change_pin(hsm_admin_find_softhsm(), uri, pin, new_pin, outcome, err);
}

static void changes_the_user_pin(void)
{
	struct error err = ERR_INIT;
	enum hsm_pin_outcome outcome = HSM_PIN_UNKNOWN;
	fixture_prepare();
	CHECK_OK(change(FIXTURE_PIN, "the next PIN", &outcome, &err) == 0, &err);
	CHECK_INT(outcome, HSM_PIN_CHANGED);
	check_pin_is(FIXTURE_PIN, false);
	check_pin_is("the next PIN", true);
}

static void leaves_the_pin_where_the_present_one_is_wrong_or_the_new_one_unfit(void)
{
	struct error err = ERR_INIT;
	enum hsm_pin_outcome outcome = HSM_PIN_UNKNOWN;
	fixture_prepare();
	CHECK_FAILS(change("wrong PIN", "the next PIN", &outcome, &err) == -1, &err, ERR_PIN_REFUSED);
	CHECK_INT(outcome, HSM_PIN_UNCHANGED);
	CHECK(!strstr(err.message, "wrong PIN") && !strstr(err.message, "the next PIN"));
	outcome = HSM_PIN_UNKNOWN;
	CHECK_FAILS(change(FIXTURE_PIN, "123", &outcome, &err) == -1, &err, ERR_CONFIG);
	CHECK_INT(outcome, HSM_PIN_UNCHANGED);
	check_pin_is(FIXTURE_PIN, true);
}

static void check_so_pin_is(const char *text, bool expected)
{
	struct error err = ERR_INIT;
	auto_secret *pin = fixture_pin(text);
	bool accepted = !expected;
	CHECK_OK(hsm_admin_try_so_pin(hsm_admin_find_softhsm(), uri, pin, &accepted, &err) == 0, &err);
	CHECK(accepted == expected);
}

static int change_so(const char *from, const char *to, enum hsm_pin_outcome *outcome, struct error *err)
{
	auto_secret *pin = fixture_pin(from), *new_pin = fixture_pin(to);
	return hsm_admin_change_so_pin(hsm_admin_find_softhsm(), uri, pin, new_pin, outcome, err);
}

static void changes_the_so_pin_and_leaves_the_user_pin(void)
{
	struct error err = ERR_INIT;
	enum hsm_pin_outcome outcome = HSM_PIN_UNKNOWN;
	fixture_prepare();
	check_so_pin_is(FIXTURE_SO_PIN, true);
	CHECK_FAILS(change_so("wrong PIN", "the next PIN", &outcome, &err) == -1, &err, ERR_PIN_REFUSED);
	CHECK_INT(outcome, HSM_PIN_UNCHANGED);
	CHECK(strstr(err.message, "SO PIN") != NULL && !strstr(err.message, "wrong PIN"));
	outcome = HSM_PIN_UNKNOWN;
	CHECK_FAILS(change_so(FIXTURE_SO_PIN, "123", &outcome, &err) == -1, &err, ERR_CONFIG);
	CHECK_INT(outcome, HSM_PIN_UNCHANGED);
	CHECK_OK(change_so(FIXTURE_SO_PIN, "the next PIN", &outcome, &err) == 0, &err);
	CHECK_INT(outcome, HSM_PIN_CHANGED);
	check_so_pin_is(FIXTURE_SO_PIN, false);
	check_so_pin_is("the next PIN", true);
	check_pin_is(FIXTURE_PIN, true);
	check_pin_is("the next PIN", false);
}

static void tells_the_facts_of_one_token(void)
{
	struct error err = ERR_INIT;
	struct hsm_token_info info;
	fixture_prepare();
	CHECK_OK(hsm_admin_token_info(hsm_admin_find_softhsm(), uri, &info, &err) == 0, &err);
	CHECK_TEXT(info.label, "unit");
	CHECK(info.initialized && info.pin_min == 4 && info.pin_max == 255);
	CHECK_FAILS(hsm_admin_token_info(hsm_admin_find_softhsm(), "pkcs11:token=none", &info, &err) == -1, &err,
		    ERR_TOKEN_UNAVAILABLE);
}

/* ---- what a token may answer to a change ---- */

static CK_RV answer;
static int logins, changes;

static CK_RV answer_set_pin(CK_SESSION_HANDLE session, CK_UTF8CHAR_PTR from, CK_ULONG from_len, CK_UTF8CHAR_PTR to,
			    CK_ULONG to_len)
{
	CK_SESSION_INFO info;
	changes++;
	if (answer == CKR_USER_NOT_LOGGED_IN && bent.real->C_GetSessionInfo(session, &info) == CKR_OK &&
	    info.state == CKS_RW_USER_FUNCTIONS)
		return bent.real->C_SetPIN(session, from, from_len, to, to_len);
	return answer;
}

static CK_RV answer_login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR_PTR pin, CK_ULONG len)
{
	logins++;
	return answer == CKR_PIN_LOCKED ? answer : bent.real->C_Login(session, user, pin, len);
}

/* hsm_token_change_pin on a token whose C_SetPIN gives `answer`. */
static enum hsm_pin_outcome outcome_of(CK_RV rv, const char *from, struct error *err)
{
	enum hsm_pin_outcome outcome = HSM_PIN_CHANGED;
	auto_secret *pin = fixture_pin(from), *new_pin = fixture_pin("the next PIN");
	auto_hsm_module *m = hsm_module_open(hsm_admin_find_softhsm(), err);
	CHECK_OK(m != NULL, err);
	auto_hsm_token *t = hsm_token_open(m, uri, NULL, 1, err);
	CHECK_OK(t != NULL, err);
	fixture_bend(m, t);
	bent.list.C_SetPIN = answer_set_pin;
	bent.list.C_Login = answer_login;
	answer = rv;
	logins = changes = 0;
	int done = hsm_token_change_pin(t, pin, new_pin, &outcome, err);
	CHECK((done == 0) == (outcome == HSM_PIN_CHANGED));
	return outcome;
}

static void knows_by_the_answer_which_pin_the_token_has(void)
{
	fixture_prepare();
	static const struct {
		CK_RV rv;
		enum hsm_pin_outcome outcome;
		enum err_code code;
	} answers[] = {
		{ CKR_OK, HSM_PIN_CHANGED, ERR_NONE },
		{ CKR_PIN_INCORRECT, HSM_PIN_UNCHANGED, ERR_PIN_REFUSED },
		{ CKR_PIN_LOCKED, HSM_PIN_UNCHANGED, ERR_PIN_REFUSED },
		{ CKR_PIN_LEN_RANGE, HSM_PIN_UNCHANGED, ERR_CONFIG },
		{ CKR_PIN_INVALID, HSM_PIN_UNCHANGED, ERR_CONFIG },
		{ CKR_SESSION_READ_ONLY, HSM_PIN_UNCHANGED, ERR_TOKEN_UNAVAILABLE },
		{ CKR_FUNCTION_NOT_SUPPORTED, HSM_PIN_UNCHANGED, ERR_TOKEN_UNAVAILABLE },
		{ CKR_DEVICE_ERROR, HSM_PIN_UNKNOWN, ERR_TOKEN_UNAVAILABLE },
		{ CKR_FUNCTION_FAILED, HSM_PIN_UNKNOWN, ERR_TOKEN_UNAVAILABLE },
		{ CKR_SESSION_HANDLE_INVALID, HSM_PIN_UNKNOWN, ERR_TOKEN_UNAVAILABLE },
	};
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct error err = ERR_INIT;
		CHECK_INT(outcome_of(answers[i].rv, FIXTURE_PIN, &err), answers[i].outcome);
		CHECK_INT(err.code, answers[i].code);
		CHECK_INT(changes, 1);
		CHECK_INT(logins, 0);
	}
}

static void logs_in_to_change_the_pin_only_where_the_token_wants_it(void)
{
	struct error err = ERR_INIT;
	fixture_prepare();
	CHECK_INT(outcome_of(CKR_USER_NOT_LOGGED_IN, "wrong PIN", &err), HSM_PIN_UNCHANGED);
	CHECK_INT(err.code, ERR_PIN_REFUSED);
	CHECK(logins == 1 && changes == 1); /* so that it was tried once */
	err = ERR_INIT;
	CHECK_INT(outcome_of(CKR_USER_NOT_LOGGED_IN, FIXTURE_PIN, &err), HSM_PIN_CHANGED);
	CHECK(logins == 1 && changes == 2);
	check_pin_is("the next PIN", true);
}

static void does_not_take_a_locked_pin_for_a_wrong_one(void)
{
	struct error err = ERR_INIT;
	fixture_prepare();
	auto_secret *pin = fixture_pin(FIXTURE_PIN);
	auto_hsm_module *m = hsm_module_open(hsm_admin_find_softhsm(), &err);
	CHECK_OK(m != NULL, &err);
	auto_hsm_token *t = hsm_token_open(m, uri, NULL, 1, &err);
	CHECK_OK(t != NULL, &err);
	fixture_bend(m, t);
	bent.list.C_Login = answer_login;
	bool accepted = true;
	answer = CKR_PIN_LOCKED;
	CHECK_FAILS(hsm_token_try_pin(t, pin, &accepted, &err) == -1, &err, ERR_PIN_REFUSED);
	CHECK(!accepted);
	answer = CKR_OK;
	CHECK_OK(hsm_token_try_pin(t, pin, &accepted, &err) == 0, &err);
	CHECK(accepted);
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
	TEST(initializes_only_a_token_that_the_uri_fits);
	TEST(changes_the_user_pin);
	TEST(leaves_the_pin_where_the_present_one_is_wrong_or_the_new_one_unfit);
	TEST(changes_the_so_pin_and_leaves_the_user_pin);
	TEST(tells_the_facts_of_one_token);
	TEST(knows_by_the_answer_which_pin_the_token_has);
	TEST(logs_in_to_change_the_pin_only_where_the_token_wants_it);
	TEST(does_not_take_a_locked_pin_for_a_wrong_one);
}
