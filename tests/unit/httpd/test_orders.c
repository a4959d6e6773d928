/* Orders over HTTP: what the signer is asked, what the client sees. */
#include <stdio.h>
#include <stdlib.h>

#include "ca-core/message_order.h"
#include "tests/unit/httpd/rig.h"

static const char orders_path[] = "/api/v1/orders", order_path[] = "/api/v1/orders/ord-1";

static struct rig *start(void)
{
	struct rig *rig = rig_start(NULL);
	CHECK(rig_await_ready(rig));
	return rig;
}

static struct message_order_act asked_act(struct rig *rig)
{
	struct message_order_act asked = { .action = 0 };
	struct error err = ERR_INIT;
	CHECK_INT(rig->signer.last_type, MSG_ORDER_ACT);
	CHECK_OK(message_order_act_read(buf_bytes(&rig->signer.last), &asked, &err) == 0, &err);
	return asked;
}

/* ---- an order as JSON ---- */

static void check_json(json_t *actual, const char *expected)
{
	json_t *wanted = json_loads(expected, JSON_REJECT_DUPLICATES, NULL);
	REQUIRE(wanted != NULL);
	char *text = json_dumps(actual, JSON_COMPACT | JSON_PRESERVE_ORDER);
	char *wanted_text = json_dumps(wanted, JSON_COMPACT | JSON_PRESERVE_ORDER);
	CHECK_TEXT(text, wanted_text);
	free(text);
	free(wanted_text);
	json_decref(wanted);
}

#define HEX16(octet) octet octet octet octet octet octet octet octet octet octet octet octet octet octet octet octet
#define HEX32(octet) HEX16(octet) HEX16(octet)

static void shows_an_order_as_the_contract_has_it(void)
{
	struct rig *rig = start();
	struct reply reply = ask_as(rig, "alice", "GET", order_path, "", BYTES_NONE);
	CHECK_INT(reply.status, 200);
	CHECK_TEXT(reply_header(&reply, "Content-Type"), "application/json");
	CHECK_TEXT(reply_header(&reply, "Location"), "");
	json_t *order = json_of(&reply);
	check_json(
		order,
		"{\"id\":\"ord-1\",\"status\":\"pending-approval\",\"profile\":\"server-dv\","
		"\"names\":[\"dns:a.test\",\"dns:b.test\"],\"requester\":\"alice\",\"organization\":\"org-1\","
		"\"days\":30,\"subject\":\"O=Example GmbH\",\"askedSubject\":\"O=Elsewhere\","
		"\"spkiSha256\":\"" HEX32(
			"11") "\","
			      "\"contacts\":[{\"role\":\"technical\",\"mail\":\"ops@a.test\"}],"
			      "\"notCopied\":[\"subject O=Elsewhere\"],\"nonce\":\"" HEX32(
				      "ab") "\","
					    "\"created\":\"2026-09-21T14:13:20Z\",\"expires\":\"2026-09-28T12:53:20Z\","
					    "\"waitsFor\":\"one officer's approval\",\"authorizations\":["
					    "{\"name\":\"dns:a.test\",\"status\":\"pending\",\"expires\":\"2026-09-"
					    "28T12:53:20Z\",\"methods\":["
					    "{\"type\":\"dns-txt\",\"name\":\"_chancery-challenge.a.test\",\"value\":"
					    "\"value\"},"
					    "{\"type\":\"dns-cname\",\"name\":\"_label.a.test\",\"target\":\"value."
					    "base.test\"},"
					    "{\"type\":\"http\",\"url\":\"http://a.test/.well-known/"
					    "x\",\"body\":\"value\"},"
					    "{\"type\":\"mail\",\"to\":[\"admin@a.test\",\"hostmaster@a.test\"]}],"
					    "\"lastChecked\":\"2026-09-21T14:14:20Z\","
					    "\"lastError\":{\"code\":\"nxdomain\",\"detail\":\"no such name\"}},"
					    "{\"name\":\"dns:b.test\",\"status\":\"valid\",\"expires\":\"2027-01-15T08:"
					    "00:00Z\","
					    "\"methods\":[{\"type\":\"grant\"}]}],"
					    "\"approvalsNeeded\":2,\"approvals\":[{\"officer\":\"bob\",\"decision\":"
					    "\"approve\","
					    "\"reason\":\"looked at\",\"time\":\"2026-09-21T14:15:00Z\"}],"
					    "\"tbsHash\":\"" HEX32(
						    "cd") "\",\"approveBefore\":\"2026-09-23T14:13:20Z\"}");
	json_decref(order);
	reply_free(&reply);
	rig_stop(rig);
}

