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
		{ "kind = \"peer\"", "kind = \"cross\"", "cross" }, /* of ceremonies alone */
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

static const char follower[] = "issuer \"issuing-2\" {\n\ttoken = \"issuing\"\n\tkey = \"pkcs11:object=issuing-2\"\n"
			       "\tparent = \"root-1\"\n\tfollows = \"%s\"\n}\n"
			       "issuer \"issuing-3\" {\n\ttoken = \"issuing\"\n\tkey = \"pkcs11:object=issuing-3\"\n"
			       "\tparent = \"root-2\"\n\tfollows = \"%s\"\n}\n"
			       "issuer \"root-2\" { follows = \"%s\" }\n"
			       "profile \"intermediate-2\" {\n\tkind = \"intermediate\"\n\tissuer = \"root-2\"\n}\n";

/* A line of issuers; who follows whom in each. */
static struct ca_config *load_line(const char *second, const char *third, const char *root, struct error *err)
{
	auto_buf text = BUF_INIT;
	good_text(&text);
	buf_printf(&text, follower, second, third, root);
	return load(buf_bytes(&text), err);
}

static void issuers_follow_one_another(void)
{
	struct error err = ERR_INIT;
	auto_ca_config *c = load_line("issuing-1", "issuing-2", "root-1", &err);
	CHECK_OK(c != NULL, &err);
	CHECK_TEXT(ca_config_follower(c, "issuing-1")->name, "issuing-2");
	CHECK_TEXT(ca_config_follower(c, "issuing-2")->name, "issuing-3");
	CHECK(ca_config_follower(c, "issuing-3") == NULL && ca_config_follower(c, "") == NULL);
	CHECK_TEXT(ca_config_follower(c, "root-1")->name, "root-2");
	/* What the last of them will certify, the new root's intermediates may. */
	const struct ca_profile *one = ca_config_profile(c, "intermediate"),
				*two = ca_config_profile(c, "intermediate-2");
	CHECK_INT(two->policy_count, one->policy_count);
	CHECK_BYTES(buf_bytes(&two->ext_key_usage), buf_bytes(&one->ext_key_usage));
}

static void refuses_lines_of_issuers_that_are_none(void)
{
	static const struct {
		const char *second, *third, *root, *says;
	} lines[] = {
		{ "issuing-9", "", "", "there is no issuer" },
		{ "root-1", "", "", "a root follows a root" },
		{ "", "", "issuing-1", "a root follows a root" },
		{ "issuing-1", "issuing-1", "", "is followed by issuer" },
		{ "issuing-2", "", "", "leads back to it" },
		{ "issuing-3", "issuing-2", "", "leads back to it" },
	};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct error err = ERR_INIT;
		auto_ca_config *c = load_line(lines[i].second, lines[i].third, lines[i].root, &err);
		CHECK_FAILS(c == NULL, &err, ERR_CONFIG);
		CHECK_TEXT(strstr(err.message, lines[i].says) ? lines[i].says : err.message, lines[i].says);
		CHECK(strstr(err.message, "follows") != NULL);
	}
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
	TEST(issuers_follow_one_another);
	TEST(refuses_lines_of_issuers_that_are_none);
}
