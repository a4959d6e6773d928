/*
 * hsm/admin.h - what tools do to tokens before anyone signs: SoftHSM2 directories,
 * initialization, PINs. Through libp11, in a process (or a time of it) in which no
 * hsm_module is open: libp11 initializes and finalizes the module itself.
 */
#ifndef CHANCERY_HSM_ADMIN_H
#define CHANCERY_HSM_ADMIN_H

#include "base/secret.h"
#include "hsm/token.h"

/* Where Debian and others put SoftHSM2's module; NULL where it is in none of them. Static. */
const char *hsm_admin_find_softhsm(void);

/* Writes directory/softhsm2.conf (objectstore file, tokendir below directory) and makes
 * directory/tokens, 0700; an existing configuration is left alone. The caller sets
 * SOFTHSM2_CONF for itself and passes it to the signer. ERR_IO. */
int hsm_admin_make_softhsm(const char *directory, struct error *err);

/* Initializes the first uninitialized token of the module: label, SO PIN, user PIN
 * (C_InitToken, C_InitPIN). ERR_CONFLICT where a token of that label exists,
 * ERR_NOT_FOUND where no uninitialized token is left. */
int hsm_admin_init_token(const char *module_path, const char *label, const struct secret *so_pin,
			 const struct secret *pin, struct error *err);

#endif
