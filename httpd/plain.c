#include "httpd/plain.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "httpd/router.h"
#include "httpd/server.h"

/* The host that the client named, without its port, where it is one of ours; else the first of
 * ours. What the client sends decides no address that others will see. */
static const char *own_host(const struct request *r)
{
	const struct ca_texts *names = &r->front->config->listen.names;
	const char *host = request_header(r, MHD_HTTP_HEADER_HOST);
	for (size_t i = 0; host && i < names->count; i++) {
		size_t len = strlen(names->items[i]);
		if (strncasecmp(host, names->items[i], len) == 0 && (host[len] == '\0' || host[len] == ':'))
			return names->items[i];
	}
	return names->count ? names->items[0] : "localhost";
}

static void redirect(struct request *r)
{
	const char *host = own_host(r);
	bool brackets = strchr(host, ':') != NULL;
	auto_buf location = BUF_INIT;
	buf_printf(&location, "https://%s%s%s", brackets ? "[" : "", host, brackets ? "]" : "");
	if (r->front->https_port != 443)
		buf_printf(&location, ":%u", r->front->https_port);
	buf_add_text(&location, r->target);
	request_reply_text(r, MHD_HTTP_PERMANENT_REDIRECT, "text/plain; charset=utf-8",
			   "This is served over HTTPS alone.\n");
	request_reply_header(r, MHD_HTTP_HEADER_LOCATION, buf_text(&location));
}

bool plain_answers(struct request *r)
{
	if (r->route && r->route->flags & ROUTE_PLAIN)
		return false;
	bool reads = strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0;
	if (reads && r->front->https_port != 0) {
		redirect(r);
		return true;
	}
	if (r->route) {
		(void)err_set(&r->err, ERR_BAD_REQUEST, "this is served over HTTPS alone, on port %u",
			      r->front->https_port);
		(void)err_about(&r->err, "scheme", "http", "https");
	}
	r->closing = true;
	request_refuse(r, &r->err);
	return true;
}
