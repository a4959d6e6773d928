/* Verification by a public key: of requests, on the hottest path, and of revocation lists. */
#include "ca-core/key_private.h"

#include <openssl/err.h>
#include <pthread.h>

#include "base/ossl.h"

/* Fetched once, read-only afterwards: OpenSSL 3.0 looks a digest up anew with each use of EVP_sha256(). */
static struct {
	EVP_MD *sha256, *sha384, *sha512;
	pthread_once_t once;
} digests = { .once = PTHREAD_ONCE_INIT };

static void fetch_digests(void)
{
	digests.sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
	digests.sha384 = EVP_MD_fetch(NULL, "SHA2-384", NULL);
	digests.sha512 = EVP_MD_fetch(NULL, "SHA2-512", NULL);
}

static const EVP_MD *digest_of(unsigned bits)
{
	(void)pthread_once(&digests.once, fetch_digests);
	if (bits == 0)
		return NULL;
	return bits == 256 ? digests.sha256 : bits == 384 ? digests.sha384 : digests.sha512;
}

/* OpenSSL 3.0 makes the curve's group anew for each EVP_PKEY: 18 us where the whole verification takes 60. The older
 * interface takes a group that was made once. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

CLEANUP_POINTER(ec_key, EC_KEY, EC_KEY_free)
#define auto_ec_key CLEANUP(ec_key_cleanup) EC_KEY

static int verify_ec(const struct ca_key *key, const EVP_MD *md, struct bytes message, struct bytes signature)
{
	uint8_t hash[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	const EC_GROUP *group = key_group(key->type);
	auto_ec_key *ec = EC_KEY_new();
	if (!md || !group || !ec || EC_KEY_set_group(ec, group) != 1 ||
	    EC_KEY_oct2key(ec, key->point.data, key->point.len, NULL) != 1 ||
	    EVP_Digest(message.data, message.len, hash, &len, md, NULL) != 1)
		return -1;
	return ECDSA_verify(0, hash, (int)len, signature.data, (int)signature.len, ec) == 1;
}
#pragma GCC diagnostic pop

static int verify_evp(const struct ca_key *key, const EVP_MD *md, struct bytes message, struct bytes signature,
		      struct error *err)
{
	auto_evp_pkey *pkey = ca_key_evp(NULL, key, err);
	auto_evp_md_ctx *ctx = EVP_MD_CTX_new();
	if (!pkey || !ctx || EVP_DigestVerifyInit(ctx, NULL, md, NULL, pkey) != 1)
		return -1;
	return EVP_DigestVerify(ctx, signature.data, signature.len, message.data, message.len) == 1;
}

int ca_key_verify(const struct ca_key *key, unsigned digest_bits, struct bytes message, struct bytes signature,
		  struct error *err)
{
	const EVP_MD *md = digest_of(digest_bits);
	bool is_ec = key->type == CA_KEY_P256 || key->type == CA_KEY_P384 || key->type == CA_KEY_P521;
	int good = is_ec && signature.len <= 256 ? verify_ec(key, md, message, signature)
		   : is_ec                       ? 0
						 : verify_evp(key, md, message, signature, err);
	if (good < 0)
		return err_openssl(err, ERR_INTERNAL, "cannot verify a signature");
	ERR_clear_error();
	return good;
}

unsigned ca_key_digest_bits(enum ca_key_type type)
{
	switch (type) {
	case CA_KEY_RSA:
	case CA_KEY_P256:
		return 256;
	case CA_KEY_P384:
		return 384;
	case CA_KEY_P521:
		return 512;
	case CA_KEY_ED25519:
		break;
	}
	return 0;
}
