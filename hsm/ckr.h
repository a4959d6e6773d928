/*
 * hsm/ckr.h - what a PKCS#11 return value (CK_RV) means to us: one row for each value, with
 * what is done about it, and why. docs/token-answers.md is the same table for people.
 *
 * Source: PKCS#11 v2.40 section 5.1.6 (return values). Thread-safety: pure functions.
 */
#ifndef CHANCERY_HSM_CKR_H
#define CHANCERY_HSM_CKR_H

#include <p11-kit/pkcs11.h>

#include "base/err.h"

/* From gentle to hard. */
enum hsm_ckr_class {
	HSM_CKR_OK,
	HSM_CKR_ARGUMENT, /* this call cannot be done by this token or key; the token is well */
	HSM_CKR_RETRY,    /* not at this moment, or not in this session: another is tried once */
	HSM_CKR_HANDLE,   /* the object's handle is not valid any more: look for the object again */
	HSM_CKR_SESSION,  /* the session is of no further use: another is tried once */
	HSM_CKR_LOGIN,    /* the login is gone: log in again, then another try */
	HSM_CKR_PIN,      /* the PIN was refused, or is locked: never try it again */
	HSM_CKR_TOKEN,    /* something failed: ask the token how it is; its answer decides */
	HSM_CKR_MODULE,   /* the module is of no use until C_Finalize and C_Initialize */
	HSM_CKR_AWAY,     /* the token is not there: give up, and wait for it */
};

struct hsm_ckr {
	CK_RV rv;
	const char *name;
	enum hsm_ckr_class class;
	bool perhaps_signed; /* a C_Sign that answers so may have made its signature */
	const char *why;
};

/* The row of rv; for what v2.40 does not name, that of all unknown values. Static. */
const struct hsm_ckr *hsm_ckr(CK_RV rv);
/* The table in its order; NULL behind its end. */
const struct hsm_ckr *hsm_ckr_row(size_t place);

/* "CKR_PIN_INCORRECT"; "CKR_VENDOR_DEFINED" or "CKR_?" for what v2.40 does not name. Static. */
const char *hsm_ckr_name(CK_RV rv);
enum hsm_ckr_class hsm_ckr_class(CK_RV rv);
/* "find the key again": what is done, in the words of docs/token-answers.md. Static. */
const char *hsm_ckr_class_name(enum hsm_ckr_class class);

/* Fills err: ERR_PIN_REFUSED for HSM_CKR_PIN, otherwise ERR_TOKEN_UNAVAILABLE; the message
 * has the call's name ("C_Sign") and the return value's name and number. Returns -1. */
int hsm_ckr_error(struct error *err, const char *call, CK_RV rv);

#endif
