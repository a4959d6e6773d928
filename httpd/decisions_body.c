#include "httpd/decisions.h"

#include "base/text.h"
#include "httpd/json_read.h"

#define BASE64_SIZE(octets) (((size_t)(octets) + 2) / 3 * 4)
#define PEM_SIZE(octets) (BASE64_SIZE(octets) * 65 / 64 + 4096) /* with explanations before it */

/* Exactly one block, and that a certificate. */
static void read_certificate(struct json_reader *in, struct bytes text, struct buf *der)
{
	static const char one[] = "one PEM block CERTIFICATE";
	char label[64], other_label[64];
	struct error why = ERR_INIT;
	auto_secret_buf other = BUF_INIT;
	if (in->failed)
		return;
	if (text_next_pem(&text, label, der, &why) != 1)
		json_read_refuse(in, "certificate", "is no PEM", one);
	else if (strcmp(label, "CERTIFICATE") != 0)
		json_read_refuse(in, "certificate", "is something else", one);
	else if (text_next_pem(&text, other_label, &other, &why) != 0)
		json_read_refuse(in, "certificate", "has something behind the certificate", one);
	else if (der->len == 0 || der->len > MESSAGE_DECIDER_MAX)
		json_read_refuse(in, "certificate", "is too large, or empty", "at most 65536 octets");
}

static void read_signature(struct json_reader *in, struct bytes text, struct buf *out)
{
	struct error why = ERR_INIT;
	if (in->failed)
		return;
	if (text_parse_base64(text, false, out, &why) != 0)
		json_read_refuse(in, "signature", "is not base64 on one line", "RFC 4648 section 4, with padding");
	else if (out->len == 0 || out->len > MESSAGE_SIGNATURE_MAX)
		json_read_refuse(in, "signature", "is too long, or empty", "at most 1024 octets");
}

static int check_decision(struct bytes text, enum ca_decision decision, struct error *err)
{
	struct ca_statement statement;
	if (ca_statement_read(text, &statement, err) != 0)
		return err->member[0] ? -1 : err_about(err, "statement", NULL, NULL);
	if (statement.decision == decision)
		return 0;
	(void)err_set(err, ERR_APPROVAL_MISMATCH, "the statement decides something else than this address is for");
	return err_about(err, "decision", ca_decision_name(statement.decision), ca_decision_name(decision));
}

int decisions_body_read(struct bytes text, enum ca_decision decision, struct decisions_body *body, struct error *err)
{
	*body = (struct decisions_body){ .json = json_parse(text, err) };
	if (!body->json)
		return -1;
	struct json_reader in = json_reader_of(body->json, "", err);
	body->statement = json_read_lines(&in, "statement", 1, MESSAGE_STATEMENT_MAX);
	struct bytes certificate = json_read_lines(&in, "certificate", 1, PEM_SIZE(MESSAGE_DECIDER_MAX));
	struct bytes signature = json_read_lines(&in, "signature", 1, BASE64_SIZE(MESSAGE_SIGNATURE_MAX));
	read_certificate(&in, certificate, &body->certificate);
	read_signature(&in, signature, &body->signature);
	if (json_read_done(&in) != 0)
		return -1;
	if (body->certificate.failed || body->signature.failed)
		return err_set(err, ERR_BUSY, "no memory for a statement");
	return check_decision(body->statement, decision, err);
}

void decisions_body_free(struct decisions_body *body)
{
	json_decref(body->json);
	body->json = NULL;
	buf_free(&body->certificate);
	buf_free(&body->signature);
}
