/*
 * tools/audit_decisions.h - what people decided, as an audit log tells it: proved by what the log itself holds.
 *
 * Of each decision the entry has the whole statement: text, certificate, signature. It has to be one,
 * signed by who the entry says, an officer with a certificate that was enrolled for him and not revoked, about what
 * the entry says, at that time, and never used before. Of each certificate that people had to approve
 * the entry has the certificate: its tbs is what enough officers signed for, distinct people, none of them the
 * requester, and the organization's record was vetted.
 *
 *     order.approved, order.denied              detail statement, certificate, signature (base64); sha256 of the tbs
 *     organization.vetted, .suspended           the same; sha256 of the record
 *     organization.added, .changed              sha256 of the record
 *     certificate.issued                        detail order; tbs (hex) and certificate (base64) where people decided
 *
 * Thread-safety: one thread. Source: PKI.md sections 5 and 7.
 */
#ifndef CHANCERY_TOOLS_AUDIT_DECISIONS_H
#define CHANCERY_TOOLS_AUDIT_DECISIONS_H

#include <jansson.h>

#include "base/bytes.h"
#include "base/err.h"

struct audit_decisions;
struct audit_decisions *audit_decisions_new(struct error *err);
void audit_decisions_free(struct audit_decisions *d);
CLEANUP_POINTER(audit_decisions, struct audit_decisions, audit_decisions_free)
#define auto_audit_decisions CLEANUP(audit_decisions_cleanup) struct audit_decisions

/* The log's next entry. ERR_INTEGRITY at what is wrong with it, naming its number. */
int audit_decisions_entry(struct audit_decisions *d, uint64_t sequence, const json_t *entry, struct error *err);

/* Whether the statements are for this CA: calls is_trusted with the SHA-256 of each root that they name.
 * ERR_INTEGRITY. */
int audit_decisions_check_roots(const struct audit_decisions *d, bool (*is_trusted)(void *arg, const uint8_t ca[32]),
				void *arg, struct error *err);

struct audit_decided {
	uint64_t approvals, denials, vettings, suspensions;
	uint64_t certificates; /* that equal the bytes which enough officers signed for */
	/* Approvals with a certificate that was enrolled after the order was made: no fault, to be seen. */
	uint64_t late_officers;
	uint64_t first_late; /* the first such entry */
};
void audit_decisions_count(const struct audit_decisions *d, struct audit_decided *out);

/* A certificate that was met elsewhere, before the log is read. What it says of itself decides how many officers it
 * needs. name: for messages, borrowed. ERR_BAD_REQUEST. */
int audit_decisions_want(struct audit_decisions *d, const char *name, struct bytes der, struct error *err);
/* After the log was read: each was issued by it and, where people had to decide, is proved. ERR_INTEGRITY. */
int audit_decisions_check_wanted(const struct audit_decisions *d, struct error *err);

#endif
