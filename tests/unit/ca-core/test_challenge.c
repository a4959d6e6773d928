#include "ca-core/challenge.h"

#include <stdio.h>

#include "store/record_order.h"
#include "tests/unit/unit.h"

#define TEXT(literal) BYTES(literal, sizeof(literal) - 1)
#define GOLDEN "ose4ko342s6akomxi37l7jfhv7bxfweq3tp7jvzngxamtp2l5jaq"

static const uint8_t nonce[32] = { 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
				   16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31 };
static const uint8_t spki_hash[32] = { 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47,
				       48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63 };

/* ---- the name ---- */

static void the_name_that_is_looked_at_is_a_wildcards_base(void)
{
	static const struct {
		const char *name, *host;
		bool wildcard;
	} cases[] = {
		{ "dns:example.test", "example.test", false },
		{ "dns:*.example.test", "example.test", true },
		{ "dns:x*.example.test", "x*.example.test", false },
		{ "dns:*.", "*.", false },
		{ "dns:", "", false },
		{ "ip:192.0.2.1", "", false },
		{ "*.example.test", "", false },
		{ "", "", false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CHECK_BYTES(ca_challenge_host(bytes_of(cases[i].name)), bytes_of(cases[i].host));
		CHECK_INT(ca_challenge_is_wildcard(bytes_of(cases[i].name)), cases[i].wildcard);
	}
}

/* ---- the value ---- */

/* Computed apart, by the words of the header: SHA-256, base32. */
static void the_value_is_the_one_of_the_text(void)
{
	char value[CA_CHALLENGE_VALUE_SIZE];
	ca_challenge_value(nonce, spki_hash, TEXT("dns:example.test"), TEXT("alice"), value);
	CHECK_TEXT(value, GOLDEN);
	ca_challenge_value(nonce, spki_hash, TEXT("ip:2001:db8::1"), TEXT("alice"), value);
	CHECK_TEXT(value, "ei46jupxemx53wfyfhdyg5i3n4j6k5u3roira2uce2k2oywpjdjq");
}

static void a_wildcard_has_the_value_of_the_name_below_it(void)
{
	char value[CA_CHALLENGE_VALUE_SIZE];
	ca_challenge_value(nonce, spki_hash, TEXT("dns:*.example.test"), TEXT("alice"), value);
	CHECK_TEXT(value, GOLDEN);
}

static void each_thing_that_it_commits_to_changes_it(void)
{
	uint8_t other[32];
	char value[CA_CHALLENGE_VALUE_SIZE];
	memcpy(other, nonce, sizeof(other));
	other[31] ^= 1;
	ca_challenge_value(other, spki_hash, TEXT("dns:example.test"), TEXT("alice"), value);
	CHECK(strcmp(value, GOLDEN) != 0);
	memcpy(other, spki_hash, sizeof(other));
	other[0] ^= 1;
	ca_challenge_value(nonce, other, TEXT("dns:example.test"), TEXT("alice"), value);
	CHECK(strcmp(value, GOLDEN) != 0);
	ca_challenge_value(nonce, spki_hash, TEXT("dns:www.example.test"), TEXT("alice"), value);
	CHECK(strcmp(value, GOLDEN) != 0);
	ca_challenge_value(nonce, spki_hash, TEXT("dns:example.test"), TEXT("mallory"), value);
	CHECK(strcmp(value, GOLDEN) != 0);
	/* what belongs to which is counted, so that nothing can be moved from one to the other */
	ca_challenge_value(nonce, spki_hash, TEXT("dns:example.tes"), TEXT("talice"), value);
	CHECK_TEXT(value, "vwjbrmtzuumdja2zwgyxvjjq26gcq2huzezj5gxvo73bzaqjgvja");
}

/* ---- where it goes ---- */

static void says_where_dns_records_go(void)
{
	char out[CA_CHALLENGE_NAME_SIZE];
	ca_challenge_txt_name(TEXT("dns:example.test"), out);
	CHECK_TEXT(out, "_chancery-challenge.example.test");
	ca_challenge_txt_name(TEXT("dns:*.example.test"), out);
	CHECK_TEXT(out, "_chancery-challenge.example.test");
	ca_challenge_cname_name(TEXT("dns:*.example.test"), GOLDEN, out);
	CHECK_TEXT(out, "_ose4ko342s6akomx.example.test");
	ca_challenge_cname_target(GOLDEN, "dcv.pki.example", out);
	CHECK_TEXT(out, GOLDEN ".dcv.pki.example");
}

static void says_where_the_http_answer_goes(void)
{
	char out[CA_CHALLENGE_NAME_SIZE + 64];
	ca_challenge_http_url(TEXT("dns:example.test"), GOLDEN, 80, out);
	CHECK_TEXT(out, "http://example.test/.well-known/pki-validation/ose4ko342s6akomx.txt");
	ca_challenge_http_url(TEXT("ip:192.0.2.1"), GOLDEN, 80, out);
	CHECK_TEXT(out, "http://192.0.2.1/.well-known/pki-validation/ose4ko342s6akomx.txt");
	ca_challenge_http_url(TEXT("ip:2001:db8::1"), GOLDEN, 80, out);
	CHECK_TEXT(out, "http://[2001:db8::1]/.well-known/pki-validation/ose4ko342s6akomx.txt");
	ca_challenge_http_url(TEXT("ip:2001:db8::1"), GOLDEN, 8080, out);
	CHECK_TEXT(out, "http://[2001:db8::1]:8080/.well-known/pki-validation/ose4ko342s6akomx.txt");
}

/* "dns:" and a name of `length` characters. */
static struct bytes long_name(char out[300], size_t length)
{
	(void)snprintf(out, 300, "dns:");
	for (size_t i = 0; i < length; i++)
		out[4 + i] = i % 10 == 9 ? '.' : 'a';
	out[4 + length - 1] = 'a';
	return BYTES(out, 4 + length);
}

static void the_longest_name_fits_whole(void)
{
	char name[300], value[CA_CHALLENGE_VALUE_SIZE] = GOLDEN, out[CA_CHALLENGE_NAME_SIZE + 64];
	struct bytes longest = long_name(name, 253);
	ca_challenge_http_url(longest, value, 65535, out);
	CHECK_INT(strlen(out), 7 + 253 + strlen(":65535") + strlen("/.well-known/pki-validation/.txt") + 16);
	ca_challenge_txt_name(longest, out);
	CHECK_INT(strlen(out), 20 + 253);
}

/* ---- which ways there are ---- */

#define ALL (METHOD_GRANT | METHOD_DNS_TXT | METHOD_DNS_CNAME | METHOD_HTTP | METHOD_MAIL)

static void each_kind_of_name_has_its_ways(void)
{
	CHECK_INT(ca_challenge_methods(TEXT("dns:example.test"), ALL), ALL);
	CHECK_INT(ca_challenge_methods(TEXT("dns:*.example.test"), ALL), ALL & ~METHOD_HTTP);
	CHECK_INT(ca_challenge_methods(TEXT("ip:192.0.2.1"), ALL), METHOD_GRANT | METHOD_HTTP);
	CHECK_INT(ca_challenge_methods(TEXT("ip:2001:db8::1"), ALL), METHOD_GRANT | METHOD_HTTP);
	CHECK_INT(ca_challenge_methods(TEXT("email:a@example.test"), ALL), METHOD_GRANT);
	CHECK_INT(ca_challenge_methods(TEXT("uri:https://example.test/"), ALL), METHOD_GRANT);
	CHECK_INT(ca_challenge_methods(TEXT("dns:"), ALL), METHOD_GRANT);
	CHECK_INT(ca_challenge_methods(BYTES_NONE, ALL), METHOD_GRANT);
}

static void only_ways_that_were_given_are_left(void)
{
	CHECK_INT(ca_challenge_methods(TEXT("dns:example.test"), METHOD_HTTP | METHOD_MAIL), METHOD_HTTP | METHOD_MAIL);
	CHECK_INT(ca_challenge_methods(TEXT("dns:*.example.test"), METHOD_HTTP), 0);
	CHECK_INT(ca_challenge_methods(TEXT("ip:192.0.2.1"), METHOD_DNS_TXT | METHOD_MAIL), 0);
}

/* RFC 1035 section 2.3.4: a name has at most 253 characters, that of the record too. */
static void a_record_whose_name_would_be_too_long_is_no_way(void)
{
	char name[300];
	CHECK_INT(ca_challenge_methods(long_name(name, 233), ALL), ALL);
	CHECK_INT(ca_challenge_methods(long_name(name, 234), ALL), ALL & ~METHOD_DNS_TXT);
	CHECK_INT(ca_challenge_methods(long_name(name, 235), ALL), ALL & ~METHOD_DNS_TXT);
	CHECK_INT(ca_challenge_methods(long_name(name, 236), ALL), ALL & ~METHOD_DNS_TXT & ~METHOD_DNS_CNAME);
}

SUITE(challenge)
{
	TEST(the_name_that_is_looked_at_is_a_wildcards_base);
	TEST(the_value_is_the_one_of_the_text);
	TEST(a_wildcard_has_the_value_of_the_name_below_it);
	TEST(each_thing_that_it_commits_to_changes_it);
	TEST(says_where_dns_records_go);
	TEST(says_where_the_http_answer_goes);
	TEST(the_longest_name_fits_whole);
	TEST(each_kind_of_name_has_its_ways);
	TEST(only_ways_that_were_given_are_left);
	TEST(a_record_whose_name_would_be_too_long_is_no_way);
}
