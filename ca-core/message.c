#include "ca-core/message.h"

#include "ca-core/message_codec.h"

const char *message_type_name(uint16_t type)
{
	static const struct {
		uint16_t type;
		const char *name;
	} names[] = {
		{ MSG_ERROR, "error" },
		{ MSG_DONE, "done" },
		{ MSG_SESSION_OPEN, "session-open" },
		{ MSG_SESSION, "session" },
		{ MSG_SESSION_CLOSE, "session-close" },
		{ MSG_ISSUE, "issue" },
		{ MSG_ISSUED, "issued" },
		{ MSG_CERTIFICATE_GET, "certificate-get" },
		{ MSG_CERTIFICATE, "certificate" },
		{ MSG_CERTIFICATE_LIST, "certificate-list" },
		{ MSG_CERTIFICATES, "certificates" },
		{ MSG_STATUS_CHANGE, "status-change" },
		{ MSG_STATUS_CHANGED, "status-changed" },
		{ MSG_AUDIT_LIST, "audit-list" },
		{ MSG_AUDIT_ENTRIES, "audit-entries" },
		{ MSG_CRL_NOW, "crl-now" },
		{ MSG_CRL_MADE, "crl-made" },
		{ MSG_HEALTH_GET, "health-get" },
		{ MSG_HEALTH, "health" },
		{ MSG_FRONT_CERTIFICATE, "front-certificate" },
		{ MSG_ORDER_CREATE, "order-create" },
		{ MSG_ORDER_CHANGE, "order-change" },
		{ MSG_ORDER_ACT, "order-act" },
		{ MSG_ORDER_DECIDE, "order-decide" },
		{ MSG_ORDER_GET, "order-get" },
		{ MSG_ORDER, "order" },
		{ MSG_ORDER_TBS, "order-tbs" },
		{ MSG_BYTES, "bytes" },
		{ MSG_ORDER_LIST, "order-list" },
		{ MSG_ORDERS, "orders" },
		{ MSG_ORGANIZATION_ADD, "organization-add" },
		{ MSG_ORGANIZATION_DECIDE, "organization-decide" },
		{ MSG_ORGANIZATION_GET, "organization-get" },
		{ MSG_ORGANIZATION, "organization" },
		{ MSG_ORGANIZATION_RECORD, "organization-record" },
		{ MSG_ORGANIZATION_LIST, "organization-list" },
		{ MSG_ORGANIZATIONS, "organizations" },
		{ MSG_EXPLAIN, "explain" },
		{ MSG_SESSIONS_DROP, "sessions-drop" },
		{ MSG_IDENTITY_ADD, "identity-add" },
		{ MSG_IDENTITY_RENEW, "identity-renew" },
		{ MSG_IDENTITY_REMOVE, "identity-remove" },
		{ MSG_IDENTITY_RECOVER, "identity-recover" },
		{ MSG_IDENTITY_LIST, "identity-list" },
		{ MSG_IDENTITIES, "identities" },
		{ MSG_APITOKEN_ADD, "apitoken-add" },
		{ MSG_APITOKEN_LIST, "apitoken-list" },
		{ MSG_APITOKENS, "apitokens" },
		{ MSG_APITOKEN_REMOVE, "apitoken-remove" },
		{ MSG_STORE_BACKUP, "store-backup" },
		{ MSG_CRL_IMPORT, "crl-import" },
		{ MSG_KEY_BLOCK, "key-block" },
		{ MSG_TOKEN_PIN, "token-pin" },
		{ MSG_RESTORE_CONFIRM, "restore-confirm" },
		{ MSG_IMPORT, "import" },
		{ MSG_IMPORTED, "imported" },
		{ MSG_VALIDATE, "validate" },
		{ MSG_VALIDATED, "validated" },
		{ MSG_DELIVER, "deliver" },
		{ MSG_DELIVERED, "delivered" },
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].type == type)
			return names[i].name;
	return "unknown";
}

/* ---- struct error, without its causes: those are for the sender's own log ---- */

void message_error_write(const struct error *err, struct buf *out)
{
	/* How far a token came is our affair: who asked can only try again. */
	enum err_code code = err->code == ERR_SIGNATURE_UNCERTAIN ? ERR_TOKEN_UNAVAILABLE : err->code;
	buf_u16(out, (uint16_t)code);
	buf_field_text(out, err->message);
	buf_field_text(out, err->member);
	buf_field_text(out, err->value);
	buf_field_text(out, err->allowed);
}

int message_error_read(struct bytes in, struct error *peer, struct error *err)
{
	struct reader r = reader_of(in);
	*peer = ERR_INIT;
	uint16_t code = reader_u16(&r);
	reader_field_text(&r, peer->message, sizeof(peer->message));
	reader_field_text(&r, peer->member, sizeof(peer->member));
	reader_field_text(&r, peer->value, sizeof(peer->value));
	reader_field_text(&r, peer->allowed, sizeof(peer->allowed));
	if (code == ERR_NONE || code == ERR_SIGNATURE_UNCERTAIN || code >= ERR_CODE_COUNT)
		r.failed = true;
	else
		peer->code = (enum err_code)code;
	return codec_done(&r, "error", err);
}

/* ---- sessions ---- */

#define PROOF_MAX ((size_t)65536)

void message_session_open_write(const struct message_session_open *m, struct buf *out)
{
	buf_u8(out, m->proof_type);
	codec_field(out, m->proof, PROOF_MAX);
	codec_field(out, m->peer, CODEC_NAME_MAX);
}

int message_session_open_read(struct bytes in, struct message_session_open *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->proof_type = reader_u8(&r);
	m->proof = reader_field(&r, PROOF_MAX);
	m->peer = reader_field(&r, CODEC_NAME_MAX);
	if (m->proof_type != MESSAGE_PROOF_CERTIFICATE && m->proof_type != MESSAGE_PROOF_TOKEN)
		r.failed = true;
	return codec_done(&r, "session-open", err);
}

void message_session_write(const struct message_session *m, struct buf *out)
{
	buf_u64(out, m->session);
	codec_field(out, m->identity, CODEC_NAME_MAX);
	buf_u8(out, m->roles);
	codec_time(out, m->expires_s);
}

int message_session_read(struct bytes in, struct message_session *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->session = reader_u64(&r);
	m->identity = reader_field(&r, CODEC_NAME_MAX);
	m->roles = reader_u8(&r);
	m->expires_s = codec_read_time(&r);
	if (m->session == 0)
		r.failed = true;
	return codec_done(&r, "session", err);
}

void message_session_close_write(const struct message_session_close *m, struct buf *out)
{
	buf_u64(out, m->session);
}

int message_session_close_read(struct bytes in, struct message_session_close *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->session = reader_u64(&r);
	return codec_done(&r, "session-close", err);
}

/* ---- a name, or one run of bytes ---- */

void message_name_write(const struct message_name *m, struct buf *out)
{
	codec_field(out, m->name, CODEC_CERTIFICATE_MAX);
}

int message_name_read(struct bytes in, struct message_name *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->name = reader_field(&r, CODEC_CERTIFICATE_MAX);
	return codec_done(&r, "name", err);
}
