/*
 * httpd/request.h - one request, from its first header to its log line, and how it is answered.
 *
 * A handler runs on a thread of libmicrohttpd and never blocks. It answers at once with one of
 * request_reply, request_reply_text and request_refuse, or asks the signer with request_ask and
 * answers in the step that runs when the signer's answer is there. Meanwhile the connection is
 * suspended and no thread waits.
 *
 *     static void issued(struct request *r) { ... request_reply(r, 201, ...); }
 *     void certificates_issue(struct request *r) { ... request_ask(r, MSG_ISSUE, &payload, issued); }
 *
 * Thread-safety: a request is one thread's at a time; the link's threads touch only `answer` and
 * only while the connection is suspended.
 */
#ifndef CHANCERY_HTTPD_REQUEST_H
#define CHANCERY_HTTPD_REQUEST_H

#include "base/err.h"
#include "ca-core/message.h"
#include "httpd/connection.h"

struct front;
struct route;
struct request;
typedef void request_step(struct request *r);

#define REQUEST_SEGMENTS_MAX 8
#define REQUEST_ARGUMENTS_MAX 16

enum request_phase { REQUEST_HEADERS, REQUEST_BODY, REQUEST_WAITING, REQUEST_ANSWERED };

struct request {
	struct front *front;
	struct connection *connection;
	struct MHD_Connection *mhd;
	enum request_phase phase;
	char id[24];
	int64_t begun_ms;    /* CLOCK_MONOTONIC */
	int64_t deadline_ms; /* CLOCK_MONOTONIC */

	/* what was asked (httpd/door.c); texts are percent-decoded */
	char method[16];
	char *target;  /* as it came, for the log */
	char *decoded; /* segments and arguments lie in it */
	struct bytes segments[REQUEST_SEGMENTS_MAX];
	size_t segment_count;
	struct {
		struct bytes name, value;
	} arguments[REQUEST_ARGUMENTS_MAX];
	size_t argument_count;
	const struct route *route;
	struct bytes parameters[2]; /* the pattern's {parts}, in order */

	struct buf body;
	uint64_t body_seen; /* octets, those dropped too */
	bool refused;       /* by the door: the rest of the body is read and dropped, then err is the answer */
	struct error err;

	struct session session; /* of routes that need an identity */
	enum session_proof proof;
	request_step *after_session;
	bool repeated; /* the session was unknown to the signer: opened anew once */
	bool closing;  /* nothing on this connection can be trusted any more: the answer ends it */

	request_step *step;
	struct {
		uint16_t type; /* 0: none came, err says why */
		struct buf payload;
		struct error err;
	} answer;
	void *context; /* a handler's own between steps; free_context frees it */
	void (*free_context)(void *context);

	unsigned status; /* of the answer */
	uint64_t content_len;
	bool content_in_memory; /* it follows the head without a wait */
	struct MHD_Response *response;
};

/* NULL only without memory. target is copied. */
struct request *request_new(struct front *front, struct connection *connection, struct MHD_Connection *mhd,
			    const char *target);
void request_free(struct request *r);

/* A header of the request, or NULL; borrowed. */
const char *request_header(const struct request *r, const char *name);
/* A query argument. False where it is not there. */
bool request_argument(const struct request *r, const char *name, struct bytes *value);
/* A number of 1 to max from a query argument; *value is left where it is not there. ERR_BAD_REQUEST. */
int request_argument_number(const struct request *r, const char *name, uint32_t max, uint32_t *value,
			    struct error *err);

/* ---- answers: one of these, once ---- */
/* Takes the content over. Headers may be added to r->response afterwards. */
void request_reply(struct request *r, unsigned status, const char *content_type, struct buf *content);
void request_reply_text(struct request *r, unsigned status, const char *content_type, const char *text);
/* Takes the response over; its content has content_len octets. */
void request_reply_response(struct request *r, unsigned status, struct MHD_Response *response, uint64_t content_len);
/* application/problem+json as in the contract. */
void request_refuse(struct request *r, const struct error *err);
void request_reply_header(struct request *r, const char *name, const char *value);

/* ---- asking the signer ---- */
/* Sends payload under type; step runs with r->answer once the answer is there, or once it is
 * clear that none comes. Nothing may be done with r after this call. */
void request_ask(struct request *r, enum message_type type, const struct buf *payload, request_step *step);
/* In a step: 0 where the answer is of this type; -1 with what the signer said instead. */
int request_answered(struct request *r, enum message_type type, struct error *err);

#endif
