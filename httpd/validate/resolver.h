/*
 * httpd/validate/resolver.h - asks the resolvers of a job's zone, or the machine's, for the records of a name.
 *
 * Of several resolvers the next one is asked where one does not answer, or fails. No search domains, no /etc/hosts,
 * no cache. UDP, and TCP where an answer is too long for it.
 *
 * Thread-safety: a struct job belongs to one thread.
 */
#ifndef CHANCERY_HTTPD_VALIDATE_RESOLVER_H
#define CHANCERY_HTTPD_VALIDATE_RESOLVER_H

#include "httpd/validate/dns_answer.h"
#include "httpd/validate/validate.h"

/* Once in a process, before threads start. */
int resolver_init(struct error *err);
void resolver_end(void);

/* Sets the job's resolvers: its zone's, or those of /etc/resolv.conf. None is left empty: each later question fails
 * with the reason. */
void resolver_choose(struct job *job);

/* Waits for the answer. Where the job's zone demands DNSSEC, it asks by libunbound, and an answer about the zone's own
 * names that is not secure is DNS_BOGUS. answer is DNS_ANSWER_INIT, or one of an earlier question. name: lower case, no
 * dot at its end. */
void resolver_ask(struct job *job, const char *name, enum dns_type type, struct dns_answer *answer);

#define RESOLVER_ADDRESSES_MAX 16
struct resolver_address {
	uint8_t octets[16];
	uint8_t len; /* 4 or 16 */
};
/* A, then AAAA. Returns how many; where there is none, `failed` says why: DNS_ANSWERED means that the name has no
 * address. */
size_t resolver_addresses(struct job *job, const char *name, struct resolver_address out[RESOLVER_ADDRESSES_MAX],
			  struct dns_answer *failed);

#endif
