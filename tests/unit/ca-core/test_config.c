#include "ca-core/config.h"

#include <stdio.h>

#include "base/file.h"
#include "tests/unit/unit.h"

/* ---- a good configuration, and changed ones ---- */

static void good_text(struct buf *out)
{
	static const char *const https[] = { "127.0.0.1:8443", "[::1]:8443", NULL };
	static const char *const http[] = { "127.0.0.1:8080", NULL };
	static const char *const names[] = { "localhost", "127.0.0.1", "::1", NULL };
	const struct ca_config_template t = { .node = "ca1",
					      .module = "/usr/lib/softhsm/libsofthsm2.so",
					      .softhsm_conf = "token/softhsm2.conf",
					      .url = "http://pki.test",
					      .arc = "2.999.1",
					      .signer_user = "chancery-signer",
					      .front_user = "chancery-front",
					      .validator_user = "chancery-validator",
					      .https = https,
					      .http = http,
					      .names = names };
	ca_config_write(&t, out);
	REQUIRE(!out->failed);
}

static struct ca_config *load(struct bytes text, struct error *err)
{
	const char *path = unit_path("chancery.conf");
	REQUIRE(file_replace(path, text, 0600, err) == 0);
	return ca_config_load(path, err);
}

static struct ca_config *load_good(void)
{
	auto_buf text = BUF_INIT;
	struct error err = ERR_INIT;
	good_text(&text);
	struct ca_config *config = load(buf_bytes(&text), &err);
	CHECK_OK(config != NULL, &err);
	return config;
}

/* The good text with the first `from` turned into `to`; line: where that stood. */
static void changed_text(const char *from, const char *to, struct buf *out, int *line)
{
	auto_buf text = BUF_INIT;
	good_text(&text);
	const char *begin = buf_text(&text), *found = strstr(begin, from);
	REQUIRE(found != NULL);
	*line = 1;
	for (const char *at = begin; at < found; at++)
		*line += *at == '\n';
	buf_add(out, begin, (size_t)(found - begin));
	buf_add_text(out, to);
	buf_add_text(out, found + strlen(from));
}

struct change {
	const char *from, *to, *says;
};

static void each_refused(const struct change *changes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		auto_buf text = BUF_INIT;
		struct error err = ERR_INIT;
		int line = 0;
		changed_text(changes[i].from, changes[i].to, &text, &line);
		auto_ca_config *config = load(buf_bytes(&text), &err);
		CHECK_TEXT(config ? changes[i].to : "refused", "refused");
		CHECK_INT(err.code, ERR_CONFIG);
		CHECK_TEXT(strstr(err.message, changes[i].says) ? changes[i].says : err.message, changes[i].says);
		CHECK(strstr(err.message, "chancery.conf:") != NULL);
	}
}
#define EACH_REFUSED(changes) each_refused(changes, sizeof(changes) / sizeof((changes)[0]))

/* The line itself stands in the message. */
static void refused_at_its_line(const char *from, const char *to, int further)
{
	auto_buf text = BUF_INIT;
	struct error err = ERR_INIT;
	int line = 0;
	char place[40];
	changed_text(from, to, &text, &line);
	auto_ca_config *config = load(buf_bytes(&text), &err);
	CHECK(config == NULL);
	(void)snprintf(place, sizeof(place), "chancery.conf:%d: ", line + further);
	CHECK_TEXT(strstr(err.message, place) ? place : err.message, place);
}

/* ---- what init writes ---- */

