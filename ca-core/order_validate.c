/* Names of orders: which ways there are to show each, and what is known already. */
#include "ca-core/order_private.h"

#include <stdio.h>

#include "ca-core/challenge.h"

/* ---- ways ---- */

static bool is_offered(const struct ca *ca, uint8_t method)
{
	if (method == METHOD_DNS_CNAME)
		return ca->config->dns_cname_base[0] != '\0';
	return method != METHOD_MAIL || ca->config->mail.server[0] != '\0';
}

uint8_t order_methods(const struct ca *ca, const struct ca_profile *profile, struct bytes name)
{
	unsigned methods = ca_challenge_methods(name, profile->methods) & ~(unsigned)METHOD_GRANT;
	for (unsigned bit = METHOD_DNS_TXT; bit <= METHOD_MAIL; bit <<= 1)
		if (!is_offered(ca, (uint8_t)bit))
			methods &= ~bit;
	return (uint8_t)methods;
}

/* Under extended validation a profile has no grants among its methods, unless that is waived: ca-core/profile.c. */
bool order_is_granted(const struct ca *ca, const char *identity, const struct ca_profile *profile,
		      const struct ca_name *name)
{
	const struct ca_names one = { .items = (struct ca_name *)name, .count = 1, .capacity = 1 };
	struct error ignored = ERR_INIT;
	return (profile->methods & METHOD_GRANT) &&
	       ca_config_granted(ca->config, identity, profile, &one, NULL, &ignored) == 0;
}

bool ca_order_could_show(struct ca *ca, const char *identity, const struct ca_profile *profile,
			 const struct ca_names *names)
{
	bool all = names->count > 0;
	for (size_t i = 0; all && i < names->count; i++) {
		auto_buf printed = BUF_INIT;
		ca_name_print(&names->items[i], &printed);
		all = order_methods(ca, profile, buf_bytes(&printed)) ||
		      order_is_granted(ca, identity, profile, &names->items[i]);
	}
	return all;
}

void order_renew_methods(struct order_work *w)
{
	for (size_t i = 0; i < w->order->name_count; i++)
		if (w->order->names[i].status == AUTHORIZATION_PENDING)
			w->order->names[i].methods = order_methods(w->ca, w->profile, w->order->names[i].name);
}

static void requester_of(const struct record_order *o, char out[RECORD_NAME_MAX + 1])
{
	(void)snprintf(out, RECORD_NAME_MAX + 1, "%.*s", (int)o->requester.len, (const char *)o->requester.data);
}

/* ---- CAA ---- */

enum ca_caa order_caa(const struct ca *ca, const struct ca_profile *profile, const struct record_order_name *n)
{
	bool granted = n->status == AUTHORIZATION_VALID && n->methods == METHOD_GRANT;
	if (granted || ca_challenge_host(n->name).len == 0)
		return CA_CAA_OFF;
	const struct ca_config_zone *zone = ca_config_zone_of(ca->config, n->name);
	return zone && zone->caa_given ? zone->caa : profile->caa;
}

bool order_name_is_shown(const struct record_order_name *n, int64_t now_s)
{
	return n->status == AUTHORIZATION_VALID && n->expires_s > now_s;
}

bool order_name_is_settled(const struct ca *ca, const struct ca_profile *profile, const struct record_order_name *n,
			   int64_t now_s)
{
	if (!order_name_is_shown(n, now_s))
		return false;
	return order_caa(ca, profile, n) == CA_CAA_OFF || (n->caa_checked_s && now_s < n->caa_checked_s + ORDER_CAA_S);
}

/* ---- what is known already ---- */

/* The organization, else the requester. */
static void owner_of(const struct record_order *o, struct buf *out)
{
	if (o->organization.len)
		buf_add_text(out, "org:");
	buf_add_bytes(out, o->organization.len ? o->organization : o->requester);
}

int64_t order_reuse_s(const struct ca_profile *profile, int64_t now_s)
{
	return (int64_t)ca_profile_reuse_days(profile, now_s) * ORDER_DAY_S;
}

static void pend(struct order_work *w, struct record_order_name *n)
{
	n->status = AUTHORIZATION_PENDING;
	n->methods = w->profile ? order_methods(w->ca, w->profile, n->name) : 0;
	n->reused = false;
	n->expires_s = n->caa_checked_s = 0;
	n->evidence = BYTES_NONE;
	n->next_check_ms = w->now_ms;
	n->tries = 0;
	w->changed = true;
}

/* The profile counts the way in which it was shown still, and so does the configuration where that was a grant. */
static bool way_holds(struct order_work *w, const struct record_order_name *n)
{
	char requester[RECORD_NAME_MAX + 1];
	struct ca_name name;
	struct error ignored = ERR_INIT;
	requester_of(w->order, requester);
	if (!w->profile || !(ca_challenge_methods(n->name, w->profile->methods) & n->methods))
		return false;
	return n->methods != METHOD_GRANT ||
	       (ca_name_parse(n->name, &name, &ignored) == 0 && order_is_granted(w->ca, requester, w->profile, &name));
}

bool order_lapse_names(struct order_work *w)
{
	bool lapsed = false;
	for (size_t i = 0; i < w->order->name_count; i++) {
		struct record_order_name *n = &w->order->names[i];
		if (n->status != AUTHORIZATION_VALID || (n->expires_s > order_now_s(w) && way_holds(w, n)))
			continue;
		pend(w, n);
		lapsed = true;
	}
	return lapsed;
}

