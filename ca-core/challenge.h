/*
 * ca-core/challenge.h - what to put where, to show that one controls a name.
 *
 * The value commits to who and what: lower-case base32 (RFC 4648 without padding) of
 * SHA-256(nonce of the order || SHA-256 of the spki || name || requester), where name is the text
 * of ca_name_print without a wildcard's "*." ("dns:example.test") and each of the last two is
 * preceded by its length in two octets, big-endian. 52 characters.
 *
 * Pure: the signer tells the validator what to look for, and the command line computes the same from its own
 * request before it shows it, so that a lying front cannot have a stranger's key validated.
 *
 * Thread-safety: every function works only on its arguments. Source: PKI.md section 3; BR 3.2.2.4.7 (DNS),
 * 3.2.2.4.18 (HTTP), 3.2.2.4.4 (mail).
 */
#ifndef CHANCERY_CA_CHALLENGE_H
#define CHANCERY_CA_CHALLENGE_H

#include "base/bytes.h"
#include "base/err.h"

#define CA_CHALLENGE_VALUE_SIZE 53 /* 52 characters and NUL */
#define CA_CHALLENGE_NAME_SIZE 320 /* a DNS name with labels before it, and NUL */

/* The DNS name that is looked at, borrowed from a name as a record has it: "example.test" of "dns:example.test" and of
 * "dns:*.example.test", for control of it shows a wildcard below it, too. No bytes for a name of another kind. */
struct bytes ca_challenge_host(struct bytes name);
bool ca_challenge_is_wildcard(struct bytes name); /* "dns:*.example.test" */

/* The value. nonce: 32 octets. name: as a record has it ("dns:*.example.test"). */
void ca_challenge_value(const uint8_t nonce[32], const uint8_t spki_hash[32], struct bytes name, struct bytes requester,
			char out[CA_CHALLENGE_VALUE_SIZE]);

/* dns-txt: "_chancery-challenge.example.test" holds a TXT record with the value as its one string. */
void ca_challenge_txt_name(struct bytes name, char out[CA_CHALLENGE_NAME_SIZE]);
/* dns-cname: "_LABEL.example.test", LABEL the first 16 characters of the value, points to VALUE.BASE, base from the
 * configuration (dns-cname-base). */
void ca_challenge_cname_name(struct bytes name, const char value[CA_CHALLENGE_VALUE_SIZE],
			     char out[CA_CHALLENGE_NAME_SIZE]);
void ca_challenge_cname_target(const char value[CA_CHALLENGE_VALUE_SIZE], const char *base,
			       char out[CA_CHALLENGE_NAME_SIZE]);
/* http: "http://NAME/.well-known/pki-validation/FIRST16.txt" (an IPv6 address in brackets), the body the value alone
 * (one LF behind it is allowed). port: ca_config_http_port of the name's zone; where it is not 80, "http://NAME:PORT/...". */
void ca_challenge_http_url(struct bytes name, const char value[CA_CHALLENGE_VALUE_SIZE], uint16_t port,
			   char out[CA_CHALLENGE_NAME_SIZE + 64]);

/* Which of `methods` (METHOD_ bits of store/record_order.h's values: 1 grant, 2 dns-txt, 4 dns-cname, 8 http, 16 mail)
 * can show this name at all: a wildcard not by http; an address by grant and http alone; other kinds by grant alone. */
unsigned ca_challenge_methods(struct bytes name, unsigned methods);

#endif
