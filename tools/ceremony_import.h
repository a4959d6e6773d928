/*
 * tools/ceremony_import.h - what a ceremony left in its directory, brought into a CA.
 *
 *     DIR/out/NAME.pem     a certificate that it signed
 *     DIR/out/NAME.crl     a revocation list that it signed, DER or PEM
 *     DIR/inputs/NAME.pem  certificates of issuers that it began with: only roots are of use here
 *     DIR/plan.conf        its plan: the title, and the names of those issuers; without it their files' names count
 *
 * Nothing here looks whether the directory is what the ceremony left: that is to be done before. What the CA takes it
 * looks at itself: ca-core/import.h.
 */
#ifndef CHANCERY_TOOLS_CEREMONY_IMPORT_H
#define CHANCERY_TOOLS_CEREMONY_IMPORT_H

#include "ca-core/message.h"
#include "tools/cmd.h"

struct ceremony_output {
	char title[129];
	uint8_t closing[32]; /* closing hash of the transcript, where it is known */
	bool has_closing;
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

/* Reads the directory, in the order of the files' names. NULL: ERR_NOT_FOUND, ERR_BAD_REQUEST (a file that is not what
 * its name says), ERR_CONFIG (the plan). */
struct ceremony_output *ceremony_output_read(const char *directory, struct error *err);
/* The same as a message; m borrows from output. */
void ceremony_output_message(const struct ceremony_output *output, struct message_import *m);

/* Hands it to the running server, and has the state's trust/root.pem trust the roots among it. answer owns what
 * imported borrows. */
int ceremony_import_send(const struct common_options *common, const struct ceremony_output *output,
			 struct message_imported *imported, struct buf *answer, struct error *err);
/* Adds the roots of what came in to this file of PEM, behind those that are there. */
int ceremony_import_trust(const char *path, const struct ceremony_output *output,
			  const struct message_imported *imported, struct error *err);
/* A row for each file: what it is, of which issuer, and why it was left. */
void ceremony_import_say(const struct invocation *in, const struct ceremony_output *output,
			 const struct message_imported *imported);

#endif
