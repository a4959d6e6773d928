/* Orders of an organization whose record has changed: looked at once more, each in a change of its own. */
#include <stdio.h>

#include "base/log.h"
#include "ca-core/order_private.h"
#include "ca-core/organization_private.h"

#define CHUNK 64

struct search {
	struct bytes organization;
	struct record_order record;
	char ids[CHUNK][RECORD_NAME_MAX + 1];
	size_t count;
	struct buf last_index_key, last_key;
	bool more;
};

static int visit(void *arg, const struct store_row *row, struct error *err)
{
	struct search *s = arg;
	if (s->count == CHUNK) {
		s->more = true;
		return 1;
	}
	buf_clear(&s->last_index_key);
	buf_add_bytes(&s->last_index_key, row->index_key);
	buf_clear(&s->last_key);
	buf_add_bytes(&s->last_key, row->key);
	if (record_order_decode(row->value, &s->record, err))
		return -1;
	if (bytes_equal(s->record.organization, s->organization))
		(void)snprintf(s->ids[s->count++], sizeof(s->ids[0]), "%.*s", (int)row->key.len,
			       (const char *)row->key.data);
	return 0;
}

/* What waits for the record goes on by order_advance; what people decided is held against it. */
static int step_look(struct order_work *w, void *arg, struct error *err)
{
	bool decided = w->order->status == ORDER_PENDING_APPROVAL || w->order->status == ORDER_READY;
	(void)arg;
	return decided && order_review(w, err) < 0 ? -1 : 0;
}

static void look_at_found(struct ca *ca, struct search *s)
{
	const struct ca_actor self = ca_actor_self();
	for (size_t i = 0; i < s->count; i++) {
		struct error err = ERR_INIT;
		if (order_change(ca, &self, bytes_of(s->ids[i]), step_look, NULL, NULL, &err))
			log_err(LOG_LEVEL_WARN, "order of a changed organization not looked at", &err);
	}
}

static int look_at_status(struct ca *ca, struct search *s, enum record_order_status status, struct error *err)
{
	const uint8_t prefix = (uint8_t)status;
	buf_clear(&s->last_index_key);
	buf_clear(&s->last_key);
	do {
		auto_store_snapshot *snap = store_snapshot_new(ca->store, err);
		auto_buf from = BUF_INIT, after = BUF_INIT;
		buf_add_bytes(&from, buf_bytes(&s->last_index_key));
		buf_add_bytes(&after, buf_bytes(&s->last_key));
		const struct store_range range = { .prefix = BYTES(&prefix, 1),
						   .from = buf_bytes(&from),
						   .after_key = buf_bytes(&after) };
		s->count = 0;
		s->more = false;
		if (!snap || store_scan_index(snap, STORE_BY_STATUS, &range, visit, s, err) < 0)
			return -1;
		look_at_found(ca, s);
	} while (s->more);
	return 0;
}

void ca_orders_organization_changed(struct ca *ca, struct bytes id)
{
	static const enum record_order_status open[] = { ORDER_PENDING_VALIDATION, ORDER_PENDING_APPROVAL,
							 ORDER_READY };
	struct error err = ERR_INIT;
	struct search *s = calloc(1, sizeof(*s));
	if (!s)
		return; /* each is looked at before it is signed anyway */
	s->organization = id;
	for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++)
		if (look_at_status(ca, s, open[i], &err))
			log_err(LOG_LEVEL_WARN, "orders of a changed organization not looked at", &err);
	buf_free(&s->last_index_key);
	buf_free(&s->last_key);
	free(s);
}
