#include "ca-core/health.h"

#include <stdarg.h>
#include <stdio.h>

#include "ca-core/orders.h"
#include "ca-core/restore.h"

#define DAY_S ((int64_t)24 * 3600)
#define OFFLINE_CRL_WARNING_S (30 * DAY_S) /* a list that people have to carry needs time: this, or */
#define ISSUER_END_WARNING_S (365 * DAY_S) /* for what lives shorter than four times this */
#define WARNING_SHARE 4                    /* the last quarter of its life */
#define TEXT_SIZE 256

/* The message and the texts that it borrows. */
struct report {
	struct message_health m;
	char warnings[MESSAGE_WARNINGS_MAX][TEXT_SIZE];
	char counters[MESSAGE_COUNTERS_MAX][TEXT_SIZE];
	char whys[MESSAGE_TOKENS_MAX][TEXT_SIZE];
};

/* Where the next warning is to be written: TEXT_SIZE bytes. Past the last place the last is overwritten. */
static char *next_warning(struct report *r)
{
	if (r->m.warning_count == MESSAGE_WARNINGS_MAX)
		r->m.warning_count--;
	return r->warnings[r->m.warning_count++];
}
#define WARN(report, ...) ((void)snprintf(next_warning(report), TEXT_SIZE, __VA_ARGS__))

/* name{label="value"}; label NULL: name alone. */
static void count(struct report *r, const char *name, const char *label, const char *value, uint64_t number)
{
	if (r->m.counter_count == MESSAGE_COUNTERS_MAX)
		return;
	char *text = r->counters[r->m.counter_count];
	if (label)
		(void)snprintf(text, TEXT_SIZE, "%s{%s=\"%s\"}", name, label, value);
	else
		(void)snprintf(text, TEXT_SIZE, "%s", name);
	r->m.counters[r->m.counter_count].name = bytes_of(text);
	r->m.counters[r->m.counter_count++].value = number;
}

/* ---- tokens ---- */

static void add_tokens(struct ca *ca, struct report *r)
{
	for (size_t i = 0; i < ca->token_count && r->m.token_count < MESSAGE_TOKENS_MAX; i++) {
		struct ca_token *t = &ca->tokens[i];
		struct hsm_token_facts facts;
		const char *state = ca_token_state(t);
		ca_token_facts(t, &facts);
		struct message_token *row = &r->m.tokens[r->m.token_count];
		(void)snprintf(r->whys[r->m.token_count++], sizeof(r->whys[0]), "%s", facts.why);
		*row = (struct message_token){ .name = bytes_of(t->config->name),
					       .state = bytes_of(state),
					       .why = bytes_of(r->whys[r->m.token_count - 1]),
					       .since_s = (clock_monotonic_ms() - facts.since_ms) / 1000,
					       .signatures = facts.signatures };
		if (strcmp(state, "up") != 0 && strcmp(state, "offline") != 0)
			WARN(r, "token %s is %s%s%s", t->config->name, state, facts.why[0] ? ": " : "", facts.why);
	}
}

/* A counter of each token's, as one family. */
static void count_tokens(struct ca *ca, struct report *r, const char *name,
			 uint64_t (*get)(const struct hsm_token_facts *))
{
	for (size_t i = 0; i < ca->token_count; i++) {
		struct hsm_token_facts facts;
		if (!ca->tokens[i].ours)
			continue;
		ca_token_facts(&ca->tokens[i], &facts);
		count(r, name, "token", ca->tokens[i].config->name, get(&facts));
	}
}

static uint64_t get_retries(const struct hsm_token_facts *f)
{
	return f->retries;
}

static uint64_t get_refusals(const struct hsm_token_facts *f)
{
	return f->refusals;
}

static uint64_t get_restarts(const struct hsm_token_facts *f)
{
	return f->restarts;
}

static uint64_t get_busy(const struct hsm_token_facts *f)
{
	return f->busy;
}

/* chancery_token_transitions_total{token="issuing",to="down"}: names of tokens have no quotes. */
static void count_transitions(struct ca *ca, struct report *r)
{
	for (size_t i = 0; i < ca->token_count; i++) {
		struct hsm_token_facts facts;
		if (!ca->tokens[i].ours)
			continue;
		ca_token_facts(&ca->tokens[i], &facts);
		for (size_t to = 0; to < HSM_TOKEN_STATES; to++) {
			char value[128];
			(void)snprintf(value, sizeof(value), "%s\",to=\"%s", ca->tokens[i].config->name,
				       hsm_token_state_name((enum hsm_token_state)to));
			count(r, "chancery_token_transitions_total", "token", value, facts.entered[to]);
		}
	}
}

static void add_token_counters(struct ca *ca, struct report *r)
{
	count_transitions(ca, r);
	count_tokens(ca, r, "chancery_token_sessions_busy", get_busy);
	count_tokens(ca, r, "chancery_token_retries_total", get_retries);
	count_tokens(ca, r, "chancery_token_pins_refused_total", get_refusals);
	count_tokens(ca, r, "chancery_token_module_restarts_total", get_restarts);
}

