/*
 * What our layers cost over the token: signatures a second of each type of key, with 1, 2, 4 and
 * 8 threads, in one run, on a SoftHSM2 token of its own with 8 sessions for each side:
 *
 *     raw       C_SignInit and C_Sign, a session for each thread, nothing in between
 *     provider  hsm_sign: EVP and our OpenSSL provider, its verification off
 *     verified  hsm_sign as everyone uses it: each signature verified before it is handed out
 *     pooled    hsm_key_sign_raw: mechanism and input of raw through our pool of sessions
 *     libp11    EVP_DigestSign with the same key through libp11 (none with Ed25519)
 *     verify    EVP_PKEY_verify by OpenSSL alone, one thread: what verifying cannot cost less than
 *     hash      the message's hash alone, one thread: none with Ed25519
 *
 * The work is the same for all: a message of 600 octets, as a tbsCertificate has. The provider
 * and libp11 get the message and hash it; the token gets the digest from them, and from raw
 * and pooled: CKM_ECDSA, CKM_RSA_PKCS over the DigestInfo. So the hash is charged to
 * the provider, and "hash" says how much that is. With Ed25519 everyone gives the token the
 * message (CKM_EDDSA), which hashes it itself.
 *
 * Another program on the machine slows down whatever runs just then. So one round measures every
 * way and number of threads for a slice of time, raw and provider next to each other; rounds go
 * there and back (raw, provider, ... then ..., provider, raw); ratios are taken within a
 * round, and the figures are medians of all rounds. CPU times are of the signing threads alone,
 * for each signature; they suffer least from what else runs. The verification's cost is the CPU
 * time of verified less that of provider.
 *
 *     bench_sign [--key p256]... [--way raw]... [--seconds N] [--slice MILLISECONDS]
 *
 * All keys share the seconds, whatever the machine makes of them; making the keys comes on top.
 * Prints a line of key=value pairs for each key and number of threads:
 *
 *     WAY WAY_cpu_us     signatures a second; microseconds of CPU a signature
 *     WAY_of_raw         rate by raw's; _low and _high are its quartiles: how noisy it was
 *     WAY_cpu_of_raw     raw's CPU by its: above 1 where it needs less
 *     WAY_scaling        rate by its own with one thread
 *     WAY_scaling_of_raw that by raw's
 *     verifying_us       CPU of the verification
 */
#include <ftw.h>
#include <getopt.h>
#include <openssl/x509.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/ossl.h"
#include "hsm/admin.h"
#include "hsm/provider.h"
#include "tests/bench/support/crew.h"
#include "tests/bench/support/libp11.h"
#include "tests/bench/support/raw.h"

#define ROUNDS_MIN 3
#define ROUNDS_MAX 1000
#define MESSAGE_SIZE 600
#define SIGNATURE_MAX 1024

/* ---- what is measured ---- */

static const enum hsm_key_type types[] = { HSM_EC_P256,  HSM_EC_P384,  HSM_ED25519,
					   HSM_RSA_2048, HSM_RSA_3072, HSM_RSA_4096 };
#define TYPES (sizeof(types) / sizeof(types[0]))

static const size_t thread_counts[] = { 1, 2, 4, 8 };
#define THREAD_COUNTS (sizeof(thread_counts) / sizeof(thread_counts[0]))

enum way { RAW, PROVIDER, VERIFIED, POOLED, LIBP11, VERIFY, HASH, WAYS };

/* libp11 finds no key at all on a token with an Ed25519 key. */
enum { TOKEN, TOKEN_ED25519, TOKENS };
static const char *const token_labels[TOKENS] = { "bench", "bench-ed25519" };

struct subject {
	enum hsm_key_type type;
	struct hsm_key *key;
	struct hsm_signer *signer;
	struct raw_token *raw;
	CK_OBJECT_HANDLE object;
	CK_MECHANISM_TYPE mechanism;
	const EVP_MD *digest; /* NULL: Ed25519 */
	uint8_t hash[EVP_MAX_MD_SIZE];
	struct buf input;     /* of the mechanism */
	struct buf signature; /* that "verify" verifies */
	EVP_PKEY *public_half;
	EVP_PKEY_CTX *verifier;
	EVP_MD_CTX *whole_verifier; /* Ed25519 */
};

/* Of one key: all rounds. */
struct samples {
	struct crew_slice of[WAYS][THREAD_COUNTS][ROUNDS_MAX];
};

