/* GET /api/v1/certificates: the inventory, and one certificate of it in each form. */
#include "httpd/inventory.h"

#include <stdio.h>

#include "base/text.h"
#include "httpd/handlers.h"
#include "httpd/json.h"
#include "httpd/published.h"
#include "httpd/server.h"

#define ROWS_DEFAULT 50
#define HOURS_MAX 876000
#define CURSOR_MAX 2048

/* ---- rows as JSON ---- */

static json_t *row_json(const struct message_certificate *c)
{
	json_t *names = json_array();
	for (uint32_t i = 0; i < c->name_count; i++)
		(void)json_array_append_new(names, json_text(c->names[i]));
	json_t *row = json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "serial", json_hex(c->serial),
				"status", inventory_status_name(c->status), "names", names, "subject",
				json_text(c->subject), "issuer", json_text(c->issuer), "profile", json_text(c->profile),
				"notBefore", json_time(c->not_before_s), "notAfter", json_time(c->not_after_s),
				"requester", json_text(c->requester));
	if (c->order.len > 0)
		(void)json_object_set_new(row, "order", json_text(c->order));
	if (c->revoked_ms != 0) {
		(void)json_object_set_new(row, "revokedAt", json_time(c->revoked_ms / 1000));
		(void)json_object_set_new(row, "reason", json_string(inventory_reason_name(c->reason)));
	}
	if (c->invalidity_s != 0)
		(void)json_object_set_new(row, "invalidityDate", json_time(c->invalidity_s));
	if (c->no_revocation)
		(void)json_object_set_new(row, "noRevocation", json_true());
	return row;
}

static int add_row(json_t *list, struct bytes encoded, struct error *err)
{
	struct message_certificate row;
	if (message_certificate_read(encoded, &row, err) != 0)
		return -1;
	(void)json_array_append_new(list, row_json(&row));
	return 0;
}

/* ---- the list ---- */

static int read_rows(struct request *r, json_t *list, struct bytes *next, struct error *err)
{
	struct message_certificates page;
	if (request_answered(r, MSG_CERTIFICATES, err) != 0 ||
	    message_certificates_read(buf_bytes(&r->answer.payload), &page, err) != 0)
		return -1;
	for (uint32_t i = 0; i < page.count; i++)
		if (add_row(list, page.rows[i], err) != 0)
			return -1;
	*next = page.next;
	return 0;
}

static void listed(struct request *r)
{
	struct error err = ERR_INIT;
	struct bytes next = BYTES_NONE;
	auto_json *list = json_array();
	if (read_rows(r, list, &next, &err) != 0) {
		request_refuse(r, &err);
		return;
	}
	auto_buf content = BUF_INIT;
	json_t *page = json_pack("{s:O}", "certificates", list);
	if (next.len > 0)
		(void)json_object_set_new(page, "next", json_hex(next));
	json_write(page, &content);
	request_reply(r, MHD_HTTP_OK, "application/json", &content);
}

/* "30d" or "12h": how far ahead. */
static int read_expiring(const struct request *r, int64_t *before_s, struct error *err)
{
	struct bytes text;
	if (!request_argument(r, "expiring", &text))
		return 0;
	int64_t number = 0;
	size_t i = 0;
	for (; i < text.len && i < 7 && text.data[i] >= '0' && text.data[i] <= '9'; i++)
		number = number * 10 + (text.data[i] - '0');
	bool days = i > 0 && i + 1 == text.len && text.data[i] == 'd';
	bool hours = i > 0 && i + 1 == text.len && text.data[i] == 'h';
	int64_t all_hours = days ? number * 24 : number;
	if ((days || hours) && all_hours <= HOURS_MAX) {
		*before_s = clock_now_ms(&r->front->clock) / 1000 + all_hours * 3600;
		return 0;
	}
	(void)err_set(err, ERR_BAD_REQUEST, "expiring says within which time: a number of days or hours");
	auto_buf shown = BUF_INIT;
	buf_add_bytes(&shown, text);
	return err_about(err, "expiring", buf_text(&shown), "30d, 12h");
}

