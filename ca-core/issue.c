/* ca_issue(): the line, from a typed request to a durable certificate. */
#include "ca-core/issuance.h"
#include "ca-core/order_request.h"

#include <stdio.h>

#include "ca-core/policy.h"
#include "ca-core/request.h"
#include "ca-core/restore.h"
#include "store/record_order.h"

/* ---- parse: nothing of the request is believed before it has been read anew ---- */

static int parse(struct ca_issuance *i, const struct message_issue *m, char common_name[65], struct error *err)
{
	i->profile = ca_config_profile_for_request(i->ca->config, m->profile, err);
	if (!i->profile || ca_request_names(i->profile, m->names, m->name_count, &i->names, err) ||
	    ca_request_common_name(m->common_name, common_name, err) || ca_request_key_form(m->idempotency_key, err) ||
	    ca_key_parse(m->spki, &i->key, err) || ca_request_usable(i->profile, &i->names, common_name, err) ||
	    ca_request_kinds(i->profile, &i->names, err))
		return -1;
	i->spki = m->spki;
	i->deadline_ms = m->deadline_ms;
	memcpy(i->csr_hash, m->csr_hash, sizeof(i->csr_hash));
	i->has_csr = true;
	(void)snprintf(i->requester, sizeof(i->requester), "%s", i->actor.identity);
	return 0;
}

/* ---- authorize ---- */

static int authorize(const struct ca_issuance *i, struct error *err)
{
	return ca_policy_may_request(&i->actor, i->profile, err);
}

/* ---- order: what has to be shown before anything is signed ---- */

/* Here control of a name is shown by the configuration's grants alone, and nobody is asked: all else takes an
 * order (ca-core/order_request.c). */
static int validated(const struct ca_issuance *i, const char *common_name, struct error *err)
{
	const struct ca_profile *p = i->profile;
	if (p->validation <= CA_VALIDATION_DOMAIN && p->approvals == 0 && (p->methods & METHOD_GRANT))
		return ca_config_granted(i->ca->config, i->actor.identity, p, &i->names, common_name, err);
	(void)err_set(err, ERR_NAME_NOT_ALLOWED, "profile %s needs %s: that takes an order", p->name,
		      p->validation > CA_VALIDATION_DOMAIN ? "an organization, and officers who approve"
		      : p->approvals                       ? "officers who approve"
							   : "each name to be shown");
	return err_about(err, "profile", p->name, "a profile under which a grant is enough");
}

static int prepare_idempotency(struct ca_issuance *i, const struct message_issue *m, struct error *err)
{
	return m->idempotency_key.len
		       ? ca_request_key(bytes_of(i->requester), m, &i->names, &i->request_key, i->fingerprint, err)
		       : 0;
}

/* 1: answered with what an earlier request under the same key got. */
static int answer_again(struct ca_issuance *i, struct store_snapshot *snap, struct error *err)
{
	struct ca_earlier earlier;
	int found = ca_issuance_earlier(i->ca, snap, buf_bytes(&i->request_key), i->fingerprint, &earlier, err);
	i->request_version = earlier.version;
	if (found == 1) {
		const struct message_issued answer = ca_earlier_answer(&earlier);
		atomic_fetch_add(&i->ca->counters.again, 1);
		i->done(i->arg, &answer, NULL);
	}
	buf_free(&earlier.certificate);
	return found;
}

/* 0: go on. 1: answered already. */
static int order(struct ca_issuance *i, const struct message_issue *m, const char *common_name, struct error *err)
{
	if (validated(i, common_name, err) || prepare_idempotency(i, m, err))
		return -1;
	auto_store_snapshot *snap = store_snapshot_new(i->ca->store, err);
	if (!snap)
		return -1;
	int answered = i->request_key.len && !m->dry_run ? answer_again(i, snap, err) : 0;
	return answered ? answered : ca_request_not_blocked(snap, i->key.spki_hash, err);
}

/* ---- policy: what the certificate will say ---- */

static int decide_subject(struct ca_issuance *i, const char *common_name, struct error *err)
{
	struct ca_subject subject = { 0 };
	if (common_name[0])
		subject.values[CA_ATTR_COMMON_NAME] = common_name;
	return ca_subject_encode(&subject, &i->subject, err);
}

static int policy(struct ca_issuance *i, uint32_t days, const char *common_name, struct error *err)
{
	if (ca_clock_check(i->ca, i->now_ms, err))
		return -1;
	i->issuer = ca_request_issuer(i->ca, i->profile, err);
	if (!i->issuer || decide_subject(i, common_name, err))
		return -1;
	return ca_profile_validity(i->profile, days, i->now_ms / 1000, i->issuer->info.not_after_s, &i->not_before_s,
				   &i->not_after_s, err);
}

/* ---- a dry run: the same bytes under a serial that is never used, looked at and dropped ---- */

static int decide_only(struct ca_issuance *i, struct error *err)
{
	static const uint8_t no_serial[] = { 0x01 };
	const struct ca_tbs tbs = {
		.profile = i->profile,
		.issuer = &i->issuer->info,
		.serial = BYTES(no_serial, sizeof(no_serial)),
		.not_before_s = i->not_before_s,
		.not_after_s = i->not_after_s,
		.subject = buf_bytes(&i->subject),
		.key = i->key,
		.names = &i->names,
	};
	if (ca_tbs_build(&tbs, &i->tbs, err))
		return -1;
	i->done(i->arg, NULL, NULL);
	ca_issuance_free(i);
	return 0;
}

/* ---- the line ---- */