struct bench {
	const char *module_path;
	struct secret *pin;
	struct libp11_child *libp11;
	struct crew *crew;
	struct hsm_module *module;
	struct hsm_token *tokens[TOKENS];
	struct raw_token raw[TOKENS];
	struct hsm_provider *provider;
	struct subject subjects[TYPES];
	/* options */
	unsigned keys, ways; /* bits */
	double seconds, slice;
	struct samples samples; /* of the key that is being measured */
};

static const uint8_t message_octets[MESSAGE_SIZE] = { 0x30, 0x82, 0x02, 0x54 };
static const struct bytes message = { message_octets, sizeof(message_octets) };

/* ---- the ways to sign ---- */

static int sign_raw(void *argument, size_t number, struct error *err)
{
	struct subject *s = argument;
	return raw_sign(s->raw, number, s->mechanism, s->object, buf_bytes(&s->input), err);
}

static int sign_pooled(void *argument, size_t number, struct error *err)
{
	struct subject *s = argument;
	auto_buf signature = BUF_INIT;
	(void)number;
	return hsm_key_sign_raw(s->key, s->mechanism, NULL, 0, buf_bytes(&s->input), &signature, err);
}

static int sign_provider(void *argument, size_t number, struct error *err)
{
	struct subject *s = argument;
	auto_buf signature = BUF_INIT;
	(void)number;
	return hsm_sign(s->signer, message, &signature, err);
}

static int verify(void *argument, size_t number, struct error *err)
{
	struct subject *s = argument;
	const struct buf *made = &s->signature;
	(void)number;
	int good = s->digest ? EVP_PKEY_verify(s->verifier, made->data, made->len, s->hash,
					       (size_t)EVP_MD_get_size(s->digest))
			     : EVP_DigestVerifyInit(s->whole_verifier, NULL, NULL, NULL, NULL) == 1 &&
				       EVP_DigestVerify(s->whole_verifier, made->data, made->len, message.data,
							message.len) == 1;
	return good == 1 ? 0 : err_openssl(err, ERR_INTERNAL, "a signature does not verify");
}

static int hash(void *argument, size_t number, struct error *err)
{
	struct subject *s = argument;
	uint8_t made[EVP_MAX_MD_SIZE];
	(void)number;
	return EVP_Digest(message.data, message.len, made, NULL, s->digest, NULL) == 1
		       ? 0
		       : err_openssl(err, ERR_INTERNAL, "cannot hash");
}

static const struct {
	const char *name;
	crew_operation *once; /* NULL: libp11's process does it */
	size_t threads_max;
	bool ed25519; /* too */
	double part;  /* of a slice: where ways are compared, all of it */
} ways[WAYS] = {
	[RAW] = { "raw", sign_raw, CREW_MAX, true, 1 },
	[PROVIDER] = { "provider", sign_provider, CREW_MAX, true, 1 },
	[VERIFIED] = { "verified", sign_provider, CREW_MAX, true, 1 },
	[POOLED] = { "pooled", sign_pooled, CREW_MAX, true, 1 },
	[LIBP11] = { "libp11", NULL, CREW_MAX, false, 1 },
	[VERIFY] = { "verify", verify, 1, true, 0.25 },
	[HASH] = { "hash", hash, 1, false, 0.1 },
};

static bool is_measured(const struct bench *b, const struct subject *s, size_t way, size_t threads)
{
	return (b->ways & 1U << way) && threads <= ways[way].threads_max && (s->digest || ways[way].ed25519);
}

/* ---- set-up ---- */

static bool is_rsa(const struct subject *s)
{
	return s->type == HSM_RSA_2048 || s->type == HSM_RSA_3072 || s->type == HSM_RSA_4096;
}

/* What raw gives the token: by hand, so that it owes nothing to what it is compared with. */
static void make_input(struct subject *s)
{
	/* DigestInfo of SHA-256, RFC 8017 section 9.2 */
	static const uint8_t info[] = { 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
					0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20 };
	if (!s->digest) {
		s->mechanism = CKM_EDDSA;
		buf_add_bytes(&s->input, message);
		return;
	}
	unsigned len = 0;
	s->mechanism = is_rsa(s) ? CKM_RSA_PKCS : CKM_ECDSA;
	(void)EVP_Digest(message.data, message.len, s->hash, &len, s->digest, NULL);
	if (is_rsa(s))
		buf_add(&s->input, info, sizeof(info));
	buf_add(&s->input, s->hash, len);
}

