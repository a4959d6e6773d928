#include "tools/own_request.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/ossl.h"
#include "base/text.h"
#include "ca-core/challenge.h"
#include "ca-core/csr.h"
#include "tools/keys.h"
#include "tools/output.h"

#define FILE_MAX ((size_t)64 << 10)
#define HASH_LEN 32

void own_request_free(struct own_request *own)
{
	ca_names_free(&own->names);
}

/* ---- what is one's own ---- */

/* A common name that could be a server's name may have joined the names: which ones do is the profile's to say. */
static int take_common_name(const char *text, struct ca_names *names, struct error *err)
{
	struct ca_name name;
	struct error none = ERR_INIT;
	if (!text[0] || (ca_name_dns(bytes_of(text), &name, &none) && ca_name_ip_text(bytes_of(text), &name, &none)))
		return 0;
	return ca_names_add(names, &name, CA_NAMES_MAX, err);
}

int own_request_of_csr(struct bytes csr_text, struct own_request *own, struct error *err)
{
	auto_ca_csr *csr = ca_csr_parse(csr_text, CA_NAMES_MAX, err);
	if (!csr || ca_csr_verify(csr, err))
		return -1;
	memcpy(own->spki_hash, csr->key.spki_hash, sizeof(own->spki_hash));
	for (size_t i = 0; i < csr->names.count; i++)
		if (ca_names_add(&own->names, &csr->names.items[i], CA_NAMES_MAX, err))
			return -1;
	own->has_names = true;
	return take_common_name(csr->common_name, &own->names, err);
}

static int take_spki(struct bytes spki, struct own_request *own, struct error *err)
{
	struct ca_key key;
	if (ca_key_parse(spki, &key, err))
		return -1;
	memcpy(own->spki_hash, key.spki_hash, sizeof(own->spki_hash));
	return 0;
}

static int read_private_key(const char *path, struct own_request *own, struct error *err)
{
	auto_buf spki = BUF_INIT;
	auto_evp_pkey *key = key_read(path, err);
	return !key || key_spki(key, &spki, err) ? -1 : take_spki(buf_bytes(&spki), own, err);
}

int own_request_read(const char *path, struct own_request *own, struct error *err)
{
	auto_secret_buf content = BUF_INIT;
	auto_buf der = BUF_INIT;
	char label[64];
	if (file_read(path, FILE_MAX, &content, err))
		return -1;
	struct bytes text = buf_bytes(&content);
	if (memmem(content.data, content.len, "PRIVATE KEY-----", 16))
		return read_private_key(path, own, err);
	if (!memmem(content.data, content.len, "BEGIN PUBLIC KEY-----", 21))
		return own_request_of_csr(text, own, err);
	if (text_next_pem(&text, label, &der, err) != 1)
		return err->code == ERR_NONE ? err_set(err, ERR_BAD_REQUEST, "%s holds no public key", path) : -1;
	return take_spki(buf_bytes(&der), own, err);
}

/* ---- the order ---- */

static int lies(struct error *err, const char *member, const char *what)
{
	(void)err_set(err, ERR_INTEGRITY,
		      "the server says something else than your request: %s. Nothing of it is shown: do not put any "
		      "value of this order anywhere",
		      what);
	return err_about(err, member, NULL, NULL);
}

static int read_hash(const json_t *order, const char *member, uint8_t out[HASH_LEN], struct error *err)
{
	auto_buf octets = BUF_INIT;
	struct error none = ERR_INIT;
	if (text_parse_hex(bytes_of(member_text(order, member)), HASH_LEN, &octets, &none) || octets.len != HASH_LEN)
		return lies(err, member, "its nonce or key hash is no SHA-256");
	memcpy(out, octets.data, HASH_LEN);
	return 0;
}

static bool is_own_name(const struct own_request *own, const char *printed)
{
	for (size_t i = 0; i < own->names.count; i++) {
		auto_buf name = BUF_INIT;
		ca_name_print(&own->names.items[i], &name);
		if (bytes_are(buf_bytes(&name), printed))
			return true;
	}
	return !own->has_names;
}

/* What the place and the value of one method have to be. */
struct expected {
	char value[CA_CHALLENGE_VALUE_SIZE];
	char txt_name[CA_CHALLENGE_NAME_SIZE], cname_name[CA_CHALLENGE_NAME_SIZE];
	struct bytes name;
};