/* ---- issuers and their lists ---- */

/* How long before its end what people have to renew is spoken of. */
static int64_t warning_s(int64_t most_s, int64_t begin_s, int64_t end_s)
{
	int64_t share_s = (end_s - begin_s) / WARNING_SHARE;
	return share_s < most_s ? share_s : most_s;
}

/* An issuer that is to follow another is awaited, and nothing stops meanwhile. */
static void add_uncertified(const struct ca_issuer *issuer, struct report *r)
{
	const char *name = issuer->config->name;
	if (issuer->config->follows[0])
		WARN(r,
		     "issuer %s waits for its certificate, to follow %s: a ceremony makes it, `chancery ceremony "
		     "import` brings it",
		     name, issuer->config->follows);
	else
		WARN(r, "issuer %s has no certificate in this store", name);
}

/* What another issuer has taken over may end. */
static void add_end(struct ca_issuer *issuer, int64_t now_s, struct report *r)
{
	const char *name = issuer->config->name;
	char time[CLOCK_TEXT_SIZE];
	int64_t end_s = issuer->info.not_after_s;
	if (ca_issuer_current(issuer) != issuer)
		return;
	if (end_s < now_s)
		WARN(r, "the certificate of issuer %s has ended", name);
	else if (end_s - now_s < warning_s(ISSUER_END_WARNING_S, issuer->info.not_before_s, end_s))
		WARN(r, "the certificate of issuer %s ends at %s", name, clock_rfc3339(end_s, time));
}

/* A list that this server signs, and one that is signed elsewhere. */
static void add_list(struct ca_issuer *issuer, int64_t now_s, struct report *r)
{
	const char *name = issuer->config->name;
	char time[CLOCK_TEXT_SIZE];
	int64_t until_s = atomic_load(&issuer->crl_next_update_s);
	int64_t overlap_s = (int64_t)issuer->config->crl_overlap_hours * 3600;
	bool ours = ca_issuer_is_ours(issuer);
	if (issuer->info.not_after_s < now_s || (ours && until_s >= issuer->info.not_after_s))
		return; /* there is nothing more to list */
	if (until_s < now_s)
		WARN(r, "the revocation list of issuer %s %s", name, until_s ? "has ended" : "is missing");
	else if (ours && until_s - now_s < overlap_s / 2)
		WARN(r, "the revocation list of issuer %s is overdue, and good until %s: the log says why", name,
		     clock_rfc3339(until_s, time));
	else if (!ours &&
		 until_s - now_s < warning_s(OFFLINE_CRL_WARNING_S, atomic_load(&issuer->crl_this_update_s), until_s))
		WARN(r, "the revocation list of issuer %s is good until %s: %s", name, clock_rfc3339(until_s, time),
		     issuer->seat_count ? "sign a new one with its token" : "a ceremony must sign the next one");
}

static void add_issuer(struct ca_issuer *issuer, int64_t now_s, struct report *r)
{
	if (!issuer->certified) {
		add_uncertified(issuer, r);
		return;
	}
	add_end(issuer, now_s, r);
	add_list(issuer, now_s, r);
}

/* One metric after the other, as the Prometheus text format wants them grouped. */
static void count_lists(struct ca *ca, struct report *r)
{
	for (size_t i = 0; i < ca->issuer_count; i++)
		count(r, "chancery_crl_number", "issuer", ca->issuers[i].config->name,
		      atomic_load(&ca->issuers[i].crl_number));
	for (size_t i = 0; i < ca->issuer_count; i++)
		count(r, "chancery_crl_next_update_seconds", "issuer", ca->issuers[i].config->name,
		      (uint64_t)atomic_load(&ca->issuers[i].crl_next_update_s));
	for (size_t i = 0; i < ca->issuer_count; i++)
		if (ca->issuers[i].certified)
			count(r, "chancery_issuer_not_after_seconds", "issuer", ca->issuers[i].config->name,
			      (uint64_t)ca->issuers[i].info.not_after_s);
}

/* Every issuer that a requester's profile names can sign now. */
static bool can_sign(struct ca *ca)
{
	for (size_t i = 0; i < ca->config->profile_count; i++) {
		const struct ca_profile *profile = &ca->config->profiles[i];
		struct ca_issuer *issuer = ca_issuer_for(ca, profile);
		if (!profile->internal && !(issuer && ca_issuer_can_sign(issuer)))
			return false;
	}
	return true;
}

/* ---- the store ---- */

