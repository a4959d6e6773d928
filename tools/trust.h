/*
 * tools/trust.h - lists of certificates, and whether one hangs from a root that is trusted.
 *
 * Thread-safety: every function works only on its arguments.
 */
#ifndef CHANCERY_TOOLS_TRUST_H
#define CHANCERY_TOOLS_TRUST_H

#include "base/bytes.h"
#include "base/ossl.h"

static inline void certificates_free(STACK_OF(X509) * list)
{
	sk_X509_pop_free(list, X509_free);
}
static inline void certificates_cleanup(STACK_OF(X509) * *list)
{
	certificates_free(*list);
}
#define auto_certificates CLEANUP(certificates_cleanup) STACK_OF(X509) /* auto_certificates *list = NULL; */

/* Adds those of a PEM text, up to the first that cannot be read; how many. */
int trust_add_pem(STACK_OF(X509) * list, struct bytes pem);

/* SHA-256 of the certificate's DER. */
void trust_hash(const X509 *certificate, uint8_t out[32]);

/* The root that the certificate hangs from at that time, over `others` (NULL: none); the caller's reference. NULL with
 * ERR_INTEGRITY; what: of whom it is, for the message ("the signer of a head"). */
X509 *trust_root_of(const STACK_OF(X509) * trusted, X509 *certificate, STACK_OF(X509) * others, int64_t time_s,
		    const char *what, struct error *err);

#endif
