/*
 * STORE for pkcs11: URIs. A URI that names a key (object or id) gives that key; one that names
 * none lists the URIs of the keys in the token, as a folder lists its files.
 *
 * Module and PIN are named in the query, module-path and pin-source (RFC 7512 section 2.4).
 * Without pin-source the application is asked, as it is for the passphrase of a file: by
 * `-passin`, or on the terminal.
 */
#include <openssl/core_object.h>
#include <openssl/err.h>
#include <openssl/proverr.h>
#include <openssl/store.h>

#include "hsm/private.h"
#include "hsm/provider_private.h"

#define KEYS_MAX 256
#define PIN_MAX 256

struct store {
	struct provider *provider;
	char path[HSM_URI_MAX + 1]; /* the URI without its query */
	struct hsm_uri uri;
	struct hsm_uri_query query;
	char module_path[sizeof(((struct hsm_uri_query *)0)->module_path)];
	int expect; /* OSSL_STORE_INFO_..., or 0 */
	struct provider_token *token;
	bool looked, ended;
	CK_OBJECT_HANDLE keys[KEYS_MAX]; /* to list */
	size_t count, next;
};

static int fail(const struct error *err)
{
	const char *more = err->allowed[0] ? "; known are: " : "";
	ERR_raise_data(ERR_LIB_PROV, ERR_R_OPERATION_FAIL, "%s%s%s", err->message, more, err->allowed);
	return 0;
}

static bool names_key(const struct store *s)
{
	return s->uri.parts & (HSM_URI_OBJECT | HSM_URI_ID);
}

static int read_uri(struct store *s, const char *text, struct error *err)
{
	if (hsm_uri_split(text, s->path, &s->query, err) || hsm_uri_parse(s->path, &s->uri, err))
		return -1;
	const char *module = s->query.module_path[0] ? s->query.module_path : s->provider->module_path;
	if (!module || !*module)
		return err_set(
			err, ERR_CONFIG,
			"PKCS#11 URI: it names no module; add ?module-path=PATH, or set pkcs11-module-path in the "
			"provider's section of the OpenSSL configuration");
	if (*module != '/')
		return err_set(err, ERR_CONFIG, "PKCS#11 URI: module-path is not the whole path of a file");
	if ((s->uri.parts & HSM_URI_TYPE) && strcmp(s->uri.type, "private") != 0 && strcmp(s->uri.type, "public") != 0)
		return err_set(err, ERR_CONFIG, "PKCS#11 URI: keys are served here, no objects of type %s",
			       s->uri.type);
	(void)snprintf(s->module_path, sizeof(s->module_path), "%s", module);
	return 0;
}

static void *open_uri(void *provctx, const char *uri)
{
	struct error err = ERR_INIT;
	struct store *s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->provider = provctx;
	if (read_uri(s, uri, &err)) {
		(void)fail(&err);
		free(s);
		return NULL;
	}
	return s;
}

static int close_uri(void *ctx)
{
	struct store *s = ctx;
	if (s->token)
		hsm_provider_token_release(s->token);
	free(s);
	return 1;
}

/* ---- the PIN ---- */

struct asking {
	const struct store *store;
	OSSL_PASSPHRASE_CALLBACK *callback;
	void *argument;
};

static int read_source(const char *source, struct secret **pin, struct error *err)
{
	auto_buf reference = BUF_INIT;
	if (hsm_uri_pin_reference(source, &reference, err))
		return -1;
	*pin = secret_get(buf_text(&reference), "PIN of the token", err);
	return *pin ? 0 : -1;
}

static int get_pin(void *argument, struct secret **pin, struct error *err)
{
	const struct asking *asking = argument;
	const struct store *s = asking->store;
	if (s->query.pin_source[0])
		return read_source(s->query.pin_source, pin, err);
	char text[PIN_MAX];
	size_t len = 0;
	const OSSL_PARAM what[] = {
		OSSL_PARAM_utf8_string(OSSL_PASSPHRASE_PARAM_INFO, (char *)(uintptr_t) "token PIN", 9), OSSL_PARAM_END
	};
	if (!asking->callback || asking->callback(text, sizeof(text), &len, what, asking->argument) != 1 ||
	    len > sizeof(text))
		return err_set(err, ERR_CONFIG,
			       "no PIN was given: add pin-source=file:PATH to the query of the PKCS#11 URI");
	*pin = len ? secret_new(BYTES(text, len), err) : NULL;
	OPENSSL_cleanse(text, sizeof(text));
	return !len || *pin ? 0 : -1;
}