static bool is_text(const json_t *method, const char *member, const char *expected)
{
	return strcmp(member_text(method, member), expected) == 0;
}

/* VALUE.BASE: the base is the configuration's, which a client does not have. */
static bool is_target(const json_t *method, const struct expected *e)
{
	const char *target = member_text(method, "target");
	size_t length = strlen(e->value);
	return strncmp(target, e->value, length) == 0 && target[length] == '.' && target[length + 1] != '\0';
}

/* The port is the configuration's, too: of the name's zone. Which server is asked there changes nothing in what the
 * value commits to. */
static bool is_url(const json_t *method, const struct expected *e)
{
	const char *url = member_text(method, "url"), *path = strstr(url, "/.well-known/"), *digits = path;
	char expected[CA_CHALLENGE_NAME_SIZE + 64];
	while (digits && digits > url && digits[-1] >= '0' && digits[-1] <= '9')
		digits--;
	bool has_port = path && digits > url && digits < path && digits[-1] == ':';
	unsigned long port = has_port ? strtoul(digits, NULL, 10) : 80;
	if (port > UINT16_MAX)
		return false;
	ca_challenge_http_url(e->name, e->value, (uint16_t)port, expected);
	return strcmp(url, expected) == 0;
}

/* 1: as it must be. 0: not. -1: of a kind that is not known here. */
static int method_is_right(const json_t *method, const struct expected *e)
{
	const char *type = member_text(method, "type");
	if (strcmp(type, "dns-txt") == 0)
		return is_text(method, "name", e->txt_name) && is_text(method, "value", e->value);
	if (strcmp(type, "dns-cname") == 0)
		return is_text(method, "name", e->cname_name) && is_target(method, e);
	if (strcmp(type, "http") == 0)
		return is_url(method, e) && is_text(method, "body", e->value);
	return strcmp(type, "mail") == 0 || strcmp(type, "grant") == 0 ? 1 : -1;
}

static int check_methods(json_t *authorization, const struct expected *e, struct error *err)
{
	json_t *methods = json_object_get(authorization, "methods");
	for (size_t i = 0; i < json_array_size(methods);) {
		int right = method_is_right(json_array_get(methods, i), e);
		if (right == 0) {
			(void)lies(err, "methods", "a value to put somewhere, or its place, is not that of your key");
			return err_about(err, member_text(json_array_get(methods, i), "type"),
					 member_text(authorization, "name"), NULL);
		}
		if (right < 0)
			(void)json_array_remove(methods, i);
		else
			i++;
	}
	return 0;
}

static int check_authorization(const struct own_request *own, const uint8_t nonce[HASH_LEN], const char *requester,
			       json_t *authorization, struct error *err)
{
	struct expected e;
	const char *name = member_text(authorization, "name");
	struct bytes printed = bytes_of(name);
	if (!is_own_name(own, name))
		return lies(err, "names", "it has a name that is not in it");
	if (strcmp(member_text(authorization, "status"), "pending") != 0)
		return 0; /* nothing is to be put anywhere */
	ca_challenge_value(nonce, own->spki_hash, printed, bytes_of(requester), e.value);
	ca_challenge_txt_name(printed, e.txt_name);
	ca_challenge_cname_name(printed, e.value, e.cname_name);
	e.name = printed;
	return check_methods(authorization, &e, err);
}

int own_request_check(const struct own_request *own, json_t *order, struct error *err)
{
	uint8_t nonce[HASH_LEN], spki_hash[HASH_LEN];
	const char *requester = member_text(order, "requester");
	if (own->requester && strcmp(requester, own->requester) != 0)
		return lies(err, "requester", "it was made by somebody else");
	if (read_hash(order, "nonce", nonce, err) || read_hash(order, "spkiSha256", spki_hash, err))
		return -1;
	if (memcmp(spki_hash, own->spki_hash, sizeof(spki_hash)) != 0)
		return lies(err, "spkiSha256", "it is for another key");
	size_t i;
	json_t *authorization;
	json_array_foreach(json_object_get(order, "authorizations"), i, authorization)
	{
		if (check_authorization(own, nonce, requester, authorization, err))
			return -1;
	}
	return 0;
}
