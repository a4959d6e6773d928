/* The methods of DNS, and CAA's climbing, against a played resolver. */
#include "tests/unit/validate/rig.h"

#include <stdio.h>

static struct rig_dns *dns;
static struct ca_config *config;

static void open_rig(void)
{
	dns = rig_dns_start();
	config = rig_config(dns, "127.0.0.1", 80);
}

static void close_rig(void)
{
	rig_config_free(config);
	rig_dns_stop(dns);
}

typedef void method(struct job *job, const struct message_validate *ask, struct attempt *attempt);

static void tried(method *run, const char *name, bool parents, const char *code, const char *says)
{
	struct attempt attempt = rig_try(config, run, name, parents, 10000);
	CHECK_TEXT(attempt.code, code);
	CHECK_TEXT(strstr(buf_text(&attempt.text), says) ? says : buf_text(&attempt.text), says);
	buf_free(&attempt.text);
}

#define AT "_chancery-challenge."
#define ALIAS "_abcdefghijklmnop."

static void txt_is_shown_by_its_one_string(void)
{
	open_rig();
	rig_dns_txt(dns, AT "one.example.test", "v=spf1 -all");
	rig_dns_txt(dns, AT "one.example.test", RIG_VALUE);
	tried(dns_txt_try, "dns:one.example.test", false, "ok",
	      "TXT at " AT "one.example.test: \"" RIG_VALUE "\" (from 127.0.0.1:");
	tried(dns_txt_try, "dns:*.one.example.test", false, "ok", AT "one.example.test");
	auto_buf split = BUF_INIT;
	buf_u8(&split, 26);
	buf_add(&split, RIG_VALUE, 26);
	buf_u8(&split, 26);
	buf_add(&split, &RIG_VALUE[26], 26);
	rig_dns_add(dns, AT "two.example.test", DNS_TXT, buf_bytes(&split));
	tried(dns_txt_try, "dns:two.example.test", false, "wrong-value", "found");
	close_rig();
}

static void txt_at_the_end_of_an_alias_counts(void)
{
	open_rig();
	rig_dns_cname(dns, AT "a.example.test", "b.elsewhere.test");
	rig_dns_txt(dns, "b.elsewhere.test", RIG_VALUE);
	tried(dns_txt_try, "dns:a.example.test", false, "ok", RIG_VALUE);
	close_rig();
}

static void what_an_alias_leads_to_is_asked_for_where_the_resolver_leaves_it(void)
{
	open_rig();
	dns->leaves_aliases = true;
	rig_dns_cname(dns, AT "a.example.test", "b.elsewhere.test");
	rig_dns_cname(dns, "b.elsewhere.test", "c.elsewhere.test");
	rig_dns_txt(dns, "c.elsewhere.test", RIG_VALUE);
	tried(dns_txt_try, "dns:a.example.test", false, "ok", RIG_VALUE);
	CHECK_INT(rig_dns_asked(dns, "TXT c.elsewhere.test"), 1);
	rig_dns_cname(dns, AT "wrong.example.test", "wrong.elsewhere.test");
	rig_dns_txt(dns, "wrong.elsewhere.test", "other");
	tried(dns_txt_try, "dns:wrong.example.test", false, "wrong-value",
	      "found \"other\" at wrong.elsewhere.test, of which it is an alias (from 127.0.0.1:");
	rig_dns_cname(dns, AT "empty.example.test", "empty.elsewhere.test");
	rig_dns_a(dns, "empty.elsewhere.test", "192.0.2.1", 0);
	tried(dns_txt_try, "dns:empty.example.test", false, "no-record", "no TXT record at empty.elsewhere.test, of");
	rig_dns_cname(dns, AT "gone.example.test", "gone.elsewhere.test");
	tried(dns_txt_try, "dns:gone.example.test", false, "nxdomain", "NXDOMAIN from 127.0.0.1:");
	tried(dns_txt_try, "dns:gone.example.test", false, "nxdomain",
	      ", asked for gone.elsewhere.test, where an alias");
	rig_dns_cname(dns, AT "refused.example.test", "refused.elsewhere.test");
	rig_dns_fails(dns, "refused.elsewhere.test", RIG_REFUSED);
	tried(dns_txt_try, "dns:refused.example.test", false, "refused", "REFUSED from 127.0.0.1:");
	rig_dns_cname(dns, AT "circle.example.test", "circle.elsewhere.test");
	rig_dns_cname(dns, "circle.elsewhere.test", AT "circle.example.test");
	tried(dns_txt_try, "dns:circle.example.test", false, "servfail",
	      "aliases in a circle, or too many of them, from 127.0.0.1:");
	close_rig();
}

