#include "tests/unit/ca-core/pure.h"

#include <stdio.h>

#include "base/der.h"
#include "base/file.h"

/* ---- configurations ---- */

static void default_text(struct buf *out)
{
	static const char *const https[] = { "127.0.0.1:8443", "[::1]:8443", NULL };
	static const char *const http[] = { "127.0.0.1:8080", NULL };
	static const char *const names[] = { "localhost", "127.0.0.1", "::1", NULL };
	const struct ca_config_template template = {
		.node = "ca1",
		.module = "/usr/lib/softhsm/libsofthsm2.so",
		.softhsm_conf = "token/softhsm2.conf",
		.url = "http://pki.test",
		.arc = "2.999.1",
		.signer_user = "",
		.front_user = "",
		.validator_user = "",
		.https = https,
		.http = http,
		.names = names,
	};
	ca_config_write(&template, out);
	REQUIRE(!out->failed);
}

struct ca_config *pure_config_of(const char *text, struct error *err)
{
	const char *path = unit_path("chancery.conf");
	CHECK_OK(file_replace(path, bytes_of(text), 0600, err) == 0, err);
	return ca_config_load(path, err);
}

struct ca_config *pure_config_with(const char *what, const char *with, struct error *err)
{
	auto_buf text = BUF_INIT, changed = BUF_INIT;
	default_text(&text);
	const char *whole = buf_text(&text), *at = strstr(whole, what);
	REQUIRE(at != NULL);
	buf_add(&changed, whole, (size_t)(at - whole));
	buf_add_text(&changed, with);
	buf_add_text(&changed, at + strlen(what));
	return pure_config_of(buf_text(&changed), err);
}

struct ca_config *pure_config(void)
{
	struct error err = ERR_INIT;
	auto_buf text = BUF_INIT;
	default_text(&text);
	struct ca_config *c = pure_config_of(buf_text(&text), &err);
	CHECK_OK(c != NULL, &err);
	return c;
}

/* ---- keys, names ---- */

struct ca_key pure_key(const char *name)
{
	char path[64];
	struct error err = ERR_INIT;
	struct ca_key key;
	(void)snprintf(path, sizeof(path), "keys/%s.spki.der", name);
	CHECK_OK(ca_key_parse(unit_data(path), &key, &err) == 0, &err);
	return key;
}

struct ca_names pure_names(const char *printed)
{
	struct ca_names names = CA_NAMES_INIT;
	struct error err = ERR_INIT;
	while (*printed) {
		struct ca_name name;
		size_t len = strcspn(printed, " ");
		CHECK_OK(ca_name_parse(BYTES(printed, len), &name, &err) == 0, &err);
		CHECK_OK(ca_names_add(&names, &name, CA_NAMES_MAX, &err) == 0, &err);
		printed += len + strspn(printed + len, " ");
	}
	return names;
}

/* ---- certificates ---- */

static const uint8_t serial[] = { 0x01, 0x9a, 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb };

struct ca_tbs pure_tbs(const struct ca_profile *profile, const struct ca_issuer_info *issuer, const char *key_name,
		       const char *common_name, const struct ca_names *names, struct buf *subject)
{
	struct error err = ERR_INIT;
	struct ca_subject attributes = { 0 };
	struct ca_tbs tbs = { .profile = profile,
			      .issuer = issuer,
			      .serial = BYTES(serial, sizeof(serial)),
			      .key = pure_key(key_name),
			      .names = names };
	if (ca_kind_is_ca(profile->kind) || profile->kind == CA_KIND_AUDIT)
		attributes.values[CA_ATTR_ORGANIZATION] = "Example Ltd";
	attributes.values[CA_ATTR_COMMON_NAME] = *common_name ? common_name : NULL;
	CHECK_OK(ca_subject_encode(&attributes, subject, &err) == 0, &err);
	tbs.subject = buf_bytes(subject);
	CHECK_OK(ca_profile_validity(profile, 0, PURE_NOW_S, issuer ? issuer->not_after_s : INT64_MAX,
				     &tbs.not_before_s, &tbs.not_after_s, &err) == 0,
		 &err);
	return tbs;
}

static void load_issuer(const struct ca_config *c, const char *name, const char *profile_name, const char *key_name,
			const struct ca_issuer_info *parent, struct ca_issuer_info *info)
{
	static const uint8_t ecdsa_sha384[] = { 0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3 };
	struct error err = ERR_INIT;
	auto_buf subject = BUF_INIT, tbs = BUF_INIT, certificate = BUF_INIT;
	char common_name[80];
	(void)snprintf(common_name, sizeof(common_name), "Example Ltd %s", name);
	struct ca_tbs in = pure_tbs(ca_config_profile(c, profile_name), parent, key_name, common_name, NULL, &subject);
	struct bytes algorithm =
		parent ? buf_bytes(&parent->signature_algorithm) : BYTES(ecdsa_sha384, sizeof(ecdsa_sha384));
	in.signature_algorithm = algorithm;
	CHECK_OK(ca_tbs_build(&in, &tbs, &err) == 0, &err);
	ca_certificate_assemble(buf_bytes(&tbs), algorithm, BYTES("no signature", 12), &certificate);
	CHECK_OK(ca_issuer_info_load(info, name, buf_bytes(&certificate), c->listen.url, &err) == 0, &err);
}

void pure_root(const struct ca_config *c, struct ca_issuer_info *info)
{
	load_issuer(c, "root-1", "root", "p384", NULL, info);
}

void pure_issuing(const struct ca_config *c, struct ca_issuer_info *info)
{
	struct ca_issuer_info root;
	pure_root(c, &root);
	load_issuer(c, "issuing-1", "intermediate", "p256-issuing", &root, info);
	ca_issuer_info_clear(&root);
}