static void what_init_writes_is_right(void)
{
	auto_ca_config *c = load_good();
	static const char *const own[] = { "root", "intermediate", "audit", "front" };
	static const char *const requesters[] = {
		"server-dv", "server-ov", "server-ev", "client", "peer", "short-lived"
	};
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		const struct ca_profile *inner = ca_config_profile(c, own[i]);
		REQUIRE(inner != NULL);
		CHECK(inner->internal);
	}
	for (size_t i = 0; i < sizeof(requesters) / sizeof(requesters[0]); i++) {
		const struct ca_profile *outer = ca_config_profile(c, requesters[i]);
		REQUIRE(outer != NULL);
		CHECK(!outer->internal && outer->key_usage.len > 0 && outer->policy_count == 1);
	}
	REQUIRE(ca_config_issuer(c, "root-1") && ca_config_issuer(c, "issuing-1"));
	CHECK_TEXT(ca_config_issuer(c, "issuing-1")->parent, "root-1");
	CHECK_INT(ca_config_issuer(c, "issuing-1")->crl_hours, 24);
	CHECK_INT(ca_config_issuer(c, "issuing-1")->crl_overlap_hours, 8);
	REQUIRE(ca_config_token(c, "root") && ca_config_token(c, "issuing"));
	CHECK(!ca_config_token(c, "root")->online && ca_config_token(c, "issuing")->online);
	CHECK_INT(c->listen.names.count, 3);
	CHECK(c->process.workers >= 1 && c->process.workers <= 64 && c->process.signing_wait_seconds == 10);
	CHECK(ca_config_profile(c, "short-lived")->revocation_none);
	CHECK_BYTES(buf_bytes(&c->arc), unit_hex("883701"));
	CHECK(ca_config_profile(c, "nothing") == NULL && ca_config_issuer(c, "") == NULL);
}

static void a_validator_without_a_user_of_its_own_runs_as_the_front(void)
{
	auto_ca_config *own = load_good();
	auto_buf text = BUF_INIT;
	struct error err = ERR_INIT;
	int line = 0;
	CHECK_TEXT(own->process.validator_user, "chancery-validator");
	changed_text("\tvalidator-user = \"chancery-validator\"\n", "", &text, &line);
	auto_ca_config *none = load(buf_bytes(&text), &err);
	CHECK_OK(none != NULL, &err);
	CHECK_TEXT(none->process.validator_user, "chancery-front");
}

static void an_offline_root_has_no_token_here(void)
{
	static const char *const https[] = { "127.0.0.1:8443", NULL }, *const names[] = { "localhost", NULL };
	const struct ca_config_template t = { .node = "ca1",
					      .module = "/m.so",
					      .softhsm_conf = "",
					      .url = "http://a.test",
					      .arc = "2.999.1",
					      .signer_user = "",
					      .front_user = "",
					      .validator_user = "",
					      .https = https,
					      .http = NULL,
					      .names = names,
					      .offline_root = true };
	auto_buf text = BUF_INIT;
	struct error err = ERR_INIT;
	ca_config_write(&t, &text);
	auto_ca_config *c = load(buf_bytes(&text), &err);
	CHECK_OK(c != NULL, &err);
	CHECK_INT(c->token_count, 1);
	CHECK_TEXT(ca_config_issuer(c, "root-1")->token, "");
}

/* What would end a text in the file is taken as part of it. */
static void a_path_with_quotes_survives(void)
{
	static const char *const https[] = { "127.0.0.1:8443", NULL }, *const names[] = { "localhost", NULL };
	const struct ca_config_template t = { .node = "ca1",
					      .module = "/a \"b\"\\c#d/m.so",
					      .softhsm_conf = "",
					      .url = "http://a.test",
					      .arc = "2.999.1",
					      .signer_user = "",
					      .front_user = "",
					      .validator_user = "",
					      .https = https,
					      .http = NULL,
					      .names = names };
	auto_buf text = BUF_INIT;
	struct error err = ERR_INIT;
	ca_config_write(&t, &text);
	auto_ca_config *c = load(buf_bytes(&text), &err);
	CHECK_OK(c != NULL, &err);
	CHECK_TEXT(c->tokens[0].module, t.module);
}

static void show_says_every_value_and_deviations_last(void)
{
	auto_ca_config *c = load_good();
	auto_buf out = BUF_INIT;
	ca_config_print(c, &out);
	const char *text = buf_text(&out);
	CHECK(strstr(text, "arc = 2.999.1\n") == text);
	CHECK(strstr(text, "profile server-dv.days = 90\n") != NULL);
	CHECK(strstr(text, "token issuing.pin = file:token/issuing.pin\n") != NULL);
	const char *deviation = strstr(text, "waiver profile server-dv.internal-names = ");
	REQUIRE(deviation != NULL);
	CHECK(strstr(deviation, "audit.token") == NULL);
}

