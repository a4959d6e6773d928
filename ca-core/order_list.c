/* Pages of orders: newest first, of one's own or of all. */
#include "ca-core/order_private.h"

#include "ca-core/cursor.h"
#include "ca-core/policy.h"

/* What one request may cost: records looked at, and octets of its answer. */
#define VISITS_MAX 5000
#define PAGE_BYTES_MAX ((size_t)600 << 10)

struct page {
	struct ca *ca;
	const struct ca_actor *actor;
	const struct message_order_list *request;
	enum record_order_status status; /* 0: any */
	struct ca_cursor place;          /* of the table itself, the keys are in the order of time */
	struct order_work *work;         /* decodes each order; its snapshot is the page's */
	struct message_orders answer;
	struct order_memory memory; /* of the rows */
	size_t bytes, visits;
	bool more;
};

static void page_free(struct page *p)
{
	ca_cursor_free(&p->place);
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
		p->place.index = STORE_BY_ORDERED;
		buf_add_text(&p->place.prefix, p->actor->identity);
		buf_u8(&p->place.prefix, 0);
		return 0;
	}
	p->place.index = p->status ? STORE_BY_STATUS : STORE_INDEX_COUNT;
	if (p->status)
		buf_u8(&p->place.prefix, (uint8_t)p->status);
	return 0;
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
	ca_cursor_pass(&p->place, row);
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
		ca_cursor_write(&p->place, &cursor);
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
	if (!p->work || choose_index(p, err) || ca_cursor_read(&p->place, request->cursor, err))
		return -1;
	const struct store_range range = ca_cursor_range(&p->place, true);
	int scanned = p->place.index == STORE_INDEX_COUNT
			      ? store_scan(p->work->snap, STORE_ORDERS, &range, visit, p, err)
			      : store_scan_index(p->work->snap, p->place.index, &range, visit, p, err);
	if (scanned < 0)
		return -1;
	return write_page(p, out, err);
}
