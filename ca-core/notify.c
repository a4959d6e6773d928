/* What goes out by mail and webhook: written to the outbox in the batch of what it tells of. */
#include "ca-core/notify.h"

#include <openssl/rand.h>
#include <stdio.h>

#include "base/log.h"
#include "base/ossl.h"
#include "base/text.h"
#include "ca-core/audit.h"
#include "ca-core/order_private.h"

#define DAY_S ((int64_t)24 * 3600)
#define PER_RUN 200 /* certificates told of in one batch */

/* ---- the outbox ---- */

/* created, 8 octets, random, 8 octets: the order of time, and none twice. */
static int put_delivery(const struct record_delivery *d, struct store_batch *batch, struct error *err)
{
	auto_buf key = BUF_INIT, value = BUF_INIT;
	uint64_t random = 0;
	if (RAND_bytes((unsigned char *)&random, sizeof(random)) != 1)
		return err_openssl(err, ERR_INTERNAL, "no random number for a delivery");
	record_key_u64(&key, (uint64_t)d->created_ms);
	record_key_u64(&key, random);
	record_delivery_encode(d, &value);
	if (key.failed || value.failed)
		return err_set(err, ERR_INTERNAL, "a delivery cannot be written down");
	store_expect_absent(batch, STORE_DELIVERIES, buf_bytes(&key));
	store_put(batch, STORE_DELIVERIES, buf_bytes(&key), buf_bytes(&value));
	return 0;
}

int notify_mail(struct ca *ca, struct bytes addresses, const char *subject, struct bytes text, struct bytes about,
		struct store_batch *batch, struct error *err)
{
	int64_t now_ms = ca_now_ms(ca);
	while (ca->config->mail.server[0] && addresses.len) {
		const uint8_t *comma = memchr(addresses.data, ',', addresses.len);
		size_t len = comma ? (size_t)(comma - addresses.data) : addresses.len;
		const struct record_delivery d = { .kind = DELIVERY_MAIL,
						   .to = BYTES(addresses.data, len),
						   .subject = bytes_of(subject),
						   .body = text,
						   .about = about,
						   .created_ms = now_ms,
						   .due_ms = now_ms };
		if (len && put_delivery(&d, batch, err))
			return -1;
		addresses = comma ? BYTES(comma + 1, addresses.len - len - 1) : BYTES_NONE;
	}
	return 0;
}

/* The configured webhook; nothing where there is none. */
static int call_webhook(struct ca *ca, const char *event, struct bytes json, struct bytes about,
			struct store_batch *batch, struct error *err)
{
	int64_t now_ms = ca_now_ms(ca);
	const struct record_delivery d = { .kind = DELIVERY_WEBHOOK,
					   .to = bytes_of(ca->config->notify.webhook),
					   .subject = bytes_of(event),
					   .body = json,
					   .about = about,
					   .created_ms = now_ms,
					   .due_ms = now_ms };
	return d.to.len ? put_delivery(&d, batch, err) : 0;
}

static void add_member(struct buf *out, const char *key, struct bytes value)
{
	buf_printf(out, "%s\"%s\":", out->len > 1 ? "," : "", key);
	ca_audit_json_text(out, value);
}

static void add_names(struct buf *out, const struct bytes *names, size_t count)
{
	buf_add_text(out, ",\"names\":[");
	for (size_t i = 0; i < count; i++) {
		if (i)
			buf_u8(out, ',');
		ca_audit_json_text(out, names[i]);
	}
	buf_u8(out, ']');
}

/* Names of identities may be mail addresses; then they are their own. */
static void add_identity(struct bytes identity, struct buf *addresses)
{
	struct ca_name mail;
	struct error ignored = ERR_INIT;
	if (identity.len && memchr(identity.data, '@', identity.len) && ca_name_email(identity, &mail, &ignored) == 0)
		buf_printf(addresses, "%s%.*s", addresses->len ? "," : "", (int)identity.len,
			   (const char *)identity.data);
}

