#include "hsm/admin.h"

#include <libp11.h>
#include <openssl/err.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/log.h"
#include "base/ossl.h"

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

static PKCS11_SLOT *choose(const struct slots *s, const char *label, struct error *err)
{
	PKCS11_SLOT *fresh = NULL;
	for (unsigned i = 0; i < s->count; i++) {
		PKCS11_TOKEN *token = s->list[i].token;
		if (token && token->initialized && token->label && strcmp(token->label, label) == 0) {
			(void)err_set(err, ERR_CONFLICT, "the module has a token with the label %s already", label);
			return NULL;
		}
		if (token && !token->initialized && !fresh)
			fresh = &s->list[i];
	}
	if (!fresh)
		(void)err_set(err, ERR_NOT_FOUND, "the module has no uninitialized token left");
	return fresh;
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

int hsm_admin_init_token(const char *module_path, const char *label, const struct secret *so_pin,
			 const struct secret *pin, struct error *err)
{
	size_t len = strlen(label);
	if (len == 0 || len >= HSM_LABEL_SIZE || label[len - 1] == ' ')
		return err_set(err, ERR_CONFIG, "the label of a token has 1 to %d octets and no blank at its end",
			       HSM_LABEL_SIZE - 1);
	if (check_pin(so_pin, "SO PIN", err) || check_pin(pin, "PIN", err))
		return -1;
	ERR_clear_error();
	CLEANUP(p11_context_cleanup) PKCS11_CTX *context = PKCS11_CTX_new();
	CLEANUP(slots_release) struct slots slots = { 0 };
	if (!context)
		return err_openssl(err, ERR_INTERNAL, "libp11 does not start");
	if (slots_load(&slots, context, module_path, err))
		return -1;
	PKCS11_SLOT *slot = choose(&slots, label, err);
	if (!slot ||
	    initialize(slot, label, (const char *)secret_bytes(so_pin).data, (const char *)secret_bytes(pin).data, err))
		return -1;
	log_info("token initialized", KV("token", label));
	return 0;
}
