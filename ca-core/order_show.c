/* Orders as people see them. */
#include "ca-core/order_private.h"

#include "base/ossl.h"
#include "base/text.h"
#include "ca-core/challenge.h"
#include "ca-core/orders.h"
#include "ca-core/policy_validation.h"

#define WORDS_MAX 3000                      /* of what it waits for */
#define NAMES_BYTES_MAX ((size_t)500 << 10) /* of what is said of names: a frame holds 1 MiB */

/* ---- what it waits for ---- */

static void add_names(const struct order_work *w, struct buf *out)
{
	const struct record_order *o = w->order;
	size_t open = 0, shown = 0;
	for (size_t i = 0; i < o->name_count; i++)
		open += !order_name_is_settled(w->ca, w->profile, &o->names[i], order_now_s(w));
	if (!open)
		return;
	buf_printf(out, "control of %zu of %zu names has to be shown, each in one of its ways:", open, o->name_count);
	for (size_t i = 0; i < o->name_count && shown < 5 && out->len < WORDS_MAX; i++) {
		const struct record_order_name *n = &o->names[i];
		if (order_name_is_settled(w->ca, w->profile, n, order_now_s(w)))
			continue;
		shown++;
		buf_printf(out, " %.*s", (int)n->name.len, (const char *)n->name.data);
		if (order_name_is_shown(n, order_now_s(w)) && !n->error_code.len)
			buf_add_text(out, " (shown; CAA is looked up)");
		else if (n->error_code.len)
			buf_printf(out, " (%.*s: %.*s)", (int)n->error_code.len, (const char *)n->error_code.data,
				   (int)n->error.len, n->error.len ? (const char *)n->error.data : "");
		else if (!n->checked_ms)
			buf_add_text(out, " (not checked yet)");
		buf_add_text(out, shown < open ? "," : "");
	}
	if (ca_orders_validator_away(w->ca))
		buf_add_text(out, "; the validator is away, and nothing is checked until it is back");
}

static void wait_validation(struct order_work *w, struct buf *out)
{
	struct error why = ERR_INIT;
	if (!w->profile)
		buf_add_text(out, "the order's profile is not in the configuration any more: cancel it");
	else if (order_policy(w, &why))
		buf_printf(out, "%s", why.message);
	else
		add_names(w, out);
}

static void wait_approval(struct order_work *w, struct buf *out)
{
	const struct record_order *o = w->order;
	char time[CLOCK_TEXT_SIZE];
	unsigned needed = w->profile ? ca_policy_approvals(w->profile) : 1;
	size_t given = 0;
	for (size_t i = 0; i < o->approval_count; i++)
		given += o->approvals[i].approve;
	buf_printf(out, "approval by %zu more officer%s before %s", needed > given ? needed - given : 1,
		   needed > given + 1 ? "s" : "", clock_rfc3339(o->approve_before_s, time));
}

static void wait_signing(const struct order_work *w, struct buf *out)
{
	struct error why = ERR_INIT;
	struct ca_issuer *issuer = w->profile ? ca_issuer_for(w->ca, w->profile) : NULL;
	bool settled = true;
	for (size_t i = 0; w->profile && i < w->order->name_count; i++)
		settled = settled && order_name_is_settled(w->ca, w->profile, &w->order->names[i], order_now_s(w));
	if (!settled)
		buf_printf(out, "CAA records to be looked up once more%s",
			   ca_orders_validator_away(w->ca) ? "; the validator is away" : "");
	else if (issuer && !ca_issuer_signer(issuer, &why))
		buf_printf(out, "the token to be there: %s", why.message);
	else
		buf_add_text(out, "the token of its issuer to sign");
}

