#include "tools/ceremony_verify.h"

#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/unit/tools/ceremony_room.h"

#define FILES_MAX 64
/* Sanitizers are slow, and look for something else: to them each seventh octet is enough. */
#ifdef __SANITIZE_ADDRESS__
#define STEP 7
#else
#define STEP 1
#endif
static char *found[FILES_MAX];
static size_t found_count;

static int take_file(const char *path, const struct stat *status, int kind)
{
	(void)status;
	if (kind == FTW_F && found_count < FILES_MAX)
		found[found_count++] = strdup(path);
	return 0;
}

static void find_files(const char *folder)
{
	found_count = 0;
	REQUIRE(ftw(folder, take_file, 8) == 0);
}

static void forget_files(void)
{
	while (found_count)
		free(found[--found_count]);
}

static int verify(const char *folder, const uint8_t *closing, struct error *err)
{
	auto_ceremony_verified v = CEREMONY_VERIFIED_INIT;
	*err = ERR_INIT;
	return ceremony_verify(folder, closing, &v, err);
}

static void put(const char *path, struct bytes content)
{
	FILE *file = fopen(path, "wb");
	REQUIRE(file != NULL);
	CHECK_INT(fwrite(content.data, 1, content.len, file), content.len);
	(void)fclose(file);
}

/* In its place: a file that is written anew waits for the disk. */
static void put_octet(const char *path, size_t at, uint8_t octet)
{
	FILE *file = fopen(path, "r+b");
	REQUIRE(file != NULL);
	CHECK_INT(fseek(file, (long)at, SEEK_SET), 0);
	CHECK_INT(fputc(octet, file), octet);
	CHECK_INT(fclose(file), 0);
}

/* ---- what is verified ---- */

static void a_ceremony_is_anchored_by_its_closing_hash(void)
{
	struct error err = ERR_INIT;
	uint8_t closing[32];
	auto_ceremony_verified v = CEREMONY_VERIFIED_INIT, without = CEREMONY_VERIFIED_INIT;
	room_open();
	room_ceremony(room_plan("plan", room_whole), "rehearsal", "run", closing);
	CHECK_OK(ceremony_verify(unit_path("run"), closing, &v, &err) == 0, &err);
	CHECK(v.anchored);
	CHECK_INT(v.plan->step_count, 4);
	CHECK(ceremony_known_certificate(v.known, "issuing-1").len > 0);
	CHECK_OK(ceremony_verify(unit_path("run"), NULL, &without, &err) == 0, &err);
	CHECK(!without.anchored);
	closing[31] ^= 1;
	CHECK_FAILS(verify(unit_path("run"), closing, &err) != 0, &err, ERR_INTEGRITY);
	CHECK(strstr(err.message, "line ") != NULL);
	CHECK_FAILS(verify(unit_path("rehearsal"), NULL, &err) != 0, &err, ERR_INTEGRITY);
	CHECK(strstr(err.message, "line 1 of the transcript") != NULL);
	CHECK_FAILS(verify(unit_path("nothing"), NULL, &err) != 0, &err, ERR_NOT_FOUND);
}

/* Each octet of each file; without the closing hash as well. */
static void no_changed_octet_of_any_file_goes_unnoticed(void)
{
	uint8_t closing[32];
	size_t unnoticed = 0, nameless = 0, octets = 0;
	room_open();
	room_ceremony(room_plan("plan", room_root), "rehearsal", "run", closing);
	const char *folder = unit_path("run");
	find_files(folder);
	CHECK_INT(found_count, 5);
	for (size_t f = 0; f < found_count; f++) {
		struct error err = ERR_INIT;
		auto_buf content = BUF_INIT;
		CHECK_OK(file_read(found[f], 1 << 20, &content, &err) == 0, &err);
		for (size_t i = 0; i < content.len; i += STEP) {
			put_octet(found[f], i, (uint8_t)(content.data[i] ^ (1 + i % 255)));
			unnoticed += verify(folder, NULL, &err) == 0;
			nameless += err.code != ERR_INTEGRITY || !strstr(err.message, "line ");
			put_octet(found[f], i, content.data[i]);
			octets++;
		}
	}
	CHECK_INT(unnoticed, 0);
	CHECK_INT(nameless, 0);
	CHECK(octets > 8000 / STEP);
	struct error err = ERR_INIT;
	CHECK_OK(verify(unit_path("run"), closing, &err) == 0, &err);
	forget_files();
}

static void no_file_may_be_missing_empty_or_besides(void)
{
	struct error err = ERR_INIT;
	uint8_t closing[32];
	room_open();
	room_ceremony(room_plan("plan", room_root), "rehearsal", "run", closing);
	find_files(unit_path("run"));
	for (size_t f = 0; f < found_count; f++) {
		char away[512];
		(void)snprintf(away, sizeof(away), "%s-away", unit_path("file"));
		REQUIRE(rename(found[f], away) == 0);
		CHECK(verify(unit_path("run"), closing, &err) != 0);
		CHECK(err.code == ERR_INTEGRITY || strstr(found[f], "transcript.jsonl"));
		put(found[f], BYTES("", 0));
		CHECK_FAILS(verify(unit_path("run"), closing, &err) != 0, &err, ERR_INTEGRITY);
		REQUIRE(rename(away, found[f]) == 0);
	}
	forget_files();
	static const char *const others[] = { "run/a", "run/inputs/a", "run/out/a.pem", "run/attestations/a" };
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		put(unit_path(others[i]), BYTES("a", 1));
		CHECK_FAILS(verify(unit_path("run"), closing, &err) != 0, &err, ERR_INTEGRITY);
		CHECK_INT(unlink(unit_path(others[i])), 0);
	}
	CHECK_OK(verify(unit_path("run"), closing, &err) == 0, &err);
}

SUITE(ceremony_verify)
{
	TEST(a_ceremony_is_anchored_by_its_closing_hash);
	TEST(no_changed_octet_of_any_file_goes_unnoticed);
	TEST(no_file_may_be_missing_empty_or_besides);
}
