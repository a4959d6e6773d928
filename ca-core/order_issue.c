/* ready -> issuing -> issued: everything once more against the same bytes, then the token, then the commit. */
#include "ca-core/order_issue.h"

#include <stdio.h>

#include "base/log.h"
#include "base/ossl.h"
#include "ca-core/issuance.h"
#include "ca-core/orders.h"
#include "ca-core/request.h"

#define LOOK_UP_MS ((int64_t)60000) /* then a look-up that was not answered is sent again */

/* ---- CAA, within eight hours ---- */

/* 0: all is settled. 1: the order went back, or waits for a look-up that was sent. */
static int look_up_caa(struct order_work *w, struct error *err)
{
	struct record_order *o = w->order;
	struct error away = ERR_INIT;
	bool open = false;
	for (size_t i = 0; i < o->name_count; i++) {
		struct record_order_name *n = &o->names[i];
		if (order_name_is_settled(w->ca, w->profile, n, order_now_s(w)))
			continue;
		if (n->error_code.len) { /* looked up, and in the way: the requester has to act */
			char why[RECORD_ERROR_MAX + 1];
			(void)snprintf(why, sizeof(why), "%.*s", (int)n->error.len,
				       n->error.len ? (const char *)n->error.data : "");
			return order_go_back(w, ORDER_PENDING_VALIDATION, err_class(ERR_CAA_FORBIDS)->slug, why, err)
				       ? -1
				       : 1;
		}
		open = true;
		n->next_check_ms = w->now_ms;
	}
	if (!open)
		return 0;
	w->changed = true;
	w->retry_ms = w->now_ms + (order_send_checks(w, &away) > 0 ? LOOK_UP_MS : ORDER_RETRY_MS);
	return 1;
}

/* ---- ready -> issuing ---- */

struct issue {
	const struct ca_token *prefer;
	bool fixed; /* it is in issuing: its bytes may be signed */
};

static int fix(struct order_work *w, struct issue *i, struct error *err)
{
	struct record_order *o = w->order;
	struct error why = ERR_INIT;
	struct ca_issuer *issuer = ca_request_issuer(w->ca, w->profile, err);
	if (!issuer || !ca_issuer_signer(issuer, err)) /* no serial is taken for a token that is away */
		return -1;
	bool built = o->tbs.len || order_fix_tbs(w, &why) == 0;
	if (built && order_holds(w, &why) == 0) {
		i->fixed = true;
		if (o->status == ORDER_READY)
			order_enter(w, ORDER_ISSUING, NULL, NULL);
		return 0;
	}
	if (order_will_pass(why.code)) {
		*err = why;
		return -1;
	}
	if (!built)
		return order_fail(w, &why, err);
	w->retry_ms = w->now_ms + ORDER_RETRY_MS; /* if it comes back here, then not at once */
	return order_go_back(w, ORDER_PENDING_VALIDATION, err_class(why.code)->slug, why.message, err);
}

/* Everything that was decided, looked at once more; then the bytes are fixed for good. */
static int step_fix(struct order_work *w, void *arg, struct error *err)
{
	struct issue *i = arg;
	const struct record_order *o = w->order;
	i->fixed = false;
	if ((o->status != ORDER_READY && o->status != ORDER_ISSUING) || o->due_ms > w->now_ms)
		return 0; /* somebody else was here, or it is not time */
	int back = order_review(w, err);
	if (back == 0)
		back = look_up_caa(w, err);
	if (back)
		return back < 0 ? -1 : 0;
	return fix(w, i, err);
}

/* ---- issuing -> issued ---- */

struct signing {
	struct order_work *w;
	struct ca_issuance *i;
	pthread_mutex_t lock;
	pthread_cond_t answered_cond;
	bool answered, failed;
	struct error *err;
};

static void answered(void *arg, const struct message_issued *issued, const struct error *err)
{
	struct signing *s = arg;
	(void)pthread_mutex_lock(&s->lock);
	s->answered = true;
	s->failed = issued == NULL;
	if (err)
		*s->err = *err;
	(void)pthread_cond_signal(&s->answered_cond);
	(void)pthread_mutex_unlock(&s->lock);
}

/* In the batch of the certificate: the order is issued. */
static int put_issued(void *arg, struct store_batch *batch, const struct ca_issuance *i, struct error *err)
{
	struct order_work *w = arg;
	struct record_order *o = w->order;
	auto_buf value = BUF_INIT;
	struct ca_audit_entry entry;
	uint8_t hash[32];
	order_tbs_hash(o, hash);
	o->status = ORDER_ISSUED;
	o->issuer = bytes_of(i->issuer->config->name);
	o->certificate = BYTES(i->serial.octets, i->serial.len);
	o->tbs = o->serial = o->failure = o->failure_code = BYTES_NONE;
	o->changed_ms = w->now_ms;
	o->due_ms = 0;
	record_order_encode(o, &value);
	if (value.failed)
		return err_set(err, ERR_INTERNAL, "an issued order cannot be written down");
	store_expect_version(batch, STORE_ORDERS, o->id, w->version);
	store_put(batch, STORE_ORDERS, o->id, buf_bytes(&value));
	order_tell(w, "order.issued", &entry);
	ca_audit_hex(&entry, "tbs", BYTES(hash, sizeof(hash)));
	ca_audit_hex(&entry, "serial", o->certificate);
	ca_audit_append(&entry, batch);
	ca_notify_order(w->ca, o, "order.issued", batch);
	return 0;
}

