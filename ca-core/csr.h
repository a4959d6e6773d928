/*
 * ca-core/csr.h - a certificate signing request, read strictly.
 *
 * Pure; called by the front and by tools, never by the signer, which gets a typed request.
 * Thread-safety: every function works only on its arguments.
 * Source: RFC 2986, RFC 2985 section 5.4; PKI.md "Requests".
 */
#ifndef CHANCERY_CA_CSR_H
#define CHANCERY_CA_CSR_H

#include "ca-core/key.h"
#include "ca-core/name.h"
#include "ca-core/profile.h"

#define CA_CSR_MAX ((size_t)64 << 10)
#define CA_CSR_NOT_COPIED_MAX 64

struct ca_csr {
	bool for_ceremony;          /* read by ca_csr_parse_for_ceremony */
	struct buf der;             /* owned: the request */
	struct bytes info, subject; /* CertificationRequestInfo, Name: whole elements, in der */
	struct ca_key key;          /* borrows from der */
	char common_name[65];       /* the last CN as UTF-8, or "" */
	struct ca_names names;      /* of the SAN, canonical, merged; CN not yet added */
	/* "subject O=Example", "extension keyUsage", "attribute challengePassword" (never its value) */
	char *not_copied[CA_CSR_NOT_COPIED_MAX];
	size_t not_copied_count;
	unsigned digest_bits;   /* of the signature: SHA-256, 384, 512; 0 for Ed25519 */
	struct bytes signature; /* as X.509 carries it, in der */
	uint8_t sha256[32];     /* of der */
};

/* Reads PEM (labels CERTIFICATE REQUEST, NEW CERTIFICATE REQUEST; exactly one block) or DER,
 * at most CA_CSR_MAX. Strict DER throughout. Refuses a certificate (with the remedy
 * `openssl x509 -x509toreq`), a private key (and says that it should be thrown away; the
 * bytes are overwritten in input's copy), CA:TRUE, unsupported SAN types, more than max_names.
 * Checks syntax and key form; how the key was made is ca_key_check_made_well's, the signature
 * ca_csr_verify's to check. Codes: bad-csr, weak-algorithm, weak-key, bad-name, too-many-names, too-large. */
struct ca_csr *ca_csr_parse(struct bytes input, size_t max_names, struct error *err);

/* The same, but CA:TRUE may be asked for: in a ceremony the plan decides what is certified. */
struct ca_csr *ca_csr_parse_for_ceremony(struct bytes input, size_t max_names, struct error *err);

/* Proof of possession: the signature over info by the request's own key. ERR_BAD_SIGNATURE. */
int ca_csr_verify(const struct ca_csr *csr, struct error *err);

/* The names and common name that this profile will be asked for: in server and peer profiles a CN that is
 * a DNS name or address joins the names; underscore, wildcard, mail, URI only as the profile says.
 * ERR_BAD_NAME (also where no usable name is left). names must be CA_NAMES_INIT. common_name gets
 * what the certificate's subject will have ("" for none). */
int ca_csr_names(const struct ca_csr *csr, const struct ca_profile *profile, struct ca_names *names,
		 char common_name[65], struct error *err);

void ca_csr_free(struct ca_csr *csr);

CLEANUP_POINTER(ca_csr, struct ca_csr, ca_csr_free)
#define auto_ca_csr CLEANUP(ca_csr_cleanup) struct ca_csr

#endif
