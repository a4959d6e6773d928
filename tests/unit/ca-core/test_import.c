#include "ca-core/import.h"

#include <stdio.h>

#include "base/text.h"
#include "ca-core/crl.h"
#include "ca-core/health.h"
#include "ca-core/identity.h"
#include "ca-core/lint.h"
#include "tests/unit/ca-core/elsewhere.h"

#define DAY_S ((int64_t)86400)

/* root-2 is to come by a ceremony, with issuing-2 below it, which follows issuing-1; root-0 was trusted before. */
static const char line[] = "issuer \"root-2\" {\n}\n"
			   "issuer \"issuing-2\" {\n\ttoken = \"issuing\"\n\tkey = \"pkcs11:object=issuing-2\"\n"
			   "\tparent = \"root-2\"\n\tfollows = \"issuing-1\"\n}\n"
			   "profile \"intermediate-2\" {\n\tkind = \"intermediate\"\n\tissuer = \"root-2\"\n}\n";
/* Before all others: a CA goes on to be known by its first root all the same. */
static const struct fixture_change with_root_0[] = {
	{ "issuer \"root-1\" {", "issuer \"root-0\" {\n}\nissuer \"root-1\" {" }, { NULL, NULL }
};

/* ---- one ceremony ---- */

struct ceremony {
	struct fixture f;
	struct elsewhere root_0, root_2;
	struct buf spki, issuing, cross, list;
};

static void ceremony_end(struct ceremony *c)
{
	elsewhere_free(&c->root_0);
	elsewhere_free(&c->root_2);
	buf_free(&c->spki);
	buf_free(&c->issuing);
	buf_free(&c->cross);
	buf_free(&c->list);
	fixture_close(&c->f);
}
#define auto_ceremony CLEANUP(ceremony_end) struct ceremony

static int64_t now_s(struct ceremony *c)
{
	return ca_now_ms(c->f.ca) / 1000;
}

static void ceremony_begin(struct ceremony *c)
{
	*c = (struct ceremony){ .f = { .changes = with_root_0, .more = line } };
	fixture_open(&c->f);
	elsewhere_root(&c->root_0, &c->f, "root-0");
	elsewhere_root(&c->root_2, &c->f, "root-2");
	elsewhere_make_key(&c->f, "issuing-2", &c->spki);
	elsewhere_certify(&c->root_2, "intermediate-2", buf_bytes(&c->spki), NULL, &c->issuing);
	elsewhere_cross(&c->root_0, &c->root_2.info, -1, &c->cross);
	elsewhere_list(&c->root_2, 7, now_s(c) - 60, now_s(c) + 100 * DAY_S, &c->list);
}

static void add(struct message_import *m, enum message_import_kind kind, const char *name, struct bytes der)
{
	m->items[m->count].kind = (uint8_t)kind;
	m->items[m->count].name = bytes_of(name);
	m->items[m->count++].der = der;
}

/* What a ceremony of all of it leaves. */
static void whole(struct ceremony *c, struct message_import *m)
{
	*m = (struct message_import){ .title = bytes_of("The second root") };
	add(m, MESSAGE_IMPORT_LIST, "root-2-crl", buf_bytes(&c->list));
	add(m, MESSAGE_IMPORT_MADE, "issuing-2", buf_bytes(&c->issuing));
	add(m, MESSAGE_IMPORT_MADE, "root-2-by-root-0", buf_bytes(&c->cross));
	add(m, MESSAGE_IMPORT_MADE, "root-2", buf_bytes(&c->root_2.info.certificate));
	add(m, MESSAGE_IMPORT_KNOWN, "root-0", buf_bytes(&c->root_0.info.certificate));
}

static int import(struct ceremony *c, const struct message_import *m, struct message_imported *out, struct error *err)
{
	const struct ca_actor root = fixture_actor("root", 15);
	return ca_import(c->f.ca, &root, m, out, err);
}

static const char *issuer_of_next(struct ceremony *c)
{
	struct error err = ERR_INIT;
	auto_buf der = BUF_INIT;
	struct ca_certificate_facts facts;
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER);
	(void)fixture_issue(&c->f, &alice, "www.alice.test", &der);
	CHECK_OK(ca_certificate_read(buf_bytes(&der), &facts, &err) == 0, &err);
	const struct ca_issuer *issuer = ca_issuer_of(c->f.ca, facts.issuer);
	return issuer ? issuer->config->name : "nobody";
}

