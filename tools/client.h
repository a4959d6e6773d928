/*
 * tools/client.h - the public HTTPS interface, spoken by libcurl with an enrolled identity.
 */
#ifndef CHANCERY_TOOLS_CLIENT_H
#define CHANCERY_TOOLS_CLIENT_H

#include <jansson.h>

#include "base/bytes.h"
#include "tools/credential.h"
#include "tools/options.h"

struct client;

struct reply {
	long status;
	char location[512], content_type[128];
	struct buf body;
};
#define REPLY_INIT ((struct reply){ .body = BUF_INIT })
void reply_free(struct reply *reply);
#define auto_reply CLEANUP(reply_free) struct reply

/* Server, trust and identity from the options, or from the state directory. ERR_NOT_FOUND,
 * ERR_CONFIG. One struct for one thread. */
struct client *client_open(const struct common_options *common, struct error *err);
void client_free(struct client *client);
CLEANUP_POINTER(client, struct client, client_free)
#define auto_client CLEANUP(client_cleanup) struct client

/* As whom it asks; NULL where it asks with an API token. Borrowed. */
struct credential *client_credential(const struct client *client);
/* The file of what it trusts; borrowed. */
const char *client_trust(const struct client *client);

/* What a request is: path begins with "/"; type and body may be none. */
struct request {
	const char *method, *path;
	const char *type; /* Content-Type, or NULL */
	struct bytes body;
	const char *header; /* one more header line, or NULL */
};
/* Sends it and waits for the answer. 0 for a 2xx answer. What the server refuses comes back as
 * the error of its code, with member, value and allowed. ERR_UNREACHABLE where there is no
 * answer; ERR_INTEGRITY where the server is not whom we trust. */
int client_call(struct client *client, const struct request *request, struct reply *reply, struct error *err);

/* GET, and the body as JSON (the caller's reference), or NULL. */
json_t *client_get_json(struct client *client, const char *path, struct error *err);
/* POST of a body (taken over; NULL: none), and the answer as JSON (the caller's reference), or NULL. */
json_t *client_post_json(struct client *client, const char *path, json_t *body, struct error *err);
/* The body of an answer as JSON, which may not name a member twice. ERR_INTEGRITY. */
json_t *reply_json(const struct reply *reply, struct error *err);
/* GET, and the body as it is, appended. */
int client_get(struct client *client, const char *path, struct buf *out, struct error *err);

/* Appends text percent-encoded (RFC 3986 section 2.1): only unreserved characters stay. */
void url_add_escaped(struct buf *out, const char *text);
/* Appends "?name=value" or "&name=value"; nothing for a value that is NULL. */
void url_add_query(struct buf *out, const char *name, const char *value);

#endif
