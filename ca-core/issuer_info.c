/* What every certificate of one issuer shares, encoded once. */
#include "ca-core/tbs.h"

#include <stdio.h>

#include "base/der.h"
#include "ca-core/lint.h"
#include "ca-core/oid.h"

enum { KEY_CERT_SIGN = 1 << 5, CRL_SIGN = 1 << 6 };

static void close_extension(struct buf *out, size_t value)
{
	der_wrap(out, value, DER_OCTET_STRING);
	der_wrap(out, 0, DER_SEQUENCE);
}

static void encode_aki(struct ca_issuer_info *info)
{
	der_add_oid(&info->aki, ca_oid_authority_key_id.content);
	size_t value = der_mark(&info->aki);
	der_add(&info->aki, DER_CONTEXT(0), buf_bytes(&info->ski));
	der_wrap(&info->aki, value, DER_SEQUENCE);
	close_extension(&info->aki, value);
}

/* One DistributionPoint with a fullName of one URI: BR 7.1.2.11.2. */
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
	close_extension(out, value);
}

static void encode_authority_info(struct ca_issuer_info *info)
{
	struct buf *out = &info->authority_info;
	der_add_oid(out, ca_oid_authority_info.content);
	size_t value = der_mark(out);
	der_add_oid(out, ca_oid_ca_issuers.content);
	der_add(out, DER_CONTEXT(6), bytes_of(info->issuers_url));
	der_wrap(out, value, DER_SEQUENCE);
	der_wrap(out, value, DER_SEQUENCE);
	close_extension(out, value);
}

/* What a key of this type signs with: the hash follows the curve. RFC 5758, 4055, 8410. */
static struct bytes algorithm_of(enum ca_key_type type)
{
	static const uint8_t rsa[] = { 0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 11, 5, 0 };
	static const uint8_t p256[] = { 0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2 };
	static const uint8_t p384[] = { 0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3 };
	static const uint8_t p521[] = { 0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4 };
	static const uint8_t ed25519[] = { 0x30, 5, 6, 3, 0x2b, 0x65, 0x70 };
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
		break;
	}
	return BYTES(ed25519, sizeof(ed25519));
}

static int check_is_issuer(const char *name, const struct ca_certificate_facts *facts, struct error *err)
{
	const char *fault = NULL;
	if (!facts->ca)
		fault = "it is not a CA's";
	else if ((facts->key_usage & (KEY_CERT_SIGN | CRL_SIGN)) != (KEY_CERT_SIGN | CRL_SIGN))
		fault = "its key may not sign certificates and revocation lists";
	else if (facts->ski.len == 0)
		fault = "it has no subjectKeyIdentifier";
	else if (facts->subject.len <= 2)
		fault = "its subject is empty";
	return fault ? err_set(err, ERR_CONFIG, "the certificate of issuer %s cannot be used: %s", name, fault) : 0;
}

/* "" where the issuer has none: what a root signs points to its lists all the same. */
static int fill_urls(struct ca_issuer_info *info, const char *base_url, struct error *err)
{
	if (!base_url[0])
		return 0;
	int crl = snprintf(info->crl_url, sizeof(info->crl_url), "%s/crl/%s.crl", base_url, info->name);
	int issuers = snprintf(info->issuers_url, sizeof(info->issuers_url), "%s/ca/%s.crt", base_url, info->name);
	if (crl >= (int)sizeof(info->crl_url) || issuers >= (int)sizeof(info->issuers_url))
		return err_set(err, ERR_CONFIG, "listen.url is too long");
	encode_crl_distribution(info);
	encode_authority_info(info);
	return 0;
}

int ca_issuer_info_load(struct ca_issuer_info *info, const char *name, struct bytes certificate, const char *base_url,
			struct error *err)
{
	struct ca_certificate_facts facts;
	struct ca_key key;
	*info = (struct ca_issuer_info){ .not_before_s = 0 };
	if (ca_certificate_read(certificate, &facts, err))
		return err_wrap(err, ERR_CONFIG, "the certificate of issuer %s cannot be read", name);
	if (check_is_issuer(name, &facts, err) || ca_key_parse(facts.spki, &key, err))
		return -1;
	(void)snprintf(info->name, sizeof(info->name), "%s", name);
	buf_add_bytes(&info->certificate, certificate);
	buf_add_bytes(&info->subject, facts.subject);
	buf_add_bytes(&info->spki, facts.spki);
	buf_add_bytes(&info->ski, facts.ski);
	buf_add_bytes(&info->signature_algorithm, algorithm_of(key.type));
	memcpy(info->spki_hash, key.spki_hash, sizeof(info->spki_hash));
	info->not_before_s = facts.not_before_s;
	info->not_after_s = facts.not_after_s;
	encode_aki(info);
	if (fill_urls(info, base_url, err)) {
		ca_issuer_info_clear(info);
		return -1;
	}
	return 0;
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
