#include "ca-core/oid.h"

#define OID(symbol, text, ...)                                    \
	static const uint8_t octets_##symbol[] = { __VA_ARGS__ }; \
	const struct ca_oid ca_oid_##symbol = { text, { octets_##symbol, sizeof(octets_##symbol) } }

/* The same for what no other file asks for. */
#define LOCAL_OID(symbol, text, ...)                              \
	static const uint8_t octets_##symbol[] = { __VA_ARGS__ }; \
	static const struct ca_oid ca_oid_##symbol = { text, { octets_##symbol, sizeof(octets_##symbol) } }

#define PKCS9 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09
#define PKIX 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07
#define MICROSOFT 0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37

/* Attributes of a subject: RFC 5280 appendix A.1, EVG 7.1.4.2. */
OID(common_name, "commonName", 0x55, 0x04, 0x03);
OID(serial_number, "serialNumber", 0x55, 0x04, 0x05);
OID(country, "countryName", 0x55, 0x04, 0x06);
OID(locality, "localityName", 0x55, 0x04, 0x07);
OID(state, "stateOrProvinceName", 0x55, 0x04, 0x08);
OID(organization, "organizationName", 0x55, 0x04, 0x0a);
OID(business_category, "businessCategory", 0x55, 0x04, 0x0f);
OID(jurisdiction_locality, "jurisdictionLocalityName", MICROSOFT, 0x3c, 0x02, 0x01, 0x01);
OID(jurisdiction_state, "jurisdictionStateOrProvinceName", MICROSOFT, 0x3c, 0x02, 0x01, 0x02);
OID(jurisdiction_country, "jurisdictionCountryName", MICROSOFT, 0x3c, 0x02, 0x01, 0x03);
OID(email_address, "emailAddress", PKCS9, 0x01);

/* Extensions: RFC 5280 section 4.2 and 5.2, RFC 9608. */
OID(subject_key_id, "subjectKeyIdentifier", 0x55, 0x1d, 0x0e);
OID(key_usage, "keyUsage", 0x55, 0x1d, 0x0f);
OID(subject_alt_name, "subjectAltName", 0x55, 0x1d, 0x11);
OID(basic_constraints, "basicConstraints", 0x55, 0x1d, 0x13);
OID(crl_number, "cRLNumber", 0x55, 0x1d, 0x14);
OID(crl_reason, "cRLReason", 0x55, 0x1d, 0x15);
OID(invalidity_date, "invalidityDate", 0x55, 0x1d, 0x18);
OID(crl_distribution, "cRLDistributionPoints", 0x55, 0x1d, 0x1f);
OID(certificate_policies, "certificatePolicies", 0x55, 0x1d, 0x20);
OID(authority_key_id, "authorityKeyIdentifier", 0x55, 0x1d, 0x23);
OID(ext_key_usage, "extKeyUsage", 0x55, 0x1d, 0x25);
OID(no_rev_avail, "noRevAvail", 0x55, 0x1d, 0x38);
OID(authority_info, "authorityInfoAccess", PKIX, 0x01, 0x01);

/* Purposes and access methods: RFC 5280 sections 4.2.1.12 and 4.2.2.1, RFC 6960 section 4.2.2.2. */
OID(server_auth, "serverAuth", PKIX, 0x03, 0x01);
OID(client_auth, "clientAuth", PKIX, 0x03, 0x02);
OID(ocsp_signing, "OCSPSigning", PKIX, 0x03, 0x09);
OID(ocsp_no_check, "ocspNoCheck", PKIX, 0x30, 0x01, 0x05);
OID(ca_issuers, "caIssuers", PKIX, 0x30, 0x02);

/* Attributes of a request: RFC 2985 section 5.4. */
OID(unstructured_name, "unstructuredName", PKCS9, 0x02);
OID(challenge_password, "challengePassword", PKCS9, 0x07);
OID(extension_request, "extensionRequest", PKCS9, 0x0e);

