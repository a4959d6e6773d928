#include "hsm/probe.h"

#include <openssl/rand.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "base/text.h"
#include "hsm/probe_private.h"

#define SESSIONS_DEFAULT 8 /* of the configuration */
#define SESSIONS_FEW 2     /* where more at once bring nothing */
#define GAIN_MIN 1.2
#define HALVES_MAX 16

const char *hsm_probe_verdict_name(enum hsm_probe_verdict v)
{
	return v == HSM_PROBE_OK ? "ok" : v == HSM_PROBE_PARTLY ? "partly" : "no";
}

/* ---- rows ---- */

/* What tokens say of themselves is other people's text. */
static void make_showable(char *text)
{
	struct bytes b = bytes_of(text);
	if (text_is_utf8(b) && !text_has_control(b))
		return;
	for (size_t i = 0; i < b.len; i++)
		if (b.data[i] < 0x20 || b.data[i] > 0x7e)
			text[i] = '?';
}

void probe_text(char *out, size_t size, const unsigned char *text, size_t len)
{
	while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\0'))
		len--;
	len = len < size ? len : size - 1;
	memcpy(out, text, len);
	out[len] = '\0';
	make_showable(out);
}

struct hsm_probe_row *probe_row(struct probing *p, const char *subject, const char *name,
				enum hsm_probe_verdict verdict, const char *means, const char *found, ...)
{
	struct hsm_probe *report = p->report;
	struct hsm_probe_row *grown = reallocarray(report->rows, report->row_count + 1, sizeof(*grown));
	struct hsm_probe_row *row = &p->spare;
	if (grown) {
		report->rows = grown;
		row = &grown[report->row_count++];
	} else {
		report->failed = true;
	}
	*row = (struct hsm_probe_row){ .subject = subject, .verdict = verdict, .means = means, .number = -1 };
	(void)snprintf(row->name, sizeof(row->name), "%s", name);
	va_list arguments;
	va_start(arguments, found);
	(void)vsnprintf(row->found, sizeof(row->found), found, arguments);
	va_end(arguments);
	make_showable(row->name);
	make_showable(row->found);
	return row;
}

void probe_row_answer(struct probing *p, const char *subject, const char *name, enum hsm_probe_verdict verdict,
		      const char *means, CK_RV rv)
{
	(void)probe_row(p, subject, name, verdict, means, "%s (0x%lx)", hsm_ckr_name(rv), rv);
}

bool probe_step(struct probing *p, const char *format, ...)
{
	const struct hsm_probe_options *o = p->options;
	char what[64];
	va_list arguments;
	va_start(arguments, format);
	(void)vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	if (o->step)
		o->step(o->argument, what);
	p->report->stopped = p->report->stopped || (o->stop && o->stop(o->argument));
	return !p->report->stopped;
}

/* ---- what a probe makes, it takes away ---- */

void probe_label(const struct probing *p, const char *kind, char label[64])
{
	(void)snprintf(label, 64, HSM_PROBE_LABEL "%s-%s", p->run, kind);
}

void probe_left(struct probing *p, const char *label)
{
	struct hsm_probe *report = p->report;
	for (size_t i = 0; i < report->left_count; i++)
		if (strcmp(report->left[i], label) == 0)
			return;
	if (report->left_count < HSM_PROBE_LEFT_MAX)
		(void)snprintf(report->left[report->left_count++], sizeof(report->left[0]), "%s", label);
	log_error("a probe's key stays in the token", KV("label", label));
	(void)probe_row(p, "keys", "destroy", HSM_PROBE_NO, "a key that a probe made is left: take it away by hand",
			"%s", label);
}

static int objects_labelled(struct probing *p, const char *label, CK_OBJECT_HANDLE out[HALVES_MAX])
{
	CK_BBOOL yes = CK_TRUE;
	struct error ignored = ERR_INIT; /* what cannot be looked for counts as left */
	const CK_ATTRIBUTE match[] = {
		HSM_ATTRIBUTE(CKA_TOKEN, &yes, sizeof(yes)),
		HSM_ATTRIBUTE(CKA_LABEL, label, strlen(label)),
	};
	return hsm_objects_find(p->token, match, 2, out, HALVES_MAX, &ignored);
}

