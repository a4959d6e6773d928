/*
 * tests/modules/faulty.h - what the files of faulty.so share.
 *
 * faulty.so is a PKCS#11 module that stands before a real one and makes it fail: by a
 * script, or at random from a seed. It knows nothing of the product's code. It is told
 * by its environment:
 *
 *     FAULTY_MODULE   the real module's path
 *     FAULTY_CONTROL  the script's path, read anew whenever the file changes
 *     FAULTY_LOG      where a line is appended for each call of interest
 *
 * The script has one rule a line; none, or no file: no faults. `token LABEL` before a rule
 * keeps it to that token; `all` is every call that is about a token (not C_Initialize,
 * C_Finalize, C_GetSlotList). Rules count anew whenever the file changes.
 *
 *     C_Sign CKR_DEVICE_ERROR after 3 times 2    three pass, two fail, the rest pass
 *     C_Sign CKR_DEVICE_ERROR lost               done by the real module, its answer lost
 *     all 0x30                                   any number, too
 *     all CKR_DEVICE_ERROR until-initialize      until the module was finalized and initialized anew
 *     C_Sign hang                                does not return until the script changes
 *     C_Sign wedge times 1                       never returns, whatever becomes of the script
 *     sessions 2                                 CKR_SESSION_COUNT beyond so many open
 *     idle 1500                                  its sessions are gone after so many ms in which nothing
 *                                                was done in one (C_GetSessionInfo asks no real device)
 *     forget-login                               once: everyone is logged out
 *     invalidate-sessions                        once: every session is gone
 *     random 42 5 C_Sign                         seed 42, 5 in 100 calls of C_Sign (of every call)
 *
 * At random every return value of PKCS#11 v2.40 comes at every call, each before the next
 * comes again, half of them after the real call was made; but C_Login is never answered
 * with what would mean a wrong PIN.
 *
 * The log has a line each: seconds (CLOCK_MONOTONIC), pid, what, and name=value pairs:
 *
 *     initialize|finalize made=CKR answered=CKR
 *     login token= made= answered= pin=first|same|other    compared with the last one tried
 *     sign token= key= made= answered= sha256=             of what was signed; made=- where not asked
 *     fault call= answered= lost=0|1                       at random
 *     control rules=                                       the script was read
 *     control-error line=                                  and that line of it is no rule
 *
 * Never a PIN. Thread-safety: as PKCS#11 wants it of a module under CKF_OS_LOCKING_OK.
 */
#ifndef CHANCERY_TESTS_FAULTY_H
#define CHANCERY_TESTS_FAULTY_H

#include <p11-kit/pkcs11.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAULTY_LABEL 33 /* of a token, or of a key as far as the log shows it */

enum faulty_call {
	C_INITIALIZE,
	C_FINALIZE,
	C_GET_SLOT_LIST,
	C_GET_SLOT_INFO, /* from here on about a token */
	C_GET_TOKEN_INFO,
	C_GET_MECHANISM_INFO,
	C_OPEN_SESSION,
	C_CLOSE_SESSION,
	C_CLOSE_ALL_SESSIONS,
	C_GET_SESSION_INFO,
	C_LOGIN,
	C_LOGOUT,
	C_CREATE_OBJECT,
	C_COPY_OBJECT,
	C_DESTROY_OBJECT,
	C_GET_ATTRIBUTE_VALUE,
	C_FIND_OBJECTS_INIT,
	C_FIND_OBJECTS,
	C_FIND_OBJECTS_FINAL,
	C_SIGN_INIT,
	C_SIGN,
	C_GENERATE_KEY_PAIR,
	C_GENERATE_RANDOM,
	FAULTY_CALLS,
	FAULTY_ALL = FAULTY_CALLS
};
const char *faulty_call_name(enum faulty_call call);

