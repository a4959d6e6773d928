#include "httpd/orders.h"
#include "tests/unit/unit.h"

static void accepts(const char *text, bool change, struct orders_body *body)
{
	struct error err = ERR_INIT;
	CHECK_OK(orders_body_read(bytes_of(text), change, body, &err) == 0, &err);
}

static void refuses(const char *text, bool change, const char *member)
{
	CLEANUP(orders_body_free) struct orders_body body;
	struct error err = ERR_INIT;
	CHECK_FAILS(orders_body_read(bytes_of(text), change, &body, &err) == -1, &err, ERR_BAD_REQUEST);
	CHECK_TEXT(err.member, member);
}

static void reads_every_member_of_a_new_order(void)
{
	CLEANUP(orders_body_free) struct orders_body body;
	accepts("{\"csr\":\"-----BEGIN\\n\",\"profile\":\"server-ov\",\"days\":30,\"organization\":\"org-1\","
		"\"contacts\":[{\"role\":\"technical\",\"mail\":\"ops@example.test\"},{\"role\":\"administrative\","
		"\"mail\":\"Admin@example.test\"}],\"draft\":true}",
		false, &body);
	CHECK_BYTES(body.csr, bytes_of("-----BEGIN\n"));
	CHECK_BYTES(body.profile, bytes_of("server-ov"));
	CHECK_BYTES(body.organization, bytes_of("org-1"));
	CHECK_INT(body.days, 30);
	CHECK(body.draft);
	CHECK_INT(body.contact_count, 2);
	CHECK_BYTES(body.contacts[0].role, bytes_of("technical"));
	CHECK_BYTES(body.contacts[1].mail, bytes_of("Admin@example.test"));
}

static void a_new_order_needs_no_more_than_csr_and_profile(void)
{
	CLEANUP(orders_body_free) struct orders_body body;
	accepts("{\"csr\":\"x\",\"profile\":\"p\"}", false, &body);
	CHECK_INT(body.days, 0);
	CHECK_INT(body.organization.len, 0);
	CHECK_INT(body.contact_count, 0);
	CHECK(!body.draft);
}

#define NEW(more) "{\"csr\":\"x\",\"profile\":\"p\"," more "}"
static void names_the_member_that_is_wrong(void)
{
	static const char *const bodies[][2] = {
		{ "{}", "csr" },
		{ "{\"csr\":\"x\"}", "profile" },
		{ "{\"profile\":\"p\"}", "csr" },
		{ "{\"csr\":5,\"profile\":\"p\"}", "csr" },
		{ "{\"csr\":\"\",\"profile\":\"p\"}", "csr" },
		{ "{\"csr\":\"x\",\"profile\":\"\"}", "profile" },
		{ "{\"csr\":\"x\",\"profile\":\"a\\nb\"}", "profile" },
		{ NEW("\"days\":0"), "days" },
		{ NEW("\"days\":36501"), "days" },
		{ NEW("\"days\":1.5"), "days" },
		{ NEW("\"days\":\"30\""), "days" },
		{ NEW("\"days\":null"), "days" },
		{ NEW("\"organization\":\"\""), "organization" },
		{ NEW("\"organization\":null"), "organization" },
		{ NEW("\"organization\":\"a/b\""), "organization" },
		{ NEW("\"organization\":7"), "organization" },
		{ NEW("\"contacts\":{}"), "contacts" },
		{ NEW("\"contacts\":[5]"), "contacts[0]" },
		{ NEW("\"contacts\":[{\"role\":\"technical\"}]"), "contacts[0].mail" },
		{ NEW("\"contacts\":[{\"mail\":\"a@b.test\"}]"), "contacts[0].role" },
		{ NEW("\"contacts\":[{\"role\":\"boss\",\"mail\":\"a@b.test\"}]"), "contacts[0].role" },
		{ NEW("\"contacts\":[{\"role\":\"technical\",\"mail\":\"a b@c.test\"}]"), "contacts[0].mail" },
		{ NEW("\"contacts\":[{\"role\":\"technical\",\"mail\":\"nobody\"}]"), "contacts[0].mail" },
		{ NEW("\"contacts\":[{\"role\":\"technical\",\"mail\":\"a@b.test\",\"name\":\"A\"}]"),
		  "contacts[0].name" },
		{ NEW("\"draft\":\"yes\""), "draft" },
		{ NEW("\"draft\":null"), "draft" },
		{ NEW("\"names\":[\"dns:a.test\"]"), "names" },
	};
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		refuses(bodies[i][0], false, bodies[i][1]);
}

