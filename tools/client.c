#include "tools/client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/secret.h"
#include "tools/output.h"
#include "tools/state.h"

#define ANSWER_MAX ((size_t)256 << 20) /* a list of a million revocations fits */
#define CONNECT_SECONDS 10L
#define CALL_SECONDS 120L

struct client {
	CURL *curl;
	char *base, *ca;
	struct credential *credential; /* or a token */
	struct secret *token;
	char fault[CURL_ERROR_SIZE];
};

void reply_free(struct reply *reply)
{
	buf_free(&reply->body);
}

/* ---- where, and as whom ---- */

/* The first address of the configuration, as a client on this machine reaches it. */
static char *local_base(const struct ca_config *config, struct error *err)
{
	const char *address = config->listen.https.count ? config->listen.https.items[0] : "localhost:8443";
	const char *port = strrchr(address, ':');
	bool here = strncmp(address, "127.", 4) == 0 || strncmp(address, "0.0.0.0:", 8) == 0 ||
		    strncmp(address, "[::", 3) == 0 || strncmp(address, "localhost:", 10) == 0;
	char *base = NULL;
	int length =
		here && port ? asprintf(&base, "https://localhost%s", port) : asprintf(&base, "https://%s", address);
	if (length < 0) {
		(void)err_set(err, ERR_INTERNAL, "no memory");
		return NULL;
	}
	return base;
}

static char *given_or(const struct common_options *common, const char *given, const char *name, struct error *err)
{
	return given ? strdup(given) : state_path(common, name, err);
}

/* A key may lie in a token: libcurl itself takes files alone. */
static CURLcode on_handshake(CURL *curl, void *context, void *arg)
{
	(void)curl;
	return credential_use(arg, context) ? CURLE_OK : CURLE_SSL_CERTPROBLEM;
}

static int find_identity(struct client *client, const struct common_options *common, struct error *err)
{
	if (common->token_file) {
		auto_buf reference = BUF_INIT;
		buf_printf(&reference, "file:%s", common->token_file);
		client->token = secret_get(buf_text(&reference), "the API token", err);
		return client->token ? 0 : -1;
	}
	if (!common->cert != !common->key)
		return err_set(err, ERR_USAGE, "--cert and --key belong together");
	auto_free char *cert = given_or(common, common->cert, "admin/cert.pem", err);
	auto_free char *key = cert ? given_or(common, common->key, "admin/key.pem", err) : NULL;
	client->credential = key ? credential_open(cert, key, err) : NULL;
	return client->credential ? 0 : -1;
}

static int find_server(struct client *client, const struct common_options *common, struct error *err)
{
	if (common->server) {
		if (strncmp(common->server, "https://", 8) != 0)
			return err_set(err, ERR_USAGE, "--server wants an https:// address, not \"%s\"",
				       common->server);
		client->base = strdup(common->server);
		size_t length = client->base ? strlen(client->base) : 0;
		if (length > 0 && client->base[length - 1] == '/')
			client->base[length - 1] = '\0';
	} else {
		auto_ca_config *config = state_config(common, err);
		client->base = config ? local_base(config, err) : NULL;
	}
	if (!client->base)
		return err->code == ERR_NONE ? err_set(err, ERR_INTERNAL, "no memory") : -1;
	client->ca = given_or(common, common->ca, "trust/root.pem", err);
	return client->ca ? 0 : -1;
}

struct client *client_open(const struct common_options *common, struct error *err)
{
	auto_client *client = calloc(1, sizeof(*client));
	if (!client || curl_global_init(CURL_GLOBAL_DEFAULT) || !(client->curl = curl_easy_init())) {
		(void)err_set(err, ERR_INTERNAL, "no HTTP client");
		return NULL;
	}
	if (find_server(client, common, err) || find_identity(client, common, err))
		return NULL;
	if (client->credential && curl_easy_setopt(client->curl, CURLOPT_SSL_CTX_FUNCTION, on_handshake) != CURLE_OK) {
		(void)err_set(err, ERR_INTERNAL,
			      "libcurl is not the one built on OpenSSL: no certificate could be shown");
		return NULL;
	}
	return TAKE(client);
}

