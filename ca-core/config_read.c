/* libconfuse: the grammar of chancery.conf, and reading options out of its tree. */
#include "ca-core/config_read.h"

#include <stdio.h>

#define TEXT_MAX 1024

int config_bad(const struct config_section *s, const char *option, const char *fmt, ...)
{
	char why[384];
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	return config_wrong(s->lines, s->err, s->name, s->title, option, "%s", why);
}

int config_check_name(const struct config_section *s, const char *option, const char *text)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	size_t len = strlen(text);
	bool good = len >= 1 && len <= 64 && strchr(letters, text[0]);
	for (size_t i = 0; good && i < len; i++)
		good = strchr(letters, text[i]) || strchr("._-", text[i]);
	return good ? 0
		    : config_bad(s, option, "\"%s\" is no name of 1 to 64 letters, digits, dots, underscores, hyphens",
				 text);
}

/* ---- options ---- */

int config_get_text(const struct config_section *s, const char *option, char *out, size_t size)
{
	if (cfg_size(s->cfg, option) == 0)
		return 0;
	const char *text = cfg_getstr(s->cfg, option);
	if (!text || strlen(text) >= size)
		return config_bad(s, option, "the value is longer than %zu characters", size - 1);
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return config_bad(s, option, "the value has a control character");
	(void)snprintf(out, size, "%s", text);
	return 0;
}

int config_get_name(const struct config_section *s, const char *option, char *out, size_t size)
{
	if (config_get_text(s, option, out, size))
		return -1;
	return out[0] ? config_check_name(s, option, out) : 0;
}

int config_get_count(const struct config_section *s, const char *option, uint64_t min, uint64_t max, uint64_t *out)
{
	if (cfg_size(s->cfg, option) == 0)
		return 0;
	const char *text = cfg_getstr(s->cfg, option);
	size_t digits = text ? strspn(text, "0123456789") : 0;
	bool plain = digits >= 1 && digits <= 18 && !text[digits] && (text[0] != '0' || digits == 1);
	uint64_t value = plain ? strtoull(text, NULL, 10) : 0;
	if (!plain || value < min || value > max)
		return config_bad(s, option, "%.32s is no whole number of %llu to %llu", text ? text : "",
				  (unsigned long long)min, (unsigned long long)max);
	*out = value;
	return 0;
}

int config_get_number(const struct config_section *s, const char *option, unsigned min, unsigned max, unsigned *out)
{
	uint64_t value = *out;
	if (config_get_count(s, option, min, max, &value))
		return -1;
	*out = (unsigned)value;
	return 0;
}

int config_get_flag(const struct config_section *s, const char *option, bool *out)
{
	if (cfg_size(s->cfg, option))
		*out = cfg_getbool(s->cfg, option) == cfg_true;
	return 0;
}

int config_get_choice(const struct config_section *s, const char *option, const char *const *choices, unsigned *out)
{
	auto_buf all = BUF_INIT;
	if (cfg_size(s->cfg, option) == 0)
		return 0;
	const char *text = cfg_getstr(s->cfg, option);
	for (unsigned i = 0; choices[i]; i++) {
		if (text && strcmp(choices[i], text) == 0) {
			*out = i;
			return 0;
		}
		buf_printf(&all, "%s%s", i ? ", " : "", choices[i]);
	}
	return config_bad(s, option, "\"%.64s\" is none of %s", text ? text : "", buf_text(&all));
}

int config_get_texts(const struct config_section *s, const char *option, size_t max, struct ca_texts *out)
{
	unsigned count = cfg_size(s->cfg, option);
	if (count > max)
		return config_bad(s, option, "the list has %u values; at most %zu may be", count, max);
	if (count == 0)
		return 0;
	out->items = calloc(count, sizeof(*out->items));
	if (!out->items)
		return config_bad(s, option, "no memory");
	for (unsigned i = 0; i < count; i++) {
		const char *text = cfg_getnstr(s->cfg, option, i);
		if (!text || !*text || strlen(text) > TEXT_MAX)
			return config_bad(s, option, "a value is empty or too long");
		out->items[out->count] = strdup(text);
		if (!out->items[out->count++])
			return config_bad(s, option, "no memory");
	}
	return 0;
}

void config_texts_free(struct ca_texts *texts)
{
	for (size_t i = 0; i < texts->count; i++)
		free(texts->items[i]);
	free(texts->items);
	*texts = (struct ca_texts){ 0 };
}