static enum store_state add_store(struct ca *ca, struct report *r)
{
	struct store_status s;
	store_status(ca->store, &s);
	r->m.store_state = bytes_of(store_state_name(s.state));
	r->m.certificates = s.certificates;
	if (s.state == STORE_LOW)
		WARN(r, "the store is full: new certificates are refused, revocation goes on");
	if (s.state == STORE_BROKEN)
		WARN(r, "the store is broken: see the log, run `chancery store check`");
	if (s.unfinished)
		count(r, "chancery_serials_unfinished", NULL, NULL, s.unfinished);
	count(r, "chancery_store_used_bytes", NULL, NULL, s.used_bytes);
	count(r, "chancery_store_free_bytes", NULL, NULL, s.free_bytes);
	count(r, "chancery_store_commits_total", NULL, NULL, s.commits);
	count(r, "chancery_store_batches_total", NULL, NULL, s.batches);
	return s.state;
}

/* ---- counters ---- */

static void add_counters(struct ca *ca, struct report *r)
{
	struct ca_counters *c = &ca->counters;
	for (size_t i = 0; i < ca->config->profile_count; i++)
		if (!ca->config->profiles[i].internal)
			count(r, "chancery_certificates_issued_total", "profile", ca->config->profiles[i].name,
			      atomic_load(&c->issued[i]));
	count(r, "chancery_requests_repeated_total", NULL, NULL, atomic_load(&c->again));
	count(r, "chancery_revocations_total", NULL, NULL, atomic_load(&c->revoked));
	count(r, "chancery_crls_total", NULL, NULL, atomic_load(&c->crls));
	count(r, "chancery_crl_milliseconds_total", NULL, NULL, atomic_load(&c->crl_ms));
	count(r, "chancery_audit_heads_total", NULL, NULL, atomic_load(&c->heads));
	for (size_t i = 0; i < ERR_CODE_COUNT; i++)
		if (atomic_load(&c->refused[i]))
			count(r, "chancery_requests_refused_total", "code", err_class((enum err_code)i)->slug,
			      atomic_load(&c->refused[i]));
}

/* ---- orders ---- */

static void add_orders(struct ca *ca, struct report *r)
{
	static const struct {
		enum orders_result result;
		const char *name;
	} checks[] = { { ORDERS_CHECK_GOOD, "good" }, { ORDERS_CHECK_BAD, "bad" }, { ORDERS_CHECK_LOST, "lost" } };
	struct ca_orders_numbers n;
	ca_orders_numbers(ca, &n);
	for (int status = ORDER_DRAFT; status < ORDER_ISSUED; status++)
		count(r, "chancery_orders", "status", record_order_status_name((enum record_order_status)status),
		      n.open[status]);
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		count(r, "chancery_checks_total", "result", checks[i].name, ca_orders_counted(ca, checks[i].result));
	count(r, "chancery_deliveries_total", "result", "good", ca_orders_counted(ca, ORDERS_DELIVERED));
	count(r, "chancery_deliveries_total", "result", "bad", ca_orders_counted(ca, ORDERS_UNDELIVERED));
	count(r, "chancery_deliveries", "state", "waiting", n.deliveries_waiting);
	count(r, "chancery_deliveries", "state", "dead", n.deliveries_dead);
	if (n.deliveries_dead)
		WARN(r, "%llu mails or webhooks could not be delivered; the audit log names them",
		     (unsigned long long)n.deliveries_dead);
	if (n.open[ORDER_PENDING_VALIDATION] && ca_orders_validator_away(ca))
		WARN(r, "the validator is away: names of orders are not checked");
}

int ca_health(struct ca *ca, const struct ca_health_extra *extra, struct buf *out, struct error *err)
{
	auto_free struct report *r = calloc(1, sizeof(*r));
	if (!r)
		return err_set(err, ERR_INTERNAL, "no memory for a report");
	int64_t now_ms = ca_now_ms(ca);
	struct error clock_error = ERR_INIT;
	bool clock_right = ca_clock_check(ca, now_ms, &clock_error) == 0;
	if (!clock_right)
		WARN(r, "%.250s", clock_error.message);
	struct error restored = ERR_INIT;
	bool confirmed = ca_restore_check(ca, &restored) == 0;
	if (!confirmed)
		WARN(r, "%.250s", restored.message);
	add_tokens(ca, r);
	for (size_t i = 0; i < ca->issuer_count; i++)
		add_issuer(&ca->issuers[i], now_ms / 1000, r);
	enum store_state store = add_store(ca, r);
	add_orders(ca, r);
	r->m.ready = clock_right && confirmed && store == STORE_OK && can_sign(ca);
	for (uint32_t i = 0; i < r->m.warning_count; i++)
		r->m.warnings[i] = bytes_of(r->warnings[i]);
	count(r, "chancery_signer_queue_length", NULL, NULL, extra->queue_length);
	count(r, "chancery_signer_in_flight", NULL, NULL, extra->in_flight);
	count(r, "chancery_signer_waiting", NULL, NULL, extra->waiting);
	count(r, "chancery_signer_waits_total", NULL, NULL, extra->waits);
	count(r, "chancery_signer_wait_timeouts_total", NULL, NULL, extra->timeouts);
	add_token_counters(ca, r);
	count_lists(ca, r);
	add_counters(ca, r);
	message_health_write(&r->m, out);
	return 0;
}
