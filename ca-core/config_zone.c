/* Validation and notification: zones, the mail server, webhooks; and what they mean for the profiles. */
#include <stdio.h>

#include "base/secret.h"
#include "ca-core/config_read.h"
#include "store/record_order.h"

#define RESOLVERS_MAX 8
#define PORTS_MAX 16
#define MAILS_MAX 16          /* with the five of each name they fit into one message (MESSAGE_ADDRESSES_MAX) */
#define CNAME_BASE_MAX 200    /* 52 characters and a dot stand before it; a name has 253 (RFC 1035 section 2.3.4) */
#define EXPIRY_DAYS_LIMIT 365 /* of one number */

/* ---- addresses and ports ---- */

static bool is_port(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	return digits >= 1 && digits <= 5 && !text[digits] && text[0] != '0' && strtoul(text, NULL, 10) <= 65535;
}

/* HOST, HOST:PORT, [IPV6] or [IPV6]:PORT; an IPv6 address without port may also stand without brackets. */
static bool split_host(const char *text, struct bytes *host, const char **port)
{
	const char *colon = strchr(text, ':'), *end = text + strlen(text);
	bool bracketed = text[0] == '[';
	if (bracketed) {
		const char *close = strchr(text, ']');
		if (!close || (close[1] && close[1] != ':'))
			return false;
		*host = BYTES(text + 1, close - text - 1);
		*port = close[1] ? close + 2 : NULL;
		return memchr(host->data, ':', host->len) && (!*port || is_port(*port));
	}
	bool one_colon = colon && !strchr(colon + 1, ':');
	*host = BYTES(text, (one_colon ? colon : end) - text);
	*port = one_colon ? colon + 1 : NULL;
	return !*port || is_port(*port);
}

static bool is_resolver(const char *text)
{
	struct bytes host;
	const char *port;
	struct ca_name address;
	struct error why = ERR_INIT;
	return split_host(text, &host, &port) && ca_name_ip_text(host, &address, &why) == 0;
}

/* The host of what stands behind "scheme://": an address or a DNS name, and a port where one is given. */
static bool is_authority(const char *text, struct ca_name *name)
{
	struct bytes host;
	const char *port;
	struct error why = ERR_INIT;
	bool bare_address = text[0] != '[' && strchr(text, ':') != strrchr(text, ':');
	return !bare_address && split_host(text, &host, &port) &&
	       (ca_name_ip_text(host, name, &why) == 0 || (ca_name_dns(host, name, &why) == 0 && !name->wildcard));
}

/* ---- top ---- */

static int check_domain(const struct config_section *s, const char *option, const char *text, size_t longest)
{
	struct ca_name name;
	struct error why = ERR_INIT;
	if (!text[0])
		return 0;
	if (ca_name_dns(bytes_of(text), &name, &why))
		return config_bad(s, option, "%s", why.message);
	if (name.wildcard || strcmp(name.text, text) != 0)
		return config_bad(s, option, "\"%s\" is no DNS name in lower case", text);
	if (strlen(text) > longest)
		return config_bad(s, option, "\"%s\" has more than %zu characters", text, longest);
	return 0;
}

int config_read_top(const struct config_section *s, struct ca_config *c)
{
	if (config_get_text(s, "caa-identity", c->caa_identity, sizeof(c->caa_identity)) ||
	    config_get_text(s, "dns-cname-base", c->dns_cname_base, sizeof(c->dns_cname_base)))
		return -1;
	return check_domain(s, "caa-identity", c->caa_identity, sizeof(c->caa_identity) - 1) ||
			       check_domain(s, "dns-cname-base", c->dns_cname_base, CNAME_BASE_MAX)
		       ? -1
		       : 0;
}

/* ---- zone ---- */

static int check_resolvers(const struct config_section *s, const struct ca_config_zone *z)
{
	for (size_t i = 0; i < z->resolvers.count; i++)
		if (!is_resolver(z->resolvers.items[i]))
			return config_bad(
				s, "resolvers",
				"\"%s\" is no address of a resolver (10.0.0.53, 10.0.0.53:5353, [fd00::53]:53)",
				z->resolvers.items[i]);
	if (z->dnssec_anchors[0] && !z->dnssec)
		return config_bad(s, "dnssec-anchors", "the anchors serve nothing while dnssec is false");
	return 0;
}

static int check_connects(const struct config_section *s, const struct ca_config_zone *z)
{
	for (size_t i = 0; i < z->connect_ports.count; i++)
		if (!is_port(z->connect_ports.items[i]))
			return config_bad(s, "connect-ports", "\"%s\" is no port of 1 to 65535",
					  z->connect_ports.items[i]);
	for (size_t i = 0; i < z->mail.count; i++) {
		struct ca_name name;
		struct error why = ERR_INIT;
		if (ca_name_email(bytes_of(z->mail.items[i]), &name, &why))
			return config_bad(s, "mail", "%s", why.message);
	}
	return 0;
}

