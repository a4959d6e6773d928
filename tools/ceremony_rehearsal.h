/*
 * tools/ceremony_rehearsal.h - what a rehearsal fixed: serials, times, numbers, the bytes to be signed, and the public
 * keys of those that stood in for keys which the run makes.
 *
 * The file is JSON (RFC 8259), read strictly: every member there, none unknown, none twice.
 *
 * Thread-safety: every function works only on its arguments.
 */
#ifndef CHANCERY_TOOLS_CEREMONY_REHEARSAL_H
#define CHANCERY_TOOLS_CEREMONY_REHEARSAL_H

#include "ca-core/ceremony_draft.h"

struct ceremony_rehearsed {
	struct ceremony_fixed fixed;
	struct buf tbs;  /* empty where the step signs nothing */
	struct buf spki; /* of a key step: the stand-in's */
};
struct ceremony_rehearsal {
	uint8_t plan[32];
	struct ceremony_rehearsed *steps; /* owned; one for each step of the plan */
	size_t count;
};
#define CEREMONY_REHEARSAL_INIT ((struct ceremony_rehearsal){ .steps = NULL })
/* Empty entries for each step of the plan. ERR_INTERNAL. */
int ceremony_rehearsal_new(const struct ceremony_plan *plan, struct ceremony_rehearsal *rehearsal, struct error *err);
void ceremony_rehearsal_free(struct ceremony_rehearsal *rehearsal);
#define auto_ceremony_rehearsal CLEANUP(ceremony_rehearsal_free) struct ceremony_rehearsal

/* The file's text, appended. ERR_INTERNAL. */
int ceremony_rehearsal_write(const struct ceremony_plan *plan, const struct ceremony_rehearsal *rehearsal,
			     const struct ceremony_inputs *inputs, struct buf *out, struct error *err);
/* Reads it for this plan and these files of it. ERR_CONFLICT where it is the rehearsal of another plan, or a file was
 * another then; ERR_INTEGRITY where it is not what the function above writes. */
int ceremony_rehearsal_read(struct bytes text, const struct ceremony_plan *plan, const struct ceremony_inputs *inputs,
			    struct ceremony_rehearsal *rehearsal, struct error *err);

/* What the rehearsal knew: the plan's issuers, and the stand-ins' public keys. NULL with err. */
struct ceremony_known *ceremony_rehearsal_known(const struct ceremony_plan *plan, const struct ceremony_inputs *inputs,
						const struct ceremony_rehearsal *rehearsal, struct error *err);

#endif
