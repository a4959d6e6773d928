#include "tools/ceremony_keys.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "hsm/uri.h"
#include "tools/ceremony_stage.h"

#define SESSIONS 2

struct opened {
	struct secret *pin;
	struct hsm_token *token;
	struct hsm_module *module; /* borrowed from modules */
};
struct loaded {
	const char *path; /* borrowed */
	struct hsm_module *module;
};
struct ceremony_keys {
	const struct ceremony_plan *plan;
	struct ceremony_stage *stage;               /* of a rehearsal; else NULL */
	char *softhsm_conf;                         /* of the environment, as it was before; or NULL */
	struct loaded modules[CEREMONY_TOKENS_MAX]; /* each file once: two tokens of one share its C_Initialize */
	size_t module_count;
	struct opened tokens[CEREMONY_TOKENS_MAX];
	struct hsm_provider *provider;
};

static int put_environment(const char *softhsm_conf, struct error *err)
{
	if (softhsm_conf ? setenv("SOFTHSM2_CONF", softhsm_conf, 1) : unsetenv("SOFTHSM2_CONF"))
		return err_errno(err, ERR_IO, "cannot set SOFTHSM2_CONF");
	return 0;
}

void ceremony_keys_pause(struct ceremony_keys *keys)
{
	struct error ignored = ERR_INIT;
	if (keys->provider)
		hsm_provider_free(keys->provider);
	keys->provider = NULL;
	for (size_t i = 0; i < CEREMONY_TOKENS_MAX; i++) {
		if (keys->tokens[i].token)
			hsm_token_close(keys->tokens[i].token);
		keys->tokens[i].token = NULL;
	}
	for (size_t i = 0; i < keys->module_count; i++)
		hsm_module_close(keys->modules[i].module);
	keys->module_count = 0;
	(void)put_environment(keys->softhsm_conf, &ignored);
}

void ceremony_keys_close(struct ceremony_keys *keys)
{
	if (!keys)
		return;
	ceremony_keys_pause(keys);
	for (size_t i = 0; i < CEREMONY_TOKENS_MAX; i++)
		secret_free(keys->tokens[i].pin);
	ceremony_stage_remove(keys->stage);
	free(keys->softhsm_conf);
	free(keys);
}

/* ---- opening ---- */

const char *ceremony_keys_module(const struct ceremony_keys *keys, size_t token)
{
	return keys->stage ? ceremony_stage_module(keys->stage) : keys->plan->tokens[token].module;
}

static int check_configurations(const struct ceremony_plan *plan, struct error *err)
{
	for (size_t i = 0; i < plan->token_count; i++)
		for (size_t j = 0; j < i; j++)
			if (strcmp(plan->tokens[i].module, plan->tokens[j].module) == 0 &&
			    strcmp(plan->tokens[i].softhsm_conf, plan->tokens[j].softhsm_conf) != 0)
				return err_set(err, ERR_CONFIG,
					       "tokens \"%s\" and \"%s\" have one module, which reads one softhsm-conf",
					       plan->tokens[j].label, plan->tokens[i].label);
	return 0;
}

static const char *configuration(const struct ceremony_keys *keys, size_t token)
{
	const char *conf = keys->plan->tokens[token].softhsm_conf;
	if (keys->stage)
		return ceremony_stage_configuration(keys->stage);
	return conf[0] ? conf : keys->softhsm_conf;
}

static struct hsm_module *load(struct ceremony_keys *keys, size_t token, struct error *err)
{
	const char *path = ceremony_keys_module(keys, token);
	for (size_t i = 0; i < keys->module_count; i++)
		if (strcmp(keys->modules[i].path, path) == 0)
			return keys->modules[i].module;
	if (put_environment(configuration(keys, token), err))
		return NULL;
	struct hsm_module *module = hsm_module_open(path, err);
	if (module)
		keys->modules[keys->module_count++] = (struct loaded){ path, module };
	return module;
}

