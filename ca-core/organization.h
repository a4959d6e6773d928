/*
 * ca-core/organization.h - organizations as records that can be checked, and what is built from them.
 *
 * Each change makes a new version, kept as it was; `vet` and `suspend` are statements that officers
 * sign over the version's bytes (ca_organization_bytes). A version that nobody vetted, that was
 * suspended, whose time is over or whose standing is not good cannot be used.
 *
 * Thread-safety: every function may be called from any thread. Source: PKI.md section 4; BR 3.2.2.1; EVG 3.2.
 */
#ifndef CHANCERY_CA_ORGANIZATION_H
#define CHANCERY_CA_ORGANIZATION_H

#include "ca-core/audit.h"
#include "ca-core/message_order.h"
#include "ca-core/statement.h"
#include "ca-core/tbs.h"
#include "store/record_order.h"

struct ca_organization {
	struct record_organization record;
	struct buf encoded;
	uint64_t stored; /* version of the store's record, for expectations */
};
/* The present one. ERR_NOT_FOUND. */
struct ca_organization *ca_organization_load(struct ca *ca, struct bytes id, struct error *err);
void ca_organization_free(struct ca_organization *o);

/* What people vet: the version's fields as a text, one "member: value" line each in a fixed order, LF, UTF-8;
 * without who vetted it. The hash that statements carry is its SHA-256. */
void ca_organization_bytes(const struct record_organization *r, struct buf *out);

/* officers and admins enter; officers vet and suspend. Each appends MSG_ORGANIZATION's payload. */
int ca_organization_add(struct ca *ca, const struct ca_actor *actor, const struct message_organization *request,
			struct buf *out,
			struct error *err); /* ERR_BAD_REQUEST with member, ERR_CONFLICT: another version */
int ca_organization_decide(struct ca *ca, const struct ca_actor *actor, const struct message_decide *request,
			   struct buf *out, struct error *err);
/* Officers and auditors see all, agents theirs. */
int ca_organization_get(struct ca *ca, const struct ca_actor *actor, struct bytes id, struct buf *out,
			struct error *err);
int ca_organization_record(struct ca *ca, const struct ca_actor *actor, struct bytes id, struct buf *out,
			   struct error *err);
int ca_organization_list(struct ca *ca, const struct ca_actor *actor, struct buf *out, struct error *err);

/* Whether it may be used now: vetted, in its time, not suspended, in good standing.
 * ERR_ORGANIZATION_NOT_VALID saying what is missing. */
int ca_organization_valid(const struct record_organization *r, int64_t now_s, struct error *err);
/* Its domains cover the name: they restrict, and never replace validation. ERR_NAME_NOT_ALLOWED. */
int ca_organization_covers(const struct record_organization *r, struct bytes name, struct error *err);
bool ca_organization_has_agent(const struct record_organization *r, const char *identity);

/* The statement of an officer about `subject`, used once: read, verified, held against who asks and what it must say;
 * then added to the batch (STORE_STATEMENTS, expected absent; the officer's identity and certificate expected as they
 * are). Also for orders. Errors as ca_order_decide. */
struct ca_statement_expected {
	bool organization;
	struct bytes id;
	const uint8_t *sha256; /* of the bytes that it must be about */
};
struct ca_statement_accepted {
	enum ca_decision decision;
	struct bytes reason; /* borrowed from the request */
	int64_t time_s;
	uint8_t key[32];                /* SHA-256 of its text */
	int64_t enrolled_s, identity_s; /* since when the certificate, and the identity, are there */
};
int ca_statement_accept(struct ca *ca, const struct ca_actor *actor, const struct message_decide *request,
			const struct ca_statement_expected *expected, struct store_snapshot *snap,
			struct store_batch *batch, struct ca_statement_accepted *out, struct error *err);
/* The whole statement, for the audit entry: text, certificate and signature in base64. */
void ca_statement_tell(struct ca_audit_entry *entry, const struct message_decide *request,
		       const struct ca_statement_accepted *accepted);
/* The signer of a statement as he is now: an officer, his certificate (DER) enrolled, in its time, not revoked. Both are
 * expected to stay so in the batch. ERR_APPROVAL_NOT_ALLOWED. enrolled_s, identity_s may be NULL. */
int ca_statement_signer(struct ca *ca, struct store_snapshot *snap, struct store_batch *batch, struct bytes identity,
			struct bytes certificate, int64_t *enrolled_s, int64_t *identity_s, struct error *err);

#endif
