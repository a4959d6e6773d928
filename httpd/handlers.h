/*
 * httpd/handlers.h - every handler of the router's table, one file a protocol. Each runs as
 * httpd/request.h says.
 */
#ifndef CHANCERY_HTTPD_HANDLERS_H
#define CHANCERY_HTTPD_HANDLERS_H

#include "httpd/request.h"

/* published.c */
void published_get(struct request *r);
/* health.c */
void health_live(struct request *r);
void health_ready(struct request *r);
void metrics_get(struct request *r);
/* certificates.c */
void certificates_issue(struct request *r);
/* inventory.c */
void inventory_list(struct request *r);
void inventory_get(struct request *r);
void inventory_get_pem(struct request *r);
void inventory_get_der(struct request *r);
void inventory_get_chain(struct request *r);
/* revoke.c */
void revoke_post(struct request *r);
/* csr_decode.c */
void csr_decode_post(struct request *r);
/* audit.c */
void audit_list(struct request *r);
/* meta.c */
void meta_index(struct request *r);
void meta_openapi(struct request *r);
void meta_problem(struct request *r);

#endif
