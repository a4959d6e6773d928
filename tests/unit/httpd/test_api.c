/* The rows of the interface besides issuing: what is asked of the signer, what the client sees. */
#include <stdio.h>
#include <stdlib.h>

#include "ca-core/message.h"
#include "httpd/inventory.h"
#include "httpd/openapi.h"
#include "httpd/router.h"
#include "store/record.h"
#include "tests/unit/httpd/rig.h"

static void lists_the_inventory_with_every_filter(void)
{
	struct rig *rig = rig_start(NULL);
	CHECK(rig_await_ready(rig));
	struct reply reply = ask_as(rig, "admin", "GET",
				    "/api/v1/certificates?name=.test&status=revoked&profile=server-dv&issuer=issuing-1"
				    "&expiring=30d&limit=7&cursor=6d6f7265",
				    "", BYTES_NONE);
	CHECK_INT(reply.status, 200);
	json_t *page = json_of(&reply), *row = json_array_get(json_object_get(page, "certificates"), 0);
	CHECK_TEXT(text_at(row, "serial"), "01abcd");
	CHECK_TEXT(text_at(row, "status"), "revoked");
	CHECK_TEXT(text_at(row, "reason"), "keyCompromise");
	CHECK_TEXT(text_at(row, "revokedAt"), "2025-06-15T15:06:40Z");
	CHECK_TEXT(text_at(row, "notAfter"), "2027-01-15T08:00:00Z");
	CHECK_TEXT(json_string_value(json_array_get(json_object_get(row, "names"), 0)), "dns:a.test");
	CHECK(json_object_get(row, "order") == NULL);
	CHECK_TEXT(text_at(page, "next"), "6d6f7265");
	json_decref(page);
	reply_free(&reply);
	struct message_certificate_list asked;
	struct error err = ERR_INIT;
	CHECK(message_certificate_list_read(buf_bytes(&rig->signer.last), &asked, &err) == 0);
	CHECK_BYTES(asked.name, bytes_of(".test"));
	CHECK_BYTES(asked.cursor, bytes_of("more"));
	CHECK_INT(asked.status, RECORD_REVOKED);
	CHECK_INT(asked.limit, 7);
	CHECK(asked.expiring_before_s > 0);
	rig_stop(rig);
}

static void refuses_filters_that_are_not_well_formed(void)
{
	static const char *const queries[] = { "status=gone", "limit=0",     "limit=501",    "limit=x",
					       "cursor=zz",   "expiring=30", "expiring=-1d", "expiring=9999999d" };
	struct rig *rig = rig_start(NULL);
	CHECK(rig_await_ready(rig));
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		char path[128];
		(void)snprintf(path, sizeof(path), "/api/v1/certificates?%s", queries[i]);
		check_status(rig, "GET", path, "", "", 400, "\"code\":\"bad-request\"");
	}
	rig_stop(rig);
}

static void gives_one_certificate_in_each_form(void)
{
	struct rig *rig = rig_start(NULL);
	CHECK(rig_await_ready(rig));
	check_status(rig, "GET", "/api/v1/certificates/01abcd", "", "", 200, "\"serial\":\"01abcd\"");
	check_status(rig, "GET", "/api/v1/certificates/01abcd.pem", "", "", 200, "-----BEGIN CERTIFICATE-----\nREVS");
	check_status(rig, "GET", "/api/v1/certificates/01abcd.crt", "", "", 200, "DER");
	check_status(rig, "GET", "/api/v1/certificates/01abcd/chain.pem", "", "", 200, "REVS");
	check_status(rig, "GET", "/api/v1/certificates/02", "", "", 404, "\"code\":\"not-found\"");
	check_status(rig, "GET", "/api/v1/certificates/01ABCD", "", "", 404, "no serial number");
	check_status(rig, "GET", "/api/v1/certificates/zz", "", "", 404, "no serial number");
	check_status(rig, "GET", "/api/v1/certificates/0102030405060708090a0b0c0d0e0f101112131415", "", "", 404,
		     "no serial number");
	rig_stop(rig);
}

static struct message_status_change last_change(struct rig *rig)
{
	struct message_status_change asked = { .action = 0 };
	struct error err = ERR_INIT;
	CHECK(message_status_change_read(buf_bytes(&rig->signer.last), &asked, &err) == 0);
	return asked;
}

