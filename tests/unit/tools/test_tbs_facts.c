#include "tools/tbs_facts.h"

#include "tests/unit/tools/people.h"
#include "tests/unit/unit.h"
#include "tools/keys.h"

/* What a certificate under organization validation has, as its bytes to be signed. */
static void make_tbs(struct buf *out, bool ca, const char *names)
{
	struct error err = ERR_INIT;
	auto_evp_pkey *key = key_generate("p256", &err);
	const struct people_wants wants = { .subject = { { "C", "DE" }, { "O", "Example GmbH" } },
					    .names = names,
					    .purpose = ca ? NULL : "serverAuth",
					    .ca = ca,
					    .serial = 0x1234 };
	auto_x509 *x = people_issue(key, &wants);
	people_tbs(x, out);
}

static const char *text_of(const json_t *facts, const char *member)
{
	return json_string_value(json_object_get(facts, member));
}

static void says_what_stands_in_the_bytes(void)
{
	struct error err = ERR_INIT;
	auto_buf tbs = BUF_INIT, text = BUF_INIT;
	make_tbs(&tbs, false, "DNS:www.example.test, DNS:*.example.test, IP:192.0.2.1");
	auto_json *facts = tbs_facts(buf_bytes(&tbs), &err);
	CHECK_OK(facts != NULL, &err);
	CHECK_TEXT(text_of(facts, "subject"), "O=Example GmbH,C=DE");
	CHECK_TEXT(text_of(facts, "serial"), "1234");
	CHECK_TEXT(text_of(facts, "key"), "P-256");
	const json_t *names = json_object_get(facts, "names");
	CHECK_INT(json_array_size(names), 3);
	CHECK_TEXT(json_string_value(json_array_get(names, 1)), "dns:*.example.test");
	CHECK_TEXT(json_string_value(json_array_get(names, 2)), "ip:192.0.2.1");
	CHECK_TEXT(json_string_value(json_array_get(json_object_get(facts, "purposes"), 0)), "serverAuth");
	CHECK(json_is_false(json_object_get(facts, "ca")));
	tbs_facts_text(facts, &text);
	CHECK(strstr(buf_text(&text), "dns:www.example.test") && strstr(buf_text(&text), "O=Example GmbH,C=DE"));
	CHECK(!strstr(buf_text(&text), "ATTENTION"));
}

static void a_certificate_authority_is_not_overlooked(void)
{
	struct error err = ERR_INIT;
	auto_buf tbs = BUF_INIT, text = BUF_INIT;
	make_tbs(&tbs, true, "DNS:www.example.test");
	auto_json *facts = tbs_facts(buf_bytes(&tbs), &err);
	CHECK_OK(facts != NULL, &err);
	CHECK(json_is_true(json_object_get(facts, "ca")));
	tbs_facts_text(facts, &text);
	CHECK(strstr(buf_text(&text), "ATTENTION") != NULL);
}

static void bytes_that_are_no_tbs_are_refused_at_every_length(void)
{
	auto_buf tbs = BUF_INIT;
	make_tbs(&tbs, false, "DNS:www.example.test");
	for (size_t len = 0; len < tbs.len; len++) {
		struct error err = ERR_INIT;
		const json_t *facts = tbs_facts(BYTES(tbs.data, len), &err);
		CHECK_FAILS(facts == NULL, &err, ERR_INTEGRITY);
	}
	struct error err = ERR_INIT;
	buf_u8(&tbs, 0);
	CHECK_FAILS(tbs_facts(buf_bytes(&tbs), &err) == NULL, &err, ERR_INTEGRITY);
}

static void names_of_other_kinds_are_refused(void)
{
	struct error err = ERR_INIT;
	auto_buf tbs = BUF_INIT;
	make_tbs(&tbs, false, "DNS:www.example.test, RID:1.2.3");
	CHECK_FAILS(tbs_facts(buf_bytes(&tbs), &err) == NULL, &err, ERR_INTEGRITY);
}

/* The order as an honest server tells of it. */
static json_t *order_of(const json_t *facts)
{
	return json_pack("{s:O, s:O, s:O}", "tbsHash", json_object_get(facts, "sha256"), "spkiSha256",
			 json_object_get(facts, "spkiSha256"), "names", json_object_get(facts, "names"));
}

static void an_order_that_says_something_else_is_found_out(void)
{
	static const char *const lies[] = { "tbsHash", "spkiSha256" };
	struct error err = ERR_INIT;
	auto_buf tbs = BUF_INIT;
	make_tbs(&tbs, false, "DNS:www.example.test, DNS:api.example.test");
	auto_json *facts = tbs_facts(buf_bytes(&tbs), &err);
	auto_json *order = order_of(facts);
	CHECK_OK(tbs_facts_agree(facts, order, &err) == 0, &err);
	for (size_t i = 0; i < 2; i++) {
		auto_json *lie = json_deep_copy(order);
		(void)json_object_set_new(lie, lies[i], json_string("00"));
		CHECK_FAILS(tbs_facts_agree(facts, lie, &err) == -1, &err, ERR_INTEGRITY);
		CHECK_TEXT(err.member, lies[i]);
		(void)json_object_del(lie, lies[i]);
		CHECK_FAILS(tbs_facts_agree(facts, lie, &err) == -1, &err, ERR_INTEGRITY);
	}
	auto_json *fewer = json_deep_copy(order), *more = json_deep_copy(order), *none = json_deep_copy(order);
	(void)json_array_remove(json_object_get(fewer, "names"), 0);
	(void)json_array_append_new(json_object_get(more, "names"), json_string("dns:bank.test"));
	(void)json_object_del(none, "names");
	CHECK_FAILS(tbs_facts_agree(facts, fewer, &err) == -1, &err, ERR_INTEGRITY);
	CHECK_FAILS(tbs_facts_agree(facts, more, &err) == -1, &err, ERR_INTEGRITY);
	CHECK_FAILS(tbs_facts_agree(facts, none, &err) == -1, &err, ERR_INTEGRITY);
}

SUITE(tbs_facts)
{
	TEST(says_what_stands_in_the_bytes);
	TEST(a_certificate_authority_is_not_overlooked);
	TEST(bytes_that_are_no_tbs_are_refused_at_every_length);
	TEST(names_of_other_kinds_are_refused);
	TEST(an_order_that_says_something_else_is_found_out);
}
