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
		(void)json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:I, s:I}", "name",
							    json_text(health->tokens[i].name), "state",
							    json_text(health->tokens[i].state), "why",
							    json_text(health->tokens[i].why), "seconds",
							    (json_int_t)health->tokens[i].since_s, "signatures",
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

/* Of "family{label}" the family. */
static struct bytes family_of(struct bytes name)
{
	const uint8_t *brace = name.len ? memchr(name.data, '{', name.len) : NULL;
	return BYTES(name.data, brace ? (size_t)(brace - name.data) : name.len);
}

/* Prometheus text format 0.0.4: a TYPE line before the first sample of a family. */
static void add_type(struct buf *out, struct bytes family)
{
	bool counter = family.len > 6 && memcmp(family.data + family.len - 6, "_total", 6) == 0;
	buf_printf(out, "# TYPE %.*s %s\n", (int)family.len, (const char *)family.data, counter ? "counter" : "gauge");
}

static void add_sample(struct buf *out, struct bytes name, uint64_t value)
{
	buf_printf(out, "%.*s %llu\n", (int)name.len, (const char *)name.data, (unsigned long long)value);
}

static void add_single(struct buf *out, const char *name, uint64_t value)
{
	add_type(out, bytes_of(name));
	add_sample(out, bytes_of(name), value);
}

static void add_own_samples(struct front *front, struct buf *out)
{
	add_type(out, bytes_of("chancery_http_answers_total"));
	for (size_t i = 1; i < sizeof(front->counters.answers) / sizeof(front->counters.answers[0]); i++)
		buf_printf(out, "chancery_http_answers_total{class=\"%zuxx\"} %llu\n", i,
			   (unsigned long long)atomic_load(&front->counters.answers[i]));
	add_single(out, "chancery_http_connections", connections_count(&front->connections));
	add_single(out, "chancery_http_requests_active", (uint64_t)atomic_load(&front->active));
	add_single(out, "chancery_http_slow_connections_total", atomic_load(&front->counters.expired));
}

/* The signer's counters come in its own order; the format wants a family in one piece. */
static void add_counters(struct buf *out, const struct message_health *health)
{
	for (uint32_t i = 0; i < health->counter_count; i++) {
		struct bytes family = family_of(health->counters[i].name);
		bool first = true;
		for (uint32_t k = 0; first && k < i; k++)
			first = !bytes_equal(family_of(health->counters[k].name), family);
		if (!first)
			continue;
		add_type(out, family);
		for (uint32_t k = i; k < health->counter_count; k++)
			if (bytes_equal(family_of(health->counters[k].name), family))
				add_sample(out, health->counters[k].name, health->counters[k].value);
	}
}

/* A token that the signer is not to log in to has nothing to tell. */
static void add_tokens(struct buf *out, const struct message_health *health)
{
	add_type(out, bytes_of("chancery_token_up"));
	for (uint32_t i = 0; i < health->token_count; i++)
		if (!bytes_are(health->tokens[i].state, "offline"))
			buf_printf(out, "chancery_token_up{token=\"%.*s\"} %d\n", (int)health->tokens[i].name.len,
				   (const char *)health->tokens[i].name.data, bytes_are(health->tokens[i].state, "up"));
	add_type(out, bytes_of("chancery_token_state"));
	for (uint32_t i = 0; i < health->token_count; i++)
		buf_printf(out, "chancery_token_state{token=\"%.*s\",state=\"%.*s\"} 1\n",
			   (int)health->tokens[i].name.len, (const char *)health->tokens[i].name.data,
			   (int)health->tokens[i].state.len, (const char *)health->tokens[i].state.data);
	add_type(out, bytes_of("chancery_token_signatures_total"));
	for (uint32_t i = 0; i < health->token_count; i++)
		buf_printf(out, "chancery_token_signatures_total{token=\"%.*s\"} %llu\n",
			   (int)health->tokens[i].name.len, (const char *)health->tokens[i].name.data,
			   (unsigned long long)health->tokens[i].signatures);
}

static void metrics_known(struct request *r)
{
	struct message_health health;
	struct error err = ERR_INIT;
	auto_buf content = BUF_INIT;
	add_single(&content, "chancery_signer_up", read_health(r, &health, &err) == 0);
	add_single(&content, "chancery_ready", health.ready);
	add_own_samples(r->front, &content);
	add_tokens(&content, &health);
	add_counters(&content, &health);
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