/* ---- faulty_ckr.c: the return values of v2.40 ---- */
#define FAULTY_VALUES 96               /* room for all of them */
size_t faulty_ckr_count(void);         /* without CKR_OK */
CK_RV faulty_ckr_at(size_t at);        /* from 0 */
const char *faulty_ckr_name(CK_RV rv); /* "CKR_?" for what is none of them */
/* A name, or a number in hex with 0x. False: neither. */
bool faulty_ckr_parse(const char *text, CK_RV *rv);
/* Whether the value says something about the PIN that was shown. */
bool faulty_ckr_is_pin(CK_RV rv);

/* ---- faulty_log.c ---- */
void faulty_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void faulty_sha256(const void *data, size_t len, uint8_t out[32]);
int64_t faulty_now_us(void); /* CLOCK_MONOTONIC */

/* ---- faulty_random.c: all functions under the caller's lock ---- */
struct faulty_random {
	unsigned percent;
	int only; /* a call, or FAULTY_ALL */
	/* What becomes of the nth call of C_Sign does not depend on how many others came between: each
	 * call has numbers of its own, and goes through the values in an order of its own. */
	uint64_t state[FAULTY_CALLS];
	CK_RV values[FAULTY_CALLS][FAULTY_VALUES];
	size_t next[FAULTY_CALLS];
};
void faulty_random_start(struct faulty_random *r, uint64_t seed, unsigned percent, int only);
/* True: this call fails with *rv; lost: after the real call. */
bool faulty_random_draw(struct faulty_random *r, enum faulty_call call, CK_RV *rv, bool *lost);

/* ---- faulty_control.c: the script ---- */
struct faulty_verdict {
	enum { FAULTY_PASS, FAULTY_REFUSE, FAULTY_LOSE } kind;
	CK_RV rv; /* unless it passes */
};
/* What is to be done once, all tokens or the one named. */
struct faulty_deed {
	enum { FAULTY_FORGET_LOGIN, FAULTY_INVALIDATE_SESSIONS } what;
	char token[FAULTY_LABEL]; /* "": all */
};
#define FAULTY_DEEDS 8
/* Reads the script where it has changed. Returns how many deeds the caller has to do now. */
size_t faulty_control_read(struct faulty_deed deeds[FAULTY_DEEDS]);
/* What becomes of a call about this token ("" for none). Does not return while it is to hang, or ever. */
struct faulty_verdict faulty_control_judge(enum faulty_call call, const char *token);
/* C_Initialize was answered with CKR_OK. */
void faulty_control_initialized(void);
/* 0 where the script sets no limit. */
size_t faulty_control_sessions(const char *token);
int64_t faulty_control_idle_us(const char *token);

/* ---- faulty_sessions.c: what is open, and of which token; each function under a lock of its own ---- */
void faulty_session_opened(CK_SESSION_HANDLE session, CK_SLOT_ID slot);
void faulty_session_closed(CK_SESSION_HANDLE session);
void faulty_sessions_closed(CK_SLOT_ID slot); /* all of that slot's */
void faulty_sessions_forget(void);            /* all: after C_Finalize */
/* False: no such session is known to be open. */
bool faulty_session_slot(CK_SESSION_HANDLE session, CK_SLOT_ID *slot);
size_t faulty_session_count(CK_SLOT_ID slot);
/* One session of each slot that has any; returns how many. */
size_t faulty_session_of_each(CK_SESSION_HANDLE found[], CK_SLOT_ID of[], size_t max);
/* The label of the key with which a session signs. */
void faulty_session_set_key(CK_SESSION_HANDLE session, const char label[FAULTY_LABEL]);
void faulty_session_key(CK_SESSION_HANDLE session, char label[FAULTY_LABEL]);
/* Labels of tokens outlive C_Finalize: a token that is away has its name still. "" where unknown. */
void faulty_slot_label(CK_SLOT_ID slot, char label[FAULTY_LABEL]);
void faulty_slot_set_label(CK_SLOT_ID slot, const char label[FAULTY_LABEL]);
/* The microseconds since something was done in a session of that slot; done: it is now. */
int64_t faulty_slot_rested(CK_SLOT_ID slot, bool done);

#endif
