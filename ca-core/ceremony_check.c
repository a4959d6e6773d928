#include "ca-core/ceremony_check.h"

#include <openssl/rand.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/der.h"
#include "base/ossl.h"
#include "ca-core/ceremony_check_private.h"
#include "ca-core/lint.h"

#define WINDOW_MAX_S ((int64_t)31 * 86400)

void ceremony_checked_clear(struct ceremony_checked *checked)
{
	ceremony_inputs_free(&checked->inputs);
	for (size_t i = 0; i < checked->count; i++)
		ceremony_draft_clear(&checked->drafts[i]);
	free(checked->fixed);
	free(checked->drafts);
	*checked = (struct ceremony_checked){ .inputs = CEREMONY_INPUTS_INIT };
}

/* ---- the day ---- */

static int check_window(const struct ceremony_plan *plan, int64_t now_s, struct error *err)
{
	char text[CLOCK_TEXT_SIZE];
	if (plan->window_to_s - plan->window_from_s > WINDOW_MAX_S)
		return ceremony_plan_wrong(plan, err, "", "", "window-to",
					   "the window is longer than 31 days; people come together on one of them");
	if (now_s && now_s > plan->window_to_s)
		return ceremony_plan_wrong(plan, err, "", "", "window-to", "the window was over on %s",
					   clock_rfc3339(plan->window_to_s, text));
	return 0;
}

static int check_people(const struct ceremony_plan *plan, bool unattended_allowed, struct error *err)
{
	bool operates = false;
	unsigned attest = 0;
	for (size_t i = 0; i < plan->person_count; i++)
		operates = operates || (plan->people[i].roles & 1U << CEREMONY_OPERATOR);
	for (size_t role = 0; role < CEREMONY_ROLES; role++)
		attest += plan->attest[role];
	if (!plan->attended && !unattended_allowed)
		return ceremony_plan_wrong(plan, err, "", "", "attended",
					   "only `chancery init` holds a ceremony that nobody attends");
	if (!plan->attended && attest)
		return ceremony_plan_wrong(plan, err, "attest", "", "", "nobody attends who could attest");
	if (plan->attended && !operates)
		return ceremony_plan_wrong(plan, err, "person", "", "",
					   "nobody is the operator, who confirms each step");
	return ceremony_plan_attested(plan, UINT64_MAX, err);
}

/* A custodian brings shares: where a token's PIN is in shares, there must be somebody who does. */
static int check_custodians(const struct ceremony_plan *plan, struct error *err)
{
	bool custodian = false;
	for (size_t i = 0; i < plan->person_count; i++)
		custodian = custodian || (plan->people[i].roles & 1U << CEREMONY_CUSTODIAN);
	for (size_t i = 0; i < plan->token_count; i++)
		if (plan->tokens[i].pin == CEREMONY_PIN_SHARES && !custodian)
			return ceremony_plan_wrong(plan, err, "token", plan->tokens[i].title, "pin",
						   "its PIN is in shares, and nobody is a custodian");
	return 0;
}

/* ---- stand-ins ---- */

/* A modulus that nobody knows the factors of serves: nothing is signed with it. */
static int rsa_stand_in(unsigned bits, struct buf *spki, struct error *err)
{
	static const uint8_t algorithm[] = { 0x30, 13,   0x06, 9,    0x2a, 0x86, 0x48, 0x86,
					     0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0 };
	static const uint8_t exponent[] = { 1, 0, 1 };
	uint8_t modulus[512];
	size_t len = bits / 8;
	auto_buf key = BUF_INIT;
	if (len > sizeof(modulus) || RAND_bytes(modulus, (int)len) != 1)
		return err_openssl(err, ERR_INTERNAL, "no random numbers for a key that stands in");
	modulus[0] |= 0x80;
	modulus[len - 1] |= 1;
	der_add_unsigned(&key, BYTES(modulus, len));
	der_add_unsigned(&key, BYTES(exponent, sizeof(exponent)));
	der_wrap(&key, 0, DER_SEQUENCE);
	buf_add(spki, algorithm, sizeof(algorithm));
	der_add_bit_string(spki, buf_bytes(&key));
	der_wrap(spki, 0, DER_SEQUENCE);
	return key.failed || spki->failed ? err_set(err, ERR_INTERNAL, "no memory for a key that stands in") : 0;
}

static int stand_in(const struct ceremony_step *step, struct buf *spki, struct error *err)
{
	static const char *const curves[] = {
		[CA_KEY_P256] = "P-256", [CA_KEY_P384] = "P-384", [CA_KEY_P521] = "P-521"
	};
	if (step->type == CA_KEY_RSA)
		return rsa_stand_in(step->bits, spki, err);
	auto_evp_pkey *key = step->type == CA_KEY_ED25519 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
							  : EVP_EC_gen(curves[step->type]);
	uint8_t *der = NULL;
	int len = key ? i2d_PUBKEY(key, &der) : -1;
	if (len > 0)
		buf_add(spki, der, (size_t)len);
	OPENSSL_free(der);
	return len > 0 && !spki->failed ? 0 : err_openssl(err, ERR_INTERNAL, "no key that stands in");
}

/* ---- step by step ---- */

