#include "httpd/request.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "httpd/json.h"
#include "httpd/server.h"

#define RETRY_AFTER "2" /* seconds */

/* ---- life ---- */

struct request *request_new(struct front *front, struct connection *connection, struct MHD_Connection *mhd,
			    const char *target)
{
	size_t len = strlen(target);
	struct request *r = calloc(1, sizeof(*r) + 2 * (len + 1));
	if (!r)
		return NULL;
	r->front = front;
	r->connection = connection;
	r->mhd = mhd;
	r->target = (char *)(r + 1);
	memcpy(r->target, target, len + 1);
	r->decoded = r->target + len + 1;
	r->begun_ms = clock_monotonic_ms();
	r->deadline_ms = r->begun_ms + front_request_ms(front);
	(void)snprintf(r->id, sizeof(r->id), "%s-%06llx", front->id_prefix,
		       (unsigned long long)atomic_fetch_add_explicit(&front->id_count, 1, memory_order_relaxed));
	return r;
}

void request_free(struct request *r)
{
	if (!r)
		return;
	if (r->free_context)
		r->free_context(r->context);
	if (r->response)
		MHD_destroy_response(r->response);
	buf_wipe(&r->body);
	buf_free(&r->answer.payload);
	free(r);
}

/* ---- what was asked ---- */

const char *request_header(const struct request *r, const char *name)
{
	return MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, name);
}

bool request_argument(const struct request *r, const char *name, struct bytes *value)
{
	for (size_t i = 0; i < r->argument_count; i++)
		if (bytes_are(r->arguments[i].name, name)) {
			*value = r->arguments[i].value;
			return true;
		}
	return false;
}

int request_argument_number(const struct request *r, const char *name, uint32_t max, uint32_t *value, struct error *err)
{
	struct bytes text;
	if (!request_argument(r, name, &text))
		return 0;
	uint64_t number = 0;
	bool digits = text.len > 0 && text.len <= 10;
	for (size_t i = 0; digits && i < text.len; i++) {
		digits = text.data[i] >= '0' && text.data[i] <= '9';
		number = number * 10 + (text.data[i] - '0');
	}
	if (digits && number >= 1 && number <= max) {
		*value = (uint32_t)number;
		return 0;
	}
	char shown[65], allowed[32];
	(void)snprintf(shown, sizeof(shown), "%.*s", (int)text.len, (const char *)text.data);
	(void)snprintf(allowed, sizeof(allowed), "1 to %u", max);
	(void)err_set(err, ERR_BAD_REQUEST, "the query argument %s must be a whole number from %s", name, allowed);
	return err_about(err, name, shown, allowed);
}

/* ---- answers ---- */

void request_reply_header(struct request *r, const char *name, const char *value)
{
	if (r->response)
		(void)MHD_add_response_header(r->response, name, value);
}

void request_reply_response(struct request *r, unsigned status, struct MHD_Response *response, uint64_t content_len)
{
	r->status = status;
	r->content_len = content_len;
	r->response = response;
	request_reply_header(r, "X-Request-Id", r->id);
	if (r->closing || atomic_load_explicit(&r->front->stopping, memory_order_relaxed))
		request_reply_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
}

void request_reply(struct request *r, unsigned status, const char *content_type, struct buf *content)
{
	struct MHD_Response *response = NULL;
	if (!content->failed)
		response = MHD_create_response_from_buffer(content->len, content->data, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		/* Without memory for an answer the connection is closed: serve.c finds none. */
		buf_free(content);
		return;
	}
	uint64_t len = content->len;
	*content = BUF_INIT;
	request_reply_response(r, status, response, len);
	r->content_in_memory = true;
	request_reply_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
	request_reply_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	request_reply_header(r, "X-Content-Type-Options", "nosniff");
}

void request_reply_text(struct request *r, unsigned status, const char *content_type, const char *text)
{
	auto_buf content = BUF_INIT;
	buf_add_text(&content, text);
	request_reply(r, status, content_type, &content);
}

/* What is ours alone says nothing to strangers: the log has it under the request's id. */
static struct error error_for_client(const struct request *r, const struct error *err)
{
	const struct err_class *class = err_class(err->code);
	struct error shown = *err;
	if (err->code == ERR_PIN_REFUSED)
		(void)err_set(&shown, ERR_TOKEN_UNAVAILABLE, "the token is not logged in: its operator has to act");
	else if (err->code == ERR_UNREACHABLE)
		(void)err_set(&shown, ERR_TOKEN_UNAVAILABLE, "the signing process does not answer");
	else if (!class->problem || class->http_status == MHD_HTTP_INTERNAL_SERVER_ERROR)
		(void)err_set(&shown, class->problem ? err->code : ERR_INTERNAL,
			      "the server failed; its log says more under %s", r->id);
	return shown;
}

void request_refuse(struct request *r, const struct error *err)
{
	struct error shown = error_for_client(r, err);
	const struct err_class *class = err_class(shown.code);
	if (class->http_status >= MHD_HTTP_INTERNAL_SERVER_ERROR)
		log_err(LOG_LEVEL_WARN, r->id, err);
	auto_buf content = BUF_INIT;
	json_problem(&shown, &content);
	request_reply(r, (unsigned)class->http_status, "application/problem+json", &content);
	if (class->http_status == MHD_HTTP_SERVICE_UNAVAILABLE)
		request_reply_header(r, MHD_HTTP_HEADER_RETRY_AFTER, RETRY_AFTER);
	if (class->http_status == MHD_HTTP_UNAUTHORIZED)
		request_reply_header(r, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer realm=\"chancery\"");
	if (class->http_status == MHD_HTTP_METHOD_NOT_ALLOWED)
		request_reply_header(r, MHD_HTTP_HEADER_ALLOW, shown.allowed);
}

/* ---- asking the signer ---- */

/* On a thread of the link: the request is suspended and touched by nobody else. */
static void take_answer(void *arg, const struct frame *answer, const struct error *err)
{
	struct request *r = arg;
	if (answer) {
		r->answer.type = answer->type;
		buf_add_bytes(&r->answer.payload, answer->payload);
	} else {
		r->answer.err = *err;
	}
	MHD_resume_connection(r->mhd);
}

void request_ask(struct request *r, enum message_type type, const struct buf *payload, request_step *step)
{
	r->step = step;
	r->phase = REQUEST_WAITING;
	r->answer.type = 0;
	buf_clear(&r->answer.payload);
	/* First suspended, then asked: the answer may come before link_ask returns. */
	MHD_suspend_connection(r->mhd);
	int sent = payload->failed ? err_set(&r->answer.err, ERR_INTERNAL, "no memory for a question")
				   : link_ask(r->front->link, type, buf_bytes(payload), r->deadline_ms, take_answer, r,
					      &r->answer.err);
	if (sent != 0)
		MHD_resume_connection(r->mhd);
}

int request_answered(struct request *r, enum message_type type, struct error *err)
{
	if (r->answer.type == 0) {
		*err = r->answer.err;
		return -1;
	}
	if (r->answer.payload.failed)
		return err_set(err, ERR_INTERNAL, "no memory for the signer's answer");
	if (r->answer.type == type)
		return 0;
	if (r->answer.type != MSG_ERROR)
		return err_set(err, ERR_INTERNAL, "the signer answered %s where %s was due",
			       message_type_name(r->answer.type), message_type_name(type));
	struct error said = ERR_INIT;
	if (message_error_read(buf_bytes(&r->answer.payload), &said, err) != 0)
		return err_wrap(err, ERR_INTERNAL, "the signer's refusal cannot be read");
	*err = said;
	return -1;
}
