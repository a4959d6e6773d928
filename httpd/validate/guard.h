/*
 * httpd/validate/guard.h - where validation may connect to, so that nobody can turn it against the inside by a DNS
 * record or a redirect.
 *
 * Free for all: public unicast addresses, at ports 80 and 443 and those that the zone lists. What the registries set
 * aside (loopback, private, link-local, documentation, ...) only where the name's zone lists the network and the port.
 * Multicast, broadcast, unspecified and IPv4-mapped addresses never.
 *
 * Pure. Thread-safety: every function works only on its arguments.
 * Source: RFC 6890 and the IANA special-purpose address registries for IPv4 and IPv6 as of 2025; RFC 4291 section
 * 2.4; RFC 6052 (NAT64); RFC 7526 (6to4 is over).
 */
#ifndef CHANCERY_HTTPD_VALIDATE_GUARD_H
#define CHANCERY_HTTPD_VALIDATE_GUARD_H

#include "ca-core/config.h"

/* NULL where connecting is allowed; else why it is not, in words that go on after "the address ... ": "is loopback
 * (RFC 1122)". address: 4 or 16 octets. zone: the name's, or NULL. The text is static. */
const char *guard_forbids(const struct ca_config_zone *zone, struct bytes address, uint16_t port);

#endif
