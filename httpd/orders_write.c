/* POST /api/v1/orders and PATCH /api/v1/orders/{id}: an order is asked for, a draft is changed. */
#include <stdlib.h>

#include "httpd/about.h"
#include "httpd/csr_body.h"
#include "httpd/handlers.h"
#include "httpd/orders.h"
#include "httpd/server.h"

static struct message_order_create *question_new(const struct request *r, struct error *err)
{
	struct message_order_create *question = calloc(1, sizeof(*question));
	if (question)
		question->session = r->session.number;
	else
		(void)err_set(err, ERR_BUSY, "no memory for an order");
	return question;
}

static void take_contacts(struct message_order_create *question, const struct message_contact *contacts, uint32_t count)
{
	question->contact_count = count;
	memcpy(question->contacts, contacts, count * sizeof(contacts[0]));
}

/* Adds what the signing request says under the question's profile, and writes the question: csr and what is
 * told of it live no longer. csr empty: there is none. */
static int write_question(struct request *r, struct bytes csr_text, struct message_order_create *question,
			  struct buf *payload, struct error *err)
{
	auto_ca_csr *csr = NULL;
	auto_csr_told *told = NULL;
	if (csr_text.len > 0) {
		const struct ca_profile *profile =
			ca_config_profile_for_request(r->front->config, question->profile, err);
		csr = profile ? csr_body_read(r, csr_text, err) : NULL;
		told = csr ? csr_tell(csr, profile, err) : NULL;
		if (!told)
			return err->member[0] ? -1 : err_about(err, "csr", NULL, NULL);
		csr_told_order(told, question);
	}
	message_order_create_write(question, payload);
	return payload->failed ? err_set(err, ERR_TOO_LARGE, "the order is too large") : 0;
}

/* ---- POST ---- */

static void created(struct request *r)
{
	orders_reply(r, MHD_HTTP_CREATED);
}

static int make_question(struct request *r, struct buf *payload, struct error *err)
{
	CLEANUP(orders_body_free) struct orders_body body;
	if (orders_body_read(buf_bytes(&r->body), false, &body, err) != 0)
		return -1;
	auto_free struct message_order_create *question = question_new(r, err);
	if (!question)
		return -1;
	question->profile = body.profile;
	question->organization = body.organization;
	question->days = body.days;
	question->draft = body.draft;
	take_contacts(question, body.contacts, body.contact_count);
	return write_question(r, body.csr, question, payload, err);
}

void orders_create(struct request *r)
{
	struct error err = ERR_INIT;
	auto_buf payload = BUF_INIT;
	if (make_question(r, &payload, &err) != 0)
		request_refuse(r, &err);
	else
		request_ask(r, MSG_ORDER_CREATE, &payload, created);
}

/* ---- PATCH: the draft is asked for first, so that what is not sent stays as it is ---- */

static void changed(struct request *r)
{
	orders_reply(r, MHD_HTTP_OK);
}

/* What a CSR's names are depends on the profile. */
static int check_profile(const struct orders_body *body, const struct message_order *draft, struct error *err)
{
	if (body->csr.len > 0 || body->profile.len == 0 || bytes_equal(body->profile, draft->profile))
		return 0;
	(void)err_set(err, ERR_BAD_REQUEST, "another profile may take other names from the request: send csr with it");
	return err_about(err, "csr", NULL, "the request, PEM");
}

static int make_change(struct request *r, const struct message_order *draft, struct buf *payload, struct error *err)
{
	CLEANUP(orders_body_free) struct orders_body body;
	if (orders_body_read(buf_bytes(&r->body), true, &body, err) != 0 || check_profile(&body, draft, err) != 0)
		return -1;
	auto_free struct message_order_create *question = question_new(r, err);
	if (!question)
		return -1;
	question->id = draft->id;
	question->draft = true;
	question->change_csr = body.csr.len > 0;
	question->profile = body.profile.len > 0 ? body.profile : draft->profile;
	question->organization = body.sets_organization ? body.organization : draft->organization;
	question->days = body.sets_days ? body.days : draft->days;
	if (body.sets_contacts)
		take_contacts(question, body.contacts, body.contact_count);
	else
		take_contacts(question, draft->contacts, draft->contact_count);
	return write_question(r, body.csr, question, payload, err);
}

static void draft_known(struct request *r)
{
	struct error err = ERR_INIT;
	auto_buf payload = BUF_INIT;
	auto_free struct message_order *draft =
		request_answered(r, MSG_ORDER, &err) == 0 ? orders_answer(r, &err) : NULL;
	if (!draft || make_change(r, draft, &payload, &err) != 0)
		request_refuse(r, &err);
	else
		request_ask(r, MSG_ORDER_CHANGE, &payload, changed);
}

/* A body of a wrong shape is refused before anybody is asked; the right one is read again with the draft at hand. */
void orders_change(struct request *r)
{
	CLEANUP(orders_body_free) struct orders_body body;
	struct error err = ERR_INIT;
	if (orders_body_read(buf_bytes(&r->body), true, &body, &err) != 0)
		request_refuse(r, &err);
	else
		about_ask(r, MSG_ORDER_GET, "order", draft_known);
}
