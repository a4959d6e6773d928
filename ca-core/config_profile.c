/* A section `profile`, of chancery.conf and of a ceremony's plan. */
#include <stdio.h>

#include "base/der.h"
#include "ca-core/config_read.h"
#include "store/record_order.h"

static int read_waivers(const struct config_section *s, struct ca_profile *p)
{
	struct ca_texts waivers = { 0 };
	int rc = config_get_texts(s, "waivers", CA_WAIVER_COUNT, &waivers);
	for (size_t i = 0; rc == 0 && i < waivers.count; i++) {
		unsigned bit = 0;
		while (ca_waiver_name(bit) && strcmp(ca_waiver_name(bit), waivers.items[i]) != 0)
			bit++;
		if (ca_waiver_name(bit))
			p->waivers |= 1U << bit;
		else
			rc = config_bad(s, "waivers",
					"\"%s\" is none of validity, internal-names, underscore, extended-names, "
					"extended-grants, late-issuing",
					waivers.items[i]);
	}
	config_texts_free(&waivers);
	return rc;
}

static int read_policies(const struct config_section *s, struct ca_profile *p)
{
	struct ca_texts policies = { 0 };
	int rc = config_get_texts(s, "policies", CA_PROFILE_POLICIES_MAX, &policies);
	for (size_t i = 0; rc == 0 && i < policies.count; i++)
		if (der_oid_parse(policies.items[i], &p->policies[p->policy_count++]))
			rc = config_bad(s, "policies", "\"%s\" is no object identifier", policies.items[i]);
	config_texts_free(&policies);
	return rc;
}

static int read_profile_names(const struct config_section *s, struct ca_profile *p)
{
	if (config_get_flag(s, "common-name", &p->common_name) || config_get_flag(s, "wildcards", &p->allow_wildcard) ||
	    config_get_flag(s, "addresses", &p->allow_ip) || config_get_flag(s, "underscores", &p->allow_underscore) ||
	    config_get_flag(s, "mail", &p->allow_email) || config_get_flag(s, "uris", &p->allow_uri) ||
	    config_get_number(s, "names-max", 1, CA_NAMES_MAX, &p->names_max))
		return -1;
	return 0;
}

static int read_methods(const struct config_section *s, struct ca_profile *p)
{
	struct ca_texts methods = { 0 };
	if (!config_given(s->lines, s->name, s->title, "methods"))
		return 0;
	p->methods = 0;
	int rc = config_get_texts(s, "methods", RECORD_METHODS, &methods);
	for (size_t i = 0; rc == 0 && i < methods.count; i++) {
		enum record_method method;
		struct error why = ERR_INIT;
		if (record_method_parse(bytes_of(methods.items[i]), &method, &why))
			rc = config_bad(s, "methods", "\"%s\" is none of grant, dns-txt, dns-cname, http, mail",
					methods.items[i]);
		else
			p->methods |= method;
	}
	config_texts_free(&methods);
	return rc;
}

/* How the names of an order are shown, and who decides. Behind validation and waivers: defaults follow them. */
static int read_orders(const struct config_section *s, struct ca_profile *p)
{
	static const char *const caas[] = { "off", "report", "enforce", NULL };
	bool extended = p->validation == CA_VALIDATION_EXTENDED;
	unsigned caa = p->caa;
	if (extended && !(p->waivers & CA_WAIVER_EV_GRANT))
		p->methods &= ~(unsigned)METHOD_GRANT;
	p->approvals = extended ? 2 : p->validation == CA_VALIDATION_ORGANIZATION;
	if (read_methods(s, p) || config_get_choice(s, "caa", caas, &caa) ||
	    config_get_flag(s, "parent-domains", &p->parent_domains) ||
	    config_get_number(s, "reuse-days", 1, 398, &p->reuse_days) ||
	    config_get_number(s, "approvals", 0, CA_PROFILE_APPROVALS_MAX, &p->approvals) ||
	    config_get_number(s, "approve-hours", 1, 8760, &p->approve_hours) ||
	    config_get_number(s, "order-days", 1, 365, &p->order_days))
		return -1;
	p->caa = (enum ca_caa)caa;
	return 0;
}

int config_read_profile(const struct config_section *s, bool plan, struct ca_profile *p)
{
	static const char *const kinds[] = { "root", "intermediate",   "server", "client",
					     "peer", "ocsp-responder", "audit",  NULL };
	static const char *const plan_kinds[] = { "root",           "intermediate", "server", "client", "peer",
						  "ocsp-responder", "audit",        "cross",  NULL };
	static const char *const validations[] = { "none", "domain", "organization", "extended", NULL };
	static const char *const revocations[] = { "crl", "none", NULL };
	unsigned kind = CA_KIND_COUNT, revocation = 0;
	if (config_get_choice(s, "kind", plan ? plan_kinds : kinds, &kind))
		return -1;
	if (kind == CA_KIND_COUNT)
		return config_bad(s, "kind", "the profile has no kind");
	ca_profile_default((enum ca_kind)kind, p);
	unsigned validation = p->validation;
	(void)snprintf(p->name, sizeof(p->name), "%s", s->title);
	if (config_get_choice(s, "validation", validations, &validation) ||
	    config_get_name(s, "issuer", p->issuer, sizeof(p->issuer)) ||
	    config_get_number(s, "days", 1, 36500, &p->days) ||
	    config_get_number(s, "days-max", 1, 36500, &p->days_max) ||
	    config_get_number(s, "backdate-seconds", 0, 172800, &p->backdate_s) ||
	    config_get_flag(s, "key-encipherment", &p->key_encipherment) ||
	    config_get_choice(s, "revocation", revocations, &revocation) ||
	    config_get_flag(s, "allow-hold", &p->allow_hold) || config_get_flag(s, "test", &p->test) ||
	    config_get_flag(s, "internal", &p->internal) || read_profile_names(s, p) || read_waivers(s, p) ||
	    read_policies(s, p))
		return -1;
	p->validation = (enum ca_validation)validation;
	p->revocation_none = revocation == 1;
	return read_orders(s, p);
}
