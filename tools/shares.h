/*
 * tools/shares.h - a PIN in N shares, of which any M give it back: Shamir's scheme, and the text of a share.
 *
 * What is split is the PIN as drawn by shares_draw_pin, packed (4 or 5 bits a character), in a block of at least 16
 * octets, the rest of which is random: so a share has 128 bits that nobody else knows, however short the PIN is, and its
 * hash may be public. Each octet of the block is split by itself over GF(2^8) (libgfshare; polynomial 0x11d); the share of
 * index i is the value at i.
 *
 * The text of a share is made to be typed from paper: the digits and letters of Crockford's base 32 (no I, L, O, U), in
 * groups of four, as symbols of 5 bits:
 *
 *     1   form of this text: 1
 *     1   bit 0: the PIN has 5 bits a character, not 4; bit 1: it is an SO PIN
 *     10  split id, random: the same in all shares of a split
 *     1   threshold - 1
 *     1   index - 1
 *     2   characters of the PIN
 *     26  or more: the value; bits left over are 0
 *     6   checksum: the BCH code of BIP 350 (Bech32m) over the symbols before it, without a prefix
 *
 * So every text with up to four wrong characters is noticed, and of one wrong character, or two that changed places, the
 * group is told. Reading takes small letters for capital ones, O for 0, I and L for 1, and ignores blanks and hyphens.
 *
 * Sources: A. Shamir, How to share a secret, CACM 22 (1979); https://www.crockford.com/base32.html; BIP 173, BIP 350.
 * Thread-safety: every function works only on its arguments; splitting and combining set libgfshare's one variable, always
 * to the same function.
 */
#ifndef CHANCERY_TOOLS_SHARES_H
#define CHANCERY_TOOLS_SHARES_H

#include <stdbool.h>

#include "base/secret.h"
#include "tools/pin.h"

#define SHARES_MAX 32        /* of one split */
#define SHARES_LEAST 2       /* threshold: a PIN that one share gives is not shared */
#define SHARES_ID_LEN 10     /* symbols */
#define SHARES_PIN_MAX 64    /* characters */
#define SHARES_VALUE_MAX 40  /* octets */
#define SHARES_TEXT_MAX 1024 /* octets that are looked at in what somebody typed */

enum shares_pin { SHARES_PIN_USER, SHARES_PIN_SO };
const char *shares_pin_name(enum shares_pin pin); /* "PIN", "SO PIN" */

/* Secret: locals are declared auto_share, arrays wiped with shares_wipe. */
struct share {
	char split[SHARES_ID_LEN + 1]; /* of the alphabet, capital */
	enum shares_pin pin;
	bool dense;                /* 5 bits a character of the PIN */
	unsigned threshold, index; /* SHARES_LEAST to SHARES_MAX; 1 to SHARES_MAX */
	unsigned pin_len;          /* 1 to SHARES_PIN_MAX */
	size_t value_len;          /* follows from dense and pin_len */
	uint8_t value[SHARES_VALUE_MAX];
};
void shares_wipe(struct share *shares, size_t count);
static inline void share_cleanup(struct share *share)
{
	shares_wipe(share, 1);
}
#define auto_share CLEANUP(share_cleanup) struct share

/* A random PIN of 128 bits, or of as many as the token takes: 32 hex digits; where it takes fewer characters, small
 * letters and digits of base 32; with `digits`, decimal digits alone. ERR_CONFIG where it must be longer than
 * SHARES_PIN_MAX. */
struct secret *shares_draw_pin(struct pin_limits limits, bool digits, struct error *err);

/* Splits: out gets `count` shares with the indexes from 1, and a new split id. ERR_USAGE for numbers out of
 * range (SHARES_LEAST <= threshold <= count <= SHARES_MAX), ERR_CONFIG for a PIN that is none of shares_draw_pin's
 * characters. Without random numbers the process ends: libgfshare has no way to fail. */
int shares_split(const struct secret *pin, enum shares_pin kind, unsigned count, unsigned threshold, struct share *out,
		 struct error *err);

/* The PIN of the first `threshold` of these shares. ERR_CONFLICT: fewer of them, shares of different splits, one twice;
 * what each of those is, the message says. Whether a share is right nobody can tell from the shares alone:
 * tools/shares_sheet.h. */
struct secret *shares_combine(const struct share *shares, size_t count, struct error *err);

/* Appends the text of a share: groups of four symbols, four groups a line, each line ended by LF. */
void share_write(const struct share *s, struct buf *out);

/* Room for the text of a share, with what stands around it on paper: a buffer that grows would leave copies behind. */
static inline void shares_reserve(struct buf *b)
{
	(void)buf_extend(b, SHARES_TEXT_MAX);
	buf_clear(b);
}

/* How much of a share was typed: symbols so far, and how many it has; *needed 0 until its first 16 are there. Characters
 * that are none of the alphabet count. */
void share_progress(struct bytes text, size_t *typed, size_t *needed);

/* Reads the text of a share. ERR_BAD_REQUEST: a character that is none, too few or too many of them, a checksum that
 * does not hold (the message names the group to look at, where one can be told); what was typed is not repeated. */
int share_read(struct bytes text, struct share *out, struct error *err);

/* SHA-256 of the share's symbols as capital text, without blanks. */
void share_hash(const struct share *s, uint8_t out[32]);

/* The id as people read it: "7K3Q9-XW2MA". out has SHARES_ID_LEN + 2 octets. Returns out. */
char *shares_id_text(const char *split, char *out);

/* Keeps memory with shares in it out of swap, as far as the limit allows. */
void shares_lock(const void *memory, size_t len);

/* No core dumps of this process from here on, and no debugger of its user's. */
void shares_guard_process(void);

#endif
