/* What officers decide: the body that they send, and what the signer is told of it. */
#include "httpd/decisions.h"

#include <stdlib.h>

#include "base/text.h"
#include "tests/unit/httpd/rig.h"

static const char approve_path[] = "/api/v1/orders/ord-1/approve";

static struct bytes statement_of(enum ca_decision decision, struct buf *out)
{
	const struct ca_statement statement = { .organization = decision >= DECISION_VET,
						.id = bytes_of("ord-1"),
						.decision = decision,
						.by = bytes_of("bob"),
						.reason = bytes_of("looked at it"),
						.time_s = 1790000000 };
	struct error err = ERR_INIT;
	REQUIRE(ca_statement_write(&statement, out, &err) == 0);
	return buf_bytes(out);
}

static const char pem[] = "-----BEGIN CERTIFICATE-----\nREVS\n-----END CERTIFICATE-----\n";
static const char two_blocks[] = "-----BEGIN CERTIFICATE-----\nREVS\n-----END CERTIFICATE-----\n"
				 "-----BEGIN CERTIFICATE-----\nREVS\n-----END CERTIFICATE-----\n";
static const char key[] = "-----BEGIN PRIVATE KEY-----\nREVS\n-----END PRIVATE KEY-----\n";

/* A body, freed by the caller; a NULL member is left out. */
static char *body_of(struct bytes statement, const char *certificate, const char *signature)
{
	json_t *body = json_object();
	if (statement.len)
		(void)json_object_set_new(body, "statement", json_stringn((const char *)statement.data, statement.len));
	if (certificate)
		(void)json_object_set_new(body, "certificate", json_string(certificate));
	if (signature)
		(void)json_object_set_new(body, "signature", json_string(signature));
	char *text = json_dumps(body, JSON_COMPACT);
	json_decref(body);
	return text;
}

static void refuses(struct bytes statement, const char *certificate, const char *signature, enum err_code code,
		    const char *member)
{
	auto_free char *text = body_of(statement, certificate, signature);
	CLEANUP(decisions_body_free) struct decisions_body body;
	struct error err = ERR_INIT;
	CHECK_FAILS(decisions_body_read(bytes_of(text), DECISION_APPROVE, &body, &err) == -1, &err, code);
	CHECK_TEXT(err.member, member);
}

static void refuses_members_that_are_not_exactly_what_they_must_be(void)
{
	auto_buf good = BUF_INIT, long_text = BUF_INIT, long_signature = BUF_INIT;
	struct bytes statement = statement_of(DECISION_APPROVE, &good);
	for (int i = 0; i <= MESSAGE_STATEMENT_MAX; i++)
		buf_u8(&long_text, 'x');
	for (int i = 0; i < 1400; i++)
		buf_u8(&long_signature, 'A');
	refuses(BYTES_NONE, pem, "QUJD", ERR_BAD_REQUEST, "statement");
	refuses(buf_bytes(&long_text), pem, "QUJD", ERR_BAD_REQUEST, "statement");
	refuses(statement, NULL, "QUJD", ERR_BAD_REQUEST, "certificate");
	refuses(statement, "", "QUJD", ERR_BAD_REQUEST, "certificate");
	refuses(statement, "junk", "QUJD", ERR_BAD_REQUEST, "certificate");
	refuses(statement, "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", "QUJD", ERR_BAD_REQUEST,
		"certificate");
	refuses(statement, two_blocks, "QUJD", ERR_BAD_REQUEST, "certificate");
	refuses(statement, key, "QUJD", ERR_BAD_REQUEST, "certificate");
	refuses(statement, pem, NULL, ERR_BAD_REQUEST, "signature");
	refuses(statement, pem, "", ERR_BAD_REQUEST, "signature");
	refuses(statement, pem, "QUJ", ERR_BAD_REQUEST, "signature");
	refuses(statement, pem, "QUJD\n", ERR_BAD_REQUEST, "signature");
	refuses(statement, pem, "QUJD=", ERR_BAD_REQUEST, "signature");
	refuses(statement, pem, "QU-_", ERR_BAD_REQUEST, "signature");
	refuses(statement, pem, buf_text(&long_signature), ERR_BAD_REQUEST, "signature");
}

static void refuses_what_is_no_statement_or_decides_otherwise(void)
{
	auto_buf deny = BUF_INIT, vet = BUF_INIT, crlf = BUF_INIT;
	refuses(bytes_of("approved\n"), pem, "QUJD", ERR_APPROVAL_MISMATCH, "statement");
	refuses(statement_of(DECISION_DENY, &deny), pem, "QUJD", ERR_APPROVAL_MISMATCH, "decision");
	refuses(statement_of(DECISION_VET, &vet), pem, "QUJD", ERR_APPROVAL_MISMATCH, "decision");
	struct bytes good = statement_of(DECISION_APPROVE, &crlf);
	buf_add_text(&crlf, "\n");
	refuses(BYTES(crlf.data, good.len + 1), pem, "QUJD", ERR_APPROVAL_MISMATCH, "statement");
}

