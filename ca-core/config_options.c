/* Each option of the configuration: its name, its type, its limits, its place in struct ca_config. */
#include "ca-core/config_private.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/der.h"

/* ---- types: text ---- */

static int read_text(const struct config_option *option, cfg_opt_t *values, void *field, const char **why)
{
	const char *text = cfg_opt_getnstr(values, 0);
	if (strlen(text) >= option->max) {
		*why = "it is too long";
		return -1;
	}
	if (option->required && !text[0]) {
		*why = "it is empty";
		return -1;
	}
	memcpy(field, text, strlen(text) + 1);
	return 0;
}
static void print_text(const struct config_option *option, const void *field, struct buf *out)
{
	(void)option;
	buf_printf(out, "\"%s\"", (const char *)field);
}

static int read_texts(const struct config_option *option, cfg_opt_t *values, void *field, const char **why)
{
	struct ca_texts *texts = field;
	size_t count = cfg_opt_size(values);
	if (count > option->max) {
		*why = "it holds too many";
		return -1;
	}
	texts->items = calloc(count, sizeof(*texts->items));
	for (size_t i = 0; texts->items && i < count; i++) {
		const char *text = cfg_opt_getnstr(values, (unsigned)i);
		if (!text[0] || strlen(text) > CA_NAME_TEXT_MAX) {
			*why = "it holds an empty text, or one of more than 255 octets";
			return -1;
		}
		texts->items[i] = strdup(text);
		if (!texts->items[i])
			break;
		texts->count++;
	}
	*why = "there is no memory for it";
	return texts->count == count ? 0 : -1;
}
static void print_texts(const struct config_option *option, const void *field, struct buf *out)
{
	const struct ca_texts *texts = field;
	(void)option;
	buf_add_text(out, "{");
	for (size_t i = 0; i < texts->count; i++)
		buf_printf(out, "%s\"%s\"", i ? ", " : " ", texts->items[i]);
	buf_add_text(out, " }");
}

/* ---- types: numbers and words ---- */

static int read_number(const struct config_option *option, cfg_opt_t *values, void *field, const char **why)
{
	const char *text = cfg_opt_getnstr(values, 0);
	size_t digits = strspn(text, "0123456789");
	unsigned long value = digits && digits <= 9 && !text[digits] ? strtoul(text, NULL, 10) : 0;
	*why = "it is no number within the limits";
	if (digits == 0 || digits > 9 || text[digits] || value < option->min || value > option->max)
		return -1;
	*(unsigned *)field = (unsigned)value;
	return 0;
}
static void print_number(const struct config_option *option, const void *field, struct buf *out)
{
	(void)option;
	buf_printf(out, "%u", *(const unsigned *)field);
}

static const struct config_word *find_word(const struct config_word *words, const char *text)
{
	for (; words->text; words++)
		if (strcmp(words->text, text) == 0)
			return words;
	return NULL;
}
static const char *word_of(const struct config_word *words, unsigned value)
{
	for (; words->text; words++)
		if (words->value == value)
			return words->text;
	return "?";
}

static int read_word(const struct config_option *option, cfg_opt_t *values, unsigned *value, const char **why)
{
	const struct config_word *word = find_word(option->words, cfg_opt_getnstr(values, 0));
	*why = "it is none of the words that may stand here";
	if (!word)
		return -1;
	*value = word->value;
	return 0;
}
static int read_choice(const struct config_option *option, cfg_opt_t *values, void *field, const char **why)
{
	return read_word(option, values, field, why);
}
static void print_choice(const struct config_option *option, const void *field, struct buf *out)
{
	buf_add_text(out, word_of(option->words, *(const unsigned *)field));
}
/* The fields are enums of their own types, written through an unsigned: the same size, all values positive. */
_Static_assert(sizeof(enum ca_kind) == sizeof(unsigned) && sizeof(enum ca_validation) == sizeof(unsigned) &&
		       sizeof(enum log_level) == sizeof(unsigned) && sizeof(enum log_format) == sizeof(unsigned),
	       "enums are as wide as unsigned");

static int read_flag(const struct config_option *option, cfg_opt_t *values, void *field, const char **why)
{
	unsigned value = 0;
	if (read_word(option, values, &value, why))
		return -1;
	*(bool *)field = value != 0;
	return 0;
}
static void print_flag(const struct config_option *option, const void *field, struct buf *out)
{
	buf_add_text(out, word_of(option->words, *(const bool *)field));
}