static void revokes_holds_and_ends_a_hold(void)
{
	static const char path[] = "/api/v1/certificates/01abcd/revoke";
	struct rig *rig = rig_start(NULL);
	CHECK(rig_await_ready(rig));
	check_status(rig, "POST", path, JSON_TYPE,
		     "{\"reason\":\"keyCompromise\",\"invalidityDate\":\"2026-01-02T03:04:05Z\",\"sameKey\":true}", 200,
		     "\"url\":\"http://pki.test/crl/issuing-1.crl\"");
	struct message_status_change asked = last_change(rig);
	CHECK_INT(asked.action, MESSAGE_REVOKE);
	CHECK_INT(asked.reason, REASON_KEY_COMPROMISE);
	CHECK_INT(asked.invalidity_s, 1767323045);
	CHECK(asked.same_key_too);
	check_status(rig, "POST", path, JSON_TYPE, "{\"reason\":\"certificateHold\"}", 200, "\"number\":1790000000000");
	CHECK_INT(last_change(rig).action, MESSAGE_HOLD);
	check_status(rig, "POST", path, JSON_TYPE, "{\"reason\":\"removeFromCRL\"}", 200, "");
	CHECK_INT(last_change(rig).action, MESSAGE_UNHOLD);
	rig_stop(rig);
}

static void refuses_bodies_that_are_not_the_one_object(void)
{
	static const char *const bodies[] = {
		"",
		"[]",
		"{",
		"{}",
		"{\"reason\":\"x\"}",
		"{\"reason\":5}",
		"{\"reason\":\"superseded\",\"reason\":\"superseded\"}",
		"{\"reason\":\"superseded\"} x",
		"{\"reason\":\"superseded\",\"other\":1}",
		"{\"reason\":\"superseded\",\"sameKey\":\"yes\"}",
		"{\"reason\":\"superseded\",\"invalidityDate\":\"yesterday\"}",
		"{\"reason\":[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]}",
		"{\"reason\":\"\\ud800\"}",
	};
	struct rig *rig = rig_start(NULL);
	CHECK(rig_await_ready(rig));
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		check_status(rig, "POST", "/api/v1/certificates/01abcd/revoke", JSON_TYPE, bodies[i], 400,
			     "\"code\":\"bad-request\"");
	rig_stop(rig);
}

static void decodes_a_request_with_each_profiles_verdict(void)
{
	struct rig *rig = rig_start(NULL);
	CHECK(rig_await_ready(rig));
	rig->signer.dry_run_refuses = true;
	struct bytes csr = rig_csr("DNS:a.test");
	struct reply reply = ask_as(rig, "admin", "POST", "/api/v1/csr/decode", CSR_TYPE, csr);
	CHECK_INT(reply.status, 200);
	json_t *decoded = json_of(&reply), *profiles = json_object_get(decoded, "profiles");
	CHECK_TEXT(text_at(json_object_get(decoded, "key"), "type"), "P-256");
	CHECK_INT(json_array_size(profiles), 2); /* not the internal one */
	CHECK_TEXT(text_at(json_array_get(profiles, 0), "would"), "issue");
	CHECK_TEXT(text_at(json_array_get(profiles, 1), "would"), "refuse");
	CHECK(text_at(json_array_get(profiles, 1), "code") != NULL);
	json_decref(decoded);
	reply_free(&reply);
	reply = ask_https(rig, NULL, "POST", "/api/v1/csr/decode", CSR_TYPE, csr);
	CHECK_INT(reply.status, 401);
	reply_free(&reply);
	rig_stop(rig);
}

static void refuses_what_is_no_request_before_the_signer_hears_of_it(void)
{
	static const char path[] = "/api/v1/certificates?profile=server-dv";
	struct rig *rig = rig_start(NULL);
	CHECK(rig_await_ready(rig));
	check_status(rig, "POST", path, CSR_TYPE, "", 400, "\"code\":\"bad-csr\"");
	check_status(rig, "POST", path, CSR_TYPE, "junk", 400, "\"code\":\"bad-csr\"");
	check_status(rig, "POST", "/api/v1/certificates", CSR_TYPE, "x", 400, "argument profile is missing");
	check_status(rig, "POST", "/api/v1/certificates?profile=front", CSR_TYPE, "x", 400, "profile-unknown");
	check_status(rig, "POST", "/api/v1/certificates?profile=server-dv&days=0", CSR_TYPE, "x", 400, "days");
	check_status(rig, "POST", path, CSR_TYPE "Idempotency-Key: a b\r\n", "x", 400, "Idempotency-Key");
	check_status(rig, "POST", path, CSR_TYPE, "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n", 400,
		     "private key");
	CHECK_INT(rig->signer.last_type, 0);
	rig_stop(rig);
}

