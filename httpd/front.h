/*
 * httpd/front.h - the front: the process that reads the network. It has listeners, a channel to
 * the signer, its own TLS key; no token, no PIN, no store.
 */
#ifndef CHANCERY_HTTPD_FRONT_H
#define CHANCERY_HTTPD_FRONT_H

#include "ca-core/role.h"

/* Serves until SIGTERM or SIGINT; then stops listening, finishes what is in flight (at most 10 s;
 * what waits then for the signer gets 503), closes and returns 0. SIGHUP looks at once whether the
 * server's own certificate is due. Takes over role's descriptors. Called once, on the main thread,
 * in the state directory. Returns the process's exit status: 1 where it cannot start.
 * Source: DESIGN section 4. */
int httpd_front_main(const struct role *role);

#endif
