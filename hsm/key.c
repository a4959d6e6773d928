#include "hsm/key.h"

#include <stdio.h>

#include "base/log.h"
#include "hsm/private.h"
#include "hsm/spki.h"

#define ATTRIBUTE_MAX 1024 /* octets of a public attribute: a modulus of 8192 bits */
#define SIGNATURE_MAX 1024

/* ---- types ---- */

static const char *const type_names[] = {
	[HSM_RSA_2048] = "rsa2048", [HSM_RSA_3072] = "rsa3072", [HSM_RSA_4096] = "rsa4096", [HSM_EC_P256] = "p256",
	[HSM_EC_P384] = "p384",     [HSM_EC_P521] = "p521",     [HSM_ED25519] = "ed25519",
};

const char *hsm_key_type_name(enum hsm_key_type type)
{
	return type_names[type];
}

int hsm_key_type_parse(const char *name, enum hsm_key_type *type, struct error *err)
{
	for (size_t i = 0; i < sizeof(type_names) / sizeof(type_names[0]); i++) {
		if (strcmp(name, type_names[i]) == 0) {
			*type = (enum hsm_key_type)i;
			return 0;
		}
	}
	(void)err_set(err, ERR_CONFIG, "%s is no type of key", name);
	return err_about(err, "key type", name, "rsa2048, rsa3072, rsa4096, p256, p384, p521, ed25519");
}

/* ---- finding ---- */

/* The token's own object of class and id, not a copy in a session. At most 2 into out. */
static int find_by_id(struct hsm_token *t, CK_OBJECT_CLASS class, struct bytes id, CK_OBJECT_HANDLE out[2],
		      struct error *err)
{
	CK_BBOOL yes = CK_TRUE;
	const CK_ATTRIBUTE match[] = {
		HSM_ATTRIBUTE(CKA_CLASS, &class, sizeof(class)),
		HSM_ATTRIBUTE(CKA_TOKEN, &yes, sizeof(yes)),
		HSM_ATTRIBUTE(CKA_ID, id.data, id.len),
	};
	return hsm_objects_find(t, match, 3, out, 2, err);
}

static int find_by_uri(struct hsm_token *t, const struct hsm_uri *uri, CK_OBJECT_HANDLE out[2], struct error *err)
{
	CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	CK_BBOOL yes = CK_TRUE;
	CK_ATTRIBUTE match[4] = {
		HSM_ATTRIBUTE(CKA_CLASS, &class, sizeof(class)),
		HSM_ATTRIBUTE(CKA_TOKEN, &yes, sizeof(yes)),
	};
	size_t count = 2;
	if (uri->parts & HSM_URI_OBJECT)
		match[count++] = HSM_ATTRIBUTE(CKA_LABEL, uri->object, strlen(uri->object));
	if (uri->parts & HSM_URI_ID)
		match[count++] = HSM_ATTRIBUTE(CKA_ID, uri->id, uri->id_len);
	return hsm_objects_find(t, match, count, out, 2, err);
}

/* A public attribute of the object; none where the object has it not. */
static struct bytes read_public(struct hsm_key *k, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, struct buf *out)
{
	struct error ignored = ERR_INIT; /* hsm_spki_from_attributes says what is missing */
	(void)hsm_object_bytes(k->token, object, type, ATTRIBUTE_MAX, out, &ignored);
	return buf_bytes(out);
}

static int spki_of(struct hsm_key *k, CK_OBJECT_HANDLE object, CK_KEY_TYPE type, struct error *err)
{
	auto_buf first = BUF_INIT, second = BUF_INIT;
	struct hsm_public_attributes a = { .type = type };
	if (type == CKK_RSA) {
		a.modulus = read_public(k, object, CKA_MODULUS, &first);
		a.exponent = read_public(k, object, CKA_PUBLIC_EXPONENT, &second);
	} else {
		a.ec_params = read_public(k, object, CKA_EC_PARAMS, &first);
		a.ec_point = read_public(k, object, CKA_EC_POINT, &second);
	}
	return hsm_spki_from_attributes(&a, &k->type, &k->spki, err);
}

