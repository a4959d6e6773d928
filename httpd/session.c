#include "httpd/session.h"

#include <stdio.h>
#include <strings.h>

#include "base/ossl.h"
#include "httpd/server.h"
#include "httpd/trust.h"

#define TOKEN_MAX 256

char *session_roles_text(uint8_t roles, char out[SESSION_ROLES_TEXT])
{
	static const char *const names[] = { "requester", "officer", "auditor", "admin" };
	size_t used = 0;
	out[0] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (roles & (1U << i))
			used += (size_t)snprintf(out + used, SESSION_ROLES_TEXT - used, "%s%s", used ? ", " : "",
						 names[i]);
	return out;
}

/* ---- what the client showed ---- */

/* The token of "Authorization: Bearer TOKEN". Source: RFC 6750 section 2.1. */
static int bearer_token(const char *header, struct bytes *token, struct error *err)
{
	if (strncasecmp(header, "Bearer ", 7) == 0) {
		header += 7;
		header += strspn(header, " ");
		size_t len = strlen(header);
		size_t good = strspn(header, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=");
		*token = BYTES(header, len);
		if (len > 0 && len <= TOKEN_MAX && good == len)
			return 0;
	}
	(void)err_set(err, ERR_IDENTITY_REQUIRED, "the Authorization header does not carry an API token");
	return err_about(err, "Authorization", NULL, "Bearer TOKEN");
}

/* The proof for the signer: a certificate (kept in *leaf) or a token, borrowed. */
static int find_proof(struct request *r, const char *authorization, struct buf *leaf, struct message_session_open *open,
		      struct error *err)
{
	if (authorization) {
		open->proof_type = MESSAGE_PROOF_TOKEN;
		return bearer_token(authorization, &open->proof, err);
	}
	open->proof_type = MESSAGE_PROOF_CERTIFICATE;
	if (trust_check_peer(r->front->trust, r->connection->tls, leaf, err) != 0)
		return -1;
	open->proof = buf_bytes(leaf);
	return 0;
}

/* ---- opening ---- */

static void opened(struct request *r)
{
	request_step *then = r->after_session;
	struct message_session said;
	struct error err = ERR_INIT;
	if (request_answered(r, MSG_SESSION, &err) != 0 ||
	    message_session_read(buf_bytes(&r->answer.payload), &said, &err) != 0) {
		request_refuse(r, &err);
		return;
	}
	r->session.number = said.session;
	r->session.roles = said.roles;
	r->session.expires_s = said.expires_s;
	(void)snprintf(r->session.identity, sizeof(r->session.identity), "%.*s", (int)said.identity.len,
		       (const char *)said.identity.data);
	connection_keep(r->connection, r->proof, &r->session);
	then(r);
}

static void open_session(struct request *r, const char *authorization, request_step *then)
{
	auto_buf leaf = BUF_INIT, payload = BUF_INIT;
	struct message_session_open open = { .peer = bytes_of(r->connection->peer) };
	struct error err = ERR_INIT;
	if (find_proof(r, authorization, &leaf, &open, &err) != 0) {
		request_refuse(r, &err);
		return;
	}
	message_session_open_write(&open, &payload);
	r->after_session = then;
	request_ask(r, MSG_SESSION_OPEN, &payload, opened);
}

static void tell_closed(struct front *front, uint64_t number)
{
	if (number == 0)
		return;
	struct message_session_close close = { number };
	auto_buf payload = BUF_INIT;
	message_session_close_write(&close, &payload);
	link_tell(front->link, MSG_SESSION_CLOSE, buf_bytes(&payload));
}

void session_with(struct request *r, request_step *then)
{
	const char *authorization = request_header(r, MHD_HTTP_HEADER_AUTHORIZATION);
	r->proof = authorization ? SESSION_BY_TOKEN : SESSION_BY_CERTIFICATE;
	uint8_t hash[32] = { 0 };
	if (authorization)
		sha256(authorization, strlen(authorization), hash);
	r->session = connection_session(r->connection, r->proof);
	if (r->session.number != 0 && memcmp(r->session.token_hash, hash, sizeof(hash)) == 0 &&
	    r->session.expires_s > clock_now_ms(&r->front->clock) / 1000) {
		then(r);
		return;
	}
	tell_closed(r->front, r->session.number);
	r->session = (struct session){ .number = 0 };
	memcpy(r->session.token_hash, hash, sizeof(hash));
	open_session(r, authorization, then);
}

bool session_was_unknown(struct request *r)
{
	if (r->repeated || r->session.number == 0 || r->answer.type != MSG_ERROR)
		return false;
	struct error said = ERR_INIT, err = ERR_INIT;
	if (message_error_read(buf_bytes(&r->answer.payload), &said, &err) != 0 || said.code != ERR_CONFLICT)
		return false;
	r->repeated = true;
	connection_forget(r->connection, r->proof);
	return true;
}

void session_close_all(struct front *front, struct connection *connection)
{
	for (int proof = 0; proof < SESSION_PROOFS; proof++)
		tell_closed(front, connection_session(connection, proof).number);
}
