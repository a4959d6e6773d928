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

/* Inside the gate, and with the list locked. */
static int restart(struct hsm_module *m, struct error *err)
{
	for (size_t i = 0; i < m->token_count; i++) {
		if (hsm_token_state(m->tokens[i]) != HSM_TOKEN_DOWN)
			return err_set(err, ERR_TOKEN_UNAVAILABLE, "the module is in use by token %s",
				       hsm_token_label(m->tokens[i]));
	}
	(void)p11_call(m->fn, C_Finalize, NULL); /* it may have failed to initialize the last time */
	CK_RV rv = initialize(m);
	if (rv != CKR_OK)
		return hsm_ckr_error(err, "C_Initialize", rv);
	for (size_t i = 0; i < m->token_count; i++)
		hsm_token_reopen(m->tokens[i]);
	return 0;
}

int hsm_module_restart(struct hsm_module *m, struct error *err)
{
	struct timespec until = wait_until(clock_monotonic_ms() + HSM_RESTART_WAIT_MS);
	if (pthread_rwlock_clockwrlock(&m->gate, CLOCK_MONOTONIC, &until) != 0)
		return err_set(err, ERR_TOKEN_UNAVAILABLE, "a call into the module %s does not return", m->path);
	pthread_mutex_lock(&m->lock);
	int restarted = restart(m, err);
	pthread_mutex_unlock(&m->lock);
	pthread_rwlock_unlock(&m->gate);
	return restarted;
}