/* ---- opening the token, and looking ---- */

/* A module built on OpenSSL works in the default context. Where that has no digests, SoftHSM2
 * takes every PIN for wrong, and says so: look first, no try is to be lost that way. */
static int check_digests(struct error *err)
{
	EVP_MD *md = EVP_MD_fetch(NULL, "SHA2-256", NULL);
	EVP_MD_free(md);
	return md ? 0
		  : err_set(err, ERR_CONFIG,
			    "OpenSSL's default provider is not active: -provider default must stand before -provider "
			    "chancery");
}

static int hold_token(struct store *s, OSSL_PASSPHRASE_CALLBACK *callback, void *argument, struct error *err)
{
	auto_buf uri = BUF_INIT;
	struct hsm_uri token = s->uri;
	struct asking asking = { s, callback, argument };
	token.parts &= ~(unsigned)(HSM_URI_OBJECT | HSM_URI_ID | HSM_URI_TYPE);
	hsm_uri_format(&token, &uri);
	if (uri.failed)
		return err_set(err, ERR_INTERNAL, "no memory for a PKCS#11 URI");
	if (check_digests(err))
		return -1;
	s->token = hsm_provider_token_hold(s->provider->tokens, s->module_path, buf_text(&uri), get_pin, &asking, err);
	return s->token ? 0 : -1;
}

static int list_keys(struct store *s, struct error *err)
{
	CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	CK_BBOOL yes = CK_TRUE;
	const CK_ATTRIBUTE match[] = {
		HSM_ATTRIBUTE(CKA_CLASS, &class, sizeof(class)),
		HSM_ATTRIBUTE(CKA_TOKEN, &yes, sizeof(yes)),
	};
	int found = hsm_objects_find(hsm_provider_token(s->token), match, 2, s->keys, KEYS_MAX, err);
	s->count = found > 0 ? (size_t)found : 0;
	return found < 0 ? -1 : 0;
}

/* hsm_key_find reads URIs of private keys alone; here the pair is meant. */
static struct hsm_key *find_key(struct store *s, struct error *err)
{
	auto_buf uri = BUF_INIT;
	struct hsm_uri key = s->uri;
	key.parts &= ~(unsigned)HSM_URI_TYPE;
	hsm_uri_format(&key, &uri);
	if (uri.failed) {
		(void)err_set(err, ERR_INTERNAL, "no memory for a PKCS#11 URI");
		return NULL;
	}
	return hsm_key_find(hsm_provider_token(s->token), buf_text(&uri), err);
}

/* ---- giving objects ---- */

static const char *family_name(const struct hsm_key *key)
{
	return hsm_provider_family_name(hsm_provider_family_of(hsm_key_type(key)));
}

static int give_public(const struct hsm_key *key, OSSL_CALLBACK *give, void *argument)
{
	int type = OSSL_OBJECT_PKEY;
	struct bytes spki = hsm_key_spki(key);
	const OSSL_PARAM object[] = {
		OSSL_PARAM_construct_int(OSSL_OBJECT_PARAM_TYPE, &type),
		OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_TYPE, (char *)(uintptr_t)family_name(key), 0),
		OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_STRUCTURE,
						 (char *)(uintptr_t) "SubjectPublicKeyInfo", 0),
		OSSL_PARAM_construct_octet_string(OSSL_OBJECT_PARAM_DATA, (void *)(uintptr_t)spki.data, spki.len),
		OSSL_PARAM_construct_end(),
	};
	return give(object, argument);
}

/* Takes key and the store's hold on the token. */
static int give_private(struct store *s, struct hsm_key *key, OSSL_CALLBACK *give, void *argument)
{
	int type = OSSL_OBJECT_PKEY;
	const char *family = family_name(key);
	struct provider_key *made = hsm_provider_key_new(s->provider, key, s->token);
	if (!made) {
		hsm_key_free(key);
		return 0;
	}
	s->token = NULL;
	const OSSL_PARAM object[] = {
		OSSL_PARAM_construct_int(OSSL_OBJECT_PARAM_TYPE, &type),
		OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_TYPE, (char *)(uintptr_t)family, 0),
		OSSL_PARAM_construct_octet_string(OSSL_OBJECT_PARAM_REFERENCE, &made, sizeof(void *)),
		OSSL_PARAM_construct_end(),
	};
	int given = give(object, argument);
	hsm_provider_key_free(made); /* NULL where it was taken */
	return given;
}

