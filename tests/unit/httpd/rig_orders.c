/* The played signer's answers about orders, organizations and explanations: "ord-1" and "org-1" are there. */
#include "tests/unit/httpd/rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "ca-core/message_order.h"
#include "tests/unit/httpd/rig_private.h"

/* ---- an order ---- */

static const uint8_t shown_serial[] = { 0x01, 0xab, 0xcd };

static void add_methods(struct message_authorization *a)
{
	a->method_count = MESSAGE_METHODS_MAX;
	a->methods[0] = (struct message_method){ bytes_of("dns-txt"), bytes_of("_chancery-challenge.a.test"),
						 bytes_of("value") };
	a->methods[1] = (struct message_method){ bytes_of("dns-cname"), bytes_of("_label.a.test"),
						 bytes_of("value.base.test") };
	a->methods[2] =
		(struct message_method){ bytes_of("http"), bytes_of("http://a.test/.well-known/x"), bytes_of("value") };
	a->methods[3] =
		(struct message_method){ bytes_of("mail"), bytes_of("admin@a.test, hostmaster@a.test"), BYTES_NONE };
}

static void fill_request(struct message_order *o)
{
	o->id = bytes_of("ord-1");
	o->status = bytes_of("pending-approval");
	o->profile = bytes_of("server-dv");
	o->requester = bytes_of("alice");
	o->organization = bytes_of("org-1");
	o->days = 30;
	memset(o->nonce, 0xAB, sizeof(o->nonce));
	memset(o->spki_hash, 0x11, sizeof(o->spki_hash));
	o->created_s = 1790000000;
	o->expires_s = 1790600000;
	o->waits_for = bytes_of("one officer's approval");
	o->asked_subject = bytes_of("O=Elsewhere");
	o->subject = bytes_of("O=Example GmbH");
	o->name_count = 2;
	o->names[0] = bytes_of("dns:a.test");
	o->names[1] = bytes_of("dns:b.test");
	o->not_copied_count = 1;
	o->not_copied[0] = bytes_of("subject O=Elsewhere");
	o->contact_count = 1;
	o->contacts[0] = (struct message_contact){ bytes_of("technical"), bytes_of("ops@a.test") };
}

static void fill_decisions(struct message_order *o)
{
	o->authorization_count = 2;
	o->authorizations[0] = (struct message_authorization){ .name = o->names[0],
							       .status = bytes_of("pending"),
							       .expires_s = 1790600000,
							       .checked_s = 1790000060,
							       .error_code = bytes_of("nxdomain"),
							       .error = bytes_of("no such name") };
	add_methods(&o->authorizations[0]);
	o->authorizations[1] = (struct message_authorization){
		.name = o->names[1], .status = bytes_of("valid"), .expires_s = 1800000000, .method_count = 1
	};
	o->authorizations[1].methods[0].type = bytes_of("grant");
	o->approvals_needed = 2;
	o->approval_count = 1;
	o->approvals[0] =
		(struct message_approval){ bytes_of("bob"), bytes_of("approve"), bytes_of("looked at"), 1790000100 };
	o->has_tbs = true;
	memset(o->tbs_hash, 0xCD, sizeof(o->tbs_hash));
	o->approve_before_s = 1790172800;
}

/* As large as an order of so many names can be. */
static void fill_large(struct message_order *o, uint32_t names, struct buf *texts)
{
	for (int i = 0; i < MESSAGE_TEXT_MAX; i++)
		buf_u8(texts, 'x');
	struct bytes name = BYTES(texts->data, 257), place = BYTES(texts->data, 330), error = BYTES(texts->data, 512);
	o->name_count = o->authorization_count = names;
	for (uint32_t i = 0; i < names; i++) {
		struct message_authorization *a = &o->authorizations[i];
		o->names[i] = name;
		*a = (struct message_authorization){
			.name = name, .status = bytes_of("pending"), .error_code = bytes_of("timeout"), .error = error
		};
		add_methods(a);
		for (uint32_t m = 0; m < a->method_count; m++)
			a->methods[m].where = a->methods[m].what = place;
		a->methods[3].where = BYTES(texts->data, MESSAGE_TEXT_MAX);
	}
}

void rig_answer_with_order(struct rig *rig, uint64_t id, bool dry_run)
{
	struct message_order *o = calloc(1, sizeof(*o));
	auto_buf texts = BUF_INIT, payload = BUF_INIT;
	fill_request(o);
	fill_decisions(o);
	if (rig->signer.order_names > 0)
		fill_large(o, rig->signer.order_names, &texts);
	if (dry_run)
		o->id = BYTES_NONE;
	message_order_write(o, &payload);
	CHECK(!payload.failed && payload.len < CHANNEL_FRAME_MAX);
	rig_answer(rig, MSG_ORDER, id, &payload);
	free(o);
}

static void answer_over(struct rig *rig, uint64_t id)
{
	struct message_order *o = calloc(1, sizeof(*o));
	auto_buf payload = BUF_INIT;
	fill_request(o);
	o->id = bytes_of("ord-2");
	o->status = bytes_of("issued");
	o->organization = o->asked_subject = o->subject = o->waits_for = BYTES_NONE;
	o->days = 0;
	o->issuer = bytes_of("issuing-1");
	o->certificate = BYTES(shown_serial, sizeof(shown_serial));
	o->failure_code = bytes_of("blocked-key");
	o->failure = bytes_of("the key is blocked");
	message_order_write(o, &payload);
	rig_answer(rig, MSG_ORDER, id, &payload);
	free(o);
}