void order_waits_for(struct order_work *w, struct buf *out)
{
	const struct record_order *o = w->order;
	size_t before = out->len;
	switch (o->status) {
	case ORDER_DRAFT:
		buf_add_text(out, "its requester to submit it");
		break;
	case ORDER_PENDING_VALIDATION:
		wait_validation(w, out);
		break;
	case ORDER_PENDING_APPROVAL:
		wait_approval(w, out);
		break;
	case ORDER_READY:
	case ORDER_ISSUING:
		wait_signing(w, out);
		break;
	default:
		return;
	}
	if (o->failure.len && out->len > before && out->len + o->failure.len < WORDS_MAX &&
	    !memmem(out->data + before, out->len - before, o->failure.data, o->failure.len))
		buf_printf(out, " (%.*s)", (int)o->failure.len, (const char *)o->failure.data);
}

/* ---- the whole ---- */

static struct bytes keep_printf(struct order_memory *m, struct buf *text)
{
	struct bytes kept = order_keep(m, buf_bytes(text));
	buf_clear(text);
	return kept;
}

static void add_method(struct message_authorization *a, const char *type, struct bytes where, struct bytes what)
{
	a->methods[a->method_count++] = (struct message_method){ bytes_of(type), where, what };
}

/* What may be put where, ready to be shown. */
static void add_methods(struct order_work *w, const struct record_order_name *n, struct message_authorization *a)
{
	const struct record_order *o = w->order;
	struct order_memory *m = &w->memory;
	char value[CA_CHALLENGE_VALUE_SIZE], name[CA_CHALLENGE_NAME_SIZE], target[CA_CHALLENGE_NAME_SIZE],
		url[CA_CHALLENGE_NAME_SIZE + 64];
	uint8_t hash[32];
	auto_buf text = BUF_INIT;
	order_spki_hash(o, hash);
	ca_challenge_value(o->nonce, hash, n->name, o->requester, value);
	if (n->methods & METHOD_DNS_TXT) {
		ca_challenge_txt_name(n->name, name);
		add_method(a, "dns-txt", order_keep_text(m, name), order_keep_text(m, value));
	}
	if (n->methods & METHOD_DNS_CNAME) {
		ca_challenge_cname_name(n->name, value, name);
		ca_challenge_cname_target(value, w->ca->config->dns_cname_base, target);
		add_method(a, "dns-cname", order_keep_text(m, name), order_keep_text(m, target));
	}
	if (n->methods & METHOD_HTTP) {
		const struct ca_config_zone *zone = ca_config_zone_of(w->ca->config, n->name);
		ca_challenge_http_url(n->name, value, ca_config_http_port(zone), url);
		add_method(a, "http", order_keep_text(m, url), order_keep_text(m, value));
	}
	if (n->methods & METHOD_MAIL && w->profile) {
		order_mail_addresses(w->ca, w->profile, n->name, &text);
		add_method(a, "mail", keep_printf(m, &text), BYTES_NONE);
	}
}

/* brief: the order is so long that the rest is left out. Returns about how many octets it takes. */
static size_t show_name(struct order_work *w, const struct record_order_name *n, bool brief,
			struct message_authorization *a)
{
	bool valid = order_name_is_shown(n, order_now_s(w));
	size_t size = 2 * n->name.len + 100;
	*a = (struct message_authorization){ .name = n->name,
					     .status = bytes_of(valid ? "valid" : "pending"),
					     .expires_s = valid ? n->expires_s : w->order->expires_s,
					     .checked_s = n->checked_ms / 1000,
					     .error_code = n->error_code,
					     .error = brief ? BYTES_NONE : n->error };
	if (valid)
		add_method(a, record_method_name(n->methods), BYTES_NONE, BYTES_NONE);
	else if (!record_order_is_over(w->order->status) && !brief)
		add_methods(w, n, a);
	for (uint32_t i = 0; i < a->method_count; i++)
		size += 40 + a->methods[i].where.len + a->methods[i].what.len;
	return size + a->error.len;
}

static void show_subject(struct order_work *w, struct message_order *m)
{
	auto_buf der = BUF_INIT, text = BUF_INIT;
	struct error ignored = ERR_INIT;
	if (record_order_is_over(w->order->status) || order_subject(w, &der, &ignored) || der.len <= 2 ||
	    ca_subject_text(buf_bytes(&der), &text, &ignored))
		return;
	m->subject = keep_printf(&w->memory, &text);
}

