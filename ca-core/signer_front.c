/* The front's questions. A front may be hostile: each is read strictly, asked under a session, or refused. */
#include "ca-core/signer.h"

#include <stdio.h>

#include "ca-core/audit.h"
#include "ca-core/health.h"
#include "ca-core/inventory.h"
#include "ca-core/issuance.h"
#include "ca-core/order_request.h"
#include "ca-core/policy.h"
#include "ca-core/revoke.h"

/* ---- answers ---- */

void signer_answer(struct signer *s, uint64_t id, uint16_t type, const struct buf *payload)
{
	struct error err = ERR_INIT;
	if (payload->failed) {
		(void)err_set(&err, ERR_INTERNAL, "the answer is too large, or memory has run out");
		signer_answer_error(s, id, &err);
	} else if (channel_send(s->front, type, id, buf_bytes(payload), &err) && err.code != ERR_UNREACHABLE) {
		log_err(LOG_LEVEL_WARN, "answer lost", &err);
		if (err.code == ERR_TOO_LARGE)
			signer_answer_error(s, id, &err);
	}
}

void signer_answer_error(struct signer *s, uint64_t id, const struct error *err)
{
	auto_buf payload = BUF_INIT;
	struct error lost = ERR_INIT;
	if (err_class(err->code)->http_status == 500)
		log_err(LOG_LEVEL_ERROR, "request failed", err);
	message_error_write(err, &payload);
	if (!payload.failed)
		(void)channel_send(s->front, MSG_ERROR, id, buf_bytes(&payload), &lost);
}

/* What a handler gives back: the answer's type, ANSWER_LATER, or ANSWER_ERROR with err. */
enum { ANSWER_ERROR = -1, ANSWER_LATER = 0 };

/* ---- issuing ---- */

struct pending {
	struct signer *signer;
	uint64_t id;
};

/* On the store's thread, after the commit. */
static void issued(void *arg, const struct message_issued *m, const struct error *err)
{
	struct pending *p = arg;
	struct signer *s = p->signer;
	auto_buf payload = BUF_INIT;
	if (err) {
		signer_answer_error(s, p->id, err);
	} else if (!m) {
		signer_answer(s, p->id, MSG_DONE, &payload);
	} else {
		message_issued_write(m, &payload);
		signer_answer(s, p->id, MSG_ISSUED, &payload);
	}
	free(p);
	atomic_fetch_sub(&s->in_flight, 1);
}

static int answer_issue(struct signer *s, const struct question *q, struct buf *out, struct error *err)
{
	/* 16 KiB of places for names: only those that are there get written. */
	struct message_issue m;
	struct ca_actor actor;
	if (message_issue_read(BYTES(q->payload, q->len), &m, err) ||
	    ca_session_actor(s->sessions, m.session, &actor, err))
		return ANSWER_ERROR;
	struct pending *p = malloc(sizeof(*p));
	if (!p)
		return err_set(err, ERR_BUSY, "no memory for a request");
	*p = (struct pending){ s, q->id };
	if (atomic_fetch_add(&s->in_flight, 1) >= SIGNER_IN_FLIGHT_MAX)
		(void)err_set(err, ERR_BUSY, "too many certificates wait for their commit; try again soon");
	else if (ca_issue_at(s->ca, q->token, &actor, &m, issued, p, err) == 0)
		return ANSWER_LATER;
	atomic_fetch_sub(&s->in_flight, 1);
	free(p);
	/* What no grant covers may become an order. */
	return ca_order_may_follow(err->code) ? ca_order_instead(s->ca, q->token, &actor, &m, out, err) : ANSWER_ERROR;
}

/* ---- the front's own certificate: an internal profile, the configured names, a bounded number ---- */

#define FRONT_CERTIFICATES_MAX 20
#define FRONT_CERTIFICATES_REFILL_MS 60000

