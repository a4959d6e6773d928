/* The module itself: each call is judged, made or not, answered, and counted. */
#include "tests/modules/faulty.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_AT_ONCE 64

static CK_FUNCTION_LIST_PTR real; /* set once, by C_GetFunctionList */
/* Held for reading around each call about a token, for writing while sessions are taken away: no
 * module has to bear that in the middle of a call. */
static pthread_rwlock_t gate = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;

const char *faulty_call_name(enum faulty_call call)
{
	static const char *const names[FAULTY_CALLS] = {
		[C_INITIALIZE] = "C_Initialize",
		[C_FINALIZE] = "C_Finalize",
		[C_GET_SLOT_LIST] = "C_GetSlotList",
		[C_GET_SLOT_INFO] = "C_GetSlotInfo",
		[C_GET_TOKEN_INFO] = "C_GetTokenInfo",
		[C_GET_MECHANISM_INFO] = "C_GetMechanismInfo",
		[C_OPEN_SESSION] = "C_OpenSession",
		[C_CLOSE_SESSION] = "C_CloseSession",
		[C_CLOSE_ALL_SESSIONS] = "C_CloseAllSessions",
		[C_GET_SESSION_INFO] = "C_GetSessionInfo",
		[C_LOGIN] = "C_Login",
		[C_LOGOUT] = "C_Logout",
		[C_CREATE_OBJECT] = "C_CreateObject",
		[C_COPY_OBJECT] = "C_CopyObject",
		[C_DESTROY_OBJECT] = "C_DestroyObject",
		[C_GET_ATTRIBUTE_VALUE] = "C_GetAttributeValue",
		[C_FIND_OBJECTS_INIT] = "C_FindObjectsInit",
		[C_FIND_OBJECTS] = "C_FindObjects",
		[C_FIND_OBJECTS_FINAL] = "C_FindObjectsFinal",
		[C_SIGN_INIT] = "C_SignInit",
		[C_SIGN] = "C_Sign",
		[C_GENERATE_KEY_PAIR] = "C_GenerateKeyPair",
		[C_GENERATE_RANDOM] = "C_GenerateRandom",
	};
	return names[call];
}

/* ---- labels ---- */

/* Blanks at the end go, and what would not stand in a log or a script as one word becomes '_'. */
static void copy_label(char out[FAULTY_LABEL], const CK_UTF8CHAR *text, size_t len)
{
	if (len > FAULTY_LABEL - 1)
		len = FAULTY_LABEL - 1;
	while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\0'))
		len--;
	for (size_t i = 0; i < len; i++)
		out[i] = (char)(text[i] > 0x20 && text[i] < 0x7f ? text[i] : '_');
	out[len] = '\0';
}

/* Asks the real token the first time. */
static void label_of(CK_SLOT_ID slot, char label[FAULTY_LABEL])
{
	CK_TOKEN_INFO info;
	faulty_slot_label(slot, label);
	if (label[0] || real->C_GetTokenInfo(slot, &info) != CKR_OK)
		return;
	copy_label(label, info.label, sizeof(info.label));
	faulty_slot_set_label(slot, label);
}

/* ---- what is done once ---- */

/* With the gate held for writing. */
static void close_sessions(CK_SLOT_ID slot)
{
	(void)real->C_CloseAllSessions(slot);
	faulty_sessions_closed(slot);
}

static void do_deed(const struct faulty_deed *deed)
{
	CK_SESSION_HANDLE sessions[SLOTS_AT_ONCE];
	CK_SLOT_ID slots[SLOTS_AT_ONCE];
	(void)pthread_rwlock_wrlock(&gate);
	size_t count = faulty_session_of_each(sessions, slots, SLOTS_AT_ONCE);
	for (size_t i = 0; i < count; i++) {
		char label[FAULTY_LABEL];
		label_of(slots[i], label);
		if (deed->token[0] && strcmp(deed->token, label) != 0)
			continue;
		if (deed->what == FAULTY_FORGET_LOGIN)
			(void)real->C_Logout(sessions[i]);
		else
			close_sessions(slots[i]);
	}
	(void)pthread_rwlock_unlock(&gate);
}

static void drop_if_idle(CK_SLOT_ID slot, const char *label, enum faulty_call call)
{
	bool done = call >= C_OPEN_SESSION && call != C_GET_SESSION_INFO;
	int64_t limit_us = faulty_control_idle_us(label), since_us = faulty_slot_rested(slot, done);
	if (limit_us == 0 || since_us <= limit_us)
		return;
	(void)pthread_rwlock_wrlock(&gate);
	close_sessions(slot);
	(void)pthread_rwlock_unlock(&gate);
}

