#include "hsm/ckr.h"

#include "base/bytes.h"
#include "base/file.h"
#include "tests/unit/unit.h"

static void only_pin_answers_are_pin_refused(void)
{
	static const CK_RV pins[] = { CKR_PIN_INCORRECT, CKR_PIN_LOCKED, CKR_PIN_EXPIRED, CKR_PIN_INVALID,
				      CKR_PIN_LEN_RANGE };
	struct error err = ERR_INIT;
	for (size_t i = 0; i < sizeof(pins) / sizeof(pins[0]); i++)
		CHECK_FAILS(hsm_ckr_error(&err, "C_Login", pins[i]) == -1, &err, ERR_PIN_REFUSED);
	CHECK_FAILS(hsm_ckr_error(&err, "C_Login", CKR_DEVICE_REMOVED) == -1, &err, ERR_TOKEN_UNAVAILABLE);
}

static void message_names_call_and_answer(void)
{
	struct error err = ERR_INIT;
	(void)hsm_ckr_error(&err, "C_Sign", CKR_OBJECT_HANDLE_INVALID);
	CHECK_TEXT(err.message, "the token answered CKR_OBJECT_HANDLE_INVALID (0x82) to C_Sign");
}

static void unknown_answers_are_the_tokens_failure(void)
{
	CHECK_TEXT(hsm_ckr_name(0x80000123UL), "CKR_VENDOR_DEFINED");
	CHECK_TEXT(hsm_ckr_name(0x7777UL), "CKR_?");
	CHECK_INT(hsm_ckr_class(0x80000123UL), HSM_CKR_TOKEN);
	CHECK_INT(hsm_ckr_class(CKR_GENERAL_ERROR), HSM_CKR_TOKEN);
}

static void stale_handles_are_told_from_dead_sessions(void)
{
	CHECK_INT(hsm_ckr_class(CKR_OBJECT_HANDLE_INVALID), HSM_CKR_HANDLE);
	CHECK_INT(hsm_ckr_class(CKR_KEY_HANDLE_INVALID), HSM_CKR_HANDLE);
	CHECK_INT(hsm_ckr_class(CKR_SESSION_HANDLE_INVALID), HSM_CKR_SESSION);
	CHECK_INT(hsm_ckr_class(CKR_OPERATION_ACTIVE), HSM_CKR_SESSION);
	CHECK_INT(hsm_ckr_class(CKR_USER_NOT_LOGGED_IN), HSM_CKR_LOGIN);
	CHECK_INT(hsm_ckr_class(CKR_MECHANISM_INVALID), HSM_CKR_ARGUMENT);
}

/* docs/token-answers.md is the same table for people. */
static void every_row_stands_in_the_document(void)
{
	struct error err = ERR_INIT;
	auto_buf text = BUF_INIT;
	CHECK_OK(file_read("docs/token-answers.md", 1 << 20, &text, &err) == 0, &err);
	const struct hsm_ckr *row;
	size_t count = 0;
	for (size_t i = 0; (row = hsm_ckr_row(i)); i++, count++) {
		auto_buf line = BUF_INIT;
		const char *signed_ = row->rv == CKR_OK ? "yes" : row->perhaps_signed ? "perhaps" : "no";
		buf_printf(&line, "\n| %s | %s | %s | %s |\n", row->name, hsm_ckr_class_name(row->class), signed_,
			   row->why);
		const char *found = strstr(buf_text(&text), buf_text(&line));
		CHECK_TEXT(found ? "" : "(not in docs/token-answers.md)", found ? "" : buf_text(&line));
		CHECK(hsm_ckr(row->rv) == row);
	}
	CHECK(count > 90);
}

SUITE(ckr)
{
	TEST(every_row_stands_in_the_document);
	TEST(only_pin_answers_are_pin_refused);
	TEST(message_names_call_and_answer);
	TEST(unknown_answers_are_the_tokens_failure);
	TEST(stale_handles_are_told_from_dead_sessions);
}
