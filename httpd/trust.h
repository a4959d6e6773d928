/*
 * httpd/trust.h - TLS client certificates: chain to one of our issuers, time, purpose. Which
 * identity it is, and whether it still is one, the signer says.
 *
 * The issuers are the published certificates of the configured issuers (published/ca/NAME.pem),
 * read again when one changes.
 *
 * Thread-safety: trust_check_peer may be called from any thread.
 * Source: RFC 5280 section 6.1; extended key usage 4.2.1.12.
 */
#ifndef CHANCERY_HTTPD_TRUST_H
#define CHANCERY_HTTPD_TRUST_H

#include <gnutls/gnutls.h>

#include "base/clock.h"
#include "ca-core/config.h"

struct trust;

/* config is borrowed. NULL with ERR_INTERNAL. Issuers that are not published yet may come later. */
struct trust *trust_new(const struct ca_config *config, struct clock clock, struct error *err);
void trust_free(struct trust *trust);

/* What the other end of a TLS session (NULL: plain) showed: its leaf certificate in DER, appended
 * to leaf. ERR_IDENTITY_REQUIRED, saying what is missing or wrong with it. */
int trust_check_peer(struct trust *trust, gnutls_session_t tls, struct buf *leaf, struct error *err);

/* The same for a chain, leaf first. */
int trust_check_chain(struct trust *trust, const gnutls_datum_t *chain, unsigned count, struct error *err);

#endif
