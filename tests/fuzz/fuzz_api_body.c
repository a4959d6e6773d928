/* JSON bodies about orders and organizations: read within their limits or refused with a reason, and the message that
 * tells the signer what was accepted reads back as one that says the same in every field. The first octet chooses. */
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

/* Writing is a function of every field: where the message that was read is written as the same octets, none was lost. */
#define REQUIRE_TOLD(kind, m)                                                                          \
	do {                                                                                           \
		auto_buf told_ = BUF_INIT, again_ = BUF_INIT;                                          \
		auto_free struct message_##kind *read_ = room_for(sizeof(*read_));                     \
		struct error err_ = ERR_INIT;                                                          \
		message_##kind##_write((m), &told_);                                                   \
		require(!told_.failed && message_##kind##_read(buf_bytes(&told_), read_, &err_) == 0); \
		message_##kind##_write(read_, &again_);                                                \
		require(bytes_equal(buf_bytes(&told_), buf_bytes(&again_)));                           \
	} while (0)

static void try_order(struct bytes text, bool change)
{
	CLEANUP(orders_body_free) struct orders_body body;
	struct error err = ERR_INIT;
	if (orders_body_read(text, change, &body, &err) != 0) {
		require_refused(&err);
		return;
	}
	auto_free struct message_order_create *m = room_for(sizeof(*m));
	m->profile = body.profile;
	m->organization = body.organization;
	m->days = body.days;
	m->draft = body.draft;
	m->contact_count = body.contact_count;
	memcpy(m->contacts, body.contacts, sizeof(body.contacts));
	REQUIRE_TOLD(order_create, m);
	require(body.days <= ORDERS_DAYS_MAX);
	require(change || (body.csr.len > 0 && body.profile.len > 0));
}

static void try_confirmation(struct bytes text)
{
	struct message_order_act act = { .id = bytes_of("x") };
	struct error err = ERR_INIT;
	auto_json *json = NULL;
	if (orders_confirm_read(text, &act, &json, &err) != 0) {
		require_refused(&err);
		return;
	}
	REQUIRE_TOLD(order_act, &act);
	require(act.name.len > 0 && act.code.len > 0);
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
	REQUIRE_TOLD(decide, &m);
	require(m.statement.len > 0 && m.certificate.len > 0 && m.signature.len > 0);
}

static void try_organization(struct bytes text)
{
	auto_free struct message_organization *m = room_for(sizeof(*m));
	struct error err = ERR_INIT;
	auto_json *json = NULL;
	if (organizations_body_read(text, m, &json, &err) != 0) {
		require_refused(&err);
		return;
	}
	REQUIRE_TOLD(organization, m);
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
		try_decision(text, (enum ca_decision)(DECISION_APPROVE + data[0] / 5 % 4));
		break;
	default:
		try_organization(text);
		break;
	}
	return 0;
}
