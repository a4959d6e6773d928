/*
 * What our layers cost over the token: raw C_Sign against hsm_sign with its verification off
 * and on, P-256, with one thread and with two, in one run. A SoftHSM2 token of its own. CPU
 * times stand beside the rates, because those also show what else the machine does.
 */
#include <ftw.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "base/ossl.h"
#include "hsm/admin.h"
#include "hsm/private.h"
#include "hsm/provider.h"

#define SECONDS 1.0
#define ROUNDS 3

struct bench {
	struct hsm_module *module;
	struct hsm_token *token;
	struct hsm_key *key;
	struct hsm_provider *provider;
	struct hsm_signer *signer;
	EVP_PKEY *public_half;
	EVP_PKEY_CTX *verifying;
	struct buf signature;
	uint8_t hash[32];
};

struct worker {
	struct bench *bench;
	int (*once)(struct bench *b, CK_SESSION_HANDLE session);
	pthread_t thread;
	double rate, cpu_us;
	bool failed;
};

struct result {
	double rate, cpu_us; /* per second, of all threads; per operation */
};

static const uint8_t digest[32] = { 1 };
static const uint8_t message[600] = { 2 };

static int raw(struct bench *b, CK_SESSION_HANDLE session)
{
	CK_MECHANISM mechanism = { CKM_ECDSA, NULL, 0 };
	uint8_t signature[128];
	CK_ULONG len = sizeof(signature);
	return b->token->fn->C_SignInit(session, &mechanism, b->key->object) != CKR_OK ||
	       b->token->fn->C_Sign(session, (CK_BYTE_PTR)(uintptr_t)digest, sizeof(digest), signature, &len) != CKR_OK;
}

static int pooled(struct bench *b, CK_SESSION_HANDLE session)
{
	(void)session;
	struct error err = ERR_INIT;
	auto_buf signature = BUF_INIT;
	return hsm_key_sign_raw(b->key, CKM_ECDSA, NULL, 0, BYTES(digest, sizeof(digest)), &signature, &err);
}

static int through_evp(struct bench *b, CK_SESSION_HANDLE session)
{
	(void)session;
	struct error err = ERR_INIT;
	auto_buf signature = BUF_INIT;
	return hsm_sign(b->signer, BYTES(message, sizeof(message)), &signature, &err);
}

