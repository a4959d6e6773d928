/* chancery token probe: what a token can do for Chancery, found out by trying. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "hsm/probe.h"
#include "tools/cmd_token.h"
#include "tools/pin.h"

#define RATE_MS 500

/* Keys are to be destroyed also where somebody has seen enough. */
static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

static bool is_interrupted(void *argument)
{
	(void)argument;
	return interrupted != 0;
}

static void on_step(void *argument, const char *what)
{
	struct progress *progress = argument;
	progress->what = what;
	progress_wait(progress);
	progress->what = "";
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART | (int)SA_RESETHAND };
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
}

/* ---- saying it ---- */

static json_t *row_json(const struct hsm_probe_row *row)
{
	json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:s}", "subject", row->subject, "name", row->name, "result",
				   hsm_probe_verdict_name(row->verdict), "found", row->found, "means", row->means);
	if (row->number >= 0)
		(void)json_object_set_new(object, "number", json_integer(row->number));
	return object;
}

static json_t *mechanism_json(const struct hsm_probe_mechanism *m)
{
	char number[32];
	(void)snprintf(number, sizeof(number), "0x%lx", m->type);
	json_t *object = json_pack("{s:s, s:I, s:I, s:I}", "type", number, "least", (json_int_t)m->least, "most",
				   (json_int_t)m->most, "flags", (json_int_t)m->flags);
	if (m->name)
		(void)json_object_set_new(object, "name", json_string(m->name));
	return object;
}

static json_t *texts_json(const char *const *texts, size_t count)
{
	json_t *list = json_array();
	for (size_t i = 0; i < count; i++)
		(void)json_array_append_new(list, json_string(texts[i]));
	return list;
}

static json_t *summary_json(const struct hsm_probe *report)
{
	const char *types[HSM_PROBE_KEY_TYPES], *left[HSM_PROBE_LEFT_MAX];
	size_t count = 0;
	for (int type = 0; type < HSM_PROBE_KEY_TYPES; type++)
		if (report->issuing[type])
			types[count++] = hsm_key_type_name((enum hsm_key_type)type);
	for (size_t i = 0; i < report->left_count; i++)
		left[i] = report->left[i];
	return json_pack("{s:o, s:b, s:I, s:o, s:b, s:b}", "issuing", texts_json(types, count), "pss", (int)report->pss,
			 "sessions", (json_int_t)report->sessions, "left", texts_json(left, report->left_count),
			 "readOnly", (int)report->read_only, "stopped", (int)report->stopped);
}

static void print_json(const struct hsm_probe *report, const char *module)
{
	const struct hsm_token_info *token = &report->token;
	json_t *rows = json_array(), *mechanisms = json_array();
	for (size_t i = 0; i < report->row_count; i++)
		(void)json_array_append_new(rows, row_json(&report->rows[i]));
	for (size_t i = 0; i < report->mechanism_count; i++)
		(void)json_array_append_new(mechanisms, mechanism_json(&report->mechanisms[i]));
	output_json(json_pack("{s:s, s:{s:s, s:s, s:s, s:s}, s:o, s:o, s:o}", "module", module, "token", "label",
			      token->label, "manufacturer", token->manufacturer, "model", token->model, "serial",
			      token->serial, "rows", rows, "mechanisms", mechanisms, "summary", summary_json(report)));
}

static void print_table(const struct hsm_probe *report)
{
	auto_table table = TABLE_INIT(4);
	const char *const heading[] = { "TRIED", "RESULT", "FOUND", "WHAT IT MEANS" };
	table_add(&table, heading);
	for (size_t i = 0; i < report->row_count; i++) {
		const struct hsm_probe_row *row = &report->rows[i];
		char tried[128];
		(void)snprintf(tried, sizeof(tried), "%s: %s", row->subject, row->name);
		const char *const cells[] = { tried, hsm_probe_verdict_name(row->verdict), row->found, row->means };
		table_add(&table, cells);
	}
	table_print(&table);
}

