/* chancery token: what PKCS#11 tokens there are, a key made in one, how the server's are. */
#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "hsm/key.h"
#include "tools/admin.h"
#include "tools/cmd_token.h"
#include "tools/list.h"
#include "tools/pin.h"

#define TOKENS_MAX 64

/* ---- what the commands share ---- */

struct ca_config *token_enter(struct invocation *in)
{
	auto_ca_config *config = state_config(&in->common, &in->error);
	if (!config || state_enter(&in->common, &in->error))
		return NULL;
	return TAKE(config);
}

const struct ca_config_token *token_named(const struct ca_config *config, const char *name, struct error *err)
{
	const struct ca_config_token *token = ca_config_token(config, name);
	if (!token)
		(void)err_set(err, ERR_NOT_FOUND, "the configuration has no token \"%s\"", name);
	else if (!token->pin[0])
		(void)err_set(err, ERR_CONFIG, "the section of token %s names no PIN: give it the option `pin`", name);
	return token && token->pin[0] ? token : NULL;
}

static int use_softhsm_conf(const char *path, struct error *err)
{
	return path[0] && setenv("SOFTHSM2_CONF", path, 1) ? err_errno(err, ERR_IO, "cannot set SOFTHSM2_CONF") : 0;
}

int token_become_user(const struct ca_config *config, const struct ca_config_token *token, struct error *err)
{
	return state_become_signer(config, err) || use_softhsm_conf(token->softhsm_conf, err) ? -1 : 0;
}

/* ---- list ---- */

static json_t *info_json(const struct hsm_token_info *info, const char *module)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:b, s:b}", "label", info->label, "manufacturer",
			 info->manufacturer, "model", info->model, "serial", info->serial, "module", module, "slot",
			 (json_int_t)info->slot, "initialized", (int)info->initialized, "pinLocked",
			 (int)info->pin_locked);
}

static int list_module(const char *path, const char *softhsm_conf, json_t *rows, struct error *err)
{
	auto_free struct hsm_token_info *found = calloc(TOKENS_MAX, sizeof(*found));
	if (!found || use_softhsm_conf(softhsm_conf, err))
		return found ? -1 : err_set(err, ERR_INTERNAL, "no memory");
	auto_hsm_module *module = hsm_module_open(path, err);
	int count = module ? hsm_module_tokens(module, found, TOKENS_MAX, err) : -1;
	for (int i = 0; i < count && i < TOKENS_MAX; i++)
		(void)json_array_append_new(rows, info_json(&found[i], path));
	return count < 0 ? -1 : 0;
}

static bool seen_before(const struct ca_config *config, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (strcmp(config->tokens[i].module, config->tokens[at].module) == 0)
			return true;
	return false;
}

static int list_all(struct invocation *in, const char *module, json_t *rows)
{
	if (module)
		return list_module(module, "", rows, &in->error);
	auto_ca_config *config = token_enter(in);
	if (!config)
		return -1;
	for (size_t i = 0; i < config->token_count; i++)
		if (!seen_before(config, i) &&
		    list_module(config->tokens[i].module, config->tokens[i].softhsm_conf, rows, &in->error))
			return -1;
	return 0;
}

static void add_row(struct table *table, const json_t *row)
{
	bool initialized = json_is_true(json_object_get(row, "initialized"));
	bool locked = json_is_true(json_object_get(row, "pinLocked"));
	const char *const cells[] = { member_text(row, "label"), member_text(row, "manufacturer"),
				      member_text(row, "model"), member_text(row, "serial"),
				      locked        ? "PIN locked"
				      : initialized ? "initialized"
						    : "uninitialized" };
	table_add(table, cells);
}

static const struct list tokens = { "tokens", { "LABEL", "MANUFACTURER", "MODEL", "SERIAL", "STATE" }, add_row };

static int run_list(struct invocation *in)
{
	const char *module = NULL;
	const struct option_spec specs[] = { { "module", OPTION_TEXT, &module, "PATH", "of this PKCS#11 module" },
					     OPTIONS_END };
	if (options_read(in, specs, 0, 0))
		return in->status;
	auto_json *rows = json_array();
	return list_all(in, module, rows) ? refuse(in) : list_show(in, &tokens, rows);
}

/* ---- keygen ---- */

static int make_key(struct invocation *in, const struct ca_config *whole, const struct ca_config_token *config,
		    enum hsm_key_type type, const char *label)
{
	struct error *err = &in->error;
	/* The PIN's file is whose who started the server; the token's are its user's, and a new key's must be. */
	auto_secret *pin = pin_get(config->pin, config->name, err);
	if (!pin || token_become_user(whole, config, err))
		return -1;
	auto_hsm_module *module = hsm_module_open(config->module, err);
	if (!module)
		return -1;
	auto_hsm_token *token = hsm_token_open(module, config->uri, pin, 1, err);
	if (!token)
		return -1;
	auto_hsm_key *key = hsm_key_generate(token, type, label, err);
	if (!key)
		return -1;
	if (in->common.json)
		output_json(json_pack("{s:s, s:s}", "uri", hsm_key_uri(key), "type", hsm_key_type_name(type)));
	else
		(void)puts(hsm_key_uri(key));
	return 0;
}