static double now(clockid_t clock)
{
	struct timespec t;
	(void)clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void *work(void *argument)
{
	struct worker *w = argument;
	CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
	CK_FUNCTION_LIST_PTR fn = w->bench->token->fn;
	w->failed = fn->C_OpenSession(w->bench->token->slot, CKF_SERIAL_SESSION, NULL, NULL, &session) != CKR_OK;
	double begun = now(CLOCK_MONOTONIC), begun_cpu = now(CLOCK_THREAD_CPUTIME_ID), took = 0;
	int count = 0;
	while (!w->failed && took < SECONDS) {
		for (int i = 0; i < 64; i++)
			w->failed = w->failed || w->once(w->bench, session);
		count += 64;
		took = now(CLOCK_MONOTONIC) - begun;
	}
	w->rate = took > 0 ? count / took : 0;
	w->cpu_us = count > 0 ? (now(CLOCK_THREAD_CPUTIME_ID) - begun_cpu) / count * 1e6 : 0;
	return NULL;
}

/* The best of several rounds: the machine's other work only ever slows one down. */
static struct result measure(struct bench *b, int (*once)(struct bench *, CK_SESSION_HANDLE), size_t threads)
{
	struct result best = { 0, 1e9 };
	for (int round = 0; round < ROUNDS; round++) {
		struct worker workers[2] = { { .bench = b, .once = once }, { .bench = b, .once = once } };
		double rate = 0;
		for (size_t i = 0; i < threads; i++)
			(void)pthread_create(&workers[i].thread, NULL, work, &workers[i]);
		for (size_t i = 0; i < threads; i++) {
			(void)pthread_join(workers[i].thread, NULL);
			rate = workers[i].failed ? -1e9 : rate + workers[i].rate;
			best.cpu_us = workers[i].cpu_us < best.cpu_us ? workers[i].cpu_us : best.cpu_us;
		}
		best.rate = rate > best.rate ? rate : best.rate;
	}
	return best;
}

/* One verification of a software key over a digest: what ours cannot cost less than. */
static int verify(struct bench *b, CK_SESSION_HANDLE session)
{
	(void)session;
	return EVP_PKEY_verify(b->verifying, b->signature.data, b->signature.len, b->hash, sizeof(b->hash)) != 1;
}

static int set_up(struct bench *b, const char *folder, struct error *err)
{
	char configuration[256];
	const char *module = hsm_admin_find_softhsm();
	auto_secret *pin = secret_random(8, err);
	(void)snprintf(configuration, sizeof(configuration), "%s/softhsm2.conf", folder);
	if (!module || !pin || hsm_admin_make_softhsm(folder, err))
		return -1;
	(void)setenv("SOFTHSM2_CONF", configuration, 1);
	if (hsm_admin_init_token(module, "bench", pin, pin, err))
		return -1;
	b->module = hsm_module_open(module, err);
	b->token = b->module ? hsm_token_open(b->module, "pkcs11:token=bench", pin, 2, err) : NULL;
	b->key = b->token ? hsm_key_generate(b->token, HSM_EC_P256, "p256", err) : NULL;
	b->provider = b->key ? hsm_provider_new(err) : NULL;
	b->signer = b->provider ? hsm_signer_new(b->provider, b->key, err) : NULL;
	if (!b->signer)
		return -1;
	struct bytes spki = hsm_key_spki(b->key);
	const unsigned char *at = spki.data;
	b->public_half = d2i_PUBKEY(NULL, &at, (long)spki.len);
	b->verifying = b->public_half ? EVP_PKEY_CTX_new_from_pkey(NULL, b->public_half, NULL) : NULL;
	if (!b->verifying || EVP_PKEY_verify_init(b->verifying) != 1)
		return err_openssl(err, ERR_INTERNAL, "cannot verify");
	sha256(message, sizeof(message), b->hash);
	return hsm_sign(b->signer, BYTES(message, sizeof(message)), &b->signature, err);
}

static void show(const char *what, struct result one, struct result two, struct result base)
{
	(void)printf("%-40s %9.0f/s %9.0f/s %9.1f us   %.2f\n", what, one.rate, two.rate, one.cpu_us,
		     base.cpu_us / one.cpu_us);
}

static void run(struct bench *b)
{
	struct result base = measure(b, raw, 1);
	(void)printf("%-40s %11s %11s %12s   of raw\n", "P-256, SoftHSM2", "1 thread", "2 threads", "CPU");
	show("raw C_SignInit and C_Sign", base, measure(b, raw, 2), base);
	show("hsm_key_sign_raw", measure(b, pooled, 1), measure(b, pooled, 2), base);
	hsm_provider_set_verify(b->provider, false);
	show("hsm_sign, 600 octets, verification off", measure(b, through_evp, 1), measure(b, through_evp, 2), base);
	hsm_provider_set_verify(b->provider, true);
	struct result whole = measure(b, through_evp, 1), verified = measure(b, verify, 1);
	show("hsm_sign, 600 octets", whole, measure(b, through_evp, 2), base);
	(void)printf("%-40s %9.0f/s %11s %9.1f us\n", "EVP_PKEY_verify, software key", verified.rate, "",
		     verified.cpu_us);
	(void)printf("hsm_sign costs %.2f of one raw signature and one verification\n",
		     whole.cpu_us / (base.cpu_us + verified.cpu_us));
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
	(void)status;
	(void)type;
	(void)place;
	return remove(path);
}

int main(void)
{
	struct bench b = { .signature = BUF_INIT };
	struct error err = ERR_INIT;
	char folder[] = "/tmp/chancery-bench-XXXXXX";
	log_open("bench", LOG_FORMAT_TEXT, LOG_LEVEL_WARN);
	int failed = !mkdtemp(folder) || set_up(&b, folder, &err);
	if (failed)
		(void)fprintf(stderr, "bench_hsm: %s\n", err.message);
	else
		run(&b);
	buf_free(&b.signature);
	EVP_PKEY_CTX_free(b.verifying);
	EVP_PKEY_free(b.public_half);
	hsm_signer_free(b.signer);
	hsm_provider_free(b.provider);
	hsm_key_free(b.key);
	hsm_token_close(b.token);
	hsm_module_close(b.module);
	(void)nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	return failed;
}
