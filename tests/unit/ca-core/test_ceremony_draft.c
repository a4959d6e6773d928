#include "ca-core/ceremony_draft.h"

#include <stdio.h>

#include "ca-core/lint.h"
#include "tests/unit/ca-core/ceremony_fixture.h"

/* A plan, what is known of it, and a root made under one key. */
struct ceremony {
	struct ceremony_plan *plan;
	struct ceremony_inputs inputs;
	struct ceremony_known *rehearsal, *known;
	struct ceremony_fixed fixed[CEREMONY_STEPS_MAX];
};

static void close_ceremony(struct ceremony *c)
{
	ceremony_known_free(c->rehearsal);
	ceremony_known_free(c->known);
	ceremony_inputs_free(&c->inputs);
	ceremony_plan_free(c->plan);
}
#define auto_ceremony CLEANUP(close_ceremony) struct ceremony

static void build(const struct ceremony *c, const char *name, struct ceremony_known *known,
		  struct ceremony_draft *draft)
{
	struct error err = ERR_INIT;
	size_t at = ceremony_plan_step(c->plan, name);
	ceremony_draft_clear(draft);
	CHECK_OK(ceremony_draft_build(c->plan, at, known, &c->fixed[at], draft, &err) == 0, &err);
}

static void certify(const struct ceremony *c, const char *name, struct ceremony_known *known)
{
	static const uint8_t none[8] = { 0 };
	auto_ceremony_draft draft = { .signer = NULL };
	auto_buf der = BUF_INIT;
	struct error err = ERR_INIT;
	build(c, name, known, &draft);
	ca_certificate_assemble(buf_bytes(&draft.tbs), buf_bytes(&draft.signature_algorithm), BYTES(none, sizeof(none)),
				&der);
	CHECK_OK(ceremony_known_add_certificate(known, name, buf_bytes(&der), &err) == 0, &err);
}

static struct ceremony_known *known_with_key(const struct ceremony *c)
{
	struct error err = ERR_INIT;
	auto_buf spki = BUF_INIT;
	struct ceremony_known *known = ceremony_known_new(c->plan, &c->inputs, &err);
	CHECK_OK(known != NULL, &err);
	ceremony_spki("P-384", &spki);
	CHECK_OK(ceremony_known_add_key(known, c->plan->steps[0].key, buf_bytes(&spki), &err) == 0, &err);
	return known;
}

static void open_ceremony(struct ceremony *c)
{
	static const struct ceremony_old as_ours = { 0 };
	struct error err = ERR_INIT;
	*c = (struct ceremony){ .inputs = CEREMONY_INPUTS_INIT };
	ceremony_make_files(&as_ours);
	c->plan = ceremony_good();
	CHECK_OK(ceremony_inputs_read(c->plan, unit_folder(), &c->inputs, &err) == 0, &err);
	c->rehearsal = known_with_key(c);
	c->known = known_with_key(c);
	for (size_t i = 0; i < c->plan->step_count; i++) {
		CHECK_OK(ceremony_fix(c->plan, i, c->rehearsal, CEREMONY_FROM_S, &c->fixed[i], &err) == 0, &err);
		if (ceremony_kind_certifies(c->plan->steps[i].kind))
			certify(c, c->plan->steps[i].name, c->rehearsal);
	}
	certify(c, "root-1", c->known);
	certify(c, "issuing-1", c->known);
}

static int match(const struct ceremony *c, const char *name, const struct ceremony_draft *rehearsed,
		 const struct ceremony_draft *actual, struct ceremony_match *m, struct error *err)
{
	return ceremony_draft_match(c->plan, ceremony_plan_step(c->plan, name), c->rehearsal,
				    buf_bytes(&rehearsed->tbs), c->known, buf_bytes(&actual->tbs), m, err);
}

/* ---- the run against its rehearsal ---- */

static void new_keys_and_their_identifiers_may_differ(void)
{
	static const struct {
		const char *step;
		size_t places;
	} expected[] = {
		{ "root-1", 2 },           { "issuing-1", 1 },
		{ "responder-1", 1 },      { "issuing-1-by-root-0", 0 },
		{ "root-1-by-root-0", 2 }, { "root-0-by-root-1", 1 },
		{ "root-1-crl", 1 },       { "root-0-crl", 0 },
	};
	auto_ceremony c;
	open_ceremony(&c);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		auto_ceremony_draft rehearsed = { .signer = NULL }, actual = { .signer = NULL };
		struct ceremony_match m;
		struct error err = ERR_INIT;
		build(&c, expected[i].step, c.rehearsal, &rehearsed);
		build(&c, expected[i].step, c.known, &actual);
		CHECK_OK(match(&c, expected[i].step, &rehearsed, &actual, &m, &err) == 0, &err);
		CHECK_INT(m.count, expected[i].places);
		for (size_t n = 0; n < m.count; n++) {
			CHECK_TEXT(m.items[n].key, c.plan->steps[0].key);
			CHECK(!bytes_equal(m.items[n].rehearsed, m.items[n].actual));
		}
	}
	CHECK_TEXT(ceremony_place_name(CEREMONY_PLACE_SUBJECT_ID), "subject key identifier");
}

