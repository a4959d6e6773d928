#include "tools/shares_sheet.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "tools/output.h"

#define FIRST_LINE "chancery-shares-v1"
#define HEAD_LINES 8 /* before the hashes */

void shares_sheet_make(const char *token, const char *serial, int64_t made_s, const struct share *shares,
		       unsigned count, struct shares_sheet *out)
{
	*out = (struct shares_sheet){
		.pin = shares[0].pin, .made_s = made_s, .count = count, .threshold = shares[0].threshold
	};
	(void)snprintf(out->token, sizeof(out->token), "%s", token);
	(void)snprintf(out->serial, sizeof(out->serial), "%s", serial);
	output_clean(out->token);
	output_clean(out->serial);
	memcpy(out->split, shares[0].split, sizeof(out->split));
	for (unsigned i = 0; i < count; i++)
		share_hash(&shares[i], out->hashes[i]);
}

void shares_sheet_write(const struct shares_sheet *s, struct buf *out)
{
	char time[CLOCK_TEXT_SIZE];
	buf_printf(out, FIRST_LINE "\ntoken: %s\nserial: %s\npin: %s\nsplit: %s\nmade: %s\nshares: %u\nthreshold: %u\n",
		   s->token, s->serial, s->pin == SHARES_PIN_SO ? "so" : "user", s->split,
		   clock_rfc3339(s->made_s, time), s->count, s->threshold);
	for (unsigned i = 0; i < s->count; i++) {
		buf_printf(out, "share-%u: ", i + 1);
		text_add_hex(out, BYTES(s->hashes[i], sizeof(s->hashes[i])));
		buf_u8(out, '\n');
	}
}

/* ---- reading: leniently, for writing it again says what is exact ---- */

struct lines {
	struct bytes left;
	unsigned number;
};

/* The value of the next line, whose name is this; empty where it is another. */
static struct bytes value_of(struct lines *l, const char *name)
{
	const uint8_t *end = l->left.len ? memchr(l->left.data, '\n', l->left.len) : NULL;
	size_t name_len = strlen(name), len = end ? (size_t)(end - l->left.data) : 0;
	struct bytes line = BYTES(l->left.data, len);
	l->number++;
	l->left = end ? BYTES(end + 1, l->left.len - len - 1) : BYTES_NONE;
	if (len < name_len + 2 || memcmp(line.data, name, name_len) != 0 || memcmp(line.data + name_len, ": ", 2) != 0)
		return BYTES_NONE;
	return BYTES(line.data + name_len + 2, len - name_len - 2);
}

static void copy_text(struct bytes from, char *out, size_t size)
{
	size_t len = from.len < size ? from.len : size - 1;
	if (len)
		memcpy(out, from.data, len);
	out[len] = '\0';
	output_clean(out);
}

static unsigned number_of(struct bytes digits)
{
	unsigned number = 0;
	for (size_t i = 0; i < digits.len && number <= SHARES_MAX; i++) {
		if (digits.data[i] < '0' || digits.data[i] > '9')
			return 0;
		number = number * 10 + (digits.data[i] - '0');
	}
	return number;
}

static void read_hash(struct lines *l, unsigned index, uint8_t out[32])
{
	char name[16];
	auto_buf hash = BUF_INIT;
	struct error ignored = ERR_INIT;
	(void)snprintf(name, sizeof(name), "share-%u", index);
	if (text_parse_hex(value_of(l, name), 32, &hash, &ignored) == 0 && hash.len == 32)
		memcpy(out, hash.data, 32);
}

static void read_leniently(struct bytes text, struct shares_sheet *out)
{
	struct lines l = { .left = text };
	struct error ignored = ERR_INIT;
	*out = (struct shares_sheet){ 0 };
	(void)value_of(&l, FIRST_LINE);
	copy_text(value_of(&l, "token"), out->token, sizeof(out->token));
	copy_text(value_of(&l, "serial"), out->serial, sizeof(out->serial));
	out->pin = bytes_are(value_of(&l, "pin"), "so") ? SHARES_PIN_SO : SHARES_PIN_USER;
	copy_text(value_of(&l, "split"), out->split, sizeof(out->split));
	if (clock_parse_rfc3339(value_of(&l, "made"), &out->made_s, &ignored) || out->made_s < 0)
		out->made_s = 0;
	out->count = number_of(value_of(&l, "shares"));
	out->threshold = number_of(value_of(&l, "threshold"));
	for (unsigned i = 0; i < out->count && i < SHARES_MAX; i++)
		read_hash(&l, i + 1, out->hashes[i]);
}

static bool is_split_id(const char *id)
{
	return strlen(id) == SHARES_ID_LEN && strspn(id, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") == SHARES_ID_LEN;
}

/* The number of the first line in which the two differ. */
static unsigned first_difference(struct bytes a, struct bytes b)
{
	unsigned line = 1;
	for (size_t i = 0; i < a.len && i < b.len && a.data[i] == b.data[i]; i++)
		line += a.data[i] == '\n';
	return line;
}

int shares_sheet_read(struct bytes text, struct shares_sheet *out, struct error *err)
{
	auto_buf again = BUF_INIT;
	if (text.len > SHARES_SHEET_TEXT_MAX)
		return err_set(err, ERR_CONFIG, "this is no sheet of shares: it has %zu octets", text.len);
	read_leniently(text, out);
	if (!is_split_id(out->split))
		return err_set(err, ERR_CONFIG, "this is no sheet of shares: line 5 is not \"split: \" and an id");
	if (out->count > SHARES_MAX || out->threshold < SHARES_LEAST || out->threshold > out->count)
		return err_set(err, ERR_CONFIG,
			       "this is no sheet of shares: lines %d and %d do not say how many there are",
			       HEAD_LINES - 1, HEAD_LINES);
	shares_sheet_write(out, &again);
	if (again.failed)
		return err_set(err, ERR_INTERNAL, "no memory for a sheet");
	if (!bytes_equal(buf_bytes(&again), text))
		return err_set(err, ERR_CONFIG, "line %u of the sheet of shares is not as such a sheet has it",
			       first_difference(buf_bytes(&again), text));
	return 0;
}

int shares_sheet_load(const char *path, struct shares_sheet *out, struct error *err)
{
	auto_buf text = BUF_INIT;
	if (file_read(path, SHARES_SHEET_TEXT_MAX, &text, err))
		return -1;
	if (shares_sheet_read(buf_bytes(&text), out, err)) {
		struct error cause = *err;
		return err_wrap(err, ERR_CONFIG, "%s: %s", path, cause.message);
	}
	return 0;
}

int shares_sheet_check(const struct shares_sheet *s, const struct share *share, struct error *err)
{
	char theirs[SHARES_ID_LEN + 2], ours[SHARES_ID_LEN + 2];
	uint8_t hash[32];
	if (strcmp(share->split, s->split) != 0)
		return err_set(err, ERR_CONFLICT, "this is share %u of another split (%s), not of %s", share->index,
			       shares_id_text(share->split, theirs), shares_id_text(s->split, ours));
	share_hash(share, hash);
	if (share->index > s->count || memcmp(hash, s->hashes[share->index - 1], sizeof(hash)) != 0)
		return err_set(err, ERR_INTEGRITY,
			       "this is not share %u of split %s: the sheet has another hash for it", share->index,
			       shares_id_text(s->split, ours));
	return 0;
}
