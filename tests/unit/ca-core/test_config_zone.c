#include <stdio.h>

#include "store/record_order.h"
#include "tests/unit/ca-core/pure.h"

#define ALL (METHOD_GRANT | METHOD_DNS_TXT | METHOD_DNS_CNAME | METHOD_HTTP | METHOD_MAIL)
#define MAIL "mail { server = \"smtp://127.0.0.1:25\" from = \"pki@example.test\" }\n"

/* The default configuration with these sections and top-level options before its others. */
static struct ca_config *with(const char *text, struct error *err)
{
	auto_buf whole = BUF_INIT;
	*err = ERR_INIT;
	buf_add_text(&whole, text);
	buf_add_text(&whole, "\narc = ");
	return pure_config_with("arc = ", buf_text(&whole), err);
}

static struct ca_config *good(const char *text)
{
	struct error err = ERR_INIT;
	struct ca_config *c = with(text, &err);
	CHECK_OK(c != NULL, &err);
	return c;
}

struct wrong {
	const char *text, *says;
};

static void each_refused(const struct wrong *all, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct error err = ERR_INIT;
		auto_ca_config *c = with(all[i].text, &err);
		CHECK_TEXT(c ? all[i].text : "refused", "refused");
		CHECK_INT(err.code, ERR_CONFIG);
		CHECK_TEXT(strstr(err.message, all[i].says) ? all[i].says : err.message, all[i].says);
	}
}
#define EACH_REFUSED(all) each_refused(all, sizeof(all) / sizeof((all)[0]))

/* ---- zones ---- */

static void a_zone_says_what_it_is_and_how_it_is_reached(void)
{
	auto_ca_config *c =
		good("zone \"inside\" {\n"
		     "  suffixes = { \"corp.internal\", \".corp.internal\" }\n"
		     "  networks = { \"10.0.0.0/8\", \"fd00::/8\" }\n"
		     "  resolvers = { \"10.0.0.53\", \"10.0.0.54:5353\", \"[fd00::53]:53\", \"[fd00::53]\", "
		     "\"fd00::53\" }\n"
		     "  dnssec = true\n  dnssec-anchors = \"anchors\"\n  public = false\n"
		     "  connect-networks = { \"10.1.0.0/16\" }\n  connect-ports = { 80, \"8080\" }\n"
		     "  caa = \"report\"\n  mail = { \"pki@corp.internal\" }\n}\n");
	REQUIRE(c->zone_count == 1);
	const struct ca_config_zone *z = &c->zones[0];
	CHECK_TEXT(z->name, "inside");
	CHECK_INT(z->suffixes.count, 2);
	CHECK_INT(z->network_count, 2);
	CHECK_INT(z->resolvers.count, 5);
	CHECK(z->dnssec && !z->public_);
	CHECK_TEXT(z->dnssec_anchors, "anchors");
	CHECK_INT(z->connect_network_count, 1);
	CHECK_INT(z->connect_networks[0].prefix_len, 16);
	CHECK_INT(z->connect_ports.count, 2);
	CHECK_TEXT(z->connect_ports.items[0], "80");
	CHECK_TEXT(z->connect_ports.items[1], "8080");
	CHECK(z->caa_given);
	CHECK_INT(z->caa, CA_CAA_REPORT);
	CHECK_TEXT(z->mail.items[0], "pki@corp.internal");
}

static void a_zone_is_public_and_reached_at_port_80_unless_it_says_otherwise(void)
{
	auto_ca_config *c = good("zone \"z\" { suffixes = { \"example.com\" } }\n");
	const struct ca_config_zone *z = &c->zones[0];
	CHECK(z->public_ && !z->dnssec && !z->caa_given);
	CHECK_INT(z->resolvers.count, 0);
	CHECK_INT(z->connect_network_count, 0);
	CHECK_INT(z->connect_ports.count, 1);
	CHECK_TEXT(z->connect_ports.items[0], "80");
}

