/* The outbox on its way out: by the validator, tried again where it failed, kept as dead where it failed too often. */
#include <openssl/hmac.h>
#include <stdio.h>

#include "base/log.h"
#include "base/secret.h"
#include "base/text.h"
#include "ca-core/audit.h"
#include "ca-core/order_private.h"
#include "ca-core/orders.h"
#include "store/record_order.h"

#define FIRST_MS ((int64_t)60000)
#define MOST_MS ((int64_t)6 * 3600 * 1000)
#define TRIES_MAX 14 /* about two days */
#define REST_MS 60000
#define CLOSED_MS 5000
#define CHUNK 64

/* ---- sending ---- */

/* What stands behind a key of STORE_DELIVERIES, in hex: 32 digits. */
static struct bytes id_of(struct bytes key, struct buf *out)
{
	text_add_hex(out, key);
	return buf_bytes(out);
}

/* "t=UNIX,v1=HEX" with HMAC-SHA256(secret, "t.body"): who gets it sees that it is from us, and fresh. */
static int sign(struct ca *ca, struct bytes body, struct buf *out, struct error *err)
{
	const struct secret *secret = ca_orders_webhook_secret(ca);
	uint8_t mac[32];
	unsigned mac_len = sizeof(mac);
	auto_buf text = BUF_INIT;
	int64_t now_s = ca_now_ms(ca) / 1000;
	if (!secret)
		return 0;
	buf_printf(&text, "%lld.", (long long)now_s);
	buf_add_bytes(&text, body);
	struct bytes key = secret_bytes(secret);
	bool made = !text.failed && HMAC(EVP_sha256(), key.data, (int)key.len, text.data, text.len, mac, &mac_len);
	if (!made)
		return err_set(err, ERR_INTERNAL, "a webhook could not be signed");
	buf_printf(out, "t=%lld,v1=", (long long)now_s);
	text_add_hex(out, BYTES(mac, mac_len));
	return 0;
}

static int send_one(struct ca *ca, struct bytes key, const struct record_delivery *d, struct error *err)
{
	auto_buf payload = BUF_INIT, signature = BUF_INIT, id = BUF_INIT;
	if (d->kind == DELIVERY_WEBHOOK && sign(ca, d->body, &signature, err))
		return -1;
	const struct message_deliver m = { .kind = (uint8_t)d->kind,
					   .to = d->to,
					   .subject = d->subject,
					   .body = d->body,
					   .signature = buf_bytes(&signature),
					   .id = id_of(key, &id) };
	message_deliver_write(&m, &payload);
	if (payload.failed)
		return err_set(err, ERR_INTERNAL, "a delivery is too large to be sent");
	return ca_orders_send(ca, MSG_DELIVER, m.id, BYTES_NONE, &payload, err);
}

/* ---- which are due ---- */

struct found {
	struct ca *ca;
	int64_t now_ms, next_ms;
	size_t most, sent;
	bool closed;
};

static int visit_due(void *arg, const struct store_row *row, struct error *err)
{
	struct found *f = arg;
	struct record_delivery d;
	struct reader r = reader_of(row->index_key);
	struct error away = ERR_INIT;
	auto_buf id = BUF_INIT;
	int64_t due_ms = (int64_t)reader_u64(&r);
	if (due_ms > f->now_ms) {
		f->next_ms = due_ms;
		return 1;
	}
	if (ca_orders_under_way(f->ca, id_of(row->key, &id)))
		return 0;
	if (record_delivery_decode(row->value, &d, err))
		return -1;
	if (send_one(f->ca, row->key, &d, &away) == 0)
		return ++f->sent == f->most;
	f->closed = true;
	log_debug("delivery not sent", KV("why", away.message));
	return 1;
}

