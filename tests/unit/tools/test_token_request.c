#include "tools/token_request.h"

#include <dlfcn.h>

#include "ca-core/csr.h"
#include "ca-core/tbs.h"
#include "hsm/admin.h"
#include "tests/unit/unit.h"

/* SoftHSM2 keeps its library's memory to itself. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libsofthsm2.so\n";
}

const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "fast_unwind_on_malloc=0";
}

struct rig {
	struct hsm_module *module;
	struct hsm_token *token;
	struct hsm_provider *provider;
	struct buf subject;
	struct ca_names names;
};

static void rig_open(struct rig *r)
{
	struct error err = ERR_INIT;
	auto_secret *pin = secret_new(bytes_of("a PIN"), &err);
	const struct ca_subject subject = { .values = {
						    [CA_ATTR_COUNTRY] = "CH", [CA_ATTR_COMMON_NAME] = "Issuing 2" } };
	*r = (struct rig){ .subject = BUF_INIT, .names = CA_NAMES_INIT };
	/* Stays loaded, so that a report of leaks can name it. */
	void *kept = dlopen(hsm_admin_find_softhsm(), RTLD_NOW | RTLD_NODELETE);
	REQUIRE(kept != NULL);
	(void)dlclose(kept);
	CHECK_OK(hsm_admin_make_softhsm(unit_path("softhsm"), &err) == 0, &err);
	(void)setenv("SOFTHSM2_CONF", unit_path("softhsm/softhsm2.conf"), 1);
	CHECK_OK(hsm_admin_init_token(hsm_admin_find_softhsm(), "unit", pin, pin, &err) == 0, &err);
	r->module = hsm_module_open(hsm_admin_find_softhsm(), &err);
	CHECK_OK(r->module != NULL, &err);
	r->token = hsm_token_open(r->module, "pkcs11:token=unit", pin, 1, &err);
	CHECK_OK(r->token != NULL, &err);
	r->provider = hsm_provider_new(&err);
	CHECK_OK(r->provider != NULL, &err);
	CHECK_OK(ca_subject_encode(&subject, &r->subject, &err) == 0, &err);
}

static void rig_close(struct rig *r)
{
	hsm_provider_free(r->provider);
	hsm_token_close(r->token);
	hsm_module_close(r->module);
	buf_free(&r->subject);
	ca_names_free(&r->names);
}

static void make(struct rig *r, enum hsm_key_type type, struct buf *out)
{
	struct error err = ERR_INIT;
	auto_hsm_key *key = hsm_key_generate(r->token, type, hsm_key_type_name(type), &err);
	CHECK_OK(key != NULL, &err);
	auto_hsm_signer *signer = hsm_signer_new(r->provider, key, &err);
	CHECK_OK(signer != NULL, &err);
	CHECK_OK(token_request_make(signer, buf_bytes(&r->subject), &r->names, out, &err) == 0, &err);
	auto_ca_csr *csr = ca_csr_parse(buf_bytes(out), 10, &err);
	CHECK_OK(csr != NULL, &err);
	CHECK_BYTES(csr->key.spki, hsm_key_spki(key));
	CHECK_TEXT(csr->common_name, "Issuing 2");
}

static void requests_of_every_kind_of_key_pass_their_own_check(void)
{
	static const enum hsm_key_type types[] = { HSM_RSA_2048, HSM_EC_P256, HSM_EC_P384, HSM_EC_P521, HSM_ED25519 };
	struct error err = ERR_INIT;
	struct rig r;
	rig_open(&r);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		auto_buf request = BUF_INIT;
		make(&r, types[i], &request);
		CHECK_OK(token_request_check(buf_bytes(&request), buf_bytes(&r.subject), &r.names, &err) == 0, &err);
	}
	rig_close(&r);
}

static void a_request_that_says_something_else_is_not_given_out(void)
{
	struct error err = ERR_INIT;
	struct ca_name name;
	struct rig r;
	auto_buf request = BUF_INIT, other = BUF_INIT;
	auto_ca_names none = CA_NAMES_INIT;
	rig_open(&r);
	CHECK_OK(ca_name_dns(bytes_of("ca.example.test"), &name, &err) == 0, &err);
	CHECK_OK(ca_names_add(&r.names, &name, 10, &err) == 0, &err);
	make(&r, HSM_EC_P256, &request);
	struct bytes subject = buf_bytes(&r.subject), bytes = buf_bytes(&request);
	CHECK_OK(token_request_check(bytes, subject, &r.names, &err) == 0, &err);
	CHECK_FAILS(token_request_check(bytes, subject, &none, &err) == -1, &err, ERR_INTEGRITY);
	const struct ca_subject another = { .values = { [CA_ATTR_COMMON_NAME] = "Issuing 3" } };
	CHECK_OK(ca_subject_encode(&another, &other, &err) == 0, &err);
	CHECK_FAILS(token_request_check(bytes, buf_bytes(&other), &r.names, &err) == -1, &err, ERR_INTEGRITY);
	request.data[request.len - 1] ^= 1; /* of the signature */
	CHECK_FAILS(token_request_check(bytes, subject, &r.names, &err) == -1, &err, ERR_INTEGRITY);
	rig_close(&r);
}

SUITE(token_request)
{
	TEST(requests_of_every_kind_of_key_pass_their_own_check);
	TEST(a_request_that_says_something_else_is_not_given_out);
}
