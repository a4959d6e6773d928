/*
 * tools/token_request.h - a PKCS#10 request (RFC 2986) that a token's key signs.
 */
#ifndef CHANCERY_TOOLS_TOKEN_REQUEST_H
#define CHANCERY_TOOLS_TOKEN_REQUEST_H

#include "ca-core/name.h"
#include "hsm/provider.h"

/* Appends the request, DER: subject (a DER Name), the key's public half, the names (none, perhaps) as
 * subjectAltName; signed by hsm_sign. Errors as hsm_sign. */
int token_request_make(struct hsm_signer *signer, struct bytes subject, const struct ca_names *names, struct buf *out,
		       struct error *err);

/* Reads the request anew, as one from a stranger, and verifies it; its subject and as many names must be those given.
 * ERR_INTEGRITY. */
int token_request_check(struct bytes request, struct bytes subject, const struct ca_names *names, struct error *err);

#endif
