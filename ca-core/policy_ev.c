/*
 * Extended validation: organization validation, and a record that says what kind of entity it is, where it is
 * registered and under which number; names that are its own in public; two officers, of whom one at most
 * has vetted the record. Source: EVG 3.2.2, 5.2.2, 5.2.4, 7.1.4.2; PKI.md sections 4 and 5.
 */
#include "ca-core/policy_validation.h"

#include <stdio.h>

static int refuse_record(struct error *err, const char *what, const char *allowed)
{
	(void)err_set(err, ERR_ORGANIZATION_NOT_VALID, "for extended validation the organization's record %s", what);
	return err_about(err, "organization", NULL, allowed);
}

static int refuse_name(const struct ca_name *name, const char *what, struct error *err)
{
	(void)err_set(err, ERR_NAME_NOT_ALLOWED, "under extended validation %s", what);
	return err_about(err, "name", name->text, "names of its own in the public DNS");
}

/* ---- what is asked for ---- */

/* EVG 7.1.4.2.2: wildcards are not allowed. */
static int is_no_wildcard(const struct ca_case *c, const struct ca_name *name, struct error *err)
{
	return name->wildcard && !c->profile->allow_wildcard
		       ? refuse_name(name, "there are no wildcards, unless the profile says allow-wildcard", err)
		       : 0;
}

/* EVG 3.2.2.7.1: Domain Names; addresses are none. */
static int is_no_address(const struct ca_case *c, const struct ca_name *name, struct error *err)
{
	return name->type == CA_NAME_IP && !c->profile->allow_ip
		       ? refuse_name(name, "there are no addresses, unless the profile says allow-ip", err)
		       : 0;
}

/* EVG 3.2.2.7.1: registered in public. */
static int is_no_internal_name(const struct ca_case *c, const struct ca_name *name, struct error *err)
{
	return ca_name_is_internal(name) && !(c->profile->waivers & CA_WAIVER_INTERNAL_NAME)
		       ? refuse_name(name, "there are no internal names, unless the profile waives that", err)
		       : 0;
}

/* EVG 7.1.4.2.3 names these four. */
static int category_is_one_of_four(const struct record_organization *r, struct error *err)
{
	static const char *const categories[] = { "Private Organization", "Government Entity", "Business Entity",
						  "Non-Commercial Entity" };
	for (size_t i = 0; i < sizeof(categories) / sizeof(categories[0]); i++)
		if (bytes_are(r->business_category, categories[i]))
			return 0;
	return refuse_record(err, "has no business category of the Guidelines",
			     "Private Organization, Government Entity, Business Entity, Non-Commercial Entity");
}

/* EVG 7.1.4.2.4: the country always; a locality only together with its state, where the registry is at that level. */
static int jurisdiction_is_known(const struct record_organization *r, struct error *err)
{
	if (!r->jurisdiction_country.len)
		return refuse_record(err, "has no jurisdiction", "at least jurisdictionCountry");
	if (r->jurisdiction_locality.len && !r->jurisdiction_state.len)
		return refuse_record(err, "has a jurisdiction's locality without its state", NULL);
	return 0;
}

/* EVG 7.1.4.2.5: the number that the registry gave it. */
static int registration_is_known(const struct record_organization *r, struct error *err)
{
	return r->registration_number.len ? 0 : refuse_record(err, "has no registration number", NULL);
}

/* EVG 7.1.4.2.6: city, or state where there is no city, and country of its place of business. */
static int place_of_business_is_known(const struct record_organization *r, struct error *err)
{
	return r->country.len && (r->locality.len || r->state.len)
		       ? 0
		       : refuse_record(err, "has no place of business: country, and locality or state", NULL);
}

/* EVG 3.2.2.2.1: a document shows that it exists. */
static int evidence_is_on_record(const struct record_organization *r, struct error *err)
{
	return r->document_count ? 0 : refuse_record(err, "lists no document as evidence", NULL);
}

int ca_policy_ev_request(const struct ca_case *c, struct error *err)
{
	for (size_t i = 0; i < c->names->count; i++)
		if (is_no_wildcard(c, &c->names->items[i], err) || is_no_address(c, &c->names->items[i], err) ||
		    is_no_internal_name(c, &c->names->items[i], err))
			return -1;
	const struct record_organization *r = c->organization;
	return category_is_one_of_four(r, err) || jurisdiction_is_known(r, err) || registration_is_known(r, err) ||
			       place_of_business_is_known(r, err) || evidence_is_on_record(r, err)
		       ? -1
		       : 0;
}

/* ---- who agreed ---- */

static int refuse_officer(const char *officer, const char *why, struct error *err)
{
	(void)err_set(err, ERR_APPROVAL_NOT_ALLOWED, "%s may not approve this order: %s", officer, why);
	return err_about(err, "by", officer, "an officer who has no part in it yet");
}

/* A record is vetted by one officer (organization.c): of two who agree, one at least has not. */
int ca_policy_may_agree(const struct ca_case *c, const char *officer, struct error *err)
{
	struct bytes name = bytes_of(officer);
	if (bytes_equal(c->order->requester, name))
		return refuse_officer(officer, "who asks does not approve", err);
	for (size_t i = 0; i < c->order->approval_count; i++)
		if (bytes_equal(c->order->approvals[i].officer, name))
			return refuse_officer(officer, "an officer decides once", err);
	return 0;
}

/* EVG 5.2.2: at least two persons; EVG 5.2.4: at least one of them did not vet the record. */
int ca_policy_ev_agreed(const struct ca_case *c, struct error *err)
{
	if (ca_policy_ov_agreed(c, err))
		return -1;
	for (size_t i = 0; i < c->order->approval_count; i++)
		if (c->order->approvals[i].approve &&
		    !bytes_equal(c->order->approvals[i].officer, c->organization->vetted_by))
			return 0;
	return err_set(err, ERR_APPROVAL_NOT_ALLOWED, "nobody approved it but who vetted the organization");
}

/* ---- what the certificate says ---- */

/* EVG 7.1.4.2: the organization's, and who registered it where under which number. */
int ca_policy_ev_subject(const struct ca_case *c, struct ca_policy_texts *texts, struct ca_subject *subject,
			 struct error *err)
{
	const struct record_organization *r = c->organization;
	if (ca_policy_ov_subject(c, texts, subject, err))
		return -1;
	ca_policy_value(texts, subject, CA_ATTR_BUSINESS_CATEGORY, r->business_category);
	ca_policy_value(texts, subject, CA_ATTR_JURISDICTION_COUNTRY, r->jurisdiction_country);
	ca_policy_value(texts, subject, CA_ATTR_JURISDICTION_STATE, r->jurisdiction_state);
	ca_policy_value(texts, subject, CA_ATTR_JURISDICTION_LOCALITY, r->jurisdiction_locality);
	ca_policy_value(texts, subject, CA_ATTR_SERIAL_NUMBER, r->registration_number);
	return 0;
}
