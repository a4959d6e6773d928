/* Orders over HTTP: asking for one, changing a draft, a plain request that becomes one. */
#include <stdlib.h>

#include "base/text.h"
#include "ca-core/message_order.h"
#include "tests/unit/httpd/rig.h"

static const char orders_path[] = "/api/v1/orders", order_path[] = "/api/v1/orders/ord-1";

static struct rig *start(void)
{
	struct rig *rig = rig_start(NULL);
	CHECK(rig_await_ready(rig));
	return rig;
}

/* A JSON body with the request as its csr; more: further members. Valid until the test ends. */
static const char *body_of(struct bytes csr, const char *more)
{
	auto_buf pem = BUF_INIT, hex = BUF_INIT;
	buf_add_bytes(&pem, csr);
	json_t *text = json_string(buf_text(&pem));
	char *quoted = json_dumps(text, JSON_ENCODE_ANY);
	auto_buf body = BUF_INIT;
	buf_printf(&body, "{\"csr\":%s%s}", quoted, more);
	free(quoted);
	json_decref(text);
	text_add_hex(&hex, BYTES(buf_text(&body), body.len + 1));
	return (const char *)unit_hex(buf_text(&hex)).data;
}

/* What the signer was asked last, freed by the caller. */
static struct message_order_create *asked_order(struct rig *rig, uint16_t type)
{
	struct message_order_create *asked = calloc(1, sizeof(*asked));
	struct error err = ERR_INIT;
	REQUIRE(asked != NULL);
	CHECK_INT(rig->signer.last_type, type);
	CHECK_OK(message_order_create_read(buf_bytes(&rig->signer.last), asked, &err) == 0, &err);
	return asked;
}

/* ---- asking for one ---- */

static void a_new_order_tells_the_signer_all_that_was_asked(void)
{
	struct rig *rig = start();
	const char *body = body_of(rig_csr_of(2, "Shoes", "DNS:a.test,IP:192.0.2.1"),
				   ",\"profile\":\"server-dv\",\"days\":7,\"organization\":\"org-1\",\"draft\":true,"
				   "\"contacts\":[{\"role\":\"technical\",\"mail\":\"ops@a.test\"}]");
	struct reply reply = ask_as(rig, "alice", "POST", orders_path, JSON_TYPE, bytes_of(body));
	CHECK_INT(reply.status, 201);
	CHECK_TEXT(reply_header(&reply, "Location"), order_path);
	CHECK(strstr(reply_text(&reply), "\"id\":\"ord-1\"") != NULL);
	auto_free struct message_order_create *asked = asked_order(rig, MSG_ORDER_CREATE);
	CHECK_INT(asked->session, 1);
	CHECK_INT(asked->id.len, 0);
	CHECK(asked->draft);
	CHECK_BYTES(asked->profile, bytes_of("server-dv"));
	CHECK_BYTES(asked->organization, bytes_of("org-1"));
	CHECK_INT(asked->days, 7);
	CHECK_INT(asked->name_count, 2);
	CHECK_BYTES(asked->names[1], bytes_of("ip:192.0.2.1"));
	CHECK(asked->spki.len > 60);
	CHECK_BYTES(asked->asked_subject, bytes_of("OU=Shoes+OU=Shoes"));
	CHECK_INT(asked->not_copied_count, 3);
	CHECK_BYTES(asked->not_copied[0], bytes_of("subject OU=Shoes"));
	CHECK_BYTES(asked->not_copied[2], bytes_of("attribute challengePassword"));
	CHECK_INT(asked->contact_count, 1);
	CHECK_BYTES(asked->contacts[0].mail, bytes_of("ops@a.test"));
	reply_free(&reply);
	rig_stop(rig);
}

