/* chancery order approve, deny: the bytes fetched, read and shown here, then signed for with the officer's own key. */
#include <stdio.h>
#include <string.h>

#include "tools/cmd_order.h"
#include "tools/decision.h"
#include "tools/tbs_facts.h"

/* ---- what is decided about ---- */

struct case_ {
	json_t *order, *facts;
	struct buf tbs;
};

static void case_free(struct case_ *c)
{
	json_decref(c->order);
	json_decref(c->facts);
	buf_free(&c->tbs);
}
#define auto_case CLEANUP(case_free) struct case_

static int fetch(struct client *client, const char *id, struct case_ *c, struct error *err)
{
	auto_buf path = BUF_INIT, tbs_path = BUF_INIT;
	order_path(&path, id, "");
	order_path(&tbs_path, id, "/tbs");
	c->order = client_get_json(client, buf_text(&path), err);
	if (!c->order || client_get(client, buf_text(&tbs_path), &c->tbs, err))
		return -1;
	c->facts = tbs_facts(buf_bytes(&c->tbs), err);
	if (!c->facts || tbs_facts_agree(c->facts, c->order, err))
		return -1;
	if (strcmp(member_text(c->order, "id"), id) == 0)
		return 0;
	return err_set(err, ERR_INTEGRITY, "the server answered with another order than %s", id);
}

static const char *or_null(const char *text)
{
	return text[0] ? text : NULL;
}

/* What the server says about how it came to this, then what the bytes themselves say. */
static void describe(const struct case_ *c, struct buf *out)
{
	static const char *const members[] = { "profile",      "requester", "organization",
					       "askedSubject", "created",   "approveBefore" };
	size_t i;
	const json_t *item;
	output_add_fact(out, "order", member_text(c->order, "id"));
	for (i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		output_add_fact(out, members[i], or_null(member_text(c->order, members[i])));
	output_add_facts(out, "not copied", json_object_get(c->order, "notCopied"));
	json_array_foreach(json_object_get(c->order, "authorizations"), i, item)
	{
		auto_buf text = BUF_INIT;
		const char *how = member_text(json_array_get(json_object_get(item, "methods"), 0), "type");
		buf_printf(&text, "%s: %s%s%s", member_text(item, "name"), member_text(item, "status"),
			   how[0] ? " by " : "", how);
		output_add_fact(out, "control", buf_text(&text));
	}
	json_array_foreach(json_object_get(c->order, "approvals"), i, item)
	{
		auto_buf text = BUF_INIT;
		buf_printf(&text, "%s by %s: %s", member_text(item, "decision"), member_text(item, "officer"),
			   member_text(item, "reason"));
		output_add_fact(out, "decided", buf_text(&text));
	}
	buf_add_text(out, "\nThe certificate, as its bytes were read here:\n\n");
	tbs_facts_text(c->facts, out);
}

/* ---- deciding ---- */

static int report(const struct invocation *in, json_t *order, enum ca_decision decision)
{
	const char *waits = member_text(order, "waitsFor");
	if (in->common.json) {
		output_json(json_incref(order));
		return 0;
	}
	output_say("Order %s: your decision to %s is recorded. It is %s now%s%s.\n", member_text(order, "id"),
		   ca_decision_name(decision), member_text(order, "status"), waits[0] ? "; it waits for " : "", waits);
	return 0;
}

static int decide(struct invocation *in, struct decision *d, bool yes)
{
	struct error *err = &in->error;
	auto_case c = { .tbs = BUF_INIT };
	auto_buf text = BUF_INIT;
	auto_client *client = client_open(&in->common, err);
	if (!client || fetch(client, d->id, &c, err))
		return -1;
	describe(&c, &text);
	output_text(&text, in->common.json);
	d->about = buf_bytes(&c.tbs);
	auto_json *order = decision_make(client, d, "it", yes, err);
	return order ? report(in, order, d->decision) : -1;
}

static int run(struct invocation *in, enum ca_decision decision, const char *reason)
{
	struct decision d = { .decision = decision, .reason = reason };
	bool yes = false;
	if (decision_options(in, "who asked has to know why", &d, &yes))
		return in->status;
	return decide(in, &d, yes) ? refuse(in) : 0;
}

int order_approve(struct invocation *in)
{
	return run(in, DECISION_APPROVE, "looked at and approved");
}

int order_deny(struct invocation *in)
{
	return run(in, DECISION_DENY, NULL);
}

const char order_decide_detail[] =
	"The bytes to be signed are fetched, hashed and read here, held against what the server says of the order, "
	"and\n"
	"shown. What you sign is a statement about exactly these bytes. --key is a PEM file, or a key in your own "
	"token:\n"
	"pkcs11:token=T;object=O?module-path=/PATH&pin-source=file:/PATH (without pin-source the PIN is asked for).\n";
