#include "ca-core/ceremony_transcript.h"

#include "base/ossl.h"
#include "base/text.h"
#include "tests/unit/unit.h"

#define NOW ((int64_t)1796115600) /* 2026-12-01T09:00:00Z */

static const char *const begun[] = {
	"run", "The first \"root\"\nof \303\204", "00", "11", "yes", "chancery 0.1.0", "22"
};
static const char *const intent[] = { "root-1", "1 of 1", "root", "a root\nof ours", "pkcs11:token=r", "aa" };
static const char *const result[] = { "root-1", "out/root-1.pem", "bb", "", "" };
static const char *const finished[] = { "1" };
static const char *const attested[] = { "Ada", "operator", "s\n", "c2ln", "Y2VydA==" };
static const char *const signature[] = { "pkcs11:token=r", "c3BraQ==", "c2ln" };

static void add(struct ca_transcript *t, enum ca_transcript_event event, const char *const *values, struct buf *text)
{
	struct error err = ERR_INIT;
	CHECK_OK(ca_transcript_add(t, event, NOW + (int64_t)t->count, values, text, &err) == 0, &err);
}

static void whole(struct ca_transcript *t, struct buf *text)
{
	add(t, TRANSCRIPT_BEGUN, begun, text);
	add(t, TRANSCRIPT_INTENT, intent, text);
	add(t, TRANSCRIPT_RESULT, result, text);
	add(t, TRANSCRIPT_FINISHED, finished, text);
	add(t, TRANSCRIPT_ATTESTED, attested, text);
	add(t, TRANSCRIPT_SIGNED, signature, text);
	add(t, TRANSCRIPT_CLOSED, NULL, text);
}

static void a_line_has_its_members_in_order_and_follows_the_one_before(void)
{
	auto_ca_transcript t = CA_TRANSCRIPT_INIT;
	auto_buf text = BUF_INIT, second = BUF_INIT, expected = BUF_INIT;
	uint8_t hash[32];
	add(&t, TRANSCRIPT_BEGUN, begun, &text);
	CHECK_TEXT(buf_text(&text),
		   "{\"line\":1,\"previous\":\"0000000000000000000000000000000000000000000000000000000000000000\","
		   "\"time\":\"2026-12-01T09:00:00Z\",\"event\":\"begun\",\"mode\":\"run\","
		   "\"title\":\"The first \\\"root\\\"\\u000aof \303\204\",\"plan\":\"00\",\"rehearsal\":\"11\","
		   "\"attended\":\"yes\",\"program\":\"chancery 0.1.0\",\"program-sha256\":\"22\"}\n");
	sha256(text.data, text.len - 1, hash);
	CHECK_BYTES(BYTES(ca_transcript_last(&t)->hash, 32), BYTES(hash, 32));
	add(&t, TRANSCRIPT_FINISHED, finished, &second);
	buf_add_text(&expected, "{\"line\":2,\"previous\":\"");
	text_add_hex(&expected, BYTES(hash, 32));
	buf_add_text(&expected, "\",\"time\":\"2026-12-01T09:00:01Z\",\"event\":\"finished\",\"steps\":\"1\"}\n");
	CHECK_TEXT(buf_text(&second), buf_text(&expected));
}

static void what_was_written_is_read_back(void)
{
	auto_ca_transcript t = CA_TRANSCRIPT_INIT, back = CA_TRANSCRIPT_INIT;
	auto_buf text = BUF_INIT;
	struct error err = ERR_INIT;
	whole(&t, &text);
	CHECK_OK(ca_transcript_read(buf_bytes(&text), &back, NULL, &err) == 0, &err);
	CHECK_INT(back.count, 7);
	CHECK_TEXT(ca_transcript_value(&back.lines[0], "title"), begun[1]);
	CHECK(ca_transcript_value(&back.lines[0], "spki") == NULL);
	CHECK_BYTES(BYTES(back.lines[6].hash, 32), BYTES(t.lines[6].hash, 32));
	const struct ca_transcript_line *found = ca_transcript_find(&back, TRANSCRIPT_RESULT, "step", "root-1");
	REQUIRE(found != NULL);
	CHECK_INT(found->number, 3);
	CHECK(ca_transcript_find(&back, TRANSCRIPT_RESULT, "step", "root-2") == NULL);
}