static int run(struct ca_issuance *i, const struct message_issue *m, struct error *err)
{
	char common_name[65];
	if (parse(i, m, common_name, err) || authorize(i, err))
		return -1;
	int answered = order(i, m, common_name, err);
	if (answered < 0)
		return -1;
	if (answered) {
		ca_issuance_free(i);
		return 0;
	}
	if (policy(i, m->days, common_name, err))
		return -1;
	if (m->dry_run)
		return decide_only(i, err);
	if (ca_restore_check(i->ca, err) || ca_issuance_signer(i, err) || ca_issuance_tbs(i, err) ||
	    ca_issuance_lint(i, err) || ca_issuance_sign(i, err))
		return -1;
	return ca_issuance_commit(i, err);
}

/* What waits for a token is tried again, and what no grant covers may become an order: counted once, by who tells it. */
static bool is_told_here(const struct ca_issuance *i, enum err_code refusal)
{
	return refusal != ERR_TOKEN_UNAVAILABLE && (i->anywhere || !ca_order_may_follow(refusal));
}

/* Owns i. */
static int start(struct ca_issuance *i, const struct message_issue *request, ca_issue_done *done, void *arg,
		 struct error *err)
{
	i->done = done;
	i->arg = arg;
	if (run(i, request, err) == 0)
		return 0;
	if (is_told_here(i, err->code))
		atomic_fetch_add_explicit(&i->ca->counters.refused[err->code], 1, memory_order_relaxed);
	ca_issuance_free(i);
	return -1;
}

int ca_issue(struct ca *ca, const struct ca_actor *actor, const struct message_issue *request, ca_issue_done *done,
	     void *arg, struct error *err)
{
	struct ca_issuance *i = ca_issuance_new(ca, actor, err);
	if (!i)
		return -1;
	i->anywhere = true;
	return start(i, request, done, arg, err);
}

int ca_issue_at(struct ca *ca, const struct ca_token *token, const struct ca_actor *actor,
		const struct message_issue *request, ca_issue_done *done, void *arg, struct error *err)
{
	struct ca_issuance *i = ca_issuance_new(ca, actor, err);
	if (!i)
		return -1;
	i->token = token;
	return start(i, request, done, arg, err);
}

/* ---- waited for ---- */

struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t answered_cond;
	bool answered, failed;
	struct buf *certificate;
	struct store_serial *serial;
	struct error *err;
};

static void wake(void *arg, const struct message_issued *issued, const struct error *err)
{
	struct waiter *w = arg;
	(void)pthread_mutex_lock(&w->lock);
	w->answered = true;
	if (issued) {
		if (w->certificate)
			buf_add_bytes(w->certificate, issued->certificate);
		if (w->serial) {
			memcpy(w->serial->octets, issued->serial.data, issued->serial.len);
			w->serial->len = (uint8_t)issued->serial.len;
		}
	} else if (err) {
		w->failed = true;
		*w->err = *err;
	}
	(void)pthread_cond_signal(&w->answered_cond);
	(void)pthread_mutex_unlock(&w->lock);
}

static int wait_for(struct waiter *w)
{
	(void)pthread_mutex_lock(&w->lock);
	while (!w->answered)
		(void)pthread_cond_wait(&w->answered_cond, &w->lock);
	(void)pthread_mutex_unlock(&w->lock);
	return w->failed ? -1 : 0;
}

#define WAITER(certificate_, serial_, err_)                                                   \
	{                                                                                     \
		.lock = PTHREAD_MUTEX_INITIALIZER, .answered_cond = PTHREAD_COND_INITIALIZER, \
		.certificate = (certificate_), .serial = (serial_), .err = (err_)             \
	}

int ca_issue_wait(struct ca *ca, const struct ca_actor *actor, const struct message_issue *request,
		  struct buf *certificate, struct store_serial *serial, struct error *err)
{
	struct waiter w = WAITER(certificate, serial, err);
	return ca_issue(ca, actor, request, wake, &w, err) ? -1 : wait_for(&w);
}

/* ---- our own acts ---- */

static int fill_own(struct ca_issuance *i, const struct ca_own_issue *in, struct error *err)
{
	i->profile = in->profile;
	i->issuer = in->issuer;
	i->self_signed = in->self_signer != NULL;
	i->signer = in->self_signer ? in->self_signer
		    : in->token     ? ca_issuer_signer_in(in->issuer, in->token, err)
				    : ca_issuer_signer(in->issuer, err);
	i->extend = in->extend;
	i->extend_arg = in->extend_arg;
	i->spki = in->spki;
	(void)snprintf(i->requester, sizeof(i->requester), "%s", in->requester);
	buf_add_bytes(&i->subject, in->subject);
	if (!i->signer || ca_clock_check(i->ca, i->now_ms, err) || ca_key_parse(in->spki, &i->key, err))
		return -1;
	for (size_t n = 0; in->names && n < in->names->count; n++)
		if (ca_names_add(&i->names, &in->names->items[n], i->profile->names_max, err))
			return -1;
	return ca_profile_validity(i->profile, in->days, i->now_ms / 1000,
				   i->self_signed ? INT64_MAX : i->issuer->info.not_after_s, &i->not_before_s,
				   &i->not_after_s, err);
}

int ca_issue_own(struct ca *ca, const struct ca_own_issue *in, struct buf *certificate, struct store_serial *serial,
		 struct error *err)
{
	struct waiter w = WAITER(certificate, serial, err);
	struct ca_issuance *i = ca_issuance_new(ca, in->actor, err);
	if (!i)
		return -1;
	i->done = wake;
	i->arg = &w;
	if (fill_own(i, in, err) || ca_issuance_tbs(i, err) || ca_issuance_lint(i, err) || ca_issuance_sign(i, err) ||
	    ca_issuance_commit(i, err)) {
		ca_issuance_free(i);
		return -1;
	}
	return wait_for(&w);
}
