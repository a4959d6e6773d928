/*
 * httpd/validate/dnssec.h - answers that validate, by libunbound, for zones that demand DNSSEC. Private to
 * httpd/validate.
 *
 * The job's resolvers are asked as forwarders; trust anchors come from the zone's file, or the machine's for the root.
 * A context belongs to one job, so that nothing is remembered from one check to the next.
 *
 * Source: RFC 4033 to 4035.
 */
#ifndef CHANCERY_HTTPD_VALIDATE_DNSSEC_H
#define CHANCERY_HTTPD_VALIDATE_DNSSEC_H

#include "httpd/validate/dns_answer.h"
#include "httpd/validate/validate.h"

/* As resolver_ask. Names of the zone must be secure; for others (above it, or where a redirect leads) it is enough that
 * the answer is not bogus. */
void dnssec_ask(struct job *job, const char *name, enum dns_type type, struct dns_answer *answer);

void dnssec_free(struct dnssec *dnssec); /* NULL does nothing */

#endif
