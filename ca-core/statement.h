/*
 * ca-core/statement.h - what an officer signs: a text of eight lines about one order's or one
 * organization's exact bytes; and what who was at a ceremony signs about its transcript.
 *
 *     chancery-statement-v1
 *     ca: <SHA-256 of the root certificate, hex>
 *     subject: order <id>            (or: organization <id>, ceremony <id>)
 *     sha256: <of the tbs, or of the organization's record as GET .../record gives it, hex;
 *              of a ceremony: the hash of the transcript's line `finished`>
 *     decision: approve              (deny, vet, suspend; attest)
 *     by: <identity's name>          (of a ceremony: the person's, as the plan has it)
 *     reason: <1 to 500 bytes, no control characters>
 *     time: 2026-11-21T12:00:00Z
 *
 * Exactly these lines, each ended by LF, UTF-8, nothing behind the last.
 *
 * Pure: the command line writes and signs it, the signer and `chancery audit verify` read and
 * check it, by the same functions. Whether the certificate is an enrolled officer's, the hash the
 * right one and the time near is for the caller to say.
 *
 * Thread-safety: every function works only on its arguments. Source: PKI.md section 5.
 */
#ifndef CHANCERY_CA_STATEMENT_H
#define CHANCERY_CA_STATEMENT_H

#include "base/bytes.h"
#include "base/err.h"

enum ca_decision { DECISION_APPROVE = 1, DECISION_DENY, DECISION_VET, DECISION_SUSPEND, DECISION_ATTEST };
const char *ca_decision_name(enum ca_decision decision); /* "approve", ... */

#define CA_STATEMENT_MAX 1024 /* octets of a whole statement */
#define CA_STATEMENT_REASON_MAX 500
#define CA_STATEMENT_ID_MAX 64
#define CA_STATEMENT_SKEW_S 300 /* its time may differ by so much from the signer's */

struct ca_statement {
	uint8_t ca[32];            /* SHA-256 of the root certificate's DER */
	bool organization;         /* the subject is an organization; else an order, or ... */
	bool ceremony;             /* ... a ceremony; never both */
	struct bytes id;           /* of the subject: ca_statement_is_id */
	uint8_t sha256[32];        /* of what is decided about */
	enum ca_decision decision; /* approve, deny: orders; vet, suspend: organizations; attest: ceremonies */
	struct bytes by, reason;
	int64_t time_s;
};

/* Whether it can be the id of an order or an organization: 1 to 64 of [A-Za-z0-9._-]. */
bool ca_statement_is_id(struct bytes text);

/* Appends the text. ERR_BAD_REQUEST, naming the member, for what no statement can say (a line break in the reason). */
int ca_statement_write(const struct ca_statement *s, struct buf *out, struct error *err);
/* Reads it strictly: what ca_statement_write writes, and nothing else. Borrows from text. ERR_APPROVAL_MISMATCH, with
 * the line and what was expected there. */
int ca_statement_read(struct bytes text, struct ca_statement *s, struct error *err);

/* Verifies the signature over the text with the key of the certificate (DER): ECDSA P-256 and RSA by SHA-256, P-384 by
 * SHA-384, P-521 by SHA-512, Ed25519 over the text itself. Of the certificate nothing but the key is looked at.
 * ERR_APPROVAL_MISMATCH where it does not verify, ERR_BAD_REQUEST for a certificate or key that cannot be used. */
int ca_statement_verify(struct bytes text, struct bytes certificate, struct bytes signature, struct error *err);

#endif