static void refuses_further_members(void)
{
	CLEANUP(decisions_body_free) struct decisions_body body;
	struct error err = ERR_INIT;
	static const char text[] =
		"{\"statement\":\"x\",\"certificate\":\"-----BEGIN CERTIFICATE-----\\nREVS\\n-----END "
		"CERTIFICATE-----\\n\",\"signature\":\"QUJD\",\"reason\":\"x\"}";
	CHECK_FAILS(decisions_body_read(bytes_of(text), DECISION_DENY, &body, &err) == -1, &err, ERR_BAD_REQUEST);
	CHECK_TEXT(err.member, "reason");
}

/* ---- the four addresses ---- */

static void check_decided(struct rig *rig, const char *path, enum ca_decision decision, uint16_t type,
			  const char *in_answer)
{
	auto_buf text = BUF_INIT;
	struct bytes statement = statement_of(decision, &text);
	auto_free char *body = body_of(statement, pem, "QUJD");
	check_status(rig, "POST", path, JSON_TYPE, body, 200, in_answer);
	struct message_decide asked;
	struct error err = ERR_INIT;
	CHECK_INT(rig->signer.last_type, type);
	CHECK_OK(message_decide_read(buf_bytes(&rig->signer.last), &asked, &err) == 0, &err);
	CHECK_BYTES(asked.id, bytes_of(type == MSG_ORDER_DECIDE ? "ord-1" : "org-1"));
	CHECK_BYTES(asked.statement, statement);
	CHECK_BYTES(asked.certificate, bytes_of("DER"));
	CHECK_BYTES(asked.signature, bytes_of("ABC"));
}

static void each_decision_reaches_the_signer_as_bytes(void)
{
	struct rig *rig = rig_start(NULL);
	CHECK(rig_await_ready(rig));
	check_decided(rig, approve_path, DECISION_APPROVE, MSG_ORDER_DECIDE, "\"id\":\"ord-1\"");
	check_decided(rig, "/api/v1/orders/ord-1/deny", DECISION_DENY, MSG_ORDER_DECIDE, "\"id\":\"ord-1\"");
	check_decided(rig, "/api/v1/organizations/org-1/vet", DECISION_VET, MSG_ORGANIZATION_DECIDE,
		      "\"id\":\"org-1\"");
	check_decided(rig, "/api/v1/organizations/org-1/suspend", DECISION_SUSPEND, MSG_ORGANIZATION_DECIDE,
		      "\"id\":\"org-1\"");
	rig_stop(rig);
}

static void what_cannot_count_is_refused_before_the_signer_hears_of_it(void)
{
	static const char *const paths[] = { approve_path, "/api/v1/orders/ord-1/deny",
					     "/api/v1/organizations/org-1/vet", "/api/v1/organizations/org-1/suspend" };
	struct rig *rig = rig_start(NULL);
	CHECK(rig_await_ready(rig));
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		check_status(rig, "POST", paths[i], JSON_TYPE, "{}", 400, "\"member\":\"statement\"");
		check_status(rig, "POST", paths[i], "", "", 415, "application/json");
		check_status(rig, "GET", paths[i], "", "", 405, "\"code\":\"method-not-allowed\"");
	}
	auto_buf text = BUF_INIT;
	auto_free char *body = body_of(statement_of(DECISION_DENY, &text), pem, "QUJD");
	check_status(rig, "POST", approve_path, JSON_TYPE, body, 409, "\"allowed\":\"approve\"");
	check_status(rig, "POST", "/api/v1/orders/a%24b/deny", JSON_TYPE, body, 404, "\"member\":\"id\"");
	CHECK_INT(rig->signer.last_type, 0);
	rig_stop(rig);
}

static void what_the_signer_says_of_a_decision_reaches_the_officer(void)
{
	static const enum err_code codes[] = { ERR_APPROVAL_NOT_ALLOWED, ERR_APPROVAL_MISMATCH, ERR_ORDER_STATE };
	struct rig *rig = rig_start(NULL);
	CHECK(rig_await_ready(rig));
	auto_buf text = BUF_INIT;
	auto_free char *body = body_of(statement_of(DECISION_APPROVE, &text), pem, "QUJD");
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		rig->signer.refuse = (int)codes[i];
		check_status(rig, "POST", approve_path, JSON_TYPE, body, err_class(codes[i])->http_status,
			     err_class(codes[i])->slug);
	}
	rig_stop(rig);
}

SUITE(decisions)
{
	TEST(refuses_members_that_are_not_exactly_what_they_must_be);
	TEST(refuses_what_is_no_statement_or_decides_otherwise);
	TEST(refuses_further_members);
	TEST(each_decision_reaches_the_signer_as_bytes);
	TEST(what_cannot_count_is_refused_before_the_signer_hears_of_it);
	TEST(what_the_signer_says_of_a_decision_reaches_the_officer);
}
