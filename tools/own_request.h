/*
 * tools/own_request.h - a requester's own request, against what a server says of the order that was made of it.
 *
 * What is to be put into the DNS or onto a web server commits to a key. Somebody between (a front
 * that was taken over) could hand out the value for a key of his own, and have a stranger's order
 * shown. So values are computed here, from the request itself; a server that says another is lying.
 *
 * Thread-safety: every function works only on its arguments. Source: PKI.md section 3; ca-core/challenge.h.
 */
#ifndef CHANCERY_TOOLS_OWN_REQUEST_H
#define CHANCERY_TOOLS_OWN_REQUEST_H

#include <jansson.h>

#include "ca-core/name.h"

struct own_request {
	uint8_t spki_hash[32];
	struct ca_names names; /* of a request: its names, and a common name that is one; of a key none */
	bool has_names;
	const char *requester; /* who asks, or NULL where that is not known here: then the order's word is taken */
};
void own_request_free(struct own_request *own);
#define auto_own_request CLEANUP(own_request_free) struct own_request

/* From a signing request, PEM or DER. ERR_BAD_CSR and what else ca_csr_parse and ca_csr_verify refuse. */
int own_request_of_csr(struct bytes csr_text, struct own_request *own, struct error *err);
/* From a file: a request, or a key, PEM, private (perhaps encrypted) or public. ERR_NOT_FOUND, ERR_BAD_REQUEST. */
int own_request_read(const char *path, struct own_request *own, struct error *err);

/* Holds the server's order (its JSON) against the own request: key, requester, names, and each value that is to be
 * put somewhere, with its place. A way of showing a name that is not known here, so that nothing can be said of
 * it, is taken out of the order. ERR_INTEGRITY naming the member. */
int own_request_check(const struct own_request *own, json_t *order, struct error *err);

#endif
