/*
 * Looking at the token's objects: rare calls, all through the anchor session under its lock.
 */
#include "hsm/private.h"

#define BATCH 16

static CK_RV find_init(struct hsm_token *t, const CK_ATTRIBUTE *match, size_t count)
{
	CK_ATTRIBUTE *template = (CK_ATTRIBUTE *)(uintptr_t)match;
	CK_RV rv = p11_call(t->fn, C_FindObjectsInit, t->anchor, template, count);
	if (rv != CKR_OPERATION_ACTIVE)
		return rv;
	/* A search that failed half-way may still be open in the session. */
	(void)p11_call(t->fn, C_FindObjectsFinal, t->anchor);
	return p11_call(t->fn, C_FindObjectsInit, t->anchor, template, count);
}

static CK_RV find_all(struct hsm_token *t, CK_OBJECT_HANDLE *out, size_t max, size_t *found)
{
	CK_OBJECT_HANDLE batch[BATCH];
	CK_ULONG got;
	do {
		got = 0;
		CK_RV rv = p11_call(t->fn, C_FindObjects, t->anchor, batch, BATCH, &got);
		if (rv != CKR_OK)
			return rv;
		for (CK_ULONG i = 0; i < got && i < BATCH && *found < max; i++)
			out[(*found)++] = batch[i];
	} while (got > 0 && *found < max);
	return CKR_OK;
}

int hsm_objects_find(struct hsm_token *t, const CK_ATTRIBUTE *match, size_t count, CK_OBJECT_HANDLE *out, size_t max,
		     struct error *err)
{
	size_t found = 0;
	const char *call = "C_FindObjectsInit";
	hsm_token_lock(t);
	CK_RV rv = find_init(t, match, count);
	if (rv == CKR_OK) {
		call = "C_FindObjects";
		rv = find_all(t, out, max, &found);
		(void)p11_call(t->fn, C_FindObjectsFinal, t->anchor);
	}
	hsm_token_unlock(t);
	return rv == CKR_OK ? (int)found : hsm_ckr_error(err, call, rv);
}

int hsm_object_bytes(struct hsm_token *t, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, size_t max, struct buf *out,
		     struct error *err)
{
	size_t before = out->len;
	uint8_t *room = buf_extend(out, max);
	if (!room)
		return err_set(err, ERR_INTERNAL, "no memory for an attribute");
	CK_ATTRIBUTE attribute = { type, room, max };
	hsm_token_lock(t);
	CK_RV rv = p11_call(t->fn, C_GetAttributeValue, t->anchor, object, &attribute, 1);
	hsm_token_unlock(t);
	/* A module that wrote past its room says so at best; one that claims so is not believed. */
	bool good = rv == CKR_OK && attribute.ulValueLen <= max;
	out->len = before + (good ? attribute.ulValueLen : 0);
	if (good)
		return 0;
	return hsm_ckr_error(err, "C_GetAttributeValue", rv == CKR_OK ? CKR_BUFFER_TOO_SMALL : rv);
}

int hsm_object_flag(struct hsm_token *t, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type)
{
	auto_buf value = BUF_INIT;
	struct error ignored = ERR_INIT; /* that the token does not say is an answer */
	if (hsm_object_bytes(t, object, type, sizeof(CK_BBOOL), &value, &ignored) || value.len != sizeof(CK_BBOOL))
		return -1;
	return value.data[0] != CK_FALSE;
}

int hsm_object_number(struct hsm_token *t, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, CK_ULONG *out,
		      struct error *err)
{
	auto_buf value = BUF_INIT;
	if (hsm_object_bytes(t, object, type, sizeof(*out), &value, err))
		return -1;
	if (value.len != sizeof(*out))
		return err_set(err, ERR_TOKEN_UNAVAILABLE, "the token gave attribute 0x%lx in %zu octets", type,
			       value.len);
	memcpy(out, value.data, sizeof(*out));
	return 0;
}

void hsm_object_destroy(struct hsm_token *t, CK_OBJECT_HANDLE object)
{
	hsm_token_lock(t);
	(void)p11_call(t->fn, C_DestroyObject, t->anchor, object);
	hsm_token_unlock(t);
}
