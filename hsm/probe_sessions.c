/*
 * How many sessions the token allows, and what a login is worth.
 */
#include <stdio.h>

#include "base/clock.h"
#include "hsm/probe_private.h"

#define COUNTING_MS 10000 /* a token that is slow at it is not counted to the end */

static size_t open_many(struct probing *p, CK_SESSION_HANDLE *sessions, CK_RV *rv)
{
	int64_t until_ms = clock_monotonic_ms() + COUNTING_MS;
	size_t count = 0;
	*rv = CKR_OK;
	while (count + 1 < HSM_PROBE_SESSIONS_MAX && clock_monotonic_ms() < until_ms) {
		*rv = p11_call(p->module->fn, C_OpenSession, p->token->slot, CKF_SERIAL_SESSION, NULL, NULL,
			       &sessions[count]);
		if (*rv != CKR_OK)
			break;
		count++;
	}
	return count;
}

static void tell_count(struct probing *p, CK_RV rv, size_t unclosed)
{
	char end[64] = "and no end of them";
	if (p->sessions_end)
		(void)snprintf(end, sizeof(end), "then %s (0x%lx)", hsm_ckr_name(rv), rv);
	struct hsm_probe_row *row = probe_row(p, "sessions", "at once",
					      p->sessions > 2   ? HSM_PROBE_OK
					      : p->sessions > 1 ? HSM_PROBE_PARTLY
								: HSM_PROBE_NO,
					      p->sessions > 2 ? "one holds the login, the others sign"
							      : "too few for a server and a command beside it",
					      "%zu, %s", p->sessions, end);
	row->number = (int64_t)p->sessions;
	if (p->sessions_end && rv != CKR_SESSION_COUNT)
		probe_row_answer(p, "sessions", "one too many", HSM_PROBE_PARTLY,
				 "Chancery knows the end by CKR_SESSION_COUNT alone: keep `sessions` below it", rv);
	if (unclosed > 0)
		(void)probe_row(p, "sessions", "closing", HSM_PROBE_PARTLY, "sessions may be used up in time",
				"%zu were not closed", unclosed);
}

void probe_sessions(struct probing *p)
{
	CK_SESSION_HANDLE sessions[HSM_PROBE_SESSIONS_MAX];
	CK_RV rv;
	size_t count = open_many(p, sessions, &rv), unclosed = 0;
	for (size_t i = 0; i < count; i++)
		unclosed += p11_call(p->module->fn, C_CloseSession, sessions[i]) != CKR_OK;
	p->sessions = count + 1; /* and the one that was open before */
	p->sessions_end = rv != CKR_OK;
	p->threads = p->sessions > HSM_PROBE_THREADS_MAX ? HSM_PROBE_THREADS_MAX : count > 0 ? (unsigned)count : 1;
	tell_count(p, rv, unclosed);
}

/* ---- login ---- */

static void log_in_again(struct probing *p)
{
	struct hsm_token *t = p->token;
	struct bytes pin = secret_bytes(p->options->pin);
	hsm_token_lock(t);
	CK_RV rv = p11_call(t->fn, C_Login, t->anchor, CKU_USER, (CK_UTF8CHAR_PTR)(uintptr_t)pin.data, pin.len);
	hsm_token_unlock(t);
	bool same = rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN;
	p->pin_refused = hsm_ckr_class(rv) == HSM_CKR_PIN;
	probe_row_answer(p, "login", "second C_Login", same ? HSM_PROBE_OK : HSM_PROBE_PARTLY,
			 same             ? "taken for success"
			 : p->pin_refused ? "a login that is still there would be taken for a refused PIN"
					  : "a login that is still there would be taken for a failed one",
			 rv);
}

static void look_from_another(struct probing *p)
{
	static const char name[] = "holds for every session";
	CK_SESSION_HANDLE session;
	CK_SESSION_INFO info;
	CK_FUNCTION_LIST_PTR fn = p->module->fn;
	CK_RV rv = p11_call(fn, C_OpenSession, p->token->slot, CKF_SERIAL_SESSION, NULL, NULL, &session);
	if (rv != CKR_OK) {
		probe_row_answer(p, "login", name, HSM_PROBE_NO, "no second session can be opened", rv);
		return;
	}
	memset(&info, 0, sizeof(info));
	rv = p11_call(fn, C_GetSessionInfo, session, &info);
	(void)p11_call(fn, C_CloseSession, session);
	bool user = rv == CKR_OK && (info.state == CKS_RO_USER_FUNCTIONS || info.state == CKS_RW_USER_FUNCTIONS);
	if (rv != CKR_OK)
		probe_row_answer(p, "login", name, HSM_PROBE_PARTLY, "a lost login would not be noticed", rv);
	else
		(void)probe_row(p, "login", name, user ? HSM_PROBE_OK : HSM_PROBE_NO,
				user ? "sessions that sign need no login of their own"
				     : "Chancery logs in once: other sessions could not sign",
				"a new session is in state %lu", info.state);
}

void probe_login(struct probing *p)
{
	probe_row_answer(p, "login", "C_Login", HSM_PROBE_OK, "the PIN is right", CKR_OK);
	log_in_again(p);
	look_from_another(p);
}
