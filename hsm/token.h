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
 * A token that fails heals by itself, and the structs stay valid throughout. What a failure
 * means is one table (hsm/ckr.h); what is done goes from gentle to hard: another session, the
 * key found again by its CKA_ID and held against its public key, a new login, new sessions,
 * and last the module finalized and initialized anew. Somebody has to care for it: the running
 * signer has a thread for each token that calls hsm_token_probe and rests hsm_token_rest_ms
 * (hsm_token_open_with_care). Where nobody does, as in the tools and the loadable provider, those who
 * sign look after it, every 500 ms at most.
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
	bool initialized, login_required, pin_set, pin_locked, pin_final_try, so_pin_locked, so_pin_final_try;
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
/* All keys of it must be freed before. Waits while another token's recovery looks at this one, or restarts the module. */
void hsm_token_close(struct hsm_token *t);

enum hsm_token_state {
	HSM_TOKEN_UP,
	HSM_TOKEN_DEGRADED,   /* the last call failed, though the token answers; requests go on */
	HSM_TOKEN_DOWN,       /* it does not answer, does not sign, or a call does not return */
	HSM_TOKEN_RECOVERING, /* it is there again: sessions, login and keys are being renewed */
	HSM_TOKEN_PIN_REFUSED /* nothing is tried until there is another PIN, or somebody asks for it */
};
#define HSM_TOKEN_STATES 5
enum hsm_token_state hsm_token_state(struct hsm_token *t);
const char *hsm_token_state_name(enum hsm_token_state s); /* "up", "degraded", "down", ... */
const char *hsm_token_label(const struct hsm_token *t);   /* borrowed */

/* Counted since it was opened. Any thread; never waits for the token. */
struct hsm_token_facts {
	enum hsm_token_state state;
	char why[160];                      /* it is not up; "" where it is */
	int64_t since_ms;                   /* of the state, CLOCK_MONOTONIC */
	size_t busy;                        /* sessions in use at this moment */
	uint64_t signatures;                /* C_Sign calls that succeeded */
	uint64_t retries;                   /* signatures that needed a second try */
	uint64_t refusals;                  /* of the PIN */
	uint64_t restarts;                  /* of its module */
	uint64_t entered[HSM_TOKEN_STATES]; /* transitions into each state */
};
void hsm_token_facts(struct hsm_token *t, struct hsm_token_facts *out);
uint64_t hsm_token_signatures(struct hsm_token *t);
size_t hsm_token_busy(struct hsm_token *t);

/* ---- caring for it ---- */

struct hsm_token_care {
	unsigned call_ms;       /* a call that takes longer means that the token is down: hsm_token_watch */
	unsigned keep_alive_ms; /* an operation in each idle session at this interval; 0: none */
	/* Told of each change of state and each failure, by whichever thread saw it. Must not block, nor
	 * call anything of hsm/. */
	void (*changed)(void *arg);
	/* Told when the PIN was refused, before anyone could try again: to write it down. May block, must
	 * not call anything of hsm/. */
	void (*pin_refused)(void *arg);
	void *arg;
};
/* hsm_token_open for one who cares for it. care is copied, and told from the moment that the token is open: perhaps
 * before this returns, by another token's recovery. Of a PIN that is refused here err tells alone. */
struct hsm_token *hsm_token_open_with_care(struct hsm_module *m, const char *uri, const struct secret *pin,
					   size_t sessions, const struct hsm_token_care *care, struct error *err);

/* One round: asks the token whether it is there (C_GetTokenInfo, C_GetSessionInfo), and goes on
 * from gentle to hard until it is up, or nothing more helps now. 0 where the token is there.
 * ERR_TOKEN_UNAVAILABLE, ERR_PIN_REFUSED. One thread at a time; takes as long as the module does. */
int hsm_token_probe(struct hsm_token *t, struct error *err);
/* How long to rest until the next round: seconds where it is up, else growing to 500 ms, with jitter. */
int64_t hsm_token_rest_ms(struct hsm_token *t);
/* For a token that could not be opened because the module does not show it, since down_ms milliseconds: some modules
 * (SoftHSM2) see what has come only when they are finalized and initialized anew. That is the hardest cure of the
 * module's other tokens, and done as seldom, and as carefully, as for one of them. 0 where it was done: try again.
 * ERR_TOKEN_UNAVAILABLE where it was not: later, perhaps. Any thread; while m is open, and outside of any lock that
 * care's functions take. */
int hsm_module_refresh(struct hsm_module *m, int64_t down_ms, struct error *err);
/* Marks it as down where a call into it has not returned for care's call_ms. True where it is so. A
 * token that answers others meanwhile is up again with the next round of care; that call's session is
 * then written off. Any thread; never waits for the token. */
bool hsm_token_watch(struct hsm_token *t);
/* How long it has not been up while a call into it, or a restart of its module, did not return: then nothing may help but
 * a new process, since a module cannot be finalized with someone inside. 0 where that is not so. */
int64_t hsm_token_stuck_ms(struct hsm_token *t);
/* The same, where others have failed since that call began: then it is not slow, but lost. */
int64_t hsm_token_lost_ms(struct hsm_token *t);
/* How many calls were written off and have not returned since: so many threads are missing. */
size_t hsm_token_lost(struct hsm_token *t);
/* Another PIN (copied), or the same once more because a person asks for it: the next round tries
 * it. ERR_INTERNAL. Waits while the token is in a call. */
int hsm_token_set_pin(struct hsm_token *t, const struct secret *pin, struct error *err);

CLEANUP_POINTER(hsm_module, struct hsm_module, hsm_module_close)
CLEANUP_POINTER(hsm_token, struct hsm_token, hsm_token_close)
#define auto_hsm_module CLEANUP(hsm_module_cleanup) struct hsm_module
#define auto_hsm_token CLEANUP(hsm_token_cleanup) struct hsm_token

#endif
