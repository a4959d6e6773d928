/*
 * Loading a PKCS#11 module. The only place that calls C_Initialize and C_Finalize.
 */
#include <dlfcn.h>
#include <stdio.h>

#include "base/log.h"
#include "hsm/private.h"

static int load(struct hsm_module *m, const char *path, struct error *err)
{
	if (!strchr(path, '/'))
		return err_set(err, ERR_TOKEN_UNAVAILABLE, "PKCS#11 module %s: give the whole path of the module", path);
	m->object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!m->object) {
		const char *why = dlerror();
		return err_set(err, ERR_TOKEN_UNAVAILABLE, "cannot load the PKCS#11 module: %s", why ? why : path);
	}
	CK_RV (*get_list)(CK_FUNCTION_LIST_PTR_PTR);
	*(void **)&get_list = dlsym(m->object, "C_GetFunctionList");
	if (!get_list)
		return err_set(err, ERR_TOKEN_UNAVAILABLE, "%s is no PKCS#11 module: it has no C_GetFunctionList", path);
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
	free(m->path);
	free(m);
}

struct hsm_module *hsm_module_open(const char *path, struct error *err)
{
	struct hsm_module *m = calloc(1, sizeof(*m));
	if (!m || !(m->path = strdup(path))) {
		free(m);
		(void)err_set(err, ERR_INTERNAL, "no memory for a PKCS#11 module");
		return NULL;
	}
	if (load(m, path, err)) {
		unload(m);
		return NULL;
	}
	CK_C_INITIALIZE_ARGS arguments = { .flags = CKF_OS_LOCKING_OK };
	CK_RV rv = p11_call(m->fn, C_Initialize, &arguments);
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