static int read_bits(const struct config_option *option, cfg_opt_t *values, void *field, const char **why)
{
	unsigned bits = 0;
	for (unsigned i = 0; i < cfg_opt_size(values); i++) {
		const struct config_word *word = find_word(option->words, cfg_opt_getnstr(values, i));
		*why = "it holds a word that may not stand here";
		if (!word)
			return -1;
		bits |= word->value;
	}
	*(unsigned *)field = bits;
	return 0;
}
static void print_bits(const struct config_option *option, const void *field, struct buf *out)
{
	unsigned bits = *(const unsigned *)field;
	const char *between = " ";
	buf_add_text(out, "{");
	for (const struct config_word *word = option->words; word->text; word++)
		if (bits & word->value) {
			buf_printf(out, "%s\"%s\"", between, word->text);
			between = ", ";
		}
	buf_add_text(out, " }");
}

/* ---- types: object identifiers and networks ---- */

/* The field is the whole profile: the list and its length are two members. */
static int read_policies(const struct config_option *option, cfg_opt_t *values, void *field, const char **why)
{
	struct ca_profile *profile = field;
	(void)option;
	*why = "it holds more than 8, or what is no object identifier";
	for (unsigned i = 0; i < cfg_opt_size(values); i++) {
		if (i == CA_PROFILE_POLICIES_MAX ||
		    der_oid_parse(cfg_opt_getnstr(values, i), &profile->policies[profile->policy_count]))
			return -1;
		profile->policy_count++;
	}
	return 0;
}
static void print_policies(const struct config_option *option, const void *field, struct buf *out)
{
	const struct ca_profile *profile = field;
	char text[256];
	(void)option;
	buf_add_text(out, "{");
	for (size_t i = 0; i < profile->policy_count; i++)
		buf_printf(out, "%s\"%s\"", i ? ", " : " ",
			   der_oid_text(buf_bytes(&profile->policies[i]), text, sizeof(text)));
	buf_add_text(out, " }");
}

/* "10.0.0.0/8", "fc00::/7", or one address. Bits behind the prefix must be zero: they are a slip of the pen. */
static int parse_network(const char *text, struct ca_config_network *out)
{
	char address[INET6_ADDRSTRLEN];
	size_t length = strcspn(text, "/");
	const char *prefix = text[length] ? text + length + 1 : NULL;
	if (length == 0 || length >= sizeof(address))
		return -1;
	memcpy(address, text, length);
	address[length] = '\0';
	if (inet_pton(AF_INET, address, out->address) == 1)
		out->address_len = 4;
	else if (inet_pton(AF_INET6, address, out->address) == 1)
		out->address_len = 16;
	else
		return -1;
	unsigned bits = out->address_len * 8U, wanted = bits;
	if (prefix) {
		size_t digits = strspn(prefix, "0123456789");
		if (digits == 0 || digits > 3 || prefix[digits])
			return -1;
		wanted = (unsigned)strtoul(prefix, NULL, 10);
	}
	for (unsigned bit = wanted; bit < bits; bit++)
		if (out->address[bit / 8] & (0x80 >> bit % 8))
			return -1;
	out->prefix_len = (uint8_t)wanted;
	return wanted <= bits ? 0 : -1;
}

/* The field is the whole grant. */
static int read_networks(const struct config_option *option, cfg_opt_t *values, void *field, const char **why)
{
	struct ca_config_grant *grant = field;
	size_t count = cfg_opt_size(values);
	*why = "it holds too many, or what is no network (10.0.0.0/8, fc00::/7), or one with bits behind its prefix";
	if (count > option->max)
		return -1;
	grant->networks = calloc(count, sizeof(*grant->networks));
	for (size_t i = 0; grant->networks && i < count; i++) {
		if (parse_network(cfg_opt_getnstr(values, (unsigned)i), &grant->networks[i]))
			return -1;
		grant->network_count++;
	}
	return grant->network_count == count ? 0 : -1;
}
static void print_networks(const struct config_option *option, const void *field, struct buf *out)
{
	const struct ca_config_grant *grant = field;
	char address[INET6_ADDRSTRLEN];
	(void)option;
	buf_add_text(out, "{");
	for (size_t i = 0; i < grant->network_count; i++) {
		const struct ca_config_network *network = &grant->networks[i];
		const char *text = inet_ntop(network->address_len == 4 ? AF_INET : AF_INET6, network->address, address,
					     sizeof(address));
		buf_printf(out, "%s\"%s/%u\"", i ? ", " : " ", text ? text : "?", network->prefix_len);
	}
	buf_add_text(out, " }");
}

