/*
 * Loading a PKCS#11 module. The only place that calls C_Initialize and C_Finalize.
 */
#include <dlfcn.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/wait.h"
#include "hsm/private.h"

static int load(struct hsm_module *m, const char *path, struct error *err)
{
	if (!strchr(path, '/'))
		return err_set(err, ERR_TOKEN_UNAVAILABLE, "PKCS#11 module %s: give the whole path of the module",
			       path);
	m->object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!m->object) {
		const char *why = dlerror();
		return err_set(err, ERR_TOKEN_UNAVAILABLE, "cannot load the PKCS#11 module: %s", why ? why : path);
	}
	CK_RV (*get_list)(CK_FUNCTION_LIST_PTR_PTR);
	*(void **)&get_list = dlsym(m->object, "C_GetFunctionList");
	if (!get_list)
		return err_set(err, ERR_TOKEN_UNAVAILABLE, "%s is no PKCS#11 module: it has no C_GetFunctionList",
			       path);
	CK_RV rv = get_list(&m->fn);
	if (rv != CKR_OK)
		return hsm_ckr_error(err, "C_GetFunctionList", rv);
	if (!m->fn || m->fn->version.major < 2)
		return err_set(err, ERR_TOKEN_UNAVAILABLE, "%s has no function list of PKCS#11 version 2", path);
	return 0;
}

static void unload(struct hsm_module *m)
{
	if (m->object)
		(void)dlclose(m->object);
	pthread_rwlock_destroy(&m->gate);
	pthread_cond_destroy(&m->left);
	pthread_mutex_destroy(&m->lock);
	free(m->path);
	free(m);
}

static CK_RV initialize(struct hsm_module *m)
{
	CK_C_INITIALIZE_ARGS arguments = { .flags = CKF_OS_LOCKING_OK };
	return p11_call(m->fn, C_Initialize, &arguments);
}

static struct hsm_module *new_module(const char *path)
{
	struct hsm_module *m = calloc(1, sizeof(*m));
	if (!m || !(m->path = strdup(path))) {
		free(m);
		return NULL;
	}
	/* A restart must not wait until nobody wants to sign any more. */
	pthread_rwlockattr_t attributes;
	pthread_rwlockattr_init(&attributes);
	pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&m->gate, &attributes);
	pthread_rwlockattr_destroy(&attributes);
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->left, NULL);
	return m;
}

struct hsm_module *hsm_module_open(const char *path, struct error *err)
{
	struct hsm_module *m = new_module(path);
	if (!m) {
		(void)err_set(err, ERR_INTERNAL, "no memory for a PKCS#11 module");
		return NULL;
	}
	if (load(m, path, err)) {
		unload(m);
		return NULL;
	}
	CK_RV rv = initialize(m);
	if (rv != CKR_OK) {
		(void)hsm_ckr_error(err, "C_Initialize", rv);
		(void)err_wrap(err, ERR_TOKEN_UNAVAILABLE, "the PKCS#11 module %s cannot be initialized: %s", path,
			       hsm_ckr_name(rv));
		unload(m);
		return NULL;
	}
	log_debug("PKCS#11 module opened", KV("path", path));
	return m;
}

void hsm_module_close(struct hsm_module *m)
{
	if (!m)
		return;
	CK_RV rv = p11_call(m->fn, C_Finalize, NULL);
	if (rv != CKR_OK)
		log_warn("PKCS#11 module does not finalize", KV("path", m->path), KV("answer", hsm_ckr_name(rv)));
	unload(m);
}

int hsm_module_reinitialize(struct hsm_module *m, void (*between)(CK_FUNCTION_LIST_PTR fn, void *argument),
			    void *argument, struct error *err)
{
	pthread_rwlock_wrlock(&m->gate);
	CK_RV rv = p11_call(m->fn, C_Finalize, NULL);
	const char *call = "C_Finalize";
	if (rv == CKR_OK) {
		between(m->fn, argument);
		call = "C_Initialize";
		rv = initialize(m);
	}
	pthread_rwlock_unlock(&m->gate);
	return rv == CKR_OK ? 0 : hsm_ckr_error(err, call, rv);
}

int hsm_module_add(struct hsm_module *m, struct hsm_token *t, struct error *err)
{
	pthread_mutex_lock(&m->lock);
	bool room = m->token_count < HSM_TOKENS_MAX;
	if (room)
		m->tokens[m->token_count++] = t;
	pthread_mutex_unlock(&m->lock);
	return room ? 0 : err_set(err, ERR_CONFIG, "more than %d tokens of one module", HSM_TOKENS_MAX);
}

void hsm_module_remove(struct hsm_module *m, const struct hsm_token *t)
{
	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < m->token_count; i++) {
		if (m->tokens[i] == t) {
			m->tokens[i] = m->tokens[--m->token_count];
			break;
		}
	}
	pthread_mutex_unlock(&m->lock);
}

size_t hsm_module_visit(struct hsm_module *m, struct hsm_token *tokens[HSM_TOKENS_MAX])
{
	size_t count = 0;
	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < m->token_count; i++) {
		if (m->tokens[i]->closing)
			continue;
		m->tokens[i]->visitors++;
		tokens[count++] = m->tokens[i];
	}
	pthread_mutex_unlock(&m->lock);
	return count;
}

