/*
 * httpd/csr_body.h - a request's body read as a signing request: syntax, how the key was made,
 * proof of possession. What the signer gets of it is typed; the request itself stays here.
 */
#ifndef CHANCERY_HTTPD_CSR_BODY_H
#define CHANCERY_HTTPD_CSR_BODY_H

#include "ca-core/csr.h"
#include "httpd/request.h"

/* The caller frees it. A body that is refused is wiped at once, for it may be a private key; others
 * are with the request. NULL with a code of ca_csr_parse, ca_key_check_made_well or ca_csr_verify. */
struct ca_csr *csr_body_read(struct request *r, struct error *err);

/* The question about these names and this key, for the session of r. The names are printed into
 * texts, and question borrows from it, from csr and from common_name. ERR_TOO_MANY_NAMES. */
int csr_body_question(const struct request *r, const struct ca_csr *csr, const struct ca_names *names,
		      const char *common_name, struct message_issue *question, struct buf *texts, struct error *err);

#endif