static const struct config_type type_text = { false, read_text, print_text };
static const struct config_type type_texts = { true, read_texts, print_texts };
static const struct config_type type_number = { false, read_number, print_number };
static const struct config_type type_choice = { false, read_choice, print_choice };
static const struct config_type type_flag = { false, read_flag, print_flag };
static const struct config_type type_bits = { true, read_bits, print_bits };
static const struct config_type type_policies = { true, read_policies, print_policies };
static const struct config_type type_networks = { true, read_networks, print_networks };

/* ---- words ---- */

static const struct config_word yes_no[] = { { "false", 0 }, { "true", 1 }, { "no", 0 }, { "yes", 1 }, { NULL, 0 } };
static const struct config_word common_name_words[] = { { "none", 0 }, { "first", 1 }, { NULL, 0 } };
static const struct config_word revocation_words[] = { { "crl", 0 }, { "none", 1 }, { NULL, 0 } };
static const struct config_word format_words[] = { { "text", LOG_FORMAT_TEXT },
						   { "json", LOG_FORMAT_JSON },
						   { NULL, 0 } };
static const struct config_word level_words[] = { { "error", LOG_LEVEL_ERROR },
						  { "warn", LOG_LEVEL_WARN },
						  { "info", LOG_LEVEL_INFO },
						  { "debug", LOG_LEVEL_DEBUG },
						  { NULL, 0 } };
static const struct config_word kind_words[] = { { "root", CA_KIND_ROOT },     { "intermediate", CA_KIND_INTERMEDIATE },
						 { "server", CA_KIND_SERVER }, { "client", CA_KIND_CLIENT },
						 { "peer", CA_KIND_PEER },     { "ocsp-responder", CA_KIND_OCSP },
						 { "audit", CA_KIND_AUDIT },   { NULL, 0 } };
static const struct config_word validation_words[] = { { "none", CA_VALIDATION_NONE },
						       { "domain", CA_VALIDATION_DOMAIN },
						       { "organization", CA_VALIDATION_ORGANIZATION },
						       { "extended", CA_VALIDATION_EXTENDED },
						       { NULL, 0 } };
static const struct config_word waiver_words[] = { { "validity", CA_WAIVER_VALIDITY },
						   { "internal-names", CA_WAIVER_INTERNAL_NAME },
						   { "underscore", CA_WAIVER_UNDERSCORE },
						   { NULL, 0 } };

/* ---- the tables ---- */

#define END                                      \
	{                                        \
		NULL, NULL, 0, false, 0, 0, NULL \
	}
#define FIELD(member) offsetof(struct THIS, member)
#define TEXT(name, member, required)                                                                   \
	{                                                                                              \
		name, &type_text, FIELD(member), required, 0, sizeof(((struct THIS *)0)->member), NULL \
	}
#define TEXTS(name, member, required, most)                               \
	{                                                                 \
		name, &type_texts, FIELD(member), required, 0, most, NULL \
	}
#define NUMBER(name, member, least, most)                                   \
	{                                                                   \
		name, &type_number, FIELD(member), false, least, most, NULL \
	}
#define CHOICE(name, member, required, words)                            \
	{                                                                \
		name, &type_choice, FIELD(member), required, 0, 0, words \
	}
#define FLAG(name, member, words)                                   \
	{                                                           \
		name, &type_flag, FIELD(member), false, 0, 0, words \
	}

#define THIS ca_config
const struct config_option config_root_options[] = { TEXT("arc", arc_text, true), END };
#undef THIS

#define THIS ca_config_process
static const struct config_option process_options[] = {
	TEXT("node", node, true),
	TEXT("signer-user", signer_user, false),
	TEXT("front-user", front_user, false),
	NUMBER("workers", workers, 1, 64),
	CHOICE("log-format", log_format, false, format_words),
	CHOICE("log-level", log_level, false, level_words),
	END,
};
#undef THIS

