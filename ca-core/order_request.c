#include "ca-core/order_request.h"

#include <stdio.h>

#include "ca-core/issuance.h"
#include "ca-core/order_issue.h"
#include "ca-core/request.h"

bool ca_order_may_follow(enum err_code refusal)
{
	return refusal == ERR_NAME_NOT_ALLOWED || refusal == ERR_ORDER_STATE;
}

struct instead {
	const struct message_issue *m;
	struct message_order_create create;
	struct buf request_key;
	uint8_t fingerprint[32];
	char earlier[RECORD_NAME_MAX + 1]; /* order that the key led to before; "" : none */
	struct ca_earlier certificate;     /* or the certificate */
	bool has_certificate;
};

static void instead_free(struct instead *i)
{
	buf_free(&i->request_key);
	buf_free(&i->certificate.certificate);
	free(i);
}
CLEANUP_POINTER(instead, struct instead, instead_free)
#define auto_instead CLEANUP(instead_cleanup) struct instead

/* ---- what is asked ---- */

static void fill_create(struct instead *i)
{
	const struct message_issue *m = i->m;
	struct message_order_create *c = &i->create;
	c->profile = m->profile;
	c->days = m->days;
	c->common_name = m->common_name;
	c->name_count = m->name_count;
	memcpy(c->names, m->names, m->name_count * sizeof(m->names[0]));
	c->spki = m->spki;
	memcpy(c->csr_hash, m->csr_hash, sizeof(c->csr_hash));
	c->asked_subject = m->asked_subject;
	c->not_copied_count = m->not_copied_count;
	memcpy(c->not_copied, m->not_copied, m->not_copied_count * sizeof(m->not_copied[0]));
}

/* Whether an order could do what a grant did not: else the refusal stands. */
static int check(struct ca *ca, const struct ca_actor *actor, struct instead *i, struct error *err)
{
	struct error wrong = ERR_INIT;
	auto_ca_names names = CA_NAMES_INIT;
	const struct ca_profile *profile = ca_config_profile_for_request(ca->config, i->m->profile, &wrong);
	if (!profile || ca_request_names(profile, i->m->names, i->m->name_count, &names, &wrong))
		return -1;
	if (i->m->idempotency_key.len &&
	    ca_request_key(bytes_of(actor->identity), i->m, &names, &i->request_key, i->fingerprint, err))
		return -1;
	if (err->code == ERR_ORDER_STATE)
		return 0; /* the key says which */
	if (profile->validation >= CA_VALIDATION_ORGANIZATION) {
		(void)err_set(err, ERR_ORGANIZATION_NOT_VALID,
			      "profile %s certifies an organization, which is named in an order: POST /api/v1/orders",
			      profile->name);
		return err_about(err, "organization", NULL, "the id of an organization that was vetted");
	}
	return ca_order_could_show(ca, actor->identity, profile, &names) ? 0 : -1;
}

/* ---- the same key again ---- */

static int look_for_earlier(struct order_work *w, struct instead *i, uint64_t *version, struct error *err)
{
	struct record_request r;
	struct bytes value;
	int found =
		ca_issuance_earlier(w->ca, w->snap, buf_bytes(&i->request_key), i->fingerprint, &i->certificate, err);
	*version = i->certificate.version;
	i->has_certificate = found == 1;
	if (found >= 0 || err->code != ERR_ORDER_STATE)
		return found;
	*err = ERR_INIT;
	if (store_get(w->snap, STORE_REQUESTS, buf_bytes(&i->request_key), &value, NULL, err) != 1 ||
	    record_request_decode(value, &r, err))
		return -1;
	(void)snprintf(i->earlier, sizeof(i->earlier), "%.*s", (int)r.order.len, (const char *)r.order.data);
	return 1;
}

static int put_request(struct order_work *w, const struct instead *i, uint64_t version, struct error *err)
{
	struct record_request r = { .order = w->order->id, .expires_s = order_now_s(w) + CA_IDEMPOTENCY_S };
	struct bytes key = buf_bytes(&i->request_key);
	auto_buf value = BUF_INIT;
	memcpy(r.fingerprint, i->fingerprint, sizeof(r.fingerprint));
	record_request_encode(&r, &value);
	if (value.failed)
		return err_set(err, ERR_INTERNAL, "no memory for a request");
	if (version)
		store_expect_version(w->batch, STORE_REQUESTS, key, version);
	else
		store_expect_absent(w->batch, STORE_REQUESTS, key);
	store_put(w->batch, STORE_REQUESTS, key, buf_bytes(&value));
	return 0;
}