/* 64 characters of four octets each, the most that an OU may have. */
#define EMOJI4 "\xf0\x9f\x91\x9f\xf0\x9f\x91\x9f\xf0\x9f\x91\x9f\xf0\x9f\x91\x9f"
#define EMOJI16 EMOJI4 EMOJI4 EMOJI4 EMOJI4
static void a_subject_larger_than_any_is_cut_and_says_so(void)
{
	struct rig *rig = start();
	const char *body =
		body_of(rig_csr_of(80, EMOJI16 EMOJI16 EMOJI16 EMOJI16, "DNS:a.test"), ",\"profile\":\"server-dv\"");
	check_status(rig, "POST", orders_path, JSON_TYPE, body, 201, "ord-1");
	auto_free struct message_order_create *asked = asked_order(rig, MSG_ORDER_CREATE);
	CHECK(asked->asked_subject.len <= MESSAGE_SUBJECT_MAX && asked->asked_subject.len > MESSAGE_SUBJECT_MAX - 20);
	CHECK(text_is_utf8(asked->asked_subject));
	CHECK(memcmp(asked->asked_subject.data + asked->asked_subject.len - 6, " (cut)", 6) == 0);
	CHECK_INT(asked->not_copied_count, MESSAGE_NOT_COPIED_MAX);
	CHECK_BYTES(asked->not_copied[MESSAGE_NOT_COPIED_MAX - 1], bytes_of("and more that is not listed"));
	rig_stop(rig);
}

static void refuses_a_wrong_request_before_the_signer_hears_of_it(void)
{
	struct rig *rig = start();
	struct bytes csr = rig_csr("DNS:a.test");
	static const char key[] = "{\"profile\":\"server-dv\",\"csr\":\"-----BEGIN PRIVATE KEY-----\\nMAA=\\n-----END "
				  "PRIVATE KEY-----\\n\"}";
	check_status(rig, "POST", orders_path, JSON_TYPE, "{\"profile\":\"server-dv\",\"csr\":\"junk\"}", 400,
		     "\"code\":\"bad-csr\"");
	check_status(rig, "POST", orders_path, JSON_TYPE, "{\"profile\":\"server-dv\",\"csr\":\"junk\"}", 400,
		     "\"member\":\"csr\"");
	check_status(rig, "POST", orders_path, JSON_TYPE, key, 400, "should be thrown away");
	check_status(rig, "POST", orders_path, JSON_TYPE, body_of(csr, ",\"profile\":\"none\""), 400,
		     "\"code\":\"profile-unknown\"");
	check_status(rig, "POST", orders_path, JSON_TYPE, body_of(csr, ",\"profile\":\"front\""), 400,
		     "\"code\":\"profile-unknown\"");
	check_status(rig, "POST", orders_path, JSON_TYPE, body_of(csr, ",\"profile\":\"server-dv\",\"days\":0"), 400,
		     "\"member\":\"days\"");
	check_status(rig, "POST", orders_path, JSON_TYPE, "[]", 400, "must be a JSON object");
	check_status(rig, "POST", orders_path, CSR_TYPE, "x", 415, "application/json");
	check_status(rig, "POST", "/api/v1/orders?profile=server-dv", JSON_TYPE, "{}", 400, "no query argument");
	CHECK_INT(rig->signer.last_type, 0);
	rig_stop(rig);
}

/* Sanitizers keep what was freed, to find who uses it. */
#ifdef __SANITIZE_ADDRESS__
#define KEPT(rig, text) 0
#else
#define KEPT(rig, text) rig_count_in_memory(rig, text)
#endif

static void a_private_key_sent_by_mistake_does_not_stay_in_memory(void)
{
	struct rig *rig = start();
	auto_buf body = BUF_INIT;
	buf_add_text(&body, "{\"profile\":\"server-dv\",\"csr\":\"-----BEGIN PRIVATE KEY-----\\n");
	for (int i = 0; i < 2000; i++)
		buf_add_text(&body, "K7yQzK7y");
	buf_add_text(&body, "\\n-----END PRIVATE KEY-----\\n\"}");
	check_status(rig, "POST", orders_path, JSON_TYPE, buf_text(&body), 400, "should be thrown away");
	/* A piece of the TLS library's last record may be left. */
	CHECK(KEPT(rig, "K7yQzK7yK7yQzK7y") < 100);
	rig_stop(rig);
}