static int run_keygen(struct invocation *in)
{
	const char *type_name = "p256", *label = NULL;
	const struct option_spec specs[] = {
		{ "type", OPTION_TEXT, &type_name, "T", "p256, p384, p521, rsa2048, rsa3072, rsa4096, ed25519" },
		{ "label", OPTION_TEXT, &label, "NAME", "the key's label" },
		OPTIONS_END,
	};
	if (options_read(in, specs, 1, 1))
		return in->status;
	enum hsm_key_type type;
	if (!label)
		return refuse_usage(in, "--label is needed");
	if (hsm_key_type_parse(type_name, &type, &in->error))
		return refuse(in);
	auto_ca_config *config = token_enter(in);
	if (!config)
		return refuse(in);
	const struct ca_config_token *token = token_named(config, in->operands[0], &in->error);
	return !token || make_key(in, config, token, type, label) ? refuse(in) : 0;
}

/* ---- status ---- */

static json_t *state_json(const struct message_token *t)
{
	auto_buf said = BUF_INIT, why = BUF_INIT;
	buf_add_bytes(&said, t->why);
	output_add_safe(&why, buf_text(&said), false); /* it may have words of the token's, in whatever encoding */
	return json_pack("{s:s%, s:s%, s:s, s:I, s:I}", "name", (const char *)t->name.data, t->name.len, "state",
			 (const char *)t->state.data, t->state.len, "why", buf_text(&why), "seconds",
			 (json_int_t)t->since_s, "signatures", (json_int_t)t->signatures);
}

static void add_state(struct table *table, const json_t *row)
{
	auto_buf count = BUF_INIT;
	buf_printf(&count, "%" JSON_INTEGER_FORMAT, json_integer_value(json_object_get(row, "signatures")));
	const char *const cells[] = { member_text(row, "name"), member_text(row, "state"), buf_text(&count),
				      member_text(row, "why") };
	table_add(table, cells);
}

static const struct list states = { "tokens", { "TOKEN", "STATE", "SIGNATURES", "WHY" }, add_state };

static int run_status(struct invocation *in)
{
	const struct option_spec specs[] = { OPTIONS_END };
	if (options_read(in, specs, 0, 0))
		return in->status;
	auto_buf answer = BUF_INIT;
	auto_free struct message_health *health = calloc(1, sizeof(*health));
	if (!health || admin_ask_once(&in->common, MSG_HEALTH_GET, NULL, MSG_HEALTH, &answer, &in->error) ||
	    message_health_read(buf_bytes(&answer), health, &in->error))
		return refuse(in);
	auto_json *rows = json_array();
	bool all_up = true;
	for (uint32_t i = 0; i < health->token_count; i++) {
		const struct message_token *t = &health->tokens[i];
		(void)json_array_append_new(rows, state_json(t));
		all_up = all_up && (bytes_are(t->state, "up") || bytes_are(t->state, "offline"));
	}
	(void)list_show(in, &states, rows);
	return all_up ? 0 : err_class(ERR_TOKEN_UNAVAILABLE)->exit_status;
}

static const struct command pin_commands[] = {
	{ "change", "TOKEN", "Give a token another user PIN", token_pin_change_detail, NULL, token_pin_change },
	{ "split", "[TOKEN]", "Give a token a new PIN that M of N people hold", token_pin_split_detail, NULL,
	  token_pin_split },
	{ "retry", "TOKEN", "Let the running server try the PIN again", token_pin_retry_detail, NULL, token_pin_retry },
	{ NULL, NULL, NULL, NULL, NULL, NULL },
};
/* In the order in which a new token meets them. */
static const struct command commands[] = {
	{ "list", "", "List the tokens of the configured modules, or of --module", NULL, NULL, run_list },
	{ "probe", "[TOKEN]", "Try out what a token can do for Chancery", token_probe_detail, NULL, token_probe },
	{ "init", "[TOKEN]", "Initialize a token: its label, its PIN, its SO PIN", token_init_detail, NULL,
	  token_init },
	{ "keygen", "TOKEN", "Make a key pair in a token of the configuration",
	  "The key cannot leave the token. Prints its RFC 7512 URI. A running server finds it at its next start.\n",
	  NULL, run_keygen },
	{ "csr", "TOKEN", "Make a PKCS#10 request that a token's key signs", token_csr_detail, NULL, token_csr },
	{ "status", "", "How the running server's tokens are; exit status 3 where one is not up", NULL, NULL,
	  run_status },
	{ "pin", "", "The user PIN: change, split, retry", NULL, pin_commands, NULL },
	{ NULL, NULL, NULL, NULL, NULL, NULL },
};
const struct command cmd_token = { "token", "",       "PKCS#11 tokens: list, probe, init, keygen, csr, status, pin",
				   NULL,    commands, NULL };