/* Each octet to each other one: with the hash of the last line from elsewhere nothing goes unnoticed; without it all but
 * changes of the last line itself. */
static void no_changed_octet_goes_unnoticed(void)
{
	auto_ca_transcript t = CA_TRANSCRIPT_INIT;
	auto_buf text = BUF_INIT;
	size_t unnoticed = 0, chain = 0;
	whole(&t, &text);
	for (size_t i = 0; i < text.len; i++) {
		for (unsigned change = 1; change < 256; change++) {
			auto_ca_transcript back = CA_TRANSCRIPT_INIT;
			struct error err = ERR_INIT;
			text.data[i] ^= (uint8_t)change;
			int failed = ca_transcript_read(buf_bytes(&text), &back, NULL, &err);
			if (failed && (err.code != ERR_INTEGRITY || !strstr(err.message, "line")))
				unnoticed++;
			if (!failed && memcmp(ca_transcript_last(&back)->hash, t.lines[t.count - 1].hash, 32) == 0)
				unnoticed++;
			if (!failed && memcmp(ca_transcript_last(&back)->previous, t.lines[t.count - 2].hash, 32) != 0)
				chain++;
			text.data[i] ^= (uint8_t)change;
		}
	}
	CHECK_INT(unnoticed, 0);
	CHECK_INT(chain, 0);
}

static void no_cut_goes_unnoticed(void)
{
	auto_ca_transcript t = CA_TRANSCRIPT_INIT;
	auto_buf text = BUF_INIT;
	whole(&t, &text);
	for (size_t len = 0; len < text.len; len++) {
		auto_ca_transcript back = CA_TRANSCRIPT_INIT, torn = CA_TRANSCRIPT_INIT;
		struct error err = ERR_INIT;
		size_t lines = 0, there = 0;
		if (ca_transcript_read(BYTES(text.data, len), &back, NULL, &err) == 0)
			CHECK(len == 0 || text.data[len - 1] == '\n');
		CHECK_OK(ca_transcript_read(BYTES(text.data, len), &torn, &there, &err) == 0, &err);
		for (size_t i = 0; i < len; i++)
			lines += text.data[i] == '\n';
		CHECK_INT(torn.count, lines);
		CHECK(there <= len && (there == 0 || text.data[there - 1] == '\n'));
	}
}

static void lines_come_in_their_order_alone(void)
{
	auto_ca_transcript t = CA_TRANSCRIPT_INIT;
	auto_buf text = BUF_INIT;
	struct error err = ERR_INIT;
	CHECK_FAILS(ca_transcript_add(&t, TRANSCRIPT_INTENT, NOW, intent, &text, &err) != 0, &err, ERR_INTEGRITY);
	add(&t, TRANSCRIPT_BEGUN, begun, &text);
	CHECK_FAILS(ca_transcript_add(&t, TRANSCRIPT_BEGUN, NOW, begun, &text, &err) != 0, &err, ERR_INTEGRITY);
	CHECK_FAILS(ca_transcript_add(&t, TRANSCRIPT_SIGNED, NOW, signature, &text, &err) != 0, &err, ERR_INTEGRITY);
	CHECK_FAILS(ca_transcript_add(&t, TRANSCRIPT_INTENT, NOW - 1, intent, &text, &err) != 0, &err, ERR_INTEGRITY);
	add(&t, TRANSCRIPT_FINISHED, finished, &text);
	CHECK_FAILS(ca_transcript_add(&t, TRANSCRIPT_INTENT, NOW + 9, intent, &text, &err) != 0, &err, ERR_INTEGRITY);
	CHECK_FAILS(ca_transcript_add(&t, TRANSCRIPT_CLOSED, NOW + 9, NULL, &text, &err) != 0, &err, ERR_INTEGRITY);
	static const char *const resumed[] = { "chancery", "00", "0" };
	add(&t, TRANSCRIPT_RESUMED, resumed, &text);
	CHECK_FAILS(ca_transcript_add(&t, TRANSCRIPT_INTENT, NOW + 9, intent, &text, &err) != 0, &err, ERR_INTEGRITY);
	add(&t, TRANSCRIPT_SIGNED, signature, &text);
	CHECK_FAILS(ca_transcript_add(&t, TRANSCRIPT_ATTESTED, NOW + 9, attested, &text, &err) != 0, &err,
		    ERR_INTEGRITY);
	add(&t, TRANSCRIPT_CLOSED, NULL, &text);
	CHECK_FAILS(ca_transcript_add(&t, TRANSCRIPT_RESUMED, NOW + 9, resumed, &text, &err) != 0, &err, ERR_INTEGRITY);
	CHECK_INT(t.count, 5);
}

