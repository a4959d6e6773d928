/*
 * tools/ceremony_engine.h - the steps of a ceremony, one after the other; of a rehearsal and of a run alike.
 *
 * Before a key is made, used or destroyed, the intent is in the transcript, on disk; behind it the result. Where the
 * transcript has the result of a step already, the step is not done again, but taken from there and looked at; where it
 * has the intent alone, the step was interrupted: what it may have left is looked for before it is done again, from the
 * same bytes.
 *
 * One thread at a time.
 */
#ifndef CHANCERY_TOOLS_CEREMONY_ENGINE_H
#define CHANCERY_TOOLS_CEREMONY_ENGINE_H

#include "tools/ceremony_folder.h"
#include "tools/ceremony_keys.h"
#include "tools/ceremony_rehearsal.h"
#include "tools/ceremony_terminal.h"

struct ceremony {
	const struct ceremony_plan *plan;
	const struct ceremony_inputs *inputs;
	struct ceremony_known *known;
	bool rehearsing;
	struct ceremony_rehearsal rehearsal; /* read by a run; filled by a rehearsal */
	struct ceremony_known *rehearsed;    /* of a run: what the rehearsal knew */
	struct ceremony_folder folder;
	struct ceremony_keys *keys;
	struct ceremony_terminal terminal; /* closed where nobody attends */
	const char *operator;              /* who confirms; "" where nobody does */
	struct clock clock;
	int64_t rehearsal_now_s; /* what "now" is in a rehearsal */
};
void ceremony_clear(struct ceremony *c);
#define CEREMONY_INIT                                                                             \
	((struct ceremony){ .rehearsal = CEREMONY_REHEARSAL_INIT, .folder = CEREMONY_FOLDER_INIT, \
			    .terminal = CEREMONY_TERMINAL_INIT, .operator = "" })
#define auto_ceremony CLEANUP(ceremony_clear) struct ceremony

/* Before anything is recorded: every key that has to be there is, and is the one whose certificate the plan names; every
 * label under which a key will be made is free. In a rehearsal makes the stand-ins. ERR_CONFLICT, ERR_NOT_FOUND,
 * ERR_INTEGRITY for another key. */
int ceremony_look_ahead(struct ceremony *c, struct error *err);

/* All steps, from the first that has no result in the transcript. ERR_CONFLICT outside the window, and where the operator
 * does not confirm; ERR_INTEGRITY where a tbs is not what was rehearsed, or what was made does not stand a check. What
 * was done is in the transcript; the run can be resumed after any error. */
int ceremony_do_steps(struct ceremony *c, struct error *err);

#endif