static int make_verifier(struct subject *s, struct error *err)
{
	struct bytes spki = hsm_key_spki(s->key);
	const unsigned char *at = spki.data;
	s->public_half = d2i_PUBKEY(NULL, &at, (long)spki.len);
	s->verifier = s->public_half ? EVP_PKEY_CTX_new(s->public_half, NULL) : NULL;
	bool good = s->verifier != NULL;
	if (good && !s->digest) {
		s->whole_verifier = EVP_MD_CTX_new();
		good = EVP_DigestVerifyInit(s->whole_verifier, NULL, NULL, NULL, s->public_half) == 1;
	} else if (good) {
		good = EVP_PKEY_verify_init(s->verifier) == 1 &&
		       (!is_rsa(s) || (EVP_PKEY_CTX_set_rsa_padding(s->verifier, RSA_PKCS1_PADDING) == 1 &&
				       EVP_PKEY_CTX_set_signature_md(s->verifier, s->digest) == 1));
	}
	return good ? 0 : err_openssl(err, ERR_INTERNAL, "cannot verify with a public key");
}

static int make_subject(struct bench *b, struct subject *s, enum hsm_key_type type, struct error *err)
{
	size_t token = type == HSM_ED25519 ? TOKEN_ED25519 : TOKEN;
	s->type = type;
	s->raw = &b->raw[token];
	s->digest = type == HSM_ED25519 ? NULL : type == HSM_EC_P384 ? EVP_sha384() : EVP_sha256();
	s->key = hsm_key_generate(b->tokens[token], type, hsm_key_type_name(type), err);
	s->signer = s->key ? hsm_signer_new(b->provider, s->key, err) : NULL;
	if (!s->signer || raw_find(s->raw, hsm_key_id(s->key), &s->object, err) || make_verifier(s, err))
		return -1;
	make_input(s);
	return hsm_sign(s->signer, message, &s->signature, err);
}

/* The process of libp11 first, while this one has neither threads nor a module. */
static int set_up(struct bench *b, const char *folder, struct error *err)
{
	char configuration[256], uri[64];
	b->module_path = hsm_admin_find_softhsm();
	if (!b->module_path)
		return err_set(err, ERR_NOT_FOUND, "SoftHSM2 is not installed");
	(void)snprintf(configuration, sizeof(configuration), "%s/softhsm2.conf", folder);
	(void)setenv("SOFTHSM2_CONF", configuration, 1);
	const struct libp11_options options = { b->module_path, token_labels[TOKEN], b->pin, message };
	b->libp11 = libp11_start(&options, err);
	if (!b->libp11 || hsm_admin_make_softhsm(folder, err))
		return -1;
	for (size_t i = 0; i < TOKENS; i++) {
		if (hsm_admin_init_token(b->module_path, token_labels[i], b->pin, b->pin, err))
			return -1;
	}
	b->module = hsm_module_open(b->module_path, err);
	b->provider = b->module ? hsm_provider_new(err) : NULL;
	b->crew = b->provider ? crew_new(err) : NULL;
	if (!b->crew)
		return -1;
	for (size_t i = 0; i < TOKENS; i++) {
		(void)snprintf(uri, sizeof(uri), "pkcs11:token=%s", token_labels[i]);
		b->tokens[i] = hsm_token_open(b->module, uri, b->pin, CREW_MAX, err);
		if (!b->tokens[i] || raw_open(&b->raw[i], b->module_path, token_labels[i], err))
			return -1;
	}
	for (size_t i = 0; i < TYPES; i++) {
		if ((b->keys & 1U << i) && make_subject(b, &b->subjects[i], types[i], err))
			return -1;
	}
	return 0;
}

static void free_subject(struct subject *s)
{
	EVP_MD_CTX_free(s->whole_verifier);
	EVP_PKEY_CTX_free(s->verifier);
	EVP_PKEY_free(s->public_half);
	hsm_signer_free(s->signer);
	hsm_key_free(s->key);
	buf_free(&s->input);
	buf_free(&s->signature);
}

static void tear_down(struct bench *b)
{
	libp11_stop(b->libp11);
	crew_free(b->crew);
	for (size_t i = 0; i < TYPES; i++)
		free_subject(&b->subjects[i]);
	hsm_provider_free(b->provider);
	for (size_t i = 0; i < TOKENS; i++) {
		raw_close(&b->raw[i]);
		hsm_token_close(b->tokens[i]);
	}
	hsm_module_close(b->module);
	secret_free(b->pin);
}

