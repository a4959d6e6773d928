#include "ca-core/ca_private.h"

#include <stdio.h>

#include "base/log.h"
#include "base/ossl.h"
#include "base/text.h"
#include "ca-core/audit.h"
#include "ca-core/crl.h"
#include "ca-core/lint.h"
#include "ca-core/restore.h"
#include "hsm/uri.h"

struct ca_actor ca_actor_self(void)
{
	struct ca_actor self = { .roles = ROLE_REQUESTER | ROLE_OFFICER | ROLE_AUDITOR | ROLE_ADMIN,
				 .may_request = true,
				 .may_read = true };
	(void)snprintf(self.identity, sizeof(self.identity), "ca");
	return self;
}

struct ca_issuer *ca_issuer_find(struct ca *ca, struct bytes name)
{
	for (size_t i = 0; i < ca->issuer_count; i++)
		if (bytes_are(name, ca->issuers[i].config->name))
			return &ca->issuers[i];
	return NULL;
}

struct ca_issuer *ca_issuer_of(struct ca *ca, struct bytes issuer_field)
{
	for (size_t i = 0; i < ca->issuer_count; i++)
		if (ca->issuers[i].certified && bytes_equal(buf_bytes(&ca->issuers[i].info.subject), issuer_field))
			return &ca->issuers[i];
	return NULL;
}

int ca_meta_get(struct ca *ca, const char *key, struct buf *out, struct error *err)
{
	auto_store_snapshot *snap = store_snapshot_new(ca->store, err);
	struct bytes value;
	if (!snap)
		return -1;
	int found = store_get(snap, STORE_META, bytes_of(key), &value, NULL, err);
	if (found == 1)
		buf_add_bytes(out, value);
	return found;
}

int ca_clock_check(struct ca *ca, int64_t now_ms, struct error *err)
{
	/* Entries carry whole seconds, and threads that read the clock one after the other append in any order. */
	const int64_t slack_ms = 2000;
	int64_t last_ms = atomic_load(&ca->last_entry_ms);
	if (now_ms + slack_ms >= last_ms)
		return 0;
	char last[CLOCK_TEXT_SIZE];
	(void)err_set(err, ERR_BUSY,
		      "the clock is behind the newest audit entry (%s): nothing is issued until it is right",
		      clock_rfc3339(last_ms / 1000, last));
	log_err(LOG_LEVEL_ERROR, "clock set back", err);
	return -1;
}

/* ---- issuers ---- */

int ca_issuer_certify(struct ca *ca, struct ca_issuer *issuer, struct bytes certificate, struct error *err)
{
	if (ca_issuer_info_load(&issuer->info, issuer->config->name, certificate, ca->config->listen.url, err))
		return err_wrap(err, ERR_CONFIG, "the certificate of issuer %s cannot be used", issuer->config->name);
	issuer->certified = true;
	if (!issuer->config->parent[0]) {
		uint8_t hash[32];
		sha256(certificate.data, certificate.len, hash);
		(void)text_hex(BYTES(hash, sizeof(hash)), ca->root_hash);
	}
	return 0;
}

static int load_issuer(struct ca *ca, struct ca_issuer *issuer, struct error *err)
{
	char key[sizeof(CA_META_ISSUER) + sizeof(issuer->config->name)];
	auto_buf certificate = BUF_INIT;
	(void)snprintf(key, sizeof(key), CA_META_ISSUER "%s", issuer->config->name);
	int found = ca_meta_get(ca, key, &certificate, err);
	if (found < 0)
		return -1;
	return found ? ca_issuer_certify(ca, issuer, buf_bytes(&certificate), err) : 0;
}

static int load_issuers(struct ca *ca, struct error *err)
{
	for (size_t i = 0; i < ca->issuer_count; i++)
		if (load_issuer(ca, &ca->issuers[i], err) || ca_crl_load(ca, &ca->issuers[i], err))
			return -1;
	return ca_meta_get(ca, CA_META_AUDIT_CERTIFICATE, &ca->audit.certificate, err) < 0 ? -1 : 0;
}

struct hsm_signer *ca_issuer_signer(struct ca_issuer *issuer, struct error *err)
{
	struct hsm_signer *signer = atomic_load_explicit(&issuer->signer, memory_order_acquire);
	if (!issuer->certified) {
		(void)err_set(err, ERR_TOKEN_UNAVAILABLE, "issuer %s has no certificate in this store",
			      issuer->config->name);
		return NULL;
	}
	struct hsm_token *token = issuer->token ? atomic_load(&issuer->token->token) : NULL;
	enum hsm_token_state state = token ? hsm_token_state(token) : HSM_TOKEN_DOWN;
	if (!signer || state == HSM_TOKEN_DOWN || state == HSM_TOKEN_PIN_REFUSED) {
		(void)err_set(err, ERR_TOKEN_UNAVAILABLE, "the key of issuer %s is not available: its token %s is %s",
			      issuer->config->name, issuer->config->token,
			      signer                                        ? hsm_token_state_name(state)
			      : issuer->token && issuer->token->pin_refused ? "pin-refused"
			      : issuer->token && issuer->token->pin         ? "down"
									    : "offline");
		return NULL;
	}
	return signer;
}

