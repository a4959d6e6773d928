/* The tokens of the CA: opened when they are there, their keys found and held against the certificates. */
#include <stdio.h>

#include "base/log.h"
#include "ca-core/ca_private.h"
#include "ca-core/lint.h"
#include "hsm/uri.h"

struct ca_token *ca_token_find(struct ca *ca, struct bytes name)
{
	for (size_t i = 0; i < ca->token_count; i++)
		if (bytes_are(name, ca->tokens[i].config->name))
			return &ca->tokens[i];
	return NULL;
}

static void say(const char *what, const char *name, const struct error *err)
{
	log_warn(what, KV("name", name), KV("error", err_class(err->code)->slug), KV("message", err->message),
		 KV("causes", err->causes));
}

/* ---- opening ---- */

/* With the module's lock. */
static bool open_module(struct ca_module *m)
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

/* With the module's lock. A module lists its tokens when it is initialized: one that shows none of ours is loaded
 * anew the next time. */
static void close_module_without_tokens(struct ca *ca, struct ca_module *m)
{
	for (size_t i = 0; i < ca->token_count; i++)
		if (ca->tokens[i].module == m && atomic_load(&ca->tokens[i].token))
			return;
	hsm_module_cleanup(&m->module);
	m->module = NULL;
}

static void token_changed(void *arg)
{
	const struct ca_token *t = arg;
	t->ca->on_token_changed(t->ca->on_token_changed_arg);
}

/* While the token holds the PIN that it refused, nobody else changes ours. */
static void token_refused(void *arg)
{
	struct ca_token *t = arg;
	struct error err = ERR_INIT;
	(void)pthread_mutex_lock(&t->lock);
	if (ca_pin_record_refusal(t->ca, t->config->name, t->pin, &err))
		log_err(LOG_LEVEL_ERROR, "refused PIN not recorded: another start of the signer would try it again",
			&err);
	(void)pthread_mutex_unlock(&t->lock);
}

/* With the token's lock. */
static void forget_refusal(struct ca_token *t)
{
	struct error err = ERR_INIT;
	if (ca_pin_forget_refusal(t->ca, t->config->name, &err))
		log_err(LOG_LEVEL_ERROR, "accepted PIN not recorded: another start of the signer would not try it",
			&err);
}

/* With the token's lock. What the record says is asked once: that takes its time, and tries come often. */
static int look_up_pin(struct ca *ca, struct ca_token *t, struct error *err)
{
	const char *name = t->config->name;
	if (t->asked || t->looked_up)
		return 0;
	int known = ca_pin_was_refused(ca, name, t->pin, err);
	t->looked_up = known == 0;
	if (known > 0)
		(void)err_set(err, ERR_PIN_REFUSED,
			      "token %s refused this PIN before; it is not tried again until there is another, or "
			      "`chancery token pin retry %s` asks for it",
			      name, name);
	return known ? -1 : 0;
}

/* With the locks of the token and its module. */
static struct hsm_token *open_token(struct ca *ca, struct ca_token *t, struct error *err)
{
	const struct ca_config_token *config = t->config;
	if (look_up_pin(ca, t, err))
		return NULL;
	const struct hsm_token_care care = { .call_ms = config->call_seconds * 1000,
					     .keep_alive_ms = config->keep_alive_seconds * 1000,
					     .changed = ca->on_token_changed ? token_changed : NULL,
					     .pin_refused = token_refused,
					     .arg = t };
	struct hsm_token *opened =
		hsm_token_open_with_care(t->module->module, config->uri, t->pin, config->sessions, &care, err);
	struct error recording = ERR_INIT;
	bool refused = !opened && err->code == ERR_PIN_REFUSED;
	if (refused && ca_pin_record_refusal(ca, config->name, t->pin, &recording))
		log_err(LOG_LEVEL_ERROR, "refused PIN not recorded: another start of the signer would try it again",
			&recording);
	if (opened && t->asked)
		forget_refusal(t);
	/* A token that is not there has not tried what a person asked for. */
	if (opened || refused)
		t->asked = false;
	if (refused)
		atomic_fetch_add(&t->refusals, 1);
	return opened;
}

/* With the lock of the token's module. One that shows others of our tokens is not loaded anew for this one: it lists it
 * at the next try, after a refresh that disturbs them little. The module to be refreshed, or NULL. */
static struct hsm_module *to_refresh(struct ca_token *t, const struct error *err)
{
	int64_t now_ms = clock_monotonic_ms();
	bool missing = err->code == ERR_TOKEN_UNAVAILABLE;
	t->missing_ms = !missing ? 0 : t->missing_ms ? t->missing_ms : now_ms;
	return missing ? t->module->module : NULL;
}

/* Without any lock of ours: the other tokens tell how they are, and perhaps that their PIN was refused. The module
 * stays, since other tokens in it are open. */
static void refresh(const struct ca_token *t, struct hsm_module *module)
{
	struct error err = ERR_INIT;
	if (hsm_module_refresh(module, clock_monotonic_ms() - t->missing_ms, &err))
		log_debug("module not refreshed", KV("token", t->config->name), KV("why", err.message));
}

