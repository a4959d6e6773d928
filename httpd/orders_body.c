/* Bodies about orders: JSON in, checked for its shape; what it means is the signer's to judge. */
#include "ca-core/name.h"
#include "ca-core/statement.h"
#include "httpd/json_read.h"
#include "httpd/orders.h"

#define PROFILE_MAX 64
#define CODE_MAX 64

/* ---- contacts ---- */

static int take_contact(json_t *item, const char *place, size_t number, void *arg, struct error *err)
{
	struct message_contact *contact = (struct message_contact *)arg + number;
	auto_buf within = BUF_INIT;
	buf_printf(&within, "%s.", place);
	struct json_reader in = json_reader_of(item, buf_text(&within), err);
	contact->role = json_read_text(&in, "role", 1, 64);
	contact->mail = json_read_text(&in, "mail", 1, 254);
	struct ca_name address;
	struct error why = ERR_INIT;
	if (!in.failed && !bytes_are(contact->role, "administrative") && !bytes_are(contact->role, "technical"))
		json_read_refuse(&in, "role", "is none that a contact can have", "administrative, technical");
	if (!in.failed && ca_name_email(contact->mail, &address, &why) != 0)
		json_read_refuse(&in, "mail", "is no mail address", "local-part@domain");
	return json_read_done(&in);
}

/* ---- POST and PATCH ---- */

/* null takes away what a draft has; to a new order it is no text and no number. */
static bool is_taken_away(struct json_reader *in, const char *name, bool change)
{
	return change && json_read_null(in, name);
}

static void read_organization(struct json_reader *in, bool change, struct orders_body *body)
{
	body->sets_organization = json_read_has(in, "organization");
	if (!body->sets_organization || is_taken_away(in, "organization", change))
		return;
	body->organization = json_read_text(in, "organization", 1, CA_STATEMENT_ID_MAX);
	if (!in->failed && !ca_statement_is_id(body->organization))
		json_read_refuse(in, "organization", "is no id", "letters, digits, dots, hyphens, underscores");
}

static void read_members(struct json_reader *in, bool change, struct orders_body *body)
{
	if (!change || json_read_has(in, "csr"))
		body->csr = json_read_lines(in, "csr", 1, JSON_BODY_MAX);
	if (!change || json_read_has(in, "profile"))
		body->profile = json_read_text(in, "profile", 1, PROFILE_MAX);
	body->sets_days = json_read_has(in, "days");
	if (!is_taken_away(in, "days", change))
		body->days = (uint32_t)json_read_number(in, "days", ORDERS_DAYS_MAX);
	read_organization(in, change, body);
	body->sets_contacts = json_read_has(in, "contacts");
	body->contact_count =
		(uint32_t)json_read_list(in, "contacts", MESSAGE_CONTACTS_MAX, take_contact, body->contacts);
	if (!change)
		body->draft = json_read_bool(in, "draft");
}

int orders_body_read(struct bytes text, bool change, struct orders_body *body, struct error *err)
{
	*body = (struct orders_body){ .json = json_parse(text, err) };
	if (!body->json)
		return -1;
	struct json_reader in = json_reader_of(body->json, "", err);
	read_members(&in, change, body);
	return json_read_done(&in);
}

void orders_body_free(struct orders_body *body)
{
	json_decref(body->json);
	body->json = NULL;
}

/* ---- confirm ---- */

int orders_confirm_read(struct bytes text, struct message_order_act *act, json_t **json, struct error *err)
{
	*json = json_parse(text, err);
	if (!*json)
		return -1;
	struct json_reader in = json_reader_of(*json, "", err);
	act->action = ORDER_ACT_CONFIRM;
	act->name = json_read_text(&in, "name", 1, MESSAGE_TEXT_MAX);
	act->code = json_read_lines(&in, "code", 1, CODE_MAX);
	return json_read_done(&in);
}
