/*
 * Orders in the signer: the front's questions about them, the thread that does what they have to do by the clock, and
 * the signing of those that are ready, in the lane of a token with the issuer's key.
 */
#include <stdio.h>

#include "base/log.h"
#include "base/secret.h"
#include "base/wait.h"
#include "ca-core/explain.h"
#include "ca-core/order_issue.h"
#include "ca-core/order_request.h"
#include "ca-core/orders.h"
#include "ca-core/signer.h"

#define AT_ONCE 64 /* orders, and deliveries, in one round */

/* ---- the front's questions ---- */

enum { FAILED = -1 };

/* Each: the payload read, the session's identity found, the function asked. */
static int answer_create(struct signer *s, const struct question *q, struct buf *out, struct error *err)
{
	struct ca_actor actor;
	auto_free struct message_order_create *m = malloc(sizeof(*m));
	if (!m)
		return err_set(err, ERR_INTERNAL, "no memory for an order");
	if (message_order_create_read(BYTES(q->payload, q->len), m, err) ||
	    ca_session_actor(s->sessions, m->session, &actor, err))
		return FAILED;
	int failed = q->type == MSG_ORDER_CREATE ? ca_order_create(s->ca, &actor, m, out, err)
						 : ca_order_change(s->ca, &actor, m, out, err);
	return failed ? FAILED : MSG_ORDER;
}

static int answer_act(struct signer *s, const struct question *q, struct buf *out, struct error *err)
{
	struct message_order_act m;
	struct ca_actor actor;
	if (message_order_act_read(BYTES(q->payload, q->len), &m, err) ||
	    ca_session_actor(s->sessions, m.session, &actor, err) || ca_order_act(s->ca, &actor, &m, out, err))
		return FAILED;
	return MSG_ORDER;
}

static int answer_decide(struct signer *s, const struct question *q, struct buf *out, struct error *err)
{
	struct message_decide m;
	struct ca_actor actor;
	bool order = q->type == MSG_ORDER_DECIDE;
	if (message_decide_read(BYTES(q->payload, q->len), &m, err) ||
	    ca_session_actor(s->sessions, m.session, &actor, err))
		return FAILED;
	int failed = order ? ca_order_decide(s->ca, &actor, &m, out, err)
			   : ca_organization_decide(s->ca, &actor, &m, out, err);
	return failed ? FAILED : order ? MSG_ORDER : MSG_ORGANIZATION;
}

static int answer_order_list(struct signer *s, const struct question *q, struct buf *out, struct error *err)
{
	struct message_order_list m;
	struct ca_actor actor;
	if (message_order_list_read(BYTES(q->payload, q->len), &m, err) ||
	    ca_session_actor(s->sessions, m.session, &actor, err) || ca_order_list(s->ca, &actor, &m, out, err))
		return FAILED;
	return MSG_ORDERS;
}

static int answer_organization_add(struct signer *s, const struct question *q, struct buf *out, struct error *err)
{
	struct ca_actor actor;
	auto_free struct message_organization *m = malloc(sizeof(*m));
	if (!m)
		return err_set(err, ERR_INTERNAL, "no memory for an organization");
	if (message_organization_read(BYTES(q->payload, q->len), m, err) ||
	    ca_session_actor(s->sessions, m->session, &actor, err) || ca_organization_add(s->ca, &actor, m, out, err))
		return FAILED;
	return MSG_ORGANIZATION;
}

static int organization_list(struct ca *ca, const struct ca_actor *actor, struct bytes id, struct buf *out,
			     struct error *err)
{
	(void)id;
	return ca_organization_list(ca, actor, out, err);
}

/* What is asked by an id alone. */
static int explain(struct ca *ca, const struct ca_actor *actor, struct bytes what, struct buf *out, struct error *err)
{
	auto_buf json = BUF_INIT;
	if (ca_explain(ca, actor, what, &json, err))
		return -1;
	const struct message_name m = { buf_bytes(&json) };
	message_name_write(&m, out);
	return json.failed || out->failed ? err_set(err, ERR_INTERNAL, "the explanation is too large") : 0;
}

