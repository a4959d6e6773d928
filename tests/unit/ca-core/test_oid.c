#include "ca-core/oid.h"

#include "base/der.h"
#include "tests/unit/unit.h"

static void text_of(const struct ca_oid *oid, const char *expected)
{
	char text[64];
	CHECK_TEXT(der_oid_text(oid->content, text, sizeof(text)), expected);
}

/* Each against the dotted form of its source: a wrong octet here would be wrong everywhere. */
static void has_the_octets_of_the_standards(void)
{
	text_of(&ca_oid_common_name, "2.5.4.3");
	text_of(&ca_oid_serial_number, "2.5.4.5");
	text_of(&ca_oid_country, "2.5.4.6");
	text_of(&ca_oid_locality, "2.5.4.7");
	text_of(&ca_oid_state, "2.5.4.8");
	text_of(&ca_oid_organization, "2.5.4.10");
	text_of(&ca_oid_business_category, "2.5.4.15");
	text_of(&ca_oid_jurisdiction_locality, "1.3.6.1.4.1.311.60.2.1.1");
	text_of(&ca_oid_jurisdiction_state, "1.3.6.1.4.1.311.60.2.1.2");
	text_of(&ca_oid_jurisdiction_country, "1.3.6.1.4.1.311.60.2.1.3");
	text_of(&ca_oid_email_address, "1.2.840.113549.1.9.1");
	text_of(&ca_oid_subject_key_id, "2.5.29.14");
	text_of(&ca_oid_key_usage, "2.5.29.15");
	text_of(&ca_oid_subject_alt_name, "2.5.29.17");
	text_of(&ca_oid_basic_constraints, "2.5.29.19");
	text_of(&ca_oid_crl_number, "2.5.29.20");
	text_of(&ca_oid_crl_reason, "2.5.29.21");
	text_of(&ca_oid_invalidity_date, "2.5.29.24");
	text_of(&ca_oid_crl_distribution, "2.5.29.31");
	text_of(&ca_oid_certificate_policies, "2.5.29.32");
	text_of(&ca_oid_authority_key_id, "2.5.29.35");
	text_of(&ca_oid_ext_key_usage, "2.5.29.37");
	text_of(&ca_oid_no_rev_avail, "2.5.29.56");
	text_of(&ca_oid_authority_info, "1.3.6.1.5.5.7.1.1");
	text_of(&ca_oid_server_auth, "1.3.6.1.5.5.7.3.1");
	text_of(&ca_oid_client_auth, "1.3.6.1.5.5.7.3.2");
	text_of(&ca_oid_ocsp_signing, "1.3.6.1.5.5.7.3.9");
	text_of(&ca_oid_ocsp_no_check, "1.3.6.1.5.5.7.48.1.5");
	text_of(&ca_oid_ca_issuers, "1.3.6.1.5.5.7.48.2");
	text_of(&ca_oid_unstructured_name, "1.2.840.113549.1.9.2");
	text_of(&ca_oid_challenge_password, "1.2.840.113549.1.9.7");
	text_of(&ca_oid_extension_request, "1.2.840.113549.1.9.14");
}

static void names_what_it_knows(void)
{
	CHECK_TEXT(ca_oid_name(ca_oid_key_usage.content), "keyUsage");
	CHECK_TEXT(ca_oid_name(unit_hex("55040b")), "organizationalUnitName");
	CHECK(ca_oid_name(unit_hex("2a0304")) == NULL);
	CHECK(ca_oid_name(BYTES_NONE) == NULL);
	CHECK_TEXT(ca_oid_attribute_name(unit_hex("55040b")), "OU");
	CHECK_TEXT(ca_oid_attribute_name(ca_oid_email_address.content), "emailAddress");
}

static void numbers_below_the_arc_are_in_base_128(void)
{
	auto_buf oid = BUF_INIT;
	char text[64];
	ca_oid_below(unit_hex("883701"), &oid, 4, (const unsigned[]){ 3, 127, 128, 4294967295U });
	CHECK_TEXT(der_oid_text(buf_bytes(&oid), text, sizeof(text)), "2.999.1.3.127.128.4294967295");
}

SUITE(oid)
{
	TEST(has_the_octets_of_the_standards);
	TEST(names_what_it_knows);
	TEST(numbers_below_the_arc_are_in_base_128);
}
