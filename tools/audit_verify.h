/*
 * tools/audit_verify.h - an exported audit log, proved by files alone.
 *
 * An export is JSON lines: the entries in order, {"sequence", "hash", "entry"}, then {"head": {"text",
 * "signature", "certificate"}} for each signed head, and {"roots": PEM}.
 * Source: PKI.md section 7.
 */
#ifndef CHANCERY_TOOLS_AUDIT_VERIFY_H
#define CHANCERY_TOOLS_AUDIT_VERIFY_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/ossl.h"
#include "tools/audit_decisions.h"

#define AUDIT_LINE_MAX ((size_t)1 << 20)

/* A restore from a backup, as its entry "audit.segment" tells it: the log goes on behind entry `last`, and what a log
 * before held behind that is not here. Source: ca-core/restore.h. */
struct audit_gap {
	uint64_t segment;        /* the entry that names it */
	uint64_t last, head;     /* head: of the newest head that was published then; 0: none is known */
	char published[16];      /* how that head lay: "ahead", "within", "other", "absent", "unusable" */
	char hash[65], time[32]; /* of that head */
	int64_t from_s, until_s; /* time of entry `last`, and of the segment's entry */
};

struct audit_log {
	uint8_t (*hashes)[32]; /* hashes[n - 1]: the chain's hash after entry n */
	uint64_t count;
	char first_time[32], last_time[32]; /* of the entries, as they say themselves */
	STACK_OF(X509) * trusted;           /* roots to trust; owned */
	STACK_OF(X509) * known;             /* issuers met in heads; owned */
	char **heads;                       /* JSON texts of the export's own heads; owned */
	size_t head_count;
	struct audit_gap *gaps; /* in their order; owned */
	size_t gap_count;
	struct buf roots;                  /* PEM, as the export has them */
	struct audit_decisions *decisions; /* owned */
};
void audit_log_free(struct audit_log *log);

/* Names a certificate, PEM or DER, that was met elsewhere; before the log is read. Which file it is from is borrowed.
 * ERR_BAD_REQUEST. */
int audit_log_want(struct audit_log *log, const char *file, struct bytes content, struct error *err);

/* Reads an export and checks the chain: numbers without gaps from 1, each hash; and each decision that people made
 * (tools/audit_decisions.h). ERR_INTEGRITY at the first thing that is wrong, saying what it is; ERR_NOT_FOUND, ERR_IO. */
int audit_log_read(const char *path, struct audit_log *log, struct error *err);

/* Adds the PEM certificates of text to those that are trusted. ERR_BAD_REQUEST where there is none. */
int audit_log_trust(struct audit_log *log, struct bytes pem, struct error *err);

/* The decisions are for a CA that is trusted, and the certificates from elsewhere were issued as they had to be.
 * ERR_INTEGRITY. */
int audit_log_check_decisions(const struct audit_log *log, struct error *err);

/* A signed head (the JSON of /audit/head): its signature by an audit certificate of a trusted root, and that
 * the log has this hash at this place, or that it lies in a gap which the log names. ERR_INTEGRITY. */
struct audit_attested {
	uint64_t sequence; /* in a gap: of the log before; 0 where a list tells none */
	char time[32];
	const struct audit_gap *gap; /* NULL: the log holds what was attested; else borrowed from the log */
};
int audit_log_check_head(struct audit_log *log, struct bytes json, struct audit_attested *out, struct error *err);

/* A revocation list, PEM or DER: signed by a trusted root or by an issuer that a head named, and the log has the
 * hash that it carries, or it was made in the time of a gap which the log names. ERR_INTEGRITY. */
int audit_log_check_crl(struct audit_log *log, struct bytes content, struct audit_attested *out, struct error *err);

#endif