/* ---- names and networks ---- */

/* Certificates carry it for years: a plain http URL, as RFC 5280 sections 4.2.1.13 and 4.2.2.1 ask. */
int config_check_url(const struct config_section *s, const char *url)
{
	static const char start[] = "http://";
	size_t len = strlen(url);
	struct ca_name parsed;
	struct error why = ERR_INIT;
	if (len == 0)
		return config_bad(s, "url", "the public URL is missing; certificates carry it");
	if (strncmp(url, start, sizeof(start) - 1) != 0)
		return config_bad(s, "url",
				  "\"%s\" does not start with http:// (https would need itself to be checked)", url);
	if (len > 160 || url[len - 1] == '/' || strpbrk(url, "?#") || ca_name_uri(bytes_of(url), &parsed, &why))
		return config_bad(s, "url",
				  "\"%s\" is no URL of at most 160 characters without query or slash at its end", url);
	return 0;
}

int config_get_suffixes(const struct config_section *s, const char *option, struct ca_texts *out)
{
	if (config_get_texts(s, option, 1024, out))
		return -1;
	for (size_t i = 0; i < out->count; i++) {
		struct ca_name name;
		struct error why = ERR_INIT;
		const char *suffix = out->items[i], *base = suffix + (suffix[0] == '.');
		if (ca_name_dns(bytes_of(base), &name, &why) || name.wildcard)
			return config_bad(s, option,
					  "\"%s\" is neither a name (\"example.test\") nor all names below one "
					  "(\".example.test\")",
					  suffix);
		if (strcmp(name.text, base) != 0)
			return config_bad(s, option, "\"%s\" is not in lower case", suffix);
	}
	return 0;
}

static int parse_network(const struct config_section *s, const char *option, const char *text,
			 struct ca_config_network *out)
{
	struct ca_name name;
	struct error why = ERR_INIT;
	size_t len = strcspn(text, "/");
	if (ca_name_ip_text(BYTES(text, len), &name, &why))
		return config_bad(s, option, "\"%s\" is no address or network (10.0.0.0/8)", text);
	unsigned bits = name.address_len * 8U, prefix = bits;
	if (text[len]) {
		const char *digits = text + len + 1;
		size_t count = strspn(digits, "0123456789");
		if (count == 0 || count > 3 || digits[count] || strtoul(digits, NULL, 10) > bits)
			return config_bad(s, option, "\"%s\" has no prefix length of 0 to %u", text, bits);
		prefix = (unsigned)strtoul(digits, NULL, 10);
	}
	for (unsigned bit = prefix; bit < bits; bit++)
		if (name.address[bit / 8] & (0x80U >> bit % 8))
			return config_bad(s, option, "\"%s\" has bits set behind its prefix", text);
	memcpy(out->address, name.address, sizeof(out->address));
	out->address_len = name.address_len;
	out->prefix_len = (uint8_t)prefix;
	return 0;
}

int config_get_networks(const struct config_section *s, const char *option, struct ca_config_network **out,
			size_t *count)
{
	struct ca_texts networks = { 0 };
	int rc = config_get_texts(s, option, 256, &networks);
	if (rc == 0 && networks.count) {
		*out = calloc(networks.count, sizeof(**out));
		if (!*out)
			rc = config_bad(s, option, "no memory");
	}
	for (size_t i = 0; rc == 0 && i < networks.count; i++) {
		rc = parse_network(s, option, networks.items[i], &(*out)[i]);
		*count = i + 1;
	}
	config_texts_free(&networks);
	return rc;
}

/* ---- grammar ---- */

/* libconfuse hands its errors to a function without an argument of ours: whose they are, during one
 * config_parse of this thread. */
static _Thread_local struct {
	const struct config_lines *lines;
	struct error *err;
} parsing;

__attribute__((format(printf, 2, 0))) static void on_error(cfg_t *cfg, const char *fmt, va_list args)
{
	char why[256];
	if (parsing.err->code == ERR_CONFIG)
		return; /* the first is the cause */
	(void)vsnprintf(why, sizeof(why), fmt, args);
	(void)err_set(parsing.err, ERR_CONFIG, "%s:%d: %s", parsing.lines->path, cfg->line, why);
}

