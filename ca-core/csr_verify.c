/* The signature of a request: by which algorithm, and whether its own key made it. */
#include "ca-core/csr_private.h"

#include <stdio.h>

/* ---- algorithms ---- */

struct algorithm {
	const char *name;
	uint8_t oid[12];
	size_t oid_len;
	bool rsa, ec, ed25519;
	unsigned digest_bits; /* 0 where none belongs to it */
	bool weak;
};
#define RSA_PKCS1 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1
#define ECDSA 0x2a, 0x86, 0x48, 0xce, 0x3d, 4
static const struct algorithm algorithms[] = {
	{ "sha256WithRSAEncryption", { RSA_PKCS1, 11 }, 9, true, false, false, 256, false },
	{ "sha384WithRSAEncryption", { RSA_PKCS1, 12 }, 9, true, false, false, 384, false },
	{ "sha512WithRSAEncryption", { RSA_PKCS1, 13 }, 9, true, false, false, 512, false },
	{ "ecdsa-with-SHA256", { ECDSA, 3, 2 }, 8, false, true, false, 256, false },
	{ "ecdsa-with-SHA384", { ECDSA, 3, 3 }, 8, false, true, false, 384, false },
	{ "ecdsa-with-SHA512", { ECDSA, 3, 4 }, 8, false, true, false, 512, false },
	{ "Ed25519", { 0x2b, 0x65, 0x70 }, 3, false, false, true, 0, false },
	/* Known by name, so that the answer can say what they are. */
	{ "md2WithRSAEncryption", { RSA_PKCS1, 2 }, 9, true, false, false, 0, true },
	{ "md5WithRSAEncryption", { RSA_PKCS1, 4 }, 9, true, false, false, 0, true },
	{ "sha1WithRSAEncryption", { RSA_PKCS1, 5 }, 9, true, false, false, 0, true },
	{ "sha224WithRSAEncryption", { RSA_PKCS1, 14 }, 9, true, false, false, 0, true },
	{ "RSASSA-PSS", { RSA_PKCS1, 10 }, 9, true, false, false, 0, true },
	{ "ecdsa-with-SHA1", { ECDSA, 1 }, 7, false, true, false, 0, true },
	{ "ecdsa-with-SHA224", { ECDSA, 3, 1 }, 8, false, true, false, 0, true },
};

static const struct algorithm *find(struct bytes oid)
{
	for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++)
		if (bytes_equal(oid, BYTES(algorithms[i].oid, algorithms[i].oid_len)))
			return &algorithms[i];
	return NULL;
}

static int refuse_algorithm(const char *name, struct error *err)
{
	(void)err_set(err, ERR_WEAK_ALGORITHM, "the request is signed by %s, which is not accepted", name);
	return err_about(err, "signatureAlgorithm", name,
			 "RSA (PKCS #1 v1.5) or ECDSA with SHA-256, SHA-384 or SHA-512; Ed25519");
}

static bool fits(const struct algorithm *a, enum ca_key_type type)
{
	if (type == CA_KEY_RSA)
		return a->rsa;
	return type == CA_KEY_ED25519 ? a->ed25519 : a->ec;
}

/* Parameters: NULL with RSA (RFC 4055 section 5; absent is tolerated, as that RFC asks),
 * absent else (RFC 5758 section 3.2, RFC 8410 section 3). */
static bool parameters_fit(const struct algorithm *a, struct der *content)
{
	if (content->left.len == 0)
		return !content->failed;
	return a->rsa && der_take(content, DER_NULL).len == 0 && der_done(content);
}

int csr_read_algorithm(struct ca_csr *csr, struct bytes algorithm, struct error *err)
{
	struct der content = der_of(algorithm);
	struct bytes oid = der_oid(&content);
	if (content.failed)
		return csr_malformed(err, "its signature algorithm is malformed");
	const struct algorithm *a = find(oid);
	char dotted[64];
	if (!a || a->weak)
		return refuse_algorithm(a ? a->name : der_oid_text(oid, dotted, sizeof(dotted)), err);
	if (!parameters_fit(a, &content))
		return csr_malformed(err, "its signature algorithm has parameters that do not belong there");
	if (!fits(a, csr->key.type))
		return csr_malformed(err, "its signature algorithm is not one of its key's type");
	csr->digest_bits = a->digest_bits;
	return 0;
}

/* ---- proof of possession ---- */

int ca_csr_verify(const struct ca_csr *csr, struct error *err)
{
	int good = ca_key_verify(&csr->key, csr->digest_bits, csr->info, csr->signature, err);
	if (good)
		return good > 0 ? 0 : -1;
	return err_set(
		err, ERR_BAD_SIGNATURE,
		"the request's signature does not verify with its own key: it was changed, or made by another key");
}
