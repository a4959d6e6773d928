#include "tests/unit/ca-core/pure.h"

#include "base/ossl.h"
#include "ca-core/lint.h"

static void keeps_what_all_its_certificates_share(void)
{
	auto_ca_config *c = pure_config();
	struct ca_issuer_info info;
	struct ca_certificate_facts facts;
	struct error err = ERR_INIT;
	struct ca_key key = pure_key("p256-issuing");
	pure_issuing(c, &info);
	CHECK_OK(ca_certificate_read(buf_bytes(&info.certificate), &facts, &err) == 0, &err);
	CHECK_TEXT(info.name, "issuing-1");
	CHECK_TEXT(info.crl_url, "http://pki.test/crl/issuing-1.crl");
	CHECK_TEXT(info.issuers_url, "http://pki.test/ca/issuing-1.crt");
	CHECK_BYTES(BYTES(info.spki_hash, 32), BYTES(key.spki_hash, 32));
	CHECK_INT(info.not_after_s, facts.not_after_s);
	CHECK_BYTES(buf_bytes(&info.signature_algorithm), unit_hex("300a06082a8648ce3d040302"));
	CHECK(memmem(info.aki.data, info.aki.len, info.ski.data, info.ski.len) != NULL);
	ca_issuer_info_clear(&info);
}

/* PKI.md section 1: the hash follows the curve. */
static void signs_with_the_hash_of_its_curve(void)
{
	auto_ca_config *c = pure_config();
	struct ca_issuer_info root;
	pure_root(c, &root);
	CHECK_BYTES(buf_bytes(&root.signature_algorithm), unit_hex("300a06082a8648ce3d040303"));
	ca_issuer_info_clear(&root);
}

/* RFC 7093 section 2, method 1, over the subjectPublicKey's octets and not the whole spki. */
static void makes_key_identifiers_of_160_bits(void)
{
	struct ca_key key = pure_key("p256");
	uint8_t id[CA_KEY_ID_SIZE], hash[32];
	ca_key_id(&key, id);
	sha256(key.point.data, key.point.len, hash);
	CHECK_BYTES(BYTES(id, sizeof(id)), BYTES(hash, 20));
}

/* The certificate of a leaf of issuing-1, as some profile makes it. */
static void leaf(const struct ca_config *c, struct buf *out)
{
	struct error err = ERR_INIT;
	struct ca_issuer_info info;
	auto_buf subject = BUF_INIT, tbs = BUF_INIT;
	auto_ca_names names = pure_names("dns:a.test");
	pure_issuing(c, &info);
	struct ca_tbs in = pure_tbs(ca_config_profile(c, "server-dv"), &info, "p256", "a.test", &names, &subject);
	CHECK_OK(ca_tbs_build(&in, &tbs, &err) == 0, &err);
	ca_certificate_assemble(buf_bytes(&tbs), buf_bytes(&info.signature_algorithm), BYTES("no signature", 12), out);
	ca_issuer_info_clear(&info);
}

static void refuses_a_leaf_as_an_issuer(void)
{
	auto_ca_config *c = pure_config();
	auto_buf certificate = BUF_INIT;
	struct ca_issuer_info info;
	struct error err = ERR_INIT;
	leaf(c, &certificate);
	CHECK_FAILS(ca_issuer_info_load(&info, "x", buf_bytes(&certificate), "http://pki.test", &err) != 0, &err,
		    ERR_CONFIG);
	CHECK(strstr(err.message, "RFC 5280 4.2.1.9") != NULL);
	CHECK_INT(info.certificate.len, 0);
}

static void refuses_an_issuer_that_may_not_sign_lists(void)
{
	auto_ca_config *c = pure_config();
	struct ca_issuer_info good, info;
	struct error err = ERR_INIT;
	static const uint8_t both[] = { 3, 2, 1, 6 }, certificates_alone[] = { 3, 2, 2, 4 };
	pure_issuing(c, &good);
	uint8_t *usage = memmem(good.certificate.data, good.certificate.len, both, sizeof(both));
	REQUIRE(usage != NULL);
	memcpy(usage, certificates_alone, sizeof(certificates_alone));
	CHECK_FAILS(ca_issuer_info_load(&info, "x", buf_bytes(&good.certificate), "http://pki.test", &err) != 0, &err,
		    ERR_CONFIG);
	CHECK(strstr(err.message, "RFC 5280 4.2.1.3") != NULL);
	ca_issuer_info_clear(&good);
}

static void refuses_what_is_no_certificate_and_urls_too_long(void)
{
	auto_ca_config *c = pure_config();
	struct ca_issuer_info good, info;
	struct error err = ERR_INIT;
	char url[300];
	memset(url, 'a', sizeof(url) - 1);
	url[sizeof(url) - 1] = '\0';
	CHECK_FAILS(ca_issuer_info_load(&info, "x", BYTES("\x30\x00", 2), "http://pki.test", &err) != 0, &err,
		    ERR_CONFIG);
	ca_issuer_info_clear(&info);
	pure_issuing(c, &good);
	CHECK_FAILS(ca_issuer_info_load(&info, "x", buf_bytes(&good.certificate), url, &err) != 0, &err, ERR_CONFIG);
	ca_issuer_info_clear(&good);
}

SUITE(tbs_issuer)
{
	TEST(keeps_what_all_its_certificates_share);
	TEST(signs_with_the_hash_of_its_curve);
	TEST(makes_key_identifiers_of_160_bits);
	TEST(refuses_a_leaf_as_an_issuer);
	TEST(refuses_an_issuer_that_may_not_sign_lists);
	TEST(refuses_what_is_no_certificate_and_urls_too_long);
}
