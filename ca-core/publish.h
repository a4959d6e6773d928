/*
 * ca-core/publish.h - published/, a mirror of the URL paths that anyone may fetch:
 *
 *     ca/NAME.pem  ca/NAME.crt  ca/NAME/chain.pem (NAME and above, without the root)  ca/roots.pem
 *     ca/NAME/cross.pem (cross-certificates of NAME and above, where there are any)
 *     crl/NAME.crl  crl/NAME.pem  audit/head
 *
 * All of it is derived from the store and made anew at each start. A file is replaced whole, so
 * that whoever serves it never sees a part. Where nothing is to be published, each does nothing.
 * Thread-safety: any thread.
 */
#ifndef CHANCERY_CA_PUBLISH_H
#define CHANCERY_CA_PUBLISH_H

#include "ca-core/ca_private.h"

/* ca/: few and small files, there before anyone is answered, since answers and logins need them. */
int ca_publish_certificates(struct ca *ca, struct error *err);
/* crl/ and audit/: lists may be large. */
int ca_publish_lists(struct ca *ca, struct error *err);
/* Both. */
int ca_publish_all(struct ca *ca, struct error *err);

/* published/FOLDER/NAME+SUFFIX, 0644; makes the folder (0755). ERR_IO. */
int ca_publish_file(struct ca *ca, const char *folder, const char *name, const char *suffix, struct bytes content,
		    struct error *err);

/* The issuer's certificate and those above it, without the root, as PEM, appended. NULL: nothing. */
void ca_publish_add_chain(struct ca *ca, const struct ca_issuer *issuer, struct buf *pem);

#endif
