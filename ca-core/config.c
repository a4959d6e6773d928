#include "ca-core/config.h"

#include <confuse.h>
#include <stdio.h>
#include <unistd.h>

#include "base/der.h"
#include "base/file.h"
#include "base/secret.h"
#include "ca-core/config_private.h"
#include "ca-core/config_read.h"

#define FILE_MAX ((size_t)1 << 20)

/* ---- process ---- */

static int read_process(const struct config_section *s, struct ca_config *c)
{
	static const char *const formats[] = { "text", "json", NULL };
	static const char *const levels[] = { "error", "warn", "info", "debug", NULL };
	static const enum log_level level_of[] = { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
	struct ca_config_process *p = &c->process;
	unsigned format = 0, level = 2;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	p->workers = cores < 1 ? 1 : cores > 64 ? 64 : (unsigned)cores;
	p->signing_queue = 1024;
	(void)snprintf(p->node, sizeof(p->node), "ca1");
	if (config_get_name(s, "node", p->node, sizeof(p->node)) ||
	    config_get_name(s, "signer-user", p->signer_user, sizeof(p->signer_user)) ||
	    config_get_name(s, "front-user", p->front_user, sizeof(p->front_user)))
		return -1;
	/* Where there is none of its own, rather the front's than who started the server. */
	(void)snprintf(p->validator_user, sizeof(p->validator_user), "%s", p->front_user);
	if (config_get_name(s, "validator-user", p->validator_user, sizeof(p->validator_user)) ||
	    config_get_number(s, "workers", 1, 64, &p->workers) ||
	    config_get_number(s, "signing-wait-seconds", 1, 600, &p->signing_wait_seconds) ||
	    config_get_number(s, "signing-queue", 1, 65536, &p->signing_queue) ||
	    config_get_choice(s, "log-format", formats, &format) || config_get_choice(s, "log-level", levels, &level))
		return -1;
	p->log_format = format ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT;
	p->log_level = level_of[level];
	return 0;
}

/* ---- listen ---- */

/* "127.0.0.1:8443", "[::1]:8443", "localhost:8443"; port 0 takes a free one. */
static bool is_address(const char *text)
{
	const char *colon = strrchr(text, ':');
	size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;
	if (!colon || colon == text || digits == 0 || digits > 5 || colon[1 + digits])
		return false;
	bool bare_colon = memchr(text, ':', (size_t)(colon - text)) != NULL;
	return strtol(colon + 1, NULL, 10) <= 65535 && (!bare_colon || (text[0] == '[' && colon[-1] == ']'));
}

static int check_addresses(const struct config_section *s, const char *option, const struct ca_texts *addresses)
{
	for (size_t i = 0; i < addresses->count; i++)
		if (!is_address(addresses->items[i]))
			return config_bad(s, option, "\"%s\" is not ADDRESS:PORT or [IPV6]:PORT", addresses->items[i]);
	return 0;
}

/* Checks the names and brings each to its one form, once: the front compares them with its certificate's. */
static int settle_front_names(const struct config_section *s, struct ca_texts *names)
{
	auto_ca_names seen = CA_NAMES_INIT;
	size_t kept = 0;
	if (names->count == 0)
		return config_bad(s, "names", "the server's certificate needs at least one name");
	for (size_t i = 0; i < names->count; i++) {
		struct ca_name name;
		struct error not_address = ERR_INIT, why = ERR_INIT;
		struct bytes text = bytes_of(names->items[i]);
		size_t before = seen.count;
		if ((ca_name_ip_text(text, &name, &not_address) && ca_name_dns(text, &name, &why)) ||
		    ca_names_add(&seen, &name, CA_NAMES_MAX, &why))
			return config_bad(s, "names", "%s", why.message);
		if (name.wildcard)
			return config_bad(s, "names", "\"%s\": the server has names of its own, no wildcards",
					  name.text);
		char *item = names->items[i];
		names->items[i] = NULL;
		if (seen.count > before)
			names->items[kept++] = strdup(name.text);
		free(item);
		if (kept && !names->items[kept - 1])
			return config_bad(s, "names", "no memory");
	}
	names->count = kept;
	return 0;
}

static int read_listen(const struct config_section *s, struct ca_config *c)
{
	struct ca_config_listen *l = &c->listen;
	l->connections = 1024;
	l->request_seconds = 30;
	if (config_get_texts(s, "https", CA_CONFIG_LISTENERS_MAX, &l->https) ||
	    config_get_texts(s, "http", CA_CONFIG_LISTENERS_MAX, &l->http) ||
	    config_get_texts(s, "names", 100, &l->names) || config_get_text(s, "url", l->url, sizeof(l->url)) ||
	    config_get_number(s, "connections", 1, 65536, &l->connections) ||
	    config_get_number(s, "request-seconds", 1, 3600, &l->request_seconds))
		return -1;
	if (check_addresses(s, "https", &l->https) || check_addresses(s, "http", &l->http) ||
	    settle_front_names(s, &l->names) || config_check_url(s, l->url))
		return -1;
	return 0;
}

/* ---- token ---- */

static int check_pkcs11_uri(const struct config_section *s, const char *option, const char *uri)
{
	if (strncmp(uri, "pkcs11:", 7) != 0)
		return config_bad(s, option, "\"%s\" is no PKCS#11 URI (RFC 7512: pkcs11:token=...)", uri);
	if (strstr(uri, "pin-value="))
		return config_bad(s, option, "a PIN does not belong into the configuration; use pin = \"file:...\"");
	return 0;
}

static int read_token(const struct config_section *s, struct ca_config *c)
{
	struct ca_config_token *t = &c->tokens[c->token_count];
	t->sessions = 8;
	t->online = true;
	t->call_seconds = 10;
	(void)snprintf(t->name, sizeof(t->name), "%s", s->title);
	if (config_get_text(s, "module", t->module, sizeof(t->module)) ||
	    config_get_text(s, "softhsm-conf", t->softhsm_conf, sizeof(t->softhsm_conf)) ||
	    config_get_text(s, "uri", t->uri, sizeof(t->uri)) || config_get_text(s, "pin", t->pin, sizeof(t->pin)) ||
	    config_get_number(s, "sessions", 1, 256, &t->sessions) || config_get_flag(s, "online", &t->online) ||
	    config_get_number(s, "keep-alive-seconds", 0, 3600, &t->keep_alive_seconds) ||
	    config_get_number(s, "call-seconds", 1, 600, &t->call_seconds))
		return -1;
	if (!t->module[0])
		return config_bad(s, "module", "the PKCS#11 module (a shared object) is missing");
	if (t->pin[0] && !secret_is_pin_reference(t->pin)) /* its value is not repeated */
		return config_bad(s, "pin",
				  "it is no reference (file:PATH, credential:NAME, fd:N, prompt, shares:SHEET); a PIN "
				  "itself never stands here");
	if (t->online && secret_shares_sheet(t->pin))
		return config_bad(
			s, "pin",
			"shares are typed by people: a token that the server logs in to has its PIN elsewhere "
			"(or online = false)");
	if (t->online && !t->pin[0])
		return config_bad(s, "pin", "an online token needs a reference to its PIN");
	if (check_pkcs11_uri(s, "uri", t->uri))
		return -1;
	c->token_count++;
	return 0;
}

/* ---- issuer, audit ---- */

static int read_issuer(const struct config_section *s, struct ca_config *c)
{
	struct ca_config_issuer *i = &c->issuers[c->issuer_count];
	(void)snprintf(i->name, sizeof(i->name), "%s", s->title);
	c->issuer_count++; /* from here on ca_config_free looks after it */
	if (config_get_name(s, "token", i->token, sizeof(i->token)) ||
	    config_get_texts(s, "alternatives", CA_CONFIG_SEATS_MAX - 1, &i->alternatives) ||
	    config_get_text(s, "key", i->key, sizeof(i->key)) ||
	    config_get_name(s, "parent", i->parent, sizeof(i->parent)) ||
	    config_get_name(s, "follows", i->follows, sizeof(i->follows)))
		return -1;
	i->crl_hours = i->parent[0] ? 24 : 8760;
	if (config_get_number(s, "crl-hours", 1, 87600, &i->crl_hours))
		return -1;
	i->crl_overlap_hours = i->crl_hours / 3;
	if (config_get_number(s, "crl-overlap-hours", 0, 87600, &i->crl_overlap_hours))
		return -1;
	if (i->crl_overlap_hours >= i->crl_hours)
		return config_bad(s, "crl-overlap-hours", "%u is not less than crl-hours (%u)", i->crl_overlap_hours,
				  i->crl_hours);
	/* A root may live elsewhere: then neither its token nor its key is ours. */
	if (i->token[0] || i->parent[0]) {
		if (check_pkcs11_uri(s, "key", i->key))
			return -1;
		if (!i->token[0])
			return config_bad(s, "token", "an issuer that signs here needs a token");
	}
	return 0;
}

static int read_audit(const struct config_section *s, struct ca_config *c)
{
	struct ca_config_audit *a = &c->audit;
	a->head_minutes = 60;
	if (config_get_name(s, "token", a->token, sizeof(a->token)) ||
	    config_get_text(s, "key", a->key, sizeof(a->key)) ||
	    config_get_number(s, "head-minutes", 1, 60, &a->head_minutes))
		return -1;
	return a->token[0] ? check_pkcs11_uri(s, "key", a->key) : 0;
}

/* ---- profile ---- */

static int read_profile(const struct config_section *s, struct ca_config *c)
{
	return config_read_profile(s, false, &c->profiles[c->profile_count++]);
}

/* ---- grant ---- */

static int read_grant(const struct config_section *s, struct ca_config *c)
{
	struct ca_config_grant *g = &c->grants[c->grant_count++];
	(void)snprintf(g->name, sizeof(g->name), "%s", s->title);
	if (config_get_texts(s, "identities", 1024, &g->identities) ||
	    config_get_texts(s, "profiles", CA_CONFIG_PROFILES_MAX, &g->profiles) ||
	    config_get_suffixes(s, "suffixes", &g->suffixes) ||
	    config_get_networks(s, "networks", &g->networks, &g->network_count) ||
	    config_get_texts(s, "common-names", 1024, &g->common_names) ||
	    config_get_flag(s, "wildcards", &g->wildcards))
		return -1;
	if (g->identities.count == 0)
		return config_bad(s, "identities", "the grant names no identity");
	if (g->profiles.count == 0)
		return config_bad(s, "profiles", "the grant names no profile");
	for (size_t i = 0; i < g->common_names.count; i++) {
		const char *star = strchr(g->common_names.items[i], '*');
		if (star && (strchr(star + 1, '*') || (star != g->common_names.items[i] && star[1])))
			return config_bad(s, "common-names", "\"%s\": one star may stand first or last",
					  g->common_names.items[i]);
	}
	return 0;
}

/* ---- the whole ---- */

static int read_top(cfg_t *root, struct ca_config *c, const struct config_lines *lines, struct error *err)
{
	const struct config_section s = { root, lines, err, "", "" };
	if (config_get_text(&s, "arc", c->arc_text, sizeof(c->arc_text)))
		return -1;
	if (!c->arc_text[0])
		return config_bad(&s, "arc", "the arc, below which this CA's own identifiers stand, is missing");
	if (der_oid_parse(c->arc_text, &c->arc))
		return config_bad(&s, "arc", "\"%s\" is no object identifier", c->arc_text);
	if (c->arc.len && c->arc.data[0] == 2 * 40 + 25)
		return config_bad(&s, "arc", "%s is below 2.25, which older verifiers cannot read", c->arc_text);
	return config_read_top(&s, c);
}

static const struct {
	const char *name;
	size_t max;
	int (*read)(const struct config_section *section, struct ca_config *c);
} kinds_of_section[] = {
	{ "process", 1, read_process },
	{ "listen", 1, read_listen },
	{ "token", CA_CONFIG_TOKENS_MAX, read_token },
	{ "issuer", CA_CONFIG_ISSUERS_MAX, read_issuer },
	{ "profile", CA_CONFIG_PROFILES_MAX, read_profile },
	{ "grant", CA_CONFIG_GRANTS_MAX, read_grant },
	{ "audit", 1, read_audit },
	{ "zone", CA_CONFIG_ZONES_MAX, config_read_zone },
	{ "mail", 1, config_read_mail },
	{ "notify", 1, config_read_notify },
};

static int read_sections(cfg_t *root, struct ca_config *c, const struct config_lines *lines, struct error *err)
{
	for (size_t k = 0; k < sizeof(kinds_of_section) / sizeof(kinds_of_section[0]); k++) {
		const char *name = kinds_of_section[k].name;
		unsigned count = cfg_size(root, name);
		if (count > kinds_of_section[k].max)
			return config_wrong(lines, err, name, "", "", "there are %u such sections; at most %zu may be",
					    count, kinds_of_section[k].max);
		for (unsigned n = 0; n < count; n++) {
			cfg_t *cfg = cfg_getnsec(root, name, n);
			const char *title = cfg_title(cfg) ? cfg_title(cfg) : "";
			const struct config_section s = { cfg, lines, err, name, title };
			if ((cfg_title(cfg) && config_check_name(&s, "", title)) || kinds_of_section[k].read(&s, c))
				return -1;
		}
	}
	return 0;
}

static int load(struct ca_config *c, const char *path, struct error *err)
{
	auto_buf text = BUF_INIT;
	auto_config_lines lines = { .path = path };
	if (file_read(path, FILE_MAX, &text, err))
		return err_wrap(err, err->code == ERR_NOT_FOUND ? ERR_NOT_FOUND : ERR_CONFIG,
				"the configuration %s cannot be read", path);
	if (text.len && memchr(text.data, 0, text.len))
		return err_set(err, ERR_CONFIG, "%s:1: the file contains a NUL", path);
	if (config_scan(buf_bytes(&text), &lines, err))
		return -1;
	config_blank_comments(&text);
	cfg_t *root = config_parse(&text, &lines, err);
	if (!root)
		return -1;
	config_default_notify(&c->notify);
	int rc = read_top(root, c, &lines, err) || read_sections(root, c, &lines, err) ? -1 : 0;
	(void)cfg_free(root);
	return rc ? rc : config_check(c, &lines, err);
}

struct ca_config *ca_config_load(const char *path, struct error *err)
{
	auto_ca_config *c = calloc(1, sizeof(*c));
	if (!c) {
		(void)err_set(err, ERR_INTERNAL, "no memory for the configuration");
		return NULL;
	}
	return load(c, path, err) ? NULL : TAKE(c);
}

void ca_config_free(struct ca_config *config)
{
	if (!config)
		return;
	buf_free(&config->arc);
	config_texts_free(&config->listen.https);
	config_texts_free(&config->listen.http);
	config_texts_free(&config->listen.names);
	for (size_t i = 0; i < config->issuer_count; i++)
		config_texts_free(&config->issuers[i].alternatives);
	for (size_t i = 0; i < config->profile_count; i++)
		ca_profile_clear(&config->profiles[i]);
	for (size_t i = 0; i < config->grant_count; i++) {
		struct ca_config_grant *g = &config->grants[i];
		config_texts_free(&g->identities);
		config_texts_free(&g->profiles);
		config_texts_free(&g->suffixes);
		config_texts_free(&g->common_names);
		free(g->networks);
	}
	config_zones_free(config);
	free(config);
}