static void what_is_wrong_in_a_zone_is_refused(void)
{
#define ZONE(options) "zone \"z\" { suffixes = { \"example.com\" } " options " }\n"
	static const struct wrong all[] = {
		{ "zone \"z\" { public = false }\n", "neither suffixes nor networks" },
		{ "zone { suffixes = { \"example.com\" } }\n", "title" },
		{ "zone \"z/\" { suffixes = { \"example.com\" } }\n", "is no name" },
		{ "zone \"z\" { suffixes = { \"*.example.com\" } }\n", "neither a name" },
		{ "zone \"z\" { suffixes = { \"Example.com\" } }\n", "lower case" },
		{ "zone \"z\" { networks = { \"192.0.2.1/24\" } }\n", "bits set behind its prefix" },
		{ "zone \"z\" { networks = { \"192.0.2.0/33\" } }\n", "prefix length" },
		{ ZONE("connect-networks = { \"ten\" }"), "connect-networks: \"ten\" is no address" },
		{ ZONE("resolvers = { \"dns.example.com\" }"), "no address of a resolver" },
		{ ZONE("resolvers = { \"10.0.0.53:0\" }"), "no address of a resolver" },
		{ ZONE("resolvers = { \"10.0.0.53:65536\" }"), "no address of a resolver" },
		{ ZONE("resolvers = { \"10.0.0.53:\" }"), "no address of a resolver" },
		{ ZONE("resolvers = { \"10.0.0.053\" }"), "no address of a resolver" },
		{ ZONE("resolvers = { \"[10.0.0.53]:53\" }"), "no address of a resolver" },
		{ ZONE("resolvers = { \"[fd00::53\" }"), "no address of a resolver" },
		{ ZONE("resolvers = { \"[fd00::53]53\" }"), "no address of a resolver" },
		{ ZONE("resolvers = { \"[fd00::53]:\" }"), "no address of a resolver" },
		{ ZONE("resolvers = { \"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\" }"), "at most 8" },
		{ ZONE("dnssec-anchors = \"x\""), "dnssec is false" },
		{ ZONE("connect-ports = { 0 }"), "no port" },
		{ ZONE("connect-ports = { 080 }"), "no port" },
		{ ZONE("connect-ports = { 65536 }"), "no port" },
		{ ZONE("connect-ports = { \"http\" }"), "no port" },
		{ ZONE("caa = \"maybe\""), "none of off, report, enforce" },
		{ ZONE("mail = { \"nobody\" }"), "mail" },
		{ ZONE("color = \"red\""), "color" },
	};
	EACH_REFUSED(all);
}

/* Names of a zone that calls itself public and is not would all be refused later. */
static void a_zone_that_is_not_in_the_public_dns_says_so(void)
{
	static const struct wrong all[] = {
		{ "zone \"z\" { suffixes = { \".corp.internal\" } }\n", "is not in the public DNS" },
		{ "zone \"z\" { suffixes = { \".test\" } }\n", "is not in the public DNS" },
		{ "zone \"z\" { suffixes = { \"server\" } }\n", "is not in the public DNS" },
		{ "zone \"z\" { networks = { \"10.0.0.0/8\" } }\n", "is no public one" },
		{ "zone \"z\" { networks = { \"::1\" } }\n", "is no public one" },
	};
	EACH_REFUSED(all);
	auto_ca_config *c =
		good("zone \"z\" { suffixes = { \".com\", \"example.de\" } networks = { \"192.0.2.0/24\" } }\n");
	CHECK_INT(c->zone_count, 1);
}

static void two_zones_have_nothing_in_common(void)
{
	static const struct wrong all[] = {
		{ "zone \"a\" { suffixes = { \".example.com\" } }\nzone \"b\" { suffixes = { \".example.com\" } }\n",
		  "zone \"a\"'s too" },
		{ "zone \"a\" { networks = { \"192.0.2.0/24\" } }\nzone \"b\" { networks = { \"192.0.2.0/24\" } }\n",
		  "zone \"a\"'s too" },
		{ "zone \"a\" { suffixes = { \"a.com\" } }\nzone \"a\" { suffixes = { \"b.com\" } }\n",
		  "stands twice" },
	};
	EACH_REFUSED(all);
}

static void check_zone_of(const struct ca_config *c, const char *name, const char *expected)
{
	const struct ca_config_zone *z = ca_config_zone_of(c, bytes_of(name));
	CHECK_TEXT(z ? z->name : "", expected);
}

