/* The plan that init writes is one that the check of ceremonies takes, whatever the configuration says. */
#include "tools/init_plan.h"

#include <stdio.h>

#include "base/file.h"
#include "base/ossl.h"
#include "base/text.h"
#include "ca-core/ceremony_check.h"
#include "tests/unit/unit.h"
#include "tools/keys.h"

#define FROM_S ((int64_t)1790000000)

/* The configuration that init writes, with further sections. */
static struct ca_config *configuration(const char *more)
{
	static const char *const https[] = { "127.0.0.1:8443", NULL }, *const names[] = { "localhost", NULL };
	struct error err = ERR_INIT;
	auto_buf text = BUF_INIT;
	const struct ca_config_template t = { .node = "ca1",
					      .module = "/usr/lib/softhsm/libsofthsm2.so",
					      .softhsm_conf = "token/softhsm2.conf",
					      .url = "http://pki.test",
					      .arc = "2.999.1",
					      .signer_user = "",
					      .front_user = "",
					      .https = https,
					      .names = names };
	ca_config_write(&t, &text);
	buf_add_text(&text, more);
	CHECK_OK(file_replace(unit_path("chancery.conf"), buf_bytes(&text), 0600, &err) == 0, &err);
	struct ca_config *config = ca_config_load(unit_path("chancery.conf"), &err);
	CHECK_OK(config != NULL, &err);
	return config;
}

static void put_request(struct init_plan *plan, const char *issuer)
{
	struct error err = ERR_INIT;
	const struct ca_names none = CA_NAMES_INIT;
	struct init_request *request = &plan->requests[plan->request_count++];
	auto_evp_pkey *key = key_generate("p256", &err);
	auto_buf der = BUF_INIT, pem = BUF_INIT;
	uint8_t hash[32];
	REQUIRE(key != NULL);
	CHECK_OK(key_request(key, "Issuing", &none, &der, &err) == 0, &err);
	text_add_pem(&pem, "CERTIFICATE REQUEST", buf_bytes(&der));
	request->issuer = ca_config_issuer(plan->config, issuer);
	(void)snprintf(request->file, sizeof(request->file), "%s.csr", issuer);
	sha256(pem.data, pem.len, hash);
	(void)text_hex(BYTES(hash, sizeof(hash)), request->sha256);
	CHECK_OK(file_create(unit_path(request->file), buf_bytes(&pem), 0644, &err) == 0, &err);
}

static void fill(struct init_plan *plan, const struct ca_config *config, const char *organization)
{
	*plan = (struct init_plan){ .config = config,
				    .root = ca_config_issuer(config, "root-1"),
				    .key = "pkcs11:token=root;object=root-1",
				    .organization = organization,
				    .from_s = FROM_S,
				    .to_s = FROM_S + 86400 };
}

static struct ceremony_plan *written(const struct init_plan *plan)
{
	struct error err = ERR_INIT;
	auto_buf text = BUF_INIT;
	CHECK_OK(init_plan_write(plan, &text, &err) == 0, &err);
	CHECK(strstr(buf_text(&text), "# ") != NULL);
	struct ceremony_plan *read = ceremony_plan_parse(buf_bytes(&text), "plan.conf", &err);
	CHECK_OK(read != NULL, &err);
	return read;
}

static void check(const struct ceremony_plan *plan)
{
	struct error err = ERR_INIT;
	auto_ceremony_checked checked = { .count = 0 };
	const struct ceremony_check_options options = { .unattended_allowed = true, .now_s = FROM_S };
	CHECK_OK(ceremony_check(plan, unit_folder(), &options, &checked, &err) == 0, &err);
}

static const char second[] = "issuer \"issuing-2\" {\n"
			     "\ttoken = \"issuing\"\n"
			     "\tkey = \"pkcs11:object=issuing-2\"\n"
			     "\tparent = \"root-1\"\n"
			     "}\n";

static void it_makes_the_root_its_issuers_and_its_list_and_nobody_attends(void)
{
	static struct init_plan plan;
	auto_ca_config *config = configuration(second);
	fill(&plan, config, "Example Ltd");
	put_request(&plan, "issuing-1");
	put_request(&plan, "issuing-2");
	auto_ceremony_plan *read = written(&plan);
	check(read);
	CHECK(!read->attended);
	CHECK_INT(read->step_count, 5);
	CHECK_INT(read->steps[0].kind, CEREMONY_KEY);
	CHECK_TEXT(read->steps[1].name, "root-1");
	CHECK_TEXT(read->steps[1].subject[CA_ATTR_COMMON_NAME], "Example Ltd Root 1");
	CHECK_TEXT(read->steps[1].subject[CA_ATTR_ORGANIZATION], "Example Ltd");
	CHECK_TEXT(read->steps[3].name, "issuing-2");
	CHECK_TEXT(read->steps[3].csr, "issuing-2.csr");
	CHECK_INT(read->steps[4].days, 365);
	CHECK_TEXT(read->tokens[0].softhsm_conf, "token/softhsm2.conf");
}

static void profiles_are_those_of_the_configuration(void)
{
	static struct init_plan plan;
	auto_ca_config *config = configuration("");
	fill(&plan, config, "");
	put_request(&plan, "issuing-1");
	auto_ceremony_plan *read = written(&plan);
	const struct ca_profile *own = ca_config_profile(config, "intermediate"),
				*theirs = ceremony_plan_profile(read, "intermediate");
	check(read);
	REQUIRE(own && theirs);
	CHECK(!read->steps[1].subject[CA_ATTR_ORGANIZATION]);
	CHECK_TEXT(read->steps[1].subject[CA_ATTR_COMMON_NAME], "Chancery Root 1");
	CHECK_INT(theirs->days, own->days);
	CHECK_INT(theirs->backdate_s, own->backdate_s);
	CHECK_BYTES(buf_bytes(&theirs->ext_key_usage), buf_bytes(&own->ext_key_usage));
	CHECK_BYTES(buf_bytes(&theirs->certificate_policies), buf_bytes(&own->certificate_policies));
}

static void an_organization_is_taken_as_it_is_whatever_stands_in_it(void)
{
	static const char name[] = "A \"B\" \\ ${HOME} # /* \xc3\xa9 */";
	static struct init_plan plan;
	auto_ca_config *config = configuration("");
	fill(&plan, config, name);
	auto_ceremony_plan *read = written(&plan);
	check(read);
	CHECK_INT(read->step_count, 3);
	CHECK_TEXT(read->steps[1].subject[CA_ATTR_ORGANIZATION], name);
}

SUITE(init_plan)
{
	TEST(it_makes_the_root_its_issuers_and_its_list_and_nobody_attends);
	TEST(profiles_are_those_of_the_configuration);
	TEST(an_organization_is_taken_as_it_is_whatever_stands_in_it);
}
