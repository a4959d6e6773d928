/*
 * tools/init_plan.h - the plan of the ceremony that nobody attends: what `chancery init` has a root and its issuers
 * made by, as a configuration wants them.
 *
 * Thread-safety: the function works only on its arguments.
 */
#ifndef CHANCERY_TOOLS_INIT_PLAN_H
#define CHANCERY_TOOLS_INIT_PLAN_H

#include "ca-core/config.h"

/* An issuer of the root, whose key asks for its certificate. */
struct init_request {
	const struct ca_config_issuer *issuer;
	char file[80];   /* beside the plan: "issuing-1.csr" */
	char sha256[65]; /* of the file, in hexadecimal */
};

struct init_plan {
	const struct ca_config *config;
	const struct ca_config_issuer *root;
	const char *key;          /* URI of the root's key, with its token */
	const char *organization; /* "" for none */
	int64_t from_s, to_s;     /* the window, inclusive */
	struct init_request requests[CA_CONFIG_ISSUERS_MAX];
	size_t request_count;
};

/* Appends the commented plan: the root's key, its certificate, one for each request, the root's first list. ERR_CONFIG
 * where the configuration has no profile for one of them; ERR_INTERNAL. */
int init_plan_write(const struct init_plan *plan, struct buf *out, struct error *err);

#endif
