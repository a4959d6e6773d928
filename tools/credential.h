/*
 * tools/credential.h - an enrolled certificate with its private key: what shows to the server who asks, and what
 * officers sign with.
 *
 * The key is a PEM file, encrypted perhaps (its passphrase is asked for on the terminal), or lies in a PKCS#11 token of
 * its holder, named by an RFC 7512 URI:
 *
 *     pkcs11:token=mine;object=officer?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/home/me/pin
 *
 * Without pin-source the PIN is asked for on the terminal. The module is open as long as the credential is.
 *
 * Thread-safety: one thread at a time.
 */
#ifndef CHANCERY_TOOLS_CREDENTIAL_H
#define CHANCERY_TOOLS_CREDENTIAL_H

#include <openssl/ssl.h>

#include "base/bytes.h"
#include "base/ossl.h"

struct credential;

/* certificate: path of a PEM file, the leaf first, its chain behind it. ERR_NOT_FOUND, ERR_BAD_REQUEST, ERR_USAGE where
 * the key is not the certificate's, ERR_CONFIG for a URI or PIN reference that is none, ERR_TOKEN_UNAVAILABLE,
 * ERR_PIN_REFUSED. */
struct credential *credential_open(const char *certificate, const char *key, struct error *err);
void credential_free(struct credential *c);
CLEANUP_POINTER(credential, struct credential, credential_free)
#define auto_credential CLEANUP(credential_cleanup) struct credential

/* The identity's name: an enrolled certificate has it as its common name. ERR_USAGE where there is none. Borrowed. */
const char *credential_name(const struct credential *c, struct error *err);

/* The leaf, DER; borrowed. */
struct bytes credential_certificate(const struct credential *c);

/* Signs as statements are signed (ca-core/statement.h): SHA-256, P-384 SHA-384, P-521 SHA-512, Ed25519 the message
 * itself; appends the signature. ERR_TOKEN_UNAVAILABLE, ERR_BAD_REQUEST for a key that cannot sign so. */
int credential_sign(struct credential *c, struct bytes message, struct buf *signature, struct error *err);

/* Certificate, chain and key for the handshakes of a TLS client, which must not outlive the credential. False where
 * OpenSSL does not take them. */
bool credential_use(const struct credential *c, SSL_CTX *context);

#endif
