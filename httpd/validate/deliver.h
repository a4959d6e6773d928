/*
 * httpd/validate/deliver.h - one try to deliver a mail or a webhook; the signer decides whether there is another.
 *
 * Thread-safety: every function may be called from any thread.
 */
#ifndef CHANCERY_HTTPD_VALIDATE_DELIVER_H
#define CHANCERY_HTTPD_VALIDATE_DELIVER_H

#include <stdatomic.h>

#include "base/clock.h"
#include "base/secret.h"
#include "ca-core/config.h"
#include "ca-core/message_order.h"

#define DELIVER_MS 30000 /* one mail */
#define WEBHOOK_MS 10000
enum { DELIVER_MAIL = 1, DELIVER_WEBHOOK = 2 }; /* DELIVERY_ of store/record_order.h */

struct deliverer {
	const struct ca_config *config;
	struct clock clock;
	const struct secret *mail_password; /* NULL: none */
	const _Atomic bool *stopping;
};

struct delivery {
	bool good, final;
	struct buf text; /* the server's answer, or what failed */
};

/* Does what the message asks for; its answer goes to `answer`, an encoded message_delivered. */
void deliver_run(const struct deliverer *deliverer, const struct message_deliver *ask, struct buf *answer);
/* The answer where nothing was tried, and another try may go better. */
void deliver_refuse(const char *why, struct buf *answer);

/* By SMTP to the configured server. TLS where the server offers it; demanded and verified where there is a password and
 * the server is not on this machine, and for smtps:. */
void mail_send(const struct deliverer *deliverer, const struct message_deliver *ask, struct delivery *delivery);
/* By POST, JSON; https with the server verified, or plain http to this machine. No redirects. */
void webhook_send(const struct deliverer *deliverer, const struct message_deliver *ask, struct delivery *delivery);

/* A failure that no other try can mend. */
void deliver_fail_for_good(struct delivery *delivery, const char *why);

/* ---- mail_text.c: pure ---- */
struct mail_text {
	struct bytes from, to; /* addresses alone */
	struct bytes subject, body, id;
	int64_t now_s;
};
/* The whole message, RFC 5322 and RFC 2045, lines ended by CRLF. ERR_BAD_REQUEST where an address is none, or a subject
 * or id would end its line. */
int mail_text_write(const struct mail_text *mail, struct buf *out, struct error *err);

#endif
