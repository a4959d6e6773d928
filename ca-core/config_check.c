/* What the sections of chancery.conf say of each other. */
#include <stdio.h>

#include "ca-core/config_private.h"
#include "ca-core/oid.h"

/* ---- look-ups ---- */

const struct ca_config_token *ca_config_token(const struct ca_config *c, const char *name)
{
	for (size_t i = 0; i < c->token_count; i++)
		if (strcmp(c->tokens[i].name, name) == 0)
			return &c->tokens[i];
	return NULL;
}

const struct ca_config_issuer *ca_config_issuer(const struct ca_config *c, const char *name)
{
	for (size_t i = 0; i < c->issuer_count; i++)
		if (strcmp(c->issuers[i].name, name) == 0)
			return &c->issuers[i];
	return NULL;
}

const struct ca_config_issuer *ca_config_follower(const struct ca_config *c, const char *name)
{
	for (size_t i = 0; name[0] && i < c->issuer_count; i++)
		if (strcmp(c->issuers[i].follows, name) == 0)
			return &c->issuers[i];
	return NULL;
}

const struct ca_profile *ca_config_profile(const struct ca_config *c, const char *name)
{
	for (size_t i = 0; i < c->profile_count; i++)
		if (strcmp(c->profiles[i].name, name) == 0)
			return &c->profiles[i];
	return NULL;
}

const struct ca_profile *ca_config_profile_for_request(const struct ca_config *c, struct bytes name, struct error *err)
{
	char text[65] = "", allowed[sizeof(err->allowed)] = "";
	size_t used = 0;
	for (size_t i = 0; i < c->profile_count; i++) {
		const struct ca_profile *p = &c->profiles[i];
		if (p->internal)
			continue;
		if (bytes_are(name, p->name))
			return p;
		if (used + strlen(p->name) + 3 < sizeof(allowed))
			used += (size_t)snprintf(allowed + used, sizeof(allowed) - used, "%s%s", used ? ", " : "",
						 p->name);
	}
	if (name.len)
		(void)snprintf(text, sizeof(text), "%.*s", (int)(name.len < 64 ? name.len : 64),
			       (const char *)name.data);
	(void)err_set(err, ERR_PROFILE_UNKNOWN, "there is no such profile for requests; there are %s", allowed);
	(void)err_about(err, "profile", text, allowed);
	return NULL;
}

/* ---- issuers and tokens ---- */

static bool holds_key(const struct ca_config_issuer *i, const char *token)
{
	bool holds = strcmp(i->token, token) == 0;
	for (size_t n = 0; n < i->alternatives.count && !holds; n++)
		holds = strcmp(i->alternatives.items[n], token) == 0;
	return holds;
}

/* PKI.md section 1: an issuer is one key's generation, and the audit key is one of its own. */
static int check_one_use(const struct ca_config *c, const char *section, const char *name, const char *token,
			 const char *key, const struct config_lines *lines, struct error *err)
{
	for (size_t i = 0; token[0] && i < c->issuer_count; i++) {
		const struct ca_config_issuer *other = &c->issuers[i];
		bool itself = strcmp(section, "issuer") == 0 && strcmp(name, other->name) == 0;
		if (!itself && holds_key(other, token) && strcmp(other->key, key) == 0)
			return config_wrong(lines, err, section, name, "key",
					    "issuer \"%s\" signs with this key, and a key has one use", other->name);
	}
	return 0;
}

/* Each holds the same key, so the key's URI cannot name one of them. */
static int check_alternatives(const struct ca_config *c, const struct ca_config_issuer *i,
			      const struct config_lines *lines, struct error *err)
{
	for (size_t n = 0; n < i->alternatives.count; n++) {
		const char *name = i->alternatives.items[n];
		bool again = strcmp(name, i->token) == 0;
		for (size_t before = 0; before < n && !again; before++)
			again = strcmp(name, i->alternatives.items[before]) == 0;
		if (!ca_config_token(c, name))
			return config_wrong(lines, err, "issuer", i->name, "alternatives", "there is no token \"%s\"",
					    name);
		if (again)
			return config_wrong(lines, err, "issuer", i->name, "alternatives",
					    "token \"%s\" is named twice", name);
		if (strstr(i->key, "token=") || strstr(i->key, "serial=") || strstr(i->key, "slot-id="))
			return config_wrong(
				lines, err, "issuer", i->name, "key",
				"with alternatives the key is named by object and id alone: it is in several "
				"tokens");
		if (check_one_use(c, "issuer", i->name, name, i->key, lines, err))
			return -1;
	}
	return 0;
}