/* ---- the file ---- */

static void refuses_what_libconfuse_lets_pass(void)
{
	static const struct change changes[] = {
		{ "days = 90", "days = 90\n\tdays = 91", "twice" },
		{ "wildcards = true", "wildcards = true\n\tsuffixes = { \"a.test\" }", "twice" },
		{ "audit {", "audit {\n}\naudit {", "twice" },
		{ "profile \"peer\"", "profile \"client\"", "twice" },
		{ "\"ca1\"", "\"${HOME}\"", "${...}" },
		{ "\"ca1\"", "${HOME}", "${...}" },
		{ "head-minutes = 60\n}", "head-minutes = 60\n", "never closed" },
		{ "days = 90", "days = \"90", "does not end" },
		{ "days = 90", "/* days = 90", "does not end" },
		{ "days = 90", "days = 010", "010" },
		{ "days = 90", "days = 0x10", "0x10" },
	};
	EACH_REFUSED(changes);
}

static void a_message_names_the_line(void)
{
	refused_at_its_line("days = 90", "days = 40000", 0);
	refused_at_its_line("days = 90", "dayz = 90", 0);
	refused_at_its_line("days = 90", "days = 90\n\tdays = 91", 1);
	refused_at_its_line("parent = \"root-1\"", "parent = \"root-9\"", 0);
	refused_at_its_line("\".test\"", "\"*.test\"", 0);
	refused_at_its_line("online = false", "online = perhaps", 0);
}

static void refuses_what_is_unknown_or_of_another_type(void)
{
	static const struct change changes[] = {
		{ "days = 90", "dayz = 90", "dayz" },
		{ "audit {", "audits {", "audits" },
		{ "days = 90", "days = -1", "-1" },
		{ "days = 90", "days = 9.5", "9.5" },
		{ "days = 90", "days = 36501", "36501" },
		{ "days = 90", "days = 99999999999999999999", "99999999999999999999" },
		{ "kind = \"peer\"", "kind = \"gold\"", "gold" },
		{ "kind = \"peer\"", "", "kind" },
		{ "log-level = \"info\"", "log-level = \"loud\"", "loud" },
		{ "\"ca1\"", "{ \"ca1\" }", "" },
		{ "profile \"peer\"", "profile", "title" },
		{ "profile \"peer\"", "profile \"\"", "name" },
		{ "profile \"peer\"", "profile \"../x\"", "name" },
		{ "profile \"peer\"", "profile \".x\"", "name" },
	};
	EACH_REFUSED(changes);
}

static void refuses_a_file_that_is_none(void)
{
	static const char *const texts[] = { "", "# nothing\n", "}", "{{{{{{{{", "arc = ", "process { listen { } }" };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct error err = ERR_INIT;
		auto_ca_config *c = load(bytes_of(texts[i]), &err);
		CHECK(c == NULL);
		CHECK_INT(err.code, ERR_CONFIG);
	}
	struct error err = ERR_INIT;
	auto_ca_config *with_nul = load(BYTES("arc = \"2.999.1\"\0", 16), &err);
	CHECK(with_nul == NULL);
	CHECK_FAILS(ca_config_load(unit_path("missing"), &err) == NULL, &err, ERR_NOT_FOUND);
}

static void never_crashes_on_a_file_cut_or_changed_anywhere(void)
{
	auto_buf text = BUF_INIT;
	good_text(&text);
	for (size_t len = 0; len < text.len; len += 31) {
		struct error err = ERR_INIT;
		auto_ca_config *c = load(BYTES(text.data, len), &err);
		CHECK(c != NULL || err.code == ERR_CONFIG);
	}
	for (size_t at = 0; at < text.len; at += 19) {
		struct error err = ERR_INIT;
		uint8_t was = text.data[at];
		text.data[at] = (uint8_t)(was ^ (1U << at % 8));
		auto_ca_config *c = load(buf_bytes(&text), &err);
		CHECK(c != NULL || err.code == ERR_CONFIG);
		text.data[at] = was;
	}
}

