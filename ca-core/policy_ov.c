/*
 * Organization validation: domain validation, and an organization whose record an officer vetted, for which
 * the requester may act, and which stands in the subject as the record has it. Source: BR 3.2.2.1,
 * 3.2.2.3, 3.2.5, 4.2.1, 7.1.2.7.4; PKI.md section 4.
 */
#include "ca-core/policy_validation.h"

#include <stdio.h>

static int refuse(struct error *err, const char *what, const char *allowed)
{
	(void)err_set(err, ERR_ORGANIZATION_NOT_VALID, "%s", what);
	return err_about(err, "organization", NULL, allowed);
}

/* ---- what is asked for ---- */

static int organization_is_named(const struct ca_case *c, struct error *err)
{
	if (!c->order->organization.len)
		return refuse(err, "the profile needs an organization, and the order names none",
			      "the id of an organization that was vetted");
	return c->organization ? 0 : refuse(err, "the order's organization is not there", NULL);
}

/* BR 3.2.2.1: its identity was verified by an officer; BR 4.2.1: not longer ago than the data may be used. */
static int organization_was_vetted(const struct ca_case *c, struct error *err)
{
	return ca_organization_valid(c->organization, c->now_s, err);
}

/* BR 3.2.5: the requester was named to act for it. */
static int requester_may_act_for_it(const struct ca_case *c, struct error *err)
{
	char requester[RECORD_NAME_MAX + 1];
	(void)snprintf(requester, sizeof(requester), "%.*s", (int)c->order->requester.len,
		       (const char *)c->order->requester.data);
	if (ca_organization_has_agent(c->organization, requester))
		return 0;
	return refuse(err, "the requester is not named to act for this organization",
		      "an identity among the record's agents");
}

/* PKI.md section 4: the record's domains restrict; they never replace validation. */
static int organization_may_use_the_names(const struct ca_case *c, struct error *err)
{
	for (size_t i = 0; i < c->order->name_count; i++)
		if (ca_organization_covers(c->organization, c->order->names[i].name, err))
			return -1;
	return 0;
}

/* BR 7.1.2.7.4: organizationName, countryName, and localityName or stateOrProvinceName must be there. */
static int record_fills_the_subject(const struct ca_case *c, struct error *err)
{
	const struct record_organization *r = c->organization;
	if (!r->country.len)
		return refuse(err, "the organization's record has no country", NULL);
	if (!r->locality.len && !r->state.len)
		return refuse(err, "the organization's record has neither locality nor state", NULL);
	return 0;
}

/* Under DV an organization may be named too: then what is shown belongs to it. */
int ca_policy_ov_request(const struct ca_case *c, struct error *err)
{
	if (organization_is_named(c, err) || organization_was_vetted(c, err) || requester_may_act_for_it(c, err) ||
	    organization_may_use_the_names(c, err))
		return -1;
	return c->profile->validation >= CA_VALIDATION_ORGANIZATION ? record_fills_the_subject(c, err) : 0;
}

/* ---- who agreed ---- */

/* PKI.md section 4: people agreed to this version of the record, not to another. */
static int record_is_the_pinned_one(const struct ca_case *c, struct error *err)
{
	if (c->organization->version == c->order->organization_version)
		return 0;
	(void)err_set(err, ERR_ORGANIZATION_NOT_VALID, "the organization's record has changed: it is version %llu now",
		      (unsigned long long)c->organization->version);
	return err_about(err, "organization", NULL, NULL);
}

int ca_policy_ov_agreed(const struct ca_case *c, struct error *err)
{
	return record_is_the_pinned_one(c, err) || ca_policy_dv_agreed(c, err) ? -1 : 0;
}

unsigned ca_policy_approvals(const struct ca_profile *profile)
{
	static const unsigned least[CA_VALIDATION_COUNT] = {
		[CA_VALIDATION_ORGANIZATION] = 1, [CA_VALIDATION_EXTENDED] = 2
	};
	return profile->approvals > least[profile->validation] ? profile->approvals : least[profile->validation];
}

/* ---- what the certificate says ---- */

/* BR 7.1.2.7.4: from the record alone; never organizationalUnitName or emailAddress. */
int ca_policy_ov_subject(const struct ca_case *c, struct ca_policy_texts *texts, struct ca_subject *subject,
			 struct error *err)
{
	const struct record_organization *r = c->organization;
	if (!r)
		return refuse(err, "the order's organization is not there", NULL);
	ca_policy_value(texts, subject, CA_ATTR_COUNTRY, r->country);
	ca_policy_value(texts, subject, CA_ATTR_STATE, r->state);
	ca_policy_value(texts, subject, CA_ATTR_LOCALITY, r->locality);
	ca_policy_value(texts, subject, CA_ATTR_ORGANIZATION, r->legal_name);
	ca_policy_value(texts, subject, CA_ATTR_COMMON_NAME, c->order->common_name);
	return 0;
}