static void each_failure_of_txt_has_its_code_and_says_where(void)
{
	open_rig();
	rig_dns_txt(dns, AT "wrong.example.test", "other \"value\"\n");
	rig_dns_a(dns, AT "empty.example.test", "192.0.2.1", 0);
	rig_dns_fails(dns, AT "broken.example.test", RIG_SERVFAIL);
	rig_dns_fails(dns, AT "refused.example.test", RIG_REFUSED);
	rig_dns_fails(dns, AT "garbage.example.test", RIG_GARBAGE);
	tried(dns_txt_try, "dns:none.example.test", false, "nxdomain",
	      "TXT at " AT "none.example.test: NXDOMAIN from 127.0.0.1:");
	tried(dns_txt_try, "dns:wrong.example.test", false, "wrong-value",
	      "expected \"" RIG_VALUE "\", found \"other \\\"value\\\"\\010\" (from 127.0.0.1:");
	tried(dns_txt_try, "dns:empty.example.test", false, "no-record", "found the name, but no TXT record");
	tried(dns_txt_try, "dns:broken.example.test", false, "servfail", "SERVFAIL from 127.0.0.1:");
	tried(dns_txt_try, "dns:refused.example.test", false, "refused", "REFUSED from 127.0.0.1:");
	tried(dns_txt_try, "dns:garbage.example.test", false, "servfail", "cannot be read from 127.0.0.1:");
	close_rig();
}

static void silence_ends_with_the_jobs_deadline(void)
{
	open_rig();
	rig_dns_fails(dns, AT "silent.example.test", RIG_SILENT);
	int64_t before_ms = clock_monotonic_ms();
	struct attempt attempt = rig_try(config, dns_txt_try, "dns:silent.example.test", false, 700);
	CHECK_TEXT(attempt.code, "timeout");
	CHECK(strstr(buf_text(&attempt.text), "no answer in time from 127.0.0.1:") != NULL);
	CHECK(clock_monotonic_ms() - before_ms < 3000);
	buf_free(&attempt.text);
	close_rig();
}

static void a_resolver_that_nobody_runs_is_refused(void)
{
	open_rig();
	struct ca_config *nobody = rig_config(dns, "127.0.0.1", 80);
	rig_dns_stop(dns);
	struct attempt attempt = rig_try(nobody, dns_txt_try, "dns:x.example.test", false, 10000);
	CHECK_TEXT(attempt.code, "refused");
	CHECK(strstr(buf_text(&attempt.text), "connection refused by 127.0.0.1:") != NULL);
	buf_free(&attempt.text);
	rig_config_free(nobody);
	rig_config_free(config);
}

static void the_next_resolver_is_asked_where_one_fails(void)
{
	open_rig();
	struct rig_dns *second = rig_dns_start();
	char first_text[64], second_text[64];
	char *resolvers[] = { first_text, second_text };
	(void)snprintf(first_text, sizeof(first_text), "127.0.0.1:%u", dns->port);
	(void)snprintf(second_text, sizeof(second_text), "127.0.0.1:%u", second->port);
	config->zones[0].resolvers = (struct ca_texts){ resolvers, 2 };
	rig_dns_fails(dns, AT "a.example.test", RIG_SERVFAIL);
	rig_dns_txt(second, AT "a.example.test", RIG_VALUE);
	tried(dns_txt_try, "dns:a.example.test", false, "ok", second_text);
	rig_dns_fails(dns, AT "b.example.test", RIG_SERVFAIL);
	rig_dns_fails(second, AT "b.example.test", RIG_REFUSED);
	tried(dns_txt_try, "dns:b.example.test", false, "refused", "SERVFAIL from");
	/* That a name is not there is an answer. */
	tried(dns_txt_try, "dns:c.example.test", false, "nxdomain", first_text);
	CHECK_INT(rig_dns_asked(second, "TXT " AT "c.example.test"), 0);
	/* And what an alias leads to may be another one's to know. */
	dns->leaves_aliases = true;
	rig_dns_cname(dns, AT "d.example.test", "d.elsewhere.test");
	rig_dns_fails(dns, "d.elsewhere.test", RIG_REFUSED);
	rig_dns_txt(second, "d.elsewhere.test", RIG_VALUE);
	tried(dns_txt_try, "dns:d.example.test", false, "ok", second_text);
	rig_dns_stop(second);
	close_rig();
}

