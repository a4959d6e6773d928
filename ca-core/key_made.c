/* How an RSA key was made: what a sound library never produces. */
#include "ca-core/key.h"

#include <openssl/bn.h>
#include <pthread.h>

#include "base/ossl.h"

#define SMALL_PRIMES_BELOW 65536
#define FERMAT_ROUNDS 100

CLEANUP_POINTER(bn_ctx, BN_CTX, BN_CTX_free)
#define auto_bn_ctx CLEANUP(bn_ctx_cleanup) BN_CTX

static int weak(struct error *err, const char *why)
{
	(void)err_set(err, ERR_WEAK_KEY, "the RSA key is not accepted: %s; make a new one with a well-kept library",
		      why);
	return err_about(err, "publicKey", NULL, "a freshly made key");
}

/* ---- small factors: one gcd with the product of all odd primes below 2^16 ---- */

/* Made once, read-only afterwards. */
static struct {
	BIGNUM *product;
	pthread_once_t once;
} small = { .once = PTHREAD_ONCE_INIT };

/* Multiplies a list pairwise, so that the numbers that meet have the same size. */
static BIGNUM *multiply_all(const uint32_t *primes, size_t count, BN_CTX *ctx)
{
	BIGNUM *result = BN_new();
	if (!result)
		return NULL;
	if (count == 1) {
		(void)BN_set_word(result, primes[0]);
		return result;
	}
	auto_bignum *left = multiply_all(primes, count / 2, ctx);
	auto_bignum *right = multiply_all(primes + count / 2, count - count / 2, ctx);
	if (left && right && BN_mul(result, left, right, ctx) == 1)
		return result;
	BN_free(result);
	return NULL;
}

static void make_product(void)
{
	auto_free uint8_t *composite = calloc(SMALL_PRIMES_BELOW, 1);
	auto_free uint32_t *primes = calloc(SMALL_PRIMES_BELOW / 8, sizeof(*primes));
	auto_bn_ctx *ctx = BN_CTX_new();
	size_t count = 0;
	if (!composite || !primes || !ctx)
		return;
	for (uint32_t n = 3; n < SMALL_PRIMES_BELOW; n += 2) {
		if (composite[n])
			continue;
		primes[count++] = n;
		for (uint32_t multiple = 3 * n; multiple < SMALL_PRIMES_BELOW; multiple += 2 * n)
			composite[multiple] = 1;
	}
	small.product = multiply_all(primes, count, ctx);
}

static int check_small_factors(const BIGNUM *n, BN_CTX *ctx, struct error *err)
{
	(void)pthread_once(&small.once, make_product);
	auto_bignum *gcd = BN_new(), *rest = BN_new();
	if (!small.product || !gcd || !rest || BN_nnmod(rest, small.product, n, ctx) != 1 ||
	    BN_gcd(gcd, rest, n, ctx) != 1)
		return err_openssl(err, ERR_INTERNAL, "cannot look for small factors");
	return BN_is_one(gcd) ? 0 : weak(err, "its modulus has a prime factor below 65536");
}

/* ---- Fermat: n = a^2 - b^2 with a just above its root, where the primes are close ---- */

/* Floor of the square root, by Newton's method. */
static int square_root(BIGNUM *root, const BIGNUM *n, BN_CTX *ctx)
{
	auto_bignum *next = BN_new(), *quotient = BN_new();
	if (!next || !quotient || BN_one(root) != 1 || BN_lshift(root, root, (BN_num_bits(n) + 1) / 2) != 1)
		return -1;
	for (;;) {
		if (BN_div(quotient, NULL, n, root, ctx) != 1 || BN_add(next, root, quotient) != 1 ||
		    BN_rshift1(next, next) != 1)
			return -1;
		if (BN_cmp(next, root) >= 0)
			return 0;
		if (!BN_copy(root, next))
			return -1;
	}
}

/* A square is 0, 1, 4 or 9 modulo 16: most candidates end here. */
static bool may_be_square(const BIGNUM *n)
{
	unsigned low = (unsigned)(BN_mod_word(n, 16));
	return low == 0 || low == 1 || low == 4 || low == 9;
}

/* 1 square, 0 not, -1 failed. */
static int is_square(const BIGNUM *n, BN_CTX *ctx)
{
	if (!may_be_square(n))
		return 0;
	auto_bignum *root = BN_new(), *again = BN_new();
	if (!root || !again || square_root(root, n, ctx) || BN_sqr(again, root, ctx) != 1)
		return -1;
	return BN_cmp(again, n) == 0;
}

static int check_close_primes(const BIGNUM *n, BN_CTX *ctx, struct error *err)
{
	auto_bignum *a = BN_new(), *b2 = BN_new(), *step = BN_new();
	if (!a || !b2 || !step || square_root(a, n, ctx) || BN_add_word(a, 1) != 1 || BN_sqr(b2, a, ctx) != 1 ||
	    BN_sub(b2, b2, n) != 1)
		return err_openssl(err, ERR_INTERNAL, "cannot look for close primes");
	for (int round = 0; round < FERMAT_ROUNDS; round++) {
		int square = is_square(b2, ctx);
		if (square > 0)
			return weak(err, "its two primes are so close that Fermat's method finds them");
		/* (a + 1)^2 - n = b2 + 2a + 1 */
		if (square < 0 || BN_lshift1(step, a) != 1 || BN_add_word(step, 1) != 1 || BN_add(b2, b2, step) != 1 ||
		    BN_add_word(a, 1) != 1)
			return err_openssl(err, ERR_INTERNAL, "cannot look for close primes");
	}
	return 0;
}

/* ---- ROCA ----
 * The library's primes are k * M + 65537^a mod M with M the product of the first primes, so
 * that the modulus, too, is a power of 65537 modulo each of them. A random modulus is so for
 * all of these by chance of about 2^-28. CVE-2017-15361; Nemec et al., CCS 2017, section 2.2. */
static bool is_power_of_65537(uint32_t residue, uint32_t prime)
{
	uint32_t power = 1;
	do {
		if (power == residue)
			return true;
		power = power * (65537 % prime) % prime;
	} while (power != 1);
	return false;
}

static bool has_roca_fingerprint(const BIGNUM *n)
{
	static const uint8_t primes[] = { 3,   5,   7,   11,  13,  17,  19,  23,  29,  31,  37,  41,  43,
					  47,  53,  59,  61,  67,  71,  73,  79,  83,  89,  97,  101, 103,
					  107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167 };
	for (size_t i = 0; i < sizeof(primes); i++)
		if (!is_power_of_65537((uint32_t)BN_mod_word(n, primes[i]), primes[i]))
			return false;
	return true;
}

int ca_key_check_made_well(const struct ca_key *key, struct error *err)
{
	if (key->type != CA_KEY_RSA)
		return 0;
	auto_bn_ctx *ctx = BN_CTX_new();
	auto_bignum *n = BN_bin2bn(key->modulus.data, (int)key->modulus.len, NULL);
	if (!ctx || !n)
		return err_openssl(err, ERR_INTERNAL, "no memory to look at an RSA key");
	if (has_roca_fingerprint(n))
		return weak(err, "it was made by a library with the ROCA fault (CVE-2017-15361)");
	if (check_small_factors(n, ctx, err) || check_close_primes(n, ctx, err))
		return -1;
	return 0;
}
