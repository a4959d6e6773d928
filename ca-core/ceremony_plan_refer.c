/* What the sections of a plan say of each other: names that must mean something, looked up. */
#include <stdio.h>

#include "ca-core/ceremony_plan_private.h"
#include "hsm/uri.h"

/* ---- look-ups ---- */

size_t ceremony_plan_step(const struct ceremony_plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->step_count; i++)
		if (strcmp(plan->steps[i].name, name) == 0)
			return i;
	return CEREMONY_NOWHERE;
}

const struct ceremony_issuer *ceremony_plan_issuer(const struct ceremony_plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->issuer_count; i++)
		if (strcmp(plan->issuers[i].name, name) == 0)
			return &plan->issuers[i];
	return NULL;
}

const struct ca_profile *ceremony_plan_profile(const struct ceremony_plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->profile_count; i++)
		if (strcmp(plan->profiles[i].name, name) == 0)
			return &plan->profiles[i];
	return NULL;
}

const struct ca_profile *ceremony_step_profile(const struct ceremony_plan *plan, const struct ceremony_step *step)
{
	if (step->profile[0] || !step->of[0])
		return ceremony_plan_profile(plan, step->profile);
	size_t of = ceremony_plan_step(plan, step->of);
	return of == CEREMONY_NOWHERE ? NULL : ceremony_plan_profile(plan, plan->steps[of].profile);
}

const struct ceremony_token *ceremony_plan_token(const struct ceremony_plan *plan, const char *key)
{
	struct hsm_uri uri;
	struct error ignored = ERR_INIT;
	if (hsm_uri_parse(key, &uri, &ignored))
		return NULL;
	for (size_t i = 0; i < plan->token_count; i++)
		if (strcmp(plan->tokens[i].label, uri.token) == 0)
			return &plan->tokens[i];
	return NULL;
}

size_t ceremony_plan_key_step(const struct ceremony_plan *plan, const char *key)
{
	for (size_t i = 0; i < plan->step_count; i++)
		if (plan->steps[i].kind == CEREMONY_KEY && strcmp(plan->steps[i].key, key) == 0)
			return i;
	return CEREMONY_NOWHERE;
}

const char *ceremony_step_signer(const struct ceremony_plan *plan, const struct ceremony_step *step)
{
	if (step->kind == CEREMONY_ROOT)
		return step->key;
	if (!step->issuer[0])
		return NULL;
	size_t at = ceremony_plan_step(plan, step->issuer);
	if (at != CEREMONY_NOWHERE)
		return plan->steps[at].key;
	const struct ceremony_issuer *issuer = ceremony_plan_issuer(plan, step->issuer);
	return issuer ? issuer->key : NULL;
}

char *ceremony_step_output(const struct ceremony_step *step, char out[70])
{
	out[0] = '\0';
	if (ceremony_kind_signs(step->kind))
		(void)snprintf(out, 70, "%s%s", step->name, step->kind == CEREMONY_CRL ? ".crl" : ".pem");
	return out;
}

static bool in_used_serials(const struct ceremony_issuer *issuer, struct bytes serial)
{
	struct reader r = reader_of(buf_bytes(&issuer->used_serials));
	while (r.left && !r.failed)
		if (bytes_equal(reader_take(&r, reader_u8(&r)), serial))
			return true;
	return false;
}

bool ceremony_plan_serial_used(const struct ceremony_plan *plan, size_t step, struct bytes serial)
{
	const char *name = plan->steps[step].kind == CEREMONY_ROOT ? plan->steps[step].name : plan->steps[step].issuer;
	const struct ceremony_issuer *issuer = ceremony_plan_issuer(plan, name);
	if (issuer && in_used_serials(issuer, serial))
		return true;
	for (size_t i = 0; i < plan->step_count; i++) {
		const struct ceremony_step *other = &plan->steps[i];
		const char *by = other->kind == CEREMONY_ROOT ? other->name : other->issuer;
		if (i == step || strcmp(by, name) != 0)
			continue;
		if (bytes_equal(BYTES(other->serial, other->serial_len), serial))
			return true;
		for (size_t n = 0; n < other->revoked_count; n++)
			if (bytes_equal(BYTES(other->revoked[n].serial, other->revoked[n].serial_len), serial))
				return true;
	}
	return false;
}

int64_t ceremony_plan_now(const struct ceremony_plan *plan, int64_t now_s)
{
	if (now_s < plan->window_from_s)
		return plan->window_from_s;
	return now_s > plan->window_to_s ? plan->window_to_s : now_s;
}

/* ---- who attests ---- */

static size_t count_of(const struct ceremony_plan *plan, uint64_t people, unsigned roles)
{
	size_t count = 0;
	for (size_t i = 0; i < plan->person_count; i++)
		count += (people >> i & 1) && (plan->people[i].roles & roles) && plan->people[i].certificate[0];
	return count;
}

/* Each person counts for one role. Hall's theorem: that works out exactly where every set of roles has as many people
 * as it needs. */