/* What must not be overlooked, whatever is read of the rest. */
static void warn(const struct hsm_probe *report)
{
	if (report->failed)
		(void)fputs("chancery: some of it is missing: no memory\n", stderr);
	if (report->stopped)
		(void)fputs("chancery: interrupted: what is missing was not tried\n", stderr);
	for (size_t i = 0; i < report->left_count; i++)
		(void)fprintf(
			stderr,
			"chancery: A KEY OF A PROBE IS LEFT IN THE TOKEN, labelled %s: destroy it with the token's "
			"own tool\n",
			report->left[i]);
}

/* ---- the command ---- */

struct place {
	const char *module, *uri;
	struct secret *pin;
};

static int probe(struct invocation *in, const struct place *place, bool read_only)
{
	struct progress progress = progress_begin("");
	const struct hsm_probe_options options = {
		.uri = place->uri,
		.pin = place->pin,
		.read_only = read_only,
		.rate_ms = RATE_MS,
		.step = on_step,
		.stop = is_interrupted,
		.argument = &progress,
	};
	catch_signals();
	auto_hsm_probe *report = hsm_probe_run(place->module, &options, &in->error);
	progress_end(&progress);
	if (!report)
		return refuse(in);
	if (in->common.json)
		print_json(report, place->module);
	else
		print_table(report);
	warn(report);
	return hsm_probe_can_issue(report) ? 0 : 1;
}

static int probe_configured(struct invocation *in, bool read_only)
{
	struct error *err = &in->error;
	auto_ca_config *config = token_enter(in);
	const struct ca_config_token *token = config ? token_named(config, in->operands[0], err) : NULL;
	auto_secret *pin = token ? pin_get(token->pin, token->name, err) : NULL;
	if (!pin)
		return refuse(in);
	if (state_server_runs())
		(void)fputs("chancery: a server runs on this state: while its token is measured its requests wait\n",
			    stderr);
	if (token_become_user(config, token, err))
		return refuse(in);
	const struct place place = { token->module, token->uri, pin };
	return probe(in, &place, read_only);
}

static int probe_other(struct invocation *in, const char *module, const char *label, const char *reference,
		       bool read_only)
{
	struct hsm_uri name = { .parts = HSM_URI_TOKEN };
	auto_buf uri = BUF_INIT;
	if (strncmp(label, "pkcs11:", 7) == 0) {
		buf_add_text(&uri, label);
	} else {
		if (strlen(label) >= sizeof(name.token))
			return refuse_usage(in, "--token is a label of at most %zu octets, or an RFC 7512 URI",
					    sizeof(name.token) - 1);
		(void)snprintf(name.token, sizeof(name.token), "%s", label);
		hsm_uri_format(&name, &uri);
	}
	auto_free char *path = path_absolute(module, &in->error);
	auto_secret *pin = path && reference ? pin_get(reference, "PIN", &in->error) : NULL;
	if (!path || (reference && !pin))
		return refuse(in);
	const struct place place = { path, buf_text(&uri), pin };
	return probe(in, &place, read_only);
}

int token_probe(struct invocation *in)
{
	const char *module = NULL, *label = NULL, *pin = NULL;
	bool read_only = false;
	const struct option_spec specs[] = {
		{ "module", OPTION_TEXT, &module, "PATH", "PKCS#11 module of a token that is in no configuration" },
		{ "token", OPTION_TEXT, &label, "LABEL", "the label of such a token, or its RFC 7512 URI" },
		{ "pin", OPTION_TEXT, &pin, "REF", "where its PIN is: file:PATH, credential:NAME, fd:N, prompt" },
		{ "read-only", OPTION_FLAG, &read_only, NULL, "make nothing in the token" },
		OPTIONS_END,
	};
	if (options_read(in, specs, 0, 1))
		return in->status;
	bool named = in->operand_count == 1;
	if (named ? module || label || pin : !module || !label || (!pin && !read_only))
		return refuse_usage(in, "name a token of the configuration, or --module, --token and --pin of another");
	return named ? probe_configured(in, read_only) : probe_other(in, module, label, pin, read_only);
}

const char token_probe_detail[] =
	"Makes a key of each type, signs with it, measures, and destroys it; looks at what sessions, handles and\n"
	"the module answer when they come to an end. The PIN must be right: it is given at each login, and no\n"
	"other is ever tried. Each row says what was found and what it means. Exit status 0 where the token can hold\n"
	"an issuing key. With --read-only nothing is made, and without --pin nobody logs in.\n";
