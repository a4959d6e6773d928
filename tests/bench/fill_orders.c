/*
 * fill_orders DIR N SECONDS: N orders of one name each that wait for a name to be shown, as they stand after a day: the
 * next check of each within SECONDS, which is the pace that checks have backed off to.
 */
#include <openssl/rand.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "store/record_order.h"
#include "store/store.h"

#define DAY_MS ((int64_t)86400 * 1000)
#define IN_FLIGHT 64
#define TRIES 20 /* the pace does not get slower any more */

struct filler {
	struct store *store;
	sem_t places; /* batches that may be in flight */
	_Atomic uint64_t failed;
	uint64_t count, spread_ms;
	struct record_order *order;
	struct buf record;
};

static void done(void *arg, const struct store_outcome *outcome)
{
	struct filler *f = arg;
	if (outcome->result != STORE_COMMITTED)
		f->failed++;
	(void)sem_post(&f->places);
}

static void write_record(struct filler *f, uint64_t number, char id[32])
{
	struct record_order *o = f->order;
	uint8_t spki[91];
	char name[64];
	int64_t now_ms = clock_system().now_ms(NULL);
	(void)RAND_bytes(spki, sizeof(spki));
	(void)RAND_bytes(o->nonce, sizeof(o->nonce));
	(void)snprintf(id, 32, "bench-%08llu", (unsigned long long)number);
	(void)snprintf(name, sizeof(name), "dns:host-%llu.bench.example.org", (unsigned long long)number);
	o->id = bytes_of(id);
	o->status = ORDER_PENDING_VALIDATION;
	o->profile = bytes_of("server-dv");
	o->requester = bytes_of("alice");
	o->created_ms = o->changed_ms = now_ms - DAY_MS;
	o->expires_s = (now_ms + 29 * DAY_MS) / 1000;
	o->spki = BYTES(spki, sizeof(spki));
	o->due_ms = now_ms + (int64_t)(number * f->spread_ms / f->count);
	o->name_count = 1;
	o->names[0] = (struct record_order_name){ .name = bytes_of(name),
						  .status = AUTHORIZATION_PENDING,
						  .methods = METHOD_DNS_TXT | METHOD_DNS_CNAME | METHOD_HTTP,
						  .checked_ms = now_ms - (int64_t)f->spread_ms,
						  .next_check_ms = o->due_ms,
						  .tries = TRIES,
						  .error_code = bytes_of("nxdomain"),
						  .error = bytes_of("dns-txt: NXDOMAIN") };
	buf_clear(&f->record);
	record_order_encode(o, &f->record);
}

static int add_one(struct filler *f, uint64_t number, struct error *err)
{
	char id[32];
	write_record(f, number, id);
	if (f->record.failed)
		return err_set(err, ERR_INTERNAL, "an order breaks a rule of its record");
	struct store_batch *batch = store_batch_new(f->store);
	if (!batch)
		return err_set(err, ERR_INTERNAL, "no memory");
	store_expect_absent(batch, STORE_ORDERS, bytes_of(id));
	store_put(batch, STORE_ORDERS, bytes_of(id), buf_bytes(&f->record));
	(void)sem_wait(&f->places);
	return store_submit(f->store, batch, done, f, err);
}

static int fill(struct filler *f, struct error *err)
{
	(void)sem_init(&f->places, 0, IN_FLIGHT);
	for (uint64_t i = 0; i < f->count; i++)
		if (add_one(f, i, err))
			return -1;
	for (unsigned i = 0; i < IN_FLIGHT; i++)
		(void)sem_wait(&f->places);
	return f->failed ? err_set(err, ERR_INTERNAL, "some batches failed") : 0;
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		(void)fprintf(stderr, "usage: fill_orders DIR N SECONDS\n");
		return 2;
	}
	struct error err = ERR_INIT;
	struct filler f = { .record = BUF_INIT,
			    .count = strtoull(argv[2], NULL, 10),
			    .spread_ms = strtoull(argv[3], NULL, 10) * 1000,
			    .order = calloc(1, sizeof(struct record_order)) };
	const struct store_options options = { .path = argv[1], .node = "ca1", .clock = clock_system() };
	int rc = f.order && f.count ? 0 : err_set(&err, ERR_INTERNAL, "no memory, or no orders");
	if (rc == 0) {
		f.store = store_open(&options, &err);
		rc = f.store ? fill(&f, &err) : -1;
		store_close(f.store);
	}
	buf_free(&f.record);
	free(f.order);
	if (rc)
		(void)fprintf(stderr, "fill_orders: %s\n", err.message);
	return rc ? 1 : 0;
}
