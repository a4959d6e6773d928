#include "httpd/json_read.h"

#include "tests/unit/unit.h"

/* ---- one member, read as each type ---- */

struct read {
	struct error err;
	int done;
	struct bytes text;
	uint64_t number;
	bool flag;
	size_t count;
};

typedef void read_member(struct json_reader *in, struct read *r);

static json_t *kept; /* what the last reading borrows from */

static struct read read_object(const char *json, read_member *member)
{
	struct read r = { .err = ERR_INIT };
	json_decref(kept);
	kept = json_parse(bytes_of(json), &r.err);
	REQUIRE(kept != NULL);
	struct json_reader in = json_reader_of(kept, "", &r.err);
	member(&in, &r);
	r.done = json_read_done(&in);
	return r;
}

static void line(struct json_reader *in, struct read *r)
{
	r->text = json_read_text(in, "m", 1, 4);
}

static void optional_line(struct json_reader *in, struct read *r)
{
	r->text = json_read_text(in, "m", 0, 4);
}

static void lines(struct json_reader *in, struct read *r)
{
	r->text = json_read_lines(in, "m", 1, 4);
}

static void number(struct json_reader *in, struct read *r)
{
	r->number = json_read_number(in, "m", 36500);
}

static void flag(struct json_reader *in, struct read *r)
{
	r->flag = json_read_bool(in, "m");
}

static void null_or_line(struct json_reader *in, struct read *r)
{
	r->flag = json_read_has(in, "m");
	if (!json_read_null(in, "m"))
		r->text = json_read_text(in, "m", 1, 4);
}

static int take_text(json_t *item, const char *place, size_t at, void *arg, struct error *err)
{
	return json_item_text(item, place, 4, (struct bytes *)arg + at, err);
}

static void list(struct json_reader *in, struct read *r)
{
	struct bytes items[2];
	r->count = json_read_list(in, "m", 2, take_text, items);
	r->text = r->count ? items[r->count - 1] : BYTES_NONE;
}

static void refuses(const char *json, read_member *member, const char *place, const char *value)
{
	struct read r = read_object(json, member);
	CHECK_FAILS(r.done == -1, &r.err, ERR_BAD_REQUEST);
	CHECK_TEXT(r.err.member, place);
	CHECK_TEXT(r.err.value, value);
	CHECK_INT(r.text.len, 0);
	CHECK_INT(r.number, 0);
}

static void reads_each_type_as_what_it_is(void)
{
	struct read r = read_object("{\"m\":\"\xc3\xbc!\"}", line);
	CHECK_OK(r.done == 0, &r.err);
	CHECK_BYTES(r.text, bytes_of("\xc3\xbc!"));
	CHECK_INT(read_object("{}", optional_line).done, 0);
	r = read_object("{\"m\":\"a\\nb\\n\"}", lines);
	CHECK_BYTES(r.text, bytes_of("a\nb\n"));
	r = read_object("{\"m\":36500}", number);
	CHECK_INT(r.number, 36500);
	CHECK_INT(read_object("{}", number).done, 0);
	CHECK(read_object("{\"m\":true}", flag).flag);
	CHECK(!read_object("{\"m\":false}", flag).flag);
	CHECK_INT(read_object("{}", flag).done, 0);
	r = read_object("{\"m\":[\"a\",\"b\"]}", list);
	CHECK_INT(r.count, 2);
	CHECK_BYTES(r.text, bytes_of("b"));
	CHECK_INT(read_object("{\"m\":[]}", list).done, 0);
}

static void refuses_every_other_type(void)
{
	static const char *const others[] = { "{\"m\":null}", "{\"m\":1.5}", "{\"m\":{}}", "{\"m\":-1}", "{\"m\":0}" };
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		refuses(others[i], line, "m", "");
		refuses(others[i], lines, "m", "");
		refuses(others[i], number, "m", "");
		refuses(others[i], flag, "m", "");
		refuses(others[i], list, "m", "");
	}
	refuses("{\"m\":\"5\"}", number, "m", "5");
	refuses("{\"m\":36501}", number, "m", "");
	refuses("{\"m\":\"true\"}", flag, "m", "true");
	refuses("{\"m\":\"a\"}", list, "m", "");
}

