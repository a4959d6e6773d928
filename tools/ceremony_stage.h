/*
 * tools/ceremony_stage.h - where a rehearsal plays: a SoftHSM2 directory of its own with a token for each of the
 * plan's, of the same label, under a random PIN that is nowhere but in this process.
 *
 * Not in a process that has a PKCS#11 module open (hsm/admin.h). One thread at a time.
 */
#ifndef CHANCERY_TOOLS_CEREMONY_STAGE_H
#define CHANCERY_TOOLS_CEREMONY_STAGE_H

#include "base/secret.h"
#include "ca-core/ceremony_plan.h"

struct ceremony_stage;

/* Below $TMPDIR, else /tmp. NULL: ERR_NOT_FOUND where SoftHSM2 is not installed, ERR_IO, ERR_TOKEN_UNAVAILABLE. */
struct ceremony_stage *ceremony_stage_make(const struct ceremony_plan *plan, struct error *err);
const char *ceremony_stage_module(const struct ceremony_stage *stage);        /* borrowed */
const char *ceremony_stage_configuration(const struct ceremony_stage *stage); /* for SOFTHSM2_CONF; borrowed */
struct secret *ceremony_stage_pin(const struct ceremony_stage *stage, struct error *err); /* of every token; a copy */
/* Removes the directory with all that is in it. NULL is nothing. */
void ceremony_stage_remove(struct ceremony_stage *stage);

#endif
