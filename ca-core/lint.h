/*
 * ca-core/lint.h - the finished tbs, parsed anew and held against every rule.
 *
 * Pure. Lint trusts nothing but its arguments: it reads the bytes that will be signed, not
 * what they were built from. Field by field: presence, absence, order, duplication,
 * criticality, encoding.
 * Thread-safety: every function works only on its arguments.
 * Source: RFC 5280 section 4, BR 7.1; each check names its section.
 */
#ifndef CHANCERY_CA_LINT_H
#define CHANCERY_CA_LINT_H

#include "ca-core/tbs.h"

/* 0 clean. -1 with ERR_INTEGRITY and the first rule that is broken, as "RFC 5280 4.1.2.5: ...".
 * issuer NULL: self-signed root. now_s: for dated rules. */
int ca_lint_tbs(struct bytes tbs, const struct ca_profile *profile, const struct ca_issuer_info *issuer, int64_t now_s,
		struct error *err);

/* What can be read back from any certificate of ours, strictly; borrows. */
struct ca_certificate_facts {
	struct bytes tbs, serial, issuer, subject, spki, signature_algorithm, signature;
	int64_t not_before_s, not_after_s;
	struct bytes ski, aki; /* keyIdentifier octets, or none */
	bool ca;
	int path_len;       /* pathLenConstraint; -1: none */
	uint16_t key_usage; /* der_named_bits; 0 where absent */
	bool no_rev_avail;
	bool client_auth, server_auth;
};
int ca_certificate_read(struct bytes der, struct ca_certificate_facts *facts, struct error *err);
/* The same of a TBSCertificate that was not signed yet: without signature. */
int ca_tbs_read(struct bytes tbs, struct ca_certificate_facts *facts, struct error *err);

#endif