static void add_contacts(const struct record_order *o, struct buf *addresses)
{
	for (size_t i = 0; i < o->contact_count; i++)
		buf_printf(addresses, "%s%.*s", addresses->len ? "," : "", (int)o->contacts[i].mail.len,
			   (const char *)o->contacts[i].mail.data);
	add_identity(o->requester, addresses);
}

/* ---- orders ---- */

static void order_text(const struct record_order *o, struct buf *text)
{
	buf_printf(text, "Order %.*s is %s now.\n\nProfile: %.*s\nRequester: %.*s\nNames:\n", (int)o->id.len,
		   (const char *)o->id.data, record_order_status_name(o->status), (int)o->profile.len,
		   (const char *)o->profile.data, (int)o->requester.len, (const char *)o->requester.data);
	for (size_t i = 0; i < o->name_count && i < 100; i++)
		buf_printf(text, "    %.*s\n", (int)o->names[i].name.len, (const char *)o->names[i].name.data);
	if (o->failure.len)
		buf_printf(text, "\n%.*s\n", (int)o->failure.len, (const char *)o->failure.data);
	if (o->status == ORDER_ISSUED) {
		buf_add_text(text, "\nSerial number of the certificate: ");
		text_add_hex(text, o->certificate);
		buf_u8(text, '\n');
	}
	buf_printf(text, "\n    chancery order show %.*s\n", (int)o->id.len, (const char *)o->id.data);
}

static void order_json(const struct record_order *o, const char *event, int64_t now_s, struct buf *out)
{
	char time[CLOCK_TEXT_SIZE];
	auto_buf serial = BUF_INIT;
	buf_u8(out, '{');
	add_member(out, "event", bytes_of(event));
	add_member(out, "time", bytes_of(clock_rfc3339(now_s, time)));
	add_member(out, "order", o->id);
	add_member(out, "status", bytes_of(record_order_status_name(o->status)));
	add_member(out, "profile", o->profile);
	add_member(out, "requester", o->requester);
	if (o->organization.len)
		add_member(out, "organization", o->organization);
	if (o->failure_code.len)
		add_member(out, "code", o->failure_code);
	if (o->failure.len)
		add_member(out, "detail", o->failure);
	text_add_hex(&serial, o->certificate);
	if (serial.len)
		add_member(out, "certificate", buf_bytes(&serial));
	buf_add_text(out, ",\"names\":[");
	for (size_t i = 0; i < o->name_count; i++) {
		if (i)
			buf_u8(out, ',');
		ca_audit_json_text(out, o->names[i].name);
	}
	buf_add_text(out, "]}");
}

/* A state that passes by itself is not told of. */
static bool is_news(enum record_order_status status)
{
	return status != ORDER_DRAFT && status != ORDER_READY && status != ORDER_ISSUING;
}

void ca_notify_order(struct ca *ca, const struct record_order *o, const char *event, struct store_batch *batch)
{
	struct error err = ERR_INIT;
	auto_buf addresses = BUF_INIT, text = BUF_INIT, json = BUF_INIT;
	char subject[128];
	if (!is_news(o->status))
		return;
	(void)snprintf(subject, sizeof(subject), "Order %.*s: %s", (int)o->id.len, (const char *)o->id.data,
		       record_order_status_name(o->status));
	if (ca->config->notify.mail && ca->config->mail.server[0]) {
		add_contacts(o, &addresses);
		order_text(o, &text);
		if (notify_mail(ca, buf_bytes(&addresses), subject, buf_bytes(&text), o->id, batch, &err))
			log_err(LOG_LEVEL_WARN, "nobody is told by mail", &err);
	}
	if (!ca->config->notify.webhook[0])
		return;
	order_json(o, event, ca_now_ms(ca) / 1000, &json);
	if (call_webhook(ca, event, buf_bytes(&json), o->id, batch, &err))
		log_err(LOG_LEVEL_WARN, "nobody is told by webhook", &err);
}

/* ---- certificates that are about to end ---- */

