#include "base/log.h"
#include "store/private.h"
#include "store/record_order.h"

#define EXPIRE_MAX 500 /* records forgotten in one commit */
#define DEAD_DELIVERY_MS ((int64_t)30 * 86400 * 1000)

/* Collects into one batch. */
struct expiry {
	struct store_batch *batch;
	int64_t now_ms;
	size_t count;
};

/* 0 to go on, 1: the batch is full. */
static int forget(struct expiry *e, enum store_table table, struct bytes key)
{
	if (e->count == EXPIRE_MAX)
		return 1;
	store_delete(e->batch, table, key);
	e->count++;
	return 0;
}

static int visit_request(void *arg, const struct store_row *row, struct error *err)
{
	struct expiry *e = arg;
	struct record_request request;
	if (record_request_decode(row->value, &request, err))
		return -1;
	return request.expires_s < e->now_ms / 1000 ? forget(e, STORE_REQUESTS, row->key) : 1;
}

static int visit_authorization(void *arg, const struct store_row *row, struct error *err)
{
	struct expiry *e = arg;
	struct record_authorization authorization;
	if (record_authorization_decode(row->value, &authorization, err))
		return -1;
	return authorization.expires_s < e->now_ms / 1000 ? forget(e, STORE_AUTHORIZATIONS, row->key) : 1;
}

/* Oldest first, as their keys begin. One that is tried still stays, however old. */
static int visit_delivery(void *arg, const struct store_row *row, struct error *err)
{
	struct expiry *e = arg;
	struct record_delivery delivery;
	if (record_delivery_decode(row->value, &delivery, err))
		return -1;
	if (delivery.created_ms >= e->now_ms - DEAD_DELIVERY_MS)
		return 1;
	return delivery.due_ms ? 0 : forget(e, STORE_DELIVERIES, row->key);
}

static int collect(struct store *s, struct expiry *e, struct error *err)
{
	auto_store_snapshot *snap = store_snapshot_new(s, err);
	const struct store_range all = { .reverse = false };
	if (!snap || store_scan_index(snap, STORE_BY_EXPIRY, &all, visit_request, e, err) ||
	    store_scan_index(snap, STORE_BY_LAPSE, &all, visit_authorization, e, err))
		return -1;
	return store_scan(snap, STORE_DELIVERIES, &all, visit_delivery, e, err);
}

struct store_batch *expire_batch(struct store *s)
{
	struct error err = ERR_INIT;
	auto_store_batch *batch = store_batch_new(s);
	if (!batch)
		return NULL;
	struct expiry e = { batch, clock_now_ms(&s->clock), 0 };
	if (collect(s, &e, &err)) {
		log_err(LOG_LEVEL_ERROR, "cannot forget old records", &err);
		return NULL;
	}
	if (e.count == EXPIRE_MAX) { /* there are more: again with the next commit */
		atomic_store(&s->expire_wanted, true);
		writer_kick(s);
	}
	store_use_reserve(batch);
	return e.count > 0 && batch->failed == ERR_NONE && !batch->bytes.failed ? TAKE(batch) : NULL;
}