static int make_list_question(const struct request *r, struct message_certificate_list *question, struct buf *cursor,
			      struct error *err)
{
	struct bytes text;
	question->session = r->session.number;
	question->limit = ROWS_DEFAULT;
	(void)request_argument(r, "name", &question->name);
	(void)request_argument(r, "profile", &question->profile);
	(void)request_argument(r, "issuer", &question->issuer);
	if (request_argument(r, "status", &text) && inventory_status(text, &question->status, err) != 0)
		return -1;
	if (request_argument(r, "cursor", &text) && text_parse_hex(text, CURSOR_MAX, cursor, err) != 0)
		return err_about(err, "cursor", NULL, "what `next` said");
	question->cursor = buf_bytes(cursor);
	if (request_argument_number(r, "limit", MESSAGE_ROWS_MAX, &question->limit, err) != 0)
		return -1;
	return read_expiring(r, &question->expiring_before_s, err);
}

void inventory_list(struct request *r)
{
	struct message_certificate_list question = { .session = 0 };
	struct error err = ERR_INIT;
	auto_buf cursor = BUF_INIT, payload = BUF_INIT;
	if (make_list_question(r, &question, &cursor, &err) != 0) {
		request_refuse(r, &err);
		return;
	}
	message_certificate_list_write(&question, &payload);
	request_ask(r, MSG_CERTIFICATE_LIST, &payload, listed);
}

/* ---- one certificate ---- */

static void ask_for_one(struct request *r, request_step *step)
{
	struct error err = ERR_INIT;
	auto_buf serial = BUF_INIT, payload = BUF_INIT;
	if (inventory_serial(r, &serial, &err) != 0) {
		request_refuse(r, &err);
		return;
	}
	struct message_certificate_get question = { r->session.number, buf_bytes(&serial) };
	message_certificate_get_write(&question, &payload);
	request_ask(r, MSG_CERTIFICATE_GET, &payload, step);
}

/* The signer's answer; false where r was refused. */
static bool take_one(struct request *r, struct message_certificate *one)
{
	struct error err = ERR_INIT;
	if (request_answered(r, MSG_CERTIFICATE, &err) == 0 &&
	    message_certificate_read(buf_bytes(&r->answer.payload), one, &err) == 0)
		return true;
	request_refuse(r, &err);
	return false;
}

static void got_row(struct request *r)
{
	struct message_certificate one;
	if (!take_one(r, &one))
		return;
	auto_buf content = BUF_INIT;
	json_write(json_pack("{s:[o]}", "certificates", row_json(&one)), &content);
	request_reply(r, MHD_HTTP_OK, "application/json", &content);
}

static void got_pem(struct request *r)
{
	struct message_certificate one;
	if (!take_one(r, &one))
		return;
	auto_buf content = BUF_INIT;
	text_add_pem(&content, "CERTIFICATE", one.certificate);
	request_reply(r, MHD_HTTP_OK, "application/x-pem-file", &content);
}

static void got_der(struct request *r)
{
	struct message_certificate one;
	if (!take_one(r, &one))
		return;
	auto_buf content = BUF_INIT;
	buf_add_bytes(&content, one.certificate);
	request_reply(r, MHD_HTTP_OK, "application/pkix-cert", &content);
}

static void got_chain(struct request *r)
{
	struct message_certificate one;
	struct error err = ERR_INIT;
	if (!take_one(r, &one))
		return;
	auto_buf content = BUF_INIT;
	text_add_pem(&content, "CERTIFICATE", one.certificate);
	if (published_chain(r->front->published, one.issuer, &content, &err) != 0)
		request_refuse(r, &err);
	else
		request_reply(r, MHD_HTTP_OK, "application/pem-certificate-chain", &content);
}

void inventory_get(struct request *r)
{
	ask_for_one(r, got_row);
}

void inventory_get_pem(struct request *r)
{
	ask_for_one(r, got_pem);
}

void inventory_get_der(struct request *r)
{
	ask_for_one(r, got_der);
}

void inventory_get_chain(struct request *r)
{
	ask_for_one(r, got_chain);
}