/* ---- one call ---- */

struct passage {
	enum faulty_call call;
	struct faulty_verdict verdict;
	char token[FAULTY_LABEL];
	bool asked; /* the real module */
	CK_RV made, answer;
};

/* True: make the real call, and give leave() its result. */
static bool enter(struct passage *p)
{
	p->verdict = faulty_control_judge(p->call, p->token);
	p->answer = p->verdict.rv;
	p->asked = p->verdict.kind != FAULTY_REFUSE;
	if (p->asked && p->call >= C_GET_SLOT_INFO)
		(void)pthread_rwlock_rdlock(&gate);
	return p->asked;
}

static void leave(struct passage *p, CK_RV made)
{
	if (p->call >= C_GET_SLOT_INFO)
		(void)pthread_rwlock_unlock(&gate);
	p->made = made;
	/* What failed by itself says so. */
	if (p->verdict.kind == FAULTY_PASS || made != CKR_OK)
		p->answer = made;
}

static struct passage begin(enum faulty_call call)
{
	struct faulty_deed deeds[FAULTY_DEEDS];
	size_t count = faulty_control_read(deeds);
	for (size_t i = 0; i < count; i++)
		do_deed(&deeds[i]);
	return (struct passage){ .call = call };
}

static struct passage begin_slot(enum faulty_call call, CK_SLOT_ID slot)
{
	struct passage p = begin(call);
	label_of(slot, p.token);
	drop_if_idle(slot, p.token, call);
	return p;
}

static struct passage begin_session(enum faulty_call call, CK_SESSION_HANDLE session)
{
	CK_SLOT_ID slot;
	return faulty_session_slot(session, &slot) ? begin_slot(call, slot) : begin(call);
}

static bool succeeded(const struct passage *p)
{
	return p->asked && p->made == CKR_OK;
}

static const char *made_name(const struct passage *p)
{
	return p->asked ? faulty_ckr_name(p->made) : "-";
}

/* A wrapper with nothing of its own to do. */
#define FORWARD(NAME, PARAMETERS, BEGIN, ...)                   \
	static CK_RV faulty_##NAME PARAMETERS                   \
	{                                                       \
		struct passage p = BEGIN;                       \
		if (enter(&p))                                  \
			leave(&p, real->C_##NAME(__VA_ARGS__)); \
		return p.answer;                                \
	}
#define FORWARD_SLOT(NAME, CALL, PARAMETERS, ...) FORWARD(NAME, PARAMETERS, begin_slot(CALL, slot), slot, __VA_ARGS__)
#define FORWARD_SESSION(NAME, CALL, PARAMETERS, ...) \
	FORWARD(NAME, PARAMETERS, begin_session(CALL, session), session, __VA_ARGS__)

/* ---- the module, slots ---- */

static CK_RV faulty_Initialize(void *arguments)
{
	struct passage p = begin(C_INITIALIZE);
	if (enter(&p))
		leave(&p, real->C_Initialize(arguments));
	if (p.answer == CKR_OK)
		faulty_control_initialized();
	faulty_log("initialize made=%s answered=%s", made_name(&p), faulty_ckr_name(p.answer));
	return p.answer;
}

static CK_RV faulty_Finalize(void *reserved)
{
	struct passage p = begin(C_FINALIZE);
	if (enter(&p))
		leave(&p, real->C_Finalize(reserved));
	if (succeeded(&p))
		faulty_sessions_forget();
	faulty_log("finalize made=%s answered=%s", made_name(&p), faulty_ckr_name(p.answer));
	return p.answer;
}

FORWARD(GetSlotList, (unsigned char present, CK_SLOT_ID *slots, unsigned long *count), begin(C_GET_SLOT_LIST), present,
	slots, count)
FORWARD_SLOT(GetSlotInfo, C_GET_SLOT_INFO, (CK_SLOT_ID slot, CK_SLOT_INFO *info), info)
FORWARD_SLOT(GetTokenInfo, C_GET_TOKEN_INFO, (CK_SLOT_ID slot, CK_TOKEN_INFO *info), info)
FORWARD_SLOT(GetMechanismInfo, C_GET_MECHANISM_INFO, (CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info),
	     type, info)

/* ---- sessions ---- */

/* Judged first: a rule for C_OpenSession comes before the limit. */
static bool has_room(const struct passage *p, CK_SLOT_ID slot)
{
	size_t most = faulty_control_sessions(p->token);
	return most == 0 || faulty_session_count(slot) < most;
}

static CK_RV faulty_OpenSession(CK_SLOT_ID slot, CK_FLAGS flags, void *application, CK_NOTIFY notify,
				CK_SESSION_HANDLE *session)
{
	/* One at a time, or two would take the last place. */
	static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
	struct passage p = begin_slot(C_OPEN_SESSION, slot);
	if (!enter(&p))
		return p.answer;
	CK_SESSION_HANDLE opened = CK_INVALID_HANDLE;
	(void)pthread_mutex_lock(&opening);
	CK_RV made =
		has_room(&p, slot) ? real->C_OpenSession(slot, flags, application, notify, &opened) : CKR_SESSION_COUNT;
	if (made == CKR_OK)
		faulty_session_opened(opened, slot);
	(void)pthread_mutex_unlock(&opening);
	leave(&p, made);
	if (p.answer == CKR_OK)
		*session = opened;
	return p.answer;
}

static CK_RV faulty_CloseSession(CK_SESSION_HANDLE session)
{
	struct passage p = begin_session(C_CLOSE_SESSION, session);
	if (enter(&p))
		leave(&p, real->C_CloseSession(session));
	if (succeeded(&p))
		faulty_session_closed(session);
	return p.answer;
}

static CK_RV faulty_CloseAllSessions(CK_SLOT_ID slot)
{
	struct passage p = begin_slot(C_CLOSE_ALL_SESSIONS, slot);
	if (enter(&p))
		leave(&p, real->C_CloseAllSessions(slot));
	if (succeeded(&p))
		faulty_sessions_closed(slot);
	return p.answer;
}

FORWARD_SESSION(GetSessionInfo, C_GET_SESSION_INFO, (CK_SESSION_HANDLE session, CK_SESSION_INFO *info), info)

/* "first", "same" or "other", compared with the PIN before; of that only a hash is kept. */
static const char *compare_pin(const CK_UTF8CHAR *pin, size_t len)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards before, any */
	static uint8_t before[32];
	static bool any;
	uint8_t hash[32];
	faulty_sha256(pin, pin ? len : 0, hash);
	(void)pthread_mutex_lock(&lock);
	const char *word = !any ? "first" : memcmp(hash, before, sizeof(hash)) == 0 ? "same" : "other";
	memcpy(before, hash, sizeof(before));
	any = true;
	(void)pthread_mutex_unlock(&lock);
	return word;
}

