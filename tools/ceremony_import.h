/*
 * tools/ceremony_import.h - what a ceremony left in its directory, brought into a CA.
 *
 * The directory is verified first, as `chancery ceremony verify` does (tools/ceremony_verify.h), and what comes in are
 * the very octets that were verified: the certificates and revocation lists that the steps of the plan signed, and the
 * certificates of the issuers that the plan began with. A rehearsal, a run that is not at its end, a directory with a
 * changed octet: nothing of it comes in. What the CA takes it looks at itself: ca-core/import.h.
 */
#ifndef CHANCERY_TOOLS_CEREMONY_IMPORT_H
#define CHANCERY_TOOLS_CEREMONY_IMPORT_H

#include "ca-core/message.h"
#include "tools/cmd.h"

struct ceremony_output {
	char title[129];
	uint8_t closing[32]; /* closing hash of the transcript */
	bool anchored;       /* it was given, and is the same */
	size_t count;
	struct {
		uint8_t kind; /* enum message_import_kind */
		char name[65];
		char file[80]; /* below the directory, for people */
		struct buf der;
	} items[MESSAGE_IMPORTS_MAX];
};
void ceremony_output_free(struct ceremony_output *output);
CLEANUP_POINTER(ceremony_output, struct ceremony_output, ceremony_output_free)
#define auto_ceremony_output CLEANUP(ceremony_output_cleanup) struct ceremony_output

/* Verifies the directory and takes from it, in the order of the plan. closing as for ceremony_verify. NULL: the errors of
 * that; ERR_BAD_REQUEST where it is more than one import takes. */
struct ceremony_output *ceremony_output_read(const char *directory, const uint8_t *closing, struct error *err);
/* The same as a message; m borrows from output. */
void ceremony_output_message(const struct ceremony_output *output, struct message_import *m);

/* Hands it to the running server, and has the state's trust/root.pem trust the roots among it. answer owns what
 * imported borrows. */
int ceremony_import_send(const struct common_options *common, const struct ceremony_output *output,
			 struct message_imported *imported, struct buf *answer, struct error *err);
/* Adds the roots of what came in to this file of PEM, behind those that are there. */
int ceremony_import_trust(const char *path, const struct ceremony_output *output,
			  const struct message_imported *imported, struct error *err);
/* A row for each file: what it is, of which issuer, and why it was left; and whether it is anchored. */
void ceremony_import_say(const struct invocation *in, const struct ceremony_output *output,
			 const struct message_imported *imported);

#endif
