/*
 * tests/unit/ca-core/elsewhere.h - CAs whose keys are not in this machine's tokens: roots as a ceremony has them, what
 * they sign, and what an import of it says. All for the configuration of a fixture.
 */
#ifndef CHANCERY_TESTS_CA_ELSEWHERE_H
#define CHANCERY_TESTS_CA_ELSEWHERE_H

#include <openssl/evp.h>

#include "tests/unit/ca-core/fixture.h"

/* A root with its key. */
struct elsewhere {
	struct fixture *f;
	EVP_PKEY *key;
	struct ca_issuer_info info; /* with its certificate */
};
void elsewhere_free(struct elsewhere *e);
#define auto_elsewhere CLEANUP(elsewhere_free) struct elsewhere

/* A root as issuer `name` of the configuration would have it: P-256, 20 years. */
void elsewhere_root(struct elsewhere *e, struct fixture *f, const char *name);

/* What differs from a good intermediate's certificate; zeros: nothing. */
struct elsewhere_twist {
	const char *common_name;
	int64_t not_before_s, not_after_s;
	bool bad_signature;
	uint8_t serial; /* last octet; 0: random */
};
/* An intermediate's certificate under the configuration's profile, for this key; DER, appended. */
void elsewhere_certify(struct elsewhere *by, const char *profile, struct bytes spki,
		       const struct elsewhere_twist *twist, struct buf *out);
/* A root's key under this root. path_len -1: none. */
void elsewhere_cross(struct elsewhere *by, const struct ca_issuer_info *of, int path_len, struct buf *out);
/* Its list with this number, without entries. */
void elsewhere_list(struct elsewhere *by, uint64_t number, int64_t this_update_s, int64_t next_update_s,
		    struct buf *out);

/* The key of an issuer of the configuration, made in its token. */
void elsewhere_make_key(struct fixture *f, const char *issuer, struct buf *spki);

#endif
