#include "tests/unit/unit.h"

#include <CUnit/TestDB.h>
#include <CUnit/TestRun.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define KEPT_MAX 4096

/* The runner's state: CUnit calls back without an argument, so it has to be global. */
static struct {
	const char *picked;   /* a prefix of SUITE.TEST, or NULL */
	unsigned part, parts; /* of the suites one after the other: the first is part 0 */
	CU_pSuite suite;
	const char *suite_name;
	unsigned checks_before;
	unsigned passed, failed;
	char folder[64]; /* of the running test, or "" */
	void *kept[KEPT_MAX];
	size_t kept_count;
} run;

static void *keep(void *memory)
{
	if (!memory || run.kept_count == KEPT_MAX)
		abort();
	run.kept[run.kept_count++] = memory;
	return memory;
}

void unit_check(bool holds, unsigned line, const char *what, const char *file, bool fatal)
{
	(void)CU_assertImplementation(holds, line, what, file, "", fatal);
}

void unit_check_int(long long actual, long long expected, unsigned line, const char *what, const char *file)
{
	char text[512];
	(void)snprintf(text, sizeof(text), "%s is %lld, not %lld", what, actual, expected);
	unit_check(actual == expected, line, text, file, false);
}

void unit_check_text(const char *actual, const char *expected, unsigned line, const char *what, const char *file)
{
	char text[2048];
	(void)snprintf(text, sizeof(text), "%s is \"%s\", not \"%s\"", what, actual ? actual : "(null)", expected);
	unit_check(actual && strcmp(actual, expected) == 0, line, text, file, false);
}

static void write_hex(struct bytes bytes, char *out, size_t size)
{
	size_t used = 0;
	out[0] = '\0';
	for (size_t i = 0; i < bytes.len && used + 6 < size; i++)
		used += (size_t)snprintf(out + used, size - used, "%02x%s", bytes.data[i],
					 used + 10 >= size ? "..." : "");
}

void unit_check_bytes(struct bytes actual, struct bytes expected, unsigned line, const char *what, const char *file)
{
	char got[512], wanted[512], text[1200];
	write_hex(actual, got, sizeof(got));
	write_hex(expected, wanted, sizeof(wanted));
	(void)snprintf(text, sizeof(text), "%s is %s (%zu), not %s (%zu)", what, got, actual.len, wanted, expected.len);
	unit_check(bytes_equal(actual, expected), line, text, file, false);
}

void unit_check_ok(bool holds, const struct error *err, unsigned line, const char *what, const char *file)
{
	char text[1500];
	(void)snprintf(text, sizeof(text), "%s: %s: %s (%s)", what, err_class(err->code)->slug, err->message,
		       err->causes);
	unit_check(holds, line, text, file, true);
}

void unit_check_fails(bool failed, const struct error *err, enum err_code code, unsigned line, const char *what,
		      const char *file)
{
	char text[1200];
	(void)snprintf(text, sizeof(text), "%s should be %s, is %s: %s", what, err_class(code)->slug,
		       failed ? err_class(err->code)->slug : "no failure", failed ? err->message : "");
	unit_check(failed && err->code == code, line, text, file, false);
}

const char *unit_folder(void)
{
	if (run.folder[0] == '\0') {
		(void)snprintf(run.folder, sizeof(run.folder), "/tmp/chancery-unit-XXXXXX");
		if (!mkdtemp(run.folder))
			abort();
	}
	return run.folder;
}

const char *unit_path(const char *name)
{
	char *path = NULL;
	if (asprintf(&path, "%s/%s", unit_folder(), name) < 0)
		abort();
	return keep(path);
}

static int digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c | ('a' - 'A')) : NULL;
	if (c >= '0' && c <= '9')
		return c - '0';
	return at ? (int)(at - digits) : -1;
}

