/* Orders as JSON. Source: CONTRACT.md "HTTP". */
#include "httpd/orders.h"

#include <stdlib.h>

static void set(json_t *object, const char *member, json_t *value)
{
	(void)json_object_set_new(object, member, value);
}

static void set_text(json_t *object, const char *member, struct bytes text)
{
	if (text.len > 0)
		set(object, member, json_text(text));
}

/* ---- authorizations ---- */

/* The addresses of a list with commas. */
static json_t *addresses_json(struct bytes list)
{
	json_t *addresses = json_array();
	while (list.len > 0) {
		const uint8_t *comma = memchr(list.data, ',', list.len);
		struct bytes one = BYTES(list.data, comma ? (size_t)(comma - list.data) : list.len);
		size_t used = one.len + (comma ? 1 : 0);
		list = BYTES(list.data + used, list.len - used);
		while (one.len > 0 && one.data[0] == ' ')
			one = BYTES(one.data + 1, one.len - 1);
		if (one.len > 0)
			(void)json_array_append_new(addresses, json_text(one));
	}
	return addresses;
}

/* What each method calls the place, and what has to be there. */
static const struct {
	const char *type, *where, *what;
} method_members[] = {
	{ "dns-txt", "name", "value" },
	{ "dns-cname", "name", "target" },
	{ "http", "url", "body" },
};

static json_t *method_json(const struct message_method *m)
{
	json_t *method = json_object();
	set(method, "type", json_text(m->type));
	for (size_t i = 0; i < sizeof(method_members) / sizeof(method_members[0]); i++)
		if (bytes_are(m->type, method_members[i].type)) {
			set_text(method, method_members[i].where, m->where);
			set_text(method, method_members[i].what, m->what);
		}
	if (bytes_are(m->type, "mail"))
		set(method, "to", addresses_json(m->where));
	return method;
}

static json_t *authorization_json(const struct message_authorization *a)
{
	json_t *methods = json_array();
	for (uint32_t i = 0; i < a->method_count; i++)
		(void)json_array_append_new(methods, method_json(&a->methods[i]));
	json_t *authorization = json_object();
	set(authorization, "name", json_text(a->name));
	set(authorization, "status", json_text(a->status));
	json_set_time(authorization, "expires", a->expires_s);
	set(authorization, "methods", methods);
	json_set_time(authorization, "lastChecked", a->checked_s);
	if (a->error_code.len > 0)
		set(authorization, "lastError",
		    json_pack("{s:o, s:o}", "code", json_text(a->error_code), "detail", json_text(a->error)));
	return authorization;
}

/* ---- an order ---- */

static json_t *contacts_json(const struct message_order *o)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < o->contact_count; i++)
		(void)json_array_append_new(list, json_pack("{s:o, s:o}", "role", json_text(o->contacts[i].role),
							    "mail", json_text(o->contacts[i].mail)));
	return list;
}

static json_t *authorizations_json(const struct message_order *o)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < o->authorization_count; i++)
		(void)json_array_append_new(list, authorization_json(&o->authorizations[i]));
	return list;
}

static json_t *approvals_json(const struct message_order *o)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < o->approval_count; i++) {
		const struct message_approval *a = &o->approvals[i];
		(void)json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:o}", "officer", json_text(a->officer),
							    "decision", json_text(a->decision), "reason",
							    json_text(a->reason), "time", json_time(a->time_s)));
	}
	return list;
}

/* What was asked for. */
static void set_request(json_t *order, const struct message_order *o)
{
	set(order, "id", json_text(o->id));
	set(order, "status", json_text(o->status));
	set(order, "profile", json_text(o->profile));
	set(order, "names", json_texts(o->names, o->name_count));
	set(order, "requester", json_text(o->requester));
	set_text(order, "organization", o->organization);
	if (o->days != 0)
		set(order, "days", json_integer(o->days));
	set_text(order, "subject", o->subject);
	set_text(order, "askedSubject", o->asked_subject);
	set(order, "spkiSha256", json_hex(BYTES(o->spki_hash, sizeof(o->spki_hash))));
	set(order, "contacts", contacts_json(o));
	set(order, "notCopied", json_texts(o->not_copied, o->not_copied_count));
	set(order, "nonce", json_hex(BYTES(o->nonce, sizeof(o->nonce))));
	json_set_time(order, "created", o->created_s);
	json_set_time(order, "expires", o->expires_s);
}

json_t *orders_json(const struct message_order *o)
{
	json_t *order = json_object();
	set_request(order, o);
	set(order, "waitsFor", json_text(o->waits_for));
	set(order, "authorizations", authorizations_json(o));
	set(order, "approvalsNeeded", json_integer(o->approvals_needed));
	set(order, "approvals", approvals_json(o));
	if (o->has_tbs)
		set(order, "tbsHash", json_hex(BYTES(o->tbs_hash, sizeof(o->tbs_hash))));
	json_set_time(order, "approveBefore", o->approve_before_s);
	set_text(order, "issuer", o->issuer);
	if (o->certificate.len > 0)
		set(order, "certificate", json_hex(o->certificate));
	if (o->failure_code.len > 0)
		set(order, "failure",
		    json_pack("{s:o, s:o}", "code", json_text(o->failure_code), "detail", json_text(o->failure)));
	return order;
}

/* ---- the list ---- */

static json_t *row_json(const struct message_order_row *row)
{
	json_t *order = json_pack("{s:o, s:o, s:o, s:o}", "id", json_text(row->id), "status", json_text(row->status),
				  "profile", json_text(row->profile), "requester", json_text(row->requester));
	set(order, "name", json_text(row->first_name));
	set(order, "nameCount", json_integer(row->name_count));
	json_set_time(order, "created", row->created_s);
	json_set_time(order, "expires", row->expires_s);
	set(order, "waitsFor", json_text(row->waits_for));
	return order;
}

json_t *orders_list_json(const struct message_orders *page)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < page->count; i++)
		(void)json_array_append_new(list, row_json(&page->rows[i]));
	json_t *answer = json_pack("{s:o}", "orders", list);
	if (page->next.len > 0)
		set(answer, "next", json_hex(page->next));
	return answer;
}

/* ---- answers ---- */

struct message_order *orders_answer(const struct request *r, struct error *err)
{
	/* Room for a thousand names; what is not there is never touched. */
	auto_free struct message_order *o = malloc(sizeof(*o));
	if (!o)
		(void)err_set(err, ERR_BUSY, "no memory for an order");
	else if (message_order_read(buf_bytes(&r->answer.payload), o, err) == 0)
		return TAKE(o);
	return NULL;
}

void orders_reply(struct request *r, unsigned status)
{
	struct error err = ERR_INIT;
	auto_free struct message_order *o = request_answered(r, MSG_ORDER, &err) == 0 ? orders_answer(r, &err) : NULL;
	if (!o) {
		request_refuse(r, &err);
		return;
	}
	auto_buf content = BUF_INIT, location = BUF_INIT;
	json_write(orders_json(o), &content);
	buf_add_text(&location, "/api/v1/orders/");
	buf_add_bytes(&location, o->id);
	request_reply(r, status, "application/json", &content);
	if (status != MHD_HTTP_OK)
		request_reply_header(r, MHD_HTTP_HEADER_LOCATION, buf_text(&location));
}
