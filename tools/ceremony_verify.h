/*
 * tools/ceremony_verify.h - the directory of a ceremony, proved by itself and the closing hash.
 *
 * Everything is looked at: the transcript's chain; that plan, rehearsal and inputs are those that it names; that each
 * step of the plan was done, in order, within the window, confirmed by the operator; that what it made is what plan and
 * rehearsal come to, byte for byte but for the keys that were made there; signatures, lint, chains; who attested; the
 * signature of the ceremony's key; the readable text; and that no file is there besides.
 *
 * Thread-safety: every function works only on its arguments and the directory.
 */
#ifndef CHANCERY_TOOLS_CEREMONY_VERIFY_H
#define CHANCERY_TOOLS_CEREMONY_VERIFY_H

#include "ca-core/ceremony_draft.h"
#include "ca-core/ceremony_transcript.h"

/* What was verified; all of it owned. */
struct ceremony_verified {
	struct ceremony_plan *plan;
	struct ceremony_inputs inputs;
	struct ceremony_known *known; /* every certificate that was there, or was made; every key */
	struct ca_transcript transcript;
	struct buf *made; /* by step of the plan: DER of the certificate or list that it signed; empty: it signs none */
	bool anchored;    /* the closing hash was given, and is the transcript's */
};
#define CEREMONY_VERIFIED_INIT \
	((struct ceremony_verified){ .inputs = CEREMONY_INPUTS_INIT, .transcript = CA_TRANSCRIPT_INIT })
void ceremony_verified_clear(struct ceremony_verified *verified);
#define auto_ceremony_verified CLEANUP(ceremony_verified_clear) struct ceremony_verified

/* closing: the closing hash, 32 octets; or NULL: then the directory may be consistent, but whoever could write it could
 * have made it whole. verified is CEREMONY_VERIFIED_INIT before. ERR_INTEGRITY at the first thing that is wrong, naming
 * the line of the transcript (for a file: the line that states what it has to be), for that of a rehearsal as well;
 * ERR_NOT_FOUND where there is no such directory. */
int ceremony_verify(const char *directory, const uint8_t *closing, struct ceremony_verified *verified,
		    struct error *err);

/* A closing hash as people wrote it down: in groups, with blanks or hyphens, in capitals. ERR_USAGE. */
int ceremony_closing_parse(const char *text, uint8_t closing[32], struct error *err);

#endif
