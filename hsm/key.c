#include "hsm/key.h"

#include <stdio.h>

#include "base/log.h"
#include "hsm/private.h"
#include "hsm/spki.h"

#define ATTRIBUTE_MAX 1024 /* octets of a public attribute: a modulus of 8192 bits */

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
static struct bytes read_public(struct hsm_token *t, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, struct buf *out)
{
	struct error ignored = ERR_INIT; /* hsm_spki_from_attributes says what is missing */
	(void)hsm_object_bytes(t, object, type, ATTRIBUTE_MAX, out, &ignored);
	return buf_bytes(out);
}

struct public_half {
	enum hsm_key_type type;
	struct buf spki;
};

static int public_half_of(struct hsm_token *t, CK_OBJECT_HANDLE object, CK_KEY_TYPE type, struct public_half *out,
			  struct error *err)
{
	auto_buf first = BUF_INIT, second = BUF_INIT;
	struct hsm_public_attributes a = { .type = type };
	if (type == CKK_RSA) {
		a.modulus = read_public(t, object, CKA_MODULUS, &first);
		a.exponent = read_public(t, object, CKA_PUBLIC_EXPONENT, &second);
	} else {
		a.ec_params = read_public(t, object, CKA_EC_PARAMS, &first);
		a.ec_point = read_public(t, object, CKA_EC_POINT, &second);
	}
	return hsm_spki_from_attributes(&a, &out->type, &out->spki, err);
}

/* From the public key object of the same id, or else from the private object itself. */
static int read_public_half(struct hsm_token *t, CK_OBJECT_HANDLE private_object, struct bytes id,
			    struct public_half *out, struct error *err)
{
	CK_KEY_TYPE type;
	if (hsm_object_number(t, private_object, CKA_KEY_TYPE, &type, err))
		return -1;
	CK_OBJECT_HANDLE public_objects[2];
	int found = find_by_id(t, CKO_PUBLIC_KEY, id, public_objects, err);
	if (found < 0)
		return -1;
	if (found > 1)
		return err_set(err, ERR_CONFIG, "several public keys in the token have the CKA_ID of this key");
	return public_half_of(t, found == 1 ? public_objects[0] : private_object, type, out, err);
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
	struct public_half half = { .spki = BUF_INIT };
	if (read_names(k, object, err))
		return -1;
	int read = read_public_half(k->token, object, buf_bytes(&k->id), &half, err);
	k->type = half.type;
	k->spki = half.spki;
	if (read)
		return -1;
	if (hsm_object_flag(k->token, object, CKA_SIGN) == 0)
		return err_set(err, ERR_CONFIG, "the key %s may not sign (CKA_SIGN is false)", k->uri);
	if (hsm_object_flag(k->token, object, CKA_EXTRACTABLE) == 1 ||
	    hsm_object_flag(k->token, object, CKA_SENSITIVE) == 0)
		log_warn("token key is not guarded: it is extractable or not sensitive", KV("key", k->uri));
	return 0;
}

static void discard(struct hsm_key *k)
{
	pthread_mutex_destroy(&k->lock);
	buf_free(&k->id);
	buf_free(&k->spki);
	free(k->uri);
	free(k);
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
		discard(k);
		return NULL;
	}
	/* Only now may a recovery look for it, by what it is; one that came before shows by the generation. */
	pthread_mutex_lock(&t->keys_lock);
	k->next = t->keys;
	t->keys = k;
	pthread_mutex_unlock(&t->keys_lock);
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
	pthread_mutex_lock(&k->token->keys_lock);
	struct hsm_key **at = &k->token->keys;
	while (*at != k)
		at = &(*at)->next;
	*at = k->next;
	pthread_mutex_unlock(&k->token->keys_lock);
	discard(k);
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

/* ---- finding again ---- */

/* The object that is the key now, held against what it was. 1: it is; 0: there is none, or
 * another; -1: the token fails. */
static int find_same(struct hsm_key *k, CK_OBJECT_HANDLE *object, struct error *err)
{
	struct hsm_token *t = k->token;
	CK_OBJECT_HANDLE objects[2];
	auto_buf spki = BUF_INIT;
	int count = find_by_id(t, CKO_PRIVATE_KEY, buf_bytes(&k->id), objects, err);
	if (count < 0)
		return -1;
	if (count != 1) {
		(void)err_set(err, ERR_TOKEN_UNAVAILABLE,
			      count ? "token %s has several keys of the id of %s" : "token %s has the key %s no more",
			      t->name.token, k->uri);
		return 0;
	}
	struct public_half half = { .spki = BUF_INIT };
	int read = read_public_half(t, objects[0], buf_bytes(&k->id), &half, err);
	spki = half.spki;
	if (read)
		return err->code == ERR_TOKEN_UNAVAILABLE ? -1 : 0;
	if (half.type != k->type || !bytes_equal(buf_bytes(&spki), buf_bytes(&k->spki))) {
		(void)err_set(err, ERR_TOKEN_UNAVAILABLE, "token %s has another key in the place of %s", t->name.token,
			      k->uri);
		return 0;
	}
	*object = objects[0];
	return 1;
}

/* With the key's lock. As find_same. */
static int renew(struct hsm_key *k, struct error *err)
{
	unsigned generation = atomic_load(&k->token->generation);
	CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
	int found = find_same(k, &object, err);
	if (found < 0)
		return -1;
	atomic_store(&k->object, object);
	atomic_store(&k->generation, generation);
	if (found)
		log_info("token key found again", KV("key", k->uri));
	else
		log_err(LOG_LEVEL_ERROR, "token key lost", err);
	if (!found)
		atomic_store(&k->token->lacks_keys, true);
	return found;
}

int hsm_key_find_again(struct hsm_key *k, CK_OBJECT_HANDLE stale, struct error *err)
{
	pthread_mutex_lock(&k->lock);
	bool fresh = atomic_load(&k->object) != stale && atomic_load(&k->object) != CK_INVALID_HANDLE &&
		     atomic_load(&k->generation) == atomic_load(&k->token->generation);
	int found = fresh ? 1 : renew(k, err);
	pthread_mutex_unlock(&k->lock);
	return found == 1 ? 0 : -1;
}

int hsm_keys_find_again(struct hsm_token *t, struct error *err)
{
	int missing = 0;
	atomic_store(&t->lacks_keys, false);
	pthread_mutex_lock(&t->keys_lock);
	for (struct hsm_key *k = t->keys; k && missing >= 0; k = k->next) {
		pthread_mutex_lock(&k->lock);
		bool fresh = atomic_load(&k->object) != CK_INVALID_HANDLE &&
			     atomic_load(&k->generation) == atomic_load(&t->generation);
		int found = fresh ? 1 : renew(k, err);
		pthread_mutex_unlock(&k->lock);
		missing = found < 0 ? -1 : missing + !found;
	}
	if (missing < 0)
		atomic_store(&t->lacks_keys, true); /* nobody has looked for those behind it */
	pthread_mutex_unlock(&t->keys_lock);
	return missing;
}

bool hsm_key_is_there(const struct hsm_key *k)
{
	return atomic_load(&k->object) != CK_INVALID_HANDLE;
}
