/*
 * httpd/session.h - who is asking: what the client showed, presented to the signer, which finds
 * the identity itself and judges each request anew. The front keeps only the session's number,
 * per connection.
 *
 * An Authorization header decides where there is one; else the TLS client certificate.
 *
 * Thread-safety: as httpd/request.h.
 */
#ifndef CHANCERY_HTTPD_SESSION_H
#define CHANCERY_HTTPD_SESSION_H

#include "httpd/request.h"

/* Runs then(r) with r->session open, or refuses r (ERR_IDENTITY_REQUIRED, or what the signer says). */
void session_with(struct request *r, request_step *then);

/* True once, where the signer's answer in r says that it does not know the session (it was started
 * again): the session is forgotten, and the request may be begun anew. */
bool session_was_unknown(struct request *r);

/* The connection ends: tells the signer which sessions do. */
void session_close_all(struct front *front, struct connection *connection);

/* The roles as text: "requester, officer". Returns out. */
#define SESSION_ROLES_TEXT 64
char *session_roles_text(uint8_t roles, char out[SESSION_ROLES_TEXT]);

/* The bits of message_session.roles. Source: CONTRACT.md, PKI.md section 5. */
enum { SESSION_REQUESTER = 1, SESSION_OFFICER = 2, SESSION_AUDITOR = 4, SESSION_ADMIN = 8 };

#endif
