/*
 * base/secret.h - PINs and keys by reference, never by value.
 *
 * A reference is a text that may stand in a configuration:
 *     file:PATH          a file of mode 0600 or 0400, owned by root or who runs us; first line
 *     credential:NAME    a file of that name below $CREDENTIALS_DIRECTORY (systemd.exec(5))
 *     fd:N               an inherited descriptor, read once to its end
 *     prompt             asked on the terminal (/dev/tty), without echo
 *     shares:SHEET       of a token's PIN alone: typed by the custodians of its shares (tools/shares_collect.h)
 * PIN values themselves are refused wherever a reference is expected.
 *
 * The secret lives in memory that is locked (where the limit allows), left out of
 * core dumps, and overwritten when freed.
 */
#ifndef CHANCERY_BASE_SECRET_H
#define CHANCERY_BASE_SECRET_H

#include "base/bytes.h"
#include "base/err.h"

struct secret; /* opaque; at most SECRET_MAX bytes */

#define SECRET_MAX 4096

/* Copies. NULL: ERR_INTERNAL without memory, ERR_TOO_LARGE past SECRET_MAX. */
struct secret *secret_new(struct bytes value, struct error *err);

/* Fetches what the reference names; what (e.g. "PIN of token issuing") is for the
 * prompt and messages. ERR_CONFIG for a text that is no reference or a file that
 * others can read, ERR_NOT_FOUND, ERR_IO. Trailing CR and LF are removed. */
struct secret *secret_get(const char *reference, const char *what, struct error *err);

/* A random printable secret of `octets` random bytes as lower-case hex. */
struct secret *secret_random(size_t octets, struct error *err);

/* Borrowed: valid until secret_free. Not NUL-terminated for callers' purposes,
 * though a NUL follows in memory. */
struct bytes secret_bytes(const struct secret *s);

void secret_free(struct secret *s);

/* A sealed memfd (F_SEAL_WRITE|GROW|SHRINK|SEAL) holding the secret, close-on-exec,
 * for a child; the caller closes it. -1 with ERR_IO. */
int secret_to_memfd(const struct secret *s, struct error *err);

/* One line from this terminal, asked for with what and ": ", without echo; without its line end, and empty where
 * nothing was typed, or the terminal is gone. ERR_IO: no terminal, or interrupted (Ctrl-C). */
struct secret *secret_ask(int terminal, const char *what, struct error *err);

/* True where the text has the form of a reference that secret_get takes. */
bool secret_is_reference(const char *text);

/* The path of the sheet in "shares:SHEET", or NULL for another text. Borrowed. */
const char *secret_shares_sheet(const char *text);

/* True for a reference, and for shares:SHEET. */
bool secret_is_pin_reference(const char *text);

CLEANUP_POINTER(secret, struct secret, secret_free)
#define auto_secret CLEANUP(secret_cleanup) struct secret /* auto_secret *pin = NULL; */

#endif
