/* Every message of the channel: the first octet picks which, the rest is its payload. What a
 * reader accepts must be exactly what the writer writes. */
#include <stdlib.h>

#include "ca-core/message_order.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TRY(name)                                                        \
	static void try_##name(struct bytes in)                          \
	{                                                                \
		struct error err = ERR_INIT;                             \
		auto_buf out = BUF_INIT;                                 \
		auto_free struct message_##name *m = malloc(sizeof(*m)); \
		if (!m || message_##name##_read(in, m, &err))            \
			return;                                          \
		message_##name##_write(m, &out);                         \
		if (out.failed || !bytes_equal(buf_bytes(&out), in))     \
			abort();                                         \
	}
TRY(session_open)
TRY(session)
TRY(session_close)
TRY(issue)
TRY(issued)
TRY(certificate_get)
TRY(certificate)
TRY(certificate_list)
TRY(certificates)
TRY(status_change)
TRY(status_changed)
TRY(audit_list)
TRY(audit_entries)
TRY(crl_now)
TRY(crl_made)
TRY(health)
TRY(front_certificate)
TRY(identity_add)
TRY(identities)
TRY(apitoken)
TRY(apitokens)
TRY(name)
TRY(block)
TRY(order_create)
TRY(order_act)
TRY(decide)
TRY(order_get)
TRY(order)
TRY(order_list)
TRY(orders)
TRY(organization)
TRY(organizations)
TRY(validate)
TRY(validated)
TRY(deliver)
TRY(delivered)
TRY(token_pin)
TRY(import)
TRY(imported)

static void try_error(struct bytes in)
{
	struct error peer, err = ERR_INIT;
	auto_buf out = BUF_INIT;
	if (message_error_read(in, &peer, &err))
		return;
	message_error_write(&peer, &out);
	if (out.failed || !bytes_equal(buf_bytes(&out), in))
		abort();
}

static void (*const tries[])(struct bytes in) = {
	try_session_open,
	try_session,
	try_session_close,
	try_issue,
	try_issued,
	try_certificate_get,
	try_certificate,
	try_certificate_list,
	try_certificates,
	try_status_change,
	try_status_changed,
	try_audit_list,
	try_audit_entries,
	try_crl_now,
	try_crl_made,
	try_health,
	try_front_certificate,
	try_identity_add,
	try_identities,
	try_apitoken,
	try_apitokens,
	try_name,
	try_block,
	try_error,
	try_order_create,
	try_order_act,
	try_decide,
	try_order_get,
	try_order,
	try_order_list,
	try_orders,
	try_organization,
	try_organizations,
	try_validate,
	try_validated,
	try_deliver,
	try_delivered,
	try_token_pin,
	try_import,
	try_imported,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 0)
		tries[data[0] % (sizeof(tries) / sizeof(tries[0]))](BYTES(data + 1, size - 1));
	return 0;
}