static int take_front_allowance(struct signer *s, struct error *err)
{
	int64_t now_ms = clock_monotonic_ms();
	(void)pthread_mutex_lock(&s->lock);
	if (s->front_certificates_ms == 0) {
		s->front_certificates = FRONT_CERTIFICATES_MAX;
		s->front_certificates_ms = now_ms;
	}
	while (s->front_certificates < FRONT_CERTIFICATES_MAX &&
	       now_ms - s->front_certificates_ms >= FRONT_CERTIFICATES_REFILL_MS) {
		s->front_certificates++;
		s->front_certificates_ms += FRONT_CERTIFICATES_REFILL_MS;
	}
	bool allowed = s->front_certificates > 0;
	if (allowed && s->front_certificates-- == FRONT_CERTIFICATES_MAX)
		s->front_certificates_ms = now_ms;
	(void)pthread_mutex_unlock(&s->lock);
	return allowed ? 0 : err_set(err, ERR_BUSY, "the front has asked for too many certificates of its own");
}

static int front_names(const struct ca_config *config, size_t max, struct ca_names *names, struct error *err)
{
	for (size_t i = 0; i < config->listen.names.count; i++) {
		struct ca_name name;
		struct error not_address = ERR_INIT;
		struct bytes text = bytes_of(config->listen.names.items[i]);
		if ((ca_name_ip_text(text, &name, &not_address) && ca_name_dns(text, &name, err)) ||
		    ca_names_add(names, &name, max, err))
			return -1;
	}
	return names->count ? 0 : err_set(err, ERR_CONFIG, "listen.names is empty: the front has no name");
}

static int front_subject(const struct ca_profile *profile, const struct ca_names *names, struct buf *out,
			 struct error *err)
{
	struct ca_subject subject = { 0 };
	if (profile->common_name && strlen(names->items[0].text) <= 64)
		subject.values[CA_ATTR_COMMON_NAME] = names->items[0].text;
	return ca_subject_encode(&subject, out, err);
}

static int answer_front_certificate(struct signer *s, const struct question *q, struct buf *out, struct error *err)
{
	struct message_front_certificate m;
	const struct ca_profile *profile = ca_config_profile(s->ca->config, "front");
	auto_ca_names names = CA_NAMES_INIT;
	auto_buf subject = BUF_INIT, certificate = BUF_INIT;
	struct store_serial serial;
	if (message_front_certificate_read(BYTES(q->payload, q->len), &m, err))
		return ANSWER_ERROR;
	struct ca_issuer *issuer = profile ? ca_issuer_for(s->ca, profile) : NULL;
	if (!issuer || !profile->internal || profile->kind != CA_KIND_SERVER)
		return err_set(err, ERR_CONFIG, "there is no internal profile front of kind server with an issuer");
	/* Tries that wait for the token use nothing up. */
	if (!ca_issuer_signer_in(issuer, q->token, err) ||
	    front_names(s->ca->config, profile->names_max, &names, err) ||
	    front_subject(profile, &names, &subject, err) || take_front_allowance(s, err))
		return ANSWER_ERROR;
	const struct ca_actor self = ca_actor_self();
	const struct ca_own_issue issue = {
		.actor = &self,
		.requester = "front",
		.profile = profile,
		.issuer = issuer,
		.token = q->token,
		.spki = m.spki,
		.subject = buf_bytes(&subject),
		.names = &names,
	};
	if (ca_issue_own(s->ca, &issue, &certificate, &serial, err))
		return ANSWER_ERROR;
	const struct message_issued answer = { .issuer = bytes_of(issuer->config->name),
					       .serial = BYTES(serial.octets, serial.len),
					       .certificate = buf_bytes(&certificate) };
	message_issued_write(&answer, out);
	return MSG_ISSUED;
}

/* ---- everything else ---- */

