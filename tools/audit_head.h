/*
 * tools/audit_head.h - a signed head of an audit log: how far the log went at a time, attested by the audit key.
 *
 * Thread-safety: every function works only on its arguments. Source: PKI.md section 7; ca-core/audit_head.c.
 */
#ifndef CHANCERY_TOOLS_AUDIT_HEAD_H
#define CHANCERY_TOOLS_AUDIT_HEAD_H

#include "tools/trust.h"

struct audit_head {
	uint8_t hash[32]; /* of the log after entry `sequence` */
	uint64_t sequence;
	char time[32]; /* RFC 3339 */
	int64_t time_s;
};

/* text and its signature, by an audit certificate (the first of chain, its issuers behind it) that hung from a trusted
 * root when it was signed, the root that the text names. ERR_INTEGRITY. */
int audit_head_check(const STACK_OF(X509) * trusted, STACK_OF(X509) * chain, const char *text, struct bytes signature,
		     struct audit_head *out, struct error *err);

/* The same of the JSON of /audit/head: {"text", "signature" (base64), "certificate" (PEM, with its chain)}. known: gets
 * the issuers that it names, or NULL. */
int audit_head_read(struct bytes json, const STACK_OF(X509) * trusted, STACK_OF(X509) * known, struct audit_head *out,
		    struct error *err);

#endif
