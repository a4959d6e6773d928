/*
 * ca-core/ceremony_draft_private.h - shared by ceremony_draft*.c and ceremony_known.c alone.
 */
#ifndef CHANCERY_CA_CEREMONY_DRAFT_PRIVATE_H
#define CHANCERY_CA_CEREMONY_DRAFT_PRIVATE_H

#include <openssl/x509v3.h>

#include "ca-core/ceremony_draft.h"

#define PATH_UNLIMITED 1000

struct known_key {
	char *uri;
	struct buf spki;
};
struct known_certificate {
	char name[65];
	struct buf der;
	struct ca_issuer_info info; /* where is_ca */
	bool is_ca;
	int path;                      /* CAs that may still stand below it */
	NAME_CONSTRAINTS *constraints; /* of an issuer section's certificate, or NULL */
};
struct ceremony_known {
	const struct ceremony_plan *plan; /* borrowed */
	struct known_key *keys;
	size_t key_count;
	struct known_certificate *certificates;
	size_t certificate_count;
	struct buf *csr_spki; /* of each step; empty where it has no CSR */
};

/* The certificate of this name, or NULL; borrowed. */
const struct known_certificate *known_find(const struct ceremony_known *known, const char *name);
/* The URI of the key with this public half, or NULL. */
const char *known_uri_of(const struct ceremony_known *known, struct bytes spki);

#endif
