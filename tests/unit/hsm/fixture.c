#include "tests/unit/hsm/fixture.h"

#include <dlfcn.h>
#include <stdlib.h>

/* SoftHSM2 2.6 loses the curve's name each time it takes up an Ed25519 key. It is built without
 * frame pointers, so only the slow unwinder finds it in the stack of a leak. */
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
	auto_secret *so_pin = fixture_pin(FIXTURE_SO_PIN);
	/* Stays loaded, so that a report of leaks can name it. */
	void *kept = dlopen(hsm_admin_find_softhsm(), RTLD_NOW | RTLD_NODELETE);
	REQUIRE(kept != NULL);
	(void)dlclose(kept);
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
	struct hsm_key *k = hsm_key_generate(f->token, type, hsm_key_type_name(type), &err);
	CHECK_OK(k != NULL, &err);
	REQUIRE(k != NULL);
	return k;
}

void fixture_bend_module(struct hsm_module *m)
{
	if (m->fn != &bent.list)
		bent.real = m->fn;
	bent.list = *bent.real;
	m->fn = &bent.list;
}

void fixture_bend(struct hsm_module *m, struct hsm_token *t)
{
	fixture_bend_module(m);
	t->fn = &bent.list;
	t->pool.fn = &bent.list;
}
