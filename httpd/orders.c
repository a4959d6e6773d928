/* Rows of /api/v1/orders but for making and changing one, and for what officers decide. */
#include "httpd/orders.h"

#include <stdlib.h>

#include "base/text.h"
#include "httpd/about.h"
#include "httpd/handlers.h"

#define ROWS_DEFAULT 50
#define CURSOR_MAX 2048
#define STATUS_MAX 64

/* ---- one order ---- */

static void replied(struct request *r)
{
	orders_reply(r, MHD_HTTP_OK);
}

static void made(struct request *r)
{
	orders_reply(r, MHD_HTTP_CREATED);
}

static void got_tbs(struct request *r)
{
	about_reply_bytes(r, "application/octet-stream");
}

void orders_get(struct request *r)
{
	about_ask(r, MSG_ORDER_GET, "order", replied);
}

void orders_get_tbs(struct request *r)
{
	about_ask(r, MSG_ORDER_TBS, "order", got_tbs);
}

/* ---- the list ---- */

static void listed(struct request *r)
{
	struct error err = ERR_INIT;
	auto_free struct message_orders *page = malloc(sizeof(*page));
	if (!page)
		(void)err_set(&err, ERR_BUSY, "no memory for the orders");
	if (!page || request_answered(r, MSG_ORDERS, &err) != 0 ||
	    message_orders_read(buf_bytes(&r->answer.payload), page, &err) != 0) {
		request_refuse(r, &err);
		return;
	}
	auto_buf content = BUF_INIT;
	json_write(orders_list_json(page), &content);
	request_reply(r, MHD_HTTP_OK, "application/json", &content);
}

static int read_mine(const struct request *r, bool *mine, struct error *err)
{
	struct bytes text;
	if (!request_argument(r, "mine", &text))
		return 0;
	*mine = bytes_are(text, "true");
	if (*mine || bytes_are(text, "false"))
		return 0;
	(void)err_set(err, ERR_BAD_REQUEST, "the query argument mine is true or false");
	return err_about(err, "mine", NULL, "true, false");
}

static int make_list_question(const struct request *r, struct message_order_list *question, struct buf *cursor,
			      struct error *err)
{
	struct bytes text;
	if (request_argument(r, "status", &question->status) && question->status.len > STATUS_MAX) {
		(void)err_set(err, ERR_BAD_REQUEST, "this is no status of an order");
		return err_about(err, "status", NULL, "draft, pending-validation, pending-approval, ...");
	}
	if (request_argument(r, "cursor", &text) && text_parse_hex(text, CURSOR_MAX, cursor, err) != 0)
		return err_about(err, "cursor", NULL, "what `next` said");
	question->cursor = buf_bytes(cursor);
	if (read_mine(r, &question->mine, err) != 0)
		return -1;
	return request_argument_number(r, "limit", MESSAGE_ROWS_MAX, &question->limit, err);
}

void orders_list(struct request *r)
{
	struct message_order_list question = { .session = r->session.number, .limit = ROWS_DEFAULT };
	struct error err = ERR_INIT;
	auto_buf cursor = BUF_INIT, payload = BUF_INIT;
	if (make_list_question(r, &question, &cursor, &err) != 0) {
		request_refuse(r, &err);
		return;
	}
	message_order_list_write(&question, &payload);
	request_ask(r, MSG_ORDER_LIST, &payload, listed);
}

/* ---- acting ---- */

static void ask_to_act(struct request *r, struct message_order_act *question)
{
	struct error err = ERR_INIT;
	auto_buf payload = BUF_INIT;
	if (about_id(r, "order", &question->id, &err) != 0) {
		request_refuse(r, &err);
		return;
	}
	question->session = r->session.number;
	message_order_act_write(question, &payload);
	request_ask(r, MSG_ORDER_ACT, &payload, question->action == ORDER_ACT_COPY ? made : replied);
}

static void act(struct request *r, enum message_order_action action)
{
	struct message_order_act question = { .action = (uint8_t)action };
	ask_to_act(r, &question);
}

void orders_submit(struct request *r)
{
	act(r, ORDER_ACT_SUBMIT);
}

void orders_copy(struct request *r)
{
	act(r, ORDER_ACT_COPY);
}

void orders_cancel(struct request *r)
{
	act(r, ORDER_ACT_CANCEL);
}

void orders_check(struct request *r)
{
	act(r, ORDER_ACT_CHECK);
}

void orders_confirm(struct request *r)
{
	struct message_order_act question = { .action = 0 };
	struct error err = ERR_INIT;
	auto_json *body = NULL;
	if (orders_confirm_read(buf_bytes(&r->body), &question, &body, &err) != 0)
		request_refuse(r, &err);
	else
		ask_to_act(r, &question);
}
