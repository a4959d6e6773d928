#include "ca-core/ceremony_plan_private.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/der.h"
#include "base/file.h"
#include "base/ossl.h"
#include "base/text.h"
#include "hsm/uri.h"

#define USED_SERIALS_MAX 4096

/* ---- grammar ---- */

/* libconfuse copies them for each file that is read; nothing changes them. */
static cfg_opt_t person_options[] = { TEXTS("roles"), TEXT("certificate"), CFG_END() };
static cfg_opt_t attest_options[] = { NUMBER("operators"), NUMBER("custodians"), NUMBER("witnesses"),
				      NUMBER("auditors"), CFG_END() };
static cfg_opt_t token_options[] = { TEXT("module"), TEXT("softhsm-conf"), TEXT("pin"), CFG_END() };
static cfg_opt_t profile_options[] = { PROFILE_OPTIONS, TEXTS("purposes"), CFG_END() };
static cfg_opt_t issuer_options[] = { TEXT("certificate"),  TEXT("sha256"),        TEXT("key"),
				      NUMBER("crl-number"), TEXTS("used-serials"), CFG_END() };
static cfg_opt_t step_options[] = { TEXT("kind"),
				    TEXT("key"),
				    TEXT("backup"),
				    TEXT("type"),
				    TEXT("issuer"),
				    TEXT("of"),
				    TEXT("old"),
				    TEXT("new"),
				    TEXT("csr"),
				    TEXT("csr-sha256"),
				    TEXT("profile"),
				    TEXT("common-name"),
				    TEXT("organization"),
				    TEXT("country"),
				    TEXT("state"),
				    TEXT("locality"),
				    TEXT("not-before"),
				    TEXT("not-after"),
				    NUMBER("days"),
				    TEXT("serial"),
				    TEXT("this-update"),
				    NUMBER("next-update-days"),
				    NUMBER("number"),
				    TEXTS("revoked"),
				    CFG_END() };
static cfg_opt_t plan_options[] = { TEXT("title"),
				    TEXT("url"),
				    TEXT("arc"),
				    TEXT("window-from"),
				    TEXT("window-to"),
				    FLAG("attended"),
				    CFG_SEC("person", person_options, TITLED),
				    CFG_SEC("attest", attest_options, CFGF_NONE),
				    CFG_SEC("token", token_options, TITLED),
				    CFG_SEC("profile", profile_options, TITLED),
				    CFG_SEC("issuer", issuer_options, TITLED),
				    CFG_SEC("step", step_options, TITLED),
				    CFG_END() };

/* ---- values ---- */

int plan_check_title(const struct config_section *s)
{
	struct bytes title = bytes_of(s->title);
	if (title.len == 0 || title.len > 64)
		return config_bad(s, "", "a title has 1 to 64 octets");
	if (!text_is_utf8(title) || text_has_control(title))
		return config_bad(s, "", "the title is not UTF-8, or has control characters");
	return 0;
}

int plan_get_time(const struct config_section *s, const char *option, bool may_be_now, struct ceremony_time *out)
{
	char text[CLOCK_TEXT_SIZE] = "";
	struct error why = ERR_INIT;
	if (config_get_text(s, option, text, sizeof(text)))
		return -1;
	if (!text[0])
		return 0;
	out->given = true;
	out->now = may_be_now && strcmp(text, "now") == 0;
	if (!out->now && clock_parse_rfc3339(bytes_of(text), &out->s, &why))
		return config_bad(s, option, "\"%s\" is no time like 2026-12-01T09:00:00Z%s", text,
				  may_be_now ? ", nor now" : "");
	return 0;
}

int plan_get_sha256(const struct config_section *s, const char *option, uint8_t out[32], bool *given)
{
	char text[65] = "";
	auto_buf octets = BUF_INIT;
	struct error why = ERR_INIT;
	if (config_get_text(s, option, text, sizeof(text)))
		return -1;
	*given = text[0] != '\0';
	if (!*given)
		return 0;
	if (text_parse_hex(bytes_of(text), 32, &octets, &why) || octets.len != 32)
		return config_bad(s, option, "a SHA-256 has 64 hexadecimal digits");
	memcpy(out, octets.data, 32);
	return 0;
}