/* Each byte of each tbs: none may differ but where the new key stands, and there only as the new key. */
static void any_other_byte_may_not(void)
{
	static const char *const steps[] = { "root-1", "issuing-1", "root-1-crl", "root-0-crl" };
	auto_ceremony c;
	open_ceremony(&c);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		auto_ceremony_draft rehearsed = { .signer = NULL }, actual = { .signer = NULL };
		size_t unnoticed = 0;
		build(&c, steps[i], c.rehearsal, &rehearsed);
		build(&c, steps[i], c.known, &actual);
		for (size_t at = 0; at < actual.tbs.len; at++) {
			struct ceremony_match m;
			struct error err = ERR_INIT;
			actual.tbs.data[at] ^= 1;
			unnoticed += match(&c, steps[i], &rehearsed, &actual, &m, &err) == 0;
			actual.tbs.data[at] ^= 1;
		}
		CHECK_INT(unnoticed, 0);
	}
}

static void what_differs_is_named(void)
{
	auto_ceremony c;
	open_ceremony(&c);
	size_t at = ceremony_plan_step(c.plan, "issuing-1");
	auto_ceremony_draft rehearsed = { .signer = NULL }, actual = { .signer = NULL };
	struct ceremony_match m;
	struct error err = ERR_INIT;
	build(&c, "issuing-1", c.rehearsal, &rehearsed);
	c.fixed[at].serial[5] ^= 1;
	build(&c, "issuing-1", c.known, &actual);
	CHECK_FAILS(match(&c, "issuing-1", &rehearsed, &actual, &m, &err) != 0, &err, ERR_INTEGRITY);
	CHECK(strstr(err.message, "the serial number differs") != NULL);
	c.fixed[at].serial[5] ^= 1;
	c.fixed[at].not_after_s -= 1;
	build(&c, "issuing-1", c.known, &actual);
	CHECK_FAILS(match(&c, "issuing-1", &rehearsed, &actual, &m, &err) != 0, &err, ERR_INTEGRITY);
	CHECK(strstr(err.message, "the validity differs") != NULL);
}

/* ---- what lint says beyond a certificate's own form ---- */

static void a_certificate_is_that_of_its_plan(void)
{
	auto_ceremony c;
	open_ceremony(&c);
	struct error err = ERR_INIT;
	size_t at = ceremony_plan_step(c.plan, "issuing-1"), by = ceremony_plan_step(c.plan, "issuing-1-by-root-0");
	auto_ceremony_draft draft = { .signer = NULL };
	build(&c, "issuing-1", c.known, &draft);
	CHECK_OK(ceremony_draft_lint(c.plan, at, c.known, buf_bytes(&draft.tbs), CEREMONY_FROM_S, &err) == 0, &err);
	CHECK_FAILS(ceremony_draft_lint(c.plan, by, c.known, buf_bytes(&draft.tbs), CEREMONY_FROM_S, &err) != 0, &err,
		    ERR_INTEGRITY);
	CHECK_FAILS(ceremony_draft_lint(c.plan, at, c.known, buf_bytes(&draft.tbs),
					CEREMONY_FROM_S + (int64_t)3 * 86400, &err) != 0,
		    &err, ERR_INTEGRITY);
	free(c.plan->steps[at].subject[CA_ATTR_COMMON_NAME]);
	c.plan->steps[at].subject[CA_ATTR_COMMON_NAME] = strdup("Somebody Else");
	CHECK_FAILS(ceremony_draft_lint(c.plan, at, c.known, buf_bytes(&draft.tbs), CEREMONY_FROM_S, &err) != 0, &err,
		    ERR_INTEGRITY);
	CHECK(strstr(err.message, "not that of the plan") != NULL);
}