struct expiring {
	struct ca *ca;
	unsigned days;
	int64_t until_s; /* those that end no later */
	int64_t told_s;  /* all that end no later than this were told of */
	size_t count;
	struct store_snapshot *snap;
	struct store_batch *batch;
	struct record_certificate record;
	struct record_order order;
};

static void certificate_json(const struct expiring *x, struct bytes serial, struct buf *out)
{
	const struct record_certificate *r = &x->record;
	char time[CLOCK_TEXT_SIZE], end[CLOCK_TEXT_SIZE];
	buf_u8(out, '{');
	add_member(out, "event", bytes_of("certificate.expiring"));
	add_member(out, "time", bytes_of(clock_rfc3339(ca_now_ms(x->ca) / 1000, time)));
	add_member(out, "certificate", serial);
	add_member(out, "notAfter", bytes_of(clock_rfc3339(r->not_after_s, end)));
	buf_printf(out, ",\"days\":%u", x->days);
	add_member(out, "profile", r->profile);
	add_member(out, "requester", r->requester);
	if (r->order.len)
		add_member(out, "order", r->order);
	add_names(out, r->names, r->name_count);
	buf_u8(out, '}');
}

static int add_addresses(struct expiring *x, struct buf *addresses, struct error *err)
{
	struct bytes value;
	if (!x->record.order.len) {
		add_identity(x->record.requester, addresses);
		return 0;
	}
	int found = store_get(x->snap, STORE_ORDERS, x->record.order, &value, NULL, err);
	if (found < 0 || (found && record_order_decode(value, &x->order, err)))
		return -1;
	if (found)
		add_contacts(&x->order, addresses);
	return 0;
}

static int tell_certificate(struct expiring *x, struct error *err)
{
	const struct record_certificate *r = &x->record;
	struct ca *ca = x->ca;
	char time[CLOCK_TEXT_SIZE], subject[128];
	auto_buf json = BUF_INIT, serial = BUF_INIT, text = BUF_INIT, addresses = BUF_INIT;
	text_add_hex(&serial, r->serial);
	certificate_json(x, buf_bytes(&serial), &json);
	x->count++;
	if (call_webhook(ca, "certificate.expiring", buf_bytes(&json), buf_bytes(&serial), x->batch, err))
		return -1;
	if (!ca->config->notify.mail)
		return 0;
	(void)snprintf(subject, sizeof(subject), "A certificate ends in %u day%s", x->days, x->days == 1 ? "" : "s");
	buf_printf(&text, "Certificate %s ends at %s.\n\nProfile: %.*s\nRequester: %.*s\nNames:\n", buf_text(&serial),
		   clock_rfc3339(r->not_after_s, time), (int)r->profile.len, (const char *)r->profile.data,
		   (int)r->requester.len, (const char *)r->requester.data);
	for (size_t i = 0; i < r->name_count && i < 100; i++)
		buf_printf(&text, "    %.*s\n", (int)r->names[i].len, (const char *)r->names[i].data);
	buf_printf(&text, "\n    chancery renew %s\n", buf_text(&serial));
	return add_addresses(x, &addresses, err) || notify_mail(ca, buf_bytes(&addresses), subject, buf_bytes(&text),
								buf_bytes(&serial), x->batch, err)
		       ? -1
		       : 0;
}

/* Our own are renewed by ourselves. One that was made with less time to go was never further from its end. */
static bool is_told(const struct expiring *x)
{
	const struct record_certificate *r = &x->record;
	return r->status == RECORD_VALID && !bytes_are(r->requester, "ca") && !bytes_are(r->requester, "front") &&
	       r->not_after_s - r->not_before_s > (int64_t)x->days * DAY_S;
}

static int visit_expiring(void *arg, const struct store_row *row, struct error *err)
{
	struct expiring *x = arg;
	struct reader key = reader_of(row->index_key);
	int64_t end_s = (int64_t)reader_u64(&key);
	if (end_s > x->until_s || (x->count >= PER_RUN && end_s > x->told_s))
		return 1;
	if (record_certificate_decode(row->value, &x->record, err))
		return -1;
	x->told_s = end_s;
	return is_told(x) ? tell_certificate(x, err) : 0;
}