/* Known only by name: what requests carry and certificates of ours never do. */
LOCAL_OID(surname, "surname", 0x55, 0x04, 0x04);
LOCAL_OID(street, "streetAddress", 0x55, 0x04, 0x09);
LOCAL_OID(organizational_unit, "organizationalUnitName", 0x55, 0x04, 0x0b);
LOCAL_OID(title, "title", 0x55, 0x04, 0x0c);
LOCAL_OID(postal_code, "postalCode", 0x55, 0x04, 0x11);
LOCAL_OID(given_name, "givenName", 0x55, 0x04, 0x2a);
LOCAL_OID(user_id, "userId", 0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01);
LOCAL_OID(domain_component, "domainComponent", 0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19);
LOCAL_OID(unstructured_address, "unstructuredAddress", PKCS9, 0x08);
LOCAL_OID(friendly_name, "friendlyName", PKCS9, 0x14);
LOCAL_OID(issuer_alt_name, "issuerAltName", 0x55, 0x1d, 0x12);
LOCAL_OID(name_constraints, "nameConstraints", 0x55, 0x1d, 0x1e);
LOCAL_OID(policy_constraints, "policyConstraints", 0x55, 0x1d, 0x24);
LOCAL_OID(freshest_crl, "freshestCRL", 0x55, 0x1d, 0x2e);
LOCAL_OID(tls_feature, "tlsFeature", PKIX, 0x01, 0x18);
LOCAL_OID(netscape_type, "nsCertType", 0x60, 0x86, 0x48, 0x01, 0x86, 0xf8, 0x42, 0x01, 0x01);
LOCAL_OID(netscape_comment, "nsComment", 0x60, 0x86, 0x48, 0x01, 0x86, 0xf8, 0x42, 0x01, 0x0d);
LOCAL_OID(microsoft_extensions, "microsoftExtensionRequest", MICROSOFT, 0x02, 0x01, 0x0e);
LOCAL_OID(microsoft_system, "microsoftSystemVersion", MICROSOFT, 0x0d, 0x02, 0x03);
LOCAL_OID(microsoft_provider, "microsoftEnrolmentProvider", MICROSOFT, 0x0d, 0x02, 0x02);
LOCAL_OID(microsoft_client, "microsoftRequestClient", MICROSOFT, 0x15, 0x14);
LOCAL_OID(microsoft_template, "microsoftCertificateTemplate", MICROSOFT, 0x15, 0x07);

static const struct ca_oid *const known[] = {
	&ca_oid_common_name,
	&ca_oid_serial_number,
	&ca_oid_country,
	&ca_oid_locality,
	&ca_oid_state,
	&ca_oid_organization,
	&ca_oid_business_category,
	&ca_oid_jurisdiction_locality,
	&ca_oid_jurisdiction_state,
	&ca_oid_jurisdiction_country,
	&ca_oid_email_address,
	&ca_oid_subject_key_id,
	&ca_oid_key_usage,
	&ca_oid_subject_alt_name,
	&ca_oid_basic_constraints,
	&ca_oid_crl_number,
	&ca_oid_crl_reason,
	&ca_oid_invalidity_date,
	&ca_oid_crl_distribution,
	&ca_oid_certificate_policies,
	&ca_oid_authority_key_id,
	&ca_oid_ext_key_usage,
	&ca_oid_no_rev_avail,
	&ca_oid_authority_info,
	&ca_oid_server_auth,
	&ca_oid_client_auth,
	&ca_oid_ocsp_signing,
	&ca_oid_ocsp_no_check,
	&ca_oid_ca_issuers,
	&ca_oid_unstructured_name,
	&ca_oid_challenge_password,
	&ca_oid_extension_request,
	&ca_oid_surname,
	&ca_oid_street,
	&ca_oid_organizational_unit,
	&ca_oid_title,
	&ca_oid_postal_code,
	&ca_oid_given_name,
	&ca_oid_user_id,
	&ca_oid_domain_component,
	&ca_oid_unstructured_address,
	&ca_oid_friendly_name,
	&ca_oid_issuer_alt_name,
	&ca_oid_name_constraints,
	&ca_oid_policy_constraints,
	&ca_oid_freshest_crl,
	&ca_oid_tls_feature,
	&ca_oid_netscape_type,
	&ca_oid_netscape_comment,
	&ca_oid_microsoft_extensions,
	&ca_oid_microsoft_system,
	&ca_oid_microsoft_provider,
	&ca_oid_microsoft_client,
	&ca_oid_microsoft_template,
};

const char *ca_oid_name(struct bytes content)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (bytes_equal(known[i]->content, content))
			return known[i]->name;
	return NULL;
}

/* RFC 4514 section 3, and the short names that OpenSSL has taught everyone. */
const char *ca_oid_attribute_name(struct bytes content)
{
	static const struct {
		const struct ca_oid *oid;
		const char *name;
	} short_names[] = {
		{ &ca_oid_common_name, "CN" },
		{ &ca_oid_organization, "O" },
		{ &ca_oid_organizational_unit, "OU" },
		{ &ca_oid_country, "C" },
		{ &ca_oid_state, "ST" },
		{ &ca_oid_locality, "L" },
		{ &ca_oid_street, "STREET" },
		{ &ca_oid_domain_component, "DC" },
		{ &ca_oid_user_id, "UID" },
	};
	for (size_t i = 0; i < sizeof(short_names) / sizeof(short_names[0]); i++)
		if (bytes_equal(short_names[i].oid->content, content))
			return short_names[i].name;
	return ca_oid_name(content);
}

void ca_oid_below(struct bytes arc, struct buf *out, size_t count, const unsigned *numbers)
{
	buf_add_bytes(out, arc);
	for (size_t i = 0; i < count; i++) {
		int shift = 28; /* base 128, the most significant group first: X.690 8.19.2 */
		while (shift > 0 && numbers[i] >> shift == 0)
			shift -= 7;
		for (; shift > 0; shift -= 7)
			buf_u8(out, (uint8_t)(0x80 | (numbers[i] >> shift & 0x7f)));
		buf_u8(out, (uint8_t)(numbers[i] & 0x7f));
	}
}
