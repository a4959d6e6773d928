/* What an order leads to as it stands: shown, agreed, ready; and what takes it back. */
#include "ca-core/order_private.h"

#include "ca-core/identity.h"
#include "ca-core/policy_validation.h"
#include "ca-core/request.h"

/* ---- an order held against its validation ---- */

/* The case and what it borrows from. */
struct held {
	struct ca_case c;
	struct ca_names names;
};

static void held_free(struct held *h)
{
	ca_names_free(&h->names);
}
#define auto_held CLEANUP(held_free) struct held

static int hold(struct order_work *w, struct held *h, struct error *err)
{
	if (!w->profile)
		return err_set(err, ERR_PROFILE_UNKNOWN, "the order's profile is not in the configuration any more");
	if (order_work_organization(w, err) < 0 || order_names(w->order, &h->names, err))
		return -1;
	h->c = (struct ca_case){ .ca = w->ca,
				 .profile = w->profile,
				 .order = w->order,
				 .names = &h->names,
				 .organization = w->organization ? &w->organization->record : NULL,
				 .now_s = order_now_s(w) };
	return 0;
}

static int request_holds(const struct ca_case *c, struct error *err)
{
	bool organization = c->profile->validation >= CA_VALIDATION_ORGANIZATION || c->order->organization.len;
	if (ca_policy_dv_request(c, err) || (organization && ca_policy_ov_request(c, err)))
		return -1;
	return c->profile->validation == CA_VALIDATION_EXTENDED ? ca_policy_ev_request(c, err) : 0;
}

static int is_agreed(const struct ca_case *c, struct error *err)
{
	switch (c->profile->validation) {
	case CA_VALIDATION_EXTENDED:
		return ca_policy_ev_agreed(c, err);
	case CA_VALIDATION_ORGANIZATION:
		return ca_policy_ov_agreed(c, err);
	default:
		return c->organization ? ca_policy_ov_agreed(c, err) : ca_policy_dv_agreed(c, err);
	}
}

static int encode_subject(const struct ca_case *c, struct buf *out, struct error *err)
{
	auto_free struct ca_policy_texts *texts = malloc(sizeof(*texts));
	struct ca_subject subject = { 0 };
	if (!texts)
		return err_set(err, ERR_INTERNAL, "no memory for a subject");
	int failed = c->profile->validation == CA_VALIDATION_EXTENDED ? ca_policy_ev_subject(c, texts, &subject, err)
		     : c->profile->validation == CA_VALIDATION_ORGANIZATION
			     ? ca_policy_ov_subject(c, texts, &subject, err)
			     : ca_policy_dv_subject(c, texts, &subject, err);
	return failed ? -1 : ca_subject_encode(&subject, out, err);
}

static int policy_holds(const struct ca_case *c, struct error *err)
{
	auto_buf subject = BUF_INIT;
	return request_holds(c, err) || encode_subject(c, &subject, err) ? -1 : 0;
}

int order_policy(struct order_work *w, struct error *err)
{
	auto_held h = { .names = CA_NAMES_INIT };
	return hold(w, &h, err) || policy_holds(&h.c, err) ? -1 : 0;
}

int order_may_agree(struct order_work *w, const char *officer, struct error *err)
{
	auto_held h = { .names = CA_NAMES_INIT };
	return hold(w, &h, err) || ca_policy_may_agree(&h.c, officer, err) ? -1 : 0;
}

int order_holds(struct order_work *w, struct error *err)
{
	auto_held h = { .names = CA_NAMES_INIT };
	return hold(w, &h, err) || request_holds(&h.c, err) || ca_policy_dv_shown(&h.c, err) || is_agreed(&h.c, err)
		       ? -1
		       : 0;
}

int order_subject(struct order_work *w, struct buf *out, struct error *err)
{
	auto_held h = { .names = CA_NAMES_INIT };
	return hold(w, &h, err) || encode_subject(&h.c, out, err) ? -1 : 0;
}

/* ---- forward ---- */

