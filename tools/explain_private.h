/*
 * tools/explain_private.h - what the files of tools/explain_verify.h share.
 *
 * Thread-safety: every function works only on its arguments.
 */
#ifndef CHANCERY_TOOLS_EXPLAIN_PRIVATE_H
#define CHANCERY_TOOLS_EXPLAIN_PRIVATE_H

#include "ca-core/lint.h"
#include "ca-core/statement.h"
#include "tools/explain_verify.h"
#include "tools/output.h"
#include "tools/trust.h"

struct explanation {
	const json_t *file;
	STACK_OF(X509) * trusted, *chain;  /* the root; what the file has between it and others */
	uint8_t ca[32];                    /* SHA-256 of the root */
	const char *order;                 /* id, or "" */
	struct buf certificate;            /* DER of what was issued, or none */
	struct ca_certificate_facts facts; /* of it */
	int64_t issued_s;
	bool has_tbs;
	uint8_t tbs[32]; /* SHA-256 of what was signed, or is to be */
	unsigned needed; /* officers, by what the certificate says of itself; 1 for one that is not issued yet */
	struct explain_verdict *verdict;
	struct error *err;
};

/* A sentence for the verdict. */
void explain_proved(struct explanation *x, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void explain_claimed(struct explanation *x, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* ERR_INTEGRITY; always -1. */
int explain_wrong(struct explanation *x, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#ifdef __clang_analyzer__
#define explain_wrong(...) ((void)(explain_wrong)(__VA_ARGS__), -1)
#endif

/* The member's base64, appended. -1 where it is not there, or is none: the verdict's error says which. */
int explain_octets(struct explanation *x, const json_t *object, const char *member, struct buf *out);

/* Whether the file has who issued it: else nothing can be said of where it hangs. */
bool explain_has_issuer(const struct explanation *x, X509 *certificate);

/* explain_people.c: approvals, and the organization's record with its vetting. */
int explain_check_approvals(struct explanation *x);
int explain_check_organization(struct explanation *x);

/* explain_log.c: the audit log's entries, joined to heads. */
int explain_check_log(struct explanation *x, const struct bytes *heads, size_t head_count);

#endif
