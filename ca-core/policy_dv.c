/*
 * Domain validation: each name was shown to be the requester's to have, lately, by a way that its kind
 * and the profile allow, and the name's owner does not forbid it. Source: BR 3.2.2.4, 3.2.2.5, 3.2.2.6,
 * 3.2.2.8, 4.2.1, 4.2.2; RFC 8659; PKI.md sections 2 and 3.
 */
#include "ca-core/policy_validation.h"

#include <stdio.h>

#include "ca-core/challenge.h"
#include "ca-core/request.h"

static int refuse(enum err_code code, struct bytes name, const char *what, const char *allowed, struct error *err)
{
	char text[256];
	(void)snprintf(text, sizeof(text), "%.*s", (int)name.len, (const char *)name.data);
	(void)err_set(err, code, "%s %s", text, what);
	return err_about(err, "name", text, allowed);
}

/* ---- what is asked for ---- */

static bool is_granted(const struct ca_case *c, const struct ca_name *name)
{
	char requester[RECORD_NAME_MAX + 1];
	(void)snprintf(requester, sizeof(requester), "%.*s", (int)c->order->requester.len,
		       (const char *)c->order->requester.data);
	return order_is_granted(c->ca, requester, c->profile, name);
}

/* BR 4.2.2: no names that the public DNS does not have, no reserved addresses. By waiver and grant, or by waiver in a
 * zone that is said to be private; RFC 6761, RFC 1918. */
static int is_public_or_waived(const struct ca_case *c, const struct ca_name *name, struct bytes printed,
			       struct error *err)
{
	const struct ca_config_zone *zone = ca_config_zone_of(c->ca->config, printed);
	if (!ca_kind_is_server(c->profile->kind) || !ca_name_is_internal(name))
		return 0;
	if (!(c->profile->waivers & CA_WAIVER_INTERNAL_NAME))
		return refuse(ERR_NAME_NOT_ALLOWED, printed,
			      "is not in the public DNS, and the profile is for public names",
			      "names in the public DNS, public addresses", err);
	if ((zone && !zone->public_) || is_granted(c, name))
		return 0;
	return refuse(ERR_NAME_NOT_ALLOWED, printed,
		      "is not in the public DNS: no grant covers it, and no zone with "
		      "public = false is configured where it could be shown",
		      "names in the public DNS, or in a private zone", err);
}

/* BR 3.2.2.6: no wildcard right below a public suffix. A zone of one's own is none. */
static int wildcard_is_below_a_registered_name(const struct ca_case *c, const struct ca_name *name,
					       struct bytes printed, struct error *err)
{
	const struct ca_config_zone *zone = ca_config_zone_of(c->ca->config, printed);
	if (!name->wildcard || ca_name_wildcard_base_allowed(name->text + 2) || (zone && !zone->public_) ||
	    is_granted(c, name))
		return 0;
	return refuse(ERR_NAME_NOT_ALLOWED, printed, "is a wildcard right below a public suffix", NULL, err);
}

/* BR 3.2.2.4, 3.2.2.5: there is a way to show this kind of name, and the profile has it. */
static int can_be_shown(const struct ca_case *c, const struct ca_name *name, struct bytes printed, struct error *err)
{
	if (order_methods(c->ca, c->profile, printed) || is_granted(c, name))
		return 0;
	return refuse(ERR_NAME_NOT_ALLOWED, printed,
		      "is covered by no grant, and the profile has no other way to show it",
		      "names below the requester's grants", err);
}

/* PKI.md section 2: a client's common name is free text as far as a grant goes; nothing else could show it. */
static int common_name_is_one_of_the_names_or_granted(const struct ca_case *c, const char *common_name,
						      struct error *err)
{
	const struct ca_names none = CA_NAMES_INIT;
	char requester[RECORD_NAME_MAX + 1];
	bool covered = ca_kind_is_server(c->profile->kind) || !common_name[0];
	for (size_t i = 0; !covered && i < c->names->count; i++)
		covered = strcmp(c->names->items[i].text, common_name) == 0;
	if (covered)
		return 0;
	(void)snprintf(requester, sizeof(requester), "%.*s", (int)c->order->requester.len,
		       (const char *)c->order->requester.data);
	return ca_config_granted(c->ca->config, requester, c->profile, &none, common_name, err);
}