/* A stand-in has the label of the token that it plays, and nothing else of it. */
static void name_of_token(const struct ceremony_keys *keys, size_t token, struct buf *out)
{
	struct hsm_uri uri = { .parts = HSM_URI_TOKEN };
	if (!keys->stage) {
		buf_add_text(out, keys->plan->tokens[token].uri);
		return;
	}
	(void)snprintf(uri.token, sizeof(uri.token), "%s", keys->plan->tokens[token].label);
	hsm_uri_format(&uri, out);
}

static int open_token(struct ceremony_keys *keys, size_t i, struct error *err)
{
	auto_buf name = BUF_INIT;
	struct opened *o = &keys->tokens[i];
	name_of_token(keys, i, &name);
	o->module = load(keys, i, err);
	o->token = o->module ? hsm_token_open(o->module, buf_text(&name), o->pin, SESSIONS, err) : NULL;
	if (o->token)
		return 0;
	return err_wrap(err, err->code, "token \"%s\" of the plan: %s", keys->plan->tokens[i].label, err->message);
}

int ceremony_keys_again(struct ceremony_keys *keys, struct error *err)
{
	for (size_t i = 0; i < keys->plan->token_count; i++)
		if (open_token(keys, i, err))
			return -1;
	keys->provider = hsm_provider_new(err);
	return keys->provider ? 0 : -1;
}

/* A token that is not there is found out before anybody types a PIN. */
static int look(struct ceremony_keys *keys, struct error *err)
{
	int result = 0;
	for (size_t i = 0; result == 0 && i < keys->plan->token_count; i++) {
		result = open_token(keys, i, err);
		if (result == 0)
			hsm_token_close(keys->tokens[i].token);
		keys->tokens[i].token = NULL;
	}
	ceremony_keys_pause(keys);
	return result;
}

static int take_pins(struct ceremony_keys *keys, const struct ceremony_keys_options *options, struct error *err)
{
	for (size_t i = 0; i < keys->plan->token_count; i++) {
		keys->tokens[i].pin = keys->stage ? ceremony_stage_pin(keys->stage, err)
						  : options->pin(options->argument, &keys->plan->tokens[i], err);
		if (!keys->tokens[i].pin)
			return -1;
	}
	return 0;
}

static int open_all(struct ceremony_keys *keys, const struct ceremony_keys_options *options, struct error *err)
{
	const char *conf = getenv("SOFTHSM2_CONF");
	if (conf && !(keys->softhsm_conf = strdup(conf)))
		return err_set(err, ERR_INTERNAL, "no memory for a path");
	if (options->rehearsal && !(keys->stage = ceremony_stage_make(options->plan, err)))
		return -1;
	if (check_configurations(options->plan, err) || look(keys, err) || take_pins(keys, options, err))
		return -1;
	return ceremony_keys_again(keys, err);
}

struct ceremony_keys *ceremony_keys_open(const struct ceremony_keys_options *options, struct error *err)
{
	auto_ceremony_keys *keys = calloc(1, sizeof(*keys));
	if (!keys) {
		(void)err_set(err, ERR_INTERNAL, "no memory for keys");
		return NULL;
	}
	keys->plan = options->plan;
	return open_all(keys, options, err) ? NULL : TAKE(keys);
}

int ceremony_keys_token(struct ceremony_keys *keys, size_t token, struct hsm_token_info *info, struct error *err)
{
	struct hsm_token_info found[64];
	auto_buf name = BUF_INIT;
	struct hsm_uri uri;
	name_of_token(keys, token, &name);
	if (hsm_uri_parse(buf_text(&name), &uri, err))
		return -1;
	int count = hsm_module_tokens(keys->tokens[token].module, found, 64, err);
	for (int i = 0; i < count && i < 64; i++) {
		if (!found[i].initialized || strcmp(found[i].label, uri.token) != 0 ||
		    ((uri.parts & HSM_URI_SERIAL) && strcmp(found[i].serial, uri.serial) != 0))
			continue;
		*info = found[i];
		return 0;
	}
	return count < 0 ? -1 : err_set(err, ERR_TOKEN_UNAVAILABLE, "token \"%s\" is there no more", uri.token);
}

/* ---- keys ---- */