static int check_leaf_kind(const struct ceremony_plan *plan, const struct ceremony_step *step,
			   const struct ceremony_known *known, struct error *err)
{
	const struct ca_profile *p = ceremony_step_profile(plan, step);
	bool root = step->kind == CEREMONY_ROOT, crosses = step->of[0] != '\0';
	bool good = root ? p->kind == CA_KIND_ROOT
			 : p->kind == CA_KIND_INTERMEDIATE ||
				    (crosses ? p->kind == CA_KIND_CROSS
					     : p->kind == CA_KIND_OCSP || p->kind == CA_KIND_AUDIT);
	if (!good)
		return ceremony_plan_wrong(plan, err, "step", step->name, "profile",
					   "a step of kind %s makes no certificate of kind %s",
					   ceremony_kind_name(step->kind), ca_kind_name(p->kind));
	if (!crosses)
		return 0;
	/* What the CA may sign with the one certificate it may with the other. */
	size_t of = ceremony_plan_step(plan, step->of);
	const struct ca_profile *first = of == CEREMONY_NOWHERE ? NULL : ceremony_step_profile(plan, &plan->steps[of]);
	struct ca_certificate_facts facts;
	if (ca_certificate_read(ceremony_known_certificate(known, step->of), &facts, err))
		return -1;
	bool is_root = first ? first->kind == CA_KIND_ROOT : bytes_equal(facts.issuer, facts.subject);
	if (is_root != (p->kind == CA_KIND_CROSS))
		return ceremony_plan_wrong(plan, err, "step", step->name, "profile",
					   "\"%s\" is %s: the profile's kind is %s", step->of,
					   is_root ? "a root" : "no root", is_root ? "cross" : "intermediate");
	return 0;
}

static int draft(const struct ceremony_plan *plan, size_t at, struct ceremony_known *known,
		 struct ceremony_checked *checked, struct error *err)
{
	const struct ceremony_step *step = &plan->steps[at];
	struct ceremony_draft *d = &checked->drafts[at];
	struct ceremony_fixed *fixed = &checked->fixed[at];
	int64_t now_s = ceremony_plan_now(plan, 0);
	const int64_t ends_s[] = { plan->window_from_s, plan->window_to_s };
	struct error why = ERR_INIT;
	if ((ceremony_kind_certifies(step->kind) && check_leaf_kind(plan, step, known, err)) ||
	    ceremony_fix(plan, at, known, now_s, fixed, err) || ceremony_draft_build(plan, at, known, fixed, d, err))
		return -1;
	for (size_t i = 0; i < 2; i++) {
		if (ceremony_draft_lint(plan, at, known, buf_bytes(&d->tbs), ends_s[i], &why))
			return ceremony_plan_wrong(plan, err, "step", step->name, "", "%s%s", why.message,
						   i ? " (at the window's end; a shorter window may help)" : "");
	}
	return 0;
}

/* Certificates that are not signed: nobody looks at their signatures, but at all else. */
static int know(const struct ceremony_step *step, struct ceremony_known *known, const struct ceremony_draft *d,
		struct error *err)
{
	static const uint8_t unsigned_yet[64] = { 0 };
	auto_buf der = BUF_INIT;
	ca_certificate_assemble(buf_bytes(&d->tbs), buf_bytes(&d->signature_algorithm),
				BYTES(unsigned_yet, sizeof(unsigned_yet)), &der);
	return ceremony_known_add_certificate(known, step->name, buf_bytes(&der), err);
}

static int check_steps(const struct ceremony_plan *plan, struct ceremony_known *known, struct ceremony_checked *checked,
		       struct error *err)
{
	for (size_t i = 0; i < plan->step_count; i++) {
		const struct ceremony_step *step = &plan->steps[i];
		struct error why = ERR_INIT;
		int rc = 0;
		if (step->kind == CEREMONY_KEY) {
			auto_buf spki = BUF_INIT;
			rc = stand_in(step, &spki, &why) ||
			     ceremony_known_add_key(known, step->key, buf_bytes(&spki), &why);
		} else if (ceremony_kind_signs(step->kind)) {
			rc = draft(plan, i, known, checked, &why) ||
			     (step->kind != CEREMONY_CRL && know(step, known, &checked->drafts[i], &why));
		}
		if (rc && why.code == ERR_CONFIG)
			*err = why;
		else if (rc)
			(void)ceremony_plan_wrong(plan, err, "step", step->name, "", "%s", why.message);
		if (rc)
			return -1;
	}
	return 0;
}

int ceremony_check(const struct ceremony_plan *plan, const char *folder, const struct ceremony_check_options *options,
		   struct ceremony_checked *checked, struct error *err)
{
	*checked = (struct ceremony_checked){ .inputs = CEREMONY_INPUTS_INIT };
	if (check_window(plan, options->now_s, err) || check_people(plan, options->unattended_allowed, err) ||
	    check_custodians(plan, err) || check_order(plan, err) || check_uses(plan, err) ||
	    ceremony_inputs_read(plan, folder, &checked->inputs, err) ||
	    check_certificates_of_people(plan, &checked->inputs, err))
		return -1;
	auto_ceremony_known *known = ceremony_known_new(plan, &checked->inputs, err);
	checked->fixed = calloc(plan->step_count, sizeof(*checked->fixed));
	checked->drafts = calloc(plan->step_count, sizeof(*checked->drafts));
	if (!known)
		return -1;
	if (!checked->fixed || !checked->drafts)
		return err_set(err, ERR_INTERNAL, "no memory for the check");
	checked->count = plan->step_count;
	return check_steps(plan, known, checked, err) ? -1 : 0;
}
