/*
 * tests/unit/ca-core/ceremony_fixture.h - a plan with every kind of step, and the files that it names, in the test's
 * folder: root-0.pem (a root of before), issuing-1.csr, responder.csr, grace.pem.
 */
#ifndef CHANCERY_TESTS_CEREMONY_FIXTURE_H
#define CHANCERY_TESTS_CEREMONY_FIXTURE_H

#include <openssl/evp.h>

#include "ca-core/ceremony_check.h"
#include "tests/unit/unit.h"

#define CEREMONY_FROM_S ((int64_t)1796115600) /* 2026-12-01T09:00:00Z, the window's start */

/* What the root of before is like; NULLs: a root as ours. */
struct ceremony_old {
	const char *constraints; /* basicConstraints; NULL: "critical,CA:TRUE" */
	const char *names;       /* nameConstraints, or NULL */
	int64_t not_after_s;     /* 0: in 2040 */
};

/* Makes the files. */
void ceremony_make_files(const struct ceremony_old *old);
/* The plan's text with each @FILE@ replaced by the SHA-256 of it, and the first `from` by `to` (NULL: none). line (may
 * be NULL) gets the line on which `from` stands. */
void ceremony_text(const char *from, const char *to, struct buf *out, int *line);
/* That text, read; path "plan". NULL with err. */
struct ceremony_plan *ceremony_changed(const char *from, const char *to, struct error *err);
/* The plan as it is, read; ends the test where it cannot be. */
struct ceremony_plan *ceremony_good(void);
/* Checks the changed plan in the test's folder. */
int ceremony_check_changed(const char *from, const char *to, struct error *err);
/* The public half of a fresh key: "P-256", "ED25519". */
void ceremony_spki(const char *type, struct buf *out);
/* Writes a CSR of a fresh key (PEM) into the test's folder; CA:TRUE is asked for where ca. RSA where bits. */
void ceremony_make_csr(const char *file, unsigned bits, bool ca);

#endif
