#include "ca-core/orders.h"

#include <pthread.h>

#include "base/secret.h"

#define PART_MAX 4096
#define AWAY_MS 5000
#define CLAIMS_MAX 128 /* more threads do not issue at once */

/* One question on its way. */
struct question {
	uint64_t id; /* 0: the place is free */
	uint16_t type;
	int64_t sent_ms; /* CLOCK_MONOTONIC */
	char thing[RECORD_NAME_MAX + 1];
	size_t thing_len;
	struct buf part;
	bool again;
};

struct ca_orders {
	struct ca_validator validator; /* set once before use */
	bool has_validator;
	struct secret *webhook_secret; /* as the validator */
	_Atomic int64_t away_until_ms; /* CLOCK_MONOTONIC: it was not there, and is not tried before; 0: it was */
	pthread_mutex_t lock;          /* for all that follows */
	uint64_t last_id;
	size_t count;
	struct question questions[ORDERS_UNDER_WAY_MAX];
	struct ca_orders_numbers numbers;
	int64_t numbers_ms;                            /* CLOCK_MONOTONIC, when they were counted; 0: never */
	char claimed[CLAIMS_MAX][RECORD_NAME_MAX + 1]; /* orders that are being issued; "" : a free place */
	_Atomic uint64_t counted[ORDERS_RESULTS];
};

struct ca_orders *ca_orders_new(struct error *err)
{
	struct ca_orders *o = calloc(1, sizeof(*o));
	if (!o) {
		(void)err_set(err, ERR_INTERNAL, "no memory for orders");
		return NULL;
	}
	(void)pthread_mutex_init(&o->lock, NULL);
	return o;
}

void ca_orders_free(struct ca_orders *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < ORDERS_UNDER_WAY_MAX; i++)
		buf_free(&o->questions[i].part);
	(void)pthread_mutex_destroy(&o->lock);
	secret_free(o->webhook_secret);
	free(o);
}

void ca_webhook_secret_set(struct ca *ca, struct secret *secret)
{
	ca->orders->webhook_secret = secret;
}

const struct secret *ca_orders_webhook_secret(struct ca *ca)
{
	return ca->orders->webhook_secret;
}

void ca_validator_set(struct ca *ca, const struct ca_validator *validator)
{
	ca->orders->validator = *validator;
	ca->orders->has_validator = true;
}

/* ---- with the lock held ---- */

static bool is_about(const struct question *q, struct bytes thing)
{
	return q->id && q->thing_len == thing.len && memcmp(q->thing, thing.data, thing.len) == 0;
}

static bool is_asked(const struct ca_orders *o, struct bytes thing, struct bytes part)
{
	for (size_t i = 0; i < ORDERS_UNDER_WAY_MAX; i++)
		if (is_about(&o->questions[i], thing) && bytes_equal(buf_bytes(&o->questions[i].part), part))
			return true;
	return false;
}

static void forget(struct ca_orders *o, struct question *q)
{
	buf_free(&q->part);
	q->id = 0;
	o->count--;
}

static struct question *take_place(struct ca_orders *o, uint16_t type, struct bytes thing, struct bytes part)
{
	struct question *q = o->questions;
	while (q < o->questions + ORDERS_UNDER_WAY_MAX && q->id)
		q++;
	if (q == o->questions + ORDERS_UNDER_WAY_MAX || thing.len > RECORD_NAME_MAX || part.len > PART_MAX)
		return NULL;
	buf_add_bytes(&q->part, part);
	if (q->part.failed) {
		buf_free(&q->part);
		return NULL;
	}
	memcpy(q->thing, thing.data, thing.len);
	q->thing_len = thing.len;
	q->type = type;
	q->id = ++o->last_id;
	q->again = false;
	q->sent_ms = clock_monotonic_ms();
	o->count++;
	return q;
}

