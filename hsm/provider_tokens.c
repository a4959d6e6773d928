/*
 * The modules and tokens behind the keys of the loadable module, each for as long as someone
 * holds it.
 */
#include "hsm/provider_private.h"

#include <limits.h>
#include <pthread.h>

/* What `openssl` does at once is one command: it signs with one key, or verifies while it does. */
#define SESSIONS 8
#define MODULES 8

struct opened_module {
	char *path; /* of realpath */
	struct hsm_module *module;
	size_t holds;
};

struct provider_token {
	struct provider_tokens *all;
	struct opened_module *module;
	char *uri;
	struct hsm_token *token;
	size_t holds;
	struct provider_token *next;
};

/* A PIN that was refused: module and token. */
struct refusal {
	char *path, *uri;
	struct refusal *next;
};

struct provider_tokens {
	pthread_mutex_t lock; /* guards everything below and in the lists */
	struct opened_module modules[MODULES];
	struct provider_token *tokens;
	struct refusal *refusals;
};

struct provider_tokens *hsm_provider_tokens_new(void)
{
	struct provider_tokens *all = calloc(1, sizeof(*all));
	if (all)
		pthread_mutex_init(&all->lock, NULL);
	return all;
}

void hsm_provider_tokens_free(struct provider_tokens *all)
{
	if (!all)
		return;
	while (all->refusals) {
		struct refusal *next = all->refusals->next;
		free(all->refusals->path);
		free(all->refusals->uri);
		free(all->refusals);
		all->refusals = next;
	}
	pthread_mutex_destroy(&all->lock);
	free(all);
}

/* ---- modules; all under the lock ---- */

static struct opened_module *hold_module(struct provider_tokens *all, const char *path, struct error *err)
{
	struct opened_module *room = NULL;
	for (size_t i = 0; i < MODULES; i++) {
		struct opened_module *m = &all->modules[i];
		if (m->holds && strcmp(m->path, path) == 0) {
			m->holds++;
			return m;
		}
		if (!m->holds)
			room = m;
	}
	if (!room) {
		(void)err_set(err, ERR_CONFIG, "more than %d PKCS#11 modules at once", MODULES);
		return NULL;
	}
	auto_free char *name = strdup(path);
	if (!name) {
		(void)err_set(err, ERR_INTERNAL, "no memory for a PKCS#11 module");
		return NULL;
	}
	room->module = hsm_module_open(path, err);
	if (!room->module)
		return NULL;
	room->path = TAKE(name);
	room->holds = 1;
	return room;
}

static void release_module(struct opened_module *m)
{
	if (--m->holds)
		return;
	hsm_module_close(m->module);
	free(m->path);
	*m = (struct opened_module){ .path = NULL };
}

/* ---- refused PINs; under the lock ---- */

static bool was_refused(const struct provider_tokens *all, const char *path, const char *uri)
{
	for (const struct refusal *r = all->refusals; r; r = r->next) {
		if (strcmp(r->path, path) == 0 && strcmp(r->uri, uri) == 0)
			return true;
	}
	return false;
}

static void note_refusal(struct provider_tokens *all, const char *path, const char *uri)
{
	struct refusal *r = calloc(1, sizeof(*r));
	if (r) {
		r->path = strdup(path);
		r->uri = strdup(uri);
	}
	if (!r || !r->path || !r->uri) { /* then it is asked for again: no worse than before */
		if (r) {
			free(r->path);
			free(r->uri);
		}
		free(r);
		return;
	}
	r->next = all->refusals;
	all->refusals = r;
}

/* ---- tokens; under the lock ---- */

static struct provider_token *find(const struct provider_tokens *all, const char *path, const char *uri)
{
	for (struct provider_token *t = all->tokens; t; t = t->next) {
		if (strcmp(t->module->path, path) == 0 && strcmp(t->uri, uri) == 0)
			return t;
	}
	return NULL;
}

static void free_token(struct provider_token *t)
{
	hsm_token_close(t->token);
	if (t->module)
		release_module(t->module);
	free(t->uri);
	free(t);
}

static int fill(struct provider_token *t, const char *path, const char *uri, const struct secret *pin,
		struct error *err)
{
	t->uri = strdup(uri);
	if (!t->uri)
		return err_set(err, ERR_INTERNAL, "no memory for a token");
	t->module = hold_module(t->all, path, err);
	if (!t->module)
		return -1;
	t->token = hsm_token_open(t->module->module, uri, pin, SESSIONS, err);
	return t->token ? 0 : -1;
}

static struct provider_token *open_token(struct provider_tokens *all, const char *path, const char *uri,
					 hsm_provider_pin_fn *pin, void *argument, struct error *err)
{
	auto_secret *secret = NULL;
	if (was_refused(all, path, uri)) {
		(void)err_set(err, ERR_PIN_REFUSED, "the token refused its PIN before; it is not tried again");
		return NULL;
	}
	if (pin(argument, &secret, err))
		return NULL;
	struct provider_token *t = calloc(1, sizeof(*t));
	if (!t) {
		(void)err_set(err, ERR_INTERNAL, "no memory for a token");
		return NULL;
	}
	t->all = all;
	if (fill(t, path, uri, secret, err)) {
		if (err->code == ERR_PIN_REFUSED)
			note_refusal(all, path, uri);
		free_token(t);
		return NULL;
	}
	t->next = all->tokens;
	all->tokens = t;
	return t;
}

struct provider_token *hsm_provider_token_hold(struct provider_tokens *all, const char *path, const char *uri,
					       hsm_provider_pin_fn *pin, void *argument, struct error *err)
{
	char real[PATH_MAX];
	/* One file under two names is one module, which must not be initialized twice. */
	if (!realpath(path, real)) {
		(void)err_errno(err, ERR_TOKEN_UNAVAILABLE, "cannot load the PKCS#11 module %s", path);
		return NULL;
	}
	pthread_mutex_lock(&all->lock);
	struct provider_token *t = find(all, real, uri);
	if (!t)
		t = open_token(all, real, uri, pin, argument, err);
	if (t)
		t->holds++;
	pthread_mutex_unlock(&all->lock);
	return t;
}

void hsm_provider_token_release(struct provider_token *token)
{
	struct provider_tokens *all = token->all;
	pthread_mutex_lock(&all->lock);
	if (--token->holds == 0) {
		struct provider_token **at = &all->tokens;
		while (*at != token)
			at = &(*at)->next;
		*at = token->next;
		free_token(token);
	}
	pthread_mutex_unlock(&all->lock);
}

struct hsm_token *hsm_provider_token(const struct provider_token *token)
{
	return token->token;
}
