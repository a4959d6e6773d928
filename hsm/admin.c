#include "hsm/admin.h"

#include <libp11.h>
#include <openssl/err.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/log.h"
#include "base/ossl.h"
#include "hsm/private.h"

const char *hsm_admin_find_softhsm(void)
{
	static const char *const places[] = {
		"/usr/lib/softhsm/libsofthsm2.so",
		"/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
		"/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
		"/usr/lib64/softhsm/libsofthsm2.so",
		"/usr/lib64/pkcs11/libsofthsm2.so",
		"/usr/local/lib/softhsm/libsofthsm2.so",
	};
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (file_exists(places[i]))
			return places[i];
	}
	return NULL;
}

int hsm_admin_make_softhsm(const char *directory, struct error *err)
{
	if (strpbrk(directory, "\r\n#"))
		return err_set(err, ERR_IO, "the name of a SoftHSM2 directory has neither line breaks nor '#'");
	auto_free char *configuration = file_join(directory, "softhsm2.conf");
	auto_free char *tokens = file_join(directory, "tokens");
	if (!configuration || !tokens)
		return err_set(err, ERR_INTERNAL, "no memory for a path");
	if (file_make_dir(directory, 0700, err) || file_make_dir(tokens, 0700, err))
		return -1;
	if (file_exists(configuration))
		return 0;
	auto_buf text = BUF_INIT;
	buf_printf(
		&text,
		"directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n",
		tokens);
	if (text.failed)
		return err_set(err, ERR_INTERNAL, "no memory for a configuration");
	return file_create(configuration, buf_bytes(&text), 0600, err);
}

/* ---- which token may be initialized ---- */

#define TOKENS_MAX 256
#define BAD_LABEL "the label of a token has 1 to %d octets and no blank at its end"

static int check_label(const struct hsm_uri *name, struct error *err)
{
	size_t len = name->parts & HSM_URI_TOKEN ? strlen(name->token) : 0;
	if (len == 0 || name->token[len - 1] == ' ')
		return err_set(err, ERR_CONFIG, BAD_LABEL, HSM_LABEL_SIZE - 1);
	return 0;
}

static int choose(const struct hsm_token_info *all, size_t count, const struct hsm_uri *name,
		  struct hsm_token_info *out, struct error *err)
{
	bool found = false;
	struct hsm_uri place = *name;
	place.parts &= ~(unsigned)HSM_URI_TOKEN; /* it has no label yet */
	for (size_t i = 0; i < count; i++) {
		if (all[i].initialized && strcmp(all[i].label, name->token) == 0)
			return err_set(err, ERR_CONFLICT, "the module has a token with the label %s already%s",
				       name->token,
				       all[i].pin_set
					       ? ""
					       : ", whose user PIN was never set: set it as its security officer, "
						 "with the token's own tool");
		if (!all[i].initialized && !found && hsm_token_matches(&place, &all[i])) {
			*out = all[i];
			found = true;
		}
	}
	return found ? 0 : err_set(err, ERR_NOT_FOUND, "the module has no uninitialized token left that fits");
}

int hsm_admin_find_uninitialized(const char *module_path, const struct hsm_uri *name, struct hsm_token_info *out,
				 struct error *err)
{
	auto_free struct hsm_token_info *all = calloc(TOKENS_MAX, sizeof(*all));
	if (!all)
		return err_set(err, ERR_INTERNAL, "no memory for the list of tokens");
	auto_hsm_module *module = check_label(name, err) ? NULL : hsm_module_open(module_path, err);
	int count = module ? hsm_module_tokens(module, all, TOKENS_MAX, err) : -1;
	return count < 0 ? -1 : choose(all, count < TOKENS_MAX ? (size_t)count : TOKENS_MAX, name, out, err);
}

/* ---- initialization, by libp11 ---- */

static void free_context(PKCS11_CTX *context)
{
	PKCS11_CTX_free(context);
}
CLEANUP_POINTER(p11_context, PKCS11_CTX, free_context)

struct slots {
	PKCS11_CTX *context; /* loaded, or NULL */
	PKCS11_SLOT *list;
	unsigned count;
};

/* Slots before the unloading: libp11 follows pointers from one to the other. */
static void slots_release(struct slots *s)
{
	if (s->list)
		PKCS11_release_all_slots(s->context, s->list, s->count);
	if (s->context)
		PKCS11_CTX_unload(s->context);
	s->list = NULL;
	s->context = NULL;
}

