/*
 * httpd/validate/dns_method.h - what dns-txt and dns-cname have in common: at the name, then where parents will do
 * above it, one record that is the expected one. Private to httpd/validate.
 */
#ifndef CHANCERY_HTTPD_VALIDATE_DNS_METHOD_H
#define CHANCERY_HTTPD_VALIDATE_DNS_METHOD_H

#include "ca-core/challenge.h"
#include "httpd/validate/resolver.h"

struct dns_method {
	enum dns_type type;
	const char *expected; /* what is looked for, as people write it */
	/* Where to look for a name ("dns:NAME"). */
	void (*where)(const struct dns_method *method, struct bytes name, char out[CA_CHALLENGE_NAME_SIZE]);
	bool (*is_expected)(struct bytes record, const char *expected);
	bool alone; /* no other record may stand beside it */
	const char *value;
};

void dns_method_try(struct job *job, const struct message_validate *ask, const struct dns_method *method,
		    struct attempt *attempt);

#endif
