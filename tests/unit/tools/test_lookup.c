#include "tools/lookup.h"

#include <stdio.h>

#include "tests/unit/unit.h"

#define MANY 5000

static void finds_each_of_many_and_nothing_else(void)
{
	struct lookup l = LOOKUP_INIT;
	char key[32];
	CHECK(lookup_find(&l, bytes_of("0")) == NULL);
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(key, sizeof(key), "%d", i);
		int *value = lookup_add(&l, bytes_of(key), sizeof(*value));
		REQUIRE(value != NULL && *value == 0);
		*value = i;
	}
	int wrong = 0;
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(key, sizeof(key), "%d", i);
		const int *value = lookup_find(&l, bytes_of(key));
		wrong += !value || *value != i;
	}
	CHECK_INT(wrong, 0);
	CHECK(lookup_find(&l, bytes_of("-1")) == NULL);
	CHECK(lookup_find(&l, BYTES_NONE) == NULL);
	lookup_free(&l, NULL);
}

static int cleared;

static void count_cleared(void *value)
{
	cleared += *(int *)value;
}

static void every_value_is_cleared_once(void)
{
	struct lookup l = LOOKUP_INIT;
	for (uint8_t i = 1; i <= 100; i++) {
		int *value = lookup_add(&l, BYTES(&i, 1), sizeof(*value));
		REQUIRE(value != NULL);
		*value = i;
	}
	cleared = 0;
	lookup_free(&l, count_cleared);
	CHECK_INT(cleared, 5050);
	CHECK_INT(l.count, 0);
}

SUITE(lookup)
{
	TEST(finds_each_of_many_and_nothing_else);
	TEST(every_value_is_cleared_once);
}
