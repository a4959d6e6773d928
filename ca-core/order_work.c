/* One change of one order: look, decide, commit; again where somebody else was faster. */
#include "ca-core/order_private.h"

#include <stdio.h>

#include "ca-core/orders.h"
#include "ca-core/restore.h"

#define ATTEMPTS 5 /* where others change the same order at the same time */

/* ---- memory ---- */

struct order_chunk {
	struct order_chunk *next;
	uint8_t data[];
};

struct bytes order_keep(struct order_memory *m, struct bytes bytes)
{
	if (!bytes.len)
		return BYTES_NONE;
	struct order_chunk *chunk = malloc(sizeof(*chunk) + bytes.len);
	if (!chunk) {
		m->failed = true;
		return BYTES_NONE;
	}
	chunk->next = m->first;
	m->first = chunk;
	memcpy(chunk->data, bytes.data, bytes.len);
	return BYTES(chunk->data, bytes.len);
}

struct bytes order_keep_text(struct order_memory *m, const char *text)
{
	return order_keep(m, bytes_of(text));
}

void order_memory_free(struct order_memory *m)
{
	while (m->first) {
		struct order_chunk *chunk = m->first;
		m->first = chunk->next;
		free(chunk);
	}
}

/* ---- a piece of work ---- */

struct order_work *order_work_new(struct ca *ca, const struct ca_actor *actor, struct error *err)
{
	struct order_work *w = calloc(1, sizeof(*w));
	if (!w) {
		(void)err_set(err, ERR_INTERNAL, "no memory for an order");
		return NULL;
	}
	w->ca = ca;
	w->actor = actor;
	w->now_ms = ca_now_ms(ca);
	/* A thousand places for names: only those that are there are touched. */
	w->order = calloc(1, sizeof(*w->order));
	w->batch = store_batch_new(ca->store);
	w->snap = store_snapshot_new(ca->store, err);
	if (w->order && w->batch && w->snap)
		return w;
	if (w->snap)
		(void)err_set(err, ERR_INTERNAL, "no memory for an order");
	order_work_free(w);
	return NULL;
}

void order_work_free(struct order_work *w)
{
	if (!w)
		return;
	if (w->serial.len)
		store_serial_void(w->ca->store, &w->serial);
	ca_organization_free(w->organization);
	if (w->batch)
		store_batch_free(w->batch);
	if (w->snap)
		store_snapshot_free(w->snap);
	order_memory_free(&w->memory);
	free(w->order);
	free(w);
}

static const struct ca_profile *profile_of(const struct ca *ca, struct bytes name)
{
	for (size_t i = 0; i < ca->config->profile_count; i++)
		if (bytes_are(name, ca->config->profiles[i].name))
			return &ca->config->profiles[i];
	return NULL;
}

int order_work_load(struct order_work *w, struct bytes id, struct error *err)
{
	struct bytes value;
	int found = id.len && id.len <= RECORD_NAME_MAX ? store_get(w->snap, STORE_ORDERS, id, &value, &w->version, err)
							: 0;
	if (found < 0 || (found && record_order_decode(value, w->order, err)))
		return -1;
	if (!found)
		return order_not_found(err);
	w->before = w->order->status;
	w->profile = profile_of(w->ca, w->order->profile);
	return 0;
}

int order_work_organization(struct order_work *w, struct error *err)
{
	struct error lost = ERR_INIT;
	if (!w->order->organization.len)
		return 0;
	if (w->organization)
		return 1;
	w->organization = ca_organization_load(w->ca, w->order->organization, &lost);
	if (w->organization) {
		store_expect_version(w->batch, STORE_ORGANIZATIONS, w->order->organization, w->organization->stored);
		return 1;
	}
	if (lost.code == ERR_NOT_FOUND)
		return 0;
	*err = lost;
	return -1;
}

/* ---- what is told of it ---- */

void order_tell(struct order_work *w, const char *event, struct ca_audit_entry *entry)
{
	auto_buf subject = BUF_INIT;
	buf_add_text(&subject, "order ");
	buf_add_bytes(&subject, w->order->id);
	ca_audit_begin(entry, w->ca, event, w->actor);
	ca_audit_subject(entry, buf_bytes(&subject));
}

void order_told(struct order_work *w, struct ca_audit_entry *entry)
{
	ca_audit_append(entry, w->batch);
	w->changed = true;
}

static void tell_serial(struct order_work *w, struct ca_audit_entry *entry)
{
	uint8_t hash[32];
	if (!w->order->tbs.len)
		return;
	order_tbs_hash(w->order, hash);
	ca_audit_hex(entry, "tbs", BYTES(hash, sizeof(hash)));
	if (w->order->serial.len)
		ca_audit_hex(entry, "serial", w->order->serial);
}

void order_enter(struct order_work *w, enum record_order_status status, const char *code, const char *why)
{
	char event[64];
	struct ca_audit_entry entry;
	struct record_order *o = w->order;
	(void)snprintf(event, sizeof(event), "order.%s", record_order_status_name(status));
	o->status = status;
	o->failure_code = code ? order_keep_text(&w->memory, code) : BYTES_NONE;
	o->failure = why ? order_keep(&w->memory, BYTES(why, strnlen(why, RECORD_ERROR_MAX))) : BYTES_NONE;
	order_tell(w, event, &entry);
	tell_serial(w, &entry);
	if (code)
		ca_audit_text(&entry, "code", bytes_of(code));
	if (why)
		ca_audit_text(&entry, "why", o->failure);
	order_told(w, &entry);
	w->entered = true;
}

