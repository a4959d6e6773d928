#include "ca-core/ceremony_draft_private.h"

#include <openssl/rand.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/ossl.h"
#include "ca-core/crl_der.h"
#include "ca-core/lint.h"

#define DAY_S ((int64_t)86400)

__attribute__((format(printf, 5, 6))) static int wrong(const struct ceremony_plan *plan,
						       const struct ceremony_step *step, struct error *err,
						       const char *option, const char *fmt, ...)
{
	char why[384];
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	return ceremony_plan_wrong(plan, err, "step", step->name, option, "%s", why);
}

static const char *issuer_word(const struct ceremony_step *step)
{
	return step->kind == CEREMONY_OLD_WITH_NEW ? "new" : step->kind == CEREMONY_NEW_WITH_OLD ? "old" : "issuer";
}

static const char *of_word(const struct ceremony_step *step)
{
	return step->kind == CEREMONY_OLD_WITH_NEW ? "old" : step->kind == CEREMONY_NEW_WITH_OLD ? "new" : "of";
}

/* The CA that signs the step, or NULL with the error. */
static const struct ca_issuer_info *issuer_of(const struct ceremony_plan *plan, const struct ceremony_step *step,
					      const struct ceremony_known *known, struct error *err)
{
	const struct ca_issuer_info *issuer = ceremony_known_issuer(known, step->issuer);
	if (!issuer)
		(void)wrong(plan, step, err, issuer_word(step),
			    "the certificate of \"%s\" is not there yet, or no CA's", step->issuer);
	return issuer;
}

/* The CA that a cross-certificate certifies; facts borrow from known. */
static int certified_of(const struct ceremony_plan *plan, const struct ceremony_step *step,
			const struct ceremony_known *known, struct ca_certificate_facts *facts, struct error *err)
{
	const struct known_certificate *c = known_find(known, step->of);
	if (!c || !c->is_ca)
		return wrong(plan, step, err, of_word(step), "the certificate of \"%s\" is not there yet, or no CA's",
			     step->of);
	return ca_certificate_read(buf_bytes(&c->der), facts, err);
}

/* ---- what a rehearsal fixes ---- */

/* What the plan alone cannot tell: the serial number of a root's own certificate is one that it has used. */
static bool is_used(const struct ceremony_plan *plan, size_t at, const struct ceremony_known *known,
		    struct bytes serial)
{
	struct ca_certificate_facts own;
	struct error ignored = ERR_INIT;
	struct bytes der = ceremony_known_certificate(known, plan->steps[at].issuer);
	if (ceremony_plan_serial_used(plan, at, serial))
		return true;
	return der.len && ca_certificate_read(der, &own, &ignored) == 0 && bytes_equal(own.issuer, own.subject) &&
	       bytes_equal(own.serial, serial);
}

static int fix_serial(const struct ceremony_plan *plan, size_t at, const struct ceremony_known *known,
		      struct ceremony_fixed *fixed, struct error *err)
{
	const struct ceremony_step *step = &plan->steps[at];
	if (step->serial_len) {
		memcpy(fixed->serial, step->serial, step->serial_len);
		fixed->serial_len = step->serial_len;
		return is_used(plan, at, known, BYTES(fixed->serial, fixed->serial_len))
			       ? wrong(plan, step, err, "serial", "its issuer has used this serial number before")
			       : 0;
	}
	fixed->serial_len = sizeof(fixed->serial);
	do {
		if (RAND_bytes(fixed->serial, sizeof(fixed->serial)) != 1)
			return err_openssl(err, ERR_INTERNAL, "no random numbers for a serial number");
		fixed->serial[0] = (uint8_t)((fixed->serial[0] & 0x7f) | 0x40); /* positive, and in minimal form */
	} while (is_used(plan, at, known, BYTES(fixed->serial, fixed->serial_len)));
	return 0;
}

static int check_end(const struct ceremony_plan *plan, const struct ceremony_step *step, const char *of,
		     const struct ceremony_fixed *fixed, int64_t from_s, int64_t to_s, struct error *err)
{
	char end[CLOCK_TEXT_SIZE], limit[CLOCK_TEXT_SIZE];
	const char *option = step->not_after.given ? "not-after" : step->days ? "days" : "";
	if (fixed->not_after_s > to_s)
		return wrong(plan, step, err, option, "it would end on %s, after the certificate of \"%s\" (%s)",
			     clock_rfc3339(fixed->not_after_s, end), of, clock_rfc3339(to_s, limit));
	if (fixed->not_before_s < from_s)
		return wrong(plan, step, err, step->not_before.given ? "not-before" : "",
			     "it would begin on %s, before the certificate of \"%s\" (%s)",
			     clock_rfc3339(fixed->not_before_s, end), of, clock_rfc3339(from_s, limit));
	return 0;
}

