/*
 * tools/ceremony_made.h - what a step has made, held against the plan, its issuer and the whole chain.
 *
 * Thread-safety: every function works only on its arguments.
 */
#ifndef CHANCERY_TOOLS_CEREMONY_MADE_H
#define CHANCERY_TOOLS_CEREMONY_MADE_H

#include "ca-core/ceremony_draft.h"

/* tbs, algorithm and signature, put together as they leave the ceremony: a certificate's or list's DER. */
int ceremony_made_assemble(const struct ceremony_draft *draft, struct bytes signature, struct buf *der,
			   struct error *err);
/* The same as the file in out/: PEM of a certificate, DER of a list. Appended. */
int ceremony_made_file(const struct ceremony_step *step, struct bytes der, struct buf *file, struct error *err);
/* The reverse: der appended. ERR_INTEGRITY where the file is not exactly what ceremony_made_file writes. */
int ceremony_made_read(const struct ceremony_step *step, struct bytes file, struct buf *der, struct error *err);

/* What was made, and of what. */
struct ceremony_made {
	const struct ceremony_plan *plan;
	size_t step;
	const struct ceremony_known *known;
	const struct ceremony_draft *draft;
	struct bytes signer; /* spki of the key that has signed: the draft's, or a stand-in's */
	int64_t when_s;      /* the time of signing */
	bool chain;          /* a chain is looked for: not of what a stand-in signed */
};
/* Parses what was made (der): its tbs is the draft's, byte for byte; the signature is the signer's; lint is clean; and
 * OpenSSL finds a chain to a root of the plan, by what is known. ERR_INTEGRITY with what is wrong. */
int ceremony_made_check(const struct ceremony_made *made, struct bytes der, struct error *err);

/* The key that signs the transcript: the last one that made or signed something and is not destroyed. NULL: none is
 * left. Borrowed from the plan. */
const char *ceremony_made_closing_key(const struct ceremony_plan *plan);

/* SHA-256 of the ceremony's root: of the first root that a step makes; else of the first issuer's certificate; else
 * zeros. What the statements of its people are about, as "ca". */
void ceremony_made_root(const struct ceremony_plan *plan, const struct ceremony_known *known, uint8_t hash[32]);

/* The ceremony's name in the statements of its people: the first 32 hex digits of the plan's SHA-256. */
#define CEREMONY_ID_SIZE 33
void ceremony_made_id(const struct ceremony_plan *plan, char id[CEREMONY_ID_SIZE]);

#endif