static void a_name_is_of_the_zone_that_says_most_about_it(void)
{
	auto_ca_config *c =
		good("zone \"wide\" { suffixes = { \".example.com\" } networks = { \"192.0.2.0/24\" } }\n"
		     "zone \"deep\" { suffixes = { \".lab.example.com\" } networks = { \"192.0.2.16/28\" } }\n"
		     "zone \"one\" { suffixes = { \"x.lab.example.com\" } networks = { \"192.0.2.17\" } }\n"
		     "zone \"six\" { networks = { \"2001:db8::/32\" } }\n"
		     "zone \"apex\" { suffixes = { \"example.net\" } }\n"
		     "zone \"all\" { networks = { \"0.0.0.0/0\" } }\n");
	check_zone_of(c, "dns:www.example.com", "wide");
	check_zone_of(c, "dns:example.com", "");
	check_zone_of(c, "dns:lab.example.com", "wide");
	check_zone_of(c, "dns:y.lab.example.com", "deep");
	check_zone_of(c, "dns:x.lab.example.com", "one");
	check_zone_of(c, "dns:a.x.lab.example.com", "deep");
	check_zone_of(c, "dns:evilexample.com", "");
	check_zone_of(c, "ip:192.0.2.1", "wide");
	check_zone_of(c, "ip:192.0.2.16", "deep");
	check_zone_of(c, "ip:192.0.2.17", "one");
	check_zone_of(c, "ip:198.51.100.1", "all");
	check_zone_of(c, "ip:2001:db8::1", "six");
	check_zone_of(c, "ip:2001:db9::1", "");
	/* a wildcard is looked up where its name below the star is */
	check_zone_of(c, "dns:*.lab.example.com", "deep");
	check_zone_of(c, "dns:*.x.lab.example.com", "one");
	check_zone_of(c, "dns:*.example.net", "apex");
	/* what no DNS name or address is has no zone */
	check_zone_of(c, "email:a@www.example.com", "");
	check_zone_of(c, "uri:https://www.example.com/", "");
	check_zone_of(c, "www.example.com", "");
	check_zone_of(c, "", "");
}

/* ---- top ---- */

static void caa_identity_and_cname_base_are_dns_names(void)
{
	auto_ca_config *c = good("caa-identity = \"pki.example.com\"\ndns-cname-base = \"dcv.example.com\"\n");
	CHECK_TEXT(c->caa_identity, "pki.example.com");
	CHECK_TEXT(c->dns_cname_base, "dcv.example.com");
	static const struct wrong all[] = {
		{ "caa-identity = \"pki example\"\n", "caa-identity" },
		{ "caa-identity = \"PKI.example\"\n", "lower case" },
		{ "caa-identity = \"*.example.com\"\n", "lower case" },
		{ "dns-cname-base = \"dcv.example.com.\"\n", "dns-cname-base" },
		{ "dns-cname-base = \"a\"\ndns-cname-base = \"b\"\n", "twice" },
	};
	EACH_REFUSED(all);
	auto_buf text = BUF_INIT;
	struct error err = ERR_INIT;
	buf_add_text(&text, "dns-cname-base = \"");
	for (int i = 0; i < 100; i++)
		buf_add_text(&text, "a.");
	buf_add_text(&text, "b\"\n");
	auto_ca_config *too_long = with(buf_text(&text), &err);
	CHECK(too_long == NULL && strstr(err.message, "more than 200") != NULL);
}

/* ---- mail ---- */

static void mail_has_a_server_and_a_sender(void)
{
	auto_ca_config *c = good("mail { server = \"smtps://mail.example.test:465\" from = \"pki@example.test\" "
				 "user = \"pki\" password = \"file:secret\" }\n");
	CHECK_TEXT(c->mail.server, "smtps://mail.example.test:465");
	CHECK_TEXT(c->mail.from, "pki@example.test");
	CHECK_TEXT(c->mail.user, "pki");
	CHECK_TEXT(c->mail.password, "file:secret");
	static const char *const servers[] = { "smtp://localhost", "smtp://127.0.0.1:2525", "smtp://[::1]:25",
					       "smtps://mail" };
	for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
		char text[200];
		(void)snprintf(text, sizeof(text), "mail { server = \"%s\" from = \"a@b.test\" }\n", servers[i]);
		auto_ca_config *other = good(text);
		CHECK_TEXT(other->mail.server, servers[i]);
	}
}

