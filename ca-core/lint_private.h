/*
 * ca-core/lint_private.h - shared by lint*.c alone: the tbs opened up, and how a broken rule
 * is reported.
 */
#ifndef CHANCERY_CA_LINT_PRIVATE_H
#define CHANCERY_CA_LINT_PRIVATE_H

#include "base/der.h"
#include "ca-core/lint.h"

/* The bytes, field by field; all borrowed. */
struct lint {
	const struct ca_profile *profile;
	const struct ca_issuer_info *issuer; /* NULL: self-signed */
	int64_t now_s;

	struct bytes serial, signature_algorithm, issuer_name, subject, spki, extensions;
	int64_t not_before_s, not_after_s;
	struct ca_key key;
	bool subject_is_empty;
	char common_name[65]; /* of the subject, or "" */
};

/* ERR_INTEGRITY with the rule that is broken: "RFC 5280 4.1.2.2: ...". Returns -1. */
int lint_broken(struct error *err, const char *rule);

static inline bool lint_is_ca(const struct lint *l)
{
	return ca_kind_is_ca(l->profile->kind);
}
static inline bool lint_is_server(const struct lint *l)
{
	return l->profile->kind == CA_KIND_SERVER || l->profile->kind == CA_KIND_PEER;
}

/* The subject: alphabet, order, bounds, and which attributes this kind may have. Fills
 * subject_is_empty and common_name. (lint_names.c) */
int lint_subject(struct lint *l, struct error *err);
/* The content of a subjectAltName extension. (lint_names.c) */
int lint_subject_alt_name(const struct lint *l, bool critical, struct bytes value, struct error *err);
/* All extensions: each allowed, once, with the right criticality and content; none missing.
 * (lint_extensions.c) */
int lint_extensions(struct lint *l, struct error *err);

#endif