static void leaves_out_what_an_order_has_not(void)
{
	static const char *const absent[] = { "organization", "days",          "subject", "askedSubject",
					      "tbsHash",      "approveBefore", "next" };
	struct rig *rig = start();
	struct reply reply = ask_as(rig, "alice", "GET", "/api/v1/orders/ord-2", "", BYTES_NONE);
	json_t *order = json_of(&reply);
	for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
		CHECK(json_object_get(order, absent[i]) == NULL);
	CHECK_TEXT(text_at(order, "waitsFor"), "");
	CHECK_TEXT(text_at(order, "issuer"), "issuing-1");
	CHECK_TEXT(text_at(order, "certificate"), "01abcd");
	CHECK_TEXT(text_at(json_object_get(order, "failure"), "code"), "blocked-key");
	CHECK_INT(json_array_size(json_object_get(order, "authorizations")), 0);
	CHECK_INT(json_array_size(json_object_get(order, "approvals")), 0);
	json_decref(order);
	reply_free(&reply);
	rig_stop(rig);
}

static void an_order_of_a_hundred_long_names_comes_whole(void)
{
	struct rig *rig = start();
	rig->signer.order_names = 100;
	struct reply reply = ask_as(rig, "alice", "GET", order_path, "", BYTES_NONE);
	CHECK_INT(reply.status, 200);
	json_t *order = json_of(&reply), *authorizations = json_object_get(order, "authorizations");
	CHECK_INT(json_array_size(authorizations), 100);
	CHECK_INT(json_array_size(json_object_get(json_array_get(authorizations, 99), "methods")), 4);
	json_decref(order);
	reply_free(&reply);
	rig_stop(rig);
}

/* ---- who ---- */

static void only_the_enrolled_reach_orders(void)
{
	static const char *const rows[][2] = {
		{ "POST", "/api/v1/orders" },
		{ "GET", "/api/v1/orders" },
		{ "GET", "/api/v1/orders/ord-1" },
		{ "GET", "/api/v1/orders/ord-1/tbs" },
		{ "PATCH", "/api/v1/orders/ord-1" },
		{ "POST", "/api/v1/orders/ord-1/submit" },
		{ "POST", "/api/v1/orders/ord-1/copy" },
		{ "POST", "/api/v1/orders/ord-1/cancel" },
		{ "POST", "/api/v1/orders/ord-1/check" },
		{ "POST", "/api/v1/orders/ord-1/confirm" },
		{ "POST", "/api/v1/orders/ord-1/approve" },
		{ "POST", "/api/v1/orders/ord-1/deny" },
		{ "POST", "/api/v1/organizations" },
		{ "GET", "/api/v1/organizations" },
		{ "GET", "/api/v1/organizations/org-1" },
		{ "GET", "/api/v1/organizations/org-1/record" },
		{ "POST", "/api/v1/organizations/org-1/vet" },
		{ "POST", "/api/v1/organizations/org-1/suspend" },
		{ "GET", "/api/v1/explain/ord-1" },
	};
	struct rig *rig = start();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct reply reply = ask_https(rig, NULL, rows[i][0], rows[i][1], JSON_TYPE, BYTES_NONE);
		CHECK_INT(reply.status, 401);
		reply_free(&reply);
	}
	CHECK_INT(rig->signer.last_type, 0);
	rig_stop(rig);
}

static void a_token_asks_and_reads_as_the_signer_lets_it(void)
{
	struct rig *rig = start();
	struct reply reply = ask_https(rig, NULL, "GET", orders_path, "Authorization: Bearer chy_good\r\n", BYTES_NONE);
	CHECK_INT(reply.status, 200);
	reply_free(&reply);
	rig->signer.refuse = ERR_ROLE_REQUIRED;
	reply = ask_https(rig, NULL, "POST", "/api/v1/orders/ord-1/cancel", "Authorization: Bearer chy_good\r\n",
			  BYTES_NONE);
	CHECK_INT(reply.status, 403);
	reply_free(&reply);
	rig_stop(rig);
}

/* ---- the list ---- */