/* ---- tokens ---- */

static void say(const char *what, const char *name, const struct error *err)
{
	log_warn(what, KV("name", name), KV("error", err_class(err->code)->slug), KV("message", err->message),
		 KV("causes", err->causes));
}

struct hsm_key *ca_key_in_token(struct ca_token *token, const char *uri, bool generate, enum hsm_key_type type,
				struct error *err)
{
	struct hsm_token *open = token ? atomic_load(&token->token) : NULL;
	if (!open) {
		(void)err_set(err, ERR_TOKEN_UNAVAILABLE, "the token of key %s is not there", uri);
		return NULL;
	}
	struct hsm_key *key = hsm_key_find(open, uri, err);
	if (key || !generate || err->code != ERR_NOT_FOUND)
		return key;
	struct hsm_uri parsed;
	if (hsm_uri_parse(uri, &parsed, err))
		return NULL;
	if (!(parsed.parts & HSM_URI_OBJECT)) {
		(void)err_set(err, ERR_CONFIG, "the key %s cannot be made: its URI names no object", uri);
		return NULL;
	}
	return hsm_key_generate(open, type, parsed.object, err);
}

static bool attach_module(struct ca_module *m)
{
	struct error err = ERR_INIT;
	if (m->module)
		return true;
	m->module = hsm_module_open(m->path, &err);
	if (!m->module && !m->said)
		say("module unavailable", m->path, &err);
	m->said = m->module == NULL;
	return m->module != NULL;
}

static bool attach_token(struct ca_token *t)
{
	struct error err = ERR_INIT;
	if (!t->pin || atomic_load(&t->token) || t->pin_refused)
		return !t->pin_refused;
	if (!attach_module(t->module))
		return false;
	struct hsm_token *opened = hsm_token_open(t->module->module, t->config->uri, t->pin, t->config->sessions, &err);
	if (opened) {
		atomic_store(&t->token, opened);
		t->said = false;
		log_info("token attached", KV("token", t->config->name));
		return true;
	}
	/* Tried again it would burn the token's PIN counter. */
	t->pin_refused = err.code == ERR_PIN_REFUSED;
	if (!t->said)
		say(t->pin_refused ? "token refused the PIN" : "token unavailable", t->config->name, &err);
	t->said = true;
	return false;
}

/* A module lists its tokens when it is initialized: one that shows none of ours is loaded anew the next time. */
static void unload_module_without_tokens(struct ca *ca, struct ca_module *m)
{
	for (size_t i = 0; i < ca->token_count; i++)
		if (ca->tokens[i].module == m && atomic_load(&ca->tokens[i].token))
			return;
	hsm_module_cleanup(&m->module);
	m->module = NULL;
}

/* Finds the key, holds it against the certificate's, readies the signer. */
static int attach_key(struct ca *ca, struct ca_token *token, const char *uri, struct bytes spki, struct hsm_key **key,
		      _Atomic(struct hsm_signer *) *signer, struct error *err)
{
	struct hsm_key *found = ca_key_in_token(token, uri, false, HSM_EC_P256, err);
	if (!found)
		return -1;
	if (!bytes_equal(hsm_key_spki(found), spki)) {
		hsm_key_free(found);
		return err_set(err, ERR_CONFIG, "the key %s is not the one in the certificate", uri);
	}
	struct hsm_signer *made = hsm_signer_new(ca->provider, found, err);
	if (!made) {
		hsm_key_free(found);
		return -1;
	}
	*key = found;
	atomic_store_explicit(signer, made, memory_order_release);
	return 0;
}

static bool attach_issuer(struct ca *ca, struct ca_issuer *issuer)
{
	struct error err = ERR_INIT;
	if (!issuer->certified || !issuer->token || !issuer->token->pin || atomic_load(&issuer->signer))
		return true;
	if (!atomic_load(&issuer->token->token))
		return false;
	if (attach_key(ca, issuer->token, issuer->config->key, buf_bytes(&issuer->info.spki), &issuer->key,
		       &issuer->signer, &err) == 0)
		return true;
	if (!issuer->said)
		say("issuer's key unavailable", issuer->config->name, &err);
	issuer->said = true;
	return false;
}

static bool attach_audit(struct ca *ca)
{
	struct error err = ERR_INIT;
	struct ca_audit_key *a = &ca->audit;
	if (!a->certificate.len || !a->token || !a->token->pin || atomic_load(&a->signer))
		return true;
	if (!atomic_load(&a->token->token))
		return false;
	struct ca_certificate_facts facts;
	if (ca_certificate_read(buf_bytes(&a->certificate), &facts, &err) == 0 &&
	    attach_key(ca, a->token, ca->config->audit.key, facts.spki, &a->key, &a->signer, &err) == 0)
		return true;
	if (!a->said)
		say("audit key unavailable", ca->config->audit.key, &err);
	a->said = true;
	return false;
}

