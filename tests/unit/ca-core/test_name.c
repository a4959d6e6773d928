#include "ca-core/name.h"

#include <stdio.h>

#include "tests/unit/unit.h"

/* ---- DNS names ---- */

static void dns_is(const char *text, const char *canonical, bool wildcard, bool underscore)
{
	struct ca_name name;
	struct error err = ERR_INIT;
	CHECK_OK(ca_name_dns(bytes_of(text), &name, &err) == 0, &err);
	CHECK_TEXT(name.text, canonical);
	CHECK_INT(name.wildcard, wildcard);
	CHECK_INT(name.underscore, underscore);
	CHECK_INT(name.type, CA_NAME_DNS);
}

static void dns_refused(struct bytes text, const char *says)
{
	struct ca_name name;
	struct error err = ERR_INIT;
	CHECK_FAILS(ca_name_dns(text, &name, &err) != 0, &err, ERR_BAD_NAME);
	if (!strstr(err.message, says))
		CHECK_TEXT(err.message, says);
	CHECK_TEXT(err.member, "name");
}

static void repeat(struct buf *out, char c, size_t count)
{
	for (size_t i = 0; i < count; i++)
		buf_u8(out, (uint8_t)c);
}

static void accepts_host_names_in_lower_case(void)
{
	dns_is("www.example.test", "www.example.test", false, false);
	dns_is("WWW.Example.TEST", "www.example.test", false, false);
	dns_is("localhost", "localhost", false, false);
	dns_is("a-b--c.test", "a-b--c.test", false, false);
	dns_is("3com.test", "3com.test", false, false);
	dns_is("_dmarc.a.test", "_dmarc.a.test", false, true);
	dns_is("*.a.test", "*.a.test", true, false);
	dns_is("1.2.3.4.test", "1.2.3.4.test", false, false);
}

static void accepts_a_labels_of_idna2008(void)
{
	dns_is("xn--bcher-kva.test", "xn--bcher-kva.test", false, false);
	dns_is("XN--Bcher-KVA.test", "xn--bcher-kva.test", false, false);
	dns_is("xn--fa-hia.test", "xn--fa-hia.test", false, false); /* with sharp s: valid since IDNA2008 */
}

static void refuses_a_labels_that_are_none(void)
{
	dns_refused(bytes_of("xn--a.test"), "A-label");
	dns_refused(bytes_of("xn--.test"), "");
	dns_refused(bytes_of("xn--abc.test"), "A-label"); /* decodes to nothing that is ASCII-free */
	dns_refused(bytes_of("xn--9ca.xn--zz.test"), "A-label");
	dns_refused(bytes_of("ab--cd.test"), "hyphens in third and fourth place");
}

static void refuses_what_is_not_ascii(void)
{
	dns_refused(bytes_of("b\xc3\xbc"
			     "cher.test"),
		    "ASCII");
	dns_refused(BYTES("a.test\0.evil", 12), "NUL");
	dns_refused(bytes_of("a b.test"), "letters, digits, hyphens");
	dns_refused(bytes_of("a\n.test"), "letters, digits, hyphens");
}

static void refuses_bad_labels(void)
{
	auto_buf label = BUF_INIT, longest = BUF_INIT, name = BUF_INIT;
	repeat(&label, 'a', 64);
	buf_add_text(&label, ".test");
	dns_refused(buf_bytes(&label), "63");
	repeat(&longest, 'a', 63);
	buf_add_text(&longest, ".test");
	dns_is(buf_text(&longest), buf_text(&longest), false, false);
	for (size_t i = 0; i < 63; i++)
		buf_add_text(&name, "aaa.");
	buf_add_text(&name, "b");
	dns_is(buf_text(&name), buf_text(&name), false, false); /* 253 */
	buf_add_text(&name, "b");
	dns_refused(buf_bytes(&name), "253");
	dns_refused(bytes_of("a..test"), "empty label");
	dns_refused(bytes_of(".a.test"), "empty label");
	dns_refused(bytes_of("-a.test"), "hyphen");
	dns_refused(bytes_of("a-.test"), "hyphen");
	dns_refused(bytes_of("a.test."), "dot");
	dns_refused(bytes_of("."), "dot");
	dns_refused(BYTES_NONE, "empty");
}

