#include "ca-core/publish.h"

#include <stdio.h>
#include <sys/stat.h>

#include "base/text.h"
#include "tests/unit/ca-core/fixture.h"

static void what_was_published_is_made_anew_from_the_store(void)
{
	static const char *const files[] = {
		"published/ca/root-1.pem", "published/ca/issuing-1.crt",  "published/ca/issuing-1/chain.pem",
		"published/ca/roots.pem",  "published/crl/issuing-1.crl", "published/crl/root-1.pem",
		"published/audit/head"
	};
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	fixture_open(&f);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		auto_buf before = BUF_INIT, after = BUF_INIT;
		char path[512];
		fixture_read(&f, files[i], &before);
		(void)snprintf(path, sizeof(path), "%s/%s", f.state, files[i]);
		REQUIRE(remove(path) == 0);
		CHECK_OK(ca_publish_all(f.ca, &err) == 0, &err);
		fixture_read(&f, files[i], &after);
		CHECK_BYTES(buf_bytes(&after), buf_bytes(&before));
		struct stat status;
		REQUIRE(stat(path, &status) == 0);
		CHECK_INT(status.st_mode & 0777, 0644);
	}
}

static void a_chain_ends_before_the_root(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	auto_buf chain = BUF_INIT, der = BUF_INIT;
	char label[64];
	fixture_open(&f);
	fixture_read(&f, "published/ca/issuing-1/chain.pem", &chain);
	struct bytes rest = buf_bytes(&chain);
	CHECK_INT(text_next_pem(&rest, label, &der, &err), 1);
	CHECK_TEXT(label, "CERTIFICATE");
	CHECK_BYTES(buf_bytes(&der), buf_bytes(&ca_issuer_find(f.ca, bytes_of("issuing-1"))->info.certificate));
	CHECK_INT(text_next_pem(&rest, label, &der, &err), 0);
}

SUITE(publish)
{
	TEST(what_was_published_is_made_anew_from_the_store);
	TEST(a_chain_ends_before_the_root);
}
