#include "tools/decision.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "tools/ask.h"
#include "tools/output.h"

#define ROOTS_MAX ((size_t)1 << 20)

int decision_ca(const char *path, uint8_t out[32], struct error *err)
{
	auto_buf pem = BUF_INIT, root = BUF_INIT;
	char label[64];
	if (file_read(path, ROOTS_MAX, &pem, err))
		return -1;
	struct bytes text = buf_bytes(&pem);
	if (text_next_pem(&text, label, &root, err) != 1 || strcmp(label, "CERTIFICATE") != 0)
		return err_set(err, ERR_USAGE, "%s holds no root certificate", path);
	if (root.failed)
		return err_set(err, ERR_INTERNAL, "no memory for a certificate");
	sha256(root.data, root.len, out);
	return 0;
}

static bool is_about_organization(const struct decision *d)
{
	return d->decision == DECISION_VET || d->decision == DECISION_SUSPEND;
}

int decision_sign(struct credential *by, const uint8_t ca[32], const struct decision *d, struct buf *statement,
		  struct buf *signature, struct error *err)
{
	const char *name = credential_name(by, err);
	if (!name)
		return -1;
	struct ca_statement s = { .organization = is_about_organization(d),
				  .id = bytes_of(d->id),
				  .decision = d->decision,
				  .by = bytes_of(name),
				  .reason = bytes_of(d->reason),
				  .time_s = d->time_s };
	memcpy(s.ca, ca, sizeof(s.ca));
	sha256(d->about.data, d->about.len, s.sha256);
	if (ca_statement_write(&s, statement, err) || credential_sign(by, buf_bytes(statement), signature, err))
		return -1;
	if (signature->failed)
		return err_set(err, ERR_INTERNAL, "no memory for a signature");
	return ca_statement_verify(buf_bytes(statement), credential_certificate(by), buf_bytes(signature), err);
}

static json_t *body_of(struct credential *by, struct buf *statement, const struct buf *signature)
{
	auto_buf pem = BUF_INIT, base64 = BUF_INIT;
	text_add_pem(&pem, "CERTIFICATE", credential_certificate(by));
	text_add_base64(&base64, buf_bytes(signature));
	return json_pack("{s:s, s:s, s:s}", "statement", buf_text(statement), "certificate", buf_text(&pem),
			 "signature", buf_text(&base64));
}

static void path_of(const struct decision *d, struct buf *out)
{
	buf_add_text(out, is_about_organization(d) ? "/api/v1/organizations/" : "/api/v1/orders/");
	url_add_escaped(out, d->id);
	buf_printf(out, "/%s", ca_decision_name(d->decision));
}

static json_t *sign_and_send(struct client *client, const struct decision *d, struct error *err)
{
	auto_buf statement = BUF_INIT, signature = BUF_INIT, path = BUF_INIT;
	struct credential *by = client_credential(client);
	uint8_t ca[32];
	if (!by) {
		(void)err_set(err, ERR_USAGE, "a token decides nothing: give your own certificate by --cert and --key");
		return NULL;
	}
	if (decision_ca(client_trust(client), ca, err) || decision_sign(by, ca, d, &statement, &signature, err))
		return NULL;
	json_t *body = body_of(by, &statement, &signature);
	path_of(d, &path);
	if (!body)
		(void)err_set(err, ERR_INTERNAL, "no memory for a statement");
	return body ? client_post_json(client, buf_text(&path), body, err) : NULL;
}

bool decision_options(struct invocation *in, const char *why, struct decision *d, bool *yes)
{
	const struct option_spec specs[] = {
		{ "reason", OPTION_TEXT, &d->reason, "TEXT", "why: stands in the statement that you sign" },
		{ "yes", OPTION_FLAG, yes, NULL, "sign without asking at the terminal" },
		OPTIONS_END,
	};
	if (options_read(in, specs, 1, 1))
		return true;
	d->id = in->operands[0];
	if (!d->reason)
		(void)refuse_usage(in, "--reason is needed: %s", why);
	return !d->reason;
}

json_t *decision_make(struct client *client, struct decision *d, const char *what, bool yes, struct error *err)
{
	const struct clock clock = clock_system();
	auto_buf question = BUF_INIT;
	buf_printf(&question, "\nSign to %s %s", ca_decision_name(d->decision), what);
	if (!yes && ask_yes(buf_text(&question), err))
		return NULL;
	d->time_s = clock_now_ms(&clock) / 1000;
	return sign_and_send(client, d, err);
}
