/* What every certificate of one issuer shares, read from the issuer's own certificate. */
#include <stdio.h>

#include "base/der.h"
#include "base/ossl.h"
#include "ca-core/lint.h"
#include "ca-core/oid.h"

/* RFC 5280 4.2.1.3, named bits. */
enum { KEY_CERT_SIGN = 1 << 5, CRL_SIGN = 1 << 6 };

/* A CA signs with SHA-256, or with the hash of its curve's size: PKI.md section 1. */
struct bytes ca_signature_algorithm(enum ca_key_type type)
{
	static const uint8_t rsa[] = {
		0x30, 13, 0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0
	};
	static const uint8_t p256[] = { 0x30, 10, 0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02 };
	static const uint8_t p384[] = { 0x30, 10, 0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03 };
	static const uint8_t p521[] = { 0x30, 10, 0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04 };
	static const uint8_t ed25519[] = { 0x30, 5, 0x06, 3, 0x2b, 0x65, 0x70 };
	switch (type) {
	case CA_KEY_RSA:
		return BYTES(rsa, sizeof(rsa));
	case CA_KEY_P256:
		return BYTES(p256, sizeof(p256));
	case CA_KEY_P384:
		return BYTES(p384, sizeof(p384));
	case CA_KEY_P521:
		return BYTES(p521, sizeof(p521));
	case CA_KEY_ED25519:
		return BYTES(ed25519, sizeof(ed25519));
	}
	return BYTES_NONE;
}

void ca_key_id(const struct ca_key *key, uint8_t id[CA_KEY_ID_SIZE])
{
	struct der outer = der_of(key->spki), spki;
	uint8_t hash[32];
	der_enter(&outer, DER_SEQUENCE, &spki);
	(void)der_take(&spki, DER_SEQUENCE);
	struct bytes octets = der_bit_string(&spki);
	sha256(octets.data, octets.len, hash);
	memcpy(id, hash, CA_KEY_ID_SIZE);
}

/* ---- the extensions that name the issuer ---- */

/* AuthorityKeyIdentifier ::= SEQUENCE { keyIdentifier [0] }: RFC 5280 section 4.2.1.1. */
static void encode_aki(struct ca_issuer_info *info)
{
	struct buf *out = &info->aki;
	der_add_oid(out, ca_oid_authority_key_id.content);
	size_t value = der_mark(out);
	der_add(out, DER_CONTEXT(0), buf_bytes(&info->ski));
	der_wrap(out, value, DER_SEQUENCE);
	der_wrap(out, value, DER_OCTET_STRING);
	der_wrap(out, 0, DER_SEQUENCE);
}

/* One DistributionPoint { [0] { fullName [0] { uniformResourceIdentifier [6] } } }: RFC 5280 section 4.2.1.13. */
static void encode_crl_distribution(struct ca_issuer_info *info)
{
	struct buf *out = &info->crl_distribution;
	der_add_oid(out, ca_oid_crl_distribution.content);
	size_t value = der_mark(out);
	der_add(out, DER_CONTEXT(6), bytes_of(info->crl_url));
	der_wrap(out, value, DER_CONTEXT_CONSTRUCTED(0));
	der_wrap(out, value, DER_CONTEXT_CONSTRUCTED(0));
	der_wrap(out, value, DER_SEQUENCE);
	der_wrap(out, value, DER_SEQUENCE);
	der_wrap(out, value, DER_OCTET_STRING);
	der_wrap(out, 0, DER_SEQUENCE);
}

/* One AccessDescription { id-ad-caIssuers, uniformResourceIdentifier [6] }: RFC 5280 section 4.2.2.1. */
static void encode_authority_info(struct ca_issuer_info *info)
{
	struct buf *out = &info->authority_info;
	der_add_oid(out, ca_oid_authority_info.content);
	size_t value = der_mark(out);
	der_add_oid(out, ca_oid_ca_issuers.content);
	der_add(out, DER_CONTEXT(6), bytes_of(info->issuers_url));
	der_wrap(out, value, DER_SEQUENCE);
	der_wrap(out, value, DER_SEQUENCE);
	der_wrap(out, value, DER_OCTET_STRING);
	der_wrap(out, 0, DER_SEQUENCE);
}

