/*
 * httpd/validate/validator.h - the validator: the process that looks at the world for the signer. It asks DNS, fetches
 * pages, sends mails and webhooks. It has a channel to the signer and the mail server's password; no listener, no token,
 * no store.
 */
#ifndef CHANCERY_HTTPD_VALIDATE_VALIDATOR_H
#define CHANCERY_HTTPD_VALIDATE_VALIDATOR_H

#include "ca-core/role.h"

/* Answers MSG_VALIDATE and MSG_DELIVER until its channel closes; ignores SIGTERM and SIGINT. Takes over role's
 * descriptors. Called once, on the main thread, in the state directory. Returns the process's exit status: 1 where it
 * cannot start. Source: DESIGN section 4. */
int httpd_validator_main(const struct role *role);

#endif