static void refuses_texts_past_their_limits(void)
{
	refuses("{}", line, "m", "");
	refuses("{\"m\":\"\"}", line, "m", "");
	refuses("{\"m\":\"12345\"}", line, "m", "12345");
	refuses("{\"m\":\"12345\"}", optional_line, "m", "12345");
	refuses("{\"m\":\"a\\nb\"}", line, "m", "a\\x0ab");
	refuses("{\"m\":\"\\u0085\"}", line, "m", "\\xc2\\x85");
}

static void never_repeats_what_may_be_a_secret(void)
{
	refuses("{\"m\":\"12345\"}", lines, "m", "");
	struct read r = read_object("{\"m\":\"12345\"}", lines);
	CHECK(strstr(r.err.message, "12345") == NULL);
}

static void null_is_told_from_left_out(void)
{
	struct read r = read_object("{\"m\":null}", null_or_line);
	CHECK_OK(r.done == 0, &r.err);
	CHECK(r.flag);
	r = read_object("{\"m\":\"a\"}", null_or_line);
	CHECK_BYTES(r.text, bytes_of("a"));
	refuses("{\"m\":7}", null_or_line, "m", "");
}

static void names_the_item_of_a_list(void)
{
	refuses("{\"m\":[\"a\",5]}", list, "m[1]", "");
	refuses("{\"m\":[\"\"]}", list, "m[0]", "");
	refuses("{\"m\":[\"12345\"]}", list, "m[0]", "12345");
	refuses("{\"m\":[\"a\",\"b\",\"c\"]}", list, "m", "");
}

static void refuses_members_that_nobody_asked_for(void)
{
	struct read r = read_object("{\"m\":\"a\",\"other\":1}", line);
	CHECK_FAILS(r.done == -1, &r.err, ERR_BAD_REQUEST);
	CHECK_TEXT(r.err.member, "other");
	CHECK_TEXT(r.err.allowed, "m");
	/* A name is as hostile as a value. */
	r = read_object("{\"m\":\"a\",\"line\\nbreak\":1}", line);
	CHECK(strchr(r.err.message, '\n') == NULL);
}

static void the_first_fault_is_the_one_that_is_told(void)
{
	struct error err = ERR_INIT;
	auto_json *object = json_parse(bytes_of("{\"a\":1,\"b\":2}"), &err);
	struct json_reader in = json_reader_of(object, "documents[2].", &err);
	CHECK_INT(json_read_text(&in, "b", 1, 9).len, 0);
	CHECK_INT(json_read_number(&in, "a", 9), 0); /* good, but the reader has failed */
	json_read_refuse(&in, "a", "is odd", NULL);
	CHECK_FAILS(json_read_done(&in) == -1, &err, ERR_BAD_REQUEST);
	CHECK_TEXT(err.member, "documents[2].b");
}

static void an_item_that_is_no_object_is_named(void)
{
	struct error err = ERR_INIT;
	auto_json *text = json_string("x");
	struct json_reader in = json_reader_of(text, "contacts[0].", &err);
	CHECK_INT(json_read_text(&in, "role", 1, 9).len, 0);
	CHECK_FAILS(json_read_done(&in) == -1, &err, ERR_BAD_REQUEST);
	CHECK_TEXT(err.member, "contacts[0]");
	json_decref(kept);
	kept = NULL;
}

SUITE(json_read)
{
	TEST(reads_each_type_as_what_it_is);
	TEST(refuses_every_other_type);
	TEST(refuses_texts_past_their_limits);
	TEST(never_repeats_what_may_be_a_secret);
	TEST(null_is_told_from_left_out);
	TEST(names_the_item_of_a_list);
	TEST(refuses_members_that_nobody_asked_for);
	TEST(the_first_fault_is_the_one_that_is_told);
	TEST(an_item_that_is_no_object_is_named);
}