/* A zone that is public and has names that are not would have every one of them refused. */
static int check_public(const struct config_section *s, const struct ca_config_zone *z)
{
	struct error ignored = ERR_INIT;
	for (size_t i = 0; z->public_ && i < z->suffixes.count; i++) {
		const char *suffix = z->suffixes.items[i];
		char below[300];
		struct ca_name name;
		(void)snprintf(below, sizeof(below), "%s%s", suffix[0] == '.' ? "x" : "", suffix);
		if (ca_name_dns(bytes_of(below), &name, &ignored) == 0 && ca_name_is_internal(&name))
			return config_bad(s, "public", "\"%s\" is not in the public DNS; public = false", suffix);
	}
	for (size_t i = 0; z->public_ && i < z->network_count; i++) {
		struct ca_name name;
		if (ca_name_ip(BYTES(z->networks[i].address, z->networks[i].address_len), &name, &ignored) == 0 &&
		    ca_name_is_internal(&name))
			return config_bad(s, "public", "the network of %s is no public one; public = false", name.text);
	}
	return 0;
}

static int default_ports(const struct config_section *s, struct ca_texts *ports)
{
	if (ports->count)
		return 0;
	free(ports->items);
	ports->items = calloc(1, sizeof(*ports->items));
	if (ports->items)
		ports->items[0] = strdup("80");
	if (!ports->items || !ports->items[0])
		return config_bad(s, "connect-ports", "no memory");
	ports->count = 1;
	return 0;
}

int config_read_zone(const struct config_section *s, struct ca_config *c)
{
	static const char *const caas[] = { "off", "report", "enforce", NULL };
	struct ca_config_zone *z = &c->zones[c->zone_count++];
	unsigned caa = 0;
	z->public_ = true;
	(void)snprintf(z->name, sizeof(z->name), "%s", s->title);
	if (config_get_suffixes(s, "suffixes", &z->suffixes) ||
	    config_get_networks(s, "networks", &z->networks, &z->network_count) ||
	    config_get_texts(s, "resolvers", RESOLVERS_MAX, &z->resolvers) ||
	    config_get_flag(s, "dnssec", &z->dnssec) ||
	    config_get_text(s, "dnssec-anchors", z->dnssec_anchors, sizeof(z->dnssec_anchors)) ||
	    config_get_flag(s, "public", &z->public_) ||
	    config_get_networks(s, "connect-networks", &z->connect_networks, &z->connect_network_count) ||
	    config_get_texts(s, "connect-ports", PORTS_MAX, &z->connect_ports) ||
	    config_get_choice(s, "caa", caas, &caa) || config_get_texts(s, "mail", MAILS_MAX, &z->mail))
		return -1;
	z->caa_given = config_given(s->lines, s->name, s->title, "caa");
	z->caa = (enum ca_caa)caa;
	if (z->suffixes.count == 0 && z->network_count == 0)
		return config_bad(s, "suffixes", "the zone has neither suffixes nor networks");
	return default_ports(s, &z->connect_ports) || check_resolvers(s, z) || check_connects(s, z) ||
			       check_public(s, z)
		       ? -1
		       : 0;
}

void config_zones_free(struct ca_config *c)
{
	for (size_t i = 0; i < c->zone_count; i++) {
		struct ca_config_zone *z = &c->zones[i];
		config_texts_free(&z->suffixes);
		config_texts_free(&z->resolvers);
		config_texts_free(&z->connect_ports);
		config_texts_free(&z->mail);
		free(z->networks);
		free(z->connect_networks);
	}
}

/* ---- mail ---- */

static int check_secret(const struct config_section *s, const char *option, const char *reference)
{
	if (reference[0] && !secret_is_reference(reference)) /* its value is not repeated */
		return config_bad(s, option,
				  "it is no reference (file:PATH, credential:NAME, fd:N, prompt); a secret itself "
				  "never stands here");
	return 0;
}

static int check_address(const struct config_section *s, const char *option, const char *text)
{
	struct ca_name name;
	struct error why = ERR_INIT;
	if (text[0] && ca_name_email(bytes_of(text), &name, &why))
		return config_bad(s, option, "%s", why.message);
	return 0;
}

/* What stands behind the scheme, where the URL has this one; else NULL. */
static const char *behind_scheme(const char *url, const char *scheme)
{
	size_t len = strlen(scheme);
	return strncmp(url, scheme, len) == 0 ? url + len : NULL;
}

