/* Checks of names by the validator: what is sent, and what becomes of what it saw. */
#include "ca-core/order_private.h"

#include <openssl/rand.h>
#include <stdio.h>

#include "base/log.h"
#include "ca-core/challenge.h"
#include "ca-core/orders.h"

#define CHECK_FIRST_S 60
#define CHECK_EVEN 5 /* so many at the first pace; then each pause is twice the last */
#define CHECK_MOST_S 3600
#define TRIED (METHOD_DNS_TXT | METHOD_DNS_CNAME | METHOD_HTTP)

/* ---- pace ---- */

/* With up to a tenth more, so that what began together does not go on together. */
static int64_t pause_ms(uint32_t tries)
{
	uint16_t random = 0;
	int64_t pause_s = CHECK_FIRST_S;
	for (uint32_t i = CHECK_EVEN; i < tries && pause_s < CHECK_MOST_S; i++)
		pause_s *= 2;
	if (pause_s > CHECK_MOST_S)
		pause_s = CHECK_MOST_S;
	(void)RAND_bytes((unsigned char *)&random, sizeof(random));
	return pause_s * 1000 + pause_s * 100 * random / UINT16_MAX;
}

int order_check_now(struct order_work *w, struct error *err)
{
	struct record_order *o = w->order;
	if (!w->profile)
		return err_set(err, ERR_PROFILE_UNKNOWN, "the order's profile is not in the configuration any more");
	if (o->status != ORDER_PENDING_VALIDATION) {
		const char *status = record_order_status_name(o->status);
		(void)err_set(err, ERR_ORDER_STATE, "the order is %s: there is no name to check", status);
		return err_about(err, "status", status, "pending-validation");
	}
	for (size_t i = 0; i < o->name_count; i++) {
		struct record_order_name *n = &o->names[i];
		int64_t at_ms = n->checked_ms ? n->checked_ms + ORDER_CHECK_PAUSE_MS : w->now_ms;
		if (order_name_is_settled(w->ca, w->profile, n, order_now_s(w)))
			continue;
		if (at_ms < w->now_ms)
			at_ms = w->now_ms;
		if (n->next_check_ms && n->next_check_ms <= at_ms)
			continue;
		n->next_check_ms = at_ms;
		w->changed = true;
	}
	ca_orders_again(w->ca, o->id);
	return order_mail_codes(w, true, err);
}

/* ---- sending ---- */

/* RFC 8657 section 3: who asks, as a URI. */
static void account_of(const struct order_work *w, struct buf *out)
{
	buf_printf(out, "%s/identities/", w->ca->config->listen.url);
	buf_add_bytes(out, w->order->requester);
}

static int send_check(struct order_work *w, const struct record_order_name *n, struct error *err)
{
	const struct record_order *o = w->order;
	char value[CA_CHALLENGE_VALUE_SIZE];
	uint8_t spki_hash[32];
	auto_buf account = BUF_INIT, payload = BUF_INIT;
	bool shown = order_name_is_shown(n, order_now_s(w));
	struct message_validate m = { .name = n->name,
				      .methods = shown ? 0 : n->methods & TRIED,
				      .parents = w->profile->parent_domains,
				      .caa = order_caa(w->ca, w->profile, n) != CA_CAA_OFF,
				      .caa_identity = bytes_of(w->ca->config->caa_identity) };
	if (!m.methods && !shown)
		return 0; /* by mail alone: nothing to look at yet */
	order_spki_hash(o, spki_hash);
	ca_challenge_value(o->nonce, spki_hash, n->name, o->requester, value);
	m.value = m.methods ? bytes_of(value) : BYTES_NONE;
	account_of(w, &account);
	m.account = buf_bytes(&account);
	message_validate_write(&m, &payload);
	if (payload.failed)
		return err_set(err, ERR_INTERNAL, "a check could not be written down");
	return ca_orders_send(w->ca, MSG_VALIDATE, o->id, n->name, &payload, err) ? -1 : 1;
}