/* A line of issuers: each signs for the profiles of those before it from the moment that it has a certificate. */
static int check_follows(const struct ca_config *c, const struct ca_config_issuer *i, const struct config_lines *lines,
			 struct error *err)
{
	if (!i->follows[0])
		return 0;
	const struct ca_config_issuer *before = ca_config_issuer(c, i->follows);
	if (!before)
		return config_wrong(lines, err, "issuer", i->name, "follows", "there is no issuer \"%s\"", i->follows);
	if (!before->parent[0] != !i->parent[0])
		return config_wrong(lines, err, "issuer", i->name, "follows",
				    "a root follows a root, and an intermediate an intermediate");
	if (ca_config_follower(c, i->follows) != i)
		return config_wrong(lines, err, "issuer", i->name, "follows", "\"%s\" is followed by issuer \"%s\"",
				    i->follows, ca_config_follower(c, i->follows)->name);
	for (size_t steps = 0; before && before->follows[0] && steps < c->issuer_count; steps++)
		before = before == i ? NULL : ca_config_issuer(c, before->follows);
	if (!before || before->follows[0])
		return config_wrong(lines, err, "issuer", i->name, "follows", "the line of issuers leads back to it");
	return 0;
}

static int check_issuer(const struct ca_config *c, const struct ca_config_issuer *i, const struct config_lines *lines,
			struct error *err)
{
	if (i->token[0] && !ca_config_token(c, i->token))
		return config_wrong(lines, err, "issuer", i->name, "token", "there is no token \"%s\"", i->token);
	if (check_one_use(c, "issuer", i->name, i->token, i->key, lines, err) || check_alternatives(c, i, lines, err) ||
	    check_follows(c, i, lines, err))
		return -1;
	if (!i->parent[0])
		return 0;
	const struct ca_config_issuer *parent = ca_config_issuer(c, i->parent);
	if (!parent)
		return config_wrong(lines, err, "issuer", i->name, "parent", "there is no issuer \"%s\"", i->parent);
	if (parent->parent[0])
		return config_wrong(lines, err, "issuer", i->name, "parent",
				    "\"%s\" is no root, and an intermediate's path length is 0", i->parent);
	return 0;
}

static int check_issuers(const struct ca_config *c, const struct config_lines *lines, struct error *err)
{
	if (c->issuer_count == 0)
		return config_wrong(lines, err, "issuer", "", "", "there is no issuer section");
	for (size_t i = 0; i < c->issuer_count; i++)
		if (check_issuer(c, &c->issuers[i], lines, err))
			return -1;
	if (c->audit.token[0] && !ca_config_token(c, c->audit.token))
		return config_wrong(lines, err, "audit", "", "token", "there is no token \"%s\"", c->audit.token);
	return check_one_use(c, "audit", "", c->audit.token, c->audit.key, lines, err);
}

/* ---- profiles ---- */

static int check_profile_issuer(const struct ca_config *c, const struct ca_profile *p, const struct config_lines *lines,
				struct error *err)
{
	if (p->kind == CA_KIND_ROOT || !p->issuer[0])
		return 0; /* ca_profile_prepare says what is wrong */
	const struct ca_config_issuer *issuer = ca_config_issuer(c, p->issuer);
	if (!issuer)
		return config_wrong(lines, err, "profile", p->name, "issuer", "there is no issuer \"%s\"", p->issuer);
	bool by_root = !issuer->parent[0];
	if ((p->kind == CA_KIND_INTERMEDIATE) != by_root)
		return config_wrong(lines, err, "profile", p->name, "issuer",
				    by_root ? "\"%s\" is a root; roots sign intermediates alone (BR 6.1.7)"
					    : "\"%s\" is an intermediate; only roots sign intermediates",
				    p->issuer);
	return 0;
}

/* Where the file gives none: by what was validated, below the arc (ca-core/oid.h). */
static void default_policy(const struct ca_config *c, struct ca_profile *p)
{
	unsigned number = 0;
	if (p->kind == CA_KIND_CLIENT)
		number = 4;
	else if (p->kind == CA_KIND_PEER)
		number = 5;
	else if (p->kind == CA_KIND_SERVER)
		number = (unsigned)p->validation; /* domain 1, organization 2, extended 3 */
	if (p->policy_count || number == 0)
		return;
	ca_oid_below(buf_bytes(&c->arc), &p->policies[p->policy_count++], 2,
		     (const unsigned[]){ CA_ARC_POLICIES, number });
}

/* True where the profile's certificates are signed by an intermediate of the other profile, now or when one that follows
 * has taken over. */
static bool is_below(const struct ca_config *c, const struct ca_profile *leaf, const struct ca_profile *intermediate)
{
	if (ca_kind_is_ca(leaf->kind))
		return false;
	for (const struct ca_config_issuer *issuer = ca_config_issuer(c, leaf->issuer); issuer;
	     issuer = ca_config_follower(c, issuer->name))
		if (strcmp(issuer->parent, intermediate->issuer) == 0)
			return true;
	return false;
}

