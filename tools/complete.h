/*
 * tools/complete.h - issuers that were added to the configuration of a CA that is there already.
 *
 * A new issuer is a section in chancery.conf, its token made with `chancery token init`; `chancery
 * init`, run again while the server is stopped, makes its key and certificate, as it made the
 * first ones. Thread-safety: one thread, in the state directory.
 */
#ifndef CHANCERY_TOOLS_COMPLETE_H
#define CHANCERY_TOOLS_COMPLETE_H

#include "tools/state.h"

/* True where an issuer with a token has no published certificate. */
bool complete_is_due(const struct ca_config *config);
/* Makes keys, certificates and first lists of all of those (ca_found), under the roots that are
 * there; reads the PINs of all tokens, the root's too, and goes on as the signer's user.
 * organization: "" for the root's own. ERR_CONFLICT while the server runs. */
int complete_issuers(const struct ca_config *config, const char *organization, struct error *err);

#endif