static void what_is_not_utf8_is_refused(void)
{
	auto_ca_transcript t = CA_TRANSCRIPT_INIT;
	auto_buf text = BUF_INIT;
	struct error err = ERR_INIT;
	const char *values[] = { "run", "\xff", "", "", "", "", "" };
	CHECK_FAILS(ca_transcript_add(&t, TRANSCRIPT_BEGUN, NOW, values, &text, &err) != 0, &err, ERR_BAD_REQUEST);
	CHECK_INT(text.len, 0);
	CHECK_INT(t.count, 0);
}

static void a_line_that_is_too_long_is_refused(void)
{
	auto_ca_transcript t = CA_TRANSCRIPT_INIT;
	auto_buf text = BUF_INIT;
	struct error err = ERR_INIT;
	auto_free char *title = malloc(CA_TRANSCRIPT_LINE_MAX + 1);
	REQUIRE(title != NULL);
	memset(title, 'x', CA_TRANSCRIPT_LINE_MAX);
	title[CA_TRANSCRIPT_LINE_MAX] = '\0';
	const char *values[] = { "run", title, "", "", "", "", "" };
	CHECK_FAILS(ca_transcript_add(&t, TRANSCRIPT_BEGUN, NOW, values, &text, &err) != 0, &err, ERR_TOO_LARGE);
	CHECK_INT(t.count, 0);
}

static void people_read_the_same_facts_within_80_columns(void)
{
	auto_ca_transcript t = CA_TRANSCRIPT_INIT;
	auto_buf text = BUF_INIT, shown = BUF_INIT;
	struct error err = ERR_INIT;
	char hash[65];
	whole(&t, &text);
	CHECK_OK(ca_transcript_text(&t, &shown, &err) == 0, &err);
	const char *all = buf_text(&shown);
	CHECK(strstr(all, "  1  2026-12-01T09:00:00Z  The ceremony begins.\n") == all);
	CHECK(strstr(all, "     what\na root\nof ours\n") != NULL);
	CHECK(strstr(all, "The closing hash, to be read aloud") != NULL);
	text_hex(BYTES(t.lines[6].hash, 32), hash);
	CHECK(strncmp(strstr(all, "on paper:\n\n") + 16, hash, 4) == 0);
	for (const char *line = all; *line; line += strcspn(line, "\n") + 1)
		CHECK(strcspn(line, "\n") <= 82); /* two octets for one letter */
}

static void a_hash_stands_in_groups_of_four(void)
{
	uint8_t hash[32];
	auto_buf out = BUF_INIT;
	for (uint8_t i = 0; i < 32; i++)
		hash[i] = (uint8_t)(8 * i);
	ca_transcript_groups(hash, 2, &out);
	CHECK_TEXT(buf_text(&out), "  0008 1018 2028 3038 4048 5058 6068 7078\n"
				   "  8088 9098 a0a8 b0b8 c0c8 d0d8 e0e8 f0f8\n");
}

SUITE(ceremony_transcript)
{
	TEST(a_line_has_its_members_in_order_and_follows_the_one_before);
	TEST(what_was_written_is_read_back);
	TEST(no_changed_octet_goes_unnoticed);
	TEST(no_cut_goes_unnoticed);
	TEST(lines_come_in_their_order_alone);
	TEST(what_is_not_utf8_is_refused);
	TEST(a_line_that_is_too_long_is_refused);
	TEST(people_read_the_same_facts_within_80_columns);
	TEST(a_hash_stands_in_groups_of_four);
}
