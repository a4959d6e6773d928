/*
 * ca-core/name.h - names that a certificate may carry, in one canonical form.
 *
 * Pure: no I/O, any process may call it.
 * Thread-safety: every function works only on its arguments (libpsl's built-in list is
 * read-only).
 * Source: RFC 5280 section 4.2.1.6, RFC 1034 section 3.5, RFC 5890 (A-labels), BR 3.2.2.6.
 */
#ifndef CHANCERY_CA_NAME_H
#define CHANCERY_CA_NAME_H

#include "base/bytes.h"
#include "base/err.h"

enum ca_name_type { CA_NAME_DNS, CA_NAME_IP, CA_NAME_EMAIL, CA_NAME_URI };

#define CA_NAME_TEXT_MAX 255
#define CA_NAMES_MAX 1000 /* a profile's own limit is lower: 100 by default */

struct ca_name {
	enum ca_name_type type;
	char text[CA_NAME_TEXT_MAX + 1]; /* canonical: lower-case DNS, RFC 5952 addresses */
	uint8_t address[16];             /* CA_NAME_IP */
	uint8_t address_len;             /* 4 or 16 */
	bool wildcard;                   /* DNS "*.x" */
	bool underscore;                 /* DNS with "_" in a label */
	uint32_t mark;                   /* of type and text, once it is in a list: equal names have equal ones */
};

struct ca_names {
	struct ca_name *items; /* owned */
	size_t count, capacity;
};
#define CA_NAMES_INIT ((struct ca_names){ NULL, 0, 0 })
void ca_names_free(struct ca_names *names);
#define auto_ca_names CLEANUP(ca_names_free) struct ca_names
/* Adds a copy; one that is there already (same type and text) is merged.
 * ERR_TOO_MANY_NAMES past max. */
int ca_names_add(struct ca_names *names, const struct ca_name *name, size_t max, struct error *err);

/* A dNSName as it stands in a request: ASCII LDH labels of 1 to 63, 253 in all, A-labels
 * valid under IDNA2008 (libidn2), "*" only as the whole left-most label before at least two
 * others, no trailing dot, not an address, not a URL, no NUL. Lower-cased. Says of each fault what it is (ERR_BAD_NAME). */
int ca_name_dns(struct bytes text, struct ca_name *out, struct error *err);
/* 4 or 16 octets. IPv4-mapped IPv6 addresses are refused. */
int ca_name_ip(struct bytes octets, struct ca_name *out, struct error *err);
/* An address as text. */
int ca_name_ip_text(struct bytes text, struct ca_name *out, struct error *err);
int ca_name_email(struct bytes text, struct ca_name *out, struct error *err);
int ca_name_uri(struct bytes text, struct ca_name *out, struct error *err);
/* "dns:x", "ip:x", "email:x", "uri:x": the form in records, messages and JSON; and back. */
void ca_name_print(const struct ca_name *name, struct buf *out);
int ca_name_parse(struct bytes printed, struct ca_name *out, struct error *err);

/* True where the part of a wildcard behind "*." has at least two labels and is not a public
 * suffix (ICANN and private sections of the list). */
bool ca_name_wildcard_base_allowed(const char *base);

/* True for what the public DNS does not have: a single label, a top-level domain that is not in the ICANN
 * section of the list, home.arpa; addresses for loopback, link-local and private use. Source: BR 4.2.2,
 * RFC 6761, RFC 8375, RFC 1918, RFC 4193. */
bool ca_name_is_internal(const struct ca_name *name);

#endif
