/*
 * tools/ceremony_pin.h - where the PIN of a ceremony's token comes from: the plan says which way, never the PIN.
 */
#ifndef CHANCERY_TOOLS_CEREMONY_PIN_H
#define CHANCERY_TOOLS_CEREMONY_PIN_H

#include "base/secret.h"
#include "ca-core/ceremony_plan.h"

/* Asks for it, or reads it. NULL: errors as secret_get. */
struct secret *ceremony_pin(const struct ceremony_token *token, struct error *err);
/* "prompt", "fd" or "shares": for the transcript. */
const char *ceremony_pin_name(const struct ceremony_token *token);

#endif
