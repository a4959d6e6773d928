/*
 * httpd/own.h - the front's own certificate: front/key.pem and front/chain.pem, certified by the
 * signer for the configured listen names, renewed at two thirds of its life.
 *
 * The key is made here and never leaves this process but to front/key.pem (0600). An expired
 * certificate is still served, with a warning in readyz.
 *
 * Thread-safety: own_tick from one thread; own_warnings and own_check_now from any.
 */
#ifndef CHANCERY_HTTPD_OWN_H
#define CHANCERY_HTTPD_OWN_H

#include <jansson.h>

#include "httpd/server.h"

struct own;

/* Loads what is there into front->tls. NULL with ERR_INTERNAL; a missing or unreadable certificate
 * is no failure. */
struct own *own_new(struct front *front, struct error *err);
void own_free(struct own *own);

/* Called every now and then: looks whether a certificate is due and asks for it; takes in the one
 * that came. Never blocks on the signer. */
void own_tick(struct own *own, int64_t now_ms);

/* The next own_tick reads the files again and looks at once (SIGHUP, or the channel came up): whoever put
 * other files there is served with them, whoever took them away gets new ones. */
void own_check_now(struct own *own);

/* True where there is a certificate to serve HTTPS with. */
bool own_is_loaded(const struct own *own);

/* Appends to a JSON array of texts what is wrong with it. */
void own_warnings(struct own *own, json_t *warnings);

#endif
