/*
 * ca-core/ceremony_check.h - a plan held against everything that can be known without a token.
 *
 * Pure, but for the files of the plan. Thread-safety: every function works only on its arguments.
 */
#ifndef CHANCERY_CA_CEREMONY_CHECK_H
#define CHANCERY_CA_CEREMONY_CHECK_H

#include "ca-core/ceremony_draft.h"

struct ceremony_check_options {
	bool unattended_allowed; /* of `chancery init` alone */
	int64_t now_s;           /* a window that is over is refused; 0: the clock is not asked */
};

/* What the check found out; in the order of the plan's steps. */
struct ceremony_checked {
	struct ceremony_inputs inputs;
	struct ceremony_fixed *fixed;  /* as a rehearsal at the window's start would have them, but for the serials */
	struct ceremony_draft *drafts; /* with keys that stand in for those that are not made yet */
	size_t count;
};
void ceremony_checked_clear(struct ceremony_checked *checked);
#define auto_ceremony_checked CLEANUP(ceremony_checked_clear) struct ceremony_checked

/* Looks at the whole: window, people and attestations, tokens and keys, the order of the steps, inputs, serials, and
 * each tbs that will be signed (built with keys made in memory, linted as at both ends of the window). folder is where
 * the plan's files are. checked is zero before. ERR_CONFIG with the line of the first fault. */
int ceremony_check(const struct ceremony_plan *plan, const char *folder, const struct ceremony_check_options *options,
		   struct ceremony_checked *checked, struct error *err);

#endif
