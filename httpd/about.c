#include "httpd/about.h"

#include "ca-core/message_order.h"
#include "ca-core/statement.h"

int about_id(const struct request *r, const char *what, struct bytes *id, struct error *err)
{
	*id = r->parameters[0];
	if (ca_statement_is_id(*id))
		return 0;
	auto_buf shown = BUF_INIT;
	buf_add_bytes(&shown, *id);
	(void)err_set(err, ERR_NOT_FOUND, "there is no %s of this id, nor can there be", what);
	return err_about(err, "id", buf_text(&shown), "1 to 64 letters, digits, dots, hyphens and underscores");
}

void about_ask(struct request *r, enum message_type type, const char *what, request_step *step)
{
	struct message_order_get question = { .session = r->session.number };
	struct error err = ERR_INIT;
	auto_buf payload = BUF_INIT;
	if (about_id(r, what, &question.id, &err) != 0) {
		request_refuse(r, &err);
		return;
	}
	message_order_get_write(&question, &payload);
	request_ask(r, type, &payload, step);
}

void about_reply_bytes(struct request *r, const char *content_type)
{
	struct message_name answer;
	struct error err = ERR_INIT;
	if (request_answered(r, MSG_BYTES, &err) != 0 ||
	    message_name_read(buf_bytes(&r->answer.payload), &answer, &err) != 0) {
		request_refuse(r, &err);
		return;
	}
	auto_buf content = BUF_INIT;
	buf_add_bytes(&content, answer.name);
	request_reply(r, MHD_HTTP_OK, content_type, &content);
}
