/*
 * tests/bench/support/raw.h - the token without us: C_SignInit and C_Sign on a session of each
 * thread's own, straight into the module's function list.
 *
 * It shares the module, its C_Initialize and the login with a struct hsm_token of the same
 * process, which must be open before and stay so; of hsm/ it knows nothing.
 */
#ifndef CHANCERY_TESTS_BENCH_SUPPORT_RAW_H
#define CHANCERY_TESTS_BENCH_SUPPORT_RAW_H

#include <p11-kit/pkcs11.h>

#include "base/bytes.h"
#include "tests/bench/support/crew.h"

struct raw_token {
	void *object; /* of dlopen */
	CK_FUNCTION_LIST_PTR fn;
	CK_SESSION_HANDLE sessions[CREW_MAX];
	size_t count;
};

/* Sessions with the token of this label in the module at path. */
int raw_open(struct raw_token *r, const char *path, const char *label, struct error *err);
void raw_close(struct raw_token *r);

/* The token's own private key of this CKA_ID. */
int raw_find(struct raw_token *r, struct bytes id, CK_OBJECT_HANDLE *object, struct error *err);

/* One signature on the session of this number. */
int raw_sign(struct raw_token *r, size_t number, CK_MECHANISM_TYPE mechanism, CK_OBJECT_HANDLE object,
	     struct bytes input, struct error *err);

#endif