int config_read_mail(const struct config_section *s, struct ca_config *c)
{
	struct ca_config_mail *m = &c->mail;
	struct ca_name host;
	if (config_get_text(s, "server", m->server, sizeof(m->server)) ||
	    config_get_text(s, "from", m->from, sizeof(m->from)) ||
	    config_get_text(s, "user", m->user, sizeof(m->user)) ||
	    config_get_text(s, "password", m->password, sizeof(m->password)) ||
	    check_secret(s, "password", m->password) || check_address(s, "from", m->from))
		return -1;
	const char *authority = behind_scheme(m->server, "smtp://");
	if (!authority)
		authority = behind_scheme(m->server, "smtps://");
	if (m->server[0] && (!authority || !is_authority(authority, &host)))
		return config_bad(s, "server", "\"%s\" is neither smtp://HOST:PORT nor smtps://HOST:PORT", m->server);
	if (m->server[0] && !m->from[0])
		return config_bad(s, "from", "the address that mail is from is missing");
	if (!m->server[0] && (m->from[0] || m->user[0] || m->password[0]))
		return config_bad(s, "server", "the mail server is missing");
	if (!m->user[0] != !m->password[0])
		return config_bad(s, m->user[0] ? "password" : "user", "user and password belong together");
	return 0;
}

/* ---- notify ---- */

void config_default_notify(struct ca_config_notify *n)
{
	static const unsigned days[] = { 30, 14, 7, 1 };
	memcpy(n->expiry_days, days, sizeof(days));
	n->expiry_count = sizeof(days) / sizeof(days[0]);
}

static bool is_loopback(const struct ca_name *host)
{
	static const uint8_t six[16] = { [15] = 1 };
	if (host->type == CA_NAME_DNS)
		return strcmp(host->text, "localhost") == 0;
	return host->address_len == 4 ? host->address[0] == 127 : memcmp(host->address, six, sizeof(six)) == 0;
}

/* What is sent names identities, names and decisions: never in clear past this machine. */
static int check_webhook(const struct config_section *s, const struct ca_config_notify *n)
{
	struct ca_name host = { .text = "" };
	struct error why = ERR_INIT;
	struct ca_name url;
	const char *secure = behind_scheme(n->webhook, "https://"), *clear = behind_scheme(n->webhook, "http://");
	const char *authority = secure ? secure : clear;
	if (!n->webhook[0])
		return n->webhook_secret[0] ? config_bad(s, "webhook", "the URL that the secret is for is missing") : 0;
	if (!authority)
		return config_bad(s, "webhook", "\"%s\" is no https:// URL", n->webhook);
	char place[256];
	(void)snprintf(place, sizeof(place), "%.*s", (int)strcspn(authority, "/?#"), authority);
	if (ca_name_uri(bytes_of(n->webhook), &url, &why))
		return config_bad(s, "webhook", "%s", why.message);
	if (!is_authority(place, &host) || strchr(n->webhook, '#'))
		return config_bad(s, "webhook", "\"%s\" is no URL of HOST or HOST:PORT and a path", n->webhook);
	if (clear && !is_loopback(&host))
		return config_bad(s, "webhook", "\"%s\" would be sent in clear; only https leaves this machine",
				  n->webhook);
	if (!n->webhook_secret[0])
		return config_bad(s, "webhook-secret", "the reference of the key that signs what is sent is missing");
	return 0;
}

static int read_expiry_days(const struct config_section *s, struct ca_config_notify *n)
{
	struct ca_texts days = { 0 };
	int rc = config_get_texts(s, "expiry-days", CA_CONFIG_EXPIRY_DAYS_MAX, &days);
	if (rc == 0 && config_given(s->lines, s->name, s->title, "expiry-days"))
		n->expiry_count = 0;
	for (size_t i = 0; rc == 0 && i < days.count; i++) {
		size_t digits = strspn(days.items[i], "0123456789");
		unsigned long value =
			digits && digits <= 3 && !days.items[i][digits] ? strtoul(days.items[i], NULL, 10) : 0;
		if (value < 1 || value > EXPIRY_DAYS_LIMIT || days.items[i][0] == '0')
			rc = config_bad(s, "expiry-days", "\"%s\" is no whole number of 1 to %d", days.items[i],
					EXPIRY_DAYS_LIMIT);
		else if (i && value >= n->expiry_days[i - 1])
			rc = config_bad(s, "expiry-days", "%lu is not less than %u before it", value,
					n->expiry_days[i - 1]);
		else
			n->expiry_days[n->expiry_count++] = (unsigned)value;
	}
	config_texts_free(&days);
	return rc;
}

int config_read_notify(const struct config_section *s, struct ca_config *c)
{
	struct ca_config_notify *n = &c->notify;
	if (config_get_flag(s, "mail", &n->mail) || config_get_text(s, "webhook", n->webhook, sizeof(n->webhook)) ||
	    config_get_text(s, "webhook-secret", n->webhook_secret, sizeof(n->webhook_secret)) ||
	    check_secret(s, "webhook-secret", n->webhook_secret) || check_webhook(s, n))
		return -1;
	return read_expiry_days(s, n);
}

