/* The effective configuration as lines of text, for `chancery config show`. */
#include <arpa/inet.h>

#include "base/der.h"
#include "ca-core/config.h"
#include "store/record_order.h"

static void text(struct buf *out, const char *where, const char *name, const char *option, const char *value)
{
	buf_printf(out, "%s%s%s%s%s = %s\n", where, *name ? " " : "", name, *where ? "." : "", option, value);
}

static void number(struct buf *out, const char *where, const char *name, const char *option, unsigned value)
{
	buf_printf(out, "%s%s%s.%s = %u\n", where, *name ? " " : "", name, option, value);
}

static void flag(struct buf *out, const char *where, const char *name, const char *option, bool value)
{
	text(out, where, name, option, value ? "true" : "false");
}

static void texts(struct buf *out, const char *where, const char *name, const char *option,
		  const struct ca_texts *values)
{
	auto_buf list = BUF_INIT;
	for (size_t i = 0; i < values->count; i++)
		buf_printf(&list, "%s%s", i ? ", " : "", values->items[i]);
	text(out, where, name, option, buf_text(&list));
}

static void networks(struct buf *out, const char *where, const char *name, const char *option,
		     const struct ca_config_network *values, size_t count)
{
	auto_buf list = BUF_INIT;
	for (size_t i = 0; i < count; i++) {
		char address[INET6_ADDRSTRLEN] = "?";
		(void)inet_ntop(values[i].address_len == 4 ? AF_INET : AF_INET6, values[i].address, address,
				sizeof(address));
		buf_printf(&list, "%s%s/%u", i ? ", " : "", address, values[i].prefix_len);
	}
	text(out, where, name, option, buf_text(&list));
}

static void print_process(const struct ca_config *c, struct buf *out)
{
	const struct ca_config_process *p = &c->process;
	const char *level = p->log_level == LOG_LEVEL_ERROR  ? "error"
			    : p->log_level == LOG_LEVEL_WARN ? "warn"
			    : p->log_level == LOG_LEVEL_INFO ? "info"
							     : "debug";
	text(out, "", "", "arc", c->arc_text);
	text(out, "", "", "caa-identity", c->caa_identity);
	text(out, "", "", "dns-cname-base", c->dns_cname_base);
	text(out, "process", "", "node", p->node);
	text(out, "process", "", "signer-user", p->signer_user);
	text(out, "process", "", "front-user", p->front_user);
	text(out, "process", "", "validator-user", p->validator_user);
	number(out, "process", "", "workers", p->workers);
	number(out, "process", "", "signing-wait-seconds", p->signing_wait_seconds);
	number(out, "process", "", "signing-queue", p->signing_queue);
	text(out, "process", "", "log-format", p->log_format == LOG_FORMAT_JSON ? "json" : "text");
	text(out, "process", "", "log-level", level);
	texts(out, "listen", "", "https", &c->listen.https);
	texts(out, "listen", "", "http", &c->listen.http);
	texts(out, "listen", "", "names", &c->listen.names);
	text(out, "listen", "", "url", c->listen.url);
	number(out, "listen", "", "connections", c->listen.connections);
	number(out, "listen", "", "request-seconds", c->listen.request_seconds);
}

static void print_token(const struct ca_config_token *t, struct buf *out)
{
	text(out, "token", t->name, "module", t->module);
	text(out, "token", t->name, "softhsm-conf", t->softhsm_conf);
	text(out, "token", t->name, "uri", t->uri);
	text(out, "token", t->name, "pin", t->pin);
	number(out, "token", t->name, "sessions", t->sessions);
	flag(out, "token", t->name, "online", t->online);
	number(out, "token", t->name, "keep-alive-seconds", t->keep_alive_seconds);
	number(out, "token", t->name, "call-seconds", t->call_seconds);
}

static void print_issuer(const struct ca_config_issuer *i, struct buf *out)
{
	text(out, "issuer", i->name, "token", i->token);
	texts(out, "issuer", i->name, "alternatives", &i->alternatives);
	text(out, "issuer", i->name, "key", i->key);
	text(out, "issuer", i->name, "parent", i->parent);
	text(out, "issuer", i->name, "follows", i->follows);
	number(out, "issuer", i->name, "crl-hours", i->crl_hours);
	number(out, "issuer", i->name, "crl-overlap-hours", i->crl_overlap_hours);
}

static void print_policies(const struct ca_profile *p, struct buf *out)
{
	auto_buf list = BUF_INIT;
	for (size_t i = 0; i < p->policy_count; i++) {
		char oid[128];
		buf_printf(&list, "%s%s", i ? ", " : "", der_oid_text(buf_bytes(&p->policies[i]), oid, sizeof(oid)));
	}
	text(out, "profile", p->name, "policies", buf_text(&list));
}

/* Of what can be asked for: nobody orders the CA's own. */
static void print_orders(const struct ca_profile *p, struct buf *out)
{
	auto_buf methods = BUF_INIT;
	for (unsigned bit = 0; bit < RECORD_METHODS; bit++)
		if (p->methods >> bit & 1)
			buf_printf(&methods, "%s%s", methods.len ? ", " : "",
				   record_method_name((enum record_method)(1U << bit)));
	text(out, "profile", p->name, "methods", buf_text(&methods));
	text(out, "profile", p->name, "caa", ca_caa_name(p->caa));
	flag(out, "profile", p->name, "parent-domains", p->parent_domains);
	number(out, "profile", p->name, "reuse-days", p->reuse_days);
	number(out, "profile", p->name, "approvals", p->approvals);
	number(out, "profile", p->name, "approve-hours", p->approve_hours);
	number(out, "profile", p->name, "order-days", p->order_days);
}

