/* The bytes that people decide about: built with serial and times, linted, kept; and built once more to compare. */
#include "ca-core/order_private.h"

#include "base/ossl.h"
#include "ca-core/policy_validation.h"
#include "ca-core/request.h"

void order_tbs_hash(const struct record_order *o, uint8_t hash[32])
{
	sha256(o->tbs.data, o->tbs.len, hash);
}

struct moments {
	int64_t not_before_s, not_after_s;
};

static int build(struct order_work *w, const struct ca_issuer *issuer, struct bytes serial, const struct moments *m,
		 struct buf *out, struct error *err)
{
	auto_ca_names names = CA_NAMES_INIT;
	auto_buf subject = BUF_INIT;
	struct ca_tbs tbs = { .profile = w->profile,
			      .issuer = &issuer->info,
			      .serial = serial,
			      .not_before_s = m->not_before_s,
			      .not_after_s = m->not_after_s,
			      .names = &names };
	if (order_names(w->order, &names, err) || order_subject(w, &subject, err) ||
	    ca_key_parse(w->order->spki, &tbs.key, err))
		return -1;
	tbs.subject = buf_bytes(&subject);
	return ca_tbs_build(&tbs, out, err);
}

/* BR 7.1.2.7: notBefore within 48 hours of signing; a profile whose people may take longer is held to its own limit. */
static int lint(struct order_work *w, const struct ca_issuer *issuer, struct bytes tbs, int64_t not_before_s,
		struct error *err)
{
	int64_t now_s = order_now_s(w), latest_s = not_before_s + 48 * ORDER_HOUR_S;
	if (w->profile->approve_hours > 48 && now_s > latest_s)
		now_s = latest_s;
	return ca_lint_tbs(tbs, w->profile, &issuer->info, now_s, err);
}

/* A certificate that people approved stands whole in the log: signature and frame take at most 1 KiB. */
static int fits_the_log(const struct order_work *w, const struct buf *tbs, struct error *err)
{
	if (!ca_policy_approvals(w->profile) || tbs->len + 1024 <= CA_AUDIT_CERTIFICATE_MAX)
		return 0;
	(void)err_set(err, ERR_TOO_MANY_NAMES,
		      "what people approve stands whole in the audit log, and this certificate would have %zu octets",
		      tbs->len);
	return err_about(err, "names", NULL, "names of about 9 KiB in all");
}

int order_fix_tbs(struct order_work *w, struct error *err)
{
	struct record_order *o = w->order;
	struct moments m;
	auto_buf tbs = BUF_INIT;
	struct ca_issuer *issuer = ca_request_issuer(w->ca, w->profile, err);
	if (!issuer || ca_profile_validity(w->profile, o->days, order_now_s(w), issuer->info.not_after_s,
					   &m.not_before_s, &m.not_after_s, err))
		return -1;
	if (!w->serial.len && store_serial_take(w->ca->store, &w->serial, err))
		return -1;
	struct bytes serial = BYTES(w->serial.octets, w->serial.len);
	if (build(w, issuer, serial, &m, &tbs, err) || fits_the_log(w, &tbs, err) ||
	    lint(w, issuer, buf_bytes(&tbs), m.not_before_s, err))
		return -1;
	o->tbs = order_keep(&w->memory, buf_bytes(&tbs));
	o->serial = order_keep(&w->memory, serial);
	o->issuer = bytes_of(issuer->config->name);
	o->approve_before_s = m.not_before_s + (int64_t)w->profile->approve_hours * ORDER_HOUR_S;
	w->changed = true;
	return 0;
}

int order_check_tbs(struct order_work *w, struct error *err)
{
	const struct record_order *o = w->order;
	struct ca_certificate_facts facts;
	auto_buf again = BUF_INIT;
	struct ca_issuer *issuer = ca_request_issuer(w->ca, w->profile, err);
	if (!issuer || ca_tbs_read(o->tbs, &facts, err))
		return -1;
	const struct moments m = { facts.not_before_s, facts.not_after_s };
	if (!bytes_are(o->issuer, issuer->config->name) || !bytes_equal(facts.serial, o->serial))
		return err_set(err, ERR_ORDER_STATE, "another issuer signs under this profile now");
	if (build(w, issuer, o->serial, &m, &again, err))
		return -1;
	if (!bytes_equal(buf_bytes(&again), o->tbs))
		return err_set(err, ERR_ORDER_STATE,
			       "the profile, the issuer or the organization would give other bytes now than those that "
			       "were approved");
	return lint(w, issuer, o->tbs, m.not_before_s, err);
}