static bool attach_token(struct ca *ca, struct ca_token *t)
{
	struct error err = ERR_INIT;
	if (atomic_load(&t->token))
		return true;
	if (atomic_load(&t->pin_refused))
		return false;
	struct hsm_token *opened = NULL;
	struct hsm_module *stale = NULL;
	(void)pthread_mutex_lock(&t->module->lock);
	(void)pthread_mutex_lock(&t->lock);
	if (open_module(t->module)) {
		opened = open_token(ca, t, &err);
		atomic_store(&t->token, opened);
		/* Tried again it would burn the token's PIN counter. */
		atomic_store(&t->pin_refused, err.code == ERR_PIN_REFUSED);
		if (!opened && !t->said)
			say(t->pin_refused ? "token refused the PIN" : "token unavailable", t->config->name, &err);
		t->said = !opened;
		(void)snprintf(t->why, sizeof(t->why), "%s", opened ? "" : err.message);
		close_module_without_tokens(ca, t->module);
		stale = to_refresh(t, &err);
	}
	(void)pthread_mutex_unlock(&t->lock);
	(void)pthread_mutex_unlock(&t->module->lock);
	if (opened)
		log_info("token attached", KV("token", t->config->name));
	if (stale)
		refresh(t, stale);
	return opened != NULL;
}

void ca_token_facts(struct ca_token *t, struct hsm_token_facts *out)
{
	struct hsm_token *open = atomic_load(&t->token);
	*out = (struct hsm_token_facts){ .since_ms = clock_monotonic_ms() };
	if (open)
		hsm_token_facts(open, out);
	else if (pthread_mutex_trylock(&t->lock) == 0) { /* while it is being opened that says enough */
		(void)snprintf(out->why, sizeof(out->why), "%s", t->why);
		(void)pthread_mutex_unlock(&t->lock);
	}
	out->refusals += atomic_load(&t->refusals);
}

int ca_token_set_pin(struct ca_token *t, const struct secret *pin, struct error *err)
{
	if (!t->ours)
		return err_set(err, ERR_CONFLICT, "the server does not log in to token %s", t->config->name);
	struct secret *copy = secret_new(secret_bytes(pin), err);
	if (!copy)
		return -1;
	(void)pthread_mutex_lock(&t->lock);
	secret_free(t->pin);
	t->pin = copy;
	t->asked = true;
	t->looked_up = false;
	t->said = false;
	atomic_store(&t->pin_refused, false);
	struct hsm_token *opened = atomic_load(&t->token);
	(void)pthread_mutex_unlock(&t->lock);
	/* Behind the lock: the token may be writing down a refusal, for which it needs that. */
	return opened ? hsm_token_set_pin(opened, pin, err) : 0;
}

void ca_token_settle_pin(struct ca_token *t)
{
	struct hsm_token *opened = atomic_load(&t->token);
	(void)pthread_mutex_lock(&t->lock);
	if (t->asked && opened && hsm_token_state(opened) == HSM_TOKEN_UP) {
		forget_refusal(t);
		t->asked = false;
	}
	(void)pthread_mutex_unlock(&t->lock);
}

/* ---- keys ---- */

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

