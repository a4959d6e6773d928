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
	*count = SLOTS_MAX;
	CK_RV rv = p11_call(m->fn, C_GetSlotList, CK_TRUE, slots, count);
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
}

void hsm_token_unlock(struct hsm_token *t)
{
	pthread_rwlock_unlock(&t->module->gate);
	pthread_mutex_unlock(&t->lock);
}

/* ---- state ---- */

const char *hsm_token_state_name(enum hsm_token_state s)
{
	switch (s) {
	case HSM_TOKEN_UP:
		return "up";
	case HSM_TOKEN_DEGRADED:
		return "degraded";
	case HSM_TOKEN_DOWN:
		return "down";
	case HSM_TOKEN_RECOVERING:
		return "recovering";
	case HSM_TOKEN_PIN_REFUSED:
		return "pin-refused";
	}
	return "unknown";
}

enum hsm_token_state hsm_token_state(struct hsm_token *t)
{
	return (enum hsm_token_state)atomic_load_explicit(&t->state, memory_order_relaxed);
}

static void set_state(struct hsm_token *t, enum hsm_token_state to, CK_RV rv)
{
	if (atomic_load_explicit(&t->state, memory_order_relaxed) == (int)to)
		return;
	enum hsm_token_state from = (enum hsm_token_state)atomic_exchange(&t->state, (int)to);
	if (from == to)
		return;
	log_write(to == HSM_TOKEN_UP ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, "token state",
		  (const struct log_kv[]){ KV("token", t->name.token),
					   KV("from", hsm_token_state_name(from)),
					   KV("to", hsm_token_state_name(to)),
					   KV("answer", hsm_ckr_name(rv)),
					   { NULL, NULL, 0 } });
}

/* Under the lock: one try with a PIN in the life of the struct, once it was refused. */
static int login(struct hsm_token *t, struct error *err)
{
	if (t->pin_refused)
		return err_set(
			err, ERR_PIN_REFUSED,
			"token %s refused this PIN before; it is not tried again, so that its counter is not used up",
			t->name.token);
	struct bytes pin = secret_bytes(t->pin);
	CK_RV rv = p11_call(t->fn, C_Login, t->anchor, CKU_USER, (CK_UTF8CHAR_PTR)(uintptr_t)pin.data, pin.len);
	if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN)
		return 0;
	(void)hsm_ckr_error(err, "C_Login", rv);
	if (hsm_ckr_class(rv) != HSM_CKR_PIN)
		return err_wrap(err, ERR_TOKEN_UNAVAILABLE, "cannot log in to token %s: %s", t->name.token,
				hsm_ckr_name(rv));
	t->pin_refused = true;
	set_state(t, HSM_TOKEN_PIN_REFUSED, rv);
	return err_wrap(err, ERR_PIN_REFUSED, "token %s refused the PIN (%s); it is not tried again", t->name.token,
			hsm_ckr_name(rv));
}

/* Under the lock. What the token says of itself and of our login, which is made again where
 * the token has forgotten it. */
static CK_RV ask(struct hsm_token *t, struct error *err)
{
	CK_TOKEN_INFO info;
	CK_SESSION_INFO session;
	const char *call = "C_GetTokenInfo";
	CK_RV rv = p11_call(t->fn, C_GetTokenInfo, t->slot, &info);
	if (rv == CKR_OK) {
		call = "C_GetSessionInfo";
		rv = p11_call(t->fn, C_GetSessionInfo, t->anchor, &session);
	}
	if (rv != CKR_OK) {
		(void)hsm_ckr_error(err, call, rv);
		(void)err_wrap(err, ERR_TOKEN_UNAVAILABLE, "token %s does not answer: %s", t->name.token,
			       hsm_ckr_name(rv));
		return rv;
	}
	bool logged_in = session.state == CKS_RO_USER_FUNCTIONS || session.state == CKS_RW_USER_FUNCTIONS;
	if (t->pin && !logged_in && login(t, err))
		return CKR_USER_NOT_LOGGED_IN;
	return CKR_OK;
}