static void what_is_wrong_about_mail_is_refused(void)
{
#define FROM " from = \"a@b.test\" "
	static const struct wrong all[] = {
		{ "mail { from = \"a@b.test\" }\n", "the mail server is missing" },
		{ "mail { server = \"smtp://127.0.0.1:25\" }\n", "the address that mail is from is missing" },
		{ "mail { server = \"127.0.0.1:25\"" FROM "}\n", "neither smtp://" },
		{ "mail { server = \"http://127.0.0.1:25\"" FROM "}\n", "neither smtp://" },
		{ "mail { server = \"smtp://\"" FROM "}\n", "neither smtp://" },
		{ "mail { server = \"smtp://127.0.0.1:0\"" FROM "}\n", "neither smtp://" },
		{ "mail { server = \"smtp://::1\"" FROM "}\n", "neither smtp://" },
		{ "mail { server = \"smtp://a:b@mail.test:25\"" FROM "}\n", "neither smtp://" },
		{ "mail { server = \"smtp://mail.test/x\"" FROM "}\n", "neither smtp://" },
		{ "mail { server = \"smtp://mail.test\" from = \"nobody\" }\n", "from" },
		{ "mail { server = \"smtp://mail.test\"" FROM "user = \"u\" }\n", "belong together" },
		{ "mail { server = \"smtp://mail.test\"" FROM "password = \"file:p\" }\n", "belong together" },
		{ "mail { server = \"smtp://mail.test\"" FROM "user = \"u\" password = \"s3cret\" }\n",
		  "it is no reference" },
	};
	EACH_REFUSED(all);
	struct error err = ERR_INIT;
	auto_ca_config *c = with(all[12].text, &err);
	CHECK(c == NULL && strstr(err.message, "s3cret") == NULL); /* what may be a secret is not repeated */
}

/* ---- notify ---- */

static void notices_have_their_defaults(void)
{
	auto_ca_config *c = pure_config();
	CHECK(!c->notify.mail);
	CHECK_TEXT(c->notify.webhook, "");
	REQUIRE(c->notify.expiry_count == 4);
	CHECK_INT(c->notify.expiry_days[0], 30);
	CHECK_INT(c->notify.expiry_days[3], 1);
	auto_ca_config *given = good(MAIL "notify { mail = true expiry-days = { 60, 5 } }\n");
	CHECK(given->notify.mail);
	REQUIRE(given->notify.expiry_count == 2);
	CHECK_INT(given->notify.expiry_days[0], 60);
	CHECK_INT(given->notify.expiry_days[1], 5);
}

static void a_webhook_never_goes_out_in_clear(void)
{
	static const char *const right[] = { "https://hooks.example.com/x?y=1",
					     "https://10.0.0.1:8443/x",
					     "http://127.0.0.1:9000/x",
					     "http://[::1]:9000/x",
					     "http://localhost/x",
					     "http://127.9.9.9" };
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		char text[200];
		(void)snprintf(text, sizeof(text), "notify { webhook = \"%s\" webhook-secret = \"file:s\" }\n",
			       right[i]);
		auto_ca_config *c = good(text);
		CHECK_TEXT(c->notify.webhook, right[i]);
	}
#define HOOK(url) "notify { webhook = \"" url "\" webhook-secret = \"file:s\" }\n"
	static const struct wrong all[] = {
		{ HOOK("http://hooks.example.com/x"), "sent in clear" },
		{ HOOK("http://10.0.0.1/x"), "sent in clear" },
		{ HOOK("http://[fd00::1]/x"), "sent in clear" },
		{ HOOK("http://localhost.example.com/x"), "sent in clear" },
		{ HOOK("ftp://127.0.0.1/x"), "no https://" },
		{ HOOK("hooks.example.com/x"), "no https://" },
		{ HOOK("https:///x"), "webhook" },
		{ HOOK("https://a:b@hooks.example.com/x"), "user in it" },
		{ HOOK("https://hooks.example.com/x#y"), "webhook" },
		{ HOOK("https://hooks.example.com:x/"), "webhook" },
		{ HOOK("https://hooks.example.com:0/"), "webhook" },
		{ HOOK("https://hooks.example.com/a b"), "webhook" },
	};
	EACH_REFUSED(all);
}

