/* What the server says of itself: where to find what, the API's description, the problem pages. */
#include <stdio.h>

#include "httpd/handlers.h"
#include "httpd/json.h"
#include "httpd/openapi.h"

void meta_index(struct request *r)
{
	request_reply_text(r, MHD_HTTP_OK, "text/plain; charset=utf-8",
			   "Chancery, a private certificate authority\n"
			   "\n"
			   "/ca/roots.pem             what to trust\n"
			   "/api/v1/openapi.json      the interface\n"
			   "/api/v1/certificates      issue (POST a signing request), list\n"
			   "/api/v1/orders            what waits for validation or approval\n"
			   "/api/v1/organizations     records for organization and extended validation\n"
			   "/crl/{issuer}.crl         revocation lists\n"
			   "/audit/head               the last signed head of the audit log\n"
			   "/healthz /readyz          how the server is\n"
			   "/problems/{code}          what a refusal means\n");
}

void meta_openapi(struct request *r)
{
	request_reply_text(r, MHD_HTTP_OK, "application/json", openapi_json);
	request_reply_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "public, max-age=3600");
}

/* ---- /problems/{code} ---- */

static void add_html_text(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '<')
			buf_add_text(out, "&lt;");
		else if (*text == '&')
			buf_add_text(out, "&amp;");
		else
			buf_u8(out, (uint8_t)*text);
	}
}

static void reply_page(struct request *r, const struct err_class *class)
{
	auto_buf page = BUF_INIT;
	buf_printf(&page,
		   "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>%s</title>\n<h1>%s</h1>\n<p>",
		   class->slug, class->title);
	add_html_text(&page, class->remedy);
	buf_printf(&page, "</p>\n<p>Code <code>%s</code>, HTTP status %d.</p>\n</html>\n", class->slug,
		   class->http_status);
	request_reply(r, MHD_HTTP_OK, "text/html; charset=utf-8", &page);
}

static void reply_object(struct request *r, const struct err_class *class)
{
	char type[64];
	auto_buf content = BUF_INIT;
	(void)snprintf(type, sizeof(type), "/problems/%s", class->slug);
	json_write(json_pack("{s:s, s:s, s:s, s:i, s:s}", "type", type, "code", class->slug, "title", class->title,
			     "status", class->http_status, "remedy", class->remedy),
		   &content);
	request_reply(r, MHD_HTTP_OK, "application/json", &content);
}

void meta_problem(struct request *r)
{
	auto_buf code = BUF_INIT;
	buf_add_bytes(&code, r->parameters[0]);
	const struct err_class *class = err_class_by_slug(buf_text(&code));
	if (!class || !class->problem) {
		struct error err = ERR_INIT;
		(void)err_set(&err, ERR_NOT_FOUND, "there is no problem of this code");
		(void)err_about(&err, "code", buf_text(&code), NULL);
		request_refuse(r, &err);
		return;
	}
	const char *accept = request_header(r, MHD_HTTP_HEADER_ACCEPT);
	if (accept && strstr(accept, "text/html"))
		reply_page(r, class);
	else
		reply_object(r, class);
	request_reply_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "public, max-age=3600");
}
