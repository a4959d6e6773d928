#include "tools/ceremony_rehearsal.h"

#include "base/file.h"
#include "tests/unit/tools/ceremony_room.h"
#include "tools/ceremony_made.h"

struct rehearsed {
	struct ceremony_plan *plan;
	struct ceremony_inputs inputs;
	struct buf text;
};

static struct rehearsed rehearse(const char *steps)
{
	struct error err = ERR_INIT;
	struct rehearsed r = { .inputs = CEREMONY_INPUTS_INIT, .text = BUF_INIT };
	uint8_t closing[32];
	room_open();
	const struct room_run run = { .plan = room_plan("plan", steps), .out = unit_path("rehearsal") };
	CHECK_OK(room_run(&run, closing, &err) == 0, &err);
	r.plan = ceremony_plan_load(run.plan, &err);
	CHECK_OK(r.plan != NULL, &err);
	CHECK_OK(ceremony_inputs_read(r.plan, unit_folder(), &r.inputs, &err) == 0, &err);
	CHECK_OK(file_read(unit_path("rehearsal/rehearsal.json"), 1 << 20, &r.text, &err) == 0, &err);
	return r;
}

static void end(struct rehearsed *r)
{
	ceremony_plan_free(r->plan);
	ceremony_inputs_free(&r->inputs);
	buf_free(&r->text);
}

static int read_text(const struct rehearsed *r, struct bytes text, struct error *err)
{
	auto_ceremony_rehearsal rehearsal = CEREMONY_REHEARSAL_INIT;
	*err = ERR_INIT;
	return ceremony_rehearsal_read(text, r->plan, &r->inputs, &rehearsal, err);
}

static void what_a_rehearsal_fixed_is_read_as_it_was_written(void)
{
	struct error err = ERR_INIT;
	struct rehearsed r = rehearse(room_whole);
	auto_ceremony_rehearsal rehearsal = CEREMONY_REHEARSAL_INIT;
	auto_buf again = BUF_INIT;
	CHECK_OK(ceremony_rehearsal_read(buf_bytes(&r.text), r.plan, &r.inputs, &rehearsal, &err) == 0, &err);
	CHECK_OK(ceremony_rehearsal_write(r.plan, &rehearsal, &r.inputs, &again, &err) == 0, &err);
	CHECK_BYTES(buf_bytes(&again), buf_bytes(&r.text));
	CHECK(rehearsal.steps[0].spki.len > 0 && rehearsal.steps[0].tbs.len == 0);
	for (size_t i = 1; i < 3; i++) {
		CHECK(rehearsal.steps[i].fixed.serial_len >= 9); /* 64 random bits, and a first one that is zero */
		CHECK(rehearsal.steps[i].fixed.not_after_s > rehearsal.steps[i].fixed.not_before_s);
		CHECK(rehearsal.steps[i].tbs.len > 0);
	}
	CHECK(rehearsal.steps[3].fixed.number > 0);
	struct ceremony_known *known = ceremony_rehearsal_known(r.plan, &r.inputs, &rehearsal, &err);
	CHECK_OK(known != NULL, &err);
	CHECK_BYTES(ceremony_known_key(known, r.plan->steps[0].key), buf_bytes(&rehearsal.steps[0].spki));
	ceremony_known_free(known); /* it borrows the plan */
	end(&r);
}

/* The text with `what` replaced. */
static void replaced(const struct rehearsed *r, const char *what, const char *with, struct buf *out)
{
	auto_buf copy = BUF_INIT;
	buf_add_bytes(&copy, buf_bytes(&r->text));
	const char *text = buf_text(&copy), *at = strstr(text, what);
	REQUIRE(at != NULL);
	buf_add(out, text, (size_t)(at - text));
	buf_add_text(out, with);
	buf_add_text(out, at + strlen(what));
}

static void another_form_is_refused(void)
{
	static const char *const changes[][2] = {
		{ "\"version\": 1", "\"version\": 2" },
		{ "\"version\": 1", "\"version\": 1, \"more\": 1" },
		{ "\"version\": 1", "\"version\": 1, \"version\": 1" },
		{ "\"step\": \"root-1\"", "\"step\": \"root-2\"" },
		{ "\"number\": 0", "\"number\": -1" },
		{ "\"number\": 0", "\"number\": \"0\"" },
		{ "\"number\": 0", "\"number\": 0, \"more\": 0" },
		{ "\"notBefore\": \"2", "\"notBefore\": \"x" },
		{ "\"serial\": \"\"", "\"serial\": \"0\"" },
		{ "\"tbs\": \"30", "\"tbs\": \"3z" },
		{ "\"steps\": [", "\"steps\": [ 1," },
	};
	struct error err = ERR_INIT;
	struct rehearsed r = rehearse(room_root);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		auto_buf text = BUF_INIT;
		replaced(&r, changes[i][0], changes[i][1], &text);
		CHECK_FAILS(read_text(&r, buf_bytes(&text), &err) != 0, &err, ERR_INTEGRITY);
	}
	CHECK_FAILS(read_text(&r, BYTES(r.text.data, r.text.len / 2), &err) != 0, &err, ERR_INTEGRITY);
	CHECK_FAILS(read_text(&r, BYTES("", 0), &err) != 0, &err, ERR_INTEGRITY);
	end(&r);
}

static void another_plan_or_file_is_refused(void)
{
	struct error err = ERR_INIT;
	struct rehearsed r = rehearse(room_whole);
	CHECK_INT(r.inputs.count, 1);
	r.inputs.items[0].sha256[0] ^= 1;
	CHECK_FAILS(read_text(&r, buf_bytes(&r.text), &err) != 0, &err, ERR_CONFLICT);
	r.inputs.items[0].sha256[0] ^= 1;
	r.plan->sha256[31] ^= 1;
	CHECK_FAILS(read_text(&r, buf_bytes(&r.text), &err) != 0, &err, ERR_CONFLICT);
	r.plan->sha256[31] ^= 1;
	CHECK_OK(read_text(&r, buf_bytes(&r.text), &err) == 0, &err);
	end(&r);
}

static void the_last_key_that_is_left_closes_the_transcript(void)
{
	struct rehearsed r = rehearse(room_whole);
	char id[CEREMONY_ID_SIZE];
	CHECK_TEXT(ceremony_made_closing_key(r.plan), "pkcs11:token=root;object=root-1");
	ceremony_made_id(r.plan, id);
	CHECK_INT(strlen(id), 32);
	r.plan->steps[3].kind = CEREMONY_DESTROY;
	r.plan->steps[3].key = r.plan->steps[0].key;
	CHECK(ceremony_made_closing_key(r.plan) == NULL);
	r.plan->steps[3].key = NULL;
	r.plan->steps[3].kind = CEREMONY_CRL;
	end(&r);
}

SUITE(ceremony_rehearsal)
{
	TEST(what_a_rehearsal_fixed_is_read_as_it_was_written);
	TEST(another_form_is_refused);
	TEST(another_plan_or_file_is_refused);
	TEST(the_last_key_that_is_left_closes_the_transcript);
}