int ceremony_plan_attested(const struct ceremony_plan *plan, uint64_t people, struct error *err)
{
	static const char *const options[CEREMONY_ROLES] = { "operators", "custodians", "witnesses", "auditors" };
	for (unsigned roles = 1; roles < 1U << CEREMONY_ROLES; roles++) {
		size_t needed = 0;
		unsigned kinds = 0, last = 0;
		for (unsigned role = 0; role < CEREMONY_ROLES; role++) {
			if (!(roles >> role & 1))
				continue;
			needed += plan->attest[role];
			kinds++;
			last = role;
		}
		size_t count = count_of(plan, people, roles);
		if (count >= needed)
			continue;
		if (kinds == 1)
			return ceremony_plan_wrong(plan, err, "attest", "", options[last],
						   "%zu must attest, and %zu can: each needs the role %s and a "
						   "certificate",
						   needed, count, ceremony_role_name((enum ceremony_role)last));
		return ceremony_plan_wrong(plan, err, "attest", "", options[last],
					   "%zu people must attest in these roles together, and there are %zu: each "
					   "counts for one role",
					   needed, count);
	}
	return 0;
}

/* ---- references ---- */

static int check_issuer_of(const struct ceremony_plan *plan, const struct ceremony_step *step, const char *option,
			   const char *name, struct error *err)
{
	size_t at = ceremony_plan_step(plan, name);
	if (at == CEREMONY_NOWHERE && !ceremony_plan_issuer(plan, name))
		return ceremony_plan_wrong(plan, err, "step", step->name, option,
					   "there is neither a step nor an issuer \"%s\"", name);
	if (at != CEREMONY_NOWHERE && plan->steps[at].kind != CEREMONY_ROOT &&
	    plan->steps[at].kind != CEREMONY_CERTIFICATE)
		return ceremony_plan_wrong(plan, err, "step", step->name, option,
					   "step \"%s\" makes no CA: it is of kind %s", name,
					   ceremony_kind_name(plan->steps[at].kind));
	return 0;
}

static int check_key_of(const struct ceremony_plan *plan, const char *section, const char *title, const char *option,
			const char *key, struct error *err)
{
	if (key && !ceremony_plan_token(plan, key))
		return ceremony_plan_wrong(plan, err, section, title, option, "no section token has the token of %s",
					   key);
	return 0;
}

static int check_profile_of(const struct ceremony_plan *plan, const struct ceremony_step *step, struct error *err)
{
	const struct ca_profile *p = ceremony_step_profile(plan, step);
	if (!p && step->profile[0])
		return ceremony_plan_wrong(plan, err, "step", step->name, "profile", "there is no profile \"%s\"",
					   step->profile);
	if (!p)
		return ceremony_plan_wrong(plan, err, "step", step->name, "profile",
					   "it is missing, and \"%s\" is no step that has one", step->of);
	if (p->issuer[0] && strcmp(p->issuer, step->issuer) != 0)
		return ceremony_plan_wrong(plan, err, "step", step->name, "issuer",
					   "profile \"%s\" is for issuer \"%s\" alone", p->name, p->issuer);
	return 0;
}

static int check_step(const struct ceremony_plan *plan, const struct ceremony_step *step, struct error *err)
{
	bool new_signs = step->kind == CEREMONY_OLD_WITH_NEW, rolls = new_signs || step->kind == CEREMONY_NEW_WITH_OLD;
	const char *issuer = !rolls ? "issuer" : new_signs ? "new" : "old";
	const char *of = !rolls ? "of" : new_signs ? "old" : "new";
	if (ceremony_plan_issuer(plan, step->name))
		return ceremony_plan_wrong(plan, err, "step", step->name, "", "an issuer has this name already");
	if ((step->issuer[0] && check_issuer_of(plan, step, issuer, step->issuer, err)) ||
	    (step->of[0] && check_issuer_of(plan, step, of, step->of, err)) ||
	    check_key_of(plan, "step", step->name, "key", step->key, err) ||
	    check_key_of(plan, "step", step->name, "backup", step->backup, err) ||
	    (ceremony_kind_certifies(step->kind) && check_profile_of(plan, step, err)))
		return -1;
	if (step->issuer[0] && strcmp(step->issuer, step->of) == 0)
		return ceremony_plan_wrong(plan, err, "step", step->name, of, "a CA does not certify itself so");
	if (step->issuer[0] && !ceremony_step_signer(plan, step))
		return ceremony_plan_wrong(plan, err, "step", step->name, issuer,
					   "the plan does not say which key \"%s\" signs with", step->issuer);
	return 0;
}

int plan_check_references(const struct ceremony_plan *plan, struct error *err)
{
	for (size_t i = 0; i < plan->token_count; i++)
		for (size_t n = 0; n < i; n++)
			if (strcmp(plan->tokens[i].label, plan->tokens[n].label) == 0)
				return ceremony_plan_wrong(plan, err, "token", plan->tokens[i].title, "",
							   "two sections are of one token");
	for (size_t i = 0; i < plan->issuer_count; i++)
		if (check_key_of(plan, "issuer", plan->issuers[i].name, "key", plan->issuers[i].key, err))
			return -1;
	for (size_t i = 0; i < plan->step_count; i++)
		if (check_step(plan, &plan->steps[i], err))
			return -1;
	return 0;
}
