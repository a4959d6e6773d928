/*
 * ca-core/ceremony_check_private.h - shared by ceremony_check*.c alone. All return 0, or -1 with ERR_CONFIG and the line.
 */
#ifndef CHANCERY_CA_CEREMONY_CHECK_PRIVATE_H
#define CHANCERY_CA_CEREMONY_CHECK_PRIVATE_H

#include "ca-core/ceremony_check.h"

/* A step uses only what stands before it. */
int check_order(const struct ceremony_plan *plan, struct error *err);
/* Keys: made once, used once, not used any more once they are destroyed; backups in another token. */
int check_uses(const struct ceremony_plan *plan, struct error *err);
/* The certificates that people attest with: each its own, of a key that can, valid on the day. */
int check_certificates_of_people(const struct ceremony_plan *plan, const struct ceremony_inputs *inputs,
				 struct error *err);

#endif