static void a_list_is_that_of_its_plan(void)
{
	auto_ceremony c;
	open_ceremony(&c);
	struct error err = ERR_INIT;
	size_t at = ceremony_plan_step(c.plan, "root-0-crl");
	auto_ceremony_draft draft = { .signer = NULL };
	build(&c, "root-0-crl", c.known, &draft);
	CHECK_OK(ceremony_draft_lint(c.plan, at, c.known, buf_bytes(&draft.tbs), CEREMONY_FROM_S, &err) == 0, &err);
	c.plan->steps[at].revoked[0].reason = 1;
	CHECK_FAILS(ceremony_draft_lint(c.plan, at, c.known, buf_bytes(&draft.tbs), CEREMONY_FROM_S, &err) != 0, &err,
		    ERR_INTEGRITY);
	CHECK(strstr(err.message, "the entries of the revocation list") != NULL);
}

/* ---- what is known ---- */

static void a_key_is_known_once(void)
{
	auto_ceremony c;
	open_ceremony(&c);
	struct error err = ERR_INIT;
	auto_buf other = BUF_INIT;
	struct bytes spki = ceremony_known_key(c.known, c.plan->steps[0].key);
	CHECK(spki.len > 0);
	CHECK_FAILS(ceremony_known_add_key(c.known, "pkcs11:token=root;object=other", spki, &err) != 0, &err,
		    ERR_CONFLICT);
	ceremony_spki("P-256", &other);
	CHECK_FAILS(ceremony_known_add_key(c.known, c.plan->steps[0].key, buf_bytes(&other), &err) != 0, &err,
		    ERR_CONFLICT);
	CLEANUP(ceremony_known_cleanup) struct ceremony_known *fresh = ceremony_known_new(c.plan, &c.inputs, &err);
	CHECK_FAILS(ceremony_known_add_key(fresh, c.plan->steps[0].key, buf_bytes(&other), &err) != 0, &err,
		    ERR_CONFLICT);
	CHECK(strstr(err.message, "is P-256, and the plan asks for another type") != NULL);
	CHECK_INT(ceremony_known_key(c.known, "pkcs11:token=root;object=other").len, 0);
	CHECK(ceremony_known_issuer(c.known, "root-0") != NULL);
	CHECK(ceremony_known_issuer(c.known, "nobody") == NULL);
	CHECK_FAILS(ceremony_known_add_certificate(c.known, "root-1", ceremony_known_certificate(c.known, "root-1"),
						   &err) != 0,
		    &err, ERR_CONFLICT);
}

static void what_is_not_known_yet_is_named(void)
{
	auto_ceremony c;
	open_ceremony(&c);
	struct error err = ERR_INIT;
	CLEANUP(ceremony_known_cleanup) struct ceremony_known *early = ceremony_known_new(c.plan, &c.inputs, &err);
	auto_ceremony_draft draft = { .signer = NULL };
	CHECK_OK(early != NULL, &err);
	CHECK_FAILS(ceremony_draft_build(c.plan, 1, early, &c.fixed[1], &draft, &err) != 0, &err, ERR_CONFIG);
	CHECK(strstr(err.message, "this key is not there yet") != NULL);
	CHECK_FAILS(ceremony_draft_build(c.plan, 2, early, &c.fixed[2], &draft, &err) != 0, &err, ERR_CONFIG);
	CHECK(strstr(err.message, "the certificate of \"root-1\" is not there yet") != NULL);
}

static void serials_are_drawn_anew(void)
{
	auto_ceremony c;
	open_ceremony(&c);
	struct ceremony_fixed again;
	struct error err = ERR_INIT;
	CHECK_OK(ceremony_fix(c.plan, 1, c.rehearsal, CEREMONY_FROM_S, &again, &err) == 0, &err);
	CHECK_INT(again.serial_len, 20);
	CHECK(!(again.serial[0] & 0x80) && again.serial[0]);
	CHECK(memcmp(again.serial, c.fixed[1].serial, 20) != 0);
	CHECK_OK(ceremony_fix(c.plan, 0, c.rehearsal, CEREMONY_FROM_S, &again, &err) == 0, &err);
	CHECK_INT(again.serial_len, 0);
}

SUITE(ceremony_draft)
{
	TEST(new_keys_and_their_identifiers_may_differ);
	TEST(any_other_byte_may_not);
	TEST(what_differs_is_named);
	TEST(a_certificate_is_that_of_its_plan);
	TEST(a_list_is_that_of_its_plan);
	TEST(a_key_is_known_once);
	TEST(what_is_not_known_yet_is_named);
	TEST(serials_are_drawn_anew);
}
