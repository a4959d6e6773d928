/* POST /api/v1/certificates: a signing request in, the chain out; or the order that it became. */
#include <stdio.h>

#include "base/text.h"
#include "httpd/csr_body.h"
#include "httpd/handlers.h"
#include "httpd/orders.h"
#include "httpd/published.h"
#include "httpd/server.h"

#define IDEMPOTENCY_KEY_MAX 128
#define DAYS_MAX 36500

static void issued(struct request *r)
{
	struct error err = ERR_INIT;
	if (r->answer.type == MSG_ORDER) {
		orders_reply(r, MHD_HTTP_ACCEPTED);
		return;
	}
	struct message_issued answer;
	auto_buf chain = BUF_INIT, location = BUF_INIT;
	if (request_answered(r, MSG_ISSUED, &err) != 0 ||
	    message_issued_read(buf_bytes(&r->answer.payload), &answer, &err) != 0) {
		request_refuse(r, &err);
		return;
	}
	text_add_pem(&chain, "CERTIFICATE", answer.certificate);
	if (published_chain(r->front->published, answer.issuer, &chain, &err) != 0) {
		request_refuse(r, &err);
		return;
	}
	buf_add_text(&location, "/api/v1/certificates/");
	text_add_hex(&location, answer.serial);
	request_reply(r, MHD_HTTP_CREATED, "application/pem-certificate-chain", &chain);
	request_reply_header(r, MHD_HTTP_HEADER_LOCATION, buf_text(&location));
}

static int read_idempotency_key(const struct request *r, struct bytes *key, struct error *err)
{
	const char *header = request_header(r, "Idempotency-Key");
	if (!header)
		return 0;
	*key = bytes_of(header);
	bool good = key->len >= 1 && key->len <= IDEMPOTENCY_KEY_MAX;
	for (size_t i = 0; good && i < key->len; i++)
		good = key->data[i] > 0x20 && key->data[i] < 0x7f;
	if (good)
		return 0;
	(void)err_set(err, ERR_BAD_REQUEST, "the Idempotency-Key must be 1 to %d visible ASCII characters",
		      IDEMPOTENCY_KEY_MAX);
	return err_about(err, "Idempotency-Key", header, NULL);
}

static const struct ca_profile *requested_profile(const struct request *r, struct error *err)
{
	struct bytes name;
	if (request_argument(r, "profile", &name))
		return ca_config_profile_for_request(r->front->config, name, err);
	(void)err_set(err, ERR_BAD_REQUEST, "the query argument profile is missing");
	(void)err_about(err, "profile", NULL, NULL);
	return NULL;
}

static int make_question(struct request *r, struct buf *payload, struct error *err)
{
	struct message_issue question = { .session = r->session.number, .deadline_ms = r->deadline_ms };
	const struct ca_profile *profile = requested_profile(r, err);
	if (!profile || request_argument_number(r, "days", DAYS_MAX, &question.days, err) != 0 ||
	    read_idempotency_key(r, &question.idempotency_key, err) != 0)
		return -1;
	question.profile = bytes_of(profile->name);

	auto_ca_csr *csr = csr_body_read(r, buf_bytes(&r->body), err);
	auto_csr_told *told = csr ? csr_tell(csr, profile, err) : NULL;
	if (!told)
		return -1;
	csr_told_issue(told, &question);
	message_issue_write(&question, payload);
	return payload->failed ? err_set(err, ERR_TOO_LARGE, "the request is too large") : 0;
}

void certificates_issue(struct request *r)
{
	struct error err = ERR_INIT;
	auto_buf payload = BUF_INIT;
	if (make_question(r, &payload, &err) != 0)
		request_refuse(r, &err);
	else
		request_ask(r, MSG_ISSUE, &payload, issued);
}