int plan_parse_serial(const struct config_section *s, const char *option, struct bytes hex, uint8_t out[20],
		      size_t *len)
{
	auto_buf octets = BUF_INIT;
	struct error why = ERR_INIT;
	if (text_parse_hex(hex, 21, &octets, &why))
		return config_bad(s, option, "a serial number is at most 20 octets in hexadecimal");
	size_t zeros = 0;
	while (zeros + 1 < octets.len && octets.data[zeros] == 0 && !(octets.data[zeros + 1] & 0x80))
		zeros++;
	size_t size = octets.len - zeros;
	const uint8_t *at = octets.data + zeros;
	if (size == 0 || size > 20 || (at[0] & 0x80) || (size == 1 && at[0] == 0))
		return config_bad(s, option,
				  "a serial number is positive and of at most 20 octets (RFC 5280 4.1.2.2); one whose "
				  "first digit is 8 or more begins with 00");
	memcpy(out, at, size);
	*len = size;
	return 0;
}

/* What names a token or key, in one form. An attribute that says the same twice is left out. */
static int form_uri(const struct config_section *s, const char *option, const char *text, struct hsm_uri *uri,
		    struct buf *out)
{
	struct error why = ERR_INIT;
	if (strstr(text, "pin-"))
		return config_bad(s, option, "neither a PIN nor where one is belongs into a key's URI");
	if (hsm_uri_parse(text, uri, &why))
		return config_bad(s, option, "%s", why.message);
	if (!(uri->parts & HSM_URI_TOKEN))
		return config_bad(s, option, "it names no token (pkcs11:token=LABEL)");
	if (uri->parts & HSM_URI_SLOT)
		return config_bad(s, option, "slot numbers change from day to day; name the token by its label");
	if ((uri->parts & HSM_URI_TYPE) && strcmp(uri->type, "private") != 0)
		return config_bad(s, option, "type can only be private here");
	uri->parts &= ~(unsigned)HSM_URI_TYPE;
	hsm_uri_format(uri, out);
	return out->failed ? config_bad(s, option, "no memory") : 0;
}

int plan_get_key(const struct config_section *s, const char *option, char **out)
{
	char text[HSM_URI_MAX] = "";
	struct hsm_uri uri = { 0 };
	auto_buf form = BUF_INIT;
	const unsigned more = HSM_URI_MANUFACTURER | HSM_URI_SERIAL | HSM_URI_MODEL;
	if (config_get_text(s, option, text, sizeof(text)))
		return -1;
	if (!text[0])
		return 0;
	if (form_uri(s, option, text, &uri, &form))
		return -1;
	if (!(uri.parts & (HSM_URI_OBJECT | HSM_URI_ID)))
		return config_bad(s, option, "it names no key (pkcs11:token=LABEL;object=LABEL)");
	if (uri.parts & more)
		return config_bad(s, option,
				  "a key is named by token, object and id alone; serial and model stand in the title "
				  "of the token's section");
	*out = strdup(buf_text(&form));
	return *out ? 0 : config_bad(s, option, "no memory");
}

/* ---- people ---- */

const char *ceremony_role_name(enum ceremony_role role)
{
	static const char *const names[CEREMONY_ROLES] = { "operator", "custodian", "witness", "auditor" };
	return (unsigned)role < CEREMONY_ROLES ? names[role] : "?";
}

static int read_person(const struct config_section *s, struct ceremony_person *p)
{
	struct ca_texts roles = { 0 };
	(void)snprintf(p->name, sizeof(p->name), "%s", s->title);
	int rc = config_get_texts(s, "roles", CEREMONY_ROLES, &roles);
	for (size_t i = 0; rc == 0 && i < roles.count; i++) {
		unsigned role = 0;
		while (role < CEREMONY_ROLES && strcmp(ceremony_role_name(role), roles.items[i]) != 0)
			role++;
		if (role == CEREMONY_ROLES)
			rc = config_bad(s, "roles", "\"%s\" is none of operator, custodian, witness, auditor",
					roles.items[i]);
		p->roles |= 1U << role;
	}
	config_texts_free(&roles);
	if (rc == 0 && !p->roles)
		rc = config_bad(s, "roles", "the person has no role");
	return rc ? rc : config_get_name(s, "certificate", p->certificate, sizeof(p->certificate));
}

