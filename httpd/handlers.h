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
/* orders.c */
void orders_list(struct request *r);
void orders_get(struct request *r);
void orders_get_tbs(struct request *r);
void orders_submit(struct request *r);
void orders_copy(struct request *r);
void orders_cancel(struct request *r);
void orders_check(struct request *r);
void orders_confirm(struct request *r);
/* orders_write.c */
void orders_create(struct request *r);
void orders_change(struct request *r);
/* organizations.c */
void organizations_add(struct request *r);
void organizations_list(struct request *r);
void organizations_get(struct request *r);
void organizations_get_record(struct request *r);
/* decisions.c */
void orders_approve(struct request *r);
void orders_deny(struct request *r);
void organizations_vet(struct request *r);
void organizations_suspend(struct request *r);
/* explain.c */
void explain_get(struct request *r);
/* audit.c */
void audit_list(struct request *r);
/* meta.c */
void meta_index(struct request *r);
void meta_openapi(struct request *r);
void meta_problem(struct request *r);

#endif