/* ---- measuring ---- */

static int measure_one(struct bench *b, struct subject *s, size_t way, size_t threads, double slice,
		       struct crew_slice *out, struct error *err)
{
	double seconds = slice * ways[way].part;
	hsm_provider_set_verify(b->provider, way == VERIFIED);
	if (!ways[way].once)
		return libp11_run(b->libp11, hsm_key_type_name(s->type), threads, seconds, out, err);
	return crew_run(b->crew, threads, seconds, ways[way].once, s, out, err);
}

static int measure_round(struct bench *b, struct subject *s, size_t round, double slice, struct error *err)
{
	for (size_t t = 0; t < THREAD_COUNTS; t++) {
		for (size_t i = 0; i < WAYS; i++) {
			size_t way = round % 2 ? WAYS - 1 - i : i;
			if (is_measured(b, s, way, thread_counts[t]) &&
			    measure_one(b, s, way, thread_counts[t], slice, &b->samples.of[way][t][round], err))
				return -1;
		}
	}
	return 0;
}

/* ---- figures ---- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Sorts; the value that `part` of all values lie below. */
static double quantile(double *values, size_t count, double part)
{
	qsort(values, count, sizeof(*values), compare);
	double at = part * (double)(count - 1);
	size_t below = (size_t)at;
	double above = below + 1 < count ? values[below + 1] : values[below];
	return values[below] + (above - values[below]) * (at - (double)below);
}

enum figure { RATE, CPU_US };

static double of_slice(const struct crew_slice *a, enum figure figure)
{
	return figure == RATE ? a->rate : a->cpu_us;
}

static double median(const struct crew_slice *a, size_t rounds, enum figure figure)
{
	double values[ROUNDS_MAX] = { 0 };
	for (size_t i = 0; i < rounds; i++)
		values[i] = of_slice(&a[i], figure);
	return quantile(values, rounds, 0.5);
}

/* Of the ratios within each round. */
static double ratio(const struct crew_slice *a, const struct crew_slice *by, size_t rounds, enum figure figure,
		    double part)
{
	double values[ROUNDS_MAX] = { 0 };
	for (size_t i = 0; i < rounds; i++)
		values[i] = of_slice(&a[i], figure) / of_slice(&by[i], figure);
	return quantile(values, rounds, part);
}

static double scaling_of_raw(const struct samples *all, size_t way, size_t t, size_t rounds)
{
	double values[ROUNDS_MAX] = { 0 };
	for (size_t i = 0; i < rounds; i++)
		values[i] = all->of[way][t][i].rate / all->of[way][0][i].rate * all->of[RAW][0][i].rate /
			    all->of[RAW][t][i].rate;
	return quantile(values, rounds, 0.5);
}

static double verifying_us(const struct samples *all, size_t t, size_t rounds)
{
	double values[ROUNDS_MAX] = { 0 };
	for (size_t i = 0; i < rounds; i++)
		values[i] = all->of[VERIFIED][t][i].cpu_us - all->of[PROVIDER][t][i].cpu_us;
	return quantile(values, rounds, 0.5);
}

static void show_way(const struct samples *all, size_t way, size_t t, bool with_raw, size_t rounds)
{
	const struct crew_slice *a = all->of[way][t], *raw = all->of[RAW][t];
	const char *name = ways[way].name;
	(void)printf(" %s=%.1f %s_cpu_us=%.2f", name, median(a, rounds, RATE), name, median(a, rounds, CPU_US));
	if (ways[way].threads_max == 1)
		return;
	(void)printf(" %s_scaling=%.3f", name, ratio(a, all->of[way][0], rounds, RATE, 0.5));
	if (way == RAW || !with_raw)
		return;
	(void)printf(" %s_of_raw=%.3f %s_of_raw_low=%.3f %s_of_raw_high=%.3f %s_cpu_of_raw=%.3f %s_scaling_of_raw=%.3f",
		     name, ratio(a, raw, rounds, RATE, 0.5), name, ratio(a, raw, rounds, RATE, 0.25), name,
		     ratio(a, raw, rounds, RATE, 0.75), name, ratio(raw, a, rounds, CPU_US, 0.5), name,
		     scaling_of_raw(all, way, t, rounds));
}

