/*
 * httpd/validate/dns_answer.h - what a resolver answered: its records, and how to show them to people.
 *
 * Pure. Every byte is a stranger's.
 * Thread-safety: every function works only on its arguments.
 * Source: RFC 1035 section 4; RFC 1034 section 4.3.2 (aliases), RFC 2308 section 2.2 (what an answer without a record
 * says), RFC 8659 sections 3 and 4.
 */
#ifndef CHANCERY_HTTPD_VALIDATE_DNS_ANSWER_H
#define CHANCERY_HTTPD_VALIDATE_DNS_ANSWER_H

#include "base/bytes.h"

enum dns_type { DNS_A = 1, DNS_CNAME = 5, DNS_TXT = 16, DNS_AAAA = 28, DNS_CAA = 257 };
const char *dns_type_name(enum dns_type type);

enum dns_outcome {
	DNS_ANSWERED, /* records may be there or, definitely, not */
	DNS_NXDOMAIN, /* there is no such name */
	DNS_TIMEOUT,
	DNS_REFUSED,  /* by the resolver, or nobody listens there */
	DNS_SERVFAIL, /* every other failure of the resolver, and answers that are none */
	DNS_BOGUS,    /* DNSSEC is demanded, and the answer does not validate */
	DNS_BROKEN,   /* we could not ask: the message says why */
};
/* The code of struct message_attempt for a failure: "nxdomain", "timeout", ... */
const char *dns_outcome_code(enum dns_outcome outcome);

#define DNS_NAME_SIZE 1025 /* a name as text: each octet may become "\ddd" */
#define DNS_RECORDS_MAX 100
#define DNS_ALIASES_MAX 16 /* one after the other */

struct dns_answer {
	enum dns_outcome outcome;
	uint32_t ttl; /* the least of the records' */
	/* Borrowed from `data`: rdata of A, AAAA, TXT, CAA as it is; of CNAME the name as text without a dot at its end. */
	size_t count;
	struct bytes records[DNS_RECORDS_MAX];
	char alias[DNS_NAME_SIZE]; /* where aliases led; "" where there were none */
	bool unfinished;  /* with DNS_SERVFAIL: all that it lacks is what `alias` has, which can be asked for */
	char source[128]; /* "from 127.0.0.1:53"; "from ..., secure by DNSSEC" */
	char why[384];    /* of a failure, with where: "SERVFAIL from 127.0.0.1:53" */
	struct buf data;
};
#define DNS_ANSWER_INIT ((struct dns_answer){ .data = BUF_INIT })
void dns_answer_free(struct dns_answer *answer);
#define auto_dns_answer CLEANUP(dns_answer_free) struct dns_answer

/* Whether the name is that of the zone, or one below it; whatever case; "" is the root. */
bool dns_is_within(const char *name, const char *zone);

/* Reads a whole message that answers a question for `name` (lower case, no dot at its end) and `type`: follows the
 * aliases in it, takes the records at their end. Fills outcome, and of the rest what goes with it (not source). A
 * message that cannot be one, or says what is not asked, is DNS_SERVFAIL, and `why` says so; likewise one that does not
 * come to an end: aliases in a circle, too many of them, one that nothing is said about, a referral. For what is not
 * known to be absent may be there, and forbid. */
void dns_answer_read(struct bytes message, const char *name, enum dns_type type, struct dns_answer *answer);

/* A character string for people: "abc" in quotes, what is not printable ASCII as \ddd, cut where it is long. */
void dns_print_string(struct bytes string, struct buf *out);
/* The records for people, separated by commas, "and N more" past the third; "nothing" where there are none. */
void dns_print_records(const struct dns_answer *answer, enum dns_type type, struct buf *out);
/* The character strings of a TXT record one after the other. Returns how many; 0 where it is none. */
size_t dns_txt_strings(struct bytes rdata, struct buf *out);

#endif
