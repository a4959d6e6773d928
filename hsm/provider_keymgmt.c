/*
 * KEYMGMT: token keys as OpenSSL's key data. All that is public is asked of an EVP_PKEY in the
 * inner context, made from the key's SubjectPublicKeyInfo; the private half is only there
 * (`has`) and never leaves (`export`), which is what makes libcrypto bring the operation to us.
 */
#include <openssl/x509.h>

#include "base/ossl.h"
#include "hsm/provider_private.h"

static const struct family {
	const char *name, *operation, *private_parameter;
} families[FAMILY_COUNT] = {
	[FAMILY_RSA] = { "RSA", "RSA", OSSL_PKEY_PARAM_RSA_D },
	[FAMILY_EC] = { "EC", "ECDSA", OSSL_PKEY_PARAM_PRIV_KEY },
	[FAMILY_ED25519] = { "ED25519", "ED25519", OSSL_PKEY_PARAM_PRIV_KEY },
};

const char *hsm_provider_family_name(enum provider_family family)
{
	return families[family].name;
}

enum provider_family hsm_provider_family_of(enum hsm_key_type type)
{
	if (type == HSM_ED25519)
		return FAMILY_ED25519;
	return hsm_key_type_is_rsa(type) ? FAMILY_RSA : FAMILY_EC;
}

/* ---- a key ---- */

static void *new_key(struct provider *provider, enum provider_family family)
{
	struct provider_key *k = calloc(1, sizeof(*k));
	if (k) {
		k->provider = provider;
		k->family = family;
	}
	return k;
}

static void *new_rsa(void *provctx)
{
	return new_key(provctx, FAMILY_RSA);
}

static void *new_ec(void *provctx)
{
	return new_key(provctx, FAMILY_EC);
}

static void *new_ed25519(void *provctx)
{
	return new_key(provctx, FAMILY_ED25519);
}

void hsm_provider_key_free(void *keydata)
{
	struct provider_key *k = keydata;
	if (!k)
		return;
	EVP_PKEY_free(k->public_half);
	if (k->token) {
		hsm_key_free(k->key);
		hsm_provider_token_release(k->token);
	}
	free(k);
}

static int read_public_half(struct provider_key *k, struct hsm_key *key)
{
	struct bytes spki = hsm_key_spki(key);
	const unsigned char *at = spki.data;
	k->public_half = d2i_PUBKEY_ex(NULL, &at, (long)spki.len, k->provider->inner, NULL);
	k->key = k->public_half ? key : NULL;
	return k->public_half != NULL;
}

struct provider_key *hsm_provider_key_new(struct provider *provider, struct hsm_key *key, struct provider_token *token)
{
	struct provider_key *k = new_key(provider, hsm_provider_family_of(hsm_key_type(key)));
	if (!k || !read_public_half(k, key)) {
		hsm_provider_key_free(k);
		return NULL;
	}
	k->token = token;
	return k;
}

/* What the store made: the reference is the pointer to it, which is taken out. */
static void *load(const void *reference, size_t size)
{
	struct provider_key **given = (struct provider_key **)(uintptr_t)reference;
	if (!given || size != sizeof(void *))
		return NULL;
	struct provider_key *k = *given;
	*given = NULL;
	return k;
}

static int import_token_key(struct provider_key *k, const OSSL_PARAM *given)
{
	const void *pointer = NULL;
	if (OSSL_PARAM_get_octet_ptr(given, &pointer, NULL) != 1 || !pointer)
		return 0;
	struct hsm_key *key = (struct hsm_key *)(uintptr_t)pointer;
	if (hsm_provider_family_of(hsm_key_type(key)) != k->family)
		return 0;
	return read_public_half(k, key);
}

/* A public key of another provider: libcrypto brings it for comparison with one of ours. */
static int import_public_key(struct provider_key *k, const OSSL_PARAM params[])
{
	const struct family *f = &families[k->family];
	if (OSSL_PARAM_locate_const(params, f->private_parameter))
		return 0; /* a software key belongs where it was */
	auto_evp_pkey_ctx *making = EVP_PKEY_CTX_new_from_name(k->provider->inner, f->name, NULL);
	return making && EVP_PKEY_fromdata_init(making) == 1 &&
	       EVP_PKEY_fromdata(making, &k->public_half, EVP_PKEY_PUBLIC_KEY, (OSSL_PARAM *)(uintptr_t)params) == 1;
}

static int import(void *keydata, int selection, const OSSL_PARAM params[])
{
	struct provider_key *k = keydata;
	(void)selection;
	if (k->public_half)
		return 0;
	const OSSL_PARAM *given = OSSL_PARAM_locate_const(params, HSM_PARAM_KEY);
	return given ? import_token_key(k, given) : import_public_key(k, params);
}

