/* What officers decide about an order: exactly these bytes, in time, each once. */
#include "ca-core/order_private.h"

/* ---- as they are now ---- */

int order_officer_holds(struct order_work *w, const struct record_approval *a, struct error *err)
{
	struct record_statement statement;
	struct bytes value;
	int found = store_get(w->snap, STORE_STATEMENTS, BYTES(a->statement, sizeof(a->statement)), &value, NULL, err);
	if (found < 0 || (found && record_statement_decode(value, &statement, err)))
		return -1;
	if (!found)
		return err_set(err, ERR_APPROVAL_NOT_ALLOWED, "the statement that the officer signed is not there");
	return ca_statement_signer(w->ca, w->snap, w->batch, a->officer, statement.certificate, NULL, NULL, err);
}

/* ---- deciding ---- */

static int refuse_state(const struct order_work *w, struct error *err)
{
	const char *status = record_order_status_name(w->order->status);
	(void)err_set(err, ERR_ORDER_STATE, "the order is %s: there is nothing to decide", status);
	return err_about(err, "status", status, "pending-approval");
}

static int check_state(struct order_work *w, struct error *err)
{
	const struct record_order *o = w->order;
	char time[CLOCK_TEXT_SIZE];
	bool open = o->status == ORDER_PENDING_APPROVAL || (o->status == ORDER_READY && o->tbs.len);
	if (!open)
		return refuse_state(w, err);
	if (o->approve_before_s > order_now_s(w) && o->expires_s > order_now_s(w))
		return 0;
	(void)err_set(err, ERR_ORDER_STATE,
		      "the time to decide about these bytes ended at %s: the order gets new ones, with a new serial "
		      "number",
		      clock_rfc3339(o->approve_before_s, time));
	return err_about(err, "approveBefore", time, NULL);
}

static void add_approval(struct order_work *w, const struct ca_statement_accepted *a)
{
	struct record_order *o = w->order;
	struct record_approval *approval = &o->approvals[o->approval_count++];
	*approval = (struct record_approval){ .officer = order_keep_text(&w->memory, w->actor->identity),
					      .approve = a->decision == DECISION_APPROVE,
					      .reason = order_keep(&w->memory, a->reason),
					      .time_s = a->time_s };
	memcpy(approval->statement, a->key, sizeof(approval->statement));
}

static void tell(struct order_work *w, const struct message_decide *m, const struct ca_statement_accepted *a)
{
	struct ca_audit_entry entry;
	uint8_t hash[32];
	bool approve = a->decision == DECISION_APPROVE;
	order_tbs_hash(w->order, hash);
	order_tell(w, approve ? "order.approved" : "order.denied", &entry);
	ca_audit_sha256(&entry, hash);
	ca_audit_hex(&entry, "serial", w->order->serial);
	ca_audit_text(&entry, "reason", a->reason);
	/* Seen by who reads: an officer who became one while the order was waiting. */
	if (a->enrolled_s >= w->order->created_ms / 1000)
		ca_audit_text(&entry, "enrolledAfterOrder", bytes_of("yes"));
	ca_statement_tell(&entry, m, a);
	order_told(w, &entry);
}

/* What was decided about has to be so still. True where the order went back: nothing is approved then. */
static int look_again(struct order_work *w, struct error *err)
{
	int back = order_review(w, err);
	if (back <= 0)
		return back;
	(void)err_set(&w->refusal, ERR_ORDER_STATE, "the order went back meanwhile: %.*s", (int)w->order->failure.len,
		      w->order->failure.len ? (const char *)w->order->failure.data : "");
	return 1;
}

static int step_decide(struct order_work *w, void *arg, struct error *err)
{
	const struct message_decide *m = arg;
	struct record_order *o = w->order;
	struct ca_statement_accepted accepted;
	uint8_t hash[32];
	if (!order_may_see(w->actor, o) && !bytes_are(o->requester, w->actor->identity))
		return order_not_found(err);
	if (!(w->actor->roles & ROLE_OFFICER) || w->actor->token_id[0]) {
		(void)err_set(err, ERR_APPROVAL_NOT_ALLOWED, "%s may not decide: that takes an officer",
			      w->actor->identity);
		return err_about(err, "by", w->actor->identity, "officer");
	}
	if (check_state(w, err))
		return -1;
	int back = look_again(w, err);
	if (back)
		return back < 0 ? -1 : 0;
	order_tbs_hash(o, hash);
	const struct ca_statement_expected expected = { .id = o->id, .sha256 = hash };
	if (order_may_agree(w, w->actor->identity, err) ||
	    ca_statement_accept(w->ca, w->actor, m, &expected, w->snap, w->batch, &accepted, err))
		return -1;
	if (o->approval_count == RECORD_APPROVALS_MAX)
		return err_set(err, ERR_APPROVAL_NOT_ALLOWED, "enough officers have decided about this order");
	add_approval(w, &accepted);
	tell(w, m, &accepted);
	if (accepted.decision == DECISION_APPROVE)
		return 0; /* order_advance counts */
	o->status = ORDER_DENIED;
	w->entered = true;
	return order_drop_tbs(w, err);
}

int ca_order_decide(struct ca *ca, const struct ca_actor *actor, const struct message_decide *request, struct buf *out,
		    struct error *err)
{
	return order_change(ca, actor, request->id, step_decide, (void *)request, out, err);
}
