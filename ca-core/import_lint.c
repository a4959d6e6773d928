/*
 * A CA's certificate from a ceremony against the profile that the configuration has for it.
 *
 * The plan of the ceremony has its own profiles: what they may say differently is said by policies and purposes, of
 * which the certificate needs those of the leaves that will be signed here, in any order, and may have more.
 */
#include <stdio.h>

#include "base/der.h"
#include "ca-core/import_private.h"
#include "ca-core/oid.h"

/* ---- which profile ---- */

/* The one that the signer's intermediates have; of a root any of its kind. */
static const struct ca_profile *profile_of(const struct import *x, const struct import_part *p, struct error *err)
{
	const struct ca_config *config = x->ca->config;
	enum ca_kind kind = p->role == IMPORT_ROOT ? CA_KIND_ROOT : CA_KIND_INTERMEDIATE;
	const struct ca_profile *first = NULL;
	for (size_t i = 0; i < config->profile_count; i++) {
		if (config->profiles[i].kind != kind)
			continue;
		if (kind == CA_KIND_ROOT || strcmp(config->profiles[i].issuer, p->signer->config->name) == 0)
			return &config->profiles[i];
		first = first ? first : &config->profiles[i];
	}
	/* Another root's cross-certificate for an intermediate says what its own root's says. */
	if (first && p->role == IMPORT_CROSS)
		return first;
	(void)err_set(err, ERR_CONFIG, "%s: the configuration has no profile of kind %s%s%s", p->name,
		      ca_kind_name(kind), kind == CA_KIND_ROOT ? "" : " with issuer ",
		      kind == CA_KIND_ROOT ? "" : p->signer->config->name);
	return NULL;
}

/* ---- what it says of policies and purposes ---- */

/* The extension's value; none where it is not there. */
static struct bytes extension(struct bytes tbs, struct bytes oid)
{
	struct der outer = der_of(tbs), fields, tagged, list;
	struct bytes whole, value;
	der_enter(&outer, DER_SEQUENCE, &fields);
	while (fields.left.len && !fields.failed && der_peek(&fields) != DER_CONTEXT_CONSTRUCTED(3))
		(void)der_any(&fields, &value, &whole);
	der_enter(&fields, DER_CONTEXT_CONSTRUCTED(3), &tagged);
	der_enter(&tagged, DER_SEQUENCE, &list);
	while (list.left.len && !list.failed) {
		struct der one;
		der_enter(&list, DER_SEQUENCE, &one);
		struct bytes name = der_oid(&one);
		if (der_peek(&one) == DER_BOOLEAN)
			(void)der_boolean(&one);
		value = der_take(&one, DER_OCTET_STRING);
		if (!one.failed && bytes_equal(name, oid))
			return value;
	}
	return BYTES_NONE;
}

/* Its policies, as the profile's own: lint wants those and no others. */
static void take_policies(const struct import_part *p, struct ca_profile *profile)
{
	struct der outer = der_of(extension(p->facts.tbs, ca_oid_certificate_policies.content)), list;
	profile->policy_count = 0;
	for (size_t i = 0; i < CA_PROFILE_POLICIES_MAX; i++)
		profile->policies[i] = BUF_INIT;
	der_enter(&outer, DER_SEQUENCE, &list);
	while (list.left.len && !list.failed && profile->policy_count < CA_PROFILE_POLICIES_MAX) {
		struct der policy;
		der_enter(&list, DER_SEQUENCE, &policy);
		buf_add_bytes(&profile->policies[profile->policy_count++], der_oid(&policy));
	}
}

static void free_policies(struct ca_profile *profile)
{
	for (size_t i = 0; i < CA_PROFILE_POLICIES_MAX; i++)
		buf_free(&profile->policies[i]);
}