static int read_attest(const struct config_section *s, unsigned attest[CEREMONY_ROLES])
{
	static const char *const options[CEREMONY_ROLES] = { "operators", "custodians", "witnesses", "auditors" };
	for (unsigned role = 0; role < CEREMONY_ROLES; role++)
		if (config_get_number(s, options[role], 0, CEREMONY_PEOPLE_MAX, &attest[role]))
			return -1;
	return 0;
}

/* ---- tokens ---- */

/* The value is never repeated: it may be a PIN. */
static int read_pin(const struct config_section *s, struct ceremony_token *t)
{
	static const char shares[] = "shares:";
	char text[sizeof(shares) + sizeof(t->sheet)] = "prompt";
	struct error why = ERR_INIT;
	const struct config_section quiet = { s->cfg, s->lines, &why, s->name, s->title };
	bool good = config_get_text(&quiet, "pin", text, sizeof(text)) == 0;
	size_t digits = strncmp(text, "fd:", 3) == 0 ? strspn(text + 3, "0123456789") : 0;
	if (good && strcmp(text, "prompt") == 0)
		t->pin = CEREMONY_PIN_PROMPT;
	else if (good && strncmp(text, shares, sizeof(shares) - 1) == 0 && text[sizeof(shares) - 1] &&
		 config_check_name(&quiet, "pin", text + sizeof(shares) - 1) == 0) {
		t->pin = CEREMONY_PIN_SHARES;
		(void)snprintf(t->sheet, sizeof(t->sheet), "%.64s", text + sizeof(shares) - 1);
	} else if (good && digits >= 1 && digits <= 6 && !text[3 + digits]) {
		t->pin = CEREMONY_PIN_FD;
		t->pin_fd = (int)strtol(text + 3, NULL, 10);
	} else
		return config_bad(s, "pin",
				  "it is none of prompt, shares:SHEET, fd:N; a PIN itself never stands in a plan");
	return 0;
}

static int read_token(const struct config_section *s, struct ceremony_token *t)
{
	struct hsm_uri uri = { 0 };
	auto_buf form = BUF_INIT;
	if (form_uri(s, "", s->title, &uri, &form))
		return -1;
	if (uri.parts & (HSM_URI_OBJECT | HSM_URI_ID))
		return config_bad(s, "", "the title names a token (pkcs11:token=LABEL), not a key in it");
	if (form.len >= sizeof(t->uri))
		return config_bad(s, "", "the title is too long");
	(void)snprintf(t->title, sizeof(t->title), "%s", s->title);
	(void)snprintf(t->uri, sizeof(t->uri), "%s", buf_text(&form));
	(void)snprintf(t->label, sizeof(t->label), "%s", uri.token);
	if (config_get_text(s, "module", t->module, sizeof(t->module)) ||
	    config_get_text(s, "softhsm-conf", t->softhsm_conf, sizeof(t->softhsm_conf)) || read_pin(s, t))
		return -1;
	if (t->module[0] != '/')
		return config_bad(s, "module", "it is no absolute path of a PKCS#11 module (a shared object)");
	return 0;
}

/* ---- issuers ---- */

static int read_used_serials(const struct config_section *s, struct ceremony_issuer *i)
{
	struct ca_texts serials = { 0 };
	int rc = config_get_texts(s, "used-serials", USED_SERIALS_MAX, &serials);
	for (size_t n = 0; rc == 0 && n < serials.count; n++) {
		uint8_t serial[20];
		size_t len = 0;
		rc = plan_parse_serial(s, "used-serials", bytes_of(serials.items[n]), serial, &len);
		buf_u8(&i->used_serials, (uint8_t)len);
		buf_add(&i->used_serials, serial, len);
	}
	config_texts_free(&serials);
	return rc == 0 && i->used_serials.failed ? config_bad(s, "used-serials", "no memory") : rc;
}

static int read_issuer(const struct config_section *s, struct ceremony_issuer *i)
{
	bool has_sha256 = false;
	(void)snprintf(i->name, sizeof(i->name), "%s", s->title);
	if (config_check_name(s, "", s->title) ||
	    config_get_name(s, "certificate", i->certificate, sizeof(i->certificate)) ||
	    plan_get_sha256(s, "sha256", i->sha256, &has_sha256) || plan_get_key(s, "key", &i->key) ||
	    config_get_count(s, "crl-number", 0, CEREMONY_NUMBER_MAX, &i->crl_number) || read_used_serials(s, i))
		return -1;
	if (!i->certificate[0])
		return config_bad(s, "certificate", "the file of its certificate is missing");
	if (!has_sha256)
		return config_bad(s, "sha256", "the SHA-256 of its certificate (DER) is missing");
	return 0;
}

