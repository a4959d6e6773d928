/*
 * tools/shares_sheet.h - the public sheet of a split PIN: which token, how many shares, and the hash of each, by which a
 * wrong share, or a right one of another split, is named before the PIN is tried.
 *
 * No secret: a share has 128 bits at least that its hash does not tell (tools/shares.h). The text is exactly
 *
 *     chancery-shares-v1
 *     token: LABEL
 *     serial: SERIAL
 *     pin: user                       or: so
 *     split: 7K3Q9XW2MA
 *     made: 2026-11-26T09:00:00Z
 *     shares: 5
 *     threshold: 3
 *     share-1: SHA-256 of the share in lower-case hex (share_hash)
 *     ...
 *
 * each line ended by LF, and nothing besides: what is read is written again and must be the same.
 *
 * Thread-safety: every function works only on its arguments.
 */
#ifndef CHANCERY_TOOLS_SHARES_SHEET_H
#define CHANCERY_TOOLS_SHARES_SHEET_H

#include "tools/shares.h"

#define SHARES_SHEET_TEXT_MAX 8192

struct shares_sheet {
	char token[33], serial[17]; /* as the token says; all but printable ASCII is "?" */
	enum shares_pin pin;
	char split[SHARES_ID_LEN + 1];
	int64_t made_s;
	unsigned count, threshold;
	uint8_t hashes[SHARES_MAX][32];
};

/* Fills the sheet of these shares, all of one split. token and serial are the token's own. */
void shares_sheet_make(const char *token, const char *serial, int64_t made_s, const struct share *shares,
		       unsigned count, struct shares_sheet *out);

/* Appends the text. */
void shares_sheet_write(const struct shares_sheet *s, struct buf *out);

/* ERR_CONFIG, with the number of the line that is not as it should be. */
int shares_sheet_read(struct bytes text, struct shares_sheet *out, struct error *err);

/* The sheet in a file. ERR_NOT_FOUND, ERR_IO, ERR_CONFIG. */
int shares_sheet_load(const char *path, struct shares_sheet *out, struct error *err);

/* Whether this share is one of the sheet. ERR_CONFLICT: it is of another split (which, the message says); ERR_INTEGRITY: it
 * bears this split's id, and is not what was split. */
int shares_sheet_check(const struct shares_sheet *s, const struct share *share, struct error *err);

#endif
