/*
 * The provider as a module, chancery.so, for the stock `openssl` and whoever else loads
 * providers by name: the in-process provider, with a store for pkcs11: URIs.
 *
 * It is activated in the application's library context, where a PKCS#11 module built on OpenSSL
 * works too. So it offers no digests, ciphers or random numbers, does its own public operations
 * in an inner context, and wants OpenSSL's default provider activated before it: of two
 * providers with the same algorithm the first is taken, and the module must not meet us.
 */
#include "base/log.h"
#include "hsm/provider_private.h"

static const OSSL_ALGORITHM *query(void *provctx, int operation, int *no_cache)
{
	static const OSSL_ALGORITHM stores[] = {
		{ "pkcs11", "provider=" HSM_PROVIDER_NAME, hsm_store_pkcs11, "keys in PKCS#11 tokens (RFC 7512)" },
		{ NULL, NULL, NULL, NULL },
	};
	if (operation != OSSL_OP_STORE)
		return hsm_provider_query(provctx, operation, no_cache);
	*no_cache = 0;
	return stores;
}

static const OSSL_PARAM *gettable(void *provctx)
{
	static const OSSL_PARAM table[] = { OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_NAME, NULL, 0),
					    OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_VERSION, NULL, 0),
					    OSSL_PARAM_int(OSSL_PROV_PARAM_STATUS, NULL), OSSL_PARAM_END };
	(void)provctx;
	return table;
}

static int get_params(void *provctx, OSSL_PARAM params[])
{
	(void)provctx;
	OSSL_PARAM *p = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_NAME);
	if (p && OSSL_PARAM_set_utf8_ptr(p, "Chancery: keys in PKCS#11 tokens") != 1)
		return 0;
	p = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_VERSION);
	if (p && OSSL_PARAM_set_utf8_ptr(p, CHANCERY_VERSION) != 1)
		return 0;
	p = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_STATUS);
	return !p || OSSL_PARAM_set_int(p, 1) == 1;
}

/* The provider's section of the OpenSSL configuration. Borrowed, or NULL. */
static const char *configured(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const char *name)
{
	const char *value = NULL;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_ptr(name, (char **)(uintptr_t)&value, 0),
		OSSL_PARAM_construct_end(),
	};
	for (; in->function_id != 0; in++) {
		if (in->function_id == OSSL_FUNC_CORE_GET_PARAMS)
			return OSSL_FUNC_core_get_params(in)(handle, params) == 1 ? value : NULL;
	}
	return NULL;
}

/* What OpenSSL looks for, and all that the module shows: hsm/provider.map. */
__attribute__((visibility("default"))) int OSSL_provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
							      const OSSL_DISPATCH **out, void **provctx)
{
	static const OSSL_DISPATCH functions[] = {
		{ OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query },
		{ OSSL_FUNC_PROVIDER_GETTABLE_PARAMS, (void (*)(void))gettable },
		{ OSSL_FUNC_PROVIDER_GET_PARAMS, (void (*)(void))get_params },
		{ OSSL_FUNC_PROVIDER_TEARDOWN, (void (*)(void))hsm_provider_teardown },
		{ 0, NULL },
	};
	/* What goes well is the command's to tell. */
	log_open("openssl", LOG_FORMAT_TEXT, LOG_LEVEL_WARN);
	if (!hsm_provider_init(handle, in, out, provctx))
		return 0;
	struct provider *p = *provctx;
	p->tokens = hsm_provider_tokens_new();
	p->module_path = configured(handle, in, "pkcs11-module-path");
	if (!p->tokens) {
		hsm_provider_teardown(p);
		return 0;
	}
	*out = functions;
	return 1;
}