void client_free(struct client *client)
{
	curl_easy_cleanup(client->curl);
	secret_free(client->token);
	free(client->base);
	free(client->ca);
	credential_free(client->credential);
	free(client);
}

struct credential *client_credential(const struct client *client)
{
	return client->credential;
}

const char *client_trust(const struct client *client)
{
	return client->ca;
}

/* ---- one exchange ---- */

static size_t on_body(char *data, size_t one, size_t count, void *arg)
{
	struct reply *reply = arg;
	if (reply->body.len + count * one > ANSWER_MAX)
		return 0;
	buf_add(&reply->body, data, count * one);
	return reply->body.failed ? 0 : count * one;
}

static void keep_header(const char *line, size_t length, const char *name, char *out, size_t size)
{
	size_t named = strlen(name);
	if (length <= named || strncasecmp(line, name, named) != 0)
		return;
	while (named < length && line[named] == ' ')
		named++;
	while (length > named && (line[length - 1] == '\r' || line[length - 1] == '\n'))
		length--;
	(void)snprintf(out, size, "%.*s", (int)(length - named), line + named);
}

static size_t on_header(char *data, size_t one, size_t count, void *arg)
{
	struct reply *reply = arg;
	keep_header(data, one * count, "Location:", reply->location, sizeof(reply->location));
	keep_header(data, one * count, "Content-Type:", reply->content_type, sizeof(reply->content_type));
	return one * count;
}

static int on_progress(void *arg, curl_off_t down_all, curl_off_t down, curl_off_t up_all, curl_off_t up)
{
	struct progress *progress = arg;
	(void)up_all;
	(void)up;
	if (down_all > 1 << 20)
		progress_step(progress, (uint64_t)down, (uint64_t)down_all);
	else
		progress_wait(progress);
	return 0;
}

static struct curl_slist *headers_for(const struct client *client, const struct request *request)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
	if (request->type) {
		auto_buf line = BUF_INIT;
		buf_printf(&line, "Content-Type: %s", request->type);
		headers = curl_slist_append(headers, buf_text(&line));
	} else {
		headers = curl_slist_append(headers, "Content-Type:"); /* libcurl would name one of its own */
	}
	if (request->header)
		headers = curl_slist_append(headers, request->header);
	if (client->token) {
		auto_secret_buf line = BUF_INIT;
		buf_add_text(&line, "Authorization: Bearer ");
		buf_add_bytes(&line, secret_bytes(client->token));
		headers = curl_slist_append(headers, buf_text(&line));
	}
	return headers;
}

static void set_up(struct client *client, const struct request *request, struct reply *reply)
{
	CURL *c = client->curl;
	(void)curl_easy_setopt(c, CURLOPT_ERRORBUFFER, client->fault);
	(void)curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, request->method);
	(void)curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https");
	(void)curl_easy_setopt(c, CURLOPT_CAINFO, client->ca);
	(void)curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
	(void)curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	(void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
	(void)curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
	(void)curl_easy_setopt(c, CURLOPT_TIMEOUT, CALL_SECONDS);
	(void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, reply);
	(void)curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(c, CURLOPT_HEADERDATA, reply);
	if (client->credential) {
		(void)curl_easy_setopt(c, CURLOPT_SSL_CTX_FUNCTION, on_handshake);
		(void)curl_easy_setopt(c, CURLOPT_SSL_CTX_DATA, client->credential);
	}
	if (strcmp(request->method, "GET") != 0) {
		(void)curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)request->body.len);
		(void)curl_easy_setopt(c, CURLOPT_POSTFIELDS,
				       request->body.len ? (const void *)request->body.data : "");
	}
}

static int unreachable(const struct client *client, CURLcode code, struct error *err)
{
	const char *why = client->fault[0] ? client->fault : curl_easy_strerror(code);
	switch (code) {
	case CURLE_PEER_FAILED_VERIFICATION:
		return err_set(err, ERR_INTEGRITY, "the server at %s is not one that %s vouches for: %s", client->base,
			       client->ca, why);
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
		return err_set(err, ERR_USAGE, "cannot use certificate, key or trust file: %s", why);
	default:
		return err_set(err, ERR_UNREACHABLE, "no answer from %s: %s", client->base, why);
	}
}

