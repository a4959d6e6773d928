#include "ca-core/request.h"

#include "base/ossl.h"
#include "base/text.h"

int ca_request_names(const struct ca_profile *profile, const struct bytes *printed, size_t count,
		     struct ca_names *names, struct error *err)
{
	for (size_t n = 0; n < count; n++) {
		struct ca_name name;
		if (ca_name_parse(printed[n], &name, err) || ca_names_add(names, &name, profile->names_max, err))
			return -1;
	}
	return 0;
}

int ca_request_common_name(struct bytes text, char common_name[65], struct error *err)
{
	if (text.len > 64 || (text.len && memchr(text.data, 0, text.len)) || !text_is_utf8(text) ||
	    text_has_control(text)) {
		(void)err_set(err, ERR_BAD_NAME,
			      "the common name is not UTF-8 of at most 64 octets without control characters");
		return err_about(err, "commonName", NULL, "1 to 64 octets of UTF-8");
	}
	if (text.len)
		memcpy(common_name, text.data, text.len);
	common_name[text.len] = '\0';
	return 0;
}

int ca_request_usable(const struct ca_profile *profile, const struct ca_names *names, const char *common_name,
		      struct error *err)
{
	bool for_names = ca_kind_is_server(profile->kind), named = !common_name[0];
	if (names->count == 0 && (!common_name[0] || for_names))
		return err_set(err, ERR_BAD_NAME, "the request has no usable name");
	for (size_t n = 0; n < names->count && !named; n++)
		named = strcmp(names->items[n].text, common_name) == 0;
	if (!for_names || !common_name[0] || (named && profile->common_name))
		return 0;
	(void)err_set(err, ERR_BAD_NAME, "under profile %s the common name is one of the names, or left out",
		      profile->name);
	return err_about(err, "commonName", common_name, "one of the names");
}

static const char *refused_kind(const struct ca_profile *p, const struct ca_name *name)
{
	if (name->type == CA_NAME_IP && !p->allow_ip)
		return "addresses";
	if (name->type == CA_NAME_EMAIL && !p->allow_email)
		return "mail addresses";
	if (name->type == CA_NAME_URI && !p->allow_uri)
		return "URIs";
	if (name->wildcard && !p->allow_wildcard)
		return "wildcards";
	return name->underscore && !p->allow_underscore ? "underscores" : NULL;
}

int ca_request_kinds(const struct ca_profile *profile, const struct ca_names *names, struct error *err)
{
	for (size_t n = 0; n < names->count; n++) {
		const char *kind = refused_kind(profile, &names->items[n]);
		if (!kind)
			continue;
		(void)err_set(err, ERR_BAD_NAME, "profile %s does not allow %s", profile->name, kind);
		return err_about(err, "name", names->items[n].text, NULL);
	}
	return 0;
}

int ca_request_not_blocked(struct store_snapshot *snap, const uint8_t spki_hash[32], struct error *err)
{
	struct bytes value;
	struct record_blocked blocked;
	int found = store_get(snap, STORE_BLOCKED, BYTES(spki_hash, 32), &value, NULL, err);
	if (found <= 0)
		return found;
	if (record_blocked_decode(value, &blocked, err))
		return -1;
	return err_set(err, ERR_BLOCKED_KEY, "this key is blocked: %s",
		       blocked.own                               ? "it is one of the CA's own"
		       : blocked.reason == REASON_KEY_COMPROMISE ? "it was reported compromised"
								 : "it is on the operator's list");
}

int ca_request_key_form(struct bytes idempotency_key, struct error *err)
{
	bool good = idempotency_key.len <= 128;
	for (size_t n = 0; good && n < idempotency_key.len; n++)
		good = idempotency_key.data[n] > 0x20 && idempotency_key.data[n] < 0x7f;
	if (good)
		return 0;
	(void)err_set(err, ERR_BAD_REQUEST, "the idempotency key is not of the accepted form");
	return err_about(err, "Idempotency-Key", NULL, "1 to 128 visible ASCII characters");
}

int ca_request_key(struct bytes requester, const struct message_issue *m, const struct ca_names *names, struct buf *key,
		   uint8_t fingerprint[32], struct error *err)
{
	auto_buf asked = BUF_INIT;
	buf_field(&asked, m->profile);
	buf_u32(&asked, m->days);
	buf_field(&asked, m->common_name);
	buf_u32(&asked, (uint32_t)names->count);
	for (size_t n = 0; n < names->count; n++) {
		buf_u8(&asked, (uint8_t)names->items[n].type);
		buf_field_text(&asked, names->items[n].text);
	}
	buf_field(&asked, m->spki);
	record_key_request(key, requester, m->idempotency_key);
	if (asked.failed || key->failed)
		return err_set(err, ERR_INTERNAL, "no memory for a request");
	sha256(asked.data, asked.len, fingerprint);
	return 0;
}

struct ca_issuer *ca_request_issuer(struct ca *ca, const struct ca_profile *profile, struct error *err)
{
	struct ca_issuer *issuer = ca_issuer_for(ca, profile);
	if (!issuer)
		(void)err_set(err, ERR_CONFIG, "profile %s names no issuer of this CA", profile->name);
	else if (!issuer->certified)
		(void)err_set(err, ERR_TOKEN_UNAVAILABLE, "issuer %s has no certificate in this store",
			      issuer->config->name);
	return issuer && issuer->certified ? issuer : NULL;
}
