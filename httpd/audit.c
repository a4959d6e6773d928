/* GET /api/v1/audit: the log's entries, exactly the bytes that were hashed. */
#include "httpd/handlers.h"
#include "httpd/json.h"
#include "httpd/server.h"

#define ROWS_DEFAULT 100

static json_t *entry_json(const struct message_audit_entry *entry)
{
	return json_pack("{s:I, s:o, s:o}", "sequence", (json_int_t)entry->sequence, "hash",
			 json_hex(BYTES(entry->hash, sizeof(entry->hash))), "entry", json_text(entry->entry));
}

static void listed(struct request *r)
{
	struct error err = ERR_INIT;
	auto_free struct message_audit_entries *page = malloc(sizeof(*page));
	if (!page)
		(void)err_set(&err, ERR_BUSY, "no memory for the entries");
	if (!page || request_answered(r, MSG_AUDIT_ENTRIES, &err) != 0 ||
	    message_audit_entries_read(buf_bytes(&r->answer.payload), page, &err) != 0) {
		request_refuse(r, &err);
		return;
	}
	json_t *entries = json_array();
	for (uint32_t i = 0; i < page->count; i++)
		(void)json_array_append_new(entries, entry_json(&page->rows[i]));
	json_t *answer = json_pack("{s:o, s:b}", "entries", entries, "more", page->more);
	if (page->more && page->count > 0)
		(void)json_object_set_new(answer, "next",
					  json_integer((json_int_t)page->rows[page->count - 1].sequence));
	auto_buf content = BUF_INIT;
	json_write(answer, &content);
	request_reply(r, MHD_HTTP_OK, "application/json", &content);
}

/* 0 is the beginning. */
static int read_after(const struct request *r, uint64_t *after, struct error *err)
{
	struct bytes text;
	if (!request_argument(r, "after", &text))
		return 0;
	bool digits = text.len > 0 && text.len <= 18;
	for (size_t i = 0; digits && i < text.len; i++) {
		digits = text.data[i] >= '0' && text.data[i] <= '9';
		*after = *after * 10 + (text.data[i] - '0');
	}
	if (digits)
		return 0;
	(void)err_set(err, ERR_BAD_REQUEST, "after must be an entry's sequence number");
	return err_about(err, "after", NULL, "0, 1, 2, ...");
}

void audit_list(struct request *r)
{
	struct message_audit_list question = { .session = r->session.number, .limit = ROWS_DEFAULT };
	struct error err = ERR_INIT;
	auto_buf payload = BUF_INIT;
	if (read_after(r, &question.after, &err) != 0 ||
	    request_argument_number(r, "limit", MESSAGE_ROWS_MAX, &question.limit, &err) != 0) {
		request_refuse(r, &err);
		return;
	}
	message_audit_list_write(&question, &payload);
	request_ask(r, MSG_AUDIT_LIST, &payload, listed);
}