static void refuses_wildcards_but_as_the_whole_first_label(void)
{
	dns_refused(bytes_of("*"), "wildcard");
	dns_refused(bytes_of("*."), "dot");
	dns_refused(bytes_of("*.*.test"), "wildcard");
	dns_refused(bytes_of("a.*.test"), "wildcard");
	dns_refused(bytes_of("f*o.test"), "wildcard");
	dns_refused(bytes_of("*a.b.test"), "wildcard");
	dns_refused(bytes_of("**.b.test"), "wildcard");
}

static void refuses_wildcard_below_second_label(void)
{
	dns_refused(bytes_of("*.test"), "two labels");
	dns_refused(bytes_of("*.localhost"), "two labels");
}

static void refuses_what_belongs_elsewhere(void)
{
	dns_refused(bytes_of("127.0.0.1"), "address");
	dns_refused(bytes_of("127.1"), "address");
	dns_refused(bytes_of("1.2.3.0x7f"), "address");
	dns_refused(bytes_of("2130706433"), "address");
	dns_refused(bytes_of("*.0.0.1"), "address");
	dns_refused(bytes_of("::1"), "URL");
	dns_refused(bytes_of("https://a.test/"), "URL");
	dns_refused(bytes_of("a.test:443"), "port");
	dns_refused(bytes_of("me@a.test"), "mail");
}

static void shows_a_hostile_name_without_its_harm(void)
{
	struct ca_name name;
	struct error err = ERR_INIT;
	CHECK(ca_name_dns(BYTES("a\x1b[31m\0b.test", 13), &name, &err) != 0);
	CHECK(strchr(err.message, 0x1b) == NULL);
	CHECK(strstr(err.value, "\\0b.test") != NULL);
}

/* ---- public suffixes, internal names ---- */

static void knows_where_a_wildcard_would_cover_strangers(void)
{
	CHECK(ca_name_wildcard_base_allowed("example.com"));
	CHECK(ca_name_wildcard_base_allowed("a.test"));
	CHECK(ca_name_wildcard_base_allowed("example.co.uk"));
	CHECK(!ca_name_wildcard_base_allowed("com"));
	CHECK(!ca_name_wildcard_base_allowed("co.uk"));
	CHECK(!ca_name_wildcard_base_allowed("github.io")); /* the private section counts */
	CHECK(!ca_name_wildcard_base_allowed("test"));
}

static bool is_internal(const char *printed)
{
	struct ca_name name;
	struct error err = ERR_INIT;
	CHECK_OK(ca_name_parse(bytes_of(printed), &name, &err) == 0, &err);
	return ca_name_is_internal(&name);
}

static void tells_internal_names_from_public_ones(void)
{
	static const char *const internal[] = {
		"dns:a.test", "dns:localhost", "dns:a.localhost", "dns:a.internal", "dns:a.home.arpa", "dns:home.arpa",
		"dns:host",   "dns:a.invalid", "ip:10.1.2.3",     "ip:127.0.0.1",   "ip:192.168.1.1",  "ip:172.31.0.1",
		"ip:::1",     "ip:fd00::1",    "ip:fe80::1",      "ip:169.254.0.1"
	};
	static const char *const public[] = { "dns:example.com", "dns:*.example.co.uk",     "ip:8.8.8.8",
					      "ip:172.32.0.1",   "ip:2001:4860:4860::8888", "email:a@b.test" };
	for (size_t i = 0; i < sizeof(internal) / sizeof(internal[0]); i++)
		if (!is_internal(internal[i]))
			CHECK_TEXT("public", internal[i]);
	for (size_t i = 0; i < sizeof(public) / sizeof(public[0]); i++)
		if (is_internal(public[i]))
			CHECK_TEXT("internal", public[i]);
	CHECK(is_internal("dns:a.test"));
}

