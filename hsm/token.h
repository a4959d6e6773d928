/*
 * hsm/token.h - a PKCS#11 module, a token in it, and a pool of logged-in sessions.
 *
 * The running signer calls the module's own function list (PKCS#11 v2.40 section
 * 5.1, C_GetFunctionList) over raw sessions. hsm/module.c alone calls C_Initialize
 * (CKF_OS_LOCKING_OK) and C_Finalize. A module is opened after the last fork and
 * closed in an orderly stop, never by exit handlers. Not in a process that has
 * libp11 loaded on the same module at the same time: see hsm/admin.h.
 *
 * Login state belongs to process and token. An anchor session holds the login for
 * the life of the struct; each signing thread has a session of its own from the pool,
 * kept for the life of the login: sessions are not closed while others sign.
 *
 * A token that is down is looked at by hsm_token_probe, and by signers at most every
 * 500 ms; meanwhile signing fails at once. When it does not answer and every other token
 * of its module is down too, the module is finalized and initialized anew (some modules see
 * only then that a token came back); then slot, login, sessions and keys are found again.
 * The structs stay valid throughout.
 */
#ifndef CHANCERY_HSM_TOKEN_H
#define CHANCERY_HSM_TOKEN_H

#include "base/err.h"
#include "base/secret.h"

struct hsm_module;
struct hsm_token;

/* Loads the shared object at path and initializes it.
 * ERR_TOKEN_UNAVAILABLE: no such file, no function list, C_Initialize refused.
 * One struct per module file and process. Thread-safety: open and close from one thread. */
struct hsm_module *hsm_module_open(const char *path, struct error *err);
/* All tokens of it must be closed before. Calls C_Finalize, then unloads. */
void hsm_module_close(struct hsm_module *m);

#define HSM_LABEL_SIZE 33 /* 32 characters, blanks at the end removed, and NUL */

/* Facts of one token, for `chancery token list` (PKCS#11 v2.40 CK_TOKEN_INFO). */
struct hsm_token_info {
	unsigned long slot;
	char label[HSM_LABEL_SIZE], manufacturer[HSM_LABEL_SIZE], model[17], serial[17];
	bool initialized, login_required, pin_set, pin_locked, pin_final_try;
	unsigned long sessions_max;     /* 0: no stated limit */
	unsigned long pin_min, pin_max; /* octets of a PIN, as the token says */
};
/* Fills at most max rows; returns how many tokens there are, or -1. */
int hsm_module_tokens(struct hsm_module *m, struct hsm_token_info *out, size_t max, struct error *err);

/* Opens the token that the RFC 7512 URI names (token, serial, manufacturer, model, slot-id;
 * exactly one must match), logs in with pin (copied; NULL: no login), and readies a pool
 * that grows to at most `sessions` besides the anchor.
 * ERR_TOKEN_UNAVAILABLE: no such token, no session. ERR_PIN_REFUSED: CKR_PIN_INCORRECT,
 * CKR_PIN_LOCKED...; not tried again. ERR_CONFIG: the URI is malformed or ambiguous. */
struct hsm_token *hsm_token_open(struct hsm_module *m, const char *uri, const struct secret *pin, size_t sessions,
				 struct error *err);
/* All keys of it must be freed before. */
void hsm_token_close(struct hsm_token *t);

enum hsm_token_state { HSM_TOKEN_UP, HSM_TOKEN_DEGRADED, HSM_TOKEN_DOWN, HSM_TOKEN_RECOVERING, HSM_TOKEN_PIN_REFUSED };
/* What the last calls showed: up until a call failed with more than a bad argument; then
 * degraded where the token still answers, down where not; pin-refused for good once it has
 * refused the PIN. Recovering is for a supervisor to say. Any thread. */
enum hsm_token_state hsm_token_state(struct hsm_token *t);
const char *hsm_token_state_name(enum hsm_token_state s); /* "up", "degraded", "down", ... */
const char *hsm_token_label(const struct hsm_token *t);   /* borrowed */
/* C_Sign calls that succeeded since open. Any thread. */
uint64_t hsm_token_signatures(struct hsm_token *t);
/* Asks the token whether it is there (C_GetTokenInfo, C_GetSessionInfo), logs in again where the
 * login was lost, restarts the module where all its tokens are down; updates the state. 0 where
 * the token is there. ERR_TOKEN_UNAVAILABLE, ERR_PIN_REFUSED. Any thread; may take a second. */
int hsm_token_probe(struct hsm_token *t, struct error *err);

CLEANUP_POINTER(hsm_module, struct hsm_module, hsm_module_close)
CLEANUP_POINTER(hsm_token, struct hsm_token, hsm_token_close)
#define auto_hsm_module CLEANUP(hsm_module_cleanup) struct hsm_module
#define auto_hsm_token CLEANUP(hsm_token_cleanup) struct hsm_token

#endif
