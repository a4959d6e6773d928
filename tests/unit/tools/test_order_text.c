#include "tools/order_text.h"

#include "tests/unit/unit.h"

static const char pending[] =
	"{'id': 'o1', 'status': 'pending-validation', 'profile': 'server-dv', 'requester': 'alice',"
	" 'waitsFor': 'control of 2 of 3 names', 'notCopied': ['subject O=Foo'], 'approvalsNeeded': 2,"
	" 'approvals': [{'officer': 'olga', 'decision': 'approve', 'reason': 'fine', 'time': '2026-11-21T12:00:00Z'}],"
	" 'authorizations': ["
	"  {'name': 'dns:www.example.test', 'status': 'pending', 'lastChecked': '2026-11-21T11:00:00Z',"
	"   'lastError': {'code': 'nxdomain', 'detail': 'no such name'}, 'methods': ["
	"   {'type': 'dns-txt', 'name': '_chancery-challenge.www.example.test', 'value': 'the-txt-value'},"
	"   {'type': 'dns-cname', 'name': '_label.www.example.test', 'target': 'the-target'},"
	"   {'type': 'http', 'url': 'http://www.example.test/x', 'body': 'the-body'},"
	"   {'type': 'mail', 'to': ['admin@example.test', 'hostmaster@example.test']}]},"
	"  {'name': 'ip:192.0.2.1', 'status': 'valid', 'expires': '2026-12-21T12:00:00Z', 'methods': [{'type': "
	"'grant'}]},"
	"  {'name': 'dns:\\u001b[2Jx.test', 'status': 'pending', 'methods': []}]}";

static json_t *parse(const char *text)
{
	auto_buf quoted = BUF_INIT;
	for (; *text; text++)
		buf_u8(&quoted, *text == '\'' ? '"' : (uint8_t)*text);
	json_t *value = json_loads(buf_text(&quoted), 0, NULL);
	REQUIRE(value != NULL);
	return value;
}

static void check_holds(struct buf *text, const char *part)
{
	CHECK(strstr(buf_text(text), part) != NULL);
}

static void says_for_each_name_what_to_put_where(void)
{
	static const char *const parts[] = { "state:          pending-validation\n",
					     "control of 2 of 3 names",
					     "subject O=Foo",
					     "www.example.test: not shown yet; do one of these",
					     "name     _chancery-challenge.www.example.test\n",
					     "value    the-txt-value\n",
					     "target   the-target\n",
					     "URL      http://www.example.test/x\n",
					     "content  the-body\n",
					     "admin@example.test, hostmaster@example.test\n",
					     "2026-11-21T11:00:00Z: nxdomain: no such name\n",
					     "192.0.2.1: shown by grant, counts until 2026-12-21T12:00:00Z\n",
					     "approvals:      2\n",
					     "approve by olga, 2026-11-21T12:00:00Z: fine\n" };
	auto_json *order = parse(pending);
	auto_buf text = BUF_INIT;
	order_text(order, ORDER_VALUES_OWN, &text);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		check_holds(&text, parts[i]);
	check_holds(&text, "computed here, from your request");
}

static void values_that_nobody_checked_are_marked_as_such(void)
{
	auto_json *order = parse(pending);
	auto_buf text = BUF_INIT;
	order_text(order, ORDER_VALUES_UNCHECKED, &text);
	check_holds(&text, "--csr FILE");
	CHECK(strstr(buf_text(&text), "computed here, from your request") == NULL);
}

static void no_escape_sequence_of_a_server_reaches_the_terminal(void)
{
	auto_json *order = parse(pending);
	auto_buf text = BUF_INIT;
	order_text(order, ORDER_VALUES_OWN, &text);
	CHECK(strchr(buf_text(&text), '\033') == NULL);
	check_holds(&text, "?[2Jx.test: not shown yet\n");
}

static void an_order_that_is_over_says_why(void)
{
	auto_json *order = parse("{'id': 'o2', 'status': 'failed', 'waitsFor': '', 'authorizations': [],"
				 " 'failure': {'code': 'caa-forbids', 'detail': 'issue other'}}");
	auto_buf text = BUF_INIT;
	order_text(order, ORDER_VALUES_UNCHECKED, &text);
	CHECK_TEXT(buf_text(&text), "order:          o2\n"
				    "state:          failed\n"
				    "why:            caa-forbids: issue other\n");
}

static void only_an_order_that_nothing_is_missing_for_is_under_way(void)
{
	static const char *const under_way[] = { "{'status': 'ready'}", "{'status': 'issuing'}" };
	static const char *const others[] = { "{'status': 'draft'}", "{'status': 'pending-approval'}",
					      "{'status': 'issued'}", "{'status': 'denied'}", "{}" };
	for (size_t i = 0; i < 2; i++) {
		auto_json *order = parse(under_way[i]);
		CHECK(order_is_under_way(order));
	}
	for (size_t i = 0; i < 5; i++) {
		auto_json *order = parse(others[i]);
		CHECK(!order_is_under_way(order));
	}
}

SUITE(order_text)
{
	TEST(says_for_each_name_what_to_put_where);
	TEST(values_that_nobody_checked_are_marked_as_such);
	TEST(no_escape_sequence_of_a_server_reaches_the_terminal);
	TEST(an_order_that_is_over_says_why);
	TEST(only_an_order_that_nothing_is_missing_for_is_under_way);
}
