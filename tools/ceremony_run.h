/*
 * tools/ceremony_run.h - a rehearsal, or a run, from the plan's file to the closed transcript.
 *
 * One thread at a time; not in a process that has a PKCS#11 module open.
 */
#ifndef CHANCERY_TOOLS_CEREMONY_RUN_H
#define CHANCERY_TOOLS_CEREMONY_RUN_H

#include "base/clock.h"
#include "base/secret.h"
#include "tools/options.h"

struct ceremony_token;

struct ceremony_run_options {
	const char *plan;                 /* the plan's file; what it names lies beside it */
	const char *rehearsal;            /* folder of a rehearsal; NULL: this is one */
	const char *out;                  /* folder of this */
	bool resume;                      /* out is that of a run that was interrupted */
	bool unattended_allowed;          /* of `chancery init` alone: a plan may say attended = false */
	const struct option_list *attest; /* "NAME=KEY"; may be NULL */
	struct clock clock;
	/* PINs that are known already: given, the plan's `pin` is not asked. NULL with err. May be NULL. */
	struct secret *(*pin)(void *argument, const struct ceremony_token *token, struct error *err);
	void *argument;
};

/* Does it. closing gets the closing hash. What is refused leaves the folder as it was, or such that the run can be
 * resumed; the message says which. Errors as ceremony_check, ceremony_keys_open, ceremony_look_ahead,
 * ceremony_do_steps and ceremony_close. */
int ceremony_run(const struct ceremony_run_options *options, uint8_t closing[32], struct error *err);

#endif
