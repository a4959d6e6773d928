#include "hsm/scheme.h"

#include "base/der.h"
#include "hsm/provider.h"

#define DIGEST_MAX 64
#define DIGEST_INFO_HEAD 19

const struct hsm_digest hsm_digests[HSM_DIGESTS] = {
	{ "SHA256", 32, CKM_SHA256, CKG_MGF1_SHA256, 1, 11, 2 },
	{ "SHA384", 48, CKM_SHA384, CKG_MGF1_SHA384, 2, 12, 3 },
	{ "SHA512", 64, CKM_SHA512, CKG_MGF1_SHA512, 3, 13, 4 },
};

bool hsm_key_type_is_rsa(enum hsm_key_type type)
{
	return type == HSM_RSA_2048 || type == HSM_RSA_3072 || type == HSM_RSA_4096;
}

const struct hsm_digest *hsm_digest_for(enum hsm_key_type type)
{
	switch (type) {
	case HSM_ED25519:
		return NULL;
	case HSM_EC_P384:
		return &hsm_digests[1];
	case HSM_EC_P521:
		return &hsm_digests[2];
	default:
		return &hsm_digests[0];
	}
}

/* ---- AlgorithmIdentifiers ---- */

struct bytes hsm_signature_algorithm(enum hsm_key_type type)
{
	static const uint8_t rsa[] = { 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
				       0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00 };
	static const uint8_t p256[] = { 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02 };
	static const uint8_t p384[] = { 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03 };
	static const uint8_t p521[] = { 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04 };
	static const uint8_t ed25519[] = { 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70 };
	switch (type) {
	case HSM_EC_P256:
		return BYTES(p256, sizeof(p256));
	case HSM_EC_P384:
		return BYTES(p384, sizeof(p384));
	case HSM_EC_P521:
		return BYTES(p521, sizeof(p521));
	case HSM_ED25519:
		return BYTES(ed25519, sizeof(ed25519));
	default:
		return BYTES(rsa, sizeof(rsa));
	}
}

/* SEQUENCE of one OID, with NULL parameters or none. */
static void add_algorithm(struct buf *out, const uint8_t *oid, size_t len, bool null)
{
	size_t mark = der_mark(out);
	der_add_oid(out, BYTES(oid, len));
	if (null)
		der_add(out, DER_NULL, BYTES_NONE);
	der_wrap(out, mark, DER_SEQUENCE);
}

static void add_hash(struct buf *out, const struct hsm_digest *d)
{
	const uint8_t oid[] = { 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, d->number };
	add_algorithm(out, oid, sizeof(oid), true);
}

static void add_pss(struct buf *out, const struct hsm_scheme *s)
{
	static const uint8_t pss[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a };
	static const uint8_t mgf1[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08 };
	size_t whole = der_mark(out);
	der_add_oid(out, BYTES(pss, sizeof(pss)));
	size_t parameters = der_mark(out);
	size_t mark = der_mark(out);
	add_hash(out, s->digest);
	der_wrap(out, mark, DER_CONTEXT_CONSTRUCTED(0));
	mark = der_mark(out);
	size_t inner = der_mark(out);
	der_add_oid(out, BYTES(mgf1, sizeof(mgf1)));
	add_hash(out, s->digest);
	der_wrap(out, inner, DER_SEQUENCE);
	der_wrap(out, mark, DER_CONTEXT_CONSTRUCTED(1));
	if (s->salt_len != 20) { /* the DEFAULT, which DER leaves out */
		mark = der_mark(out);
		der_add_number(out, s->salt_len);
		der_wrap(out, mark, DER_CONTEXT_CONSTRUCTED(2));
	}
	der_wrap(out, parameters, DER_SEQUENCE);
	der_wrap(out, whole, DER_SEQUENCE);
}