/* Asks; afterwards the state is `well` or down (or the PIN was refused). */
static int examine(struct hsm_token *t, enum hsm_token_state well, CK_RV cause, struct error *err)
{
	hsm_token_lock(t);
	CK_RV rv = ask(t, err);
	bool refused = t->pin_refused;
	hsm_token_unlock(t);
	atomic_store(&t->probed_ms, clock_monotonic_ms());
	if (!refused)
		set_state(t, rv == CKR_OK ? well : HSM_TOKEN_DOWN, rv == CKR_OK ? cause : rv);
	return rv == CKR_OK ? 0 : -1;
}

/* The other tokens of a module whose one token is down are looked at before they are taken for well. */
static void examine_others(struct hsm_token *t)
{
	struct hsm_token *others[HSM_TOKENS_MAX];
	struct hsm_module *m = t->module;
	pthread_mutex_lock(&m->lock);
	size_t count = m->token_count;
	memcpy(others, m->tokens, sizeof(others));
	pthread_mutex_unlock(&m->lock);
	for (size_t i = 0; i < count; i++) {
		struct error ignored = ERR_INIT; /* its own state says it */
		if (others[i] != t && hsm_token_state(others[i]) == HSM_TOKEN_UP)
			(void)examine(others[i], HSM_TOKEN_UP, CKR_OK, &ignored);
	}
}

int hsm_token_probe(struct hsm_token *t, struct error *err)
{
	/* That the token answers does not prove that it signs: a degraded one stays so until it does. */
	enum hsm_token_state well = hsm_token_state(t) == HSM_TOKEN_DEGRADED ? HSM_TOKEN_DEGRADED : HSM_TOKEN_UP;
	if (examine(t, well, CKR_OK, err) == 0)
		return 0;
	if (hsm_token_state(t) != HSM_TOKEN_DOWN)
		return -1;
	examine_others(t);
	struct error restarting = ERR_INIT; /* why the token is down says more than why it stays so */
	if (hsm_module_restart(t->module, &restarting)) {
		log_debug("module not restarted", KV("token", t->name.token), KV("why", restarting.message));
		return -1;
	}
	return hsm_token_state(t) == HSM_TOKEN_UP ? 0 : -1;
}

void hsm_token_saw(struct hsm_token *t, CK_RV rv)
{
	enum hsm_ckr_class class = hsm_ckr_class(rv);
	if (class == HSM_CKR_OK) {
		set_state(t, HSM_TOKEN_UP, rv);
	} else if (class != HSM_CKR_ARGUMENT) {
		struct error ignored = ERR_INIT; /* the caller reports its own failure */
		(void)examine(t, HSM_TOKEN_DEGRADED, rv, &ignored);
	}
}

int hsm_token_ready(struct hsm_token *t, struct error *err)
{
	enum hsm_token_state state = hsm_token_state(t);
	if (state != HSM_TOKEN_DOWN && state != HSM_TOKEN_PIN_REFUSED)
		return 0;
	int64_t now = clock_monotonic_ms(), probed = atomic_load(&t->probed_ms);
	if (state == HSM_TOKEN_DOWN && now - probed >= HSM_LOOK_MS &&
	    atomic_compare_exchange_strong(&t->probed_ms, &probed, now))
		return hsm_token_probe(t, err);
	return err_set(err, ERR_TOKEN_UNAVAILABLE, "token %s is %s", t->name.token, hsm_token_state_name(state));
}

const char *hsm_token_label(const struct hsm_token *t)
{
	return t->name.token;
}

uint64_t hsm_token_signatures(struct hsm_token *t)
{
	return atomic_load_explicit(&t->signatures, memory_order_relaxed);
}

/* ---- opening ---- */

static bool matches(const struct hsm_uri *uri, const struct hsm_token_info *info)
{
	return (!(uri->parts & HSM_URI_TOKEN) || strcmp(uri->token, info->label) == 0) &&
	       (!(uri->parts & HSM_URI_MANUFACTURER) || strcmp(uri->manufacturer, info->manufacturer) == 0) &&
	       (!(uri->parts & HSM_URI_SERIAL) || strcmp(uri->serial, info->serial) == 0) &&
	       (!(uri->parts & HSM_URI_MODEL) || strcmp(uri->model, info->model) == 0) &&
	       (!(uri->parts & HSM_URI_SLOT) || uri->slot == info->slot);
}

