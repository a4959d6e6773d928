#include "tools/shares.h"

#include <libgfshare.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/ossl.h"

#define FORM 1
#define HEAD 16 /* symbols before the value */
#define CHECKSUM 6
#define VALUE_LEAST 16
#define SYMBOLS_MAX (HEAD + (SHARES_VALUE_MAX * 8 + 4) / 5 + CHECKSUM)
#define GROUP 4
#define LINE 16
#define PIN_BITS 128

/* The digit that stands for each symbol, and for each 4 bits of a PIN; small for PINs. */
static const char capital[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
static const char small[] = "0123456789abcdefghjkmnpqrstvwxyz";

struct symbols {
	size_t count;
	uint8_t at[SYMBOLS_MAX];
};

static void symbols_wipe(struct symbols *s)
{
	OPENSSL_cleanse(s, sizeof(*s));
}
#define auto_symbols CLEANUP(symbols_wipe) struct symbols

const char *shares_pin_name(enum shares_pin pin)
{
	return pin == SHARES_PIN_SO ? "SO PIN" : "PIN";
}

void shares_wipe(struct share *shares, size_t count)
{
	OPENSSL_cleanse(shares, count * sizeof(*shares));
}

char *shares_id_text(const char *split, char *out)
{
	(void)snprintf(out, SHARES_ID_LEN + 2, "%.5s-%.5s", split, split + SHARES_ID_LEN / 2);
	return out;
}

void shares_lock(const void *memory, size_t len)
{
	(void)mlock(memory, len);
}

void shares_guard_process(void)
{
	const struct rlimit none = { 0, 0 };
	(void)setrlimit(RLIMIT_CORE, &none);
	/* LeakSanitizer looks at the process as a debugger does. */
#ifndef __SANITIZE_ADDRESS__
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

/* ---- bits, the first one the highest ---- */

static void bits_put(uint8_t *data, size_t at, unsigned width, unsigned value)
{
	for (unsigned i = 0; i < width; i++, at++) {
		uint8_t mask = (uint8_t)(0x80U >> (at % 8));
		bool set = (value >> (width - 1 - i)) & 1U;
		data[at / 8] = (uint8_t)(set ? data[at / 8] | mask : data[at / 8] & ~mask);
	}
}

/* Bits past the end of `len` octets are 0. */
static unsigned bits_get(const uint8_t *data, size_t len, size_t at, unsigned width)
{
	unsigned value = 0;
	for (unsigned i = 0; i < width; i++, at++)
		value = value << 1 | (at / 8 < len ? data[at / 8] >> (7 - at % 8) & 1U : 0);
	return value;
}

static size_t value_len(unsigned pin_len, bool dense)
{
	size_t packed = (pin_len * (dense ? 5U : 4U) + 7) / 8;
	return packed > VALUE_LEAST ? packed : VALUE_LEAST;
}

static size_t value_symbols(size_t octets)
{
	return (octets * 8 + 4) / 5;
}

/* ---- PINs ---- */

/* How many characters of an alphabet of so many make 128 bits. */
static size_t enough(size_t letters)
{
	return letters == 32 ? (PIN_BITS + 4) / 5 : letters == 16 ? PIN_BITS / 4 : 39;
}

struct secret *shares_draw_pin(struct pin_limits limits, bool digits, struct error *err)
{
	uint8_t pin[SHARES_PIN_MAX];
	bool limited = limits.most > 0 && limits.most <= SECRET_MAX;
	size_t letters = digits ? 10 : limited && limits.most < enough(16) ? 32 : 16;
	size_t len = enough(letters);
	if (limited && limits.most < len)
		len = limits.most;
	if (limits.least > len && limits.least <= SECRET_MAX / 2)
		len = limits.least;
	if (len > sizeof(pin)) {
		(void)err_set(err, ERR_CONFIG, "the token wants a PIN of %zu characters; shares hold at most %d", len,
			      SHARES_PIN_MAX);
		return NULL;
	}
	for (size_t i = 0; i < len;) {
		uint8_t random = 0;
		if (RAND_priv_bytes(&random, 1) != 1) {
			OPENSSL_cleanse(pin, sizeof(pin));
			(void)err_set(err, ERR_INTERNAL, "no random numbers for a PIN");
			return NULL;
		}
		if (random < 256 / letters * letters) /* every letter as often as any other */
			pin[i++] = (uint8_t)small[random % letters];
	}
	struct secret *drawn = secret_new(BYTES(pin, len), err);
	OPENSSL_cleanse(pin, sizeof(pin));
	return drawn;
}

static int letter_value(uint8_t letter)
{
	const char *found = letter ? strchr(small, letter) : NULL;
	return found ? (int)(found - small) : -1;
}

/* The block that is split: the PIN's bits in what is random otherwise. */
static int pack(struct bytes pin, struct share *like, struct error *err)
{
	like->dense = false;
	if (pin.len < 1 || pin.len > SHARES_PIN_MAX)
		return err_set(err, ERR_CONFIG, "a PIN in shares has 1 to %d characters", SHARES_PIN_MAX);
	for (size_t i = 0; i < pin.len; i++) {
		int value = letter_value(pin.data[i]);
		if (value < 0)
			return err_set(err, ERR_CONFIG,
				       "a PIN in shares has small letters and digits, without i, l, o, u");
		like->dense = like->dense || value > 15;
	}
	like->pin_len = (unsigned)pin.len;
	like->value_len = value_len(like->pin_len, like->dense);
	if (RAND_priv_bytes(like->value, (int)like->value_len) != 1)
		return err_set(err, ERR_INTERNAL, "no random numbers for shares");
	unsigned width = like->dense ? 5 : 4;
	for (size_t i = 0; i < pin.len; i++)
		bits_put(like->value, i * width, width, (unsigned)letter_value(pin.data[i]));
	return 0;
}

static struct secret *unpack(const struct share *like, const uint8_t *block, struct error *err)
{
	uint8_t pin[SHARES_PIN_MAX];
	unsigned width = like->dense ? 5 : 4;
	for (size_t i = 0; i < like->pin_len; i++)
		pin[i] = (uint8_t)small[bits_get(block, like->value_len, i * width, width)];
	struct secret *s = secret_new(BYTES(pin, like->pin_len), err);
	OPENSSL_cleanse(pin, sizeof(pin));
	return s;
}

/* ---- Shamir's scheme, by libgfshare ---- */

/* It overwrites what it frees with these, too. */
static void fill_random(unsigned char *out, unsigned len)
{
	if (RAND_priv_bytes(out, (int)len) != 1)
		abort(); /* shares without random numbers would tell the PIN */
}

static void context_free(gfshare_ctx *context)
{
	gfshare_ctx_free(context);
}
CLEANUP_POINTER(context, gfshare_ctx, context_free)
#define auto_context CLEANUP(context_cleanup) gfshare_ctx

static int draw_id(char out[SHARES_ID_LEN + 1], struct error *err)
{
	uint8_t random[SHARES_ID_LEN];
	if (RAND_bytes(random, sizeof(random)) != 1)
		return err_set(err, ERR_INTERNAL, "no random numbers for a split id");
	for (size_t i = 0; i < SHARES_ID_LEN; i++)
		out[i] = capital[random[i] % 32];
	out[SHARES_ID_LEN] = '\0';
	return 0;
}

int shares_split(const struct secret *pin, enum shares_pin kind, unsigned count, unsigned threshold, struct share *out,
		 struct error *err)
{
	auto_share whole = { .pin = kind, .threshold = threshold };
	unsigned char numbers[SHARES_MAX];
	if (threshold < SHARES_LEAST || threshold > count || count > SHARES_MAX)
		return err_set(err, ERR_USAGE,
			       "%u of %u shares cannot be: the threshold is at least %d, and at most the number of "
			       "shares, which is at most %d",
			       threshold, count, SHARES_LEAST, SHARES_MAX);
	if (draw_id(whole.split, err) || pack(secret_bytes(pin), &whole, err))
		return -1;
	for (unsigned i = 0; i < count; i++)
		numbers[i] = (unsigned char)(i + 1);
	gfshare_fill_rand = fill_random;
	auto_context *context =
		gfshare_ctx_init_enc(numbers, count, (unsigned char)threshold, (unsigned)whole.value_len);
	if (!context)
		return err_set(err, ERR_INTERNAL, "no memory for shares");
	gfshare_ctx_enc_setsecret(context, whole.value);
	for (unsigned i = 0; i < count; i++) {
		out[i] = whole;
		out[i].index = i + 1;
		gfshare_ctx_enc_getshare(context, (unsigned char)i, out[i].value);
	}
	return 0;
}

static int check_together(const struct share *shares, size_t count, struct error *err)
{
	const struct share *first = &shares[0];
	if (count == 0 || count < first->threshold)
		return err_set(err, ERR_CONFLICT, "too few shares: there are %zu, and %u are needed", count,
			       count ? first->threshold : SHARES_LEAST);
	for (size_t i = 0; i < first->threshold; i++) {
		const struct share *s = &shares[i];
		if (strcmp(s->split, first->split) != 0 || s->threshold != first->threshold || s->pin != first->pin ||
		    s->dense != first->dense || s->pin_len != first->pin_len || s->value_len != first->value_len)
			return err_set(err, ERR_CONFLICT, "shares %u and %u are of different splits", first->index,
				       s->index);
		for (size_t j = 0; j < i; j++)
			if (shares[j].index == s->index)
				return err_set(err, ERR_CONFLICT, "share %u is there twice", s->index);
	}
	return 0;
}

struct secret *shares_combine(const struct share *shares, size_t count, struct error *err)
{
	unsigned char numbers[SHARES_MAX], block[SHARES_VALUE_MAX];
	auto_share copy = { .index = 0 };
	if (check_together(shares, count, err))
		return NULL;
	unsigned threshold = shares[0].threshold;
	for (unsigned i = 0; i < threshold; i++)
		numbers[i] = (unsigned char)shares[i].index;
	gfshare_fill_rand = fill_random;
	auto_context *context = gfshare_ctx_init_dec(numbers, threshold, (unsigned)shares[0].value_len);
	if (!context) {
		(void)err_set(err, ERR_INTERNAL, "no memory for shares");
		return NULL;
	}
	for (unsigned i = 0; i < threshold; i++) {
		copy = shares[i]; /* it wants octets that it could change */
		gfshare_ctx_dec_giveshare(context, (unsigned char)i, copy.value);
	}
	gfshare_ctx_dec_extract(context, block);
	struct secret *pin = unpack(&shares[0], block, err);
	OPENSSL_cleanse(block, sizeof(block));
	return pin;
}

/* ---- the text of a share ---- */

/* BIP 350 with nothing before the data: 0 where the checksum at the end holds. */
static uint32_t remainder_of(const struct symbols *s)
{
	static const uint32_t generator[] = { 0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3 };
	uint32_t rest = 1;
	for (size_t i = 0; i < s->count; i++) {
		uint32_t top = rest >> 25;
		rest = (rest & 0x1ffffff) << 5 ^ s->at[i];
		for (size_t j = 0; j < 5; j++)
			rest ^= top >> j & 1U ? generator[j] : 0;
	}
	return rest ^ 0x2bc830a3;
}

static void encode(const struct share *s, struct symbols *out)
{
	out->count = 0;
	out->at[out->count++] = FORM;
	out->at[out->count++] = (uint8_t)((s->dense ? 1 : 0) | (s->pin == SHARES_PIN_SO ? 2 : 0));
	for (size_t i = 0; i < SHARES_ID_LEN; i++)
		out->at[out->count++] = (uint8_t)(strchr(capital, s->split[i]) - capital);
	out->at[out->count++] = (uint8_t)(s->threshold - 1);
	out->at[out->count++] = (uint8_t)(s->index - 1);
	out->at[out->count++] = (uint8_t)(s->pin_len >> 5);
	out->at[out->count++] = (uint8_t)(s->pin_len & 31U);
	for (size_t i = 0; i < value_symbols(s->value_len); i++)
		out->at[out->count++] = (uint8_t)bits_get(s->value, s->value_len, i * 5, 5);
	size_t before = out->count;
	for (size_t i = 0; i < CHECKSUM; i++)
		out->at[out->count++] = 0;
	uint32_t rest = remainder_of(out);
	for (size_t i = 0; i < CHECKSUM; i++)
		out->at[before + i] = (uint8_t)(rest >> 5 * (CHECKSUM - 1 - i) & 31U);
}

void share_write(const struct share *s, struct buf *out)
{
	auto_symbols symbols = { .count = 0 };
	encode(s, &symbols);
	for (size_t i = 0; i < symbols.count; i++) {
		buf_u8(out, (uint8_t)capital[symbols.at[i]]);
		bool line_ends = (i + 1) % LINE == 0 || i + 1 == symbols.count;
		if (line_ends || (i + 1) % GROUP == 0)
			buf_u8(out, line_ends ? '\n' : ' ');
	}
}

void share_hash(const struct share *s, uint8_t out[32])
{
	auto_symbols symbols = { .count = 0 };
	encode(s, &symbols);
	for (size_t i = 0; i < symbols.count; i++)
		symbols.at[i] = (uint8_t)capital[symbols.at[i]];
	sha256(symbols.at, symbols.count, out);
}

/* ---- reading it ---- */

static bool is_ignored(uint8_t c)
{
	return c == ' ' || c == '-' || c == '\t' || c == '\n' || c == '\r';
}

/* -1 for what is no symbol. */
static int symbol_of(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		c = (uint8_t)(c + ('a' - 'A'));
	return c == 'o' ? 0 : c == 'i' || c == 'l' ? 1 : letter_value(c);
}

static size_t group_of(size_t symbol)
{
	return symbol / GROUP + 1;
}

/* What the first 16 symbols promise; 0 where they are none of a share. */
static size_t promised(const struct symbols *s)
{
	unsigned pin_len = s->at[HEAD - 2] * 32U + s->at[HEAD - 1];
	if (s->at[0] != FORM || s->at[1] > 3 || pin_len < 1 || pin_len > SHARES_PIN_MAX)
		return 0;
	return HEAD + value_symbols(value_len(pin_len, s->at[1] & 1U)) + CHECKSUM;
}

/* *count: how many characters there are, of which the first stand in out. -1: one of them is no symbol, at *count. */
static int collect(struct bytes text, struct symbols *out, size_t *count)
{
	out->count = *count = 0;
	for (size_t i = 0; i < text.len; i++) {
		int symbol = is_ignored(text.data[i]) ? -2 : symbol_of(text.data[i]);
		if (symbol == -2)
			continue;
		if (symbol == -1)
			return -1;
		if (out->count < SYMBOLS_MAX)
			out->at[out->count++] = (uint8_t)symbol;
		(*count)++;
	}
	return 0;
}

void share_progress(struct bytes text, size_t *typed, size_t *needed)
{
	auto_symbols symbols = { .count = 0 };
	*typed = *needed = 0;
	for (size_t i = 0; i < text.len; i++) {
		if (is_ignored(text.data[i]))
			continue;
		int symbol = symbol_of(text.data[i]);
		if (symbols.count < HEAD)
			symbols.at[symbols.count++] = (uint8_t)(symbol < 0 ? 0 : symbol);
		(*typed)++;
	}
	*needed = symbols.count == HEAD ? promised(&symbols) : 0;
}

/* The one symbol that, if it were another, would make the checksum hold; or the first of two that would have to change
 * places. SIZE_MAX where there is none. */
static size_t locate(struct symbols *s)
{
	for (size_t i = 0; i < s->count; i++) {
		uint8_t was = s->at[i];
		for (uint8_t other = 0; other < 32; other++) {
			s->at[i] = other;
			if (remainder_of(s) == 0)
				return i;
		}
		s->at[i] = was;
	}
	for (size_t i = 0; i + 1 < s->count; i++) {
		uint8_t first = s->at[i], second = s->at[i + 1];
		s->at[i] = second;
		s->at[i + 1] = first;
		if (remainder_of(s) == 0)
			return i;
		s->at[i] = first;
		s->at[i + 1] = second;
	}
	return SIZE_MAX;
}

/* Says why a text whose checksum does not hold is none. */
static int refuse_text(struct symbols *s, size_t count, size_t needed, struct error *err)
{
	size_t wrong = count == s->count ? locate(s) : SIZE_MAX;
	if (wrong != SIZE_MAX)
		return err_set(err, ERR_BAD_REQUEST,
			       "there is a mistake in the share: look at group %zu (line %zu), and type it again",
			       group_of(wrong), wrong / LINE + 1);
	if (needed && needed != count)
		return err_set(err, ERR_BAD_REQUEST, "the share has %zu characters, and %zu were typed: %zu too %s",
			       needed, count, count < needed ? needed - count : count - needed,
			       count < needed ? "few" : "many");
	return err_set(err, ERR_BAD_REQUEST, "this is no share: its checksum does not hold; type it again");
}

static int decode(const struct symbols *s, struct share *out, struct error *err)
{
	out->dense = s->at[1] & 1U;
	out->pin = s->at[1] & 2U ? SHARES_PIN_SO : SHARES_PIN_USER;
	for (size_t i = 0; i < SHARES_ID_LEN; i++)
		out->split[i] = capital[s->at[2 + i]];
	out->split[SHARES_ID_LEN] = '\0';
	out->threshold = s->at[HEAD - 4] + 1U;
	out->index = s->at[HEAD - 3] + 1U;
	out->pin_len = s->at[HEAD - 2] * 32U + s->at[HEAD - 1];
	out->value_len = value_len(out->pin_len, out->dense);
	size_t bits = out->value_len * 8, symbols = value_symbols(out->value_len);
	unsigned spare = (unsigned)(symbols * 5 - bits);
	for (size_t i = 0; i < symbols; i++) {
		unsigned last = i + 1 == symbols ? spare : 0;
		bits_put(out->value, i * 5, 5 - last, (unsigned)s->at[HEAD + i] >> last);
	}
	if ((s->at[HEAD + symbols - 1] & ((1U << spare) - 1U)) != 0 || out->threshold < SHARES_LEAST)
		return err_set(err, ERR_BAD_REQUEST, "this is no share, though its checksum holds");
	return 0;
}

int share_read(struct bytes text, struct share *out, struct error *err)
{
	auto_symbols symbols = { .count = 0 };
	size_t count = 0;
	*out = (struct share){ .index = 0 };
	if (text.len > SHARES_TEXT_MAX)
		return err_set(err, ERR_BAD_REQUEST, "this is no share: it has %zu characters", text.len);
	if (collect(text, &symbols, &count))
		return err_set(err, ERR_BAD_REQUEST,
			       "group %zu has a character that no share has: digits, and letters but U",
			       group_of(count));
	if (count < HEAD)
		return err_set(err, ERR_BAD_REQUEST, "this is no share: it has %zu characters, which are too few",
			       count);
	size_t needed = promised(&symbols);
	if (count > symbols.count || remainder_of(&symbols) != 0)
		return refuse_text(&symbols, count, needed, err);
	return needed != count ? err_set(err, ERR_BAD_REQUEST, "this is no share of a form that is known here")
			       : decode(&symbols, out, err);
}