static struct hsm_token *token_of(struct ceremony_keys *keys, const char *uri, struct error *err)
{
	const struct ceremony_token *section = ceremony_plan_token(keys->plan, uri);
	struct hsm_token *token = section ? keys->tokens[section - keys->plan->tokens].token : NULL;
	if (!token)
		(void)err_set(err, ERR_CONFIG, "no token section of the plan has the key %s", uri);
	return token;
}

/* What of a key's URI is about the key: its label, or its id. A stand-in's id is its own. */
static int key_part(const struct ceremony_keys *keys, const char *uri, struct hsm_uri *part, struct buf *out,
		    struct error *err)
{
	if (hsm_uri_parse(uri, part, err))
		return -1;
	part->parts &= HSM_URI_OBJECT | HSM_URI_ID;
	if (keys->stage && (part->parts & HSM_URI_ID)) {
		if (!(part->parts & HSM_URI_OBJECT))
			(void)snprintf(part->object, sizeof(part->object), "id of %.200s", uri);
		part->parts = HSM_URI_OBJECT;
	}
	hsm_uri_format(part, out);
	return out->failed ? err_set(err, ERR_INTERNAL, "no memory for a URI") : 0;
}

struct hsm_key *ceremony_keys_find(struct ceremony_keys *keys, const char *uri, struct error *err)
{
	struct hsm_uri part;
	auto_buf name = BUF_INIT;
	struct hsm_token *token = token_of(keys, uri, err);
	if (!token || key_part(keys, uri, &part, &name, err))
		return NULL;
	struct hsm_key *key = hsm_key_find(token, buf_text(&name), err);
	if (!key && err->code == ERR_NOT_FOUND)
		(void)err_wrap(err, ERR_NOT_FOUND, "there is no key %s", uri);
	return key;
}

static struct hsm_key *generate(struct ceremony_keys *keys, const char *uri, enum hsm_key_type type, struct error *err)
{
	struct hsm_uri part;
	auto_buf name = BUF_INIT;
	struct hsm_token *token = token_of(keys, uri, err);
	if (!token || key_part(keys, uri, &part, &name, err))
		return NULL;
	return hsm_key_generate(token, type, part.object, err);
}

static enum hsm_key_type type_of(enum ca_key_type type, unsigned bits)
{
	switch (type) {
	case CA_KEY_RSA:
		return bits == 2048 ? HSM_RSA_2048 : bits == 3072 ? HSM_RSA_3072 : HSM_RSA_4096;
	case CA_KEY_P384:
		return HSM_EC_P384;
	case CA_KEY_P521:
		return HSM_EC_P521;
	case CA_KEY_ED25519:
		return HSM_ED25519;
	default:
		return HSM_EC_P256;
	}
}

struct hsm_key *ceremony_keys_make(struct ceremony_keys *keys, const struct ceremony_step *step, struct error *err)
{
	return generate(keys, step->key, type_of(step->type, step->bits), err);
}

int ceremony_keys_check(struct ceremony_keys *keys, const struct ceremony_step *step, struct hsm_key *key,
			struct error *err)
{
	(void)keys;
	return hsm_key_check(key, type_of(step->type, step->bits), err);
}

int ceremony_keys_stand_in(struct ceremony_keys *keys, const char *uri, struct bytes spki, struct error *err)
{
	struct error missing = ERR_INIT;
	struct ca_key real = { .type = CA_KEY_P256 };
	if (spki.len && ca_key_parse(spki, &real, err))
		return -1;
	auto_hsm_key *there = ceremony_keys_find(keys, uri, &missing);
	if (there || missing.code != ERR_NOT_FOUND) {
		*err = missing;
		return there ? 0 : -1;
	}
	auto_hsm_key *made = generate(keys, uri, type_of(real.type, real.bits), err);
	return made ? 0 : -1;
}

int ceremony_keys_sign(struct ceremony_keys *keys, struct hsm_key *key, struct bytes message, struct buf *signature,
		       struct error *err)
{
	auto_hsm_signer *signer = hsm_signer_new(keys->provider, key, err);
	return signer ? hsm_sign(signer, message, signature, err) : -1;
}
