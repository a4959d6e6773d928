/* POST .../approve and deny of orders, .../vet and suspend of organizations. */
#include "httpd/decisions.h"

#include "httpd/about.h"
#include "httpd/handlers.h"
#include "httpd/orders.h"
#include "httpd/organizations.h"

static void order_decided(struct request *r)
{
	orders_reply(r, MHD_HTTP_OK);
}

static void organization_decided(struct request *r)
{
	organizations_reply(r);
}

static void decide(struct request *r, enum ca_decision decision)
{
	bool is_order = decision == DECISION_APPROVE || decision == DECISION_DENY;
	struct message_decide question = { .session = r->session.number };
	CLEANUP(decisions_body_free) struct decisions_body body = { .json = NULL };
	struct error err = ERR_INIT;
	auto_buf payload = BUF_INIT;
	if (about_id(r, is_order ? "order" : "organization", &question.id, &err) != 0 ||
	    decisions_body_read(buf_bytes(&r->body), decision, &body, &err) != 0) {
		request_refuse(r, &err);
		return;
	}
	question.statement = body.statement;
	question.certificate = buf_bytes(&body.certificate);
	question.signature = buf_bytes(&body.signature);
	message_decide_write(&question, &payload);
	request_ask(r, is_order ? MSG_ORDER_DECIDE : MSG_ORGANIZATION_DECIDE, &payload,
		    is_order ? order_decided : organization_decided);
}

void orders_approve(struct request *r)
{
	decide(r, DECISION_APPROVE);
}

void orders_deny(struct request *r)
{
	decide(r, DECISION_DENY);
}

void organizations_vet(struct request *r)
{
	decide(r, DECISION_VET);
}

void organizations_suspend(struct request *r)
{
	decide(r, DECISION_SUSPEND);
}
