/*
 * What handles, sessions and the module itself answer when they have come to an end: by these
 * answers Chancery knows what to find again, and how.
 */
#include "hsm/probe_private.h"

/* The token's private key of this CKA_ID as this session sees it. CKR_OBJECT_HANDLE_INVALID: not at all. */
static CK_RV find_in(struct probing *p, CK_SESSION_HANDLE session, struct bytes id, CK_OBJECT_HANDLE *object)
{
	CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	CK_ATTRIBUTE match[] = {
		HSM_ATTRIBUTE(CKA_CLASS, &class, sizeof(class)),
		HSM_ATTRIBUTE(CKA_ID, id.data, id.len),
	};
	CK_FUNCTION_LIST_PTR fn = p->module->fn;
	CK_ULONG found = 0;
	CK_RV rv = p11_call(fn, C_FindObjectsInit, session, match, 2);
	if (rv != CKR_OK)
		return rv;
	rv = p11_call(fn, C_FindObjects, session, object, 1, &found);
	(void)p11_call(fn, C_FindObjectsFinal, session);
	return rv == CKR_OK && found == 0 ? CKR_OBJECT_HANDLE_INVALID : rv;
}

static CK_RV open_session(struct probing *p, CK_SESSION_HANDLE *session)
{
	return p11_call(p->module->fn, C_OpenSession, p->token->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL,
			session);
}

static CK_RV sign_init(struct probing *p, CK_SESSION_HANDLE session, enum hsm_key_type type, CK_OBJECT_HANDLE object)
{
	CK_MECHANISM mechanism = { hsm_key_type_is_rsa(type) ? CKM_RSA_PKCS
				   : type == HSM_ED25519     ? CKM_EDDSA
							     : CKM_ECDSA,
				   NULL, 0 };
	return p11_call(p->module->fn, C_SignInit, session, &mechanism, object);
}

/* ---- with a key and a second session ---- */

static void copy_to_session(struct probing *p, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
	CK_BBOOL no = CK_FALSE;
	CK_ATTRIBUTE changes[] = { HSM_ATTRIBUTE(CKA_TOKEN, &no, sizeof(no)) };
	CK_OBJECT_HANDLE copy;
	CK_RV rv = p11_call(p->module->fn, C_CopyObject, session, object, changes, 1, &copy);
	probe_row_answer(p, "objects", "C_CopyObject to a session object", rv == CKR_OK ? HSM_PROBE_OK : HSM_PROBE_NO,
			 "a fact: Chancery signs with the token's own object", rv);
	if (rv == CKR_OK)
		(void)p11_call(p->module->fn, C_DestroyObject, session, copy);
}

/* The second session was there before the key was made. */
static void look_from_second(struct probing *p, CK_SESSION_HANDLE second, const struct hsm_key *key)
{
	static const char name[] = "seen by other sessions";
	CK_OBJECT_HANDLE object;
	CK_RV rv = find_in(p, second, hsm_key_id(key), &object);
	if (rv != CKR_OK) {
		probe_row_answer(p, "objects", name, HSM_PROBE_NO, "a key is seen only by the session that made it",
				 rv);
		return;
	}
	(void)probe_row(p, "objects", name, HSM_PROBE_OK, "any session of the pool signs with any key",
			object == key->object ? "yes, under the same handle" : "yes, under a handle of its own");
	copy_to_session(p, second, object);
}

static void use_stale_handle(struct probing *p, CK_SESSION_HANDLE session, enum hsm_key_type type,
			     CK_OBJECT_HANDLE stale)
{
	CK_RV rv = sign_init(p, session, type, stale);
	bool known = hsm_ckr_class(rv) == HSM_CKR_HANDLE;
	probe_row_answer(p, "objects", "stale object handle", known ? HSM_PROBE_OK : HSM_PROBE_PARTLY,
			 known ? "the key is looked for again by its CKA_ID"
			       : "Chancery does not know by this answer that the key has to be looked for again",
			 rv);
}

static void use_closed_session(struct probing *p, CK_SESSION_HANDLE closed)
{
	CK_SESSION_INFO info;
	CK_RV rv = p11_call(p->module->fn, C_GetSessionInfo, closed, &info);
	bool known = hsm_ckr_class(rv) == HSM_CKR_SESSION;
	probe_row_answer(p, "sessions", "closed session",
			 known          ? HSM_PROBE_OK
			 : rv == CKR_OK ? HSM_PROBE_NO
					: HSM_PROBE_PARTLY,
			 known          ? "another session is opened"
			 : rv == CKR_OK ? "a lost session would not be noticed"
					: "taken for a token that is down: it recovers, but slower",
			 rv);
}