bool order_will_pass(enum err_code code)
{
	switch (code) {
	case ERR_INTERNAL:
	case ERR_IO:
	case ERR_CONFIG:
	case ERR_CONFLICT:
	case ERR_BUSY:
	case ERR_STORE_FULL:
	case ERR_TOKEN_UNAVAILABLE:
		return true;
	default:
		return false;
	}
}

/* Words that say what it waits for, where that is not to be seen from the names: kept once. */
static void note(struct order_work *w, const struct error *why)
{
	const char *code = err_class(why->code)->slug;
	struct bytes text = BYTES(why->message, strnlen(why->message, RECORD_ERROR_MAX));
	if (bytes_are(w->order->failure_code, code) && bytes_equal(w->order->failure, text))
		return;
	w->order->failure_code = order_keep_text(&w->memory, code);
	w->order->failure = order_keep(&w->memory, text);
	struct ca_audit_entry entry;
	order_tell(w, "order.waits", &entry);
	ca_audit_text(&entry, "code", bytes_of(code));
	ca_audit_text(&entry, "why", text);
	order_told(w, &entry);
}

int order_fail(struct order_work *w, const struct error *why, struct error *err)
{
	order_enter(w, ORDER_FAILED, err_class(why->code)->slug, why->message);
	return order_drop_tbs(w, err);
}

static bool is_decided(const struct order_work *w)
{
	return w->order->tbs.len && w->order->approve_before_s > order_now_s(w);
}

/* Everything is shown: people are asked, or nobody needs to be. */
static int go_on(struct order_work *w, struct error *err)
{
	struct record_order *o = w->order;
	struct error open = ERR_INIT;
	auto_held h = { .names = CA_NAMES_INIT };
	if (ca_policy_approvals(w->profile) == 0) {
		if (order_pin_organization(w, err))
			return -1;
		order_enter(w, ORDER_READY, NULL, NULL);
		return 0;
	}
	if (!is_decided(w)) {
		if (o->tbs.len && order_drop_tbs(w, err))
			return -1;
		if (order_pin_organization(w, err) || order_fix_tbs(w, err))
			return -1;
	}
	if (hold(w, &h, err))
		return -1;
	/* Who has to look again is told why. */
	const struct bytes code = o->failure_code, why = o->failure;
	order_enter(w, is_agreed(&h.c, &open) ? ORDER_PENDING_APPROVAL : ORDER_READY, NULL, NULL);
	if (w->returned) {
		o->failure_code = code;
		o->failure = why;
	}
	return 0;
}

/* What was looked up of CAA counts for hours, what was shown for months: the first is looked up again by itself. */
static void look_up_again(struct order_work *w)
{
	for (size_t i = 0; w->profile && i < w->order->name_count; i++) {
		struct record_order_name *n = &w->order->names[i];
		if (n->next_check_ms || !order_name_is_shown(n, order_now_s(w)) ||
		    order_name_is_settled(w->ca, w->profile, n, order_now_s(w)))
			continue;
		n->next_check_ms = w->now_ms;
		w->changed = true;
	}
}

static int advance_validation(struct order_work *w, struct error *err)
{
	struct error why = ERR_INIT, open = ERR_INIT;
	auto_held h = { .names = CA_NAMES_INIT };
	if (order_is_of_backup(w) && order_drop_tbs(w, err))
		return -1;
	if (w->profile)
		(void)order_lapse_names(w);
	if (w->profile && order_use_known(w, err))
		return -1;
	look_up_again(w);
	if (hold(w, &h, &why) == 0 && policy_holds(&h.c, &why) == 0 &&
	    (ca_policy_dv_shown(&h.c, &open) != 0 || go_on(w, &why) == 0))
		return 0;
	/* A passing trouble: as it is, and looked at again. Waits for people: an organization, a configuration. */
	if (order_will_pass(why.code)) {
		w->retry_ms = w->now_ms + ORDER_RETRY_MS;
		w->changed = true;
		return w->version ? 0 : (*err = why, -1);
	}
	if (why.code == ERR_ORGANIZATION_NOT_VALID || why.code == ERR_NAME_NOT_ALLOWED ||
	    why.code == ERR_PROFILE_UNKNOWN) {
		note(w, &why);
		w->retry_ms = w->now_ms + ORDER_HOUR_S * 1000;
		w->changed = true;
		return 0;
	}
	return order_fail(w, &why, err);
}

