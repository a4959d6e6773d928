#include "tools/ceremony_run.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "tests/unit/tools/ceremony_room.h"

static int rehearse(const char *plan, const char *out)
{
	struct error err = ERR_INIT;
	uint8_t closing[32];
	const struct room_run run = { .plan = plan, .out = out };
	CHECK_OK(room_run(&run, closing, &err) == 0, &err);
	return 0;
}

static void a_plan_that_nobody_attends_is_refused_where_it_is_not_allowed(void)
{
	struct error err = ERR_INIT;
	uint8_t closing[32];
	room_open();
	const struct room_run run = { .plan = room_plan("plan", room_root),
				      .out = unit_path("rehearsal"),
				      .attended_only = true };
	CHECK_FAILS(room_run(&run, closing, &err) != 0, &err, ERR_CONFIG);
	CHECK(!file_exists(unit_path("rehearsal")));
}

static void a_run_outside_the_window_or_with_a_wrong_pin_leaves_nothing(void)
{
	struct error err = ERR_INIT;
	uint8_t closing[32];
	room_open();
	struct room_run run = { .plan = room_plan("plan", room_root),
				.rehearsal = unit_path("rehearsal"),
				.out = unit_path("run") };
	rehearse(run.plan, run.rehearsal);
	run.shift_s = -1200;
	CHECK_FAILS(room_run(&run, closing, &err) != 0, &err, ERR_CONFLICT);
	CHECK(strstr(err.message, "window") != NULL);
	run.shift_s = 0;
	run.pin = "271828";
	CHECK_FAILS(room_run(&run, closing, &err) != 0, &err, ERR_PIN_REFUSED);
	CHECK(!file_exists(run.out));
	run.pin = NULL;
	CHECK_OK(room_run(&run, closing, &err) == 0, &err);
}

/* Text in the file that stands behind `behind` is replaced, octet for octet. */
static void change(const char *path, const char *behind, const char *with)
{
	struct error err = ERR_INIT;
	auto_buf content = BUF_INIT;
	CHECK_OK(file_read(path, 1 << 20, &content, &err) == 0, &err);
	char *at = (char *)(uintptr_t)strstr(buf_text(&content), behind);
	REQUIRE(at != NULL);
	memcpy(at + strlen(behind), with, strlen(with));
	CHECK_OK(file_replace(path, buf_bytes(&content), 0644, &err) == 0, &err);
}

static void what_was_not_rehearsed_is_not_signed(void)
{
	struct error err = ERR_INIT;
	uint8_t closing[32];
	room_open();
	const struct room_run run = { .plan = room_plan("plan", room_root),
				      .rehearsal = unit_path("rehearsal"),
				      .out = unit_path("run") };
	rehearse(run.plan, run.rehearsal);
	/* The first serial that is not empty is the root's. */
	change(unit_path("rehearsal/rehearsal.json"), "\"step\": \"root-1\",\n   \"serial\": \"", "0123");
	CHECK_FAILS(room_run(&run, closing, &err) != 0, &err, ERR_INTEGRITY);
	CHECK(strstr(err.message, "not what was rehearsed, and is not signed") != NULL);
	CHECK(!file_exists(unit_path("run/out/root-1.pem")));
}

static void a_closed_run_is_resumed_without_a_change(void)
{
	struct error err = ERR_INIT;
	uint8_t closing[32], again[32];
	room_open();
	const char *plan = room_plan("plan", room_whole);
	room_ceremony(plan, "rehearsal", "run", closing);
	struct room_run run = {
		.plan = plan, .rehearsal = unit_path("rehearsal"), .out = unit_path("run"), .resume = true
	};
	CHECK_OK(room_run(&run, again, &err) == 0, &err);
	CHECK_BYTES(BYTES(again, 32), BYTES(closing, 32));
	run.resume = false;
	CHECK_FAILS(room_run(&run, again, &err) != 0, &err, ERR_CONFLICT);
}

static void a_run_is_resumed_with_its_own_plan_and_rehearsal_alone(void)
{
	struct error err = ERR_INIT;
	uint8_t closing[32];
	room_open();
	const char *plan = room_plan("plan", room_root);
	room_ceremony(plan, "rehearsal", "run", closing);
	rehearse(plan, unit_path("another"));
	struct room_run run = {
		.plan = plan, .rehearsal = unit_path("another"), .out = unit_path("run"), .resume = true
	};
	CHECK_FAILS(room_run(&run, closing, &err) != 0, &err, ERR_CONFLICT);
	CHECK(strstr(err.message, "another rehearsal") != NULL);
	run.plan = room_plan(
		"other",
		"step \"root-2-key\" { kind = \"key\" key = \"pkcs11:token=root;object=root-2\" type = \"p256\" }\n"
		"step \"root-2\" { kind = \"root\" key = \"pkcs11:token=root;object=root-2\" profile = \"root\"\n"
		"common-name = \"Root\" not-before = \"now\" days = 730 }\n");
	run.rehearsal = unit_path("of-other");
	rehearse(run.plan, run.rehearsal);
	CHECK_FAILS(room_run(&run, closing, &err) != 0, &err, ERR_CONFLICT);
	CHECK(strstr(err.message, "another plan") != NULL);
	run.out = unit_path("another");
	run.rehearsal = unit_path("of-other");
	CHECK_FAILS(room_run(&run, closing, &err) != 0, &err, ERR_USAGE);
}

SUITE(ceremony_run)
{
	TEST(a_plan_that_nobody_attends_is_refused_where_it_is_not_allowed);
	TEST(a_run_outside_the_window_or_with_a_wrong_pin_leaves_nothing);
	TEST(what_was_not_rehearsed_is_not_signed);
	TEST(a_closed_run_is_resumed_without_a_change);
	TEST(a_run_is_resumed_with_its_own_plan_and_rehearsal_alone);
}
