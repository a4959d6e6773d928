/*
 * httpd/validate/validate.h - the checks of one name: what one job of the validator needs, and the methods.
 *
 * A job runs on one thread from its beginning to its end, and waits for nothing without a deadline.
 *
 *   validate.c   the methods one after the other until one shows the name, then CAA
 *   dns_txt.c, dns_cname.c, http.c   a method each
 *   caa_lookup.c  climbs; caa.c decides
 *   resolver.c   asks resolvers by c-ares; dnssec.c by libunbound where the zone demands DNSSEC
 *   dns_answer.c reads what they answer
 *   guard.c      where http may connect to
 *
 * Thread-safety: a struct job belongs to one thread.
 */
#ifndef CHANCERY_HTTPD_VALIDATE_VALIDATE_H
#define CHANCERY_HTTPD_VALIDATE_VALIDATE_H

#include <stdatomic.h>

#include "base/clock.h"
#include "ca-core/config.h"
#include "ca-core/message_order.h"

#define VALIDATE_JOB_MS 30000    /* one job, all in all */
#define VALIDATE_TEXT_MAX 512    /* of one attempt: it becomes a record's error (RECORD_ERROR_MAX) */
#define VALIDATE_RESOLVERS_MAX 8 /* asked one after the other */
#define VALIDATE_STOP_MS 500     /* how long a job may take to see that the validator stops */

struct dnssec;

struct job {
	const struct ca_config *config;
	const struct ca_config_zone *zone; /* the name's; NULL: none, the defaults */
	struct clock clock;
	int64_t deadline_ms;          /* CLOCK_MONOTONIC */
	const _Atomic bool *stopping; /* everything ends as if the deadline had come */
	size_t resolver_count;
	char resolvers[VALIDATE_RESOLVERS_MAX][64]; /* "127.0.0.1:53", "[::1]:53" */
	struct dnssec *dnssec;                      /* made when first needed; NULL: not yet */
};

/* How one method went: becomes a struct message_attempt. */
struct attempt {
	const char *code; /* static; "ok" where the name was shown */
	struct buf text;
};

/* Milliseconds that are left of the job, or of `most` where that is less; 0: it is over, or the validator stops. */
int64_t job_left_ms(const struct job *job, int64_t most);

/* Does what the message asks for; its answer goes to `answer`, an encoded message_validated. */
void validate_run(const struct ca_config *config, struct clock clock, const _Atomic bool *stopping,
		  const struct message_validate *ask, struct buf *answer);
/* The answer where nothing was looked at: each method asked for is "broken", CAA cannot be known, and why. */
void validate_refuse(const struct message_validate *ask, const char *why, struct buf *answer);

/* ---- the methods; name as in the message; each sets code and text ---- */
void dns_txt_try(struct job *job, const struct message_validate *ask, struct attempt *attempt);
void dns_cname_try(struct job *job, const struct message_validate *ask, struct attempt *attempt);
void http_try(struct job *job, const struct message_validate *ask, struct attempt *attempt);

/* The names at which the dns methods may look: the name itself without its wildcard, then where parents will do those
 * above it that are no public suffix. Calls `look` for each, with "dns:NAME", until that returns true. */
void validate_each_name(const struct message_validate *ask, bool (*look)(void *arg, struct bytes name), void *arg);

/* CAA for the name; sets caa, caa_methods of out, and the text. */
void caa_look_up(struct job *job, const struct ca_name *name, const struct message_validate *ask,
		 struct message_validated *out, struct buf *text);

#endif
