/*
 * httpd/validate/caa.h - whether the CAA records of a name let this CA issue.
 *
 * Pure. Every byte of a record is a stranger's.
 * Thread-safety: every function works only on its arguments.
 * Source: RFC 8659 sections 4 and 5; RFC 8657 (accounturi, validationmethods); BR 3.2.2.8.
 */
#ifndef CHANCERY_HTTPD_VALIDATE_CAA_H
#define CHANCERY_HTTPD_VALIDATE_CAA_H

#include "base/bytes.h"

/* One record's rdata. Borrows from it. */
struct caa_record {
	bool critical;
	struct bytes tag, value;
};
/* False where it is none: cut short, a tag that is empty or has other characters than letters and digits. */
bool caa_record_read(struct bytes rdata, struct caa_record *record);

#define CAA_PARAMETERS_MAX 16
struct caa_parameter {
	struct bytes tag, value;
};
/* The value of an issue or issuewild property. */
struct caa_issue {
	struct bytes domain; /* "" : nobody */
	size_t parameter_count;
	struct caa_parameter parameters[CAA_PARAMETERS_MAX];
};
/* False where it does not follow the grammar: then it names nobody. */
bool caa_issue_read(struct bytes value, struct caa_issue *issue);

/* The methods of validationmethods are called "ca-" and ours: "ca-dns-txt", "ca-dns-cname", "ca-http", "ca-mail",
 * "ca-grant" (RFC 8657 section 4). Bits as of struct message_validated. */
#define CAA_METHODS_ALL 31

enum caa_verdict { CAA_ALLOWS = 1, CAA_FORBIDS = 2, CAA_UNKNOWN = 3 }; /* as of struct message_validated */
struct caa_question {
	bool wildcard;
	struct bytes identity; /* what records name this CA by; "" : none can */
	struct bytes account;  /* what accounturi must be */
};
/* The one record set that counts. methods gets what validationmethods leaves of them (all where there is none), reason
 * the words that follow the verdict. */
enum caa_verdict caa_decide(const struct bytes *records, size_t count, const struct caa_question *question,
			    uint8_t *methods, struct buf *reason);

#endif
