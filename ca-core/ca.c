#include "ca-core/ca_private.h"

#include <stdio.h>

#include "base/log.h"
#include "base/ossl.h"
#include "base/text.h"
#include "ca-core/audit.h"
#include "ca-core/crl.h"
#include "ca-core/lint.h"
#include "ca-core/orders.h"
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

struct ca_issuer *ca_issuer_for(struct ca *ca, const struct ca_profile *profile)
{
	return ca_issuer_current(ca_issuer_find(ca, bytes_of(profile->issuer)));
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
	issuer->takes_over = true;
	if (!issuer->config->parent[0] && !ca->root_hash[0])
		ca_issuer_is_root(ca, issuer);
	return 0;
}

void ca_issuer_is_root(struct ca *ca, const struct ca_issuer *issuer)
{
	uint8_t hash[32];
	sha256(issuer->info.certificate.data, issuer->info.certificate.len, hash);
	(void)text_hex(BYTES(hash, sizeof(hash)), ca->root_hash);
}

/* Heads and statements name the CA by its first root, also when others have come, in whatever order. */
static int load_root(struct ca *ca, struct error *err)
{
	auto_buf name = BUF_INIT;
	int found = ca_meta_get(ca, CA_META_ROOT, &name, err);
	const struct ca_issuer *root = found > 0 ? ca_issuer_find(ca, buf_bytes(&name)) : NULL;
	if (root && root->certified)
		ca_issuer_is_root(ca, root);
	return found < 0 ? -1 : 0;
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
	return load_root(ca, err) || ca_meta_get(ca, CA_META_AUDIT_CERTIFICATE, &ca->audit.certificate, err) < 0 ? -1
														 : 0;
}

/* ---- opening ---- */