static int fill_issuance(struct order_work *w, struct ca_issuance *i, struct error *err)
{
	const struct record_order *o = w->order;
	struct ca_certificate_facts facts;
	if (ca_tbs_read(o->tbs, &facts, err) || ca_key_parse(facts.spki, &i->key, err) ||
	    order_names(o, &i->names, err))
		return -1;
	i->profile = w->profile;
	i->issuer = ca_issuer_find(w->ca, o->issuer);
	i->spki = facts.spki;
	i->not_before_s = facts.not_before_s;
	i->not_after_s = facts.not_after_s;
	buf_add_bytes(&i->subject, facts.subject);
	buf_add_bytes(&i->tbs, o->tbs);
	(void)snprintf(i->requester, sizeof(i->requester), "%.*s", (int)o->requester.len,
		       (const char *)o->requester.data);
	memcpy(i->csr_hash, o->csr_hash, sizeof(i->csr_hash));
	i->has_csr = true;
	memcpy(i->serial.octets, o->serial.data, o->serial.len);
	i->serial.len = (uint8_t)o->serial.len;
	i->order = o->id;
	i->approved = o->approval_count > 0;
	i->extend = put_issued;
	i->extend_arg = w;
	return i->issuer ? ca_issuance_signer(i, err)
			 : err_set(err, ERR_CONFIG, "the issuer of the order is not configured any more");
}

/* Waits for the commit: the caller is a thread of ours that has the time. */
static int sign_and_commit(struct order_work *w, const struct ca_token *prefer, struct error *err)
{
	struct signing s = {
		.w = w, .lock = PTHREAD_MUTEX_INITIALIZER, .answered_cond = PTHREAD_COND_INITIALIZER, .err = err
	};
	struct ca_issuance *i = ca_issuance_new(w->ca, w->actor, err);
	if (!i)
		return -1;
	i->anywhere = prefer == NULL;
	i->token = prefer;
	i->done = answered;
	i->arg = &s;
	if (fill_issuance(w, i, err) || ca_issuance_sign(i, err) || ca_issuance_commit(i, err)) {
		ca_issuance_free(i);
		return -1;
	}
	(void)pthread_mutex_lock(&s.lock);
	while (!s.answered)
		(void)pthread_cond_wait(&s.answered_cond, &s.lock);
	(void)pthread_mutex_unlock(&s.lock);
	if (s.failed)
		return -1;
	ca_orders_wake(w->ca); /* with the commit came what is told of it */
	return 0;
}

/* The last look: nothing of what was read to fix the bytes may have changed since, and the time is not over. */
static int still_in_time(const struct order_work *w, struct error *err)
{
	if (w->order->approve_before_s > ca_now_ms(w->ca) / 1000)
		return 0;
	return err_set(err, ERR_ORDER_STATE, "the time for signing these bytes is over");
}

/* ---- later, or not at all ---- */

static int step_later(struct order_work *w, void *arg, struct error *err)
{
	const int64_t *pause_ms = arg;
	(void)err;
	if (w->order->status != ORDER_READY && w->order->status != ORDER_ISSUING)
		return 0;
	w->retry_ms = w->now_ms + *pause_ms;
	w->changed = true;
	return 0;
}

/* The token is away, or failed while it signed: the same bytes are signed when it is back. */
static void try_later(struct ca *ca, struct bytes id, const struct error *why)
{
	int64_t pause_ms = ORDER_RETRY_MS;
	struct error err = ERR_INIT;
	const struct ca_actor self = ca_actor_self();
	log_err(LOG_LEVEL_WARN, "order not issued yet", why);
	if (order_change(ca, &self, id, step_later, &pause_ms, NULL, &err))
		log_err(LOG_LEVEL_WARN, "order not put off", &err);
}

int order_issue_claimed(struct ca *ca, const struct ca_token *prefer, struct bytes id, struct error *err)
{
	const struct ca_actor self = ca_actor_self();
	struct issue i = { .prefer = prefer };
	if (order_change(ca, &self, id, step_fix, &i, NULL, err)) {
		try_later(ca, id, err);
		return -1;
	}
	if (!i.fixed)
		return 0;
	auto_order_work *w = order_work_new(ca, &self, err);
	if (!w || order_work_load(w, id, err))
		return -1;
	if (w->order->status != ORDER_ISSUING || !w->profile)
		return 0;
	if (still_in_time(w, err) || sign_and_commit(w, prefer, err)) {
		try_later(ca, id, err);
		return -1;
	}
	return 0;
}

int order_issue(struct ca *ca, const struct ca_token *prefer, struct bytes id, struct error *err)
{
	if (!ca_orders_claim(ca, id))
		return 0;
	int result = order_issue_claimed(ca, prefer, id, err);
	ca_orders_release(ca, id);
	return result;
}
