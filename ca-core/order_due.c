/* What orders have to do by the clock: found by STORE_BY_DUE and by state, a bounded part at a time. */
#include <stdio.h>

#include "base/log.h"
#include "ca-core/order_issue.h"
#include "ca-core/orders.h"
#include "ca-core/restore.h"

#define REST_MS 60000  /* with nothing due sooner */
#define CLOSED_MS 5000 /* how often those that wait for the validator are looked through while it is away */
#define STUCK_MS 2000  /* after what could not be done */
#define FULL_MS 10000  /* after what had no room */
#define CHUNK 64

/* ---- which are due ---- */

struct found {
	struct ca *ca;
	int64_t now_ms, next_ms; /* next: when the first that is not due yet will be; 0: none is */
	bool closed;             /* the validator cannot be asked now: who waits for it alone is passed over */
	size_t most, count;
	struct record_order record;
	char ids[CHUNK][RECORD_NAME_MAX + 1];
};

static int waits_for_validator(struct found *f, struct bytes value, bool *waits, struct error *err)
{
	*waits = false;
	if (!f->closed)
		return 0;
	if (record_order_decode(value, &f->record, err))
		return -1;
	*waits = f->record.status == ORDER_PENDING_VALIDATION && f->record.expires_s > f->now_ms / 1000;
	return 0;
}

static int visit_due(void *arg, const struct store_row *row, struct error *err)
{
	struct found *f = arg;
	struct reader r = reader_of(row->index_key);
	int64_t due_ms = (int64_t)reader_u64(&r);
	bool waits;
	if (due_ms > f->now_ms) {
		f->next_ms = due_ms;
		return 1;
	}
	if (row->key.len > RECORD_NAME_MAX || ca_orders_under_way(f->ca, row->key))
		return 0;
	if (waits_for_validator(f, row->value, &waits, err))
		return -1;
	if (!waits)
		(void)snprintf(f->ids[f->count++], sizeof(f->ids[0]), "%.*s", (int)row->key.len,
			       (const char *)row->key.data);
	return f->count == f->most;
}

static int find_due(struct found *f, struct error *err)
{
	auto_store_snapshot *snap = store_snapshot_new(f->ca->store, err);
	const struct store_range all = { 0 };
	return !snap || store_scan_index(snap, STORE_BY_DUE, &all, visit_due, f, err) < 0 ? -1 : 0;
}

/* ---- one of them ---- */

/* Looked at: over, back, on; issuer is set where it is ready to be signed. */
static int step_due(struct order_work *w, void *arg, struct error *err)
{
	struct ca_issuer **issuer = arg;
	struct record_order *o = w->order;
	struct error away = ERR_INIT;
	*issuer = NULL;
	if (o->due_ms > w->now_ms || record_order_is_over(o->status))
		return 0;
	switch (o->status) {
	case ORDER_DRAFT:
	case ORDER_PENDING_VALIDATION:
		if (o->expires_s <= order_now_s(w)) {
			order_enter(w, ORDER_EXPIRED, "expired", "nobody completed it in time");
			return order_drop_tbs(w, err);
		}
		if (o->status == ORDER_PENDING_VALIDATION && w->profile && order_send_checks(w, &away) < 0)
			log_debug("check not sent", KV("why", away.message));
		w->changed = w->changed || !w->profile; /* put off */
		return o->status == ORDER_PENDING_VALIDATION && w->profile ? order_mail_codes(w, false, err) : 0;
	case ORDER_PENDING_APPROVAL:
		return order_review(w, err) < 0 ? -1 : 0;
	case ORDER_READY:
	case ORDER_ISSUING:
		if (!w->profile || !(*issuer = ca_issuer_for(w->ca, w->profile)))
			return order_review(w, err) < 0 ? -1 : 0;
		return 0;
	default:
		return 0;
	}
}

/* False where it could not be done now, and stays due; err then says why, or nothing where others are at it. */
static bool do_due(struct ca *ca, struct bytes id, struct error *err)
{
	const struct ca_actor self = ca_actor_self();
	struct ca_issuer *issuer = NULL;
	if (order_change(ca, &self, id, step_due, &issuer, NULL, err))
		return false;
	if (!issuer)
		return true;
	if (!ca_orders_claim(ca, id))
		return false;
	if (ca->on_order_ready && ca->on_order_ready(ca->on_order_ready_arg, id, issuer))
		return true; /* who signs it releases it */
	if (!ca->on_order_ready)
		(void)order_issue_claimed(ca, NULL, id, err);
	ca_orders_release(ca, id);
	return !ca->on_order_ready;
}

static int64_t do_all(struct found *f, int64_t now_ms)
{
	int64_t rest_ms = f->next_ms && f->next_ms - f->now_ms < REST_MS ? f->next_ms - f->now_ms : REST_MS;
	size_t done = 0;
	/* What one cannot do for want of room, the next cannot do either. */
	bool stuck = false;
	for (size_t i = 0; i < f->count && !stuck; i++) {
		struct error err = ERR_INIT;
		bool good = do_due(f->ca, bytes_of(f->ids[i]), &err);
		done += good;
		stuck = !good && (err.code == ERR_STORE_FULL || err.code == ERR_BUSY);
		if (!good && err.code != ERR_NONE)
			log_err(LOG_LEVEL_WARN, "order not looked at", &err);
	}
	if (done < f->count)
		return now_ms + (stuck ? FULL_MS : STUCK_MS);
	if (f->count == f->most)
		return now_ms;
	/* The validator may have been found away by this very round: what it was to be asked is still due. */
	bool closed = f->closed || !ca_orders_open(f->ca);
	return now_ms + (closed && rest_ms > CLOSED_MS ? CLOSED_MS : rest_ms);
}

int64_t ca_orders_due(struct ca *ca, size_t most)
{
	auto_free struct found *f = malloc(sizeof(*f));
	struct error err = ERR_INIT;
	int64_t now_ms = clock_monotonic_ms();
	if (!f || ca_clock_check(ca, ca_now_ms(ca), &err) || ca_restore_check(ca, &err))
		return now_ms + ORDER_RETRY_MS;
	ca_orders_forget_lost(ca);
	f->ca = ca;
	f->now_ms = ca_now_ms(ca);
	f->next_ms = 0;
	f->closed = !ca_orders_open(ca);
	f->most = most < CHUNK ? most : CHUNK;
	f->count = 0;
	if (find_due(f, &err) == 0)
		return do_all(f, now_ms);
	log_err(LOG_LEVEL_ERROR, "due orders not found", &err);
	return now_ms + ORDER_RETRY_MS;
}