/* From the public key object of the same id, or else from the private object itself. */
static int read_spki(struct hsm_key *k, CK_OBJECT_HANDLE private_object, struct error *err)
{
	CK_KEY_TYPE type;
	if (hsm_object_number(k->token, private_object, CKA_KEY_TYPE, &type, err))
		return -1;
	CK_OBJECT_HANDLE public_objects[2];
	int found = find_by_id(k->token, CKO_PUBLIC_KEY, buf_bytes(&k->id), public_objects, err);
	if (found < 0)
		return -1;
	if (found > 1)
		return err_set(err, ERR_CONFIG, "several public keys in the token have the CKA_ID of this key");
	return spki_of(k, found == 1 ? public_objects[0] : private_object, type, err);
}

/* ---- the struct ---- */

static int read_names(struct hsm_key *k, CK_OBJECT_HANDLE object, struct error *err)
{
	if (hsm_object_bytes(k->token, object, CKA_ID, HSM_URI_ID_MAX, &k->id, err))
		return -1;
	if (k->id.len == 0)
		return err_set(err, ERR_CONFIG,
			       "the key in the token has no CKA_ID, by which it is found again; give it one");
	struct hsm_uri uri = k->token->name;
	uri.parts |= HSM_URI_OBJECT | HSM_URI_ID | HSM_URI_TYPE;
	memcpy(uri.type, "private", sizeof("private"));
	memcpy(uri.id, k->id.data, k->id.len);
	uri.id_len = k->id.len;
	auto_buf label = BUF_INIT, text = BUF_INIT;
	if (hsm_object_bytes(k->token, object, CKA_LABEL, HSM_URI_OBJECT_MAX, &label, err))
		return -1;
	if (label.len == 0 || memchr(label.data, '\0', label.len))
		uri.parts &= ~(unsigned)HSM_URI_OBJECT; /* a label that no URI can say */
	else
		memcpy(uri.object, label.data, label.len);
	hsm_uri_format(&uri, &text);
	k->uri = strdup(buf_text(&text));
	return k->uri && !text.failed ? 0 : err_set(err, ERR_INTERNAL, "no memory for a key");
}

static int fill(struct hsm_key *k, CK_OBJECT_HANDLE object, struct error *err)
{
	if (read_names(k, object, err) || read_spki(k, object, err))
		return -1;
	if (hsm_object_flag(k->token, object, CKA_SIGN) == 0)
		return err_set(err, ERR_CONFIG, "the key %s may not sign (CKA_SIGN is false)", k->uri);
	if (hsm_object_flag(k->token, object, CKA_EXTRACTABLE) == 1 ||
	    hsm_object_flag(k->token, object, CKA_SENSITIVE) == 0)
		log_warn("token key is not guarded: it is extractable or not sensitive", KV("key", k->uri));
	return 0;
}

struct hsm_key *hsm_key_new(struct hsm_token *t, CK_OBJECT_HANDLE object, struct error *err)
{
	struct hsm_key *k = calloc(1, sizeof(*k));
	if (!k) {
		(void)err_set(err, ERR_INTERNAL, "no memory for a key");
		return NULL;
	}
	k->token = t;
	k->generation = atomic_load(&t->generation);
	k->object = object;
	pthread_mutex_init(&k->lock, NULL);
	if (fill(k, object, err)) {
		hsm_key_free(k);
		return NULL;
	}
	return k;
}

/* The URI names a key of this very token, or no token at all. */
static int check_token(struct hsm_token *t, const struct hsm_uri *uri, const char *text, struct error *err)
{
	const struct hsm_uri *name = &t->name;
	hsm_token_lock(t);
	CK_SLOT_ID slot = t->slot;
	hsm_token_unlock(t);
	if (((uri->parts & HSM_URI_TOKEN) && strcmp(uri->token, name->token) != 0) ||
	    ((uri->parts & HSM_URI_SERIAL) && strcmp(uri->serial, name->serial) != 0) ||
	    ((uri->parts & HSM_URI_SLOT) && uri->slot != slot))
		return err_set(err, ERR_CONFIG, "%s names a key of another token than %s", text, name->token);
	if (!(uri->parts & (HSM_URI_OBJECT | HSM_URI_ID)))
		return err_set(err, ERR_CONFIG, "%s names no key: it has neither object nor id", text);
	if ((uri->parts & HSM_URI_TYPE) && strcmp(uri->type, "private") != 0)
		return err_set(err, ERR_CONFIG, "%s names no private key: its type is %s", text, uri->type);
	return 0;
}