static struct ca_module *module_of(struct ca *ca, const char *path)
{
	for (size_t i = 0; i < ca->module_count; i++)
		if (strcmp(ca->modules[i].path, path) == 0)
			return &ca->modules[i];
	struct ca_module *added = &ca->modules[ca->module_count++];
	(void)pthread_mutex_init(&added->lock, NULL);
	(void)snprintf(added->path, sizeof(added->path), "%s", path);
	return added;
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

static int fill_token(struct ca *ca, size_t place, const struct secret *pin, struct error *err)
{
	struct ca_token *t = &ca->tokens[place];
	t->ca = ca;
	t->config = &ca->config->tokens[place];
	t->module = module_of(ca, t->config->module);
	t->ours = pin != NULL;
	(void)pthread_mutex_init(&t->lock, NULL);
	ca->token_count++;
	if (pin)
		t->pin = secret_new(secret_bytes(pin), err);
	return pin && !t->pin ? -1 : 0;
}

static void fill_issuer(struct ca *ca, const struct ca_config_issuer *config)
{
	struct ca_issuer *issuer = &ca->issuers[ca->issuer_count++];
	issuer->config = config;
	(void)pthread_mutex_init(&issuer->crl_lock, NULL);
	struct ca_token *token = ca_token_find(ca, bytes_of(config->token));
	if (!token)
		return;
	issuer->seats[issuer->seat_count++].token = token;
	for (size_t i = 0; i < config->alternatives.count && issuer->seat_count < CA_CONFIG_SEATS_MAX; i++) {
		token = ca_token_find(ca, bytes_of(config->alternatives.items[i]));
		if (token && token->ours)
			issuer->seats[issuer->seat_count++].token = token;
	}
}

static int fill(struct ca *ca, const struct ca_options *options, struct error *err)
{
	const struct ca_config *config = options->config;
	(void)pthread_mutex_init(&ca->head_lock, NULL);
	(void)pthread_mutex_init(&ca->import_lock, NULL);
	for (size_t i = 0; i < config->token_count; i++)
		if (fill_token(ca, i, options->pins ? options->pins[i] : NULL, err))
			return -1;
	for (size_t i = 0; i < config->issuer_count; i++)
		fill_issuer(ca, &config->issuers[i]);
	for (size_t i = 0; i < ca->issuer_count; i++) {
		struct ca_issuer *before = ca_issuer_find(ca, bytes_of(ca->issuers[i].config->follows));
		if (before)
			before->follower = &ca->issuers[i];
	}
	if (config->audit.token[0])
		ca->audit.token = ca_token_find(ca, bytes_of(config->audit.token));
	return 0;
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
	(void)pthread_mutex_init(&ca->later_lock, NULL);
	(void)pthread_cond_init(&ca->later_done, NULL);
	ca->config = options->config;
	ca->store = options->store;
	ca->clock = options->clock;
	ca->published = published;
	ca->orders = ca_orders_new(err);
	if (ca->orders && fill(ca, options, err) == 0)
		ca->provider = hsm_provider_new(err);
	if (!ca->provider || set_softhsm_conf(options->config, err) || load_issuers(ca, err) ||
	    ca_audit_load(ca, err) || ca_restore_open(ca, err)) {
		ca_close(ca);
		return NULL;
	}
	if (!options->attach_later)
		(void)ca_attach(ca);
	return ca;
}

void ca_later_begin(struct ca *ca)
{
	(void)pthread_mutex_lock(&ca->later_lock);
	ca->later++;
	(void)pthread_mutex_unlock(&ca->later_lock);
}

void ca_later_end(struct ca *ca)
{
	(void)pthread_mutex_lock(&ca->later_lock);
	ca->later--;
	(void)pthread_cond_broadcast(&ca->later_done);
	(void)pthread_mutex_unlock(&ca->later_lock);
}

static void await_later(struct ca *ca)
{
	(void)pthread_mutex_lock(&ca->later_lock);
	while (ca->later)
		(void)pthread_cond_wait(&ca->later_done, &ca->later_lock);
	(void)pthread_mutex_unlock(&ca->later_lock);
	(void)pthread_cond_destroy(&ca->later_done);
	(void)pthread_mutex_destroy(&ca->later_lock);
}

static void close_keys(struct ca *ca)
{
	for (size_t i = 0; i < ca->issuer_count; i++) {
		for (size_t n = 0; n < ca->issuers[i].seat_count; n++) {
			struct ca_seat *seat = &ca->issuers[i].seats[n];
			hsm_signer_cleanup(&(struct hsm_signer *){ atomic_load(&seat->signer) });
			hsm_key_cleanup(&seat->key);
		}
	}
	hsm_signer_cleanup(&(struct hsm_signer *){ atomic_load(&ca->audit.signer) });
	hsm_key_cleanup(&ca->audit.key);
}

static void close_tokens(struct ca *ca)
{
	for (size_t i = 0; i < ca->token_count; i++) {
		hsm_token_cleanup(&(struct hsm_token *){ atomic_load(&ca->tokens[i].token) });
		secret_free(ca->tokens[i].pin);
		(void)pthread_mutex_destroy(&ca->tokens[i].lock);
	}
	for (size_t i = 0; i < ca->module_count; i++) {
		hsm_module_cleanup(&ca->modules[i].module);
		(void)pthread_mutex_destroy(&ca->modules[i].lock);
	}
}

void ca_close(struct ca *ca)
{
	if (!ca)
		return;
	await_later(ca);
	close_keys(ca);
	if (ca->provider)
		hsm_provider_free(ca->provider);
	close_tokens(ca);
	for (size_t i = 0; i < ca->issuer_count; i++) {
		ca_issuer_info_clear(&ca->issuers[i].info);
		(void)pthread_mutex_destroy(&ca->issuers[i].crl_lock);
	}
	(void)pthread_mutex_destroy(&ca->head_lock);
	(void)pthread_mutex_destroy(&ca->import_lock);
	ca_orders_free(ca->orders);
	buf_free(&ca->audit.certificate);
	free(ca->published);
	free(ca);
}