static int step_instead(struct order_work *w, void *arg, struct error *err)
{
	struct instead *i = arg;
	uint64_t version = 0;
	buf_free(&i->certificate.certificate);
	if (i->request_key.len && !i->m->dry_run) {
		int found = look_for_earlier(w, i, &version, err);
		if (found)
			return found < 0 ? -1 : 0;
	}
	if (order_begin(w, &i->create, err))
		return -1;
	return i->request_key.len && !i->m->dry_run ? put_request(w, i, version, err) : 0;
}

/* ---- answers ---- */

static int answer_certificate(struct instead *i, struct buf *out)
{
	const struct message_issued m = ca_earlier_answer(&i->certificate);
	message_issued_write(&m, out);
	return MSG_ISSUED;
}

static int answer_issued(struct order_work *w, bool again, struct buf *out, struct error *err)
{
	const struct record_order *o = w->order;
	auto_free struct record_certificate *record = malloc(sizeof(*record));
	auto_buf key = BUF_INIT;
	struct bytes value;
	record_key_certificate(&key, o->issuer, o->certificate);
	if (!record || key.failed)
		return err_set(err, ERR_INTERNAL, "no memory for a certificate");
	int found = store_get(w->snap, STORE_CERTIFICATES, buf_bytes(&key), &value, NULL, err);
	if (found < 0 || (found && record_certificate_decode(value, record, err)))
		return -1;
	if (!found)
		return err_set(err, ERR_INTEGRITY, "an order leads to a certificate that is not there");
	const struct message_issued m = { o->issuer, o->certificate, record->der, again };
	message_issued_write(&m, out);
	return MSG_ISSUED;
}

static int answer_order(struct ca *ca, const struct ca_actor *actor, struct bytes id, bool again, struct buf *out,
			struct error *err)
{
	auto_order_work *w = order_work_new(ca, actor, err);
	if (!w || order_work_load(w, id, err))
		return -1;
	if (w->order->status == ORDER_ISSUED)
		return answer_issued(w, again, out, err);
	return order_show(w, out, err) ? -1 : MSG_ORDER;
}

/* Decided as it would be, and forgotten. */
static int rehearse(struct ca *ca, const struct ca_actor *actor, struct instead *i, struct buf *out, struct error *err)
{
	auto_order_work *w = order_work_new(ca, actor, err);
	if (!w || order_begin(w, &i->create, err))
		return -1;
	w->order->id = BYTES_NONE;
	return order_show(w, out, err) ? -1 : MSG_ORDER;
}

static int answer_instead(struct ca *ca, const struct ca_token *prefer, const struct ca_actor *actor,
			  const struct message_issue *m, struct buf *out, struct error *err)
{
	char id[ORDER_ID_SIZE] = "";
	auto_instead *i = calloc(1, sizeof(*i));
	if (!i)
		return err_set(err, ERR_INTERNAL, "no memory for an order");
	i->m = m;
	fill_create(i);
	if (check(ca, actor, i, err))
		return -1;
	if (m->dry_run)
		return rehearse(ca, actor, i, out, err);
	if (order_make(ca, actor, step_instead, i, NULL, id, err))
		return -1;
	if (i->has_certificate)
		return answer_certificate(i, out);
	if (i->earlier[0])
		return answer_order(ca, actor, bytes_of(i->earlier), true, out, err);
	/* Where everything was known already, nobody has to come again. */
	struct error later = ERR_INIT;
	(void)order_issue(ca, prefer, bytes_of(id), &later);
	return answer_order(ca, actor, bytes_of(id), false, out, err);
}

int ca_order_instead(struct ca *ca, const struct ca_token *prefer, const struct ca_actor *actor,
		     const struct message_issue *m, struct buf *out, struct error *err)
{
	int type = answer_instead(ca, prefer, actor, m, out, err);
	if (type < 0 && err->code != ERR_TOKEN_UNAVAILABLE)
		atomic_fetch_add_explicit(&ca->counters.refused[err->code], 1, memory_order_relaxed);
	return type;
}