static const struct {
	uint16_t type, answer;
	int (*get)(struct ca *ca, const struct ca_actor *actor, struct bytes id, struct buf *out, struct error *err);
} gets[] = {
	{ MSG_ORDER_GET, MSG_ORDER, ca_order_get },
	{ MSG_ORDER_TBS, MSG_BYTES, ca_order_tbs },
	{ MSG_ORGANIZATION_GET, MSG_ORGANIZATION, ca_organization_get },
	{ MSG_ORGANIZATION_RECORD, MSG_BYTES, ca_organization_record },
	{ MSG_ORGANIZATION_LIST, MSG_ORGANIZATIONS, organization_list },
	{ MSG_EXPLAIN, MSG_BYTES, explain },
};

static int answer_get(struct signer *s, const struct question *q, struct buf *out, struct error *err)
{
	struct message_order_get m;
	struct ca_actor actor;
	if (message_order_get_read(BYTES(q->payload, q->len), &m, err) ||
	    ca_session_actor(s->sessions, m.session, &actor, err))
		return FAILED;
	for (size_t i = 0; i < sizeof(gets) / sizeof(gets[0]); i++)
		if (gets[i].type == q->type)
			return gets[i].get(s->ca, &actor, m.id, out, err) ? FAILED : gets[i].answer;
	return err_set(err, ERR_BAD_REQUEST, "this question is not answered on this channel");
}

static const struct {
	uint16_t type;
	int (*answer)(struct signer *s, const struct question *q, struct buf *out, struct error *err);
} rows[] = {
	{ MSG_ORDER_CREATE, answer_create },
	{ MSG_ORDER_CHANGE, answer_create },
	{ MSG_ORDER_ACT, answer_act },
	{ MSG_ORDER_DECIDE, answer_decide },
	{ MSG_ORDER_GET, answer_get },
	{ MSG_ORDER_TBS, answer_get },
	{ MSG_ORDER_LIST, answer_order_list },
	{ MSG_ORGANIZATION_ADD, answer_organization_add },
	{ MSG_ORGANIZATION_DECIDE, answer_decide },
	{ MSG_ORGANIZATION_GET, answer_get },
	{ MSG_ORGANIZATION_RECORD, answer_get },
	{ MSG_ORGANIZATION_LIST, answer_get },
	{ MSG_EXPLAIN, answer_get },
};

signer_answerer *signer_orders_answerer(uint16_t type)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].type == type)
			return rows[i].answer;
	return NULL;
}

/* ---- orders that are ready ---- */

/* A question of our own, to whoever works for the issuer's token: it has no answer. */
static bool hand_over(void *arg, struct bytes id, struct ca_issuer *issuer)
{
	struct signer *s = arg;
	struct question *q = malloc(sizeof(*q) + id.len);
	if (!q)
		return false;
	*q = (struct question){ .type = SIGNER_ISSUE_ORDER, .issuer = issuer, .len = id.len };
	q->until_ms = clock_monotonic_ms() + (int64_t)s->role->config->process.signing_wait_seconds * 1000;
	memcpy(q->payload, id.data, id.len);
	if (signer_lane_push(s, q))
		return true;
	free(q);
	return false;
}

void signer_orders_issue(struct signer *s, struct question *q)
{
	struct error err = ERR_INIT;
	struct bytes id = BYTES(q->payload, q->len);
	(void)order_issue_claimed(s->ca, q->token, id, &err); /* what failed is put off, and in the log */
	signer_orders_drop(s, q);
}

void signer_orders_drop(struct signer *s, struct question *q)
{
	ca_orders_release(s->ca, BYTES(q->payload, q->len));
	free(q);
}

