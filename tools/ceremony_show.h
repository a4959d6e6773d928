/*
 * tools/ceremony_show.h - what people see at a ceremony: the bytes to be signed, decoded; 80 columns.
 *
 * Thread-safety: every function works only on its arguments.
 */
#ifndef CHANCERY_TOOLS_CEREMONY_SHOW_H
#define CHANCERY_TOOLS_CEREMONY_SHOW_H

#include "ca-core/ceremony_draft.h"

/* "  subject       CN=Example Root 1,..." - the value behind the label, broken at blanks and commas. Appended. */
void ceremony_show_fact(struct buf *out, const char *label, const char *value);
void ceremony_show_hash(struct buf *out, const char *label, const uint8_t hash[32]);

/* What a step will do, in words: of one that signs, its draft decoded field by field with every extension, read from the
 * bytes themselves; of others (draft NULL) what happens to which key. Appended; LF at each end of line.
 * ERR_INTEGRITY where the bytes cannot be read. */
int ceremony_show_step(const struct ceremony_step *step, const struct ceremony_draft *draft, struct buf *out,
		       struct error *err);

/* The public keys and identifiers that differ from the rehearsed ones: which, and what they are now. Appended. */
void ceremony_show_match(const struct ceremony_match *match, struct buf *out);

#endif