struct hsm_key *hsm_key_find(struct hsm_token *t, const char *uri, struct error *err)
{
	struct hsm_uri name;
	if (hsm_uri_parse(uri, &name, err) || check_token(t, &name, uri, err))
		return NULL;
	CK_OBJECT_HANDLE objects[2];
	int found = find_by_uri(t, &name, objects, err);
	if (found == 0)
		(void)err_set(err, ERR_NOT_FOUND, "token %s has no private key %s", t->name.token, uri);
	if (found > 1)
		(void)err_set(err, ERR_CONFIG, "several keys of token %s match %s: name one by its id", t->name.token,
			      uri);
	return found == 1 ? hsm_key_new(t, objects[0], err) : NULL;
}

int hsm_key_destroy_objects(struct hsm_token *t, struct bytes id, struct error *err)
{
	static const CK_OBJECT_CLASS classes[] = { CKO_PRIVATE_KEY, CKO_PUBLIC_KEY };
	for (size_t i = 0; i < 2; i++) {
		CK_OBJECT_HANDLE objects[2];
		int found = find_by_id(t, classes[i], id, objects, err);
		for (int n = 0; n < found; n++)
			hsm_object_destroy(t, objects[n]);
		int left = found < 0 ? -1 : find_by_id(t, classes[i], id, objects, err);
		if (left < 0)
			return -1;
		if (left > 0)
			return err_set(err, ERR_TOKEN_UNAVAILABLE, "token %s keeps the key: it does not destroy it",
				       t->name.token);
	}
	return 0;
}

int hsm_key_destroy(struct hsm_key *k, struct error *err)
{
	if (hsm_key_destroy_objects(k->token, buf_bytes(&k->id), err))
		return -1;
	log_info("token key destroyed", KV("key", k->uri));
	return 0;
}

void hsm_key_free(struct hsm_key *k)
{
	if (!k)
		return;
	pthread_mutex_destroy(&k->lock);
	buf_free(&k->id);
	buf_free(&k->spki);
	free(k->uri);
	free(k);
}

enum hsm_key_type hsm_key_type(const struct hsm_key *k)
{
	return k->type;
}

struct bytes hsm_key_spki(const struct hsm_key *k)
{
	return buf_bytes(&k->spki);
}

struct bytes hsm_key_id(const struct hsm_key *k)
{
	return buf_bytes(&k->id);
}

const char *hsm_key_uri(const struct hsm_key *k)
{
	return k->uri;
}

struct hsm_token *hsm_key_token(const struct hsm_key *k)
{
	return k->token;
}

/* ---- signing ---- */

/* Handles end with a login, or when the token was away. One thread looks for the key; those
 * that come with the same stale handle take what it found. */
static int find_again(struct hsm_key *k, CK_OBJECT_HANDLE stale, struct error *err)
{
	struct hsm_token *t = k->token;
	CK_OBJECT_HANDLE objects[2];
	pthread_mutex_lock(&k->lock);
	unsigned generation = atomic_load(&t->generation);
	bool found = atomic_load(&k->object) != stale && atomic_load(&k->generation) == generation;
	if (!found) {
		int count = find_by_id(t, CKO_PRIVATE_KEY, buf_bytes(&k->id), objects, err);
		found = count == 1;
		if (count == 0)
			(void)err_set(err, ERR_TOKEN_UNAVAILABLE, "token %s has the key %s no more", t->name.token,
				      k->uri);
		else if (count > 1)
			(void)err_set(err, ERR_TOKEN_UNAVAILABLE, "token %s has several keys of the id of %s",
				      t->name.token, k->uri);
		if (found) {
			atomic_store(&k->object, objects[0]);
			atomic_store(&k->generation, generation);
			log_info("token key found again", KV("key", k->uri));
		}
	}
	pthread_mutex_unlock(&k->lock);
	return found ? 0 : -1;
}

