/* POST /api/v1/certificates/{serial}/revoke: revoke, hold, end a hold. */
#include <stdio.h>

#include "base/clock.h"
#include "base/text.h"
#include "httpd/handlers.h"
#include "httpd/inventory.h"
#include "httpd/json.h"

/* ---- the question ---- */

static int read_reason(json_t *value, struct message_status_change *question, struct error *err)
{
	if (!json_is_string(value)) {
		(void)err_set(err, ERR_BAD_REQUEST, "the member reason must be a text");
		return err_about(err, "reason", NULL, "unspecified, keyCompromise, superseded, ...");
	}
	struct bytes name = BYTES(json_string_value(value), json_string_length(value));
	if (inventory_reason(name, &question->reason, err) != 0)
		return -1;
	question->action = MESSAGE_REVOKE;
	if (question->reason == INVENTORY_CERTIFICATE_HOLD)
		question->action = MESSAGE_HOLD;
	else if (question->reason == INVENTORY_REMOVE_FROM_CRL)
		question->action = MESSAGE_UNHOLD;
	if (question->action == MESSAGE_UNHOLD)
		question->reason = 0;
	return 0;
}

static int read_invalidity(json_t *value, struct message_status_change *question, struct error *err)
{
	if (json_is_string(value) && clock_parse_rfc3339(BYTES(json_string_value(value), json_string_length(value)),
							 &question->invalidity_s, err) == 0)
		return 0;
	(void)err_set(err, ERR_BAD_REQUEST, "invalidityDate must be a time like 2026-11-21T12:00:00Z");
	return err_about(err, "invalidityDate", json_string_value(value), NULL);
}

static int read_member(const char *name, json_t *value, struct message_status_change *question, struct error *err)
{
	if (strcmp(name, "reason") == 0)
		return read_reason(value, question, err);
	if (strcmp(name, "invalidityDate") == 0)
		return read_invalidity(value, question, err);
	if (strcmp(name, "sameKey") == 0 && json_is_boolean(value)) {
		question->same_key_too = json_is_true(value);
		return 0;
	}
	(void)err_set(err, ERR_BAD_REQUEST, "this member is not known here, or its value is not of its type");
	return err_about(err, name, NULL, "reason, invalidityDate, sameKey");
}

static int read_question(struct request *r, struct message_status_change *question, struct error *err)
{
	auto_json *body = json_parse(buf_bytes(&r->body), err);
	if (!body)
		return -1;
	const char *name;
	json_t *value;
	json_object_foreach(body, name, value)
	{
		if (read_member(name, value, question, err) != 0)
			return -1;
	}
	if (question->action != 0)
		return 0;
	(void)err_set(err, ERR_BAD_REQUEST, "the member reason is missing");
	return err_about(err, "reason", NULL, "unspecified, keyCompromise, superseded, ...");
}

/* ---- the answer ---- */

static json_t *changed_json(const struct request *r, const struct message_status_changed *changed)
{
	json_t *answer =
		json_pack("{s:o, s:b}", "serial", json_text(r->parameters[0]), "noRevocation", changed->no_revocation);
	if (changed->crl_url.len > 0)
		(void)json_object_set_new(answer, "crl",
					  json_pack("{s:o, s:I, s:o}", "url", json_text(changed->crl_url), "number",
						    (json_int_t)changed->crl_number, "from",
						    json_time(changed->crl_from_s)));
	if (changed->no_revocation)
		(void)json_object_set_new(answer, "warning",
					  json_string(
						  "the certificate names no place to ask for its status: clients will "
						  "not learn of this; it ends by itself within days"));
	json_t *same = json_array();
	for (uint32_t i = 0; i < changed->same_key_count; i++)
		(void)json_array_append_new(same, json_hex(changed->same_key[i]));
	(void)json_object_set_new(answer, "sameKey", same);
	return answer;
}

static void changed(struct request *r)
{
	struct error err = ERR_INIT;
	struct message_status_changed answer;
	if (request_answered(r, MSG_STATUS_CHANGED, &err) != 0 ||
	    message_status_changed_read(buf_bytes(&r->answer.payload), &answer, &err) != 0) {
		request_refuse(r, &err);
		return;
	}
	auto_buf content = BUF_INIT;
	json_write(changed_json(r, &answer), &content);
	request_reply(r, MHD_HTTP_OK, "application/json", &content);
}

void revoke_post(struct request *r)
{
	struct error err = ERR_INIT;
	struct message_status_change question = { .session = r->session.number };
	auto_buf serial = BUF_INIT, payload = BUF_INIT;
	if (inventory_serial(r, &serial, &err) != 0 || read_question(r, &question, &err) != 0) {
		request_refuse(r, &err);
		return;
	}
	question.serial = buf_bytes(&serial);
	message_status_change_write(&question, &payload);
	request_ask(r, MSG_STATUS_CHANGE, &payload, changed);
}
