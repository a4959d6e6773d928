#include "tests/bench/support/raw.h"

#include <dlfcn.h>

#define SLOTS_MAX 64
#define SIGNATURE_MAX 1024

static int check(CK_RV rv, const char *call, struct error *err)
{
	return rv == CKR_OK ? 0 : err_set(err, ERR_TOKEN_UNAVAILABLE, "%s answered 0x%lx", call, rv);
}

static bool is_labelled(const CK_TOKEN_INFO *info, const char *label)
{
	size_t len = strlen(label);
	for (size_t i = 0; i < sizeof(info->label); i++) {
		if (info->label[i] != (i < len ? (CK_UTF8CHAR)label[i] : ' '))
			return false;
	}
	return true;
}

static int find_slot(const struct raw_token *r, const char *label, CK_SLOT_ID *slot, struct error *err)
{
	CK_SLOT_ID slots[SLOTS_MAX];
	CK_ULONG count = SLOTS_MAX;
	if (check(r->fn->C_GetSlotList(CK_TRUE, slots, &count), "C_GetSlotList", err))
		return -1;
	for (CK_ULONG i = 0; i < count; i++) {
		CK_TOKEN_INFO info;
		if (r->fn->C_GetTokenInfo(slots[i], &info) != CKR_OK || !is_labelled(&info, label))
			continue;
		*slot = slots[i];
		return 0;
	}
	return err_set(err, ERR_NOT_FOUND, "there is no token %s", label);
}

int raw_open(struct raw_token *r, const char *path, const char *label, struct error *err)
{
	CK_RV (*get_list)(CK_FUNCTION_LIST_PTR_PTR) = NULL;
	CK_SLOT_ID slot;
	r->object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (r->object)
		*(void **)&get_list = dlsym(r->object, "C_GetFunctionList");
	if (!get_list || get_list(&r->fn) != CKR_OK)
		return err_set(err, ERR_TOKEN_UNAVAILABLE, "%s has no function list", path);
	if (find_slot(r, label, &slot, err))
		return -1;
	for (; r->count < CREW_MAX; r->count++) {
		CK_RV rv = r->fn->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &r->sessions[r->count]);
		if (check(rv, "C_OpenSession", err))
			return -1;
	}
	return 0;
}

void raw_close(struct raw_token *r)
{
	while (r->count > 0)
		(void)r->fn->C_CloseSession(r->sessions[--r->count]);
	if (r->object)
		(void)dlclose(r->object);
	r->object = NULL;
}

int raw_find(struct raw_token *r, struct bytes id, CK_OBJECT_HANDLE *object, struct error *err)
{
	CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	CK_BBOOL yes = CK_TRUE;
	CK_ATTRIBUTE match[] = {
		{ CKA_CLASS, &class, sizeof(class) },
		{ CKA_TOKEN, &yes, sizeof(yes) },
		{ CKA_ID, (void *)(uintptr_t)id.data, id.len },
	};
	CK_ULONG count = 0;
	if (check(r->fn->C_FindObjectsInit(r->sessions[0], match, 3), "C_FindObjectsInit", err))
		return -1;
	CK_RV rv = r->fn->C_FindObjects(r->sessions[0], object, 1, &count);
	(void)r->fn->C_FindObjectsFinal(r->sessions[0]);
	if (check(rv, "C_FindObjects", err))
		return -1;
	return count == 1 ? 0 : err_set(err, ERR_NOT_FOUND, "the token has no key of this CKA_ID");
}

int raw_sign(struct raw_token *r, size_t number, CK_MECHANISM_TYPE mechanism, CK_OBJECT_HANDLE object,
	     struct bytes input, struct error *err)
{
	CK_MECHANISM m = { mechanism, NULL, 0 };
	CK_BYTE signature[SIGNATURE_MAX];
	CK_ULONG len = sizeof(signature);
	if (check(r->fn->C_SignInit(r->sessions[number], &m, object), "C_SignInit", err))
		return -1;
	return check(r->fn->C_Sign(r->sessions[number], (CK_BYTE_PTR)(uintptr_t)input.data, input.len, signature, &len),
		     "C_Sign", err);
}