static size_t certificates_in(struct ceremony *c, const char *path)
{
	struct error err = ERR_INIT;
	auto_buf pem = BUF_INIT;
	char label[64];
	size_t count = 0;
	fixture_read(&c->f, path, &pem);
	struct bytes rest = buf_bytes(&pem);
	for (;; count++) {
		auto_buf der = BUF_INIT;
		if (text_next_pem(&rest, label, &der, &err) != 1)
			return count;
	}
}

/* ---- all of it comes in ---- */

static void a_ceremonys_parts_come_in_and_the_new_issuer_takes_over(void)
{
	auto_ceremony c;
	struct error err = ERR_INIT;
	struct message_import m;
	static struct message_imported out;
	ceremony_begin(&c);
	CHECK_TEXT(issuer_of_next(&c), "issuing-1");
	whole(&c, &m);
	CHECK_OK(import(&c, &m, &out, &err) == 0, &err);
	static const uint8_t results[] = { MESSAGE_IMPORTED_LIST, MESSAGE_IMPORTED_ISSUER, MESSAGE_IMPORTED_CROSS,
					   MESSAGE_IMPORTED_ISSUER, MESSAGE_IMPORTED_ISSUER };
	CHECK_INT(out.count, m.count);
	for (size_t i = 0; i < sizeof(results); i++)
		CHECK_INT(out.rows[i].result, results[i]);
	CHECK_TEXT(issuer_of_next(&c), "issuing-2");
	CHECK_INT(fixture_audit_count(&c.f, "ceremony.imported"), 1);
	CHECK_INT(fixture_audit_count(&c.f, "issuer.certified"), 3);
	CHECK_INT(fixture_audit_count(&c.f, "issuer.cross-certified"), 1);
	CHECK_INT(fixture_audit_count(&c.f, "crl.imported"), 1);
	CHECK_INT(certificates_in(&c, "published/ca/roots.pem"), 3);
	CHECK_INT(certificates_in(&c, "published/ca/issuing-2/chain.pem"), 1);
	CHECK_INT(certificates_in(&c, "published/ca/issuing-2/cross.pem"), 1);
	CHECK_INT(certificates_in(&c, "published/ca/root-2/cross.pem"), 1);
	auto_buf first = BUF_INIT, roots = BUF_INIT;
	fixture_read(&c.f, "published/crl/issuing-2.crl", &first);
	fixture_read(&c.f, "published/crl/root-2.crl", &roots);
	CHECK_BYTES(buf_bytes(&roots), buf_bytes(&c.list));
}

static void what_came_in_is_there_after_a_restart_and_both_make_lists(void)
{
	auto_ceremony c;
	struct error err = ERR_INIT;
	struct message_import m;
	static struct message_imported out;
	const struct ca_actor root = fixture_actor("root", 15);
	char known[65];
	ceremony_begin(&c);
	(void)snprintf(known, sizeof(known), "%s", c.f.ca->root_hash);
	whole(&c, &m);
	CHECK_OK(import(&c, &m, &out, &err) == 0, &err);
	CHECK_TEXT(c.f.ca->root_hash, known);
	fixture_reopen(&c.f);
	CHECK_TEXT(c.f.ca->root_hash, known);
	CHECK_TEXT(issuer_of_next(&c), "issuing-2");
	static const char *const both[] = { "issuing-1", "issuing-2" };
	for (size_t i = 0; i < 2; i++)
		CHECK_OK(ca_crl_make(c.f.ca, ca_issuer_find(c.f.ca, bytes_of(both[i])), &root, NULL, &err) == 0, &err);
	CHECK(store_check(c.f.store, NULL, NULL, NULL, &err) == 0);
	/* Once more: all of it is there. */
	whole(&c, &m);
	CHECK_OK(import(&c, &m, &out, &err) == 0, &err);
	for (uint32_t i = 0; i < out.count; i++)
		CHECK_INT(out.rows[i].result, MESSAGE_IMPORTED_THERE);
	CHECK_INT(fixture_audit_count(&c.f, "ceremony.imported"), 1);
}

