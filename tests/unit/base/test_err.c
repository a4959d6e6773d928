#include "base/err.h"

#include <errno.h>

#include "tests/unit/unit.h"

static void every_code_has_its_row_and_a_slug_of_its_own(void)
{
	for (int code = 0; code < ERR_CODE_COUNT; code++) {
		const struct err_class *class = err_class((enum err_code)code);
		CHECK_INT(class->code, code);
		REQUIRE(class->slug && class->title && class->acme && class->remedy);
		CHECK(err_class_by_slug(class->slug) == class);
		CHECK_INT(strspn(class->slug, "abcdefghijklmnopqrstuvwxyz-"), strlen(class->slug));
		CHECK(class->title[strlen(class->title) - 1] != '.');
		if (code == ERR_NONE)
			continue;
		CHECK(class->http_status >= 400 && class->http_status < 600);
		CHECK(class->exit_status >= 1 && class->exit_status <= 4);
		CHECK(!class->problem || class->remedy[0] != '\0');
	}
	CHECK(err_class_by_slug("no-such-code") == NULL);
	CHECK_INT(err_class(ERR_CODE_COUNT)->code, ERR_INTERNAL);
}

/* The contract's table: these codes never change their name or status. */
static void codes_of_the_contract_keep_name_and_status(void)
{
	static const struct {
		int status;
		const char *slugs[11];
	} table[] = {
		{ 400,
		  { "bad-request", "bad-csr", "bad-signature", "weak-algorithm", "weak-key", "blocked-key", "bad-name",
		    "profile-unknown", "validity-too-long", "too-many-names" } },
		{ 401, { "identity-required" } },
		{ 403,
		  { "identity-revoked", "role-required", "name-not-allowed", "caa-forbids", "organization-not-valid",
		    "approval-not-allowed" } },
		{ 404, { "not-found" } },
		{ 405, { "method-not-allowed" } },
		{ 413, { "too-large" } },
		{ 415, { "unsupported-media-type" } },
		{ 409, { "order-state", "validation-failed", "approval-mismatch" } },
		{ 503, { "token-unavailable", "store-full", "busy" } },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		for (const char *const *slug = table[i].slugs; *slug; slug++) {
			const struct err_class *class = err_class_by_slug(*slug);
			REQUIRE(class != NULL);
			CHECK_INT(class->http_status, table[i].status);
			CHECK(class->problem);
		}
}

static void setting_starts_anew(void)
{
	struct error err = ERR_INIT;
	CHECK_INT(err_set(&err, ERR_BAD_NAME, "name %d", 1), -1);
	CHECK_INT(err_about(&err, "names[0]", "x", "y"), -1);
	CHECK_INT(err_wrap(&err, ERR_IO, "outer"), -1);
	CHECK_INT(err_set(&err, ERR_BUSY, "again"), -1);
	CHECK_INT(err.code, ERR_BUSY);
	CHECK_TEXT(err.message, "again");
	CHECK_TEXT(err.member, "");
	CHECK_TEXT(err.value, "");
	CHECK_TEXT(err.allowed, "");
	CHECK_TEXT(err.causes, "");
}

static void wrapping_keeps_the_chain_of_causes(void)
{
	struct error err = ERR_INIT;
	(void)err_set(&err, ERR_IO, "disk gone");
	(void)err_wrap(&err, ERR_TOKEN_UNAVAILABLE, "cannot log in");
	(void)err_wrap(&err, ERR_INTERNAL, "cannot sign");
	CHECK_INT(err.code, ERR_INTERNAL);
	CHECK_TEXT(err.message, "cannot sign");
	CHECK_TEXT(err.causes, "cannot log in: disk gone");
}

static void long_texts_are_cut_not_overrun(void)
{
	struct error err = ERR_INIT;
	char text[2000];
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	(void)err_set(&err, ERR_IO, "%s", text);
	CHECK_INT(strlen(err.message), sizeof(err.message) - 1);
	(void)err_wrap(&err, ERR_IO, "%s", text);
	(void)err_wrap(&err, ERR_IO, "%s", text);
	CHECK_INT(strlen(err.causes), sizeof(err.causes) - 1);
	errno = ENOENT;
	(void)err_errno(&err, ERR_IO, "%s", text);
	CHECK_INT(strlen(err.message), sizeof(err.message) - 1);
	(void)err_about(&err, text, text, text);
	CHECK(strlen(err.member) < sizeof(err.member) && strlen(err.member) > 50);
	CHECK(strlen(err.value) < sizeof(err.value) && strlen(err.value) > 240);
}

static void reason_of_the_operating_system_is_at_the_end(void)
{
	struct error err = ERR_INIT;
	errno = ENOENT;
	CHECK_INT(err_errno(&err, ERR_IO, "cannot open %s", "x"), -1);
	CHECK_TEXT(err.message, "cannot open x: No such file or directory");
}

static void values_are_shown_in_printable_ascii(void)
{
	struct error err = ERR_INIT;
	(void)err_about(&err, "name", "a\n\x1b[31m\xc3\xa4\x7f", NULL);
	CHECK_TEXT(err.value, "a\\x0a\\x1b[31m\\xc3\\xa4\\x7f");
	CHECK_TEXT(err.allowed, "");
}

static void its_own_texts_may_be_wrapped(void)
{
	struct error err = ERR_INIT;
	(void)err_set(&err, ERR_IO, "the disk is away");
	(void)err_wrap(&err, ERR_CONFIG, "cannot start: %s", err.message);
	CHECK_TEXT(err.message, "cannot start: the disk is away");
	CHECK_TEXT(err.causes, "the disk is away");
}

SUITE(err)
{
	TEST(every_code_has_its_row_and_a_slug_of_its_own);
	TEST(codes_of_the_contract_keep_name_and_status);
	TEST(setting_starts_anew);
	TEST(its_own_texts_may_be_wrapped);
	TEST(wrapping_keeps_the_chain_of_causes);
	TEST(long_texts_are_cut_not_overrun);
	TEST(reason_of_the_operating_system_is_at_the_end);
	TEST(values_are_shown_in_printable_ascii);
}
