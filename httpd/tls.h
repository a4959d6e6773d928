/*
 * httpd/tls.h - the front's own TLS key and chain as GnuTLS takes them, changed while running.
 *
 * Thread-safety: every function but tls_new and tls_free may be called from any thread. A
 * handshake may still use what was replaced: it is kept until no handshake can.
 */
#ifndef CHANCERY_HTTPD_TLS_H
#define CHANCERY_HTTPD_TLS_H

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include "base/bytes.h"
#include "base/err.h"

struct tls;

struct tls *tls_new(struct error *err); /* ERR_INTERNAL */
void tls_free(struct tls *tls);

/* From now on handshakes use this key and chain, both PEM, the leaf first. ERR_BAD_REQUEST where
 * they cannot be read or do not belong together: the present ones stay. */
int tls_load(struct tls *tls, struct bytes key_pem, struct bytes chain_pem, struct error *err);

/* Frees what was replaced more than age_ms ago. */
void tls_forget_old(struct tls *tls, int64_t age_ms);

/* Readies a new session: a client certificate is requested, not required. */
void tls_prepare(struct tls *tls, gnutls_session_t session);

/* gnutls_certificate_retrieve_function2: the present key and chain. */
int tls_choose(gnutls_session_t session, const gnutls_datum_t *issuers, int issuer_count,
	       const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **chain,
	       unsigned *chain_length, gnutls_privkey_t *key);

#endif
