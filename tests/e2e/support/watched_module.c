/*
 * SoftHSM2 under watch: a PKCS#11 module that writes down each call that has to do with PINs, and stops
 * for ever before or after one, so that a test can end its process at that very moment.
 *
 *     WATCHED_LOG=FILE       a line for each such call
 *     WATCHED_STOP=CALL      "before C_SetPIN", "after C_SetPIN", "before C_InitToken" ...: said in the log, too
 *     WATCHED_PIN_MOST=8     the token says that PINs have at most so many octets
 *     WATCHED_FINAL_TRY=1    the token says that one try of its PIN is left
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <p11-kit/pkcs11.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static CK_FUNCTION_LIST watched;
static CK_FUNCTION_LIST_PTR real;

static void note(const char *when, const char *call)
{
	const char *log = getenv("WATCHED_LOG"), *stop = getenv("WATCHED_STOP");
	char line[64];
	int len = snprintf(line, sizeof(line), "%s %s\n", when, call);
	int fd = log ? open(log, O_WRONLY | O_APPEND) : -1;
	if (fd < 0 || write(fd, line, (size_t)len) != len)
		abort();
	(void)close(fd);
	while (stop && strncmp(line, stop, strlen(stop)) == 0)
		(void)pause();
}

#define WATCH(call, ...)                            \
	({                                          \
		note("before", #call);              \
		CK_RV rv = real->call(__VA_ARGS__); \
		note("after", #call);               \
		rv;                                 \
	})

static CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR_PTR pin, CK_ULONG len)
{
	return user == CKU_USER ? WATCH(C_Login, session, user, pin, len) : real->C_Login(session, user, pin, len);
}

static CK_RV set_pin(CK_SESSION_HANDLE session, CK_UTF8CHAR_PTR from, CK_ULONG from_len, CK_UTF8CHAR_PTR to,
		     CK_ULONG to_len)
{
	return WATCH(C_SetPIN, session, from, from_len, to, to_len);
}

static CK_RV init_token(CK_SLOT_ID slot, CK_UTF8CHAR_PTR pin, CK_ULONG len, CK_UTF8CHAR_PTR label)
{
	return WATCH(C_InitToken, slot, pin, len, label);
}

static CK_RV token_info(CK_SLOT_ID slot, CK_TOKEN_INFO_PTR info)
{
	CK_RV rv = real->C_GetTokenInfo(slot, info);
	if (rv == CKR_OK && getenv("WATCHED_FINAL_TRY"))
		info->flags |= CKF_USER_PIN_FINAL_TRY;
	if (rv == CKR_OK && getenv("WATCHED_PIN_MOST"))
		info->ulMaxPinLen = strtoul(getenv("WATCHED_PIN_MOST"), NULL, 10);
	return rv;
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list)
{
	void *module = dlopen(SOFTHSM, RTLD_NOW | RTLD_LOCAL);
	CK_RV (*get)(CK_FUNCTION_LIST_PTR_PTR) = NULL;
	if (module)
		*(void **)&get = dlsym(module, "C_GetFunctionList");
	if (!get || get(&real) != CKR_OK)
		return CKR_GENERAL_ERROR;
	watched = *real;
	watched.C_Login = login;
	watched.C_SetPIN = set_pin;
	watched.C_InitToken = init_token;
	watched.C_GetTokenInfo = token_info;
	*list = &watched;
	return CKR_OK;
}