/* A leaf's policy counts only where its issuer has it too, or any: RFC 5280 section 6.1. */
static bool has_policies(const struct ca_profile *has, const struct ca_profile *needs)
{
	static const uint8_t any_policy[] = { 0x55, 0x1d, 0x20, 0 };
	for (size_t i = 0; i < needs->policy_count; i++) {
		bool found = false;
		for (size_t n = 0; n < has->policy_count; n++)
			found = found || bytes_equal(buf_bytes(&has->policies[n]), buf_bytes(&needs->policies[i])) ||
				bytes_equal(buf_bytes(&has->policies[n]), BYTES(any_policy, sizeof(any_policy)));
		if (!found)
			return false;
	}
	return true;
}

static bool has_purpose(struct bytes purposes, struct bytes oid)
{
	struct der outer = der_of(purposes), list;
	der_enter(&outer, DER_SEQUENCE, &list);
	while (list.left.len && !list.failed)
		if (bytes_equal(der_oid(&list), oid))
			return true;
	return false;
}

/* profile->ext_key_usage is a whole Extension. */
static bool has_purposes(const struct import_part *p, const struct ca_profile *profile)
{
	struct bytes has = extension(p->facts.tbs, ca_oid_ext_key_usage.content);
	struct der outer = der_of(buf_bytes(&profile->ext_key_usage)), one, value, list;
	der_enter(&outer, DER_SEQUENCE, &one);
	(void)der_oid(&one);
	value = der_of(der_take(&one, DER_OCTET_STRING));
	der_enter(&value, DER_SEQUENCE, &list);
	while (list.left.len && !list.failed)
		if (!has_purpose(has, der_oid(&list)))
			return false;
	return true;
}

/* ---- the whole ---- */

/* When it was signed is not known: rules with a date are held against its beginning. */
static int lint(const struct import *x, const struct import_part *p, struct ca_profile *profile, struct error *err)
{
	take_policies(p, profile);
	int result = ca_lint_tbs(p->facts.tbs, profile, p->role == IMPORT_ROOT ? NULL : import_info(x, p->signer),
				 p->facts.not_before_s, err);
	if (result == 0)
		return 0;
	(void)import_because(p, err);
	/* The usual reason: the plan was written for another server. */
	if (strstr(err->message, "as one URI"))
		return err_set(err, err->code, "%s; the ceremony's URLs must begin with %s", err->message,
			       x->ca->config->listen.url);
	return -1;
}

/* A root's key under another root: as it is under its own, and as long. */
static int lint_cross(const struct import *x, struct import_part *p, struct error *err)
{
	const struct ca_issuer_info *of = import_info(x, p->issuer);
	struct ca_profile profile;
	ca_profile_default(CA_KIND_CROSS, &profile);
	int result = lint(x, p, &profile, err);
	free_policies(&profile);
	if (result)
		return -1;
	if (!bytes_equal(p->facts.ski, buf_bytes(&of->ski)))
		return import_wrong(p, err, "its subject key identifier is not that of %s (RFC 5280 4.2.1.2)",
				    of->name);
	if (p->facts.not_after_s > of->not_after_s)
		return import_wrong(p, err, "it ends later than %s, whom it certifies (RFC 4210 4.4)", of->name);
	return 0;
}

int import_lint(const struct import *x, struct import_part *p, struct error *err)
{
	if (p->role == IMPORT_CROSS && !p->issuer->config->parent[0])
		return lint_cross(x, p, err);
	p->profile = profile_of(x, p, err);
	if (!p->profile)
		return -1;
	struct ca_profile held = *p->profile;
	int result = lint(x, p, &held, err);
	bool policies = p->role == IMPORT_ROOT || has_policies(&held, p->profile);
	free_policies(&held);
	if (result)
		return -1;
	if (!policies)
		return import_wrong(
			p, err,
			"it lacks a policy of the profiles whose certificates it is to sign (`chancery config "
			"show`, policies of profile %s)",
			p->profile->name);
	if (p->role != IMPORT_ROOT && !has_purposes(p, p->profile))
		return import_wrong(
			p, err, "it lacks a purpose of the profiles whose certificates it is to sign (BR 7.1.2.10.6)");
	return 0;
}