static int has(const void *keydata, int selection)
{
	const struct provider_key *k = keydata;
	if (!k || !k->public_half)
		return 0;
	return !(selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) || k->key != NULL;
}

static int match(const void *one, const void *other, int selection)
{
	const struct provider_key *a = one, *b = other;
	if (!a->public_half || !b->public_half)
		return 0;
	if (selection & OSSL_KEYMGMT_SELECT_KEYPAIR)
		return EVP_PKEY_eq(a->public_half, b->public_half) == 1;
	return a->family != FAMILY_EC || EVP_PKEY_parameters_eq(a->public_half, b->public_half) == 1;
}

static int export(void *keydata, int selection, OSSL_CALLBACK *callback, void *argument)
{
	struct provider_key *k = keydata;
	if (!k->public_half || (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY))
		return 0;
	return EVP_PKEY_export(k->public_half, selection, callback, argument);
}

static int get_params(void *keydata, OSSL_PARAM params[])
{
	struct provider_key *k = keydata;
	return k->public_half && EVP_PKEY_get_params(k->public_half, params) == 1;
}

static const char *operation_ec(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? families[FAMILY_EC].operation : NULL;
}

/* ---- what may be asked and given ---- */

#define KEY_FACTS                                                                                        \
	OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL), OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL), \
		OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL)
#define RSA_PARTS OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0), OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0)
#define EC_PARTS                                                     \
	OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0), \
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0)
#define ED25519_PARTS OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0)
#define OUR_KEY OSSL_PARAM_octet_ptr(HSM_PARAM_KEY, NULL, 0)

static const OSSL_PARAM *gettable_rsa(void *provctx)
{
	static const OSSL_PARAM table[] = { KEY_FACTS, OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
					    RSA_PARTS, OSSL_PARAM_END };
	(void)provctx;
	return table;
}

static const OSSL_PARAM *gettable_ec(void *provctx)
{
	static const OSSL_PARAM table[] = { KEY_FACTS, OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
					    EC_PARTS, OSSL_PARAM_END };
	(void)provctx;
	return table;
}

static const OSSL_PARAM *gettable_ed25519(void *provctx)
{
	static const OSSL_PARAM table[] = { KEY_FACTS,
					    OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_MANDATORY_DIGEST, NULL, 0),
					    ED25519_PARTS, OSSL_PARAM_END };
	(void)provctx;
	return table;
}

static const OSSL_PARAM *types_rsa(int selection)
{
	static const OSSL_PARAM table[] = { RSA_PARTS, OUR_KEY, OSSL_PARAM_END };
	(void)selection;
	return table;
}

static const OSSL_PARAM *types_ec(int selection)
{
	static const OSSL_PARAM table[] = { EC_PARTS, OUR_KEY, OSSL_PARAM_END };
	(void)selection;
	return table;
}

static const OSSL_PARAM *types_ed25519(int selection)
{
	static const OSSL_PARAM table[] = { ED25519_PARTS, OUR_KEY, OSSL_PARAM_END };
	(void)selection;
	return table;
}

/* ---- dispatch ---- */

#define ENTRY(id, function)                                        \
	{                                                          \
		OSSL_FUNC_KEYMGMT_##id, (void (*)(void))(function) \
	}
#define COMMON                                                                                         \
	ENTRY(FREE, hsm_provider_key_free), ENTRY(LOAD, load), ENTRY(IMPORT, import), ENTRY(HAS, has), \
		ENTRY(MATCH, match), ENTRY(EXPORT, export), ENTRY(GET_PARAMS, get_params)

const OSSL_DISPATCH hsm_keymgmt_rsa[] = {
	ENTRY(NEW, new_rsa),
	COMMON,
	ENTRY(GETTABLE_PARAMS, gettable_rsa),
	ENTRY(IMPORT_TYPES, types_rsa),
	ENTRY(EXPORT_TYPES, types_rsa),
	{ 0, NULL },
};
const OSSL_DISPATCH hsm_keymgmt_ec[] = {
	ENTRY(NEW, new_ec),
	COMMON,
	ENTRY(GETTABLE_PARAMS, gettable_ec),
	ENTRY(IMPORT_TYPES, types_ec),
	ENTRY(EXPORT_TYPES, types_ec),
	ENTRY(QUERY_OPERATION_NAME, operation_ec),
	{ 0, NULL },
};
const OSSL_DISPATCH hsm_keymgmt_ed25519[] = {
	ENTRY(NEW, new_ed25519),
	COMMON,
	ENTRY(GETTABLE_PARAMS, gettable_ed25519),
	ENTRY(IMPORT_TYPES, types_ed25519),
	ENTRY(EXPORT_TYPES, types_ed25519),
	{ 0, NULL },
};