static void parents_are_asked_only_where_they_may_and_never_at_a_public_suffix(void)
{
	open_rig();
	rig_dns_txt(dns, AT "example.test", RIG_VALUE);
	tried(dns_txt_try, "dns:a.b.example.test", false, "nxdomain", "a.b.example.test");
	CHECK_INT(rig_dns_asked(dns, "TXT " AT "example.test"), 0);
	tried(dns_txt_try, "dns:a.b.example.test", true, "ok", "TXT at " AT "example.test:");
	CHECK_INT(rig_dns_asked(dns, "TXT " AT "b.example.test"), 1);
	rig_dns_txt(dns, AT "co.uk", RIG_VALUE);
	rig_dns_txt(dns, AT "test", RIG_VALUE);
	tried(dns_txt_try, "dns:x.shop.co.uk", true, "nxdomain", AT "shop.co.uk: NXDOMAIN");
	CHECK_INT(rig_dns_asked(dns, "TXT " AT "co.uk"), 0);
	CHECK_INT(rig_dns_asked(dns, "TXT " AT "test"), 0);
	close_rig();
}

static void cname_is_shown_by_the_value_below_the_base(void)
{
	open_rig();
	rig_dns_cname(dns, ALIAS "good.example.test", RIG_VALUE ".dcv.PKI.test");
	rig_dns_cname(dns, ALIAS "else.example.test", RIG_VALUE ".dcv.other.test");
	rig_dns_cname(dns, ALIAS "two.example.test", RIG_VALUE ".dcv.pki.test");
	rig_dns_cname(dns, ALIAS "two.example.test", "x.test");
	rig_dns_txt(dns, ALIAS "text.example.test", RIG_VALUE);
	tried(dns_cname_try, "dns:good.example.test", false, "ok",
	      "CNAME at " ALIAS "good.example.test: \"" RIG_VALUE ".dcv.pki.test\" (from 127.0.0.1:");
	tried(dns_cname_try, "dns:else.example.test", false, "wrong-value",
	      "expected \"" RIG_VALUE ".dcv.pki.test\", found \"" RIG_VALUE ".dcv.other.test\"");
	tried(dns_cname_try, "dns:two.example.test", false, "wrong-value", "found");
	tried(dns_cname_try, "dns:text.example.test", false, "no-record", "no CNAME record");
	tried(dns_cname_try, "dns:none.example.test", false, "nxdomain", "NXDOMAIN");
	config->dns_cname_base[0] = '\0';
	tried(dns_cname_try, "dns:good.example.test", false, "not-offered", "dns-cname-base");
	close_rig();
}

/* ---- CAA ---- */

static void looked_up(const char *name, uint8_t verdict, const char *says)
{
	struct job job = rig_job(config, 10000);
	const struct message_validate ask = { .name = bytes_of(name),
					      .caa = true,
					      .caa_identity = bytes_of("pki.test") };
	struct message_validated out = { .shown = 0 };
	struct ca_name parsed;
	struct error err = ERR_INIT;
	auto_buf text = BUF_INIT;
	CHECK_OK(ca_name_parse(ask.name, &parsed, &err) == 0, &err);
	caa_look_up(&job, &parsed, &ask, &out, &text);
	CHECK_INT(out.caa, verdict);
	CHECK_TEXT(strstr(buf_text(&text), says) ? says : buf_text(&text), says);
}

static void caa_is_climbed_to_the_first_set(void)
{
	open_rig();
	rig_dns_caa(dns, "example.test", "issue", "pki.test");
	rig_dns_caa(dns, "deep.example.test", "issue", "other.test");
	rig_dns_a(dns, "a.deep.example.test", "192.0.2.1", 0);
	looked_up("dns:x.example.test", 1,
		  "CAA at example.test allows: issue names this CA; found 0 issue \"pki.test\" (from");
	looked_up("dns:b.a.deep.example.test", 2, "CAA at deep.example.test forbids: no issue property names pki.test");
	looked_up("dns:*.deep.example.test", 2, "CAA at deep.example.test");
	CHECK_INT(rig_dns_asked(dns, "CAA test"), 0);
	rig_dns_a(dns, "other.test", "192.0.2.1", 0);
	looked_up("dns:www.other.test", 1, "no CAA record at www.other.test, other.test, test (from");
	CHECK_INT(rig_dns_asked(dns, "CAA "), 0);
	close_rig();
}