/* ---- reading the certificate ---- */

static int check_facts(const char *name, const struct ca_certificate_facts *facts, struct error *err)
{
	if (!facts->ca)
		return err_set(err, ERR_CONFIG, "the certificate of issuer %s is not a CA's (RFC 5280 4.2.1.9)", name);
	if ((facts->key_usage & (KEY_CERT_SIGN | CRL_SIGN)) != (KEY_CERT_SIGN | CRL_SIGN))
		return err_set(err, ERR_CONFIG,
			       "the certificate of issuer %s may not sign certificates and CRLs (RFC 5280 4.2.1.3)",
			       name);
	if (facts->ski.len == 0 || facts->ski.len > 64)
		return err_set(err, ERR_CONFIG,
			       "the certificate of issuer %s has no subject key identifier (RFC 5280 4.2.1.2)", name);
	if (facts->subject.len <= 2)
		return err_set(err, ERR_CONFIG, "the certificate of issuer %s has an empty subject", name);
	return 0;
}

static int fill_urls(struct ca_issuer_info *info, const char *base_url, struct error *err)
{
	int crl = snprintf(info->crl_url, sizeof(info->crl_url), "%s/crl/%s.crl", base_url, info->name);
	int issuers = snprintf(info->issuers_url, sizeof(info->issuers_url), "%s/ca/%s.crt", base_url, info->name);
	if (crl < 0 || issuers < 0 || (size_t)crl >= sizeof(info->crl_url) ||
	    (size_t)issuers >= sizeof(info->issuers_url))
		return err_set(err, ERR_CONFIG, "the public URL is too long: %s", base_url);
	return 0;
}

static bool failed(const struct ca_issuer_info *info)
{
	return info->certificate.failed || info->subject.failed || info->spki.failed || info->ski.failed ||
	       info->signature_algorithm.failed || info->aki.failed || info->crl_distribution.failed ||
	       info->authority_info.failed;
}

static int fill(struct ca_issuer_info *info, const struct ca_certificate_facts *facts, const char *base_url,
		struct error *err)
{
	struct ca_key key;
	if (check_facts(info->name, facts, err) || ca_key_parse(facts->spki, &key, err) ||
	    fill_urls(info, base_url, err))
		return -1;
	memcpy(info->spki_hash, key.spki_hash, sizeof(info->spki_hash));
	info->not_before_s = facts->not_before_s;
	info->not_after_s = facts->not_after_s;
	buf_add_bytes(&info->subject, facts->subject);
	buf_add_bytes(&info->spki, facts->spki);
	buf_add_bytes(&info->ski, facts->ski);
	buf_add_bytes(&info->signature_algorithm, ca_signature_algorithm(key.type));
	encode_aki(info);
	encode_crl_distribution(info);
	encode_authority_info(info);
	return failed(info) ? err_set(err, ERR_INTERNAL, "no memory for issuer %s", info->name) : 0;
}

int ca_issuer_info_load(struct ca_issuer_info *info, const char *name, struct bytes certificate, const char *base_url,
			struct error *err)
{
	struct ca_certificate_facts facts;
	*info = (struct ca_issuer_info){ 0 };
	(void)snprintf(info->name, sizeof(info->name), "%s", name);
	buf_add_bytes(&info->certificate, certificate);
	int rc = ca_certificate_read(certificate, &facts, err)
			 ? err_wrap(err, ERR_CONFIG, "the certificate of issuer %s cannot be read", name)
			 : fill(info, &facts, base_url, err);
	if (rc)
		ca_issuer_info_clear(info);
	return rc;
}

void ca_issuer_info_clear(struct ca_issuer_info *info)
{
	buf_free(&info->certificate);
	buf_free(&info->subject);
	buf_free(&info->spki);
	buf_free(&info->ski);
	buf_free(&info->signature_algorithm);
	buf_free(&info->aki);
	buf_free(&info->crl_distribution);
	buf_free(&info->authority_info);
}