static int answer_session_open(struct signer *s, const struct question *q, struct buf *out, struct error *err)
{
	struct message_session_open m;
	struct message_session answer;
	char name[RECORD_NAME_MAX + 1];
	if (message_session_open_read(BYTES(q->payload, q->len), &m, err) ||
	    ca_session_open(s->sessions, &m, &answer, name, err))
		return ANSWER_ERROR;
	message_session_write(&answer, out);
	return MSG_SESSION;
}

static int answer_certificate_get(struct signer *s, const struct question *q, struct buf *out, struct error *err)
{
	struct message_certificate_get m;
	struct ca_actor actor;
	if (message_certificate_get_read(BYTES(q->payload, q->len), &m, err) ||
	    ca_session_actor(s->sessions, m.session, &actor, err) ||
	    ca_inventory_get(s->store, s->ca->config, &actor, m.serial, out, err))
		return ANSWER_ERROR;
	return MSG_CERTIFICATE;
}

static int answer_certificate_list(struct signer *s, const struct question *q, struct buf *out, struct error *err)
{
	struct message_certificate_list m;
	struct ca_actor actor;
	if (message_certificate_list_read(BYTES(q->payload, q->len), &m, err) ||
	    ca_session_actor(s->sessions, m.session, &actor, err) ||
	    ca_inventory_list(s->store, &actor, &m, &s->ca->clock, out, err))
		return ANSWER_ERROR;
	return MSG_CERTIFICATES;
}

static int answer_status_change(struct signer *s, const struct question *q, struct buf *out, struct error *err)
{
	struct message_status_change m;
	struct ca_actor actor;
	if (message_status_change_read(BYTES(q->payload, q->len), &m, err) ||
	    ca_session_actor(s->sessions, m.session, &actor, err) || ca_revoke(s->ca, &actor, &m, out, err))
		return ANSWER_ERROR;
	return MSG_STATUS_CHANGED;
}

static int answer_audit_list(struct signer *s, const struct question *q, struct buf *out, struct error *err)
{
	struct message_audit_list m;
	struct ca_actor actor;
	if (message_audit_list_read(BYTES(q->payload, q->len), &m, err) ||
	    ca_session_actor(s->sessions, m.session, &actor, err) || ca_audit_list(s->ca, &actor, &m, out, err))
		return ANSWER_ERROR;
	return MSG_AUDIT_ENTRIES;
}

static int answer_crl_now(struct signer *s, const struct question *q, struct buf *out, struct error *err)
{
	struct message_crl_now m;
	struct ca_actor actor;
	(void)out;
	if (message_crl_now_read(BYTES(q->payload, q->len), &m, err) ||
	    ca_session_actor(s->sessions, m.session, &actor, err) || ca_policy_may_make_crl(&actor, err))
		return ANSWER_ERROR;
	struct ca_issuer *issuer = ca_issuer_find(s->ca, m.issuer);
	if (!issuer)
		return err_set(err, ERR_NOT_FOUND, "there is no such issuer");
	return signer_list_now(s, issuer, &actor, q->id, err) ? ANSWER_ERROR : ANSWER_LATER;
}

struct ca_health_extra signer_health(struct signer *s)
{
	struct ca_health_extra extra = { .queue_length = signer_lanes_length(s),
					 .in_flight = atomic_load(&s->in_flight) };
	(void)pthread_mutex_lock(&s->waiting.lock);
	extra.waiting = s->waiting.count;
	extra.waits = s->waiting.waits;
	extra.timeouts = s->waiting.timeouts;
	(void)pthread_mutex_unlock(&s->waiting.lock);
	return extra;
}

static int answer_health(struct signer *s, const struct question *q, struct buf *out, struct error *err)
{
	const struct ca_health_extra extra = signer_health(s);
	if (q->len)
		return err_set(err, ERR_BAD_REQUEST, "malformed message: health-get has no content");
	return ca_health(s->ca, &extra, out, err) ? ANSWER_ERROR : MSG_HEALTH;
}

