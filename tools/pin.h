/*
 * tools/pin.h - PINs that are to be set: drawn at random, kept in files, asked for.
 *
 * What a token takes is given as least and most, in octets (CK_TOKEN_INFO); most 0, or above
 * SECRET_MAX, is no limit.
 */
#ifndef CHANCERY_TOOLS_PIN_H
#define CHANCERY_TOOLS_PIN_H

#include <stdbool.h>

#include "base/secret.h"

struct pin_limits {
	unsigned long least, most;
};
#define PIN_ANY_LENGTH ((struct pin_limits){ 0, 0 })

/* A random PIN of lower-case hex digits: 32, or as near to that as the token takes. */
struct secret *pin_draw(struct pin_limits limits, struct error *err);

/* Writes the PIN and a line end to a new file, 0600, durably. ERR_CONFLICT where it is there already. */
int pin_write(const char *path, const struct secret *pin, struct error *err);

/* What the reference names: secret_get, or for shares:SHEET what its custodians type at the terminal (shares_get). */
struct secret *pin_get(const char *reference, const char *what, struct error *err);

/* The path in "file:PATH", or NULL for another reference. Borrowed. */
const char *pin_file(const char *reference);

/* Appends the reference with a relative path in it made absolute: for one from the command line, before the
 * working directory changes. */
int pin_reference_absolute(const char *reference, struct buf *out, struct error *err);

/* Appends the reference of the SO PIN of a token: the given one; else, as `chancery init` names them, a file beside the
 * PIN's, or a prompt where the PIN is asked for. ERR_USAGE where that says nothing, or both would be one file. */
int pin_so_reference(const char *given, const char *pin, struct buf *out, struct error *err);

/* The PIN that the reference names: of its file, which gets a random one where it is not there (*made), or
 * asked for twice at a prompt. what is as for secret_get. ERR_CONFIG for one that the token does not take. */
struct secret *pin_to_set(const char *reference, const char *what, struct pin_limits limits, bool *made,
			  struct error *err);

#endif