static char *claim_of(struct ca_orders *o, struct bytes order)
{
	for (size_t i = 0; i < CLAIMS_MAX; i++)
		if (bytes_are(order, o->claimed[i]))
			return o->claimed[i];
	return NULL;
}

/* ---- asked, answered ---- */

/* Takes out what was asked under this id, by a question of this type: true, with both appended; *again (or NULL) is what
 * ca_orders_again left. */
static bool answered(struct ca *ca, uint64_t id, uint16_t type, struct buf *thing, struct buf *part, bool *again)
{
	struct ca_orders *o = ca->orders;
	bool found = false;
	(void)pthread_mutex_lock(&o->lock);
	for (size_t i = 0; id && !found && i < ORDERS_UNDER_WAY_MAX; i++) {
		struct question *q = &o->questions[i];
		found = q->id == id && q->type == type;
		if (!found)
			continue;
		buf_add(thing, q->thing, q->thing_len);
		buf_add_bytes(part, buf_bytes(&q->part));
		if (again)
			*again = q->again;
		forget(o, q);
	}
	(void)pthread_mutex_unlock(&o->lock);
	return found && !thing->failed && !part->failed;
}

int ca_orders_send(struct ca *ca, uint16_t type, struct bytes thing, struct bytes part, const struct buf *payload,
		   struct error *err)
{
	struct ca_orders *o = ca->orders;
	uint64_t id = 0;
	if (!o->has_validator)
		return err_set(err, ERR_UNREACHABLE, "the validator is not there");
	(void)pthread_mutex_lock(&o->lock);
	bool asked = is_asked(o, thing, part);
	const struct question *q = asked ? NULL : take_place(o, type, thing, part);
	if (q)
		id = q->id;
	(void)pthread_mutex_unlock(&o->lock);
	if (asked)
		return 0;
	if (!q)
		return err_set(err, ERR_BUSY, "the validator has more questions than it can take");
	if (o->validator.send(o->validator.arg, type, id, buf_bytes(payload), err) == 0) {
		atomic_store(&o->away_until_ms, 0);
		return 0;
	}
	atomic_store(&o->away_until_ms, clock_monotonic_ms() + AWAY_MS);
	auto_buf lost = BUF_INIT;
	(void)answered(ca, id, type, &lost, &lost, NULL);
	return -1;
}

void ca_orders_again(struct ca *ca, struct bytes thing)
{
	struct ca_orders *o = ca->orders;
	(void)pthread_mutex_lock(&o->lock);
	for (size_t i = 0; o->count && i < ORDERS_UNDER_WAY_MAX; i++)
		if (is_about(&o->questions[i], thing))
			o->questions[i].again = true;
	(void)pthread_mutex_unlock(&o->lock);
}

bool ca_orders_under_way(struct ca *ca, struct bytes thing)
{
	struct ca_orders *o = ca->orders;
	bool found = false;
	(void)pthread_mutex_lock(&o->lock);
	for (size_t i = 0; o->count && !found && i < ORDERS_UNDER_WAY_MAX; i++)
		found = is_about(&o->questions[i], thing);
	found = found || claim_of(o, thing);
	(void)pthread_mutex_unlock(&o->lock);
	return found;
}

bool ca_orders_validator_away(struct ca *ca)
{
	return !ca->orders->has_validator || atomic_load(&ca->orders->away_until_ms) != 0;
}

bool ca_orders_open(struct ca *ca)
{
	struct ca_orders *o = ca->orders;
	(void)pthread_mutex_lock(&o->lock);
	bool room = o->count < ORDERS_UNDER_WAY_MAX;
	(void)pthread_mutex_unlock(&o->lock);
	return o->has_validator && room && clock_monotonic_ms() >= atomic_load(&o->away_until_ms);
}