/* ---- addresses ---- */

static void address_is(const char *text, const char *canonical, unsigned octets)
{
	struct ca_name name, again;
	struct error err = ERR_INIT;
	CHECK_OK(ca_name_ip_text(bytes_of(text), &name, &err) == 0, &err);
	CHECK_TEXT(name.text, canonical);
	CHECK_INT(name.address_len, octets);
	CHECK_OK(ca_name_ip(BYTES(name.address, name.address_len), &again, &err) == 0, &err);
	CHECK_TEXT(again.text, canonical);
}

static void address_refused(struct bytes text)
{
	struct ca_name name;
	struct error err = ERR_INIT;
	CHECK_FAILS(ca_name_ip_text(text, &name, &err) != 0, &err, ERR_BAD_NAME);
}

static void prints_addresses_as_rfc_5952_says(void)
{
	address_is("127.0.0.1", "127.0.0.1", 4);
	address_is("::1", "::1", 16);
	address_is("2001:DB8:0:0:0:0:0:1", "2001:db8::1", 16);
	address_is("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1", 16);
	address_is("fd00:0:1::", "fd00:0:1::", 16);
}

static void refuses_texts_that_are_no_address(void)
{
	address_refused(bytes_of(""));
	address_refused(bytes_of("127.1"));
	address_refused(bytes_of("127.0.0.256"));
	address_refused(bytes_of("0127.0.0.1"));
	address_refused(bytes_of("fe80::1%eth0"));
	address_refused(bytes_of("[::1]"));
	address_refused(bytes_of(" 127.0.0.1"));
	address_refused(BYTES("127.0.0.1\0", 10));
}

static void refuses_mapped_and_odd_addresses(void)
{
	struct ca_name name;
	struct error err = ERR_INIT;
	address_refused(bytes_of("::ffff:127.0.0.1"));
	CHECK_FAILS(ca_name_ip(unit_hex("7f0000"), &name, &err) != 0, &err, ERR_BAD_NAME);
	CHECK_FAILS(ca_name_ip(unit_hex("7f00000100"), &name, &err) != 0, &err, ERR_BAD_NAME);
	CHECK_FAILS(ca_name_ip(BYTES_NONE, &name, &err) != 0, &err, ERR_BAD_NAME);
}

/* ---- mail, URIs ---- */

static void accepts_plain_mail_addresses(void)
{
	struct ca_name name;
	struct error err = ERR_INIT;
	CHECK_OK(ca_name_email(bytes_of("Some.Body+tag@Mail.TEST"), &name, &err) == 0, &err);
	CHECK_TEXT(name.text, "Some.Body+tag@mail.test"); /* the local part is the receiver's business */
	static const char *const bad[] = { "",           "@a.test",     "a@",
					   "a",          "a..b@c.test", ".a@c.test",
					   "a.@c.test",  "a b@c.test",  "\"a\"@c.test",
					   "a@b@c.test", "a@*.c.test",  "a@[127.0.0.1]" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct error why = ERR_INIT;
		CHECK_FAILS(ca_name_email(bytes_of(bad[i]), &name, &why) != 0, &why, ERR_BAD_NAME);
	}
}

static void accepts_absolute_uris(void)
{
	static const char *const good[] = { "spiffe://trust.test/path", "https://a.test:8443/x?y#z", "urn:uuid:1",
					    "https://[::1]/", "https://127.0.0.1/%41" };
	static const char *const bad[] = { "",
					   "a.test/x",
					   "https:",
					   ":x",
					   "1http://a.test",
					   "https://u@a.test/",
					   "https://a b.test/",
					   "https://a.test/%4",
					   "https://*.a.test/",
					   "https:///x",
					   "https://[::1/" };
	struct ca_name name;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct error err = ERR_INIT;
		CHECK_OK(ca_name_uri(bytes_of(good[i]), &name, &err) == 0, &err);
		CHECK_TEXT(name.text, good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct error err = ERR_INIT;
		CHECK_FAILS(ca_name_uri(bytes_of(bad[i]), &name, &err) != 0, &err, ERR_BAD_NAME);
	}
}