void hsm_module_leave(struct hsm_module *m, struct hsm_token *const *tokens, size_t count)
{
	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < count; i++)
		tokens[i]->visitors--;
	pthread_cond_broadcast(&m->left);
	pthread_mutex_unlock(&m->lock);
}

void hsm_module_await_visitors(struct hsm_module *m, struct hsm_token *t)
{
	pthread_mutex_lock(&m->lock);
	t->closing = true;
	while (t->visitors > 0)
		pthread_cond_wait(&m->left, &m->lock);
	pthread_mutex_unlock(&m->lock);
}

/* ---- restarting ---- */

static bool is_well(struct hsm_token *t)
{
	enum hsm_token_state state = hsm_token_state(t);
	return state != HSM_TOKEN_DOWN && state != HSM_TOKEN_PIN_REFUSED;
}

/* With the list locked: the tokens that a restart would disturb, by their places. */
static size_t count_well(const struct hsm_module *m, bool well[HSM_TOKENS_MAX])
{
	size_t count = 0;
	for (size_t i = 0; i < m->token_count; i++) {
		well[i] = is_well(m->tokens[i]);
		count += well[i];
	}
	return count;
}

/* Who waits at the gate for a call that does not return keeps all others waiting with him. */
static bool has_slow_call(const struct hsm_module *m, int64_t now_ms)
{
	int64_t before_ms = now_ms - HSM_RESTART_WAIT_MS / 4;
	for (size_t i = 0; i < m->token_count; i++) {
		int64_t anchor_ms = atomic_load(&m->tokens[i]->anchor_since_ms);
		if ((anchor_ms && anchor_ms < before_ms) || hsm_pool_first_ms(&m->tokens[i]->pool) < before_ms)
			return true;
	}
	return false;
}

/* With the list locked. */
static int64_t drain_pause_ms(const struct hsm_module *m, int64_t down_ms)
{
	int64_t pause_ms = HSM_DRAIN_LEAST_MS;
	if (down_ms / 30 > pause_ms)
		pause_ms = down_ms / 30 < 10000 ? down_ms / 30 : 10000;
	if (100 * m->drain_took_ms > pause_ms)
		pause_ms = 100 * m->drain_took_ms;
	return pause_ms < HSM_DRAIN_MOST_MS ? pause_ms : HSM_DRAIN_MOST_MS;
}

/* With the list locked. */
static int may_restart(struct hsm_module *m, size_t well, int64_t down_ms, struct error *err)
{
	int64_t now_ms = clock_monotonic_ms(), pause_ms = drain_pause_ms(m, down_ms);
	if (has_slow_call(m, now_ms))
		return err_set(err, ERR_TOKEN_UNAVAILABLE, "a call into the module %s does not return", m->path);
	if (well == 0)
		return 0;
	/* At first the pause is for what passes by itself. */
	if (m->drained_ms == 0 || now_ms - m->drained_ms > (int64_t)2 * HSM_DRAIN_MOST_MS)
		m->drained_ms = now_ms;
	if (m->drain_hurts || now_ms - m->drained_ms < pause_ms)
		return err_set(err, ERR_TOKEN_UNAVAILABLE, "the module is in use by %zu other tokens", well);
	m->drained_ms = now_ms;
	return 0;
}

/* Inside the gate, and with the list locked. */
static int restart(struct hsm_module *m, const bool well[HSM_TOKENS_MAX], struct error *err)
{
	atomic_fetch_add(&m->restarts, 1);
	(void)p11_call(m->fn, C_Finalize, NULL); /* it may have failed to initialize the last time */
	CK_RV rv = initialize(m);
	size_t lost = 0;
	for (size_t i = 0; i < m->token_count; i++) {
		hsm_token_reopen(m->tokens[i]);
		lost += well[i] && !is_well(m->tokens[i]);
	}
	if (lost)
		log_error("a restart of the module took tokens that were up", KV("path", m->path),
			  KV_INT("tokens", lost));
	m->drain_hurts = lost > 0;
	if (rv == CKR_OK)
		return 0;
	(void)hsm_ckr_error(err, "C_Initialize", rv);
	return err_wrap(err, ERR_TOKEN_UNAVAILABLE, "the PKCS#11 module %s cannot be initialized: %s", m->path,
			hsm_ckr_name(rv));
}

int hsm_module_restart(struct hsm_module *m, int64_t down_ms, struct error *err)
{
	bool well[HSM_TOKENS_MAX] = { false };
	pthread_mutex_lock(&m->lock);
	int result = may_restart(m, count_well(m, well), down_ms, err);
	pthread_mutex_unlock(&m->lock);
	if (result)
		return -1;
	int64_t begun_ms = clock_monotonic_ms();
	struct timespec until = wait_until(begun_ms + HSM_RESTART_WAIT_MS);
	if (pthread_rwlock_clockwrlock(&m->gate, CLOCK_MONOTONIC, &until) != 0)
		return err_set(err, ERR_TOKEN_UNAVAILABLE, "a call into the module %s does not return", m->path);
	atomic_store(&m->since_ms, clock_monotonic_ms());
	pthread_mutex_lock(&m->lock);
	(void)count_well(m, well); /* as they are now that nobody is inside */
	result = restart(m, well, err);
	m->drain_took_ms = clock_monotonic_ms() - begun_ms;
	pthread_mutex_unlock(&m->lock);
	atomic_store(&m->since_ms, 0);
	pthread_rwlock_unlock(&m->gate);
	return result;
}
