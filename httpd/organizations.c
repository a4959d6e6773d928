/* Rows of /api/v1/organizations but for what officers decide. */
#include "httpd/organizations.h"

#include <stdlib.h>

#include "httpd/about.h"
#include "httpd/handlers.h"

/* ---- one ---- */

static void reply(struct request *r, bool added)
{
	struct error err = ERR_INIT;
	auto_free struct message_organization *m = malloc(sizeof(*m));
	if (!m)
		(void)err_set(&err, ERR_BUSY, "no memory for an organization");
	if (!m || request_answered(r, MSG_ORGANIZATION, &err) != 0 ||
	    message_organization_read(buf_bytes(&r->answer.payload), m, &err) != 0) {
		request_refuse(r, &err);
		return;
	}
	auto_buf content = BUF_INIT, location = BUF_INIT;
	json_write(organizations_json(m), &content);
	buf_add_text(&location, "/api/v1/organizations/");
	buf_add_bytes(&location, m->id);
	bool created = added && m->version == 1;
	request_reply(r, created ? MHD_HTTP_CREATED : MHD_HTTP_OK, "application/json", &content);
	if (created)
		request_reply_header(r, MHD_HTTP_HEADER_LOCATION, buf_text(&location));
}

void organizations_reply(struct request *r)
{
	reply(r, false);
}

static void added(struct request *r)
{
	reply(r, true);
}

static void got_record(struct request *r)
{
	about_reply_bytes(r, "text/plain; charset=utf-8");
}

void organizations_get(struct request *r)
{
	about_ask(r, MSG_ORGANIZATION_GET, "organization", organizations_reply);
}

void organizations_get_record(struct request *r)
{
	about_ask(r, MSG_ORGANIZATION_RECORD, "organization", got_record);
}

/* ---- all ---- */

static void listed(struct request *r)
{
	struct error err = ERR_INIT;
	auto_free struct message_organizations *all = malloc(sizeof(*all));
	if (!all)
		(void)err_set(&err, ERR_BUSY, "no memory for the organizations");
	if (!all || request_answered(r, MSG_ORGANIZATIONS, &err) != 0 ||
	    message_organizations_read(buf_bytes(&r->answer.payload), all, &err) != 0) {
		request_refuse(r, &err);
		return;
	}
	auto_buf content = BUF_INIT;
	json_write(organizations_list_json(all), &content);
	request_reply(r, MHD_HTTP_OK, "application/json", &content);
}

void organizations_list(struct request *r)
{
	struct message_order_get question = { .session = r->session.number };
	auto_buf payload = BUF_INIT;
	message_order_get_write(&question, &payload);
	request_ask(r, MSG_ORGANIZATION_LIST, &payload, listed);
}

/* ---- a new one, or a new version of one ---- */

static int make_question(const struct request *r, struct buf *payload, struct error *err)
{
	auto_json *body = NULL;
	auto_free struct message_organization *question = calloc(1, sizeof(*question));
	if (!question)
		return err_set(err, ERR_BUSY, "no memory for an organization");
	if (organizations_body_read(buf_bytes(&r->body), question, &body, err) != 0)
		return -1;
	question->session = r->session.number;
	message_organization_write(question, payload);
	return payload->failed ? err_set(err, ERR_TOO_LARGE, "the organization's record is too large") : 0;
}

void organizations_add(struct request *r)
{
	struct error err = ERR_INIT;
	auto_buf payload = BUF_INIT;
	if (make_question(r, &payload, &err) != 0)
		request_refuse(r, &err);
	else
		request_ask(r, MSG_ORGANIZATION_ADD, &payload, added);
}
