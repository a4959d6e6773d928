#include "tools/shares_collect.h"

#include <fcntl.h>
#include <stdio.h>

struct collection {
	int terminal;
	const struct shares_sheet *sheet;
	const char *what;
	size_t count;
	struct share shares[SHARES_MAX];
};

static void collection_wipe(struct collection *c)
{
	shares_wipe(c->shares, SHARES_MAX);
}

static void greet(const struct collection *c, bool first)
{
	char id[SHARES_ID_LEN + 2];
	(void)dprintf(c->terminal, CLEAR_SCREEN "%s: %u of the %u shares of split %s are needed.\n", c->what,
		      c->sheet->threshold, c->sheet->count, shares_id_text(c->sheet->split, id));
	if (!first)
		(void)dprintf(c->terminal, "Share %u was right: %zu of %u are there.\n", c->shares[c->count - 1].index,
			      c->count, c->sheet->threshold);
	(void)dprintf(c->terminal,
		      "\nCustodian %zu of %u comes to the keyboard, and nobody else looks at it.\n"
		      "What is typed is not shown. Small letters are as good as capital ones, and\n"
		      "blanks may be left out. Press Enter at the end, or at the end of each line.\n"
		      "Nothing but Enter: there are no more shares.\n\n",
		      c->count + 1, c->sheet->threshold);
}

/* Lines onto text, until they are a share. *given is false where nothing but Enter was typed. */
static int type_share(const struct collection *c, struct buf *text, bool *given, struct error *err)
{
	char what[64];
	size_t typed = 0, needed = 0;
	(void)snprintf(what, sizeof(what), "Share");
	for (;;) {
		auto_secret *line = secret_ask(c->terminal, what, err);
		if (!line)
			return -1;
		struct bytes b = secret_bytes(line);
		*given = typed > 0 || b.len > 0;
		if (b.len == 0 || text->len + b.len >= SHARES_TEXT_MAX)
			break;
		buf_add_bytes(text, b);
		buf_u8(text, '\n');
		share_progress(buf_bytes(text), &typed, &needed);
		if (typed >= 16 && typed >= needed)
			break;
		(void)snprintf(what, sizeof(what), needed ? "%zu of %zu characters; go on" : "%zu characters; go on",
			       typed, needed);
	}
	return text->failed ? err_set(err, ERR_INTERNAL, "no memory for a share") : 0;
}

static int accept(struct collection *c, struct bytes text, struct error *err)
{
	struct share *share = &c->shares[c->count];
	if (share_read(text, share, err) || shares_sheet_check(c->sheet, share, err))
		return -1;
	for (size_t i = 0; i < c->count; i++)
		if (c->shares[i].index == share->index)
			return err_set(err, ERR_CONFLICT, "share %u was given already: another one is needed",
				       share->index);
	c->count++;
	return 0;
}

static int ask_for_one(struct collection *c, struct error *err)
{
	for (;;) {
		auto_secret_buf text = BUF_INIT;
		struct error mistake = ERR_INIT;
		shares_reserve(&text);
		bool given = false;
		if (type_share(c, &text, &given, err))
			return -1;
		if (!given)
			return err_set(err, ERR_CONFLICT,
				       "too few shares: %zu of the %u that are needed were given, and no PIN was tried",
				       c->count, c->sheet->threshold);
		if (accept(c, buf_bytes(&text), &mistake) == 0)
			return 0;
		(void)dprintf(c->terminal, "Not accepted:\n  %s.\n\n", mistake.message);
	}
}

struct secret *shares_collect(int terminal, const struct shares_sheet *sheet, const char *what, struct error *err)
{
	CLEANUP(collection_wipe) struct collection c = { .terminal = terminal, .sheet = sheet, .what = what };
	shares_lock(&c, sizeof(c));
	/* A share is held against threshold and form of the first one by its hash: all are of the sheet. */
	while (c.count < sheet->threshold) {
		greet(&c, c.count == 0);
		if (ask_for_one(&c, err)) {
			(void)dprintf(terminal, CLEAR_SCREEN);
			return NULL;
		}
	}
	(void)dprintf(terminal, CLEAR_SCREEN "%s: %zu of %zu shares are there.\n", what, c.count, c.count);
	return shares_combine(c.shares, c.count, err);
}

struct secret *shares_ask(const struct shares_sheet *sheet, const char *what, struct error *err)
{
	char shown[160];
	shares_guard_process();
	auto_fd terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (terminal < 0) {
		(void)err_errno(err, ERR_IO, "there is no terminal to ask for the shares of %s on", what);
		return NULL;
	}
	(void)snprintf(shown, sizeof(shown), "%s of token %s", shares_pin_name(sheet->pin), sheet->token);
	return shares_collect(terminal, sheet, shown, err);
}

struct secret *shares_get(const char *path, const char *what, struct error *err)
{
	struct shares_sheet sheet;
	return shares_sheet_load(path, &sheet, err) ? NULL : shares_ask(&sheet, what, err);
}
