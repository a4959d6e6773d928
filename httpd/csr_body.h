/*
 * httpd/csr_body.h - a signing request that came with a request: syntax, how the key was made,
 * proof of possession. What the signer gets of it is typed; the request itself stays here.
 */
#ifndef CHANCERY_HTTPD_CSR_BODY_H
#define CHANCERY_HTTPD_CSR_BODY_H

#include "ca-core/csr.h"
#include "ca-core/message_order.h"
#include "httpd/request.h"

/* text: r's body, or a part of it. The caller frees what is returned. Where it is refused the body is wiped at once,
 * for it may be a private key; others are with the request. NULL with a code of ca_csr_parse,
 * ca_key_check_made_well or ca_csr_verify. */
struct ca_csr *csr_body_read(struct request *r, struct bytes text, struct error *err);

/* What the signer is told of a request under one profile. */
struct csr_told;

/* Borrows from csr. ERR_BAD_NAME, ERR_TOO_MANY_NAMES as ca_csr_names has them. The caller frees it. */
struct csr_told *csr_tell(const struct ca_csr *csr, const struct ca_profile *profile, struct error *err);
const struct ca_names *csr_told_names(const struct csr_told *told);
/* Fills the members that are the request's, from common_name on; they borrow from told. */
void csr_told_issue(const struct csr_told *told, struct message_issue *question);
void csr_told_order(const struct csr_told *told, struct message_order_create *question);
void csr_told_free(struct csr_told *told);

CLEANUP_POINTER(csr_told, struct csr_told, csr_told_free)
#define auto_csr_told CLEANUP(csr_told_cleanup) struct csr_told

#endif
