#include "ca-core/policy.h"

#include <stdio.h>

#include "store/record.h"

static int refuse(const struct ca_actor *actor, const char *what, const char *allowed, struct error *err)
{
	(void)err_set(err, ERR_ROLE_REQUIRED, "%s may not %s", actor->identity, what);
	return err_about(err, NULL, NULL, allowed);
}

static int refuse_token(const struct ca_actor *actor, const char *what, struct error *err)
{
	(void)err_set(err, ERR_ROLE_REQUIRED, "the API token %s may not %s", actor->token_id, what);
	return err_about(err, NULL, NULL, "a client certificate of an identity with the role");
}

/* Whether a comma-separated list names the profile. An empty list names all. */
static bool list_names(const char *list, const char *name)
{
	size_t len = strlen(name);
	if (!list[0])
		return true;
	for (const char *at = list; at; at = strchr(at, ',')) {
		if (*at == ',')
			at++;
		size_t part = strcspn(at, ",");
		if (part == len && memcmp(at, name, len) == 0)
			return true;
	}
	return false;
}

int ca_policy_may_request(const struct ca_actor *actor, const struct ca_profile *profile, struct error *err)
{
	if (actor->token_id[0] && !actor->may_request)
		return refuse_token(actor, "request certificates", err);
	if (!(actor->roles & ROLE_REQUESTER))
		return refuse(actor, "request certificates", "requester", err);
	if (!list_names(actor->profiles, profile->name)) {
		(void)err_set(err, ERR_ROLE_REQUIRED, "the API token %s is not for profile %s", actor->token_id,
			      profile->name);
		return err_about(err, "profile", profile->name, actor->profiles);
	}
	return 0;
}

int ca_policy_may_revoke(const struct ca_actor *actor, struct bytes requester, struct error *err)
{
	if (actor->token_id[0])
		return refuse_token(actor, "revoke", err);
	if (actor->roles & ROLE_OFFICER)
		return 0;
	if (!(actor->roles & ROLE_REQUESTER))
		return refuse(actor, "revoke", "officer; requester for its own", err);
	if (!bytes_are(requester, actor->identity))
		return refuse(actor, "revoke certificates of others", "officer", err);
	return 0;
}

int ca_policy_may_audit(const struct ca_actor *actor, struct error *err)
{
	if (actor->token_id[0])
		return refuse_token(actor, "read the audit", err);
	return actor->roles & ROLE_AUDITOR ? 0 : refuse(actor, "read the audit", "auditor", err);
}

int ca_policy_may_make_crl(const struct ca_actor *actor, struct error *err)
{
	if (actor->token_id[0])
		return refuse_token(actor, "have a CRL made", err);
	return actor->roles & ROLE_ADMIN ? 0 : refuse(actor, "have a CRL made", "admin", err);
}

bool ca_policy_name_reserved(struct bytes identity)
{
	return bytes_are(identity, "ca") || bytes_are(identity, "front") || bytes_are(identity, "root");
}

static bool in_alphabet(uint8_t c, bool first)
{
	bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
	return alphanumeric || (!first && (c == '.' || c == '_' || c == '@' || c == '-'));
}

int ca_policy_identity_name(struct bytes identity, struct error *err)
{
	char shown[RECORD_NAME_MAX + 1];
	(void)snprintf(shown, sizeof(shown), "%.*s",
		       (int)(identity.len > RECORD_NAME_MAX ? RECORD_NAME_MAX : identity.len),
		       identity.len ? (const char *)identity.data : "");
	bool good = identity.len >= 1 && identity.len <= RECORD_NAME_MAX;
	for (size_t i = 0; good && i < identity.len; i++)
		good = in_alphabet(identity.data[i], i == 0);
	if (!good) {
		(void)err_set(err, ERR_BAD_REQUEST, "the identity's name is not of the accepted form");
		return err_about(err, "name", shown,
				 "1 to 64 of A-Z a-z 0-9 . _ @ -, beginning with a letter or digit");
	}
	if (ca_policy_name_reserved(identity)) {
		(void)err_set(err, ERR_BAD_REQUEST, "the name %s stands for the CA itself", shown);
		return err_about(err, "name", shown, "any other name");
	}
	return 0;
}

char *ca_policy_roles_text(uint8_t roles, char out[CA_ROLES_TEXT_SIZE])
{
	static const struct {
		uint8_t bit;
		const char *name;
	} names[] = { { ROLE_REQUESTER, "requester" },
		      { ROLE_OFFICER, "officer" },
		      { ROLE_AUDITOR, "auditor" },
		      { ROLE_ADMIN, "admin" } };
	size_t used = 0;
	out[0] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (roles & names[i].bit)
			used += (size_t)snprintf(out + used, CA_ROLES_TEXT_SIZE - used, "%s%s", used ? "," : "",
						 names[i].name);
	return out;
}