/* Inside the gate. */
static int choose(struct hsm_module *m, const struct hsm_uri *uri, struct hsm_token_info *chosen, struct error *err)
{
	auto_free struct hsm_token_info *all = calloc(SLOTS_MAX, sizeof(*all));
	if (!all)
		return err_set(err, ERR_INTERNAL, "no memory for the list of tokens");
	int count = list_tokens(m, all, SLOTS_MAX, err), found = 0;
	for (int i = 0; i < count && i < SLOTS_MAX; i++) {
		if (!all[i].initialized || !matches(uri, &all[i]))
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

/* Locked, or one try from it: whoever holds the PIN has to look at the token first. */
static int check_counter(const struct hsm_token_info *info, struct error *err)
{
	if (info->pin_locked)
		return err_set(err, ERR_PIN_REFUSED, "the PIN of token %s is locked", info->label);
	if (info->pin_final_try)
		return err_set(err, ERR_PIN_REFUSED,
			       "token %s allows one more try of its PIN before it locks; log in once by hand to show "
			       "that the PIN is right",
			       info->label);
	return 0;
}

static int open_anchor(struct hsm_token *t, struct error *err)
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
	t->state = HSM_TOKEN_UP;
	t->probed_ms = clock_monotonic_ms();
	return t;
}

static int set_up(struct hsm_token *t, const struct hsm_token_info *info, const struct secret *pin, size_t sessions,
		  struct error *err)
{
	if (info->sessions_max > 1 && sessions > info->sessions_max - 1)
		sessions = info->sessions_max - 1;
	if (hsm_pool_init(&t->pool, t->fn, t->slot, sessions > 0 ? sessions : 1, err) || open_anchor(t, err))
		return -1;
	if (pin) {
		t->pin = secret_new(secret_bytes(pin), err);
		if (!t->pin || check_counter(info, err) || login(t, err))
			return -1;
	}
	return hsm_module_add(t->module, t, err);
}

void hsm_token_reopen(struct hsm_token *t)
{
	struct hsm_token_info info;
	struct error err = ERR_INIT;
	t->anchor = CK_INVALID_HANDLE;
	atomic_fetch_add(&t->generation, 1);
	if (choose(t->module, &t->name, &info, &err) == 0) {
		t->slot = info.slot;
		hsm_pool_forget(&t->pool, info.slot);
		if (open_anchor(t, &err) == 0 && (!t->pin || (check_counter(&info, &err) == 0 && login(t, &err) == 0)))
			set_state(t, HSM_TOKEN_UP, CKR_OK);
	}
	if (err.code != ERR_NONE)
		log_debug("token not reopened", KV("token", t->name.token), KV("why", err.message));
}

static struct hsm_token *open_matching(struct hsm_module *m, const struct hsm_uri *uri, const struct secret *pin,
				       size_t sessions, struct error *err)
{
	struct hsm_token_info info;
	if (choose(m, uri, &info, err))
		return NULL;
	struct hsm_token *t = new_token(m, &info);
	if (!t) {
		(void)err_set(err, ERR_INTERNAL, "no memory for a token");
		return NULL;
	}
	if (set_up(t, &info, pin, sessions, err)) {
		hsm_token_close(t);
		return NULL;
	}
	log_info("token opened", KV("token", info.label), KV("serial", info.serial), KV_INT("slot", info.slot));
	return t;
}

struct hsm_token *hsm_token_open(struct hsm_module *m, const char *uri, const struct secret *pin, size_t sessions,
				 struct error *err)
{
	struct hsm_uri name;
	if (hsm_uri_parse(uri, &name, err))
		return NULL;
	pthread_rwlock_rdlock(&m->gate);
	struct hsm_token *t = open_matching(m, &name, pin, sessions, err);
	pthread_rwlock_unlock(&m->gate);
	if (!t && (err->code == ERR_CONFIG || err->code == ERR_TOKEN_UNAVAILABLE)) {
		struct error cause = *err;
		(void)err_wrap(err, cause.code, "cannot open token %s: %s", uri, cause.message);
	}
	return t;
}

void hsm_token_close(struct hsm_token *t)
{
	if (!t)
		return;
	hsm_module_remove(t->module, t);
	hsm_pool_close(&t->pool);
	/* No C_Logout: it would end the login of others in this process. It goes with the last session. */
	if (t->anchor != CK_INVALID_HANDLE)
		(void)p11_call(t->fn, C_CloseSession, t->anchor);
	secret_free(t->pin);
	pthread_mutex_destroy(&t->lock);
	free(t);
}
