/*
 * tools/list.h - lists of rows: fetched page by page, and shown as a table or as JSON.
 */
#ifndef CHANCERY_TOOLS_LIST_H
#define CHANCERY_TOOLS_LIST_H

#include "tools/client.h"
#include "tools/output.h"

struct list {
	const char *member;                                      /* of an answer that holds the rows: "orders" */
	const char *columns[TABLE_COLUMNS_MAX];                  /* their headings; NULL behind the last */
	void (*add_row)(struct table *table, const json_t *row); /* as many cells */
};

/* At most `limit` rows of what GET path gives, all pages as one array; path: with its filters, without cursor and
 * limit. The caller's reference. NULL: what client_get_json gives. */
json_t *list_pages(struct client *client, const struct list *list, const char *path, size_t limit, struct error *err);

/* Prints the rows (borrowed): for people a table, for machines an object with the member. Returns 0, the exit status. */
int list_show(const struct invocation *in, const struct list *list, json_t *rows);

#endif