static void a_body_over_its_cap_is_too_large(void)
{
	struct rig *rig = start();
	auto_buf body = BUF_INIT;
	buf_printf(&body, "{\"csr\":\"%*s\",\"profile\":\"server-dv\"}", 100000, "x");
	check_status(rig, "POST", orders_path, JSON_TYPE, buf_text(&body), 413, "\"code\":\"too-large\"");
	buf_printf(&body, "%*s", 200000, "x");
	check_status(rig, "POST", orders_path, JSON_TYPE, buf_text(&body), 413, "\"code\":\"too-large\"");
	CHECK_INT(rig->signer.last_type, 0);
	rig_stop(rig);
}

/* ---- changing a draft ---- */

static void a_change_leaves_what_was_not_sent_as_it_was(void)
{
	struct rig *rig = start();
	check_status(rig, "PATCH", order_path, JSON_TYPE, "{\"days\":9}", 200, "\"id\":\"ord-1\"");
	auto_free struct message_order_create *asked = asked_order(rig, MSG_ORDER_CHANGE);
	CHECK_BYTES(asked->id, bytes_of("ord-1"));
	CHECK(!asked->change_csr);
	CHECK_INT(asked->name_count, 0);
	CHECK_INT(asked->days, 9);
	CHECK_BYTES(asked->profile, bytes_of("server-dv"));
	CHECK_BYTES(asked->organization, bytes_of("org-1"));
	CHECK_INT(asked->contact_count, 1);
	CHECK_BYTES(asked->contacts[0].mail, bytes_of("ops@a.test"));
	rig_stop(rig);
}

static void a_change_takes_away_by_null(void)
{
	struct rig *rig = start();
	check_status(rig, "PATCH", order_path, JSON_TYPE, "{\"days\":null,\"organization\":null,\"contacts\":[]}", 200,
		     "ord-1");
	auto_free struct message_order_create *asked = asked_order(rig, MSG_ORDER_CHANGE);
	CHECK_INT(asked->days, 0);
	CHECK_INT(asked->organization.len, 0);
	CHECK_INT(asked->contact_count, 0);
	rig_stop(rig);
}

static void a_change_of_the_request_brings_its_names(void)
{
	struct rig *rig = start();
	const char *body = body_of(rig_csr("DNS:c.test"), "");
	check_status(rig, "PATCH", order_path, JSON_TYPE, body, 200, "ord-1");
	auto_free struct message_order_create *asked = asked_order(rig, MSG_ORDER_CHANGE);
	CHECK(asked->change_csr);
	CHECK_INT(asked->name_count, 1);
	CHECK_BYTES(asked->names[0], bytes_of("dns:c.test"));
	CHECK_INT(asked->days, 30);
	rig_stop(rig);
}

static void another_profile_takes_the_request_again(void)
{
	struct rig *rig = start();
	check_status(rig, "PATCH", order_path, JSON_TYPE, "{\"profile\":\"client\"}", 400, "\"member\":\"csr\"");
	CHECK_INT(rig->signer.last_type, MSG_ORDER_GET);
	check_status(rig, "PATCH", order_path, JSON_TYPE, "{\"profile\":\"server-dv\"}", 200, "ord-1");
	const char *body = body_of(rig_csr("DNS:c.test"), ",\"profile\":\"client\"");
	check_status(rig, "PATCH", order_path, JSON_TYPE, body, 200, "ord-1");
	auto_free struct message_order_create *asked = asked_order(rig, MSG_ORDER_CHANGE);
	CHECK_BYTES(asked->profile, bytes_of("client"));
	rig_stop(rig);
}

static void a_change_outlives_a_signer_that_forgot_the_session(void)
{
	struct rig *rig = start();
	struct credential alice = rig_credential(&rig->issuing, "alice", "clientAuth", -60, 3600, BYTES_NONE);
	struct client c = client_https(rig, &alice);
	struct reply reply;
	client_ask(&c, "GET", order_path, "", BYTES_NONE, &reply);
	reply_free(&reply);
	rig->signer.forget_sessions = true;
	client_ask(&c, "PATCH", order_path, JSON_TYPE, bytes_of("{\"days\":9}"), &reply);
	CHECK_INT(reply.status, 200);
	CHECK_INT(rig->signer.opened, 2);
	reply_free(&reply);
	client_close(&c);
	credential_free(&alice);
	rig_stop(rig);
}