static CK_RV faulty_Login(CK_SESSION_HANDLE session, CK_USER_TYPE user, unsigned char *pin, unsigned long len)
{
	struct passage p = begin_session(C_LOGIN, session);
	const char *compared = compare_pin(pin, len);
	if (enter(&p))
		leave(&p, real->C_Login(session, user, pin, len));
	faulty_log("login token=%s made=%s answered=%s pin=%s", p.token, made_name(&p), faulty_ckr_name(p.answer),
		   compared);
	return p.answer;
}

FORWARD(Logout, (CK_SESSION_HANDLE session), begin_session(C_LOGOUT, session), session)

/* ---- objects ---- */

FORWARD_SESSION(CreateObject, C_CREATE_OBJECT,
		(CK_SESSION_HANDLE session, CK_ATTRIBUTE *template, unsigned long count, CK_OBJECT_HANDLE *object),
		template, count, object)
FORWARD_SESSION(CopyObject, C_COPY_OBJECT,
		(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE from, CK_ATTRIBUTE *template, unsigned long count,
		 CK_OBJECT_HANDLE *object),
		from, template, count, object)
FORWARD_SESSION(DestroyObject, C_DESTROY_OBJECT, (CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object), object)
FORWARD_SESSION(GetAttributeValue, C_GET_ATTRIBUTE_VALUE,
		(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *template, unsigned long count),
		object, template, count)
FORWARD_SESSION(FindObjectsInit, C_FIND_OBJECTS_INIT,
		(CK_SESSION_HANDLE session, CK_ATTRIBUTE *template, unsigned long count), template, count)
FORWARD_SESSION(FindObjects, C_FIND_OBJECTS,
		(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *objects, unsigned long max, unsigned long *count),
		objects, max, count)
FORWARD(FindObjectsFinal, (CK_SESSION_HANDLE session), begin_session(C_FIND_OBJECTS_FINAL, session), session)

/* ---- keys ---- */

