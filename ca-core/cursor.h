/*
 * ca-core/cursor.h - where a page of a list begins and ends, and how the next one finds its place.
 *
 * A cursor is hex of: index, index key, record key. It grants nothing: whoever alters one sees
 * another page of what he may see.
 *
 * Thread-safety: every function works only on its arguments.
 */
#ifndef CHANCERY_CA_CURSOR_H
#define CHANCERY_CA_CURSOR_H

#include "store/store.h"

struct ca_cursor {
	enum store_index index;              /* STORE_INDEX_COUNT: the table itself */
	struct buf prefix;                   /* below which all keys of the list lie */
	struct buf from, after_key;          /* where this page begins */
	struct buf last_index_key, last_key; /* of the last record looked at */
};

void ca_cursor_free(struct ca_cursor *c);

/* Begins behind where the page ended that gave this text, "" where there was none. index and prefix are set before.
 * ERR_BAD_REQUEST, about "cursor", where it is not one of this list. */
int ca_cursor_read(struct ca_cursor *c, struct bytes text, struct error *err);

/* The row is looked at: the next page begins behind it. */
void ca_cursor_pass(struct ca_cursor *c, const struct store_row *row);

/* The text for the next page, appended. */
void ca_cursor_write(const struct ca_cursor *c, struct buf *out);

struct store_range ca_cursor_range(const struct ca_cursor *c, bool reverse);

#endif
