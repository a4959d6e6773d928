/* How an RSA modulus was made: what its public half already gives away. */
#include <openssl/bn.h>
#include <pthread.h>

#include "base/ossl.h"
#include "ca-core/key.h"

#define LIMBS_MAX (4096 / 64)

static int badly_made(struct error *err, const char *why)
{
	(void)err_set(err, ERR_WEAK_KEY, "the RSA key was badly made, and its private key can be computed: %s", why);
	return err_about(err, "key", NULL, "a key made by a current, unmodified program or token");
}

/* ---- no prime factor below 2^16 (BR 6.1.6, NIST SP 800-89 section 5.3.3) ---- */

#define SMALL 65536
#define SMALL_PRIMES_MAX 6542
#define PRODUCTS_MAX 2048

/* As many odd primes as a 64-bit word holds are tried with one pass over the modulus. */
struct product {
	uint64_t value;   /* of primes from[0] to from[count - 1] */
	uint64_t inverse; /* 1 / value modulo 2^64 */
	uint16_t first, count;
};
struct divisor {
	uint64_t inverse; /* 1 / prime modulo 2^64 */
	uint64_t limit;   /* (2^64 - 1) / prime */
};

/* Made once, immutable from then on. */
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;
static struct divisor divisors[SMALL_PRIMES_MAX];
static struct product products[PRODUCTS_MAX];
static size_t product_count;

/* Newton's method; an odd number is its own inverse modulo 8. */
static uint64_t inverse_of(uint64_t odd)
{
	uint64_t inverse = odd;
	for (unsigned bits = 3; bits < 64; bits *= 2)
		inverse *= 2 - odd * inverse;
	return inverse;
}

static void add_prime(uint64_t prime, size_t index)
{
	divisors[index] = (struct divisor){ inverse_of(prime), UINT64_MAX / prime };
	struct product *last = product_count ? &products[product_count - 1] : NULL;
	if (!last || last->value > UINT64_MAX / prime) {
		last = &products[product_count++];
		*last = (struct product){ .value = 1, .first = (uint16_t)index };
	}
	last->value *= prime;
	last->count++;
}

static void make_tables(void)
{
	static uint8_t composite[SMALL];
	size_t count = 0;
	for (uint32_t n = 3; n < SMALL; n += 2) {
		if (composite[n])
			continue;
		add_prime(n, count++);
		for (uint32_t m = n * n; n < 256 && m < SMALL; m += 2 * n) /* n * n fits where n < 256 */
			composite[m] = 1;
	}
	for (size_t i = 0; i < product_count; i++)
		products[i].inverse = inverse_of(products[i].value);
}

/* Some number that each odd factor of `product` divides exactly where it divides the modulus: the
 * modulus divided by a power of 2^64, modulo the product, without one division. */
static uint64_t residue(const uint64_t *limbs, size_t count, const struct product *product)
{
	uint64_t carry = 0;
	for (size_t i = 0; i < count; i++) {
		uint64_t borrow = limbs[i] < carry;
		uint64_t quotient = (limbs[i] - carry) * product->inverse;
		carry = (uint64_t)(((unsigned __int128)quotient * product->value) >> 64) + borrow;
	}
	return carry;
}

static int check_small_factors(const uint64_t *limbs, size_t count, struct error *err)
{
	(void)pthread_once(&tables_once, make_tables);
	for (size_t i = 0; i < product_count; i++) {
		uint64_t left = residue(limbs, count, &products[i]);
		for (size_t p = products[i].first; p < (size_t)products[i].first + products[i].count; p++)
			if (left * divisors[p].inverse <= divisors[p].limit)
				return badly_made(err, "the modulus has a small prime factor");
	}
	return 0;
}

/* ---- not of the ROCA family (CVE-2017-15361) ---- */

/* The faulty library makes primes k * M + (65537^a mod M), M a product of small primes: the modulus, too, is a
 * power of 65537 modulo each of them. One modulus in 2^27 of others would be so by chance. */
static bool is_power_of_65537(unsigned rest, unsigned prime)
{
	unsigned generator = 65537 % prime, power = 1;
	do {
		if (power == rest)
			return true;
		power = power * generator % prime;
	} while (power != 1);
	return false;
}

static int check_roca(const BIGNUM *modulus, struct error *err)
{
	static const uint8_t primes[] = { 3,   5,   7,   11,  13,  17,  19,  23,  29,  31,  37,  41,  43,
					  47,  53,  59,  61,  67,  71,  73,  79,  83,  89,  97,  101, 103,
					  107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167 };
	for (size_t i = 0; i < sizeof(primes); i++)
		if (!is_power_of_65537((unsigned)BN_mod_word(modulus, primes[i]), primes[i]))
			return 0;
	return badly_made(err, "it is of the ROCA family (CVE-2017-15361), made by a faulty smart card or token");
}

