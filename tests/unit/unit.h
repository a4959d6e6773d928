/*
 * tests/unit/unit.h - what every unit test uses. One program a folder; one file
 * test_X.c a source file X.c, with one suite of the same name:
 *
 *     #include "tests/unit/unit.h"
 *
 *     static void refuses_length_that_is_not_minimal(void)
 *     {
 *             CHECK(der_any(&cursor, &content, NULL) == -1);
 *     }
 *
 *     SUITE(der)                      // in test_der.c; the list of suites is
 *     {                               // generated from the file names
 *             TEST(refuses_length_that_is_not_minimal);
 *     }
 *
 * A test is named for the rule that it guards. A test that checks nothing fails.
 * Run some only: unit-base der, or unit-base der.refuses (a prefix of SUITE.TEST).
 */
#ifndef CHANCERY_TESTS_UNIT_H
#define CHANCERY_TESTS_UNIT_H

#include <CUnit/CUnit.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"

/* The body that follows lists the suite's tests. */
#define SUITE(name)              \
	void suite_##name(void); \
	void suite_##name(void)
#define TEST(function) unit_add(#function, function)

/* The condition holds; REQUIRE ends the test where it does not. */
#define CHECK(condition) unit_check((condition), __LINE__, #condition, __FILE__, false)
#define REQUIRE(condition)                                                    \
	do {                                                                  \
		bool holds_ = (condition);                                    \
		unit_check(holds_, __LINE__, #condition, __FILE__, true);     \
		if (!holds_)                                                  \
			abort(); /* not reached: a failed check has jumped */ \
	} while (0)
/* Two integers, two strings, two struct bytes are the same; a difference is shown. */
#define CHECK_INT(actual, expected) \
	unit_check_int((long long)(actual), (long long)(expected), __LINE__, #actual, __FILE__)
#define CHECK_TEXT(actual, expected) unit_check_text((actual), (expected), __LINE__, #actual, __FILE__)
#define CHECK_BYTES(actual, expected) unit_check_bytes((actual), (expected), __LINE__, #actual, __FILE__)
/* A call with &err at its end succeeded; where it did not, shows err and ends the test. */
#define CHECK_OK(condition, err)                                              \
	do {                                                                  \
		bool holds_ = (condition);                                    \
		unit_check_ok(holds_, (err), __LINE__, #condition, __FILE__); \
		if (!holds_)                                                  \
			abort(); /* not reached: a failed check has jumped */ \
	} while (0)
/* The call failed, and with this code. */
#define CHECK_FAILS(condition_of_failure, err, expected_code) \
	unit_check_fails((condition_of_failure), (err), (expected_code), __LINE__, #condition_of_failure, __FILE__)

void unit_add(const char *name, void (*test)(void));
void unit_check(bool holds, unsigned line, const char *what, const char *file, bool fatal);
void unit_check_int(long long actual, long long expected, unsigned line, const char *what, const char *file);
void unit_check_text(const char *actual, const char *expected, unsigned line, const char *what, const char *file);
void unit_check_bytes(struct bytes actual, struct bytes expected, unsigned line, const char *what, const char *file);
void unit_check_ok(bool holds, const struct error *err, unsigned line, const char *what, const char *file);
void unit_check_fails(bool failed, const struct error *err, enum err_code code, unsigned line, const char *what,
		      const char *file);

/* A fresh empty folder, the same for all of one test, removed after it. */
const char *unit_folder(void);
/* A path below that folder; valid until the test ends. */
const char *unit_path(const char *name);
/* Bytes from hex digits (blanks ignored); valid until the test ends. */
struct bytes unit_hex(const char *hex);
/* The content of tests/data/NAME (the tests run in the root of the tree); valid until the test ends. */
struct bytes unit_data(const char *name);

/* The list that the Makefile generates. */
struct unit_suite {
	const char *name;
	void (*add)(void);
};
extern const struct unit_suite unit_suites[];
extern const char unit_folder_name[];

#endif