int order_send_checks(struct order_work *w, struct error *err)
{
	int sent = 0;
	for (size_t i = 0; i < w->order->name_count; i++) {
		struct record_order_name *n = &w->order->names[i];
		if (order_name_is_settled(w->ca, w->profile, n, order_now_s(w)) || !n->next_check_ms ||
		    n->next_check_ms > w->now_ms)
			continue;
		int result = send_check(w, n, err);
		if (result < 0)
			return -1;
		sent += result;
		if (result)
			continue;
		/* Nothing can be looked at: only a code, or time, changes that. */
		n->next_check_ms = 0;
		w->changed = true;
	}
	return sent > 0;
}

/* ---- what was seen ---- */

struct answer {
	struct bytes name;
	bool again; /* somebody asked while it was under way */
	const struct message_validated *seen;
};

/* The attempt that tells people most: what they did wrong before what they did not do. */
static const struct message_attempt *telling(const struct message_validated *seen)
{
	static const char *const silent[] = { "not-offered", "nxdomain", "no-record" };
	const struct message_attempt *best = NULL;
	size_t best_rank = 0;
	for (uint32_t i = 0; i < seen->attempt_count; i++) {
		size_t rank = sizeof(silent) / sizeof(silent[0]) + 1;
		for (size_t s = 0; s < sizeof(silent) / sizeof(silent[0]); s++)
			if (bytes_are(seen->attempts[i].code, silent[s]))
				rank = s + 1;
		if (rank > best_rank) {
			best = &seen->attempts[i];
			best_rank = rank;
		}
	}
	return best;
}

static void add_line(struct buf *out, const char *start, struct bytes text)
{
	if (out->len)
		buf_add_text(out, "; ");
	buf_add_text(out, start);
	buf_add_text(out, ": ");
	buf_add_bytes(out, text);
}

static struct bytes cut(const struct buf *text, size_t max)
{
	size_t len = text->len < max ? text->len : max;
	/* Not inside a character. */
	while (len && len < text->len && (text->data[len] & 0xc0) == 0x80)
		len--;
	return BYTES(text->data, len);
}

static void set_error(struct order_work *w, struct record_order_name *n, const char *code, struct bytes text)
{
	struct ca_audit_entry entry;
	bool news = !bytes_are(n->error_code, code) || !bytes_equal(n->error, text);
	if (!news)
		return;
	n->error_code = order_keep_text(&w->memory, code);
	n->error = order_keep(&w->memory, text);
	order_tell(w, "order.check-failed", &entry);
	ca_audit_text(&entry, "name", n->name);
	ca_audit_text(&entry, "code", n->error_code);
	ca_audit_text(&entry, "seen", n->error);
	order_told(w, &entry);
}

static void take_failure(struct order_work *w, struct record_order_name *n, const struct message_validated *seen)
{
	const struct message_attempt *most = telling(seen);
	char code[64] = "not-checked";
	auto_buf text = BUF_INIT;
	for (uint32_t i = 0; i < seen->attempt_count; i++)
		add_line(&text, record_method_name(seen->attempts[i].method), seen->attempts[i].text);
	if (most)
		(void)snprintf(code, sizeof(code), "%.*s", (int)most->code.len, (const char *)most->code.data);
	set_error(w, n, code, cut(&text, RECORD_ERROR_MAX));
}

/* Who owns the name forbids it, or cannot be asked: RFC 8659 section 3, BR 3.2.2.8. Under `report` it is told, and
 * does not refuse. True where it stands against the name. */
static bool take_caa(struct order_work *w, struct record_order_name *n, const struct message_validated *seen,
		     uint8_t method)
{
	enum ca_caa mode = order_caa(w->ca, w->profile, n);
	bool allowed = seen->caa == 1 && (!method || (seen->caa_methods & method));
	if (seen->caa == 0 || mode == CA_CAA_OFF)
		return false;
	if (allowed || mode == CA_CAA_REPORT) {
		n->caa_checked_s = order_now_s(w);
		if (allowed)
			return false;
	} else {
		n->caa_checked_s = 0;
	}
	auto_buf text = BUF_INIT;
	if (seen->caa == 1)
		buf_printf(&text, "CAA does not allow %s (RFC 8657)", record_method_name(method));
	else
		buf_add_text(&text, seen->caa == 2 ? "CAA forbids it" : "CAA cannot be known");
	if (seen->caa_text.len)
		add_line(&text, "", seen->caa_text);
	set_error(w, n, seen->caa == 3 ? "caa-unknown" : "caa-forbids", cut(&text, RECORD_ERROR_MAX));
	return mode == CA_CAA_ENFORCE;
}

