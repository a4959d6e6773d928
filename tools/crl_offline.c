/* A revocation list of an issuer whose token no server logs in to: signed here, handed over. */
#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "ca-core/crl.h"
#include "hsm/provider.h"
#include "tools/admin.h"
#include "tools/cmd.h"
#include "tools/pin.h"

/* Freed from the last to the first. */
struct offline {
	struct ca_issuer_info info;
	struct hsm_provider *provider;
	struct hsm_module *module;
	struct hsm_token *token;
	struct hsm_key *key;
	struct hsm_signer *signer;
	struct store *store;
	struct store_snapshot *snap;
};

static void offline_end(struct offline *o)
{
	if (o->snap)
		store_snapshot_free(o->snap);
	if (o->store)
		store_close(o->store);
	if (o->signer)
		hsm_signer_free(o->signer);
	if (o->key)
		hsm_key_free(o->key);
	if (o->token)
		hsm_token_close(o->token);
	if (o->module)
		hsm_module_close(o->module);
	if (o->provider)
		hsm_provider_free(o->provider);
	ca_issuer_info_clear(&o->info);
}

static int open_store(struct offline *o, const struct ca_config *config, const struct ca_config_issuer *issuer,
		      struct error *err)
{
	auto_buf key = BUF_INIT;
	struct bytes certificate;
	buf_printf(&key, CA_META_ISSUER "%s", issuer->name);
	o->store = state_open_store(config, true, err);
	o->snap = o->store ? store_snapshot_new(o->store, err) : NULL;
	if (!o->snap)
		return -1;
	int found = store_get(o->snap, STORE_META, buf_bytes(&key), &certificate, NULL, err);
	if (found <= 0)
		return found < 0 ? -1 : err_set(err, ERR_NOT_FOUND, "the store has no issuer %s", issuer->name);
	return ca_issuer_info_load(&o->info, issuer->name, certificate, config->listen.url, err);
}

static int open_key(struct offline *o, const struct ca_config_token *token, const struct ca_config_issuer *issuer,
		    const struct secret *pin, struct error *err)
{
	if (token->softhsm_conf[0] && setenv("SOFTHSM2_CONF", token->softhsm_conf, 1))
		return err_errno(err, ERR_IO, "cannot set SOFTHSM2_CONF");
	o->provider = hsm_provider_new(err);
	o->module = o->provider ? hsm_module_open(token->module, err) : NULL;
	o->token = o->module ? hsm_token_open(o->module, token->uri, pin, 1, err) : NULL;
	o->key = o->token ? hsm_key_find(o->token, issuer->key, err) : NULL;
	o->signer = o->key ? hsm_signer_new(o->provider, o->key, err) : NULL;
	return o->signer ? 0 : -1;
}

/* Number, times and predecessor of the next list (PKI.md section 6). */
static int plan_next(struct offline *o, const struct ca_config *config, const struct ca_config_issuer *issuer,
		     struct ca_crl_plan *plan, struct error *err)
{
	struct bytes value;
	struct record_crl before = { .number = 0 };
	int found = store_get(o->snap, STORE_CRLS, bytes_of(issuer->name), &value, NULL, err);
	if (found < 0 || (found && record_crl_decode(value, &before, err)))
		return -1;
	struct clock clock = clock_system();
	int64_t now_ms = clock_now_ms(&clock);
	*plan = (struct ca_crl_plan){
		.info = &o->info,
		.signer = o->signer,
		.number = before.number >= (uint64_t)now_ms ? before.number + 1 : (uint64_t)now_ms,
		.this_update_s = now_ms / 1000,
		.next_update_s = now_ms / 1000 + (int64_t)issuer->crl_hours * 3600,
		.previous_update_s = before.this_update_s,
		.arc = buf_bytes(&config->arc),
	};
	return 0;
}

static int sign(struct offline *o, const struct ca_crl_plan *plan, struct buf *der, struct message_crl_made *made,
		struct error *err)
{
	*made = (struct message_crl_made){ .number = plan->number,
					   .this_update_s = plan->this_update_s,
					   .next_update_s = plan->next_update_s };
	return ca_crl_build(o->snap, plan, der, &made->entries, err) || ca_crl_check(o->snap, plan, buf_bytes(der), err)
		       ? -1
		       : 0;
}

int crl_sign_offline(const struct common_options *common, const struct ca_config *config,
		     const struct ca_config_issuer *issuer, struct admin *admin, struct message_crl_made *made,
		     struct error *err)
{
	CLEANUP(offline_end) struct offline o = { .provider = NULL };
	const struct ca_config_token *token = ca_config_token(config, issuer->token);
	struct ca_crl_plan plan;
	auto_buf der = BUF_INIT, question = BUF_INIT;
	if (!token)
		return err_set(err, ERR_NOT_FOUND,
			       "the key of issuer %s is not here: a ceremony signs its list, and `chancery ceremony "
			       "import` brings it",
			       issuer->name);
	if (state_enter(common, err))
		return -1;
	/* The PIN's file is whose who started the server; what follows runs as the user of store and token. */
	auto_secret *pin = pin_get(token->pin, issuer->token, err);
	if (!pin || open_store(&o, config, issuer, err) || open_key(&o, token, issuer, pin, err) ||
	    plan_next(&o, config, issuer, &plan, err) || sign(&o, &plan, &der, made, err))
		return -1;
	const struct message_name list = { buf_bytes(&der) };
	message_name_write(&list, &question);
	return admin_ask(admin, MSG_CRL_IMPORT, buf_bytes(&question), MSG_DONE, NULL, err);
}
