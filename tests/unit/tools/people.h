/* Identities for tests: certificates with a name, and the keys that sign for them. */
#ifndef CHANCERY_TESTS_UNIT_TOOLS_PEOPLE_H
#define CHANCERY_TESTS_UNIT_TOOLS_PEOPLE_H

#include "tools/credential.h"

/* What a certificate is to say. */
struct people_wants {
	const char *subject[10][2]; /* { "O", "Example GmbH" } ..., ended by NULL */
	const char *names;          /* "DNS:www.example.test", or NULL */
	const char *purpose;        /* "serverAuth", or NULL */
	bool ca;
	long serial;
	X509 *issuer; /* NULL: itself */
	EVP_PKEY *issuer_key;
};
X509 *people_issue(EVP_PKEY *key, const struct people_wants *wants); /* the caller's */
/* DER of it, and of its tbs; appended. */
void people_der(X509 *x, struct buf *out);
void people_tbs(X509 *x, struct buf *out);

/* A certificate for the key's public half, with this common name; who signed it does not matter. The caller's. */
X509 *people_certificate(const char *name, EVP_PKEY *key);
void people_write_certificate(const char *name, EVP_PKEY *key, const char *path);
void people_write_key(EVP_PKEY *key, const char *path);
/* Both, from files of this test's folder. */
struct credential *people_credential(const char *name, EVP_PKEY *key, struct error *err);

#endif