int order_advance(struct order_work *w, struct error *err)
{
	switch (w->order->status) {
	case ORDER_PENDING_VALIDATION:
		return advance_validation(w, err);
	case ORDER_PENDING_APPROVAL: {
		auto_held h = { .names = CA_NAMES_INIT };
		struct error open = ERR_INIT;
		if (hold(w, &h, err))
			return -1;
		if (is_agreed(&h.c, &open) == 0)
			order_enter(w, ORDER_READY, NULL, NULL);
		return 0;
	}
	default:
		return 0;
	}
}

/* ---- back ---- */

/* What people agreed to stays, where it is still about the same bytes; but bytes that were perhaps signed are not taken
 * up again once they have been let go: their serial is on record as unfinished. */
int order_go_back(struct order_work *w, enum record_order_status status, const char *code, const char *why,
		  struct error *err)
{
	if (w->order->status == ORDER_ISSUING) {
		status = ORDER_PENDING_VALIDATION;
		if (order_drop_tbs(w, err))
			return -1;
	}
	order_enter(w, status, code, why);
	w->returned = true;
	return 0;
}

/* New bytes, a new serial; who agreed has to look again. The names stay shown. */
static int begin_anew(struct order_work *w, const struct error *why, struct error *err)
{
	if (order_drop_tbs(w, err))
		return -1;
	order_enter(w, ORDER_PENDING_VALIDATION, err_class(why->code)->slug, why->message);
	w->returned = true;
	return 0;
}

static int review_requester(struct order_work *w, struct error *why, struct error *err)
{
	struct record_identity identity;
	struct bytes value;
	uint64_t version;
	int found = store_get(w->snap, STORE_IDENTITIES, w->order->requester, &value, &version, err);
	if (found < 0 || (found && record_identity_decode(value, &identity, err)))
		return -1;
	if (!found || identity.removed || !(identity.roles & ROLE_REQUESTER))
		return err_set(why, ERR_IDENTITY_REVOKED, "who asked for it may request nothing any more");
	store_expect_version(w->batch, STORE_IDENTITIES, w->order->requester, version);
	return 0;
}

/* Officers who went, or whose certificate ended, have not agreed. True where there was one. */
static int review_officers(struct order_work *w, bool *changed, struct error *err)
{
	struct record_order *o = w->order;
	size_t kept = 0;
	for (size_t i = 0; i < o->approval_count; i++) {
		struct error why = ERR_INIT;
		if (order_officer_holds(w, &o->approvals[i], &why) == 0) {
			o->approvals[kept++] = o->approvals[i];
			continue;
		}
		if (order_will_pass(why.code)) {
			*err = why;
			return -1;
		}
		struct ca_audit_entry entry;
		order_tell(w, "order.approval-void", &entry);
		ca_audit_text(&entry, "officer", o->approvals[i].officer);
		ca_audit_text(&entry, "why", bytes_of(why.message));
		order_told(w, &entry);
		*changed = true;
	}
	o->approval_count = kept;
	return 0;
}

static int past_deadline(const struct order_work *w, struct error *why)
{
	char time[CLOCK_TEXT_SIZE];
	if (!w->order->tbs.len || w->order->approve_before_s > order_now_s(w))
		return 0;
	return err_set(why, ERR_ORDER_STATE,
		       "approvals were good until %s: new bytes with a new serial number have to be approved",
		       clock_rfc3339(w->order->approve_before_s, time));
}

static int past_end(const struct order_work *w, struct error *why)
{
	char time[CLOCK_TEXT_SIZE];
	if (w->order->expires_s > order_now_s(w))
		return 0;
	return err_set(why, ERR_ORDER_STATE, "the order ended at %s", clock_rfc3339(w->order->expires_s, time));
}

static int store_holds(const struct order_work *w, struct error *why)
{
	return order_is_of_backup(w)
		       ? err_set(why, ERR_ORDER_STATE,
				 "the store was restored from a backup, and what was decided after it is lost: new "
				 "bytes with a new serial number have to be approved")
		       : 0;
}

