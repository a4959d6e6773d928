/* How many orders and deliveries there are, for /metrics: counted at most every few seconds, whoever asks. */
#include "ca-core/orders.h"

#include "base/log.h"

#define FRESH_MS 10000

static int visit_count(void *arg, const struct store_row *row, struct error *err)
{
	uint64_t *count = arg;
	(void)row;
	(void)err;
	++*count;
	return 0;
}

static int count_status(struct store_snapshot *snap, enum record_order_status status, uint64_t *count,
			struct error *err)
{
	const uint8_t prefix = (uint8_t)status;
	const struct store_range range = { .prefix = BYTES(&prefix, 1) };
	return store_scan_index(snap, STORE_BY_STATUS, &range, visit_count, count, err) < 0 ? -1 : 0;
}

/* Those that are over are many, and only ever more: the log has them. */
static int count_all(struct ca *ca, struct ca_orders_numbers *out, struct error *err)
{
	auto_store_snapshot *snap = store_snapshot_new(ca->store, err);
	if (!snap)
		return -1;
	for (int status = ORDER_DRAFT; !record_order_is_over((enum record_order_status)status); status++)
		if (count_status(snap, (enum record_order_status)status, &out->open[status], err))
			return -1;
	return ca_deliveries_count(ca, &out->deliveries_waiting, &out->deliveries_dead, err);
}

void ca_orders_numbers(struct ca *ca, struct ca_orders_numbers *out)
{
	struct error err = ERR_INIT;
	if (ca_orders_numbers_kept(ca, FRESH_MS, out))
		return;
	*out = (struct ca_orders_numbers){ 0 };
	if (count_all(ca, out, &err))
		log_err(LOG_LEVEL_WARN, "orders not counted", &err);
	ca_orders_numbers_keep(ca, out);
}