static int slots_load(struct slots *s, PKCS11_CTX *context, const char *module_path, struct error *err)
{
	if (PKCS11_CTX_load(context, module_path) != 0)
		return err_openssl(err, ERR_TOKEN_UNAVAILABLE, "cannot load the PKCS#11 module %s", module_path);
	s->context = context;
	if (PKCS11_enumerate_slots(context, &s->list, &s->count) != 0)
		return err_openssl(err, ERR_TOKEN_UNAVAILABLE, "the PKCS#11 module %s does not list its slots",
				   module_path);
	return 0;
}

static PKCS11_SLOT *slot_of(const struct slots *s, unsigned long id, struct error *err)
{
	for (unsigned i = 0; i < s->count; i++) {
		const PKCS11_TOKEN *token = s->list[i].token;
		if (token && !token->initialized && PKCS11_get_slotid_from_slot(&s->list[i]) == id)
			return &s->list[i];
	}
	(void)err_set(err, ERR_CONFLICT, "the uninitialized token in slot %lu was there a moment ago and is gone", id);
	return NULL;
}

static int initialize(PKCS11_SLOT *slot, const char *label, const char *so_pin, const char *pin, struct error *err)
{
	/* C_InitToken takes 32 characters, padded with blanks; libp11 hands on what it gets. */
	char padded[HSM_LABEL_SIZE];
	(void)snprintf(padded, sizeof(padded), "%-32s", label);
	if (PKCS11_init_token(slot->token, so_pin, padded) != 0)
		return err_openssl(err, ERR_TOKEN_UNAVAILABLE, "cannot initialize token %s", label);
	if (PKCS11_open_session(slot, 1) != 0 || PKCS11_login(slot, 1, so_pin) != 0)
		return err_openssl(err, ERR_TOKEN_UNAVAILABLE,
				   "cannot log in to the new token %s as its security officer", label);
	if (PKCS11_init_pin(slot->token, pin) != 0)
		return err_openssl(err, ERR_TOKEN_UNAVAILABLE, "cannot set the PIN of the new token %s", label);
	(void)PKCS11_logout(slot);
	return 0;
}

/* libp11 takes PINs as strings. */
static int check_pin(const struct secret *pin, const char *what, struct error *err)
{
	struct bytes b = secret_bytes(pin);
	if (b.len == 0 || memchr(b.data, '\0', b.len))
		return err_set(err, ERR_CONFIG, "the %s is empty or has a NUL in it", what);
	return 0;
}

static int init_slot(const char *module_path, unsigned long id, const char *label, const struct secret *so_pin,
		     const struct secret *pin, struct error *err)
{
	ERR_clear_error();
	CLEANUP(p11_context_cleanup) PKCS11_CTX *context = PKCS11_CTX_new();
	CLEANUP(slots_release) struct slots slots = { 0 };
	if (!context)
		return err_openssl(err, ERR_INTERNAL, "libp11 does not start");
	if (slots_load(&slots, context, module_path, err))
		return -1;
	PKCS11_SLOT *slot = slot_of(&slots, id, err);
	if (!slot ||
	    initialize(slot, label, (const char *)secret_bytes(so_pin).data, (const char *)secret_bytes(pin).data, err))
		return -1;
	log_info("token initialized", KV("token", label));
	return 0;
}

int hsm_admin_init_named(const char *module_path, const struct hsm_uri *name, const struct secret *so_pin,
			 const struct secret *pin, struct error *err)
{
	struct hsm_token_info info;
	if (check_label(name, err) || check_pin(so_pin, "SO PIN", err) || check_pin(pin, "PIN", err) ||
	    hsm_admin_find_uninitialized(module_path, name, &info, err))
		return -1;
	return init_slot(module_path, info.slot, name->token, so_pin, pin, err);
}

int hsm_admin_init_token(const char *module_path, const char *label, const struct secret *so_pin,
			 const struct secret *pin, struct error *err)
{
	struct hsm_uri name = { .parts = HSM_URI_TOKEN };
	if (strlen(label) >= sizeof(name.token))
		return err_set(err, ERR_CONFIG, BAD_LABEL, HSM_LABEL_SIZE - 1);
	(void)snprintf(name.token, sizeof(name.token), "%s", label);
	return hsm_admin_init_named(module_path, &name, so_pin, pin, err);
}

/* ---- PINs, by the module's own calls: libp11 says neither what was refused nor whether it was tried ---- */

