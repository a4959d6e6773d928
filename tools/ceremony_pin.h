/*
 * tools/ceremony_pin.h - where the PIN of a ceremony's token comes from: the plan says which way, never the PIN.
 *
 * A PIN in shares has its public sheet among the plan's files: so it is agreed, rehearsed and recorded like every other.
 * One thread at a time, for the terminal is one.
 */
#ifndef CHANCERY_TOOLS_CEREMONY_PIN_H
#define CHANCERY_TOOLS_CEREMONY_PIN_H

#include "ca-core/ceremony_plan.h"
#include "tools/shares_sheet.h"

/* The sheet of a token whose PIN is in shares. ERR_CONFIG with the line of the plan: it is none, or that of another token
 * or of an SO PIN. */
int ceremony_pin_sheet(const struct ceremony_plan *plan, const struct ceremony_inputs *inputs,
		       const struct ceremony_token *token, struct shares_sheet *sheet, struct error *err);
/* The same of every token of the plan that has one. */
int ceremony_pin_check(const struct ceremony_plan *plan, const struct ceremony_inputs *inputs, struct error *err);

/* Asks for it, or reads it; or has the custodians type their shares, where each that is wrong is named before any PIN is
 * tried. NULL: errors as secret_get; as ceremony_pin_sheet and shares_collect. */
struct secret *ceremony_pin(const struct ceremony_plan *plan, const struct ceremony_inputs *inputs,
			    const struct ceremony_token *token, struct error *err);
/* "prompt", "fd" or "shares": for the transcript. */
const char *ceremony_pin_name(const struct ceremony_token *token);

#endif
