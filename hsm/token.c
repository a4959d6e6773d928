#include "hsm/token.h"

#include "base/clock.h"
#include "base/log.h"
#include "hsm/private.h"

#define SLOTS_MAX 256

/* ---- what there is ---- */

/* PKCS#11 texts have no NUL and blanks at the end (v2.40 section 3.1). */
static void copy_text(char *out, size_t out_size, const CK_UTF8CHAR *text, size_t size)
{
	while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\0'))
		size--;
	if (size > out_size - 1)
		size = out_size - 1;
	memcpy(out, text, size);
	out[size] = '\0';
}

static int slot_list(struct hsm_module *m, CK_SLOT_ID *slots, CK_ULONG *count, struct error *err)
{
	/* A module looks which tokens there are only when it is asked for their number (v2.40 section 5.5). */
	CK_RV rv = p11_call(m->fn, C_GetSlotList, CK_TRUE, NULL, count);
	*count = SLOTS_MAX;
	if (rv == CKR_OK)
		rv = p11_call(m->fn, C_GetSlotList, CK_TRUE, slots, count);
	if (rv == CKR_OK)
		return 0;
	(void)hsm_ckr_error(err, "C_GetSlotList", rv);
	return err_wrap(err, ERR_TOKEN_UNAVAILABLE, "the PKCS#11 module %s does not list its slots: %s", m->path,
			hsm_ckr_name(rv));
}

static int read_info(struct hsm_module *m, CK_SLOT_ID slot, struct hsm_token_info *out)
{
	CK_TOKEN_INFO info;
	memset(&info, 0, sizeof(info));
	if (p11_call(m->fn, C_GetTokenInfo, slot, &info) != CKR_OK)
		return -1;
	*out = (struct hsm_token_info){
		.slot = slot,
		.initialized = info.flags & CKF_TOKEN_INITIALIZED,
		.login_required = info.flags & CKF_LOGIN_REQUIRED,
		.pin_set = info.flags & CKF_USER_PIN_INITIALIZED,
		.pin_locked = info.flags & CKF_USER_PIN_LOCKED,
		.pin_final_try = info.flags & CKF_USER_PIN_FINAL_TRY,
		.so_pin_locked = info.flags & CKF_SO_PIN_LOCKED,
		.so_pin_final_try = info.flags & CKF_SO_PIN_FINAL_TRY,
		.pin_min = info.ulMinPinLen,
		.pin_max = info.ulMaxPinLen,
	};
	if (info.ulMaxSessionCount != CK_UNAVAILABLE_INFORMATION)
		out->sessions_max = info.ulMaxSessionCount;
	copy_text(out->label, sizeof(out->label), info.label, sizeof(info.label));
	copy_text(out->manufacturer, sizeof(out->manufacturer), info.manufacturerID, sizeof(info.manufacturerID));
	copy_text(out->model, sizeof(out->model), info.model, sizeof(info.model));
	copy_text(out->serial, sizeof(out->serial), info.serialNumber, sizeof(info.serialNumber));
	return 0;
}

/* Inside the gate. */
static int list_tokens(struct hsm_module *m, struct hsm_token_info *out, size_t max, struct error *err)
{
	CK_SLOT_ID slots[SLOTS_MAX];
	CK_ULONG count;
	if (slot_list(m, slots, &count, err))
		return -1;
	int found = 0;
	for (CK_ULONG i = 0; i < count; i++) {
		struct hsm_token_info info;
		if (read_info(m, slots[i], &info))
			continue; /* taken out since the list was made */
		if ((size_t)found < max)
			out[found] = info;
		found++;
	}
	return found;
}

int hsm_module_tokens(struct hsm_module *m, struct hsm_token_info *out, size_t max, struct error *err)
{
	pthread_rwlock_rdlock(&m->gate);
	int count = list_tokens(m, out, max, err);
	pthread_rwlock_unlock(&m->gate);
	return count;
}

void hsm_token_lock(struct hsm_token *t)
{
	pthread_mutex_lock(&t->lock);
	pthread_rwlock_rdlock(&t->module->gate);
	atomic_store(&t->anchor_since_ms, clock_monotonic_ms());
}

void hsm_token_unlock(struct hsm_token *t)
{
	atomic_store(&t->anchor_since_ms, 0);
	pthread_rwlock_unlock(&t->module->gate);
	pthread_mutex_unlock(&t->lock);
}

/* ---- opening ---- */

bool hsm_token_matches(const struct hsm_uri *uri, const struct hsm_token_info *info)
{
	return (!(uri->parts & HSM_URI_TOKEN) || strcmp(uri->token, info->label) == 0) &&
	       (!(uri->parts & HSM_URI_MANUFACTURER) || strcmp(uri->manufacturer, info->manufacturer) == 0) &&
	       (!(uri->parts & HSM_URI_SERIAL) || strcmp(uri->serial, info->serial) == 0) &&
	       (!(uri->parts & HSM_URI_MODEL) || strcmp(uri->model, info->model) == 0) &&
	       (!(uri->parts & HSM_URI_SLOT) || uri->slot == info->slot);
}

int hsm_token_choose(struct hsm_module *m, const struct hsm_uri *uri, struct hsm_token_info *chosen, struct error *err)
{
	auto_free struct hsm_token_info *all = calloc(SLOTS_MAX, sizeof(*all));
	if (!all)
		return err_set(err, ERR_INTERNAL, "no memory for the list of tokens");
	int count = list_tokens(m, all, SLOTS_MAX, err), found = 0;
	for (int i = 0; i < count && i < SLOTS_MAX; i++) {
		if (!all[i].initialized || !hsm_token_matches(uri, &all[i]))
			continue;
		*chosen = all[i];
		found++;
	}
	if (count < 0)
		return -1;
	if (found > 1)
		return err_set(err, ERR_CONFIG, "%d tokens match; name one by its serial", found);
	return found == 1 ? 0 : err_set(err, ERR_TOKEN_UNAVAILABLE, "there is no such token");
}

