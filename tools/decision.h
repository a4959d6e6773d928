/*
 * tools/decision.h - what an officer decides: put into a statement, signed with his own key, and sent.
 *
 * The caller has fetched and shown the very bytes that the decision is about; their SHA-256 is
 * computed here, so that nobody's word is taken for it.
 *
 * Thread-safety: one thread at a time. Source: PKI.md section 5; ca-core/statement.h.
 */
#ifndef CHANCERY_TOOLS_DECISION_H
#define CHANCERY_TOOLS_DECISION_H

#include "ca-core/statement.h"
#include "tools/client.h"

struct decision {
	enum ca_decision decision;
	const char *id;     /* of the order, or the organization */
	struct bytes about; /* the tbs, or the organization's record */
	const char *reason; /* 1 to 500 octets, one line */
	int64_t time_s;
};

/* SHA-256 of the first root certificate (its DER) in a PEM file: the CA that statements are for is known by its first
 * root, also when others have come. ERR_NOT_FOUND; ERR_USAGE where the file holds none. */
int decision_ca(const char *path, uint8_t out[32], struct error *err);

/* The statement, and its signature; both appended. It is verified before it is given out. ERR_BAD_REQUEST naming the
 * member that no statement can say, and what credential_sign gives. */
int decision_sign(struct credential *by, const uint8_t ca[32], const struct decision *d, struct buf *statement,
		  struct buf *signature, struct error *err);

/* The options of a command that decides about its one operand: fills id and reason (which may be there already, for
 * who gives none), and *yes where nothing is to be asked. why: that a reason is needed. As options_read. */
bool decision_options(struct invocation *in, const char *why, struct decision *d, bool *yes);

/* What was fetched and shown (`about`) is decided now: asked for at the terminal, as "Sign to DECISION WHAT", unless
 * yes; then signed and sent. The server's answer, the caller's reference; or NULL. ERR_CONFLICT where the answer was
 * not yes; ERR_USAGE where there is no terminal, or where the client asks with a token, which can decide nothing. */
json_t *decision_make(struct client *client, struct decision *d, const char *what, bool yes, struct error *err);

#endif
