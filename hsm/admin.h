/*
 * hsm/admin.h - what tools do to tokens before anyone signs: SoftHSM2 directories,
 * initialization, PINs. In a process (or a time of it) in which no hsm_module is open: these
 * functions, and libp11 behind some, initialize and finalize the module themselves.
 */
#ifndef CHANCERY_HSM_ADMIN_H
#define CHANCERY_HSM_ADMIN_H

#include "base/secret.h"
#include "hsm/token.h"
#include "hsm/uri.h"

/* Where Debian and others put SoftHSM2's module; NULL where it is in none of them. Static. */
const char *hsm_admin_find_softhsm(void);

/* Writes directory/softhsm2.conf (objectstore file, tokendir below directory) and makes
 * directory/tokens, 0700; an existing configuration is left alone. The caller sets
 * SOFTHSM2_CONF for itself and passes it to the signer. ERR_IO. */
int hsm_admin_make_softhsm(const char *directory, struct error *err);

/* Fills out with the first uninitialized token that name fits: its slot, serial, manufacturer
 * and model, as far as name gives them; the label is what it will get. ERR_CONFLICT where a
 * token of that label exists, ERR_NOT_FOUND where no such token is left. */
int hsm_admin_find_uninitialized(const char *module_path, const struct hsm_uri *name, struct hsm_token_info *out,
				 struct error *err);

/* Initializes the token that hsm_admin_find_uninitialized gives: label, SO PIN, user PIN
 * (C_InitToken, C_InitPIN). The same errors; ERR_CONFIG for a label or PIN that cannot be set. */
int hsm_admin_init_named(const char *module_path, const struct hsm_uri *name, const struct secret *so_pin,
			 const struct secret *pin, struct error *err);
/* The same for any uninitialized token of the module. */
int hsm_admin_init_token(const char *module_path, const char *label, const struct secret *so_pin,
			 const struct secret *pin, struct error *err);

/* Facts of the one initialized token that uri names. Errors as hsm_token_open without a PIN. */
int hsm_admin_token_info(const char *module_path, const char *uri, struct hsm_token_info *out, struct error *err);

/* Which PIN the token has after an attempt to change it. Unknown: the call failed in a way that
 * leaves it open, and the token may have either. */
enum hsm_pin_outcome { HSM_PIN_UNCHANGED, HSM_PIN_CHANGED, HSM_PIN_UNKNOWN };

/* Changes the user PIN (C_SetPIN) in one attempt with the present one. *outcome is set on any
 * return. ERR_PIN_REFUSED: the present PIN was refused, or is not tried because it is locked or one
 * try from it. ERR_CONFIG: the token does not take the new one. ERR_TOKEN_UNAVAILABLE. */
int hsm_admin_change_pin(const char *module_path, const char *uri, const struct secret *pin,
			 const struct secret *new_pin, enum hsm_pin_outcome *outcome, struct error *err);

/* One login: whether this is the user PIN. -1 where the token does not say: ERR_PIN_REFUSED where it
 * is locked or one try from it (and then it was not tried), ERR_TOKEN_UNAVAILABLE. */
int hsm_admin_try_pin(const char *module_path, const char *uri, const struct secret *pin, bool *accepted,
		      struct error *err);

/* The same two for the SO PIN (C_Login as the security officer, then C_SetPIN). */
int hsm_admin_change_so_pin(const char *module_path, const char *uri, const struct secret *pin,
			    const struct secret *new_pin, enum hsm_pin_outcome *outcome, struct error *err);
int hsm_admin_try_so_pin(const char *module_path, const char *uri, const struct secret *pin, bool *accepted,
			 struct error *err);

#endif
