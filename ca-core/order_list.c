/* Pages of orders: newest first, of one's own or of all. */
#include "ca-core/order_private.h"

#include "base/text.h"
#include "ca-core/policy.h"

/* What one request may cost: records looked at, and octets of its answer. */
#define VISITS_MAX 5000
#define PAGE_BYTES_MAX ((size_t)600 << 10)

struct page {
	struct ca *ca;
	const struct ca_actor *actor;
	const struct message_order_list *request;
	enum record_order_status status; /* 0: any */
	enum store_index index;          /* STORE_INDEX_COUNT: the table itself, whose keys are in the order of time */
	struct buf prefix, from, after_key;
	struct order_work *work; /* decodes each order; its snapshot is the page's */
	struct message_orders answer;
	struct order_memory memory; /* of the rows */
	size_t bytes, visits;
	bool more;
	struct buf last_index_key, last_key;
};

static void page_free(struct page *p)
{
	buf_free(&p->prefix);
	buf_free(&p->from);
	buf_free(&p->after_key);
	buf_free(&p->last_index_key);
	buf_free(&p->last_key);
	order_work_free(p->work);
	order_memory_free(&p->memory);
	free(p);
}
CLEANUP_POINTER(page, struct page, page_free)
#define auto_page CLEANUP(page_cleanup) struct page

static bool sees_all(const struct ca_actor *actor)
{
	return actor->roles & (ROLE_OFFICER | ROLE_AUDITOR);
}

/* One's own by who ordered them; those of one status by that; all as they were made. */
static int choose_index(struct page *p, struct error *err)
{
	const struct message_order_list *request = p->request;
	if (request->status.len && record_order_status_parse(request->status, &p->status, err))
		return -1;
	if (request->mine || !sees_all(p->actor)) {
		p->index = STORE_BY_ORDERED;
		buf_add_text(&p->prefix, p->actor->identity);
		buf_u8(&p->prefix, 0);
		return 0;
	}
	p->index = p->status ? STORE_BY_STATUS : STORE_INDEX_COUNT;
	if (p->status)
		buf_u8(&p->prefix, (uint8_t)p->status);
	return 0;
}

/* A cursor is hex of: index, index key, record key. It grants nothing: whoever alters one sees another page of what he
 * may see. */
static void write_cursor(const struct page *p, struct buf *out)
{
	auto_buf plain = BUF_INIT;
	buf_u8(&plain, (uint8_t)p->index);
	buf_field(&plain, buf_bytes(&p->last_index_key));
	buf_field(&plain, buf_bytes(&p->last_key));
	text_add_hex(out, buf_bytes(&plain));
}

static int read_cursor(struct page *p, struct bytes cursor, struct error *err)
{
	auto_buf plain = BUF_INIT;
	struct error ignored = ERR_INIT;
	if (text_parse_hex(cursor, (size_t)2 * STORE_KEY_MAX + 16, &plain, &ignored) == 0) {
		struct reader r = reader_of(buf_bytes(&plain));
		uint8_t index = reader_u8(&r);
		struct bytes index_key = reader_field(&r, STORE_KEY_MAX);
		struct bytes key = reader_field(&r, STORE_KEY_MAX);
		bool below = index_key.len >= p->prefix.len &&
			     bytes_equal(BYTES(index_key.data, p->prefix.len), buf_bytes(&p->prefix));
		bool indexed = p->index != STORE_INDEX_COUNT;
		if (reader_done(&r) && index == (uint8_t)p->index && indexed == (index_key.len > 0) && key.len &&
		    below) {
			buf_add_bytes(&p->from, index_key);
			buf_add_bytes(&p->after_key, key);
			return 0;
		}
	}
	(void)err_set(err, ERR_BAD_REQUEST, "the cursor does not belong to this query: use `next` of the page before");
	return err_about(err, "cursor", NULL, NULL);
}

static void add_row(struct page *p)
{
	const struct record_order *o = p->work->order;
	struct message_order_row *row = &p->answer.rows[p->answer.count++];
	auto_buf words = BUF_INIT;
	order_waits_for(p->work, &words);
	*row = (struct message_order_row){ .id = order_keep(&p->memory, o->id),
					   .status = bytes_of(record_order_status_name(o->status)),
					   .profile = order_keep(&p->memory, o->profile),
					   .requester = order_keep(&p->memory, o->requester),
					   .name_count = (uint32_t)o->name_count,
					   .created_s = o->created_ms / 1000,
					   .expires_s = o->expires_s,
					   .waits_for = order_keep(&p->memory, buf_bytes(&words)) };
	if (o->name_count)
		row->first_name = order_keep(&p->memory, o->names[0].name);
	p->bytes += 128 + words.len + row->first_name.len;
}

static int visit(void *arg, const struct store_row *row, struct error *err)
{
	struct page *p = arg;
	struct order_work *w = p->work;
	if (p->answer.count == p->request->limit || p->visits == VISITS_MAX || p->bytes > PAGE_BYTES_MAX) {
		p->more = true;
		return 1;
	}
	p->visits++;
	buf_clear(&p->last_index_key);
	buf_add_bytes(&p->last_index_key, row->index_key);
	buf_clear(&p->last_key);
	buf_add_bytes(&p->last_key, row->key);
	ca_organization_free(w->organization);
	w->organization = NULL;
	if (order_work_load(w, row->key, err))
		return -1;
	if ((!p->status || w->order->status == p->status) && order_may_see(p->actor, w->order))
		add_row(p);
	return 0;
}

static int write_page(struct page *p, struct buf *out, struct error *err)
{
	auto_buf cursor = BUF_INIT;
	if (p->more) {
		write_cursor(p, &cursor);
		p->answer.next = buf_bytes(&cursor);
	}
	message_orders_write(&p->answer, out);
	return out->failed || p->memory.failed ? err_set(err, ERR_INTERNAL, "no memory for a page of orders") : 0;
}

int ca_order_list(struct ca *ca, const struct ca_actor *actor, const struct message_order_list *request,
		  struct buf *out, struct error *err)
{
	if (!actor->may_read)
		return err_set(err, ERR_ROLE_REQUIRED, "this API token may request, not read");
	if (request->limit == 0 || request->limit > MESSAGE_ROWS_MAX) {
		(void)err_set(err, ERR_BAD_REQUEST, "a page has 1 to %d orders", MESSAGE_ROWS_MAX);
		return err_about(err, "limit", NULL, "1 to 500");
	}
	auto_page *p = calloc(1, sizeof(*p));
	if (!p)
		return err_set(err, ERR_INTERNAL, "no memory for a page of orders");
	p->ca = ca;
	p->actor = actor;
	p->request = request;
	p->work = order_work_new(ca, actor, err);
	if (!p->work || choose_index(p, err) || (request->cursor.len && read_cursor(p, request->cursor, err)))
		return -1;
	const struct store_range range = { .prefix = buf_bytes(&p->prefix),
					   .from = buf_bytes(&p->from),
					   .after_key = buf_bytes(&p->after_key),
					   .reverse = true };
	int scanned = p->index == STORE_INDEX_COUNT ? store_scan(p->work->snap, STORE_ORDERS, &range, visit, p, err)
						    : store_scan_index(p->work->snap, p->index, &range, visit, p, err);
	if (scanned < 0)
		return -1;
	return write_page(p, out, err);
}