static void caa_of_an_alias_is_that_of_its_target(void)
{
	open_rig();
	rig_dns_cname(dns, "www.example.test", "host.elsewhere.test");
	rig_dns_caa(dns, "host.elsewhere.test", "issue", ";");
	rig_dns_caa(dns, "example.test", "issue", "pki.test");
	looked_up("dns:www.example.test", 2, "CAA at www.example.test forbids");
	close_rig();
}

static void caa_that_cannot_be_known_refuses(void)
{
	open_rig();
	rig_dns_fails(dns, "broken.example.test", RIG_SERVFAIL);
	rig_dns_caa(dns, "example.test", "issue", "pki.test");
	looked_up("dns:www.broken.example.test", 3, "cannot be known, which refuses: SERVFAIL from 127.0.0.1:");
	rig_dns_fails(dns, "refused.test", RIG_REFUSED);
	looked_up("dns:www.refused.test", 3, "CAA at refused.test cannot be known");
	close_rig();
}

static void caa_behind_an_alias_is_known_or_refuses(void)
{
	open_rig();
	dns->leaves_aliases = true;
	rig_dns_caa(dns, "example.test", "issue", "pki.test");
	rig_dns_cname(dns, "forbids.example.test", "forbids.elsewhere.test");
	rig_dns_caa(dns, "forbids.elsewhere.test", "issue", ";");
	looked_up("dns:forbids.example.test", 2, "CAA at forbids.example.test forbids");
	rig_dns_cname(dns, "refused.example.test", "refused.elsewhere.test");
	rig_dns_fails(dns, "refused.elsewhere.test", RIG_REFUSED);
	looked_up("dns:www.refused.example.test", 3,
		  "CAA at refused.example.test cannot be known, which refuses: REFUSED from 127.0.0.1:");
	looked_up("dns:refused.example.test", 3, ", asked for refused.elsewhere.test, where an alias led");
	rig_dns_cname(dns, "circle.example.test", "circle.elsewhere.test");
	rig_dns_cname(dns, "circle.elsewhere.test", "circle.example.test");
	looked_up("dns:circle.example.test", 3, "cannot be known, which refuses: aliases in a circle");
	/* Nothing at the end: the parent of the name that was asked for decides, not that of the target. */
	rig_dns_cname(dns, "empty.example.test", "empty.elsewhere.test");
	rig_dns_a(dns, "empty.elsewhere.test", "192.0.2.1", 0);
	rig_dns_caa(dns, "elsewhere.test", "issue", ";");
	looked_up("dns:empty.example.test", 1, "CAA at example.test allows");
	rig_dns_cname(dns, "gone.example.test", "gone.elsewhere.test");
	looked_up("dns:gone.example.test", 1, "CAA at example.test allows");
	close_rig();
}

static void there_is_no_caa_for_addresses(void)
{
	open_rig();
	looked_up("ip:192.0.2.1", 1, "addresses");
	CHECK_INT(dns->asked_count, 0);
	close_rig();
}

SUITE(dns)
{
	TEST(txt_is_shown_by_its_one_string);
	TEST(txt_at_the_end_of_an_alias_counts);
	TEST(what_an_alias_leads_to_is_asked_for_where_the_resolver_leaves_it);
	TEST(each_failure_of_txt_has_its_code_and_says_where);
	TEST(silence_ends_with_the_jobs_deadline);
	TEST(a_resolver_that_nobody_runs_is_refused);
	TEST(the_next_resolver_is_asked_where_one_fails);
	TEST(parents_are_asked_only_where_they_may_and_never_at_a_public_suffix);
	TEST(cname_is_shown_by_the_value_below_the_base);
	TEST(caa_is_climbed_to_the_first_set);
	TEST(caa_of_an_alias_is_that_of_its_target);
	TEST(caa_that_cannot_be_known_refuses);
	TEST(caa_behind_an_alias_is_known_or_refuses);
	TEST(there_is_no_caa_for_addresses);
}
