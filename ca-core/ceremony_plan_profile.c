/* Sections `profile` of a plan: as in chancery.conf, where the issuers and their leaves are known; here the plan says
 * what an intermediate is for. */
#include <stdio.h>

#include "ca-core/ceremony_plan_private.h"
#include "ca-core/oid.h"

static const struct {
	const char *name;
	unsigned eku;
	unsigned policies[5]; /* below the arc, ended by 0: those that its leaves have (config_check.c) */
} all_purposes[] = {
	{ "server", CA_EKU_SERVER, { 1, 2, 3, 0 } },
	{ "client", CA_EKU_CLIENT, { 4, 0 } },
	{ "audit", CA_EKU_AUDIT, { 0 } },
};
#define PURPOSES (sizeof(all_purposes) / sizeof(all_purposes[0]))

static int read_purposes(const struct config_section *s, unsigned *purposes)
{
	struct ca_texts names = { 0 };
	int rc = config_get_texts(s, "purposes", PURPOSES, &names);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		size_t n = 0;
		while (n < PURPOSES && strcmp(all_purposes[n].name, names.items[i]) != 0)
			n++;
		if (n == PURPOSES)
			rc = config_bad(s, "purposes", "\"%s\" is none of server, client, audit", names.items[i]);
		else
			*purposes |= all_purposes[n].eku;
	}
	config_texts_free(&names);
	return rc;
}

int plan_read_profile(const struct config_section *s, struct ca_profile *profile, unsigned *purposes)
{
	if (config_check_name(s, "", s->title) || config_read_profile(s, true, profile) || read_purposes(s, purposes))
		return -1;
	if (profile->kind == CA_KIND_INTERMEDIATE && !*purposes)
		return config_bad(s, "purposes", "what its certificates are for is missing: server, client, audit");
	if (profile->kind != CA_KIND_INTERMEDIATE && *purposes)
		return config_bad(s, "purposes", "only an intermediate has purposes that the plan chooses");
	return 0;
}

/* A leaf's policy counts only where each CA above it has it too: RFC 5280 section 6.1. */
static void default_policies(const struct ceremony_plan *plan, struct ca_profile *p, unsigned purposes)
{
	static const uint8_t any_policy[] = { 0x55, 0x1d, 0x20, 0 };
	struct bytes arc = buf_bytes(&plan->arc);
	if (p->policy_count)
		return;
	if (p->kind == CA_KIND_CROSS)
		buf_add(&p->policies[p->policy_count++], any_policy, sizeof(any_policy));
	for (size_t i = 0; i < PURPOSES && arc.len; i++)
		for (size_t n = 0; (purposes & all_purposes[i].eku) && all_purposes[i].policies[n]; n++)
			ca_oid_below(arc, &p->policies[p->policy_count++], 2,
				     (const unsigned[]){ CA_ARC_POLICIES, all_purposes[i].policies[n] });
	if ((purposes & CA_EKU_SERVER) && (purposes & CA_EKU_CLIENT) && arc.len) /* peers */
		ca_oid_below(arc, &p->policies[p->policy_count++], 2, (const unsigned[]){ CA_ARC_POLICIES, 5 });
}

/* Who signs stands in the steps; a profile that names its issuer says so for each of its steps. */
static int settle_issuer(const struct ceremony_plan *plan, struct ca_profile *p, struct error *err)
{
	for (size_t i = 0; i < plan->step_count; i++) {
		const struct ceremony_step *step = &plan->steps[i];
		if (!ceremony_kind_certifies(step->kind) || ceremony_step_profile(plan, step) != p || !step->issuer[0])
			continue;
		if (!p->issuer[0])
			(void)snprintf(p->issuer, sizeof(p->issuer), "%s", step->issuer);
	}
	if (!p->issuer[0] && p->kind != CA_KIND_ROOT)
		return ceremony_plan_wrong(plan, err, "profile", p->name, "", "no step has this profile");
	return 0;
}

int plan_prepare_profiles(struct ceremony_plan *plan, const unsigned *purposes, struct error *err)
{
	auto_buf audit_eku = BUF_INIT;
	if (plan->arc.len)
		ca_oid_below(buf_bytes(&plan->arc), &audit_eku, 1, (const unsigned[]){ CA_ARC_EKU_AUDIT });
	for (size_t i = 0; i < plan->profile_count; i++) {
		struct ca_profile *p = &plan->profiles[i];
		struct error why = ERR_INIT;
		default_policies(plan, p, purposes[i]);
		if (settle_issuer(plan, p, err))
			return -1;
		if (ca_profile_prepare(p, purposes[i], buf_bytes(&audit_eku), &why)) {
			const char *reason = strstr(why.message, ": "); /* behind "profile NAME" */
			return ceremony_plan_wrong(plan, err, "profile", p->name, "", "%s",
						   reason ? reason + 2 : why.message);
		}
	}
	return 0;
}
