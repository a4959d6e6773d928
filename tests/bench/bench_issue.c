/*
 * ca_issue()/s, typed request in and durable certificate out, held against the raw token and raw
 * verification in the same run. Prints key=value pairs, one line each kind of key:
 *
 *     raw_sign_1 raw_sign_2   C_Sign/s of the issuing key with one and two threads
 *     verify_1 verify_2       verifications/s of that key
 *     issue                   ca_issue()/s, distinct P-256 keys, 64 in flight, two workers
 *     issue_of_raw            issue / raw_sign_2
 *     issue_cpu_us            CPU of the whole process a certificate
 *
 *     bench_issue [--seconds N] [--key p256|rsa2048|...] [--no-verify]
 */
#include <ftw.h>
#include <getopt.h>
#include <openssl/x509.h>
#include <p11-kit/pkcs11.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/ossl.h"
#include "ca-core/ca_private.h"
#include "hsm/admin.h"
#include "hsm/uri.h"

#define KEYS 4096
#define IN_FLIGHT 64
#define THREADS 2

struct bench {
	char state[64];
	enum hsm_key_type type;
	int seconds;
	struct ca_config *config;
	struct secret *pins[CA_CONFIG_TOKENS_MAX];
	struct store *store;
	struct ca *ca;
	struct buf spkis[KEYS];
};

static _Noreturn void die(const char *what, const struct error *err)
{
	(void)fprintf(stderr, "bench_issue: %s: %s (%s)\n", what, err->message, err->causes);
	exit(1);
}

/* ---- a CA of its own ---- */

static void write_configuration(struct bench *b, const char *softhsm_conf)
{
	static const char *const https[] = { "127.0.0.1:1", NULL }, *const http[] = { "127.0.0.1:2", NULL };
	static const char *const names[] = { "localhost", NULL };
	struct error err = ERR_INIT;
	auto_buf text = BUF_INIT;
	char path[128];
	const struct ca_config_template t = { .node = "ca1",
					      .module = hsm_admin_find_softhsm(),
					      .softhsm_conf = softhsm_conf,
					      .url = "http://pki.test",
					      .arc = "2.999.1",
					      .signer_user = "",
					      .front_user = "",
					      .https = https,
					      .http = http,
					      .names = names };
	ca_config_write(&t, &text);
	(void)snprintf(path, sizeof(path), "%s/chancery.conf", b->state);
	if (file_replace(path, buf_bytes(&text), 0600, &err) || !(b->config = ca_config_load(path, &err)))
		die("configuration", &err);
}

static void make_tokens(struct bench *b, const char *softhsm_conf)
{
	struct error err = ERR_INIT;
	char folder[128];
	(void)snprintf(folder, sizeof(folder), "%s/token", b->state);
	pid_t child = fork();
	if (child == 0) {
		if (hsm_admin_make_softhsm(folder, &err) || setenv("SOFTHSM2_CONF", softhsm_conf, 1))
			die("token", &err);
		for (size_t i = 0; i < b->config->token_count; i++)
			if (hsm_admin_init_token(b->config->tokens[i].module, b->config->tokens[i].name, b->pins[i],
						 b->pins[i], &err))
				die("token", &err);
		_exit(0);
	}
	int status = 1;
	if (child < 0 || waitpid(child, &status, 0) != child || status)
		exit(1);
}

/* ca_found takes an issuing key that is there already: so one of another type is made first. */
static void make_issuing_key(struct bench *b, const char *softhsm_conf)
{
	struct error err = ERR_INIT;
	const struct ca_config_issuer *issuer = ca_config_issuer(b->config, "issuing-1");
	struct hsm_uri uri;
	(void)setenv("SOFTHSM2_CONF", softhsm_conf, 1);
	if (!issuer || hsm_uri_parse(issuer->key, &uri, &err))
		die("issuing key", &err);
	for (size_t i = 0; i < b->config->token_count; i++) {
		const struct ca_config_token *t = &b->config->tokens[i];
		if (strcmp(t->name, issuer->token) != 0)
			continue;
		auto_hsm_module *module = hsm_module_open(t->module, &err);
		auto_hsm_token *token = module ? hsm_token_open(module, t->uri, b->pins[i], 2, &err) : NULL;
		auto_hsm_key *key = token ? hsm_key_generate(token, b->type, uri.object, &err) : NULL;
		if (!key)
			die("issuing key", &err);
	}
}