/* ---- what belongs together ---- */

static void a_pin_is_never_in_the_file_nor_in_the_message(void)
{
	auto_buf text = BUF_INIT;
	struct error err = ERR_INIT;
	int line = 0;
	changed_text("file:token/issuing.pin", "13371337", &text, &line);
	auto_ca_config *c = load(buf_bytes(&text), &err);
	CHECK(c == NULL && strstr(err.message, "pin") && !strstr(err.message, "13371337"));
	buf_clear(&text);
	changed_text("pkcs11:token=issuing", "pkcs11:token=issuing?pin-value=13371337", &text, &line);
	auto_ca_config *other = load(buf_bytes(&text), &err);
	CHECK(other == NULL && !strstr(err.message, "13371337"));
}

static void references_lead_somewhere(void)
{
	static const struct change changes[] = {
		{ "token = \"issuing\"\n\tkey", "token = \"nowhere\"\n\tkey", "nowhere" },
		{ "parent = \"root-1\"", "parent = \"nowhere\"", "nowhere" },
		{ "parent = \"root-1\"", "parent = \"issuing-1\"", "root" },
		{ "issuer = \"issuing-1\"", "issuer = \"nowhere\"", "nowhere" },
		{ "profiles = { \"server-dv\"", "profiles = { \"nowhere\"", "nowhere" },
	};
	EACH_REFUSED(changes);
}

static void a_root_signs_intermediates_and_nothing_else(void)
{
	static const struct change changes[] = {
		{ "issuer = \"issuing-1\"", "issuer = \"root-1\"", "root" },
		{ "issuer = \"root-1\"", "issuer = \"issuing-1\"", "root" },
	};
	EACH_REFUSED(changes);
}

static void a_key_has_one_use(void)
{
	static const struct change changes[] = {
		{ "key = \"pkcs11:object=audit-1\"", "key = \"pkcs11:object=issuing-1\"", "one use" },
		{ "token = \"root\"\n\tkey = \"pkcs11:object=root-1\"",
		  "token = \"issuing\"\n\tkey = \"pkcs11:object=issuing-1\"", "one use" },
	};
	EACH_REFUSED(changes);
}

#define ISSUING(key) "token = \"issuing\"\n\tkey = \"pkcs11:" key "\""
#define OTHERS(names) "\n\talternatives = { " names " }"

static void alternatives_are_other_tokens_with_the_same_key_and_no_other_use(void)
{
	static const char from[] = ISSUING("object=issuing-1");
	static const char *const wrong[] = { "\"nowhere\"", "\"issuing\"", "\"root\", \"root\"",
					     "\"a\", \"b\", \"c\", \"d\"" };
	static const struct change uses[] = {
		{ from, ISSUING("object=root-1") OTHERS("\"root\""), "one use" },
		{ from, "token = \"root\"\n\tkey = \"pkcs11:object=audit-1\"" OTHERS("\"issuing\""), "one use" },
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char to[200];
		(void)snprintf(to, sizeof(to), "%s" OTHERS("%s"), from, wrong[i]);
		refused_at_its_line(from, to, 2);
	}
	refused_at_its_line(from, ISSUING("token=issuing;object=issuing-1") OTHERS("\"root\""), 1);
	refused_at_its_line(from, ISSUING("serial=1;object=issuing-1") OTHERS("\"root\""), 1);
	refused_at_its_line(from, ISSUING("slot-id=1;object=issuing-1") OTHERS("\"root\""), 1);
	EACH_REFUSED(uses);
}

static void who_waits_for_a_token_waits_less_than_the_request_may_take(void)
{
	refused_at_its_line("log-level = \"info\"", "signing-wait-seconds = 30", 0);
	auto_buf text = BUF_INIT;
	struct error err = ERR_INIT;
	int line = 0;
	changed_text("listen {", "listen {\n\trequest-seconds = 5", &text, &line);
	auto_ca_config *hasty = load(buf_bytes(&text), &err);
	CHECK_OK(hasty != NULL, &err);
	CHECK_INT(hasty->process.signing_wait_seconds, 4);
}

