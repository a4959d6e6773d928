#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/ossl.h"
#include "base/text.h"
#include "ca-core/lint.h"
#include "tests/unit/ca-core/fixture.h"

static void a_founded_ca_has_a_root_an_issuer_and_lists(void)
{
	auto_fixture f = { .now_ms = 0 };
	fixture_open(&f);
	REQUIRE(f.ca->issuer_count == 2);
	for (size_t i = 0; i < 2; i++) {
		CHECK(f.ca->issuers[i].certified);
		CHECK(f.ca->issuers[i].crl_number > 0);
	}
	CHECK_INT(fixture_audit_count(&f, "certificate.issued"), 3);
	CHECK_INT(fixture_audit_count(&f, "crl.issued"), 2);
	CHECK(f.ca->head_sequence >= 5);
	static const char *const files[] = { "root.pem",
					     "published/ca/root-1.pem",
					     "published/ca/root-1.crt",
					     "published/ca/issuing-1.pem",
					     "published/ca/issuing-1/chain.pem",
					     "published/ca/roots.pem",
					     "published/crl/root-1.crl",
					     "published/crl/issuing-1.crl",
					     "published/crl/issuing-1.pem",
					     "published/audit/head" };
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		auto_buf content = BUF_INIT;
		fixture_read(&f, files[i], &content);
		CHECK(content.len > 0);
	}
}

static void founding_again_changes_nothing(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	auto_buf before = BUF_INIT, after = BUF_INIT;
	char root_pem[300], published[300];
	fixture_found(&f);
	fixture_read(&f, "root.pem", &before);
	(void)snprintf(root_pem, sizeof(root_pem), "%s/root.pem", f.state);
	(void)snprintf(published, sizeof(published), "%s/published", f.state);
	char path[300];
	(void)snprintf(path, sizeof(path), "%s/store", f.state);
	const struct store_options options = {
		.path = path, .node = "ca1", .clock = clock_system(), .map_bytes = 1 << 30
	};
	f.store = store_open(&options, &err);
	CHECK_OK(f.store != NULL, &err);
	const struct ca_foundation again = { .config = f.config,
					     .store = f.store,
					     .clock = clock_system(),
					     .pins = (const struct secret *const *)f.pins,
					     .organization = "Another",
					     .published = published,
					     .root_pem = root_pem };
	CHECK_OK(ca_found(&again, &err) == 0, &err);
	fixture_read(&f, "root.pem", &after);
	CHECK_BYTES(buf_bytes(&after), buf_bytes(&before));
	CHECK_INT(fixture_audit_count(&f, "certificate.issued"), 3);
}

static void the_signer_cannot_use_the_roots_key(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	fixture_open(&f);
	struct ca_issuer *root = ca_issuer_find(f.ca, bytes_of("root-1"));
	REQUIRE(root != NULL);
	CHECK_FAILS(ca_issuer_signer(root, &err) == NULL, &err, ERR_TOKEN_UNAVAILABLE);
}

static void the_issuers_certificate_verifies_under_the_root(void)
{
	auto_fixture f = { .now_ms = 0 };
	fixture_open(&f);
	auto_buf root_der = BUF_INIT, issuing_der = BUF_INIT;
	fixture_read(&f, "published/ca/root-1.crt", &root_der);
	fixture_read(&f, "published/ca/issuing-1.crt", &issuing_der);
	const uint8_t *at = root_der.data;
	auto_x509 *root = d2i_X509(NULL, &at, (long)root_der.len);
	at = issuing_der.data;
	auto_x509 *issuing = d2i_X509(NULL, &at, (long)issuing_der.len);
	REQUIRE(root != NULL && issuing != NULL);
	CHECK(X509_verify(root, X509_get0_pubkey(root)) == 1);
	CHECK(X509_verify(issuing, X509_get0_pubkey(root)) == 1);
	CHECK_INT(X509_check_issued(root, issuing), X509_V_OK);
}

SUITE(found)
{
	TEST(a_founded_ca_has_a_root_an_issuer_and_lists);
	TEST(founding_again_changes_nothing);
	TEST(the_signer_cannot_use_the_roots_key);
	TEST(the_issuers_certificate_verifies_under_the_root);
}
