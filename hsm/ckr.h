/*
 * hsm/ckr.h - what a PKCS#11 return value (CK_RV) means to us.
 *
 * Source: PKCS#11 v2.40 section 5.1.6 (return values). Thread-safety: pure functions.
 */
#ifndef CHANCERY_HSM_CKR_H
#define CHANCERY_HSM_CKR_H

#include <p11-kit/pkcs11.h>

#include "base/err.h"

/* "CKR_PIN_INCORRECT"; "CKR_VENDOR_DEFINED" or "CKR_?" for what v2.40 does not name. Static. */
const char *hsm_ckr_name(CK_RV rv);

enum hsm_ckr_class {
	HSM_CKR_OK,
	HSM_CKR_ARGUMENT, /* this call cannot be done by this token or key; the token is well */
	HSM_CKR_HANDLE,   /* the object's handle is not valid any more: look for the object again */
	HSM_CKR_SESSION,  /* the session is of no further use */
	HSM_CKR_LOGIN,    /* the login is gone */
	HSM_CKR_PIN,      /* the PIN was refused, or is locked: never try it again */
	HSM_CKR_TOKEN,    /* token, device or module failed */
};
enum hsm_ckr_class hsm_ckr_class(CK_RV rv);

/* Fills err: ERR_PIN_REFUSED for HSM_CKR_PIN, otherwise ERR_TOKEN_UNAVAILABLE; the message
 * has the call's name ("C_Sign") and the return value's name and number. Returns -1. */
int hsm_ckr_error(struct error *err, const char *call, CK_RV rv);

#endif
