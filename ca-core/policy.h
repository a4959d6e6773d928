/*
 * ca-core/policy.h - who may what: the roles, in one place.
 *
 * requester: own certificates (request, see, renew, revoke). officer: see and revoke all.
 * auditor: read all, the audit too. admin: metrics, issuers, CRLs; nothing about certificates
 * of others. An API token requests and reads what its identity owns, and nothing else.
 *
 * Thread-safety: every function works only on its arguments.
 * Source: PKI.md section 5, "Who may what".
 */
#ifndef CHANCERY_CA_POLICY_H
#define CHANCERY_CA_POLICY_H

#include "ca-core/ca.h"

/* Each: 0, or ERR_ROLE_REQUIRED with the roles that may as `allowed`. */
int ca_policy_may_request(const struct ca_actor *actor, const struct ca_profile *profile, struct error *err);
int ca_policy_may_revoke(const struct ca_actor *actor, struct bytes requester, struct error *err);
int ca_policy_may_audit(const struct ca_actor *actor, struct error *err);
int ca_policy_may_make_crl(const struct ca_actor *actor, struct error *err);

/* True for the names that stand for ourselves in records: "ca", "front", "root". No identity gets one. */
bool ca_policy_name_reserved(struct bytes identity);
/* ERR_BAD_REQUEST unless it is [A-Za-z0-9][A-Za-z0-9._@-]{0,63} and not reserved. */
int ca_policy_identity_name(struct bytes identity, struct error *err);

/* The roles' names, comma-separated, into out. Returns out. */
#define CA_ROLES_TEXT_SIZE 48
char *ca_policy_roles_text(uint8_t roles, char out[CA_ROLES_TEXT_SIZE]);

#endif
