#include "tests/unit/unit.h"

#include <arpa/inet.h>

#include "httpd/validate/guard.h"

static struct bytes address(const char *text, uint8_t octets[16])
{
	bool ipv6 = strchr(text, ':') != NULL;
	REQUIRE(inet_pton(ipv6 ? AF_INET6 : AF_INET, text, octets) == 1);
	return BYTES(octets, ipv6 ? 16 : 4);
}

static const char *forbidden(const struct ca_config_zone *zone, const char *text, uint16_t port)
{
	uint8_t octets[16];
	return guard_forbids(zone, address(text, octets), port);
}

/* Everything inside may be connected to, at these two ports. */
static struct ca_config_zone *wide_zone(void)
{
	static char *ports[] = { (char *)"8080", (char *)"443" };
	static struct ca_config_network networks[] = { { .address_len = 4, .prefix_len = 0 },
						       { .address_len = 16, .prefix_len = 0 } };
	static struct ca_config_zone zone = { .connect_networks = networks,
					      .connect_network_count = 2,
					      .connect_ports = { ports, 2 } };
	return &zone;
}

static void public_addresses_are_free_at_the_ports_of_http_and_https(void)
{
	static const char *const good[] = { "1.1.1.1",     "9.255.255.255",   "11.0.0.0",        "100.63.255.255",
					    "100.128.0.0", "126.255.255.255", "128.0.0.0",       "169.253.255.255",
					    "172.15.0.1",  "172.32.0.1",      "192.0.1.1",       "192.0.3.1",
					    "192.167.0.1", "192.169.0.1",     "198.17.255.255",  "198.20.0.0",
					    "203.0.112.1", "203.0.114.1",     "223.255.255.255", "2000::1",
					    "2001:200::1", "2606:4700::1111", "2001:db9::1",     "2a00:1450::1",
					    "3ffe::1",     "64:ff9b::101:101" };
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		CHECK_TEXT(forbidden(NULL, good[i], 80) ? good[i] : "", "");
		CHECK_TEXT(forbidden(NULL, good[i], 443) ? good[i] : "", "");
		CHECK(forbidden(NULL, good[i], 22) != NULL);
		CHECK(forbidden(NULL, good[i], 0) != NULL);
	}
}

static const char *const inside[] = {
	"10.0.0.0",
	"10.255.255.255",
	"100.64.0.0",
	"100.127.255.255",
	"127.0.0.1",
	"127.255.255.255",
	"169.254.0.0",
	"169.254.169.254",
	"172.16.0.0",
	"172.31.255.255",
	"192.0.0.0",
	"192.0.0.255",
	"192.0.2.1",
	"192.31.196.1",
	"192.52.193.1",
	"192.88.99.1",
	"192.168.0.0",
	"192.168.255.255",
	"192.175.48.1",
	"198.18.0.0",
	"198.19.255.255",
	"198.51.100.1",
	"203.0.113.255",
	"240.0.0.1",
	"::1",
	"::2",
	"::7f00:1",
	"100::1",
	"64:ff9b:1::1",
	"64:ff9b::7f00:1",
	"64:ff9b::a00:1",
	"2001::1",
	"2001:1::1",
	"2001:20::1",
	"2001:1ff:ffff::1",
	"2001:db8::1",
	"2002:7f00:1::",
	"2002::1",
	"2620:4f:8000::1",
	"3fff::1",
	"3fff:fff::1",
	"fc00::1",
	"fdff::1",
	"fe80::1",
	"fec0::1",
	"5f00::1",
	"4000::1",
	"1000::1",
};

static void what_the_registries_set_aside_is_closed(void)
{
	for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
		CHECK_TEXT(forbidden(NULL, inside[i], 80) ? "" : inside[i], "");
		CHECK_TEXT(forbidden(NULL, inside[i], 443) ? "" : inside[i], "");
	}
}

static void a_zone_opens_networks_at_its_ports_alone(void)
{
	const struct ca_config_zone *zone = wide_zone();
	for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
		CHECK_TEXT(forbidden(zone, inside[i], 8080) ? inside[i] : "", "");
		CHECK_TEXT(forbidden(zone, inside[i], 443) ? inside[i] : "", "");
		CHECK_TEXT(forbidden(zone, inside[i], 80) ? "" : inside[i], "");
	}
	CHECK(forbidden(zone, "1.1.1.1", 8080) == NULL);
	CHECK(forbidden(zone, "1.1.1.1", 80) == NULL);
	CHECK(forbidden(zone, "1.1.1.1", 8081) != NULL);
}

static void a_zone_opens_only_the_network_that_it_lists(void)
{
	struct ca_config_network network = { .address = { 10, 1, 128 }, .address_len = 4, .prefix_len = 17 };
	struct ca_config_zone zone = { .connect_networks = &network, .connect_network_count = 1 };
	CHECK(forbidden(&zone, "10.1.128.0", 80) == NULL);
	CHECK(forbidden(&zone, "10.1.255.255", 80) == NULL);
	CHECK(forbidden(&zone, "10.1.127.255", 80) != NULL);
	CHECK(forbidden(&zone, "10.2.128.0", 80) != NULL);
	CHECK(forbidden(&zone, "10.1.128.0", 443) != NULL);
	/* The same four octets as another family. */
	CHECK(forbidden(&zone, "a01:8000::", 80) != NULL);
}

static void no_zone_opens_what_is_nobodys_address(void)
{
	static const char *const never[] = { "0.0.0.0", "0.0.0.1", "255.255.255.255",  "224.0.0.1",     "239.1.1.1",
					     "::",      "ff02::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8" };
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		CHECK_TEXT(forbidden(wide_zone(), never[i], 8080) ? "" : never[i], "");
}

static void a_refusal_says_what_the_address_is(void)
{
	CHECK_TEXT(forbidden(NULL, "127.0.0.1", 80), "is loopback (RFC 1122)");
	CHECK_TEXT(forbidden(NULL, "169.254.169.254", 80), "is link-local (RFC 3927)");
	CHECK_TEXT(forbidden(NULL, "fe80::1", 80), "is link-local (RFC 4291)");
	CHECK_TEXT(forbidden(NULL, "64:ff9b::a00:1", 80), "is private (RFC 1918)");
	CHECK_TEXT(forbidden(NULL, "1.1.1.1", 25), "is asked at a port that validation does not use");
	CHECK(guard_forbids(NULL, BYTES("abc", 3), 80) != NULL);
}

SUITE(guard)
{
	TEST(public_addresses_are_free_at_the_ports_of_http_and_https);
	TEST(what_the_registries_set_aside_is_closed);
	TEST(a_zone_opens_networks_at_its_ports_alone);
	TEST(a_zone_opens_only_the_network_that_it_lists);
	TEST(no_zone_opens_what_is_nobodys_address);
	TEST(a_refusal_says_what_the_address_is);
}