int ca_policy_dv_request(const struct ca_case *c, struct error *err)
{
	char common_name[65];
	if (ca_request_common_name(c->order->common_name, common_name, err) ||
	    ca_request_usable(c->profile, c->names, common_name, err) || ca_request_kinds(c->profile, c->names, err) ||
	    common_name_is_one_of_the_names_or_granted(c, common_name, err))
		return -1;
	for (size_t i = 0; i < c->names->count; i++) {
		const struct ca_name *name = &c->names->items[i];
		struct bytes printed = c->order->names[i].name;
		if (is_public_or_waived(c, name, printed, err) ||
		    wildcard_is_below_a_registered_name(c, name, printed, err) || can_be_shown(c, name, printed, err))
			return -1;
	}
	return 0;
}

/* ---- what was shown ---- */

/* BR 3.2.2.4: control of it was shown. */
static int is_shown(const struct record_order_name *n, struct error *err)
{
	if (n->status == AUTHORIZATION_VALID)
		return 0;
	return refuse(ERR_VALIDATION_FAILED, n->name, "was not shown to be under the requester's control", NULL, err);
}

/* BR 4.2.1: not longer ago than the dated table and the profile allow. */
static int is_recent(const struct record_order_name *n, int64_t now_s, struct error *err)
{
	if (n->expires_s > now_s)
		return 0;
	return refuse(ERR_VALIDATION_FAILED, n->name, "was shown too long ago", NULL, err);
}

/* BR 3.2.2.4.18, 3.2.2.4.7, 3.2.2.5: by a way that this kind of name allows and the profile has. */
static int is_shown_properly(const struct ca_case *c, const struct record_order_name *n, struct error *err)
{
	if (ca_challenge_methods(n->name, c->profile->methods) & n->methods)
		return 0;
	return refuse(ERR_VALIDATION_FAILED, n->name, "was shown in a way that does not count for it", NULL, err);
}

/* A grant that has gone from the configuration shows nothing any more. */
static int grant_still_stands(const struct ca_case *c, const struct ca_name *name, const struct record_order_name *n,
			      struct error *err)
{
	if (n->methods != METHOD_GRANT || is_granted(c, name))
		return 0;
	return refuse(ERR_VALIDATION_FAILED, n->name, "is covered by no grant any more", NULL, err);
}

/* BR 3.2.2.8, RFC 8659: CAA was looked up within eight hours, and allows it. */
static int caa_allows(const struct ca_case *c, const struct record_order_name *n, struct error *err)
{
	if (order_name_is_settled(c->ca, c->profile, n, c->now_s))
		return 0;
	return refuse(bytes_are(n->error_code, "caa-forbids") ? ERR_CAA_FORBIDS : ERR_VALIDATION_FAILED, n->name,
		      "has to be looked up for CAA records", NULL, err);
}

int ca_policy_dv_shown(const struct ca_case *c, struct error *err)
{
	for (size_t i = 0; i < c->order->name_count; i++) {
		const struct record_order_name *n = &c->order->names[i];
		if (is_shown(n, err) || is_recent(n, c->now_s, err) || is_shown_properly(c, n, err) ||
		    grant_still_stands(c, &c->names->items[i], n, err) || caa_allows(c, n, err))
			return -1;
	}
	return 0;
}

/* ---- who agreed ---- */

static bool decided_before(const struct record_order *o, size_t count, struct bytes officer)
{
	for (size_t i = 0; i < count; i++)
		if (bytes_equal(o->approvals[i].officer, officer))
			return true;
	return false;
}

/* PKI.md section 5: so many people as the profile asks for, distinct, none of them the requester. */
int ca_policy_dv_agreed(const struct ca_case *c, struct error *err)
{
	const struct record_order *o = c->order;
	size_t distinct = 0;
	for (size_t i = 0; i < o->approval_count; i++)
		distinct += o->approvals[i].approve && !bytes_equal(o->approvals[i].officer, o->requester) &&
			    !decided_before(o, i, o->approvals[i].officer);
	if (distinct >= ca_policy_approvals(c->profile))
		return 0;
	return err_set(err, ERR_APPROVAL_NOT_ALLOWED, "%zu of %u officers have approved", distinct,
		       ca_policy_approvals(c->profile));
}

/* ---- what the certificate says ---- */

/* BR 7.1.2.7.2: under DV nothing of the subject is known but a name. */
int ca_policy_dv_subject(const struct ca_case *c, struct ca_policy_texts *texts, struct ca_subject *subject,
			 struct error *err)
{
	(void)err;
	ca_policy_value(texts, subject, CA_ATTR_COMMON_NAME, c->order->common_name);
	return 0;
}
