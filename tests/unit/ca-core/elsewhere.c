#include "tests/unit/ca-core/elsewhere.h"

#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/der.h"
#include "base/ossl.h"
#include "ca-core/crl_der.h"
#include "hsm/key.h"

#define DAY_S ((int64_t)86400)

void elsewhere_free(struct elsewhere *e)
{
	EVP_PKEY_free(e->key);
	ca_issuer_info_clear(&e->info);
}

static void sign(EVP_PKEY *key, struct bytes tbs, struct buf *signature)
{
	uint8_t octets[128];
	size_t len = sizeof(octets);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	REQUIRE(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1);
	REQUIRE(EVP_DigestSign(context, octets, &len, tbs.data, tbs.len) == 1);
	EVP_MD_CTX_free(context);
	buf_add(signature, octets, len);
}

static void spki_of(EVP_PKEY *key, struct buf *out)
{
	uint8_t *der = NULL;
	int len = i2d_PUBKEY(key, &der);
	REQUIRE(len > 0);
	buf_add(out, der, (size_t)len);
	OPENSSL_free(der);
}

/* by NULL: self-signed with this key. */
static void certify(struct fixture *f, EVP_PKEY *key, const struct ca_issuer_info *by, const char *profile,
		    struct bytes spki, const struct elsewhere_twist *twist, struct buf *out)
{
	static const uint8_t ecdsa_sha256[] = { 0x30, 10, 0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02 };
	struct error err = ERR_INIT;
	auto_buf subject = BUF_INIT, tbs_der = BUF_INIT, signature = BUF_INIT;
	uint8_t serial[16];
	REQUIRE(RAND_bytes(serial, sizeof(serial)) == 1);
	serial[0] = 0x41;
	if (twist->serial) {
		memset(serial + 1, 0x77, sizeof(serial) - 1);
		serial[sizeof(serial) - 1] = twist->serial;
	}
	struct clock clock = f->ca->clock;
	int64_t now_s = clock_now_ms(&clock) / 1000;
	struct ca_subject names = { 0 };
	names.values[CA_ATTR_COMMON_NAME] = twist->common_name;
	CHECK_OK(ca_subject_encode(&names, &subject, &err) == 0, &err);
	struct ca_tbs tbs = { .profile = ca_config_profile(f->config, profile),
			      .issuer = by,
			      .signature_algorithm = by ? BYTES_NONE : BYTES(ecdsa_sha256, sizeof(ecdsa_sha256)),
			      .serial = BYTES(serial, sizeof(serial)),
			      .not_before_s = twist->not_before_s ? twist->not_before_s : now_s - 300,
			      .not_after_s = twist->not_after_s ? twist->not_after_s : now_s - 301 + 1000 * DAY_S,
			      .subject = buf_bytes(&subject) };
	REQUIRE(tbs.profile != NULL);
	CHECK_OK(ca_key_parse(spki, &tbs.key, &err) == 0 && ca_tbs_build(&tbs, &tbs_der, &err) == 0, &err);
	sign(key, buf_bytes(&tbs_der), &signature);
	if (twist->bad_signature)
		signature.data[signature.len - 1] ^= 1;
	ca_certificate_assemble(buf_bytes(&tbs_der), BYTES(ecdsa_sha256, sizeof(ecdsa_sha256)), buf_bytes(&signature),
				out);
	REQUIRE(!out->failed);
}

void elsewhere_root(struct elsewhere *e, struct fixture *f, const char *name)
{
	struct error err = ERR_INIT;
	auto_buf spki = BUF_INIT, der = BUF_INIT;
	char common_name[80];
	*e = (struct elsewhere){ .f = f, .key = EVP_EC_gen("P-256") };
	REQUIRE(e->key != NULL);
	spki_of(e->key, &spki);
	(void)snprintf(common_name, sizeof(common_name), "Elsewhere %s", name);
	struct clock clock = f->ca->clock;
	int64_t now_s = clock_now_ms(&clock) / 1000;
	const struct elsewhere_twist life = { .common_name = common_name, .not_after_s = now_s - 301 + 7000 * DAY_S };
	certify(f, e->key, NULL, "root", buf_bytes(&spki), &life, &der);
	CHECK_OK(ca_issuer_info_load(&e->info, name, buf_bytes(&der), f->config->listen.url, &err) == 0, &err);
}

void elsewhere_certify(struct elsewhere *by, const char *profile, struct bytes spki,
		       const struct elsewhere_twist *twist, struct buf *out)
{
	struct elsewhere_twist t = twist ? *twist : (struct elsewhere_twist){ 0 };
	if (!t.common_name)
		t.common_name = "Elsewhere issuing-2";
	certify(by->f, by->key, &by->info, profile, spki, &t, out);
}

/* ---- a root's key under another root: no profile makes one ---- */

static X509 *parse(const struct ca_issuer_info *info)
{
	const unsigned char *at = info->certificate.data;
	X509 *x = d2i_X509(NULL, &at, (long)info->certificate.len);
	REQUIRE(x != NULL);
	return x;
}

