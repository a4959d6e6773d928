/* JSON bodies about orders and organizations: read within their limits or refused with the member named, and what
 * was accepted can be told to the signer and reads back as the same. The first octet chooses. */
#include <stdlib.h>

#include "httpd/decisions.h"
#include "httpd/orders.h"
#include "httpd/organizations.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void *room_for(size_t size)
{
	void *room = calloc(1, size);
	require(room != NULL);
	return room;
}

static void require_refused(const struct error *err)
{
	require(err->code == ERR_BAD_REQUEST || err->code == ERR_APPROVAL_MISMATCH);
	require(err->message[0] != '\0');
}

static void try_order(struct bytes text, bool change)
{
	CLEANUP(orders_body_free) struct orders_body body;
	struct error err = ERR_INIT;
	if (orders_body_read(text, change, &body, &err) != 0) {
		require_refused(&err);
		return;
	}
	auto_free struct message_order_create *m = room_for(sizeof(*m)), *again = room_for(sizeof(*again));
	auto_buf payload = BUF_INIT;
	m->profile = body.profile;
	m->organization = body.organization;
	m->days = body.days;
	m->draft = body.draft;
	m->contact_count = body.contact_count;
	memcpy(m->contacts, body.contacts, sizeof(body.contacts));
	message_order_create_write(m, &payload);
	require(!payload.failed && message_order_create_read(buf_bytes(&payload), again, &err) == 0);
	require(bytes_equal(again->organization, body.organization) && again->days <= ORDERS_DAYS_MAX);
	require(change || (body.csr.len > 0 && body.profile.len > 0));
}

static void try_confirmation(struct bytes text)
{
	struct message_order_act act = { .id = bytes_of("x") };
	struct error err = ERR_INIT;
	auto_json *json = NULL;
	auto_buf payload = BUF_INIT;
	if (orders_confirm_read(text, &act, &json, &err) != 0) {
		require_refused(&err);
		return;
	}
	message_order_act_write(&act, &payload);
	require(!payload.failed && act.name.len > 0 && act.code.len > 0);
}

static void try_decision(struct bytes text, enum ca_decision decision)
{
	CLEANUP(decisions_body_free) struct decisions_body body;
	struct error err = ERR_INIT;
	if (decisions_body_read(text, decision, &body, &err) != 0) {
		require_refused(&err);
		return;
	}
	const struct message_decide m = { .id = bytes_of("x"),
					  .statement = body.statement,
					  .certificate = buf_bytes(&body.certificate),
					  .signature = buf_bytes(&body.signature) };
	auto_buf payload = BUF_INIT;
	message_decide_write(&m, &payload);
	require(!payload.failed && m.statement.len > 0 && m.certificate.len > 0 && m.signature.len > 0);
}

static void try_organization(struct bytes text)
{
	auto_free struct message_organization *m = room_for(sizeof(*m)), *again = room_for(sizeof(*again));
	struct error err = ERR_INIT;
	auto_json *json = NULL;
	auto_buf payload = BUF_INIT;
	if (organizations_body_read(text, m, &json, &err) != 0) {
		require_refused(&err);
		return;
	}
	message_organization_write(m, &payload);
	require(!payload.failed && message_organization_read(buf_bytes(&payload), again, &err) == 0);
	require(bytes_equal(again->legal_name, m->legal_name) && again->agent_count == m->agent_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	struct bytes text = BYTES(data + 1, size - 1);
	switch (data[0] % 5) {
	case 0:
		try_order(text, false);
		break;
	case 1:
		try_order(text, true);
		break;
	case 2:
		try_confirmation(text);
		break;
	case 3:
		try_decision(text, DECISION_APPROVE);
		break;
	default:
		try_organization(text);
		break;
	}
	return 0;
}
