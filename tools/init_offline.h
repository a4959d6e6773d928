/*
 * tools/init_offline.h - `chancery init --offline-root DIR`: a CA whose root's key was never on this machine.
 *
 * In two steps, with a ceremony between them, of the same command: first the issuing key is made in its token, and its
 * request written to STATE/NAME.csr; when DIR, the directory of a ceremony, has the root and a certificate for that
 * key, these come in, and the rest is made as ever. Where DIR has both already the first step is the second.
 */
#ifndef CHANCERY_TOOLS_INIT_OFFLINE_H
#define CHANCERY_TOOLS_INIT_OFFLINE_H

#include "ca-core/ca.h"
#include "tools/options.h"

/* The directory of a ceremony, verified as by `chancery ceremony verify` before anything of it is used. */
struct offline_ceremony {
	const char *directory;  /* NULL: none */
	const uint8_t *closing; /* its closing hash, 32 octets, where it was given, or NULL */
};
/* Whether it has an output already: a ceremony that is still to come has none. */
bool init_offline_has_output(const struct offline_ceremony *ceremony);

/* The name of the root in DIR (NULL: there is none yet), for the configuration: that of the first self-signed
 * certificate that the ceremony made, else "root-1". Errors of ceremony_output_read. */
int init_offline_name(const struct offline_ceremony *ceremony, char name[65], struct error *err);

/* True where no root of the configuration has its key here. */
bool init_offline_is(const struct ca_config *config);

/* Brings what a ceremony's directory holds into the CA, by the import of a running server; closing: its closing hash,
 * 32 octets, or NULL: then it is not anchored. Errors as ceremony_output_read's and ca_import's. */
int init_bring_in(struct ca *ca, const char *directory, const uint8_t *closing, struct error *err);

/* Brings in what the ceremony made (where it has an output), makes the keys that wait for a certificate, and writes
 * their requests to NAME.csr in the state directory, which is the working directory. 1: every issuer that signs here has
 * its certificate; 0: some wait; -1. Errors as ceremony_output_read's and
 * ca_import's. */
int init_offline_found(const struct ca_options *options, const struct offline_ceremony *ceremony,
		       const char *organization, struct error *err);

/* What to do while some wait. */
void init_offline_say(const struct invocation *in, const struct ca_config *config);

#endif