struct session {
	struct hsm_module *module;
	struct hsm_token *token; /* not logged in */
};

static void session_end(struct session *s)
{
	hsm_token_close(s->token);
	hsm_module_close(s->module);
}

static int session_begin(struct session *s, const char *module_path, const char *uri, struct hsm_token_info *info,
			 struct error *err)
{
	s->module = hsm_module_open(module_path, err);
	s->token = s->module ? hsm_token_open(s->module, uri, NULL, 1, err) : NULL;
	if (!s->token)
		return -1;
	auto_free struct hsm_token_info *all = calloc(TOKENS_MAX, sizeof(*all));
	int count = all ? hsm_module_tokens(s->module, all, TOKENS_MAX, err)
			: err_set(err, ERR_INTERNAL, "no memory for the list of tokens");
	for (int i = 0; i < count && i < TOKENS_MAX; i++) {
		if (all[i].slot == s->token->slot) {
			*info = all[i];
			return 0;
		}
	}
	return count < 0 ? -1 : err_set(err, ERR_TOKEN_UNAVAILABLE, "there is no such token any more");
}

int hsm_admin_token_info(const char *module_path, const char *uri, struct hsm_token_info *out, struct error *err)
{
	CLEANUP(session_end) struct session s = { 0 };
	return session_begin(&s, module_path, uri, out, err);
}

/* What a PIN is called. */
static const char *pin_name(CK_USER_TYPE user)
{
	return user == CKU_SO ? "SO PIN" : "PIN";
}

/* Locked, or one try from it: a PIN that may be wrong is not tried. */
static int check_tries(const struct hsm_token_info *info, CK_USER_TYPE user, struct error *err)
{
	bool locked = user == CKU_SO ? info->so_pin_locked : info->pin_locked;
	bool final_try = user == CKU_SO ? info->so_pin_final_try : info->pin_final_try;
	if (!locked && !final_try)
		return 0;
	return err_set(err, ERR_PIN_REFUSED, "the %s of token %s %s", pin_name(user), info->label,
		       locked ? "is locked"
			      : "has one try left before it locks, and is not tried; log in once by hand with "
				"the right one");
}

static CK_RV login(struct hsm_token *t, CK_USER_TYPE user, struct bytes pin)
{
	return p11_call(t->fn, C_Login, t->anchor, user, (CK_UTF8CHAR_PTR)(uintptr_t)pin.data, pin.len);
}

/* The module's call and what it answered. */
static CK_RV call_set_pin(struct hsm_token *t, struct bytes pin, struct bytes new_pin)
{
	CK_UTF8CHAR_PTR old_data = (CK_UTF8CHAR_PTR)(uintptr_t)pin.data;
	CK_UTF8CHAR_PTR new_data = (CK_UTF8CHAR_PTR)(uintptr_t)new_pin.data;
	return p11_call(t->fn, C_SetPIN, t->anchor, old_data, pin.len, new_data, new_pin.len);
}

/* *asked: the token was asked to change it, and did not only refuse a login. */
static CK_RV set_pin(struct hsm_token *t, CK_USER_TYPE user, struct bytes pin, struct bytes new_pin, bool *asked)
{
	*asked = user == CKU_USER;
	CK_RV rv = *asked ? call_set_pin(t, pin, new_pin) : CKR_USER_NOT_LOGGED_IN;
	if (rv != CKR_USER_NOT_LOGGED_IN)
		return rv;
	/* PKCS#11 v2.40 section 5.6 changes the user PIN without login; where a token does not, and for the SO PIN, a
	 * login is its one attempt. */
	rv = login(t, user, pin);
	*asked = *asked || rv == CKR_OK;
	return rv == CKR_OK ? call_set_pin(t, pin, new_pin) : rv;
}