static CK_RV faulty_SignInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
	struct passage p = begin_session(C_SIGN_INIT, session);
	if (!enter(&p))
		return p.answer;
	CK_UTF8CHAR text[128];
	char label[FAULTY_LABEL] = "";
	CK_ATTRIBUTE attribute = { CKA_LABEL, text, sizeof(text) };
	if (real->C_GetAttributeValue(session, key, &attribute, 1) == CKR_OK)
		copy_label(label, text, attribute.ulValueLen);
	CK_RV made = real->C_SignInit(session, mechanism, key);
	if (made == CKR_OK)
		faulty_session_set_key(session, label);
	leave(&p, made);
	return p.answer;
}

static void log_signature(const struct passage *p, const char *key, const unsigned char *data, size_t len)
{
	uint8_t hash[32];
	char hex[2 * sizeof(hash) + 1];
	faulty_sha256(data, len, hash);
	for (size_t i = 0; i < sizeof(hash); i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", hash[i]);
	faulty_log("sign token=%s key=%s made=%s answered=%s sha256=%s", p->token, key, made_name(p),
		   faulty_ckr_name(p->answer), hex);
}

static CK_RV faulty_Sign(CK_SESSION_HANDLE session, unsigned char *data, unsigned long len, unsigned char *signature,
			 unsigned long *signature_len)
{
	struct passage p = begin_session(C_SIGN, session);
	char key[FAULTY_LABEL];
	faulty_session_key(session, key);
	if (enter(&p))
		leave(&p, real->C_Sign(session, data, len, signature, signature_len));
	if (signature) /* or it only asks for the length */
		log_signature(&p, key, data, len);
	return p.answer;
}

FORWARD_SESSION(GenerateKeyPair, C_GENERATE_KEY_PAIR,
		(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_ATTRIBUTE *public_template,
		 unsigned long public_count, CK_ATTRIBUTE *private_template, unsigned long private_count,
		 CK_OBJECT_HANDLE *public_key, CK_OBJECT_HANDLE *private_key),
		mechanism, public_template, public_count, private_template, private_count, public_key, private_key)
FORWARD_SESSION(GenerateRandom, C_GENERATE_RANDOM, (CK_SESSION_HANDLE session, unsigned char *data, unsigned long len),
		data, len)

/* ---- the list ---- */

static CK_RV load(void)
{
	const char *path = getenv("FAULTY_MODULE");
	void *object = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
	CK_RV (*get_list)(CK_FUNCTION_LIST_PTR_PTR) = NULL;
	if (object)
		*(void **)&get_list = dlsym(object, "C_GetFunctionList");
	if (get_list)
		return get_list(&real);
	faulty_log("FAULTY_MODULE is no PKCS#11 module: %s", path ? path : "(none)");
	return CKR_GENERAL_ERROR;
}

__attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards ours, loaded, and the setting of real */
	static CK_FUNCTION_LIST ours;
	static bool loaded;
	(void)pthread_mutex_lock(&lock);
	CK_RV rv = loaded ? CKR_OK : load();
	if (rv == CKR_OK && !loaded) {
		ours = *real; /* what is not counted goes straight through */
		ours.C_Initialize = faulty_Initialize;
		ours.C_Finalize = faulty_Finalize;
		ours.C_GetFunctionList = C_GetFunctionList;
		ours.C_GetSlotList = faulty_GetSlotList;
		ours.C_GetSlotInfo = faulty_GetSlotInfo;
		ours.C_GetTokenInfo = faulty_GetTokenInfo;
		ours.C_GetMechanismInfo = faulty_GetMechanismInfo;
		ours.C_OpenSession = faulty_OpenSession;
		ours.C_CloseSession = faulty_CloseSession;
		ours.C_CloseAllSessions = faulty_CloseAllSessions;
		ours.C_GetSessionInfo = faulty_GetSessionInfo;
		ours.C_Login = faulty_Login;
		ours.C_Logout = faulty_Logout;
		ours.C_CreateObject = faulty_CreateObject;
		ours.C_CopyObject = faulty_CopyObject;
		ours.C_DestroyObject = faulty_DestroyObject;
		ours.C_GetAttributeValue = faulty_GetAttributeValue;
		ours.C_FindObjectsInit = faulty_FindObjectsInit;
		ours.C_FindObjects = faulty_FindObjects;
		ours.C_FindObjectsFinal = faulty_FindObjectsFinal;
		ours.C_SignInit = faulty_SignInit;
		ours.C_Sign = faulty_Sign;
		ours.C_GenerateKeyPair = faulty_GenerateKeyPair;
		ours.C_GenerateRandom = faulty_GenerateRandom;
		loaded = true;
	}
	(void)pthread_mutex_unlock(&lock);
	*list = &ours;
	return rv;
}