/* ---- what they say of each other ---- */

/* Two zones that claim the same would each hold for half of the requests, by their order in the file. */
static int check_zone_apart(const struct ca_config *c, size_t at, const struct config_lines *lines, struct error *err)
{
	const struct ca_config_zone *z = &c->zones[at];
	for (size_t other = 0; other < at; other++) {
		const struct ca_config_zone *o = &c->zones[other];
		for (size_t i = 0; i < z->suffixes.count; i++)
			for (size_t n = 0; n < o->suffixes.count; n++)
				if (strcmp(z->suffixes.items[i], o->suffixes.items[n]) == 0)
					return config_wrong(lines, err, "zone", z->name, "suffixes",
							    "\"%s\" is zone \"%s\"'s too", z->suffixes.items[i],
							    o->name);
		for (size_t i = 0; i < z->network_count; i++)
			for (size_t n = 0; n < o->network_count; n++)
				if (memcmp(&z->networks[i], &o->networks[n], sizeof(z->networks[i])) == 0)
					return config_wrong(lines, err, "zone", z->name, "networks",
							    "one of them is zone \"%s\"'s too", o->name);
	}
	return 0;
}

/* A method that the file names must be one that can be offered; of the defaults the others are left out. */
static int settle_methods(const struct ca_config *c, struct ca_profile *p, const struct config_lines *lines,
			  struct error *err)
{
	bool given = config_given(lines, "profile", p->name, "methods");
	if (given && (p->methods & METHOD_MAIL) && !c->mail.server[0])
		return config_wrong(lines, err, "profile", p->name, "methods",
				    "mail needs a mail server: section mail, server");
	if (given && (p->methods & METHOD_DNS_CNAME) && !c->dns_cname_base[0])
		return config_wrong(lines, err, "profile", p->name, "methods",
				    "dns-cname needs dns-cname-base, at the top of the file");
	if (!c->mail.server[0])
		p->methods &= ~(unsigned)METHOD_MAIL;
	if (!c->dns_cname_base[0])
		p->methods &= ~(unsigned)METHOD_DNS_CNAME;
	return 0;
}

int config_check_zones(struct ca_config *c, const struct config_lines *lines, struct error *err)
{
	for (size_t i = 0; i < c->zone_count; i++)
		if (check_zone_apart(c, i, lines, err))
			return -1;
	for (size_t i = 0; i < c->profile_count; i++)
		if (settle_methods(c, &c->profiles[i], lines, err))
			return -1;
	if (c->notify.mail && !c->mail.server[0])
		return config_wrong(lines, err, "notify", "", "mail", "mail needs a mail server: section mail, server");
	return 0;
}

/* ---- which zone a name is of ---- */

/* How well the zone fits: the length of the suffix or prefix that covers the name, plus one; 0: not at all. */
static size_t fit(const struct ca_config_zone *z, const struct ca_name *name)
{
	size_t best = 0;
	for (size_t i = 0; name->type == CA_NAME_DNS && i < z->suffixes.count; i++) {
		const char *suffix = z->suffixes.items[i];
		bool covers = config_suffix_covers(suffix, name->text) ||
			      (name->wildcard && config_suffix_covers(suffix, name->text + 2));
		if (covers && strlen(suffix) + 1 > best)
			best = strlen(suffix) + 1;
	}
	for (size_t i = 0; name->type == CA_NAME_IP && i < z->network_count; i++)
		if (config_network_contains(&z->networks[i], name) && z->networks[i].prefix_len + 1U > best)
			best = z->networks[i].prefix_len + 1U;
	return best;
}

const struct ca_config_zone *ca_config_zone_of(const struct ca_config *c, struct bytes name)
{
	const struct ca_config_zone *found = NULL;
	struct ca_name parsed;
	struct error ignored = ERR_INIT;
	size_t best = 0;
	if (ca_name_parse(name, &parsed, &ignored))
		return NULL;
	for (size_t i = 0; i < c->zone_count; i++) {
		size_t this = fit(&c->zones[i], &parsed);
		if (this > best) {
			best = this;
			found = &c->zones[i];
		}
	}
	return found;
}

uint16_t ca_config_http_port(const struct ca_config_zone *zone)
{
	for (size_t i = 0; zone && i < zone->connect_ports.count; i++)
		if (strcmp(zone->connect_ports.items[i], "80") == 0)
			return 80;
	return zone && zone->connect_ports.count ? (uint16_t)strtoul(zone->connect_ports.items[0], NULL, 10) : 80;
}