static void set_up(struct bench *b)
{
	struct error err = ERR_INIT;
	char softhsm_conf[128], store[128];
	(void)snprintf(softhsm_conf, sizeof(softhsm_conf), "%s/token/softhsm2.conf", b->state);
	(void)snprintf(store, sizeof(store), "%s/store", b->state);
	write_configuration(b, softhsm_conf);
	for (size_t i = 0; i < b->config->token_count; i++)
		b->pins[i] = secret_random(8, &err);
	make_tokens(b, softhsm_conf);
	if (b->type != HSM_EC_P256)
		make_issuing_key(b, softhsm_conf);
	const struct store_options options = { .path = store, .node = "ca1", .clock = clock_system(), .create = true };
	if (file_make_dir(store, 0700, &err) || !(b->store = store_open(&options, &err)))
		die("store", &err);
	const struct ca_foundation foundation = { .config = b->config,
						  .store = b->store,
						  .clock = clock_system(),
						  .pins = (const struct secret *const *)b->pins,
						  .organization = "Bench" };
	if (ca_found(&foundation, &err))
		die("founding", &err);
	const struct ca_options ca = { .config = b->config,
				       .store = b->store,
				       .clock = clock_system(),
				       .pins = (const struct secret *const *)b->pins };
	if (!(b->ca = ca_open(&ca, &err)))
		die("opening", &err);
	for (size_t i = 0; i < KEYS; i++) {
		auto_evp_pkey *key = EVP_EC_gen("P-256");
		uint8_t *der = NULL;
		int len = i2d_PUBKEY(key, &der);
		buf_add(&b->spkis[i], der, (size_t)(len > 0 ? len : 0));
		OPENSSL_free(der);
	}
}

/* ---- measuring ---- */

struct worker {
	struct bench *b;
	pthread_t thread;
	size_t number;
	int64_t until_ms;
	uint64_t done;
	sem_t *room;
	_Atomic uint64_t *completed, *failed;
};

static struct ca_issuer *issuing(struct bench *b)
{
	return ca_issuer_find(b->ca, bytes_of("issuing-1"));
}

/* SHA-256's DigestInfo, which CKM_RSA_PKCS signs. */
static void *sign(void *arg)
{
	static const uint8_t info[] = { 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
					0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20 };
	struct worker *w = arg;
	struct hsm_key *key = issuing(w->b)->seats[0].key;
	bool rsa = w->b->type <= HSM_RSA_4096;
	uint8_t input[sizeof(info) + 32] = { 0 };
	memcpy(input, info, sizeof(info));
	auto_buf signature = BUF_INIT;
	while (clock_monotonic_ms() < w->until_ms) {
		struct error err = ERR_INIT;
		buf_clear(&signature);
		memcpy(input + sizeof(info), &w->done, sizeof(w->done));
		if (hsm_key_sign_raw(key, rsa ? CKM_RSA_PKCS : CKM_ECDSA, NULL, 0,
				     rsa ? BYTES(input, sizeof(input)) : BYTES(input + sizeof(info), 32), &signature,
				     &err))
			die("C_Sign", &err);
		w->done++;
	}
	return NULL;
}

static void *verify(void *arg)
{
	struct worker *w = arg;
	struct error err = ERR_INIT;
	struct ca_key key;
	static const uint8_t digest[32] = { 1 };
	auto_evp_pkey *made = EVP_EC_gen("P-256");
	auto_evp_pkey_ctx *signer = EVP_PKEY_CTX_new(made, NULL);
	uint8_t signature[128];
	size_t len = sizeof(signature);
	uint8_t *der = NULL;
	int der_len = i2d_PUBKEY(made, &der);
	if (EVP_PKEY_sign_init(signer) != 1 || EVP_PKEY_sign(signer, signature, &len, digest, sizeof(digest)) != 1 ||
	    ca_key_parse(BYTES(der, der_len), &key, &err))
		die("verify", &err);
	auto_evp_pkey *pkey = ca_key_evp(NULL, &key, &err);
	auto_evp_pkey_ctx *ctx = EVP_PKEY_CTX_new(pkey, NULL);
	if (EVP_PKEY_verify_init(ctx) != 1)
		die("verify", &err);
	for (; clock_monotonic_ms() < w->until_ms; w->done++)
		if (EVP_PKEY_verify(ctx, signature, len, digest, sizeof(digest)) != 1)
			die("verify", &err);
	OPENSSL_free(der);
	return NULL;
}

static void issued(void *arg, const struct message_issued *m, const struct error *err)
{
	struct worker *w = arg;
	atomic_fetch_add(m ? w->completed : w->failed, 1);
	if (err)
		(void)fprintf(stderr, "bench_issue: %s\n", err->message);
	store_coming(w->b->store, 1); /* the next request stands in the queue already, as with the signer */
	(void)sem_post(w->room);
}

static void *issue(void *arg)
{
	struct worker *w = arg;
	struct error err = ERR_INIT;
	struct ca_actor actor = { .roles = ROLE_REQUESTER, .may_request = true, .may_read = true };
	struct message_issue m;
	memset(&m, 0, sizeof(m));
	(void)snprintf(actor.identity, sizeof(actor.identity), "admin");
	m.profile = bytes_of("server-dv");
	m.name_count = 2;
	m.names[0] = bytes_of("dns:www.example.test");
	m.names[1] = bytes_of("dns:example.test");
	m.common_name = bytes_of("www.example.test");
	while (clock_monotonic_ms() < w->until_ms) {
		(void)sem_wait(w->room);
		m.spki = buf_bytes(&w->b->spkis[(w->number + THREADS * w->done++) % KEYS]);
		if (ca_issue(w->b->ca, &actor, &m, issued, w, &err))
			die("ca_issue", &err);
		store_coming(w->b->store, -1);
	}
	return NULL;
}

