#include "tools/init_plan.h"

#include <string.h>

#include "base/clock.h"
#include "base/der.h"
#include "ca-core/ca.h"

static void option(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, "\t%s = ", name);
	ca_config_quote(value, out);
	buf_u8(out, '\n');
}

static void section(struct buf *out, const char *kind, const char *title, const char *suffix)
{
	auto_buf name = BUF_INIT;
	buf_printf(&name, "%s%s", title, suffix);
	buf_printf(out, "\n%s ", kind);
	ca_config_quote(buf_text(&name), out);
	buf_add_text(out, " {\n");
}

static void write_head(const struct init_plan *p, struct buf *out)
{
	char from[CLOCK_TEXT_SIZE], to[CLOCK_TEXT_SIZE];
	auto_buf title = BUF_INIT;
	buf_printf(&title, "%s, made by chancery init", p->root->name);
	buf_add_text(out,
		     "# The ceremony in which `chancery init` made a root of this CA, as chancery.conf wants it. Init\n"
		     "# wrote this plan, rehearsed it and ran it by itself: nobody watched. What each word means:\n"
		     "# docs/ceremonies.md.\ntitle = ");
	ca_config_quote(buf_text(&title), out);
	buf_add_text(out, "\nattended = false\n\n# listen.url and arc of chancery.conf\nurl = ");
	ca_config_quote(p->config->listen.url, out);
	buf_add_text(out, "\narc = ");
	ca_config_quote(p->config->arc_text, out);
	buf_printf(out,
		   "\n\n# An init that was interrupted goes on until then.\nwindow-from = \"%s\"\nwindow-to = \"%s\"\n",
		   clock_rfc3339(p->from_s, from), clock_rfc3339(p->to_s, to));
}

static void write_token(const struct init_plan *p, struct buf *out)
{
	const struct ca_config_token *token = ca_config_token(p->config, p->root->token);
	section(out, "token", token->uri, "");
	option(out, "module", token->module);
	if (token->softhsm_conf[0])
		option(out, "softhsm-conf", token->softhsm_conf);
	buf_add_text(out, "\t# Init hands it over, from where chancery.conf says: no secret stands in a plan.\n"
			  "\tpin = \"fd:3\"\n}\n");
}

/* ---- profiles ---- */

/* As ca-core/import_lint.c will hold the certificates against it. */
static const struct ca_profile *profile_of(const struct init_plan *p, enum ca_kind kind, struct error *err)
{
	for (size_t i = 0; i < p->config->profile_count; i++) {
		const struct ca_profile *profile = &p->config->profiles[i];
		if (profile->kind == kind && (kind == CA_KIND_ROOT || strcmp(profile->issuer, p->root->name) == 0))
			return profile;
	}
	(void)err_set(err, ERR_CONFIG, "the configuration has no profile of kind %s%s%s", ca_kind_name(kind),
		      kind == CA_KIND_ROOT ? "" : " with issuer ", kind == CA_KIND_ROOT ? "" : p->root->name);
	return NULL;
}

static void write_purposes(unsigned purposes, struct buf *out)
{
	static const struct {
		unsigned bit;
		const char *name;
	} all[] = { { CA_EKU_SERVER, "server" }, { CA_EKU_CLIENT, "client" }, { CA_EKU_AUDIT, "audit" } };
	const char *between = "";
	buf_add_text(out, "\tpurposes = { ");
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (!(purposes & all[i].bit))
			continue;
		buf_printf(out, "%s\"%s\"", between, all[i].name);
		between = ", ";
	}
	buf_add_text(out, " }\n");
}

static void write_policies(const struct ca_profile *profile, struct buf *out)
{
	if (!profile->policy_count)
		return;
	buf_add_text(out,
		     "\t# those of the profiles whose certificates it signs (RFC 5280 section 6.1)\n\tpolicies = { ");
	for (size_t i = 0; i < profile->policy_count; i++) {
		char oid[128];
		buf_printf(out, "%s\"%s\"", i ? ", " : "",
			   der_oid_text(buf_bytes(&profile->policies[i]), oid, sizeof(oid)));
	}
	buf_add_text(out, " }\n");
}

static void write_profile(const struct ca_profile *profile, struct buf *out)
{
	section(out, "profile", profile->name, "");
	option(out, "kind", ca_kind_name(profile->kind));
	buf_printf(out, "\tdays = %u\n\tdays-max = %u\n\tbackdate-seconds = %u\n", profile->days, profile->days_max,
		   profile->backdate_s);
	if (profile->kind == CA_KIND_INTERMEDIATE)
		write_purposes(profile->purposes, out);
	write_policies(profile, out);
	buf_add_text(out, "}\n");
}

/* ---- steps ---- */

static void write_subject(const struct init_plan *p, const char *name, struct buf *out)
{
	char common_name[CA_FOUND_NAME_SIZE];
	ca_found_name(p->organization, name, common_name);
	option(out, "common-name", common_name);
	if (p->organization[0])
		option(out, "organization", p->organization);
	buf_add_text(out, "}\n");
}

static void write_root(const struct init_plan *p, const struct ca_profile *profile, struct buf *out)
{
	section(out, "step", p->root->name, "-key");
	option(out, "kind", "key");
	option(out, "key", p->key);
	option(out, "type", "p384");
	buf_add_text(out, "}\n");
	section(out, "step", p->root->name, "");
	option(out, "kind", "root");
	option(out, "key", p->key);
	option(out, "profile", profile->name);
	write_subject(p, p->root->name, out);
}

static void write_request(const struct init_plan *p, const struct init_request *request,
			  const struct ca_profile *profile, struct buf *out)
{
	section(out, "step", request->issuer->name, "");
	option(out, "kind", "certificate");
	option(out, "issuer", p->root->name);
	option(out, "csr", request->file);
	option(out, "csr-sha256", request->sha256);
	option(out, "profile", profile->name);
	write_subject(p, request->issuer->name, out);
}

static void write_list(const struct init_plan *p, struct buf *out)
{
	unsigned days = p->root->crl_hours / 24;
	section(out, "step", p->root->name, "-crl");
	option(out, "kind", "crl");
	option(out, "issuer", p->root->name);
	buf_printf(out, "\tnext-update-days = %u\n}\n", days ? days : 1);
}

int init_plan_write(const struct init_plan *plan, struct buf *out, struct error *err)
{
	const struct ca_profile *root = profile_of(plan, CA_KIND_ROOT, err);
	const struct ca_profile *intermediate =
		root && plan->request_count ? profile_of(plan, CA_KIND_INTERMEDIATE, err) : NULL;
	if (!root || (plan->request_count && !intermediate))
		return -1;
	write_head(plan, out);
	write_token(plan, out);
	write_profile(root, out);
	if (intermediate)
		write_profile(intermediate, out);
	write_root(plan, root, out);
	for (size_t i = 0; intermediate && i < plan->request_count; i++)
		write_request(plan, &plan->requests[i], intermediate, out);
	write_list(plan, out);
	return out->failed ? err_set(err, ERR_INTERNAL, "no memory for a plan") : 0;
}
