#include "tests/unit/hsm/fixture.h"

#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#define LEAKS_OF_OTHERS(call) (__lsan_disable(), (call), __lsan_enable())
#else
#define LEAKS_OF_OTHERS(call) (call)
#endif

struct bent bent;

struct secret *fixture_pin(const char *text)
{
	struct error err = ERR_INIT;
	struct secret *pin = secret_new(bytes_of(text), &err);
	REQUIRE(pin != NULL);
	return pin;
}

const char *fixture_tokens(void)
{
	return unit_path("softhsm/tokens");
}

void fixture_prepare(void)
{
	struct error err = ERR_INIT;
	auto_secret *pin = fixture_pin(FIXTURE_PIN);
	auto_secret *so_pin = fixture_pin("the officer's PIN");
	CHECK_OK(hsm_admin_make_softhsm(unit_path("softhsm"), &err) == 0, &err);
	setenv("SOFTHSM2_CONF", unit_path("softhsm/softhsm2.conf"), 1);
	CHECK_OK(hsm_admin_init_token(hsm_admin_find_softhsm(), "unit", so_pin, pin, &err) == 0, &err);
}

struct fixture fixture_open(void)
{
	struct error err = ERR_INIT;
	struct fixture f = { 0 };
	auto_secret *pin = fixture_pin(FIXTURE_PIN);
	fixture_prepare();
	f.module = hsm_module_open(hsm_admin_find_softhsm(), &err);
	CHECK_OK(f.module != NULL, &err);
	REQUIRE(f.module != NULL);
	f.token = hsm_token_open(f.module, "pkcs11:token=unit", pin, 4, &err);
	CHECK_OK(f.token != NULL, &err);
	REQUIRE(f.token != NULL);
	f.provider = hsm_provider_new(&err);
	CHECK_OK(f.provider != NULL, &err);
	REQUIRE(f.provider != NULL);
	return f;
}

void fixture_close(struct fixture *f)
{
	hsm_provider_free(f->provider);
	hsm_token_close(f->token);
	hsm_module_close(f->module);
}

struct hsm_key *fixture_key(struct fixture *f, enum hsm_key_type type)
{
	struct error err = ERR_INIT;
	struct hsm_key *k = NULL;
	/* SoftHSM2 2.6 loses the curve's name of each Ed25519 key that it makes. */
	if (type == HSM_ED25519)
		LEAKS_OF_OTHERS(k = hsm_key_generate(f->token, type, "key", &err));
	else
		k = hsm_key_generate(f->token, type, hsm_key_type_name(type), &err);
	CHECK_OK(k != NULL, &err);
	REQUIRE(k != NULL);
	return k;
}

void fixture_bend(struct hsm_module *m, struct hsm_token *t)
{
	bent.real = m->fn;
	bent.list = *m->fn;
	t->fn = &bent.list;
	t->pool.fn = &bent.list;
}