/* ---- not two close primes: Fermat's method, BR 6.1.1.3 ---- */

#define FERMAT_ROUNDS 100

/* root = the integer square root of n, by Newton's method from above. */
static bool square_root(const BIGNUM *n, BIGNUM *root, BN_CTX *ctx)
{
	auto_bignum *next = BN_new();
	BN_zero(root);
	bool good = next && BN_set_bit(root, (BN_num_bits(n) + 1) / 2);
	while (good) {
		good = BN_div(next, NULL, n, root, ctx) && BN_add(next, next, root) && BN_rshift1(next, next);
		if (!good || BN_cmp(next, root) >= 0)
			break;
		good = BN_copy(root, next) != NULL;
	}
	return good;
}

/* Squares leave few residues modulo a small number. Each set below is of bits; the product of the moduli is
 * below 2^32, so that one pass over n serves them all. */
static const uint8_t square_moduli[] = { 63, 61, 59, 55, 53 };
#define SQUARE_PRODUCT (63UL * 61 * 59 * 55 * 53)

static void make_squares(uint64_t squares[sizeof(square_moduli)])
{
	for (size_t i = 0; i < sizeof(square_moduli); i++) {
		squares[i] = 0;
		for (unsigned x = 0; x < square_moduli[i]; x++)
			squares[i] |= (uint64_t)1 << x * x % square_moduli[i];
	}
}

static bool may_be_square(const BIGNUM *n, const uint64_t squares[sizeof(square_moduli)])
{
	BN_ULONG rest = BN_mod_word(n, SQUARE_PRODUCT);
	for (size_t i = 0; i < sizeof(square_moduli); i++)
		if (!(squares[i] >> rest % square_moduli[i] & 1))
			return false;
	return true;
}

static bool is_square(const BIGNUM *n, const uint64_t squares[sizeof(square_moduli)], BN_CTX *ctx)
{
	if (!may_be_square(n, squares))
		return false;
	auto_bignum *root = BN_new();
	return root && square_root(n, root, ctx) && BN_sqr(root, root, ctx) && BN_cmp(root, n) == 0;
}

/* n = a^2 - b^2 for an a just above the root where the primes are close: then n = (a - b)(a + b). */
static int fermat(const BIGNUM *n, BN_CTX *ctx, struct error *err)
{
	uint64_t squares[sizeof(square_moduli)];
	auto_bignum *a = BN_new(), *b2 = BN_new(), *step = BN_new();
	make_squares(squares);
	bool good = a && b2 && step && square_root(n, a, ctx) && BN_add_word(a, 1) && BN_sqr(b2, a, ctx) &&
		    BN_sub(b2, b2, n) && BN_lshift1(step, a) && BN_add_word(step, 1);
	for (unsigned round = 0; good && round < FERMAT_ROUNDS; round++) {
		if (is_square(b2, squares, ctx))
			return badly_made(err, "its two primes are close together (Fermat's method finds them)");
		good = BN_add(b2, b2, step) && BN_add_word(step, 2);
	}
	return good ? 0 : err_set(err, ERR_INTERNAL, "no memory to look at an RSA modulus");
}

/* A square itself has the root for both its primes. */
static int check_close_primes(const BIGNUM *n, struct error *err)
{
	BN_CTX *ctx = BN_CTX_new();
	if (!ctx)
		return err_set(err, ERR_INTERNAL, "no memory to look at an RSA modulus");
	uint64_t squares[sizeof(square_moduli)];
	make_squares(squares);
	int rc = is_square(n, squares, ctx) ? badly_made(err, "the modulus is the square of one prime")
					    : fermat(n, ctx, err);
	BN_CTX_free(ctx);
	return rc;
}

/* ---- all of it ---- */

int ca_key_check_made_well(const struct ca_key *key, struct error *err)
{
	if (key->type != CA_KEY_RSA)
		return 0;
	uint64_t limbs[LIMBS_MAX];
	size_t count = key->modulus.len / sizeof(limbs[0]);
	if (key->modulus.len % sizeof(limbs[0]) || count > LIMBS_MAX)
		return err_set(err, ERR_WEAK_KEY, "the RSA modulus has an odd size");
	for (size_t i = 0; i < count; i++) {
		const uint8_t *octets = key->modulus.data + key->modulus.len - 8 * (i + 1);
		limbs[i] = 0;
		for (size_t o = 0; o < 8; o++)
			limbs[i] = limbs[i] << 8 | octets[o];
	}
	auto_bignum *n = BN_bin2bn(key->modulus.data, (int)key->modulus.len, NULL);
	if (!n)
		return err_set(err, ERR_INTERNAL, "no memory to look at an RSA modulus");
	if (check_small_factors(limbs, count, err) || check_roca(n, err) || check_close_primes(n, err))
		return -1;
	return 0;
}
