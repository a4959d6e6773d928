#include "store/record_order.h"
#include "store/store.h"
#include "tests/unit/unit.h"

static void check_name(const char *name, const char *key)
{
	auto_buf out = BUF_INIT;
	record_key_name(&out, bytes_of(name));
	CHECK_TEXT(buf_text(&out), key);
}

static void names_are_kept_with_their_labels_reversed(void)
{
	check_name("dns:www.example.test", "dns:test.example.www");
	check_name("dns:localhost", "dns:localhost");
	check_name("dns:*.example.test", "dns:test.example.*");
	check_name("dns:a..b", "dns:b..a");
	check_name("dns:", "dns:");
	check_name("ip:192.0.2.1", "ip:192.0.2.1");
	check_name("email:a.b@example.test", "email:a.b@example.test");
}

static void long_names_stay_distinct_within_a_key(void)
{
	char name[3000];
	memset(name, 'a', sizeof(name));
	memcpy(name, "uri:", 4);
	auto_buf one = BUF_INIT;
	auto_buf other = BUF_INIT;
	buf_u8(&one, 0x55); /* what stands before in the buffer is not part of the key */
	record_key_name(&one, BYTES(name, sizeof(name)));
	name[sizeof(name) - 1] = 'b';
	record_key_name(&other, BYTES(name, sizeof(name)));
	CHECK_INT(one.len, STORE_KEY_MAX + 1);
	CHECK_INT(other.len, STORE_KEY_MAX);
	CHECK(memcmp(one.data + 1, other.data, 400) == 0);
	CHECK(memcmp(one.data + 1, other.data, STORE_KEY_MAX) != 0);
}

static void a_certificates_key_splits_into_issuer_and_serial(void)
{
	struct error err = ERR_INIT;
	struct bytes issuer, serial;
	auto_buf key = BUF_INIT;
	record_key_certificate(&key, bytes_of("issuing-1"), BYTES("\1\0\2", 3));
	CHECK_OK(record_key_certificate_parse(buf_bytes(&key), &issuer, &serial, &err) == 0, &err);
	CHECK_BYTES(issuer, bytes_of("issuing-1"));
	CHECK_BYTES(serial, BYTES("\1\0\2", 3));
	auto_buf prefix = BUF_INIT;
	record_key_issuer(&prefix, bytes_of("issuing-1"));
	CHECK(memcmp(prefix.data, key.data, prefix.len) == 0);
}

static void refuses_a_key_that_is_no_certificates(void)
{
	struct error err = ERR_INIT;
	struct bytes issuer, serial;
	static const struct {
		const char *data;
		size_t len;
	} bad[] = { { "", 0 },
		    { "issuing", 7 },
		    { "\0serial", 7 },
		    { "a\0", 2 },
		    { "a\000"
		      "123456789012345678901",
		      23 } };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_FAILS(record_key_certificate_parse(BYTES(bad[i].data, bad[i].len), &issuer, &serial, &err) == -1,
			    &err, ERR_INTEGRITY);
}

static void request_keys_of_two_requesters_never_meet(void)
{
	auto_buf one = BUF_INIT;
	auto_buf other = BUF_INIT;
	record_key_request(&one, bytes_of("ann"), bytes_of("bkey"));
	record_key_request(&other, bytes_of("annb"), bytes_of("key"));
	CHECK(!bytes_equal(buf_bytes(&one), buf_bytes(&other)));
	CHECK_BYTES(buf_bytes(&one), BYTES("ann\0bkey", 8));
}

static void an_authorization_stands_under_its_owner_and_name(void)
{
	auto_buf one = BUF_INIT;
	auto_buf other = BUF_INIT;
	record_key_authorization(&one, bytes_of("ann"), bytes_of("dns:*.example.test"));
	CHECK_BYTES(buf_bytes(&one), BYTES("ann\0dns:test.example.*", 22));
	record_key_authorization(&other, bytes_of("org:a"), bytes_of("ip:192.0.2.1"));
	CHECK_BYTES(buf_bytes(&other), BYTES("org:a\0ip:192.0.2.1", 18));
}

static void an_authorizations_key_fits_however_long_owner_and_name_are(void)
{
	char owner[70] = "org:", name[4096];
	memset(owner + 4, 'o', sizeof(owner) - 4);
	memset(name, 'a', sizeof(name));
	auto_buf one = BUF_INIT;
	auto_buf other = BUF_INIT;
	auto_buf none = BUF_INIT;
	record_key_authorization(&one, BYTES(owner, 68), BYTES(name, sizeof(name)));
	name[sizeof(name) - 1] = 'b';
	record_key_authorization(&other, BYTES(owner, 68), BYTES(name, sizeof(name)));
	CHECK_INT(one.len, STORE_KEY_MAX);
	CHECK_INT(other.len, STORE_KEY_MAX);
	CHECK(!bytes_equal(buf_bytes(&one), buf_bytes(&other)));
	record_key_authorization(&none, BYTES(owner, 69), bytes_of("dns:a"));
	CHECK(none.failed); /* no owner has such a name */
}

static void the_versions_of_an_organization_stand_in_their_order(void)
{
	auto_buf first = BUF_INIT;
	auto_buf last = BUF_INIT;
	record_key_organization_version(&first, bytes_of("a"), 255);
	record_key_organization_version(&last, bytes_of("a"), 256);
	CHECK_BYTES(buf_bytes(&first), unit_hex("61 00 00000000000000ff"));
	CHECK(bytes_compare(buf_bytes(&first), buf_bytes(&last)) < 0);
}

SUITE(record_key)
{
	TEST(names_are_kept_with_their_labels_reversed);
	TEST(long_names_stay_distinct_within_a_key);
	TEST(a_certificates_key_splits_into_issuer_and_serial);
	TEST(refuses_a_key_that_is_no_certificates);
	TEST(an_authorization_stands_under_its_owner_and_name);
	TEST(an_authorizations_key_fits_however_long_owner_and_name_are);
	TEST(the_versions_of_an_organization_stand_in_their_order);
	TEST(request_keys_of_two_requesters_never_meet);
}