static void the_cas_own_profiles_are_granted_to_nobody(void)
{
	static const struct change changes[] = {
		{ "profiles = { \"server-dv\"", "profiles = { \"intermediate\"", "intermediate" },
		{ "profiles = { \"server-dv\"", "profiles = { \"front\"", "front" },
		{ "kind = \"intermediate\"", "kind = \"intermediate\"\n\tinternal = false", "internal" },
	};
	EACH_REFUSED(changes);
}

static void the_public_url_and_the_arc_are_what_verifiers_can_use(void)
{
	static const struct change changes[] = {
		{ "http://pki.test", "https://pki.test", "http://" },
		{ "http://pki.test", "http://pki.test/", "http://" },
		{ "http://pki.test", "http://pki.test?x", "http://" },
		{ "http://pki.test", "http://me@pki.test", "http://" },
		{ "http://pki.test", "http://", "http://" },
		{ "\"2.999.1\"", "\"2.25.1\"", "2.25" },
		{ "\"2.999.1\"", "\"hello\"", "hello" },
	};
	EACH_REFUSED(changes);
}

static void the_front_has_names_of_its_own_once_each(void)
{
	static const struct change changes[] = {
		{ "names = { \"localhost\", \"127.0.0.1\", \"::1\" }", "names = { }", "name" },
		{ "\"::1\" }", "\"*.a.test\" }", "wildcard" },
		{ "\"::1\" }", "\"a..test\" }", "names" },
		{ "\"127.0.0.1:8443\"", "\"127.0.0.1\"", "PORT" },
		{ "\"127.0.0.1:8443\"", "\"127.0.0.1:70000\"", "PORT" },
		{ "\"127.0.0.1:8443\"", "\"::1:8443\"", "PORT" },
	};
	EACH_REFUSED(changes);
	auto_buf text = BUF_INIT;
	struct error err = ERR_INIT;
	int line = 0;
	changed_text("\"::1\" }", "\"0:0::1\", \"LocalHost\", \"b.test\", \"::1\" }", &text, &line);
	auto_ca_config *c = load(buf_bytes(&text), &err);
	CHECK_OK(c != NULL, &err);
	static const char *const settled[] = { "localhost", "127.0.0.1", "::1", "b.test" };
	REQUIRE(c->listen.names.count == 4);
	for (size_t i = 0; i < 4; i++)
		CHECK_TEXT(c->listen.names.items[i], settled[i]);
}

static void refuses_grants_that_are_not_what_they_seem(void)
{
	static const struct change changes[] = {
		{ "\".test\"", "\"*.test\"", "*.test" },
		{ "\".test\"", "\".TEST\"", ".TEST" },
		{ "\".test\"", "\".\"", "suffixes" },
		{ "\".test\"", "\"\"", "suffixes" },
		{ "\"10.0.0.0/8\"", "\"10.0.0.1/8\"", "10.0.0.1/8" },
		{ "\"10.0.0.0/8\"", "\"10.0.0.0/33\"", "10.0.0.0/33" },
		{ "\"10.0.0.0/8\"", "\"10.0.0.0/\"", "10.0.0.0/" },
		{ "\"10.0.0.0/8\"", "\"ten/8\"", "ten" },
		{ "common-names = { \"*\" }", "common-names = { \"a*b\" }", "a*b" },
		{ "common-names = { \"*\" }", "common-names = { \"*a*\" }", "*a*" },
	};
	EACH_REFUSED(changes);
}

