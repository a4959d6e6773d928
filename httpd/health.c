/* Health for balancers and people, counters for Prometheus: asked of the signer, with what the
 * front knows of itself. */
#include <stdio.h>

#include "httpd/handlers.h"
#include "httpd/json.h"
#include "httpd/own.h"
#include "httpd/server.h"
#include "httpd/session.h"

#define SIGNER_MS 2000 /* health that takes longer is bad health */

/* ---- healthz, readyz ---- */

/* Of one token that is not up, what it is; "up" where all are. One that the signer is not to
 * log in to (the root's) is offline by intent. */
static struct bytes token_state(const struct message_health *health)
{
	for (uint32_t i = 0; i < health->token_count; i++)
		if (!bytes_are(health->tokens[i].state, "up") && !bytes_are(health->tokens[i].state, "offline"))
			return health->tokens[i].state;
	return bytes_of(health->token_count ? "up" : "unknown");
}

static json_t *tokens_json(const struct message_health *health)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < health->token_count; i++)
		(void)json_array_append_new(list,
					    json_pack("{s:o, s:o, s:I}", "name", json_text(health->tokens[i].name),
						      "state", json_text(health->tokens[i].state), "signatures",
						      (json_int_t)health->tokens[i].signatures));
	return list;
}

static void reply_health(struct request *r, const struct message_health *health, const struct error *err, bool live)
{
	json_t *warnings = json_array();
	if (err)
		(void)json_array_append_new(warnings, json_text(bytes_of(err->message)));
	for (uint32_t i = 0; i < health->warning_count; i++)
		(void)json_array_append_new(warnings, json_text(health->warnings[i]));
	own_warnings(r->front->own, warnings);
	bool stopping = atomic_load(&r->front->stopping);
	const char *status = stopping ? "stopping" : health->ready ? "ready" : "not-ready";
	auto_buf content = BUF_INIT;
	json_write(json_pack("{s:s, s:{s:o, s:o}, s:{s:o}, s:o}", "status", live && !stopping ? "ok" : status, "token",
			     "state", json_text(token_state(health)), "tokens", tokens_json(health), "store", "state",
			     json_text(health->store_state), "warnings", warnings),
		   &content);
	bool good = live || (health->ready && !stopping);
	request_reply(r, good ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, "application/json", &content);
	if (!good)
		request_reply_header(r, MHD_HTTP_HEADER_RETRY_AFTER, "2");
}

static int read_health(struct request *r, struct message_health *health, struct error *err)
{
	if (request_answered(r, MSG_HEALTH, err) == 0 &&
	    message_health_read(buf_bytes(&r->answer.payload), health, err) == 0)
		return 0;
	*health = (struct message_health){ .store_state = bytes_of("unknown") };
	return -1;
}

static void health_known(struct request *r, bool live)
{
	struct message_health health;
	struct error err = ERR_INIT;
	int failed = read_health(r, &health, &err);
	reply_health(r, &health, failed ? &err : NULL, live);
}

static void live_known(struct request *r)
{
	health_known(r, true);
}

static void ready_known(struct request *r)
{
	health_known(r, false);
}

static void ask_health(struct request *r, request_step *known)
{
	static const struct buf nothing = BUF_INIT;
	r->deadline_ms = clock_monotonic_ms() + SIGNER_MS;
	request_ask(r, MSG_HEALTH_GET, &nothing, known);
}

void health_live(struct request *r)
{
	ask_health(r, live_known);
}

void health_ready(struct request *r)
{
	ask_health(r, ready_known);
}

/* ---- metrics ---- */

/* Prometheus text format 0.0.4: a TYPE line before the first sample of a family. */
static void add_sample(struct buf *out, struct bytes *family, struct bytes name, uint64_t value)
{
	const uint8_t *brace = name.len ? memchr(name.data, '{', name.len) : NULL;
	struct bytes of = BYTES(name.data, brace ? (size_t)(brace - name.data) : name.len);
	if (!bytes_equal(of, *family)) {
		bool counter = of.len > 6 && memcmp(of.data + of.len - 6, "_total", 6) == 0;
		buf_printf(out, "# TYPE %.*s %s\n", (int)of.len, (const char *)of.data, counter ? "counter" : "gauge");
		*family = of;
	}
	buf_printf(out, "%.*s %llu\n", (int)name.len, (const char *)name.data, (unsigned long long)value);
}

static void add_own_samples(struct front *front, struct buf *out)
{
	struct bytes family = BYTES_NONE;
	static const char *const classes[] = { NULL, "1xx", "2xx", "3xx", "4xx", "5xx" };
	for (size_t i = 1; i < sizeof(classes) / sizeof(classes[0]); i++) {
		char name[64];
		(void)snprintf(name, sizeof(name), "chancery_http_answers_total{class=\"%s\"}", classes[i]);
		add_sample(out, &family, bytes_of(name), atomic_load(&front->counters.answers[i]));
		family = bytes_of("chancery_http_answers_total");
	}
	add_sample(out, &family, bytes_of("chancery_http_connections"), connections_count(&front->connections));
	add_sample(out, &family, bytes_of("chancery_http_requests_active"), (uint64_t)atomic_load(&front->active));
	add_sample(out, &family, bytes_of("chancery_http_slow_connections_total"),
		   atomic_load(&front->counters.expired));
}

static void add_token_samples(const struct message_health *health, struct buf *out)
{
	static const char *const families[] = { "chancery_token_up", "chancery_token_signatures_total" };
	for (size_t f = 0; f < 2; f++) {
		struct bytes family = BYTES_NONE;
		for (uint32_t i = 0; i < health->token_count; i++) {
			auto_buf name = BUF_INIT;
			buf_printf(&name, "%s{token=\"%.*s\"}", families[f], (int)health->tokens[i].name.len,
				   (const char *)health->tokens[i].name.data);
			add_sample(out, &family, buf_bytes(&name),
				   f ? health->tokens[i].signatures : bytes_are(health->tokens[i].state, "up"));
			family = bytes_of(families[f]);
		}
	}
}

static void metrics_known(struct request *r)
{
	struct message_health health;
	struct error err = ERR_INIT;
	struct bytes family = BYTES_NONE;
	auto_buf content = BUF_INIT;
	bool up = read_health(r, &health, &err) == 0;
	add_sample(&content, &family, bytes_of("chancery_signer_up"), up);
	add_sample(&content, &family, bytes_of("chancery_ready"), health.ready);
	add_own_samples(r->front, &content);
	add_token_samples(&health, &content);
	if (up)
		add_sample(&content, &family, bytes_of("chancery_certificates"), health.certificates);
	for (uint32_t i = 0; i < health.counter_count; i++)
		add_sample(&content, &family, health.counters[i].name, health.counters[i].value);
	request_reply(r, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", &content);
}

static void metrics_allowed(struct request *r)
{
	if (r->session.roles & (SESSION_AUDITOR | SESSION_ADMIN)) {
		ask_health(r, metrics_known);
		return;
	}
	char roles[SESSION_ROLES_TEXT];
	struct error err = ERR_INIT;
	(void)err_set(&err, ERR_ROLE_REQUIRED, "metrics are for auditors and administrators, and for this machine");
	(void)err_about(&err, "role", session_roles_text(r->session.roles, roles), "auditor, admin");
	request_refuse(r, &err);
}

void metrics_get(struct request *r)
{
	if (r->connection->loopback)
		ask_health(r, metrics_known);
	else
		session_with(r, metrics_allowed);
}