static void lists_orders_with_every_filter(void)
{
	struct rig *rig = start();
	struct reply reply =
		ask_as(rig, "bob", "GET", "/api/v1/orders?status=pending-approval&mine=true&limit=7&cursor=6d6f7265",
		       "", BYTES_NONE);
	CHECK_INT(reply.status, 200);
	json_t *page = json_of(&reply);
	check_json(page, "{\"orders\":[{\"id\":\"ord-1\",\"status\":\"pending-validation\",\"profile\":\"server-dv\","
			 "\"requester\":\"alice\",\"name\":\"dns:a.test\",\"nameCount\":2,"
			 "\"created\":\"2026-09-21T14:13:20Z\",\"expires\":\"2026-09-28T12:53:20Z\","
			 "\"waitsFor\":\"a TXT record\"}],\"next\":\"6d6f7265\"}");
	json_decref(page);
	reply_free(&reply);
	struct message_order_list asked;
	struct error err = ERR_INIT;
	CHECK(message_order_list_read(buf_bytes(&rig->signer.last), &asked, &err) == 0);
	CHECK_BYTES(asked.status, bytes_of("pending-approval"));
	CHECK(asked.mine);
	CHECK_INT(asked.limit, 7);
	CHECK_BYTES(asked.cursor, bytes_of("more"));
	check_status(rig, "GET", "/api/v1/orders?mine=false", "", "", 200, "ord-1");
	CHECK(message_order_list_read(buf_bytes(&rig->signer.last), &asked, &err) == 0);
	CHECK(!asked.mine);
	CHECK_INT(asked.limit, 50);
	rig_stop(rig);
}

static void refuses_filters_that_are_not_well_formed(void)
{
	static const char *const queries[] = { "mine=yes",  "mine=",     "limit=0",
					       "limit=501", "cursor=zz", "requester=alice" };
	struct rig *rig = start();
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		char path[256];
		(void)snprintf(path, sizeof(path), "/api/v1/orders?%s", queries[i]);
		check_status(rig, "GET", path, "", "", 400, "\"code\":\"bad-request\"");
	}
	char path[256];
	(void)snprintf(path, sizeof(path), "/api/v1/orders?status=%065d", 0);
	check_status(rig, "GET", path, "", "", 400, "\"member\":\"status\"");
	CHECK_INT(rig->signer.last_type, 0);
	rig_stop(rig);
}

/* ---- acting ---- */

static void each_action_is_told_as_what_it_is(void)
{
	static const struct {
		const char *name;
		enum message_order_action action;
		int status;
	} actions[] = { { "submit", ORDER_ACT_SUBMIT, 200 },
			{ "copy", ORDER_ACT_COPY, 201 },
			{ "cancel", ORDER_ACT_CANCEL, 200 },
			{ "check", ORDER_ACT_CHECK, 200 } };
	struct rig *rig = start();
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		char path[64];
		(void)snprintf(path, sizeof(path), "/api/v1/orders/ord-7/%s", actions[i].name);
		struct reply reply = ask_as(rig, "alice", "POST", path, "", BYTES_NONE);
		CHECK_INT(reply.status, actions[i].status);
		CHECK_TEXT(reply_header(&reply, "Location"), actions[i].status == 201 ? order_path : "");
		CHECK_INT(asked_act(rig).action, actions[i].action);
		CHECK_BYTES(asked_act(rig).id, bytes_of("ord-7"));
		reply_free(&reply);
	}
	check_status(rig, "POST", "/api/v1/orders/ord-1/approve", "", "", 415, "application/json");
	check_status(rig, "POST", "/api/v1/orders/ord-1/submit", "", "{}", 400, "takes no body");
	check_status(rig, "POST", "/api/v1/orders/ord-1/explode", "", "", 404, "\"code\":\"not-found\"");
	check_status(rig, "POST", "/api/v1/orders/a%2bb/submit", "", "", 404, "\"member\":\"id\"");
	rig_stop(rig);
}