static void add_evidence(struct order_work *w, struct record_order_name *n, const struct message_validated *seen)
{
	char time[CLOCK_TEXT_SIZE];
	auto_buf text = BUF_INIT;
	buf_printf(&text, "at %s", clock_rfc3339(order_now_s(w), time));
	for (uint32_t i = 0; i < seen->attempt_count; i++)
		if (seen->attempts[i].method == seen->shown)
			add_line(&text, record_method_name(seen->shown), seen->attempts[i].text);
	if (seen->caa_text.len)
		add_line(&text, "CAA", seen->caa_text);
	n->evidence = order_keep(&w->memory, cut(&text, RECORD_EVIDENCE_MAX));
}

int order_name_shown(struct order_work *w, struct record_order_name *n, enum record_method method, struct error *err)
{
	struct ca_audit_entry entry;
	n->status = AUTHORIZATION_VALID;
	n->methods = (uint8_t)method;
	n->reused = false;
	n->expires_s = order_now_s(w) + order_reuse_s(w->profile, order_now_s(w));
	n->error = n->error_code = BYTES_NONE;
	n->tries = 0;
	memset(n->mail_code_hash, 0, sizeof(n->mail_code_hash));
	n->mail_until_s = 0;
	n->mail_tries = 0;
	order_tell(w, "order.validated", &entry);
	ca_audit_text(&entry, "name", n->name);
	ca_audit_text(&entry, "method", bytes_of(record_method_name(method)));
	ca_audit_text(&entry, "evidence", n->evidence);
	order_told(w, &entry);
	return order_remember(w, n, err);
}

static int take_seen(struct order_work *w, struct record_order_name *n, const struct answer *a, struct error *err)
{
	const struct message_validated *seen = a->seen;
	bool shown = order_name_is_shown(n, order_now_s(w));
	uint8_t method = shown ? n->methods : seen->shown & n->methods & TRIED;
	n->checked_ms = w->now_ms;
	n->tries++;
	n->next_check_ms = w->now_ms + (a->again ? ORDER_CHECK_PAUSE_MS : pause_ms(n->tries));
	w->changed = true;
	if (!shown && method) {
		add_evidence(w, n, seen);
		if (order_name_shown(w, n, (enum record_method)method, err))
			return -1;
	} else if (!shown) {
		take_failure(w, n, seen);
		return 0;
	}
	if (take_caa(w, n, seen, method))
		return 0;
	if (order_name_is_settled(w->ca, w->profile, n, order_now_s(w))) {
		n->error = n->error_code = BYTES_NONE;
		n->tries = 0;
		n->next_check_ms = 0;
	} else {
		n->next_check_ms = w->now_ms; /* shown without a look at CAA: that comes next */
	}
	return 0;
}

static int step_seen(struct order_work *w, void *arg, struct error *err)
{
	const struct answer *a = arg;
	struct record_order *o = w->order;
	bool waits = o->status == ORDER_PENDING_VALIDATION || o->status == ORDER_READY || o->status == ORDER_ISSUING;
	for (size_t i = 0; waits && w->profile && i < o->name_count; i++)
		if (bytes_equal(o->names[i].name, a->name))
			return take_seen(w, &o->names[i], a, err);
	return 0; /* cancelled, or over, meanwhile */
}

void order_seen(struct ca *ca, struct bytes order, struct bytes name, bool again, const struct message_validated *seen)
{
	struct answer a = { name, again, seen };
	struct error err = ERR_INIT;
	const struct ca_actor self = ca_actor_self();
	if (order_change(ca, &self, order, step_seen, &a, NULL, &err))
		log_err(LOG_LEVEL_WARN, "what a check saw is not on record: it will be made again", &err);
}
