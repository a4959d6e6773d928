/*
 * A SoftHSM2 token of its own for each test, and a module whose answers can be bent.
 */
#ifndef CHANCERY_TESTS_UNIT_HSM_FIXTURE_H
#define CHANCERY_TESTS_UNIT_HSM_FIXTURE_H

#include "hsm/admin.h"
#include "hsm/private.h"
#include "hsm/provider.h"
#include "tests/unit/unit.h"

#define FIXTURE_PIN "a PIN of the tests"
#define FIXTURE_SO_PIN "the officer's PIN"

struct fixture {
	struct hsm_module *module;
	struct hsm_token *token;
	struct hsm_provider *provider;
};

/* Module, token "unit" logged in with 4 sessions, provider. */
struct fixture fixture_open(void);
void fixture_close(struct fixture *f);
/* The token's directory on disk. */
const char *fixture_tokens(void);
/* Configures and initializes the token without opening it. */
void fixture_prepare(void);
struct secret *fixture_pin(const char *text);

/* hsm_key_generate, which must succeed. */
struct hsm_key *fixture_key(struct fixture *f, enum hsm_key_type type);

/* A function list over the module's own; the tests replace what they bend. */
struct bent {
	CK_FUNCTION_LIST list;
	CK_FUNCTION_LIST_PTR real;
};
extern struct bent bent;
/* From here on the module, with no token of it open, calls bent.list, which begins as a copy of its own. */
void fixture_bend_module(struct hsm_module *m);
/* From here on module and token call bent.list, which begins as a copy of the module's. */
void fixture_bend(struct hsm_module *m, struct hsm_token *t);

#endif
