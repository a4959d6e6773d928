/* What the steps of a plan need of each other, and what they do to keys. */
#include <stdio.h>

#include "base/clock.h"
#include "ca-core/ceremony_check_private.h"
#include "ca-core/lint.h"

/* ---- order ---- */

#define NEEDS_MAX 4
struct need {
	size_t step; /* CEREMONY_NOWHERE: of nothing that the plan makes */
	const char *option;
};

static void find_needs(const struct ceremony_plan *plan, const struct ceremony_step *step, struct need needs[NEEDS_MAX])
{
	bool new_signs = step->kind == CEREMONY_OLD_WITH_NEW, rolls = new_signs || step->kind == CEREMONY_NEW_WITH_OLD;
	bool makes = step->kind == CEREMONY_KEY;
	needs[0] = (struct need){ step->key && !makes ? ceremony_plan_key_step(plan, step->key) : CEREMONY_NOWHERE,
				  "key" };
	needs[1] =
		(struct need){ step->backup ? ceremony_plan_key_step(plan, step->backup) : CEREMONY_NOWHERE, "backup" };
	needs[2] = (struct need){ step->issuer[0] ? ceremony_plan_step(plan, step->issuer) : CEREMONY_NOWHERE,
				  !rolls      ? "issuer"
				  : new_signs ? "new"
					      : "old" };
	needs[3] = (struct need){ step->of[0] ? ceremony_plan_step(plan, step->of) : CEREMONY_NOWHERE,
				  !rolls      ? "of"
				  : new_signs ? "old"
					      : "new" };
}

/* Whether `from` needs `to`, itself or through others. */
static bool reaches(const struct ceremony_plan *plan, size_t from, size_t to, bool *seen)
{
	struct need needs[NEEDS_MAX];
	if (from == to)
		return true;
	if (seen[from])
		return false;
	seen[from] = true;
	find_needs(plan, &plan->steps[from], needs);
	for (size_t i = 0; i < NEEDS_MAX; i++)
		if (needs[i].step != CEREMONY_NOWHERE && reaches(plan, needs[i].step, to, seen))
			return true;
	return false;
}

int check_order(const struct ceremony_plan *plan, struct error *err)
{
	for (size_t at = 0; at < plan->step_count; at++) {
		const struct ceremony_step *step = &plan->steps[at];
		struct need needs[NEEDS_MAX];
		find_needs(plan, step, needs);
		for (size_t i = 0; i < NEEDS_MAX; i++) {
			bool seen[CEREMONY_STEPS_MAX] = { false };
			size_t other = needs[i].step;
			if (other == CEREMONY_NOWHERE || other < at)
				continue;
			const char *name = plan->steps[other].name;
			if (other == at)
				return ceremony_plan_wrong(plan, err, "step", step->name, needs[i].option,
							   "the step needs itself");
			if (reaches(plan, other, at, seen))
				return ceremony_plan_wrong(plan, err, "step", step->name, needs[i].option,
							   "steps \"%s\" and \"%s\" need each other", step->name, name);
			return ceremony_plan_wrong(plan, err, "step", step->name, needs[i].option,
						   "step \"%s\", which it needs, stands behind it", name);
		}
	}
	return 0;
}

/* ---- keys ---- */

