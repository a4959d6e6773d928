/*
 * tools/tbs_facts.h - what a TBSCertificate says, for the person who is to approve it: read here from the very bytes,
 * by our strict reader and by OpenSSL; nothing that a server says about them is believed.
 *
 * Thread-safety: every function works only on its arguments.
 */
#ifndef CHANCERY_TOOLS_TBS_FACTS_H
#define CHANCERY_TOOLS_TBS_FACTS_H

#include "tools/output.h"

#include "base/err.h"

/* {"sha256", "serial", "issuer", "subject", "names": ["dns:..."], "notBefore", "notAfter", "key", "spkiSha256",
 * "ca": bool, "policies": [oids], "purposes": [names], "extensions": [names]}; the caller's reference. NULL:
 * ERR_INTEGRITY where the bytes are no TBSCertificate, or hold names of a kind that is not issued here. */
json_t *tbs_facts(struct bytes tbs, struct error *err);

/* One fact a line, with words for what is known. */
void tbs_facts_text(const json_t *facts, struct buf *out);

/* The server's order is about these bytes: their hash, the names, the key. ERR_INTEGRITY. */
int tbs_facts_agree(const json_t *facts, const json_t *order, struct error *err);

#endif