int64_t ca_deliveries_due(struct ca *ca, size_t most)
{
	int64_t now_ms = clock_monotonic_ms();
	struct error err = ERR_INIT;
	struct found f = { .ca = ca, .now_ms = ca_now_ms(ca), .most = most, .closed = !ca_orders_open(ca) };
	auto_store_snapshot *snap = store_snapshot_new(ca->store, &err);
	const struct store_range all = { 0 };
	if (!f.closed && (!snap || store_scan_index(snap, STORE_BY_DELIVERY, &all, visit_due, &f, &err) < 0)) {
		log_err(LOG_LEVEL_ERROR, "due deliveries not found", &err);
		return now_ms + REST_MS;
	}
	if (f.closed)
		return now_ms + CLOSED_MS;
	if (f.sent == most)
		return now_ms;
	return now_ms + (f.next_ms && f.next_ms - f.now_ms < REST_MS ? f.next_ms - f.now_ms : REST_MS);
}

/* ---- what came of it ---- */

static int64_t pause_ms(uint32_t tries)
{
	int64_t pause = FIRST_MS;
	for (uint32_t i = 1; i < tries && pause < MOST_MS; i++)
		pause *= 2;
	return pause < MOST_MS ? pause : MOST_MS;
}

static void tell_dead(struct ca *ca, const struct record_delivery *d, struct store_batch *batch)
{
	const struct ca_actor self = ca_actor_self();
	struct ca_audit_entry entry;
	ca_audit_begin(&entry, ca, "delivery.dead", &self);
	ca_audit_subject(&entry, d->about);
	ca_audit_text(&entry, "kind", bytes_of(d->kind == DELIVERY_MAIL ? "mail" : "webhook"));
	ca_audit_text(&entry, "to", d->to);
	ca_audit_text(&entry, "why", d->error);
	ca_audit_append(&entry, batch);
	log_warn("a delivery is dead: it failed too often, or for good",
		 KV("kind", d->kind == DELIVERY_MAIL ? "mail" : "webhook"));
}

static int settle(struct ca *ca, struct bytes key, const struct message_delivered *result, struct error *err)
{
	auto_store_snapshot *snap = store_snapshot_new(ca->store, err);
	auto_store_batch *batch = store_batch_new(ca->store);
	auto_buf value = BUF_INIT;
	struct record_delivery d;
	struct bytes found_value;
	uint64_t version;
	if (!snap)
		return -1;
	if (!batch)
		return err_set(err, ERR_INTERNAL, "no memory for a delivery");
	int found = store_get(snap, STORE_DELIVERIES, key, &found_value, &version, err);
	if (found <= 0)
		return found;
	if (record_delivery_decode(found_value, &d, err))
		return -1;
	store_expect_version(batch, STORE_DELIVERIES, key, version);
	if (result->good) {
		store_delete(batch, STORE_DELIVERIES, key);
		return store_submit_wait(ca->store, TAKE(batch), NULL, err);
	}
	d.tries++;
	d.error = BYTES(result->text.data, result->text.len < RECORD_ERROR_MAX ? result->text.len : RECORD_ERROR_MAX);
	bool dead = result->final || d.tries >= TRIES_MAX;
	d.due_ms = dead ? 0 : ca_now_ms(ca) + pause_ms(d.tries);
	if (dead)
		tell_dead(ca, &d, batch);
	record_delivery_encode(&d, &value);
	if (value.failed)
		return err_set(err, ERR_INTERNAL, "a delivery cannot be written down");
	store_put(batch, STORE_DELIVERIES, key, buf_bytes(&value));
	return store_submit_wait(ca->store, TAKE(batch), NULL, err);
}

void notify_delivered(struct ca *ca, struct bytes id, const struct message_delivered *result)
{
	struct error err = ERR_INIT;
	auto_buf key = BUF_INIT;
	if (text_parse_hex(id, STORE_KEY_MAX, &key, &err) || settle(ca, buf_bytes(&key), result, &err))
		log_err(LOG_LEVEL_WARN, "what came of a delivery is not on record: it will be made again", &err);
}

/* ---- counted ---- */

int ca_deliveries_count(struct ca *ca, uint64_t *waiting, uint64_t *dead, struct error *err)
{
	auto_store_snapshot *snap = store_snapshot_new(ca->store, err);
	uint64_t total = 0;
	if (!snap || store_count_index(snap, STORE_BY_DELIVERY, BYTES_NONE, waiting, err) ||
	    store_count(snap, STORE_DELIVERIES, &total, err))
		return -1;
	*dead = total - *waiting;
	return 0;
}