int hsm_token_open_anchor(struct hsm_token *t, struct error *err)
{
	CK_RV rv = p11_call(t->fn, C_OpenSession, t->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &t->anchor);
	if (rv == CKR_TOKEN_WRITE_PROTECTED)
		rv = p11_call(t->fn, C_OpenSession, t->slot, CKF_SERIAL_SESSION, NULL, NULL, &t->anchor);
	if (rv == CKR_OK)
		return 0;
	t->anchor = CK_INVALID_HANDLE;
	(void)hsm_ckr_error(err, "C_OpenSession", rv);
	return err_wrap(err, ERR_TOKEN_UNAVAILABLE, "cannot open a session with token %s: %s", t->name.token,
			hsm_ckr_name(rv));
}

static struct hsm_token *new_token(struct hsm_module *m, const struct hsm_token_info *info)
{
	struct hsm_token *t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->module = m;
	t->fn = m->fn;
	t->slot = info->slot;
	t->anchor = CK_INVALID_HANDLE;
	t->name.parts = HSM_URI_TOKEN | HSM_URI_SERIAL;
	memcpy(t->name.token, info->label, sizeof(t->name.token));
	memcpy(t->name.serial, info->serial, sizeof(t->name.serial));
	pthread_mutex_init(&t->lock, NULL);
	pthread_mutex_init(&t->keys_lock, NULL);
	pthread_mutex_init(&t->state_lock, NULL);
	t->state = HSM_TOKEN_UP;
	t->since_ms = t->touched_ms = clock_monotonic_ms();
	return t;
}

/* How it is to be opened. */
struct opening {
	const struct secret *pin;
	size_t sessions;
	const struct hsm_token_care *care;
};

/* Inside the gate; nobody else knows the token yet, so its lock need not be held. */
static int set_up(struct hsm_token *t, const struct hsm_token_info *info, const struct opening *o, struct error *err)
{
	size_t sessions = o->sessions;
	if (info->sessions_max > 1 && sessions > info->sessions_max - 1)
		sessions = info->sessions_max - 1;
	if (hsm_pool_init(&t->pool, t->fn, t->slot, sessions > 0 ? sessions : 1, err) || hsm_token_open_anchor(t, err))
		return -1;
	if (o->pin) {
		t->pin = secret_new(secret_bytes(o->pin), err);
		if (!t->pin || hsm_token_login(t, err))
			return -1;
	}
	if (o->care)
		t->care = *o->care;
	return hsm_module_add(t->module, t, err);
}

/* Inside the gate; nobody else knows the token, or will hear of it any more. */
static void discard(struct hsm_token *t)
{
	hsm_pool_close(&t->pool);
	/* No C_Logout: it would end the login of others in this process. It goes with the last session. */
	if (t->anchor != CK_INVALID_HANDLE)
		(void)p11_call(t->fn, C_CloseSession, t->anchor);
	secret_free(t->pin);
	pthread_mutex_destroy(&t->lock);
	pthread_mutex_destroy(&t->keys_lock);
	pthread_mutex_destroy(&t->state_lock);
	free(t);
}

static struct hsm_token *open_matching(struct hsm_module *m, const struct hsm_uri *uri, const struct opening *o,
				       struct error *err)
{
	struct hsm_token_info info;
	if (hsm_token_choose(m, uri, &info, err))
		return NULL;
	struct hsm_token *t = new_token(m, &info);
	if (!t) {
		(void)err_set(err, ERR_INTERNAL, "no memory for a token");
		return NULL;
	}
	if (set_up(t, &info, o, err)) {
		discard(t);
		return NULL;
	}
	log_info("token opened", KV("token", info.label), KV("serial", info.serial), KV_INT("slot", info.slot));
	return t;
}

struct hsm_token *hsm_token_open_with_care(struct hsm_module *m, const char *uri, const struct secret *pin,
					   size_t sessions, const struct hsm_token_care *care, struct error *err)
{
	struct hsm_uri name;
	const struct opening o = { pin, sessions, care };
	if (hsm_uri_parse(uri, &name, err))
		return NULL;
	pthread_rwlock_rdlock(&m->gate);
	struct hsm_token *t = open_matching(m, &name, &o, err);
	pthread_rwlock_unlock(&m->gate);
	if (!t && (err->code == ERR_CONFIG || err->code == ERR_TOKEN_UNAVAILABLE)) {
		struct error cause = *err;
		(void)err_wrap(err, cause.code, "cannot open token %s: %s", uri, cause.message);
	}
	return t;
}

struct hsm_token *hsm_token_open(struct hsm_module *m, const char *uri, const struct secret *pin, size_t sessions,
				 struct error *err)
{
	return hsm_token_open_with_care(m, uri, pin, sessions, NULL, err);
}

void hsm_token_close(struct hsm_token *t)
{
	if (!t)
		return;
	struct hsm_module *m = t->module;
	hsm_module_await_visitors(m, t);
	/* Inside the gate: after a restart our handles may be those of others. */
	pthread_rwlock_rdlock(&m->gate);
	hsm_module_remove(m, t);
	discard(t);
	pthread_rwlock_unlock(&m->gate);
}