/* Runs main on so many threads; how many were done each second. cpu_us (may be NULL): of the process, each. */
static double measure(struct bench *b, void *(*main)(void *), size_t threads, double *cpu_us)
{
	struct worker workers[THREADS];
	struct rusage before, after;
	_Atomic uint64_t completed = 0, failed = 0;
	sem_t room;
	(void)sem_init(&room, 0, IN_FLIGHT);
	(void)getrusage(RUSAGE_SELF, &before);
	int64_t begun_ms = clock_monotonic_ms();
	uint64_t done = 0;
	for (size_t i = 0; i < threads; i++) {
		workers[i] = (struct worker){ .b = b,
					      .number = i,
					      .until_ms = begun_ms + (int64_t)b->seconds * 1000,
					      .room = &room,
					      .completed = &completed,
					      .failed = &failed };
		(void)pthread_create(&workers[i].thread, NULL, main, &workers[i]);
	}
	for (size_t i = 0; i < threads; i++) {
		(void)pthread_join(workers[i].thread, NULL);
		done += workers[i].done;
	}
	for (size_t i = 0; i < IN_FLIGHT; i++) /* the last commits */
		(void)sem_wait(&room);
	int64_t took_ms = clock_monotonic_ms() - begun_ms;
	(void)getrusage(RUSAGE_SELF, &after);
	(void)sem_destroy(&room);
	if (completed + failed)
		done = completed;
	double used = (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec -
			       before.ru_stime.tv_sec) *
			      1e6 +
		      (double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec + after.ru_stime.tv_usec -
			       before.ru_stime.tv_usec);
	if (cpu_us)
		*cpu_us = done ? used / (double)done : 0;
	return (double)done * 1000 / (double)took_ms;
}

/* ---- main ---- */

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *at)
{
	(void)status;
	(void)type;
	(void)at;
	return remove(path);
}

static void tear_down(struct bench *b)
{
	store_close(b->store);
	ca_close(b->ca);
	for (size_t i = 0; i < KEYS; i++)
		buf_free(&b->spkis[i]);
	for (size_t i = 0; i < b->config->token_count; i++)
		secret_free(b->pins[i]);
	ca_config_free(b->config);
	(void)nftw(b->state, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void options(struct bench *b, int argc, char **argv, bool *no_verify)
{
	static const struct option known[] = { { "seconds", required_argument, NULL, 's' },
					       { "key", required_argument, NULL, 'k' },
					       { "no-verify", no_argument, NULL, 'n' },
					       { NULL, 0, NULL, 0 } };
	struct error err = ERR_INIT;
	int option;
	while ((option = getopt_long(argc, argv, "", known, NULL)) >= 0) {
		if (option == 's')
			b->seconds = (int)strtol(optarg, NULL, 10);
		else if (option == 'k' && hsm_key_type_parse(optarg, &b->type, &err))
			die("--key", &err);
		else if (option == 'n')
			*no_verify = true;
		else if (option == '?')
			exit(2);
	}
}

int main(int argc, char **argv)
{
	auto_free struct bench *b = calloc(1, sizeof(*b));
	bool no_verify = false;
	double cpu_us, sign_us;
	if (!b)
		return 1;
	b->seconds = 3;
	b->type = HSM_EC_P256;
	options(b, argc, argv, &no_verify);
	(void)snprintf(b->state, sizeof(b->state), "/tmp/chancery-bench-XXXXXX");
	if (!mkdtemp(b->state))
		return 1;
	log_open("bench", LOG_FORMAT_TEXT, LOG_LEVEL_WARN);
	set_up(b);
	double raw_1 = measure(b, sign, 1, NULL), raw_2 = measure(b, sign, THREADS, &sign_us);
	double verify_1 = measure(b, verify, 1, NULL), verify_2 = measure(b, verify, THREADS, NULL);
	if (no_verify)
		hsm_provider_set_verify(b->ca->provider, false);
	store_coming(b->store, IN_FLIGHT);
	double rate = measure(b, issue, THREADS, &cpu_us);
	store_coming(b->store, -IN_FLIGHT);
	struct store_status s;
	store_status(b->store, &s);
	(void)printf("key=%s raw_sign_1=%.0f raw_sign_2=%.0f raw_sign_cpu_us=%.1f\n", hsm_key_type_name(b->type), raw_1,
		     raw_2, sign_us);
	(void)printf("verify_1=%.0f verify_2=%.0f\n", verify_1, verify_2);
	(void)printf("issue=%.0f issue_of_raw=%.3f issue_cpu_us=%.1f certificates=%llu commits=%llu\n", rate,
		     rate / raw_2, cpu_us, (unsigned long long)s.certificates, (unsigned long long)s.commits);
	tear_down(b);
	return 0;
}