bool ca_attach(struct ca *ca)
{
	bool all = true;
	for (size_t i = 0; i < ca->token_count; i++)
		all = attach_token(&ca->tokens[i]) && all;
	for (size_t i = 0; i < ca->module_count; i++)
		unload_module_without_tokens(ca, &ca->modules[i]);
	for (size_t i = 0; i < ca->issuer_count; i++)
		all = attach_issuer(ca, &ca->issuers[i]) && all;
	return attach_audit(ca) && all;
}

/* ---- opening ---- */

static struct ca_module *module_of(struct ca *ca, const char *path)
{
	for (size_t i = 0; i < ca->module_count; i++)
		if (strcmp(ca->modules[i].path, path) == 0)
			return &ca->modules[i];
	struct ca_module *added = &ca->modules[ca->module_count++];
	(void)snprintf(added->path, sizeof(added->path), "%s", path);
	return added;
}

static struct ca_token *token_of(struct ca *ca, const char *name)
{
	for (size_t i = 0; i < ca->token_count; i++)
		if (strcmp(ca->tokens[i].config->name, name) == 0)
			return &ca->tokens[i];
	return NULL;
}

/* SoftHSM2 reads its configuration's place from the environment, once per process. */
static int set_softhsm_conf(const struct ca_config *config, struct error *err)
{
	const char *set = "";
	for (size_t i = 0; i < config->token_count; i++) {
		const char *wanted = config->tokens[i].softhsm_conf;
		if (!wanted[0] || strcmp(wanted, set) == 0)
			continue;
		if (set[0])
			return err_set(err, ERR_CONFIG,
				       "tokens of one process share one softhsm-conf: %s and %s differ", set, wanted);
		set = wanted;
	}
	if (set[0] && setenv("SOFTHSM2_CONF", set, 1))
		return err_errno(err, ERR_IO, "cannot set SOFTHSM2_CONF");
	return 0;
}

static void fill(struct ca *ca, const struct ca_options *options)
{
	const struct ca_config *config = options->config;
	ca->token_count = config->token_count;
	for (size_t i = 0; i < config->token_count; i++) {
		ca->tokens[i].config = &config->tokens[i];
		ca->tokens[i].pin = options->pins ? options->pins[i] : NULL;
		ca->tokens[i].module = module_of(ca, config->tokens[i].module);
	}
	ca->issuer_count = config->issuer_count;
	for (size_t i = 0; i < config->issuer_count; i++) {
		ca->issuers[i].config = &config->issuers[i];
		ca->issuers[i].token = token_of(ca, config->issuers[i].token);
		(void)pthread_mutex_init(&ca->issuers[i].crl_lock, NULL);
	}
	if (config->audit.token[0])
		ca->audit.token = token_of(ca, config->audit.token);
	(void)pthread_mutex_init(&ca->head_lock, NULL);
}

struct ca *ca_open(const struct ca_options *options, struct error *err)
{
	struct ca *ca = calloc(1, sizeof(*ca));
	char *published = options->published ? strdup(options->published) : NULL;
	if (!ca || (options->published && !published)) {
		free(ca);
		free(published);
		(void)err_set(err, ERR_INTERNAL, "no memory for the CA");
		return NULL;
	}
	ca->config = options->config;
	ca->store = options->store;
	ca->clock = options->clock;
	ca->published = published;
	fill(ca, options);
	ca->provider = hsm_provider_new(err);
	if (!ca->provider || set_softhsm_conf(options->config, err) || load_issuers(ca, err) ||
	    ca_audit_load(ca, err) || ca_restore_open(ca, err)) {
		ca_close(ca);
		return NULL;
	}
	(void)ca_attach(ca);
	return ca;
}

static void close_keys(struct ca *ca)
{
	for (size_t i = 0; i < ca->issuer_count; i++) {
		hsm_signer_cleanup(&(struct hsm_signer *){ atomic_load(&ca->issuers[i].signer) });
		hsm_key_cleanup(&ca->issuers[i].key);
	}
	hsm_signer_cleanup(&(struct hsm_signer *){ atomic_load(&ca->audit.signer) });
	hsm_key_cleanup(&ca->audit.key);
}

void ca_close(struct ca *ca)
{
	if (!ca)
		return;
	close_keys(ca);
	if (ca->provider)
		hsm_provider_free(ca->provider);
	for (size_t i = 0; i < ca->token_count; i++)
		hsm_token_cleanup(&(struct hsm_token *){ atomic_load(&ca->tokens[i].token) });
	for (size_t i = 0; i < ca->module_count; i++)
		hsm_module_cleanup(&ca->modules[i].module);
	for (size_t i = 0; i < ca->issuer_count; i++) {
		ca_issuer_info_clear(&ca->issuers[i].info);
		(void)pthread_mutex_destroy(&ca->issuers[i].crl_lock);
	}
	(void)pthread_mutex_destroy(&ca->head_lock);
	buf_free(&ca->audit.certificate);
	free(ca->published);
	free(ca);
}