static void what_is_wrong_about_notices_is_refused(void)
{
	static const struct wrong all[] = {
		{ "notify { mail = true }\n", "mail needs a mail server" },
		{ "notify { webhook = \"https://a.test/\" }\n", "the reference of the key" },
		{ "notify { webhook-secret = \"file:s\" }\n", "the URL that the secret is for is missing" },
		{ "notify { webhook = \"https://a.test/\" webhook-secret = \"s3cret\" }\n", "it is no reference" },
		{ "notify { expiry-days = { 0 } }\n", "no whole number" },
		{ "notify { expiry-days = { 366 } }\n", "no whole number" },
		{ "notify { expiry-days = { 030 } }\n", "no whole number" },
		{ "notify { expiry-days = { soon } }\n", "no whole number" },
		{ "notify { expiry-days = { 7, 14 } }\n", "14 is not less than 7" },
		{ "notify { expiry-days = { 7, 7 } }\n", "7 is not less than 7" },
		{ "notify { expiry-days = { 9, 8, 7, 6, 5, 4, 3, 2, 1 } }\n", "at most 8" },
	};
	EACH_REFUSED(all);
}

/* ---- what they mean for profiles ---- */

static void the_default_methods_are_those_that_are_offered(void)
{
	auto_ca_config *c = pure_config();
	CHECK_INT(ca_config_profile(c, "server-dv")->methods, METHOD_GRANT | METHOD_DNS_TXT | METHOD_HTTP);
	CHECK_INT(ca_config_profile(c, "server-ev")->methods, METHOD_DNS_TXT | METHOD_HTTP);
	CHECK_INT(ca_config_profile(c, "client")->methods, METHOD_GRANT);
	auto_ca_config *more = good("dns-cname-base = \"dcv.example.com\"\n" MAIL);
	CHECK_INT(ca_config_profile(more, "server-dv")->methods, ALL);
	CHECK_INT(ca_config_profile(more, "server-ov")->methods, ALL);
	CHECK_INT(ca_config_profile(more, "server-ev")->methods, ALL & ~METHOD_GRANT);
}

static void a_method_that_is_not_offered_cannot_be_asked_for(void)
{
	static const struct {
		const char *options, *says;
	} all[] = {
		{ "methods = { \"mail\", \"http\" }", "mail needs a mail server" },
		{ "methods = { \"dns-cname\" }", "dns-cname needs dns-cname-base" },
		{ "methods = { \"dns\" }", "none of grant, dns-txt, dns-cname, http, mail" },
		{ "methods = { }", "no method is left" },
	};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct error err = ERR_INIT;
		char text[200];
		(void)snprintf(text, sizeof(text), "profile \"peer\" { %s ", all[i].options);
		auto_ca_config *c = pure_config_with("profile \"peer\" {", text, &err);
		CHECK(c == NULL);
		CHECK_TEXT(strstr(err.message, all[i].says) ? all[i].says : err.message, all[i].says);
		CHECK(strstr(err.message, "profile \"peer\"") != NULL);
	}
	struct error err = ERR_INIT;
	auto_ca_config *c =
		pure_config_with("profile \"peer\" {", "profile \"peer\" { methods = { \"http\", \"http\" } ", &err);
	CHECK_OK(c != NULL, &err);
	CHECK_INT(ca_config_profile(c, "peer")->methods, METHOD_HTTP);
}