static void what_is_not_of_this_ca_is_left(void)
{
	auto_ceremony c;
	struct error err = ERR_INIT;
	struct message_import m = { .count = 0 };
	static struct message_imported out;
	auto_elsewhere stranger = { .key = NULL };
	auto_buf leaf = BUF_INIT, list = BUF_INIT;
	ceremony_begin(&c);
	elsewhere_root(&stranger, &c.f, "stranger");
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER);
	(void)fixture_issue(&c.f, &alice, "www.alice.test", &leaf);
	elsewhere_list(&stranger, 1, now_s(&c), now_s(&c) + DAY_S, &list);
	add(&m, MESSAGE_IMPORT_MADE, "stranger", buf_bytes(&stranger.info.certificate));
	add(&m, MESSAGE_IMPORT_MADE, "ocsp-1", buf_bytes(&leaf));
	add(&m, MESSAGE_IMPORT_LIST, "stranger-crl", buf_bytes(&list));
	CHECK_FAILS(import(&c, &m, &out, &err) == -1, &err, ERR_NOT_FOUND);
	add(&m, MESSAGE_IMPORT_MADE, "root-2", buf_bytes(&c.root_2.info.certificate));
	CHECK_OK(import(&c, &m, &out, &err) == 0, &err);
	for (uint32_t i = 0; i < 3; i++)
		CHECK_INT(out.rows[i].result, MESSAGE_IMPORTED_LEFT);
	CHECK_INT(out.rows[3].result, MESSAGE_IMPORTED_ISSUER);
	CHECK_TEXT(issuer_of_next(&c), "issuing-1");
}

/* ---- one part is wrong: nothing comes in ---- */

/* The whole ceremony with another certificate in the place of issuing-2's. */
static void refused(struct ceremony *c, struct bytes issuing, enum err_code code, const char *says)
{
	struct error err = ERR_INIT;
	struct message_import m;
	static struct message_imported out;
	whole(c, &m);
	m.items[1].der = issuing;
	CHECK(import(c, &m, &out, &err) == -1);
	CHECK_INT(err.code, code);
	CHECK_TEXT(strstr(err.message, says) ? says : err.message, says);
	CHECK_INT(fixture_audit_count(&c->f, "ceremony.imported"), 0);
	CHECK(!ca_issuer_find(c->f.ca, bytes_of("root-2"))->certified);
	CHECK(!ca_issuer_find(c->f.ca, bytes_of("issuing-2"))->certified);
}

