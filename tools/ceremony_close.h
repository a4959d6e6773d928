/*
 * tools/ceremony_close.h - the end of a ceremony: its people attest the transcript, a key of it signs, it is closed.
 *
 * One thread at a time.
 */
#ifndef CHANCERY_TOOLS_CEREMONY_CLOSE_H
#define CHANCERY_TOOLS_CEREMONY_CLOSE_H

#include "tools/ceremony_engine.h"
#include "tools/options.h"

/* What everybody who attests says, as the statement's reason. */
#define CEREMONY_ATTEST_REASON "I was there, and the transcript says what I saw"

/* From behind the last step to the closed line, and the files that are made of the transcript: goes on where an
 * interrupted run ended. keys: "NAME=KEY" for people whose key is known beforehand, a file or a PKCS#11 URI
 * (tools/credential.h); the others are asked at the terminal. The ceremony's tokens are closed meanwhile: people may
 * have theirs in the same module. ERR_USAGE for a name that is not the plan's; ERR_CONFLICT where too few attest. */
int ceremony_close(struct ceremony *c, const struct option_list *keys, struct error *err);

/* The files in attestations/ that a line `attested` comes to: "attestations/3.statement", ".signature", ".pem", where 3
 * is the line's number. form 0, 1, 2; name has 64 octets, content is appended. ERR_INTEGRITY for a line that is none. */
#define CEREMONY_ATTESTED_FORMS 3
int ceremony_attested_file(const struct ca_transcript_line *line, size_t form, char name[64], struct buf *content,
			   struct error *err);

/* "operator, witness": the roles of a person. Appended. */
void ceremony_roles_text(const struct ceremony_person *person, struct buf *out);

#endif
