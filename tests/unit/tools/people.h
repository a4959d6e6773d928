/* Identities for tests: certificates with a name, and the keys that sign for them. */
#ifndef CHANCERY_TESTS_UNIT_TOOLS_PEOPLE_H
#define CHANCERY_TESTS_UNIT_TOOLS_PEOPLE_H

#include "tools/credential.h"

/* A certificate for the key's public half, with this common name; who signed it does not matter. The caller's. */
X509 *people_certificate(const char *name, EVP_PKEY *key);
void people_write_certificate(const char *name, EVP_PKEY *key, const char *path);
void people_write_key(EVP_PKEY *key, const char *path);
/* Both, from files of this test's folder. */
struct credential *people_credential(const char *name, EVP_PKEY *key, struct error *err);

#endif