static void forget_before(struct ca *ca, int64_t sent_ms)
{
	struct ca_orders *o = ca->orders;
	size_t lost = 0;
	(void)pthread_mutex_lock(&o->lock);
	for (size_t i = 0; o->count && i < ORDERS_UNDER_WAY_MAX; i++) {
		if (!o->questions[i].id || o->questions[i].sent_ms > sent_ms)
			continue;
		forget(o, &o->questions[i]);
		lost++;
	}
	(void)pthread_mutex_unlock(&o->lock);
	atomic_fetch_add(&o->counted[ORDERS_CHECK_LOST], lost);
}

void ca_orders_wake(struct ca *ca)
{
	if (ca->on_order_due)
		ca->on_order_due(ca->on_order_due_arg);
}

void ca_orders_forget_lost(struct ca *ca)
{
	forget_before(ca, clock_monotonic_ms() - ORDERS_PATIENCE_MS);
}

void ca_orders_validator_came(struct ca *ca)
{
	atomic_store(&ca->orders->away_until_ms, 0);
	ca_orders_wake(ca);
}

void ca_orders_validator_lost(struct ca *ca)
{
	forget_before(ca, INT64_MAX);
	ca_orders_wake(ca);
}

/* ---- orders that are being issued ---- */

bool ca_orders_claim(struct ca *ca, struct bytes order)
{
	struct ca_orders *o = ca->orders;
	(void)pthread_mutex_lock(&o->lock);
	char *place = order.len && order.len <= RECORD_NAME_MAX && !claim_of(o, order) ? claim_of(o, BYTES_NONE) : NULL;
	if (place) {
		memcpy(place, order.data, order.len);
		place[order.len] = '\0';
	}
	(void)pthread_mutex_unlock(&o->lock);
	return place;
}

void ca_orders_release(struct ca *ca, struct bytes order)
{
	struct ca_orders *o = ca->orders;
	(void)pthread_mutex_lock(&o->lock);
	char *place = claim_of(o, order);
	if (place)
		place[0] = '\0';
	(void)pthread_mutex_unlock(&o->lock);
}

/* ---- what comes back ---- */

static void count(struct ca *ca, enum orders_result result)
{
	atomic_fetch_add(&ca->orders->counted[result], 1);
}

void ca_order_validated(struct ca *ca, uint64_t id, const struct message_validated *seen)
{
	auto_buf order = BUF_INIT, name = BUF_INIT;
	bool again = false;
	if (!answered(ca, id, MSG_VALIDATE, &order, &name, &again))
		return;
	count(ca, seen->shown ? ORDERS_CHECK_GOOD : ORDERS_CHECK_BAD);
	order_seen(ca, buf_bytes(&order), buf_bytes(&name), again, seen);
	ca_orders_wake(ca); /* there is room for another check */
}

void ca_delivered(struct ca *ca, uint64_t id, const struct message_delivered *result)
{
	auto_buf key = BUF_INIT, none = BUF_INIT;
	if (!answered(ca, id, MSG_DELIVER, &key, &none, NULL))
		return;
	count(ca, result->good ? ORDERS_DELIVERED : ORDERS_UNDELIVERED);
	notify_delivered(ca, buf_bytes(&key), result);
	ca_orders_wake(ca);
}

uint64_t ca_orders_counted(struct ca *ca, enum orders_result result)
{
	return atomic_load(&ca->orders->counted[result]);
}

bool ca_orders_numbers_kept(struct ca *ca, int64_t most_ms, struct ca_orders_numbers *out)
{
	struct ca_orders *o = ca->orders;
	(void)pthread_mutex_lock(&o->lock);
	bool kept = o->numbers_ms && clock_monotonic_ms() - o->numbers_ms <= most_ms;
	if (kept)
		*out = o->numbers;
	(void)pthread_mutex_unlock(&o->lock);
	return kept;
}

void ca_orders_numbers_keep(struct ca *ca, const struct ca_orders_numbers *numbers)
{
	struct ca_orders *o = ca->orders;
	(void)pthread_mutex_lock(&o->lock);
	o->numbers = *numbers;
	o->numbers_ms = clock_monotonic_ms();
	(void)pthread_mutex_unlock(&o->lock);
}