/* ---- by the clock ---- */

static void wake(void *arg)
{
	struct signer *s = arg;
	(void)pthread_mutex_lock(&s->orders.lock);
	s->orders.due = true;
	(void)pthread_cond_signal(&s->orders.changed);
	(void)pthread_mutex_unlock(&s->orders.lock);
}

/* Until something is due. True where the signer stops. */
static bool rest(struct signer_orders *o, int64_t until_ms)
{
	struct timespec until = wait_until(until_ms);
	(void)pthread_mutex_lock(&o->lock);
	while (!o->due && !o->stopping && pthread_cond_timedwait(&o->changed, &o->lock, &until) == 0)
		;
	o->due = false;
	bool stopping = o->stopping;
	(void)pthread_mutex_unlock(&o->lock);
	return stopping;
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void *run(void *arg)
{
	struct signer *s = arg;
	int64_t until_ms, expiring_ms = 0;
	do {
		if (clock_monotonic_ms() >= expiring_ms)
			expiring_ms = ca_notify_expiring(s->ca);
		until_ms = sooner(ca_orders_due(s->ca, AT_ONCE), expiring_ms);
		until_ms = sooner(ca_deliveries_due(s->ca, AT_ONCE), until_ms);
	} while (!rest(&s->orders, until_ms));
	return NULL;
}

static void validated(void *arg, uint64_t id, const struct message_validated *seen)
{
	ca_order_validated(((struct signer *)arg)->ca, id, seen);
}

static void delivered(void *arg, uint64_t id, const struct message_delivered *result)
{
	ca_delivered(((struct signer *)arg)->ca, id, result);
}

static void came(void *arg)
{
	ca_orders_validator_came(((struct signer *)arg)->ca);
}

static void lost(void *arg)
{
	ca_orders_validator_lost(((struct signer *)arg)->ca);
}

static int fetch_webhook_secret(struct signer *s, struct error *err)
{
	char reference[32];
	if (s->role->webhook_secret < 0)
		return 0;
	(void)snprintf(reference, sizeof(reference), "fd:%d", s->role->webhook_secret);
	struct secret *secret = secret_get(reference, "secret of the webhook", err);
	if (!secret)
		return -1;
	ca_webhook_secret_set(s->ca, secret);
	return 0;
}

int signer_orders_start(struct signer *s, struct error *err)
{
	const struct validator_events events = { validated, delivered, came, lost, s };
	(void)pthread_mutex_init(&s->orders.lock, NULL);
	wait_cond_init(&s->orders.changed);
	s->orders.made = true;
	s->ca->on_order_due = wake;
	s->ca->on_order_due_arg = s;
	s->ca->on_order_ready = hand_over;
	s->ca->on_order_ready_arg = s;
	if (fetch_webhook_secret(s, err))
		return -1;
	s->validator = signer_validator_new(s->role->validator, s->role->control, &events, err);
	if (!s->validator)
		return -1;
	const struct ca_validator validator = { signer_validator_send, s->validator };
	ca_validator_set(s->ca, &validator);
	if (signer_thread(&s->orders.thread, run, s, err))
		return -1;
	s->orders.runs = true;
	return 0;
}

void signer_orders_stop(struct signer *s)
{
	struct signer_orders *o = &s->orders;
	if (!o->made)
		return;
	(void)pthread_mutex_lock(&o->lock);
	o->stopping = true;
	(void)pthread_cond_signal(&o->changed);
	(void)pthread_mutex_unlock(&o->lock);
	if (o->runs)
		(void)pthread_join(o->thread, NULL);
	o->runs = false;
	signer_validator_free(TAKE(s->validator));
}

void signer_orders_free(struct signer *s)
{
	if (!s->orders.made)
		return;
	(void)pthread_cond_destroy(&s->orders.changed);
	(void)pthread_mutex_destroy(&s->orders.lock);
	s->orders.made = false;
}
