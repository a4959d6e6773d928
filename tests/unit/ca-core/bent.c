#include "tests/unit/ca-core/bent.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <time.h>

#include "hsm/admin.h"

struct bent *bent;

static CK_FUNCTION_LIST real, *list;

/* ---- whose call it is ---- */

static struct bent_token *token_in(CK_SLOT_ID slot)
{
	CK_TOKEN_INFO info;
	if (real.C_GetTokenInfo(slot, &info) != CKR_OK)
		return &bent->others;
	if (memcmp(info.label, "issuing ", 8) == 0)
		return &bent->issuing;
	return memcmp(info.label, "second ", 7) == 0 ? &bent->second : &bent->others;
}

static struct bent_token *token_of(CK_SESSION_HANDLE session)
{
	CK_SESSION_INFO info;
	return real.C_GetSessionInfo(session, &info) == CKR_OK ? token_in(info.slotID) : &bent->others;
}

/* ---- the bent calls ---- */

static CK_RV get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO_PTR info)
{
	return token_in(slot)->away ? CKR_TOKEN_NOT_PRESENT : real.C_GetTokenInfo(slot, info);
}

static CK_RV open_session(CK_SLOT_ID slot, CK_FLAGS flags, CK_VOID_PTR application, CK_NOTIFY notify,
			  CK_SESSION_HANDLE_PTR session)
{
	return token_in(slot)->away ? CKR_TOKEN_NOT_PRESENT
				    : real.C_OpenSession(slot, flags, application, notify, session);
}

static CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR_PTR pin, CK_ULONG len)
{
	atomic_fetch_add(&token_of(session)->logins, 1);
	return real.C_Login(session, user, pin, len);
}

static CK_RV sign_init(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
	struct bent_token *t = token_of(session);
	if (t->away)
		return CKR_DEVICE_REMOVED;
	if (atomic_load(&t->init_fails) > 0 && atomic_fetch_sub(&t->init_fails, 1) > 0)
		return CKR_DEVICE_ERROR;
	return real.C_SignInit(session, mechanism, key);
}

static void hang(struct bent_token *t, bool once)
{
	const struct timespec pause = { 0, 2000000 };
	atomic_fetch_add(&t->hanging, 1);
	while (atomic_load(&t->sign) == BENT_HANGS || (once && atomic_load(&t->held)))
		(void)nanosleep(&pause, NULL);
	atomic_fetch_sub(&t->hanging, 1);
}

static CK_RV sign(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG len, CK_BYTE_PTR signature,
		  CK_ULONG_PTR signature_len)
{
	struct bent_token *t = token_of(session);
	int expected = BENT_HANGS_ONCE;
	bool once = atomic_compare_exchange_strong(&t->sign, &expected, BENT_SIGNS);
	if (once || atomic_load(&t->sign) == BENT_HANGS)
		hang(t, once);
	CK_RV rv = real.C_Sign(session, data, len, signature, signature_len);
	if (rv != CKR_OK)
		return rv;
	atomic_fetch_add(&t->signatures, 1);
	switch (atomic_load(&t->sign)) {
	case BENT_SIGNS_AND_FAILS:
		return CKR_DEVICE_ERROR;
	case BENT_GARBAGE:
		memset(signature, 0x17, *signature_len);
		return CKR_OK;
	case BENT_SHORT:
		(*signature_len)--;
		return CKR_OK;
	default:
		return CKR_OK;
	}
}

/* ---- for tests ---- */

void bent_make(void)
{
	if (bent)
		(void)munmap(bent, sizeof(*bent));
	/* cppcheck-suppress invalidFunctionArg; there is no file behind it */
	bent = mmap(NULL, sizeof(*bent), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE(bent != MAP_FAILED);
}

void bent_install(void)
{
	CK_RV (*get_list)(CK_FUNCTION_LIST_PTR_PTR);
	/* Stays loaded: when the signer opens and closes it, its data stay what they are. */
	void *object = dlopen(hsm_admin_find_softhsm(), RTLD_NOW | RTLD_NODELETE);
	REQUIRE(object != NULL);
	*(void **)&get_list = dlsym(object, "C_GetFunctionList");
	REQUIRE(get_list != NULL && get_list(&list) == CKR_OK);
	(void)dlclose(object);
	real = *list;
	list->C_GetTokenInfo = get_token_info;
	list->C_OpenSession = open_session;
	list->C_Login = login;
	list->C_SignInit = sign_init;
	list->C_Sign = sign;
}

void bent_remove(void)
{
	*list = real;
}

void bent_hang_once(struct bent_token *token)
{
	atomic_store(&token->held, true);
	atomic_store(&token->sign, BENT_HANGS_ONCE);
}

void bent_release(struct bent_token *token)
{
	atomic_store(&token->sign, BENT_SIGNS);
	atomic_store(&token->held, false);
}