/* An intermediate that lacked one would make its leaf's policy count for nothing (RFC 5280 section 6.1). */
static void an_intermediate_has_the_policies_of_all_below_it(void)
{
	auto_ca_config *c = load_good();
	const struct ca_profile *intermediate = ca_config_profile(c, "intermediate");
	for (size_t i = 0; i < c->profile_count; i++)
		for (size_t n = 0; n < c->profiles[i].policy_count; n++) {
			bool found = false;
			for (size_t k = 0; k < intermediate->policy_count; k++)
				found = found || bytes_equal(buf_bytes(&intermediate->policies[k]),
							     buf_bytes(&c->profiles[i].policies[n]));
			CHECK(found);
		}
	CHECK_INT(intermediate->policy_count, 5);
}

/* ---- asking ---- */

static void a_request_gets_requesters_profiles_alone(void)
{
	auto_ca_config *c = load_good();
	struct error err = ERR_INIT;
	CHECK(ca_config_profile_for_request(c, bytes_of("server-dv"), &err) == ca_config_profile(c, "server-dv"));
	CHECK_FAILS(ca_config_profile_for_request(c, bytes_of("front"), &err) == NULL, &err, ERR_PROFILE_UNKNOWN);
	CHECK_TEXT(err.member, "profile");
	CHECK_TEXT(err.allowed, "server-dv, server-ov, server-ev, client, peer, short-lived");
	CHECK_FAILS(ca_config_profile_for_request(c, BYTES_NONE, &err) == NULL, &err, ERR_PROFILE_UNKNOWN);
	CHECK_FAILS(ca_config_profile_for_request(c, BYTES("server-dv\0", 10), &err) == NULL, &err,
		    ERR_PROFILE_UNKNOWN);
}

/* Asks for one printed name ("dns:x") under the profile. */
static int ask(const struct ca_config *c, const char *identity, const char *profile, const char *printed,
	       const char *common_name, struct error *err)
{
	auto_ca_names names = CA_NAMES_INIT;
	struct ca_name name;
	if (printed) {
		CHECK_OK(ca_name_parse(bytes_of(printed), &name, err) == 0, err);
		CHECK_OK(ca_names_add(&names, &name, 10, err) == 0, err);
	}
	return ca_config_granted(c, identity, ca_config_profile(c, profile), &names, common_name, err);
}

static void a_grant_is_exact_to_the_label(void)
{
	static const char *const granted[] = { "dns:localhost",     "dns:a.localhost", "dns:a.test",
					       "dns:a.b.test",      "dns:*.a.test",    "dns:x.internal",
					       "dns:x.home.arpa",   "dns:*.home.arpa", "dns:*.a.localhost",
					       "ip:127.0.0.1",      "ip:127.255.0.9",  "ip:10.1.2.3",
					       "ip:172.31.255.255", "ip:192.168.7.7",  "ip:::1",
					       "ip:fd00::1" };
	static const char *const refused[] = {
		"dns:test",   "dns:eviltest",  "dns:a.test.com", "dns:internal", "dns:example.com", "dns:xlocalhost",
		"ip:8.8.8.8", "ip:172.32.0.1", "ip:11.0.0.1",    "ip:fe80::1",   "ip:::2",          "ip:2001:db8::1"
	};
	auto_ca_config *c = load_good();
	for (size_t i = 0; i < sizeof(granted) / sizeof(granted[0]); i++) {
		struct error err = ERR_INIT;
		CHECK_OK(ask(c, "admin", "server-dv", granted[i], "", &err) == 0, &err);
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct error err = ERR_INIT;
		CHECK_FAILS(ask(c, "admin", "server-dv", refused[i], "", &err), &err, ERR_NAME_NOT_ALLOWED);
		CHECK_TEXT(err.value, strchr(refused[i], ':') + 1);
		CHECK(err.allowed[0] != '\0');
	}
}

static void a_grant_is_for_its_identities_and_profiles_alone(void)
{
	auto_ca_config *c = load_good();
	struct error err = ERR_INIT;
	CHECK_FAILS(ask(c, "alice", "server-dv", "dns:a.test", "", &err), &err, ERR_NAME_NOT_ALLOWED);
	CHECK_FAILS(ask(c, "admi", "server-dv", "dns:a.test", "", &err), &err, ERR_NAME_NOT_ALLOWED);
	CHECK_FAILS(ask(c, "", "server-dv", "dns:a.test", "", &err), &err, ERR_NAME_NOT_ALLOWED);
	CHECK_FAILS(ask(c, "admin", "front", "dns:a.test", "", &err), &err, ERR_NAME_NOT_ALLOWED);
}