struct request {
	CK_MECHANISM mechanism;
	struct bytes input;
	uint8_t signature[SIGNATURE_MAX];
	CK_ULONG signature_len;
	CK_OBJECT_HANDLE object; /* that was tried */
	const char *call;        /* that gave rv */
	CK_RV rv;
};

static CK_RV sign_with(struct hsm_token *t, CK_SESSION_HANDLE session, struct request *r)
{
	r->signature_len = sizeof(r->signature);
	r->call = "C_SignInit";
	CK_RV rv = p11_call(t->fn, C_SignInit, session, &r->mechanism, r->object);
	if (rv != CKR_OK)
		return rv;
	r->call = "C_Sign";
	rv = p11_call(t->fn, C_Sign, session, (CK_BYTE_PTR)(uintptr_t)r->input.data, r->input.len, r->signature,
		      &r->signature_len);
	return rv == CKR_OK && r->signature_len > sizeof(r->signature) ? CKR_GENERAL_ERROR : rv;
}

/* A C_SignInit that was refused for its arguments or its key leaves nothing open in the session. */
static bool is_broken(const struct request *r)
{
	enum hsm_ckr_class class = hsm_ckr_class(r->rv);
	if (class == HSM_CKR_OK)
		return false;
	return strcmp(r->call, "C_SignInit") != 0 || (class != HSM_CKR_ARGUMENT && class != HSM_CKR_HANDLE);
}

/* One try, inside the module's gate: while it is held the token's handles stay what they are. */
static int try_to_sign(struct hsm_key *k, struct request *r, struct error *err)
{
	struct hsm_token *t = k->token;
	CK_SESSION_HANDLE session;
	r->rv = CKR_KEY_HANDLE_INVALID;
	r->call = "C_SignInit";
	r->object = CK_INVALID_HANDLE;
	if (atomic_load(&k->generation) != atomic_load(&t->generation))
		return 0;
	r->object = atomic_load(&k->object);
	if (hsm_pool_take(&t->pool, &session, err))
		return -1;
	r->rv = sign_with(t, session, r);
	hsm_pool_give(&t->pool, session, is_broken(r));
	return 0;
}

static int enter_and_try(struct hsm_key *k, struct request *r, struct error *err)
{
	pthread_rwlock_rdlock(&k->token->module->gate);
	int tried = try_to_sign(k, r, err);
	pthread_rwlock_unlock(&k->token->module->gate);
	if (tried)
		hsm_token_saw(k->token, CKR_SESSION_HANDLE_INVALID);
	return tried;
}

int hsm_key_sign_raw(struct hsm_key *k, unsigned long mechanism, const void *parameter, size_t parameter_len,
		     struct bytes input, struct buf *signature, struct error *err)
{
	struct hsm_token *t = k->token;
	struct request r;
	r.mechanism = (CK_MECHANISM){ mechanism, (void *)(uintptr_t)parameter, parameter_len };
	r.input = input;
	if (hsm_token_ready(t, err) || enter_and_try(k, &r, err))
		return -1;
	if (hsm_ckr_class(r.rv) == HSM_CKR_HANDLE) {
		struct error missing = ERR_INIT;
		if (find_again(k, r.object, &missing)) {
			hsm_token_saw(t, r.rv);
			*err = missing;
			return -1;
		}
		if (enter_and_try(k, &r, err))
			return -1;
	}
	hsm_token_saw(t, r.rv);
	if (r.rv != CKR_OK) {
		(void)hsm_ckr_error(err, r.call, r.rv);
		return err_wrap(err, ERR_TOKEN_UNAVAILABLE, "token %s does not sign: %s (0x%lx) to %s", t->name.token,
				hsm_ckr_name(r.rv), r.rv, r.call);
	}
	atomic_fetch_add_explicit(&t->signatures, 1, memory_order_relaxed);
	buf_add(signature, r.signature, r.signature_len);
	return signature->failed ? err_set(err, ERR_INTERNAL, "no memory for a signature") : 0;
}