void probe_objects(struct probing *p, enum hsm_key_type type)
{
	struct error err = ERR_INIT;
	char label[64];
	CK_SESSION_HANDLE second;
	probe_label(p, "objects", label);
	CK_RV rv = open_session(p, &second);
	if (rv != CKR_OK) {
		probe_row_answer(p, "objects", "second session", HSM_PROBE_NO, "nothing can be compared", rv);
		return;
	}
	struct hsm_key *key = hsm_key_generate(p->token, type, label, &err);
	CK_OBJECT_HANDLE stale = key ? key->object : CK_INVALID_HANDLE;
	if (key)
		look_from_second(p, second, key);
	else
		(void)probe_row(p, "objects", "generate", HSM_PROBE_PARTLY, "what follows is not known", "%s",
				err.message);
	hsm_key_free(key);
	probe_sweep(p, label);
	if (stale != CK_INVALID_HANDLE)
		use_stale_handle(p, second, type, stale);
	(void)p11_call(p->module->fn, C_CloseSession, second);
	use_closed_session(p, second);
}

/* ---- C_Finalize and back ---- */

struct between {
	CK_SLOT_ID slot;
	bool called;
	CK_RV slots, token, session;
};

static void call_finalized(CK_FUNCTION_LIST_PTR fn, void *argument)
{
	struct between *b = argument;
	CK_ULONG count = 0;
	CK_TOKEN_INFO info;
	CK_SESSION_HANDLE session;
	b->called = true;
	b->slots = p11_call(fn, C_GetSlotList, CK_TRUE, NULL, &count);
	b->token = p11_call(fn, C_GetTokenInfo, b->slot, &info);
	b->session = p11_call(fn, C_OpenSession, b->slot, CKF_SERIAL_SESSION, NULL, NULL, &session);
}

static void tell_finalized(struct probing *p, const char *call, CK_RV rv)
{
	probe_row_answer(p, "finalize", call,
			 rv == CKR_CRYPTOKI_NOT_INITIALIZED ? HSM_PROBE_OK
			 : rv == CKR_OK                     ? HSM_PROBE_NO
							    : HSM_PROBE_PARTLY,
			 rv == CKR_OK ? "a module that is gone would not be noticed"
				      : "taken for a token that is down: the module is restarted",
			 rv);
}

static void tell_key_again(struct probing *p, struct bytes id, CK_OBJECT_HANDLE before, enum hsm_key_type type)
{
	static const char name[] = "key by its CKA_ID";
	const struct hsm_scheme scheme = { .digest = hsm_digest_for(type) };
	struct error err = ERR_INIT;
	CK_OBJECT_HANDLE object;
	hsm_token_lock(p->token);
	CK_RV rv = find_in(p, p->token->anchor, id, &object);
	hsm_token_unlock(p->token);
	if (rv != CKR_OK) {
		probe_row_answer(p, "finalize", name, HSM_PROBE_NO, "keys do not come back with the token", rv);
		return;
	}
	auto_hsm_key *key = hsm_key_new(p->token, object, &err);
	bool signs = key && probe_sign(key, &scheme, &err) == 0;
	(void)probe_row(p, "finalize", name, signs ? HSM_PROBE_OK : HSM_PROBE_NO,
			signs ? "the server goes on by itself when the token is back" : "keys do not come back", "%s%s",
			signs ? "found, signs, under " : err.message,
			!signs             ? ""
			: object == before ? "the same handle"
					   : "another handle");
}

static void come_back(struct probing *p, struct bytes id, CK_OBJECT_HANDLE before, enum hsm_key_type type)
{
	struct error err = ERR_INIT;
	struct between between = { .slot = p->token->slot };
	hsm_token_close(TAKE(p->token));
	int initialized = hsm_module_reinitialize(p->module, call_finalized, &between, &err);
	if (between.called) {
		tell_finalized(p, "C_GetSlotList", between.slots);
		tell_finalized(p, "C_GetTokenInfo", between.token);
		tell_finalized(p, "C_OpenSession", between.session);
	}
	(void)probe_row(p, "finalize", "C_Initialize again", initialized == 0 ? HSM_PROBE_OK : HSM_PROBE_NO,
			initialized == 0 ? "a module that lost its token is restarted"
					 : "the server has to be restarted when the token was away",
			"%s", initialized == 0 ? "CKR_OK" : err.message);
	if (initialized)
		return;
	bool back = probe_open(p, &err) == 0;
	(void)probe_row(p, "finalize", "login again", back ? HSM_PROBE_OK : HSM_PROBE_NO,
			back ? "the server logs in by itself"
			     : "the server has to be restarted when the token was away",
			"%s", back ? "CKR_OK" : err.message);
	if (back)
		tell_key_again(p, id, before, type);
}

void probe_finalize(struct probing *p, enum hsm_key_type type)
{
	struct error err = ERR_INIT;
	auto_buf id = BUF_INIT;
	char label[64];
	probe_label(p, "finalize", label);
	struct hsm_key *key = hsm_key_generate(p->token, type, label, &err);
	if (key) {
		CK_OBJECT_HANDLE before = key->object;
		buf_add_bytes(&id, hsm_key_id(key));
		hsm_key_free(key);
		come_back(p, buf_bytes(&id), before, type);
	} else {
		(void)probe_row(p, "finalize", "generate", HSM_PROBE_PARTLY, "what follows is not known", "%s",
				err.message);
	}
	probe_sweep(p, label);
}