static bool same(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

static bool holds(const struct ceremony_step *step)
{
	return step->kind == CEREMONY_ROOT || step->kind == CEREMONY_CERTIFICATE;
}

static int check_pair(const struct ceremony_plan *plan, const struct ceremony_step *before,
		      const struct ceremony_step *step, struct error *err)
{
	if (step->kind == CEREMONY_KEY && before->kind == CEREMONY_KEY && same(step->key, before->key))
		return ceremony_plan_wrong(plan, err, "step", step->name, "key", "step \"%s\" makes this key already",
					   before->name);
	if (holds(step) && holds(before) && same(step->key, before->key))
		return ceremony_plan_wrong(plan, err, "step", step->name, "key",
					   "step \"%s\" certifies this key already, and a key has one use; another CA "
					   "certifies it by a step of kind cross",
					   before->name);
	if (holds(step) && holds(before) && step->csr[0] && before->csr[0] &&
	    memcmp(step->csr_sha256, before->csr_sha256, sizeof(step->csr_sha256)) == 0)
		return ceremony_plan_wrong(plan, err, "step", step->name, "csr",
					   "step \"%s\" certifies this key already", before->name);
	if (before->kind != CEREMONY_DESTROY)
		return 0;
	if (same(before->key, step->key) || same(before->key, step->backup) ||
	    same(before->key, ceremony_step_signer(plan, step)))
		return ceremony_plan_wrong(plan, err, "step", step->name, step->key ? "key" : "",
					   "step \"%s\" has destroyed the key before", before->name);
	return 0;
}

static int check_use(const struct ceremony_plan *plan, const struct ceremony_step *step, struct error *err)
{
	if (holds(step) && step->key && ceremony_plan_key_step(plan, step->key) == CEREMONY_NOWHERE)
		return ceremony_plan_wrong(plan, err, "step", step->name, "key",
					   "no step makes this key: what is certified is made in the same ceremony, or "
					   "comes as a CSR");
	for (size_t i = 0; step->kind == CEREMONY_KEY && i < plan->issuer_count; i++)
		if (same(step->key, plan->issuers[i].key))
			return ceremony_plan_wrong(plan, err, "step", step->name, "key",
						   "it is the key of issuer \"%s\", which is there already",
						   plan->issuers[i].name);
	if (step->kind == CEREMONY_COMPARE &&
	    ceremony_plan_token(plan, step->key) == ceremony_plan_token(plan, step->backup))
		return ceremony_plan_wrong(plan, err, "step", step->name, "backup",
					   "a backup is in another token than the key");
	return 0;
}

int check_uses(const struct ceremony_plan *plan, struct error *err)
{
	for (size_t at = 0; at < plan->step_count; at++) {
		if (check_use(plan, &plan->steps[at], err))
			return -1;
		for (size_t before = 0; before < at; before++)
			if (check_pair(plan, &plan->steps[before], &plan->steps[at], err))
				return -1;
	}
	return 0;
}

/* ---- the certificates that people attest with ---- */

static int check_person(const struct ceremony_plan *plan, const struct ceremony_input *in, uint8_t spki_hash[32],
			struct error *err)
{
	auto_buf der = BUF_INIT;
	struct ca_certificate_facts facts;
	struct ca_key key;
	char from[CLOCK_TEXT_SIZE], to[CLOCK_TEXT_SIZE];
	if (ceremony_input_certificate(in, &der, err) || ca_certificate_read(buf_bytes(&der), &facts, err) ||
	    ca_key_parse(facts.spki, &key, err))
		return -1;
	memcpy(spki_hash, key.spki_hash, sizeof(key.spki_hash));
	if (facts.not_before_s > plan->window_from_s || facts.not_after_s < plan->window_to_s)
		return err_set(err, ERR_CONFIG,
			       "the certificate is valid from %s to %s, and not all through the window",
			       clock_rfc3339(facts.not_before_s, from), clock_rfc3339(facts.not_after_s, to));
	return 0;
}

int check_certificates_of_people(const struct ceremony_plan *plan, const struct ceremony_inputs *inputs,
				 struct error *err)
{
	uint8_t seen[CEREMONY_PEOPLE_MAX][32];
	for (size_t i = 0; i < plan->person_count; i++) {
		const struct ceremony_person *p = &plan->people[i];
		const struct ceremony_input *in = ceremony_inputs_find(inputs, p->certificate);
		struct error why = ERR_INIT;
		memset(seen[i], 0, sizeof(seen[i]));
		if (!in)
			continue;
		if (check_person(plan, in, seen[i], &why))
			return ceremony_plan_wrong(plan, err, "person", p->name, "certificate", "%s", why.message);
		for (size_t other = 0; other < i; other++)
			if (memcmp(seen[i], seen[other], sizeof(seen[i])) == 0)
				return ceremony_plan_wrong(plan, err, "person", p->name, "certificate",
							   "it has the key of %s: each person attests with a key of "
							   "their own",
							   plan->people[other].name);
	}
	return 0;
}
