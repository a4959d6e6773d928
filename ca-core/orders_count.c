/* How many orders and deliveries there are, for /metrics: counted at most every few seconds, whoever asks. */
#include "ca-core/orders.h"

#include "base/log.h"

#define FRESH_MS 10000

/* Those that are over are many, and only ever more: the log has them. */
static int count_all(struct ca *ca, struct ca_orders_numbers *out, struct error *err)
{
	auto_store_snapshot *snap = store_snapshot_new(ca->store, err);
	if (!snap)
		return -1;
	for (int status = ORDER_DRAFT; !record_order_is_over((enum record_order_status)status); status++) {
		const uint8_t prefix = (uint8_t)status;
		if (store_count_index(snap, STORE_BY_STATUS, BYTES(&prefix, 1), &out->open[status], err))
			return -1;
	}
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