/* The error that the server described (RFC 9457), as if it had happened here. */
static int refused(const struct reply *reply, struct error *err)
{
	json_t *problem = json_loadb((const char *)reply->body.data, reply->body.len, 0, NULL);
	const char *code = NULL, *detail = NULL, *member = NULL, *value = NULL, *allowed = NULL;
	if (problem)
		(void)json_unpack(problem, "{s?s, s?s, s?s, s?s, s?s}", "code", &code, "detail", &detail, "member",
				  &member, "value", &value, "allowed", &allowed);
	const struct err_class *class = code ? err_class_by_slug(code) : NULL;
	enum err_code ours = class ? class->code : reply->status >= 500 ? ERR_UNREACHABLE : ERR_BAD_REQUEST;
	if (detail)
		(void)err_set(err, ours, "%s", detail);
	else
		(void)err_set(err, ours, "the server answered with status %ld", reply->status);
	(void)err_about(err, member, value, allowed);
	json_decref(problem);
	return -1;
}

int client_call(struct client *client, const struct request *request, struct reply *reply, struct error *err)
{
	auto_buf url = BUF_INIT;
	buf_printf(&url, "%s%s", client->base, request->path);
	curl_easy_reset(client->curl);
	client->fault[0] = '\0';
	set_up(client, request, reply);
	(void)curl_easy_setopt(client->curl, CURLOPT_URL, buf_text(&url));
	struct curl_slist *headers = headers_for(client, request);
	struct progress progress = progress_begin("waiting for the server");
	(void)curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);
	(void)curl_easy_setopt(client->curl, CURLOPT_NOPROGRESS, 0L);
	(void)curl_easy_setopt(client->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	(void)curl_easy_setopt(client->curl, CURLOPT_XFERINFODATA, &progress);
	CURLcode code = curl_easy_perform(client->curl);
	progress_end(&progress);
	curl_slist_free_all(headers);
	if (code != CURLE_OK)
		return unreachable(client, code, err);
	(void)curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &reply->status);
	return reply->status / 100 == 2 ? 0 : refused(reply, err);
}

int client_get(struct client *client, const char *path, struct buf *out, struct error *err)
{
	auto_reply reply = REPLY_INIT;
	const struct request request = { .method = "GET", .path = path };
	if (client_call(client, &request, &reply, err))
		return -1;
	buf_add_bytes(out, buf_bytes(&reply.body));
	return out->failed ? err_set(err, ERR_INTERNAL, "no memory for the answer") : 0;
}

json_t *reply_json(const struct reply *reply, struct error *err)
{
	json_error_t why;
	json_t *value = json_loadb((const char *)reply->body.data, reply->body.len, JSON_REJECT_DUPLICATES, &why);
	if (!value)
		(void)err_set(err, ERR_INTEGRITY, "the server's answer is not JSON: %s", why.text);
	return value;
}

json_t *client_get_json(struct client *client, const char *path, struct error *err)
{
	auto_reply reply = REPLY_INIT;
	const struct request request = { .method = "GET", .path = path };
	return client_call(client, &request, &reply, err) ? NULL : reply_json(&reply, err);
}

json_t *client_post_json(struct client *client, const char *path, json_t *body, struct error *err)
{
	auto_reply reply = REPLY_INIT;
	auto_free char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	json_decref(body);
	if (body && !text) {
		(void)err_set(err, ERR_INTERNAL, "what is to be sent cannot be written as JSON");
		return NULL;
	}
	const struct request request = {
		.method = "POST", .path = path, .type = text ? "application/json" : NULL, .body = bytes_of(text)
	};
	return client_call(client, &request, &reply, err) ? NULL : reply_json(&reply, err);
}

void url_add_escaped(struct buf *out, const char *text)
{
	static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	for (; *text; text++) {
		if (strchr(unreserved, *text))
			buf_u8(out, (uint8_t)*text);
		else
			buf_printf(out, "%%%02X", (unsigned char)*text);
	}
}

void url_add_query(struct buf *out, const char *name, const char *value)
{
	if (!value)
		return;
	buf_printf(out, "%c%s=", out->len && memchr(out->data, '?', out->len) ? '&' : '?', name);
	url_add_escaped(out, value);
}
