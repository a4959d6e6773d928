/*
 * tools/explain_verify.h - what can be proved from one explanation (the JSON of GET /api/v1/explain/...) alone.
 *
 * The file holds its own proofs: the certificate and its chain, the statements that officers
 * signed, the organization's record, entries of the audit log and what joins them to a signed head. All of that is
 * checked against a root that the reader trusts. What a file can only say (what was seen in the DNS) is kept apart.
 *
 * Thread-safety: every function works only on its arguments. Source: PKI.md section 7; ca-core/explain.c.
 */
#ifndef CHANCERY_TOOLS_EXPLAIN_VERIFY_H
#define CHANCERY_TOOLS_EXPLAIN_VERIFY_H

#include "tools/output.h"

#include "base/err.h"

struct explain_verdict {
	json_t *proved, *claimed; /* lists of sentences; the caller's references */
};
void explain_verdict_free(struct explain_verdict *v);

/* root: PEM of the one root that is trusted. heads: JSON texts of /audit/head that were kept elsewhere. ERR_INTEGRITY at
 * the first thing that is wrong, saying what it is; ERR_BAD_REQUEST for what is no explanation. */
int explain_verify(const json_t *file, struct bytes root, const struct bytes *heads, size_t head_count,
		   struct explain_verdict *out, struct error *err);

#endif
