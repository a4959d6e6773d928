/*
 * ca-core/request.h - what is read anew of every request for a certificate, whether it is answered with a
 * certificate or with an order. Private to the files that decide about requests.
 *
 * Thread-safety: every function works only on its arguments.
 * Source: PKI.md section 2; DESIGN section 7, "Who checks what".
 */
#ifndef CHANCERY_CA_REQUEST_H
#define CHANCERY_CA_REQUEST_H

#include "ca-core/ca_private.h"
#include "ca-core/name.h"

/* Printed names, each in its one form, none twice, as many as the profile allows. Added to names. */
int ca_request_names(const struct ca_profile *profile, const struct bytes *printed, size_t count,
		     struct ca_names *names, struct error *err);
/* ERR_BAD_NAME unless it is UTF-8 of at most 64 octets without control characters. */
int ca_request_common_name(struct bytes text, char common_name[65], struct error *err);
/* There is a name to certify. A server's common name is one of its names, or absent; a client's is free, as far as a
 * grant goes. ERR_BAD_NAME. */
int ca_request_usable(const struct ca_profile *profile, const struct ca_names *names, const char *common_name,
		      struct error *err);
/* The profile's kinds of name: wildcards, addresses, underscores, mail addresses, URIs. ERR_BAD_NAME. */
int ca_request_kinds(const struct ca_profile *profile, const struct ca_names *names, struct error *err);
/* ERR_BLOCKED_KEY, saying why it is. */
int ca_request_not_blocked(struct store_snapshot *snap, const uint8_t spki_hash[32], struct error *err);
/* ERR_BAD_REQUEST unless it is none, or 1 to 128 visible ASCII characters. */
int ca_request_key_form(struct bytes idempotency_key, struct error *err);
/* The key of STORE_REQUESTS for a request with an idempotency key, appended, and the fingerprint of all that decides about
 * what it gets. */
int ca_request_key(struct bytes requester, const struct message_issue *m, const struct ca_names *names, struct buf *key,
		   uint8_t fingerprint[32], struct error *err);
/* Who signs under the profile. ERR_CONFIG; ERR_TOKEN_UNAVAILABLE where it has no certificate here. */
struct ca_issuer *ca_request_issuer(struct ca *ca, const struct ca_profile *profile, struct error *err);

#endif