/* ---- the printed form, lists ---- */

static void prints_and_parses_each_type(void)
{
	static const char *const printed[] = { "dns:*.a.test", "ip:10.0.0.1", "ip:fd00::1", "email:a@b.test",
					       "uri:spiffe://a.test/b" };
	for (size_t i = 0; i < sizeof(printed) / sizeof(printed[0]); i++) {
		struct ca_name name;
		struct error err = ERR_INIT;
		auto_buf out = BUF_INIT;
		CHECK_OK(ca_name_parse(bytes_of(printed[i]), &name, &err) == 0, &err);
		ca_name_print(&name, &out);
		CHECK_TEXT(buf_text(&out), printed[i]);
	}
}

static void refuses_a_printed_form_without_a_known_type(void)
{
	static const char *const bad[] = {
		"", "dns:", "a.test", "DNS:a.test", "other:x", "ip:a.test", "dns:127.0.0.1"
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct ca_name name;
		struct error err = ERR_INIT;
		CHECK_FAILS(ca_name_parse(bytes_of(bad[i]), &name, &err) != 0, &err, ERR_BAD_NAME);
	}
}

static int add(struct ca_names *names, const char *printed, size_t max, struct error *err)
{
	struct ca_name name;
	CHECK_OK(ca_name_parse(bytes_of(printed), &name, err) == 0, err);
	return ca_names_add(names, &name, max, err);
}

static void merges_equal_names_and_counts_the_rest(void)
{
	auto_ca_names names = CA_NAMES_INIT;
	struct error err = ERR_INIT;
	CHECK(add(&names, "dns:a.test", 2, &err) == 0);
	CHECK(add(&names, "dns:A.test", 2, &err) == 0);
	CHECK_INT(names.count, 1);
	CHECK(add(&names, "ip:10.0.0.1", 2, &err) == 0);
	CHECK(add(&names, "ip:10.0.0.1", 2, &err) == 0);
	CHECK_FAILS(add(&names, "dns:b.test", 2, &err) != 0, &err, ERR_TOO_MANY_NAMES);
	CHECK_TEXT(err.allowed, "at most 2");
	CHECK_INT(names.count, 2);
}

static void never_holds_more_names_than_any_certificate(void)
{
	auto_ca_names names = CA_NAMES_INIT;
	struct error err = ERR_INIT;
	for (unsigned i = 0; i < CA_NAMES_MAX; i++) {
		char printed[32];
		(void)snprintf(printed, sizeof(printed), "dns:n%u.test", i);
		CHECK(add(&names, printed, SIZE_MAX, &err) == 0);
	}
	CHECK_FAILS(add(&names, "dns:more.test", SIZE_MAX, &err) != 0, &err, ERR_TOO_MANY_NAMES);
}

SUITE(name)
{
	TEST(accepts_host_names_in_lower_case);
	TEST(accepts_a_labels_of_idna2008);
	TEST(refuses_a_labels_that_are_none);
	TEST(refuses_what_is_not_ascii);
	TEST(refuses_bad_labels);
	TEST(refuses_wildcards_but_as_the_whole_first_label);
	TEST(refuses_wildcard_below_second_label);
	TEST(refuses_what_belongs_elsewhere);
	TEST(shows_a_hostile_name_without_its_harm);
	TEST(knows_where_a_wildcard_would_cover_strangers);
	TEST(tells_internal_names_from_public_ones);
	TEST(prints_addresses_as_rfc_5952_says);
	TEST(refuses_texts_that_are_no_address);
	TEST(refuses_mapped_and_odd_addresses);
	TEST(accepts_plain_mail_addresses);
	TEST(accepts_absolute_uris);
	TEST(prints_and_parses_each_type);
	TEST(refuses_a_printed_form_without_a_known_type);
	TEST(merges_equal_names_and_counts_the_rest);
	TEST(never_holds_more_names_than_any_certificate);
}