static void refuses_more_contacts_than_an_order_holds(void)
{
	auto_buf body = BUF_INIT;
	buf_add_text(&body, "{\"csr\":\"x\",\"profile\":\"p\",\"contacts\":[");
	for (int i = 0; i <= MESSAGE_CONTACTS_MAX; i++)
		buf_printf(&body, "%s{\"role\":\"technical\",\"mail\":\"a%d@b.test\"}", i ? "," : "", i);
	buf_add_text(&body, "]}");
	refuses(buf_text(&body), false, "contacts");
}

static void refuses_what_is_no_object(void)
{
	static const char *const bodies[] = { "",
					      "[]",
					      "null",
					      "{\"csr\":\"x\",\"csr\":\"x\",\"profile\":\"p\"}",
					      "{\"csr\":\"x\",\"profile\":\"p\"} {}",
					      "{\"csr\":\"\\ud800\"}",
					      "{\"csr\":\"\xff\"}",
					      "{\"csr\":\"a\\u0000b\",\"profile\":\"p\"}" };
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		refuses(bodies[i], false, "");
}

static void a_change_tells_what_it_sets_from_what_it_leaves(void)
{
	CLEANUP(orders_body_free) struct orders_body nothing, taken, given;
	accepts("{}", true, &nothing);
	CHECK(!nothing.sets_days && !nothing.sets_organization && !nothing.sets_contacts);
	CHECK_INT(nothing.csr.len + nothing.profile.len, 0);
	accepts("{\"days\":null,\"organization\":null,\"contacts\":[]}", true, &taken);
	CHECK(taken.sets_days && taken.sets_organization && taken.sets_contacts);
	CHECK_INT(taken.days, 0);
	CHECK_INT(taken.organization.len, 0);
	CHECK_INT(taken.contact_count, 0);
	accepts("{\"days\":9,\"organization\":\"org-2\",\"profile\":\"p\",\"csr\":\"x\"}", true, &given);
	CHECK_INT(given.days, 9);
	CHECK_BYTES(given.organization, bytes_of("org-2"));
	CHECK_BYTES(given.csr, bytes_of("x"));
}

static void a_change_is_as_strict_as_a_new_order(void)
{
	static const char *const bodies[][2] = {
		{ "{\"csr\":\"\"}", "csr" },
		{ "{\"csr\":null}", "csr" },
		{ "{\"profile\":null}", "profile" },
		{ "{\"days\":0}", "days" },
		{ "{\"contacts\":null}", "contacts" },
		{ "{\"organization\":\"a b\"}", "organization" },
		{ "{\"draft\":false}", "draft" }, /* a draft is submitted, not changed into an order */
		{ "{\"status\":\"issued\"}", "status" },
	};
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		refuses(bodies[i][0], true, bodies[i][1]);
}

static void a_confirmation_is_a_name_and_a_code(void)
{
	static const char *const bodies[][2] = {
		{ "{\"name\":\"dns:a.test\"}", "code" },
		{ "{\"code\":\"abc\"}", "name" },
		{ "{\"name\":\"\",\"code\":\"abc\"}", "name" },
		{ "{\"name\":\"dns:a.test\",\"code\":123}", "code" },
		{ "{\"name\":\"dns:a.test\",\"code\":\"abc\",\"id\":\"x\"}", "id" },
	};
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		auto_json *json = NULL;
		struct message_order_act act = { .action = 0 };
		struct error err = ERR_INIT;
		CHECK_FAILS(orders_confirm_read(bytes_of(bodies[i][0]), &act, &json, &err) == -1, &err,
			    ERR_BAD_REQUEST);
		CHECK_TEXT(err.member, bodies[i][1]);
		CHECK_TEXT(err.value, "");
	}
	auto_json *json = NULL;
	struct message_order_act act = { .action = 0 };
	struct error err = ERR_INIT;
	CHECK(orders_confirm_read(bytes_of("{\"name\":\"dns:a.test\",\"code\":\"abc\"}"), &act, &json, &err) == 0);
	CHECK_INT(act.action, ORDER_ACT_CONFIRM);
	CHECK_BYTES(act.code, bytes_of("abc"));
}

SUITE(orders_body)
{
	TEST(reads_every_member_of_a_new_order);
	TEST(a_new_order_needs_no_more_than_csr_and_profile);
	TEST(names_the_member_that_is_wrong);
	TEST(refuses_more_contacts_than_an_order_holds);
	TEST(refuses_what_is_no_object);
	TEST(a_change_tells_what_it_sets_from_what_it_leaves);
	TEST(a_change_is_as_strict_as_a_new_order);
	TEST(a_confirmation_is_a_name_and_a_code);
}