/* A step that the ceremony itself certifies begins with its issuer: both are fixed to the same moment. */
static int64_t not_before(const struct ceremony_step *step, const struct ca_profile *p,
			  const struct ca_issuer_info *issuer, int64_t now_s)
{
	if (step->not_before.given && !step->not_before.now)
		return step->not_before.s;
	int64_t back_s = now_s - (int64_t)p->backdate_s;
	return issuer && issuer->not_before_s > back_s && issuer->not_before_s <= now_s ? issuer->not_before_s : back_s;
}

static int fix_life(const struct ceremony_plan *plan, const struct ceremony_step *step,
		    const struct ceremony_known *known, int64_t now_s, struct ceremony_fixed *fixed, struct error *err)
{
	const struct ca_profile *p = ceremony_step_profile(plan, step);
	const struct ca_issuer_info *issuer = NULL;
	struct ca_certificate_facts of = { .not_after_s = INT64_MAX, .not_before_s = INT64_MIN };
	if (step->kind != CEREMONY_ROOT && !(issuer = issuer_of(plan, step, known, err)))
		return -1;
	if (step->of[0] && certified_of(plan, step, known, &of, err))
		return -1;
	fixed->not_before_s = not_before(step, p, issuer, now_s);
	int64_t longest_s = fixed->not_before_s + (int64_t)p->days_max * DAY_S - 1;
	if (step->not_after.given)
		fixed->not_after_s = step->not_after.s;
	else if (step->days || !step->of[0])
		fixed->not_after_s = fixed->not_before_s + (int64_t)(step->days ? step->days : p->days) * DAY_S - 1;
	else {
		fixed->not_after_s = of.not_after_s < longest_s ? of.not_after_s : longest_s;
		if (issuer && issuer->not_after_s < fixed->not_after_s)
			fixed->not_after_s = issuer->not_after_s;
	}
	if (fixed->not_after_s <= fixed->not_before_s)
		return wrong(plan, step, err, step->not_after.given ? "not-after" : "",
			     "it would end before it begins");
	if (fixed->not_after_s > longest_s)
		return wrong(plan, step, err, step->not_after.given ? "not-after" : "days",
			     "it would live longer than profile \"%s\" allows (days-max is %u)", p->name, p->days_max);
	if (issuer && check_end(plan, step, step->issuer, fixed, issuer->not_before_s, issuer->not_after_s, err))
		return -1;
	return check_end(plan, step, step->of, fixed, INT64_MIN, of.not_after_s, err);
}

static int64_t begin_of_list(const struct ceremony_step *step, int64_t now_s)
{
	return step->not_before.given && !step->not_before.now ? step->not_before.s : now_s;
}

/* As the CA's own lists are numbered, so that it goes up whoever makes the next one: PKI.md section 6. */
static uint64_t number_of_list(const struct ceremony_step *step, uint64_t last, int64_t now_s)
{
	uint64_t by_time = (uint64_t)begin_of_list(step, now_s) * 1000;
	return step->number ? step->number : by_time > last ? by_time : last + 1;
}

static int fix_list(const struct ceremony_plan *plan, size_t at, int64_t now_s, struct ceremony_fixed *fixed,
		    struct error *err)
{
	const struct ceremony_step *step = &plan->steps[at];
	const struct ceremony_issuer *issuer = ceremony_plan_issuer(plan, step->issuer);
	uint64_t last = issuer ? issuer->crl_number : 0;
	for (size_t i = 0; i < at; i++) {
		const struct ceremony_step *other = &plan->steps[i];
		if (other->kind == CEREMONY_CRL && strcmp(other->issuer, step->issuer) == 0)
			last = number_of_list(other, last, now_s);
	}
	if (step->number && step->number <= last)
		return wrong(plan, step, err, "number", "the issuer's list has the number %llu already",
			     (unsigned long long)last);
	fixed->number = number_of_list(step, last, now_s);
	fixed->this_update_s = begin_of_list(step, now_s);
	fixed->next_update_s = fixed->this_update_s + (int64_t)step->days * DAY_S;
	return 0;
}

int ceremony_fix(const struct ceremony_plan *plan, size_t at, const struct ceremony_known *known, int64_t now_s,
		 struct ceremony_fixed *fixed, struct error *err)
{
	const struct ceremony_step *step = &plan->steps[at];
	*fixed = (struct ceremony_fixed){ 0 };
	if (step->kind == CEREMONY_CRL)
		return fix_list(plan, at, now_s, fixed, err);
	if (!ceremony_kind_certifies(step->kind))
		return 0;
	return fix_serial(plan, at, known, fixed, err) || fix_life(plan, step, known, now_s, fixed, err) ? -1 : 0;
}

/* ---- the draft ---- */

void ceremony_draft_clear(struct ceremony_draft *draft)
{
	buf_free(&draft->tbs);
	buf_free(&draft->signature_algorithm);
	*draft = (struct ceremony_draft){ 0 };
}