/* Asked anew what was decided with the record of then. */
static int record_holds(struct order_work *w, struct error *why)
{
	auto_held h = { .names = CA_NAMES_INIT };
	if (hold(w, &h, why) || request_holds(&h.c, why))
		return -1;
	if (!w->organization || w->organization->record.version == w->order->organization_version)
		return 0;
	return err_set(why, ERR_ORGANIZATION_NOT_VALID,
		       "approvals are void: the organization's record is version %llu now, it was %llu",
		       (unsigned long long)w->organization->record.version,
		       (unsigned long long)w->order->organization_version);
}

static int key_holds(struct order_work *w, struct error *why)
{
	uint8_t hash[32];
	order_spki_hash(w->order, hash);
	if (ca_request_not_blocked(w->snap, hash, why))
		return -1;
	store_expect_absent(w->batch, STORE_BLOCKED, BYTES(hash, sizeof(hash)));
	return 0;
}

/* 0: as before. 1: the order went back, or ended. */
static int review_parts(struct order_work *w, struct error *why, struct error *err)
{
	bool officers_changed = false;
	if (past_end(w, why)) {
		order_enter(w, ORDER_EXPIRED, "expired", why->message);
		return order_drop_tbs(w, err) ? -1 : 1;
	}
	if (key_holds(w, why) || review_requester(w, why, err)) {
		if (why->code == ERR_NONE || order_will_pass(why->code))
			return -1;
		return order_fail(w, why, err) ? -1 : 1;
	}
	if (store_holds(w, why) || record_holds(w, why) || past_deadline(w, why) ||
	    (w->order->tbs.len && order_check_tbs(w, why))) {
		if (order_will_pass(why->code))
			return -1;
		return begin_anew(w, why, err) ? -1 : 1;
	}
	if (order_lapse_names(w)) {
		(void)err_set(why, ERR_VALIDATION_FAILED, "what was shown of a name does not count any more");
		return order_go_back(w, ORDER_PENDING_VALIDATION, err_class(why->code)->slug, why->message, err) ? -1
														 : 1;
	}
	if (review_officers(w, &officers_changed, err))
		return -1;
	if (officers_changed && w->order->status != ORDER_PENDING_APPROVAL) {
		return order_go_back(w, ORDER_PENDING_APPROVAL, "approval-not-allowed",
				     "an officer's approval counts no more", err)
			       ? -1
			       : 1;
	}
	return 0;
}

int order_review(struct order_work *w, struct error *err)
{
	struct error why = ERR_INIT;
	int result = review_parts(w, &why, err);
	if (result < 0 && err->code == ERR_NONE)
		*err = why;
	return result;
}

/* ---- when next ---- */

static void sooner(int64_t *due_ms, int64_t at_ms)
{
	if (at_ms && (*due_ms == 0 || at_ms < *due_ms))
		*due_ms = at_ms;
}

static void names_due(const struct order_work *w, int64_t *due_ms)
{
	const struct record_order *o = w->order;
	for (size_t i = 0; w->profile && i < o->name_count; i++) {
		const struct record_order_name *n = &o->names[i];
		bool settled = order_name_is_settled(w->ca, w->profile, n, order_now_s(w));
		sooner(due_ms, settled ? n->expires_s * 1000 : n->next_check_ms);
	}
}

int64_t order_due_ms(const struct order_work *w)
{
	const struct record_order *o = w->order;
	int64_t due_ms = o->expires_s * 1000;
	switch (o->status) {
	case ORDER_DRAFT:
		return due_ms;
	case ORDER_PENDING_VALIDATION:
		names_due(w, &due_ms);
		sooner(&due_ms, w->retry_ms);
		return due_ms;
	case ORDER_PENDING_APPROVAL:
		sooner(&due_ms, o->approve_before_s * 1000);
		sooner(&due_ms, w->retry_ms);
		if (w->organization && w->organization->record.vetted_by.len)
			sooner(&due_ms, w->organization->record.valid_until_s * 1000);
		return due_ms;
	case ORDER_READY:
	case ORDER_ISSUING:
		return w->retry_ms ? w->retry_ms : w->now_ms;
	default:
		return 0;
	}
}