static void a_code_is_confirmed_by_post_alone(void)
{
	static const char path[] = "/api/v1/orders/ord-1/confirm";
	struct rig *rig = start();
	check_status(rig, "GET", path, "", "", 405, "\"code\":\"method-not-allowed\"");
	check_status(rig, "POST", "/api/v1/orders/ord-1/confirm?name=dns:a.test&code=abc", JSON_TYPE, "{}", 400,
		     "no query argument");
	check_status(rig, "POST", path, JSON_TYPE, "{\"name\":\"dns:a.test\"}", 400, "\"member\":\"code\"");
	CHECK_INT(rig->signer.last_type, 0);
	check_status(rig, "POST", path, JSON_TYPE, "{\"name\":\"dns:a.test\",\"code\":\"abc\"}", 200, "ord-1");
	CHECK_INT(asked_act(rig).action, ORDER_ACT_CONFIRM);
	CHECK_BYTES(asked_act(rig).name, bytes_of("dns:a.test"));
	CHECK_BYTES(asked_act(rig).code, bytes_of("abc"));
	rig_stop(rig);
}

static void what_the_signer_refuses_reaches_the_client(void)
{
	static const struct {
		enum err_code code;
		int status;
	} refusals[] = { { ERR_ORDER_STATE, 409 },
			 { ERR_VALIDATION_FAILED, 409 },
			 { ERR_ORGANIZATION_NOT_VALID, 403 },
			 { ERR_CAA_FORBIDS, 403 },
			 { ERR_APPROVAL_NOT_ALLOWED, 403 },
			 { ERR_NOT_FOUND, 404 },
			 { ERR_ROLE_REQUIRED, 403 },
			 { ERR_STORE_FULL, 503 } };
	struct rig *rig = start();
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		auto_buf wanted = BUF_INIT;
		rig->signer.refuse = (int)refusals[i].code;
		buf_printf(&wanted, "\"code\":\"%s\"", err_class(refusals[i].code)->slug);
		check_status(rig, "POST", "/api/v1/orders/ord-1/submit", "", "", refusals[i].status, buf_text(&wanted));
		check_status(rig, "PATCH", order_path, JSON_TYPE, "{}", refusals[i].status, buf_text(&wanted));
		check_status(rig, "GET", orders_path, "", "", refusals[i].status, buf_text(&wanted));
	}
	rig_stop(rig);
}

/* ---- bytes ---- */

static void gives_the_bytes_that_are_to_be_approved(void)
{
	struct rig *rig = start();
	struct reply reply = ask_as(rig, "bob", "GET", "/api/v1/orders/ord-1/tbs", "", BYTES_NONE);
	CHECK_INT(reply.status, 200);
	CHECK_TEXT(reply_header(&reply, "Content-Type"), "application/octet-stream");
	CHECK_TEXT(reply_header(&reply, "Cache-Control"), "no-store");
	CHECK_BYTES(buf_bytes(&reply.body), bytes_of("0tbs"));
	reply_free(&reply);
	check_status(rig, "GET", "/api/v1/orders/ord-9/tbs", "", "", 404, "\"code\":\"not-found\"");
	rig_stop(rig);
}

static void explains_an_order_or_a_certificate(void)
{
	struct rig *rig = start();
	struct reply reply = ask_as(rig, "bob", "GET", "/api/v1/explain/ord-1", "", BYTES_NONE);
	CHECK_INT(reply.status, 200);
	CHECK_TEXT(reply_header(&reply, "Content-Type"), "application/json");
	CHECK_TEXT(reply_text(&reply), "{\"why\":\"granted\"}\n");
	CHECK_INT(rig->signer.last_type, MSG_EXPLAIN);
	reply_free(&reply);
	check_status(rig, "GET", "/api/v1/explain/01abcd", "", "", 404, "nothing of this id");
	check_status(rig, "GET", "/api/v1/explain/01%20", "", "", 404, "nor can there be");
	rig_stop(rig);
}

SUITE(orders)
{
	TEST(shows_an_order_as_the_contract_has_it);
	TEST(leaves_out_what_an_order_has_not);
	TEST(an_order_of_a_hundred_long_names_comes_whole);
	TEST(only_the_enrolled_reach_orders);
	TEST(a_token_asks_and_reads_as_the_signer_lets_it);
	TEST(lists_orders_with_every_filter);
	TEST(refuses_filters_that_are_not_well_formed);
	TEST(each_action_is_told_as_what_it_is);
	TEST(a_code_is_confirmed_by_post_alone);
	TEST(what_the_signer_refuses_reaches_the_client);
	TEST(gives_the_bytes_that_are_to_be_approved);
	TEST(explains_an_order_or_a_certificate);
}
