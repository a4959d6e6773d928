/*
 * ca-core/crl_der.h - the bytes of a certificate revocation list: written, and read back.
 *
 * Pure. The writer is fed entry by entry, so that the cost of a list is one pass over its
 * entries; the reader goes through them the same way, so that the check of a list against
 * the store needs no second copy of either. Writer and reader share no code.
 *
 * Thread-safety: every function works only on its arguments.
 * Source: RFC 5280 section 5.
 */
#ifndef CHANCERY_CA_CRL_DER_H
#define CHANCERY_CA_CRL_DER_H

#include "base/bytes.h"
#include "base/err.h"

struct ca_crl_entry {
	struct bytes serial; /* content octets, positive, at most 20 */
	int64_t revoked_s;
	unsigned reason;      /* CRLReason; 0 (unspecified) is left out, as section 5.3.1 asks */
	int64_t invalidity_s; /* 0: none */
};

/* What stands around the entries. */
struct ca_crl_head {
	struct bytes signature_algorithm; /* DER AlgorithmIdentifier */
	struct bytes issuer;              /* DER Name, the issuer's subject byte for byte */
	struct bytes aki;                 /* keyIdentifier octets: the issuer's SKI */
	uint64_t number;
	int64_t this_update_s, next_update_s;
	struct bytes audit_oid;  /* OID content of the audit head's extension, or none */
	struct bytes audit_head; /* 32 octets, where audit_oid is given */
};

/* ---- writing ----
 * begin, add for each entry, finish: out then holds the TBSCertList. out must not be
 * written to in between by anyone else. */
struct ca_crl_writer {
	struct buf *out;
	const struct ca_crl_head *head; /* borrowed until finish */
	size_t tbs_mark, list_mark;
	uint64_t entries;
};
void ca_crl_begin(struct ca_crl_writer *w, const struct ca_crl_head *head, struct buf *out);
void ca_crl_add(struct ca_crl_writer *w, const struct ca_crl_entry *entry);
/* ERR_INTERNAL where memory has run out meanwhile. */
int ca_crl_finish(struct ca_crl_writer *w, struct error *err);

/* ---- reading ---- */
struct ca_crl {
	struct bytes tbs;        /* whole element: what is signed */
	struct ca_crl_head head; /* signature_algorithm whole, as inside the tbs */
	struct bytes signature;  /* octets */
	struct bytes entries;    /* for ca_crl_next; empty where the list is */
};
/* Reads a CertificateList as we write them: v2, both algorithms equal, AKI and CRL number
 * present, no critical extension, nothing unknown that is critical, nothing behind it. Extensions of the
 * list that we do not know are passed over; audit_oid tells which one is the audit head's (none: none).
 * Borrows from der. ERR_INTEGRITY with the rule that is broken. */
int ca_crl_read(struct bytes der, struct bytes audit_oid, struct ca_crl *crl, struct error *err);
/* The next entry of *entries (a copy of crl.entries to begin with): 1 one, 0 the end, -1 malformed (ERR_INTEGRITY). */
int ca_crl_next(struct bytes *entries, struct ca_crl_entry *entry, struct error *err);

#endif
