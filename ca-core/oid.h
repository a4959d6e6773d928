/*
 * ca-core/oid.h - the object identifiers that we write or recognize, as content octets.
 */
#ifndef CHANCERY_CA_OID_H
#define CHANCERY_CA_OID_H

#include "base/bytes.h"

/* The arc's private uses: .1 CRL extension with the audit head's SHA-256; .2 extended key usage of the
 * audit key; .3.N certificate policies (1 domain, 2 organization, 3 extended, 4 client, 5 peer). */
enum { CA_ARC_CRL_AUDIT_HEAD = 1, CA_ARC_EKU_AUDIT = 2, CA_ARC_POLICIES = 3 };

struct ca_oid {
	const char *name; /* "keyUsage" */
	struct bytes content;
};
/* The name of a known OID ("challengePassword", "subjectAltName"), or NULL. Static. */
const char *ca_oid_name(struct bytes content);
/* The short name of an attribute of a subject ("CN", "O"), else as ca_oid_name, else NULL. Static. */
const char *ca_oid_attribute_name(struct bytes content);

/* Known OIDs by the names used in code. */
extern const struct ca_oid ca_oid_common_name, ca_oid_country, ca_oid_locality, ca_oid_state, ca_oid_organization,
	ca_oid_serial_number, ca_oid_business_category, ca_oid_jurisdiction_country, ca_oid_jurisdiction_state,
	ca_oid_jurisdiction_locality, ca_oid_email_address;
extern const struct ca_oid ca_oid_subject_alt_name, ca_oid_key_usage, ca_oid_ext_key_usage, ca_oid_basic_constraints,
	ca_oid_subject_key_id, ca_oid_authority_key_id, ca_oid_certificate_policies, ca_oid_crl_distribution,
	ca_oid_authority_info, ca_oid_no_rev_avail, ca_oid_crl_number, ca_oid_crl_reason, ca_oid_invalidity_date;
extern const struct ca_oid ca_oid_server_auth, ca_oid_client_auth, ca_oid_ocsp_signing, ca_oid_ocsp_no_check,
	ca_oid_ca_issuers, ca_oid_extension_request, ca_oid_challenge_password, ca_oid_unstructured_name;

/* arc (content octets) with further numbers appended. */
void ca_oid_below(struct bytes arc, struct buf *out, size_t count, const unsigned *numbers);

#endif