static void a_profile_says_how_its_orders_go(void)
{
	struct error err = ERR_INIT;
	auto_ca_config *c = pure_config_with(
		"profile \"peer\" {",
		"profile \"peer\" { caa = \"report\" parent-domains = true reuse-days = 30 approvals = 3 "
		"approve-hours = 24 order-days = 7 ",
		&err);
	CHECK_OK(c != NULL, &err);
	const struct ca_profile *p = ca_config_profile(c, "peer");
	CHECK_INT(p->caa, CA_CAA_REPORT);
	CHECK(p->parent_domains);
	CHECK_INT(p->reuse_days, 30);
	CHECK_INT(p->approvals, 3);
	CHECK_INT(p->approve_hours, 24);
	CHECK_INT(p->order_days, 7);
	CHECK_INT(ca_config_profile(c, "server-dv")->approvals, 0);
	CHECK_INT(ca_config_profile(c, "server-ov")->approvals, 1);
	CHECK_INT(ca_config_profile(c, "server-ev")->approvals, 2);
}

static void what_an_order_cannot_be_is_refused(void)
{
#define PROFILE(validation, options)                                                                    \
	"profile \"x\" { kind = \"server\" issuer = \"issuing-1\" wildcards = false addresses = false " \
	"validation = \"" validation "\" " options " }\n"
	static const struct wrong all[] = {
		{ PROFILE("organization", "approvals = 0"), "of 1 officer at least" },
		{ PROFILE("extended", "approvals = 1"), "of 2 officers at least" },
		{ PROFILE("domain", "approvals = 9"), "0 to 8" },
		{ PROFILE("domain", "approvals = 1 internal = true"), "the CA's own" },
		{ PROFILE("domain", "reuse-days = 399"), "1 to 398" },
		{ PROFILE("domain", "reuse-days = 0"), "1 to 398" },
		{ PROFILE("domain", "approve-hours = 49"), "late-issuing" },
		{ PROFILE("domain", "order-days = 366"), "1 to 365" },
		{ PROFILE("domain", "caa = \"on\""), "off, report, enforce" },
		{ PROFILE("extended", "methods = { \"grant\" }"), "extended-grants" },
		{ PROFILE("domain", "waivers = { \"extended\" }"), "none of validity, internal-names" },
	};
	EACH_REFUSED(all);
	auto_ca_config *c = good(PROFILE("extended", "waivers = { \"extended-grants\", \"late-issuing\" } "
						     "approve-hours = 72"));
	CHECK_INT(ca_config_profile(c, "x")->methods, METHOD_GRANT | METHOD_DNS_TXT | METHOD_HTTP);
	CHECK_INT(ca_config_profile(c, "x")->approve_hours, 72);
}

static void http_begins_at_port_80_where_the_zone_lets_it(void)
{
	auto_ca_config *c =
		good("zone \"a\" { suffixes = { \"a.internal\" } public = false }\n"
		     "zone \"b\" { suffixes = { \"b.internal\" } public = false connect-ports = { 8081, 80 } }\n"
		     "zone \"c\" { suffixes = { \"c.internal\" } public = false connect-ports = { 8081, 443 } }\n");
	CHECK_INT(ca_config_http_port(NULL), 80);
	CHECK_INT(ca_config_http_port(&c->zones[0]), 80);
	CHECK_INT(ca_config_http_port(&c->zones[1]), 80);
	CHECK_INT(ca_config_http_port(&c->zones[2]), 8081);
}

SUITE(config_zone)
{
	TEST(a_zone_says_what_it_is_and_how_it_is_reached);
	TEST(a_zone_is_public_and_reached_at_port_80_unless_it_says_otherwise);
	TEST(http_begins_at_port_80_where_the_zone_lets_it);
	TEST(what_is_wrong_in_a_zone_is_refused);
	TEST(a_zone_that_is_not_in_the_public_dns_says_so);
	TEST(two_zones_have_nothing_in_common);
	TEST(a_name_is_of_the_zone_that_says_most_about_it);
	TEST(caa_identity_and_cname_base_are_dns_names);
	TEST(mail_has_a_server_and_a_sender);
	TEST(what_is_wrong_about_mail_is_refused);
	TEST(notices_have_their_defaults);
	TEST(a_webhook_never_goes_out_in_clear);
	TEST(what_is_wrong_about_notices_is_refused);
	TEST(the_default_methods_are_those_that_are_offered);
	TEST(a_method_that_is_not_offered_cannot_be_asked_for);
	TEST(a_profile_says_how_its_orders_go);
	TEST(what_an_order_cannot_be_is_refused);
}