#define THIS ca_config_listen
static const struct config_option listen_options[] = {
	TEXTS("https", https, true, CA_CONFIG_LISTENERS_MAX),
	TEXTS("http", http, false, CA_CONFIG_LISTENERS_MAX),
	TEXTS("names", names, true, 100),
	TEXT("url", url, true),
	NUMBER("connections", connections, 1, 65536),
	NUMBER("request-seconds", request_seconds, 1, 600),
	END,
};
#undef THIS

#define THIS ca_config_token
static const struct config_option token_options[] = {
	TEXT("module", module, true),
	TEXT("softhsm-conf", softhsm_conf, false),
	TEXT("uri", uri, true),
	TEXT("pin", pin, false),
	NUMBER("sessions", sessions, 1, 256),
	FLAG("online", online, yes_no),
	END,
};
#undef THIS

#define THIS ca_config_issuer
static const struct config_option issuer_options[] = {
	TEXT("token", token, false),
	TEXT("key", key, false),
	TEXT("parent", parent, false),
	NUMBER("crl-hours", crl_hours, 1, 8784),
	NUMBER("crl-overlap-hours", crl_overlap_hours, 1, 8783),
	END,
};
#undef THIS

#define THIS ca_profile
static const struct config_option profile_options[] = {
	CHOICE("kind", kind, true, kind_words),
	CHOICE("validation", validation, false, validation_words),
	TEXT("issuer", issuer, false),
	NUMBER("days", days, 1, 36500),
	NUMBER("days-max", days_max, 1, 36500),
	NUMBER("backdate-seconds", backdate_s, 0, 86400),
	FLAG("key-encipherment", key_encipherment, yes_no),
	FLAG("common-name", common_name, common_name_words),
	FLAG("allow-wildcard", allow_wildcard, yes_no),
	FLAG("allow-ip", allow_ip, yes_no),
	FLAG("allow-underscore", allow_underscore, yes_no),
	FLAG("allow-email", allow_email, yes_no),
	FLAG("allow-uri", allow_uri, yes_no),
	NUMBER("names-max", names_max, 1, CA_NAMES_MAX),
	FLAG("revocation", revocation_none, revocation_words),
	FLAG("allow-hold", allow_hold, yes_no),
	FLAG("test", test, yes_no),
	FLAG("internal", internal, yes_no),
	{ "waivers", &type_bits, FIELD(waivers), false, 0, 0, waiver_words },
	{ "policies", &type_policies, 0, false, 0, 0, NULL },
	END,
};
#undef THIS

#define THIS ca_config_grant
static const struct config_option grant_options[] = {
	TEXTS("identities", identities, true, 1024),
	TEXTS("profiles", profiles, true, CA_CONFIG_PROFILES_MAX),
	TEXTS("suffixes", suffixes, false, 1024),
	{ "networks", &type_networks, 0, false, 0, 1024, NULL },
	TEXTS("common-names", common_names, false, 1024),
	FLAG("wildcards", wildcards, yes_no),
	END,
};
#undef THIS

#define THIS ca_config_audit
static const struct config_option audit_options[] = {
	TEXT("token", token, false),
	TEXT("key", key, false),
	NUMBER("head-minutes", head_minutes, 1, 60),
	END,
};
#undef THIS

#define THIS ca_config
#define ONE(name, options, member)                                                            \
	{                                                                                     \
		name, options, false, FIELD(member), sizeof(((struct THIS *)0)->member), 1, 0 \
	}
#define MANY(name, options, member, most, count)                                                              \
	{                                                                                                     \
		name, options, true, FIELD(member), sizeof(((struct THIS *)0)->member[0]), most, FIELD(count) \
	}
const struct config_section config_sections[] = {
	ONE("process", process_options, process),
	ONE("listen", listen_options, listen),
	MANY("token", token_options, tokens, CA_CONFIG_TOKENS_MAX, token_count),
	MANY("issuer", issuer_options, issuers, CA_CONFIG_ISSUERS_MAX, issuer_count),
	MANY("profile", profile_options, profiles, CA_CONFIG_PROFILES_MAX, profile_count),
	MANY("grant", grant_options, grants, CA_CONFIG_GRANTS_MAX, grant_count),
	ONE("audit", audit_options, audit),
	{ NULL, NULL, false, 0, 0, 0, 0 },
};
#undef THIS