void probe_sweep(struct probing *p, const char *label)
{
	CK_OBJECT_HANDLE objects[HALVES_MAX];
	int found = p->token ? objects_labelled(p, label, objects) : -1;
	for (int i = 0; i < found; i++)
		hsm_object_destroy(p->token, objects[i]);
	if (found < 0 || (found > 0 && objects_labelled(p, label, objects) != 0))
		probe_left(p, label);
}

/* ---- the summary ---- */

bool hsm_probe_can_issue(const struct hsm_probe *p)
{
	for (int type = 0; type < HSM_PROBE_KEY_TYPES; type++)
		if (p->issuing[type])
			return true;
	return false;
}

/* One session is the anchor, and one is left to whoever runs a command beside the server. */
static void recommend_sessions(struct probing *p)
{
	size_t wanted = p->alone ? 1 : p->gain == 0 || p->gain >= GAIN_MIN ? SESSIONS_DEFAULT : SESSIONS_FEW;
	size_t most = p->sessions > 3 ? p->sessions - 2 : 1;
	p->report->sessions = (unsigned)(wanted < most ? wanted : most);
	bool enough = p->sessions >= 2;
	struct hsm_probe_row *row = probe_row(p, "summary", "sessions",
					      !enough                        ? HSM_PROBE_NO
					      : p->report->sessions < wanted ? HSM_PROBE_PARTLY
									     : HSM_PROBE_OK,
					      enough ? "option `sessions` of the token's section"
						     : "a server needs two: one holds the login, one signs",
					      "%u", p->report->sessions);
	row->number = p->report->sessions;
}

static void summarize(struct probing *p)
{
	const struct hsm_probe *report = p->report;
	auto_buf types = BUF_INIT;
	for (int type = 0; type < HSM_PROBE_KEY_TYPES; type++)
		if (report->issuing[type])
			buf_printf(&types, "%s%s", types.len ? ", " : "", hsm_key_type_name((enum hsm_key_type)type));
	const char *means = !hsm_probe_can_issue(report) ? "this token cannot hold an issuing key"
			    : report->read_only          ? "issuing keys, as its mechanisms promise: not tried"
							 : "issuing keys of these types";
	(void)probe_row(p, "summary", "issuing keys",
			!types.len          ? HSM_PROBE_NO
			: report->read_only ? HSM_PROBE_PARTLY
					    : HSM_PROBE_OK,
			means, "%s", types.len ? buf_text(&types) : "none");
	(void)probe_row(p, "summary", "RSA-PSS", report->pss ? HSM_PROBE_OK : HSM_PROBE_NO,
			report->pss ? "served to openssl through chancery.so"
				    : "not served; certificates are not signed so",
			"%s", report->pss ? "yes" : "no");
	recommend_sessions(p);
}

/* ---- the probe ---- */

static int draw_run(struct probing *p, struct error *err)
{
	uint8_t random[4];
	if (RAND_bytes(random, sizeof(random)) != 1)
		return err_set(err, ERR_INTERNAL, "no random numbers for a label");
	(void)text_hex(BYTES(random, sizeof(random)), p->run);
	return 0;
}

static int note_info(struct probing *p, struct error *err)
{
	struct hsm_token_info infos[64];
	int count = hsm_module_tokens(p->module, infos, 64, err);
	for (int i = 0; i < count && i < 64; i++)
		if (infos[i].slot == p->token->slot)
			p->report->token = infos[i];
	make_showable(p->report->token.label);
	make_showable(p->report->token.manufacturer);
	make_showable(p->report->token.model);
	make_showable(p->report->token.serial);
	return count < 0 ? -1 : 0;
}