/* A threshold's mark: all that end no later were told of. */
static void mark_key(unsigned days, struct buf *out)
{
	buf_printf(out, "notify/expiring/%u", days);
}

static int read_mark(struct expiring *x, uint64_t *version, struct error *err)
{
	auto_buf key = BUF_INIT;
	struct bytes value;
	mark_key(x->days, &key);
	int found = store_get(x->snap, STORE_META, buf_bytes(&key), &value, version, err);
	if (found < 0)
		return -1;
	struct reader r = reader_of(found ? value : BYTES_NONE);
	x->told_s = found ? (int64_t)reader_u64(&r) : x->until_s - DAY_S;
	if (!found)
		*version = 0;
	return found && !reader_done(&r) ? err_set(err, ERR_INTEGRITY, "the mark of notices is damaged") : 0;
}

static int put_mark(struct expiring *x, uint64_t version, struct error *err)
{
	auto_buf key = BUF_INIT, value = BUF_INIT;
	mark_key(x->days, &key);
	buf_u64(&value, (uint64_t)x->told_s);
	if (version)
		store_expect_version(x->batch, STORE_META, buf_bytes(&key), version);
	else
		store_expect_absent(x->batch, STORE_META, buf_bytes(&key));
	store_put(x->batch, STORE_META, buf_bytes(&key), buf_bytes(&value));
	return store_submit_wait(x->ca->store, TAKE(x->batch), NULL, err);
}

/* 1: there are more. */
static int tell_threshold(struct expiring *x, struct error *err)
{
	uint64_t version = 0;
	auto_buf from = BUF_INIT;
	auto_store_snapshot *snap = store_snapshot_new(x->ca->store, err);
	auto_store_batch *batch = store_batch_new(x->ca->store);
	if (!snap)
		return -1;
	if (!batch)
		return err_set(err, ERR_INTERNAL, "no memory for notices");
	x->snap = snap;
	x->batch = batch;
	x->count = 0;
	x->until_s = ca_now_ms(x->ca) / 1000 + (int64_t)x->days * DAY_S;
	if (read_mark(x, &version, err))
		return -1;
	int64_t before_s = x->told_s;
	record_key_u64(&from, (uint64_t)x->told_s + 1);
	const struct store_range range = { .from = buf_bytes(&from) };
	if (store_scan_index(snap, STORE_BY_NOT_AFTER, &range, visit_expiring, x, err) < 0)
		return -1;
	bool more = x->count >= PER_RUN;
	if (!more)
		x->told_s = x->until_s;
	/* A mark once a minute is enough where there was nothing to tell. */
	if (x->count == 0 && version && x->told_s - before_s < 60)
		return 0;
	batch = NULL; /* put_mark submits it */
	return put_mark(x, version, err) ? -1 : more;
}

int64_t ca_notify_expiring(struct ca *ca)
{
	const int64_t hour_ms = 3600000;
	int64_t now_ms = clock_monotonic_ms();
	const struct ca_config_notify *n = &ca->config->notify;
	struct error err = ERR_INIT;
	if (!n->expiry_count || (!n->webhook[0] && (!n->mail || !ca->config->mail.server[0])))
		return now_ms + hour_ms;
	auto_free struct expiring *x = calloc(1, sizeof(*x));
	bool more = false;
	if (!x)
		return now_ms + hour_ms;
	x->ca = ca;
	for (size_t i = 0; i < n->expiry_count; i++) {
		x->days = n->expiry_days[i];
		int result = tell_threshold(x, &err);
		if (result < 0)
			log_err(LOG_LEVEL_WARN, "notices of certificates that end not written", &err);
		more = more || result > 0;
	}
	return more ? now_ms : now_ms + hour_ms;
}
