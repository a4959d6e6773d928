#include "tools/list.h"

#include <stdio.h>
#include <string.h>

#define PAGE 500 /* the server gives no more rows at once */

static json_t *get_page(struct client *client, const char *list_path, const char *cursor, size_t left,
			struct error *err)
{
	auto_buf path = BUF_INIT;
	char most[24];
	(void)snprintf(most, sizeof(most), "%zu", left < PAGE ? left : PAGE);
	buf_add_text(&path, list_path);
	url_add_query(&path, "cursor", cursor);
	url_add_query(&path, "limit", most);
	return client_get_json(client, buf_text(&path), err);
}

json_t *list_pages(struct client *client, const struct list *list, const char *path, size_t limit, struct error *err)
{
	auto_json *all = json_array();
	auto_free char *cursor = NULL;
	struct progress progress = progress_begin(list->member);
	bool failed;
	do {
		auto_json *page = get_page(client, path, cursor, limit - json_array_size(all), err);
		failed = !page;
		(void)json_array_extend(all, json_object_get(page, list->member));
		free(cursor);
		const char *next = member_text(page, "next");
		cursor = next[0] ? strdup(next) : NULL;
		progress_step(&progress, json_array_size(all), 0);
	} while (cursor && json_array_size(all) < limit);
	progress_end(&progress);
	return failed ? NULL : TAKE(all);
}

int list_show(const struct invocation *in, const struct list *list, json_t *rows)
{
	auto_table table = TABLE_INIT(0);
	size_t i;
	const json_t *row;
	if (in->common.json) {
		output_json(json_pack("{s:O}", list->member, rows));
		return 0;
	}
	while (table.columns < TABLE_COLUMNS_MAX && list->columns[table.columns])
		table.columns++;
	table_add(&table, list->columns);
	json_array_foreach(rows, i, row)
	{
		list->add_row(&table, row);
	}
	table_print(&table);
	return 0;
}
