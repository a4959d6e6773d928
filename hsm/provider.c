#include "hsm/provider.h"

#include "base/ossl.h"
#include "hsm/provider_private.h"

/* ---- the provider, as OpenSSL sees it ---- */

const OSSL_ALGORITHM *hsm_provider_query(void *provctx, int operation, int *no_cache)
{
	static const char property[] = "provider=" HSM_PROVIDER_NAME;
	static const OSSL_ALGORITHM keys[] = {
		{ "RSA:rsaEncryption:1.2.840.113549.1.1.1", property, hsm_keymgmt_rsa, "RSA key in a token" },
		{ "EC:id-ecPublicKey:1.2.840.10045.2.1", property, hsm_keymgmt_ec, "EC key in a token" },
		{ "ED25519:1.3.101.112", property, hsm_keymgmt_ed25519, "Ed25519 key in a token" },
		{ NULL, NULL, NULL, NULL },
	};
	static const OSSL_ALGORITHM signatures[] = {
		{ "RSA:rsaEncryption:1.2.840.113549.1.1.1", property, hsm_signature_rsa, "RSA signature by a token" },
		{ "ECDSA", property, hsm_signature_ecdsa, "ECDSA signature by a token" },
		{ "ED25519:1.3.101.112", property, hsm_signature_ed25519, "Ed25519 signature by a token" },
		{ NULL, NULL, NULL, NULL },
	};
	(void)provctx;
	*no_cache = 0;
	switch (operation) {
	case OSSL_OP_KEYMGMT:
		return keys;
	case OSSL_OP_SIGNATURE:
		return signatures;
	default:
		return NULL;
	}
}

void hsm_provider_teardown(void *provctx)
{
	struct provider *p = provctx;
	for (size_t i = 0; i < HSM_DIGESTS; i++)
		EVP_MD_free(p->md[i]);
	if (p->standard)
		(void)OSSL_PROVIDER_unload(p->standard);
	OSSL_LIB_CTX_free(p->inner);
	hsm_provider_tokens_free(p->tokens);
	free(p);
}

static bool set_up(struct provider *p)
{
	p->verify = true;
	p->inner = OSSL_LIB_CTX_new();
	p->standard = p->inner ? OSSL_PROVIDER_load(p->inner, "default") : NULL;
	if (!p->standard)
		return false;
	for (size_t i = 0; i < HSM_DIGESTS; i++) {
		p->md[i] = EVP_MD_fetch(p->inner, hsm_digests[i].name, NULL);
		if (!p->md[i])
			return false;
	}
	return true;
}

int hsm_provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
		      void **provctx)
{
	static const OSSL_DISPATCH functions[] = {
		{ OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))hsm_provider_query },
		{ OSSL_FUNC_PROVIDER_TEARDOWN, (void (*)(void))hsm_provider_teardown },
		{ 0, NULL },
	};
	(void)handle;
	(void)in;
	struct provider *p = calloc(1, sizeof(*p));
	if (!p)
		return 0;
	if (!set_up(p)) {
		hsm_provider_teardown(p);
		return 0;
	}
	*provctx = p;
	*out = functions;
	return 1;
}

/* ---- the provider, as we use it ---- */

struct hsm_provider {
	OSSL_LIB_CTX *context;
	OSSL_PROVIDER *standard, *ours;
};

struct hsm_provider *hsm_provider_new(struct error *err)
{
	struct hsm_provider *p = calloc(1, sizeof(*p));
	if (!p) {
		(void)err_set(err, ERR_INTERNAL, "no memory for a provider");
		return NULL;
	}
	p->context = OSSL_LIB_CTX_new();
	/* The default provider first: what both offer is taken from it unless asked otherwise. */
	p->standard = p->context ? OSSL_PROVIDER_load(p->context, "default") : NULL;
	if (p->standard && OSSL_PROVIDER_add_builtin(p->context, HSM_PROVIDER_NAME, hsm_provider_init) == 1)
		p->ours = OSSL_PROVIDER_load(p->context, HSM_PROVIDER_NAME);
	if (p->ours)
		return p;
	(void)err_openssl(err, ERR_INTERNAL, "the OpenSSL provider does not start");
	hsm_provider_free(p);
	return NULL;
}

void hsm_provider_free(struct hsm_provider *p)
{
	if (!p)
		return;
	if (p->ours)
		(void)OSSL_PROVIDER_unload(p->ours);
	if (p->standard)
		(void)OSSL_PROVIDER_unload(p->standard);
	OSSL_LIB_CTX_free(p->context);
	free(p);
}

OSSL_LIB_CTX *hsm_provider_libctx(struct hsm_provider *p)
{
	return p->context;
}

void hsm_provider_set_verify(struct hsm_provider *p, bool verify)
{
	struct provider *inside = OSSL_PROVIDER_get0_provider_ctx(p->ours);
	atomic_store(&inside->verify, verify);
}

EVP_PKEY *hsm_provider_pkey(struct hsm_provider *p, struct hsm_key *key, struct error *err)
{
	void *pointer = key;
	OSSL_PARAM parameters[] = {
		OSSL_PARAM_construct_octet_ptr(HSM_PARAM_KEY, &pointer, 0),
		OSSL_PARAM_construct_end(),
	};
	const char *family = hsm_provider_family_name(hsm_provider_family_of(hsm_key_type(key)));
	auto_evp_pkey_ctx *making = EVP_PKEY_CTX_new_from_name(p->context, family, "provider=" HSM_PROVIDER_NAME);
	EVP_PKEY *pkey = NULL;
	if (!making || EVP_PKEY_fromdata_init(making) != 1 ||
	    EVP_PKEY_fromdata(making, &pkey, EVP_PKEY_KEYPAIR, parameters) != 1)
		(void)err_openssl(err, ERR_INTERNAL, "cannot make an EVP_PKEY of %s", hsm_key_uri(key));
	return pkey;
}
