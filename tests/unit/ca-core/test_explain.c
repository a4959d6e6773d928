/* An explanation proves itself by what it holds: bytes, statements, the way to a signed head. */
#include "ca-core/explain.h"

#include <stdio.h>

#include "base/ossl.h"
#include "base/text.h"
#include "ca-core/audit.h"
#include "ca-core/lint.h"
#include "ca-core/statement.h"
#include "tests/unit/ca-core/order_fixture.h"

/* The first string member of this name behind `from`, unescaped as far as these tests need; fails where it is not there. */
static const char *member(const char *from, const char *name, struct buf *out)
{
	char key[80];
	(void)snprintf(key, sizeof(key), "\"%s\":\"", name);
	const char *at = strstr(from, key);
	REQUIRE(at != NULL);
	buf_clear(out);
	for (at += strlen(key); *at && *at != '"'; at++) {
		if (strncmp(at, "\\u000a", 6) == 0) {
			buf_u8(out, '\n');
			at += 5;
		} else if (*at == '\\') {
			buf_u8(out, (uint8_t) * ++at);
		} else {
			buf_u8(out, (uint8_t)*at);
		}
	}
	return at;
}

static void base64_member(const char *from, const char *name, struct buf *out)
{
	struct error err = ERR_INIT;
	auto_buf text = BUF_INIT;
	(void)member(from, name, &text);
	CHECK_OK(text_parse_base64(buf_bytes(&text), false, out, &err) == 0, &err);
}

static void explain(struct order_fixture *o, const char *who, struct bytes what, struct buf *out)
{
	struct error err = ERR_INIT;
	const struct ca_actor actor = order_actor(who);
	buf_clear(out);
	CHECK_OK(ca_explain(o->f.ca, &actor, what, out, &err) == 0, &err);
}

static void pending(struct order_fixture *o, const char *profile)
{
	struct message_order_create *m = order_request(o, profile, "www.zone.test", NULL);
	m->organization = bytes_of("acme");
	m->not_copied_count = 1;
	m->not_copied[0] = bytes_of("challengePassword");
	order_create(o, m);
	order_run(o);
	order_answer_all(o, METHOD_DNS_TXT, "no-record", 1);
	order_look(o);
}

/* Both statements are signed by the certificates that stand beside them, and about these bytes. */
static void check_approvals(const char *json, struct bytes tbs)
{
	struct error err = ERR_INIT;
	struct ca_statement s;
	uint8_t sum[32];
	const char *at = strstr(json, "\"approvals\":[");
	sha256(tbs.data, tbs.len, sum);
	for (int i = 0; i < 2; i++) {
		auto_buf text = BUF_INIT, certificate = BUF_INIT, signature = BUF_INIT;
		REQUIRE(at != NULL);
		base64_member(at, "certificate", &certificate);
		base64_member(at, "signature", &signature);
		at = strstr(member(at, "statement", &text), "\"received\"");
		CHECK_OK(ca_statement_read(buf_bytes(&text), &s, &err) == 0, &err);
		CHECK_BYTES(BYTES(s.sha256, 32), BYTES(sum, 32));
		CHECK_OK(ca_statement_verify(buf_bytes(&text), buf_bytes(&certificate), buf_bytes(&signature), &err) ==
				 0,
			 &err);
	}
}

static void an_issued_certificate_equals_the_bytes_that_were_approved(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	auto_buf json = BUF_INIT, der = BUF_INIT, id = BUF_INIT, hex = BUF_INIT;
	struct ca_certificate_facts facts;
	order_open(&o);
	order_organization(&o, &o.olga);
	pending(&o, "ev");
	CHECK_INT(order_decide(&o, &o.olga, "approve", "first"), ERR_NONE);
	CHECK_INT(order_decide(&o, &o.oskar, "approve", "second"), ERR_NONE);
	order_run(&o);
	order_look(&o);
	CHECK_OK(ca_audit_sign_head(o.f.ca, true, &err) == 0, &err);
	buf_add_bytes(&id, o.order.id);
	text_add_hex(&hex, o.order.certificate);
	explain(&o, "aud", buf_bytes(&id), &json);
	const char *whole = buf_text(&json);

	base64_member(whole, "der", &der);
	CHECK_OK(ca_certificate_read(buf_bytes(&der), &facts, &err) == 0, &err);
	check_approvals(whole, facts.tbs);
	CHECK(strstr(whole, "\"lint\":\"clean\"") != NULL);
	CHECK(strstr(whole, "\"enrolledAfterOrder\":false") != NULL);
	CHECK(strstr(whole, "challengePassword") != NULL);
	CHECK(strstr(whole, "legal-name: Acme Ltd") != NULL);
	CHECK(strstr(whole, "\"method\":\"dns-txt\"") != NULL);
	CHECK(strstr(whole, "wouldBeRefused") == NULL);
	/* By its serial number it is the same. */
	auto_buf by_serial = BUF_INIT;
	explain(&o, "olga", buf_bytes(&hex), &by_serial);
	CHECK_BYTES(buf_bytes(&by_serial), buf_bytes(&json));
}