struct bytes unit_hex(const char *hex)
{
	uint8_t *out = keep(malloc(strlen(hex) / 2 + 1));
	size_t digits = 0;
	for (; *hex; hex++) {
		if (*hex == ' ')
			continue;
		int value = digit(*hex);
		if (value < 0)
			abort();
		out[digits / 2] = (uint8_t)(digits % 2 ? out[digits / 2] << 4 | value : value);
		digits++;
	}
	if (digits % 2)
		abort();
	return BYTES(out, digits / 2);
}

struct bytes unit_data(const char *name)
{
	char path[512];
	(void)snprintf(path, sizeof(path), "tests/data/%s", name);
	FILE *file = fopen(path, "rbe");
	if (!file) {
		(void)fprintf(stderr, "cannot read %s\n", path);
		abort();
	}
	uint8_t *content = NULL;
	size_t len = 0, got = 0;
	do {
		len += got;
		content = realloc(content, len + 65536);
		if (!content)
			abort();
		got = fread(content + len, 1, 65536, file);
	} while (got > 0);
	(void)fclose(file);
	return BYTES(keep(content), len);
}

void unit_add(const char *name, void (*test)(void))
{
	char full[256];
	(void)snprintf(full, sizeof(full), "%s.%s", run.suite_name, name);
	if (run.picked && strncmp(full, run.picked, strlen(run.picked)) != 0)
		return;
	if (!CU_add_test(run.suite, name, test))
		abort(); /* a name given twice */
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
	(void)status;
	(void)type;
	(void)place;
	return remove(path);
}

static void before_test(CU_pTest test, CU_pSuite suite)
{
	(void)test;
	(void)suite;
	run.checks_before = CU_get_number_of_asserts();
}

static void after_test(CU_pTest test, CU_pSuite suite, CU_pFailureRecord failures)
{
	bool checked_nothing = CU_get_number_of_asserts() == run.checks_before;
	bool good = !failures && !checked_nothing;
	(void)printf("%s unit %s/%s.%s\n", good ? "ok  " : "FAIL", unit_folder_name, suite->pName, test->pName);
	for (const CU_FailureRecord *failure = failures; failure; failure = failure->pNext)
		(void)printf("     %s:%u: %s\n", failure->strFileName, failure->uiLineNumber, failure->strCondition);
	if (checked_nothing)
		(void)printf("     it checks nothing\n");
	(void)fflush(stdout);
	if (good)
		run.passed++;
	else
		run.failed++;

	while (run.kept_count > 0)
		free(run.kept[--run.kept_count]);
	if (run.folder[0] != '\0')
		(void)nftw(run.folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	run.folder[0] = '\0';
}

/* What to run: PREFIX of SUITE.TEST, or PART/PARTS, so that a long folder can be run in parts side by side. */
static void pick(const char *what)
{
	char *slash = NULL, *end = NULL;
	run.parts = 1;
	unsigned long part = what ? strtoul(what, &slash, 10) : 0;
	unsigned long parts = slash && slash != what && *slash == '/' ? strtoul(slash + 1, &end, 10) : 0;
	if (part >= parts || !end || *end) {
		run.picked = what;
		return;
	}
	run.part = (unsigned)part;
	run.parts = (unsigned)parts;
}

int main(int argc, char **argv)
{
	unsigned number = 0;
	pick(argc > 1 ? argv[1] : NULL);
	(void)signal(SIGPIPE, SIG_IGN); /* as the programs do */
	if (CU_initialize_registry() != CUE_SUCCESS)
		return 1;
	for (const struct unit_suite *suite = unit_suites; suite->name; suite++) {
		if (number++ % run.parts != run.part)
			continue;
		run.suite = CU_add_suite(suite->name, NULL, NULL);
		run.suite_name = suite->name;
		suite->add();
	}
	CU_set_test_start_handler(before_test);
	CU_set_test_complete_handler(after_test);
	(void)CU_run_all_tests();
	CU_cleanup_registry();
	(void)printf("unit %s: %u passed, %u failed\n", unit_folder_name, run.passed, run.failed);
	return run.failed > 0 || run.passed == 0;
}