bool order_is_of_backup(const struct order_work *w)
{
	return w->order->tbs.len && w->order->changed_ms <= atomic_load(&w->ca->restored.confirmed_ms);
}

int order_drop_tbs(struct order_work *w, struct error *err)
{
	struct record_order *o = w->order;
	o->approval_count = record_order_is_over(o->status) ? o->approval_count : 0;
	o->approve_before_s = 0;
	if (w->serial.len) { /* taken by this very change: nobody has seen it */
		store_serial_void(w->ca->store, &w->serial);
		w->serial.len = 0;
	} else if (o->serial.len) {
		const struct record_unfinished unfinished = { .issuer = o->issuer,
							      .found_ms = w->now_ms,
							      .void_ = w->before != ORDER_ISSUING &&
								       !order_is_of_backup(w) };
		auto_buf value = BUF_INIT;
		record_unfinished_encode(&unfinished, &value);
		if (value.failed)
			return err_set(err, ERR_INTERNAL, "no memory for a serial's record");
		store_expect_absent(w->batch, STORE_UNFINISHED, o->serial);
		store_put(w->batch, STORE_UNFINISHED, o->serial, buf_bytes(&value));
	}
	o->serial = BYTES_NONE;
	if (!record_order_is_over(o->status))
		o->tbs = BYTES_NONE;
	return 0;
}

/* ---- commit ---- */

static int put(struct order_work *w, struct error *err)
{
	struct record_order *o = w->order;
	char event[64];
	auto_buf value = BUF_INIT;
	o->changed_ms = w->now_ms;
	o->due_ms = order_due_ms(w);
	record_order_encode(o, &value);
	if (w->memory.failed)
		return err_set(err, ERR_INTERNAL, "no memory for an order");
	if (value.failed)
		return err_set(err, ERR_INTERNAL, "an order cannot be written down as it is");
	if (w->version)
		store_expect_version(w->batch, STORE_ORDERS, o->id, w->version);
	else
		store_expect_absent(w->batch, STORE_ORDERS, o->id);
	store_put(w->batch, STORE_ORDERS, o->id, buf_bytes(&value));
	if (w->entered) {
		(void)snprintf(event, sizeof(event), "order.%s", record_order_status_name(o->status));
		ca_notify_order(w->ca, o, event, w->batch);
	}
	return 0;
}

/* A serial whose batch perhaps was committed stays where it is: the ledger tells at the next start. */
static int commit(struct order_work *w, struct error *err)
{
	struct store_outcome outcome = { .result = STORE_FAILED };
	if (put(w, err))
		return -1;
	if (store_submit_wait(w->ca->store, TAKE(w->batch), &outcome, err)) {
		if (outcome.result == STORE_UNKNOWN)
			w->serial.len = 0;
		return -1;
	}
	w->serial.len = 0;
	ca_orders_wake(w->ca);
	return 0;
}

/* What is asked for by order_change or order_make. */
struct change {
	const struct ca_actor *actor;
	const struct bytes *id; /* NULL: a new one */
	order_step *step;
	void *arg;
	struct buf *out; /* or NULL */
	char *made;      /* gets the id; or NULL */
	bool again;      /* somebody else was faster */
};

static int finish(struct order_work *w, struct change *c, struct error *err)
{
	if (!record_order_is_over(w->order->status) && w->order->status != ORDER_DRAFT && order_advance(w, err))
		return -1;
	if (w->changed && commit(w, err)) {
		c->again = err->code == ERR_CONFLICT;
		return -1;
	}
	if (c->made)
		(void)snprintf(c->made, ORDER_ID_SIZE, "%.*s", (int)w->order->id.len,
			       w->order->id.len ? (const char *)w->order->id.data : "");
	if (w->refusal.code) {
		*err = w->refusal;
		return -1;
	}
	return c->out ? order_show(w, c->out, err) : 0;
}

static int attempt(struct ca *ca, struct change *c, struct error *err)
{
	auto_order_work *w = order_work_new(ca, c->actor, err);
	if (!w)
		return -1;
	if ((c->id && order_work_load(w, *c->id, err)) || c->step(w, c->arg, err))
		return -1;
	return finish(w, c, err);
}

static int change(struct ca *ca, struct change *c, struct error *err)
{
	int result = -1;
	if (ca_clock_check(ca, ca_now_ms(ca), err) || ca_restore_check(ca, err))
		return -1;
	c->again = true;
	for (int i = 0; i < ATTEMPTS && c->again; i++) {
		c->again = false;
		*err = ERR_INIT;
		result = attempt(ca, c, err);
	}
	return result;
}

int order_change(struct ca *ca, const struct ca_actor *actor, struct bytes id, order_step *step, void *arg,
		 struct buf *out, struct error *err)
{
	struct change c = { .actor = actor, .id = &id, .step = step, .arg = arg, .out = out };
	return change(ca, &c, err);
}

int order_make(struct ca *ca, const struct ca_actor *actor, order_step *step, void *arg, struct buf *out, char *id,
	       struct error *err)
{
	struct change c = { .actor = actor, .step = step, .arg = arg, .out = out, .made = id };
	return change(ca, &c, err);
}