static int change_pin(struct hsm_token *t, CK_USER_TYPE user, const struct secret *pin, const struct secret *new_pin,
		      enum hsm_pin_outcome *outcome, struct error *err)
{
	bool asked = false;
	hsm_token_lock(t);
	CK_RV rv = set_pin(t, user, secret_bytes(pin), secret_bytes(new_pin), &asked);
	hsm_token_unlock(t);
	enum hsm_ckr_class class = hsm_ckr_class(rv);
	bool refused = !asked || class == HSM_CKR_PIN || class == HSM_CKR_ARGUMENT || class == HSM_CKR_LOGIN;
	*outcome = class == HSM_CKR_OK ? HSM_PIN_CHANGED : refused ? HSM_PIN_UNCHANGED : HSM_PIN_UNKNOWN;
	if (rv == CKR_OK)
		return 0;
	(void)hsm_ckr_error(err, "C_SetPIN", rv);
	if (rv == CKR_PIN_LEN_RANGE || rv == CKR_PIN_INVALID)
		return err_wrap(err, ERR_CONFIG, "token %s does not take the new %s (%s); its %s is as before",
				hsm_token_label(t), pin_name(user), hsm_ckr_name(rv), pin_name(user));
	if (class == HSM_CKR_PIN)
		return err_wrap(err, ERR_PIN_REFUSED, "token %s refused the present %s (%s); it was tried once",
				hsm_token_label(t), pin_name(user), hsm_ckr_name(rv));
	return err_wrap(err, ERR_TOKEN_UNAVAILABLE, "token %s does not change its %s: %s", hsm_token_label(t),
			pin_name(user), hsm_ckr_name(rv));
}

int hsm_token_change_pin(struct hsm_token *t, const struct secret *pin, const struct secret *new_pin,
			 enum hsm_pin_outcome *outcome, struct error *err)
{
	return change_pin(t, CKU_USER, pin, new_pin, outcome, err);
}

static int change_in_session(const char *module_path, const char *uri, CK_USER_TYPE user, const struct secret *pin,
			     const struct secret *new_pin, enum hsm_pin_outcome *outcome, struct error *err)
{
	struct hsm_token_info info;
	CLEANUP(session_end) struct session s = { 0 };
	*outcome = HSM_PIN_UNCHANGED;
	if (session_begin(&s, module_path, uri, &info, err) || check_tries(&info, user, err))
		return -1;
	return change_pin(s.token, user, pin, new_pin, outcome, err);
}

int hsm_admin_change_pin(const char *module_path, const char *uri, const struct secret *pin,
			 const struct secret *new_pin, enum hsm_pin_outcome *outcome, struct error *err)
{
	return change_in_session(module_path, uri, CKU_USER, pin, new_pin, outcome, err);
}

int hsm_admin_change_so_pin(const char *module_path, const char *uri, const struct secret *pin,
			    const struct secret *new_pin, enum hsm_pin_outcome *outcome, struct error *err)
{
	return change_in_session(module_path, uri, CKU_SO, pin, new_pin, outcome, err);
}

static int try_pin(struct hsm_token *t, CK_USER_TYPE user, const struct secret *pin, bool *accepted, struct error *err)
{
	hsm_token_lock(t);
	CK_RV rv = login(t, user, secret_bytes(pin));
	hsm_token_unlock(t);
	*accepted = rv == CKR_OK;
	/* A locked or expired PIN may be the right one. */
	if (rv == CKR_OK || rv == CKR_PIN_INCORRECT || rv == CKR_PIN_INVALID || rv == CKR_PIN_LEN_RANGE)
		return 0;
	(void)hsm_ckr_error(err, "C_Login", rv);
	enum err_code code = hsm_ckr_class(rv) == HSM_CKR_PIN ? ERR_PIN_REFUSED : ERR_TOKEN_UNAVAILABLE;
	return err_wrap(err, code, "token %s does not say whether the %s is right: %s", hsm_token_label(t),
			pin_name(user), hsm_ckr_name(rv));
}

int hsm_token_try_pin(struct hsm_token *t, const struct secret *pin, bool *accepted, struct error *err)
{
	return try_pin(t, CKU_USER, pin, accepted, err);
}

static int try_in_session(const char *module_path, const char *uri, CK_USER_TYPE user, const struct secret *pin,
			  bool *accepted, struct error *err)
{
	struct hsm_token_info info;
	CLEANUP(session_end) struct session s = { 0 };
	*accepted = false;
	if (session_begin(&s, module_path, uri, &info, err) || check_tries(&info, user, err))
		return -1;
	return try_pin(s.token, user, pin, accepted, err);
}

int hsm_admin_try_pin(const char *module_path, const char *uri, const struct secret *pin, bool *accepted,
		      struct error *err)
{
	return try_in_session(module_path, uri, CKU_USER, pin, accepted, err);
}

int hsm_admin_try_so_pin(const char *module_path, const char *uri, const struct secret *pin, bool *accepted,
			 struct error *err)
{
	return try_in_session(module_path, uri, CKU_SO, pin, accepted, err);
}
