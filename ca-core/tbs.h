/*
 * ca-core/tbs.h - the bytes to be signed, built from a profile, an issuer and a request.
 *
 * Pure, fast: constant parts were encoded once, the rest is written in one pass.
 * Thread-safety: every function works only on its arguments.
 * Source: RFC 5280 sections 4.1 and 4.2, RFC 7093 method 1, X.690.
 */
#ifndef CHANCERY_CA_TBS_H
#define CHANCERY_CA_TBS_H

#include "ca-core/key.h"
#include "ca-core/name.h"
#include "ca-core/profile.h"

/* Subject attributes in the order of BR 7.1.4.2. PrintableString for country and
 * serialNumber, UTF8String else; upper bounds of RFC 5280 appendix A. */
enum ca_attribute {
	CA_ATTR_BUSINESS_CATEGORY,
	CA_ATTR_JURISDICTION_COUNTRY,
	CA_ATTR_JURISDICTION_STATE,
	CA_ATTR_JURISDICTION_LOCALITY,
	CA_ATTR_SERIAL_NUMBER,
	CA_ATTR_COUNTRY,
	CA_ATTR_STATE,
	CA_ATTR_LOCALITY,
	CA_ATTR_ORGANIZATION,
	CA_ATTR_COMMON_NAME,
	CA_ATTR_COUNT
};
struct ca_subject {
	const char *values[CA_ATTR_COUNT]; /* UTF-8, or NULL; borrowed */
};
/* DER Name appended to out. ERR_BAD_NAME: too long, not UTF-8, wrong alphabet, control characters. */
int ca_subject_encode(const struct ca_subject *subject, struct buf *out, struct error *err);
/* RFC 4514 text of a DER Name, for people; unknown types as OIDs. */
int ca_subject_text(struct bytes name, struct buf *out, struct error *err);
/* One attribute's value, of any string type of X.520, appended as UTF-8 (T61String read as Latin-1).
 * -1 where it is not of its type's form; then out may hold a part of it. */
int ca_subject_value_utf8(int tag, struct bytes value, struct buf *out);

/* Appends the subjectAltName Extension of at least one name; critical where the subject is empty.
 * Source: RFC 5280 section 4.2.1.6. */
void ca_subject_alt_name_add(const struct ca_names *names, struct bytes subject, struct buf *out);

/* DER AlgorithmIdentifier of what a key of this type signs here; static. */
struct bytes ca_signature_algorithm(enum ca_key_type type);

/* The keyIdentifier that a CA of this key gets: RFC 7093 section 2, method 1. */
#define CA_KEY_ID_SIZE 20
void ca_key_id(const struct ca_key *key, uint8_t id[CA_KEY_ID_SIZE]);

/* What every certificate of one issuer shares. Made once from the issuer's certificate. */
struct ca_issuer_info {
	char name[65];
	struct buf certificate; /* DER */
	struct buf subject;     /* DER Name: byte for byte the issuer field of what it signs */
	struct buf spki;
	uint8_t spki_hash[32];
	struct buf ski;                 /* keyIdentifier octets */
	struct buf signature_algorithm; /* DER AlgorithmIdentifier of its signatures */
	int64_t not_before_s, not_after_s;
	char crl_url[256], issuers_url[256]; /* of its list and its certificate */
	/* encoded once: whole Extension elements */
	struct buf aki, crl_distribution, authority_info;
};
/* Reads an issuer certificate strictly (v3, CA, keyCertSign, cRLSign, SKI) and fills info; base_url is the
 * configured public URL ("http://pki.example"): crl_url = base_url/crl/NAME.crl, issuers_url = base_url/ca/NAME.crt,
 * where NAME is the issuer's. ERR_CONFIG. */
int ca_issuer_info_load(struct ca_issuer_info *info, const char *name, struct bytes certificate, const char *base_url,
			struct error *err);
void ca_issuer_info_clear(struct ca_issuer_info *info);

struct ca_tbs {
	const struct ca_profile *profile;
	const struct ca_issuer_info *issuer; /* NULL: self-signed; then signature_algorithm is given */
	struct bytes signature_algorithm;    /* self-signed only */
	struct bytes serial;                 /* content octets, positive, at most 20 */
	int64_t not_before_s, not_after_s;
	struct bytes subject; /* DER Name (may be the empty SEQUENCE) */
	struct ca_key key;
	const struct ca_names *names;
	struct bytes subject_key_id; /* CA_KIND_CROSS: that of the CA's first certificate; else none: of the key */
};
/* Appends the TBSCertificate. ERR_INTERNAL, ERR_BAD_NAME. */
int ca_tbs_build(const struct ca_tbs *in, struct buf *out, struct error *err);

/* SEQUENCE { tbs, signatureAlgorithm, BIT STRING signature }, appended. */
void ca_certificate_assemble(struct bytes tbs, struct bytes signature_algorithm, struct bytes signature,
			     struct buf *out);

#endif