static void show(const struct bench *b, const struct subject *s, size_t rounds)
{
	const struct samples *all = &b->samples;
	unsigned both = 1U << PROVIDER | 1U << VERIFIED;
	for (size_t t = 0; t < THREAD_COUNTS; t++) {
		(void)printf("key=%s threads=%zu rounds=%zu", hsm_key_type_name(s->type), thread_counts[t], rounds);
		for (size_t way = 0; way < WAYS; way++) {
			if (is_measured(b, s, way, thread_counts[t]))
				show_way(all, way, t, b->ways & 1U << RAW, rounds);
		}
		if ((b->ways & both) == both)
			(void)printf(" verifying_us=%.2f", verifying_us(all, t, rounds));
		(void)printf("\n");
	}
	(void)fflush(stdout);
}

/* The first round is for nothing, so that every thread and session has been used. */
static int measure_key(struct bench *b, struct subject *s, int64_t until_ms, struct error *err)
{
	size_t rounds = 0;
	if (measure_round(b, s, 0, b->slice / 4, err))
		return -1;
	while (rounds < ROUNDS_MIN || (rounds < ROUNDS_MAX && clock_monotonic_ms() < until_ms)) {
		if (measure_round(b, s, rounds++, b->slice, err))
			return -1;
	}
	show(b, s, rounds);
	return 0;
}

static int measure(struct bench *b, struct error *err)
{
	int64_t begun_ms = clock_monotonic_ms();
	int keys = __builtin_popcount(b->keys), done = 0;
	for (size_t i = 0; i < TYPES; i++) {
		if (!(b->keys & 1U << i))
			continue;
		int64_t until_ms = begun_ms + (int64_t)(b->seconds * 1000 * ++done / keys);
		if (measure_key(b, &b->subjects[i], until_ms, err))
			return -1;
	}
	return 0;
}

/* ---- main ---- */

static int choose_key(struct bench *b, const char *name)
{
	for (size_t i = 0; i < TYPES; i++) {
		if (strcmp(hsm_key_type_name(types[i]), name) == 0) {
			b->keys |= 1U << i;
			return 0;
		}
	}
	return -1;
}

static int choose_way(struct bench *b, const char *name)
{
	for (size_t i = 0; i < WAYS; i++) {
		if (strcmp(ways[i].name, name) == 0) {
			b->ways |= 1U << i;
			return 0;
		}
	}
	return -1;
}

static int options(struct bench *b, int argc, char **argv)
{
	static const struct option known[] = { { "key", required_argument, NULL, 'k' },
					       { "way", required_argument, NULL, 'w' },
					       { "seconds", required_argument, NULL, 't' },
					       { "slice", required_argument, NULL, 's' },
					       { NULL, 0, NULL, 0 } };
	int option, bad = 0;
	b->seconds = 110;
	b->slice = 0.05;
	while ((option = getopt_long(argc, argv, "", known, NULL)) >= 0) {
		if (option == 'k')
			bad |= choose_key(b, optarg);
		else if (option == 'w')
			bad |= choose_way(b, optarg);
		else if (option == 't')
			b->seconds = (double)strtoul(optarg, NULL, 10);
		else if (option == 's')
			b->slice = (double)strtoul(optarg, NULL, 10) / 1000;
		else
			bad = -1;
	}
	b->keys = b->keys ? b->keys : (1U << TYPES) - 1;
	b->ways = b->ways ? b->ways : (1U << WAYS) - 1;
	return bad || b->slice <= 0 ? -1 : 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
	(void)status;
	(void)type;
	(void)place;
	return remove(path);
}

int main(int argc, char **argv)
{
	auto_free struct bench *b = calloc(1, sizeof(*b));
	struct error err = ERR_INIT;
	char folder[] = "/tmp/chancery-bench-XXXXXX";
	if (!b || options(b, argc, argv)) {
		(void)fprintf(stderr, "usage: bench_sign [--key TYPE]... [--way WAY]... [--seconds N] [--slice MS]\n");
		return 2;
	}
	log_open("bench", LOG_FORMAT_TEXT, LOG_LEVEL_WARN);
	b->pin = secret_random(8, &err);
	int failed = !b->pin || !mkdtemp(folder) || set_up(b, folder, &err) || measure(b, &err);
	if (failed)
		(void)fprintf(stderr, "bench_sign: %s\n", err.message);
	tear_down(b);
	(void)nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	return failed;
}