static bool has_policy(const struct ca_profile *p, struct bytes oid)
{
	for (size_t i = 0; i < p->policy_count; i++)
		if (bytes_equal(buf_bytes(&p->policies[i]), oid))
			return true;
	return false;
}

/* RFC 5280 section 6.1: a leaf's policy counts only where its issuer has it too. */
static int inherit(const struct ca_config *c, struct ca_profile *p, unsigned *ekus, const struct config_lines *lines,
		   struct error *err)
{
	static const unsigned of_kind[CA_KIND_COUNT] = {
		[CA_KIND_SERVER] = CA_EKU_SERVER,
		[CA_KIND_CLIENT] = CA_EKU_CLIENT,
		[CA_KIND_PEER] = CA_EKU_SERVER | CA_EKU_CLIENT,
		[CA_KIND_AUDIT] = CA_EKU_AUDIT,
	};
	*ekus = 0;
	for (size_t i = 0; p->kind == CA_KIND_INTERMEDIATE && i < c->profile_count; i++) {
		const struct ca_profile *leaf = &c->profiles[i];
		if (!is_below(c, leaf, p))
			continue;
		*ekus |= of_kind[leaf->kind];
		for (size_t n = 0; n < leaf->policy_count; n++) {
			struct bytes oid = buf_bytes(&leaf->policies[n]);
			if (has_policy(p, oid))
				continue;
			if (p->policy_count == CA_PROFILE_POLICIES_MAX)
				return config_wrong(lines, err, "profile", p->name, "policies",
						    "its leaves have more than %d policies", CA_PROFILE_POLICIES_MAX);
			buf_add_bytes(&p->policies[p->policy_count++], oid);
		}
	}
	return 0;
}

static int prepare(const struct ca_config *c, struct ca_profile *p, const struct config_lines *lines, struct error *err)
{
	unsigned ekus;
	auto_buf audit_eku = BUF_INIT;
	struct error why = ERR_INIT;
	ca_oid_below(buf_bytes(&c->arc), &audit_eku, 1, (const unsigned[]){ CA_ARC_EKU_AUDIT });
	if (inherit(c, p, &ekus, lines, err))
		return -1;
	if (ca_profile_prepare(p, ekus, buf_bytes(&audit_eku), &why) == 0)
		return 0;
	const char *reason = strstr(why.message, ": "); /* behind "profile NAME" */
	return config_wrong(lines, err, "profile", p->name, "", "%s", reason ? reason + 2 : why.message);
}

static int check_profiles(struct ca_config *c, const struct config_lines *lines, struct error *err)
{
	for (size_t i = 0; i < c->profile_count; i++) {
		if (check_profile_issuer(c, &c->profiles[i], lines, err))
			return -1;
		default_policy(c, &c->profiles[i]);
	}
	for (size_t i = 0; i < c->profile_count; i++)
		if (prepare(c, &c->profiles[i], lines, err))
			return -1;
	return 0;
}

/* ---- grants ---- */

static int check_grants(const struct ca_config *c, const struct config_lines *lines, struct error *err)
{
	for (size_t i = 0; i < c->grant_count; i++) {
		const struct ca_config_grant *g = &c->grants[i];
		for (size_t n = 0; n < g->profiles.count; n++) {
			const struct ca_profile *p = ca_config_profile(c, g->profiles.items[n]);
			if (!p || p->internal)
				return config_wrong(lines, err, "grant", g->name, "profiles",
						    p ? "profile \"%s\" is the CA's own" : "there is no profile \"%s\"",
						    g->profiles.items[n]);
		}
	}
	return 0;
}

/* ---- waiting ---- */

#define SIGNING_WAIT_DEFAULT 10

static int check_waits(struct ca_config *c, const struct config_lines *lines, struct error *err)
{
	unsigned *wait = &c->process.signing_wait_seconds, whole = c->listen.request_seconds;
	if (*wait >= whole)
		return config_wrong(
			lines, err, "process", "", "signing-wait-seconds",
			"%u is not less than listen.request-seconds (%u), after which nobody waits any more", *wait,
			whole);
	if (*wait == 0)
		*wait = whole > SIGNING_WAIT_DEFAULT ? SIGNING_WAIT_DEFAULT : whole > 1 ? whole - 1 : 1;
	return 0;
}

int config_check(struct ca_config *c, const struct config_lines *lines, struct error *err)
{
	return check_waits(c, lines, err) || check_issuers(c, lines, err) || config_check_zones(c, lines, err) ||
			       check_profiles(c, lines, err) || check_grants(c, lines, err)
		       ? -1
		       : 0;
}
