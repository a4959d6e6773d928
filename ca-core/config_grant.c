/* Who may have which names without showing more: grants of the configuration. */
#include <stdio.h>

#include "ca-core/config_private.h"

static bool texts_contain(const struct ca_texts *texts, const char *text)
{
	for (size_t i = 0; i < texts->count; i++)
		if (strcmp(texts->items[i], text) == 0)
			return true;
	return false;
}

static bool is_for(const struct ca_config_grant *g, const char *identity, const struct ca_profile *profile)
{
	return texts_contain(&g->identities, identity) && texts_contain(&g->profiles, profile->name);
}

/* ---- one name under one grant ---- */

/* "example.test": that name alone; ".example.test": all below it. */
bool config_suffix_covers(const char *suffix, const char *name)
{
	size_t suffix_len = strlen(suffix), len = strlen(name);
	if (suffix[0] != '.')
		return strcmp(suffix, name) == 0;
	return len > suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

/* PKI.md section 2: never a wildcard over a public suffix, unless that very zone is what was granted. */
static bool wildcard_allowed(const struct ca_config_grant *g, const char *suffix, const struct ca_name *name)
{
	const char *base = name->text + 2;
	return g->wildcards && (ca_name_wildcard_base_allowed(base) || strcmp(suffix + 1, base) == 0);
}

static bool host_granted(const struct ca_config_grant *g, const struct ca_name *name)
{
	for (size_t i = 0; i < g->suffixes.count; i++) {
		const char *suffix = g->suffixes.items[i];
		if (config_suffix_covers(suffix, name->text) && (!name->wildcard || wildcard_allowed(g, suffix, name)))
			return true;
	}
	return false;
}

bool config_network_contains(const struct ca_config_network *n, const struct ca_name *address)
{
	if (n->address_len != address->address_len)
		return false;
	size_t whole = n->prefix_len / 8;
	unsigned rest = n->prefix_len % 8;
	if (memcmp(n->address, address->address, whole) != 0)
		return false;
	return rest == 0 || (n->address[whole] ^ address->address[whole]) >> (8 - rest) == 0;
}

static bool address_granted(const struct ca_config_grant *g, const struct ca_name *name)
{
	for (size_t i = 0; i < g->network_count; i++)
		if (config_network_contains(&g->networks[i], name))
			return true;
	return false;
}

/* The host of a URI's authority (RFC 3986 section 3.2) as a name; false where it has none. */
static bool uri_host(const char *uri, struct ca_name *host)
{
	const char *authority = strstr(uri, "://");
	struct error ignored = ERR_INIT;
	if (!authority)
		return false;
	authority += 3;
	if (authority[0] == '[') {
		size_t len = strcspn(authority + 1, "]");
		return ca_name_ip_text(BYTES(authority + 1, len), host, &ignored) == 0;
	}
	struct bytes text = BYTES(authority, strcspn(authority, ":/?#"));
	return ca_name_ip_text(text, host, &ignored) == 0 || ca_name_dns(text, host, &ignored) == 0;
}

static bool name_granted_by(const struct ca_config_grant *g, const struct ca_name *name)
{
	struct ca_name host;
	struct error ignored = ERR_INIT;
	switch (name->type) {
	case CA_NAME_DNS:
		return host_granted(g, name);
	case CA_NAME_IP:
		return address_granted(g, name);
	case CA_NAME_EMAIL:
		return ca_name_dns(bytes_of(strchr(name->text, '@') + 1), &host, &ignored) == 0 &&
		       host_granted(g, &host);
	case CA_NAME_URI:
		return uri_host(name->text, &host) &&
		       (host.type == CA_NAME_IP ? address_granted(g, &host) : host_granted(g, &host));
	}
	return false;
}

/* "*" any, "*x" by suffix, "x*" by prefix, else exactly that. */
static bool pattern_matches(const char *pattern, const char *text)
{
	size_t pattern_len = strlen(pattern), len = strlen(text);
	if (pattern[0] == '*')
		return len >= pattern_len - 1 && strcmp(text + len - (pattern_len - 1), pattern + 1) == 0;
	if (pattern_len && pattern[pattern_len - 1] == '*')
		return len >= pattern_len - 1 && strncmp(text, pattern, pattern_len - 1) == 0;
	return strcmp(pattern, text) == 0;
}

/* ---- what is refused, and what would not be ---- */

static void list_texts(const struct ca_texts *texts, struct buf *out)
{
	for (size_t n = 0; n < texts->count && out->len < 200; n++)
		buf_printf(out, "%s%s", out->len ? ", " : "", texts->items[n]);
}

static void list_granted(const struct ca_config *c, const char *identity, const struct ca_profile *profile,
			 bool common_names, struct buf *out)
{
	for (size_t i = 0; i < c->grant_count; i++) {
		const struct ca_config_grant *g = &c->grants[i];
		if (!is_for(g, identity, profile))
			continue;
		list_texts(common_names ? &g->common_names : &g->suffixes, out);
		if (!common_names && g->network_count && out->len < 200)
			buf_printf(out, "%s%zu networks", out->len ? ", " : "", g->network_count);
	}
}

static int not_granted(const struct ca_config *c, const char *identity, const struct ca_profile *profile,
		       const char *member, const char *value, struct error *err)
{
	auto_buf allowed = BUF_INIT;
	list_granted(c, identity, profile, strcmp(member, "commonName") == 0 && !ca_kind_is_server(profile->kind),
		     &allowed);
	(void)err_set(err, ERR_NAME_NOT_ALLOWED, "no grant lets %s have %s under profile %s", identity, value,
		      profile->name);
	return err_about(err, member, value, allowed.len ? buf_text(&allowed) : "nothing under this profile");
}

static int check_name(const struct ca_config *c, const char *identity, const struct ca_profile *profile,
		      const struct ca_name *name, struct error *err)
{
	if (ca_kind_is_server(profile->kind) && !(profile->waivers & CA_WAIVER_INTERNAL_NAME) &&
	    ca_name_is_internal(name)) {
		(void)err_set(err, ERR_NAME_NOT_ALLOWED,
			      "%s is not in the public DNS, and profile %s is for public names alone", name->text,
			      profile->name);
		return err_about(err, "name", name->text, "names in the public DNS, public addresses");
	}
	for (size_t i = 0; i < c->grant_count; i++)
		if (is_for(&c->grants[i], identity, profile) && name_granted_by(&c->grants[i], name))
			return 0;
	return not_granted(c, identity, profile, "name", name->text, err);
}

static int check_common_name(const struct ca_config *c, const char *identity, const struct ca_profile *profile,
			     const struct ca_names *names, const char *common_name, struct error *err)
{
	for (size_t i = 0; i < names->count; i++)
		if (strcmp(names->items[i].text, common_name) == 0)
			return 0;
	for (size_t i = 0; i < c->grant_count && !ca_kind_is_server(profile->kind); i++) {
		const struct ca_config_grant *g = &c->grants[i];
		for (size_t n = 0; is_for(g, identity, profile) && n < g->common_names.count; n++)
			if (pattern_matches(g->common_names.items[n], common_name))
				return 0;
	}
	return not_granted(c, identity, profile, "commonName", common_name, err);
}

int ca_config_granted(const struct ca_config *c, const char *identity, const struct ca_profile *profile,
		      const struct ca_names *names, const char *common_name, struct error *err)
{
	for (size_t i = 0; i < names->count; i++)
		if (check_name(c, identity, profile, &names->items[i], err))
			return -1;
	if (common_name && common_name[0])
		return check_common_name(c, identity, profile, names, common_name, err);
	return 0;
}