/* ---- the whole ---- */

static int read_window(const struct config_section *s, struct ceremony_plan *p)
{
	struct ceremony_time from = { 0 }, to = { 0 };
	if (plan_get_time(s, "window-from", false, &from) || plan_get_time(s, "window-to", false, &to))
		return -1;
	if (!from.given || !to.given)
		return config_bad(s, from.given ? "window-to" : "window-from",
				  "the window in which the ceremony is held is missing");
	p->window_from_s = from.s;
	p->window_to_s = to.s;
	return to.s > from.s ? 0 : config_bad(s, "window-to", "the window ends before it begins");
}

static int read_top(const struct config_section *s, struct ceremony_plan *p)
{
	p->attended = true;
	if (config_get_text(s, "title", p->title, sizeof(p->title)) ||
	    config_get_text(s, "url", p->url, sizeof(p->url)) || config_check_url(s, p->url) ||
	    config_get_text(s, "arc", p->arc_text, sizeof(p->arc_text)) ||
	    config_get_flag(s, "attended", &p->attended) || read_window(s, p))
		return -1;
	if (!p->title[0] || !text_is_utf8(bytes_of(p->title)))
		return config_bad(s, "title", "the ceremony has no title, or one that is not UTF-8");
	if (p->arc_text[0] && der_oid_parse(p->arc_text, &p->arc))
		return config_bad(s, "arc", "\"%s\" is no object identifier", p->arc_text);
	if (p->arc.len && p->arc.data[0] == 2 * 40 + 25)
		return config_bad(s, "arc", "%s is below 2.25, which older verifiers cannot read", p->arc_text);
	return 0;
}

enum section_kind { PERSON, TOKEN, PROFILE, ISSUER, STEP, SECTION_KINDS };
static const struct {
	const char *name;
	size_t max;
} section_kinds[SECTION_KINDS] = {
	[PERSON] = { "person", CEREMONY_PEOPLE_MAX },      [TOKEN] = { "token", CEREMONY_TOKENS_MAX },
	[PROFILE] = { "profile", CA_CONFIG_PROFILES_MAX }, [ISSUER] = { "issuer", CEREMONY_ISSUERS_MAX },
	[STEP] = { "step", CEREMONY_STEPS_MAX },
};

static int read_section(enum section_kind kind, const struct config_section *s, struct ceremony_plan *p,
			unsigned *purposes)
{
	if (plan_check_title(s))
		return -1;
	switch (kind) {
	case PERSON:
		return read_person(s, &p->people[p->person_count++]);
	case TOKEN:
		return read_token(s, &p->tokens[p->token_count++]);
	case PROFILE:
		p->profile_count++;
		return plan_read_profile(s, &p->profiles[p->profile_count - 1], &purposes[p->profile_count - 1]);
	case ISSUER:
		return read_issuer(s, &p->issuers[p->issuer_count++]);
	case STEP:
		return plan_read_step(s, &p->steps[p->step_count++]);
	case SECTION_KINDS:
		break;
	}
	return -1;
}

static int make_room(cfg_t *root, struct ceremony_plan *p, struct error *err)
{
	unsigned count[SECTION_KINDS];
	for (int kind = 0; kind < SECTION_KINDS; kind++) {
		count[kind] = cfg_size(root, section_kinds[kind].name);
		if (count[kind] > section_kinds[kind].max)
			return config_wrong(p->lines, err, section_kinds[kind].name, "", "",
					    "there are %u such sections; at most %zu may be", count[kind],
					    section_kinds[kind].max);
	}
	if (count[STEP] == 0)
		return config_wrong(p->lines, err, "step", "", "", "the plan has no step");
	p->people = calloc(count[PERSON] + 1, sizeof(*p->people));
	p->tokens = calloc(count[TOKEN] + 1, sizeof(*p->tokens));
	p->profiles = calloc(count[PROFILE] + 1, sizeof(*p->profiles));
	p->issuers = calloc(count[ISSUER] + 1, sizeof(*p->issuers));
	p->steps = calloc(count[STEP] + 1, sizeof(*p->steps));
	return p->people && p->tokens && p->profiles && p->issuers && p->steps
		       ? 0
		       : err_set(err, ERR_INTERNAL, "no memory for the plan");
}

