#include "httpd/validate/guard.h"

#include <stdlib.h>

struct range {
	uint8_t address[16];
	uint8_t prefix_len;
	bool never; /* no zone opens it */
	const char *what;
};

/* Those that the IPv4 registry calls globally reachable, and which nobody validates a name at (AMT, AS112, PCP anycast),
 * stand here with the rest of their blocks. */
static const struct range ipv4[] = {
	{ { 0 }, 8, true, "is unspecified: this network (RFC 791)" },
	{ { 10 }, 8, false, "is private (RFC 1918)" },
	{ { 100, 64 }, 10, false, "is shared by a carrier's customers (RFC 6598)" },
	{ { 127 }, 8, false, "is loopback (RFC 1122)" },
	{ { 169, 254 }, 16, false, "is link-local (RFC 3927)" },
	{ { 172, 16 }, 12, false, "is private (RFC 1918)" },
	{ { 192, 0, 0 }, 24, false, "is set aside for protocols (RFC 6890)" },
	{ { 192, 0, 2 }, 24, false, "is for documentation (RFC 5737)" },
	{ { 192, 31, 196 }, 24, false, "is of AS112 (RFC 7535)" },
	{ { 192, 52, 193 }, 24, false, "is of AMT (RFC 7450)" },
	{ { 192, 88, 99 }, 24, false, "is of 6to4 relays (RFC 7526)" },
	{ { 192, 168 }, 16, false, "is private (RFC 1918)" },
	{ { 192, 175, 48 }, 24, false, "is of AS112 (RFC 7534)" },
	{ { 198, 18 }, 15, false, "is for benchmarks (RFC 2544)" },
	{ { 198, 51, 100 }, 24, false, "is for documentation (RFC 5737)" },
	{ { 203, 0, 113 }, 24, false, "is for documentation (RFC 5737)" },
	{ { 224 }, 4, true, "is multicast (RFC 5771)" },
	{ { 255, 255, 255, 255 }, 32, true, "is broadcast (RFC 919)" },
	{ { 240 }, 4, false, "is reserved (RFC 1112)" },
};

/* What stands first decides. The last row is all that is not global unicast as of RFC 4291 and its registry. */
static const struct range ipv6[] = {
	{ { 0 }, 128, true, "is unspecified (RFC 4291)" },
	{ { [15] = 1 }, 128, false, "is loopback (RFC 4291)" },
	{ { [10] = 0xff, 0xff }, 96, true, "is IPv4-mapped (RFC 4291)" },
	{ { 0xff }, 8, true, "is multicast (RFC 4291)" },
	{ { 0x20, 0x01 }, 23, false, "is set aside for protocols (RFC 2928)" },
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32, false, "is for documentation (RFC 3849)" },
	{ { 0x20, 0x02 }, 16, false, "is of 6to4 (RFC 7526)" },
	{ { 0x26, 0x20, 0x00, 0x4f, 0x80 }, 48, false, "is of AS112 (RFC 7534)" },
	{ { 0x3f, 0xff }, 20, false, "is for documentation (RFC 9637)" },
	{ { 0xfc }, 7, false, "is unique local: private (RFC 4193)" },
	{ { 0xfe, 0x80 }, 10, false, "is link-local (RFC 4291)" },
	{ { 0xfe, 0xc0 }, 10, false, "is site-local: private (RFC 3879)" },
};
static const struct range not_global = { { 0 }, 0, false, "is no global unicast address (RFC 4291)" };
#define GLOBAL_UNICAST_FIRST 0x20 /* 2000::/3 */
#define GLOBAL_UNICAST_MASK 0xe0

static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b }; /* 64:ff9b::/96 (RFC 6052) */

static bool is_within(const uint8_t *address, const uint8_t *network, unsigned prefix_len)
{
	size_t whole = prefix_len / 8;
	unsigned rest = prefix_len % 8;
	if (memcmp(address, network, whole) != 0)
		return false;
	return rest == 0 || ((address[whole] ^ network[whole]) >> (8 - rest)) == 0;
}

/* NULL: public. */
static const struct range *special_range(struct bytes address)
{
	const struct range *table = address.len == 4 ? ipv4 : ipv6;
	size_t count = address.len == 4 ? sizeof(ipv4) / sizeof(ipv4[0]) : sizeof(ipv6) / sizeof(ipv6[0]);
	for (size_t i = 0; i < count; i++)
		if (is_within(address.data, table[i].address, table[i].prefix_len))
			return &table[i];
	if (address.len == 4)
		return NULL;
	/* A translator connects to what is embedded. */
	if (memcmp(address.data, nat64, sizeof(nat64)) == 0)
		return special_range(BYTES(address.data + sizeof(nat64), 4));
	return (address.data[0] & GLOBAL_UNICAST_MASK) == GLOBAL_UNICAST_FIRST ? NULL : &not_global;
}

static bool zone_opens(const struct ca_config_zone *zone, struct bytes address)
{
	for (size_t i = 0; zone && i < zone->connect_network_count; i++) {
		const struct ca_config_network *network = &zone->connect_networks[i];
		if (network->address_len == address.len &&
		    is_within(address.data, network->address, network->prefix_len))
			return true;
	}
	return false;
}

static uint16_t port_of(const char *text)
{
	unsigned long port = strtoul(text, NULL, 10);
	return port <= UINT16_MAX ? (uint16_t)port : 0;
}

static bool zone_lists(const struct ca_config_zone *zone, uint16_t port)
{
	for (size_t i = 0; zone && i < zone->connect_ports.count; i++)
		if (port_of(zone->connect_ports.items[i]) == port)
			return true;
	return (!zone || zone->connect_ports.count == 0) && port == 80;
}

const char *guard_forbids(const struct ca_config_zone *zone, struct bytes address, uint16_t port)
{
	if (address.len != 4 && address.len != 16)
		return "is none";
	bool listed = zone_lists(zone, port);
	const struct range *special = special_range(address);
	if (!special)
		return listed || port == 80 || port == 443 ? NULL : "is asked at a port that validation does not use";
	if (special->never || !zone_opens(zone, address))
		return special->what;
	return listed ? NULL : "is asked at a port that the zone does not open (connect-ports)";
}