static void a_change_of_a_wrong_shape_is_refused_before_anybody_is_asked(void)
{
	struct rig *rig = start();
	check_status(rig, "PATCH", order_path, JSON_TYPE, "{\"days\":\"9\"}", 400, "\"member\":\"days\"");
	check_status(rig, "PATCH", order_path, JSON_TYPE, "{\"draft\":false}", 400, "\"member\":\"draft\"");
	check_status(rig, "PATCH", "/api/v1/orders/a%20b", JSON_TYPE, "{}", 404, "\"code\":\"not-found\"");
	CHECK_INT(rig->signer.last_type, 0);
	check_status(rig, "PATCH", "/api/v1/orders/ord-9", JSON_TYPE, "{}", 404, "\"code\":\"not-found\"");
	CHECK_INT(rig->signer.last_type, MSG_ORDER_GET);
	check_status(rig, "PATCH", order_path, JSON_TYPE, "{\"csr\":\"junk\"}", 400, "\"code\":\"bad-csr\"");
	CHECK_INT(rig->signer.last_type, MSG_ORDER_GET);
	rig_stop(rig);
}

/* ---- a plain request that becomes an order ---- */

static void a_request_that_no_grant_covers_becomes_an_order(void)
{
	struct rig *rig = start();
	rig->signer.makes_orders = true;
	struct reply reply = ask_as(rig, "alice", "POST", "/api/v1/certificates?profile=server-dv", CSR_TYPE,
				    rig_csr_of(1, "Shoes", "DNS:a.test"));
	CHECK_INT(reply.status, 202);
	CHECK_TEXT(reply_header(&reply, "Location"), order_path);
	CHECK_TEXT(reply_header(&reply, "Content-Type"), "application/json");
	json_t *order = json_of(&reply);
	CHECK_TEXT(text_at(order, "id"), "ord-1");
	json_decref(order);
	reply_free(&reply);
	struct message_issue asked;
	struct error err = ERR_INIT;
	CHECK(message_issue_read(buf_bytes(&rig->signer.last), &asked, &err) == 0);
	CHECK_BYTES(asked.asked_subject, bytes_of("OU=Shoes"));
	CHECK_INT(asked.not_copied_count, 2);
	CHECK_BYTES(asked.not_copied[1], bytes_of("attribute challengePassword"));
	rig_stop(rig);
}

static void decoding_tells_orders_from_refusals(void)
{
	struct rig *rig = start();
	rig->signer.makes_orders = rig->signer.dry_run_refuses = true;
	struct reply reply =
		ask_as(rig, "alice", "POST", "/api/v1/csr/decode", CSR_TYPE, rig_csr_of(1, "Shoes", "DNS:a.test"));
	json_t *decoded = json_of(&reply), *profiles = json_object_get(decoded, "profiles");
	CHECK_TEXT(text_at(json_array_get(profiles, 0), "would"), "order");
	CHECK(json_object_get(json_array_get(profiles, 0), "code") == NULL);
	CHECK_TEXT(text_at(json_array_get(profiles, 1), "would"), "refuse");
	json_decref(decoded);
	reply_free(&reply);
	rig_stop(rig);
}

SUITE(orders_write)
{
	TEST(a_new_order_tells_the_signer_all_that_was_asked);
	TEST(a_subject_larger_than_any_is_cut_and_says_so);
	TEST(refuses_a_wrong_request_before_the_signer_hears_of_it);
	TEST(a_private_key_sent_by_mistake_does_not_stay_in_memory);
	TEST(a_body_over_its_cap_is_too_large);
	TEST(a_change_leaves_what_was_not_sent_as_it_was);
	TEST(a_change_takes_away_by_null);
	TEST(a_change_of_the_request_brings_its_names);
	TEST(another_profile_takes_the_request_again);
	TEST(a_change_outlives_a_signer_that_forgot_the_session);
	TEST(a_change_of_a_wrong_shape_is_refused_before_anybody_is_asked);
	TEST(a_request_that_no_grant_covers_becomes_an_order);
	TEST(decoding_tells_orders_from_refusals);
}