/* The configuration with a second grant, to alice. */
static struct ca_config *with_grant(const char *options)
{
	auto_buf text = BUF_INIT;
	struct error err = ERR_INIT;
	good_text(&text);
	buf_printf(&text,
		   "grant \"alice\" {\n\tidentities = { \"alice\" }\n\tprofiles = { \"server-dv\", \"client\" }\n%s}\n",
		   options);
	struct ca_config *c = load(buf_bytes(&text), &err);
	CHECK_OK(c != NULL, &err);
	return c;
}

/* PKI.md section 2: never over a public suffix, but for the zone that was granted itself. */
static void a_wildcard_needs_the_grant_to_say_so(void)
{
	struct error err = ERR_INIT;
	auto_ca_config *plain = with_grant("\tsuffixes = { \"alice.test\", \".alice.test\" }\n");
	CHECK_OK(ask(plain, "alice", "server-dv", "dns:alice.test", "", &err) == 0, &err);
	CHECK_OK(ask(plain, "alice", "server-dv", "dns:www.alice.test", "", &err) == 0, &err);
	CHECK_FAILS(ask(plain, "alice", "server-dv", "dns:*.alice.test", "", &err), &err, ERR_NAME_NOT_ALLOWED);
	CHECK_TEXT(err.value, "*.alice.test");
	auto_ca_config *broad = with_grant("\tsuffixes = { \".uk\" }\n\twildcards = true\n");
	CHECK_OK(ask(broad, "alice", "server-dv", "dns:*.example.co.uk", "", &err) == 0, &err);
	CHECK_FAILS(ask(broad, "alice", "server-dv", "dns:*.co.uk", "", &err), &err, ERR_NAME_NOT_ALLOWED);
	auto_ca_config *zone = with_grant("\tsuffixes = { \".co.uk\" }\n\twildcards = true\n");
	CHECK_OK(ask(zone, "alice", "server-dv", "dns:*.co.uk", "", &err) == 0, &err);
	auto_ca_config *exact = with_grant("\tsuffixes = { \"alice.test\" }\n\twildcards = true\n");
	CHECK_FAILS(ask(exact, "alice", "server-dv", "dns:*.alice.test", "", &err), &err, ERR_NAME_NOT_ALLOWED);
	CHECK_FAILS(ask(exact, "alice", "server-dv", "dns:www.alice.test", "", &err), &err, ERR_NAME_NOT_ALLOWED);
}

static void a_clients_common_name_is_what_the_grant_allows(void)
{
	struct error err = ERR_INIT;
	auto_ca_config *c = with_grant("\tcommon-names = { \"alice*\", \"*.svc\", \"exact\" }\n");
	static const char *const granted[] = { "alice", "alice laptop", "a.svc", ".svc", "exact" };
	static const char *const refused[] = { "bob laptop", "malice", "svc", "exact ", "exac", "*" };
	for (size_t i = 0; i < sizeof(granted) / sizeof(granted[0]); i++)
		CHECK_OK(ask(c, "alice", "client", NULL, granted[i], &err) == 0, &err);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		CHECK_FAILS(ask(c, "alice", "client", NULL, refused[i], &err), &err, ERR_NAME_NOT_ALLOWED);
		CHECK_TEXT(err.value, refused[i]);
		CHECK_TEXT(err.allowed, "alice*, *.svc, exact");
	}
	CHECK_OK(ask(c, "admin", "client", NULL, "Anybody At All", &err) == 0, &err);
	CHECK_FAILS(ask(c, "admin", "server-dv", "dns:a.test", "b.test", &err), &err, ERR_NAME_NOT_ALLOWED);
	CHECK_OK(ask(c, "admin", "server-dv", "dns:a.test", "a.test", &err) == 0, &err);
}