void hsm_scheme_algorithm(enum hsm_key_type type, const struct hsm_scheme *s, struct buf *out)
{
	if (type == HSM_ED25519) {
		buf_add_bytes(out, hsm_signature_algorithm(type));
	} else if (!hsm_key_type_is_rsa(type)) {
		const uint8_t oid[] = { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, s->digest->ecdsa };
		add_algorithm(out, oid, sizeof(oid), false);
	} else if (s->pss) {
		add_pss(out, s);
	} else {
		const uint8_t oid[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, s->digest->rsa };
		add_algorithm(out, oid, sizeof(oid), true);
	}
}

/* ---- signing ---- */

static int sign_pkcs1(struct hsm_key *k, const struct hsm_digest *d, struct bytes digest, struct buf *signature,
		      struct error *err)
{
	/* DigestInfo of RFC 8017 section 9.2, whose head has the same length for all three. */
	uint8_t info[DIGEST_INFO_HEAD + DIGEST_MAX] = { 0x30,
							(uint8_t)(17 + d->size),
							0x30,
							0x0d,
							0x06,
							0x09,
							0x60,
							0x86,
							0x48,
							0x01,
							0x65,
							0x03,
							0x04,
							0x02,
							d->number,
							0x05,
							0x00,
							0x04,
							(uint8_t)d->size };
	memcpy(info + DIGEST_INFO_HEAD, digest.data, digest.len);
	return hsm_key_sign_raw(k, CKM_RSA_PKCS, NULL, 0, BYTES(info, DIGEST_INFO_HEAD + digest.len), signature, err);
}

/* r||s, each as long as the curve's order, to SEQUENCE of two INTEGER. */
static int add_ecdsa(struct bytes raw, size_t order, struct buf *signature, struct error *err)
{
	if (raw.len != 2 * order)
		return err_set(err, ERR_SIGNATURE_UNCERTAIN, "the token gave an ECDSA signature of %zu octets, not %zu",
			       raw.len, 2 * order);
	size_t mark = der_mark(signature);
	der_add_unsigned(signature, BYTES(raw.data, order));
	der_add_unsigned(signature, BYTES(raw.data + order, order));
	der_wrap(signature, mark, DER_SEQUENCE);
	return signature->failed ? err_set(err, ERR_INTERNAL, "no memory for a signature") : 0;
}

static int sign_ecdsa(struct hsm_key *k, struct bytes digest, struct buf *signature, struct error *err)
{
	enum hsm_key_type type = hsm_key_type(k);
	size_t order = type == HSM_EC_P256 ? 32 : type == HSM_EC_P384 ? 48 : 66;
	if (digest.len > order)
		digest.len =
			order; /* the left-most bits (FIPS 186-4 section 6.4); all our orders have whole octets here */
	auto_buf raw = BUF_INIT;
	if (hsm_key_sign_raw(k, CKM_ECDSA, NULL, 0, digest, &raw, err))
		return -1;
	return add_ecdsa(buf_bytes(&raw), order, signature, err);
}

int hsm_scheme_sign(struct hsm_key *k, const struct hsm_scheme *s, struct bytes input, struct buf *signature,
		    struct error *err)
{
	enum hsm_key_type type = hsm_key_type(k);
	if (type == HSM_ED25519)
		return hsm_key_sign_raw(k, CKM_EDDSA, NULL, 0, input, signature, err);
	if (!s->digest || input.len != s->digest->size)
		return err_set(err, ERR_INTERNAL, "a digest of %zu octets cannot be signed", input.len);
	if (!hsm_key_type_is_rsa(type))
		return sign_ecdsa(k, input, signature, err);
	if (!s->pss)
		return sign_pkcs1(k, s->digest, input, signature, err);
	CK_RSA_PKCS_PSS_PARAMS parameters = { s->digest->mechanism, s->digest->mgf, s->salt_len };
	return hsm_key_sign_raw(k, CKM_RSA_PKCS_PSS, &parameters, sizeof(parameters), input, signature, err);
}
