#include "ca-core/lint.h"

#include "tests/unit/ca-core/pure.h"

static struct ca_issuer_info issuing(void)
{
	auto_ca_config *c = pure_config();
	struct ca_issuer_info info;
	pure_issuing(c, &info);
	return info;
}

static void reads_back_what_was_built(void)
{
	struct ca_issuer_info info = issuing();
	struct ca_certificate_facts facts;
	struct error err = ERR_INIT;
	struct ca_key key = pure_key("p256-issuing");
	CHECK_OK(ca_certificate_read(buf_bytes(&info.certificate), &facts, &err) == 0, &err);
	CHECK_BYTES(facts.subject, buf_bytes(&info.subject));
	CHECK_BYTES(facts.spki, key.spki);
	CHECK_BYTES(facts.ski, buf_bytes(&info.ski));
	CHECK_BYTES(facts.serial, unit_hex("019a00112233445566778899aabb"));
	CHECK_BYTES(facts.signature, BYTES("no signature", 12));
	CHECK_INT(facts.not_before_s, PURE_NOW_S - 300);
	CHECK_INT(facts.not_after_s, PURE_NOW_S - 300 + 1825 * (int64_t)86400 - 1);
	CHECK_INT(facts.aki.len, 20);
	CHECK_INT(facts.ca, true);
	CHECK_INT(facts.key_usage, 1 << 5 | 1 << 6);
	CHECK_INT(facts.server_auth && facts.client_auth, true);
	CHECK_INT(facts.no_rev_avail, false);
	ca_issuer_info_clear(&info);
}

static void refuses_every_truncation_and_bytes_behind(void)
{
	struct ca_issuer_info info = issuing();
	struct ca_certificate_facts facts;
	for (size_t len = 0; len < info.certificate.len; len++) {
		struct error err = ERR_INIT;
		CHECK_FAILS(ca_certificate_read(BYTES(info.certificate.data, len), &facts, &err) != 0, &err,
			    ERR_INTEGRITY);
	}
	struct error err = ERR_INIT;
	buf_u8(&info.certificate, 0);
	CHECK_FAILS(ca_certificate_read(buf_bytes(&info.certificate), &facts, &err) != 0, &err, ERR_INTEGRITY);
	ca_issuer_info_clear(&info);
}

/* RFC 5280 4.1.1.2: the algorithm outside is the one inside, which alone is signed. */
static void refuses_two_signature_algorithms_that_differ(void)
{
	struct ca_issuer_info info = issuing();
	struct ca_certificate_facts facts;
	struct error err = ERR_INIT;
	static const uint8_t sha384[] = { 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3 };
	CHECK_OK(ca_certificate_read(buf_bytes(&info.certificate), &facts, &err) == 0, &err);
	size_t tbs_len = (size_t)(facts.tbs.data - info.certificate.data) + facts.tbs.len;
	uint8_t *outer =
		memmem(info.certificate.data + tbs_len, info.certificate.len - tbs_len, sha384, sizeof(sha384));
	REQUIRE(outer != NULL);
	outer[sizeof(sha384) - 1] = 2;
	CHECK_FAILS(ca_certificate_read(buf_bytes(&info.certificate), &facts, &err) != 0, &err, ERR_INTEGRITY);
	ca_issuer_info_clear(&info);
}

static void reads_certificates_of_others(void)
{
	struct ca_certificate_facts facts;
	struct error err = ERR_INIT;
	CHECK_OK(ca_certificate_read(unit_data("fuzz/certificate/leaf.der"), &facts, &err) == 0, &err);
	CHECK_INT(facts.ca, false);
	CHECK_INT(facts.server_auth, true);
	CHECK_INT(facts.client_auth, false);
	CHECK_INT(facts.key_usage, 0);
}

SUITE(lint_read)
{
	TEST(reads_back_what_was_built);
	TEST(refuses_every_truncation_and_bytes_behind);
	TEST(refuses_two_signature_algorithms_that_differ);
	TEST(reads_certificates_of_others);
}