static int read_all(cfg_t *root, struct ceremony_plan *p, struct error *err)
{
	unsigned purposes[CA_CONFIG_PROFILES_MAX] = { 0 };
	const struct config_section top = { root, p->lines, err, "", "" };
	const struct config_section attest = { cfg_getsec(root, "attest"), p->lines, err, "attest", "" };
	if (make_room(root, p, err) || read_top(&top, p) || read_attest(&attest, p->attest))
		return -1;
	for (int kind = 0; kind < SECTION_KINDS; kind++) {
		const char *name = section_kinds[kind].name;
		for (unsigned n = 0; n < cfg_size(root, name); n++) {
			cfg_t *cfg = cfg_getnsec(root, name, n);
			const struct config_section s = { cfg, p->lines, err, name, cfg_title(cfg) };
			if (read_section((enum section_kind)kind, &s, p, purposes))
				return -1;
		}
	}
	return plan_check_references(p, err) || plan_prepare_profiles(p, purposes, err) ? -1 : 0;
}

static int parse(struct ceremony_plan *p, struct error *err)
{
	auto_buf text = BUF_INIT;
	const char *path = p->lines->path;
	buf_add_bytes(&text, buf_bytes(&p->text));
	if (text.failed)
		return err_set(err, ERR_INTERNAL, "no memory for the plan");
	if (text.len && memchr(text.data, 0, text.len))
		return err_set(err, ERR_CONFIG, "%s:1: the file contains a NUL", path);
	if (config_scan(buf_bytes(&text), p->lines, err))
		return -1;
	config_blank_comments(&text);
	cfg_t *root = config_parse_as(plan_options, &text, p->lines, err);
	if (!root)
		return -1;
	int rc = read_all(root, p, err);
	(void)cfg_free(root);
	return rc;
}

struct ceremony_plan *ceremony_plan_parse(struct bytes text, const char *path, struct error *err)
{
	auto_ceremony_plan *p = calloc(1, sizeof(*p));
	if (p)
		p->lines = calloc(1, sizeof(*p->lines));
	char *own_path = p && p->lines ? strdup(path) : NULL;
	if (!own_path) {
		(void)err_set(err, ERR_INTERNAL, "no memory for the plan");
		return NULL;
	}
	p->lines->path = own_path;
	buf_add_bytes(&p->text, text);
	sha256(text.data, text.len, p->sha256);
	return parse(p, err) ? NULL : TAKE(p);
}

struct ceremony_plan *ceremony_plan_load(const char *path, struct error *err)
{
	auto_buf text = BUF_INIT;
	if (file_read(path, CEREMONY_PLAN_MAX, &text, err)) {
		(void)err_wrap(err, err->code == ERR_NOT_FOUND ? ERR_NOT_FOUND : ERR_CONFIG,
			       "the plan %s cannot be read", path);
		return NULL;
	}
	return ceremony_plan_parse(buf_bytes(&text), path, err);
}

void ceremony_plan_free(struct ceremony_plan *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->profile_count; i++)
		ca_profile_clear(&p->profiles[i]);
	for (size_t i = 0; i < p->issuer_count; i++) {
		free(p->issuers[i].key);
		buf_free(&p->issuers[i].used_serials);
	}
	for (size_t i = 0; i < p->step_count; i++)
		plan_free_step(&p->steps[i]);
	free(p->people);
	free(p->tokens);
	free(p->profiles);
	free(p->issuers);
	free(p->steps);
	buf_free(&p->arc);
	buf_free(&p->text);
	if (p->lines) {
		free((char *)(uintptr_t)p->lines->path);
		config_lines_free(p->lines);
		free(p->lines);
	}
	free(p);
}

int ceremony_plan_wrong(const struct ceremony_plan *plan, struct error *err, const char *section, const char *title,
			const char *option, const char *fmt, ...)
{
	char why[384];
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	return config_wrong(plan->lines, err, section, title, option, "%s", why);
}