static void list_orders(struct rig *rig, uint64_t id)
{
	struct message_orders *page = calloc(1, sizeof(*page));
	auto_buf payload = BUF_INIT;
	page->count = 1;
	page->rows[0] = (struct message_order_row){ .id = bytes_of("ord-1"),
						    .status = bytes_of("pending-validation"),
						    .profile = bytes_of("server-dv"),
						    .requester = bytes_of("alice"),
						    .first_name = bytes_of("dns:a.test"),
						    .name_count = 2,
						    .created_s = 1790000000,
						    .expires_s = 1790600000,
						    .waits_for = bytes_of("a TXT record") };
	page->next = bytes_of("more");
	message_orders_write(page, &payload);
	rig_answer(rig, MSG_ORDERS, id, &payload);
	free(page);
}

/* ---- an organization ---- */

static void answer_with_organization(struct rig *rig, uint64_t id, uint64_t version)
{
	struct message_organization *m = calloc(1, sizeof(*m));
	auto_buf payload = BUF_INIT;
	m->id = bytes_of("org-1");
	m->version = version;
	m->legal_name = bytes_of("Example GmbH");
	m->country = bytes_of("DE");
	m->standing = 1;
	m->document_count = 1;
	m->documents[0] = (struct message_document){ { 0x22 }, bytes_of("extract"), bytes_of("register"), 1763683200 };
	m->domain_count = m->agent_count = 1;
	m->domains[0] = bytes_of("example.test");
	m->agents[0] = bytes_of("alice");
	m->status = bytes_of("vetted");
	m->vetted_by = bytes_of("bob");
	m->created_s = 1790000000;
	m->changed_s = 1790000001;
	m->vetted_s = 1790000002;
	m->valid_until_s = 1824387202;
	memset(m->record_hash, 0x33, sizeof(m->record_hash));
	message_organization_write(m, &payload);
	rig_answer(rig, MSG_ORGANIZATION, id, &payload);
	free(m);
}

static void add_organization(struct rig *rig, const struct frame *frame)
{
	struct message_organization *m = calloc(1, sizeof(*m));
	struct error err = ERR_INIT;
	CHECK(message_organization_read(frame->payload, m, &err) == 0);
	answer_with_organization(rig, frame->id, m->version + 1);
	free(m);
}

static void list_organizations(struct rig *rig, uint64_t id)
{
	struct message_organizations *all = calloc(1, sizeof(*all));
	auto_buf payload = BUF_INIT;
	all->count = 2;
	all->rows[0] = (struct message_organization_row){ bytes_of("org-1"), bytes_of("Example GmbH"), bytes_of("DE"),
							  bytes_of("vetted"), 1824387202 };
	all->rows[1] = (struct message_organization_row){ bytes_of("org-2"), bytes_of("Other SA"), bytes_of("FR"),
							  bytes_of("unvetted"), 0 };
	message_organizations_write(all, &payload);
	rig_answer(rig, MSG_ORGANIZATIONS, id, &payload);
	free(all);
}

/* ---- by type ---- */

static void answer_bytes(struct rig *rig, uint64_t id, const char *text)
{
	auto_buf payload = BUF_INIT;
	const struct message_name m = { bytes_of(text) };
	message_name_write(&m, &payload);
	rig_answer(rig, MSG_BYTES, id, &payload);
}

/* The id of a question that is nothing but one. */
static struct bytes asked_id(const struct frame *frame)
{
	struct message_order_get m = { 0, BYTES_NONE };
	struct error err = ERR_INIT;
	CHECK(message_order_get_read(frame->payload, &m, &err) == 0);
	return m.id;
}

static void answer_get(struct rig *rig, const struct frame *frame)
{
	struct bytes id = asked_id(frame);
	if (!bytes_are(id, "ord-1") && !bytes_are(id, "ord-2") && !bytes_are(id, "org-1"))
		rig_refuse(rig, frame->id, ERR_NOT_FOUND, "there is nothing of this id");
	else if (frame->type == MSG_ORDER_TBS)
		answer_bytes(rig, frame->id, "0tbs");
	else if (frame->type == MSG_ORGANIZATION_RECORD)
		answer_bytes(rig, frame->id, "legalName: Example GmbH\n");
	else if (frame->type == MSG_EXPLAIN)
		answer_bytes(rig, frame->id, "{\"why\":\"granted\"}\n");
	else if (frame->type == MSG_ORGANIZATION_GET)
		answer_with_organization(rig, frame->id, 3);
	else if (bytes_are(id, "ord-2"))
		answer_over(rig, frame->id);
	else
		rig_answer_with_order(rig, frame->id, false);
}

bool rig_answer_about_orders(struct rig *rig, const struct frame *frame)
{
	switch (frame->type) {
	case MSG_ORDER_CREATE:
	case MSG_ORDER_CHANGE:
	case MSG_ORDER_ACT:
	case MSG_ORDER_DECIDE:
		rig_answer_with_order(rig, frame->id, false);
		return true;
	case MSG_ORDER_LIST:
		list_orders(rig, frame->id);
		return true;
	case MSG_ORGANIZATION_LIST:
		CHECK_INT(asked_id(frame).len, 0);
		list_organizations(rig, frame->id);
		return true;
	case MSG_ORGANIZATION_ADD:
		add_organization(rig, frame);
		return true;
	case MSG_ORGANIZATION_DECIDE:
		answer_with_organization(rig, frame->id, 3);
		return true;
	case MSG_ORDER_GET:
	case MSG_ORDER_TBS:
	case MSG_ORGANIZATION_GET:
	case MSG_ORGANIZATION_RECORD:
	case MSG_EXPLAIN:
		answer_get(rig, frame);
		return true;
	default:
		return false;
	}
}