static void pages_through_the_audit_log(void)
{
	struct rig *rig = rig_start(NULL);
	CHECK(rig_await_ready(rig));
	check_status(rig, "GET", "/api/v1/audit?after=6&limit=1", "", "", 200,
		     "\"entry\":\"{\\\"what\\\":\\\"issue\\\"}\"}],\"more\":true,\"next\":7");
	struct message_audit_list asked;
	struct error err = ERR_INIT;
	CHECK(message_audit_list_read(buf_bytes(&rig->signer.last), &asked, &err) == 0);
	CHECK_INT(asked.after, 6);
	check_status(rig, "GET", "/api/v1/audit?after=-1", "", "", 400, "sequence number");
	rig_stop(rig);
}

static void tells_its_health_and_counters(void)
{
	struct rig *rig = rig_start(NULL);
	CHECK(rig_await_ready(rig));
	check_status(
		rig, "GET", "/readyz", "", "", 200,
		"{\"status\":\"ready\",\"token\":{\"state\":\"up\",\"tokens\":[{\"name\":\"issuing\",\"state\":\"up\"");
	check_status(rig, "GET", "/healthz", "", "", 200, "\"store\":{\"state\":\"up\"},\"warnings\":[]}");
	check_status(rig, "GET", "/metrics", "", "", 200,
		     "\nchancery_certificates_issued_total{profile=\"client\"} 3\n");
	check_status(rig, "GET", "/metrics", "", "", 200,
		     "# TYPE chancery_token_up gauge\nchancery_token_up{token=\"issuing\"} 1\n");
	rig_stop(rig);
}

static void explains_each_problem(void)
{
	struct rig *rig = rig_start(NULL);
	CHECK(rig_await_ready(rig));
	for (int code = ERR_NONE; code < ERR_CODE_COUNT; code++) {
		const struct err_class *class = err_class((enum err_code)code);
		char path[128];
		(void)snprintf(path, sizeof(path), "/problems/%s", class->slug);
		struct reply reply = ask_https(rig, NULL, "GET", path, "Accept: text/html,*/*\r\n", BYTES_NONE);
		CHECK_INT(reply.status, class->problem ? 200 : 404);
		if (class->problem)
			CHECK_TEXT(reply_header(&reply, "Content-Type"), "text/html; charset=utf-8");
		reply_free(&reply);
	}
	check_status(rig, "GET", "/problems/bad-csr", "", "", 200, "\"remedy\":");
	check_status(rig, "GET", "/", "", "", 200, "/ca/roots.pem");
	rig_stop(rig);
}

/* ---- tables that must agree ---- */

static const char *described_method(const char *method)
{
	static const char *const names[][2] = { { "GET", "get" }, { "POST", "post" }, { "PATCH", "patch" } };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(method, names[i][0]) == 0)
			return names[i][1];
	return "none";
}

static void describes_every_route_and_no_other(void)
{
	json_error_t where;
	json_t *api = json_loads(openapi_json, JSON_REJECT_DUPLICATES, &where);
	REQUIRE(api != NULL);
	json_t *paths = json_object_get(api, "paths");
	size_t described = 0;
	for (size_t i = 0; i < router_table_count; i++) {
		const char *method = described_method(router_table[i].method);
		json_t *path = json_object_get(paths, router_table[i].pattern);
		if (!json_object_get(path, method))
			CHECK_TEXT(router_table[i].pattern, "in openapi.c");
		const char *name;
		json_t *value;
		json_object_foreach(path, name, value) described += strcmp(name, method) == 0;
	}
	CHECK_INT(described, router_table_count);
	const char *name;
	json_t *path;
	size_t all = 0;
	json_object_foreach(paths, name, path) all += json_object_size(path);
	CHECK_INT(all, router_table_count);
	json_decref(api);
}

static void names_reasons_and_statuses_as_the_records_do(void)
{
	for (int reason = 0; reason <= REASON_AA_COMPROMISE; reason++) {
		const char *name = record_reason_name((enum record_reason)reason);
		if (name)
			CHECK_TEXT(inventory_reason_name((uint8_t)reason), name);
	}
	CHECK_TEXT(inventory_status_name(RECORD_VALID), "valid");
	CHECK_TEXT(inventory_status_name(RECORD_REVOKED), "revoked");
	CHECK_TEXT(inventory_status_name(RECORD_HELD), "held");
}

SUITE(api)
{
	TEST(lists_the_inventory_with_every_filter);
	TEST(refuses_filters_that_are_not_well_formed);
	TEST(gives_one_certificate_in_each_form);
	TEST(revokes_holds_and_ends_a_hold);
	TEST(refuses_bodies_that_are_not_the_one_object);
	TEST(decodes_a_request_with_each_profiles_verdict);
	TEST(refuses_what_is_no_request_before_the_signer_hears_of_it);
	TEST(pages_through_the_audit_log);
	TEST(tells_its_health_and_counters);
	TEST(explains_each_problem);
	TEST(describes_every_route_and_no_other);
	TEST(names_reasons_and_statuses_as_the_records_do);
}
