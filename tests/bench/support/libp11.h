/*
 * tests/bench/support/libp11.h - the same keys through libp11 (PKCS11_get_private_key), in a
 * process of its own: libp11 finalizes the module under everyone else's feet.
 *
 * The token must hold no Ed25519 key: with one, libp11 finds none of the token's keys.
 */
#ifndef CHANCERY_TESTS_BENCH_SUPPORT_LIBP11_H
#define CHANCERY_TESTS_BENCH_SUPPORT_LIBP11_H

#include "base/bytes.h"
#include "base/secret.h"
#include "tests/bench/support/crew.h"

struct libp11_child;

/* What it signs with, copied by the fork. */
struct libp11_options {
	const char *module, *token; /* path, label */
	const struct secret *pin;
	struct bytes message; /* signed by EVP_DigestSign with SHA-256, or SHA-384 by a key of P-384 */
};

/* Forks: before this process has threads or a module. The child opens the token at its first
 * slice, so the keys may be made until then. NULL: ERR_IO. */
struct libp11_child *libp11_start(const struct libp11_options *options, struct error *err);
/* Waits until the child has closed the token. */
void libp11_stop(struct libp11_child *c);

/* A slice (tests/bench/support/crew.h) of the key with this label (at most 31 characters). */
int libp11_run(struct libp11_child *c, const char *label, size_t threads, double seconds, struct crew_slice *out,
	       struct error *err);

#endif