static void print_profile(const struct ca_profile *p, struct buf *out)
{
	text(out, "profile", p->name, "kind", ca_kind_name(p->kind));
	text(out, "profile", p->name, "validation", ca_validation_name(p->validation));
	text(out, "profile", p->name, "issuer", p->issuer);
	number(out, "profile", p->name, "days", p->days);
	number(out, "profile", p->name, "days-max", p->days_max);
	number(out, "profile", p->name, "backdate-seconds", p->backdate_s);
	flag(out, "profile", p->name, "key-encipherment", p->key_encipherment);
	flag(out, "profile", p->name, "common-name", p->common_name);
	flag(out, "profile", p->name, "wildcards", p->allow_wildcard);
	flag(out, "profile", p->name, "addresses", p->allow_ip);
	flag(out, "profile", p->name, "underscores", p->allow_underscore);
	flag(out, "profile", p->name, "mail", p->allow_email);
	flag(out, "profile", p->name, "uris", p->allow_uri);
	number(out, "profile", p->name, "names-max", p->names_max);
	text(out, "profile", p->name, "revocation", p->revocation_none ? "none" : "crl");
	flag(out, "profile", p->name, "allow-hold", p->allow_hold);
	flag(out, "profile", p->name, "internal", p->internal);
	print_policies(p, out);
	if (!p->internal)
		print_orders(p, out);
}

static void print_grant(const struct ca_config_grant *g, struct buf *out)
{
	texts(out, "grant", g->name, "identities", &g->identities);
	texts(out, "grant", g->name, "profiles", &g->profiles);
	texts(out, "grant", g->name, "suffixes", &g->suffixes);
	networks(out, "grant", g->name, "networks", g->networks, g->network_count);
	texts(out, "grant", g->name, "common-names", &g->common_names);
	flag(out, "grant", g->name, "wildcards", g->wildcards);
}

static void print_zone(const struct ca_config_zone *z, struct buf *out)
{
	texts(out, "zone", z->name, "suffixes", &z->suffixes);
	networks(out, "zone", z->name, "networks", z->networks, z->network_count);
	texts(out, "zone", z->name, "resolvers", &z->resolvers);
	flag(out, "zone", z->name, "dnssec", z->dnssec);
	text(out, "zone", z->name, "dnssec-anchors", z->dnssec_anchors);
	flag(out, "zone", z->name, "public", z->public_);
	networks(out, "zone", z->name, "connect-networks", z->connect_networks, z->connect_network_count);
	texts(out, "zone", z->name, "connect-ports", &z->connect_ports);
	text(out, "zone", z->name, "caa", z->caa_given ? ca_caa_name(z->caa) : "");
	texts(out, "zone", z->name, "mail", &z->mail);
}

/* Passwords and keys as they stand in the file: references. */
static void print_notices(const struct ca_config *c, struct buf *out)
{
	auto_buf days = BUF_INIT;
	for (size_t i = 0; i < c->notify.expiry_count; i++)
		buf_printf(&days, "%s%u", i ? ", " : "", c->notify.expiry_days[i]);
	text(out, "mail", "", "server", c->mail.server);
	text(out, "mail", "", "from", c->mail.from);
	text(out, "mail", "", "user", c->mail.user);
	text(out, "mail", "", "password", c->mail.password);
	flag(out, "notify", "", "mail", c->notify.mail);
	text(out, "notify", "", "webhook", c->notify.webhook);
	text(out, "notify", "", "webhook-secret", c->notify.webhook_secret);
	text(out, "notify", "", "expiry-days", buf_text(&days));
}

/* What a profile does that the public rules would not: last, so that it is seen. */
static void print_waivers(const struct ca_profile *p, struct buf *out)
{
	static const char *const why[CA_WAIVER_COUNT] = {
		"lives longer than BR 6.3.2 allows at its date",
		"names and addresses that are not public (BR 4.2.2)",
		"underscores in a server's name (BR 7.1.2.7.12)",
		"wildcards and addresses under extended validation (EVG 7.1.2.7.12)",
		"a grant is enough to show names under extended validation (EVG 3.2.2.7)",
		"may be issued more than 48 hours after its notBefore (BR 7.1.2.7)",
	};
	for (unsigned bit = 0; bit < CA_WAIVER_COUNT; bit++)
		if (p->waivers >> bit & 1)
			buf_printf(out, "waiver profile %s.%s = %s\n", p->name, ca_waiver_name(bit), why[bit]);
	if (p->test)
		buf_printf(out, "waiver profile %s.test = certificates for tests, which may break RFC 5280 itself\n",
			   p->name);
}

void ca_config_print(const struct ca_config *c, struct buf *out)
{
	print_process(c, out);
	for (size_t i = 0; i < c->token_count; i++)
		print_token(&c->tokens[i], out);
	for (size_t i = 0; i < c->issuer_count; i++)
		print_issuer(&c->issuers[i], out);
	for (size_t i = 0; i < c->profile_count; i++)
		print_profile(&c->profiles[i], out);
	for (size_t i = 0; i < c->grant_count; i++)
		print_grant(&c->grants[i], out);
	text(out, "audit", "", "token", c->audit.token);
	text(out, "audit", "", "key", c->audit.key);
	number(out, "audit", "", "head-minutes", c->audit.head_minutes);
	for (size_t i = 0; i < c->zone_count; i++)
		print_zone(&c->zones[i], out);
	print_notices(c, out);
	for (size_t i = 0; i < c->profile_count; i++)
		print_waivers(&c->profiles[i], out);
}
