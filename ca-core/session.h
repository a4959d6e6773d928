/*
 * ca-core/session.h - who stands behind a request on the front's channel.
 *
 * The front opens a session by presenting what the requester showed: the leaf certificate, whose
 * possession TLS has proved to the front, or an API token. The signer finds the identity itself,
 * by SHA-256 of the one or the other; names inside a certificate are never read for that. Each
 * later request names the session, and is looked up anew in the store: an identity that was
 * removed, a certificate that was revoked or has ended is refused at the very next request, also on a
 * connection that is kept alive.
 *
 * At most CA_SESSIONS_MAX; past them the oldest ends (its front opens a new one). Sessions do not
 * survive the signer: an unknown one gets ERR_CONFLICT, upon which the front opens it anew, once.
 *
 * Thread-safety: every function may be called from any thread.
 */
#ifndef CHANCERY_CA_SESSION_H
#define CHANCERY_CA_SESSION_H

#include "ca-core/ca_private.h"

#define CA_SESSIONS_MAX 65536

struct ca_sessions;
struct ca_sessions *ca_sessions_new(struct ca *ca, struct error *err);
void ca_sessions_free(struct ca_sessions *s);

/* Finds the identity and opens a session. name (64 characters and NUL) keeps the text that out->identity borrows.
 * ERR_IDENTITY_REQUIRED: not enrolled, ended or not begun, unknown or ended token.
 * ERR_IDENTITY_REVOKED: removed identity or token, revoked or held certificate. */
int ca_session_open(struct ca_sessions *s, const struct message_session_open *request, struct message_session *out,
		    char name[RECORD_NAME_MAX + 1], struct error *err);

/* Who asks, as it is now. ERR_CONFLICT for a session that is not open; else as ca_session_open. */
int ca_session_actor(struct ca_sessions *s, uint64_t session, struct ca_actor *actor, struct error *err);

void ca_session_close(struct ca_sessions *s, uint64_t session);

#endif