static void add_extension(X509 *x, X509 *by, int nid, const char *value)
{
	X509V3_CTX context;
	X509V3_set_ctx(&context, by, x, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	REQUIRE(extension != NULL && X509_add_ext(x, extension, -1) == 1);
	X509_EXTENSION_free(extension);
}

static void add_any_policy(X509 *x)
{
	static const uint8_t any[] = { 0x30, 8, 0x30, 6, 6, 4, 0x55, 0x1d, 0x20, 0 };
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	REQUIRE(value && ASN1_OCTET_STRING_set(value, any, sizeof(any)) == 1);
	X509_EXTENSION *extension = X509_EXTENSION_create_by_NID(NULL, NID_certificate_policies, 0, value);
	REQUIRE(extension != NULL && X509_add_ext(x, extension, -1) == 1);
	X509_EXTENSION_free(extension);
	ASN1_OCTET_STRING_free(value);
}

static void set_serial(X509 *x)
{
	uint8_t serial[16];
	REQUIRE(RAND_bytes(serial, sizeof(serial)) == 1);
	serial[0] = 0x41;
	BIGNUM *number = BN_bin2bn(serial, sizeof(serial), NULL);
	REQUIRE(number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x)));
	BN_free(number);
}

static void add_key_id(X509 *x, const struct ca_issuer_info *of)
{
	ASN1_OCTET_STRING *id = ASN1_OCTET_STRING_new();
	REQUIRE(id && ASN1_OCTET_STRING_set(id, of->ski.data, (int)of->ski.len) == 1);
	REQUIRE(X509_add1_ext_i2d(x, NID_subject_key_identifier, id, 0, 0) == 1);
	ASN1_OCTET_STRING_free(id);
}

static void add_der(X509 *x, struct buf *out)
{
	uint8_t *der = NULL;
	int len = i2d_X509(x, &der);
	REQUIRE(len > 0);
	buf_add(out, der, (size_t)len);
	OPENSSL_free(der);
}

void elsewhere_cross(struct elsewhere *by, const struct ca_issuer_info *of, int path_len, struct buf *out)
{
	auto_x509 *signer = parse(&by->info), *subject = parse(of);
	auto_x509 *x = X509_new();
	char constraints[64] = "critical,CA:TRUE", url[300];
	if (path_len >= 0)
		(void)snprintf(constraints, sizeof(constraints), "critical,CA:TRUE,pathlen:%d", path_len);
	REQUIRE(x != NULL && X509_set_version(x, X509_VERSION_3) == 1);
	set_serial(x);
	REQUIRE(X509_set_issuer_name(x, X509_get_subject_name(signer)) == 1);
	REQUIRE(X509_set_subject_name(x, X509_get_subject_name(subject)) == 1);
	REQUIRE(X509_set_pubkey(x, X509_get0_pubkey(subject)) == 1);
	struct clock clock = by->f->ca->clock;
	int64_t now_s = clock_now_ms(&clock) / 1000;
	REQUIRE(ASN1_TIME_set(X509_getm_notBefore(x), now_s - 300) != NULL);
	REQUIRE(ASN1_TIME_set(X509_getm_notAfter(x), now_s + 900 * DAY_S) != NULL);
	add_extension(x, signer, NID_basic_constraints, constraints);
	add_extension(x, signer, NID_key_usage, "critical,keyCertSign,cRLSign");
	add_key_id(x, of);
	add_extension(x, signer, NID_authority_key_identifier, "keyid:always");
	add_any_policy(x);
	(void)snprintf(url, sizeof(url), "caIssuers;URI:%s", by->info.issuers_url);
	add_extension(x, signer, NID_info_access, url);
	(void)snprintf(url, sizeof(url), "URI:%s", by->info.crl_url);
	add_extension(x, signer, NID_crl_distribution_points, url);
	REQUIRE(X509_sign(x, by->key, EVP_sha256()) > 0);
	add_der(x, out);
}

void elsewhere_list(struct elsewhere *by, uint64_t number, int64_t this_update_s, int64_t next_update_s,
		    struct buf *out)
{
	struct error err = ERR_INIT;
	auto_buf signature = BUF_INIT;
	struct ca_crl_writer w;
	struct bytes algorithm = buf_bytes(&by->info.signature_algorithm);
	const struct ca_crl_head head = { .signature_algorithm = algorithm,
					  .issuer = buf_bytes(&by->info.subject),
					  .aki = buf_bytes(&by->info.ski),
					  .number = number,
					  .this_update_s = this_update_s,
					  .next_update_s = next_update_s };
	ca_crl_begin(&w, &head, out);
	CHECK_OK(ca_crl_finish(&w, &err) == 0, &err);
	sign(by->key, buf_bytes(out), &signature);
	buf_add_bytes(out, algorithm);
	der_add_bit_string(out, buf_bytes(&signature));
	der_wrap(out, 0, DER_SEQUENCE);
	REQUIRE(!out->failed);
}

void elsewhere_make_key(struct fixture *f, const char *issuer, struct buf *spki)
{
	struct error err = ERR_INIT;
	struct ca_issuer *of = ca_issuer_find(f->ca, bytes_of(issuer));
	REQUIRE(of != NULL && of->seat_count > 0);
	auto_hsm_key *key = ca_key_in_token(of->seats[0].token, of->config->key, true, HSM_EC_P256, &err);
	CHECK_OK(key != NULL, &err);
	buf_add_bytes(spki, hsm_key_spki(key));
}
