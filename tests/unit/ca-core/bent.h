/*
 * tests/unit/ca-core/bent.h - SoftHSM2 with answers that a test bends, in its own process or in
 * the signer's.
 *
 * The module's one function list is changed in place, so that nothing of hsm/ has to be opened
 * for it: whoever asks the module for its functions gets the bent ones. How they answer stands in
 * memory that is shared with every process forked later.
 */
#ifndef CHANCERY_TESTS_CA_BENT_H
#define CHANCERY_TESTS_CA_BENT_H

#include <p11-kit/pkcs11.h>
#include <stdatomic.h>

#include "tests/unit/unit.h"

enum bent_sign {
	BENT_SIGNS,
	BENT_HANGS,           /* C_Sign returns when bent_release lets it, and then signs */
	BENT_HANGS_ONCE,      /* bent_hang_once */
	BENT_SIGNS_AND_FAILS, /* C_Sign makes the signature and answers CKR_DEVICE_ERROR */
	BENT_GARBAGE,         /* C_Sign answers with octets of the right length */
	BENT_SHORT            /* C_Sign answers with a signature that lacks its last octet */
};

/* One token, known by its label. */
struct bent_token {
	atomic_int sign;       /* enum bent_sign */
	atomic_int init_fails; /* so many C_SignInit answer CKR_DEVICE_ERROR */
	atomic_bool away;      /* nothing of it is there: CKR_DEVICE_REMOVED, CKR_TOKEN_NOT_PRESENT */
	atomic_bool held;      /* the one call that is to hang alone */
	atomic_int hanging;    /* calls that hang now */
	atomic_int signatures, logins;
};

struct bent {
	struct bent_token issuing, second, others;
};
extern struct bent *bent;

/* Fresh memory, in which nothing is bent; before a fork. */
void bent_make(void);
/* From here on this process's module is the bent one. */
void bent_install(void);
/* It is the module's own again; before the test ends. */
void bent_remove(void);
/* The next C_Sign hangs, and no other. */
void bent_hang_once(struct bent_token *token);
/* Every call that hangs goes on, and those that come. */
void bent_release(struct bent_token *token);

#endif