/* Every entry's hash, recomputed from the text and the one before, up to the head. */
static void the_way_to_the_head_has_no_gap(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	auto_buf json = BUF_INIT, id = BUF_INIT, entry = BUF_INIT, hex = BUF_INIT, hash = BUF_INIT, head = BUF_INIT;
	order_open(&o);
	order_create(&o, order_request(&o, "dv", "www.granted.test", NULL));
	order_run(&o);
	order_look(&o);
	buf_add_bytes(&id, o.order.id);
	for (int i = 0; i < 5; i++) /* others go on meanwhile */
		order_create(&o, order_request(&o, "dv", "www.zone.test", NULL));
	CHECK_OK(ca_audit_sign_head(o.f.ca, true, &err) == 0, &err);
	explain(&o, "alice", buf_bytes(&id), &json);
	const char *whole = buf_text(&json);
	const char *path = strstr(whole, "\"path\":["), *at = path;
	REQUIRE(path != NULL);
	/* The last entry of its own, from which the path goes on. */
	const char *audit = strstr(whole, "\"audit\":{");
	REQUIRE(audit != NULL);
	for (const char *next = audit; (next = strstr(next, "\"hash\":\"")) && next < strstr(whole, "\"head\":{");
	     next++)
		(void)member(next, "hash", &hex);
	CHECK_OK(text_parse_hex(buf_bytes(&hex), 32, &hash, &err) == 0, &err);
	size_t steps = 0;
	while ((at = strstr(at, "\"sequence\":"))) {
		uint8_t sum[32];
		auto_buf joined = BUF_INIT;
		(void)member(at, "hash", &hex);
		at = member(at, "entry", &entry);
		buf_add_bytes(&joined, buf_bytes(&hash));
		buf_add_bytes(&joined, buf_bytes(&entry));
		sha256(joined.data, joined.len, sum);
		buf_clear(&hash);
		CHECK_OK(text_parse_hex(buf_bytes(&hex), 32, &hash, &err) == 0, &err);
		CHECK_BYTES(BYTES(sum, 32), buf_bytes(&hash));
		steps++;
	}
	CHECK(steps >= 10);
	(void)member(strstr(whole, "\"head\":{"), "hash", &hex);
	CHECK_OK(text_parse_hex(buf_bytes(&hex), 32, &head, &err) == 0, &err);
	CHECK_BYTES(buf_bytes(&head), buf_bytes(&hash));
}

static void an_open_order_says_what_would_be_refused(void)
{
	auto_order o;
	auto_buf json = BUF_INIT, id = BUF_INIT;
	order_open(&o);
	order_organization(&o, &o.olga);
	struct message_order_create *m = order_request(&o, "ov", "www.zone.test", NULL);
	m->organization = bytes_of("acme");
	order_create(&o, m);
	buf_add_bytes(&id, o.order.id);
	explain(&o, "alice", buf_bytes(&id), &json);
	CHECK(strstr(buf_text(&json), "\"code\":\"validation-failed\"") != NULL);
	CHECK(strstr(buf_text(&json), "\"waitsFor\":\"control of 1 of 1 names") != NULL);
	order_run(&o);
	order_answer_all(&o, METHOD_DNS_TXT, "no-record", 1);
	explain(&o, "alice", buf_bytes(&id), &json);
	CHECK(strstr(buf_text(&json), "0 of 1 officers have approved") != NULL);
	CHECK(strstr(buf_text(&json), "\"tbsSha256\":\"") != NULL);
	CHECK_INT(order_vet(&o, &o.oskar, "suspend"), ERR_NONE);
	explain(&o, "alice", buf_bytes(&id), &json);
	CHECK(strstr(buf_text(&json), "\"code\":\"organization-not-valid\"") != NULL);
	CHECK(strstr(buf_text(&json), "\"suspension\":{") != NULL);
}

static void what_a_grant_covered_is_explained_by_its_certificate(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	auto_buf json = BUF_INIT, certificate = BUF_INIT, hex = BUF_INIT;
	order_open(&o);
	const struct ca_actor alice = order_actor("alice");
	struct store_serial serial = fixture_issue(&o.f, &alice, "www.alice.test", &certificate);
	text_add_hex(&hex, BYTES(serial.octets, serial.len));
	explain(&o, "alice", buf_bytes(&hex), &json);
	CHECK(strstr(buf_text(&json), "\"method\":\"grant\"") != NULL);
	CHECK(strstr(buf_text(&json), "certificate.issued") != NULL);
	auto_buf out = BUF_INIT;
	const struct ca_actor bob = order_actor("bob");
	CHECK_FAILS(ca_explain(o.f.ca, &bob, buf_bytes(&hex), &out, &err) == -1, &err, ERR_NOT_FOUND);
	err = ERR_INIT;
	CHECK_FAILS(ca_explain(o.f.ca, &alice, bytes_of("zz"), &out, &err) == -1, &err, ERR_NOT_FOUND);
	order_create(&o, order_request(&o, "dv", "www.zone.test", NULL));
	err = ERR_INIT;
	CHECK_FAILS(ca_explain(o.f.ca, &bob, o.order.id, &out, &err) == -1, &err, ERR_NOT_FOUND);
}

SUITE(explain)
{
	TEST(an_issued_certificate_equals_the_bytes_that_were_approved);
	TEST(the_way_to_the_head_has_no_gap);
	TEST(an_open_order_says_what_would_be_refused);
	TEST(what_a_grant_covered_is_explained_by_its_certificate);
}