/* What a front may ask, and nothing else. MSG_SESSION_CLOSE has no answer and is done by the reader. */
static const struct {
	uint16_t type;
	signer_answerer *answer;
} rows[] = {
	{ MSG_ISSUE, answer_issue },
	{ MSG_SESSION_OPEN, answer_session_open },
	{ MSG_CERTIFICATE_GET, answer_certificate_get },
	{ MSG_CERTIFICATE_LIST, answer_certificate_list },
	{ MSG_STATUS_CHANGE, answer_status_change },
	{ MSG_AUDIT_LIST, answer_audit_list },
	{ MSG_CRL_NOW, answer_crl_now },
	{ MSG_HEALTH_GET, answer_health },
	{ MSG_FRONT_CERTIFICATE, answer_front_certificate },
};

/* ---- one question ---- */

static signer_answerer *answerer_of(uint16_t type)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].type == type)
			return rows[i].answer;
	return signer_orders_answerer(type);
}

void signer_work(struct signer *s, struct question *q, struct buf *out)
{
	struct error err = ERR_INIT;
	if (q->type == SIGNER_ISSUE_ORDER) {
		signer_orders_issue(s, q);
		return;
	}
	signer_answerer *answer = answerer_of(q->type);
	buf_clear(out);
	int type = answer ? answer(s, q, out, &err) : ANSWER_LATER;
	if (q->type == MSG_ISSUE)
		store_coming(s->store, -1);
	if (type == ANSWER_ERROR && err.code == ERR_TOKEN_UNAVAILABLE && q->issuer) {
		/* Nothing was signed: it waits for the token. */
		if (!signer_park(s, q))
			signer_give_up(s, q, err.message);
		return;
	}
	if (type == ANSWER_ERROR && err.code == ERR_TOKEN_UNAVAILABLE && q->type == MSG_ISSUE)
		atomic_fetch_add(&s->ca->counters.refused[ERR_TOKEN_UNAVAILABLE], 1);
	if (type == ANSWER_ERROR)
		signer_answer_error(s, q->id, &err);
	else if (type != ANSWER_LATER)
		signer_answer(s, q->id, (uint16_t)type, out);
	free(q);
}

/* Whose key it needs, and how long it may wait for that. One that is not ours to use does not come back. */
static void prepare(struct signer *s, struct question *q)
{
	struct bytes payload = BYTES(q->payload, q->len);
	if (q->type == MSG_ISSUE)
		q->issuer = signer_issuer_of(s, message_issue_profile(payload));
	else if (q->type == MSG_FRONT_CERTIFICATE)
		q->issuer = signer_issuer_of(s, bytes_of("front"));
	if (q->issuer && !ca_issuer_is_ours(q->issuer))
		q->issuer = NULL;
	if (q->issuer)
		q->until_ms = clock_monotonic_ms() + (int64_t)s->role->config->process.signing_wait_seconds * 1000;
}

void signer_take(struct signer *s, const struct frame *frame)
{
	struct error err = ERR_INIT;
	struct message_session_close close;
	if (frame->type == MSG_SESSION_CLOSE) {
		if (message_session_close_read(frame->payload, &close, &err) == 0)
			ca_session_close(s->sessions, close.session);
		return;
	}
	if (!answerer_of(frame->type)) {
		log_warn("the front asked what is not its to ask", KV("type", message_type_name(frame->type)),
			 KV_INT("number", frame->type));
		(void)err_set(&err, ERR_BAD_REQUEST, "this question is not answered on this channel");
		signer_answer_error(s, frame->id, &err);
		return;
	}
	struct question *q = malloc(sizeof(*q) + frame->payload.len);
	if (q) {
		*q = (struct question){ .type = frame->type, .id = frame->id, .len = frame->payload.len };
		if (q->len)
			memcpy(q->payload, frame->payload.data, q->len);
		prepare(s, q);
		if (signer_lane_push(s, q))
			return;
		free(q);
	}
	(void)err_set(&err, ERR_BUSY, "the signer has more questions than it can take; try again soon");
	signer_answer_error(s, frame->id, &err);
}