static void mail_is_granted_by_its_domain(void)
{
	struct error err = ERR_INIT;
	auto_ca_config *c = with_grant("\tsuffixes = { \"alice.test\" }\n");
	CHECK_OK(ask(c, "alice", "client", "email:me@alice.test", "", &err) == 0, &err);
	CHECK_FAILS(ask(c, "alice", "client", "email:me@x.alice.test", "", &err), &err, ERR_NAME_NOT_ALLOWED);
	CHECK_FAILS(ask(c, "alice", "client", "email:alice.test@bob.test", "", &err), &err, ERR_NAME_NOT_ALLOWED);
	CHECK_OK(ask(c, "alice", "client", "uri:https://alice.test/x", "", &err) == 0, &err);
	CHECK_FAILS(ask(c, "alice", "client", "uri:https://bob.test/alice.test", "", &err), &err, ERR_NAME_NOT_ALLOWED);
	CHECK_FAILS(ask(c, "alice", "client", "uri:urn:alice.test", "", &err), &err, ERR_NAME_NOT_ALLOWED);
}

/* BR 4.2.2 */
static void internal_names_need_their_waiver(void)
{
	auto_buf text = BUF_INIT;
	struct error err = ERR_INIT;
	int line = 0;
	changed_text("common-name = true\n\twaivers = { \"internal-names\" }", "common-name = true", &text, &line);
	buf_add_text(&text, "grant \"public\" {\n\tidentities = { \"admin\" }\n\tprofiles = { \"server-dv\" }\n"
			    "\tsuffixes = { \".example.com\" }\n\tnetworks = { \"192.0.2.0/24\" }\n}\n");
	auto_ca_config *c = load(buf_bytes(&text), &err);
	CHECK_OK(c != NULL, &err);
	CHECK_OK(ask(c, "admin", "server-dv", "dns:www.example.com", "", &err) == 0, &err);
	CHECK_FAILS(ask(c, "admin", "server-dv", "dns:a.test", "", &err), &err, ERR_NAME_NOT_ALLOWED);
	CHECK_FAILS(ask(c, "admin", "server-dv", "ip:10.0.0.1", "", &err), &err, ERR_NAME_NOT_ALLOWED);
	CHECK_OK(ask(c, "admin", "peer", "dns:a.test", "", &err) == 0, &err);
}

SUITE(config)
{
	TEST(what_init_writes_is_right);
	TEST(a_validator_without_a_user_of_its_own_runs_as_the_front);
	TEST(an_offline_root_has_no_token_here);
	TEST(a_path_with_quotes_survives);
	TEST(show_says_every_value_and_deviations_last);
	TEST(refuses_what_libconfuse_lets_pass);
	TEST(a_message_names_the_line);
	TEST(refuses_what_is_unknown_or_of_another_type);
	TEST(refuses_a_file_that_is_none);
	TEST(never_crashes_on_a_file_cut_or_changed_anywhere);
	TEST(a_pin_is_never_in_the_file_nor_in_the_message);
	TEST(references_lead_somewhere);
	TEST(a_root_signs_intermediates_and_nothing_else);
	TEST(a_key_has_one_use);
	TEST(alternatives_are_other_tokens_with_the_same_key_and_no_other_use);
	TEST(who_waits_for_a_token_waits_less_than_the_request_may_take);
	TEST(the_cas_own_profiles_are_granted_to_nobody);
	TEST(the_public_url_and_the_arc_are_what_verifiers_can_use);
	TEST(the_front_has_names_of_its_own_once_each);
	TEST(refuses_grants_that_are_not_what_they_seem);
	TEST(an_intermediate_has_the_policies_of_all_below_it);
	TEST(a_request_gets_requesters_profiles_alone);
	TEST(a_grant_is_exact_to_the_label);
	TEST(a_grant_is_for_its_identities_and_profiles_alone);
	TEST(a_wildcard_needs_the_grant_to_say_so);
	TEST(a_clients_common_name_is_what_the_grant_allows);
	TEST(mail_is_granted_by_its_domain);
	TEST(internal_names_need_their_waiver);
}