int probe_open(struct probing *p, struct error *err)
{
	hsm_token_close(TAKE(p->token));
	p->token = hsm_token_open(p->module, p->options->uri, p->options->pin, HSM_PROBE_THREADS_MAX, err);
	p->pin_refused = !p->token && err->code == ERR_PIN_REFUSED;
	return p->token ? 0 : -1;
}

static int log_in(struct probing *p)
{
	struct error err = ERR_INIT;
	if (probe_open(p, &err) == 0)
		return 0;
	(void)probe_row(p, "login", "C_Login", HSM_PROBE_NO,
			p->pin_refused ? "nothing can be tried without the PIN, and this one is not tried again"
				       : "nothing can be tried without a login",
			"%s", err.message);
	return -1;
}

/* The type that behaviour is looked at with: P-256, the quickest, or else what there is. */
static enum hsm_key_type quickest(const struct hsm_probe *report)
{
	enum hsm_key_type type = HSM_EC_P256;
	for (int other = HSM_PROBE_KEY_TYPES - 1; other >= 0 && !report->issuing[type]; other--)
		type = (enum hsm_key_type)other;
	return type;
}

static void try_keys(struct probing *p)
{
	struct hsm_probe *report = p->report;
	for (int type = 0; type < HSM_PROBE_KEY_TYPES; type++) {
		if (!probe_step(p, "%s", hsm_key_type_name((enum hsm_key_type)type)))
			return;
		probe_key_type(p, (enum hsm_key_type)type);
	}
	if (!hsm_probe_can_issue(report))
		return;
	if (probe_step(p, "objects and sessions"))
		probe_objects(p, quickest(report));
	/* Last, for there are modules that do not live through it. */
	if (!p->pin_refused && probe_step(p, "C_Finalize and C_Initialize"))
		probe_finalize(p, quickest(report));
}

static void try_all(struct probing *p)
{
	if (!probe_step(p, "sessions"))
		return;
	probe_sessions(p);
	if (p->options->pin)
		probe_login(p);
	if (!probe_step(p, "keys"))
		return;
	probe_existing_keys(p);
	if (!p->options->read_only) {
		try_keys(p);
		return;
	}
	for (int type = 0; type < HSM_PROBE_KEY_TYPES; type++)
		p->report->issuing[type] = probe_promised(p, (enum hsm_key_type)type);
	p->report->pss = probe_promises_pss(p);
}

int hsm_probe_module(struct hsm_module *m, const struct hsm_probe_options *options, struct hsm_probe *report,
		     struct error *err)
{
	struct probing p = { .options = options, .report = report, .module = m };
	report->read_only = options->read_only;
	/* Without login at first: what is then known can be told even where the PIN is refused. */
	p.token = draw_run(&p, err) ? NULL : hsm_token_open(m, options->uri, NULL, 1, err);
	if (!p.token)
		return -1;
	int noted = note_info(&p, err);
	if (noted == 0) {
		probe_library(&p);
		probe_token(&p);
		probe_mechanisms(&p);
		if (!options->pin || log_in(&p) == 0)
			try_all(&p);
		summarize(&p);
	}
	hsm_token_close(p.token);
	return noted;
}

struct hsm_probe *hsm_probe_run(const char *module_path, const struct hsm_probe_options *options, struct error *err)
{
	if (!options->pin && !options->read_only) {
		(void)err_set(err, ERR_USAGE, "a probe that makes keys needs the PIN");
		return NULL;
	}
	auto_hsm_probe *report = calloc(1, sizeof(*report));
	if (!report) {
		(void)err_set(err, ERR_INTERNAL, "no memory for a probe");
		return NULL;
	}
	auto_hsm_module *m = hsm_module_open(module_path, err);
	if (!m || hsm_probe_module(m, options, report, err))
		return NULL;
	return TAKE(report);
}

void hsm_probe_free(struct hsm_probe *p)
{
	if (!p)
		return;
	free(p->rows);
	free(p->mechanisms);
	free(p);
}