static void show_decisions(const struct order_work *w, struct message_order *m)
{
	const struct record_order *o = w->order;
	m->approvals_needed = w->profile ? ca_policy_approvals(w->profile) : 0;
	m->approval_count = (uint32_t)o->approval_count;
	for (size_t i = 0; i < o->approval_count; i++)
		m->approvals[i] = (struct message_approval){ o->approvals[i].officer,
							     bytes_of(o->approvals[i].approve ? "approve" : "deny"),
							     o->approvals[i].reason, o->approvals[i].time_s };
	m->has_tbs = o->tbs.len > 0;
	if (m->has_tbs)
		order_tbs_hash(o, m->tbs_hash);
	m->approve_before_s = o->status == ORDER_PENDING_APPROVAL ? o->approve_before_s : 0;
}

static void show_lists(struct order_work *w, struct message_order *m)
{
	const struct record_order *o = w->order;
	size_t size = 0;
	m->name_count = m->authorization_count = (uint32_t)o->name_count;
	for (size_t i = 0; i < o->name_count; i++) {
		m->names[i] = o->names[i].name;
		size += show_name(w, &o->names[i], size > NAMES_BYTES_MAX, &m->authorizations[i]);
	}
	m->not_copied_count = (uint32_t)o->not_copied_count;
	for (size_t i = 0; i < o->not_copied_count; i++)
		m->not_copied[i] = o->not_copied[i];
	m->contact_count = (uint32_t)o->contact_count;
	for (size_t i = 0; i < o->contact_count; i++)
		m->contacts[i] = (struct message_contact){ o->contacts[i].role, o->contacts[i].mail };
}

int order_show(struct order_work *w, struct buf *out, struct error *err)
{
	const struct record_order *o = w->order;
	/* Places for a thousand names: only those that are there are touched. */
	auto_free struct message_order *m = calloc(1, sizeof(*m));
	auto_buf words = BUF_INIT;
	if (!m)
		return err_set(err, ERR_INTERNAL, "no memory for an order");
	order_waits_for(w, &words);
	m->id = o->id;
	m->status = bytes_of(record_order_status_name(o->status));
	m->profile = o->profile;
	m->requester = o->requester;
	m->organization = o->organization;
	m->days = o->days;
	memcpy(m->nonce, o->nonce, sizeof(m->nonce));
	m->created_s = o->created_ms / 1000;
	m->expires_s = o->expires_s;
	m->waits_for = buf_bytes(&words);
	m->asked_subject = o->asked_subject;
	order_spki_hash(o, m->spki_hash);
	show_lists(w, m);
	show_subject(w, m);
	show_decisions(w, m);
	m->issuer = o->issuer;
	m->certificate = o->certificate;
	m->failure_code = o->failure_code;
	m->failure = o->failure;
	message_order_write(m, out);
	return out->failed || w->memory.failed ? err_set(err, ERR_INTERNAL, "no memory for an order") : 0;
}

int ca_order_get(struct ca *ca, const struct ca_actor *actor, struct bytes id, struct buf *out, struct error *err)
{
	auto_order_work *w = order_work_new(ca, actor, err);
	if (!w || order_work_load(w, id, err))
		return -1;
	return order_may_see(actor, w->order) ? order_show(w, out, err) : order_not_found(err);
}

int ca_order_tbs(struct ca *ca, const struct ca_actor *actor, struct bytes id, struct buf *out, struct error *err)
{
	auto_order_work *w = order_work_new(ca, actor, err);
	if (!w || order_work_load(w, id, err))
		return -1;
	if (!order_may_see(actor, w->order))
		return order_not_found(err);
	if (!w->order->tbs.len) {
		const char *status = record_order_status_name(w->order->status);
		(void)err_set(err, ERR_ORDER_STATE, "the order is %s: there are no bytes to be signed", status);
		return err_about(err, "status", status, "pending-approval");
	}
	const struct message_name m = { w->order->tbs };
	message_name_write(&m, out);
	return out->failed ? err_set(err, ERR_INTERNAL, "no memory for an order") : 0;
}