static int give_key(struct store *s, OSSL_CALLBACK *give, void *argument)
{
	struct error err = ERR_INIT;
	s->ended = true;
	struct hsm_key *key = find_key(s, &err);
	if (!key)
		return fail(&err);
	bool private = s->expect ? s->expect == OSSL_STORE_INFO_PKEY : strcmp(s->uri.type, "public") != 0;
	if (private)
		return give_private(s, key, give, argument);
	int given = give_public(key, give, argument);
	hsm_key_free(key);
	return given;
}

static void add_query(const struct store *s, struct buf *uri)
{
	const char *const names[] = { "module-path", "pin-source" };
	const char *const values[] = { s->query.module_path, s->query.pin_source };
	char between = '?';
	for (size_t i = 0; i < 2; i++) {
		if (!values[i][0])
			continue;
		buf_printf(uri, "%c%s=", between, names[i]);
		hsm_uri_add_query_value(uri, values[i]);
		between = '&';
	}
}

/* The name of a key is the URI that opens it. */
static int give_name(struct store *s, OSSL_CALLBACK *give, void *argument)
{
	struct error err = ERR_INIT;
	auto_buf uri = BUF_INIT;
	auto_hsm_key *key = hsm_key_new(hsm_provider_token(s->token), s->keys[s->next++], &err);
	s->ended = s->next == s->count;
	if (!key)
		return fail(&err);
	buf_add_text(&uri, hsm_key_uri(key));
	add_query(s, &uri);
	if (uri.failed)
		return 0;
	int type = OSSL_OBJECT_NAME;
	const OSSL_PARAM object[] = {
		OSSL_PARAM_construct_int(OSSL_OBJECT_PARAM_TYPE, &type),
		OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA, (char *)(uintptr_t)buf_text(&uri), 0),
		OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DESC,
						 (char *)(uintptr_t)hsm_key_type_name(hsm_key_type(key)), 0),
		OSSL_PARAM_construct_end(),
	};
	return give(object, argument);
}

static int look(struct store *s, OSSL_PASSPHRASE_CALLBACK *callback, void *argument, struct error *err)
{
	s->looked = true;
	if (s->expect && s->expect != OSSL_STORE_INFO_PKEY && s->expect != OSSL_STORE_INFO_PUBKEY &&
	    s->expect != OSSL_STORE_INFO_NAME)
		return err_set(err, ERR_NOT_FOUND, "keys alone are served from tokens");
	if (s->expect && s->expect != OSSL_STORE_INFO_NAME && !names_key(s))
		return err_set(err, ERR_CONFIG, "%s names no key: it has neither object nor id", s->path);
	if (hold_token(s, callback, argument, err))
		return -1;
	return names_key(s) ? 0 : list_keys(s, err);
}

static int load(void *ctx, OSSL_CALLBACK *give, void *give_argument, OSSL_PASSPHRASE_CALLBACK *ask, void *ask_argument)
{
	struct store *s = ctx;
	struct error err = ERR_INIT;
	if (!s->looked && look(s, ask, ask_argument, &err)) {
		s->ended = true;
		return fail(&err);
	}
	if (s->ended)
		return 0;
	if (names_key(s))
		return give_key(s, give, give_argument);
	if (s->next < s->count)
		return give_name(s, give, give_argument);
	s->ended = true;
	(void)err_set(&err, ERR_NOT_FOUND, "there is no private key in the token");
	return fail(&err);
}

static int eof(void *ctx)
{
	const struct store *s = ctx;
	return s->ended;
}

static const OSSL_PARAM *settable(void *provctx)
{
	static const OSSL_PARAM table[] = { OSSL_PARAM_int(OSSL_STORE_PARAM_EXPECT, NULL), OSSL_PARAM_END };
	(void)provctx;
	return table;
}

static int set_params(void *ctx, const OSSL_PARAM params[])
{
	struct store *s = ctx;
	const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, OSSL_STORE_PARAM_EXPECT);
	return !p || OSSL_PARAM_get_int(p, &s->expect) == 1;
}

#define ENTRY(id, function)                                      \
	{                                                        \
		OSSL_FUNC_STORE_##id, (void (*)(void))(function) \
	}

const OSSL_DISPATCH hsm_store_pkcs11[] = {
	ENTRY(OPEN, open_uri),
	ENTRY(SETTABLE_CTX_PARAMS, settable),
	ENTRY(SET_CTX_PARAMS, set_params),
	ENTRY(LOAD, load),
	ENTRY(EOF, eof),
	ENTRY(CLOSE, close_uri),
	{ 0, NULL },
};