static int settle_signer(const struct ceremony_plan *plan, const struct ceremony_step *step, struct bytes spki,
			 struct ceremony_draft *draft, struct error *err)
{
	struct ca_key key;
	if (ca_key_parse(spki, &key, err))
		return -1;
	draft->signer = ceremony_step_signer(plan, step);
	draft->signer_spki = spki;
	draft->digest_bits = ca_key_digest_bits(key.type);
	buf_add_bytes(&draft->signature_algorithm, ca_signature_algorithm(key.type));
	return draft->signature_algorithm.failed ? err_set(err, ERR_INTERNAL, "no memory for a draft") : 0;
}

/* Whose certificate it becomes. */
struct holder {
	struct buf name; /* owned */
	struct bytes subject, spki, key_id;
};

static int find_holder(const struct ceremony_plan *plan, size_t at, const struct ceremony_known *known,
		       struct holder *h, struct error *err)
{
	const struct ceremony_step *step = &plan->steps[at];
	if (step->of[0]) {
		struct ca_certificate_facts facts = { 0 };
		if (certified_of(plan, step, known, &facts, err))
			return -1;
		h->subject = facts.subject;
		h->spki = facts.spki;
		h->key_id = facts.ski;
		return 0;
	}
	struct ca_subject subject = { 0 };
	for (size_t i = 0; i < CA_ATTR_COUNT; i++)
		subject.values[i] = step->subject[i];
	if (ca_subject_encode(&subject, &h->name, err))
		return -1;
	h->subject = buf_bytes(&h->name);
	h->spki = step->key ? ceremony_known_key(known, step->key) : buf_bytes(&known->csr_spki[at]);
	return h->spki.len ? 0 : wrong(plan, step, err, step->key ? "key" : "csr", "this key is not there yet");
}

static int build_certificate(const struct ceremony_plan *plan, size_t at, const struct ceremony_known *known,
			     const struct ceremony_fixed *fixed, struct holder *h, struct ceremony_draft *draft,
			     struct error *err)
{
	const struct ceremony_step *step = &plan->steps[at];
	const struct ca_issuer_info *issuer = NULL;
	struct ca_tbs in = { .profile = ceremony_step_profile(plan, step),
			     .serial = BYTES(fixed->serial, fixed->serial_len),
			     .not_before_s = fixed->not_before_s,
			     .not_after_s = fixed->not_after_s };
	if (find_holder(plan, at, known, h, err) || ca_key_parse(h->spki, &in.key, err))
		return -1;
	if (step->kind != CEREMONY_ROOT && !(issuer = issuer_of(plan, step, known, err)))
		return -1;
	if (settle_signer(plan, step, issuer ? buf_bytes(&issuer->spki) : in.key.spki, draft, err))
		return -1;
	in.issuer = issuer;
	in.signature_algorithm = buf_bytes(&draft->signature_algorithm);
	in.subject = h->subject;
	in.subject_key_id = h->key_id;
	return ca_tbs_build(&in, &draft->tbs, err);
}

static int build_list(const struct ceremony_plan *plan, size_t at, const struct ceremony_known *known,
		      const struct ceremony_fixed *fixed, struct ceremony_draft *draft, struct error *err)
{
	const struct ceremony_step *step = &plan->steps[at];
	const struct ca_issuer_info *issuer = issuer_of(plan, step, known, err);
	if (!issuer || settle_signer(plan, step, buf_bytes(&issuer->spki), draft, err))
		return -1;
	const struct ca_crl_head head = { .signature_algorithm = buf_bytes(&draft->signature_algorithm),
					  .issuer = buf_bytes(&issuer->subject),
					  .aki = buf_bytes(&issuer->ski),
					  .number = fixed->number,
					  .this_update_s = fixed->this_update_s,
					  .next_update_s = fixed->next_update_s };
	struct ca_crl_writer writer;
	ca_crl_begin(&writer, &head, &draft->tbs);
	for (size_t i = 0; i < step->revoked_count; i++) {
		const struct ceremony_revoked *r = &step->revoked[i];
		const struct ca_crl_entry entry = { .serial = BYTES(r->serial, r->serial_len),
						    .revoked_s = r->revoked_s,
						    .reason = r->reason };
		ca_crl_add(&writer, &entry);
	}
	return ca_crl_finish(&writer, err);
}

int ceremony_draft_build(const struct ceremony_plan *plan, size_t at, const struct ceremony_known *known,
			 const struct ceremony_fixed *fixed, struct ceremony_draft *draft, struct error *err)
{
	const struct ceremony_step *step = &plan->steps[at];
	if (!ceremony_kind_signs(step->kind))
		return err_set(err, ERR_INTERNAL, "step \"%s\" signs nothing", step->name);
	if (step->kind == CEREMONY_CRL)
		return build_list(plan, at, known, fixed, draft, err);
	struct holder h = { 0 };
	int rc = build_certificate(plan, at, known, fixed, &h, draft, err);
	buf_free(&h.name);
	return rc;
}