/* Finds the key, holds it against the certificate's, readies the signer. */
static int attach_key(struct ca *ca, struct ca_token *token, const char *uri, struct bytes spki, struct hsm_key **key,
		      _Atomic(struct hsm_signer *) *signer, struct error *err)
{
	struct hsm_key *found = ca_key_in_token(token, uri, false, HSM_EC_P256, err);
	if (!found)
		return -1;
	if (!bytes_equal(hsm_key_spki(found), spki)) {
		hsm_key_free(found);
		return err_set(err, ERR_CONFIG, "the key %s in token %s is not the one in the certificate", uri,
			       token->config->name);
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

static bool attach_seat(struct ca *ca, struct ca_issuer *issuer, struct ca_seat *seat)
{
	struct error err = ERR_INIT;
	if (!issuer->certified || atomic_load(&seat->signer))
		return true;
	if (attach_key(ca, seat->token, issuer->config->key, buf_bytes(&issuer->info.spki), &seat->key, &seat->signer,
		       &err) == 0)
		return true;
	if (!seat->said)
		say("issuer's key unavailable", issuer->config->name, &err);
	seat->said = true;
	return false;
}

static bool attach_audit(struct ca *ca)
{
	struct error err = ERR_INIT;
	struct ca_audit_key *a = &ca->audit;
	if (!a->certificate.len || atomic_load(&a->signer))
		return true;
	struct ca_certificate_facts facts;
	if (ca_certificate_read(buf_bytes(&a->certificate), &facts, &err) == 0 &&
	    attach_key(ca, a->token, ca->config->audit.key, facts.spki, &a->key, &a->signer, &err) == 0)
		return true;
	if (!a->said)
		say("audit key unavailable", ca->config->audit.key, &err);
	a->said = true;
	return false;
}

bool ca_attach_token(struct ca *ca, struct ca_token *t)
{
	if (!t->ours)
		return true;
	if (!attach_token(ca, t))
		return false;
	bool all = true;
	for (size_t i = 0; i < ca->issuer_count; i++)
		for (size_t n = 0; n < ca->issuers[i].seat_count; n++)
			if (ca->issuers[i].seats[n].token == t)
				all = attach_seat(ca, &ca->issuers[i], &ca->issuers[i].seats[n]) && all;
	if (ca->audit.token == t)
		all = attach_audit(ca) && all;
	return all;
}

bool ca_attach(struct ca *ca)
{
	bool all = true;
	for (size_t i = 0; i < ca->token_count; i++)
		all = ca_attach_token(ca, &ca->tokens[i]) && all;
	return all;
}

/* ---- asking ---- */

const char *ca_token_state(struct ca_token *t)
{
	struct hsm_token *open = atomic_load(&t->token);
	if (open)
		return hsm_token_state_name(hsm_token_state(open));
	return !t->ours                       ? "offline"
	       : atomic_load(&t->pin_refused) ? hsm_token_state_name(HSM_TOKEN_PIN_REFUSED)
					      : hsm_token_state_name(HSM_TOKEN_DOWN);
}

int ca_seat_rank(const struct ca_seat *seat)
{
	struct hsm_token *open = atomic_load(&seat->token->token);
	if (!open || !atomic_load_explicit(&seat->signer, memory_order_acquire) || !hsm_key_is_there(seat->key))
		return 0;
	enum hsm_token_state state = hsm_token_state(open);
	return state == HSM_TOKEN_UP ? 2 : state == HSM_TOKEN_DEGRADED ? 1 : 0;
}

bool ca_issuer_can_sign(const struct ca_issuer *issuer)
{
	for (size_t i = 0; i < issuer->seat_count; i++)
		if (ca_seat_rank(&issuer->seats[i]) > 0)
			return true;
	return false;
}

static size_t busy(const struct ca_seat *seat)
{
	struct hsm_token *open = atomic_load(&seat->token->token);
	return open ? hsm_token_busy(open) : 0;
}

/* "its token a is down", or "of its tokens a is down, b is pin-refused". */
static void describe(const struct ca_issuer *issuer, char *out, size_t size)
{
	size_t used = (size_t)snprintf(out, size, issuer->seat_count > 1 ? "of its tokens" : "its token");
	for (size_t i = 0; i < issuer->seat_count && used < size; i++)
		used += (size_t)snprintf(out + used, size - used, "%s %s is %s", i ? "," : "",
					 issuer->seats[i].token->config->name, ca_token_state(issuer->seats[i].token));
}

static int say_why(const struct ca_issuer *issuer, struct error *err)
{
	const char *name = issuer->config->name;
	char tokens[384];
	if (!issuer->certified)
		return err_set(err, ERR_TOKEN_UNAVAILABLE, "issuer %s has no certificate in this store", name);
	if (issuer->seat_count == 0)
		return err_set(err, ERR_TOKEN_UNAVAILABLE, "the key of issuer %s is not here", name);
	if (ca_issuer_can_sign(issuer))
		return err_set(err, ERR_TOKEN_UNAVAILABLE, "the key of issuer %s has just come back", name);
	for (size_t i = 0; i < issuer->seat_count; i++) {
		struct ca_token *token = issuer->seats[i].token;
		const char *state = ca_token_state(token);
		if (strcmp(state, "up") == 0 || strcmp(state, "degraded") == 0)
			return err_set(err, ERR_TOKEN_UNAVAILABLE, "the key of issuer %s is not in its token %s", name,
				       token->config->name);
	}
	describe(issuer, tokens, sizeof(tokens));
	return err_set(err, ERR_TOKEN_UNAVAILABLE, "the key of issuer %s is not available: %s", name, tokens);
}

bool ca_issuer_is_ours(const struct ca_issuer *issuer)
{
	for (size_t i = 0; issuer->certified && i < issuer->seat_count; i++)
		if (issuer->seats[i].token->ours)
			return true;
	return false;
}

struct hsm_signer *ca_issuer_signer(struct ca_issuer *issuer, struct error *err)
{
	struct ca_seat *best = NULL;
	int best_rank = 0;
	for (size_t i = 0; issuer->certified && i < issuer->seat_count; i++) {
		struct ca_seat *seat = &issuer->seats[i];
		int rank = ca_seat_rank(seat);
		if (rank > best_rank || (rank && rank == best_rank && busy(seat) < busy(best))) {
			best = seat;
			best_rank = rank;
		}
	}
	if (!best)
		(void)say_why(issuer, err);
	return best ? atomic_load_explicit(&best->signer, memory_order_acquire) : NULL;
}

struct hsm_signer *ca_issuer_signer_in(struct ca_issuer *issuer, const struct ca_token *token, struct error *err)
{
	for (size_t i = 0; token && issuer->certified && i < issuer->seat_count; i++)
		if (issuer->seats[i].token == token && ca_seat_rank(&issuer->seats[i]) > 0)
			return atomic_load_explicit(&issuer->seats[i].signer, memory_order_acquire);
	(void)say_why(issuer, err);
	return NULL;
}
