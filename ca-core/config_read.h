/*
 * ca-core/config_read.h - one option of one section out of libconfuse's tree, checked. Private
 * to config*.c and ceremony_plan*.c. An option that is not given leaves what out holds: the default. All return 0,
 * or -1 with ERR_CONFIG and the option's line.
 */
#ifndef CHANCERY_CA_CONFIG_READ_H
#define CHANCERY_CA_CONFIG_READ_H

#include <confuse.h>

#include "ca-core/config_private.h"

struct config_section {
	cfg_t *cfg;
	const struct config_lines *lines;
	struct error *err;
	const char *name, *title; /* "" where there is none */
};

/* ---- grammar ---- */

/* No defaults here: whether an option is given matters, and its default may depend on others. */
#define TEXT(name) CFG_STR(name, NULL, CFGF_NODEFAULT)
#define TEXTS(name) CFG_STR_LIST(name, NULL, CFGF_NODEFAULT)
#define NUMBER(name) TEXT(name) /* read by config_get_number: libconfuse takes 010 for eight */
#define FLAG(name) CFG_BOOL(name, cfg_false, CFGF_NODEFAULT)
#define TITLED (CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES)

#define PROFILE_OPTIONS                                                                                         \
	TEXT("kind"), TEXT("validation"), TEXT("issuer"), NUMBER("days"), NUMBER("days-max"),                   \
		NUMBER("backdate-seconds"), FLAG("key-encipherment"), FLAG("common-name"), FLAG("wildcards"),   \
		FLAG("addresses"), FLAG("underscores"), FLAG("mail"), FLAG("uris"), NUMBER("names-max"),        \
		TEXT("revocation"), FLAG("allow-hold"), FLAG("test"), FLAG("internal"), TEXTS("waivers"),       \
		TEXTS("policies"), TEXTS("methods"), TEXT("caa"), FLAG("parent-domains"), NUMBER("reuse-days"), \
		NUMBER("approvals"), NUMBER("approve-hours"), NUMBER("order-days")

/* The text in this grammar, or in that of chancery.conf. NULL: ERR_CONFIG. The caller calls cfg_free. */
cfg_t *config_parse_as(cfg_opt_t *grammar, struct buf *text, const struct config_lines *lines, struct error *err);
cfg_t *config_parse(struct buf *text, const struct config_lines *lines, struct error *err);

/* ERR_CONFIG about an option of the section. */
int config_bad(const struct config_section *s, const char *option, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* A name of ours: [A-Za-z0-9][A-Za-z0-9._-]{0,63}; it stands in URLs and paths. */
int config_check_name(const struct config_section *s, const char *option, const char *text);

/* The option "url": the public base of what certificates point to. */
int config_check_url(const struct config_section *s, const char *url);

int config_get_text(const struct config_section *s, const char *option, char *out, size_t size);
int config_get_name(const struct config_section *s, const char *option, char *out, size_t size); /* or "" */
int config_get_number(const struct config_section *s, const char *option, unsigned min, unsigned max, unsigned *out);
/* The same of up to 18 digits. */
int config_get_count(const struct config_section *s, const char *option, uint64_t min, uint64_t max, uint64_t *out);
int config_get_flag(const struct config_section *s, const char *option, bool *out);
/* choices end with NULL; out gets the place. */
int config_get_choice(const struct config_section *s, const char *option, const char *const *choices, unsigned *out);
/* out is empty before; it owns what it gets, also on failure. */
int config_get_texts(const struct config_section *s, const char *option, size_t max, struct ca_texts *out);
void config_texts_free(struct ca_texts *texts);
/* Names ("example.test") and all below names (".example.test"), in lower case. */
int config_get_suffixes(const struct config_section *s, const char *option, struct ca_texts *out);
/* "10.0.0.0/8", "fd00::/8", or one address; bits behind the prefix are zero. *out is allocated, also on failure. */
int config_get_networks(const struct config_section *s, const char *option, struct ca_config_network **out,
			size_t *count);

/* A section `profile`; plan: of a ceremony, which knows one kind more. p is overwritten, not prepared; ca_profile_clear
 * frees it, also on failure. (config_profile.c) */
int config_read_profile(const struct config_section *s, bool plan, struct ca_profile *p);

/* ---- sections (config_zone.c) ---- */

/* caa-identity and dns-cname-base, which stand in no section. */
int config_read_top(const struct config_section *s, struct ca_config *c);
int config_read_zone(const struct config_section *s, struct ca_config *c);
int config_read_mail(const struct config_section *s, struct ca_config *c);
int config_read_notify(const struct config_section *s, struct ca_config *c);

#endif