static bool use_grant(struct order_work *w, struct record_order_name *n)
{
	char requester[RECORD_NAME_MAX + 1];
	struct ca_name name;
	struct error ignored = ERR_INIT;
	requester_of(w->order, requester);
	if (ca_name_parse(n->name, &name, &ignored) || !order_is_granted(w->ca, requester, w->profile, &name))
		return false;
	n->status = AUTHORIZATION_VALID;
	n->methods = METHOD_GRANT;
	n->expires_s = w->order->expires_s;
	n->evidence = order_keep_text(&w->memory, "covered by a grant of the configuration");
	return true;
}

/* The name that is looked at: a wildcard's base, for dns and mail show both at the same place. */
static struct bytes base_of(struct bytes name, struct buf *out)
{
	struct bytes host = ca_challenge_host(name);
	buf_add_text(out, host.len ? "dns:" : "");
	buf_add_bytes(out, host.len ? host : name);
	return buf_bytes(out);
}

/* BR 3.2.2.4.18 (note): what http shows is the exact name alone. */
static bool counts_for(const struct record_order_name *n, const struct record_authorization *a, bool parent)
{
	bool wildcard = ca_challenge_is_wildcard(n->name);
	return a->method != METHOD_GRANT && (n->methods & a->method) &&
	       !((wildcard || parent) && a->method == METHOD_HTTP);
}

/* 1: the owner has shown `at` lately, and it counts for the name. */
static int use_earlier(struct order_work *w, struct record_order_name *n, struct bytes at, bool parent,
		       struct error *err)
{
	auto_buf key = BUF_INIT, owner = BUF_INIT;
	struct record_authorization a = { .shown_s = 0 };
	struct bytes value;
	uint64_t version = 0;
	owner_of(w->order, &owner);
	record_key_authorization(&key, buf_bytes(&owner), at);
	int found = store_get(w->snap, STORE_AUTHORIZATIONS, buf_bytes(&key), &value, &version, err);
	if (found < 0 || (found && record_authorization_decode(value, &a, err)))
		return -1;
	int64_t until_s = found ? a.shown_s + order_reuse_s(w->profile, order_now_s(w)) : 0;
	if (found && a.expires_s < until_s)
		until_s = a.expires_s;
	if (until_s <= order_now_s(w) || !counts_for(n, &a, parent))
		return 0;
	store_expect_version(w->batch, STORE_AUTHORIZATIONS, buf_bytes(&key), version);
	n->status = AUTHORIZATION_VALID;
	n->methods = (uint8_t)a.method;
	n->reused = true;
	n->expires_s = until_s;
	n->evidence = order_keep(&w->memory, a.evidence);
	return 1;
}

/* The same at the domains above it, where the profile takes those: never at a public suffix. */
static int use_parents(struct order_work *w, struct record_order_name *n, struct bytes base, struct error *err)
{
	struct bytes host = ca_challenge_host(base);
	if (!w->profile->parent_domains || host.len == 0)
		return 0;
	for (const uint8_t *dot; (dot = memchr(host.data, '.', host.len));) {
		char text[CA_NAME_TEXT_MAX + 1];
		auto_buf at = BUF_INIT;
		host = BYTES(dot + 1, host.len - (size_t)(dot + 1 - host.data));
		(void)snprintf(text, sizeof(text), "%.*s", (int)host.len, (const char *)host.data);
		if (!ca_name_wildcard_base_allowed(text))
			break;
		buf_printf(&at, "dns:%s", text);
		int used = use_earlier(w, n, buf_bytes(&at), true, err);
		if (used)
			return used;
	}
	return 0;
}

static void tell_known(struct order_work *w, const struct record_order_name *n)
{
	struct ca_audit_entry entry;
	order_tell(w, "order.validated", &entry);
	ca_audit_text(&entry, "name", n->name);
	ca_audit_text(&entry, "method", bytes_of(record_method_name(n->methods)));
	if (n->reused)
		ca_audit_text(&entry, "reused", bytes_of("yes"));
	order_told(w, &entry);
}

int order_use_known(struct order_work *w, struct error *err)
{
	for (size_t i = 0; i < w->order->name_count; i++) {
		struct record_order_name *n = &w->order->names[i];
		auto_buf base = BUF_INIT;
		if (n->status == AUTHORIZATION_VALID)
			continue;
		int known = use_grant(w, n);
		if (!known)
			known = use_earlier(w, n, base_of(n->name, &base), false, err);
		if (!known)
			known = use_parents(w, n, buf_bytes(&base), err);
		if (known < 0)
			return -1;
		if (!known)
			continue;
		n->error = n->error_code = BYTES_NONE;
		memset(n->mail_code_hash, 0, sizeof(n->mail_code_hash));
		n->mail_until_s = 0;
		n->next_check_ms = order_caa(w->ca, w->profile, n) == CA_CAA_OFF ? 0 : w->now_ms;
		tell_known(w, n);
	}
	return 0;
}

int order_remember(struct order_work *w, const struct record_order_name *n, struct error *err)
{
	auto_buf key = BUF_INIT, value = BUF_INIT, base = BUF_INIT, owner = BUF_INIT;
	owner_of(w->order, &owner);
	const struct record_authorization a = { .owner = buf_bytes(&owner),
						.name = base_of(n->name, &base),
						.method = (enum record_method)n->methods,
						.order = w->order->id,
						.shown_s = order_now_s(w),
						.expires_s = n->expires_s,
						.evidence = n->evidence };
	record_key_authorization(&key, a.owner, a.name);
	record_authorization_encode(&a, &value);
	if (key.failed || value.failed)
		return err_set(err, ERR_INTERNAL, "no memory for what was shown");
	store_put(w->batch, STORE_AUTHORIZATIONS, buf_bytes(&key), buf_bytes(&value));
	return 0;
}