/* libconfuse copies them for each file that is read; nothing changes them. */
static cfg_opt_t process_options[] = { TEXT("node"),
				       TEXT("signer-user"),
				       TEXT("front-user"),
				       TEXT("validator-user"),
				       NUMBER("workers"),
				       NUMBER("signing-wait-seconds"),
				       NUMBER("signing-queue"),
				       TEXT("log-format"),
				       TEXT("log-level"),
				       CFG_END() };
static cfg_opt_t listen_options[] = { TEXTS("https"), TEXTS("http"),         TEXTS("names"),
				      TEXT("url"),    NUMBER("connections"), NUMBER("request-seconds"),
				      CFG_END() };
static cfg_opt_t token_options[] = { TEXT("module"),
				     TEXT("softhsm-conf"),
				     TEXT("uri"),
				     TEXT("pin"),
				     NUMBER("sessions"),
				     FLAG("online"),
				     NUMBER("keep-alive-seconds"),
				     NUMBER("call-seconds"),
				     CFG_END() };
static cfg_opt_t issuer_options[] = {
	TEXT("token"),       TEXTS("alternatives"),       TEXT("key"), TEXT("parent"), TEXT("follows"),
	NUMBER("crl-hours"), NUMBER("crl-overlap-hours"), CFG_END()
};
static cfg_opt_t profile_options[] = { PROFILE_OPTIONS, CFG_END() };
static cfg_opt_t grant_options[] = { TEXTS("identities"),   TEXTS("profiles"), TEXTS("suffixes"), TEXTS("networks"),
				     TEXTS("common-names"), FLAG("wildcards"), CFG_END() };
static cfg_opt_t audit_options[] = { TEXT("token"), TEXT("key"), NUMBER("head-minutes"), CFG_END() };
static cfg_opt_t zone_options[] = {
	TEXTS("suffixes"), TEXTS("networks"),         TEXTS("resolvers"),     FLAG("dnssec"), TEXT("dnssec-anchors"),
	FLAG("public"),    TEXTS("connect-networks"), TEXTS("connect-ports"), TEXT("caa"),    TEXTS("mail"),
	CFG_END()
};
static cfg_opt_t mail_options[] = { TEXT("server"), TEXT("from"), TEXT("user"), TEXT("password"), CFG_END() };
static cfg_opt_t notify_options[] = { FLAG("mail"), TEXT("webhook"), TEXT("webhook-secret"), TEXTS("expiry-days"),
				      CFG_END() };
static cfg_opt_t all_options[] = { TEXT("arc"),
				   TEXT("caa-identity"),
				   TEXT("dns-cname-base"),
				   CFG_SEC("process", process_options, CFGF_NONE),
				   CFG_SEC("listen", listen_options, CFGF_NONE),
				   CFG_SEC("token", token_options, TITLED),
				   CFG_SEC("issuer", issuer_options, TITLED),
				   CFG_SEC("profile", profile_options, TITLED),
				   CFG_SEC("grant", grant_options, TITLED),
				   CFG_SEC("audit", audit_options, CFGF_NONE),
				   CFG_SEC("zone", zone_options, TITLED),
				   CFG_SEC("mail", mail_options, CFGF_NONE),
				   CFG_SEC("notify", notify_options, CFGF_NONE),
				   CFG_END() };

cfg_t *config_parse_as(cfg_opt_t *grammar, struct buf *text, const struct config_lines *lines, struct error *err)
{
	cfg_t *root = cfg_init(grammar, CFGF_NONE);
	FILE *stream = text->len ? fmemopen(text->data, text->len, "r") : fopen("/dev/null", "r");
	int rc = CFG_FILE_ERROR;
	struct error found = ERR_INIT;
	if (root && stream) {
		parsing.lines = lines;
		parsing.err = &found;
		(void)cfg_set_error_function(root, on_error);
		rc = cfg_parse_fp(root, stream);
		parsing.lines = NULL;
		parsing.err = NULL;
	}
	if (stream)
		(void)fclose(stream);
	if (rc == CFG_SUCCESS)
		return root;
	if (root)
		(void)cfg_free(root);
	if (found.code == ERR_NONE)
		(void)err_set(&found, ERR_CONFIG, "%s: the file cannot be read as a configuration", lines->path);
	*err = found;
	return NULL;
}

cfg_t *config_parse(struct buf *text, const struct config_lines *lines, struct error *err)
{
	return config_parse_as(all_options, text, lines, err);
}
