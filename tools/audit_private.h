/*
 * tools/audit_private.h - what the files of tools/audit_decisions.h share.
 *
 * Thread-safety: one thread.
 */
#ifndef CHANCERY_TOOLS_AUDIT_PRIVATE_H
#define CHANCERY_TOOLS_AUDIT_PRIVATE_H

#include "ca-core/lint.h"
#include "tools/audit_decisions.h"
#include "tools/lookup.h"

#define AUDIT_NAME_SIZE 65 /* ids and identities: at most 64 octets */
#define AUDIT_HASH_LEN 32
#define AUDIT_CAS_MAX 16

/* ---- one entry ---- */

struct audit_entry {
	uint64_t sequence;
	const char *event, *actor, *subject; /* "" where there is none */
	int64_t time_s;
	bool has_sha256;
	uint8_t sha256[AUDIT_HASH_LEN];
	const json_t *detail; /* or NULL */
};
/* "entry 12: ..." with ERR_INTEGRITY. */
int audit_wrong(const struct audit_entry *e, struct error *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
#ifdef __clang_analyzer__ /* it always returns -1 */
#define audit_wrong(...) ((void)(audit_wrong)(__VA_ARGS__), -1)
#endif
const char *audit_detail(const struct audit_entry *e, const char *member); /* "" where there is none */
int audit_detail_base64(const struct audit_entry *e, const char *member, struct buf *out, struct error *err);
/* The subject behind "order " or "organization ", of at most 64 octets. */
int audit_subject_id(const struct audit_entry *e, const char *kind, const char **id, struct error *err);

/* ---- identities: audit_people.c ---- */

struct audit_people {
	struct lookup identities; /* by name */
	struct lookup enrolments; /* by SHA-256 of the certificate */
	struct lookup serials;    /* by serial in hex: where its enrolment is */
};
void audit_people_free(struct audit_people *p);
/* identity.* and certificate.revoked, held, unheld; other events are passed over. */
int audit_people_entry(struct audit_people *p, const struct audit_entry *e, struct error *err);
/* The actor is an officer, and this certificate one that was enrolled for him, and not revoked. since: the entry
 * that enrolled it. */
int audit_people_officer(const struct audit_people *p, const struct audit_entry *e, struct bytes certificate,
			 uint64_t *since, struct error *err);

/* ---- orders and organizations ---- */

struct audit_approval {
	char officer[AUDIT_NAME_SIZE];
	uint8_t tbs[AUDIT_HASH_LEN], statement[AUDIT_HASH_LEN];
	bool is_void;
};
#define AUDIT_APPROVALS_MAX 64 /* that were given to one order in all its time */
struct audit_order {
	char requester[AUDIT_NAME_SIZE], organization[AUDIT_NAME_SIZE];
	uint64_t created; /* the entry that tells of it */
	bool denied, issued;
	struct audit_approval *approvals; /* owned */
	size_t approval_count;
};
struct audit_organization {
	uint8_t record[AUDIT_HASH_LEN];
	char vetted_by[AUDIT_NAME_SIZE]; /* "" : this version was not vetted */
	bool suspended;
};

struct audit_decisions {
	struct audit_people people;
	struct lookup orders, organizations; /* by id */
	struct lookup statements;            /* by SHA-256: the entry that used it */
	struct {
		uint8_t hash[AUDIT_HASH_LEN];
		uint64_t sequence;
	} cas[AUDIT_CAS_MAX]; /* that statements name */
	size_t ca_count;
	struct lookup wanted; /* by SHA-256 of the certificate */
	struct audit_decided counts;
};

/* A certificate that was met elsewhere. */
struct audit_wanted {
	const char *name; /* borrowed */
	uint64_t sequence;
	unsigned needed; /* officers, by what it says of itself */
	bool proved;
};

/* certificate.issued: audit_issued.c */
int audit_issued_entry(struct audit_decisions *d, const struct audit_entry *e, struct error *err);
/* How many officers a certificate needs by what it says of itself: extended validation 2, organization 1, else 0. */
int audit_issued_needed(struct bytes der, unsigned *needed, struct error *err);

#endif