static void an_intermediate_that_is_not_as_it_should_be_is_refused(void)
{
	auto_ceremony c;
	auto_buf other_key = BUF_INIT;
	ceremony_begin(&c);
	fixture_spki(&other_key);
	const int64_t now = now_s(&c);
	const struct {
		struct elsewhere *by;
		const char *profile;
		bool other_key;
		struct elsewhere_twist twist;
		enum err_code code;
		const char *says;
	} cases[] = {
		{ &c.root_2,
		  "intermediate-2",
		  true,
		  { 0 },
		  ERR_INTEGRITY,
		  "another key than that of issuer issuing-2" },
		{ &c.root_0,
		  "intermediate-2",
		  false,
		  { 0 },
		  ERR_INTEGRITY,
		  "the parent of issuer issuing-2 is root-2" },
		{ &c.root_2, "intermediate-2", false, { .bad_signature = true }, ERR_INTEGRITY, "signature" },
		{ &c.root_2,
		  "intermediate-2",
		  false,
		  { .not_before_s = now - 900 * DAY_S, .not_after_s = now - DAY_S },
		  ERR_INTEGRITY,
		  "ended at" },
		{ &c.root_2,
		  "intermediate-2",
		  false,
		  { .not_before_s = now + DAY_S },
		  ERR_INTEGRITY,
		  "valid only from" },
		{ &c.root_2,
		  "intermediate-2",
		  false,
		  { .not_after_s = now + 7500 * DAY_S },
		  ERR_INTEGRITY,
		  "longest validity" },
		{ &c.root_2,
		  "intermediate-2",
		  false,
		  { .common_name = "Elsewhere root-2" },
		  ERR_CONFIG,
		  "a root's certificate" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		auto_buf der = BUF_INIT;
		elsewhere_certify(cases[i].by, cases[i].profile, buf_bytes(cases[i].other_key ? &other_key : &c.spki),
				  &cases[i].twist, &der);
		refused(&c, buf_bytes(&der), cases[i].code, cases[i].says);
	}
}

static void an_intermediate_has_no_cas_below_it(void)
{
	auto_ceremony c;
	static struct message_imported out;
	struct message_import m;
	ceremony_begin(&c);
	auto_buf long_path = BUF_INIT;
	struct error err = ERR_INIT;
	struct ca_issuer_info info;
	CHECK_OK(ca_issuer_info_load(&info, "issuing-2", buf_bytes(&c.issuing), "http://pki.test", &err) == 0, &err);
	elsewhere_cross(&c.root_2, &info, 1, &long_path);
	ca_issuer_info_clear(&info);
	refused(&c, buf_bytes(&long_path), ERR_INTEGRITY, "an intermediate has 0");
	/* And a name of its own. */
	auto_buf namesake = BUF_INIT;
	const struct elsewhere_twist twist = { .common_name = "Elsewhere root-0" };
	elsewhere_certify(&c.root_2, "intermediate-2", buf_bytes(&c.spki), &twist, &namesake);
	refused(&c, buf_bytes(&namesake), ERR_CONFLICT, "the subject is that of issuer root-0");
	refused(&c, bytes_of("no certificate"), ERR_INTEGRITY, "issuing-2: ");
	/* And as it should be. */
	whole(&c, &m);
	CHECK_OK(import(&c, &m, &out, &err) == 0, &err);
}

/* What names another CA may be left, and nothing else: of a part that others need the whole is refused. */
static void a_changed_octet_is_noticed(void)
{
	static const struct {
		size_t part;
		bool may_be_left;
	} order[] = { { 1, false }, { 3, false }, { 4, false }, { 2, true }, { 0, true } };
	auto_ceremony c;
	struct message_import m;
	static struct message_imported out;
	ceremony_begin(&c);
	whole(&c, &m);
	for (size_t n = 0; n < sizeof(order) / sizeof(order[0]); n++) {
		const size_t part = order[n].part;
		struct bytes good = m.items[part].der;
		auto_buf bad = BUF_INIT;
		buf_add_bytes(&bad, good);
		m.items[part].der = buf_bytes(&bad);
		/* Every third, for the fewest seconds. */
		for (size_t i = n % 3; i < bad.len; i += 3) {
			struct error err = ERR_INIT;
			bad.data[i] ^= 0x04;
			int rc = import(&c, &m, &out, &err);
			CHECK(rc == -1 || (order[n].may_be_left && out.rows[part].result == MESSAGE_IMPORTED_LEFT));
			bad.data[i] ^= 0x04;
		}
		m.items[part].der = good;
		if (!order[n].may_be_left)
			CHECK_INT(fixture_audit_count(&c.f, "ceremony.imported"), 0);
	}
	/* The good one, which came with what was left of the bad lists. */
	CHECK_INT(fixture_audit_count(&c.f, "issuer.cross-certified"), 1);
	CHECK_INT(ca_issuer_find(c.f.ca, bytes_of("root-2"))->crl_number, 7);
}

static void cross_certificates_leave_room_and_name_who_they_are_of(void)
{
	auto_ceremony c;
	struct error err = ERR_INIT;
	struct message_import m;
	static struct message_imported out;
	auto_buf short_path = BUF_INIT, renamed = BUF_INIT;
	ceremony_begin(&c);
	elsewhere_cross(&c.root_0, &c.root_2.info, 0, &short_path);
	whole(&c, &m);
	m.items[2].der = buf_bytes(&short_path);
	CHECK_FAILS(import(&c, &m, &out, &err) == -1, &err, ERR_INTEGRITY);
	CHECK(strstr(err.message, "pathLenConstraint") != NULL);
	/* The key of root-2 under another name. */
	const struct elsewhere_twist other_name = { .common_name = "Somebody else" };
	elsewhere_certify(&c.root_0, "intermediate-2", buf_bytes(&c.root_2.info.spki), &other_name, &renamed);
	m.items[2].der = buf_bytes(&renamed);
	CHECK_FAILS(import(&c, &m, &out, &err) == -1, &err, ERR_INTEGRITY);
	CHECK(strstr(err.message, "another subject") != NULL);
	/* Without who signed it. */
	whole(&c, &m);
	m.count--;
	CHECK_FAILS(import(&c, &m, &out, &err) == -1, &err, ERR_INTEGRITY);
	CHECK(strstr(err.message, "signed by nobody") != NULL);
}

static void a_serial_number_is_used_once(void)
{
	auto_ceremony c;
	struct error err = ERR_INIT;
	struct message_import m = { .count = 0 };
	static struct message_imported out;
	auto_buf one = BUF_INIT, again = BUF_INIT;
	const struct elsewhere_twist serial = { .serial = 9 };
	const struct elsewhere_twist cross = { .serial = 9, .common_name = "Elsewhere issuing-2" };
	ceremony_begin(&c);
	elsewhere_certify(&c.root_2, "intermediate-2", buf_bytes(&c.spki), &serial, &one);
	add(&m, MESSAGE_IMPORT_MADE, "root-2", buf_bytes(&c.root_2.info.certificate));
	add(&m, MESSAGE_IMPORT_MADE, "issuing-2", buf_bytes(&one));
	CHECK_OK(import(&c, &m, &out, &err) == 0, &err);
	/* A further one for the same key, with the number of the first. */
	elsewhere_certify(&c.root_2, "intermediate-2", buf_bytes(&c.spki), &cross, &again);
	m.count = 0;
	add(&m, MESSAGE_IMPORT_MADE, "issuing-2-again", buf_bytes(&again));
	CHECK_FAILS(import(&c, &m, &out, &err) == -1, &err, ERR_CONFLICT);
	CHECK(strstr(err.message, "serial number") != NULL);
}

static void a_blocked_key_is_not_taken(void)
{
	auto_ceremony c;
	struct error err = ERR_INIT;
	struct ca_key key;
	struct message_block block = { .note = bytes_of("a lost stick") };
	const struct ca_actor root = fixture_actor("root", 15);
	ceremony_begin(&c);
	CHECK_OK(ca_key_parse(buf_bytes(&c.spki), &key, &err) == 0, &err);
	memcpy(block.spki_hash, key.spki_hash, sizeof(block.spki_hash));
	CHECK_OK(ca_key_block(c.f.ca, &root, &block, &err) == 0, &err);
	refused(&c, buf_bytes(&c.issuing), ERR_BLOCKED_KEY, "a lost stick");
}

/* ---- lists ---- */

static void a_list_is_newer_good_now_and_complete(void)
{
	auto_ceremony c;
	struct error err = ERR_INIT;
	static struct message_imported out;
	ceremony_begin(&c);
	struct message_import m = { .count = 0 };
	whole(&c, &m);
	CHECK_OK(import(&c, &m, &out, &err) == 0, &err);
	const int64_t now = now_s(&c);
	const struct {
		uint64_t number;
		int64_t begin_s, end_s;
		enum err_code code;
	} cases[] = { { 6, now - 9, now + DAY_S, ERR_CONFLICT },
		      { 8, now - 2 * DAY_S, now - DAY_S, ERR_INTEGRITY },
		      { 8, now + 3600, now + DAY_S, ERR_INTEGRITY },
		      { 8, now - 9, now + DAY_S, ERR_NONE } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct error why = ERR_INIT;
		auto_buf list = BUF_INIT;
		elsewhere_list(&c.root_2, cases[i].number, cases[i].begin_s, cases[i].end_s, &list);
		m.count = 0;
		add(&m, MESSAGE_IMPORT_LIST, "root-2-crl", buf_bytes(&list));
		CHECK_INT(import(&c, &m, &out, &why), cases[i].code == ERR_NONE ? 0 : -1);
		CHECK_INT(why.code, cases[i].code);
	}
	CHECK_INT(ca_issuer_find(c.f.ca, bytes_of("root-2"))->crl_number, 8);
}

static bool warns(struct ceremony *c, const char *part)
{
	struct error err = ERR_INIT;
	const struct ca_health_extra extra = { 0 };
	auto_buf payload = BUF_INIT;
	CHECK_OK(ca_health(c->f.ca, &extra, &payload, &err) == 0, &err);
	return memmem(payload.data, payload.len, part, strlen(part)) != NULL;
}

static void health_says_when_the_next_ceremony_is_due(void)
{
	auto_ceremony c;
	struct error err = ERR_INIT;
	struct message_import m;
	static struct message_imported out;
	ceremony_begin(&c);
	const int64_t begin_ms = ca_now_ms(c.f.ca);
	whole(&c, &m);
	CHECK(warns(&c, "issuing-2 waits"));
	CHECK_OK(import(&c, &m, &out, &err) == 0, &err);
	CHECK(!warns(&c, "issuing-2 waits") && !warns(&c, "of issuer issuing-2") && !warns(&c, "of issuer root-2"));
	CHECK(warns(&c, "list of issuer root-0 is missing"));
	c.f.now_ms = begin_ms + 70 * DAY_S * 1000;
	CHECK(!warns(&c, "of issuer root-2"));
	c.f.now_ms = begin_ms + 76 * DAY_S * 1000; /* the last quarter of 100 days */
	CHECK(warns(&c, "list of issuer root-2 is good until"));
	CHECK(warns(&c, "a ceremony must sign the next one"));
	/* What was taken over ends without a word; what took over does not. */
	c.f.now_ms = begin_ms + 800 * DAY_S * 1000;
	CHECK(!warns(&c, "certificate of issuer issuing-1") && warns(&c, "certificate of issuer issuing-2 ends"));
}

/* The last list of an issuer is good to its end, and is not made again and again. */
static void an_issuers_last_list_is_made_once(void)
{
	auto_ceremony c;
	struct error err = ERR_INIT;
	const struct ca_actor root = fixture_actor("root", 15);
	ceremony_begin(&c);
	struct ca_issuer *issuing = ca_issuer_find(c.f.ca, bytes_of("issuing-1"));
	c.f.now_ms = (issuing->info.not_after_s - 3600) * 1000;
	CHECK(ca_crl_is_due(c.f.ca, issuing));
	CHECK_OK(ca_crl_make(c.f.ca, issuing, &root, NULL, &err) == 0, &err);
	CHECK_INT(issuing->crl_next_update_s, issuing->info.not_after_s);
	CHECK(!ca_crl_is_due(c.f.ca, issuing));
	c.f.now_ms += 7200000;
	CHECK(!ca_crl_is_due(c.f.ca, issuing));
}

static void without_its_token_an_issuer_stays_as_it_is(void)
{
	auto_ceremony c;
	struct error err = ERR_INIT;
	struct message_import m;
	static struct message_imported out;
	ceremony_begin(&c);
	/* As where the token was never there. */
	struct ca_token *token = ca_token_find(c.f.ca, bytes_of("issuing"));
	struct hsm_token *open = atomic_exchange(&token->token, NULL);
	whole(&c, &m);
	CHECK_FAILS(import(&c, &m, &out, &err) == -1, &err, ERR_TOKEN_UNAVAILABLE);
	CHECK_INT(fixture_audit_count(&c.f, "ceremony.imported"), 0);
	atomic_store(&token->token, open);
	struct error none = ERR_INIT;
	CHECK_OK(import(&c, &m, &out, &none) == 0, &none);
}

SUITE(import)
{
	TEST(a_ceremonys_parts_come_in_and_the_new_issuer_takes_over);
	TEST(what_came_in_is_there_after_a_restart_and_both_make_lists);
	TEST(what_is_not_of_this_ca_is_left);
	TEST(an_intermediate_that_is_not_as_it_should_be_is_refused);
	TEST(an_intermediate_has_no_cas_below_it);
	TEST(a_changed_octet_is_noticed);
	TEST(cross_certificates_leave_room_and_name_who_they_are_of);
	TEST(a_serial_number_is_used_once);
	TEST(a_blocked_key_is_not_taken);
	TEST(a_list_is_newer_good_now_and_complete);
	TEST(health_says_when_the_next_ceremony_is_due);
	TEST(an_issuers_last_list_is_made_once);
	TEST(without_its_token_an_issuer_stays_as_it_is);
}
