/* chancery token init: an uninitialized token gets its label, its SO PIN and its PIN. */
#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "tools/child.h"
#include "tools/cmd_token.h"
#include "tools/pin.h"

struct target {
	const struct ca_config *config; /* NULL: a token that is in no configuration */
	struct ca_config_token token;   /* its section, or made up of the options */
	struct hsm_uri name;            /* of token.uri */
	struct buf so_pin;              /* reference */
	struct secret *pin_set, *so_pin_set;
	bool pin_made, so_pin_made; /* a file was */
};

static void target_free(struct target *t)
{
	buf_free(&t->so_pin);
	secret_free(t->pin_set);
	secret_free(t->so_pin_set);
}

/* ---- in processes of their own, as the token's user ---- */

static int become_user(const struct target *t, struct error *err)
{
	return t->config ? token_become_user(t->config, &t->token, err) : 0;
}

/* Before a PIN is made: one in a file that belongs to no token would be tried one day. */
static int look(void *argument, struct buf *answer, struct error *err)
{
	const struct target *t = argument;
	struct hsm_token_info info;
	if (become_user(t, err) || hsm_admin_find_uninitialized(t->token.module, &t->name, &info, err))
		return -1;
	const struct pin_limits limits = { info.pin_min, info.pin_max };
	buf_add(answer, &limits, sizeof(limits));
	return 0;
}

static int initialize(void *argument, struct buf *answer, struct error *err)
{
	const struct target *t = argument;
	(void)answer;
	return become_user(t, err) ? -1
				   : hsm_admin_init_named(t->token.module, &t->name, t->so_pin_set, t->pin_set, err);
}

/* ---- the command ---- */

static int get_pins(struct target *t, struct pin_limits limits, struct error *err)
{
	char what[160];
	(void)snprintf(what, sizeof(what), "SO PIN of token %s", t->name.token);
	t->so_pin_set = pin_to_set(buf_text(&t->so_pin), what, limits, &t->so_pin_made, err);
	(void)snprintf(what, sizeof(what), "PIN of token %s", t->name.token);
	if (t->so_pin_set)
		t->pin_set = pin_to_set(t->token.pin, what, limits, &t->pin_made, err);
	return t->pin_set ? 0 : -1;
}

static int init(struct target *t, struct error *err)
{
	auto_buf answer = BUF_INIT;
	struct pin_limits limits;
	if (hsm_uri_parse(t->token.uri, &t->name, err))
		return -1;
	if (!(t->name.parts & HSM_URI_TOKEN))
		return err_set(err, ERR_CONFIG, "%s names no label for the token: \"pkcs11:token=LABEL\"",
			       t->token.uri);
	if (child_run(look, t, &answer, err))
		return -1;
	if (answer.len != sizeof(limits))
		return err_set(err, ERR_INTERNAL, "the module's answer was lost");
	memcpy(&limits, answer.data, sizeof(limits));
	return get_pins(t, limits, err) || child_run(initialize, t, NULL, err) ? -1 : 0;
}

static void say(const struct invocation *in, struct target *t)
{
	const char *so_pin = buf_text(&t->so_pin);
	if (in->common.json) {
		output_json(json_pack("{s:s, s:s, s:s, s:b, s:s, s:b}", "token", t->name.token, "module",
				      t->token.module, "pin", t->token.pin, "pinMade", (int)t->pin_made, "soPin",
				      so_pin, "soPinMade", (int)t->so_pin_made));
		return;
	}
	(void)printf("Token %s is initialized.\n", t->name.token);
	output_fact("module", t->token.module);
	output_fact(t->pin_made ? "new PIN in" : "PIN from", t->token.pin);
	output_fact(t->so_pin_made ? "new SO PIN in" : "SO PIN from", so_pin);
}

/* A token that is in no configuration: its section is made up. */
static int make_section(const char *module, const char *label, const char *pin, struct ca_config_token *out,
			struct error *err)
{
	struct hsm_uri name = { .parts = HSM_URI_TOKEN };
	auto_buf uri = BUF_INIT;
	auto_free char *path = path_absolute(module, err);
	if (!path)
		return -1;
	if (label[0] == '\0' || strlen(label) >= sizeof(name.token))
		return err_set(err, ERR_USAGE, "--label has 1 to %zu octets", sizeof(name.token) - 1);
	(void)snprintf(name.token, sizeof(name.token), "%s", label);
	hsm_uri_format(&name, &uri);
	if (strlen(path) >= sizeof(out->module) || strlen(pin) >= sizeof(out->pin) || uri.len >= sizeof(out->uri))
		return err_set(err, ERR_USAGE, "--module or --pin is too long");
	*out = (struct ca_config_token){ .sessions = 1 };
	(void)snprintf(out->module, sizeof(out->module), "%s", path);
	(void)snprintf(out->uri, sizeof(out->uri), "%s", buf_text(&uri));
	(void)snprintf(out->pin, sizeof(out->pin), "%s", pin);
	return 0;
}

static int choose(struct invocation *in, struct target *t, const struct ca_config *config)
{
	const struct ca_config_token *token = config ? token_named(config, in->operands[0], &in->error) : NULL;
	if (token) {
		t->config = config;
		t->token = *token;
	}
	return token ? 0 : -1;
}

int token_init(struct invocation *in)
{
	const char *module = NULL, *label = NULL, *pin = NULL, *so_pin = NULL;
	const struct option_spec specs[] = {
		{ "module", OPTION_TEXT, &module, "PATH", "PKCS#11 module of a token that is in no configuration" },
		{ "label", OPTION_TEXT, &label, "LABEL", "the label that such a token gets" },
		{ "pin", OPTION_TEXT, &pin, "REF", "where its PIN is: file:PATH, credential:NAME, fd:N, prompt" },
		{ "so-pin", OPTION_TEXT, &so_pin, "REF", "where the SO PIN is (a file beside the PIN's)" },
		OPTIONS_END,
	};
	if (options_read(in, specs, 0, 1))
		return in->status;
	bool named = in->operand_count == 1;
	if (named ? module || label || pin : !module || !label || !pin)
		return refuse_usage(in, "name a token of the configuration, or --module, --label and --pin of another");
	if ((pin && !secret_is_reference(pin)) || (so_pin && !secret_is_reference(so_pin)))
		return refuse_usage(in,
				    "--pin and --so-pin want file:PATH, credential:NAME, fd:N or prompt, not a PIN");
	CLEANUP(target_free) struct target t = { .so_pin = BUF_INIT };
	auto_buf so_reference = BUF_INIT;
	if (so_pin && pin_reference_absolute(so_pin, &so_reference, &in->error))
		return refuse(in);
	auto_ca_config *config = named ? token_enter(in) : NULL;
	if ((named ? choose(in, &t, config) : make_section(module, label, pin, &t.token, &in->error)) ||
	    pin_so_reference(so_pin ? buf_text(&so_reference) : NULL, t.token.pin, &t.so_pin, &in->error) ||
	    init(&t, &in->error))
		return refuse(in);
	say(in, &t);
	return 0;
}

const char token_init_detail[] =
	"Takes an uninitialized token of the section's module and gives it the label of the section's uri. A PIN\n"
	"whose file is not there is drawn at random and written to it first (mode 0600); the SO PIN's file stands\n"
	"beside the PIN's and ends in .so-pin. A label that the module has already is refused, and no token changes.\n";
